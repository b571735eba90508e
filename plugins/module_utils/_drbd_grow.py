# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Letting a DRBD resource and its file system use backing disks that have grown; pure but for reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ansible_collections.kwdb.ha.plugins.module_utils._disk import Metadata
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import EXT_MAGIC
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, State, VolumeState
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import Configured
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_size import usable_bytes

# Less is rounding: DRBD works in 4 KiB, and with bitmaps of more than one peer.
NOTICEABLE = 1024 * 1024
XFS_MAGIC = b"XFSB"


@dataclass(frozen=True)
class Growth:
    """One volume that can be larger than it is."""

    number: int
    device: str
    before: int
    after: int


def filesystem_size(head: bytes) -> tuple[str, int]:
    """Kind and size in bytes of the file system in the first 4 KiB of a device; nothing for others."""
    if head[:4] == XFS_MAGIC:
        block, blocks = struct.unpack_from(">IQ", head, 4)
        return "xfs", block * blocks
    if len(head) >= 2048 and struct.unpack_from("<H", head, 1024 + 56)[0] == EXT_MAGIC:
        (low,) = struct.unpack_from("<I", head, 1024 + 4)
        (shift,) = struct.unpack_from("<I", head, 1024 + 24)
        (wide,) = struct.unpack_from("<I", head, 1024 + 96)
        (high,) = struct.unpack_from("<I", head, 1024 + 336)
        blocks = low + ((high << 32) if wide & 0x80 else 0)
        return "ext4", blocks << (10 + shift)
    return "", 0


def check_whole(name: str, state: State | None, what: str) -> State:
    """Refuse to touch anything but a resource that is whole on both sides; what is the deed, as a word."""
    if state is None:
        raise Refused(f"{name} is not up here; start it on both hosts first")
    wanted = {
        "connection": "Connected",
        "replication": "Established",
        "disk": "UpToDate",
        "peer_disk": "UpToDate",
    }
    wrong = [
        f"{key.replace('_', ' ')} is {getattr(state, key)}, not {value}"
        for key, value in wanted.items()
        if getattr(state, key) != value
    ]
    if wrong:
        raise Refused(
            f"{name} is not {what}: {'; '.join(wrong)}. Wait until both sides are connected and UpToDate"
        )
    return state


def check_attached(name: str, state: State | None) -> State:
    """Refuse to judge metadata of a resource that this host does not have in use."""
    if state is None or not state.attached:
        raise Refused(f"{name} is not attached here, so its metadata cannot be compared with it")
    return state


def growth(volume: Configured, state: VolumeState, here: int, there: int | None) -> Growth | None:
    """How much larger a volume can be, as the smaller of both backing disks allows."""
    now = state.size_kib * 1024
    internal = volume.meta_disk == "internal"
    mine = usable_bytes(here, internal)
    both = mine if there is None else min(mine, usable_bytes(there, internal))
    if both < now:
        # The metadata have a bitmap for more peers than one, or the other side is the smaller.
        both = now
    if mine - now < NOTICEABLE:
        return None
    if there is None:
        raise Refused(
            f"{volume.disk} has grown; pass the size of the other host's disk too (peer_backing_bytes, "
            "backing_bytes in the volumes of drbd_info there)"
        )
    if both - now < NOTICEABLE:
        raise Refused(
            f"{volume.disk} has {here} bytes here and {there} on the other host: grow the disk of volume "
            f"{volume.number} there too, then run again"
        )
    return Growth(volume.number, volume.device, now, both)


def metadata_problem(volume: Configured, metadata: Metadata | None, size: int, uuid: str) -> str:
    """What is wrong with the metadata of a running volume; nothing when all is well."""
    where = volume.disk if volume.meta_disk == "internal" else volume.meta_disk
    if metadata is None:
        return (
            f"{where} shows no DRBD metadata at its end: this side would not come up after a crash"
        )
    if uuid and metadata.device_uuid != uuid:
        return f"{where} shows the metadata {metadata.device_uuid}, not this host's {uuid}"
    if metadata.data_bytes != size:
        return (
            f"the metadata on {where} speak of {metadata.data_bytes} bytes, the device has {size}"
        )
    return ""


def filesystem_command(kind: str, device: str, mounted_on: str) -> tuple[str, ...]:
    """The command that lets a mounted file system use its whole device."""
    return ("resize2fs", device) if kind == "ext4" else ("xfs_growfs", mounted_on)
