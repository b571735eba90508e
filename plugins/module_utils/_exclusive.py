# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What goes because a task asks for the declared objects of a kind and no others. In place.

Never what belongs to operators, to DRBD or to Pacemaker itself.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _acls,
    _cib,
    _constraints,
    _levels,
    _nodes,
    _nvpairs,
    _objects,
    _placement,
    _relations,
    _shape,
    _tree,
)
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import Declaration
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import DeclarationInvalid

_SECTIONS = {
    "properties": ("crm_config", "cluster_property_set"),
    "resource_defaults": ("rsc_defaults", "meta_attributes"),
    "operation_defaults": ("op_defaults", "meta_attributes"),
}
_DEFAULT_SETS = {
    "resource_default_sets": "rsc_defaults",
    "operation_default_sets": "op_defaults",
}
_PATHS = {
    "fencing_levels": "fencing-topology/fencing-level",
    "tags": "tags/tag",
    "alerts": "alerts/alert",
    "acl_roles": "acls/acl_role",
    "acl_users": "acls/acl_target",
    "acl_groups": "acls/acl_group",
}


def remove_resources(root: Element, declared: Declaration) -> None:
    """Before anything is brought: resources and bundles, so that nothing new names them."""
    gone = []
    if "bundles" in declared.exclusive:
        stay = {one.id for one in _given(declared, "bundles")}
        bundles = _cib.configuration(root).findall("resources/bundle")
        gone += [one for one in bundles if one.get("id") not in stay]
    if "resources" in declared.exclusive:
        stay = {one.id for one in declared.resources}
        primitives = _cib.configuration(root).findall("resources//primitive")
        gone += [one for one in primitives if one.get("id") not in stay]
    if not gone:
        return
    names = {
        one.get("id", "") for outer in gone for one in outer.iter() if one.tag in _cib.RESOURCES
    }
    for where, name in _named(declared):
        if name in names:
            raise DeclarationInvalid(
                f"{where}: it names {name}, which exclusive removes because it is not declared"
            )
    _relations.remove_resources(root, [one.get("id", "") for one in gone])


def _given(declared: Declaration, kind: str) -> Any:
    return () if declared.objects is None else getattr(declared.objects, kind)


def _named(declared: Declaration) -> Iterator[tuple[str, str]]:
    """The resources that a declaration names, each with the place."""
    for one in declared.resources:
        yield f"resources.{one.id}", one.id
        if one.group is not None:
            yield f"resources.{one.id}.group", one.group.after or one.group.before
        yield f"resources.{one.id}.bundle", one.bundle
    for group in declared.groups:
        for member in group.members:
            yield f"groups.{group.id}.members", member
    for wanted in declared.constraints:
        if wanted.shape is not None:
            for name in _constraint_names(wanted.shape):
                yield f"constraints.{wanted.id}", name
    for level in _given(declared, "fencing_levels"):
        for device in level.devices:
            yield f"fencing_levels: {level.text}", device
    for tag in _given(declared, "tags"):
        for reference in tag.references:
            yield f"tags.{tag.id}", reference


def _constraint_names(shape: _shape.Shape) -> Iterator[str]:
    for name in _cib.REFERENCES:
        yield shape.attributes.get(name, "")
    for members in shape.children:
        for one in members.children:
            yield one.attributes.get("id", "")


def remove_others(root: Element, declared: Declaration) -> None:
    """After everything is brought: the objects that no declared one stands for."""
    for kind in sorted(declared.exclusive):
        if kind in _SECTIONS:
            _values(root, declared, kind)
        elif kind in _DEFAULT_SETS:
            _default_sets(root, declared, kind)
        elif kind in _PATHS:
            _listed(root, declared, kind)
        elif kind in _OTHERS:
            _OTHERS[kind](root, declared)


def _values(root: Element, declared: Declaration, kind: str) -> None:
    section, tag = _SECTIONS[kind]
    stay = frozenset(getattr(declared, kind))
    if kind == "properties":
        stay |= _cib.OWN_PROPERTIES | _cib.OPERATOR_PROPERTIES
    _nvpairs.keep_only(_cib.configuration(root).find(section), tag, stay)


def _default_sets(root: Element, declared: Declaration, kind: str) -> None:
    holder = _cib.configuration(root).find(_DEFAULT_SETS[kind])
    if holder is None:
        return
    wanted = getattr(declared, kind)
    plain = _cib.own_set(holder, "meta_attributes")
    names = {one.id for one in wanted}
    # One that stands for a declared set under another name.
    rules = [
        _shape.meaning(one.rule, "meta_attributes")
        for one in wanted
        if one.rule is not None and _cib.by_id(root, one.id) is None
    ]
    for found in holder.findall("meta_attributes"):
        rule = found.find("rule")
        meant = None if rule is None else _shape.meaning(rule, "meta_attributes")
        if found is not plain and found.get("id") not in names and meant not in rules:
            _tree.drop(holder, found)


def _listed(root: Element, declared: Declaration, kind: str) -> None:
    stay = {_key(kind, one) for one in _given(declared, kind)}
    for found in _cib.configuration(root).findall(_PATHS[kind]):
        if _key_of(kind, found) in stay:
            continue
        if kind in ("tags", "acl_roles"):
            _relations.remove_named(root, found)
        else:
            _tree.drop(_cib.parent_of(root, found), found)


def _key(kind: str, one: Any) -> Any:
    return one.key if kind == "fencing_levels" else _objects.key(one)


def _key_of(kind: str, found: Element) -> Any:
    if kind == "fencing_levels":
        return _levels.key_of(found)
    return _acls.name_of(found) if kind in ("acl_users", "acl_groups") else found.get("id")


def _groups(root: Element, declared: Declaration) -> None:
    stay = {one.id for one in declared.groups}
    places = [one.group for one in declared.resources]
    stay |= {one.id for one in places if one is not None and one.present}
    for found in _cib.configuration(root).findall("resources//group"):
        if found.get("id") not in stay:
            _placement.dissolve(root, found.get("id", ""))


def _nodes_of(root: Element, declared: Declaration) -> None:
    given = {one.name: one for one in _given(declared, "nodes")}
    for name, found in _nodes.named(root).items():
        wanted = given.get(name, _nodes.Node(name))
        attributes = frozenset(wanted.attributes) | _cib.OPERATOR_NODE
        _nvpairs.keep_only(found, "instance_attributes", attributes)
        _nvpairs.keep_only(found, "utilization", frozenset(wanted.utilization))


def _constraint(root: Element, declared: Declaration) -> None:
    names = {one.id for one in declared.constraints}
    # One that stands for a declared constraint under another name.
    meant = [
        _constraints.subject(one.shape)
        for one in declared.constraints
        if one.shape is not None and _cib.by_id(root, one.id) is None
    ]
    for found in _cib.constraints(root):
        name = found.get("id", "")
        if name in names or _cib.is_runtime_constraint(name):
            continue
        if not _constraints.complicated(found) and _constraints.subject(found) in meant:
            meant.remove(_constraints.subject(found))
            continue
        _tree.drop(_cib.parent_of(root, found), found)


_OTHERS: Mapping[str, Callable[[Element, Declaration], None]] = {
    "groups": _groups,
    "nodes": _nodes_of,
    "constraints": _constraint,
}
