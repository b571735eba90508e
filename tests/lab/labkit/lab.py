"""A lab from nothing to hosts that answer, and back to nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from pathlib import Path

from . import bmc, cache, hosts, image, inventory, kernel, layout, network, processes, store
from .layout import Host, Lab
from .system import CommandFailed, LabError, Steps, Unsupported, output_of

BOOT_TIMEOUT = 180
STATE = "lab.json"
# What `down` keeps in the run directory: what a person wants to read afterwards.
KEPT = ("console.log",)


def check_machine() -> None:
    """Say at once when this machine cannot run the lab."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unsupported(f"the lab needs Linux on x86_64, this is {' '.join(platform.uname())}")
    if os.geteuid() != 0:
        raise Unsupported("the lab needs root, for its network namespace and its disks")
    if not Path("/dev/net/tun").exists():
        raise Unsupported("the lab needs /dev/net/tun (modprobe tun, or give it to the container)")
    try:
        output_of(["unshare", "--net", "--mount", "ip", "link", "add", "probe", "type", "bridge"])
    except CommandFailed as exc:
        raise Unsupported(f"the lab needs namespaces and bridges: {exc}") from None


def load(run_dir: Path) -> Lab | None:
    """The lab of a run directory, or None."""
    values = store.read_json(layout.state_dir(run_dir) / STATE)
    return layout.from_json(values) if values else None


def loaded(run_dir: Path) -> Lab:
    """The lab of a run directory, which must be there."""
    lab = load(run_dir)
    if lab is None or not network.exists(lab):
        raise LabError(f"no lab is up in {run_dir}; start one: halab up --run-dir {run_dir}")
    return lab


def records(lab: Lab) -> list[Path]:
    """Every process on record: controllers first, so that none starts a host again."""
    found = [bmc.record(lab, host) for host in lab.hosts]
    return [*found, lab.state / "time.json", *(hosts.record(lab, host) for host in lab.hosts)]


def start_time_server(lab: Lab) -> None:
    """Start the hosts' time source."""
    argv = [sys.executable, str(bmc.PROGRAM), "time-server", layout.OUTSIDE]
    processes.start(lab.state / "time.json", lab.namespace, argv, lab.path / "time.log")


def prepare(lab: Lab, root: Path, say: cache.Say) -> None:
    """The disks and keys of all hosts."""
    hosts.make_key(lab.path / "ssh_key", "lab")
    authorized = (lab.path / "ssh_key.pub").read_text()
    lines = [hosts.make_disks(lab, host, root, authorized) for host in lab.hosts]
    store.write_text(lab.path / "known_hosts", "".join(lines))
    store.write_text(lab.path / "ssh_config", inventory.ssh_config(lab), 0o644)
    say(f"disks for {len(lab.hosts)} hosts made")


def answers(lab: Lab, host: Host) -> bool:
    """Whether a host lets us in."""
    # It ends with us: after a crash it would hold the namespace for a while.
    argv = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "ssh",
        "-F",
        str(lab.path / "ssh_config"),
        "-o",
        "ControlPath=none",
    ]
    argv += ["-o", "ConnectTimeout=2", "-o", "ConnectionAttempts=1", host.name, "true"]
    try:
        output_of(network.inside(lab, *argv), timeout=10)
    except CommandFailed:
        return False
    return True


def last_line(path: Path) -> str:
    """The last line of a console."""
    try:
        lines = path.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1].strip()[:90] if lines else ""


def wait_for_ssh(lab: Lab, names: list[str], say: cache.Say, timeout: float) -> None:
    """Wait until hosts let us in, telling how far they are."""
    waiting = list(names)
    began = told = time.monotonic()
    while waiting:
        for name in list(waiting):
            host = lab.host(name)
            console = lab.files(host) / "console.log"
            if hosts.power_state(lab, host) == "off":
                raise LabError(f"{name} has ended; see {console}: {last_line(console)}")
            if answers(lab, host):
                waiting.remove(name)
                say(f"{name} answers ssh at {host.address}")
        now = time.monotonic()
        if waiting and now - began > timeout:
            raise LabError(f"{' '.join(waiting)} did not answer ssh within {timeout:.0f} s")
        if waiting and now - told > 5:
            told = now
            for name in waiting:
                say(f"waiting for {name}: {last_line(lab.files(lab.host(name)) / 'console.log')}")
        if waiting:
            time.sleep(0.2)


def up(lab: Lab, root: Path, say: cache.Say) -> None:
    """Make the lab; what was made is taken away again when this fails."""
    store.write_json(lab.state / STATE, layout.to_json(lab))
    try:
        (lab.state / "uml").mkdir(exist_ok=True)
        network.make(lab)
        prepare(lab, root, say)
        start_time_server(lab)
        for host in lab.hosts:
            bmc.start(lab, host)
            hosts.power(lab, host, "on", "up")
        say("hosts started, waiting for ssh")
        wait_for_ssh(lab, [host.name for host in lab.hosts], say, BOOT_TIMEOUT)
    except BaseException:
        say("taking the lab down again")
        take_down(lab, keep_logs=True)
        raise


def cores() -> list[int]:
    """The cores that we may use."""
    return sorted(os.sched_getaffinity(0))


def describe(run_dir: Path, asked: dict, kern: kernel.Kernel) -> Lab:
    """The lab that was asked for."""
    return Lab(
        run_dir=str(run_dir),
        release=asked["release"],
        image=asked["image"],
        memory=asked["memory"],
        disk=asked["disk"],
        extra_disk=asked["extra_disk"],
        kernel=kern.version,
        kernel_dir=str(kern.program.parent),
        kernel_options=kern.options,
        hosts=layout.make_hosts(asked["hosts"], cores()),
    )


def run_up(run_dir: Path, asked: dict, say: Steps) -> Lab:
    """The whole of `up`, from the check of the machine to hosts that answer."""
    check_machine()
    # Kept open for the whole time: a second `up` or a `down` of the same lab would meet it.
    with store.locked(lock_of(run_dir), wait=False) as free:
        if not free:
            raise LabError(f"another halab is starting or ending the lab in {run_dir}")
        old = load(run_dir)
        if old and any(hosts.power_state(old, host) != "off" for host in old.hosts):
            raise LabError(
                f"a lab is up in {run_dir}; end it first: halab down --run-dir {run_dir}"
            )
        if old:
            say("clearing away what an earlier lab left")
            take_down(old, keep_logs=False)
        base = cache.root()
        kern = kernel.ensure(asked["kernel"], base, say, asked["refresh"])
        root = image.ensure(asked["release"], asked["image"], kern, base, say, asked["refresh"])
        say(f"kernel {kern.version}, {asked['image']} image of {asked['release']} at hand")
        run_dir.mkdir(parents=True, exist_ok=True)
        lab = describe(run_dir, asked, kern)
        up(lab, root, say)
        return lab


def lock_of(run_dir: Path) -> Path:
    """The lock of a lab's start and end; outside its state directory, which `down` removes."""
    return Path("/run/lock") / f"{layout.namespace(run_dir)}.lock"


def close_all_ssh(lab: Lab) -> None:
    """End every shared ssh connection of the lab."""
    for host in lab.hosts:
        hosts.close_ssh(lab, host)


def remove_files(lab: Lab, keep_logs: bool) -> None:
    """Remove what `up` put into the run directory; logs may stay."""
    for name in ("ssh_key", "ssh_key.pub", "known_hosts", "ssh_config"):
        (lab.path / name).unlink(missing_ok=True)
    shutil.rmtree(lab.path / "bmc", ignore_errors=True)
    for host in lab.hosts:
        for path in lab.files(host).glob("*"):
            if not (keep_logs and path.name in KEPT):
                path.unlink()
        if not keep_logs:
            (lab.path / f"bmc-{host.name}.log").unlink(missing_ok=True)
    if not keep_logs:
        shutil.rmtree(lab.path / "hosts", ignore_errors=True)
        (lab.path / "time.log").unlink(missing_ok=True)


def take_down(lab: Lab, keep_logs: bool) -> None:
    """End what the lab started and remove what it made, as far as it is there."""
    close_all_ssh(lab)
    for path in records(lab):
        processes.end(path)
    network.remove(lab)
    remove_files(lab, keep_logs)
    shutil.rmtree(lab.state, ignore_errors=True)


def others_inside(lab: Lab) -> list[str]:
    """Processes in the lab's network that the lab did not start: `run` and what it left."""
    if not network.exists(lab):
        return []
    ours = set()
    for path in records(lab):
        identity = processes.load(path)
        ours |= set(processes.owned(identity)) if identity else set()
    pids = output_of(["ip", "netns", "pids", lab.namespace]).split()
    return [pid for pid in pids if int(pid) not in ours]


def run_down(run_dir: Path, say: Steps) -> bool:
    """The whole of `down`; returns whether there was anything."""
    with store.locked(lock_of(run_dir), wait=False) as free:
        if not free:
            raise LabError(f"another halab is starting or ending the lab in {run_dir}")
        lab = load(run_dir)
        if lab is None:
            return False
        close_all_ssh(lab)
        for pid in others_inside(lab):
            say(f"process {pid} uses the lab's network but is not the lab's; it is left alone")
        take_down(lab, keep_logs=True)
        return True


def status(lab: Lab) -> dict:
    """What there is of a lab."""
    found = {}
    for host in lab.hosts:
        identity = processes.load(hosts.record(lab, host))
        found[host.name] = {
            "power": hosts.power_state(lab, host),
            "address": host.address,
            "replication_address": host.replication_address,
            "core": host.core,
            "bmc": f"{layout.OUTSIDE}:{host.bmc_port}",
            "pid": identity.pid if identity else None,
            "disk": f"{lab.files(host)}/data.img",
            "console": f"{lab.files(host)}/console.log",
        }
    return {
        "run_dir": lab.run_dir,
        "namespace": lab.namespace,
        "release": lab.release,
        "image": lab.image,
        "kernel": lab.kernel,
        "vip": layout.VIP,
        "cuts": network.cuts(lab),
        "hosts": found,
    }
