# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Constraints, and what goes with a resource that goes. Edits the tree in place, runs nothing."""

from __future__ import annotations

from typing import Any, Iterable, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _constraints,
    _schema,
    _shape,
    _tree,
)
from ansible_collections.kwdb.ha.plugins.module_utils._constraints import Constraint
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    ReferenceMissing,
)


class _Others:
    """Constraints that nobody declares by their name, by what they are about; read when needed."""

    def __init__(self, root: Element, declared: Iterable[Constraint]) -> None:
        self._root, self._names = root, {one.id for one in declared}
        self._found: dict[tuple[Any, ...], list[Element]] | None = None

    def take(self, wanted: _shape.Shape) -> Element | None:
        """One about the same, for which a second one would be a contradiction; it is taken once."""
        if self._found is None:
            self._found = self._read()
        there = self._found.get(_constraints.subject(wanted))
        return there.pop(0) if there else None

    def _read(self) -> dict[tuple[Any, ...], list[Element]]:
        found: dict[tuple[Any, ...], list[Element]] = {}
        for one in _cib.constraints(self._root):
            name = one.get("id", "")
            ours = name not in self._names and not _cib.is_runtime_constraint(name)
            if ours and not _constraints.complicated(one):
                found.setdefault(_constraints.subject(one), []).append(one)
        return found


def constraints(root: Element, wanted: Sequence[Constraint], lenient: bool = False) -> None:
    """Bring constraints to what is declared; lenient takes names of what is not there yet."""
    others = _Others(root, wanted)
    for one in wanted:
        if one.shape is not None:
            _constraint(root, one.id, _schema.fit(root, one.shape, one.id), others, lenient)


def _constraint(
    root: Element, identity: str, wanted: _shape.Shape, others: _Others, lenient: bool
) -> None:
    found = _cib.by_id(root, identity)
    if found is not None and found.tag not in _cib.CONSTRAINTS:
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of a constraint")
    if found is None:
        found = others.take(wanted)
    elif found.tag != wanted.tag:
        remove_constraint(root, identity)
        found = None
    if found is None:
        _check_references(root, identity, wanted, lenient)
        _shape.build(root, _cib.section(root, "constraints"), wanted, identity)
        return
    why = _constraints.complicated(found)
    if why:
        raise DeclarationInvalid(
            f"the constraint {identity} has {why}, which this declaration would lose;"
            " remove it first (state: absent) or choose another id"
        )
    if _shape.meaning(found) != _shape.meaning(wanted):
        _check_references(root, identity, wanted, lenient)
        _shape.bring(root, found, wanted)


def _check_references(root: Element, identity: str, wanted: _shape.Shape, lenient: bool) -> None:
    named = [wanted.attributes[name] for name in _cib.REFERENCES if name in wanted.attributes]
    for members in wanted.children:
        named += [one.attributes["id"] for one in members.children if one.tag == "resource_ref"]
    for resource in named:
        _check_resource(root, identity, resource, lenient)
    node = wanted.attributes.get("node")
    known = {one.get("uname") for one in _cib.configuration(root).findall("nodes/node")}
    if node is not None and known and node not in known and not lenient:
        raise ReferenceMissing(
            f"{identity}: there is no node {node} (nodes: {', '.join(sorted(filter(None, known)))})"
        )


def _check_resource(root: Element, identity: str, resource: str, lenient: bool) -> None:
    found = _cib.by_id(root, resource)
    # A tag or a template stands for the resources that it names.
    if found is None or found.tag not in (*_cib.RESOURCES, "tag", "template"):
        if lenient:
            return
        raise ReferenceMissing(f"{identity}: there is no resource {resource}")
    clone = _clone_around(root, found)
    if clone is not None:
        raise DeclarationInvalid(
            f"{identity}: {resource} is cloned; name its clone {clone.get('id')}"
        )


def _clone_around(root: Element, found: Element) -> Element | None:
    around = _cib.parent_of(root, found)
    while around.tag in _cib.RESOURCES:
        if around.tag in ("clone", "master"):
            return around
        around = _cib.parent_of(root, around)
    return None


def remove_constraint(root: Element, identity: str) -> None:
    """Take a constraint away, unless it belongs to an operator or to DRBD."""
    if _cib.is_runtime_constraint(identity):
        raise DeclarationInvalid(
            f"{identity} belongs to an operator's command or to DRBD and is not removed here;"
            " use pcs resource clear, or find out why DRBD fenced its peer"
        )
    found = _cib.constraint(root, identity)
    if found is not None:
        _tree.drop(_cib.parent_of(root, found), found)


# --- removal ------------------------------------------------------------------------------------


def remove_resources(root: Element, identities: Iterable[str]) -> None:
    """Take resources away with everything that names them."""
    gone: set[str] = set()
    for identity in identities:
        gone |= _take_out(root, identity)
    if gone:
        _forget(root, gone)


def remove_resource(root: Element, identity: str) -> None:
    """Take a resource away with everything that names it."""
    remove_resources(root, [identity])


def remove_named(root: Element, found: Element) -> None:
    """Take an element away with everything that names it."""
    _tree.drop(_cib.parent_of(root, found), found)
    _forget(root, {found.get("id", "")})


def rename(root: Element, old: str, new: str) -> None:
    """Let constraints name a resource by another name, but for operators' and the cluster's own."""
    for one in _cib.constraints(root):
        if _cib.is_runtime_constraint(one.get("id", "")):
            continue
        for name in _cib.REFERENCES:
            if one.get(name) == old:
                one.set(name, new)
        for reference in one.iter("resource_ref"):
            if reference.get("id") == old:
                reference.set("id", new)


def _take_out(root: Element, identity: str) -> set[str]:
    """The ids of everything that went: a clone or a group goes with its last resource."""
    found = _cib.resource(root, identity)
    if found is None:
        return set()
    parent = _cib.parent_of(root, found)
    if parent.tag in ("clone", "master") or (
        parent.tag == "group" and _cib.members(parent) == [identity]
    ):
        return _take_out(root, parent.get("id", ""))
    _tree.drop(parent, found)
    return {one.get("id", "") for tag in _cib.RESOURCES for one in found.iter(tag)}


def _forget(root: Element, gone: set[str]) -> None:
    for tag in _cib.configuration(root).findall("tags/tag"):
        for reference in [ref for ref in tag.findall("obj_ref") if ref.get("id") in gone]:
            _tree.drop(tag, reference)
        if not len(tag):
            # The schema allows no empty tag; who names it names what is gone.
            _tree.drop(_cib.parent_of(root, tag), tag)
            gone = {*gone, tag.get("id", "")}
    for one in _cib.constraints(root):
        if {one.get(name) for name in _cib.REFERENCES} & gone:
            _check_fence(one)
            _tree.drop(_cib.parent_of(root, one), one)
        else:
            _forget_in_sets(root, one, gone)
    for level in _cib.configuration(root).findall("fencing-topology/fencing-level"):
        devices = [one for one in level.get("devices", "").split(",") if one not in gone]
        level.set("devices", ",".join(devices))
        if not devices:
            _tree.drop(_cib.parent_of(root, level), level)
    for holder in _cib.configuration(root).findall("acls/*"):
        for one in list(holder):
            named = one.get("id") if one.tag == "role" else one.get("reference")
            if named in gone:
                _tree.drop(holder, one)


def _check_fence(one: Element) -> None:
    if one.get("id", "").startswith("drbd-fence-by-handler-"):
        raise DeclarationInvalid(
            f"DRBD's fence {one.get('id')} protects the data; {one.get('rsc')} is not removed"
            " before DRBD is in sync and has lifted it"
        )


def _forget_in_sets(root: Element, one: Element, gone: set[str]) -> None:
    sets = one.findall("resource_set")
    for members in sets:
        for reference in [ref for ref in members if ref.get("id") in gone]:
            _tree.drop(members, reference)
            if not len(members):
                _tree.drop(one, members)
    if sets and not one.findall("resource_set"):
        _tree.drop(_cib.parent_of(root, one), one)
