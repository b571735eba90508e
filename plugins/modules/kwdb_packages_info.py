#!/usr/bin/python
# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kwdb_packages_info
short_description: Find KWDB's packages for a host
version_added: 0.1.0
description:
  - Looks into the folder, archive or URL where the operator keeps KWDB's packages, and says which files a host needs.
  - Reads the packages' own control data, not their file names.
  - Fails when a package is missing, is made for another architecture, or belongs to another release.
  - Meant for the controller. What a URL names is kept in O(cache_dir).
attributes:
  check_mode:
    support: full
    description: Whether the module says what it would change without changing it.
    details: The module changes nothing but its cache.
  diff_mode:
    support: N/A
    description: Whether the module shows what is different.
options:
  source:
    description:
      - A folder with the packages, or a tar archive that contains them.
      - Or the URL of such an archive (its name ends in C(.tar), C(.tar.gz), C(.tgz) or C(.tar.xz)),
        or of a folder with a C(Packages) index as C(dpkg-scanpackages) writes it.
    type: path
    required: true
  architecture:
    description: Architecture of the hosts as dpkg names it.
    type: str
    required: true
  names:
    description: Packages that are needed, in the order of their installation.
    type: list
    elements: str
    default: [kaiwudb-libcommon, kaiwudb-server]
  cache_dir:
    description: Folder for what was downloaded or unpacked. A URL that was read before is not read again.
    type: path
    default: ~/.cache/kwdb-ha/packages
author:
  - kwdb.ha contributors (@kwdb)
"""

EXAMPLES = r"""
- name: Find KWDB's packages on the controller
  kwdb.ha.kwdb_packages_info:
    source: /srv/kwdb/packages
    architecture: amd64
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
packages:
  description: The packages in the order of O(names).
  type: list
  elements: dict
  returned: success
  sample:
    - architecture: amd64
      name: kaiwudb-server
      path: /srv/kwdb/packages/kaiwudb-server.deb
      version: 3.2.1
"""

import hashlib
import os
import tarfile
import tempfile
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.kwdb.ha.plugins.module_utils._command import CommandFailed, Runner
from ansible_collections.kwdb.ha.plugins.module_utils._debs import (
    CompressionUnknown,
    Package,
    PackagesError,
    control_of,
    fields_of,
    package_of,
    paragraphs_of,
    select,
)

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz")


def packages_in(folder: str, run: Runner) -> list[Package]:
    """Every Debian package of a folder."""
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not name.endswith(".deb"):
            continue
        try:
            with open(path, "rb") as source:
                fields = control_of(source)
        except CompressionUnknown:
            # Ubuntu packs with zstd, which Python reads from 3.14 on.
            fields = fields_of(run(["dpkg-deb", "--field", path]).stdout)
        except (PackagesError, OSError, ValueError, EOFError, tarfile.TarError) as exc:
            raise PackagesError(f"{path} cannot be read as a Debian package: {exc}") from exc
        found.append(package_of(fields, path))
    return found


def unpack(archive: str, folder: str) -> None:
    """Lay the packages of an archive into a folder, in one step."""
    if os.path.isdir(folder):
        return
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    fresh = tempfile.mkdtemp(dir=os.path.dirname(folder))
    with tarfile.open(archive) as source:
        for member in source:
            content = source.extractfile(member) if member.name.endswith(".deb") else None
            if content is None:
                continue
            # Only the last part of a name counts: an archive cannot write elsewhere.
            with open(os.path.join(fresh, os.path.basename(member.name)), "wb") as target:
                while True:
                    block = content.read(1 << 20)
                    if not block:
                        break
                    target.write(block)
    os.chmod(fresh, 0o755)
    os.rename(fresh, folder)


def download(url: str, path: str, sha256: str = "") -> None:
    """Fetch a file unless it is there; its checksum is compared when one is known."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest = hashlib.sha256()
    try:
        answer = open_url(url, timeout=60)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as target:
            while True:
                block = answer.read(1 << 20)
                if not block:
                    break
                digest.update(block)
                target.write(block)
    except OSError as exc:
        raise PackagesError(f"{url} cannot be read: {exc}") from exc
    if sha256 and digest.hexdigest() != sha256:
        os.unlink(target.name)
        raise PackagesError(f"{url} is damaged: its checksum is not the one in the index")
    os.replace(target.name, path)


def from_index(url: str, params: dict[str, Any], cache: str) -> list[Package]:
    """The packages that the index of a folder on the web names."""
    try:
        index = open_url(f"{url}/Packages", timeout=60).read().decode()
    except OSError as exc:
        raise PackagesError(f"{url}/Packages cannot be read: {exc}") from exc
    entries = paragraphs_of(index)
    known = [package_of(fields, fields.get("Filename", "")) for fields in entries]
    sums = {fields.get("Filename", ""): fields.get("SHA256", "") for fields in entries}
    local = []
    for one in select(known, params["names"], params["architecture"], url):
        folder = os.path.join(cache, sums[one.path][:16] or "unsigned")
        path = os.path.join(folder, os.path.basename(one.path))
        download(f"{url}/{one.path.lstrip('./')}", path, sums[one.path])
        local.append(Package(one.name, one.version, one.architecture, path))
    return local


def find(params: dict[str, Any], run: Runner) -> list[Package]:
    """The packages that a host needs, wherever they are kept."""
    source, cache = params["source"], params["cache_dir"]
    entry = os.path.join(cache, hashlib.sha256(source.encode()).hexdigest()[:16])
    if source.startswith(("http://", "https://")):
        if not source.endswith(ARCHIVES):
            return from_index(source.rstrip("/"), params, cache)
        download(source, f"{entry}.tar")
        unpack(f"{entry}.tar", entry)
        folder = entry
    elif source.endswith(ARCHIVES) and os.path.isfile(source):
        stamp = os.stat(source)
        folder = f"{entry}-{stamp.st_size}-{stamp.st_mtime_ns}"
        unpack(source, folder)
    else:
        folder = source
        if not os.path.isdir(folder):
            raise PackagesError(
                f"{source} is not a folder on {os.uname().nodename}, where ansible-playbook runs. "
                "Name the folder with KWDB's packages (kwdb_packages in the role)"
            )
    chosen = select(packages_in(folder, run), params["names"], params["architecture"], source)
    return [Package(p.name, p.version, p.architecture, os.path.abspath(p.path)) for p in chosen]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "architecture": {"type": "str", "required": True},
            "names": {
                "type": "list",
                "elements": "str",
                "default": ["kaiwudb-libcommon", "kaiwudb-server"],
            },
            "cache_dir": {"type": "path", "default": "~/.cache/kwdb-ha/packages"},
        },
        supports_check_mode=True,
    )
    try:
        packages = find(module.params, Runner(module))
    except CommandFailed as exc:
        module.fail_json(msg=str(exc), **exc.details)
    except (PackagesError, tarfile.TarError) as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    module.exit_json(changed=False, packages=[asdict(package) for package in packages])


if __name__ == "__main__":
    main()
