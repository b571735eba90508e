# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Saved configurations on the host: for root alone, named by time and version, the oldest go."""

from __future__ import annotations

import os
import re
import time

from ansible_collections.kwdb.ha.plugins.module_utils import _cib
from ansible_collections.kwdb.ha.plugins.module_utils._declaration import DeclarationInvalid
from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file

# A configuration that was saved before a restore is no place to go back to unless it is named:
# the same restore once more would undo itself.
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d+)\.(\d+)\.(\d+)(-restore)?\.xml")


class SnapshotInvalid(DeclarationInvalid):
    """There is no such saved configuration, or it cannot be read."""


def save(folder: str, text: str, version: str, restoring: bool) -> str:
    """Write the text where only root may read it; returns the path."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)  # the folder may be older than this rule, or the umask odd
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = os.path.join(folder, f"{stamp}-{version}{'-restore' if restoring else ''}.xml")
    write_file(path, text)
    return path


def names(folder: str) -> list[str]:
    """The saved configurations in the folder, the oldest first."""
    try:
        found = [(_NAME.fullmatch(one), one) for one in os.listdir(folder)]
    except FileNotFoundError:
        return []
    known = [(said, one) for said, one in found if said is not None]
    # Within one second the version tells the order, as numbers.
    known.sort(key=lambda one: (one[0].group(1), *(int(one[0].group(n)) for n in (2, 3, 4))))
    return [one for _said, one in known]


def prune(folder: str, keep: int) -> None:
    """Remove the oldest; keep is how many stay."""
    found = names(folder)
    for name in found[: max(0, len(found) - keep)]:
        os.unlink(os.path.join(folder, name))


def choose(folder: str, wanted: str = "") -> str:
    """The path of the wanted saved configuration, of the newest when none is named."""
    if wanted:
        path = os.path.join(folder, wanted)  # an absolute path stays as it is
        if os.path.isfile(path):
            return path
        raise SnapshotInvalid(
            f"snapshot: there is no {path}; saved are: {', '.join(names(folder)) or 'none'}"
        )
    found = [one for one in names(folder) if not one.endswith("-restore.xml")]
    if not found:
        raise SnapshotInvalid(
            f"snapshot: nothing is saved in {folder}; a configuration is saved on the host that"
            " changes it, before each change"
        )
    return os.path.join(folder, found[-1])


def load(path: str) -> str:
    """The text of a saved configuration, which must be one."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        _cib.parse(text)
    except (OSError, UnicodeDecodeError, _cib.CibInvalid) as exc:
        raise SnapshotInvalid(f"snapshot: {path} cannot be read: {exc}") from exc
    return text
