"""The CA of a cluster in use is replaced under live writes, by runs that are killed on the way.

One whole rotation is in the normal tests; the one that is killed in every step begins ten more times, and
is `long`.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.writers import LOAD_BALANCER, Record
from lab import Lab, Node
from tests.commands import REPOSITORY, Outcome, pyinfra, state_of
from tests.under_way import run_until
from tests.writing import lost, writing

TASK = "tasks/renew_ca.py"
PKI = REPOSITORY / ".unstack/lab/pki"
LONGEST_GAP_SECONDS = 2.0
# Each run is killed as it begins with this step, the last one is not.
KILLED_AT = ("Restart the API server of master-2 to trust both CAs",)
EVERYWHERE = (
    "Make the new CA on the control node",
    "Bring both CAs to the host",
    "Restart the member etcd-1 to trust both CAs",
    "Restart the API server of master-3 to trust both CAs",
    "Make the certificates anew on the control node",
    "Bring the host its certificates of the new CA",
    "Bring the new CA alone to the host",
    "Restart the member etcd-3 to trust the new CA alone",
    "Restart the API server of master-1 to trust the new CA alone",
    "Set the old CA aside on the control node",
)


@dataclass(frozen=True)
class Rotated:
    """A rotation that is over: what was there before it, and what was seen on the way."""

    old: Path  # the PKI as it was
    half_way: list[Outcome]  # status and renewal after the first kill
    records: dict[str, Record]
    lost: list[str]


def _rotate(lab: Lab, directory: Path, killed_at: tuple[str, ...]) -> Rotated:
    shutil.copytree(PKI, directory / "old")
    half_way: list[Outcome] = []
    with writing(lab, f"unstack-ca-{int(time.time())}") as writers:
        begin = time.monotonic()
        for step in killed_at:
            run = run_until(f"Starting operation: {step}", "-y", "inventories/lab.py", TASK)
            # Into the midst of it: what it has begun on a host goes on there.
            time.sleep(0.3)
            run.kill()
            if not half_way:
                half_way = [pyinfra("-y", "inventories/lab.py", f"tasks/{n}.py") for n in ("status", "renew")]
        # Twelve restarts one after the other; on a busy machine half a minute each.
        outcome = pyinfra("-y", "inventories/lab.py", TASK, timeout_seconds=600)
        assert outcome.status == 0, outcome.text
    records, missing = writers.records, lost(lab, writers)
    gaps = {name: f"{record.longest_gap().seconds:.2f} s" for name, record in records.items()}
    print(
        f"{time.monotonic() - begin:.0f} s, {len(writers.acknowledged())} acknowledged writes,"
        f" {len(missing)} lost; longest gaps: {gaps}"
    )
    return Rotated(directory / "old", half_way, records, missing)


@pytest.fixture(scope="module")
def untouched(moved_lab: Lab) -> dict[str, str]:
    """What the rotation has to leave as it is."""
    return _kept(moved_lab)


def _kept(lab: Lab) -> dict[str, str]:
    kept = {
        "kubeadm-config": lab.kubectl(
            "-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "jsonpath={.data}"
        )
    }
    for node in lab.masters:
        status, kept[node.name] = lab.exec(node, "sha256sum /etc/kubernetes/manifests/*")
        assert status == 0, kept[node.name]
    return kept


@pytest.fixture(scope="module")
def rotated(moved_lab: Lab, untouched: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Rotated:
    """The lab with a new CA, by two runs of which the first was killed."""
    return _rotate(moved_lab, tmp_path_factory.mktemp("rotation"), KILLED_AT)


def _end(certificate: Path) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-enddate", "-dateopt", "iso_8601"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().removeprefix("notAfter=")[:16]


def _is_served(node: Node, ca: Path, pair: Path) -> bool:
    """Whether a member and openssl, with this CA and client pair, take each other."""
    # TLS 1.2: with 1.3 a client learns only later that it was refused.
    arguments = ("-connect", f"{node.ip}:2379", "-tls1_2", "-CAfile", str(ca), "-verify_return_error")
    keys = ("-cert", f"{pair}.crt", "-key", f"{pair}.key")
    done = subprocess.run(
        ["openssl", "s_client", *arguments, *keys], input="Q", capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def test_a_member_that_is_down_is_named_and_nothing_is_changed(moved_lab: Lab) -> None:
    node = moved_lab.etcd[2]
    assert moved_lab.exec(node, "docker stop etcd")[0] == 0
    try:
        before = state_of(moved_lab)
        outcome = pyinfra("-y", "inventories/lab.py", TASK)
        assert outcome.status == 1, outcome.text
        assert f"{node.name}: found an external member that does not answer" in outcome.log
        assert "Traceback" not in outcome.text
        assert not (PKI / "next").exists()
        assert state_of(moved_lab) == before
    finally:
        assert moved_lab.exec(node, "docker start etcd")[0] == 0
        healthy = "until docker exec etcd etcdctl endpoint health --cluster; do sleep 0.5; done"
        assert moved_lab.exec(node, f"timeout 60 sh -c {healthy!r}")[0] == 0


def test_nothing_is_lost_and_no_write_waits_long(rotated: Rotated) -> None:
    assert rotated.lost == []
    assert len(rotated.records[LOAD_BALANCER].acknowledged) > 300
    assert rotated.records[LOAD_BALANCER].longest_gap().seconds <= LONGEST_GAP_SECONDS


def test_half_way_both_cas_are_shown_and_a_renewal_leaves_both_trusted(rotated: Rotated) -> None:
    status, renewal = rotated.half_way
    assert status.status == 0, status.text
    # Of the next one, which is the CA now; the old one was made in another minute.
    for name, path in (("ca", rotated.old / "ca.crt"), ("next/ca", PKI / "ca.crt")):
        assert f"{name:28} ends {_end(path)} UTC" in status.text, status.text
    assert "the CA is being replaced, and not to the end" in status.text
    assert renewal.status == 0, renewal.text


def test_the_old_ca_and_its_clients_are_refused_and_the_new_ones_served(
    rotated: Rotated, moved_lab: Lab
) -> None:
    for node in moved_lab.etcd:
        for pair in ("operator-client", "apiserver-client"):
            assert _is_served(node, PKI / "ca.crt", PKI / pair)
            assert not _is_served(node, PKI / "ca.crt", rotated.old / pair), "a client of the old CA"
            assert not _is_served(node, rotated.old / "ca.crt", PKI / pair), "a server of the old CA"
        status, output = moved_lab.exec(node, "docker exec etcd etcdctl endpoint health --cluster")
        assert status == 0, output


def test_every_host_trusts_the_new_ca_alone_and_nothing_else_was_changed(
    rotated: Rotated, moved_lab: Lab, untouched: dict[str, str]
) -> None:
    new = (PKI / "ca.crt").read_text().strip()
    assert new != (rotated.old / "ca.crt").read_text().strip()
    for node in moved_lab.etcd:
        assert moved_lab.exec(node, ["cat", "/etc/etcd/pki/ca.crt"])[1].strip() == new
    for node in moved_lab.masters:
        assert moved_lab.exec(node, ["cat", "/etc/kubernetes/pki/etcd-external/ca.crt"])[1].strip() == new
    assert _kept(moved_lab) == untouched
    aside = sorted((REPOSITORY / ".unstack/lab/previous-ca").iterdir())[-1]
    assert (aside / "ca.crt").read_text() == (rotated.old / "ca.crt").read_text()
    assert sorted(path.name for path in PKI.iterdir()) == [
        *("apiserver-client.crt", "apiserver-client.key", "ca.crt", "ca.key", "members"),
        *("operator-client.crt", "operator-client.key"),
    ]


@pytest.mark.long
def test_killed_in_every_step_it_is_finished_with_nothing_lost(moved_lab: Lab, tmp_path: Path) -> None:
    rotated = _rotate(moved_lab, tmp_path, EVERYWHERE)
    assert rotated.lost == []
    assert rotated.records[LOAD_BALANCER].longest_gap().seconds <= LONGEST_GAP_SECONDS
    assert (PKI / "ca.crt").read_text() != (rotated.old / "ca.crt").read_text()
    for node in moved_lab.etcd:
        assert _is_served(node, PKI / "ca.crt", PKI / "operator-client")
        assert not _is_served(node, PKI / "ca.crt", rotated.old / "operator-client")
