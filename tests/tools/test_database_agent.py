# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which agent runs the database: it is kept, or changed by the way that the refusal names."""

from __future__ import annotations

import os
import subprocess
from typing import Any, Iterator

import chroot
import module_host
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _invalid, _transaction

ONE, TWO = pair.NODES
AGENTS = {"ocf": "ocf:kwdb:kaiwudb", "systemd": "systemd:kaiwudb"}
BOTH_WAYS = [("systemd", "ocf"), ("ocf", "systemd")]


def build(cluster: chroot.Cluster, agent: str) -> None:
    """The running pair with this agent."""
    cluster.apply(pair.whole_pair(kwdb_resource_agent=agent))
    cluster.settle()
    cluster.promotion_score(ONE, 10000)
    cluster.promotion_score(TWO, 1000)
    cluster.settle()
    assert cluster.roles()["KaiwuDB"] == {ONE: "Started"}


@pytest.mark.parametrize("agent", AGENTS)
def test_either_agent_is_declared_once(cluster: chroot.Cluster, agent: str) -> None:
    build(cluster, agent)
    database = cluster.cib.find(".//primitive[@id='KaiwuDB']")
    assert database is not None and database.get("class") == agent
    assert not cluster.apply(pair.whole_pair(kwdb_resource_agent=agent)).changed


@pytest.mark.parametrize(("old", "new"), BOTH_WAYS)
def test_agent_is_changed_only_by_way_of_a_removal(
    cluster: chroot.Cluster, old: str, new: str
) -> None:
    """It is refused in place, and the way that the role names ends with the pair as declared."""
    build(cluster, old)
    before = cluster.cib_file.read_bytes()
    wanted = pair.whole_pair(kwdb_resource_agent=new)
    with pytest.raises(_invalid.DeclarationInvalid, match="cannot be changed in place"):
        cluster.apply(wanted, allow_disruption=True)
    assert cluster.cib_file.read_bytes() == before

    cluster.pcs("resource", "delete", "KaiwuDB", "--force")
    cluster.settle()
    with pytest.raises(_transaction.Refused, match=f"ClusterIP on {ONE}"):
        cluster.apply(wanted)
    cluster.apply(wanted, allow_disruption=True)
    cluster.settle()
    group = cluster.cib.find(".//group[@id='KaiwuDBGrp']")
    assert group is not None
    members = [one.get("id") for one in group.findall("primitive")]
    assert members == ["KaiwuFS", "KaiwuDB", "ClusterIP"]
    assert [cluster.roles()[one] for one in members] == [{ONE: "Started"}] * 3
    assert not cluster.apply(wanted).changed


# What the checks before this one need of the host.
ADDRESS = {"in_network": True, "prefix": 24, "local": False, "mac": "", "network": ""}
FINE: dict[str, Any] = {"vip": {**ADDRESS, "answered_by": []}}
PLAY = {
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {"kwdb.ha.kwdb_host_info": {}, "register": "__seen"},
        {"ansible.builtin.set_fact": {"__kwdb_host": "{{ __seen | combine(__fine) }}"}},
        {"ansible.builtin.include_role": {"name": "kwdb.ha.kwdb", "tasks_from": "preflight_host"}},
    ],
}


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, chroot.Cluster]]:
    """Two hosts with the files of one release, and no cluster yet."""
    with module_host.overlay("bookworm") as root:
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        try:
            yield {name: module_host.cluster(root, name, "") for name in pair.NODES}
        finally:
            subprocess.run(["umount", str(root / "proc")], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts roots")
@pytest.mark.parametrize(("there", "wanted"), [("", "ocf"), ("systemd", "systemd"), *BOTH_WAYS])
def test_role_refuses_another_agent_before_it_changes_anything(
    hosts: dict[str, chroot.Cluster], there: str, wanted: str
) -> None:
    hosts[ONE].create()
    if there:
        build(hosts[ONE], there)
    text = hosts[ONE].cib_file.read_text(encoding="utf-8")
    hosts[TWO].cib_file.write_text(text, encoding="utf-8")
    given = {name: value for name, value in pair.inventory().items() if name.startswith("kwdb_")}
    given.update(kwdb_resource_agent=wanted, kwdb_secure=False, kwdb_packages="none")
    variables = {**given, "__kwdb_packages": {"packages": []}, "__fine": FINE}
    played = module_host.play(hosts, [PLAY], variables=variables)
    assert [one.cib_file.read_text(encoding="utf-8") for one in hosts.values()] == [text] * 2
    assert (played.rc == 0) == (there in ("", wanted)), played.said
    if played.rc:
        said = " ".join(played.said.split())
        assert f"runs KaiwuDB with the agent {AGENTS[there]}" in said
        assert f"Set kwdb_resource_agent: {there} to keep it. To change it" in said
        assert "pcs resource delete KaiwuDB" in said
