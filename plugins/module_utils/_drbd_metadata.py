# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Whose DRBD metadata are on a disk, and what to do about them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import dataclass

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk import (
    Facts,
    Metadata,
    Triage,
    device_size,
    metadata_on,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_config import Place, Volume
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text
from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file

RECORD_FOLDER = "/var/lib/drbd"
# Contents that a person may give up, as far as nobody uses the disk.
WIPEABLE = ("foreign", "data", "drbd")
NO_UUID = "0" * 16


@dataclass(frozen=True)
class Record:
    """Which metadata this host has made or taken over, so that another disk's are told apart.

    Internal metadata go with their disk. Where they have a device of their own, data_disk, data_serial and
    data_size (bytes) say which disk they are about.
    """

    device_uuid: str
    size: int
    disk: str
    data_disk: str = ""
    data_serial: str = ""
    data_size: int = 0

    def is_about(self, data: Facts) -> bool:
        """Whether this may be the disk that external metadata were made for."""
        if data.serial and self.data_serial:
            return data.serial == self.data_serial
        # A disk that has grown is the same one; without a serial number its name has to tell.
        return not self.data_disk or (
            data.path == self.data_disk
            and data.serial == self.data_serial
            and data.size >= self.data_size
        )


def record_path(name: str, volume: int = 0) -> str:
    """Where this host remembers which metadata are its own; no resource's name can hold the mark."""
    return f"{RECORD_FOLDER}/kwdb-ha-{name}{f'@{volume}' if volume else ''}.json"


def read_record(name: str, volume: int = 0) -> Record | None:
    """What this host remembers of its metadata."""
    path = record_path(name, volume)
    text = read_text(path)
    if not text:
        return None
    try:
        return Record(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise Refused(f"{path} is damaged ({error}); look at it, then remove it by hand") from error


def write_record(name: str, record: Record, volume: int = 0) -> None:
    """Remember which metadata are this host's own."""
    path = record_path(name, volume)
    write_file(path, json.dumps(record.__dict__, sort_keys=True) + "\n")


def forget_record(name: str, volume: int = 0) -> None:
    """Forget metadata that are no more."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record_path(name, volume))


def judge_metadata(triage: Triage, record: Record | None, adopt: str, major: int) -> str:
    """Say what to do about metadata: "create", "adopt" or "kept"; refuse what is not ours."""
    facts = triage.facts
    metadata, former = facts.metadata, facts.former_metadata
    ours = record.device_uuid if record else ""
    # DRBD leaves a copy behind when it moves them itself, on a disk that has grown under it.
    moved = metadata is not None and metadata.device_uuid == ours
    if former and record and former.device_uuid == ours and not moved:
        raise Refused(
            f"{facts.path} has grown from {record.size} to {facts.size} bytes and its DRBD metadata "
            "lie at the old end. Move them with: drbdadm check-resize RESOURCE, then run again"
        )
    if metadata is None or triage.state != "drbd":
        if triage.state == "blank":
            return "create"
        raise Refused(triage.message)
    blank = facts.data_at is None and all(one.kind == "drbd" for one in facts.signatures)
    return judge_owner(triage, metadata, record, adopt, major, blank)


def judge_external(
    data: Triage, meta: Triage, record: Record | None, adopt: str, major: int
) -> str:
    """The same where the metadata have a device of their own, which alone tells whose the data are."""
    metadata = meta.facts.metadata
    if meta.state == "blank":
        if data.state == "blank":
            return "create"
        raise Refused(data.message)
    if metadata is None or meta.state != "drbd":
        raise Refused(meta.message)
    verdict = judge_owner(meta, metadata, record, adopt, major, data.state == "blank")
    if data.state not in ("blank", *WIPEABLE):
        raise Refused(data.message)
    if data.state == "blank" and not metadata.just_created:
        # DRBD would compare generations alone, find both sides equal and copy nothing.
        raise Refused(
            f"{data.facts.path} is blank, but its metadata on {meta.facts.path} say that it holds one side's data, as after "
            f"the disk was replaced: DRBD would take its zeros for the pair's data. {_give_up(meta.facts, metadata)}"
        )
    if verdict == "kept" and record and not record.is_about(data.facts):
        return _judge_other_disk(data, meta.facts, metadata, record, adopt)
    return verdict


def _give_up(meta: Facts, metadata: Metadata) -> str:
    """How to have a replaced disk filled from the other host."""
    return (
        "Give these metadata up, so that all is copied from the other host: wipe (drbd_wipe in the role) with "
        f"disk: {meta.path}, size_bytes: {meta.size}, metadata: '{metadata.device_uuid}'"
    )


def _judge_other_disk(
    data: Triage, meta: Facts, metadata: Metadata, record: Record, adopt: str
) -> str:
    """Whether metadata may be about another disk than the one that they were made for; else refuse."""
    if data.state == "blank" or adopt.lower().zfill(16) == metadata.device_uuid:
        return "adopt"
    facts = data.facts
    was = ", ".join(
        [record.data_disk, *([f"serial {record.data_serial}"] if record.data_serial else [])]
    )
    also = f", and also with disk: {facts.path}, size_bytes: {facts.size}"
    raise Refused(
        f"{facts.path} ({facts.size} bytes{f', serial {facts.serial}' if facts.serial else ''}) {data.what}, and its metadata on "
        f"{meta.path} were made for another disk ({was}, {record.data_size} bytes): DRBD would take what it holds for the "
        "pair's data. If it is that very disk under another name, say so with adopt_metadata: "
        f"'{metadata.device_uuid}' (drbd_adopt_metadata in the role). If the disk was replaced and nobody needs what the "
        f"new one holds: {_give_up(meta, metadata)}{also}"
    )


def judge_owner(
    triage: Triage,
    metadata: Metadata,
    record: Record | None,
    adopt: str,
    major: int,
    blank: bool,
) -> str:
    """Whether metadata are this host's own ("kept") or may become it ("adopt"); refuse others."""
    facts = triage.facts
    expected = "v09" if major >= 9 else "v08"
    if metadata.version != expected:
        raise Refused(
            f"{facts.path} {triage.what}, but the kernel module wants {expected}. Use the module that "
            f"wrote them, or convert them by hand while the resource is down on both hosts"
        )
    if record and metadata.device_uuid == record.device_uuid != NO_UUID:
        return "kept"
    if metadata.just_created and blank:
        # Made a moment ago by a run that was interrupted: they describe no data and hide none.
        return "adopt"
    # Tools that print the number without its leading zeros name the same metadata.
    if adopt and adopt.lower().zfill(16) == metadata.device_uuid:
        return "adopt"
    raise Refused(
        f"{facts.path} {triage.what} of a resource that this host does not know. If it is this very "
        f"pair's disk, say so with adopt_metadata: '{metadata.device_uuid}' (drbd_adopt_metadata in the "
        f"role). {triage.remedy}"
    )


def remember(run: Runner, name: str, volume: Volume, place: Place, data: Facts, major: int) -> None:
    """Write down which metadata are this host's own, and of which disk."""
    device = place.disk if place.internal else place.meta_disk
    metadata = metadata_on(device, external=not place.internal)
    if metadata is None:
        raise Refused(f"{device} shows no DRBD metadata although drbdadm has just created them")
    uuid = metadata.device_uuid
    if uuid == NO_UUID:
        # drbdmeta gives a number to internal metadata only; without one nothing would tell these from
        # another resource's.
        uuid = secrets.token_hex(8)
        form = "v09" if major >= 9 else "v08"
        where = ["internal"] if place.internal else ["flex-external"]
        run(["drbdmeta", str(volume.minor), form, device, *where, "write-dev-uuid", f"0x{uuid}"])
    about = () if place.internal else (data.path, data.serial, data.size)
    write_record(name, Record(uuid, device_size(device), device, *about), volume.number)
