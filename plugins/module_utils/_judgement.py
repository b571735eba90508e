# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Judge a change before it is made: refuse what can never work, note what is not safe."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _findings, _lint

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils import _declaration, _transaction
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner


def judge(
    run: Runner,
    change: tuple[Element, Element],
    declared: _declaration.Declaration,
    outcome: _transaction.Outcome,
) -> None:
    """Refuse the change, or add to the outcome what is found."""
    live, new = change
    _lint.check(live, new, declared)
    units = [_cib.unit_of(one.agent, one.options) for one in declared.resources if one.present]
    on = _findings.host(run, [unit for unit in units if unit])
    found = _findings.findings(new, on, _lint.places(declared))
    outcome.findings = [one.result() for one in found]
    outcome.warnings = [*_lint.warnings(declared), *(one.text() for one in found)]
