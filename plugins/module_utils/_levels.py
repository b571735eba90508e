# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Fencing levels: declared, read, brought there in place. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _nodes, _tree
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    ReferenceMissing,
)

# Options and attributes by which a level says which nodes it is for.
_TARGETS = {
    "target": "target",
    "target_pattern": "target-pattern",
    "target_attribute": "target-attribute",
    "target_value": "target-value",
}
_WAYS = (("target",), ("target_pattern",), ("target_attribute", "target_value"))


@dataclass(frozen=True)
class FencingLevel:
    """One level: target holds the attributes that say for which nodes."""

    target: tuple[tuple[str, str], ...]
    level: int
    devices: tuple[str, ...] = ()
    present: bool = True

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], int]:
        """What makes it this level and no other."""
        return (self.target, self.level)

    @property
    def text(self) -> str:
        """The level in words."""
        return f"level {self.level} of {'='.join(value for _name, value in self.target)}"


def wanted_fencing_level(given: Mapping[str, Any], where: str) -> FencingLevel:
    """A fencing level from the options of a task."""
    said = tuple(name for name in _TARGETS if given.get(name))
    if said not in _WAYS:
        raise DeclarationInvalid(
            f"{where}: one of target, target_pattern and target_attribute with target_value"
            " is needed"
        )
    target = tuple((_TARGETS[name], str(given[name])) for name in said)
    level = given.get("level")
    if not isinstance(level, int) or not 1 <= level <= 9:
        raise DeclarationInvalid(f"{where}.level: it is a number from 1 to 9")
    if given.get("state") == "absent":
        return FencingLevel(target, level, present=False)
    devices = tuple(str(one) for one in given.get("devices") or ())
    if not devices:
        raise DeclarationInvalid(f"{where}.devices: a level needs one fence device or more")
    for number, one in enumerate(devices):
        if not re.fullmatch(r"[a-zA-Z0-9_.-]+", one) or one in devices[:number]:
            raise DeclarationInvalid(
                f"{where}.devices[{number}]: {one!r} is there twice or cannot be a fence device"
            )
    return FencingLevel(target, level, devices)


def key_of(element: Element) -> tuple[tuple[tuple[str, str], ...], int]:
    """What makes an element of the configuration this level and no other."""
    target = tuple((name, element.attrib[name]) for name in _TARGETS.values() if element.get(name))
    index = element.get("index", "")
    return (target, int(index) if index.isdecimal() else 0)


def declared_fencing_level(element: Element) -> dict[str, Any]:
    """A fencing level as it would be declared."""
    found: dict[str, Any] = {
        name: element.attrib[attribute]
        for name, attribute in _TARGETS.items()
        if element.get(attribute)
    }
    found["level"] = key_of(element)[1]
    found["devices"] = _devices(element)
    try:
        wanted_fencing_level(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    return found


def _devices(element: Element) -> list[str]:
    return [one for one in element.get("devices", "").split(",") if one]


def levels(root: Element) -> list[Element]:
    """The fencing levels of the cluster."""
    return _cib.configuration(root).findall("fencing-topology/fencing-level")


def remove(root: Element, gone: FencingLevel) -> None:
    """Take a level away."""
    for one in levels(root):
        if key_of(one) == gone.key:
            _tree.drop(_cib.parent_of(root, one), one)


def bring(root: Element, wanted: FencingLevel, lenient: bool) -> None:
    """Bring one level to what is declared."""
    there = [one for one in levels(root) if key_of(one) == wanted.key]
    devices = list(wanted.devices)
    if len(there) == 1 and _devices(there[0]) == devices:
        return
    _check(root, wanted, lenient)
    if not there:
        identity = _cib.free_id(root, f"fl-{'-'.join(v for _n, v in wanted.target)}-{wanted.level}")
        found = _tree.add(_cib.section(root, "fencing-topology"), "fencing-level")
        found.attrib.update(id=identity, **dict(wanted.target), index=str(wanted.level))
    else:
        found = there[0]
    found.set("devices", ",".join(devices))
    # Pacemaker adds up the devices of all elements that are for the same level.
    for one in there[1:]:
        _tree.drop(_cib.parent_of(root, one), one)


def _check(root: Element, wanted: FencingLevel, lenient: bool) -> None:
    for one in wanted.devices:
        found = _cib.by_id(root, one)
        if found is None and not lenient:
            raise ReferenceMissing(f"fencing_levels: {wanted.text}: there is no fence device {one}")
        if found is not None and found.get("class") != "stonith":
            raise DeclarationInvalid(
                f"fencing_levels: {wanted.text}: {one} is no fence device; its agent is"
                f" {_cib.agent_name(found) or f'a <{found.tag}>'}"
            )
    node, known = dict(wanted.target).get("target"), _nodes.named(root)
    remote = node is not None and _cib.by_id(root, node) is not None
    if node is not None and known and node not in known and not remote and not lenient:
        raise ReferenceMissing(
            f"fencing_levels: there is no node {node} (nodes: {', '.join(sorted(known))})"
        )
