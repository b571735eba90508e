# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Where a running pair is not what the roles make, why that matters, and what to do. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import _adopt, _corosync, _values

NOT_SET = "not set"
SITE = "site.yml changes it"
LEFT = "site.yml leaves it"


@dataclass(frozen=True)
class Difference:
    """One thing for the operator to decide on."""

    where: str
    here: str
    ours: str
    why: str
    remedy: str

    def text(self) -> str:
        """The difference as a line for people."""
        return f"{self.where}: {self.here}, ours: {self.ours}. {self.why}. {self.remedy}."

    def result(self) -> dict[str, str]:
        """The difference as a module returns it."""
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """A value that the roles set, and why; without a value, one that nothing should set."""

    path: tuple[str, ...]
    ours: str
    why: str
    remedy: str = SITE


NO_DISRUPTION = f"{SITE} without an interruption"
RESTART = f"{SITE}, which interrupts the service: the run is refused until a quiet hour, when -e pair_allow_disruption=true allows it"
# The test of the disk is one of the roles' own agent.
OWN_AGENT = "ocf:kwdb:kaiwudb"
DEEP = "monitor 61s timeout 40s depth 20; "
# The order is that of the danger.
RULES = (
    Rule(
        ("properties", "stonith-enabled"),
        "true",
        "Without fencing both hosts write when they lose sight of each other, and a failed unmount ends the service for ever",
        "Set pacemaker_fence_agent and pair_fence_options of each host, or accept the risk with"
        " pacemaker_accept_risk_without_fencing: true, which keeps the value",
    ),
    Rule(
        ("properties", "no-quorum-policy"),
        "stop",
        "With ignore a host that boots alone starts the database on old data",
        f"{NO_DISRUPTION}; pacemaker_properties: {{no-quorum-policy: ignore}} keeps the value",
    ),
    Rule(
        ("properties", "load-threshold"),
        "1000%",
        "With its default of 80% a busy host makes the failover do one thing at a time",
        f"{NO_DISRUPTION}; pacemaker_properties: {{load-threshold: null}} keeps the default",
    ),
    Rule(
        ("properties", "node-action-limit"),
        "16",
        "With its default, two a core, monitors hold up a failover on a host with one or two cores",
        f"{NO_DISRUPTION}; pacemaker_properties: {{node-action-limit: null}} keeps the default",
    ),
    Rule(
        ("resources", "ClusterIP", "group"),
        "KaiwuDBGrp",
        "Without a place after the database the address is up on a host whose database does not answer",
        RESTART,
    ),
    Rule(
        ("resources", "KaiwuData", "operations"),
        "demote 0s timeout 90s; monitor 19s timeout 20s role Unpromoted;"
        " monitor 9s timeout 20s role Promoted; notify 0s timeout 90s; promote 0s timeout 90s;"
        " start 0s timeout 240s; stop 0s timeout 100s",
        "A monitor without a role does not watch the promoted disk: a lost disk is not seen",
        NO_DISRUPTION,
    ),
    Rule(
        ("resources", "KaiwuDB", "agent"),
        OWN_AGENT,
        "A database that hangs and a disk that is read-only look well to systemd, and each start and stop takes up to 2 s longer",
        f"{LEFT}, as kwdb_resource_agent: systemd says in the inventory; the README of the role kwdb says how to change it",
    ),
    Rule(
        ("resources", "KaiwuDB", "operations"),
        f"monitor 5s timeout 30s; {DEEP}start 0s timeout 300s; stop 0s timeout 120s",
        "A dead database is seen late, and one that recovers for more than 20 s counts as failed",
        f"{NO_DISRUPTION}; kwdb_start_timeout and kwdb_stop_timeout are yours",
    ),
    Rule(
        ("resources", "KaiwuDB", "meta", "failure-timeout"),
        NOT_SET,
        "Failures are forgotten before Pacemaker answers them",
        f"{LEFT}: take it away with pcs_resource, meta: {{failure-timeout: null}}",
    ),
    Rule(
        ("resource_defaults", "migration-threshold"),
        "3",
        "How many failures on a host move the service",
        f"{NO_DISRUPTION}; pacemaker_resource_defaults keeps another value",
    ),
    Rule(
        ("resource_defaults", "resource-stickiness"),
        "200",
        "Without it a slight preference interrupts a service that runs well",
        f"{NO_DISRUPTION}; pacemaker_resource_defaults keeps another value",
    ),
    Rule(
        ("resource_defaults", "failure-timeout"),
        "15min",
        "Failures are forgotten in their time, and not before they are seen",
        f"{NO_DISRUPTION}; pacemaker_resource_defaults keeps another value",
    ),
    Rule(
        ("resources", "KaiwuData", "clone", "meta", "priority"),
        "10",
        "Lets the fencing of the active host wait, with priority-fencing-delay",
        NO_DISRUPTION,
    ),
    Rule(
        ("resources", "KaiwuFS", "operations"),
        "monitor 20s timeout 40s; start 0s timeout 60s; stop 0s timeout 60s",
        "An unmount has its time, and whether it can be written is tested by the database's agent: another test fails while DRBD waits for a fencing",
        NO_DISRUPTION,
    ),
    Rule(
        ("resources", "KaiwuFS", "options", "options"),
        "noatime",
        "Each read would write",
        f"{RESTART}; filesystem_options is yours",
    ),
    Rule(
        ("resources", "KaiwuFS", "options", "force_unmount"),
        "safe",
        "The agent's own default differs between distributions",
        f"{RESTART}; filesystem_force_unmount is yours",
    ),
    Rule(
        ("resources", "KaiwuFS", "options", "fast_stop"),
        "no",
        "The agent's own default differs between distributions",
        RESTART,
    ),
    Rule(
        ("resources", "ClusterIP", "operations"),
        "monitor 10s timeout 20s; start 0s timeout 20s; stop 0s timeout 20s",
        "A lost address is seen late",
        NO_DISRUPTION,
    ),
)
# What the roles constrain, by what it says.
CONSTRAINTS = {
    "colocation KaiwuDBGrp with Promoted KaiwuData-clone": "The group must run beside the promoted disk",
    "order promote KaiwuData-clone then start KaiwuDBGrp": "The group must start after the promotion",
}


def _resource(config: _adopt.Config, identity: str) -> Mapping[str, Any]:
    for one in _adopt.resources(config):
        if one["id"] == identity:
            return one
    return {}


def operations(given: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Operations of these names as a line in a fixed order."""
    found = []
    for one in given:
        if one["name"] not in names:
            continue
        interval = one.get("interval") or "0s"
        words = [one["name"], duration(str(interval))]
        if one.get("timeout"):
            words += ["timeout", duration(str(one["timeout"]))]
        for name in ("role", "depth", "on_fail"):
            if one.get(name):
                words += [name, str(one[name])]
        found.append(" ".join(words))
    return "; ".join(sorted(found)) or NOT_SET


def duration(text: str) -> str:
    """A duration in seconds, as text."""
    value = _values.microseconds(text)
    return text if value is None or value % 10**6 else f"{value // 10**6}s"


def value_of(config: _adopt.Config, rule: Rule) -> str:
    """What a configuration has at the place of a rule."""
    kind, name, *rest = rule.path
    if kind != "resources":
        found = (config.get(kind) or {}).get(name)
    elif rest == ["operations"]:
        names = [one.split()[0] for one in rule.ours.split("; ")]
        return operations(_resource(config, name).get("operations") or [], names)
    elif rest == ["group"]:
        found = _group_of(config, name)
    else:
        place: Any = _resource(config, name)
        for step in rest:
            place = (place or {}).get(step)
        found = place
    return NOT_SET if found is None else _values.text(found)


def _group_of(config: _adopt.Config, identity: str) -> str | None:
    """The group of a resource, declared there or with the group."""
    own = (_resource(config, identity).get("group") or {}).get("id")
    for group in config.get("groups") or []:
        if identity in group.get("members", ()):
            own = group["id"]
    return own


def constraint_text(one: Mapping[str, Any]) -> str:
    """What a constraint says, in words, whatever its name is."""
    kind = one.get("type")
    if kind == "colocation" and one.get("with"):
        role = f"{_values.role(one['with_role'])} " if one.get("with_role") else ""
        return f"colocation {one['resource']} with {role}{one['with']}"
    if kind == "order" and one.get("first"):
        first = one.get("first_action") or "start"
        then = one.get("then_action") or first
        return f"order {first} {one['first']} then {then} {one['then']}"
    return f"{kind} {one.get('resource') or one.get('id')}"


def _values_that_differ(config: _adopt.Config) -> Iterator[Difference]:
    own = _resource(config, "KaiwuDB").get("agent") == OWN_AGENT
    for rule in RULES:
        here, ours = value_of(config, rule), rule.ours if own else rule.ours.replace(DEEP, "")
        if here != ours and not _values.same(rule.path[-1], here, ours):
            yield Difference(".".join(rule.path), here, ours, rule.why, rule.remedy)


def _constraints_that_differ(config: _adopt.Config) -> Iterator[Difference]:
    members = {one["id"] for one in _adopt.resources(config) if _group_of(config, one["id"])} | {
        "ClusterIP"
    }
    there = {constraint_text(one): one for one in config.get("constraints") or []}
    for text, why in CONSTRAINTS.items():
        if text not in there:
            yield Difference(f"constraints.{text}", NOT_SET, "set", why, NO_DISRUPTION)
    for text, one in there.items():
        if text in CONSTRAINTS or one.get("type") == "location":
            continue
        ends = {one.get(name) for name in ("resource", "with", "first", "then")} - {None}
        why = "Not one of ours"
        if ends <= members:
            why = "Says again what the group says; twice can block Pacemaker"
        remedy = f"{LEFT}: take it away with pcs_constraint, id: {one['id']}, state: absent"
        yield Difference(f"constraints.{text}", "set", NOT_SET, why, remedy)


def _below_the_cluster(seen: _adopt.Seen) -> Iterator[Difference]:
    """The cluster's links and DRBD."""
    if min(len(one.addresses) for one in seen.cluster.nodes) < 2:
        yield Difference(
            "corosync.links",
            "one",
            "two",
            "When the one network fails, the hosts lose sight of each other",
            f"{LEFT}: add the network of replication with pcs cluster link add, then take"
            " pacemaker_node_addresses out of the inventory",
        )
    if seen.cluster.crypto.get("cipher", "none") == "none":
        yield Difference(
            "corosync.crypto",
            "none",
            "aes256",
            "Everybody in the network can join the cluster",
            f"{LEFT}: pcs cluster config update crypto, then set pacemaker_crypto",
        )
    if seen.cluster.device and not _corosync.waits_for_all(seen.cluster):
        yield Difference(
            "corosync.quorum.wait_for_all",
            NOT_SET,
            "1",
            "A host that boots alone has a majority by the quorum device, and may serve old data",
            f"{LEFT}: pcs quorum update wait_for_all=1, for which the cluster must be stopped",
        )
    if seen.cluster.device and _corosync.counts_too_few(seen.cluster):
        yield Difference(
            "corosync.quorum.expected_votes",
            NOT_SET,
            str(_corosync.all_votes(seen.cluster)),
            "A host that boots alone takes its own vote and that of the quorum device for all, and may serve old data",
            NO_DISRUPTION,
        )
    for one in seen.drbd.hosts:
        if not one.disk.startswith(("/dev/disk/", "/dev/mapper/")):
            yield Difference(
                f"drbd.{seen.drbd.name}.{one.name}.disk",
                one.disk,
                "a name under /dev/disk/by-id/",
                "It may be another disk after the next boot",
                "Set pair_disk of the host to the stable name of the same disk",
            )
    yield from _drbd_options(seen.drbd)


def _drbd_options(drbd: _adopt.Drbd) -> Iterator[Difference]:
    where = f"drbd.{drbd.name}"
    for name in ("disk-flushes", "md-flushes"):
        if drbd.options.get(name) == "no":
            yield Difference(
                f"{where}.{name}",
                "no",
                "yes",
                "Acknowledged writes are lost at a power cut",
                f"{SITE}; with a battery-backed cache drbd_disk and drbd_battery_backed_cache keep it",
            )
    if drbd.options.get("after-sb-1pri") == "discard-secondary":
        yield Difference(
            f"{where}.after-sb-1pri",
            "discard-secondary",
            "disconnect",
            "After a split it throws acknowledged rows away by itself",
            SITE,
        )
    if "fence-peer" not in drbd.options:
        yield Difference(
            f"{where}.fence-peer",
            NOT_SET,
            "set",
            "A host with old data can be promoted",
            SITE,
        )
    yield Difference(
        f"{where}.shared-secret",
        "not shown",
        "vault_drbd_secret",
        "A secret from a manual protects from nobody, and the roles refuse it",
        "Write the present one into the vault to keep it, or a new one of 16 characters or more",
    )


def differences(seen: _adopt.Seen) -> list[Difference]:
    """Everything on which the operator should decide, the most dangerous first."""
    return [
        *_values_that_differ(seen.config),
        *_constraints_that_differ(seen.config),
        *_below_the_cluster(seen),
    ]
