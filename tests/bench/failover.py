"""How long clients are without service, by the configuration of KWDB's own page and by ours.

Both run in turns on the same pair on the lab: the page's resources, constraints, defaults, unit and DRBD options with
corosync's own timers and without fencing, then ours. A client writes through the virtual IP all the time. Kept alike
for both: corosync's two links, and the pause before a host that was off joins again.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import re
import shlex
import statistics
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any, Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tools", "e2e"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import engine
import handbuilt
import pairlab
from client import VIP, Client
from watch import RESOURCE, active, other, reachable, unhealthy, wait_for

ROUNDS = 5
HEALTHY_WITHIN_S = 420
# What the product aims at: outage beside that of the page. For the loss of the standby it is a stall, in
# seconds over the time after which DRBD gives up a peer.
AIMS = {"switchover": 0.5, "database_kill": 0.25, "power_cut": 0.7}
STALL_AIM_S, DRBD_TIMEOUT_S = 2, 6
DRBD_FILE = f"/etc/drbd.d/{RESOURCE}.res"
COROSYNC_FILE = "/etc/corosync/corosync.conf"
UNIT_FILE = "/etc/systemd/system/kaiwudb.service"
DROP_IN = f"{UNIT_FILE}.d/10-pair.conf"
# Of corosync 3.1, for the page does not name any.
DEFAULT_TOTEM = {"token": "3000", "consensus": "3600"}
# The page's options as far as this parser takes them; the names of the options are today's.
PAGE_DRBD = """
  net {{
    protocol C; sndbuf-size 512k; max-buffers 8000; max-epoch-size 8000; unplug-watermark 1024;
    cram-hmac-alg sha1; {secret}
    after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary; after-sb-2pri disconnect;
    rr-conflict disconnect; verify-alg crc32c;
  }}
  disk {{
    on-io-error detach; disk-flushes no; md-flushes no; resync-rate 330M; al-extents 517;
  }}
"""
# What the page's installer adds to the unit that matters here.
PAGE_UNIT = "ExecStop=/bin/kill $MAINPID\nKillMode=control-group\n"


@dataclass(frozen=True)
class Setup:
    """All that differs between the two: the CIB, and files of each host."""

    name: str
    configuration: str
    files: dict[str, dict[str, str]]


# --- reading ours, and making the page's of it --------------------------------------------------


def page_drbd(ours: str) -> str:
    """The resource's file with the page's options and our hosts."""
    secret = re.search(r"^\s*(shared-secret .*;)$", ours, re.M)
    hosts = ours[ours.index('  on "') :]
    assert secret
    return f'resource "{RESOURCE}" {{\n{PAGE_DRBD.format(secret=secret[1])}\n{hosts}'


def page_corosync(ours: str) -> str:
    """corosync.conf with the default timers."""
    for name, value in DEFAULT_TOTEM.items():
        ours, count = re.subn(rf"^(\s*{name}:).*$", rf"\g<1> {value}", ours, flags=re.M)
        assert count == 1, name
    return ours


def page_commands() -> list[str]:
    """What the page has people type, with this pair's names."""
    text = handbuilt.PAGE.replace("drbd3", RESOURCE).replace(handbuilt.VIP, VIP)
    # The device's number is the page's own.
    return [line for line in text.replace(f"/dev/{RESOURCE}", "/dev/drbd3").splitlines() if line]


def configuration_of(cib: str) -> ET.Element:
    """The configuration section of a CIB."""
    found = ET.fromstring(cib).find("configuration")
    assert found is not None
    return found


def page_configuration(lab: pairlab.Lab, host: str) -> str:
    """The page's commands, typed into a file that has only this pair's hosts."""
    cib = ET.fromstring(lab.ssh(host, "cibadmin --query"))
    configuration = cib.find("configuration")
    assert configuration is not None
    for section in list(configuration):
        if section.tag not in ("nodes", "crm_config", "resources", "constraints"):
            configuration.remove(section)
        elif section.tag in ("resources", "constraints"):
            section[:] = []
    # What the cluster itself wrote there; everything else is ours.
    own = {"have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name"}
    for options in configuration.findall("crm_config/cluster_property_set"):
        options[:] = [one for one in options if one.get("name") in own]
    place = "/root/page.cib.xml"
    put(lab, host, place, ET.tostring(cib, "unicode"))
    typed = [f"pcs -f {place} {line}" for line in page_commands()]
    lab.ssh(host, "set -e\n" + "\n".join(typed), timeout=300)
    configuration = configuration_of(lab.ssh(host, f"cat {place}; rm {place}"))
    return ET.tostring(configuration, "unicode")


def setups(lab: pairlab.Lab) -> list[Setup]:
    """The page's and ours, which is what the pair has now."""
    host = lab.hosts[0]
    ours = ET.tostring(configuration_of(lab.ssh(host, "cibadmin --query")), "unicode")
    paths = (DRBD_FILE, COROSYNC_FILE, UNIT_FILE, DROP_IN)
    files = {one: {path: lab.ssh(one, f"cat {path}") for path in paths} for one in lab.hosts}
    page = {
        one: {
            DRBD_FILE: page_drbd(texts[DRBD_FILE]),
            COROSYNC_FILE: page_corosync(texts[COROSYNC_FILE]),
            UNIT_FILE: texts[UNIT_FILE].replace("[Service]\n", f"[Service]\n{PAGE_UNIT}"),
            DROP_IN: "",
        }
        for one, texts in files.items()
    }
    return [Setup("seeds", page_configuration(lab, host), page), Setup("ours", ours, files)]


# --- taking one of them into use ----------------------------------------------------------------


def put(lab: pairlab.Lab, host: str, path: str, text: str) -> None:
    """Write a file on a host; no text takes it away. The mode of one that is there stays."""
    script = f"cat >{path} <<'END-OF-FILE'\n{text.rstrip()}\nEND-OF-FILE"
    lab.ssh(host, script if text else f"rm -f {path}")


def use(lab: pairlab.Lab, setup: Setup) -> None:
    """Stop everything, put the configuration in, start again."""
    host = lab.hosts[0]
    lab.ssh(host, "crm_attribute --name stop-all-resources --update true")
    lab.ssh(host, "crm_resource --wait --timeout=180", timeout=240)
    stopped = ET.fromstring(setup.configuration)
    options = stopped.find("crm_config/cluster_property_set")
    assert options is not None
    held = {"id": "bench-stop-all", "name": "stop-all-resources", "value": "true"}
    options[:] = [one for one in options if one.get("name") != held["name"]]
    ET.SubElement(options, "nvpair", held)
    for one in lab.hosts:
        for path, text in setup.files[one].items():
            put(lab, one, path, text)
        lab.ssh(one, "systemctl daemon-reload")
    lab.ssh(host, "corosync-cfgtool -R")
    replace = "cibadmin --replace --scope configuration --xml-text"
    lab.ssh(host, f"{replace} {shlex.quote(ET.tostring(stopped, 'unicode'))}")
    lab.ssh(host, "crm_attribute --name stop-all-resources --delete")
    lab.ssh(host, "pcs resource cleanup", check=False)
    wait_for("the service", lambda: not unhealthy(lab), HEALTHY_WITHIN_S)
    for one in lab.hosts:
        token = re.search(r"token: (\d+)", setup.files[one][COROSYNC_FILE])
        running = lab.ssh(one, "corosync-cmapctl -g runtime.config.totem.token")
        assert token and f"= {token[1]}" in running, running


# --- the cases ----------------------------------------------------------------------------------


def switchover(lab: pairlab.Lab, setup: Setup, host: str) -> None:
    """A planned move: by standby as on the page, by our playbook."""
    if setup.name == "seeds":
        lab.ssh(host, f"pcs node standby {host} --wait=180", timeout=240)
    else:
        lab.play("switchover.yml").must()
    assert active(lab) == other(lab, host)


def database_kill(lab: pairlab.Lab, _setup: Setup, host: str) -> None:
    """kill -9 of the database's first process."""
    lab.ssh(host, "kill -9 $(systemctl show --value -p MainPID kaiwudb.service)")


def power_cut(lab: pairlab.Lab, _setup: Setup, host: str) -> None:
    """The active host loses its power."""
    lab.halab("power", "off", host)


def standby_loss(lab: pairlab.Lab, _setup: Setup, host: str) -> None:
    """The standby host loses its power."""
    lab.halab("power", "off", other(lab, host))


CASES: dict[str, Callable[[pairlab.Lab, Setup, str], None]] = {
    "switchover": switchover,
    "database_kill": database_kill,
    "power_cut": power_cut,
    "standby_loss": standby_loss,
}


def joined(lab: pairlab.Lab) -> bool:
    """Whether the cluster runs on both hosts. One that was off waits for a while before it joins."""
    query = "cibadmin --query --scope nodes"
    return all(lab.ssh(one, query, check=False) for one in lab.hosts)


def both_on(lab: pairlab.Lab) -> None:
    """Both hosts on, and members."""
    for one in lab.hosts:
        if not reachable(lab, one):
            lab.halab("power", "on", one, "--wait", check=False)
    wait_for("both hosts in the cluster", lambda: joined(lab), HEALTHY_WITHIN_S)


def restore(lab: pairlab.Lab, host: str) -> None:
    """Both hosts on and in service, both copies equal."""
    both_on(lab)
    lab.ssh(lab.hosts[0], f"pcs node unstandby {host}")
    # The page enables the cluster at boot, too.
    wait_for(f"health ({unhealthy(lab)})", lambda: not unhealthy(lab), HEALTHY_WITHIN_S)
    lab.ssh(lab.hosts[0], "pcs resource cleanup", check=False)


RESULT = re.compile(r"^(\d+\.\d+) .*Result of (\w+) operation for (\S+) on \S+: (?:0 \()?ok")
LOST = re.compile(r"^(\d+\.\d+) .*Node (\S+) state is now lost")
FENCED = re.compile(r"^(\d+\.\d+) .*Operation '\w+' targeting (\S+) .*: (?:OK|complete)")


def phases(lab: pairlab.Lab, began: float) -> list[dict[str, Any]]:
    """What the cluster's own log of each host says, in seconds since then. The hosts have this machine's clock."""
    found: dict[str, float] = {}
    for host in lab.hosts:
        if not reachable(lab, host):
            continue
        since = f"journalctl --no-pager -o short-unix -u pacemaker -u corosync --since @{began:.0f}"
        for line in lab.ssh(host, since, check=False).splitlines():
            for pattern, words in (
                (RESULT, "{0} {1}"),
                (LOST, "{0} lost"),
                (FENCED, "{0} fenced"),
            ):
                hit = pattern.match(line)
                if hit and "monitor" not in hit.groups() and "notify" not in hit.groups():
                    name = words.format(*hit.groups()[1:])
                    at = round(float(hit[1]) - began, 2)
                    if at >= 0:
                        found[name] = min(at, found.get(name, at))
    return [
        {"name": name, "at_s": at} for name, at in sorted(found.items(), key=lambda one: one[1])
    ]


def measure(lab: pairlab.Lab, setup: Setup, case: str) -> dict[str, Any]:
    """One case: the client's outage, lost rows, and the phases."""
    host = active(lab)
    with Client(lab) as client:
        time.sleep(2)
        event, began = time.monotonic(), time.time()
        CASES[case](lab, setup, host)
        # A stalled write may be on its way; one that is sent later than this shows that the stall is over.
        client.wait_after(time.monotonic() + 5, 300)
        seen = phases(lab, began)
        found = client.verdict(event)
        restore(lab, host)
    shown = {"outage_s": found["outage_s"], "acked": found["acked"], "lost": found["lost"]}
    return {**shown, "wrong": found["wrong"], "phases": seen}


# --- the report ---------------------------------------------------------------------------------

Runs = dict[str, dict[str, list[dict[str, Any]]]]


def figures(runs: Runs) -> dict[str, Any]:
    """Medians, maxima and ratios by case, with the phases of the median run."""
    report: dict[str, Any] = {}
    for case, by_setup in runs.items():
        one: dict[str, Any] = {"runs": min(len(done) for done in by_setup.values())}
        for name, done in by_setup.items():
            outages = [run["outage_s"] for run in done]
            median = statistics.median_low(outages)
            one[f"{name}_s"] = round(statistics.median(outages), 2)
            one[f"{name}_max_s"] = max(outages)
            one[f"{name}_all_s"] = outages
            one[f"{name}_lost"] = sum(run["lost"] for run in done)
            one[f"{name}_phases"] = done[outages.index(median)]["phases"]
        one["ratio"] = round(one["ours_s"] / one["seeds_s"], 3)
        report[case] = one
    return report


def missed(case: str, one: dict[str, Any]) -> str:
    """What the product aims at, and whether it was missed."""
    if case in AIMS:
        return f"at most {AIMS[case]}" + ("" if one["ratio"] <= AIMS[case] else "  MISSED")
    limit = DRBD_TIMEOUT_S + STALL_AIM_S
    return f"ours at most {limit} s" + ("" if one["ours_s"] <= limit else "  MISSED")


def table(report: dict[str, Any]) -> str:
    """The figures for people."""
    rows = [
        f"{'outage, median (max), s':<24}{'page':>16}{'ours':>16}{'ratio':>8}{'runs':>6}  lost  aim"
    ]
    for case, one in report.items():
        cells = [f"{one[f'{name}_s']} ({one[f'{name}_max_s']})" for name in ("seeds", "ours")]
        lost = f"{one['seeds_lost']}/{one['ours_lost']}"
        rows.append(
            f"{case:<24}{cells[0]:>16}{cells[1]:>16}{one['ratio']:>8}{one['runs']:>6}  {lost:<5} {missed(case, one)}"
        )
    return "\n".join(rows)


@contextlib.contextmanager
def ours_in_the_end(lab: pairlab.Lab, ours: Setup) -> Iterator[None]:
    """The pair as it was, whatever happened."""
    try:
        yield
    finally:
        both_on(lab)
        use(lab, ours)


def main() -> int:
    """Measure in turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", type=pathlib.Path, help="a lab on which the pair is built")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each case is run")
    parser.add_argument(
        "--case", choices=CASES, action="append", help="this case only; again for more"
    )
    options = parser.parse_args()
    cases = options.case or list(CASES)
    runs: Runs = {case: {"seeds": [], "ours": []} for case in cases}
    try:
        with engine.built_lab(options.run_dir) as lab:
            both = setups(lab)
            with ours_in_the_end(lab, both[1]):
                for turn in range(options.rounds):
                    for setup in both:
                        use(lab, setup)
                        for case in cases:
                            done = measure(lab, setup, case)
                            runs[case][setup.name].append(done)
                            print(
                                f"round {turn + 1} {setup.name:<6} {case:<14} outage {done['outage_s']} s, "
                                f"lost {done['lost']} of {done['acked']}",
                                *(f"{one['name']} {one['at_s']}" for one in done["phases"]),
                                sep=", ",
                                flush=True,
                            )
    except pairlab.LabCannotRun:
        print("THIS MACHINE CANNOT RUN THE LAB: nothing was measured.", file=sys.stderr)
        return 77
    report = figures(runs)
    engine.write("failover", report)
    print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
