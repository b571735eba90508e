# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example in the documentation of the cluster modules is run with the real tools.

That they plan without an error on hosts without a cluster, test_pacemaker_role.py shows.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import chroot
import module_host
import pair
import pytest
import yaml

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="mounts roots")

MODULES = module_host.ROOT / "plugins" / "modules"
# A module that is not there yet has no examples; its name alone brings it in.
NAMES = [
    name
    for name in ("pcs_config", "pcs_resource", "pcs_constraint", "pcs_config_info")
    if (MODULES / f"{name}.py").exists()
]
# Where the examples of a module begin; the others begin on the running pair.
BEGIN_EMPTY = ("pcs_config",)
VARIABLES = {"vault_bmc_password": pair.SECRET}


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks in the module's documentation."""
    text = (MODULES / f"{module}.py").read_text(encoding="utf-8")
    found = yaml.safe_load(text.split('EXAMPLES = r"""', 1)[1].split('"""', 1)[0])
    assert found
    return found


def takes_wait(module: str) -> bool:
    """Whether the module waits for the cluster, as its documentation says."""
    text = (MODULES / f"{module}.py").read_text(encoding="utf-8")
    return "- kwdb.ha.cluster\n" in text


def without_waiting(task: dict[str, Any], module: str) -> dict[str, Any]:
    """The task as it stands; only nobody waits for agents, which a file does not run."""
    name = f"kwdb.ha.{module}"
    if name not in task or not takes_wait(module):
        return task
    return {**task, name: {**(task[name] or {}), "wait": 0}}


def play_of(module: str) -> dict[str, Any]:
    """A play in which each example is previewed, run, and run again."""
    tasks = []
    for task in examples(module):
        whole = without_waiting(task, module)
        tasks += [{**whole, "check_mode": True}, whole, whole]
    return {"hosts": module, "gather_facts": False, "tasks": tasks}


def monitor(name: str, agent: str, **options: str) -> dict[str, Any]:
    """A resource that looks at its host, as some examples take for granted."""
    operations = [{"name": "monitor", "interval": "30s", "timeout": "60s"}]
    clone = {"id": f"{name}-clone"}
    return {
        "id": name,
        "agent": agent,
        "options": options,
        "operations": operations,
        "clone": clone,
    }


MONITORS = [
    monitor("ping", "ocf:pacemaker:ping", host_list="192.0.2.1"),
    monitor("disk", "ocf:pacemaker:SysInfo"),
]


def begin(root: pathlib.Path) -> dict[str, chroot.Cluster]:
    """A cluster for each module: an empty one, or the running pair."""
    first = module_host.cluster(root, "begin", "")
    first.create()
    empty = first.cib_file.read_text(encoding="utf-8")
    first.apply(pair.whole_pair())
    first.apply({"resources": MONITORS})
    first.settle()
    for node in pair.NODES:
        first.promotion_score(node, 10000)
        # What ping says of a host with a network.
        first.quietly(["crm_attribute", "--node", node, "--name", "pingd", "--update", "1"])
    first.settle()
    running = first.cib_file.read_text(encoding="utf-8")
    # The saved configuration that an example names.
    saved = root / "var/lib/kwdb-ha/cib/20261125T114500Z-0.42.17.xml"
    saved.parent.mkdir(parents=True)
    saved.write_text(empty, encoding="utf-8")
    return {
        name: module_host.cluster(root, name, empty if name in BEGIN_EMPTY else running)
        for name in NAMES
    }


def test_examples() -> None:
    """Each preview says what the run does, and the second run changes nothing."""
    with module_host.overlay("bookworm") as root:
        hosts = begin(root)
        before = {name: one.cib_file.read_bytes() for name, one in hosts.items()}
        plays = [play_of(name) for name in NAMES]
        results = module_host.play(hosts, plays, variables=VARIABLES).must().results
        for name in NAMES:
            mine = [one for one in results if one["host"] == name]
            assert len(mine) == 3 * len(examples(name)), mine
            changes = [one["changed"] for one in mine if one["action"] == f"kwdb.ha.{name}"]
            previewed, made, again = changes[::3], changes[1::3], changes[2::3]
            assert previewed == made
            # An example that is a preview itself changes nothing and says the same each time.
            real = [
                not task.get("check_mode") for task in examples(name) if f"kwdb.ha.{name}" in task
            ]
            assert len(real) == len(again)
            assert not any(one for one, counts in zip(again, real) if counts)
            changing = not name.endswith("_info")
            assert any(made) == changing, mine
            assert (hosts[name].cib_file.read_bytes() != before[name]) == changing
