# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import subprocess
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


DEVICE = _corosync.Device("192.0.2.13", "ffsplit")
TAKE_OVER = [
    " ".join(_corosync.expect_votes(3, "/etc/corosync/corosync.conf")),
    "pcs cluster sync corosync",
    "corosync-cfgtool -R",
]
ADDED = [
    "pcs host auth -u hacluster 192.0.2.13",
    "pcs quorum device add sync_timeout=10000 timeout=3000 model net host=192.0.2.13 algorithm=ffsplit",
    *TAKE_OVER,
]


def plan(
    found: str,
    state: str = "present",
    distribute: bool = False,
    device: _corosync.Device | None = None,
    there: str = "pcs",
    **options: object,
) -> list[str]:
    running = options.get("running", ON if found == "ours" else OFF)
    version = options.get("version", (0, 11))
    given = pcs_cluster.Options(state, distribute, running, version, options.get("totem", {}))
    wanted = dataclasses.replace(WANTED, device=device)
    current = load("2.1.5", there) if found == "ours" else None
    return [" ".join(one) for one in pcs_cluster.plan(found, current, wanted, given)]


@pytest.mark.parametrize("version", VERSIONS)
def test_pcs_ends_two_node_when_it_adds_a_third_vote(version: str) -> None:
    without, made = load(version, "pcs"), load(version, "device")
    assert without.device is None and without.quorum["two_node"] == "1"
    assert made.device == DEVICE and "two_node" not in made.quorum
    # Only two_node brought wait_for_all along.
    assert _corosync.effective_quorum(without)["wait_for_all"] == "1"
    assert "wait_for_all" not in _corosync.effective_quorum(made)


def test_plan_adds_a_third_vote_once() -> None:
    assert plan("none", device=DEVICE)[-5:] == ADDED
    assert plan("ours", device=DEVICE) == ADDED
    # As pcs leaves it after a run that was ended there.
    assert plan("ours", device=DEVICE, there="device") == TAKE_OVER
    # What is there stays, whatever is declared.
    assert plan("ours", there="device") == []
    assert plan("ours", device=_corosync.Device("192.0.2.99", "lms"), there="device") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_third_vote_is_among_those_that_are_expected(version: str, tmp_path: Path) -> None:
    folder = FIXTURES / f"pacemaker-{version}" / "cluster"
    text = (folder / "device.corosync.conf").read_text()
    made = _corosync.parse(text)
    assert made.device_votes == "1" and _corosync.counts_too_few(made)
    conf = tmp_path / "corosync.conf"
    conf.write_text(text)
    for _time in range(2):
        subprocess.run(_corosync.expect_votes(3, str(conf)), check=True)
        mended = conf.read_text()
        assert mended == text.replace("quorum {\n", "quorum {\n    expected_votes: 3\n") != text
    after = _corosync.parse(mended)
    assert after == dataclasses.replace(made, quorum={**made.quorum, "expected_votes": "3"})
    assert not _corosync.counts_too_few(after)
    # Both are needed.
    assert _corosync.boots_alone(after)
    waits = {"wait_for_all": "1"}
    assert _corosync.boots_alone(dataclasses.replace(made, quorum={**made.quorum, **waits}))
    assert not _corosync.boots_alone(dataclasses.replace(after, quorum={**after.quorum, **waits}))
    assert not _corosync.boots_alone(load(version, "pcs"))
    # pcs leaves the line when it takes the device away.
    assert not _corosync.expects_too_many(after)
    assert not _corosync.expects_too_many(load(version, "pcs"))
    alone = dataclasses.replace(after, device=None, device_votes="")
    assert _corosync.expects_too_many(alone) == "corosync.conf expects 3 votes, and there are 2"


def test_a_third_vote_without_wait_for_all_is_refused() -> None:
    wanted = dataclasses.replace(WANTED, device=DEVICE)
    waits = {"wait_for_all": "1"}
    there = load("2.1.5", "pcs")
    with pytest.raises(pcs_cluster.CannotJoin, match="pcs quorum update wait_for_all=1"):
        pcs_cluster.check_device(there, wanted)
    with pytest.raises(pcs_cluster.CannotJoin, match="declare it in quorum"):
        pcs_cluster.check_device(None, wanted)
    pcs_cluster.check_device(None, dataclasses.replace(wanted, quorum=waits))
    pcs_cluster.check_device(dataclasses.replace(there, quorum={**there.quorum, **waits}), wanted)
    pcs_cluster.check_device(there, WANTED)


def test_another_third_vote_is_a_difference() -> None:
    made = load("2.1.5", "device")
    same = dataclasses.replace(WANTED, device=DEVICE)
    other = dataclasses.replace(WANTED, device=_corosync.Device("192.0.2.13", "lms"))
    assert _corosync.differences(made, same) == []
    assert _corosync.differences(made, other) == [
        "quorum device is 192.0.2.13 (ffsplit), not 192.0.2.13 (lms)"
    ]
    assert _corosync.differences(made, WANTED) == [
        "quorum device is 192.0.2.13 (ffsplit), not none"
    ]


def test_two_node_counts_as_wait_for_all() -> None:
    wanted = dataclasses.replace(WANTED, quorum={"wait_for_all": "1"})
    assert _corosync.differences(load("2.1.5", "pcs"), wanted) == []
    assert _corosync.differences(load("2.1.5", "device"), wanted)[0] == (
        "quorum wait_for_all is not set, not 1"
    )


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


def test_votes_of_a_pair_with_a_third_one() -> None:
    folder = FIXTURES / "pacemaker-2.1.5" / "cluster"
    there, away = (folder / f"device.{name}.txt" for name in ("votes", "away"))
    assert _corosync.votes(there.read_text()) == (3, 3)
    assert _corosync.device_votes(there.read_text())
    assert _corosync.votes(away.read_text()) == (2, 3)
    assert not _corosync.device_votes(away.read_text())
    assert _corosync.votes("") == (0, 0) and not _corosync.device_votes("")
