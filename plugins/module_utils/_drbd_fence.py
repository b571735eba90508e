# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Whether the fence handlers that come with drbd-utils can talk to the Pacemaker of this host."""

from __future__ import annotations

import re

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner

# drbd-utils before the first version, with Pacemaker from the second on: what the handler gets wrong.
MISFITS = (
    ((9, 13), (0,), "looks for the clone under an element that pcs no longer writes"),
    ((9, 20, 2), (2, 0, 5), "gives crmadmin a timeout in other units and misreads its answer"),
    ((9, 28), (2, 1, 7), "misreads the times that Pacemaker writes for a host's membership"),
)


def parse_version(text: str) -> tuple[int, ...]:
    """The first version in a text as numbers; empty when there is none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found.group(0).split(".")) if found else ()


def handler_problem(utils: str, pacemaker: str) -> str | None:
    """What the distribution's handler gets wrong; empty when it fits, None when a version is unknown."""
    tools, cluster = parse_version(utils), parse_version(pacemaker)
    if not tools or not cluster:
        return None
    for before, since, problem in MISFITS:
        if tools < before and cluster >= since:
            return problem
    return ""


def pacemaker_version(run: Runner) -> str:
    """The version of the Pacemaker that is installed; empty when there is none."""
    try:
        shown = run(["pacemakerd", "--version"]).stdout
    except CommandFailed:
        return ""
    return ".".join(str(part) for part in parse_version(shown))
