# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What is wrong with the pair and what to do about it; pure functions, every gate asks them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Callable, Iterator, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd, _pair

# What an error means: the pair could not survive the loss of a host now, or would not try to.
ERROR = "error"
# Worth knowing; the pair still protects the data.
WARNING = "warning"
INFO = "info"

# DRBD's agent writes a promotion score with its monitors; the longest interval in use is half a minute.
SCORE_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    kind says who can mend it: operator (somebody asked for it, or it follows from that), cluster,
    replication, fencing or host.
    """

    severity: str
    kind: str
    thing: str
    message: str
    remedy: str


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether the pair could lose either host now and go on."""
    return not any(one.severity == ERROR for one in findings)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as people read them."""
    return [f"{one.severity}: {one.thing}: {one.message} -> {one.remedy}" for one in findings]


def _idle(pair: _pair.Pair) -> list[str]:
    """Hosts that somebody took out of service on purpose."""
    nodes = pair.status.nodes.values() if pair.status else ()
    return [node.name for node in nodes if node.standby and node.online]


def _away(pair: _pair.Pair) -> list[str]:
    """Hosts that are not in the cluster."""
    return [name for name, node in _pair.known(pair.status).nodes.items() if not node.online]


def _cause(asked_for: bool, kind: str) -> str:
    """Who can mend it: what follows from a deliberate state is the operator's too.

    A pair in deliberate maintenance is not ready to fail over, but it is not broken either.
    """
    return "operator" if asked_for else kind


def _membership(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """Quorum, controller and hosts."""
    status, cib = _pair.known(pair.status), _pair.known(pair.cib)
    if not status.controller:
        yield Finding(
            ERROR,
            "cluster",
            "cluster",
            "no controller is elected",
            "wait a minute; then read `journalctl -u pacemaker` on both hosts",
        )
    if not (status.quorate and cib.quorate):
        yield Finding(
            ERROR,
            "cluster",
            "cluster",
            "the hosts have no quorum",
            "start the cluster on both hosts (`pcs cluster start --all`) and check both networks; with "
            "one host left after a power failure read docs/when-something-fails.md",
        )
    if len(status.nodes) != 2:
        yield Finding(
            ERROR,
            "cluster",
            "cluster",
            f"a pair has two hosts, this cluster has {len(status.nodes)}",
            "check that this is the right cluster",
        )
    for node in status.nodes.values():
        yield from _node(node)


def _node(node: _pair.Node) -> Iterator[Finding]:
    """One host's membership."""
    if node.unclean:
        yield Finding(
            ERROR,
            "fencing",
            node.name,
            "its state is unknown and it waits to be fenced",
            f"check the fence devices (`pcs stonith history {node.name}`); only when the host is "
            f"certainly off: `pcs stonith confirm {node.name}`",
        )
    elif not node.online:
        yield Finding(
            ERROR,
            "cluster",
            node.name,
            "it is not in the cluster",
            f"power it on, then `pcs cluster start {node.name}`",
        )
    elif node.pending:
        yield Finding(
            ERROR, "cluster", node.name, "it is still joining the cluster", "wait until it has"
        )
    if node.standby:
        yield Finding(
            ERROR,
            "operator",
            node.name,
            "it is in standby and cannot take over",
            f"`pcs node unstandby {node.name}` when its maintenance is over",
        )
    if node.maintenance:
        yield Finding(
            ERROR,
            "operator",
            node.name,
            "it is in maintenance: the cluster does not touch its resources",
            f"`pcs node unmaintenance {node.name}` when the maintenance is over",
        )


def _operator(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """What people left there, and what DRBD's fence handler put there."""
    cib = _pair.known(pair.cib)
    if _pair.is_true(cib.properties.get("maintenance-mode")):
        yield Finding(
            ERROR,
            "operator",
            "cluster",
            "it is in maintenance: nothing is monitored and nothing fails over",
            "`pcs property set maintenance-mode=false` when the maintenance is over",
        )
    if _pair.is_true(cib.properties.get("stop-all-resources")):
        yield Finding(
            ERROR,
            "operator",
            "cluster",
            "stop-all-resources is set",
            "`pcs property set stop-all-resources=`",
        )
    for name, role in sorted(cib.target_roles.items()):
        yield Finding(
            ERROR,
            "operator",
            name,
            f"somebody set its target role to {role}",
            f"`pcs resource enable {name}`",
        )
    for name in cib.unmanaged:
        yield Finding(
            ERROR,
            "operator",
            name,
            "the cluster was told not to manage it",
            f"`pcs resource manage {name}`",
        )
    for location in cib.operator_locations:
        yield _leftover(location, now)
    for location in cib.drbd_locations:
        yield Finding(
            ERROR,
            "replication",
            location.id,
            "DRBD keeps the host with the older data from being promoted",
            "it goes by itself once the disks are connected and UpToDate; never remove it while "
            "they are not",
        )


def _leftover(location: _pair.Location, now: datetime) -> Finding:
    """A move or ban constraint that is still there."""
    if location.expires is not None and location.expires <= now:
        return Finding(
            WARNING,
            "operator",
            location.id,
            f"this move constraint ended at {location.expires:%Y-%m-%d %H:%M:%SZ} and has no effect",
            f"`crm_resource --clear --expired --resource {location.resource}`",
        )
    return Finding(
        ERROR,
        "operator",
        location.id,
        f"a move or ban of {location.resource} is still in force and decides where it may run",
        f"`pcs resource clear {location.resource}` when nobody needs it",
    )


def _service(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """The clone and the group."""
    status, cib = _pair.known(pair.status), _pair.known(pair.cib)
    if not cib.clone_primitive:
        yield Finding(
            ERROR,
            "cluster",
            "configuration",
            "the promotable DRBD clone is not configured",
            "run the site playbook, or name the clone that this cluster uses",
        )
        return
    promoted = _pair.promoted_nodes(status, cib)
    stopped = bool(cib.target_roles) or len(_idle(pair)) == len(status.nodes)
    if len(promoted) != 1:
        yield Finding(
            ERROR,
            _cause(stopped and not promoted, "cluster"),
            cib.clone_primitive,
            f"it is promoted on {', '.join(promoted) or 'no host'}, not on exactly one",
            "read the other findings; `crm_mon -1rf` shows the cluster's view",
        )
    running = {
        node
        for one in status.instances
        if one.resource == cib.clone_primitive and one.active
        for node in one.nodes
    }
    for name in status.nodes:
        if name not in running:
            asked_for = name in _idle(pair) or bool(cib.target_roles)
            remedy = (
                f"see why with `crm_mon -1rf`, then `pcs resource cleanup {cib.clone_primitive}`"
            )
            if asked_for:
                remedy = f"it starts again when {name} is in service again"
            elif name in _away(pair):
                remedy = f"it starts again when {name} is in the cluster again"
            yield Finding(
                ERROR,
                _cause(asked_for, "cluster"),
                cib.clone_primitive,
                f"it does not run on {name}, so the data has one copy less",
                remedy,
            )
    yield from _forgotten(pair, running, now)
    if not cib.members:
        yield Finding(
            ERROR,
            "cluster",
            "configuration",
            "the group of file system, database and virtual IP is not configured",
            "run the site playbook, or name the group that this cluster uses",
        )
    for member in cib.members:
        place = _pair.member_node(status, member)
        if not place:
            yield Finding(
                ERROR,
                _cause(stopped, "cluster"),
                member,
                _idle_words(status, member),
                "see why with `crm_mon -1rf`; `pcs resource cleanup` makes the cluster try again",
            )
        elif len(promoted) == 1 and place != promoted[0]:
            yield Finding(
                ERROR,
                "cluster",
                member,
                f"it runs on {place} but the data is promoted on {promoted[0]}",
                "check the colocation constraint of the group with the clone",
            )


def _forgotten(pair: _pair.Pair, running: set[str], now: datetime) -> Iterator[Finding]:
    """Promotion scores that are not in the CIB although both disks are good.

    When a controller of Pacemaker dies and is started again, the other one deletes that host's attributes from the CIB
    (controld_delete_node_state in 2.1.5), and the attribute manager, which still has them, does not write them again.
    """
    cib, drbd = _pair.known(pair.cib), pair.drbd
    if drbd is None or (drbd.disk, drbd.peer_disk, drbd.connection) != (
        "UpToDate",
        "UpToDate",
        "Connected",
    ):
        return
    for name in sorted(running - set(cib.promotable)):
        thing, acted = f"{cib.clone_primitive} on {name}", cib.clone_acted.get(name)
        if acted is not None and abs(now - acted) < SCORE_WITHIN:
            message = "the cluster has no promotion score for it yet"
            yield Finding(WARNING, "cluster", thing, message, "wait")
            continue
        yield Finding(
            ERROR,
            "cluster",
            thing,
            "the cluster has no promotion score for it, as after a crash of one of Pacemaker's daemons: it would not be"
            " promoted there",
            "`attrd_updater --refresh` on either host makes the cluster write it again",
        )


def _idle_words(status: _pair.Status, member: str) -> str:
    """That a member does not run, and what the cluster does about it."""
    roles = {one.role for one in status.instances if one.resource == member}
    changing = sorted(roles - {"Started", "Stopped", ""})
    return f"it does not run ({', '.join(changing)})" if changing else "it does not run"


def _instances(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """Resources that failed, are blocked or change right now, and failures that are remembered."""
    status, cib = _pair.known(pair.status), _pair.known(pair.cib)
    for one in status.instances:
        if one.blocked:
            yield Finding(
                ERROR,
                "cluster",
                one.resource,
                f"it is blocked on {', '.join(one.nodes)}: a stop failed and nothing was fenced",
                f"stop it by hand there, then `pcs resource cleanup {one.resource}`",
            )
        elif one.failed:
            yield Finding(
                ERROR,
                "cluster",
                one.resource,
                f"it failed on {', '.join(one.nodes)}",
                f"mend the cause, then `pcs resource cleanup {one.resource}`",
            )
        if one.pending:
            yield Finding(
                WARNING, "cluster", one.resource, f"the cluster acts on it: {one.pending}", "wait"
            )
    for failure in status.failures:
        reason = f" ({failure.reason})" if failure.reason else ""
        yield Finding(
            ERROR,
            "cluster",
            failure.operation,
            f"failed on {failure.node} at {failure.when}: {failure.status}{reason}",
            "mend the cause, then `pcs resource cleanup`",
        )
    if not status.failures:
        for name, count in sorted(cib.fail_counts.items()):
            yield Finding(WARNING, "cluster", name, f"counts {count}", "`pcs resource cleanup`")


def _fencing(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """Whether a lost host would be fenced."""
    status, cib = _pair.known(pair.status), _pair.known(pair.cib)
    if not _pair.fencing_enabled(cib):
        yield Finding(
            WARNING,
            "fencing",
            "cluster",
            "fencing is off: two hosts that lose sight of each other may both write",
            "configure a fence device for each host",
        )
        return
    if not _pair.fence_devices(cib):
        yield Finding(
            ERROR,
            "fencing",
            "cluster",
            "fencing is on but no fence device is configured: nothing would take over",
            "configure a fence device for each host",
        )
    idle, away = _idle(pair), _away(pair)
    for device in sorted(cib.fence_devices):
        if not _pair.member_node(status, device):
            remedy = f"check that it answers, then `pcs stonith cleanup {device}`"
            if idle:
                remedy = f"it starts again when {', '.join(idle)} is in service again"
            elif away:
                remedy = f"if only {', '.join(away)} may use it, it starts again there; otherwise {remedy}"
            yield Finding(
                ERROR,
                _cause(bool(idle), "fencing"),
                device,
                "this fence device is not running, so its host cannot be fenced",
                remedy,
            )


def _replication(pair: _pair.Pair, now: datetime) -> Iterator[Finding]:
    """DRBD as this host sees it."""
    drbd, thing = pair.drbd, f"DRBD on {pair.host}"
    if drbd is None:
        yield Finding(
            ERROR,
            _cause(pair.host in _idle(pair), "replication"),
            thing,
            "the resource is not up",
            "the cluster starts it; see `drbdadm status` and `crm_mon -1rf`",
        )
        return
    if drbd.suspended != "no":
        yield Finding(
            ERROR,
            "replication",
            thing,
            "its writes are suspended",
            "check the fence devices and the peer; it resumes when the peer is fenced or back",
        )
    if drbd.write_ordering in ("drain", "none"):
        yield Finding(
            WARNING,
            "replication",
            thing,
            f"writes are not flushed to the disk (write ordering {drbd.write_ordering})",
            "only a cache with a battery makes that safe; otherwise turn disk-flushes and md-flushes on",
        )
    if drbd.disk != "UpToDate":
        yield Finding(
            ERROR,
            "replication",
            thing,
            f"the local disk is {drbd.disk or 'unknown'}",
            "wait for the synchronisation; if none runs, see `drbdadm status` on both hosts",
        )
    if drbd.connection != "Connected":
        idle = bool(_idle(pair)) and drbd.connection != "StandAlone"
        yield Finding(ERROR, _cause(idle, "replication"), thing, *_disconnected(drbd))
    elif drbd.peer_disk != "UpToDate":
        done = f", {drbd.done_percent:g} % done" if drbd.done_percent is not None else ""
        yield Finding(
            ERROR,
            "replication",
            thing,
            f"the peer's disk is {drbd.peer_disk or 'unknown'} ({drbd.replication}{done})",
            "wait for the synchronisation",
        )
    elif drbd.replication not in ("Established", ""):
        yield Finding(
            WARNING, "replication", thing, f"the replication is {drbd.replication}", "wait"
        )
    if drbd.connection == "Connected" and drbd.out_of_sync_kib and drbd.peer_disk == "UpToDate":
        yield Finding(
            WARNING,
            "replication",
            thing,
            f"{drbd.out_of_sync_kib} KiB differ between the disks",
            "find out why, then run verify_blocks.yml with verify_blocks_repair: true",
        )
    if pair.active and (drbd.role == "Primary") != (pair.active == pair.host):
        yield Finding(
            ERROR,
            "replication",
            thing,
            f"it is {drbd.role}, but the cluster has the promoted role on {pair.active}",
            "nobody may promote DRBD by hand; see `crm_mon -1rf`",
        )


def _disconnected(drbd: _drbd.State) -> tuple[str, str]:
    """Message and remedy for a replication link that is down."""
    if drbd.connection == "StandAlone":
        return (
            "it is StandAlone: it gave up on the peer, as after a split brain",
            "compare both sides before anything else; split_brain.yml shows them, and drops the changes "
            "of the one that you name",
        )
    return (
        f"it is not connected to the peer ({drbd.connection or 'no connection'})",
        "check the replication network and DRBD on the other host",
    )


_CHECKS: tuple[Callable[[_pair.Pair, datetime], Iterator[Finding]], ...] = (
    _membership,
    _operator,
    _service,
    _instances,
    _fencing,
    _replication,
)


def findings(pair: _pair.Pair, now: datetime) -> list[Finding]:
    """All that is wrong, the errors first."""
    if not pair.installed:
        return [
            Finding(
                ERROR,
                "host",
                pair.host,
                "Pacemaker is not installed",
                "run the site playbook on both hosts",
            )
        ]
    if pair.cib is None or pair.status is None:
        return [
            Finding(
                ERROR,
                "cluster",
                pair.host,
                "the cluster does not run on this host",
                "`pcs cluster start` there; with one host left after a power failure read "
                '"One host is left" in docs/when-something-fails.md first',
            )
        ]
    return by_severity([one for check in _CHECKS for one in check(pair, now)])


def by_severity(found: Sequence[Finding]) -> list[Finding]:
    """The errors first."""
    order = {ERROR: 0, WARNING: 1, INFO: 2}
    return sorted(found, key=lambda one: order[one.severity])
