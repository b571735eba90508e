"""What a test sees of the pair on the lab, and how it gets it whole again."""

from __future__ import annotations

import contextlib
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable

from pairlab import Lab

RESOURCE = "kwdb"
# As pcs starts a cluster, which takes seconds itself.
START = """
for one in corosync corosync-qdevice pacemaker; do
  ! systemctl --quiet is-enabled $one || systemctl --quiet is-active $one || systemctl start $one
done
"""
# A cleanup while a monitor runs for the first time would have a healthy resource restarted later.
FORGET = """
crm_resource --wait --timeout=120
for _ in $(seq 60); do
  cibadmin --query --scope status | grep -q 'op-status="-1"' || break
  sleep 1
done
crm_resource --cleanup
"""
SQL = "kwbase sql --host=10.77.1.100:26257 --certs-dir=/etc/kaiwudb/certs --format=csv -e"


def drbd(lab: Lab, host: str) -> dict[str, str]:
    """Roles, disks, connection and counters of the resource on a host, in the kernel's words."""
    found: dict[str, str] = {}
    text = lab.ssh(host, f"drbdsetup events2 --now --statistics {RESOURCE}", check=False)
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] != "exists":
            continue
        for word in words[2:]:
            key, _sep, value = word.partition(":")
            found[f"{words[1]} {key}"] = value
    return found


def wait_for(what: str, check: Callable[[], bool], seconds: float = 180) -> float:
    """Wait until something is true; how long it took."""
    begun = time.monotonic()
    while not check():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.5)
    return round(time.monotonic() - begun, 1)


def whole(lab: Lab, host: str) -> bool:
    """Whether a host sees both sides UpToDate and connected."""
    seen = drbd(lab, host)
    good = {
        "device disk": "UpToDate",
        "peer-device peer-disk": "UpToDate",
        "peer-device replication": "Established",
    }
    return all(seen.get(key) == value for key, value in good.items())


def active(lab: Lab) -> str:
    """The host on which the service runs; empty while it runs on none."""
    for host in lab.hosts:
        with contextlib.suppress(AssertionError):
            mounted = lab.ssh(host, "findmnt -n -o SOURCE /var/lib/kaiwudb", check=False)
            if mounted.startswith("/dev/drbd"):
                return host
    return ""


def other(lab: Lab, host: str) -> str:
    """The other host."""
    return next(one for one in lab.hosts if one != host)


def answers(lab: Lab) -> bool:
    """Whether the database answers through the virtual IP."""
    return any(
        "1" in lab.ssh(host, f'timeout 5 {SQL} "SELECT 1"', check=False).splitlines()
        for host in lab.hosts
        if reachable(lab, host)
    )


def reachable(lab: Lab, host: str) -> bool:
    """Whether ssh answers."""
    with contextlib.suppress(Exception):
        return lab.ssh(host, "echo up", check=False, timeout=10).strip() == "up"
    return False


def mend(lab: Lab) -> None:
    """Both hosts on, links healed, both sides equal, the service running, nothing left behind."""
    for kind in ("cluster", "replication", "client"):
        lab.halab("link", "heal", kind)
    for host in lab.hosts:
        if not reachable(lab, host):
            lab.halab("power", "on", host, "--wait", check=False)
    wait_for("ssh", lambda: all(reachable(lab, host) for host in lab.hosts))
    for host in lab.hosts:
        lab.ssh(host, START, check=False)
    lab.ssh(lab.hosts[0], FORGET, check=False, timeout=240)
    wait_for("both sides equal", lambda: all(whole(lab, host) for host in lab.hosts), 300)
    wait_for("the service", lambda: bool(active(lab)) and answers(lab), 180)
    constraints = lab.ssh(lab.hosts[0], "cibadmin -Q -o constraints")
    assert "drbd-fence-by-handler" not in constraints
    assert "cli-" not in constraints


def fenced(lab: Lab) -> dict[str, int]:
    """How often the cluster has fenced each host, by its management controller's log."""
    found = {}
    for host in lab.hosts:
        lines = (lab.run_dir / f"bmc-{host}.log").read_text().splitlines()
        # A line of three words is an order; a longer one says what came of it.
        orders = [words[1:] for words in map(str.split, lines) if len(words) == 3]
        found[host] = fencings(orders)
    return found


def fencings(orders: list[list[str]]) -> int:
    """Orders of who wants what; a fence agent only switches on a host that it finds off."""
    count, off_by = 0, ""
    for who, what in orders:
        if who == "cli":
            off_by = {"off": who, "on": "", "cycle": ""}.get(what, off_by)
        elif what in ("off", "cycle"):
            count, off_by = count + 1, who
        elif what == "on":
            count, off_by = count + (off_by == "cli"), ""
    return count


def unhealthy(lab: Lab) -> str:
    """What is wrong with the pair in a word; empty when nothing is."""
    for host in lab.hosts:
        if not reachable(lab, host):
            return f"{host} does not answer"
        if not whole(lab, host):
            return f"{host} does not see both sides UpToDate: {drbd(lab, host)}"
        text = lab.ssh(host, "crm_mon -1 --output-as=xml", check=False)
        if not text.startswith("<"):
            return f"the cluster does not run on {host}"
        nodes = ET.fromstring(text).findall("nodes/node")
        bad = [one.get("name", "") for one in nodes if one.get("online") != "true"]
        bad += [
            one.get("name", "")
            for one in nodes
            if "true" in map(one.get, ("unclean", "standby", "pending"))
        ]
        if bad or len(nodes) != len(lab.hosts):
            return f"{host} sees {bad or len(nodes)} hosts that are not online"
    constraints = lab.ssh(lab.hosts[0], "cibadmin -Q -o constraints")
    if "drbd-fence-by-handler" in constraints or "cli-" in constraints:
        return "a constraint was left behind"
    scores = lab.ssh(lab.hosts[0], "cibadmin -Q -o status").count('name="master-KaiwuData"')
    if scores != len(lab.hosts):
        return f"the cluster knows {scores} promotion scores"
    return "" if active(lab) else "the service runs on no host"
