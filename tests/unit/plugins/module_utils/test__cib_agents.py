"""Names of agents that mean the same."""

from __future__ import annotations

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("systemd:kaiwudb", "systemd:kaiwudb.service", True),
        ("systemd:kaiwudb.service", "systemd:kaiwudb", True),
        ("systemd:kaiwudb", "systemd:kaiwudb.timer", False),
        ("systemd:kaiwudb", "systemd:other.service", False),
        ("lsb:kaiwudb", "lsb:kaiwudb.service", False),
        ("ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPaddr2", True),
    ],
)
def test_same_agent(one: str, other: str, same: bool) -> None:
    assert _cib.same_agent(one, other) is same


@pytest.mark.parametrize(
    ("agent", "options", "unit"),
    [
        ("systemd:kaiwudb", {}, "kaiwudb"),
        ("systemd:kaiwudb.service", {}, "kaiwudb"),
        ("ocf:kwdb:kaiwudb", {}, "kaiwudb"),
        ("ocf:kwdb:kaiwudb", {"unit": "other.service"}, "other"),
        ("ocf:heartbeat:IPaddr2", {"unit": "other"}, ""),
        ("lsb:kaiwudb", {}, ""),
    ],
)
def test_unit_of(agent: str, options: dict[str, str], unit: str) -> None:
    assert _cib.unit_of(agent, options) == unit
