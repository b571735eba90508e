# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Whether declared resources surely are where they should be, from a CIB that was read anyway.

It spares an unchanged run every further question. It answers yes only beyond doubt: nothing is
pending, nothing has failed since it last ran, every instance is there. Pure.
"""

from __future__ import annotations

from typing import Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values

RUNNING, PROMOTED, STOPPED = "Started", "Promoted", "Stopped"
# What an operation that went well leaves behind, by its name and its exit code.
_LEAVES = {
    ("start", "0"): RUNNING,
    ("promote", "0"): PROMOTED,
    ("demote", "0"): RUNNING,
    ("migrate_from", "0"): RUNNING,
    ("stop", "0"): STOPPED,
    ("migrate_to", "0"): STOPPED,
    ("monitor", "0"): RUNNING,
    ("monitor", "7"): STOPPED,
    ("monitor", "8"): PROMOTED,
}
# They say nothing about where the resource is.
_SILENT = frozenset(("notify", "cancel", "meta-data", "validate-all", "reload", "reload-agent"))


class _Doubt(Exception):
    """The history does not say enough."""


def at_rest(cib: Element, wanted: Sequence[str]) -> bool:
    """Whether every wanted resource surely is where it should be."""
    if not wanted:
        return True
    if _values.boolean(cib.get("have-quorum", "")) is not True:
        return False
    parents = {one: owner for owner in _cib.configuration(cib).iter() for one in owner}
    there = {one.get("id", ""): one for one in parents if one.tag == "primitive"}
    try:
        histories = _histories(cib)
        return all(
            _placed(there[one], parents, [_state(history) for history in histories.get(one, [])])
            for one in wanted
        )
    except (_Doubt, KeyError):
        return False


def _histories(cib: Element) -> dict[str, list[Element]]:
    """For each resource its history on each node; a doubt when a node is not a full member."""
    found: dict[str, list[Element]] = {}
    for node in cib.iterfind("status/node_state"):
        joined = node.get("join") == node.get("expected") == "member"
        # Since Pacemaker 2.1.7 these two are the times of joining, 0 for never.
        online = node.get("in_ccm", "0") not in ("false", "0")
        online = online and node.get("crmd", "0") not in ("offline", "0")
        if not joined or not online:
            raise _Doubt
        for history in node.iterfind("lrm/lrm_resources/lrm_resource"):
            found.setdefault(history.get("id", "").split(":", 1)[0], []).append(history)
    return found


def _call(operation: Element) -> int:
    call, code = operation.get("call-id", ""), operation.get("rc-code")
    # -1 and 193 are operations that are still going on.
    if not call.isdigit() or operation.get("op-status", "0") == "-1" or code == "193":
        raise _Doubt
    return int(call)


def _state(history: Element) -> str:
    """What the latest operations of a resource on one node say together."""
    spoken = [one for one in history.findall("lrm_rsc_op") if one.get("operation") not in _SILENT]
    calls = {id(one): _call(one) for one in spoken}
    once = [one for one in spoken if one.get("interval", "0") == "0"]
    if not once:
        raise _Doubt
    last = max(calls[id(one)] for one in once)
    state = _after([one for one in once if calls[id(one)] == last])
    # A monitor that is older than the last start or stop watched an earlier life.
    watch = [one for one in spoken if calls[id(one)] > last]
    if any(_after([one]) == STOPPED for one in watch):
        raise _Doubt
    return state


def _after(operations: Sequence[Element]) -> str:
    """What operations with one number leave; a doubt when they failed or contradict."""
    left = {
        _LEAVES.get((one.get("operation", ""), one.get("rc-code", "")), "")
        if one.get("op-status", "0") == "0"
        else ""
        for one in operations
    }
    if len(left) != 1 or "" in left:
        raise _Doubt
    return left.pop()


def _placed(primitive: Element, parents: dict[Element, Element], states: list[str]) -> bool:
    """Whether a resource runs as often as it can and is promoted when it should be."""
    chain = [primitive]
    while chain[-1].tag != "resources":
        chain.append(parents[chain[-1]])
    top = chain[-2]
    running = [one for one in states if one != STOPPED]
    if top.tag in ("primitive", "group"):
        return len(running) == 1
    if top.tag not in ("clone", "master"):
        return False
    meta = _cib.values(top, "meta_attributes")
    # Without a number there is one instance on each node, and every node here is a member.
    nodes = len(parents[parents[top]].findall("nodes/node"))
    limit = meta.get("clone-max", str(nodes))
    if not limit.isdigit() or len(running) < min(nodes, int(limit)):
        return False
    promotable = top.tag == "master" or _values.boolean(meta.get("promotable", "no"))
    return not promotable or PROMOTED in running
