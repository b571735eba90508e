# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing declared objects with the real tools: seen, previewed, made in place, made once."""

from __future__ import annotations

import copy
import difflib
from typing import Any, Callable

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _declaration,
    _transaction,
)

ONE, TWO = pair.NODES


def changed_lines(outcome: _transaction.Outcome) -> list[str]:
    """What the diff shows, without its context."""
    shown = difflib.unified_diff(outcome.before, outcome.after, n=0, lineterm="")
    return [line for line in shown if line[0] in "+-" and line[:3] not in ("+++", "---")]


def set_in(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value, by its path in a resource."""

    def change(declared: dict[str, Any]) -> None:
        place = pair.resource(declared, path[0])
        for step in path[1:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def set_section(section: str, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of a property or a default."""

    def change(declared: dict[str, Any]) -> None:
        declared[section][name] = value

    return change


def set_constraint(number: int, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of a constraint: 0 and 1 are locations, 2 a colocation, 3 an order."""

    def change(declared: dict[str, Any]) -> None:
        declared["constraints"][number][name] = value

    return change


RESTARTS = ["restart ClusterIP", "restart KaiwuDB", "restart KaiwuFS"]
# What is changed, what the diff shows, what is interrupted.
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], list[str], list[str]]] = {
    "option": (
        set_in("KaiwuFS", "options", "options", value="noatime,nodiratime"),
        ['-value="noatime"', '+value="noatime,nodiratime"'],
        RESTARTS,
    ),
    "new option": (
        set_in("ClusterIP", "options", "nic", value="eth0"),
        ['+name="nic" value="eth0"'],
        ["restart ClusterIP"],
    ),
    "option removed": (
        set_in("KaiwuFS", "options", "options", value=None),
        ['-name="options" value="noatime"'],
        RESTARTS,
    ),
    "secret": (
        set_in(f"fence-{ONE}", "secret_options", "password", value="another"),
        ["-a secret option: old value", "+a secret option: new"],
        [],
    ),
    "interval": (
        set_in("KaiwuDB", "operations", 2, "interval", value="7s"),
        ['-interval="5s"', '+interval="7s"'],
        [],
    ),
    "timeout": (
        set_in("KaiwuDB", "operations", 0, "timeout", value="10min"),
        ['-timeout="300s"', '+timeout="10min"'],
        [],
    ),
    "on_fail": (
        set_in("KaiwuDB", "operations", 2, "on_fail", value="restart"),
        ['-timeout="30s"', '+on-fail="restart"'],
        [],
    ),
    "depth": (
        set_in("KaiwuDB", "operations", 3, "depth", value=10),
        ['-value="20"', '+value="10"'],
        [],
    ),
    "resource meta": (
        set_in("KaiwuDB", "meta", value={"migration-threshold": 5}),
        ["+meta_attributes", '+name="migration-threshold" value="5"'],
        [],
    ),
    "clone meta": (
        set_in("KaiwuData", "clone", "meta", "interleave", value=True),
        ['+name="interleave" value="true"'],
        [],
    ),
    "property": (
        set_section("properties", "cluster-recheck-interval", "5min"),
        ['+name="cluster-recheck-interval" value="5min"'],
        [],
    ),
    "default": (
        set_section("resource_defaults", "resource-stickiness", 100),
        ['-value="200"', '+value="100"'],
        [],
    ),
    "location score": (
        set_constraint(0, "score", "-1000"),
        ['-score="-INFINITY"', '+score="-1000"'],
        [],
    ),
    "colocation score": (
        set_constraint(2, "score", 5000),
        ['-score="INFINITY"', '+score="5000"'],
        [],
    ),
    "order kind": (
        set_constraint(3, "kind", "Optional"),
        ['-kind="Mandatory"', '+kind="Optional"'],
        [],
    ),
    "order symmetrical": (
        set_constraint(3, "symmetrical", False),
        ['+symmetrical="false"'],
        [],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change(running: chroot.Cluster, name: str) -> None:
    """A change is previewed and made in place, its interruptions are refused, twice is once."""
    change, shown, interrupted = CHANGES[name]
    declared = pair.whole_pair()
    change(declared)
    before = running.cib_file.read_bytes()

    if interrupted:
        with pytest.raises(_transaction.Refused) as refused:
            running.apply(declared)
        assert all(f"{one} on {ONE}" in str(refused.value) for one in interrupted)
        assert running.cib_file.read_bytes() == before
    preview = running.apply(declared, check=True, allow_disruption=True)
    assert running.cib_file.read_bytes() == before

    outcome = running.apply(declared, allow_disruption=True)
    assert outcome.result() == preview.result()
    seen = "\n".join(changed_lines(outcome))
    for one in shown:
        sign, words = one[0], one[1:]
        assert any(sign == line[0] and words in line for line in seen.splitlines()), seen
    assert len(seen.splitlines()) <= 3
    stopped = {"stop", "restart", "move", "demote", "fence"}
    services = [one for one in outcome.transition if not one.resource.startswith("fence-")]
    assert (
        sorted(f"{o.action} {o.resource}" for o in services if o.action in stopped) == interrupted
    )

    after = running.cib_file.read_bytes()
    running.ran.clear()
    assert not running.apply(declared).changed
    assert running.cib_file.read_bytes() == after
    # Whatever was there before, what is declared last holds.
    running.apply(pair.whole_pair(), allow_disruption=True)
    assert not running.apply(pair.whole_pair()).changed


def test_members_move_within_and_between_groups(running: chroot.Cluster) -> None:
    """A declared place that differs is a move; what is not declared stays where it is."""
    declared = {"groups": [{"id": "KaiwuDBGrp", "members": ["KaiwuFS", "ClusterIP", "KaiwuDB"]}]}
    assert running.apply(declared).changed
    group = running.cib.find(".//group[@id='KaiwuDBGrp']")
    assert group is not None
    order = [one.get("id") for one in group.findall("primitive")]
    assert order == ["KaiwuFS", "ClusterIP", "KaiwuDB"]
    assert running.apply(pair.whole_pair(), allow_disruption=True).changed
    assert not running.apply(pair.whole_pair()).changed

    address = copy.deepcopy(pair.resource(pair.whole_pair(), "ClusterIP"))
    address["group"] = {"id": "Other"}
    running.apply({"resources": [address]}, allow_disruption=True)
    assert running.cib.find(".//group[@id='Other']/primitive[@id='ClusterIP']") is not None
    running.apply(pair.whole_pair(), allow_disruption=True)
    # The group that is left without members is gone, or the schema would refuse it.
    assert running.cib.find(".//group[@id='Other']") is None


def test_removal_takes_what_refers_to_it(running: chroot.Cluster) -> None:
    """A removed resource leaves no constraint, empty group or clone behind."""
    gone = {"resources": [{"id": "ClusterIP", "state": "absent"}]}
    with pytest.raises(_transaction.Refused, match=f"stop ClusterIP on {ONE}"):
        running.apply(gone)
    assert running.apply(gone, allow_disruption=True).changed
    assert not running.apply(gone).changed
    names = ("KaiwuDB", "KaiwuFS", "KaiwuData")
    everything = {"resources": [{"id": one, "state": "absent"} for one in names]}
    running.apply(everything, allow_disruption=True)
    left = [one.get("id") for one in running.cib.findall("configuration/resources/*")]
    assert left == [f"fence-{ONE}", f"fence-{TWO}"]
    constraints = [one.get("id", "") for one in running.cib.findall("configuration/constraints/*")]
    assert all(one.startswith("location-fence-") for one in constraints)
    constraint = {"constraints": [{"id": constraints[0], "state": "absent"}]}
    assert running.apply(constraint).changed
    assert not running.apply(constraint).changed


# --- what operators and DRBD put there ----------------------------------------------------------


def put_operator_state(cluster: chroot.Cluster) -> list[tuple[str, str]]:
    """What a degraded pair in an operator's hands looks like."""
    fence = "drbd-fence-by-handler-kwdb-KaiwuData-clone"
    cluster.write(
        "constraints",
        f'<rsc_location rsc="KaiwuData-clone" id="{fence}">'
        '<rule role="Master" score="-INFINITY" id="drbd-fence-by-handler-kwdb-rule-1">'
        f'<expression attribute="#uname" operation="ne" value="{ONE}" id="drbd-fence-1"/>'
        "</rule></rsc_location>",
    )
    cluster.write(
        "constraints",
        f'<rsc_location id="cli-ban-KaiwuDBGrp-on-{TWO}" rsc="KaiwuDBGrp" role="Started"'
        f' node="{TWO}" score="-INFINITY"/>',
    )
    cluster.pcs("node", "standby", TWO)
    cluster.pcs("node", "maintenance", ONE)
    cluster.pcs("property", "set", "maintenance-mode=true")
    cluster.pcs("resource", "disable", "ClusterIP")
    cluster.pcs("resource", "unmanage", "KaiwuDB")
    return [
        ("cli-constraint", "KaiwuDBGrp"),
        ("drbd-fence", "KaiwuData-clone"),
        ("is-managed", "KaiwuDB"),
        ("maintenance", ONE),
        ("maintenance-mode", "cluster"),
        ("standby", TWO),
        ("target-role", "ClusterIP"),
    ]


def test_operator_state_survives(running: chroot.Cluster) -> None:
    """It is reported, is no change, and is still there after a change of something else."""
    expected = put_operator_state(running)
    before = running.cib_file.read_bytes()
    for declared in pair.declarations():
        outcome = running.apply(declared)
        assert not outcome.changed
    # pcs says "unmanaged" with one meta attribute and, in some versions, disabled operations.
    found = sorted((one["kind"], one["on"]) for one in outcome.operator_state)
    assert found == expected
    assert running.cib_file.read_bytes() == before

    declared = pair.whole_pair()
    declared["properties"]["cluster-recheck-interval"] = "5min"
    pair.resource(declared, "ClusterIP")["operations"][2]["timeout"] = "30s"
    outcome = running.apply(declared)
    assert outcome.changed
    after = running.apply(declared)
    assert (after.changed, after.operator_state) == (False, outcome.operator_state)


def test_operator_state_cannot_be_removed_by_declaration(running: chroot.Cluster) -> None:
    """Not even by name, and the resource that DRBD's fence protects stays."""
    put_operator_state(running)
    before = running.cib_file.read_bytes()
    for identity in (f"cli-ban-KaiwuDBGrp-on-{TWO}", "drbd-fence-by-handler-kwdb-KaiwuData-clone"):
        with pytest.raises(_declaration.DeclarationInvalid, match="belongs to"):
            running.apply({"constraints": [{"id": identity, "state": "absent"}]})
    gone = {"resources": [{"id": "KaiwuData", "state": "absent"}]}
    with pytest.raises(_declaration.DeclarationInvalid, match="protects the data"):
        running.apply(gone, allow_disruption=True)
    assert running.cib_file.read_bytes() == before
