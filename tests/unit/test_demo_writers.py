"""A write counts only if it was acknowledged."""

import ssl
import time

import pytest

from demo import writers
from demo.api import Answer, Unanswered
from demo.errors import DemoError

CREATED = 201


class FakeClient:
    """Answers by what the address says; counts requests as UIDs."""

    def __init__(self, address, context, timeout_seconds):
        self.address = address
        self.requests = 0

    def request(self, method, path, body):
        self.requests += 1
        if self.address == "dead:1" or (self.address == "flaky:1" and self.requests % 2 == 0):
            raise Unanswered("connection refused")
        if self.address == "refusing:1":
            return Answer(503, {})
        uid = f"{self.address}-{self.requests}"
        return Answer(CREATED, {"metadata": {"name": body["metadata"]["name"], "uid": uid}})

    def close(self):
        pass


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setattr(writers, "ApiClient", FakeClient)
    running = []

    def start_writers(**addresses):
        group = writers.Writers(addresses, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "test", 100)
        running.append(group)
        group.start()
        return group

    yield start_writers
    for group in running:
        group.stop()


def test_remembers_acknowledged_writes_and_goes_on_after_a_failure(start):
    group = start(flaky="flaky:1")
    group.wait_until_all_write(5)
    time.sleep(0.3)
    record = group.stop()["flaky"]
    assert len(record.acknowledged) >= 2
    # Every second request failed, and its number was never used again.
    names = [write.name for write in record.acknowledged]
    assert names[:2] == ["test-flaky-0", "test-flaky-2"]
    assert record.attempts > len(record.acknowledged)


@pytest.mark.parametrize("address", ["dead:1", "refusing:1"])
def test_without_an_acknowledgement_nothing_is_remembered(start, address):
    group = start(writer=address)
    time.sleep(0.3)
    record = group.stop()["writer"]
    assert record.attempts > 1
    assert group.acknowledged() == {}
    assert record.longest_gap().seconds == pytest.approx(record.end - record.begin)


def test_names_the_writers_that_get_nothing_acknowledged(start):
    group = start(good="good:1", bad="dead:1")
    with pytest.raises(DemoError, match=r"within 0 s by: bad$"):
        group.wait_until_all_write(0.3)


def test_writes_at_a_mild_rate(start):
    group = start(good="good:1")
    time.sleep(0.5)
    assert 10 <= len(group.stop()["good"].acknowledged) <= 51
