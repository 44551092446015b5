"""Masters read from `kubectl get nodes -o json`."""

from __future__ import annotations

import json

import pytest

from unstack.inventory import masters_of


def _node(name: str, address: str | None, *labels: str) -> dict[str, object]:
    addresses = [{"type": "Hostname", "address": name}]
    if address is not None:
        addresses += [{"type": "ExternalIP", "address": "198.51.100.7"}]
        addresses += [{"type": "InternalIP", "address": address}]
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{label}": "" for label in labels}},
        "status": {"addresses": addresses},
    }


def _list(*nodes: dict[str, object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes})


def test_masters_are_the_nodes_with_either_label_of_kubeadm() -> None:
    text = _list(
        _node("cp-a", "192.0.2.11", "master"),
        _node("worker", "192.0.2.31"),
        _node("cp-b", "192.0.2.12", "control-plane", "master"),
        _node("cp-c", "2001:db8::13", "control-plane"),
    )
    assert masters_of(text) == [
        ("cp-a", {"ssh_hostname": "192.0.2.11", "address": "192.0.2.11"}),
        ("cp-b", {"ssh_hostname": "192.0.2.12", "address": "192.0.2.12"}),
        ("cp-c", {"ssh_hostname": "2001:db8::13", "address": "2001:db8::13"}),
    ]


def test_a_single_node_is_no_list() -> None:
    assert [name for name, _ in masters_of(json.dumps(_node("cp", "192.0.2.11", "control-plane")))] == ["cp"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no list of nodes"),
        ("NAME STATUS ROLES", "no list of nodes"),
        ("[]", "no list of nodes"),
        (
            json.dumps({"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "x"}}]}),
            "no list of nodes",
        ),
        (_list(), "no node labelled node-role.kubernetes.io/control-plane"),
        (_list(_node("worker", "192.0.2.31")), "no node labelled node-role.kubernetes.io/control-plane"),
        (_list(_node("cp-a", None, "control-plane")), "no InternalIP"),
    ],
)
def test_what_is_no_list_of_masters_is_refused_with_what_to_do(text: str, found: str) -> None:
    with pytest.raises(ValueError, match=f"found {found}; expected .*; to do: "):
        masters_of(text)
