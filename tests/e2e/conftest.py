"""One lab for all tests in this folder, in the order of their files: from bare hosts to a pair under fire."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pairlab import BUILD, CASES, Lab, LabCannotRun, Up, build_standin, write_case


@contextlib.contextmanager
def running(lab: Lab) -> Iterator[Lab]:
    """This lab, up, and down in the end."""
    build_standin()
    lab.down()
    try:
        lab.up()
    except LabCannotRun:
        print(
            "\nTHIS MACHINE CANNOT RUN THE LAB: no test with real hosts has run.", file=sys.stderr
        )
        pytest.skip("this machine cannot run the lab")
    try:
        yield lab
    finally:
        if not os.environ.get("KEEP"):
            lab.down()


@pytest.fixture(scope="session")
def up() -> Up:
    """How tests get a lab of their own."""
    return running


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running(Lab(BUILD / "e2e-lab", ("--disk", "256", "--extra-disk", "64"))) as one:
        yield one


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Leave a record for each case that failed before it could write its own."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        write_case(item.name, ok=False, evidence=str(report.longrepr)[-4000:])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of all cases that have left their record in this build, by earlier runs, too."""
    records = [json.loads(path.read_text()) for path in sorted(CASES.glob("*.json"))]
    if not records:
        return
    terminalreporter.section(f"cases ({CASES})")
    line = "{name:44} {ok:7} {acked:>6} {lost:>5} {outage_s:>9} {healthy_after_s:>15}".format
    terminalreporter.write_line(
        line(
            name="case",
            ok="",
            acked="rows",
            lost="lost",
            outage_s="outage, s",
            healthy_after_s="whole again, s",
        )
    )
    for one in records:
        shown = {key: "-" if value is None else value for key, value in one.items()}
        terminalreporter.write_line(line(**{**shown, "ok": "passed" if one["ok"] else "FAILED"}))
