# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Resources and groups: what is declared as a value, and back from the configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _nvpairs, _values
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values

# Classes of agents whose name is one word.
_UNITS = ("systemd", "lsb", "service", "stonith")


@dataclass(frozen=True)
class Operation:
    """One operation of a resource, as the CIB has it."""

    name: str
    interval: str = "0s"
    role: str = ""
    depth: str = ""
    attributes: Values = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this operation and no other; the interval may change."""
        return (self.name, _values.role(self.role), self.depth)


@dataclass(frozen=True)
class Clone:
    """The clone around a resource or a group."""

    id: str
    meta: Values


@dataclass(frozen=True)
class Place:
    """The group a resource belongs to and where in it; or that it belongs to none."""

    id: str
    after: str = ""
    before: str = ""
    present: bool = True


@dataclass(frozen=True)
class Resource:
    """One primitive with everything that is declared about it."""

    id: str
    present: bool = True
    agent: str = ""
    options: Values = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    meta: Values = field(default_factory=dict)
    utilization: Values = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    clone: Clone | None = None
    group: Place | None = None
    bundle: str = ""


@dataclass(frozen=True)
class Group:
    """A group, the order of its members and the clone around it."""

    id: str
    members: tuple[str, ...] = ()
    meta: Values = field(default_factory=dict)
    clone: Clone | None = None
    present: bool = True


def _operation(given: Mapping[str, Any], where: str) -> Operation:
    name = given["name"]
    interval = given.get("interval")
    if interval is None:
        if name == "monitor":
            raise DeclarationInvalid(f"{where}: a monitor needs an interval, for example 10s")
        interval = "0s"
    if _values.microseconds(str(interval)) is None:
        raise DeclarationInvalid(f"{where}.interval: {interval!r} is not a duration such as 10s")
    timeout = given.get("timeout")
    if timeout is not None and _values.microseconds(str(timeout)) is None:
        raise DeclarationInvalid(f"{where}.timeout: {timeout!r} is not a duration such as 60s")
    attributes = _nvpairs.wanted_values(given.get("options"))
    for option, attribute in (("timeout", "timeout"), ("on_fail", "on-fail")):
        if given.get(option) is not None:
            attributes[attribute] = str(given[option])
    depth = given.get("depth")
    return Operation(
        name=name,
        interval=str(interval),
        role=_values.role(given.get("role") or ""),
        depth="" if depth is None else str(depth),
        attributes=attributes,
    )


def _operations(given: Sequence[Mapping[str, Any]], where: str) -> tuple[Operation, ...]:
    found = [_operation(one, f"{where}[{number}]") for number, one in enumerate(given)]
    seen: dict[tuple[str, int | None], int] = {}
    for number, one in enumerate(found):
        # Pacemaker tells the operations of a resource apart by name and interval alone.
        key = (one.name, _values.microseconds(one.interval))
        if key in seen:
            raise DeclarationInvalid(
                f"{where}[{number}]: {one.name} with interval {one.interval} is declared twice"
                f" (also [{seen[key]}]); give each its own interval"
            )
        seen[key] = number
    if len({one.key for one in found}) != len(found):
        raise DeclarationInvalid(f"{where}: two operations have the same name, role and depth")
    return tuple(found)


def wanted_resource(given: Mapping[str, Any], where: str) -> Resource:
    """A resource from the options of a task."""
    identity = given["id"]
    if given.get("state") == "absent":
        return Resource(id=identity, present=False)
    check_name(identity, where)
    options, secrets = _nvpairs.wanted_options(given, where)
    _check_one_home(given, where)
    bundle = given.get("bundle")
    return Resource(
        id=identity,
        agent=_agent(given, where),
        options=options,
        secrets=secrets,
        meta=_nvpairs.wanted_values(given.get("meta")),
        utilization=wanted_utilization(given.get("utilization"), f"{where}.utilization"),
        operations=_operations(given.get("operations") or [], f"{where}.operations"),
        clone=_clone(given.get("clone"), f"{where}.clone"),
        group=_place(given.get("group"), f"{where}.group"),
        bundle=bundle["id"] if bundle else "",
    )


def _agent(given: Mapping[str, Any], where: str) -> str:
    agent = given.get("agent")
    if not agent:
        raise DeclarationInvalid(
            f"{where}.agent: {given['id']} needs an agent, for example ocf:heartbeat:IPaddr2"
        )
    words = agent.split(":")
    known = len(words) == 3 if words[0] == "ocf" else len(words) == 2 and words[0] in _UNITS
    if not known or not all(words):
        raise DeclarationInvalid(
            f"{where}.agent: {agent!r} is none of ocf:provider:type, systemd:unit, lsb:script,"
            " service:name, stonith:agent"
        )
    return str(agent)


def _check_one_home(given: Mapping[str, Any], where: str) -> None:
    group = given.get("group") or {}
    homes = [name for name in ("clone", "group", "bundle") if given.get(name)]
    if group.get("state") == "absent":
        homes.remove("group")
        if group.get("after") or group.get("before"):
            raise DeclarationInvalid(f"{where}.group: state: absent takes no after and no before")
    if homes == ["clone", "group"]:
        raise DeclarationInvalid(
            f"{where}: {given['id']} is declared in a group and in a clone of its own"
        )
    if len(homes) > 1:
        raise DeclarationInvalid(f"{where}: {' and '.join(homes)} exclude each other")
    if group.get("after") and group.get("before"):
        raise DeclarationInvalid(f"{where}.group: after and before exclude each other")


def _clone(given: Mapping[str, Any] | None, where: str) -> Clone | None:
    if not given:
        return None
    check_name(given["id"], where)
    return Clone(given["id"], _nvpairs.wanted_values(given.get("meta")))


def _place(given: Mapping[str, Any] | None, where: str) -> Place | None:
    if not given:
        return None
    present = given.get("state") != "absent"
    if present:
        if not given.get("id"):
            raise DeclarationInvalid(f"{where}.id: the name of the group is needed")
        check_name(given["id"], where)
    return Place(
        given.get("id") or "", given.get("after") or "", given.get("before") or "", present
    )


def wanted_utilization(given: Mapping[str, Any] | None, where: str) -> dict[str, str | None]:
    """What something needs or offers of each capacity."""
    found = _nvpairs.wanted_values(given)
    for name, value in found.items():
        if value is not None and not value.lstrip("+-").isdecimal():
            raise DeclarationInvalid(f"{where}.{name}: {value!r} is not a whole number")
    return found


def wanted_group(given: Mapping[str, Any], where: str) -> Group:
    """A group from the options of a task."""
    if given.get("state") == "absent":
        return Group(given["id"], present=False)
    check_name(given["id"], where)
    members = tuple(given.get("members") or ())
    for number, one in enumerate(members):
        if one in members[:number]:
            raise DeclarationInvalid(
                f"groups.{given['id']}.members[{number}]: {one} is declared twice"
            )
    return Group(
        given["id"],
        members,
        _nvpairs.wanted_values(given.get("meta")),
        _clone(given.get("clone"), f"{where}.clone"),
    )


# --- back ---------------------------------------------------------------------------------------


def declared_resource(element: Element, around: Element | None = None) -> dict[str, Any]:
    """A primitive as it would be declared; around is the element that holds it.

    What operators hold and what is secret is left out; secrets_of names the latter.
    """
    if not element.get("type"):
        raise NotDeclarable("a template")
    found: dict[str, Any] = {"id": element.get("id", ""), "agent": _cib.agent_name(element)}
    for name, tag in (
        ("options", "instance_attributes"),
        ("meta", "meta_attributes"),
        ("utilization", "utilization"),
    ):
        left_out = _cib.OPERATOR_META if name == "meta" else frozenset()
        values = _nvpairs.declared_values(element, tag, left_out)
        if values:
            found[name] = values
    operations = [_declared_operation(one) for one in element.findall("operations/op")]
    if operations:
        found["operations"] = operations
    found.update(_declared_home(around))
    _check_back(wanted_resource, found)
    return found


def _declared_home(around: Element | None) -> dict[str, Any]:
    if around is None or around.tag not in _cib.RESOURCES:
        return {}
    if around.tag in ("clone", "master"):
        return {"clone": _declared_clone(around)}
    return {around.tag: {"id": around.get("id", "")}}


def _declared_clone(element: Element) -> dict[str, Any]:
    meta = _nvpairs.declared_values(element, "meta_attributes", _cib.OPERATOR_META)
    if element.tag == "master":
        meta["promotable"] = "true"
    found: dict[str, Any] = {"id": element.get("id", "")}
    return {**found, "meta": meta} if meta else found


def _declared_operation(op: Element) -> dict[str, Any]:
    rest = {name: value for name, value in op.attrib.items() if name != "id"}
    found: dict[str, Any] = {"name": rest.pop("name", "")}
    interval = rest.pop("interval", "0s")
    if found["name"] == "monitor" or _values.microseconds(interval) != 0:
        found["interval"] = interval
    role = _values.role(rest.pop("role", "Started"))
    if role != "Started":
        found["role"] = role
    for attribute in ("timeout", "on-fail"):
        if attribute in rest:
            found[attribute.replace("-", "_")] = rest.pop(attribute)
    depth = _cib.values(op, "instance_attributes").get("OCF_CHECK_LEVEL")
    if depth is not None:
        if not depth.isdecimal():
            raise NotDeclarable(f"the depth {depth!r} of an operation")
        found["depth"] = int(depth)
    return {**found, "options": rest} if rest else found


def declared_group(element: Element, around: Element | None = None) -> dict[str, Any]:
    """A group as it would be declared; around is the element that holds it."""
    found: dict[str, Any] = {"id": element.get("id", ""), "members": _cib.members(element)}
    meta = _nvpairs.declared_values(element, "meta_attributes", _cib.OPERATOR_META)
    if meta:
        found["meta"] = meta
    if around is not None and around.tag in ("clone", "master"):
        found["clone"] = _declared_clone(around)
    _check_back(wanted_group, found)
    return found


def _check_back(wanted: Any, found: Mapping[str, Any]) -> None:
    """The promise of an export: what it says can be declared."""
    try:
        wanted(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc


def secrets_of(element: Element) -> list[str]:
    """What declared_resource leaves out because nobody may read it."""
    return [f"options.{name}" for name in _nvpairs.secret_names(element)]
