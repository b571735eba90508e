"""The one door to other programs, and what is said on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time

UNSUPPORTED = 77
TIMED_OUT = 124


class LabError(Exception):
    """Something that the user can act on; the text says what."""


class Unsupported(LabError):
    """This machine cannot run the lab at all."""


class CommandFailed(LabError):
    """A program ended with an error."""

    def __init__(self, argv: list[str], code: int, stdout: str, stderr: str) -> None:
        self.argv, self.code, self.stdout, self.stderr = argv, code, stdout, stderr
        said = "\n".join((stderr.strip() or stdout.strip()).splitlines()[-15:])
        super().__init__(f"{' '.join(argv)} ended with {code}: {said}")


def output_of(
    argv: list[str],
    *,
    stdin: str = "",
    accept: tuple = (0,),
    env: dict | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return what it printed."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise LabError(
            f"the program {argv[0]} is missing; install the packages of tests/lab/packages.txt"
        ) from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(argv, TIMED_OUT, "", f"no end after {timeout} s") from None
    if done.returncode not in accept:
        raise CommandFailed(argv, done.returncode, done.stdout, done.stderr)
    return done.stdout


class Steps:
    """Prints what is being done, with the seconds since the start."""

    def __init__(self, quiet: bool = False) -> None:
        self.start = time.monotonic()
        self.quiet = quiet

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def __call__(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(f"[{self.seconds():6.1f}s] {text}", file=sys.stderr, flush=True)
