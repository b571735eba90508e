# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What the actions pcs_config, pcs_resource and pcs_constraint have in common.

Most tasks of most runs change nothing. To see that takes the configuration, which one command prints, and
the pure code of the modules, which runs here as well as there. So the action asks the host for its
configuration; only when there is something to do, to wait for or to complain about does it send the module,
which then decides everything anew. So a task that changes nothing spares the host the module.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _declaration, _transaction

QUERY = "cibadmin --query"
# The connections that keep what a command said out of every log when they are told to.
DISCREET = ("ssh", "local")


class ClusterAction(NormalAction):
    """Send the module only when the configuration is not what the task declares, beyond doubt."""

    # The module's options, and what they declare in the words of pcs_config.
    spec: Mapping[str, Any]
    declared: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The result of the task."""
        found = None if self._task.async_val else self._unchanged()
        if found is not None:
            return found.result()
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result

    def _unchanged(self) -> _transaction.Outcome | None:
        checked = ArgumentSpecValidator(dict(self.spec)).validate(plain(self._task.args))
        params = checked.validated_parameters
        if checked.error_messages or params.get("state") == "restored" or params.get("snapshot"):
            return None
        try:
            declared = _declaration.declaration(type(self).declared(params))
            text = self._configuration()
            if not text:
                return None
            wait = 0 if self._task.check_mode else params["wait"]
            return _transaction.unchanged(text, declared, wait)
        except (_declaration.DeclarationInvalid, _cib.CibInvalid):
            return None

    def _configuration(self) -> str:
        """The live configuration; empty when it cannot be had."""
        if self._connection.transport not in DISCREET:
            return ""
        # It holds the passwords of the fence devices, and a connection logs what commands said (-vvv).
        context = self._connection._play_context
        before, context.no_log = context.no_log, True
        try:
            command = f"{self._compute_environment_string()} {QUERY}".strip()
            said = self._low_level_execute_command(command)
        finally:
            context.no_log = before
        return said["stdout"] if said["rc"] == 0 else ""


def plain(value: Any) -> Any:
    """Arguments of a task as a module gets them: without the controller's own kinds of text."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)
