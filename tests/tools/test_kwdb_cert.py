"""kwdb_cert as Ansible runs it, judged by openssl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).resolve().parents[2] / "build/collections"
ADDRESSES = ["ha-node01", "ha-node02", "192.0.2.11", "192.0.2.12", "192.0.2.100", "127.0.0.1"]


def openssl(*argv: object, ok: bool = True) -> str:
    """Run openssl; its standard output."""
    done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True, check=False)
    assert not ok or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


class Folder:
    """A folder of certificates and the module on it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cert(self, *, check: bool = False, failed: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module; its result."""
        arguments = {"certs_dir": str(self.path), "addresses": ADDRESSES, **options}
        internal = {"_ansible_check_mode": check, "_ansible_diff": True}
        internal["_ansible_remote_tmp"] = str(self.path.parent)
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.kwdb.ha.plugins.modules.kwdb_cert"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **internal}}),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        )
        result = json.loads(done.stdout.splitlines()[-1])
        assert result.get("failed", False) == failed, result.get("msg", done.stderr)
        assert "PRIVATE KEY" not in done.stdout
        return result

    def content(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its bytes and mode."""
        return {
            path.name: (path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted(self.path.glob("*"))
        }

    def verify(self, name: str, *more: str) -> str:
        """What openssl says about a certificate."""
        path = self.path / name
        return openssl("verify", "-CAfile", self.path / "ca.crt", "-x509_strict", *more, path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder that is not there yet."""
    return Folder(tmp_path / "certs")


@pytest.fixture
def issued(folder: Folder) -> Folder:
    """A folder with everything."""
    assert folder.cert()["changed"]
    return folder


def actions(result: dict[str, Any]) -> dict[str, str]:
    """What is done to each certificate."""
    found = {Path(one["path"]).name: one["action"] for one in result["certificates"]}
    return {"ca.crt": result["ca"]["action"], **found}


def test_check_mode_says_the_same_and_writes_nothing(folder: Folder) -> None:
    planned = folder.cert(check=True)
    assert not folder.path.exists()
    done = folder.cert()
    for key in ("changed", "diff", "ca", "certificates"):
        assert planned[key] == done[key]
    assert done["diff"]["before"] == ""
    before = folder.content()
    for check in (True, False):
        again = folder.cert(check=check)
        assert not again["changed"]
        assert again["diff"]["before"] == again["diff"]["after"]
    assert folder.content() == before


def test_openssl_accepts_what_is_issued(issued: Folder) -> None:
    issued.verify("node.crt", "-purpose", "sslserver", "-verify_ip", "192.0.2.100")
    issued.verify("node.crt", "-purpose", "sslclient", "-verify_hostname", "ha-node02")
    issued.verify("client.root.crt", "-purpose", "sslclient")
    refused = openssl(
        *("verify", "-CAfile", issued.path / "ca.crt", "-verify_ip", "192.0.2.99"),
        *("-purpose", "sslserver", issued.path / "node.crt"),
        ok=False,
    )
    assert "IP address mismatch" in refused
    refused = openssl(
        *("verify", "-CAfile", issued.path / "ca.crt", "-purpose", "sslserver"),
        issued.path / "client.root.crt",
        ok=False,
    )
    assert "unsuitable certificate purpose" in refused


def test_the_profile_is_kwdbs(issued: Folder) -> None:
    text = {
        name: openssl("x509", "-noout", "-text", "-in", issued.path / f"{name}.crt")
        for name in ("ca", "node", "client.root")
    }
    assert "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1" in text["ca"]
    usage = "Digital Signature, Non Repudiation, Key Encipherment, Certificate Sign"
    assert f"X509v3 Key Usage: critical\n                {usage}\n" in text["ca"]
    for name, common_name in (("ca", "KWDB CA"), ("node", "node"), ("client.root", "root")):
        assert f"Subject: O = KWDB, CN = {common_name}\n" in text[name]
        assert "Issuer: O = KWDB, CN = KWDB CA\n" in text[name]
        assert "Signature Algorithm: sha256WithRSAEncryption" in text[name]
    both = "TLS Web Client Authentication, TLS Web Server Authentication"
    assert both in text["node"] and both not in text["client.root"]
    assert "Alternative Name" not in text["client.root"]
    for address in ADDRESSES:
        assert address in text["node"]
    for name in ("ca.key", "node.key", "client.root.key"):
        path = issued.path / name
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----\n")
        openssl("rsa", "-check", "-noout", "-in", path)
    assert issued.path.stat().st_mode & 0o777 == 0o700


def test_a_new_address_renews_the_node_only(issued: Folder) -> None:
    before = issued.content()
    planned = issued.cert(check=True, addresses=[*ADDRESSES, "db.example.org"])
    assert issued.content() == before
    done = issued.cert(addresses=[*ADDRESSES, "db.example.org"])
    assert planned["diff"] == done["diff"]
    assert actions(done) == {"ca.crt": "keep", "node.crt": "renew", "client.root.crt": "keep"}
    assert done["certificates"][0]["reasons"] == ["it does not cover db.example.org"]
    after = issued.content()
    assert {name for name in after if after[name] != before[name]} == {"node.crt", "node.key"}
    issued.verify("node.crt", "-verify_hostname", "db.example.org")
    assert not issued.cert(addresses=["db.example.org", *ADDRESSES])["changed"]


def test_a_user_more_gets_a_certificate(issued: Folder) -> None:
    done = issued.cert(users=["root", "app"])
    assert actions(done)["client.app.crt"] == "create"
    issued.verify("client.app.crt", "-purpose", "sslclient")
    assert [one["name"] for one in done["files"]][-2:] == ["client.app.crt", "client.app.key"]
    assert "ca.key" not in [one["name"] for one in done["files"]]


def test_what_is_near_its_end_is_renewed(issued: Folder) -> None:
    # Certificates of 1830 days and a CA of 3660.
    assert not issued.cert(renew_before=1829)["changed"]
    result = issued.cert(renew_before=1831, lifetime=1900)
    assert set(actions(result).values()) == {"keep", "renew"}
    assert not issued.cert(renew_before=1831)["changed"]
    failed = issued.cert(renew_before=3661, failed=True)
    assert "A CA is never replaced" in failed["msg"]


@pytest.mark.parametrize("how", ["gone", "other", "open"])
def test_a_key_that_does_not_do(issued: Folder, how: str) -> None:
    key = issued.path / "node.key"
    if how == "gone":
        key.unlink()
    elif how == "other":
        shutil.copy(issued.path / "client.root.key", key)
    else:
        key.chmod(0o640)
    certificate = (issued.path / "node.crt").read_bytes()
    result = issued.cert()
    expected = "protect" if how == "open" else "renew"
    assert actions(result)["node.crt"] == expected
    assert ((issued.path / "node.crt").read_bytes() == certificate) == (how == "open")
    assert key.stat().st_mode & 0o777 == 0o600
    assert not issued.cert()["changed"]


def test_a_certificate_of_another_ca_is_renewed(issued: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    other.cert()
    for kind in ("crt", "key"):
        shutil.copy(other.path / f"node.{kind}", issued.path / f"node.{kind}")
    result = issued.cert()
    # The name of the other CA is the same: only the signature tells.
    assert result["certificates"][0]["reasons"] == ["it was not issued by this CA"]
    issued.verify("node.crt")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda path: (path / "ca.crt").unlink(), "no ca.crt"),
        (lambda path: (path / "ca.crt").write_text("x"), "cannot be read as a certificate"),
        (
            lambda path: shutil.copy(path / "node.crt", path / "ca.crt"),
            "not the certificate of a CA",
        ),
        (lambda path: shutil.copy(path / "node.key", path / "ca.key"), "does not belong to ca.crt"),
        (lambda path: (path / "ca.key").write_text("x"), "cannot be read as a private key"),
    ],
)
def test_a_damaged_ca_is_refused_and_nothing_written(issued: Folder, damage, word: str) -> None:
    damage(issued.path)
    before = issued.content()
    for check in (True, False):
        result = issued.cert(check=check, failed=True, addresses=["new.example.org"])
        assert word in result["msg"] and str(issued.path) in result["msg"]
    assert issued.content() == before


def test_the_cas_key_may_be_elsewhere(issued: Folder, tmp_path: Path) -> None:
    away = tmp_path / "safe.key"
    (issued.path / "ca.key").rename(away)
    assert not issued.cert()["changed"]
    assert "ca_key" in issued.cert(failed=True, addresses=["a.example.org"])["msg"]
    assert issued.cert(addresses=["a.example.org"], ca_key=str(away))["changed"]
    issued.verify("node.crt", "-verify_hostname", "a.example.org")
    assert not (issued.path / "ca.key").exists()


def test_a_run_that_was_killed_after_the_cas_key_goes_on(issued: Folder) -> None:
    for path in issued.path.iterdir():
        if path.name != "ca.key":
            path.unlink()
    key = (issued.path / "ca.key").read_bytes()
    assert set(actions(issued.cert()).values()) == {"create"}
    assert (issued.path / "ca.key").read_bytes() == key
    issued.verify("node.crt")


def test_an_operators_own_ca_is_used(folder: Folder) -> None:
    folder.path.mkdir()
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder.path / "ca.key")
    openssl(
        *(
            "req",
            "-x509",
            "-new",
            "-key",
            folder.path / "ca.key",
            "-subj",
            "/O=Example/CN=House CA",
        ),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-days", "400", "-out", folder.path / "ca.crt"),
    )
    before = (folder.path / "ca.crt").read_bytes()
    result = folder.cert()
    assert actions(result) == {
        "ca.crt": "keep",
        "node.crt": "create",
        "client.root.crt": "create",
    }
    folder.verify("node.crt", "-purpose", "sslserver")
    assert (folder.path / "ca.crt").read_bytes() == before
    # No certificate outlives its CA.
    end = result["certificates"][0]["not_after"]
    assert end == result["ca"]["not_after"]
    assert not folder.cert()["changed"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = Folder(tmp_path / "file/certs").cert(failed=True, check=True)
    assert "Not a directory" in result["msg"]
