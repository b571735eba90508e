"""Certificates as KWDB's tools demand them: names, key modes, principals."""

from __future__ import annotations

import os
import ssl


class SecurityError(Exception):
    """A certificate or key that must not be used."""


def check_key(path: str) -> None:
    """Refuse a key that anybody but its owner can touch."""
    if not os.path.isfile(path):
        raise SecurityError(f"problem with key: {path} not found")
    mode = os.stat(path).st_mode & 0o777
    if mode & ~0o700 and os.environ.get("KWBASE_SKIP_KEY_PERMISSION_CHECK") != "true":
        raise SecurityError(f"key file {path} has permissions {mode:04o}, exceeds 0700")


def principals(path: str) -> set[str]:
    """The users that a certificate stands for: its common name and its DNS names."""
    try:
        decoded = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    except (OSError, ssl.SSLError) as exc:
        raise SecurityError(f"problem with certificate {path}: {exc}") from exc
    names = {value for kind, value in decoded.get("subjectAltName", ()) if kind == "DNS"}
    for rdn in decoded.get("subject", ()):
        names |= {value for key, value in rdn if key == "commonName"}
    return names


def check_pair(certs_dir: str, name: str, principal: str) -> None:
    """Refuse a certificate that is missing, open to others or somebody else's."""
    certificate = os.path.join(certs_dir, f"{name}.crt")
    if not os.path.isfile(os.path.join(certs_dir, "ca.crt")):
        raise SecurityError(f"problem with CA certificate: {certs_dir}/ca.crt not found")
    if not os.path.isfile(certificate):
        raise SecurityError(f"problem with {name} certificate: {certificate} not found")
    check_key(os.path.join(certs_dir, f"{name}.key"))
    if principal not in principals(certificate):
        raise SecurityError(f"{certificate} is not for user {principal}")


def client_context(certs_dir: str, user: str) -> ssl.SSLContext:
    """TLS for a client: the server's name is checked, and the user shows a certificate."""
    check_pair(certs_dir, f"client.{user}", user)
    context = ssl.create_default_context(cafile=os.path.join(certs_dir, "ca.crt"))
    stem = os.path.join(certs_dir, f"client.{user}")
    context.load_cert_chain(f"{stem}.crt", f"{stem}.key")
    return context
