# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What Pacemaker takes for the same value: units of time, booleans, scores and roles."""

from __future__ import annotations

import re
from typing import Any

TRUE_WORDS = frozenset(("true", "on", "yes", "y", "1"))
FALSE_WORDS = frozenset(("false", "off", "no", "n", "0"))
MINUS_INFINITY, INFINITY = -1000000, 1000000

# Pacemaker 2.1 renamed the roles; both names mean the same everywhere.
NEW_ROLE = {"Master": "Promoted", "Slave": "Unpromoted"}
OLD_ROLE = {new: old for old, new in NEW_ROLE.items()}

_DURATION = re.compile(r"(\d+)\s*(us|usec|ms|msec|s|sec|m|min|h|hr)?", re.IGNORECASE)
_MICROSECONDS = {
    "us": 1,
    "usec": 1,
    "ms": 1000,
    "msec": 1000,
    "": 10**6,
    "s": 10**6,
    "sec": 10**6,
    "m": 60 * 10**6,
    "min": 60 * 10**6,
    "h": 3600 * 10**6,
    "hr": 3600 * 10**6,
}
_TIME_NAME = re.compile(r"(^|[-_])(timeout|interval|delay|deadtime|integration|finalization)$")
_SECRET_NAME = re.compile(
    r"passw|secret|token|credential|community|(^|[-_])(pwd|passphrase|api_?key|private_?key)",
    re.IGNORECASE,
)
# These name a place or a program, not the secret itself.
_SECRET_PLACE = re.compile(r"_(script|file|path)$", re.IGNORECASE)


def text(value: Any) -> str:
    """The text that the cluster stores for a value from YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def microseconds(value: str) -> int | None:
    """A duration in the way Pacemaker reads it, None when it is none."""
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        return None
    return int(found.group(1)) * _MICROSECONDS[(found.group(2) or "").lower()]


def boolean(value: str) -> bool | None:
    """A boolean in the way Pacemaker reads it, None when it is none."""
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def score(value: str) -> int | None:
    """A score as a number, None when it is none."""
    word = value.strip().upper()
    if word in ("INFINITY", "+INFINITY"):
        return INFINITY
    if word == "-INFINITY":
        return MINUS_INFINITY
    try:
        return max(MINUS_INFINITY, min(INFINITY, int(word)))
    except ValueError:
        return None


def role(value: str) -> str:
    """The name of a role since Pacemaker 2.1."""
    word = value.strip().capitalize()
    return NEW_ROLE.get(word, word)


def is_name(text: str) -> bool:
    """Whether an object of the cluster can be called so: an id is a name of XML."""
    return re.fullmatch(r"[^\W\d][\w.-]*", text) is not None


def is_secret(name: str) -> bool:
    """Whether an option of this name holds something that nobody may read."""
    return bool(_SECRET_NAME.search(name)) and not _SECRET_PLACE.search(name)


def same(name: str, one: str, other: str, kind: str = "") -> bool:
    """Whether two texts mean the same for the option; kind is the agent's word for its type."""
    if one == other:
        return True
    if kind in ("", "boolean"):
        left, right = boolean(one), boolean(other)
        # Two numbers are compared as numbers: 1 and 0 are booleans only beside a word.
        if left is not None and left == right and not (one.isdigit() and other.isdigit()):
            return True
    if kind in ("time", "second", "duration") or (not kind and _TIME_NAME.search(name)):
        first = microseconds(one)
        return first is not None and first == microseconds(other)
    if kind in ("", "integer", "score"):
        first = score(one)
        return first is not None and first == score(other)
    return False
