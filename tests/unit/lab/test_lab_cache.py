"""The cache: built once, checked, rebuilt when damaged."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from labkit import cache, image, timesource


class Builder:
    """Counts how often it built, and what was said."""

    def __init__(self, base: Path) -> None:
        self.base, self.built, self.said = base, 0, []

    def build(self, folder: Path, final: Path) -> dict[str, Any]:
        assert not final.exists() or final != folder
        self.built += 1
        (folder / "sub").mkdir()
        (folder / "sub/small").write_text("small\n")
        with open(folder / "large", "wb") as file:
            file.truncate(5 << 20)
            file.seek(3 << 20)
            file.write(b"data")
        return {"number": self.built}

    def ensure(self, **more: Any) -> Path:
        return cache.ensure(self.base, "thing", {"a": 1}, self.build, self.said.append, **more)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_built_once(builder: Builder) -> None:
    assert builder.ensure() == builder.ensure()
    assert builder.built == 1
    assert cache.notes(builder.ensure()) == {"number": 1}
    assert builder.said == []


def flip(path: Path, offset: int) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"X")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda e: flip(e / "large", 3 << 20), "large has changed"),
        (lambda e: flip(e / "large", 10), "large has changed"),
        (lambda e: os.truncate(e / "large", 4 << 20), "large has changed"),
        (lambda e: (e / "sub/small").unlink(), "sub/small is missing"),
        (lambda e: (e / "more").write_text(""), "more does not belong there"),
        (lambda e: (e / "manifest.json").unlink(), "manifest is missing"),
        (lambda e: (e / "manifest.json").write_text("{"), "manifest is missing or unreadable"),
    ],
)
def test_damage_is_said_and_repaired(builder: Builder, damage: Any, said: str) -> None:
    entry = builder.ensure()
    damage(entry)
    assert builder.ensure() == entry
    assert builder.built == 2
    assert said in builder.said[0]
    assert cache.damage(entry) == ""


def test_refresh(builder: Builder) -> None:
    builder.ensure()
    builder.ensure(refresh=True)
    assert builder.built == 2


def test_failed_build_leaves_no_entry(builder: Builder) -> None:
    def fail(folder: Path, _final: Path) -> dict[str, Any]:
        (folder / "half").write_text("")
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError):
        cache.ensure(builder.base, "thing", {"a": 1}, fail, builder.said.append)
    assert [path.name[:6] for path in builder.base.iterdir()] == [".lock-"]
    builder.ensure()
    assert builder.built == 1
    assert not (builder.ensure() / "half").exists()


def test_two_at_once_build_once(builder: Builder) -> None:
    threads = [threading.Thread(target=builder.ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.built == 1


def test_checksum_ignores_holes(tmp_path: Path) -> None:
    sparse, full = tmp_path / "sparse", tmp_path / "full"
    with open(sparse, "wb") as file:
        file.truncate(4 << 20)
        file.seek(2 << 20)
        file.write(b"x")
    full.write_bytes(sparse.read_bytes())
    assert cache.checksum(sparse) == cache.checksum(full)


def test_package_sets() -> None:
    text = "# list\n[base]\nudev\n[offered]\npcs  # tool\nold@bullseye\nnew@trixie\n"
    assert image.package_sets(text, "trixie") == {"base": ["udev"], "offered": ["pcs", "new"]}


def test_package_list_covers_releases() -> None:
    for release in ("bookworm", "trixie", "bullseye"):
        sets = image.package_sets(image.LISTS.read_text(), release)
        offered = sets["offered"]
        assert {"pacemaker", "pcs", "drbd-utils", "chrony"} <= set(offered)
        assert [name for name in offered if name.startswith("fence-agents")]
        assert len([name for name in offered if name.startswith("postgresql-")]) == 1


def test_time_answer() -> None:
    request = bytes([0x23]) + bytes(39) + b"CLIENT!!"
    reply = timesource.answer(request, 1.5, 2.25)
    assert len(reply) == 48
    assert reply[0] & 7 == 4
    assert reply[24:32] == b"CLIENT!!"
    assert int.from_bytes(reply[40:48], "big") / 2**32 - timesource.EPOCH == 2.25
    assert timesource.answer(b"short", 0, 0) == b""
    assert timesource.answer(bytes([0x24]) + bytes(47), 0, 0) == b""
