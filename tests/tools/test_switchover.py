# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pair_switchover on the live Pacemaker of each release, also when it is ended in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import Iterator

import live
import pytest
import roots

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="starts nodes in namespaces")


@pytest.fixture(scope="module", params=list(roots.PACKAGES))
def two(request: pytest.FixtureRequest) -> Iterator[live.Pair]:
    """A live pair of one release."""
    with live.pair(request.param) as found:
        yield found


@pytest.fixture(autouse=True)
def healthy(two: live.Pair) -> None:
    """Each test begins with a healthy pair."""
    two.wait_healthy()


def test_check_mode_says_what_would_move_and_moves_nothing(two: live.Pair) -> None:
    before = two.info()
    cib = two.constraints()
    result = two.first.module("pair_switchover", check=True)
    assert result["changed"]
    assert (result["source"], result["target"]) == (before["active_node"], before["standby_node"])
    assert two.constraints() == cib
    assert two.info()["active_node"] == before["active_node"]


def test_the_service_moves_and_nothing_is_left(two: live.Pair) -> None:
    before = two.info()
    result = two.first.module("pair_switchover")
    assert result.get("changed") and not result.get("failed"), result
    after = two.info()
    assert after["healthy"], after["summary"]
    assert after["active_node"] == after["service_node"] == before["standby_node"]
    assert "cli-" not in two.constraints()
    reached = [phase["name"] for phase in result["phases"]]
    assert reached[0] == "ban placed" and reached[-1] == "ban removed"
    assert {"service stopped", "promoted", "ClusterIP started"} <= set(reached)


def test_the_replication_is_never_stopped(two: live.Pair) -> None:
    source = two.info()["active_node"]
    assert not two.first.module("pair_switchover").get("failed")
    status = two.first.run("cibadmin", "--query", "-o", "status").stdout
    (history,) = re.findall(rf'<node_state[^>]*uname="{source}".*?</node_state>', status, re.S)
    (copy,) = re.findall(r'<lrm_resource [^>]*id="KaiwuData".*?</lrm_resource>', history, re.S)
    last = re.search(r'id="KaiwuData_last_0"[^>]*operation="(\w+)"', copy)
    assert last and last[1] == "demote"  # a stop and a start would be the last otherwise


def test_nothing_is_done_when_the_wanted_host_is_active(two: live.Pair) -> None:
    active = two.info()["active_node"]
    result = two.first.module("pair_switchover", node=active)
    assert not result["changed"] and not result.get("failed")
    assert two.info()["active_node"] == active


def test_a_host_in_standby_is_a_reason_to_refuse(two: live.Pair) -> None:
    before = two.info()
    idle = before["standby_node"]
    two.first.run("crm_attribute", "-N", idle, "-n", "standby", "-v", "on")
    try:
        result = two.first.module("pair_switchover")
        assert result["failed"] and f"pcs node unstandby {idle}" in result["msg"]
        assert "cli-" not in two.constraints()
        assert two.info()["active_node"] == before["active_node"]
    finally:
        two.first.run("crm_attribute", "-N", idle, "-n", "standby", "-v", "off")


def end_in_the_middle(two: live.Pair, number: int) -> None:
    """Start a switchover and end it with a signal once its ban is there."""
    argv = two.first.module_argv("pair_switchover", {})
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while "cli-ban" not in two.constraints():
        assert time.monotonic() < deadline and process.poll() is None
    # nsenter runs the module in a child of its own because of the process ids.
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children, encoding="ascii") as listing:
        os.kill(int(listing.read().split()[0]), number)
    process.communicate(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_ban_is_lifted_when_the_module_is_told_to_end(two: live.Pair, number: int) -> None:
    end_in_the_middle(two, number)
    assert "cli-" not in two.constraints()


def test_a_killed_module_leaves_a_ban_that_ends_and_that_every_gate_sees(two: live.Pair) -> None:
    end_in_the_middle(two, signal.SIGKILL)
    constraints = two.constraints()
    assert "cli-ban" in constraints and re.search(r'operation="lt" end="20', constraints)
    assert any("move or ban" in line for line in two.info()["summary"])
    result = two.first.module("pair_switchover")
    assert result["failed"] and "pcs resource clear KaiwuData-clone" in result["msg"]
    # What the remedy does: the constraint has the id that Pacemaker's own tool looks for.
    two.first.run("crm_resource", "--clear", "--resource", "KaiwuData-clone")
    assert "cli-" not in two.constraints()
