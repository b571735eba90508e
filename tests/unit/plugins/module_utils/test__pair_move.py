# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair, _pair_health, _pair_move
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Result

Load = Callable[..., _pair.Pair]
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)
NAMES = _pair.Names()
MOVE = _pair_move.Move("ha-node01", "ha-node02")


def findings(seen: _pair.Pair) -> list[_pair_health.Finding]:
    """What is wrong with it."""
    return _pair_health.findings(seen, NOW)


@pytest.mark.parametrize("target", ["", "ha-node02"])
def test_plan_moves_to_the_other_host(pair: Load, target: str) -> None:
    seen = pair("healthy")
    assert _pair_move.plan(seen, findings(seen), target) == MOVE


def test_plan_does_nothing_when_the_target_is_active(pair: Load) -> None:
    seen = pair("healthy")
    assert _pair_move.plan(seen, findings(seen), "ha-node01") is None


def test_plan_refuses_a_stranger(pair: Load) -> None:
    seen = pair("healthy")
    with pytest.raises(_pair_move.MoveRefused, match="ha-node03 is not a host of this pair"):
        _pair_move.plan(seen, findings(seen), "ha-node03")


@pytest.mark.parametrize("target", ["", "ha-node01", "ha-node02"])
@pytest.mark.parametrize(
    "case",
    [
        "standby",
        "maintenance",
        "failed-action",
        "unclean-node",
        "no-promoted",
        "cli-ban",
        "drbd-fence",
        "no-quorum",
    ],
)
def test_plan_refuses_unless_healthy(pair: Load, case: str, target: str) -> None:
    seen = pair(case)
    with pytest.raises(_pair_move.MoveRefused, match="not healthy") as refusal:
        _pair_move.plan(seen, findings(seen), target)
    assert findings(seen)[0].remedy in str(refusal.value)


def test_plan_refuses_during_a_synchronisation(pair: Load) -> None:
    seen = pair("healthy", peer_disk="Inconsistent", replication="SyncSource")
    with pytest.raises(_pair_move.MoveRefused, match="Inconsistent"):
        _pair_move.plan(seen, findings(seen))


def test_plan_moves_without_fencing(pair: Load) -> None:
    seen = pair("without-fencing")
    assert _pair_move.plan(seen, findings(seen)) == MOVE


@pytest.mark.parametrize(
    ("schema", "role"), [((3, 5), "Master"), ((3, 7), "Promoted"), ((4, 0), "Promoted")]
)
def test_ban_is_read_back_with_its_role_and_its_end(schema: tuple[int, int], role: str) -> None:
    element = ET.fromstring(_pair_move.ban_xml(NAMES, schema, "ha-node01", NOW))
    rule = element.find("rule")
    assert rule is not None and rule.get("role") == role
    assert element.get("role") is None  # the scheduler ignores it there when there is a rule
    location = _pair._location(element)
    assert location.id == _pair_move.ban_id(NAMES, "ha-node01")
    assert location.resource == NAMES.clone
    assert location.expires == NOW


def test_progress_of_a_move(pair: Load) -> None:
    assert _pair_move.progress(pair("healthy"), MOVE) == []
    assert _pair_move.progress(pair("no-promoted"), MOVE) == ["service stopped", "demoted"]
    assert _pair_move.progress(pair("switched"), MOVE) == [
        "service stopped",
        "demoted",
        "promoted",
        "KaiwuFS started",
        "KaiwuDB started",
        "ClusterIP started",
    ]


def test_arrived(pair: Load) -> None:
    assert _pair_move.arrived(pair("switched"), "ha-node02")
    assert not _pair_move.arrived(pair("healthy"), "ha-node02")
    assert not _pair_move.arrived(_pair.Pair("ha-node02"), "ha-node02")


class Tools:
    """Stands where the runner stands: remembers the commands, fails when told to."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.broken: dict[str, int] = {}

    def __call__(self, argv: list[str], **options: object) -> Result:
        self.commands.append(argv)
        verb = argv[1]
        if self.broken.get(verb, 0):
            self.broken[verb] -= 1
            raise CommandFailed(Result(tuple(argv), 1, "", "no controller"))
        return Result(tuple(argv), 0, "", "")

    def verbs(self) -> list[str]:
        """The commands in short."""
        return [argv[1] for argv in self.commands]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs real time."""
    monkeypatch.setattr(_pair_move.time, "sleep", lambda seconds: None)


def move(tools: Tools, looks: list[_pair.Pair], timeout: int = 30) -> None:
    """Move with these looks at the pair, the last of them for ever."""
    left = list(looks)

    def look() -> _pair.Pair:
        return left.pop(0) if len(left) > 1 else left[0]

    _pair_move.execute(tools, look, NAMES, MOVE, timeout, _pair_move.Timeline())  # type: ignore[arg-type]


def test_execute_bans_waits_and_lifts_the_ban(pair: Load) -> None:
    tools = Tools()
    move(tools, [pair("healthy"), pair("healthy"), pair("cli-ban"), pair("switched")])
    assert tools.verbs() == ["--create", "--wait", "--delete", "--wait"]
    assert _pair_move.ban_id(NAMES, "ha-node01") in tools.commands[2][-1]


def test_execute_lifts_the_ban_when_the_service_does_not_come_up(pair: Load) -> None:
    tools = Tools()
    with pytest.raises(_pair_move.MoveFailed, match="did not come up on ha-node02"):
        move(tools, [pair("healthy"), pair("no-promoted")], timeout=0)
    assert tools.verbs()[-1] == "--delete"


def test_execute_names_the_clocks_when_nothing_began_to_move(pair: Load) -> None:
    banned = replace(pair("healthy"), cib=pair("cli-ban").cib)
    with pytest.raises(_pair_move.MoveFailed, match="compare `date -u` on both hosts") as failed:
        move(Tools(), [pair("healthy"), banned], timeout=0)
    # The ban that this look still saw is its own, and gone.
    assert "Now: nothing else is wrong. Nothing began to move." in str(failed.value)
    with pytest.raises(_pair_move.MoveFailed) as failed:
        move(Tools(), [pair("healthy"), pair("no-promoted")], timeout=0)
    assert "date -u" not in str(failed.value)


def test_execute_lifts_the_ban_when_it_is_told_to_end(pair: Load) -> None:
    tools = Tools()

    def interrupted() -> _pair.Pair:
        if tools.commands:
            raise KeyboardInterrupt("signal 15")
        return pair("healthy")

    with pytest.raises(KeyboardInterrupt):
        _pair_move.execute(
            tools,
            interrupted,
            NAMES,
            MOVE,
            30,
            _pair_move.Timeline(),  # type: ignore[arg-type]
        )
    assert tools.verbs() == ["--create", "--delete"]


def test_execute_lifts_the_ban_even_when_placing_it_seemed_to_fail(pair: Load) -> None:
    tools = Tools()
    tools.broken["--create"] = 1
    with pytest.raises(CommandFailed):
        move(tools, [pair("healthy")])
    assert tools.verbs() == ["--create", "--delete"]


def test_execute_tries_again_to_lift_the_ban(pair: Load) -> None:
    tools = Tools()
    tools.broken["--delete"] = 3
    move(tools, [pair("healthy"), pair("switched")])
    assert tools.verbs().count("--delete") == 4


def test_execute_fails_when_the_ban_is_still_there(pair: Load) -> None:
    with pytest.raises(_pair_move.MoveFailed, match="is still there"):
        move(Tools(), [pair("healthy"), pair("cli-ban")])


def test_execute_fails_when_the_service_goes_back(pair: Load) -> None:
    with pytest.raises(_pair_move.MoveFailed, match="did not stay on ha-node02"):
        move(Tools(), [pair("healthy"), pair("switched"), pair("healthy")])


def test_wait_healthy_needs_the_service_on_the_target(pair: Load) -> None:
    well = _pair_move.wait_healthy(lambda: pair("healthy"), 0, "ha-node02")[0]
    assert not well
    well = _pair_move.wait_healthy(lambda: pair("healthy"), 0, "ha-node01")[0]
    assert well


def test_wait_healthy_bears_tools_that_fail_for_a_while(pair: Load) -> None:
    failures = iter([True, True, False])

    def look() -> _pair.Pair:
        if next(failures):
            raise CommandFailed(Result(("crm_mon",), 1, "", "no controller"))
        return pair("healthy")

    well, found = _pair_move.wait_healthy(look, 30)
    assert well and found == []


def test_ban_outlives_the_move_a_little(pair: Load) -> None:
    tools = Tools()
    before = datetime.now(timezone.utc)
    move(tools, [pair("healthy"), pair("switched")], timeout=100)
    location = _pair._location(ET.fromstring(tools.commands[0][-1]))
    assert location.expires is not None
    assert timedelta(seconds=158) < location.expires - before < timedelta(seconds=162)
