# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""What Pacemaker has to do with a DRBD resource."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text

CIB_ON_DISK = "/var/lib/pacemaker/cib/cib.xml"


def cib_has(cib: str, provider: str, kind: str, option: str, value: str) -> bool:
    """Whether a CIB has a primitive of one agent with one value of an option."""
    if not cib.strip():
        return False
    for primitive in ElementTree.fromstring(cib).iter("primitive"):
        if (primitive.get("provider"), primitive.get("type")) != (provider, kind):
            continue
        pairs = {one.get("name"): one.get("value") for one in primitive.iter("nvpair")}
        if pairs.get(option) == value:
            return True
    return False


def read_cib(run: Runner) -> str:
    """The CIB; the last one on the disk when Pacemaker does not run on this host; else nothing."""
    try:
        return run(["cibadmin", "--query"]).stdout
    except CommandFailed:
        return read_text(CIB_ON_DISK)


def is_managed(run: Runner, name: str) -> bool:
    """Whether Pacemaker owns this resource, be it running here, stopped here or in standby."""
    return cib_has(read_cib(run), "linbit", "drbd", "drbd_resource", name)


def cluster_mounts(run: Runner, directory: str) -> bool:
    """Whether Pacemaker has a file system for this mount point."""
    return cib_has(read_cib(run), "heartbeat", "Filesystem", "directory", directory)
