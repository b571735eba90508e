# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The kinds of objects beside resources, constraints and defaults, together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Collection, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _acls,
    _alerts,
    _bundles,
    _levels,
    _nodes,
    _relations,
    _tags,
)
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import OBJECTS
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import DeclarationInvalid
from ansible_collections.kwdb.ha.plugins.module_utils._resources import Resource

_WANTED: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "bundles": _bundles.wanted_bundle,
    "nodes": _nodes.wanted_node,
    "fencing_levels": _levels.wanted_fencing_level,
    "tags": _tags.wanted_tag,
    "alerts": _alerts.wanted_alert,
    "acl_roles": _acls.wanted_acl_role,
    "acl_users": _acls.wanted_acl_user,
    "acl_groups": _acls.wanted_acl_group,
}


@dataclass(frozen=True)
class Objects:
    """What one task declares of these kinds."""

    bundles: tuple[_bundles.Bundle, ...] = ()
    nodes: tuple[_nodes.Node, ...] = ()
    fencing_levels: tuple[_levels.FencingLevel, ...] = ()
    tags: tuple[_tags.Tag, ...] = ()
    alerts: tuple[_alerts.Alert, ...] = ()
    acl_roles: tuple[_acls.AclRole, ...] = ()
    acl_users: tuple[_acls.AclHolder, ...] = ()
    acl_groups: tuple[_acls.AclHolder, ...] = ()


def wanted(params: Mapping[str, Any]) -> Objects:
    """What the options of a task declare of these kinds."""
    found = {
        name: tuple(
            _WANTED[name](one, f"{name}[{number}]")
            for number, one in enumerate(params.get(name) or ())
        )
        for name in OBJECTS
    }
    return Objects(**found)


def key(one: Any) -> Any:
    """What makes a declared object this one and no other."""
    if isinstance(one, _levels.FencingLevel):
        return one.text
    return one.name if isinstance(one, _nodes.Node) else one.id


def check_absent(root: Element, declared: Objects, resources: Sequence[Resource]) -> None:
    """Refuse a bundle that goes while the resource in it is declared to be there."""
    stay = {one.id for one in resources if one.present}
    for bundle in declared.bundles:
        found = None if bundle.present else _bundles.find(root, bundle.id)
        inside = None if found is None else found.find("primitive")
        if inside is not None and inside.get("id") in stay:
            raise DeclarationInvalid(
                f"bundles.{bundle.id}: it goes with {inside.get('id')}, which runs inside and is"
                " declared under resources; declare it absent, too"
            )


def remove(root: Element, declared: Objects) -> None:
    """Take away what is declared absent."""
    for level in declared.fencing_levels:
        if not level.present:
            _levels.remove(root, level)
    for tag in declared.tags:
        if not tag.present:
            _tags.remove(root, tag)
    for alert in declared.alerts:
        if not alert.present:
            _alerts.remove(root, alert)
    for holder in (*declared.acl_users, *declared.acl_groups):
        if not holder.present:
            _acls.remove_holder(root, holder)
    for role in declared.acl_roles:
        if not role.present:
            _acls.remove_role(root, role)
    _relations.remove_resources(root, [one.id for one in declared.bundles if not one.present])


def bring_bundles(root: Element, declared: Objects) -> None:
    """Bring the bundles, into which resources are put afterwards."""
    for bundle in declared.bundles:
        if bundle.present:
            _bundles.bring(root, bundle)


def bring(root: Element, declared: Objects, lenient: bool, coming: Collection[str]) -> None:
    """Bring everything that names resources and nodes; constraints may name the tags.

    Coming are the ids of the constraints that the same task brings, which tags and roles may name.
    """
    for node in declared.nodes:
        _nodes.bring(root, node, lenient)
    for level in declared.fencing_levels:
        if level.present:
            _levels.bring(root, level, lenient)
    for tag in declared.tags:
        if tag.present:
            _tags.bring(root, tag, lenient, coming)
    for alert in declared.alerts:
        if alert.present:
            _alerts.bring(root, alert)
    for role in declared.acl_roles:
        if role.present:
            _acls.bring_role(root, role, lenient, coming)
    for holder in (*declared.acl_users, *declared.acl_groups):
        if holder.present:
            _acls.bring_holder(root, holder, lenient)
