"""What the scripts report is read exactly, and what is no report is an error."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from unstack.observations import parse_report, read_member_status

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
    with pytest.raises(ValueError, match=r"Only base64|Incorrect padding|Non-base64"):
        parse_report(["key !!!"])
