# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _settled

FIXTURES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("2.0.5", "2.1.5", "3.0.0")
EVERYTHING = ["fence-ha-node01", "fence-ha-node02", "KaiwuData", "KaiwuFS", "KaiwuDB", "ClusterIP"]


def load(version: str, name: str = "running") -> tuple[ElementTree.Element, ElementTree.Element]:
    """A configuration and what crm_mon said of it; a file has no controller, a cluster has one."""
    folder = FIXTURES / f"pacemaker-{version}" / "cluster"
    cib = _cib.parse((folder / f"{name}.cib.xml").read_text())
    status = _settled.parse((folder / f"{name}.mon.xml").read_text())
    controller = status.find("summary/current_dc")
    assert controller is not None
    controller.attrib.update(present="true", with_quorum="true")
    return cib, status


def found(status: ElementTree.Element, path: str) -> ElementTree.Element:
    one = status.find(path)
    assert one is not None
    return one


def stop(status: ElementTree.Element, resource: str) -> None:
    for one in status.iterfind(f"resources//resource[@id='{resource}']"):
        one.attrib.update(role="Stopped", active="false")


@pytest.mark.parametrize("version", VERSIONS)
def test_running_pair_waits_for_nothing(version: str) -> None:
    cib, status = load(version)
    assert _settled.waiting(cib, status, EVERYTHING) == []
    assert _settled.online_nodes(status) == {"ha-node01", "ha-node02"}
    assert _settled.has_controller(status)


@pytest.mark.parametrize("version", VERSIONS)
def test_failed_database_is_waited_for_with_its_words(version: str) -> None:
    cib, status = load(version, "failed")
    waiting = _settled.waiting(cib, status, EVERYTHING)
    stopped = [one for one in waiting if one.resource == "KaiwuDB"]
    # After a failed start the database moves away from the host, or waits for a better one.
    for one in stopped:
        assert one.failed.startswith("start on ha-node01: error")
    assert _settled._failures(cib, "KaiwuDB").startswith("start on ha-node01: error")


@pytest.mark.parametrize("version", VERSIONS)
def test_unpromoted_clone_is_waited_for(version: str) -> None:
    cib, status = load(version)
    for one in status.iterfind("resources//resource[@id='KaiwuData']"):
        one.set("role", "Slave" if version == "2.0.5" else "Unpromoted")
    waiting = _settled.waiting(cib, status, ["KaiwuData"])
    assert [(one.resource, one.why) for one in waiting] == [("KaiwuData", "is promoted nowhere")]


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_instance_is_waited_for(version: str) -> None:
    cib, status = load(version)
    stop(status, "KaiwuData")
    waiting = _settled.waiting(cib, status, ["KaiwuData"])
    assert [one.why for one in waiting] == ["2 of its instances do not run"]


@pytest.mark.parametrize("role", ["Starting", "Stopping", "Promoting"])
def test_what_is_on_its_way_is_waited_for(role: str) -> None:
    cib, status = load("2.1.5")
    found(status, "resources//resource[@id='ClusterIP']").set("role", role)
    assert [one.why for one in _settled.waiting(cib, status, ["ClusterIP"])] == ["is on its way"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "held",
    ["maintenance-mode", "stop-all", "no quorum", "disabled", "group disabled", "unmanaged"],
)
def test_what_somebody_holds_is_not_waited_for(version: str, held: str) -> None:
    cib, status = load(version)
    stop(status, "ClusterIP")
    assert _settled.waiting(cib, status, ["ClusterIP"])
    options = found(status, "summary/cluster_options")
    if held == "maintenance-mode":
        options.set("maintenance-mode", "true")
    elif held == "stop-all":
        options.set("stop-all-resources", "true")
    elif held == "no quorum":
        found(status, "summary/current_dc").set("with_quorum", "false")
    else:
        owner = _cib.by_id(cib, "KaiwuDBGrp" if held == "group disabled" else "ClusterIP")
        assert owner is not None
        name, value = ("is-managed", "false") if held == "unmanaged" else ("target-role", "Stopped")
        _cib.set_value(cib, owner, "meta_attributes", name, value)
    assert _settled.waiting(cib, status, ["ClusterIP"]) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_standby_of_the_only_host_for_it_is_not_waited_for(version: str) -> None:
    """A fence device may run on one host only; with that in standby it runs nowhere."""
    cib, status = load(version)
    stop(status, "fence-ha-node01")
    assert _settled.waiting(cib, status, ["fence-ha-node01"])
    found(status, "nodes/node[@name='ha-node02']").set("standby", "true")
    assert _settled.waiting(cib, status, ["fence-ha-node01"]) == []
    # The clone then has one instance less to wait for, and no more than one less.
    assert _settled.waiting(cib, status, ["KaiwuData"]) == []


def test_failure_words() -> None:
    def one(**attributes: str) -> str:
        names = {name.replace("_", "-"): value for name, value in attributes.items()}
        return _settled._failure(ElementTree.Element("lrm_rsc_op", names))

    assert one(operation="start", rc_code="0", op_status="0") == ""
    assert one(operation="monitor", rc_code="7", interval="0") == ""
    assert one(operation="monitor", rc_code="7", interval="10000") == "not running"
    assert one(operation="start", rc_code="193", op_status="-1") == ""
    assert one(operation="start", rc_code="1", op_status="2", exit_reason="") == "timed out"
    assert one(operation="start", rc_code="5", exit_reason="no mount") == "not installed (no mount)"
    assert one(operation="promote", rc_code="77") == "exit code 77"
