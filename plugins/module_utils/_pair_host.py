# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What a host itself brings into the pair: boot, mounts, certificates, clock, space, versions."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Iterator

from ansible_collections.kwdb.ha.plugins.module_utils import _corosync, _watchdog
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text
from ansible_collections.kwdb.ha.plugins.module_utils._kwdb_host import properties_of
from ansible_collections.kwdb.ha.plugins.module_utils._pair import fence_devices
from ansible_collections.kwdb.ha.plugins.module_utils._pair_health import ERROR, WARNING, Finding
from ansible_collections.kwdb.ha.plugins.module_utils._pair_links import COROSYNC_CONF

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner
    from ansible_collections.kwdb.ha.plugins.module_utils._pair import Cib

FSTAB = "/etc/fstab"
DRBD_UNIT = "drbd.service"
# What both hosts must have in the same version; dpkg-query takes patterns.
PACKAGES = ("corosync", "drbd-utils", "kaiwudb*", "pacemaker", "pcs", "resource-agents")
RENEW_BEFORE = timedelta(days=30)
# Shares of a file system that are left.
LITTLE, VERY_LITTLE = 0.10, 0.03
CLOCK_OFFSET_S = 1.0


@dataclass(frozen=True)
class Certificate:
    """When the database's certificate ends, and whether clients may reach it by the virtual IP."""

    path: str
    not_after: datetime
    covers_vip: bool


@dataclass(frozen=True)
class HostView:
    """One look at what is the host's own."""

    name: str
    fstab: str = ""
    # How systemd treats a unit at boot: enabled, disabled, masked, ...
    boot: dict[str, str] = field(default_factory=dict)
    # Seconds that systemd waits for the database to stop, None when it waits for ever or nothing is known.
    stop_limit_s: float | None = None
    certificate: Certificate | None = None
    # Share of the space that is left, by mount point.
    free: dict[str, float] = field(default_factory=dict)
    # Seconds from the time server; None when nothing is known.
    clock_offset_s: float | None = None
    packages: dict[str, str] = field(default_factory=dict)
    # The host of the third vote, if there is to be one, when it does not vote here.
    vote_missing: str = ""
    # Whether that vote lets a host that boots alone start the service.
    boots_alone: bool = False
    # What is wrong when more votes are expected than there are.
    votes_short: str = ""
    # What is wrong when the other host does not wait until this one's watchdog has reset it.
    watchdog_late: str = ""


def boot_states(text: str) -> dict[str, str]:
    """Unit and its state at boot, from `systemctl show -p Id,UnitFileState`."""
    found = [properties_of(block) for block in re.split(r"\n\s*\n", text)]
    return {one["Id"]: one.get("UnitFileState", "") for one in found if "Id" in one}


def unit_path(unit: str) -> str:
    """The name of a unit on the system bus, which escapes all but letters and digits."""
    escaped = re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found.group()):02x}", unit)
    return f"/org/freedesktop/systemd1/unit/{escaped}"


def seconds_of(text: str) -> float | None:
    """Seconds from the bus's `t MICROSECONDS`; the largest number means for ever."""
    words = text.split()
    if len(words) != 2 or not words[1].isdigit() or int(words[1]) >= 2**64 - 1:
        return None
    return int(words[1]) / 1e6


def certificate_of(path: str, text: str) -> Certificate | None:
    """What `openssl x509 -noout -enddate -checkip` says."""
    end = re.search(r"^notAfter=(\w{3}) +(\d+) ([\d:]{8}) (\d{4}) GMT$", text, re.MULTILINE)
    if end is None:
        return None
    moment = datetime.strptime(" ".join(end.groups()), "%b %d %H:%M:%S %Y")
    return Certificate(path, moment.replace(tzinfo=timezone.utc), "does match certificate" in text)


def clock_offset(text: str) -> float | None:
    """Seconds from the time server in the answer of `chronyc -c tracking`; None without one."""
    fields = text.strip().split(",")
    if len(fields) < 14 or fields[-1] == "Not synchronised":
        return None
    return float(fields[4])


def packages_of(text: str) -> dict[str, str]:
    """Installed packages and their versions, from `STATUS PACKAGE VERSION` lines."""
    words = [line.split() for line in text.splitlines()]
    return {one[1]: one[2] for one in words if len(one) == 3 and one[0] == "ii"}


def _free(path: str) -> float:
    """Share of a file system that is left to those who are not root."""
    found = os.statvfs(path)
    return found.f_bavail / found.f_blocks if found.f_blocks else 1.0


def _mounted_space(cib: Cib) -> dict[str, float]:
    """What is left on the root file system, and on the replicated one where it is mounted."""
    places = ["/"]
    if cib.directory and os.path.ismount(cib.directory):
        places.append(cib.directory)
    return {place: _free(place) for place in places}


def _certificate(run: Runner, certs_dir: str, vip: str) -> Certificate | None:
    """The database's own certificate, if this host has it."""
    path = os.path.join(certs_dir, "node.crt")
    if not certs_dir or not os.path.exists(path) or not run.has("openssl"):
        return None
    argv = [
        "openssl",
        "x509",
        "-in",
        path,
        "-noout",
        "-enddate",
        *(["-checkip", vip] if vip else []),
    ]
    # It ends with 1 when the address does not match, and says so.
    return certificate_of(path, run(argv, ok=(0, 1)).stdout)


def _vote_missing(run: Runner, cluster: _corosync.Cluster) -> str:
    """The third vote that this host has and does not count."""
    device = cluster.device
    if device is None or not run.has(_corosync.QUORUM[0]):
        return ""
    # Its exit code says whether the cluster is quorate.
    said = run(_corosync.QUORUM, ok=range(256)).stdout
    return "" if _corosync.device_votes(said) else device.host


def _watchdog_late(cib: Cib, cluster: _corosync.Cluster) -> str:
    """What is wrong with the times of fencing by watchdogs, where the cluster counts on them."""
    text = read_text(_watchdog.SETTINGS)
    if _watchdog.DEVICE not in fence_devices(cib) or not text:
        return ""
    waited = _watchdog.wait_us(cib.properties)
    return _watchdog.too_early(_watchdog.parse(text), cluster.device_sync_ms, waited)


def read_host(run: Runner, cib: Cib, name: str, certs_dir: str) -> HostView:
    """One look; a tool that is not there is a question that is not asked."""
    cluster = _corosync.parse(read_text(COROSYNC_CONF))
    unit = f"{cib.unit}.service" if cib.unit else ""
    units = [DRBD_UNIT, *([unit] if unit else [])]
    limit = ""
    if unit and run.has("busctl"):
        where = ["org.freedesktop.systemd1", unit_path(unit), "org.freedesktop.systemd1.Service"]
        limit = run(["busctl", "get-property", *where, "TimeoutStopUSec"], ok=range(256)).stdout
    clock = ""
    if run.has("chronyc"):
        clock = run(["chronyc", "-n", "-c", "tracking"], ok=range(256)).stdout
    form = "${db:Status-Abbrev} ${Package} ${Version}\n"
    query = ["dpkg-query", "--show", f"--showformat={form}", *PACKAGES]
    shown = ""
    if run.has("systemctl"):
        argv = ["systemctl", "show", "--property=Id,UnitFileState", *units]
        shown = run(argv, ok=range(256)).stdout
    return HostView(
        name=name,
        fstab=read_text(FSTAB),
        boot=boot_states(shown),
        stop_limit_s=seconds_of(limit),
        certificate=_certificate(run, certs_dir, cib.vip),
        free=_mounted_space(cib),
        clock_offset_s=clock_offset(clock),
        # 1 says that a pattern found nothing.
        packages=packages_of(run(query, ok=(0, 1)).stdout) if run.has("dpkg-query") else {},
        vote_missing=_vote_missing(run, cluster),
        boots_alone=_corosync.boots_alone(cluster),
        votes_short=_corosync.expects_too_many(cluster),
        watchdog_late=_watchdog_late(cib, cluster),
    )


def _boot(view: HostView, cib: Cib) -> Iterator[Finding]:
    """Nothing but the cluster may start, mount or promote."""
    for unit, state in sorted(view.boot.items()):
        if state.startswith("enabled"):
            yield Finding(
                ERROR,
                "host",
                f"{unit} on {view.name}",
                "it starts at boot, before the cluster has decided where",
                f"`systemctl disable {unit}`",
            )
    for line in view.fstab.splitlines():
        words = line.split()
        if len(words) > 1 and not words[0].startswith("#"):
            named = {words[0], words[1].rstrip("/") or "/"}
            if named & {cib.device, cib.directory} - {""}:
                yield Finding(
                    ERROR,
                    "host",
                    f"{FSTAB} on {view.name}",
                    f"it mounts {words[0]} on {words[1]}, which only the cluster may do",
                    "take the line out",
                )


def _stop(view: HostView, cib: Cib) -> Iterator[Finding]:
    """systemd has to give up before the cluster does: a stop that fails gets the host fenced."""
    if view.stop_limit_s is None or cib.stop_timeout_s is None:
        return
    if view.stop_limit_s >= cib.stop_timeout_s:
        yield Finding(
            WARNING,
            "host",
            f"{cib.unit} on {view.name}",
            f"systemd lets its stop take {view.stop_limit_s:g} s, the cluster only "
            f"{cib.stop_timeout_s:g} s: a slow stop gets the host fenced",
            "run the site playbook, or set TimeoutStopSec below the stop timeout of the resource",
        )


def _certificates(view: HostView, cib: Cib, now: datetime) -> Iterator[Finding]:
    """The certificate must be valid tomorrow, and for the address that clients use."""
    found = view.certificate
    if found is None:
        return
    thing = f"{found.path} on {view.name}"
    remedy = "run the site playbook, which renews it, and then switchover.yml when an interruption suits you"
    left = found.not_after - now
    if left < RENEW_BEFORE:
        word = "ended" if left < timedelta(0) else "ends"
        severity = ERROR if left < timedelta(0) else WARNING
        yield Finding(
            severity, "host", thing, f"it {word} at {found.not_after:%Y-%m-%d %H:%M}Z", remedy
        )
    if cib.vip and not found.covers_vip:
        yield Finding(ERROR, "host", thing, f"it is not for the virtual IP {cib.vip}", remedy)


def _space(view: HostView) -> Iterator[Finding]:
    """A full disk stops the database, or the cluster's own records."""
    for place, left in sorted(view.free.items()):
        if left < LITTLE:
            yield Finding(
                ERROR if left < VERY_LITTLE else WARNING,
                "host",
                f"{place} on {view.name}",
                f"only {left:.0%} of its space is free",
                "remove what nobody needs, or make it larger (grow.yml for the replicated disk)",
            )


def _clock(view: HostView) -> Iterator[Finding]:
    """Rows carry times, and logs of two hosts are read side by side."""
    if view.clock_offset_s is not None and abs(view.clock_offset_s) > CLOCK_OFFSET_S:
        yield Finding(
            WARNING,
            "host",
            f"clock of {view.name}",
            f"it is {view.clock_offset_s:+.1f} s away from its time server",
            "`chronyc makestep` on the host",
        )


def _vote(view: HostView) -> Iterator[Finding]:
    """Without the third vote, the loss of one host is the loss of the majority; with it, one host must not be one."""
    if view.boots_alone:
        yield Finding(
            ERROR,
            "host",
            f"third vote on {view.name}",
            "a host that boots alone gets a majority by it, and may serve old data: corosync.conf must have"
            " wait_for_all: 1 and expected_votes, the device's among them",
            "set both (`man 5 votequorum`), `pcs cluster sync corosync`, `pcs cluster reload corosync`",
        )
    if view.votes_short:
        yield Finding(
            ERROR,
            "host",
            f"votes on {view.name}",
            f"{view.votes_short}: after both hosts have booted, neither gets a majority",
            "take expected_votes out of corosync.conf, `pcs cluster sync corosync`, `pcs cluster reload corosync`",
        )
    if view.vote_missing:
        yield Finding(
            WARNING,
            "host",
            f"third vote on {view.name}",
            f"{view.vote_missing} does not vote: if one host is lost now, the other one stops the database",
            f"see that corosync-qnetd runs on {view.vote_missing} and 5403/tcp is open there, and corosync-qdevice on {view.name}",
        )


def _reset(view: HostView) -> Iterator[Finding]:
    """Fencing by watchdogs is a matter of time: the host must be down before the other one takes over."""
    if view.watchdog_late:
        yield Finding(
            ERROR,
            "fencing",
            f"watchdog of {view.name}",
            f"{view.watchdog_late}: both may write",
            "`pcs property set stonith-watchdog-timeout` to twice SBD_WATCHDOG_TIMEOUT, and that to more than the quorum device's"
            " sync_timeout (`pcs quorum device update sync_timeout=10000`)",
        )


def host_findings(view: HostView, cib: Cib, now: datetime) -> list[Finding]:
    """What is not as it should be on this host."""
    return [
        *_boot(view, cib),
        *_stop(view, cib),
        *_certificates(view, cib, now),
        *_space(view),
        *_clock(view),
        *_vote(view),
        *_reset(view),
    ]
