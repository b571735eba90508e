# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What pcs_config, pcs_resource and pcs_constraint have in common: options and the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _command,
    _declaration,
    _transaction,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}

OPERATION = {
    "name": {"type": "str", "required": True},
    "interval": {"type": "str"},
    "timeout": {"type": "str"},
    "role": {"type": "str", "choices": ["Started", "Stopped", "Promoted", "Unpromoted"]},
    "on_fail": {
        "type": "str",
        "choices": [
            "ignore",
            "block",
            "stop",
            "restart",
            "fence",
            "standby",
            "demote",
            "restart-container",
        ],
    },
    "depth": {"type": "int"},
    "options": {"type": "dict"},
}

CLONE = {
    "type": "dict",
    "options": {"id": {"type": "str", "required": True}, "meta": {"type": "dict"}},
}

RESOURCE = {
    "id": {"type": "str", "required": True},
    "agent": {"type": "str"},
    "options": {"type": "dict"},
    "secret_options": {"type": "dict", "no_log": True},
    "meta": {"type": "dict"},
    "operations": {"type": "list", "elements": "dict", "options": OPERATION},
    "utilization": {"type": "dict"},
    "clone": CLONE,
    "group": {
        "type": "dict",
        "options": {
            "id": {"type": "str"},
            "after": {"type": "str"},
            "before": {"type": "str"},
            "state": STATE,
        },
    },
    "bundle": {"type": "dict", "options": {"id": {"type": "str", "required": True}}},
    "state": STATE,
}

ROLE = {"type": "str", "choices": ["Started", "Stopped", "Promoted", "Unpromoted"]}
ACTION = {"type": "str", "choices": ["start", "stop", "promote", "demote"]}

RESOURCE_SET = {
    "resources": {"type": "list", "elements": "str", "required": True},
    "sequential": {"type": "bool"},
    "require_all": {"type": "bool"},
    "action": ACTION,
    "role": ROLE,
}

CONSTRAINT = {
    "id": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["location", "colocation", "order", "ticket"]},
    "resource": {"type": "str"},
    "resource_pattern": {"type": "str"},
    "node": {"type": "str"},
    "rule": {"type": "dict"},
    "role": ROLE,
    "score": {"type": "str"},
    "score_attribute": {"type": "str"},
    "discovery": {"type": "str", "choices": ["always", "never", "exclusive"]},
    "with": {"type": "str"},
    "with_role": ROLE,
    "node_attribute": {"type": "str"},
    "influence": {"type": "bool"},
    "first": {"type": "str"},
    "first_action": ACTION,
    "then": {"type": "str"},
    "then_action": ACTION,
    "kind": {"type": "str", "choices": ["Mandatory", "Optional", "Serialize"]},
    "symmetrical": {"type": "bool"},
    "require_all": {"type": "bool"},
    "ticket": {"type": "str"},
    "loss_policy": {"type": "str", "choices": ["stop", "demote", "freeze", "fence"]},
    "sets": {"type": "list", "elements": "dict", "options": RESOURCE_SET},
    "state": STATE,
}

DEFAULT_SET = {
    "id": {"type": "str", "required": True},
    "score": {"type": "str"},
    "rule": {"type": "dict"},
    "values": {"type": "dict"},
    "state": STATE,
}

GROUP = {
    "id": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str"},
    "meta": {"type": "dict"},
    "clone": CLONE,
    "state": STATE,
}

PORT = {
    "id": {"type": "str"},
    "port": {"type": "int"},
    "internal_port": {"type": "int"},
    "range": {"type": "str"},
}

STORAGE = {
    "id": {"type": "str"},
    "source_dir": {"type": "str"},
    "source_dir_root": {"type": "str"},
    "target_dir": {"type": "str", "required": True},
    "options": {"type": "str"},
}

CONTAINER = {
    "type": {"type": "str", "required": True, "choices": ["docker", "podman", "rkt"]},
    "image": {"type": "str"},
    "replicas": {"type": "int"},
    "replicas_per_host": {"type": "int"},
    "promoted_max": {"type": "int"},
    "network": {"type": "str"},
    "run_command": {"type": "str"},
    "options": {"type": "str"},
}

NETWORK = {
    "ip_range_start": {"type": "str"},
    "control_port": {"type": "int"},
    "host_interface": {"type": "str"},
    "host_netmask": {"type": "int"},
    "add_host": {"type": "bool"},
    "ports": {"type": "list", "elements": "dict", "options": PORT},
}

BUNDLE = {
    "id": {"type": "str", "required": True},
    "container": {"type": "dict", "options": CONTAINER},
    "network": {"type": "dict", "options": NETWORK},
    "storage": {"type": "list", "elements": "dict", "options": STORAGE},
    "meta": {"type": "dict"},
    "state": STATE,
}

NODE = {
    "name": {"type": "str", "required": True},
    "attributes": {"type": "dict"},
    "utilization": {"type": "dict"},
}

FENCING_LEVEL = {
    "target": {"type": "str"},
    "target_pattern": {"type": "str"},
    "target_attribute": {"type": "str"},
    "target_value": {"type": "str"},
    "level": {"type": "int", "required": True},
    "devices": {"type": "list", "elements": "str"},
    "state": STATE,
}

TAG = {
    "id": {"type": "str", "required": True},
    "references": {"type": "list", "elements": "str"},
    "state": STATE,
}

RECIPIENT = {
    "id": {"type": "str"},
    "value": {"type": "str", "required": True},
    "description": {"type": "str"},
    "options": {"type": "dict"},
    "secret_options": {"type": "dict", "no_log": True},
    "meta": {"type": "dict"},
}

ALERT = {
    "id": {"type": "str", "required": True},
    "path": {"type": "str"},
    "description": {"type": "str"},
    "options": {"type": "dict"},
    "secret_options": {"type": "dict", "no_log": True},
    "meta": {"type": "dict"},
    "select": {
        "type": "list",
        "elements": "str",
        "choices": ["nodes", "fencing", "resources", "attributes"],
    },
    "select_attributes": {"type": "list", "elements": "str"},
    "recipients": {"type": "list", "elements": "dict", "options": RECIPIENT},
    "state": STATE,
}

PERMISSION = {
    "kind": {"type": "str", "required": True, "choices": ["read", "write", "deny"]},
    "xpath": {"type": "str"},
    "reference": {"type": "str"},
    "object_type": {"type": "str"},
    "attribute": {"type": "str"},
    "description": {"type": "str"},
}

ACL_ROLE = {
    "id": {"type": "str", "required": True},
    "description": {"type": "str"},
    "permissions": {"type": "list", "elements": "dict", "options": PERMISSION},
    "state": STATE,
}

ACL_HOLDER = {
    "id": {"type": "str", "required": True},
    "roles": {"type": "list", "elements": "str"},
    "state": STATE,
}

# The kinds of objects that pcs_config alone takes.
OBJECTS = {
    name: {"type": "list", "elements": "dict", "options": options}
    for name, options in (
        ("bundles", BUNDLE),
        ("nodes", NODE),
        ("fencing_levels", FENCING_LEVEL),
        ("tags", TAG),
        ("alerts", ALERT),
        ("acl_roles", ACL_ROLE),
        ("acl_users", ACL_HOLDER),
        ("acl_groups", ACL_HOLDER),
    )
}

EXCLUSIVE = {"type": "list", "elements": "str", "choices": list(_declaration.KINDS)}

HOW = {
    "allow_disruption": {"type": "bool", "default": False},
    "wait": {"type": "int", "default": 120},
    "snapshots": {"type": "int", "default": 20},
}

# What pcs_config alone has: going back to a saved configuration.
RESTORE = {
    "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
    "snapshot": {"type": "str"},
}

CONFIG_OPTIONS = {
    "properties": {"type": "dict"},
    "resource_defaults": {"type": "dict"},
    "operation_defaults": {"type": "dict"},
    "resources": {"type": "list", "elements": "dict", "options": RESOURCE},
    "groups": {"type": "list", "elements": "dict", "options": GROUP},
    "constraints": {"type": "list", "elements": "dict", "options": CONSTRAINT},
    "resource_default_sets": {"type": "list", "elements": "dict", "options": DEFAULT_SET},
    "operation_default_sets": {"type": "list", "elements": "dict", "options": DEFAULT_SET},
    **OBJECTS,
    "exclusive": EXCLUSIVE,
    **HOW,
    **RESTORE,
}
RESOURCE_OPTIONS = {**RESOURCE, **HOW}
CONSTRAINT_OPTIONS = {**CONSTRAINT, **HOW}


def declared_config(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a task of pcs_config declares."""
    return params


def declared_resource(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a task of pcs_resource declares, in the words of pcs_config."""
    return {"resources": [{name: params[name] for name in RESOURCE}]}


def declared_constraint(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a task of pcs_constraint declares, in the words of pcs_config."""
    return {"constraints": [{name: params[name] for name in CONSTRAINT}]}


def run_module(module: AnsibleModule, params: Mapping[str, Any]) -> None:
    """Carry out what params declare and leave the module with the result or the reason."""
    options = _transaction.Options(
        check=module.check_mode,
        allow_disruption=module.params["allow_disruption"],
        wait=module.params["wait"],
        tmpdir=module.tmpdir,
        snapshots=module.params["snapshots"],
        restoring=params.get("state") == "restored",
    )
    run = _command.Runner(module)
    try:
        if options.restoring:
            outcome = _restored(run, params, options)
        else:
            _check_no_snapshot(params)
            outcome = _transaction.transact(run, _declaration.declaration(params), options)
    except (_declaration.DeclarationInvalid, _cib.CibInvalid) as exc:
        module.fail_json(msg=str(exc))
    except (_transaction.Refused, _transaction.NotSettled) as exc:
        module.fail_json(msg=str(exc), **exc.outcome.result())
    except _command.CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    else:
        for text in outcome.warnings:
            module.warn(text)
        module.exit_json(**outcome.result())


def _check_no_snapshot(params: Mapping[str, Any]) -> None:
    if params.get("snapshot") is not None:
        raise _declaration.DeclarationInvalid("snapshot: goes with state: restored only")


def _restored(
    run: _command.Runner, params: Mapping[str, Any], options: _transaction.Options
) -> _transaction.Outcome:
    """Go back to a saved configuration."""
    # Few runs go back, and only they pay for loading this.
    from ansible_collections.kwdb.ha.plugins.module_utils import _restore

    given = [name for name, value in params.items() if value and name not in {**HOW, **RESTORE}]
    if given:
        raise _declaration.DeclarationInvalid(
            f"{given[0]}: state: restored goes back to a saved configuration and takes no objects"
        )
    return _restore.restore(run, params.get("snapshot") or "", options)
