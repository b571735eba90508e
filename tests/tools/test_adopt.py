# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's pair is taken over: what it has in common with the roles is not touched."""

from __future__ import annotations

import collections
import json
import os
import pathlib
from dataclasses import replace
from typing import Any

import chroot
import handbuilt
import module_host
import pair
import pytest
import yaml

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _adopt,
    _adopt_differences,
    _cib,
    _corosync,
)

PAGE = module_host.ROOT / "tests" / "unit" / "fixtures" / "page"
CONFIG: dict[str, Any] = json.loads((PAGE / "config.json").read_text(encoding="utf-8"))
SEEN = _adopt.Seen(
    config=CONFIG,
    cluster=_corosync.parse((PAGE / "corosync.conf").read_text(encoding="utf-8")),
    drbd=_adopt.parse_drbd((PAGE / "drbd3.xml").read_text(encoding="utf-8"), "drbd3"),
    resolved={name: f"192.0.2.1{number}" for number, name in enumerate(pair.NODES, 1)},
)
# What site.yml takes away or replaces on the page's pair; everything else stays as it is.
REPLACED = {
    'nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"',
    'nvpair id="cib-bootstrap-options-no-quorum-policy" name="no-quorum-policy" value="ignore"',
    'nvpair id="rsc_defaults-meta_attributes-migration-threshold" name="migration-threshold" value="2"',
    'op id="ClusterIP-monitor-interval-30s" interval="30s" name="monitor"',
    'op id="KaiwuDB-monitor-interval-60s" interval="60s" name="monitor" on-fail="restart"',
    'op id="KaiwuData-monitor-interval-10s" interval="10s" name="monitor"',
}


@pytest.fixture
def page(cluster: chroot.Cluster) -> chroot.Cluster:
    """The page's configuration."""
    handbuilt.build(cluster)
    return cluster


def lines(cluster: chroot.Cluster) -> collections.Counter[str]:
    """The configuration line by line, wherever a line stands."""
    return collections.Counter(one.strip() for one in _cib.lines(cluster.cib))


def test_page_is_taken_over(page: chroot.Cluster) -> None:
    """The roles with the adopted variables change only what the list of differences names."""
    # The fixture is really what the page builds: declaring it changes nothing.
    assert not page.apply(CONFIG).changed
    variables = {
        name: value
        for name, value in _adopt.group_variables(SEEN).items()
        if not str(value).startswith("{{") and not name.startswith(("pair_", "prereqs_"))
    }
    before = lines(page)
    for declared in pair.declarations(**variables):
        page.apply(declared, allow_disruption=True)
    assert set(before - lines(page)) == REPLACED
    # The address joined the group with everything that it had.
    address = page.cib.find(".//group[@id='KaiwuDBGrp']/primitive[@id='ClusterIP']")
    assert address is not None
    for declared in pair.declarations(**variables):
        assert not page.apply(declared).changed


def test_rules_say_what_the_roles_say() -> None:
    """The values in the list of differences are those that the roles declare."""
    ours = pair.whole_pair()
    wrong = {
        ".".join(rule.path): (rule.ours, _adopt_differences.value_of(ours, rule))
        for rule in _adopt_differences.RULES
        if _adopt_differences.value_of(ours, rule) != rule.ours
    }
    assert wrong == {}
    said = {_adopt_differences.constraint_text(one) for one in ours["constraints"]}
    assert set(_adopt_differences.CONSTRAINTS) <= said


def test_finished_pair_has_nothing_to_decide() -> None:
    """For what the roles made, nothing of the cluster is on the list."""
    found = _adopt_differences.differences(replace(SEEN, config=pair.whole_pair()))
    assert [one.where for one in found if not one.where.startswith(("corosync", "drbd"))] == []


# --- the playbook -------------------------------------------------------------------------------

DRBD = ("global_common.conf", "drbd3.res")
HOSTS = "127.0.0.1 localhost\n192.0.2.11 ha-node01\n192.0.2.12 ha-node02\n"


def host(root: pathlib.Path, text: str) -> chroot.Cluster:
    """A root that is the first host of the page's pair."""
    for path, content in (
        ("etc/corosync/corosync.conf", (PAGE / "corosync.conf").read_text(encoding="utf-8")),
        *((f"etc/drbd.d/{name}", (PAGE / name).read_text(encoding="utf-8")) for name in DRBD),
        ("etc/hosts", HOSTS),
    ):
        (root / path).write_text(content, encoding="utf-8")
    return module_host.cluster(root, "page", text)


def adopt(folder: pathlib.Path, one: chroot.Cluster) -> module_host.Played:
    """Run adopt.yml for a pair whose first host is there and whose second one is the same."""
    env = {"__DRBD_NODE__": pair.NODES[0], "DRBD_DRIVER_VERSION_OVERRIDE": "8.4.11"}
    (first,) = module_host.inventory({pair.NODES[0]: one}, env).values()
    first["ansible_become"] = False
    listed = {"all": {"children": {"kwdb_pair": {"hosts": dict.fromkeys(pair.NODES, first)}}}}
    (folder / "hosts.json").write_text(json.dumps(listed), encoding="utf-8")
    playbook = module_host.ROOT / "playbooks" / "adopt.yml"
    return module_host.run(["-i", "hosts.json", str(playbook)], folder)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts roots")
@pytest.mark.skipif(
    not (module_host.ROOT / "plugins" / "modules" / "pcs_config_info.py").exists(),
    reason="needs pcs_config_info",
)
def test_playbook_writes_an_inventory(tmp_path: pathlib.Path) -> None:
    """adopt.yml writes what was read, changes nothing on the host, and overwrites no file."""
    adopted = tmp_path / "adopted"
    group = adopted / "group_vars" / "kwdb_pair"
    group.mkdir(parents=True)
    mine = "vault_drbd_secret: mine\n"
    (group / "vault.yml").write_text(mine, encoding="utf-8")
    with module_host.overlay("bookworm") as root:
        one = host(root, "")
        handbuilt.build(one)
        before = one.cib_file.read_bytes()
        played = adopt(tmp_path, one).must()
        assert one.cib_file.read_bytes() == before
    assert (group / "vault.yml").read_text() == mine
    assert yaml.safe_load((group / "pair.yml").read_text()) == _adopt.group_variables(SEEN)
    for name, variables in _adopt.host_variables(SEEN).items():
        assert yaml.safe_load((adopted / "host_vars" / f"{name}.yml").read_text()) == variables
    told = json.loads((adopted / "differences.json").read_text())["differences"]
    assert {one["where"] for one in told} >= {"properties.stonith-enabled", "corosync.links"}
    assert "properties.stonith-enabled: false, ours: true" in played.said
