"""Cluster settings: comparison and statements."""

from __future__ import annotations

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils._sql_client import SqlFailed
from ansible_collections.kwdb.ha.plugins.modules import kwdb_setting

CURRENT = {"ts.wal.wal_level": "2", "ts.force_sync_file.enabled": "true"}


def test_plan_sets_only_what_differs() -> None:
    wanted = {"ts.wal.wal_level": "1", "ts.force_sync_file.enabled": "true"}
    assert kwdb_setting.plan(CURRENT, wanted) == ["SET CLUSTER SETTING ts.wal.wal_level = 1"]
    assert kwdb_setting.plan({**CURRENT, **wanted}, wanted) == []


@pytest.mark.parametrize(
    ("value", "shown"), [(True, "true"), ("False", "false"), (1, "1"), (" 1m0s ", "1m0s")]
)
def test_normal(value: object, shown: str) -> None:
    assert kwdb_setting.normal(value) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1", "1"),
        ("true", "true"),
        ("1m0s", "'1m0s'"),
        ("o'clock", "'o''clock'"),
        ("1; x", "'1; x'"),
    ],
)
def test_statement(value: str, text: str) -> None:
    assert kwdb_setting.statement("a.b", value) == f"SET CLUSTER SETTING a.b = {text}"


def test_value_in() -> None:
    assert kwdb_setting.value_in(["ts.wal.wal_level", "2"], "ts.wal.wal_level") == "2"
    for lines in ([], ["a"], ["a", "1", "2"], ["a,b", "1,2"]):
        with pytest.raises(SqlFailed):
            kwdb_setting.value_in(lines, "a")


@pytest.mark.parametrize("name", ["ts.wal", "a_b.c1"])
def test_names(name: str) -> None:
    assert kwdb_setting.NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "ts", "ts.wal; DROP", "Ts.Wal", "ts..wal"])
def test_names_refused(name: str) -> None:
    assert not kwdb_setting.NAME.fullmatch(name)
