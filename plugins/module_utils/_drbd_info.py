# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!


"""Everything about one DRBD resource on this host, in one form for module 8.4 and 9."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
from ansible_collections.kwdb.ha.plugins.module_utils._disk import (
    Metadata,
    device_size,
    is_just_created,
    metadata_on,
)
from ansible_collections.kwdb.ha.plugins.module_utils._disk_content import last_write
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import (
    State,
    VolumeState,
    dialect,
    format_generation,
    has_hmac,
    module_loaded,
    module_version,
    parse_generation,
    read_state,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_fence import (
    handler_problem,
    pacemaker_version,
)
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import resource_path
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_size import agreed_bytes

SECRET_SHOWN = "********"


@dataclass(frozen=True)
class Configured:
    """One volume of this host as its configuration has it."""

    number: int
    minor: int
    device: str
    disk: str
    meta_disk: str


def parse_configuration(text: str, host: str) -> tuple[tuple[Configured, ...], dict[str, Any]]:
    """This host's volumes, and all options by section, from "drbdadm dump-xml"; the secret is masked."""
    top = ElementTree.fromstring(text)
    resource = top if top.tag == "resource" else top.find("resource")
    if resource is None:
        return (), {}
    volumes = tuple(
        _configured(volume)
        for one in resource.findall("host")
        if one.get("name") == host
        for volume in one.findall("volume")
    )
    options: dict[str, dict[str, str]] = {}
    for section in resource.iter("section"):
        for option in section.findall("option"):
            name, value = str(option.get("name")), str(option.get("value") or "yes")
            if not name.startswith("_"):
                value = SECRET_SHOWN if name == "shared-secret" else value
                options.setdefault(str(section.get("name")), {})[name] = value
    return volumes, options


def _configured(volume: ElementTree.Element) -> Configured:
    """One volume of "drbdadm dump-xml"."""
    device = volume.find("device")
    return Configured(
        number=int(volume.get("vnr") or 0),
        minor=int((device.get("minor") if device is not None else None) or -1),
        device=volume.findtext("device") or "",
        disk=volume.findtext("disk") or "",
        meta_disk=volume.findtext("meta-disk") or "internal",
    )


def read_configuration(
    run: Runner, name: str, version: str
) -> tuple[tuple[Configured, ...], dict[str, Any]]:
    """What drbdadm reads of the resource's file; nothing when there is none."""
    if not version or not run.has("drbdadm") or not os.path.exists(resource_path(name)):
        return (), {}
    shown = run(["drbdadm", "dump-xml", name], env=dialect(version)).stdout
    return parse_configuration(shown, os.uname().nodename)


def metadata_of(volume: Configured) -> Metadata | None:
    """The metadata of a detached volume, wherever it keeps them."""
    if volume.meta_disk == "internal":
        return metadata_on(volume.disk)
    return metadata_on(volume.meta_disk, external=True)


def read_generations(
    run: Runner, name: str, version: str, state: State | None
) -> tuple[int | None, ...]:
    """The current generation id of each volume, from the kernel or from the detached disk."""
    volumes, _options = read_configuration(run, name, version)
    found = []
    for volume in volumes:
        if state and state.volume(volume.number).attached:
            part = name if len(volumes) == 1 else f"{name}/{volume.number}"
            shown = run(["drbdadm", "get-gi", part], env=dialect(version))
            found.append(parse_generation(shown.stdout))
            continue
        # Not by drbdadm: on a detached disk it first asks the kernel, and that loads the module.
        metadata = metadata_of(volume)
        found.append(metadata.current_uuid if metadata else None)
    return tuple(found)


def generation_report(uuids: tuple[int | None, ...]) -> dict[str, Any]:
    """The generation ids in the form that a module returns."""
    return {
        "current_uuid": format_generation(uuids[0]) if uuids else "",
        "generations": [format_generation(uuid) for uuid in uuids],
        "just_created": bool(uuids)
        and all(uuid is not None and is_just_created(uuid) for uuid in uuids),
    }


def backing_bytes(configured: Configured | None) -> int:
    """The size of a volume's backing disk; 0 when it cannot be asked."""
    try:
        return device_size(configured.disk) if configured else 0
    except OSError:
        return 0


def volume_report(
    volume: VolumeState, configured: Configured | None, metadata: Metadata | None
) -> dict[str, Any]:
    """One volume in the form that a module returns; the same keys whatever is known."""
    return {
        "volume": volume.number,
        "minor": configured.minor if configured else volume.minor,
        "device": configured.device if configured else "",
        "backing_disk": configured.disk if configured else "",
        "meta_disk": configured.meta_disk if configured else "",
        "backing_bytes": backing_bytes(configured),
        "agreed_bytes": agreed_bytes(volume, metadata),
        "last_write": last_write(configured.disk) if configured else "",
        "disk": volume.disk,
        "replication": volume.replication,
        "peer_disk": volume.peer_disk,
        "size_bytes": volume.size_kib * 1024,
        "out_of_sync_kib": volume.out_of_sync_kib,
        "resync_suspended": volume.resync_suspended,
        "quorum": volume.quorum,
        "counters": dict(volume.counters),
        "metadata_version": metadata.version if metadata else "",
        "device_uuid": metadata.device_uuid if metadata else "",
        "clean": metadata.clean if metadata else None,
    }


def versions(run: Runner, version: str, installed: bool) -> dict[str, Any]:
    """What is installed on this host, and whether it fits together."""
    utils = utils_version(run) if installed else ""
    pacemaker = pacemaker_version(run)
    problem = handler_problem(utils, pacemaker)
    return {
        "installed": installed,
        "module_version": version,
        "module_loaded": module_loaded(),
        "utils_version": utils,
        "pacemaker_version": pacemaker,
        "fence_handler_fits": None if problem is None else not problem,
        "fence_handler_problem": problem or "",
        "hmac_sha256": has_hmac(run, "sha256"),
    }


def read_info(run: Runner, name: str) -> dict[str, Any]:
    """Everything about one resource, in one form for module 8.4 and 9; changes nothing."""
    version = module_version(run)
    installed = run.has("drbdadm")
    state = read_state(run, name) if installed else None
    volumes, options = read_configuration(run, name, version)
    first = volumes[0] if volumes else None
    by_number = {one.number: one for one in volumes}
    running = state.volumes if state else ()
    shown = [
        volume_report(
            state.volume(number) if state else VolumeState(number),
            by_number.get(number),
            metadata_of(by_number[number]) if number in by_number else None,
        )
        for number in sorted({*by_number, *(one.number for one in running)})
    ]
    return {
        "name": name,
        **versions(run, version, installed),
        "configured": bool(version) and os.path.exists(resource_path(name)),
        "device": first.device if first else "",
        "backing_disk": first.disk if first else "",
        "configuration": options,
        "volumes": shown,
        **state_report(state),
        **generation_report(read_generations(run, name, version, state)),
    }


def utils_version(run: Runner) -> str:
    """The version of drbd-utils."""
    shown = run(["drbdadm", "--version"]).stdout
    found = re.search(r"^DRBDADM_VERSION=(\S+)", shown, re.MULTILINE)
    return found.group(1) if found else ""


def state_report(state: State | None) -> dict[str, Any]:
    """The kernel's state in the form that a module returns; the same keys when there is none."""
    known = state or State()
    return {
        "running": state is not None,
        "role": known.role,
        "disk": known.disk,
        "minor": known.minor if state else None,
        "connection": known.connection,
        "replication": known.replication,
        "peer_role": known.peer_role,
        "peer_disk": known.peer_disk,
        "size_bytes": known.size_kib * 1024,
        "out_of_sync_kib": known.out_of_sync_kib,
        "done_percent": known.done_percent,
        "resync_suspended": known.resync_suspended,
        "suspended": known.suspended,
        "write_ordering": known.write_ordering,
        "quorum": known.quorum,
    }
