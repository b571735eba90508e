"""What tells others how to reach the hosts: an Ansible inventory and an ssh configuration."""

from __future__ import annotations

import json
from typing import Any

from . import layout
from .layout import Host, Lab

SSH_OPTIONS = {
    "User": "root",
    "IdentitiesOnly": "yes",
    "StrictHostKeyChecking": "yes",
    "PreferredAuthentications": "publickey",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "6",
    "ControlMaster": "auto",
    "ControlPersist": "600",
    "LogLevel": "ERROR",
}


def ssh_options(lab: Lab) -> dict[str, str]:
    """The ssh options for every host."""
    return {
        **SSH_OPTIONS,
        "IdentityFile": f"{lab.run_dir}/ssh_key",
        "UserKnownHostsFile": f"{lab.run_dir}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        # Short: a socket's path ends at 107 bytes.
        "ControlPath": f"{lab.state}/s-%h-%r",
    }


def ssh_config(lab: Lab) -> str:
    """An ssh configuration with a block for each host."""
    common = "".join(f"  {name} {value}\n" for name, value in ssh_options(lab).items())
    return "".join(f"Host {h.name}\n  HostName {h.address}\n{common}\n" for h in lab.hosts)


def host_vars(lab: Lab, host: Host, password: str) -> dict[str, Any]:
    """The variables of one host."""
    return {
        "ansible_host": host.address,
        "pair_address": host.address,
        "pair_replication_address": host.replication_address,
        "pair_disk": layout.DATA_DISK,
        "pair_fence_options": {
            "ip": layout.OUTSIDE,
            "ipport": host.bmc_port,
            "lanplus": True,
            # Else ipmitool asks for the list of suites, which the simulator never answers: 10 s.
            "cipher": 3,
            # The agent asks for the state after each order, until it is the right one; its own two seconds
            # before it asks for the first time are for controllers that answer wrongly at first.
            "power_wait": 0,
            "username": layout.BMC_USER,
            "password": password,
        },
    }


def values(lab: Lab, passwords: dict[str, str]) -> dict[str, Any]:
    """The whole inventory as values."""
    arguments = " ".join(
        f"-o {name}={value}"
        for name, value in ssh_options(lab).items()
        if name not in ("User", "IdentityFile")
    )
    pair = {
        "hosts": {h.name: host_vars(lab, h, passwords[h.name]) for h in lab.hosts},
        "vars": {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": f"{lab.run_dir}/ssh_key",
            "ansible_ssh_common_args": f"-F /dev/null {arguments}",
            "pair_vip": layout.VIP,
            "pair_vip_prefix": layout.PREFIX,
        },
    }
    return {"all": {"children": {"kwdb_pair": pair}}}


def scalar(value: Any) -> str:
    """One value as YAML; JSON's words and strings are YAML's too."""
    return json.dumps(value)


def to_yaml(tree: dict[str, Any], depth: int = 0) -> str:
    """Nested mappings as YAML in block style."""
    text = ""
    for key, value in tree.items():
        indent = "  " * depth
        if isinstance(value, dict):
            text += f"{indent}{key}:\n{to_yaml(value, depth + 1)}"
        else:
            text += f"{indent}{key}: {scalar(value)}\n"
    return text
