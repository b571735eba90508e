# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What the cluster and DRBD say about the pair, as values; reads, never writes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values, _watchdog
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import State, read_state
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_info import state_report

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

_T = TypeVar("_T")

# Pacemaker's tools end with this when no cluster runs on the host.
NOT_CONNECTED = 102
# crm_mon before 2.0.3 does not know --output-as and says so with the usage exit code.
USAGE = 64

# Pacemaker before 2.1 says Master and Slave, Pacemaker 3 takes only the new words.
_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}
_TRUE = {"true", "on", "yes", "y", "1"}


class PairUnreadable(Exception):
    """A tool answered with something that is not what it documents."""


@dataclass(frozen=True)
class Names:
    """What the parts of the pair are called in this cluster."""

    clone: str = "KaiwuData-clone"
    group: str = "KaiwuDBGrp"
    drbd_resource: str = "kwdb"


@dataclass(frozen=True)
class Node:
    """One host as the cluster sees it."""

    name: str
    # Corosync's number of it.
    id: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool
    unclean: bool
    shutdown: bool = False


@dataclass(frozen=True)
class Instance:
    """One instance of a resource: a clone has one on each host, everything else has one."""

    resource: str
    agent: str
    parent: str
    role: str
    nodes: tuple[str, ...]
    active: bool
    managed: bool
    failed: bool
    blocked: bool
    orphaned: bool
    pending: str = ""


@dataclass(frozen=True)
class Failure:
    """An action that failed and was not cleaned up."""

    operation: str
    node: str
    status: str
    reason: str
    when: str


@dataclass(frozen=True)
class Status:
    """The live state, from crm_mon."""

    version: tuple[int, ...]
    controller: str
    quorate: bool
    nodes: dict[str, Node]
    instances: tuple[Instance, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Location:
    """A location constraint that people, tools or DRBD's fence handler put there."""

    id: str
    resource: str
    expires: datetime | None = None


@dataclass(frozen=True)
class Cib:
    """The configuration, from the CIB; option values stay out, they may be secret."""

    quorate: bool
    schema: tuple[int, int]
    properties: dict[str, str]
    resources: dict[str, str]
    fence_devices: dict[str, str]
    fence_targets: dict[str, tuple[str, ...]]
    members: tuple[str, ...]
    clone_primitive: str
    operator_locations: tuple[Location, ...]
    drbd_locations: tuple[Location, ...]
    target_roles: dict[str, str]
    unmanaged: tuple[str, ...]
    fail_counts: dict[str, str]
    # The hosts for which the cluster knows how good a promotion of the clone is there.
    promotable: tuple[str, ...] = ()
    # When the cluster last did anything with the clone there, a monitor that says the same as before not counted.
    clone_acted: dict[str, datetime] = field(default_factory=dict)
    # Actions whose result the cluster waits for.
    under_way: tuple[str, ...] = ()
    vip: str = ""
    device: str = ""
    directory: str = ""
    # Whether the file system's agent ends what keeps it busy, in the words of its option.
    force_unmount: str = "true"
    unit: str = ""
    # Seconds that the cluster waits for the database to stop.
    stop_timeout_s: float | None = None


@dataclass(frozen=True)
class Pair:
    """All that one look at the pair from one host tells."""

    host: str
    cib: Cib | None = None
    status: Status | None = None
    drbd: State | None = None
    installed: bool = True

    @property
    def active(self) -> str:
        """The host that holds the promoted role, or nothing."""
        return promoted_node(self.status, self.cib) if self.status and self.cib else ""


def known(value: _T | None) -> _T:
    """A value that the caller has made sure of; its absence is a fault in this code."""
    if value is None:
        raise AssertionError("a part of the pair's state is used before it was read")
    return value


def is_true(value: str | None) -> bool:
    """Pacemaker's idea of true."""
    return (value or "").strip().lower() in _TRUE


def role_word(word: str) -> str:
    """The role in today's words."""
    return _ROLES.get(word, word)


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version such as 2.1.5-a3f44794f94."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _element(xml: str, tool: str) -> ET.Element:
    """The root of a tool's XML."""
    try:
        return ET.fromstring(xml)
    except ET.ParseError as exc:
        raise PairUnreadable(f"{tool} did not answer with XML: {exc}") from exc


def _nvpairs(parent: ET.Element | None, kind: str) -> dict[str, str]:
    """The name-value pairs in all sets of one kind directly below an element."""
    if parent is None:
        return {}
    pairs = parent.findall(f"./{kind}/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _agent(primitive: ET.Element) -> str:
    """class:provider:type of a primitive."""
    parts = (primitive.get("class"), primitive.get("provider"), primitive.get("type"))
    return ":".join(part for part in parts if part)


def _moment(text: str) -> datetime | None:
    """The end of a constraint's life, as crm_resource writes it."""
    for form in ("%Y-%m-%d %H:%M:%SZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    return None


def _location(element: ET.Element) -> Location:
    """A location constraint with the end of its life, if it has one."""
    end = element.find(".//date_expression[@operation='lt']")
    return Location(
        element.get("id", ""),
        element.get("rsc", ""),
        _moment(end.get("end", "")) if end is not None else None,
    )


def _targets(device: ET.Element) -> tuple[str, ...]:
    """The hosts that a fence device can fence, none when it finds out by itself."""
    options = _nvpairs(device, "instance_attributes")
    listed = re.split(r"[\s,;]+", options.get("pcmk_host_list", ""))
    mapped = [pair.split(":")[0] for pair in re.split(r"[\s;]+", options.get("pcmk_host_map", ""))]
    return tuple(sorted({name for name in (*listed, *mapped) if name}))


def _fail_counts(root: ET.Element) -> dict[str, str]:
    """Fail counts by "attribute on host"."""
    counts = {}
    for state in root.findall("./status/node_state"):
        for pair in state.findall("./transient_attributes/instance_attributes/nvpair"):
            if pair.get("name", "").startswith("fail-count-"):
                counts[f"{pair.get('name')} on {state.get('uname')}"] = pair.get("value", "")
    return counts


def _promotable(root: ET.Element, primitive: str) -> tuple[str, ...]:
    """The hosts with a promotion score of a clone's primitive, which its agent gives them."""
    return tuple(
        state.get("uname", "")
        for state in root.findall("./status/node_state")
        for pair in state.findall("./transient_attributes/instance_attributes/nvpair")
        if pair.get("name", "").split(":")[0] == f"master-{primitive}"
    )


def _acted(root: ET.Element, primitive: str) -> dict[str, datetime]:
    """When each host's history has the last action on a clone's primitive, by the clock of that host."""
    acted = {}
    for state in root.findall("./status/node_state"):
        moments = [
            int(action.get("last-rc-change", ""))
            for resource in state.findall("./lrm/lrm_resources/lrm_resource")
            if resource.get("id", "").split(":")[0] == primitive
            for action in resource.findall("lrm_rsc_op")
            if action.get("last-rc-change", "").isdecimal()
        ]
        if moments:
            acted[state.get("uname", "")] = datetime.fromtimestamp(max(moments), timezone.utc)
    return acted


def _under_way(root: ET.Element) -> tuple[str, ...]:
    """Actions that began and have no result yet; of a recurring one that is the first run."""
    return tuple(
        f"{action.get('operation_key')} on {state.get('uname')}"
        for state in root.findall("./status/node_state")
        for action in state.findall("./lrm/lrm_resources/lrm_resource/lrm_rsc_op")
        if action.get("op-status") == "-1"
    )


def parse_cib(xml: str, names: Names) -> Cib:
    """The parts of the configuration that say how the pair should be."""
    root = _element(xml, "cibadmin")
    configuration = root.find("configuration")
    if configuration is None:
        raise PairUnreadable("cibadmin's answer has no configuration section")
    primitives = {one.get("id", ""): one for one in configuration.findall("./resources//primitive")}
    group = configuration.find(f"./resources/group[@id='{names.group}']")
    clone = configuration.find(f"./resources/clone[@id='{names.clone}']/primitive")
    members = [] if group is None else group.findall("primitive")
    options: dict[str, dict[str, str]] = {}
    for member in members:
        options[member.get("type", "")] = _nvpairs(member, "instance_attributes")
    holders = [one for one in configuration.findall("./resources//*") if one.get("id")]
    metas = {one.get("id", ""): _nvpairs(one, "meta_attributes") for one in holders}
    locations = [_location(one) for one in configuration.findall("./constraints/rsc_location")]
    properties: dict[str, str] = {}
    for pair in configuration.findall("./crm_config/cluster_property_set/nvpair"):
        properties.setdefault(pair.get("name", ""), pair.get("value", ""))
    schema = version_of(root.get("validate-with", "").replace("pacemaker-", ""))
    units = [(one, _cib.unit_of(_agent(one), options[one.get("type", "")])) for one in members]
    database, unit = next((one for one in units if one[1]), (None, ""))
    return Cib(
        quorate=is_true(root.get("have-quorum")),
        schema=(schema[0], schema[1]) if len(schema) > 1 else (0, 0),
        properties=properties,
        resources={name: _agent(one) for name, one in primitives.items()},
        fence_devices={
            name: one.get("type", "")
            for name, one in primitives.items()
            if one.get("class") == "stonith"
        },
        fence_targets={
            name: _targets(one) for name, one in primitives.items() if one.get("class") == "stonith"
        },
        members=tuple(one.get("id", "") for one in members),
        clone_primitive="" if clone is None else clone.get("id", ""),
        operator_locations=tuple(one for one in locations if one.id.startswith("cli-")),
        drbd_locations=tuple(one for one in locations if one.id.startswith("drbd-fence-by-")),
        target_roles={
            name: role_word(meta["target-role"])
            for name, meta in metas.items()
            if role_word(meta.get("target-role", "Started")) not in ("Started", "Promoted")
        },
        unmanaged=tuple(
            name
            for name, meta in metas.items()
            if ("is-managed" in meta and not is_true(meta["is-managed"]))
            or is_true(meta.get("maintenance"))
        ),
        fail_counts=_fail_counts(root),
        promotable=() if clone is None else _promotable(root, clone.get("id", "")),
        clone_acted={} if clone is None else _acted(root, clone.get("id", "")),
        under_way=_under_way(root),
        vip=options.get("IPaddr2", {}).get("ip", ""),
        device=options.get("Filesystem", {}).get("device", ""),
        directory=options.get("Filesystem", {}).get("directory", ""),
        force_unmount=options.get("Filesystem", {}).get("force_unmount", "true"),
        unit=unit,
        stop_timeout_s=_stop_timeout(database),
    )


def _stop_timeout(primitive: ET.Element | None) -> float | None:
    """Seconds that the cluster waits for a resource to stop, when it says so."""
    stop = None if primitive is None else primitive.find("./operations/op[@name='stop']")
    found = None if stop is None else _values.microseconds(stop.get("timeout", ""))
    return None if found is None else found / 1e6


def _instance(element: ET.Element, parent: str) -> Instance:
    """One resource element of crm_mon."""
    return Instance(
        resource=element.get("id", "").split(":")[0],
        agent=element.get("resource_agent", ""),
        parent=parent,
        role=role_word(element.get("role", "")),
        nodes=tuple(node.get("name", "") for node in element.findall("node")),
        active=is_true(element.get("active")),
        managed=is_true(element.get("managed", "true")),
        failed=is_true(element.get("failed")) and not is_true(element.get("failure_ignored")),
        blocked=is_true(element.get("blocked")),
        orphaned=is_true(element.get("orphaned")),
        pending=element.get("pending", ""),
    )


def parse_status(xml: str) -> Status:
    """The live state from crm_mon's XML of any version."""
    root = _element(xml, "crm_mon")
    controller = root.find("./summary/current_dc")
    resources = root.find("resources")
    instances: list[Instance] = []
    for element in [] if resources is None else list(resources):
        if element.tag == "resource":
            instances.append(_instance(element, ""))
        else:
            parent = element.get("id", "")
            instances.extend(_instance(one, parent) for one in element.iter("resource"))
    present = controller is not None and is_true(controller.get("present"))
    return Status(
        version=version_of(controller.get("version", "") if controller is not None else ""),
        controller=controller.get("name", "") if controller is not None and present else "",
        quorate=controller is not None and is_true(controller.get("with_quorum")),
        nodes={
            node.get("name", ""): Node(
                name=node.get("name", ""),
                id=node.get("id", ""),
                online=is_true(node.get("online")),
                standby=is_true(node.get("standby")),
                maintenance=is_true(node.get("maintenance")),
                pending=is_true(node.get("pending")),
                unclean=is_true(node.get("unclean")),
                shutdown=is_true(node.get("shutdown")),
            )
            for node in root.findall("./nodes/node")
        },
        instances=tuple(instances),
        failures=tuple(
            Failure(
                operation=one.get("op_key", "") or one.get("id", ""),
                node=one.get("node", ""),
                status=one.get("exitstatus", ""),
                reason=one.get("exitreason", ""),
                when=one.get("last-rc-change", ""),
            )
            for one in root.findall("./failures/failure")
        ),
    )


def promoted_nodes(status: Status, cib: Cib) -> list[str]:
    """The hosts on which the clone is promoted: one, if all is well."""
    return [
        node
        for one in status.instances
        if one.resource == cib.clone_primitive and one.role == "Promoted"
        for node in one.nodes
    ]


def promoted_node(status: Status, cib: Cib) -> str:
    """The one host that holds the promoted role, or nothing when there is none or more."""
    nodes = promoted_nodes(status, cib)
    return nodes[0] if len(nodes) == 1 else ""


def other_node(status: Status | None, node: str) -> str:
    """The other host of the pair, or nothing when there is not exactly one."""
    others = [name for name in status.nodes if name != node] if status else []
    return others[0] if node and len(others) == 1 else ""


def group_node(status: Status, cib: Cib) -> str:
    """The host on which every member of the group runs, or nothing."""
    places = [
        one.nodes if one.active and not one.failed and one.role == "Started" else ()
        for one in status.instances
        if one.resource in cib.members
    ]
    if len(places) < len(cib.members) or not places:
        return ""
    return places[0][0] if len(set(places)) == 1 and len(places[0]) == 1 else ""


def member_node(status: Status, resource: str) -> str:
    """The one host on which a resource runs, or nothing. One whose start has not ended does not run yet."""
    nodes = [
        node
        for one in status.instances
        if one.resource == resource and one.active and not one.failed and one.role == "Started"
        for node in one.nodes
    ]
    return nodes[0] if len(nodes) == 1 else ""


def fencing_enabled(cib: Cib) -> bool:
    """Whether Pacemaker fences; its default is yes."""
    for name in ("fencing-enabled", "stonith-enabled"):  # 3.0.2 renamed it and keeps the old one
        if name in cib.properties:
            return is_true(cib.properties[name])
    return True


def fence_devices(cib: Cib) -> dict[str, str]:
    """The fence devices and their agents; the hosts' own watchdogs where there is no other and the cluster counts on them."""
    there = is_true(cib.properties.get("have-watchdog"))
    if not cib.fence_devices and there and _watchdog.wait_us(cib.properties):
        return {_watchdog.DEVICE: _watchdog.AGENT}
    return cib.fence_devices


def operator_state(pair: Pair) -> dict[str, Any]:
    """What people and DRBD's fence handler put there on purpose: never drift, always reported."""
    cib, status = pair.cib, pair.status
    nodes = status.nodes.values() if status else ()
    return {
        "standby": sorted(node.name for node in nodes if node.standby),
        "maintenance_nodes": sorted(node.name for node in nodes if node.maintenance),
        "maintenance": bool(cib) and is_true(cib.properties.get("maintenance-mode")),  # type: ignore[union-attr]
        "target_role": dict(cib.target_roles) if cib else {},
        "unmanaged": sorted(cib.unmanaged) if cib else [],
        "constraints": [one.id for one in (*cib.operator_locations, *cib.drbd_locations)]
        if cib
        else [],
    }


def resources(pair: Pair) -> dict[str, dict[str, Any]]:
    """Where each resource is and how."""
    found: dict[str, dict[str, Any]] = {}
    for one in pair.status.instances if pair.status else ():
        entry = found.setdefault(
            one.resource,
            {"agent": one.agent, "roles": {}, "failed": False, "managed": True, "blocked": False},
        )
        entry["roles"].update(dict.fromkeys(one.nodes, one.role))
        entry["failed"] = entry["failed"] or one.failed
        entry["managed"] = entry["managed"] and one.managed
        entry["blocked"] = entry["blocked"] or one.blocked
    return found


def report(pair: Pair) -> dict[str, Any]:
    """The look at the pair as plain data for a module's result."""
    status, cib = pair.status, pair.cib
    return {
        "host": pair.host,
        "installed": pair.installed,
        "active_node": pair.active,
        "standby_node": other_node(status, pair.active),
        "service_node": group_node(status, cib) if status and cib else "",
        "vip": cib.vip if cib else "",
        "quorate": bool(status and status.quorate),
        "maintenance": operator_state(pair)["maintenance"],
        "pacemaker_version": ".".join(map(str, status.version)) if status else "",
        "nodes": {name: asdict(node) for name, node in status.nodes.items()} if status else {},
        "resources": resources(pair),
        "failed_actions": [asdict(one) for one in status.failures] if status else [],
        "operator_state": operator_state(pair),
        "drbd": state_report(pair.drbd),
        "fencing": {
            "enabled": fencing_enabled(cib) if cib else False,
            "devices": dict(fence_devices(cib)) if cib else {},
        },
    }


def read_status(run: Runner) -> Status | None:
    """crm_mon's answer, or nothing when no cluster runs here."""
    answer = run(["crm_mon", "--output-as", "xml"], ok=(0, NOT_CONNECTED, USAGE))
    if answer.rc == USAGE:
        answer = run(["crm_mon", "-1", "--as-xml"], ok=(0, NOT_CONNECTED))
    return None if answer.rc == NOT_CONNECTED else parse_status(answer.stdout)


def read_cib(run: Runner, names: Names) -> Cib | None:
    """The CIB, or nothing when no cluster runs here."""
    answer = run(["cibadmin", "--query"], ok=(0, NOT_CONNECTED))
    return None if answer.rc == NOT_CONNECTED else parse_cib(answer.stdout, names)


def read_pair(run: Runner, names: Names, host: str) -> Pair:
    """One look at the pair from this host."""
    if not (run.has("cibadmin") and run.has("crm_mon")):
        return Pair(host=host, installed=False)
    return Pair(
        host=host,
        cib=read_cib(run, names),
        status=read_status(run),
        drbd=read_state(run, names.drbd_resource) if run.has("drbdsetup") else None,
    )
