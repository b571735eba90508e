# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _command, _findings

FIXTURES = Path(__file__).parents[2] / "fixtures"
SHOWN = """Id=kaiwudb.service
LoadState=loaded
UnitFileState=disabled
TimeoutStopUSec=1min 30s

Id=other.service
LoadState=not-found
"""


class Systemd:
    """A host on which systemctl answers."""

    def __init__(self, said: str, there: bool = True) -> None:
        self.said, self.there = said, there
        self.asked: list[Sequence[str]] = []

    def has(self, program: str) -> bool:
        return self.there and program == "systemctl"

    def __call__(self, argv: Sequence[str], **_how: Any) -> _command.Result:
        self.asked.append(argv)
        result = _command.Result(tuple(argv), 0 if self.said else 1, self.said, "")
        if not self.said:
            raise _command.CommandFailed(result)
        return result


def load() -> Element:
    return _cib.parse((FIXTURES / "pacemaker-3.0.0/cluster/running.cib.xml").read_text())


SYSTEMD = {"class": "systemd", "type": "kaiwudb"}
OCF = {"class": "ocf", "provider": "kwdb", "type": "kaiwudb"}


def found(
    unit: dict[str, str], stop: str | None = None, agent: dict[str, str] = SYSTEMD
) -> list[str]:
    cib = load()
    database = _cib.by_id(cib, "KaiwuDB")
    assert database is not None
    database.attrib.update(agent)
    operations = database.find("operations")
    assert operations is not None
    for one in operations.findall("op[@name='stop']"):
        operations.remove(one)
    if stop is not None:
        attributes = {"id": "s", "name": "stop", "interval": "0", "timeout": stop}
        operations.append(Element("op", attributes))
    host = _findings.Host({"kaiwudb": {"LoadState": "loaded", **unit}})
    all_of = _findings.findings(cib, host, {"KaiwuDB": "resources[4]"})
    return [one.what for one in all_of if one.where == "resources[4]"]


def test_host_is_asked_once_for_all_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_findings, "DRBD_FILES", "/nonexistent/*.res")
    systemd = Systemd(SHOWN)
    host = _findings.host(systemd, ["kaiwudb", "other"])  # type: ignore[arg-type]
    assert len(systemd.asked) == 1
    assert systemd.asked[0][-2:] == ["kaiwudb.service", "other.service"]
    assert host.units["kaiwudb"]["TimeoutStopUSec"] == "1min 30s"
    assert host.units["other"]["LoadState"] == "not-found"
    assert not host.drbd_fences


@pytest.mark.parametrize(
    ("systemd", "units", "asked"),
    [(Systemd(""), ["a"], 1), (Systemd(SHOWN, False), ["a"], 0), (Systemd(SHOWN), [], 0)],
)
def test_host_without_units_is_no_trouble(systemd: Systemd, units: list[str], asked: int) -> None:
    assert _findings.host(systemd, units).units == {}  # type: ignore[arg-type]
    assert len(systemd.asked) == asked


@pytest.mark.parametrize(
    ("stop", "unit", "lacks"),
    [
        ("120s", "1min 30s", False),
        ("60s", "1min 30s", True),
        ("90s", "1min 30s", False),
        ("1h", "infinity", True),
        (None, "15s", False),
        (None, "1min", True),
        ("60s", "", False),
    ],
)
def test_stop_must_not_time_out_before_the_unit(stop: str | None, unit: str, lacks: bool) -> None:
    for agent in (SYSTEMD, OCF):
        what = found({"TimeoutStopUSec": unit}, stop, agent)
        assert [one.startswith("its stop times out after") for one in what] == [True] * lacks


def test_unit_that_starts_at_boot() -> None:
    assert found({"UnitFileState": "enabled"}) == [
        "its unit starts at boot by itself, on both hosts"
    ]
    assert found({"UnitFileState": "disabled"}) == []
    assert found({"UnitFileState": "enabled", "LoadState": "not-found"}) == []


def test_fencing_policy_of_drbd_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_findings, "DRBD_FILES", str(tmp_path / "*.res"))
    file = tmp_path / "kwdb.res"
    file.write_text("resource kwdb {\n  disk {\n    fencing resource-and-stonith;\n  }\n}\n")
    host = _findings.host(Systemd(""), [])  # type: ignore[arg-type]
    assert host.drbd_fences
    cib = load()
    _cib.set_value(
        cib, _cib.section(cib, "crm_config"), "cluster_property_set", "stonith-enabled", "off"
    )
    (one,) = [one for one in _findings.findings(cib, host, {}) if "fencing is off" in one.what]
    assert "DRBD's fencing policy counts on it" in one.what
    assert one.severity == "error"
    file.write_text("# fencing resource-only\n")
    assert not _findings.host(Systemd(""), []).drbd_fences  # type: ignore[arg-type]
