"""A report shows no secret, and nothing that a name in it could do."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.unit.cluster import APISERVER
from tests.unit.report_lines import (
    FENCED,
    HOSTILE,
    at,
    page,
    pictures,
    source,
)
from unstack.report.leave import write_report
from unstack.report.masking import masked
from unstack.report.model import Report
from unstack.report.source import Change

SECRETS = """
    - --token=s3cr3tvalue
    - --oidc-client-secret=s3cr3tvalue
    - --some-password "s3cr3tvalue and more"
    - --password
    - s3cr3tvalue
    - --kubelet-token='s3cr3tvalue'
    env:
    - name: PROXY_PASSWORD
      value: s3cr3tvalue
    - {name: API_TOKEN, value: s3cr3tvalue}
    - value: s3cr3tvalue
      name: ANOTHER_SECRET
    httpHeaders:
    - name: Authorization
      value: Basic czNjcjN0dmFsdWU=
    - --proxy=https://user:s3cr3tvalue@proxy.lan:3128
    token: s3cr3tvalue
    password: three words, s3cr3tvalue
    passphrase: |-
      s3cr3tvalue

      s3cr3tvalue
    - name: BLOCK_SECRET
      value: >
        s3cr3tvalue
    after: kept
    certificateKey: s3cr3tvalue
    header: Bearer s3cr3tvalue1
    bootstrap abcdef.s3cr3tvalue12345
    jwt eyJhbGciOiJSUzI1NiJ9.s3cr3tvalue.s3cr3tvalue
-----BEGIN EC PRIVATE KEY-----
s3cr3tvalue
-----END EC PRIVATE KEY-----
"""


def test_masks_what_looks_like_a_secret() -> None:
    text = masked(SECRETS)
    assert "s3cr3tvalue" not in text
    assert "czNjcjN0dmFsdWU" not in text
    assert text.count("***") >= 16
    assert text.count("\n") == SECRETS.count("\n")
    assert "--token=***" in text
    assert "    after: kept\n" in text
    assert "https://***@proxy.lan:3128" in text


def test_leaves_paths_and_switches_of_a_manifest_alone() -> None:
    assert masked(APISERVER) == APISERVER
    flags = "--token-auth-file=/etc/kubernetes/tokens.csv\nautomountServiceAccountToken: false\n"
    assert masked(flags) == flags


def test_no_secret_reaches_the_files(tmp_path: Path) -> None:
    change = Change("master-1", "kube-apiserver.yaml", APISERVER, APISERVER + SECRETS)
    stopped = at(6.8, "stopped", reason="a step failed: --token=s3cr3tvalue")
    directory = write_report(source([*FENCED, stopped], tmp_path, changes=[change]))
    for name in ("report.html", "report.json"):
        assert "s3cr3tvalue" not in (directory / name).read_text()
        assert "***" in (directory / name).read_text()


def test_escapes_hostile_names(migrated: Report) -> None:
    lane = dataclasses.replace(migrated.hosts[0], host=HOSTILE, address=HOSTILE)
    operations = [dataclasses.replace(lane.operations[0], name=HOSTILE, result="failed")]
    hostile = dataclasses.replace(
        migrated,
        cluster=HOSTILE,
        ending=dataclasses.replace(migrated.ending, sentence=HOSTILE),
        stages=(dataclasses.replace(migrated.stages[0], name=HOSTILE), *migrated.stages[1:]),
        hosts=(dataclasses.replace(lane, operations=tuple(operations)), *migrated.hosts[1:]),
        diffs=(dataclasses.replace(migrated.diffs[0], file=HOSTILE, lines=(f"+{HOSTILE}",)),),
        steps=(dataclasses.replace(migrated.steps[0], text=HOSTILE, task=HOSTILE),),
    )
    text = page(hostile)
    assert "<img" not in text
    assert "&lt;img" in text
    assert len(pictures(text)) == 3  # still well-formed


@pytest.mark.parametrize("name", ["migrated", "brought_back", "rolled_back"])
def test_asks_for_nothing_from_the_network(name: str, request: pytest.FixtureRequest) -> None:
    text = page(request.getfixturevalue(name))
    links = re.findall(r"""(?:src|href|action|srcset|data)\s*=\s*["']?([^"'\s>]*)""", text)
    assert set(links) <= {"data:,"}
    assert not re.search(r"@import|url\(|<script|<iframe|<object|javascript:|\son\w+=", text)
