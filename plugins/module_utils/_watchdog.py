# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Fencing by watchdogs: sbd, which lets a host be reset that has lost its majority or hangs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping

from ansible_collections.kwdb.ha.plugins.module_utils import _values
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

SERVICE = "sbd"
# Where Debian's and Ubuntu's packages have sbd's settings.
SETTINGS = "/etc/default/sbd"
# The cluster's property: how long a host that is lost is waited for. The second name is that of Pacemaker 3.0.2.
PROPERTIES = ("stonith-watchdog-timeout", "fencing-watchdog-timeout")
# What Pacemaker calls the fence device that it then has.
DEVICE, AGENT = "watchdog", "fence_watchdog"
# The cluster's services start sbd, and nothing else does.
RESTART = (["pcs", "cluster", "stop", "--all"], ["pcs", "cluster", "start", "--all"])


@dataclass(frozen=True)
class Watchdog:
    """The device that resets a host, and after how many seconds without a sign of life."""

    device: str
    timeout_s: int

    def text(self) -> str:
        """The watchdog in a few words."""
        return f"{self.device} after {self.timeout_s} s"


def parse(text: str) -> Watchdog:
    """The watchdog that sbd's settings name; sbd(8) has the defaults."""
    found = dict(re.findall(r"^\s*(SBD_WATCHDOG_(?:DEV|TIMEOUT))=(.*)$", text, re.MULTILINE))
    values = {name: "".join(shlex.split(value, comments=True)) for name, value in found.items()}
    timeout = values.get("SBD_WATCHDOG_TIMEOUT", "")
    return Watchdog(
        values.get("SBD_WATCHDOG_DEV", "/dev/watchdog"), int(timeout) if timeout.isdigit() else 5
    )


def read(run: Runner) -> Watchdog | None:
    """The watchdog that this host's cluster starts with, None when sbd does not start with it."""
    text = read_text(SETTINGS)
    if not text:
        return None
    # Its exit code says that it is not.
    said = run(["systemctl", "is-enabled", SERVICE], ok=range(256)).stdout.strip()
    return parse(text) if said == "enabled" else None


def enable(watchdog: Watchdog) -> list[str]:
    """Write sbd's settings on all members and let it start with the cluster there.

    pcs would look for the device by opening every watchdog there is. One that cannot be stopped again (nowayout)
    then resets its host.
    """
    argv = ["pcs", "stonith", "sbd", "enable", "--no-watchdog-validation"]
    return [*argv, f"watchdog={watchdog.device}", f"SBD_WATCHDOG_TIMEOUT={watchdog.timeout_s}"]


def too_short(watchdog: Watchdog, sync_timeout_ms: int) -> str:
    """What is wrong when a host may learn later that it has lost its majority than its watchdog waits.

    sbd then takes the majority for lost at all times (sbd-cluster.c, quorum_is_suspect_qdevice_timing).
    """
    if watchdog.timeout_s * 1000 > sync_timeout_ms:
        return ""
    return (
        f"the watchdog's {watchdog.timeout_s} s must be more than the {sync_timeout_ms / 1000:g} s that"
        " corosync waits for the third vote (sync_timeout of the quorum device)"
    )


def wait_us(properties: Mapping[str, str]) -> int:
    """Microseconds after which a lost host counts as reset by its watchdog; 0 when nobody counts on that.

    Negative when Pacemaker is to take twice the time of sbd's settings (pacemaker-controld(7)).
    """
    value = next((properties[one] for one in PROPERTIES if one in properties), "0").strip()
    sign = -1 if value.startswith("-") else 1
    return sign * (_values.microseconds(value.lstrip("-")) or 0)


def too_early(watchdog: Watchdog, sync_ms: int, waited_us: int) -> str:
    """What is wrong when a lost host counts as reset before its watchdog has certainly done it.

    That host knows of the loss when the third vote has not answered for sync_ms, and has its watchdog's time then.
    """
    waited_s = 2.0 * watchdog.timeout_s if waited_us < 0 else waited_us / 1e6
    at_last_s = sync_ms / 1000 + watchdog.timeout_s
    if waited_s > at_last_s:
        return ""
    return (
        f"a host that has lost its majority is reset up to {at_last_s:g} s later ({watchdog.text()}, and"
        f" {sync_ms / 1000:g} s for the third vote), and the other one takes over after {waited_s:g} s"
    )
