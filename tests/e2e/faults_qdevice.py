"""A third vote on a third host: added to a running pair, and what it changes when hosts and links fail."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml
from client import Client
from faults_cluster import (
    ACTIVE,
    NOBODY,
    one_host_is_left,
    powered_off,
    record,
    run_alone,
    scene_of,
    until_healthy,
)
from pairlab import BUILD, Lab, Up
from watch import active, fenced, wait_for

from ansible_collections.kwdb.ha.plugins.module_utils import _corosync

THIRD = "ha-node03"
CONFIGURATION = "/etc/corosync/corosync.conf"
MAIN_PID = "systemctl show --value -p MainPID kaiwudb.service"


def give_third_host(lab: Lab) -> str:
    """Make the third lab host the one of the third vote in the inventory; its address."""
    path = lab.inventory / "hosts.yml"
    listed = yaml.safe_load(path.read_text())
    groups = listed["all"]["children"]
    address = groups["kwdb_pair"]["hosts"].pop(THIRD)["ansible_host"]
    secret = yaml.safe_load((lab.inventory / "group_vars" / "kwdb_pair.yml").read_text())
    groups["kwdb_qnetd"] = {
        "hosts": {THIRD: {"ansible_host": address}},
        "vars": {
            **{
                name: value
                for name, value in groups["kwdb_pair"]["vars"].items()
                if name[:8] == "ansible_"
            },
            "pacemaker_hacluster_password": secret["pacemaker_hacluster_password"],
        },
    }
    path.write_text(yaml.safe_dump(listed))
    return address


def votes(lab: Lab, host: str) -> tuple[int, int]:
    """Votes that a host counts, and those that it expects."""
    return _corosync.votes(lab.ssh(host, "corosync-quorumtool -s", check=False))


def all_vote(lab: Lab) -> bool:
    """Whether both hosts count three votes."""
    return all(votes(lab, host) == (3, 3) for host in lab.hosts)


def boot_alone(lab: Lab, host: str) -> None:
    """Cut the power of both hosts and power on this one, until its corosync expects the others."""
    for one in lab.hosts:
        lab.halab("power", "off", one)
    lab.halab("power", "on", host, "--wait")
    wait_for("corosync", lambda: votes(lab, host)[1] == 3, 120)


@pytest.fixture(scope="module")
def trio(up: Up) -> Iterator[Lab]:
    """A pair with its third vote, which it got while a client wrote."""
    with up(Lab(BUILD / "trio-lab", ("--hosts", "3", "--disk", "256"))) as lab:
        address = give_third_host(lab)
        lab.play("site.yml").must()
        device = {"pacemaker_quorum_device": {"host": address}}
        refused = lab.play("site.yml", extra=device)
        assert refused.rc and not any(refused.changed.values()), refused.changed
        assert "does not reach port 2224 of 10.77.1.13" in " ".join(refused.messages)
        lab.play("qnetd.yml").must()
        with Client(lab) as client:
            event, host = time.monotonic(), active(lab)
            before = lab.ssh(host, MAIN_PID)
            lab.play("site.yml", extra=device).must()
            assert all_vote(lab), [votes(lab, one) for one in lab.hosts]
            assert (active(lab), lab.ssh(host, MAIN_PID)) == (host, before)
            record("third_vote_added", client, event)
        group = lab.inventory / "group_vars" / "kwdb_pair.yml"
        group.write_text(group.read_text() + yaml.safe_dump(device))
        yield lab


def test_a_host_that_would_boot_alone_is_told_and_mended(trio: Lab) -> None:
    """A pair whose third vote was added by hand, or by a run that was ended there."""
    for host in trio.hosts:
        trio.ssh(host, f"sed -i /expected_votes/d {CONFIGURATION}")
    trio.ssh(trio.hosts[0], "corosync-cfgtool -R")
    said = trio.play("verify.yml", extra={"verify_drills": []})
    assert said.rc and "a host that boots alone gets a majority" in said.log.read_text()
    mended = trio.play("site.yml").must()
    assert any(mended.changed.values())
    for host in trio.hosts:
        assert "expected_votes: 3" in trio.ssh(host, f"cat {CONFIGURATION}")


def test_nothing_is_left_to_change(trio: Lab) -> None:
    for playbook in ("qnetd.yml", "site.yml"):
        again = trio.play(playbook).must()
        assert not any(again.changed.values()), again.changed


def test_the_side_that_the_third_host_sees_goes_on(trio: Lab) -> None:
    """The active host sees nobody any more. Without a third vote it would win, for it has the database."""
    with scene_of(trio) as scene, Client(trio) as client:
        before, event = fenced(trio), time.monotonic()
        for link in ("cluster", "replication"):
            trio.halab("link", "cut", link, scene.active)
        wait_for("the other host to take over", lambda: active(trio) == scene.standby, 180)
        for link in ("cluster", "replication"):
            trio.halab("link", "heal", link)
        client.wait_after(time.monotonic(), 180)
        healthy = until_healthy(trio, event)
        record("third_vote_active_cut_off", client, event, healthy_after_s=healthy)
        assert powered_off(scene, before) == ACTIVE and active(trio) == scene.standby


def test_without_the_third_host_nothing_stops(trio: Lab) -> None:
    with scene_of(trio) as scene, Client(trio) as client:
        before, event = fenced(trio), time.monotonic()
        trio.halab("power", "off", THIRD)
        try:
            wait_for("the vote is gone", lambda: votes(trio, scene.active)[0] == 2, 120)
            client.wait_after(time.monotonic(), 60)
            said = trio.play("verify.yml", extra={"verify_drills": []})
        finally:
            trio.halab("power", "on", THIRD, "--wait")
        wait_for("three votes again", lambda: all_vote(trio), 180)
        record("third_vote_away", client, event)
        assert "10.77.1.13 does not vote" in said.log.read_text()
        assert active(trio) == scene.active and powered_off(scene, before) == NOBODY


def test_the_third_vote_replaces_the_fence_delay(trio: Lab) -> None:
    with scene_of(trio) as scene, Client(trio) as client:
        before, event = fenced(trio), time.monotonic()
        assert "priority-fencing-delay" not in trio.ssh(scene.active, "pcs property config")
        trio.halab("power", "off", scene.active)
        client.wait_after(time.monotonic() + 5, 180)
        healthy = until_healthy(trio, event)
        record("third_vote_active_power_cut", client, event, healthy_after_s=healthy)
        assert powered_off(scene, before) == ACTIVE and active(trio) == scene.standby


def test_the_third_vote_does_not_let_a_host_start_alone(trio: Lab) -> None:
    """After a power failure a host may have old data: it waits for the other one, as without a third vote."""
    with scene_of(trio) as scene, Client(trio) as client:
        before, event = fenced(trio), time.monotonic()
        boot_alone(trio, scene.standby)
        run_alone(trio, scene.standby, 60)
        said = trio.ssh(scene.standby, "corosync-quorumtool -s", check=False)
        assert "Activity blocked" in said and fenced(trio) == before, said
        trio.halab("power", "on", scene.active, "--wait")
        healthy = until_healthy(trio, event)
        client.wait_after(time.monotonic(), 120)
        record("third_vote_boots_alone", client, event, healthy_after_s=healthy)


def test_one_host_is_left_after_a_power_failure(trio: Lab) -> None:
    """The same commands as without a third vote."""
    one_host_is_left(trio, "third_vote_one_host_left")
