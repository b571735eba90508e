# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration is saved before each change, for root alone; going back changes what it says."""

from __future__ import annotations

import os
import pathlib
import stat
import xml.etree.ElementTree as ElementTree
from typing import Any

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _command,
    _declaration,
    _restore,
    _transaction,
)

ONE, TWO = pair.NODES
RECHECK = {"properties": {"cluster-recheck-interval": "5min"}}


def folder(cluster: chroot.Cluster) -> pathlib.Path:
    """Where this cluster's configurations are saved."""
    return cluster.place / "saved" / "cib"


def saved(cluster: chroot.Cluster) -> list[str]:
    """Names of the saved configurations."""
    return sorted(os.listdir(folder(cluster))) if folder(cluster).exists() else []


def apply(cluster: chroot.Cluster, declared: Any, **options: Any) -> _transaction.Outcome:
    """What pcs_config does, with snapshots."""
    options.setdefault("snapshots", 20)
    return cluster.apply(declared, folder=str(folder(cluster)), **options)


def restore(cluster: chroot.Cluster, wanted: str = "", **given: Any) -> _transaction.Outcome:
    """What pcs_config does with state: restored."""
    options = _transaction.Options(
        wait=0,
        tmpdir=str(cluster.place),
        snapshots=20,
        folder=str(folder(cluster)),
        restoring=True,
        **given,
    )
    return _restore.restore(cluster, wanted, options)


def configuration(cluster: chroot.Cluster) -> list[str]:
    """The live configuration as text, without the values that hold versions."""
    return _cib.lines(cluster.cib, hidden=lambda _name: False)


# --- saving -------------------------------------------------------------------------------------


def test_change_saves_what_was_there(running: chroot.Cluster) -> None:
    """The file is what the cluster had, and only root may read it."""
    old_mask = os.umask(0)
    try:
        before = running.quietly(["cibadmin", "--query"]).stdout
        outcome = apply(running, RECHECK)
    finally:
        os.umask(old_mask)
    path = pathlib.Path(outcome.snapshot)
    assert path.read_text(encoding="utf-8") == before
    assert pair.SECRET[:6] in before
    assert outcome.result()["snapshot"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.name.endswith(f"Z-{outcome.cib_version}.xml")
    assert saved(running) == [path.name]


def test_open_folder_is_closed(running: chroot.Cluster) -> None:
    """A folder that others could look into is closed before a secret is put there."""
    folder(running).mkdir(parents=True)
    folder(running).chmod(0o755)
    apply(running, RECHECK)
    assert stat.S_IMODE(folder(running).stat().st_mode) == 0o700


def test_nothing_is_saved_without_a_change(running: chroot.Cluster) -> None:
    """Not in check mode, not when nothing differs, not when it is refused, not when not wanted."""
    assert apply(running, RECHECK, check=True).changed
    assert not apply(running, pair.whole_pair()).changed
    with pytest.raises(_transaction.Refused):
        apply(running, {"resources": [{"id": "ClusterIP", "state": "absent"}]})
    outcome = apply(running, RECHECK, snapshots=0)
    assert (outcome.changed, outcome.snapshot) == (True, "")
    assert "snapshot" not in outcome.result()
    assert saved(running) == []


def test_lost_race_leaves_no_snapshot(running: chroot.Cluster) -> None:
    """Only what was really the state before the change stays."""

    def meddle(_patch: pathlib.Path) -> None:
        running.before_patch = None
        running.pcs("resource", "meta", "ClusterIP", "resource-stickiness=7")

    running.before_patch = meddle
    outcome = apply(running, RECHECK)
    assert saved(running) == [pathlib.Path(outcome.snapshot).name]
    assert 'value="7"' in pathlib.Path(outcome.snapshot).read_text()


def test_failed_push_leaves_no_snapshot(running: chroot.Cluster) -> None:
    """A push that the cluster refuses changed nothing."""

    def spoil(patch: pathlib.Path) -> None:
        patch.write_text("<")

    running.before_patch = spoil
    with pytest.raises(_command.CommandFailed):
        apply(running, RECHECK)
    assert saved(running) == []


def test_oldest_go(running: chroot.Cluster) -> None:
    """The newest stay, by their numbers and not by their spelling; other files are not touched."""
    folder(running).mkdir(parents=True)
    (folder(running) / "mine.xml").write_text("mine")
    for number in (8, 9, 10, 11):
        (folder(running) / f"20200101T000000Z-0.{number}.0.xml").write_text("old")
    outcome = apply(running, RECHECK, snapshots=3)
    new = pathlib.Path(outcome.snapshot).name
    assert saved(running) == [
        "20200101T000000Z-0.10.0.xml",
        "20200101T000000Z-0.11.0.xml",
        new,
        "mine.xml",
    ]


def test_full_disk_changes_nothing(running: chroot.Cluster) -> None:
    """What cannot be saved is not changed."""
    folder(running).parent.mkdir()
    folder(running).write_text("in the way")
    before = running.cib_file.read_bytes()
    with pytest.raises(_transaction.Refused, match=r"could not be saved .* snapshots: 0"):
        apply(running, RECHECK)
    assert running.cib_file.read_bytes() == before


# --- going back ---------------------------------------------------------------------------------


def switch(cluster: chroot.Cluster, name: str, value: str = "", node: str = "") -> None:
    """What an operator's command does to the cluster or to a node; without a value, undone."""
    where = ["--type=nodes", f"--node={node}"] if node else ["--type=crm_config"]
    how = f"--update={value}" if value else "--delete"
    cluster.quietly(["crm_attribute", *where, f"--name={name}", how])


def hold(cluster: chroot.Cluster, resource: str, name: str, value: str = "") -> None:
    """What an operator's command does to a resource; without a value, undone."""
    how = ["--set-parameter", name, "--parameter-value", value]
    how = how if value else ["--delete-parameter", name]
    cluster.quietly(["crm_resource", "--meta", "--resource", resource, *how])


def change_much(cluster: chroot.Cluster) -> None:
    """One change in each part of the configuration, in one transaction."""
    declared = pair.whole_pair()
    pair.resource(declared, "KaiwuFS")["options"]["options"] = "noatime,nodiratime"
    pair.resource(declared, "ClusterIP")["meta"] = {"resource-stickiness": 3}
    declared["resources"].append(
        {"id": "Extra", "agent": "ocf:pacemaker:Dummy", "group": {"id": "KaiwuDBGrp"}}
    )
    declared["constraints"].append(
        {"id": "new", "type": "location", "resource": "KaiwuDBGrp", "node": ONE, "score": 5}
    )
    declared["constraints"].append({"id": declared["constraints"][0]["id"], "state": "absent"})
    del declared["constraints"][0]
    declared["properties"]["cluster-recheck-interval"] = "5min"
    declared["operation_defaults"] = {"record-pending": True}
    assert apply(cluster, declared, allow_disruption=True).changed
    cluster.settle()


def test_restore_brings_all_back(running: chroot.Cluster) -> None:
    """As it was, in the same order; once more changes nothing; and forth again by name."""
    before = configuration(running)
    change_much(running)
    after = configuration(running)
    with pytest.raises(_transaction.Refused, match="would interrupt"):
        restore(running)
    assert configuration(running) == after
    preview = restore(running, check=True, allow_disruption=True)
    outcome = restore(running, allow_disruption=True)
    assert configuration(running) == before
    assert (preview.changed, preview.transition) == (True, outcome.transition)
    assert (preview.before, preview.after) == (outcome.before, outcome.after)
    assert pair.SECRET[:6] not in repr(outcome.result())
    running.ran.clear()
    again = restore(running)
    assert (again.changed, again.snapshot) == (False, "")
    assert running.ran == [("cibadmin", "--query")]
    # What was saved on the way back leads forth again.
    forth = pathlib.Path(outcome.snapshot).name
    assert forth.endswith("-restore.xml")
    assert restore(running, forth, allow_disruption=True).changed
    assert configuration(running) == after


def test_operators_keep_their_word(running: chroot.Cluster) -> None:
    """What they switched after the snapshot stays, what they switched before does not come back."""
    switch(running, "maintenance-mode", "true")
    switch(running, "standby", "on", node=TWO)
    hold(running, "KaiwuFS", "is-managed", "false")
    apply(running, RECHECK)
    switch(running, "maintenance-mode", "false")
    switch(running, "standby", node=TWO)
    switch(running, "standby", "on", node=ONE)
    hold(running, "KaiwuFS", "is-managed")
    hold(running, "ClusterIP", "target-role", "Stopped")
    running.quietly(["crm_resource", "--ban", "--resource", "KaiwuDBGrp", "--node", TWO])
    running.write(
        "constraints",
        '<rsc_location id="drbd-fence-by-handler-kwdb-KaiwuData-clone" rsc="KaiwuData-clone">'
        f'<rule id="fence-rule" role="{running.promoted}" score="-INFINITY"><expression'
        f' id="fence-e" attribute="#uname" operation="ne" value="{ONE}"/></rule></rsc_location>',
    )
    state = _cib.operator_state(running.cib)
    assert {one["kind"] for one in state} >= {"standby", "target-role", "drbd-fence"}
    outcome = restore(running)
    assert outcome.changed
    assert _cib.operator_state(running.cib) == state
    properties = _cib.section_values(running.cib, "crm_config", "cluster_property_set")
    assert "cluster-recheck-interval" not in properties
    assert properties["maintenance-mode"] == "false"
    assert not restore(running).changed


def test_status_and_versions_are_not_restored(running: chroot.Cluster) -> None:
    """The history of today stays, and the version goes on."""
    apply(running, RECHECK)
    running.promotion_score(ONE, 4711)
    status = ElementTree.tostring(running.cib.findall("status")[0])
    epoch = int(running.cib.get("epoch", "0"))
    assert restore(running).changed
    assert ElementTree.tostring(running.cib.findall("status")[0]) == status
    assert int(running.cib.get("epoch", "0")) > epoch


def test_restore_keeps_the_change_of_somebody_else(running: chroot.Cluster) -> None:
    """Somebody else's change during the restore is seen, and the preview is made on top of it."""
    apply(running, RECHECK)

    def meddle(_patch: pathlib.Path) -> None:
        running.before_patch = None
        hold(running, "ClusterIP", "target-role", "Stopped")

    running.before_patch = meddle
    assert restore(running).changed
    assert ("target-role", "ClusterIP") in {
        (one["kind"], one["on"]) for one in _cib.operator_state(running.cib)
    }


# --- what is refused ----------------------------------------------------------------------------

FOREIGN = {
    "another node": (f'uname="{TWO}"', 'uname="elsewhere"', "a cluster with the node elsewhere"),
    "another id": (f'<node id="2" uname="{TWO}"', f'<node id="7" uname="{TWO}"', f"{TWO} \\(7\\)"),
    "later schema": ('validate-with="pacemaker-', 'validate-with="pacemaker-9', "the schema"),
    "no configuration": ("<configuration>", "<nothing>", "cannot be read"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_snapshot_is_refused(running: chroot.Cluster, name: str) -> None:
    """A configuration that is not this cluster's changes nothing."""
    path = pathlib.Path(apply(running, RECHECK).snapshot)
    old, new, message = FOREIGN[name]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    before = running.cib_file.read_bytes()
    with pytest.raises(_declaration.DeclarationInvalid, match=message):
        restore(running)
    assert running.cib_file.read_bytes() == before


def test_snapshot_of_another_cluster_name_is_refused(running: chroot.Cluster) -> None:
    """The same two host names may be another cluster."""
    # pcs does not write it, Pacemaker does.
    running.quietly(["crm_attribute", "--type=crm_config", "--name=cluster-name", "--update=ours"])
    path = pathlib.Path(apply(running, RECHECK).snapshot)
    path.write_text(path.read_text().replace('value="ours"', 'value="theirs"'))
    with pytest.raises(_declaration.DeclarationInvalid, match="the cluster theirs"):
        restore(running)


def test_missing_snapshot_is_refused(running: chroot.Cluster) -> None:
    """The message says what is there."""
    with pytest.raises(_declaration.DeclarationInvalid, match="nothing is saved in"):
        restore(running)
    name = pathlib.Path(apply(running, RECHECK).snapshot).name
    with pytest.raises(_declaration.DeclarationInvalid, match=f"saved are: {name}"):
        restore(running, "none.xml")


def test_fenced_resource_is_not_removed_by_going_back(cluster: chroot.Cluster) -> None:
    """DRBD's fence protects the data of a resource that the snapshot does not know."""
    apply(cluster, pair.whole_pair())
    cluster.write(
        "constraints",
        '<rsc_location id="drbd-fence-by-handler-kwdb-KaiwuData-clone" rsc="KaiwuData-clone">'
        f'<rule id="fence-rule" role="{cluster.promoted}" score="-INFINITY"><expression'
        f' id="fence-e" attribute="#uname" operation="ne" value="{ONE}"/></rule></rsc_location>',
    )
    with pytest.raises(_declaration.DeclarationInvalid, match="DRBD's fence"):
        restore(cluster, allow_disruption=True)
