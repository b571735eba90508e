# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair_links

PAGE = Path(__file__).parents[2] / "fixtures" / "page"
IPROUTE = Path(__file__).parents[2] / "fixtures" / "iproute2-6.1"
CLUSTER = ("10.77.1.12", "10.77.2.12")
REPLICATION = ("10.77.2.12",)


def test_addresses_of_the_other_host() -> None:
    corosync, drbd = (PAGE / "corosync.conf").read_text(), (PAGE / "drbd3.xml").read_text()
    assert _pair_links.cluster_addresses(corosync, "ha-node02") == ("ha-node02",)
    assert _pair_links.replication_addresses(drbd, "ha-node02") == ("198.51.100.12",)
    assert _pair_links.cluster_addresses(corosync, "elsewhere") == ()


@pytest.mark.parametrize(
    ("cut", "taken"),
    [
        (("cluster",), ["10.77.1.12"]),
        (("replication",), ["10.77.2.12"]),
        (("cluster", "replication"), ["10.77.2.12", "10.77.1.12"]),
    ],
)
def test_what_a_cut_takes_away(cut: tuple[str, ...], taken: list[str]) -> None:
    assert _pair_links.chosen(cut, CLUSTER, REPLICATION) == taken


@pytest.mark.parametrize(
    ("cut", "cluster", "replication", "words"),
    [
        (("cluster",), ("10.77.1.12",), REPLICATION, "give corosync a second link, or run"),
        (("cluster",), REPLICATION, REPLICATION, "no cluster link of its own"),
        (("replication",), REPLICATION, REPLICATION, "one would be fenced"),
        (("cluster", "replication"), (), REPLICATION, "corosync uses no address"),
    ],
)
def test_a_cut_that_would_be_another_one_is_refused(
    cut: tuple[str, ...], cluster: tuple[str, ...], replication: tuple[str, ...], words: str
) -> None:
    with pytest.raises(_pair_links.LinksRefused, match=words):
        _pair_links.chosen(cut, cluster, replication)


def test_a_direct_way() -> None:
    found = _pair_links.neighbour((IPROUTE / "route-get-direct.json").read_text(), "10.99.0.2")
    assert found == _pair_links.Neighbour("10.99.0.2", "veth0")


@pytest.mark.parametrize(
    ("case", "words"), [("gateway", "through 10.99.0.2"), ("local", "on this host itself")]
)
def test_what_is_not_beside_this_host_is_refused(case: str, words: str) -> None:
    shown = (IPROUTE / f"route-get-{case}.json").read_text()
    with pytest.raises(_pair_links.LinksRefused, match=words):
        _pair_links.neighbour(shown, "10.98.0.1")
