"""Several volumes, metadata on a device of their own, and several resources on one pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from drbd_host import MIB, NAMES, Disk, Host, command

SIZES = {"first": 32 * MIB, "second": 48 * MIB, "meta": MIB}


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[dict[str, Disk]]:
    """Two disks for data and a small one for metadata."""
    found = {name: Disk(tmp_path, name, size) for name, size in SIZES.items()}
    yield found
    for one in found.values():
        one.close()


@pytest.fixture(params=["8.4.11", "9.1.7"])
def host(tmp_path: Path, disks: dict[str, Disk], request: pytest.FixtureRequest) -> Host:
    """A host with both, for one version of the kernel module."""
    return Host(tmp_path / "host", disks["first"].path, version=request.param)


def options(host: Host, disks: dict[str, Disk], **more: Any) -> dict[str, Any]:
    """A resource of two volumes, the second one with its metadata elsewhere."""
    nodes = [
        {key: value for key, value in node.items() if key != "disk"}
        for node in host.options()["nodes"]
    ]
    same = {key: dict.fromkeys(NAMES, disk.path) for key, disk in disks.items()}
    volumes = [
        {"volume": 0, "device_minor": 3, "disks": same["first"]},
        {"volume": 1, "device_minor": 4, "disks": same["second"], "meta_disks": same["meta"]},
    ]
    return {"nodes": nodes, "volumes": volumes, **more}


def sums(disks: dict[str, Disk]) -> list[str]:
    """Checksums of every byte of all disks."""
    return [disk.checksum() for disk in disks.values()]


def test_both_volumes_get_metadata_once(host: Host, disks: dict[str, Disk]) -> None:
    wanted = options(host, disks)
    planned = host.resource(check=True, **wanted)
    done = host.resource(**wanted)
    assert not done.get("failed"), done
    assert planned["commands"] == done["commands"]
    assert done["commands"] == ["drbdadm create-md kwdb/0", "drbdadm create-md kwdb/1"]
    assert [one["volume"] for one in done["triages"]] == [0, 1]
    info = done["resource"]
    assert info["generations"] == ["0000000000000004"] * 2
    assert info["just_created"] is True
    assert [one["minor"] for one in info["volumes"]] == [3, 4]
    assert [one["meta_disk"] for one in info["volumes"]] == ["internal", disks["meta"].path]
    # Without a number of their own nothing would tell these metadata from another resource's.
    assert all(int(one["device_uuid"], 16) for one in info["volumes"])
    before = sums(disks)
    again = host.resource(**wanted)
    assert (again["changed"], again["commands"]) == (False, [])
    # A pair in use: the second volume's disk holds a file system and no mark of DRBD.
    command("mkfs.ext4", "-q", disks["second"].path)
    before = sums(disks)
    again = host.resource(**wanted)
    assert again["changed"] is False, again
    assert sums(disks) == before


@pytest.mark.parametrize(
    "broken", ["data of the second", "metadata of the second", "small metadata"]
)
def test_one_bad_disk_stops_all_volumes(host: Host, disks: dict[str, Disk], broken: str) -> None:
    words = {
        "data of the second": "holds a file system or other format of type ext4",
        "metadata of the second": "holds data of unknown kind",
        "small metadata": "too few for what it is to hold",
    }
    if broken == "data of the second":
        command("mkfs.ext4", "-q", disks["second"].path)
    elif broken == "metadata of the second":
        disks["meta"].write(700_000, b"x")
    else:
        disks["second"].grow(40_000 * MIB)
    if broken != "small metadata":
        before = sums(disks)
    result = host.resource(**options(host, disks))
    assert result.get("failed"), result
    assert words[broken] in result["msg"]
    if broken == "small metadata":
        assert not any(disks["first"].read(0, disks["first"].size))
    else:
        assert sums(disks) == before
    assert not host.resource_file.exists()


def test_foreign_metadata_elsewhere_are_refused(host: Host, disks: dict[str, Disk]) -> None:
    wanted = options(host, disks)
    host.resource(**wanted)
    command("mkfs.ext4", "-q", disks["second"].path)
    for record in (host.folder / "drbd").glob("kwdb-ha-*"):
        record.unlink()
    before = sums(disks)
    result = host.resource(**wanted)
    assert "of a resource that this host does not know" in result["msg"]
    assert sums(disks) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device_minor": 3}, "device_minor 3 is there more than once"),
        ({"volume": 0}, "volume 0 is there more than once"),
        ({"disks": {NAMES[0]: "/dev/x"}}, "is not the path of a device"),
        ({"disks": {"other": "/dev/x"}}, "names other, no host of nodes"),
        ({"volume": 70000}, "is not between 0 and 65534"),
    ],
)
def test_volumes_that_collide_are_refused(
    host: Host, disks: dict[str, Disk], change: dict[str, Any], words: str
) -> None:
    wanted = options(host, disks)
    wanted["volumes"][1].update(change)
    assert words in host.resource(check=True, **wanted)["msg"]


def test_a_second_resource_stands_beside_the_first(host: Host, disks: dict[str, Disk]) -> None:
    host.resource()
    nodes = [{**node, "disk": disks["second"].path} for node in host.options()["nodes"]]
    same_port = host.resource(name="logs", device_minor=5, nodes=nodes)
    assert same_port.get("failed"), same_port
    nodes = [{**node, "port": 7790} for node in nodes]
    done = host.resource(name="logs", device_minor=5, nodes=nodes)
    assert done["changed"] is True, done
    assert host.resource(name="logs", device_minor=5, nodes=nodes)["changed"] is False
    assert host.resource()["changed"] is False
