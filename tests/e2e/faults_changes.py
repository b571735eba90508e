"""One option of each resource is changed under a writer: what was announced happens, and nothing else."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from pairlab import Lab, Play, Run, write_case
from test_30_pair import no_change
from watch import active, other

SQL = "kwbase sql --host=10.77.1.100:26257 --certs-dir=/etc/kaiwudb/certs --format=csv"
TABLE = "defaultdb.kwdb_ha_changes"
LOG = "/var/log/pacemaker/pacemaker.log"
# A row each fifth of a second: its time, and whether the database acknowledged it.
WRITER = f"""
cat > /run/changes-writer <<'SCRIPT'
n=0
while :; do
  n=$((n + 1))
  at=$(date +%s.%N)
  if timeout 4 {SQL} -e "INSERT INTO {TABLE} VALUES ('$n')" >/dev/null 2>&1; then echo "$at ok"; else echo "$at bad"; fi
  sleep 0.2
done
SCRIPT
{SQL} -e "DROP TABLE IF EXISTS {TABLE}" && {SQL} -e "CREATE TABLE {TABLE} (id VARCHAR(64) NOT NULL)" || exit 1
setsid sh /run/changes-writer >/run/changes-rows 2>/dev/null </dev/null &
echo $! > /run/changes-pid
"""
STOP_WRITER = f"""
[ ! -e /run/changes-pid ] || kill -- "-$(cat /run/changes-pid)"
rm -f /run/changes-pid /run/changes-writer
{SQL} -e "DROP TABLE IF EXISTS {TABLE}"
"""
DISRUPTIVE = {"stop", "restart", "move", "demote", "fence"}
SERVICE = {"KaiwuData", "KaiwuFS", "KaiwuDB", "ClusterIP"}


@dataclass(frozen=True)
class Change:
    """What is declared of one resource, and what puts it back."""

    resource: str
    agent: str
    change: dict[str, Any]
    back: dict[str, Any]

    def task(self, what: dict[str, Any]) -> dict[str, Any]:
        """The arguments of pcs_config."""
        resource = {"id": self.resource, "agent": self.agent, **what}
        return {"resources": [resource], "allow_disruption": True}


def _timeout(name: str, timeout: str) -> dict[str, Any]:
    return {"operations": [{"name": name, "interval": "0s", "timeout": timeout}]}


CHANGES = [
    Change("KaiwuData", "ocf:linbit:drbd", _timeout("start", "250s"), _timeout("start", "240s")),
    Change(
        "KaiwuFS",
        "ocf:heartbeat:Filesystem",
        {"options": {"options": "noatime,nodiratime"}},
        {"options": {"options": "noatime"}},
    ),
    Change("KaiwuDB", "ocf:kwdb:kaiwudb", _timeout("stop", "130s"), _timeout("stop", "120s")),
    Change(
        "ClusterIP",
        "ocf:heartbeat:IPaddr2",
        {"options": {"arp_count": 3}},
        {"options": {"arp_count": None}},
    ),
    Change(
        "fence-ha-node01",
        "stonith:fence_ipmilan",
        {"options": {"power_timeout": 30}},
        {"options": {"power_timeout": None}},
    ),
]


@pytest.fixture(scope="module")
def writer(lab: Lab) -> Iterator[str]:
    """The host that writes: the one that does not serve."""
    serving = active(lab)
    assert serving
    host = other(lab, serving)
    lab.ssh(host, WRITER)
    time.sleep(2)
    try:
        yield host
    finally:
        lab.ssh(host, STOP_WRITER)


def start(lab: Lab, name: str, arguments: dict[str, Any], *options: str) -> Play:
    """Run one pcs_config task."""
    task = {"name": "Change it", "kwdb.ha.pcs_config": arguments, "run_once": True}
    play = {"hosts": "kwdb_pair", "become": True, "gather_facts": False, "tasks": [task]}
    path = lab.run_dir / f"{name}.yml"
    path.write_text(yaml.safe_dump([play]))
    return lab.start(str(path), *options)


def transition(run: Run) -> list[dict[str, str]]:
    """What the task announced."""
    (entry,) = [one for one in run.must().report["results"] if "transition" in one]
    assert entry["changed"]
    return sorted(entry["transition"], key=str)


def log_sizes(lab: Lab) -> dict[str, int]:
    """How far the cluster's log is on each host."""
    return {host: int(lab.ssh(host, f"stat -c %s {LOG}")) for host in lab.hosts}


def happened(lab: Lab, since: dict[str, int]) -> list[dict[str, str]]:
    """What the cluster's logs say that it did, in the words of the announcement."""
    text = "".join(
        lab.ssh(host, f"tail -c +{size + 1} {LOG} | grep -E 'Initiating|fencing' || true")
        for host, size in since.items()
    )
    done: dict[str, dict[str, list[str]]] = {}
    initiated = r"Initiating (\w[\w-]*) operation (\S+)_(?:\w|-)+_\d+ (?:locally )?on (\S+)"
    for operation, resource, node in re.findall(initiated, text):
        name = resource.split(":", 1)[0]
        done.setdefault(name, {}).setdefault(operation, []).append(node)
    found = [
        {"action": "fence", "node": node}
        for node in set(re.findall(r"Requesting fencing \(\w+\)(?: targeting)? node (\S+)", text))
    ]
    for resource, nodes in done.items():
        found += of_resource(resource, nodes)
    return sorted(found, key=str)


def of_resource(resource: str, nodes: dict[str, list[str]]) -> list[dict[str, str]]:
    """A stop and a start on one host are a restart, on two a move."""
    stops, starts = set(nodes.get("stop", [])), set(nodes.get("start", []))
    both = stops & starts
    found = [{"action": "restart", "resource": resource, "node": one} for one in both]
    stops, starts = stops - both, starts - both
    if stops and starts:
        move = {"action": "move", "resource": resource, "node": starts.pop()}
        found.append({**move, "source": stops.pop()})
    found += [{"action": "stop", "resource": resource, "node": one} for one in stops]
    found += [{"action": "start", "resource": resource, "node": one} for one in starts]
    for name, word in (
        ("promote", "promote"),
        ("demote", "demote"),
        ("reload", "reload"),
        ("reload-agent", "reload"),
    ):
        found += [
            {"action": word, "resource": resource, "node": one} for one in set(nodes.get(name, []))
        ]
    return found


def rows(lab: Lab, host: str) -> list[tuple[float, bool]]:
    """When each row was sent, and whether it was acknowledged."""
    lines = lab.ssh(host, "cat /run/changes-rows").splitlines()
    return [(float(at), word == "ok") for at, word in (line.split() for line in lines)]


def outage(found: list[tuple[float, bool]], since: float) -> float:
    """The longest time without an acknowledged row after this moment; 0 when every row was."""
    later = [one for one in found if one[0] >= since]
    assert any(good for _at, good in later), "no row was acknowledged after the change"
    if all(good for _at, good in later):
        return 0.0
    good = [since, *(at for at, good in later if good)]
    return max(then - now for now, then in zip(good, good[1:]))


def interrupts(announced: list[dict[str, str]]) -> bool:
    """Whether a client was told to expect an interruption."""
    return any(
        one["action"] in DISRUPTIVE and (one["action"] == "fence" or one["resource"] in SERVICE)
        for one in announced
    )


def carry_out(lab: Lab, writer: str, change: Change, back: bool) -> dict[str, Any]:
    """Preview, run, and compare with what the cluster's logs and the writer say."""
    arguments = change.task(change.back if back else change.change)
    name = f"change-{change.resource}-{'back' if back else 'on'}"
    announced = transition(start(lab, name, arguments, "--check").wait())
    since, begun = log_sizes(lab), float(lab.ssh(writer, "date +%s.%N"))
    real = transition(start(lab, name, arguments).wait())
    lab.ssh(lab.hosts[0], "crm_resource --wait --timeout=120", timeout=180)
    time.sleep(1)
    seen = happened(lab, since)
    without = outage(rows(lab, writer), begun)
    assert real == announced
    assert seen == announced
    if not interrupts(announced):
        assert without == 0.0, f"{without} s without a row, and none announced"
    return {"announced": announced, "outage_s": round(without, 2)}


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.resource)
def test_change(lab: Lab, writer: str, change: Change) -> None:
    done = carry_out(lab, writer, change, back=False)
    undone = carry_out(lab, writer, change, back=True)
    write_case(
        f"change_{change.resource}",
        ok=True,
        outage_s=max(done["outage_s"], undone["outage_s"]),
        evidence={"change": done, "back": undone},
    )


def test_two_playbooks_at_once(lab: Lab, writer: str) -> None:
    """Different objects at the same moment: both ends are right, and no row waits."""
    two = [one for one in CHANGES if one.resource in ("KaiwuData", "KaiwuDB")]
    begun = float(lab.ssh(writer, "date +%s.%N"))
    for back in (False, True):
        plays = [
            start(lab, f"both-{one.resource}", one.task(one.back if back else one.change))
            for one in two
        ]
        for play in plays:
            play.wait().must()
        cib = lab.ssh(lab.hosts[0], "cibadmin -Q -o resources")
        for one in two:
            (operation,) = (one.back if back else one.change)["operations"]
            name, timeout = operation["name"], operation["timeout"]
            pattern = rf'<op [^>]*id="{one.resource}-{name}-[^>]*timeout="{timeout}"'
            turned = rf'<op [^>]*timeout="{timeout}"[^>]*id="{one.resource}-{name}-'
            assert re.search(f"{pattern}|{turned}", cib), (one.resource, timeout)
    assert outage(rows(lab, writer), begun) == 0.0
    write_case("two_playbooks_at_once", ok=True, evidence=[one.resource for one in two])


def test_all_is_as_before(lab: Lab) -> None:
    no_change(lab.play("site.yml"))
    write_case("as_before_the_changes", ok=True, evidence="site.yml changed nothing")


@contextlib.contextmanager
def put_aside(lab: Lab) -> Iterator[str]:
    """The active host in standby by an operator, then all in maintenance, which stays so; which host it is."""
    host = active(lab)
    assert host
    lab.ssh(host, f"pcs node standby {host} && crm_resource --wait --timeout=180", timeout=240)
    try:
        after = active(lab)
        assert after == other(lab, host)
        lab.ssh(host, "pcs property set maintenance-mode=true")
        yield host
        assert lab.ssh(host, f"crm_attribute -N {host} -n standby -G -q").strip() == "on"
        assert lab.ssh(host, "crm_attribute -n maintenance-mode -G -q").strip() == "true"
        assert active(lab) == after
    finally:
        lab.ssh(
            host,
            f"pcs property set maintenance-mode=false && pcs node unstandby {host}"
            " && crm_resource --wait --timeout=180",
            timeout=240,
        )


def test_in_standby_and_in_maintenance(lab: Lab) -> None:
    """A run would do nothing, does nothing, and what the operator has ordered stays so."""
    with put_aside(lab) as host:
        no_change(lab.play("site.yml", "--check", "--diff"))
        no_change(lab.play("site.yml"))
    write_case("second_run_in_standby_and_maintenance", ok=True, evidence={"standby": host})
