"""Processes are known by number and start time, never by number alone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from labkit import processes
from labkit.processes import Identity, Stat

# From a running lab; the second name is made to look like the end of the name field.
LINE = (
    "18039 (linux.uml) S 1 18039 18039 0 -1 4194624 105332 0 0 0 291 171 0 0 20 0 3 0 "
    "1230312 1098084352 51731 18446744073709551615 1610612736\n"
)


def test_parse_stat() -> None:
    assert processes.parse_stat(LINE) == Stat(18039, "S", 18039, 1230312)
    odd = LINE.replace("linux.uml", "a) Z 9 (b")
    assert processes.parse_stat(odd) == Stat(18039, "S", 18039, 1230312)


def test_members() -> None:
    identity = Identity(pid=100, start=50, namespace=7)
    stats = [
        Stat(100, "S", 100, 50),
        Stat(101, "S", 100, 60),
        Stat(102, "Z", 100, 60),
        Stat(103, "S", 100, 40),
        Stat(104, "S", 99, 60),
    ]
    assert processes.members(identity, stats) == [100, 101]


@pytest.fixture
def stranger() -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def test_recycled_number_is_left_alone(stranger: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = processes.stat_of(stranger.pid)
    assert found is not None
    record = tmp_path / "record.json"
    processes.store.write_json(
        record, {"pid": stranger.pid, "start": found.start - 1, "namespace": 0}
    )
    assert processes.end(record) is False
    assert not record.exists()
    assert stranger.poll() is None


def test_recorded_process_is_ended(stranger: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = processes.stat_of(stranger.pid)
    assert found is not None
    record = tmp_path / "record.json"
    processes.store.write_json(
        record,
        {"pid": stranger.pid, "start": found.start, "namespace": processes.network_of(os.getpid())},
    )
    identity = processes.load(record)
    assert identity is not None
    assert processes.stop(identity) == [stranger.pid]
    assert processes.leader_state(identity) == "T"
    processes.go_on(identity)
    assert processes.leader_state(identity) in "RS"
    assert processes.end(record) is True
    assert processes.leader_state(identity) == ""
    assert processes.end(record) is False


def test_gate_without_recorder_starts_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "started"
    argv = ["/bin/sh", "-c", processes.GATE, "lab", "touch", str(witness)]
    assert subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode == 1
    assert not witness.exists()
    assert subprocess.run(argv, input=b"go\n", check=False).returncode == 0
    assert witness.exists()


def test_send_to_nobody() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    processes.send([child.pid], signal.SIGKILL)
