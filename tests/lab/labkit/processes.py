"""Processes by identity: number and start time, so that a recycled number is never ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import store
from .system import LabError

# The wrapper waits for a line, so that a process is on record before it does anything; when the
# recorder dies first, it reads the end of the pipe and never starts.
GATE = 'read -r go || exit 1; exec "$@" </dev/null'


class Stat(NamedTuple):
    """What /proc/PID/stat says of one process."""

    pid: int
    state: str
    group: int
    start: int


@dataclass(frozen=True)
class Identity:
    """One process that the lab started, the leader of its own group."""

    pid: int
    start: int
    namespace: int


def parse_stat(text: str) -> Stat:
    """Read one /proc/PID/stat; the name in it may hold spaces and brackets."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    return Stat(int(pid), fields[0], int(fields[2]), int(fields[19]))


def stat_of(pid: int) -> Stat | None:
    """The process of that number, or None."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def network_of(pid: int) -> int:
    """The network namespace of a process, as a number; 0 when it is gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def everyone() -> list[Stat]:
    """All processes of this machine."""
    found = (stat_of(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [stat for stat in found if stat is not None]


def members(identity: Identity, stats: list[Stat]) -> list[int]:
    """The living processes of a recorded group."""
    return [
        stat.pid
        for stat in stats
        if stat.group == identity.pid and stat.start >= identity.start and stat.state not in "ZX"
    ]


def owned(identity: Identity) -> list[int]:
    """The members that are surely ours: same leader, or still inside the lab's own network."""
    leader = stat_of(identity.pid)
    if leader is not None and leader.start != identity.start:
        return []
    pids = members(identity, everyone())
    return [pid for pid in pids if pid == identity.pid or network_of(pid) == identity.namespace]


def leader_state(identity: Identity | None) -> str:
    """The state letter of the recorded process, empty when it is gone."""
    stat = stat_of(identity.pid) if identity else None
    if stat is None or identity is None or stat.start != identity.start or stat.state in "ZX":
        return ""
    return stat.state


def load(path: Path) -> Identity | None:
    """The identity recorded in a file."""
    values = store.read_json(path)
    return Identity(**values) if values else None


def start(
    record: Path,
    namespace: str,
    argv: list[str],
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Identity:
    """Start a program in the lab's network as the leader of its own group, recorded first."""
    inode = os.stat(f"/run/netns/{namespace}").st_ino
    full = ["nsenter", f"--net=/run/netns/{namespace}", "--", *argv]
    with open(log, "ab") as out:
        child = subprocess.Popen(
            ["/bin/sh", "-c", GATE, "lab", *full],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    stat = stat_of(child.pid)
    if stat is None or child.stdin is None:
        raise LabError(f"{argv[0]} ended at once; see {log}")
    identity = Identity(child.pid, stat.start, inode)
    store.write_json(record, identity.__dict__)
    child.stdin.write(b"go\n")
    child.stdin.close()
    # Nobody waits for it: it outlives this command. Popen would warn about that.
    child.returncode = 0
    return identity


def send(pids: list[int], number: int) -> None:
    """Send a signal; a process that has just ended is fine."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def reap(pid: int) -> None:
    """Collect our own dead child, if it is one."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def end(record: Path, timeout: float = 20) -> bool:
    """Kill a recorded process with its helpers and wait until all are gone."""
    identity = load(record)
    if identity is None:
        return False
    deadline = time.monotonic() + timeout
    pids = owned(identity)
    was_alive = bool(pids)
    while pids:
        send(pids, signal.SIGKILL)
        time.sleep(0.02)
        reap(identity.pid)
        pids = owned(identity)
        if pids and time.monotonic() > deadline:
            raise LabError(f"processes {pids} do not end, though killed")
    record.unlink()
    return was_alive


def traced(pid: int) -> bool:
    """Whether a process runs under a tracer, which alone may stop and continue it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "TracerPid:\t0\n" not in status


def settle(pids: list[int], stopped: bool, timeout: float = 10) -> None:
    """Wait until processes are stopped, or none is: a signal takes a moment on a busy machine."""
    deadline = time.monotonic() + timeout
    while True:
        states = [stat.state for stat in map(stat_of, pids) if stat and stat.state not in "ZX"]
        if all((state == "T") is stopped for state in states):
            return
        if time.monotonic() > deadline:
            raise LabError(f"processes {pids} do not {'stop' if stopped else 'go on'}: {states}")
        time.sleep(0.01)


def stop(identity: Identity) -> list[int]:
    """Stop a process with its helpers where they are."""
    pids = [pid for pid in owned(identity) if not traced(pid)]
    # The leader first: it drives the others.
    pids.sort(key=lambda pid: pid != identity.pid)
    send(pids, signal.SIGSTOP)
    settle(pids, stopped=True)
    return pids


def go_on(identity: Identity) -> list[int]:
    """Let a stopped process go on, its helpers before it."""
    pids = [pid for pid in owned(identity) if not traced(pid)]
    pids.sort(key=lambda pid: pid == identity.pid)
    send(pids, signal.SIGCONT)
    settle(pids, stopped=False)
    return pids
