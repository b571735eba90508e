# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan on configurations captured from three Pacemakers, and its laws on made-up ones."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _agents,
    _cib,
    _declaration,
    _plan,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
DRBD = {"id": "KaiwuData", "agent": "ocf:linbit:drbd"}


def cib(version: str, name: str = "running") -> ElementTree.Element:
    path = FIXTURES / f"pacemaker-{version}" / "cluster" / f"{name}.cib.xml"
    return _cib.parse(path.read_text())


def no_agent(name: str) -> _agents.Agent | None:
    return None


def plan(root: ElementTree.Element, params: dict[str, Any], **options: Any) -> ElementTree.Element:
    return _plan.plan(root, _declaration.declaration(params), no_agent, **options)


def text(root: ElementTree.Element) -> list[str]:
    return _cib.lines(root, hidden=lambda _name: False)


@pytest.mark.parametrize("version", VERSIONS)
def test_plan_leaves_its_input_alone(version: str) -> None:
    root = cib(version)
    before = _cib.unparse(root)
    plan(root, {"properties": {"x": 1}, "resources": [{"id": "KaiwuDB", "state": "absent"}]})
    assert _cib.unparse(root) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_other_spellings_are_no_change(version: str) -> None:
    """What Pacemaker takes for the same is the same, under old and new names."""
    root = cib(version)
    params = {
        "properties": {"stonith-enabled": "yes", "no-quorum-policy": "stop"},
        "resource_defaults": {"failure-timeout": "900s", "resource-stickiness": "200"},
        "resources": [
            {
                **DRBD,
                "operations": [
                    {"name": "monitor", "interval": "19", "role": "Unpromoted", "timeout": "20"},
                    {"name": "monitor", "interval": "9000ms", "role": "Promoted"},
                    {"name": "start", "timeout": "4min"},
                ],
                "clone": {"id": "KaiwuData-clone", "meta": {"master-max": 1, "notify": "1"}},
            }
        ],
        "constraints": [
            {
                "id": "any-name",
                "type": "order",
                "first": "KaiwuData-clone",
                "first_action": "promote",
                "then": "KaiwuDBGrp",
                "then_action": "start",
            },
            {
                "id": "colocation-KaiwuDBGrp-with-KaiwuData-clone",
                "type": "colocation",
                "resource": "KaiwuDBGrp",
                "with": "KaiwuData-clone",
                "with_role": "Promoted",
                "score": 1000000,
            },
        ],
    }
    assert text(plan(root, params)) == text(root)


@pytest.mark.parametrize("version", VERSIONS)
def test_new_name_of_a_property_is_the_old_one(version: str) -> None:
    root = plan(cib(version), {"properties": {"fencing-timeout": "90s"}})
    again = plan(root, {"properties": {"stonith-timeout": "2min"}})
    found = _cib.section_values(again, "crm_config", "cluster_property_set")
    assert (found.get("fencing-timeout"), found.get("stonith-timeout")) == ("2min", None)


@pytest.mark.parametrize(("version", "word"), [("2.0.5", "Slave"), ("2.1.5", "Unpromoted")])
def test_roles_are_written_in_the_schemas_words(version: str, word: str) -> None:
    params = {
        "resources": [
            {
                "id": "S",
                "agent": "ocf:pacemaker:Stateful",
                "operations": [{"name": "monitor", "interval": "9s", "role": "Unpromoted"}],
            }
        ]
    }
    op = plan(cib(version), params).find(".//primitive[@id='S']/operations/op")
    assert op is not None
    assert op.attrib == {
        "id": "S-monitor-interval-9s",
        "name": "monitor",
        "interval": "9s",
        "role": word,
    }


def test_declared_monitors_are_all_monitors() -> None:
    """The role-less monitor of a pair made by hand goes when the two roles get theirs."""
    root = cib("2.1.5")
    operations = root.find(".//primitive[@id='KaiwuData']/operations")
    assert operations is not None
    for op in operations.findall("op[@name='monitor']"):
        operations.remove(op)
    one = {"id": "by-hand", "name": "monitor", "interval": "10s"}
    ElementTree.SubElement(operations, "op", one)
    monitors = [
        {"name": "monitor", "interval": "9s", "role": "Promoted"},
        {"name": "monitor", "interval": "19s", "role": "Unpromoted"},
    ]
    new = plan(root, {"resources": [{**DRBD, "operations": monitors}]})
    found = new.findall(".//primitive[@id='KaiwuData']/operations/op[@name='monitor']")
    assert [(op.get("role"), op.get("interval")) for op in found] == [
        ("Promoted", "9s"),
        ("Unpromoted", "19s"),
    ]
    others = new.findall(".//primitive[@id='KaiwuData']/operations/op")
    assert {op.get("name") for op in others} > {"start", "stop", "promote", "demote"}


def test_operation_keeps_its_id_when_its_interval_changes() -> None:
    monitors = [{"name": "monitor", "interval": "5s"}]
    new = plan(
        cib("3.0.0"),
        {"resources": [{"id": "KaiwuDB", "agent": "systemd:kaiwudb", "operations": monitors}]},
    )
    op = new.find(".//primitive[@id='KaiwuDB']/operations/op[@name='monitor']")
    assert op is not None
    assert (op.get("id"), op.get("interval"), op.get("timeout")) == (
        "KaiwuDB-monitor-interval-10s",
        "5s",
        "60s",
    )


def test_ids_are_never_taken_twice() -> None:
    root = cib("2.1.5")
    resources = root.find("configuration/resources")
    assert resources is not None
    ElementTree.SubElement(resources, "template", {"id": "N-instance_attributes"})
    declared = {"id": "N", "agent": "ocf:heartbeat:IPaddr2", "options": {"ip": "1", "a b": "2"}}
    new = plan(root, {"resources": [declared]})
    ids = [one.get("id") for one in new.iter() if one.get("id") and one.tag != "node_state"]
    configured = [one.get("id") for one in _cib.configuration(new).iter() if one.get("id")]
    assert len(configured) == len(set(configured))
    assert "N-instance_attributes-1" in ids
    assert "N-instance_attributes-1-a_b" in ids


def test_conditional_sets_are_not_ours() -> None:
    """A set of values that a rule makes conditional is left as it is."""
    root = cib("2.1.5")
    primitive = root.find(".//primitive[@id='ClusterIP']")
    assert primitive is not None
    night = ElementTree.fromstring(
        '<meta_attributes id="night"><rule id="r" score="1"><date_expression id="d" '
        'operation="date_spec"><date_spec id="s" hours="1-5"/></date_expression></rule>'
        '<nvpair id="n" name="resource-stickiness" value="0"/></meta_attributes>'
    )
    primitive.insert(0, night)
    declared = {
        "id": "ClusterIP",
        "agent": "ocf:heartbeat:IPaddr2",
        "meta": {"resource-stickiness": 5},
    }
    new = plan(root, {"resources": [declared]})
    sets = new.findall(".//primitive[@id='ClusterIP']/meta_attributes")
    assert ElementTree.tostring(sets[0]) == ElementTree.tostring(night)
    assert [pair.get("value") for pair in sets[1].findall("nvpair")] == ["5"]


def ping(*parts: str) -> ElementTree.Element:
    """A configuration with a location that somebody wrote with these parts."""
    root = cib("2.1.5")
    constraints = root.find("configuration/constraints")
    assert constraints is not None
    constraints.append(
        ElementTree.fromstring(
            f'<rsc_location id="ping" rsc="KaiwuDBGrp">{"".join(parts)}</rsc_location>'
        )
    )
    return root


def rule(number: int) -> str:
    return (
        f'<rule id="ping-r{number}" score="-INFINITY">'
        f'<expression id="ping-e{number}" attribute="pingd" operation="not_defined"/></rule>'
    )


PREFER = {
    "id": "ping",
    "type": "location",
    "resource": "KaiwuDBGrp",
    "node": "ha-node01",
    "score": 1,
}


def test_location_with_a_rule_becomes_one_with_a_node() -> None:
    """What is declared is the whole constraint; it keeps its element."""
    new = plan(ping(rule(1)), {"constraints": [PREFER]})
    found = _cib.constraint(new, "ping")
    assert found is not None
    assert dict(found.attrib) == {
        "id": "ping",
        "rsc": "KaiwuDBGrp",
        "node": "ha-node01",
        "score": "1",
    }
    assert len(found) == 0


LIFETIME = f'<lifetime id="l">{rule(3)}</lifetime>'


@pytest.mark.parametrize(
    ("parts", "message"),
    [((rule(1), rule(2)), "has several rules"), ((rule(1), LIFETIME), "has a lifetime")],
)
def test_location_that_cannot_be_declared_is_left_alone(parts: list[str], message: str) -> None:
    root = ping(*parts)
    assert text(plan(root, {"constraints": [{**PREFER, "id": "other"}]})) != text(root)
    assert "ping-r1" in "\n".join(text(plan(root, {"constraints": [{**PREFER, "id": "other"}]})))
    with pytest.raises(_declaration.DeclarationInvalid, match=message):
        plan(root, {"constraints": [PREFER]})


def test_actions_of_an_order_depend_on_each_other() -> None:
    """The second action is the first one unless it is written: a change of one may need both."""
    plain = {"id": "o", "type": "order", "first": "KaiwuData-clone", "then": "fence-ha-node01"}
    once = plan(cib("2.1.5"), {"constraints": [plain]})
    promote = {**plain, "first_action": "promote", "then_action": "start"}
    then = plan(once, {"constraints": [promote]})
    found = _cib.constraint(then, "o")
    assert found is not None
    assert (found.get("first-action"), found.get("then-action")) == ("promote", "start")
    assert text(plan(then, {"constraints": [promote]})) == text(then)


def test_old_master_element_is_a_promotable_clone() -> None:
    root = cib("2.0.5")
    clone = root.find(".//clone[@id='KaiwuData-clone']")
    assert clone is not None
    clone.tag = "master"
    meta = _cib.pairs(clone, "meta_attributes")
    holder = _cib.own_set(clone, "meta_attributes")
    assert holder is not None
    holder.remove(meta["promotable"])
    meta["promoted-max"].set("name", "master-max")
    declared = {**DRBD, "clone": {"id": "KaiwuData-clone", "meta": {}}}
    declared["clone"]["meta"] = {"promotable": True, "promoted-max": 1, "notify": True}
    assert text(plan(root, {"resources": [declared]})) == text(root)


@pytest.mark.parametrize("version", VERSIONS)
def test_removal_reaches_every_reference(version: str) -> None:
    root = cib(version)
    configuration = _cib.configuration(root)
    configuration.append(
        ElementTree.fromstring(
            '<tags><tag id="t"><obj_ref id="ClusterIP"/><obj_ref id="KaiwuDB"/></tag></tags>'
        )
    )
    configuration.append(
        ElementTree.fromstring(
            '<fencing-topology><fencing-level id="l1" target="ha-node01" index="1" '
            'devices="fence-ha-node01"/><fencing-level id="l2" target="ha-node02" index="1" '
            'devices="fence-ha-node01,fence-ha-node02"/></fencing-topology>'
        )
    )
    constraints = configuration.find("constraints")
    assert constraints is not None
    constraints.append(
        ElementTree.fromstring(
            '<rsc_order id="sets"><resource_set id="s1"><resource_ref id="ClusterIP"/>'
            '</resource_set><resource_set id="s2"><resource_ref id="KaiwuDB"/></resource_set>'
            "</rsc_order>"
        )
    )
    gone = [{"id": one, "state": "absent"} for one in ("ClusterIP", "fence-ha-node01")]
    new = plan(root, {"resources": gone})
    left = "\n".join(text(new))
    assert "ClusterIP" not in left
    assert 'id="s2"' in left
    assert 'id="s1"' not in left
    assert 'devices="fence-ha-node02"' in left
    assert 'id="l1"' not in left
    assert "location-fence-ha-node01" not in left


def test_lenient_takes_what_is_not_there_yet() -> None:
    """In check mode on a bare host the resources of earlier tasks are not there."""
    params = {
        "resources": [
            {"id": "A", "agent": "systemd:a", "group": {"id": "G", "after": "Missing"}},
        ],
        "constraints": [{"id": "c", "type": "order", "first": "Missing", "then": "G"}],
    }
    with pytest.raises(_declaration.ReferenceMissing):
        plan(cib("2.1.5", "empty"), params)
    assert plan(cib("2.1.5", "empty"), params, lenient=True).find(".//rsc_order") is not None


# --- laws ---------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "timeout", "x-delay"])
scalars = st.one_of(
    st.booleans(),
    st.integers(0, 100),
    st.sampled_from(["INFINITY", "5s", "5000ms", "yes", "", "ü$<&\"'", "%n \\ x"]),
)
values = st.dictionaries(names, st.one_of(st.none(), scalars), max_size=3)
roles = st.sampled_from([None, "Promoted", "Unpromoted"])


@st.composite
def operations(draw: st.DrawFn) -> list[dict[str, Any]]:
    found, keys = [], set()
    for number in range(draw(st.integers(0, 3))):
        role, depth = draw(roles), draw(st.sampled_from([None, 10, 20]))
        if (role, depth) in keys:
            continue
        keys.add((role, depth))
        interval = f"{draw(st.integers(1, 3)) * 10 + number}s"
        found.append({"name": "monitor", "interval": interval, "role": role, "depth": depth})
    if draw(st.booleans()):
        found.append({"name": "start", "timeout": draw(st.sampled_from(["60s", "1min", "2min"]))})
    return found


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    resources: list[dict[str, Any]] = []
    for identity in ("r1", "r2", "r3"):
        if draw(st.booleans()):
            place = draw(st.sampled_from([None, "g1", "g2"]))
            resources.append(
                {
                    "id": identity,
                    "agent": "ocf:heartbeat:Dummy",
                    "options": draw(values),
                    "meta": draw(values),
                    "operations": draw(operations()),
                    "group": {"id": place} if place else None,
                }
            )
    constraints: list[dict[str, Any]] = []
    present = [one["id"] for one in resources]
    if len(present) > 1 and draw(st.booleans()):
        constraints.append(
            {
                "id": "order",
                "type": "order",
                "first": present[0],
                "then": present[1],
                "first_action": draw(st.sampled_from([None, "start", "promote"])),
                "then_action": draw(st.sampled_from([None, "start", "promote"])),
                "kind": draw(st.sampled_from([None, "Mandatory", "Optional"])),
                "symmetrical": draw(st.sampled_from([None, True, False])),
            }
        )
        constraints.append(
            {
                "id": "together",
                "type": "colocation",
                "resource": present[0],
                "with": present[1],
                "with_role": draw(roles),
                "score": draw(st.sampled_from([None, "INFINITY", 5, "-INFINITY"])),
            }
        )
    return {
        "properties": draw(values),
        "resource_defaults": draw(values),
        "resources": resources,
        "constraints": constraints,
    }


@settings(max_examples=300, deadline=None)
@given(first=declarations(), second=declarations())
def test_laws(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Twice is once; what is declared last holds; what is not declared stays; ids are unique."""
    root = cib("2.1.5")
    once = plan(root, first)
    assert text(plan(once, first)) == text(once)
    then = plan(once, second)
    assert text(plan(then, second)) == text(then)
    ids = [one.get("id") for one in _cib.configuration(then).iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    for one in _cib.configuration(root).iter():
        if one.tag in (*_cib.RESOURCES, *_cib.CONSTRAINTS):
            kept = _cib.by_id(then, one.get("id", ""))
            assert kept is not None
            assert ElementTree.tostring(kept) == ElementTree.tostring(one)


@settings(max_examples=100, deadline=None)
@given(declared=declarations())
def test_order_of_a_declaration_says_nothing(declared: dict[str, Any]) -> None:
    """Options, operations and constraints in another order are no change."""
    once = plan(cib("3.0.0"), declared)
    turned = copy.deepcopy(declared)
    turned["constraints"].reverse()
    for one in turned["resources"]:
        one["operations"].reverse()
        one["options"] = dict(reversed(list(one["options"].items())))
    assert text(plan(once, turned)) == text(once)
