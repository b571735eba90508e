# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The victim of a split brain is saved by LVM: real logical volumes below a real DRBD, on a kernel of their own."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator

import pytest
import uml_host
from drbd_host import MIB, NAMES

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="boots a kernel on this machine's files")

# An extent of LVM's has 4 MiB.
LV_EXTENTS = 10
SNAPSHOT_EXTENTS = LV_EXTENTS + 1
BY_ID = "/dev/disk/by-id/test-data"
SAVE_TO = "/run/saved"
# What the other host says of itself.
PEER = {"running": True, "disk": "UpToDate", "connection": "StandAlone"}


class Victim:
    """The host that is to give up its changes; one volume on LVM, one on a plain disk."""

    def __init__(self, host: uml_host.Host) -> None:
        self.host = host

    def prepare(self) -> None:
        """Both volumes in use, with data, and the other host not to be reached."""
        run = self.host.run
        run("pvcreate", "/dev/ubdb")
        run("vgcreate", "vg", "/dev/ubdb")
        run("lvcreate", "--extents", str(LV_EXTENTS), "--name", "data", "vg")
        run("mkdir", "-p", os.path.dirname(BY_ID), SAVE_TO)
        run("ln", "-s", "/dev/mapper/vg-data", BY_ID)
        uml_host.use_drbd(self.host, BY_ID, "/dev/ubdc")
        for device in ("/dev/drbd3", "/dev/drbd4"):
            run("dd", "if=/dev/urandom", f"of={device}", "bs=1M", "count=8", "oflag=direct")
        run("drbdadm", "secondary", "kwdb")

    def give_up(self, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run drbd_split_brain with this host as the victim."""
        given = {"name": "kwdb", "victim": NAMES[0], "peer": PEER, "save_to": SAVE_TO, **options}
        return self.host.module("drbd_split_brain", check=check, **given)

    def checksum(self, device: str) -> str:
        """A checksum over every byte of a device, as they are on the disk."""
        said = self.host.run(
            "sh", "-c", f"dd if={device} bs=1M iflag=direct 2>/dev/null | sha256sum"
        )
        return said.stdout.split()[0]

    def logical(self) -> dict[str, int]:
        """The logical volumes and their extents."""
        argv = ["lvs", "--reportformat", "json", "--units", "b", "--nosuffix"]
        found = json.loads(self.host.run(*argv, "--options", "lv_name,lv_size").stdout)
        return {
            one["lv_name"]: int(one["lv_size"]) // (4 * MIB) for one in found["report"][0]["lv"]
        }

    @property
    def connection(self) -> str:
        """What DRBD says of its connection."""
        return self.host.run("drbdadm", "cstate", "kwdb").stdout.split()[0]

    def state(self) -> list[Any]:
        """Everything that a refusal must leave as it is."""
        sums = [self.checksum(one) for one in (BY_ID, "/dev/ubdc")]
        kept = self.host.run("ls", SAVE_TO).stdout
        return [*sums, self.logical(), self.connection, kept]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """The host, booted once; each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("victim")
    disks = [folder / "lvm.img", folder / "plain.img"]
    for disk, size in zip(disks, (128, 20)):
        disk.touch()
        os.truncate(disk, size * MIB)
    try:
        with uml_host.booted(folder, disks) as host:
            one = Victim(host)
            one.prepare()
            yield one
    except uml_host.CannotBoot as reason:
        pytest.skip(f"NOT TESTED, LVM snapshots of a victim: {reason}")


@pytest.fixture
def without_room(victim: Victim) -> Iterator[Victim]:
    """One extent too few is free: all but that would fit."""
    pv = int(victim.host.run("vgs", "--noheadings", "-o", "vg_free_count", "vg").stdout)
    victim.host.run(
        "lvcreate", "--extents", str(pv - SNAPSHOT_EXTENTS + 1), "--wipesignatures", "n", "--name", "fill", "vg"
    )  # fmt: skip
    yield victim
    victim.host.run("lvremove", "--yes", "vg/fill")


def test_a_group_without_room_is_refused_and_nothing_changes(without_room: Victim) -> None:
    victim, before = without_room, without_room.state()
    assert victim.connection == "WFConnection"
    for check in (True, False):
        refused = victim.give_up(check=check, snapshot=True)
        assert refused.get("failed"), refused
        needed, free = SNAPSHOT_EXTENTS * 4 * MIB, (SNAPSHOT_EXTENTS - 1) * 4 * MIB
        assert f"the volume group vg has {free} bytes free, {needed} are needed" in refused["msg"]
        assert "vgextend" in refused["msg"] and "split_brain_save_to" in refused["msg"]
    assert victim.state() == before


def test_lvm_itself_would_have_made_a_snapshot_too_small(without_room: Victim) -> None:
    """Why the size is a number: were it not so, the refusal above would be too strict."""
    run = without_room.host.run
    run("lvcreate", "--snapshot", "--extents", "100%ORIGIN", "--name", "small", "vg/data")
    assert without_room.logical()["small"] == SNAPSHOT_EXTENTS - 1
    run("lvremove", "--yes", "vg/small")


def test_a_snapshot_that_fails_discards_nothing(victim: Victim) -> None:
    """There seems to be room, but LVM may not use it."""
    run = victim.host.run
    sums = victim.state()[:3]
    run("pvchange", "--allocatable", "n", "/dev/ubdb")
    try:
        failed = victim.give_up(snapshot=True)
        assert failed.get("failed"), failed
        assert "nothing was discarded" in failed["msg"]
        assert failed["cmd"].startswith("lvcreate --snapshot")
        assert victim.state()[:3] == sums
        assert victim.connection == "StandAlone"
    finally:
        run("pvchange", "--allocatable", "y", "/dev/ubdb")
        run("drbdadm", "connect", "kwdb", check=False)


def test_a_volume_that_the_file_does_not_name_is_not_discarded(victim: Victim) -> None:
    run, before = victim.host.run, victim.state()
    run("mv", "/etc/drbd.d/kwdb.res", "/etc/drbd.d/other.res")
    try:
        refused = victim.give_up()
        assert "kwdb's volume 0, 1" in refused["msg"], refused
        assert victim.state() == before
    finally:
        run("mv", "/etc/drbd.d/other.res", "/etc/drbd.d/kwdb.res")


def test_the_snapshot_holds_what_the_victim_had_whatever_comes_after(victim: Victim) -> None:
    before = victim.state()
    planned = victim.give_up(check=True, snapshot=True)
    assert victim.state() == before
    done = victim.give_up(snapshot=True)
    assert not done.get("failed"), done
    snapshot, image = done["saved"]
    name = snapshot.removeprefix("vg/")
    assert name.startswith("data-split-")
    assert image.startswith(f"{SAVE_TO}/kwdb-1-{NAMES[0]}-")
    assert [one.split(" --name ")[0] for one in planned["commands"]] == [
        one.split(" --name ")[0] for one in done["commands"]
    ]
    assert done["commands"] == [
        "drbdadm disconnect kwdb",
        f"lvcreate --snapshot --extents {SNAPSHOT_EXTENTS} --chunksize 4096b --name {name} vg/data",
        "drbdadm connect --discard-my-data kwdb",
    ]
    assert victim.connection == "WFConnection"
    assert victim.logical() == {"data": LV_EXTENTS, name: SNAPSHOT_EXTENTS}
    assert victim.checksum(f"/dev/{snapshot}") == before[0]
    # The worst resynchronisation: every byte becomes another one.
    run = victim.host.run
    run("dd", "if=/dev/urandom", f"of={BY_ID}", "bs=1M", f"count={LV_EXTENTS * 4}", "oflag=direct")
    assert victim.checksum(BY_ID) != before[0]
    assert victim.checksum(f"/dev/{snapshot}") == before[0]
    invalid = run("lvs", "--noheadings", "--options", "lv_snapshot_invalid", snapshot)
    assert invalid.stdout.strip() == ""
