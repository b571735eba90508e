# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The time line of a drill as a picture: what a client saw above, what the cluster did below.

Places along the time are percentages and letters are pixels: the picture fits any width while its
words keep their size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator

from ansible_collections.kwdb.ha.plugins.module_utils._markup import Html, element, joined
from ansible_collections.kwdb.ha.plugins.module_utils._report import (
    OUTAGE_OVER,
    Density,
    Drill,
    Outage,
    Phase,
)

# Heights in pixels, from above.
CLIENT_TITLE, OUTAGE_TITLE, BRACKET, LANE, LANE_END = 13, 36, 43, 49, 91
CLUSTER_TITLE, FIRST_PHASE, PHASE, BAR = 117, 128, 31, 7
AXIS = 24
# Half of a phone's width takes a label of that many letters.
LABEL = 24
MOST_TICKS = 6


@dataclass(frozen=True)
class Scale:
    """Where a moment stands, in percent of the width; a little is free at both ends."""

    low: float
    high: float

    def at(self, moment: float) -> float:
        """The place of a moment."""
        return round(0.5 + 99 * (moment - self.low) / (self.high - self.low), 2)

    def ticks(self) -> Iterator[float]:
        """Few round moments."""
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span))
        steps = (power * one for one in (0.1, 0.2, 0.5, 1, 2, 5))
        step = next((one for one in steps if span / one <= MOST_TICKS), 10 * power)
        first = int(self.low / step) if self.low < 0 else 0
        yield from (one * step for one in range(first, int(self.high / step) + 1))


def seconds(value: float) -> str:
    """A time for people."""
    # The sum makes a plain zero of a negative one.
    return f"{round(value, 1) + 0.0:.1f}\u00a0s"


def short(label: str) -> str:
    """A label that fits; the table holds it whole."""
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"


def label_of(phase: Phase) -> str:
    """What ended this phase."""
    names = ("first acknowledged row" if one == OUTAGE_OVER else one for one in phase.names)
    return ", ".join(names)


def scale_of(drill: Drill) -> Scale:
    """From the first row to the last thing that is known."""
    moments = [0.0, *(one.end for one in drill.phases)]
    if drill.density:
        moments += [drill.density.start, drill.density.end]
    if drill.outage:
        moments += [drill.outage.start, drill.outage.end or 0.0]
    low, high = min(moments), max(*moments, 1.0)
    if drill.outage and drill.outage.end is None:
        high += (high - low) * 0.2  # so that the gap shows
    return Scale(low, high)


def bracketed(start: float, end: float) -> tuple[float, str]:
    """Where a label of that stretch stands so that it stays inside: place and anchor."""
    middle = (start + end) / 2
    if middle < 30:
        return start, "start"
    return (end, "end") if middle > 70 else (middle, "middle")


def place(percent: float) -> str:
    """A place as an attribute."""
    return f"{percent:g}%"


def density_shape(density: Density, scale: Scale) -> Html:
    """The acknowledged rows: one column for each stretch, all in one path."""
    peak = max(density.counts) or 1
    path = "".join(f"V{peak - one}h1" for one in density.counts)
    start = scale.at(density.start)
    return element(
        "svg",
        element("path", class_="rows", d=f"M0 {peak}{path}V{peak}z"),
        x=place(start),
        y=LANE,
        width=place(round(scale.at(density.end) - start, 2)),
        height=LANE_END - LANE,
        viewBox=f"0 0 {len(density.counts)} {peak}",
        preserveAspectRatio="none",
    )


def outage_shapes(outage: Outage, scale: Scale) -> Html:
    """The gap with its seconds above it."""
    end = scale.high if outage.end is None else outage.end
    words = (
        f"no row any more after {seconds(outage.start)}"
        if outage.end is None
        else f"no row for {seconds(end - outage.start)}"
    )
    left, right = scale.at(outage.start), scale.at(end)
    at, anchor = bracketed(left, right)
    width = place(round(right - left, 2))
    return joined(
        element("rect", class_="gap", x=place(left), y=LANE, width=width, height=LANE_END - LANE),
        element("rect", class_="bracket", x=place(left), y=BRACKET, width=width, height=2),
        element("text", words, class_="outage", x=place(at), y=OUTAGE_TITLE, text_anchor=anchor),
    )


def client_shapes(drill: Drill, scale: Scale) -> Html:
    """What a client saw."""
    title: object = "Client: when rows were acknowledged is not known"
    shapes = []
    if drill.density:
        title = (
            f"Client: rows acknowledged in each {drill.density.width:g}\u00a0s, "
            f"at most {max(drill.density.counts)}"
        )
        shapes.append(density_shape(drill.density, scale))
    if drill.outage:
        shapes.append(outage_shapes(drill.outage, scale))
    line = element("line", class_="base", x1="0", x2="100%", y1=LANE_END, y2=LANE_END)
    return joined(element("text", title, class_="lane", x="0", y=CLIENT_TITLE), *shapes, line)


def phase_shapes(phase: Phase, scale: Scale, top: int, over: bool) -> Html:
    """One phase: a bar, and what ended it with the time it took in the words above the bar."""
    left, right = scale.at(phase.start), scale.at(phase.end)
    at, anchor = (left, "start") if (left + right) / 2 < 50 else (right, "end")
    took = element("tspan", f" {seconds(phase.end - phase.start)}", class_="took")
    words = element(
        "text",
        short(label_of(phase)),
        took,
        x=place(at),
        y=top + 11,
        dx="5" if phase.start == 0 and anchor == "start" else None,  # beside the event's line
        text_anchor=anchor,
    )
    beam = element(
        "rect",
        element("title", f"{label_of(phase)}: {seconds(phase.start)} to {seconds(phase.end)}"),
        class_="bar after" if over else "bar",
        x=place(left),
        y=top + 16,
        width=place(max(0.3, round(right - left, 2))),
        height=BAR,
    )
    return joined(words, beam)


def cluster_shapes(drill: Drill, scale: Scale) -> Html:
    """What the cluster did; what comes after the outage is paler."""
    ends = [one.end for one in drill.phases if OUTAGE_OVER in one.names]
    shapes = [
        phase_shapes(one, scale, FIRST_PHASE + PHASE * at, bool(ends) and one.start >= min(ends))
        for at, one in enumerate(drill.phases)
    ]
    title = "Cluster: what was first seen, and how long it took"
    return joined(element("text", title, class_="lane", x="0", y=CLUSTER_TITLE), *shapes)


def tick_shapes(moment: float, scale: Scale, bottom: int) -> Html:
    """Lines through both lanes, not through their titles, and the time; the event stands out."""
    at = scale.at(moment)
    anchor = "start" if at < 4 else "end" if at > 96 else "middle"
    event = abs(moment) < 1e-9
    lines = (
        element(
            "line",
            class_="event" if event else "grid",
            x1=place(at),
            x2=place(at),
            y1=top,
            y2=end,
        )
        for top, end in ((LANE, LANE_END), (FIRST_PHASE, bottom))
    )
    words = "event" if event else f"{moment:g}\u00a0s"
    return joined(
        *lines,
        element("text", words, class_="tick", x=place(at), y=bottom + 15, text_anchor=anchor),
    )


def picture(drill: Drill) -> Html:
    """The whole picture, empty when nothing is known that has a time."""
    if not (drill.phases or drill.density or drill.outage):
        return Html("")
    scale = scale_of(drill)
    bottom = FIRST_PHASE + PHASE * len(drill.phases)
    return element(
        "svg",
        element("title", f"Time line of the drill {drill.name}"),
        *(tick_shapes(one, scale, bottom) for one in scale.ticks()),
        client_shapes(drill, scale),
        cluster_shapes(drill, scale),
        class_="picture",
        role="img",
        width="100%",
        height=bottom + AXIS,
    )
