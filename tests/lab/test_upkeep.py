"""A migrated cluster in daily use: what its status shows, and certificates that are renewed under way."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from demo.api import tls_context
from demo.objects import create_namespace, listed, missing
from demo.writers import LOAD_BALANCER, Writers
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY, pyinfra, state_of
from unstack.scripts import script

PKI = REPOSITORY / ".unstack/lab/pki"
# No write may wait longer than this for a certificate.
LONGEST_GAP_SECONDS = 2.0


def _openssl(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False)
    return done.stdout


def _serial(certificate: Path) -> str:
    return _openssl("x509", "-in", str(certificate), "-noout", "-serial").strip()


def _served(node: Node, port: int) -> str:
    """The serial number of the certificate that a member shows to who asks now."""
    answer = _openssl("s_client", "-connect", f"{node.ip}:{port}", "-showcerts", text="Q")
    match = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", answer, re.DOTALL)
    assert match is not None, answer
    return _openssl("x509", "-noout", "-serial", text=match[0]).strip()


def _started(lab: Lab) -> dict[str, str]:
    """When each etcd container and each API server's process began."""
    found = {}
    for node in lab.etcd:
        found[node.name] = lab.exec(node, "docker inspect --format '{{.State.StartedAt}}' etcd")[1]
    for node in lab.masters:
        found[node.name] = lab.exec(node, "pgrep -x kube-apiserver")[1]
    return found


def test_status_shows_each_certificate_with_its_end(migrated_lab: Lab) -> None:
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/status.py")
    assert outcome.status == 0, outcome.text
    assert "lab: external" in outcome.text
    certificates = sorted(PKI.rglob("*.crt"))
    assert len(certificates) >= 9
    for path in certificates:
        end = _openssl("x509", "-in", str(path), "-noout", "-enddate", "-dateopt", "iso_8601")
        shown = end.strip().removeprefix("notAfter=")[:16]
        name = path.relative_to(PKI).with_suffix("").as_posix()
        assert re.search(rf"{re.escape(name)} +ends {shown} UTC", outcome.text), (name, shown)
    for node in migrated_lab.etcd:
        assert f"https://{node.ip}:2379" in outcome.text


def test_renewed_certificates_are_shown_without_a_restart_and_without_a_gap(migrated_lab: Lab) -> None:
    lab, context = migrated_lab, tls_context(KUBECONFIG)
    create_namespace(lab.load_balancer, context)
    before = {path: _serial(path) for path in PKI.rglob("*.crt")}
    started = _started(lab)
    writers = Writers({LOAD_BALANCER: lab.load_balancer}, context, f"unstack-renew-{int(time.time())}")
    writers.start()
    try:
        writers.wait_until_all_write(60)
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/renew.py")
        assert outcome.status == 0, outcome.text
        writers.wait_until_all_write(60)
    finally:
        records = writers.stop()
    changed = {path.relative_to(PKI).as_posix() for path, serial in before.items() if _serial(path) != serial}
    assert changed == {path.relative_to(PKI).as_posix() for path in before} - {"ca.crt"}
    for node in lab.etcd:
        assert _served(node, 2379) == _serial(PKI / f"members/{node.name}/server.crt")
        assert _served(node, 2380) == _serial(PKI / f"members/{node.name}/peer.crt")
    assert _started(lab) == started
    assert records[LOAD_BALANCER].longest_gap().seconds < LONGEST_GAP_SECONDS
    assert missing(writers.acknowledged(), listed(lab.load_balancer, context)) == []
    for node in lab.etcd:
        status, output = lab.exec(node, "docker exec etcd etcdctl endpoint health --cluster")
        assert status == 0, output


def test_a_control_node_without_the_clusters_ca_renews_nothing(migrated_lab: Lab) -> None:
    """A fresh clone: with a CA of its own it would cut every member off from the others."""
    before, aside = state_of(migrated_lab), PKI.with_name("pki-aside")
    PKI.rename(aside)
    try:
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/renew.py")
        assert not PKI.exists()
    finally:
        aside.rename(PKI)
    assert outcome.status == 1, outcome.text
    assert "control node: found no .unstack/lab/pki/ca.crt; expected the CA that the" in outcome.log
    assert "Traceback" not in outcome.text
    assert state_of(migrated_lab) == before


def test_a_rollback_is_refused_where_the_stacked_certificates_would_not_last(migrated_lab: Lab) -> None:
    before = state_of(migrated_lab)
    # kubeadm's last a year, its CA ten.
    limit = ("--data", "minimum_certificate_days=400")
    outcome = pyinfra("-y", *limit, "inventories/lab.py", "tasks/rollback.py")
    assert outcome.status == 1, outcome.text
    for node in migrated_lab.masters:
        for name in ("etcd/server.crt", "etcd/peer.crt", "apiserver-etcd-client.crt"):
            line = f"{node.name}: found /etc/kubernetes/pki/{name}, which expires on "
            assert line in outcome.log, outcome.text
    assert "etcd/ca.crt" not in outcome.log
    assert state_of(migrated_lab) == before


def test_a_member_that_hangs_is_given_up_after_seconds(migrated_lab: Lab) -> None:
    """etcdctl 3.5.1 waits for good for its answer to some questions."""
    node = migrated_lab.etcd[2]
    command = ["sh", "-c", script("observe-member", node.name, "1", "cluster").get_raw_value()]
    assert migrated_lab.exec(node, "pkill -STOP -x etcd")[0] == 0
    try:
        begin = time.monotonic()
        status, output = migrated_lab.exec(node, command)
        seconds = time.monotonic() - begin
    finally:
        assert migrated_lab.exec(node, "pkill -CONT -x etcd")[0] == 0
    assert status == 1, output
    assert f"found no answer of member {node.name} to: " in output
    assert seconds < 15, output


# The last one here: it takes the migration back.
@pytest.mark.parametrize("task", ["tasks/renew.py", "tasks/renew_ca.py"])
def test_a_cluster_that_is_not_migrated_has_no_certificates_to_renew(fresh_lab: Lab, task: str) -> None:
    before = {path: path.read_bytes() for path in PKI.rglob("*.crt")}
    outcome = pyinfra("-y", "inventories/lab.py", task)
    assert outcome.status == 1, outcome.text
    assert "found a cluster that is not migrated; expected" in outcome.text
    assert {path: path.read_bytes() for path in PKI.rglob("*.crt")} == before
