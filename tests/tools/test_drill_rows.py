# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's rows for real: written by the real client, to a server that is killed and comes back.

The server is the KWDB stand-in on a loopback port; no cluster runs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest
from test_standin import (  # noqa: F401
    DURABLE,
    NODE,
    Server,
    debs,
    fresh,
    home,
    kwbase,
    secure,
    server,
)

from ansible_collections.kwdb.ha.plugins.module_utils import _pair_rows, _sql_client

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="starts the server as another user")


class Scene:
    """A writer at work on a server."""

    def __init__(self, server: Server, folder: Path) -> None:  # noqa: F811
        certs = str(server.certs) if server.secure else ""
        self.server = server
        self.client = _sql_client.Client(str(server.program), NODE, server.port, certs)
        self.drill = _pair_rows.new_drill_id()
        self.table = _pair_rows.table_of(self.drill)
        self.record = _pair_rows.open_record(str(folder), self.drill)
        self.sql(*_pair_rows.table_statements(self.table))
        self.writer = _pair_rows.Writer(
            self.client, self.table, self.drill, self.record, interval=0.02
        )

    def sql(self, *statements: str) -> list[str]:
        """Run statements by the module's own way."""
        return _sql_client.execute_patiently(self.client, statements, 20, 20)

    def end(self) -> _pair_rows.Verdict:
        """Stop writing and compare."""
        self.writer.stop()
        acked = [row.id for row in self.writer.rows]
        present = _pair_rows.present_ids(self.sql(f"SELECT id FROM {self.table}"))
        return _pair_rows.compare(self.drill, acked, present, self.writer.sequence)


@pytest.fixture
def scene(server: Server, tmp_path: Path) -> Iterator[Scene]:  # noqa: F811
    """A writer that writes, secure and insecure."""
    yield from _writing(server, tmp_path)


@pytest.fixture
def secure_scene(secure: Server, tmp_path: Path) -> Iterator[Scene]:  # noqa: F811
    """A writer that writes to a secure server."""
    yield from _writing(secure, tmp_path)


def _writing(server: Server, folder: Path) -> Iterator[Scene]:  # noqa: F811
    server.sql(*DURABLE)
    found = Scene(server, folder)
    found.writer.start()
    assert found.writer.wait_for(10, 20), found.writer.last_error
    yield found
    found.writer.stop()
    found.record.close()


def test_rows_come_several_a_second_and_are_all_there(scene: Scene) -> None:
    before = len(scene.writer.rows)
    time.sleep(2)
    assert len(scene.writer.rows) - before >= 20
    verdict = scene.end()
    assert verdict.clean
    assert verdict.acked == verdict.present == len(scene.writer.rows)
    assert len(Path(scene.record.name).read_text().splitlines()) == verdict.acked


@pytest.mark.parametrize("pause", [0.0, 2.0])
def test_no_row_is_lost_when_the_server_is_killed(secure_scene: Scene, pause: float) -> None:
    scene = secure_scene
    event = time.monotonic()
    scene.server.end(signal.SIGKILL)
    time.sleep(pause)
    scene.server.start()
    assert scene.writer.wait_for(10, 30), scene.writer.last_error
    verdict = scene.end()
    assert verdict.clean, verdict
    outage = _pair_rows.outage(scene.writer.rows, event)
    assert outage is not None and pause < outage < pause + 15


def test_the_writer_notices_when_the_server_hangs_and_comes_back(secure_scene: Scene) -> None:
    scene = secure_scene
    frozen = scene.server.postgres()
    event = time.monotonic()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    assert scene.writer.wait_for(10, 30), scene.writer.last_error
    outage = _pair_rows.outage(scene.writer.rows, event)
    assert outage is not None and 2.5 < outage < 6
    assert scene.end().clean


def test_a_row_deleted_behind_its_back_is_reported_as_lost(secure_scene: Scene) -> None:
    scene = secure_scene
    victim = scene.writer.rows[3].id
    scene.server.sql(f"DELETE FROM {scene.table} WHERE id = '{victim}'")
    assert scene.writer.wait_for(5, 20)
    verdict = scene.end()
    assert not verdict.clean
    assert verdict.lost == [victim]


def test_a_row_written_twice_is_reported(secure_scene: Scene) -> None:
    scene = secure_scene
    twin = scene.writer.rows[3].id
    scene.server.sql(f"INSERT INTO {scene.table} (id) VALUES ('{twin}')")
    assert scene.end().duplicates == [twin]


def test_stopping_does_not_wait_for_a_dead_server(secure_scene: Scene) -> None:
    scene = secure_scene
    scene.server.end(signal.SIGKILL)
    time.sleep(0.5)
    begin = time.monotonic()
    scene.writer.stop()
    assert time.monotonic() - begin < 3


def test_execute_says_what_the_database_said(secure_scene: Scene) -> None:
    with pytest.raises(_sql_client.SqlFailed, match="no_such_table"):
        _sql_client.execute(secure_scene.client, ["SELECT 1 FROM no_such_table"], 20)


def test_execute_is_bounded(tmp_path: Path) -> None:
    program = tmp_path / "kwbase"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    client = _sql_client.Client(str(program), NODE, 1)
    begin = time.monotonic()
    with pytest.raises(_sql_client.SqlFailed, match=r"did not answer in 0\.3 s"):
        _sql_client.execute(client, ["SELECT 1"], 0.3)
    assert time.monotonic() - begin < 3


def test_execute_names_a_client_that_is_not_there() -> None:
    client = _sql_client.Client("/nonexistent/kwbase", NODE, 1)
    with pytest.raises(_sql_client.SqlFailed, match="/nonexistent/kwbase cannot be run"):
        _sql_client.execute(client, ["SELECT 1"], 1)


def test_execute_patiently_bears_a_server_that_starts(secure_scene: Scene) -> None:
    scene = secure_scene
    scene.server.end(signal.SIGKILL)

    def come_back() -> None:
        time.sleep(1)
        scene.server.start()

    back = threading.Thread(target=come_back)
    back.start()
    assert scene.sql("SELECT 1 AS one")[-1] == "1"
    back.join()
