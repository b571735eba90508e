# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The live configuration as a declaration: what pcs_config takes, and takes for no change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _acls,
    _alerts,
    _bundles,
    _cib,
    _constraints,
    _declaration,
    _defaults,
    _levels,
    _nodes,
    _plan,
    _resources,
    _rules,
    _tags,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import NotDeclarable

_SETS = ("instance_attributes", "meta_attributes", "utilization", "cluster_property_set")
# Elements that a resource in them declares as its own.
_WRAPPERS = ("clone", "master")


@dataclass(frozen=True)
class Kind:
    """One option of pcs_config that lists objects: where they are, and how each is declared."""

    option: str
    path: str
    # The second argument is the element that holds the first.
    declared: Callable[[Element, Element | None], dict[str, Any]]
    # Names of what the declaration leaves out because nobody may read it.
    secrets: Callable[[Element], Sequence[str]] = lambda _element: ()


def _alone(declared: Callable[[Element], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """For kinds that are declared alike wherever they are."""
    return lambda element, _around: declared(element)


def _default_set(kind: str) -> Callable[..., dict[str, Any]]:
    def declared(element: Element, around: Element | None) -> dict[str, Any]:
        if around is not None and element is _cib.own_set(around, element.tag):
            raise NotDeclarable("declared as the plain defaults")
        return _defaults.declared_default_set(element, kind)

    return declared


# What has no line here is reported as unmanaged and left alone.
KINDS: tuple[Kind, ...] = (
    Kind("bundles", "resources/bundle", _alone(_bundles.declared_bundle)),
    Kind("resources", "resources//primitive", _resources.declared_resource, _resources.secrets_of),
    Kind("groups", "resources//group", _resources.declared_group),
    Kind("constraints", "constraints/*", _alone(_constraints.declared_constraint)),
    Kind("resource_default_sets", "rsc_defaults/meta_attributes", _default_set(_rules.RESOURCES)),
    Kind("operation_default_sets", "op_defaults/meta_attributes", _default_set(_rules.OPERATIONS)),
    Kind("nodes", "nodes/node", _alone(_nodes.declared_node)),
    Kind(
        "fencing_levels", "fencing-topology/fencing-level", _alone(_levels.declared_fencing_level)
    ),
    Kind("tags", "tags/tag", _alone(_tags.declared_tag)),
    Kind("alerts", "alerts/alert", _alone(_alerts.declared_alert), _alerts.secrets_of),
    Kind("acl_roles", "acls/acl_role", _alone(_acls.declared_acl_role)),
    Kind("acl_users", "acls/acl_target", _alone(_acls.declared_acl_user)),
    Kind("acl_groups", "acls/acl_group", _alone(_acls.declared_acl_group)),
)
# The options that are names and values: their section and the element that holds them.
SECTIONS = {
    "properties": ("crm_config", "cluster_property_set"),
    "resource_defaults": ("rsc_defaults", "meta_attributes"),
    "operation_defaults": ("op_defaults", "meta_attributes"),
}


@dataclass(frozen=True)
class Export:
    """The declaration, and everything that is in the configuration and not in it."""

    config: Mapping[str, Any]
    operator_state: Sequence[Mapping[str, str]]
    secrets: Sequence[str]
    unmanaged: Sequence[Mapping[str, str]]


def export(cib: Element, kinds: Sequence[Kind] = KINDS) -> Export:
    """Everything in the configuration that can be declared, as a declaration."""
    found: dict[str, Any] = {option: declared_section(cib, option) for option in SECTIONS}
    origin: dict[int, Element] = {}
    secrets: list[str] = []
    around = {child: one for one in _cib.configuration(cib).iter() for child in one}
    for kind in kinds:
        for element in _cib.configuration(cib).iterfind(kind.path):
            one = _declared(kind, element, around)
            if one is not None:
                origin[id(one)] = element
                found.setdefault(kind.option, []).append(one)
                where = f"{kind.option}.{element.get('id')}"
                secrets.extend(f"{where}.{name}" for name in kind.secrets(element))
    for option, value in found.items():
        _leave_out(value, option, secrets)
    config = _that_changes_nothing(cib, found)
    covered = {id(origin[id(one)]) for one in _entries(config)}
    return Export(
        _without_empty(config), _cib.operator_state(cib), secrets, list(_unmanaged(cib, covered))
    )


def _declared(
    kind: Kind, element: Element, around: Mapping[Element, Element]
) -> dict[str, Any] | None:
    """An object as a declaration, None when it has no such form or is not for declaring."""
    if _cib.is_runtime_constraint(element.get("id", "")):
        return None
    try:
        return kind.declared(element, around.get(element))
    except NotDeclarable:
        return None


def declared_section(cib: Element, option: str) -> dict[str, str]:
    """The cluster's properties, or the defaults of resources or operations."""
    values = _cib.section_values(cib, *SECTIONS[option])
    if option != "properties":
        return values
    return {
        name: value
        for name, value in values.items()
        if name not in _cib.OWN_PROPERTIES | _cib.OPERATOR_PROPERTIES
    }


def _entries(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of all the lists of a declaration."""
    for value in config.values():
        if isinstance(value, list):
            yield from value


def _leave_out(value: Any, where: str, secrets: list[str]) -> None:
    """Take out what nobody may read and what operators hold, and note the secrets."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            name = one.get("id") or one.get("name") if isinstance(one, dict) else None
            _leave_out(one, f"{where}.{name or number}", secrets)
    if not isinstance(value, dict):
        return
    operators = {"meta": _cib.OPERATOR_META, "attributes": _cib.OPERATOR_NODE}
    for name in list(value):
        holder = where.rpartition(".")[2]
        secret = _values.is_secret(name) and isinstance(value[name], str) and value[name] != ""
        if secret or name == "secret_options":
            gone = value.pop(name)
            secrets.extend(
                [f"{where}.{name}"] if secret else [f"{where}.options.{one}" for one in gone]
            )
        elif name in operators.get(holder, ()):
            del value[name]
        else:
            _leave_out(value[name], f"{where}.{name}", secrets)


def _that_changes_nothing(cib: Element, found: Mapping[str, Any]) -> dict[str, Any]:
    """What of a declaration is taken for what is there already; the plan itself is the judge."""
    if _changes_nothing(cib, found):
        return dict(found)
    kept: dict[str, Any] = {}
    for option, value in found.items():
        if isinstance(value, list):
            kept[option] = _fitting(cib, option, value, list)
        else:
            kept[option] = dict(_fitting(cib, option, list(value.items()), dict))
    return kept


def _fitting(
    cib: Element, option: str, parts: list[Any], whole: Callable[[list[Any]], Any]
) -> list[Any]:
    """The parts that change nothing; halves are tried together, for few do not fit."""
    if _changes_nothing(cib, {option: whole(parts)}):
        return parts
    if len(parts) == 1:
        return []
    half = len(parts) // 2
    return [
        *_fitting(cib, option, parts[:half], whole),
        *_fitting(cib, option, parts[half:], whole),
    ]


def _changes_nothing(cib: Element, found: Mapping[str, Any]) -> bool:
    try:
        declared = _declaration.declaration(found)
        new = _plan.plan(cib, declared, lambda _agent: None)
    except (_declaration.DeclarationInvalid, _cib.CibInvalid):
        return False
    return _cib.equal(_cib.configuration(cib), _cib.configuration(new))


def _without_empty(value: Any) -> Any:
    """Without lists and dictionaries that say nothing."""
    if isinstance(value, dict):
        clean = {name: _without_empty(one) for name, one in value.items()}
        return {name: one for name, one in clean.items() if one not in ({}, [], None)}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


# --- what is not declared -----------------------------------------------------------------------


def _unmanaged(cib: Element, covered: set[int]) -> Iterator[dict[str, str]]:
    """The objects that the declaration does not speak of, and the parts of objects."""
    for section in _cib.configuration(cib):
        managed = dict(SECTIONS.values()).get(section.tag)
        if managed is not None:
            yield from _other_sets(section, section.tag, (managed,), covered)
            continue
        for element in section:
            if not _cib.is_runtime_constraint(element.get("id", "")):
                yield from _unspoken(element, section.tag, covered)


def _unspoken(element: Element, path: str, covered: set[int]) -> Iterator[dict[str, str]]:
    here = f"{path}/{_step(element)}"
    inner = [one for one in element if one.tag in ("primitive", "group")]
    wrapped = element.tag in _WRAPPERS and any(id(one) in covered for one in inner)
    if id(element) not in covered and not wrapped:
        if element.tag != "node" or not _only_operators(element):
            yield _entry(here, element)
        if element.tag != "group":
            return
    else:
        yield from _other_sets(element, here, _SETS, covered)
    for one in inner:
        yield from _unspoken(one, here, covered)


def _other_sets(
    owner: Element, path: str, tags: Sequence[str], covered: set[int]
) -> Iterator[dict[str, str]]:
    """Sets of values beside the one that is declared: with a rule, or by reference."""
    for one in owner:
        declared = one.tag in tags and one is _cib.own_set(owner, one.tag)
        if one.tag in _SETS and not declared and id(one) not in covered:
            yield _entry(f"{path}/{_step(one)}", one)


def _only_operators(node: Element) -> bool:
    """Whether a node has nothing but what operators switch."""
    names = {pair.get("name") for pair in node.iter("nvpair")}
    return names <= _cib.OPERATOR_NODE and not node.findall(".//*[@id-ref]")


def _step(element: Element) -> str:
    name = "id" if element.get("id") else "id-ref"
    return f"{element.tag}[@{name}='{element.get(name)}']" if element.get(name) else element.tag


def _entry(path: str, element: Element) -> dict[str, str]:
    return {"path": path, "tag": element.tag, "id": element.get("id", element.get("id-ref", ""))}
