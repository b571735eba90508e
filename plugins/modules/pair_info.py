#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pair_info
short_description: Report the health of the pair, with reasons
version_added: 0.1.0
description:
  - Reads the cluster and DRBD on one host and says whether the pair could lose either host now and go on.
  - Everything that is not as it should be is a finding with a severity, the thing, a message and a remedy.
  - Each host sees its own side of DRBD, and the other side as DRBD reports it. Run it on both hosts for the full picture.
  - Of the host itself it tells whether something starts or mounts at boot what only the cluster may, whether systemd gives up a stop
    before the cluster does, and how much space is left, how far off the clock is, and whether the database's certificate is valid
    and for the virtual IP.
  - Changes nothing. A host without a cluster is a finding, not a failure.
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
  certs_dir:
    description: Folder with the database's certificate, C(node.crt). Without it no certificate is looked at.
    type: path
seealso:
  - module: kwdb.ha.pair_switchover
  - module: kwdb.ha.pair_drill
"""

EXAMPLES = r"""
- name: Look at the pair
  kwdb.ha.pair_info:
  register: pair

- name: Go on only with a healthy pair
  ansible.builtin.assert:
    that: pair.healthy
    fail_msg: "{{ pair.summary | join('; ') }}"
"""

RETURN = r"""
healthy:
  description: Whether the pair could lose either host now and go on. True when no finding is an error.
  returned: always
  type: bool
findings:
  description: What is not as it should be, errors first.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: One of V(error), V(warning) or V(info).
      type: str
    kind:
      description:
        - Who can mend it. V(operator) when somebody asked for this state or it follows from that,
          else V(cluster), V(replication), V(fencing) or V(host).
      type: str
    thing:
      description: The host, resource, constraint or action.
      type: str
    message:
      description: What is wrong.
      type: str
    remedy:
      description: What to do about it.
      type: str
summary:
  description: The findings as lines for people.
  returned: always
  type: list
  elements: str
host:
  description: The host that looked, by its own name.
  returned: always
  type: str
installed:
  description: Whether the cluster's tools are there.
  returned: always
  type: bool
active_node:
  description: The host that holds the promoted role, empty when there is not exactly one.
  returned: always
  type: str
standby_node:
  description: The other host, empty when there is no active one.
  returned: always
  type: str
service_node:
  description: The host on which the whole group runs, empty when it does not.
  returned: always
  type: str
vip:
  description: The virtual IP address in the group.
  returned: always
  type: str
quorate:
  description: Whether the cluster has quorum.
  returned: always
  type: bool
maintenance:
  description: Whether the whole cluster is in maintenance.
  returned: always
  type: bool
pacemaker_version:
  description: Version of Pacemaker on the controller.
  returned: always
  type: str
nodes:
  description: State of each host by name (online, standby, maintenance, pending, unclean, shutdown).
  returned: always
  type: dict
resources:
  description: Each resource by id with its agent, its roles by host, and whether it failed, is managed or blocked.
  returned: always
  type: dict
failed_actions:
  description: Actions that failed and were not cleaned up.
  returned: always
  type: list
  elements: dict
operator_state:
  description:
    - What people, or DRBD's fence handler, put there on purpose. Hosts in standby and in maintenance, target roles,
      unmanaged resources, and the ids of move, ban and DRBD fence constraints.
  returned: always
  type: dict
drbd:
  description: State of the DRBD resource as this host sees it.
  returned: always
  type: dict
packages:
  description: Versions of the packages that both hosts should have in the same version.
  returned: always
  type: dict
  sample: {"pacemaker": "2.1.5-1+deb12u1"}
fencing:
  description: Whether fencing is on, and the fence devices with their agents.
  returned: always
  type: dict
"""

import platform
from dataclasses import asdict
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._pair import (
    Names,
    PairUnreadable,
    read_pair,
    report,
)
from ansible_collections.kwdb.ha.plugins.module_utils._pair_health import (
    by_severity,
    findings,
    healthy,
    lines,
)
from ansible_collections.kwdb.ha.plugins.module_utils._pair_host import host_findings, read_host


def main() -> None:
    """Look once and report."""
    module = AnsibleModule(
        argument_spec={
            "clone": {"type": "str", "default": "KaiwuData-clone"},
            "group": {"type": "str", "default": "KaiwuDBGrp"},
            "drbd_resource": {"type": "str", "default": "kwdb"},
            "certs_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    names = Names(*(module.params[one] for one in ("clone", "group", "drbd_resource")))
    run, view = Runner(module), None
    try:
        pair = read_pair(run, names, platform.node())
        if pair.cib is not None:
            view = read_host(run, pair.cib, pair.host, module.params["certs_dir"] or "")
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except PairUnreadable as exc:
        module.fail_json(msg=str(exc))
    now = datetime.now(timezone.utc)
    found = findings(pair, now)
    if view is not None and pair.cib is not None:
        found = by_severity([*found, *host_findings(view, pair.cib, now)])
    module.exit_json(
        changed=False,
        healthy=healthy(found),
        findings=[asdict(one) for one in found],
        summary=lines(found),
        packages={} if view is None else view.packages,
        **report(pair),
    )


if __name__ == "__main__":
    main()
