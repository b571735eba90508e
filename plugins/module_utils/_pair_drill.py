# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""One drill: write rows, let something happen to the pair, wait for health, compare the rows."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Iterator

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _pair,
    _pair_fence,
    _pair_links,
    _pair_move,
    _pair_rows,
    _sql_client,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner


@dataclass(frozen=True)
class Kind:
    """What a drill does, who loses its power by it, and whether the service moves."""

    victim: str = ""
    signal: str = ""
    cut: tuple[str, ...] = ()
    busy: bool = False
    # Whether the victim loses its cluster only, so that the cluster itself has to find out and to fence it.
    corosync: bool = False
    moves: bool = True

    @property
    def destructive(self) -> bool:
        """Whether it makes a fault."""
        return bool(self.victim or self.signal or self.cut or self.busy)


KINDS = {
    "switchover": Kind(),
    "power_cut": Kind(victim="active"),
    "corosync_kill": Kind(victim="active", corosync=True),
    "standby_power_cut": Kind(victim="standby", moves=False),
    "database_kill": Kind(signal="KILL", moves=False),
    "database_hang": Kind(signal="STOP", moves=False),
    "file_system_busy": Kind(busy=True),
    "cluster_link_cut": Kind(cut=(_pair_links.CLUSTER,), moves=False),
    "replication_link_cut": Kind(cut=(_pair_links.REPLICATION,), moves=False),
    # The active host is favoured when both fence each other.
    "both_links_cut": Kind(
        cut=(_pair_links.CLUSTER, _pair_links.REPLICATION), victim="standby", moves=False
    ),
}
# A move has to be over long before the whole drill is.
MOVE_TIMEOUT_S = 180
# Rows before the event show that writing works; rows after it show that it works again.
ROWS_AROUND = 10
WARM_UP_S = 60
# The cluster sees a hung database only when its monitor's time is over.
NOTICED_S = 180
# How long links stay cut after the cluster has seen it, and when a timer heals them that nobody has healed.
CUT_S = 10
HEALED_BY_TIMER_S = NOTICED_S + 5 * CUT_S
# What an agent does with a request not to end what keeps a file system busy.
UNFORCED = ("false", "no", "off", "0", "f", "n")
STATEMENT_S = 30
SHOWN = 20


class DrillRefused(Exception):
    """The drill may not start; nothing was changed."""


@dataclass(frozen=True)
class Order:
    """What is to be done and how."""

    drill: str
    allow_destructive: bool
    interval: float
    timeout: int
    record_directory: str


@dataclass
class Drill:
    """One drill while it runs."""

    order: Order
    run: Runner
    look_at: Callable[[], _pair.Pair]
    names: _pair.Names
    client: _sql_client.Client
    move: _pair_move.Move
    links: list[_pair_links.Neighbour] = field(default_factory=list)
    id: str = field(default_factory=_pair_rows.new_drill_id)
    timeline: _pair_move.Timeline = field(default_factory=_pair_move.Timeline)
    troubles: list[str] = field(default_factory=list)
    # Whether rows came through until the end.
    writable: bool = True

    @property
    def table(self) -> str:
        """The drill's own table."""
        return _pair_rows.table_of(self.id)

    @property
    def kind(self) -> Kind:
        """What the drill does."""
        return KINDS[self.order.drill]

    @property
    def target(self) -> str:
        """Where the service has to be afterwards."""
        return self.move.target if self.kind.moves else self.move.source

    @property
    def victim(self) -> str:
        """The host that loses its power, or nothing."""
        return victim(self.kind, self.move)

    def look(self) -> _pair.Pair:
        """One look at the pair that also remembers how far the service has come."""
        pair = self.look_at()
        for name in progress(self, pair):
            self.timeline.mark(name)
        return pair

    def sql(self, *statements: str) -> list[str]:
        """Run statements, patiently: the service may just have moved."""
        return _sql_client.execute_patiently(self.client, statements, STATEMENT_S, WARM_UP_S)


def victim(kind: Kind, move: _pair_move.Move) -> str:
    """The host that loses its power, or nothing."""
    return {"active": move.source, "standby": move.target}.get(kind.victim, "")


def failed_members(pair: _pair.Pair) -> list[str]:
    """Members of the group with an action that failed."""
    if pair.status is None or pair.cib is None:
        return []
    failed = {one.operation.rsplit("_", 2)[0] for one in pair.status.failures}
    return [one for one in pair.cib.members if one in failed]


def noticed(drill: Drill, pair: _pair.Pair) -> bool:
    """Whether the cluster has seen what was done; a look before that would find a healthy pair."""
    if pair.status is None:
        return False
    if drill.kind.signal:
        return bool(failed_members(pair))
    if drill.kind.cut == (_pair_links.CLUSTER,):
        return _pair_links.cluster_link_down(drill.run)
    if drill.kind.cut == (_pair_links.REPLICATION,):
        return pair.drbd is not None and pair.drbd.connection != "Connected"
    if drill.victim:
        node = pair.status.nodes.get(drill.victim)
        return node is None or not node.online
    return True


def progress(drill: Drill, pair: _pair.Pair) -> list[str]:
    """How far the service has come; where it does not move, only once the fault was noticed."""
    if drill.kind.moves:
        return _pair_move.progress(pair, drill.move)
    if pair.status is None or pair.cib is None:
        return []
    reached = ["noticed"] if noticed(drill, pair) else []
    if drill.kind.signal and (reached or "noticed" in drill.timeline.marks):
        running = {one: _pair.member_node(pair.status, one) for one in pair.cib.members}
        reached += [f"{one} started" for one, node in running.items() if node == drill.target]
    return reached


def check(pair: _pair.Pair, move: _pair_move.Move, order: Order) -> None:
    """Refuse what must not be done, or not on this host."""
    cib, kind = pair.cib, KINDS[order.drill]
    if cib is None:
        raise DrillRefused("the cluster does not run on this host")
    if kind.destructive:
        _check_fault(pair.host, cib, kind, move, order)
    if _pair_rows.on_file_system(order.record_directory, cib.directory):
        raise DrillRefused(
            f"record_directory {order.record_directory} is on the replicated disk "
            f"({cib.directory}): name a folder on the host's own disk"
        )


def _check_fault(
    host: str, cib: _pair.Cib, kind: Kind, move: _pair_move.Move, order: Order
) -> None:
    """Refuse a fault that nobody allowed, on the wrong host, or that cannot be made."""
    dies = victim(kind, move)
    if not order.allow_destructive:
        raise DrillRefused(
            f"the drill {order.drill} {_harm(kind, move)}: set allow_destructive to true to allow it"
        )
    if host == dies:
        what = "active" if kind.victim == "active" else "standby"
        raise DrillRefused(
            f"{host} is the {what} host and does not survive the drill {order.drill}: "
            f"run it on {move.source if host == move.target else move.target}"
        )
    if kind.signal and host != move.source:
        raise DrillRefused(
            f"the drill {order.drill} harms the database where it runs: run it on {move.source}"
        )
    if kind.busy and host != move.source:
        raise DrillRefused(
            f"the drill {order.drill} holds the file system where it is mounted: run it on {move.source}"
        )
    if kind.cut and not dies and host != move.target:
        raise DrillRefused(
            f"the drill {order.drill} is seen from the standby host: run it on {move.target}"
        )
    _check_consequence(cib, kind, dies, order)


def _harm(kind: Kind, move: _pair_move.Move) -> str:
    """What a drill does that somebody has to allow."""
    if kind.cut:
        return f"cuts the {' and the '.join(kind.cut)} link between {move.source} and {move.target}"
    if kind.corosync:
        return f"ends corosync on {victim(kind, move)}, which gets that host fenced"
    if kind.victim:
        return f"takes the host {victim(kind, move)} down"
    if kind.busy:
        return f"keeps the file system on {move.source} busy while it has to be unmounted"
    return f"harms the database on {move.source}"


def _check_consequence(cib: _pair.Cib, kind: Kind, dies: str, order: Order) -> None:
    """Refuse a fault that would come out differently from what the drill is for."""
    if dies and not (_pair.fencing_enabled(cib) and _pair_fence.devices_for(cib, dies)):
        raise DrillRefused(
            f"no fence device can power off {dies}: configure one, or leave out the drill {order.drill}"
        )
    if kind.signal and not cib.unit:
        raise DrillRefused(
            f"no member of the group is a systemd unit or starts one, so the drill {order.drill} "
            "cannot find the database's processes: leave it out"
        )
    if kind.cut and dies and not cib.properties.get("priority-fencing-delay", "0").strip("0s"):
        raise DrillRefused(
            f"nothing decides which host survives the drill {order.drill}: set the property "
            "priority-fencing-delay (pacemaker_fence_delay_s), or leave it out. With a third vote there is "
            "no delay: of two hosts that both see the third one, that with the lower number survives"
        )
    if kind.busy and not cib.directory:
        raise DrillRefused(
            f"no member of the group is a file system, so the drill {order.drill} has nothing to keep "
            "busy: leave it out"
        )
    if kind.busy and cib.force_unmount.lower() in UNFORCED:
        raise DrillRefused(
            f"force_unmount is {cib.force_unmount}, so a busy file system is not unmounted and its host "
            f"is fenced: change it, or leave out the drill {order.drill}"
        )


def signal_command(unit: str, signal: str) -> list[str]:
    """Kill the database's first process, or stop all of them where they are."""
    who = "main" if signal == "KILL" else "all"
    return ["systemctl", "kill", f"--kill-who={who}", f"--signal={signal}", unit]


def expel_command(pair: _pair.Pair, node: str) -> list[str]:
    """Have corosync on another host end itself at once, without a word to its cluster.

    What runs there goes on until the host is fenced.
    """
    status = _pair.known(pair.status)
    return ["corosync-cfgtool", "-k", status.nodes[node].id]


@contextlib.contextmanager
def occupied(drill: Drill) -> Iterator[None]:
    """A process that works in the file system and does not leave by itself, as a forgotten shell does."""
    directory = _pair.known(drill.look().cib).directory
    with subprocess.Popen(
        ["sleep", "infinity"], cwd=directory, stdin=subprocess.DEVNULL, start_new_session=True
    ) as holder:
        try:
            yield
            if holder.poll() is None:
                drill.troubles.append(f"the process that worked in {directory} was not ended")
        finally:
            holder.kill()


def move_away(drill: Drill) -> None:
    """Move the service to the other host as an operator does."""
    _pair_move.execute(
        drill.run, drill.look, drill.names, drill.move, MOVE_TIMEOUT_S, drill.timeline
    )


def cut_links(drill: Drill) -> None:
    """Cut, see that the cluster notices and the service is there, heal."""
    with _pair_links.severed(
        drill.run, drill.links, f"kwdb-ha-drill-{drill.id}", HEALED_BY_TIMER_S
    ):
        drill.timeline.mark("links cut")
        await_service(drill)
        time.sleep(CUT_S)
    drill.timeline.mark("links healed")


def act(drill: Drill) -> None:
    """Let it happen; what goes wrong is part of the result."""
    kind = drill.kind
    try:
        if kind.cut:
            cut_links(drill)
        elif kind.busy:
            with occupied(drill):
                move_away(drill)
        elif kind.corosync:
            why = f"corosync on {drill.victim} could not be ended"
            drill.run(expel_command(drill.look(), drill.victim), why=why)
            drill.timeline.mark("corosync ended")
        elif kind.victim:
            why = f"{drill.victim} could not be fenced"
            drill.run(_pair_fence.fence_command(drill.victim), why=why)
            drill.timeline.mark("fenced")
        elif kind.signal:
            unit = _pair.known(drill.look().cib).unit
            drill.run(signal_command(unit, kind.signal), why=f"{unit} could not be sent a signal")
            drill.timeline.mark("signal sent")
        else:
            move_away(drill)
    except (CommandFailed, _pair_move.MoveFailed) as exc:
        drill.troubles.append(str(exc))


def await_service(drill: Drill) -> None:
    """Wait until the cluster has seen the fault and the service is where it has to be."""
    deadline = time.monotonic() + NOTICED_S
    seen = False
    while True:
        begun = time.monotonic()
        pair = _pair_move.patiently(drill.look, deadline)
        seen = seen or noticed(drill, pair)
        if seen and _pair_move.arrived(pair, drill.target):
            return
        if time.monotonic() > deadline:
            if not seen:
                drill.troubles.append(f"the cluster did not notice it within {NOTICED_S} s")
            return
        _pair_move.rest(begun)


def recover(drill: Drill) -> None:
    """Wait until the service is back where it was; forget the failures that the drill made."""
    if drill.kind.moves or drill.kind.cut:
        return
    await_service(drill)
    for member in failed_members(drill.look()):
        # When it does not come to that, the look at the pair's health names the failure and the remedy.
        _pair_move.forget_failures(drill.run, drill.look, member, NOTICED_S)


def judge(drill: Drill, writer: _pair_rows.Writer) -> _pair_rows.Verdict | None:
    """Compare the acknowledged rows with the table; nothing when it cannot be read."""
    try:
        answer = drill.sql(f"SELECT id FROM {drill.table}")
    except _sql_client.SqlFailed as exc:
        drill.troubles.append(f"the rows could not be read back: {exc}")
        return None
    verdict = _pair_rows.compare(
        drill.id,
        [row.id for row in writer.rows],
        _pair_rows.present_ids(answer),
        writer.sequence,
    )
    if not verdict.clean:
        drill.troubles.append(
            f"{len(verdict.lost)} acknowledged rows are lost, {len(verdict.duplicates)} are there "
            f"more than once, {len(verdict.foreign)} were never written"
        )
    return verdict


def clean_up(drill: Drill) -> None:
    """Leave no row behind."""
    try:
        drill.sql(f"DROP TABLE IF EXISTS {drill.table}")
    except _sql_client.SqlFailed as exc:
        drill.troubles.append(f"the table {drill.table} is still there, drop it by hand: {exc}")


def perform(drill: Drill) -> dict[str, Any]:
    """Run the drill from the first row to the last look; the result holds what went wrong."""
    history = _pair_fence.read_history(drill.run)
    try:
        drill.sql(*_pair_rows.table_statements(drill.table))
    except _sql_client.SqlFailed as exc:
        raise DrillRefused(
            f"the database does not take the drill's table through {drill.client.address}: {exc}"
        ) from exc
    record = _pair_rows.open_record(drill.order.record_directory, drill.id)
    writer = _pair_rows.Writer(
        drill.client, drill.table, drill.id, record, interval=drill.order.interval
    )
    try:
        with record, _pair_move.unwinding():
            outcome = _write_through(drill, writer)
            verdict = judge(drill, writer)
    except DrillRefused:
        _pair_rows.drop_record(record.name)
        raise
    finally:
        writer.stop()
        clean_up(drill)
    # Nobody's power is cut in the other drills, but a stop that fails gets the source fenced.
    target = drill.victim or drill.move.source
    fencing = _pair_fence.fence_report(
        history, _pair_fence.read_history(drill.run), drill.look_at().cib, target
    )
    result = {**outcome, **_rows_result(drill, writer, verdict), **_fence_result(fencing)}
    result.update(phases=drill.timeline.as_list(), troubles=list(drill.troubles))
    if not drill.troubles:
        _pair_rows.drop_record(record.name)
    return {**result, "record": record.name if drill.troubles else "", "summary": summary(result)}


def _write_through(drill: Drill, writer: _pair_rows.Writer) -> dict[str, Any]:
    """Write before, during and after the event."""
    writer.start()
    if not writer.wait_for(ROWS_AROUND, WARM_UP_S):
        raise DrillRefused(
            f"no rows can be written through {drill.client.address}:{drill.client.port}, "
            f"nothing was done to the pair: {writer.last_error}"
        )
    drill.timeline = _pair_move.Timeline()
    act(drill)
    if not drill.troubles:
        recover(drill)
    left = max(1.0, drill.order.timeout - drill.timeline.elapsed())
    well, found = _pair_move.wait_healthy(drill.look, left, drill.target)
    healthy_after = round(drill.timeline.elapsed(), 2) if well else None
    if not well:
        drill.troubles.append(
            f"the pair is not healthy {drill.order.timeout} s after the event: "
            f"{_pair_move.reasons(_pair_move.errors(found)) or 'the service is elsewhere'}"
        )
    if not writer.wait_for(ROWS_AROUND, WARM_UP_S):
        drill.writable = False
        drill.troubles.append(f"no rows can be written any more: {writer.last_error}")
    writer.stop()
    return {
        "drill": drill.order.drill,
        "drill_id": drill.id,
        "source": drill.move.source,
        "target": drill.target,
        "healthy_after_s": healthy_after,
        "findings": [asdict(one) for one in found],
    }


def _rows_result(
    drill: Drill, writer: _pair_rows.Writer, verdict: _pair_rows.Verdict | None
) -> dict[str, Any]:
    """What the rows say."""
    event = drill.timeline.started
    # Rows go on for a moment after the event: when they end for good, the pauses between those are
    # not the outage.
    rows = writer.rows if drill.writable else writer.rows[-1:]
    end = _pair_rows.outage_end(rows, event)
    if end is not None and _pair_rows.interrupted(rows, event):
        drill.timeline.marks["outage over"] = end
    return {
        "acked": len(writer.rows),
        "lost": len(verdict.lost) if verdict else None,
        "lost_ids": verdict.lost[:SHOWN] if verdict else [],
        "duplicate_ids": verdict.duplicates[:SHOWN] if verdict else [],
        "foreign_ids": verdict.foreign[:SHOWN] if verdict else [],
        "unacknowledged": verdict.unacknowledged if verdict else 0,
        "outage_s": _pair_rows.outage(rows, event),
        "outage_from_s": _pair_rows.outage_start(rows, event),
        "acknowledgements": _pair_rows.acknowledgements(writer.rows, event),
    }


def _fence_result(fencing: dict[str, Any]) -> dict[str, Any]:
    """Who took the host down."""
    return {"fenced_by": fencing.get("agents", ""), "fencing": fencing}


def summary(result: dict[str, Any]) -> str:
    """One line for people."""
    lost = "unknown" if result["lost"] is None else result["lost"]
    outage_s = "not ended" if result["outage_s"] is None else f"{result['outage_s']:.1f} s"
    healthy = result["healthy_after_s"]
    again = "not healthy again" if healthy is None else f"healthy again after {healthy:.1f} s"
    fenced = f", fenced by {result['fenced_by']}" if result["fenced_by"] else ""
    moved = result["source"] != result["target"]
    where = f"{result['source']} -> {result['target']}" if moved else f"on {result['source']}"
    return (
        f"{result['drill']}: {where}, "
        f"{result['acked']} rows acknowledged, {lost} lost, outage {outage_s}, {again}{fenced}"
    )


def how_to_go_on(drill: Drill, result: dict[str, Any]) -> str:
    """What is wrong and what a person does next."""
    wrong = "; ".join(drill.troubles)
    record = f" The acknowledged rows are listed in {result['record']}." if result["record"] else ""
    return (
        f"the drill {drill.order.drill} failed: {wrong}. No ban or move constraint of the drill is "
        f"in force.{record} Look at the pair with pair_info and mend what it names before any "
        "further drill."
    )
