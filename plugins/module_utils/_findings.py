# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What works and is not safe, as far as the configuration and the host tell it. Pure but for host().

The database pair's own rules: DRBD, what Pacemaker does with it, and what stands on top.
"""

from __future__ import annotations

import glob
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _command,
    _lint,
    _order,
    _values,
    _watchdog,
)

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

DRBD_FILES = "/etc/drbd.d/*.res"
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
# What Pacemaker takes for an operation without a timeout.
_TIMEOUT = "20s"


@dataclass(frozen=True)
class Finding:
    """Something that should be otherwise, and how."""

    severity: str
    what: str
    where: str
    remedy: str

    def result(self) -> dict[str, str]:
        """The finding as a module returns it."""
        return asdict(self)

    def text(self) -> str:
        """The finding as a line."""
        return f"{self.where}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Host:
    """What the host adds to the configuration."""

    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drbd_fences: bool = False


def host(run: Runner, units: Sequence[str]) -> Host:
    """Ask the host about the units that the cluster is to run, all at once."""
    found: dict[str, dict[str, str]] = {}
    names = [f"{unit}.service" for unit in units if "." not in unit]
    names += [unit for unit in units if "." in unit]
    if names and run.has("systemctl"):
        asked = "Id,LoadState,UnitFileState,TimeoutStopUSec"
        try:
            said = run(["systemctl", "show", f"--property={asked}", *names]).stdout
        except _command.CommandFailed:
            said = ""  # a container without systemd runs no units either
        for block in said.split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if "Id" in values:
                found[values.pop("Id").rpartition(".")[0]] = values
    return Host(found, any(_fences(path) for path in glob.glob(DRBD_FILES)))


def _fences(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return re.search(r"^\s*fencing\s+resource-", stream.read(), re.MULTILINE) is not None
    except OSError:
        return False


def findings(cib: Element, on: Host, places: Mapping[str, str]) -> list[Finding]:
    """Everything that should be otherwise."""
    clones = [
        one
        for tag in ("clone", "master")
        for one in _cib.configuration(cib).iter(tag)
        if _lint.promotable(one)
    ]
    drbd = [one for one in clones if _is_drbd(one)]
    found = [*_fencing(cib, bool(drbd), on)]
    for clone in clones:
        found += _of_clone(cib, clone)
    for clone in drbd:
        found += _notify(clone)
    found += _units(cib, on)
    return [
        Finding(one.severity, one.what, places.get(one.where, one.where), one.remedy)
        for one in found
    ]


def _notify(clone: Element) -> Iterator[Finding]:
    word = _cib.values(clone, "meta_attributes").get("notify", "false")
    if _values.boolean(word) is not True:
        yield Finding(
            "error",
            "the promotable DRBD clone has no notify, without which the agent does not learn what"
            " its peer does",
            clone.get("id", ""),
            "set clone.meta.notify: true",
        )


def _is_drbd(clone: Element) -> bool:
    return any(_cib.agent_name(one) == "ocf:linbit:drbd" for one in clone.findall("primitive"))


def _fencing(cib: Element, drbd: bool, on: Host) -> Iterator[Finding]:
    values = _cib.section_values(cib, "crm_config", "cluster_property_set")
    word = values.get("stonith-enabled", values.get("fencing-enabled", "true"))
    devices = [
        one for one in _cib.configuration(cib).iter("primitive") if one.get("class") == "stonith"
    ]
    if not drbd:
        return
    if _values.boolean(word) is False:
        also = ", and DRBD's fencing policy counts on it" if on.drbd_fences else ""
        yield Finding(
            "error",
            f"fencing is off{also}: when the hosts lose each other, both may write",
            "properties.stonith-enabled",
            "configure a fence device for each host and set stonith-enabled: true",
        )
    elif not devices and not _watchdog.wait_us(values):
        yield Finding(
            "error",
            "fencing is on and there is no fence device: nothing is taken over from a lost host",
            "properties.stonith-enabled",
            "configure a fence device for each host",
        )


def _of_clone(cib: Element, clone: Element) -> Iterator[Finding]:
    """Constraints of a promotable clone that do not say what they mean, or only half of it."""
    identity = clone.get("id", "")
    beside: dict[str, str] = {}
    after: dict[str, str] = {}
    for one in _cib.constraints(cib):
        must = _values.score(one.get("score", "INFINITY")) == _values.INFINITY
        if one.tag == "rsc_colocation" and one.get("with-rsc") == identity and must:
            beside[one.get("rsc", "")] = one.get("id", "")
            yield from _role_meant(one, "with-rsc-role", "Started", "with_role: Promoted", clone)
        if one.tag == "rsc_order" and one.get("first") == identity and _order.mandatory(one):
            after[one.get("then", "")] = one.get("id", "")
            yield from _role_meant(one, "first-action", "start", "first_action: promote", clone)
    for resource in sorted(set(beside) ^ set(after)):
        there, lacking = ("colocation", "order") if resource in beside else ("order", "colocation")
        article = "an" if there == "order" else "a"
        yield Finding(
            "error",
            f"{resource} has {article} {there} with {identity} and no {lacking}, so that it may start"
            + (" too early" if lacking == "order" else " on the wrong host"),
            beside.get(resource) or after[resource],
            f"add the {lacking}",
        )


def _role_meant(
    one: Element, name: str, default: str, remedy: str, clone: Element
) -> Iterator[Finding]:
    if one.get(name, default).capitalize() in ("Started", "Start"):
        yield Finding(
            "error",
            f"it is content with any instance of {clone.get('id')}, also one that is not promoted",
            one.get("id", ""),
            f"set {remedy}",
        )


def _units(cib: Element, on: Host) -> Iterator[Finding]:
    default = _cib.section_values(cib, "op_defaults", "meta_attributes").get("timeout", _TIMEOUT)
    for one in _cib.configuration(cib).iter("primitive"):
        name = _cib.unit_of(_cib.agent_name(one), _cib.values(one, "instance_attributes"))
        unit = on.units.get(name, {})
        if unit.get("LoadState") != "loaded":
            continue
        identity = one.get("id", "")
        stops = [op.get("timeout") for op in one.findall("operations/op[@name='stop']")]
        timeout = _values.microseconds(next((t for t in stops if t), default))
        needs = _seconds(unit.get("TimeoutStopUSec", ""))
        if timeout is not None and needs is not None and timeout < needs * 1e6:
            yield Finding(
                "warning",
                f"its stop times out after {timeout / 1e6:g} s, and systemd gives the unit"
                f" {unit['TimeoutStopUSec']}",
                identity,
                "declare a stop operation with a longer timeout",
            )
        if unit.get("UnitFileState") == "enabled":
            yield Finding(
                "error",
                "its unit starts at boot by itself, on both hosts",
                identity,
                f"systemctl disable {name}",
            )


def _seconds(text: str) -> float | None:
    """A time span as systemd prints it; infinity for never."""
    if text == "infinity":
        return float("inf")
    parts = re.findall(r"([\d.]+)(us|ms|s|min|h|d|w)\b", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None
