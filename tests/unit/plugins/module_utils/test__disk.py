# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _disk
from ansible_collections.kwdb.ha.plugins.module_utils._disk import Facts, Signature

FIXTURES = Path(__file__).parents[2] / "fixtures" / "util-linux-2.38.1"


def text(name: str) -> str:
    """What the real tool said."""
    return (FIXTURES / name).read_text()


def test_parse_blkid() -> None:
    uuid = "71a127b5-a573-48a7-8bef-887091f3a4ba"
    assert _disk.parse_blkid(text("ext4.blkid.txt")) == [Signature("ext4", "old-data", uuid)]
    (table,) = _disk.parse_blkid(text("gpt.blkid.txt"))
    assert table.kind == "gpt"
    assert _disk.parse_blkid("") == []


def test_parse_wipefs() -> None:
    (found,) = _disk.parse_wipefs(text("ext4.wipefs.json"))
    assert (found.kind, found.label) == ("ext4", "old-data")
    assert [one.kind for one in _disk.parse_wipefs(text("gpt.wipefs.json"))] == [
        "gpt",
        "gpt",
        "PMBR",
    ]
    assert _disk.parse_wipefs("") == []


def test_what_both_tools_name_is_named_once() -> None:
    both = _disk.merge_signatures(
        _disk.parse_blkid(text("gpt.blkid.txt")), _disk.parse_wipefs(text("gpt.wipefs.json"))
    )
    assert [one.kind for one in both] == ["gpt", "PMBR"]
    assert _disk.describe([Signature("dos"), Signature("dos")]) == "a partition table (dos)"


def test_parse_lsblk_walks_to_the_bottom() -> None:
    top, below = _disk.parse_lsblk(text("partitioned.lsblk.json"))
    assert (top["path"], [one["path"] for one in below]) == ("/dev/loop0", ["/dev/loop0p1"])
    deep = {"path": "a", "children": [{"path": "b", "children": [{"path": "c"}]}, {"path": "d"}]}
    _, below = _disk.parse_lsblk(json.dumps({"blockdevices": [deep]}))
    assert [one["path"] for one in below] == ["b", "c", "d"]


def test_mount_points_are_all_named_although_lsblk_names_one() -> None:
    top, below = _disk.parse_lsblk(text("mounted.lsblk.json"))
    assert below[0]["mountpoint"] == "/srv/a2"
    found = _disk.mount_points([top, *below], text("mounted.mountinfo.txt"))
    assert found == ("/srv/a", "/srv/a2")
    top, below = _disk.parse_lsblk(text("swap.lsblk.json"))
    assert _disk.mount_points([top, *below], "") == ()


@pytest.mark.parametrize(
    "size", [16 << 20, 64 << 20, 68 << 20, 69 << 20, (1 << 40) + 512, 10 << 40]
)
def test_sample_ranges_cover_both_ends_and_stay_inside(size: int) -> None:
    ranges = list(_disk.sample_ranges(size))
    assert all(start >= 0 and length > 0 and start + length <= size for start, length in ranges)
    assert ranges[0][0] == 0
    assert max(start + length for start, length in ranges) == size
    assert sum(length for _, length in ranges) <= 68 << 20
    starts = [start for start, _ in ranges]
    assert starts == sorted(starts)
    # Nothing as large as this can lie between two samples.
    gaps = [after - (start + length) for (start, length), after in zip(ranges, starts[1:])]
    assert max(gaps, default=0) <= max(size // 1000, 0)


def test_fstab_line() -> None:
    table = "# /dev/drbd3 /data ext4\n\nUUID=1 / ext4\n/dev/drbd3 /srv ext4\nnone /data/ tmpfs\n"
    assert _disk.fstab_line(table, "/dev/drbd3", "/x") == "/dev/drbd3 /srv ext4"
    assert _disk.fstab_line(table, "/dev/drbd9", "/data") == "none /data/ tmpfs"
    assert _disk.fstab_line(table, "/dev/drbd9", "/x") == ""
    assert _disk.fstab_sources(table) == ["UUID=1", "/dev/drbd3", "none"]


def test_mounted_source() -> None:
    lines = text("mounted.mountinfo.txt")
    assert _disk.mounted_source(lines, "/srv/a2/") == "/dev/loop0p1"
    assert _disk.mounted_source(lines, "/srv") == ""
    over = lines + "99 27 0:50 / /srv/a rw - tmpfs tmp\\040fs rw\n"
    assert _disk.mounted_source(over, "/srv/a") == "tmp fs"


@pytest.mark.parametrize(
    ("path", "stable"),
    [
        ("/dev/disk/by-id/virtio-data", True),
        ("/dev/disk/by-path/pci-0000", True),
        ("/dev/mapper/vg0-kwdb", True),
        ("/dev/sdb", False),
        ("/dev/nvme0n1", False),
        ("/dev/vg0/nothing", False),
    ],
)
def test_is_stable_name(path: str, stable: bool) -> None:
    assert _disk.is_stable_name(path) is stable


GOOD = Facts("/dev/disk/by-id/d", exists=True, is_block=True, real="/dev/sdb", size=1 << 30)
OLD = _disk.Metadata("v08", "00aabbccddeeff11", 0x1A2B, True, 1 << 29)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "blank"),
        ({"exists": False}, "absent"),
        ({"is_block": False}, "not_a_disk"),
        ({"path": "/dev/sdb"}, "unstable_name"),
        ({"mounts": ("/boot", "/")}, "root_disk"),
        ({"mounts": ("/srv",), "partitions": ("/dev/sdb1",)}, "mounted"),
        ({"swap": True, "busy": True}, "swap"),
        ({"partitions": ("/dev/sdb1",)}, "partitions"),
        ({"children": ("/dev/md0",)}, "holders"),
        ({"busy": True}, "busy"),
        ({"fstab": "UUID=1"}, "in_fstab"),
        ({"read_only": True}, "read_only"),
        ({"size": 1 << 20}, "too_small"),
        ({"signatures": (Signature("ext4"),), "data_at": 1024}, "foreign"),
        ({"signatures": (Signature("drbd"),), "data_at": 4096}, "foreign"),
        ({"data_at": 0}, "data"),
        ({"metadata": OLD, "signatures": (Signature("drbd"),)}, "drbd"),
        ({"metadata": OLD, "signatures": (Signature("drbd"), Signature("ext4"))}, "drbd"),
        # Who uses it comes before what it holds: that is what a person must hear first.
        ({"mounts": ("/srv",), "signatures": (Signature("ext4"),)}, "mounted"),
    ],
)
def test_judge(change: dict[str, object], state: str) -> None:
    triage = _disk.judge(replace(GOOD, **change))
    assert triage.state == state
    assert str(change.get("path", GOOD.path)) in triage.message
    if state not in ("blank", "drbd"):
        assert triage.remedy


@pytest.mark.parametrize(
    ("uuid", "fresh"), [(4, True), (5, True), (0, False), (6, False), (4 << 32, False)]
)
def test_is_just_created(uuid: int, fresh: bool) -> None:
    assert _disk.is_just_created(uuid) is fresh
