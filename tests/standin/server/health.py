"""The HTTP port: /health, and /health?ready=1 which asks SQL."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Callable

HEALTH = ("/health", "/_admin/v1/health")
STATUS = {200: "OK", 307: "Temporary Redirect", 404: "Not Found", 503: "Service Unavailable"}


def answer(
    target: str, host: str, clear: bool, why_not_ready: Callable[[], str]
) -> tuple[int, str]:
    """Status and body (for a redirect: the address) for a request."""
    path, _mark, query = target.partition("?")
    if path not in HEALTH:
        return (307, f"https://{host}{target}") if clear else (404, "404 page not found\n")
    if "ready=1" in query.split("&"):
        problem = why_not_ready()
        if problem:
            return 503, f'{{"error": "{problem}", "code": 14}}\n'
    return 200, '{"nodeId": 1}\n'


def response(status: int, text: str) -> bytes:
    """One HTTP response that ends the connection."""
    head = f"HTTP/1.1 {status} {STATUS[status]}\r\nConnection: close\r\n"
    if status == 307:
        return f"{head}Location: {text}\r\nContent-Length: 0\r\n\r\n".encode()
    kind = "text/plain" if status == 404 else "application/json"
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


class HealthPage:
    """Serves the HTTP port from threads of its own."""

    def __init__(self, address: tuple[str, int], why_not_ready: Callable[[], str]) -> None:
        self.tls: ssl.SSLContext | None = None
        self._why_not_ready = why_not_ready
        self._socket = socket.create_server(address, backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            peer, _address = self._socket.accept()
            threading.Thread(target=self._handle, args=(peer,), daemon=True).start()

    def _handle(self, peer: socket.socket) -> None:
        try:
            peer.settimeout(10)
            clear = peer.recv(1, socket.MSG_PEEK) != b"\x16"
            stream = peer if clear or self.tls is None else self.tls.wrap_socket(peer, True)
            with stream:
                request = stream.makefile("rb").read1(65536).decode("latin-1").split("\r\n")
                hosts = [line[5:].strip() for line in request if line[:5].lower() == "host:"]
                redirect = clear and self.tls is not None
                target = ([*request[0].split(), "", ""])[1]
                status, text = answer(target, (hosts or [""])[0], redirect, self._why_not_ready)
                stream.sendall(response(status, text))
        except OSError:
            peer.close()
