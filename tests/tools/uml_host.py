# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel of its own, on this machine's files: for what this machine's kernel may lack.

The kernel is the lab's User-Mode Linux, with its own device-mapper and DRBD. It reads this machine's
files and cannot write to them, but for one folder; its disks are files.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from drbd_host import COMMON, NAMES, SECRET

from labkit import cache, kernel
from labkit.system import LabError

COLLECTIONS = ROOT / "build" / "collections"
LETTERS = "bcdefgh"
# Files of this machine that programs write to; there they are in memory, and empty.
MEMORY = ("/run", "/var/lib/drbd", "/etc/drbd.d")
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
for place in {memory}; do [ ! -d $place ] || mount -t tmpfs tmpfs $place; done
mkdir -p /run/lock/lvm /run/drbd /run/etc-lvm
# LVM makes the folder of its archive when it is first used, which on this machine it may never have been.
cp -a /etc/lvm/. /run/etc-lvm && mount --bind /run/etc-lvm /etc/lvm
mount -t hostfs -o {folder} none {folder}
hostname {name}
ip link set lo up
ip address add {address}/32 dev lo
exec {python} {folder}/guest.py {folder}
"""
# Loads modules without kmod, which this machine need not have; then does what it is asked to.
GUEST = """
import ctypes, json, os, subprocess, sys, time
folder, libc, number = sys.argv[1], ctypes.CDLL(None, use_errno=True), 0
def load(path):
    descriptor = os.open(path, os.O_RDONLY)
    if libc.syscall(313, descriptor, b"", 0) and ctypes.get_errno() != 17:
        return f"{path}: {os.strerror(ctypes.get_errno())}"
    return ""
while True:
    path = f"{folder}/request-{number}.json"
    if not os.path.exists(path):
        time.sleep(0.02)
        continue
    with open(path) as stream:
        request = json.load(stream)
    if "load" in request:
        said = [load(one) for one in request["load"]]
        answer = [int(any(said)), "", " ".join(said)]
    else:
        done = subprocess.run(request["argv"], input=request["stdin"], env=request["env"], capture_output=True, text=True)
        answer = [done.returncode, done.stdout, done.stderr]
    with open(f"{folder}/answer.tmp", "w") as stream:
        json.dump(answer, stream)
    os.rename(f"{folder}/answer.tmp", f"{folder}/answer-{number}.json")
    number += 1
"""
# In the order in which they need each other.
MODULES = (
    "kernel/drivers/md/dm-mod.ko",
    "kernel/drivers/md/dm-bufio.ko",
    "kernel/drivers/md/dm-snapshot.ko",
    "kernel/lib/libcrc32c.ko",
    "kernel/lib/lru_cache.ko",
    "kernel/drivers/block/drbd/drbd.ko",
)


class CannotBoot(Exception):
    """This machine does not let a test have a kernel of its own."""


class Host:
    """The running host."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process
        self.asked = 0

    def _ask(self, request: Mapping[str, Any], timeout: float) -> tuple[int, str, str]:
        """Have the guest do one thing; its exit code and what it printed."""
        text = self.folder / "request.tmp"
        text.write_text(json.dumps(request), encoding="utf-8")
        text.rename(self.folder / f"request-{self.asked}.json")
        answer = self.folder / f"answer-{self.asked}.json"
        self.asked += 1
        end = time.monotonic() + timeout
        while not answer.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise CannotBoot((self.folder / "console").read_text(errors="replace")[-2000:])
            time.sleep(0.02)
        code, out, err = json.loads(answer.read_text(encoding="utf-8"))
        return code, out, err

    def load(self, modules: Sequence[Path], timeout: float = 120) -> None:
        """Load kernel modules."""
        code, _out, err = self._ask({"load": [str(path) for path in modules]}, timeout)
        if code:
            raise CannotBoot(err)

    def run(
        self, *argv: str, stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there."""
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "LVM_SUPPRESS_FD_WARNINGS": "1",
            # Nobody but the tools themselves makes device nodes there.
            "DM_DISABLE_UDEV": "1",
            "PYTHONPATH": str(COLLECTIONS),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Ansible's modules want a home that can be written to.
            "HOME": "/run",
            "TMPDIR": "/run",
        }
        code, out, err = self._ask({"argv": argv, "stdin": stdin, "env": env}, 180)
        assert not check or code == 0, f"{argv} ended with {code}: {out}{err}"
        return subprocess.CompletedProcess(argv, code, out, err)

    def module(self, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run one of the collection's modules there; what it returns."""
        given = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}
        name = f"ansible_collections.kwdb.ha.plugins.modules.{module}"
        done = self.run(sys.executable, "-m", name, stdin=json.dumps(given), check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


def use_drbd(host: Host, *disks: str) -> None:
    """A resource kwdb with a volume on each of these disks from /dev/drbd3 on, Primary, whose peer is away."""
    host.run("tee", "/etc/drbd.d/global_common.conf", stdin=COMMON)
    done = host.module(
        "drbd_resource",
        name="kwdb",
        shared_secret=SECRET,
        fencing="dont-care",
        net={"cram-hmac-alg": "sha1"},
        allow_unstable_disk_name=True,
        nodes=[{"name": name, "address": f"10.99.0.{last}"} for last, name in enumerate(NAMES, 11)],
        volumes=[
            {"volume": number, "device_minor": 3 + number, "disks": dict.fromkeys(NAMES, disk)}
            for number, disk in enumerate(disks)
        ],
    )
    assert not done.get("failed"), done
    host.run("drbdadm", "primary", "--force", "kwdb")


def _kernel() -> kernel.Kernel:
    """The lab's kernel, from the lab's cache."""
    try:
        return kernel.ensure("auto", cache.root(), lambda _text: None)
    except (LabError, OSError) as exc:
        raise CannotBoot(f"no User-Mode Linux kernel is to be had here: {exc}") from exc


@contextlib.contextmanager
def booted(
    folder: Path, disks: Sequence[Path], name: str = "ha-node01", address: str = "10.99.0.11"
) -> Iterator[Host]:
    """A host with these disks, /dev/ubdb and so on, and with device-mapper and DRBD."""
    found = _kernel()
    shared = folder / "guest"
    shared.mkdir()
    init = shared / "init"
    names = {"folder": shared, "name": name, "address": address, "python": sys.executable}
    init.write_text(INIT.format(memory=" ".join(MEMORY), **names), encoding="utf-8")
    init.chmod(0o755)
    (shared / "guest.py").write_text(GUEST, encoding="utf-8")
    argv = [
        str(found.program), *found.options, "mem=256M", f"uml_dir={shared}", "rootfstype=hostfs", "rootflags=/",
        "ro", f"init={init}", "con=null", "con0=null,fd:1", "quiet",
        *(f"ubd{letter}={disk}" for letter, disk in zip(LETTERS, disks)),
    ]  # fmt: skip
    with open(shared / "console", "wb") as console:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            text=True,
            start_new_session=True,
        )
    with process:
        try:
            host = Host(shared, process)
            host.load([found.modules / path for path in MODULES if (found.modules / path).exists()])
            yield host
        finally:
            # Its own session: everything that the kernel runs ends with it.
            os.killpg(process.pid, signal.SIGKILL)
