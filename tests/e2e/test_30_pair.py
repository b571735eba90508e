"""The finished pair: every later run changes nothing and undoes nothing."""

from __future__ import annotations

import yaml
from pairlab import Lab, Run, write_case
from watch import active, other


def no_change(run: Run) -> None:
    run.must()
    assert set(run.report["hosts"]) >= set(Lab.hosts)
    assert run.changed == {host: [] for host in run.changed}


def test_second_run_after_a_move(lab: Lab) -> None:
    """Moved by the playbook, it stays there; nothing changes, and no secret is in the log, as loud as it is."""
    before = active(lab)
    lab.play("switchover.yml").must()
    after = active(lab)
    assert before and after == other(lab, before)
    run = lab.play("site.yml", "-vvv")
    no_change(run)
    assert active(lab) == after
    log, known = run.log.read_text(), lab.secrets()
    assert len(known) >= 4
    assert "cibadmin --query" in log
    assert not [one for one in known if one in log]
    write_case(
        "second_run_moved",
        ok=True,
        evidence={"seconds": run.seconds, "hosts": run.report["hosts"], "active": after},
    )


def test_fence_device_that_does_not_answer(lab: Lab) -> None:
    """The agent is there now, so a wrong password is found before anything is changed."""
    before = {host: lab.ssh(host, "cibadmin -Q -o configuration") for host in lab.hosts}
    hosts = lab.inventory / "hosts.yml"
    text = hosts.read_text()
    whole = yaml.safe_load(text)
    whole["all"]["children"]["kwdb_pair"]["hosts"]["ha-node02"]["pair_fence_options"][
        "password"
    ] = "not-the-password"
    hosts.write_text(yaml.safe_dump(whole))
    try:
        run = lab.play("site.yml")
    finally:
        hosts.write_text(text)
    assert run.rc != 0
    assert any("fence" in message and "ha-node02" in message for message in run.messages)
    assert all(not tasks for tasks in run.changed.values()), run.changed
    assert {host: lab.ssh(host, "cibadmin -Q -o configuration") for host in lab.hosts} == before
    write_case("refused_fence_device", ok=True, evidence=run.messages)
