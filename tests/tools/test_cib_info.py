# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration read as a declaration: any valid one, complete, and no change when fed back."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import chroot
import pair

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _export, _transaction

ONE, TWO = pair.NODES
SCHEMAS = pathlib.Path(__file__).parents[1] / "unit" / "fixtures" / "schemas"


def export(cluster: chroot.Cluster) -> _export.Export:
    """What pcs_config_info returns."""
    text, limited = _transaction.read(cluster, False)
    assert not limited
    return _export.export(_cib.parse(text))


def feed_back(cluster: chroot.Cluster, config: Any) -> None:
    """The declaration, through JSON as Ansible passes it, must change nothing."""
    before = cluster.cib_file.read_bytes()
    assert not cluster.apply(json.loads(json.dumps(config)), allow_disruption=True).changed
    assert cluster.cib_file.read_bytes() == before


def test_pair_fed_back_changes_nothing(running: chroot.Cluster) -> None:
    """What the roles declare is read back as it is declared."""
    found = export(running)
    declared = pair.whole_pair()
    for option in ("properties", "resource_defaults", "operation_defaults"):
        said = {name: str(value).lower() for name, value in declared.get(option, {}).items()}
        read = {name: value.lower() for name, value in found.config.get(option, {}).items()}
        assert read == said
    assert pair.SECRET not in json.dumps(found.config)
    running.ran.clear()
    feed_back(running, found.config)
    assert running.ran == [("cibadmin", "--query")]


def test_operator_state_is_no_declaration(running: chroot.Cluster) -> None:
    """What operators switch is told apart, and may change between export and use."""
    running.pcs("property", "set", "maintenance-mode=true")
    running.pcs("node", "standby", TWO)
    running.pcs("resource", "disable", "ClusterIP")
    found = export(running)
    kinds = {(one["kind"], one["on"]) for one in found.operator_state}
    assert kinds == {
        ("maintenance-mode", "cluster"),
        ("standby", TWO),
        ("target-role", "ClusterIP"),
    }
    assert "maintenance-mode" not in found.config["properties"]
    feed_back(running, found.config)
    running.pcs("property", "set", "maintenance-mode=false")
    running.pcs("node", "unstandby", TWO)
    feed_back(running, found.config)


def schemas_of(cluster: chroot.Cluster) -> list[str]:
    """The schemas from 2.0 on that the release knows."""
    names = (path.stem for path in (cluster.root / "usr/share/pacemaker").glob("pacemaker-*.rng"))
    return sorted(one for one in names if re.fullmatch(r"pacemaker-[2-9]\.\d+", one))


def test_any_schema_is_read(cluster: chroot.Cluster) -> None:
    """A configuration of every schema that the release knows, with what nobody declares today."""
    seen = []
    for schema in schemas_of(cluster):
        source = SCHEMAS / ("pacemaker-4.0" if schema == "pacemaker-4.0" else "pacemaker-2.0")
        text = source.with_name(f"{source.name}.cib.xml").read_text()
        text = re.sub('validate-with="[^"]*"', f'validate-with="{schema}"', text)
        cluster.cib_file.write_text(text)
        grammar = f"/usr/share/pacemaker/{schema}.rng"
        cluster.quietly(["xmllint", "--noout", "--relaxng", grammar, str(cluster.cib_file)])
        found = export(cluster)
        assert found.config["properties"] == {
            "stonith-enabled": "true" if schema == "pacemaker-4.0" else "false"
        }
        assert "geheim" not in json.dumps([found.config, found.secrets])
        feed_back(cluster, found.config)
        seen.append(schema)
    assert {"pacemaker-2.0", "pacemaker-2.10", "pacemaker-3.5"} <= set(seen)
    assert len(seen) >= 16
