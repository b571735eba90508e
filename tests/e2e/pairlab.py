"""What the tests and the demonstration do with the lab: boot it, run playbooks on it, keep records."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CASES = BUILD / "cases"
HALAB = ROOT / "tests" / "lab" / "halab"
# The lab's exit code for a machine that cannot run it.
CANNOT_RUN = 77

# One line a thing: packages, every file under /etc, and the whole data disk. Two equal outputs mean
# that nothing was installed, configured or written in between. b2sum takes a third of sha256sum's time.
FINGERPRINT = """
dpkg-query -W | b2sum
find /etc -xdev \\( -type f -o -type l \\) -printf '%p %m %l\\n' | sort | b2sum
find /etc -xdev -type f -print0 | sort -z | xargs -0 b2sum | b2sum
for disk in /dev/disk/by-id/lab-data /dev/disk/by-id/lab-extra; do echo "$disk $(b2sum < "$disk")"; done
"""


class LabCannotRun(Exception):
    """This machine cannot run the lab."""


@dataclass(frozen=True)
class Run:
    """A finished run of a playbook."""

    rc: int
    report: dict[str, Any]
    log: Path
    seconds: float

    @property
    def changed(self) -> dict[str, list[str]]:
        """Names of the changed tasks by host."""
        found: dict[str, list[str]] = {host: [] for host in self.report.get("hosts", {})}
        for entry in self.report["results"]:
            if entry["changed"] and entry["host"] != "localhost":
                found.setdefault(entry["host"], []).append(entry["task"])
        return found

    @property
    def messages(self) -> list[str]:
        """What failed tasks said, with the host in front."""
        return [
            f"{entry['host']}: {' '.join(entry['msg'].split())}"
            for entry in self.report["results"]
            if entry["status"] in ("failed", "unreachable") and not entry.get("ignored")
        ]

    def results(self, action: str) -> list[dict[str, Any]]:
        """Whole results of a module's tasks, in order."""
        return [
            e["result"] for e in self.report["results"] if e["action"] == action and "result" in e
        ]

    def must(self, rc: int = 0) -> Run:
        """Fail with the run's own words unless it ended with rc."""
        if self.rc != rc:
            raise AssertionError(
                f"exit code {self.rc}, not {rc}; log {self.log}\n" + "\n".join(self.messages)
            )
        return self


@dataclass
class Lab:
    """Two lab hosts and the inventory that describes them."""

    run_dir: Path
    options: tuple[str, ...] = ()
    runs: int = field(default=0, init=False)
    # Workers of killed runs; the lab's end is theirs, too.
    orphans: list[int] = field(default_factory=list, init=False)

    hosts = ("ha-node01", "ha-node02")

    def halab(
        self, command: str, *args: str, check: bool = True, **kwargs: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(HALAB), command, "--run-dir", str(self.run_dir), *args],
            text=True,
            check=False,
            **kwargs,
        )
        if done.returncode == CANNOT_RUN:
            raise LabCannotRun(f"halab {command}")
        if check and done.returncode:
            raise AssertionError(f"halab {command} {' '.join(args)} ended with {done.returncode}")
        return done

    def up(self) -> None:
        self.halab("up", *self.options)
        self.write_inventory()

    def down(self) -> None:
        for pid in self.orphans:
            with contextlib.suppress(OSError):
                if b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        self.orphans.clear()
        self.halab("down")

    @property
    def inventory(self) -> Path:
        return self.run_dir / "inventory"

    @property
    def extra_disk(self) -> str:
        """The second blank disk of each host, smaller than the data disk."""
        return "/dev/disk/by-id/lab-extra"

    def write_inventory(self) -> None:
        """The lab's hosts, and variables such as an operator would write, with secrets of their own."""
        listed = self.halab("inventory", stdout=subprocess.PIPE).stdout
        (self.inventory / "group_vars").mkdir(parents=True, exist_ok=True)
        (self.inventory / "hosts.yml").write_text(listed)
        variables = {
            "pacemaker_fence_agent": "fence_ipmilan",
            "pacemaker_hacluster_password": secrets.token_hex(16),
            "drbd_shared_secret": secrets.token_hex(16),
            "kwdb_packages": str(BUILD / "standin"),
            "kwdb_certs_dir": str(self.run_dir / "certs"),
            "prereqs_time_servers": ["10.77.1.1"],
        }
        path = self.inventory / "group_vars" / "kwdb_pair.yml"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(yaml.safe_dump(variables))

    def secrets(self) -> set[str]:
        """Every password and shared secret of the inventory."""
        found: set[str] = set()

        def walk(value: Any, name: str) -> None:
            if isinstance(value, dict):
                for key, one in value.items():
                    walk(one, key)
            elif name.endswith(("password", "secret")):
                found.add(value)

        for path in (self.inventory / "hosts.yml", self.inventory / "group_vars/kwdb_pair.yml"):
            walk(yaml.safe_load(path.read_text()), "")
        return found

    def ssh(self, host: str, script: str, check: bool = True, timeout: float = 120) -> str:
        """Run a shell script on a host and return what it printed."""
        done = self.halab(
            "ssh",
            host,
            "sh",
            "-s",
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{host}: {script!r} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def fingerprint(self) -> dict[str, str]:
        """What is installed, configured and on the disks, by host."""
        with ThreadPoolExecutor() as pool:
            texts = pool.map(lambda host: self.ssh(host, FINGERPRINT, timeout=300), self.hosts)
            return dict(zip(self.hosts, texts, strict=True))

    def start(self, playbook: str, *args: str, extra: dict[str, Any] | None = None) -> Play:
        self.runs += 1
        return Play(self, playbook, args, extra or {}, self.runs)

    def play(self, playbook: str, *args: str, extra: dict[str, Any] | None = None) -> Run:
        """Run a playbook to its end."""
        return self.start(playbook, *args, extra=extra).wait()

    @contextlib.contextmanager
    def hosts_restored(self, host: str, before: str, after: str) -> Iterator[None]:
        """Run one script on a host now and another one in the end."""
        self.ssh(host, before)
        try:
            yield
        finally:
            self.ssh(host, after)


# What takes a lab up, and down in the end.
Up = Callable[[Lab], contextlib.AbstractContextManager[Lab]]


class Play:
    """A running ansible-playbook inside the lab's network."""

    def __init__(
        self, lab: Lab, playbook: str, args: tuple[str, ...], extra: dict[str, Any], number: int
    ) -> None:
        self.lab = lab
        name = f"{number:03d}-{Path(playbook).stem}"
        self.log = lab.run_dir / "runs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.report_path = self.log.with_suffix(".json")
        self.report_path.unlink(missing_ok=True)
        env = {
            **os.environ,
            "RUN_REPORT": str(self.report_path),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "e2e" / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "run_report",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_HOST_KEY_CHECKING": "0",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
        }
        command = [
            str(HALAB), "run", "--run-dir", str(lab.run_dir), "--",
            str(Path(sys.executable).with_name("ansible-playbook")), playbook, "-i", str(lab.inventory), *args,
        ]  # fmt: skip
        if extra:
            command += ["-e", json.dumps(extra)]
        self.begun = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT / "playbooks", env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def report(self) -> dict[str, Any]:
        if not self.report_path.exists():
            return {"plays": [], "results": []}
        return json.loads(self.report_path.read_text())

    def wait(self, timeout: float = 1500) -> Run:
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Run(rc, self.report(), self.log, round(time.monotonic() - self.begun, 1))

    def wait_for_task(self, task: str, timeout: float = 900) -> None:
        """Wait until a task with this text in its name has begun (the log names it)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if any(
                line.startswith("TASK [") and task in line
                for line in self.log.read_text().splitlines()
            ):
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the run ended before task {task!r}; log {self.log}")
            time.sleep(0.05)
        raise AssertionError(f"task {task!r} did not begin within {timeout} s; log {self.log}")

    def kill(self) -> None:
        """As a lost terminal would: the whole process group, at once.

        Ansible's workers have sessions of their own and outlive it, like the modules that they started.
        """
        self.lab.orphans += descendants(self.process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            parent = re.search(r"^PPid:\s*(\d+)", status.read_text(), re.MULTILINE)
            if parent:
                children.setdefault(int(parent[1]), []).append(int(status.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def build_standin(target: Path = BUILD / "standin") -> Path:
    """Build the KWDB stand-in packages and return their folder."""
    builder = ROOT / "tests" / "standin" / "build.py"
    subprocess.run([sys.executable, str(builder), str(target)], check=True)
    return target


def write_case(name: str, *, ok: bool, evidence: Any, **figures: Any) -> None:
    """Keep a lab case's record as build/cases/NAME.json."""
    CASES.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = dict.fromkeys(("acked", "lost", "outage_s", "healthy_after_s"))
    record.update(figures)
    whole = {"name": name, "ok": ok, **record, "evidence": evidence}
    (CASES / f"{name}.json").write_text(json.dumps(whole, indent=1, default=str) + "\n")
