# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Bring a copy of the configuration to what is declared. Pure: trees in, a tree out."""

from __future__ import annotations

import copy
from typing import Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _agents,
    _cib,
    _nvpairs,
    _placement,
    _relations,
    _tree,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import (
    Declaration,
    DeclarationInvalid,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values
from ansible_collections.kwdb.ha.plugins.module_utils._resources import Operation, Resource


def plan(
    root: Element, declared: Declaration, agents: _agents.Lookup, lenient: bool = False
) -> Element:
    """A copy of the configuration in which the declaration holds.

    Lenient takes references to what is not there: in check mode an earlier task would have made it.
    """
    new = _copy(root)
    with _tree.indexed(_cib.configuration(new)):
        _remove(new, declared)
        _resources(new, declared, agents, lenient)
        _others(new, declared, lenient)
        _relations.constraints(new, declared.constraints, lenient)
        _section(new, "crm_config", "cluster_property_set", declared.properties)
        _section(new, "rsc_defaults", "meta_attributes", declared.resource_defaults)
        _section(new, "op_defaults", "meta_attributes", declared.operation_defaults)
        _default_sets(new, declared)
        if declared.exclusive:
            from ansible_collections.kwdb.ha.plugins.module_utils import _exclusive

            _exclusive.remove_others(new, declared)
    return new


def _copy(root: Element) -> Element:
    """A copy whose configuration can be changed; the status, which cannot, is shared."""
    new = Element(root.tag, dict(root.attrib))
    for part in root:
        new.append(copy.deepcopy(part) if part.tag == "configuration" else part)
    return new


def _remove(root: Element, declared: Declaration) -> None:
    for gone in declared.constraints:
        if not gone.present:
            _relations.remove_constraint(root, gone.id)
    _relations.remove_resources(root, [one.id for one in declared.resources if not one.present])
    for group in declared.groups:
        if not group.present:
            _placement.dissolve(root, group.id)
    if declared.objects is not None:
        from ansible_collections.kwdb.ha.plugins.module_utils import _objects

        _objects.check_absent(root, declared.objects, declared.resources)
        _objects.remove(root, declared.objects)
    if declared.exclusive:
        from ansible_collections.kwdb.ha.plugins.module_utils import _exclusive

        _exclusive.remove_resources(root, declared)


def _resources(root: Element, declared: Declaration, agents: _agents.Lookup, lenient: bool) -> None:
    if declared.objects is not None:
        from ansible_collections.kwdb.ha.plugins.module_utils import _objects

        _objects.bring_bundles(root, declared.objects)
    for one in declared.resources:
        if one.present:
            _resource(root, one, agents, lenient)
    for group in declared.groups:
        if group.present:
            _placement.group(root, group, lenient)


def _others(root: Element, declared: Declaration, lenient: bool) -> None:
    if declared.objects is None:
        return
    from ansible_collections.kwdb.ha.plugins.module_utils import _objects

    coming = {one.id for one in declared.constraints if one.present}
    _objects.bring(root, declared.objects, lenient, coming)


# --- name and value pairs -----------------------------------------------------------------------


def _section(root: Element, name: str, tag: str, wanted: Values) -> None:
    if any(value is not None for value in wanted.values()) or _cib.section_values(root, name, tag):
        set_id = "cib-bootstrap-options" if name == "crm_config" else f"{name}-{tag}"
        _nvpairs.bring(root, _cib.section(root, name), tag, wanted, set_id=set_id)


def _default_sets(root: Element, declared: Declaration) -> None:
    if not declared.resource_default_sets and not declared.operation_default_sets:
        return
    from ansible_collections.kwdb.ha.plugins.module_utils import _defaults

    _defaults.default_sets(root, "rsc_defaults", declared.resource_default_sets)
    _defaults.default_sets(root, "op_defaults", declared.operation_default_sets)


# --- resources ----------------------------------------------------------------------------------


def _resource(root: Element, wanted: Resource, agents: _agents.Lookup, lenient: bool) -> None:
    found = _cib.by_id(root, wanted.id)
    new = found is None
    if found is None:
        found = _new_primitive(root, wanted)
    elif found.tag != "primitive":
        raise DeclarationInvalid(f"{wanted.id} is the id of a <{found.tag}> in this cluster")
    elif not _cib.same_agent(_cib.agent_name(found), wanted.agent):
        raise DeclarationInvalid(
            f"{wanted.id} has the agent {_cib.agent_name(found)}, not {wanted.agent}: an agent"
            " cannot be changed in place; remove the resource first (state: absent)"
        )
    _options(root, found, wanted, agents, new)
    _nvpairs.bring(root, found, "meta_attributes", wanted.meta)
    _nvpairs.bring(root, found, "utilization", wanted.utilization)
    _operations(root, found, wanted)
    if wanted.clone is not None:
        _placement.clone(root, found, wanted.clone)
    if wanted.group is not None:
        _placement.place(root, found, wanted.group, lenient)
    if wanted.bundle:
        _placement.into_bundle(root, found, wanted.bundle, lenient)


def _new_primitive(root: Element, wanted: Resource) -> Element:
    words = wanted.agent.split(":")
    attributes = {"id": wanted.id, "class": words[0], "type": words[-1]}
    if len(words) == 3:
        attributes["provider"] = words[1]
    return _tree.add(_cib.section(root, "resources"), "primitive", attributes)


def _options(
    root: Element, found: Element, wanted: Resource, agents: _agents.Lookup, new: bool
) -> None:
    current = _cib.values(found, "instance_attributes")
    if not new and all(current.get(name) == value for name, value in wanted.options.items()):
        return  # the usual case, and it asks no agent
    agent = agents(wanted.agent)
    if agent is not None:
        after = {**current, **wanted.options}
        left = [name for name, value in after.items() if value is not None]
        _agents.check(agent, wanted.id, left)

    def kind_of(name: str) -> str:
        return _agents.kind_of(agent, name)

    _nvpairs.bring(root, found, "instance_attributes", wanted.options, kind_of)


def _depth(op: Element) -> str:
    return _cib.values(op, "instance_attributes").get("OCF_CHECK_LEVEL", "")


def _role(text: str) -> str:
    role = _values.role(text)
    return "" if role == "Started" else role


def _operations(root: Element, found: Element, wanted: Resource) -> None:
    if not wanted.operations:
        return
    holder = found.find("operations")
    if holder is None:
        holder = _tree.add(found, "operations")
    left = holder.findall("op")
    there = _matched(left, wanted.operations)
    for number, operation in enumerate(wanted.operations):
        op = there.get(number)
        if op is None:
            op = _new_operation(root, holder, wanted.id, operation)
        _operation(root, op, operation)
    # The declared monitors are all the monitors there should be; other operations stay.
    declared = {operation.name for operation in wanted.operations}
    for op in left:
        if op.get("name") in declared:
            _tree.drop(holder, op)


def _matched(left: list[Element], wanted: Sequence[Operation]) -> dict[int, Element]:
    """Which operation is which: the one that is most alike stays, and is taken from left."""
    found: dict[int, Element] = {}
    for depth_must, interval_must in ((True, True), (True, False), (False, True)):
        for number, one in enumerate(wanted):
            if number in found:
                continue
            for op in left:
                same = op.get("name") == one.name and _role(op.get("role", "")) == _role(one.role)
                depth = not depth_must or _depth(op) == one.depth
                interval = not interval_must or _values.same(
                    "interval", op.get("interval", "0"), one.interval
                )
                if same and depth and interval:
                    found[number] = op
                    left.remove(op)
                    break
    return found


def _new_operation(root: Element, holder: Element, owner: str, wanted: Operation) -> Element:
    identity = _cib.free_id(root, f"{owner}-{wanted.name}-interval-{wanted.interval}")
    attributes = {"id": identity, "name": wanted.name, "interval": wanted.interval}
    return _tree.add(holder, "op", attributes)


def _operation(root: Element, op: Element, wanted: Operation) -> None:
    if not _values.same("interval", op.get("interval", "0"), wanted.interval):
        op.set("interval", wanted.interval)
    if _role(op.get("role", "")) != _role(wanted.role):
        op.set("role", _cib.role_word(root, wanted.role))
    for name, value in wanted.attributes.items():
        if value is None:
            op.attrib.pop(name, None)
        elif name not in op.attrib or not _values.same(name, op.attrib[name], value):
            op.set(name, value)
    if not wanted.depth:
        _cib.unset_value(op, "instance_attributes", "OCF_CHECK_LEVEL")
    elif _depth(op) != wanted.depth:
        _cib.set_value(root, op, "instance_attributes", "OCF_CHECK_LEVEL", wanted.depth)
