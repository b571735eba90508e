#!/usr/bin/env python3
"""Build the stand-in's two Debian packages: build.py [--architecture ARCH] OUTDIR."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION = "3.2.1+standin1"
EPOCH = "1780000000"  # file times in the packages: the same input gives the same bytes
POSTGRESQL = " | ".join(f"postgresql-{number}" for number in (15, 12, 13, 14, 16, 17))
PREFIX = Path("usr/local/kaiwudb")
COMPILE = f"""#!/bin/sh
set -e
[ "$1" != configure ] || python3 -m compileall -q /{PREFIX}/lib/%s
"""
CLEAN = f"""#!/bin/sh
set -e
rm -rf /{PREFIX}/lib/%s/__pycache__
"""


def control(name: str, architecture: str, depends: str, description: str) -> str:
    """A package's control file."""
    return (
        f"Package: {name}\nVersion: {VERSION}\nArchitecture: {architecture}\n"
        f"Maintainer: kwdb.ha contributors <noreply@example.org>\nDepends: {depends}\n"
        f"Section: database\nPriority: optional\nDescription: {description}\n"
        " This is not KWDB. It keeps the command line, the ports and the signals of\n"
        " KWDB's kwbase, and stores its rows in PostgreSQL. For tests only.\n"
    )


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def copy_python(name: str, root: Path) -> None:
    """One of the stand-in's Python packages into a package's tree."""
    for source in sorted((HERE / name).glob("*.py")):
        write(root / PREFIX / "lib" / name / source.name, source.read_text())


def add_scripts(root: Path, name: str) -> None:
    """Byte code is made at install: the service user cannot write it, and starts are faster."""
    write(root / "DEBIAN/postinst", COMPILE % name, 0o755)
    write(root / "DEBIAN/prerm", CLEAN % name, 0o755)


def libcommon(root: Path, architecture: str) -> None:
    """What client and server share."""
    text = control("kaiwudb-libcommon", architecture, "python3", "stand-in for KWDB: library")
    write(root / "DEBIAN/control", text)
    add_scripts(root, "common")
    copy_python("common", root)


def server(root: Path, architecture: str) -> None:
    """The program."""
    depends = f"kaiwudb-libcommon (= {VERSION}), python3, openssl, {POSTGRESQL}"
    text = control("kaiwudb-server", architecture, depends, "stand-in for KWDB: server")
    write(root / "DEBIAN/control", text)
    add_scripts(root, "server")
    copy_python("server", root)
    program = (HERE / "kwbase").read_text().replace("@VERSION@", VERSION)
    write(root / PREFIX / "bin/kwbase", program, 0o755)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/kwbase").symlink_to(f"/{PREFIX}/bin/kwbase")


def build(out: Path, architecture: str) -> list[Path]:
    """Build both packages into a folder; their paths."""
    out.mkdir(parents=True, exist_ok=True)
    built = []
    for name, fill in (("kaiwudb-libcommon", libcommon), ("kaiwudb-server", server)):
        target = out / f"{name}_{VERSION}_{architecture}.deb"
        with tempfile.TemporaryDirectory() as work:
            root = Path(work, "root")
            (root / "DEBIAN").mkdir(parents=True)
            fill(root, architecture)
            for folder, _folders, _files in os.walk(root):
                os.chmod(folder, 0o755)
            argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target)]
            subprocess.run(
                argv,
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
            )
        built.append(target)
    return built


def own_architecture() -> str:
    """This machine's architecture in dpkg's words."""
    done = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def main() -> int:
    """Build and print the paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", help="default: this machine's")
    parser.add_argument("outdir", type=Path)
    options = parser.parse_args()
    if shutil.which("dpkg-deb") is None:
        print("dpkg-deb is not installed on this machine", file=sys.stderr)
        return 1
    for path in build(options.outdir, options.architecture or own_architecture()):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
