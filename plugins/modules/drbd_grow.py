#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_grow
short_description: Lets a DRBD resource and its file system use backing disks that have grown
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - For after the backing disks (logical volumes, virtual disks) of both hosts have been made larger. Grows the DRBD
    device, then the mounted file system, while the service runs. The new part is synchronised like a first one.
  - Refused unless both sides are connected and UpToDate and both backing disks have grown.
  - Run it on both hosts, first where the resource is Primary. On the other host it changes no device, but it proves there too
    that the metadata lie at the new end and fit the device, and notes the new size.
attributes:
  check_mode:
    support: full
    description: Shows what would be done without doing it.
  diff_mode:
    support: full
    description: Shows the sizes before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  name:
    description: The name of the resource.
    type: str
    required: true
  peer_backing_bytes:
    description:
      - The sizes of the other host's backing disks, one for each volume (C(backing_bytes) in RV(kwdb.ha.drbd_info#module:resource)).
        Needed where there is something to grow.
    type: list
    elements: int
    default: []
"""

EXAMPLES = r"""
- name: Look at both sides
  kwdb.ha.drbd_info:
    name: kwdb
  register: drbd

- name: Use disks that have grown
  kwdb.ha.drbd_grow:
    name: kwdb
    peer_backing_bytes: "{{ hostvars['ha-node02'].drbd.resource.volumes | map(attribute='backing_bytes') | list }}"
  when: drbd.resource.role == 'Primary'
"""

RETURN = r"""
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [drbdadm resize kwdb, resize2fs /dev/drbd3]
volumes:
  description: Each volume with its number, and its size in bytes before and after (in check mode as it would be).
  returned: always
  type: list
  elements: dict
resource:
  description: The state afterwards, in the form of M(kwdb.ha.drbd_info).
  returned: always
  type: dict
"""

import os
import time
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _disk,
    _disk_content,
    _drbd,
    _drbd_files,
    _drbd_grow,
    _drbd_info,
    _drbd_metadata,
    _drbd_plan,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

SPEC = {
    "name": {"type": "str", "required": True},
    "peer_backing_bytes": {"type": "list", "elements": "int", "default": []},
}


def growths(
    name: str, volumes: tuple[_drbd_info.Configured, ...], state: _drbd.State, peer: list[int]
) -> list[_drbd_grow.Growth]:
    """The volumes that can be larger, where the resource is Primary; none elsewhere."""
    if peer and len(peer) != len(volumes):
        raise Refused(
            f"peer_backing_bytes has {len(peer)} sizes, {name} has {len(volumes)} volumes"
        )
    found = [
        _drbd_grow.growth(
            one,
            state.volume(one.number),
            _disk.device_size(one.disk),
            peer[index] if peer else None,
        )
        for index, one in enumerate(volumes)
        if state.role == "Primary"
    ]
    return [one for one in found if one]


def filesystem(device: str, size: int) -> tuple[str, ...]:
    """The command that lets the file system mounted from a device use this size; nothing if it does."""
    kind, bytes_used = _drbd_grow.filesystem_size(_disk_content.read_head(device, 4096))
    info = os.stat(device).st_rdev
    number = f"{os.major(info)}:{os.minor(info)}"
    mounted = _disk.mount_point_of(_drbd_files.read_text("/proc/self/mountinfo"), number)
    if not mounted or not kind or size - bytes_used < _drbd_grow.NOTICEABLE:
        return ()
    return _drbd_grow.filesystem_command(kind, device, mounted)


def resize(run: Runner, name: str, version: str, wanted: list[_drbd_grow.Growth]) -> None:
    """Grow the devices and wait until the kernel has done it."""
    run(["drbdadm", "resize", name], env=_drbd.dialect(version), why=f"{name} cannot grow")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        state = _drbd.read_state(run, name)
        if state and all(state.volume(one.number).size_kib * 1024 > one.before for one in wanted):
            return
        time.sleep(0.5)
    raise Refused(f"{name} has not grown within 30 s; see the kernel's log on both hosts (dmesg)")


def prove(
    run: Runner, name: str, volumes: tuple[_drbd_info.Configured, ...], check_mode: bool
) -> bool:
    """Check the metadata of each volume on this host, and note a new size; whether one was noted."""
    state = _drbd_grow.check_attached(name, _drbd.read_state(run, name))
    noted = False
    for one in volumes:
        record = _drbd_metadata.read_record(name, one.number)
        metadata = _drbd_info.metadata_of(one)
        uuid = record.device_uuid if record else ""
        size = state.volume(one.number).size_kib * 1024
        problem = _drbd_grow.metadata_problem(one, metadata, size, uuid)
        if problem:
            raise Refused(
                f"{problem}. Do not restart this host: keep the other one running, and make this side "
                "anew (drbdadm down, wipe its disk, run the site playbook) if it does not mend itself"
            )
        where = one.disk if one.meta_disk == "internal" else one.meta_disk
        size_now = _disk.device_size(where)
        if record and record.size != size_now:
            noted = True
            if not check_mode:
                new = replace(record, size=size_now, disk=where)
                _drbd_metadata.write_record(name, new, one.number)
    return noted


def grow_filesystems(
    run: Runner,
    volumes: tuple[_drbd_info.Configured, ...],
    sizes: dict[int, int],
    check_mode: bool,
) -> list[tuple[str, ...]]:
    """Let each mounted file system use its whole device; the commands."""
    commands = []
    for one in volumes:
        argv = filesystem(one.device, sizes[one.number])
        if argv:
            commands.append(argv)
            if not check_mode:
                run(argv, why=f"The file system on {one.device} cannot grow")
    return commands


def work(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, want, plan, apply, report."""
    name, version = params["name"], _drbd.module_version(run)
    volumes, _options = _drbd_info.read_configuration(run, name, version)
    state = _drbd_grow.check_attached(name, _drbd.read_state(run, name))
    wanted = growths(name, volumes, state, params["peer_backing_bytes"])
    commands: list[tuple[str, ...]] = []
    if wanted:
        _drbd_grow.check_whole(name, state, "grown")
        commands.append(("drbdadm", "resize", name))
        if not check_mode:
            resize(run, name, version, wanted)
    now = state if check_mode else _drbd_grow.check_attached(name, _drbd.read_state(run, name))
    before = {one.number: one.size_kib * 1024 for one in state.volumes}
    after = {one.number: one.size_kib * 1024 for one in now.volumes}
    if check_mode:
        after.update({one.number: one.after for one in wanted})
    if state.role == "Primary":
        commands += grow_filesystems(run, volumes, after, check_mode)
    # In check mode there is nothing at the new end yet.
    noted = bool(wanted) if check_mode and wanted else prove(run, name, volumes, check_mode)
    shown = [{"volume": key, "before": before[key], "after": after[key]} for key in sorted(before)]
    return report(run, name, commands, noted, shown)


def report(
    run: Runner,
    name: str,
    commands: list[tuple[str, ...]],
    noted: bool,
    shown: list[dict[str, int]],
) -> dict[str, Any]:
    """The result of the module."""
    return {
        "changed": bool(commands) or noted,
        "commands": _drbd_plan.commands_text(commands),
        "volumes": shown,
        "resource": _drbd_info.read_info(run, name),
        "diff": {
            key: "".join(f"volume {one['volume']}: {one[key]} bytes\n" for one in shown)
            for key in ("before", "after")
        },
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
