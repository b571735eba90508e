"""Growing and splitting without the kernel module: real metadata, real file systems, real images."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, Iterator

import pytest
from drbd_host import MIB, Disk, Host, command, drbdmeta, generation

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _disk,
    _disk_content,
    _drbd_grow,
    _drbd_split,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, State, VolumeState
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import Configured

OURS = "1A2B3C4D5E6F7080"
WHOLE = State(
    role="Primary",
    peer_role="Secondary",
    disk="UpToDate",
    peer_disk="UpToDate",
    connection="Connected",
    replication="Established",
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A blank disk."""
    one = Disk(tmp_path)
    yield one
    one.close()


def configured(disk: Disk) -> Configured:
    """The volume that lies on it."""
    return Configured(0, 3, "/dev/drbd3", disk.path, "internal")


def device_size(disk: Disk) -> int:
    """The size that the kernel would give the device: what lies before the metadata."""
    found = _disk.metadata_on(disk.path)
    assert found
    return found.data_end


def set_size(disk: Disk, size: int) -> None:
    """What the kernel notes of a device in use."""
    disk.write(disk.size - 4096, struct.pack(">Q", size // 512))


@pytest.mark.parametrize("size", [64 * MIB, 320 * MIB, 1000 * MIB + 4096])
def test_the_usable_size_is_drbds_own(tmp_path: Path, size: int) -> None:
    disk = Disk(tmp_path, size=size)
    try:
        drbdmeta(disk, "create-md")
        assert _drbd_grow.usable_bytes(disk.size, True) == device_size(disk)
        assert _drbd_grow.usable_bytes(disk.size, False) == disk.size
    finally:
        disk.close()


@pytest.mark.parametrize(("kind", "size"), [("ext4", 60), ("xfs", 300)])
def test_the_size_of_a_real_file_system(tmp_path: Path, kind: str, size: int) -> None:
    disk = Disk(tmp_path, size=320 * MIB)
    try:
        extra = [f"{size}M"] if kind == "ext4" else []
        argv = ["-d", f"size={size}m"] if kind == "xfs" else []
        command(f"mkfs.{kind}", "-q", *argv, disk.path, *extra)
        head = _disk_content.read_head(disk.path, 4096)
        assert _drbd_grow.filesystem_size(head) == (kind, size * MIB)
        assert _drbd_grow.filesystem_size(bytes(4096)) == ("", 0)
        assert bool(_disk_content.last_write(disk.path)) is (kind == "ext4")
    finally:
        disk.close()


def test_only_what_has_grown_on_both_sides_is_grown(disk: Disk) -> None:
    drbdmeta(disk, "create-md")
    state = VolumeState(0, size_kib=device_size(disk) // 1024)
    one = configured(disk)
    assert _drbd_grow.growth(one, state, disk.size, disk.size) is None
    larger = 2 * disk.size
    assert _drbd_grow.growth(one, state, disk.size, larger) is None
    with pytest.raises(Refused, match="grow the disk of volume 0 there too"):
        _drbd_grow.growth(one, state, larger, disk.size)
    with pytest.raises(Refused, match="peer_backing_bytes"):
        _drbd_grow.growth(one, state, larger, None)
    found = _drbd_grow.growth(one, state, larger, larger - MIB)
    assert found is not None
    assert found.after == _drbd_grow.usable_bytes(larger - MIB, True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("connection", "Connecting"),
        ("replication", "SyncSource"),
        ("disk", "Inconsistent"),
        ("peer_disk", "Outdated"),
    ],
)
def test_a_pair_that_is_not_whole_is_left_alone(key: str, value: str) -> None:
    assert _drbd_grow.check_whole("kwdb", WHOLE, "grown") is WHOLE
    state = State(**{**WHOLE.__dict__, key: value})
    with pytest.raises(Refused, match=f"not grown: .* is {value}, not"):
        _drbd_grow.check_whole("kwdb", state, "grown")


def test_metadata_are_proven_at_the_new_end(tmp_path: Path, disk: Disk) -> None:
    """drbdmeta itself moves them, as drbdadm check-resize does for a resource that is down."""
    host = Host(tmp_path / "host", disk.path)
    host.resource()
    generation(disk, OURS)
    size = device_size(disk)
    set_size(disk, size)
    uuid = _disk.metadata_on(disk.path).device_uuid
    assert (
        _drbd_grow.metadata_problem(configured(disk), _disk.metadata_on(disk.path), size, uuid)
        == ""
    )
    disk.grow(96 * MIB)
    found = _disk.metadata_on(disk.path)
    assert "shows no DRBD metadata" in _drbd_grow.metadata_problem(
        configured(disk), found, size, uuid
    )
    assert "has grown" in host.resource()["msg"]
    # A copy at the new end, as the kernel leaves one; the old one is still there.
    old = disk.read(64 * MIB - 4096, 4096)
    disk.write(96 * MIB - 4096, old)
    result = host.resource()
    assert not result.get("failed"), result
    assert result["commands"] == []
    found = _disk.metadata_on(disk.path)
    assert "speak of" in _drbd_grow.metadata_problem(configured(disk), found, size + 4096, uuid)
    assert "not this host's" in _drbd_grow.metadata_problem(
        configured(disk), found, size, "0" * 15 + "1"
    )


def test_an_image_holds_every_byte_and_no_more(disk: Disk, tmp_path: Path) -> None:
    command("mkfs.ext4", "-q", disk.path, "32M")
    disk.write(33 * MIB, b"beyond the device")
    target = str(tmp_path / "victim.img")
    _drbd_split.room_for(str(tmp_path), 32 * MIB)
    _drbd_split.copy_image(disk.path, target, 32 * MIB + 512)
    assert Path(target).read_bytes() == disk.read(0, 32 * MIB + 512)
    assert os.stat(target).st_mode & 0o777 == 0o600
    assert os.stat(target).st_blocks * 512 < 32 * MIB
    with pytest.raises(FileExistsError):
        _drbd_split.copy_image(disk.path, target, MIB)
    with pytest.raises(Refused, match="name a larger one"):
        _drbd_split.room_for(str(tmp_path), 1 << 60)
    with pytest.raises(Refused, match="not a directory"):
        _drbd_split.room_for(target, 1)


def test_an_image_that_cannot_be_whole_does_not_stay(disk: Disk, tmp_path: Path) -> None:
    disk.write(0, b"rows")
    target = tmp_path / "victim.img"
    beyond = os.stat(disk.file).st_size + MIB
    with pytest.raises(Refused, match=r"cannot be read at byte \d+: nothing was discarded"):
        _drbd_split.copy_image(disk.path, str(target), beyond)
    assert not target.exists()


def test_an_image_holds_what_is_on_the_disk_not_what_is_remembered(
    disk: Disk, tmp_path: Path
) -> None:
    """DRBD writes past the cache of the disk below it; so does a write into the file below a loop device."""
    holder = os.open(disk.path, os.O_RDONLY)
    try:
        assert os.pread(holder, MIB, 0).count(0) == MIB
        with open(disk.file, "r+b") as file:
            file.write(b"written by DRBD")
        assert os.pread(holder, MIB, 0).count(0) == MIB, (
            "nothing is remembered: this test proves nothing"
        )
        target = tmp_path / "victim.img"
        _drbd_split.copy_image(disk.path, str(target), MIB)
        assert target.read_bytes().startswith(b"written by DRBD")
        assert _disk_content.read_head(disk.path).startswith(b"written by DRBD")
    finally:
        os.close(holder)


PEER = {"running": True, "disk": "UpToDate", "connection": "StandAlone"}
VICTIM = State(
    role="Secondary",
    disk="UpToDate",
    connection="StandAlone",
    volumes=(VolumeState(disk="UpToDate"),),
)


@pytest.mark.parametrize(
    ("state", "peer", "words"),
    [
        ({"role": "Primary"}, {}, "which you named as the victim"),
        ({}, {"disk": "Inconsistent"}, "may be the only good side"),
        ({}, {"disk": "Outdated"}, "may be the only good side"),
        ({}, {"running": False}, "must be up on both hosts"),
        ({"disk": "Diskless"}, {}, "nothing to discard"),
    ],
)
def test_a_victim_that_must_not_be_one(
    state: dict[str, Any], peer: dict[str, Any], words: str
) -> None:
    _drbd_split.check_victim("kwdb", "b", "b", VICTIM, PEER)
    with pytest.raises(Refused, match=words):
        _drbd_split.check_victim(
            "kwdb", "b", "b", State(**{**VICTIM.__dict__, **state}), {**PEER, **peer}
        )


@pytest.mark.parametrize(
    ("here", "there", "split"),
    [
        ("StandAlone", "StandAlone", True),
        ("StandAlone", "Connecting", True),
        ("Connecting", "StandAlone", True),
        ("Connecting", "Connecting", False),
        ("Connected", "Connected", False),
    ],
)
def test_what_a_split_is(here: str, there: str, split: bool) -> None:
    assert _drbd_split.is_split(State(connection=here), {"connection": there}) is split
