# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Whether the cluster is where it should be, from what crm_mon says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values

PENDING, TIMED_OUT = "193", "2"
EXIT_WORDS = {
    "1": "error",
    "2": "invalid parameter",
    "3": "not implemented",
    "4": "insufficient privileges",
    "5": "not installed",
    "6": "not configured",
    "7": "not running",
    "9": "failed while promoted",
}


@dataclass(frozen=True)
class Waiting:
    """A declared resource that does not run where it should; failed tells the agent's words."""

    resource: str
    why: str
    failed: str = ""


def _true(element: Element, name: str) -> bool:
    return element.get(name) == "true"


def online_nodes(status: Element) -> set[str]:
    """Nodes that are full members of the cluster."""
    return {
        node.get("name", "")
        for node in status.findall("nodes/node")
        if _true(node, "online") and not _true(node, "pending")
    }


def has_controller(status: Element) -> bool:
    """Whether the cluster has elected the node that decides."""
    controller = status.find("summary/current_dc")
    return controller is not None and _true(controller, "present")


def usable_nodes(status: Element) -> list[str]:
    """Nodes on which the cluster may start something."""
    return [
        node.get("name", "")
        for node in status.findall("nodes/node")
        if _true(node, "online")
        and not any(_true(node, name) for name in ("standby", "maintenance", "pending", "unclean"))
    ]


def in_maintenance(status: Element) -> bool:
    """Whether the whole cluster is in maintenance, or stopped on purpose."""
    options = status.find("summary/cluster_options")
    return options is not None and (
        _true(options, "maintenance-mode") or _true(options, "stop-all-resources")
    )


def _quorate(status: Element) -> bool:
    controller = status.find("summary/current_dc")
    return controller is not None and _true(controller, "with_quorum")


def _holders(cib: Element, primitive: Element) -> list[Element]:
    """The resource and what it is in: its group, its clone."""
    chain = [primitive]
    while chain[-1].tag != "resources":
        chain.append(_cib.parent_of(cib, chain[-1]))
    return chain[:-1]


def _meta(cib: Element, chain: Sequence[Element], name: str) -> str:
    """A meta attribute as the primitive inherits it."""
    for element in chain:
        found = _cib.values(element, "meta_attributes").get(name)
        if found is not None:
            return found
    return _cib.section_values(cib, "rsc_defaults", "meta_attributes").get(name, "")


def _held(cib: Element, chain: Sequence[Element]) -> bool:
    """Whether an operator holds the resource: disabled, unmanaged or in maintenance."""
    target = _values.role(_meta(cib, chain, "target-role") or "Started")
    managed = _values.boolean(_meta(cib, chain, "is-managed") or "true")
    maintenance = _values.boolean(_meta(cib, chain, "maintenance") or "false")
    return target in ("Stopped", "Unpromoted") or not managed or bool(maintenance)


def _banned(cib: Element, chain: Sequence[Element], node: str) -> bool:
    """Whether a plain location constraint keeps the resource off the node."""
    ids = {element.get("id") for element in chain}
    return any(
        one.get("rsc") in ids
        and one.get("node") == node
        and not one.get("role")
        and _values.score(one.get("score", "0")) == _values.MINUS_INFINITY
        for one in _cib.constraints(cib)
    )


def _failures(cib: Element, resource: str) -> str:
    """The agents' own words for what went wrong with the resource.

    From the history in the CIB: crm_mon hides agents that cannot run at all ("not installed").
    """
    found = []
    for node in cib.iterfind("status/node_state"):
        for history in node.iterfind("lrm/lrm_resources/lrm_resource"):
            if history.get("id", "").split(":", 1)[0] != resource:
                continue
            for operation in history.findall("lrm_rsc_op"):
                said = _failure(operation)
                text = f"{operation.get('operation')} on {node.get('uname')}: {said}"
                if said and text not in found:
                    found.append(text)
    return "; ".join(found)


def _failure(operation: Element) -> str:
    """What went wrong in one operation of the history, empty when nothing did."""
    code, status = operation.get("rc-code", "0"), operation.get("op-status", "0")
    # A first look that finds nothing running is what it is for.
    probe = operation.get("operation") == "monitor" and operation.get("interval", "0") == "0"
    fine = ("0", "7", "8", PENDING) if probe else ("0", "8", PENDING)
    if status == TIMED_OUT:
        word = "timed out"
    elif code in fine:
        return ""
    else:
        word = EXIT_WORDS.get(code, f"exit code {code}")
    reason = operation.get("exit-reason")
    return f"{word} ({reason})" if reason else word


def waiting(cib: Element, status: Element, resources: Sequence[str]) -> list[Waiting]:
    """The resources that do not run yet though nothing holds them."""
    nodes = usable_nodes(status)
    if in_maintenance(status) or not _quorate(status):
        return []
    found = []
    for identity in resources:
        primitive = _cib.by_id(cib, identity)
        if primitive is None or primitive.tag != "primitive":
            continue
        chain = _holders(cib, primitive)
        allowed = [node for node in nodes if not _banned(cib, chain, node)]
        if _held(cib, chain) or not allowed:
            continue
        why = _lacking(cib, status, chain, allowed)
        if why:
            found.append(Waiting(identity, why, _failures(cib, identity)))
    return found


def _lacking(cib: Element, status: Element, chain: Sequence[Element], nodes: Sequence[str]) -> str:
    identity = chain[0].get("id", "")
    seen = [
        one
        for one in status.iterfind("resources//resource")
        if one.get("id", "").split(":", 1)[0] == identity and not _true(one, "orphaned")
    ]
    roles = [_values.role(one.get("role", "")) for one in seen if _true(one, "active")]
    if any(role in ("Starting", "Stopping", "Promoting", "Demoting") for role in roles) or any(
        one.get("pending") for one in seen
    ):
        return "is on its way"
    top = chain[-1]
    if top.tag in ("clone", "master"):
        missing = min(len(nodes), _number(cib, chain, "clone-max", len(nodes))) - len(roles)
        if missing > 0:
            return f"{missing} of its instances do not run"
        promotable = top.tag == "master" or _values.boolean(_meta(cib, chain, "promotable") or "no")
        if promotable and "Promoted" not in roles:
            return "is promoted nowhere"
        return ""
    return "" if roles else "does not run"


def _number(cib: Element, chain: Sequence[Element], name: str, default: int) -> int:
    text = _meta(cib, chain, name)
    return int(text) if text.isdigit() else default


def parse(text: str) -> Element:
    """The tree of crm_mon's XML."""
    return ElementTree.fromstring(text)
