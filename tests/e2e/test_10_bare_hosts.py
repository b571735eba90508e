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
    """One wrong input: what is different on one host, and what the message must say ({host} is its name)."""

    name: str
    says: str
    extra: dict[str, Any] = field(default_factory=dict)
    host_vars: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    rename: str = ""


# A host whose address nobody has, in the lab's client network.
DEAD = {"ansible_host": "10.77.1.99", "ansible_ssh_common_args": "-o ConnectTimeout=3"}

# One of each kind, and what only hosts can show. Wrong variables, secrets and packages: tests/tools.
WRONG = {
    wrong.name: wrong
    for wrong in (
        Wrong(
            "disk_missing",
            "{host}.*/dev/disk/by-id/nothing",
            host_vars={"pair_disk": "/dev/disk/by-id/nothing"},
        ),
        Wrong(
            "disk_unstable_name", "{host}.*/dev/ubdb.*by-id", host_vars={"pair_disk": "/dev/ubdb"}
        ),
        Wrong(
            "disk_root",
            "{host}.*(root|mounted)",
            host_vars={"pair_disk": "/dev/ubda", "drbd_allow_unstable_disk_name": True},
        ),
        Wrong(
            "disk_sizes_differ",
            "(size|MiB|bytes).*differ|differ.*(size|MiB|bytes)",
            host_vars={"pair_disk": "EXTRA"},
        ),
        Wrong(
            "disk_mounted",
            "{host}.*mounted",
            host_vars={"pair_disk": "EXTRA"},
            before="mkfs.ext4 -q -F {extra} && mount -o ro,noload {extra} /mnt",
            after="umount /mnt; wipefs -aq {extra}; dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
        ),
        Wrong(
            "disk_file_system",
            "{host}.*ext4.*precious",
            host_vars={"pair_disk": "EXTRA"},
            before="mkfs.ext4 -q -F -L precious {extra}",
            after="wipefs -aq {extra}; dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
        ),
        Wrong(
            "disk_non_zero_data",
            "{host}.*(data|zero|blank)",
            host_vars={"pair_disk": "EXTRA"},
            before="printf precious | dd of={extra} bs=1 seek=1000 conv=notrunc 2>/dev/null",
            after="dd if=/dev/zero of={extra} bs=1M count=64 2>/dev/null",
        ),
        Wrong("vip_outside_network", "10.99.0.1.*network", extra={"pair_vip": "10.99.0.1"}),
        Wrong("vip_in_use", "10.77.1.1 and .* answered", extra={"pair_vip": "10.77.1.1"}),
        Wrong(
            "fence_device_silent",
            "fence device of {host} does not answer at 10.77.1.1, UDP port 9999",
            host_vars={
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
            "packages_half",
            "does not hold kaiwudb-libcommon",
            extra={"kwdb_packages": str(BUILD / "packages-half")},
        ),
        Wrong("unreachable", "{host} cannot be reached", host_vars=DEAD),
        Wrong(
            "operating_system",
            "{host} runs Debian 10",
            before="cp -a /etc/os-release /run/os-release; cp -a /etc/debian_version /run/debian_version;"
            "rm /etc/os-release; sed s/12/10/g /usr/lib/os-release >/etc/os-release; echo 10.9 >/etc/debian_version",
            after="rm /etc/os-release; cp -a /run/os-release /etc/os-release;"
            "cp -a /run/debian_version /etc/debian_version",
        ),
        Wrong(
            "no_drbd_module",
            "kernel of {host} has no DRBD module",
            before="f=$(modinfo -n drbd) && mv $f /run/ && echo $f >/run/drbd-was && depmod",
            after="f=$(cat /run/drbd-was) && mv /run/$(basename $f) $f && depmod",
        ),
        Wrong(
            "old_pcs",
            "{host}.*pcs .0.9.169. is not supported",
            before="printf '#!/bin/sh\\necho 0.9.169\\n' >/usr/local/bin/pcs && chmod 755 /usr/local/bin/pcs",
            after="rm /usr/local/bin/pcs",
        ),
        Wrong(
            "other_cluster",
            "{host}.*(somebody-elses|another cluster)",
            before="mkdir -p /etc/corosync && printf 'totem {{\\n version: 2\\n cluster_name: somebody-elses\\n}}\\n"
            "nodelist {{\\n node {{\\n ring0_addr: 10.0.0.1\\n name: other\\n nodeid: 1\\n }}\\n}}\\n'"
            " > /etc/corosync/corosync.conf",
            after="rm -r /etc/corosync",
        ),
        Wrong(
            "clock",
            "clocks of .* differ by at least 3[56]..",
            before="date -s '+1 hour' >/dev/null",
            after="date -s '-1 hour' >/dev/null",
        ),
        Wrong("other_name", "calls itself {host}", rename="db2"),
    )
}

# What the same check refuses on both hosts goes into one run, a host each.
TOGETHER = [
    ("disk_missing", "disk_file_system"),
    ("disk_unstable_name", "disk_mounted"),
    ("disk_root", "disk_non_zero_data"),
    ("old_pcs", "other_cluster"),
]
ALONE = [(name,) for name in WRONG if name not in {one for pair in TOGETHER for one in pair}]


@pytest.fixture(scope="module", autouse=True)
def half_of_the_packages() -> None:
    """Half of the packages."""
    half = BUILD / "packages-half"
    build_standin(half)
    for package in half.glob("kaiwudb-libcommon_*"):
        package.unlink()


@pytest.fixture
def inventory_kept(lab: Lab) -> Iterator[Path]:
    hosts = lab.inventory / "hosts.yml"
    text = hosts.read_text()
    yield hosts
    hosts.write_text(text)


def changed_inventory(text: str, wrong: dict[str, Wrong], extra_disk: str) -> str:
    """The inventory with one thing of each named host different."""
    whole = yaml.safe_load(text)
    hosts = whole["all"]["children"]["kwdb_pair"]["hosts"]
    for host, one in wrong.items():
        for name, value in one.host_vars.items():
            hosts[host][name] = extra_disk if value == "EXTRA" else value
        if one.rename:
            hosts[one.rename] = hosts.pop(host)
    return yaml.safe_dump(whole)


@pytest.mark.parametrize("names", [*TOGETHER, *ALONE], ids="-".join)
def test_wrong_input(
    lab: Lab, untouched: dict[str, str], inventory_kept: Path, names: tuple[str, ...]
) -> None:
    wrong = dict(zip(reversed(lab.hosts), [WRONG[name] for name in names], strict=False))
    text = changed_inventory(inventory_kept.read_text(), wrong, lab.extra_disk)
    inventory_kept.write_text(text)
    prepared = untouched
    if any(one.before for one in wrong.values()):
        for host, one in wrong.items():
            lab.ssh(host, one.before.format(extra=lab.extra_disk))
        prepared = lab.fingerprint()
    try:
        extra = {name: value for one in wrong.values() for name, value in one.extra.items()}
        run = lab.play("site.yml", extra=extra)
        after = lab.fingerprint()
    finally:
        for host, one in wrong.items():
            lab.ssh(host, one.after.format(extra=lab.extra_disk))
    assert run.rc != 0, f"the run went through; log {run.log}"
    for host, one in wrong.items():
        says = one.says.replace("{host}", host)
        assert any(re.search(says, message) for message in run.messages), (says, run.messages)
    # What a case leaves behind shows in the next one, and the last one prepares nothing.
    assert after == prepared, "something changed on a host"
    for one in wrong.values():
        write_case(f"refused_{one.name}", ok=True, evidence=run.messages)
