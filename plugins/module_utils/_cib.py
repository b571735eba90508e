# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The cluster's configuration (CIB) as an XML tree: find, read, edit in place, print. Pure."""

from __future__ import annotations

import re
from typing import Callable, Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _tree, _values

RESOURCES = ("primitive", "group", "clone", "master", "bundle")
CONSTRAINTS = ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")
# Where a resource that is named by an id is named.
REFERENCES = ("rsc", "with-rsc", "first", "then")
# Properties that Pacemaker writes itself, and what operators switch: no declaration speaks of them.
OWN_PROPERTIES = frozenset(
    (
        "cluster-infrastructure",
        "cluster-name",
        "dc-version",
        "have-watchdog",
        "last-lrm-refresh",
    )
)
OPERATOR_PROPERTIES = frozenset(("maintenance-mode", "stop-all-resources"))
OPERATOR_META = frozenset(("target-role", "is-managed", "maintenance"))
OPERATOR_NODE = frozenset(("standby", "maintenance"))
MASK = "********"
_PLAIN = re.compile(r"[ -~]*")


class CibInvalid(Exception):
    """The text is not a CIB."""


def parse(text: str) -> Element:
    """The tree of a CIB, as cibadmin prints it."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as exc:
        raise CibInvalid(f"the cluster's configuration is not XML: {exc}") from exc
    if root.tag != "cib" or root.find("configuration") is None:
        raise CibInvalid(f"<{root.tag}> is not a cluster configuration")
    return root


def unparse(root: Element) -> str:
    """The text of the tree, for the tools."""
    return ElementTree.tostring(root, encoding="unicode")


def version(root: Element) -> str:
    """The version of the configuration, in the order in which Pacemaker compares it."""
    return ".".join(root.get(name, "0") for name in ("admin_epoch", "epoch", "num_updates"))


def schema(root: Element) -> tuple[int, int] | None:
    """The version of the schema that the configuration is checked with, None when none is."""
    found = re.fullmatch(r"pacemaker-(\d+)\.(\d+)", root.get("validate-with", ""))
    return None if found is None else (int(found.group(1)), int(found.group(2)))


def knows_promoted(root: Element) -> bool:
    """Whether the schema has the roles Promoted and Unpromoted (pacemaker-3.7 and later)."""
    return (schema(root) or (0, 0)) >= (3, 7)


def next_version(root: Element) -> None:
    """Give the tree the version after its own, as Pacemaker itself does with every change."""
    root.set("epoch", str(int(root.get("epoch", "0")) + 1))
    root.set("num_updates", "0")


def role_word(root: Element, role: str) -> str:
    """The role by the name that the schema of this cluster knows."""
    word = _values.role(role)
    return word if knows_promoted(root) else _values.OLD_ROLE.get(word, word)


def configuration(root: Element) -> Element:
    """The part that people write."""
    found = root.find("configuration")
    if found is None:
        raise CibInvalid("no <configuration>")
    return found


def section(root: Element, name: str) -> Element:
    """A section of the configuration, made when it is absent."""
    whole = configuration(root)
    found = whole.find(name)
    return _tree.add(whole, name) if found is None else found


def by_id(root: Element, identity: str) -> Element | None:
    """The element of the configuration with this id."""
    return _tree.by_id(configuration(root), identity)


def resource(root: Element, identity: str) -> Element | None:
    """The resource with this id."""
    found = by_id(root, identity)
    return found if found is not None and found.tag in RESOURCES else None


def constraint(root: Element, identity: str) -> Element | None:
    """The constraint with this id."""
    found = by_id(root, identity)
    return found if found is not None and found.tag in CONSTRAINTS else None


def constraints(root: Element) -> list[Element]:
    """All constraints, in the order of the configuration."""
    found = configuration(root).find("constraints")
    return [] if found is None else [one for one in found if one.tag in CONSTRAINTS]


def parent_of(root: Element, child: Element) -> Element:
    """The element that holds child."""
    found = _tree.parent_of(configuration(root), child)
    if found is None:
        raise CibInvalid(f"<{child.tag} id={child.get('id')!r}> is not in the configuration")
    return found


def free_id(root: Element, wanted: str) -> str:
    """An id that nobody has: the wanted one, or the wanted one with a number behind it."""
    # An id is an XML name: a letter or underscore first, then also digits, dots and dashes.
    clean = re.sub(r"[^\w.-]", "_", wanted)
    clean = clean if re.match(r"[^\W\d]", clean) else f"_{clean}"
    top = configuration(root)
    number, candidate = 0, clean
    while _tree.is_taken(top, candidate):
        number += 1
        candidate = f"{clean}-{number}"
    return candidate


def own_set(owner: Element, tag: str) -> Element | None:
    """The first set of name and value pairs of the owner that no rule makes conditional."""
    for found in owner.findall(tag):
        if found.find("rule") is None and found.get("id-ref") is None:
            return found
    return None


def pairs(owner: Element | None, tag: str) -> dict[str, Element]:
    """The nvpair elements of the owner's unconditional set, by name."""
    found = None if owner is None else own_set(owner, tag)
    if found is None:
        return {}
    return {pair.get("name", ""): pair for pair in found.findall("nvpair")}


def values(owner: Element | None, tag: str) -> dict[str, str]:
    """Names and values of the owner's unconditional set."""
    return {name: pair.get("value", "") for name, pair in pairs(owner, tag).items()}


def set_value(
    root: Element, owner: Element, tag: str, name: str, value: str, *, set_id: str = ""
) -> None:
    """Give one name its value; the set is made when it is absent."""
    holder = own_set(owner, tag)
    if holder is None:
        identity = free_id(root, set_id or f"{owner.get('id')}-{tag}")
        holder = _tree.add(owner, tag, {"id": identity})
    for pair in holder.findall("nvpair"):
        if pair.get("name") == name:
            pair.set("value", value)
            return
    identity = free_id(root, f"{holder.get('id')}-{name}")
    _tree.add(holder, "nvpair", {"id": identity, "name": name, "value": value})


def unset_value(owner: Element, tag: str, name: str) -> None:
    """Take one name away; a set that is then empty goes too."""
    holder = own_set(owner, tag)
    if holder is None:
        return
    for pair in holder.findall("nvpair"):
        if pair.get("name") == name:
            _tree.drop(holder, pair)
    if len(holder) == 0:
        _tree.drop(owner, holder)


def agent_name(primitive: Element) -> str:
    """The agent of a primitive as class:provider:type or class:type."""
    words = (primitive.get("class"), primitive.get("provider"), primitive.get("type"))
    return ":".join(word for word in words if word)


def same_agent(one: str, other: str) -> bool:
    """Whether two names mean one agent: a unit's name may leave out what it ends with."""
    names = [
        name[: -len(".service")]
        if name.startswith("systemd:") and name.endswith(".service")
        else name
        for name in (one, other)
    ]
    return names[0] == names[1]


def unit_of(agent: str, options: Mapping[str, str | None]) -> str:
    """The systemd unit that an agent runs, without the ending that may be left out; "" for none."""
    name = ""
    if agent.startswith("systemd:"):
        name = agent.split(":", 1)[1]
    elif agent == "ocf:kwdb:kaiwudb":
        name = options.get("unit") or "kaiwudb"
    return name[: -len(".service")] if name.endswith(".service") else name


def wrapper(root: Element, element: Element) -> Element | None:
    """The clone around a resource, if there is one."""
    parent = parent_of(root, element)
    return parent if parent.tag in ("clone", "master") else None


def members(group: Element) -> list[str]:
    """Ids of the resources in a group, in their order."""
    return [one.get("id", "") for one in group.findall("primitive")]


def count_primitives(root: Element) -> int:
    """How many resources are configured."""
    return len(list(configuration(root).iter("primitive")))


def unstorable(old: Element, new: Element, patch: Element) -> list[str]:
    """Where new holds a value that the tools did not carry over into the patch as it is.

    Pacemaker 2.0 spoils everything beyond ASCII, later ones line breaks and tabs.
    """
    known = {value for one in configuration(old).iter() for value in one.attrib.values()}
    carried = {value for one in patch.iter() for value in one.attrib.values()}
    return [
        one.get("name") or one.get("id") or one.tag
        for one in configuration(new).iter()
        for value in one.attrib.values()
        if value not in known and value not in carried and not _PLAIN.fullmatch(value)
    ]


def operator_state(root: Element) -> list[dict[str, str]]:
    """What operators and the cluster itself put there; it is never drift."""
    found: list[dict[str, str]] = []

    def add(kind: str, on: str, value: str) -> None:
        found.append({"kind": kind, "on": on, "value": value})

    properties = section_values(root, "crm_config", "cluster_property_set")
    for name in sorted(OPERATOR_PROPERTIES):
        if _values.boolean(properties.get(name, "false")):
            add(name, "cluster", properties[name])
    for node in configuration(root).findall("nodes/node"):
        for name, value in values(node, "instance_attributes").items():
            if name in OPERATOR_NODE and _values.boolean(value) is not False:
                add(name, node.get("uname", ""), value)
    for tag in RESOURCES:
        for one in configuration(root).iter(tag):
            for name, value in values(one, "meta_attributes").items():
                if name in OPERATOR_META:
                    add(name, one.get("id", ""), value)
    for one in constraints(root):
        identity = one.get("id", "")
        if is_runtime_constraint(identity):
            kind = "drbd-fence" if identity.startswith("drbd-fence") else "cli-constraint"
            add(kind, one.get("rsc", ""), identity)
    return found


def is_runtime_constraint(identity: str) -> bool:
    """Whether an operator's command or DRBD's handler, and no declaration, made it."""
    return identity.startswith(("cli-", "drbd-fence-by-handler-"))


def section_values(root: Element, name: str, tag: str) -> dict[str, str]:
    """Names and values of the unconditional set of a section."""
    return values(configuration(root).find(name), tag)


def equal(one: Element, other: Element) -> bool:
    """Whether two trees have the same elements with the same attributes, in the same order."""
    return (
        one.tag == other.tag
        and one.attrib == other.attrib
        and len(one) == len(other)
        and all(map(equal, one, other))
    )


def lines(root: Element, *, hidden: Callable[[str], bool] = _values.is_secret) -> list[str]:
    """The configuration as indented text, the values of hidden options masked."""
    return list(_lines(configuration(root), 0, hidden))


def _quoted(value: str) -> str:
    """A value as XML has it; the library's own function loads half a web client."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(sign, name)
    for sign in "\n\r\t":
        value = value.replace(sign, f"&#{ord(sign)};")
    return f'"{value}"'


def _lines(element: Element, depth: int, hidden: Callable[[str], bool]) -> Iterator[str]:
    shown: list[tuple[str, str]] = []
    for name, value in element.attrib.items():
        secret = name == "value" and hidden(element.get("name", ""))
        shown.append((name, MASK if secret else value))
    # The id first, then a fixed order: a diff must show changes and nothing else.
    shown.sort(key=lambda one: (one[0] != "id", one[0]))
    attributes = "".join(f" {name}={_quoted(value)}" for name, value in shown)
    yield f"{'  ' * depth}{element.tag}{attributes}"
    for child in element:
        yield from _lines(child, depth + 1, hidden)
