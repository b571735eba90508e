"""A pair built by hand after KWDB's own page is taken over: what it has in common with ours stays."""

from __future__ import annotations

import base64
import collections
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pairlab import BUILD, ROOT, Lab, Up, build_standin, write_case

sys.path.insert(0, str(ROOT / "tests" / "tools"))

import handbuilt

VIP = "10.77.1.100"
PASSWORD = "Ein-langes-Kennwort-8261"
SECRET = "noch-ein-Geheimnis-5310"

DRBD = f"""
global {{ usage-count no; }}
common {{
  protocol C;
  disk {{ on-io-error detach; no-disk-flushes; no-md-flushes; }}
  net {{
    sndbuf-size 512k; max-buffers 8000; max-epoch-size 8000; unplug-watermark 1024;
    cram-hmac-alg "sha1"; shared-secret "{SECRET}";
    after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary;
    after-sb-2pri disconnect; rr-conflict disconnect;
  }}
  syncer {{ rate 330M; al-extents 517; verify-alg crc32c; }}
}}
"""
RESOURCE = """
resource drbd3 {
  on ha-node01 { device /dev/drbd3; disk /dev/disk/by-id/lab-data; address 10.77.2.11:7788; meta-disk internal; }
  on ha-node02 { device /dev/drbd3; disk /dev/disk/by-id/lab-data; address 10.77.2.12:7788; meta-disk internal; }
}
"""
# What KWDB's installer writes, in the mode without TLS.
UNIT = """
[Unit]
Description=KaiwuDB
After=network.target

[Service]
User=kaiwudb
Group=kaiwudb
Type=simple
LimitNOFILE=1048576
WorkingDirectory=/usr/local/kaiwudb/bin
EnvironmentFile=/etc/kaiwudb/script/kaiwudb_env
ExecStart=/usr/local/kaiwudb/bin/kwbase start-single-node $KAIWUDB_START_ARG --insecure --listen-addr=0.0.0.0:26257 --advertise-addr={address}:26257 --http-addr=0.0.0.0:8080 --brpc-addr=0.0.0.0:27257 --store=/var/lib/kaiwudb
ExecStop=/bin/kill $MAINPID
KillMode=control-group

[Install]
WantedBy=multi-user.target
"""
BOTH = """
set -e
sed -i '/ha-node0[12]/d' /etc/hosts
printf '10.77.1.11 ha-node01\\n10.77.1.12 ha-node02\\n' >>/etc/hosts
cd /root
{packages}
DEBIAN_FRONTEND=noninteractive apt-get -qq install ./*.deb >/dev/null 2>&1
groupadd -g 26257 kaiwudb
useradd -u 26257 -g kaiwudb -m -s /bin/bash kaiwudb
mkdir -p /etc/kaiwudb/script /var/lib/kaiwudb
echo 'KAIWUDB_START_ARG=""' >/etc/kaiwudb/script/kaiwudb_env
cat >/etc/systemd/system/kaiwudb.service <<'UNIT'
{unit}
UNIT
systemctl daemon-reload
cat >/etc/drbd.d/global_common.conf <<'DRBD'
{drbd}
DRBD
cat >/etc/drbd.d/drbd3.res <<'DRBD'
{resource}
DRBD
modprobe drbd
drbdadm create-md drbd3 </dev/null >/dev/null 2>&1
drbdadm adjust all
printf 'hacluster:{password}' | chpasswd
systemctl enable --now pcsd >/dev/null 2>&1
"""
FIRST = """
set -e
drbdadm -- --overwrite-data-of-peer primary drbd3
until drbdadm dstate drbd3 | grep -q UpToDate/UpToDate; do sleep 1; done
mkfs.ext4 -q /dev/drbd3
mount /dev/drbd3 /var/lib/kaiwudb
chown kaiwudb:kaiwudb /var/lib/kaiwudb
umount /var/lib/kaiwudb
drbdadm secondary drbd3
pcs cluster destroy --force >/dev/null 2>&1
printf '{password}\\n' | pcs host auth ha-node01 ha-node02 -u hacluster
pcs cluster setup ha-cluster ha-node01 ha-node02 --start --wait=120 --enable --force >/dev/null 2>&1
until crm_mon -1 2>/dev/null | grep -q 'Online: .*ha-node01 ha-node02'; do sleep 1; done
"""
# The operator's answers to what adopt.yml asks.
DECIDED = {
    "pacemaker_accept_risk_without_fencing": True,
    "kwdb_packages": str(BUILD / "standin"),
    "kwdb_secure": False,
    "prereqs_time_servers": ["10.77.1.1"],
}
# Lines that site.yml takes away or replaces in the cluster: each of them is in the differences.
REPLACED = (
    'name="no-quorum-policy" value="ignore"',
    'name="migration-threshold" value="2"',
    'id="ClusterIP-monitor-interval-30s"',
    'id="KaiwuDB-monitor-interval-60s"',
    # pcs takes these from systemd's own metadata.
    'id="KaiwuDB-start-interval-0s"',
    'id="KaiwuDB-stop-interval-0s"',
    'id="KaiwuData-monitor-interval-10s"',
)


class Adopted(Lab):
    """The same hosts, by the inventory that adopt.yml wrote."""

    @property
    def inventory(self) -> Path:
        return self.run_dir / "adopted"


def packages() -> str:
    """The stand-in's packages as a script that unpacks them."""
    lines = []
    for path in sorted(build_standin().glob("*.deb")):
        text = base64.b64encode(path.read_bytes()).decode()
        lines.append(f"base64 -d >{path.name} <<'DEB'\n{text}\nDEB")
    return "\n".join(lines)


def build_by_hand(lab: Lab) -> None:
    """What the page has people type, on both hosts."""
    for number, host in enumerate(lab.hosts, 11):
        unit = UNIT.format(address=f"10.77.1.{number}")
        values = {"drbd": DRBD, "resource": RESOURCE, "password": PASSWORD}
        lab.ssh(host, BOTH.format(packages=packages(), unit=unit, **values), timeout=400)
    lab.ssh(lab.hosts[0], FIRST.format(password=PASSWORD), timeout=400)
    for words in handbuilt.commands((0, 11)):
        command = shlex.join(["pcs", *(one.replace(handbuilt.VIP, VIP) for one in words)])
        lab.ssh(lab.hosts[0], command, timeout=180)
    lab.ssh(
        lab.hosts[0],
        "pcs resource cleanup >/dev/null 2>&1; crm_resource --wait --timeout=180",
        timeout=240,
    )


@pytest.fixture(scope="module")
def by_hand(up: Up) -> Iterator[Lab]:
    with up(Lab(BUILD / "adopt-lab", ("--image", "prepared", "--disk", "128"))) as lab:
        build_by_hand(lab)
        yield lab


def cluster_changes(run: Any) -> collections.Counter[str]:
    """What the run would take away from the cluster's configuration, line by line."""
    gone: collections.Counter[str] = collections.Counter()
    for entry in run.report["results"]:
        for diff in (entry.get("diff") or [])[:1]:
            lines = [
                collections.Counter(one.strip() for one in diff[side].splitlines())
                for side in ("before", "after")
            ]
            gone += lines[0] - lines[1]
    return gone


def test_page_is_taken_over(by_hand: Lab) -> None:
    lab, adopted = by_hand, Adopted(by_hand.run_dir)
    assert "ClusterIP" in lab.ssh(lab.hosts[0], "crm_mon -1")
    before = lab.ssh(lab.hosts[0], "cibadmin -Q -o configuration")
    lab.play("adopt.yml", extra={"adopt_inventory": str(adopted.inventory)}).must()
    told = json.loads((adopted.inventory / "differences.json").read_text())
    fill_in(lab, adopted.inventory / "group_vars" / "kwdb_pair")
    refused = adopted.play("site.yml", "--check")
    assert any("would interrupt what is running" in one for one in refused.messages)
    allowed = {"pair_allow_disruption": True}
    run = adopted.play("site.yml", "--check", "--diff", extra=allowed).must()
    gone = cluster_changes(run)
    assert gone, "the page's pair is not ours"
    assert [line for line in gone if not any(one in line for one in REPLACED)] == []
    assert lab.ssh(lab.hosts[0], "cibadmin -Q -o configuration") == before
    evidence = {"differences": told, "replaced": sorted(gone), "changed": run.changed}
    write_case("adopted", ok=True, evidence=evidence)


def fill_in(lab: Lab, folder: Path) -> None:
    """What an operator adds to the inventory that was written: secrets and decisions."""
    vault = {"vault_hacluster_password": PASSWORD, "vault_drbd_secret": SECRET}
    assert set(yaml.safe_load((folder / "vault.yml").read_text())) == set(vault)
    (folder / "vault.yml").write_text(yaml.safe_dump(vault))
    listed = yaml.safe_load((lab.inventory / "hosts.yml").read_text())
    ways = listed["all"]["children"]["kwdb_pair"]["vars"]
    reach = {name: value for name, value in ways.items() if name.startswith("ansible_")}
    (folder / "decided.yml").write_text(yaml.safe_dump({**DECIDED, **reach}))
