# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _agents, _command, _declaration

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")


def agent(version: str, name: str) -> _agents.Agent:
    path = FIXTURES / f"pacemaker-{version}" / "cluster" / f"{name.split(':')[-1]}.agent.xml"
    return _agents.parse(name, path.read_text())


@pytest.mark.parametrize("version", VERSIONS)
def test_parse(version: str) -> None:
    drbd = agent(version, "ocf:linbit:drbd")
    assert drbd.parameters["drbd_resource"].required
    fence = agent(version, "stonith:fence_ipmilan")
    assert _agents.kind_of(fence, "lanplus") == "boolean"
    assert _agents.kind_of(fence, "unknown") == "string"
    assert _agents.kind_of(None, "lanplus") == "string"
    assert fence.parameters["ip"].replaces == "ipaddr"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ocf:linbit:drbd", ["drbd_resource"], ""),
        ("ocf:linbit:drbd", [], "needs the option drbd_resource"),
        ("ocf:linbit:drbd", ["drbd_resource", "drbdrc"], "no option drbdrc"),
        ("ocf:heartbeat:IPaddr2", ["ip", "cidr_netmask", "trace_ra"], ""),
        (
            "ocf:heartbeat:IPaddr2",
            ["ip", "netmask"],
            "no option netmask; did you mean cidr_netmask",
        ),
        ("stonith:fence_ipmilan", ["ip", "password", "pcmk_host_list", "priority"], ""),
        ("stonith:fence_ipmilan", ["ipaddr", "passwd"], ""),
        ("stonith:fence_ipmilan", ["ip", "port"], "port is filled in by Pacemaker"),
        ("stonith:fence_ipmilan", ["ip", "action"], "action is filled in by Pacemaker"),
    ],
)
def test_check(version: str, name: str, options: list[str], message: str) -> None:
    if not message:
        _agents.check(agent(version, name), "x", options)
        return
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        _agents.check(agent(version, name), "x", options)
    assert message in str(refused.value)


def test_old_name_stands_for_a_required_new_one() -> None:
    text = (
        "<resource-agent><parameters>"
        '<parameter name="ip" required="1" obsoletes="ipaddr"/>'
        '<parameter name="ipaddr" required="1" deprecated="1"/>'
        '<parameter name="plug" required="1"/></parameters></resource-agent>'
    )
    found = _agents.parse("stonith:f", text)
    for options in (["ip"], ["ipaddr"]):
        _agents.check(found, "x", options)
    with pytest.raises(_declaration.DeclarationInvalid, match="needs the option ip"):
        _agents.check(found, "x", [])


def test_lookup_asks_once_and_units_never() -> None:
    asked = []

    def run(argv: list[str], **_how: object) -> _command.Result:
        asked.append(argv)
        if argv[-1] == "--list-installed":
            return _command.Result(tuple(argv), 0, "fence_gone\nfence_other\n", "")
        if "gone" in argv[-1]:
            raise _command.CommandFailed(_command.Result(tuple(argv), 1, "", "no such agent"))
        return _command.Result(tuple(argv), 0, "<resource-agent/>", "")

    look = _agents.lookup(run)  # type: ignore[arg-type]
    look("ocf:a:b")
    look("ocf:a:b")
    assert look("systemd:unit") is None
    assert asked == [["crm_resource", "--show-metadata", "ocf:a:b"]]
    with pytest.raises(_declaration.DeclarationInvalid, match="stonith:gone is not installed"):
        look("stonith:gone")
    with pytest.raises(_declaration.DeclarationInvalid, match=r"did you mean stonith:fence_gone\?"):
        look("stonith:fence-gone")
    assert _agents.lookup(run, preview=True)("stonith:gone") is None  # type: ignore[arg-type]
