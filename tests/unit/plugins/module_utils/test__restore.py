# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _restore
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import DeclarationInvalid

FIXTURES = Path(__file__).parents[2] / "fixtures"
ALL = sorted(FIXTURES.glob("*/**/*.cib.xml")) + sorted(FIXTURES.glob("schemas/*.cib.xml"))


def load(path: str = "pacemaker-3.0.0/cluster/running") -> Element:
    return _cib.parse((FIXTURES / f"{path}.cib.xml").read_text())


def found(cib: Element, identity: str) -> Element:
    one = _cib.by_id(cib, identity)
    assert one is not None
    return one


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_restoring_what_is_there_changes_nothing(path: Path) -> None:
    cib = _cib.parse(path.read_text())
    before = _cib.unparse(cib)
    assert _cib.equal(_restore.plan(cib, copy.deepcopy(cib)), cib)
    assert _cib.unparse(cib) == before


def test_state_that_came_since_keeps_its_place() -> None:
    """Twice is once, also when operators' values stand between declared ones."""
    saved = load()
    live = copy.deepcopy(saved)
    holder = found(live, "cib-bootstrap-options")
    pair = Element("nvpair", {"id": "m", "name": "maintenance-mode", "value": "true"})
    holder.insert(1, pair)
    holder.append(Element("nvpair", {"id": "x", "name": "cluster-delay", "value": "7s"}))
    once = _restore.plan(live, saved)
    names = [one.get("name") for one in found(once, "cib-bootstrap-options")]
    assert names == ["stonith-enabled", "maintenance-mode", "no-quorum-policy"]
    assert _cib.equal(_restore.plan(once, saved), once)


def test_disabled_resource_that_moved_stays_disabled() -> None:
    saved = load()
    live = copy.deepcopy(saved)
    address = found(live, "ClusterIP")
    _cib.set_value(live, address, "meta_attributes", "target-role", "Stopped")
    _cib.parent_of(live, address).remove(address)
    _cib.section(live, "resources").append(address)
    new = _restore.plan(live, saved)
    assert _cib.parent_of(new, found(new, "ClusterIP")).get("id") == "KaiwuDBGrp"
    values = _cib.values(found(new, "ClusterIP"), "meta_attributes")
    assert values == {"target-role": "Stopped"}


def test_enabled_resource_is_not_disabled_again() -> None:
    live = load()
    saved = copy.deepcopy(live)
    _cib.set_value(saved, found(saved, "ClusterIP"), "meta_attributes", "target-role", "Stopped")
    assert _cib.equal(_restore.plan(live, saved), live)


def test_removed_resource_comes_back_as_it_was_held() -> None:
    """Nobody said since that a resource that is gone may run."""
    saved = load()
    _cib.set_value(saved, found(saved, "ClusterIP"), "meta_attributes", "target-role", "Stopped")
    live = load()
    _cib.parent_of(live, found(live, "ClusterIP")).remove(found(live, "ClusterIP"))
    new = _restore.plan(live, saved)
    values = _cib.values(found(new, "ClusterIP"), "meta_attributes")
    assert values == {"target-role": "Stopped"}


def test_nodes_that_joined_since_stay() -> None:
    saved = load()
    live = copy.deepcopy(saved)
    nodes = _cib.section(live, "nodes")
    SubElement(nodes, "node", {"id": "3", "uname": "ha-node03"})
    assert _cib.equal(_restore.plan(live, saved), live)
    with pytest.raises(DeclarationInvalid, match="ha-node03"):
        _restore.plan(saved, live)


def test_ban_of_a_resource_that_goes_goes_with_it() -> None:
    saved = load()
    live = copy.deepcopy(saved)
    resource = {"id": "extra", "class": "ocf", "provider": "pacemaker", "type": "Dummy"}
    SubElement(_cib.section(live, "resources"), "primitive", resource)
    ban = {"id": "cli-ban-extra", "rsc": "extra", "node": "ha-node01", "score": "-INFINITY"}
    SubElement(_cib.section(live, "constraints"), "rsc_location", ban)
    assert _cib.equal(_restore.plan(live, saved), saved)


@pytest.mark.parametrize(
    ("live", "saved", "fine"),
    [
        ("pacemaker-3.9", "pacemaker-3.9", True),
        ("pacemaker-3.10", "pacemaker-3.9", True),
        ("pacemaker-3.9", "pacemaker-3.10", False),
        ("pacemaker-4.0", "pacemaker-3.10", False),
    ],
)
def test_schema_must_hold_the_saved_words(live: str, saved: str, fine: bool) -> None:
    now, then = load(), load()
    now.set("validate-with", live)
    then.set("validate-with", saved)
    if fine:
        assert _restore.plan(now, then).get("validate-with") == live
        return
    with pytest.raises(DeclarationInvalid, match=f"follows the schema {saved}"):
        _restore.plan(now, then)
