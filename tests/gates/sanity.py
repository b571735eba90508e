"""Run ansible-test sanity without containers, in a copy of the tree.

ansible-test insists on a real path .../ansible_collections/NAMESPACE/NAME, and its virtual
environments fetch pip from the network; Python's own ensurepip does that part here.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import ansible_test

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "sanity"
COPY = BUILD / "ansible_collections" / "kwdb" / "ha"

GET_PIP = """\
import ensurepip, os, subprocess, sys
env = {k: v for k, v in os.environ.items() if k != "GET_PIP"}
ensurepip.bootstrap()
args = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *args], env=env))
"""


def tested(name: str) -> bool:
    """Whether ansible-test looks at the file: at what is installed, not at the tests."""
    return not name.startswith("tests/") or name.startswith("tests/sanity/")


def tracked_files() -> list[str]:
    """Files that git knows or would take, as they are in the work tree."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return [
        name for name in listing.split("\0") if name and tested(name) and (ROOT / name).is_file()
    ]


def copy_tree() -> None:
    """Lay the tree anew, keeping the virtual environments that ansible-test made."""
    for child in COPY.glob("*"):
        if child.name != "tests":
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    for child in (COPY / "tests").glob("*"):
        if child.name != "output":
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    for name in tracked_files():
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    if not (COPY / ".git").exists():
        subprocess.run(["git", "init", "-q"], cwd=COPY, check=True)


def write_get_pip(home: pathlib.Path) -> None:
    source = pathlib.Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    found = re.search(r"\bpip='([\d.]+)'", source.read_text())
    if not found:
        sys.exit("this ansible-test no longer names the pip version that it fetches")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{found[1].replace('.', '_')}.py").write_text(GET_PIP)


def main() -> int:
    home = BUILD / "home"
    copy_tree()
    write_get_pip(home)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    env = {**os.environ, "HOME": str(home)}
    for name in ("ANSIBLE_HOME", "ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH"):
        env.pop(name, None)
    # ansible-test is installed beside the interpreter that runs this file.
    tool = pathlib.Path(sys.executable).with_name("ansible-test")
    command = [str(tool), "sanity", "--venv", "--python", python, "--color", "no", *sys.argv[1:]]
    return subprocess.run(command, cwd=COPY, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
