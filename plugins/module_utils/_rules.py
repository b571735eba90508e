# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Rules: when and where something holds. A declaration to a Shape, an element to a declaration."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _values
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
)
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

# What a rule decides about; Pacemaker takes a leaf that does not belong there for false.
LOCATION, RESOURCES, OPERATIONS = "location", "resources", "operations"

_COMPARING = ("eq", "ne", "lt", "gt", "lte", "gte")
_DEFINED = ("defined", "not_defined")
_TYPES = ("string", "integer", "number", "version")
_SOURCES = ("literal", "param", "meta")
# Per operation on dates: the options it needs and those it may have besides.
_DATES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gt": (("start",), ()),
    "lt": (("end",), ()),
    "in_range": ((), ("start", "end", "duration")),
    "date_spec": (("spec",), ()),
}
_DURATION = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
_SPEC = (
    *("years", "months", "monthdays", "yeardays", "weekyears", "weeks", "weekdays"),
    *("hours", "minutes", "seconds", "moon"),
)
_MOMENT = re.compile(r"\d{4}[-\dTWZ:.+ ]*")
_LITERAL = ("value_source", "literal")
_INNER = {"date_spec": "spec", "duration": "duration"}
_WORDS = {"all": "and", "any": "or"}


def wanted_rule(given: Any, where: str, kind: str = LOCATION) -> Shape:
    """A rule from a declaration; kind says what it decides about."""
    if isinstance(given, Mapping) and given and not set(given) & set(_WORDS):
        return Shape("rule", {"boolean-op": "and"}, (_leaf(given, where, kind),))
    return _branch(given, where, kind)


def _branch(given: Any, where: str, kind: str) -> Shape:
    word, parts = _only(given, where)
    children = []
    for number, one in enumerate(parts):
        place = f"{where}.{word}[{number}]"
        nested = isinstance(one, Mapping) and set(one) & set(_WORDS)
        children.append(_branch(one, place, kind) if nested else _leaf(one, place, kind))
    return Shape("rule", {"boolean-op": _WORDS[word]}, tuple(children))


def _only(given: Any, where: str) -> tuple[str, Sequence[Any]]:
    if not isinstance(given, Mapping) or len(given) != 1 or not set(given) <= set(_WORDS):
        raise DeclarationInvalid(
            f"{where}: a rule is {{all: [...]}}, {{any: [...]}} or one condition, and nothing beside"
        )
    word = next(iter(given))
    parts = given[word]
    if not isinstance(parts, (list, tuple)) or not parts:
        raise DeclarationInvalid(f"{where}.{word}: a list of one or more conditions is needed")
    return word, parts


def _leaf(given: Any, where: str, kind: str) -> Shape:
    if isinstance(given, Mapping):
        for name, wanted in _LEAVES.items():
            if name in given:
                return wanted({str(k): v for k, v in given.items() if v is not None}, where, kind)
    raise DeclarationInvalid(
        f"{where}: a condition has one of {', '.join(_LEAVES)}; or all or any with a list of them"
    )


def _checked(given: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    for name in given:
        if name not in allowed:
            raise DeclarationInvalid(
                f"{where}.{name}: there is no such option here; possible are {', '.join(allowed)}"
            )


def _one_of(value: Any, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise DeclarationInvalid(f"{where}: {value!r} is none of {', '.join(allowed)}")
    return str(value)


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    value = given.get(name)
    if value is None or isinstance(value, (Mapping, list, tuple)) or _values.text(value) == "":
        raise DeclarationInvalid(f"{where}.{name}: a value is needed")
    return _values.text(value)


def _expression(given: Mapping[str, Any], where: str, kind: str) -> Shape:
    _checked(given, ("attribute", "is", "value", "type", "value_source"), where)
    operation = _one_of(given.get("is"), (*_COMPARING, *_DEFINED), f"{where}.is")
    found = {"attribute": _text(given, "attribute", where), "operation": operation}
    if operation in _DEFINED:
        for name in ("value", "type", "value_source"):
            if name in given:
                raise DeclarationInvalid(f"{where}.{name}: {operation} compares with nothing")
        return Shape("expression", found)
    if isinstance(given.get("value"), (Mapping, list, tuple)) or "value" not in given:
        raise DeclarationInvalid(f"{where}.value: {operation} needs a value to compare with")
    found["value"] = _values.text(given["value"])
    if "type" in given:
        found["type"] = _one_of(given["type"], _TYPES, f"{where}.type")
    if "value_source" in given:
        source = _one_of(given["value_source"], _SOURCES, f"{where}.value_source")
        if source != "literal" and kind != LOCATION:
            raise DeclarationInvalid(
                f"{where}.value_source: only the rule of a location can look at a {source}"
            )
        found["value-source"] = source
    return Shape("expression", found)


def _date(given: Mapping[str, Any], where: str, kind: str) -> Shape:
    operation = _one_of(given.get("date"), tuple(_DATES), f"{where}.date")
    needed, allowed = _DATES[operation]
    _checked(given, ("date", *needed, *allowed), where)
    for name in needed:
        if name not in given:
            raise DeclarationInvalid(f"{where}.{name}: the date {operation} needs it")
    if operation == "in_range":
        _check_range(given, where)
    found = {"operation": operation}
    for name in ("start", "end"):
        if name in given:
            found[name] = _text(given, name, where)
            if not _MOMENT.fullmatch(found[name]):
                raise DeclarationInvalid(
                    f"{where}.{name}: {found[name]!r} is no date such as 2026-01-31 or"
                    " 2026-01-31T08:00:00Z"
                )
    children: tuple[Shape, ...] = ()
    if "spec" in given:
        children = (Shape("date_spec", _units(given["spec"], _SPEC, f"{where}.spec")),)
    if "duration" in given:
        children = (Shape("duration", _units(given["duration"], _DURATION, f"{where}.duration")),)
    return Shape("date_expression", found, children)


def _check_range(given: Mapping[str, Any], where: str) -> None:
    if "start" not in given and "end" not in given:
        raise DeclarationInvalid(f"{where}.start: the date in_range needs a start, an end or both")
    if "duration" in given and ("end" in given or "start" not in given):
        raise DeclarationInvalid(f"{where}.duration: it needs a start and replaces the end")


def _units(given: Any, allowed: Sequence[str], where: str) -> dict[str, str]:
    if not isinstance(given, Mapping) or not given:
        raise DeclarationInvalid(f"{where}: units of time are needed, for example {{hours: 8}}")
    _checked(given, allowed, where)
    pattern = r"\d+(-\d*)?" if allowed is _SPEC else r"\d+"
    for name, value in given.items():
        if not re.fullmatch(pattern, _values.text(value)):
            like = "a number or a range such as 9-16" if allowed is _SPEC else "a number"
            raise DeclarationInvalid(f"{where}.{name}: {value!r} is not {like}")
    return {str(name): _values.text(value) for name, value in given.items()}


def _agent(given: Mapping[str, Any], where: str, kind: str) -> Shape:
    _checked(given, ("resource_type",), where)
    if kind == LOCATION:
        raise DeclarationInvalid(
            f"{where}.resource_type: the rule of a location cannot ask for it; name the resource"
        )
    words = _text(given, "resource_type", where).split(":")
    if len(words) == 2 and words[0] and words[0] != "ocf":
        words = [words[0], "", words[1]]
    if len(words) != 3 or not any(words):
        raise DeclarationInvalid(
            f"{where}.resource_type: {given['resource_type']!r} is none of ocf:provider:type,"
            " ocf::type, ::type, ocf:provider:, systemd:unit"
        )
    names = ("class", "provider", "type")
    return Shape("rsc_expression", {name: word for name, word in zip(names, words) if word})


def _operation(given: Mapping[str, Any], where: str, kind: str) -> Shape:
    _checked(given, ("operation", "interval"), where)
    if kind != OPERATIONS:
        raise DeclarationInvalid(
            f"{where}.operation: only the rule of a set of operation defaults can ask for it"
        )
    found = {"name": _text(given, "operation", where)}
    if "interval" in given:
        found["interval"] = _text(given, "interval", where)
        if _values.microseconds(found["interval"]) is None:
            raise DeclarationInvalid(
                f"{where}.interval: {found['interval']!r} is not a duration such as 10s"
            )
    return Shape("op_expression", found)


_LEAVES: Mapping[str, Callable[[Mapping[str, Any], str, str], Shape]] = {
    "attribute": _expression,
    "date": _date,
    "resource_type": _agent,
    "operation": _operation,
}


# --- back ---------------------------------------------------------------------------------------


def declared_rule(rule: Element) -> dict[str, Any]:
    """A rule as it would be declared; a condition that is alone stands alone."""
    parts = [_declared(one) for one in rule]
    if not parts:
        raise NotDeclarable("a rule that refers to another rule")
    word = {of: word for word, of in _WORDS.items()}.get(rule.get("boolean-op", "and"), "all")
    alone = len(parts) == 1 and not set(parts[0]) & set(_WORDS)
    return parts[0] if alone else {word if len(parts) > 1 else "all": parts}


def _declared(one: Element) -> dict[str, Any]:
    if one.tag == "rule":
        parts = declared_rule(one)
        return parts if set(parts) & set(_WORDS) else {"all": [parts]}
    if one.tag == "expression":
        names = {"attribute": "attribute", "operation": "is", "value": "value", "type": "type"}
        found = _named(one, {**names, "value-source": "value_source"})
        return {name: word for name, word in found.items() if (name, word) != _LITERAL}
    if one.tag == "date_expression":
        inner = {_INNER.get(part.tag, part.tag): _named(part) for part in one}
        return {**_named(one, {"operation": "date", "start": "start", "end": "end"}), **inner}
    if one.tag == "rsc_expression":
        return {"resource_type": _agent_name(one)}
    if one.tag == "op_expression":
        return _named(one, {"name": "operation", "interval": "interval"})
    raise NotDeclarable(f"a rule with <{one.tag}>")


def _named(one: Element, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The attributes of an element by their names in a declaration; without names, all of them."""
    if names is None:
        names = {name: name for name in one.attrib if name != "id"}
    return {name: one.attrib[said] for said, name in names.items() if said in one.attrib}


def _agent_name(one: Element) -> str:
    words = [one.get(name, "") for name in ("class", "provider", "type")]
    plain = words[0] not in ("", "ocf") and not words[1] and words[2]
    return f"{words[0]}:{words[2]}" if plain else ":".join(words)
