# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Go back to a saved configuration, with what operators and the cluster hold as it is now."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Iterable
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _snapshot, _transaction
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import DeclarationInvalid

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

_SETS = ("cluster_property_set", "instance_attributes", "meta_attributes")


def restore(run: Runner, wanted: str, options: _transaction.Options) -> _transaction.Outcome:
    """Go back to the wanted saved configuration, to the newest when none is named."""
    path = _snapshot.choose(options.folder, wanted)
    saved = _cib.parse(_snapshot.load(path))
    intent = _transaction.Intent(lambda live: (plan(live, saved), False), _primitives)
    return _transaction.carry_out(run, intent, options)


def _primitives(cib: Element) -> list[str]:
    return [one.get("id", "") for one in _cib.configuration(cib).iter("primitive")]


def plan(live: Element, saved: Element) -> Element:
    """The live configuration brought back to the saved one; refuses another cluster's."""
    _check_same_cluster(live, saved)
    _check_schema(live, saved)
    new = copy.deepcopy(live)
    whole = _cib.configuration(new)
    there = {
        (one.tag, one.get("id", "")): one
        for tag in _cib.RESOURCES
        for one in _cib.configuration(live).iter(tag)
    }
    kept = _merged(_cib.configuration(live), _cib.configuration(saved), "", there)
    whole[:] = list(kept)
    _check_held(new)
    return new


# --- is it a state of this cluster? -------------------------------------------------------------


def _nodes(cib: Element) -> dict[str, str]:
    """Ids of the members by their names."""
    return {
        node.get("uname", ""): node.get("id", "")
        for node in _cib.configuration(cib).findall("nodes/node")
        if node.get("type", "member") in ("member", "normal")
    }


def _check_same_cluster(live: Element, saved: Element) -> None:
    names = [
        _cib.section_values(one, "crm_config", "cluster_property_set").get("cluster-name")
        for one in (live, saved)
    ]
    if all(names) and names[0] != names[1]:
        raise DeclarationInvalid(
            f"snapshot: it is of the cluster {names[1]}, and this one is {names[0]}"
        )
    now, then = _nodes(live), _nodes(saved)
    for name, identity in sorted(then.items()):
        if now.get(name) != identity:
            known = ", ".join(f"{one} ({number})" for one, number in sorted(now.items()))
            raise DeclarationInvalid(
                f"snapshot: it is of a cluster with the node {name} ({identity}); this cluster"
                f" has {known}"
            )


def _check_schema(live: Element, saved: Element) -> None:
    """What is valid in one schema is valid in later ones with the same first number."""
    now, then = (one.get("validate-with", "") for one in (live, saved))
    numbers = [[int(number) for number in re.findall(r"\d+", schema)] for schema in (now, then)]
    if now != then and (numbers[0][:1] != numbers[1][:1] or numbers[1] > numbers[0]):
        raise DeclarationInvalid(
            f"snapshot: it follows the schema {then}, and the cluster {now}; declare what it said"
            " instead"
        )


# --- the merge ----------------------------------------------------------------------------------


def _operators(element: Element, section: str) -> bool:
    """Whether an operator or the cluster, and no declaration, decides about this element."""
    if section == "constraints":
        return _cib.is_runtime_constraint(element.get("id", ""))
    if section == "nodes" and element.tag == "node":
        return False
    names = {
        "crm_config": _cib.OWN_PROPERTIES | _cib.OPERATOR_PROPERTIES,
        "nodes": _cib.OPERATOR_NODE,
        "resources": _cib.OPERATOR_META,
    }.get(section, frozenset())
    return element.tag == "nvpair" and element.get("name") in names


def _key(element: Element) -> tuple[str, str]:
    return (element.tag, element.get("id") or element.get("id-ref") or "")


def _merged(
    live: Element, saved: Element, section: str, there: dict[tuple[str, str], Element]
) -> Element:
    """The saved element, with the parts that operators hold as they are live."""
    made = Element(saved.tag, saved.attrib)
    own = {_key(one): one for one in live}
    for child in saved:
        if _operators(child, section):
            continue
        inside = section or child.tag
        # A resource is the same wherever it is: it may have moved into a group since.
        match = there.get(_key(child)) if child.tag in _cib.RESOURCES else own.get(_key(child))
        if match is not None:
            made.append(_merged(match, child, inside, there))
        elif child.tag in _SETS:
            made.extend(_without_operators(child, inside))
        elif child.tag != "node":
            made.append(copy.deepcopy(child))
    _keep(live, made, section, {_key(one) for one in saved})
    _drop_emptied(made)
    return made


def _drop_emptied(made: Element) -> None:
    for child in [one for one in made if one.tag in _SETS and not len(one)]:
        if child.get("id-ref") is None:
            made.remove(child)


def _without_operators(found: Element, section: str) -> Iterable[Element]:
    """A set of values that is not there now, without what it said of operators."""
    left = copy.deepcopy(found)
    for one in [one for one in left if _operators(one, section)]:
        left.remove(one)
    return [left] if len(left) or found.get("id-ref") is not None else []


def _keep(live: Element, made: Element, section: str, known: set[tuple[str, str]]) -> None:
    """Put what operators hold to where it is now: behind the same neighbour."""
    before: tuple[str, str] | None = None
    for child in live:
        part = None
        if _operators(child, section) or (section == "nodes" and child.tag == "node"):
            part = copy.deepcopy(child)
        elif child.tag in _SETS and _key(child) not in known:
            part = copy.deepcopy(child)
            part[:] = [one for one in part if _operators(one, section)]
            part = part if len(part) else None
        places = {_key(one): number for number, one in enumerate(made)}
        if part is not None and _key(child) not in places:
            made.insert(places.get(before, -1) + 1 if before else 0, part)
        before = _key(child) if _key(child) in {_key(one) for one in made} else before


def _check_held(new: Element) -> None:
    """What operators hold goes with its resource; DRBD's fence is a reason to stop."""
    there = {one.get("id") for tag in _cib.RESOURCES for one in _cib.configuration(new).iter(tag)}
    for one in _cib.constraints(new):
        identity = one.get("id", "")
        if one.get("rsc") in there | {None} or not _cib.is_runtime_constraint(identity):
            continue
        if identity.startswith("drbd-fence-by-handler-"):
            raise DeclarationInvalid(
                f"DRBD's fence {identity} protects the data; {one.get('rsc')}, which the snapshot"
                " has not, is not removed before DRBD is in sync and has lifted it"
            )
        _cib.parent_of(new, one).remove(one)
