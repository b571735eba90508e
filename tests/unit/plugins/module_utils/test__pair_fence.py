# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair, _pair_fence

Load = Callable[..., _pair.Pair]
FIXTURES = Path(__file__).parents[2] / "fixtures"


def history(version: str) -> list[_pair_fence.FenceEvent]:
    """What a real cluster remembered after `stonith_admin --reboot`."""
    path = FIXTURES / f"pacemaker-{version}" / "pair" / "fence-history.mon.xml"
    return _pair_fence.parse_history(path.read_text())


@pytest.mark.parametrize(
    ("version", "target"),
    [("2.0.5", "ha-node02"), ("2.1.5", "ha-node01"), ("3.0.0", "ha-node01")],
)
def test_parse_history(version: str, target: str) -> None:
    (event,) = history(version)
    assert (event.action, event.target, event.status) == ("reboot", target, "success")
    assert event.delegate == event.origin != target
    assert event.client.startswith("stonith_admin.")
    assert event.completed.startswith("2026-11-22 15:")


def test_fence_report_names_the_agent_of_the_target(pair: Load) -> None:
    report = _pair_fence.fence_report([], history("2.1.5"), pair("healthy").cib, "ha-node01")
    assert report["devices"] == ["fence-ha-node01"]
    assert report["agents"] == "fence_ipmilan"
    assert report["delegate"] == "ha-node02"


def test_fence_report_ignores_what_was_there_before(pair: Load) -> None:
    events = history("2.1.5")
    assert _pair_fence.fence_report(events, events, pair("healthy").cib, "ha-node01") == {}


def test_fence_report_ignores_others_and_failures(pair: Load) -> None:
    (event,) = history("2.1.5")
    cib = pair("healthy").cib
    assert _pair_fence.fence_report([], [event], cib, "ha-node02") == {}
    failed = replace(event, status="failed")
    assert _pair_fence.fence_report([], [failed], cib, "ha-node01") == {}


def test_fence_report_takes_the_last(pair: Load) -> None:
    (event,) = history("2.1.5")
    later = replace(event, completed="2026-11-22 16:00:00Z", delegate="a human")
    report = _pair_fence.fence_report([], [later, event], pair("healthy").cib, "ha-node01")
    assert report["completed"] == later.completed
    assert report["agents"] == "a human"  # a confirmation by hand is no device


def test_devices_for(pair: Load) -> None:
    cib = pair("healthy").cib
    assert cib is not None
    assert _pair_fence.devices_for(cib, "ha-node02") == {"fence-ha-node02": "fence_ipmilan"}
    # A device that finds its hosts out by itself may be for any.
    dynamic = replace(cib, fence_targets={**cib.fence_targets, "fence-ha-node01": ()})
    assert sorted(_pair_fence.devices_for(dynamic, "ha-node02")) == [
        "fence-ha-node01",
        "fence-ha-node02",
    ]
    assert _pair_fence.devices_for(None, "ha-node02") == {}


def test_fence_command_is_bounded() -> None:
    assert _pair_fence.fence_command("ha-node01")[:3] == ["stonith_admin", "--reboot", "ha-node01"]
    assert _pair_fence.fence_command("ha-node01")[3].startswith("--timeout=")
