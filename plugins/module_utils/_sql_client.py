# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Talk to the database with its own command line client, bounded in time.

The second door to processes beside _command: a client that stays alive while the database behind
its address dies needs deadlines and a pipe, which run_command does not have.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import C_LOCALE

# How long a silent client is left alone before the address is asked whether anybody is there.
_SLICE_S = 0.25
_PROBE_S = 0.5
_KEPT_LINES = 20


class SqlFailed(Exception):
    """The database or its client did not do what it was asked."""


@dataclass(frozen=True)
class Client:
    """How to reach the database."""

    program: str
    address: str
    port: int
    certs_dir: str = ""
    user: str = ""

    def argv(self) -> list[str]:
        """The client's command line; no certificate folder means an insecure database."""
        return [
            self.program,
            "sql",
            f"--host={self.address}:{self.port}",
            f"--certs-dir={self.certs_dir}" if self.certs_dir else "--insecure",
            *([f"--user={self.user}"] if self.user else []),
            "--format=csv",
        ]


def reason(lines: Sequence[str]) -> str:
    """What a failed client said: the first line that names an error, else the last one."""
    spoken = [line.strip() for line in lines if line.strip()]
    named = [line for line in spoken if line.upper().startswith("ERROR")]
    return (named or spoken[-1:] or ["no output"])[0]


def reachable(client: Client, timeout: float = _PROBE_S) -> bool:
    """Whether somebody accepts connections at the address.

    Cheaper than a client, and never waits for the long retries of a connection to a dead address.
    """
    try:
        with socket.create_connection((client.address, client.port), timeout):
            return True
    except OSError:
        return False


def execute(client: Client, statements: Sequence[str], timeout: float) -> list[str]:
    """Run statements, each by itself, and return the lines of the answer."""
    argv = client.argv()
    for statement in statements:
        argv += ["-e", statement]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **C_LOCALE},
        )
    except subprocess.TimeoutExpired as exc:
        raise SqlFailed(f"{client.address}:{client.port} did not answer in {timeout:g} s") from exc
    except OSError as exc:
        raise SqlFailed(f"{client.program} cannot be run: {exc}") from exc
    if done.returncode != 0:
        said = reason((done.stdout + done.stderr).splitlines())
        raise SqlFailed(f"{client.program} sql ended with {done.returncode}: {said}")
    return done.stdout.splitlines()


def execute_patiently(
    client: Client, statements: Sequence[str], timeout: float, patience: float
) -> list[str]:
    """As execute, tried again for a while: the database may just be starting."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return execute(client, statements, timeout)
        except SqlFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


class Session:
    """One living client that is fed statements and read line by line."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rest = b""
        self.said: list[str] = []
        self._process = subprocess.Popen(
            client.argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env={**os.environ, **C_LOCALE},
        )
        if not self._process.stdin or not self._process.stdout:
            raise AssertionError("pipes were asked for")
        self._input, self._output = self._process.stdin, self._process.stdout

    def ask(
        self,
        statements: str,
        answer: str,
        limit: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Send statements; whether this line of answer came within the limit.

        Gives up at once when the client ends or nobody accepts connections any more.
        """
        deadline = time.monotonic() + limit
        try:
            self._input.write(statements.encode())
        except OSError:
            return False
        while time.monotonic() < deadline:
            lines = self._lines(_SLICE_S)
            if lines is None:
                return False
            if any(line.strip().strip('"') == answer for line in lines):
                return True
            if not lines and (stopped() or not reachable(self._client)):
                return False
        return False

    def _lines(self, wait: float) -> list[str] | None:
        """The complete lines that came, nothing at all when the client has ended."""
        ready = select.select([self._output], [], [], wait)[0]
        if not ready:
            return []
        chunk = os.read(self._output.fileno(), 65536)
        if not chunk:
            return None
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [line.decode(errors="replace") for line in whole]
        self.said = (self.said + lines)[-_KEPT_LINES:]
        return lines

    def close(self) -> None:
        """End the client, hard: it may hang on a dead connection."""
        self._process.kill()
        for pipe in (self._input, self._output):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
