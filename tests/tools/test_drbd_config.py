"""What the module writes is what the real parser reads, in the dialects of DRBD 8.4 and 9."""

from __future__ import annotations

import os
import string
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from drbd_host import NAMES, SECRET
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd, _drbd_config, _drbd_plan

VERSIONS = {8: "8.4.11", 9: "9.1.7"}
TOP = 'global { disable-ip-verification; usage-count no; }\ninclude "*.res";\n'

SECRETS = st.text(
    alphabet=string.ascii_letters + string.digits + "._~+/=@%:^-", min_size=16, max_size=63
)
HOSTS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,30}[A-Za-z0-9])?", fullmatch=True)
RESOURCES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,30}", fullmatch=True)
DISKS = st.text(alphabet=[chr(code) for code in range(33, 127)], min_size=1, max_size=60).map(
    lambda text: f"/dev/{text}"
)
# What a person may type as a value: anything printable.
VALUES = st.text(alphabet=[chr(code) for code in range(32, 127)], min_size=1, max_size=60)


def volume(disk: str = "/dev/disk/by-id/data", minor: int = 3) -> _drbd_config.Volume:
    """One volume with the same disk on both hosts."""
    return _drbd_config.Volume(0, minor, (_drbd_config.Place(disk),) * 2)


def definition(**more: Any) -> _drbd_config.Definition:
    """A pair, and what a test changes."""
    nodes = tuple(
        _drbd_config.Node(name, f"10.99.0.{number}", 7789, number - 11)
        for number, name in enumerate(NAMES, 11)
    )
    return _drbd_config.Definition(
        **{"name": "kwdb", "nodes": nodes, "volumes": (volume(),), "secret": SECRET, **more}
    )


def parse(want: _drbd_config.Definition, major: int) -> ElementTree.Element:
    """Let the real drbdadm read the file; its XML."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "drbd.conf").write_text(TOP)
        Path(folder, "it.res").write_text(_drbd_config.render(want, major))
        done = subprocess.run(
            ["drbdadm", "-c", f"{folder}/drbd.conf", "dump-xml", want.name],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "DRBD_DRIVER_VERSION_OVERRIDE": VERSIONS[major],
                "__DRBD_NODE__": want.nodes[0].name,
            },
        )
    assert done.returncode == 0, f"{_drbd_config.render(want, major)}\n{done.stderr}"
    tree = ElementTree.fromstring(done.stdout)
    return tree if tree.tag == "resource" else tree.find("resource")


def section(tree: ElementTree.Element, name: str) -> dict[str, str]:
    """The options of one section; drbdadm 9 puts them beside the connection."""
    return {
        one.get("name"): one.get("value")
        for part in tree.iter("section")
        if part.get("name") == name
        for one in part.findall("option")
        # drbdadm 9 adds the peer's name.
        if one.get("name") != "_name"
    }


@pytest.mark.parametrize("major", VERSIONS)
def test_defaults_are_read_back(major: int) -> None:
    tree = parse(definition(), major)
    net, disk = section(tree, "net"), section(tree, "disk")
    fencing = {"fencing": "resource-and-stonith"}
    assert net == {
        **_drbd_config.NET,
        "shared-secret": SECRET,
        **(fencing if major == 9 else {}),
    }
    assert disk == {"on-io-error": "detach", **(fencing if major == 8 else {})}
    assert section(tree, "options") == ({"auto-promote": "no"} if major == 9 else {})
    ending = "sh" if major == 8 else "9.sh"
    assert section(tree, "handlers") == {
        "fence-peer": f"/usr/lib/drbd/crm-fence-peer.{ending}",
        "unfence-peer": f"/usr/lib/drbd/crm-unfence-peer.{ending}",
    }
    hosts = {host.get("name"): host for host in tree.findall("host")}
    for node in definition().nodes:
        host = hosts[node.name]
        assert host.findtext(".//disk") == "/dev/disk/by-id/data"
        assert host.findtext(".//device") == "/dev/drbd3"
        assert host.find(".//device").get("minor") == "3"


@pytest.mark.parametrize("major", VERSIONS)
@pytest.mark.parametrize("policy", _drbd_config.FENCING)
def test_fencing_policies_are_read_back(major: int, policy: str) -> None:
    tree = parse(definition(fencing=policy), major)
    found = section(tree, "net" if major == 9 else "disk").get("fencing", "dont-care")
    assert found == policy
    assert bool(section(tree, "handlers")) == (policy != "dont-care")


@pytest.mark.parametrize("major", VERSIONS)
@settings(max_examples=60, deadline=None)
@given(secret=SECRETS)
@example(secret="congestion-extents")
def test_secrets_that_are_taken_are_read_back(major: int, secret: str) -> None:
    want = definition(secret=secret)
    try:
        _drbd_config.check_definition(want, major)
    except _drbd.Refused:
        assume(False)
    assert section(parse(want, major), "net")["shared-secret"] == secret
    text = _drbd_config.render(want, major)
    assert _drbd_config.secret_in(text) == secret
    assert _drbd_config.mask_secret(text) == _drbd_config.mask_secret(
        _drbd_config.render(definition(), major)
    )


@settings(max_examples=60, deadline=None)
@given(name=RESOURCES, first=HOSTS, second=HOSTS, disk=DISKS, major=st.sampled_from([8, 9]))
def test_names_and_paths_that_are_taken_are_read_back(
    name: str, first: str, second: str, disk: str, major: int
) -> None:
    nodes = (
        _drbd_config.Node(first, "10.99.0.11", 7789, 0),
        _drbd_config.Node(second, "10.99.0.12", 7789, 1),
    )
    want = definition(name=name, nodes=nodes, volumes=(volume(disk),))
    try:
        _drbd_config.check_definition(want, major)
    except _drbd.Refused:
        assume(False)
    tree = parse(want, major)
    assert tree.get("name") == name
    assert {host.get("name") for host in tree.findall("host")} == {first, second}
    assert {found.text for found in tree.iter("disk")} == {disk}


@settings(max_examples=60, deadline=None)
@given(value=VALUES, major=st.sampled_from([8, 9]))
def test_values_that_are_taken_are_read_back(value: str, major: int) -> None:
    """A handler may be any command line; it must not be able to leave its place in the file."""
    value = f"/{value}"
    want = definition(handlers={"split-brain": value})
    try:
        _drbd_config.check_definition(want, major)
    except _drbd.Refused:
        assume(False)
    assert section(parse(want, major), "handlers")["split-brain"] == value


@pytest.mark.parametrize("major", VERSIONS)
def test_ipv6_and_numbers_are_read_back(major: int) -> None:
    nodes = tuple(
        _drbd_config.Node(name, f"fd00::{number}", 7790, number)
        for number, name in enumerate(NAMES)
    )
    want = definition(
        nodes=nodes,
        volumes=(volume("/dev/vg0/kwdb", 1048575),),
        net={"max-buffers": 8000, "timeout": 60, "ko-count": 7},
        disk={"al-extents": 1237, "resync-rate": "100M", "disk-flushes": True},
    )
    _drbd_config.check_definition(want, major)
    tree = parse(want, major)
    assert {one.text for one in tree.iter("address")} == {node.address for node in nodes}
    assert {one.get("port") for one in tree.iter("address")} == {"7790"}
    net, disk = section(tree, "net"), section(tree, "disk")
    assert (net["max-buffers"], net["timeout"], net["ko-count"]) == ("8000", "60", "7")
    assert (disk["al-extents"], disk["disk-flushes"]) == ("1237", "yes")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the page's secret": ({"secret": "justaverificationtest"}, "printed in manuals"),
    "no secret": ({"secret": ""}, "shared_secret (drbd_shared_secret in the role) is missing"),
    "a short secret": ({"secret": "Zr8vQ2mK5tW1xB7"}, "has 15 characters"),
    "a long secret": ({"secret": "Zr8vQ2mK" * 8}, "has 64 characters"),
    "a secret with a quote": ({"secret": 'Zr8vQ2mK5tW1xB7"'}, "may hold letters"),
    "a secret of one letter": ({"secret": "a" * 32}, "too few different"),
    "a resource called all": ({"name": "all"}, "not a name"),
    "a resource with a slash": ({"name": "a/b"}, "not a name"),
    "a wrong minor": ({"volumes": (volume(minor=-1),)}, "device_minor"),
    "flushes off": ({"disk": {"disk-flushes": False}}, "battery_backed_cache"),
    "flushes off, as the page says": ({"disk": {"no-disk-flushes": ""}}, "battery_backed_cache"),
    "two primaries": ({"net": {"allow-two-primaries": True}}, "allow-two-primaries"),
    "fencing in net": ({"net": {"fencing": "dont-care"}}, "by the option fencing"),
    "fencing in disk": ({"disk": {"fencing": "dont-care"}}, "by the option fencing"),
    "a secret in net": ({"net": {"shared-secret": "x"}}, "by the option shared_secret"),
    "an option with a brace": ({"net": {"timeout; } net {": 3}}, "is no option of DRBD here"),
    "a value with a quote": ({"handlers": {"split-brain": 'x" ; }'}}, "split-brain"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name(case: str) -> None:
    options, words = REFUSED[case]
    with pytest.raises(_drbd.Refused) as caught:
        _drbd_config.check_definition(definition(**options), 8)
    assert words in str(caught.value)


def test_a_battery_backed_cache_allows_flushes_off() -> None:
    want = definition(disk={"disk-flushes": False}, battery_backed_cache=True)
    for major in VERSIONS:
        _drbd_config.check_definition(want, major)
        assert section(parse(want, major), "disk")["disk-flushes"] == "no"


def test_each_dialect_is_refused_by_the_other_parser() -> None:
    """This is why the version of the kernel module decides, and why these tests can fail."""
    for major, other in ((8, 9), (9, 8)):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "drbd.conf").write_text(TOP)
            Path(folder, "it.res").write_text(_drbd_config.render(definition(), major))
            done = subprocess.run(
                ["drbdadm", "-c", f"{folder}/drbd.conf", "dump-xml", "kwdb"],
                capture_output=True,
                check=False,
                env={
                    **os.environ,
                    "DRBD_DRIVER_VERSION_OVERRIDE": VERSIONS[other],
                    "__DRBD_NODE__": NAMES[0],
                },
            )
        assert done.returncode == 10


def test_what_drbdadm_would_do_is_sorted_by_its_effect() -> None:
    """The lines are real: drbdadm's plan for a resource that the kernel does not have."""
    for major in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "drbd.conf").write_text(TOP)
            Path(folder, "it.res").write_text(_drbd_config.render(definition(), major))
            done = subprocess.run(
                ["drbdadm", "-c", f"{folder}/drbd.conf", "-d", "adjust", "kwdb"],
                capture_output=True,
                text=True,
                check=True,
                env={
                    **os.environ,
                    "DRBD_DRIVER_VERSION_OVERRIDE": VERSIONS[major],
                    "__DRBD_NODE__": NAMES[0],
                },
            )
        verbs = _drbd_plan.adjust_verbs(_drbd_plan.parse_adjust(done.stdout))
        assert "attach" in verbs
        assert "connect" in verbs
        assert set(verbs) <= {*_drbd_plan.ADDING, "resource-options"}
