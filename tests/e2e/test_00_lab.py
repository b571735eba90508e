"""The lab itself: what it promises about hosts, power, links and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pairlab import BUILD, HALAB

ONE, TWO = "ha-node01", "ha-node02"
CANNOT_RUN = 77


class Halab:
    """The lab's command line, for one run directory."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def argv(self, command: str, *words: str) -> list[str]:
        return [str(HALAB), command, "--run-dir", str(self.run_dir), *words]

    def __call__(self, command: str, *words: str, rc: int = 0, timeout: float = 400) -> str:
        done = subprocess.run(
            self.argv(command, *words), capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode == CANNOT_RUN:
            print(f"\n{done.stderr}")
            pytest.skip("this machine cannot run the lab")
        assert done.returncode == rc, f"{command} {words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def ssh(self, host: str, script: str, rc: int = 0) -> str:
        return self("ssh", host, script, rc=rc)

    def status(self) -> dict:
        return json.loads(self("status", "--json"))

    def power(self, host: str) -> str:
        return self("power", "status", host).strip()

    def pings(self, host: str, address: str) -> bool:
        """Whether any of three answers comes: on a busy machine one may be late."""
        said = self.ssh(host, f"ping -c3 -i0.3 -W1 {address}; true")
        return re.search(r" [1-3] received", said) is not None

    def connects(self, address: str, port: int) -> bool:
        """Whether a client outside gets through to a port (an answered refusal counts)."""
        script = (
            "import socket\n"
            "try:\n"
            f"    socket.create_connection(({address!r}, {port}), 2)\n"
            "except ConnectionRefusedError:\n"
            "    pass\n"
            "except OSError:\n"
            "    raise SystemExit(9)\n"
        )
        done = subprocess.run(self.argv("run", "--", "python3", "-c", script), check=False)
        assert done.returncode in (0, 9)
        return done.returncode == 0


def leftovers(status: dict) -> list[str]:
    """What is still there of a lab that is down."""
    name = status["namespace"]
    found = [str(p) for p in (Path("/run/netns") / name, Path("/run") / name) if p.exists()]
    run_dir = status["run_dir"]
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            words = (proc / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if run_dir in words and int(proc.name) != os.getpid():
            found.append(f"{proc.name}: {words}")
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if run_dir in line]
    found += [str(path) for path in Path(run_dir).rglob("*.img")]
    return found


def wait_until(check: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def halab() -> Iterator[Halab]:
    halab = Halab(BUILD / "lab-selftest")
    halab("down")
    halab("up", "--extra-disk", "64", timeout=1200)
    yield halab
    halab("down")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Halab]:
    """A second lab, which is down in the end whatever the test found."""
    other = Halab(tmp_path / "other")
    other("down")
    yield other
    other("down")


def test_hosts_are_what_was_asked_for(halab: Halab) -> None:
    for host, number in ((ONE, 11), (TWO, 12)):
        said = halab.ssh(
            host,
            "uname -n; ip -br address; cd /dev/disk/by-id; "
            "blockdev --getsize64 lab-data lab-extra lab-root",
        )
        assert said.splitlines()[0] == host
        assert f"10.77.1.{number}/24" in said
        assert f"10.77.2.{number}/24" in said
        assert said.split()[-3:] == [str(512 << 20), str(64 << 20), str(6144 << 20)]
    # Bare means bare: what the roles install is offered, not installed.
    halab.ssh(ONE, "! command -v pcs && apt-cache policy pcs | grep -q 'Candidate: [0-9]'")


def test_pinned_to_cores(halab: Halab) -> None:
    hosts = halab.status()["hosts"]
    if len(os.sched_getaffinity(0)) > 1:
        assert hosts[ONE]["core"] != hosts[TWO]["core"]
    for host in hosts.values():
        assert os.sched_getaffinity(host["pid"]) == {host["core"]}


def test_data_disk_survives_a_power_cut_and_lab_data_is_blank(halab: Halab) -> None:
    disk = Path(halab.status()["hosts"][TWO]["disk"])
    assert not disk.read_bytes().strip(b"\0")
    halab.ssh(TWO, "echo kept | dd of=/dev/disk/by-id/lab-data oflag=sync status=none")
    halab("power", "cycle", TWO, "--wait")
    assert halab.ssh(TWO, "head -c4 /dev/disk/by-id/lab-data") == "kept"


def test_controller_switches_the_power(halab: Halab) -> None:
    """What fence_ipmilan calls; the agent itself fences in the tests of the pair."""
    halab.ssh(ONE, "apt-get -qq install ipmitool >/dev/null 2>&1")
    inventory = json.loads(halab("inventory", "--json"))
    options = inventory["all"]["children"]["kwdb_pair"]["hosts"][TWO]["pair_fence_options"]
    log = halab.run_dir / f"bmc-{TWO}.log"

    def chassis(action: str, password: str = options["password"], rc: int = 0) -> str:
        return halab.ssh(
            ONE,
            f"ipmitool -I lanplus -C {options['cipher']} -H {options['ip']} -p {options['ipport']}"
            f" -U {options['username']} -P {password} chassis power {action} 2>&1",
            rc=rc,
        )

    chassis("off", password="wrong", rc=1)
    assert halab.power(TWO) == "on"
    began = time.monotonic()
    chassis("off")
    assert halab.power(TWO) == "off"
    assert "is off" in chassis("status")
    chassis("on")
    assert "is on" in chassis("status")
    assert time.monotonic() - began < 10
    entries = [line.split()[1:3] for line in log.read_text().splitlines()]
    assert entries[-4:] == [["bmc", "off"], ["bmc", "off"], ["bmc", "on"], ["bmc", "on"]]
    wait_until(lambda: halab.pings(ONE, "10.77.1.12"), 60, "node 2 pings again")
    halab("power", "cycle", TWO, "--wait")


@pytest.mark.parametrize(
    ("link", "cut", "whole"),
    [("cluster", "10.77.1.12", "10.77.2.12"), ("replication", "10.77.2.12", "10.77.1.12")],
)
def test_link_between_hosts(halab: Halab, link: str, cut: str, whole: str) -> None:
    halab("link", "cut", link)
    assert not halab.pings(ONE, cut)
    assert halab.pings(ONE, whole)
    halab("link", "heal", link)
    assert halab.pings(ONE, cut)


def test_client_link(halab: Halab) -> None:
    assert halab.connects("10.77.1.11", 5405)
    halab("link", "cut", "client", ONE)
    assert not halab.connects("10.77.1.11", 5405)
    assert halab.connects("10.77.1.12", 5405)
    assert halab.connects("10.77.1.11", 22)
    assert halab.pings(ONE, "10.77.1.12")
    halab("link", "heal", "client")
    assert halab.connects("10.77.1.11", 5405)


def test_freeze_and_thaw(halab: Halab) -> None:
    assert halab("freeze", ONE).strip() == "frozen"
    assert halab.power(ONE) == "frozen"
    assert not halab.pings(TWO, "10.77.1.11")
    assert halab("thaw", ONE).strip() == "on"
    assert halab.pings(TWO, "10.77.1.11")


def test_host_reboots_itself(halab: Halab) -> None:
    before = halab.ssh(ONE, "cat /proc/sys/kernel/random/boot_id")
    halab.ssh(ONE, "systemctl reboot")

    def is_back() -> bool:
        done = subprocess.run(
            halab.argv("ssh", ONE, "cat /proc/sys/kernel/random/boot_id"),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0 and done.stdout != before

    wait_until(is_back, 60, "node 1 is back from its reboot")


def test_time_source(halab: Halab) -> None:
    halab.ssh(ONE, "apt-get -qq install chrony >/dev/null 2>&1")
    # -Q: measure only; ends with 0 when the source gave a usable answer.
    halab.ssh(ONE, "chronyd -Q -t 10 'server 10.77.1.1 iburst maxsamples 1' 2>&1")


def test_run_passes_everything_through(halab: Halab) -> None:
    done = subprocess.run(
        halab.argv("run", "--", "sh", "-c", "cat; echo $WORD; pwd; exit 5"),
        input="in\n",
        capture_output=True,
        text=True,
        env={**os.environ, "WORD": "w"},
        cwd="/usr",
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, "in\nw\n/usr\n")


def test_second_up_is_refused(halab: Halab) -> None:
    halab("up", rc=1)
    assert halab.power(ONE) == "on"


def test_other_run_dir_is_independent(halab: Halab, other: Halab) -> None:
    other("up", "--hosts", "1")
    status = other.status()
    assert list(status["hosts"]) == [ONE]
    assert other.pings(ONE, "10.77.1.1")
    assert not other.pings(ONE, "10.77.1.12")
    other("down")
    assert leftovers(status) == []
    # One answer may come late on a busy machine; a network taken down would never answer again.
    wait_until(lambda: halab.pings(ONE, "10.77.1.12"), 20, "the first lab's hosts reach each other")


def test_interrupted_up_leaves_nothing(other: Halab) -> None:
    # Tests that were started in the background of a shell hand on that SIGINT is ignored.
    argv = ["env", "--default-signal=INT", *other.argv("up", "--hosts", "1")]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    wait_until((other.run_dir / "hosts" / ONE / "console.log").exists, 60, "the host starts")
    status = other.status()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert leftovers(status) == []


def test_down_after_a_crash(other: Halab) -> None:
    process = subprocess.Popen(other.argv("up", "--hosts", "1"), stderr=subprocess.DEVNULL)
    wait_until((other.run_dir / "hosts" / ONE / "console.log").exists, 60, "the host starts")
    process.kill()
    process.wait()
    status = other.status()
    assert leftovers(status)
    other("down")
    # A question that up had just put to a host ends by itself, within its two seconds.
    wait_until(lambda: leftovers(status) == [], 15, "nothing is left")


def test_down_twice_leaves_nothing(halab: Halab) -> None:
    status = halab.status()
    assert leftovers(status)
    halab("down")
    assert leftovers(status) == []
    halab("down")
    halab("status", rc=1)
    assert (halab.run_dir / f"bmc-{TWO}.log").exists()
