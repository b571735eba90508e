# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""What the kernel knows of one DRBD resource, in one form for module 8.4 and 9."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Iterable, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandMissing, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text

COUNTERS = (
    "read", "written", "al-writes", "bm-writes", "upper-pending", "lower-pending", "received", "sent",
    "pending", "unacked",
)  # fmt: skip


class Refused(Exception):
    """What was asked for is wrong or unsafe; the message carries the remedy."""


# From bad to good; what is not listed is worse than all.
DISKS = (
    "Diskless", "Failed", "Detaching", "Attaching", "Negotiating", "Inconsistent", "Outdated",
    "DUnknown", "Consistent", "UpToDate",
)  # fmt: skip
REPLICATIONS = ("Off", "Established")


@dataclass(frozen=True)
class VolumeState:
    """What the kernel says about one volume."""

    number: int = 0
    minor: int = -1
    disk: str = "Diskless"
    size_kib: int = 0
    replication: str = "Off"
    peer_disk: str = "DUnknown"
    out_of_sync_kib: int | None = None
    resync_suspended: str = "no"
    quorum: bool | None = None
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def attached(self) -> bool:
        """Whether the kernel holds the backing disk."""
        return self.disk not in ("Diskless", "Failed", "Detaching")


@dataclass(frozen=True)
class State:
    """What the kernel says about one resource; the same words for module 8.4 and 9.

    With several volumes, disks and replication are those of the volume that is worst off.
    """

    role: str = "Unknown"
    suspended: str = "no"
    write_ordering: str = ""
    minor: int = -1
    disk: str = "Diskless"
    size_kib: int = 0
    connection: str = "StandAlone"
    peer_role: str = "Unknown"
    replication: str = "Off"
    peer_disk: str = "DUnknown"
    out_of_sync_kib: int | None = None
    resync_suspended: str = "no"
    quorum: bool | None = None
    volumes: tuple[VolumeState, ...] = ()

    @property
    def attached(self) -> bool:
        """Whether the kernel holds the backing disk of every volume."""
        return self.disk not in ("Diskless", "Failed", "Detaching")

    def volume(self, number: int) -> VolumeState:
        """One volume; an empty one when the kernel does not have it."""
        found = [one for one in self.volumes if one.number == number]
        return found[0] if found else VolumeState(number)

    @property
    def done_percent(self) -> float | None:
        """How much of the device is known to be equal on both sides."""
        if self.disk == self.peer_disk == "UpToDate":
            return 100.0
        if self.out_of_sync_kib is None or not self.size_kib or self.connection != "Connected":
            return None
        return round(100.0 * max(0.0, 1 - self.out_of_sync_kib / self.size_kib), 2)


def parse_module_version(text: str) -> str:
    """The version in /proc/drbd or in what modinfo says."""
    found = re.search(r"(?:version:\s*)?(\d+\.\d+[0-9A-Za-z.+-]*)", text)
    return found.group(1) if found else ""


def module_loaded() -> bool:
    """Whether the kernel has DRBD loaded; asking drbdsetup would load it."""
    return os.path.exists("/proc/drbd")


def module_version(run: Runner) -> str:
    """The version of DRBD's kernel module: of the loaded one, else of the one that would load."""
    # drbd-utils' own way to prepare a host for another kernel than the running one.
    override = os.environ.get("DRBD_DRIVER_VERSION_OVERRIDE")
    if override:
        return override
    if module_loaded():
        return parse_module_version(read_text("/proc/drbd"))
    try:
        return parse_module_version(
            run(["modinfo", "--field", "version", "drbd"], ok=(0, 1)).stdout
        )
    except CommandMissing:
        return ""


def major_of(version: str) -> int:
    """The dialect that goes with a version of the kernel module."""
    if not version:
        raise Refused(
            f"the running kernel {os.uname().release} has no DRBD module; install the package that "
            "brings it (linux-modules-extra-VERSION on Ubuntu, kmod-drbd from ELRepo on EL), or boot "
            "a kernel that has it"
        )
    if not version.startswith(("8.4.", "9.")):
        raise Refused(f"DRBD's kernel module is {version}; 8.4 and 9 are supported")
    return int(version.split(".")[0])


def has_hmac(run: Runner, algorithm: str) -> bool:
    """Whether the kernel has a hash for the shared secret, loaded or to be loaded on demand."""
    if re.search(rf"^name\s*:\s*{re.escape(algorithm)}$", read_text("/proc/crypto"), re.MULTILINE):
        return True
    try:
        return run(["modinfo", "--field", "name", f"crypto-{algorithm}"], ok=(0, 1)).rc == 0
    except CommandMissing:
        return False


def dialect(version: str) -> dict[str, str]:
    """The environment that makes drbdadm read the file as the kernel module's version wants it.

    Without a loaded module drbdadm takes every file for one of version 9.
    """
    return {"DRBD_DRIVER_VERSION_OVERRIDE": version}


def parse_events(text: str, name: str) -> State | None:
    """The state of one resource from "drbdsetup events2 --now --statistics"."""
    state: State | None = None
    volumes: dict[int, VolumeState] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] != "exists":
            continue
        pairs = dict(word.split(":", 1) for word in words[2:] if ":" in word)
        if pairs.get("name") != name:
            continue
        state = _merge_resource(state or State(), words[1], pairs)
        if words[1] in ("device", "peer-device"):
            number = int(pairs.get("volume", 0))
            volumes[number] = _merge_volume(volumes.get(number) or VolumeState(number), pairs)
    return _fold(state, [volumes[number] for number in sorted(volumes)]) if state else None


def _merge_resource(state: State, kind: str, pairs: Mapping[str, str]) -> State:
    """Add what one line says of the resource or of its connection."""
    if kind == "resource":
        return replace(
            state,
            role=pairs.get("role", state.role),
            suspended=pairs.get("suspended", state.suspended),
            write_ordering=pairs.get("write-ordering", state.write_ordering),
        )
    if kind == "connection":
        return replace(
            state,
            connection=pairs.get("connection", state.connection),
            peer_role=pairs.get("role", state.peer_role),
        )
    return state


def _merge_volume(volume: VolumeState, pairs: Mapping[str, str]) -> VolumeState:
    """Add what one line says of a device or of its peer's."""
    oos = pairs.get("out-of-sync")
    counters = {key.replace("-", "_"): int(pairs[key]) for key in COUNTERS if key in pairs}
    return replace(
        volume,
        minor=int(pairs.get("minor", volume.minor)),
        disk=pairs.get("disk", volume.disk),
        size_kib=int(pairs.get("size", volume.size_kib)),
        quorum=pairs["quorum"] == "yes" if "quorum" in pairs else volume.quorum,
        replication=pairs.get("replication", volume.replication),
        peer_disk=pairs.get("peer-disk", volume.peer_disk),
        resync_suspended=pairs.get("resync-suspended", volume.resync_suspended),
        out_of_sync_kib=volume.out_of_sync_kib if oos is None else int(oos),
        counters={**volume.counters, **counters},
    )


def _worst(values: Iterable[str], order: Sequence[str]) -> str:
    """The worst of some states; one in between that is not listed counts as not the best."""
    last = len(order) - 1
    return min(values, key=lambda one: order.index(one) if one in order else last - 0.5)


def _fold(state: State, volumes: Sequence[VolumeState]) -> State:
    """The resource with its volumes, as bad as the worst of them."""
    if not volumes:
        return state
    known = [one.out_of_sync_kib for one in volumes if one.out_of_sync_kib is not None]
    suspended = [one.resync_suspended for one in volumes if one.resync_suspended != "no"]
    quorums = [one.quorum for one in volumes if one.quorum is not None]
    return replace(
        state,
        minor=volumes[0].minor,
        disk=_worst((one.disk for one in volumes), DISKS),
        size_kib=sum(one.size_kib for one in volumes),
        replication=_worst((one.replication for one in volumes), REPLICATIONS),
        peer_disk=_worst((one.peer_disk for one in volumes), DISKS),
        out_of_sync_kib=sum(known) if known else None,
        resync_suspended=suspended[0] if suspended else "no",
        quorum=all(quorums) if quorums else None,
        volumes=tuple(volumes),
    )


def read_state(run: Runner, name: str) -> State | None:
    """What the kernel knows of the resource; None when it does not have it."""
    if not module_loaded():
        return None
    shown = run(["drbdsetup", "events2", "--now", "--statistics"])
    return parse_events(shown.stdout, name)


def parse_generation(text: str) -> int | None:
    """The current generation id: the first of the fields that get-gi prints."""
    found = re.match(r"\s*([0-9A-Fa-f]{1,16}):", text)
    return int(found.group(1), 16) if found else None


def format_generation(uuid: int | None) -> str:
    """A generation id in DRBD's own form; empty when it is not known."""
    return "" if uuid is None else f"{uuid:016X}"
