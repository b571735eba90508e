"""The lab's network: one namespace, two bridges, two taps for each host, and cut links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import layout, store
from .layout import Host, Lab
from .system import output_of

LINKS = ("cluster", "replication", "client")
# What a client does not use and a test still needs while clients are cut off.
MANAGEMENT = (
    "tcp dport 22",
    "tcp sport 22",
    f"udp dport {layout.FIRST_BMC_PORT}-{layout.FIRST_BMC_PORT + layout.ADDRESSES_LEFT}",
    f"udp sport {layout.FIRST_BMC_PORT}-{layout.FIRST_BMC_PORT + layout.ADDRESSES_LEFT}",
)


def inside(lab: Lab, *argv: str) -> list[str]:
    """The command that runs another one inside the lab's network."""
    return ["nsenter", f"--net=/run/netns/{lab.namespace}", "--", *argv]


def exists(lab: Lab) -> bool:
    """Whether the lab's namespace is there."""
    return Path(f"/run/netns/{lab.namespace}").exists()


def make(lab: Lab) -> None:
    """Make the namespace with all that is in it."""
    name = lab.namespace
    output_of(["ip", "netns", "add", name])
    output_of(["ip", "-netns", name, "-batch", "-"], stdin=batch(lab))


def batch(lab: Lab) -> str:
    """What `ip -batch` has to do inside the namespace."""
    lines = ["link set lo up"]
    for bridge in layout.BRIDGES:
        # No learning delay and no spanning tree: a port forwards at once.
        lines += [f"link add {bridge} type bridge stp_state 0 forward_delay 0"]
        lines += [f"link set {bridge} up"]
    lines += [f"address add {layout.OUTSIDE}/{layout.PREFIX} dev {layout.BRIDGES[0]}"]
    for host in lab.hosts:
        for bridge, tap in zip(layout.BRIDGES, host.taps):
            lines += [f"tuntap add dev {tap} mode tap", f"link set {tap} master {bridge} up"]
    return "\n".join(lines) + "\n"


def remove(lab: Lab) -> None:
    """Remove the namespace; bridges and taps go with it."""
    if exists(lab):
        output_of(["ip", "netns", "delete", lab.namespace])


def between(side: int, host: Host, others: list[Host], one_way: bool) -> list[str]:
    """Rules that keep one host's packets of a network from the others, and theirs from it."""
    rules = []
    for other in others:
        mine, theirs = host.taps[side], other.taps[side]
        rules.append(f'iifname "{mine}" oifname "{theirs}" drop')
        if not one_way:
            rules.append(f'iifname "{theirs}" oifname "{mine}" drop')
    return rules


def ruleset(hosts: list[Host], cuts: list[dict[str, Any]]) -> str:
    """The packet filter for a list of cuts."""
    forward: list[str] = []
    incoming: list[str] = []
    outgoing: list[str] = []
    for cut in cuts:
        host = next(host for host in hosts if host.name == cut["host"])
        if cut["link"] == "client":
            tap = host.taps[0]
            if not cut["all"]:
                incoming += [f'iifname "{tap}" {match} accept' for match in MANAGEMENT]
                outgoing += [f'oifname "{tap}" {match} accept' for match in MANAGEMENT]
                incoming += [f'iifname "{tap}" ether type arp accept']
                outgoing += [f'oifname "{tap}" ether type arp accept']
            incoming.append(f'iifname "{tap}" drop')
            if not cut["one_way"]:
                outgoing.append(f'oifname "{tap}" drop')
        else:
            side = 0 if cut["link"] == "cluster" else 1
            others = [other for other in hosts if other is not host]
            forward += between(side, host, others, cut["one_way"])
    chains = {"forward": forward, "input": incoming, "output": outgoing}
    text = "add table bridge halab\ndelete table bridge halab\nadd table bridge halab\n"
    for hook, rules in chains.items():
        text += f"add chain bridge halab {hook} {{ type filter hook {hook} priority 0; }}\n"
        text += "".join(f"add rule bridge halab {hook} {rule}\n" for rule in rules)
    return text


def cuts(lab: Lab) -> list[dict[str, Any]]:
    """The cuts in force."""
    return store.read_json(lab.state / "cuts.json") or []


def changed_cuts(
    now: list[dict[str, Any]], action: str, link: str, names: list[str], one_way: bool, all_: bool
) -> list[dict[str, Any]]:
    """The cuts after cutting or healing a link at some hosts."""
    kept = [cut for cut in now if cut["link"] != link or cut["host"] not in names]
    if action == "heal":
        return kept
    return kept + [{"link": link, "host": name, "one_way": one_way, "all": all_} for name in names]


def change(lab: Lab, action: str, link: str, names: list[str], one_way: bool, all_: bool) -> None:
    """Cut or heal a link."""
    with store.locked(lab.state / "cuts.lock"):
        wanted = changed_cuts(cuts(lab), action, link, names, one_way, all_)
        output_of(inside(lab, "nft", "-f", "-"), stdin=ruleset(lab.hosts, wanted))
        store.write_json(lab.state / "cuts.json", wanted)
