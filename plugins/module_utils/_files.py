# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Files that nobody ever sees half written, and what tells whether two are equal."""

from __future__ import annotations

import hashlib
import os


def checksum(path: str) -> str:
    """SHA-256 of a small file."""
    with open(path, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()


def write_file(path: str, content: str | bytes, mode: int = 0o600) -> None:
    """Put a file in place in one step; it never exists with wider rights than its mode."""
    # The leading dot keeps the half-written file out of includes such as *.res. The name is always the
    # same, so that what a killed run has left there is gone after the next one.
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(content.encode() if isinstance(content, str) else content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
