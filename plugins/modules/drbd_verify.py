#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_verify
short_description: Compares both sides of a DRBD resource block by block while it is in use
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - Runs DRBD's online verify to its end and counts what differs. Run it on one host.
  - Repairs nothing unless asked. A repair copies the blocks that differ from the active host to the other one.
attributes:
  check_mode:
    support: full
    description: Reports what is known to differ without comparing.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: Comparing changes nothing; a repair is a change only when something differs.
options:
  name:
    description: The name of the resource.
    type: str
    required: true
  repair:
    description:
      - Disconnects and reconnects this host when something differs, upon which the blocks that differ are copied from the
        active host to this one. Only where this host is Secondary and the other one Primary.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for the end of the comparison.
    type: int
    default: 86400
"""

EXAMPLES = r"""
- name: Compare both sides
  kwdb.ha.drbd_verify:
    name: kwdb
  register: verified
  when: drbd.resource.role == 'Secondary'
"""

RETURN = r"""
out_of_sync_kib:
  description: How much differed, in KiB.
  returned: always
  type: int
compared:
  description: Whether the comparison ran to its end.
  returned: always
  type: bool
seconds:
  description: How long it took.
  returned: always
  type: float
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
resource:
  description: The state afterwards, in the form of M(kwdb.ha.drbd_info).
  returned: always
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _drbd,
    _drbd_grow,
    _drbd_info,
    _drbd_plan,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

SPEC = {
    "name": {"type": "str", "required": True},
    "repair": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 86400},
}
VERIFYING = ("VerifyS", "VerifyT")


def check_repair(name: str, state: _drbd.State) -> None:
    """Refuse a repair whose direction is not certain."""
    if (state.role, state.peer_role) != ("Secondary", "Primary"):
        raise Refused(
            f"{name} is {state.role} here and {state.peer_role} on the other host; a repair copies from the "
            "active host, so run it on the standby host while the service runs on the other one"
        )


def compare(run: Runner, name: str, version: str, timeout: int) -> _drbd.State:
    """Let DRBD compare, and wait for the end; the state then."""
    run(["drbdadm", "verify", name], env=_drbd.dialect(version), why=f"{name} cannot be compared")
    end = time.monotonic() + timeout
    # The kernel needs a moment to begin.
    time.sleep(1)
    while True:
        state = _drbd.read_state(run, name)
        if state is None or state.connection != "Connected":
            raise Refused(f"the connection of {name} was lost during the comparison; run again")
        if all(one.replication not in VERIFYING for one in state.volumes):
            return state
        if time.monotonic() >= end:
            raise Refused(f"{name} is not compared within {timeout} s; it goes on by itself")
        time.sleep(1)


def work(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, compare, count, repair if asked, report."""
    name, version = params["name"], _drbd.module_version(run)
    state = _drbd_grow.check_whole(name, _drbd.read_state(run, name), "compared")
    if params["repair"]:
        check_repair(name, state)
    begun = time.monotonic()
    if not check_mode:
        state = compare(run, name, version, params["timeout"])
    seconds = round(time.monotonic() - begun, 1)
    differs = state.out_of_sync_kib or 0
    repairs = [("drbdadm", verb, name) for verb in ("disconnect", "connect")]
    commands = repairs if differs and params["repair"] else []
    if not check_mode:
        for argv in commands:
            run(argv, env=_drbd.dialect(version))
    return {
        "changed": bool(commands),
        "compared": not check_mode,
        "out_of_sync_kib": differs,
        "seconds": seconds,
        "commands": _drbd_plan.commands_text([("drbdadm", "verify", name), *commands]),
        "resource": _drbd_info.read_info(run, name),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = work(Runner(module), module.params, module.check_mode)
    except CommandFailed as error:
        module.fail_json(msg=str(error), **error.details)
    except Refused as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
