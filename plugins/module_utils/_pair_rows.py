# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Rows written through the virtual IP while something happens to the pair, and what became of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Any, Iterator, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _sql_client

# The first answer of a new client may need the database to warm up; an answer of a living one
# that takes longer than this counts as an outage anyway.
_FIRST_ANSWER_S = 15.0
_ANSWER_S = 5.0
_RETRY_S = 0.05
_NO_PAUSE_S = 1.0
# A report shows when rows were acknowledged: more numbers than a picture has columns say no more.
MOST_BUCKETS = 150
_SMALLEST_BUCKET_MS = 100


@dataclass(frozen=True)
class Row:
    """One acknowledged row; the times are monotonic seconds on the host that wrote it."""

    id: str
    sent: float
    acked: float


@dataclass(frozen=True)
class Verdict:
    """What became of the acknowledged rows."""

    acked: int
    present: int
    lost: list[str]
    duplicates: list[str]
    foreign: list[str]
    unacknowledged: int

    @property
    def clean(self) -> bool:
        """Every acknowledged row is there exactly once and nothing else is."""
        return not (self.lost or self.duplicates or self.foreign)


def new_drill_id() -> str:
    """An id that no other drill has."""
    return uuid.uuid4().hex


def row_id(drill: str, sequence: int) -> str:
    """The id of one row; unique to the drill, so no older row can stand in for a lost one."""
    return f"{drill}-{sequence:08d}"


def compare(drill: str, acked: Sequence[str], present: Sequence[str], last: int) -> Verdict:
    """Compare what was acknowledged with what is in the table.

    A row that was sent but not acknowledged may be there or not; a row twice may not, and no row
    that the drill never sent, the last sequence being the highest that it did.
    """
    counts = Counter(present)
    sent = {row_id(drill, sequence) for sequence in range(1, last + 1)}
    known = set(acked)
    return Verdict(
        acked=len(known),
        present=len(present),
        lost=sorted(known - set(counts)),
        duplicates=sorted(one for one, count in counts.items() if count > 1),
        foreign=sorted(set(counts) - sent),
        unacknowledged=len((set(counts) & sent) - known),
    )


def present_ids(lines: Sequence[str], header: str = "id") -> list[str]:
    """The ids in the client's answer to a SELECT of one column."""
    values = [line.strip().strip('"') for line in lines]
    return [value for value in values if value and value != header and not value.startswith("#")]


def gaps(rows: Sequence[Row], event: float) -> list[tuple[float, float]]:
    """The times between acknowledgements that end after the event began: length and end."""
    times = sorted(row.acked for row in rows)
    return [(later - earlier, later) for earlier, later in zip(times, times[1:]) if later > event]


def outage(rows: Sequence[Row], event: float) -> float | None:
    """The longest time without an acknowledgement that ends after the event began.

    Nothing when no row was acknowledged after it: the outage has not ended.
    """
    found = gaps(rows, event)
    return round(max(found)[0], 2) if found else None


def interrupted(rows: Sequence[Row], event: float) -> bool:
    """Whether the longest time without an acknowledgement is more than the pauses that there are anyway.

    Those before the event tell: twice as long as the longest of them is no accident. A whole second never is.
    """
    found = gaps(rows, event)
    before = [length for length, end in gaps(rows, -math.inf) if end <= event]
    usual = min(2 * max(before, default=0.0), _NO_PAUSE_S)
    return bool(found) and max(found)[0] > usual


def outage_end(rows: Sequence[Row], event: float) -> float | None:
    """Seconds from the event to the acknowledgement that ended the outage."""
    found = gaps(rows, event)
    return round(max(found)[1] - event, 2) if found else None


def outage_start(rows: Sequence[Row], event: float) -> float | None:
    """Seconds from the event to the acknowledgement before the outage, negative when it came first.

    The last one when the outage did not end, nothing when no row was ever acknowledged.
    """
    found = gaps(rows, event)
    if found:
        length, end = max(found)
        return round(end - length - event, 2)
    return round(max(row.acked for row in rows) - event, 2) if rows else None


def _widths() -> Iterator[int]:
    """Round widths of a bucket in milliseconds, without an end."""
    for power in itertools.count():
        yield from (_SMALLEST_BUCKET_MS * 10**power * step for step in (1, 2, 5))


def acknowledgements(rows: Sequence[Row], event: float) -> dict[str, Any]:
    """How many rows were acknowledged when, in buckets that begin at multiples of their width.

    Whole milliseconds decide, so that the event is the border between two buckets.
    """
    moments = [round((row.acked - event) * 1000) for row in rows]
    if not moments:
        return {"from_s": 0.0, "bucket_s": _SMALLEST_BUCKET_MS / 1000, "counts": []}
    first, last = min(moments), max(moments)
    width = next(one for one in _widths() if last // one - first // one < MOST_BUCKETS)
    found = Counter(moment // width for moment in moments)
    return {
        "from_s": first // width * width / 1000,
        "bucket_s": width / 1000,
        "counts": [found[at] for at in range(first // width, last // width + 1)],
    }


def table_of(drill: str) -> str:
    """The table of a drill."""
    return f"kwdb_ha_drill_{drill[:12]}"


def table_statements(table: str) -> list[str]:
    """Make the drill's table.

    No primary key on the id: a row that came in twice has to show.
    """
    return [
        f"CREATE TABLE {table} (id VARCHAR(64) NOT NULL)",
        f"CREATE INDEX {table}_id ON {table} (id)",
    ]


def write_statements(table: str, identity: str) -> str:
    """Write a row, then read it back: its answer proves that the write before it was committed.

    One statement a line: the client runs each line by itself, so the two are two transactions.
    """
    return (
        f"INSERT INTO {table} (id) VALUES ('{identity}');\n"
        f"SELECT id FROM {table} WHERE id = '{identity}';\n"
    )


@dataclass
class Writer:
    """Writes rows one after the other through the address, each acknowledged by itself."""

    client: _sql_client.Client
    table: str
    drill: str
    record: IO[str]
    interval: float = 0.1
    rows: list[Row] = field(default_factory=list)
    sequence: int = 0
    attempts: int = 0
    last_error: str = ""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Stop writing; when this returns, nothing is in flight any more."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, count: int, timeout: float) -> bool:
        """Wait until that many more rows are acknowledged."""
        goal = len(self.rows) + count
        deadline = time.monotonic() + timeout
        while len(self.rows) < goal:
            if time.monotonic() > deadline or not self._thread.is_alive():
                return False
            time.sleep(0.05)
        return True

    def _run(self) -> None:
        """Write until told to stop, with a new client whenever the old one is of no use."""
        session = None
        limit = _FIRST_ANSWER_S
        try:
            while not self._stop.is_set():
                if session is None:
                    if not _sql_client.reachable(self.client):
                        self.last_error = "nobody accepts connections"
                        self._stop.wait(_RETRY_S)
                        continue
                    session = _sql_client.Session(self.client)
                    limit = _FIRST_ANSWER_S
                if self._write(session, limit):
                    limit = _ANSWER_S
                    self._stop.wait(max(0.0, self.rows[-1].sent + self.interval - time.monotonic()))
                else:
                    self.last_error = _sql_client.reason(session.said)
                    session.close()
                    session = None
                    self._stop.wait(_RETRY_S)
        except OSError as exc:
            self.last_error = str(exc)
        finally:
            if session is not None:
                session.close()

    def _write(self, session: _sql_client.Session, limit: float) -> bool:
        """Write one row; a row that was not acknowledged is never sent again."""
        self.sequence += 1
        identity = row_id(self.drill, self.sequence)
        sent = time.monotonic()
        statements = write_statements(self.table, identity)
        if not session.ask(statements, identity, limit, self._stop.is_set):
            return False
        row = Row(identity, round(sent, 3), round(time.monotonic(), 3))
        self.record.write(json.dumps(vars(row)) + "\n")
        self.record.flush()
        self.rows.append(row)
        return True


def open_record(directory: str, drill: str) -> IO[str]:
    """The file for the acknowledged ids: on this host's own disk, only for root."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, f"drill-{drill}.jsonl")
    return open(path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600))


def drop_record(path: str) -> None:
    """Leave nothing of the list, nor the folder if nothing else is in it."""
    os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def on_file_system(directory: str, mounted: str) -> bool:
    """Whether a folder lies below the place where a file system is mounted."""
    if not mounted:
        return False
    place = os.path.realpath(mounted)
    return os.path.commonpath([os.path.realpath(directory), place]) == place
