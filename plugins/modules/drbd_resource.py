#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drbd_resource
short_description: Configures one DRBD resource on this host without ever endangering data
version_added: 0.1.0
author:
  - kwdb.ha contributors (@kwdb)
description:
  - Writes the resource's file for the version of DRBD's kernel module (8.4 or 9), creates metadata on a disk that is
    proven blank, brings the resource up and adjusts a running one online.
  - Refuses every disk that holds anything that somebody might want, with what it holds and what to do. Nothing is ever
    forced. The refusals need no package beyond util-linux, so that check mode is a full test of a bare host.
  - A resource that Pacemaker owns (C(ocf:linbit:drbd) in the CIB, also while this host is in standby) is never brought
    up, promoted, connected or attached by this module. Its options are adjusted online when that stops nothing.
attributes:
  check_mode:
    support: full
    description: Shows what would be done without doing it.
    details:
      - On a host without drbd-utils the new file cannot be tried with drbdadm; RV(preview_limited) is then true.
  diff_mode:
    support: full
    description: Shows the difference of the resource's file; the secret is masked.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
options:
  name:
    description: The name of the resource.
    type: str
    required: true
  nodes:
    description:
      - Both hosts of the pair. The entry whose name equals C(uname -n) is this host. Required unless O(state=absent).
    type: list
    elements: dict
    suboptions:
      name:
        description: The host's name as C(uname -n) prints it; Pacemaker's node name must be the same.
        type: str
        required: true
      address:
        description: The host's address on the replication network, IPv4 or IPv6.
        type: str
        required: true
      port:
        description: The TCP port for replication.
        type: int
        default: 7789
      disk:
        description:
          - The backing device, by a name that stays the same, such as one in C(/dev/disk/by-id). Required unless O(volumes)
            is given.
        type: str
      meta_disk:
        description: Device for the metadata alone; V(internal) keeps them at the end of the backing device.
        type: str
        default: internal
      node_id:
        description: DRBD 9's number for the host; by default its place in the list.
        type: int
  device_minor:
    description: The number of the DRBD device, C(3) makes C(/dev/drbd3).
    type: int
    default: 0
  volumes:
    description:
      - Several replicated devices in one resource, which are written in one common order. Instead of O(nodes[].disk) and
        O(device_minor).
    type: list
    elements: dict
    suboptions:
      volume:
        description: The number of the volume in the resource.
        type: int
        required: true
      device_minor:
        description: The number of its DRBD device.
        type: int
        required: true
      disks:
        description: The backing device of each host, by the host's name.
        type: dict
        required: true
      meta_disks:
        description: The device for the metadata alone of each host, by the host's name; the others keep them on the backing device.
        type: dict
        default: {}
  shared_secret:
    description:
      - The secret by which the hosts know each other, 16 to 63 characters. It authenticates, it does not encrypt.
        Required unless O(state=absent).
    type: str
  fencing:
    description:
      - What DRBD does when it loses its peer. V(resource-and-stonith) freezes writes until Pacemaker has fenced the peer
        or kept it from being promoted, and is the only safe policy for automatic failover.
    type: str
    choices: [resource-and-stonith, resource-only, dont-care]
    default: resource-and-stonith
  net:
    description:
      - Options of the section C(net) in addition to this module's, which are protocol C, cram-hmac-alg sha256, verify-alg
        crc32c, after-sb-0pri discard-zero-changes, after-sb-1pri and after-sb-2pri disconnect, rr-conflict disconnect.
      - Options of all sections are checked by name, version, kind and range before anything happens, more strictly than
        drbdadm itself does for DRBD 8.4.
    type: dict
    default: {}
  disk:
    description: Options of the section C(disk) in addition to on-io-error detach.
    type: dict
    default: {}
  peer_device:
    description:
      - Options of the synchronisation with the other host (C(peer-device-options) in DRBD 9), such as C(resync-rate) and
        C(c-max-rate). DRBD 8.4 has the same ones among those of its disks.
    type: dict
    default: {}
  startup:
    description: Options of the section C(startup), which matter only to DRBD's own service; Pacemaker does not use them.
    type: dict
    default: {}
  handlers:
    description:
      - Handlers in addition to fence-peer and unfence-peer, which fit O(fencing) and the kernel module's version.
    type: dict
    default: {}
  options:
    description: Options of the section C(options) in addition to auto-promote no, which is set for DRBD 9.
    type: dict
    default: {}
  battery_backed_cache:
    description:
      - States that every write cache below the disk survives a power cut. Without it, options that turn off flushes or
        barriers are refused.
    type: bool
    default: false
  allow_unstable_disk_name:
    description: Accepts a name such as C(/dev/sdb) for this host's disk.
    type: bool
    default: false
  adopt_metadata:
    description:
      - The device uuid of DRBD metadata on this host's disk that this host does not know but that belong to this pair,
        such as after the host was installed anew. The module's refusal names it.
      - It also says that a disk is the one that metadata on another device (C(meta_disk)) were made for, although its serial number
        or its name is not the one that was noted then.
    type: str
    default: ''
  wipe:
    description:
      - A person's statement that the contents of one disk of one host are not needed. Without it a disk that holds anything
        is refused, and nothing but this statement changes that.
      - The first and the last MiB are copied to RV(saved) first. Then signatures are erased, the whole disk is zeroed and
        proven blank, which takes as long as writing it does. A disk that is in use, has partitions, is in fstab or has an
        unstable name is refused all the same, and so is one that serial or size does not fit.
      - Metadata that this host knows as the resource's own are never wiped, so that a statement that was left in the
        inventory does nothing.
      - With O(state=absent), the resource's disks that are named here are wiped after it is down.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host's name as C(uname -n) prints it.
        type: str
        required: true
      disk:
        description: The disk, by the same stable name as in O(nodes[].disk).
        type: str
        required: true
      serial:
        description: Its serial number as lsblk shows it.
        type: str
      size_bytes:
        description: Its exact size. Serial or size is needed; both are checked when both are there.
        type: int
      metadata:
        description: The device uuid of DRBD metadata that describe data, needed in addition when the disk holds such.
        type: str
  allow_disruption:
    description:
      - Allows a change of a resource in service that needs a reconnect or a detach, which RV(disruption) lists. Without it
        such a change is refused. It is refused anyway unless both sides are connected and UpToDate.
    type: bool
    default: false
  start:
    description:
      - With V(auto) the resource is brought up and adjusted unless Pacemaker owns it; V(never) leaves that to somebody else.
    type: str
    choices: [auto, never]
    default: auto
  initial_sync:
    description:
      - V(full) makes this host the source of the first synchronisation, V(skip) declares both blank disks equal without
        copying. Either happens only if both sides' metadata were just created and never used, both hosts are connected
        and Secondary, and Pacemaker does not own the resource yet; at any later time it does nothing.
      - Use it on one host only.
    type: str
    choices: [none, full, skip]
    default: none
  peer_generation:
    description:
      - The other host's current generation ids, one for each volume, C(generations) in its RV(resource). Needed for
        O(initial_sync).
    type: list
    elements: str
    default: []
  peer:
    description:
      - The other host's RV(kwdb.ha.drbd_info#module:resource). By it a fresh disk, such as one that replaces another, is refused
        when it is too small for what the other host holds. Without it such a disk is refused when it is smaller than the one
        that this host had before.
    type: dict
  wait:
    description: Seconds to wait for the connection to the other host before O(initial_sync).
    type: int
    default: 30
  state:
    description:
      - V(present) means that the resource is configured, has metadata and is up.
      - V(absent) takes it down and removes its file. Data, metadata and this host's note of them stay, so that V(present)
        brings the same resource back, unless O(wipe) names the disk. Refused while Pacemaker manages it or it is Primary.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Replicate a disk between two hosts
  kwdb.ha.drbd_resource:
    name: kwdb
    device_minor: 3
    shared_secret: "{{ vaulted_drbd_secret }}"
    nodes:
      - name: ha-node01
        address: 10.0.1.11
        disk: /dev/disk/by-id/virtio-data
      - name: ha-node02
        address: 10.0.1.12
        disk: /dev/disk/by-id/virtio-data
  register: replicated

- name: Start the first synchronisation from one host
  kwdb.ha.drbd_resource:
    name: kwdb
    device_minor: 3
    shared_secret: "{{ vaulted_drbd_secret }}"
    nodes: "{{ the_same_as_above }}"
    initial_sync: full
    peer_generation: "{{ hostvars['ha-node02'].replicated.resource.generations }}"
  when: inventory_hostname == 'ha-node01'

- name: Give up what the replacement disk of one host still holds
  kwdb.ha.drbd_resource:
    name: kwdb
    device_minor: 3
    shared_secret: "{{ vaulted_drbd_secret }}"
    nodes: "{{ the_same_as_above }}"
    wipe:
      - host: ha-node02
        disk: /dev/disk/by-id/virtio-data
        serial: S3Z8NB0K

- name: Take the resource down and keep everything on its disks
  kwdb.ha.drbd_resource:
    name: kwdb
    state: absent
"""

RETURN = r"""
commands:
  description: The commands that were run, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [drbdadm create-md kwdb, drbdadm up kwdb]
disruption:
  description: What the change interrupts on a running resource, in words; empty when it interrupts nothing.
  returned: always
  type: list
  elements: str
saved:
  description: Folders on this host, for root alone, that hold the first and the last MiB of each disk that was wiped.
  returned: always
  type: list
  elements: str
triages:
  description: What the disk of each volume holds, in the form of RV(triage) and with the number of the volume.
  returned: when O(state=present)
  type: list
  elements: dict
triage:
  description: What the disk of the first volume on this host holds.
  returned: when O(state=present)
  type: dict
  contains:
    state:
      description: V(blank), V(drbd) for metadata of this resource, V(attached) when DRBD is using the disk.
      type: str
      returned: always
    what:
      description: The same in words.
      type: str
      returned: always
    path:
      description: The disk as named in the options.
      type: str
      returned: always
    device:
      description: The kernel's present name for it.
      type: str
      returned: always
    size_bytes:
      description: Its size.
      type: int
      returned: always
    serial:
      description: Its serial number where it has one.
      type: str
      returned: always
    signatures:
      description: The formats that were recognised.
      type: list
      elements: str
      returned: always
    virgin:
      description: Whether this disk has never held data of this resource.
      type: bool
      returned: always
resource:
  description: The state afterwards, in check mode the present one, in the form of M(kwdb.ha.drbd_info).
  returned: always
  type: dict
managed_by_cluster:
  description: Whether Pacemaker owns the resource.
  returned: always
  type: bool
notes:
  description: What was found different and left alone on purpose.
  returned: always
  type: list
  elements: str
preview_limited:
  description: Whether check mode could not try everything because tools are not installed yet.
  returned: always
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _disk,
    _drbd,
    _drbd_apply,
    _drbd_config,
    _drbd_files,
    _drbd_info,
    _drbd_look,
    _drbd_plan,
    _drbd_wipe,
)
from ansible_collections.kwdb.ha.plugins.module_utils._command import (
    CommandFailed,
    CommandMissing,
    Runner,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import Refused

NODE_SPEC = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 7789},
    "disk": {"type": "str"},
    "meta_disk": {"type": "str", "default": "internal"},
    "node_id": {"type": "int"},
}
VOLUME_SPEC = {
    "volume": {"type": "int", "required": True},
    "device_minor": {"type": "int", "required": True},
    "disks": {"type": "dict", "required": True},
    "meta_disks": {"type": "dict", "default": {}},
}
WIPE_SPEC = {
    "host": {"type": "str", "required": True},
    "disk": {"type": "str", "required": True},
    "serial": {"type": "str"},
    "size_bytes": {"type": "int"},
    "metadata": {"type": "str"},
}
SPEC = {
    "name": {"type": "str", "required": True},
    "nodes": {"type": "list", "elements": "dict", "options": NODE_SPEC},
    "volumes": {"type": "list", "elements": "dict", "options": VOLUME_SPEC},
    "device_minor": {"type": "int", "default": 0},
    "shared_secret": {"type": "str", "no_log": True},
    "fencing": {
        "type": "str",
        "choices": list(_drbd_config.FENCING),
        "default": _drbd_config.FENCING[0],
    },
    "net": {"type": "dict", "default": {}},
    "disk": {"type": "dict", "default": {}},
    "peer_device": {"type": "dict", "default": {}},
    "startup": {"type": "dict", "default": {}},
    "handlers": {"type": "dict", "default": {}},
    "options": {"type": "dict", "default": {}},
    "battery_backed_cache": {"type": "bool", "default": False},
    "allow_unstable_disk_name": {"type": "bool", "default": False},
    "adopt_metadata": {"type": "str", "default": ""},
    "wipe": {"type": "list", "elements": "dict", "default": [], "options": WIPE_SPEC},
    "allow_disruption": {"type": "bool", "default": False},
    "start": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
    "initial_sync": {"type": "str", "choices": ["none", "full", "skip"], "default": "none"},
    "peer_generation": {"type": "list", "elements": "str", "default": []},
    "peer": {"type": "dict"},
    "wait": {"type": "int", "default": 30},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def volumes_of(params: dict[str, Any]) -> tuple[_drbd_config.Volume, ...]:
    """The wanted volumes, from the list or from the short form for one."""
    nodes = params["nodes"]
    if params["volumes"] is None:
        places = tuple(_drbd_config.Place(node["disk"] or "", node["meta_disk"]) for node in nodes)
        return (_drbd_config.Volume(0, params["device_minor"], places),)
    if any(node["disk"] for node in nodes):
        raise Refused("name the disks either in nodes or in volumes, not in both")
    found = []
    for one in params["volumes"]:
        for key in ("disks", "meta_disks"):
            unknown = set(one[key]) - {node["name"] for node in nodes}
            if unknown:
                raise Refused(
                    f"volumes: {key} of volume {one['volume']} names {', '.join(sorted(unknown))}, no host of nodes"
                )
        places = tuple(
            _drbd_config.Place(
                str(one["disks"].get(node["name"], "")),
                str(one["meta_disks"].get(node["name"], _drbd_config.INTERNAL)),
            )
            for node in nodes
        )
        found.append(_drbd_config.Volume(one["volume"], one["device_minor"], places))
    return tuple(sorted(found, key=lambda volume: volume.number))


def definition(params: dict[str, Any], major: int) -> _drbd_config.Definition:
    """The wanted resource from the module's options."""
    nodes = tuple(
        _drbd_config.Node(
            name=node["name"],
            address=node["address"],
            port=node["port"],
            node_id=index if node["node_id"] is None else node["node_id"],
        )
        for index, node in enumerate(params["nodes"])
    )
    want = _drbd_config.Definition(
        name=params["name"],
        nodes=nodes,
        volumes=volumes_of(params),
        # The answer to a missing secret is not Ansible's: it tells how to make one.
        secret=params["shared_secret"] or "",
        fencing=params["fencing"],
        net=params["net"],
        disk=params["disk"],
        peer_device=params["peer_device"],
        handlers=params["handlers"],
        options=params["options"],
        startup=params["startup"],
        battery_backed_cache=params["battery_backed_cache"],
    )
    _drbd_config.check_definition(want, major)
    return want


def triage_report(one: _drbd_plan.SeenVolume, resource: dict[str, Any]) -> dict[str, Any]:
    """What was found of one volume's disk."""
    fresh = one.metadata in ("create", "adopt") or resource["just_created"]
    return {**one.triage.report(), "volume": one.volume.number, "virgin": fresh}


def present(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, want, plan, apply, report for a resource that should be there."""
    version = _drbd.module_version(run)
    want = definition(params, _drbd.major_of(version))
    text = _drbd_config.render(want, _drbd.major_of(version))
    leave = _drbd_look.Leave(
        params["allow_unstable_disk_name"],
        params["adopt_metadata"],
        _drbd_wipe.wanted_wipes(params["wipe"]),
    )
    seen = _drbd_look.see(run, want, leave, version, params["peer"])
    start = params["start"] == "auto"
    plan = _drbd_plan.make_plan(want, text, seen, start, params["allow_disruption"])
    saved: list[str] = []
    if not check_mode:
        if not run.has("drbdadm"):
            raise CommandMissing("drbdadm")
        saved = _drbd_apply.apply(run, want, seen, plan, version, text)
    sync = (params["initial_sync"], params["peer_generation"], params["wait"])
    plan = plan.followed_by(_drbd_apply.first_sync(run, want, *sync, seen, version, check_mode))
    resource = _drbd_info.read_info(run, want.name)
    triages = [triage_report(one, resource) for one in seen.volumes]
    return {
        **report(run, params["name"], seen, plan, text),
        "saved": saved,
        "triages": triages,
        "triage": triages[0],
        "resource": resource,
    }


def report(
    run: Runner, name: str, seen: _drbd_plan.Seen, plan: _drbd_plan.Plan, text: str
) -> dict[str, Any]:
    """What every result has."""
    return {
        "changed": plan.changed,
        "commands": _drbd_plan.commands_text(plan.commands),
        "diff": _drbd_config.text_diff(_drbd_files.resource_path(name), seen.current_text, text),
        "managed_by_cluster": seen.managed,
        "notes": list(plan.notes),
        "disruption": list(plan.disruption),
        "preview_limited": not run.has("drbdadm"),
    }


def absent(run: Runner, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply, report for a resource that should be gone."""
    name, version = params["name"], _drbd.module_version(run)
    if not _drbd_config.NAME.fullmatch(name) or name == "all":
        raise Refused(f'name "{name}" is not a name for a DRBD resource')
    wipes = _drbd_wipe.wanted_wipes(params["wipe"])
    seen = _drbd_look.see_removal(run, name)
    down = _drbd_plan.plan_removal(name, seen, bool(seen.current_text))
    volumes, _options = _drbd_info.read_configuration(run, name, version)
    places = [_drbd_config.Place(one.disk, one.meta_disk) for one in volumes]
    # When the file is gone, so is what it says of disks: then wipe has nothing left to do here.
    named = wipes if volumes else ()
    wiping = _drbd_look.see_wiped(run, name, places, named, up=seen.state is not None)
    erasing = tuple(
        argv for triage in wiping for argv in _drbd_wipe.wipe_commands(triage.facts.path)
    )
    saved: list[str] = []
    if not check_mode:
        numbers = [one.number for one in volumes]
        saved = _drbd_apply.remove(run, name, down, numbers, wiping, version)
    plan = _drbd_plan.Plan(bool(seen.current_text), erasing, False, down)
    return {
        **report(run, name, seen, plan, ""),
        "commands": _drbd_plan.commands_text([*down, *erasing]),
        "saved": saved,
        "resource": _drbd_info.read_info(run, name),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        required_if=[("state", "present", ["nodes"])],
    )
    work = present if module.params["state"] == "present" else absent
    try:
        result = work(Runner(module), module.params, module.check_mode)
    except CommandFailed as error:
        module.fail_json(msg=str(error), **error.details)
    except (Refused, _disk.DiskRefused) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
