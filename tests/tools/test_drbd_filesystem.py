"""The file system is made on nothing but a proven empty device, and the mount point hides nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Iterator, Sequence

import pytest
from drbd_host import MIB, Disk, Host, command

from ansible_collections.kwdb.ha.plugins.module_utils import _disk
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Result
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused
from ansible_collections.kwdb.ha.plugins.modules import drbd_filesystem


class Door:
    """The door to processes, without a module behind it; the programs are real."""

    def has(self, program: str) -> bool:
        """Whether this machine has the program."""
        return shutil.which(program) is not None

    def __call__(self, argv: Sequence[str], ok: Sequence[int] = (0,), **_more: Any) -> Result:
        done = command(*argv, check=False)
        result = Result(tuple(argv), done.returncode, done.stdout, done.stderr)
        if done.returncode not in ok:
            raise CommandFailed(result)
        return result


run = Door()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A blank device, large enough for xfs."""
    one = Disk(tmp_path, size=320 * MIB)
    yield one
    one.close()


@pytest.fixture
def host(tmp_path: Path, disk: Disk) -> Host:
    """A host."""
    return Host(tmp_path / "host", disk.path)


def plan(disk: Disk, fstype: str) -> tuple[tuple[str, ...], ...]:
    """What the module would run on the host where the device is Primary."""
    return drbd_filesystem.plan_filesystem(_disk.look(run, disk.path, also_busy=True), fstype)


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
def test_a_blank_device_gets_the_file_system_once(disk: Disk, fstype: str, tmp_path: Path) -> None:
    (argv,) = plan(disk, fstype)
    assert argv == (f"mkfs.{fstype}", "-q", disk.path)
    run(argv)
    before = disk.checksum()
    assert plan(disk, fstype) == ()
    assert disk.checksum() == before
    mount = tmp_path / "mount"
    mount.mkdir()
    run(["mount", disk.path, str(mount)])
    try:
        assert plan(disk, fstype) == ()
    finally:
        run(["umount", str(mount)])


def test_mkfs_itself_is_never_told_to_overwrite(disk: Disk) -> None:
    """Should something appear between the proof and the act, xfs refuses by itself."""
    (argv,) = plan(disk, "xfs")
    run(["mkfs.ext4", "-q", disk.path])
    before = disk.checksum()
    with pytest.raises(CommandFailed):
        run(argv)
    assert disk.checksum() == before


@pytest.mark.parametrize("case", ["other file system", "swap", "data", "gpt"])
def test_anything_else_on_the_device_is_refused(disk: Disk, case: str) -> None:
    make = {
        "other file system": lambda: run(["mkfs.xfs", "-q", disk.path]),
        "swap": lambda: run(["mkswap", disk.path]),
        "data": lambda: disk.write(200 * MIB, b"x" * MIB),
        "gpt": lambda: run(["parted", "--script", disk.path, "mklabel", "gpt"]),
    }
    make[case]()
    before = disk.checksum()
    with pytest.raises(Refused) as caught:
        plan(disk, "ext4")
    assert disk.path in str(caught.value)
    assert "blkdiscard --zeroout" in str(caught.value)
    assert disk.checksum() == before


def module(host: Host, directory: Path, check: bool = False) -> dict[str, Any]:
    """Run drbd_filesystem on a host where the resource is not Primary."""
    options = {"resource": "kwdb", "device": host.disk, "directory": str(directory)}
    return host.module("drbd_filesystem", check=check, **options)


def test_where_the_device_is_not_primary_only_the_mount_point_is_made(
    host: Host, disk: Disk, tmp_path: Path
) -> None:
    directory, before = tmp_path / "data" / "kaiwudb", disk.checksum()
    planned = module(host, directory, check=True)
    assert not directory.exists()
    done = module(host, directory)
    assert directory.is_dir()
    assert (planned["changed"], planned["diff"]) == (done["changed"], done["diff"])
    assert (done["changed"], done["commands"], done["primary"]) == (True, [], False)
    assert module(host, directory)["changed"] is False
    assert disk.checksum() == before


def test_a_mount_point_that_holds_files_is_refused(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious.db").write_text("rows")
    message = module(host, tmp_path / "data")["msg"]
    assert "is not empty while nothing is mounted on it (precious.db)" in message
    assert (tmp_path / "data" / "precious.db").read_text() == "rows"


def test_a_mount_point_that_is_a_file_or_a_link_is_refused(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        assert "is not a directory" in module(host, tmp_path / name)["msg"]
    assert "cannot be the mount point" in module(host, Path("/"))["msg"]


@pytest.mark.parametrize("line", ["{device} /srv ext4 defaults 0 0", "LABEL=x {directory}/ ext4"])
def test_a_line_in_fstab_is_refused(host: Host, tmp_path: Path, line: str) -> None:
    directory = tmp_path / "data"
    text = line.format(device=host.disk, directory=directory)
    (host.folder / "fstab").write_text(f"proc /proc proc\n# {text}\n")
    assert not module(host, directory, check=True).get("failed")
    (host.folder / "fstab").write_text(f"proc /proc proc\n{text}\n")
    message = module(host, directory)["msg"]
    assert text in message
    assert "Pacemaker alone decides" in message
    assert not directory.exists()


def test_another_mount_on_the_mount_point_is_refused(disk: Disk, tmp_path: Path) -> None:
    run(["mkfs.ext4", "-q", disk.path])
    mount = tmp_path / "with space"
    mount.mkdir()
    run(["mount", disk.path, str(mount)])
    try:
        assert drbd_filesystem.check_mount_point(disk.path, str(mount)) == (True, True)
        with pytest.raises(Refused) as caught:
            drbd_filesystem.check_mount_point("/dev/drbd3", str(mount))
        assert f"{disk.path} is mounted on" in str(caught.value)
    finally:
        run(["umount", str(mount)])
    assert os.listdir(mount) == []
