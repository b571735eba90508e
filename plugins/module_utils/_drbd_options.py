# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""DRBD's options: which section has which, in which version, and what each takes.

The tables are what "drbdsetup xml-help" says for both versions; tests hold them against the parsers.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, Mapping, Union

from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

BARE_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
QUOTED_VALUE = re.compile(r"[^\"\\\x00-\x1f\x7f]*")
NUMBER = re.compile(r"(\d{1,12})([kKmMgGs]?)")
UNITS = {"": 1, "s": 512, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# Longer words make drbdadm's parser stop.
LONGEST = 250


@dataclass(frozen=True)
class Number:
    """A whole number from least to most of a unit (bare ones count that unit), or one of some words."""

    least: int
    most: int
    unit: str = ""
    words: tuple[str, ...] = ()
    # The most that module 8.4 takes where it differs.
    most_8: int | None = None


@dataclass(frozen=True)
class Choice:
    """One of some words; the second list is for module 9 only."""

    words: tuple[str, ...]
    words_9: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A word, or a command line, of a form."""

    form: str = r"[A-Za-z0-9][A-Za-z0-9_.()-]{0,62}"
    what: str = "a word of letters, digits and _.()-"


@dataclass(frozen=True)
class Switch:
    """Yes or no."""


Kind = Union[Number, Choice, Text, Switch]

COMMAND = Text(r"/[^\"\\\x00-\x1f\x7f]{1,248}", "a command line that begins with an absolute path")
BALANCING = ("prefer-local", "prefer-remote", "round-robin", "least-pending")
STRIPES = ("32K", "64K", "128K", "256K", "512K", "1M")
QUORUM = Number(1, 32, words=("off", "majority", "all"))

NET: dict[str, Kind] = {
    "protocol": Choice(("A", "B", "C")),
    "timeout": Number(1, 600),
    "max-epoch-size": Number(1, 20000),
    "max-buffers": Number(32, 131072),
    "unplug-watermark": Number(1, 131072),
    "connect-int": Number(1, 120),
    "ping-int": Number(1, 120),
    "ping-timeout": Number(1, 300),
    "sndbuf-size": Number(0, 10485760),
    "rcvbuf-size": Number(0, 10485760),
    "ko-count": Number(0, 200),
    "cram-hmac-alg": Text(),
    "after-sb-0pri": Choice(
        (
            "disconnect",
            "discard-younger-primary",
            "discard-older-primary",
            "discard-zero-changes",
            "discard-least-changes",
            "discard-local",
            "discard-remote",
        )
    ),
    "after-sb-1pri": Choice(
        ("disconnect", "consensus", "discard-secondary", "call-pri-lost-after-sb", "violently-as0p")
    ),
    "after-sb-2pri": Choice(("disconnect", "call-pri-lost-after-sb", "violently-as0p")),
    "always-asbp": Switch(),
    "rr-conflict": Choice(
        ("disconnect", "call-pri-lost", "violently"), ("retry-connect", "auto-discard")
    ),
    "data-integrity-alg": Text(),
    "tcp-cork": Switch(),
    "on-congestion": Choice(("block", "pull-ahead", "disconnect")),
    "congestion-fill": Number(0, 20971520, "s"),
    "congestion-extents": Number(67, 65534),
    "csums-alg": Text(),
    "csums-after-crash-only": Switch(),
    "verify-alg": Text(),
    "use-rle": Switch(),
    "socket-check-timeout": Number(0, 300),
    "allow-remote-read": Switch(),
}
PEER_DEVICE: dict[str, Kind] = {
    "resync-rate": Number(1, 8388608, "k", most_8=4194304),
    "c-plan-ahead": Number(0, 300),
    "c-delay-target": Number(1, 100),
    "c-fill-target": Number(0, 1048576, "s"),
    "c-max-rate": Number(250, 4194304, "k"),
    "c-min-rate": Number(0, 4194304, "k"),
}
DISK: dict[str, Kind] = {
    **PEER_DEVICE,
    "on-io-error": Choice(("pass_on", "call-local-io-error", "detach")),
    "disk-barrier": Switch(),
    "disk-flushes": Switch(),
    "disk-drain": Switch(),
    "md-flushes": Switch(),
    "al-extents": Number(67, 65534),
    "al-updates": Switch(),
    "discard-zeroes-if-aligned": Switch(),
    "disable-write-same": Switch(),
    "disk-timeout": Number(0, 6000),
    "read-balancing": Choice(
        (*BALANCING, "when-congested-remote", *(f"{size}-striping" for size in STRIPES))
    ),
    "rs-discard-granularity": Number(0, 1048576),
}
OPTIONS: dict[str, Kind] = {
    "cpu-mask": Text(
        r"[0-9a-fA-F]{1,8}(,[0-9a-fA-F]{1,8})*", "a mask of processors in hexadecimal"
    ),
    "on-no-data-accessible": Choice(("io-error", "suspend-io")),
    "auto-promote": Switch(),
    "auto-promote-timeout": Number(0, 600),
    "peer-ack-window": Number(2048, 204800, "s"),
    "peer-ack-delay": Number(1, 10000),
    "twopc-timeout": Number(50, 600),
    "twopc-retry-timeout": Number(1, 50),
    "max-io-depth": Number(4, 4294967295),
    "quorum": QUORUM,
    "quorum-minimum-redundancy": QUORUM,
    "on-no-quorum": Choice(("io-error", "suspend-io")),
}
STARTUP: dict[str, Kind] = {
    "wfc-timeout": Number(0, 36000),
    "degr-wfc-timeout": Number(0, 36000),
    "outdated-wfc-timeout": Number(0, 36000),
    "wait-after-sb": Switch(),
}
HANDLERS: dict[str, Kind] = dict.fromkeys(
    (
        "fence-peer",
        "unfence-peer",
        "split-brain",
        "initial-split-brain",
        "pri-on-incon-degr",
        "pri-lost-after-sb",
        "pri-lost",
        "local-io-error",
        "out-of-sync",
        "before-resync-source",
        "before-resync-target",
        "after-resync-target",
        "disconnected",
        "quorum-lost",
    ),
    COMMAND,
)
SECTIONS = {
    "net": NET,
    "disk": DISK,
    "peer_device": PEER_DEVICE,
    "handlers": HANDLERS,
    "options": OPTIONS,
    "startup": STARTUP,
}
ONLY_IN = {
    8: {"unplug-watermark"},
    9: {
        "allow-remote-read",
        "disconnected",
        "quorum-lost",
        *(set(OPTIONS) - {"cpu-mask", "on-no-data-accessible"}),
    },
}


# Free text may be one of the parser's own words ("no", "disk"), which it takes as text only between quotes.
QUOTED_KEYS = {"shared-secret"} | {
    key for table in SECTIONS.values() for key, kind in table.items() if isinstance(kind, Text)
}


def option_text(key: str, value: Any) -> str:
    """The value of one option as DRBD writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if not text or len(text) > LONGEST or not QUOTED_VALUE.fullmatch(text):
        raise Refused(
            f"the value of option {key} is empty, longer than {LONGEST} characters, or holds a quote or "
            f'a backslash: "{text[:LONGEST]}"'
        )
    bare = BARE_VALUE.fullmatch(text) and key not in QUOTED_KEYS
    return text if bare else f'"{text}"'


def _number_wrong(kind: Number, value: Any, major: int) -> str:
    """What a number should be when it is not; nothing when it is right."""
    most = kind.most if major >= 9 or kind.most_8 is None else kind.most_8
    unit = {"": "", "s": " (sectors)", "k": " (KiB)"}[kind.unit]
    wanted = f"a whole number from {kind.least} to {most}{unit}"
    if kind.words:
        wanted += f", or {', '.join(kind.words)}"
    text = str(value)
    found = NUMBER.fullmatch(text)
    if text in kind.words:
        return ""
    if isinstance(value, (bool, float)) or not found:
        return wanted
    size = int(found[1]) * UNITS[found[2].lower() or kind.unit]
    return "" if kind.least * UNITS[kind.unit] <= size <= most * UNITS[kind.unit] else wanted


def _wrong(kind: Kind, value: Any, major: int) -> str:
    """What the value should be when it is not; nothing when it is right."""
    if isinstance(kind, Number):
        return _number_wrong(kind, value, major)
    text = option_text("", value)
    if isinstance(kind, Switch):
        return "" if text in ("yes", "no") else "yes or no"
    if isinstance(kind, Choice):
        words = kind.words + (kind.words_9 if major >= 9 else ())
        return "" if str(value) in words else f"one of {', '.join(words)}"
    # YAML makes true and false of a bare yes and no; nobody means that as a name.
    right = not isinstance(value, bool) and re.fullmatch(kind.form, str(value))
    return "" if right else kind.what


def _unknown(section: str, key: str) -> str:
    """Where an option belongs, or what it may have been meant to be."""
    for other, table in SECTIONS.items():
        if key in table:
            return f"it belongs into {other}"
    if key.startswith("no-") and key[3:] in SECTIONS[section]:
        return f"write it as {key[3:]}: false"
    close = difflib.get_close_matches(key, SECTIONS[section], 1)
    return (
        f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(SECTIONS[section]))}"
    )


def check_options(section: str, given: Mapping[str, Any], major: int) -> None:
    """Refuse what the parser of this version would refuse, by the option's name."""
    table = SECTIONS[section]
    for key, value in given.items():
        if key not in table:
            raise Refused(f'{section}: "{key}" is no option of DRBD here; {_unknown(section, key)}')
        for only, keys in ONLY_IN.items():
            if key in keys and major != only:
                known = {8: "8.4", 9: "9"}
                raise Refused(
                    f"{section}: {key} is an option of DRBD {known[only]}, and this host has DRBD "
                    f"{known[8 if major < 9 else 9]}; leave it out"
                )
        option_text(key, value)
        wrong = _wrong(table[key], value, major)
        if wrong:
            raise Refused(f'{section}: {key} must be {wrong}, not "{value}"')
