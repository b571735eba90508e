"""Drills with rows through the virtual IP: what is acknowledged stays."""

from __future__ import annotations

import re
import time
from typing import Any

from pairlab import Lab, Play, Run, write_case


def drill_of(run: Run) -> dict[str, Any]:
    found = [result for result in run.results("kwdb.ha.pair_drill") if "acked" in result]
    assert len(found) == 1, run.messages
    return found[0]


def record(name: str, result: dict[str, Any]) -> None:
    keys = ("acked", "lost", "outage_s", "healthy_after_s")
    write_case(name, ok=True, evidence=result, **{key: result.get(key) for key in keys})


def nothing_left(lab: Lab, host: str) -> None:
    """No move constraint, no standby, no table of the drill."""
    constraints = lab.ssh(host, "cibadmin -Q -o constraints")
    assert "cli-" not in constraints
    assert "drbd-fence-by-handler" not in constraints
    assert 'name="standby"' not in lab.ssh(host, "cibadmin -Q -o nodes")


def test_switchover(lab: Lab) -> None:
    run = lab.play("verify.yml", extra={"verify_drills": ["switchover"]}).must()
    result = drill_of(run)
    assert result["acked"] > 0
    assert result["lost"] == 0
    nothing_left(lab, lab.hosts[0])
    record("switchover", result)


def test_power_cut_is_refused_without_leave(lab: Lab) -> None:
    run = lab.play("verify.yml", extra={"verify_drills": ["power_cut"]})
    assert run.rc != 0
    assert any("verify_allow_destructive" in message for message in run.messages), run.messages


def test_power_cut(lab: Lab) -> None:
    extra = {"verify_drills": ["power_cut"], "verify_allow_destructive": True}
    run = lab.play("verify.yml", extra=extra).must()
    result = drill_of(run)
    assert result["acked"] > 0
    assert result["lost"] == 0
    assert "fence" in str(result["fenced_by"])
    nothing_left(lab, lab.hosts[0])
    # It was back at once, and joined only when the failover was over.
    shown = lab.ssh(
        result["source"], "systemctl show --value -p ActiveEnterTimestampMonotonic corosync"
    )
    assert int(shown) / 1e6 >= 30
    record("power_cut", result)


def test_deleted_row_is_reported_lost(lab: Lab) -> None:
    """While the drill writes, somebody deletes one row that was acknowledged before."""
    play = lab.start("verify.yml", extra={"verify_drills": ["switchover"]})
    try:
        delete_one_row(lab, play)
        run = play.wait()
    finally:
        play.kill()
    assert run.rc != 0, "a lost row must fail the run"
    result = drill_of(run)
    assert result["lost"] == 1, result
    nothing_left(lab, lab.hosts[0])
    write_case(
        "deleted_row_is_reported",
        ok=True,
        acked=result["acked"],
        lost=1,
        evidence=result["lost_ids"],
    )


SQL = "kwbase sql --host=10.77.1.100:26257 --certs-dir=/etc/kaiwudb/certs --format=csv -e"


def sql(lab: Lab, statement: str) -> list[str]:
    """Lines that the database answers through the virtual IP, none while it does not answer."""
    return lab.ssh(lab.hosts[0], f'{SQL} "{statement}"', check=False).splitlines()


def delete_one_row(lab: Lab, play: Play) -> None:
    """Find the drill's table and take its first row, acknowledged long ago, out of it.

    The service moves meanwhile, so an answer may be lost: then the drill itself says whether the row is gone.
    """
    victim = ""
    while play.process.poll() is None:
        for table in sql(lab, "SHOW TABLES FROM defaultdb"):
            if not re.fullmatch(r"kwdb_ha_drill_\w+", table):
                continue
            ids = sorted(sql(lab, f"SELECT id FROM defaultdb.{table}")[1:])
            if len(ids) < 3:
                continue
            # Always the same one, also when its deletion went through and the answer did not.
            victim = victim or ids[0]
            if victim not in ids:
                return
            sql(lab, f"DELETE FROM defaultdb.{table} WHERE id = '{victim}'")
        time.sleep(0.5)
    assert victim, "the drill ended before it had three rows"
