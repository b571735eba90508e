"""Every option of DRBD against the real parsers: what they refuse, the module refuses first, by name."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from drbd_host import NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd_options
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

VERSIONS = {8: "8.4.11", 9: "9.1.7"}
# The parsers know the options of a synchronisation among those of the disk.
PLACES = {"peer_device": "disk"}
ROUNDS = 60


def parsed(section: str, lines: list[str], major: int) -> subprocess.CompletedProcess[str]:
    """Let the real drbdadm read some options."""
    with tempfile.TemporaryDirectory() as folder:
        body = "\n".join(f"    {line};" for line in lines)
        Path(folder, "drbd.conf").write_text(
            "global { disable-ip-verification; usage-count no; }\n"
            "resource r { device minor 0; disk /dev/x; meta-disk internal;\n"
            f"  {PLACES.get(section, section)} {{\n{body}\n  }}\n"
            f"  on {NAMES[0]} {{ address 10.0.0.1:7; }} on {NAMES[1]} {{ address 10.0.0.2:7; }} }}\n"
        )
        return subprocess.run(
            ["drbdadm", "-c", f"{folder}/drbd.conf", "dump-xml", "r"],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "DRBD_DRIVER_VERSION_OVERRIDE": VERSIONS[major],
                "__DRBD_NODE__": NAMES[0],
            },
        )


def known(section: str, major: int) -> dict[str, Any]:
    """The options that a version has."""
    other = _drbd_options.ONLY_IN[9 if major == 8 else 8]
    table = _drbd_options.SECTIONS[section]
    return {key: kind for key, kind in table.items() if key not in other}


def samples(kind: Any, major: int) -> list[Any]:
    """The ends of what an option takes."""
    if isinstance(kind, _drbd_options.Number):
        most = kind.most if major == 9 or kind.most_8 is None else kind.most_8
        return [kind.least, most, *kind.words]
    if isinstance(kind, _drbd_options.Choice):
        return [*kind.words, *(kind.words_9 if major == 9 else ())]
    if isinstance(kind, _drbd_options.Switch):
        return [True, False]
    return ["/bin/true --with 'words'" if kind is _drbd_options.COMMAND else "ff"]


@pytest.mark.parametrize("major", VERSIONS)
@pytest.mark.parametrize("section", _drbd_options.SECTIONS)
def test_each_option_is_what_the_parser_has(section: str, major: int) -> None:
    """All of a section at once, in as many files as the option with most values has."""
    table = known(section, major)
    values = {key: samples(kind, major) for key, kind in table.items()}
    for turn in range(max(len(one) for one in values.values())):
        given = {key: one[turn % len(one)] for key, one in values.items()}
        _drbd_options.check_options(section, given, major)
        lines = [f"{key} {_drbd_options.option_text(key, value)}" for key, value in given.items()]
        done = parsed(section, lines, major)
        assert done.returncode == 0, (given, done.stderr)


@pytest.mark.parametrize("major", VERSIONS)
def test_the_other_versions_options_are_refused_as_by_the_parser(major: int) -> None:
    for section, table in _drbd_options.SECTIONS.items():
        for key in sorted(set(table) - set(known(section, major))):
            value = samples(table[key], major)[0]
            with pytest.raises(Refused) as caught:
                _drbd_options.check_options(section, {key: value}, major)
            assert key in str(caught.value)
            assert "is an option of DRBD" in str(caught.value)
            text = _drbd_options.option_text(key, value)
            assert parsed(section, [f"{key} {text}"], major).returncode == 10, key


def test_what_xml_help_says_is_what_the_tables_say() -> None:
    """Nothing is missing: what the tools know and the tables do not is left out on purpose."""
    ours = {
        "net": {"fencing", "shared-secret", "allow-two-primaries"},
        # The name of another resource, which may not be there.
        "disk": {"fencing", "resync-after"},
        "peer_device": {"bitmap"},
        "options": {"on-suspended-primary-outdated"},
    }
    commands = {"net": "net", "disk": "disk", "peer_device": "peer-device", "options": "resource"}
    for section, command in commands.items():
        for program, major in (("/lib/drbd/drbdsetup-84", 8), ("drbdsetup", 9)):
            done = subprocess.run(
                [program, "xml-help", f"{command}-options"],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "DRBD_DRIVER_VERSION_OVERRIDE": VERSIONS[major]},
            )
            names = {
                line.split('"')[1] for line in done.stdout.splitlines() if "<option name" in line
            }
            extra = names - set(known(section, major)) - ours[section] - {"set-defaults", "_name"}
            assert extra == set(), (section, major)
            assert names or (section, major) == ("peer_device", 8)


OPTIONS = st.sampled_from(
    [
        (section, key, major)
        for section in _drbd_options.SECTIONS
        for major in VERSIONS
        for key in known(section, major)
    ]
)
VALUES = st.one_of(
    st.integers(-2, 1 << 33),
    st.booleans(),
    st.from_regex(r"[0-9]{1,10}[kKmMgGsSx]?", fullmatch=True),
    st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=20),
)


@settings(max_examples=ROUNDS, deadline=None)
@given(option=OPTIONS, value=VALUES)
@example(option=("net", "cram-hmac-alg", 8), value="no")
@example(option=("net", "verify-alg", 9), value="disk")
@example(option=("net", "csums-alg", 8), value=False)
def test_what_the_module_takes_the_parser_takes(option: tuple[str, str, int], value: Any) -> None:
    section, key, major = option
    try:
        _drbd_options.check_options(section, {key: value}, major)
    except Refused as refused:
        assert key in str(refused)
        return
    done = parsed(section, [f"{key} {_drbd_options.option_text(key, value)}"], major)
    assert done.returncode == 0, (option, value, done.stderr)


@pytest.mark.parametrize(
    ("section", "given", "words"),
    [
        ("net", {"timeot": 60}, "did you mean timeout?"),
        ("net", {"al-extents": 1237}, "it belongs into disk"),
        ("disk", {"no-disk-barrier": ""}, "write it as disk-barrier: false"),
        ("net", {"timeout": 601}, "timeout must be a whole number from 1 to 600"),
        ("net", {"timeout": True}, "timeout must be a whole number"),
        ("peer_device", {"resync-rate": "5G"}, "from 1 to 4194304 (KiB)"),
        ("net", {"rr-conflict": "auto-discard"}, "one of disconnect, call-pri-lost, violently"),
        ("disk", {"md-flushes": "maybe"}, "md-flushes must be yes or no"),
        ("net", {"cram-hmac-alg": False}, "cram-hmac-alg must be a word of letters"),
        ("handlers", {"split-brain": "notify"}, "begins with an absolute path"),
        (
            "handlers",
            {"quorum-lost": "/bin/true"},
            "an option of DRBD 9, and this host has DRBD 8.4",
        ),
    ],
)
def test_refusals_say_where_and_what(section: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as caught:
        _drbd_options.check_options(section, given, 8)
    assert str(caught.value).startswith(f"{section}: ")
    assert words in str(caught.value)
