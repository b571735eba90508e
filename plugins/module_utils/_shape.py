# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Elements as they should be: compared by what they mean, brought there in place. Pure.

For the parts of a configuration that are small trees of their own (rules, sets of resources,
recipients, permissions). What is generated, ids above all, means nothing and is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Union
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _tree, _values

NAMING = _tree.NAMING
# Elements that have no id at all.
ANONYMOUS = frozenset(
    (
        "docker",
        "network",
        "podman",
        "rkt",
        "select",
        "select_attributes",
        "select_fencing",
        "select_nodes",
        "select_resources",
        "storage",
    )
)
# Elements whose children mean the same in any order.
UNORDERED = frozenset(
    (
        "acl_group",
        "acl_role",
        "acl_target",
        "instance_attributes",
        "meta_attributes",
        "network",
        "rsc_ticket",
        "rule",
        "select",
        "select_attributes",
        "storage",
        "tag",
        "utilization",
    )
)
# What Pacemaker takes for an attribute that is not there (its schemas and Pacemaker Explained).
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "rsc_location": {"role": "Started", "resource-discovery": "always"},
    "rsc_colocation": {
        "rsc-role": "Started",
        "with-rsc-role": "Started",
        "node-attribute": "#uname",
        "score": "0",
    },
    "rsc_order": {"first-action": "start", "require-all": "true"},
    "rsc_ticket": {"rsc-role": "Started"},
    "resource_set": {"sequential": "true", "require-all": "true", "role": "Started"},
    "rule": {"boolean-op": "and", "role": "Started"},
    "expression": {"value-source": "literal"},
}
_ROLES = ("role", "rsc-role", "with-rsc-role")
_BOOLEANS = ("symmetrical", "sequential", "require-all", "promotable", "influence")


@dataclass(frozen=True)
class Shape:
    """An element as it should be; no id unless it names another object."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Shape, ...] = ()


Tree = Union[Element, Shape]


def canonical(name: str, value: str) -> str:
    """One spelling for all that Pacemaker takes for the same value of an attribute."""
    if name in _ROLES:
        return _values.role(value)
    if name in _BOOLEANS:
        return str(_values.boolean(value))
    if name == "score":
        return str(_values.score(value))
    if name == "interval":
        return str(_values.microseconds(value))
    return value


def _location(full: dict[str, str], tree: Tree, within: str) -> None:
    # Beside a rule, Pacemaker asks the rule for the role.
    if any(one.tag == "rule" for one in _children(tree)):
        full.pop("role")


def _order(full: dict[str, str], tree: Tree, within: str) -> None:
    full.setdefault("then-action", full["first-action"])
    score = full.pop("score", "1")  # how Pacemaker 1.0 told the kinds apart
    full.setdefault("kind", "Mandatory" if _values.score(score) else "Optional")
    # Such an order has no reverse, whatever else is said.
    serial = full["kind"] == "Serialize"
    full["symmetrical"] = "false" if serial else full.get("symmetrical", "true")


def _ticket(full: dict[str, str], tree: Tree, within: str) -> None:
    sets = [one for one in _children(tree) if one.tag == "resource_set"]
    roles = {attributes_of(one)["role"] for one in sets} or {_values.role(full["rsc-role"])}
    # With sets of both sorts, what is absent says something else for each.
    if len({role == "Promoted" for role in roles}) == 1:
        full.setdefault("loss-policy", "demote" if "Promoted" in roles else "stop")


def _rule(full: dict[str, str], tree: Tree, within: str) -> None:
    # Only the rule of a location has a score and a role; older schemas want a score of each.
    if within != "rsc_location":
        for name in ("score", "score-attribute", "role"):
            full.pop(name, None)
    if len(_children(tree)) == 1:
        full.pop("boolean-op")


def _set(full: dict[str, str], tree: Tree, within: str) -> None:
    if within != "rsc_order":
        full.pop("action", None)
    if within == "rsc_ticket":
        full.pop("sequential")
        full.pop("require-all")


def _port(full: dict[str, str], tree: Tree, within: str) -> None:
    if "port" in full:
        full.setdefault("internal-port", full["port"])


# What an attribute means can depend on the others, on the children, and on what is around.
_DEPENDS: Mapping[str, Callable[[dict[str, str], Tree, str], None]] = {
    "rsc_location": _location,
    "rsc_order": _order,
    "rsc_ticket": _ticket,
    "rule": _rule,
    "resource_set": _set,
    "port-mapping": _port,
}


def attributes_of(tree: Tree, within: str = "") -> dict[str, str]:
    """Attributes as Pacemaker takes them: defaults filled in, one spelling, no generated id.

    Within is the tag of the element around it.
    """
    given = tree.attrib if isinstance(tree, Element) else tree.attributes
    full = {**DEFAULTS.get(tree.tag, {}), **given}
    if tree.tag not in NAMING:
        full.pop("id", None)
    if tree.tag in _DEPENDS:
        _DEPENDS[tree.tag](full, tree, within)
    return {name: canonical(name, value) for name, value in full.items()}


def _children(tree: Tree) -> list[Tree]:
    return list(tree) if isinstance(tree, Element) else list(tree.children)


def _is_unordered(tree: Tree, within: str) -> bool:
    if tree.tag == "resource_set":
        return within == "rsc_ticket" or attributes_of(tree, within)["sequential"] == "False"
    return tree.tag in UNORDERED


def meaning(tree: Tree, within: str = "") -> tuple[Any, ...]:
    """What an element means; two elements with the same meaning differ in nothing that matters."""
    children = [meaning(one, tree.tag) for one in _children(tree)]
    if _is_unordered(tree, within):
        children.sort(key=repr)
    return (tree.tag, sorted(attributes_of(tree, within).items()), children)


def build(root: Element, parent: Element, wanted: Shape, identity: str = "") -> Element:
    """A new last child of parent in the wanted shape; identity is its id when it is declared."""
    made = _tree.add(parent, wanted.tag, _new_attributes(root, parent, wanted, identity))
    for child in wanted.children:
        build(root, made, child)
    return made


def _new_attributes(root: Element, parent: Element, wanted: Shape, identity: str) -> dict[str, str]:
    found = {}
    if wanted.tag not in NAMING | ANONYMOUS:
        name = wanted.attributes.get("name") or wanted.tag
        found["id"] = identity or _cib.free_id(root, f"{_stem(root, parent)}-{name}")
    for name, value in wanted.attributes.items():
        found[name] = _written(root, name, value)
    return found


def _stem(root: Element, parent: Element) -> str:
    """What the generated ids in an element begin with: the nearest name around."""
    while parent.tag in ANONYMOUS:
        parent = _cib.parent_of(root, parent)
    return parent.get("id") or parent.tag


def bring(root: Element, found: Element, wanted: Shape, within: str = "") -> None:
    """Bring an element to the wanted shape; what already means the same is not touched."""
    if meaning(found, within) == meaning(wanted, within):
        return
    # The children first: what an attribute means can depend on them.
    bring_children(root, found, wanted, within)
    # Twice: an attribute that is absent can mean what another one says.
    for _round in range(2):
        now, then = attributes_of(found, within), attributes_of(wanted, within)
        for name in sorted(set(now) | set(then)):
            if now.get(name) != then.get(name):
                _bring_attribute(root, found, wanted, name)
    if attributes_of(found, within) != attributes_of(wanted, within):
        # An old way to say it stands in the way.
        for name in [one for one in found.attrib if one != "id"]:
            del found.attrib[name]
        for name in wanted.attributes:
            _bring_attribute(root, found, wanted, name)


def _bring_attribute(root: Element, found: Element, wanted: Shape, name: str) -> None:
    value = wanted.attributes.get(name)
    if value is None:
        found.attrib.pop(name, None)
    else:
        found.set(name, _written(root, name, value))


def bring_children(root: Element, found: Element, wanted: Shape, within: str = "") -> None:
    """Bring what an element holds to the wanted children; its own attributes stay."""
    left, there = list(found), {}
    # What means the same is found first, or another child would take its element and its id.
    for search in (_meant, _alike):
        for number, child in enumerate(wanted.children):
            one = None if number in there else search(left, child, wanted.tag)
            if one is not None:
                left.remove(one)
                there[number] = one
    kept = []
    for number, child in enumerate(wanted.children):
        if number in there:
            bring(root, there[number], child, wanted.tag)
        kept.append(there[number] if number in there else build(root, found, child))
    for one in left:
        _tree.drop(found, one)
    if list(found) != kept and not _is_unordered(wanted, within):
        found[:] = kept


def _meant(left: list[Element], wanted: Shape, within: str) -> Element | None:
    """The child that means the same."""
    for one in left:
        if one.tag == wanted.tag and meaning(one, within) == meaning(wanted, within):
            return one
    return None


def _alike(left: list[Element], wanted: Shape, within: str) -> Element | None:
    """The child that becomes the wanted one: it has its name, or its place."""
    same = [one for one in left if one.tag == wanted.tag]
    name = wanted.attributes.get("name")
    if name is not None:
        return next((one for one in same if one.get("name") == name), None)
    return None if wanted.tag in NAMING else next(iter(same), None)


def _written(root: Element, name: str, value: str) -> str:
    return _cib.role_word(root, value) if name in _ROLES else value
