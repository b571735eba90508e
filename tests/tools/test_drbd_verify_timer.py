# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that compares both sides: the role's own tasks on a real systemd, which calls the real drbdadm.

Only what drbdadm calls to reach the kernel is a recorder, because there is no DRBD in this machine's kernel.
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
from typing import Iterator

import module_host
import pytest
import systemd_host
from drbd_host import COMMON, NAMES, SECRET
from test_drbd_roles import recap

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd_config

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="boots a systemd in namespaces")

UNIT = "kwdb-ha-verify-kwdb"
TIMER, SERVICE = f"{UNIT}.timer", f"{UNIT}.service"
FOLDER = "/etc/systemd/system"
CALLED = "/run/drbd-called"
# By both names under which the two generations of drbdadm know it.
SETUPS = {"8.4.11": "/usr/lib/drbd/drbdsetup-84", "9.1.7": "/usr/sbin/drbdsetup"}
RECORDER = f'#!/bin/sh\necho "$*" >>{CALLED}\n[ ! -e /run/refuse ] || {{ echo "not connected" >&2; exit 11; }}\n'
SUNDAY = "Sun 03:00"
NOTHING = "[Unit]\nDescription=Nothing\nDefaultDependencies=no\n"
SOON = "[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:*\nRandomizedDelaySec=0\nAccuracySec=1us\n"


class Timed:
    """The host, and the tasks of the role for it."""

    def __init__(self, host: systemd_host.Host, folder: pathlib.Path) -> None:
        self.host = host
        self.folder = folder
        self.shared = folder / "shared"

    def prepare(self) -> None:
        """Share a folder for Ansible's files, and configure the resource."""
        self.shared.mkdir()
        self.host.must("mkdir", "-p", str(self.shared))
        mount = ["mount", "--bind", str(self.shared), f"{self.host.root}{self.shared}"]
        subprocess.run(
            ["nsenter", f"--target={self.host.init}", "--mount", *mount], check=True, cwd="/"
        )
        # What every timer waits for would mount file systems and set up devices, as a boot does.
        for target in ("sysinit", "basic"):
            self.host.write(f"{FOLDER}/{target}.target", NOTHING)
            for place in (FOLDER, "/lib/systemd/system"):
                self.host.must("rm", "-rf", f"{place}/{target}.target.wants")
        self.host.must("systemctl", "daemon-reload")
        self.host.must("hostname", NAMES[0])
        self.host.must("ip", "address", "add", "10.99.0.10/32", "dev", "lo")
        self.host.write("/etc/drbd.d/global_common.conf", COMMON)
        for path in SETUPS.values():
            self.host.write(path, RECORDER, 0o755)

    def configure(self, version: str) -> None:
        """The resource's file for one version of the kernel module, as drbd_resource writes it."""
        nodes = tuple(
            _drbd_config.Node(name, f"10.99.0.1{number}", 7789, number)
            for number, name in enumerate(NAMES)
        )
        place = _drbd_config.Place("/dev/disk/by-id/data")
        volume = _drbd_config.Volume(0, 3, (place, place))
        want = _drbd_config.Definition("kwdb", nodes, (volume,), SECRET)
        text = _drbd_config.render(want, int(version[0]))
        self.host.write("/etc/drbd.d/kwdb.res", text)
        more = f"[Service]\nEnvironment=DRBD_DRIVER_VERSION_OVERRIDE={version}\n"
        self.host.write(f"/usr/lib/systemd/system/{SERVICE}.d/version.conf", more)
        self.host.must("systemctl", "daemon-reload")

    def python(self) -> str:
        """A Python that runs on the host."""
        spaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--root", "--wd"]
        argv = ["nsenter", f"--target={self.host.init}", *spaces, sys.executable]
        path = self.folder / "python"
        path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def play(self, schedule: str, *options: str, name: str = NAMES[0]) -> int:
        """Run the tasks; how many of them changed something."""
        nodes = [
            {"name": one, "replication_address": "10.99.0.1", "disk": "/dev/a"} for one in NAMES
        ]
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": self.python(),
            "ansible_remote_tmp": str(self.shared),
            "drbd_nodes": nodes,
            "drbd_shared_secret": SECRET,
            "drbd_verify_schedule": schedule,
        }
        role = {"name": "kwdb.ha.drbd", "tasks_from": "verify"}
        tasks = [{"ansible.builtin.include_role": role}]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        inventory = {"all": {"hosts": {name: variables}}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        (self.folder / "play.yml").write_text(json.dumps(play))
        done = module_host.run(["-i", "inventory.json", "play.yml", *options], self.folder).must()
        return recap(done.said)[name]["changed"]

    def units(self) -> list[str]:
        """Everything of the timer that lies in systemd's folder."""
        found = self.host.must("find", FOLDER, "-name", f"{UNIT}*").split()
        return sorted(os.path.relpath(path, FOLDER) for path in found)

    def called(self) -> list[str]:
        """What the kernel has been asked to do."""
        return self.host.run("cat", CALLED).stdout.splitlines()

    def wait_for_call(self) -> str:
        """The first thing that the kernel is asked to do from now on; nobody but the timer asks."""
        self.host.run("rm", CALLED)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if verify := [one for one in self.called() if "verify" in one]:
                return verify[0]
            time.sleep(0.2)
        raise AssertionError(self.host.must("journalctl", "--no-pager", "--lines=40"))


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timed]:
    """The host, booted once."""
    try:
        with systemd_host.booted() as host:
            one = Timed(host, tmp_path_factory.mktemp("timer"))
            one.prepare()
            yield one
    except systemd_host.CannotBoot as exc:
        pytest.skip(f"NOT TESTED, the timer of drbd_verify_schedule: {exc}")


@pytest.fixture
def timed(booted: Timed) -> Iterator[Timed]:
    """The host; a test may leave the timer there."""
    yield booted
    for path in (f"{FOLDER}/{TIMER}.d", CALLED, "/run/refuse"):
        booted.host.run("rm", "-rf", path)
    booted.host.run("systemctl", "stop", SERVICE)
    booted.host.run("systemctl", "reset-failed")


@pytest.fixture
def scheduled(timed: Timed) -> Timed:
    """The host with the timer, which waits."""
    path = timed.host.root / f"{FOLDER}/{TIMER}".lstrip("/")
    if not path.exists() or SUNDAY not in path.read_text():
        timed.play(SUNDAY)
    timed.host.must("systemctl", "daemon-reload")
    timed.host.must("systemctl", "restart", TIMER)
    return timed


def test_check_mode_writes_nothing(timed: Timed) -> None:
    assert timed.play(SUNDAY, "--check") > 0
    assert timed.units() == []


def test_the_units_are_valid_and_the_timer_waits(timed: Timed) -> None:
    assert timed.play(SUNDAY) > 0
    host = timed.host
    checked = host.run("systemd-analyze", "verify", f"{FOLDER}/{TIMER}", f"{FOLDER}/{SERVICE}")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert host.show(TIMER, "ActiveState") == "active"
    assert host.show(TIMER, "SubState") == "waiting"
    assert host.show(TIMER, "UnitFileState") == "enabled"
    assert host.show(TIMER, "Unit") == SERVICE
    assert "OnCalendar=Sun *-*-* 03:00:00" in host.show(TIMER, "TimersCalendar")
    assert timed.called() == []


def test_a_second_run_changes_and_restarts_nothing(scheduled: Timed) -> None:
    since = scheduled.host.show(TIMER, "ActiveEnterTimestampMonotonic")
    assert scheduled.play(SUNDAY) == 0
    assert scheduled.play(SUNDAY, "--check") == 0
    assert scheduled.host.show(TIMER, "ActiveEnterTimestampMonotonic") == since


@pytest.mark.parametrize(
    ("version", "words"), [("8.4.11", ["verify", "3"]), ("9.1.7", ["verify", "kwdb", "1", "0"])]
)
def test_the_timer_starts_the_comparison_of_this_resource(
    scheduled: Timed, version: str, words: list[str]
) -> None:
    """The minute comes, systemd starts the service, drbdadm reads the file, and DRBD is told to compare."""
    scheduled.configure(version)
    scheduled.host.write(f"{FOLDER}/{TIMER}.d/soon.conf", SOON)
    scheduled.host.must("systemctl", "daemon-reload")
    scheduled.host.must("systemctl", "restart", TIMER)
    assert scheduled.wait_for_call().split() == words
    assert scheduled.host.show(SERVICE, "Result") == "success"
    assert {one.split()[0] for one in scheduled.called()} == {"verify"}


def test_a_comparison_that_cannot_begin_fails_where_it_is_seen(scheduled: Timed) -> None:
    scheduled.configure("8.4.11")
    scheduled.host.must("touch", "/run/refuse")
    assert scheduled.host.run("systemctl", "start", SERVICE).returncode != 0
    assert scheduled.host.show(SERVICE, "Result") == "exit-code"
    scheduled.host.must("journalctl", "--sync")
    said = scheduled.host.must("journalctl", "--no-pager", "--lines=40")
    assert f"Failed to start {SERVICE}" in said
    assert "not connected" in said
    # The next time is tried all the same.
    assert scheduled.host.show(TIMER, "SubState") == "waiting"


def test_another_schedule_takes_effect(scheduled: Timed) -> None:
    assert scheduled.play("Sat 04:30") > 0
    assert "Sat *-*-* 04:30:00" in scheduled.host.show(TIMER, "TimersCalendar")
    assert "Sun" not in scheduled.host.show(TIMER, "TimersCalendar")


def test_another_schedule_takes_effect_although_a_run_ended_early(scheduled: Timed) -> None:
    """The units were written, and then the connection to the host was lost."""
    path = scheduled.host.root / f"{FOLDER}/{TIMER}".lstrip("/")
    scheduled.host.write(f"{FOLDER}/{TIMER}", path.read_text().replace(SUNDAY, "Sat 04:30"))
    assert "Sun *-*-*" in scheduled.host.show(TIMER, "TimersCalendar")
    scheduled.play("Sat 04:30")
    assert "Sat *-*-* 04:30:00" in scheduled.host.show(TIMER, "TimersCalendar")
    soon = scheduled.host.must(
        "date", "+%A %H:%M", "--date=" + scheduled.host.show(TIMER, "NextElapseUSecRealtime")
    )
    assert soon.startswith("Saturday 04:")


@pytest.mark.parametrize(("schedule", "name"), [("", NAMES[0]), (SUNDAY, NAMES[1])])
def test_the_timer_goes_when_it_is_not_wanted_here(
    scheduled: Timed, schedule: str, name: str
) -> None:
    """Because there is no schedule any more, or because another host has become the first one."""
    before = scheduled.units()
    assert before == [SERVICE, TIMER, f"timers.target.wants/{TIMER}"]
    assert scheduled.play(schedule, "--check", name=name) > 0
    assert scheduled.units() == before
    assert scheduled.play(schedule, name=name) > 0
    assert scheduled.units() == []
    assert scheduled.host.show(TIMER, "ActiveState") == "inactive"
    assert scheduled.host.show(TIMER, "LoadState") == "not-found"
    assert scheduled.host.run("systemctl", "start", SERVICE).returncode != 0
    assert scheduled.play(schedule, name=name) == 0
    assert scheduled.called() == []
