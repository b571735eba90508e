# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Whether an IPMI controller answers, asked without its tools and without a password.

The question is the first one of every session, Get Channel Authentication Capabilities
(IPMI v2.0, section 22.13), in an RMCP packet (section 13.1). It changes nothing.
"""

from __future__ import annotations

import socket

PORT = 623
# Fence agents that speak IPMI over the network.
AGENTS = frozenset(
    ("fence_ipmilan", "fence_idrac", "fence_ilo3", "fence_ilo4", "fence_ilo5", "fence_imm")
)
# RMCP version 1 without acknowledgement, of the class IPMI; then no authentication, no session.
_RMCP = bytes((0x06, 0x00, 0xFF, 0x07))
_SESSION = bytes(9)
_BMC, _SOFTWARE = 0x20, 0x81
_APPLICATION, _ANSWER = 0x06 << 2, 0x07 << 2
_CAPABILITIES = 0x38
# This channel, with what IPMI 2.0 adds; the privilege of an administrator.
_CHANNEL, _ADMINISTRATOR = 0x8E, 0x04


def _checksum(data: bytes) -> int:
    return -sum(data) & 0xFF


def question() -> bytes:
    """The packet that asks a controller for its ways to authenticate."""
    head = bytes((_BMC, _APPLICATION))
    body = bytes((_SOFTWARE, 0x00, _CAPABILITIES, _CHANNEL, _ADMINISTRATOR))
    message = head + bytes((_checksum(head),)) + body + bytes((_checksum(body),))
    return _RMCP + _SESSION + bytes((len(message),)) + message


def is_answer(packet: bytes) -> bool:
    """Whether a packet is a controller's answer to the question."""
    begin = len(_RMCP) + len(_SESSION) + 1
    message = packet[begin:]
    return (
        packet[:1] == _RMCP[:1]
        and packet[3:4] == _RMCP[3:4]
        and len(message) >= 7
        and message[1] & 0xFC == _ANSWER
        and message[5] == _CAPABILITIES
    )


def answers(address: str, port: int, tries: int = 3, seconds: float = 2.0) -> bool:
    """Whether a controller answers at an address; seconds is the time for each try."""
    for family, kind, protocol, _name, place in socket.getaddrinfo(
        address, port, type=socket.SOCK_DGRAM
    ):
        with socket.socket(family, kind, protocol) as asking:
            asking.settimeout(seconds)
            for _try in range(tries):
                try:
                    asking.connect(place)
                    asking.send(question())
                    if is_answer(asking.recv(512)):
                        return True
                except OSError:
                    continue  # silence, or nothing listens there
    return False
