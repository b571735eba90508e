#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcs_config
short_description: Manage a list of Pacemaker objects in one transaction
version_added: 0.1.0
description:
  - Brings cluster properties, defaults, resources, constraints and the other objects of a cluster to what is declared, all in one patch,
    so that nothing starts before the constraints that hold it are there.
  - Compares values as Pacemaker takes them (C(60), C(60s) and C(1min) are equal), changes in place and leaves alone what is not declared.
  - Shows beforehand what Pacemaker would start, stop, move, promote, demote and fence, and refuses what interrupts a running service
    unless O(allow_disruption=true).
extends_documentation_fragment:
  - kwdb.ha.cluster
options:
  state:
    description:
      - V(present) brings the cluster to what is declared.
      - V(restored) goes back to a saved configuration instead, with the same preview and the same refusal of disruption.
        What operators and DRBD put there stays as it is now. Going back to what is there changes nothing.
      - With V(restored) no objects can be declared. A configuration of another cluster is refused.
    type: str
    choices: [present, restored]
    default: present
  snapshot:
    description:
      - The saved configuration to go back to, as RV(snapshot) names it, or as a file name in C(/var/lib/kwdb-ha/cib).
      - Without it, the newest on this host. What was saved before going back does not count,
        so that going back twice is going back once.
    type: str
  properties:
    description: Cluster properties. V(null) removes one.
    type: dict
  resource_defaults:
    description: Meta attributes that resources have without declaring them. V(null) removes one.
    type: dict
  operation_defaults:
    description: Attributes that operations have without declaring them. V(null) removes one.
    type: dict
  resource_default_sets:
    description: Further defaults of resources, for some resources or some time.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - Name of the set.
          - A set with the same rule under another name is taken for this one.
        type: str
        required: true
      score:
        description: Which of several sets that hold at the same time wins, the higher one; V(0) without it.
        type: str
      rule:
        description:
          - >-
            When the set holds, as in O(constraints[].rule); also C({resource_type: 'ocf:heartbeat:IPaddr2'}), any part of which may be left empty.
          - Without it the set holds always. The first set without a rule is the plain one, declared as such.
        type: dict
      values:
        description: Its values. V(null) removes one.
        type: dict
      state:
        description: V(absent) removes the set.
        type: str
        choices: [present, absent]
        default: present
  operation_default_sets:
    description: Further defaults of operations, for some operations, resources or some time.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - Name of the set.
          - A set with the same rule under another name is taken for this one.
        type: str
        required: true
      score:
        description: Which of several sets that hold at the same time wins, the higher one; V(0) without it.
        type: str
      rule:
        description:
          - >-
            When the set holds, as in O(constraints[].rule); also C({operation: monitor, interval: 10s}) and C({resource_type: '::IPaddr2'}).
          - Without it the set holds always. The first set without a rule is the plain one, declared as such.
        type: dict
      values:
        description: Its values. V(null) removes one.
        type: dict
      state:
        description: V(absent) removes the set.
        type: str
        choices: [present, absent]
        default: present
  resources:
    description: Resources with their operations, clone and place in a group.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the resource in the cluster.
        type: str
        required: true
      agent:
        description:
          - Its agent, as C(ocf:provider:type), C(systemd:unit), C(lsb:script), C(service:name) or C(stonith:agent).
            Needed unless O(resources[].state=absent).
          - The agent of a resource that is there cannot be changed.
        type: str
      options:
        description:
          - Options of the agent, checked against the agent's own description. V(null) removes one.
          - A name that sounds like a secret is refused here; it belongs into O(resources[].secret_options).
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
            description: Name of the group, made when it is absent. Needed unless O(resources[].group.state=absent).
            type: str
          after:
            description: Member that starts earlier. Without O(resources[].group.after) and O(resources[].group.before), a new member comes last.
            type: str
          before:
            description: Member that starts later.
            type: str
          state:
            description:
              - V(absent) takes the resource out of the group O(resources[].group.id), or out of whichever it is in; it stays as a resource of its own.
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
  groups:
    description: Groups whose whole order is declared. Members that are not listed keep their places.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the group, made when it is absent.
        type: str
        required: true
      members:
        description: Ids of resources in the order in which they start. A new group needs them.
        type: list
        elements: str
      meta:
        description: Meta attributes of the group. V(null) removes one.
        type: dict
      clone:
        description: The clone around the group; a group that is not cloned yet is wrapped. A clone cannot be unwrapped.
        type: dict
        suboptions:
          id:
            description: Name of the clone.
            type: str
            required: true
          meta:
            description: Meta attributes of the clone.
            type: dict
      state:
        description:
          - V(absent) dissolves the group with what refers to it. Its members stay as resources of their own;
            declare them absent to remove them, too.
          - Without the group nothing keeps them together or in order any more.
        type: str
        choices: [present, absent]
        default: present
  constraints:
    description: Constraints.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - Name of the constraint.
          - A constraint that says the same under another name is taken for this one.
        type: str
        required: true
      type:
        description: What it constrains. Needed unless O(constraints[].state=absent).
        type: str
        choices: [location, colocation, order, ticket]
      resource:
        description: The resource that a location, colocation or ticket is about; of a cloned one, its clone.
        type: str
      resource_pattern:
        description:
          - Instead of O(constraints[].resource), a regular expression (POSIX, extended) for the names of the resources that a location is about.
          - With C(!) before it, it is about all others.
        type: str
      node:
        description: The node of a location.
        type: str
      rule:
        description:
          - Instead of O(constraints[].node), the rule that says on which nodes and when a location holds.
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
        description: The role of O(constraints[].resource) to which it applies.
        type: str
        choices: [Started, Stopped, Promoted, Unpromoted]
      score:
        description: A number, V(INFINITY) or V(-INFINITY). Needed for a location, V(INFINITY) for a colocation without it.
        type: str
      score_attribute:
        description: Instead of O(constraints[].score), the node attribute that holds the score of a location with a rule.
        type: str
      discovery:
        description:
          - Where Pacemaker looks whether the resource of a location is already running; V(always) without it.
          - With V(never) it looks not on this node, with V(exclusive) on no other.
        type: str
        choices: [always, never, exclusive]
      with:
        description: The resource beside which O(constraints[].resource) of a colocation must run.
        type: str
      with_role:
        description: The role that O(constraints[].with) must have there.
        type: str
        choices: [Started, Stopped, Promoted, Unpromoted]
      node_attribute:
        description: The node attribute whose value must be the same for a colocation; C(#uname), the same node, without it.
        type: str
      influence:
        description:
          - Whether a colocation lets O(constraints[].resource) move what it is beside. Without it, the C(critical) meta attribute says so.
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
        description: That action; the same as O(constraints[].first_action) without it.
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
        description: Whether an order waits for all instances of the clone O(constraints[].first), or for one; V(true) without it.
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
            description: Ids of resources. Their order means something unless O(constraints[].sets[].sequential=false), except for a ticket.
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
  bundles:
    description:
      - Bundles, containers in which a resource may run (O(resources[].bundle)).
      - Parts and attributes that are not declared stay; an empty text removes an attribute.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the bundle.
        type: str
        required: true
      container:
        description: The container. A new bundle needs it.
        type: dict
        suboptions:
          type:
            description: What runs it. V(podman) needs the schema 3.2, V(rkt) is gone since 4.0.
            type: str
            required: true
            choices: [docker, podman, rkt]
          image:
            description: Its image. A new bundle needs it.
            type: str
          replicas:
            description: How many run; as many as are promoted, or V(1), without it.
            type: int
          replicas_per_host:
            description: How many may run on one node; V(1) without it.
            type: int
          promoted_max:
            description: How many are promoted at most; V(0) without it.
            type: int
          network:
            description: The container network, for example V(host).
            type: str
          run_command:
            description: What runs inside instead of Pacemaker's own daemon.
            type: str
          options:
            description: Further options for the command that starts it.
            type: str
      network:
        description: Its network. With a resource inside, O(bundles[].network.ip_range_start) or O(bundles[].network.control_port) is needed.
        type: dict
        suboptions:
          ip_range_start:
            description: The address of the first replica.
            type: str
          control_port:
            description: The port on which Pacemaker reaches what runs inside.
            type: int
          host_interface:
            description: The interface of the host that gets the addresses.
            type: str
          host_netmask:
            description: Their prefix length; V(32) without it.
            type: int
          add_host:
            description: Whether the replicas know each other by name; V(true) without it.
            type: bool
          ports:
            description: Ports of the host that lead into the container. The list is complete; its order means nothing.
            type: list
            elements: dict
            suboptions:
              id:
                description: Name of a new entry, made up without it.
                type: str
              port:
                description: A port.
                type: int
              internal_port:
                description: The port inside; the same as O(bundles[].network.ports[].port) without it.
                type: int
              range:
                description: Several ports, as V(8000-8010), in place of one.
                type: str
      storage:
        description: Folders of the host that the container sees. The list is complete; its order means nothing.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name of a new entry, made up without it.
            type: str
          source_dir:
            description: A folder of the host, the same for each replica.
            type: str
          source_dir_root:
            description: A folder of the host in which each replica has its own.
            type: str
          target_dir:
            description: Where the container sees it.
            type: str
            required: true
          options:
            description: Options of the mount.
            type: str
      meta:
        description: Meta attributes. V(null) removes one.
        type: dict
      state:
        description: V(absent) removes the bundle with the resource inside and everything that refers to them.
        type: str
        choices: [present, absent]
        default: present
  nodes:
    description: What nodes are and offer.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of a node of the cluster.
        type: str
        required: true
      attributes:
        description:
          - Attributes that stay when the node restarts, for rules. V(null) removes one.
          - C(standby) and C(maintenance) are refused; they are what operators switch.
        type: dict
      utilization:
        description: How much of each capacity it offers, as whole numbers. V(null) removes one.
        type: dict
  fencing_levels:
    description: Which fence devices are tried for which node, level after level. A level is told by its target and its number.
    type: list
    elements: dict
    suboptions:
      target:
        description: The node that it fences.
        type: str
      target_pattern:
        description: A regular expression for the names of the nodes, in place of O(fencing_levels[].target).
        type: str
      target_attribute:
        description: A node attribute that tells the nodes, with O(fencing_levels[].target_value), in place of O(fencing_levels[].target).
        type: str
      target_value:
        description: Its value.
        type: str
      level:
        description: From V(1), which is tried first, to V(9).
        type: int
        required: true
      devices:
        description: Ids of fence devices; all of them must succeed, in this order. Needed unless O(fencing_levels[].state=absent).
        type: list
        elements: str
      state:
        description: V(absent) removes the level.
        type: str
        choices: [present, absent]
        default: present
  tags:
    description: One name for several objects.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the tag.
        type: str
        required: true
      references:
        description: Ids of what it stands for. The list is complete; its order means nothing. Needed unless O(tags[].state=absent).
        type: list
        elements: str
      state:
        description: V(absent) removes the tag with what refers to it.
        type: str
        choices: [present, absent]
        default: present
  alerts:
    description: Programs that are told what happens in the cluster.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the alert.
        type: str
        required: true
      path:
        description: The program, which must be on every node. Needed unless O(alerts[].state=absent).
        type: str
      description:
        description: What it is for. An empty text removes it.
        type: str
      options:
        description:
          - Environment variables for the program. V(null) removes one.
          - A name that sounds like a secret is refused here; it belongs into O(alerts[].secret_options).
        type: dict
      secret_options:
        description: Environment variables that nobody may read. They are kept out of logs, results and argument lists.
        type: dict
      meta:
        description: Meta attributes, for example C(timeout). V(null) removes one.
        type: dict
      select:
        description:
          - Of which events it is told. The list is complete; an empty one stands for what Pacemaker takes
            without it, V(nodes), V(fencing) and V(resources).
          - Needs the schema 2.10.
        type: list
        elements: str
        choices: [nodes, fencing, resources, attributes]
      select_attributes:
        description: The node attributes of whose changes it is told; all of them without it. Goes with V(attributes) in O(alerts[].select).
        type: list
        elements: str
      recipients:
        description: Whom the program tells. The list is complete; its order means nothing.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name of the recipient. Without it, O(alerts[].recipients[].value) tells which it is, and a new one gets a name.
            type: str
          value:
            description: Where the alert goes, for example a file or an address.
            type: str
            required: true
          description:
            description: What it is for. An empty text removes it.
            type: str
          options:
            description: As O(alerts[].options), for this recipient alone.
            type: dict
          secret_options:
            description: As O(alerts[].secret_options), for this recipient alone.
            type: dict
          meta:
            description: As O(alerts[].meta), for this recipient alone.
            type: dict
      state:
        description: V(absent) removes the alert.
        type: str
        choices: [present, absent]
        default: present
  acl_roles:
    description:
      - What those who have a role may do with the configuration.
      - The cluster property C(enable-acl) decides whether it holds; declare it under O(properties).
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the role.
        type: str
        required: true
      description:
        description: What it is for. An empty text removes it.
        type: str
      permissions:
        description: The permissions. The list is complete; its order means nothing.
        type: list
        elements: dict
        suboptions:
          kind:
            description: What is allowed or forbidden.
            type: str
            required: true
            choices: [read, write, deny]
          xpath:
            description: About what, as an XPath expression.
            type: str
          reference:
            description: About what, as the id of an object; in place of O(acl_roles[].permissions[].xpath).
            type: str
          object_type:
            description: About what, as the name of an element; in place of O(acl_roles[].permissions[].xpath).
            type: str
          attribute:
            description: The attribute that the elements of O(acl_roles[].permissions[].object_type) must have.
            type: str
          description:
            description: What it is for.
            type: str
      state:
        description: V(absent) removes the role, also from those who have it.
        type: str
        choices: [present, absent]
        default: present
  acl_users:
    description: Users, who must be in the group C(haclient) on the nodes, and their roles.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the user.
        type: str
        required: true
      roles:
        description: Ids of roles. The list is complete; its order means nothing. Needed unless O(acl_users[].state=absent).
        type: list
        elements: str
      state:
        description: V(absent) removes the user.
        type: str
        choices: [present, absent]
        default: present
  acl_groups:
    description: Groups of users and their roles.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the group.
        type: str
        required: true
      roles:
        description: Ids of roles. The list is complete; its order means nothing. Needed unless O(acl_groups[].state=absent).
        type: list
        elements: str
      state:
        description: V(absent) removes the group.
        type: str
        choices: [present, absent]
        default: present
  exclusive:
    description:
      - Kinds of objects of which only the declared ones stay; the others are removed with what refers to them.
      - Of O(properties) and defaults, the other names go; of O(nodes), their other attributes; of O(groups), the other groups are dissolved.
      - Each of these options must be declared, if only as an empty list.
      - What operators, DRBD and Pacemaker itself put there stays, as ever.
    type: list
    elements: str
    choices:
      - properties
      - resource_defaults
      - operation_defaults
      - resources
      - groups
      - constraints
      - resource_default_sets
      - operation_default_sets
      - bundles
      - nodes
      - fencing_levels
      - tags
      - alerts
      - acl_roles
      - acl_users
      - acl_groups
seealso:
  - module: kwdb.ha.pcs_resource
  - module: kwdb.ha.pcs_constraint
  - module: kwdb.ha.pcs_cluster
"""

EXAMPLES = r"""
- name: Set what holds for the whole cluster, with one fence device per host
  kwdb.ha.pcs_config:
    properties:
      stonith-enabled: true
      no-quorum-policy: stop
    resource_defaults:
      resource-stickiness: 200
      migration-threshold: 3
    operation_default_sets:
      - id: patient-fence-devices
        rule: {all: [{operation: monitor}, {resource_type: 'stonith::fence_ipmilan'}]}
        values: {timeout: 60s}
    resources:
      - id: fence-ha-node01
        agent: stonith:fence_ipmilan
        options: {ip: 192.0.2.11, username: admin, lanplus: true, pcmk_host_list: ha-node01}
        secret_options:
          password: "{{ vault_bmc_password }}"
        operations:
          - {name: monitor, interval: 60s, timeout: 60s}
    constraints:
      - {id: location-fence-ha-node01-avoids-ha-node01, type: location, resource: fence-ha-node01, node: ha-node01, score: "-INFINITY"}
  run_once: true

- name: Add a replicated device and a file system that follows it
  kwdb.ha.pcs_config:
    resources:
      - id: KaiwuData
        agent: ocf:linbit:drbd
        options: {drbd_resource: kwdb}
        operations:
          - {name: monitor, interval: 9s, timeout: 20s, role: Promoted}
          - {name: monitor, interval: 19s, timeout: 20s, role: Unpromoted}
        clone:
          id: KaiwuData-clone
          meta: {promotable: true, promoted-max: 1, promoted-node-max: 1, clone-max: 2, clone-node-max: 1, notify: true}
      - id: KaiwuFS
        agent: ocf:heartbeat:Filesystem
        options: {device: /dev/drbd3, directory: /var/lib/kaiwudb, fstype: ext4}
        operations:
          - {name: monitor, interval: 20s, timeout: 40s}
          - {name: start, timeout: 60s}
          - {name: stop, timeout: 60s}
        group: {id: KaiwuDBGrp}
    constraints:
      - id: colocation-KaiwuDBGrp-with-KaiwuData-clone
        type: colocation
        resource: KaiwuDBGrp
        with: KaiwuData-clone
        with_role: Promoted
      - id: order-KaiwuData-clone-then-KaiwuDBGrp
        type: order
        first: KaiwuData-clone
        first_action: promote
        then: KaiwuDBGrp
        then_action: start
  run_once: true

- name: Keep the service off hosts that reach nobody, and stop it when the site's ticket is lost
  kwdb.ha.pcs_config:
    constraints:
      - id: location-KaiwuDBGrp-needs-ping
        type: location
        resource: KaiwuDBGrp
        rule:
          any:
            - {attribute: pingd, is: not_defined}
            - {attribute: pingd, is: lt, value: 1, type: number}
        score: "-INFINITY"
      - id: ticket-site-KaiwuData
        type: ticket
        ticket: site
        resource: KaiwuData-clone
        role: Promoted
        loss_policy: demote
  run_once: true

- name: Fence each host by its own device, tell a program what happens, and let a user look
  kwdb.ha.pcs_config:
    fencing_levels:
      - {target: ha-node01, level: 1, devices: [fence-ha-node01]}
    alerts:
      - id: alert-mail
        path: /usr/share/pacemaker/alerts/alert_smtp.sh
        options: {email_sender: cluster@example.com}
        select: [nodes, fencing]
        recipients:
          - {id: alert-mail-dba, value: dba@example.com}
    acl_roles:
      - {id: look, permissions: [{kind: read, xpath: /cib}]}
    acl_users:
      - {id: operator, roles: [look]}
    exclusive: [fencing_levels]
  run_once: true

- name: Say where a node stands and what it offers
  kwdb.ha.pcs_config:
    nodes:
      - {name: ha-node01, attributes: {rack: r1}, utilization: {memory: 65536}}
  run_once: true

- name: Run a web server in containers, one on each node
  kwdb.ha.pcs_config:
    bundles:
      - id: web
        container: {type: podman, image: "registry.example.com/web:1", replicas: 2}
        network: {control_port: 3121, ports: [{port: 80}]}
        storage:
          - {source_dir: /srv/www, target_dir: /var/www/html, options: ro}
  run_once: true

- name: Look at what going back to the last saved configuration would do
  kwdb.ha.pcs_config:
    state: restored
  check_mode: true
  diff: true
  run_once: true

- name: Go back to one of them, although it interrupts the service
  kwdb.ha.pcs_config:
    state: restored
    snapshot: 20261125T114500Z-0.42.17.xml
    allow_disruption: true
  run_once: true
"""

RETURN = r"""
findings:
  description: What works and is not safe, in the configuration as it is after the change. Empty when nothing changes. Also given as warnings.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) for what can cost data or the service, otherwise V(warning).
      type: str
    what:
      description: What is not as it should be.
      type: str
    where:
      description: The place in the declaration, or the id in the cluster.
      type: str
    remedy:
      description: What to do about it.
      type: str
snapshot:
  description: Path of the saved configuration from before the change.
  returned: when something was changed and O(snapshots) is not V(0)
  type: str
  sample: /var/lib/kwdb-ha/cib/20261125T114500Z-0.42.17.xml
transition:
  description:
    - What Pacemaker does because of the change; in check mode, what it would do.
    - Probes, monitors and notifications are left out.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of C(start), C(stop), C(restart), C(move), C(promote), C(demote), C(reload) and C(fence).
      type: str
    resource:
      description: The primitive; absent for C(fence).
      type: str
    node:
      description: Where.
      type: str
    source:
      description: Where a moving resource comes from.
      type: str
  sample: [{action: start, node: ha-node02, resource: fence-ha-node01}]
operator_state:
  description: What operators and DRBD put into the configuration. It is no drift and is never removed.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: One of C(standby), C(maintenance), C(maintenance-mode), C(target-role), C(is-managed), C(cli-constraint), C(drbd-fence) and the like.
      type: str
    "on":
      description: Node, resource or V(cluster).
      type: str
    value:
      description: The value, or the id of the constraint.
      type: str
  sample: [{kind: standby, "on": ha-node02, value: "on"}]
cib_version:
  description: Version of the configuration on which the plan was made.
  returned: always
  type: str
  sample: 0.42.17
preview_limited:
  description: Whether the plan was made without a running cluster, which only happens in check mode.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import _cluster_module


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=_cluster_module.CONFIG_OPTIONS, supports_check_mode=True)
    _cluster_module.run_module(module, _cluster_module.declared_config(module.params))


if __name__ == "__main__":
    main()
