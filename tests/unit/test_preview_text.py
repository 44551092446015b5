"""The whole preview as an operator reads it, on a fresh, a fenced, a half and a whole migrated cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.cluster import cluster, edited, etcd_host, fenced_master, master, topology
from tests.unit.pki_files import this_moment
from tests.unit.preview_source import KUBEADM_CONFIG, migrated, source
from unstack.pki import AuthorityState, ForeseenPki, Pki, foresee_pki
from unstack.placement import Phase
from unstack.preview import Rehearsal, Source, preview
from unstack.preview.quorum import Quorum, may_fail, quorums
from unstack.preview.text import WIDTH
from unstack.problems import Problem

PROBLEM = Problem("etcd-2", "no container engine", "a running Docker engine", "install and start Docker")


def _section(text: str, title: str) -> str:
    """The lines below a heading."""
    return text.split(f"\n\n{title}\n", 1)[1].split("\n\n", 1)[0]


def _words(text: str) -> str:
    return " ".join(text.split())


def _fenced() -> Source:
    return source(cluster(masters={f"master-{number}": fenced_master() for number in (1, 2, 3)}))


def test_fits_its_width_without_control_characters() -> None:
    strange = edited("    - --etcd-servers=", "    - --x=\u202ered" + "y" * 300 + "\n    - --etcd-servers=")
    masters = {**cluster().masters, "master-2": master(live=strange)}
    for found in (source(), source(cluster(masters=masters)), source(problems=(PROBLEM,) * 2), _fenced()):
        text = preview(found)
        assert text.replace("\n", "").isprintable()
        assert max(map(len, text.splitlines())) <= WIDTH
    assert "--x=?redy" in preview(source(cluster(masters=masters)))


def test_tells_all_that_an_operator_decides_by() -> None:
    text = preview(source())
    assert "Stacked: nothing has been moved" in _section(text, "Where it stands")
    assert "  snapshot: the API servers are stopped" in _section(text, "Strategy")
    assert _section(text, "Certificates").strip() == "The CA will be made, and with it 8 certificates."
    assert "\n\nRefused" not in text
    assert "first write that the external cluster acknowledges" in _words(
        _section(text, "Point of no return")
    )
    for name in ("master-1", "master-2", "master-3", "etcd-1", "etcd-2", "etcd-3"):
        assert "  new      /etc/" in _section(text, name)
    assert "ConfigMap kube-system/kubeadm-config" in _section(text, "cluster")


def test_no_key_is_ever_in_it(made: tuple[Path, Pki]) -> None:
    kept = foresee_pki(made[0], topology(), this_moment())
    text = preview(source(pki=kept))
    assert "The CA is there and is kept; of its certificates" in text
    assert "-----BEGIN" not in text
    for pair in made[1].pairs().values():
        assert pair.private_key_pem.splitlines()[1] not in text


def test_names_each_process_that_stops_and_starts() -> None:
    text = preview(source())
    lines = [_words(line) for line in _section(text, "master-1").splitlines() if "process" in line]
    assert lines[:3] == [
        "process kube-apiserver (pid 10) stops in fence, starts anew in cutover on the external etcd",
        *(
            f"process {what} stops in fence, starts anew in cutover after its API server"
            for what in ("kube-controller-manager (pid 11)", "kube-scheduler (pid 12)")
        ),
    ]
    assert "stops in confirm, for good; its data stays in /var/lib/etcd" in lines[3]
    assert "container etcd (none) is created in prepare, starts in start" in _section(text, "etcd-1")


def test_a_member_of_an_unfinished_run_is_stopped_and_an_image_pulled() -> None:
    hosts = {
        **cluster().etcd_hosts,
        "etcd-1": etcd_host(container="running"),
        "etcd-2": etcd_host(has_image=False),
    }
    text = preview(source(cluster(etcd_hosts=hosts)))
    assert "(running, of an unfinished run) stops in restore" in _section(text, "etcd-1")
    assert "docker pull etcd:v3.5.30 in prepare" in _section(text, "etcd-2")


def test_a_refusal_comes_with_the_preview() -> None:
    text = preview(source(problems=(PROBLEM,)))
    refused = _words(_section(text, "Refused"))
    assert "because of 1 problem." in refused
    assert str(PROBLEM) in refused
    assert "\n\nmaster-1\n" in text


def test_a_host_that_was_not_read_is_named_and_the_others_are_told() -> None:
    masters = {name: one for name, one in cluster().masters.items() if name != "master-2"}
    text = preview(source(cluster(masters=masters), problems=(PROBLEM,)))
    assert _section(text, "master-2").strip() == "not read, see the problems"
    assert "kube-apiserver.yaml" in _section(text, "master-3")


def test_a_manifest_that_can_not_be_changed_is_told_at_its_host() -> None:
    opt = edited("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")
    masters = {**cluster().masters, "master-2": master(live=opt)}
    assert "can't be told: kube-apiserver.yaml mounts no host" in preview(source(cluster(masters=masters)))


def test_a_refused_authority_is_a_problem() -> None:
    refused = ForeseenPki(AuthorityState.REFUSED, problems=(PROBLEM,))
    text = preview(source(pki=refused, problems=refused.problems))
    assert "The CA is refused, see the problems." in text


def test_a_fenced_cluster_is_told_to_be_in_its_outage() -> None:
    text = preview(_fenced())
    where = _words(_section(text, "Where it stands"))
    assert "with the fence closed on master-1, master-2, master-3" in where
    assert "with a new snapshot" in where
    assert "kube-apiserver (not running) starts in cutover" in _section(text, "master-1")
    outage = _section(text, "Outage")
    assert "cutover" in outage
    assert "  fence " not in outage


def test_a_cluster_that_is_half_way_goes_on() -> None:
    masters = {**migrated().masters, "master-3": fenced_master()}
    half = source(migrated(masters=masters))
    assert half.phase is Phase.CUTTING_OVER
    text = preview(half)
    assert "Half way: master-1, master-2 on the external etcd, master-3 not yet." in _words(text)
    assert "\n\netcd-1\n" not in text
    assert [line.split()[0] for line in _section(text, "Outage").splitlines()[1:3]] == ["cutover", "together"]
    assert "\n\nStrategy" not in text


def test_a_migrated_cluster_is_told_to_be_done() -> None:
    text = preview(source(migrated()))
    assert "Migrated already" in text
    assert "deploy.py would change nothing" in _words(text)
    for title in ("Strategy", "master-1", "etcd-1", "Outage", "Quorum"):
        assert f"\n\n{title}\n" not in text
    assert "It has been passed." in text


def test_an_unfinished_confirmation_goes_on() -> None:
    text = preview(source(migrated(kubeadm_config=KUBEADM_CONFIG)))
    assert "Migrated, but not to the end" in text
    assert "None: the API servers stay as they are." in _section(text, "Outage")
    hosts = {**migrated().etcd_hosts, "etcd-3": etcd_host(container="exited")}
    assert "container etcd (exited) starts in start" in preview(source(migrated(etcd_hosts=hosts)))


def test_an_unfinished_rollback_is_told() -> None:
    masters = {**cluster().masters, "master-2": master(is_returning=True)}
    text = preview(source(cluster(masters=masters)))
    assert "A rollback was begun and not finished on master-2. deploy.py refuses" in _words(text)


def test_says_where_each_figure_comes_from() -> None:
    text = _words(_section(preview(source()), "Outage"))
    assert "No part was measured on this cluster" in text
    assert "For a database of 21.0 MB" in text
    rehearsal = Rehearsal("2026-11-24T21:00:00+00:00", 20_971_520, {"snapshot": 0.61}, 12.54)
    text = _words(_section(preview(source(rehearsal=rehearsal)), "Outage"))
    assert "snapshot 0.61 the rehearsal: 0.61 s with 21.0 MB" in text
    assert "The rehearsal was at 2026-11-24T21:00:00+00:00 and expected 12.5 s in all." in text
    assert "It did not measure fence, distribute, restore, start, prove, cutover." in text


def test_the_parts_add_up() -> None:
    lines = _section(preview(source()), "Outage").splitlines()
    numbers = {
        words[0]: float(words[1])
        for line in lines
        if len(words := line.split()) > 1 and words[1][0].isdigit()
    }
    together = numbers.pop("together")
    assert set(numbers) == {"fence", "snapshot", "distribute", "restore", "start", "prove", "cutover"}
    assert abs(together - sum(numbers.values())) < 0.5


def test_an_unknown_size_is_told() -> None:
    assert "the size of the database could not be read" in preview(source(cluster(stacked={})))


def test_the_quorum_of_each_step() -> None:
    assert list(quorums(source())) == [
        Quorum("preflight, pki, prepare", "stacked", 3, 0),
        Quorum("fence, snapshot, distribute, restore", "nobody", 3, 0),
        Quorum("start, prove", "nobody", 3, 3),
        Quorum("cutover", "external, as each gets ready", 3, 3),
        Quorum("confirm", "external", 3, 3),
        Quorum("afterwards", "external", 0, 3),
    ]
    assert next(quorums(_fenced())).stages == "fence, snapshot, distribute, restore"
    assert [one.stages for one in quorums(source(migrated()))] == ["afterwards"]
    unasked = replace(cluster(), stacked={})
    assert next(quorums(source(unasked))).stacked == 3


def test_how_many_members_may_fail() -> None:
    assert [may_fail(voters) for voters in (1, 2, 3, 4, 5, 7)] == [0, 0, 1, 1, 2, 3]
