"""drbd_resource as a whole, with everything real but the kernel module."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from drbd_host import NAMES, SECRET, Disk, Host, drbdmeta

MANAGED = """
<cib><configuration><resources><clone id="KaiwuData-clone">
<primitive id="KaiwuData" class="ocf" provider="linbit" type="drbd">
<instance_attributes id="a"><nvpair id="b" name="drbd_resource" value="{name}"/></instance_attributes>
</primitive></clone></resources></configuration></cib>
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A blank disk."""
    one = Disk(tmp_path)
    yield one
    one.close()


@pytest.fixture
def host(tmp_path: Path, disk: Disk) -> Host:
    """A host that has it."""
    return Host(tmp_path / "host", disk.path)


def test_check_mode_is_the_plan_without_the_apply(host: Host, disk: Disk) -> None:
    before = disk.checksum()
    planned = host.resource(check=True, start="auto")
    assert planned["commands"] == ["drbdadm create-md kwdb", "drbdadm up kwdb"]
    assert disk.checksum() == before
    assert not host.resource_file.exists()
    assert not host.record_file.exists()
    assert sorted(path.name for path in (host.folder / "drbd.d").iterdir()) == [
        "global_common.conf"
    ]


def test_the_file_is_for_root_alone_and_the_secret_is_shown_nowhere(host: Host) -> None:
    first = host.resource()
    assert stat.S_IMODE(host.resource_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.record_file.stat().st_mode) == 0o600
    assert SECRET in host.resource_file.read_text()
    other = "pL9sX3cV6bN0mQ2wE5rT"
    second = host.resource(shared_secret=other)
    assert second["changed"] is True
    assert second["diff"]["before"] != second["diff"]["after"]
    for result in (first, second):
        assert SECRET not in json.dumps(result)
        assert other not in json.dumps(result)
    assert other in host.resource_file.read_text()


def test_another_option_changes_the_file_and_nothing_else(host: Host, disk: Disk) -> None:
    host.resource()
    before = disk.checksum()
    planned = host.resource(check=True, net={"timeout": 50})
    done = host.resource(net={"timeout": 50})
    assert (planned["changed"], planned["diff"]) == (done["changed"], done["diff"])
    assert done["changed"] is True
    assert done["commands"] == []
    assert "+timeout" not in done["diff"]["before"]
    assert "    timeout 50;" in done["diff"]["after"]
    assert disk.checksum() == before
    assert host.resource(net={"timeout": 50})["changed"] is False


def test_what_the_parser_refuses_never_replaces_the_file(host: Host, disk: Disk) -> None:
    """By name before the parser sees it; and what only the parser can know, by the file it names."""
    host.resource()
    text, before = host.resource_file.read_text(), disk.checksum()
    broken = host.folder / "drbd.d" / "other.res"
    cases: list[tuple[dict[str, object], str, str]] = [
        ({"no-such-option": 1}, "", 'net: "no-such-option" is no option of DRBD'),
        ({"timeout": "soon"}, "", "net: timeout must be a whole number"),
        ({"timeout": 50}, "resource other {\n  nonsense\n}\n", "/etc/drbd.d/other.res:"),
    ]
    for net, beside, words in cases:
        broken.write_text(beside)
        for check in (True, False):
            result = host.resource(check=check, net=net)
            assert result.get("failed")
            assert words in result["msg"]
            assert ("drbdadm does not accept the configuration" in result["msg"]) is bool(beside)
            assert SECRET not in json.dumps(result)
    assert host.resource_file.read_text() == text
    assert disk.checksum() == before


def test_an_option_of_drbd_9_is_refused_for_module_84(host: Host) -> None:
    result = host.resource(options={"auto-promote": False})
    assert "auto-promote" in result["msg"]
    host.version = "9.1.7"
    assert host.resource(options={"auto-promote": False})["changed"] is True


def test_another_resource_with_the_same_device_is_refused(host: Host, disk: Disk) -> None:
    (host.folder / "drbd.d" / "other.res").write_text(
        "resource other { device /dev/drbd3 minor 3; disk /dev/null; meta-disk internal;\n"
        f"on {NAMES[0]} {{ address 10.99.0.11:7000; }} on {NAMES[1]} {{ address 10.99.0.12:7000; }} }}\n"
    )
    before = disk.checksum()
    result = host.resource()
    assert result.get("failed")
    assert "minor" in result["msg"] or "device" in result["msg"]
    assert disk.checksum() == before
    assert not host.resource_file.exists()


def test_an_address_of_another_host_is_refused(host: Host, disk: Disk) -> None:
    nodes = host.options()["nodes"]
    nodes[0]["address"] = "10.99.0.99"
    before = disk.checksum()
    result = host.resource(nodes=nodes)
    assert result.get("failed"), result
    assert "10.99.0.99" in result["msg"]
    assert disk.checksum() == before


def test_a_host_with_another_name_is_refused(host: Host) -> None:
    nodes = host.options()["nodes"]
    nodes[0]["name"] = "database1"
    message = host.resource(check=True, nodes=nodes)["msg"]
    assert f"this host calls itself {NAMES[0]} (uname -n)" in message
    assert "database1" in message


def test_a_missing_handler_is_refused(host: Host) -> None:
    message = host.resource(handlers={"fence-peer": "/usr/lib/drbd/nothing.sh --timeout=20"})["msg"]
    assert "/usr/lib/drbd/nothing.sh, which is not on this host" in message


def test_a_kernel_without_drbd_is_refused(host: Host, disk: Disk) -> None:
    host.version = ""
    before = disk.checksum()
    message = host.resource(check=True)["msg"]
    assert "has no DRBD module" in message
    host.version = "8.3.16"
    assert "DRBD's kernel module is 8.3.16" in host.resource(check=True)["msg"]
    assert disk.checksum() == before


@pytest.mark.parametrize("secret", ["justaverificationtest", "", "short", "a" * 40])
def test_bad_secrets_are_refused_without_being_shown(host: Host, secret: str) -> None:
    result = host.resource(check=True, shared_secret=secret)
    assert result["msg"].startswith("shared_secret ")
    assert "openssl rand -hex 24" in result["msg"]
    if secret:
        assert secret not in result["msg"]


def test_pacemakers_resource_is_never_brought_up(host: Host, disk: Disk) -> None:
    """A host in standby, or with its cluster stopped, has the resource down: Pacemaker's decision."""
    host.resource()
    before = disk.checksum()
    alone = host.resource(check=True, start="auto")
    assert alone["commands"] == ["drbdadm up kwdb"]
    host.last_cib(MANAGED.format(name="other"))
    assert host.resource(check=True, start="auto")["commands"] == ["drbdadm up kwdb"]
    host.last_cib(MANAGED.format(name="kwdb"))
    result = host.resource(start="auto", initial_sync="full", peer_generation="0000000000000004")
    assert result["changed"] is False
    assert result["commands"] == []
    assert result["managed_by_cluster"] is True
    assert "left to Pacemaker" in result["notes"][0]
    assert disk.checksum() == before


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_moment_it_ends_right_when_run_again(
    host: Host, disk: Disk, moment: int
) -> None:
    """The module is killed after so many of its commands, with its children; then it runs again."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**host.options(), "_ansible_check_mode": False}}
    python = [sys.executable, "-c", KILLER, str(moment)]
    done = subprocess.run(
        host.enter(*python),
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=False,
        env=host.environment(),
    )
    killed = done.returncode != 0
    assert killed or '"changed": true' in done.stdout, done.stderr
    again = host.resource()
    assert not again.get("failed"), again
    assert drbdmeta(disk, "get-gi").startswith("0000000000000004:")
    assert json.loads(host.record_file.read_text())["disk"] == disk.path
    assert list((host.folder / "drbd.d").glob(".*")) == []
    assert host.resource()["changed"] is False


# Runs the module and kills it, without any clean-up, right before its Nth effect on the machine:
# a command, a file that takes another's place.
KILLER = """
import os, runpy, signal, sys
left = int(sys.argv[1])
def count():
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
import subprocess
start, rename = subprocess.Popen.__init__, os.rename
def counted_start(self, *args, **more):
    count()
    start(self, *args, **more)
def counted_rename(*args, **more):
    count()
    rename(*args, **more)
subprocess.Popen.__init__, os.rename = counted_start, counted_rename
sys.argv = sys.argv[:1]
runpy.run_module("ansible_collections.kwdb.ha.plugins.modules.drbd_resource", run_name="__main__")
"""


def test_info_has_one_form_whether_or_not_there_is_anything(host: Host) -> None:
    empty = host.module("drbd_info", name="kwdb")["resource"]
    host.resource()
    full = host.module("drbd_info", name="kwdb")["resource"]
    assert set(empty) == set(full)
    assert (empty["configured"], full["configured"]) == (False, True)
    assert full["device"] == "/dev/drbd3"
    assert full["backing_disk"] == host.disk
    assert full["current_uuid"] == "0000000000000004"
    assert full["just_created"] is True
    assert full["running"] is False
    assert full["utils_version"].startswith("9.")
    assert full["module_version"] == "8.4.11"
