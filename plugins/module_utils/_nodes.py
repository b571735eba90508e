# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Attributes and capacities of nodes: declared, read, brought there in place. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _nvpairs
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    ReferenceMissing,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values
from ansible_collections.kwdb.ha.plugins.module_utils._resources import wanted_utilization

_REMEDY = {
    "standby": "pcs node standby and unstandby",
    "maintenance": "pcs node maintenance and unmaintenance",
}


@dataclass(frozen=True)
class Node:
    """What is declared about one node."""

    name: str
    attributes: Values = field(default_factory=dict)
    utilization: Values = field(default_factory=dict)


def wanted_node(given: Mapping[str, Any], where: str) -> Node:
    """A node from the options of a task."""
    attributes = _nvpairs.open_values(
        given.get("attributes"), f"{where}.attributes", "a node attribute"
    )
    for name in sorted(_cib.OPERATOR_NODE & set(attributes)):
        raise DeclarationInvalid(
            f"{where}.attributes.{name}: it is what operators switch, and no declaration changes"
            f" it; use {_REMEDY[name]}"
        )
    utilization = wanted_utilization(given.get("utilization"), f"{where}.utilization")
    return Node(given["name"], attributes, utilization)


def declared_node(element: Element) -> dict[str, Any]:
    """A node as it would be declared; NotDeclarable when there is nothing to declare."""
    found: dict[str, Any] = {}
    for name, tag in (("attributes", "instance_attributes"), ("utilization", "utilization")):
        values = _nvpairs.declared_values(element, tag, _cib.OPERATOR_NODE)
        if values:
            found[name] = values
    if not found:
        raise NotDeclarable("no attributes")
    found = {"name": element.get("uname", ""), **found}
    try:
        wanted_node(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    return found


def named(root: Element) -> dict[str, Element]:
    """The nodes of the cluster by their names."""
    found = _cib.configuration(root).findall("nodes/node")
    return {one.get("uname", ""): one for one in found}


def bring(root: Element, wanted: Node, lenient: bool) -> None:
    """Bring one node to what is declared."""
    there = named(root)
    found = there.get(wanted.name)
    if found is None:
        if lenient:
            return
        raise ReferenceMissing(
            f"nodes.{wanted.name}: there is no such node (nodes: {', '.join(sorted(there))})"
        )
    # The names that Pacemaker's own crm_attribute gives these sets.
    stem = f"nodes-{found.get('id')}"
    _nvpairs.bring(root, found, "instance_attributes", wanted.attributes, set_id=stem)
    _nvpairs.bring(root, found, "utilization", wanted.utilization, set_id=f"{stem}-utilization")
