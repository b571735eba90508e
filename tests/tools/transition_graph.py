# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must happen before what in a transition: proven by its graph, not by one run of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

Action = tuple[str, str, str]


class Graph:
    """The actions of a transition and what each of them waits for."""

    def __init__(self, xml: str) -> None:
        self._inputs: dict[str, set[str]] = {}
        self._actions: dict[Action, set[str]] = {}
        for synapse in ElementTree.fromstring(xml).iter("synapse"):
            inputs = {one.get("id", "") for one in synapse.iterfind("inputs/trigger/*")}
            for one in synapse.iterfind("action_set/*"):
                self._inputs.setdefault(one.get("id", ""), set()).update(inputs)
                self._actions.setdefault(self._name(one), set()).add(one.get("id", ""))

    @staticmethod
    def _name(one: ElementTree.Element) -> Action:
        node, operation = one.get("on_node", ""), one.get("operation", "")
        if one.tag == "crm_event" and operation == "stonith":
            return ("fence", "", node)
        primitive = one.find("primitive")
        resource = "" if primitive is None else primitive.get("id", "").split(":", 1)[0]
        return (operation, resource, node)

    def has(self, operation: str, resource: str, node: str) -> bool:
        """Whether the transition holds the action."""
        return (operation, resource, node) in self._actions

    def actions(self, *operations: str) -> set[Action]:
        """All real actions of these kinds."""
        return {one for one in self._actions if one[0] in operations and one[2]}

    def before(self, first: Action, then: Action) -> bool:
        """Whether then waits, directly or not, for first. Both must be there."""
        if first not in self._actions or then not in self._actions:
            raise AssertionError(f"{first} or {then} is not in the transition")
        seen: set[str] = set()
        todo = list(self._actions[then])
        while todo:
            for one in self._inputs.get(todo.pop(), ()):
                if one not in seen:
                    seen.add(one)
                    todo.append(one)
        return bool(seen & self._actions[first])
