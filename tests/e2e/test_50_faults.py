"""Faults of the table that need little time and break something different each; the whole table is "make faults"."""

from __future__ import annotations

import pytest
from faults_cluster import FAULTS, Fault, survive
from pairlab import Lab

# Found by their names, so that a fault which is renamed fails here.
BY_NAME = {fault.name: fault for fault in FAULTS}
SHORT = (
    "database_killed",
    "file_system_read_only",
    "replication_link_cut",
    "both_links_cut",
)


@pytest.mark.parametrize("fault", [BY_NAME[name] for name in SHORT], ids=SHORT)
def test_fault(lab: Lab, fault: Fault) -> None:
    survive(lab, fault)
