"""The fault table: what hosts, daemons, networks and clocks do to a pair, each under a client's load.

Asserted of each: no acknowledged row is lost or there twice, nobody wrote on two sides (DRBD would not
connect again), who was fenced, where the service is, nothing is left behind, and the pair is whole again
without a person unless the case says which command it takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from client import Client
from pairlab import BUILD, Lab, write_case
from watch import RESOURCE, active, drbd, fenced, mend, other, reachable, unhealthy, wait_for

HEALTHY_WITHIN_S = 420
UNIT = "kaiwudb.service"
MOUNT = "/var/lib/kaiwudb"
DAEMONS = (
    "corosync",
    "pacemakerd",
    "pacemaker-based",
    "pacemaker-fenced",
    "pacemaker-execd",
    "pacemaker-attrd",
    "pacemaker-schedulerd",
    "pacemaker-controld",
)
RANDOM_S = 600
LOAD_S = 600
SWITCHOVERS = 20


@dataclass(frozen=True)
class Scene:
    """The pair when the fault begins."""

    lab: Lab
    active: str
    standby: str

    def host(self, role: str) -> str:
        """The host that had this role."""
        return self.active if role == "active" else self.standby


Act = Callable[[Scene], object]


def nothing(scene: Scene) -> None:
    """No act."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is done, how long it lasts, what ends it, and what must come of it.

    `service` says where the service is afterwards (stays, moves, or either), `fenced` which roles were
    powered off by the cluster, with None for a case in which both is right.
    """

    name: str
    do: Act
    undo: Act = nothing
    hold_s: float = 0
    service: str = "either"
    fenced: frozenset[str] | None = None


NOBODY: frozenset[str] = frozenset()
ACTIVE, STANDBY = frozenset({"active"}), frozenset({"standby"})


def on(role: str, script: str) -> Act:
    """Run a script on a host."""
    return lambda scene: scene.lab.ssh(scene.host(role), script)


def if_there(role: str, script: str) -> Act:
    """Run a script on a host, unless it has been powered off meanwhile."""

    def act(scene: Scene) -> None:
        with contextlib.suppress(Exception):
            scene.lab.ssh(scene.host(role), script, check=False, timeout=20)

    return act


def everywhere(script: str) -> Act:
    """Run a script on both hosts, wherever the service is meanwhile."""
    return in_turn(if_there("active", script), if_there("standby", script))


def halab(*words: str) -> Act:
    """A command of the lab; the words active and standby stand for the host."""

    def act(scene: Scene) -> None:
        names = [scene.host(word) if word in ("active", "standby") else word for word in words]
        scene.lab.halab(*names, check=False)

    return act


def in_turn(*acts: Act) -> Act:
    """Acts, one after the other."""

    def act(scene: Scene) -> None:
        for one in acts:
            one(scene)

    return act


CANNOT_START = f"""
mkdir -p /run/systemd/system/{UNIT}.d
printf '[Service]\\nExecStartPre=/bin/false\\n' > /run/systemd/system/{UNIT}.d/99-broken.conf
systemctl daemon-reload
"""
CAN_START = f"rm -f /run/systemd/system/{UNIT}.d/99-broken.conf && systemctl daemon-reload"
MAIN_PID = f"systemctl show --value -p MainPID {UNIT}"
KILL_DATABASE = f"kill -9 $(systemctl show --value -p MainPID {UNIT})"


def netem(words: str) -> str:
    """Let the kernel of a host treat all that it sends so."""
    return f"for one in vec0 vec1; do tc qdisc add dev $one root netem {words}; done"


NO_NETEM = "for one in vec0 vec1; do tc qdisc del dev $one root; done"
FILL = "dd if=/dev/zero of={0}/ballast bs=1M 2>/dev/null; sync; df --output=avail {0} | tail -1"

READ_ONLY = f"""
mount -o remount,errors=remount-ro {MOUNT}
echo 1 >/sys/fs/ext4/$(basename $(findmnt -n -o SOURCE {MOUNT}))/trigger_fs_error
"""

HEAL_BOTH = in_turn(halab("link", "heal", "cluster"), halab("link", "heal", "replication"))

FAULTS = [
    Fault("database_killed", on("active", KILL_DATABASE), service="stays", fenced=NOBODY),
    Fault(
        "database_hung",
        on("active", f"systemctl kill --signal=STOP {UNIT}"),
        service="stays",
        fenced=NOBODY,
    ),
    Fault(
        "database_cannot_start_here",
        on("active", CANNOT_START + KILL_DATABASE),
        undo=on("active", CAN_START),
        hold_s=60,
        service="moves",
        fenced=NOBODY,
    ),
    *(
        Fault(
            f"{daemon}_killed_on_{role}",
            on(role, f"kill -9 $(pidof {daemon})"),
            service="moves" if (daemon, role) == ("corosync", "active") else "either",
            fenced=frozenset({role}) if daemon == "corosync" else None,
        )
        for daemon in DAEMONS
        for role in ("active", "standby")
    ),
    # The second one before the first one's promotion score has been written again. The controller ends with the scheduler;
    # one that is killed itself may have its host fenced.
    Fault(
        "pacemaker_killed_on_both",
        in_turn(
            on("standby", "kill -9 $(pidof pacemaker-schedulerd)"),
            lambda _: time.sleep(8),
            if_there("active", "kill -9 $(pidof pacemaker-controld)"),
        ),
    ),
    *(
        Fault(
            f"{role}_frozen_{seconds}_s",
            halab("freeze", role),
            undo=halab("thaw", role),
            hold_s=seconds,
            service="moves" if role == "active" else "stays",
            fenced=frozenset({role}),
        )
        for role in ("active", "standby")
        for seconds in (10, 60)
    ),
    Fault("active_power_cut", halab("power", "off", "active"), service="moves", fenced=ACTIVE),
    Fault("standby_power_cut", halab("power", "off", "standby"), service="stays", fenced=STANDBY),
    Fault(
        "cluster_link_cut",
        halab("link", "cut", "cluster"),
        undo=halab("link", "heal", "cluster"),
        hold_s=20,
        service="stays",
        fenced=NOBODY,
    ),
    Fault(
        "replication_link_cut",
        halab("link", "cut", "replication"),
        undo=halab("link", "heal", "replication"),
        hold_s=20,
        service="stays",
        fenced=NOBODY,
    ),
    Fault(
        "both_links_cut",
        in_turn(halab("link", "cut", "cluster"), halab("link", "cut", "replication")),
        undo=HEAL_BOTH,
        hold_s=30,
        service="stays",
        fenced=STANDBY,
    ),
    Fault(
        "both_links_cut_one_way",
        in_turn(
            halab("link", "cut", "cluster", "active", "--one-way"),
            halab("link", "cut", "replication", "active", "--one-way"),
        ),
        undo=HEAL_BOTH,
        hold_s=30,
    ),
    Fault(
        "a_fifth_of_the_packets_lost",
        on("active", netem("loss 20%")),
        undo=if_there("active", NO_NETEM),
        hold_s=60,
    ),
    Fault(
        "packets_late",
        on("active", netem("delay 200ms")),
        undo=if_there("active", NO_NETEM),
        hold_s=60,
        service="stays",
        fenced=NOBODY,
    ),
    Fault(
        "data_disk_full",
        on("active", FILL.format(MOUNT)),
        undo=everywhere(f"mountpoint -q {MOUNT} && rm -f {MOUNT}/ballast"),
        hold_s=30,
        fenced=NOBODY,
    ),
    # As ext4 ends up after an error that it cannot carry on with.
    Fault(
        "file_system_read_only",
        on("active", READ_ONLY),
        service="moves",
    ),
    Fault(
        "root_disk_full",
        on("active", FILL.format("/root")),
        undo=if_there("active", "rm -f /root/ballast"),
        hold_s=30,
    ),
    Fault(
        "file_system_busy",
        in_turn(
            on("active", f"cd {MOUNT} && setsid sleep 600 >/dev/null 2>&1 &"),
            lambda scene: scene.lab.play("switchover.yml").must(),
        ),
        service="moves",
        fenced=NOBODY,
    ),
    *(
        Fault(
            f"clock_{name}",
            on("active", f"date -s '{step} hour' >/dev/null"),
            undo=if_there("active", f"date -s '{back} hour' >/dev/null"),
            hold_s=30,
            service="stays",
            fenced=NOBODY,
        )
        for name, step, back in (("ahead", "+1", "-1"), ("behind", "-1", "+1"))
    ),
]


@contextlib.contextmanager
def scene_of(lab: Lab) -> Iterator[Scene]:
    """A whole pair before the fault and in the end, whatever the case did."""
    # What the case before left is whole already.
    if unhealthy(lab):
        mend(lab)
    wait_for("a healthy pair", lambda: not unhealthy(lab), HEALTHY_WITHIN_S)
    serving = active(lab)
    try:
        yield Scene(lab, serving, other(lab, serving))
    finally:
        for host in lab.hosts:
            lab.halab("thaw", host, check=False)
        mend(lab)


def powered_off(scene: Scene, before: dict[str, int]) -> frozenset[str]:
    """Which roles the cluster has powered off since."""
    now = fenced(scene.lab)
    roles = ("active", "standby")
    return frozenset(one for one in roles if now[scene.host(one)] > before[scene.host(one)])


def record(name: str, client: Client, event: float, **figures: Any) -> None:
    """The case's record; a lost row fails it."""
    found = client.verdict(event)
    well = found["lost"] == 0 and not found["wrong"]
    healthy = figures.pop("healthy_after_s", None)
    evidence = {**figures, "wrong": found["wrong"]}
    write_case(
        name,
        ok=well,
        acked=found["acked"],
        lost=found["lost"],
        outage_s=found["outage_s"],
        healthy_after_s=healthy,
        evidence=evidence,
    )
    assert well, found


def until_healthy(lab: Lab, since: float) -> float:
    """Wait for it without doing anything; how long it took since then."""
    wait_for(f"health ({unhealthy(lab)})", lambda: not unhealthy(lab), HEALTHY_WITHIN_S)
    return round(time.monotonic() - since, 1)


def suffer(scene: Scene, fault: Fault, client: Client) -> dict[str, Any]:
    """Let one fault happen and end, and wait until rows come and the pair is well by itself."""
    before, begun = fenced(scene.lab), time.monotonic()
    try:
        fault.do(scene)
        time.sleep(fault.hold_s)
    finally:
        fault.undo(scene)
    # What was stopped or powered off shall have been noticed before anybody calls the pair healthy; corosync and DRBD
    # take five seconds.
    time.sleep(10)
    client.wait_after(time.monotonic(), 240)
    healthy = until_healthy(scene.lab, begun)
    figures = {"fault": fault.name, "from": scene.active, "to": active(scene.lab)}
    figures["fenced"] = sorted(powered_off(scene, before))
    figures["healthy_after_s"] = healthy
    if fault.fenced is not None:
        assert figures["fenced"] == sorted(fault.fenced), figures
    if fault.service != "either":
        assert (figures["to"] == scene.active) == (fault.service == "stays"), figures
    return figures


def survive(lab: Lab, fault: Fault) -> None:
    """One fault under load, and its record."""
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        figures = suffer(scene, fault, client)
        record(f"fault_{fault.name}", client, event, **figures)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_fault(lab: Lab, fault: Fault) -> None:
    survive(lab, fault)


# Every drill of the role verify: whether the service moves, and who is powered off.
DRILLS = {
    "switchover": ("moves", NOBODY),
    "database_kill": ("stays", NOBODY),
    "database_hang": ("stays", NOBODY),
    "file_system_busy": ("moves", NOBODY),
    "cluster_link_cut": ("stays", NOBODY),
    "replication_link_cut": ("stays", NOBODY),
    "both_links_cut": ("stays", STANDBY),
    "standby_power_cut": ("stays", STANDBY),
    "corosync_kill": ("moves", ACTIVE),
    "power_cut": ("moves", ACTIVE),
}


def test_all_drills_and_their_report(lab: Lab) -> None:
    """What an operator runs before a pair is trusted. The report is left in build/report."""
    with scene_of(lab) as scene:
        before = fenced(lab)
        extra = {
            "verify_drills": list(DRILLS),
            "verify_allow_destructive": True,
            "verify_report_directory": str(BUILD / "report"),
        }
        lab.play("verify.yml", extra=extra).must()
        report = json.loads((BUILD / "report" / "verify.json").read_text())
        serving, dead = scene.active, dict.fromkeys(lab.hosts, 0)
        assert [one["drill"] for one in report["drills"]] == list(DRILLS)
        for result in report["drills"]:
            keys = ("acked", "lost", "outage_s", "healthy_after_s")
            shown = {key: result[key] for key in keys}
            name = result["drill"]
            write_case(f"drill_{name}", ok=result["passed"], evidence=result, **shown)
            service, off = DRILLS[name]
            assert result["passed"] and result["lost"] == 0 < result["acked"], shown
            assert result["source"] == serving, name
            if service == "moves":
                serving = other(lab, serving)
            assert result["target"] == serving, name
            for role in off:
                dead[result["source"] if role == "active" else other(lab, result["source"])] += 1
        now = fenced(lab)
        assert {host: now[host] - before[host] for host in lab.hosts} == dead
        assert report["passed"] and report["healthy"] and active(lab) == serving


def run_alone(lab: Lab, host: str, seconds: float) -> None:
    """The only host that is on may not take the service: it cannot know that its data is the newest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert active(lab) == "", f"{host} took the service alone after a boot"
        time.sleep(5)


@pytest.mark.parametrize("first", ["active", "standby", "together"])
def test_power_cut_of_both(lab: Lab, first: str) -> None:
    """Both lose their power at once; the one that boots alone waits for the other."""
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        for host in lab.hosts:
            lab.halab("power", "off", host)
        if first != "together":
            one = scene.host(first)
            lab.halab("power", "on", one, "--wait")
            run_alone(lab, one, 75)
        for host in lab.hosts:
            lab.halab("power", "on", host, check=False)
        healthy = until_healthy(lab, event)
        client.wait_after(time.monotonic(), 120)
        record(f"fault_both_power_cut_{first}", client, event, healthy_after_s=healthy)


def connected(lab: Lab, host: str) -> bool:
    """Whether DRBD has, or still looks for, its peer."""
    return drbd(lab, host).get("connection connection", "Connecting") != "StandAlone"


def one_host_is_left(lab: Lab, name: str) -> None:
    """The other host will not come back, nor will its fence device: commands that a person must give.

    Without the last one DRBD does not know that no newer copy is out there, and promotes nothing. Overruled,
    it calls the other host's return a split brain, whose victim has nothing that this one does not have.
    """
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        with no_fence_device(lab, scene.standby):
            for host in lab.hosts:
                lab.halab("power", "off", host)
            lab.halab("power", "on", scene.active, "--wait")
            run_alone(lab, scene.active, 75)
            lab.ssh(scene.active, "pcs quorum unblock --force", timeout=180)
            lab.ssh(scene.active, f"pcs stonith confirm {scene.standby} --force", timeout=180)
            run_alone(lab, scene.active, 45)
            lab.ssh(
                scene.active, f"drbdadm primary --force {RESOURCE} && drbdadm secondary {RESOURCE}"
            )
            client.wait_after(time.monotonic(), 240)
        lab.halab("power", "on", scene.standby, "--wait")
        wait_for("the split", lambda: not connected(lab, scene.standby), 120)
        names = {"split_brain_victim": scene.standby, "split_brain_save_to": "/var/lib/drbd"}
        lab.play("split_brain.yml", extra=names).must()
        lab.ssh(scene.standby, "rm -f /var/lib/drbd/*.img*")
        healthy = until_healthy(lab, event)
        client.wait_after(time.monotonic(), 120)
        record(name, client, event, healthy_after_s=healthy)


def test_one_host_is_left_after_a_power_failure(lab: Lab) -> None:
    one_host_is_left(lab, "fault_one_host_left")


def test_the_stale_host_boots_first(lab: Lab) -> None:
    """The standby dies, rows are written, the active one dies; the old copy must not serve alone."""
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        # Off and kept off: the fence device would power it on again.
        with no_fence_device(lab, scene.standby):
            lab.halab("power", "off", scene.standby)
            lab.ssh(scene.active, f"pcs stonith confirm {scene.standby} --force", timeout=180)
            client.wait_after(time.monotonic(), 180, count=20)
            lab.halab("power", "off", scene.active)
            lab.halab("power", "on", scene.standby, "--wait")
            run_alone(lab, scene.standby, 75)
        lab.halab("power", "on", scene.active, "--wait")
        healthy = until_healthy(lab, event)
        client.wait_after(time.monotonic(), 120)
        record("fault_stale_host_first", client, event, healthy_after_s=healthy)


@contextlib.contextmanager
def no_fence_device(lab: Lab, host: str) -> Iterator[None]:
    """A host's management controller that nobody reaches."""
    port = 9000 + int(host[-2:])
    # Before anything is redirected, so that another way to the same controller is another device.
    chain = "type filter hook prerouting priority raw;"
    rules = f"add table inet dead; add chain inet dead in {{ {chain} }}; add rule inet dead in udp dport {port} drop"
    lab.halab("run", "--", "nft", rules)
    try:
        yield
    finally:
        lab.halab("run", "--", "nft", "delete table inet dead")


def test_no_takeover_while_the_fence_device_is_dead(lab: Lab) -> None:
    """Nobody knows whether the active host is really down, so nobody takes over until a person says so."""
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        with no_fence_device(lab, scene.active):
            lab.halab("power", "off", scene.active)
            end = time.monotonic() + 90
            while time.monotonic() < end:
                assert active(lab) == "", "the other host took over although nothing was fenced"
                time.sleep(5)
            said = " ".join(
                lab.play(
                    "verify.yml", "--limit", scene.standby, extra={"verify_drills": []}
                ).messages
            )
            lab.ssh(scene.standby, f"pcs stonith confirm {scene.active} --force", timeout=180)
            client.wait_after(time.monotonic(), 180)
        lab.halab("power", "on", scene.active, "--wait")
        healthy = until_healthy(lab, event)
        record("fault_fence_device_dead", client, event, healthy_after_s=healthy, said=said)
        assert scene.active in said, said


def test_no_row_while_the_standby_cannot_be_fenced(lab: Lab) -> None:
    """Cut off and alive, it might take over later, without the rows that only the active host has."""
    with scene_of(lab) as scene, Client(lab) as client:
        event, process = time.monotonic(), lab.ssh(scene.active, MAIN_PID)
        with no_fence_device(lab, scene.standby):
            lab.halab("power", "off", scene.standby)
            time.sleep(20)
            frozen = time.monotonic()
            # Longer than a promotion waits for its answer, a monitor for the file system and a stop for the database.
            time.sleep(330)
            assert not [row for row in client.rows() if row.sent > frozen]
            asked = ("verify.yml", "--limit", scene.active)
            said = " ".join(lab.play(*asked, extra={"verify_drills": []}).messages)
            lab.ssh(scene.active, f"pcs stonith confirm {scene.standby} --force", timeout=180)
            client.wait_after(time.monotonic(), 60)
            # It has waited, too: nobody took it for a database that fails.
            assert (active(lab), lab.ssh(scene.active, MAIN_PID)) == (scene.active, process)
        # A fencing that was still being tried may switch it off and on once more.
        lab.halab("power", "on", scene.standby, check=False)
        healthy = until_healthy(lab, event)
        record("fault_standby_not_fenced", client, event, healthy_after_s=healthy, said=said)
        assert f"pcs stonith confirm {scene.standby}" in said, said


OTHER_PORT = 100
SECOND = {
    "pacemaker_second_fence_agent": "fence_ipmilan",
    "pair_second_fence_options": (
        f"{{{{ pair_fence_options | combine({{'ipport': pair_fence_options.ipport | int + {OTHER_PORT}}}) }}}}"
    ),
}


@contextlib.contextmanager
def second_controllers(lab: Lab) -> Iterator[None]:
    """Another way to the hosts' management controllers, and the devices for it in the cluster."""
    ways = "; ".join(
        f"add rule ip second pre udp dport {port + OTHER_PORT} redirect to :{port}"
        for port in (9001, 9002)
    )
    chain = "type nat hook prerouting priority dstnat;"
    table = f"add table ip second; add chain ip second pre {{ {chain} }}; {ways}"
    lab.halab("run", "--", "nft", table)
    try:
        lab.play("site.yml", extra=SECOND).must()
        yield
    finally:
        for host in lab.hosts:
            device = f"fence-{host}-2"
            lab.ssh(
                lab.hosts[0],
                f"pcs stonith level remove 2 target {host} stonith {device}; pcs stonith delete {device}",
                check=False,
            )
        lab.halab("run", "--", "nft", "delete table ip second")


def test_second_fence_device_takes_over(lab: Lab) -> None:
    """The first device is dead: the second one powers the host off, and the service moves by itself."""
    with scene_of(lab) as scene, second_controllers(lab), Client(lab) as client:
        before, event = fenced(lab), time.monotonic()
        with no_fence_device(lab, scene.active):
            lab.halab("power", "off", scene.active)
            client.wait_after(time.monotonic(), 300)
        healthy = until_healthy(lab, event)
        assert active(lab) == scene.standby
        assert powered_off(scene, before) == ACTIVE
        record("fault_second_fence_device", client, event, healthy_after_s=healthy)


def test_database_starts_on_no_host(lab: Lab) -> None:
    """The report names it; after the repair one command brings it back."""
    with scene_of(lab) as scene, Client(lab) as client:
        event = time.monotonic()
        try:
            for host in lab.hosts:
                lab.ssh(host, CANNOT_START)
            lab.ssh(scene.active, KILL_DATABASE)
            wait_for("both hosts have given up", lambda: given_up(lab), 240)
            said = " ".join(lab.play("verify.yml", extra={"verify_drills": []}).messages)
        finally:
            for host in lab.hosts:
                lab.ssh(host, CAN_START)
        lab.ssh(scene.active, "pcs resource cleanup KaiwuDB")
        client.wait_after(time.monotonic(), 180)
        healthy = until_healthy(lab, event)
        record("fault_database_starts_nowhere", client, event, healthy_after_s=healthy, said=said)
        assert "KaiwuDB" in said and "cleanup" in said, said


def given_up(lab: Lab) -> bool:
    """Whether the start has failed for good on both hosts."""
    text = lab.ssh(
        lab.hosts[0],
        "crm_failcount -G -r KaiwuDB -N ha-node01; crm_failcount -G -r KaiwuDB -N ha-node02",
        check=False,
    )
    return text.count("INFINITY") == len(lab.hosts)


LOAD = """
for one in 1 2 3 4; do systemd-run --quiet --unit=load-$one sh -c 'while :; do :; done'; done
systemd-run --quiet --unit=load-5 sh -c 'while :; do dd if=/dev/zero of=/root/load bs=1M count=64 conv=fsync; done'
"""
NO_LOAD = "systemctl stop 'load-*'; rm -f /root/load"


@contextlib.contextmanager
def loaded(lab: Lab) -> Iterator[None]:
    """All processors and disks of both hosts are busy."""
    try:
        for host in lab.hosts:
            lab.ssh(host, LOAD)
        yield
    finally:
        for host in lab.hosts:
            lab.ssh(host, NO_LOAD, check=False)


def test_no_false_failover_on_busy_hosts(lab: Lab) -> None:
    """Short timers must not take a host that has much to do for a dead one."""
    with scene_of(lab) as scene, Client(lab) as client:
        before, event = fenced(lab), time.monotonic()
        with loaded(lab):
            time.sleep(LOAD_S)
            assert active(lab) == scene.active
        client.wait_after(time.monotonic(), 120)
        assert powered_off(scene, before) == NOBODY
        # Nobody was taken for dead in between either.
        lost = "journalctl --no-pager -u pacemaker --since @{0:.0f} | grep -c 'is now lost' || true"
        since = time.time() - (time.monotonic() - event)
        found = {host: int(lab.ssh(host, lost.format(since))) for host in lab.hosts}
        record("fault_busy_hosts", client, event, seconds=LOAD_S, lost=found)
        assert not any(found.values()), found
        assert active(lab) == scene.active


def test_many_switchovers(lab: Lab) -> None:
    with scene_of(lab), Client(lab) as client:
        event, took = time.monotonic(), []
        for _turn in range(SWITCHOVERS):
            before = active(lab)
            took.append(lab.play("switchover.yml").must().seconds)
            assert active(lab) == other(lab, before)
        client.wait_after(time.monotonic(), 120)
        record("fault_switchovers", client, event, seconds=took)


def test_random_faults(lab: Lab) -> None:
    """One after the other for some minutes; FAULT_SEED repeats a run."""
    seed = int(os.environ.get("FAULT_SEED", "20260701"))
    print(f"FAULT_SEED={seed}")
    pick = random.Random(seed)
    with scene_of(lab), Client(lab) as client:
        event, done = time.monotonic(), []
        while time.monotonic() - event < RANDOM_S:
            serving = active(lab)
            scene = Scene(lab, serving, other(lab, serving))
            done.append(suffer(scene, pick.choice(FAULTS), client))
        record("fault_random", client, event, seed=seed, faults=done)
        assert all(reachable(lab, host) for host in lab.hosts)
