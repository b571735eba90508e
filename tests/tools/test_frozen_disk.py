# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the database's agent sees that DRBD has frozen its disk: a real DRBD, on a kernel of its own."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Iterator

import pytest
import uml_host
from drbd_host import MIB
from pair import ROLES

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="boots a kernel on this machine's files")

STORE = "/run/store"
AGENT = (ROLES / "kwdb" / "files" / "kaiwudb").read_text(encoding="utf-8")


def function(name: str) -> str:
    """One function of the agent; the whole agent needs a systemd."""
    found = re.search(rf"^{name}\(\) {{$.*?^}}$", AGENT, re.MULTILINE | re.DOTALL)
    assert found
    return found.group()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[uml_host.Host]:
    """A host with a file system on DRBD, whose peer is away."""
    folder = tmp_path_factory.mktemp("frozen")
    disk = folder / "disk.img"
    disk.touch()
    os.truncate(disk, 32 * MIB)
    try:
        with uml_host.booted(folder, [disk]) as one:
            uml_host.use_drbd(one, "/dev/ubdb")
            one.run("mkfs.ext4", "-q", "/dev/drbd3")
            one.run("mkdir", STORE)
            one.run("mount", "/dev/drbd3", STORE)
            yield one
    except uml_host.CannotBoot as reason:
        pytest.skip(f"NOT TESTED, a disk that DRBD has frozen: {reason}")


@contextlib.contextmanager
def suspended(host: uml_host.Host) -> Iterator[None]:
    """The disk, frozen as it is while the peer is gone and not yet fenced."""
    host.run("drbdadm", "suspend-io", "kwdb")
    try:
        yield
    finally:
        host.run("drbdadm", "resume-io", "kwdb")


def is_frozen(host: uml_host.Host, listing: str, store: str = STORE) -> bool:
    """What the agent finds."""
    text = function("frozen").replace("/proc/drbd", listing)
    done = host.run("sh", "-c", f"{text}\nstore={store}; frozen", check=False)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.returncode == 0


# What module 9 does not list.
@pytest.mark.parametrize("listing", ["/proc/drbd", "/dev/null"])
def test_a_frozen_disk_is_seen_as_long_as_it_is_frozen(host: uml_host.Host, listing: str) -> None:
    assert not is_frozen(host, listing)
    with suspended(host):
        assert is_frozen(host, listing)
        # Which no longer can be read from the disk.
        assert is_frozen(host, listing, f"{STORE}/lost+found")
        # Another file system of this host has nothing to do with it.
        assert not is_frozen(host, listing, "/run")
    assert not is_frozen(host, listing)


def test_a_write_to_a_frozen_disk_is_given_up_in_its_time(host: uml_host.Host) -> None:
    functions = "\n".join(map(function, ("clock", "line", "write_test")))
    setting = f"store={STORE} write_note=/run/note/write seconds=2 OCF_SUCCESS=0 OCF_ERR_GENERIC=1"
    script = f"{setting}\n{functions}\nclock; deadline=$((now + 2)); write_test; echo $? $problem"
    assert host.run("sh", "-c", script).stdout == "0\n"
    with suspended(host):
        said = host.run("sh", "-c", script).stdout
    assert said.startswith(f"1 {STORE} cannot be written within 2 s: the disk hangs")
    assert host.run("sh", "-c", script).stdout == "0\n"
