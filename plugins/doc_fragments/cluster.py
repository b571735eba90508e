# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and notes that the modules for cluster objects share."""

from __future__ import annotations


class ModuleDocFragment:
    """What pcs_config, pcs_resource and pcs_constraint have in common."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Without a running cluster on the host, everything that is not stored there is taken as to be created,
        and O(ignore:preview_limited) is returned as V(true).
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Values of secret options are masked.
options:
  allow_disruption:
    description:
      - Whether the change may stop, restart, move, demote or fence something that is running.
      - Without it, such a change fails and changes nothing; the message names what would be interrupted.
      - Fence devices serve nobody and may always be restarted.
    type: bool
    default: false
  wait:
    description:
      - Seconds to wait until the cluster is idle and the declared resources are where they should be; V(0) does not wait.
      - What an operator holds (standby, maintenance, disabled, unmanaged) is not waited for.
    type: int
    default: 120
  snapshots:
    description:
      - How many configurations to keep on the host of those that are saved before each change; V(0) saves none.
      - They are in C(/var/lib/kwdb-ha/cib), named by time (UTC) and version, and hold secrets. Only root may read them.
    type: int
    default: 20
notes:
  - Reads the configuration once, works on a copy, shows what Pacemaker would do, and pushes one patch that the cluster accepts only
    on top of exactly what was read. When somebody else was faster, it reads and plans again.
  - What is not declared is never removed, neither other objects nor other options of the same object.
    Constraints that DRBD or operators' commands made (C(drbd-fence-by-handler-*), C(cli-*)), standby, maintenance
    and C(target-role) are returned as RV(ignore:operator_state) and left alone.
  - Run it on one member of the cluster (C(run_once)).
requirements:
  - pacemaker 2.0 or later with its command line tools
author:
  - kwdb.ha contributors (@kwdb)
"""

    RESOURCE = r"""
options:
  id:
    description: Name of the resource in the cluster.
    type: str
    required: true
  agent:
    description:
      - Its agent, as C(ocf:provider:type), C(systemd:unit), C(lsb:script), C(service:name) or C(stonith:agent).
        Needed unless O(state=absent).
      - The agent of a resource that is there cannot be changed.
    type: str
  options:
    description:
      - Options of the agent, checked against the agent's own description. V(null) removes one.
      - A name that sounds like a secret is refused here; it belongs into O(secret_options).
    type: dict
  secret_options:
    description: Options of the agent that nobody may read. They are kept out of logs, results and argument lists.
    type: dict
  meta:
    description: Meta attributes. V(null) removes one.
    type: dict
  operations:
    description:
      - Operations. For each name that is listed, the list is complete (two C(monitor) entries mean exactly two monitors);
        operations of other names stay as they are.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the operation, for example V(monitor).
        type: str
        required: true
      interval:
        description: How often it runs. Needed for V(monitor), otherwise V(0s).
        type: str
      timeout:
        description: After which time it has failed.
        type: str
      role:
        description: The role in which it runs. The word that the cluster's version knows is written.
        type: str
        choices: [Started, Stopped, Promoted, Unpromoted]
      on_fail:
        description: What happens when it fails.
        type: str
        choices: [ignore, block, stop, restart, fence, standby, demote, restart-container]
      depth:
        description: How deep a monitor looks (C(OCF_CHECK_LEVEL)).
        type: int
      options:
        description: Further attributes of the operation by their names in the cluster.
        type: dict
  utilization:
    description: How much of each capacity it needs, as whole numbers. V(null) removes one.
    type: dict
  clone:
    description:
      - The clone around the resource. A resource that is not cloned yet is wrapped, and constraints that name it then name the clone.
      - A clone cannot be unwrapped.
    type: dict
    suboptions:
      id:
        description: Name of the clone.
        type: str
        required: true
      meta:
        description: Meta attributes of the clone, for example C(promotable).
        type: dict
  group:
    description: The group that the resource belongs to. It is moved there when it is elsewhere.
    type: dict
    suboptions:
      id:
        description: Name of the group, made when it is absent. Needed unless O(group.state=absent).
        type: str
      after:
        description: Member that starts earlier. Without O(group.after) and O(group.before), a new member comes last.
        type: str
      before:
        description: Member that starts later.
        type: str
      state:
        description:
          - V(absent) takes the resource out of the group O(group.id), or out of whichever it is in; it stays as a resource of its own.
          - A group that loses its last member goes with what refers to it.
        type: str
        choices: [present, absent]
        default: present
  bundle:
    description: The bundle in which the resource runs. It is moved there when it stands by itself or in a group; it cannot be moved out.
    type: dict
    suboptions:
      id:
        description: Name of the bundle.
        type: str
        required: true
  state:
    description: V(absent) removes the resource with everything that refers to it.
    type: str
    choices: [present, absent]
    default: present
"""

    CONSTRAINT = r"""
options:
  id:
    description:
      - Name of the constraint.
      - A constraint that says the same under another name is taken for this one.
    type: str
    required: true
  type:
    description: What it constrains. Needed unless O(state=absent).
    type: str
    choices: [location, colocation, order, ticket]
  resource:
    description: The resource that a location, colocation or ticket is about; of a cloned one, its clone.
    type: str
  resource_pattern:
    description:
      - Instead of O(resource), a regular expression (POSIX, extended) for the names of the resources that a location is about.
      - With C(!) before it, it is about all others.
    type: str
  node:
    description: The node of a location.
    type: str
  rule:
    description:
      - Instead of O(node), the rule that says on which nodes and when a location holds.
      - >-
        C({all: [...]}) or C({any: [...]}), whose entries are conditions or again C(all) or C(any). A single condition may stand alone.
      - >-
        A condition on a node attribute is C({attribute: pingd, is: lt, value: 1, type: number}).
        C(is) is C(eq), C(ne), C(lt), C(gt), C(lte) or C(gte); C(type) is C(string), C(integer), C(number) or C(version);
        C(value_source) is C(literal), C(param) or C(meta). Or C({attribute: pingd, is: not_defined}), or C(defined), without a value.
      - >-
        A condition on time is C({date: gt, start: "2026-01-31"}), C({date: lt, end: "2026-01-31T08:00:00Z"}),
        C({date: in_range, start: "2026-01-31", duration: {hours: 8}}) (or with C(end)), or C({date: date_spec, spec: {hours: 9-16, weekdays: 1-5}}).
      - The whole rule is compared by what it means; its conditions are the same in any order.
    type: dict
  role:
    description: The role of O(resource) to which it applies.
    type: str
    choices: [Started, Stopped, Promoted, Unpromoted]
  score:
    description: A number, V(INFINITY) or V(-INFINITY). Needed for a location, V(INFINITY) for a colocation without it.
    type: str
  score_attribute:
    description: Instead of O(score), the node attribute that holds the score of a location with a rule.
    type: str
  discovery:
    description:
      - Where Pacemaker looks whether the resource of a location is already running; V(always) without it.
      - With V(never) it looks not on this node, with V(exclusive) on no other.
    type: str
    choices: [always, never, exclusive]
  with:
    description: The resource beside which O(resource) of a colocation must run.
    type: str
  with_role:
    description: The role that O(with) must have there.
    type: str
    choices: [Started, Stopped, Promoted, Unpromoted]
  node_attribute:
    description: The node attribute whose value must be the same for a colocation; C(#uname), the same node, without it.
    type: str
  influence:
    description:
      - Whether a colocation lets O(resource) move what it is beside. Without it, the C(critical) meta attribute says so.
      - Needs the schema pacemaker-3.6 (Pacemaker 2.1).
    type: bool
  first:
    description: The resource whose action comes first in an order.
    type: str
  first_action:
    description: That action; V(start) without it.
    type: str
    choices: [start, stop, promote, demote]
  then:
    description: The resource whose action follows.
    type: str
  then_action:
    description: That action; the same as O(first_action) without it.
    type: str
    choices: [start, stop, promote, demote]
  kind:
    description: How strict an order is; V(Mandatory) without it.
    type: str
    choices: [Mandatory, Optional, Serialize]
  symmetrical:
    description: Whether the reverse order holds for stopping; V(true) without it, and never for V(Serialize).
    type: bool
  require_all:
    description: Whether an order waits for all instances of the clone O(first), or for one; V(true) without it.
    type: bool
  ticket:
    description: The ticket without which the resource of a ticket constraint does not run. Tickets need no configuration of their own.
    type: str
  loss_policy:
    description: What happens when the ticket is lost; without it V(demote) for the promoted role and V(stop) for any other.
    type: str
    choices: [stop, demote, freeze, fence]
  sets:
    description:
      - Instead of single resources, sets of them for a colocation, order or ticket.
      - The order of the sets means something, except for a ticket.
    type: list
    elements: dict
    suboptions:
      resources:
        description: Ids of resources. Their order means something unless O(sets[].sequential=false), except for a ticket.
        type: list
        elements: str
        required: true
      sequential:
        description: Whether each member follows, or is beside, the one before it; V(true) without it. Not for a ticket.
        type: bool
      require_all:
        description: Whether all members are needed before the next set; V(true) without it. Not for a ticket.
        type: bool
      action:
        description: The action of the members of an order's set; V(start) without it.
        type: str
        choices: [start, stop, promote, demote]
      role:
        description: The role of the members.
        type: str
        choices: [Started, Stopped, Promoted, Unpromoted]
  state:
    description: V(absent) removes the constraint.
    type: str
    choices: [present, absent]
    default: present
"""
