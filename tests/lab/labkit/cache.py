"""Cache entries: built aside, published in one step, checked before use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict

from . import store

MANIFEST = "manifest.json"
CHUNK = 1 << 20
ZERO = bytes(CHUNK)

Say = Callable[[str], None]
# Gets the folder to fill and the folder where it will stand; returns what to note about it.
Build = Callable[[Path, Path], Dict[str, Any]]


def root() -> Path:
    """The cache folder of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "kwdb-ha-lab"


def key_of(inputs: dict[str, Any]) -> str:
    """A short name for a set of inputs."""
    text = json.dumps(inputs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_chunks(descriptor: int, size: int) -> list[int]:
    """Offsets of the chunks that may hold data; holes are skipped without reading them."""
    offsets: list[int] = []
    position = 0
    while position < size:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        first = max(begin // CHUNK, offsets[-1] + 1 if offsets else 0)
        offsets.extend(range(first, -(-end // CHUNK)))
        position = end
    return offsets


def checksum(path: Path) -> str:
    """The SHA-256 of a file's size and of its chunks that are not all zero, with their places."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(f"{size}\n".encode())
        for number in data_chunks(file.fileno(), size):
            file.seek(number * CHUNK)
            data = file.read(CHUNK)
            if data != ZERO[: len(data)]:
                digest.update(f"{number}\n".encode())
                digest.update(data)
    return digest.hexdigest()


def describe(folder: Path) -> dict[str, str]:
    """The checksums of all plain files below a folder, except its manifest."""
    return {
        str(path.relative_to(folder)): checksum(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != MANIFEST
    }


def damage(folder: Path) -> str:
    """What is wrong with an entry, empty when nothing is."""
    try:
        manifest = store.read_json(folder / MANIFEST)
        files = manifest["files"] if manifest else None
    except (ValueError, KeyError, TypeError):
        files = None
    if not files:
        return "its manifest is missing or unreadable"
    found = describe(folder)
    for name in sorted(set(files) | set(found)):
        if name not in found:
            return f"{name} is missing"
        if name not in files:
            return f"{name} does not belong there"
        if files[name] != found[name]:
            return f"{name} has changed"
    return ""


def notes(folder: Path) -> dict[str, Any]:
    """What the builder noted about an entry."""
    return store.read_json(folder / MANIFEST)["notes"]


def ensure(
    base: Path, kind: str, inputs: dict[str, Any], build: Build, say: Say, refresh: bool = False
) -> Path:
    """The folder of an entry, built if it is not there or damaged; two callers build it once."""
    name = f"{kind}-{key_of(inputs)}"
    folder, aside = base / name, base / f".new-{name}"
    with store.locked(base / f".lock-{name}", wait=False) as free:
        if not free:
            say(f"waiting for another lab that builds {name}")
    with store.locked(base / f".lock-{name}"):
        if folder.exists():
            wrong = "it is to be refreshed" if refresh else damage(folder)
            if not wrong:
                return folder
            say(f"rebuilding the cache entry {folder}: {wrong}")
        # Only a builder that crashed leaves this, for we hold the lock.
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            noted = build(aside, folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        manifest = {"inputs": inputs, "notes": noted, "files": describe(aside)}
        store.write_json(aside / MANIFEST, manifest)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
        return folder
