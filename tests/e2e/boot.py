"""Boot two bare lab hosts in the given run directory and write an inventory for them.

The inventory reaches the hosts from outside the lab's network too, for tools that run ansible
themselves. It asks for the mode without TLS, which no other run on the lab builds, and for a
switchover with rows when the pair is verified.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from pairlab import HALAB, Lab, LabCannotRun, build_standin


def reach_from_outside(lab: Lab) -> None:
    """Let ssh enter the lab's network by itself."""
    wrapper = lab.run_dir / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec "{HALAB}" run --run-dir "{lab.run_dir}" -- ssh "$@"\n')
    wrapper.chmod(0o755)
    hosts = lab.inventory / "hosts.yml"
    whole = yaml.safe_load(hosts.read_text())
    whole["all"]["children"]["kwdb_pair"]["vars"]["ansible_ssh_executable"] = str(wrapper)
    hosts.write_text(yaml.safe_dump(whole))


def without_tls(lab: Lab) -> None:
    """Build the insecure mode, and prove it with rows."""
    path = lab.inventory / "group_vars" / "kwdb_pair.yml"
    variables = yaml.safe_load(path.read_text())
    del variables["kwdb_certs_dir"]
    variables.update(kwdb_secure=False, verify_drills=["switchover"])
    path.write_text(yaml.safe_dump(variables))


def main() -> int:
    build_standin()
    lab = Lab(Path(sys.argv[1]).resolve())
    lab.down()
    try:
        lab.up()
        reach_from_outside(lab)
        without_tls(lab)
    except LabCannotRun:
        print("THIS MACHINE CANNOT RUN THE LAB.", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
