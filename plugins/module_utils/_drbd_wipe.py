# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Emptying a disk because a person named that very disk: saved, erased, and proven blank."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk import (
    Facts,
    Triage,
    is_stable_name,
    judge,
    look,
)
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import open_fresh
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_metadata import WIPEABLE
from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file

SAVED_FOLDER = "/var/lib/drbd/kwdb-ha-saved"
SAVED_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Wipe:
    """A person's statement about one disk of one host."""

    host: str
    disk: str
    serial: str = ""
    size_bytes: int = 0
    metadata: str = ""


def wanted_wipes(given: Sequence[Mapping[str, Any]]) -> tuple[Wipe, ...]:
    """The statements from the module's option; refuse one that does not say which disk is meant."""
    return tuple(_wanted_wipe(one) for one in given)


def _wanted_wipe(given: Mapping[str, Any]) -> Wipe:
    """One statement."""
    wipe = Wipe(
        host=given["host"],
        disk=given["disk"],
        serial=given.get("serial") or "",
        size_bytes=given.get("size_bytes") or 0,
        metadata=given.get("metadata") or "",
    )
    if not (wipe.serial or wipe.size_bytes):
        raise Refused(
            f"wipe: name the disk's serial or its exact size too (serial, size_bytes); {wipe.disk} "
            "alone could be another disk than you think"
        )
    return wipe


def _mismatch(wipe: Wipe, facts: Facts) -> str:
    """Why the statement does not mean this disk; nothing when it does."""
    if os.path.normpath(wipe.disk) != os.path.normpath(facts.path):
        return f"wipe: disk is {wipe.disk}, but this host's disk is {facts.path}"
    if wipe.serial and wipe.serial != facts.serial:
        return f'wipe: serial is "{wipe.serial}", but the disk has "{facts.serial}"'
    if wipe.size_bytes and wipe.size_bytes != facts.size:
        return f"wipe: size_bytes is {wipe.size_bytes}, but the disk has {facts.size}"
    return ""


def _metadata_mismatch(wipe: Wipe, facts: Facts) -> str:
    """Why metadata that describe data forbid it: a statement left in an inventory must not find them."""
    for metadata in (facts.metadata, facts.former_metadata):
        # An empty statement must not be taken for the number 0, which old tools left in metadata.
        said = wipe.metadata.lower().zfill(16) if wipe.metadata else ""
        named = metadata is not None and said == metadata.device_uuid
        if metadata and not metadata.just_created and not named:
            return (
                f"wipe: the disk holds one side of a DRBD pair, with data; name it too, by metadata: "
                f"'{metadata.device_uuid}'"
            )
    return ""


def check_wipe(wipes: Sequence[Wipe], host: str, triage: Triage, refusal: Refused) -> None:
    """Let a refused disk be wiped if a person named it on this host; raise the refusal otherwise."""
    facts = triage.facts
    here = [wipe for wipe in wipes if wipe.host == host]
    named = [wipe for wipe in here if os.path.normpath(wipe.disk) == os.path.normpath(facts.path)]
    if not here:
        raise refusal
    if triage.state not in WIPEABLE:
        raise Refused(f"{refusal} wipe does not overrule this: it gives up contents, nothing else")
    wipe = (named or here)[0]
    wrong = _mismatch(wipe, facts) or _metadata_mismatch(wipe, facts)
    if wrong:
        raise Refused(f"{facts.path} {triage.what} and is not wiped. {wrong}")
    if not is_stable_name(facts.path):
        raise Refused(
            f"{facts.path} is not wiped: wipe takes a name that means the same disk after the next boot, "
            "such as one under /dev/disk/by-id"
        )


def wipe_commands(path: str) -> tuple[tuple[str, ...], ...]:
    """The commands that empty a disk; both refuse a disk that somebody holds, as nothing forces them."""
    return ("wipefs", "--all", "--quiet", path), ("blkdiscard", "--zeroout", path)


def save_ends(name: str, facts: Facts, what: str) -> str:
    """Copy the first and the last MiB of a disk to this host's root disk; the folder's path."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    os.makedirs(SAVED_FOLDER, mode=0o700, exist_ok=True)
    os.chmod(SAVED_FOLDER, 0o700)
    # One for each disk, also of those that are wiped within the same second.
    folder = tempfile.mkdtemp(prefix=f"{name}-{stamp}-", dir=SAVED_FOLDER)
    descriptor = open_fresh(facts.path)
    try:
        # A disk for metadata alone may be smaller than what is saved of others.
        length = min(SAVED_BYTES, facts.size)
        for part, offset in (("first", 0), ("last", facts.size - length)):
            data = os.pread(descriptor, length, offset)
            if len(data) != length:
                raise Refused(f"{facts.path} cannot be read at byte {offset}; nothing was wiped")
            write_file(f"{folder}/{part}-mib.img", data)
    finally:
        os.close(descriptor)
    story = {"disk": facts.path, "size_bytes": facts.size, "serial": facts.serial, "held": what}
    write_file(f"{folder}/disk.json", json.dumps(story, sort_keys=True) + "\n")
    return folder


def wipe_disk(run: Runner, name: str, seen: Triage) -> str:
    """Save both ends, erase everything and prove it; where the saved ends lie."""
    before = seen.facts
    now = look(run, before.path, former_size=before.size)
    if (now.real, now.size, now.serial, now.busy) != (
        before.real,
        before.size,
        before.serial,
        False,
    ):
        raise Refused(
            f"{before.path} is not what it was a moment ago; nothing was wiped. Run again"
        )
    folder = save_ends(name, now, seen.what)
    for argv in wipe_commands(before.path):
        run(argv, why=f"{before.path} cannot be wiped (its ends are saved in {folder})")
    after = judge(look(run, before.path), smallest=1)
    if after.state != "blank":
        raise Refused(
            f"{after.message} It was wiped a moment ago, so the disk does not keep what is written: "
            f"replace it. Its ends are saved in {folder}"
        )
    return folder
