"""All rules in the order in which an operator would ask them, and the judge that runs them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from unstack.pki import settings_problems
from unstack.placement import Phase
from unstack.preflight import control_plane, etcd_hosts, kubeadm_config, live, stacked
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem

__all__ = ["Cluster", "judge"]

Rule = Callable[[Cluster], Iterator[Problem]]

ALWAYS: tuple[Rule, ...] = (
    live.strategy_fits,
    etcd_hosts.clocks_agree,
    control_plane.manifests_are_kubeadms,
    control_plane.api_servers_use_a_known_etcd,
    control_plane.curl_is_there,
    control_plane.no_rollback_is_unfinished,
    control_plane.no_restore_is_unfinished,
    control_plane.one_side_only,
    etcd_hosts.engine_and_compose_work,
)

# While any API server is still to be started with a new manifest.
UNTIL_ALL_MASTERS_ARE_EXTERNAL: tuple[Rule, ...] = (
    control_plane.manifests_can_be_changed,
    control_plane.manifests_can_be_renamed_away,
    control_plane.certificates_outlast_the_migration,
    kubeadm_config.can_be_merged,
    kubeadm_config.fits_all_masters,
)

# What matters only as long as the stacked cluster is still to be read. Afterwards the external
# members hold the only newest data: who replaced one by hand must not be told to move it away.
BEFORE_THE_CUTOVER: tuple[Rule, ...] = (
    etcd_hosts.ports_are_free,
    etcd_hosts.container_name_is_free,
    etcd_hosts.data_is_ours,
    stacked.every_member_answers,
    stacked.every_member_is_on_a_master,
    stacked.one_leader_and_only_voters,
    stacked.no_alarm,
    stacked.contents_can_be_compared,
    stacked.contents_are_equal,
    stacked.image_fits_the_source,
    stacked.database_fits,
    etcd_hosts.disk_is_large_enough,
    live.conditions_hold,
)

AFTER_THE_CUTOVER: tuple[Rule, ...] = (stacked.external_members_are_healthy,)

RULES: dict[Phase, tuple[Rule, ...]] = {
    Phase.STACKED: (*ALWAYS, *UNTIL_ALL_MASTERS_ARE_EXTERNAL, *BEFORE_THE_CUTOVER),
    Phase.CUTTING_OVER: (*ALWAYS, *UNTIL_ALL_MASTERS_ARE_EXTERNAL, *AFTER_THE_CUTOVER),
    Phase.EXTERNAL: (*ALWAYS, *AFTER_THE_CUTOVER),
}


def judge(cluster: Cluster) -> list[Problem]:
    """Every problem of every host in one pass, in the order of the hosts' names."""
    problems = {*cluster.unread, *settings_problems(cluster.topology)}
    for rule in RULES[cluster.phase]:
        problems |= set(rule(cluster))
    return sorted(problems)
