#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kwdb_cert
short_description: Issue the certificates of a KWDB pair
version_added: 0.1.0
description:
  - Keeps a folder with a CA, one node certificate that covers both hosts and the virtual IP, and a certificate for each database user.
  - Meant for the controller, so that the key of the CA never is on a database host.
  - A CA is made once, in an empty folder, and never replaced. Other certificates are issued again when they do not fit any more.
attributes:
  check_mode:
    support: full
    description: Whether the module says what it would change without changing it.
  diff_mode:
    support: full
    description: Whether the module shows what is different.
    details: Private keys are never shown.
options:
  certs_dir:
    description:
      - Folder of the certificates. Created with mode V(0700) when missing.
    type: path
    required: true
  ca_key:
    description:
      - Key of the CA. Needed only when something has to be issued.
      - The default is C(ca.key) in O(certs_dir).
    type: path
  addresses:
    description:
      - Every name and address by which clients and hosts reach the database.
      - The node certificate covers exactly these.
    type: list
    elements: str
    required: true
  users:
    description: Database users who get a certificate.
    type: list
    elements: str
    default: [root]
  ca_lifetime:
    description: Days for which a new CA is valid.
    type: int
    default: 3660
  lifetime:
    description: Days for which other certificates are valid. They never outlive the CA.
    type: int
    default: 1830
  renew_before:
    description: A certificate that ends in fewer days is issued again. A CA that ends in fewer days is an error.
    type: int
    default: 60
  key_size:
    description: Bits of new RSA keys.
    type: int
    choices: [2048, 3072, 4096]
    default: 2048
requirements:
  - cryptography >= 3.3
author:
  - kwdb.ha contributors (@kwdb)
"""

EXAMPLES = r"""
- name: Issue the certificates of the pair on the controller
  kwdb.ha.kwdb_cert:
    certs_dir: "{{ inventory_dir }}/certs"
    addresses: [ha-node01, ha-node02, 192.0.2.11, 192.0.2.12, 192.0.2.100, 127.0.0.1, localhost]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
ca:
  description: The CA. Its C(action) is V(keep) or V(create).
  type: dict
  returned: success
  sample: {action: keep, path: /srv/certs/ca.crt, not_after: "2036-11-25"}
certificates:
  description: What was found or done for each certificate, and why.
  type: list
  elements: dict
  returned: success
  sample:
    - action: renew
      addresses: [127.0.0.1, ha-node01]
      common_name: node
      key_path: /srv/certs/node.key
      not_after: "2031-11-25"
      path: /srv/certs/node.crt
      reasons: [it does not cover 192.0.2.100]
files:
  description:
    - Files of the folder that a database host needs, with their modes.
    - C(sha256) is the checksum of what is there now, empty where there is nothing.
  type: list
  elements: dict
  returned: success
  sample:
    - mode: "0644"
      name: ca.crt
      sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
"""

import os
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.kwdb.ha.plugins.module_utils._certs import (
    CRYPTOGRAPHY_ERROR,
    CertsError,
    Found,
    Lifetimes,
    Step,
    describe,
    facts_of,
    issue,
    issue_authority,
    load_certificate,
    load_key,
    new_key,
    plan,
    wanted_certificates,
)
from ansible_collections.kwdb.ha.plugins.module_utils._files import checksum, write_file

ACTIONS = ("create", "renew")


def read(folder: str, ca_key: str, stems: list[str]) -> tuple[Found | None, dict[str, Found]]:
    """The CA and the other certificates of the folder."""
    authority = load_certificate(os.path.join(folder, "ca.crt"))
    key = load_key(ca_key)
    found = {}
    for stem in stems:
        certificate = load_certificate(os.path.join(folder, f"{stem}.crt"))
        if certificate is not None:
            key_path = os.path.join(folder, f"{stem}.key")
            found[stem] = facts_of(certificate, load_key(key_path), key_path, authority)
    return (facts_of(authority, key, ca_key, authority) if authority else None), found


def check_writable(folder: str) -> None:
    """Refuse a folder that cannot be written, or made, before anything is issued."""
    existing = folder
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing) or "."
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):
        raise CertsError(f"{existing} is not a folder that this user can write")


def apply(
    folder: str, ca_key: str, ca_end: datetime | None, steps: list[Step], now: datetime, size: int
) -> None:
    """Write what the plan says; ca_end is set when the CA is to be made."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if ca_end is not None:
        # A key without ca.crt is what a run that was killed here left: it has vouched for nobody.
        new = issue_authority(load_key(ca_key) or new_key(size), now, ca_end)
        write_file(ca_key, new.key, 0o600)
        write_file(os.path.join(folder, "ca.crt"), new.certificate, 0o644)
    elif os.path.exists(ca_key):
        os.chmod(ca_key, 0o600)
    issuing = any(step.action in ACTIONS for step in steps)
    authority = load_certificate(os.path.join(folder, "ca.crt")) if issuing else None
    authority_key = load_key(ca_key) if issuing else None
    for step in steps:
        path = os.path.join(folder, step.wanted.stem)
        if step.action == "protect":
            os.chmod(f"{path}.key", 0o600)
        elif step.action in ACTIONS:
            new = issue(step, authority, authority_key, now, size)
            # The key first: killed in between, the next run sees a key that does not match.
            write_file(f"{path}.key", new.key, 0o600)
            write_file(f"{path}.crt", new.certificate, 0o644)


def report(folder: str, steps: list[Step]) -> list[dict[str, Any]]:
    """The steps as a result."""
    return [
        {
            "action": step.action,
            "addresses": list(step.wanted.addresses),
            "common_name": step.wanted.common_name,
            "key_path": os.path.join(folder, f"{step.wanted.stem}.key"),
            "not_after": f"{step.not_after:%Y-%m-%d}",
            "path": os.path.join(folder, f"{step.wanted.stem}.crt"),
            "reasons": list(step.reasons),
        }
        for step in steps
    ]


def difference(
    authority: Found | None, found: dict[str, Found], steps: list[Step], ca_end: datetime
) -> dict[str, str]:
    """Before and after as text, without keys."""
    before = describe("ca", authority.common_name, (), authority.not_after) if authority else ""
    after = before or describe("ca", "KWDB CA", (), ca_end)
    for step in steps:
        wanted, old = step.wanted, found.get(step.wanted.stem)
        if old is not None:
            before += describe(wanted.stem, old.common_name, old.addresses, old.not_after)
        name = wanted.common_name
        after += describe(wanted.stem, name, wanted.addresses, step.not_after)
        if step.action == "protect":
            before += f"{wanted.stem}.key: others can read it\n"
            after += f"{wanted.stem}.key: mode 0600\n"
    return {"before": before, "after": after}


def host_files(folder: str, stems: list[str]) -> list[dict[str, Any]]:
    """What a database host needs from the folder; never the key of the CA."""
    names = [("ca.crt", "0644")]
    for stem in stems:
        names += [(f"{stem}.crt", "0644"), (f"{stem}.key", "0600")]
    found = []
    for name, mode in names:
        path = os.path.join(folder, name)
        digest = checksum(path) if os.path.exists(path) else ""
        found.append({"name": name, "mode": mode, "sha256": digest})
    return found


def run(module: AnsibleModule) -> dict[str, Any]:
    """Read, want, plan, apply, report."""
    params, now = module.params, datetime.now(timezone.utc).replace(microsecond=0)
    folder = params["certs_dir"]
    ca_key = params["ca_key"] or os.path.join(folder, "ca.key")
    wanted = wanted_certificates(params["addresses"], params["users"])
    stems = [one.stem for one in wanted]
    authority, found = read(folder, ca_key, stems)
    days = [timedelta(days=params[name]) for name in ("ca_lifetime", "lifetime", "renew_before")]
    steps = plan(wanted, found, authority, now, Lifetimes(*days))
    ca_end = now + days[0]
    protect_ca = authority is not None and not authority.key_is_private
    changed = authority is None or protect_ca or any(step.action != "keep" for step in steps)
    if changed:
        check_writable(folder)
    if changed and not module.check_mode:
        size = params["key_size"]
        apply(folder, ca_key, ca_end if authority is None else None, steps, now, size)
    end = authority.not_after if authority else ca_end
    action = "protect" if protect_ca else "keep" if authority else "create"
    return {
        "changed": changed,
        "diff": difference(authority, found, steps, ca_end),
        "ca": {
            "action": action,
            "path": os.path.join(folder, "ca.crt"),
            "not_after": f"{end:%Y-%m-%d}",
        },
        "certificates": report(folder, steps),
        "files": host_files(folder, stems),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "certs_dir": {"type": "path", "required": True},
            "ca_key": {"type": "path", "no_log": False},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "users": {"type": "list", "elements": "str", "default": ["root"]},
            "ca_lifetime": {"type": "int", "default": 3660},
            "lifetime": {"type": "int", "default": 1830},
            "renew_before": {"type": "int", "default": 60},
            "key_size": {
                "type": "int",
                "choices": [2048, 3072, 4096],
                "default": 2048,
                "no_log": False,
            },
        },
        supports_check_mode=True,
    )
    if CRYPTOGRAPHY_ERROR is not None:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=CRYPTOGRAPHY_ERROR)
    try:
        result = run(module)
    except CertsError as exc:
        module.fail_json(msg=f"{module.params['certs_dir']}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
