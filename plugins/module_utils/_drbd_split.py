# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""After a split brain: which side may lose what it wrote, and saving that first."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, BinaryIO, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import open_fresh
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, State
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import Configured

CHUNK = 4 * 1024 * 1024
SNAPSHOT_CHUNK = 4096


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
    """Refuse a folder that cannot hold a copy of so many bytes."""
    if not os.path.isdir(folder):
        raise Refused(f"{folder} is not a directory; name one with room for {size} bytes")
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < size:
        raise Refused(
            f"{folder} has {free.f_bavail * free.f_frsize} bytes free, {size} are needed; name a larger one"
        )


def fill_image(reading: int, image: BinaryIO, source: str, size: int) -> int:
    """Copy the first bytes of an open device into a new sparse file; how many bytes are not zero."""
    written = 0
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
    return written


def copy_image(source: str, target: str, size: int) -> int:
    """Copy the first bytes of a device into a new file, which is whole or not there; how many are not zero."""
    reading = open_fresh(source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(target, flags, 0o600), "wb") as image:
            try:
                return fill_image(reading, image, source, size)
            except BaseException:
                # Half an image looks like a whole one to whoever needs it later.
                os.unlink(target)
                raise
    finally:
        os.close(reading)


@dataclass(frozen=True)
class Logical:
    """A logical volume, and the room in its volume group."""

    group: str
    name: str
    size: int
    extent: int
    free: int

    @property
    def extents(self) -> int:
        """How many extents a snapshot takes that can hold a change of every byte."""
        # As LVM itself reckons the largest useful snapshot: a header, and an entry of 16 bytes for each chunk.
        areas = -(-self.size // SNAPSHOT_CHUNK) // (SNAPSHOT_CHUNK // 16) + 1
        return -(-(self.size + (areas + 1) * SNAPSHOT_CHUNK) // self.extent)


@dataclass(frozen=True)
class Saving:
    """How one volume is saved: into an image file, or by a snapshot of the logical volume below it."""

    volume: Configured
    target: str
    size: int
    logical: Logical | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The command that takes the snapshot; none for an image."""
        return save_command(self.logical, self.target) if self.logical else ()


def logical_volume(run: Runner, disk: str) -> Logical | None:
    """The logical volume that a disk is, by whichever name; None for others."""
    if not run.has("lvs"):
        return None
    number = os.stat(disk).st_rdev
    # By its number: lvs knows /dev/VG/LV, but not a name under /dev/disk.
    chosen = f"lv_kernel_major={os.major(number)} && lv_kernel_minor={os.minor(number)}"
    wanted = "vg_name,lv_name,lv_size,vg_extent_size,vg_free_count"
    argv = ["lvs", "--noheadings", "--units", "b", "--nosuffix", "--separator", "/"]
    found = run([*argv, "--options", wanted, "--select", chosen]).stdout.split()
    if not found:
        return None
    group, name, *numbers = found[0].split("/")
    size, extent, free = (int(one) for one in numbers)
    return Logical(group, name, size, extent, free)


def save_command(logical: Logical, target: str) -> tuple[str, ...]:
    """The command that takes a snapshot which cannot overflow."""
    # A number, no percentage: of 100%ORIGIN lvcreate makes as much as happens to be free, and says nothing. Such
    # a snapshot is lost as soon as more has changed.
    size = ("--extents", str(logical.extents), "--chunksize", f"{SNAPSHOT_CHUNK}b")
    name = target.partition("/")[2]
    return ("lvcreate", "--snapshot", *size, "--name", name, f"{logical.group}/{logical.name}")


def plan_saving(
    volume: Configured, state: State, logical: Logical | None, folder: str, image: str, stamp: str
) -> Saving:
    """How one volume is saved. Pure."""
    if logical:
        target = f"{logical.group}/{logical.name}-split-{stamp}"
        return Saving(volume, target, logical.extents * logical.extent, logical)
    return Saving(volume, os.path.join(folder, image), image_bytes(volume, state))


def check_complete(name: str, savings: Sequence[Saving], state: State) -> None:
    """Refuse when the kernel has a volume of which nobody knows where its data are: it would not be saved."""
    known = {one.volume.number for one in savings}
    missing = [str(one.number) for one in state.volumes if one.number not in known]
    if missing or not savings:
        raise Refused(
            f"/etc/drbd.d/{name}.res on this host does not have {name}'s volume {', '.join(missing)}, which the kernel "
            "has: it could not be saved, so nothing was changed. Put the resource's file back, then run again"
        )


def check_room(savings: Sequence[Saving], folder: str) -> None:
    """Refuse before anything has changed what could not be saved whole, all volumes together."""
    images = [one for one in savings if one.logical is None]
    if images:
        room_for(folder, sum(one.size for one in images))
    for logical in {one.logical.group: one.logical for one in savings if one.logical}.values():
        needed = sum(
            one.size for one in savings if one.logical and one.logical.group == logical.group
        )
        free = logical.free * logical.extent
        if free < needed:
            raise Refused(
                f"the volume group {logical.group} has {free} bytes free, {needed} are needed for a snapshot that "
                "holds all of the victim's data: nothing was changed. Add a disk to the group (vgextend), or "
                "save an image file elsewhere (snapshot: false and save_to; split_brain_snapshot and "
                "split_brain_save_to in the playbook)"
            )


def image_name(name: str, host: str, number: int, stamp: str) -> str:
    """What the image of one volume is called."""
    return f"{name}-{number}-{host}-{stamp}.img"


def stamp_now() -> str:
    """The time as part of a name."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def image_bytes(volume: Configured, state: State) -> int:
    """How much of a volume's disk holds data: the size of its device."""
    return state.volume(volume.number).size_kib * 1024
