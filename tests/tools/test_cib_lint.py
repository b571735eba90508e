# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can never work is refused, with its place; Pacemaker itself is the judge of "never"."""

from __future__ import annotations

from typing import Any

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _command, _declaration, _judgement

ONE, TWO = pair.NODES
MONITORS = [
    {"name": "monitor", "interval": "10s", "role": "Promoted"},
    {"name": "monitor", "interval": "11s", "role": "Unpromoted"},
]


def dummy(name: str, **more: Any) -> dict[str, Any]:
    """A resource that always can run."""
    return {"id": name, "agent": "ocf:pacemaker:Dummy", **more}


def stateful(**meta: Any) -> dict[str, Any]:
    """A clone with two instances."""
    operations = MONITORS if meta.get("promotable") else []
    clone = {"id": "s-clone", "meta": meta}
    return {"id": "s", "agent": "ocf:pacemaker:Stateful", "operations": operations, "clone": clone}


def order(name: str, first: str, then: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "order", "first": first, "then": then, **more}


def beside(name: str, resource: str, other: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "colocation", "resource": resource, "with": other, **more}


A, B, C = dummy("a"), dummy("b"), dummy("c")
IN = {"id": "g"}
NEVER = "-INFINITY"
PROMOTED = {"first_action": "promote", "then_action": "start"}
Case = tuple[dict[str, Any], str, str]
# What is declared, what the refusal says, and a resource that Pacemaker never starts with it.
WRONG: dict[str, Case] = {
    "circle": (
        {"resources": [A, B], "constraints": [order("o1", "a", "b"), order("o2", "b", "a")]},
        "constraints[0]: the order is a circle: a before b before a;",
        "a",
    ),
    "circle of three": (
        {
            "resources": [A, B, C],
            "constraints": [order("o1", "a", "b"), order("o2", "b", "c"), order("o3", "c", "a")],
        },
        "remove or turn one of o1, o2, o3",
        "a",
    ),
    "circle through a group": (
        {
            "resources": [dummy("a", group=IN), dummy("b", group=IN), C],
            "constraints": [order("o1", "g", "c"), order("o2", "c", "g")],
        },
        "constraints[0]: the order is a circle: a before b before c before a;",
        "c",
    ),
    "circle of a member and its group": (
        {
            "resources": [dummy("a", group=IN), dummy("b", group=IN)],
            "constraints": [order("o1", "b", "a")],
        },
        "constraints[0]: the order is a circle",
        "b",
    ),
    "circle through a stop": (
        {
            "resources": [A, B],
            "constraints": [
                order("o1", "a", "b"),
                order("o2", "a", "b", first_action="stop", then_action="stop"),
            ],
        },
        "constraints[0]: the order is a circle",
        "b",
    ),
    "circle through a promotion": (
        {
            "resources": [A, stateful(promotable=True)],
            "constraints": [order("o1", "s-clone", "a", **PROMOTED), order("o2", "a", "s-clone")],
        },
        "the order is a circle: a before s before promote of s before a",
        "a",
    ),
    "optional circle": (
        {
            "resources": [A, B],
            "constraints": [order("o1", "a", "b"), order("o2", "b", "a", kind="Optional")],
        },
        "constraints[0]: the order is a circle: a before b before a;",
        "a",
    ),
    "serialized circle": (
        {
            "resources": [A, B],
            "constraints": [order("o1", "a", "b"), order("o2", "b", "a", kind="Serialize")],
        },
        "constraints[0]: the order is a circle: a before b before a;",
        "a",
    ),
    "apart in a group": (
        {
            "resources": [dummy("a", group=IN), dummy("b", group=IN)],
            "constraints": [beside("c1", "b", "a", score=NEVER)],
        },
        "constraints[0]: b and a must not run together, and the group g says that they must",
        "b",
    ),
    "after a promotion that never comes": (
        {
            "resources": [A, stateful(interleave=True)],
            "constraints": [order("o1", "s-clone", "a", **PROMOTED)],
        },
        "constraints[0]: it waits for the promotion of s-clone",
        "a",
    ),
}
# What looks like it and works: every resource runs.
FINE: dict[str, dict[str, Any]] = {
    "one after another": {
        "resources": [A, B, C],
        "constraints": [order("o1", "a", "b"), order("o2", "a", "c"), order("o3", "b", "c")],
    },
    "the first is put beside the second": {
        "resources": [A, B],
        "constraints": [order("o1", "a", "b"), beside("c1", "a", "b")],
    },
    "in order on two hosts": {
        "resources": [A, B],
        "constraints": [order("o1", "a", "b"), beside("c1", "b", "a", score=NEVER)],
    },
    "promoted, then started": {
        "resources": [A, stateful(promotable=True)],
        "constraints": [
            order("o1", "s-clone", "a", **PROMOTED),
            beside("c1", "a", "s-clone", with_role="Promoted"),
        ],
    },
    "group after a clone": {
        "resources": [dummy("a", group=IN), dummy("b", group=IN), stateful(interleave=True)],
        "constraints": [order("o1", "s-clone", "g")],
    },
}


def started(cluster: chroot.Cluster) -> set[str]:
    """What Pacemaker starts, with both hosts of one mind about what may be promoted."""
    cluster.quietly(["crm_attribute", "--type=crm_config", "--name=stonith-enabled", "-v", "false"])
    cluster.settle()
    cluster.promotion_score(ONE, 10, "s")
    cluster.settle()
    return set(cluster.roles())


@pytest.mark.parametrize("name", WRONG)
def test_never_is_refused(
    cluster: chroot.Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything changes; forced in, Pacemaker indeed never starts it."""
    declared, message, victim = WRONG[name]
    before = cluster.cib_file.read_bytes()
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        cluster.apply(declared)
    assert message in str(refused.value)
    assert cluster.cib_file.read_bytes() == before
    monkeypatch.setattr(_judgement, "judge", lambda *_all: None)
    try:
        assert cluster.apply(declared).changed
        assert victim not in started(cluster)
    except _command.CommandFailed as exc:
        # Of a circle Pacemaker makes a transition that it calls invalid itself.
        assert exc.result.argv[0] == "crm_simulate"
        assert "circle" in name


@pytest.mark.parametrize("name", FINE)
def test_what_works_is_not_refused(cluster: chroot.Cluster, name: str) -> None:
    """It is taken, and Pacemaker starts all of it."""
    declared = FINE[name]
    assert cluster.apply(declared).changed
    assert started(cluster) == {one["id"] for one in declared["resources"]}


def test_old_trouble_does_not_stop_a_new_change(
    cluster: chroot.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong in the cluster already is no reason to refuse something else."""
    with monkeypatch.context() as patch:
        patch.setattr(_judgement, "judge", lambda *_all: None)
        cluster.apply(WRONG["circle"][0])
    # The preview cannot say what an impossible transition does.
    gone = {"constraints": [{"id": "o1", "state": "absent"}]}
    assert cluster.apply(gone).changed


def test_circle_closed_by_a_set(cluster: chroot.Cluster) -> None:
    """The other half of a circle may be somebody else's set."""
    cluster.apply({"resources": [A, B]})
    cluster.write(
        "constraints",
        '<rsc_order id="s1"><resource_set id="s1-1"><resource_ref id="b"/><resource_ref id="a"/>'
        "</resource_set></rsc_order>",
    )
    with pytest.raises(
        _declaration.DeclarationInvalid, match=r"constraints\[0\]: .* circle: a before b before a"
    ):
        cluster.apply({"constraints": [order("o1", "a", "b")]})


LACKING: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no monitor": ([], "no monitor for the role Promoted and Unpromoted"),
    "one role": (MONITORS[1:], "no monitor for the role Promoted"),
    "other role": (MONITORS[:1], "no monitor for the role Unpromoted"),
}


@pytest.mark.parametrize("name", LACKING)
def test_promotable_clone_needs_both_monitors(cluster: chroot.Cluster, name: str) -> None:
    """Pacemaker would not see it fail in a role that nobody watches."""
    operations, message = LACKING[name]
    declared = {"resources": [{**stateful(promotable=True), "operations": operations}]}
    with pytest.raises(_declaration.DeclarationInvalid, match=message) as refused:
        cluster.apply(declared)
    assert str(refused.value).startswith("resources[0]: ")


AGENTS = {
    "ocf:heartbeat:IPadr2": "did you mean ocf:heartbeat:IPaddr",
    "ocf:heartbeet:IPaddr2": "did you mean ocf:heartbeat:IPaddr2",
    "stonith:fence_ipmi_lan": "did you mean stonith:fence_ipmilan",
}


@pytest.mark.parametrize("agent", AGENTS)
def test_unknown_agent_is_named_with_the_nearest(cluster: chroot.Cluster, agent: str) -> None:
    """The release's own list of agents has the right name."""
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        cluster.apply({"resources": [{"id": "x", "agent": agent}]})
    assert AGENTS[agent] in str(refused.value)


def test_unknown_names(cluster: chroot.Cluster) -> None:
    """Of an operation they are refused, elsewhere they may be somebody's own: a warning."""
    operation = {"name": "start", "timeout": "20s", "options": {"on-fial": "block"}}
    with pytest.raises(_declaration.DeclarationInvalid) as refused:
        cluster.apply({"resources": [dummy("a", operations=[operation])]})
    assert "resources[0].operations[0].options.on-fial" in str(refused.value)
    assert "did you mean on-fail?" in str(refused.value)
    outcome = cluster.apply(
        {
            "properties": {"stonith-enable": False, "no-quorum-policy": "stop"},
            "resource_defaults": {"resource-stickines": 1},
            "resources": [dummy("a", meta={"x-owner": "me", "migration-threshold": 3})],
        }
    )
    assert outcome.changed
    assert outcome.warnings == [
        "properties.stonith-enable: Pacemaker has no such name and ignores it;"
        " did you mean stonith-enabled?",
        "resource_defaults.resource-stickines: Pacemaker has no such name and ignores it;"
        " did you mean resource-stickiness?",
        "resources[0].meta.x-owner: Pacemaker has no such name and ignores it",
    ]


def test_pair_of_the_roles_has_no_findings(cluster: chroot.Cluster) -> None:
    """What the roles declare is what the findings ask for."""
    outcome = cluster.apply(pair.whole_pair())
    assert (outcome.changed, outcome.findings, outcome.warnings) == (True, [], [])


def test_pair_without_a_fence_delay(cluster: chroot.Cluster) -> None:
    """Given up later, the delay is taken away."""
    assert cluster.apply(pair.whole_pair()).changed
    assert cluster.cib.find(".//nvpair[@name='priority-fencing-delay']").get("value") == "5s"
    assert cluster.apply(pair.whole_pair(pacemaker_fence_delay_s=0)).changed
    assert cluster.cib.find(".//nvpair[@name='priority-fencing-delay']") is None
    assert not cluster.apply(pair.whole_pair(pacemaker_fence_delay_s=0)).changed


def test_pair_with_a_second_fence_device(cluster: chroot.Cluster) -> None:
    """Two devices of each host, one a level; none runs on the host that it powers off."""
    declared = pair.whole_pair(**pair.second_level())
    outcome = cluster.apply(declared)
    assert (outcome.changed, outcome.findings, outcome.warnings) == (True, [], [])
    assert not cluster.apply(declared).changed
    levels = cluster.cib.findall(".//fencing-level")
    found = {(one.get("target"), one.get("index"), one.get("devices")) for one in levels}
    assert found == {
        (name, str(number), f"fence-{name}{suffix}")
        for name in pair.NODES
        for number, suffix in ((1, ""), (2, "-2"))
    }
    away = cluster.cib.findall(".//rsc_location[@score='-INFINITY']")
    kept = {(one.get("rsc"), one.get("node")) for one in away}
    assert {(f"fence-{name}{suffix}", name) for name in pair.NODES for suffix in ("", "-2")} <= kept
    assert pair.resource(declared, f"fence-{pair.NODES[1]}-2")["options"] == {
        "pcmk_host_map": f"{pair.NODES[1]}:2",
        "ip": "192.0.2.120",
        "username": "apc",
    }


def without(kind: str) -> dict[str, Any]:
    """The pair with one of its constraints left out."""
    declared = pair.whole_pair()
    declared["constraints"] = [one for one in declared["constraints"] if one["type"] != kind]
    return declared


def changed(kind: str, **values: Any) -> dict[str, Any]:
    """The pair with one of its constraints changed."""
    declared = pair.whole_pair()
    for one in declared["constraints"]:
        if one["type"] == kind:
            one.update(values)
    return declared


def no_fencing() -> dict[str, Any]:
    declared = pair.whole_pair()
    declared["properties"]["stonith-enabled"] = False
    return declared


def no_devices() -> dict[str, Any]:
    declared = pair.whole_pair()
    of_devices = [one for one in declared["constraints"] if one["type"] == "location"]
    declared["resources"] = [
        one for one in declared["resources"] if not one["agent"].startswith("stonith:")
    ]
    declared["constraints"] = [one for one in declared["constraints"] if one not in of_devices]
    return declared


def no_notify() -> dict[str, Any]:
    declared = pair.whole_pair()
    del pair.resource(declared, "KaiwuData")["clone"]["meta"]["notify"]
    return declared


def test_a_watchdog_is_fencing(cluster: chroot.Cluster) -> None:
    """A pair without devices whose hosts reset themselves."""
    declared = no_devices()
    declared["properties"]["stonith-watchdog-timeout"] = "30s"
    outcome = cluster.apply(declared, check=True)
    assert outcome.findings == []


FINDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no fencing": (no_fencing(), "fencing is off"),
    "no device": (no_devices(), "there is no fence device"),
    "no notify": (no_notify(), "has no notify"),
    "no order": (without("order"), "has a colocation with KaiwuData-clone and no order"),
    "no colocation": (without("colocation"), "has an order with KaiwuData-clone and no colocation"),
    "beside any": (changed("colocation", with_role="Started"), "content with any instance"),
    "after any": (changed("order", first_action="start"), "content with any instance"),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_unsafe_pair_is_found(cluster: chroot.Cluster, name: str) -> None:
    """Each of the ways in which a pair looks right and is not."""
    declared, message = FINDINGS[name]
    outcome = cluster.apply(declared, check=True)
    assert [message in one["what"] for one in outcome.findings] == [True]
    assert outcome.result()["findings"] == outcome.findings
    assert len(outcome.warnings) == 1
    assert all(outcome.findings[0][key] for key in ("severity", "where", "remedy"))
