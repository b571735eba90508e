# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""What is to be done about one DRBD resource; pure functions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Iterable, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._disk import Triage, is_just_created
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, State
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_config import (
    Definition,
    Place,
    Volume,
    risks,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_wipe import wipe_commands


@dataclass(frozen=True)
class SeenVolume:
    """What was found of one volume on this host, and what is to become of it."""

    volume: Volume
    place: Place
    triage: Triage
    metadata: str = "kept"
    # The disks that a person has named to be wiped.
    wipe: tuple[Triage, ...] = ()


@dataclass(frozen=True)
class Seen:
    """Everything that a plan depends on."""

    current_text: str
    state: State | None = None
    volumes: tuple[SeenVolume, ...] = ()
    managed: bool = False
    adjust: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What would be done: write the file, run these commands, remember the metadata."""

    write: bool
    creating: tuple[tuple[str, ...], ...]
    record: bool
    starting: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    disruption: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """All commands in their order."""
        return self.creating + self.starting

    @property
    def changed(self) -> bool:
        """Whether anything is to be done at all."""
        return self.write or self.record or bool(self.commands)

    def followed_by(self, commands: tuple[tuple[str, ...], ...]) -> Plan:
        """The same plan with more commands at its end."""
        return replace(self, starting=self.starting + commands)


def adjust_verbs(lines: Iterable[str]) -> list[str]:
    """What drbdadm would tell the kernel, one verb for each line."""
    verbs = []
    for line in lines:
        words = shlex.split(line)
        verbs.append("apply-al" if words[0] == "drbdmeta" else words[1])
    return verbs


def parse_adjust(text: str) -> tuple[str, ...]:
    """The lines of "drbdadm -d adjust"."""
    starts = ("drbdsetup", "drbdmeta")
    return tuple(line for line in text.splitlines() if line.startswith(starts))


# Ways to keep writes in order that leave them in the disk's volatile cache.
UNFLUSHED = ("drain", "none")
ADDING = ("new-resource", "new-minor", "new-peer", "new-path", "attach", "connect", "apply-al")


def breaking_verbs(seen: Seen) -> list[str]:
    """What drbdadm would do that cuts the connection or lets go of a disk."""
    verbs = adjust_verbs(seen.adjust)
    return sorted({verb for verb in verbs if verb not in ADDING and not verb.endswith("-options")})


def check_disruption(name: str, seen: Seen, allowed: bool) -> tuple[str, ...]:
    """What a change of a running resource interrupts; refused unless allowed and survivable."""
    state, breaking = seen.state, breaking_verbs(seen)
    if state is None or not breaking:
        return ()
    what = f"the new configuration of {name} needs {', '.join(breaking)}"
    if not (seen.managed or "Primary" in (state.role, state.peer_role)):
        return (what,)
    if not allowed:
        raise Refused(
            f"{what} on a resource in service: the hosts are without each other for a moment. Allow it "
            "with allow_disruption: true (drbd_allow_disruption in the role), when both are UpToDate"
        )
    good = ("Connected", "UpToDate", "UpToDate")
    if (state.connection, state.disk, state.peer_disk) != good:
        raise Refused(
            f"{what}, and this is no moment for it: the connection is {state.connection}, the disk here "
            f"{state.disk} and there {state.peer_disk}. Wait until both are UpToDate, then run again"
        )
    return (what,)


def plan_start(name: str, seen: Seen) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The commands that bring the running resource to its configuration, and what is left alone."""
    if seen.state is None:
        if seen.managed:
            return (), (f"{name} is down here and Pacemaker owns it: left to Pacemaker",)
        return (("drbdadm", "up", name),), ()
    verbs = adjust_verbs(seen.adjust)
    if not verbs:
        return (), ()
    adding = sorted({verb for verb in verbs if verb in ADDING})
    # What breaks a connection also makes it again; then the adding is no state that somebody left.
    if adding and seen.managed and not breaking_verbs(seen):
        note = f"{name} lacks {', '.join(adding)} here ({seen.state.connection}, {seen.state.disk})"
        return (), (f"{note}: left to Pacemaker and to the operator",)
    return (("drbdadm", "adjust", name),), ()


def volume_commands(want: Definition, one: SeenVolume) -> tuple[tuple[str, ...], ...]:
    """The commands that give one volume its metadata."""
    wiping = tuple(argv for triage in one.wipe for argv in wipe_commands(triage.facts.path))
    part = want.part(one.volume)
    return wiping + ((("drbdadm", "create-md", part),) if one.metadata == "create" else ())


def ordering_note(want: Definition, state: State | None) -> tuple[str, ...]:
    """What the running kernel says about flushes, when nobody has stated that they are not needed."""
    if state is None or want.battery_backed_cache or state.write_ordering not in UNFLUSHED:
        return ()
    return (
        f"the kernel keeps the writes of {want.name} in order by {state.write_ordering}, without flushing "
        "the disk's cache: a power cut can lose acknowledged writes. Turn flushes on (disk-flushes, "
        "md-flushes), take a disk that can flush, or state battery_backed_cache: true",
    )


def make_plan(want: Definition, text: str, seen: Seen, start: bool, disrupt: bool = False) -> Plan:
    """What brings this host to the wanted configuration; never touches data. Pure."""
    disruption = check_disruption(want.name, seen, disrupt) if start else ()
    starting, notes = plan_start(want.name, seen) if start else ((), ())
    return Plan(
        write=text != seen.current_text,
        creating=tuple(argv for one in seen.volumes for argv in volume_commands(want, one)),
        record=any(one.metadata in ("create", "adopt") for one in seen.volumes),
        starting=starting,
        notes=notes + risks(want) + ordering_note(want, seen.state),
        disruption=disruption,
    )


def sync_due(local: Sequence[int | None], peer: Sequence[int | None], state: State | None) -> bool:
    """Whether this is the one moment in a pair's life at which a first synchronisation is due."""
    if not local or len(local) != len(peer) or None in (*local, *peer):
        raise Refused(
            "the generation ids of both sides must be known before the first synchronisation; pass "
            "peer_generation as drbd_info reports it on the other host"
        )
    fresh = all(uuid is not None and is_just_created(uuid) for uuid in (*local, *peer))
    sides = [side for one in state.volumes for side in (one.disk, one.peer_disk)] if state else []
    sides += [state.disk, state.peer_disk] if state else []
    return fresh and "UpToDate" not in sides


def plan_sync(name: str, mode: str, state: State | None) -> tuple[tuple[str, ...], ...]:
    """The commands of the first synchronisation; refuses anything but two fresh connected sides."""
    if state is None:
        raise Refused(f"{name} is not up here; bring it up on both hosts first")
    wanted = {
        "connection": "Connected",
        "replication": "Established",
        "disk": "Inconsistent",
        "peer_disk": "Inconsistent",
        "role": "Secondary",
        "peer_role": "Secondary",
    }
    wrong = [
        f"{key.replace('_', ' ')} is {getattr(state, key)}, not {value}"
        for key, value in wanted.items()
        if getattr(state, key) != value
    ]
    if wrong:
        raise Refused(
            f"the first synchronisation of {name} cannot start: {'; '.join(wrong)}. Check that the "
            "resource is up on both hosts and that they reach each other on the replication network"
        )
    if mode == "skip":
        return tuple(
            ("drbdadm", "new-current-uuid", "--clear-bitmap", f"{name}/{one.number}")
            for one in state.volumes
        )
    # Secondary again at once: from here on Pacemaker alone decides who is Primary, and the
    # synchronisation goes on regardless of the role.
    return (("drbdadm", "primary", "--force", name), ("drbdadm", "secondary", name))


def plan_removal(name: str, seen: Seen, configured: bool) -> tuple[tuple[str, ...], ...]:
    """The commands that take a resource down; its data and metadata stay where they are."""
    if seen.managed:
        raise Refused(
            f"Pacemaker manages {name}: take its resource out of the cluster first (pcs resource delete), "
            "then run again"
        )
    if seen.state is None:
        return ()
    if seen.state.role == "Primary":
        raise Refused(
            f"{name} is Primary here: stop what uses it, then drbdadm secondary {name}, and run again"
        )
    return ((("drbdadm" if configured else "drbdsetup"), "down", name),)


def commands_text(commands: Sequence[Sequence[str]]) -> list[str]:
    """The commands as a person would type them."""
    return [shlex.join(argv) for argv in commands]
