# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What Pacemaker would do: the transition that crm_simulate plans, in words for people. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

# What a client of a running service notices.
DISRUPTIVE = frozenset(("stop", "restart", "move", "demote", "fence"))
_SHOWN = ("start", "stop", "promote", "demote", "reload", "reload-agent", "migrate_to")


@dataclass(frozen=True, order=True)
class Action:
    """One thing that Pacemaker would do; source is where a moving resource comes from."""

    action: str
    resource: str
    node: str
    source: str = ""

    def text(self) -> str:
        """The action as a line."""
        if self.action == "fence":
            return f"fence {self.node}"
        origin = f" from {self.source}" if self.source else ""
        return f"{self.action} {self.resource}{origin} {'to' if origin else 'on'} {self.node}"

    def result(self) -> dict[str, str]:
        """The action as a module returns it."""
        return {name: value for name, value in asdict(self).items() if value}


def _instance(primitive: Element) -> str:
    """The id without the number that Pacemaker gives an instance of a clone."""
    return primitive.get("id", "").split(":", 1)[0]


def actions(graph: str) -> list[Action]:
    """The actions of a transition graph that matter to people, without fence devices' own."""
    done: dict[str, dict[str, list[str]]] = {}
    found: list[Action] = []
    for chosen in ElementTree.fromstring(graph).iter("action_set"):
        for event in chosen.findall("crm_event"):
            if event.get("operation") == "stonith":
                found.append(Action("fence", "", event.get("on_node", "")))
        for operation in chosen.findall("rsc_op"):
            primitive, name = operation.find("primitive"), operation.get("operation", "")
            if primitive is None or name not in _SHOWN:
                continue
            nodes = done.setdefault(_instance(primitive), {}).setdefault(name, [])
            nodes.append(operation.get("on_node", ""))
    for resource, nodes_of in done.items():
        found.extend(_of_resource(resource, nodes_of))
    return sorted(set(found))


def _of_resource(resource: str, nodes_of: dict[str, list[str]]) -> Iterable[Action]:
    """A stop with a start is a restart on the same node and a move between two."""
    stops, starts = list(nodes_of.get("stop", [])), list(nodes_of.get("start", []))
    for node in [one for one in stops if one in starts]:
        stops.remove(node)
        starts.remove(node)
        yield Action("restart", resource, node)
    while stops and starts:
        yield Action("move", resource, starts.pop(0), stops.pop(0))
    for name, nodes in (("stop", stops), ("start", starts)):
        for node in nodes:
            yield Action(name, resource, node)
    for name, shown in (("promote", "promote"), ("demote", "demote"), ("migrate_to", "move")):
        for node in nodes_of.get(name, []):
            yield Action(shown, resource, node)
    for node in nodes_of.get("reload", []) + nodes_of.get("reload-agent", []):
        yield Action("reload", resource, node)


def interruptions(
    planned: Sequence[Action], anyway: Sequence[Action], fence_devices: Iterable[str]
) -> list[Action]:
    """What the change would interrupt, beyond what the cluster is about to do anyway.

    A fence device serves nobody, so that its restart interrupts nothing.
    """
    ignored = set(fence_devices)
    return [
        one
        for one in planned
        if one.action in DISRUPTIVE and one not in anyway and one.resource not in ignored
    ]
