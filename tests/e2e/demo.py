"""The product's main job on two lab hosts: build, run again, switch over, cut the power, report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from pairlab import BUILD, HALAB, ROOT, Lab, LabCannotRun, Run, build_standin

REPORT = BUILD / "demo.json"


class Demo:
    """Collects the report while the steps run."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.phases: list[dict[str, Any]] = []
        self.drills: list[dict[str, Any]] = []

    def note(self, name: str, seconds: float, changed: dict[str, int] | None = None) -> None:
        self.phases.append({"name": name, "seconds": round(seconds, 1), "changed": changed or {}})
        counts = ", ".join(f"{host} changed {count}" for host, count in (changed or {}).items())
        print(f"  {name:<34} {seconds:7.1f} s  {counts}", flush=True)

    def step(self, name: str, work: Any) -> None:
        begun = time.monotonic()
        work()
        self.note(name, time.monotonic() - begun)

    def play(self, name: str, playbook: str, extra: dict[str, Any] | None = None) -> Run:
        print(f"  {name} ...", flush=True)
        run = self.lab.play(playbook, extra=extra).must()
        self.note(
            name, run.seconds, {host: len(tasks) for host, tasks in sorted(run.changed.items())}
        )
        return run

    def drill(self, name: str, kind: str) -> None:
        extra = {"verify_drills": [kind], "verify_allow_destructive": kind != "switchover"}
        run = self.play(name, "verify.yml", extra)
        for result in run.results("kwdb.ha.pair_drill"):
            if "drill" not in result:
                continue
            keys = ("drill", "outage_s", "acked", "lost", "fenced_by", "healthy_after_s")
            told = {key: result.get(key) for key in keys}
            self.drills.append({"name": told.pop("drill"), **told})
            print(
                f"    rows written {told['acked']}, rows lost {told['lost']}, outage {told['outage_s']} s, "
                f"healthy after {told['healthy_after_s']} s, fenced by {told['fenced_by'] or 'nobody'}",
                flush=True,
            )

    def final(self) -> dict[str, Any]:
        run = self.play("look at the pair", "verify.yml", {"verify_drills": []})
        info = run.results("kwdb.ha.pair_info")[-1]
        disks = {
            host: self.lab.ssh(host, "drbdadm dstate kwdb").strip().split("/")[0]
            for host in self.lab.hosts
        }
        return {"disks": disks, "healthy": info["healthy"]}


def verdict(report: dict[str, Any]) -> list[str]:
    """What in the report is not as promised."""
    wrong = []
    second = next(p for p in report["phases"] if p["name"] == "site.yml, second run")
    if any(second["changed"].values()):
        wrong.append(f"the second run changed something: {second['changed']}")
    if {d["name"] for d in report["drills"]} != {"switchover", "power_cut"}:
        wrong.append("a drill is missing")
    wrong += [f"{d['name']} lost {d['lost']} rows" for d in report["drills"] if d["lost"] != 0]
    wrong += [f"{d['name']} wrote no row" for d in report["drills"] if not d["acked"]]
    if set(report["final"]["disks"].values()) != {"UpToDate"}:
        wrong.append(f"disks at the end: {report['final']['disks']}")
    if not report["final"]["healthy"]:
        wrong.append("the pair is not healthy at the end")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab up in the end")
    parser.add_argument("--run-dir", type=Path, default=BUILD / "lab")
    options = parser.parse_args()
    lab = Lab(options.run_dir)
    demo = Demo(lab)
    print(
        "kwdb.ha demonstration (the database is a stand-in that stores its rows in PostgreSQL)",
        flush=True,
    )
    begun = time.monotonic()
    try:
        demo.step("build the stand-in packages", build_standin)
        lab.down()
        demo.step("boot two bare hosts", lab.up)
        demo.play("site.yml, first run", "site.yml")
        demo.play("site.yml, second run", "site.yml")
        demo.drill("planned switchover", "switchover")
        demo.drill("power cut of the active host", "power_cut")
        final = demo.final()
    except LabCannotRun:
        print("THIS MACHINE CANNOT RUN THE LAB: nothing was shown.", file=sys.stderr)
        return 77
    finally:
        if options.keep:
            halab = HALAB.relative_to(ROOT)
            print(
                f"\nThe lab stays up. Look around:  {halab} ssh ha-node01 pcs status\nEnd it:  {halab} down"
            )
        else:
            demo.step("take the lab down", lab.down)
    report = {"phases": demo.phases, "drills": demo.drills, "final": final}
    report["wrong"] = verdict(report)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\ntotal {time.monotonic() - begun:.0f} s; report in {REPORT.relative_to(ROOT)}")
    print(
        "\n".join(f"WRONG: {text}" for text in report["wrong"])
        or "Everything as promised: no row lost."
    )
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
