# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""What one DRBD resource should be: checked input, and its text in the dialect of module 8.4 or 9."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import Any, Mapping

from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_options import (
    SECTIONS,
    check_options,
    option_text,
)

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
DISK = re.compile(r"/[^\s\"\\;{}#]+")
SECRET = re.compile(r"[A-Za-z0-9._~+/=@%:^-]+")
# The kernel's limit is 64 bytes with the closing zero.
SECRET_LENGTH = (16, 63)
# From manuals and tutorials; everybody can read them.
KNOWN_SECRETS = ("justaverificationtest", "foofunfactory", "changeme", "secret", "password")
INTERNAL = "internal"
FENCING = ("resource-and-stonith", "resource-only", "dont-care")
HANDLERS = {
    8: {
        "fence-peer": "/usr/lib/drbd/crm-fence-peer.sh",
        "unfence-peer": "/usr/lib/drbd/crm-unfence-peer.sh",
    },
    9: {
        "fence-peer": "/usr/lib/drbd/crm-fence-peer.9.sh",
        "unfence-peer": "/usr/lib/drbd/crm-unfence-peer.9.sh",
    },
}
NET = {
    "protocol": "C",
    "cram-hmac-alg": "sha256",
    "verify-alg": "crc32c",
    # A side that wrote nothing since the split has nothing to lose. Everything else is for a person.
    "after-sb-0pri": "discard-zero-changes",
    "after-sb-1pri": "disconnect",
    "after-sb-2pri": "disconnect",
    "rr-conflict": "disconnect",
}
DISK_OPTIONS = {"on-io-error": "detach"}
# Module 9 promotes on open unless told not to: promotion is Pacemaker's alone.
OPTIONS = {8: {}, 9: {"auto-promote": "no"}}
UNSAFE_FLUSHES = ("disk-flushes", "md-flushes", "disk-barrier", "disk-drain")


@dataclass(frozen=True)
class Node:
    """One host of the pair as DRBD knows it."""

    name: str
    address: str
    port: int
    node_id: int


@dataclass(frozen=True)
class Place:
    """Where one host keeps one volume: the backing disk, and its metadata."""

    disk: str
    meta_disk: str = INTERNAL

    @property
    def internal(self) -> bool:
        """Whether the metadata lie at the end of the backing disk."""
        return self.meta_disk == INTERNAL


@dataclass(frozen=True)
class Volume:
    """One replicated device; its places are in the order of the nodes."""

    number: int
    minor: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Definition:
    """What one resource should be."""

    name: str
    nodes: tuple[Node, ...]
    volumes: tuple[Volume, ...]
    secret: str
    fencing: str = FENCING[0]
    net: Mapping[str, Any] = field(default_factory=dict)
    disk: Mapping[str, Any] = field(default_factory=dict)
    peer_device: Mapping[str, Any] = field(default_factory=dict)
    handlers: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    startup: Mapping[str, Any] = field(default_factory=dict)
    battery_backed_cache: bool = False

    def index_of(self, host: str) -> int:
        """The place of a host in the list of nodes."""
        return next(index for index, node in enumerate(self.nodes) if node.name == host)

    def part(self, volume: Volume) -> str:
        """The name by which drbdadm knows one volume; the resource's own when it is the only one."""
        return self.name if len(self.volumes) == 1 else f"{self.name}/{volume.number}"


def check_secret(secret: str) -> None:
    """Refuse a shared secret that others know, can guess, or that DRBD would not take."""
    remedy = "make one with: openssl rand -hex 24, and keep it in ansible-vault"
    shortest, longest = SECRET_LENGTH
    if not secret:
        raise Refused(f"shared_secret (drbd_shared_secret in the role) is missing; {remedy}")
    if any(known in secret.lower() for known in KNOWN_SECRETS):
        raise Refused(
            f"shared_secret (drbd_shared_secret in the role) is one that is printed in manuals; {remedy}"
        )
    if not shortest <= len(secret) <= longest:
        said = f"shared_secret (drbd_shared_secret in the role) has {len(secret)} characters, {shortest} to {longest} are wanted"
        raise Refused(f"{said}; {remedy}")
    if not SECRET.fullmatch(secret):
        raise Refused(f"shared_secret may hold letters, digits and ._~+/=@%:^- only; {remedy}")
    if len(set(secret)) < 6:
        raise Refused(f"shared_secret repeats too few different characters; {remedy}")


def _check_unsafe(want: Definition) -> None:
    """Refuse options that can cost data without a statement that makes them safe."""
    for section in (want.net, want.disk):
        if "fencing" in section:
            raise Refused("set fencing by the option fencing: its place depends on DRBD's version")
    if "shared-secret" in want.net:
        raise Refused("set the secret by the option shared_secret, which is kept out of logs")
    if "allow-two-primaries" in want.net:
        raise Refused(
            "net: allow-two-primaries destroys a file system that is not a cluster file system; leave it out"
        )
    if "become-primary-on" in want.startup:
        raise Refused(
            "startup: become-primary-on is refused: Pacemaker alone promotes; leave it out"
        )
    off = [
        key
        for key in UNSAFE_FLUSHES
        if key in want.disk and option_text(key, want.disk[key]) == "no"
    ]
    off += [f"no-{key}" for key in UNSAFE_FLUSHES if f"no-{key}" in want.disk]
    if off and not want.battery_backed_cache:
        raise Refused(
            f"{', '.join(off)} loses acknowledged writes at a power cut unless every cache below is "
            "battery backed; leave it out, or state battery_backed_cache: true"
        )


def _check_nodes(nodes: tuple[Node, ...]) -> None:
    """Refuse hosts that DRBD could not tell apart or reach."""
    if len(nodes) != 2:
        raise Refused(f"nodes lists {len(nodes)} hosts; a pair has exactly two")
    for key in ("name", "address", "node_id"):
        # DRBD takes names that differ in case only for the same host.
        if len({str(getattr(node, key)).lower() for node in nodes}) != 2:
            raise Refused(f"both entries of nodes have the same {key}")
    for node in nodes:
        _check_node(node)
    if len({ipaddress.ip_address(node.address).version for node in nodes}) != 1:
        raise Refused("nodes: one address is IPv4 and the other IPv6; use one family for both")


def _check_node(node: Node) -> None:
    """Refuse one entry of nodes that DRBD could not use."""
    if not HOST.fullmatch(node.name):
        raise Refused(f'nodes: "{node.name}" is not a host name')
    try:
        ipaddress.ip_address(node.address)
    except ValueError:
        raise Refused(
            f'nodes: address "{node.address}" of {node.name} is not an IP address'
        ) from None
    if not 1 <= node.port <= 65535:
        raise Refused(f"nodes: port {node.port} of {node.name} is not between 1 and 65535")
    if not 0 <= node.node_id <= 31:
        raise Refused(f"nodes: node_id {node.node_id} of {node.name} is not between 0 and 31")


def _check_volumes(want: Definition) -> None:
    """Refuse volumes that collide, or whose disks are no devices."""
    if not want.volumes:
        raise Refused("volumes: there is none; name a disk for each host")
    for key, word in (("number", "volume"), ("minor", "device_minor")):
        values = [getattr(volume, key) for volume in want.volumes]
        for value in values:
            if values.count(value) > 1:
                raise Refused(f"volumes: {word} {value} is there more than once")
    for volume in want.volumes:
        if not 0 <= volume.number <= 65534:
            raise Refused(f"volumes: volume {volume.number} is not between 0 and 65534")
        if not 0 <= volume.minor < 1 << 20:
            raise Refused(f"device_minor {volume.minor} is not between 0 and {(1 << 20) - 1}")
    for index, node in enumerate(want.nodes):
        used = [path for volume in want.volumes for path in _devices(volume.places[index])]
        for path in used:
            if not DISK.fullmatch(path):
                raise Refused(f'nodes: disk "{path}" of {node.name} is not the path of a device')
            if used.count(path) > 1:
                raise Refused(f"volumes: {path} of {node.name} is used more than once")


def _devices(place: Place) -> tuple[str, ...]:
    """The devices that a volume takes on one host."""
    return (place.disk,) if place.internal else (place.disk, place.meta_disk)


def check_definition(want: Definition, major: int) -> None:
    """Refuse what the parser would misread or what can never work, naming the option."""
    if not NAME.fullmatch(want.name) or want.name == "all":
        raise Refused(f'name "{want.name}" is not a name for a DRBD resource')
    if want.fencing not in FENCING:
        raise Refused(f'fencing "{want.fencing}" is none of {", ".join(FENCING)}')
    _check_nodes(want.nodes)
    _check_volumes(want)
    check_secret(want.secret)
    _check_unsafe(want)
    for section in SECTIONS:
        check_options(section, getattr(want, section), major)


# What a manual may recommend for a lab, and what it costs on machines that hold data.
RISKS = {
    ("net", "after-sb-0pri"): (
        ("discard-younger-primary", "discard-older-primary", "discard-least-changes"),
        "throws away writes of one side after a split, without asking",
    ),
    ("net", "after-sb-1pri"): (
        ("discard-secondary", "violently-as0p", "call-pri-lost-after-sb"),
        "throws away writes of one side after a split, without asking",
    ),
    ("net", "after-sb-2pri"): (
        ("violently-as0p", "call-pri-lost-after-sb"),
        "throws away writes of one side after a split, without asking",
    ),
    ("net", "rr-conflict"): (("violently", "auto-discard"), "may throw away writes of one side"),
    ("net", "protocol"): (("A", "B"), "loses acknowledged writes when the active host is lost"),
    ("disk", "on-io-error"): (("pass_on",), "goes on with a disk that has failed"),
}


def risks(want: Definition) -> tuple[str, ...]:
    """What was asked for that is allowed and can cost data."""
    return tuple(
        f"{section}: {key} {getattr(want, section)[key]} {cost}"
        for (section, key), (values, cost) in RISKS.items()
        if str(getattr(want, section).get(key)) in values
    )


def check_local_address(node: Node) -> None:
    """Refuse an address that this host does not have: drbdadm would say so only after the metadata."""
    family = socket.AF_INET6 if ":" in node.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((node.address, 0))
        except OSError as error:
            raise Refused(
                f"nodes: {node.name} does not have the address {node.address} ({error.strerror}); correct "
                "it (pair_replication_address in the inventory), or set it up on the host"
            ) from error


def _section(title: str, options: Mapping[str, Any]) -> list[str]:
    """The lines of one section, options in the order of their names."""
    if not options:
        return []
    lines = [f"    {key} {option_text(key, options[key])};" for key in sorted(options)]
    return [f"  {title} {{", *lines, "  }"]


def _volume_lines(volume: Volume, place: Place) -> list[str]:
    """The lines of one volume on one host."""
    meta = INTERNAL if place.internal else f'"{place.meta_disk}"'
    return [
        f"    volume {volume.number} {{",
        f"      device /dev/drbd{volume.minor} minor {volume.minor};",
        f'      disk "{place.disk}";',
        f"      meta-disk {meta};",
        "    }",
    ]


def _node_lines(want: Definition, index: int, major: int) -> list[str]:
    """The lines of one host."""
    node = want.nodes[index]
    version = ipaddress.ip_address(node.address).version
    address = f"ipv6 [{node.address}]" if version == 6 else f"ipv4 {node.address}"
    volumes = [_volume_lines(volume, volume.places[index]) for volume in want.volumes]
    return [
        f'  on "{node.name}" {{',
        *([f"    node-id {node.node_id};"] if major >= 9 else []),
        *(line for lines in volumes for line in lines),
        f"    address {address}:{node.port};",
        "  }",
    ]


def render(want: Definition, major: int) -> str:
    """The text of the resource's file in the dialect of DRBD's kernel module."""
    fencing = {} if want.fencing == "dont-care" else {"fencing": want.fencing}
    net = {**NET, **want.net, "shared-secret": want.secret}
    # Both dialects take the options of the synchronisation among those of the disk.
    disk = {**DISK_OPTIONS, **want.disk, **want.peer_device}
    (net if major >= 9 else disk).update(fencing)
    handlers = {**(HANDLERS[major] if fencing else {}), **want.handlers}
    lines = [
        "# Written by kwdb.ha.drbd_resource: the next run overwrites changes made by hand.",
        f'resource "{want.name}" {{',
        *_section("net", net),
        *_section("disk", disk),
        *_section("options", {**OPTIONS[major], **want.options}),
        *_section("startup", want.startup),
        *_section("handlers", handlers),
    ]
    for index in range(len(want.nodes)):
        lines += _node_lines(want, index, major)
    return "\n".join([*lines, "}", ""])


def secret_in(text: str) -> str:
    """The shared secret that a resource's file holds, or nothing."""
    found = re.search(r'^\s*shared-secret\s+"?([^";\s]*)"?;', text, re.MULTILINE)
    return found.group(1) if found else ""


def mask_secret(text: str, word: str = "********") -> str:
    """The text with the shared secret replaced."""
    return re.sub(r"^(\s*shared-secret\s+).*$", rf'\1"{word}";', text, flags=re.MULTILINE)


def handler_program(text: str, handler: str) -> str:
    """The program that a handler in the resource's file runs."""
    found = re.search(rf'^\s*{handler}\s+"?(/[^\s";]+)', text, re.MULTILINE)
    return found.group(1) if found else ""


def text_diff(path: str, before: str, after: str) -> dict[str, str]:
    """Before and after for --diff; a new secret is visible as such, its value never is."""
    same = secret_in(before) == secret_in(after)
    return {
        "before_header": path,
        "after_header": path,
        "before": mask_secret(before),
        "after": mask_secret(after, "********" if same or not before else "******** (another one)"),
    }
