#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fence_check
short_description: Ask a fence device whether it answers
version_added: 0.1.0
description:
  - Runs the C(status) action of a fence agent, without any cluster, and fails unless the device answers and says that its host is on.
  - A device that says V(off) about a host that is up controls another machine; that is refused too.
  - Changes nothing. Options and secrets reach the agent by standard input.
author:
  - kwdb.ha contributors (@kwdb)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
    details:
      - There is nothing that changes.
options:
  agent:
    description: The fence agent, for example V(fence_ipmilan).
    type: str
    required: true
  target:
    description: The host that the device controls, named in messages.
    type: str
    required: true
  options:
    description: Options of the agent. Those that only Pacemaker reads (C(pcmk_*)) are left out.
    type: dict
    default: {}
  secret_options:
    description: Options of the agent that nobody may read.
    type: dict
    default: {}
  tries:
    description: How often to ask before giving up.
    type: int
    default: 3
  must_be_installed:
    description:
      - Whether a host without the agent is an error; otherwise RV(installed) says so.
      - Without its agent, a device that speaks IPMI is still asked whether it is there, which takes no password.
        Other devices are not asked.
    type: bool
    default: true
seealso:
  - module: kwdb.ha.pcs_config
"""

EXAMPLES = r"""
- name: Ask the other host's board whether it answers
  kwdb.ha.fence_check:
    agent: fence_ipmilan
    target: ha-node02
    options: {ip: 192.0.2.12, username: admin, lanplus: true}
    secret_options:
      password: "{{ vault_bmc_password }}"
"""

RETURN = r"""
installed:
  description: Whether the agent is on this host.
  returned: always
  type: bool
power:
  description: What the device says about its host.
  returned: when the agent is installed
  type: str
  sample: "on"
"""

import re
import socket
import time
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _agents,
    _command,
    _ipmi,
    _values,
)

# The agents' words for: the host is on, the host is off. Everything else is an error.
POWER = {0: "on", 2: "off"}
# Either name of the option that makes an agent act. Only status is ever asked for here.
ACTIONS = ("action", "option")


def agent_input(params: Mapping[str, Any]) -> str:
    """The lines that the agent reads."""
    options = {**params["options"], **params["secret_options"]}
    for name in options:
        if name in ACTIONS:
            raise ValueError(
                f"the option {name} would tell the agent to do something else; drop it"
            )
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"{name!r} is not the name of an option")
    for name, value in params["options"].items():
        if value and _values.is_secret(name):
            raise ValueError(
                f"the option {name} belongs into secret_options, or it would be logged"
            )
    lines = {"action": "status"}
    for name, value in options.items():
        if value is not None and not _agents.only_for_pacemaker(name):
            lines[name] = _values.text(value)
    for name, value in lines.items():
        if "\n" in value:
            raise ValueError(f"the option {name} has more than one line")
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def verdict(target: str, agent: str, result: _command.Result) -> str:
    """What is wrong, empty when the device answers and its host is on."""
    power = POWER.get(result.rc)
    if power == "on":
        return ""
    if power == "off":
        return (
            f"the fence device of {target} says that its host is off, but {target} is up:"
            f" it controls another machine; correct the options of {agent} for {target}"
        )
    said = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
    return (
        f"the fence device of {target} does not answer {agent} (exit code {result.rc}): {said};"
        f" check address, user, password and network, then try: {agent} -o status"
    )


def silence(agent: str, target: str, options: Mapping[str, Any]) -> str:
    """What is wrong with the way to a device whose agent is not here yet, empty when nothing is."""
    address = options.get("ip") or options.get("ipaddr")
    if agent not in _ipmi.AGENTS or not address:
        return ""
    port = int(options.get("ipport") or _ipmi.PORT)
    try:
        if _ipmi.answers(str(address), port):
            return ""
        why = "there is no answer"
    except socket.gaierror as exc:
        why = exc.strerror or "unknown name"
    return (
        f"the fence device of {target} does not answer at {address}, UDP port {port}: {why};"
        f" check the address, the network between the hosts and their boards, and that IPMI over LAN is on"
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "agent": {"type": "str", "required": True},
            "target": {"type": "str", "required": True},
            "options": {"type": "dict", "default": {}},
            "secret_options": {"type": "dict", "default": {}, "no_log": True},
            "tries": {"type": "int", "default": 3},
            "must_be_installed": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    run = _command.Runner(module)
    if not re.fullmatch(r"fence_\w+", params["agent"]):
        module.fail_json(msg=f"{params['agent']!r} is not a fence agent, such as fence_ipmilan")
    if not run.has(params["agent"]):
        if params["must_be_installed"]:
            module.fail_json(msg=f"{params['agent']} is not installed on this host")
        problem = silence(params["agent"], params["target"], params["options"])
        if problem:
            module.fail_json(msg=problem, installed=False)
        module.exit_json(changed=False, installed=False)
    try:
        stdin = agent_input(params)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    for attempt in range(max(1, params["tries"])):
        if attempt:
            time.sleep(1)
        # The agent's exit code is its answer.
        result = run([params["agent"]], ok=range(256), stdin=stdin)
        problem = verdict(params["target"], params["agent"], result)
        if not problem:
            module.exit_json(changed=False, installed=True, power="on")
    module.fail_json(msg=problem, installed=True, rc=result.rc, stderr=result.stderr)


if __name__ == "__main__":
    main()
