# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Carrying out what was planned for one DRBD resource, in an order that can stop anywhere."""

from __future__ import annotations

import os
import time
from typing import Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk import Triage
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import (
    State,
    dialect,
    major_of,
    parse_generation,
    read_state,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_config import Definition
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import resource_path
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import read_generations
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_metadata import forget_record, remember
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_plan import (
    Plan,
    Seen,
    SeenVolume,
    plan_sync,
    sync_due,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_wipe import wipe_disk
from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file


def make_metadata(run: Runner, want: Definition, one: SeenVolume, version: str) -> list[str]:
    """Give one volume its metadata and remember them; where the ends of wiped disks lie."""
    saved = [wipe_disk(run, want.name, triage) for triage in one.wipe]
    if one.metadata == "create":
        run(["drbdadm", "create-md", want.part(one.volume)], env=dialect(version))
    if one.metadata in ("create", "adopt"):
        remember(run, want.name, one.volume, one.place, one.triage.facts, major_of(version))
    return saved


def apply(
    run: Runner, want: Definition, seen: Seen, plan: Plan, version: str, text: str
) -> list[str]:
    """Carry the plan out, so that it can stop anywhere and be run again; where saved ends lie."""
    if plan.write:
        write_file(resource_path(want.name), text)
    saved = [path for one in seen.volumes for path in make_metadata(run, want, one, version)]
    for argv in plan.starting:
        run(argv, env=dialect(version))
    return saved


def wait_connected(run: Runner, name: str, seconds: int) -> State | None:
    """Poll until the peer is there or the time is over."""
    end = time.monotonic() + seconds
    while True:
        state = read_state(run, name)
        if state is None or state.replication != "Off" or time.monotonic() >= end:
            return state
        time.sleep(1)


def first_sync(
    run: Runner,
    want: Definition,
    mode: str,
    peer: Sequence[str],
    seconds: int,
    seen: Seen,
    version: str,
    check_mode: bool,
) -> tuple[tuple[str, ...], ...]:
    """The commands of the first synchronisation if this is its moment; none otherwise."""
    if mode == "none" or seen.managed or (check_mode and seen.state is None):
        return ()
    state = read_state(run, want.name)
    local = read_generations(run, want.name, version, state)
    if not sync_due(local, [parse_generation(f"{one}:") for one in peer], state):
        return ()
    state = state if check_mode else wait_connected(run, want.name, seconds)
    commands = plan_sync(want.name, mode, state)
    if not check_mode:
        for argv in commands:
            run(argv, env=dialect(version))
    return commands


def remove(
    run: Runner,
    name: str,
    commands: Sequence[Sequence[str]],
    numbers: Sequence[int],
    wiping: Sequence[Triage],
    version: str,
) -> list[str]:
    """Take a resource down, then its file away; data and metadata go only where a person named them."""
    for argv in commands:
        run(argv, env=dialect(version))
    saved = [wipe_disk(run, name, triage) for triage in wiping]
    if wiping:
        for number in numbers:
            forget_record(name, number)
    if os.path.exists(resource_path(name)):
        os.unlink(resource_path(name))
    return saved
