# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Cut the links between the two hosts from one side: what it sends to the other goes nowhere."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterator, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _corosync
from ansible_collections.kwdb.ha.plugins.module_utils._drbd import dialect, module_version
from ansible_collections.kwdb.ha.plugins.module_utils._drbd_files import read_text

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

COROSYNC_CONF = "/etc/corosync/corosync.conf"
CLUSTER, REPLICATION = "cluster", "replication"
# A locally administered hardware address that no card has: a packet for it is lost without a word, as in
# a broken switch. A packet filter may be missing on a host, or belong to somebody else's rules.
NOWHERE = "02:00:00:00:00:00"
# ip ends so when the neighbour entry is gone already.
GONE = 2


class LinksRefused(Exception):
    """These links cannot be cut without doing something else; nothing was changed."""


@dataclass(frozen=True)
class Neighbour:
    """An address of the other host, and the interface that leads there."""

    address: str
    interface: str


def cluster_addresses(text: str, node: str) -> tuple[str, ...]:
    """The addresses that corosync has for a host, one per link."""
    return next((one.addresses for one in _corosync.parse(text).nodes if one.name == node), ())


def replication_addresses(xml: str, node: str) -> tuple[str, ...]:
    """The addresses of a host in "drbdadm dump-xml"."""
    found = [one for one in ET.fromstring(xml).iter("host") if one.get("name") == node]
    return tuple(address.text or "" for one in found for address in one.findall("address"))


def chosen(cut: Sequence[str], cluster: Sequence[str], replication: Sequence[str]) -> list[str]:
    """The addresses that a cut of these links takes away; refused when it would be another cut."""
    both = CLUSTER in cut and REPLICATION in cut
    if REPLICATION in cut:
        taken = [*replication, *(cluster if both else ())]
    else:
        taken = [one for one in cluster if one not in replication]
    if not taken or not cluster or not replication:
        raise LinksRefused(
            f"there is no {' or '.join(cut)} link of its own to cut: corosync uses "
            f"{', '.join(cluster) or 'no address'}, DRBD uses {', '.join(replication) or 'no address'}. "
            "Leave this drill out, or give corosync a second link"
        )
    if not both and set(cluster) <= set(taken):
        raise LinksRefused(
            f"without {', '.join(taken)} the hosts would lose sight of each other and one would be "
            "fenced: give corosync a second link, or run the drill both_links_cut"
        )
    return list(dict.fromkeys(taken))


def neighbour(text: str, address: str) -> Neighbour:
    """How "ip -json route get" says that an address is reached."""
    route = json.loads(text)[0]
    if "gateway" in route or route.get("dev") in (None, "lo"):
        how = f"through {route['gateway']}" if "gateway" in route else "on this host itself"
        raise LinksRefused(f"{address} is reached {how}: only a direct link can be cut")
    return Neighbour(address, route["dev"])


def cut_command(link: Neighbour) -> list[str]:
    """Send what is for this address nowhere."""
    words = ["lladdr", NOWHERE, "nud", "permanent", "dev", link.interface]
    return ["ip", "neigh", "replace", link.address, *words]


def heal_command(link: Neighbour) -> list[str]:
    """Let the kernel ask the network again where this address is."""
    return ["ip", "neigh", "del", link.address, "dev", link.interface]


def timer_command(unit: str, link: Neighbour, seconds: int) -> list[str]:
    """Heal after so many seconds, whatever has become of the drill by then."""
    return [
        "systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds}s",
        "--timer-property=AccuracySec=1s", *heal_command(link),
    ]  # fmt: skip


def some_down(text: str) -> bool:
    """Whether "corosync-cmapctl -m stats" shows a link that does not work."""
    found = re.findall(r"^stats\.knet\.node\d+\.link\d+\.connected \(\w+\) = (\d)$", text, re.M)
    return "0" in found


def cluster_link_down(run: Runner) -> bool:
    """Whether corosync has found one of its links dead."""
    return some_down(run(["corosync-cmapctl", "-m", "stats"]).stdout)


def _resolved(name: str) -> str:
    """The address that a name or an address stands for."""
    try:
        return str(socket.getaddrinfo(name, None)[0][4][0])
    except OSError as error:
        raise LinksRefused(f"{name} is not the name of an address: {error.strerror}") from error


def find(run: Runner, cut: Sequence[str], resource: str, node: str) -> list[Neighbour]:
    """What has to go nowhere to cut these links to the other host."""
    shown = run(["drbdadm", "dump-xml", resource], env=dialect(module_version(run))).stdout
    cluster = cluster_addresses(read_text(COROSYNC_CONF), node)
    replication = [_resolved(one) for one in replication_addresses(shown, node)]
    taken = chosen(cut, [_resolved(one) for one in cluster], replication)
    return [neighbour(run(["ip", "-json", "route", "get", one]).stdout, one) for one in taken]


@contextlib.contextmanager
def severed(run: Runner, links: Sequence[Neighbour], name: str, seconds: int) -> Iterator[None]:
    """Links that are cut inside of this block, and healed by a timer if nobody else can."""
    timers = {f"{name}-{number}": link for number, link in enumerate(links)}
    for unit, link in timers.items():
        run(timer_command(unit, link, seconds))
    try:
        for link in links:
            run(cut_command(link), why=f"the way to {link.address} could not be cut")
        yield
    finally:
        # Each on its own: the timers stay for what could not be healed here.
        for unit, link in timers.items():
            run(heal_command(link), ok=(0, GONE))
            run(["systemctl", "stop", f"{unit}.timer"])
