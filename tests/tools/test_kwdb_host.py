"""kwdb_host_info and kwdb_packages_info as Ansible runs them, on real networks and packages."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / "tests/standin/build.py"
HERE, THERE = "kwdb-test-here", "kwdb-test-there"


def run_module(
    name: str, arguments: dict[str, Any], *, within: str = "", failed: bool = False
) -> dict[str, Any]:
    """Run a module, perhaps in a network namespace; its result."""
    argv = [sys.executable, "-m", f"ansible_collections.kwdb.ha.plugins.modules.{name}"]
    done = subprocess.run(
        [*(["ip", "netns", "exec", within] if within else []), *argv],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "build/collections")},
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.get("failed", False) == failed, result.get("msg", done.stderr)
    return result


def ip(*argv: str) -> None:
    """Run ip."""
    subprocess.run(["ip", *argv], check=True)


@pytest.fixture
def network() -> Iterator[None]:
    """Two hosts on one wire, 192.0.2.1 here and 192.0.2.2 there."""
    for name in (HERE, THERE):
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        ip("netns", "add", name)
    try:
        ip("link", "add", "kw0", "netns", HERE, "type", "veth", "peer", "kw0", "netns", THERE)
        for name, address in ((HERE, "192.0.2.1/24"), (THERE, "192.0.2.2/24")):
            ip("-n", name, "address", "add", address, "dev", "kw0")
            ip("-n", name, "link", "set", "kw0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in (HERE, THERE):
            ip("netns", "del", name)


def ask(vip: str, address: str = "192.0.2.1") -> dict[str, Any]:
    """What the host here says about a virtual IP."""
    return run_module("kwdb_host_info", {"address": address, "vip": vip}, within=HERE)["vip"]


@pytest.mark.usefixtures("network")
def test_an_address_that_answers_is_seen_and_a_free_one_is_not() -> None:
    taken, free = ask("192.0.2.2"), ask("192.0.2.100")
    link = subprocess.check_output(["ip", "-n", THERE, "-json", "link", "show", "kw0"], text=True)
    assert taken["answered_by"] == [json.loads(link)[0]["address"]]
    assert taken["in_network"] and not taken["local"]
    assert (taken["interface"], taken["network"], taken["prefix"]) == ("kw0", "192.0.2.0/24", 24)
    assert free["answered_by"] == [] and free["in_network"]


@pytest.mark.usefixtures("network")
def test_asking_for_an_address_leaves_no_trace_there() -> None:
    ask("192.0.2.2")
    argv = ["ip", "-n", THERE, "neighbour", "show"]
    assert "192.0.2.1" not in subprocess.check_output(argv, text=True)


@pytest.mark.usefixtures("network")
def test_own_foreign_and_unknown_addresses() -> None:
    assert ask("192.0.2.1")["local"]
    assert not ask("198.51.100.1")["in_network"]
    unknown = ask("192.0.2.100", address="203.0.113.9")
    assert (unknown["interface"], unknown["in_network"]) == ("", False)
    result = run_module("kwdb_host_info", {"address": "a", "vip": "b"}, within=HERE, failed=True)
    assert "not an IPv4 address" in result["msg"]


@pytest.mark.usefixtures("network")
def test_listeners_are_named() -> None:
    script = (
        "import socket,time; s=socket.create_server(('', 26257)); print(flush=True); time.sleep(60)"
    )
    argv = ["ip", "netns", "exec", HERE, sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as listener:
        assert listener.stdout
        listener.stdout.readline()
        arguments = {"ports": [26257, 8080]}
        (one,) = run_module("kwdb_host_info", arguments, within=HERE)["listeners"]
        listener.kill()
    assert (one["port"], one["pid"]) == (26257, listener.pid)
    assert one["process"].startswith("python")
    assert run_module("kwdb_host_info", arguments, within=HERE)["listeners"] == []


def test_a_host_without_anything(tmp_path: Path) -> None:
    result = run_module("kwdb_host_info", {"data_root": str(tmp_path), "uid": 0, "gid": 4242421})
    assert result["packages"] == {"kaiwudb-libcommon": "", "kaiwudb-server": ""}
    assert result["user"] == {
        "uid": -1,
        "gid": -1,
        "group_gid": -1,
        "uid_owner": "root",
        "gid_owner": "",
    }
    assert result["service"]["active_state"] == "inactive"
    assert result["data_root"]["mounted"] is False
    assert result["vip"] == {} and result["ca_certificate"] == "" and result["certificates"] == {}


def test_certificates_say_what_would_have_to_be_copied(tmp_path: Path) -> None:
    """The role compares them with the checksums of kwdb_cert, and copies what is different only."""
    source, copy = tmp_path / "source", tmp_path / "copy"
    issued = run_module("kwdb_cert", {"certs_dir": str(source), "addresses": ["ha-node01"]})
    copy.mkdir()
    for one in issued["files"]:
        (copy / one["name"]).write_bytes((source / one["name"]).read_bytes())
        (copy / one["name"]).chmod(int(one["mode"], 8))
        os.chown(copy / one["name"], 4242, 4243)
    (copy / "elsewhere.crt").symlink_to(source / "ca.crt")

    found = run_module("kwdb_host_info", {"certs_dir": str(copy)})["certificates"]
    assert found == {
        one["name"]: {"sha256": one["sha256"], "uid": 4242, "gid": 4243, "mode": one["mode"]}
        for one in issued["files"]
    }

    (copy / "node.crt").write_text("another one")
    (copy / "node.key").chmod(0o640)
    again = run_module("kwdb_host_info", {"certs_dir": str(copy)})["certificates"]
    assert {name for name in found if found[name] != again[name]} == {"node.crt", "node.key"}
    assert again["node.crt"]["sha256"] != found["node.crt"]["sha256"]
    assert again["node.key"]["mode"] == "0640"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages for amd64."""
    out = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, STANDIN, "--architecture", "amd64", out], check=True)
    return out


def find(source: object, cache: Path, architecture: str = "amd64", **how: Any) -> dict[str, Any]:
    """Look for packages."""
    arguments = {"source": str(source), "architecture": architecture, "cache_dir": str(cache)}
    return run_module("kwdb_packages_info", arguments, **how)


def test_packages_in_a_folder(folder: Path, tmp_path: Path) -> None:
    found = find(folder, tmp_path)["packages"]
    assert [one["name"] for one in found] == ["kaiwudb-libcommon", "kaiwudb-server"]
    assert [Path(one["path"]).parent for one in found] == [folder, folder]
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("architecture", "missing", "word"),
    [
        ("arm64", "", "for amd64, but the hosts are arm64"),
        ("amd64", "server", "does not hold kaiwudb-server"),
        ("amd64", "libcommon", "does not hold kaiwudb-libcommon"),
    ],
)
def test_packages_that_do_not_do(
    folder: Path, tmp_path: Path, architecture: str, missing: str, word: str
) -> None:
    for path in folder.glob("*.deb"):
        if not missing or missing not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert word in find(tmp_path, tmp_path, architecture, failed=True)["msg"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    message = find(tmp_path / "no", tmp_path, failed=True)["msg"]
    assert message.startswith(f"{tmp_path}/no is not a folder on ")
    assert "kwdb_packages" in message


def test_a_damaged_package(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.deb"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:200])
    assert "cannot be read as a Debian package" in find(tmp_path, tmp_path, failed=True)["msg"]


def test_packages_that_ubuntu_packed(folder: Path, tmp_path: Path) -> None:
    """zstd is what dpkg-deb of Ubuntu writes; dpkg-deb reads it where Python cannot."""
    for path in folder.glob("*.deb"):
        tree = tmp_path / "tree"
        subprocess.run(["dpkg-deb", "--raw-extract", path, tree], check=True)
        packed = subprocess.run(
            ["dpkg-deb", "-Zzstd", "--build", tree, tmp_path / path.name],
            check=False,
            capture_output=True,
        )
        if packed.returncode:
            pytest.skip("dpkg-deb of this machine has no zstd")
        subprocess.run(["rm", "-r", tree], check=True)
    assert len(find(tmp_path, tmp_path)["packages"]) == 2


def test_packages_in_an_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "kwdb.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        target.add(folder, "kaiwudb_install/packages")
    cache = tmp_path / "cache"
    first = find(archive, cache)["packages"]
    assert all(Path(one["path"]).parent.parent == cache for one in first)
    assert find(archive, cache)["packages"] == first


@pytest.fixture
def web(folder: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server and its folder, with an archive and an index."""
    root = tmp_path / "www"
    (root / "apt").mkdir(parents=True)
    for path in folder.glob("*.deb"):
        (root / "apt" / path.name).write_bytes(path.read_bytes())
    with tarfile.open(root / "kwdb.tgz", "w:gz") as target:
        target.add(folder, "packages")
    index = subprocess.check_output(
        ["dpkg-scanpackages", "."], cwd=root / "apt", stderr=subprocess.DEVNULL
    )
    (root / "apt/Packages").write_bytes(index)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()


def test_packages_at_a_url(web: tuple[str, Path], tmp_path: Path) -> None:
    url, root = web
    cache = tmp_path / "cache"
    for source in (f"{url}/kwdb.tgz", f"{url}/apt", f"{url}/apt/"):
        found = find(source, cache)["packages"]
        assert [one["name"] for one in found] == ["kaiwudb-libcommon", "kaiwudb-server"]
        assert all(cache in Path(one["path"]).parents for one in found)
    # What was read once is not read again.
    (root / "kwdb.tgz").unlink()
    assert len(find(f"{url}/kwdb.tgz", cache)["packages"]) == 2
    assert "for amd64" in find(f"{url}/apt", cache, "arm64", failed=True)["msg"]
    assert "cannot be read" in find(f"{url}/none.tgz", cache, failed=True)["msg"]


def test_a_download_that_is_not_what_the_index_says(web: tuple[str, Path], tmp_path: Path) -> None:
    url, root = web
    server = next((root / "apt").glob("kaiwudb-server*.deb"))
    server.write_bytes(server.read_bytes() + b"x")
    message = find(f"{url}/apt", tmp_path / "cache", failed=True)["msg"]
    assert "damaged" in message
    assert not list((tmp_path / "cache").rglob("kaiwudb-server*.deb"))
