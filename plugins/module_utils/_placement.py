# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Where a resource is: by itself, in a clone, a group or a bundle. Edits the tree in place."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _nvpairs,
    _relations,
    _tree,
    _values,
)
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    ReferenceMissing,
)
from ansible_collections.kwdb.ha.plugins.module_utils._resources import Clone, Group, Place


def clone(root: Element, found: Element, wanted: Clone) -> None:
    """Bring the clone around a resource or a group; one that is not cloned yet is wrapped."""
    around = _cib.wrapper(root, found)
    if around is None:
        around = _wrap(root, found, wanted.id)
    elif around.get("id") != wanted.id:
        raise DeclarationInvalid(
            f"{found.get('id')} is in the clone {around.get('id')}, not in {wanted.id}: a clone"
            " cannot be renamed while it runs; declare the name that is there"
        )
    meta = dict(wanted.meta)
    if around.tag == "master" and _values.boolean(meta.get("promotable") or "") is True:
        del meta["promotable"]  # the old element says so by its name
    _nvpairs.bring(root, around, "meta_attributes", meta)


def _wrap(root: Element, found: Element, identity: str) -> Element:
    parent = _cib.parent_of(root, found)
    if parent.tag != "resources":
        raise DeclarationInvalid(
            f"{found.get('id')} is in the {parent.tag} {parent.get('id')} and cannot be cloned"
        )
    if _cib.by_id(root, identity) is not None:
        raise DeclarationInvalid(f"{identity} is already the id of something else")
    around = Element("clone", {"id": identity})
    position = list(parent).index(found)
    _tree.drop(parent, found)
    around.append(found)
    _tree.insert(parent, position, around)
    # As pcs does it: what was said of the resource holds for its clone.
    _relations.rename(root, found.get("id", ""), identity)
    return around


def _take(root: Element, found: Element, where: str) -> None:
    """Take a resource out of where it is, to put it elsewhere; a clone or a bundle keeps it."""
    parent = _cib.parent_of(root, found)
    if parent.tag in ("clone", "master", "bundle"):
        raise DeclarationInvalid(
            f"{found.get('id')} is in the {parent.tag} {parent.get('id')} and cannot {where}: it"
            " cannot be taken out while it runs; remove it first (state: absent), in a task of its"
            " own, and declare it again"
        )
    _tree.drop(parent, found)
    if parent.tag == "group" and not _cib.members(parent):
        _relations.remove_resource(root, parent.get("id", ""))


# --- groups -------------------------------------------------------------------------------------


def _get_group(root: Element, identity: str) -> Element:
    found = _cib.by_id(root, identity)
    if found is None:
        return _tree.add(_cib.section(root, "resources"), "group", {"id": identity})
    if found.tag != "group":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of a group")
    return found


def place(root: Element, found: Element, wanted: Place, lenient: bool) -> None:
    """Bring a resource into its group and to its place there, or out of any."""
    if not wanted.present:
        _out_of_group(root, found, wanted.id)
        return
    group = _get_group(root, wanted.id)
    if _cib.parent_of(root, found) is not group:
        _into_group(root, found, group)
    neighbour = wanted.after or wanted.before
    if not neighbour:
        return
    members = _cib.members(group)
    if neighbour not in members or neighbour == found.get("id"):
        if lenient:
            return
        raise ReferenceMissing(f"{found.get('id')}: {neighbour} is no member of {wanted.id}")
    mine, theirs = members.index(found.get("id", "")), members.index(neighbour)
    if mine < theirs if wanted.after else mine > theirs:
        _tree.drop(group, found)
        other = next(one for one in group if one.get("id") == neighbour)
        _tree.insert(group, list(group).index(other) + (1 if wanted.after else 0), found)


def _into_group(root: Element, found: Element, group: Element) -> None:
    _take(root, found, "join a group")
    # A group keeps its members together, before its own attributes.
    last = [number for number, one in enumerate(group, 1) if one.tag == "primitive"]
    _tree.insert(group, last[-1] if last else 0, found)


def _out_of_group(root: Element, found: Element, identity: str) -> None:
    group = _cib.parent_of(root, found)
    if group.tag != "group" or identity not in ("", group.get("id")):
        return
    top = group
    while _cib.parent_of(root, top).tag in _cib.RESOURCES:
        top = _cib.parent_of(root, top)
    resources = _cib.parent_of(root, top)
    position = list(resources).index(top)
    alone = _cib.members(group) == [found.get("id")]
    _take(root, found, "leave it")
    _tree.insert(resources, position if alone else position + 1, found)


def group(root: Element, wanted: Group, lenient: bool) -> None:
    """Bring a group to what is declared."""
    if not wanted.members and _cib.by_id(root, wanted.id) is None:
        if lenient:
            return
        raise DeclarationInvalid(f"groups.{wanted.id}.members: a new group needs members")
    found = _get_group(root, wanted.id)
    for identity in wanted.members:
        member = _cib.by_id(root, identity)
        if member is None and lenient:
            continue
        if member is None or member.tag != "primitive":
            raise ReferenceMissing(f"groups.{wanted.id}: there is no resource {identity}")
        if _cib.parent_of(root, member) is not found:
            _into_group(root, member, found)
    _order(found, wanted.members)
    _nvpairs.bring(root, found, "meta_attributes", wanted.meta)
    if wanted.clone is not None:
        clone(root, found, wanted.clone)


def _order(found: Element, members: tuple[str, ...]) -> None:
    """Members that are not declared keep their place; the declared ones share out the others."""
    rank = {identity: number for number, identity in enumerate(members)}
    places = [number for number, one in enumerate(found) if one.get("id") in rank]
    declared = sorted((found[number] for number in places), key=lambda one: rank[one.attrib["id"]])
    for position, one in zip(places, declared):
        found[position] = one


def dissolve(root: Element, identity: str) -> None:
    """Take a group away; its members stay as resources of their own."""
    found = _cib.by_id(root, identity)
    if found is None:
        return
    if found.tag != "group":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of a group")
    parent = _cib.parent_of(root, found)
    if parent.tag != "resources":
        raise DeclarationInvalid(
            f"the group {identity} is in the clone {parent.get('id')} and cannot be dissolved:"
            " a clone cannot be unwrapped while it runs; remove the members instead"
            f" (state: absent for {', '.join(_cib.members(found))})"
        )
    for member in found.findall("primitive"):
        _tree.drop(found, member)
        _tree.insert(parent, list(parent).index(found), member)
    _relations.remove_named(root, found)


# --- bundles ------------------------------------------------------------------------------------


def into_bundle(root: Element, found: Element, identity: str, lenient: bool) -> None:
    """Bring a resource into its bundle."""
    from ansible_collections.kwdb.ha.plugins.module_utils import _bundles

    bundle = _bundles.find(root, identity)
    if bundle is None:
        if lenient:
            return
        raise ReferenceMissing(f"{found.get('id')}: there is no bundle {identity}")
    if _cib.parent_of(root, found) is bundle:
        return
    inside = bundle.find("primitive")
    if inside is not None:
        raise DeclarationInvalid(
            f"{found.get('id')}: {inside.get('id')} is in the bundle {identity} already, and a"
            " bundle holds one resource; remove that one first (state: absent)"
        )
    if not _bundles.takes_a_resource(bundle):
        raise DeclarationInvalid(
            f"{found.get('id')}: Pacemaker cannot reach what runs in the bundle {identity}; give"
            " its network an ip_range_start or a control_port"
        )
    _take(root, found, "move into a bundle")
    _tree.insert(bundle, len(bundle), found)
