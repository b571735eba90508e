# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Alerts and their recipients: declared, read, brought there in place. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _nvpairs,
    _schema,
    _shape,
    _tree,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

EVENTS = ("nodes", "fencing", "resources", "attributes")
# What an alert without a selection is told.
_USUAL = frozenset(("nodes", "fencing", "resources"))
_SETS = (("options", "instance_attributes"), ("meta", "meta_attributes"))


@dataclass(frozen=True)
class Recipient:
    """One that an alert is sent to; an id that is empty is made up."""

    value: str
    id: str = ""
    description: str | None = None
    options: Values = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    meta: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """An alert; what is None is not declared."""

    id: str
    path: str = ""
    description: str | None = None
    options: Values = field(default_factory=dict)
    own_secrets: frozenset[str] = frozenset()
    meta: Values = field(default_factory=dict)
    select: Shape | None = None
    recipients: tuple[Recipient, ...] | None = None
    present: bool = True

    @property
    def secrets(self) -> frozenset[str]:
        """Names of all the options that nobody may read."""
        return self.own_secrets.union(*(one.secrets for one in self.recipients or ()))


def wanted_alert(given: Mapping[str, Any], where: str) -> Alert:
    """An alert from the options of a task."""
    if given.get("state") == "absent":
        return Alert(given["id"], present=False)
    check_name(given["id"], where)
    if not given.get("path"):
        raise DeclarationInvalid(f"{where}.path: the program that the alert runs is needed")
    options, secrets = _nvpairs.wanted_options(given, where)
    recipients = given.get("recipients")
    return Alert(
        given["id"],
        str(given["path"]),
        given.get("description"),
        options,
        secrets,
        _nvpairs.wanted_values(given.get("meta")),
        _wanted_select(given, where),
        None if recipients is None else _wanted_recipients(recipients, f"{where}.recipients"),
    )


def _wanted_select(given: Mapping[str, Any], where: str) -> Shape | None:
    kinds, names = given.get("select"), given.get("select_attributes")
    if names and "attributes" not in (kinds or ()):
        raise DeclarationInvalid(f"{where}.select_attributes: select must name attributes, too")
    if kinds is None:
        return None
    for number, one in enumerate(kinds):
        if one not in EVENTS:
            raise DeclarationInvalid(f"{where}.select[{number}]: one of {', '.join(EVENTS)}")
    found = [Shape(f"select_{one}") for one in EVENTS if one in kinds and one != "attributes"]
    if "attributes" in kinds:
        inner = tuple(Shape("attribute", {"name": str(one)}) for one in dict.fromkeys(names or ()))
        found.append(Shape("select_attributes", {}, inner))
    return Shape("select", {}, tuple(found))


def _wanted_recipients(given: Sequence[Mapping[str, Any]], where: str) -> tuple[Recipient, ...]:
    found: list[Recipient] = []
    for number, one in enumerate(given):
        here = f"{where}[{number}]"
        if one.get("id"):
            check_name(one["id"], here)
        if not one.get("value"):
            raise DeclarationInvalid(f"{here}.value: whom the alert is sent to is needed")
        options, secrets = _nvpairs.wanted_options(one, here)
        meta = _nvpairs.wanted_values(one.get("meta"))
        value, identity = str(one["value"]), one.get("id") or ""
        for other in found:
            if value == other.value or (identity and identity == other.id):
                raise DeclarationInvalid(f"{here}: {identity or value} is declared twice")
        found.append(Recipient(value, identity, one.get("description"), options, secrets, meta))
    return tuple(found)


# --- back ---------------------------------------------------------------------------------------


def declared_alert(element: Element) -> dict[str, Any]:
    """An alert as it would be declared, without what is secret; secrets_of names that."""
    found = {"id": element.get("id", ""), "path": element.get("path", "")}
    return _back(wanted_alert, {**found, **_declared_parts(element), **_declared_select(element)})


def _declared_parts(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if element.get("description"):
        found["description"] = element.get("description")
    for name, tag in _SETS:
        values = _nvpairs.declared_values(element, tag, frozenset())
        if values:
            found[name] = values
    recipients = [
        {"id": one.get("id", ""), "value": one.get("value", ""), **_declared_parts(one)}
        for one in element.findall("recipient")
    ]
    return {**found, "recipients": recipients} if recipients else found


def _declared_select(element: Element) -> dict[str, Any]:
    kinds, names = _selection(element.find("select"))
    if kinds == _USUAL:
        return {}
    found: dict[str, Any] = {"select": [one for one in EVENTS if one in kinds]}
    return {**found, "select_attributes": names} if names else found


def _back(wanted: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The promise of an export: what it says can be declared."""
    try:
        wanted(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    return found


def secrets_of(element: Element) -> list[str]:
    """What declared_alert leaves out because nobody may read it."""
    found = [f"options.{name}" for name in _nvpairs.secret_names(element)]
    for one in element.findall("recipient"):
        names = _nvpairs.secret_names(one)
        found += [f"recipients.{one.get('id')}.options.{name}" for name in names]
    return found


def _selection(tree: _shape.Tree | None) -> tuple[frozenset[str], list[str]]:
    """What an alert is told: kinds of events, and the attributes if not all."""
    if tree is None:
        return _USUAL, []
    children = list(tree) if isinstance(tree, Element) else list(tree.children)
    kinds = frozenset(one.tag.replace("select_", "") for one in children)
    names: list[str] = []
    for one in children:
        inner = list(one) if isinstance(one, Element) else list(one.children)
        names += [_shape.attributes_of(leaf).get("name", "") for leaf in inner]
    return kinds or _USUAL, sorted(names)


# --- edits --------------------------------------------------------------------------------------


def _found(root: Element, identity: str) -> Element | None:
    found = _cib.by_id(root, identity)
    if found is not None and found.tag != "alert":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of an alert")
    return found


def remove(root: Element, gone: Alert) -> None:
    """Take an alert away with its recipients."""
    found = _found(root, gone.id)
    if found is not None:
        _tree.drop(_cib.parent_of(root, found), found)


def bring(root: Element, wanted: Alert) -> None:
    """Bring one alert to what is declared."""
    found = _found(root, wanted.id)
    if found is None:
        holder = _cib.section(root, "alerts")
        found = _tree.add(holder, "alert", {"id": wanted.id, "path": wanted.path})
    _nvpairs.bring_text(found, "path", wanted.path)
    _bring_parts(root, found, wanted)
    if wanted.select is not None:
        _select(root, found, wanted.select, wanted.id)
    if wanted.recipients is not None:
        _recipients(root, found, wanted.recipients)


def _bring_parts(root: Element, found: Element, wanted: Alert | Recipient) -> None:
    _nvpairs.bring_text(found, "description", wanted.description)
    _nvpairs.bring(root, found, "instance_attributes", wanted.options)
    _nvpairs.bring(root, found, "meta_attributes", wanted.meta)


def _select(root: Element, found: Element, wanted: Shape, where: str) -> None:
    there = found.find("select")
    if _selection(there) == _selection(wanted):
        return
    if there is not None and (_selection(wanted)[0] == _USUAL or not len(there)):
        _tree.drop(found, there)
        there = None
    if _selection(wanted)[0] == _USUAL:
        return
    shape = _schema.fit(root, wanted, f"alerts.{where}.select")
    if there is None:
        _shape.build(root, found, shape)
    else:
        _shape.bring(root, there, shape)


def _recipients(root: Element, alert: Element, wanted: Sequence[Recipient]) -> None:
    """The declared recipients are all there should be; each keeps its element."""
    left = alert.findall("recipient")
    there: dict[int, Element] = {}
    for name in ("id", "value"):
        for number, one in enumerate(wanted):
            text = getattr(one, name)
            same = [element for element in left if text and element.get(name) == text]
            if number not in there and same:
                there[number] = same[0]
                left.remove(same[0])
    for number, one in enumerate(wanted):
        found = there.get(number)
        if found is None:
            found = _new_recipient(root, alert, one)
        _nvpairs.bring_text(found, "value", one.value)
        _bring_parts(root, found, one)
    for element in left:
        _tree.drop(alert, element)


def _new_recipient(root: Element, alert: Element, wanted: Recipient) -> Element:
    if wanted.id and _cib.by_id(root, wanted.id) is not None:
        raise DeclarationInvalid(
            f"alerts.{alert.get('id')}: {wanted.id} is already the id of something else"
        )
    identity = wanted.id or _cib.free_id(root, f"{alert.get('id')}-recipient")
    return _tree.add(alert, "recipient", {"id": identity, "value": wanted.value})
