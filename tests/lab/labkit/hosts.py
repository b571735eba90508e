"""The hosts: their disks and identity, and their power."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
from pathlib import Path

from . import layout, network, processes, store
from .layout import Host, Lab
from .system import CommandFailed, LabError, output_of

MACHINE = Path(__file__).resolve().parent.parent / "machine"


def record(lab: Lab, host: Host) -> Path:
    """Where a host's process is on record."""
    return lab.state / f"{host.name}.json"


def known_hosts_line(host: Host, public_key: str) -> str:
    """What ssh has to know of a host beforehand."""
    return f"{host.name},{host.address} {' '.join(public_key.split()[:2])}\n"


def hosts_file(host: Host) -> str:
    """/etc/hosts as Debian's installer leaves it."""
    return f"127.0.0.1\tlocalhost\n127.0.1.1\t{host.name}\n::1\tlocalhost ip6-localhost\n"


def network_file(device: str, address: str) -> str:
    """The networkd configuration of one interface."""
    return (
        f"[Match]\nName={device}\n\n[Network]\nAddress={address}/{layout.PREFIX}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
    )


def identity_files(host: Host, authorized: str, private: str, public: str) -> dict[str, tuple]:
    """What makes an image this host: path, then text and mode."""
    machine = hashlib.sha256(os.urandom(32)).hexdigest()[:32]
    return {
        "/etc/hostname": (f"{host.name}\n", 0o644),
        "/etc/hosts": (hosts_file(host), 0o644),
        "/etc/machine-id": (f"{machine}\n", 0o444),
        "/etc/systemd/network/10-lab-a.network": (network_file("vec0", host.address), 0o644),
        "/etc/systemd/network/10-lab-b.network": (
            network_file("vec1", host.replication_address),
            0o644,
        ),
        "/etc/ssh/ssh_host_ed25519_key": (private, 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": (public, 0o644),
        "/root/.ssh/authorized_keys": (authorized, 0o600),
    }


def inject(image: Path, files: dict[str, tuple], scratch: Path) -> None:
    """Write files into an unmounted ext4 image."""
    scratch.mkdir(mode=0o700)
    script = []
    for number, (path, (text, mode)) in enumerate(files.items()):
        source = scratch / str(number)
        store.write_text(source, text, mode)
        folder, _, name = path.rpartition("/")
        script += [f"cd {folder}", f"write {source} {name}"]
    with_errors = output_of(
        ["sh", "-c", 'exec debugfs -w -f - "$1" 2>&1', "sh", str(image)],
        stdin="\n".join(script) + "\n",
    )
    for source in scratch.iterdir():
        source.unlink()
    scratch.rmdir()
    # debugfs ends with 0 whatever happens, so count what it says it has done.
    if with_errors.count("Allocated inode") != len(files):
        raise LabError(f"cannot write the host's identity into {image}: {with_errors}")


def make_key(path: Path, comment: str) -> None:
    """A new ssh key pair."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    output_of(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def make_disks(lab: Lab, host: Host, image: Path, authorized: str) -> str:
    """A host's disks; returns the line for known_hosts."""
    folder = lab.files(host)
    folder.mkdir(parents=True, exist_ok=True)
    output_of(["cp", "--sparse=always", "--reflink=auto", str(image), str(folder / "root.img")])
    for name, size in (("data", lab.disk), ("extra", lab.extra_disk)):
        if size:
            with open(folder / f"{name}.img", "wb") as file:
                file.truncate(size << 20)
    key = folder / "host_key"
    make_key(key, host.name)
    private, public = key.read_text(), key.with_suffix(".pub").read_text()
    files = identity_files(host, authorized, private, public)
    inject(folder / "root.img", files, folder / "identity")
    return known_hosts_line(host, public)


def disks(lab: Lab, host: Host) -> list[str]:
    """The kernel's words for a host's disks; the third field is the serial."""
    folder = lab.files(host)
    names = ["root", "data"] + (["extra"] if lab.extra_disk else [])
    return [f"ubd{n}={folder / name}.img,,lab-{name}" for n, name in enumerate(names)]


def command(lab: Lab, host: Host) -> list[str]:
    """The command line of a host."""
    nets = [
        f"vec{n}:transport=tap,ifname={tap},depth=128,gro=1,mac={mac}"
        for n, (tap, mac) in enumerate(zip(host.taps, host.macs))
    ]
    return [
        # One core for a host with all its processes: without it every guest system call wakes
        # another core and all takes three times as long.
        *("taskset", "--cpu-list", str(host.core)),
        str(MACHINE),
        f"mem={lab.memory}M",
        f"umid={host.name}",
        f"uml_dir={lab.state}/uml/",
        *disks(lab, host),
        *("root=/dev/ubda", "rw", "rootflags=barrier=0"),
        # `machine` checks the root disk before each start.
        "fsck.mode=skip",
        "systemd.getty_auto=no",
        *nets,
        *("con=null", "con0=null,fd:1"),
        *lab.kernel_options,
    ]


def memory_folder(lab: Lab) -> Path:
    """Where a host's memory file can be: in memory where that is large enough, else on disk."""
    shm = Path("/dev/shm")
    try:
        free = os.statvfs(shm)
    except OSError:
        return lab.path
    needed = (lab.memory << 20) * len(lab.hosts)
    return shm if free.f_bavail * free.f_frsize > needed else lab.path


def note(lab: Lab, host: Host, who: str, what: str) -> None:
    """Append to the host's power log."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    with open(lab.path / f"bmc-{host.name}.log", "a") as file:
        file.write(f"{now} {who} {what}\n")


def power_state(lab: Lab, host: Host) -> str:
    """`on`, `off`, or `frozen`."""
    letter = processes.leader_state(processes.load(record(lab, host)))
    return {"": "off", "T": "frozen"}.get(letter, "on")


def boot(lab: Lab, host: Host) -> None:
    """Start a host's process."""
    env = {
        "HALAB_KERNEL": str(Path(lab.kernel_dir) / "linux.uml"),
        "HALAB_ROOT_DISK": str(lab.files(host) / "root.img"),
        "TMPDIR": str(memory_folder(lab)),
    }
    processes.start(
        record(lab, host),
        lab.namespace,
        command(lab, host),
        lab.files(host) / "console.log",
        env=env,
        cwd=lab.files(host),
    )


def close_ssh(lab: Lab, host: Host) -> None:
    """End the ssh connections that would hang on a host that is no more."""
    for socket in [*lab.state.glob(f"*-{host.address}-*"), *lab.state.glob(f"*-{host.name}-*")]:
        # Refused by the socket of a connection that has already ended: gone is gone.
        with contextlib.suppress(CommandFailed):
            argv = ["ssh", "-F", "none", "-S", str(socket), "-O", "exit", host.address]
            output_of(argv, timeout=5)
        socket.unlink(missing_ok=True)


def power(lab: Lab, host: Host, action: str, who: str) -> str:
    """Do a power action and return the state after it; `off` is a power cut, not a shutdown."""
    if action == "status":
        return power_state(lab, host)
    with store.locked(lab.state / f"{host.name}.lock"):
        note(lab, host, who, action)
        if action in ("off", "cycle"):
            processes.end(record(lab, host))
            close_ssh(lab, host)
        if action in ("on", "cycle") and power_state(lab, host) == "off":
            if not network.exists(lab):
                raise LabError(f"the lab in {lab.run_dir} is down")
            # Whatever is left of a host that ended by itself holds its disks.
            processes.end(record(lab, host))
            boot(lab, host)
        state = power_state(lab, host)
        note(lab, host, who, f"{action} done, power is {state}")
        return state


def freeze(lab: Lab, host: Host, thaw: bool) -> str:
    """Stop a host where it is, or let it go on."""
    with store.locked(lab.state / f"{host.name}.lock"):
        identity = processes.load(record(lab, host))
        if identity is None or power_state(lab, host) == "off":
            raise LabError(f"{host.name} is off")
        (processes.go_on if thaw else processes.stop)(identity)
        note(lab, host, "cli", "thaw" if thaw else "freeze")
    return power_state(lab, host)
