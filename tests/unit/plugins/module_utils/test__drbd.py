# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _drbd,
    _drbd_cluster,
    _drbd_config,
    _drbd_fence,
    _drbd_files,
    _drbd_info,
    _drbd_metadata,
    _drbd_plan,
)
from ansible_collections.kwdb.ha.plugins.module_utils._disk import Facts, Metadata, Triage

# Captured from drbdadm -d adjust; module 9's with FAKE_DRBDSETUP_SHOW for a resource that runs.
FIXTURES = Path(__file__).parents[2] / "fixtures" / "drbd-utils-9.22.0"

EVENTS_84 = """\
exists resource name:kwdb role:Primary suspended:no write-ordering:flush
exists connection name:kwdb peer-node-id:0 conn-name:peer connection:Connected role:Secondary congested:no
exists device name:kwdb volume:0 minor:3 disk:UpToDate size:1048508 read:2088 written:0 al-writes:0 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no
exists peer-device name:kwdb peer-node-id:0 conn-name:peer volume:0 replication:SyncSource peer-disk:Inconsistent resync-suspended:no received:0 sent:524254 out-of-sync:524254 pending:0 unacked:0
exists resource name:other role:Secondary suspended:fencing write-ordering:drain
exists device name:other volume:0 minor:4 disk:Failed size:8
exists -
"""
EVENTS_9 = """\
exists resource name:kwdb role:Secondary suspended:no write-ordering:flush
exists connection name:kwdb peer-node-id:1 conn-name:ha-node02 local:ipv4:10.0.0.1:7789 peer:ipv4:10.0.0.2:7789 connection:Connected role:Primary congested:no ap-in-flight:0 rs-in-flight:0
exists device name:kwdb volume:0 minor:3 backing_dev:/dev/vdb disk:UpToDate client:no quorum:yes size:765868 read:0 written:765868 al-writes:0 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no
exists peer-device name:kwdb peer-node-id:1 conn-name:ha-node02 volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no received:765868 sent:0 out-of-sync:0 pending:0 unacked:0
exists -
"""

SYNCING = _drbd.State(
    role="Primary",
    write_ordering="flush",
    minor=3,
    disk="UpToDate",
    size_kib=1048508,
    connection="Connected",
    peer_role="Secondary",
    replication="SyncSource",
    peer_disk="Inconsistent",
    out_of_sync_kib=524254,
)
FRESH_VOLUME = _drbd.VolumeState(
    minor=3, disk="Inconsistent", replication="Established", peer_disk="Inconsistent"
)
FRESH = _drbd.State(
    volumes=(FRESH_VOLUME,),
    role="Secondary",
    minor=3,
    disk="Inconsistent",
    size_kib=1048508,
    connection="Connected",
    peer_role="Secondary",
    replication="Established",
    peer_disk="Inconsistent",
    out_of_sync_kib=1048508,
)


def test_parse_events_of_module_84() -> None:
    state = _drbd.parse_events(EVENTS_84, "kwdb")
    assert state is not None
    assert replace(state, volumes=()) == SYNCING
    (volume,) = state.volumes
    assert (volume.number, volume.minor, volume.size_kib) == (0, 3, 1048508)
    assert (volume.counters["sent"], volume.counters["read"]) == (524254, 2088)
    assert SYNCING.done_percent == 50.0
    other = _drbd.parse_events(EVENTS_84, "other")
    assert other is not None
    assert (other.suspended, other.attached, other.connection) == ("fencing", False, "StandAlone")
    assert _drbd.parse_events(EVENTS_84, "kwd") is None
    assert _drbd.parse_events("exists -\n", "kwdb") is None


def test_parse_events_of_module_9() -> None:
    state = _drbd.parse_events(EVENTS_9, "kwdb")
    assert state is not None
    assert (state.role, state.peer_role, state.disk) == ("Secondary", "Primary", "UpToDate")
    assert (state.quorum, state.done_percent, state.size_kib) == (True, 100.0, 765868)


def test_both_versions_are_reported_in_one_form() -> None:
    reports = [
        _drbd_info.state_report(_drbd.parse_events(text, "kwdb")) for text in (EVENTS_84, EVENTS_9)
    ]
    reports.append(_drbd_info.state_report(None))
    assert len({tuple(report) for report in reports}) == 1
    assert [report["running"] for report in reports] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 5D6A\n", "8.4.11"),
        ("version: 9.1.7 (api:2/proto:86-121)\nGIT-hash: bfd2\n", "9.1.7"),
        ("8.4.11\n", "8.4.11"),
        ("", ""),
    ],
)
def test_parse_module_version(text: str, version: str) -> None:
    assert _drbd.parse_module_version(text) == version


@pytest.mark.parametrize(("version", "major"), [("8.4.11", 8), ("9.1.7", 9), ("9.2.0-rc.4", 9)])
def test_major_of(version: str, major: int) -> None:
    assert _drbd.major_of(version) == major


@pytest.mark.parametrize("version", ["", "8.3.16", "10.0.0"])
def test_major_of_refuses(version: str) -> None:
    with pytest.raises(_drbd.Refused):
        _drbd.major_of(version)


def test_parse_generation() -> None:
    line = "0000000000000004:0000000000000000:0000000000000000:0000000000000000:0:0:0:0:0:0:0\n"
    assert _drbd.parse_generation(line) == 4
    assert _drbd.parse_generation("") is None
    assert _drbd.format_generation(0x1A) == "000000000000001A"
    assert _drbd_info.generation_report((5,))["just_created"] is True
    assert _drbd_info.generation_report((5, 6))["just_created"] is False
    assert _drbd_info.generation_report(()) == {
        "current_uuid": "",
        "generations": [],
        "just_created": False,
    }


def test_several_volumes_are_as_bad_as_the_worst() -> None:
    second = (
        "exists device name:kwdb volume:1 minor:4 disk:Diskless size:100\n"
        "exists peer-device name:kwdb volume:1 replication:Established peer-disk:UpToDate out-of-sync:7\n"
    )
    state = _drbd.parse_events(EVENTS_9.replace("exists -\n", second), "kwdb")
    assert state is not None
    assert (state.disk, state.attached, state.peer_disk) == ("Diskless", False, "UpToDate")
    assert (state.size_kib, state.out_of_sync_kib) == (765968, 7)
    assert [state.volume(number).attached for number in (0, 1, 2)] == [True, False, False]
    text = second.replace("Established", "SyncTarget")
    state = _drbd.parse_events(EVENTS_9.replace("exists -\n", text), "kwdb")
    assert state is not None
    assert state.replication == "SyncTarget"


def adjust(case: str) -> tuple[str, ...]:
    """The captured lines of one case."""
    return _drbd_plan.parse_adjust((FIXTURES / f"adjust-{case}.txt").read_text())


PRIMARY = replace(SYNCING, replication="Established", peer_disk="UpToDate")
ADJUST = ("drbdadm", "adjust", "kwdb")


@pytest.mark.parametrize(
    ("case", "managed", "commands"),
    [
        ("9-equal", True, ()),
        ("9-equal", False, ()),
        ("9-options", True, (ADJUST,)),
        ("9-options", False, (ADJUST,)),
        # Pieces that are missing: Pacemaker's or the operator's decision when Pacemaker owns it.
        ("9-disconnected", True, ()),
        ("9-disconnected", False, (ADJUST,)),
        ("9-detached", True, ()),
        ("9-detached", False, (ADJUST,)),
        ("9-down", True, ()),
        ("8.4-down", True, ()),
        ("8.4-down", False, (ADJUST,)),
    ],
)
def test_plan_start(case: str, managed: bool, commands: tuple[tuple[str, ...], ...]) -> None:
    state = replace(PRIMARY, role="Secondary")
    seen = _drbd_plan.Seen("", state=state, managed=managed, adjust=adjust(case))
    found, notes = _drbd_plan.plan_start("kwdb", seen)
    assert found == commands
    assert bool(notes) == (bool(adjust(case)) and not commands)


def disrupt(case: str, allowed: bool, managed: bool = True, **state: str) -> tuple[str, ...]:
    """What a captured change interrupts on a host in this state."""
    now = replace(PRIMARY, **state)
    seen = _drbd_plan.Seen("", state=now, managed=managed, adjust=adjust(case))
    return _drbd_plan.check_disruption("kwdb", seen, allowed)


@pytest.mark.parametrize("case", ["9-address", "9-other-disk"])
@pytest.mark.parametrize(("managed", "role"), [(True, "Secondary"), (False, "Primary")])
def test_what_interrupts_a_service_needs_leave(case: str, managed: bool, role: str) -> None:
    with pytest.raises(_drbd.Refused, match="allow_disruption: true"):
        disrupt(case, False, managed, role=role)
    (said,) = disrupt(case, True, managed, role=role)
    assert said.startswith("the new configuration of kwdb needs ")


@pytest.mark.parametrize(
    "state", [{"peer_disk": "Inconsistent"}, {"disk": "Diskless"}, {"connection": "Connecting"}]
)
def test_leave_does_not_help_while_a_side_is_not_good(state: dict[str, str]) -> None:
    with pytest.raises(_drbd.Refused, match="this is no moment for it"):
        disrupt("9-address", True, **state)


def test_what_interrupts_nobody_is_told_and_done() -> None:
    assert disrupt("9-address", False, False, role="Secondary")
    with pytest.raises(_drbd.Refused):
        disrupt("9-address", False, False, role="Secondary", peer_role="Primary")
    assert disrupt("9-options", False, role="Primary") == ()


@pytest.mark.parametrize(("ordering", "noted"), [("flush", 0), ("drain", 1), ("none", 1), ("", 0)])
def test_the_kernels_own_word_on_flushes(ordering: str, noted: int) -> None:
    want = _drbd_config.Definition("kwdb", (), (), "")
    state = replace(PRIMARY, write_ordering=ordering)
    notes = _drbd_plan.ordering_note(want, state)
    assert len(notes) == noted
    stated = replace(want, battery_backed_cache=True)
    assert _drbd_plan.ordering_note(stated, state) == ()


def test_risks_are_told() -> None:
    want = _drbd_config.Definition(
        "kwdb", (), (), "", net={"after-sb-1pri": "discard-secondary", "protocol": "C"}
    )
    (said,) = _drbd_config.risks(want)
    assert "after-sb-1pri discard-secondary throws away writes" in said


def test_removal() -> None:
    seen = _drbd_plan.Seen("", state=replace(PRIMARY, role="Secondary"))
    assert _drbd_plan.plan_removal("kwdb", seen, True) == (("drbdadm", "down", "kwdb"),)
    assert _drbd_plan.plan_removal("kwdb", seen, False) == (("drbdsetup", "down", "kwdb"),)
    assert _drbd_plan.plan_removal("kwdb", _drbd_plan.Seen(""), True) == ()
    with pytest.raises(_drbd.Refused, match="is Primary here"):
        _drbd_plan.plan_removal("kwdb", replace(seen, state=PRIMARY), True)
    with pytest.raises(_drbd.Refused, match="pcs resource delete"):
        _drbd_plan.plan_removal("kwdb", replace(seen, managed=True), True)


def test_plan_start_brings_up_what_nobody_owns() -> None:
    assert _drbd_plan.plan_start("kwdb", _drbd_plan.Seen("")) == ((("drbdadm", "up", "kwdb"),), ())
    commands, notes = _drbd_plan.plan_start("kwdb", _drbd_plan.Seen("", managed=True))
    assert commands == ()
    assert "left to Pacemaker" in notes[0]


def test_make_plan_writes_before_it_creates_before_it_starts() -> None:
    place = _drbd_config.Place("/dev/x")
    volume = _drbd_config.Volume(0, 3, (place, place))
    want = _drbd_config.Definition("kwdb", (), (volume,), "")
    blank = Triage("blank", "is blank", "", Facts("/dev/x"))
    seen = _drbd_plan.Seen("", volumes=(_drbd_plan.SeenVolume(volume, place, blank, "create"),))
    plan = _drbd_plan.make_plan(want, "new", seen, start=True)
    assert (plan.write, plan.record) == (True, True)
    assert plan.commands == (("drbdadm", "create-md", "kwdb"), ("drbdadm", "up", "kwdb"))
    again = _drbd_plan.make_plan(want, "new", _drbd_plan.Seen("new", state=FRESH), start=True)
    assert again.changed is False


@pytest.mark.parametrize("mode", ["full", "skip"])
def test_the_first_synchronisation_of_two_fresh_sides(mode: str) -> None:
    assert _drbd_plan.sync_due([4], [4], FRESH) is True
    commands = _drbd_plan.plan_sync("kwdb", mode, FRESH)
    if mode == "skip":
        assert commands == (("drbdadm", "new-current-uuid", "--clear-bitmap", "kwdb/0"),)
    else:
        assert commands == (
            ("drbdadm", "primary", "--force", "kwdb"),
            ("drbdadm", "secondary", "kwdb"),
        )


@pytest.mark.parametrize(
    ("local", "peer", "state"),
    [
        (0x1A2B, 4, FRESH),
        (4, 0x1A2B, FRESH),
        (0x1A2B, 0x1A2B, PRIMARY),
        (4, 4, replace(FRESH, volumes=(FRESH_VOLUME, replace(FRESH_VOLUME, disk="UpToDate")))),
        (4, 4, replace(FRESH, peer_disk="UpToDate")),
        (4, 4, replace(FRESH, disk="UpToDate")),
    ],
)
def test_no_second_first_synchronisation(local: int, peer: int, state: _drbd.State) -> None:
    assert _drbd_plan.sync_due([local], [peer], state) is False


def test_the_first_synchronisation_needs_both_generations() -> None:
    for local, peer in ((None, 4), (4, None)):
        with pytest.raises(_drbd.Refused, match="peer_generation"):
            _drbd_plan.sync_due([local], [peer], FRESH)


@pytest.mark.parametrize(
    "change",
    [
        {"connection": "Connecting", "replication": "Off", "peer_disk": "DUnknown"},
        {"replication": "SyncTarget"},
        {"role": "Primary"},
        {"peer_role": "Primary"},
        {"peer_disk": "Outdated"},
        {"disk": "Diskless"},
    ],
)
def test_the_first_synchronisation_is_refused_in_any_other_state(change: dict[str, str]) -> None:
    with pytest.raises(_drbd.Refused) as caught:
        _drbd_plan.plan_sync("kwdb", "full", replace(FRESH, **change))
    for value in change.values():
        assert f"is {value}, not" in str(caught.value)
    with pytest.raises(_drbd.Refused, match="is not up here"):
        _drbd_plan.plan_sync("kwdb", "full", None)


OURS = Metadata("v08", "00aabbccddeeff11", 0x1A2B3C, True, 1 << 30)
RECORD = _drbd_metadata.Record("00aabbccddeeff11", 1 << 30, "/dev/disk/by-id/data")


def drbd(metadata: Metadata, **more: Any) -> Triage:
    """A triage that found these metadata."""
    facts = Facts("/dev/disk/by-id/data", size=1 << 30, metadata=metadata, **more)
    return Triage("drbd", "holds DRBD metadata", "Empty it", facts)


def test_judge_metadata() -> None:
    blank = Triage("blank", "is blank", "", Facts("/dev/x"))
    assert _drbd_metadata.judge_metadata(blank, None, "", 8) == "create"
    assert _drbd_metadata.judge_metadata(drbd(OURS), RECORD, "", 8) == "kept"
    assert _drbd_metadata.judge_metadata(drbd(replace(OURS, clean=False)), RECORD, "", 8) == "kept"
    assert _drbd_metadata.judge_metadata(drbd(OURS), None, OURS.device_uuid.upper(), 8) == "adopt"
    fresh = replace(OURS, current_uuid=4)
    assert _drbd_metadata.judge_metadata(drbd(fresh), None, "", 8) == "adopt"
    for triage, record, major in (
        (drbd(OURS), None, 8),
        (drbd(OURS), replace(RECORD, device_uuid="1"), 8),
        (drbd(OURS), RECORD, 9),
        # Metadata made by drbdmeta itself all have the number 0, which tells nothing.
        (drbd(replace(OURS, device_uuid="0" * 16)), replace(RECORD, device_uuid="0" * 16), 8),
        (drbd(fresh, data_at=0), None, 8),
        (Triage("data", "holds data", "Empty it", Facts("/dev/x")), None, 8),
        (Triage("data", "holds data", "Empty it", Facts("/dev/x")), RECORD, 8),
    ):
        with pytest.raises(_drbd.Refused):
            _drbd_metadata.judge_metadata(triage, record, "", major)


def test_metadata_that_drbd_has_moved_are_ours() -> None:
    """After growing, a copy lies at the old end; it matters only while there are none at the new one."""
    grown = drbd(OURS, former_metadata=OURS)
    assert _drbd_metadata.judge_metadata(grown, RECORD, "", 8) == "kept"
    left = Triage("data", "holds data", "", Facts("/dev/x", size=2 << 30, former_metadata=OURS))
    with pytest.raises(_drbd.Refused, match="check-resize"):
        _drbd_metadata.judge_metadata(left, RECORD, "", 8)


@pytest.mark.parametrize(
    ("utils", "pacemaker", "fits"),
    [
        ("9.11.0", "2.0.3", False),
        ("9.15.0", "2.0.5", False),
        ("9.15.0", "2.1.2", False),
        ("9.22.0", "2.1.5", True),
        ("9.22.0", "2.1.6", True),
        ("9.22.0", "3.0.0", False),
        ("9.27.0", "2.1.7", False),
        ("9.28.0", "3.0.0", True),
        ("", "3.0.0", None),
        ("9.22.0", "", None),
    ],
)
def test_handler_problem(utils: str, pacemaker: str, fits: bool | None) -> None:
    problem = _drbd_fence.handler_problem(utils, f"Pacemaker {pacemaker}\nWritten by")
    assert (None if problem is None else not problem) is fits


CIB = """
<cib><configuration><resources><clone id="KaiwuData-clone"><primitive id="KaiwuData" class="ocf"
 provider="linbit" type="drbd"><instance_attributes id="a">
<nvpair id="b" name="drbd_resource" value="kwdb"/></instance_attributes></primitive></clone>
<primitive id="KaiwuFS" class="ocf" provider="heartbeat" type="Filesystem"><instance_attributes id="c">
<nvpair id="d" name="directory" value="/var/lib/kaiwudb"/></instance_attributes></primitive>
</resources></configuration></cib>
"""


def test_cib_has() -> None:
    assert _drbd_cluster.cib_has(CIB, "linbit", "drbd", "drbd_resource", "kwdb") is True
    assert _drbd_cluster.cib_has(CIB, "linbit", "drbd", "drbd_resource", "other") is False
    assert (
        _drbd_cluster.cib_has(CIB, "heartbeat", "Filesystem", "directory", "/var/lib/kaiwudb")
        is True
    )
    assert _drbd_cluster.cib_has("", "linbit", "drbd", "drbd_resource", "kwdb") is False


def test_text_diff_shows_that_the_secret_changed_and_not_what_it_is() -> None:
    old, new = ('net {\n    shared-secret "%s";\n}\n' % word for word in ("first", "second"))  # noqa: UP031
    same = _drbd_config.text_diff("x", old, old)
    other = _drbd_config.text_diff("x", old, new)
    assert same["before"] == same["after"]
    assert other["before"] != other["after"]
    for shown in (same, other):
        assert "first" not in str(shown)
        assert "second" not in str(shown)


def test_handler_program() -> None:
    text = 'handlers {\n    fence-peer "/usr/lib/drbd/crm-fence-peer.sh --timeout=20";\n}\n'
    assert _drbd_config.handler_program(text, "fence-peer") == "/usr/lib/drbd/crm-fence-peer.sh"
    assert _drbd_config.handler_program(text, "unfence-peer") == ""


def test_parser_message_names_the_real_file() -> None:
    said = "drbd.d/kwdb.res:8: Parse error: 'an option keyword' expected,\n\tbut got 'x'.\n"
    assert _drbd_files.parser_message(said).startswith("/etc/drbd.d/kwdb.res:8: Parse error")
    said = "/run/kwdb-ha-drbd-1/drbd.d/other.res:3: conflicting use"
    assert _drbd_files.parser_message(said) == "/etc/drbd.d/other.res:3: conflicting use"
