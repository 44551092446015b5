"""What the clients beside a migration notice: a change that was not told, a lease that was lost, a cost."""

import json
import ssl
import time

import pytest

from demo import lease, rolling, stored, watcher
from demo.api import Answer, Unanswered
from demo.gaps import Gap
from demo.rolling import Cost
from demo.stored import Hash, Key, Stored
from demo.watcher import Event, Listing, Watched
from demo.writers import LOAD_BALANCER, Acknowledged, Failed, Record

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
STORED = {"a": 5, "b": 7, "c": 9}


def told(*those):
    return Watched([Listing(5, {"a": 5}), *those])


def added(name, revision):
    return Event("ADDED", name, revision)


# The watch.


def test_every_change_told_once_and_in_order_is_right():
    assert watcher.problems(told(added("b", 7), added("c", 9)), STORED) == []
    # What came while it was told to list anew is in the list.
    seen = told(added("b", 7), Listing(9, dict(STORED)))
    assert watcher.problems(seen, STORED) == []
    assert seen.relists == 1


@pytest.mark.parametrize(
    ("those", "problem"),
    [
        ([added("c", 9)], "1 of 3 objects were never told: b"),
        ([added("b", 7), added("b", 7), added("c", 9)], "ADDED b of revision 7, after what was of 7"),
        ([added("c", 9), added("b", 7)], "ADDED b of revision 7, after what was of 9"),
        ([added("b", 7), added("c", 9), added("d", 10)], "1 objects are not stored as they were told: d"),
        ([added("b", 6), added("c", 9)], "1 objects are not stored as they were told: b"),
        (
            [added("b", 7), added("c", 9), Event("DELETED", "a", 11)],
            "DELETED a of revision 11: nobody did that",
        ),
        ([added("b", 7), added("c", 9), Listing(8, {"a": 5})], "a list at revision 8, after what was of 9"),
    ],
)
def test_a_change_that_was_told_wrongly_is_named(those, problem):
    assert problem in watcher.problems(told(*those), STORED)


class Server:
    """A server with four ConfigMaps to tell, in three connections: one breaks, one is too old."""

    asked: list[str]

    def __init__(self, address, context, timeout_seconds):
        pass

    def expect(self, method, path, body=None):
        return _list(5, a=5) if method == "GET" else Answer(201, {})

    def request(self, method, path):
        return _list(9, a=5, b=7, c=9)

    def lines(self, path):
        Server.asked.append(path.partition("resourceVersion=")[2])
        if len(Server.asked) == 1:
            yield _event("ADDED", "b", 7)
            yield Answer(200, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}})
            raise Unanswered("connection reset")
        if len(Server.asked) == 2:
            yield Answer(200, {"type": "ERROR", "object": {"code": 410, "message": "too old"}})
        else:
            yield _event("ADDED", watcher._LAST, 12)

    def close(self):
        pass


def _list(revision, **revisions):
    items = [{"metadata": {"name": n, "resourceVersion": str(one)}} for n, one in revisions.items()]
    return Answer(200, {"metadata": {"resourceVersion": str(revision)}, "items": items})


def _event(kind, name, revision):
    metadata = {"name": name, "resourceVersion": str(revision)}
    return Answer(200, {"type": kind, "object": {"metadata": metadata}})


def test_a_watch_goes_on_where_it_broke_and_lists_anew_where_it_is_told_to(monkeypatch):
    monkeypatch.setattr(watcher, "ApiClient", Server)
    Server.asked = []
    watching = watcher.Watcher("lb:1", CONTEXT)
    watching.start()
    seen = watching.end()
    assert Server.asked == ["5", "8", "9"]
    assert seen.interruptions == ["connection reset"]
    assert seen.relists == 1
    assert watcher.problems(seen, {**STORED, watcher._LAST: 12}) == []


# The lease.


class Leases:
    """One Lease behind an API server that gives a conflict to whoever comes with an old version."""

    def __init__(self):
        self.version = 0
        self.spec = None
        self.silent = False

    def client(self, address, context, timeout_seconds):
        return self

    def request(self, method, path, body=None):
        if self.silent:
            raise Unanswered("no answer")
        if method == "GET" and self.spec is None:
            return Answer(404, {})
        if method != "GET":
            if method == "PUT" and body["metadata"]["resourceVersion"] != str(self.version):
                return Answer(409, {})
            self.spec, self.version = body["spec"], self.version + 1
        body = {"metadata": {"name": lease.LEASE, "resourceVersion": str(self.version)}, "spec": self.spec}
        return Answer(201 if method == "POST" else 200, body)

    def close(self):
        pass


@pytest.fixture
def candidates(monkeypatch):
    leases = Leases()
    monkeypatch.setattr(lease, "ApiClient", leases.client)
    monkeypatch.setattr(lease, "_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(lease, "_DURATION_SECONDS", 0.2)
    monkeypatch.setattr(lease, "RENEW_DEADLINE_SECONDS", 0.15)
    holder, rival = (lease.Candidate(one, "lb:1", CONTEXT) for one in ("holder", "rival"))
    holder.start()
    holder.wait_until_leading(5)
    rival.start()
    yield leases, holder, rival
    holder.leave()
    rival.leave()


def test_a_lease_that_is_renewed_stays_with_its_holder(candidates):
    leases, holder, rival = candidates
    time.sleep(0.4)
    assert lease.problems(holder.leave(), rival.leave()) == []
    assert (leases.spec["holderIdentity"], leases.spec["leaseTransitions"]) == ("holder", 0)


def test_a_lease_that_runs_out_is_lost(candidates):
    leases, holder, rival = candidates
    # Nobody is answered for so long that the holder has to give up.
    leases.silent = True
    time.sleep(0.3)
    leases.silent = False
    (line,) = lease.problems(holder.leave(), lease.Led(0.0))
    assert line.startswith("the lease was not renewed for ")
    rival.wait_until_leading(5)
    assert "the rival took the lease" in lease.problems(holder.led, rival.leave())
    assert (leases.spec["holderIdentity"], leases.spec["leaseTransitions"]) == ("rival", 1)


# The cost.


def record(name, acknowledged, failed=()):
    moments = [Acknowledged(str(moment), "uid", moment) for moment in acknowledged]
    return Record(
        name, 0.0, 1000.0, 30.0, acknowledged=moments, failed=[Failed("reset", one) for one in failed]
    )


def test_a_failed_request_belongs_to_the_api_server_that_was_away():
    every = [moment / 2 for moment in range(61)]
    records = {
        "m1": record("m1", [one for one in every if not 4 < one < 8]),
        "m2": record("m2", [one for one in every if not 14 < one < 19]),
        LOAD_BALANCER: record(LOAD_BALANCER, [one for one in every if not 14 < one < 16], (14.2, 14.4, 25.0)),
    }
    # The writers' monotonic clock is 1000 s behind.
    expected = Cost(Gap(1014.0, 1016.0), {"m1": 0, "m2": 2}, ("00:17:05 reset",))
    assert rolling.cost(records) == expected


def test_a_request_that_the_writer_gives_up_is_a_wait_and_no_failure():
    records = {
        "m1": record("m1", [0.0, 1.0]),
        LOAD_BALANCER: record(LOAD_BALANCER, [one for one in range(31) if not 10 < one < 13]),
    }
    records[LOAD_BALANCER].failed.append(Failed("The read operation timed out", 12.0, is_given_up=True))
    cost = rolling.cost(records)
    assert (cost.stall.seconds, dict(cost.failed), cost.failed_otherwise) == (3.0, {"m1": 0}, ())


FLOOR = Cost(Gap(0.0, 0.5), {"m1": 1, "m2": 0}, ())


def test_a_migration_may_cost_what_restarts_alone_do():
    assert rolling.beyond([FLOOR, FLOOR], Cost(Gap(7.0, 8.5), {"m1": 2, "m2": 1}, ())) == []


@pytest.mark.parametrize(
    ("cost", "problem"),
    [
        (
            Cost(Gap(7.0, 7.4), {"m1": 0, "m2": 3}, ()),
            "3 requests through the load balancer failed while the API server of m2",
        ),
        (
            Cost(Gap(7.0, 7.4), {"m1": 0, "m2": 0}, ("reset",)),
            "1 requests through the load balancer failed while every API",
        ),
        (
            Cost(Gap(7.0, 8.6), {"m1": 0, "m2": 0}, ()),
            "no write was acknowledged through the load balancer for 1.6 s from 00:00:07",
        ),
    ],
)
def test_what_a_migration_costs_beyond_them_is_named(cost, problem):
    (line,) = rolling.beyond([FLOOR, FLOOR], cost)
    assert line.startswith(problem)


# What is stored.


def content(cluster_id=1, hash_=7, compact_revision=3, **keys):
    return Stored(frozenset({cluster_id}), 20, {"etcd": Hash(hash_, compact_revision)}, keys)


KEY = Key(5, 9, 2)


def test_a_history_that_goes_on_is_right():
    before = content(a=KEY, b=KEY, c=KEY, d=KEY)
    # Untouched, written, deleted, and deleted and made again.
    now = {"a": KEY, "b": Key(5, 30, 3), "d": Key(40, 40, 1), "new": Key(31, 31, 1)}
    assert stored.problems(before, before, now) == []


def test_hashes_of_different_compact_revisions_are_not_compared():
    assert stored.problems(content(), content(hash_=8, compact_revision=4), {}) == []
    (line,) = stored.problems(content(), content(hash_=8), {})
    assert line == "HashKV at revision 20, compacted at 3: 2 different hashes"


def test_another_cluster_or_past_is_named():
    (line,) = stored.problems(content(cluster_id=0xA), content(cluster_id=0xB), {})
    assert line == "cluster ids a before and b afterwards, expected one and the same"
    (line,) = stored.problems(content(a=KEY), content(a=Key(5, 10, 2)), {"a": KEY})
    assert line == "1 keys of revision 20 have changed: a"


@pytest.mark.parametrize("new", [Key(5, 8, 2), Key(5, 30, 2), Key(7, 30, 3), Key(5, 9, 3)])
def test_numbers_that_no_write_gives_are_named(new):
    (line,) = stored.problems(content(a=KEY), content(a=KEY), {"a": new})
    assert line.startswith("a was Key(")


def test_reads_keys_and_hashes_by_etcdctls_json():
    answers = {
        "endpoint status": '[{"Endpoint": "e1", "Status": {"header": {"cluster_id": 17, "revision": 20}}}]',
        "endpoint hashkv": '[{"Endpoint": "e1", "HashKV": {"hash": 7}}]',
        "get ": '{"kvs": [{"key": "L2E=", "create_revision": 5, "mod_revision": 9, "version": 2}]}',
    }

    def etcdctl(*arguments):
        return answers[" ".join(arguments[:2])]

    expected = Stored(frozenset({17}), 20, {"e1": Hash(7, -1)}, {"/a": KEY})
    assert stored.read(etcdctl) == expected


def test_keys_are_read_in_pages_at_one_revision():
    def etcdctl(*arguments):
        _, start, *options = arguments
        # A page begins with the last key of the one before.
        page = {"": ["L2E=", "L2I="], "/b": ["L2I=", "L2M="]}[start]
        assert f"--rev={20 if start else 0}" in options
        kvs = [{"key": key, "create_revision": 5, "mod_revision": 9, "version": 2} for key in page]
        return json.dumps({"header": {"revision": 20}, "kvs": kvs, "more": not start})

    assert stored.keys(etcdctl) == {"/a": KEY, "/b": KEY, "/c": KEY}
