# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two live nodes without disks: the real corosync and Pacemaker of one release, in namespaces.

DRBD and the database are played by Pacemaker's own Stateful and Dummy agents. Each node is a
process with its own network, host name and process ids; its end takes everything with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import ansible
import capture_pair
import roots

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PLUGINS_INSIDE = "opt/collections/ansible_collections/kwdb/ha/plugins"
NODES = ("ha-node01", "ha-node02")

COROSYNC = """
totem {
  version: 2
  cluster_name: live
  transport: knet
  token: 3000
  crypto_cipher: none
  crypto_hash: none
}
nodelist {
  node {
    ring0_addr: 10.99.0.1
    name: ha-node01
    nodeid: 1
  }
  node {
    ring0_addr: 10.99.0.2
    name: ha-node02
    nodeid: 2
  }
}
quorum {
  provider: corosync_votequorum
  two_node: 1
}
logging {
  to_logfile: yes
  logfile: /var/log/corosync.log
  to_syslog: no
}
"""

BOOT = """#!/bin/sh
mount -t proc proc /proc
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/crm /run/resource-agents
chown hacluster:haclient /run/crm
chown -R hacluster:haclient /var/lib/pacemaker/cib
chmod 600 /var/lib/pacemaker/cib/cib.xml
hostname "$1"
corosync -f >/var/log/corosync.out 2>&1 &
until corosync-cmapctl totem.version >/dev/null 2>&1; do sleep 0.2; done
pacemakerd -f >/var/log/pacemaker.out 2>&1 &
wait
"""

# The first start of a cluster waits for others to be its leader as long as this says, 20 s unless told.
SOON = """<crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="2s"/>
</cluster_property_set></crm_config>"""

# A fence device that answers and does nothing: nothing is fenced here.
FENCE = """#!/bin/sh
case "$*$(cat)" in *metadata*) cat <<'XML'
<?xml version="1.0" ?>
<resource-agent name="fence_ipmilan" shortdesc="answers"><longdesc>answers</longdesc><parameters>
<parameter name="action" required="1"><content type="string" default="reboot"/><shortdesc lang="en">a</shortdesc></parameter>
<parameter name="password"><content type="string"/><shortdesc lang="en">p</shortdesc></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="monitor"/><action name="list"/>
<action name="status"/><action name="metadata"/></actions></resource-agent>
XML
esac
exit 0
"""

# Runs a module of the collection with DRBD's state made up from the cluster's; notes down every
# process that it starts.
DRIVER = """
import os, platform, runpy, sys

started = open("/run/started", "w", buffering=1)
def listen(event, arguments):
    if event == "subprocess.Popen":
        print(*map(os.fsdecode, arguments[1]), file=started)
sys.addaudithook(listen)
sys.path[:0] = ["/opt/ansible", "/opt/collections"]
from ansible_collections.kwdb.ha.plugins.module_utils import _drbd, _pair

def state(run, name):
    status = _pair.read_status(run)
    copies = [one for one in status.instances if one.resource == "KaiwuData" and one.active]
    mine = [one.role for one in copies if platform.node() in one.nodes]
    both = len(copies) == 2
    return _drbd.State(
        role="Primary" if mine == ["Promoted"] else "Secondary",
        disk="UpToDate",
        connection="Connected" if both else "Connecting",
        peer_disk="UpToDate" if both else "DUnknown",
        replication="Established" if both else "Off",
    )

_pair.read_state = state
module = sys.argv.pop(1)
runpy.run_module("ansible_collections.kwdb.ha.plugins.modules." + module, run_name="__main__")
"""

ARGS = "/run/args.json"


def configuration(new_words: bool) -> str:
    """The pair's configuration with agents that need nothing."""
    text = capture_pair.CIB.format(
        schema="",
        version="",
        promoted="Promoted" if new_words else "Master",
        unpromoted="Unpromoted" if new_words else "Slave",
    )
    for old, new in (
        ('provider="linbit" type="drbd"', 'provider="pacemaker" type="Stateful"'),
        ('provider="heartbeat" type="Filesystem"', 'provider="pacemaker" type="Dummy"'),
        ('provider="heartbeat" type="IPaddr2"', 'provider="pacemaker" type="Dummy"'),
        ('class="systemd" type="kaiwudb"', 'class="ocf" provider="pacemaker" type="Dummy"'),
    ):
        text = text.replace(old, new)
    return text


def first_cib(root: Path) -> str:
    """An empty configuration, in the schema of the release, that does not wait long for a leader."""
    empty = ["chroot", str(root), "cibadmin", "--empty"]
    text = subprocess.run(empty, capture_output=True, text=True, check=True).stdout
    assert "<crm_config/>" in text
    return text.replace("<crm_config/>", SOON)


class Node:
    """One node: an overlay over the release's root, in namespaces of its own."""

    def __init__(self, name: str, number: int, root: Path, folder: Path, space: str) -> None:
        self.name, self.root, self.folder, self.space = name, root, folder, space
        self.number = number
        self.place = folder / "root"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Boot it."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        upper = self.folder / "upper"
        for path, text in (
            ("etc/corosync/corosync.conf", COROSYNC),
            ("boot", BOOT),
            ("var/lib/pacemaker/cib/cib.xml", first_cib(self.root)),
            ("usr/sbin/fence_ipmilan", FENCE),
            ("opt/driver.py", DRIVER),
        ):
            (upper / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / path).write_text(text)
            (upper / path).chmod(0o755)
        for path in ("opt/ansible/ansible", PLUGINS_INSIDE):
            (upper / path).mkdir(parents=True)
        overlay = f"lowerdir={self.root},upperdir={upper},workdir={self.folder / 'work'}"
        # Positional parameters, so that no path is ever part of a script.
        script = (
            'mount -t overlay overlay -o "$1" "$2" && mount --rbind /dev "$2/dev" '
            '&& mount -o bind,ro "$3" "$2/opt/ansible/ansible" && mount -o bind,ro "$4" "$2/$6" '
            '&& exec chroot "$2" /boot "$5"'
        )
        names = [overlay, str(self.place), str(Path(ansible.__file__).parent), str(PLUGINS)]
        with open(self.folder / "console", "wb") as console:
            self.process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.space),
                    *("unshare", "--uts", "--mount", "--propagation=private"),
                    *("--ipc", "--pid", "--fork", "--kill-child"),
                    *("sh", "-c", script, "boot", *names, self.name, PLUGINS_INSIDE),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def inside(self, *argv: str) -> list[str]:
        """The command line that runs something in the node."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        first = children.split()[0]
        return [
            "nsenter",
            "-t",
            first,
            "-u",
            "-m",
            "-i",
            "-n",
            "-p",
            "chroot",
            str(self.place),
            *argv,
        ]

    def run(self, *argv: str, stdin: str = "", ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run something in the node."""
        done = subprocess.run(
            self.inside(*argv),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert not ok or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def module_argv(self, name: str, arguments: dict[str, Any], check: bool = False) -> list[str]:
        """The command line that runs a module of the collection in the node."""
        given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}}
        self.run("tee", ARGS, stdin=json.dumps(given))
        return self.inside("python3", "/opt/driver.py", name, ARGS)

    def module(self, name: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """The result of a module."""
        done = subprocess.run(
            self.module_argv(name, arguments, check),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise AssertionError(f"{name}: {done.stdout}{done.stderr}") from None

    def started(self) -> list[list[str]]:
        """The processes that the last module started."""
        return [line.split() for line in self.run("cat", "/run/started").stdout.splitlines()]

    def stop(self) -> None:
        """End it and everything in it."""
        if self.process:
            self.process.kill()
            self.process.wait()


class Pair:
    """Two nodes with the pair's resources."""

    def __init__(self, suite: str, folder: Path) -> None:
        root = roots.root(suite)
        self.spaces = [f"kwdb-live-{os.getpid()}-{number}" for number in (1, 2)]
        self.nodes = {
            name: Node(name, number, root, folder / name, self.spaces[number - 1])
            for number, name in enumerate(NODES, 1)
        }
        self.first = self.nodes[NODES[0]]

    def start(self) -> None:
        """Boot both and configure the pair."""
        self._wire()
        for node in self.nodes.values():
            node.start()
        self._wait("both nodes", lambda: self._online() == 2, 90)
        answer = self.first.run("crm_mon", "--version").stdout
        text = configuration("Pacemaker 2.0" not in answer)
        # All at once, as the module does it: a fence device that is there before its constraint is taken away
        # again for a moment, and a monitor at that moment fails for good.
        sections = ""
        for section in ("crm_config", "resources", "constraints", "rsc_defaults"):
            begin, end = text.index(f"<{section}>"), text.index(f"</{section}>")
            sections += text[begin : end + len(section) + 3]
        lines = [line for line in sections.splitlines() if "dc-version" not in line]
        xml = "\n".join(["<configuration>", *lines, "</configuration>"])
        self.first.run("cibadmin", "--modify", "-o", "configuration", "-p", stdin=xml)
        self.wait_healthy()

    def _wire(self) -> None:
        """Two network namespaces and a cable between them."""
        for space in self.spaces:
            subprocess.run(["ip", "netns", "add", space], check=True)
        one, two = self.spaces
        cable = ["ip", "-n", one, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"]
        subprocess.run([*cable, "netns", two], check=True)
        for number, space in enumerate(self.spaces, 1):
            for words in (
                ["link", "set", "lo", "up"],
                ["addr", "add", f"10.99.0.{number}/24", "dev", "eth0"],
                ["link", "set", "eth0", "up"],
            ):
                subprocess.run(["ip", "-n", space, *words], check=True)

    def _online(self) -> int:
        """How many nodes the cluster has."""
        with contextlib.suppress(OSError, IndexError):
            done = self.first.run("crm_mon", "--output-as", "xml", ok=False)
            return (
                done.stdout.count('online="true"')
                if 'current_dc present="true"' in done.stdout
                else 0
            )
        return 0

    def _wait(
        self,
        what: str,
        check: Callable[[], object],
        seconds: float,
        evidence: Callable[[], str] = str,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                logs = "".join(
                    f"\n--- {path}\n{path.read_text(errors='replace')[-2000:]}"
                    for node in self.nodes.values()
                    for path in (
                        node.folder / "console",
                        node.folder / "upper/var/log/pacemaker/pacemaker.log",
                    )
                    if path.exists()
                )
                raise AssertionError(f"{what} did not come in {seconds} s\n{evidence()}{logs}")
            time.sleep(0.5)

    def info(self) -> dict[str, Any]:
        """pair_info from the first node."""
        return self.first.module("pair_info")

    def wait_healthy(self) -> dict[str, Any]:
        """Wait until nothing is wrong."""
        found: dict[str, Any] = {}

        def healthy() -> bool:
            found.update(self.info())
            return bool(found["healthy"])

        self._wait("a healthy pair", healthy, 60, lambda: json.dumps(found["findings"], indent=1))
        return found

    def constraints(self) -> str:
        """The constraints in the CIB."""
        return self.first.run("cibadmin", "--query", "-o", "constraints").stdout

    def stop(self) -> None:
        """Leave nothing."""
        for node in self.nodes.values():
            node.stop()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "delete", space], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def pair(suite: str) -> Iterator[Pair]:
    """A healthy live pair; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="live-"))
    found = Pair(suite, folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with pair(sys.argv[1]) as two:
        print(json.dumps(two.info(), indent=1))
