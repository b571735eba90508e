# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DRBD's fence handler of the role: its answers, with the real Pacemaker of each release."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from typing import Any, Iterator

import chroot
import live
import pytest
import roots

HANDLER = pathlib.Path(__file__).resolve().parents[2] / "roles/drbd/files/drbd-fence-peer"
ONE, TWO = live.NODES
NAME = "drbd-fence-by-handler-kwdb-KaiwuData-clone"
# What module 9's drbdadm gives its handlers; module 8.4 names devices and is read from /proc/drbd.
GOOD = {"DRBD_RESOURCE": "kwdb", "DRBD_MY_NODE_ID": "0", "UP_TO_DATE_NODES": "0x00000001"}
STALE = {**GOOD, "UP_TO_DATE_NODES": "0x00000002"}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs other roots")


def load() -> Any:
    """The handler as a module."""
    loader = importlib.machinery.SourceFileLoader("drbd_fence_peer", str(HANDLER))
    spec = importlib.util.spec_from_loader("drbd_fence_peer", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = kept
    return module


handler = load()


def ask(
    cluster: chroot.Cluster, *words: str, host: str = ONE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the handler in the root as DRBD would on a host."""
    shutil.copy(HANDLER, cluster.place / "handler")
    script = 'hostname "$1" && mkdir -p "$2/run/lock" && shift && root=$1 && shift && exec chroot "$root" "$@"'
    inside = ["python3", cluster.inside(cluster.place / "handler"), "--timeout", "1", *words]
    return subprocess.run(
        ["unshare", "--uts", "sh", "-c", script, "sh", host, str(cluster.root), *inside],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "CIB_file": cluster.inside(cluster.cib_file),
            **environment,
        },
    )


def fences(cib: ElementTree.Element) -> list[ElementTree.Element]:
    """The fence constraints in a configuration."""
    return [one for one in cib.iter("rsc_location") if one.get("id", "").startswith("drbd-fence")]


def inject(cluster: chroot.Cluster, *events: str) -> None:
    """Let something happen that the cluster has not answered yet."""
    out = cluster.place / "out.xml"
    argv = ["crm_simulate", "--xml-file", str(cluster.cib_file), *events]
    cluster.quietly([*argv, "--save-output", str(out)])
    os.replace(out, cluster.cib_file)


def test_a_peer_that_is_gone(running: chroot.Cluster) -> None:
    inject(running, f"--node-down={TWO}")
    asked = ask(running, **GOOD)
    assert asked.returncode == 7, asked.stderr
    (found,) = fences(running.cib)
    (rule,) = found
    (expression,) = rule
    assert (found.get("id"), found.get("rsc")) == (NAME, "KaiwuData-clone")
    assert (rule.get("role"), rule.get("score")) == (running.promoted, "-INFINITY")
    shown = [expression.get(key) for key in ("attribute", "operation", "value")]
    assert shown == ["#uname", "ne", ONE]
    # Asked again it answers the same; the host that was kept out gets no answer that lets it write.
    assert ask(running, **GOOD).returncode == 7
    assert len(fences(running.cib)) == 1
    inject(running, f"--node-up={TWO}", f"--node-down={ONE}")
    refused = ask(running, host=TWO, **GOOD)
    assert refused.returncode == 1
    assert f"{ONE} has the newer data" in refused.stderr
    # Pacemaker reads the constraint as it is meant: with the first host lost, nothing is promoted.
    running.settle()
    assert "Promoted" not in running.roles().get("KaiwuData", {}).values()


def test_a_peer_that_waits_to_be_fenced_is_not_vouched_for(running: chroot.Cluster) -> None:
    inject(running, f"--node-fail={TWO}")
    asked = ask(running, **GOOD)
    assert asked.returncode == 1
    assert f"{TWO} is neither fenced nor does it answer" in asked.stderr
    assert fences(running.cib) == []


def test_without_fencing_nobody_knows(running: chroot.Cluster) -> None:
    running.quietly(["crm_attribute", "-n", "stonith-enabled", "-v", "false"])
    inject(running, f"--node-down={TWO}")
    assert ask(running, **GOOD).returncode == 5
    assert len(fences(running.cib)) == 1


def test_an_older_copy_fences_nobody(running: chroot.Cluster) -> None:
    inject(running, f"--node-down={TWO}")
    asked = ask(running, **STALE)
    assert (asked.returncode, fences(running.cib)) == (1, [])
    assert "this copy is not whole" in asked.stderr
    assert ask(running).returncode == 1


def test_unknown_names_are_refused(running: chroot.Cluster) -> None:
    inject(running, f"--node-down={TWO}")
    asked = ask(running, **{**GOOD, "DRBD_RESOURCE": "other"})
    assert asked.returncode == 1
    assert "no clone for the DRBD resource other" in asked.stderr
    assert fences(running.cib) == []


FROZEN = " 3: cs:{} ro:Primary/Unknown ds:UpToDate/{} C r-----\n"


@pytest.fixture
def kernel(running: chroot.Cluster) -> Iterator[pathlib.Path]:
    """What the kernel of the host says of its devices."""
    path = running.root / "proc" / "drbd"
    path.write_text(FROZEN.format("WFConnection", "DUnknown"), encoding="ascii")
    yield path
    path.unlink()


@contextlib.contextmanager
def asking(cluster: chroot.Cluster, **environment: str) -> Iterator[concurrent.futures.Future[Any]]:
    """The handler while DRBD waits for it, for longer than a promotion would."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, cluster, **(environment or GOOD))
        time.sleep(4)
        assert not asked.done(), asked.result().stderr
        assert fences(cluster.cib) == []
        yield asked


def test_frozen_writes_wait_until_the_peer_is_confirmed_off(
    running: chroot.Cluster, kernel: pathlib.Path
) -> None:
    inject(running, f"--node-fail={TWO}")
    with asking(running) as asked:
        inject(running, f"--node-down={TWO}")
        assert asked.result().returncode == 7, asked.result().stderr
    assert len(fences(running.cib)) == 1


def test_frozen_writes_wait_until_the_peer_is_connected(
    running: chroot.Cluster, kernel: pathlib.Path
) -> None:
    inject(running, f"--node-fail={TWO}")
    with asking(running) as asked:
        kernel.write_text(FROZEN.format("SyncSource", "Inconsistent"), encoding="ascii")
        assert asked.result().returncode == 1
        assert "the peer is connected again" in asked.result().stderr
    assert fences(running.cib) == []


def test_frozen_writes_are_not_freed_by_a_disk_that_failed_meanwhile(
    running: chroot.Cluster, kernel: pathlib.Path
) -> None:
    inject(running, f"--node-fail={TWO}")
    with asking(running, DRBD_RESOURCE="kwdb", DRBD_MINOR="3") as asked:
        failed = FROZEN.format("WFConnection", "DUnknown").replace("UpToDate", "Diskless")
        kernel.write_text(failed, encoding="ascii")
        inject(running, f"--node-down={TWO}")
        assert asked.result().returncode == 1
        assert "this copy is not whole" in asked.result().stderr
    assert fences(running.cib) == []


def test_no_constraint_is_left_of_a_peer_that_is_equal_again(
    running: chroot.Cluster, kernel: pathlib.Path
) -> None:
    inject(running, f"--node-down={TWO}")
    kernel.write_text(FROZEN.format("Connected", "UpToDate"), encoding="ascii")
    asked = ask(running, **GOOD)
    assert asked.returncode == 1
    assert f"{TWO} is connected and up to date again" in asked.stderr
    assert fences(running.cib) == []


PROC_84 = """version: 8.4.11 (api:1/proto:86-101)
 3: cs:WFConnection ro:Primary/Unknown ds:{here}/{there} C r-----
    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 4: cs:WFConnection ro:Primary/Unknown ds:UpToDate/UpToDate C r-----
13: cs:Connected ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----
"""


@pytest.mark.parametrize(
    ("here", "good", "whole"),
    [
        ("UpToDate", True, True),
        ("Consistent", False, True),
        ("Inconsistent", False, False),
        ("Outdated", False, False),
        ("Diskless", False, False),
    ],
)
def test_the_copys_worth_with_module_84(here: str, good: bool, whole: bool) -> None:
    proc = PROC_84.format(here=here, there="DUnknown")
    environment = {"DRBD_MINOR": "3 4"}
    assert handler.good_here(environment, proc) is good
    assert handler.consistent_here(environment, proc) is whole
    assert handler.good_here({"DRBD_MINOR": "5"}, proc) is False
    assert handler.good_here({"DRBD_MINOR": "13"}, proc) is False


@pytest.fixture(scope="module", params=list(roots.PACKAGES))
def two(request: pytest.FixtureRequest) -> Iterator[live.Pair]:
    """A live pair of one release, with the handler on both hosts."""
    with live.pair(request.param) as found:
        for node in found.nodes.values():
            node.run("tee", "/opt/handler", stdin=HANDLER.read_text())
            node.run("tee", "/usr/sbin/drbdsetup", stdin="#!/bin/sh\ncat /opt/events\n")
            node.run("chmod", "755", "/usr/sbin/drbdsetup")
        yield found


def call(node: live.Node, *words: str, **environment: str) -> int:
    """The handler's answer on a live host."""
    pairs = [f"{key}={value}" for key, value in {**GOOD, **environment}.items()]
    argv = ["python3", "/opt/handler", "--clone", "KaiwuData-clone", *words]
    return node.run("env", *pairs, *argv, ok=False).returncode


EVENTS = (
    "exists device name:kwdb volume:0 minor:3 disk:UpToDate\n"
    "exists peer-device name:kwdb volume:0 replication:Established peer-disk:{}\n"
)


def test_on_a_live_pair(two: live.Pair) -> None:
    """The peer lives and only the link of replication is cut; then both are equal again; then it dies."""
    one, other = two.nodes[ONE], two.nodes[TWO]
    assert call(one) == 4
    assert NAME in two.constraints()
    assert call(one) == 4
    assert call(other) == 1
    for state, answer, left in (("Inconsistent", 1, True), ("UpToDate", 0, False)):
        one.run("tee", "/opt/events", stdin=EVENTS.format(state))
        assert call(one, "--unfence") == answer
        assert (NAME in two.constraints()) is left
    assert call(one, "--unfence") == 0
    assert call(one, UP_TO_DATE_NODES="0x2") == 1
    assert NAME not in two.constraints()
    other.stop()
    # At once, while the cluster still takes it for a member.
    assert call(one, "--timeout", "60") == 7
    assert NAME in two.constraints()
