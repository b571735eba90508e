"""The management controllers of the hosts: OpenIPMI's simulator, wired to the hosts' power."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from . import hosts, layout, processes, store
from .layout import Host, Lab

EMULATOR = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
PROGRAM = Path(__file__).resolve().parent.parent / "halab"


def folder(lab: Lab, host: Host) -> Path:
    """Where a controller's files are; only root reads them."""
    return lab.path / "bmc" / host.name


def secret(lab: Lab, host: Host) -> str:
    """The password of a controller, made anew for each lab."""
    return (folder(lab, host) / "secret").read_text().strip()


def configuration(host: Host, chassis: Path, password: str) -> str:
    """ipmi_sim's own configuration."""
    allowed = "".join(
        f"    allowed_auths_{who} none md2 md5 straight\n"
        for who in ("callback", "user", "operator", "admin")
    )
    return (
        f'name "{host.name}"\n'
        "set_working_mc 0x20\n"
        "  startlan 1\n"
        f"    addr {layout.OUTSIDE} {host.bmc_port}\n"
        "    priv_limit admin\n"
        f"{allowed}"
        f"    guid a123456789abcdefa1234567890000{host.index:02x}\n"
        "  endlan\n"
        f'  chassis_control "{chassis} 0x20"\n'
        '  user 1 true "" "" user 10 none md2 md5 straight\n'
        f'  user 2 true "{layout.BMC_USER}" "{password}" admin 10 none md2 md5 straight\n'
    )


def record(lab: Lab, host: Host) -> Path:
    """Where a controller's process is on record."""
    return lab.state / f"bmc-{host.name}.json"


def start(lab: Lab, host: Host) -> None:
    """Start a host's controller."""
    place = folder(lab, host)
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    # IPMI 2.0 passwords end at 20 bytes; 16 is what every agent accepts.
    password = secrets.token_hex(8)
    store.write_text(place / "secret", f"{password}\n")
    chassis = place / "chassis"
    script = (
        f'#!/bin/sh\nexec "{sys.executable}" "{PROGRAM}" chassis '
        f'--run-dir "{lab.run_dir}" {host.name} "$@"\n'
    )
    store.write_text(chassis, script, 0o700)
    store.write_text(place / "lan.conf", configuration(host, chassis, password))
    store.write_text(place / "bmc.emu", EMULATOR)
    (place / "state").mkdir(exist_ok=True)
    argv = ["ipmi_sim", "-n", "-c", str(place / "lan.conf"), "-f", str(place / "bmc.emu")]
    argv += ["-s", str(place / "state")]
    processes.start(record(lab, host), lab.namespace, argv, place / "ipmi_sim.log")


def chassis(lab: Lab, host: Host, words: list[str]) -> str:
    """Answer the simulator: `get power`, `set power 1`, `set reset 1` …"""
    asked = " ".join(words)
    if words[:1] == ["get"]:
        answers = {"power": "1" if hosts.power_state(lab, host) != "off" else "0"}
        return "".join(f"{name}:{answers.get(name, '0')}\n" for name in words[1:])
    for name, value in zip(words[1::2], words[2::2]):
        if name == "power":
            hosts.power(lab, host, "on" if value == "1" else "off", "bmc")
        elif name in ("reset", "cycle"):
            hosts.power(lab, host, "cycle", "bmc")
        else:
            hosts.note(lab, host, "bmc", f"ignored: {asked}")
    return ""
