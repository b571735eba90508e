"""Root images of the lab's hosts, built once and cached."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from . import cache
from .kernel import Kernel
from .system import LabError, output_of

HERE = Path(__file__).resolve().parent
LISTS = HERE.parent / "image-packages.txt"
GUEST = HERE.parent / "guest"
SIZE_MIB = 6144
REPOSITORY = "srv/apt"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
# Without support any more: the index of security updates names files that mirrors have dropped.
ENDED = ("bullseye",)
ENABLED = ("systemd-networkd.service", "ssh.service")
# Nothing may hold apt's lock or look for a mirror behind the roles' back; there is no terminal.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "getty@tty1.service",
    "systemd-networkd-wait-online.service",
)


def package_sets(text: str, release: str) -> dict[str, list[str]]:
    """The packages of each section of the list that apply to a release."""
    sets: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        word = line.partition("#")[0].strip()
        if word.startswith("["):
            section = word.strip("[]")
            sets[section] = []
        elif word:
            name, _, only = word.partition("@")
            if only in ("", release):
                sets[section].append(name)
    return sets


def sources(release: str) -> list[str]:
    """The archive lines of a release, for building only."""
    mirror = os.environ.get("HALAB_MIRROR", MIRROR)
    security = os.environ.get("HALAB_SECURITY_MIRROR", SECURITY)
    lines = [f"deb {mirror} {release} main"]
    if release not in ENDED:
        lines.append(f"deb {mirror} {release}-updates main")
        lines.append(f"deb {security} {release}-security main")
    return lines


def recipe() -> str:
    """A checksum over everything in the project that decides what an image holds."""
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), LISTS, *GUEST.rglob("*")]):
        if path.is_file():
            digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def stanza(deb: Path) -> str:
    """One entry of a repository's package index."""
    control = output_of(["dpkg-deb", "--field", str(deb)]).rstrip("\n")
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"


def write_repository(folder: Path) -> None:
    """Turn a folder of packages into a repository."""
    index = "".join(stanza(deb) for deb in sorted(folder.glob("*.deb"))).encode()
    (folder / "Packages").write_bytes(index)
    digest = hashlib.sha256(index).hexdigest()
    (folder / "Release").write_text(
        f"Origin: lab\nLabel: lab\nSuite: lab\nCodename: lab\nArchitectures: amd64 all\n"
        f"SHA256:\n {digest} {len(index)} Packages\n"
    )


def bootstrap(tree: Path, release: str, sets: dict[str, list[str]]) -> None:
    """Unpack a minimal system and fetch, beside it, what the roles will install."""
    wanted = " ".join([*sets["offered"], *sets["tests"]])
    fetch = (
        "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get clean && "
        "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends "
        f"--download-only install {wanted} && "
        f'mkdir -p "$1/{REPOSITORY}" && mv "$1"/var/cache/apt/archives/*.deb "$1/{REPOSITORY}/"'
    )
    argv = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--format=directory",
        "--variant=apt",
        "--dpkgopt=force-unsafe-io",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Retries "3"',
        f"--include={','.join(sets['base'])}",
        f"--customize-hook={fetch}",
        release,
        str(tree),
        *sources(release),
    ]
    output_of(argv, timeout=1800)


def in_tree(tree: Path, *argv: str) -> str:
    """Run a program of the image, in a mount namespace that ends with it."""
    script = (
        'root=$1; shift; mount -t proc proc "$root/proc" && '
        'mount --rbind /dev "$root/dev" && exec chroot "$root" "$@"'
    )
    return output_of(
        ["unshare", "--mount", "--", "sh", "-c", script, "sh", str(tree), *argv],
        env={"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        timeout=1800,
    )


def configure(tree: Path, kernel: Kernel) -> None:
    """Put the kernel's modules and the lab's own settings into the image."""
    modules = tree / "lib/modules" / kernel.version
    modules.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(kernel.modules, modules, symlinks=True)
    output_of(["cp", "-a", "--no-preserve=ownership", f"{GUEST}/.", str(tree)])
    for extra in (tree / "etc/apt/sources.list.d").glob("*"):
        extra.unlink()
    write_repository(tree / REPOSITORY)
    in_tree(tree, "depmod", kernel.version)
    in_tree(tree, "apt-get", "-qq", "update")
    in_tree(tree, "systemctl", "enable", *ENABLED)
    in_tree(tree, "systemctl", "mask", *MASKED)


def forget_identity(tree: Path) -> None:
    """Remove what makes a host itself; each gets its own when it is made."""
    for path in (tree / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    (tree / "etc/resolv.conf").write_text("")
    for name in ("etc/hostname", "etc/hosts", "etc/machine-id"):
        (tree / name).unlink(missing_ok=True)
    (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)


def install(tree: Path, names: list[str]) -> None:
    """Install packages without starting what is in them."""
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    in_tree(
        tree,
        "apt-get",
        "-qq",
        "--yes",
        "-o",
        "Dpkg::Options::=--force-unsafe-io",
        "install",
        *names,
    )
    policy.unlink()


def versions(tree: Path) -> dict[str, str]:
    """The version of each package in the image's repository."""
    found = {}
    for deb in sorted((tree / REPOSITORY).glob("*.deb")):
        name, version, _ = deb.name.split("_")
        found[name] = version.replace("%3a", ":")
    return found


def make_file_system(tree: Path, image: Path) -> None:
    """Pack a folder into a file system image, without mounting anything."""
    with open(image, "wb") as file:
        file.truncate(SIZE_MIB << 20)
    options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "lab-root", "-m", "0", "-N", "200000"]
    output_of([*argv, "-E", options, "-d", str(tree), str(image)])


def build(
    folder: Path, release: str, prepared: bool, kernel: Kernel, say: cache.Say
) -> dict[str, Any]:
    """Fill a cache entry with a root image."""
    sets = package_sets(LISTS.read_text(), release)
    if not sets.get("base"):
        raise LabError(f"{LISTS} names no packages for {release}")
    tree = folder / "tree"
    say(f"unpacking Debian {release} and fetching packages (about a minute)")
    bootstrap(tree, release, sets)
    configure(tree, kernel)
    if prepared:
        say("installing the cluster packages into the image (about two minutes)")
        install(tree, sets["offered"])
    forget_identity(tree)
    noted = {"release": release, "kernel": kernel.version, "packages": versions(tree)}
    say("packing the image")
    make_file_system(tree, folder / "root.img")
    shutil.rmtree(tree)
    return noted


def ensure(
    release: str, flavour: str, kernel: Kernel, base: Path, say: cache.Say, refresh: bool = False
) -> Path:
    """The root image of a release, from the cache or built into it."""
    inputs = {
        "release": release,
        "flavour": flavour,
        "kernel": kernel.version,
        "recipe": recipe(),
        "sources": sources(release),
    }

    def fill(folder: Path, _final: Path) -> dict[str, Any]:
        return build(folder, release, flavour == "prepared", kernel, say)

    folder = cache.ensure(base, "image", inputs, fill, say, refresh)
    return folder / "root.img"
