# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What is wrong with a declaration. The messages name the place in it and the remedy."""

from __future__ import annotations

from ansible_collections.kwdb.ha.plugins.module_utils import _values


class DeclarationInvalid(Exception):
    """The declaration cannot be meant as it stands; the message names the place in it."""


class ReferenceMissing(DeclarationInvalid):
    """The declaration names something that is not there; in check mode it may come first."""


class NotDeclarable(Exception):
    """An object of the cluster says something that no declaration can say; it is left alone."""


def check_name(identity: str, where: str) -> None:
    """Refuse an id that no object of the cluster can have."""
    if not _values.is_name(identity):
        raise DeclarationInvalid(
            f"{where}.id: {identity!r} cannot be a name in the cluster; it begins with a letter or"
            " an underscore and goes on with letters, digits, dots, dashes and underscores"
        )
