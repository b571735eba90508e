# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that takes the place of another one: taken when it can hold what the other host has, else refused."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any, Iterator

import pytest
from drbd_host import MIB, NAMES, Disk, Host, command, drbdmeta, generation
from test_drbd_roles import Pair, recap

from ansible_collections.kwdb.ha.plugins.module_utils import _disk, _drbd_size
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import VolumeState

OURS = "1A2B3C4D5E6F7080"
SIZE = 64 * MIB


def in_use(host: Host, disk: Disk) -> int:
    """Make a fresh side one of a pair in use, as the kernel leaves it; the size of its device."""
    found = _disk.metadata_on(disk.path)
    assert found
    version = found.version
    generation(disk, OURS, version=version)
    disk.write(disk.size - 4096, struct.pack(">Q", found.data_end // 512))
    command("mkfs.ext4", "-q", disk.path, "16M")
    assert host.module("drbd_info", name="kwdb")["resource"]["just_created"] is False
    return found.data_end


class Replaced:
    """A pair in use, one host of which comes back with another disk."""

    def __init__(self, folder: Path, version: str) -> None:
        self.version = version
        self.folder = folder
        self.disks = [Disk(folder, "good", SIZE), Disk(folder, "lost", SIZE)]
        self.good, self.host = (
            Host(folder / name, disk.path, name=name, address=f"10.99.0.{last}", version=version)
            for name, disk, last in zip(NAMES, self.disks, (11, 12))
        )
        for host in (self.good, self.host):
            assert not host.resource().get("failed")
        self.held = in_use(self.good, self.disks[0])
        in_use(self.host, self.disks[1])
        self.peer = self.good.module("drbd_info", name="kwdb")["resource"]

    def replace(self, size: int) -> Disk:
        """Put a blank disk of this size into the second host."""
        self.disks.append(Disk(self.folder, f"new-{size}", size))
        self.host.disk = self.disks[-1].path
        return self.disks[-1]

    def state(self) -> list[Any]:
        """Every byte of the disks, and every file of the host."""
        parts = ("drbd.d", "drbd")
        files = [one for part in parts for one in sorted((self.host.folder / part).rglob("*"))]
        kept = [(str(one), one.read_bytes()) for one in files if one.is_file()]
        return [*(disk.checksum() for disk in self.disks), kept]

    def refusal(self, **options: Any) -> str:
        """The message of a refusal that changed nothing, in check mode and without."""
        before = self.state()
        planned = self.host.resource(check=True, **options)
        done = self.host.resource(**options)
        assert planned.get("failed") and done.get("failed"), done
        assert planned["msg"] == done["msg"]
        assert "Traceback" not in str(done)
        assert self.state() == before
        return done["msg"]


@pytest.fixture(params=["8.4.11", "9.1.7"])
def replaced(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Replaced]:
    """The pair, for one version of the kernel module."""
    one = Replaced(tmp_path, request.param)
    yield one
    for disk in one.disks:
        disk.close()


def test_a_smaller_disk_is_refused_by_name_size_and_remedy(replaced: Replaced) -> None:
    disk = replaced.replace(SIZE - 4096)
    message = replaced.refusal(peer=replaced.peer)
    assert f"{disk.path} has {SIZE - 4096} bytes" in message
    assert f"volume 0 of kwdb on {NAMES[1]}" in message
    assert f"holds {replaced.held} bytes" in message
    assert f"must have at least {SIZE}" in message
    assert "Use a disk or logical volume of that size or larger" in message


@pytest.mark.parametrize("size", [SIZE, SIZE + 4096, 96 * MIB])
def test_an_equal_or_larger_disk_is_taken(replaced: Replaced, size: int) -> None:
    disk = replaced.replace(size)
    done = replaced.host.resource(peer=replaced.peer)
    assert not done.get("failed"), done
    assert done["commands"] == ["drbdadm create-md kwdb"]
    found = _disk.metadata_on(disk.path)
    assert found and found.data_end >= replaced.held
    assert found.just_created


def test_what_the_other_host_holds_counts_and_not_its_disk(replaced: Replaced) -> None:
    """The other host's disk is larger than what is replicated: this one need not be."""
    peer = replaced.peer
    assert [one["agreed_bytes"] for one in peer["volumes"]] == [replaced.held]
    peer["volumes"][0]["backing_bytes"] = 1024 * MIB
    replaced.replace(SIZE)
    assert not replaced.host.resource(check=True, peer=peer).get("failed")


def test_without_the_other_host_the_former_disk_counts(replaced: Replaced) -> None:
    replaced.replace(SIZE - 4096)
    message = replaced.refusal()
    assert f"there before had {SIZE}" in message
    assert NAMES[1] in message and "without --limit" in message
    replaced.replace(SIZE)
    assert not replaced.host.resource(check=True).get("failed")


def test_a_smaller_disk_is_not_wiped_either(replaced: Replaced) -> None:
    disk = replaced.replace(SIZE - 4096)
    command("mkfs.ext4", "-q", "-L", "precious", disk.path)
    replaced.host.disk = replaced.host.name_disk(disk.path)
    wipe = [{"host": NAMES[1], "disk": replaced.host.disk, "size_bytes": disk.size}]
    assert "too few for volume 0" in replaced.refusal(peer=replaced.peer, wipe=wipe)


def test_a_pair_that_holds_nothing_may_begin_anew_with_smaller_disks(replaced: Replaced) -> None:
    """Both sides are fresh: there is nothing that would not fit, whatever was there before."""
    peer = {**replaced.peer, "just_created": True}
    replaced.replace(32 * MIB)
    assert not replaced.host.resource(check=True, peer=peer).get("failed")
    assert not replaced.host.resource(check=True, peer={"volumes": []}).get("failed")


@pytest.mark.parametrize("version", ["v08", "v09"])
@pytest.mark.parametrize("size", [32 * MIB, 128 * MIB, 128 * MIB + 4096, 1000 * MIB])
def test_the_least_size_is_the_least_by_drbds_own_reckoning(
    tmp_path: Path, version: str, size: int
) -> None:
    """The real drbdmeta: that size holds the device, and 4 KiB less does not."""
    needed = _drbd_size.usable_bytes(size, True)
    least = _drbd_size.backing_bytes(needed, True)
    assert least <= size
    for backing, fits in ((least, True), (least - 4096, False)):
        disk = Disk(tmp_path, f"{backing}", backing)
        try:
            drbdmeta(disk, "create-md", *(["1"] if version == "v09" else []), version=version)
            found = _disk.metadata_on(disk.path)
            assert found and (found.data_end >= needed) is fits
        finally:
            disk.close()
    assert _drbd_size.backing_bytes(needed, False) == needed


def test_who_knows_the_size() -> None:
    metadata = _disk.Metadata("v08", "1" * 16, 0x1234, True, 60 * MIB, 50 * MIB)
    attached = VolumeState(disk="UpToDate", size_kib=40 * 1024)
    assert _drbd_size.agreed_bytes(attached, metadata) == 40 * MIB
    assert _drbd_size.agreed_bytes(None, metadata) == 50 * MIB
    assert _drbd_size.agreed_bytes(VolumeState(), metadata) == 50 * MIB
    never_noted = dataclasses.replace(metadata, data_bytes=0)
    assert _drbd_size.agreed_bytes(None, never_noted) == 60 * MIB
    fresh = dataclasses.replace(metadata, current_uuid=4)
    assert _drbd_size.agreed_bytes(None, fresh) == _drbd_size.agreed_bytes(None, None) == 0
    # A kernel whose disk has failed has the size from the other side.
    diskless = VolumeState(disk="Diskless", size_kib=40 * 1024)
    assert _drbd_size.needed_bytes(0, diskless, None) == 40 * MIB
    assert _drbd_size.needed_bytes(0, None, None) is None
    peer = {"just_created": False, "volumes": [{"volume": 1, "agreed_bytes": 7}]}
    assert _drbd_size.needed_bytes(1, None, peer) == 7
    assert _drbd_size.needed_bytes(0, None, peer) == 0


def test_metadata_elsewhere_do_not_vouch_for_a_disk_that_was_replaced(tmp_path: Path) -> None:
    """DRBD compares generations only: with the old metadata it would take a blank disk for the data."""
    disks = [Disk(tmp_path, "data", SIZE), Disk(tmp_path, "meta", MIB), Disk(tmp_path, "new", SIZE)]
    data, meta, new = disks
    host = Host(tmp_path / "host", data.path)
    stable = host.name_disk(meta.path, "test-meta")
    first, second = host.options()["nodes"]

    def nodes(disk: Disk) -> list[dict[str, Any]]:
        return [{**first, "disk": disk.path, "meta_disk": stable}, second]

    try:
        done = host.resource(nodes=nodes(data))
        assert not done.get("failed"), done
        # Never used: no metadata vouch for anything, and another blank disk is as good.
        assert not host.resource(check=True, nodes=nodes(new)).get("failed")
        command(
            "drbdmeta", "--force", "3", "v08", meta.path, "flex-external", "set-gi",
            ":".join([OURS, *["0" * 16] * 3, "1", "1", "0", "0", "0", "0"]) + ":",
        )  # fmt: skip
        command("mkfs.ext4", "-q", data.path)
        assert host.resource(nodes=nodes(data))["commands"] == []
        before = [disk.checksum() for disk in disks]
        for check in (True, False):
            refused = host.resource(check=check, nodes=nodes(new))
            assert refused.get("failed"), refused
            assert f"{new.path} is blank, but its metadata on {stable}" in refused["msg"]
            assert "copied from the other host: wipe (drbd_wipe" in refused["msg"]
        assert [disk.checksum() for disk in disks] == before
        # The remedy that the message names.
        uuid = refused["msg"].split("metadata: '")[1].split("'")[0]
        wipe = [{"host": host.name, "disk": stable, "size_bytes": MIB, "metadata": uuid}]
        done = host.resource(nodes=nodes(new), wipe=wipe)
        assert not done.get("failed"), done
        assert done["commands"][-1] == "drbdadm create-md kwdb"
        assert done["resource"]["just_created"] is True
    finally:
        for disk in disks:
            disk.close()


def test_metadata_elsewhere_do_not_vouch_for_a_disk_that_holds_something_else(
    tmp_path: Path,
) -> None:
    """The disk was replaced by one with somebody's files: DRBD would serve them as the pair's data."""
    disks = [Disk(tmp_path, "data", SIZE), Disk(tmp_path, "meta", MIB), Disk(tmp_path, "new", SIZE)]
    data, meta, new = disks
    host = Host(tmp_path / "host", data.path)
    stable = host.name_disk(meta.path, "test-meta")
    old_name, new_name = (host.name_disk(one.path, f"test-{one.path[5:]}") for one in (data, new))
    first, second = host.options()["nodes"]

    def nodes(disk: str) -> list[dict[str, Any]]:
        return [{**first, "disk": disk, "meta_disk": stable}, second]

    try:
        assert not host.resource(nodes=nodes(old_name)).get("failed")
        command(
            "drbdmeta", "--force", "3", "v08", meta.path, "flex-external", "set-gi",
            ":".join([OURS, *["0" * 16] * 3, "1", "1", "0", "0", "0", "0"]) + ":",
        )  # fmt: skip
        command("mkfs.ext4", "-q", data.path)
        command("mkfs.ext4", "-q", "-L", "precious", new.path)
        before = [disk.checksum() for disk in disks]
        for check in (True, False):
            refused = host.resource(check=check, nodes=nodes(new_name))
            assert refused.get("failed"), refused
            assert f"{new_name} ({SIZE} bytes) holds a file system" in refused["msg"]
            assert "label precious" in refused["msg"]
            assert f"were made for another disk ({old_name}, {SIZE} bytes)" in refused["msg"]
        assert [disk.checksum() for disk in disks] == before
        assert host.resource(nodes=nodes(old_name))["commands"] == []
        uuid = refused["msg"].split("adopt_metadata: '")[1].split("'")[0]
        # The first remedy: it is the same disk, which got another name.
        kept = host.resource(nodes=nodes(new_name), adopt_metadata=uuid)
        assert not kept.get("failed"), kept
        assert host.resource(nodes=nodes(new_name))["commands"] == []
        assert [disk.checksum() for disk in disks] == before
        # The second one, the other way round: each disk that is given up is named.
        again = host.resource(nodes=nodes(old_name))
        assert f"were made for another disk ({new_name}" in again["msg"]
        wipe = [{"host": host.name, "disk": stable, "size_bytes": MIB, "metadata": uuid}]
        assert host.resource(nodes=nodes(old_name), wipe=wipe).get("failed")
        assert [disk.checksum() for disk in disks] == before
        wipe.append({"host": host.name, "disk": old_name, "size_bytes": SIZE})
        done = host.resource(nodes=nodes(old_name), wipe=wipe)
        assert not done.get("failed"), done
        assert done["resource"]["just_created"] is True
        assert new.checksum() == before[2]
    finally:
        for disk in disks:
            disk.close()


def role_pair(folder: Path, mine: int, theirs: int) -> Pair:
    """Two hosts of an inventory: the first one in use, the second one with another, blank disk."""
    pair = Pair(folder)
    for host in pair.hosts:
        assert not host.resource().get("failed")
    in_use(pair.hosts[0], pair.disks[0])
    pair.disks.append(Disk(folder, "replacement", theirs))
    pair.nodes[1]["disk"] = pair.hosts[1].name_disk(pair.disks[-1].path)
    assert pair.disks[0].size == mine
    return pair


@pytest.mark.parametrize("size", [SIZE - MIB, SIZE, SIZE + MIB])
def test_the_role_asks_the_other_host(tmp_path: Path, size: int) -> None:
    pair = role_pair(tmp_path, SIZE, size)
    try:
        before = pair.state()
        said = pair.play()
        flat = " ".join(said.split())
        counts = recap(said)
        assert pair.state() == before
        assert sum(one["changed"] for one in counts.values()) == 0, said
        if size < SIZE:
            assert f"[{NAMES[1]}]: FAILED!" in flat
            assert f"{pair.nodes[1]['disk']} has {size} bytes, too few" in flat
            assert f"must have at least {SIZE}" in flat
        else:
            assert sum(one["failed"] for one in counts.values()) == 0, said
    finally:
        pair.close()
