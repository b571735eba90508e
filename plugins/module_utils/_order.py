# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""In which order resources must start, and whether that is a circle. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, Tuple
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values

# An action of a resource.
Step = Tuple[str, str]
# What must come before what, and the id of what says so.
Graph = Dict[Step, Dict[Step, str]]
# What must be in order for one is in the opposite order for the other.
_OPPOSITE = {"stop": "start", "demote": "promote"}


def mandatory(order: Element) -> bool:
    """Whether an order holds always, and not only when both happen at once."""
    if "kind" in order.attrib:
        return order.get("kind") == "Mandatory"
    score = _values.score(order.get("score", "INFINITY"))  # the way of old schemas
    return score is not None and score > 0


def circle(cib: Element) -> tuple[list[str], list[str]]:
    """Resources whose starts wait for each other, and the ids of what makes them wait."""
    graph = _graph(cib)
    done: set[Step] = set()
    for start in graph:
        path = _walk(graph, start, done)
        if path:
            # From the first by name on, so that the same circle is always told in the same words.
            first = path.index(min(path))
            path = [*path[first:-1], *path[: first + 1]]
            said = dict.fromkeys(graph[one][two] for one, two in zip(path, path[1:]))
            constraints = {one.get("id") for one in _cib.constraints(cib)}
            names = [one for one in said if one in constraints]
            return [_text(step) for step in path], names or list(said)
    return [], []


def _text(step: Step) -> str:
    return step[0] if step[1] == "start" else f"{step[1]} of {step[0]}"


def _walk(graph: Graph, start: Step, done: set[Step]) -> list[Step]:
    """A circle that can be reached from start; without recursion, for chains may be long."""
    if start in done:
        return []
    path, on_path = [start], {start}
    ahead = [iter(graph[start])]
    while ahead:
        step = next(ahead[-1], None)
        if step is None:
            ahead.pop()
            on_path.discard(path[-1])
            done.add(path.pop())
        elif step in on_path:
            return [*path[path.index(step) :], step]
        elif step not in done:
            path.append(step)
            on_path.add(step)
            ahead.append(iter(graph.get(step, {})))
    return []


# --- the graph ----------------------------------------------------------------------------------


def _graph(cib: Element) -> Graph:
    graph: Graph = {}

    def add(first: Step, then: Step, why: str) -> None:
        graph.setdefault(first, {}).setdefault(then, why)

    ends = _ends(cib)
    for resource in dict.fromkeys(name for both in ends.values() for name in both):
        add((resource, "start"), (resource, "promote"), resource)
    for group in _cib.configuration(cib).iter("group"):
        members = _cib.members(group)
        if (
            _values.boolean(_cib.values(group, "meta_attributes").get("ordered", "true"))
            is not False
        ):
            for one, two in zip(members, members[1:]):
                add((one, "start"), (two, "start"), group.get("id", ""))
    for order in _cib.constraints(cib):
        # Whatever its kind: optional and serialized orders hold whenever both start at once,
        # which is what a circle comes to. Pacemaker then calls its own transition invalid.
        if order.tag == "rsc_order":
            for first, then in _pairs(order):
                if first[0] in ends and then[0] in ends:
                    last, begin = ends[first[0]][1], ends[then[0]][0]
                    add((last, first[1]), (begin, then[1]), order.get("id", ""))
    return graph


def _ends(cib: Element) -> dict[str, tuple[str, str]]:
    """For each resource the first and the last primitive that start when it starts."""
    found: dict[str, tuple[str, str]] = {}
    for tag in ("primitive", "group", "clone", "master"):
        for one in _cib.configuration(cib).iter(tag):
            inner = [one] if tag == "primitive" else list(one.iter("primitive"))
            if inner:
                found[one.get("id", "")] = (inner[0].get("id", ""), inner[-1].get("id", ""))
    return found


def _pairs(order: Element) -> Iterator[tuple[Step, Step]]:
    """What an order says of starts and promotions, also by what it says of their opposites."""
    symmetrical = _values.boolean(order.get("symmetrical", "true")) is not False
    for first, then in _said(order):
        if {first[1], then[1]} <= {"start", "promote"}:
            yield first, then
        elif symmetrical and {first[1], then[1]} <= set(_OPPOSITE):
            yield (then[0], _OPPOSITE[then[1]]), (first[0], _OPPOSITE[first[1]])


def _said(order: Element) -> Iterator[tuple[Step, Step]]:
    if not order.findall("resource_set"):
        action = order.get("first-action", "start")
        first = (order.get("first", ""), action)
        yield first, (order.get("then", ""), order.get("then-action", action))
        return
    before: list[Step] = []
    for holder in order.findall("resource_set"):
        steps = [(one.get("id", ""), holder.get("action", "start")) for one in holder]
        yield from ((one, two) for one in before for two in steps)
        if _values.boolean(holder.get("sequential", "true")) is not False:
            yield from zip(steps, steps[1:])
        # Where one of a set is enough, none of it is waited for by name.
        enough = _values.boolean(holder.get("require-all", "true")) is False
        before = [] if enough else steps
