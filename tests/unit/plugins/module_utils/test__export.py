# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _export

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"


def load(schema: str) -> Element:
    return _cib.parse((SCHEMAS / f"pacemaker-{schema}.cib.xml").read_text())


def paths(found: _export.Export) -> list[str]:
    return [one["path"] for one in found.unmanaged]


def declared_location(element: Element, _around: Element | None) -> dict[str, Any]:
    """A codec that says too little about locations with rules: the plan must find that out."""
    names = {"resource": "rsc", "node": "node", "score": "score"}
    return {
        "id": element.get("id"),
        "type": "location",
        **{option: element.get(name) for option, name in names.items()},
    }


def declared_primitive(element: Element, _around: Element | None) -> dict[str, Any]:
    return {
        "id": element.get("id"),
        "agent": _cib.agent_name(element),
        "options": _cib.values(element, "instance_attributes"),
        "meta": {**_cib.values(element, "meta_attributes"), "target-role": "Started"},
        "secret_options": {},
    }


LOCATIONS = _export.Kind("constraints", "constraints/rsc_location", declared_location)
PRIMITIVES = _export.Kind("resources", "resources//primitive", declared_primitive)


def test_sections_are_declared() -> None:
    found = _export.export(load("2.0"), ())
    assert found.config == {
        "properties": {"stonith-enabled": "false"},
        "resource_defaults": {"resource-stickiness": "200"},
        "operation_defaults": {"timeout": "20s"},
    }
    assert found.secrets == ["properties.x-token"]


def test_everything_else_is_named() -> None:
    assert paths(_export.export(load("2.0"), ())) == [
        "crm_config/cluster_property_set[@id='at-night']",
        "nodes/node[@id='2']",
        "resources/template[@id='web']",
        "resources/primitive[@id='web1']",
        "resources/primitive[@id='web2']",
        "resources/primitive[@id='fake']",
        "resources/primitive[@id='far']",
        "resources/group[@id='pack']",
        "resources/group[@id='pack']/primitive[@id='one']",
        "resources/group[@id='pack']/primitive[@id='two']",
        "resources/master[@id='old-master']",
        "resources/clone[@id='all']",
        "constraints/rsc_location[@id='plain']",
        "constraints/rsc_location[@id='ruled']",
        "constraints/rsc_location[@id='short']",
        "constraints/rsc_colocation[@id='beside']",
        "constraints/rsc_order[@id='sets']",
        "constraints/rsc_ticket[@id='ticketed']",
        "rsc_defaults/meta_attributes[@id='rsc-second']",
        "op_defaults/meta_attributes[@id='op-ruled']",
        "fencing-topology/fencing-level[@id='level-1']",
        "acls/acl_role[@id='reader']",
        "acls/acl_target[@id='somebody']",
        "tags/tag[@id='ours']",
    ]


def test_operators_are_told_apart() -> None:
    found = _export.export(load("4.0"), ())
    assert found.config == {"properties": {"stonith-enabled": "true"}}
    assert [(one["kind"], one["on"]) for one in found.operator_state] == [
        ("maintenance-mode", "cluster"),
        ("maintenance", "ha-node02"),
        ("target-role", "data-clone"),
    ]
    assert "nodes/node[@id='2']" not in paths(found)
    old = paths(_export.export(load("2.0"), ()))
    assert not [one for one in old if "cli-ban" in one or "drbd-fence" in one]


def test_entry_that_would_change_something_is_not_declared() -> None:
    """Location constraints with rules or a lifetime are more than the codec says of them."""
    found = _export.export(load("2.0"), [LOCATIONS])
    assert [one["id"] for one in found.config["constraints"]] == ["plain"]
    assert "constraints/rsc_location[@id='plain']" not in paths(found)
    assert {
        "constraints/rsc_location[@id='ruled']",
        "constraints/rsc_location[@id='short']",
    } <= set(paths(found))


def test_parts_of_a_declared_object_are_named() -> None:
    found = _export.export(load("2.0"), [PRIMITIVES])
    assert {"id": "fake", "agent": "ocf:pacemaker:Dummy", "options": {"fake": "one"}} in (
        found.config["resources"]
    )
    named = paths(found)
    assert "resources/primitive[@id='fake']" not in named
    assert "resources/primitive[@id='fake']/instance_attributes[@id='fake-b']" in named
    assert "resources/primitive[@id='web2']/instance_attributes[@id-ref='fake-a']" in named
    # A resource from a template has no agent of its own; a wrapper goes with its resource.
    assert "resources/primitive[@id='web1']" in named
    assert "resources/master[@id='old-master']" not in named
    assert "resources/group[@id='pack']" in named
    assert "resources/group[@id='pack']/primitive[@id='one']" not in named


def test_secrets_are_left_out_and_named() -> None:
    found = _export.export(load("4.0"), [PRIMITIVES])
    fence = next(one for one in found.config["resources"] if one["id"] == "fence")
    assert fence == {
        "id": "fence",
        "agent": "stonith:fence_ipmilan",
        "options": {"ip": "192.0.2.1"},
    }
    assert found.secrets == ["resources.fence.options.password"]


@pytest.mark.parametrize("schema", ["2.0", "4.0"])
def test_export_leaves_the_tree_alone(schema: str) -> None:
    cib = load(schema)
    before = _cib.unparse(cib)
    _export.export(cib, [LOCATIONS, PRIMITIVES])
    assert _cib.unparse(cib) == before


@pytest.mark.parametrize("schema", ["2.0", "4.0"])
def test_every_kind_is_declared_or_named(schema: str) -> None:
    """What cannot be said stays in the list of what is left alone, and nothing is in both."""
    cib = load(schema)
    before = _cib.unparse(cib)
    found = _export.export(cib)
    assert _cib.unparse(cib) == before
    declared = {
        one["id"]
        for option in found.config.values()
        if isinstance(option, list)
        for one in option
        if "id" in one
    }
    assert declared
    assert not declared & {one["id"] for one in found.unmanaged}
    expected = {one["id"] for one in _export.export(load(schema), ()).unmanaged}
    wrappers = {one.get("id") for tag in ("clone", "master") for one in cib.iter(tag)}
    parts = {"1", "2", "level-1", *wrappers}
    assert expected <= declared | {one["id"] for one in found.unmanaged} | parts
