# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import State

# Captured with tests/tools/capture_pair.py.
FIXTURES = Path(__file__).parents[2] / "fixtures"
NAMES = _pair.Names()


def load(case: str, version: str = "2.1.5", host: str = "ha-node02", **drbd: object) -> _pair.Pair:
    """The pair as the real tools showed it in one state."""
    stem = FIXTURES / f"pacemaker-{version}" / "pair" / case
    state = {
        "role": "Secondary",
        "disk": "UpToDate",
        "connection": "Connected",
        "peer_role": "Primary",
        "replication": "Established",
        "peer_disk": "UpToDate",
        **drbd,
    }
    return _pair.Pair(
        host,
        _pair.parse_cib(Path(f"{stem}.cib.xml").read_text(), NAMES),
        _pair.parse_status(Path(f"{stem}.mon.xml").read_text()),
        State(**state),
    )


@pytest.fixture
def pair() -> Callable[..., _pair.Pair]:
    """Load the pair in one state."""
    return load
