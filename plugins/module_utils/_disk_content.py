# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""What lies inside a disk that is in no use, for the person who must decide; only ever read."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
import time

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner

NAMES_SHOWN = 6
# Marks of contents that stand on a bare device without a format that blkid knows.
MARKS = (
    (0, b"SQLite format 3\0", "an SQLite database"),
    (32, b"ORCLDISK", "an Oracle ASM disk"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x1f\x8b\x08", "a gzip file, such as a compressed backup"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file, such as a compressed backup"),
    (0, b"PGDMP", "a PostgreSQL dump"),
)
# Names by which the files of a database are known.
DATABASES = (
    ("PG_VERSION", "PostgreSQL"),
    ("ibdata1", "MySQL"),
    ("WiredTiger", "MongoDB"),
    ("auxiliary", "KWDB"),
    ("KAIWUDB_VERSION", "KWDB"),
)
# include/uapi/linux/fs.h: write out and forget the pages that are cached of a block device.
BLKFLSBUF = 0x1261
DIRECTORY_TYPE = "04"
EXT_MAGIC = 0xEF53


def parse_debugfs(text: str) -> tuple[str, ...]:
    """The names in a directory, from the output of debugfs's "ls -p"; directories end with a slash."""
    found = []
    for line in text.splitlines():
        parts = line.split("/")
        if len(parts) < 7 or parts[5] in ("", ".", "..", "lost+found"):
            continue
        found.append(parts[5] + ("/" if parts[2].startswith(DIRECTORY_TYPE) else ""))
    return tuple(sorted(found))


def mark_of(head: bytes) -> str:
    """Words for bare contents by their first bytes; nothing when no mark is known."""
    for offset, mark, words in MARKS:
        if head[offset : offset + len(mark)] == mark:
            return words
    return ""


def glimpse(run: Runner, path: str, kinds: list[str]) -> tuple[str, ...]:
    """The names at the top of an ext file system, read without mounting it; nothing for others.

    A mount would not do: even one for reading replays the journal, which writes.
    """
    if not any(re.fullmatch("ext[234]", kind) for kind in kinds) or not run.has("debugfs"):
        return ()
    try:
        return parse_debugfs(run(["debugfs", "-c", "-R", "ls -p /", path]).stdout)
    except CommandFailed:
        # Damaged, or of another kind than its first block says: the format alone is named.
        return ()


def describe_names(names: tuple[str, ...]) -> str:
    """Words for what lies in a file system."""
    if not names:
        return ""
    shown = ", ".join(names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    owners = [who for name, who in DATABASES if name in (one.rstrip("/") for one in names)]
    database = f"files of a {owners[0]} database: " if owners else "files: "
    return f"with {database}{shown}{more}"


def open_fresh(path: str) -> int:
    """Open a device for reading what is on it now.

    While DRBD holds a disk it reads and writes past the kernel's cache of it, in which an earlier reader may
    have left pages that are long out of date.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if stat.S_ISBLK(os.fstat(descriptor).st_mode):
            fcntl.ioctl(descriptor, BLKFLSBUF, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_head(path: str, length: int = 512) -> bytes:
    """The first bytes of a device."""
    descriptor = open_fresh(path)
    try:
        return os.pread(descriptor, length, 0)
    finally:
        os.close(descriptor)


def ext_last_write(head: bytes) -> str:
    """When an ext file system was last written, as its superblock says; nothing for other contents."""
    if len(head) < 2048 or struct.unpack_from("<H", head, 1024 + 56)[0] != EXT_MAGIC:
        return ""
    (seconds,) = struct.unpack_from("<I", head, 1024 + 48)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""


def last_write(path: str) -> str:
    """When the ext file system on a device was last written, also while DRBD holds it."""
    try:
        return ext_last_write(read_head(path, 2048))
    except OSError:
        return ""
