# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role pacemaker on two hosts that are roots with their own name: its checks, its password."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
from typing import Any, Callable, Iterator

import pair
import pytest
import roots
import yaml

from ansible_collections.kwdb.ha.plugins.module_utils import _corosync, _watchdog

COLLECTIONS = pathlib.Path(__file__).resolve().parents[2] / "build" / "collections"
FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "unit" / "fixtures"
ONE, TWO = pair.NODES
PASSWORD = 'Zw$ei& "drei'
PLAYBOOK = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  vars:
    pacemaker_nodes: "{{ groups['all'] | map('extract', hostvars, 'node') | list }}"
  tasks:
    - ansible.builtin.include_role:
        name: kwdb.ha.pacemaker
        tasks_from: "{{ part }}"
"""
# Enters a root with a name of its own and runs what follows there.
ENTER = 'hostname "$1" && mount -t proc proc "$2/proc" && root=$2 && shift 2 && exec chroot "$root" "$@"'
# In the place of the board's client: says what the file says, and notes that it was asked.
IPMITOOL = """#!/bin/sh
echo asked >>/tmp/asked
read -r answer </tmp/power
[ "$answer" = broken ] && { echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1; }
echo "Chassis Power is $answer"
"""


class Hosts:
    """Two hosts: an overlay over the root of a release each."""

    def __init__(self, suite: str, folder: pathlib.Path) -> None:
        self.folder = folder
        self.vars: dict[str, Any] = {
            "pacemaker_hacluster_password": PASSWORD,
            "pacemaker_fence_agent": "fence_ipmilan",
        }
        self.nodes = pair.inventory()["pacemaker_nodes"]
        self.plays = yaml.safe_load(PLAYBOOK)
        self.uppers, self.roots = [], []
        for name in pair.NODES:
            upper, work, root = (folder / name / part for part in ("upper", "work", "root"))
            for one in (upper, work, root):
                one.mkdir(parents=True)
            lower = roots.root(suite)
            options = f"lowerdir={lower},upperdir={upper},workdir={work}"
            argv = ["mount", "-t", "overlay", "overlay", "-o", options, str(root)]
            subprocess.run(argv, check=True)
            self.uppers.append(upper)
            self.roots.append(root)
            (root / "etc/corosync/corosync.conf").unlink()
            self.put(name, "usr/bin/ipmitool", IPMITOOL, 0o755)
            self.put(name, "tmp/power", "on\n")

    def put(self, name: str, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file on a host."""
        target = self.roots[pair.NODES.index(name)] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def close(self) -> None:
        """Leave nothing."""
        for root in self.roots:
            subprocess.run(["umount", str(root)], check=True)

    def python(self, number: int) -> str:
        """A Python that runs on this host."""
        root, name = self.roots[number], pair.NODES[number]
        path = self.folder / name / "python"
        argv = ["unshare", "--uts", "--mount", "sh", "-c", ENTER, "host", name, str(root)]
        path.write_text(f'#!/bin/sh\nexec {shlex.join([*argv, "/usr/bin/python3"])} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def play(self, part: str, *options: str) -> str:
        """Run one part of the role; everything that Ansible says."""
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": self.python(number),
                "node": node,
            }
            for number, (name, node) in enumerate(zip(pair.NODES, self.nodes))
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(
            json.dumps({"all": {"hosts": hosts, "vars": {**self.vars, "part": part}}})
        )
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump(self.plays))
        tool = pathlib.Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [str(tool), "--inventory", str(inventory), str(playbook), *options],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                # Modules travel by standard input: the hosts see none of our files.
                "ANSIBLE_PIPELINING": "1",
            },
        )
        return done.stdout + done.stderr

    def state(self) -> dict[str, bytes]:
        """Every file that is not the release's, without what the test itself uses."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for upper in self.uppers
            for path in sorted(upper.rglob("*"))
            if path.is_file() and not {"tmp", "__pycache__", ".ansible"} & set(path.parts[-4:])
        }


@pytest.fixture(params=list(roots.PACKAGES))
def each(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """Two hosts of each release."""
    yield from _hosts(request.param)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Two hosts of one release."""
    yield from _hosts("bookworm")


def _hosts(suite: str) -> Iterator[Hosts]:
    with tempfile.TemporaryDirectory(prefix="role-") as folder:
        found = Hosts(suite, pathlib.Path(folder))
        try:
            yield found
        finally:
            found.close()


def recap(said: str, name: str) -> dict[str, str]:
    """The numbers at the end."""
    line = next(one for one in said.splitlines() if one.startswith(f"{name} ") and "ok=" in one)
    return dict(word.split("=") for word in line.split() if "=" in word)


def test_checks_pass_and_change_nothing(each: Hosts) -> None:
    """On good hosts, with and without the cluster that the packages start."""
    conf = FIXTURES / "pacemaker-2.1.5" / "cluster" / "default.corosync.conf"
    each.put(TWO, "etc/corosync/corosync.conf", conf.read_text())
    before = each.state()
    said = each.play("preflight", "-vvv")
    for name in pair.NODES:
        numbers = recap(said, name)
        assert (numbers["failed"], numbers["changed"]) == ("0", "0"), said
    assert each.state() == before
    # Each host asked the other one's device; nobody saw the password.
    assert all((root / "tmp/asked").exists() for root in each.roots)
    assert pair.SECRET[:6] not in said
    assert PASSWORD[:5] not in said


def wrong(name: str, value: Any) -> Callable[[Hosts], None]:
    """A variable with a wrong value."""

    def change(hosts: Hosts) -> None:
        hosts.vars[name] = value

    return change


def device(**options: Any) -> Callable[[Hosts], None]:
    """Wrong options for the second host's device."""

    def change(hosts: Hosts) -> None:
        hosts.nodes[1]["fence_options"].update(options)

    return change


def no_device(hosts: Hosts) -> None:
    hosts.nodes[1]["fence_options"] = {}


def second_level(**options: Any) -> Callable[[Hosts], None]:
    """A second device for each host, the second host's with wrong options."""

    def change(hosts: Hosts) -> None:
        hosts.vars["pacemaker_second_fence_agent"] = "fence_ipmilan"
        for number, node in enumerate(hosts.nodes):
            node["second_fence_options"] = {**node["fence_options"], "ip": f"192.0.2.12{number}"}
        hosts.nodes[1]["second_fence_options"].update(options)

    return change


def same_device(hosts: Hosts) -> None:
    hosts.nodes[1]["fence_options"] = hosts.nodes[0]["fence_options"]


def other_cluster(hosts: Hosts) -> None:
    conf = (FIXTURES / "pacemaker-2.1.5" / "cluster" / "pcs.corosync.conf").read_text()
    hosts.put(TWO, "etc/corosync/corosync.conf", conf.replace("name: kwdb", "name: shop"))


def power(answer: str) -> Callable[[Hosts], None]:
    """What the second host hears from the first one's device."""

    def change(hosts: Hosts) -> None:
        hosts.put(TWO, "tmp/power", f"{answer}\n")

    return change


def watchdog(path: str, third: str = "192.0.2.99", agent: str = "") -> Callable[[Hosts], None]:
    """Watchdogs are to fence the hosts."""

    def change(hosts: Hosts) -> None:
        hosts.vars["pacemaker_watchdog"] = path
        hosts.vars["pacemaker_fence_agent"] = agent
        if third:
            hosts.vars["pacemaker_quorum_device"] = {"host": third}

    return change


def old_release(hosts: Hosts) -> None:
    text = 'ID=debian\nVERSION_ID="10"\nPRETTY_NAME="Debian GNU/Linux 10 (buster)"\n'
    hosts.put(TWO, "etc/os-release", text)
    hosts.put(TWO, "etc/debian_version", "10.13\n")


BAD = {
    "short password": (
        wrong("pacemaker_hacluster_password", "short"),
        "pacemaker_hacluster_password is missing, shorter than 12 characters",
    ),
    "no password": (wrong("pacemaker_hacluster_password", ""), "is missing, shorter"),
    "known password": (
        wrong("pacemaker_hacluster_password", "haclusterHACLUSTER"),
        "that everybody",
    ),
    "fast token": (
        wrong("pacemaker_token_ms", 200),
        "pacemaker_token_ms is 200, which is not from 1000 to 30000",
    ),
    "no consensus": (
        wrong("pacemaker_consensus_ms", 50),
        "pacemaker_consensus_ms is 50, which is not from 100 to 36000",
    ),
    "long delay": (wrong("pacemaker_fence_delay_s", 600), "which is not from 0 to 60"),
    "long pause": (wrong("pacemaker_boot_pause_s", -1), "which is not from 0 to 600"),
    "no fencing": (wrong("pacemaker_fence_agent", ""), "There is no fencing"),
    "no device": (no_device, f"There is no complete fence device for {TWO}"),
    "empty option": (device(password=""), f"There is no complete fence device for {TWO}"),
    "no second device": (
        wrong("pacemaker_second_fence_agent", "fence_ipmilan"),
        f"There is no complete fence device for {ONE}: give pair_second_fence_options",
    ),
    "empty second option": (
        second_level(password=""),
        f"There is no complete fence device for {TWO}: give pair_second_fence_options",
    ),
    "same second device": (second_level(ip="192.0.2.120"), "pair_second_fence_options is the same"),
    "same device": (same_device, "would power itself off"),
    "order in the options": (device(action="off"), "the option action would tell the agent"),
    "other cluster": (other_cluster, "already belongs to the cluster 'shop'"),
    "silent device": (power("broken"), f"The fence device of {ONE} does not answer"),
    "wrong device": (power("off"), f"The fence device of {ONE} says that its host is off"),
    "watchdog, no third vote": (
        watchdog("/dev/watchdog", ""),
        "pacemaker_watchdog needs a third vote",
    ),
    "watchdog and device": (watchdog("/dev/watchdog", agent="fence_ipmilan"), "are both set"),
    "no watchdog": (watchdog("/dev/watchdog"), "has no watchdog device /dev/watchdog"),
    "watchdog is a file": (watchdog("/etc/hostname"), "has no watchdog device /etc/hostname"),
    "old release": (old_release, "whose cluster packages this role does not know"),
}


@pytest.mark.parametrize("name", BAD)
def test_checks_refuse(hosts: Hosts, name: str) -> None:
    """The message names the thing and the remedy; both hosts stay as they are."""
    change, message = BAD[name]
    change(hosts)
    before = hosts.state()
    said = hosts.play("preflight", "-v")
    assert message.lower() in " ".join(said.lower().split()), said
    assert "failed=1" in said
    assert hosts.state() == before
    assert pair.SECRET[:6] not in said


def test_both_fence_devices_are_asked(hosts: Hosts) -> None:
    """Each host asks both devices of the other one."""
    second_level()(hosts)
    said = hosts.play("preflight", "-v")
    assert recap(said, ONE)["failed"] == "0", said
    assert all((root / "tmp/asked").read_text().count("asked") == 2 for root in hosts.roots)
    assert pair.SECRET[:6] not in said


def test_risk_can_be_accepted(hosts: Hosts) -> None:
    """In so many words, and then without any device."""
    hosts.vars.update(pacemaker_fence_agent="", pacemaker_accept_risk_without_fencing=True)
    for node in hosts.nodes:
        node["fence_options"] = {}
    said = hosts.play("preflight")
    assert recap(said, ONE)["failed"] == "0"
    assert "RISK: this pair has no fencing" in said


def shadow(root: pathlib.Path) -> str:
    """The hash of the cluster's user."""
    lines = (root / "etc/shadow").read_text().splitlines()
    return next(line.split(":")[1] for line in lines if line.startswith("hacluster:"))


def fits(password: str, found: str) -> bool:
    """What the system's own library says to this password."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), found.encode()) == found.encode()


def test_password_is_set_once(each: Hosts) -> None:
    """The second run leaves the hash as it is; another password, and only that, changes it."""
    said = each.play("password", "-vvv")
    assert [recap(said, name)["changed"] for name in pair.NODES] == ["1", "1"], said
    hashes = [shadow(root) for root in each.roots]
    for found in hashes:
        assert fits(PASSWORD, found)
    # Two hosts, two salts: the hashes do not tell that the password is the same.
    assert len(set(hashes)) == 2
    assert PASSWORD[:5] not in said
    assert hashes[0] not in said

    said = each.play("password")
    assert [recap(said, name)["changed"] for name in pair.NODES] == ["0", "0"]
    assert [shadow(root) for root in each.roots] == hashes

    each.vars["pacemaker_hacluster_password"] = "another password"
    said = each.play("password", "--check")
    assert recap(said, ONE)["changed"] == "1"
    assert [shadow(root) for root in each.roots] == hashes
    each.play("password")
    assert all(fits("another password", shadow(root)) for root in each.roots)


def test_pcs_changes_the_times(each: Hosts) -> None:
    """The command for a cluster that is there does to its file what was declared, and nothing else."""
    conf = (FIXTURES / "pacemaker-2.1.5" / "cluster" / "pcs.corosync.conf").read_text()
    each.put(ONE, "tmp/corosync.conf", conf)
    before = _corosync.parse(conf)
    declared = {"token": "3000", "consensus": "1200"}
    changes = _corosync.totem_changes(before, dataclasses.replace(before, totem=declared))
    command = [*_corosync.update(changes), "--corosync_conf", "/tmp/corosync.conf"]
    root = str(each.roots[0])
    done = subprocess.run(["chroot", root, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = _corosync.parse((each.roots[0] / "tmp/corosync.conf").read_text())
    assert after == dataclasses.replace(before, totem={**before.totem, **declared})


def test_pcs_knows_how_to_enable_sbd(each: Hosts) -> None:
    """It goes as far as asking the members, which it does not reach, and takes each word of the command."""
    conf = (FIXTURES / "pacemaker-2.1.5" / "cluster" / "device.corosync.conf").read_text()
    each.put(ONE, "etc/corosync/corosync.conf", conf)
    known = {
        name: {"dest_list": [{"addr": "192.0.2.1", "port": 2224}], "token": "none"}
        for name in pair.NODES
    }
    hosts = {"format_version": 1, "data_version": 1, "known_hosts": known}
    each.put(ONE, "var/lib/pcsd/known-hosts", json.dumps(hosts))
    command = _watchdog.enable(_watchdog.Watchdog("/dev/watchdog", 15))

    def said(*more: str) -> str:
        inside = ["unshare", "--net", "chroot", str(each.roots[0]), *command, *more]
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "Unable to connect to" in said() and "invalid" not in said()
    assert "invalid option 'SBD_NONE'" in said("SBD_NONE=1")


@pytest.mark.parametrize("module", ["pcs_cluster", "fence_check"])
def test_examples_of_the_documentation_work(hosts: Hosts, module: str) -> None:
    """Each example is a task that plans without an error on hosts that have no cluster yet."""
    path = COLLECTIONS / "ansible_collections/kwdb/ha/plugins/modules" / f"{module}.py"
    text = path.read_text().split('EXAMPLES = r"""', 1)[1].split('"""', 1)[0]
    hosts.plays[0]["tasks"] = yaml.safe_load(text)
    hosts.vars.update(vault_bmc_password="x", vault_hacluster_password="y")
    said = hosts.play("", "--check", "--diff")
    assert recap(said, ONE)["failed"] == "0", said
    assert recap(said, ONE)["skipped"] == "0"
