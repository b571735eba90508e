# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Files of a host's DRBD configuration: read whole, replaced in one step, seen by root alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from typing import Iterator

from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file

CONFIG_ROOT = "/etc"
DEFAULT_CONFIG = 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n'


def parser_message(text: str) -> str:
    """What drbdadm says of the copy of the configuration, in terms of the real files."""
    wanted = " ".join(text.split()).strip(" .")
    return re.sub(r"(?<!\S)\S*drbd\.d/", f"{CONFIG_ROOT}/drbd.d/", wanted)


def resource_path(name: str) -> str:
    """Where the resource's file lies."""
    return f"{CONFIG_ROOT}/drbd.d/{name}.res"


def read_text(path: str) -> str:
    """The text of a file, nothing when there is no such file."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


@contextlib.contextmanager
def assembled_config(name: str, text: str) -> Iterator[str]:
    """A copy of this host's whole DRBD configuration with the new text in place of the old."""
    # In memory, so that no secret survives the next boot even if this run is killed.
    folder = tempfile.mkdtemp(prefix="kwdb-ha-drbd-", dir="/run")
    try:
        parts = os.path.join(folder, "drbd.d")
        os.mkdir(parts, 0o700)
        live = f"{CONFIG_ROOT}/drbd.d"
        for entry in os.listdir(live) if os.path.isdir(live) else []:
            source = os.path.join(live, entry)
            if entry != f"{name}.res" and entry[0] != "." and os.path.isfile(source):
                shutil.copyfile(source, os.path.join(parts, entry))
        write_file(os.path.join(parts, f"{name}.res"), text)
        top = os.path.join(folder, "drbd.conf")
        write_file(top, read_text(f"{CONFIG_ROOT}/drbd.conf") or DEFAULT_CONFIG)
        yield top
    finally:
        shutil.rmtree(folder)
