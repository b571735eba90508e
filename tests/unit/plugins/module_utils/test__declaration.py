# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _declaration

IP = {"id": "ip", "agent": "ocf:heartbeat:IPaddr2", "options": {"ip": "192.0.2.1"}}


def monitor(**options: Any) -> dict[str, Any]:
    return {"name": "monitor", **options}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"resources": [{"id": "ip"}]}, "resources[0].agent: ip needs an agent"),
        ({"resources": [{"id": "ip", "agent": "IPaddr2"}]}, "is none of ocf:provider:type"),
        ({"resources": [{"id": "ip", "agent": "ocf:IPaddr2"}]}, "is none of ocf:provider:type"),
        ({"resources": [{"id": "ip", "agent": "systemd:a:b"}]}, "is none of ocf:provider:type"),
        (
            {"resources": [{**IP, "options": {"password": "x"}}]},
            "resources[0].options.password: belongs into secret_options",
        ),
        (
            {"resources": [{**IP, "secret_options": {"ip": "x"}}]},
            "ip is in options and in secret_options",
        ),
        (
            {"resources": [{**IP, "operations": [monitor()]}]},
            "resources[0].operations[0]: a monitor needs an interval",
        ),
        (
            {"resources": [{**IP, "operations": [monitor(interval="soon")]}]},
            "resources[0].operations[0].interval: 'soon' is not a duration",
        ),
        (
            {"resources": [{**IP, "operations": [monitor(interval="1s", timeout="x")]}]},
            "resources[0].operations[0].timeout: 'x' is not a duration",
        ),
        (
            {
                "resources": [
                    {
                        **IP,
                        "operations": [
                            monitor(interval="10s", role="Promoted"),
                            monitor(interval="10000ms", role="Unpromoted"),
                        ],
                    }
                ]
            },
            "resources[0].operations[1]: monitor with interval 10000ms is declared twice",
        ),
        (
            {"resources": [{**IP, "operations": [monitor(interval="1s"), monitor(interval="2s")]}]},
            "two operations have the same name, role and depth",
        ),
        (
            {"resources": [{**IP, "group": {"id": "g"}, "clone": {"id": "c"}}]},
            "in a group and in a clone of its own",
        ),
        (
            {"resources": [{**IP, "group": {"id": "g", "after": "a", "before": "b"}}]},
            "after and before exclude each other",
        ),
        ({"resources": [IP, IP]}, "resources[1]: ip is declared twice"),
        ({"groups": [{"id": "g", "members": ["a", "a"]}]}, "groups.g.members[1]: a is declared"),
        ({"constraints": [{"id": "c"}]}, "constraints[0].type: one of location, colocation, order"),
        (
            {"constraints": [{"id": "c", "type": "order", "first": "a"}]},
            "constraints[0].then: a order constraint needs it",
        ),
        (
            {"constraints": [{"id": "c", "type": "order", "first": "a", "then": "b", "node": "n"}]},
            "constraints[0].node: a order constraint has no such option",
        ),
        (
            {
                "constraints": [
                    {"id": "c", "type": "location", "resource": "a", "node": "n", "score": "much"}
                ]
            },
            "constraints[0].score: 'much' is neither a number nor INFINITY",
        ),
        (
            {"constraints": [{"id": "cli-ban-x", "type": "order", "first": "a", "then": "b"}]},
            "is a name that operators' commands and DRBD use",
        ),
        ({"properties": {"x-password": "geheim"}}, "a cluster property cannot be secret"),
    ],
)
def test_declaration_refuses(params: dict[str, Any], message: str) -> None:
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        _declaration.declaration(params)
    assert message in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_declaration_reads_yaml_values() -> None:
    """Values come as YAML made them; options that are absent come as None from the module."""
    declared = _declaration.declaration(
        {
            "properties": {"stonith-enabled": True, "x": None},
            "resources": [
                {
                    **IP,
                    "options": {"ip": "192.0.2.1", "cidr_netmask": 24, "nic": None},
                    "secret_options": None,
                    "operations": [monitor(interval=10, timeout=None, role="Master", depth=0)],
                    "clone": None,
                    "group": {"id": "g", "after": None, "before": None},
                }
            ],
            "constraints": [
                {"id": "c", "type": "colocation", "resource": "a", "with": "b", "score": None}
            ],
        }
    )
    one = declared.resources[0]
    assert declared.properties == {"stonith-enabled": "true", "x": None}
    assert one.options == {"ip": "192.0.2.1", "cidr_netmask": "24", "nic": None}
    operation = one.operations[0]
    assert (operation.interval, operation.role, operation.depth) == ("10", "Promoted", "0")
    assert operation.attributes == {}
    assert one.group == _declaration.Place("g")
    assert declared.constraints[0].attributes["score"] == "INFINITY"


def test_secret_names() -> None:
    declared = _declaration.declaration(
        {"resources": [{**IP, "secret_options": {"odd": "x"}}, {**IP, "id": "b"}]}
    )
    assert declared.secret_names() == {"odd"}
