# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Sets of names and values: declared, read, brought there in place. Pure."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _values
from ansible_collections.kwdb.ha.plugins.module_utils._invalid import DeclarationInvalid

# A value of None takes the name away.
Values = Mapping[str, Optional[str]]

# Newer names that mean the same: what is there under one name is not written under the other.
ALIASES = {
    "promoted-max": "master-max",
    "promoted-node-max": "master-node-max",
    "stonith-action": "fencing-action",
    "stonith-enabled": "fencing-enabled",
    "stonith-timeout": "fencing-timeout",
}
ALIASES.update({new: old for old, new in ALIASES.items()})
_KINDS = {"instance_attributes": "string", "utilization": "integer"}


def wanted_values(given: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Names and values from the options of a task."""
    return {
        str(name): None if value is None else _values.text(value)
        for name, value in (given or {}).items()
    }


def wanted_options(
    given: Mapping[str, Any], where: str
) -> tuple[dict[str, str | None], frozenset[str]]:
    """What options and secret_options say together, and the names of the secret ones."""
    options = wanted_values(given.get("options"))
    secrets = wanted_values(given.get("secret_options"))
    for name, value in options.items():
        if value and _values.is_secret(name):
            raise DeclarationInvalid(
                f"{where}.options.{name}: belongs into secret_options, or it would be logged"
            )
    both = sorted(set(options) & set(secrets))
    if both:
        raise DeclarationInvalid(f"{where}: {both[0]} is in options and in secret_options")
    return {**options, **secrets}, frozenset(secrets)


def open_values(given: Mapping[str, Any] | None, where: str, what: str) -> dict[str, str | None]:
    """Names and values of which none may be a secret."""
    found = wanted_values(given)
    for name, value in found.items():
        if value and _values.is_secret(name):
            raise DeclarationInvalid(f"{where}.{name}: {what} cannot be secret")
    return found


def declared_values(owner: Element, tag: str, left_out: frozenset[str]) -> dict[str, str]:
    """Names and values as they would be declared, without secrets and some other names."""
    return {
        name: value
        for name, value in _cib.values(owner, tag).items()
        if name not in left_out and not (value and _values.is_secret(name))
    }


def secret_names(owner: Element, tag: str = "instance_attributes") -> list[str]:
    """Names that declared_values leaves out because they are secrets."""
    found = _cib.values(owner, tag)
    return sorted(name for name, value in found.items() if value and _values.is_secret(name))


def bring(
    root: Element,
    owner: Element,
    tag: str,
    wanted: Values,
    kind_of: Callable[[str], str] | None = None,
    set_id: str = "",
) -> None:
    """Write the wanted values that are not there in any spelling.

    kind_of is the agent's word for the type of an option.
    """
    for name, value in wanted.items():
        current = _cib.values(owner, tag)
        alias = ALIASES.get(name, name)
        there = alias if name not in current and alias in current else name
        if value is None:
            _cib.unset_value(owner, tag, there)
            continue
        kind = _KINDS.get(tag, "") if kind_of is None else kind_of(name)
        if there not in current or not _values.same(name, current[there], value, kind):
            _cib.set_value(root, owner, tag, there, value, set_id=set_id)


def keep_only(owner: Element | None, tag: str, names: frozenset[str]) -> None:
    """Take every other name away from the owner's unconditional set."""
    for name in _cib.values(owner, tag):
        if owner is not None and name not in names and ALIASES.get(name, name) not in names:
            _cib.unset_value(owner, tag, name)


def bring_text(found: Element, name: str, wanted: str | None) -> None:
    """Bring an attribute: None says nothing about it, an empty text takes it away."""
    if wanted is None or found.get(name, "") == wanted:
        return
    if wanted:
        found.set(name, wanted)
    else:
        found.attrib.pop(name, None)
