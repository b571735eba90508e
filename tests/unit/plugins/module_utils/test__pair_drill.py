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


@pytest.mark.parametrize(
    ("case", "host", "options", "words"),
    [
        ("healthy", "ha-node02", {"allow_destructive": False}, "set allow_destructive to true"),
        ("healthy", "ha-node01", {}, "ha-node01 is the active host .* run it on ha-node02"),
        ("without-fencing", "ha-node02", {}, "no fence device can power off ha-node01"),
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
