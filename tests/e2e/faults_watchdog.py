"""A pair without fence devices: a third vote says who has the majority, and watchdogs reset the host that lost it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import yaml
from client import Client
from faults_cluster import (
    loaded,
    one_host_is_left,
    record,
    run_alone,
    scene_of,
    until_healthy,
)
from faults_qdevice import THIRD, all_vote, boot_alone, give_third_host, votes
from pairlab import BUILD, Lab, Up
from watch import active, drbd, wait_for

# The kernel's own one; the first device of the lab's kernel needs a helper outside of the host. That kernel would not
# let a watchdog be stopped with its cluster, as Debian's does.
DEVICE = "/dev/watchdog1"
DRIVER = """
echo softdog >/etc/modules-load.d/watchdog.conf
echo options softdog nowayout=0 >/etc/modprobe.d/watchdog.conf
sync
modprobe softdog
"""
BOOT = "cat /proc/sys/kernel/random/boot_id"


def boots(lab: Lab) -> dict[str, str]:
    """What is another word after each boot, by host."""
    return {host: lab.ssh(host, BOOT) for host in lab.hosts}


@pytest.fixture(scope="module")
def guarded(up: Up) -> Iterator[Lab]:
    """A pair that nobody can power off."""
    with up(Lab(BUILD / "watchdog-lab", ("--hosts", "3", "--disk", "256"))) as lab:
        address = give_third_host(lab)
        group = lab.inventory / "group_vars" / "kwdb_pair.yml"
        variables = {
            **yaml.safe_load(group.read_text()),
            "pacemaker_fence_agent": "",
            "pacemaker_quorum_device": {"host": address},
            "pacemaker_watchdog": DEVICE,
        }
        group.write_text(yaml.safe_dump(variables))
        lab.play("qnetd.yml").must()
        refused = lab.play("site.yml")
        assert refused.rc and not any(refused.changed.values()), refused.changed
        assert f"has no watchdog device {DEVICE}" in " ".join(refused.messages)
        for host in lab.hosts:
            lab.ssh(host, DRIVER)
        lab.play("site.yml").must()
        assert all_vote(lab)
        yield lab


def test_nothing_is_left_to_change(guarded: Lab) -> None:
    before = boots(guarded)
    again = guarded.play("site.yml").must()
    assert not any(again.changed.values()), again.changed
    assert boots(guarded) == before


def test_a_pair_in_use_is_not_started_anew(guarded: Lab) -> None:
    """Other settings of sbd need a new start of the cluster: refused, with the commands, before anything changes."""
    wanted = {"pacemaker_watchdog": "/dev/watchdog"}
    refused = guarded.play("site.yml", extra=wanted)
    said = " ".join(refused.messages)
    assert refused.rc and not any(refused.changed.values()), refused.changed
    assert "watchdog=/dev/watchdog SBD_WATCHDOG_TIMEOUT=15, then pcs cluster stop --all" in said


def test_a_host_that_sees_nobody_resets_itself(guarded: Lab) -> None:
    with scene_of(guarded) as scene, Client(guarded) as client:
        before, event = boots(guarded), time.monotonic()
        for link in ("cluster", "replication"):
            guarded.halab("link", "cut", link, scene.active)
        took_s = wait_for("the takeover", lambda: active(guarded) == scene.standby, 180)
        for link in ("cluster", "replication"):
            guarded.halab("link", "heal", link)
        client.wait_after(time.monotonic(), 180)
        healthy = until_healthy(guarded, event)
        record("watchdog_active_cut_off", client, event, healthy_after_s=healthy, took_s=took_s)
        after = boots(guarded)
        assert after[scene.active] != before[scene.active]
        assert after[scene.standby] == before[scene.standby]


def test_a_host_that_hangs_is_reset(guarded: Lab) -> None:
    """It hangs for longer than the other one waits, and does not go on when it is back."""
    with scene_of(guarded) as scene, Client(guarded) as client:
        before, event = boots(guarded), time.monotonic()
        guarded.halab("freeze", scene.active)
        time.sleep(60)
        guarded.halab("thaw", scene.active)
        client.wait_after(time.monotonic(), 180)
        healthy = until_healthy(guarded, event)
        record("watchdog_active_frozen", client, event, healthy_after_s=healthy)
        after = boots(guarded)
        assert after[scene.active] != before[scene.active] and active(guarded) == scene.standby
        assert after[scene.standby] == before[scene.standby]


def test_the_other_host_waits_for_the_watchdog(guarded: Lab) -> None:
    with scene_of(guarded) as scene, Client(guarded) as client:
        event = time.monotonic()
        guarded.halab("power", "off", scene.active)
        time.sleep(28)
        # Only this host is asked: the one that is off takes seconds not to answer.
        role = drbd(guarded, scene.standby)["resource role"]
        assert role == "Secondary", "it took over before the watchdog's time"
        client.wait_after(time.monotonic(), 180)
        # Nothing powers it on again; a reset would have.
        guarded.halab("power", "on", scene.active, "--wait")
        healthy = until_healthy(guarded, event)
        record("watchdog_active_power_cut", client, event, healthy_after_s=healthy)
        assert active(guarded) == scene.standby


def test_a_standby_that_sees_nobody_resets_itself(guarded: Lab) -> None:
    """Until it counts as reset no row is acknowledged, for it might take over later."""
    with scene_of(guarded) as scene, Client(guarded) as client:
        before, event = boots(guarded), time.monotonic()
        for link in ("cluster", "replication"):
            guarded.halab("link", "cut", link, scene.standby)
        client.wait_after(time.monotonic() + 5, 180)
        for link in ("cluster", "replication"):
            guarded.halab("link", "heal", link)
        healthy = until_healthy(guarded, event)
        record("watchdog_standby_cut_off", client, event, healthy_after_s=healthy)
        after = boots(guarded)
        assert after[scene.standby] != before[scene.standby]
        assert after[scene.active] == before[scene.active] and active(guarded) == scene.active


def test_without_the_third_host_nobody_is_reset(guarded: Lab) -> None:
    with scene_of(guarded) as scene, Client(guarded) as client:
        before, event = boots(guarded), time.monotonic()
        guarded.halab("power", "off", THIRD)
        try:
            wait_for("the vote is gone", lambda: votes(guarded, scene.active)[0] == 2, 120)
            time.sleep(45)
            client.wait_after(time.monotonic(), 60)
        finally:
            guarded.halab("power", "on", THIRD, "--wait")
        wait_for("three votes again", lambda: all_vote(guarded), 180)
        record("watchdog_third_vote_away", client, event)
        assert boots(guarded) == before and active(guarded) == scene.active


def test_neither_load_nor_a_wrong_clock_resets_a_host(guarded: Lab) -> None:
    with scene_of(guarded) as scene, Client(guarded) as client:
        before, event = boots(guarded), time.monotonic()
        clock = guarded.hosts_restored(
            scene.active, "date -s '-1 hour' >/dev/null", "date -s '-1 hour' >/dev/null"
        )
        with loaded(guarded), clock:
            time.sleep(45)
            guarded.ssh(scene.active, "date -s '+2 hour' >/dev/null")
            time.sleep(45)
        client.wait_after(time.monotonic(), 120)
        record("watchdog_load_and_clock", client, event)
        assert boots(guarded) == before and active(guarded) == scene.active


def test_a_host_that_boots_alone_waits_and_is_not_reset(guarded: Lab) -> None:
    with scene_of(guarded) as scene, Client(guarded) as client:
        event = time.monotonic()
        boot_alone(guarded, scene.standby)
        boot = guarded.ssh(scene.standby, BOOT)
        run_alone(guarded, scene.standby, 60)
        assert guarded.ssh(scene.standby, BOOT) == boot
        guarded.halab("power", "on", scene.active, "--wait")
        healthy = until_healthy(guarded, event)
        client.wait_after(time.monotonic(), 120)
        record("watchdog_boots_alone", client, event, healthy_after_s=healthy)


def test_one_host_is_left_after_a_power_failure(guarded: Lab) -> None:
    """The same commands as with fence devices."""
    one_host_is_left(guarded, "watchdog_one_host_left")


def test_the_drill_says_what_fenced_the_host(guarded: Lab) -> None:
    with scene_of(guarded) as scene:
        before = boots(guarded)
        extra = {
            "verify_drills": ["power_cut"],
            "verify_allow_destructive": True,
            "verify_report_directory": str(guarded.run_dir / "report"),
        }
        guarded.play("verify.yml", extra=extra).must()
        report = json.loads((guarded.run_dir / "report" / "verify.json").read_text())
        (drill,) = report["drills"]
        assert drill["passed"] and drill["lost"] == 0 < drill["acked"], drill
        assert drill["fenced_by"] == "fence_watchdog", drill["fencing"]
        assert boots(guarded)[scene.active] != before[scene.active]
