"""The report of a real run in a real browser: nothing on the console, whole on a phone, and on paper."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab import Lab
from tests.commands import REPOSITORY, pyinfra

REPORTS = REPOSITORY / ".unstack/lab/reports"
PHONE_PIXELS = 360
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=3000",
)
MEASURE = "<script>console.log('widths', document.documentElement.scrollWidth, innerWidth)</script>"


def _opened(page: Path, *options: str) -> list[str]:
    """The lines that Chromium puts on the console when it opens a page."""
    done = subprocess.run(
        ["chromium", *OPTIONS, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return re.findall(r":CONSOLE[:(]\d+\)?\] (.*)", done.stderr)


@pytest.fixture(scope="module")
def page(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the newest report; a migration makes one where no earlier test has."""
    if not any(REPORTS.glob("*/report.html")):
        lab.reset()
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
    newest = max(REPORTS.glob("*/report.html"), key=lambda path: path.stat().st_mtime)
    copy = tmp_path_factory.mktemp("page") / "report.html"
    copy.write_text(newest.read_text())
    return copy


def test_the_report_opens_without_a_word_on_the_console(page: Path) -> None:
    picture = page.with_suffix(".png")
    assert _opened(page, f"--screenshot={picture}", "--window-size=1200,2000") == []
    assert picture.read_bytes().startswith(b"\x89PNG")
    # An empty page of this size has 11 kB.
    assert picture.stat().st_size > 40_000


def test_a_page_with_a_fault_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text("<!doctype html><script>nothing()</script>")
    (line,) = _opened(broken, f"--screenshot={tmp_path / 'broken.png'}")
    assert "nothing is not defined" in line


def test_the_report_fits_a_phone_and_paper(page: Path) -> None:
    measured = page.with_name("measured.html")
    measured.write_text(page.read_text().replace("</body>", f"{MEASURE}</body>"))
    phone = page.with_name("phone.html")
    phone.write_text(
        f"<!doctype html><iframe src=measured.html width={PHONE_PIXELS} style=border:0></iframe>"
    )
    (line,) = _opened(phone, f"--screenshot={page.with_name('phone.png')}")
    assert f'"widths {PHONE_PIXELS} {PHONE_PIXELS}"' in line
    paper = page.with_suffix(".pdf")
    assert _opened(page, f"--print-to-pdf={paper}") == []
    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size > 10_000
