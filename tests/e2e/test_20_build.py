"""From bare hosts to a finished pair, with the playbook killed on the way."""

from __future__ import annotations

import re

import pytest
from pairlab import Lab, write_case

# The run is killed as soon as a task with this text has begun.
KILL_AT = [
    "Install | Install the cluster and its tools",
    "Cluster | Set up and start the cluster",
    "Configure | Start the first synchronisation",
    "Make | Make the file system",
    "Cluster | Put the database and its address into the group",
]


@pytest.mark.parametrize("task", KILL_AT)
def test_killed_while(lab: Lab, task: str) -> None:
    play = lab.start("site.yml")
    play.wait_for_task(task)
    play.kill()
    name = re.sub(r"\W+", "_", task.lower())
    write_case(f"killed_at_{name}", ok=True, evidence=play.report()["results"][-1])


def test_finished_pair_after_all(lab: Lab) -> None:
    run = lab.play("site.yml").must()
    verify = lab.play("verify.yml", extra={"verify_drills": []}).must()
    info = verify.results("kwdb.ha.pair_info")[-1]
    assert info["healthy"], info["findings"]
    write_case("built_after_kills", ok=True, evidence={"changed": run.changed, "info": info})
