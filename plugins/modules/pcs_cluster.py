#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcs_cluster
short_description: Set up a Pacemaker cluster
version_added: 0.1.0
description:
  - Makes the host a running member of the declared cluster. On the first host the whole cluster is set up and started on all members.
  - Run it on every member, one after the other (C(throttle=1)), so that each looks after its own services.
  - The one-node cluster that the packages of Debian and Ubuntu start at installation is removed, but only when it is exactly that
    and holds no resource. Any other cluster is refused.
  - Options of C(totem) that differ in a cluster that is already there are changed on all members while it runs. Nothing is
    interrupted. Other options that differ (encryption, quorum) are reported and not changed.
author:
  - kwdb.ha contributors (@kwdb)
requirements:
  - pcs 0.10, 0.11 or 0.12 with a running C(pcsd) on all members
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  nodes:
    description: Its members.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node, which must be what C(uname -n) says there.
        type: str
        required: true
      addresses:
        description: Its addresses, one per link, the most important first. Two links on separate networks are strongly advised.
        type: list
        elements: str
        required: true
  crypto:
    description: Encryption and authentication of the cluster's traffic.
    type: dict
    default: {cipher: aes256, hash: sha256}
    suboptions:
      cipher:
        description: Cipher; V(none) turns encryption off.
        type: str
        default: aes256
      hash:
        description: Hash.
        type: str
        default: sha256
  totem:
    description: Options of corosync's C(totem) section, for example C(token) in milliseconds.
    type: dict
    default: {}
  quorum:
    description: Options of corosync's C(quorum) section. C(two_node) is set by itself.
    type: dict
    default: {}
  quorum_device:
    description:
      - A third vote, from a host that runs C(corosync-qnetd). It is added to a cluster that has none, while that runs.
      - The cluster must have V(wait_for_all=1) in O(quorum), as a new one gets it. Without it a host that boots alone, and has the
        third vote, would start the service on what may be old data.
      - For the same reason the number of all votes is written into corosync.conf (C(expected_votes)). Without it a host that
        boots expects as many votes as there are members, and takes its own vote and the third one for all of them.
      - A device that is there and is not the declared one is reported and not changed.
    type: dict
    suboptions:
      host:
        description: Name or address of that host, as the members reach it.
        type: str
        required: true
  watchdog:
    description:
      - A watchdog in each member, which resets a member that has lost its majority or hangs (sbd). The others count on it
        where the property C(stonith-watchdog-timeout) says after how many seconds; set it with M(kwdb.ha.pcs_config) afterwards.
      - Needs O(quorum_device), for without a third vote two members cannot tell who has lost. C(timeout) must be more than
        the device's C(sync_timeout), which is 10 seconds when this module adds it.
      - sbd starts with the cluster only. A new cluster is started anew for it; in one that holds resources the option is refused with the
        commands that a person has to run.
    type: dict
    suboptions:
      device:
        description: Path of the device.
        type: str
        default: /dev/watchdog
      timeout:
        description: Seconds without a sign of life after which it resets the host.
        type: int
        required: true
  hacluster_password:
    description:
      - Password of the user C(hacluster), the same on all members and the host of O(quorum_device). Needed to set up a cluster and to
        add a device.
      - It is handed over by standard input.
    type: str
  distribute:
    description:
      - Send the configuration of this member to the others again.
      - For a set-up that was interrupted when it had reached only some of them.
    type: bool
    default: false
  wait:
    description: Seconds to wait until the members are online.
    type: int
    default: 180
  state:
    description:
      - V(prepared) only makes sure that the host is free for the cluster, and removes the distribution's default one.
        Use it on all members before V(present).
      - V(present) also sets the cluster up and starts it.
    type: str
    choices: [prepared, present]
    default: present
seealso:
  - module: kwdb.ha.pcs_config
"""

EXAMPLES = r"""
- name: Make sure that all hosts are free for the cluster
  kwdb.ha.pcs_cluster:
    name: kwdb
    nodes: &nodes
      - {name: ha-node01, addresses: [192.0.2.11, 198.51.100.11]}
      - {name: ha-node02, addresses: [192.0.2.12, 198.51.100.12]}
    state: prepared

- name: Set up the cluster
  kwdb.ha.pcs_cluster:
    name: kwdb
    nodes: *nodes
    totem: {token: 3000}
    hacluster_password: "{{ vault_hacluster_password }}"
  throttle: 1
"""

RETURN = r"""
cluster:
  description:
    - What was found on the host. V(none) is no cluster, V(default) the distribution's, V(ours) the declared one.
  returned: success
  type: str
  sample: ours
differences:
  description: Declared options that have another value in the cluster that is there. They are not changed.
  returned: success
  type: list
  elements: str
  sample: ["crypto cipher is aes128, not aes256"]
commands:
  description: Commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["pcs cluster start"]
"""

import os
import shlex
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _command,
    _corosync,
    _settled,
    _values,
    _watchdog,
)

CONFIGURATION = "/etc/corosync/corosync.conf"
STORED_CIB = "/var/lib/pacemaker/cib/cib.xml"
SERVICES = ("corosync", "pacemaker")


@dataclass(frozen=True)
class Guard:
    """What there is of sbd: its watchdog, if it starts with the cluster, and whether it runs."""

    watchdog: _watchdog.Watchdog | None = None
    active: bool = False


@dataclass(frozen=True)
class Options:
    """What the plan depends on besides the cluster that is there and the declared one."""

    state: str
    distribute: bool
    services: dict[str, bool]
    version: tuple[int, int]
    totem: dict[str, str]
    watchdog: _watchdog.Watchdog | None = None
    guard: Guard = Guard()


class CannotJoin(Exception):
    """The host cannot become a member; the message says why and what to do."""


def wanted_cluster(params: dict[str, Any]) -> _corosync.Cluster:
    """The declared cluster."""

    def texts(given: dict[str, Any]) -> dict[str, str]:
        return {name: _values.text(value) for name, value in given.items() if value is not None}

    return _corosync.Cluster(
        name=params["name"],
        nodes=tuple(
            _corosync.Node(one["name"], tuple(one["addresses"])) for one in params["nodes"]
        ),
        crypto=texts(params["crypto"]),
        totem=texts(params["totem"]),
        quorum=texts(params["quorum"]),
        device=_corosync.Device(params["quorum_device"]["host"])
        if params["quorum_device"]
        else None,
    )


def found_cluster(
    current: _corosync.Cluster | None, wanted: _corosync.Cluster, resources: int
) -> str:
    """What the host has: none, default or ours; anything else is not touched."""
    if current is None:
        return "none"
    if _corosync.is_distributions(current):
        if resources:
            raise CannotJoin(
                f"the cluster {current.text()} looks like the one that the packages start, but"
                f" holds {resources} resources; look at them (pcs resource config) and, if nobody"
                " needs them, remove them or run pcs cluster destroy"
            )
        return "default"
    if not _corosync.is_same(current, wanted):
        raise CannotJoin(
            f"this host already belongs to the cluster {current.text()}, which is not the declared"
            f" {wanted.text()}; if nobody needs it, run pcs cluster destroy on this host first"
        )
    moved = _corosync.moved(current, wanted)
    if moved:
        raise CannotJoin(
            f"the cluster {current.name!r} is there with other addresses: {'; '.join(moved)};"
            " correct the inventory, or change the links with pcs cluster link"
        )
    return "ours"


def plan(
    found: str,
    current: _corosync.Cluster | None,
    wanted: _corosync.Cluster,
    options: Options,
) -> list[list[str]]:
    """The commands that make the host what is declared."""
    commands = []
    if found == "default":
        commands.append(_corosync.destroy(options.version))
    if options.state == "prepared":
        return commands
    if found in ("none", "default"):
        commands += [_corosync.authenticate(wanted), _corosync.setup(wanted)]
        commands += device_commands(wanted)
        return commands + watchdog_commands(options.watchdog, options.guard, True)
    if options.distribute:
        commands.append(["pcs", "cluster", "sync", "corosync"])
    if options.totem:
        commands.append(_corosync.update(options.totem))
    if not options.services["active"]:
        commands.append(["pcs", "cluster", "start"])
    if not options.services["enabled"]:
        commands.append(["pcs", "cluster", "enable"])
    if current and wanted.device and not current.device:
        commands += device_commands(wanted)
    elif current and wanted.device == current.device and _corosync.counts_too_few(current):
        commands += votes_commands(_corosync.all_votes(current))
    return commands + watchdog_commands(options.watchdog, options.guard, options.services["active"])


def watchdog_commands(
    wanted: _watchdog.Watchdog | None, guard: Guard, running: bool
) -> list[list[str]]:
    """What makes the members start with their watchdogs."""
    if not wanted:
        return []
    commands = [] if guard.watchdog == wanted else [_watchdog.enable(wanted)]
    if commands or (running and not guard.active):
        commands += _watchdog.RESTART
    return commands


def check_watchdog(
    current: _corosync.Cluster | None, wanted: _corosync.Cluster, options: Options, resources: int
) -> None:
    """Refuse a watchdog that would not make the pair safe, or would interrupt what runs there."""
    watchdog, guard = options.watchdog, options.guard
    if not watchdog:
        return
    if not wanted.device:
        raise CannotJoin(
            f"the watchdog {watchdog.text()} needs a quorum_device: of two members that lose sight"
            " of each other none has the majority, and both would be reset"
        )
    there = current is not None and current.device is not None
    sync_ms = current.device_sync_ms if current and there else _corosync.DEVICE_SYNC_MS
    short = _watchdog.too_short(watchdog, sync_ms)
    if short:
        raise CannotJoin(f"{short}; raise the one or lower the other (pcs quorum device update)")
    commands = watchdog_commands(watchdog, guard, options.services.get("active", False))
    if current and resources and commands:
        runs = f"with {guard.watchdog.text()}" if guard.watchdog else "without sbd"
        raise CannotJoin(
            f"the cluster {wanted.name!r} is in use and was started {runs}, not with the watchdog"
            f" {watchdog.text()}; a change needs a new start of the cluster. In a quiet hour run"
            f" {', then '.join(shlex.join(one) for one in commands)}, and then this again"
        )


def device_commands(wanted: _corosync.Cluster) -> list[list[str]]:
    """What adds the third vote, if there is to be one."""
    device = wanted.device
    if not device:
        return []
    added = [_corosync.authenticate_device(device), _corosync.add_device(device)]
    return added + votes_commands(len(wanted.nodes) + 1)


def votes_commands(votes: int) -> list[list[str]]:
    """What lets all members expect so many votes."""
    return [_corosync.expect_votes(votes, CONFIGURATION), *_corosync.TAKE_OVER]


def check_device(current: _corosync.Cluster | None, wanted: _corosync.Cluster) -> None:
    """Refuse a third vote that would let a host which boots alone serve what may be old data."""
    after = current or wanted
    there = current is not None and current.device is not None
    if wanted.device and not there and not _corosync.waits_for_all(after):
        remedy = "declare it in quorum"
        if current:
            remedy = (
                "in a quiet hour run pcs cluster stop --all, pcs quorum update wait_for_all=1 and"
                " pcs cluster start --all"
            )
        raise CannotJoin(
            f"the quorum device {wanted.device.text()} cannot be added to {wanted.name!r}, whose"
            " quorum options lack wait_for_all=1: a host that boots alone would start the service"
            f" on what may be old data; {remedy}"
        )


def read_file(path: str) -> str | None:
    """The text of a file, None when there is none."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def services(run: _command.Runner) -> dict[str, bool]:
    """Whether the cluster's services run now and start at boot."""

    def all_are(what: str) -> bool:
        # The exit code tells whether one of them is; the lines tell it of each.
        said = run(["systemctl", f"is-{what}", *SERVICES], ok=range(256)).stdout.split()
        return said == [what] * len(SERVICES)

    return {"active": all_are("active"), "enabled": all_are("enabled")}


def find_guard(run: _command.Runner) -> Guard:
    """What there is of sbd on this host."""
    watchdog = _watchdog.read(run)
    if not watchdog:
        return Guard()
    said = run(["systemctl", "is-active", _watchdog.SERVICE], ok=range(256)).stdout.strip()
    return Guard(watchdog, said == "active")


def wait_online(run: _command.Runner, names: set[str], seconds: int) -> None:
    """Wait until these nodes are members of a cluster that has elected its controller."""
    deadline = time.monotonic() + seconds
    while True:
        missing = sorted(names)
        # While Pacemaker starts, its tools find nobody to talk to.
        result = run(["crm_mon", "-1", "--output-as", "xml"], ok=range(256))
        if result.rc == 0:
            status = _settled.parse(result.stdout)
            missing = sorted(names - _settled.online_nodes(status))
            if not missing and _settled.has_controller(status):
                return
        if time.monotonic() >= deadline:
            raise CannotJoin(
                f"the cluster did not come up in {seconds} s: not online or without a controller:"
                f" {', '.join(missing) or 'all'}; see journalctl -u corosync -u pacemaker there"
            )
        time.sleep(1)


def wait_device(run: _command.Runner, device: _corosync.Device, seconds: int) -> None:
    """Wait until the third vote counts."""
    deadline = time.monotonic() + seconds
    while True:
        # Its exit code says whether the cluster is quorate.
        have, expected = _corosync.votes(run(_corosync.QUORUM, ok=range(256)).stdout)
        if 0 < expected <= have:
            return
        if time.monotonic() >= deadline:
            raise CannotJoin(
                f"the quorum device {device.text()} is added and does not vote after {seconds} s,"
                f" {have} of {expected} votes are there: see journalctl -u corosync-qdevice on this"
                f" host, and whether {device.host} lets port 5403/tcp through"
            )
        time.sleep(1)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str", "required": True},
                },
            },
            "crypto": {
                "type": "dict",
                "default": {"cipher": "aes256", "hash": "sha256"},
                "options": {
                    "cipher": {"type": "str", "default": "aes256"},
                    "hash": {"type": "str", "default": "sha256"},
                },
            },
            "totem": {"type": "dict", "default": {}},
            "quorum": {"type": "dict", "default": {}},
            "quorum_device": {
                "type": "dict",
                "options": {"host": {"type": "str", "required": True}},
            },
            "watchdog": {
                "type": "dict",
                "options": {
                    "device": {"type": "str", "default": "/dev/watchdog"},
                    "timeout": {"type": "int", "required": True},
                },
            },
            "hacluster_password": {"type": "str", "no_log": True},
            "distribute": {"type": "bool", "default": False},
            "wait": {"type": "int", "default": 180},
            "state": {"type": "str", "choices": ["prepared", "present"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run = _command.Runner(module)
    try:
        result = carry_out(run, module)
    except (CannotJoin, _corosync.CorosyncInvalid, _cib.CibInvalid) as exc:
        module.fail_json(msg=str(exc))
    except _command.CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    else:
        for difference in result["differences"]:
            module.warn(f"cluster {module.params['name']}: {difference} (not changed)")
        module.exit_json(**result)


def carry_out(run: _command.Runner, module: AnsibleModule) -> dict[str, Any]:
    """Read, plan, apply; returns the result."""
    params = module.params
    wanted = wanted_cluster(params)
    current, found, resources = read(wanted)
    version = (0, 11)  # any, where pcs is not installed yet and nothing is run
    # Starting pcs takes longer than all the rest; a member needs nothing that depends on its version.
    if found != "ours" and run.has("pcs"):
        version = _corosync.pcs_version(run(["pcs", "--version"]).stdout)
    asked = found == "ours" and params["state"] == "present"
    running = services(run) if found == "ours" else {}
    totem = totem_changes(run, current, wanted, running) if asked and current else {}
    there = current if found == "ours" else None
    check_device(there, wanted)
    guard = find_guard(run) if found == "ours" else Guard()
    watchdog = params["watchdog"] and _watchdog.Watchdog(
        params["watchdog"]["device"], params["watchdog"]["timeout"]
    )
    options = Options(
        params["state"], params["distribute"], running, version, totem, watchdog, guard
    )
    check_watchdog(there, wanted, options, resources)
    commands = plan(found, there, wanted, options)
    if not module.check_mode:
        apply(run, commands, params["hacluster_password"])
        if params["state"] == "present":
            local = {os.uname().nodename}
            expect = local if found == "ours" else {one.name for one in wanted.nodes}
            wait_online(run, expect, params["wait"])
            if wanted.device and _corosync.add_device(wanted.device) in commands:
                wait_device(run, wanted.device, params["wait"])
    return report(current, found, wanted, commands, options)


def read(wanted: _corosync.Cluster) -> tuple[_corosync.Cluster | None, str, int]:
    """The cluster that the host belongs to, what that is to us, and how many resources it holds."""
    text, stored = read_file(CONFIGURATION), read_file(STORED_CIB)
    current = None if text is None else _corosync.parse(text)
    resources = 0 if stored is None else _cib.count_primitives(_cib.parse(stored))
    return current, found_cluster(current, wanted, resources), resources


def totem_changes(
    run: _command.Runner,
    current: _corosync.Cluster,
    wanted: _corosync.Cluster,
    running: dict[str, bool],
) -> dict[str, str]:
    """Totem options to change; what the file leaves to corosync is asked for only when that matters."""
    changes = _corosync.totem_changes(current, wanted)
    if not changes or not running["active"]:
        return changes
    said = run(_corosync.RUNNING).stdout
    return _corosync.totem_changes(current, wanted, _corosync.running_totem(said))


def apply(run: _command.Runner, commands: list[list[str]], password: str | None) -> None:
    """Run the commands; the one that needs the password gets it by standard input."""
    needs = [one for one in commands if one[:3] == ["pcs", "host", "auth"]]
    if needs and not password:
        raise CannotJoin("hacluster_password is needed to set up a cluster or add a quorum device")
    for one in commands:
        run(one, stdin=f"{password}\n" if one in needs else None)


def differences(
    current: _corosync.Cluster | None, wanted: _corosync.Cluster, options: Options
) -> list[str]:
    """What is declared otherwise and not changed; to make a host free for a cluster not all is declared."""
    if current is None or options.state != "present":
        return []
    found = _corosync.differences(current, wanted)
    if options.guard.watchdog and not options.watchdog:
        found.append(f"watchdog is {options.guard.watchdog.text()}, not none")
    return found


def report(
    current: _corosync.Cluster | None,
    found: str,
    wanted: _corosync.Cluster,
    commands: list[list[str]],
    options: Options,
) -> dict[str, Any]:
    """The result of the module."""
    before = "no cluster\n" if current is None else f"cluster {current.text()}\n"
    after = before
    if commands and options.state == "prepared":
        after = "no cluster\n"
    elif commands:
        after = f"cluster {wanted.text()}\nrunning and enabled\n"
    if wanted.device and _corosync.add_device(wanted.device) in commands:
        after += f"quorum device {wanted.device.text()}\n"
    if options.watchdog and _watchdog.enable(options.watchdog) in commands:
        after += f"watchdog {options.watchdog.text()}\n"
    for name, value in sorted(options.totem.items()):
        before += f"totem {name}: {current.totem.get(name, 'not set') if current else 'not set'}\n"
        after += f"totem {name}: {value}\n"
    return {
        "changed": bool(commands),
        "cluster": found,
        "differences": differences(current, wanted, options) if found == "ours" else [],
        "commands": [shlex.join(one) for one in commands],
        "diff": {"before": before, "after": after},
    }


if __name__ == "__main__":
    main()
