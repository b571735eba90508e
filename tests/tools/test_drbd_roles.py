"""The checks of the roles drbd and filesystem on two hosts, before anything has changed on either."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from drbd_host import COLLECTIONS, ENTER, MIB, NAMES, ROOT, SECRET, Disk, Host, command

PLAYBOOK = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  vars:
    drbd_nodes: "{{ groups['all'] | map('extract', hostvars, 'node') | list }}"
  tasks:
    - ansible.builtin.include_role:
        name: kwdb.ha.drbd
        tasks_from: preflight
    - ansible.builtin.include_role:
        name: kwdb.ha.filesystem
        tasks_from: preflight
"""


class Pair:
    """Two hosts made of namespaces, as an Ansible inventory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disks = [Disk(folder, name) for name in NAMES]
        self.hosts = [
            Host(folder / name, disk.path, name=name, address=f"10.99.0.{number}")
            for number, (name, disk) in enumerate(zip(NAMES, self.disks), 11)
        ]
        self.vars: dict[str, Any] = {
            "drbd_shared_secret": SECRET,
            "filesystem_directory": str(folder / "data"),
        }
        self.nodes = [
            {
                "name": host.name,
                "replication_address": host.address,
                "disk": host.name_disk(disk.path),
            }
            for host, disk in zip(self.hosts, self.disks)
        ]

    def close(self) -> None:
        """Give the loop devices back."""
        for disk in self.disks:
            disk.close()

    def python(self, host: Host) -> str:
        """A Python that runs on this host."""
        path = host.folder / "python"
        spaces = ["unshare", "--mount", "--uts", "--net", "bash", "-c", ENTER, "host"]
        where = [host.name, host.address, str(host.folder), sys.executable]
        lines = [
            "#!/bin/bash",
            f"export DRBD_DRIVER_VERSION_OVERRIDE={host.version}",
            f'exec {shlex.join([*spaces, *where])} "$@"',
        ]
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o755)
        return str(path)

    def play(self) -> str:
        """Run the checks of both roles; everything that Ansible says."""
        hosts = {
            host.name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": self.python(host),
                "node": node,
            }
            for host, node in zip(self.hosts, self.nodes)
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": self.vars}}))
        playbook = self.folder / "play.yml"
        playbook.write_text(PLAYBOOK)
        tool = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [str(tool), "--inventory", str(inventory), str(playbook)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_FORKS": "2"},
        )
        return done.stdout + done.stderr

    def state(self) -> list[str]:
        """Everything that must not change: both disks, and every file of both hosts."""
        found = [disk.checksum() for disk in self.disks]
        for host in self.hosts:
            for part in ("drbd.d", "drbd", "fstab"):
                found += sorted(str(path) for path in (host.folder / part).rglob("*"))
        return [*found, str((self.folder / "data").exists())]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two hosts with a blank disk each."""
    one = Pair(tmp_path)
    yield one
    one.close()


def recap(said: str) -> dict[str, dict[str, int]]:
    """The counts in Ansible's recap, by host."""
    counts = {}
    for line in said.split("PLAY RECAP")[1].splitlines()[1:]:
        name, sep, rest = line.partition(":")
        if sep:
            pairs = (word.split("=") for word in rest.split())
            counts[name.strip()] = {key: int(value) for key, value in pairs}
    return counts


def test_two_blank_disks_pass_and_nothing_changes(pair: Pair) -> None:
    before = pair.state()
    said = pair.play()
    assert {
        name: (one["failed"], one["changed"]) for name, one in recap(said).items()
    } == dict.fromkeys(NAMES, (0, 0)), said
    assert pair.state() == before
    assert SECRET not in said


def with_second_larger(pair: Pair) -> None:
    pair.disks[1].grow(80 * MIB)


def with_file_system(pair: Pair) -> None:
    command("mkfs.ext4", "-q", "-L", "precious", pair.disks[1].path)


def without_secret(pair: Pair) -> None:
    del pair.vars["drbd_shared_secret"]


def with_the_pages_secret(pair: Pair) -> None:
    pair.vars["drbd_shared_secret"] = "justaverificationtest"


def with_unstable_name(pair: Pair) -> None:
    pair.nodes[1]["disk"] = pair.disks[1].path


def without_kernel_module(pair: Pair) -> None:
    pair.hosts[1].version = "8.3.16"


def with_files_below_the_mount_point(pair: Pair) -> None:
    (pair.folder / "data").mkdir()
    (pair.folder / "data" / "old").touch()


def with_a_schedule_in_plain_words(pair: Pair) -> None:
    pair.vars["drbd_verify_schedule"] = "every Sunday at three"


def with_a_schedule_of_two_lines(pair: Pair) -> None:
    pair.vars["drbd_verify_schedule"] = "Sun 03:00\nOnBootSec=1"


def with_one_host(pair: Pair) -> None:
    pair.hosts.pop()
    pair.nodes.pop()


BAD: dict[str, tuple[Callable[[Pair], None], list[str]]] = {
    "sizes": (with_second_larger, ["The disks differ in size", f"{NAMES[1]} has {80 * MIB} bytes"]),
    "file system": (with_file_system, [f"[{NAMES[1]}]: FAILED!", "label precious"]),
    "no secret": (without_secret, ["drbd_shared_secret is missing", "openssl rand -hex 24"]),
    "known secret": (
        with_the_pages_secret,
        ["(drbd_shared_secret in the role) is one that is printed in manuals"],
    ),
    "unstable": (
        with_unstable_name,
        [f"[{NAMES[1]}]: FAILED!", "Use its name under /dev/disk/by-id"],
    ),
    "kernel": (without_kernel_module, [f"kernel of {NAMES[1]}", "8.4 and 9 are supported"]),
    "mount point": (with_files_below_the_mount_point, ["is not empty while nothing is mounted"]),
    "schedule": (
        with_a_schedule_in_plain_words,
        ['drbd_verify_schedule is "every Sunday at three", which systemd does not understand'],
    ),
    "two lines": (with_a_schedule_of_two_lines, ["which systemd does not understand"]),
    "one host": (with_one_host, ["between exactly two hosts"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_stops_both_hosts_before_anything_has_changed(pair: Pair, case: str) -> None:
    spoil, words = BAD[case]
    spoil(pair)
    before = pair.state()
    said = pair.play()
    flat = " ".join(said.split())
    for word in words:
        assert word in flat, said
    counts = recap(said)
    assert sum(one["failed"] for one in counts.values()) > 0
    assert sum(one["changed"] for one in counts.values()) == 0
    assert "Traceback" not in said
    assert "justaverificationtest" not in said
    assert pair.state() == before


OWN = "/usr/local/lib/kwdb-ha/drbd-fence-peer"


def variable(name: str, **change: Any) -> Any:
    """A variable of the role with some of those that it is made from."""
    loader = DataLoader()
    variables: dict[str, Any] = {"ansible_check_mode": False}
    for folder in ("defaults", "vars"):
        path = ROOT / "roles" / "drbd" / folder / "main.yml"
        variables.update(loader.load_from_file(str(path), trusted_as_template=True))
    variables.update(change)
    return Templar(loader, variables=variables).template(variables[name])


@pytest.mark.parametrize(
    ("change", "fence", "unfence"),
    [
        ({}, OWN, f"{OWN} --unfence"),
        (
            {"drbd_fence_peer_arguments": "--timeout 40"},
            f"{OWN} --timeout 40",
            f"{OWN} --unfence",
        ),
        ({"drbd_fencing_policy": "dont-care"}, None, None),
        # In check mode on a host that does not have it yet.
        ({"ansible_check_mode": True, "there": False}, None, None),
        ({"ansible_check_mode": True}, OWN, f"{OWN} --unfence"),
    ],
)
def test_the_fence_handlers_are_the_roles_own(
    change: dict[str, Any], fence: str | None, unfence: str | None
) -> None:
    change = dict(change)
    there = change.pop("there", True)
    found = variable(
        "__drbd_fence_handlers",
        __drbd_handler_file={"stat": {"exists": there}},
        **change,
    )
    assert (found.get("fence-peer"), found.get("unfence-peer")) == (fence, unfence)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, {"c-fill-target": "1M", "c-min-rate": "10M"}),
        (
            {"drbd_peer_device": {"c-min-rate": "50M", "c-max-rate": "500M"}},
            {"c-fill-target": "1M", "c-min-rate": "50M", "c-max-rate": "500M"},
        ),
        # DRBD 8.4 has them among the options of its disks: named there, they are not named twice.
        ({"drbd_disk": {"c-min-rate": "50M"}}, {"c-fill-target": "1M"}),
    ],
)
def test_a_copy_that_fell_behind_catches_up(
    change: dict[str, Any], options: dict[str, str]
) -> None:
    assert variable("__drbd_peer_device", **change) == options


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, {"ping-int": 3, "ping-timeout": 20}),
        (
            {"drbd_net": {"ping-int": 5, "timeout": 40}},
            {"ping-int": 5, "ping-timeout": 20, "timeout": 40},
        ),
    ],
)
def test_a_peer_that_is_gone_is_noticed_soon(
    change: dict[str, Any], options: dict[str, Any]
) -> None:
    found = variable("__drbd_net", drbd_cram_hmac_algorithm="sha256", **change)
    assert found == {"cram-hmac-alg": "sha256", **options}
