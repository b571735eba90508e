# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What a block device holds, found without writing to it and without any tool but util-linux."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import struct
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import (
    describe_names,
    glimpse,
    mark_of,
    open_fresh,
    read_head,
)

MIB = 1024 * 1024
SMALLEST = 16 * MIB
SMALLEST_METADATA = 64 * 1024
# Both ends are read whole: most formats leave their marks there. Between them, samples: zeros at
# the start do not make a disk empty. 64 MiB in all, so even a slow disk answers in seconds.
END_BYTES = 2 * MIB
SAMPLE_BYTES = 64 * 1024
SAMPLES = 1024

MD_BLOCK = 4096
MD_MAGIC = {0x8374026B: "v08", 0x8374026C: "v08", 0x8374026D: "v09"}
MD_AL_CLEAN = 1 << 7
JUST_CREATED = 4

NAMES = {
    "LVM2_member": "an LVM physical volume",
    "crypto_LUKS": "an encrypted LUKS volume",
    "dos": "a partition table (dos)",
    "gpt": "a partition table (gpt)",
    "PMBR": "a partition table (gpt)",
    "linux_raid_member": "a member of a Linux md RAID",
    "swap": "swap space",
    "zfs_member": "a member of a ZFS pool",
    "bcache": "a bcache device",
    "drbd": "DRBD metadata",
}


class DiskRefused(Exception):
    """The device must not be used; the message names it, says why and what to do."""


@dataclass(frozen=True)
class Signature:
    """One format that blkid or wipefs recognised."""

    kind: str
    label: str = ""
    uuid: str = ""


@dataclass(frozen=True)
class Metadata:
    """The head of DRBD's metadata block, as it lies on the disk."""

    version: str
    device_uuid: str
    current_uuid: int
    clean: bool
    data_end: int
    # The size that the device had when it was last in use.
    data_bytes: int = 0

    @property
    def just_created(self) -> bool:
        """Whether these metadata have never described any data."""
        return is_just_created(self.current_uuid)


@dataclass(frozen=True)
class Facts:
    """Everything that was seen of one device."""

    path: str
    exists: bool = False
    is_block: bool = False
    real: str = ""
    size: int = 0
    read_only: bool = False
    serial: str = ""
    mounts: tuple[str, ...] = ()
    swap: bool = False
    children: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    busy: bool = False
    fstab: str = ""
    signatures: tuple[Signature, ...] = ()
    metadata: Metadata | None = None
    former_metadata: Metadata | None = None
    data_at: int | None = None
    # Names at the top of a file system, and words for bare contents, where they can be told.
    names: tuple[str, ...] = ()
    contents: str = ""


@dataclass(frozen=True)
class Triage:
    """The verdict on one device."""

    state: str
    what: str
    remedy: str = ""
    facts: Facts = field(default_factory=lambda: Facts(""))

    @property
    def message(self) -> str:
        """One sentence on the thing and one on the remedy."""
        return f"{self.facts.path} {self.what}. {self.remedy}".strip()

    def report(self) -> dict[str, Any]:
        """The verdict in the form that a module returns."""
        return {
            "state": self.state,
            "what": self.what,
            "path": self.facts.path,
            "device": self.facts.real,
            "size_bytes": self.facts.size,
            "serial": self.facts.serial,
            "signatures": [one.kind for one in self.facts.signatures],
        }


def is_just_created(uuid: int) -> bool:
    """Whether a generation id says that the disk never held data; its lowest bit is a role mark."""
    return uuid & ~1 == JUST_CREATED


def is_stable_name(path: str) -> bool:
    """Whether a name means the same disk after the next boot."""
    if path.startswith(("/dev/disk/by-", "/dev/mapper/")):
        return True
    # /dev/VG/LV is a link that LVM keeps.
    return os.path.islink(path) and os.path.basename(os.path.realpath(path)).startswith("dm-")


def read_metadata(descriptor: int, size: int, external: bool = False) -> Metadata | None:
    """Decode DRBD's metadata block, without drbd-utils and without its exclusive open.

    Internal metadata end with the device; external ones begin at the start of theirs.
    """
    offset = 0 if external else (size & ~(MD_BLOCK - 1)) - MD_BLOCK
    if offset < 0:
        return None
    block = os.pread(descriptor, MD_BLOCK, offset)
    if len(block) < 104:
        return None
    flags, magic = struct.unpack_from(">II", block, 56)
    version = MD_MAGIC.get(magic)
    if version is None:
        return None
    sectors, current = struct.unpack_from(">QQ", block, 0)
    (device,) = struct.unpack_from(">Q", block, 40 if version == "v08" else 48)
    al_offset, _al_extents, bm_offset = struct.unpack_from(">iIi", block, 68)
    return Metadata(
        version=version,
        device_uuid=f"{device:016x}",
        current_uuid=current,
        clean=bool(flags & MD_AL_CLEAN),
        data_bytes=512 * sectors,
        data_end=0 if external else max(0, offset + 512 * min(al_offset, bm_offset)),
    )


def sample_ranges(size: int) -> Iterator[tuple[int, int]]:
    """Offsets and lengths to read: both ends whole, and samples spread evenly between them."""
    if size <= 2 * END_BYTES + SAMPLES * SAMPLE_BYTES:
        for start in range(0, size, MIB):
            yield start, min(MIB, size - start)
        return
    yield 0, END_BYTES
    inner = size - 2 * END_BYTES - SAMPLE_BYTES
    for index in range(SAMPLES):
        start = END_BYTES + inner * index // (SAMPLES - 1)
        yield start & ~(MD_BLOCK - 1), SAMPLE_BYTES
    yield size - END_BYTES, END_BYTES


def first_data(descriptor: int, size: int) -> int | None:
    """The offset of the first byte that is not zero among the samples of the first size bytes."""
    for start, length in sample_ranges(size):
        chunk = os.pread(descriptor, length, start)
        if len(chunk) != length:
            raise OSError(errno.EIO, f"nothing comes back from byte {start + len(chunk)} on")
        if chunk.count(0) != length:
            return start + length - len(chunk.lstrip(b"\0"))
    return None


def parse_lsblk(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The device itself and everything that lies on it, from lsblk's JSON."""
    top = json.loads(text)["blockdevices"][0]
    below: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        for child in node.get("children") or []:
            below.append(child)
            walk(child)

    walk(top)
    return top, below


def mount_points(devices: Sequence[dict[str, Any]], mountinfo: str) -> tuple[str, ...]:
    """Where any of the devices is mounted; lsblk alone may name only one of several places."""
    found = [one["mountpoint"] for one in devices if one.get("mountpoint") not in (None, "[SWAP]")]
    numbers = {one["maj:min"].strip() for one in devices}
    for line in mountinfo.splitlines():
        words = line.split()
        if len(words) > 4 and words[2] in numbers:
            found.append(_unescape(words[4]))
    return tuple(sorted(set(found)))


def parse_blkid(text: str) -> list[Signature]:
    """The formats that blkid's export output names."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    found = []
    if pairs.get("TYPE"):
        uuid, label = pairs.get("UUID", ""), pairs.get("LABEL", "")
        found.append(Signature(pairs["TYPE"], label, uuid))
    if pairs.get("PTTYPE"):
        found.append(Signature(pairs["PTTYPE"], "", pairs.get("PTUUID", "")))
    return found


def parse_wipefs(text: str) -> list[Signature]:
    """The formats that wipefs's JSON lists; it says nothing at all when there are none."""
    if not text.strip():
        return []
    return [
        Signature(str(one["type"]), str(one.get("label") or ""), str(one.get("uuid") or ""))
        for one in json.loads(text)["signatures"]
    ]


def merge_signatures(*lists: Sequence[Signature]) -> tuple[Signature, ...]:
    """One signature of each kind, the more telling one first come."""
    found: dict[str, Signature] = {}
    for one in (signature for signatures in lists for signature in signatures):
        if one.kind not in found or (one.label and not found[one.kind].label):
            found[one.kind] = one
    return tuple(found.values())


def fstab_sources(text: str) -> list[str]:
    """The first field of each line of fstab."""
    fields = [line.split() for line in text.splitlines()]
    return [words[0] for words in fields if words and not words[0].startswith("#")]


def fstab_line(text: str, device: str, directory: str) -> str:
    """The line of fstab that would mount the device, or anything on the directory."""
    wanted = os.path.normpath(directory)
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith("#"):
            continue
        if words[0] == device or os.path.normpath(words[1]) == wanted:
            return " ".join(words)
    return ""


def mount_point_of(mountinfo: str, number: str) -> str:
    """Where a device with this number (MAJOR:MINOR) is mounted; nothing when it is not."""
    for line in mountinfo.splitlines():
        words = line.split()
        if len(words) > 4 and words[2] == number:
            return _unescape(words[4])
    return ""


def mounted_source(mountinfo: str, directory: str) -> str:
    """What is mounted on the directory, from /proc/self/mountinfo; the last mount is the visible one."""
    wanted = os.path.normpath(directory)
    source = ""
    for line in mountinfo.splitlines():
        before, sep, after = line.partition(" - ")
        if sep and _unescape(before.split()[4]) == wanted:
            source = _unescape(after.split()[1])
    return source


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes, such as \\040 for a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def _read(path: str) -> str:
    """The text of a file, nothing when there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _fstab_entry(real: str) -> str:
    """The fstab source that means this device, or nothing."""
    for source in fstab_sources(_read("/etc/fstab")):
        kind, sep, value = source.partition("=")
        folder = {"UUID": "uuid", "LABEL": "label", "PARTUUID": "partuuid"}.get(kind)
        path = f"/dev/disk/by-{folder}/{value}" if sep and folder else source
        if path.startswith("/dev/") and os.path.realpath(path) == real:
            return source
    return ""


def _is_busy(path: str) -> bool:
    """Whether the kernel says that somebody holds the device; opens it for reading only."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise DiskRefused(f"{path} cannot be opened: {error.strerror}") from error
        return True
    return False


def device_size(path: str) -> int:
    """The size of a block device in bytes, also while somebody else holds it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def metadata_on(path: str, external: bool = False) -> Metadata | None:
    """DRBD's metadata on a device, if there are any."""
    try:
        descriptor = open_fresh(path)
    except OSError:
        return None
    try:
        return read_metadata(descriptor, os.lseek(descriptor, 0, os.SEEK_END), external)
    finally:
        os.close(descriptor)


def _read_contents(run: Runner, facts: Facts, former_size: int, external: bool) -> Facts:
    """Add signatures, DRBD metadata and samples to what is known of a device that nobody holds."""
    # First, so that the tools too read what is there now.
    descriptor = open_fresh(facts.path)
    try:
        blkid = run(["blkid", "-p", "-o", "export", facts.path], ok=(0, 2, 8))
        wipefs = run(["wipefs", "--no-act", "--json", facts.path])
        metadata = read_metadata(descriptor, facts.size, external)
        former = read_metadata(descriptor, former_size) if former_size < facts.size else None
        data_at = first_data(descriptor, metadata.data_end if metadata else facts.size)
    except OSError as error:
        raise DiskRefused(f"{facts.path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    signatures = merge_signatures(parse_blkid(blkid.stdout), parse_wipefs(wipefs.stdout))
    return replace(
        facts,
        signatures=signatures,
        metadata=metadata,
        former_metadata=former,
        data_at=data_at,
        names=glimpse(run, facts.path, [one.kind for one in signatures]),
        contents="" if signatures or data_at is None else mark_of(read_head(facts.path)),
    )


def look(
    run: Runner, path: str, former_size: int = 0, also_busy: bool = False, external: bool = False
) -> Facts:
    """Read everything about a device; contents are read only when nobody holds it, or also_busy.

    former_size is where DRBD metadata ended when the device was last known, if it is known. external
    says that the device is there for metadata alone.
    """
    if not os.path.exists(path):
        return Facts(path)
    real = os.path.realpath(path)
    if not stat.S_ISBLK(os.stat(path).st_mode):
        return Facts(path, exists=True, real=real)
    columns = "NAME,PATH,MAJ:MIN,TYPE,SIZE,MOUNTPOINT,RO,SERIAL"
    listed = run(["lsblk", "--json", "--bytes", "--output", columns, path])
    top, below = parse_lsblk(listed.stdout)
    mounts = mount_points([top, *below], _read("/proc/self/mountinfo"))
    swap = any(one.get("mountpoint") == "[SWAP]" for one in [top, *below])
    facts = Facts(
        path=path,
        exists=True,
        is_block=True,
        real=real,
        size=int(top["size"]),
        # Older versions of lsblk say "1", later ones true.
        read_only=top.get("ro") in (True, "1"),
        serial=str(top.get("serial") or ""),
        mounts=mounts,
        swap=swap,
        partitions=tuple(one["path"] for one in below if one["type"] == "part"),
        children=tuple(one["path"] for one in below if one["type"] != "part"),
        busy=bool(mounts or swap or below) or _is_busy(path),
        fstab=_fstab_entry(real),
    )
    if (also_busy or not facts.busy) and facts.size >= (
        SMALLEST_METADATA if external else SMALLEST
    ):
        return _read_contents(run, facts, former_size, external)
    return facts


def _erase(path: str) -> str:
    return (
        f"If nobody needs what it holds, empty it by hand (blkdiscard --zeroout {path}), or let this "
        "module do it by the option wipe (drbd_wipe in the role); otherwise name another disk"
    )


def describe(signatures: Sequence[Signature]) -> str:
    """Words for what was recognised, such as "ext4 file system (label old-data)"."""
    words = []
    for one in signatures:
        name = NAMES.get(one.kind, f"a file system or other format of type {one.kind}")
        marks = [f"label {one.label}"] if one.label else []
        marks += [f"uuid {one.uuid}"] if one.uuid else []
        words.append(f"{name} ({', '.join(marks)})" if marks else name)
    return " and ".join(dict.fromkeys(words))


def _judge_use(facts: Facts) -> Triage | None:
    """The refusal that follows from who uses the device, if any."""
    free_it = "Free it first, or name another disk"
    if "/" in facts.mounts:
        what = "is the disk that this host runs from (/ is mounted from it)"
        return Triage("root_disk", what, "Name the empty data disk instead", facts)
    if facts.mounts:
        return Triage("mounted", f"is mounted on {', '.join(facts.mounts)}", free_it, facts)
    if facts.swap:
        return Triage("swap", "is in use as swap space", free_it, facts)
    if facts.partitions:
        what = f"has partitions ({', '.join(facts.partitions)})"
        remedy = (
            f"If nobody needs what they hold, empty it by hand (blkdiscard --zeroout {facts.path}); "
            "otherwise name another disk, or one of the partitions"
        )
        return Triage("partitions", what, remedy, facts)
    if facts.children:
        what = f"is part of {', '.join(facts.children)}"
        return Triage("holders", what, free_it, facts)
    if facts.busy:
        return Triage("busy", "is in use by a program or by the kernel", free_it, facts)
    if facts.fstab:
        remedy = "Remove that line: Pacemaker alone decides what is mounted where"
        return Triage("in_fstab", f"is listed in /etc/fstab as {facts.fstab}", remedy, facts)
    return None


def _judge_contents(facts: Facts) -> Triage:
    """The verdict on what the device holds."""
    inner = [one for one in facts.signatures if one.kind != "drbd"]
    files = f" {describe_names(facts.names)}" if facts.names else ""
    if facts.metadata:
        # The data of a DRBD device lie at the start of its disk: a file system beside the metadata
        # is what a working pair looks like. Whose metadata these are is for the caller to judge.
        what = f"holds DRBD metadata {facts.metadata.version} (uuid {facts.metadata.device_uuid})"
        what += f" and {describe(inner)}{files}" if inner else ""
        # drbdadm up does it: what was written just before the crash is marked for comparison.
        what += "" if facts.metadata.clean else ", not closed cleanly: apply-al is due"
        return Triage("drbd", what, _erase(facts.path), facts)
    if facts.signatures:
        what = f"holds {describe(facts.signatures)}{files}"
        return Triage("foreign", what, _erase(facts.path), facts)
    if facts.data_at is not None:
        kind = facts.contents or "data of unknown kind"
        what = f"holds {kind} (not zero at byte {facts.data_at})"
        return Triage("data", what, _erase(facts.path), facts)
    return Triage("blank", "is blank", "", facts)


def metadata_bytes(data_bytes: int) -> int:
    """How large a device for the metadata of so much data must be: superblock, activity log, bitmap."""
    bitmap = -(-data_bytes // (8 * MD_BLOCK))
    return MD_BLOCK + 32 * 1024 + -(-bitmap // MD_BLOCK) * MD_BLOCK


def judge(facts: Facts, allow_unstable_name: bool = False, smallest: int = SMALLEST) -> Triage:
    """Turn what was seen into one verdict; pure."""
    if not facts.exists:
        remedy = "Check the name with: ls -l /dev/disk/by-id"
        return Triage("absent", "does not exist on this host", remedy, facts)
    if not facts.is_block:
        remedy = "Name a whole disk, a partition or a logical volume"
        return Triage("not_a_disk", "is not a block device", remedy, facts)
    if not allow_unstable_name and not is_stable_name(facts.path):
        remedy = (
            "Use its name under /dev/disk/by-id, or say that this name is meant "
            "(allow_unstable_disk_name, drbd_allow_unstable_disk_name in the role)"
        )
        what = "is a name that can mean another disk after the next boot"
        return Triage("unstable_name", what, remedy, facts)
    used = _judge_use(facts)
    if used:
        return used
    if facts.read_only:
        return Triage("read_only", "cannot be written", "Name a writable disk", facts)
    if facts.size < smallest:
        what = f"has {facts.size} bytes, too few for what it is to hold (at least {smallest})"
        return Triage("too_small", what, "Name a larger disk", facts)
    return _judge_contents(facts)
