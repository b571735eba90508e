# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints, rules and conditional defaults: what is refused, what is the same, and their laws."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _constraints,
    _declaration,
    _defaults,
    _invalid,
    _plan,
    _rules,
    _shape,
)

SCHEMAS = ("pacemaker-3.5", "pacemaker-3.9", "pacemaker-4.0")
PLAIN = "".join(
    f'<primitive id="{one}" class="ocf" provider="pacemaker" type="Dummy"/>' for one in "ABCD"
)
CIB = (
    '<cib validate-with="{schema}"><configuration><crm_config/><nodes><node id="1" uname="n1"/>'
    f'<node id="2" uname="n2"/></nodes><resources>{PLAIN}<clone id="S-clone"><group id="G">'
    '<primitive id="S" class="ocf" provider="pacemaker" type="Stateful"/></group></clone>'
    "</resources><constraints>{inside}</constraints></configuration><status/></cib>"
)


def cib(inside: str = "", schema: str = "pacemaker-3.9") -> ElementTree.Element:
    return _cib.parse(CIB.format(schema=schema, inside=inside))


def plan(root: ElementTree.Element, declared: list[dict[str, Any]]) -> ElementTree.Element:
    return _plan.plan(root, _declaration.declaration({"constraints": declared}), lambda name: None)


def text(root: ElementTree.Element) -> list[str]:
    return _cib.lines(root, hidden=lambda name: False)


# --- what is refused ----------------------------------------------------------------------------

LOCATION = {"id": "c", "type": "location", "resource": "A"}
RULE = {"attribute": "pingd", "is": "defined"}
SET = {"resources": ["A", "B"]}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": "c"}, "constraints[0].type: one of location, colocation, order, ticket"),
    ({"id": "1st", "type": "order"}, "constraints[0].id: '1st' cannot be a name in the cluster"),
    ({"id": "cli-ban-x", "type": "order"}, "constraints[0].id: cli-ban-x is a name"),
    ({**LOCATION}, "constraints[0]: one of node and rule is needed"),
    ({**LOCATION, "node": "n1", "rule": RULE}, "one of node and rule is possible"),
    ({**LOCATION, "node": "n1"}, "constraints[0].score: a location constraint needs it"),
    ({**LOCATION, "node": "n1", "score": "much"}, "constraints[0].score: 'much' is neither"),
    ({**LOCATION, "node": "n1", "score": 1, "score_attribute": "w"}, "score_attribute: it goes"),
    ({**LOCATION, "rule": RULE}, "one of score and score_attribute is needed"),
    ({**LOCATION, "rule": RULE, "score": 1, "score_attribute": "w"}, "score_attribute is possible"),
    ({**LOCATION, "resource_pattern": "A.*"}, "one of resource and resource_pattern is possible"),
    ({**LOCATION, "sets": [SET]}, "constraints[0].sets: a location constraint has none"),
    ({**LOCATION, "node": "n1", "score": 1, "kind": "Optional"}, "kind: a location constraint has"),
    ({**LOCATION, "node": "n1", "score": 1, "role": ""}, "constraints[0].role: it is empty"),
    ({"id": "c", "type": "colocation", "resource": "A"}, "constraints[0].with: a colocation"),
    ({"id": "c", "type": "colocation", "with": "A"}, "constraints[0].resource: a colocation"),
    ({"id": "c", "type": "colocation", "sets": []}, "constraints[0].sets: one set or more"),
    ({"id": "c", "type": "colocation", "sets": [{}]}, "sets[0].resources: a set needs one"),
    (
        {"id": "c", "type": "colocation", "sets": [SET, {"resources": ["A", "B", "A"]}]},
        "constraints[0].sets[1].resources[2]: A is in the set twice",
    ),
    (
        {"id": "c", "type": "colocation", "sets": [{**SET, "action": "start"}]},
        "constraints[0].sets[0].action: a set of a colocation constraint has none",
    ),
    (
        {"id": "c", "type": "colocation", "sets": [SET], "with": "A"},
        "constraints[0].with: a colocation constraint has no such option beside sets",
    ),
    ({"id": "c", "type": "colocation", "resource": "A", "with": "B", "rule": RULE}, "has no rule"),
    (
        {"id": "c", "type": "colocation", "resource": "A", "with": "B", "influence": "perhaps"},
        "constraints[0].influence: 'perhaps' is neither true nor false",
    ),
    (
        {"id": "c", "type": "order", "sets": [SET], "require_all": False},
        "constraints[0].require_all: a order constraint has no such option beside sets",
    ),
    (
        {
            "id": "c",
            "type": "order",
            "first": "A",
            "then": "B",
            "kind": "Serialize",
            "symmetrical": True,
        },
        "constraints[0].symmetrical: an order of the kind Serialize has no reverse",
    ),
    ({"id": "c", "type": "ticket", "resource": "A"}, "constraints[0].ticket: a ticket constraint"),
    (
        {"id": "c", "type": "ticket", "ticket": "T", "sets": [{**SET, "sequential": False}]},
        "constraints[0].sets[0].sequential: a set of a ticket constraint has none",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_wanted_constraint_refuses(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(_invalid.DeclarationInvalid) as refused:
        _declaration.declaration({"constraints": [wrong]})
    assert message in str(refused.value)


WRONG_RULES: list[tuple[Any, str]] = [
    ({}, "rule: a rule is {all: [...]}, {any: [...]} or one condition"),
    ([], "rule: a rule is"),
    ("pingd", "rule: a rule is"),
    ({"all": [RULE], "any": [RULE]}, "rule: a rule is"),
    ({"all": [RULE], "score": 5}, "rule: a rule is"),
    ({"all": []}, "rule.all: a list of one or more conditions"),
    ({"all": RULE}, "rule.all: a list of one or more conditions"),
    ({"all": [RULE, "x"]}, "rule.all[1]: a condition has one of attribute, date"),
    ({"all": [RULE, {"any": [{"pingd": 1}]}]}, "rule.all[1].any[0]: a condition has one of"),
    ({"attribute": "x"}, "rule.is: None is none of eq"),
    ({"attribute": "x", "is": "equal", "value": 1}, "rule.is: 'equal' is none of eq"),
    ({"attribute": "x", "is": "eq"}, "rule.value: eq needs a value"),
    ({"attribute": "", "is": "defined"}, "rule.attribute: a value is needed"),
    ({"attribute": "x", "is": "defined", "value": 1}, "rule.value: defined compares with nothing"),
    ({"attribute": "x", "is": "eq", "value": 1, "type": "float"}, "rule.type: 'float' is none"),
    ({"attribute": "x", "is": "eq", "value": 1, "unit": "s"}, "rule.unit: there is no such option"),
    ({"attribute": "x", "is": "eq", "value": 1, "value_source": "env"}, "rule.value_source: 'env'"),
    ({"date": "before", "end": "2026-01-31"}, "rule.date: 'before' is none of gt, lt"),
    ({"date": "gt"}, "rule.start: the date gt needs it"),
    ({"date": "gt", "start": "2026", "end": "2027"}, "rule.end: there is no such option here"),
    ({"date": "lt", "end": "tomorrow"}, "rule.end: 'tomorrow' is no date such as"),
    ({"date": "in_range"}, "rule.start: the date in_range needs a start, an end or both"),
    (
        {"date": "in_range", "start": "2026", "end": "2027", "duration": {"hours": 1}},
        "rule.duration: it needs a start and replaces the end",
    ),
    (
        {"date": "in_range", "start": "2026", "duration": {"hours": "1-2"}},
        "rule.duration.hours: '1-2' is not a number",
    ),
    (
        {"date": "in_range", "start": "2026", "duration": {"weekdays": 1}},
        "rule.duration.weekdays: there is no such option",
    ),
    ({"date": "date_spec"}, "rule.spec: the date date_spec needs it"),
    ({"date": "date_spec", "spec": {}}, "rule.spec: units of time are needed"),
    ({"date": "date_spec", "spec": {"hours": "9 to 5"}}, "rule.spec.hours: '9 to 5' is not"),
    ({"resource_type": "::IPaddr2"}, "rule.resource_type: the rule of a location cannot"),
    ({"operation": "monitor"}, "rule.operation: only the rule of a set of operation defaults"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_RULES)
def test_wanted_rule_refuses(wrong: Any, message: str) -> None:
    with pytest.raises(_invalid.DeclarationInvalid) as refused:
        _rules.wanted_rule(wrong, "rule")
    assert str(refused.value).startswith(message)


WRONG_DEFAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("resource_default_sets", {"id": "a b"}, "resource_default_sets[0].id: 'a b' cannot be"),
    ("resource_default_sets", {"score": "x"}, "resource_default_sets[0].score: 'x' is neither"),
    (
        "resource_default_sets",
        {"rule": {"all": [{"operation": "monitor"}]}},
        "resource_default_sets[0].rule.all[0].operation: only",
    ),
    (
        "operation_default_sets",
        {"rule": {"resource_type": "ocf:heartbeat"}},
        "operation_default_sets[0].rule.resource_type: 'ocf:heartbeat' is none of",
    ),
    (
        "operation_default_sets",
        {"rule": {"operation": "monitor", "interval": "often"}},
        "operation_default_sets[0].rule.interval: 'often' is not a duration",
    ),
    (
        "operation_default_sets",
        {"rule": {"attribute": "x", "is": "eq", "value": "y", "value_source": "meta"}},
        "operation_default_sets[0].rule.value_source: only the rule of a location",
    ),
]


@pytest.mark.parametrize(("name", "wrong", "message"), WRONG_DEFAULTS)
def test_wanted_default_sets_refuses(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(_invalid.DeclarationInvalid) as refused:
        _declaration.declaration({name: [{"id": "d", **wrong}]})
    assert message in str(refused.value)


REFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"type": "order", "sets": [SET, {"resources": ["X"]}]}, "c: there is no resource X"),
    ({"type": "ticket", "ticket": "T", "resource": "X"}, "c: there is no resource X"),
    ({"type": "colocation", "sets": [{"resources": ["A", "S"]}]}, "S is cloned; name its clone S-"),
    ({"type": "order", "first": "G", "then": "A"}, "c: G is cloned; name its clone S-clone"),
    ({"type": "location", "resource": "A", "node": "n3", "score": 1}, "no node n3 (nodes: n1, n2)"),
]


@pytest.mark.parametrize(("wrong", "message"), REFERENCES)
def test_references_are_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(_invalid.DeclarationInvalid) as refused:
        plan(cib(), [{"id": "c", **wrong}])
    assert message in str(refused.value)


def test_pattern_ticket_and_tag_need_no_resource() -> None:
    root = cib('<rsc_ticket id="x" ticket="X" rsc="A"/>')
    tags = '<tags><tag id="t"><obj_ref id="A"/></tag></tags>'
    _cib.configuration(root).append(ElementTree.fromstring(tags))
    declared = [
        {"id": "c1", "type": "location", "resource_pattern": "none.*", "node": "n1", "score": 1},
        {"id": "c2", "type": "location", "resource": "t", "node": "n1", "score": 1},
    ]
    assert len(_cib.constraints(plan(root, declared))) == 3


# --- what is the same ---------------------------------------------------------------------------

NESTED = {"all": [RULE, {"any": [{**RULE, "is": "eq", "value": one} for one in (1, 2)]}]}
EXPRESSION = '<expression id="e{0}" attribute="pingd" operation="eq" value="{0}"/>'
EITHER = EXPRESSION.format(1) + EXPRESSION.format(2)
DEFINED = '<expression id="d" attribute="pingd" operation="defined"/>'
ALIKE: dict[str, tuple[str, dict[str, Any]]] = {
    "nested score": (
        '<rsc_location id="x" rsc="A" role="Master"><rule id="r" score="+INFINITY" role="slave">'
        f'{DEFINED}<rule id="s" boolean-op="or" score="0">{EITHER}</rule></rule></rsc_location>',
        {**LOCATION, "rule": NESTED, "score": "INFINITY", "role": "Unpromoted"},
    ),
    "one condition": (
        f'<rsc_location id="x" rsc="A"><rule id="r" score="1" boolean-op="or">{DEFINED}</rule>'
        "</rsc_location>",
        {**LOCATION, "rule": {"all": [RULE]}, "score": 1},
    ),
    "order by score": (
        '<rsc_order id="x" first="A" then="B" score="0"/>',
        {"id": "c", "type": "order", "first": "A", "then": "B", "kind": "Optional"},
    ),
    "serialize": (
        '<rsc_order id="x" first="A" then="B" kind="Serialize" symmetrical="true"/>',
        {"id": "c", "type": "order", "first": "A", "then": "B", "kind": "Serialize"},
    ),
    "colocation": (
        '<rsc_colocation id="x" rsc="A" with-rsc="B" rsc-role="Started" node-attribute="#uname"/>',
        {"id": "c", "type": "colocation", "resource": "A", "with": "B", "score": 0},
    ),
    "ticket": (
        '<rsc_ticket id="x" ticket="T" rsc="S-clone" rsc-role="Master"/>',
        {
            "id": "c",
            "type": "ticket",
            "ticket": "T",
            "resource": "S-clone",
            "role": "Promoted",
            "loss_policy": "demote",
        },
    ),
    "members side by side": (
        '<rsc_order id="x"><resource_set id="s" sequential="false"><resource_ref id="A"/>'
        '<resource_ref id="B"/></resource_set></rsc_order>',
        {"id": "c", "type": "order", "sets": [{"resources": ["B", "A"], "sequential": False}]},
    ),
    "sets of a ticket": (
        '<rsc_ticket id="x" ticket="T"><resource_set id="s"><resource_ref id="A"/></resource_set>'
        '<resource_set id="t" sequential="false"><resource_ref id="B"/></resource_set></rsc_ticket>',
        {
            "id": "c",
            "type": "ticket",
            "ticket": "T",
            "sets": [{"resources": ["B"]}, {"resources": ["A"]}],
        },
    ),
    "plain ticket": (
        '<rsc_ticket id="x" ticket="T" rsc="A" loss-policy="stop"/>',
        {"id": "c", "type": "ticket", "ticket": "T", "resource": "A", "role": "Started"},
    ),
}


@pytest.mark.parametrize("name", ALIKE)
def test_same_in_other_words(name: str) -> None:
    """No change, and the export says it in ours."""
    inside, declared = ALIKE[name]
    root = cib(inside)
    assert text(plan(root, [declared])) == text(root)
    exported = _constraints.declared_constraint(_cib.constraints(root)[0])
    assert text(plan(root, [exported])) == text(root)


DIFFERENT: dict[str, tuple[str, dict[str, Any]]] = {
    "policy": (
        '<rsc_ticket id="c" ticket="T" rsc="S-clone" rsc-role="Master"/>',
        {
            "id": "c",
            "type": "ticket",
            "ticket": "T",
            "resource": "S-clone",
            "role": "Promoted",
            "loss_policy": "stop",
        },
    ),
    "order by score": (
        '<rsc_order id="c" first="A" then="B" score="0"/>',
        {"id": "c", "type": "order", "first": "A", "then": "B"},
    ),
    "and or": (
        f'<rsc_location id="c" rsc="A"><rule id="r" score="1" boolean-op="or">{EITHER}</rule>'
        "</rsc_location>",
        {
            **LOCATION,
            "rule": {"all": [{**RULE, "is": "eq", "value": one} for one in (1, 2)]},
            "score": 1,
        },
    ),
    "sets in another order": (
        '<rsc_order id="c"><resource_set id="s"><resource_ref id="A"/></resource_set>'
        '<resource_set id="t"><resource_ref id="B"/></resource_set></rsc_order>',
        {"id": "c", "type": "order", "sets": [{"resources": ["B"]}, {"resources": ["A"]}]},
    ),
    "role beside a rule": (
        f'<rsc_location id="c" rsc="A" role="Promoted"><rule id="r" score="1">{DEFINED}</rule>'
        "</rsc_location>",
        {**LOCATION, "rule": RULE, "score": 1, "role": "Promoted"},
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_is_changed_in_place(name: str) -> None:
    inside, declared = DIFFERENT[name]
    root = cib(inside)
    new = plan(root, [declared])
    assert text(new) != text(root)
    assert len(_cib.constraints(new)) == 1
    found = _cib.constraints(new)[0]
    wanted = _constraints.wanted_constraint(declared, "it").shape
    assert wanted is not None
    assert _shape.meaning(found) == _shape.meaning(wanted)
    assert text(plan(new, [declared])) == text(new)


def test_two_names_for_the_same_are_kept_apart() -> None:
    """What is declared under its own name is never taken for another; each is taken once."""
    order = {"type": "order", "first": "A", "then": "B"}
    root = cib('<rsc_order id="x" first="A" then="B"/><rsc_order id="b" first="A" then="B"/>')
    declared = [{"id": "a", **order, "kind": "Optional"}, {"id": "b", **order}]
    new = plan(root, declared)
    kinds = {one.get("id"): one.get("kind") for one in _cib.constraints(new)}
    assert kinds == {"x": "Optional", "b": None}
    assert text(plan(new, declared)) == text(new)
    three = plan(new, [*declared, {"id": "d", **order}])
    assert len(_cib.constraints(three)) == 3


def test_same_rule_for_another_role_is_another_constraint() -> None:
    inside = (
        f'<rsc_location id="x" rsc="S-clone"><rule id="r" role="Master" score="1">{DEFINED}</rule>'
        "</rsc_location>"
    )
    ours = {"id": "c", "type": "location", "resource": "S-clone", "rule": RULE, "score": 5}
    assert [one.get("id") for one in _cib.constraints(plan(cib(inside), [ours]))] == ["x", "c"]
    promoted = plan(cib(inside), [{**ours, "role": "Promoted"}])
    assert [one.get("id") for one in _cib.constraints(promoted)] == ["x"]
    assert _cib.constraints(promoted)[0][0].get("score") == "5"


def test_removal_reaches_sets_and_what_names_an_empty_tag() -> None:
    inside = (
        '<rsc_order id="o"><resource_set id="s"><resource_ref id="A"/></resource_set>'
        '<resource_set id="t"><resource_ref id="B"/><resource_ref id="A"/></resource_set></rsc_order>'
        '<rsc_location id="l" rsc="tag" node="n1" score="1"/>'
        '<rsc_ticket id="u" ticket="T"><resource_set id="v"><resource_ref id="A"/></resource_set>'
        "</rsc_ticket>"
    )
    root = cib(inside)
    tags = '<tags><tag id="tag"><obj_ref id="A"/></tag></tags>'
    _cib.configuration(root).append(ElementTree.fromstring(tags))
    gone = [{"id": "A", "state": "absent"}]
    new = defaults(root, resources=gone)
    left = [one.get("id") for one in _cib.section(new, "constraints").iter() if one.get("id")]
    assert left == ["o", "t", "B"]
    assert new.find(".//tag") is None


def test_fence_of_drbd_is_never_taken_for_ours() -> None:
    expression = '<expression id="e" attribute="#uname" operation="ne" value="n1"/>'
    fence = (
        '<rsc_location id="drbd-fence-by-handler-x" rsc="S-clone"><rule id="r" role="Master"'
        f' score="-INFINITY">{expression}</rule></rsc_location>'
    )
    rule = {"attribute": "#uname", "is": "ne", "value": "n1"}
    ours = {"id": "c", "type": "location", "resource": "S-clone", "role": "Promoted", "rule": rule}
    new = plan(cib(fence), [{**ours, "score": 5}])
    assert [one.get("id") for one in _cib.constraints(new)] == ["drbd-fence-by-handler-x", "c"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_rule_is_written_as_the_schema_wants_it(schema: str) -> None:
    """Until 3.9 every rule needs a score, and the roles have their old names."""
    new = plan(cib(schema=schema), [{**LOCATION, "rule": NESTED, "score": 7, "role": "Promoted"}])
    rules = list(_cib.constraints(new)[0].iter("rule"))
    old = schema == "pacemaker-3.5"
    assert [one.get("score") for one in rules] == ["7", "0" if old else None]
    assert rules[0].get("role") == ("Master" if old else "Promoted")
    assert [one.get("id") for one in rules] == ["c-rule", "c-rule-rule"]


# --- export -------------------------------------------------------------------------------------

UNDECLARABLE = {
    "several rules": f'<rsc_location id="x" rsc="A"><rule id="r" score="1">{DEFINED}</rule>'
    f'<rule id="s" score="1">{EITHER}</rule></rsc_location>',
    "sets in a location": '<rsc_location id="x" node="n1" score="1"><resource_set id="s">'
    '<resource_ref id="A"/></resource_set></rsc_location>',
    "a reference": '<rsc_location id="x" rsc="A"><rule id-ref="r"/></rsc_location>',
    "a lifetime": f'<rsc_order id="x" first="A" then="B"><lifetime id="l"><rule id="r" score="1">{DEFINED}'
    "</rule></lifetime></rsc_order>",
    "attributes": '<rsc_order id="x" kind="Optional"><resource_set id="s" ordering="listed">'
    '<resource_ref id="A"/></resource_set></rsc_order>',
    "is a name that operators": '<rsc_location id="cli-ban-x" rsc="A" node="n1" score="1"/>',
    "defined compares": '<rsc_location id="x" rsc="A"><rule id="r" score="1"><expression id="e"'
    ' attribute="a" operation="defined" value="1"/></rule></rsc_location>',
}


@pytest.mark.parametrize("why", UNDECLARABLE)
def test_declared_constraint_says_what_it_cannot_say(why: str) -> None:
    with pytest.raises(_invalid.NotDeclarable, match=why):
        _constraints.declared_constraint(_cib.constraints(cib(UNDECLARABLE[why]))[0])


def test_declared_constraint_leaves_defaults_out() -> None:
    inside = (
        '<rsc_order id="c1" first="A" then="B" first-action="start" then-action="start"'
        ' kind="Mandatory" symmetrical="true" require-all="true"/>'
        '<rsc_colocation id="c2" rsc="A" with-rsc="B" score="INFINITY" rsc-role="Started"/>'
        '<rsc_location id="c3" rsc="A" node="n1" score="5" role="Started" resource-discovery="always"/>'
        '<rsc_order id="c4"><resource_set id="s" sequential="true"><resource_ref id="A"/>'
        '</resource_set><resource_set id="t" require-all="false" action="stop"><resource_ref id="B"/>'
        "</resource_set></rsc_order>"
        f'<rsc_location id="c5" rsc="A"><rule id="r" score="1" boolean-op="or">{DEFINED}</rule>'
        "</rsc_location>"
        '<rsc_order id="c6" first="A" then="B" kind="Serialize" symmetrical="true"/>'
        '<rsc_location id="c7" rsc="A"><rule id="q" score="1"><expression id="e" attribute="a"'
        ' operation="eq" value="literal" value-source="literal"/></rule></rsc_location>'
    )
    exported = [_constraints.declared_constraint(one) for one in _cib.constraints(cib(inside))]
    assert exported == [
        {"id": "c1", "type": "order", "first": "A", "then": "B"},
        {"id": "c2", "type": "colocation", "resource": "A", "with": "B"},
        {"id": "c3", "type": "location", "resource": "A", "node": "n1", "score": "5"},
        {
            "id": "c4",
            "type": "order",
            "sets": [
                {"resources": ["A"]},
                {"resources": ["B"], "require_all": False, "action": "stop"},
            ],
        },
        {"id": "c5", "type": "location", "resource": "A", "score": "1", "rule": RULE},
        {"id": "c6", "type": "order", "first": "A", "then": "B", "kind": "Serialize"},
        {
            "id": "c7",
            "type": "location",
            "resource": "A",
            "score": "1",
            "rule": {"attribute": "a", "is": "eq", "value": "literal"},
        },
    ]


# --- conditional defaults -----------------------------------------------------------------------

DAY = {"id": "day", "rule": {"date": "date_spec", "spec": {"hours": "8-17"}}, "values": {"a": 1}}


def defaults(root: ElementTree.Element, **params: Any) -> ElementTree.Element:
    return _plan.plan(root, _declaration.declaration(params), lambda name: None)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_default_sets(schema: str) -> None:
    once = defaults(cib(schema=schema), resource_default_sets=[DAY], resource_defaults={"a": 2})
    holder = _cib.section(once, "rsc_defaults")
    found = {one.get("id"): _cib.values(holder, "meta_attributes") for one in holder}
    assert found == {"rsc_defaults-meta_attributes": {"a": "2"}, "day": {"a": "2"}}
    day = holder.find("meta_attributes[@id='day']")
    assert day is not None
    assert [one.tag for one in day] == ["rule", "nvpair"]
    assert day[0].get("score") == ("INFINITY" if schema == "pacemaker-3.5" else None)
    assert day[1].get("value") == "1"
    exported = _defaults.declared_default_set(day)
    assert exported == {**DAY, "values": {"a": "1"}}
    assert text(defaults(once, resource_default_sets=[exported])) == text(once)
    gone = defaults(once, resource_default_sets=[{"id": "day", "state": "absent"}])
    assert [one.get("id") for one in holder if one is not day] == [
        one.get("id") for one in _cib.section(gone, "rsc_defaults")
    ]


def test_times_in_a_default_set_are_compared_as_times() -> None:
    often = {"operation": "monitor", "interval": "10s"}
    one = {"id": "d", "rule": often, "values": {"timeout": "60s"}}
    once = defaults(cib(), operation_default_sets=[one])
    again = {**one, "rule": {**often, "interval": "10000ms"}, "values": {"timeout": "1min"}}
    assert text(defaults(once, operation_default_sets=[again])) == text(once)
    seldom = {**again, "rule": {**often, "interval": "11s"}}
    then = defaults(once, operation_default_sets=[seldom])
    found = then.find(".//op_expression")
    assert found is not None
    assert found.get("interval") == "11s"


def test_declared_default_set_keeps_to_its_kind() -> None:
    """Pacemaker takes the condition for false there, and so it can only be left as it is."""
    inside = ElementTree.fromstring(
        '<meta_attributes id="m"><rule id="r" score="1"><op_expression id="o" name="monitor"/>'
        "</rule></meta_attributes>"
    )
    assert _defaults.declared_default_set(inside)["rule"] == {"operation": "monitor"}
    with pytest.raises(_invalid.NotDeclarable, match="only the rule of a set of operation"):
        _defaults.declared_default_set(inside, _rules.RESOURCES)


def test_set_without_a_rule_is_the_plain_one() -> None:
    """It is declared as such, or the two options would both write it."""
    further = {"id": "d", "values": {"a": 1}, "score": 3}
    with pytest.raises(_invalid.DeclarationInvalid, match="declare its values as operation_def"):
        defaults(cib(), operation_default_sets=[further])
    new = defaults(cib(), operation_default_sets=[further], operation_defaults={"b": 1})
    assert len(_cib.section(new, "op_defaults")) == 2


def test_value_of_a_default_set_is_changed_and_removed_in_place() -> None:
    once = defaults(
        cib(), resource_default_sets=[{**DAY, "values": {"a": "60", "b": "x", "c": "y"}}]
    )
    again = {**DAY, "values": {"a": "60", "b": None, "d": "z"}}
    then = defaults(once, resource_default_sets=[again])
    pairs = then.findall("configuration/rsc_defaults/meta_attributes/nvpair")
    assert [(one.get("id"), one.get("value")) for one in pairs] == [
        ("day-a", "60"),
        ("day-c", "y"),
        ("day-d", "z"),
    ]
    assert text(defaults(then, resource_default_sets=[again])) == text(then)


def test_id_of_something_else_is_no_default_set() -> None:
    with pytest.raises(_invalid.DeclarationInvalid, match="A is the id of a <primitive>, not"):
        defaults(cib(), resource_default_sets=[{**DAY, "id": "A"}])


# --- laws ---------------------------------------------------------------------------------------

words = st.one_of(
    st.sampled_from(["1", "0", "true", "ü$<&\"'", "%n \\ x", "one\ntwo", " a ", "日本", "`$(x)`"]),
    st.text("abc $%<>&\"'\n\tüß—", min_size=1, max_size=6),
)
maybe_role = st.sampled_from([None, "Started", "Promoted", "Unpromoted"])
maybe_bool = st.sampled_from([None, True, False])
scores = st.sampled_from(["INFINITY", "-INFINITY", 5, "+7", -3, 0])
comparisons = st.fixed_dictionaries(
    {"attribute": words, "is": st.sampled_from(["eq", "ne", "lt", "gte"]), "value": words},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "version"]),
        "value_source": st.sampled_from(["literal", "param", "meta"]),
    },
)
leaves = st.one_of(
    comparisons,
    st.fixed_dictionaries({"attribute": words, "is": st.sampled_from(["defined", "not_defined"])}),
    st.just({"date": "gt", "start": "2026-01-31"}),
    st.just({"date": "in_range", "start": "2026-01-31", "end": "2027-01-31"}),
    st.just({"date": "in_range", "start": "2026-01-31", "duration": {"hours": 8}}),
    st.just({"date": "date_spec", "spec": {"hours": "9-16", "weekdays": 1}}),
)
rules = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({word: st.lists(inner, min_size=1, max_size=3)})
        for word in ("all", "any")
    ),
    max_leaves=6,
)
resources = st.sampled_from(["A", "B", "C", "D", "S-clone"])
members = st.lists(resources, min_size=1, max_size=3, unique=True)


def options(**found: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(found)


locations = st.one_of(
    options(node=st.sampled_from(["n1", "n2"]), score=scores),
    options(rule=rules, score=scores),
    options(rule=rules, score_attribute=words),
).flatmap(
    lambda where: options(
        **{name: st.just(value) for name, value in where.items()},
        type=st.just("location"),
        role=maybe_role,
        discovery=st.sampled_from([None, "always", "never"]),
    ).flatmap(
        lambda found: st.one_of(
            resources.map(lambda one: {**found, "resource": one}),
            words.map(lambda one: {**found, "resource_pattern": one}),
        )
    )
)
constraints = st.one_of(
    locations,
    options(
        type=st.just("colocation"),
        resource=resources,
        **{"with": resources},
        role=maybe_role,
        with_role=maybe_role,
        score=st.one_of(st.none(), scores),
        node_attribute=st.sampled_from([None, "#uname", "rack"]),
    ),
    options(
        type=st.just("colocation"),
        sets=st.lists(
            options(resources=members, sequential=maybe_bool, role=maybe_role),
            min_size=1,
            max_size=3,
        ),
        score=scores,
    ),
    options(
        type=st.just("order"),
        first=resources,
        then=resources,
        first_action=st.sampled_from([None, "start", "promote", "stop"]),
        then_action=st.sampled_from([None, "start", "promote", "stop"]),
        kind=st.sampled_from([None, "Mandatory", "Optional", "Serialize"]),
        symmetrical=st.sampled_from([None, False]),
        require_all=maybe_bool,
    ),
    options(
        type=st.just("order"),
        sets=st.lists(
            options(
                resources=members,
                sequential=maybe_bool,
                require_all=maybe_bool,
                action=st.sampled_from([None, "start", "promote"]),
            ),
            min_size=1,
            max_size=3,
        ),
        kind=st.sampled_from([None, "Optional"]),
    ),
    options(
        type=st.just("ticket"),
        ticket=words,
        loss_policy=st.sampled_from([None, "stop", "demote", "fence"]),
        resource=resources,
        role=maybe_role,
    ),
    options(
        type=st.just("ticket"),
        ticket=words,
        loss_policy=st.sampled_from([None, "stop", "demote", "freeze"]),
        sets=st.lists(options(resources=members, role=maybe_role), min_size=1, max_size=3),
    ),
)
declared_lists = st.dictionaries(
    st.sampled_from(["c1", "c2", "c3", "c4"]), constraints, max_size=4
).map(lambda found: [{"id": name, **one} for name, one in found.items()])


def check_exported(root: ElementTree.Element) -> None:
    exported = [_constraints.declared_constraint(one) for one in _cib.constraints(root)]
    assert text(plan(root, copy.deepcopy(exported))) == text(root)
    anew = plan(cib(schema=root.get("validate-with", "")), exported)
    meanings = [
        sorted(repr(_shape.meaning(one)) for one in _cib.constraints(tree)) for tree in (root, anew)
    ]
    assert meanings[0] == meanings[1]


@settings(max_examples=300, deadline=None)
@given(schema=st.sampled_from(SCHEMAS), first=declared_lists, then=declared_lists)
def test_laws(schema: str, first: list[dict[str, Any]], then: list[dict[str, Any]]) -> None:
    """Twice is once; an export changes nothing; what is declared last holds; ids are unique."""
    once = plan(cib(schema=schema), first)
    assert text(plan(once, first)) == text(once)
    check_exported(once)
    both = plan(once, then)
    assert text(plan(both, then)) == text(both)
    check_exported(both)
    there = [_shape.meaning(one) for one in _cib.constraints(both)]
    for one in then:
        wanted = _constraints.wanted_constraint(one, "it").shape
        assert wanted is not None
        assert _shape.meaning(wanted) in there
    ids = [one.get("id") for one in _cib.configuration(both).iter() if one.tag != "resource_ref"]
    ids = [one for one in ids if one is not None]
    assert len(ids) == len(set(ids))


@settings(max_examples=200, deadline=None)
@given(schema=st.sampled_from(SCHEMAS), first=rules, then=rules, score=scores)
def test_laws_of_rules_in_defaults(
    schema: str, first: dict[str, Any], then: dict[str, Any], score: Any
) -> None:
    try:
        one = {"id": "d", "score": score, "rule": first, "values": {"a": "1"}}
        once = defaults(cib(schema=schema), operation_default_sets=[one])
        both = defaults(once, operation_default_sets=[{**one, "rule": then}])
    except _invalid.DeclarationInvalid as exc:
        assert "value_source" in str(exc)
        return
    found = both.find("configuration/op_defaults/meta_attributes")
    assert found is not None
    wanted = _rules.wanted_rule(then, "it", _rules.OPERATIONS)
    rule = found.find("rule")
    assert rule is not None
    assert _shape.meaning(rule, found.tag) == _shape.meaning(wanted, found.tag)
    exported = _defaults.declared_default_set(found)
    assert text(defaults(both, operation_default_sets=[exported])) == text(both)
