# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for ansible-playbook that are a root and a CIB file: modules run there for real."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

import chroot
import roots

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGENT = "usr/lib/ocf/resource.d/kwdb/kaiwudb"
CALLBACKS = ROOT / "tests" / "e2e" / "callback_plugins"


@dataclass(frozen=True)
class Played:
    """What a run of a playbook left behind."""

    rc: int
    said: str
    results: list[dict[str, Any]]

    def must(self) -> Played:
        """Fail with the run's own words unless it went well."""
        assert self.rc == 0, self.said
        return self


@contextlib.contextmanager
def overlay(suite: str) -> Iterator[pathlib.Path]:
    """A root of a release that may be written to, with the roles' own agent; gone afterwards."""
    lower = roots.root(suite)
    with tempfile.TemporaryDirectory(prefix="host-") as name:
        folder = pathlib.Path(name)
        upper, work, root = (folder / part for part in ("upper", "work", lower.name))
        for one in (upper, work, root):
            one.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        argv = ["mount", "-t", "overlay", "overlay", "-o", options, str(root)]
        subprocess.run(argv, check=True)
        try:
            agent = root / AGENT
            agent.parent.mkdir()
            shutil.copy(ROOT / "roles" / "kwdb" / "files" / agent.name, agent)
            yield root
        finally:
            chroot.unload_pcs(root)
            subprocess.run(["umount", str(root)], check=True)


def cluster(root: pathlib.Path, name: str, text: str) -> chroot.Cluster:
    """A cluster with this configuration in its file."""
    place = root / "tmp" / name
    place.mkdir()
    found = chroot.Cluster(root, place)
    found.cib_file.write_text(text, encoding="utf-8")
    return found


def shell(one: chroot.Cluster, env: Mapping[str, str] | None = None) -> str:
    """A shell that runs in the root, where the file is the cluster."""
    names = {
        **(env or {}),
        "CIB_file": one.inside(one.cib_file),
        "CIB_shadow_dir": one.inside(one.place),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    words = [f"{name}={value}" for name, value in names.items()]
    path = one.place / "shell"
    argv = ["env", "-i", *words, "chroot", str(one.root), "/bin/sh"]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def inventory(
    hosts: Mapping[str, chroot.Cluster], env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The clusters as hosts of an inventory."""
    return {
        name: {
            "ansible_connection": "local",
            "ansible_shell_executable": shell(one, env),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": one.inside(one.place),
        }
        for name, one in hosts.items()
    }


def run(argv: Sequence[str], folder: pathlib.Path) -> Played:
    """Run ansible-playbook in a folder; pipelining, because a root does not see our files."""
    report = folder / "report.json"
    env = {
        **os.environ,
        "RUN_REPORT": str(report),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "run_report",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
    }
    tool = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [tool, *argv], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    results = json.loads(report.read_text())["results"] if report.exists() else []
    return Played(done.returncode, done.stdout + done.stderr, results)


def play(
    hosts: Mapping[str, chroot.Cluster],
    plays: Sequence[Mapping[str, Any]],
    *options: str,
    variables: Mapping[str, Any] | None = None,
) -> Played:
    """Run plays on the hosts."""
    with tempfile.TemporaryDirectory(prefix="play-") as name:
        folder = pathlib.Path(name)
        listed = {"all": {"hosts": inventory(hosts), "vars": dict(variables or {})}}
        (folder / "inventory.json").write_text(json.dumps(listed), encoding="utf-8")
        (folder / "play.yml").write_text(json.dumps(list(plays)), encoding="utf-8")
        return run(["-i", "inventory.json", "play.yml", *options], folder)
