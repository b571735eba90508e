# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Who may read and change the configuration (ACLs): declared, read, brought there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _nvpairs,
    _relations,
    _shape,
    _tree,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    NotDeclarable,
    ReferenceMissing,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

_ABOUT = ("xpath", "reference", "object_type")
_PARTS = {
    "kind": "kind",
    "xpath": "xpath",
    "reference": "reference",
    "object_type": "object-type",
    "attribute": "attribute",
    "description": "description",
}
# Since this schema a user may have a name that is no id.
_NAMES = (3, 8)


@dataclass(frozen=True)
class AclRole:
    """A role: what those who have it may do. Permissions of None are not declared."""

    id: str
    description: str | None = None
    permissions: tuple[Shape, ...] | None = None
    present: bool = True


@dataclass(frozen=True)
class AclHolder:
    """A user or a group of users, and the roles they have."""

    tag: str
    id: str
    roles: tuple[str, ...] = ()
    present: bool = True

    @property
    def text(self) -> str:
        """The place in the declaration."""
        return f"{'acl_users' if self.tag == 'acl_target' else 'acl_groups'}.{self.id}"


def wanted_acl_role(given: Mapping[str, Any], where: str) -> AclRole:
    """A role from the options of a task."""
    if given.get("state") == "absent":
        return AclRole(given["id"], present=False)
    check_name(given["id"], where)
    permissions = given.get("permissions")
    if permissions is not None:
        permissions = tuple(
            _permission(one, f"{where}.permissions[{number}]")
            for number, one in enumerate(permissions)
        )
    return AclRole(given["id"], given.get("description"), permissions)


def _permission(given: Mapping[str, Any], where: str) -> Shape:
    if given.get("kind") not in ("read", "write", "deny"):
        raise DeclarationInvalid(f"{where}.kind: one of read, write, deny is needed")
    if len([name for name in _ABOUT if given.get(name)]) != 1:
        raise DeclarationInvalid(f"{where}: one of {', '.join(_ABOUT)} is needed")
    if given.get("attribute") and not given.get("object_type"):
        raise DeclarationInvalid(f"{where}.attribute: it goes with object_type only")
    found = {attribute: str(given[name]) for name, attribute in _PARTS.items() if given.get(name)}
    return Shape("acl_permission", found)


def wanted_acl_user(given: Mapping[str, Any], where: str) -> AclHolder:
    """A user's roles from the options of a task."""
    return _holder("acl_target", given, where)


def wanted_acl_group(given: Mapping[str, Any], where: str) -> AclHolder:
    """The roles of a group of users from the options of a task."""
    return _holder("acl_group", given, where)


def _holder(tag: str, given: Mapping[str, Any], where: str) -> AclHolder:
    if given.get("state") == "absent":
        return AclHolder(tag, given["id"], present=False)
    if not given["id"]:
        raise DeclarationInvalid(f"{where}.id: it is empty")
    if given.get("roles") is None:
        raise DeclarationInvalid(f"{where}.roles: which roles it has is needed")
    return AclHolder(tag, given["id"], tuple(dict.fromkeys(str(one) for one in given["roles"])))


# --- back ---------------------------------------------------------------------------------------


def declared_acl_role(element: Element) -> dict[str, Any]:
    """A role as it would be declared."""
    found: dict[str, Any] = {"id": element.get("id", "")}
    if element.get("description"):
        found["description"] = element.get("description")
    found["permissions"] = [
        {name: one.attrib[attribute] for name, attribute in _PARTS.items() if one.get(attribute)}
        for one in element.findall("acl_permission")
    ]
    return _back(wanted_acl_role, found)


def declared_acl_user(element: Element) -> dict[str, Any]:
    """A user's roles as they would be declared."""
    return _back(wanted_acl_user, _declared_holder(element))


def declared_acl_group(element: Element) -> dict[str, Any]:
    """The roles of a group of users as they would be declared."""
    return _back(wanted_acl_group, _declared_holder(element))


def _declared_holder(element: Element) -> dict[str, Any]:
    roles = [one.get("id", "") for one in element.findall("role")]
    return {"id": name_of(element), "roles": roles}


def _back(wanted: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The promise of an export: what it says can be declared."""
    try:
        wanted(found, "it")
    except DeclarationInvalid as exc:
        raise NotDeclarable(str(exc)) from exc
    return found


def name_of(element: Element) -> str:
    """The user or group that an element is about."""
    return element.get("name", "") or element.get("id", "")


# --- edits --------------------------------------------------------------------------------------


def _role(root: Element, identity: str) -> Element | None:
    found = _cib.by_id(root, identity)
    if found is not None and found.tag != "acl_role":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of an ACL role")
    return found


def holders(root: Element, tag: str) -> dict[str, Element]:
    """The users or groups of the configuration, by name."""
    return {name_of(one): one for one in _cib.configuration(root).findall(f"acls/{tag}")}


def remove_role(root: Element, gone: AclRole) -> None:
    """Take a role away, and from all who have it."""
    found = _role(root, gone.id)
    if found is not None:
        _relations.remove_named(root, found)


def remove_holder(root: Element, gone: AclHolder) -> None:
    """Take a user or a group away."""
    found = holders(root, gone.tag).get(gone.id)
    if found is not None:
        _tree.drop(_cib.parent_of(root, found), found)


def bring_role(root: Element, wanted: AclRole, lenient: bool, coming: Collection[str] = ()) -> None:
    """Bring one role to what is declared; coming are the ids of what the same task makes later."""
    found = _role(root, wanted.id)
    if found is None:
        found = _tree.add(_cib.section(root, "acls"), "acl_role", {"id": wanted.id})
    _nvpairs.bring_text(found, "description", wanted.description)
    if wanted.permissions is None:
        return
    for one in wanted.permissions:
        named = one.attributes.get("reference")
        if named is None or named in coming or lenient:
            continue
        if _cib.by_id(root, named) is None:
            raise ReferenceMissing(f"acl_roles.{wanted.id}: there is nothing with the id {named}")
    shape = Shape("acl_role", {}, wanted.permissions)
    _shape.bring_children(root, found, shape)


def bring_holder(root: Element, wanted: AclHolder, lenient: bool) -> None:
    """Bring the roles of one user or group to what is declared."""
    found = holders(root, wanted.tag).get(wanted.id)
    for one in wanted.roles:
        role = _cib.by_id(root, one)
        if (role is None or role.tag != "acl_role") and not lenient:
            raise ReferenceMissing(f"{wanted.text}: there is no ACL role {one}")
    if found is None:
        attributes = _new_holder(root, wanted)
        found = _tree.add(_cib.section(root, "acls"), wanted.tag, attributes)
    shape = Shape(wanted.tag, {}, tuple(Shape("role", {"id": one}) for one in wanted.roles))
    _shape.bring_children(root, found, shape)


def _new_holder(root: Element, wanted: AclHolder) -> dict[str, str]:
    if _values.is_name(wanted.id) and _cib.by_id(root, wanted.id) is None:
        return {"id": wanted.id}
    if (_cib.schema(root) or _NAMES) < _NAMES:
        raise DeclarationInvalid(
            f"{wanted.text}: the name is taken by another object or cannot be an id, and the schema"
            " of this cluster knows no other names; rename the other object, or upgrade Pacemaker"
            " on every node and then the schema (pcs cluster cib-upgrade)"
        )
    return {"id": _cib.free_id(root, wanted.id), "name": wanted.id}
