# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent ocf:kwdb:kaiwudb on a real systemd, with the role's own unit and the KWDB stand-in.

The libraries that the agent uses and ocf-tester are those of each Debian release.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import time
from typing import Any, Iterator, Mapping, Sequence

import pair
import pytest
import roots
import systemd_host
import test_standin
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="boots a systemd in namespaces")

# The stand-in's packages, built once.
debs = test_standin.debs

AGENT = "/usr/lib/ocf/resource.d/kwdb/kaiwudb"
SUITES = list(roots.PACKAGES)
USUAL = "bookworm"
SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, INSTALLED, CONFIGURED, NOT_RUNNING = 0, 1, 2, 3, 5, 6, 7
DATA = "/var/lib/kaiwudb"
UNIT = "kaiwudb.service"
MORE = f"etc/systemd/system/{UNIT}.d/20-more.conf"
ROLE = pair.ROLES / "kwdb"
# Pacemaker, as far as systemd orders something after or before it.
PACEMAKER = """
[Unit]
Description=Stops the database before it ends, as Pacemaker does
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/local/bin/agent-stop
"""


def rendered(name: str, **variables: Any) -> str:
    """A template of the role."""
    loader = DataLoader()
    known: dict[str, Any] = {}
    for folder in ("defaults", "vars"):
        known.update(pair._load(loader, ROLE / folder / "main.yml"))
    known.update(pair.inventory(), ansible_managed="Ansible managed", **variables)
    text = (ROLE / "templates" / name).read_text(encoding="utf-8")
    with contextlib.suppress(ImportError):  # ansible-core 2.19 renders only what it trusts
        from ansible.template import trust_as_template

        text = trust_as_template(text)
    return str(Templar(loader, variables=known).template(text))


def options(**variables: Any) -> dict[str, str]:
    """What the role tells the agent."""
    declared = pair.resource(pair.whole_pair(**variables), "KaiwuDB")
    assert declared["agent"] == "ocf:kwdb:kaiwudb"
    return {name: str(value) for name, value in declared["options"].items()}


class Database:
    """The host with KWDB, asked and moved through the agent."""

    def __init__(self, host: systemd_host.Host) -> None:
        self.host = host
        self.options = options()
        self.secure = True

    def describe(self, secure: bool, **variables: Any) -> None:
        """What the role writes on a host, and an empty, mounted data root."""
        self.secure = secure
        variables = {"kwdb_secure": secure, **variables}
        self.options = options(**variables)
        folder = "/etc/systemd/system/"
        self.host.write(folder + UNIT, rendered("kaiwudb.service.j2", **variables))
        additions = rendered("pair.conf.j2", **variables)
        self.host.write(f"{folder}{UNIT}.d/10-pair.conf", additions)
        self.host.write("/etc/kaiwudb/script/kaiwudb_env", rendered("kaiwudb_env.j2"))
        (self.host.root / MORE).unlink(missing_ok=True)
        self.host.must("systemctl", "daemon-reload")
        if not self.mounted:
            self.host.must("mkdir", "-p", DATA)
            self.host.must("mount", "-t", "tmpfs", "-o", "uid=26257,mode=0750", "tmpfs", DATA)

    def add(self, more: str) -> None:
        """More of the unit, until it is described again."""
        self.host.write(MORE, more)
        self.host.must("systemctl", "daemon-reload")

    @property
    def mounted(self) -> bool:
        return self.host.run("mountpoint", "-q", DATA).returncode == 0

    def call(
        self,
        action: str,
        *,
        timeout: float = 30,
        interval: float = 5,
        suite: str = USUAL,
        given: Mapping[str, str] | None = None,
        level: int = 0,
    ) -> tuple[int, str]:
        """Call the agent as Pacemaker does; its answer and its reason."""
        known = self.options if given is None else given
        env = {
            "OCF_ROOT": f"/opt/{suite}/ocf",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1",
            "OCF_RESOURCE_INSTANCE": "KaiwuDB",
            "OCF_RESOURCE_TYPE": "kaiwudb",
            "OCF_RESKEY_CRM_meta_timeout": str(int(timeout * 1000)),
            "OCF_RESKEY_CRM_meta_interval": str(int(interval * 1000)),
            "OCF_CHECK_LEVEL": str(level),
            **{f"OCF_RESKEY_{name}": value for name, value in known.items()},
        }
        done = self.host.run(AGENT, action, env=env, timeout=timeout + 10)
        prefix = "ocf-exit-reason:"
        reasons = [one for one in done.stderr.splitlines() if one.startswith(prefix)]
        return done.returncode, reasons[-1][len(prefix) :] if reasons else ""

    def probe(self) -> tuple[int, str]:
        """A monitor without an interval."""
        return self.call("monitor", interval=0)

    def pids(self) -> list[str]:
        """Processes of the unit."""
        group = self.host.show(UNIT, "ControlGroup")
        return self.host.must("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split() if group else []

    def journal(self) -> str:
        """What is known of the unit's last runs, with the fields that the agent asks for."""
        return self.host.must("journalctl", "--lines=20", "--output=json", f"--unit={UNIT}")

    def sql(self, statement: str) -> str:
        """An answer, asked for beside the agent."""
        security = "--certs-dir=/etc/kaiwudb/certs" if self.secure else "--insecure"
        return self.host.must("kwbase", "sql", security, "-e", statement)

    def clean(self) -> None:
        """Nothing runs, nothing is mounted, and nothing is remembered."""
        self.host.run("systemctl", "stop", UNIT)
        self.host.run("systemctl", "reset-failed", UNIT)
        if self.mounted:
            self.host.must("umount", DATA)


@pytest.fixture(scope="module")
def host(debs: Sequence[pathlib.Path]) -> Iterator[systemd_host.Host]:
    """A host with the stand-in, the agent, and what the agent uses of each release."""
    with contextlib.ExitStack() as stack:
        try:
            one = stack.enter_context(systemd_host.booted())
        except systemd_host.CannotBoot as exc:
            pytest.skip(f"this machine cannot boot a systemd in namespaces: {exc}")
        for deb in debs:
            subprocess.run(["dpkg-deb", "--extract", deb, one.root], check=True)
        for suite in SUITES:
            source, target = roots.root(suite), one.root / "opt" / suite
            shutil.copytree(source / "usr/lib/ocf/lib", target / "ocf/lib", symlinks=True)
            shutil.copy(source / "usr/sbin/ocf-tester", target / "ocf-tester")
        resources = one.root / "usr/share/resource-agents"
        resources.mkdir(exist_ok=True)
        shutil.copy(roots.root(USUAL) / "usr/share/resource-agents/ra-api-1.dtd", resources)
        one.write(AGENT, (ROLE / "files" / "kaiwudb").read_text(encoding="utf-8"), 0o755)
        one.must("groupadd", "--gid", "26257", "kaiwudb")
        one.must("useradd", "--uid", "26257", "--gid", "kaiwudb", "--no-create-home", "kaiwudb")
        certs = ["--certs-dir=/etc/kaiwudb/certs", "--ca-key=/etc/kaiwudb/certs/ca.key"]
        for words in (["create-ca"], ["create-node", "127.0.0.1", "localhost"]):
            one.must("kwbase", "cert", *words, *certs)
        one.must("kwbase", "cert", "create-client", "root", *certs)
        one.must("chown", "-R", "kaiwudb:kaiwudb", "/etc/kaiwudb/certs")
        yield one


@pytest.fixture(params=[True, False], ids=["secure", "insecure"])
def database(request: pytest.FixtureRequest, host: systemd_host.Host) -> Iterator[Database]:
    """KWDB, secure and insecure, stopped."""
    yield from _described(host, request.param)


@pytest.fixture
def secure(host: systemd_host.Host) -> Iterator[Database]:
    """KWDB with TLS, stopped."""
    yield from _described(host, True)


@pytest.fixture
def insecure(host: systemd_host.Host) -> Iterator[Database]:
    """KWDB without TLS, stopped."""
    yield from _described(host, False)


def _described(host: systemd_host.Host, is_secure: bool) -> Iterator[Database]:
    one = Database(host)
    one.describe(is_secure)
    yield one
    one.clean()


@pytest.mark.parametrize("suite", SUITES)
def test_ocf_tester_is_content(secure: Database, suite: str) -> None:
    """The real ocf-tester of the release, which starts, stops and probes as Pacemaker would."""
    words = [word for name, value in secure.options.items() for word in ("-o", f"{name}={value}")]
    argv = [f"/opt/{suite}/ocf-tester", "-n", "KaiwuDB", *words, AGENT]
    done = secure.host.run(*argv, env={"OCF_ROOT": f"/opt/{suite}/ocf"}, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{AGENT} passed all tests" in done.stdout


def test_a_start_is_complete_when_a_query_is_answered(database: Database) -> None:
    assert database.probe() == (NOT_RUNNING, "")
    assert database.call("start", timeout=60) == (SUCCESS, "")
    assert "1" in database.sql("SELECT 1")
    assert database.call("monitor") == (SUCCESS, "")
    assert database.probe() == (SUCCESS, "")
    assert database.call("start", timeout=60) == (SUCCESS, "")
    assert database.call("stop", timeout=60) == (SUCCESS, "")
    assert database.pids() == []
    assert database.probe() == (NOT_RUNNING, "")
    assert database.call("stop", timeout=60) == (SUCCESS, "")


def test_a_hung_database_is_seen_within_the_monitors_own_time(secure: Database) -> None:
    """Everything is stopped by SIGSTOP: connections are taken, and nothing is answered."""
    assert secure.call("start", timeout=60)[0] == SUCCESS
    stopped = secure.pids()
    secure.host.must("kill", "-STOP", *stopped)
    try:
        begin = time.monotonic()
        code, reason = secure.call("monitor", timeout=8)
        assert time.monotonic() - begin < 8
        assert code == GENERIC
        assert reason.startswith(
            f"{UNIT} runs, but KWDB did not answer 'SELECT 1' (--host=127.0.0.1:26257)"
        )
    finally:
        secure.host.must("kill", "-CONT", *stopped)
    assert secure.call("monitor") == (SUCCESS, "")


@contextlib.contextmanager
def over(host: systemd_host.Host, mount_options: str) -> Iterator[None]:
    """Another file system over the data root; what the database has open, and where it stands, stays."""
    host.must("mount", "-t", "tmpfs", "-o", mount_options, "tmpfs", DATA)
    try:
        yield
    finally:
        host.must("umount", DATA)


def test_a_disk_that_cannot_be_written_fails_the_deep_monitor_alone(secure: Database) -> None:
    assert secure.call("start", timeout=60)[0] == SUCCESS
    assert secure.call("monitor", level=20) == (SUCCESS, "")
    with over(secure.host, "ro"):
        assert secure.call("monitor") == (SUCCESS, "")
        code, reason = secure.call("monitor", level=20)
        assert code == GENERIC
        assert reason.startswith(f"{DATA} cannot be written: dd: ")
        assert "Read-only file system" in reason
    assert secure.call("monitor", level=20) == (SUCCESS, "")


def test_a_disk_that_hangs_fails_the_deep_monitor_in_its_time(secure: Database) -> None:
    """A pipe that nobody reads takes no write, as a disk that hangs."""
    assert secure.call("start", timeout=60)[0] == SUCCESS
    with over(secure.host, "mode=0755"):
        secure.host.must("mkfifo", f"{DATA}/.kaiwudb-write-test")
        begin = time.monotonic()
        code, reason = secure.call("monitor", timeout=8, level=20)
        assert time.monotonic() - begin < 8
        assert code == GENERIC
        assert reason.startswith(f"{DATA} cannot be written within 5 s: the disk hangs")
        assert secure.host.run("pgrep", "-x", "dd").returncode == 1
    assert secure.call("monitor", level=20) == (SUCCESS, "")


def test_a_full_disk_fails_no_monitor(secure: Database) -> None:
    """Another host would have the same one; the database says it to those who write."""
    assert secure.call("start", timeout=60)[0] == SUCCESS
    with over(secure.host, "size=8k"):
        secure.host.run("dd", "if=/dev/zero", f"of={DATA}/full", "bs=4k")
        assert secure.host.run("cp", "/proc/uptime", f"{DATA}/more").returncode
        assert secure.call("monitor", level=20) == (SUCCESS, "")


def test_a_hung_database_is_killed_by_the_stop(secure: Database) -> None:
    """systemd alone would wait much longer than the stop may take here."""
    secure.add("[Service]\nTimeoutStopSec=600\n")
    assert secure.call("start", timeout=60)[0] == SUCCESS
    secure.host.must("kill", "-STOP", *secure.pids())
    assert secure.call("monitor", timeout=8)[0] == GENERIC
    assert secure.call("stop", timeout=60) == (SUCCESS, "")
    assert secure.pids() == []
    assert secure.probe() == (NOT_RUNNING, "")
    assert secure.call("start", timeout=60) == (SUCCESS, "")
    assert secure.call("stop", timeout=60) == (SUCCESS, "")


def test_a_database_that_answers_again_is_not_killed(secure: Database) -> None:
    """It hung for a while; the stop asks once more, and lets it end by itself."""
    assert secure.call("start", timeout=60)[0] == SUCCESS
    stopped = secure.pids()
    secure.host.must("kill", "-STOP", *stopped)
    assert secure.call("monitor", timeout=8)[0] == GENERIC
    secure.host.must("kill", "-CONT", *stopped)
    run = secure.host.show(UNIT, "InvocationID")
    assert secure.call("stop", timeout=60) == (SUCCESS, "")
    log = secure.host.must(
        "journalctl", "--no-pager", "--output=cat", f"INVOCATION_ID={run}", "--unit", UNIT
    )
    assert "KILL" not in log


def test_a_killed_database_is_seen_at_once_and_starts_again(secure: Database) -> None:
    assert secure.call("start", timeout=60)[0] == SUCCESS
    secure.host.must("kill", "-KILL", secure.host.show(UNIT, "MainPID"))
    begin = time.monotonic()
    code, reason = secure.call("monitor")
    assert time.monotonic() - begin < 10
    assert code == NOT_RUNNING
    assert reason.startswith(f"{UNIT} ended, and Pacemaker did not stop it (failed, signal)")
    assert secure.probe() == (NOT_RUNNING, "")
    assert secure.pids() == []
    assert secure.call("start", timeout=60) == (SUCCESS, "")
    secure.host.must("kill", "-KILL", secure.host.show(UNIT, "MainPID"))
    assert secure.call("stop", timeout=60) == (SUCCESS, "")
    assert secure.host.show(UNIT, "ActiveState") == "inactive"


def test_a_crash_that_systemd_still_clears_up_is_waited_for(insecure: Database) -> None:
    insecure.add("[Service]\nExecStopPost=/bin/sleep 3\n")
    assert insecure.call("start", timeout=60)[0] == SUCCESS
    insecure.host.must("kill", "-KILL", insecure.host.show(UNIT, "MainPID"))
    end = time.monotonic() + 3
    while (state := insecure.host.show(UNIT, "ActiveState")) == "active" and time.monotonic() < end:
        pass  # a busy systemd has not seen it yet
    assert state == "deactivating"
    assert insecure.call("monitor")[0] == NOT_RUNNING


def test_a_start_that_fails_says_why_at_once(insecure: Database) -> None:
    insecure.host.must("chown", "root:root", DATA)
    begin = time.monotonic()
    code, reason = insecure.call("start", timeout=60)
    assert time.monotonic() - begin < 20
    assert code == GENERIC
    assert f"store {DATA} cannot be written: Permission denied" in reason
    assert insecure.call("stop", timeout=60) == (SUCCESS, "")


def test_no_start_beside_the_replicated_disk_and_no_failing_stop(insecure: Database) -> None:
    insecure.host.must("umount", DATA)
    code, reason = insecure.call("start", timeout=60)
    assert code == GENERIC
    assert reason.startswith(f"{UNIT} did not start: Assertion failed on job")
    assert insecure.call("stop", timeout=60) == (SUCCESS, "")


def test_a_start_is_not_refused_for_those_that_failed_before(insecure: Database) -> None:
    """systemd's limit is five starts in ten seconds."""
    insecure.host.must("chown", "root:root", DATA)
    for _ in range(6):
        reason = insecure.call("start", timeout=60)[1]
        assert "Permission denied" in reason, reason + insecure.journal()
    insecure.host.must("chown", "kaiwudb:kaiwudb", DATA)
    assert insecure.call("start", timeout=60) == (SUCCESS, "")


def test_words_that_the_journal_read_late_are_found(insecure: Database) -> None:
    """It knows a line's run by a file that systemd removes when the unit has ended."""
    run = "/run/systemd/units/invocation:" + UNIT
    remove = f"[Service]\nExecStartPre=+/bin/rm {run}\n"
    insecure.add(remove)
    insecure.host.must("chown", "root:root", DATA)
    reason = insecure.call("start", timeout=60)[1]
    assert "Permission denied" in reason, reason + insecure.journal()
    # Those of an earlier run are not this one's.
    insecure.add(remove + "ExecStartPre=/bin/sh -c 'echo not today; exit 1'\n")
    reason = insecure.call("start", timeout=60)[1]
    assert reason.endswith("not today"), reason + insecure.journal()


def test_a_start_gives_up_before_pacemaker_does(insecure: Database) -> None:
    never = {**insecure.options, "statement": "SELECT * FROM nowhere"}
    for action in ("start", "stop"):  # the first start makes the store, which takes its time
        assert insecure.call(action, timeout=60) == (SUCCESS, "")
    begin = time.monotonic()
    code, reason = insecure.call("start", timeout=12, given=never)
    assert 7 < time.monotonic() - begin < 12
    assert code == GENERIC
    assert "did not answer 'SELECT * FROM nowhere'" in reason and "does not exist" in reason
    # A monitor does not depend on it.
    assert insecure.call("monitor", given=never) == (SUCCESS, "")


def test_a_stop_succeeds_where_nothing_is_installed(insecure: Database) -> None:
    folder = insecure.host.root / "etc/systemd/system"
    shutil.rmtree(folder / f"{UNIT}.d")
    (folder / UNIT).unlink()
    insecure.host.must("systemctl", "daemon-reload")
    insecure.host.must("umount", DATA)
    gone = {**insecure.options, "program": "/nonexistent/kwbase"}
    assert insecure.call("stop", given=gone) == (SUCCESS, "")
    assert insecure.call("monitor", interval=0, given=gone) == (NOT_RUNNING, "")
    code, reason = insecure.call("start")
    assert code == INSTALLED and reason.startswith(f"there is no {UNIT} on this host")


def test_processes_that_outlive_their_unit_are_not_called_stopped(insecure: Database) -> None:
    insecure.add("[Service]\nKillMode=process\nExecStartPost=/bin/sh -c 'sleep 300 &'\n")
    assert insecure.call("start", timeout=60)[0] == SUCCESS
    code, reason = insecure.call("stop", timeout=60)
    (pid,) = insecure.pids()
    assert code == GENERIC
    assert f"Processes left: {pid}." in reason
    assert insecure.probe()[0] == GENERIC
    insecure.host.must("kill", "-KILL", pid)
    assert insecure.call("stop", timeout=60) == (SUCCESS, "")


@pytest.mark.parametrize("units", [["pacemaker"], ["pacemaker", "kaiwudb"]])
def test_a_host_that_shuts_down_leaves_the_database_to_pacemaker(
    insecure: Database, units: list[str]
) -> None:
    """With both in one transaction, as at a shutdown: Pacemaker's stop finds a database that serves."""
    host, seen = insecure.host, insecure.host.root / "tmp/seen"
    env = " ".join(f"OCF_RESKEY_{name}='{value}'" for name, value in insecure.options.items())
    common = f"export {env} OCF_ROOT=/opt/{USUAL}/ocf OCF_RESOURCE_INSTANCE=KaiwuDB"
    words = f"{AGENT} monitor; echo $? >/var/seen; {AGENT} stop; echo $? >>/var/seen"
    host.write("/usr/local/bin/agent-stop", f"#!/bin/sh\n{common}\n{words}\n", 0o755)
    host.write("/etc/systemd/system/pacemaker.service", PACEMAKER)
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "start", "pacemaker")
    assert insecure.call("start", timeout=60)[0] == SUCCESS
    seen = host.root / "var/seen"
    begin = time.monotonic()
    host.must("systemctl", "stop", *units)
    assert time.monotonic() - begin < 20
    assert seen.read_text(encoding="ascii").split() == [str(SUCCESS), str(SUCCESS)]
    assert insecure.pids() == []


@pytest.mark.parametrize(
    ("wrong", "level", "code", "word"),
    [
        ({"unit": "a b"}, 0, CONFIGURED, "no name of a systemd unit"),
        ({"statement": ""}, 0, CONFIGURED, "the option statement is empty"),
        ({"program": "/nonexistent/kwbase"}, 0, SUCCESS, ""),
        ({"program": "/nonexistent/kwbase"}, 10, INSTALLED, "install KWDB's packages"),
        ({"unit": "other"}, 10, INSTALLED, "there is no other.service on this host"),
    ],
)
def test_options_are_checked(
    secure: Database, wrong: dict[str, str], level: int, code: int, word: str
) -> None:
    found = secure.call("validate-all", given={**secure.options, **wrong}, level=level)
    assert found[0] == code and word in found[1]
    if level or code:
        started = secure.call("start", given={**secure.options, **wrong}, timeout=10)
        assert started[0] == code or code == SUCCESS
    assert secure.call("promote")[0] == UNIMPLEMENTED


def test_a_changed_unit_counts_from_the_next_start(secure: Database) -> None:
    """Until then the database is asked where and how it was started."""
    assert secure.call("start", timeout=60)[0] == SUCCESS
    secure.describe(False, kwdb_port=26999)
    assert secure.call("monitor") == (SUCCESS, "")
    assert secure.call("stop", timeout=60)[0] == SUCCESS
    assert secure.call("start", timeout=60)[0] == SUCCESS
    secure.host.must("kwbase", "sql", "--host=127.0.0.1:26999", "--insecure", "-e", "SELECT 1")


def test_a_server_that_takes_its_time_to_be_there_is_waited_for(secure: Database) -> None:
    """What runs first in the unit's place has none of the server's options."""
    path = f"/etc/systemd/system/{UNIT}"
    text = (secure.host.root / path.lstrip("/")).read_text().replace("\\\n", "")
    program = next(one for one in text.splitlines() if one.startswith("ExecStart=")).split("=", 1)[
        1
    ]
    slow = f"ExecStart=/bin/sh -c 'sleep 1; exec {program}'"
    secure.host.write(path, text.replace(f"ExecStart={program}", slow))
    secure.host.must("systemctl", "daemon-reload")
    assert secure.call("start", timeout=20) == (SUCCESS, "")


def test_the_connection_can_be_given(insecure: Database) -> None:
    wrong = {**insecure.options, "connection": "--host=127.0.0.1:1 --insecure"}
    right = {**insecure.options, "connection": "--host=localhost:26257 --insecure"}
    assert insecure.call("start", timeout=60, given=right) == (SUCCESS, "")
    assert insecure.call("monitor", timeout=4, given=wrong)[0] == GENERIC


def test_a_missing_certificate_is_named_at_once(secure: Database) -> None:
    key = secure.host.root / "etc/kaiwudb/certs/client.root.key"
    key.rename(key.with_suffix(".away"))
    try:
        code, reason = secure.call("start", timeout=60)
        assert (code, reason.split(" ")[0]) == (ARGS, "/etc/kaiwudb/certs/client.root.key")
    finally:
        key.with_suffix(".away").rename(key)


def test_systemd_alone_also_waits_for_an_answer(secure: Database) -> None:
    """With kwdb_resource_agent: systemd the unit itself ends a start, and is not ordered."""
    variables = {"kwdb_secure": True, "kwdb_resource_agent": "systemd"}
    additions = rendered("pair.conf.j2", **variables)
    assert "Before=" not in additions
    secure.host.write(f"/etc/systemd/system/{UNIT}.d/10-pair.conf", additions)
    secure.host.write("/etc/kaiwudb/script/ready", rendered("ready.sh.j2", **variables), 0o755)
    secure.host.must("systemctl", "daemon-reload")
    secure.host.must("systemctl", "start", UNIT)
    assert "1" in secure.sql("SELECT 1")
