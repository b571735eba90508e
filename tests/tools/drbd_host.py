"""Hosts that are only namespaces, and disks that are loop devices: for DRBD without its kernel module.

The modules run as they would on a target, with the real drbdadm, drbdmeta, blkid, wipefs and lsblk. Each
host has its own name, network, /etc/drbd.d, /var/lib/drbd, /etc/fstab and /dev/disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / "build" / "collections"
MIB = 1024 * 1024
SECRET = "Zr8vQ2mK5tW1xB7cN4yD"
NAMES = ("ha-node01", "ha-node02")
COMMON = "global { usage-count no; }\ncommon { }\n"

ENTER = """
set -e
hostname "$1"
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/drbd
ip link set lo up
ip address add "$2/32" dev lo
mount --bind "$3/drbd.d" /etc/drbd.d
mount --bind "$3/drbd" /var/lib/drbd
mount --bind "$3/fstab" /etc/fstab
mkdir -p /dev/disk /var/lib/pacemaker/cib
mount --bind "$3/cib" /var/lib/pacemaker/cib
mount --bind "$3/disk" /dev/disk
shift 3
exec "$@"
"""


def command(*argv: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program by its argument list."""
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=check)


class Disk:
    """A sparse file behind a loop device."""

    def __init__(self, folder: Path, name: str = "disk", size: int = 64 * MIB) -> None:
        self.file = folder / f"{name}.img"
        with open(self.file, "wb") as stream:
            stream.truncate(size)
        self.path = command(
            "losetup", "--find", "--show", "--partscan", str(self.file)
        ).stdout.strip()

    def close(self) -> None:
        """Give the loop device back."""
        command("losetup", "--detach", self.path, check=False)

    def grow(self, size: int) -> None:
        """Make the device larger, as a grown logical volume is."""
        os.truncate(self.file, size)
        command("losetup", "--set-capacity", self.path)

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes onto the device."""
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, data, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the device."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    @property
    def size(self) -> int:
        """The size of the device."""
        return int(command("blockdev", "--getsize64", self.path).stdout)

    def checksum(self) -> str:
        """A checksum over every byte of the device."""
        digest = hashlib.sha256()
        with open(self.path, "rb") as stream:
            while chunk := stream.read(4 * MIB):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass
class Host:
    """One host of a pair, made of namespaces; what it stores lies in a folder."""

    folder: Path
    disk: str
    name: str = NAMES[0]
    address: str = "10.99.0.11"
    version: str = "8.4.11"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in ("drbd.d", "drbd", "disk/by-id", "cib"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "fstab").touch()
        (self.folder / "drbd.d" / "global_common.conf").write_text(COMMON)

    @property
    def resource_file(self) -> Path:
        """The resource's file as it lies on the host."""
        return self.folder / "drbd.d" / "kwdb.res"

    @property
    def record_file(self) -> Path:
        """Where the host remembers its metadata."""
        return self.folder / "drbd" / "kwdb-ha-kwdb.json"

    def last_cib(self, text: str) -> None:
        """Make the host one whose cluster is stopped and whose last CIB is this one."""
        (self.folder / "cib" / "cib.xml").write_text(text)

    def name_disk(self, device: str, name: str = "test-data") -> str:
        """Give a device a stable name."""
        link = self.folder / "disk" / "by-id" / name
        link.unlink(missing_ok=True)
        link.symlink_to(device)
        return f"/dev/disk/by-id/{name}"

    def enter(self, *argv: str) -> list[str]:
        """The argument list that runs something on this host."""
        spaces = ["unshare", "--mount", "--uts", "--net"]
        where = [self.name, self.address, str(self.folder)]
        return [*spaces, "bash", "-c", ENTER, "host", *where, *argv]

    def environment(self) -> dict[str, str]:
        """The environment of everything on this host."""
        return {
            **os.environ,
            "PYTHONPATH": str(COLLECTIONS),
            "DRBD_DRIVER_VERSION_OVERRIDE": self.version,
        }

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program on this host."""
        return subprocess.run(
            self.enter(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            env=self.environment(),
        )

    def module(self, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run one of the collection's modules on this host; what it returns."""
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        python = [sys.executable, "-m", f"ansible_collections.kwdb.ha.plugins.modules.{module}"]
        done = subprocess.run(
            self.enter(*python),
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def options(self, **more: Any) -> dict[str, Any]:
        """Options of drbd_resource that make sense, and what a test changes."""
        other = "10.99.0.12" if self.address == "10.99.0.11" else "10.99.0.11"
        nodes = [
            {"name": self.name, "address": self.address, "disk": self.disk},
            {"name": next(n for n in NAMES if n != self.name), "address": other, "disk": self.disk},
        ]
        base = {
            "name": "kwdb",
            "device_minor": 3,
            "shared_secret": SECRET,
            "nodes": nodes,
            "allow_unstable_disk_name": True,
            # There is no kernel module here: everything but bringing the resource up is real.
            "start": "never",
        }
        return {**base, **self.settings, **more}

    def resource(self, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run drbd_resource."""
        return self.module("drbd_resource", check=check, **self.options(**more))


def drbdmeta(disk: Disk, *argv: str, version: str = "v08") -> str:
    """Run the real drbdmeta on a device."""
    return command("drbdmeta", "--force", "3", version, disk.path, "internal", *argv).stdout


def generation(disk: Disk, uuid: str, version: str = "v08") -> None:
    """Give existing metadata a generation, as a pair in use has."""
    fields: Sequence[str] = ("0" * 16, "0" * 16, "0" * 16)
    more = ["--node-id=1"] if version == "v09" else []
    command(
        "drbdmeta", "--force", "3", version, disk.path, "internal", "set-gi", *more,
        ":".join([uuid, *fields, "1", "1", "0", "0", "0", "0"]) + ":",
    )  # fmt: skip
