#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pair_switchover
short_description: Move the service to the other host of the pair
version_added: 0.1.0
description:
  - Moves the promoted role, and with it file system, database and virtual IP, to the other host.
  - Refuses with the reasons unless the pair is healthy as M(kwdb.ha.pair_info) means it.
  - Uses a ban of the promoted role that ends by itself, so that nothing stays in force even if the host that runs the module dies.
    The ban is always removed, and the module fails when anything is left or the service does not stay where it was moved to.
  - DRBD stays up on both hosts throughout, so the data keeps its two copies.
  - Run it on one host of the pair, either of them.
author:
  - kwdb.ha contributors (@kwdb)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  clone:
    description: Id of the promotable clone of the DRBD resource.
    type: str
    default: KaiwuData-clone
  group:
    description: Id of the group of file system, database and virtual IP.
    type: str
    default: KaiwuDBGrp
  drbd_resource:
    description: Name of the DRBD resource.
    type: str
    default: kwdb
  node:
    description:
      - Host that shall be active afterwards.
      - Without it, the one that is not active now; with it, nothing is done when it is active already.
    type: str
  timeout:
    description: Seconds in which the service has to be up on the other host.
    type: int
    default: 180
seealso:
  - module: kwdb.ha.pair_info
"""

EXAMPLES = r"""
- name: Switch over to the other host
  kwdb.ha.pair_switchover:
  run_once: true

- name: Make sure that the first host is the active one
  kwdb.ha.pair_switchover:
    node: ha-node01
  run_once: true
"""

RETURN = r"""
source:
  description: Host that was active.
  returned: success
  type: str
target:
  description: Host that is active afterwards, or would be.
  returned: success
  type: str
moved:
  description: What moves, in words.
  returned: success
  type: list
  elements: str
phases:
  description: What was reached when, in seconds since the ban was placed.
  returned: when something moved
  type: list
  elements: dict
  sample: [{"name": "promoted", "at_s": 2.1}]
findings:
  description: What is not as it should be, as M(kwdb.ha.pair_info) reports it. Afterwards when something moved, else before.
  returned: always
  type: list
  elements: dict
"""

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._pair import (
    Names,
    Pair,
    PairUnreadable,
    read_pair,
)
from ansible_collections.kwdb.ha.plugins.module_utils._pair_health import findings
from ansible_collections.kwdb.ha.plugins.module_utils._pair_move import (
    Move,
    MoveFailed,
    MoveRefused,
    Timeline,
    errors,
    execute,
    plan,
    reasons,
    wait_healthy,
)

# The old active host reconnects and its monitors come back within seconds.
HEALTHY_AGAIN_S = 60


def describe(pair: Pair, move: Move, names: Names) -> list[str]:
    """What moves, for people."""
    members = pair.cib.members if pair.cib else ()
    return [
        f"{names.clone}: promoted on {move.target} instead of {move.source}",
        *(f"{member}: stops on {move.source}, starts on {move.target}" for member in members),
    ]


def run_module(module: AnsibleModule) -> None:
    """Read, plan, move, check."""
    names = Names(*(module.params[key] for key in ("clone", "group", "drbd_resource")))
    runner = Runner(module)

    def look() -> Pair:
        return read_pair(runner, names, platform.node())

    pair = look()
    found = findings(pair, datetime.now(timezone.utc))
    try:
        move = plan(pair, found, module.params["node"] or "")
    except MoveRefused as exc:
        module.fail_json(msg=str(exc), findings=[asdict(one) for one in found])
    result: dict[str, Any] = {
        "changed": move is not None,
        "source": pair.active,
        "target": move.target if move else pair.active,
        "moved": describe(pair, move, names) if move else [],
        "diff": {
            "before": f"active: {pair.active}\n",
            "after": f"active: {move.target if move else pair.active}\n",
        },
        "findings": [asdict(one) for one in found],
    }
    if move and not module.check_mode:
        timeline = Timeline()
        execute(runner, look, names, move, module.params["timeout"], timeline)
        well, found = wait_healthy(look, HEALTHY_AGAIN_S)
        result.update(phases=timeline.as_list(), findings=[asdict(one) for one in found])
        if not well:
            module.fail_json(
                msg=f"the service runs on {move.target}, but the pair is not healthy "
                f"{HEALTHY_AGAIN_S} s later: {reasons(errors(found))}",
                **result,
            )
    module.exit_json(**result)


def main() -> None:
    """Move the service, or say why not."""
    module = AnsibleModule(
        argument_spec={
            "clone": {"type": "str", "default": "KaiwuData-clone"},
            "group": {"type": "str", "default": "KaiwuDBGrp"},
            "drbd_resource": {"type": "str", "default": "kwdb"},
            "node": {"type": "str"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    try:
        run_module(module)
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except (MoveFailed, PairUnreadable) as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
