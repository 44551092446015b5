"""The list of processes, and what is wrong with it after a migration."""

import dataclasses

import pytest

from demo.errors import DemoError
from demo.processes import COMPONENTS, parse, problems

TEXT = """clock 1795512165.500000 3396.50 100
process 3596 300000 /usr/bin/kube-apiserver\t--port=0\t--etcd-servers=https://a:2379,https://b:2379\t
process 3421 310050 kube-scheduler\t--kubeconfig=/etc/kubernetes/scheduler.conf\t
"""
CUTOVER = 1000.0
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


def control_plane():
    text = "clock 2000.0 1000.0 100\n"
    servers = ",".join(f"https://{address}:2379" for address in ADDRESSES)
    for pid, component in enumerate(COMPONENTS):
        flag = f"\t--etcd-servers\t{servers}" if component == "kube-apiserver" else ""
        text += f"process {pid} 500 {component}{flag}\t\n"
    return parse("m1", text)


def found_in(processes, masters=("m1",)):
    return problems(processes, masters, CUTOVER, ADDRESSES)


def test_reads_name_start_and_etcd_servers():
    server, scheduler = parse("m1", TEXT)
    assert (server.component, server.pid) == ("kube-apiserver", 3596)
    assert server.etcd_servers == ("https://a:2379", "https://b:2379")
    assert server.started == pytest.approx(1795512165.5 - 3396.5 + 3000.0)
    assert scheduler.started - server.started == pytest.approx(100.5)
    assert scheduler.etcd_servers == ()


def test_says_which_master_gave_no_list():
    with pytest.raises(DemoError, match="m1: not a list of processes"):
        parse("m1", "bash: something else")


def test_a_control_plane_started_after_the_cutover_is_no_problem():
    assert found_in(control_plane()) == []


def test_finds_a_component_that_was_not_started_anew():
    server, manager, scheduler = control_plane()
    old = dataclasses.replace(manager, started=CUTOVER - 12.3)
    (line,) = found_in([server, old, scheduler])
    assert line.startswith("m1: kube-controller-manager")
    assert "12.3 s before the cutover" in line


def test_finds_a_component_that_does_not_run_and_one_that_runs_twice():
    server, manager, _ = control_plane()
    assert found_in([server, manager, manager]) == [
        "m1: 2 processes of kube-controller-manager, expected 1",
        "m1: 0 processes of kube-scheduler, expected 1",
    ]


def test_finds_a_master_that_is_not_there_at_all():
    assert len(found_in(control_plane(), masters=("m1", "m2"))) == 3


def test_finds_an_api_server_on_the_old_etcd():
    server, *others = control_plane()
    old = dataclasses.replace(server, etcd_servers=("https://127.0.0.1:2379",))
    (line,) = found_in([old, *others])
    assert "uses etcd at https://127.0.0.1:2379" in line
