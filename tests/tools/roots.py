#!/usr/bin/env python3
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cached Debian roots that hold the real cluster tools; one per release, run by chroot."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Iterator, Sequence

MIRROR = "http://deb.debian.org/debian"
COMMON = [
    "drbd-utils",
    "e2fsprogs",
    "fdisk",
    "libxml2-utils",
    "openssl",
    "pacemaker",
    "pacemaker-cli-utils",
    "pcs",
    "python3",
    "resource-agents",
    "util-linux",
]
# Debian 13 split the fence agents into one package per device.
PACKAGES: dict[str, Sequence[str]] = {
    "bullseye": (*COMMON, "fence-agents"),
    "bookworm": (*COMMON, "fence-agents"),
    "trixie": (*COMMON, "fence-agents-ipmilan"),
}
LAYOUT = 1  # raise it to have every cached root built again


def cache_dir() -> pathlib.Path:
    """Where the roots live: the user's cache, which outlives the checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "kwdb-ha-lab" / "roots"


def key(suite: str) -> str:
    """A name that changes with everything that goes into the root."""
    inputs = "\n".join([str(LAYOUT), MIRROR, suite, *sorted(PACKAGES[suite])])
    return f"{suite}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def build(suite: str, target: pathlib.Path) -> None:
    """Bootstrap the release into a new directory; mmdebstrap itself keeps services from starting."""
    command = [
        "mmdebstrap",
        "--variant=minbase",
        "--quiet",
        f"--include={','.join(PACKAGES[suite])}",
        "--aptopt=APT::Install-Recommends false",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        suite,
        str(target),
        MIRROR,
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def root(suite: str) -> pathlib.Path:
    """The root of a release, built when it is not there or not whole; never write to it."""
    final = cache_dir() / key(suite)
    done = final / ".complete"
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(final.parent / f"{suite}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs share one build
        if done.is_file() and (final / "usr/sbin/pcs").is_file():
            return final
        print(f"building the {suite} root in {final} (about two minutes)", file=sys.stderr)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".{suite}-", dir=final.parent))
        try:
            build(suite, scratch / "root")
            (scratch / "root" / ".complete").touch()
            if final.exists():
                shutil.rmtree(final)
            (scratch / "root").rename(final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return final


@contextlib.contextmanager
def throwaway(suite: str) -> Iterator[pathlib.Path]:
    """A copy of the root that a test may write to; gone afterwards."""
    source = root(suite)
    with tempfile.TemporaryDirectory(prefix=f"root-{suite}-") as parent:
        copy = pathlib.Path(parent) / "root"
        subprocess.run(
            ["cp", "-a", "--reflink=auto", str(source), str(copy)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        yield copy


def main() -> None:
    """Build what is missing and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="*", choices=[*PACKAGES, []], help="default: all")
    for suite in parser.parse_args().suite or PACKAGES:
        print(f"{suite} {root(suite)}")


if __name__ == "__main__":
    main()
