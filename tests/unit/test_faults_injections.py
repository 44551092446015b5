"""How faults are brought in, without a lab: when they come, and what is made for them."""

import ipaddress
import json
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from faults import injections
from faults.certificates import pair_for
from faults.errors import FaultError
from faults.fault import Context


class FakeProcess:
    def __init__(self):
        self.signals = []

    def send_signal(self, number):
        self.signals.append(number)


def test_a_fault_that_comes_too_late_is_told():
    process = FakeProcess()
    context = Context(lab=None, process=process)
    context.later(60, context.kill)
    assert context.finish() == ["the run ended before the fault came: the aim missed"]
    assert process.signals == []


def test_what_goes_on_beside_the_run_ends_with_it_and_tells_its_errors():
    def work(over):
        over.wait(60)
        raise FaultError("it went wrong")

    context = Context(lab=None, process=FakeProcess())
    context.meanwhile(work)
    assert context.finish() == ["it went wrong"]


def test_the_foreign_peer_certificate_is_the_cas_own_and_for_another_address(pki_directory: Path):
    certificate_pem, key_pem = pair_for(pki_directory, "etcd-2", "192.0.2.1")
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate((pki_directory / "ca.crt").read_bytes())
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    key = serialization.load_pem_private_key(key_pem, None)
    assert key.public_key() == certificate.public_key()


def test_there_is_no_foreign_certificate_without_a_ca(tmp_path):
    with pytest.raises(FaultError, match="no CA to sign with"):
        pair_for(tmp_path, "etcd-2", "192.0.2.1")


def test_a_fault_comes_with_the_operation_that_it_is_for(tmp_path, monkeypatch):
    journal = tmp_path / "journal.jsonl"
    journal.write_text(_started("tasks/grow.py | Add etcd-2 as a learner"))
    monkeypatch.setattr(injections, "JOURNAL", journal)
    context, came = Context(lab=None, process=FakeProcess()), threading.Event()
    injections.during("grow", "Add etcd-2", lambda _: came.set())(context)
    # What an earlier run has started does not count, nor another operation.
    with journal.open("a") as stream:
        stream.write(_started("tasks/grow.py | Let etcd-2 vote"))
    assert not came.wait(0.1)
    with journal.open("a") as stream:
        stream.write(_started("tasks/grow.py | Add etcd-2 as a learner"))
    assert came.wait(5)
    assert context.finish() == []


def test_a_fault_whose_operation_never_starts_is_told(tmp_path, monkeypatch):
    journal = tmp_path / "journal.jsonl"
    journal.touch()
    monkeypatch.setattr(injections, "JOURNAL", journal)
    context = Context(lab=None, process=FakeProcess())
    injections.kill_controller("grow", 0.0, "Add etcd-2")(context)
    assert context.finish() == ["the run ended before the fault came: the aim missed"]


def _started(operation):
    return json.dumps({"event": "start", "operation": operation}) + "\n"
