"""Cut links: which packets are dropped."""

from __future__ import annotations

from typing import Any

import pytest

from labkit import layout, network

HOSTS = layout.make_hosts(2, [0])


def cut(link: str, host: str = "ha-node01", **more: Any) -> dict[str, Any]:
    return {"link": link, "host": host, "one_way": False, "all": False, **more}


def rules(*cuts: dict[str, Any]) -> list[str]:
    text = network.ruleset(HOSTS, list(cuts))
    lead = "add rule bridge halab "
    return [line[len(lead) :] for line in text.splitlines() if line.startswith(lead)]


@pytest.mark.parametrize(
    ("link", "mine", "other"), [("cluster", "a1", "a2"), ("replication", "b1", "b2")]
)
def test_between_hosts(link: str, mine: str, other: str) -> None:
    assert rules(cut(link)) == [
        f'forward iifname "{mine}" oifname "{other}" drop',
        f'forward iifname "{other}" oifname "{mine}" drop',
    ]
    assert rules(cut(link, one_way=True)) == [f'forward iifname "{mine}" oifname "{other}" drop']


def test_client_leaves_ssh_and_controller() -> None:
    found = rules(cut("client"))
    assert 'input iifname "a1" tcp sport 22 accept' in found
    assert 'input iifname "a1" udp dport 9001-9081 accept' in found
    assert found.index('input iifname "a1" drop') > found.index(
        'input iifname "a1" tcp sport 22 accept'
    )
    assert not [rule for rule in found if rule.startswith("forward")]


def test_client_all() -> None:
    assert rules(cut("client", all=True)) == [
        'input iifname "a1" drop',
        'output oifname "a1" drop',
    ]


def test_nothing_cut_drops_nothing() -> None:
    assert rules() == []


def test_changed_cuts() -> None:
    both = network.changed_cuts([], "cut", "cluster", ["ha-node01", "ha-node02"], False, False)
    again = network.changed_cuts(both, "cut", "cluster", ["ha-node01"], True, False)
    assert [(c["host"], c["one_way"]) for c in again] == [("ha-node02", False), ("ha-node01", True)]
    more = network.changed_cuts(again, "cut", "replication", ["ha-node01"], False, False)
    healed = network.changed_cuts(more, "heal", "cluster", ["ha-node01", "ha-node02"], False, False)
    assert [(c["link"], c["host"]) for c in healed] == [("replication", "ha-node01")]
