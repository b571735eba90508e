# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The report as one HTML page that needs nothing else: no script, no font, no other file."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._markup import Html, element, joined
from ansible_collections.kwdb.ha.plugins.module_utils._report import (
    FAILED,
    NOT_RUN,
    PASSED,
    Drill,
    Finding,
    Report,
    time_parts,
)
from ansible_collections.kwdb.ha.plugins.module_utils._report_picture import (
    label_of,
    picture,
    seconds,
)

# A drill names no more rows than these.
SHOWN = 20
UNKNOWN = "not known"
# Nothing may be loaded and no script may run, whatever a host's name holds.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = Html("""
:root {
  color-scheme: light dark;
  --page: #fff; --ink: #1b1f24; --quiet: #59626d; --line: #d5dae0; --soft: #f4f6f8;
  --good: #1a7a38; --bad: #c1231a; --doubt: #8a5700; --rows: #4d6f94; --bar: #2b6cb0; --after: #a9b6c4;
  --gap: #c1231a1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --ink: #e4e8ec; --quiet: #9aa4af; --line: #343b44; --soft: #1c2127;
    --good: #5cc980; --bad: #ff8078; --doubt: #e5b454; --rows: #8fb0d3; --bar: #63a8ee; --after: #56616d;
    --gap: #ff80782e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 74rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3 { line-height: 1.25; margin: 0; font-weight: 650; }
h1 { font-size: 1.75rem; }
h2 { font-size: 1.25rem; }
h3 { font-size: 1rem; }
p { margin: .35rem 0 0; max-width: 48rem; }
section { margin-top: 2.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
header { border-left: .4rem solid var(--good); padding-left: 1rem; }
header.alarm { border-color: var(--bad); }
h2 .way { display: inline-block; font-weight: 400; color: var(--quiet); }
.good { color: var(--good); }
.bad { color: var(--bad); }
.doubt { color: var(--doubt); }
.quiet { color: var(--quiet); }
.message { white-space: pre-wrap; }
a { color: inherit; }
dl { display: flex; flex-wrap: wrap; gap: .9rem 2.25rem; margin: 1.1rem 0 0; }
dt { color: var(--quiet); font-size: .8125rem; }
dd { margin: 0; font-weight: 600; }
.figures dd { font-size: 1.25rem; line-height: 1.3; }
table { border-collapse: collapse; width: 100%; margin-top: .9rem; }
th { text-align: left; font-size: .8125rem; font-weight: 400; color: var(--quiet); }
th, td { padding: .4rem 1rem .4rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
.strong { font-weight: 600; }
.whole, .number { white-space: nowrap; }
.number { text-align: right; }
dl + p { margin-top: 1rem; }
code { font: .875em/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
ul { margin: .35rem 0 0; padding-left: 1.2rem; }
.course { display: grid; grid-template-columns: minmax(0, 1fr) 21rem; gap: 1.5rem 2.5rem; margin-top: 1.5rem; }
.course h3 { font-size: .8125rem; font-weight: 400; color: var(--quiet); }
.course p { font-size: .875rem; margin-top: .6rem; }
.course table { font-size: .875rem; margin-top: .1rem; }
.course td, .course th { padding-top: .25rem; padding-bottom: .25rem; }
.picture { display: block; overflow: visible; }
.picture text { font-size: 12px; fill: var(--ink); stroke: var(--page); stroke-width: 4px; paint-order: stroke; stroke-linejoin: round; }
.picture .lane, .picture .tick { fill: var(--quiet); }
.picture .took, .picture .outage { font-weight: 650; }
.picture .outage { fill: var(--bad); font-size: 13px; }
.rows { fill: var(--rows); }
.gap { fill: var(--gap); }
.bracket { fill: var(--bad); }
.bar { fill: var(--bar); }
.bar.after { fill: var(--after); }
.base { stroke: var(--quiet); }
.grid { stroke: var(--line); }
.event { stroke: var(--ink); stroke-dasharray: 3 3; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .875rem; }
@media (max-width: 60rem) { .course { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 2rem; }
  h1 { font-size: 1.375rem; }
  dl { gap: .75rem 1.5rem; }
  .figures { display: grid; grid-template-columns: 1fr 1fr; }
  .findings thead { display: none; }
  .findings tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  .findings td { display: block; padding: .1rem 0; border: 0; }
}
@media print { body { max-width: none; padding: 0; } section { break-inside: avoid; } }
""")
NOTES = (
    "The outage is the longest time between two acknowledged rows that ends after the event began, "
    "as a client on the surviving host saw it. A phase ends when the drill first saw its result; it "
    "looks again and again, so a phase can be shown a little late."
)


def facts(pairs: Sequence[tuple[str, object]], class_: str | None = None) -> Html:
    """Names with their values."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in pairs),
        class_=class_,
    )


def marked(value: object, class_: str) -> Html:
    """A value in the colour of its class."""
    return element("span", value, class_=class_)


def listed(pieces: Sequence[Html]) -> Html:
    """Pieces with commas between them."""
    return Html(", ".join(pieces))


def with_code(words: str) -> Html:
    """Words, and as code what stands between backticks, as the findings write commands."""
    parts = words.split("`")
    if len(parts) % 2 == 0:
        return joined(words)
    return joined(*(element("code", one) if at % 2 else one for at, one in enumerate(parts)))


def table(class_: str, heads: Sequence[Html], rows: Sequence[Html]) -> Html:
    """A table with one line of heads."""
    return element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_=class_,
    )


# --- head -----------------------------------------------------------------------------------------


def verdict(drill: Drill) -> Html:
    """The state of a drill in its colour."""
    class_ = {PASSED: "good", FAILED: "bad", NOT_RUN: "doubt"}[drill.state]
    return marked(drill.state, class_)


def drills_line(drills: Sequence[Drill]) -> Html:
    """All drills with their states, each leading to its section."""
    links = [
        marked(joined(element("a", one.name, href=f"#drill-{at}"), " ", verdict(one)), "whole")
        for at, one in enumerate(drills, 1)
    ]
    return listed(links)


def time_of(report: Report) -> Html:
    """When the report was put together."""
    parts = time_parts(report)
    if parts is None:
        return joined(report.time or UNKNOWN)
    return element("time", f"{parts[0]} {parts[1]} UTC", datetime=report.time)


def disks_of(report: Report) -> Html:
    """The disks by host."""
    shown = [
        marked(joined(host, " ", marked(disk or UNKNOWN, disk_class(disk))), "whole")
        for host, disk in report.disks
    ]
    return listed(shown) if shown else joined(UNKNOWN)


def disk_class(disk: str) -> str:
    """The colour of a disk's state."""
    return "good" if disk == "UpToDate" else "bad"


def title_of(report: Report) -> str:
    """The one thing to know."""
    return f"The pair is {'healthy' if report.healthy else 'NOT healthy'}"


def head(report: Report) -> Html:
    """Whether all is well, where the database runs, and when that was."""
    failed = [one.name for one in report.drills if one.state == FAILED]
    title = title_of(report)
    if failed:
        title += f", {len(failed)} drills failed" if failed[1:] else f", drill {failed[0]} failed"
    bad = bool(failed) or not report.healthy
    pairs: list[tuple[str, object]] = [
        ("Active host", report.active or "none"),
        ("Standby host", report.standby or "none"),
        ("Disks", disks_of(report)),
    ]
    if report.drills:
        pairs.append(("Drills", drills_line(report.drills)))
    return element(
        "header",
        element("h1", title, class_="bad" if bad else "good"),
        element("p", "Report of ", time_of(report), class_="quiet"),
        facts(pairs),
        class_="alarm" if bad else None,
    )


# --- findings -------------------------------------------------------------------------------------


def finding_row(one: Finding) -> Html:
    """One finding."""
    class_ = {"error": "bad", "warning": "doubt"}.get(one.severity, "quiet")
    return element(
        "tr",
        element("td", one.severity, class_=f"strong whole {class_}"),
        element("td", one.thing, class_="strong"),
        element("td", with_code(one.message)),
        element("td", with_code(one.remedy)),
    )


def findings_section(report: Report) -> Html:
    """What is not as it should be, and what to do."""
    if report.findings:
        names = ("Severity", "Thing", "What is wrong", "What to do")
        heads = [element("th", one, class_="whole") for one in names]
        body = table("findings", heads, [finding_row(one) for one in report.findings])
    elif report.healthy:
        body = element("p", "Nothing: the pair could lose either host now and go on.")
    else:
        body = element("p", "The report names none.")
    return element("section", element("h2", "Findings"), body)


# --- drills ---------------------------------------------------------------------------------------


def counted(ids: Sequence[str], known: bool) -> object:
    """How many rows these are; a drill names the first ones only."""
    if not known:
        return marked(UNKNOWN, "bad")
    more = " or more" if len(ids) >= SHOWN else ""
    return marked(f"{len(ids)}{more}", "bad") if ids else 0


def figures(drill: Drill) -> Html:
    """The numbers of a drill."""
    read = drill.lost is not None
    lost = drill.lost if drill.lost == 0 else marked(drill.lost if read else UNKNOWN, "bad")
    outage = marked("not ended", "bad") if drill.outage_s is None else seconds(drill.outage_s)
    healthy = (
        marked("not healthy again", "bad")
        if drill.healthy_after is None
        else seconds(drill.healthy_after)
    )
    pairs: list[tuple[str, object]] = [
        ("Rows acknowledged", UNKNOWN if drill.acked is None else drill.acked),
        ("Lost", lost),
        ("There twice", counted(drill.duplicate_ids, read)),
        ("There, not acknowledged", drill.unacknowledged if read else UNKNOWN),
        ("Outage", outage),
        ("Healthy again after", healthy),
        ("Fenced by", drill.fenced_by or "nobody"),
    ]
    if drill.foreign_ids:
        pairs.insert(4, ("There, never written", counted(drill.foreign_ids, read)))
    return facts(pairs, "figures")


def rows_named(title: str, ids: Sequence[str]) -> Html:
    """The ids of rows that are not as they should be."""
    if not ids:
        return Html("")
    lines = (element("li", element("code", one)) for one in ids)
    return joined(element("p", f"{title}:"), element("ul", *lines))


def course_table(drill: Drill) -> Html:
    """The figures of the picture as text."""
    heads = [
        element("th", "What was first seen"),
        element("th", "after", class_="number"),
        element("th", "took", class_="number"),
    ]
    rows = [
        element(
            "tr",
            element("td", label_of(one)),
            element("td", seconds(one.end), class_="number"),
            element("td", seconds(one.end - one.start), class_="number"),
        )
        for one in drill.phases
    ]
    return table("phases", heads, rows)


def outage_line(drill: Drill) -> str:
    """The outage in words."""
    if drill.outage is None:
        return "When the outage was is not known."
    start = seconds(drill.outage.start)
    if drill.outage.end is None:
        return f"The last row was acknowledged {start} after the event; the outage did not end."
    return (
        f"No row was acknowledged from {start} to {seconds(drill.outage.end)} after the event: "
        f"{seconds(drill.outage.end - drill.outage.start)}."
    )


def course(drill: Drill) -> Html:
    """The time line, as a picture and as text beside it."""
    shown = picture(drill)
    if not shown:
        return Html("")
    words = element(
        "div",
        course_table(drill) if drill.phases else Html(""),
        element("p", outage_line(drill), class_="quiet"),
    )
    return element("div", element("div", shown), words, class_="course")


def drill_section(drill: Drill, at: int) -> Html:
    """One drill."""
    way = f"{drill.source} → {drill.target}" if drill.source and drill.target else ""
    parts = [element("h2", drill.name, " ", verdict(drill), " ", marked(way, "way"))]
    if drill.state == FAILED:
        message = drill.message or "It failed and did not say why."
        parts.append(element("p", with_code(message), class_="message"))
    elif drill.state == NOT_RUN:
        parts.append(element("p", "It was asked for and not run."))
    if drill.ran:
        parts += [
            figures(drill),
            rows_named("Lost rows", drill.lost_ids),
            rows_named("Rows that are there twice", drill.duplicate_ids),
            rows_named("Rows that were never written", drill.foreign_ids),
        ]
    if drill.record and drill.record not in drill.message:
        record = element("code", drill.record)
        parts.append(element("p", "All acknowledged rows are listed in ", record, "."))
    return element("section", *parts, course(drill), id=f"drill-{at}")


def as_page(report: Report) -> str:
    """The whole page."""
    title = f"{title_of(report)}: {report.active or 'no host'} is active"
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", title),
            element("style", STYLE),
        ),
        element(
            "body",
            head(report),
            findings_section(report),
            *(drill_section(one, at) for at, one in enumerate(report.drills, 1)),
            element("footer", NOTES) if report.drills else Html(""),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"
