# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""The only door to processes: argument lists in, a result or a typed failure out."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Tools translate their words; everything read here is read in the C locale.
C_LOCALE = {"LANGUAGE": "C", "LC_ALL": "C"}


@dataclass(frozen=True)
class Result:
    """What a finished process left behind."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A process ended with an exit code that its caller did not expect."""

    def __init__(self, result: Result, why: str = "") -> None:
        self.result = result
        said = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
        reason = f"{why}: " if why else ""
        super().__init__(f"{reason}{shlex.join(result.argv)} ended with {result.rc}: {said}")

    @property
    def details(self) -> dict[str, Any]:
        """The evidence, in the form that fail_json takes."""
        return {
            "cmd": shlex.join(self.result.argv),
            "rc": self.result.rc,
            "stdout": self.result.stdout,
            "stderr": self.result.stderr,
        }


class CommandMissing(CommandFailed):
    """The program is not installed on this host."""

    def __init__(self, program: str) -> None:
        super().__init__(Result((program,), 127, "", f"{program} is not installed on this host"))


class Runner:
    """Runs programs by argument list; the one place where the module object is used."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        # Children inherit the module's input when they are given none. It must not be a terminal or
        # a pipe where a tool could wait for an answer: every question gets "no" at once.
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def has(self, program: str) -> bool:
        """Whether the program can be found on this host."""
        return self._module.get_bin_path(program, opt_dirs=["/sbin", "/usr/sbin"]) is not None

    def __call__(
        self,
        argv: Sequence[str],
        *,
        ok: Sequence[int] = (0,),
        stdin: str | None = None,
        env: dict[str, str] | None = None,
        why: str = "",
    ) -> Result:
        """Run argv; raise CommandFailed when the exit code is not one of ok.

        stdin is the way for secrets. why opens the error message.
        """
        path = self._module.get_bin_path(argv[0], opt_dirs=["/sbin", "/usr/sbin"])
        if path is None:
            raise CommandMissing(argv[0])
        # Not the module's run_command: it forks a copy of the whole interpreter for each process, which
        # takes ten times as long as starting the process does.
        try:
            done = subprocess.run(
                [path, *argv[1:]],
                input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
                capture_output=True,
                env={**os.environ, **C_LOCALE, **(env or {})},
                check=False,
            )
        except OSError as error:
            raise CommandFailed(Result(tuple(argv), 126, "", str(error)), why) from error
        result = Result(
            tuple(argv),
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )
        if result.rc not in ok:
            raise CommandFailed(result, why)
        return result
