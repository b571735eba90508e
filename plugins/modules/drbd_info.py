#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_info
short_description: Tells everything about one DRBD resource on this host
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - Reads versions, configuration, roles, disks, connection and synchronisation, in the same form for DRBD 8.4 and 9.
  - Changes nothing, not even by loading the kernel module.
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: Changes nothing.
options:
  name:
    description: The name of the resource.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the replication
  kwdb.ha.drbd_info:
    name: kwdb
  register: drbd

- name: Show how far the synchronisation is
  ansible.builtin.debug:
    msg: "{{ drbd.resource.done_percent }} %"
"""

RETURN = r"""
resource:
  description: The resource as this host sees it.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    installed:
      description: Whether drbd-utils are installed.
      type: bool
      returned: always
    configured:
      description: Whether this host has a file for the resource.
      type: bool
      returned: always
    module_version:
      description: Version of the kernel module that is loaded or would be; empty when there is none.
      type: str
      returned: always
    module_loaded:
      description: Whether it is loaded.
      type: bool
      returned: always
    utils_version:
      description: Version of drbd-utils; empty when they are not installed.
      type: str
      returned: always
    pacemaker_version:
      description: Version of Pacemaker; empty when it is not installed.
      type: str
      returned: always
    fence_handler_fits:
      description: Whether drbd-utils' own fence handler can talk to this Pacemaker; null when a version is not known.
      type: bool
      returned: always
    fence_handler_problem:
      description: What it gets wrong when it does not fit.
      type: str
      returned: always
    hmac_sha256:
      description: Whether the kernel has sha256, with which the hosts can prove the shared secret.
      type: bool
      returned: always
    device:
      description: The DRBD device, such as V(/dev/drbd3).
      type: str
      returned: always
    backing_disk:
      description: The disk below it.
      type: str
      returned: always
    running:
      description: Whether the kernel has the resource. The values that follow are those of a stopped one otherwise.
      type: bool
      returned: always
    minor:
      description: Number of the DRBD device.
      type: int
      returned: always
    role:
      description: V(Primary), V(Secondary) or V(Unknown).
      type: str
      returned: always
    disk:
      description: State of the local disk, such as V(UpToDate), V(Inconsistent), V(Diskless); of several volumes the worst one's.
      type: str
      returned: always
    connection:
      description: State of the connection, such as V(Connected), V(Connecting), V(StandAlone).
      type: str
      returned: always
    replication:
      description: State of the replication, such as V(Established), V(SyncSource), V(SyncTarget), V(Off).
      type: str
      returned: always
    peer_role:
      description: The other host's role.
      type: str
      returned: always
    peer_disk:
      description: State of the other host's disk.
      type: str
      returned: always
    size_bytes:
      description: Size of the DRBD device.
      type: int
      returned: always
    out_of_sync_kib:
      description: How much is not known to be equal on both sides, over all volumes.
      type: int
      returned: always
    done_percent:
      description: How much of the device is known to be equal on both sides; null while not connected.
      type: float
      returned: always
    resync_suspended:
      description: V(no), or who suspended the synchronisation.
      type: str
      returned: always
    suspended:
      description: V(no), or why writes are suspended.
      type: str
      returned: always
    write_ordering:
      description: How DRBD keeps writes in order on the local disk, V(flush) is the safe one.
      type: str
      returned: always
    quorum:
      description: Whether DRBD 9 has quorum; null for 8.4.
      type: bool
      returned: always
    current_uuid:
      description: The current generation id of the first volume; empty when it cannot be read.
      type: str
      returned: always
    generations:
      description: The current generation id of each volume.
      type: list
      elements: str
      returned: always
    configuration:
      description: The options of the resource's file by section as drbdadm reads them; the secret is masked.
      type: dict
      returned: always
    volumes:
      description:
        - Each volume with its number, minor, device, backing disk, that disk's size and the metadata disk, the size that both
          sides last agreed on (C(agreed_bytes), 0 for a volume that was never in use), the last write to an ext file system on
          it, the states of both sides' disks, the replication, size, out-of-sync count and quorum, the kernel's counters, and the
          metadata's version, device uuid and whether they were closed cleanly.
      type: list
      elements: dict
      returned: always
    just_created:
      description: Whether the metadata have never described any data.
      type: bool
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import _drbd_info
from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True
    )
    try:
        resource = _drbd_info.read_info(Runner(module), module.params["name"])
    except CommandFailed as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, resource=resource)


if __name__ == "__main__":
    main()
