# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Sets of defaults that a rule makes conditional: declared, read, brought there in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _rules,
    _schema,
    _shape,
    _tree,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

_KINDS = {
    "resource_default_sets": _rules.RESOURCES,
    "operation_default_sets": _rules.OPERATIONS,
}
_PLAIN = {"rsc_defaults": "resource_defaults", "op_defaults": "operation_defaults"}


@dataclass(frozen=True)
class DefaultSet:
    """One set of defaults beside the plain one."""

    id: str
    present: bool = True
    score: str = ""
    rule: Shape | None = None
    values: Mapping[str, str | None] = field(default_factory=dict)


def wanted_default_sets(params: Mapping[str, Any], name: str) -> tuple[DefaultSet, ...]:
    """The sets that an option of a task declares."""
    given = params.get(name) or []
    return tuple(
        wanted_default_set(one, f"{name}[{number}]", _KINDS[name])
        for number, one in enumerate(given)
    )


def wanted_default_set(given: Mapping[str, Any], where: str, kind: str) -> DefaultSet:
    """A set of defaults from the options of a task; kind says which rules it may have."""
    if given.get("state") == "absent":
        return DefaultSet(given["id"], present=False)
    check_name(given["id"], where)
    score = "" if given.get("score") is None else _values.text(given["score"])
    if score and _values.score(score) is None:
        raise DeclarationInvalid(f"{where}.score: {score!r} is neither a number nor INFINITY")
    rule = given.get("rule")
    return DefaultSet(
        given["id"],
        score=score,
        rule=None if rule is None else _rules.wanted_rule(rule, f"{where}.rule", kind),
        values={
            str(name): None if value is None else _values.text(value)
            for name, value in (given.get("values") or {}).items()
        },
    )


def declared_default_set(element: Element, kind: str = _rules.OPERATIONS) -> dict[str, Any]:
    """A set of defaults as it would be declared; NotDeclarable when it cannot be."""
    if any(one.get("id-ref") is not None for one in element.iter()):
        raise NotDeclarable("a reference to another's set, rule or value")
    found: dict[str, Any] = {"id": element.get("id", "")}
    if _score(element.get("score", "")):
        found["score"] = element.get("score")
    rule = element.find("rule")
    if rule is not None:
        found["rule"] = _rules.declared_rule(rule)
    pairs = element.findall("nvpair")
    found["values"] = {one.get("name", ""): one.get("value", "") for one in pairs}
    _check_back(found, element, kind)
    return found


def _check_back(found: Mapping[str, Any], element: Element, kind: str) -> None:
    """The promise of an export: declaring what it says changes nothing."""
    try:
        wanted = wanted_default_set(found, "it", kind)
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    rule = element.find("rule")
    if wanted.rule is None or rule is None:
        return
    if _shape.meaning(wanted.rule, element.tag) != _shape.meaning(rule, element.tag):
        raise NotDeclarable("a rule with attributes that a declaration does not have")


def _score(text: str) -> int:
    return _values.score(text or "0") or 0


# --- change -------------------------------------------------------------------------------------


def default_sets(root: Element, section: str, wanted: Sequence[DefaultSet]) -> None:
    """Bring the declared sets of a section to what is declared."""
    if not wanted:
        return
    holder = _cib.section(root, section)
    names = {one.id for one in wanted}
    for one in wanted:
        found = _found(root, holder, one, names)
        if one.present:
            _bring(root, holder, found, one)
        elif found is not None:
            _tree.drop(holder, found)


def _found(root: Element, holder: Element, wanted: DefaultSet, names: set[str]) -> Element | None:
    found = _cib.by_id(root, wanted.id)
    if found is not None:
        if found.tag != "meta_attributes" or _cib.parent_of(root, found) is not holder:
            raise DeclarationInvalid(
                f"{wanted.id} is the id of a <{found.tag}>, not of a set in {holder.tag}"
            )
        return found
    if wanted.rule is None:
        return None
    # One under another name that holds whenever this one does; a second one would contradict it.
    about = _shape.meaning(wanted.rule, "meta_attributes")
    for one in holder.findall("meta_attributes"):
        rule = one.find("rule")
        if one.get("id") in names or rule is None:
            continue
        if _shape.meaning(rule, "meta_attributes") == about:
            return one
    return None


def _bring(root: Element, holder: Element, found: Element | None, wanted: DefaultSet) -> None:
    if found is None:
        found = _tree.add(holder, "meta_attributes", {"id": wanted.id})
    elif any(one.get("id-ref") is not None for one in found.iter()):
        raise DeclarationInvalid(
            f"the set {wanted.id} refers to another's set, rule or value, which this declaration"
            " would lose; remove it first (state: absent) or choose another id"
        )
    if _score(found.get("score", "")) != _score(wanted.score):
        found.set("score", wanted.score or "0")
    _bring_rule(root, found, wanted)
    for name, value in wanted.values.items():
        _bring_value(root, found, name, value)
    if _cib.own_set(holder, "meta_attributes") is found:
        raise DeclarationInvalid(
            f"{wanted.id}: without a rule, this is the first set of {holder.tag};"
            f" declare its values as {_PLAIN[holder.tag]}, or give it a rule"
        )


def _bring_rule(root: Element, found: Element, wanted: DefaultSet) -> None:
    rule = found.find("rule")
    if wanted.rule is None:
        if rule is not None:
            _tree.drop(found, rule)
        return
    shape = _schema.fit(root, wanted.rule, wanted.id, found.tag)
    if rule is not None:
        _shape.bring(root, rule, shape, found.tag)
        return
    rule = _shape.build(root, found, shape)
    # Pacemaker's own tools write the rule before the values.
    found.remove(rule)
    found.insert(0, rule)


def _bring_value(root: Element, found: Element, name: str, value: str | None) -> None:
    there = next((one for one in found.findall("nvpair") if one.get("name") == name), None)
    if value is None:
        if there is not None:
            _tree.drop(found, there)
    elif there is None:
        identity = _cib.free_id(root, f"{found.get('id')}-{name}")
        _tree.add(found, "nvpair", {"id": identity, "name": name, "value": value})
    elif not _values.same(name, there.get("value", ""), value):
        there.set("value", value)
