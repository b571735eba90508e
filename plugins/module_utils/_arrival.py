# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Wait until the cluster is idle and the declared resources are where they should be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _settled, _transaction

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner


def wait(run: Runner, wanted: list[str], outcome: _transaction.Outcome, seconds: int) -> None:
    """Wait until nothing is going on and the declared resources are where they should be."""
    if not outcome.changed and not _missing(run, wanted):
        return
    deadline = time.monotonic() + seconds
    idle = 0
    while True:
        left = max(1, int(deadline - time.monotonic()))
        # 124 says that the time is over; the check below then says what is missing.
        waited = run(["crm_resource", "--wait", f"--timeout={left}"], ok=(0, 124))
        missing = _missing(run, wanted)
        if not missing:
            return
        # A promotion score may arrive a moment after the cluster went idle.
        idle = idle + 1 if waited.rc == 0 else 0
        over = time.monotonic() >= deadline
        if over or (idle >= 3 and any(one.failed for one in missing)):
            raise _transaction.NotSettled(_not_settled(missing, seconds if over else 0), outcome)
        time.sleep(1)


def _not_settled(missing: Sequence[_settled.Waiting], seconds: int) -> str:
    said = [
        f"{one.resource} {one.why}" + (f" ({one.failed})" if one.failed else "") for one in missing
    ]
    when = f" after {seconds} s" if seconds else ""
    return f"the cluster is not where it should be{when}: {'; '.join(said)}"


def _missing(run: Runner, wanted: list[str]) -> list[_settled.Waiting]:
    if not wanted:
        return []
    cib = _cib.parse(run(["cibadmin", "--query"]).stdout)
    # Without a cluster behind it (CIB_file), crm_mon still answers; the versions differ in
    # the name of the root only.
    status = _settled.parse(run(["crm_mon", "-1", "--output-as", "xml"]).stdout)
    return _settled.waiting(cib, status, wanted)
