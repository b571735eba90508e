"""`kwbase cert`: KWDB's certificate profile, made by openssl."""

from __future__ import annotations

import argparse
import ipaddress
import os
import subprocess
import sys
import tempfile
from glob import glob

from common import security

USAGE = "critical,digitalSignature,keyEncipherment"
CA_EXTENSIONS = [
    "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,keyCertSign",
    "basicConstraints=critical,CA:TRUE,pathlen:1",
]


class CertError(Exception):
    """A certificate that was not made."""


def openssl(*argv: str) -> str:
    """Run openssl; its standard output."""
    done = subprocess.run(["openssl", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CertError(done.stderr.strip() or f"openssl {argv[0]} failed")
    return done.stdout


def days(lifetime: str) -> str:
    """A Go duration in hours as openssl's days."""
    return str(int(float(lifetime.rstrip("h"))) // 24)


def san(host: str) -> str:
    """One subject alternative name."""
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _new_key(path: str, size: int) -> None:
    openssl("genrsa", "-traditional", "-out", path, str(size))
    os.chmod(path, 0o600)


def _refuse_existing(paths: list[str], overwrite: bool) -> None:
    for path in paths:
        if os.path.exists(path) and not overwrite:
            raise CertError(f"open {path}: file exists")


def create_ca(options: argparse.Namespace) -> None:
    """ca.crt and its key."""
    os.makedirs(options.certs_dir, mode=0o700, exist_ok=True)
    target = os.path.join(options.certs_dir, "ca.crt")
    if os.path.exists(options.ca_key):
        if not options.allow_ca_key_reuse:
            raise CertError(f"CA key {options.ca_key} exists, but key reuse is disabled")
    else:
        _new_key(options.ca_key, options.key_size)
    _refuse_existing([target], options.overwrite)
    argv = ["req", "-new", "-x509", "-key", options.ca_key, "-subj", "/O=KWDB/CN=KWDB CA"]
    argv += ["-days", days(options.lifetime or "87840h"), "-out", target, "-config", "/dev/null"]
    openssl(*argv, *[word for line in CA_EXTENSIONS for word in ("-addext", line)])


def _create_leaf(options: argparse.Namespace, stem: str, name: str, extensions: list[str]) -> None:
    paths = [os.path.join(options.certs_dir, f"{stem}.{kind}") for kind in ("crt", "key")]
    _refuse_existing(paths, options.overwrite)
    with tempfile.TemporaryDirectory() as work:
        _new_key(f"{work}/key", options.key_size)
        with open(f"{work}/ext", "w", encoding="ascii") as target:
            target.write("\n".join([f"keyUsage={USAGE}", *extensions]) + "\n")
        request = openssl("req", "-new", "-key", f"{work}/key", "-subj", f"/O=KWDB/CN={name}")
        with open(f"{work}/csr", "w", encoding="ascii") as target:
            target.write(request)
        argv = ["x509", "-req", "-in", f"{work}/csr", "-CA", f"{options.certs_dir}/ca.crt"]
        argv += ["-CAkey", options.ca_key, "-set_serial", f"0x{os.urandom(16).hex()}"]
        argv += ["-days", days(options.lifetime or "43920h"), "-extfile", f"{work}/ext"]
        openssl(*argv, "-out", paths[0])
        with open(f"{work}/key", encoding="ascii") as source:
            descriptor = os.open(paths[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(descriptor, source.read().encode())
            os.close(descriptor)


def create_node(options: argparse.Namespace) -> None:
    """node.crt for the hosts that are named."""
    names = "subjectAltName=" + ",".join(san(host) for host in options.names)
    _create_leaf(options, "node", "node", ["extendedKeyUsage=serverAuth,clientAuth", names])


def create_client(options: argparse.Namespace) -> None:
    """client.USER.crt."""
    user = options.names[0]
    _create_leaf(options, f"client.{user}", user, ["extendedKeyUsage=clientAuth"])


def list_certificates(options: argparse.Namespace) -> None:
    """A table of what is in the folder."""
    print(f"Certificate directory: {options.certs_dir}")
    print("  Usage | Certificate File | Key File | Expires | Notes")
    for path in sorted(glob(os.path.join(options.certs_dir, "*.crt"))):
        name = os.path.basename(path)
        usage = {"ca": "CA", "node": "Node"}.get(name[:-4], "Client")
        key = "" if usage == "CA" else f"{name[:-4]}.key"
        end = openssl("x509", "-noout", "-enddate", "-in", path).strip().partition("=")[2]
        print(f"  {usage} | {name} | {key} | {end} | {','.join(security.principals(path))}")


def main(argv: list[str]) -> int:
    """Route to the certificate command that was asked for."""
    parser = argparse.ArgumentParser(prog="kwbase cert", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)
    table = {"create-ca": create_ca, "create-node": create_node}
    table.update({"create-client": create_client, "list": list_certificates})
    home = os.environ.get("HOME", "/nonexistent")
    folder = os.environ.get("KWBASE_CERTS_DIR", f"{home}/.kwbase-certs")
    for name, run in table.items():
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--certs-dir", default=folder)
        command.add_argument("--ca-key", default=os.environ.get("KWBASE_CA_KEY", ""))
        command.add_argument("--key-size", type=int, default=2048)
        command.add_argument("--lifetime", default="")
        command.add_argument("--overwrite", action="store_true")
        command.add_argument("--allow-ca-key-reuse", action="store_true")
        if name in ("create-node", "create-client"):
            command.add_argument("names", nargs="+" if name == "create-node" else 1)
    options = parser.parse_args(argv)
    try:
        options.run(options)
    except (CertError, security.SecurityError, OSError) as exc:
        print(f'ERROR: {exc}\nFailed running "cert"', file=sys.stderr)
        return 1
    return 0
