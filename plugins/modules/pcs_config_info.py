#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcs_config_info
short_description: Read the Pacemaker configuration in the form that pcs_config takes
version_added: 0.1.0
description:
  - Returns the live configuration as the options of M(kwdb.ha.pcs_config). Feeding them back changes nothing,
    so that a cluster that was built by hand can be taken over as it is.
  - Secrets are left out, and named.
  - What operators and DRBD put there is returned apart. It is no part of a declaration.
  - What cannot be declared is named too. M(kwdb.ha.pcs_config) leaves it alone.
  - Reads the configuration once and runs nothing else. Changes nothing.
author:
  - kwdb.ha contributors (@kwdb)
requirements:
  - pacemaker 2.0 or later with its command line tools
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Without a running cluster on the host, the configuration that is stored there is read in check mode; otherwise that is an error.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
options: {}
seealso:
  - module: kwdb.ha.pcs_config
"""

EXAMPLES = r"""
- name: Read the configuration
  kwdb.ha.pcs_config_info:
  register: live
  run_once: true

- name: Feed it back, which changes nothing
  kwdb.ha.pcs_config: "{{ live.config }}"
  run_once: true

- name: Name the secrets that a declaration of this cluster needs from elsewhere
  ansible.builtin.debug:
    var: live.secret_options_left_out
  run_once: true
"""

RETURN = r"""
config:
  description:
    - Options of M(kwdb.ha.pcs_config) by their names. What the cluster has nothing of is left out.
    - Properties that Pacemaker writes itself, such as C(dc-version), are left out.
  returned: always
  type: dict
  sample:
    properties: {no-quorum-policy: stop, stonith-enabled: "true"}
    resource_defaults: {resource-stickiness: "200"}
secret_options_left_out:
  description: Options that the cluster has and O(ignore:config) has not, because nobody may read them.
  returned: always
  type: list
  elements: str
  sample: [resources.fence-ha-node01.options.password]
operator_state:
  description: What operators and DRBD put into the configuration, as M(kwdb.ha.pcs_config) returns it.
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
unmanaged:
  description: What is in the configuration and cannot be declared. M(kwdb.ha.pcs_config) leaves it alone.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Where it is, as a path below C(configuration).
      type: str
    tag:
      description: What it is, by the name of its element.
      type: str
    id:
      description: Its id, empty when it has none.
      type: str
  sample: [{id: web-template, path: "resources/template[@id='web-template']", tag: template}]
cib_version:
  description: Version of the configuration that was read.
  returned: always
  type: str
  sample: 0.42.17
schema:
  description: The schema that the configuration follows.
  returned: always
  type: str
  sample: pacemaker-3.9
limited:
  description: Whether a stored configuration was read instead of a running cluster's, which only happens in check mode.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _command, _export, _transaction


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        text, limited = _transaction.read(_command.Runner(module), module.check_mode)
        cib = _cib.parse(text)
    except _command.CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except _cib.CibInvalid as exc:
        module.fail_json(msg=str(exc))
    found = _export.export(cib)
    module.exit_json(
        changed=False,
        config=found.config,
        secret_options_left_out=found.secrets,
        operator_state=found.operator_state,
        unmanaged=found.unmanaged,
        cib_version=_cib.version(cib),
        schema=cib.get("validate-with", ""),
        limited=limited,
    )


if __name__ == "__main__":
    main()
