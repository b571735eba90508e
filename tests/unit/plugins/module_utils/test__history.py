# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _history

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
EVERYTHING = ["fence-ha-node01", "fence-ha-node02", "KaiwuData", "KaiwuFS", "KaiwuDB", "ClusterIP"]


def load(version: str, name: str = "cluster/running") -> Element:
    return _cib.parse((FIXTURES / f"pacemaker-{version}" / f"{name}.cib.xml").read_text())


def found(cib: Element, path: str) -> Element:
    one = cib.find(path)
    assert one is not None, path
    return one


def operation(cib: Element, key: str, node: str = "ha-node01") -> Element:
    return found(cib, f"status/node_state[@uname='{node}']//lrm_rsc_op[@operation_key='{key}']")


@pytest.mark.parametrize("version", VERSIONS)
def test_running_pair_is_at_rest(version: str) -> None:
    cib = load(version)
    assert _history.at_rest(cib, EVERYTHING)
    assert _history.at_rest(cib, [])
    assert not _history.at_rest(cib, ["Nobody"])


@pytest.mark.parametrize("version", VERSIONS)
def test_failed_start_is_a_doubt_about_the_failed_only(version: str) -> None:
    cib = load(version, "cluster/failed")
    assert not _history.at_rest(cib, ["KaiwuDB"])
    assert _history.at_rest(cib, ["KaiwuData", "fence-ha-node01"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["fenced-node", "no-quorum", "unclean-node"])
def test_degraded_pair_is_a_doubt(version: str, name: str) -> None:
    assert not _history.at_rest(load(version, f"pair/{name}"), EVERYTHING)


# Attributes that are changed in the history of one operation, by its key.
DOUBTS = {
    "pending": ("ClusterIP_start_0", {"op-status": "-1", "rc-code": "193"}),
    "pending number": ("ClusterIP_start_0", {"call-id": "-1"}),
    "failed start": ("ClusterIP_start_0", {"rc-code": "1"}),
    "timed out": ("ClusterIP_start_0", {"op-status": "2", "rc-code": "1"}),
    "stopped": ("ClusterIP_start_0", {"operation": "stop"}),
    "monitor sees nothing": ("ClusterIP_monitor_10000", {"rc-code": "7"}),
    "monitor failed": ("ClusterIP_monitor_10000", {"rc-code": "1"}),
    "monitor timed out": ("ClusterIP_monitor_10000", {"op-status": "2"}),
    "never started": ("ClusterIP_start_0", {"interval": "10000"}),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", DOUBTS)
def test_doubtful_operation(version: str, name: str) -> None:
    cib = load(version)
    key, attributes = DOUBTS[name]
    operation(cib, key).attrib.update(attributes)
    assert not _history.at_rest(cib, ["ClusterIP"])
    assert _history.at_rest(cib, ["KaiwuFS"])


@pytest.mark.parametrize("version", VERSIONS)
def test_old_failure_is_no_doubt(version: str) -> None:
    """A monitor that failed before the last start watched an earlier life."""
    cib = load(version)
    history = found(cib, "status/node_state[@uname='ha-node01']//lrm_resource[@id='ClusterIP']")
    failure = Element("lrm_rsc_op", operation(cib, "ClusterIP_monitor_10000").attrib)
    failure.attrib.update({"rc-code": "7", "call-id": "1", "id": "ClusterIP_last_failure_0"})
    history.append(failure)
    assert _history.at_rest(cib, ["ClusterIP"])
    failure.set("call-id", "99")
    assert not _history.at_rest(cib, ["ClusterIP"])


@pytest.mark.parametrize("version", VERSIONS)
def test_clone_needs_all_instances_and_a_promoted_one(version: str) -> None:
    cib = load(version)
    operation(cib, "KaiwuData_promote_0").set("operation", "demote")
    for one in cib.iter("lrm_rsc_op"):
        if one.get("operation_key") == "KaiwuData_monitor_9000":
            one.set("rc-code", "0")
    assert not _history.at_rest(cib, ["KaiwuData"])
    cib = load(version)
    operation(cib, "KaiwuData_start_0", "ha-node02").set("operation", "stop")
    assert not _history.at_rest(cib, ["KaiwuData"])


@pytest.mark.parametrize("version", VERSIONS)
def test_two_places_are_a_doubt(version: str) -> None:
    cib = load(version)
    operation(cib, "ClusterIP_monitor_0", "ha-node02").set("rc-code", "0")
    assert not _history.at_rest(cib, ["ClusterIP"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("join", "pending"), ("expected", "down"), ("crmd", "offline"), ("in_ccm", "0")],
)
def test_node_that_is_no_full_member_is_a_doubt(version: str, name: str, value: str) -> None:
    cib = load(version)
    found(cib, "status/node_state[@uname='ha-node02']").set(name, value)
    assert not _history.at_rest(cib, ["ClusterIP"])


def test_times_of_joining_count_as_joined() -> None:
    cib = load("3.0.0")
    for node in cib.iterfind("status/node_state"):
        node.attrib.update(in_ccm="1732531200", crmd="1732531201")
    assert _history.at_rest(cib, EVERYTHING)


@pytest.mark.parametrize("value", ["false", "0", None])
def test_without_quorum_there_is_doubt(value: str | None) -> None:
    cib = load("2.1.5")
    cib.attrib.pop("have-quorum")
    if value is not None:
        cib.set("have-quorum", value)
    assert not _history.at_rest(cib, ["ClusterIP"])
