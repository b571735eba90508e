# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The report of the role verify: read from its JSON, and written as JSON and JUnit XML."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._markup import printable

KINDS = ("cluster", "fencing", "host", "operator", "replication")
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
# The name of the phase that ends the outage, as the drill calls it.
OUTAGE_OVER = "outage over"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    severity: str
    kind: str
    thing: str
    message: str
    remedy: str

    @property
    def line(self) -> str:
        """The finding in one line."""
        return f"{self.severity}: {self.thing}: {self.message} -> {self.remedy}"


@dataclass(frozen=True)
class Phase:
    """What was first seen when; start is where the phase before it ended."""

    names: tuple[str, ...]
    start: float
    end: float


@dataclass(frozen=True)
class Density:
    """Numbers of rows acknowledged in equal stretches of time."""

    start: float
    width: float
    counts: tuple[int, ...]

    @property
    def end(self) -> float:
        """Where the last stretch ends."""
        return self.start + self.width * len(self.counts)


@dataclass(frozen=True)
class Outage:
    """The time without an acknowledged row; without an end it did not end."""

    start: float
    end: float | None


@dataclass(frozen=True)
class Drill:
    """One drill; what is not known is None. Times are seconds since the event."""

    name: str
    state: str
    message: str = ""
    ran: bool = False
    source: str = ""
    target: str = ""
    acked: int | None = None
    lost: int | None = None
    unacknowledged: int | None = None
    lost_ids: tuple[str, ...] = ()
    duplicate_ids: tuple[str, ...] = ()
    foreign_ids: tuple[str, ...] = ()
    outage: Outage | None = None
    outage_s: float | None = None
    healthy_after: float | None = None
    fenced_by: str = ""
    record: str = ""
    phases: tuple[Phase, ...] = ()
    density: Density | None = None


@dataclass(frozen=True)
class Report:
    """What a run of the role found out."""

    healthy: bool
    passed: bool
    time: str
    active: str
    standby: str
    disks: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    drills: tuple[Drill, ...]
    fail_on: tuple[str, ...]

    @property
    def grave(self) -> tuple[Finding, ...]:
        """The errors that make the run fail."""
        return tuple(
            one for one in self.findings if one.severity == "error" and one.kind in self.fail_on
        )


# --- reading --------------------------------------------------------------------------------------
# The JSON may be older than this code, or cut short by a failure: what is missing is not known.


def number(value: object) -> float | None:
    """A finite number, else nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def count(value: object) -> int | None:
    """A whole number, else nothing."""
    found = number(value)
    return None if found is None else int(found)


def text(value: object) -> str:
    """Text, empty when there is none."""
    return "" if value is None else str(value)


def items(value: object) -> list[Any]:
    """A list, empty when there is none."""
    return list(value) if isinstance(value, (list, tuple)) else []


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The mappings in a list."""
    return [one for one in items(value) if isinstance(one, Mapping)]


def read_phases(raw: object, healthy_after: float | None) -> tuple[Phase, ...]:
    """The phases one after the other; what was first seen in one look is one phase."""
    seen: dict[float, list[str]] = {}
    for one in mappings(raw):
        at = number(one.get("at_s"))
        if at is not None:
            seen.setdefault(at, []).append(text(one.get("name")))
    if healthy_after is not None:
        seen.setdefault(healthy_after, []).append("healthy again")
    found, start = [], 0.0
    for at in sorted(seen):
        found.append(Phase(tuple(seen[at]), start, at))
        start = at
    return tuple(found)


def read_density(raw: object) -> Density | None:
    """When rows were acknowledged; older reports do not say."""
    if not isinstance(raw, Mapping):
        return None
    start, width = number(raw.get("from_s")), number(raw.get("bucket_s"))
    counts = tuple(max(0, count(one) or 0) for one in items(raw.get("counts")))
    if start is None or not width or width < 0 or not counts:
        return None
    return Density(start, width, counts)


def read_outage(raw: Mapping[str, Any]) -> Outage | None:
    """When the outage was; older reports tell only its end and its length."""
    length, start = number(raw.get("outage_s")), number(raw.get("outage_from_s"))
    if length is None:
        return None if start is None else Outage(start, None)
    if start is not None:
        return Outage(start, start + length)
    ends = [
        one.get("at_s") for one in mappings(raw.get("phases")) if one.get("name") == OUTAGE_OVER
    ]
    end = number(ends[0]) if ends else None
    return Outage(0.0, length) if end is None else Outage(end - length, end)


def read_drill(raw: Mapping[str, Any]) -> Drill:
    """One drill of the report."""
    healthy_after = number(raw.get("healthy_after_s"))
    passed = raw.get("passed", not raw.get("failed"))
    return Drill(
        name=text(raw.get("drill")) or "drill",
        state=PASSED if passed else FAILED,
        message=text(raw.get("msg") or raw.get("summary")),
        ran="acked" in raw,
        source=text(raw.get("source")),
        target=text(raw.get("target")),
        acked=count(raw.get("acked")),
        lost=count(raw.get("lost")),
        unacknowledged=count(raw.get("unacknowledged")),
        lost_ids=tuple(text(one) for one in items(raw.get("lost_ids"))),
        duplicate_ids=tuple(text(one) for one in items(raw.get("duplicate_ids"))),
        foreign_ids=tuple(text(one) for one in items(raw.get("foreign_ids"))),
        outage=read_outage(raw),
        outage_s=number(raw.get("outage_s")),
        healthy_after=healthy_after,
        fenced_by=text(raw.get("fenced_by")),
        record=text(raw.get("record")),
        phases=read_phases(raw.get("phases"), healthy_after),
        density=read_density(raw.get("acknowledgements")),
    )


def read_report(raw: Mapping[str, Any]) -> Report:
    """The whole report."""
    findings = tuple(
        Finding(*(text(one.get(key)) for key in ("severity", "kind", "thing", "message", "remedy")))
        for one in mappings(raw.get("findings"))
    )
    disks = raw.get("disks")
    not_run = [Drill(text(one), NOT_RUN) for one in items(raw.get("drills_not_run"))]
    return Report(
        healthy=raw.get("healthy") is True,
        passed=raw.get("passed") is True,
        time=text(raw.get("time")),
        active=text(raw.get("active_node")),
        standby=text(raw.get("standby_node")),
        disks=tuple((text(host), text(disk)) for host, disk in sorted(disks.items()))
        if isinstance(disks, Mapping)
        else (),
        findings=findings,
        drills=(*(read_drill(one) for one in mappings(raw.get("drills"))), *not_run),
        fail_on=tuple(text(one) for one in items(raw.get("fail_on", KINDS))),
    )


def time_parts(report: Report) -> tuple[str, str] | None:
    """Day and time of the report, both UTC."""
    found = _TIME.fullmatch(report.time)
    return (found.group(1), found.group(2)) if found else None


# --- writing --------------------------------------------------------------------------------------


def as_json(raw: Mapping[str, Any]) -> str:
    """The report as it came, for programs."""
    return json.dumps(raw, indent=4, sort_keys=True) + "\n"


def length_of(drill: Drill) -> float:
    """Seconds from the event to the last thing that is known."""
    outage_end = drill.outage.end if drill.outage else None
    return max(drill.healthy_after or 0, outage_end or 0, *(one.end for one in drill.phases), 0)


@dataclass(frozen=True)
class Case:
    """One test case as JUnit has it: failure and skipped are why, empty when it is not so."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""
    output: str = ""


def health_case(report: Report) -> Case:
    """The health of the pair; fails when an error fails the run."""
    failure = "\n".join(one.line for one in report.grave)
    if not report.healthy and not report.findings:
        failure = "the pair is not healthy"
    others = [one.line for one in report.findings if one not in report.grave]
    return Case("health", failure=failure, output="\n".join(others))


def drill_case(drill: Drill) -> Case:
    """What became of a drill."""
    if drill.state == NOT_RUN:
        return Case(drill.name, skipped="not run")
    if drill.state == FAILED:
        message = drill.message or "the drill failed and did not say why"
        return Case(drill.name, length_of(drill), failure=message)
    return Case(drill.name, length_of(drill), output=drill.message)


def case_element(case: Case) -> ET.Element:
    """One case as XML."""
    found = ET.Element(
        "testcase",
        {"classname": "verify", "name": printable(case.name), "time": f"{case.seconds:.2f}"},
    )
    if case.failure:
        shown = printable(case.failure)
        failure = {"message": shown.splitlines()[0], "type": "verify"}
        ET.SubElement(found, "failure", failure).text = shown
    if case.skipped:
        ET.SubElement(found, "skipped", {"message": case.skipped})
    if case.output:
        ET.SubElement(found, "system-out").text = printable(case.output)
    return found


def totals(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """The attributes that count."""
    yield "tests", str(len(cases))
    yield "failures", str(sum(bool(one.failure) for one in cases))
    yield "errors", "0"
    yield "time", f"{sum(one.seconds for one in cases):.2f}"


def as_junit(report: Report) -> str:
    """The report as a test suite, as Jenkins and others read it."""
    cases = [health_case(report), *(drill_case(one) for one in report.drills)]
    root = ET.Element("testsuites", dict(totals(cases)))
    skipped = str(sum(bool(one.skipped) for one in cases))
    suite = ET.SubElement(root, "testsuite", {"name": "verify", **dict(totals(cases))})
    suite.set("skipped", skipped)
    parts = time_parts(report)
    if parts:
        # The schemas take no zone here.
        suite.set("timestamp", "T".join(parts))
    suite.extend(case_element(one) for one in cases)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
