# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd, _pair, _pair_health

Load = Callable[..., _pair.Pair]
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=timezone.utc)


def found(seen: _pair.Pair, now: datetime = NOW) -> list[tuple[str, str, str]]:
    """Severity, kind and thing of each finding."""
    return [(one.severity, one.kind, one.thing) for one in _pair_health.findings(seen, now)]


@pytest.mark.parametrize("version", VERSIONS)
def test_healthy_pair_has_no_finding(pair: Load, version: str) -> None:
    assert found(pair("healthy", version)) == []


def test_a_member_that_starts_is_said_to(pair: Load) -> None:
    healthy = pair("healthy")
    status = _pair.known(healthy.status)
    starting = tuple(
        replace(one, role="Starting") if one.resource == "KaiwuDB" else one
        for one in status.instances
    )
    seen = replace(healthy, status=replace(status, instances=starting))
    told = {one.thing: one.message for one in _pair_health.findings(seen, NOW)}
    assert told == {"KaiwuDB": "it does not run (Starting)"}


CASES = {
    "standby": [
        ("operator", "ha-node02"),
        ("operator", "KaiwuData"),
        ("operator", "fence-ha-node01"),
    ],
    "maintenance": [("operator", "cluster")],
    "node-maintenance": [("operator", "ha-node02")],
    "failed-action": [("cluster", "KaiwuDB_monitor_10000")],
    "unclean-node": [
        ("fencing", "ha-node01"),
        ("cluster", "KaiwuFS"),
        ("cluster", "KaiwuDB"),
        ("cluster", "ClusterIP"),
        ("cluster", "KaiwuFS"),
        ("cluster", "KaiwuFS_stop_0"),
    ],
    "lost-node": [("fencing", "ha-node01")],
    "fenced-node": [
        ("cluster", "ha-node01"),
        ("cluster", "KaiwuData"),
        ("fencing", "fence-ha-node02"),
        ("replication", "DRBD on ha-node02"),
    ],
    "no-promoted": [
        ("cluster", "KaiwuData"),
        ("cluster", "KaiwuFS"),
        ("cluster", "KaiwuDB"),
        ("cluster", "ClusterIP"),
    ],
    "cli-prefer": [("operator", "cli-prefer-KaiwuDBGrp")],
    "drbd-fence": [("replication", "drbd-fence-by-handler-kwdb-KaiwuData-clone")],
    "disabled-group": [
        ("operator", "KaiwuDBGrp"),
        ("operator", "KaiwuFS"),
        ("operator", "KaiwuDB"),
        ("operator", "ClusterIP"),
    ],
    "unmanaged-group": [("operator", "KaiwuDBGrp")],
    "no-quorum": [
        ("cluster", "cluster"),
        ("cluster", "KaiwuData"),  # promoted nowhere
        ("cluster", "KaiwuData"),  # stopped on one host
        ("cluster", "KaiwuData"),  # stopped on the other
        ("cluster", "KaiwuFS"),
        ("cluster", "KaiwuDB"),
        ("cluster", "ClusterIP"),
        ("fencing", "fence-ha-node01"),
        ("fencing", "fence-ha-node02"),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_errors_of_each_state(pair: Load, case: str) -> None:
    seen = pair(case)
    assert found(seen) == [("error", kind, thing) for kind, thing in CASES[case]]
    assert not _pair_health.healthy(_pair_health.findings(seen, NOW))


@pytest.mark.parametrize("version", ["2.0.5", "3.0.0"])
@pytest.mark.parametrize(
    "case", ["standby", "failed-action", "unclean-node", "drbd-fence", "fenced-node", "no-quorum"]
)
def test_every_generation_says_the_same(pair: Load, case: str, version: str) -> None:
    assert found(pair(case, version)) == found(pair(case))


def test_without_fencing_is_a_warning_only(pair: Load) -> None:
    seen = pair("without-fencing")
    assert found(seen) == [("warning", "fencing", "cluster")]
    assert _pair_health.healthy(_pair_health.findings(seen, NOW))


def test_a_forgotten_promotion_score_is_an_error(pair: Load) -> None:
    """As the CIB is when a controller has died there; only where DRBD says that both disks are good."""
    seen = pair("healthy")
    cib = replace(seen.cib, promotable=("ha-node01",))
    assert found(replace(seen, cib=cib)) == [("error", "cluster", "KaiwuData on ha-node02")]
    (finding,) = _pair_health.findings(replace(seen, cib=cib), NOW)
    assert "attrd_updater --refresh" in finding.remedy
    syncing = pair("healthy", disk="Inconsistent", replication="SyncTarget")
    told = [one[2] for one in found(replace(syncing, cib=replace(syncing.cib, promotable=())))]
    assert "KaiwuData on ha-node02" not in told


@pytest.mark.parametrize("version", ["2.0.5", "2.1.5", "3.0.0"])
@pytest.mark.parametrize(
    ("after_s", "severity"), [(-5, "warning"), (59, "warning"), (61, "error"), (-3600, "error")]
)
def test_a_score_that_is_not_there_yet_is_a_warning_only(
    pair: Load, version: str, after_s: int, severity: str
) -> None:
    """Just after a start, also by a clock that is a little behind."""
    seen = pair("healthy", version)
    assert seen.cib is not None
    started = seen.cib.clone_acted["ha-node02"]
    cib = replace(seen.cib, promotable=("ha-node01",))
    told = found(replace(seen, cib=cib), started + timedelta(seconds=after_s))
    assert told == [(severity, "cluster", "KaiwuData on ha-node02")]


def test_a_ban_that_has_ended_is_a_warning_only(pair: Load) -> None:
    seen = pair("cli-ban-lifetime")
    assert seen.cib is not None
    (ban,) = seen.cib.operator_locations
    assert ban.expires is not None
    before, after = ban.expires - timedelta(seconds=1), ban.expires + timedelta(seconds=1)
    assert ("error", "operator", ban.id) in found(seen, before)
    assert ("warning", "operator", ban.id) in found(seen, after)


@pytest.mark.parametrize(
    ("state", "severity", "words"),
    [
        ({"disk": "Inconsistent"}, "error", "the local disk is Inconsistent"),
        ({"disk": "Diskless"}, "error", "the local disk is Diskless"),
        ({"connection": "Connecting", "peer_disk": "DUnknown"}, "error", "not connected"),
        ({"connection": "StandAlone", "peer_disk": "DUnknown"}, "error", "StandAlone"),
        (
            {"peer_disk": "Inconsistent", "replication": "SyncSource"},
            "error",
            "the peer's disk is Inconsistent (SyncSource",
        ),
        ({"suspended": "fencing"}, "error", "suspended"),
        ({"out_of_sync_kib": 12}, "warning", "12 KiB differ"),
        ({"role": "Primary"}, "error", "the promoted role on ha-node01"),
    ],
)
def test_replication(pair: Load, state: dict[str, object], severity: str, words: str) -> None:
    (one,) = _pair_health.findings(pair("healthy", **state), NOW)
    assert (one.severity, one.kind) == (severity, "replication")
    assert words in one.message and one.remedy


# What the kernel says after an online verify, also one that a timer started.
COMPARED = """\
exists resource name:kwdb role:Secondary suspended:no write-ordering:flush
exists connection name:kwdb local:ipv4:10.0.1.12:7789 peer:ipv4:10.0.1.11:7789 connection:Connected role:Primary congested:no
exists device name:kwdb volume:0 minor:3 disk:UpToDate size:65500 read:1 written:1 al-writes:1 bm-writes:0
exists peer-device name:kwdb volume:0 replication:Established peer-disk:UpToDate resync-suspended:no out-of-sync:16 pending:0
exists -
"""


def test_what_a_comparison_has_found_is_told_by_pair_info(pair: Load) -> None:
    seen = pair("healthy")
    for count, words in ((16, ["16 KiB differ between the disks"]), (0, [])):
        text = COMPARED.replace("out-of-sync:16", f"out-of-sync:{count}")
        compared = _pair.Pair(seen.host, seen.cib, seen.status, _drbd.parse_events(text, "kwdb"))
        findings = _pair_health.findings(compared, NOW)
        assert [one.message for one in findings] == words
        assert all("verify_blocks.yml" in one.remedy for one in findings)


def test_replication_is_down(pair: Load) -> None:
    seen = pair("healthy")
    down = _pair.Pair(seen.host, seen.cib, seen.status, None)
    assert found(down) == [("error", "replication", "DRBD on ha-node02")]


def test_what_follows_from_a_host_that_is_away_comes_back_with_it(pair: Load) -> None:
    """Its own finding says what to do; a cleanup would not help."""
    remedies = {one.thing: one.remedy for one in _pair_health.findings(pair("fenced-node"), NOW)}
    assert remedies["KaiwuData"] == "it starts again when ha-node01 is in the cluster again"
    assert remedies["fence-ha-node02"].startswith("if only ha-node01 may use it, it starts again")


def test_what_follows_from_standby_is_the_operators(pair: Load) -> None:
    seen = pair("standby", host="ha-node01", role="Primary", connection="Connecting")
    kinds = {one.kind for one in _pair_health.findings(seen, NOW)}
    assert kinds == {"operator"}


def test_a_split_brain_is_nobodys_wish(pair: Load) -> None:
    seen = pair("standby", host="ha-node01", role="Primary", connection="StandAlone")
    assert ("error", "replication", "DRBD on ha-node01") in found(seen)


def test_no_cluster() -> None:
    assert found(_pair.Pair("ha-node01", installed=False)) == [("error", "host", "ha-node01")]
    assert found(_pair.Pair("ha-node01")) == [("error", "cluster", "ha-node01")]


def test_errors_come_first(pair: Load) -> None:
    severities = [one[0] for one in found(pair("standby", out_of_sync_kib=4))]
    assert severities == sorted(severities)  # "error" < "warning"


def test_every_finding_has_a_remedy(pair: Load) -> None:
    for case in [*CASES, "cli-ban", "without-fencing"]:
        for one in _pair_health.findings(pair(case), NOW):
            assert one.message and one.remedy, one
