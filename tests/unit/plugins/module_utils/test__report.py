# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's three forms, from the results of two real drills and from what may go wrong."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _markup,
    _report,
    _report_page,
    _report_picture,
)

# What pair_drill returned on the lab, before it said when rows were acknowledged.
FIXTURES = Path(__file__).parents[2] / "fixtures" / "report"
ROWS = {"from_s": -1.0, "bucket_s": 0.5, "counts": [4, 5, 5, 2, *[0] * 45, 3, 5, 4]}
NASTY = "<script>alert('x')</script>&\"\x1b[31m\udc80"
FINDING = {
    "severity": "error",
    "kind": "operator",
    "thing": "ha-node02",
    "message": "it is in standby",
    "remedy": "`pcs node unstandby ha-node02` when its maintenance is over",
}


def drill(name: str, **change: Any) -> dict[str, Any]:
    """A drill's result."""
    found = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return {**found, **change}


def report(*drills: dict[str, Any], **change: Any) -> dict[str, Any]:
    """The report of a healthy pair."""
    return {
        "time": "2026-11-25T16:08:02Z",
        "healthy": True,
        "passed": True,
        "active_node": "ha-node01",
        "standby_node": "ha-node02",
        "disks": {"ha-node02": "UpToDate", "ha-node01": "UpToDate"},
        "findings": [],
        "drills": list(drills),
        **change,
    }


class Page(HTMLParser):
    """What a browser would read: elements that are open, words, and all that has a name."""

    def __init__(self, raw: dict[str, Any]) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.source = _report_page.as_page(_report.read_report(raw))
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, spaces between them."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def count(self, tag: str, class_: str = "") -> int:
        """How many of these elements there are."""
        return sum(
            name == tag and (not class_ or class_ in (attributes.get("class") or "").split())
            for name, attributes in self.tags
        )


def suite_of(raw: dict[str, Any]) -> ET.Element:
    """The test suite, its form checked against what Jenkins' schema (junit-10.xsd) allows."""
    root = ET.fromstring(_report.as_junit(_report.read_report(raw)))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite" and suite.get("name") == "verify"
    assert set(root.attrib) == {"tests", "failures", "errors", "time"}
    assert {"tests", "failures", "errors", "time", "skipped"} <= set(suite.attrib)
    for case in suite:
        assert case.tag == "testcase" and set(case.attrib) == {"name", "classname", "time"}
        assert {one.tag for one in case} <= {"failure", "skipped", "system-out"}
    for one in (root, suite, *suite):
        assert re.fullmatch(r"\d+\.\d\d", one.get("time", ""))
    for one in (root, suite):
        assert one.get("tests") == str(len(suite))
        assert one.get("failures") == str(len(suite.findall("*/failure")))
        assert one.get("errors") == "0"
    assert suite.get("skipped") == str(len(suite.findall("*/skipped")))
    return suite


def case_of(raw: dict[str, Any], name: str) -> ET.Element:
    """One test case."""
    (found,) = (one for one in suite_of(raw) if one.get("name") == name)
    return found


# --- reading --------------------------------------------------------------------------------------


def test_read_drill() -> None:
    found = _report.read_drill(drill("power_cut"))
    assert (found.state, found.acked, found.lost, found.fenced_by) == (
        "passed",
        304,
        0,
        "fence_ipmilan",
    )
    assert [one.names for one in found.phases] == [
        ("fenced",),
        ("service stopped", "demoted"),
        ("promoted",),
        ("KaiwuFS started",),
        ("KaiwuDB started",),
        ("ClusterIP started",),
        ("outage over",),
        ("healthy again",),
    ]
    assert all(one.end == two.start for one, two in zip(found.phases, found.phases[1:]))
    assert (found.phases[0].start, found.phases[-1].end) == (0.0, 66.87)


@pytest.mark.parametrize(
    ("change", "start", "end"),
    [
        # An older report: the end is a phase.
        ({}, 1.01, 39.28),
        ({"outage_from_s": 1.5}, 1.5, 39.77),
        ({"outage_from_s": 1.5, "outage_s": None}, 1.5, None),
        ({"phases": []}, 0.0, 38.27),
    ],
)
def test_read_outage(change: dict[str, Any], start: float, end: float | None) -> None:
    found = _report.read_outage(drill("power_cut", **change))
    assert found is not None
    assert found.start == pytest.approx(start)
    assert found.end == (end if end is None else pytest.approx(end))


def test_read_outage_that_is_not_known() -> None:
    assert _report.read_outage({"outage_s": None}) is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {**ROWS, "counts": []},
        {**ROWS, "bucket_s": 0},
        {**ROWS, "bucket_s": "1"},
        {**ROWS, "from_s": None},
        {**ROWS, "from_s": float("nan")},
    ],
)
def test_read_density_of_nothing(raw: object) -> None:
    assert _report.read_density(raw) is None


# --- JUnit ----------------------------------------------------------------------------------------


def test_junit_of_two_drills() -> None:
    suite = suite_of(report(drill("switchover"), drill("power_cut")))
    assert [one.get("name") for one in suite] == ["health", "switchover", "power_cut"]
    assert [one.get("time") for one in suite] == ["0.00", "30.24", "66.87"]
    assert suite.get("timestamp") == "2026-11-25T16:08:02"
    assert suite.get("failures") == "0"
    assert "304 rows acknowledged" in suite[2].findtext("system-out", "")


def test_junit_of_a_failed_drill() -> None:
    lost = drill("switchover", passed=False, lost=1, msg="1 row is lost\nsee the record")
    failure = case_of(report(lost, passed=False), "switchover").find("failure")
    assert failure is not None
    assert failure.get("message") == "1 row is lost"
    assert failure.text == "1 row is lost\nsee the record"


def test_junit_of_a_drill_that_was_refused_or_not_run() -> None:
    refused = {"drill": "switchover", "failed": True, "passed": False, "msg": "no host is ready"}
    raw = report(refused, passed=False, drills_not_run=["power_cut"])
    assert case_of(raw, "switchover").findtext("failure") == "no host is ready"
    assert case_of(raw, "power_cut").find("skipped") is not None
    assert case_of(raw, "power_cut").find("failure") is None


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, True),
        ({"fail_on": ["operator"]}, True),
        # What somebody asked for does not fail the run, so it does not fail the case.
        ({"fail_on": ["cluster"]}, False),
        ({"findings": [{**FINDING, "severity": "warning"}]}, False),
        ({"findings": []}, True),
    ],
)
def test_junit_of_health(change: dict[str, Any], failed: bool) -> None:
    case = case_of(report(**{"healthy": False, "findings": [FINDING], **change}), "health")
    assert (case.find("failure") is not None) is failed
    assert failed or "ha-node02" in case.findtext("system-out", "")


def test_junit_holds_what_xml_cannot() -> None:
    raw = report(drill("switchover", passed=False, msg=NASTY, drill=NASTY), drills_not_run=[NASTY])
    _health, failed, skipped = suite_of(raw)
    shown = "<script>alert('x')</script>&\"\ufffd[31m\ufffd"
    assert failed.get("name") == skipped.get("name") == shown
    assert failed.findtext("failure") == shown
    assert _report.as_junit(_report.read_report(raw)).encode()


# --- the page -------------------------------------------------------------------------------------


def test_page_of_two_drills() -> None:
    page = Page(report(drill("switchover", acknowledgements=ROWS), drill("power_cut")))
    for words in (
        "The pair is healthy",
        "2026-11-25 16:08:02 UTC",
        "Nothing: the pair could lose either host now",
        "Rows acknowledged 304 Lost 0",
        "Fenced by fence_ipmilan",
        "No row was acknowledged from 1.0 s to 39.3 s after the event: 38.3 s.",
        "rows acknowledged in each 0.5 s, at most 5",
        "when rows were acknowledged is not known",
        "service stopped, demoted",
        "first acknowledged row",
    ):
        assert words in page.text
    assert page.count("svg", "picture") == 2
    assert page.count("rect", "gap") == 2
    assert page.count("path", "rows") == 1
    assert page.count("rect", "bar") == 9 + 8
    assert page.count("rect", "after") == 2 + 1
    assert page.count("header", "alarm") == 0


def test_page_needs_nothing_else() -> None:
    page = Page(report(drill("power_cut", acknowledgements=ROWS), findings=[FINDING]))
    assert {tag for tag, _attributes in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "section", "footer"),
        *("h1", "h2", "p", "div", "span", "code", "a", "time", "dl", "dt", "dd"),
        *("table", "thead", "tbody", "tr", "th", "td", "ul", "li"),
        *("svg", "path", "rect", "line", "text", "tspan"),
    }
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = [attributes["id"] for _tag, attributes in page.tags if "id" in attributes]
    assert links == [f"#{one}" for one in ids] == ["#drill-1"]
    assert "http" not in page.source.replace("http-equiv", "")
    assert "url(" not in page.source and "@import" not in page.source


def test_page_of_a_drill_that_lost_rows() -> None:
    lost = drill("switchover", lost=1, lost_ids=["d-1"], duplicate_ids=["d-2"] * 20, passed=False)
    page = Page(report({**lost, "msg": "it failed", "record": "/records/d"}, passed=False))
    assert "The pair is healthy, drill switchover failed" in page.text
    assert "Lost 1 There twice 20 or more" in page.text
    assert "Lost rows: d-1" in page.text
    assert "All acknowledged rows are listed in /records/d" in page.text
    assert page.count("header", "alarm") == 1


def test_page_of_rows_that_could_not_be_read() -> None:
    raw = drill("power_cut", lost=None, outage_s=None, healthy_after_s=None, passed=False)
    page = Page(report({**raw, "outage_from_s": 1.2, "acknowledgements": ROWS}))
    assert "Lost not known There twice not known There, not acknowledged not known" in page.text
    assert "Outage not ended Healthy again after not healthy again" in page.text
    assert "no row any more after 1.2 s" in page.text
    assert page.count("rect", "gap") == 1


def test_page_of_findings_and_drills_not_run() -> None:
    refused = {"drill": "switchover", "failed": True, "msg": "no host is ready"}
    raw = report(refused, healthy=False, findings=[FINDING], drills_not_run=["power_cut"])
    page = Page({**raw, "active_node": "", "disks": {"ha-node01": "Diskless"}})
    assert "The pair is NOT healthy, drill switchover failed" in page.text
    assert "error ha-node02 it is in standby pcs node unstandby ha-node02 when its" in page.text
    assert "Active host none" in page.text
    assert "switchover failed no host is ready" in page.text
    assert "power_cut not run It was asked for and not run." in page.text
    assert page.count("svg") == 0 and page.count("section") == 3


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"drills": [{}], "findings": [{}], "disks": None},
        {"drills": [{"acked": None, "phases": None, "passed": True}]},
        {"drills": "no list", "findings": {"no": "list"}, "disks": [], "time": 7},
        {"drills": [{"phases": [{"name": None}, "x", {"at_s": "1"}], "outage_s": True}]},
    ],
)
def test_what_is_missing_is_not_known(raw: dict[str, Any]) -> None:
    page = Page(raw)
    assert "The pair is NOT healthy" in page.text
    assert "not known" in page.text
    suite_of(raw)


def test_page_escapes_whatever_a_host_says() -> None:
    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(one) for key, one in value.items()}
        if isinstance(value, list):
            return [spoilt(one) for one in value]
        return NASTY if isinstance(value, str) else value

    raw = spoilt(report(drill("power_cut", lost_ids=["x"], record="x"), findings=[FINDING]))
    page = Page({**raw, "disks": {NASTY: NASTY}, "drills_not_run": [NASTY]})
    assert page.count("script") == 0
    assert "<script>alert('x')</script>" in page.text
    assert "\x1b" not in page.source and page.source.encode()


@given(st.text(), st.text())
def test_element_holds_any_text(content: str, value: str) -> None:
    source = _markup.element("p", content, title=value)
    (found,) = ET.fromstring(f"<x>{source}</x>")
    # A parser reads every end of line as the same one, and in an attribute as a space.
    ends = re.compile("\r\n|\r")
    assert (found.text or "") == ends.sub("\n", _markup.printable(content))
    assert re.sub(r"\s", " ", found.attrib["title"]) == re.sub(
        r"\s", " ", ends.sub("\n", _markup.printable(value))
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("wait", "wait"),
        ("`a <b>` or `c`", "<code>a &lt;b&gt;</code> or <code>c</code>"),
        ("it's `not closed", "it&#x27;s `not closed"),
    ],
)
def test_with_code(words: str, shown: str) -> None:
    assert _report_page.with_code(words).replace("<code></code>", "") == shown


# --- the picture ----------------------------------------------------------------------------------


@given(st.floats(-600, 0), st.floats(1, 100_000))
def test_scale(low: float, high: float) -> None:
    scale = _report_picture.Scale(low, high)
    ticks = list(scale.ticks())
    assert 0.0 in ticks
    assert 2 <= len(ticks) <= _report_picture.MOST_TICKS + 2
    assert all(0 <= scale.at(one) <= 100 for one in (*ticks, low, high))


def test_picture_of_a_density() -> None:
    density = _report.Density(0.0, 1.0, (2, 0, 3))
    shown = _report_picture.density_shape(density, _report_picture.Scale(0.0, 3.0))
    assert 'd="M0 3V1h1V3h1V0h1V3z"' in shown
    assert 'viewBox="0 0 3 3"' in shown and 'x="0.5%"' in shown and 'width="99%"' in shown


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.04, "0.0"), (-0.06, "-0.1"), (0.0, "0.0"), (41.66, "41.7")]
)
def test_seconds(value: float, shown: str) -> None:
    assert _report_picture.seconds(value) == f"{shown}\u00a0s"


def test_picture_of_nothing() -> None:
    assert _report_picture.picture(_report.read_drill({"drill": "switchover"})) == ""


def test_json_is_the_report_itself() -> None:
    raw = report(drill("switchover"), more="kept")
    assert json.loads(_report.as_json(raw)) == raw
