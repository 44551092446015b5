"""The topology: every refusal, all of them in one pass, and what a sound inventory becomes."""

from __future__ import annotations

from typing import Any

import pytest

from unstack.problems import Problem, ProblemsError
from unstack.topology import HostInput, read_topology

DATA: dict[str, Any] = {"cluster": "prod", "etcd_image": "quay.io/coreos/etcd:v3.5.30"}


def master(name: str = "m1", address: Any = "10.9.1.1", **data: Any) -> HostInput:
    return HostInput(name, frozenset({"masters"}), {**DATA, **data, "address": address})


def etcd(name: str, address: Any, **data: Any) -> HostInput:
    return HostInput(name, frozenset({"etcd"}), {**DATA, **data, "address": address})


def three(**data: Any) -> list[HostInput]:
    return [etcd(f"etcd-{number}", f"10.9.0.{number}", **data) for number in (1, 2, 3)]


def problems(*hosts: HostInput) -> list[Problem]:
    with pytest.raises(ProblemsError) as caught:
        read_topology(hosts)
    return list(caught.value.problems)


def only_problem(*hosts: HostInput) -> Problem:
    found = problems(*hosts)
    assert len(found) == 1, found
    return found[0]


def test_sound_inventory_becomes_a_topology() -> None:
    topology = read_topology([master(), *three(), HostInput("other", frozenset({"all"}), {"x": 1})])
    assert [(host.name, host.address) for host in topology.masters] == [("m1", "10.9.1.1")]
    assert topology.client_urls == tuple(f"https://10.9.0.{number}:2379" for number in (1, 2, 3))
    assert topology.initial_cluster == (
        "etcd-1=https://10.9.0.1:2380,etcd-2=https://10.9.0.2:2380,etcd-3=https://10.9.0.3:2380"
    )
    assert topology.settings.cluster == "prod"


def test_finds_hosts_by_name_and_role() -> None:
    topology = read_topology([master(), *three()])
    found = topology.member("etcd-2")
    assert found is not None
    assert found.peer_url == "https://10.9.0.2:2380"
    assert topology.member("m1") is None
    assert topology.master("etcd-2") is None
    assert topology.master("m1") == topology.masters[0]


def test_configured_ports_are_in_the_urls() -> None:
    ports: dict[str, Any] = {"etcd_client_port": 12379, "etcd_peer_port": 12380}
    member = read_topology([master(**ports), *three(**ports)]).members[0]
    assert (member.client_url, member.peer_url) == (
        "https://10.9.0.1:12379",
        "https://10.9.0.1:12380",
    )


def test_ipv6_addresses_are_shortened_and_bracketed_in_urls() -> None:
    hosts = [etcd(f"etcd-{number}", f"fd00:0::000{number}") for number in (1, 2, 3)]
    member = read_topology([master(), *hosts]).members[0]
    assert member.address == "fd00::1"
    assert member.client_url == "https://[fd00::1]:2379"


def test_settings_may_be_spread_over_groups() -> None:
    masters = HostInput("m1", frozenset({"masters"}), {"cluster": "prod", "address": "10.9.1.1"})
    assert read_topology([masters, *three(etcd_metrics_port=9999)]).settings.etcd_metrics_port == 9999


@pytest.mark.parametrize("count", [0, 2, 4])
def test_refuses_even_member_count(count: int) -> None:
    hosts = [etcd(f"etcd-{number}", f"10.9.0.{number}") for number in range(1, count + 1)]
    problem = only_problem(master(), *hosts)
    assert problem.found == f"{count} hosts in etcd"
    assert problem.action == "use 3, 5 or 7 etcd hosts"


def test_refuses_fewer_than_three_members_unless_allowed() -> None:
    problem = only_problem(master(), etcd("etcd-1", "10.9.0.1"))
    assert problem.found == "1 host in etcd"
    assert "allow_fewer_than_three_members" in problem.action
    allowed: dict[str, Any] = {"allow_fewer_than_three_members": True}
    assert len(read_topology([master(**allowed), etcd("e", "10.9.0.1", **allowed)]).members) == 1


def test_two_members_are_never_allowed() -> None:
    allowed: dict[str, Any] = {"allow_fewer_than_three_members": True}
    assert only_problem(master(**allowed), *three(**allowed)[:2]).found == "2 hosts in etcd"


def test_refuses_an_inventory_without_masters() -> None:
    assert only_problem(*three()).found == "no host in masters"


def test_refuses_an_etcd_host_that_is_also_a_master() -> None:
    both = HostInput("etcd-1", frozenset({"masters", "etcd"}), {**DATA, "address": "10.9.0.1"})
    problem = only_problem(both, *three()[1:])
    assert (problem.host, problem.found) == ("etcd-1", "the host in both masters and etcd")


def test_refuses_a_duplicate_name() -> None:
    problem = only_problem(master(), *three(), master("etcd-1", "10.9.0.1"))
    assert (problem.host, problem.found) == ("etcd-1", "the name 2 times")


def test_refuses_a_duplicate_address_and_names_both_hosts() -> None:
    found = problems(master(address="10.9.0.2"), *three())
    assert [(problem.host, problem.found) for problem in found] == [
        ("etcd-2", "address 10.9.0.2, which m1 has too"),
        ("m1", "address 10.9.0.2, which etcd-2 has too"),
    ]


def test_sees_through_two_spellings_of_one_address() -> None:
    found = problems(master(address="fd00::1"), etcd("etcd-1", "fd00:0:0::1"), *three()[1:])
    assert {problem.host for problem in found} == {"m1", "etcd-1"}


@pytest.mark.parametrize(
    "address",
    [
        "etcd-1.lan", "10.9.0.256", "10.9.0.1/24", " 10.9.0.1", "", 168361985, True,
        "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_refuses_an_address_by_which_no_other_host_reaches_it(address: Any) -> None:
    problem = only_problem(master(), etcd("etcd-1", address), *three()[1:])
    assert (problem.host, problem.found) == ("etcd-1", f"address {address!r}")


def test_refuses_a_host_without_address() -> None:
    bare = HostInput("m1", frozenset({"masters"}), DATA)
    problem = only_problem(bare, *three())
    assert (problem.host, problem.found) == ("m1", "no address")


def test_refuses_an_unknown_key() -> None:
    problem = only_problem(master(), *three(etcd_imagee="x"))
    assert problem.found == "the unknown key etcd_imagee"
    assert only_problem(master(pki={"ca": {"cn": "x"}}), *three()).found == "the unknown key pki.ca.cn"


def test_refuses_a_missing_setting() -> None:
    hosts = [HostInput(h.name, h.groups, {"cluster": "prod", "address": h.data["address"]})
             for h in (master(), *three())]  # fmt: skip
    assert only_problem(*hosts).action == "set etcd_image in group_data"


def test_refuses_a_wrong_value_and_says_which() -> None:
    problem = only_problem(master(etcd_peer_port=70000), *three())
    assert problem.found == "etcd_peer_port = 70000"
    assert problem.action == "correct etcd_peer_port"


def test_refuses_settings_that_contradict_each_other() -> None:
    assert "not all different" in only_problem(master(etcd_peer_port=2379), *three()).found


def test_refuses_hosts_that_disagree() -> None:
    hosts = three()
    problem = only_problem(master(), *hosts[:2], etcd("etcd-3", "10.9.0.3", cluster="test"))
    assert (problem.host, problem.found) == ("etcd-3", "cluster = 'test'")
    assert problem.expected == "'prod' as on m1"


@pytest.mark.parametrize("tag", ["v3.5.0", "3.5.1-0", "3.5.2"])
def test_refuses_versions_that_lose_writes_unless_allowed(tag: str) -> None:
    image: dict[str, Any] = {"etcd_image": f"etcd:{tag}"}
    problem = only_problem(master(**image), *three(**image))
    assert "etcd#13766" in problem.expected
    assert "allow_inconsistent_etcd" in problem.action
    allowed: dict[str, Any] = {**image, "allow_inconsistent_etcd": True}
    assert read_topology([master(**allowed), *three(**allowed)]).settings.version.minor == 5


def test_first_sound_version_passes() -> None:
    image: dict[str, Any] = {"etcd_image": "etcd:3.5.3"}
    assert read_topology([master(**image), *three(**image)]).settings.version.patch == 3


def test_reports_all_problems_in_one_pass_and_sorted() -> None:
    found = problems(
        master(address="10.9.0.2", typo=1),
        HostInput("m2", frozenset({"masters"}), {**DATA, "cluster": "other"}),
        *three()[1:],
        etcd("etcd-2", "10.9.0.2", etcd_client_port=0),
    )
    assert found == sorted(found)
    text = "\n".join(str(problem) for problem in found)
    for part in (
        "m2: found no address",
        "m2: found cluster = 'other'",
        "m1: found address 10.9.0.2",
        "the unknown key typo",
        "etcd-2: found the name 2 times",
        "etcd_client_port = 0",
    ):
        assert part in text
