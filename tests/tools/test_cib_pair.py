# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the pair, as the roles declare it, in the hands of the real tools."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import chroot
import pair
import pytest
import transition_graph

ONE, TWO = pair.NODES
CHAIN = ("KaiwuFS", "KaiwuDB", "ClusterIP")


_BUILT: dict[str, str] = {}


@pytest.fixture
def built(cluster: chroot.Cluster) -> chroot.Cluster:
    """The pair, built by the roles' declarations; the service runs on the first host."""
    name = cluster.root.name
    if name not in _BUILT:
        for declared in pair.declarations():
            assert cluster.apply(declared).changed
            cluster.settle()
            if declared["resources"][0]["id"] == "KaiwuData":
                cluster.promotion_score(ONE, 10000)
                cluster.promotion_score(TWO, 1000)
                cluster.settle()
        cluster.promotion_score(TWO, 10000)
        cluster.settle()
        _BUILT[name] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_BUILT[name], encoding="utf-8")
    cluster.ran.clear()
    return cluster


def pcs_pair(cluster: chroot.Cluster) -> None:
    """The same pair, typed with pcs."""
    promoted = cluster.promoted
    unpromoted = {"Master": "Slave"}.get(promoted, "Unpromoted")
    cluster.pcs(
        "property",
        "set",
        "stonith-enabled=true",
        "no-quorum-policy=stop",
        "load-threshold=1000%",
        "node-action-limit=16",
        "priority-fencing-delay=5s",
    )
    defaults = "resource-stickiness=200 migration-threshold=3 failure-timeout=15min"
    cluster.pcs("resource", "defaults", "update", *defaults.split())
    for number, node in enumerate(pair.NODES, 1):
        device = f"fence-{node}"
        options = [f"ip=192.0.2.11{number}", "lanplus=true", "username=admin"]
        options += [f"password={pair.SECRET}", f"pcmk_host_list={node}"]
        monitor = ["op", "monitor", "interval=60s", "timeout=60s"]
        cluster.pcs("stonith", "create", device, "fence_ipmilan", *options, *monitor)
        avoid = f"location-{device}-avoids-{node}"
        cluster.pcs("constraint", "location", "add", avoid, device, node, "--", "-INFINITY")
    drbd = (
        f"op monitor interval=9s role={promoted} timeout=20s"
        f" monitor interval=19s role={unpromoted} timeout=20s start interval=0s timeout=240s"
        " stop interval=0s timeout=100s promote interval=0s timeout=90s demote interval=0s"
        " timeout=90s notify interval=0s timeout=90s --no-default-ops"
    )
    agent = ["ocf:linbit:drbd", "drbd_resource=kwdb"]
    cluster.pcs("resource", "create", "KaiwuData", *agent, *drbd.split())
    meta = "promoted-max=1 promoted-node-max=1 clone-max=2 clone-node-max=1 notify=true priority=10"
    cluster.pcs("resource", "promotable", "KaiwuData", "meta", *meta.split())
    file_system = (
        "ocf:heartbeat:Filesystem device=/dev/drbd3 directory=/var/lib/kaiwudb fstype=ext4"
        " options=noatime force_unmount=safe fast_stop=no op start interval=0s timeout=60s"
        " stop interval=0s timeout=60s monitor interval=20s timeout=40s --no-default-ops"
    )
    cluster.pcs("resource", "create", "KaiwuFS", *file_system.split())
    agent = ["ocf:kwdb:kaiwudb", "statement=SELECT 1"]
    database = (
        "op start interval=0s timeout=300s stop interval=0s timeout=120s"
        " monitor interval=5s timeout=30s"
        " monitor interval=61s timeout=40s OCF_CHECK_LEVEL=20 --no-default-ops"
    )
    cluster.pcs("resource", "create", "KaiwuDB", *agent, *database.split())
    address = (
        "ocf:heartbeat:IPaddr2 ip=192.0.2.100 cidr_netmask=24 op start interval=0s timeout=20s"
        " stop interval=0s timeout=20s monitor interval=10s timeout=20s --no-default-ops"
    )
    cluster.pcs("resource", "create", "ClusterIP", *address.split())
    cluster.pcs("resource", "group", "add", "KaiwuDBGrp", *CHAIN)
    together = f"colocation add KaiwuDBGrp with {promoted} KaiwuData-clone score=INFINITY"
    identity = "id=colocation-KaiwuDBGrp-with-KaiwuData-clone"
    cluster.pcs("constraint", *together.split(), identity)
    order = "order promote KaiwuData-clone then start KaiwuDBGrp kind=Mandatory"
    cluster.pcs("constraint", *order.split(), "id=order-KaiwuData-clone-then-KaiwuDBGrp")


def meaning(element: ElementTree.Element) -> Any:
    """An element without what nobody means: generated ids and the order where it says nothing."""
    named = element.tag in ("primitive", "group", "clone") or element.tag.startswith("rsc_")
    attributes = {n: v for n, v in element.attrib.items() if n != "id" or named}
    if element.tag.startswith("rsc_"):
        attributes.setdefault("rsc-role", "Started")
        attributes.setdefault("kind", "Mandatory")
    children = [meaning(one) for one in element]
    if element.tag != "group":
        children.sort(key=repr)
    return (element.tag, sorted(attributes.items()), children)


def parts(cluster: chroot.Cluster) -> dict[str, Any]:
    """The meaning of each section that the pair uses."""
    names = ("crm_config", "resources", "constraints", "rsc_defaults")
    found = {name: cluster.cib.find(f"configuration/{name}") for name in names}
    return {name: meaning(one) for name, one in found.items() if one is not None}


def test_roles_start_and_interrupt_nothing(cluster: chroot.Cluster) -> None:
    """Each role only starts its own; nothing runs anywhere before what holds it is there."""
    started: set[tuple[str, str]] = set()
    for declared in pair.declarations():
        outcome = cluster.apply(declared)
        assert outcome.changed
        assert {one.action for one in outcome.transition} <= {"start"}
        started |= {(one.resource, one.node) for one in outcome.transition}
        cluster.settle()
        if declared["resources"][0]["id"] == "KaiwuData":
            cluster.promotion_score(ONE, 10000)
            cluster.promotion_score(TWO, 1000)
            cluster.settle()
            assert cluster.roles()["KaiwuData"] == {ONE: "Promoted", TWO: "Unpromoted"}
    expected = {
        (f"fence-{ONE}", TWO),
        (f"fence-{TWO}", ONE),
        ("KaiwuData", ONE),
        ("KaiwuData", TWO),
    }
    assert started == expected | {(one, ONE) for one in CHAIN}
    assert cluster.roles()["KaiwuData"] == {ONE: "Promoted", TWO: "Unpromoted"}
    assert [cluster.roles()[one] for one in CHAIN] == [{ONE: "Started"}] * 3


def test_second_run_reads_once_and_changes_nothing(built: chroot.Cluster) -> None:
    """The unchanged pair costs one query per role, and its file stays byte for byte the same."""
    before = built.cib_file.read_bytes()
    for declared in pair.declarations():
        built.ran.clear()
        outcome = built.apply(declared)
        assert (outcome.changed, outcome.before == outcome.after) == (False, True)
        assert built.ran == [("cibadmin", "--query")]
    assert built.cib_file.read_bytes() == before


def test_roles_do_not_depend_on_their_order_later(built: chroot.Cluster) -> None:
    """A later run of the roles in any order changes nothing either."""
    for declared in reversed(pair.declarations()):
        assert not built.apply(declared).changed


def test_pcs_means_the_same(built: chroot.Cluster) -> None:
    """The pair that pcs makes of the same words has the same meaning, and nothing left to do."""
    ours = parts(built)
    built.create()
    pcs_pair(built)
    assert parts(built) == ours
    for declared in pair.declarations():
        outcome = built.apply(declared)
        assert (outcome.changed, outcome.after) == (False, outcome.before)


def test_configuration_is_valid(built: chroot.Cluster) -> None:
    """crm_verify has neither errors nor warnings."""
    said = built.quietly(
        ["crm_verify", "--verbose", "--xml-file", str(built.cib_file)], ok=range(256)
    )
    assert (said.rc, said.stdout + said.stderr) == (0, "")


# --- failover -----------------------------------------------------------------------------------


def check_takeover(graph: transition_graph.Graph, old: str, new: str) -> None:
    """The order in which a host takes the service from another that still answers."""
    for first, then in zip(CHAIN, CHAIN[1:]):
        assert graph.before(("start", first, new), ("start", then, new))
        assert graph.before(("stop", then, old), ("stop", first, old))
    assert graph.before(("stop", "KaiwuFS", old), ("demote", "KaiwuData", old))
    assert graph.before(("demote", "KaiwuData", old), ("promote", "KaiwuData", new))
    assert graph.before(("promote", "KaiwuData", new), ("start", "KaiwuFS", new))
    # Clients are sent away first and come back last.
    assert graph.before(("stop", "ClusterIP", old), ("start", "ClusterIP", new))


def test_planned_switchover_keeps_the_order(built: chroot.Cluster) -> None:
    """A ban of the promoted role moves the service and leaves DRBD up on both hosts."""
    built.write(
        "constraints",
        f'<rsc_location id="cli-ban-KaiwuData-clone-on-{ONE}" rsc="KaiwuData-clone"'
        f' role="{built.promoted}" node="{ONE}" score="-INFINITY"/>',
    )
    graph = transition_graph.Graph(built.graph())
    check_takeover(graph, ONE, TWO)
    assert not graph.has("stop", "KaiwuData", ONE)
    assert not graph.actions("fence")
    built.settle()
    assert built.roles()["KaiwuData"] == {ONE: "Unpromoted", TWO: "Promoted"}


def test_lost_host_is_fenced_before_anything_moves(built: chroot.Cluster) -> None:
    """After a power cut nothing is promoted or started before the fence device has answered."""
    graph = transition_graph.Graph(built.graph(f"--node-fail={ONE}"))
    fence = ("fence", "", ONE)
    for one in [("promote", "KaiwuData", TWO), *(("start", name, TWO) for name in CHAIN)]:
        assert graph.before(fence, one)
    for first, then in zip(CHAIN, CHAIN[1:]):
        assert graph.before(("start", first, TWO), ("start", then, TWO))
    assert graph.before(("promote", "KaiwuData", TWO), ("start", "KaiwuFS", TWO))
    built.settle(f"--node-fail={ONE}")
    assert built.roles()["KaiwuData"] == {TWO: "Promoted"}


def test_failed_unmount_is_fenced(built: chroot.Cluster) -> None:
    """A host that cannot let go of the file system is fenced; the service is not stuck."""
    built.write(
        "constraints",
        f'<rsc_location id="cli-ban-KaiwuData-clone-on-{ONE}" rsc="KaiwuData-clone"'
        f' role="{built.promoted}" node="{ONE}" score="-INFINITY"/>',
    )
    built.settle(f"--op-fail=KaiwuFS_stop_0@{ONE}=1")
    graph = transition_graph.Graph(built.graph())
    assert graph.before(("fence", "", ONE), ("promote", "KaiwuData", TWO))
    built.settle()
    assert [built.roles()[one] for one in CHAIN] == [{TWO: "Started"}] * 3


def test_dead_database_restarts_where_it_is(built: chroot.Cluster) -> None:
    """One failure is answered locally, with the address taken away while the database is down."""
    graph = transition_graph.Graph(built.graph(f"--op-inject=KaiwuDB_monitor_5000@{ONE}=7"))
    assert graph.before(("stop", "ClusterIP", ONE), ("stop", "KaiwuDB", ONE))
    assert graph.before(("start", "KaiwuDB", ONE), ("start", "ClusterIP", ONE))
    assert not graph.actions("promote", "demote", "fence")
    assert not graph.has("stop", "KaiwuFS", ONE)


def test_returning_host_moves_nothing(built: chroot.Cluster) -> None:
    """A host that comes back is given a copy of the data and nothing else."""
    built.settle(f"--node-fail={ONE}")
    graph = transition_graph.Graph(built.graph(f"--node-up={ONE}"))
    assert not graph.actions("stop", "promote", "demote", "fence") - {("stop", f"fence-{TWO}", TWO)}
    assert graph.has("start", "KaiwuData", ONE)


def test_fence_of_drbd_stops_a_stale_copy(built: chroot.Cluster) -> None:
    """While DRBD's handler says where the data is, nobody else is promoted, even when it dies."""
    built.write(
        "constraints",
        '<rsc_location rsc="KaiwuData-clone" id="drbd-fence-by-handler-kwdb-KaiwuData-clone">'
        '<rule role="Master" score="-INFINITY" id="drbd-fence-by-handler-kwdb-rule-KaiwuData-clone">'
        f'<expression attribute="#uname" operation="ne" value="{ONE}" id="drbd-fence-expr"/>'
        "</rule></rsc_location>",
    )
    assert not transition_graph.Graph(built.graph()).actions("stop", "demote", "promote")
    graph = transition_graph.Graph(built.graph(f"--node-fail={ONE}"))
    assert graph.actions("fence")
    assert not graph.actions("promote")


def test_broken_disk_moves_the_service(built: chroot.Cluster) -> None:
    """A promoted host without a disk of its own gives way to the good copy, despite stickiness."""
    built.promotion_score(ONE, 10)
    check_takeover(transition_graph.Graph(built.graph()), ONE, TWO)


def test_lost_quorum_stops_the_service(built: chroot.Cluster) -> None:
    """Without quorum nothing writes."""
    graph = transition_graph.Graph(built.graph("--quorum=false", f"--node-up={ONE}"))
    assert {("stop", name, ONE) for name in CHAIN} <= graph.actions("stop")
    assert not graph.actions("promote")
