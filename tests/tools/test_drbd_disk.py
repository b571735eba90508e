"""Every state that a disk can be in, on real block devices: the answer, and that nothing was written."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from pathlib import Path
from typing import Callable, Iterator

import pytest
from drbd_host import MIB, Disk, Host, command, drbdmeta, generation

from ansible_collections.kwdb.ha.plugins.module_utils import _disk

BIG = 320 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A blank disk."""
    one = Disk(tmp_path)
    yield one
    one.close()


@pytest.fixture
def host(tmp_path: Path, disk: Disk) -> Host:
    """A host that has it."""
    return Host(tmp_path / "host", disk.path)


def refusal(host: Host, disk: Disk, **options: object) -> str:
    """The message of a refusal that left every byte of the disk and of the host as they were."""
    before = disk.checksum(), sorted(os.listdir(host.folder / "drbd.d"))
    planned = host.resource(check=True, **options)
    done = host.resource(**options)
    assert done.get("failed"), done
    assert planned.get("failed"), planned
    assert planned["msg"] == done["msg"]
    assert "Traceback" not in str(done)
    assert (disk.checksum(), sorted(os.listdir(host.folder / "drbd.d"))) == before
    return done["msg"]


def make_ext4(disk: Disk) -> None:
    command("mkfs.ext4", "-q", "-L", "old-data", disk.path)


def make_swap(disk: Disk) -> None:
    command("mkswap", disk.path)


def make_lvm(disk: Disk) -> None:
    command("pvcreate", "--quiet", disk.path)


def make_luks(disk: Disk) -> None:
    fast = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--batch-mode"]
    command("cryptsetup", "luksFormat", *fast, disk.path, "-", stdin="not a secret")


def make_gpt(disk: Disk) -> None:
    command("parted", "--script", disk.path, "mklabel", "gpt")


def make_dos(disk: Disk) -> None:
    command("parted", "--script", disk.path, "mklabel", "msdos")


def make_md(disk: Disk) -> None:
    """A version 1.2 RAID superblock, as mdadm writes it 4 KiB into a member."""
    body = bytearray(256)
    struct.pack_into("<IIII", body, 0, 0xA92B4EFC, 1, 0, 0)
    body[16:32] = bytes(range(16))
    body[32:36] = b"pair"
    struct.pack_into("<QIIQIi", body, 64, 0, 1, 0, 100000, 0, 2)
    struct.pack_into("<QQQQ", body, 128, 2048, 100000, 8, 0)
    total = sum(struct.unpack("<64I", body))
    struct.pack_into("<I", body, 216, (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF)
    disk.write(4096, bytes(body))


def make_foreign_drbd(disk: Disk) -> None:
    drbdmeta(disk, "create-md")
    generation(disk, "1A2B3C4D5E6F7080")


def make_foreign_drbd_with_ext4(disk: Disk) -> None:
    make_ext4_of(disk, 32)
    drbdmeta(disk, "create-md")
    generation(disk, "1A2B3C4D5E6F7080")


def make_fresh_drbd_over_ext4(disk: Disk) -> None:
    make_ext4_of(disk, 32)
    drbdmeta(disk, "create-md")


def make_fresh_drbd_over_data(disk: Disk) -> None:
    drbdmeta(disk, "create-md")
    disk.write(20 * MIB, b"database page")


def make_ext4_of(disk: Disk, mib: int) -> None:
    command("mkfs.ext4", "-q", disk.path, f"{mib}M")


FOREIGN: dict[str, tuple[Callable[[Disk], None], str]] = {
    "ext4": (make_ext4, "type ext4 (label old-data"),
    "swap": (make_swap, "swap space"),
    "lvm": (make_lvm, "an LVM physical volume"),
    "luks": (make_luks, "an encrypted LUKS volume"),
    "gpt": (make_gpt, "a partition table (gpt)"),
    "dos": (make_dos, "a partition table (dos)"),
    "md": (make_md, "a member of a Linux md RAID"),
    "data at the start": (lambda disk: disk.write(100, b"x"), "not zero at byte 100)"),
    "data in the middle": (
        lambda disk: disk.write(33 * MIB, b"x"),
        f"not zero at byte {33 * MIB})",
    ),
    "data at the end": (lambda disk: disk.write(64 * MIB - 1, b"x"), f"byte {64 * MIB - 1})"),
    "drbd of another": (make_foreign_drbd, "of a resource that this host does not know"),
    "drbd of another and ext4": (make_foreign_drbd_with_ext4, "and a file system"),
    "fresh drbd over ext4": (
        make_fresh_drbd_over_ext4,
        "of a resource that this host does not know",
    ),
    "fresh drbd over data": (
        make_fresh_drbd_over_data,
        "of a resource that this host does not know",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_disk_that_holds_something_is_refused(host: Host, disk: Disk, case: str) -> None:
    make, words = FOREIGN[case]
    make(disk)
    message = refusal(host, disk)
    assert words in message
    assert disk.path in message
    assert "blkdiscard --zeroout" in message


def test_xfs_is_refused(tmp_path: Path) -> None:
    disk = Disk(tmp_path, size=BIG)
    try:
        command("mkfs.xfs", "-q", disk.path)
        assert "type xfs" in refusal(Host(tmp_path / "host", disk.path), disk)
    finally:
        disk.close()


def test_data_deep_in_a_large_disk_are_seen_when_it_is_sampled(tmp_path: Path) -> None:
    """Beyond 64 MiB the disk is sampled: a file of some size cannot hide between the samples."""
    disk = Disk(tmp_path, size=512 * MIB)
    try:
        disk.write(301 * MIB, b"r" * (2 * MIB))
        assert "data of unknown kind" in refusal(Host(tmp_path / "host", disk.path), disk)
    finally:
        disk.close()


def test_a_mounted_disk_is_refused(host: Host, disk: Disk, tmp_path: Path) -> None:
    make_ext4(disk)
    mount = tmp_path / "mount"
    mount.mkdir()
    command("mount", "-o", "ro", disk.path, str(mount))
    try:
        assert f"is mounted on {mount}" in refusal(host, disk)
    finally:
        command("umount", str(mount))


def test_active_swap_is_refused(host: Host, disk: Disk) -> None:
    make_swap(disk)
    command("swapon", disk.path)
    try:
        assert "is in use as swap space" in refusal(host, disk)
    finally:
        command("swapoff", disk.path)


def test_the_root_disk_is_refused(host: Host) -> None:
    root = command("findmnt", "--noheadings", "--output", "SOURCE", "/").stdout.strip()
    if not root.startswith("/dev/"):
        pytest.skip("the root file system of this machine is not on a block device")
    result = host.resource(check=True, nodes=renamed(host, root))
    assert "is the disk that this host runs from" in result["msg"]
    assert root in result["msg"]


def renamed(host: Host, path: str) -> list[dict[str, object]]:
    """The nodes with another disk for this host."""
    first, second = host.options()["nodes"]
    return [{**first, "disk": path}, second]


def test_a_disk_with_partitions_is_refused(host: Host, disk: Disk) -> None:
    command("parted", "--script", disk.path, "mklabel", "gpt", "mkpart", "old", "1MiB", "20MiB")
    assert f"has partitions ({disk.path}p1)" in refusal(host, disk)


def test_a_disk_that_somebody_holds_is_refused(host: Host, disk: Disk) -> None:
    holder = os.open(disk.path, os.O_RDONLY | os.O_EXCL)
    try:
        assert "is in use by a program or by the kernel" in refusal(host, disk)
    finally:
        os.close(holder)


def test_a_disk_in_fstab_is_refused(host: Host, disk: Disk) -> None:
    (host.folder / "fstab").write_text(f"# data\n{disk.path} /srv ext4 defaults 0 0\n")
    assert f"is listed in /etc/fstab as {disk.path}" in refusal(host, disk)


def test_a_disk_in_fstab_by_another_name_is_refused(host: Host, disk: Disk) -> None:
    name = host.name_disk(disk.path)
    (host.folder / "fstab").write_text(f"{name} /srv ext4 defaults 0 0\n")
    assert f"is listed in /etc/fstab as {name}" in refusal(host, disk)


def test_a_missing_disk_is_refused(host: Host, disk: Disk) -> None:
    message = refusal(host, disk, nodes=renamed(host, "/dev/disk/by-id/nothing"))
    assert message.startswith("/dev/disk/by-id/nothing does not exist on this host")


def test_a_file_is_refused(host: Host, disk: Disk) -> None:
    assert "is not a block device" in refusal(host, disk, nodes=renamed(host, str(disk.file)))


def test_an_unstable_name_is_refused(host: Host, disk: Disk) -> None:
    message = refusal(host, disk, allow_unstable_disk_name=False)
    assert f"{disk.path} is a name that can mean another disk" in message
    assert "drbd_allow_unstable_disk_name" in message


def test_a_stable_name_is_taken(host: Host, disk: Disk) -> None:
    nodes = renamed(host, host.name_disk(disk.path))
    result = host.resource(check=True, nodes=nodes, allow_unstable_disk_name=False)
    assert result["triage"]["state"] == "blank"
    assert result["triage"]["device"] == disk.path


def test_a_small_disk_is_refused(tmp_path: Path) -> None:
    disk = Disk(tmp_path, size=8 * MIB)
    try:
        assert "too few for what it is to hold" in refusal(Host(tmp_path / "host", disk.path), disk)
    finally:
        disk.close()


def test_a_read_only_disk_is_refused(host: Host, disk: Disk) -> None:
    command("blockdev", "--setro", disk.path)
    try:
        assert "cannot be written" in refusal(host, disk)
    finally:
        command("blockdev", "--setrw", disk.path)


def test_a_disk_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """The file behind the device is cut short: reads beyond its end fail."""
    disk = Disk(tmp_path)
    try:
        os.truncate(disk.file, 20 * MIB)
        result = Host(tmp_path / "host", disk.path).resource(check=True)
        assert result.get("failed")
        assert disk.path in result["msg"]
    finally:
        disk.close()


def test_a_blank_disk_gets_metadata_once(host: Host, disk: Disk) -> None:
    planned = host.resource(check=True)
    assert disk.checksum() == blank_checksum(disk)
    done = host.resource()
    for key in ("changed", "commands", "diff"):
        assert planned[key] == done[key]
    assert done["commands"] == ["drbdadm create-md kwdb"]
    assert drbdmeta(disk, "get-gi").startswith("0000000000000004:")
    before = disk.checksum()
    again = host.resource()
    assert again["changed"] is False, again
    assert again["commands"] == []
    assert again["diff"]["before"] == again["diff"]["after"]
    assert disk.checksum() == before


def blank_checksum(disk: Disk) -> str:
    """The checksum of a disk of that size that holds zeros."""
    digest = hashlib.sha256()
    for _ in range(disk.size // MIB):
        digest.update(bytes(MIB))
    return digest.hexdigest()


def test_our_metadata_in_use_stay_and_so_do_the_data(host: Host, disk: Disk) -> None:
    """What a host in standby looks like: metadata with a generation and a file system inside."""
    host.resource()
    make_ext4_of(disk, 32)
    generation(disk, "1A2B3C4D5E6F7080")
    before = disk.checksum()
    result = host.resource()
    assert result["changed"] is False, result
    assert result["triage"]["state"] == "drbd"
    assert result["triage"]["virgin"] is False
    assert disk.checksum() == before


def test_our_unclean_metadata_stay_for_apply_al(host: Host, disk: Disk) -> None:
    """What a crash of the host leaves: the activity log is dirty, which drbdadm up repairs."""
    host.resource()
    generation(disk, "1A2B3C4D5E6F7080")
    make_unclean(disk)
    shown = command("drbdmeta", "3", "v08", disk.path, "internal", "dump-md", check=False)
    assert shown.returncode != 0
    assert "apply-al" in shown.stderr + shown.stdout
    before = disk.checksum()
    result = host.resource()
    assert result["changed"] is False, result
    assert disk.checksum() == before
    planned = host.resource(check=True, start="auto")
    assert planned["commands"] == ["drbdadm up kwdb"]


def make_unclean(disk: Disk) -> None:
    """The mark that the kernel sets while it has the device attached."""
    disk.write(disk.size - 4096 + 56, struct.pack(">II", 0, 0x8374026C))


def test_fresh_metadata_without_memory_are_taken_over(host: Host, disk: Disk) -> None:
    """The run was killed between create-md and the note of it."""
    host.resource()
    host.record_file.unlink()
    before = disk.checksum()
    planned = host.resource(check=True)
    assert planned["changed"] is True
    assert not host.record_file.exists()
    result = host.resource()
    assert result["changed"] is True
    assert result["commands"] == []
    assert disk.checksum() == before
    assert host.resource()["changed"] is False


def test_metadata_of_a_host_installed_anew_are_taken_over_by_name(host: Host, disk: Disk) -> None:
    host.resource()
    make_ext4_of(disk, 32)
    generation(disk, "1A2B3C4D5E6F7080")
    shutil.rmtree(host.folder)
    host.__post_init__()
    message = refusal(host, disk)
    uuid = message.split("adopt_metadata: '")[1].split("'")[0]
    # blkid prints the same number without its leading zeros, and that is taken too.
    printed = command("blkid", "-p", "-s", "UUID", "-o", "value", disk.path).stdout.strip()
    assert printed.zfill(16) == uuid
    assert "does not know" in refusal(host, disk, adopt_metadata="00" + uuid[2:])
    before = disk.checksum()
    assert host.resource(adopt_metadata=printed)["changed"] is True
    assert disk.checksum() == before
    assert host.resource()["changed"] is False


def test_another_disk_with_metadata_in_the_place_of_ours_is_refused(host: Host, disk: Disk) -> None:
    host.resource()
    generation(disk, "1A2B3C4D5E6F7080")
    command("wipefs", "--all", "--quiet", disk.path)
    make_foreign_drbd(disk)
    assert "of a resource that this host does not know" in refusal(host, disk)


def test_metadata_of_the_other_version_are_refused(host: Host, disk: Disk) -> None:
    drbdmeta(disk, "create-md", "1", version="v09")
    assert "metadata v09" in refusal(host, disk)
    host.version = "9.1.7"
    result = host.resource()
    assert result["changed"] is True
    assert result["commands"] == []


def test_v08_metadata_are_refused_by_module_9(host: Host, disk: Disk) -> None:
    host.resource()
    host.version = "9.1.7"
    assert "kernel module wants v09" in refusal(host, disk)


def test_metadata_at_the_old_end_of_a_grown_disk_are_refused(host: Host, disk: Disk) -> None:
    host.resource()
    generation(disk, "1A2B3C4D5E6F7080")
    disk.grow(96 * MIB)
    message = refusal(host, disk)
    assert f"has grown from {64 * MIB} to {96 * MIB}" in message
    assert "drbdadm check-resize" in message


def test_what_is_read_of_metadata_is_what_drbdmeta_reads(tmp_path: Path) -> None:
    for version, extra in (("v08", ()), ("v09", ("1",))):
        disk = Disk(tmp_path, name=version, size=65 * MIB + 512)
        try:
            drbdmeta(disk, "create-md", *extra, version=version)
            generation(disk, "1A2B3C4D5E6F7080", version=version)
            found = _disk.metadata_on(disk.path)
            assert found is not None
            shown = drbdmeta(disk, "dump-md", version=version)
            assert f"device-uuid 0x{found.device_uuid.upper()};" in shown
            assert found.version == version
            assert found.current_uuid == 0x1A2B3C4D5E6F7080
            assert f"# bm_offset {found.data_end}" in shown
        finally:
            disk.close()
