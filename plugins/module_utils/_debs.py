# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Debian packages as files: what they say of themselves, and which of them a host needs."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from dataclasses import dataclass
from typing import IO, Iterable, Iterator, Sequence

AR_MAGIC = b"!<arch>\n"


class PackagesError(Exception):
    """A folder that does not hold what a host needs."""


class CompressionUnknown(PackagesError):
    """A package whose compression this Python cannot read."""


@dataclass(frozen=True)
class Package:
    """One package file."""

    name: str
    version: str
    architecture: str
    path: str


def fields_of(text: str) -> dict[str, str]:
    """The fields of a control paragraph; continuation lines are left out."""
    pairs = (line.partition(":") for line in text.splitlines() if line[:1].strip() and ":" in line)
    return {name: value.strip() for name, _colon, value in pairs}


def paragraphs_of(text: str) -> list[dict[str, str]]:
    """The paragraphs of a Packages index."""
    return [fields_of(part) for part in text.split("\n\n") if part.strip()]


def members_of(source: IO[bytes]) -> Iterator[tuple[str, int]]:
    """Names and sizes in an ar archive; the source stands at each member's content."""
    if source.read(len(AR_MAGIC)) != AR_MAGIC:
        raise PackagesError("it is not a Debian package")
    while True:
        head = source.read(60)
        if len(head) < 60:
            return
        begin, size = source.tell(), int(head[48:58])
        yield head[:16].decode().strip().rstrip("/"), size
        source.seek(begin + size + size % 2)


def _unpacked(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if name.endswith(".xz"):
        return lzma.decompress(content)
    if name.endswith(".zst"):
        raise CompressionUnknown(f"{name} needs dpkg-deb")
    return content


def control_of(source: IO[bytes]) -> dict[str, str]:
    """The control fields of a Debian package."""
    for name, size in members_of(source):
        if not name.startswith("control.tar"):
            continue
        content = _unpacked(name, source.read(size))
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                found = archive.extractfile(member) if member.name.endswith("control") else None
                if found is not None:
                    return fields_of(found.read().decode("utf-8", "replace"))
    raise PackagesError("it has no control data: the file is damaged or not complete")


def package_of(fields: dict[str, str], path: str) -> Package:
    """A package from its control fields."""
    name, version, architecture = (
        fields.get(key, "") for key in ("Package", "Version", "Architecture")
    )
    return Package(name, version, architecture, path)


def select(
    found: Iterable[Package], names: Sequence[str], architecture: str, where: str
) -> list[Package]:
    """The packages that a host of this architecture needs, in the order of their names."""
    chosen, known = [], [package for package in found if package.name in names]
    for name in names:
        same_name = [package for package in known if package.name == name]
        fitting = [one for one in same_name if one.architecture in (architecture, "all")]
        if not same_name:
            there = ", ".join(sorted({package.name for package in known})) or "none of them"
            raise PackagesError(
                f"{where} does not hold {name}. KWDB is {' and '.join(names)}; found: {there}. "
                "Put the missing package there"
            )
        if not fitting:
            offered = ", ".join(sorted({package.architecture for package in same_name}))
            raise PackagesError(
                f"{where} holds {name} for {offered}, but the hosts are {architecture}. "
                f"Put the packages for {architecture} there"
            )
        if len({one.version for one in fitting}) > 1:
            versions = ", ".join(sorted(one.version for one in fitting))
            raise PackagesError(
                f"{where} holds {name} in several versions ({versions}): leave only one"
            )
        chosen.append(fitting[0])
    if len({package.version for package in chosen}) > 1:
        versions = ", ".join(f"{package.name} {package.version}" for package in chosen)
        raise PackagesError(f"{where} holds packages of different releases ({versions})")
    return chosen
