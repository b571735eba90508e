# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Tags, one name for several objects: declared, read, brought there in place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _relations, _shape
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import (
    DeclarationInvalid,
    ReferenceMissing,
    check_name,
)
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape


@dataclass(frozen=True)
class Tag:
    """A tag and the ids of what it stands for."""

    id: str
    references: tuple[str, ...] = ()
    present: bool = True


def wanted_tag(given: Mapping[str, Any], where: str) -> Tag:
    """A tag from the options of a task."""
    if given.get("state") == "absent":
        return Tag(given["id"], present=False)
    check_name(given["id"], where)
    references = tuple(str(one) for one in given.get("references") or ())
    if not references:
        raise DeclarationInvalid(
            f"{where}.references: a tag stands for one object or more; state: absent removes it"
        )
    for number, one in enumerate(references):
        if one in references[:number] or one == given["id"]:
            raise DeclarationInvalid(f"{where}.references[{number}]: {one} is in the tag already")
    return Tag(given["id"], references)


def declared_tag(element: Element) -> dict[str, Any]:
    """A tag as it would be declared."""
    return {
        "id": element.get("id", ""),
        "references": [one.get("id", "") for one in element.findall("obj_ref")],
    }


def _found(root: Element, identity: str) -> Element | None:
    found = _cib.by_id(root, identity)
    if found is not None and found.tag != "tag":
        raise DeclarationInvalid(f"{identity} is the id of a <{found.tag}>, not of a tag")
    return found


def remove(root: Element, gone: Tag) -> None:
    """Take a tag away with what refers to it."""
    found = _found(root, gone.id)
    if found is not None:
        _relations.remove_named(root, found)


def bring(root: Element, wanted: Tag, lenient: bool, coming: Collection[str] = ()) -> None:
    """Bring one tag to what is declared; coming are the ids of what the same task makes later."""
    found = _found(root, wanted.id)
    shape = Shape("tag", {}, tuple(Shape("obj_ref", {"id": one}) for one in wanted.references))
    if found is not None and _shape.meaning(found) == _shape.meaning(shape):
        return
    for one in wanted.references:
        if _cib.by_id(root, one) is None and one not in coming and not lenient:
            raise ReferenceMissing(f"tags.{wanted.id}: there is nothing with the id {one}")
    if found is None:
        _shape.build(root, _cib.section(root, "tags"), shape, wanted.id)
    else:
        _shape.bring(root, found, shape)
