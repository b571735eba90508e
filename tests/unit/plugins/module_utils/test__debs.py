"""Debian package files and the choice among them."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _debs
from ansible_collections.kwdb.ha.plugins.module_utils._debs import Package

NAMES = ["kaiwudb-libcommon", "kaiwudb-server"]
CONTROL = (
    "Package: kaiwudb-server\nVersion: 3.2.1\nArchitecture: amd64\nDescription: KWDB\n more: text\n"
)


def deb(control: str = CONTROL, ending: str = ".gz", pack=gzip.compress) -> io.BytesIO:
    """A package as dpkg-deb writes it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, text in (("./md5sums", "x"), ("./control", control)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    content = b"!<arch>\n"
    for name, body in (("debian-binary", b"2.0\n"), (f"control.tar{ending}", pack(tar.getvalue()))):
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return io.BytesIO(content)


@pytest.mark.parametrize(
    ("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), ("", bytes)]
)
def test_control_of(ending: str, pack) -> None:
    fields = _debs.control_of(deb(ending=ending, pack=pack))
    assert fields == {
        "Package": "kaiwudb-server",
        "Version": "3.2.1",
        "Architecture": "amd64",
        "Description": "KWDB",
    }


def test_control_of_leaves_zstd_to_dpkg() -> None:
    with pytest.raises(_debs.CompressionUnknown):
        _debs.control_of(deb(ending=".zst", pack=bytes))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"!<arch>\n"])
def test_control_of_refuses_other_files(content: bytes) -> None:
    with pytest.raises(_debs.PackagesError):
        _debs.control_of(io.BytesIO(content))


def test_paragraphs_of() -> None:
    index = "Package: a\nVersion: 1\n\nPackage: b\nFilename: ./b.deb\n\n"
    assert _debs.paragraphs_of(index) == [
        {"Package": "a", "Version": "1"},
        {"Package": "b", "Filename": "./b.deb"},
    ]


LIB = Package("kaiwudb-libcommon", "3.2.1", "amd64", "lib.deb")
SERVER = Package("kaiwudb-server", "3.2.1", "amd64", "server.deb")
ARM = [Package(one.name, one.version, "arm64", f"arm-{one.path}") for one in (LIB, SERVER)]


def test_select() -> None:
    found = [SERVER, *ARM, LIB, Package("other", "1", "amd64", "x")]
    assert _debs.select(found, NAMES, "amd64", "here") == [LIB, SERVER]
    assert _debs.select(found, NAMES, "arm64", "here") == ARM
    anywhere = Package("kaiwudb-libcommon", "3.2.1", "all", "all.deb")
    assert _debs.select([SERVER, anywhere], NAMES, "amd64", "here") == [anywhere, SERVER]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], "here does not hold kaiwudb-libcommon. .* found: none of them"),
        ([SERVER], "here does not hold kaiwudb-libcommon. .* found: kaiwudb-server"),
        ([LIB], "here does not hold kaiwudb-server. .* found: kaiwudb-libcommon"),
        (ARM, "here holds kaiwudb-libcommon for arm64, but the hosts are amd64"),
        ([LIB, ARM[1]], "here holds kaiwudb-server for arm64, but the hosts are amd64"),
        (
            [LIB, SERVER, Package("kaiwudb-server", "3.2.0", "amd64", "old.deb")],
            "kaiwudb-server in several versions .3.2.0, 3.2.1.: leave only one",
        ),
        (
            [LIB, Package("kaiwudb-server", "3.2.0", "amd64", "old.deb")],
            "packages of different releases",
        ),
    ],
)
def test_select_refuses(found: list[Package], text: str) -> None:
    with pytest.raises(_debs.PackagesError, match=text):
        _debs.select(found, NAMES, "amd64", "here")
