"""A pair that KWDB's page built becomes inventory variables and a list of differences."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _adopt,
    _adopt_differences,
    _corosync,
)

PAGE = Path(__file__).resolve().parents[2] / "fixtures" / "page"
NAMES = ("ha-node01", "ha-node02")
SECRET = "justaverificationtest"


def seen(**changes: Any) -> _adopt.Seen:
    """What the page's pair looks like."""
    whole = _adopt.Seen(
        config=json.loads((PAGE / "config.json").read_text()),
        cluster=_corosync.parse((PAGE / "corosync.conf").read_text()),
        drbd=_adopt.parse_drbd((PAGE / "drbd3.xml").read_text(), "drbd3"),
        resolved={name: f"192.0.2.1{number}" for number, name in enumerate(NAMES, 1)},
    )
    return replace(whole, **changes)


def with_fencing(**options: Any) -> _adopt.Seen:
    """The same pair with a fence device for its first host."""
    config = copy.deepcopy(dict(seen().config))
    device = {
        "id": "ipmi-one",
        "agent": "stonith:fence_ipmilan",
        "options": {"ip": "192.0.2.111", "lanplus": "1", **options},
    }
    config["resources"].append(device)
    return seen(config=config, secret_options=["resources.ipmi-one.options.password"])


def test_group_variables() -> None:
    assert _adopt.group_variables(seen()) == {
        "pair_vip": "192.0.2.100",
        "pair_vip_prefix": 24,
        "pacemaker_cluster_name": "ha-cluster",
        "pacemaker_crypto": {"cipher": "aes256", "hash": "sha256"},
        "pacemaker_node_addresses": {name: [name] for name in NAMES},
        "drbd_resource": "drbd3",
        "drbd_minor": 3,
        "drbd_port": 7788,
        "prereqs_cluster_ports": [
            {"port": 2224, "protocol": "tcp"},
            {"port": 5405, "protocol": "udp"},
            {"port": 5406, "protocol": "udp"},
            {"port": 7788, "protocol": "tcp"},
        ],
        "filesystem_device": "/dev/drbd3",
        "filesystem_drbd_resource": "drbd3",
        "filesystem_type": "ext4",
        "filesystem_directory": "/var/lib/kaiwudb",
        "kwdb_data_root": "/var/lib/kaiwudb",
        "kwdb_resource_agent": "systemd",
        "pacemaker_hacluster_password": "{{ vault_hacluster_password }}",
        "drbd_shared_secret": "{{ vault_drbd_secret }}",
    }


def test_a_third_vote_is_kept_and_must_not_let_a_host_start_alone() -> None:
    device = _corosync.Device("192.0.2.13", "ffsplit")
    for quorum, told in (({}, True), ({"wait_for_all": "1"}, False)):
        there = seen(cluster=replace(seen().cluster, device=device, quorum=quorum))
        found = _adopt.group_variables(there)
        assert found["pacemaker_quorum_device"] == {"host": "192.0.2.13"}
        where = [one.where for one in _adopt_differences.differences(there)]
        assert ("corosync.quorum.wait_for_all" in where) == told


def test_links_are_left_out_where_they_are_the_usual_ones() -> None:
    nodes = tuple(
        _corosync.Node(name, (f"192.0.2.1{n}", f"198.51.100.1{n}"))
        for n, name in enumerate(NAMES, 1)
    )
    found = _adopt.group_variables(seen(cluster=replace(seen().cluster, nodes=nodes)))
    assert "pacemaker_node_addresses" not in found


def test_token_is_kept() -> None:
    cluster = replace(seen().cluster, totem={"token": "5000", "consensus": "900"})
    found = _adopt.group_variables(seen(cluster=cluster))
    assert (found["pacemaker_token_ms"], found["pacemaker_consensus_ms"]) == (5000, 900)


def test_names_that_are_not_the_pages_are_kept() -> None:
    text = json.dumps(seen().config).replace("KaiwuData", "Disk").replace("KaiwuFS", "Mount")
    found = _adopt.group_variables(seen(config=json.loads(text)))
    assert found["drbd_cluster_resource"] == "Disk"
    assert found["drbd_cluster_clone"] == found["filesystem_cluster_clone"] == "Disk-clone"
    assert found["filesystem_cluster_resource"] == "Mount"


def test_host_variables() -> None:
    assert _adopt.host_variables(seen())["ha-node02"] == {
        "pair_address": "192.0.2.12",
        "pair_replication_address": "198.51.100.12",
        "pair_disk": "/dev/sde",
    }


@pytest.mark.parametrize("found", ["127.0.1.1", "fd00::1", "no-such-name"])
def test_address_that_is_none_is_left_to_the_operator(found: str) -> None:
    assert _adopt.address(seen(resolved={"ha-node01": found}), "ha-node01") == ""


@pytest.mark.parametrize(
    ("options", "plug"),
    [
        ({"pcmk_host_list": "ha-node01"}, None),
        ({"pcmk_host_list": "other ha-node01"}, None),
        ({"pcmk_host_map": "ha-node01:7;other:8"}, "7"),
    ],
)
def test_fence_options(options: dict[str, str], plug: str | None) -> None:
    found = with_fencing(**options)
    wanted = {
        "ip": "192.0.2.111",
        "lanplus": "1",
        "password": "{{ vault_fence_password_ha_node01 }}",
        **({"plug": plug} if plug else {}),
    }
    assert _adopt.host_variables(found)["ha-node01"]["pair_fence_options"] == wanted
    assert "pair_fence_options" not in _adopt.host_variables(found)["ha-node02"]
    assert _adopt.vault(found)["vault_fence_password_ha_node01"] == ""
    assert _adopt.group_variables(found)["pacemaker_fence_agent"] == "fence_ipmilan"


def test_no_secret_comes_out() -> None:
    found = seen()
    assert SECRET in (PAGE / "drbd3.xml").read_text()
    differences = [one.result() for one in _adopt_differences.differences(found)]
    whole = repr((found, _adopt.group_variables(found), _adopt.vault(found), differences))
    assert SECRET not in whole
    assert set(_adopt.vault(found).values()) == {""}


def without(resource: str) -> _adopt.Config:
    config = copy.deepcopy(dict(seen().config))
    config["resources"] = [one for one in config["resources"] if one["id"] != resource]
    return config


@pytest.mark.parametrize(
    ("resource", "agent"),
    [
        ("KaiwuData", "ocf:linbit:drbd"),
        ("KaiwuFS", "ocf:heartbeat:Filesystem"),
        ("ClusterIP", "ocf:heartbeat:IPaddr2"),
    ],
)
def test_pair_without_a_resource_is_refused(resource: str, agent: str) -> None:
    with pytest.raises(_adopt.NoPair, match=f"exactly one resource of {agent}.*none"):
        _adopt.group_variables(seen(config=without(resource)))


def test_third_host_is_refused() -> None:
    cluster = seen().cluster
    nodes = (*cluster.nodes, _corosync.Node("third", ("192.0.2.13",)))
    with pytest.raises(_adopt.NoPair, match="third"):
        _adopt.check(seen(cluster=replace(cluster, nodes=nodes)))
    _adopt.check(seen())


def test_drbd_resource_that_is_not_configured_is_refused() -> None:
    with pytest.raises(_adopt.NoPair, match="kwdb"):
        _adopt.parse_drbd((PAGE / "drbd3.xml").read_text(), "kwdb")


# --- differences --------------------------------------------------------------------------------

# Everything in which the page's pair is another one than the roles make, and what is there.
DIFFERENT = {
    "properties.stonith-enabled": "false",
    "properties.no-quorum-policy": "ignore",
    "resources.ClusterIP.group": "not set",
    "resources.KaiwuData.operations": (
        "demote 0s timeout 90s; monitor 10s; notify 0s timeout 90s; promote 0s timeout 90s;"
        " start 0s timeout 240s; stop 0s timeout 100s"
    ),
    "resources.KaiwuDB.agent": "systemd:kaiwudb.service",
    "properties.load-threshold": "not set",
    "properties.node-action-limit": "not set",
    "resources.KaiwuDB.operations": "monitor 60s on_fail restart",
    "resources.KaiwuDB.meta.failure-timeout": "10s",
    "resource_defaults.migration-threshold": "2",
    "resource_defaults.resource-stickiness": "not set",
    "resource_defaults.failure-timeout": "not set",
    "resources.KaiwuData.clone.meta.priority": "not set",
    "resources.KaiwuFS.options.options": "not set",
    "resources.KaiwuFS.options.force_unmount": "not set",
    "resources.KaiwuFS.options.fast_stop": "not set",
    "resources.ClusterIP.operations": "monitor 30s; start 0s timeout 20s; stop 0s timeout 20s",
    "constraints.colocation KaiwuDBGrp with Promoted KaiwuData-clone": "not set",
    "constraints.order promote KaiwuData-clone then start KaiwuDBGrp": "not set",
    "constraints.colocation KaiwuFS with Promoted KaiwuData-clone": "set",
    "constraints.order promote KaiwuData-clone then start KaiwuFS": "set",
    "constraints.colocation KaiwuDB with KaiwuFS": "set",
    "constraints.order start KaiwuFS then start KaiwuDB": "set",
    "constraints.colocation ClusterIP with KaiwuDB": "set",
    "corosync.links": "one",
    "drbd.drbd3.ha-node01.disk": "/dev/sde",
    "drbd.drbd3.ha-node02.disk": "/dev/sde",
    "drbd.drbd3.disk-flushes": "no",
    "drbd.drbd3.md-flushes": "no",
    "drbd.drbd3.after-sb-1pri": "discard-secondary",
    "drbd.drbd3.fence-peer": "not set",
    "drbd.drbd3.shared-secret": "not shown",
}


def test_differences_of_the_page() -> None:
    found = _adopt_differences.differences(seen())
    assert {one.where: one.here for one in found} == DIFFERENT
    assert found[0].where == "properties.stonith-enabled"
    assert all(one.why and one.remedy and one.here != one.ours for one in found)


def test_redundant_constraints_are_told_from_others() -> None:
    found = {one.where: one for one in _adopt_differences.differences(seen())}
    assert "Says again" in found["constraints.colocation KaiwuDB with KaiwuFS"].why
    assert "id: colocation-KaiwuDB-KaiwuFS-INFINITY" in (
        found["constraints.colocation KaiwuDB with KaiwuFS"].remedy
    )
    outside = found["constraints.order promote KaiwuData-clone then start KaiwuFS"]
    assert "Not one of ours" in outside.why


def test_other_spellings_are_no_difference() -> None:
    config = copy.deepcopy(dict(seen().config))
    config["properties"] = {"stonith-enabled": "1", "no-quorum-policy": "stop"}
    config["resource_defaults"]["failure-timeout"] = "900s"
    found = {one.where for one in _adopt_differences.differences(seen(config=config))}
    assert (
        not {
            "properties.no-quorum-policy",
            "resource_defaults.failure-timeout",
            "properties.stonith-enabled",
        }
        & found
    )
