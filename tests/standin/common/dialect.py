"""KWDB's words in PostgreSQL's: databases are schemas of one PostgreSQL database."""

from __future__ import annotations

import re
from dataclasses import dataclass

SYSTEM_SCHEMA = "kwdb_internal"

# name -> (type, default). The stand-in knows those that decide about lost rows and a few to look at.
SETTINGS: dict[str, tuple[str, str]] = {
    "cluster.organization": ("s", ""),
    "kv.raft_log.disable_synchronization_unsafe": ("b", "false"),
    "server.shutdown.drain_wait": ("d", "0s"),
    "server.shutdown.query_wait": ("d", "10s"),
    "ts.force_sync_file.enabled": ("b", "false"),
    "ts.raft_log.sync_period": ("d", "0s"),
    "ts.wal.checkpoint_interval": ("d", "1m0s"),
    "ts.wal.wal_level": ("i", "2"),
}
DURABILITY = ("ts.wal.wal_level", "ts.force_sync_file.enabled")

_NAME = r'(?:"[^"]+"|[A-Za-z_]\w*)'
_FLAGS = re.IGNORECASE | re.DOTALL


class Unsupported(Exception):
    """A statement that the stand-in does not know."""


@dataclass(frozen=True)
class Step:
    """One PostgreSQL statement, or a durability setting that must take effect before it."""

    sql: str
    tag: str | None = None
    setting: tuple[str, str] | None = None


def _skip(text: str, start: int) -> int:
    """The end of the quoted text or comment that begins at start; start itself when none does."""
    for opening, closing in (("'", "'"), ('"', '"'), ("--", "\n"), ("/*", "*/")):
        if text.startswith(opening, start):
            end = text.find(closing, start + len(opening))
            return len(text) if end < 0 else end + len(closing)
    return start


def split(text: str) -> tuple[list[str], str]:
    """Complete statements, and what follows the last semicolon."""
    statements, begin, at = [], 0, 0
    while at < len(text):
        end = _skip(text, at)
        if end > at:
            at = end
            continue
        if text[at] == ";":
            statements.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    return [statement for statement in statements if statement], text[begin:]


def outside_quotes(pattern: str, replacement: str, text: str) -> str:
    """Replace only where no quoted text is touched."""
    parts = re.split(r"('(?:[^']|'')*'|\"[^\"]*\")", text)
    parts[::2] = [re.sub(pattern, replacement, part, flags=_FLAGS) for part in parts[::2]]
    return "".join(parts)


def literal(value: str) -> str:
    """A quoted SQL string."""
    return "'" + value.replace("'", "''") + "'"


def _value(name: str, raw: str) -> str:
    """A cluster setting's value in its normal form; refuses what does not fit its type."""
    kind, default = SETTINGS[name]
    text = raw.strip().strip("'")
    if text.upper() == "DEFAULT":
        return default
    if kind == "b":
        words = {"true": "true", "on": "true", "1": "true", "t": "true"}
        words.update({"false": "false", "off": "false", "0": "false", "f": "false"})
        if text.lower() not in words:
            raise Unsupported(f"{name} needs a boolean, not {text}")
        return words[text.lower()]
    if kind == "i" and not re.fullmatch(r"-?\d+", text):
        raise Unsupported(f"{name} needs an integer, not {text}")
    if name == "ts.wal.wal_level" and text not in ("0", "1", "2", "3"):
        raise Unsupported(f"{name} must be 0, 1, 2 or 3")
    return text


def _known(name: str) -> str:
    name = name.lower()
    if name not in SETTINGS:
        raise Unsupported(f"unknown cluster setting '{name}'")
    return name


def _stored(name: str) -> str:
    table = f"{SYSTEM_SCHEMA}.cluster_settings"
    default = literal(SETTINGS[name][1])
    return f"coalesce((SELECT value FROM {table} WHERE name = {literal(name)}), {default})"


def _set_setting(name: str, raw: str) -> list[Step]:
    """Store the value; what it means for commits takes effect first.

    Rows are as safe as KWDB promises only with both settings: anything less answers
    before the row is on disk, so that a test can see the difference.
    """
    name = _known(name)
    value = _value(name, raw)
    table = f"{SYSTEM_SCHEMA}.cluster_settings"
    store = (
        f"INSERT INTO {table} (name, value) VALUES ({literal(name)}, {literal(value)}) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    tag = "SET CLUSTER SETTING"
    return [Step(store, tag, (name, value) if name in DURABILITY else None)]


def _show_setting(name: str) -> list[Step]:
    if name.lower() == "version":
        return [Step("SELECT 'stand-in' AS version")]
    name = _known(name)
    cast = "::boolean" if SETTINGS[name][0] == "b" else ""
    return [Step(f'SELECT ({_stored(name)}){cast} AS "{name}"')]


def _show_all() -> list[Step]:
    rows = ", ".join(
        f"({literal(name)}, {_stored(name)}, {literal(kind)})"
        for name, (kind, _default) in sorted(SETTINGS.items())
    )
    return [Step(f"SELECT * FROM (VALUES {rows}) AS s (variable, value, setting_type)")]


def _create_table(statement: str) -> list[Step]:
    """Types as KWDB has them; the tags of a time-series table become plain columns."""
    tags = re.search(
        rf"\)\s*(?:TAGS|ATTRIBUTES)\s*\((.*)\)\s*PRIMARY\s+(?:TAGS|ATTRIBUTES)\s*"
        rf"\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*(?:\w+\s+\w+\s*)*$",
        statement,
        _FLAGS,
    )
    if tags:
        statement = f"{statement[: tags.start()]}, {tags.group(1)})"
    for pattern, replacement in (
        (r"\bINT(?:EGER)?\b(?!\s*\()", "INT8"),
        (r"\b(?:STRING|NCHAR|NVARCHAR|GEOMETRY)\b", "VARCHAR"),
        (r"\b(?:BYTES|VARBYTES)\b", "BYTEA"),
    ):
        statement = outside_quotes(pattern, replacement, statement)
    return [Step(statement, "CREATE TABLE")]


def _create_database(found: re.Match) -> list[Step]:
    exists = "IF NOT EXISTS " if found.group(1) else ""
    return [Step(f"CREATE SCHEMA {exists}{found.group(2)}", "CREATE DATABASE")]


def _drop_database(found: re.Match) -> list[Step]:
    exists = "IF EXISTS " if found.group(1) else ""
    behaviour = (found.group(3) or "CASCADE").upper()
    return [Step(f"DROP SCHEMA {exists}{found.group(2)} {behaviour}", "DROP DATABASE")]


def _show_databases(_found: re.Match) -> list[Step]:
    return [
        Step(
            "SELECT nspname AS database_name FROM pg_namespace WHERE nspname !~ '^pg_' "
            f"AND nspname NOT IN ('information_schema', 'public', '{SYSTEM_SCHEMA}') ORDER BY 1"
        )
    ]


def _show_tables(found: re.Match) -> list[Step]:
    schema = literal(found.group(1).strip('"')) if found.group(1) else "current_schema()"
    return [
        Step(
            "SELECT tablename AS table_name FROM pg_tables "
            f"WHERE schemaname = {schema} ORDER BY tablename"
        )
    ]


_RULES = (
    (rf"CREATE\s+(?:TS\s+)?DATABASE\s+(IF\s+NOT\s+EXISTS\s+)?({_NAME})", _create_database),
    (
        rf"DROP\s+DATABASE\s+(IF\s+EXISTS\s+)?({_NAME})(?:\s+(CASCADE|RESTRICT))?",
        _drop_database,
    ),
    (
        rf"(?:USE|SET\s+DATABASE\s*=|SET\s+DATABASE\s+TO)\s+({_NAME})",
        lambda found: [Step(f"SET search_path TO {found.group(1)}", "SET")],
    ),
    (r"SHOW\s+DATABASES", _show_databases),
    (rf"SHOW\s+TABLES(?:\s+FROM\s+({_NAME}))?", _show_tables),
    (
        r"SET\s+CLUSTER\s+SETTING\s+([\w.]+)\s*(?:=|\s+TO\s+)\s*(.+)",
        lambda found: _set_setting(found.group(1), found.group(2)),
    ),
    (
        r"RESET\s+CLUSTER\s+SETTING\s+([\w.]+)",
        lambda found: _set_setting(found.group(1), "DEFAULT"),
    ),
    (r"SHOW\s+ALL\s+CLUSTER\s+SETTINGS", lambda _found: _show_all()),
    (r"SHOW\s+CLUSTER\s+SETTING\s+([\w.]+)", lambda found: _show_setting(found.group(1))),
)


def translate(statement: str) -> list[Step]:
    """The PostgreSQL statements that do what a KWDB statement asks for."""
    for pattern, rule in _RULES:
        found = re.fullmatch(pattern, statement.strip(), _FLAGS)
        if found:
            return rule(found)
    if re.match(r"(UPSERT|BACKUP|RESTORE|IMPORT|EXPORT)\b", statement, re.IGNORECASE):
        raise Unsupported(f"the stand-in has no {statement.split()[0].upper()}")
    # Three-level names: database.public.table is schema.table here.
    statement = outside_quotes(rf"({_NAME})\.public\.({_NAME})", r"\1.\2", statement)
    if re.match(r"CREATE\s+TABLE\b", statement, _FLAGS):
        return _create_table(statement)
    return [Step(statement)]


def normal_tag(tag: str) -> str:
    """PostgreSQL's tag in KWDB's words: INSERT has no object id."""
    return re.sub(r"^INSERT 0 ", "INSERT ", tag)


def synchronous_commit(values: dict[str, str]) -> str:
    """What the durability settings mean for a commit."""
    safe = values.get("ts.wal.wal_level") == "1" and values.get("ts.force_sync_file.enabled")
    return "on" if safe == "true" else "off"
