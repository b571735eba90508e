# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""KWDB's certificates: what they must be, what they are, and what has to be issued."""

from __future__ import annotations

import ipaddress
import os
import re
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Sequence

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    CRYPTOGRAPHY_ERROR: str | None = traceback.format_exc()
else:
    CRYPTOGRAPHY_ERROR = None

# A host whose clock is behind must not refuse a certificate of today; kwbase does the same.
BACKDATE = timedelta(hours=24)
HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)


class CertsError(Exception):
    """Certificates that must not be touched, or cannot be made."""


@dataclass(frozen=True)
class Wanted:
    """A certificate that must exist; the stem is its file name without the ending."""

    stem: str
    common_name: str
    addresses: tuple[str, ...] = ()

    @property
    def usages(self) -> tuple[str, ...]:
        """A node is a server and, towards other nodes, a client; a user is a client."""
        return ("clientAuth",) if self.stem.startswith("client.") else ("clientAuth", "serverAuth")


@dataclass(frozen=True)
class Found:
    """A certificate as it is, with what can be said about its key and its issuer."""

    common_name: str
    addresses: tuple[str, ...]
    usages: tuple[str, ...]
    not_after: datetime
    is_authority: bool
    issued_by_authority: bool
    has_key: bool
    key_matches: bool
    key_is_private: bool = True


@dataclass(frozen=True)
class Step:
    """What to do about one certificate, and why."""

    wanted: Wanted
    action: str  # keep, protect (the key's mode only), create, renew
    reasons: tuple[str, ...]
    not_after: datetime


@dataclass(frozen=True)
class Lifetimes:
    """How long certificates are made for, and when they are made again."""

    authority: timedelta
    certificate: timedelta
    renew_before: timedelta


# --- pure: wishes and plan ----------------------------------------------------------------------


def normal_address(address: str) -> str:
    """An address or name in the one form in which it is compared."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")


def check_addresses(addresses: Sequence[str]) -> None:
    """Refuse what is no address, and names that KWDB would take for a user."""
    if not addresses:
        raise CertsError("addresses is empty: the node certificate would cover no host")
    for address in map(normal_address, addresses):
        try:
            ipaddress.ip_address(address)
            continue
        except ValueError:
            pass
        if not HOST_NAME.fullmatch(address) or re.fullmatch(r"[0-9.]+", address):
            raise CertsError(f"{address} in addresses is neither an IP address nor a host name")
        if address in ("root", "node"):
            # Every DNS name of a certificate counts as a user name in KWDB.
            raise CertsError(
                f"a host named {address} would be taken for the database user {address}: "
                "give the host another name or list its address only"
            )


def wanted_certificates(addresses: Sequence[str], users: Sequence[str]) -> list[Wanted]:
    """The node's certificate and one for each user."""
    check_addresses(addresses)
    for user in users:
        if not re.fullmatch(r"[a-z_][a-z0-9_.-]*", user):
            raise CertsError(f"{user} in users is not a name of a database user")
    names = tuple(sorted({normal_address(address) for address in addresses}))
    clients = [Wanted(f"client.{user}", user) for user in dict.fromkeys(users)]
    return [Wanted("node", "node", names), *clients]


def reasons_to_issue(
    wanted: Wanted, found: Found, now: datetime, renew_before: timedelta
) -> list[str]:
    """Why a certificate that exists cannot stay; empty when it can."""
    reasons = []
    if found.common_name != wanted.common_name:
        reasons.append(f"it is for {found.common_name or 'nobody'}, not for {wanted.common_name}")
    missing = sorted(set(wanted.addresses) - set(found.addresses))
    extra = sorted(set(found.addresses) - set(wanted.addresses))
    if missing:
        reasons.append(f"it does not cover {', '.join(missing)}")
    if extra:
        reasons.append(f"it covers {', '.join(extra)}, which is not wanted")
    if not set(wanted.usages) <= set(found.usages):
        reasons.append(f"it lacks the usage {', '.join(wanted.usages)}")
    if not found.issued_by_authority:
        reasons.append("it was not issued by this CA")
    if not found.has_key:
        reasons.append("its key is missing")
    elif not found.key_matches:
        reasons.append("its key belongs to another certificate")
    if found.not_after - now < renew_before:
        reasons.append(f"it ends on {found.not_after:%Y-%m-%d}")
    return reasons


def check_authority(found: Found, now: datetime, renew_before: timedelta) -> None:
    """Refuse a CA that cannot vouch for anybody; it is never replaced here."""
    if not found.is_authority:
        raise CertsError("ca.crt is not the certificate of a CA")
    if found.has_key and not found.key_matches:
        raise CertsError("the CA's key does not belong to ca.crt: put the right key back")
    if found.not_after - now < renew_before:
        raise CertsError(
            f"the CA ends on {found.not_after:%Y-%m-%d}. A CA is never replaced by itself, since "
            "every client must know the new one before: make a new CA, give clients both, then "
            "put it into the folder"
        )


def plan(
    wanted: Sequence[Wanted],
    found: dict[str, Found],
    authority: Found | None,
    now: datetime,
    lifetimes: Lifetimes,
) -> list[Step]:
    """What has to be issued; refuses before anything is written."""
    if authority is None:
        if found:
            raise CertsError(
                f"there are certificates ({', '.join(sorted(found))}) but no ca.crt: a new CA would "
                "lock out every client that trusts the old one. Put ca.crt and its key back"
            )
        end = now + lifetimes.authority
    else:
        check_authority(authority, now, lifetimes.renew_before)
        end = authority.not_after
    # A certificate must not outlive its CA.
    not_after = min(now + lifetimes.certificate, end)
    steps = []
    for one in wanted:
        current = found.get(one.stem)
        if current is None:
            steps.append(Step(one, "create", ("there is none",), not_after))
            continue
        reasons = tuple(reasons_to_issue(one, current, now, lifetimes.renew_before))
        if reasons:
            steps.append(Step(one, "renew", reasons, not_after))
        elif not current.key_is_private:
            why = ("others can read its key",)
            steps.append(Step(one, "protect", why, current.not_after))
        else:
            steps.append(Step(one, "keep", (), current.not_after))
    issuing = [step.wanted.stem for step in steps if step.action in ("create", "renew")]
    if authority is not None and not authority.has_key and issuing:
        raise CertsError(
            f"{', '.join(issuing)} must be issued, but the CA's key is not here: "
            "put it back or name its place with ca_key"
        )
    return steps


def describe(stem: str, common_name: str, addresses: Sequence[str], not_after: datetime) -> str:
    """One line of a diff."""
    covers = f", addresses {' '.join(sorted(addresses))}" if addresses else ""
    return f"{stem}: CN {common_name}{covers}, until {not_after:%Y-%m-%d}\n"


# --- reading --------------------------------------------------------------------------------------


def _utc(certificate: Any, name: str) -> datetime:
    """A time of a certificate; cryptography before 42 gives it without its time zone."""
    aware = getattr(certificate, f"{name}_utc", None)
    return aware if aware is not None else getattr(certificate, name).replace(tzinfo=timezone.utc)


def _extension(certificate: Any, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _addresses_of(certificate: Any) -> tuple[str, ...]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    found = [str(name) for name in names.get_values_for_type(x509.IPAddress)]
    found += names.get_values_for_type(x509.DNSName)
    return tuple(sorted({normal_address(name) for name in found}))


def _usages_of(certificate: Any) -> tuple[str, ...]:
    usages = _extension(certificate, x509.ExtendedKeyUsage) or []
    names = {
        ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
        ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    }
    return tuple(sorted(names[usage] for usage in usages if usage in names))


def _common_name_of(certificate: Any) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _public_bytes(key: Any) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _was_issued_by(certificate: Any, authority: Any) -> bool:
    """Whether the CA's key made the certificate's signature."""
    if certificate.issuer != authority.subject:
        return False
    key, algorithm = authority.public_key(), certificate.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey):
            signed = certificate.tbs_certificate_bytes
            key.verify(certificate.signature, signed, padding.PKCS1v15(), algorithm)
        else:
            key.verify(
                certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm)
            )
    except InvalidSignature:
        return False
    return True


def load_certificate(path: str) -> Any | None:
    """The first certificate of a file; None when there is no file."""
    try:
        with open(path, "rb") as source:
            return x509.load_pem_x509_certificate(source.read())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise CertsError(f"{path} cannot be read as a certificate: {exc}") from exc


def load_key(path: str) -> Any | None:
    """A private key; None when there is no file. Never says anything about its content."""
    try:
        with open(path, "rb") as source:
            return serialization.load_pem_private_key(source.read(), password=None)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise CertsError(f"{path} cannot be read as a private key without a password") from exc
    except OSError as exc:
        raise CertsError(f"{path} cannot be read: {exc.strerror}") from exc


def _is_private(path: str) -> bool:
    try:
        return not os.stat(path).st_mode & 0o077
    except FileNotFoundError:
        return True


def facts_of(certificate: Any, key: Any | None, key_path: str, authority: Any) -> Found:
    """What can be said about a certificate."""
    constraints = _extension(certificate, x509.BasicConstraints)
    same = key is not None and _public_bytes(key.public_key()) == _public_bytes(
        certificate.public_key()
    )
    return Found(
        common_name=_common_name_of(certificate),
        addresses=_addresses_of(certificate),
        usages=_usages_of(certificate),
        not_after=_utc(certificate, "not_valid_after"),
        is_authority=bool(constraints and constraints.ca),
        issued_by_authority=authority is not None and _was_issued_by(certificate, authority),
        has_key=key is not None,
        key_matches=same,
        key_is_private=_is_private(key_path),
    )


# --- issuing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    """A new certificate and its key, in the form of their files."""

    certificate: bytes
    key: bytes


def _name(common_name: str) -> Any:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "KWDB"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(authority: bool) -> Any:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=authority,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(subject: Any, issuer: Any, key: Any, now: datetime, end: datetime) -> Any:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
    )


def _alternative_name(address: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(certificate: Any, key: Any) -> Issued:
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def new_key(key_size: int) -> Any:
    """A new RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=key_size)


def issue_authority(key: Any, now: datetime, end: datetime) -> Issued:
    """A new CA as `kwbase cert create-ca` makes it."""
    name = _name("KWDB CA")
    builder = (
        _builder(name, name, key, now, end)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pem(builder.sign(key, hashes.SHA256()), key)


def issue(step: Step, authority: Any, authority_key: Any, now: datetime, key_size: int) -> Issued:
    """A new certificate as `kwbase cert create-node` and `create-client` make it."""
    key = new_key(key_size)
    usages = {
        "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
        "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    wanted = step.wanted
    own = _extension(authority, x509.SubjectKeyIdentifier)
    identifier = (
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        if own is not None
        else x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    )
    builder = (
        _builder(_name(wanted.common_name), authority.subject, key, now, step.not_after)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([usages[one] for one in wanted.usages]), critical=False
        )
        .add_extension(identifier, critical=False)
    )
    if wanted.addresses:
        names = [_alternative_name(address) for address in wanted.addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _pem(builder.sign(authority_key, hashes.SHA256()), key)
