# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots and file-backed clusters for the tests that run the real tools."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import sys
import tempfile
from typing import Callable, Iterator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import chroot
import module_host
import pair
import roots

# Configurations that many tests begin with, built once for each release.
_EMPTY: dict[pathlib.Path, str] = {}
_RUNNING: dict[pathlib.Path, str] = {}


@pytest.fixture(scope="session")
def installed() -> Iterator[Callable[[str], pathlib.Path]]:
    """The root of a release with what the roles install there, made when first asked for."""
    with contextlib.ExitStack() as stack:
        made: dict[str, pathlib.Path] = {}

        def of(suite: str) -> pathlib.Path:
            if suite not in made:
                made[suite] = stack.enter_context(module_host.overlay(suite))
            return made[suite]

        yield of


@pytest.fixture(params=list(roots.PACKAGES))
def cluster(
    request: pytest.FixtureRequest, installed: Callable[[str], pathlib.Path]
) -> Iterator[chroot.Cluster]:
    """A cluster of two joined nodes and nothing else, with the tools of one release."""
    root = installed(request.param)
    place = pathlib.Path(tempfile.mkdtemp(prefix="cib-", dir=root / "tmp"))
    try:
        found = chroot.Cluster(root, place)
        if root not in _EMPTY:
            found.create()
            _EMPTY[root] = found.cib_file.read_text(encoding="utf-8")
        found.cib_file.write_text(_EMPTY[root], encoding="utf-8")
        yield found
    finally:
        shutil.rmtree(place)


@pytest.fixture
def running(cluster: chroot.Cluster) -> chroot.Cluster:
    """The pair as the roles declare it, with the service running on the first host."""
    one, two = pair.NODES
    if cluster.root not in _RUNNING:
        cluster.apply(pair.whole_pair())
        cluster.settle()
        cluster.promotion_score(one, 10000)
        cluster.promotion_score(two, 1000)
        cluster.settle()
        assert cluster.roles()["ClusterIP"] == {one: "Started"}
        _RUNNING[cluster.root] = cluster.cib_file.read_text(encoding="utf-8")
    cluster.cib_file.write_text(_RUNNING[cluster.root], encoding="utf-8")
    cluster.ran.clear()
    return cluster
