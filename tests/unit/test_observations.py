"""What the scripts report is read exactly, and what is no report is an error."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from unstack.members import read_member_status
from unstack.observations import (
    Restored,
    initial_cluster_token,
    parse_report,
    read_certificates,
    read_etcd_host,
    read_master_host,
)
from unstack.pki.certificates import new_authority, new_key
from unstack.settings import AuthoritySettings

MEMBER = 15273107461913520410  # beyond 2**53: a float would round it
HEADER = {"cluster_id": 7809550893805758568, "member_id": MEMBER, "revision": 988, "raft_term": 4}


def _report(values: Mapping[str, object]) -> list[str]:
    lines = []
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"{key} {base64.b64encode(text.encode()).decode()}")
    return lines


# As etcdctl 3.5.1 answered on a real cluster; it leaves out fields that are zero.
ANSWERS: dict[str, object] = {
    "members": {
        "members": [
            {
                "ID": MEMBER,
                "name": "cp-b",
                "peerURLs": ["https://172.30.0.12:2380"],
                "clientURLs": ["https://172.30.0.12:2379"],
            },
            {"ID": 2, "peerURLs": ["https://172.30.0.13:2380"], "isLearner": True},
        ]
    },
    "alarms": {"header": HEADER, "alarms": [{"memberID": 255, "alarm": 1}]},
    "healthy": "yes",
    "status": [
        {
            "Endpoint": "https://127.0.0.1:2379",
            "Status": {
                "header": HEADER,
                "version": "3.5.1",
                "dbSize": 1744896,
                "leader": MEMBER,
                "raftTerm": 4,
            },
        }
    ],
}
CONTENT: dict[str, object] = {
    "hashkv": [{"HashKV": {"header": HEADER, "hash": 4137383583, "compact_revision": -1}}],
    "leases": {"leases": [{"id": 2961857880950093683}]},
    "users": {"header": HEADER},
    "roles": {"header": HEADER, "roles": ["root"]},
    "keys": '"ClusterID" : 7809550893805758568\n"More" : false\n"Count" : 333\n',
}


def test_reads_a_member_with_its_64_bit_ids() -> None:
    status = read_member_status(_report(ANSWERS))
    assert status.member_id == MEMBER
    assert status.is_leader
    assert status.is_healthy
    assert status.revision == 988
    assert status.alarms == ("NOSPACE of member ff",)
    assert [(one.name, one.is_learner) for one in status.members] == [("cp-b", False), ("", True)]
    assert status.content is None


def test_reads_the_content_of_a_member() -> None:
    content = read_member_status(_report({**ANSWERS, **CONTENT})).content
    assert content is not None
    assert (content.hash, content.compact_revision, content.keys) == (4137383583, -1, 333)
    assert content.leases == {2961857880950093683}
    assert content.users == frozenset()
    assert content.roles == {"root"}


def test_an_unanswered_question_is_no_empty_answer() -> None:
    for question in ("members", "alarms", "status"):
        rest = {key: value for key, value in ANSWERS.items() if key != question}
        with pytest.raises(KeyError):
            read_member_status(_report(rest))


def test_refuses_what_is_no_report() -> None:
    with pytest.raises(ValueError, match="not a report line"):
        parse_report(["Permission"])
    with pytest.raises(ValueError, match=r"[Bb]ase64|padding"):
        parse_report(["key !!!"])


def test_reads_a_bare_etcd_host_as_having_nothing() -> None:
    host = read_etcd_host(_report({"user": "0", "free_kilobytes": "1024", "time": "0.5"}))
    assert (host.is_root, host.engine, host.compose, host.container) == (True, None, (), None)
    assert not any((host.has_image, host.has_data, host.container_is_ours, host.listening, host.foreign))
    assert host.free_bytes == 2**20


def test_reads_the_processes_of_a_master_by_their_programs() -> None:
    lines = _report({"user": "0", "free_kilobytes": "1", "time": "0.5", "same_filesystem": "yes"})
    lines += _report(
        {"process": "7 12345 /usr/local/bin/kube-apiserver\n--etcd-servers=https://a:1,https://b:1"}
    )
    lines += _report({"process": "9 0 "})  # ended while it was read
    master = read_master_host(lines)
    (apiserver,) = master.running("kube-apiserver")
    assert (apiserver.pid, apiserver.start_ticks) == (7, 12345)
    assert apiserver.value("etcd-servers") == "https://a:1,https://b:1"
    assert master.same_filesystem
    assert not master.has_curl


def test_tells_whose_data_was_restored_by_its_token() -> None:
    for cluster in ("prod", "prod-2", "unstack-prod"):
        token = initial_cluster_token(cluster, "20261124T000000Z")
        assert Restored("20261124T000000Z", "ab", 1, token, "cd").cluster == cluster


def test_reads_when_certificates_end() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
    settings = AuthoritySettings(expiry="24h")
    pem = new_authority(settings, new_key(settings.key), now).certificate.public_bytes(Encoding.PEM).decode()
    (found,) = read_certificates(_report({"user": "0", "certificate//pki/etcd/server.crt": pem})).items()
    assert found[0] == "/pki/etcd/server.crt"
    assert timedelta(hours=23) < found[1] - now <= timedelta(hours=24)
    with pytest.raises(ValueError, match="PEM"):
        read_certificates(_report({"certificate//pki/x.crt": "no certificate"}))
