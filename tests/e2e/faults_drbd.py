"""DRBD under fire: what needs the kernel module, each case with rows that were acknowledged before it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pairlab import Lab, write_case
from watch import RESOURCE, SQL, active, answers, drbd, mend, other, wait_for, whole

DEVICE = "/dev/drbd3"
TABLE = "defaultdb.kwdb_ha_drbd"
POWER_CUTS = 10


class Rows:
    """Rows written through the virtual IP; each one that was acknowledged must stay."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.tried = lab, 0
        self.ranges: list[tuple[int, int]] = []
        # When a row was acknowledged during the last load.
        self.times: list[float] = []
        self.sql(f"DROP TABLE IF EXISTS {TABLE}")
        self.sql(f"CREATE TABLE {TABLE} (id INT PRIMARY KEY, pad STRING)")

    @property
    def acked(self) -> int:
        """How many rows were acknowledged."""
        return sum(last - first + 1 for first, last in self.ranges)

    def sql(self, statement: str) -> list[str]:
        """Lines that the database answers; none when it does not."""
        host = active(self.lab) or self.lab.hosts[0]
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            command = f'timeout 20 {SQL} "{statement}"'
            return self.lab.ssh(host, command, check=False, timeout=40).splitlines()
        return []

    def write(self, count: int, size: int = 1000) -> None:
        """Write so many rows in one statement; counted only when it was acknowledged."""
        first, self.tried = self.tried + 1, self.tried + count
        values = ",".join(f"({one}, repeat('x', {size}))" for one in range(first, self.tried + 1))
        said = self.sql(f"INSERT INTO {TABLE} VALUES {values}")
        # What was not acknowledged may be there or not; its numbers are not used again.
        if any(line.startswith("INSERT") and line.split()[-1] == str(count) for line in said):
            self.ranges.append((first, self.tried))
            self.times.append(time.monotonic())

    def lost(self) -> int:
        """How many of the acknowledged rows are not there."""
        where = " OR ".join(f"id BETWEEN {first} AND {last}" for first, last in self.ranges)
        said = self.sql(f"SELECT count(*) FROM {TABLE} WHERE {where}")
        numbers = [int(line) for line in said if line.strip().isdigit()]
        assert numbers, said
        return self.acked - numbers[-1]

    @property
    def outage_s(self) -> float:
        """The longest time in the last load in which no row was acknowledged, in seconds."""
        return round(max(then - now for now, then in zip(self.times, self.times[1:])), 1)

    @contextlib.contextmanager
    def load(self) -> Iterator[None]:
        """Write all the time until the block ends."""
        stop = threading.Event()
        self.times = [time.monotonic()]

        def work() -> None:
            while not stop.is_set():
                self.write(20)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join()


@pytest.fixture
def rows(lab: Lab) -> Iterator[Rows]:
    """Some rows before the fault; a whole pair in the end, whatever the case did."""
    mend(lab)
    found = Rows(lab)
    found.write(50)
    assert found.acked == 50
    try:
        yield found
    finally:
        mend(lab)
        found.sql(f"DROP TABLE IF EXISTS {TABLE}")


def record(name: str, rows: Rows, **figures: Any) -> None:
    """The case's record; a lost row fails it."""
    # A case may end while the service is still on its way back.
    wait_for("the service", lambda: answers(rows.lab), 180)
    lost = rows.lost()
    write_case(name, ok=lost == 0, acked=rows.acked, lost=lost, evidence=figures, **figures)
    assert lost == 0


def test_power_cuts_of_the_active_host_in_the_middle_of_writes(lab: Lab, rows: Rows) -> None:
    """Ten times; the kernel's log of the survivor tells whether its file system was whole."""
    outages = []
    for _turn in range(POWER_CUTS):
        host = active(lab)
        with rows.load():
            time.sleep(3)
            lab.halab("power", "off", host)
            wait_for("the other host", lambda: answers(lab), 120)
            time.sleep(3)
        outages.append(rows.outage_s)
        rows.write(10)
        assert rows.lost() == 0
        mend(lab)
    log = lab.ssh(active(lab), "journalctl -k --no-pager | grep -i 'EXT4-fs error' || true")
    assert log == ""
    record("drbd_power_cuts", rows, outage_s=max(outages), outages=outages)


def test_only_changed_blocks_are_sent_to_a_standby_that_was_away(lab: Lab, rows: Rows) -> None:
    host = active(lab)
    standby = other(lab, host)
    lab.ssh(host, f"pcs node standby {standby} && crm_resource --wait --timeout=120", timeout=240)
    try:
        before = drbd(lab, host)
        for _turn in range(10):
            rows.write(100)
        lab.ssh(host, "sync")
        written = int(drbd(lab, host)["device written"]) - int(before["device written"])
    finally:
        lab.ssh(host, f"pcs node unstandby {standby}")
    took = wait_for("the synchronisation", lambda: whole(lab, host))
    sent = int(drbd(lab, host)["peer-device sent"]) - int(before["peer-device sent"])
    size = int(before["device size"])
    # In KiB; a block that was written twice is sent once, and a small write marks 4 KiB.
    assert 0 < sent <= 2 * written + 4096
    assert sent < size / 4
    record("drbd_changed_blocks", rows, sent_kib=sent, changed_kib=written, resync_s=took)


# DRBD's own fault injection: every read and write of data on the disk below minor 3 fails.
DISK_FAILS = """
cd /sys/module/drbd/parameters
echo 8 > fault_devs; echo 100 > fault_rate; echo 48 > enable_faults
"""
DISK_WORKS = "echo 0 > /sys/module/drbd/parameters/enable_faults"


@pytest.mark.parametrize("role", ["active", "standby"])
def test_disk_error(lab: Lab, rows: Rows, role: str) -> None:
    """The disk below DRBD fails while the database writes: the service goes on from the good copy."""
    serving = active(lab)
    host = serving if role == "active" else other(lab, serving)
    good = other(lab, host)
    try:
        with rows.load(), lab.hosts_restored(host, DISK_FAILS, DISK_WORKS):
            lost = wait_for(
                "the disk is let go of",
                lambda: drbd(lab, host).get("device disk") in ("Diskless", "Failed"),
                60,
            )
            # The service may go on without a disk of its own until Pacemaker has moved it to the good copy.
            time.sleep(5)
            lab.ssh(lab.hosts[0], "crm_resource --wait --timeout=120", timeout=180)
            wait_for("the service", lambda: answers(lab), 120)
            time.sleep(3)
        assert active(lab) == good
        rows.write(20)
        assert rows.lost() == 0
        # Somebody has to say that the disk is good again; nothing here does that by itself.
        assert drbd(lab, host)["device disk"] == "Diskless"
    finally:
        lab.ssh(host, f"drbdadm attach {RESOURCE}")
    record(f"drbd_disk_error_{role}", rows, outage_s=rows.outage_s, detached_after_s=lost)


def test_a_stale_copy_is_never_promoted(lab: Lab, rows: Rows) -> None:
    """The active host dies while the standby is still synchronising."""
    host = active(lab)
    standby = other(lab, host)
    lab.ssh(host, f"drbdadm peer-device-options {RESOURCE} 2>/dev/null; true")
    lab.ssh(
        standby, f"pcs node standby {standby} && crm_resource --wait --timeout=120", timeout=240
    )
    lab.ssh(
        host,
        "dd if=/dev/urandom of=/var/lib/kaiwudb/ballast bs=1M count=60 conv=fsync",
        timeout=300,
    )
    for one in lab.hosts:
        lab.ssh(
            one, f"drbdadm disk-options --c-plan-ahead=0 --resync-rate=500k {RESOURCE}", check=False
        )
    lab.ssh(host, f"pcs node unstandby {standby}")
    wait_for(
        "the synchronisation's begin",
        lambda: drbd(lab, host).get("peer-device replication") == "SyncSource",
        60,
    )
    lab.halab("power", "off", host)
    end = time.monotonic() + 40
    while time.monotonic() < end:
        assert drbd(lab, standby).get("resource role") != "Primary"
        time.sleep(2)
    info = lab.play("verify.yml", "--limit", standby, extra={"verify_drills": []})
    assert info.rc != 0
    said = " ".join(info.messages)
    assert "Inconsistent" in said or "not promoted" in said or "promoted on no host" in said, said
    lab.halab("power", "on", host, "--wait")
    lab.ssh(host, "pcs cluster start --all", check=False)
    wait_for("the service", lambda: answers(lab), 240)
    lab.ssh(active(lab), "rm -f /var/lib/kaiwudb/ballast")
    record("drbd_stale_not_promoted", rows, said=said)


def test_crash_during_the_first_copy_goes_on_where_it_was(lab: Lab, rows: Rows) -> None:
    """The standby's copy is invalidated, which is what a first synchronisation looks like to it."""
    standby = other(lab, active(lab))
    lab.ssh(standby, f"drbdadm invalidate {RESOURCE}")
    lab.halab("power", "cycle", standby)
    assert answers(lab)
    rows.write(20)
    mend(lab)
    run = lab.play("site.yml").must()
    assert all(not one["commands"] for one in run.results("kwdb.ha.drbd_resource"))
    record("drbd_crash_in_first_copy", rows)


MARK = "/var/lib/kaiwudb/written-by"


def serves(lab: Lab, host: str) -> bool:
    """Whether the database runs on this host, whatever the other one does."""
    return (
        lab.ssh(host, "systemctl is-active kaiwudb.service", check=False).strip() == "active"
        and lab.ssh(host, "findmnt -n /var/lib/kaiwudb", check=False) != ""
    )


def split(lab: Lab) -> tuple[str, str]:
    """Both links cut without fencing: both hosts serve and write; which one serves after the healing."""
    lab.ssh(lab.hosts[0], "pcs property set stonith-enabled=false")
    for one in lab.hosts:
        lab.ssh(one, f"drbdadm disk-options --fencing=dont-care {RESOURCE}")
    for link in ("cluster", "replication"):
        lab.halab("link", "cut", link)
    wait_for("two hosts that serve", lambda: all(serves(lab, one) for one in lab.hosts))
    for one in lab.hosts:
        lab.ssh(one, f"uname -n > {MARK} && sync")
    for link in ("cluster", "replication"):
        lab.halab("link", "heal", link)
    wait_for(
        "the split",
        lambda: (
            "StandAlone"
            in {drbd(lab, one).get("connection connection", "StandAlone") for one in lab.hosts}
        ),
        60,
    )
    wait_for("one that serves", lambda: sum(serves(lab, one) for one in lab.hosts) == 1)
    lab.ssh(lab.hosts[0], "crm_resource --wait --timeout=180", timeout=240)
    wait_for("the service", lambda: answers(lab))
    host = active(lab)
    return host, other(lab, host)


def unsplit(lab: Lab) -> None:
    """Set what split() has changed back."""
    for host in lab.hosts:
        lab.ssh(host, f"drbdadm adjust {RESOURCE}")
    lab.ssh(lab.hosts[0], "pcs property set stonith-enabled=true")


def saved_image(lab: Lab, run: Any, victim: str) -> str:
    """The victim's whole volume was saved before its changes were given up; the file is removed."""
    (done,) = (one for one in run.results("kwdb.ha.drbd_split_brain") if one["saved"])
    (path,) = done["saved"]
    size = lab.ssh(victim, f"stat -c %s {path}; rm {path}").strip()
    assert int(size) == int(drbd(lab, victim)["device size"]) * 1024
    return str(path)


def test_split_brain_with_the_standby_as_victim(lab: Lab, rows: Rows) -> None:
    host, standby = split(lab)
    rows.write(20)
    try:
        seen = lab.play("verify.yml")
        assert seen.rc != 0
        assert any("split_brain.yml" in message for message in seen.messages), seen.messages
        looked = lab.play("split_brain.yml")
        assert looked.rc != 0
        assert any("split_brain_victim" in message for message in looked.messages), looked.messages
        refused = lab.play("split_brain.yml", extra={"split_brain_victim": host})
        assert any("which you named as the victim" in message for message in refused.messages)
        extra = {"split_brain_victim": standby, "split_brain_save_to": "/var/lib/drbd"}
        saved = saved_image(lab, lab.play("split_brain.yml", extra=extra).must(), standby)
        again = lab.play("split_brain.yml").must()
        assert not any(again.changed.values())
    finally:
        unsplit(lab)
    assert lab.ssh(host, f"cat {MARK}; rm {MARK}").strip() == host
    record("drbd_split_brain_standby", rows, saved=saved)


def test_split_brain_with_the_active_host_as_victim(lab: Lab, rows: Rows) -> None:
    """The other direction, the way that the refusal names: the service moves to the other side's data."""
    host, standby = split(lab)
    try:
        refused = lab.play("split_brain.yml", extra={"split_brain_victim": host})
        assert any(f"pcs node standby {host}" in message for message in refused.messages)
        for command in (f"pcs node standby {host}", f"pcs node unstandby {host}"):
            lab.ssh(standby, f"{command} && crm_resource --wait --timeout=180", timeout=240)
        assert active(lab) == standby
        extra = {"split_brain_victim": host, "split_brain_save_to": "/var/lib/drbd"}
        saved = saved_image(lab, lab.play("split_brain.yml", extra=extra).must(), host)
    finally:
        unsplit(lab)
    assert whole(lab, host)
    assert lab.ssh(standby, f"cat {MARK}; rm {MARK}").strip() == standby
    record("drbd_split_brain_active", rows, saved=saved)


def test_blocks_that_differ_are_found_and_repaired_only_when_asked(lab: Lab, rows: Rows) -> None:
    standby = other(lab, active(lab))
    # DRBD finds a fast pace by itself, in hours; here there are seconds.
    for host in lab.hosts:
        lab.ssh(host, f"drbdadm disk-options --c-plan-ahead=0 --resync-rate=200M {RESOURCE}")
    clean = lab.play("verify_blocks.yml").must()
    assert clean.results("kwdb.ha.drbd_verify")[-1]["out_of_sync_kib"] == 0
    # Behind DRBD's back, as a bad controller does; far from any file of the database.
    lab.ssh(
        standby,
        f"dd if=/dev/urandom of=$(drbdadm sh-ll-dev {RESOURCE}) bs=4k count=4 seek=45000 oflag=direct",
    )
    found = lab.play("verify_blocks.yml")
    assert found.rc != 0
    differs = [one for one in found.results("kwdb.ha.drbd_verify") if "out_of_sync_kib" in one]
    assert differs[-1]["out_of_sync_kib"] == 16
    lab.play("verify_blocks.yml", extra={"verify_blocks_repair": True}).must()
    wait_for("the repair", lambda: whole(lab, standby))
    assert (
        lab.play("verify_blocks.yml").must().results("kwdb.ha.drbd_verify")[-1]["out_of_sync_kib"]
        == 0
    )
    record("drbd_verify_blocks", rows, found_kib=differs[-1]["out_of_sync_kib"])


@pytest.mark.parametrize("held", ["nothing", "a file system"])
def test_disk_replaced(lab: Lab, rows: Rows, held: str) -> None:
    """The standby's disk comes back blank, or with somebody's files: only a named one is taken."""
    host = active(lab)
    standby = other(lab, host)
    lab.ssh(host, f"pcs node standby {standby} && crm_resource --wait --timeout=120", timeout=240)
    disk = "/dev/disk/by-id/lab-data"
    size = int(
        lab.ssh(standby, f"blkdiscard --zeroout {disk}; blockdev --getsize64 {disk}", timeout=300)
    )
    saved: list[str] = []
    if held == "a file system":
        lab.ssh(standby, f"mkfs.ext4 -q -L precious {disk}")
        before = lab.ssh(standby, f"sha256sum < {disk}", timeout=300)
        refused = lab.play("site.yml")
        assert any("precious" in message for message in refused.messages), refused.messages
        assert lab.ssh(standby, f"sha256sum < {disk}", timeout=300) == before
        wipe = [{"host": standby, "disk": disk, "size_bytes": size}]
        done = lab.play("site.yml", extra={"drbd_wipe": wipe}).must()
        saved = [path for one in done.results("kwdb.ha.drbd_resource") for path in one["saved"]]
        assert len(saved) == 1
    else:
        lab.play("site.yml").must()
    lab.ssh(host, f"pcs node unstandby {standby}")
    took = wait_for("the full synchronisation", lambda: whole(lab, host), 300)
    rows.write(10)
    record(f"drbd_disk_replaced_{held.split()[-1]}", rows, resync_s=took, saved=saved)


def module(lab: Lab, host: str, action: str, /, **options: Any) -> dict[str, Any]:
    """Run one of the collection's modules on a host; what it returns."""
    done = lab.halab(
        "run", "--", "ansible", host, "-i", str(lab.inventory), "-b", "-o", "-m", f"kwdb.ha.{action}",
        "-a", json.dumps(options), check=False, capture_output=True,
        env={**os.environ, "ANSIBLE_HOST_KEY_CHECKING": "0"},
    )  # fmt: skip
    assert "=>" in done.stdout, done.stdout + done.stderr
    return json.loads(done.stdout.split("=>", 1)[1])


GROWING = {
    "name": "growing",
    "device_minor": 7,
    "shared_secret": "b8N2vR5xK9mQ4tW7zL1c",
    "fencing": "dont-care",
    "allow_unstable_disk_name": True,
}


def test_grow_with_a_client_writing(lab: Lab, rows: Rows) -> None:
    """A resource of its own, outside of Pacemaker, on loop devices that can be made larger."""
    loops = {
        host: lab.ssh(
            host,
            "truncate -s 64M /var/tmp/growing.img && losetup --find --show /var/tmp/growing.img",
        ).strip()
        for host in lab.hosts
    }
    one, two = lab.hosts
    nodes = [
        {"name": host, "address": f"10.77.2.1{number}", "port": 7799, "disk": loops[host]}
        for number, host in enumerate(lab.hosts, 1)
    ]
    try:
        made = {
            host: module(lab, host, "drbd_resource", nodes=nodes, **GROWING) for host in lab.hosts
        }
        first = {"initial_sync": "full", "peer_generation": made[two]["resource"]["generations"]}
        module(lab, one, "drbd_resource", nodes=nodes, **GROWING, **first)
        lab.ssh(one, "drbdadm primary growing && mkfs.ext4 -q /dev/drbd7 && mount /dev/drbd7 /mnt")
        wait_for(
            "the first copy",
            lambda: (
                module(lab, one, "drbd_info", name="growing")["resource"]["done_percent"] == 100
            ),
        )
        lab.ssh(
            one,
            "(while :; do date >> /mnt/log; sync; sleep 0.2; done) >/dev/null 2>&1 & echo $! > /run/writer",
        )
        for host in lab.hosts:
            lab.ssh(host, f"truncate -s 128M /var/tmp/growing.img && losetup -c {loops[host]}")
        peer = [
            one["backing_bytes"]
            for one in module(lab, two, "drbd_info", name="growing")["resource"]["volumes"]
        ]
        grown = module(lab, one, "drbd_grow", name="growing", peer_backing_bytes=peer)
        assert grown["commands"] == ["drbdadm resize growing", "resize2fs /dev/drbd7"], grown
        assert grown["volumes"][0]["after"] > grown["volumes"][0]["before"] + (50 << 20)
        proven = module(lab, two, "drbd_grow", name="growing")
        assert not proven.get("failed"), proven
        again = module(lab, one, "drbd_grow", name="growing", peer_backing_bytes=peer)
        assert again["changed"] is False
        # A hard stop of the standby right after: it comes up by itself, with its metadata at the new end.
        lab.ssh(
            one,
            "kill $(cat /run/writer); test $(wc -l < /mnt/log) -gt 3; umount /mnt; drbdadm secondary growing",
        )
        for host in lab.hosts:
            lab.ssh(host, "drbdadm down growing && drbdadm up growing")
        wait_for(
            "both sides",
            lambda: module(lab, one, "drbd_info", name="growing")["resource"]["disk"] == "UpToDate",
        )
    finally:
        for host in lab.hosts:
            lab.ssh(
                host,
                "umount /mnt; drbdadm down growing; rm -f /etc/drbd.d/growing.res /var/lib/drbd/kwdb-ha-growing.json; "
                f"losetup -d {loops[host]}; rm -f /var/tmp/growing.img",
                check=False,
            )
    record("drbd_grow", rows, volumes=grown["volumes"])


def test_grow_playbook_finds_nothing_to_grow(lab: Lab, rows: Rows) -> None:
    run = lab.play("grow.yml").must()
    assert not any(run.changed.values()), run.changed
    (grown, proven) = run.results("kwdb.ha.drbd_grow")
    assert grown["volumes"], "the active host's sizes"
    record("drbd_nothing_to_grow", rows, volumes=grown["volumes"], standby=proven)


def test_a_resource_that_pacemaker_manages_is_not_removed(lab: Lab, rows: Rows) -> None:
    refused = module(lab, active(lab), "drbd_resource", name=RESOURCE, state="absent")
    assert "Pacemaker manages kwdb" in refused["msg"]
    assert answers(lab)
    record("drbd_removal_refused", rows)
