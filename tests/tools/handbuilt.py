# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pair as KWDB's own page has people type it: its names, its timers, its words.

Some of its words are not taken by every pcs; only those are replaced, and each time it is said why.
"""

from __future__ import annotations

import shlex
from typing import Iterator

import chroot

VIP = "192.0.2.100"
_TYPED: dict[tuple[int, int], str] = {}

# What the page types, in its order, without what configures nothing (refresh, standby, status).
PAGE = f"""
property set stonith-enabled=false
property set no-quorum-policy=ignore
resource create ClusterIP ocf:heartbeat:IPaddr2 ip={VIP} cidr_netmask=24 op monitor interval=30s
resource create KaiwuData ocf:linbit:drbd drbd_resource="drbd3" op monitor interval=10s
resource promotable KaiwuData promoted-max=1 promoted-node-max=1 clone-max=2 clone-node-max=1 notify=true
resource create KaiwuFS ocf:heartbeat:Filesystem device="/dev/drbd3" directory="/var/lib/kaiwudb" fstype="ext4"
constraint colocation add KaiwuFS with KaiwuData-clone INFINITY with-rsc-role=Master
constraint order promote KaiwuData-clone then start KaiwuFS
resource create KaiwuDB systemd:kaiwudb.service op monitor on-fail=restart
resource defaults migration-threshold=2
resource meta KaiwuDB failure-timeout=10s
constraint colocation add KaiwuDB with KaiwuFS INFINITY
constraint order start KaiwuFS then start KaiwuDB
resource group add KaiwuDBGrp KaiwuFS KaiwuDB
constraint colocation add ClusterIP with KaiwuDB INFINITY
"""


def page_lines() -> list[str]:
    """The page's pcs commands, one a line."""
    return [line for line in PAGE.splitlines() if line]


def _adapted(words: list[str], version: tuple[int, int]) -> list[str]:
    """The words that this release's pcs takes for the page's."""
    if words[:2] == ["resource", "create"] and words[3].startswith("systemd:"):
        # In a root without a running systemd pcs sees no units.
        words = [*words, "--force"]
    if version >= (0, 12):
        if words[:2] == ["resource", "defaults"]:
            words = [*words[:2], "update", *words[2:]]  # the short form is gone
        # The old names of the roles are gone.
        words = [one.replace("=Master", "=Promoted") for one in words]
    return words


def pcs_version(cluster: chroot.Cluster) -> tuple[int, int]:
    """Major and minor version of the release's pcs."""
    major, minor = cluster.pcs("--version").strip().split(".")[:2]
    return int(major), int(minor)


def commands(version: tuple[int, int]) -> Iterator[list[str]]:
    """The page's commands for this pcs."""
    for line in page_lines():
        yield _adapted(shlex.split(line), version)


def build(cluster: chroot.Cluster) -> None:
    """The page's configuration: its commands, typed once for each release."""
    version = pcs_version(cluster)
    if version not in _TYPED:
        cluster.create()
        for words in commands(version):
            cluster.pcs(*words)
        _TYPED[version] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_TYPED[version], encoding="utf-8")


def run(cluster: chroot.Cluster, active: str, standby: str) -> None:
    """Let the pair run, with DRBD's data good on both hosts."""
    cluster.settle()
    cluster.promotion_score(active, 10000)
    cluster.promotion_score(standby, 1000)
    cluster.settle()
    cluster.promotion_score(standby, 10000)
    cluster.settle()
