# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a real systemd and journal: this machine's files, in namespaces of their own.

What is written stays in memory and is gone afterwards. Only the journal and what a test starts run there,
never this machine's own services, and kernel settings cannot be written.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time
from typing import Iterator, Mapping, Sequence

SYSTEMD = "/lib/systemd/systemd"
# Its own target: the usual ones would set kernel settings and devices of the machine.
TARGET = """
[Unit]
Description=Nothing but the journal
DefaultDependencies=no
Wants=systemd-journald.socket
After=systemd-journald.socket
"""
BOOT = f"""
set -e
root=$1
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -o bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in run tmp dev; do mount -t tmpfs -o mode=0755 tmpfs "$root/$place"; done
chmod 1777 "$root/tmp"
for one in null zero full random urandom tty; do
  touch "$root/dev/$one"
  mount -o bind "/dev/$one" "$root/dev/$one"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ip link set lo up
exec chroot "$root" /usr/bin/env -i container=other {SYSTEMD} --system --unit=kwdb-test.target --show-status=false
"""


class CannotBoot(Exception):
    """This machine does not let a test have a systemd."""


class Host:
    """The running host."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.init = 0

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the host, with its folders."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def run(
        self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there; an environment replaces the usual one."""
        names = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})}
        inside = ["nsenter", f"--target={self.init}"]
        inside += ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--root", "--wd"]
        return subprocess.run(
            [*inside, "env", "-i", *(f"{name}={value}" for name, value in names.items()), *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def must(self, *argv: str) -> str:
        """Run a program that has to succeed; what it printed."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.must("systemctl", "show", "--value", f"--property={name}", unit).strip()


@contextlib.contextmanager
def _control_group() -> Iterator[pathlib.Path]:
    """A control group for the whole host."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        places = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if not places:
        raise CannotBoot("no cgroup2 is mounted here")
    try:
        made = pathlib.Path(tempfile.mkdtemp(prefix="kwdb-test-", dir=places[0]))
    except OSError as exc:
        raise CannotBoot(f"no control group can be made here: {exc}") from exc
    try:
        yield made
    finally:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for folder, _folders, _files in os.walk(made, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            if not made.exists():
                break
            time.sleep(0.05)


@contextlib.contextmanager
def _files() -> Iterator[pathlib.Path]:
    """This machine's files; what is written to them is kept in memory."""
    with tempfile.TemporaryDirectory(prefix="kwdb-host-") as name:
        memory = pathlib.Path(name)
        mounted: list[pathlib.Path] = []
        try:
            _mount(["-t", "tmpfs", "tmpfs", name])
            mounted.append(memory)
            for part in ("upper", "work", "root"):
                (memory / part).mkdir()
            layers = f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work"
            _mount(["-t", "overlay", "overlay", "-o", layers, f"{memory}/root"])
            mounted.append(memory / "root")
            yield memory / "root"
        finally:
            for one in reversed(mounted):
                subprocess.run(["umount", "--recursive", str(one)], check=True)


def _mount(argv: Sequence[str]) -> None:
    done = subprocess.run(["mount", *argv], check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotBoot(f"mount {' '.join(argv)}: {done.stderr.strip()}")


def _first_child(process: subprocess.Popen[str]) -> int:
    """The process that is number 1 in its namespace."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        found = path.read_text(encoding="ascii").split()
        if found and os.readlink(f"/proc/{found[0]}/exe").endswith("systemd"):
            return int(found[0])
        time.sleep(0.02)
    said = process.communicate()[1] if process.poll() is not None else "systemd did not start"
    raise CannotBoot(said.strip())


@contextlib.contextmanager
def booted() -> Iterator[Host]:
    """A host with a running systemd."""
    if not pathlib.Path(SYSTEMD).exists():
        raise CannotBoot(f"there is no {SYSTEMD} on this machine")
    with _control_group() as group, _files() as root:
        host = Host(root)
        host.write("/etc/systemd/system/kwdb-test.target", TARGET)
        host.write("/etc/machine-id", "")
        script = f"echo $$ >{group}/cgroup.procs; exec unshare --fork --kill-child --mount --pid --uts --ipc --net --cgroup sh -c '{BOOT}' boot {root}"
        with subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                host.init = _first_child(process)
                _wait_for_systemd(host)
                yield host
            finally:
                process.send_signal(signal.SIGKILL)


def _wait_for_systemd(host: Host) -> None:
    end = time.monotonic() + 20
    while host.run("systemctl", "is-active", "--quiet", "kwdb-test.target").returncode:
        if time.monotonic() > end:
            raise CannotBoot("systemd started and does not answer")
        time.sleep(0.05)
