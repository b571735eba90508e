"""A time server for the hosts, which reach no other: SNTP answers from this machine's clock."""

from __future__ import annotations

import socket
import struct
import time

EPOCH = 2208988800
PORT = 123
# Leap 0, version 4, mode 4 (server).
FLAGS = 0x24
STRATUM = 8
PRECISION = -20


def stamp(seconds: float) -> int:
    """Seconds since 1970 as a 64-bit NTP time."""
    return int((seconds + EPOCH) * 2**32) & (2**64 - 1)


def answer(request: bytes, received: float, sent: float) -> bytes:
    """The answer to one request; empty when it is none."""
    if len(request) < 48 or request[0] & 7 != 3:
        return b""
    client = struct.unpack("!Q", request[40:48])[0]
    head = struct.pack(
        "!BBbbII4s", FLAGS, STRATUM, request[2], PRECISION, 0, 66, b"\x7f\x7f\x01\x01"
    )
    return head + struct.pack("!QQQQ", stamp(received), client, stamp(received), stamp(sent))


def serve(address: str) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, PORT))
        while True:
            request, peer = sock.recvfrom(1024)
            reply = answer(request, time.time(), time.time())
            if reply:
                sock.sendto(reply, peer)
