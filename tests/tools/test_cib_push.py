# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One patch on top of what was read: rivals, secrets, and what is refused before it is pushed."""

from __future__ import annotations

import pathlib
import stat
from typing import Any

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _command,
    _declaration,
    _transaction,
)

ONE, TWO = pair.NODES


# --- somebody else at the same time -------------------------------------------------------------


def test_concurrent_change_is_kept(running: chroot.Cluster) -> None:
    """When somebody else was faster, both changes are there in the end."""
    declared = pair.whole_pair()
    declared["properties"]["cluster-recheck-interval"] = "5min"

    def meddle(_patch: pathlib.Path) -> None:
        running.before_patch = None
        running.pcs("resource", "meta", "ClusterIP", "resource-stickiness=7")

    running.before_patch = meddle
    assert running.apply(declared).changed
    pushes = [one for one in running.ran if "--patch" in one]
    assert len(pushes) == 2
    meta = ".//primitive[@id='ClusterIP']/meta_attributes/nvpair[@name='resource-stickiness']"
    assert running.cib.find(meta) is not None
    assert running.cib.find(".//nvpair[@name='cluster-recheck-interval']") is not None


def test_same_change_by_somebody_else_is_no_change(running: chroot.Cluster) -> None:
    """When somebody else made exactly this change in between, there is nothing left to do."""
    declared = {"properties": {"cluster-recheck-interval": "5min"}}

    def meddle(_patch: pathlib.Path) -> None:
        running.before_patch = None
        running.pcs("property", "set", "cluster-recheck-interval=300s")

    running.before_patch = meddle
    assert not running.apply(declared).changed
    pair_of = running.cib.find(".//nvpair[@name='cluster-recheck-interval']")
    assert pair_of is not None
    assert pair_of.get("value") == "300s"


def test_two_of_our_own_lose_nothing(running: chroot.Cluster) -> None:
    """Each of two runs, one in the middle of the other's push, changes what the other does not."""
    rival = chroot.Cluster(running.root, running.place)
    address = pair.resource(pair.whole_pair(), "ClusterIP")
    theirs = {
        "resources": [{**address, "meta": {"resource-stickiness": 7}}],
        "operation_defaults": {"x-rival": "1"},
    }
    results: list[_transaction.Outcome] = []

    def meddle(_patch: pathlib.Path) -> None:
        running.before_patch = None
        results.append(rival.apply(theirs))

    running.before_patch = meddle
    ours = {"resources": [{**address, "meta": {"priority": 5}}], "properties": {"x-ours": "1"}}
    results.append(running.apply(ours))
    assert [one.changed for one in results] == [True, True]
    assert len([one for one in running.ran if "--patch" in one]) == 2
    owner = running.cib.find(".//primitive[@id='ClusterIP']")
    assert owner is not None
    meta = {one.get("name"): one.get("value") for one in owner.iterfind("meta_attributes/nvpair")}
    assert meta == {"resource-stickiness": "7", "priority": "5"}
    assert running.cib.find(".//op_defaults//nvpair[@name='x-rival']") is not None
    assert running.cib.find(".//crm_config//nvpair[@name='x-ours']") is not None
    for declared in (ours, theirs):
        assert not running.apply(declared).changed


def test_endless_rival_ends_with_an_error(
    running: chroot.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tries are bounded, and nothing of the other's is overwritten."""
    monkeypatch.setattr(_transaction.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(_transaction, "TRIES", 3)
    count = 0

    def meddle(_patch: pathlib.Path) -> None:
        nonlocal count
        count += 1
        running.pcs("resource", "meta", "ClusterIP", f"resource-stickiness={count}")

    running.before_patch = meddle
    with pytest.raises(_command.CommandFailed, match="somebody else"):
        running.apply({"properties": {"cluster-recheck-interval": "5min"}})
    assert running.cib.find(".//nvpair[@name='cluster-recheck-interval']") is None
    meta = ".//primitive[@id='ClusterIP']/meta_attributes/nvpair[@name='resource-stickiness']"
    pair_of = running.cib.find(meta)
    assert pair_of is not None
    assert pair_of.get("value") == "3"


# --- secrets ------------------------------------------------------------------------------------


def test_secrets_stay_secret(cluster: chroot.Cluster) -> None:
    """Not in any argument list, not in the result; on disk only where root alone may look."""
    modes: list[tuple[int, int]] = []

    def look(patch: pathlib.Path) -> None:
        for one in patch.parent.iterdir():
            folder = stat.S_IMODE(patch.parent.stat().st_mode)
            modes.append((folder, stat.S_IMODE(one.stat().st_mode)))
        assert pair.SECRET[:6] in patch.read_text(encoding="utf-8")

    cluster.before_patch = look
    outcome = cluster.apply(pair.whole_pair())
    assert outcome.changed
    word = pair.SECRET[:6]
    assert not [one for argv in cluster.ran for one in argv if word in one]
    assert word not in repr(outcome.result())
    assert {folder for folder, _file in modes} == {0o700}
    # The graph is written by crm_simulate; the folder keeps others out.
    assert [file for _folder, file in modes].count(0o600) >= 3
    assert [one.name for one in cluster.place.iterdir()] == ["cib.xml"]
    stored = cluster.cib.find(f".//primitive[@id='fence-{ONE}']//nvpair[@name='password']")
    assert stored is not None
    assert stored.get("value") == pair.SECRET


# --- what is refused ----------------------------------------------------------------------------

FENCE = {"id": "f", "agent": "stonith:fence_ipmilan"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown agent": (
        {"resources": [{"id": "a", "agent": "ocf:heartbeat:Nothing"}]},
        "ocf:heartbeat:Nothing is not installed",
    ),
    "unknown option": (
        {"resources": [{"id": "a", "agent": "ocf:heartbeat:IPaddr2", "options": {"ipp": "1"}}]},
        "has no option ipp; did you mean ip?",
    ),
    "missing option": (
        {"resources": [{"id": "a", "agent": "ocf:linbit:drbd", "options": {}}]},
        "needs the option drbd_resource",
    ),
    "unknown fence option": (
        {"resources": [{**FENCE, "options": {"ipadr": "1"}}]},
        "has no option ipadr; did you mean ipaddr",
    ),
    "plug of a fence device": (
        {"resources": [{**FENCE, "options": {"plug": "1"}}]},
        "plug is filled in by Pacemaker",
    ),
    "no such resource": (
        {
            "constraints": [
                {"id": "c", "type": "location", "resource": "no", "node": ONE, "score": 1}
            ]
        },
        "there is no resource no",
    ),
    "no such node": (
        {
            "constraints": [
                {"id": "c", "type": "location", "resource": "KaiwuDBGrp", "node": "no", "score": 1}
            ]
        },
        "there is no node no",
    ),
    "part of a clone": (
        {"constraints": [{"id": "c", "type": "order", "first": "KaiwuData", "then": "KaiwuDBGrp"}]},
        "name its clone KaiwuData-clone",
    ),
    "other agent": (
        {"resources": [{"id": "ClusterIP", "agent": "systemd:kaiwudb"}]},
        "cannot be changed in place",
    ),
    "other clone": (
        {
            "resources": [
                {
                    "id": "KaiwuData",
                    "agent": "ocf:linbit:drbd",
                    "options": {"drbd_resource": "kwdb"},
                    "clone": {"id": "Other", "meta": {}},
                }
            ]
        },
        "is in the clone KaiwuData-clone",
    ),
    "id of something else": (
        {"constraints": [{**pair.whole_pair()["constraints"][2], "id": "ClusterIP"}]},
        "ClusterIP is the id of a <primitive>",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_declaration_changes_nothing(running: chroot.Cluster, name: str) -> None:
    """It is refused with the reason, before anything is pushed."""
    declared, message = WRONG[name]
    before = running.cib_file.read_bytes()
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        running.apply(declared, allow_disruption=True)
    assert message in str(refused.value)
    assert running.cib_file.read_bytes() == before
    assert not [one for one in running.ran if "--patch" in one]


ODD = {
    "quote": "a\"b'c",
    "signs": "$HOME %n `id` <x> & | ; \\",
    "space": "  two  ",
    "empty": "",
    "letters": "ü—日本",
    "line": "one\ntwo",
    "tab": "one\ttwo",
}
# What the tools of a release spoil on their way to the cluster, and so is refused.
SPOILED = {
    "bullseye": {"letters", "line", "tab"},
    "bookworm": {"line", "tab"},
    "trixie": set(),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_value_survives_or_is_refused(cluster: chroot.Cluster, name: str) -> None:
    """A value comes back as it was declared, or is refused before it can be spoiled."""
    address = pair.resource(pair.whole_pair(), "ClusterIP")
    del address["group"]
    declared = {"resources": [{**address, "meta": {"x-odd": ODD[name]}}]}
    before = cluster.cib_file.read_bytes()
    if name in SPOILED[cluster.root.name.split("-")[0]]:
        with pytest.raises(
            _declaration.DeclarationInvalid, match="cannot store the value of x-odd"
        ):
            cluster.apply(declared)
        assert cluster.cib_file.read_bytes() == before
        return
    assert cluster.apply(declared).changed
    assert not cluster.apply(declared).changed
    stored = cluster.cib.find(".//nvpair[@name='x-odd']")
    assert stored is not None
    assert stored.get("value") == ODD[name]
