# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of constraint and conditional default, through the real tools of each release."""

from __future__ import annotations

import copy
import pathlib
import xml.etree.ElementTree as ElementTree
from typing import Any

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _constraints, _declaration

ONE, TWO = pair.NODES
_BASES: dict[pathlib.Path, str] = {}
DUMMY = "ocf:pacemaker:Dummy"


@pytest.fixture
def base(cluster: chroot.Cluster) -> chroot.Cluster:
    """Four plain resources and a promotable clone."""
    if cluster.root not in _BASES:
        resources: list[dict[str, Any]] = [{"id": one, "agent": DUMMY} for one in "ABCD"]
        resources.append(
            {
                "id": "S",
                "agent": "ocf:pacemaker:Stateful",
                "operations": [
                    {"name": "monitor", "interval": "10s", "role": "Promoted"},
                    {"name": "monitor", "interval": "11s", "role": "Unpromoted"},
                ],
                "clone": {"id": "S-clone", "meta": {"promotable": True}},
            }
        )
        cluster.apply({"resources": resources})
        _BASES[cluster.root] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_BASES[cluster.root], encoding="utf-8")
    cluster.ran.clear()
    return cluster


# --- one life of each kind ----------------------------------------------------------------------

NO_PING = {
    "any": [
        {"attribute": "pingd", "is": "lt", "value": 1, "type": "number"},
        {"attribute": "pingd", "is": "not_defined"},
        {"all": [{"attribute": "#uname", "is": "eq", "value": ONE}, {"date": "lt", "end": "2030"}]},
    ]
}
AT_NIGHT = {"date": "date_spec", "spec": {"hours": "1-5", "weekdays": "6-7"}}
SHIFT = {"date": "in_range", "start": "2026-01-31", "duration": {"hours": 8}}


def other_ping(number: int, **changes: Any) -> dict[str, Any]:
    """The rule with one of its conditions changed."""
    found = copy.deepcopy(NO_PING)
    found["any"][number] = {**found["any"][number], **changes}
    return {"rule": found}


def sets(*members: str, **options: Any) -> list[dict[str, Any]]:
    """Sets of resources, all with the same options."""
    return [{"resources": list(one), **options} for one in members]


# What is created, then its changes, each with what must be found in the constraint afterwards.
LIVES: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]] = {
    "location": (
        {"type": "location", "resource": "S-clone", "node": ONE, "score": 50},
        [
            ({"score": "-INFINITY"}, "[@score='-INFINITY']"),
            ({"node": TWO}, f"[@node='{TWO}']"),
            ({"role": "Promoted"}, "[@role='{promoted}']"),
            ({"discovery": "exclusive"}, "[@resource-discovery='exclusive']"),
            ({"resource": "A", "role": None}, "[@rsc='A']"),
        ],
    ),
    "pattern": (
        {"type": "location", "resource_pattern": "^[AB]$", "node": ONE, "score": 5},
        [
            ({"resource_pattern": "!^[AB]$"}, "[@rsc-pattern='!^[AB]$']"),
            ({"discovery": "never"}, "[@resource-discovery='never']"),
            ({"resource_pattern": None, "resource": "D"}, "[@rsc='D']"),
        ],
    ),
    "rule": (
        {"type": "location", "resource": "A", "rule": NO_PING, "score": "-INFINITY"},
        [
            ({"score": -5}, "/rule[@score='-5']"),
            (other_ping(0, value=2), "/rule/expression[@value='2']"),
            (other_ping(0, type="integer"), "/rule/expression[@type='integer']"),
            (other_ping(0, **{"is": "lte"}), "/rule/expression[@operation='lte']"),
            (other_ping(2, all=[AT_NIGHT]), "/rule/rule/date_expression/date_spec[@hours='1-5']"),
            ({"rule": {"all": NO_PING["any"]}}, "/rule[@boolean-op='and']"),
            ({"score": None, "score_attribute": "weight"}, "/rule[@score-attribute='weight']"),
            ({"resource": "S-clone", "role": "Promoted"}, "/rule[@role='{promoted}']"),
            ({"rule": SHIFT}, "/rule/date_expression/duration[@hours='8']"),
        ],
    ),
    "colocation": (
        {"type": "colocation", "resource": "A", "with": "S-clone"},
        [
            ({"score": 7}, "[@score='7']"),
            ({"with_role": "Promoted"}, "[@with-rsc-role='{promoted}']"),
            ({"node_attribute": "rack"}, "[@node-attribute='rack']"),
            ({"resource": "B"}, "[@rsc='B']"),
        ],
    ),
    "colocation of sets": (
        {"type": "colocation", "sets": sets("AB", "CD"), "score": 9},
        [
            ({"score": "INFINITY"}, "[@score='INFINITY']"),
            ({"sets": sets("AB", "CD", role="Promoted")}, "/resource_set[@role='{promoted}']"),
            ({"sets": sets("BA", "CD")}, "/resource_set[1]/resource_ref[1][@id='B']"),
            ({"sets": sets("BA", "CD", sequential=False)}, "/resource_set[@sequential='false']"),
            ({"sets": sets("BA", "C")}, "/resource_set[2]/resource_ref[@id='C']"),
        ],
    ),
    "order": (
        {"type": "order", "first": "S-clone", "then": "A"},
        [
            ({"first_action": "promote"}, "[@first-action='promote']"),
            ({"then_action": "start"}, "[@then-action='start']"),
            ({"kind": "Optional"}, "[@kind='Optional']"),
            ({"symmetrical": False}, "[@symmetrical='false']"),
            ({"kind": "Serialize", "symmetrical": None}, "[@kind='Serialize']"),
            ({"require_all": False}, "[@require-all='false']"),
            ({"then": "D"}, "[@then='D']"),
        ],
    ),
    "order of sets": (
        {"type": "order", "sets": sets("AB", "CD"), "kind": "Mandatory"},
        [
            ({"kind": "Optional"}, "[@kind='Optional']"),
            ({"symmetrical": False}, "[@symmetrical='false']"),
            ({"sets": sets("AB", "CD", action="stop")}, "/resource_set[@action='stop']"),
            (
                {"sets": sets("AB", "CD", sequential=False, require_all=False)},
                "/resource_set[2][@require-all='false']",
            ),
            ({"sets": sets("CD", "AB")}, "/resource_set[1]/resource_ref[@id='C']"),
        ],
    ),
    "ticket": (
        {"type": "ticket", "ticket": "T", "resource": "S-clone"},
        [
            ({"loss_policy": "fence"}, "[@loss-policy='fence']"),
            ({"ticket": "a ticket"}, "[@ticket='a ticket']"),
            ({"role": "Promoted"}, "[@rsc-role='{promoted}']"),
        ],
    ),
    "ticket of sets": (
        {"type": "ticket", "ticket": "U", "sets": sets("AB", "C")},
        [
            ({"loss_policy": "freeze"}, "[@loss-policy='freeze']"),
            ({"sets": [*sets("AB"), *sets(["S-clone"], role="Promoted")]}, "/resource_set[@role]"),
        ],
    ),
}
TURNS = max(len(changes) for _first, changes in LIVES.values())


def declared_at(turn: int) -> dict[str, dict[str, Any]]:
    """Every constraint after so many changes; those without further ones stay."""
    found = {}
    for name, (first, changes) in LIVES.items():
        found[name] = {"id": name.replace(" ", "-"), **copy.deepcopy(first)}
        for change, _seen in changes[:turn]:
            found[name].update(change)
    return found


def element(cluster: chroot.Cluster, name: str, path: str = "") -> ElementTree.Element | None:
    """A constraint by its name, or what is at a path in it."""
    identity = name.replace(" ", "-")
    place = f"configuration/constraints/*[@id='{identity}']"
    return cluster.cib.find(place + path.format(promoted=cluster.promoted))


def check_unchanged(cluster: chroot.Cluster, declared: dict[str, Any]) -> None:
    """No change, no patch, the same bytes."""
    before = cluster.cib_file.read_bytes()
    cluster.ran.clear()
    outcome = cluster.apply(declared)
    assert not outcome.changed, chroot_diff(outcome)
    assert cluster.cib_file.read_bytes() == before
    assert not [one for one in cluster.ran if "--patch" in one]


def chroot_diff(outcome: Any) -> str:
    """The lines by which an unwanted change shows."""
    return "\n".join(sorted(set(outcome.before) ^ set(outcome.after)))


def test_life_of_every_kind(base: chroot.Cluster) -> None:
    """Created, the same again, each field changed in place, taken for itself again, removed."""
    base.apply({"constraints": list(declared_at(0).values())}, allow_disruption=True)
    check_unchanged(base, {"constraints": list(declared_at(0).values())})
    for turn in range(1, TURNS + 1):
        old = base.cib
        declared = {"constraints": list(declared_at(turn).values())}
        assert base.apply(declared, allow_disruption=True).changed
        for name, (_first, changes) in LIVES.items():
            if turn <= len(changes):
                assert element(base, name, changes[turn - 1][1]) is not None, (name, turn)
            else:
                place = f"configuration/constraints/*[@id='{name.replace(' ', '-')}']"
                was, now = old.find(place), element(base, name)
                assert was is not None
                assert now is not None
                assert ElementTree.tostring(was).strip() == ElementTree.tostring(now).strip()
        check_unchanged(base, declared)
    exported = [
        _constraints.declared_constraint(one)
        for one in base.cib.findall("configuration/constraints/*")
    ]
    check_unchanged(base, {"constraints": exported})
    gone = {"constraints": [{"id": one["id"], "state": "absent"} for one in exported]}
    assert base.apply(gone, allow_disruption=True).changed
    assert base.cib.findall("configuration/constraints/*") == []
    check_unchanged(base, gone)


def test_change_keeps_the_ids_of_what_stays(base: chroot.Cluster) -> None:
    """A changed condition is changed where it is; the others are not touched."""
    declared = declared_at(0)["rule"]
    base.apply({"constraints": [declared]})
    before = [one.get("id") for one in base.cib.findall("configuration/constraints//*")]
    base.apply({"constraints": [{**declared, **other_ping(0, value=3)}]})
    after = [one.get("id") for one in base.cib.findall("configuration/constraints//*")]
    assert after == before
    assert len(before) >= 6


TURNED: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "conditions": ({"rule": NO_PING}, {"rule": {"any": NO_PING["any"][::-1]}}, False),
    "members side by side": (
        {"sets": sets("AB", "CD", sequential=False)},
        {"sets": sets("BA", "DC", sequential=False)},
        False,
    ),
    "members in a row": ({"sets": sets("AB", "CD")}, {"sets": sets("BA", "CD")}, True),
    "sets": ({"sets": sets("AB", "CD")}, {"sets": sets("CD", "AB")}, True),
    "sets of a ticket": ({"sets": sets("AB", "CD")}, {"sets": sets("DC", "BA")}, False),
}


@pytest.mark.parametrize("name", TURNED)
def test_another_order(base: chroot.Cluster, name: str) -> None:
    """It is a change where it means something, and none where it does not."""
    first, then, means = TURNED[name]
    kind = {"id": "c", "type": "order"}
    if "rule" in first:
        kind = {"id": "c", "type": "location", "resource": "A", "score": "5"}
    elif name == "sets of a ticket":
        kind = {"id": "c", "type": "ticket", "ticket": "T"}
    base.apply({"constraints": [{**kind, **first}]})
    declared = {"constraints": [{**kind, **then}]}
    if not means:
        check_unchanged(base, declared)
        return
    assert base.apply(declared).changed
    check_unchanged(base, declared)


def test_other_type_of_the_same_name(base: chroot.Cluster) -> None:
    """It is replaced in one patch."""
    for declared in declared_at(0).values():
        renamed = {"constraints": [{**declared, "id": "c"}]}
        assert base.apply(renamed, allow_disruption=True).changed
        check_unchanged(base, renamed)
        assert len(base.cib.findall("configuration/constraints/*")) == 1


def test_removed_resource_leaves_nothing_behind(base: chroot.Cluster) -> None:
    """Not in sets, rules or tags; what is left is valid, or the tools would refuse the patch."""
    base.apply({"constraints": list(declared_at(0).values())}, allow_disruption=True)
    base.write("configuration", '<tags><tag id="t"><obj_ref id="A"/></tag></tags>')
    base.write("constraints", f'<rsc_location id="tagged" rsc="t" node="{ONE}" score="1"/>')
    gone = {"resources": [{"id": one, "state": "absent"} for one in "AB"]}
    assert base.apply(gone, allow_disruption=True).changed
    left = [one.get("id") for one in base.cib.findall("configuration/constraints/*")]
    assert left == [
        "location",
        "pattern",
        *[f"{one}-of-sets" for one in ("colocation", "order")],
        "ticket",
        "ticket-of-sets",
    ]
    assert "A" not in [one.get("id") for one in base.cib.iter("resource_ref")]
    assert base.cib.find(".//tag") is None
    check_unchanged(base, gone)


# --- what pcs writes ----------------------------------------------------------------------------


def typed(cluster: chroot.Cluster) -> list[list[str]]:
    """What a person types for the objects below."""
    release = cluster.root.name.split("-")[0]
    score = "score=50" if release == "trixie" else "50"
    # The oldest pcs refuses the new word here, and its own in capital letters as well.
    role = "master" if release == "bullseye" else "Promoted"
    rule = ["constraint", "location", "A", "rule"]
    uname = "#uname eq ha-node01 or #uname eq ha-node02"
    lines = [
        "constraint location A prefers ha-node01=50",
        "constraint location add by-pcs B ha-node01 0 resource-discovery=never",
        "constraint location regexp%^A.* prefers ha-node02=50",
        f"constraint colocation add A with {cluster.promoted} S-clone",
        f"constraint colocation add B with C {score} node-attribute=rack",
        "constraint colocation set A B sequential=false set C role=Started setoptions score=100",
        "constraint order promote S-clone then start A",
        "constraint order B then C kind=Serialize require-all=false",
        "constraint order set A B sequential=false require-all=false set C action=start"
        " setoptions kind=Optional symmetrical=false",
        f"constraint ticket add T {cluster.promoted} S-clone loss-policy=fence",
        "constraint ticket set A B set C setoptions ticket=U loss-policy=stop",
        "resource defaults set create id=d score=5 meta resource-stickiness=3"
        " rule resource ocf:heartbeat:IPaddr2 or date gt 2024-01-01",
        "resource op defaults set create id=o meta timeout=30s"
        " rule op monitor interval=10s and resource ::Dummy",
    ]
    commands = [one.split() for one in lines]
    commands.append([*rule, *["score=-INFINITY", "pingd", "lt", "1", "or", "not_defined", "pingd"]])
    nested = ["defined", "pingd", "and", "(", *uname.split(), ")"]
    commands.append(
        ["constraint", "location", "S-clone", "rule", f"role={role}", "score-attribute=w", *nested]
    )
    commands.append([*rule, *["date", "in_range", "2024-01-01", "to", "duration", "hours=8"]])
    commands.append([*rule, *["date-spec", "hours=9-16", "weekdays=1-5"]])
    return commands


UNAME = [{"attribute": "#uname", "is": "eq", "value": one} for one in (ONE, TWO)]
SAME: list[dict[str, Any]] = [
    {"type": "location", "resource": "A", "node": ONE, "score": 50},
    {"type": "location", "resource": "B", "node": ONE, "score": 0, "discovery": "never"},
    {"type": "location", "resource_pattern": "^A.*", "node": TWO, "score": "+50"},
    {"type": "colocation", "resource": "A", "with": "S-clone", "with_role": "Promoted"},
    {"type": "colocation", "resource": "B", "with": "C", "score": 50, "node_attribute": "rack"},
    {
        "type": "colocation",
        "sets": [*sets("BA", sequential=False), *sets("C")],
        "score": 100,
    },
    {
        "type": "order",
        "first": "S-clone",
        "first_action": "promote",
        "then": "A",
        "then_action": "start",
    },
    {"type": "order", "first": "B", "then": "C", "kind": "Serialize", "require_all": False},
    {
        "type": "order",
        "sets": [*sets("BA", sequential=False, require_all=False), *sets("C", action="start")],
        "kind": "Optional",
        "symmetrical": False,
    },
    {
        "type": "ticket",
        "ticket": "T",
        "resource": "S-clone",
        "role": "Promoted",
        "loss_policy": "fence",
    },
    {"type": "ticket", "ticket": "U", "sets": sets("C", "BA")},
    {
        "type": "location",
        "resource": "A",
        "rule": {
            "any": [
                {"attribute": "pingd", "is": "not_defined"},
                {"attribute": "pingd", "is": "lt", "value": 1},
            ]
        },
        "score": -1000000,
    },
    {
        "type": "location",
        "resource": "S-clone",
        "role": "Promoted",
        "rule": {"all": [{"any": UNAME}, {"attribute": "pingd", "is": "defined"}]},
        "score_attribute": "w",
    },
    {
        "type": "location",
        "resource": "A",
        "rule": {"date": "in_range", "start": "2024-01-01", "duration": {"hours": 8}},
        "score": "INFINITY",
    },
    {
        "type": "location",
        "resource": "A",
        "rule": {"date": "date_spec", "spec": {"weekdays": "1-5", "hours": "9-16"}},
        "score": "INFINITY",
    },
]
SAME_DEFAULTS: dict[str, list[dict[str, Any]]] = {
    "resource_default_sets": [
        {
            "id": "any-name",
            "score": 5,
            "values": {"resource-stickiness": 3},
            "rule": {
                "any": [
                    {"date": "gt", "start": "2024-01-01"},
                    {"resource_type": "ocf:heartbeat:IPaddr2"},
                ]
            },
        }
    ],
    "operation_default_sets": [
        {
            "id": "o",
            "values": {"timeout": "30"},
            "rule": {
                "all": [
                    {"resource_type": "::Dummy"},
                    {"operation": "monitor", "interval": "10000ms"},
                ]
            },
        }
    ],
}


def test_what_pcs_writes_is_the_same(base: chroot.Cluster) -> None:
    """Under any name, in any order, with the words of that release."""
    for words in typed(base):
        base.pcs(*words)
    assert len(base.cib.findall("configuration/constraints/*")) == len(SAME)
    constraints = [{"id": f"ours-{number}", **one} for number, one in enumerate(SAME)]
    check_unchanged(base, {"constraints": constraints, **SAME_DEFAULTS})
    # The check is able to fail: each of these is a change, made where pcs wrote it.
    for number, name in enumerate(("score", "score", "score")):
        constraints[number][name] = 7
    assert base.apply({"constraints": constraints}, allow_disruption=True).changed
    assert len(base.cib.findall("configuration/constraints/*")) == len(SAME)
    assert len(base.cib.findall("configuration/constraints/*[@score='7']")) == 3


# --- conditional defaults -----------------------------------------------------------------------


def test_life_of_conditional_defaults(base: chroot.Cluster) -> None:
    """Created beside the plain set, changed in place, removed; the plain set is not touched."""
    declared: dict[str, Any] = {
        "resource_defaults": {"resource-stickiness": 100},
        "operation_defaults": {"timeout": "60s"},
        **copy.deepcopy(SAME_DEFAULTS),
    }
    assert base.apply(declared).changed
    check_unchanged(base, declared)
    days, _operations = declared["resource_default_sets"][0], declared["operation_default_sets"][0]
    place = "configuration/rsc_defaults/meta_attributes[@id='any-name']"
    for change, seen in (
        ({"score": 9}, "[@score='9']"),
        ({"values": {"resource-stickiness": 4, "priority": 1}}, "/nvpair[@name='priority']"),
        ({"rule": {"date": "date_spec", "spec": {"hours": "1-5"}}}, "/rule//date_spec"),
        ({"rule": {"resource_type": "systemd:kaiwudb"}}, "/rule/rsc_expression[@class='systemd']"),
    ):
        days.update(change)
        assert base.apply(declared).changed
        assert base.cib.find(place + seen) is not None
        check_unchanged(base, declared)
    plain = base.cib.find("configuration/rsc_defaults/meta_attributes/nvpair[@value='100']")
    assert plain is not None
    days["state"] = "absent"
    assert base.apply(declared).changed
    assert base.cib.find(place) is None
    check_unchanged(base, declared)


# --- what a release does not know ---------------------------------------------------------------

TOGETHER = {"id": "c", "type": "colocation", "resource": "A", "with": "B"}
WHEN = {"id": "c", "type": "location", "resource": "A", "score": 1}
NEWS: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "influence": ({**TOGETHER, "influence": False}, {"bullseye"}, "needs the schema pacemaker-3.6"),
    "days": (
        {**WHEN, "rule": {**SHIFT, "duration": {"days": 1}}},
        {"bullseye"},
        "days of a duration needs the schema pacemaker-3.9",
    ),
    "minutes": (
        {**WHEN, "rule": {"date": "date_spec", "spec": {"minutes": "0-30"}}},
        {"bullseye"},
        "minutes of a date_spec needs the schema pacemaker-3.9",
    ),
    "moon": (
        {**WHEN, "rule": {"date": "date_spec", "spec": {"moon": 4}}},
        {"trixie"},
        "date_spec has no moon since the schema pacemaker-4.0",
    ),
}


@pytest.mark.parametrize("name", NEWS)
def test_what_a_schema_does_not_know_is_refused(base: chroot.Cluster, name: str) -> None:
    """Before anything changes, with the schema that is needed; others take it."""
    constraint, without, message = NEWS[name]
    declared = {"constraints": [constraint]}
    if base.root.name.split("-")[0] in without:
        before = base.cib_file.read_bytes()
        with pytest.raises(_declaration.DeclarationInvalid, match=message):
            base.apply(declared)
        assert base.cib_file.read_bytes() == before
        return
    assert base.apply(declared).changed
    check_unchanged(base, declared)


ODD = {
    "signs": (["a\"b'c", "$HOME %n `id` <x> & | ; \\", "  two  "], set()),
    "letters": (["ü—日本"], {"bullseye"}),
    "line": (["one\ntwo"], {"bullseye", "bookworm"}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_value_in_a_rule_survives_or_is_refused(base: chroot.Cluster, name: str) -> None:
    """A value comes back as it was declared, or is refused before it can be spoiled."""
    values, spoiled = ODD[name]
    conditions = [{"attribute": "x", "is": "eq", "value": one} for one in values]
    declared = {"constraints": [{**WHEN, "rule": {"any": conditions}}]}
    if base.root.name.split("-")[0] in spoiled:
        before = base.cib_file.read_bytes()
        with pytest.raises(_declaration.DeclarationInvalid, match="cannot store the value of"):
            base.apply(declared)
        assert base.cib_file.read_bytes() == before
        return
    assert base.apply(declared).changed
    check_unchanged(base, declared)
    assert [one.get("value") for one in base.cib.iter("expression")] == values


def test_rule_means_to_pacemaker_what_it_says(base: chroot.Cluster) -> None:
    """Who is promoted where follows the rule, its role and its score."""
    rule = {"attribute": "#uname", "is": "eq", "value": TWO}
    where = {"id": "c", "type": "location", "resource": "S-clone", "role": "Promoted"}
    base.apply({"properties": {"stonith-enabled": False}})
    base.apply({"constraints": [{**where, "rule": rule, "score": 100}]})
    base.settle()
    base.settle()
    assert base.roles()["S"] == {ONE: "Unpromoted", TWO: "Promoted"}
    other = {**where, "rule": {**rule, "is": "ne"}, "score": 100}
    base.apply({"constraints": [other]}, allow_disruption=True)
    base.settle()
    base.settle()
    assert base.roles()["S"] == {ONE: "Promoted", TWO: "Unpromoted"}
