#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pair_drill
short_description: Prove with rows that the pair survives
version_added: 0.1.0
description:
  - Writes rows through the virtual IP, one acknowledged after the other, while something happens to the pair,
    waits until the pair is healthy again, and compares every acknowledged row with the table.
  - Each row has an id that no other drill has, so no older row can stand in for a lost one.
  - Refuses with the reasons unless the pair is healthy as M(kwdb.ha.pair_info) means it.
  - Fails when an acknowledged row is lost, a row is there twice, or the pair does not become healthy again. All results are returned then too.
  - The drill's table is dropped afterwards. The list of acknowledged rows is kept on the host's own disk only when the drill failed.
  - Run it on one host of the pair, the one that survives. For O(drill=power_cut), O(drill=corosync_kill),
    O(drill=cluster_link_cut) and O(drill=replication_link_cut) that is the standby host, for the other drills but V(switchover) the active one.
  - Actions that failed because of the drill are cleaned up once the service is back.
author:
  - kwdb.ha contributors (@kwdb)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details: Says whether the drill would start and what it would do. Writes no row.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
options:
  drill:
    description:
      - What happens to the pair.
      - V(switchover) moves the service to the other host as M(kwdb.ha.pair_switchover) does.
      - V(power_cut) has the active host fenced by the cluster's own fence devices, as if it had lost its power. The outage that it
        shows holds the time to notice the loss, not the time that a fence device takes when the cluster has to ask for it first.
      - V(corosync_kill) ends corosync on the active host from the other one (C(corosync-cfgtool -k)), without a word to the cluster.
        The other host has to notice the loss, to fence that host and to take over. The database serves on until it is fenced, so the
        outage begins with that, and RV(outage_from_s) is how long noticing and fencing took.
      - V(standby_power_cut) does what V(power_cut) does to the standby host. The service stays, and writes wait until DRBD knows that the copy is gone.
      - V(database_kill) kills the database's first process. The cluster starts it again on the same host.
      - V(database_hang) stops all processes of the database where they are. Only a monitor that asks the database notices that.
      - V(file_system_busy) moves the service away while a process works in the file system. The agent has to end it.
      - V(cluster_link_cut) cuts the link that only the cluster uses. Nothing may happen, since corosync has another one.
      - V(replication_link_cut) cuts DRBD's link. The service goes on alone once the cluster has seen to it that the other copy
        is not used, and the copy is brought up to date afterwards.
      - V(both_links_cut) cuts both. The standby host is fenced, since C(priority-fencing-delay) favours the active one.
      - A link is cut by sending what is for the other host's addresses nowhere (C(ip neigh)). It is healed as soon as the cluster
        has noticed, by a timer of systemd after 230 seconds if the drill itself cannot, and by a reboot.
    type: str
    choices:
      - switchover
      - power_cut
      - corosync_kill
      - standby_power_cut
      - database_kill
      - database_hang
      - file_system_busy
      - cluster_link_cut
      - replication_link_cut
      - both_links_cut
    required: true
  allow_destructive:
    description: Must be V(true) for every drill but V(switchover).
    type: bool
    default: false
  address:
    description:
      - Address through which the rows are written.
      - The default is the virtual IP address that is configured in the cluster.
    type: str
  port:
    description: Port of the database.
    type: int
    default: 26257
  certs_dir:
    description:
      - Folder with the certificates of the database user.
      - Without it the database is taken to be insecure.
    type: path
  user:
    description: Database user who writes the rows. The default is the client's own.
    type: str
  program:
    description: Command line client of the database.
    type: str
    default: kwbase
  interval:
    description: Seconds between two rows.
    type: float
    default: 0.1
  timeout:
    description: Seconds in which the pair has to be healthy again.
    type: int
    default: 600
  record_directory:
    description: Folder for the list of acknowledged rows. Must not be on the replicated disk.
    type: path
    default: /var/lib/kwdb-ha
  clone:
    description: Id of the promotable clone of the DRBD resource.
    type: str
    default: KaiwuData-clone
  group:
    description: Id of the group of file system, database and virtual IP.
    type: str
    default: KaiwuDBGrp
  drbd_resource:
    description: Name of the DRBD resource.
    type: str
    default: kwdb
seealso:
  - module: kwdb.ha.pair_info
  - module: kwdb.ha.pair_switchover
"""

EXAMPLES = r"""
- name: Prove a planned switchover
  kwdb.ha.pair_drill:
    drill: switchover
    certs_dir: /etc/kaiwudb/certs

- name: Prove that the pair survives a power cut of the active host
  kwdb.ha.pair_drill:
    drill: power_cut
    allow_destructive: true
    certs_dir: /etc/kaiwudb/certs
  when: inventory_hostname == pair.standby_node
"""

RETURN = r"""
drill:
  description: What happened to the pair.
  returned: always
  type: str
drill_id:
  description: The id that is part of every row.
  returned: when the drill ran
  type: str
source:
  description: Host that was active before.
  returned: always
  type: str
target:
  description: Host on which the service has to be afterwards.
  returned: always
  type: str
acked:
  description: Number of acknowledged rows.
  returned: when the drill ran
  type: int
lost:
  description: Number of acknowledged rows that are not in the table, nothing when the table could not be read.
  returned: when the drill ran
  type: int
lost_ids:
  description: The first 20 lost rows.
  returned: when the drill ran
  type: list
  elements: str
duplicate_ids:
  description: The first 20 rows that are there more than once.
  returned: when the drill ran
  type: list
  elements: str
foreign_ids:
  description: The first 20 rows that the drill never wrote.
  returned: when the drill ran
  type: list
  elements: str
unacknowledged:
  description: Rows that are there although their acknowledgement did not arrive. This is allowed.
  returned: when the drill ran
  type: int
outage_s:
  description: The longest time without an acknowledged row that ends after the event began, nothing when it did not end.
  returned: when the drill ran
  type: float
outage_from_s:
  description:
    - Seconds from the event to the acknowledgement before that time. Negative when it came before the event.
    - The last acknowledgement when the outage did not end, nothing when no row was acknowledged.
  returned: when the drill ran
  type: float
acknowledgements:
  description: When rows were acknowledged, as numbers of rows in equal stretches of time, for a picture.
  returned: when the drill ran
  type: dict
  contains:
    from_s:
      description: Where the first stretch begins, in seconds since the event. Negative when it is before the event.
      type: float
    bucket_s:
      description: Length of each stretch in seconds. V(0.1), V(0.2), V(0.5), V(1.0) and so on, the shortest that needs no more than 150.
      type: float
    counts:
      description: Number of rows in each stretch, at most 150 numbers. The sum is RV(acked).
      type: list
      elements: int
  sample: {"from_s": -1.0, "bucket_s": 0.5, "counts": [4, 5, 5, 2, 0, 0, 0, 3, 5]}
healthy_after_s:
  description: Seconds from the event until the pair was healthy again, nothing when it was not.
  returned: when the drill ran
  type: float
fenced_by:
  description: Agents of the fence devices that took the host down, empty when nothing was fenced.
  returned: when the drill ran
  type: str
fencing:
  description: The fencing of the source since the event as the cluster remembers it (action, delegate, origin, client, completed, devices).
  returned: when the drill ran
  type: dict
phases:
  description: What was first seen when, in seconds since the event.
  returned: when the drill ran
  type: list
  elements: dict
findings:
  description: What is not as it should be, as M(kwdb.ha.pair_info) reports it. After the drill when it ran, else before.
  returned: always
  type: list
  elements: dict
record:
  description: File with the acknowledged rows, kept because the drill failed.
  returned: when the drill failed
  type: str
summary:
  description: The result in one line.
  returned: when the drill ran
  type: str
"""

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._pair import (
    Names,
    Pair,
    PairUnreadable,
    known,
    read_pair,
)
from ansible_collections.kwdb.ha.plugins.module_utils._pair_drill import (
    KINDS,
    Drill,
    DrillRefused,
    Order,
    check,
    how_to_go_on,
    perform,
)
from ansible_collections.kwdb.ha.plugins.module_utils._pair_health import Finding, findings
from ansible_collections.kwdb.ha.plugins.module_utils._pair_links import LinksRefused, find
from ansible_collections.kwdb.ha.plugins.module_utils._pair_move import MoveRefused, plan
from ansible_collections.kwdb.ha.plugins.module_utils._sql_client import Client

ORDER = ("drill", "allow_destructive", "interval", "timeout", "record_directory")
NAMES = ("clone", "group", "drbd_resource")


def client_for(params: dict[str, Any], pair: Pair) -> Client:
    """How to reach the database: as its clients do."""
    address = params["address"] or (pair.cib.vip if pair.cib else "")
    if not address:
        raise DrillRefused("no virtual IP is configured in the group: name the address")
    return Client(
        params["program"], address, params["port"], params["certs_dir"] or "", params["user"] or ""
    )


def prepare(
    module: AnsibleModule, found: list[Finding], pair: Pair, look: Callable[[], Pair]
) -> Drill:
    """Plan the drill, or say why it may not start."""
    order = Order(*(module.params[key] for key in ORDER))
    names = Names(*(module.params[key] for key in NAMES))
    # Without a named target there is always something to move.
    move = known(plan(pair, found))
    check(pair, move, order)
    client = client_for(module.params, pair)
    runner = Runner(module)
    cut = KINDS[order.drill].cut
    other = move.target if pair.host == move.source else move.source
    links = find(runner, cut, names.drbd_resource, other) if cut else []
    return Drill(order, runner, look, names, client, move, links)


def run_module(module: AnsibleModule) -> None:
    """Read, plan, drill, report."""
    names = Names(*(module.params[key] for key in NAMES))
    runner = Runner(module)

    def look() -> Pair:
        return read_pair(runner, names, platform.node())

    pair = look()
    found = findings(pair, datetime.now(timezone.utc))
    shown: dict[str, Any] = {
        "drill": module.params["drill"],
        "findings": [asdict(one) for one in found],
    }
    try:
        drill = prepare(module, found, pair, look)
    except (DrillRefused, LinksRefused, MoveRefused) as exc:
        module.fail_json(msg=str(exc), **shown)
    source, target = drill.move.source, drill.target
    shown.update(
        changed=True,
        source=source,
        target=target,
        diff={"before": f"active: {source}\n", "after": f"active: {target}\n"},
    )
    if module.check_mode:
        module.exit_json(**shown)
    try:
        shown.update(perform(drill))
    except DrillRefused as exc:
        module.fail_json(msg=str(exc), **{**shown, "changed": False})  # no drill took place
    if drill.troubles:
        module.fail_json(msg=how_to_go_on(drill, shown), **shown)
    module.exit_json(**shown)


def main() -> None:
    """Run one drill."""
    module = AnsibleModule(
        argument_spec={
            "drill": {"type": "str", "required": True, "choices": list(KINDS)},
            "allow_destructive": {"type": "bool", "default": False},
            "address": {"type": "str"},
            "port": {"type": "int", "default": 26257},
            "certs_dir": {"type": "path"},
            "user": {"type": "str"},
            "program": {"type": "str", "default": "kwbase"},
            "interval": {"type": "float", "default": 0.1},
            "timeout": {"type": "int", "default": 600},
            "record_directory": {"type": "path", "default": "/var/lib/kwdb-ha"},
            "clone": {"type": "str", "default": "KaiwuData-clone"},
            "group": {"type": "str", "default": "KaiwuDBGrp"},
            "drbd_resource": {"type": "str", "default": "kwdb"},
        },
        supports_check_mode=True,
    )
    try:
        run_module(module)
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except PairUnreadable as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
