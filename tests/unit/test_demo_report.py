"""What is missing, how it is told, and what makes the demonstration fail."""

import dataclasses
import json
import re

from demo.__main__ import main
from demo.floor import Floor
from demo.gaps import Gap
from demo.objects import missing
from demo.outcome import Outcome
from demo.pods import PodTimes
from demo.report import render
from demo.result import Result, Written

PARTS = {"fence": 4.0, "snapshot": 1.0, "copy": 0.5, "restore": 0.5, "start": 2.0, "cutover": 11.0}
MEMBER = {"name": "x", "hash": 1, "compact_revision": 2, "revision": 3, "keys": 4}
# It began 2 s before the fence, which began 8 s before the cutover, and ended 1 s before the
# cutover was done on the last master.
OUTAGE = Gap(990.0, 1010.0)


def result(**changed):
    fields = {
        "floor": Floor(
            gaps={"m1": Gap(0, 15), "load-balancer": Gap(0, 16)},
            gone_seconds={"m1": 4.0},
            started_seconds={"m1": 1.5},
            ready_seconds={"m1": 11.0},
            healthy_seconds=20.0,
            acknowledged={},
        ),
        "outcome": Outcome.model_validate(
            {
                "run": "r",
                "cluster": "lab",
                "parts": PARTS,
                "cutover_started": 1000.0,
                "proof": {"revision": 3, "old": [MEMBER], "new": [MEMBER]},
            }
        ),
        "written": [
            Written("loaded beforehand", 2000, []),
            Written("load-balancer", 500, [], Gap(0, 20)),
        ],
        "longest_gap": OUTAGE,
        "pods": [PodTimes("m1", 1.5, 6.0)],
    }
    return Result(**{**fields, **changed})


def test_missing_is_what_was_acknowledged_and_is_not_there():
    assert missing({"a": "1", "b": "2"}, {"a": "1", "c": "3"}) == ["b"]


def test_an_object_that_was_made_again_is_not_the_acknowledged_one():
    assert missing({"a": "1"}, {"a": "another"}) == ["a"]


def test_tells_the_outage_its_ratio_and_its_parts():
    text = render(result())
    assert "through the load balancer: 20.0 s" in text
    assert "bare floor: 16.0 s; ratio 1.25, within the limit of 1.4" in text
    for line in ("fence +4.0 +4.0", "snapshot +1.0 +1.0", "prove +- +0.0", "cutover +11.0 +10.0"):
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    assert re.search(r"^none of these +- +2\.0$", text, re.MULTILINE)
    assert re.search(r"^the outage +- +20\.0$", text, re.MULTILINE)


def test_leaves_out_what_the_tool_did_before_and_after_the_outage():
    outcome = result().outcome
    longer = {"pki": 100.0, **outcome.parts, "confirm": 100.0}
    text = render(result(outcome=outcome.model_copy(update={"parts": longer})))
    assert "confirm" not in text
    assert re.search(r"^fence +4\.0 +4\.0$", text, re.MULTILINE)


def test_says_that_a_floor_is_too_high_if_kubelet_held_every_api_server_back():
    held_back = dataclasses.replace(result().floor, started_seconds={"m1": 10.7, "m2": 11.9})
    assert "TOO HIGH: kubelet held the API servers back" in render(result(floor=held_back))
    assert "TOO HIGH" not in render(result())


def test_says_plainly_that_the_outage_was_too_long():
    assert "ratio 1.88, ABOVE the limit" in render(result(longest_gap=Gap(0, 30)))


def test_ends_with_one_line_if_all_is_well():
    last = render(result()).splitlines()[-1]
    assert last == "nothing is missing, nothing differs; all 2500 acknowledged writes are there"


def test_ends_with_one_line_for_each_fault():
    text = render(result(problems=["m1: gone", "m2: gone"]))
    assert text.splitlines()[-2:] == ["FAILED: m1: gone", "FAILED: m2: gone"]
    assert "nothing is missing" not in text


def test_reports_what_there_is_after_a_run_that_failed_early():
    text = render(Result(problems=["pyinfra failed with exit code 1"]))
    assert text.endswith("FAILED: pyinfra failed with exit code 1")


def test_has_no_control_characters():
    assert re.search(r"[^\n\x20-\x7e]", render(result())) is None


def test_the_summary_can_be_written_as_json():
    summary = json.loads(json.dumps(result().summary()))
    assert summary["acknowledged"] == 2500
    assert summary["missing"] == []
    assert summary["ratio"] == 1.25
    assert summary["floor"]["seconds"] == 16


def test_exits_with_1_and_one_line_if_it_can_not_go_on(monkeypatch, capsys):
    from demo import __main__
    from demo.errors import DemoError

    def tell(options):
        assert options.objects == 5
        raise DemoError("no etcd")

    monkeypatch.setattr(__main__, "tell", tell)
    assert main(["--objects", "5"]) == 1
    assert capsys.readouterr().out == "FAILED: no etcd\n"
