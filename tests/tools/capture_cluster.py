#!/usr/bin/env python3
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture what the real cluster tools of each release say, for the unit tests."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

import chroot
import module_host
import pair

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "unit" / "fixtures"
VERSIONS = {"bullseye": "2.0.5", "bookworm": "2.1.5", "trixie": "3.0.0"}
ONE, TWO = pair.NODES


def status(cluster: chroot.Cluster) -> str:
    """What crm_mon says."""
    return cluster.quietly(["crm_mon", "-1", "--output-as", "xml"]).stdout


def capture(suite: str) -> None:
    """The files of one release."""
    with module_host.overlay(suite) as root:
        capture_in(suite, root)


def capture_in(suite: str, root: pathlib.Path) -> None:
    """The files of one release, with its root."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="capture-", dir=root / "tmp"))
    target = FIXTURES / f"pacemaker-{VERSIONS[suite]}" / "cluster"
    target.mkdir(parents=True, exist_ok=True)
    try:
        cluster = chroot.Cluster(root, place)
        cluster.create()
        (target / "empty.cib.xml").write_text(cluster.cib_file.read_text())
        cluster.apply(pair.whole_pair())
        (target / "first.graph.xml").write_text(cluster.graph())
        cluster.settle()
        cluster.promotion_score(ONE, 10000)
        cluster.promotion_score(TWO, 1000)
        cluster.settle()
        running = cluster.cib_file.read_text()
        (target / "running.cib.xml").write_text(running)
        (target / "running.mon.xml").write_text(status(cluster))
        (target / "idle.graph.xml").write_text(cluster.graph())
        (target / "lost.graph.xml").write_text(cluster.graph(f"--node-fail={ONE}"))
        restart = pair.whole_pair()
        pair.resource(restart, "KaiwuFS")["options"]["options"] = "ro"
        cluster.apply(restart, allow_disruption=True)
        (target / "option.graph.xml").write_text(cluster.graph())
        cluster.cib_file.write_text(running)
        ban = f'<rsc_location id="cli-ban-1" rsc="KaiwuData-clone" role="{cluster.promoted}"'
        cluster.write("constraints", f'{ban} node="{ONE}" score="-INFINITY"/>')
        (target / "switchover.graph.xml").write_text(cluster.graph())
        cluster.cib_file.write_text(running)
        cluster.settle(
            f"--op-fail=KaiwuDB_start_0@{ONE}=1", f"--op-inject=KaiwuDB_monitor_5000@{ONE}=7"
        )
        (target / "failed.cib.xml").write_text(cluster.cib_file.read_text())
        (target / "failed.mon.xml").write_text(status(cluster))
        for agent, name in (("ocf:linbit:drbd", "drbd"), ("ocf:heartbeat:IPaddr2", "IPaddr2")):
            said = cluster.quietly(["crm_resource", "--show-metadata", agent]).stdout
            (target / f"{name}.agent.xml").write_text(said)
        default = (root / "etc/corosync/corosync.conf").read_text()
        (target / "default.corosync.conf").write_text(default)
        made = place / "corosync.conf"
        nodes = f"{ONE} addr=192.0.2.11 addr=198.51.100.11 {TWO} addr=192.0.2.12 addr=198.51.100.12"
        options = "transport knet crypto cipher=aes256 hash=sha256 totem token=3000"
        argv = ["pcs", "cluster", "setup", "kwdb", *nodes.split(), *options.split()]
        cluster.quietly([*argv, f"--corosync_conf={cluster.inside(made)}"])
        (target / "pcs.corosync.conf").write_text(made.read_text())
        device = "pcs quorum device add model net host=192.0.2.13 algorithm=ffsplit"
        cluster.quietly([*device.split(), f"--corosync_conf={cluster.inside(made)}"])
        (target / "device.corosync.conf").write_text(made.read_text())
        said = cluster.quietly(["stonith_admin", "--metadata", "--agent", "fence_ipmilan"]).stdout
        (target / "fence_ipmilan.agent.xml").write_text(said)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    for one in VERSIONS:
        capture(one)
