# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair

Load = Callable[..., _pair.Pair]
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
NAMES = _pair.Names()
FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize("version", VERSIONS)
def test_parse_healthy(pair: Load, version: str) -> None:
    seen = pair("healthy", version)
    assert seen.status is not None and seen.cib is not None
    assert seen.status.version == tuple(map(int, version.split(".")))
    assert seen.status.controller == "ha-node02"
    assert seen.status.quorate and seen.cib.quorate
    assert seen.active == "ha-node01"
    assert _pair.other_node(seen.status, seen.active) == "ha-node02"
    assert _pair.group_node(seen.status, seen.cib) == "ha-node01"
    assert seen.cib.members == ("KaiwuFS", "KaiwuDB", "ClusterIP")
    assert seen.cib.clone_primitive == "KaiwuData"
    assert seen.cib.vip == "10.77.1.100"
    assert (seen.cib.device, seen.cib.directory) == ("/dev/drbd3", "/var/lib/kaiwudb")
    assert seen.cib.unit == "kaiwudb"
    assert seen.cib.fence_targets == {
        "fence-ha-node01": ("ha-node01",),
        "fence-ha-node02": ("ha-node02",),
    }
    assert not seen.status.failures


@pytest.mark.parametrize(
    ("version", "schema"), [("2.0.5", (3, 5)), ("2.1.5", (3, 9)), ("3.0.0", (4, 0))]
)
def test_schema_of_each_generation(pair: Load, version: str, schema: tuple[int, int]) -> None:
    seen = pair("healthy", version)
    assert seen.cib is not None and seen.cib.schema == schema


@pytest.mark.parametrize("version", VERSIONS)
def test_lifetime_of_a_ban(pair: Load, version: str) -> None:
    seen = pair("cli-ban-lifetime", version)
    assert seen.cib is not None
    (ban,) = seen.cib.operator_locations
    assert ban.id == "cli-ban-KaiwuData-clone-on-ha-node01"
    assert ban.expires is not None and ban.expires > datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_ban_without_lifetime_never_ends(pair: Load) -> None:
    seen = pair("cli-ban")
    assert seen.cib is not None
    assert [one.expires for one in seen.cib.operator_locations] == [None]


def test_group_in_pieces_is_nowhere(pair: Load) -> None:
    seen = pair("unclean-node")
    assert seen.status is not None and seen.cib is not None
    assert _pair.group_node(seen.status, seen.cib) == ""


@pytest.mark.parametrize(
    ("version", "member", "node"),
    [
        ("2.0.5", "KaiwuFS", "ha-node01"),
        ("2.0.5", "KaiwuDB", ""),  # crm_mon calls it active, with the role Starting
        ("3.0.0", "KaiwuFS", ""),
        ("3.0.0", "KaiwuDB", ""),
    ],
)
def test_what_is_starting_does_not_run_yet(version: str, member: str, node: str) -> None:
    path = FIXTURES / f"pacemaker-{version}" / "pair" / "fence-history.mon.xml"
    assert _pair.member_node(_pair.parse_status(path.read_text()), member) == node


@pytest.mark.parametrize(
    ("case", "key", "value"),
    [
        ("standby", "standby", ["ha-node02"]),
        ("maintenance", "maintenance", True),
        ("node-maintenance", "maintenance_nodes", ["ha-node02"]),
        ("disabled-group", "target_role", {"KaiwuDBGrp": "Stopped"}),
        ("unmanaged-group", "unmanaged", ["KaiwuDBGrp"]),
        ("cli-prefer", "constraints", ["cli-prefer-KaiwuDBGrp"]),
        ("drbd-fence", "constraints", ["drbd-fence-by-handler-kwdb-KaiwuData-clone"]),
    ],
)
def test_operator_state(pair: Load, case: str, key: str, value: object) -> None:
    assert _pair.operator_state(pair(case))[key] == value
    assert _pair.operator_state(pair("healthy"))[key] != value


def test_report_names_the_two_roles_of_the_hosts(pair: Load) -> None:
    report = _pair.report(pair("switched"))
    assert (report["active_node"], report["standby_node"]) == ("ha-node02", "ha-node01")
    assert report["service_node"] == "ha-node02"
    assert report["resources"]["KaiwuData"]["roles"] == {
        "ha-node01": "Unpromoted",
        "ha-node02": "Promoted",
    }


def test_report_holds_no_secret(pair: Load) -> None:
    assert "not-shown" not in str(_pair.report(pair("healthy")))


def test_report_without_a_cluster() -> None:
    report = _pair.report(_pair.Pair("ha-node01", installed=False))
    assert not report["installed"] and report["active_node"] == "" and report["nodes"] == {}


@pytest.mark.parametrize(
    ("properties", "on"),
    [
        ({}, True),
        ({"stonith-enabled": "false"}, False),
        ({"fencing-enabled": "0"}, False),
        ({"fencing-enabled": "true", "stonith-enabled": "false"}, True),
    ],
)
def test_fencing_enabled_under_both_names(pair: Load, properties: dict[str, str], on: bool) -> None:
    seen = pair("healthy")
    assert seen.cib is not None
    assert _pair.fencing_enabled(replace(seen.cib, properties=properties)) is on


@pytest.mark.parametrize("parse", [_pair.parse_status, lambda text: _pair.parse_cib(text, NAMES)])
def test_what_is_not_xml_is_refused(parse) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(_pair.PairUnreadable):
        parse("Error: cluster is not available")
