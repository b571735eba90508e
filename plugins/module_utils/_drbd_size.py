# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Whether a disk that takes the place of another one can hold what the other side holds; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.kwdb.ha.plugins.module_utils._disk import (
    MD_BLOCK,
    Metadata,
    metadata_bytes,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused, VolumeState


def usable_bytes(backing: int, internal: bool) -> int:
    """How large a device can be on a backing disk, with the metadata of one peer at its end."""
    return backing - (metadata_bytes(backing) if internal else 0)


def backing_bytes(usable: int, internal: bool) -> int:
    """How large a backing disk must be for a device of so many bytes."""
    backing = -(-usable // MD_BLOCK) * MD_BLOCK
    # The metadata grow with the disk that they are on.
    while usable_bytes(backing, internal) < usable:
        backing += MD_BLOCK
    return backing


def agreed_bytes(state: VolumeState | None, metadata: Metadata | None) -> int:
    """How large both sides have last agreed a volume to be; 0 when it has never been in use."""
    if state and state.attached and state.size_kib:
        return state.size_kib * 1024
    if metadata is None or metadata.just_created:
        return 0
    return metadata.data_bytes or metadata.data_end


def needed_bytes(
    number: int, state: VolumeState | None, peer: Mapping[str, Any] | None
) -> int | None:
    """How large the device of a volume must be, as the other host knows it; None when nobody has asked it."""
    # A kernel that has lost its disk still has the size from the other side.
    here = state.size_kib * 1024 if state else 0
    if not peer:
        return here or None
    if peer.get("just_created"):
        return here
    there = [one["agreed_bytes"] for one in peer.get("volumes") or () if one["volume"] == number]
    return max([here, *there])


def check_size(
    thing: str, disk: str, size: int, internal: bool, needed: int | None, former: int
) -> None:
    """Refuse a fresh disk that is smaller than what it is to hold.

    former is the size of the disk that was there before, for when the other host could not be asked.
    """
    if needed is None:
        if size < former:
            raise Refused(
                f"{disk} has {size} bytes, and the disk that was there before had {former}: {thing} may not fit. "
                f"Use a disk of at least {former} bytes, or run for both hosts (without --limit; peer), so that "
                "the other one tells what is needed. Nothing was changed"
            )
        return
    least = backing_bytes(needed, internal)
    if size < least:
        raise Refused(
            f"{disk} has {size} bytes, too few for {thing}: the other host holds {needed} bytes of it, for which the "
            f"disk must have at least {least}. Use a disk or logical volume of that size or larger. Nothing was "
            "changed"
        )
