# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What should be in the cluster's configuration: typed values, checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Hashable, Mapping, Sequence, TypeVar

from ansible_collections.kwdb.ha.plugins.module_utils import _nvpairs
from ansible_collections.kwdb.ha.plugins.module_utils._constraints import (
    Constraint,
    wanted_constraint,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    ReferenceMissing,
)
from ansible_collections.kwdb.ha.plugins.module_utils._nvpairs import Values
from ansible_collections.kwdb.ha.plugins.module_utils._resources import (
    Group,
    Place,
    Resource,
    wanted_group,
    wanted_resource,
)

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._defaults import DefaultSet
    from ansible_collections.kwdb.ha.plugins.module_utils._objects import Objects

__all__ = ["DeclarationInvalid", "Place", "ReferenceMissing"]

# The kinds of objects that few declarations have; only those pay for loading their code.
OBJECTS = (
    "bundles",
    "nodes",
    "fencing_levels",
    "tags",
    "alerts",
    "acl_roles",
    "acl_users",
    "acl_groups",
)
_DEFAULT_SETS = ("resource_default_sets", "operation_default_sets")
KINDS = (
    "properties",
    "resource_defaults",
    "operation_defaults",
    "resources",
    "groups",
    "constraints",
    *_DEFAULT_SETS,
    *OBJECTS,
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Declaration:
    """Everything that one task declares."""

    properties: Values = field(default_factory=dict)
    resource_defaults: Values = field(default_factory=dict)
    operation_defaults: Values = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    groups: tuple[Group, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    resource_default_sets: tuple[DefaultSet, ...] = ()
    operation_default_sets: tuple[DefaultSet, ...] = ()
    objects: Objects | None = None
    exclusive: frozenset[str] = frozenset()

    def secret_names(self) -> frozenset[str]:
        """Names of options that the user passed as secrets."""
        alerts = () if self.objects is None else self.objects.alerts
        found = [one.secrets for one in self.resources] + [one.secrets for one in alerts]
        return frozenset().union(*found)


def _unique(identities: Sequence[Hashable], where: str) -> None:
    seen: set[Hashable] = set()
    for number, identity in enumerate(identities):
        if identity in seen:
            raise DeclarationInvalid(f"{where}[{number}]: {identity} is declared twice")
        seen.add(identity)


def declaration(params: Mapping[str, Any]) -> Declaration:
    """Everything that the options of a task declare; refuses what contradicts itself."""
    resources = _listed(params, "resources", wanted_resource)
    groups = _listed(params, "groups", wanted_group)
    constraints = _listed(params, "constraints", wanted_constraint)
    for name in ("resources", "constraints", "groups", *_DEFAULT_SETS):
        _unique([one["id"] for one in params.get(name) or []], name)
    _check_groups(resources, groups)
    what = "a cluster property"
    return Declaration(
        properties=_nvpairs.open_values(params.get("properties"), "properties", what),
        resource_defaults=_nvpairs.wanted_values(params.get("resource_defaults")),
        operation_defaults=_nvpairs.wanted_values(params.get("operation_defaults")),
        resources=resources,
        groups=groups,
        constraints=constraints,
        resource_default_sets=_default_sets(params, "resource_default_sets"),
        operation_default_sets=_default_sets(params, "operation_default_sets"),
        objects=_objects(params),
        exclusive=_exclusive(params),
    )


def _default_sets(params: Mapping[str, Any], name: str) -> tuple[DefaultSet, ...]:
    if not params.get(name):
        return ()
    from ansible_collections.kwdb.ha.plugins.module_utils import _defaults

    return _defaults.wanted_default_sets(params, name)


def _listed(
    params: Mapping[str, Any], name: str, wanted: Callable[[Mapping[str, Any], str], _T]
) -> tuple[_T, ...]:
    return tuple(
        wanted(one, f"{name}[{number}]") for number, one in enumerate(params.get(name) or [])
    )


def _check_groups(resources: Sequence[Resource], groups: Sequence[Group]) -> None:
    gone = {one.id for one in groups if not one.present}
    for number, one in enumerate(resources):
        if one.group is not None and one.group.present and one.group.id in gone:
            raise DeclarationInvalid(
                f"resources[{number}].group: {one.group.id} is declared absent under groups"
            )


def _objects(params: Mapping[str, Any]) -> Objects | None:
    if all(params.get(name) is None for name in OBJECTS):
        return None
    from ansible_collections.kwdb.ha.plugins.module_utils import _objects

    found = _objects.wanted(params)
    for name in OBJECTS:
        _unique([_objects.key(one) for one in getattr(found, name)], name)
    return found


def _exclusive(params: Mapping[str, Any]) -> frozenset[str]:
    given = params.get("exclusive") or ()
    for number, one in enumerate(given):
        if one not in KINDS:
            raise DeclarationInvalid(f"exclusive[{number}]: one of {', '.join(KINDS)}")
        if params.get(one) is None:
            raise DeclarationInvalid(
                f"exclusive[{number}]: {one} is not declared, so that all of them would be"
                f" removed; if that is meant, declare an empty {one}"
            )
    return frozenset(given)


def wanted_resources(declared: Declaration) -> list[str]:
    """Ids of the resources that should be there."""
    return [one.id for one in declared.resources if one.present]
