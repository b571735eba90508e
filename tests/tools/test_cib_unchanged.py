# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing: what it costs, and that it waits when there is a reason to."""

from __future__ import annotations

import chroot
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
