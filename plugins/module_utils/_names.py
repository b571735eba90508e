# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Names that Pacemaker gives a meaning to, of every version from 2.0 on.

From the metadata of the daemons of 2.0.5, 2.1.5 and 3.0.0 and `crm_resource --list-options` of
3.0.0, the newer names of Pacemaker 3.0.2, and Pacemaker Explained for what groups and clones have.
"""

from __future__ import annotations

_PROPERTIES = """
batch-limit cluster-delay cluster-infrastructure cluster-ipc-limit cluster-name
cluster-recheck-interval concurrent-fencing dc-deadtime dc-version election-timeout enable-acl
enable-startup-probes fence-reaction fencing-action fencing-enabled fencing-max-attempts
fencing-reaction fencing-timeout fencing-watchdog-timeout have-watchdog
join-finalization-timeout join-integration-timeout last-lrm-refresh load-threshold
maintenance-mode migration-limit no-quorum-policy node-action-limit node-health-base
node-health-green node-health-red node-health-strategy node-health-yellow node-pending-timeout
pe-error-series-max pe-input-series-max pe-warn-series-max placement-strategy
priority-fencing-delay remove-after-stop shutdown-escalation shutdown-lock shutdown-lock-limit
start-failure-is-fatal startup-fencing stonith-action stonith-enabled stonith-max-attempts
stonith-timeout stonith-watchdog-timeout stop-all-resources stop-orphan-actions
stop-orphan-resources stop-removed-actions stop-removed-resources symmetric-cluster
transition-delay
"""
PROPERTIES = frozenset(_PROPERTIES.split())
_META = """
allow-migrate allow-unhealthy-nodes clone-max clone-min clone-node-max
container-attribute-target critical failure-timeout globally-unique interleave is-managed
maintenance master-max master-node-max migration-threshold multiple-active notify ordered
priority promotable promoted-max promoted-node-max remote-addr remote-allow-migrate
remote-connect-timeout remote-node remote-port requires resource-stickiness restart-type
target-role
"""
META = frozenset(_META.split())
# The schema takes no other attribute of an operation.
_OPERATION = """
description enabled id interval interval-origin name on-fail record-pending role start-delay
timeout
"""
OPERATION = frozenset(_OPERATION.split())
