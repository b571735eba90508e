# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Have a host fenced by the cluster's own devices, and see which of them did it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _pair

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
    from ansible_collections.kwdb.ha.plugins.module_utils._pair import Cib

FENCE_TIMEOUT_S = 120


@dataclass(frozen=True)
class FenceEvent:
    """One fencing as the cluster remembers it; delegate is the host that carried it out."""

    action: str
    target: str
    delegate: str
    origin: str
    client: str
    status: str
    completed: str


def fence_command(node: str) -> list[str]:
    """Have a host rebooted through the configured devices and levels."""
    return ["stonith_admin", "--reboot", node, f"--timeout={FENCE_TIMEOUT_S}"]


def parse_history(xml: str) -> list[FenceEvent]:
    """The fencings in crm_mon's XML."""
    return [
        FenceEvent(
            action=one.get("action", ""),
            target=one.get("target", ""),
            delegate=one.get("delegate", ""),
            origin=one.get("origin", ""),
            client=one.get("client", ""),
            status=one.get("status", "") or one.get("state", ""),
            completed=one.get("completed", ""),
        )
        for one in ET.fromstring(xml).iter("fence_event")
    ]


def read_history(run: Runner) -> list[FenceEvent]:
    """All fencings that the cluster remembers."""
    return parse_history(run(["crm_mon", "--output-as", "xml", "--fence-history=3"]).stdout)


def devices_for(cib: Cib | None, node: str) -> dict[str, str]:
    """The devices that can fence a host, with their agents."""
    if cib is None:
        return {}
    return {
        device: agent
        for device, agent in sorted(_pair.fence_devices(cib).items())
        if node in (cib.fence_targets.get(device) or (node,))
    }


def fence_report(
    before: Sequence[FenceEvent], after: Sequence[FenceEvent], cib: Cib | None, node: str
) -> dict[str, Any]:
    """The last successful fencing of a host that is new, with the devices that can have done it."""
    new = [
        one for one in after if one not in before and one.target == node and one.status == "success"
    ]
    if not new:
        return {}
    last = max(new, key=lambda one: one.completed)
    devices = devices_for(cib, node)
    return {**asdict(last), "devices": sorted(devices), "agents": agents(devices, last)}


def agents(devices: dict[str, str], event: FenceEvent) -> str:
    """The agents in words; a person who confirmed the fencing by hand is no device."""
    if event.delegate == "a human":
        return "a human"
    return ", ".join(sorted(set(devices.values())))
