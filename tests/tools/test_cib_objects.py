# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles, nodes, levels, tags, alerts, ACLs and homes of resources, through the real tools."""

from __future__ import annotations

import copy
import pathlib
import xml.etree.ElementTree as ElementTree
from typing import Any, Callable

import chroot
import pair
import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _acls,
    _alerts,
    _bundles,
    _declaration,
    _levels,
    _nodes,
    _resources,
    _tags,
)

ONE, TWO = pair.NODES
DUMMY = "ocf:pacemaker:Dummy"
FENCE = {"agent": "stonith:fence_ipmilan", "options": {"ip": "192.0.2.1", "username": "a"}}
SECRET = {"mail_password": pair.SECRET}
_BASES: dict[pathlib.Path, str] = {}
_FULL: dict[pathlib.Path, str] = {}


@pytest.fixture
def base(cluster: chroot.Cluster) -> chroot.Cluster:
    """Four plain resources and two fence devices."""
    if cluster.root not in _BASES:
        resources: list[dict[str, Any]] = [{"id": one, "agent": DUMMY} for one in "ABCD"]
        resources += [{"id": one, **FENCE} for one in ("f1", "f2")]
        cluster.apply({"resources": resources})
        _BASES[cluster.root] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_BASES[cluster.root], encoding="utf-8")
    cluster.ran.clear()
    return cluster


def unchanged(cluster: chroot.Cluster, declared: dict[str, Any]) -> None:
    """The declaration is what is there: one question to the cluster, no patch."""
    before = cluster.cib_file.read_bytes()
    cluster.ran.clear()
    outcome = cluster.apply(declared)
    assert not outcome.changed, (outcome.before, outcome.after)
    assert cluster.ran == [("cibadmin", "--query")]
    assert cluster.cib_file.read_bytes() == before


def ids(cluster: chroot.Cluster) -> set[str]:
    """Every id of the configuration."""
    configuration = cluster.cib.find("configuration")
    assert configuration is not None
    return {one.attrib["id"] for one in configuration.iter() if "id" in one.attrib}


def shown(cluster: chroot.Cluster) -> str:
    """The configuration without sections that are empty."""
    configuration = cluster.cib.find("configuration")
    assert configuration is not None
    for section in list(configuration):
        if not len(section):
            configuration.remove(section)
    return ElementTree.tostring(configuration, encoding="unicode")


# --- one life of each kind ----------------------------------------------------------------------

PORTS = [{"port": 80}, {"port": 443, "internal_port": 8443}, {"range": "9000-9010"}]
STORAGE = [
    {"source_dir": "/srv/www", "target_dir": "/var/www", "options": "ro"},
    {"source_dir_root": "/var/log/web", "target_dir": "/var/log"},
]
NETWORK = {"control_port": 3122, "ports": PORTS}
TEAM = [
    {"id": "dba", "value": "dba@example.com", "options": {"lang": "en"}},
    {"value": "night shift, 'all' <x>", "meta": {"timeout": "5s"}},
]
LOOK = [
    {"kind": "read", "xpath": "/cib"},
    {"kind": "deny", "reference": "A"},
    {"kind": "write", "object_type": "nvpair", "attribute": "name", "description": "values"},
]

# Kind of object, what is created, then its changes: each with what must be found in the
# configuration afterwards, and how many ids go with it.
LIVES: dict[str, tuple[str, dict[str, Any], list[tuple[dict[str, Any], str, int]]]] = {
    "bundle": (
        "bundles",
        {
            "id": "web",
            "container": {"type": "docker", "image": "web:1", "replicas": 2, "options": "-v"},
            "network": NETWORK,
            "storage": STORAGE,
            "meta": {"priority": 5},
        },
        [
            (
                {"container": {"type": "docker", "image": "web:2", "replicas": 3}},
                "docker[@image='web:2'][@replicas='3'][@options='-v']",
                0,
            ),
            (
                {"container": {"type": "docker", "replicas_per_host": 2, "promoted_max": 1}},
                "docker[@replicas-per-host='2'][@promoted-max='1'][@replicas='3']",
                0,
            ),
            (
                {"container": {"type": "docker", "network": "host", "run_command": "/x y"}},
                "docker[@network='host'][@run-command='/x y']",
                0,
            ),
            ({"container": {"type": "podman", "options": ""}}, "podman[@replicas='3']", 0),
            (
                {"network": {"ip_range_start": "192.0.2.50", "host_netmask": 24}},
                "network[@control-port='3122'][@ip-range-start='192.0.2.50'][@host-netmask='24']",
                0,
            ),
            (
                {"network": {"host_interface": "eth1", "add_host": False}},
                "network[@host-interface='eth1'][@add-host='false']",
                0,
            ),
            (
                {"network": {"ports": [PORTS[0], {**PORTS[1], "internal_port": 1}, PORTS[2]]}},
                "network/port-mapping[2][@internal-port='1']",
                0,
            ),
            (
                {
                    "network": {"ports": PORTS[1:]},
                    "storage": [{**STORAGE[0], "options": "rw"}, STORAGE[1]],
                },
                "storage/storage-mapping[1][@options='rw']",
                1,
            ),
            ({"storage": STORAGE[1:]}, "storage/storage-mapping[@target-dir='/var/log']", 1),
            ({"meta": {"priority": 6}}, "meta_attributes/nvpair[@value='6']", 0),
        ],
    ),
    "fencing level": (
        "fencing_levels",
        {"target": ONE, "level": 1, "devices": ["f1", "f2"]},
        [
            ({"devices": ["f2", "f1"]}, "[@devices='f2,f1']", 0),
            ({"devices": ["f1"]}, "[@devices='f1']", 0),
        ],
    ),
    "fencing level for a pattern": (
        "fencing_levels",
        {"target_pattern": "ha-node0[12]", "level": 9, "devices": ["f1"]},
        [({"devices": ["f2"]}, "[@index='9']", 0)],
    ),
    "fencing level for an attribute": (
        "fencing_levels",
        {"target_attribute": "rack", "target_value": "r 1", "level": 2, "devices": ["f1"]},
        [({"devices": ["f2"]}, "[@target-value='r 1']", 0)],
    ),
    "tag": (
        "tags",
        {"id": "t", "references": ["A", "B", "C"]},
        [
            ({"references": ["B", "C", "D"]}, "obj_ref[@id='D']", 0),
            ({"references": ["D"]}, "obj_ref[@id='D']", 0),
        ],
    ),
    "alert": (
        "alerts",
        {
            "id": "mail",
            "path": "/usr/share/a b.sh",
            "description": 'who is "told" <what>',
            "options": {"sender": "a$b%c"},
            "secret_options": SECRET,
            "meta": {"timeout": "15s"},
            "select": ["nodes", "attributes"],
            "select_attributes": ["rack", "weight"],
            "recipients": TEAM,
        },
        [
            (
                {"path": "/usr/share/b.sh", "description": "other"},
                "[@path='/usr/share/b.sh'][@description='other']",
                0,
            ),
            (
                {"options": {"sender": "x"}, "meta": {"timeout": "20s"}},
                "instance_attributes/nvpair[@value='x']",
                0,
            ),
            (
                {
                    "options": {"sender": None, "lang": "de"},
                    "secret_options": {"mail_password": "n"},
                },
                "instance_attributes/nvpair[@value='n']",
                1,
            ),
            (
                {"select_attributes": ["weight"]},
                "select/select_attributes/attribute[@name='weight']",
                1,
            ),
            ({"select": ["fencing", "attributes"]}, "select/select_fencing", 0),
            ({"select": ["fencing"], "select_attributes": None}, "select/select_fencing", 1),
            (
                {"recipients": [{**TEAM[0], "value": "x", "description": "d"}, TEAM[1]]},
                "recipient[@id='dba'][@value='x'][@description='d']",
                0,
            ),
            ({"recipients": TEAM[1:]}, "recipient", 3),
            ({"description": "", "select": []}, "[@path]", 0),
        ],
    ),
    "ACL role": (
        "acl_roles",
        {"id": "look", "description": "only look", "permissions": LOOK},
        [
            ({"description": "look"}, "[@description='look']", 0),
            (
                {"permissions": [{"kind": "read", "xpath": "//x"}, *LOOK[1:]]},
                "acl_permission[@xpath='//x']",
                0,
            ),
            (
                {"permissions": [{"kind": "read", "xpath": "//x"}, LOOK[1]]},
                "acl_permission[@reference='A']",
                1,
            ),
        ],
    ),
}

# What makes an object of a list the same one in another order.
REORDERED: dict[str, Callable[[dict[str, Any]], None]] = {
    "bundle": lambda one: (one["network"]["ports"].reverse(), one["storage"].reverse()),
    "tag": lambda one: one["references"].reverse(),
    "alert": lambda one: (
        one["recipients"].reverse(),
        one["select"].reverse(),
        one["select_attributes"].reverse(),
    ),
    "ACL role": lambda one: one["permissions"].reverse(),
}
WHERE: dict[str, tuple[str, Callable[[ElementTree.Element], dict[str, Any]]]] = {
    "bundles": ("resources/bundle", _bundles.declared_bundle),
    "fencing_levels": ("fencing-topology/fencing-level", _levels.declared_fencing_level),
    "tags": ("tags/tag", _tags.declared_tag),
    "alerts": ("alerts/alert", _alerts.declared_alert),
    "acl_roles": ("acls/acl_role", _acls.declared_acl_role),
    "acl_users": ("acls/acl_target", _acls.declared_acl_user),
    "acl_groups": ("acls/acl_group", _acls.declared_acl_group),
    "nodes": ("nodes/node", _nodes.declared_node),
}


def element(cluster: chroot.Cluster, kind: str) -> ElementTree.Element:
    """The only object of a kind."""
    (found,) = cluster.cib.findall(f"configuration/{WHERE[kind][0]}")
    return found


def exported(cluster: chroot.Cluster, kind: str) -> dict[str, Any]:
    """The object as it would be declared."""
    return {kind: [WHERE[kind][1](element(cluster, kind))]}


@pytest.mark.parametrize("name", LIVES)
def test_life(base: chroot.Cluster, name: str) -> None:
    """Created, the same again, changed in place field by field, exported, removed."""
    kind, first, changes = LIVES[name]
    declared, empty = copy.deepcopy(first), shown(base)
    preview = base.apply({kind: [declared]}, check=True)
    assert shown(base) == empty
    assert base.apply({kind: [declared]}).result() == preview.result()
    unchanged(base, {kind: [declared]})
    if name in REORDERED:
        REORDERED[name](declared)
        unchanged(base, {kind: [declared]})
        REORDERED[name](declared)
    for change, path, lost in changes:
        before = ids(base)
        declared.update(change)
        outcome = base.apply({kind: [declared]})
        assert outcome.changed, change
        inner = path if path.startswith("[") else f"/{path}"
        found = base.cib.find(f"configuration/{WHERE[kind][0]}{inner}")
        assert found is not None, ElementTree.tostring(element(base, kind))
        assert len(before - ids(base)) == lost, (change, before - ids(base))
        unchanged(base, {kind: [declared]})
    unchanged(base, exported(base, kind))
    assert pair.SECRET not in str(exported(base, kind))
    names = [one for one in first if one in ("id", "level") or one.startswith("target")]
    identity = {name: first[name] for name in names}
    gone = {kind: [{**identity, "state": "absent"}]}
    assert base.apply(gone).changed
    assert shown(base) == empty
    unchanged(base, gone)


def test_life_of_node_values(base: chroot.Cluster) -> None:
    """Attributes and capacities are written, changed and removed one by one."""
    empty = shown(base)
    declared: dict[str, Any] = {"name": ONE, "attributes": {"rack": "r 1", "w": 5}}
    declared["utilization"] = {"cpu": 8}
    base.apply({"nodes": [declared]})
    unchanged(base, {"nodes": [declared]})
    before = ids(base)
    # The ids are those that crm_attribute looks for.
    assert {"nodes-1-rack", "nodes-1-utilization-cpu"} <= before
    for part, name, value in (("attributes", "rack", "r2"), ("utilization", "cpu", 16)):
        declared[part][name] = value
        assert base.apply({"nodes": [declared]}).changed
        assert ids(base) == before
        unchanged(base, {"nodes": [declared]})
    node = base.cib.find(f"configuration/nodes/node[@uname='{ONE}']")
    assert node is not None
    unchanged(base, {"nodes": [_nodes.declared_node(node)]})
    assert _nodes.declared_node(node)["attributes"] == {"rack": "r2", "w": "5"}
    gone = {"attributes": {"rack": None, "w": None}, "utilization": {"cpu": None}}
    assert base.apply({"nodes": [{"name": ONE, **gone}]}).changed
    assert shown(base) == empty


def test_life_of_acl_holders(base: chroot.Cluster) -> None:
    """A role that goes is taken from all who have it; the users stay."""
    empty = shown(base)
    roles = [{"id": one, "permissions": LOOK[:1]} for one in ("look", "touch")]
    user, group = {"id": "operator", "roles": ["look", "touch"]}, {"id": "dba", "roles": ["look"]}
    declared = {"acl_roles": roles, "acl_users": [user], "acl_groups": [group]}
    base.apply(declared)
    unchanged(base, declared)
    unchanged(base, {"acl_users": [{**user, "roles": ["touch", "look"]}]})
    unchanged(base, {**exported(base, "acl_users"), **exported(base, "acl_groups")})
    base.apply({"acl_users": [{**user, "roles": ["touch"]}]})
    assert [one.get("id") for one in element(base, "acl_users")] == ["touch"]
    base.apply({"acl_roles": [{"id": "look", "state": "absent"}]})
    assert len(element(base, "acl_groups")) == 0
    with pytest.raises(
        _declaration.ReferenceMissing, match=r"acl_groups\.dba: there is no ACL role"
    ):
        base.apply({"acl_groups": [group]})
    gone = {kind: [{"id": one[0]["id"], "state": "absent"}] for kind, one in declared.items()}
    gone["acl_roles"][0]["id"] = "touch"
    base.apply(gone)
    assert shown(base) == empty
    unchanged(base, gone)


def test_user_with_the_name_of_something_else(base: chroot.Cluster) -> None:
    """A newer schema gives the user an id of its own; an older one cannot, and says so."""
    declared = {
        "acl_roles": [{"id": "look", "permissions": LOOK[:1]}],
        "acl_users": [{"id": "A", "roles": ["look"]}, {"id": "1 $", "roles": ["look"]}],
    }
    before = base.cib_file.read_bytes()
    if base.promoted == "Master":
        with pytest.raises(_declaration.DeclarationInvalid, match=r"acl_users\.A: the name is"):
            base.apply(declared)
        assert base.cib_file.read_bytes() == before
        return
    base.apply(declared)
    unchanged(base, declared)
    found = [_acls.declared_acl_user(one) for one in base.cib.iter("acl_target")]
    assert found == declared["acl_users"]


# --- what pcs types is the same -----------------------------------------------------------------

BY_PCS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "fencing level": (
        [f"stonith level add 1 {ONE} f1 f2"],
        {"fencing_levels": [{"target": ONE, "level": 1, "devices": ["f1", "f2"]}]},
    ),
    "tag": (["tag create t A B"], {"tags": [{"id": "t", "references": ["B", "A"]}]}),
    "alert": (
        [
            "alert create path=/x id=mail description=d options sender=me meta timeout=5s",
            "alert recipient add mail value=you id=r description=d options a=b meta timeout=6s",
        ],
        {
            "alerts": [
                {
                    "id": "mail",
                    "path": "/x",
                    "description": "d",
                    "options": {"sender": "me"},
                    "meta": {"timeout": "5000ms"},
                    "select": ["nodes", "fencing", "resources"],
                    "recipients": [
                        {
                            "value": "you",
                            "description": "d",
                            "options": {"a": "b"},
                            "meta": {"timeout": 6},
                        }
                    ],
                }
            ]
        },
    ),
    "ACL": (
        [
            "acl role create look description=d read xpath /cib deny id A",
            "acl user create operator look",
            "acl group create dba look",
        ],
        {
            "acl_roles": [{"id": "look", "description": "d", "permissions": LOOK[1::-1]}],
            "acl_users": [{"id": "operator", "roles": ["look"]}],
            "acl_groups": [{"id": "dba", "roles": ["look"]}],
        },
    ),
    "node": (
        [f"node attribute {ONE} rack=r1", f"node utilization {ONE} cpu=4"],
        {"nodes": [{"name": ONE, "attributes": {"rack": "r1"}, "utilization": {"cpu": 4}}]},
    ),
    "bundle": (
        [
            "resource bundle create web container docker image=web:1 replicas=2 network"
            " control-port=3122 port-map port=80 port-map range=9000-9010 storage-map"
            " source-dir=/srv target-dir=/var/www options=ro meta priority=5"
        ],
        {
            "bundles": [
                {
                    "id": "web",
                    "container": {"type": "docker", "image": "web:1", "replicas": 2},
                    "network": {"control_port": 3122, "ports": [PORTS[2], PORTS[0]]},
                    "storage": [{**STORAGE[0], "source_dir": "/srv"}],
                    "meta": {"priority": 5},
                }
            ]
        },
    ),
    "resource": (
        ["resource utilization A cpu=2", "resource clone A", "resource meta A-clone interleave=1"],
        {
            "resources": [
                {
                    "id": "A",
                    "agent": DUMMY,
                    "utilization": {"cpu": 2},
                    "clone": {"id": "A-clone", "meta": {"interleave": True}},
                }
            ]
        },
    ),
    "cloned group": (
        ["resource group add G B C", "resource clone G"],
        {"groups": [{"id": "G", "members": ["B", "C"], "clone": {"id": "G-clone"}}]},
    ),
}


@pytest.mark.parametrize("name", BY_PCS)
def test_what_pcs_types_is_the_same(base: chroot.Cluster, name: str) -> None:
    """An object made with pcs is taken for the declared one."""
    lines, declared = BY_PCS[name]
    for line in lines:
        base.pcs(*line.split())
    unchanged(base, declared)
    # And the declaration is not taken for everything.
    base.cib_file.write_text(_BASES[base.root], encoding="utf-8")
    assert base.apply(declared, check=True).changed


# --- homes of resources -------------------------------------------------------------------------


def homes(cluster: chroot.Cluster) -> list[Any]:
    """Where each resource is, as nested lists of ids."""

    def inner(one: ElementTree.Element) -> Any:
        held = [inner(child) for child in one if child.tag in ("primitive", "group")]
        return [one.get("id"), *held] if held else one.get("id")

    resources = cluster.cib.find("configuration/resources")
    assert resources is not None
    return [inner(one) for one in resources]


def dummy(identity: str, **options: Any) -> dict[str, Any]:
    """A plain resource."""
    return {"id": identity, "agent": DUMMY, **options}


def test_resources_move_between_homes(base: chroot.Cluster) -> None:
    """Into a group, within, between, out; a group is cloned, dissolved, or gone when empty."""
    group = {"id": "G", "members": ["A", "B", "C"]}
    base.apply({"groups": [group]})
    assert homes(base) == ["D", "f1", "f2", ["G", "A", "B", "C"]]
    out = {"resources": [dummy("B", group={"state": "absent"})]}
    base.apply(out)
    assert homes(base) == ["D", "f1", "f2", ["G", "A", "C"], "B"]
    unchanged(base, out)
    unchanged(base, {"resources": [dummy("A", group={"id": "other", "state": "absent"})]})
    base.apply({"resources": [dummy("B", group={"id": "H"}), dummy("A", group={"id": "H"})]})
    assert homes(base) == ["D", "f1", "f2", ["G", "C"], ["H", "B", "A"]]
    cloned = {"groups": [{"id": "H", "clone": {"id": "H-clone", "meta": {"interleave": True}}}]}
    base.apply(cloned)
    unchanged(base, cloned)
    assert homes(base)[-1] == ["H-clone", ["H", "B", "A"]]
    with pytest.raises(_declaration.DeclarationInvalid, match="a clone cannot be unwrapped"):
        base.apply({"groups": [{"id": "H", "state": "absent"}]})
    base.apply({"resources": [dummy(one, group={"state": "absent"}) for one in "BA"]})
    assert homes(base) == ["D", "f1", "f2", ["G", "C"], "A", "B"]
    dissolved = {"groups": [{"id": "G", "state": "absent"}]}
    base.apply(dissolved)
    assert homes(base) == ["D", "f1", "f2", "C", "A", "B"]
    unchanged(base, dissolved)


def test_constraints_follow_a_resource_into_its_clone(base: chroot.Cluster) -> None:
    """As pcs does it; what an operator's command wrote is left alone."""
    order = {"id": "o", "type": "order", "first": "A", "then": "B"}
    base.apply({"constraints": [order]})
    base.write("constraints", f'<rsc_location id="cli-ban-A" rsc="A" node="{TWO}" score="-1"/>')
    base.apply({"resources": [dummy("A", clone={"id": "A-clone"})]})
    unchanged(base, {"constraints": [{**order, "first": "A-clone"}]})
    ban = base.cib.find("configuration/constraints/rsc_location")
    assert ban is not None
    assert ban.get("rsc") == "A"
    for home in ({"group": {"id": "G"}}, {"bundle": {"id": "web"}}):
        bundle = {"id": "web", "container": {"type": "docker", "image": "x"}}
        bundle["network"] = {"control_port": 3121}
        with pytest.raises(_declaration.DeclarationInvalid, match="state: absent"):
            base.apply({"bundles": [bundle], "resources": [dummy("A", **home)]})


def test_resource_in_a_bundle(base: chroot.Cluster) -> None:
    """It is put there, stays there, and goes with it."""
    bundle: dict[str, Any] = {"id": "web", "container": {"type": "docker", "image": "x"}}
    inside = {"resources": [dummy("A", bundle={"id": "web"})]}
    with pytest.raises(_declaration.ReferenceMissing, match="A: there is no bundle web"):
        base.apply(inside)
    with pytest.raises(_declaration.DeclarationInvalid, match="ip_range_start or a control_port"):
        base.apply({"bundles": [bundle], **inside})
    bundle["network"] = {"control_port": 3121}
    base.apply({"bundles": [bundle], **inside})
    unchanged(base, {"bundles": [bundle], **inside})
    assert homes(base) == ["B", "C", "D", "f1", "f2", ["web", "A"]]
    with pytest.raises(_declaration.DeclarationInvalid, match="a bundle holds one resource"):
        base.apply({"resources": [dummy("B", bundle={"id": "web"})]})
    with pytest.raises(_declaration.DeclarationInvalid, match="is in the bundle web"):
        base.apply({"resources": [dummy("A", group={"id": "G"})]})
    web = base.cib.find("configuration/resources/bundle")
    assert web is not None
    primitive = web.find("primitive")
    assert primitive is not None
    assert _resources.declared_resource(primitive, web) == inside["resources"][0]
    gone = {"bundles": [{"id": "web", "state": "absent"}]}
    with pytest.raises(_declaration.DeclarationInvalid, match=r"bundles\.web: it goes with A"):
        base.apply({**gone, **inside})
    base.apply(gone)
    assert homes(base) == ["B", "C", "D", "f1", "f2"]


def test_units_of_all_classes(base: chroot.Cluster) -> None:
    """Classes whose agents have no options; a wrong one is refused."""
    declared = {
        "resources": [{"id": f"u-{one}", "agent": f"{one}:cron"} for one in ("lsb", "service")]
    }
    base.apply(declared)
    unchanged(base, declared)
    with pytest.raises(_declaration.DeclarationInvalid, match="is none of ocf:provider:type"):
        base.apply({"resources": [{"id": "u", "agent": "upstart:cron"}]})


# --- removal, exclusive, refusals ---------------------------------------------------------------

EVERYTHING = {
    "bundles": [{"id": "web", "container": {"type": "docker", "image": "x"}}],
    "nodes": [{"name": ONE, "attributes": {"rack": "r1"}, "utilization": {"cpu": 4}}],
    "fencing_levels": [{"target": ONE, "level": 1, "devices": ["f1"]}],
    "tags": [{"id": "t", "references": ["A"]}],
    "alerts": [{"id": "mail", "path": "/x"}],
    "acl_roles": [{"id": "look", "permissions": LOOK[:2]}],
    "acl_users": [{"id": "operator", "roles": ["look"]}],
    "acl_groups": [{"id": "dba", "roles": ["look"]}],
    "groups": [{"id": "G", "members": ["A", "B"]}],
    "constraints": [{"id": "o", "type": "order", "first": "t", "then": "C"}],
    "resource_defaults": {"resource-stickiness": 5},
    "operation_defaults": {"timeout": "60s"},
    "resource_default_sets": [
        {"id": "s", "rule": {"date": "gt", "start": "2030"}, "values": {"priority": 1}}
    ],
    "operation_default_sets": [
        {"id": "os", "rule": {"date": "gt", "start": "2030"}, "values": {"timeout": "5s"}}
    ],
    "properties": {"cluster-recheck-interval": "5min"},
}


@pytest.fixture
def full(base: chroot.Cluster) -> chroot.Cluster:
    """One object of each kind beside the resources."""
    if base.root not in _FULL:
        base.apply(EVERYTHING)
        _FULL[base.root] = base.cib_file.read_text(encoding="utf-8")
    base.cib_file.write_text(_FULL[base.root], encoding="utf-8")
    base.ran.clear()
    return base


def test_removed_resource_takes_what_names_it(full: chroot.Cluster) -> None:
    """Tags, constraints on them, levels and permissions."""
    base = full
    gone = {"resources": [{"id": one, "state": "absent"} for one in ("A", "f1")]}
    outcome = base.apply(gone)
    assert any('tag id="t"' in line for line in outcome.before)
    left = {one for one in ids(base) if one in ("t", "o", "fl-ha-node01-1", "A", "f1")}
    assert left == set()
    assert [one.get("kind") for one in base.cib.iter("acl_permission")] == ["read"]


def test_exclusive_with_all_declared(full: chroot.Cluster) -> None:
    """What is declared stays, whatever is exclusive."""
    unchanged(full, {**EVERYTHING, "exclusive": list(EVERYTHING)})


@pytest.mark.parametrize("kind", EVERYTHING)
def test_exclusive(full: chroot.Cluster, kind: str) -> None:
    """Nothing of the kind stays but what is declared, and nothing else goes."""
    nothing: Any = {} if isinstance(EVERYTHING[kind], dict) else []
    declared = {kind: nothing, "exclusive": [kind]}
    assert full.apply(declared).changed
    unchanged(full, declared)
    # Everything else is still as it was declared, but for what named the removed one.
    named = {"acl_roles": ("acl_users", "acl_groups"), "tags": ("constraints",)}.get(kind, ())
    unchanged(full, {n: value for n, value in EVERYTHING.items() if n not in (kind, *named)})


def test_exclusive_resources(full: chroot.Cluster) -> None:
    """Undeclared ones go with what names them; a contradiction is refused before anything."""
    base = full
    declared = {"resources": [dummy(one) for one in "AC"], "exclusive": ["resources"]}
    for kind in ("groups", "fencing_levels", "tags", "constraints"):
        named = {**EVERYTHING, "tags": [{"id": "t", "references": ["B"]}]}
        if kind == "constraints":
            named[kind] = [{"id": "o", "type": "order", "first": "A", "then": "D"}]
        with pytest.raises(_declaration.DeclarationInvalid, match="which exclusive removes"):
            base.apply({**declared, kind: named[kind]})
    base.apply(declared)
    assert homes(base) == ["C", "web", ["G", "A"]]
    unchanged(base, declared)
    with pytest.raises(_declaration.DeclarationInvalid, match="declare an empty resources"):
        base.apply({"exclusive": ["resources"]})


def test_exclusive_leaves_what_is_not_ours(running: chroot.Cluster) -> None:
    """Everything that operators, DRBD and Pacemaker wrote stays, whatever is exclusive."""
    fence = "drbd-fence-by-handler-kwdb-KaiwuData-clone"
    running.write(
        "constraints",
        f'<rsc_location rsc="KaiwuData-clone" id="{fence}"><rule role="Master" score="-INFINITY"'
        f' id="{fence}-r"><expression attribute="#uname" operation="ne" value="{ONE}"'
        f' id="{fence}-e"/></rule></rsc_location>',
    )
    running.write(
        "constraints",
        f'<rsc_location id="cli-ban-x" rsc="KaiwuDBGrp" node="{TWO}" score="-INFINITY"/>',
    )
    cib = running.cib
    node = cib.find(f"configuration/nodes/node[@uname='{TWO}']")
    properties = cib.find("configuration/crm_config/cluster_property_set")
    resource = cib.find(".//primitive[@id='ClusterIP']")
    assert node is not None
    assert properties is not None
    assert resource is not None
    for owner, tag, name, value in (
        (node, "instance_attributes", "standby", "on"),
        (resource, "meta_attributes", "target-role", "Started"),
    ):
        holder = ElementTree.SubElement(owner, tag, {"id": f"x-{name}"})
        ElementTree.SubElement(holder, "nvpair", {"id": f"y-{name}", "name": name, "value": value})
    for name in ("maintenance-mode", "dc-version", "last-lrm-refresh", "have-watchdog"):
        pair_of = {"id": f"y-{name}", "name": name, "value": "true"}
        ElementTree.SubElement(properties, "nvpair", pair_of)
    running.cib_file.write_text(ElementTree.tostring(cib, encoding="unicode"), encoding="utf-8")
    declared = pair.whole_pair()
    for kind in _declaration.KINDS:
        declared.setdefault(kind, {} if kind.endswith(("ties", "defaults")) else [])
    unchanged(running, {**declared, "exclusive": list(_declaration.KINDS)})


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"nodes": [{"name": ONE, "attributes": {"standby": "on"}}]},
        r"nodes\[0\]\.attributes\.standby: it is what operators switch",
    ),
    ({"nodes": [{"name": "no", "attributes": {"a": 1}}]}, "nodes.no: there is no such node"),
    (
        {"fencing_levels": [{"target": ONE, "level": 1, "devices": ["f3"]}]},
        f"level 1 of {ONE}: there is no fence device f3",
    ),
    (
        {"fencing_levels": [{"target": ONE, "level": 1, "devices": ["A"]}]},
        "A is no fence device; its agent is ocf:pacemaker:Dummy",
    ),
    (
        {"fencing_levels": [{"target": "no", "level": 1, "devices": ["f1"]}]},
        "fencing_levels: there is no node no",
    ),
    ({"tags": [{"id": "t", "references": ["no"]}]}, "tags.t: there is nothing with the id no"),
    ({"tags": [{"id": "A", "references": ["B"]}]}, "A is the id of a <primitive>"),
    ({"alerts": [{"id": "A", "path": "/x"}]}, "A is the id of a <primitive>, not of an alert"),
    (
        {"alerts": [{"id": "a", "path": "/x", "recipients": [{"id": "A", "value": "v"}]}]},
        "alerts.a: A is already the id of something else",
    ),
    (
        {"acl_roles": [{"id": "r", "permissions": [{"kind": "read", "reference": "no"}]}]},
        "acl_roles.r: there is nothing with the id no",
    ),
    ({"bundles": [{"id": "web"}]}, "bundles.web.container: a new bundle needs its type and image"),
    ({"bundles": [{"id": "A", "container": {"type": "docker", "image": "x"}}]}, "not of a bundle"),
    ({"groups": [{"id": "G"}]}, "groups.G.members: a new group needs members"),
]


@pytest.mark.parametrize(("declared", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused(base: chroot.Cluster, declared: dict[str, Any], message: str) -> None:
    """With the place and the reason, and before anything changes."""
    before = base.cib_file.read_bytes()
    with pytest.raises(_declaration.DeclarationInvalid, match=message):
        base.apply(declared)
    assert base.ran in ([], [("cibadmin", "--query")])
    assert base.cib_file.read_bytes() == before


OLD: list[tuple[str, dict[str, Any], str]] = [
    (
        "pacemaker-2.9",
        {"alerts": [{"id": "a", "path": "/x", "select": ["nodes"]}]},
        "alerts.a.select: select needs the schema pacemaker-2.10",
    ),
    (
        "pacemaker-3.1",
        {"bundles": [{"id": "w", "container": {"type": "podman", "image": "x"}}]},
        "bundles.w.container: podman needs the schema pacemaker-3.2",
    ),
    (
        "pacemaker-2.10",
        {
            "bundles": [
                {"id": "w", "container": {"type": "docker", "image": "x", "promoted_max": 1}}
            ]
        },
        "promoted-max of a docker needs the schema pacemaker-3.0",
    ),
]


@pytest.mark.parametrize(("schema", "declared", "message"), OLD, ids=[one[0] for one in OLD])
def test_what_an_old_schema_does_not_know(
    base: chroot.Cluster, schema: str, declared: dict[str, Any], message: str
) -> None:
    """The real schema says no to it, and so do we, sooner and more clearly; without it, it fits."""
    newest = base.cib.get("validate-with", "")
    assert base.apply(declared).changed
    text = base.cib_file.read_text(encoding="utf-8").replace(newest, schema)
    base.cib_file.write_text(text, encoding="utf-8")
    verified = base.quietly(["crm_verify", "--xml-file", str(base.cib_file)], ok=range(256))
    assert verified.rc != 0
    text = _BASES[base.root].replace(newest, schema)
    base.cib_file.write_text(text, encoding="utf-8")
    with pytest.raises(_declaration.DeclarationInvalid, match=message):
        base.apply(declared)
    assert base.cib_file.read_text(encoding="utf-8") == text


def test_rkt_is_gone(base: chroot.Cluster) -> None:
    """Where the schema still has it, it is written; where it is gone, that is said."""
    declared = {"bundles": [{"id": "w", "container": {"type": "rkt", "image": "x"}}]}
    if base.cib.get("validate-with") == "pacemaker-4.0":
        with pytest.raises(_declaration.DeclarationInvalid, match="there is no rkt since the"):
            base.apply(declared)
    else:
        base.apply(declared)
        unchanged(base, declared)


def test_secrets_of_alerts_are_not_shown(base: chroot.Cluster) -> None:
    """Not in the result, also under a name that does not sound like one."""
    one = {"id": "m", "path": "/x", "secret_options": {"odd": "geheim"}}
    one["recipients"] = [{"value": "v", "secret_options": {"other": "geheim"}}]
    outcome = base.apply({"alerts": [one]})
    assert "geheim" in shown(base)
    assert "geheim" not in str(outcome.result())
