# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Bundles, resources that are containers: declared, read, brought there in place. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _nvpairs,
    _schema,
    _shape,
    _tree,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

CONTAINERS = ("docker", "podman", "rkt")
_CONTAINER = ("image", "replicas", "replicas_per_host", "promoted_max", "network", "run_command")
_NETWORK = ("ip_range_start", "control_port", "host_interface", "host_netmask", "add_host")
_PORT = ("id", "port", "internal_port", "range")
_STORAGE = ("id", "source_dir", "source_dir_root", "target_dir", "options")
_NUMBERS = frozenset(
    (
        "control_port",
        "host_netmask",
        "internal_port",
        "port",
        "promoted_max",
        "replicas",
        "replicas_per_host",
    )
)
# What Pacemaker takes for an attribute that is not there.
_DEFAULTS = {"promoted-max": "0", "replicas-per-host": "1", "host-netmask": "32"}


@dataclass(frozen=True)
class Bundle:
    """A bundle; of its parts, what is None or not named is not declared.

    An attribute with an empty text is one to take away.
    """

    id: str
    container: Shape | None = None
    network: Mapping[str, str] | None = None
    ports: tuple[Shape, ...] | None = None
    storage: tuple[Shape, ...] | None = None
    meta: Values = field(default_factory=dict)
    present: bool = True


def wanted_bundle(given: Mapping[str, Any], where: str) -> Bundle:
    """A bundle from the options of a task."""
    if given.get("state") == "absent":
        return Bundle(given["id"], present=False)
    check_name(given["id"], where)
    network, storage = given.get("network"), given.get("storage")
    ports = None if network is None else network.get("ports")
    return Bundle(
        given["id"],
        _wanted_container(given.get("container"), f"{where}.container"),
        None if network is None else _attributes(network, _NETWORK, f"{where}.network"),
        None if ports is None else _wanted_ports(ports, f"{where}.network.ports"),
        None if storage is None else _wanted_storage(storage, f"{where}.storage"),
        _nvpairs.wanted_values(given.get("meta")),
    )


def _attributes(given: Mapping[str, Any], names: Sequence[str], where: str) -> dict[str, str]:
    """The attributes of an element, by their names in the CIB."""
    found = {}
    for name in names:
        if given.get(name) is None:
            continue
        text = _values.text(given[name])
        if name == "add_host" and _values.boolean(text) is None:
            raise DeclarationInvalid(f"{where}.{name}: {text!r} is neither true nor false")
        if name in _NUMBERS and text and not text.isdecimal():
            raise DeclarationInvalid(f"{where}.{name}: {text!r} is not a whole number")
        found[name.replace("_", "-")] = text
    return found


def _wanted_container(given: Mapping[str, Any] | None, where: str) -> Shape | None:
    if given is None:
        return None
    if given.get("type") not in CONTAINERS:
        raise DeclarationInvalid(f"{where}.type: one of {', '.join(CONTAINERS)} is needed")
    found = _attributes(given, (*_CONTAINER, "options"), where)
    if found.get("image") == "":
        raise DeclarationInvalid(f"{where}.image: no container is without an image")
    return Shape(given["type"], found)


def _wanted_ports(given: Sequence[Mapping[str, Any]], where: str) -> tuple[Shape, ...]:
    found = []
    for number, one in enumerate(given):
        here = f"{where}[{number}]"
        said = _attributes(one, _PORT, here)
        if ("port" in said) == ("range" in said) or ("range" in said and "internal-port" in said):
            raise DeclarationInvalid(
                f"{here}: one of port (with internal_port) and range is needed"
            )
        found.append(Shape("port-mapping", said))
    return _distinct(found, where)


def _wanted_storage(given: Sequence[Mapping[str, Any]], where: str) -> tuple[Shape, ...]:
    found = []
    for number, one in enumerate(given):
        here = f"{where}[{number}]"
        said = _attributes(one, _STORAGE, here)
        if ("source-dir" in said) == ("source-dir-root" in said):
            raise DeclarationInvalid(f"{here}: one of source_dir and source_dir_root is needed")
        if "target-dir" not in said:
            raise DeclarationInvalid(f"{here}.target_dir: where the container sees it is needed")
        found.append(Shape("storage-mapping", said))
    return _distinct(found, where)


def _distinct(found: list[Shape], where: str) -> tuple[Shape, ...]:
    for number, one in enumerate(found):
        if one.attributes.get("id"):
            check_name(one.attributes["id"], f"{where}[{number}]")
        for other in found[:number]:
            same_id = one.attributes.get("id", "") == other.attributes.get("id")
            if same_id or _shape.meaning(one) == _shape.meaning(other):
                raise DeclarationInvalid(f"{where}[{number}]: it is declared twice")
    return tuple(found)


# --- back ---------------------------------------------------------------------------------------


def declared_bundle(element: Element) -> dict[str, Any]:
    """A bundle as it would be declared; the resource in it declares itself."""
    found: dict[str, Any] = {"id": element.get("id", "")}
    container = _container(element)
    if container is not None:
        found["container"] = {"type": container.tag, **_declared(container)}
        if "masters" in container.attrib:
            found["container"].setdefault("promoted_max", _typed("promoted_max", container))
    network, storage = element.find("network"), element.find("storage")
    if network is not None:
        ports = [_declared(one) for one in network.findall("port-mapping")]
        found["network"] = {**_declared(network), **({"ports": ports} if ports else {})}
    if storage is not None and len(storage):
        found["storage"] = [_declared(one) for one in storage.findall("storage-mapping")]
    meta = _nvpairs.declared_values(element, "meta_attributes", _cib.OPERATOR_META)
    if meta:
        found["meta"] = meta
    try:
        wanted_bundle(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    return found


def _declared(element: Element) -> dict[str, Any]:
    names = [name.replace("-", "_") for name in element.attrib if name != "masters"]
    return {name: _typed(name, element) for name in names}


def _typed(name: str, element: Element) -> Any:
    text = _now(element, name.replace("_", "-"))
    if name == "add_host":
        return _values.boolean(text)
    return int(text) if name in _NUMBERS and text.isdecimal() else text


# --- edits --------------------------------------------------------------------------------------


def _container(bundle: Element) -> Element | None:
    return next((one for one in bundle if one.tag in CONTAINERS), None)


def find(root: Element, identity: str) -> Element | None:
    """The bundle with this id."""
    found = _cib.by_id(root, identity)
    if found is not None and found.tag != "bundle":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of a bundle")
    return found


def takes_a_resource(bundle: Element) -> bool:
    """Whether Pacemaker can reach what runs inside."""
    network = bundle.find("network")
    return network is not None and bool(
        network.get("ip-range-start") or network.get("control-port")
    )


def bring(root: Element, wanted: Bundle) -> None:
    """Bring one bundle to what is declared."""
    where = f"bundles.{wanted.id}"
    found = find(root, wanted.id)
    if found is None:
        if wanted.container is None or "image" not in wanted.container.attributes:
            raise DeclarationInvalid(f"{where}.container: a new bundle needs its type and image")
        found = _tree.add(_cib.section(root, "resources"), "bundle", {"id": wanted.id})
    if wanted.container is not None:
        _bring_container(root, found, _schema.fit(root, wanted.container, f"{where}.container"))
    if wanted.network is not None:
        network = _part(found, "network", bool(wanted.network or wanted.ports))
        if network is not None:
            _bring_attributes(network, wanted.network)
            if wanted.ports is not None:
                _bring_list(root, network, wanted.ports, f"{where}.network.ports")
    if wanted.storage is not None:
        storage = _part(found, "storage", bool(wanted.storage))
        if storage is not None:
            _bring_list(root, storage, wanted.storage, f"{where}.storage")
    _nvpairs.bring(root, found, "meta_attributes", wanted.meta)


def _part(bundle: Element, tag: str, needed: bool) -> Element | None:
    found = bundle.find(tag)
    return _tree.add(bundle, tag) if found is None and needed else found


def _bring_container(root: Element, bundle: Element, wanted: Shape) -> None:
    found = _container(bundle)
    if found is None:
        found = _tree.add(bundle, wanted.tag)
    elif found.tag != wanted.tag:
        _schema.fit(root, Shape(wanted.tag, dict(found.attrib)), f"bundles.{bundle.get('id')}")
        found.tag = wanted.tag
    _bring_attributes(found, wanted.attributes)


def _now(found: Element, name: str) -> str:
    """What an attribute says, also by its old name or by not being there."""
    if name == "promoted-max" and "masters" in found.attrib:
        return found.attrib["masters"]
    if name == "replicas" and name not in found.attrib:
        promoted = _now(found, "promoted-max")
        return promoted if promoted.isdecimal() and int(promoted) > 0 else "1"
    if name == "add-host":
        return _values.text(_values.boolean(found.get(name, "true")))
    return found.get(name, _DEFAULTS.get(name, ""))


def _bring_attributes(found: Element, wanted: Mapping[str, str]) -> None:
    # The number of replicas that is not there depends on the others: it comes last.
    for name, text in sorted(wanted.items(), key=lambda one: one[0] == "replicas"):
        written = "masters" if name == "promoted-max" and "masters" in found.attrib else name
        if not text:
            found.attrib.pop(written, None)
            continue
        value = _values.text(_values.boolean(text)) if name == "add-host" else text
        now = _now(found, name)
        both = value.isdecimal() and now.isdecimal()
        if int(value) != int(now) if both else value != now:
            found.set(written, value)


def _bring_list(root: Element, holder: Element, wanted: Sequence[Shape], where: str) -> None:
    """The declared ports or folders are all there should be; each keeps its element."""
    own = {one.get("id") for one in holder}
    for number, one in enumerate(wanted):
        identity = one.attributes.get("id", "")
        if identity and identity not in own and _cib.by_id(root, identity) is not None:
            raise DeclarationInvalid(
                f"{where}[{number}].id: {identity} is already the id of something else"
            )
    _shape.bring_children(root, holder, Shape(holder.tag, {}, tuple(wanted)))
