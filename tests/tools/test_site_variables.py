# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong variables are refused by site.yml before it has tried to reach a host, so nothing can have changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = "ha-node01", "ha-node02"
REACHING = "PLAY [Reach both hosts]"
GROUP = {
    "pair_vip": "192.0.2.100",
    "pair_vip_prefix": 24,
    "pacemaker_fence_agent": "fence_ipmilan",
    "pacemaker_hacluster_password": "d41f6c0e9b7a5823",
    "drbd_shared_secret": "9f1c7be02d6a4853",
    "kwdb_packages": "/srv/kwdb",
    "kwdb_certs_dir": "/srv/certs",
}


def node(number: int) -> dict[str, Any]:
    """The variables of one host."""
    return {
        "ansible_host": f"192.0.2.{number}",
        "pair_address": f"192.0.2.{number}",
        "pair_replication_address": f"198.51.100.{number}",
        "pair_disk": "/dev/disk/by-id/data",
        "pair_fence_options": {"ip": f"192.0.2.{number + 10}", "username": "a", "password": "b"},
    }


def site(
    folder: Path, hosts: dict[str, dict[str, Any]], group: dict[str, Any], *options: str
) -> tuple[int, str]:
    """Run site.yml where there is no network at all; its exit code and what it said, in one line."""
    inventory = folder / "hosts.yml"
    pair = {"hosts": hosts, "vars": group}
    inventory.write_text(yaml.safe_dump({"all": {"children": {"kwdb_pair": pair}}}))
    tool = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        ["unshare", "--net", str(tool), "site.yml", "-i", str(inventory), *options],
        cwd=ROOT / "playbooks",
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_right_variables_go_on_to_the_hosts(tmp_path: Path) -> None:
    code, said = site(tmp_path, {ONE: node(1), TWO: node(2)}, GROUP)
    assert code != 0
    assert REACHING in said
    for host in (ONE, TWO):
        assert f"{host} cannot be reached" in said


# What is different for the group, for the second host, or the hosts themselves; and what must be said.
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "secret missing": ({"drbd_shared_secret": ""}, {}, "drbd_shared_secret is missing"),
    "password missing": (
        {"pacemaker_hacluster_password": ""},
        {},
        "pacemaker_hacluster_password is missing",
    ),
    "no password at all": (
        {"pacemaker_hacluster_password": None},
        {},
        "pacemaker_hacluster_password is missing",
    ),
    "password known": (
        {"pacemaker_hacluster_password": "haclusterhacluster"},
        {},
        "one that everybody knows",
    ),
    "no fencing": (
        {"pacemaker_fence_agent": ""},
        {},
        "pacemaker_accept_risk_without_fencing=true",
    ),
    "watchdog without a third vote": (
        {"pacemaker_fence_agent": "", "pacemaker_watchdog": "/dev/watchdog"},
        {},
        "pacemaker_watchdog needs a third vote",
    ),
    "watchdog and fence devices": (
        {"pacemaker_watchdog": "/dev/watchdog", "pacemaker_quorum_device": {"host": "192.0.2.9"}},
        {},
        "Fence devices are the faster fencing",
    ),
    "no fence options": ({}, {"pair_fence_options": {}}, f"no complete fence device for {TWO}"),
    "the same fence device": (
        {},
        {"pair_fence_options": node(1)["pair_fence_options"]},
        f"is the same for {ONE} and {TWO}",
    ),
    "the same address": ({}, {"pair_address": "192.0.2.1"}, "four different addresses"),
    "no disk": ({}, {"pair_disk": None}, f"The inventory does not give pair_disk for {TWO}"),
    "token too short": ({"pacemaker_token_ms": 300}, {}, "pacemaker_token_ms is 300"),
    "not a number": ({"pacemaker_token_ms": "soon"}, {}, "pacemaker_token_ms"),
    "stop too short": ({"kwdb_stop_timeout": 5}, {}, "kwdb_stop_timeout 5 seconds"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused_before_a_host_is_contacted(tmp_path: Path, name: str) -> None:
    group, second, says = WRONG[name]
    changed = {**node(2), **second}
    hosts = {ONE: node(1), TWO: {k: v for k, v in changed.items() if v is not None}}
    given = {k: v for k, v in {**GROUP, **group}.items() if v is not None}
    code, said = site(tmp_path, hosts, given)
    assert code != 0
    assert says in said
    assert REACHING not in said


def test_both_hosts_take_part(tmp_path: Path) -> None:
    code, said = site(tmp_path, {ONE: node(1), TWO: node(2)}, GROUP, "--limit", ONE)
    assert code != 0
    assert f"This run leaves out {TWO}" in said
    assert REACHING not in said


@pytest.mark.parametrize(
    ("numbers", "says"), [((1,), "names 1: ha-node01"), ((1, 2, 3), "names 3:")]
)
def test_a_pair_is_two_hosts(tmp_path: Path, numbers: tuple[int, ...], says: str) -> None:
    hosts = {f"ha-node0{number}": node(number) for number in numbers}
    code, said = site(tmp_path, hosts, GROUP)
    assert code != 0
    assert says in said
    assert REACHING not in said
