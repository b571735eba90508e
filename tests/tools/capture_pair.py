#!/usr/bin/env python3
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capture what the real Pacemaker tools say about the pair in many states: ROOT FIXTURES.

ROOT is a folder with an unpacked Debian that holds pacemaker and pacemaker-cli-utils. No cluster
runs: crm_simulate lets the real scheduler act on a CIB in a file and the tools read that file.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

NODES = ("ha-node01", "ha-node02")
WORK = "/run/capture-pair"

CIB = """
<cib validate-with="{schema}" admin_epoch="0" epoch="1" num_updates="0" have-quorum="1" dc-uuid="2">
 <configuration>
  <crm_config>
   <cluster_property_set id="cib-bootstrap-options">
    <nvpair id="opt-dc" name="dc-version" value="{version}-capture"/>
    <nvpair id="opt-stonith" name="stonith-enabled" value="true"/>
    <nvpair id="opt-quorum" name="no-quorum-policy" value="stop"/>
   </cluster_property_set>
  </crm_config>
  <nodes><node id="1" uname="ha-node01"/><node id="2" uname="ha-node02"/></nodes>
  <resources>
   <primitive id="fence-ha-node01" class="stonith" type="fence_ipmilan">
    <instance_attributes id="f1-ia">
     <nvpair id="f1-list" name="pcmk_host_list" value="ha-node01"/>
     <nvpair id="f1-password" name="password" value="not-shown"/>
    </instance_attributes>
    <operations><op id="f1-m" name="monitor" interval="60s"/></operations>
   </primitive>
   <primitive id="fence-ha-node02" class="stonith" type="fence_ipmilan">
    <instance_attributes id="f2-ia">
     <nvpair id="f2-list" name="pcmk_host_list" value="ha-node02"/>
     <nvpair id="f2-password" name="password" value="not-shown"/>
    </instance_attributes>
    <operations><op id="f2-m" name="monitor" interval="60s"/></operations>
   </primitive>
   <clone id="KaiwuData-clone">
    <primitive id="KaiwuData" class="ocf" provider="linbit" type="drbd">
     <instance_attributes id="d-ia"><nvpair id="d-r" name="drbd_resource" value="kwdb"/></instance_attributes>
     <operations>
      <op id="d-mp" name="monitor" interval="9s" role="{promoted}" timeout="20s"/>
      <op id="d-mu" name="monitor" interval="19s" role="{unpromoted}" timeout="20s"/>
     </operations>
    </primitive>
    <meta_attributes id="dc-meta">
     <nvpair id="dc-1" name="promotable" value="true"/>
     <nvpair id="dc-2" name="promoted-max" value="1"/>
     <nvpair id="dc-3" name="clone-max" value="2"/>
     <nvpair id="dc-4" name="notify" value="true"/>
    </meta_attributes>
   </clone>
   <group id="KaiwuDBGrp">
    <primitive id="KaiwuFS" class="ocf" provider="heartbeat" type="Filesystem">
     <instance_attributes id="fs-ia">
      <nvpair id="fs-1" name="device" value="/dev/drbd3"/>
      <nvpair id="fs-2" name="directory" value="/var/lib/kaiwudb"/>
      <nvpair id="fs-3" name="fstype" value="ext4"/>
     </instance_attributes>
     <operations><op id="fs-m" name="monitor" interval="20s"/></operations>
    </primitive>
    <primitive id="KaiwuDB" class="systemd" type="kaiwudb">
     <operations><op id="db-m" name="monitor" interval="10s"/></operations>
    </primitive>
    <primitive id="ClusterIP" class="ocf" provider="heartbeat" type="IPaddr2">
     <instance_attributes id="ip-ia"><nvpair id="ip-1" name="ip" value="10.77.1.100"/></instance_attributes>
     <operations><op id="ip-m" name="monitor" interval="10s"/></operations>
    </primitive>
   </group>
  </resources>
  <constraints>
   <rsc_colocation id="c1" rsc="KaiwuDBGrp" with-rsc="KaiwuData-clone" with-rsc-role="{promoted}" score="INFINITY"/>
   <rsc_order id="o1" first="KaiwuData-clone" first-action="promote" then="KaiwuDBGrp" then-action="start"/>
   <rsc_location id="l1" rsc="fence-ha-node01" node="ha-node01" score="-INFINITY"/>
   <rsc_location id="l2" rsc="fence-ha-node02" node="ha-node02" score="-INFINITY"/>
  </constraints>
  <rsc_defaults><meta_attributes id="rd"><nvpair id="rd-1" name="resource-stickiness" value="200"/></meta_attributes></rsc_defaults>
 </configuration>
 <status/>
</cib>
"""


class Root:
    """One unpacked Debian; files live in its /run/capture-pair."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / WORK.lstrip("/")
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        said = self.run(["crm_mon", "--version"])
        found = re.search(r"Pacemaker (\d+)\.(\d+)\.(\d+)", said)
        if not found:
            raise SystemExit(f"no Pacemaker version in {said!r}")
        self.version = tuple(int(part) for part in found.groups())
        self.name = "pacemaker-" + ".".join(found.groups())

    def run(self, argv: list[str], cib: str = "", ok: tuple = (0,)) -> str:
        """Run a tool inside the root on the CIB file of that name."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "CIB_shadow_dir": WORK}
        if cib:
            env["CIB_file"] = f"{WORK}/{cib}.xml"
        done = subprocess.run(
            ["chroot", str(self.path), *argv], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode not in ok:
            raise SystemExit(f"{argv} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def copy(self, old: str, new: str) -> None:
        """A second CIB file with the same content."""
        shutil.copy(self.work / f"{old}.xml", self.work / f"{new}.xml")

    def simulate(self, name: str, *options: str) -> None:
        """Let the scheduler act on the CIB once, in place."""
        path = f"{WORK}/{name}.xml"
        self.run(["crm_simulate", "-x", path, "-S", "-Q", *options, "-O", f"{path}.new"])
        (self.work / f"{name}.xml.new").rename(self.work / f"{name}.xml")

    def promotion_score(self, name: str, node: str, identity: int, score: int) -> None:
        """What the DRBD agent would do: agents do not run here."""
        self.run(
            [
                "cibadmin",
                "-M",
                "--allow-create",
                "--xpath",
                f"//node_state[@uname='{node}']",
                "-X",
                f'<node_state id="{identity}" uname="{node}"><transient_attributes id="{identity}">'
                f'<instance_attributes id="status-{identity}">'
                f'<nvpair id="status-{identity}-master-KaiwuData" name="master-KaiwuData"'
                f' value="{score}"/></instance_attributes></transient_attributes></node_state>',
            ],
            name,
        )

    def ban(self, name: str, node: str, *options: str) -> None:
        """Ban the promoted role from a node, as operators do."""
        word = "--promoted" if self.version >= (2, 1, 0) else "--master"
        self.run(
            [
                "crm_resource",
                "--resource",
                "KaiwuData-clone",
                "--ban",
                "--node",
                node,
                word,
                *list(options),
            ],
            name,
        )

    def property(self, name: str, key: str, value: str) -> None:
        """Set a cluster property."""
        self.run(["crm_attribute", "-t", "crm_config", "-n", key, "-v", value], name)


def build_healthy(root: Root) -> None:
    """Both nodes up, promoted on the first, group there."""
    new_words = root.version >= (2, 1, 0)
    schemas = sorted(
        (tuple(map(int, found.groups())), found.group(0))
        for path in (root.path / "usr/share/pacemaker").glob("pacemaker-*.rng")
        if (found := re.fullmatch(r"pacemaker-(\d+)\.(\d+)", path.stem))
    )
    (root.work / "healthy.xml").write_text(
        CIB.format(
            version=".".join(map(str, root.version)),
            schema=schemas[-1][1],
            promoted="Promoted" if new_words else "Master",
            unpromoted="Unpromoted" if new_words else "Slave",
        )
    )
    root.simulate("healthy", "-u", NODES[0], "-u", NODES[1], "-q", "true")
    for identity, node in enumerate(NODES, 1):
        root.promotion_score("healthy", node, identity, 10000)
    root.simulate("healthy")


def standby(root: Root, name: str) -> None:
    root.run(["crm_attribute", "-N", NODES[1], "-n", "standby", "-v", "on"], name)
    root.simulate(name)


def maintenance(root: Root, name: str) -> None:
    root.property(name, "maintenance-mode", "true")


def node_maintenance(root: Root, name: str) -> None:
    root.run(["crm_attribute", "-N", NODES[1], "-n", "maintenance", "-v", "true"], name)


def failed_action(root: Root, name: str) -> None:
    root.simulate(name, "-i", "KaiwuDB_monitor_10000@ha-node01=7")


def unclean_node(root: Root, name: str) -> None:
    root.simulate(
        name, "-F", "KaiwuFS_stop_0@ha-node01=1", "-i", "KaiwuFS_monitor_20000@ha-node01=1"
    )


def lost_node(root: Root, name: str) -> None:
    path = f"{WORK}/{name}.xml"
    root.run(["crm_simulate", "-x", path, "-Q", "-f", NODES[0], "-O", f"{path}.new"])
    (root.work / f"{name}.xml.new").rename(root.work / f"{name}.xml")


def fenced_node(root: Root, name: str) -> None:
    root.simulate(name, "-f", NODES[0])


def no_promoted(root: Root, name: str) -> None:
    for identity, node in enumerate(NODES, 1):
        root.promotion_score(name, node, identity, -1)
    root.simulate(name)


def cli_ban(root: Root, name: str) -> None:
    root.ban(name, NODES[0])
    root.simulate(name)


def cli_ban_lifetime(root: Root, name: str) -> None:
    root.ban(name, NODES[0], "--lifetime", "PT5M")
    root.simulate(name)


def cli_prefer(root: Root, name: str) -> None:
    root.run(["crm_resource", "--resource", "KaiwuDBGrp", "--move", "--node", NODES[1]], name)


def drbd_fence(root: Root, name: str) -> None:
    root.run(
        [
            "cibadmin",
            "-C",
            "-o",
            "constraints",
            "-X",
            '<rsc_location rsc="KaiwuData-clone" id="drbd-fence-by-handler-kwdb-KaiwuData-clone">'
            '<rule role="Master" score="-INFINITY" id="drbd-fence-by-handler-kwdb-rule-KaiwuData-clone">'
            '<expression attribute="#uname" operation="ne" value="ha-node01"'
            ' id="drbd-fence-by-handler-kwdb-expr-2-KaiwuData-clone"/></rule></rsc_location>',
        ],
        name,
    )


def disabled_group(root: Root, name: str) -> None:
    root.run(
        ["crm_resource", "-r", "KaiwuDBGrp", "--meta", "-p", "target-role", "-v", "Stopped"], name
    )
    root.simulate(name)


def unmanaged_group(root: Root, name: str) -> None:
    root.run(
        ["crm_resource", "-r", "KaiwuDBGrp", "--meta", "-p", "is-managed", "-v", "false"], name
    )


def no_quorum(root: Root, name: str) -> None:
    path = root.work / f"{name}.xml"
    path.write_text(path.read_text().replace('have-quorum="true"', 'have-quorum="false"'))
    root.simulate(name)


def without_fencing(root: Root, name: str) -> None:
    for fence in ("fence-ha-node01", "fence-ha-node02"):
        for kind, key in (("rsc_location", "rsc"), ("primitive", "id")):
            root.run(
                ["cibadmin", "--force", "--delete-all", "--xpath", f"//{kind}[@{key}='{fence}']"],
                name,
            )
    root.property(name, "stonith-enabled", "false")


def switched(root: Root, name: str) -> None:
    root.ban(name, NODES[0])
    root.simulate(name)
    root.run(["crm_resource", "--resource", "KaiwuData-clone", "--clear"], name)
    root.simulate(name)


CASES: dict[str, Callable[[Root, str], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        standby,
        maintenance,
        node_maintenance,
        failed_action,
        unclean_node,
        lost_node,
        fenced_node,
        no_promoted,
        cli_ban,
        cli_ban_lifetime,
        cli_prefer,
        drbd_fence,
        disabled_group,
        unmanaged_group,
        no_quorum,
        without_fencing,
        switched,
    )
}


def capture(root: Root, name: str, fixtures: Path) -> None:
    """Store the CIB and the monitor's XML of one state."""
    folder = fixtures / root.name / "pair"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.cib.xml").write_text(root.run(["cibadmin", "--query"], name))
    argv = (
        ["crm_mon", "--output-as", "xml"]
        if root.version >= (2, 0, 3)
        else ["crm_mon", "-1", "--as-xml"]
    )
    (folder / f"{name}.mon.xml").write_text(root.run(argv, name))
    print(f"{root.name}/{name}")


def main() -> int:
    """Capture every state, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("fixtures", type=Path)
    parser.add_argument("case", nargs="*", choices=[[], *CASES], default=[])
    args = parser.parse_args()
    root = Root(args.root)
    build_healthy(root)
    capture(root, "healthy", args.fixtures)
    for name in args.case or CASES:
        root.copy("healthy", name)
        CASES[name](root, name)
        capture(root, name, args.fixtures)
    shutil.rmtree(root.work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
