# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _pair,
    _pair_drill,
    _pair_move,
    _pair_rows,
    _sql_client,
)

Load = Callable[..., _pair.Pair]
MOVE = _pair_move.Move("ha-node01", "ha-node02")


def order(drill: str = "power_cut", **options: Any) -> _pair_drill.Order:
    """An order that is allowed."""
    wanted = _pair_drill.Order(drill, True, 0.1, 600, "/var/lib/kwdb-ha")
    return replace(wanted, **options)


def test_check_allows_what_is_asked_for_on_the_surviving_host(pair: Load) -> None:
    _pair_drill.check(pair("healthy"), MOVE, order())
    _pair_drill.check(pair("healthy", host="ha-node01"), MOVE, order("switchover"))
    _pair_drill.check(pair("without-fencing"), MOVE, order("switchover"))
    for drill in ("standby_power_cut", "database_kill", "database_hang", "file_system_busy"):
        _pair_drill.check(pair("healthy", host="ha-node01"), MOVE, order(drill))
    for drill in ("cluster_link_cut", "replication_link_cut", "corosync_kill"):
        _pair_drill.check(pair("healthy"), MOVE, order(drill))


@pytest.mark.parametrize(
    ("case", "host", "options", "words"),
    [
        ("healthy", "ha-node02", {"allow_destructive": False}, "set allow_destructive to true"),
        ("healthy", "ha-node01", {}, "ha-node01 is the active host .* run it on ha-node02"),
        ("without-fencing", "ha-node02", {}, "no fence device can power off ha-node01"),
        (
            "without-fencing",
            "ha-node02",
            {"drill": "corosync_kill"},
            "no fence device can power off ha-node01",
        ),
        (
            "healthy",
            "ha-node02",
            {"drill": "corosync_kill", "allow_destructive": False},
            "ends corosync on ha-node01, which gets that host fenced: set allow_destructive",
        ),
        (
            "healthy",
            "ha-node02",
            {"drill": "standby_power_cut"},
            "ha-node02 is the standby host .* run it on ha-node01",
        ),
        (
            "without-fencing",
            "ha-node01",
            {"drill": "standby_power_cut"},
            "no fence device can power off ha-node02",
        ),
        ("healthy", "ha-node02", {"drill": "database_kill"}, "where it runs: run it on ha-node01"),
        (
            "healthy",
            "ha-node02",
            {"drill": "file_system_busy"},
            "where it is mounted: run it on ha-node01",
        ),
        (
            "healthy",
            "ha-node01",
            {"drill": "cluster_link_cut"},
            "seen from the standby host: run it on ha-node02",
        ),
        (
            "healthy",
            "ha-node02",
            {"drill": "replication_link_cut", "allow_destructive": False},
            "cuts the replication link between ha-node01 and ha-node02: set allow_destructive",
        ),
        ("healthy", "ha-node02", {"drill": "both_links_cut"}, "ha-node02 is the standby host"),
        (
            "healthy",
            "ha-node01",
            {"drill": "both_links_cut"},
            "nothing decides which host survives .* priority-fencing-delay",
        ),
        (
            "healthy",
            "ha-node01",
            {"drill": "database_hang", "allow_destructive": False},
            "harms the database on ha-node01: set allow_destructive to true",
        ),
        (
            "healthy",
            "ha-node02",
            {"record_directory": "/var/lib/kaiwudb/records"},
            "is on the replicated disk",
        ),
    ],
)
def test_check_refuses(
    pair: Load, case: str, host: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(_pair_drill.DrillRefused, match=words):
        _pair_drill.check(pair(case, host=host), MOVE, order(**options))


def test_check_refuses_a_database_that_is_no_unit(pair: Load) -> None:
    there = pair("healthy", host="ha-node01")
    assert there.cib is not None
    unknown = replace(there, cib=replace(there.cib, unit=""))
    with pytest.raises(_pair_drill.DrillRefused, match="cannot find the database's processes"):
        _pair_drill.check(unknown, MOVE, order("database_kill"))


def test_both_links_are_cut_where_a_delay_decides_who_survives(pair: Load) -> None:
    there = pair("healthy", host="ha-node01")
    assert there.cib is not None
    properties = {**there.cib.properties, "priority-fencing-delay": "5s"}
    decided = replace(there, cib=replace(there.cib, properties=properties))
    _pair_drill.check(decided, MOVE, order("both_links_cut"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"force_unmount": "False"}, "force_unmount is False, .* fenced"),
        ({"directory": ""}, "nothing to keep busy"),
    ],
)
def test_check_refuses_a_busy_file_system_that_ends_otherwise(
    pair: Load, change: dict[str, str], words: str
) -> None:
    there = pair("healthy", host="ha-node01")
    assert there.cib is not None
    changed = replace(there, cib=replace(there.cib, **change))
    with pytest.raises(_pair_drill.DrillRefused, match=words):
        _pair_drill.check(changed, MOVE, order("file_system_busy"))


def drill_of(kind: str) -> _pair_drill.Drill:
    """A drill of this kind that has not begun."""
    never: Any = None
    client = _sql_client.Client("kwbase", "10.77.1.100", 26257, "", "")
    return _pair_drill.Drill(order(kind), never, never, _pair.Names(), client, MOVE)


def test_a_fault_counts_only_once_the_cluster_has_seen_it(pair: Load) -> None:
    """Before that the pair looks as healthy as afterwards."""
    kill, loss = drill_of("database_kill"), drill_of("standby_power_cut")
    assert not _pair_drill.noticed(kill, pair("healthy"))
    assert _pair_drill.noticed(kill, pair("failed-action"))
    assert _pair_drill.failed_members(pair("failed-action")) == ["KaiwuDB"]
    assert not _pair_drill.noticed(loss, pair("healthy"))
    assert _pair_drill.noticed(drill_of("switchover"), pair("healthy"))
    cut = drill_of("replication_link_cut")
    assert not _pair_drill.noticed(cut, pair("healthy"))
    assert _pair_drill.noticed(cut, pair("healthy", connection="Connecting"))
    assert _pair_drill.progress(kill, pair("healthy")) == []
    assert "noticed" in _pair_drill.progress(kill, pair("failed-action"))


@pytest.mark.parametrize("case", ["lost-node", "fenced-node"])
def test_a_lost_standby_is_noticed(pair: Load, case: str) -> None:
    """The captured host that is gone was the active one; here it counts as the standby."""
    drill = drill_of("standby_power_cut")
    drill.move = _pair_move.Move("ha-node02", "ha-node01")
    assert _pair_drill.noticed(drill, pair(case))


@pytest.mark.parametrize(
    ("drill", "target", "victim"),
    [
        ("switchover", "ha-node02", ""),
        ("power_cut", "ha-node02", "ha-node01"),
        ("corosync_kill", "ha-node02", "ha-node01"),
        ("standby_power_cut", "ha-node01", "ha-node02"),
        ("database_kill", "ha-node01", ""),
        ("file_system_busy", "ha-node02", ""),
        ("replication_link_cut", "ha-node01", ""),
        ("both_links_cut", "ha-node01", "ha-node02"),
    ],
)
def test_where_the_service_has_to_be(drill: str, target: str, victim: str) -> None:
    found = drill_of(drill)
    assert (found.target, found.victim) == (target, victim)


def test_corosync_is_ended_by_its_number(pair: Load) -> None:
    there = pair("healthy")
    assert _pair_drill.expel_command(there, "ha-node01") == ["corosync-cfgtool", "-k", "1"]
    assert _pair_drill.expel_command(there, "ha-node02") == ["corosync-cfgtool", "-k", "2"]


def test_signals() -> None:
    """A kill is of the first process, as by the kernel; a hang is of all of them."""
    unit = "kaiwudb.service"
    assert _pair_drill.signal_command(unit, "KILL")[2:] == [
        "--kill-who=main",
        "--signal=KILL",
        unit,
    ]
    assert _pair_drill.signal_command(unit, "STOP")[2:] == ["--kill-who=all", "--signal=STOP", unit]


def test_check_refuses_without_a_cluster() -> None:
    with pytest.raises(_pair_drill.DrillRefused, match="does not run on this host"):
        _pair_drill.check(_pair.Pair("ha-node02"), MOVE, order())


def rows_result(writable: bool, *times: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the rows say that were acknowledged at these moments since the event, and the phases."""
    client = _sql_client.Client("kwbase", "10.77.1.100", 26257, "", "")
    never: Any = None
    drill = _pair_drill.Drill(order(), never, never, _pair.Names(), client, MOVE, writable=writable)
    started = drill.timeline.started
    rows = [_pair_rows.Row("x", started + at - 0.01, started + at) for at in times]
    writer = _pair_rows.Writer(client, "t", "d", never, rows=rows)
    return _pair_drill._rows_result(drill, writer, None), drill.timeline.as_list()


def test_rows_result() -> None:
    found, phases = rows_result(True, -0.2, -0.1, 0.1, 8.1, 8.3)
    assert (found["acked"], found["outage_s"], found["outage_from_s"]) == (5, 8.0, 0.1)
    assert sum(found["acknowledgements"]["counts"]) == 5
    assert phases == [{"name": "outage over", "at_s": 8.1}]


def test_the_usual_pauses_are_no_outage_that_is_over() -> None:
    """A cut of one of two links stops no row: there is no first row after it."""
    found, phases = rows_result(True, -0.35, -0.2, -0.1, 0.05, 0.19, 0.3)
    assert (found["outage_s"], phases) == (0.15, [])
    _found, phases = rows_result(True, -0.35, -0.2, -0.1, 0.25, 0.4)
    assert phases == [{"name": "outage over", "at_s": 0.25}]
    _found, phases = rows_result(True, -2.0, -0.1, 1.0, 1.1)
    assert phases == [{"name": "outage over", "at_s": 1.0}]


def test_rows_result_when_rows_ended_after_the_event() -> None:
    """The pause between two rows after the event is not the outage that followed them."""
    found, phases = rows_result(False, -0.1, 0.1, 0.3)
    assert (found["outage_s"], found["outage_from_s"]) == (None, 0.3)
    assert sum(found["acknowledgements"]["counts"]) == 3
    assert phases == []


RESULT = {
    "drill": "power_cut",
    "source": "ha-node01",
    "target": "ha-node02",
    "acked": 412,
    "lost": 0,
    "outage_s": 9.42,
    "healthy_after_s": 31.5,
    "fenced_by": "fence_ipmilan",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "412 rows acknowledged, 0 lost, outage 9.4 s, healthy again after 31.5 s, fenced by"),
        ({"lost": None}, "unknown lost"),
        ({"outage_s": None}, "outage not ended"),
        ({"healthy_after_s": None}, "not healthy again"),
        ({"lost": 3}, "3 lost"),
        ({"target": "ha-node01"}, "power_cut: on ha-node01, 412"),
    ],
)
def test_summary(change: dict[str, Any], words: str) -> None:
    assert words in _pair_drill.summary({**RESULT, **change})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["", "ERROR: relation does not exist", "SQLSTATE: 42P01", 'Failed running "sql"'],
            "ERROR: r",
        ),
        (["id", "dial tcp: connection refused"], "dial tcp: connection refused"),
        ([], "no output"),
    ],
)
def test_reason(lines: list[str], said: str) -> None:
    assert _sql_client.reason(lines).startswith(said)


@pytest.mark.parametrize(
    ("certs", "user", "words"),
    [
        ("/etc/kaiwudb/certs", "", ["--certs-dir=/etc/kaiwudb/certs"]),
        ("", "root", ["--insecure", "--user=root"]),
    ],
)
def test_client_argv(certs: str, user: str, words: list[str]) -> None:
    client = _sql_client.Client("kwbase", "10.77.1.100", 26257, certs, user)
    assert client.argv() == ["kwbase", "sql", "--host=10.77.1.100:26257", *words, "--format=csv"]
