# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What a host says about KWDB's address, ports, user, packages and service; nothing is changed."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, Iterable

LISTEN = "0A"
ARP = 0x0806


@dataclass(frozen=True)
class Network:
    """The network of one of the host's addresses."""

    interface: str
    mac: str
    address: str
    prefix: int
    answers_arp: bool

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The network as a value."""
        return ipaddress.IPv4Network(f"{self.address}/{self.prefix}", strict=False)


def networks_of(text: str) -> list[Network]:
    """The IPv4 networks in the output of `ip -json address show`."""
    found = []
    for link in json.loads(text or "[]"):
        speaks = link.get("link_type") == "ether" and "NOARP" not in link.get("flags", [])
        for one in link.get("addr_info", []):
            if one.get("family") == "inet":
                mac = link.get("address", "")
                found.append(Network(link["ifname"], mac, one["local"], one["prefixlen"], speaks))
    return found


def network_of(address: str, networks: Iterable[Network]) -> Network | None:
    """The network that an address of the host belongs to."""
    return next((one for one in networks if one.address == address), None)


def listening_inodes(text: str) -> dict[int, int]:
    """Ports with a listener and its socket, from /proc/net/tcp or tcp6."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] == LISTEN:
            found[int(words[1].rpartition(":")[2], 16)] = int(words[9])
    return found


def unit_of(cgroup: str) -> str:
    """The systemd unit in the text of /proc/PID/cgroup."""
    for line in cgroup.splitlines():
        for part in reversed(line.rpartition(":")[2].split("/")):
            if part.endswith((".service", ".scope", ".socket")):
                return part
    return ""


def properties_of(text: str) -> dict[str, str]:
    """NAME=VALUE lines of `systemctl show`."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}


def mount_of(mountinfo: str, directory: str) -> dict[str, str] | None:
    """Source and type of what is mounted on a directory, from /proc/self/mountinfo."""
    found = None
    for line in mountinfo.splitlines():
        left, _dash, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        if len(words) > 4 and len(kind) > 1 and _plain(words[4]) == directory:
            found = {"fstype": kind[0], "source": _plain(kind[1])}  # the last one is on top
    return found


def _plain(text: str) -> str:
    """A path without the octal escapes of mountinfo."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def arp_request(mac: str, target: str) -> bytes:
    """An address probe: it asks for the target and claims no address (RFC 5227)."""
    sender = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack("!6s6sH", b"\xff" * 6, sender, ARP)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    nobody = b"\0" * 4
    return head + body + sender + nobody + b"\0" * 6 + socket.inet_aton(target)


def arp_sender(frame: bytes, target: str) -> str:
    """Who says in a frame that the target is his; empty when nobody does."""
    if len(frame) < 42 or struct.unpack_from("!H", frame, 12)[0] != ARP:
        return ""
    if struct.unpack_from("!H", frame, 20)[0] != 2 or frame[28:32] != socket.inet_aton(target):
        return ""
    return ":".join(f"{byte:02x}" for byte in frame[22:28])


def probe(network: Network, target: str, seconds: float) -> list[str]:
    """Hardware addresses that answer for an address on a network; asked twice."""
    answers: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as wire:
        wire.bind((network.interface, ARP))
        for _attempt in range(2):
            wire.send(arp_request(network.mac, target))
            end = time.monotonic() + seconds / 2
            while time.monotonic() < end:
                wire.settimeout(max(0.01, end - time.monotonic()))
                try:
                    answers.add(arp_sender(wire.recv(2048), target))
                except socket.timeout:
                    break
    return sorted(answers - {""})


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""


def _owner_of(inode: int) -> dict[str, Any]:
    """The process that holds a socket."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            for handle in os.scandir(f"/proc/{entry}/fd"):
                if os.readlink(handle.path) == f"socket:[{inode}]":
                    return {
                        "pid": int(entry),
                        "process": _read(f"/proc/{entry}/comm").strip(),
                        "unit": unit_of(_read(f"/proc/{entry}/cgroup")),
                    }
        except OSError:
            continue
    return {"pid": 0, "process": "unknown", "unit": ""}


def listeners(ports: Iterable[int]) -> list[dict[str, Any]]:
    """Who listens on some ports."""
    inodes = listening_inodes(_read("/proc/net/tcp6"))
    inodes.update(listening_inodes(_read("/proc/net/tcp")))
    return [
        {"port": port, **_owner_of(inodes[port])} for port in sorted(set(ports)) if port in inodes
    ]
