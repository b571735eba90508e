#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_filesystem
short_description: Makes a file system on a DRBD device that is proven empty, and keeps its mount point clean
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - Makes the file system on the host where the DRBD resource is Primary, and only if the device holds nothing at all - no
    signature, and zeros wherever it is sampled. Never forces. On the other host it makes nothing.
  - Reading the proof and acting on it happen in one process, which a general file system module cannot offer.
  - Makes the mount point, and refuses one that holds files, is in C(/etc/fstab), or has something else mounted on it.
  - Mounts nothing. That is for Pacemaker.
attributes:
  check_mode:
    support: full
    description: Shows what would be done without doing it.
  diff_mode:
    support: full
    description: Shows what the device and the mount point hold before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  resource:
    description: The DRBD resource below the file system.
    type: str
    required: true
  device:
    description: Its device, such as C(/dev/drbd3).
    type: path
    required: true
  fstype:
    description: The type of the file system.
    type: str
    choices: [ext4, xfs]
    default: ext4
  directory:
    description: The mount point.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Make the file system for the database where the device is Primary
  kwdb.ha.drbd_filesystem:
    resource: kwdb
    device: /dev/drbd3
    directory: /var/lib/kaiwudb
"""

RETURN = r"""
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [mkfs.ext4 -q /dev/drbd3]
primary:
  description: Whether the resource is Primary on this host.
  returned: always
  type: bool
found:
  description: What the device held before, in words; empty on the host where the resource is not Primary.
  returned: always
  type: str
mounted:
  description: Whether the device is mounted on the mount point on this host.
  returned: always
  type: bool
in_cluster:
  description: Whether the cluster has a Filesystem resource for the mount point already.
  returned: always
  type: bool
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _disk,
    _drbd,
    _drbd_cluster,
    _drbd_files,
    _drbd_plan,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

SPEC = {
    "resource": {"type": "str", "required": True},
    "device": {"type": "path", "required": True},
    "fstype": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
    "directory": {"type": "path", "required": True},
}


def check_mount_point(device: str, directory: str) -> tuple[bool, bool]:
    """Whether the mount point exists and whether the device is mounted there; refuse any other use."""
    if not os.path.isabs(directory) or os.path.normpath(directory) == "/":
        raise Refused(f"{directory} cannot be the mount point; name an absolute path below /")
    source = _disk.mounted_source(_drbd_files.read_text("/proc/self/mountinfo"), directory)
    if source and os.path.realpath(source) != os.path.realpath(device):
        raise Refused(f"{source} is mounted on {directory}; unmount it, or name another directory")
    line = _disk.fstab_line(_drbd_files.read_text("/etc/fstab"), device, directory)
    if line:
        raise Refused(
            f'/etc/fstab has the line "{line}"; remove it: Pacemaker alone decides where {directory} is '
            "mounted, and a mount at boot would take the device on the wrong host"
        )
    if source:
        return True, True
    if not os.path.lexists(directory):
        return False, False
    if os.path.islink(directory) or not os.path.isdir(directory):
        raise Refused(f"{directory} is not a directory; remove it, or name another one")
    inside = sorted(os.listdir(directory))
    if inside:
        raise Refused(
            f"{directory} is not empty while nothing is mounted on it ({', '.join(inside[:5])}); the mount "
            "would hide that. Move it away, or name another directory"
        )
    return True, False


def plan_filesystem(facts: _disk.Facts, fstype: str) -> tuple[tuple[str, ...], ...]:
    """The command that makes the file system; none when it is there; refuses anything else. Pure."""
    kinds = [one.kind for one in facts.signatures]
    if kinds == [fstype]:
        return ()
    triage = _disk.judge(facts, allow_unstable_name=True)
    if triage.state == "blank":
        return ((f"mkfs.{fstype}", "-q", facts.path),)
    raise Refused(
        f"{facts.path} {triage.what}, where a new {fstype} file system or nothing at all is expected. If "
        "nobody needs it, empty the device by hand where it is Primary (blkdiscard --zeroout "
        f"{facts.path}), then run again"
    )


def work(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, want, plan, apply, report."""
    device, directory, fstype = params["device"], params["directory"], params["fstype"]
    there, mounted = check_mount_point(device, directory)
    state = _drbd.read_state(run, params["resource"]) if run.has("drbdsetup") else None
    primary = state is not None and state.role == "Primary"
    commands: tuple[tuple[str, ...], ...] = ()
    found = ""
    if primary:
        facts = _disk.look(run, device, also_busy=True)
        commands = plan_filesystem(facts, fstype)
        found = _disk.describe(facts.signatures) or "nothing"
    if not check_mode:
        if not there:
            os.makedirs(directory, mode=0o755)
        for argv in commands:
            run(argv, why="The file system cannot be made")
    before = [f"{directory} exists: {there}"] + ([f"{device} holds {found}"] if found else [])
    after = [f"{directory} exists: True"]
    if found:
        after.append(f"{device} holds {f'a new {fstype} file system' if commands else found}")
    return {
        "changed": bool(commands) or not there,
        "commands": _drbd_plan.commands_text(commands),
        "primary": primary,
        "found": found,
        "mounted": mounted,
        "in_cluster": _drbd_cluster.cluster_mounts(run, directory),
        "diff": {"before": "\n".join([*before, ""]), "after": "\n".join([*after, ""])},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = work(Runner(module), module.params, module.check_mode)
    except CommandFailed as error:
        module.fail_json(msg=str(error), **error.details)
    except (Refused, _disk.DiskRefused) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
