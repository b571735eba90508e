"""The User-Mode Linux kernel: a fast one from a newer Debian suite, or this machine's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from . import cache
from .system import LabError, output_of

# Newer kernels run the guest's processes under seccomp instead of ptrace: half the time per step.
SUITES = ("forky", "sid")
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = ("user-mode-linux", "libc6")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = "ld-linux-x86-64.so.2"
STOCK_SUITE = "bookworm"
MINIMUM_WITH_SECCOMP = (6, 16)


class Kernel(NamedTuple):
    """A kernel in the cache."""

    program: Path
    modules: Path
    version: str
    options: list[str]


def version_tuple(version: str) -> tuple:
    """The leading numbers of a version, to compare it."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def options_for(version: str) -> list[str]:
    """The options that only some kernels know."""
    return ["seccomp=auto"] if version_tuple(version) >= MINIMUM_WITH_SECCOMP else []


def apt_config(folder: Path) -> str:
    """A configuration that keeps apt away from this machine's own sources and state."""
    return "".join(
        f"{line};\n"
        for line in (
            f'Dir::State "{folder}/state"',
            f'Dir::State::status "{folder}/state/status"',
            f'Dir::Cache "{folder}/cache"',
            f'Dir::Etc::sourcelist "{folder}/sources.list"',
            f'Dir::Etc::sourceparts "{folder}/parts"',
            f'Dir::Etc::preferencesparts "{folder}/parts"',
            'APT::Architecture "amd64"',
            'APT::Architectures "amd64"',
            'APT::Sandbox::User "root"',
            'Acquire::Languages "none"',
            'Acquire::Retries "3"',
        )
    )


def download(suite: str, folder: Path, say: cache.Say) -> dict[str, str]:
    """Unpack the kernel and the C library of a Debian suite; returns their versions."""
    apt = folder / "apt"
    for name in ("state/lists/partial", "cache/archives/partial", "parts", "debs"):
        (apt / name).mkdir(parents=True)
    (apt / "state/status").touch()
    (apt / "sources.list").write_text(
        f"deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {suite} main\n"
    )
    (apt / "apt.conf").write_text(apt_config(apt))
    env = {"APT_CONFIG": str(apt / "apt.conf")}
    say(f"fetching the kernel package of Debian {suite}")
    output_of(["apt-get", "-qq", "update"], env=env, timeout=300)
    output_of(["apt-get", "-qq", "download", *PACKAGES], env=env, cwd=str(apt / "debs"))
    versions = {}
    for deb in sorted((apt / "debs").glob("*.deb")):
        output_of(["dpkg-deb", "-x", str(deb), str(apt / "tree")])
        name, version = output_of(
            ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(deb)]
        ).split()
        versions[name] = version
    return versions


def in_package(tree: Path, name: str) -> Path:
    """A file of an unpacked package; older suites keep libraries outside of usr."""
    for path in (tree / name, tree / name.replace("usr/lib/", "lib/")):
        if path.exists():
            return path
    raise LabError(f"the package has no {name}")


def build_from(suite: str, folder: Path, final: Path, say: cache.Say) -> dict[str, Any]:
    """Fill a cache entry with the kernel of a suite, bound to that suite's own C library."""
    versions = download(suite, folder, say)
    tree = folder / "apt/tree"
    for name in ("usr/bin/linux.uml", f"{LIBRARIES}/libc.so.6", f"{LIBRARIES}/{LOADER}"):
        path = in_package(tree, name)
        shutil.copy(path, folder / path.name)
    shutil.copytree(tree / "usr/lib/uml/modules", folder / "modules", symlinks=True)
    shutil.rmtree(folder / "apt")
    program = folder / "linux.uml"
    # The entry is built aside: try it where it is, then bind it to where it will stand.
    bind(program, folder)
    release = output_of([str(program), "--version"]).strip()
    bind(program, final)
    return {"suite": suite, "release": release, "packages": versions}


def bind(program: Path, folder: Path) -> None:
    """Make a program use the C library of a folder."""
    output_of(
        [
            "patchelf",
            "--set-interpreter",
            str(folder / LOADER),
            "--set-rpath",
            str(folder),
            str(program),
        ]
    )


def from_entry(folder: Path) -> Kernel:
    """The kernel of a cache entry, tried by asking its version."""
    noted = cache.notes(folder)
    program = folder / "linux.uml"
    answered = output_of([str(program), "--version"]).strip()
    if answered != noted["release"]:
        raise LabError(f"{program} says it is {answered}, not {noted['release']}")
    return Kernel(program, folder / "modules" / answered, answered, options_for(answered))


def entry(base: Path, suite: str, say: cache.Say, refresh: bool) -> Kernel:
    """The kernel of one suite, from the cache or built into it."""
    inputs = {"suite": suite, "base": str(base), "form": 1}

    def build(folder: Path, final: Path) -> dict[str, Any]:
        return build_from(suite, folder, final, say)

    return from_entry(cache.ensure(base, "kernel", inputs, build, say, refresh))


def ensure(choice: str, base: Path, say: cache.Say, refresh: bool = False) -> Kernel:
    """The kernel to run: `auto` takes the newest to be had, `stock` Debian 12's."""
    reasons = []
    for suite in (*SUITES, STOCK_SUITE) if choice == "auto" else (STOCK_SUITE,):
        try:
            return entry(base, suite, say, refresh)
        except LabError as exc:
            say(f"the kernel of Debian {suite} is not to be had: {exc}")
            reasons.append(f"{suite}: {exc}")
    raise LabError("no User-Mode Linux kernel is to be had: " + "; ".join(reasons))
