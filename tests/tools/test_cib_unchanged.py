# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing: what it costs, and that it waits when there is a reason to."""

from __future__ import annotations

from typing import Any, Callable

import chroot
import module_host
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _arrival,
    _declaration,
    _transaction,
)

ONE, TWO = pair.NODES
QUERY = ("cibadmin", "--query")


def run(cluster: chroot.Cluster) -> _transaction.Outcome:
    """The pair's declaration once more, with the wait that a task has."""
    cluster.ran.clear()
    options = _transaction.Options(wait=60, tmpdir=str(cluster.place))
    declared = _declaration.declaration(pair.whole_pair())
    return _transaction.transact(cluster, declared, options)


def test_unchanged_run_is_one_query(running: chroot.Cluster) -> None:
    """One question to the cluster, and no other process."""
    before = running.cib_file.read_bytes()
    assert not run(running).changed
    assert running.ran == [QUERY]
    assert running.cib_file.read_bytes() == before


# What happens to the running pair, in the words of crm_simulate.
EVENTS = {
    "failed monitor": f"--op-inject=ClusterIP_monitor_10000@{ONE}=7",
    "lost host": f"--node-down={TWO}",
}


@pytest.mark.parametrize("name", EVENTS)
def test_doubt_is_asked_about(
    running: chroot.Cluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """When something happened, the run asks where everything is, and waits for it."""
    out = running.place / "out.xml"
    argv = ["crm_simulate", "--xml-file", str(running.cib_file), EVENTS[name]]
    running.quietly([*argv, "--save-output", str(out)])
    out.replace(running.cib_file)
    waited: list[list[str]] = []
    monkeypatch.setattr(_arrival, "wait", lambda _run, wanted, *_more: waited.append(wanted))
    assert not run(running).changed
    assert len(waited) == 1
    assert "ClusterIP" in waited[0]


# A host on which no module can run.
NO_MODULE = {"ansible_python_interpreter": "/nowhere/python3"}


def tasks(wait: int = 60, **more: Any) -> list[dict[str, Any]]:
    """The pair as one task, and each of its objects as a task of its own."""
    whole = pair.whole_pair()
    found = [{"kwdb.ha.pcs_config": {**whole, "wait": wait}}]
    for kind, module in (("resources", "pcs_resource"), ("constraints", "pcs_constraint")):
        found += [{f"kwdb.ha.{module}": {**one, "wait": wait}} for one in whole[kind]]
    return [{**one, **more} for one in found]


def play(
    cluster: chroot.Cluster, wanted: list[dict[str, Any]], *options: str
) -> module_host.Played:
    """Run the tasks on the cluster."""
    plays = [{"hosts": "one", "gather_facts": False, "tasks": wanted}]
    return module_host.play({"one": cluster}, plays, *options)


def test_unchanged_task_sends_no_module(running: chroot.Cluster) -> None:
    """The action sees it from the configuration alone, and answers as the module does."""
    without = play(running, tasks(vars=NO_MODULE)).must().results
    answer = run(running).result()
    assert len(without) > 10
    for one in without:
        assert not one["changed"]
        assert one["diff"] == answer["diff"]
        assert one["cib_version"] == answer["cib_version"]
        assert not one["transition"] and not one["findings"] and not one["preview_limited"]


def test_operator_state_is_seen_without_a_module(running: chroot.Cluster) -> None:
    running.quietly(["crm_attribute", "--node", TWO, "--name", "standby", "--update", "on"])
    (one,) = play(running, tasks(wait=0, vars=NO_MODULE)[:1]).must().results
    assert one["operator_state"] == run_now(running)["operator_state"] != []


def run_now(cluster: chroot.Cluster) -> dict[str, Any]:
    """What the module would return without waiting."""
    options = _transaction.Options(wait=0, tmpdir=str(cluster.place))
    declared = _declaration.declaration(pair.whole_pair())
    return _transaction.transact(cluster, declared, options).result()


def changed_property() -> dict[str, Any]:
    """A declaration with something to do."""
    return {"kwdb.ha.pcs_config": {"properties": {"stonith-timeout": "77s"}, "wait": 0}}


WITH_MODULE: dict[str, Callable[[], dict[str, Any]]] = {
    "something_to_do": changed_property,
    "check_mode_of_something_to_do": lambda: {**changed_property(), "check_mode": True},
    "bad_option": lambda: {"kwdb.ha.pcs_resource": {"id": "ClusterIP", "colour": "red"}},
    "bad_declaration": lambda: {"kwdb.ha.pcs_resource": {"id": "9 lives"}},
    "what_is_not_there": lambda: {
        "kwdb.ha.pcs_constraint": {
            "id": "one",
            "type": "location",
            "resource": "nobody",
            "node": ONE,
            "score": "5",
        }
    },
    "going_back": lambda: {"kwdb.ha.pcs_config": {"state": "restored", "snapshot": "x"}},
    "job_in_the_background": lambda: {**tasks(wait=0)[0], "async": 30, "poll": 1},
}


def test_everything_else_is_the_modules(running: chroot.Cluster) -> None:
    """Where there is more to it, nothing is decided without the module."""
    before = running.cib_file.read_bytes()
    # A host for each, for a failure ends a host's play.
    wanted = [
        {**task(), "vars": NO_MODULE, "when": f"inventory_hostname == {name!r}"}
        for name, task in WITH_MODULE.items()
    ]
    plays = [{"hosts": "all", "gather_facts": False, "tasks": wanted}]
    played = module_host.play(dict.fromkeys(WITH_MODULE, running), plays)
    failed = {one["host"]: one["msg"] for one in played.results if one["status"] == "failed"}
    assert set(failed) == set(WITH_MODULE)
    for message in failed.values():
        # A job in the background goes there as a file, which the root has no way to receive.
        assert "/nowhere/python3" in message or "AnsiballZ_pcs_config" in message, message
    assert running.cib_file.read_bytes() == before


def test_doubt_sends_the_module(running: chroot.Cluster) -> None:
    """After a failure the module waits; without a wait there is nothing to send it for."""
    out = running.place / "out.xml"
    argv = ["crm_simulate", "--xml-file", str(running.cib_file), EVENTS["failed monitor"]]
    running.quietly([*argv, "--save-output", str(out)])
    out.replace(running.cib_file)
    (one,) = play(running, [tasks(vars=NO_MODULE)[0]]).results
    assert one["status"] == "failed"
    play(running, [tasks(wait=0, vars=NO_MODULE)[0]]).must()
