"""The collection as users get it: built, installed elsewhere, found by its full name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def run(*argv: str, collections: Path | None = None) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    env.pop("PYTHONPATH", None)
    if collections:
        env["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    done = subprocess.run(
        [str(BIN / argv[0]), *argv[1:]],
        cwd="/",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT))
    return next(folder.glob("kwdb-ha-*.tar.gz"))


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    # What it depends on comes with the PyPI package ansible here, and from Galaxy for users.
    run("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(folder), str(archive))
    return folder


def test_archive_holds_no_clutter(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        tops = {name.split("/")[0] for name in tar.getnames()}
    assert tops >= {"plugins", "roles", "playbooks", "meta", "README.md", "LICENSE"}
    assert not tops & {"build", ".venv", ".git", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


def test_playbooks_run_by_their_full_names(installed: Path) -> None:
    example = ROOT / "playbooks" / "inventory"
    for playbook in ("site", "verify", "switchover"):
        name = f"kwdb.ha.{playbook}"
        run("ansible-playbook", "--syntax-check", "-i", str(example), name, collections=installed)


@pytest.mark.parametrize("module", MODULES)
def test_module_is_documented(installed: Path, module: str) -> None:
    name = f"kwdb.ha.{module}"
    whole = json.loads(run("ansible-doc", "--json", name, collections=installed))[name]
    assert whole["doc"]["description"]
    assert name in whole["examples"]
    assert whole["return"]
    assert whole["doc"]["attributes"]["check_mode"]["support"] == "full"
