"""One lab for all tests in this folder, in the order of their files: from bare hosts to a pair under fire."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pairlab import BUILD, Lab, LabCannotRun, Up, build_standin, write_case


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
