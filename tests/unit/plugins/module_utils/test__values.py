# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _values


@pytest.mark.parametrize(
    ("name", "one", "other", "kind", "equal"),
    [
        ("timeout", "60", "60s", "", True),
        ("timeout", "1min", "60000ms", "", True),
        ("timeout", "1h", "60m", "", True),
        ("interval", "10s", "11s", "", False),
        ("failure-timeout", "15min", "900", "", True),
        ("priority-fencing-delay", "5s", "5", "", True),
        ("cluster-recheck-interval", "5min", "300s", "", True),
        ("stonith-enabled", "true", "yes", "", True),
        ("stonith-enabled", "On", "1", "", True),
        ("stonith-enabled", "true", "false", "", False),
        # Numbers are numbers, however much they look like booleans.
        ("clone-max", "1", "0", "", False),
        ("clone-max", "1", "01", "", True),
        ("resource-stickiness", "INFINITY", "1000000", "", True),
        ("resource-stickiness", "+INFINITY", "INFINITY", "", True),
        ("resource-stickiness", "-INFINITY", "INFINITY", "", False),
        # A text is a text: what the agent calls a string is compared letter by letter.
        ("options", "yes", "true", "string", False),
        ("ip", "10", "10s", "string", False),
        ("lanplus", "1", "true", "boolean", True),
        ("power_wait", "4", "4s", "second", True),
        ("nothing", "abc", "abd", "", False),
    ],
)
def test_same(name: str, one: str, other: str, kind: str, equal: bool) -> None:
    assert _values.same(name, one, other, kind) is equal
    assert _values.same(name, other, one, kind) is equal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10", 10_000_000),
        ("10s", 10_000_000),
        ("10 sec", 10_000_000),
        ("5us", 5),
        ("3ms", 3000),
        ("2MIN", 120_000_000),
        ("1hr", 3_600_000_000),
        ("", None),
        ("ten", None),
        ("-1", None),
        ("10d", None),
    ],
)
def test_microseconds(value: str, expected: int | None) -> None:
    assert _values.microseconds(value) == expected


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("passwd", True),
        ("snmp_priv_passwd", True),
        ("token_value", True),
        ("community", True),
        ("api_key", True),
        ("pwd", True),
        ("Secret", True),
        ("password_script", False),
        ("passwd_script", False),
        ("identity_file", False),
        ("username", False),
        ("ip", False),
        ("monkey", False),
        ("drbd_resource", False),
    ],
)
def test_is_secret(name: str, secret: bool) -> None:
    assert _values.is_secret(name) is secret


def test_text() -> None:
    assert [_values.text(one) for one in (True, False, 3, "x", 1.5)] == [
        "true",
        "false",
        "3",
        "x",
        "1.5",
    ]


def test_role() -> None:
    assert [_values.role(one) for one in ("Master", "slave", "Promoted", "started", "")] == [
        "Promoted",
        "Unpromoted",
        "Promoted",
        "Started",
        "",
    ]
