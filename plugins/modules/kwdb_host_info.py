#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kwdb_host_info
short_description: Read what a host has of KWDB
version_added: 0.1.0
description:
  - Reads packages, user, service, ports, mount point and certificates of KWDB on one host, and whether a virtual IP may be used there.
  - Works on a bare host, and changes nothing.
attributes:
  check_mode:
    support: full
    description: Whether the module says what it would change without changing it.
  diff_mode:
    support: N/A
    description: Whether the module shows what is different.
options:
  address:
    description: The host's own address on the network of the clients. Needed with O(vip).
    type: str
  vip:
    description:
      - A virtual IP. The host asks its network with ARP who has it, which does not disturb anybody.
      - Left out, RV(vip) is empty and the answer comes a second earlier.
    type: str
  probe_seconds:
    description: How long answers for O(vip) are waited for.
    type: float
    default: 1.0
  ports:
    description: TCP ports whose listeners are wanted.
    type: list
    elements: int
    default: []
  data_root:
    description: Directory that should be a mount point.
    type: path
    default: /var/lib/kaiwudb
  certs_dir:
    description: Folder of KWDB's certificates on the host.
    type: path
    default: /etc/kaiwudb/certs
  user:
    description: Operating system user of KWDB. Its group has the same name.
    type: str
    default: kaiwudb
  uid:
    description: Number whose owners are wanted.
    type: int
    default: 26257
  gid:
    description: Number whose owners are wanted.
    type: int
    default: 26257
  unit:
    description: The service.
    type: str
    default: kaiwudb.service
  packages:
    description: Packages whose installed versions are wanted.
    type: list
    elements: str
    default: [kaiwudb-libcommon, kaiwudb-server]
  vip_resource:
    description: Pacemaker's resource for the virtual IP.
    type: str
    default: ClusterIP
  filesystem_resource:
    description: Pacemaker's resource for the file system.
    type: str
    default: KaiwuFS
  database_resource:
    description: Pacemaker's resource for the database.
    type: str
    default: KaiwuDB
author:
  - kwdb.ha contributors (@kwdb)
"""

EXAMPLES = r"""
- name: Read what the host has of KWDB
  kwdb.ha.kwdb_host_info:
    address: 192.0.2.11
    vip: 192.0.2.100
    ports: [26257, 8080]
  register: kwdb_host
"""

RETURN = r"""
ca_certificate:
  description: The CA's certificate on the host, empty when there is none.
  type: str
  returned: success
certificates:
  description: Files in O(certs_dir) by name, with what tells whether a file has to be copied.
  type: dict
  returned: success
  sample:
    ca.crt:
      gid: 26257
      mode: "0644"
      sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
      uid: 0
cluster:
  description: What the cluster has, empty values where there is none.
  type: dict
  returned: success
  sample: {database_agent: ocf:kwdb:kaiwudb, filesystem_directory: /var/lib/kaiwudb, vip: 192.0.2.100}
data_root:
  description: What is mounted on O(data_root), and who owns it.
  type: dict
  returned: success
  sample: {fstype: ext4, gid: 26257, mode: "0750", mounted: true, source: /dev/drbd3, uid: 26257}
listeners:
  description: Who listens on O(ports).
  type: list
  elements: dict
  returned: success
  sample:
    - {pid: 812, port: 26257, process: kwbase, unit: kaiwudb.service}
packages:
  description: Installed versions by name, empty when not installed.
  type: dict
  returned: success
  sample: {kaiwudb-libcommon: 3.2.1, kaiwudb-server: 3.2.1}
service:
  description: State of O(unit) in systemd's words.
  type: dict
  returned: success
  sample: {active_state: active, enabled_state: static, needs_reload: false}
user:
  description: The user and group, and who has O(uid) and O(gid). Numbers are -1 and names empty where there is nobody.
  type: dict
  returned: success
  sample: {gid: 26257, gid_owner: kaiwudb, group_gid: 26257, uid: 26257, uid_owner: kaiwudb}
vip:
  description: Whether O(vip) may be used on the host.
  type: dict
  returned: success
  sample:
    answered_by: []
    in_network: true
    interface: eth0
    local: false
    mac: "52:54:00:00:00:01"
    network: 192.0.2.0/24
    prefix: 24
"""

import grp
import ipaddress
import os
import pwd
import stat
from typing import Any, Callable
from xml.etree import ElementTree

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import _cib
from ansible_collections.kwdb.ha.plugins.module_utils._command import (
    CommandFailed,
    CommandMissing,
    Runner,
)
from ansible_collections.kwdb.ha.plugins.module_utils._files import checksum
from ansible_collections.kwdb.ha.plugins.module_utils._kwdb_host import (
    listeners,
    mount_of,
    network_of,
    networks_of,
    probe,
    properties_of,
)


def packages(run: Runner, names: list[str]) -> dict[str, str]:
    """Installed versions."""
    form = "${Package}\t${db:Status-Status}\t${Version}\n"
    if not names or not run.has("dpkg-query"):
        return dict.fromkeys(names, "")
    # 1: one of the names is not known
    text = run(["dpkg-query", "--show", f"--showformat={form}", *names], ok=(0, 1)).stdout
    lines = [line.split("\t") for line in text.splitlines()]
    there = {line[0]: line[2] for line in lines if line[1] == "installed"}
    return {name: there.get(name, "") for name in names}


def service(run: Runner, unit: str) -> dict[str, Any]:
    """State of the unit."""
    argv = ["systemctl", "show", "--property=ActiveState,UnitFileState,NeedDaemonReload", unit]
    try:
        found = properties_of(run(argv, ok=(0, 1)).stdout)  # 1: systemd is not in charge here
    except CommandMissing:
        found = {}
    return {
        "active_state": found.get("ActiveState", "inactive"),
        "enabled_state": found.get("UnitFileState", ""),
        "needs_reload": found.get("NeedDaemonReload") == "yes",
    }


def _entry(read: Callable[[Any], Any], key: Any) -> Any:
    try:
        return read(key)
    except KeyError:
        return None


def user(name: str, uid: int, gid: int) -> dict[str, Any]:
    """The user and its group by name, and the owners of the numbers."""
    account, group = _entry(pwd.getpwnam, name), _entry(grp.getgrnam, name)
    uid_owner, gid_owner = _entry(pwd.getpwuid, uid), _entry(grp.getgrgid, gid)
    return {
        "uid": account.pw_uid if account else -1,
        "gid": account.pw_gid if account else -1,
        "group_gid": group.gr_gid if group else -1,
        "uid_owner": uid_owner.pw_name if uid_owner else "",
        "gid_owner": gid_owner.gr_name if gid_owner else "",
    }


def data_root(path: str) -> dict[str, Any]:
    """What is mounted on the data root."""
    with open("/proc/self/mountinfo", encoding="utf-8") as source:
        mount = mount_of(source.read(), path)
    found = os.stat(path) if os.path.isdir(path) else None
    return {
        "mounted": mount is not None,
        "source": mount["source"] if mount else "",
        "fstype": mount["fstype"] if mount else "",
        "uid": found.st_uid if found else -1,
        "gid": found.st_gid if found else -1,
        "mode": f"{found.st_mode & 0o7777:04o}" if found else "",
    }


def _in_cluster(run: Runner, path: str) -> ElementTree.Element | None:
    """An element of the running cluster's configuration; none when there is no such thing."""
    try:
        text = run(["cibadmin", "--query", "--xpath", path]).stdout
        return ElementTree.fromstring(text)
    except (CommandFailed, ElementTree.ParseError):
        return None  # no cluster, no resource: both are fine on a bare host


def _attribute(run: Runner, resource: str, name: str) -> str:
    """An option of a resource in the running cluster; empty when there is no such thing."""
    path = f"//primitive[@id='{resource}']/instance_attributes/nvpair[@name='{name}']"
    found = _in_cluster(run, path)
    return "" if found is None else found.get("value", "")


def _agent(run: Runner, resource: str) -> str:
    """The agent of a resource in the running cluster; empty when there is no such resource."""
    found = _in_cluster(run, f"//primitive[@id='{resource}']")
    return "" if found is None else _cib.agent_name(found)


def virtual_ip(run: Runner, params: dict[str, Any]) -> dict[str, Any]:
    """Whether the virtual IP may be used on this host."""
    vip, seconds = str(ipaddress.IPv4Address(params["vip"])), params["probe_seconds"]
    networks = networks_of(run(["ip", "-json", "address", "show"]).stdout)
    own = network_of(params["address"], networks)
    result = {
        "interface": own.interface if own else "",
        "mac": own.mac if own else "",
        "network": str(own.network) if own else "",
        "prefix": own.prefix if own else 0,
        "in_network": own is not None and ipaddress.IPv4Address(vip) in own.network,
        "local": network_of(vip, networks) is not None,
        "answered_by": [],
    }
    if own is not None and own.answers_arp and result["in_network"]:
        result["answered_by"] = probe(own, vip, seconds)
    return result


def ca_certificate(folder: str) -> str:
    """The CA's certificate on the host."""
    path = os.path.join(folder, "ca.crt")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as source:
        return source.read()


def certificates(folder: str) -> dict[str, dict[str, Any]]:
    """The files of the folder: checksum, owner and mode."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        seen = os.lstat(path)
        if stat.S_ISREG(seen.st_mode):
            found[name] = {
                "sha256": checksum(path),
                "uid": seen.st_uid,
                "gid": seen.st_gid,
                "mode": f"{seen.st_mode & 0o7777:04o}",
            }
    return found


def read(run: Runner, params: dict[str, Any]) -> dict[str, Any]:
    """Everything that was asked for."""
    return {
        "ca_certificate": ca_certificate(params["certs_dir"]),
        "certificates": certificates(params["certs_dir"]),
        "cluster": {
            "vip": _attribute(run, params["vip_resource"], "ip"),
            "filesystem_directory": _attribute(run, params["filesystem_resource"], "directory"),
            "database_agent": _agent(run, params["database_resource"]),
        },
        "data_root": data_root(params["data_root"]),
        "listeners": listeners(params["ports"]),
        "packages": packages(run, params["packages"]),
        "service": service(run, params["unit"]),
        "user": user(params["user"], params["uid"], params["gid"]),
        "vip": virtual_ip(run, params) if params["vip"] else {},
    }


def main() -> None:
    """Entry point."""
    names = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str"},
            "vip": {"type": "str"},
            "probe_seconds": {"type": "float", "default": 1.0},
            "ports": {"type": "list", "elements": "int", "default": []},
            "data_root": {"type": "path", "default": "/var/lib/kaiwudb"},
            "certs_dir": {"type": "path", "default": "/etc/kaiwudb/certs"},
            "user": {"type": "str", "default": "kaiwudb"},
            "uid": {"type": "int", "default": 26257},
            "gid": {"type": "int", "default": 26257},
            "unit": {"type": "str", "default": "kaiwudb.service"},
            "packages": {**names, "default": ["kaiwudb-libcommon", "kaiwudb-server"]},
            "vip_resource": {"type": "str", "default": "ClusterIP"},
            "filesystem_resource": {"type": "str", "default": "KaiwuFS"},
            "database_resource": {"type": "str", "default": "KaiwuDB"},
        },
        supports_check_mode=True,
        required_by={"vip": ["address"]},
    )
    try:
        result = read(Runner(module), module.params)
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except ValueError as exc:
        module.fail_json(msg=f"vip or address is not an IPv4 address: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"this host cannot be read: {exc}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
