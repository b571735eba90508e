# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Reading the machine for one DRBD resource: file, kernel, disks, cluster, and the real parser."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk import (
    Facts,
    Triage,
    device_size,
    judge,
    look,
    metadata_bytes,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import (
    Refused,
    State,
    dialect,
    major_of,
    read_state,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_cluster import is_managed
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_config import (
    Definition,
    Node,
    Place,
    Volume,
    check_local_address,
    handler_program,
    render,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import (
    assembled_config,
    parser_message,
    read_text,
    resource_path,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_metadata import (
    Record,
    judge_external,
    judge_metadata,
    read_record,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_plan import (
    Seen,
    SeenVolume,
    parse_adjust,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_size import check_size, needed_bytes
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_wipe import Wipe, check_wipe


@dataclass(frozen=True)
class Leave:
    """What a person has allowed beyond the ordinary."""

    unstable_name: bool = False
    adopt: str = ""
    wipes: tuple[Wipe, ...] = ()


def local_node(want: Definition) -> Node:
    """The entry that is this host."""
    here = os.uname().nodename
    for node in want.nodes:
        if node.name == here:
            return node
    names = ", ".join(node.name for node in want.nodes)
    raise Refused(
        f"this host calls itself {here} (uname -n), which is none of the names in nodes ({names}); "
        "use that name in the inventory, or rename the host"
    )


def attached_triage(path: str) -> Triage:
    """The report on a disk that DRBD itself is using."""
    real = os.path.realpath(path)
    facts = Facts(path, exists=True, is_block=True, real=real, size=device_size(path))
    return Triage("attached", "is in use by this resource", "", facts)


def _internal(
    run: Runner,
    here: str,
    volume: Volume,
    place: Place,
    record: Record | None,
    leave: Leave,
    major: int,
) -> SeenVolume:
    """A detached volume whose metadata lie on its own disk."""
    facts = look(run, place.disk, former_size=record.size if record else 0)
    triage = judge(facts, allow_unstable_name=leave.unstable_name)
    try:
        verdict = judge_metadata(triage, record, leave.adopt, major)
    except Refused as refusal:
        check_wipe(leave.wipes, here, triage, refusal)
        return SeenVolume(volume, place, triage, "create", (triage,))
    return SeenVolume(volume, place, triage, verdict)


def _external(
    run: Runner,
    here: str,
    volume: Volume,
    place: Place,
    record: Record | None,
    leave: Leave,
    major: int,
) -> SeenVolume:
    """A detached volume whose metadata have a device of their own; both are judged."""
    data = judge(look(run, place.disk), allow_unstable_name=leave.unstable_name)
    facts = look(run, place.meta_disk, external=True)
    needed = metadata_bytes(data.facts.size)
    meta = judge(facts, allow_unstable_name=leave.unstable_name, smallest=needed)
    wiping: list[Triage] = []
    try:
        verdict = judge_external(data, meta, record, leave.adopt, major)
    except Refused as refusal:
        for triage in (data, meta):
            if triage.state != "blank":
                check_wipe(leave.wipes, here, triage, refusal)
                wiping.append(triage)
        verdict = "create"
    return SeenVolume(volume, place, data, verdict, tuple(wiping))


def check_room(
    want: Definition,
    seen: SeenVolume,
    record: Record | None,
    state: State | None,
    peer: Mapping[str, Any] | None,
) -> None:
    """Refuse a disk that takes the place of another one and cannot hold what the other side holds."""
    if seen.metadata == "kept":
        return
    volume, place = seen.volume, seen.place
    known = state.volume(volume.number) if state else None
    # What is noted of external metadata is the size of their own device.
    former = record.size if record and place.internal else 0
    check_size(
        f"volume {volume.number} of {want.name} on {local_node(want).name}",
        place.disk,
        seen.triage.facts.size,
        place.internal,
        needed_bytes(volume.number, known, peer),
        former,
    )


def see_volume(
    run: Runner,
    want: Definition,
    volume: Volume,
    state: State | None,
    leave: Leave,
    major: int,
    peer: Mapping[str, Any] | None = None,
) -> SeenVolume:
    """One volume on this host: attached, or what its disks hold."""
    here = local_node(want).name
    place = volume.places[want.index_of(here)]
    if state and state.volume(volume.number).attached:
        return SeenVolume(volume, place, attached_triage(place.disk))
    record = read_record(want.name, volume.number)
    see = _internal if place.internal else _external
    seen = see(run, here, volume, place, record, leave, major)
    check_room(want, seen, record, state, peer)
    return seen


def try_config(run: Runner, want: Definition, text: str, version: str) -> None:
    """Let the real parser read the new file among all others before it replaces the old one."""
    for handler in ("fence-peer", "unfence-peer"):
        program = handler_program(text, handler)
        if program and not os.path.exists(program):
            raise Refused(f"the handler {handler} names {program}, which is not on this host")
    with assembled_config(want.name, text) as top:
        try:
            run(["drbdadm", "-c", top, "dump-xml", want.name], env=dialect(version))
        except CommandFailed as error:
            said = parser_message(error.result.stderr)
            raise Refused(
                f"drbdadm does not accept the configuration: {said}. Correct the option that it names, "
                "or the other file that it names"
            ) from None


def see_adjust(run: Runner, want: Definition, text: str, version: str) -> tuple[str, ...]:
    """What drbdadm would tell the kernel if the new file were in place."""
    with assembled_config(want.name, text) as top:
        argv = ["drbdadm", "-c", top, "-d", "adjust", want.name]
        return parse_adjust(run(argv, env=dialect(version)).stdout)


def see(
    run: Runner,
    want: Definition,
    leave: Leave,
    version: str,
    peer: Mapping[str, Any] | None = None,
) -> Seen:
    """Everything that the plan for a resource that should be there depends on."""
    major = major_of(version)
    text = render(want, major)
    node = local_node(want)
    installed = run.has("drbdadm")
    state = read_state(run, want.name) if installed else None
    if state is None:
        check_local_address(node)
    volumes = tuple(
        see_volume(run, want, volume, state, leave, major, peer) for volume in want.volumes
    )
    if installed:
        try_config(run, want, text, version)
    return Seen(
        current_text=read_text(resource_path(want.name)),
        state=state,
        volumes=volumes,
        managed=is_managed(run, want.name),
        adjust=see_adjust(run, want, text, version) if state else (),
    )


def see_removal(run: Runner, name: str) -> Seen:
    """Everything that the plan for a resource that should be gone depends on."""
    return Seen(
        current_text=read_text(resource_path(name)),
        state=read_state(run, name) if run.has("drbdadm") else None,
        managed=is_managed(run, name),
    )


def see_wiped(
    run: Runner, name: str, places: Sequence[Place], wipes: Sequence[Wipe], up: bool
) -> tuple[Triage, ...]:
    """The disks of a removed resource that a person has named to be wiped; refuses a half-named one."""
    here = os.uname().nodename
    asked = {os.path.normpath(wipe.disk) for wipe in wipes if wipe.host == here}
    found = []
    for place in places:
        for path, external in ((place.disk, False), (place.meta_disk, True)):
            if path == "internal" or os.path.normpath(path) not in asked:
                continue
            # DRBD itself still holds it: what it holds is read all the same.
            triage = judge(look(run, path, also_busy=True, external=external), smallest=1)
            if triage.state == "busy" and up:
                triage = judge(replace(triage.facts, busy=False), smallest=1)
            if triage.state != "blank":
                check_wipe(wipes, here, triage, Refused(f"{name}: {triage.message}"))
                found.append(triage)
            asked.discard(os.path.normpath(path))
    if asked:
        raise Refused(f"wipe: {', '.join(sorted(asked))} is no disk of {name} on this host")
    return tuple(found)
