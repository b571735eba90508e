# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""After a split brain: which side may lose what it wrote, and saving that first."""

from __future__ import annotations

import os
import time
from typing import Any, Mapping

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import open_fresh
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, State
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import Configured

CHUNK = 4 * 1024 * 1024


def check_victim(
    name: str, here: str, victim: str, state: State | None, peer: Mapping[str, Any]
) -> None:
    """Refuse to discard anything that is not one side of a split with a good other side. Pure."""
    if state is None or not peer.get("running"):
        raise Refused(
            f"{name} must be up on both hosts, or nobody can tell which side is which; start it (an "
            "operator who has stopped it: pcs resource enable), then run again"
        )
    if state.role != "Secondary":
        raise Refused(
            f"{name} is {state.role} on {here}, which you named as the victim: services there still "
            f"write. Move them away first (pcs node standby {here}, wait, pcs node unstandby {here})"
        )
    if peer.get("disk") != "UpToDate":
        raise Refused(
            f"the disk of {name} on the other host is {peer.get('disk')}, not UpToDate: {victim} may be "
            "the only good side, and nothing is discarded"
        )
    if not state.attached:
        raise Refused(f"{name} has no disk on {here}: there is nothing to discard")


def is_split(state: State, peer: Mapping[str, Any]) -> bool:
    """Whether the two sides do not talk to each other because one or both gave up."""
    return state.connection != "Connected" and "StandAlone" in (
        state.connection,
        peer.get("connection"),
    )


def room_for(folder: str, size: int) -> None:
    """Refuse a folder that cannot hold a copy of so many bytes, or lies on what is being copied."""
    if not os.path.isdir(folder):
        raise Refused(f"{folder} is not a directory; name one with room for {size} bytes")
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < size:
        raise Refused(
            f"{folder} has {free.f_bavail * free.f_frsize} bytes free, {size} are needed; name a larger one"
        )


def copy_image(source: str, target: str, size: int) -> int:
    """Copy the first bytes of a device into a new sparse file; how many bytes are not zero."""
    written = 0
    reading = open_fresh(source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(target, flags, 0o600), "wb") as image:
            for start in range(0, size, CHUNK):
                chunk = os.pread(reading, min(CHUNK, size - start), start)
                if len(chunk) != min(CHUNK, size - start):
                    raise Refused(f"{source} cannot be read at byte {start}: nothing was discarded")
                if chunk.count(0) != len(chunk):
                    image.seek(start)
                    image.write(chunk)
                    written += len(chunk)
            image.truncate(size)
            image.flush()
            os.fsync(image.fileno())
    finally:
        os.close(reading)
    return written


def logical_volume(run: Runner, disk: str) -> str:
    """The name VG/LV of a disk that is a logical volume; nothing for others."""
    if not run.has("lvs"):
        return ""
    argv = ["lvs", "--noheadings", "--options", "lv_full_name", disk]
    return run(argv, ok=(0, 5)).stdout.strip()


def save_commands(volume: str, name: str, stamp: str) -> tuple[str, ...]:
    """The command that takes a snapshot of a logical volume, as large as itself."""
    snapshot = f"{volume.split('/')[-1]}-split-{stamp}"
    return ("lvcreate", "--snapshot", "--extents", "100%ORIGIN", "--name", snapshot, volume)


def image_path(folder: str, name: str, host: str, number: int, stamp: str) -> str:
    """Where the image of one volume goes."""
    return os.path.join(folder, f"{name}-{number}-{host}-{stamp}.img")


def stamp_now() -> str:
    """The time as part of a name."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def image_bytes(volume: Configured, state: State) -> int:
    """How much of a volume's disk holds data: the size of its device."""
    return state.volume(volume.number).size_kib * 1024
