#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcs_constraint
short_description: Manage one Pacemaker constraint
version_added: 0.1.0
description:
  - Brings one location, colocation, order or ticket constraint to what is declared.
  - The same code as M(kwdb.ha.pcs_config) with a list of one. Things that belong together, such as a resource and its constraints,
    are better declared there, in one transaction.
extends_documentation_fragment:
  - kwdb.ha.cluster
  - kwdb.ha.cluster.constraint
seealso:
  - module: kwdb.ha.pcs_config
"""

EXAMPLES = r"""
- name: Prefer one host
  kwdb.ha.pcs_constraint:
    id: location-KaiwuDBGrp-prefers-ha-node01
    type: location
    resource: KaiwuDBGrp
    node: ha-node01
    score: "50"
  run_once: true

- name: Start the group after the promotion of its data
  kwdb.ha.pcs_constraint:
    id: order-KaiwuData-clone-then-KaiwuDBGrp
    type: order
    first: KaiwuData-clone
    first_action: promote
    then: KaiwuDBGrp
    then_action: start
  run_once: true

- name: Keep the group off hosts that reach nobody
  kwdb.ha.pcs_constraint:
    id: location-KaiwuDBGrp-needs-ping
    type: location
    resource: KaiwuDBGrp
    rule:
      any:
        - {attribute: pingd, is: not_defined}
        - {attribute: pingd, is: lt, value: 1, type: number}
    score: "-INFINITY"
  run_once: true

- name: Start two monitors side by side, and then the group
  kwdb.ha.pcs_constraint:
    id: order-monitors-then-KaiwuDBGrp
    type: order
    sets:
      - {resources: [ping-clone, disk-clone], sequential: false}
      - {resources: [KaiwuDBGrp]}
  run_once: true
"""

RETURN = r"""
findings:
  description: What works and is not safe, in the configuration as it is after the change. Empty when nothing changes. Also given as warnings.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) for what can cost data or the service, otherwise V(warning).
      type: str
    what:
      description: What is not as it should be.
      type: str
    where:
      description: The place in the declaration, or the id in the cluster.
      type: str
    remedy:
      description: What to do about it.
      type: str
snapshot:
  description: Path of the saved configuration from before the change. M(kwdb.ha.pcs_config) can go back to it.
  returned: when something was changed and O(snapshots) is not V(0)
  type: str
  sample: /var/lib/kwdb-ha/cib/20261125T114500Z-0.42.17.xml
transition:
  description:
    - What Pacemaker does because of the change; in check mode, what it would do.
    - Probes, monitors and notifications are left out.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of C(start), C(stop), C(restart), C(move), C(promote), C(demote), C(reload) and C(fence).
      type: str
    resource:
      description: The primitive; absent for C(fence).
      type: str
    node:
      description: Where.
      type: str
    source:
      description: Where a moving resource comes from.
      type: str
  sample: [{action: start, node: ha-node02, resource: fence-ha-node01}]
operator_state:
  description: What operators and DRBD put into the configuration. It is no drift and is never removed.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: One of C(standby), C(maintenance), C(maintenance-mode), C(target-role), C(is-managed), C(cli-constraint), C(drbd-fence) and the like.
      type: str
    "on":
      description: Node, resource or V(cluster).
      type: str
    value:
      description: The value, or the id of the constraint.
      type: str
  sample: [{kind: standby, "on": ha-node02, value: "on"}]
cib_version:
  description: Version of the configuration on which the plan was made.
  returned: always
  type: str
  sample: 0.42.17
preview_limited:
  description: Whether the plan was made without a running cluster, which only happens in check mode.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import _cluster_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=_cluster_module.CONSTRAINT_OPTIONS, supports_check_mode=True
    )
    _cluster_module.run_module(module, _cluster_module.declared_constraint(module.params))


if __name__ == "__main__":
    main()
