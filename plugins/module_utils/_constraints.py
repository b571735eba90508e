# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Constraints: a declaration to a Shape, an element to a declaration. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _shape, _values
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape


@dataclass(frozen=True)
class Constraint:
    """One constraint as it should be."""

    id: str
    tag: str
    present: bool = True
    shape: Shape | None = None

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes of its element, by their names in the CIB."""
        return {} if self.shape is None else self.shape.attributes


# Per type of constraint, with the attribute of the CIB that holds each option: the element, what
# names the resources of a plain one, what else a plain one may have, what one with sets may have.
_PLAIN_LOCATION = {
    "resource": "rsc",
    "resource_pattern": "rsc-pattern",
    "node": "node",
    "score": "score",
    "score_attribute": "score-attribute",
    "role": "role",
    "discovery": "resource-discovery",
}
_TYPES: Mapping[str, tuple[str, dict[str, str], dict[str, str], dict[str, str]]] = {
    "location": ("rsc_location", {}, _PLAIN_LOCATION, {}),
    "colocation": (
        "rsc_colocation",
        {"resource": "rsc", "with": "with-rsc"},
        {
            "role": "rsc-role",
            "with_role": "with-rsc-role",
            "node_attribute": "node-attribute",
            "score": "score",
            "influence": "influence",
        },
        {"score": "score", "influence": "influence"},
    ),
    "order": (
        "rsc_order",
        {"first": "first", "then": "then"},
        {
            "first_action": "first-action",
            "then_action": "then-action",
            "kind": "kind",
            "symmetrical": "symmetrical",
            "require_all": "require-all",
        },
        {"kind": "kind", "symmetrical": "symmetrical"},
    ),
    "ticket": (
        "rsc_ticket",
        {"resource": "rsc"},
        {"ticket": "ticket", "role": "rsc-role", "loss_policy": "loss-policy"},
        {"ticket": "ticket", "loss_policy": "loss-policy"},
    ),
}
_TYPE_OF = {tag: kind for kind, (tag, *_options) in _TYPES.items()}
# Per type, what a set may say beside its resources.
_IN_SETS = {
    "location": (),
    "colocation": ("sequential", "require_all", "role"),
    "order": ("sequential", "require_all", "action", "role"),
    "ticket": ("role",),
}
_BOOLEANS = ("symmetrical", "require_all", "influence", "sequential")
# How a declaration is told which type it is, and nothing else.
_ABOUT = ("id", "type", "state", "rule", "sets")


def wanted_constraint(given: Mapping[str, Any], where: str) -> Constraint:
    """A constraint from the options of a task."""
    identity, kind = given["id"], given.get("type") or ""
    if given.get("state") == "absent":
        return Constraint(identity, "", present=False)
    if _cib.is_runtime_constraint(identity):
        raise DeclarationInvalid(
            f"{where}.id: {identity} is a name that operators' commands and DRBD use for theirs"
        )
    check_name(identity, where)
    if kind not in _TYPES:
        raise DeclarationInvalid(f"{where}.type: one of {', '.join(_TYPES)} is needed")
    tag = _TYPES[kind][0]
    said = {name: value for name, value in given.items() if value is not None}
    children: tuple[Shape, ...] = ()
    if "sets" in said:
        children = _sets(said["sets"], kind, f"{where}.sets")
    attributes = _attributes(said, kind, where)
    if tag == "rsc_location":
        return Constraint(identity, tag, shape=_location(said, attributes, where))
    if "rule" in said:
        raise DeclarationInvalid(f"{where}.rule: a {kind} constraint has no rule")
    if tag == "rsc_colocation":
        attributes.setdefault("score", "INFINITY")
    if tag == "rsc_ticket" and "ticket" not in attributes:
        raise DeclarationInvalid(f"{where}.ticket: a ticket constraint needs the ticket's name")
    return Constraint(identity, tag, shape=Shape(tag, attributes, children))


def _attributes(said: Mapping[str, Any], kind: str, where: str) -> dict[str, str]:
    _tag, needed, plain, of_sets = _TYPES[kind]
    with_sets = "sets" in said
    allowed = of_sets if with_sets else {**needed, **plain}
    for name in needed:
        if name not in said and not with_sets:
            sets = "" if kind == "location" else ", or sets"
            raise DeclarationInvalid(f"{where}.{name}: a {kind} constraint needs it{sets}")
    found = {}
    for name, value in said.items():
        if name in _ABOUT:
            continue
        if name not in allowed:
            beside = " beside sets" if with_sets and name in {**needed, **plain} else ""
            raise DeclarationInvalid(
                f"{where}.{name}: a {kind} constraint has no such option{beside}"
            )
        found[allowed[name]] = _text(name, value, f"{where}.{name}")
    if found.get("kind") == "Serialize" and found.get("symmetrical") == "true":
        raise DeclarationInvalid(
            f"{where}.symmetrical: an order of the kind Serialize has no reverse; leave it out"
        )
    return found


def _text(name: str, value: Any, where: str) -> str:
    text = _values.text(value)
    if name == "score" and _values.score(text) is None:
        raise DeclarationInvalid(f"{where}: {text!r} is neither a number nor INFINITY")
    if name in _BOOLEANS:
        if _values.boolean(text) is None:
            raise DeclarationInvalid(f"{where}: {text!r} is neither true nor false")
        return _values.text(_values.boolean(text))
    if not text:
        raise DeclarationInvalid(f"{where}: it is empty; leave it out or give it a value")
    return text


def _location(said: Mapping[str, Any], found: dict[str, str], where: str) -> Shape:
    _either(said, ("resource", "resource_pattern"), where)
    _either(said, ("node", "rule"), where)
    if "node" in said:
        if "score_attribute" in said:
            raise DeclarationInvalid(f"{where}.score_attribute: it goes with a rule, not a node")
        if "score" not in said:
            raise DeclarationInvalid(f"{where}.score: a location constraint needs it")
        return Shape("rsc_location", found)
    _either(said, ("score", "score_attribute"), where)
    from ansible_collections.kwdb.ha.plugins.module_utils import _rules

    rule = _rules.wanted_rule(said["rule"], f"{where}.rule")
    # Beside a rule, Pacemaker reads these there and nowhere else.
    names: Sequence[str] = ("score", "score-attribute", "role")
    moved = {name: found.pop(name) for name in names if name in found}
    rule = dataclasses.replace(rule, attributes={**rule.attributes, **moved})
    return Shape("rsc_location", found, (rule,))


def _either(said: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    there = [name for name in names if name in said]
    if len(there) != 1:
        what = "is needed" if not there else "is possible"
        raise DeclarationInvalid(f"{where}: one of {' and '.join(names)} {what}")


def _sets(given: Any, kind: str, where: str) -> tuple[Shape, ...]:
    if kind == "location":
        raise DeclarationInvalid(f"{where}: a location constraint has none; write one for each")
    if not isinstance(given, (list, tuple)) or not given:
        raise DeclarationInvalid(f"{where}: one set or more is needed")
    return tuple(_set(one, kind, f"{where}[{number}]") for number, one in enumerate(given))


def _set(given: Any, kind: str, where: str) -> Shape:
    if not isinstance(given, Mapping) or not given.get("resources"):
        raise DeclarationInvalid(f"{where}.resources: a set needs one resource or more")
    members = [str(one) for one in given["resources"]]
    for number, one in enumerate(members):
        if one in members[:number]:
            raise DeclarationInvalid(f"{where}.resources[{number}]: {one} is in the set twice")
    found = {}
    for name, value in given.items():
        if name == "resources" or value is None:
            continue
        if name not in _IN_SETS[kind]:
            raise DeclarationInvalid(f"{where}.{name}: a set of a {kind} constraint has none")
        found[name.replace("_", "-")] = _text(name, value, f"{where}.{name}")
    return Shape(
        "resource_set", found, tuple(Shape("resource_ref", {"id": one}) for one in members)
    )


# --- back ---------------------------------------------------------------------------------------


def complicated(element: Element) -> str:
    """What a constraint has that no declaration can say; empty when there is nothing."""
    tags = [one.tag for one in element]
    if tags.count("rule") > 1:
        return "several rules"
    if "lifetime" in tags:
        return "a lifetime"
    if element.tag == "rsc_location" and "resource_set" in tags:
        return "sets in a location"
    if any(one.get("id-ref") is not None for one in element.iter()):
        return "a reference to another's rule or set"
    return ""


def declared_constraint(element: Element) -> dict[str, Any]:
    """A constraint as it would be declared, defaults left out; NotDeclarable when it cannot be."""
    why = complicated(element)
    if why or element.tag not in _TYPE_OF:
        raise NotDeclarable(why or f"a <{element.tag}>")
    kind = _TYPE_OF[element.tag]
    found: dict[str, Any] = {"id": element.get("id", ""), "type": kind}
    sets = element.findall("resource_set")
    rule = element.find("rule")
    _tag, needed, plain, of_sets = _TYPES[kind]
    names = of_sets if sets else {**needed, **plain}
    said: dict[str, Any] = {name: element.get(attribute) for name, attribute in names.items()}
    if rule is not None:
        from ansible_collections.kwdb.ha.plugins.module_utils import _rules

        said.update(role=rule.get("role"), score=rule.get("score"))
        said.update(score_attribute=rule.get("score-attribute"))
        said["rule"] = _rules.declared_rule(rule)
    found.update(_short(said, element))
    if sets:
        found["sets"] = [_declared_set(one, kind) for one in sets]
    _check_back(found, element)
    return found


def _short(said: Mapping[str, Any], element: Element) -> dict[str, Any]:
    """What is said beside the defaults, in the types of a declaration."""
    found: dict[str, Any] = {}
    defaults = {"kind": "Mandatory", "symmetrical": True, "require_all": True, "sequential": True}
    defaults.update(discovery="always", node_attribute="#uname", role="Started")
    defaults.update(with_role="Started", first_action="start")
    if element.tag == "rsc_colocation":
        defaults["score"] = "INFINITY"
        said = {**said, "score": said.get("score") or "0"}
    if element.tag == "rsc_order":
        effective = _shape.attributes_of(element)
        said = {**said, "kind": effective["kind"], "symmetrical": effective["symmetrical"]}
        defaults["symmetrical"] = effective["kind"] != "Serialize"
        defaults["then_action"] = effective["first-action"]
    for name, text in said.items():
        if text is None:
            continue
        value = _typed(name, text)
        if defaults.get(name) != value:
            found[name] = value
    return found


def _typed(name: str, value: Any) -> Any:
    if name in _BOOLEANS:
        return _values.boolean(value)
    return _values.role(value) if name in ("role", "with_role") else value


def _declared_set(one: Element, kind: str) -> dict[str, Any]:
    said = {name: one.get(name.replace("_", "-")) for name in _IN_SETS[kind]}
    return {"resources": [member.get("id", "") for member in one], **_short(said, one)}


def _check_back(found: Mapping[str, Any], element: Element) -> None:
    """The promise of an export: declaring what it says changes nothing."""
    try:
        wanted = wanted_constraint(found, "it").shape
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    if wanted is None or _shape.meaning(wanted) != _shape.meaning(element):
        raise NotDeclarable("attributes that a declaration does not have")


def subject(tree: _shape.Tree) -> tuple[Any, ...]:
    """What a constraint is about, whatever it is called and however strong it is."""
    full = _shape.attributes_of(tree)
    names = {
        "rsc_location": ("rsc", "rsc-pattern", "node", "role"),
        "rsc_colocation": ("rsc", "with-rsc", "rsc-role", "with-rsc-role", "node-attribute"),
        "rsc_order": ("first", "first-action", "then", "then-action"),
        "rsc_ticket": ("ticket", "rsc", "rsc-role"),
    }[tree.tag]
    children = tuple(tree) if isinstance(tree, Element) else tree.children
    inner = []
    for one in children:
        # The rule of a location as if it were inside another: without its score.
        within = "rule" if one.tag == "rule" else tree.tag
        role = _shape.attributes_of(one, tree.tag).get("role", "Started")
        inner.append((role, _shape.meaning(one, within)))
    if tree.tag == "rsc_ticket":
        inner.sort(key=repr)
    return (tree.tag, *(full.get(name, "") for name in names), repr(inner))
