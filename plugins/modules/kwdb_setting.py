#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kwdb_setting
short_description: Keep cluster settings of KWDB
version_added: 0.1.0
description:
  - Reads cluster settings with C(kwbase sql) and sets those that differ.
  - Runs on a host of the pair. Where the database does not run, nothing is read and nothing is changed.
attributes:
  check_mode:
    support: full
    description: Whether the module says what it would change without changing it.
  diff_mode:
    support: full
    description: Whether the module shows what is different.
options:
  settings:
    description: Cluster settings and their values.
    type: dict
    required: true
  host:
    description: Address of the database.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the database.
    type: int
    default: 26257
  certs_dir:
    description: Folder with the certificate of the user C(root). Left out, the database is taken as insecure.
    type: path
  unit:
    description: The service that has to be active on this host.
    type: str
    default: kaiwudb.service
  timeout:
    description: Seconds for one call of C(kwbase sql).
    type: int
    default: 30
author:
  - kwdb.ha contributors (@kwdb)
"""

EXAMPLES = r"""
- name: Let no acknowledged row depend on memory
  kwdb.ha.kwdb_setting:
    settings:
      ts.wal.wal_level: 1
      ts.force_sync_file.enabled: true
    certs_dir: /etc/kaiwudb/certs
"""

RETURN = r"""
active:
  description: Whether the database runs on this host.
  type: bool
  returned: success
commands:
  description: Statements that were run, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [SET CLUSTER SETTING ts.wal.wal_level = 1]
settings:
  description: The settings as they are in the end. Empty where the database does not run.
  type: dict
  returned: success
  sample: {ts.wal.wal_level: "1"}
"""

import csv
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils._command import (
    CommandFailed,
    CommandMissing,
    Runner,
)
from ansible_collections.kwdb.ha.plugins.module_utils._kwdb_host import properties_of
from ansible_collections.kwdb.ha.plugins.module_utils._sql_client import (
    Client,
    SqlFailed,
    execute,
)

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
BARE = re.compile(r"-?[0-9]+(\.[0-9]+)?|true|false")


def normal(value: Any) -> str:
    """A value in the form in which KWDB shows it."""
    text = str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def statement(name: str, value: str) -> str:
    """The statement that sets one setting."""
    shown = value if BARE.fullmatch(value) else "'" + value.replace("'", "''") + "'"
    return f"SET CLUSTER SETTING {name} = {shown}"


def plan(current: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Statements for the settings that differ."""
    return [statement(name, value) for name, value in wanted.items() if current[name] != value]


def value_in(lines: list[str], name: str) -> str:
    """The value in the answer to SHOW CLUSTER SETTING."""
    rows = list(csv.reader(lines))
    if len(rows) != 2 or len(rows[1]) != 1:
        raise SqlFailed(f"SHOW CLUSTER SETTING {name} gave no single value: {lines}")
    return normal(rows[1][0])


def is_active(run: Runner, unit: str) -> bool:
    """Whether the service runs here."""
    try:
        argv = ["systemctl", "show", "--property=ActiveState", unit]
        shown = run(argv, ok=(0, 1)).stdout  # 1: systemd is not in charge here
    except CommandMissing:
        return False
    return properties_of(shown).get("ActiveState") == "active"


def as_text(settings: dict[str, str]) -> str:
    """Settings as lines of a diff."""
    return "".join(f"{name} = {value}\n" for name, value in sorted(settings.items()))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 26257},
            "certs_dir": {"type": "path"},
            "unit": {"type": "str", "default": "kaiwudb.service"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params, run = module.params, Runner(module)
    wanted = {name: normal(value) for name, value in params["settings"].items()}
    wrong = [name for name in wanted if not NAME.fullmatch(name)]
    if wrong:
        module.fail_json(msg=f"{', '.join(wrong)}: not the name of a cluster setting")
    client = Client("kwbase", params["host"], params["port"], params["certs_dir"] or "")
    current: dict[str, str] = {}
    commands: list[str] = []
    try:
        active = is_active(run, params["unit"])
        if active:
            for name in wanted:
                answer = execute(client, [f"SHOW CLUSTER SETTING {name}"], params["timeout"])
                current[name] = value_in(answer, name)
            commands = plan(current, wanted)
            for command in [] if module.check_mode else commands:
                execute(client, [command], params["timeout"])
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except SqlFailed as exc:
        module.fail_json(msg=f"{exc}. Read 'journalctl -u {params['unit']}' on this host")
    after = {**current, **wanted} if active else {}
    module.exit_json(
        changed=bool(commands),
        active=active,
        commands=commands,
        diff={"before": as_text(current), "after": as_text(after)},
        settings=after,
    )


if __name__ == "__main__":
    main()
