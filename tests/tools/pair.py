# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles declare to the cluster, rendered from their own files."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
ORDER = (
    ("pacemaker", "configure.yml"),
    ("drbd", "cluster.yml"),
    ("filesystem", "cluster.yml"),
    ("kwdb", "cluster.yml"),
)
NODES = ("ha-node01", "ha-node02")
SECRET = "Geheim \"'<&>$x%"


def inventory() -> dict[str, Any]:
    """The variables that a user's inventory gives the roles."""
    nodes = [
        {
            "name": name,
            "address": f"192.0.2.1{number}",
            "replication_address": f"198.51.100.1{number}",
            "disk": "/dev/disk/by-id/data",
            "fence_options": {
                "ip": f"192.0.2.11{number}",
                "lanplus": True,
                "username": "admin",
                "password": SECRET,
            },
        }
        for number, name in enumerate(NODES, 1)
    ]
    return {
        "inventory_hostname": NODES[0],
        "ansible_check_mode": False,
        "pacemaker_nodes": nodes,
        "pacemaker_fence_agent": "fence_ipmilan",
        "drbd_nodes": nodes,
        "kwdb_nodes": nodes,
        "kwdb_vip": "192.0.2.100",
        "kwdb_vip_prefix": 24,
    }


def second_level() -> dict[str, Any]:
    """What an inventory says beyond that when each host has a second fence device."""
    nodes = inventory()["pacemaker_nodes"]
    for number, node in enumerate(nodes, 1):
        outlet = {"ip": "192.0.2.120", "username": "apc", "plug": number}
        node["second_fence_options"] = {**outlet, "password": SECRET}
    return {"pacemaker_nodes": nodes, "pacemaker_second_fence_agent": "fence_ipmilan"}


def _load(loader: DataLoader, path: pathlib.Path) -> Any:
    if not path.exists():
        return {}
    return loader.load_from_file(str(path), trusted_as_template=True) or {}


def declarations(**overrides: Any) -> list[dict[str, Any]]:
    """The arguments of every pcs_config task of the roles, in the order of site.yml."""
    loader = DataLoader()
    found = []
    for role, file in ORDER:
        variables: dict[str, Any] = {}
        for folder in ("defaults", "vars"):
            variables.update(_load(loader, ROLES / role / folder / "main.yml"))
        variables.update(inventory(), **overrides)
        templar = Templar(loader, variables=variables)
        for task in _load(loader, ROLES / role / "tasks" / file):
            if "kwdb.ha.pcs_config" in task:
                found.append(templar.template(task["kwdb.ha.pcs_config"]))
    return found


def whole_pair(**overrides: Any) -> dict[str, Any]:
    """Everything that the roles declare, as one declaration."""
    whole: dict[str, Any] = {"resources": [], "constraints": []}
    for declared in declarations(**overrides):
        for name, value in declared.items():
            if name in ("resources", "constraints"):
                whole[name].extend(value)
            elif name != "wait":
                whole[name] = value
    return whole


def resource(declared: dict[str, Any], identity: str) -> dict[str, Any]:
    """One resource of a declaration."""
    return next(one for one in declared["resources"] if one["id"] == identity)
