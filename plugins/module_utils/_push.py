# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""Push a change of the configuration: one patch, previewed, on top of what was read."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _cib,
    _command,
    _declaration,
    _snapshot,
    _transaction,
    _transition,
)

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner


class Workplace:
    """A folder that only root may enter: the configuration holds the fence devices' secrets."""

    def __init__(self, parent: str | None) -> None:
        self._parent = parent

    def __enter__(self) -> Workplace:
        self._path = tempfile.mkdtemp(prefix="cib-", dir=self._parent)
        return self

    def __exit__(self, *_exc: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def path(self, name: str) -> str:
        """A place in it."""
        return os.path.join(self._path, name)

    def write(self, name: str, text: str) -> str:
        """A file in it."""
        handle = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        return self.path(name)


def push(
    run: Runner,
    current: tuple[Element, str],
    new: Element,
    outcome: _transaction.Outcome,
    options: _transaction.Options,
) -> bool:
    """Preview the change and push it; False when the live configuration moved meanwhile."""
    with Workplace(options.tmpdir) as place:
        return _push(run, place, current, new, outcome, options)


def _push(
    run: Runner,
    place: Workplace,
    current: tuple[Element, str],
    new: Element,
    outcome: _transaction.Outcome,
    options: _transaction.Options,
) -> bool:
    old_file = place.write("old.xml", current[1])
    # A patch must lead to a later version than the one that it starts from.
    _cib.next_version(new)
    new_file = place.write("new.xml", _cib.unparse(new))
    # crm_diff tells a difference with 1. The versions in the patch make the push a compare and
    # swap: the cluster takes it only on top of exactly what was read.
    patch = run(["crm_diff", "--original", old_file, "--new", new_file], ok=(0, 1))
    spoiled = _cib.unstorable(current[0], new, ElementTree.fromstring(patch.stdout))
    if spoiled:
        raise _declaration.DeclarationInvalid(
            f"the Pacemaker of this host cannot store the value of {', '.join(spoiled)} as it is:"
            " it holds line breaks, tabs or letters beyond ASCII"
        )
    outcome.transition = _simulate(run, place, "new", new_file)
    if not options.allow_disruption:
        _refuse_disruption(run, place, old_file, current[0], outcome)
    if options.check:
        return True
    patch_file = place.write("patch.xml", patch.stdout)
    return _store(run, patch_file, current[1], outcome, options)


def _store(
    run: Runner,
    patch_file: str,
    text: str,
    outcome: _transaction.Outcome,
    options: _transaction.Options,
) -> bool:
    """Save what is there and have the cluster take the patch; False when it has moved."""
    saved = _save(text, outcome, options)
    try:
        argv = ["cibadmin", "--patch", "--xml-file", patch_file]
        taken = run(argv, ok=(0, _transaction.OLD_VERSION)).rc == 0
    except _command.CommandFailed:
        _forget(saved)
        raise
    if not taken:
        _forget(saved)
    elif saved:
        outcome.snapshot = saved
        _snapshot.prune(options.folder, options.snapshots)
    return taken


def _save(text: str, outcome: _transaction.Outcome, options: _transaction.Options) -> str:
    """Save the configuration as it is before the push; empty when nothing is to be saved."""
    if options.snapshots <= 0:
        return ""
    try:
        return _snapshot.save(options.folder, text, outcome.cib_version, options.restoring)
    except OSError as exc:
        raise _transaction.Refused(
            f"the configuration could not be saved in {options.folder}: {exc}; nothing was changed."
            " Make room there, or set snapshots: 0 to do without",
            outcome,
        ) from exc


def _forget(saved: str) -> None:
    """Nothing was changed, so that there is nothing to go back from."""
    if saved:
        os.unlink(saved)


def _simulate(run: Runner, place: Workplace, name: str, cib_file: str) -> list[_transition.Action]:
    graph = place.path(f"{name}.graph")
    run(["crm_simulate", "--simulate", "--xml-file", cib_file, "--save-graph", graph])
    with open(graph, encoding="utf-8") as stream:
        return _transition.actions(stream.read())


def _refuse_disruption(
    run: Runner, place: Workplace, old_file: str, cib: Element, outcome: _transaction.Outcome
) -> None:
    devices = [
        one.get("id", "")
        for one in _cib.configuration(cib).iter("primitive")
        if one.get("class") == "stonith"
    ]
    if not _transition.interruptions(outcome.transition, (), devices):
        return
    anyway = _simulate(run, place, "old", old_file)
    stopped = _transition.interruptions(outcome.transition, anyway, devices)
    if stopped:
        raise _transaction.Refused(
            "this change would interrupt what is running: "
            + ", ".join(one.text() for one in stopped)
            + "; nothing was changed. Set allow_disruption: true to accept it",
            outcome,
        )
