# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import _pair_rows

DRILL = "d" * 32


def ids(*sequence: int) -> list[str]:
    """Row ids of the drill."""
    return [_pair_rows.row_id(DRILL, one) for one in sequence]


def rows(*times: float) -> list[_pair_rows.Row]:
    """Rows acknowledged at these moments."""
    return [
        _pair_rows.Row(_pair_rows.row_id(DRILL, at), time - 0.01, time)
        for at, time in enumerate(times, 1)
    ]


def test_compare_clean() -> None:
    verdict = _pair_rows.compare(DRILL, ids(1, 2, 3), ids(3, 1, 2), 3)
    assert verdict.clean
    assert (verdict.acked, verdict.present, verdict.unacknowledged) == (3, 3, 0)


def test_compare_reports_a_row_that_was_deleted_behind_its_back() -> None:
    verdict = _pair_rows.compare(DRILL, ids(1, 2, 3), ids(1, 3), 3)
    assert not verdict.clean
    assert verdict.lost == ids(2)


def test_compare_allows_a_row_whose_answer_was_cut_off() -> None:
    verdict = _pair_rows.compare(DRILL, ids(1, 3), ids(1, 2, 3), 3)
    assert verdict.clean
    assert verdict.unacknowledged == 1


def test_compare_reports_a_row_that_is_there_twice() -> None:
    verdict = _pair_rows.compare(DRILL, ids(1, 2), ids(1, 2, 2), 2)
    assert not verdict.clean
    assert verdict.duplicates == ids(2)


@pytest.mark.parametrize("stranger", ["x" * 41, _pair_rows.row_id("e" * 32, 1), *ids(9)])
def test_compare_reports_a_row_that_it_never_sent(stranger: str) -> None:
    verdict = _pair_rows.compare(DRILL, ids(1), [*ids(1), stranger], 1)
    assert not verdict.clean
    assert verdict.foreign == [stranger]


def test_an_older_row_cannot_stand_in_for_a_lost_one() -> None:
    older = [_pair_rows.row_id("e" * 32, one) for one in (1, 2, 3)]
    assert _pair_rows.compare(DRILL, ids(1, 2, 3), older, 3).lost == ids(1, 2, 3)


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_compare_loses_nothing_and_invents_nothing(acked: set[int], present: set[int]) -> None:
    verdict = _pair_rows.compare(DRILL, ids(*acked), ids(*present), 60)
    assert verdict.lost == sorted(ids(*(acked - present)))
    assert verdict.unacknowledged == len(present - acked)
    assert not verdict.foreign and not verdict.duplicates
    assert verdict.clean == (acked <= present)


@pytest.mark.parametrize(
    ("times", "event", "expected", "end"),
    [
        ((1.0, 1.1, 1.2, 9.2, 9.3), 1.15, 8.0, 8.05),
        # The event's effect comes later than the event.
        ((1.0, 1.1, 1.2, 1.3, 9.3, 9.4), 1.05, 8.0, 8.25),
        # A pause before the event is not its doing.
        ((1.0, 7.0, 7.1, 8.1, 8.2), 7.05, 1.0, 1.05),
        # Nothing was acknowledged any more.
        ((1.0, 1.1, 1.2), 1.5, None, None),
        ((), 1.0, None, None),
    ],
)
def test_outage(times: tuple[float, ...], event: float, expected: float, end: float) -> None:
    assert _pair_rows.outage(rows(*times), event) == expected
    assert _pair_rows.outage_end(rows(*times), event) == end


@pytest.mark.parametrize(
    ("times", "event", "expected"),
    [
        ((1.0, 1.1, 1.2, 9.2, 9.3), 1.15, 0.05),
        ((1.0, 1.1, 9.2), 1.5, -0.4),
        # Nothing was acknowledged any more: it began at the last row.
        ((1.0, 1.1, 1.2), 1.5, -0.3),
        ((), 1.0, None),
    ],
)
def test_outage_start(times: tuple[float, ...], event: float, expected: float | None) -> None:
    assert _pair_rows.outage_start(rows(*times), event) == expected


def test_acknowledgements() -> None:
    found = _pair_rows.acknowledgements(rows(9.81, 9.95, 10.0, 10.05, 10.49), 10.0)
    assert found == {"from_s": -0.2, "bucket_s": 0.1, "counts": [1, 1, 2, 0, 0, 0, 1]}


def test_acknowledgements_of_no_rows() -> None:
    assert _pair_rows.acknowledgements([], 10.0)["counts"] == []


@given(st.lists(st.integers(0, 10**8), min_size=1), st.integers(0, 10**8))
def test_acknowledgements_are_few_and_complete(moments: list[int], event: int) -> None:
    found = _pair_rows.acknowledgements(rows(*(at / 1000 for at in moments)), event / 1000)
    counts = found["counts"]
    assert sum(counts) == len(moments)
    assert counts[0] and counts[-1]
    assert len(counts) <= _pair_rows.MOST_BUCKETS
    # No stretch is longer than it has to be: the next shorter one is at least two fifths of it.
    assert found["bucket_s"] == 0.1 or len(counts) > _pair_rows.MOST_BUCKETS * 2 / 5 - 1
    first, width = min(moments) - event, found["bucket_s"] * 1000
    assert found["from_s"] * 1000 <= first < found["from_s"] * 1000 + width


@pytest.mark.parametrize(
    "lines",
    [
        ["id", *ids(1, 2)],
        ["id", *(f'"{one}"' for one in ids(1, 2))],
        ["# 2 rows", "id", *ids(1, 2), ""],
    ],
)
def test_present_ids(lines: list[str]) -> None:
    assert _pair_rows.present_ids(lines) == ids(1, 2)


def test_write_statements_are_one_a_line() -> None:
    insert, select, rest = _pair_rows.write_statements("t", "i").split("\n")
    assert insert.startswith("INSERT ") and insert.endswith(";")
    assert select.startswith("SELECT ") and select.endswith(";")
    assert rest == ""


def test_every_drill_has_ids_of_its_own() -> None:
    first, second = _pair_rows.new_drill_id(), _pair_rows.new_drill_id()
    assert first != second
    assert _pair_rows.table_of(first) != _pair_rows.table_of(second)
    assert _pair_rows.row_id(first, 1) != _pair_rows.row_id(second, 1)


def test_record_is_private_and_goes_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with _pair_rows.open_record(str(folder), DRILL) as record:
        record.write(json.dumps({"id": "x"}))
    assert os.stat(record.name).st_mode & 0o777 == 0o600
    assert os.stat(folder).st_mode & 0o777 == 0o700
    _pair_rows.drop_record(record.name)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("folder", "inside"),
    [("data/records", True), ("data", True), ("database", False), ("other", False)],
)
def test_on_file_system(tmp_path: Path, folder: str, inside: bool) -> None:
    mounted = tmp_path / "data"
    assert _pair_rows.on_file_system(str(tmp_path / folder), str(mounted)) is inside
    assert _pair_rows.on_file_system(str(tmp_path / folder), "") is False


def test_on_file_system_sees_through_links(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert _pair_rows.on_file_system(str(tmp_path / "link" / "records"), str(tmp_path / "data"))
