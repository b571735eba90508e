"""The store: PostgreSQL's files under the data root, made once and used by one process."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from glob import glob
from typing import IO

START_MODE = "start-single-node"
BOOTSTRAP = """
CREATE SCHEMA defaultdb;
CREATE SCHEMA postgres;
CREATE SCHEMA system;
CREATE SCHEMA kwdb_internal;
CREATE TABLE kwdb_internal.cluster_settings (name text PRIMARY KEY, value text NOT NULL);
"""


class StoreError(Exception):
    """A store that must not be started on."""


def postgres_bin(version: str = "") -> str:
    """The folder of PostgreSQL's programs: of the given major version, or the newest."""
    found = glob(f"/usr/lib/postgresql/{version or '*'}/bin/postgres")
    if not found:
        raise StoreError(f"PostgreSQL {version or 'server'} is not installed on this host")
    newest = max(found, key=lambda path: int(re.sub(r"\D", "", path) or 0))
    return os.path.dirname(newest)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _sync_file_system(path: str) -> None:
    """Everything that was written to one file system, in one call instead of a thousand."""
    descriptor = os.open(path, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        raise StoreError(f"{path} cannot be synced: {os.strerror(ctypes.get_errno())}")
    os.close(descriptor)


def write_atomically(path: str, text: str) -> None:
    """Replace a file so that a power cut leaves the old or the new one."""
    with open(f"{path}.new", "w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    os.replace(f"{path}.new", path)
    _sync(os.path.dirname(path))


def lock(store: str) -> IO[str]:
    """Take the store for this process; the lock ends with the process, however it ends."""
    try:
        os.makedirs(store, mode=0o750, exist_ok=True)
        # Open, and so locked, as long as the process lives.
        handle = open(os.path.join(store, "LOCK"), "a", encoding="utf-8")  # noqa: SIM115
    except OSError as exc:
        raise StoreError(f"store {store} cannot be written: {exc.strerror}") from exc
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise StoreError(f"store {store} is in use by another process: LOCK is held") from exc
    return handle


def check(store: str) -> None:
    """Refuse a store that says that it must not be started."""
    alert = os.path.join(store, "auxiliary", "_CRITICAL_ALERT.txt")
    if os.path.exists(alert):
        with open(alert, encoding="utf-8") as source:
            raise StoreError(f"startup forbidden by {alert}: {source.read().strip()}")
    marker = os.path.join(store, "kwbase.start_mode")
    if os.path.exists(marker):
        with open(marker, encoding="utf-8") as source:
            mode = source.read().strip()
        if mode != START_MODE:
            raise StoreError(f"check start mode failed! the store was made by {mode or 'nobody'}")


def _run(argv: list[str], stdin: str = "") -> None:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode or "ERROR:" in done.stderr:
        raise StoreError(f"{os.path.basename(argv[0])} failed: {done.stderr.strip()}")


def _initialise(store: str, data: str) -> None:
    """Make PostgreSQL's files aside and put them in place in one step."""
    for unfinished in glob(os.path.join(store, "pgdata.new.*")):
        shutil.rmtree(unfinished)
    fresh = tempfile.mkdtemp(prefix="pgdata.new.", dir=store)
    tools = postgres_bin()
    _run(
        [
            os.path.join(tools, "initdb"),
            "--pgdata",
            fresh,
            "--username=root",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--wal-segsize=4",
            "--no-sync",
            "--no-instructions",
        ]
    )
    with open(os.path.join(fresh, "postgresql.conf"), "a", encoding="utf-8") as target:
        # KWDB's defaults do not wait for the disk; "kwbase sql" changes this with the settings.
        target.write("synchronous_commit = off\n")
    _run(
        [os.path.join(tools, "postgres"), "--single", "-j", "-D", fresh, "postgres"],
        "\n\n".join(line for line in BOOTSTRAP.split("\n") if line) + "\n\n",
    )
    _sync_file_system(store)
    os.rename(fresh, data)
    _sync(store)


def prepare(store: str, addresses: dict[str, str]) -> str:
    """Make the store ready for a start; PostgreSQL's folder in it."""
    check(store)
    for folder in ("auxiliary", "extern", "logs"):
        os.makedirs(os.path.join(store, folder), mode=0o750, exist_ok=True)
    data = os.path.join(store, "pgdata")
    if not os.path.isdir(data):
        _initialise(store, data)
    write_atomically(os.path.join(store, "kwbase.start_mode"), f"{START_MODE}\n")
    for name, address in addresses.items():
        with open(os.path.join(store, f"kwbase.{name}-addr"), "w", encoding="utf-8") as target:
            target.write(f"{address}\n")
    return data


def version_of(data: str) -> str:
    """The major version of PostgreSQL that made the files."""
    with open(os.path.join(data, "PG_VERSION"), encoding="ascii") as source:
        return source.read().strip()


def users_of(data: str) -> list[int]:
    """Processes that work inside PostgreSQL's folder: left behind by a server that was killed."""
    wanted, found = os.stat(data), []
    for entry in os.listdir("/proc"):
        try:
            here = os.stat(f"/proc/{entry}/cwd") if entry.isdigit() else None
        except OSError:
            continue
        if here and (here.st_dev, here.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(int(entry))
    return found


def release(data: str, patience: float = 10.0) -> None:
    """Clear the traces of a dead server; refuse while one of its processes lives.

    PostgreSQL compares the process id in postmaster.pid with living ones. After a power cut or
    on another host that number means nothing, so it is removed once nobody works in the folder:
    LOCK, which ends with its holder, already says that no other server of this store runs here.
    """
    deadline = time.monotonic() + patience
    while users_of(data):
        if time.monotonic() > deadline:
            raise StoreError(f"processes {users_of(data)} of a dead server still use {data}")
        time.sleep(0.05)
    pid_file = os.path.join(data, "postmaster.pid")
    if os.path.exists(pid_file):
        os.unlink(pid_file)
