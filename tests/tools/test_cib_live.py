# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pcs_config on the live Pacemaker of each release: it waits, tells failures, and has rivals."""

from __future__ import annotations

import concurrent.futures
import os
import time
import xml.etree.ElementTree as ElementTree
from typing import Any, Iterator, Sequence

import live
import pytest
import roots

from ansible_collections.kwdb.ha.plugins.module_utils import _command, _pair, _pair_move

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="starts nodes in namespaces")

EXTRA = {
    "id": "Extra",
    "agent": "ocf:pacemaker:Dummy",
    "options": {"op_sleep": 2},
    "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}],
}


@pytest.fixture(scope="module", params=list(roots.PACKAGES))
def two(request: pytest.FixtureRequest) -> Iterator[live.Pair]:
    """A live pair of one release."""
    with live.pair(request.param) as found:
        yield found


@pytest.fixture(autouse=True)
def clean(two: live.Pair) -> Iterator[None]:
    """Each test begins with the pair alone."""
    two.wait_healthy()
    yield
    gone = {"resources": [{"id": "Extra", "state": "absent"}], "allow_disruption": True}
    result = two.first.module("pcs_config", **gone)
    assert not result.get("failed"), result
    two.first.run("crm_resource", "--cleanup", ok=False)


def active(two: live.Pair, resource: str) -> list[str]:
    """Where a resource runs at this moment."""
    text = two.first.run("crm_mon", "-1", "--output-as", "xml").stdout
    found = ElementTree.fromstring(text).iterfind(f"resources//resource[@id='{resource}']")
    return [n.get("name", "") for one in found if one.get("active") == "true" for n in one]


def cib(two: live.Pair) -> ElementTree.Element:
    """The live configuration."""
    return ElementTree.fromstring(two.first.run("cibadmin", "--query").stdout)


def agent_name(primitive: ElementTree.Element) -> str:
    """The agent of a resource as a task names it."""
    words = (primitive.get(name) for name in ("class", "provider", "type"))
    return ":".join(word for word in words if word)


def apply(two: live.Pair, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The result of pcs_config, which must be good."""
    result = two.first.module("pcs_config", check=check, **arguments)
    assert not result.get("failed"), result
    return result


def test_result_is_told_before_and_waited_for(two: live.Pair) -> None:
    """Check mode says what the real run does; when that ends, the resource runs."""
    wanted = {"resources": [{**EXTRA, "group": {"id": "KaiwuDBGrp", "after": "ClusterIP"}}]}
    preview = apply(two, check=True, **wanted)
    assert active(two, "Extra") == []
    result = apply(two, **wanted)
    node = active(two, "ClusterIP")
    assert active(two, "Extra") == node
    assert result["transition"] == [{"action": "start", "resource": "Extra", "node": node[0]}]
    assert (preview["changed"], preview["transition"]) == (True, result["transition"])
    assert preview["diff"] == result["diff"]
    began = time.monotonic()
    assert not apply(two, **wanted)["changed"]
    assert time.monotonic() - began < 10


def test_unchanged_run_starts_one_process(two: live.Pair) -> None:
    """What is there already costs one question, though the module promises to wait for it."""
    wanted = {"resources": [EXTRA], "properties": {"stonith-enabled": True}}
    apply(two, **wanted)
    assert len(two.first.started()) > 1
    whole = [
        {"id": one.get("id"), "agent": agent_name(one)}
        for one in cib(two).iterfind("configuration/resources//primitive")
    ]
    assert {"KaiwuData", "ClusterIP", "Extra"} <= {one["id"] for one in whole}
    for again in (wanted, {"resources": whole}):
        assert not apply(two, **again)["changed"]
        assert [argv[1:] for argv in two.first.started()] == [["--query"]]
    # An instance that is missing is a reason to ask further.
    node = active(two, "Extra")[0]
    two.first.run("crm_resource", "--ban", "--resource", "Extra", "--node", node)
    try:
        two.first.run("crm_resource", "--wait", "--timeout=60")
        apply(two, **wanted)
        assert [argv[1:] for argv in two.first.started()] == [["--query"]]
        two.first.run("crm_resource", "--meta", "-r", "Extra", "-p", "target-role", "-v", "Stopped")
        two.first.run("crm_resource", "--wait", "--timeout=60")
        apply(two, **wanted)
        assert len(two.first.started()) > 1
    finally:
        two.first.run("crm_resource", "--clear", "--resource", "Extra")
        two.first.run("crm_resource", "--meta", "-r", "Extra", "-d", "target-role")


def test_interruption_is_refused_and_did_not_happen(two: live.Pair) -> None:
    """Nothing is restarted without the word for it; with it exactly the announced is."""
    wanted = {"resources": [{**EXTRA, "group": {"id": "KaiwuDBGrp"}}]}
    apply(two, **wanted)
    changed = {"resources": [{**EXTRA, "options": {"state": "/run/extra.state"}}]}
    before = two.first.run("cibadmin", "--query", "-o", "resources").stdout
    refused = two.first.module("pcs_config", **changed)
    assert refused["failed"]
    assert "would interrupt what is running: restart Extra on" in refused["msg"]
    assert two.first.run("cibadmin", "--query", "-o", "resources").stdout == before
    done = apply(two, allow_disruption=True, **changed)
    assert [one["action"] for one in done["transition"]] == ["restart"]
    if "Pacemaker 2.0" in two.first.run("crm_mon", "--version").stdout:
        return
    # What does not interrupt needs no word: later versions let the agent take this as it runs.
    gentle = apply(two, resources=[{**EXTRA, "options": {"op_sleep": 1}}])
    assert [one["action"] for one in gentle["transition"]] == ["reload"]


def cluster_runner(node: live.Node) -> Any:
    """What runs commands for the modules, on a node."""

    def run(argv: Sequence[str], *, ok: Sequence[int] = (0,)) -> Any:
        done = node.run(*argv, ok=False)
        assert done.returncode in ok, done.stderr
        return _command.Result(tuple(argv), done.returncode, done.stdout, done.stderr)

    return run


def test_failures_are_forgotten_when_nothing_is_under_way(two: live.Pair) -> None:
    """A cleanup would end the first run of the monitor, and what comes of that is a failure."""
    run = cluster_runner(two.first)

    def look() -> _pair.Pair:
        text = run(["cibadmin", "--query"]).stdout
        return _pair.Pair(live.NODES[0], cib=_pair.parse_cib(text, _pair.Names()))

    slow = {"interval": "10s", "timeout": "5s", "name": "monitor"}
    # How long the cluster waits for a result beside the action's own time: 60 s unless told.
    run(["crm_attribute", "--name", "cluster-delay", "--update", "2s"])
    try:
        apply(two, resources=[{**EXTRA, "operations": [slow]}])
        (node,) = active(two, "Extra")
        run(["crm_resource", "--fail", "--resource", "Extra", "--node", node])
        end = time.monotonic() + 30
        while f"Extra_monitor_10000 on {node}" not in look().cib.under_way:
            assert time.monotonic() < end, "the resource did not come back"
            time.sleep(0.1)
        assert _pair_move.forget_failures(run, look, "Extra", 60)
        time.sleep(10)
        status = run(["crm_mon", "-1", "--output-as", "xml"]).stdout
        assert (
            "<failure " not in status
            and "fail-count-Extra" not in run(["cibadmin", "--query"]).stdout
        )
        assert active(two, "Extra") == [node]
    finally:
        run(["crm_attribute", "--name", "cluster-delay", "--delete"])


def test_going_back(two: live.Pair) -> None:
    """A change can be taken back, with the word for the interruption, and is then waited for."""
    old = cib(two).find("configuration/resources")
    made = apply(two, resources=[EXTRA], allow_disruption=True)
    mode = two.first.run("stat", "--format=%a %U", made["snapshot"]).stdout
    assert mode.split() == ["600", "root"]
    assert active(two, "Extra")
    refused = two.first.module("pcs_config", state="restored")
    assert refused["failed"]
    assert "would interrupt what is running: stop Extra on" in refused["msg"]
    assert refused["transition"][0]["action"] == "stop"
    both = two.first.module("pcs_config", state="restored", resources=[EXTRA])
    assert both["failed"] and "takes no objects" in both["msg"]
    back = apply(two, state="restored", allow_disruption=True)
    assert back["snapshot"].endswith("-restore.xml")
    assert active(two, "Extra") == []
    new = cib(two).find("configuration/resources")
    assert old is not None and new is not None
    assert ElementTree.tostring(old) == ElementTree.tostring(new)
    assert not apply(two, state="restored")["changed"]
    assert [argv[1:] for argv in two.first.started()] == [["--query"]]


def test_read_and_fed_back(two: live.Pair) -> None:
    """pcs_config_info reads what pcs_config takes for no change."""
    found = two.first.module("pcs_config_info")
    assert not found.get("failed"), found
    assert [argv[1:] for argv in two.first.started()] == [["--query"]]
    assert found["config"]["properties"]["stonith-enabled"] == "true"
    assert "dc-version" not in found["config"]["properties"]
    assert not apply(two, **found["config"])["changed"]


def test_failure_is_told_in_the_agents_words(two: live.Pair) -> None:
    """A resource that cannot start ends the wait early, with the reason that the agent gave."""
    broken = {
        "id": "Extra",
        "agent": "ocf:heartbeat:Filesystem",
        "options": {"device": "/dev/none", "directory": "/mnt", "fstype": "ext4"},
        "operations": [{"name": "monitor", "interval": "20s", "timeout": "40s"}],
    }
    began = time.monotonic()
    result = two.first.module("pcs_config", resources=[broken], wait=120)
    assert result["failed"]
    assert "Extra does not run" in result["msg"]
    # In a root without kernel tools the agent already says so when it is asked the first time.
    assert "monitor on ha-node01: not installed (Setup problem" in result["msg"]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("how", ["maintenance", "standby"])
def test_operator_is_not_waited_for(two: live.Pair, how: str) -> None:
    """What cannot run because an operator said so holds nobody up and is not undone."""
    names = {"maintenance": ["crm_attribute", "-t", "crm_config", "-n", "maintenance-mode"]}
    command = names.get(how, ["crm_attribute", "-t", "nodes", "-N", live.NODES[1], "-n", "standby"])
    two.first.run(*command, "-v", "true")
    two.first.run("crm_resource", "--wait", "--timeout=60", ok=False)
    try:
        began = time.monotonic()
        result = apply(two, resources=[EXTRA], wait=60)
        assert time.monotonic() - began < 30
        assert how in " ".join(one["kind"] for one in result["operator_state"])
        assert not apply(two, resources=[EXTRA])["changed"]
        expected = [] if how == "maintenance" else [live.NODES[0]]
        assert active(two, "Extra") == expected
    finally:
        two.first.run(*command, "-D")
        two.first.run("crm_resource", "--wait", "--timeout=60", ok=False)


def test_two_hosts_at_once_lose_nothing(two: live.Pair) -> None:
    """Pushes from both hosts at the same moment all end right, and each is still there."""

    def many(node: live.Node) -> list[dict[str, Any]]:
        return [
            node.module("pcs_config", operation_defaults={f"x-{node.name}-{number}": str(number)})
            for number in range(4)
        ]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = [one for done in pool.map(many, two.nodes.values()) for one in done]
    assert [one for one in results if one.get("failed") or not one["changed"]] == []
    names = {one.get("name") for one in cib(two).findall(".//op_defaults//nvpair")}
    assert names == {f"x-{name}-{number}" for name in two.nodes for number in range(4)}


def test_single_objects(two: live.Pair) -> None:
    """pcs_resource and pcs_constraint do what pcs_config does with a list of one."""
    secret = {**EXTRA, "options": {}, "secret_options": {"fake": "geheim"}}
    before = cib(two).findall("configuration/constraints/*")
    made = two.first.module("pcs_resource", **secret)
    assert made.get("changed") and not made.get("failed"), made
    assert "geheim" not in str(made)
    assert not two.first.module("pcs_resource", **secret)["changed"]
    constraint = {
        "id": "location-Extra",
        "type": "location",
        "resource": "Extra",
        "node": live.NODES[1],
        "score": "-1000",
    }
    assert two.first.module("pcs_constraint", check=True, **constraint)["changed"]
    made = two.first.module("pcs_constraint", allow_disruption=True, **constraint)
    assert made.get("changed") and not made.get("failed"), made
    assert not two.first.module("pcs_constraint", **constraint)["changed"]
    assert active(two, "Extra") == [live.NODES[0]]
    assert two.first.module("pcs_constraint", id="location-Extra", state="absent")["changed"]
    assert len(cib(two).findall("configuration/constraints/*")) == len(before)
