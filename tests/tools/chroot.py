# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is a file: the real tools of a release, run in its root on a CIB file."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _command,
    _declaration,
    _transaction,
)

# Runs in a root. Loading pcs takes much longer than most of its commands, so it is loaded once, and
# each line of the input is a command for a fork of it. What a command says goes into files without names.
PCS = """
import json, os, sys
from pcs.entry_points.cli import main

for line in sys.stdin:
    command = json.loads(line)
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(files[0], command["stdin"].encode())
    os.lseek(files[0], 0, os.SEEK_SET)
    child = os.fork()
    if not child:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(command["env"])
        sys.argv = ["/usr/sbin/pcs", *command["words"]]
        sys.exit(main())
    answer = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
    for file in files[1:]:
        with open(file, "rb") as said:
            said.seek(0)
            answer.append(said.read().decode())
    os.close(files[0])
    print(json.dumps(answer), flush=True)
"""
# By root: the process in which pcs is loaded.
_LOADED: dict[pathlib.Path, subprocess.Popen[str]] = {}


def run_pcs(
    root: pathlib.Path, words: Sequence[str], stdin: str, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the root's own pcs; as a process of its own each time, with nothing left from the last one."""
    if root not in _LOADED:
        _LOADED[root] = subprocess.Popen(
            ["chroot", str(root), "/usr/bin/python3", "-Es", "-c", PCS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**env},
        )
    server = _LOADED[root]
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps({"words": words, "stdin": stdin, "env": env}) + "\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    assert answer, f"the process that has the pcs of {root} loaded ended: {server.wait()}"
    return subprocess.CompletedProcess(["pcs", *words], *json.loads(answer))


def unload_pcs(root: pathlib.Path) -> None:
    """End the process that has the root's pcs loaded, for it keeps the root busy."""
    if server := _LOADED.pop(root, None):
        server.communicate()


@dataclass
class Cluster:
    """Runs programs in a root, with its CIB file in the place of a live cluster."""

    root: pathlib.Path
    place: pathlib.Path
    ran: list[tuple[str, ...]] = field(default_factory=list)
    # Called with each patch before it is pushed: the moment in which somebody else may be faster.
    before_patch: Callable[[pathlib.Path], None] | None = None

    @property
    def cib_file(self) -> pathlib.Path:
        """The file that holds the configuration."""
        return self.place / "cib.xml"

    @property
    def cib(self) -> ElementTree.Element:
        """The configuration as it is now."""
        return ElementTree.fromstring(self.cib_file.read_text(encoding="utf-8"))

    @property
    def promoted(self) -> str:
        """The word that this release's schema has for the promoted role."""
        return "Master" if self.cib.get("validate-with") == "pacemaker-3.5" else "Promoted"

    def inside(self, path: pathlib.Path | str) -> str:
        """The path as it is called in the root."""
        return str(path).replace(str(self.root), "", 1)

    def has(self, program: str) -> bool:
        """Whether the root has the program."""
        return any((self.root / place / program).exists() for place in ("usr/bin", "usr/sbin"))

    def __call__(
        self,
        argv: Sequence[str],
        *,
        ok: Sequence[int] = (0,),
        stdin: str | None = None,
        env: dict[str, str] | None = None,
        why: str = "",
    ) -> _command.Result:
        """As the modules' runner does it; also remembers what was run."""
        self.ran.append(tuple(argv))
        if "--patch" in argv and self.before_patch is not None:
            self.before_patch(pathlib.Path(argv[-1]))
        return self.quietly(argv, ok=ok, stdin=stdin, env=env, why=why)

    def quietly(
        self,
        argv: Sequence[str],
        *,
        ok: Sequence[int] = (0,),
        stdin: str | None = None,
        env: dict[str, str] | None = None,
        why: str = "",
    ) -> _command.Result:
        """Run a program in the root without remembering it."""
        words = [self.inside(one) for one in argv]
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "CIB_file": self.inside(self.cib_file),
            "CIB_shadow_dir": self.inside(self.place),
            **(env or {}),
        }
        if words[0] == "pcs":
            done = run_pcs(self.root, words[1:], stdin or "\n", env)
        else:
            done = subprocess.run(
                ["chroot", str(self.root), *words],
                input=stdin or "\n",
                capture_output=True,
                text=True,
                check=False,
                env=env,
            )
        result = _command.Result(tuple(argv), done.returncode, done.stdout, done.stderr)
        if done.returncode not in ok:
            raise _command.CommandFailed(result, why)
        return result

    def pcs(self, *words: str) -> str:
        """The real pcs on the file."""
        return self.quietly(["pcs", "-f", str(self.cib_file), *words]).stdout

    def apply(self, declared: Mapping[str, Any], **options: Any) -> _transaction.Outcome:
        """What the modules do with these arguments."""
        how = _transaction.Options(wait=0, tmpdir=str(self.place), **options)
        return _transaction.transact(self, _declaration.declaration(declared), how)

    def create(self, nodes: Sequence[str] = ("ha-node01", "ha-node02")) -> None:
        """An empty configuration with nodes that have joined."""
        self.cib_file.write_text(self.quietly(["cibadmin", "--empty"]).stdout, encoding="utf-8")
        for number, node in enumerate(nodes, 1):
            self.write("nodes", f'<node id="{number}" uname="{node}"/>')
        self.settle("--quorum=true", *(f"--node-up={node}" for node in nodes))

    def write(self, section: str, xml: str) -> None:
        """Put an element into a section, as another tool than ours would."""
        self.quietly(["cibadmin", "--create", "--scope", section, "--xml-text", xml])

    def settle(self, *events: str) -> str:
        """Let Pacemaker do what it plans, after the events; returns what it said."""
        out = self.place / "out.xml"
        argv = ["crm_simulate", "--xml-file", str(self.cib_file), "--simulate", *events]
        said = self.quietly([*argv, "--save-output", str(out)]).stdout
        os.replace(out, self.cib_file)
        return said

    def graph(self, *events: str) -> str:
        """The transition that Pacemaker plans after the events, as XML."""
        graph = self.place / "graph.xml"
        argv = ["crm_simulate", "--xml-file", str(self.cib_file), "--simulate", *events]
        self.quietly([*argv, "--save-graph", str(graph)])
        return graph.read_text(encoding="utf-8")

    def promotion_score(self, node: str, score: int, resource: str = "KaiwuData") -> None:
        """The transient attribute by which DRBD's agent says how good its data is."""
        number = {"ha-node01": 1, "ha-node02": 2}[node]
        pair = f'<nvpair id="s-{number}" name="master-{resource}" value="{score}"/>'
        state = (
            f'<node_state id="{number}" uname="{node}"><transient_attributes id="{number}">'
            f'<instance_attributes id="status-{number}">{pair}</instance_attributes>'
            "</transient_attributes></node_state>"
        )
        path = f"//node_state[@uname='{node}']"
        argv = ["cibadmin", "--modify", "--allow-create", "--xpath", path, "--xml-text", state]
        self.quietly(argv)

    def roles(self) -> dict[str, dict[str, str]]:
        """Where each resource is active, and in which role."""
        text = self.quietly(["crm_mon", "-1", "--output-as", "xml"]).stdout
        found: dict[str, dict[str, str]] = {}
        for one in ElementTree.fromstring(text).iterfind("resources//resource"):
            for node in one.findall("node"):
                role = {"Master": "Promoted", "Slave": "Unpromoted"}.get(
                    one.get("role", ""), one.get("role", "")
                )
                found.setdefault(one.get("id", ""), {})[node.get("name", "")] = role
        return found
