"""A small client of PostgreSQL's wire protocol, version 3: simple queries only."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

BOOL_OID = 16


class SqlError(Exception):
    """The server refused a statement or the connection."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(fields.get("M", "unknown error"))

    @property
    def sqlstate(self) -> str:
        """The five characters that say which error it is."""
        return self.fields.get("C", "")


class ConnectionLost(Exception):
    """The server cannot be reached or has gone away."""


@dataclass
class Outcome:
    """What one statement gave: rows with their column names, or only a tag."""

    tag: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)


def message(kind: bytes, body: bytes) -> bytes:
    """One protocol message."""
    return kind + struct.pack("!I", len(body) + 4) + body


def startup_message(parameters: dict[str, str]) -> bytes:
    """The first message of a session."""
    pairs = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items())
    return message(b"", struct.pack("!I", 196608) + pairs + b"\0")


def error_fields(body: bytes) -> dict[str, str]:
    """The fields of an error message by their one-letter names."""
    parts = [part for part in body.split(b"\0") if part]
    return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in parts}


def columns_of(body: bytes) -> list[tuple[str, int]]:
    """Names and types of a row description."""
    found, offset = [], 2
    for _column in range(struct.unpack_from("!H", body)[0]):
        end = body.index(b"\0", offset)
        name = body[offset:end].decode()
        type_oid = struct.unpack_from("!IhI", body, end + 1)[2]
        found.append((name, type_oid))
        offset = end + 19
    return found


def values_of(body: bytes, types: list[int]) -> list[str | None]:
    """The values of a data row as text; booleans as the words true and false."""
    values: list[str | None] = []
    offset = 2
    for type_oid in types:
        (length,) = struct.unpack_from("!i", body, offset)
        offset += 4
        if length < 0:
            values.append(None)
            continue
        text = body[offset : offset + length].decode()
        offset += length
        values.append({"t": "true", "f": "false"}[text] if type_oid == BOOL_OID else text)
    return values


class Connection:
    """One session."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._buffer = b""

    def close(self) -> None:
        """Say goodbye and close the socket."""
        with contextlib.suppress(OSError):
            self._sock.sendall(message(b"X", b""))
        self._sock.close()

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = self._sock.recv(65536)
            if not chunk:
                raise ConnectionLost("the server closed the connection")
            self._buffer += chunk
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _receive(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        return head[:1], self._exactly(struct.unpack("!I", head[1:])[0] - 4)

    def start(self, user: str, database: str, options: str) -> None:
        """Begin the session; only certificates and trust are understood."""
        wanted = {"user": user, "database": database, "client_encoding": "UTF8"}
        if options:
            wanted["options"] = options
        self._sock.sendall(startup_message(wanted))
        while True:
            kind, body = self._receive()
            if kind == b"E":
                raise SqlError(error_fields(body))
            if kind == b"R" and struct.unpack_from("!I", body)[0] != 0:
                raise SqlError({"M": f"user {user} needs a password; not offered here"})
            if kind == b"Z":
                return

    def query(self, sql: str) -> Outcome:
        """Run one statement; raises SqlError when the server refuses it."""
        try:
            self._sock.sendall(message(b"Q", sql.encode() + b"\0"))
            return self._answer()
        except OSError as exc:
            raise ConnectionLost(str(exc)) from exc

    def _answer(self) -> Outcome:
        outcome, types, failure = Outcome(), [], None  # type: Outcome, List[int], Optional[SqlError]
        while True:
            kind, body = self._receive()
            if kind == b"T":
                described = columns_of(body)
                outcome.columns = [name for name, _type in described]
                types = [type_oid for _name, type_oid in described]
            elif kind == b"D":
                outcome.rows.append(values_of(body, types))
            elif kind == b"C":
                outcome.tag = body.rstrip(b"\0").decode()
            elif kind == b"E":
                failure = SqlError(error_fields(body))
                if failure.fields.get("S") == "FATAL":
                    raise failure
            elif kind == b"Z":
                if failure:
                    raise failure
                return outcome


def _with_tls(sock: socket.socket, context: Any, host: str) -> Any:
    sock.sendall(struct.pack("!II", 8, 80877103))
    if sock.recv(1) != b"S":
        raise ConnectionLost("the server does not speak TLS: it may run in insecure mode")
    return context.wrap_socket(sock, server_hostname=host)


def connect(
    address: Any,
    *,
    user: str = "root",
    database: str = "postgres",
    options: str = "",
    tls: Any = None,
    timeout: float = 15.0,
) -> Connection:
    """Open a session on (host, port) or on the path of a unix socket."""
    sock: Any = None
    try:
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            sock.connect(address)
        else:
            sock = socket.create_connection(address, timeout=timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if tls is not None:
                sock = _with_tls(sock, tls, address[0])
        connection = Connection(sock)
        connection.start(user, database, options)
    except OSError as exc:
        if sock is not None:
            sock.close()
        raise ConnectionLost(f"cannot dial server {address}: {exc}") from exc
    except Exception:
        sock.close()
        raise
    # From here on a slow statement is the server's business.
    if not isinstance(address, str):
        sock.settimeout(None)
    return connection
