# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dangerous spots of KWDB's own page: each is found in what it builds, and not in the pair's.

Each check asks the real Pacemaker of a release about a running pair and says whether it has the
fault. What a configuration of the cluster cannot show (DRBD's options, ssh keys) is not here.
"""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ElementTree
from typing import Callable, Iterator

import chroot
import handbuilt
import pair
import pytest
import transition_graph

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values

ONE, TWO = pair.NODES
SERVICE = ("KaiwuFS", "KaiwuDB", "ClusterIP")
SECOND = 1_000_000
_BUILT: dict[tuple[str, str], str] = {}


def move(cluster: chroot.Cluster) -> None:
    """An operator's ban of the promoted role on the active host."""
    cluster.write(
        "constraints",
        f'<rsc_location id="cli-ban-KaiwuData-clone-on-{ONE}" rsc="KaiwuData-clone"'
        f' role="{cluster.promoted}" node="{ONE}" score="-INFINITY"/>',
    )


def moved(cluster: chroot.Cluster) -> transition_graph.Graph:
    """What Pacemaker plans for a planned switchover."""
    move(cluster)
    graph = transition_graph.Graph(cluster.graph())
    assert graph.has("promote", "KaiwuData", TWO)
    return graph


def lost(cluster: chroot.Cluster) -> transition_graph.Graph:
    """What Pacemaker plans when the active host is gone."""
    graph = transition_graph.Graph(cluster.graph(f"--node-fail={ONE}"))
    assert graph.has("promote", "KaiwuData", TWO)
    return graph


def monitors(cluster: chroot.Cluster, resource: str) -> list[ElementTree.Element]:
    """The monitors that are configured for a resource."""
    found = _cib.resource(cluster.cib, resource)
    assert found is not None
    return found.findall("operations/op[@name='monitor']")


# --- the findings -------------------------------------------------------------------------------


def address_comes_before_the_database(cluster: chroot.Cluster) -> bool:
    """Clients reach a host whose database does not answer yet."""
    return not lost(cluster).before(("start", "KaiwuDB", TWO), ("start", "ClusterIP", TWO))


def address_stays_while_the_database_stops(cluster: chroot.Cluster) -> bool:
    """Clients hold on to a host whose database is going away."""
    return not moved(cluster).before(("stop", "ClusterIP", ONE), ("stop", "KaiwuDB", ONE))


def address_is_up_elsewhere_before_the_data(cluster: chroot.Cluster) -> bool:
    """The address runs on the new host while the old one has not let go of the data."""
    return not moved(cluster).before(("demote", "KaiwuData", ONE), ("start", "ClusterIP", TWO))


def failed_unmount_ends_the_service(cluster: chroot.Cluster) -> bool:
    """After a failed unmount the database runs nowhere, and Pacemaker plans nothing about it."""
    move(cluster)
    cluster.settle(f"--op-fail=KaiwuFS_stop_0@{ONE}=1")
    for _again in range(3):
        cluster.settle()
    return "KaiwuDB" not in cluster.roles()


def lost_host_may_still_write(cluster: chroot.Cluster) -> bool:
    """The other host takes the data without proof that the lost one has stopped."""
    graph = lost(cluster)
    fence = ("fence", "", ONE)
    if not graph.has(*fence):
        return True
    return not graph.before(fence, ("promote", "KaiwuData", TWO))


def host_without_quorum_goes_on(cluster: chroot.Cluster) -> bool:
    """A host that the other one does not see keeps the service: both may have it."""
    graph = transition_graph.Graph(cluster.graph("--quorum=false", f"--node-up={ONE}"))
    return not graph.has("stop", "KaiwuDB", ONE)


def lone_host_starts_old_data(cluster: chroot.Cluster) -> bool:
    """A host that boots alone, perhaps with old data, starts the database."""
    for node in (TWO, ONE):
        cluster.settle(f"--node-down={node}", "--quorum=false")
    cluster.settle(f"--node-up={TWO}", "--quorum=false")
    cluster.promotion_score(TWO, 10000)
    for _again in range(2):
        cluster.settle("--quorum=false")
    return "KaiwuDB" in cluster.roles()


def promoted_disk_is_not_watched(cluster: chroot.Cluster) -> bool:
    """With the promotion the monitor ends and none begins: a lost disk is not seen."""
    return not moved(cluster).has("monitor", "KaiwuData", TWO)


def failures_are_forgotten(cluster: chroot.Cluster) -> bool:
    """A dead database that was noticed a minute ago is not restarted."""
    found = [_values.microseconds(one.get("interval", "")) for one in monitors(cluster, "KaiwuDB")]
    interval = min(one for one in found if one)
    failed = cluster.place / "failed.xml"
    event = f"--op-inject=KaiwuDB_monitor_{interval // 1000}@{ONE}=7"
    argv = ["crm_simulate", "--xml-file", str(cluster.cib_file), event]
    cluster.quietly([*argv, "--save-output", str(failed)])
    cluster.cib_file.write_text(failed.read_text(encoding="utf-8"), encoding="utf-8")
    assert transition_graph.Graph(cluster.graph()).has("stop", "KaiwuDB", ONE)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
    when = later.strftime("%Y-%m-%d %H:%M:%SZ")
    return not transition_graph.Graph(cluster.graph(f"--set-datetime={when}")).has(
        "stop", "KaiwuDB", ONE
    )


def small_preference_moves_the_service(cluster: chroot.Cluster) -> bool:
    """A slight preference for the other host interrupts a service that runs well."""
    cluster.write(
        "constraints",
        f'<rsc_location id="prefer" rsc="KaiwuDBGrp" node="{TWO}" score="50"/>',
    )
    return transition_graph.Graph(cluster.graph()).has("stop", "KaiwuDB", ONE)


def recovery_has_the_default_timeout(cluster: chroot.Cluster) -> bool:
    """A database that recovers for longer than 20 s counts as failed, and its host is banned."""
    graph = ElementTree.fromstring(cluster.graph(f"--node-fail={ONE}"))
    starts = [
        one
        for one in graph.iterfind(".//action_set/rsc_op[@operation='start']")
        if (one.find("primitive[@id='KaiwuDB']") is not None and one.get("on_node") == TWO)
    ]
    (start,) = starts
    attributes = start.find("attributes")
    assert attributes is not None
    return int(attributes.get("CRM_meta_timeout", "20000")) <= 20000


def dead_database_is_seen_late(cluster: chroot.Cluster) -> bool:
    """The database is looked at less often than every 30 s."""
    shortest = min(
        _values.microseconds(one.get("interval", "")) or 0 for one in monitors(cluster, "KaiwuDB")
    )
    return shortest > 30 * SECOND


def read_only_file_system_is_not_seen(cluster: chroot.Cluster) -> bool:
    """No monitor writes, so that a file system gone read-only looks well."""
    levels = [
        _cib.values(one, "instance_attributes").get("OCF_CHECK_LEVEL", "0")
        for resource in ("KaiwuFS", "KaiwuDB")
        for one in monitors(cluster, resource)
    ]
    return "20" not in levels


def unmount_differs_between_distributions(cluster: chroot.Cluster) -> bool:
    """How hard the agent tries to unmount is left to a default that is not the same everywhere."""
    options = _cib.values(_cib.resource(cluster.cib, "KaiwuFS"), "instance_attributes")
    return not {"force_unmount", "fast_stop"} <= set(options)


def group_is_ordered_twice(cluster: chroot.Cluster) -> bool:
    """Constraints between members of one group, which can block Pacemaker."""
    group = _cib.resource(cluster.cib, "KaiwuDBGrp")
    assert group is not None
    members = set(_cib.members(group))
    return any(
        {one.get(name) for name in _cib.REFERENCES if one.get(name)} <= members
        for one in _cib.constraints(cluster.cib)
        if one.tag in ("rsc_colocation", "rsc_order")
    )


# The check, and the row of the list of findings that it proves.
FINDINGS: dict[Callable[[chroot.Cluster], bool], int] = {
    failed_unmount_ends_the_service: 1,
    lost_host_may_still_write: 1,
    host_without_quorum_goes_on: 2,
    lone_host_starts_old_data: 2,
    address_comes_before_the_database: 9,
    address_stays_while_the_database_stops: 9,
    address_is_up_elsewhere_before_the_data: 9,
    group_is_ordered_twice: 10,
    promoted_disk_is_not_watched: 11,
    dead_database_is_seen_late: 12,
    failures_are_forgotten: 13,
    small_preference_moves_the_service: 14,
    recovery_has_the_default_timeout: 15,
    read_only_file_system_is_not_seen: 16,
    unmount_differs_between_distributions: 16,
}


def running(cluster: chroot.Cluster, whose: str) -> None:
    """A running pair: the page's, or the one that the roles declare."""
    key = (cluster.root.name, whose)
    if key not in _BUILT:
        if whose == "page":
            handbuilt.build(cluster)
        else:
            cluster.create()
            cluster.apply(pair.whole_pair())
        handbuilt.run(cluster, ONE, TWO)
        assert [cluster.roles()[one] for one in SERVICE] == [{ONE: "Started"}] * 3
        _BUILT[key] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_BUILT[key], encoding="utf-8")


@pytest.mark.parametrize("check", FINDINGS, ids=lambda one: f"{FINDINGS[one]}-{one.__name__}")
def test_finding(cluster: chroot.Cluster, check: Callable[[chroot.Cluster], bool]) -> None:
    """What the page's words build has the fault; what the roles declare has not."""
    running(cluster, "page")
    assert check(cluster)
    running(cluster, "ours")
    assert not check(cluster)


# --- one by one into the live configuration (row 8) ---------------------------------------------


def address_without_database(cluster: chroot.Cluster, steps: Iterator[None]) -> bool:
    """Whether the address ever runs where no database runs while the pair is made."""
    for _step in steps:
        cluster.settle()
        if "KaiwuData" in cluster.roles():
            cluster.promotion_score(ONE, 10000)
        cluster.settle()
        roles = cluster.roles()
        if roles.get("ClusterIP", {}) != roles.get("KaiwuDB", {}):
            return True
    return False


def typed(cluster: chroot.Cluster) -> Iterator[None]:
    """The page's commands, one after the other."""
    for words in handbuilt.commands(handbuilt.pcs_version(cluster)):
        cluster.pcs(*words)
        yield


def declared(cluster: chroot.Cluster) -> Iterator[None]:
    """The roles, one after the other."""
    for one in pair.declarations():
        cluster.apply(one)
        yield


def test_page_starts_things_before_their_constraints(cluster: chroot.Cluster) -> None:
    """Typed one by one, the address runs before there is a database; from the roles never."""
    assert address_without_database(cluster, typed(cluster))
    cluster.create()
    assert not address_without_database(cluster, declared(cluster))
    assert cluster.roles()["ClusterIP"] == {ONE: "Started"}
