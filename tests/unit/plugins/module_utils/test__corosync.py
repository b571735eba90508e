# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _corosync
from ansible_collections.kwdb.ha.plugins.modules import pcs_cluster

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
WANTED = _corosync.Cluster(
    name="kwdb",
    nodes=(
        _corosync.Node("ha-node01", ("192.0.2.11", "198.51.100.11")),
        _corosync.Node("ha-node02", ("192.0.2.12", "198.51.100.12")),
    ),
    crypto={"cipher": "aes256", "hash": "sha256"},
    totem={"token": "3000"},
)
OFF: dict[str, bool] = {}
ON = {"active": True, "enabled": True}


def load(version: str, name: str) -> _corosync.Cluster:
    path = FIXTURES / f"pacemaker-{version}" / "cluster" / f"{name}.corosync.conf"
    return _corosync.parse(path.read_text())


@pytest.mark.parametrize("version", VERSIONS)
def test_distributions_cluster_is_known(version: str) -> None:
    default = load(version, "default")
    assert _corosync.is_distributions(default)
    assert pcs_cluster.found_cluster(default, WANTED, 0) == "default"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Debian"},
        {"nodes": (_corosync.Node("node1", ("192.0.2.1",)),)},
        {"nodes": (_corosync.Node("node1", ("127.0.0.1",)), _corosync.Node("b", ("192.0.2.1",)))},
        {"crypto": {"cipher": "aes256", "hash": "sha256"}},
        {"totem": {"version": "2", "cluster_name": "debian", "token": "5000"}},
    ],
)
def test_nearly_the_distributions_cluster_is_somebodys(change: dict[str, object]) -> None:
    somebodys = dataclasses.replace(load("2.1.5", "default"), **change)
    with pytest.raises(pcs_cluster.CannotJoin, match="already belongs to the cluster"):
        pcs_cluster.found_cluster(somebodys, WANTED, 0)


def test_distributions_cluster_in_use_is_kept() -> None:
    with pytest.raises(pcs_cluster.CannotJoin, match="holds 2 resources"):
        pcs_cluster.found_cluster(load("2.1.5", "default"), WANTED, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_cluster_made_by_pcs_is_ours(version: str) -> None:
    made = load(version, "pcs")
    assert (made.name, made.nodes) == (WANTED.name, WANTED.nodes)
    assert pcs_cluster.found_cluster(made, WANTED, 9) == "ours"
    assert _corosync.differences(made, WANTED) == []
    slower = dataclasses.replace(WANTED, totem={"token": "5000"}, crypto={"cipher": "none"})
    assert _corosync.differences(made, slower) == ["crypto cipher is aes256, not none"]
    assert _corosync.totem_changes(made, slower) == {"token": "5000"}
    assert _corosync.totem_changes(made, WANTED) == {}


# Of corosync 3.1.7, with nothing but the token in its file.
RUNNING = """runtime.config.totem.block_unlisted_ips (u32) = 1
runtime.config.totem.consensus (u32) = 3600
runtime.config.totem.token (u32) = 3000
runtime.config.totem.token_warning (u32) = 75
"""


@pytest.mark.parametrize(
    ("totem", "changes"),
    [
        ({"token": "3000", "consensus": "3600"}, {}),
        ({"token": "3000", "consensus": "1200"}, {"consensus": "1200"}),
        ({"token": "5000", "consensus": "3600"}, {"token": "5000"}),
    ],
)
def test_an_option_left_to_corosync_has_the_value_it_works_with(
    totem: dict[str, str], changes: dict[str, str]
) -> None:
    made = load("2.1.5", "pcs")
    running = _corosync.running_totem(RUNNING)
    assert (
        _corosync.totem_changes(made, dataclasses.replace(WANTED, totem=totem), running) == changes
    )


def test_other_cluster_is_refused_with_its_name() -> None:
    other = dataclasses.replace(WANTED, name="shop")
    with pytest.raises(pcs_cluster.CannotJoin, match=r"'shop' with ha-node01.*pcs cluster destroy"):
        pcs_cluster.found_cluster(other, WANTED, 0)
    fewer = dataclasses.replace(WANTED, nodes=WANTED.nodes[:1])
    with pytest.raises(pcs_cluster.CannotJoin):
        pcs_cluster.found_cluster(fewer, WANTED, 0)


def test_other_addresses_are_refused() -> None:
    nodes = (_corosync.Node("ha-node01", ("192.0.2.99",)), WANTED.nodes[1])
    moved = dataclasses.replace(WANTED, nodes=nodes)
    with pytest.raises(pcs_cluster.CannotJoin, match=r"ha-node01 has 192\.0\.2\.99, not 192"):
        pcs_cluster.found_cluster(moved, WANTED, 0)


@pytest.mark.parametrize("text", ["totem {\n", "}\n", "totem {\n word\n}\n"])
def test_broken_file_is_refused(text: str) -> None:
    with pytest.raises(_corosync.CorosyncInvalid, match=r"corosync\.conf"):
        _corosync.parse(text)


def plan(
    found: str, state: str = "present", distribute: bool = False, **options: object
) -> list[str]:
    running = options.get("running", ON if found == "ours" else OFF)
    version = options.get("version", (0, 11))
    totem = options.get("totem", {})
    commands = pcs_cluster.plan(found, WANTED, state, distribute, running, version, totem)
    return [" ".join(one) for one in commands]


def test_plan_of_a_new_cluster() -> None:
    assert plan("none", "prepared") == []
    assert plan("none") == [
        "pcs host auth -u hacluster ha-node01 addr=192.0.2.11 ha-node02 addr=192.0.2.12",
        "pcs cluster setup --start --enable kwdb ha-node01 addr=192.0.2.11 addr=198.51.100.11"
        " ha-node02 addr=192.0.2.12 addr=198.51.100.12"
        " transport knet crypto cipher=aes256 hash=sha256 totem token=3000",
    ]


@pytest.mark.parametrize(
    ("version", "flag"), [((0, 10), ""), ((0, 11), " --force"), ((0, 12), " --yes")]
)
def test_plan_removes_only_the_distributions_cluster(version: tuple[int, int], flag: str) -> None:
    assert plan("default", "prepared", version=version) == [f"pcs cluster destroy{flag}"]
    assert plan("ours", "prepared") == []
    # Setting up is never forced: pcs itself refuses hosts that are in another cluster.
    assert not any("setup" in one and "--force" in one for one in plan("none"))


def test_plan_of_a_cluster_that_is_there() -> None:
    assert plan("ours") == []
    assert plan("ours", running={"active": False, "enabled": True}) == ["pcs cluster start"]
    assert plan("ours", running={"active": True, "enabled": False}) == ["pcs cluster enable"]
    assert plan("ours", totem={"token": "5000", "consensus": "900"}) == [
        "pcs cluster config update totem consensus=900 token=5000"
    ]
    assert plan("ours", distribute=True) == ["pcs cluster sync corosync"]


def test_pcs_version() -> None:
    assert _corosync.pcs_version("0.11.5\n") == (0, 11)
    for unknown in ("0.9.169", "1.0", "", "pcs"):
        with pytest.raises(_corosync.CorosyncInvalid, match="is not supported"):
            _corosync.pcs_version(unknown)
