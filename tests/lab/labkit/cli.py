"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from . import bmc, cache, hosts, image, inventory, kernel, lab, layout, network, timesource
from .layout import Host, Lab
from .system import UNSUPPORTED, LabError, Steps, Unsupported

DEFAULT_RUN_DIR = Path(__file__).resolve().parents[3] / "build" / "lab"


def run_dir_of(args: argparse.Namespace) -> Path:
    """The run directory as an absolute path."""
    return Path(args.run_dir).resolve()


def host_of(found: Lab, name: str) -> Host:
    """The host of that name, or a clear error."""
    try:
        return found.host(name)
    except KeyError as exc:
        raise LabError(exc.args[0]) from None


def up(args: argparse.Namespace) -> int:
    """Make a lab."""
    say = Steps(args.quiet)
    found = lab.run_up(run_dir_of(args), vars(args), say)
    say(f"lab of {len(found.hosts)} hosts is up in {say.seconds():.1f} s, in {found.run_dir}")
    return 0


def down(args: argparse.Namespace) -> int:
    """End a lab."""
    say = Steps(args.quiet)
    run_dir = run_dir_of(args)
    was_there = lab.run_down(run_dir, say)
    say(f"the lab in {run_dir} is down" if was_there else f"no lab in {run_dir}")
    return 0


def build_image(args: argparse.Namespace) -> int:
    """Build the kernel and the image into the cache."""
    lab.check_machine()
    say, base = Steps(args.quiet), cache.root()
    kern = kernel.ensure(args.kernel, base, say, args.refresh)
    path = image.ensure(args.release, args.image, kern, base, say, args.refresh)
    size = os.stat(path).st_blocks * 512 / 1e6
    say(f"kernel {kern.version} at hand, image at hand ({size:.0f} MB on disk)")
    print(path)
    return 0


def status(args: argparse.Namespace) -> int:
    """Tell what there is; ends with 1 when there is no lab."""
    found = lab.load(run_dir_of(args))
    if found is None or not network.exists(found):
        print("{}" if args.json else f"no lab in {run_dir_of(args)}")
        return 1
    values = lab.status(found)
    if args.json:
        print(json.dumps(values, indent=1))
        return 0
    print(f"{values['image']} {values['release']}, kernel {values['kernel']}, {values['run_dir']}")
    for name, host in values["hosts"].items():
        print(f"{name}  {host['power']:7} {host['address']}  {host['replication_address']}")
    for cut in values["cuts"]:
        print(f"cut: {cut['link']} of {cut['host']}{' (one way)' if cut['one_way'] else ''}")
    return 0


def ssh(args: argparse.Namespace) -> int:
    """Become ssh to a host."""
    found = lab.loaded(run_dir_of(args))
    host = host_of(found, args.host)
    argv = ["ssh", "-F", f"{found.run_dir}/ssh_config", host.name, *args.command]
    return become(network.inside(found, *argv))


def run(args: argparse.Namespace) -> int:
    """Become a command inside the lab's network."""
    found = lab.loaded(run_dir_of(args))
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise LabError("run what? halab run -- COMMAND …")
    return become(network.inside(found, *command))


def become(argv: list[str]) -> int:
    """Turn this process into another program; its end is ours."""
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def print_inventory(args: argparse.Namespace) -> int:
    """Print an Ansible inventory."""
    found = lab.loaded(run_dir_of(args))
    passwords = {host.name: bmc.secret(found, host) for host in found.hosts}
    values = inventory.values(found, passwords)
    if args.json:
        print(json.dumps(values, indent=1))
    else:
        print("---\n" + inventory.to_yaml(values), end="")
    return 0


def power(args: argparse.Namespace) -> int:
    """Do a power action."""
    found = lab.loaded(run_dir_of(args))
    host = host_of(found, args.host)
    say = Steps(args.quiet)
    print(hosts.power(found, host, args.action, "cli"))
    if args.wait and args.action in ("on", "cycle"):
        lab.wait_for_ssh(found, [host.name], say, lab.BOOT_TIMEOUT)
    return 0


def freeze(args: argparse.Namespace) -> int:
    """Freeze or thaw a host."""
    found = lab.loaded(run_dir_of(args))
    print(hosts.freeze(found, host_of(found, args.host), args.name == "thaw"))
    return 0


def link(args: argparse.Namespace) -> int:
    """Cut or heal a link."""
    found = lab.loaded(run_dir_of(args))
    chosen = [host_of(found, args.host)] if args.host else found.hosts
    names = [host.name for host in chosen]
    network.change(found, args.action, args.link, names, args.one_way, args.all)
    return 0


def console(args: argparse.Namespace) -> int:
    """Show a host's console."""
    found = lab.loaded(run_dir_of(args))
    path = found.files(host_of(found, args.host)) / "console.log"
    follow = ["--follow"] if args.follow else []
    return become(["tail", f"--lines={args.lines}", *follow, str(path)])


def logs(args: argparse.Namespace) -> int:
    """Show the end of every log, also of a lab that is down."""
    run_dir = run_dir_of(args)
    paths = [*run_dir.glob("*.log"), *run_dir.glob("bmc/*/*.log"), *run_dir.glob("hosts/*/*.log")]
    if not paths:
        raise LabError(f"no logs in {run_dir}")
    return become(["tail", "-v", f"--lines={args.lines}", *map(str, sorted(paths))])


def chassis(args: argparse.Namespace) -> int:
    """Answer a management controller."""
    found = lab.loaded(run_dir_of(args))
    print(bmc.chassis(found, host_of(found, args.host), args.words[1:]), end="")
    return 0


def time_server(args: argparse.Namespace) -> int:
    """Be the hosts' time source."""
    timesource.serve(args.address)
    return 0


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """The options that decide which image is used."""
    parser.add_argument("--release", choices=layout.RELEASES, default="bookworm")
    parser.add_argument(
        "--image",
        choices=("bare", "prepared"),
        default="bare",
        help="bare: Debian with ssh and Python; prepared: the cluster packages are installed too",
    )
    parser.add_argument(
        "--kernel",
        choices=("auto", "stock"),
        default="auto",
        help="auto: a newer, faster one where it can be had; stock: Debian 12's",
    )
    parser.add_argument("--refresh", action="store_true", help="rebuild what the cache has")


def add_up(commands: argparse._SubParsersAction) -> None:
    """`up` and its options."""
    parser = add(commands, "up", up, "make a lab; ends when ssh answers on every host")
    add_image_options(parser)
    parser.add_argument("--hosts", type=int, default=2, help="how many hosts (default 2)")
    parser.add_argument("--memory", type=int, default=1024, help="MiB for each host (default 1024)")
    parser.add_argument("--disk", type=int, default=512, help="MiB of the data disk (default 512)")
    parser.add_argument(
        "--extra-disk", type=int, default=0, help="MiB of a second blank disk (default: none)"
    )


def add(
    commands: argparse._SubParsersAction, name: str, function: object, text: str | None
) -> argparse.ArgumentParser:
    """One command, with the options that all have."""
    # A command without a text is for the lab's own use and is not listed.
    if text is None:
        parser = commands.add_parser(name)
    else:
        parser = commands.add_parser(name, description=text, help=text)
    parser.add_argument("--run-dir", default=os.environ.get("HALAB_RUN_DIR", DEFAULT_RUN_DIR))
    parser.add_argument("--quiet", action="store_true", help="no progress on the terminal")
    parser.set_defaults(function=function, name=name)
    return parser


def parser_of() -> argparse.ArgumentParser:
    """All commands."""
    parser = argparse.ArgumentParser(
        prog="halab", description="Two real hosts on one machine: the lab of kwdb.ha."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_up(commands)
    add(commands, "down", down, "end a lab and remove what it made, except its logs")
    add_image_options(add(commands, "image", build_image, "only build the image into the cache"))
    for name, function, text in (
        ("status", status, "tell what there is"),
        ("inventory", print_inventory, "print an Ansible inventory"),
    ):
        add(commands, name, function, text).add_argument("--json", action="store_true")
    part = add(commands, "ssh", ssh, "log in to a host or run a command there")
    part.add_argument("host")
    part.add_argument("command", nargs=argparse.REMAINDER)
    part = add(commands, "run", run, "run a command of this machine inside the lab's network")
    part.add_argument("command", nargs=argparse.REMAINDER)
    part = add(commands, "power", power, "a host's power; off is a power cut, not a shutdown")
    part.add_argument("action", choices=("off", "on", "cycle", "status"))
    part.add_argument("host")
    part.add_argument("--wait", action="store_true", help="wait until the host answers ssh")
    for name, text in (("freeze", "stop a host where it is"), ("thaw", "let it go on")):
        add(commands, name, freeze, text).add_argument("host")
    add_link(commands)
    part = add(commands, "console", console, "show a host's console")
    part.add_argument("host")
    part.add_argument("--follow", action="store_true")
    part.add_argument("--lines", type=int, default=100)
    part = add(commands, "logs", logs, "show the end of every log")
    part.add_argument("--lines", type=int, default=20)
    part = add(commands, "chassis", chassis, None)
    part.add_argument("host")
    part.add_argument("words", nargs=argparse.REMAINDER)
    add(commands, "time-server", time_server, None).add_argument("address")
    return parser


def add_link(commands: argparse._SubParsersAction) -> None:
    """`link` and its options."""
    parser = add(
        commands,
        "link",
        link,
        "cut or heal a link: cluster and replication are between the hosts, client is between "
        "this machine and a host",
    )
    parser.add_argument("action", choices=("cut", "heal"))
    parser.add_argument("link", choices=network.LINKS)
    parser.add_argument("host", nargs="?", help="only this host's (default: all)")
    parser.add_argument("--one-way", action="store_true", help="only what the host sends is lost")
    parser.add_argument(
        "--all", action="store_true", help="client: also ssh and the management controller"
    )


def main(argv: list[str]) -> int:
    """Run one command and tell errors in one line."""
    args = parser_of().parse_args(argv)
    # A SIGTERM ends `up` as Ctrl-C does: by taking the lab down again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return args.function(args)
    except Unsupported as exc:
        print(f"halab: THIS MACHINE CANNOT RUN THE LAB: {exc}", file=sys.stderr)
        return UNSUPPORTED
    except (LabError, ValueError, OSError) as exc:
        print(f"halab: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("halab: interrupted", file=sys.stderr)
        return 130
