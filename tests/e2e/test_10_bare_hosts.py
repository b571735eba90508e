"""Bare hosts: what check mode promises, and what wrong input gets before anything has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pairlab import BUILD, Lab, build_standin, write_case


@pytest.fixture(scope="module")
def untouched(lab: Lab) -> dict[str, str]:
    """The bare hosts as they are before the first run."""
    return lab.fingerprint()


def test_check_mode_on_bare_hosts(lab: Lab, untouched: dict[str, str]) -> None:
    run = lab.play("site.yml", "--check", "--diff").must()
    assert lab.fingerprint() == untouched
    # It must also say what it would do, or "no failure" proves nothing.
    assert all(len(tasks) > 10 for tasks in run.changed.values()), run.changed
    write_case("check_on_bare_hosts", ok=True, evidence=run.changed)


@dataclass(frozen=True)
class Wrong:
    """One wrong input: what is different, and what the message must say."""

    name: str
    says: str
    extra: dict[str, Any] = field(default_factory=dict)
    node02: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    inventory: dict[str, Any] | None = None


# A host whose address nobody has, in the lab's client network.
DEAD = {"ansible_host": "10.77.1.99", "ansible_ssh_common_args": "-o ConnectTimeout=3"}

WRONG = [
    Wrong(
        "disk_missing",
        "ha-node02.*/dev/disk/by-id/nothing",
        node02={"pair_disk": "/dev/disk/by-id/nothing"},
    ),
    Wrong("disk_unstable_name", "ha-node02.*/dev/ubdb.*by-id", node02={"pair_disk": "/dev/ubdb"}),
    Wrong(
        "disk_root",
        "ha-node02.*(root|mounted)",
        node02={"pair_disk": "/dev/ubda", "drbd_allow_unstable_disk_name": True},
    ),
    Wrong(
        "disk_sizes_differ",
        "(size|MiB|bytes).*differ|differ.*(size|MiB|bytes)",
        node02={"pair_disk": "EXTRA"},
    ),
    Wrong(
        "disk_mounted",
        "ha-node02.*mounted",
        node02={"pair_disk": "EXTRA"},
        before="mkfs.ext4 -q -F {extra} && mount -o ro,noload {extra} /mnt",
        after="umount /mnt; wipefs -aq {extra}; dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
    ),
    Wrong(
        "disk_file_system",
        "ha-node02.*ext4.*precious",
        node02={"pair_disk": "EXTRA"},
        before="mkfs.ext4 -q -F -L precious {extra}",
        after="wipefs -aq {extra}; dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
    ),
    Wrong(
        "disk_non_zero_data",
        "ha-node02.*(data|zero|blank)",
        node02={"pair_disk": "EXTRA"},
        before="printf precious | dd of={extra} bs=1 seek=1000 conv=notrunc 2>/dev/null",
        after="dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
    ),
    Wrong("vip_outside_network", "10.99.0.1.*network", extra={"pair_vip": "10.99.0.1"}),
    Wrong("vip_in_use", "10.77.1.1 and .* answered", extra={"pair_vip": "10.77.1.1"}),
    Wrong("secret_missing", "drbd_shared_secret", extra={"drbd_shared_secret": ""}),
    Wrong(
        "secret_of_the_page",
        "drbd_shared_secret",
        extra={"drbd_shared_secret": "justaverificationtest"},
    ),
    Wrong(
        "password_missing",
        "pacemaker_hacluster_password",
        extra={"pacemaker_hacluster_password": ""},
    ),
    Wrong(
        "password_default",
        "pacemaker_hacluster_password",
        extra={"pacemaker_hacluster_password": "hacluster"},
    ),
    Wrong(
        "no_fencing", "pacemaker_accept_risk_without_fencing", extra={"pacemaker_fence_agent": ""}
    ),
    Wrong(
        "fence_device_silent",
        "fence device of ha-node02 does not answer at 10.77.1.1, UDP port 9999",
        node02={
            "pair_fence_options": {
                "ip": "10.77.1.1",
                "ipport": 9999,
                "lanplus": True,
                "username": "admin",
                "password": "not-asked-for",
            }
        },
    ),
    Wrong(
        "packages_missing",
        "/nowhere is not a folder .*kwdb_packages",
        extra={"kwdb_packages": "/nowhere"},
    ),
    Wrong(
        "packages_half",
        "does not hold kaiwudb-libcommon",
        extra={"kwdb_packages": str(BUILD / "packages-half")},
    ),
    Wrong(
        "packages_architecture",
        "for arm64, but the hosts are amd64",
        extra={"kwdb_packages": str(BUILD / "packages-arm64")},
    ),
    Wrong("unreachable", "ha-node02 cannot be reached", node02=DEAD),
    Wrong(
        "operating_system",
        "ha-node02 runs Debian 10",
        before="cp -a /etc/os-release /run/os-release; cp -a /etc/debian_version /run/debian_version;"
        "rm /etc/os-release; sed s/12/10/g /usr/lib/os-release >/etc/os-release; echo 10.9 >/etc/debian_version",
        after="rm /etc/os-release; cp -a /run/os-release /etc/os-release;"
        "cp -a /run/debian_version /etc/debian_version",
    ),
    Wrong(
        "no_drbd_module",
        "kernel of ha-node02 has no DRBD module",
        before="f=$(modinfo -n drbd) && mv $f /run/ && echo $f >/run/drbd-was && depmod",
        after="f=$(cat /run/drbd-was) && mv /run/$(basename $f) $f && depmod",
    ),
    Wrong(
        "old_pcs",
        "ha-node02.*pcs .0.9.169. is not supported",
        before="printf '#!/bin/sh\\necho 0.9.169\\n' >/usr/local/bin/pcs && chmod 755 /usr/local/bin/pcs",
        after="rm /usr/local/bin/pcs",
    ),
    Wrong(
        "other_cluster",
        "ha-node02.*(somebody-elses|another cluster)",
        before="mkdir -p /etc/corosync && printf 'totem {{\\n version: 2\\n cluster_name: somebody-elses\\n}}\\n"
        "nodelist {{\\n node {{\\n ring0_addr: 10.0.0.1\\n name: other\\n nodeid: 1\\n }}\\n}}\\n'"
        " > /etc/corosync/corosync.conf",
        after="rm -r /etc/corosync",
    ),
    Wrong(
        "clock",
        "clocks of .* differ by at least 3[56]\\d\\d",
        before="date -s '+1 hour' >/dev/null",
        after="date -s '-1 hour' >/dev/null",
    ),
    Wrong("one_host", "names 1: ha-node01", inventory={"drop": "ha-node02"}),
    Wrong("three_hosts", "names 3:", inventory={"add": "ha-node03"}),
    Wrong("other_name", "calls itself ha-node02", inventory={"rename": ("ha-node02", "db2")}),
]


@pytest.fixture(scope="module", autouse=True)
def bad_package_folders() -> None:
    """Half of the packages, and packages for another processor."""
    half, arm64 = BUILD / "packages-half", BUILD / "packages-arm64"
    build_standin(arm64, "--architecture", "arm64")
    build_standin(half)
    for package in half.glob("kaiwudb-libcommon_*"):
        package.unlink()


@pytest.fixture
def inventory_kept(lab: Lab) -> Iterator[Path]:
    hosts = lab.inventory / "hosts.yml"
    text = hosts.read_text()
    yield hosts
    hosts.write_text(text)


def changed_inventory(text: str, change: dict[str, Any], node02: dict[str, Any]) -> str:
    """The inventory with one thing in it different."""
    whole = yaml.safe_load(text)
    hosts = whole["all"]["children"]["kwdb_pair"]["hosts"]
    hosts["ha-node02"].update(node02)
    if "drop" in change:
        del hosts[change["drop"]]
    if "add" in change:
        hosts[change["add"]] = dict(hosts["ha-node01"])
    if "rename" in change:
        old, new = change["rename"]
        hosts[new] = hosts.pop(old)
    return yaml.safe_dump(whole)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_wrong_input(
    lab: Lab, untouched: dict[str, str], inventory_kept: Path, wrong: Wrong
) -> None:
    extra_disk = lab.extra_disk
    node02 = {k: extra_disk if v == "EXTRA" else v for k, v in wrong.node02.items()}
    text = inventory_kept.read_text()
    inventory_kept.write_text(changed_inventory(text, wrong.inventory or {}, node02))
    if wrong.before:
        lab.ssh("ha-node02", wrong.before.format(extra=extra_disk))
    prepared = lab.fingerprint() if wrong.before else untouched
    try:
        run = lab.play("site.yml", extra=wrong.extra)
        after = lab.fingerprint()
    finally:
        if wrong.after:
            lab.ssh("ha-node02", wrong.after.format(extra=extra_disk))
    assert run.rc != 0, f"the run went through; log {run.log}"
    assert any(re.search(wrong.says, message) for message in run.messages), run.messages
    assert after == prepared, "something changed on a host"
    if wrong.before:
        assert lab.fingerprint() == untouched, "the test did not clean up behind itself"
    write_case(f"refused_{wrong.name}", ok=True, evidence=run.messages)
