"""A client outside of the pair: it writes rows through the virtual IP as the drills do, and says which were lost.

Run as a program, inside the lab's network, it writes until its standard input ends.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pairlab import BUILD, HALAB, Lab, build_standin

from ansible_collections.kwdb.ha.plugins.module_utils import _pair_rows, _sql_client

VIP = "10.77.1.100"
PORT = 26257


def program() -> Path:
    """The database's client, unpacked from the stand-in's packages."""
    folder = BUILD / "client"
    found = sorted(folder.glob("usr/**/bin/kwbase"))
    if not found:
        packages = build_standin()
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
        found = sorted(folder.glob("usr/**/bin/kwbase"))
    return next(one for one in found if not one.is_symlink())


class Client:
    """Writes rows from this machine while something happens to the pair."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.id = _pair_rows.new_drill_id()
        self.table = _pair_rows.table_of(self.id)
        self.record = lab.run_dir / f"client-{self.id}.jsonl"
        self.certificates = str(lab.run_dir / "certs")
        self.client = _sql_client.Client(str(program()), VIP, PORT, self.certificates, "root")
        self.process: subprocess.Popen[str] | None = None
        self.sequence = 0

    def inside(self, *command: str) -> list[str]:
        """A command inside the lab's network."""
        return [str(HALAB), "run", "--run-dir", str(self.lab.run_dir), "--", *command]

    def sql(self, statement: str, patience: float = 120) -> list[str]:
        """Lines that the database answers, tried again while it does not."""
        command = self.inside(*self.client.argv(), "-e", statement)
        end = time.monotonic() + patience
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=30, check=False
                )
                if done.returncode == 0:
                    return done.stdout.splitlines()
                assert time.monotonic() < end, done.stdout + done.stderr
            assert time.monotonic() < end, f"{statement}: no answer"
            time.sleep(1)

    def __enter__(self) -> Client:
        for statement in _pair_rows.table_statements(self.table):
            self.sql(statement)
        command = self.inside(sys.executable, __file__, str(self.lab.run_dir), self.id)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.wait_after(time.monotonic(), 60)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        with contextlib.suppress(AssertionError):
            self.sql(f"DROP TABLE IF EXISTS {self.table}")
        self.record.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop writing."""
        if self.process is None:
            return
        said, _ = self.process.communicate("")
        assert self.process.returncode == 0, "the client failed"
        self.sequence, self.process = int(said), None

    def rows(self) -> list[_pair_rows.Row]:
        """The rows that were acknowledged until now."""
        if not self.record.exists():
            return []
        lines = self.record.read_text().splitlines(keepends=True)
        return [_pair_rows.Row(**json.loads(line)) for line in lines if line.endswith("\n")]

    def wait_after(self, moment: float, seconds: float, count: int = 5) -> None:
        """Wait until rows were acknowledged that were sent after this moment."""
        end = time.monotonic() + seconds
        while sum(row.sent > moment for row in self.rows()) < count:
            assert time.monotonic() < end, f"no row is acknowledged within {seconds} s"
            time.sleep(0.5)

    def verdict(self, event: float) -> dict[str, Any]:
        """What became of the rows, and the longest time without one since the event."""
        self.stop()
        rows = self.rows()
        present = _pair_rows.present_ids(self.sql(f"SELECT id FROM {self.table}", 300))
        found = _pair_rows.compare(self.id, [row.id for row in rows], present, self.sequence)
        return {
            "acked": found.acked,
            "lost": len(found.lost),
            "wrong": [*found.duplicates, *found.foreign],
            "outage_s": _pair_rows.outage(rows, event),
        }


def main() -> int:
    """Write until standard input ends; print how many rows were sent."""
    client = Client(Lab(Path(sys.argv[1])))
    client.id = sys.argv[2]
    table = _pair_rows.table_of(client.id)
    with open(client.lab.run_dir / f"client-{client.id}.jsonl", "x", encoding="ascii") as record:
        writer = _pair_rows.Writer(client.client, table, client.id, record)
        writer.start()
        sys.stdin.read()
        writer.stop()
    print(writer.sequence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
