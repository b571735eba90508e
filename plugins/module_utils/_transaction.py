# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""One transaction on the cluster's configuration: read, plan, preview, push once, wait."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable
from xml.etree.ElementTree import Element

from ansible_collections.kwdb.ha.plugins.module_utils import (
    _agents,
    _cib,
    _command,
    _declaration,
    _history,
    _plan,
    _values,
)

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils import _transition
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

# cibadmin's words for: no cluster on this host, and somebody else was faster.
NOT_CONNECTED, OLD_VERSION = 102, 103
TRIES = 12
SNAPSHOTS = "/var/lib/kwdb-ha/cib"
STORED_CIB = "/var/lib/pacemaker/cib/cib.xml"
# What a host without a cluster is taken for in check mode.
NO_CIB = (
    '<cib validate-with="pacemaker-3.9"><configuration><crm_config/><nodes/><resources/>'
    "<constraints/></configuration><status/></cib>"
)


class Refused(Exception):
    """The plan is clear and must not be carried out without the user's word."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class _InDoubt(Exception):
    """Whether there is anything to do takes more than the configuration to say."""


class NotSettled(Exception):
    """The change is in, and the cluster did not get where it should be."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass
class Outcome:
    """What a transaction did, or would do."""

    before: list[str]
    after: list[str]
    transition: list[_transition.Action] = field(default_factory=list)
    operator_state: list[dict[str, str]] = field(default_factory=list)
    cib_version: str = ""
    changed: bool = False
    limited: bool = False
    snapshot: str = ""
    findings: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """The outcome as a module returns it."""
        shown = ["".join(f"{line}\n" for line in lines) for lines in (self.before, self.after)]
        preview = [f"{one.text()}\n" for one in self.transition]
        return {
            "changed": self.changed,
            "diff": [
                {"before_header": "cluster configuration", "before": shown[0], "after": shown[1]},
                {"before_header": "what Pacemaker does", "before": "", "after": "".join(preview)},
            ],
            "transition": [one.result() for one in self.transition],
            "operator_state": self.operator_state,
            "cib_version": self.cib_version,
            "preview_limited": self.limited,
            "findings": self.findings,
            **({"snapshot": self.snapshot} if self.snapshot else {}),
        }


@dataclass(frozen=True)
class Options:
    """How a transaction is carried out."""

    check: bool = False
    allow_disruption: bool = False
    wait: int = 120
    tmpdir: str | None = None
    # How many configurations to keep of those that are saved before each change; 0 saves none.
    snapshots: int = 0
    folder: str = SNAPSHOTS
    restoring: bool = False


@dataclass(frozen=True)
class Intent:
    """What a transaction is for: the way from what is there to what should be."""

    # The new configuration, and whether something that it names is not there yet.
    plan: Callable[[Element], tuple[Element, bool]]
    # The resources that should run in the end.
    resources: Callable[[Element], list[str]]
    secrets: frozenset[str] = frozenset()
    # Refuses what can never work and notes what is not safe; asked only about a change.
    judge: Callable[[Element, Element, Outcome], None] = lambda _cib, _new, _outcome: None


def transact(run: Runner, declared: _declaration.Declaration, options: Options) -> Outcome:
    """Bring the live configuration to the declaration in one patch."""

    def plan(cib: Element) -> tuple[Element, bool]:
        agents = _agents.lookup(run, preview=options.check)
        try:
            return _plan.plan(cib, declared, agents), False
        except _declaration.ReferenceMissing:
            if not options.check:
                raise
            # An earlier task of the same play would have made it; what Pacemaker would do with
            # something that is not there yet, nobody can say.
            return _plan.plan(cib, declared, agents, lenient=True), True

    def judge(cib: Element, new: Element, outcome: Outcome) -> None:
        from ansible_collections.kwdb.ha.plugins.module_utils import _judgement

        _judgement.judge(run, (cib, new), declared, outcome)

    wanted = _declaration.wanted_resources(declared)
    intent = Intent(plan, lambda _new: wanted, declared.secret_names(), judge)
    return carry_out(run, intent, options)


def unchanged(text: str, declared: _declaration.Declaration, wait: int) -> Outcome | None:
    """The outcome when the configuration is as declared and, if there is a wait, everything surely at rest.

    None when there is something to do or in doubt. Pure: takes the text of the configuration.
    """

    def ask(_agent: str) -> _agents.Agent | None:
        raise _InDoubt

    cib = _cib.parse(text)
    try:
        outcome = _outcome(cib, _plan.plan(cib, declared, ask), frozenset(), False)
    except _InDoubt:
        return None
    wanted = _declaration.wanted_resources(declared)
    at_rest = wait <= 0 or _history.at_rest(cib, wanted)
    return outcome if at_rest and not outcome.changed else None


def carry_out(run: Runner, intent: Intent, options: Options) -> Outcome:
    """Bring the live configuration where the intent wants it, in one patch."""
    for attempt in range(TRIES):
        text, limited = read(run, options.check)
        cib = _cib.parse(text)
        new, early = intent.plan(cib)
        limited = limited or early
        outcome = _outcome(cib, new, intent.secrets, limited)
        if outcome.changed:
            intent.judge(cib, new, outcome)
        if outcome.changed and not limited and not _pushed(run, (cib, text), new, outcome, options):
            # Everybody who lost the race comes back at another moment.
            time.sleep((0.1 + 0.3 * int.from_bytes(os.urandom(1), "big") / 255) * (1 + attempt))
            continue
        if not options.check and options.wait > 0:
            _settle(run, cib, intent.resources(new), outcome, options)
        return outcome
    raise _command.CommandFailed(
        _command.Result(("cibadmin", "--patch"), OLD_VERSION, "", "the configuration is too old"),
        f"somebody else changed the cluster at each of {TRIES} tries; nothing was changed",
    )


def _pushed(
    run: Runner,
    current: tuple[Element, str],
    new: Element,
    outcome: Outcome,
    options: Options,
) -> bool:
    # What only a change needs is loaded only then: most runs change nothing, and each module
    # that is loaded costs them time.
    from ansible_collections.kwdb.ha.plugins.module_utils import _push

    return _push.push(run, current, new, outcome, options)


def _settle(
    run: Runner, cib: Element, wanted: list[str], outcome: Outcome, options: Options
) -> None:
    """Wait as long as the options say, unless everything surely is where it should be."""
    if not outcome.changed and _history.at_rest(cib, wanted):
        return
    from ansible_collections.kwdb.ha.plugins.module_utils import _arrival

    _arrival.wait(run, wanted, outcome, options.wait)


def read(run: Runner, check: bool) -> tuple[str, bool]:
    """The live configuration; in check mode also what a host without a running cluster has."""
    try:
        result = run(["cibadmin", "--query"], ok=(0, NOT_CONNECTED))
        if result.rc == 0:
            return result.stdout, False
    except _command.CommandMissing:
        if not check:
            raise
        return NO_CIB, True
    if not check:
        raise _command.CommandFailed(
            result, "the cluster does not run on this host; start it (pcs cluster start)"
        )
    if os.path.exists(STORED_CIB):
        return run(["cibadmin", "--query"], env={"CIB_file": STORED_CIB}).stdout, True
    return NO_CIB, True


def _outcome(cib: Element, new: Element, secrets: frozenset[str], limited: bool) -> Outcome:
    changed = not _cib.equal(_cib.configuration(cib), _cib.configuration(new))
    before, after = _shown(cib, new, secrets) if changed else ([], [])
    return Outcome(
        before,
        after,
        operator_state=_cib.operator_state(cib),
        cib_version=_cib.version(cib),
        changed=changed,
        limited=limited,
    )


def _shown(cib: Element, new: Element, secrets: frozenset[str]) -> tuple[list[str], list[str]]:
    """Both configurations as lines, without what is secret."""

    def hidden(name: str) -> bool:
        return name in secrets or _values.is_secret(name)

    before, after = _cib.lines(cib, hidden=hidden), _cib.lines(new, hidden=hidden)
    if before == after:
        # Only secrets differ: say that something does, without saying what.
        return [*before, "a secret option: old value"], [*after, "a secret option: new"]
    return before, after
