# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _command
from ansible_collections.kwdb.ha.plugins.modules import fence_check


def params(**options: Any) -> dict[str, Any]:
    return {"options": options, "secret_options": {"password": "x y=z"}}


def test_agent_input() -> None:
    """Each option on its line, as the agents read them; Pacemaker's own are left out."""
    given = params(
        ip="192.0.2.1", lanplus=True, ipport=623, auth=None, pcmk_host_list="b", priority=1
    )
    assert fence_check.agent_input(given).splitlines() == [
        "action=status",
        "ip=192.0.2.1",
        "lanplus=true",
        "ipport=623",
        "password=x y=z",
    ]


def test_agent_input_refuses_a_second_line() -> None:
    with pytest.raises(ValueError, match="the option ip has more than one line"):
        fence_check.agent_input(params(ip="192.0.2.1\naction=off"))


@pytest.mark.parametrize("name", ["action", "option", "x\naction", "passwd"])
def test_agent_input_refuses(name: str) -> None:
    """Nothing in the options may turn a question into a power switch, or be logged."""
    with pytest.raises(ValueError, match=r"drop it|not the name|secret_options"):
        fence_check.agent_input(params(**{name: "off"}))


@pytest.mark.parametrize(
    ("rc", "stderr", "message"),
    [
        (0, "", ""),
        (2, "", "says that its host is off, but b is up: it controls another machine"),
        (1, "noise\nUnable to obtain correct plug status", "Unable to obtain correct plug status"),
        (127, "", "does not answer fence_x (exit code 127): no output"),
    ],
)
def test_verdict(rc: int, stderr: str, message: str) -> None:
    result = _command.Result(("fence_x",), rc, "", stderr)
    found = fence_check.verdict("b", "fence_x", result)
    assert message in found
    assert bool(found) is bool(message)
