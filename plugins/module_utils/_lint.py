# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What can never work, told before anything runs, with its place in the declaration. Pure.

Only what the change brings is refused: what is wrong in the cluster already is no reason to refuse
an unrelated change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _names, _order, _values
from ansible_collections.kwdb.ha.plugins.module_utils._agents import hint
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import (
    Declaration,
    DeclarationInvalid,
)


@dataclass(frozen=True)
class Problem:
    """Something that can never work: about which objects, and what to do."""

    about: tuple[str, ...]
    what: str
    remedy: str


def places(declared: Declaration) -> dict[str, str]:
    """Where in the declaration each object is, by its id."""
    found: dict[str, str] = {}
    for option in ("constraints", "groups", "resources"):
        for number, one in enumerate(getattr(declared, option)):
            found[one.id] = f"{option}[{number}]"
            clone = getattr(one, "clone", None)
            if clone is not None:
                found[clone.id] = f"{option}[{number}].clone"
    return found


def check(live: Element, new: Element, declared: Declaration) -> None:
    """Refuse what can never work and was not there before."""
    _check_operation_names(declared)
    before = set(problems(live))
    where = places(declared)
    for one in problems(new):
        if one not in before:
            place = next((where[name] for name in one.about if name in where), one.about[0])
            raise DeclarationInvalid(f"{place}: {one.what}; {one.remedy}")


def warnings(declared: Declaration) -> list[str]:
    """Names that Pacemaker gives no meaning to; it allows them, and a mistake looks the same."""
    given = [
        ("properties", declared.properties, _names.PROPERTIES),
        ("resource_defaults", declared.resource_defaults, _names.META),
    ]
    for number, one in enumerate(declared.resources):
        given.append((f"resources[{number}].meta", one.meta, _names.META))
        if one.clone is not None:
            given.append((f"resources[{number}].clone.meta", one.clone.meta, _names.META))
    given += [(f"groups[{n}].meta", one.meta, _names.META) for n, one in enumerate(declared.groups)]
    return [
        f"{where}.{name}: Pacemaker has no such name and ignores it{hint(name, known)}"
        for where, values, known in given
        for name, value in values.items()
        if name not in known and value is not None
    ]


def _check_operation_names(declared: Declaration) -> None:
    for number, one in enumerate(declared.resources):
        for place, operation in enumerate(one.operations):
            for name, value in operation.attributes.items():
                if name not in _names.OPERATION and value is not None:
                    raise DeclarationInvalid(
                        f"resources[{number}].operations[{place}].options.{name}: an operation"
                        f" has no such attribute{hint(name, _names.OPERATION)}"
                    )


def problems(cib: Element) -> Iterator[Problem]:
    """Everything in a configuration that can never work."""
    yield from _circles(cib)
    yield from _opposites(cib)
    yield from _promotions(cib)
    for primitive in _cib.configuration(cib).iter("primitive"):
        yield from _intervals(primitive)
    for tag in ("clone", "master"):
        for clone in _cib.configuration(cib).iter(tag):
            if promotable(clone):
                yield from _monitors(clone)


def _circles(cib: Element) -> Iterator[Problem]:
    circle, names = _order.circle(cib)
    if circle:
        yield Problem(
            tuple(names),
            f"the order is a circle: {' before '.join(circle)}; none of them would ever start",
            f"remove or turn one of {', '.join(names)}",
        )


def _opposites(cib: Element) -> Iterator[Problem]:
    """Members of one group that must not be together."""
    group_of = {
        one: group.get("id", "")
        for group in _cib.configuration(cib).iter("group")
        for one in _cib.members(group)
    }
    for one in _cib.constraints(cib):
        if one.tag != "rsc_colocation" or len(one) or one.get("node-attribute"):
            continue
        two = (one.get("rsc", ""), one.get("with-rsc", ""))
        apart = _values.score(one.get("score", "INFINITY")) == _values.MINUS_INFINITY
        group = group_of.get(two[0])
        if apart and group is not None and group == group_of.get(two[1]):
            yield Problem(
                (one.get("id", ""),),
                f"{two[0]} and {two[1]} must not run together, and the group {group} says that"
                " they must",
                "keep one of the two",
            )


def promotable(clone: Element) -> bool:
    """Whether one of the clone's instances can be promoted."""
    word = _cib.values(clone, "meta_attributes").get("promotable", "false")
    return clone.tag == "master" or _values.boolean(word) is True


def _promotions(cib: Element) -> Iterator[Problem]:
    """A promotion that is waited for and can never come."""
    can = {
        clone.get("id", "")
        for tag in ("clone", "master")
        for clone in _cib.configuration(cib).iter(tag)
        if promotable(clone)
    }
    known = {
        one.get("id", "")
        for tag in ("primitive", "group", "clone")
        for one in _cib.configuration(cib).iter(tag)
    }
    for one in _cib.constraints(cib):
        # A colocation with a role that cannot be is something else: Pacemaker ignores the role.
        waits = one.tag == "rsc_order" and one.get("first-action") == "promote"
        resource = one.get("first", "")
        if waits and _order.mandatory(one) and resource in known and resource not in can:
            yield Problem(
                (one.get("id", ""),),
                f"it waits for the promotion of {resource}, which cannot be promoted",
                "name a promotable clone (clone.meta.promotable: true)",
            )


def _intervals(primitive: Element) -> Iterator[Problem]:
    """Pacemaker tells the operations of a resource apart by name and interval alone."""
    seen: dict[tuple[str, int | None], str] = {}
    for op in primitive.findall("operations/op"):
        interval = op.get("interval", "0")
        key = (op.get("name", ""), _values.microseconds(interval))
        if key in seen and _values.boolean(op.get("enabled", "true")) is not False:
            yield Problem(
                (primitive.get("id", ""),),
                f"the operations {seen[key]} and {op.get('id')} have the same interval {interval}",
                "give each its own interval",
            )
        seen[key] = op.get("id", "")


def _monitors(clone: Element) -> Iterator[Problem]:
    for primitive in clone.findall("primitive"):
        roles = {
            _values.role(op.get("role", "Started"))
            for op in primitive.findall("operations/op")
            if op.get("name") == "monitor"
        }
        # Without a role a monitor watches every instance that is not promoted.
        lacking = [] if "Promoted" in roles else ["Promoted"]
        lacking += [] if roles & {"Unpromoted", "Started"} else ["Unpromoted"]
        by_reference = (
            primitive.get("template") or primitive.find("operations[@id-ref]") is not None
        )
        if lacking and not by_reference:
            yield Problem(
                (primitive.get("id", ""),),
                f"it can be promoted and has no monitor for the role {' and '.join(lacking)}, so"
                " that Pacemaker would not see it fail there",
                "declare one monitor for each role, with different intervals",
            )
