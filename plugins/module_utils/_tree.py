# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Edits of an XML tree, and an index that lets a plan look things up without walking it. Pure.

An index lives as long as ``with indexed(tree)``. Inside, whatever comes into the tree or leaves it
goes through add, insert and drop; outside, look-ups walk the tree and any edit will do.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

# Elements whose id is no name of their own: it says which other object they mean.
NAMING = frozenset(("resource_ref", "obj_ref", "role"))


class IndexBroken(RuntimeError):
    """The collection's own code changed an indexed tree behind the back of the index."""


@dataclass
class _Index:
    top: Element
    named: dict[str, Element] = field(default_factory=dict)
    parents: dict[Element, Element] = field(default_factory=dict)

    def enter(self, element: Element) -> None:
        """Take in an element with all that it holds."""
        for one in element.iter():
            identity = one.get("id")
            if identity is not None and one.tag not in NAMING:
                self.named.setdefault(identity, one)
            for child in one:
                self.parents[child] = one

    def leave(self, element: Element) -> None:
        """Forget an element with all that it holds."""
        for one in element.iter():
            self.parents.pop(one, None)
            if self.named.get(one.get("id", "")) is one:
                del self.named[one.get("id", "")]

    def holds(self, element: Element) -> bool:
        """Whether the element is in the tree, and not in a part that is still being built."""
        return element is self.top or element in self.parents


_indexes: list[_Index] = []


@contextlib.contextmanager
def indexed(top: Element) -> Iterator[None]:
    """Look-ups below top cost the same however large the tree is."""
    index = _Index(top)
    index.enter(top)
    _indexes.append(index)
    try:
        yield
    finally:
        _indexes.remove(index)
    _check(index)


def _check(index: _Index) -> None:
    """One walk at the end: a look-up that was answered wrongly must not become a change."""
    fresh = _Index(index.top)
    fresh.enter(index.top)
    strange = [one for one in fresh.parents if one not in index.parents]
    strange += [one for one in index.parents if one not in fresh.parents]
    if strange or fresh.parents != index.parents:
        what = [f"<{one.tag} id={one.get('id')!r}>" for one in strange]
        raise IndexBroken(f"changed without _tree.add, insert or drop: {', '.join(what)}")


def _index_of(top: Element) -> _Index | None:
    return next((one for one in _indexes if one.top is top), None)


def by_id(top: Element, identity: str) -> Element | None:
    """The element below top with this id."""
    index = _index_of(top)
    if index is not None:
        return index.named.get(identity)
    for element in top.iter():
        if element.get("id") == identity and element.tag not in NAMING:
            return element
    return None


def parent_of(top: Element, child: Element) -> Element | None:
    """The element below top that holds child."""
    index = _index_of(top)
    if index is not None:
        return index.parents.get(child)
    for element in top.iter():
        if any(one is child for one in element):
            return element
    return None


def is_taken(top: Element, identity: str) -> bool:
    """Whether something below top has this id; an id may be there only once."""
    return by_id(top, identity) is not None


def add(parent: Element, tag: str, attributes: Mapping[str, str] | None = None) -> Element:
    """A new last child."""
    child = ElementTree.SubElement(parent, tag, dict(attributes or {}))
    _entered(parent, child)
    return child


def insert(parent: Element, position: int, child: Element) -> None:
    """Put an element that is nowhere yet, with all that it holds, into its place."""
    parent.insert(position, child)
    _entered(parent, child)


def drop(parent: Element, child: Element) -> None:
    """Take an element out, with all that it holds."""
    parent.remove(child)
    for index in _indexes:
        if index.parents.get(child) is parent:
            index.leave(child)


def _entered(parent: Element, child: Element) -> None:
    for index in _indexes:
        if index.holds(parent):
            index.parents[child] = parent
            index.enter(child)
