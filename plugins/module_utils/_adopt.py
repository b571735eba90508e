# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""A running pair as inventory variables of this collection, without its secrets. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence
from xml.etree import ElementTree

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _corosync, _watchdog

Config = Mapping[str, Any]
CLUSTER_PORTS = ((2224, "tcp"), (5405, "udp"), (5406, "udp"))


class NoPair(Exception):
    """What runs here is not a pair that the roles could take over."""


@dataclass(frozen=True)
class DrbdHost:
    """One host in the configuration of a DRBD resource."""

    name: str
    device: str
    minor: int
    disk: str
    address: str
    port: int


@dataclass(frozen=True)
class Drbd:
    """A DRBD resource as drbdadm reads it, without its secret."""

    name: str
    hosts: tuple[DrbdHost, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """Everything that the variables are made from."""

    config: Config
    cluster: _corosync.Cluster
    drbd: Drbd
    # IPv4 addresses of the names in corosync.conf, as the host resolves them.
    resolved: Mapping[str, str] = field(default_factory=dict)
    secret_options: Sequence[str] = ()
    # The watchdog that fences the hosts, if sbd starts with the cluster.
    watchdog: _watchdog.Watchdog | None = None


def parse_drbd(text: str, name: str) -> Drbd:
    """One resource in what "drbdadm dump-xml" prints, with what is common to all."""
    root = ElementTree.fromstring(text)
    found = [one for one in root.iterfind("resource") if one.get("name") == name]
    if len(found) != 1:
        raise NoPair(f"the cluster runs DRBD's {name}, which is not in DRBD's configuration here")
    places = [*root.iterfind("common"), found[0]]
    options = {
        one.get("name", ""): one.get("value", "")
        for place in places
        for one in place.iterfind("section/option")
        if one.get("name") != "shared-secret"
    }
    hosts = tuple(_drbd_host(one) for one in found[0].iterfind("host"))
    return Drbd(name, hosts, options)


def _drbd_host(host: ElementTree.Element) -> DrbdHost:
    """One <host> of DRBD's configuration."""
    volume, address = host.find("volume"), host.find("address")
    device = None if volume is None else volume.find("device")
    if volume is None or address is None or device is None:
        raise NoPair(f"DRBD's host {host.get('name')} has no volume or no address")
    return DrbdHost(
        name=host.get("name", ""),
        device=device.text or "",
        minor=int(device.get("minor", "0")),
        disk=volume.findtext("disk") or "",
        address=address.text or "",
        port=int(address.get("port", "0")),
    )


def resources(config: Config) -> list[dict[str, Any]]:
    """The resources of a configuration in the form of pcs_config."""
    return list(config.get("resources") or [])


def by_agent(config: Config, agent: str) -> dict[str, Any]:
    """The one resource of an agent; a pair has exactly one of each."""
    found = [one for one in resources(config) if one.get("agent", "").split(".")[0] == agent]
    if len(found) != 1:
        names = ", ".join(one["id"] for one in found) or "none"
        raise NoPair(f"a pair has exactly one resource of {agent}; this cluster has {names}")
    return found[0]


def devices(config: Config) -> list[dict[str, Any]]:
    """The fence devices."""
    return [one for one in resources(config) if one.get("agent", "").startswith("stonith:")]


def drbd_resource(config: Config) -> str:
    """The name of the DRBD resource that the cluster manages."""
    return str(by_agent(config, "ocf:linbit:drbd")["options"]["drbd_resource"])


def device_of(config: Config, host: str) -> tuple[dict[str, Any] | None, str]:
    """The fence device that kills a host, and the host's name at that device."""
    for one in devices(config):
        options = one.get("options") or {}
        mapped = dict(
            pair.split(":", 1)
            for pair in re.split(r"[;,\s]+", str(options.get("pcmk_host_map", "")))
            if ":" in pair
        )
        if host in mapped:
            return one, mapped[host]
        if host in re.split(r"[,;\s]+", str(options.get("pcmk_host_list", ""))):
            return one, ""
    return None, ""


def secret_names(seen: Seen, resource: str) -> list[str]:
    """Options of a resource that were left out because nobody may read them."""
    prefix = re.compile(rf"resources\.{re.escape(resource)}\.(?:secret_)?options\.(.+)")
    found = (prefix.fullmatch(one) for one in seen.secret_options)
    return [one.group(1) for one in found if one]


def vault_name(host: str, option: str) -> str:
    """The variable for a secret of a host's fence device."""
    return "vault_fence_" + re.sub(r"\W", "_", f"{option}_{host}")


def fence_options(seen: Seen, host: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What pair_fence_options of a host is, and the place-holders that it needs in the vault."""
    device, plug = device_of(seen.config, host)
    if device is None:
        return {}, {}
    options = {
        name: value
        for name, value in (device.get("options") or {}).items()
        if name not in ("pcmk_host_map", "pcmk_host_list")
    }
    if plug:
        options["plug"] = plug
    vault = {}
    for name in secret_names(seen, device["id"]):
        vault[vault_name(host, name)] = ""
        options[name] = "{{ " + vault_name(host, name) + " }}"
    return options, vault


def _differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if defaults.get(name) != value}


def _group(seen: Seen) -> dict[str, Any]:
    """Names in the cluster, written down only where they are not the page's."""
    drbd, mount = (
        by_agent(seen.config, name) for name in ("ocf:linbit:drbd", "ocf:heartbeat:Filesystem")
    )
    clone = (drbd.get("clone") or {}).get("id", "")
    names = {
        "drbd_cluster_resource": drbd["id"],
        "drbd_cluster_clone": clone,
        "filesystem_cluster_resource": mount["id"],
        "filesystem_cluster_group": (mount.get("group") or {}).get("id", "KaiwuDBGrp"),
        "filesystem_cluster_clone": clone,
    }
    page = {
        "drbd_cluster_resource": "KaiwuData",
        "drbd_cluster_clone": "KaiwuData-clone",
        "filesystem_cluster_resource": "KaiwuFS",
        "filesystem_cluster_group": "KaiwuDBGrp",
        "filesystem_cluster_clone": "KaiwuData-clone",
    }
    return _differing(names, page)


def _links(seen: Seen) -> dict[str, Any]:
    """The links of the cluster, where they are not the two addresses of each host."""
    replication = {one.name: one.address for one in seen.drbd.hosts}
    there = {one.name: list(one.addresses) for one in seen.cluster.nodes}
    usual = {name: [address(seen, name), replication.get(name, "")] for name in there}
    return {} if there == usual else {"pacemaker_node_addresses": there}


def address(seen: Seen, host: str) -> str:
    """The IPv4 address of a host on the cluster's first link; nothing when it has no usable one."""
    for one in seen.cluster.nodes:
        if one.name == host and one.addresses:
            found = seen.resolved.get(one.addresses[0], one.addresses[0])
            return found if re.fullmatch(r"[\d.]+", found) and found[:4] != "127." else ""
    return ""


def group_variables(seen: Seen) -> dict[str, Any]:
    """Variables of the pair."""
    vip = by_agent(seen.config, "ocf:heartbeat:IPaddr2")["options"]
    mount = by_agent(seen.config, "ocf:heartbeat:Filesystem")["options"]
    first = seen.drbd.hosts[0]
    found: dict[str, Any] = {
        "pair_vip": str(vip["ip"]),
        "pair_vip_prefix": int(vip.get("cidr_netmask", 32)),
        "pacemaker_cluster_name": seen.cluster.name,
        "pacemaker_crypto": dict(seen.cluster.crypto),
        **_links(seen),
        "drbd_resource": seen.drbd.name,
        "drbd_minor": first.minor,
        "drbd_port": first.port,
        "filesystem_device": mount["device"],
        "filesystem_drbd_resource": seen.drbd.name,
        "filesystem_type": mount["fstype"],
        "filesystem_directory": mount["directory"],
        "kwdb_data_root": mount["directory"],
        **_group(seen),
        "pacemaker_hacluster_password": "{{ vault_hacluster_password }}",
        "drbd_shared_secret": "{{ vault_drbd_secret }}",
    }
    if "options" in mount:
        found["filesystem_options"] = mount["options"]
    for option in ("token", "consensus"):
        if option in seen.cluster.totem:
            found[f"pacemaker_{option}_ms"] = int(seen.cluster.totem[option])
    if seen.cluster.device:
        found["pacemaker_quorum_device"] = {"host": seen.cluster.device.host}
    if first.port != 7789:
        ports = (*CLUSTER_PORTS, (first.port, "tcp"))
        found["prereqs_cluster_ports"] = [{"port": p, "protocol": how} for p, how in ports]
    if any(_cib.same_agent(one["agent"], "systemd:kaiwudb") for one in resources(seen.config)):
        found["kwdb_resource_agent"] = "systemd"
    agents = {one["agent"].split(":", 1)[1] for one in devices(seen.config)}
    if len(agents) == 1:
        found["pacemaker_fence_agent"] = agents.pop()
    if seen.watchdog and not devices(seen.config):
        found["pacemaker_watchdog"] = seen.watchdog.device
    return found


def host_variables(seen: Seen) -> dict[str, dict[str, Any]]:
    """Variables of each host."""
    found: dict[str, dict[str, Any]] = {}
    for one in seen.drbd.hosts:
        options, _vault = fence_options(seen, one.name)
        found[one.name] = {
            "pair_address": address(seen, one.name),
            "pair_replication_address": one.address,
            "pair_disk": one.disk,
            **({"pair_fence_options": options} if options else {}),
        }
    return found


def vault(seen: Seen) -> dict[str, str]:
    """Place-holders for the secrets; never values."""
    found = {"vault_hacluster_password": "", "vault_drbd_secret": ""}
    for one in seen.drbd.hosts:
        found.update(fence_options(seen, one.name)[1])
    return found


def check(seen: Seen) -> None:
    """Refuse what the roles could not take over at all."""
    members = {one.name for one in seen.cluster.nodes}
    hosts = {one.name for one in seen.drbd.hosts}
    if len(members) != 2 or members != hosts:
        raise NoPair(
            f"a pair is two hosts that are in the cluster and in DRBD's resource; the cluster has"
            f" {', '.join(sorted(members))}, DRBD's {seen.drbd.name} has {', '.join(sorted(hosts))}"
        )
