#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pair_adopt_info
short_description: Read a running pair as inventory variables
version_added: 0.1.0
description:
  - Turns a pair that was built by hand into the variables that the roles of this collection take, so that the next run
    changes nothing in what the pair and the roles have in common.
  - Lists the rest as differences to decide on, each with the reason and with what to do.
  - Reads C(corosync.conf) and DRBD's configuration on the host, and takes the cluster's configuration as an option. Changes nothing.
  - No secret is read; the vault that it returns holds names only.
author:
  - kwdb.ha contributors (@kwdb)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
options:
  config:
    description: The cluster's configuration in the form of M(kwdb.ha.pcs_config).
    type: dict
    required: true
  secret_options:
    description: Options that O(config) leaves out because nobody may read them, as paths such as V(resources.fence-ha-node01.options.password).
    type: list
    elements: str
    default: []
seealso:
  - module: kwdb.ha.pcs_config
"""

EXAMPLES = r"""
- name: Read the pair as inventory variables
  kwdb.ha.pair_adopt_info:
    config: "{{ live.config }}"
    secret_options: "{{ live.secret_options_left_out }}"
  register: adopted
  run_once: true

- name: Show what there is to decide
  ansible.builtin.debug:
    var: adopted.lines
  run_once: true
"""

RETURN = r"""
group_variables:
  description: Variables of the pair.
  returned: always
  type: dict
  sample: {pair_vip: 192.0.2.100, pair_vip_prefix: 24, drbd_resource: drbd3}
host_variables:
  description: Variables of each host by its name.
  returned: always
  type: dict
  sample: {ha-node01: {pair_address: 192.0.2.11, pair_replication_address: 198.51.100.11, pair_disk: /dev/sde}}
vault:
  description: Names of the secrets that the variables refer to, all of them empty.
  returned: always
  type: dict
  sample: {vault_hacluster_password: "", vault_drbd_secret: ""}
differences:
  description: Where the pair is not what the roles make, the most dangerous first.
  returned: always
  type: list
  elements: dict
  contains:
    where:
      description: The place.
      type: str
    here:
      description: The value of the running pair.
      type: str
    ours:
      description: The value that the roles set.
      type: str
    why:
      description: Why it matters.
      type: str
    remedy:
      description: What happens to it, and what to do.
      type: str
lines:
  description: The differences as lines for people.
  returned: always
  type: list
  elements: str
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _adopt,
    _adopt_differences,
    _corosync,
    _drbd,
    _watchdog,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner

COROSYNC = "/etc/corosync/corosync.conf"


def resolved(run: Runner, cluster: _corosync.Cluster) -> dict[str, str]:
    """IPv4 addresses of the names that the cluster's links are given by."""
    found = {}
    for name in {address for one in cluster.nodes for address in one.addresses}:
        # 2 says that there is no such name.
        said = run(["getent", "ahostsv4", name], ok=(0, 2)).stdout.split()
        if said:
            found[name] = said[0]
    return found


def look(run: Runner, config: dict, secret_options: list[str]) -> _adopt.Seen:
    """Everything that the variables are made from."""
    text = _drbd.read_text(COROSYNC)
    if not text:
        raise _adopt.NoPair(f"{COROSYNC} is not there: this host is in no cluster")
    cluster = _corosync.parse(text)
    # What the file leaves to corosync is kept as it is, too: the roles have times of their own.
    said = run(_corosync.RUNNING, ok=range(256)).stdout
    cluster = replace(cluster, totem={**_corosync.running_totem(said), **cluster.totem})
    name = _adopt.drbd_resource(config)
    version = _drbd.module_version(run)
    shown = run(["drbdadm", "dump-xml"], env=_drbd.dialect(version) if version else None)
    return _adopt.Seen(
        config=config,
        cluster=cluster,
        drbd=_adopt.parse_drbd(shown.stdout, name),
        resolved=resolved(run, cluster),
        secret_options=secret_options,
        watchdog=_watchdog.read(run),
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "dict", "required": True},
            # Names of options, no secrets.
            "secret_options": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        supports_check_mode=True,
    )
    try:
        seen = look(Runner(module), module.params["config"], module.params["secret_options"])
        _adopt.check(seen)
        found = _adopt_differences.differences(seen)
        module.exit_json(
            changed=False,
            group_variables=_adopt.group_variables(seen),
            host_variables=_adopt.host_variables(seen),
            vault=_adopt.vault(seen),
            differences=[one.result() for one in found],
            lines=[one.text() for one in found],
        )
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except (_adopt.NoPair, _corosync.CorosyncInvalid) as exc:
        module.fail_json(msg=f"{exc}. Nothing was written")


if __name__ == "__main__":
    main()
