# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib

FIXTURES = Path(__file__).parents[2] / "fixtures"


def cib(version: str = "2.1.5", name: str = "running") -> ElementTree.Element:
    path = FIXTURES / f"pacemaker-{version}" / "cluster" / f"{name}.cib.xml"
    return _cib.parse(path.read_text())


@pytest.mark.parametrize("text", ["", "<cib/>", "<a><configuration/></a>", "no xml <"])
def test_parse_refuses_what_is_no_cib(text: str) -> None:
    with pytest.raises(_cib.CibInvalid):
        _cib.parse(text)


@pytest.mark.parametrize(
    ("schema", "known"),
    [
        ("pacemaker-3.5", False),
        ("pacemaker-3.6", False),
        ("pacemaker-3.7", True),
        ("pacemaker-3.10", True),
        ("pacemaker-4.0", True),
        ("none", False),
        ("", False),
    ],
)
def test_knows_promoted(schema: str, known: bool) -> None:
    root = cib()
    root.set("validate-with", schema)
    assert _cib.knows_promoted(root) is known
    assert _cib.role_word(root, "Promoted") == ("Promoted" if known else "Master")
    assert _cib.role_word(root, "Slave") == ("Unpromoted" if known else "Slave")
    assert _cib.role_word(root, "Started") == "Started"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("new", "new"),
        ("KaiwuDB", "KaiwuDB-1"),
        ("a b/c$", "a_b_c_"),
        ("1st", "_1st"),
        ("-x", "_-x"),
        ("ü.1", "ü.1"),
    ],
)
def test_free_id(wanted: str, expected: str) -> None:
    assert _cib.free_id(cib(), wanted) == expected


def test_version_after_the_present_one() -> None:
    root = cib()
    root.attrib.update(admin_epoch="2", epoch="41", num_updates="7")
    assert _cib.version(root) == "2.41.7"
    _cib.next_version(root)
    assert _cib.version(root) == "2.42.0"


def test_lines_mask_secrets_wherever_they_are() -> None:
    root = cib()
    device = _cib.by_id(root, "fence-ha-node01")
    assert device is not None
    _cib.set_value(root, device, "instance_attributes", "odd", "geheim-2")
    shown = "\n".join(_cib.lines(root))
    assert 'name="password" value="********"' in shown
    assert "Geheim" not in shown
    assert "geheim-2" in shown
    assert "geheim-2" not in "\n".join(_cib.lines(root, hidden=lambda name: name == "odd"))


def test_lines_do_not_depend_on_the_order_of_attributes() -> None:
    root, turned = cib(), cib()
    for one in turned.iter():
        reversed_ones = list(reversed(list(one.attrib.items())))
        one.attrib.clear()
        one.attrib.update(reversed_ones)
    assert _cib.lines(root) == _cib.lines(turned)


CHANGED = [
    '<a x="1"><b/><c/></a>',
    '<a x="1" y="2"><b/></a>',
    '<a x="1"><c/></a>',
    '<a x="1"/>',
    '<a x="1"><b><d/></b></a>',
    "<z/>",
]


@pytest.mark.parametrize("other", CHANGED)
def test_same(other: str) -> None:
    one, changed = ElementTree.fromstring('<a x="1"><b/></a>'), ElementTree.fromstring(other)
    assert _cib.equal(one, ElementTree.fromstring('<a x="1"> <b/>\n</a>'))
    assert not _cib.equal(one, changed)
    assert not _cib.equal(changed, one)


def test_operator_state() -> None:
    root = cib()
    assert _cib.operator_state(root) == []
    node = root.find("configuration/nodes/node[@uname='ha-node02']")
    database = _cib.by_id(root, "KaiwuDB")
    constraints = _cib.section(root, "constraints")
    assert node is not None
    assert database is not None
    _cib.set_value(root, node, "instance_attributes", "standby", "on")
    _cib.set_value(root, node, "instance_attributes", "maintenance", "false")
    _cib.set_value(root, node, "instance_attributes", "site", "b")
    _cib.set_value(root, database, "meta_attributes", "target-role", "Stopped")
    options = _cib.section(root, "crm_config")
    _cib.set_value(root, options, "cluster_property_set", "maintenance-mode", "true")
    for identity in ("cli-ban-a", "drbd-fence-by-handler-b", "client-c"):
        attributes = {"id": identity, "rsc": "KaiwuData-clone"}
        ElementTree.SubElement(constraints, "rsc_location", attributes)
    found = [(one["kind"], one["on"], one["value"]) for one in _cib.operator_state(root)]
    assert found == [
        ("maintenance-mode", "cluster", "true"),
        ("standby", "ha-node02", "on"),
        ("target-role", "KaiwuDB", "Stopped"),
        ("cli-constraint", "KaiwuData-clone", "cli-ban-a"),
        ("drbd-fence", "KaiwuData-clone", "drbd-fence-by-handler-b"),
    ]


def test_unstorable() -> None:
    """A value that a tool spoiled on the way into the patch is noticed; others are not looked at."""
    old, new = cib(), cib()
    device = _cib.by_id(new, "ClusterIP")
    assert device is not None
    _cib.set_value(new, device, "meta_attributes", "umlaut", "ü")
    _cib.set_value(new, device, "meta_attributes", "plain", "x")
    good = ElementTree.fromstring('<diff><nvpair name="umlaut" value="ü"/></diff>')
    bad = ElementTree.fromstring(r'<diff><nvpair name="umlaut" value="\37777777703"/></diff>')
    assert _cib.unstorable(old, new, good) == []
    assert _cib.unstorable(old, new, bad) == ["umlaut"]
    assert _cib.unstorable(new, new, bad) == []
