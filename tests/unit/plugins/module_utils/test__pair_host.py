# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair, _pair_host

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
# What the tools of Debian 12 said on a host of a pair.
SHOWN = """Id=drbd.service
UnitFileState=disabled

Id=kaiwudb.service
UnitFileState=enabled
"""
OPENSSL = "notAfter=Dec  2 16:40:08 2026 GMT\nIP 10.77.1.100 does match certificate\n"
TRACKING = (
    "0A4D0101,10.77.1.1,9,1795797612.066453934,-0.000012345,-0.000001234,0.000023456,"
    "-1.234,0.001,0.123,0.000456789,0.000012345,64.5,Normal\n"
)
WELL = _pair_host.HostView(
    name="ha-node01",
    fstab="UUID=1 / ext4 errors=remount-ro 0 1\n# /dev/drbd3 /var/lib/kaiwudb ext4\n",
    boot={"drbd.service": "disabled", "kaiwudb.service": "static"},
    stop_limit_s=110.0,
    certificate=_pair_host.Certificate("/c/node.crt", NOW + timedelta(days=365), True),
    free={"/": 0.5, "/var/lib/kaiwudb": 0.9},
    clock_offset_s=-0.00001,
)


@pytest.fixture
def cib(pair: Callable[..., _pair.Pair]) -> _pair.Cib:
    """The configuration of a pair, with a stop timeout."""
    found = _pair.known(pair("healthy").cib)
    return replace(found, stop_timeout_s=120.0, directory="/var/lib/kaiwudb", device="/dev/drbd3")


def test_a_good_host_has_no_findings(cib: _pair.Cib) -> None:
    assert _pair_host.host_findings(WELL, cib, NOW) == []
    assert _pair_host.host_findings(_pair_host.HostView("ha-node01"), cib, NOW) == []


@pytest.mark.parametrize(
    ("change", "severity", "words"),
    [
        (
            {"boot": {"drbd.service": "enabled"}},
            "error",
            "drbd.service on ha-node01.*starts at boot",
        ),
        ({"fstab": "/dev/drbd3 /srv ext4 noauto 0 0\n"}, "error", "/etc/fstab.*only the cluster"),
        ({"fstab": "UUID=2 /var/lib/kaiwudb/ ext4\n"}, "error", "/etc/fstab.*only the cluster"),
        ({"stop_limit_s": 120.0}, "warning", "lets its stop take 120 s, the cluster only 120 s"),
        (
            {"certificate": replace(_pair.known(WELL.certificate), not_after=NOW)},
            "warning",
            "it ends at 2026-11-27 12:00Z",
        ),
        (
            {
                "certificate": replace(
                    _pair.known(WELL.certificate), not_after=NOW - timedelta(seconds=1)
                )
            },
            "error",
            "it ended at 2026-11-27 11:59Z",
        ),
        (
            {"certificate": replace(_pair.known(WELL.certificate), covers_vip=False)},
            "error",
            "it is not for the virtual IP",
        ),
        ({"free": {"/": 0.09}}, "warning", "/ on ha-node01.*only 9% of its space"),
        ({"free": {"/": 0.01}}, "error", "only 1% of its space"),
        ({"clock_offset_s": -3.5}, "warning", "-3.5 s away"),
        ({"vote_missing": "192.0.2.13"}, "warning", "third vote.*192.0.2.13 does not vote"),
        ({"votes_short": "3 of 2"}, "error", "votes on.*3 of 2: after both hosts have booted"),
        ({"boots_alone": True}, "error", "third vote.*a host that boots alone gets a majority"),
    ],
)
def test_findings(cib: _pair.Cib, change: dict[str, Any], severity: str, words: str) -> None:
    (found,) = _pair_host.host_findings(replace(WELL, **change), cib, NOW)
    assert (found.severity, found.kind) == (severity, "host")
    assert re.search(words, f"{found.thing}: {found.message}"), found
    assert found.remedy


def test_the_answers_of_the_tools() -> None:
    assert _pair_host.boot_states(SHOWN) == {
        "drbd.service": "disabled",
        "kaiwudb.service": "enabled",
    }
    assert _pair_host.clock_offset(TRACKING) == pytest.approx(-0.000012345)
    assert _pair_host.clock_offset(TRACKING.replace("Normal", "Not synchronised")) is None
    assert _pair_host.clock_offset("506 Cannot talk to daemon\n") is None
    assert _pair_host.packages_of("ii  pcs 0.11.5-1+deb12u1\nrc  pacemaker 2.1.5\n") == {
        "pcs": "0.11.5-1+deb12u1"
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("t 110000000\n", 110.0), ("t 18446744073709551615\n", None), ("", None)],
)
def test_stop_limit(text: str, seconds: float | None) -> None:
    assert _pair_host.seconds_of(text) == seconds


def test_certificate() -> None:
    found = _pair_host.certificate_of("/c/node.crt", OPENSSL)
    end = datetime(2026, 12, 2, 16, 40, 8, tzinfo=timezone.utc)
    assert found == _pair_host.Certificate("/c/node.crt", end, True)
    other = _pair_host.certificate_of(
        "/c/node.crt", OPENSSL.replace("does match", "does NOT match")
    )
    assert _pair.known(other).covers_vip is False
    assert _pair_host.certificate_of("/c/node.crt", "unable to load certificate\n") is None


def test_unit_on_the_bus() -> None:
    assert _pair_host.unit_path("kaiwudb.service").endswith("/unit/kaiwudb_2eservice")
