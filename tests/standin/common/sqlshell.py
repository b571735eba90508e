"""`kwbase sql`: statements from options or standard input, results as text."""

from __future__ import annotations

import csv
import sys
import time
from typing import IO, Any, Iterable

from common import dialect, pgwire

FORMATS = ("csv", "tsv", "table", "records", "raw")


def _cells(row: Iterable[str | None]) -> list[str]:
    return ["NULL" if value is None else value for value in row]


def _table(outcome: pgwire.Outcome, out: IO[str]) -> None:
    rows = [outcome.columns, *(_cells(row) for row in outcome.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(outcome.columns))]
    lines = [" | ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    out.write("".join(f"  {line}\n" for line in lines))
    count = len(outcome.rows)
    out.write(f"({count} row{'' if count == 1 else 's'})\n")


def _records(outcome: pgwire.Outcome, out: IO[str]) -> None:
    width = max(len(name) for name in outcome.columns)
    for number, row in enumerate(outcome.rows, 1):
        out.write(f"-[ RECORD {number} ]\n")
        for name, value in zip(outcome.columns, _cells(row)):
            out.write(f"{name.ljust(width)} | {value}\n")


def write(outcome: pgwire.Outcome, form: str, out: IO[str]) -> None:
    """Print one result and hand it over at once: a reader on a pipe waits for it."""
    if not outcome.columns:
        out.write(f"{dialect.normal_tag(outcome.tag)}\n")
    elif form == "table":
        _table(outcome, out)
    elif form == "records":
        _records(outcome, out)
    else:
        writer: Any = csv.writer(out, delimiter="," if form == "csv" else "\t", lineterminator="\n")
        writer.writerow(outcome.columns)
        writer.writerows(_cells(row) for row in outcome.rows)
    out.flush()


def _apply_durability(connection: pgwire.Connection, name: str, value: str) -> None:
    """Make commits wait for the disk, or not, from here on and in every session."""
    values = {}
    for other in dialect.DURABILITY:
        shown = connection.query(dialect.translate(f"SHOW CLUSTER SETTING {other}")[0].sql)
        values[other] = shown.rows[0][0] or ""
    wanted = dialect.synchronous_commit({**values, name: value})
    connection.query(f"ALTER SYSTEM SET synchronous_commit = {wanted}")
    connection.query("SELECT pg_reload_conf()")
    for _attempt in range(100):
        if connection.query("SHOW synchronous_commit").rows[0][0] == wanted:
            return
        time.sleep(0.02)
    raise pgwire.ConnectionLost("the server did not take over the new setting")


def execute(connection: pgwire.Connection, statement: str, form: str, out: IO[str]) -> None:
    """Run one statement in KWDB's words and print what it gives."""
    for step in dialect.translate(statement):
        if step.setting:
            _apply_durability(connection, *step.setting)
        outcome = connection.query(step.sql)
        outcome.tag = step.tag or outcome.tag
        write(outcome, form, out)


def _statements(source: IO[str]) -> Iterable[str]:
    """Statements as they arrive; what stands before the end of input counts too."""
    pending = ""
    for line in iter(source.readline, ""):
        complete, pending = dialect.split(pending + line)
        yield from complete
    if pending.strip():
        yield pending.strip()


def run(
    connection: pgwire.Connection, texts: list[str], form: str, source: IO[str], out: IO[str]
) -> int:
    """Run everything that was asked; the first error ends it, as without a terminal."""
    try:
        if not texts:
            for statement in _statements(source):
                execute(connection, statement, form, out)
        for text in texts:
            complete, rest = dialect.split(text)
            for statement in [*complete, *([rest.strip()] if rest.strip() else [])]:
                execute(connection, statement, form, out)
    except (pgwire.SqlError, dialect.Unsupported) as exc:
        state = f"\nSQLSTATE: {exc.sqlstate}" if isinstance(exc, pgwire.SqlError) else ""
        print(f'ERROR: {exc}{state}\nFailed running "sql"', file=sys.stderr)
        return 1
    return 0
