#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_split_brain
short_description: Ends a split brain by discarding the changes of the one side that a person names
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - Run it on both hosts, first on the victim. There it saves what the victim holds, as an image file or as an LVM snapshot,
    and then reconnects it with its own changes since the split given up. On the other host it only reconnects.
  - Does nothing to a pair that is connected. Refuses a victim that is Primary, and a victim whose other side is not UpToDate.
  - Nothing else of this collection ever discards anything.
attributes:
  check_mode:
    support: full
    description: Shows what would be done without doing it.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  name:
    description: The name of the resource.
    type: str
    required: true
  victim:
    description: The host, as C(uname -n) prints it, whose changes since the split are given up.
    type: str
    required: true
  peer:
    description: The other host's RV(kwdb.ha.drbd_info#module:resource).
    type: dict
    required: true
  save_to:
    description:
      - Folder on the victim for an image file of each volume, with room for the whole volume. Not used for a volume on LVM
        when O(snapshot) is true.
    type: path
    default: /var/lib/drbd
  snapshot:
    description:
      - Save a volume whose backing disk is a logical volume as an LVM snapshot instead, so large that it can never overflow. Its
        volume group needs as much free room as the volume is large; without it the module refuses before anything changes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Give up what ha-node02 wrote since the split
  kwdb.ha.drbd_split_brain:
    name: kwdb
    victim: ha-node02
    peer: "{{ hostvars[the_other_host].drbd.resource }}"
    save_to: /srv/backup
"""

RETURN = r"""
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
saved:
  description: Image files (by path) and snapshots (as C(VG/LV)) that hold what the victim had.
  returned: always
  type: list
  elements: str
resource:
  description: The state afterwards, in the form of M(kwdb.ha.drbd_info).
  returned: always
  type: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _drbd,
    _drbd_info,
    _drbd_plan,
    _drbd_split,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

SPEC = {
    "name": {"type": "str", "required": True},
    "victim": {"type": "str", "required": True},
    "peer": {"type": "dict", "required": True},
    "save_to": {"type": "path", "default": "/var/lib/drbd"},
    "snapshot": {"type": "bool", "default": False},
}


def plan_savings(
    run: Runner, params: dict[str, Any], state: _drbd.State, version: str
) -> tuple[_drbd_split.Saving, ...]:
    """How each volume of the victim will be saved; refuses what has no room."""
    name, stamp = params["name"], _drbd_split.stamp_now()
    volumes, _options = _drbd_info.read_configuration(run, name, version)
    savings = []
    for one in volumes:
        logical = _drbd_split.logical_volume(run, one.disk) if params["snapshot"] else None
        image = _drbd_split.image_name(name, os.uname().nodename, one.number, stamp)
        folder = params["save_to"]
        savings.append(_drbd_split.plan_saving(one, state, logical, folder, image, stamp))
    _drbd_split.check_complete(name, savings, state)
    _drbd_split.check_room(savings, params["save_to"])
    return tuple(savings)


def save(run: Runner, one: _drbd_split.Saving) -> None:
    """Keep what one volume of the victim holds."""
    if one.command:
        run(one.command, why="The victim's data cannot be saved, so nothing was discarded")
        return
    try:
        _drbd_split.copy_image(one.volume.disk, one.target, one.size)
    except OSError as error:
        raise Refused(
            f"{one.volume.disk} cannot be saved to {one.target} ({error.strerror}): nothing was discarded. "
            "Make room there or name another folder (save_to; split_brain_save_to in the playbook), then run again"
        ) from error


def discard(
    run: Runner, params: dict[str, Any], state: _drbd.State, version: str, check_mode: bool
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Save what the victim holds, then give its changes up; where it lies, and the commands."""
    name, here = params["name"], os.uname().nodename
    _drbd_split.check_victim(name, here, params["victim"], state, params["peer"])
    # Before the first change: a refusal leaves the pair as it was.
    savings = plan_savings(run, params, state, version)
    # Disconnected before it is saved: what is saved must not change meanwhile.
    alone = state.connection == "StandAlone"
    first = () if alone else (("drbdadm", "disconnect", name),)
    last = ("drbdadm", "connect", "--discard-my-data", name)
    if not check_mode:
        for argv in first:
            run(argv, env=_drbd.dialect(version))
        for one in savings:
            save(run, one)
        run(last, env=_drbd.dialect(version))
    snapshots = [one.command for one in savings if one.command]
    return [one.target for one in savings], [*first, *snapshots, last]


def work(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply, report."""
    name, version = params["name"], _drbd.module_version(run)
    state = _drbd.read_state(run, name)
    if state is None:
        raise Refused(f"{name} is not up here; start it on both hosts first")
    saved: list[str] = []
    commands: list[tuple[str, ...]] = []
    if os.uname().nodename == params["victim"]:
        if _drbd_split.is_split(state, params["peer"]):
            saved, commands = discard(run, params, state, version, check_mode)
    elif state.connection == "StandAlone":
        commands = [("drbdadm", "connect", name)]
        if not check_mode:
            run(commands[0], env=_drbd.dialect(version))
    return {
        "changed": bool(commands),
        "commands": _drbd_plan.commands_text(commands),
        "saved": saved,
        "resource": _drbd_info.read_info(run, name),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = work(Runner(module), module.params, module.check_mode)
    except CommandFailed as error:
        module.fail_json(msg=str(error), **error.details)
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
