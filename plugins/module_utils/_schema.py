# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What the schemas of Pacemaker's versions know, and what they ask for. Pure."""

from __future__ import annotations

import dataclasses
from typing import Mapping
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import DeclarationInvalid
from ansible_collections.kwdb.ha.plugins.module_utils._shape import Shape

# The first schema that knows an element or one of its attributes (Pacemaker's xml/*.rng).
_SINCE: Mapping[tuple[str, str], tuple[int, int]] = {
    ("select", ""): (2, 10),
    ("docker", "promoted-max"): (3, 0),
    ("rkt", "promoted-max"): (3, 0),
    ("podman", ""): (3, 2),
    ("rsc_expression", ""): (3, 4),
    ("op_expression", ""): (3, 4),
    ("rsc_colocation", "influence"): (3, 6),
    ("date_spec", "minutes"): (3, 9),
    ("date_spec", "seconds"): (3, 9),
    ("date_spec", "yeardays"): (3, 9),
    ("duration", "days"): (3, 9),
    ("duration", "minutes"): (3, 9),
    ("duration", "seconds"): (3, 9),
}
# The first schema that knows it no more.
_UNTIL: Mapping[tuple[str, str], tuple[int, int]] = {
    ("date_spec", "moon"): (4, 0),
    ("rkt", ""): (4, 0),
}
# Until then every rule needs a score, even where it means nothing.
_RULE_WITHOUT_SCORE = (3, 9)


def fit(root: Element, shape: Shape, where: str, within: str = "") -> Shape:
    """The shape as the schema of this cluster takes it; refuses what the schema cannot hold."""
    known = _cib.schema(root)
    for name in ("", *shape.attributes):
        since = _SINCE.get((shape.tag, name))
        if since is not None and known is not None and known < since:
            raise DeclarationInvalid(_unknown(known, shape.tag, name, where, since))
        until = _UNTIL.get((shape.tag, name))
        if until is not None and known is not None and known >= until:
            raise DeclarationInvalid(
                f"{where}: {f'{shape.tag} has no {name}' if name else f'there is no {shape.tag}'}"
                f" since the schema {_text(until)}; leave it out"
            )
    attributes = dict(shape.attributes)
    scored = shape.tag != "rule" or {"score", "score-attribute"} & set(attributes)
    if not scored and (known or (0, 0)) < _RULE_WITHOUT_SCORE:
        attributes["score"] = "0" if within == "rule" else "INFINITY"
    children = tuple(fit(root, one, where, shape.tag) for one in shape.children)
    return dataclasses.replace(shape, attributes=attributes, children=children)


def _unknown(
    known: tuple[int, int], tag: str, name: str, where: str, since: tuple[int, int]
) -> str:
    return (
        f"{where}: {f'{name} of a {tag}' if name else tag} needs the schema {_text(since)};"
        f" this cluster has {_text(known)}. Leave it out, or upgrade Pacemaker on every node"
        " and then the schema (pcs cluster cib-upgrade)"
    )


def _text(version: tuple[int, int]) -> str:
    return f"pacemaker-{version[0]}.{version[1]}"
