# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What crm_simulate planned for the pair (tests/tools/capture_cluster.py), in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _transition

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
ONE, TWO = "ha-node01", "ha-node02"

# Per transition: what it holds. The two fence devices run on the host that each may run on.
EXPECTED = {
    "idle": [],
    "first": [
        *(f"start fence-{a} on {b}" for a, b in ((ONE, TWO), (TWO, ONE))),
        *(f"start KaiwuData on {node}" for node in (ONE, TWO)),
    ],
    "option": [f"restart {name} on {ONE}" for name in ("ClusterIP", "KaiwuDB", "KaiwuFS")],
    "switchover": [
        f"demote KaiwuData on {ONE}",
        f"promote KaiwuData on {TWO}",
        *(f"move {name} from {ONE} to {TWO}" for name in ("ClusterIP", "KaiwuDB", "KaiwuFS")),
    ],
}


def actions(version: str, name: str) -> list[_transition.Action]:
    path = FIXTURES / f"pacemaker-{version}" / "cluster" / f"{name}.graph.xml"
    return _transition.actions(path.read_text())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_actions(version: str, name: str) -> None:
    found = [one.text() for one in actions(version, name)]
    assert sorted(found) == sorted(EXPECTED[name])


@pytest.mark.parametrize("version", VERSIONS)
def test_lost_host_is_fenced(version: str) -> None:
    found = [one.text() for one in actions(version, "lost")]
    assert found.count(f"fence {ONE}") == 1
    assert f"promote KaiwuData on {TWO}" in found


@pytest.mark.parametrize("version", VERSIONS)
def test_interruptions(version: str) -> None:
    planned = actions(version, "option")
    assert len(_transition.interruptions(planned, (), ())) == 3
    # What the cluster does anyway is nobody's fault, and a fence device serves nobody.
    assert _transition.interruptions(planned, planned[:2], ()) == planned[2:]
    assert _transition.interruptions(planned, (), [one.resource for one in planned]) == []
    assert _transition.interruptions(actions(version, "first"), (), ()) == []


def test_result_leaves_out_what_is_empty() -> None:
    action = _transition.Action("fence", "", ONE)
    assert action.result() == {"action": "fence", "node": ONE}
