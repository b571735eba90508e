#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pair_report
short_description: Write the report on the pair as a page, as JUnit XML and as JSON
version_added: 0.1.0
description:
  - Writes what the role P(kwdb.ha.verify#role) found out into a folder. C(verify.html) is one page for people, C(verify.xml) a test
    suite for Jenkins and others that read JUnit, C(verify.json) the report itself for programs.
  - The page needs no network, no script and no other file. It shows the findings, and for each drill its figures and a time line
    with the client's view above the cluster's phases.
  - Each file is replaced in one step and only its owner may read it. A folder that is missing is made for its owner alone.
  - Meant for the controller.
author:
  - kwdb.ha contributors (@kwdb)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: partial
    details: Shows C(verify.json) only. The other files hold the same.
options:
  directory:
    description: Folder for the files. What an earlier report left there under the same names is replaced.
    type: path
    required: true
  report:
    description:
      - The report, as the role leaves it in the fact C(verify_report). What is missing in it is shown as not known.
      - C(healthy), whether the pair could lose either host now and go on, and C(time), when that was, in UTC as V(2026-11-25T16:08:02Z).
      - C(active_node), C(standby_node), and C(disks), the state of the disk by host.
      - C(findings) as M(kwdb.ha.pair_info) returns them, and C(fail_on), the kinds of errors that make the test case C(health) fail.
        Without C(fail_on) all kinds do.
      - C(drills), what M(kwdb.ha.pair_drill) returned for each drill, with C(passed) added. Without
        RV(kwdb.ha.pair_drill#module:acknowledgements), as in older reports, the time line shows the outage alone.
      - C(drills_not_run), the names of drills that were asked for and not run. Their test cases are skipped.
      - All other keys go to C(verify.json) only. The same report gives the same files, so that a second run changes nothing.
    type: dict
    required: true
seealso:
  - module: kwdb.ha.pair_drill
  - module: kwdb.ha.pair_info
"""

EXAMPLES = r"""
- name: Write the report of the role on the controller
  kwdb.ha.pair_report:
    directory: ~/kwdb-reports
    report: "{{ verify_report }}"
  delegate_to: localhost
  become: false
  run_once: true
"""

RETURN = r"""
files:
  description: Paths of the files.
  returned: success
  type: dict
  contains:
    html:
      description: The page for people.
      type: str
    junit:
      description: The test suite.
      type: str
    json:
      description: The report itself.
      type: str
  sample:
    html: /home/operator/kwdb-reports/verify.html
    json: /home/operator/kwdb-reports/verify.json
    junit: /home/operator/kwdb-reports/verify.xml
"""

import os
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kwdb.ha.plugins.module_utils._files import write_file
from ansible_collections.kwdb.ha.plugins.module_utils._report import as_json, as_junit, read_report
from ansible_collections.kwdb.ha.plugins.module_utils._report_page import as_page

NAMES = {"html": "verify.html", "json": "verify.json", "junit": "verify.xml"}
MODE = 0o600


def contents(raw: dict[str, Any]) -> dict[str, bytes]:
    """What the files have to hold."""
    report = read_report(raw)
    texts = {"html": as_page(report), "json": as_json(raw), "junit": as_junit(report)}
    return {name: text.encode() for name, text in texts.items()}


def read(path: str) -> bytes | None:
    """What a file holds, nothing when it is missing or others may read it."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != MODE:
            return None
        with open(path, "rb") as source:
            return source.read()
    except FileNotFoundError:
        return None


def run_module(module: AnsibleModule) -> None:
    """Read, want, plan, apply, report."""
    directory = module.params["directory"]
    paths = {name: os.path.join(directory, file) for name, file in NAMES.items()}
    current = {name: read(path) for name, path in paths.items()}
    wanted = contents(module.params["report"])
    stale = [name for name in NAMES if current[name] != wanted[name]]
    if stale and not module.check_mode:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for name in stale:
            write_file(paths[name], wanted[name], MODE)
    before, after = ((one["json"] or b"").decode(errors="replace") for one in (current, wanted))
    header = paths["json"]
    module.exit_json(
        changed=bool(stale),
        files=paths,
        diff={
            "before": before,
            "after": after,
            "before_header": header,
            "after_header": header,
        },
    )


def main() -> None:
    """Write one report."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "report": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        run_module(module)
    except OSError as exc:
        module.fail_json(
            msg=f"the report cannot be written into {module.params['directory']}: {exc}. Name a "
            "folder that this user can write"
        )


if __name__ == "__main__":
    main()
