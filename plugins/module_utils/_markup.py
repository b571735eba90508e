# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""HTML and SVG from values; what comes from hosts is escaped where it goes in."""

from __future__ import annotations

import html
import re

# What neither XML 1.0 nor UTF-8 can hold: control characters and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Elements that HTML ends by themselves.
_VOID = ("meta",)


class Html(str):
    """Text that is markup already. Any other text is escaped where it goes in."""

    __slots__ = ()


def printable(text: object) -> str:
    """The text with a replacement for what no XML or UTF-8 can hold."""
    return _UNPRINTABLE.sub("\ufffd", str(text))


def escaped(content: object) -> Html:
    """The content as markup."""
    return content if isinstance(content, Html) else Html(html.escape(printable(content)))


def joined(*content: object) -> Html:
    """Several pieces as one."""
    return Html("".join(escaped(one) for one in content))


def element(tag: str, /, *content: object, **attributes: object) -> Html:
    """One element. class_ means class, stroke_width stroke-width; None leaves an attribute out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(printable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{tag}{shown}>")
    return Html(f"<{tag}{shown}>{joined(*content)}</{tag}>")
