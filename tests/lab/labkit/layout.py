"""Names and addresses of a lab; pure, so that any command can work them out again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RELEASES = ("bookworm", "trixie", "bullseye")
OUTSIDE = "10.77.1.1"
VIP = "10.77.1.100"
PREFIX = 24
BRIDGES = ("netA", "netB")
FIRST_HOST = 11
FIRST_BMC_PORT = 9001
BMC_USER = "admin"
DATA_DISK = "/dev/disk/by-id/lab-data"
EXTRA_DISK = "/dev/disk/by-id/lab-extra"
ADDRESSES_LEFT = 80


def run_id(run_dir: Path) -> str:
    """A short name for one run directory, the same each time."""
    return hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:8]


def namespace(run_dir: Path) -> str:
    """The network namespace of one run directory."""
    return f"halab-{run_id(run_dir)}"


def state_dir(run_dir: Path) -> Path:
    """Where the lab remembers what it made: short (sockets), gone after a reboot like the lab."""
    return Path("/run") / namespace(run_dir)


@dataclass(frozen=True)
class Host:
    """One host of the lab."""

    name: str
    index: int
    address: str
    replication_address: str
    taps: list[str]
    macs: list[str]
    bmc_port: int
    core: int


@dataclass(frozen=True)
class Lab:
    """What `up` was asked for, as every later command needs it."""

    run_dir: str
    release: str
    image: str
    memory: int
    disk: int
    extra_disk: int
    kernel: str
    kernel_dir: str
    kernel_options: list[str]
    hosts: list[Host]

    @property
    def path(self) -> Path:
        """The run directory."""
        return Path(self.run_dir)

    @property
    def namespace(self) -> str:
        """The network namespace."""
        return namespace(self.path)

    @property
    def state(self) -> Path:
        """The state directory."""
        return state_dir(self.path)

    def host(self, name: str) -> Host:
        """The host of that name."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise KeyError(f"there is no host {name} in this lab; it has {known}")

    def files(self, host: Host) -> Path:
        """The folder of a host's disks and console."""
        return self.path / "hosts" / host.name


def make_hosts(count: int, cores: list[int]) -> list[Host]:
    """The hosts of a lab: numbered names and addresses, each with a core of its own."""
    if not 1 <= count <= ADDRESSES_LEFT:
        raise ValueError(f"the lab can have 1 to {ADDRESSES_LEFT} hosts, not {count}")
    return [
        Host(
            name=f"ha-node{number:02d}",
            index=number,
            address=f"10.77.1.{FIRST_HOST + number - 1}",
            replication_address=f"10.77.2.{FIRST_HOST + number - 1}",
            taps=[f"a{number}", f"b{number}"],
            macs=[f"52:54:77:01:00:{number:02x}", f"52:54:77:02:00:{number:02x}"],
            bmc_port=FIRST_BMC_PORT + number - 1,
            core=cores[(number - 1) % len(cores)],
        )
        for number in range(1, count + 1)
    ]


def to_json(lab: Lab) -> dict[str, Any]:
    """A lab as plain values."""
    return asdict(lab)


def from_json(values: dict[str, Any]) -> Lab:
    """A lab from plain values."""
    return Lab(**{**values, "hosts": [Host(**host) for host in values["hosts"]]})
