"""Ansible callback for the tests: writes what a run did to the file named by RUN_REPORT."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: run_report
type: aggregate
short_description: Writes what a run did as JSON, for the tests
description: Writes the file that the environment variable E(RUN_REPORT) names.
"""

# Results of these actions are kept whole; of all others only what tells success and change.
KEPT_WHOLE = tuple(
    f"kwdb.ha.{name}"
    for name in (
        "pair_info",
        "pair_drill",
        "pair_switchover",
        "drbd_resource",
        "drbd_split_brain",
        "drbd_verify",
        "drbd_grow",
    )
)

# What tasks on the cluster's configuration return.
CLUSTER = ("transition", "diff", "operator_state", "cib_version", "findings", "preview_limited")


def message(values: dict[str, Any]) -> str:
    """What a failed task said; a loop says only that an item failed, and each of those says why."""
    items = [one for one in values.get("results", []) if isinstance(one, dict)]
    said = [str(one.get("msg", "")) for one in items if one.get("failed")]
    return "; ".join(said) or str(values.get("msg", ""))


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "run_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.plays: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.started: dict[str, float] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.plays.append({"name": play.get_name(), "at": time.time()})

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self.started[f"{host.get_name()}/{task._uuid}"] = time.time()

    def record(self, result: Any, status: str) -> None:
        task, host, values = result._task, result._host.get_name(), result._result
        begun = self.started.get(f"{host}/{task._uuid}", time.time())
        entry = {
            "host": host,
            "task": task.get_name(),
            "action": task.action,
            "status": status,
            "changed": bool(values.get("changed")),
            "at": begun,
            "seconds": round(time.time() - begun, 4),
        }
        if status in ("failed", "unreachable"):
            entry["msg"] = message(values)
            entry["ignored"] = False
        if "transition" in values:
            entry.update({name: values.get(name) for name in CLUSTER})
        if task.action in KEPT_WHOLE:
            entry["result"] = values
        self.results.append(entry)
        # Written at once: a run that is killed leaves what it did until then.
        self.write()

    def v2_runner_on_ok(self, result: Any) -> None:
        self.record(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self.record(result, "failed")
        self.results[-1]["ignored"] = ignore_errors

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self.record(result, "unreachable")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self.write({"hosts": hosts})

    def write(self, extra: dict[str, Any] | None = None) -> None:
        path = os.environ.get("RUN_REPORT")
        if not path:
            return
        whole = {"plays": self.plays, "results": self.results, **(extra or {})}
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(whole, file, indent=1, default=str)
        os.replace(f"{path}.new", path)
