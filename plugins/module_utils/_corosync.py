# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The cluster below Pacemaker: what corosync.conf says and the commands that make it so. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping, Sequence

# How each line of pcs wants to be told that nobody is there to answer its question.
DESTROY_WITHOUT_QUESTION = {(0, 10): (), (0, 11): ("--force",), (0, 12): ("--yes",)}


class CorosyncInvalid(Exception):
    """The text is not a corosync.conf, or not one that this collection may touch."""


@dataclass(frozen=True)
class Node:
    """A member of the cluster and its addresses, one per link."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Device:
    """A third vote: the host that runs corosync-qnetd, and how it decides who has the vote."""

    host: str
    # Of corosync's two, the one that corosync-qdevice(8) has for an even number of hosts.
    algorithm: str = "ffsplit"

    def text(self) -> str:
        """The device in a few words."""
        return f"{self.host} ({self.algorithm})"


@dataclass(frozen=True)
class Cluster:
    """What identifies a cluster, and the options that are compared."""

    name: str
    nodes: tuple[Node, ...]
    crypto: Mapping[str, str] = field(default_factory=dict)
    totem: Mapping[str, str] = field(default_factory=dict)
    quorum: Mapping[str, str] = field(default_factory=dict)
    device: Device | None = None
    # What the file says that the third vote counts; empty when it leaves that to corosync.
    device_votes: str = ""
    # How long a change of the membership waits for that vote; votequorum's own default.
    device_sync_ms: int = 30000

    def text(self) -> str:
        """The cluster in one line, for messages."""
        nodes = ", ".join(f"{one.name} ({', '.join(one.addresses)})" for one in self.nodes)
        return f"{self.name!r} with {nodes or 'no nodes'}"


def _sections(text: str) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """The sections of the file in their order: path and the options in it."""
    found: list[tuple[tuple[str, ...], dict[str, str]]] = []
    open_ones: list[tuple[tuple[str, ...], dict[str, str]]] = [((), {})]
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.endswith("{"):
            path = (*open_ones[-1][0], line[:-1].strip())
            open_ones.append((path, {}))
            found.append(open_ones[-1])
        elif line == "}":
            if len(open_ones) == 1:
                raise CorosyncInvalid(f"corosync.conf line {number}: a brace too many")
            open_ones.pop()
        elif ":" in line:
            name, _colon, value = line.partition(":")
            open_ones[-1][1][name.strip()] = value.strip()
        else:
            raise CorosyncInvalid(f"corosync.conf line {number}: neither option nor section")
    if len(open_ones) != 1:
        raise CorosyncInvalid("corosync.conf: a section is not closed")
    return found


def parse(text: str) -> Cluster:
    """The cluster that a corosync.conf describes."""
    totem: dict[str, str] = {}
    quorum: dict[str, str] = {}
    nodes: list[Node] = []
    device: Device | None = None
    counted, sync_ms = "", ""
    for path, options in _sections(text):
        if path == ("totem",):
            totem.update(options)
        elif path == ("quorum",):
            quorum.update(options)
        elif path == ("nodelist", "node"):
            links = sorted(name for name in options if re.fullmatch(r"ring\d_addr", name))
            addresses = tuple(options[name] for name in links)
            nodes.append(Node(options.get("name", ""), addresses))
        elif path == ("quorum", "device"):
            counted, sync_ms = options.get("votes", ""), options.get("sync_timeout", "")
        elif path == ("quorum", "device", "net"):
            device = Device(options.get("host", ""), options.get("algorithm", ""))
    return Cluster(
        name=totem.get("cluster_name", ""),
        nodes=tuple(nodes),
        crypto={
            "cipher": totem.get("crypto_cipher", "none"),
            "hash": totem.get("crypto_hash", "none"),
        },
        totem=totem,
        quorum=quorum,
        device=device,
        device_votes=counted,
        **({"device_sync_ms": int(sync_ms)} if sync_ms.isdigit() else {}),
    )


def is_distributions(cluster: Cluster) -> bool:
    """Whether this is exactly the one-node cluster that Debian and Ubuntu start at installation."""
    return (
        cluster.name == "debian"
        and cluster.nodes == (Node("node1", ("127.0.0.1",)),)
        and cluster.crypto == {"cipher": "none", "hash": "none"}
        and set(cluster.totem) <= {"version", "cluster_name", "crypto_cipher", "crypto_hash"}
    )


def is_same(current: Cluster, wanted: Cluster) -> bool:
    """Whether both are the same cluster, whatever its options."""
    names = [{one.name for one in cluster.nodes} for cluster in (current, wanted)]
    return current.name == wanted.name and names[0] == names[1]


def moved(current: Cluster, wanted: Cluster) -> list[str]:
    """Members whose link addresses are not the wanted ones."""
    there = {one.name: one.addresses for one in current.nodes}
    return [
        f"{one.name} has {', '.join(there[one.name])}, not {', '.join(one.addresses)}"
        for one in wanted.nodes
        if there[one.name] != one.addresses
    ]


def differences(current: Cluster, wanted: Cluster) -> list[str]:
    """Options that are declared, have another value, and are not changed in a cluster that is there."""
    found: list[str] = []
    for section in ("crypto", "quorum"):
        have, want = getattr(current, section), getattr(wanted, section)
        if section == "quorum":
            have = effective_quorum(current)
        found.extend(
            f"{section} {name} is {have.get(name, 'not set')}, not {value}"
            for name, value in sorted(want.items())
            if have.get(name) != value
        )
    if current.device and current.device != wanted.device:
        other = wanted.device.text() if wanted.device else "none"
        found.append(f"quorum device is {current.device.text()}, not {other}")
    return found


def effective_quorum(cluster: Cluster) -> dict[str, str]:
    """The quorum options with what corosync adds: votequorum(5) has two_node bring wait_for_all along."""
    implied = {"wait_for_all": "1"} if cluster.quorum.get("two_node") == "1" else {}
    return {**implied, **cluster.quorum}


def waits_for_all(cluster: Cluster) -> bool:
    """Whether a host that boots alone is to wait for the other one also when a third vote ends two_node."""
    return cluster.quorum.get("wait_for_all") == "1"


def counts_too_few(cluster: Cluster) -> bool:
    """Whether a host that boots alone takes its own vote and the third one for all that there are.

    corosync expects the votes of the hosts, and adds those of the device only when it works them out itself
    (corosync 3.1, votequorum.c, votequorum_readconfig). pcs writes them into the file, for the algorithm ffsplit
    demands it. wait_for_all then waits for as many votes as there are hosts.
    """
    return bool(cluster.device_votes) and "expected_votes" not in cluster.quorum


def all_votes(cluster: Cluster) -> int:
    """One of each host, and those that the file gives the device."""
    return len(cluster.nodes) + int(cluster.device_votes or 0)


def expects_too_many(cluster: Cluster) -> str:
    """What is wrong when the file expects more votes than there are, such as of a third vote that was taken away."""
    there = all_votes(cluster)
    expected = cluster.quorum.get("expected_votes", "")
    if not expected.isdigit() or int(expected) <= there:
        return ""
    return f"corosync.conf expects {expected} votes, and there are {there}"


def boots_alone(cluster: Cluster) -> bool:
    """Whether a host that boots alone gets a majority by the third vote, and with it what may be old data."""
    if cluster.device is None:
        return False
    return not waits_for_all(cluster) or counts_too_few(cluster)


def expect_votes(votes: int, path: str) -> list[str]:
    """Write the number of all votes into this host's file, the third one among them; pcs has no word for it."""
    line = f"/^quorum[[:space:]]*{{/a\\    expected_votes: {votes}"
    return ["sed", "-i", "-e", "/^[[:space:]]*expected_votes:/d", "-e", line, path]


def pcs_version(text: str) -> tuple[int, int]:
    """Major and minor version from what pcs --version prints."""
    found = re.match(r"\s*(\d+)\.(\d+)", text)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if version not in DESTROY_WITHOUT_QUESTION:
        known = ", ".join(f"{major}.{minor}" for major, minor in DESTROY_WITHOUT_QUESTION)
        raise CorosyncInvalid(f"pcs {text.strip()!r} is not supported; supported are {known}")
    return version


def destroy(version: tuple[int, int]) -> list[str]:
    """Take the cluster away from this host alone."""
    return ["pcs", "cluster", "destroy", *DESTROY_WITHOUT_QUESTION[version]]


def authenticate(wanted: Cluster) -> list[str]:
    """Make the members' pcsd known to each other; the password comes by standard input."""
    argv = ["pcs", "host", "auth", "-u", "hacluster"]
    for one in wanted.nodes:
        argv += [one.name, f"addr={one.addresses[0]}"]
    return argv


# How soon the third host notices that one is lost: when it has not been heard of for 1.2 times timeout (qnetd 3.0.3:
# heartbeats at 0.8 of it, times 1.5). And how long the others wait for its vote. corosync's own are 10000 and 30000:
# the hosts notice each other's loss in half of the first.
DEVICE_SYNC_MS = 10000
DEVICE_TIMES_MS = {"sync_timeout": str(DEVICE_SYNC_MS), "timeout": "3000"}
# What makes a changed file count, on all members.
TAKE_OVER = (["pcs", "cluster", "sync", "corosync"], ["corosync-cfgtool", "-R"])


def authenticate_device(device: Device) -> list[str]:
    """Make the pcsd of the third vote's host known; the password comes by standard input."""
    return ["pcs", "host", "auth", "-u", "hacluster", device.host]


def add_device(device: Device) -> list[str]:
    """Add the third vote to the running cluster, on all members and at each boot."""
    argv = ["pcs", "quorum", "device", "add", *_pairs(DEVICE_TIMES_MS), "model", "net"]
    return [*argv, f"host={device.host}", f"algorithm={device.algorithm}"]


# Not votequorum's keys in cmap: they do not say whether the device votes.
QUORUM = ["corosync-quorumtool", "-s"]


def votes(text: str) -> tuple[int, int]:
    """Votes that are there and votes that are expected, from corosync-quorumtool."""
    found = dict(re.findall(r"^(Total|Expected) votes:\s*(\d+)", text, re.MULTILINE))
    return int(found.get("Total", 0)), int(found.get("Expected", 0))


def device_votes(text: str) -> bool:
    """Whether the third vote counts on this host, from corosync-quorumtool; its line has the number of its votes."""
    found = re.search(r"^\s+0\s+(\d+)\s+Qdevice\b", text, re.MULTILINE)
    return found is not None and found.group(1) != "0"


def _pairs(options: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(options.items())]


def setup(wanted: Cluster) -> list[str]:
    """Configure the cluster on all members, start it there and at each boot.

    pcs refuses hosts that are in another cluster. One command, because each start of pcs takes seconds.
    """
    argv = ["pcs", "cluster", "setup", "--start", "--enable", wanted.name]
    for one in wanted.nodes:
        argv += [one.name, *(f"addr={address}" for address in one.addresses)]
    argv += ["transport", "knet"]
    sections: Sequence[tuple[str, Mapping[str, str]]] = (
        ("crypto", wanted.crypto),
        ("totem", wanted.totem),
        ("quorum", wanted.quorum),
    )
    for keyword, options in sections:
        if options:
            argv += [keyword, *_pairs(options)]
    return argv


RUNNING = ["corosync-cmapctl", "runtime.config.totem."]


def running_totem(text: str) -> dict[str, str]:
    """The totem options that corosync works with, its defaults among them, from corosync-cmapctl."""
    found = re.findall(r"^runtime\.config\.totem\.(\S+) \(\w+\) = (.*)$", text, re.MULTILINE)
    return {name: value.strip() for name, value in found}


def totem_changes(
    current: Cluster, wanted: Cluster, running: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The declared totem options that have another value; one left to corosync has its default."""
    have = {**(running or {}), **current.totem}
    return {name: value for name, value in wanted.totem.items() if have.get(name) != value}


def update(changes: Mapping[str, str]) -> list[str]:
    """Change totem options on all members; a running corosync takes them over."""
    return ["pcs", "cluster", "config", "update", "totem", *_pairs(changes)]
