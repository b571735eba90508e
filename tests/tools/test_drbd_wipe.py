"""Giving up what a disk holds: only for the disk that a person named, with its ends saved first."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Iterator

import pytest
from drbd_host import MIB, NAMES, Disk, Host, command, drbdmeta, generation

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd_wipe

OURS = "1A2B3C4D5E6F7080"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk that holds a file system."""
    one = Disk(tmp_path, size=32 * MIB)
    command("mkfs.ext4", "-q", "-L", "old-data", one.path)
    yield one
    one.close()


@pytest.fixture
def host(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host that has it, by a stable name."""
    one = Host(tmp_path / "host", disk.path)
    one.disk = one.name_disk(disk.path)
    return one


def statement(host: Host, disk: Disk, change: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """What a person says who means this disk, and what a test changes."""
    return [{"host": host.name, "disk": host.disk, "size_bytes": disk.size, **(change or {})}]


def saved_folder(host: Host, path: str) -> Path:
    """Where the saved ends lie, outside of the host's namespace."""
    return host.folder / "drbd" / Path(path).relative_to("/var/lib/drbd")


def test_the_named_disk_is_saved_wiped_and_taken(host: Host, disk: Disk) -> None:
    first, last = disk.read(0, MIB), disk.read(disk.size - MIB, MIB)
    disk.write(20 * MIB, b"old page")
    before = disk.checksum()
    wipe = statement(host, disk)
    planned = host.resource(check=True, wipe=wipe)
    assert disk.checksum() == before
    done = host.resource(wipe=wipe)
    assert planned["commands"] == done["commands"]
    assert done["commands"] == [
        f"wipefs --all --quiet {host.disk}",
        f"blkdiscard --zeroout {host.disk}",
        "drbdadm create-md kwdb",
    ]
    assert planned["saved"] == []
    folder = saved_folder(host, done["saved"][0])
    assert (folder / "first-mib.img").read_bytes() == first
    assert (folder / "last-mib.img").read_bytes() == last
    assert "old-data" in (folder / "disk.json").read_text()
    assert (
        stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    )
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert not any(disk.read(0, 16 * MIB))
    assert not any(disk.read(20 * MIB, 8))
    # The statement was left in the inventory: it does nothing more, whatever the pair writes later.
    command("mkfs.ext4", "-q", disk.path, "16M")
    generation(disk, OURS)
    before = disk.checksum()
    again = host.resource(wipe=wipe)
    assert (again["changed"], again["saved"]) == (False, [])
    assert disk.checksum() == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another host": ({"host": NAMES[1]}, "holds a file system"),
    "another disk": ({"disk": "/dev/disk/by-id/other"}, "but this host's disk is"),
    "another size": (
        {"size_bytes": 32 * MIB - 512},
        "size_bytes is 33553920, but the disk has 33554432",
    ),
    "another serial": ({"serial": "S3Z8NB0K"}, 'serial is "S3Z8NB0K", but the disk has ""'),
    "name alone": ({"size_bytes": None}, "name the disk's serial or its exact size too"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_statement_that_does_not_fit_wipes_nothing(host: Host, disk: Disk, case: str) -> None:
    change, words = REFUSED[case]
    before = disk.checksum()
    result = host.resource(wipe=statement(host, disk, change))
    assert result.get("failed"), result
    assert words in result["msg"]
    assert disk.checksum() == before
    assert not (host.folder / "drbd" / "kwdb-ha-saved").exists()


def test_the_refusal_of_a_file_system_names_its_files(
    host: Host, disk: Disk, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "base").mkdir(parents=True)
    (tree / "PG_VERSION").write_text("15\n")
    command("mkfs.ext4", "-q", "-F", "-d", str(tree), disk.path)
    before = disk.checksum()
    message = host.resource()["msg"]
    assert "with files of a PostgreSQL database: PG_VERSION, base/" in message
    assert "drbd_wipe in the role" in message
    assert disk.checksum() == before


def test_contents_without_a_format_are_named(host: Host, disk: Disk) -> None:
    command("wipefs", "--all", "--quiet", disk.path)
    command("blkdiscard", "--zeroout", disk.path)
    disk.write(0, b"SQLite format 3\0")
    assert "holds an SQLite database" in host.resource()["msg"]


def test_who_uses_a_disk_is_never_overruled(host: Host, disk: Disk) -> None:
    wipe = statement(host, disk)
    before = disk.checksum()
    holder = os.open(disk.path, os.O_RDONLY | os.O_EXCL)
    try:
        result = host.resource(wipe=wipe)
    finally:
        os.close(holder)
    assert "is in use by a program" in result["msg"]
    assert "wipe does not overrule this" in result["msg"]
    (host.folder / "fstab").write_text(f"{host.disk} /srv ext4 defaults 0 0\n")
    assert "is listed in /etc/fstab" in host.resource(wipe=wipe)["msg"]
    (host.folder / "fstab").write_text("")
    assert disk.checksum() == before


def test_an_unstable_name_is_not_wiped(host: Host, disk: Disk) -> None:
    before, host.disk = disk.checksum(), disk.path
    result = host.resource(wipe=statement(host, disk))
    assert "wipe takes a name that means the same disk after the next boot" in result["msg"]
    assert disk.checksum() == before


def test_one_side_of_a_pair_is_wiped_only_when_it_is_named_too(host: Host, disk: Disk) -> None:
    command("wipefs", "--all", "--quiet", disk.path)
    command("mkfs.ext4", "-q", disk.path, "16M")
    drbdmeta(disk, "create-md")
    generation(disk, OURS)
    before = disk.checksum()
    message = host.resource(wipe=statement(host, disk))["msg"]
    assert "holds one side of a DRBD pair, with data" in message
    assert disk.checksum() == before
    uuid = message.split("metadata: '")[1].split("'")[0]
    assert host.resource(wipe=statement(host, disk, {"metadata": uuid}))["changed"] is True
    assert drbdmeta(disk, "get-gi").startswith("0000000000000004:")


class Stubborn:
    """Runs nothing: a disk that does not keep what is written."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def __call__(self, argv: Any, **more: Any) -> Any:
        return self.run(["true"] if argv[0] == "blkdiscard" else argv, **more)


def test_a_disk_that_is_not_blank_afterwards_is_refused(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_drbd_filesystem import Door

    run = Stubborn(Door())
    monkeypatch.setattr(_drbd_wipe, "SAVED_FOLDER", str(tmp_path / "saved"))
    disk.write(20 * MIB, b"old page")
    seen = _drbd_wipe.judge(_drbd_wipe.look(run, disk.path), allow_unstable_name=True)
    with pytest.raises(_drbd_wipe.Refused, match="does not keep what is written"):
        _drbd_wipe.wipe_disk(run, "kwdb", seen)


def test_the_resources_own_disk_is_wiped_only_with_its_removal(host: Host, disk: Disk) -> None:
    command("blkdiscard", "--zeroout", disk.path)
    host.resource()
    command("mkfs.ext4", "-q", disk.path, "16M")
    generation(disk, OURS)
    before = disk.checksum()
    uuid = host.module("drbd_info", name="kwdb")["resource"]["volumes"][0]["device_uuid"]

    def gone(check: bool = False, **more: Any) -> dict[str, Any]:
        return host.module("drbd_resource", check=check, name="kwdb", state="absent", **more)

    assert "holds one side of a DRBD pair" in gone(wipe=statement(host, disk))["msg"]
    assert host.resource_file.exists()
    planned = gone(check=True)
    assert host.resource_file.exists()
    done = gone()
    assert (planned["changed"], done["changed"], done["commands"]) == (True, True, [])
    assert not host.resource_file.exists()
    assert disk.checksum() == before
    assert gone()["changed"] is False
    # Everything is still there, and present finds it again.
    assert host.resource()["commands"] == []
    assert disk.checksum() == before
    done = gone(wipe=statement(host, disk, {"metadata": uuid}))
    assert len(done["saved"]) == 1
    assert not any(disk.read(0, disk.size))
    assert not host.record_file.exists()
