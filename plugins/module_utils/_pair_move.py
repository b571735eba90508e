# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Move the promoted role to the other host and leave nothing behind."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _pair, _pair_health
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed

if TYPE_CHECKING:
    from types import FrameType

    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

# Pacemaker's own schema knows the words Promoted and Unpromoted from here on.
NEW_WORDS = (3, 7)
# crm_resource --wait ends with this when the time is over.
TIMED_OUT = 124
# How much longer than the move itself the ban stays in force when nobody removes it.
GRACE_S = 60
# The date is in the ban, as this host knows it; the host that decides for the cluster may know another.
CLOCKS = (
    "A ban ends by the clock of the host that leads the cluster (Current DC in `crm_mon -1`): if it is ahead "
    "of this host's, the ban was over at once -> compare `date -u` on both hosts and set the clocks right"
)
# A look costs the host work that the service needs to come up: looks take a quarter of the time at most.
POLL_S = 0.25
REST = 3


class MoveRefused(Exception):
    """The pair is not fit for a move; nothing was changed."""


class MoveFailed(Exception):
    """The service did not come up on the other host, or something was left behind."""


@dataclass(frozen=True)
class Move:
    """From which host to which."""

    source: str
    target: str


@dataclass
class Timeline:
    """When something was first seen, in seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Remember the first time that this was seen."""
        self.marks.setdefault(name, round(time.monotonic() - self.started, 2))

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def as_list(self) -> list[dict[str, Any]]:
        """The marks in the order of time."""
        marks = sorted(self.marks.items(), key=lambda item: item[1])
        return [{"name": name, "at_s": at} for name, at in marks]


def errors(findings: Sequence[_pair_health.Finding]) -> list[_pair_health.Finding]:
    """The findings that forbid a move."""
    return [one for one in findings if one.severity == _pair_health.ERROR]


def reasons(findings: Sequence[_pair_health.Finding]) -> str:
    """The findings in one sentence for an error message."""
    return "; ".join(f"{one.thing}: {one.message} -> {one.remedy}" for one in findings)


def plan(
    pair: _pair.Pair, findings: Sequence[_pair_health.Finding], target: str = ""
) -> Move | None:
    """What has to move, nothing when the service is on the target already; raise when unfit."""
    status = pair.status
    if target and status and target not in status.nodes:
        known = ", ".join(sorted(status.nodes))
        raise MoveRefused(f"{target} is not a host of this pair, its hosts are {known}")
    wrong = errors(findings)
    if wrong:
        raise MoveRefused(f"the pair is not healthy, nothing was moved: {reasons(wrong)}")
    # A pair without a status is not healthy.
    other = _pair.other_node(_pair.known(status), pair.active)
    if target == pair.active:
        return None
    return Move(pair.active, target or other)


def ban_id(names: _pair.Names, node: str) -> str:
    """The id that crm_resource gives such a ban, so that its --clear knows it too."""
    return f"cli-ban-{names.clone}-on-{node}"


def ban_xml(names: _pair.Names, schema: tuple[int, int], node: str, ends: datetime) -> str:
    """A ban of the promoted role from a host that ends by itself.

    Not by `crm_resource --ban --promoted --lifetime`: that writes the role where the scheduler
    does not look when there is a lifetime, so DRBD is stopped on the host altogether, before the
    promotion, and the data has one copy less.
    """
    identity = ban_id(names, node)
    role = "Promoted" if schema >= NEW_WORDS else "Master"
    return (
        f'<rsc_location id="{identity}" rsc="{names.clone}">'
        f'<rule id="{identity}-rule" role="{role}" score="-INFINITY" boolean-op="and">'
        f'<expression id="{identity}-expr" attribute="#uname" operation="eq" value="{node}"'
        ' type="string"/>'
        f'<date_expression id="{identity}-lifetime" operation="lt"'
        f' end="{ends:%Y-%m-%d %H:%M:%SZ}"/></rule></rsc_location>'
    )


def create_command(xml: str) -> list[str]:
    """Put the ban into the CIB."""
    return ["cibadmin", "--create", "-o", "constraints", "--xml-text", xml]


def delete_command(identity: str) -> list[str]:
    """Take exactly this constraint out of the CIB."""
    xml = f'<rsc_location id="{identity}"/>'
    return ["cibadmin", "--delete", "-o", "constraints", "--xml-text", xml]


def progress(pair: _pair.Pair, move: Move) -> list[str]:
    """How far the move has come."""
    status, cib = pair.status, pair.cib
    if status is None or cib is None:
        return []
    members = [one for one in status.instances if one.resource in cib.members]
    reached = []
    if not any(move.source in one.nodes for one in members):
        reached.append("service stopped")
    if move.source not in _pair.promoted_nodes(status, cib):
        reached.append("demoted")
    if move.target in _pair.promoted_nodes(status, cib):
        reached.append("promoted")
    for member in cib.members:
        if _pair.member_node(status, member) == move.target:
            reached.append(f"{member} started")
    return reached


def arrived(pair: _pair.Pair, target: str) -> bool:
    """Whether the promoted role and the whole group are on the target."""
    return (
        pair.status is not None
        and pair.cib is not None
        and pair.active == target
        and _pair.group_node(pair.status, pair.cib) == target
    )


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Let a request to end go through the finally blocks, which a default signal would skip."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    kept = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)


def patiently(look: Callable[[], _pair.Pair], deadline: float) -> _pair.Pair:
    """Look at the pair; the cluster's tools may fail while a controller is elected."""
    while True:
        try:
            return look()
        except CommandFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def settle(run: Runner, seconds: int) -> bool:
    """Wait until the cluster has nothing left to do."""
    answer = run(["crm_resource", "--wait", f"--timeout={seconds}s"], ok=(0, TIMED_OUT))
    return answer.rc == 0


def forget_failures(
    run: Runner, look: Callable[[], _pair.Pair], resource: str, seconds: float
) -> bool:
    """Make the cluster forget the failures of a resource, once none of its actions is under way.

    Pacemaker ends the monitors that run at that moment. The first run of one belongs to a transition,
    which then waits in vain for its result, and takes it for failed when its time is over: a healthy
    database would be restarted (seen with Pacemaker 2.1.5). False if something was always under way.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        # Actions that have not begun are known to this one alone, those that have to the CIB alone.
        if settle(run, max(1, int(deadline - begun))):
            cib = patiently(look, deadline).cib
            if cib is not None and not cib.under_way:
                run(["crm_resource", "--cleanup", "--resource", resource])
                return True
        if time.monotonic() > deadline:
            return False
        rest(begun)


def remove_ban(run: Runner, identity: str, tries: int = 10) -> None:
    """Remove the ban, whatever happens to the controller meanwhile."""
    for left in range(tries - 1, -1, -1):
        try:
            run(delete_command(identity))
            return
        except CommandFailed:
            if not left:
                raise
            time.sleep(1)


def execute(
    run: Runner,
    look: Callable[[], _pair.Pair],
    names: _pair.Names,
    move: Move,
    timeout: int,
    timeline: Timeline,
) -> None:
    """Ban the promoted role from the source, wait for the service on the target, lift the ban."""
    cib = look().cib
    if cib is None:
        raise MoveRefused("the cluster does not run on this host")
    identity = ban_id(names, move.source)
    ends = datetime.now(timezone.utc) + timedelta(seconds=timeout + GRACE_S)
    with unwinding():
        try:
            run(create_command(ban_xml(names, cib.schema, move.source, ends)))
            timeline.mark("ban placed")
            _wait(look, move, timeout, timeline, identity)
            settle(run, timeout)
        finally:
            remove_ban(run, identity)
            timeline.mark("ban removed")
    settle(run, timeout)
    _check(look(), identity, move)


def rest(begun: float, least: float = POLL_S) -> None:
    """Pause after a look that began then."""
    time.sleep(max(least, REST * (time.monotonic() - begun)))


def _wait(
    look: Callable[[], _pair.Pair], move: Move, timeout: int, timeline: Timeline, ban: str
) -> None:
    """Wait for the service on the target."""
    deadline = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        pair = patiently(look, deadline)
        for name in progress(pair, move):
            timeline.mark(name)
        if arrived(pair, move.target):
            return
        if time.monotonic() > deadline:
            found = errors(_pair_health.findings(pair, datetime.now(timezone.utc)))
            # Its own ban is gone when this is read.
            wrong = reasons([one for one in found if one.thing != ban]) or "nothing else is wrong"
            # The one reason seen for a ban that does nothing, and nothing else shows it.
            idle = timeline.marks.keys() <= {"ban placed"}
            hint = f" Nothing began to move. {CLOCKS}" if idle else ""
            raise MoveFailed(
                f"the service did not come up on {move.target} within {timeout} s; the ban is "
                f"lifted, the cluster decides again where it runs. Now: {wrong}.{hint}"
            )
        rest(begun)


def wait_healthy(
    look: Callable[[], _pair.Pair], timeout: float, target: str = ""
) -> tuple[bool, list[_pair_health.Finding]]:
    """Wait until nothing is wrong any more, with the service on the target if one is named.

    Whether it came to that, and what is still not as it should be.
    """
    deadline = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        pair = patiently(look, deadline)
        found = _pair_health.findings(pair, datetime.now(timezone.utc))
        well = _pair_health.healthy(found) and (not target or arrived(pair, target))
        if well or time.monotonic() > deadline:
            return well, found
        rest(begun, least=1)


def _check(pair: _pair.Pair, identity: str, move: Move) -> None:
    """Nothing may be left, and the service must stay where it was moved to."""
    left = [one.id for one in pair.cib.operator_locations] if pair.cib else []
    if identity in left:
        raise MoveFailed(f"the constraint {identity} is still there: `pcs constraint delete` it")
    if not arrived(pair, move.target):
        raise MoveFailed(
            f"the service did not stay on {move.target} when the ban was lifted, it is on "
            f"{pair.active or 'no host'}: check resource-stickiness and location constraints"
        )
