# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question to an IPMI controller, put to a real one (OpenIPMI's) and compared with ipmitool's."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _ipmi
from ansible_collections.kwdb.ha.plugins.modules import fence_check

CONTROLLER = """\
name "board"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa1234567890000ff
  endlan
  user 2 true "admin" "{port}" admin 10 none md2 md5 straight
"""
EMULATOR = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that somebody has and nobody answers at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(5)
        yield found


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[int]:
    """The port of a running controller."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "lan.conf").write_text(CONTROLLER.format(port=port))
    (tmp_path / "bmc.emu").write_text(EMULATOR)
    argv = ["ipmi_sim", "-n", "-c", "lan.conf", "-f", "bmc.emu", "-s", str(tmp_path)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=tmp_path, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            yield port
        finally:
            process.kill()


def test_a_controller_answers(controller: int) -> None:
    deadline = time.monotonic() + 10
    while not _ipmi.answers("127.0.0.1", controller, tries=1, seconds=0.5):
        assert time.monotonic() < deadline
    options = {"ip": "127.0.0.1", "ipport": str(controller)}
    assert fence_check.silence("fence_ipmilan", "b", options) == ""


def test_silence_is_told(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not _ipmi.answers("127.0.0.1", port, tries=2, seconds=0.2)
    options = {"ip": "127.0.0.1", "ipport": port}
    problem = fence_check.silence("fence_ilo4", "b", options)
    assert f"fence device of b does not answer at 127.0.0.1, UDP port {port}" in problem
    assert "does not answer at no such name" in fence_check.silence(
        "fence_ipmilan", "b", {"ip": "no such name"}
    )
    # Of other devices nothing is known before their agent is there.
    assert fence_check.silence("fence_virsh", "b", options) == ""


def test_another_service_is_no_controller(listener: socket.socket) -> None:
    for answer in (b"", b"\x06\x00\xff\x06" + bytes(20), b"\x06\x00\xff\x07", _ipmi.question()):
        assert not _ipmi.is_answer(answer)


def test_the_question_is_ipmitools(listener: socket.socket) -> None:
    address = ["-H", "127.0.0.1", "-p", str(listener.getsockname()[1])]
    argv = ["ipmitool", "-I", "lanplus", *address, "-U", "u", "-P", "p", "chassis", "status"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            asked = listener.recv(512)
        finally:
            process.kill()
    ours = _ipmi.question()
    # The number that ipmitool gives its request, and the checksum over it, are free.
    free = (18, len(ours) - 1)
    assert len(asked) == len(ours)
    assert [
        n for n, both in enumerate(zip(asked, ours)) if len(set(both)) > 1 and n not in free
    ] == []
    assert sum(asked[17:]) & 0xFF == sum(ours[17:]) & 0xFF == 0
