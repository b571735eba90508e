# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as people get it: written by the module and the role, and shown by a real browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _pair_rows, _report, _report_page

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "unit" / "fixtures" / "report"
BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium")
# Not in tests/packages.txt: half a gigabyte for the looks of one page.
browser = pytest.mark.skipif(CHROMIUM is None, reason="the Debian package chromium is missing")
WIDTHS = (1280, 400)


def drill(name: str, **change: Any) -> dict[str, Any]:
    """A drill on the lab, with rows as a client writes them around its outage."""
    found = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    over = next(one["at_s"] for one in found["phases"] if one["name"] == "outage over")
    begun = over - found["outage_s"]
    times = [at * 0.13 - 1.3 for at in range(int((found["healthy_after_s"] + 3) / 0.13))]
    times = sorted([*(at for at in times if not begun < at < over), begun, over])
    rows = [_pair_rows.Row("x", at - 0.01, at) for at in times]
    return {**found, "acknowledgements": _pair_rows.acknowledgements(rows, 0.0), **change}


def report(**change: Any) -> dict[str, Any]:
    """A report with all that a page can hold."""
    long = "fence-" + "of-a-host-with-a-long-name-" * 3
    lost = drill(
        "switchover",
        passed=False,
        lost=2,
        lost_ids=["e598a5fa839b452bb7a93970bde2c6b0-00000041"] * 2,
        msg="the drill switchover failed: 2 acknowledged rows are lost. Look at `pcs status`.",
        record="/var/lib/kwdb-ha/drill-e598a5fa839b452bb7a93970bde2c6b0.jsonl",
    )
    named = drill("power_cut")
    named["phases"][2]["name"] = f"{long} started"
    finding = {"severity": "warning", "kind": "fencing", "thing": long, "message": "it is long"}
    return {
        "time": "2026-11-25T16:08:02Z",
        "healthy": False,
        "active_node": "ha-node01",
        "standby_node": "ha-node02",
        "disks": {"ha-node01": "UpToDate", "ha-node02": "Inconsistent"},
        "findings": [{**finding, "remedy": f"`pcs stonith config {long}`"}],
        "drills": [lost, named],
        "drills_not_run": ["power_cut"],
        **change,
    }


# --- a real browser -------------------------------------------------------------------------------

# A page beside the report's looks into it, for its own policy runs no script.
PROBE = """
<iframe src="page.html" style="border: 0; width: %dpx; height: 3000px"></iframe>
<pre id="found"></pre>
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const box = (one) => {
    const found = one.getBoundingClientRect();
    return [found.left, found.top, found.right, found.bottom].map(Math.round);
  };
  const style = (selector) => page.defaultView.getComputedStyle(page.querySelector(selector));
  const colours = Object.fromEntries(
    [".quiet", ".good", ".bad", ".doubt", "td", "dd"].map((one) => [one, style(one).color]));
  document.getElementById("found").textContent = JSON.stringify({
    width: page.documentElement.clientWidth,
    needed: page.documentElement.scrollWidth,
    text: page.body.innerText,
    page: style("body").backgroundColor,
    colours,
    pictures: [...page.querySelectorAll(".picture")].map((picture) => ({
      box: box(picture),
      bars: [...picture.querySelectorAll(".bar")].map(box),
      rows: [...picture.querySelectorAll(".rows")].map(box),
      gaps: [...picture.querySelectorAll(".gap")].map(box),
      words: [...picture.querySelectorAll("text")].map((one) => [one.textContent, ...box(one)]),
    })),
  });
});
</script>
"""


def browse(folder: Path, page: str, width: int, *options: str) -> tuple[dict[str, Any], list[str]]:
    """What the browser made of the page, and what it said about it."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    probe = folder / "probe.html"
    probe.write_text(PROBE % width, encoding="utf-8")
    argv = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--allow-file-access-from-files",
        "--window-size=1400,1000",
        "--enable-logging=stderr",
        *options,
        "--dump-dom",
        probe.as_uri(),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found.group(1), done.stderr
    return json.loads(html.unescape(found.group(1))), said


def page_of(raw: dict[str, Any]) -> str:
    """The page."""
    return _report_page.as_page(_report.read_report(raw))


def overlap(one: list[Any], two: list[Any]) -> bool:
    """Whether two words lie on each other: text, left, top, right, bottom."""
    return one[1] < two[3] and two[1] < one[3] and one[2] < two[4] and two[2] < one[4]


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits_its_window(tmp_path: Path, width: int) -> None:
    found, said = browse(tmp_path, page_of(report()), width)
    assert said == []
    assert found["needed"] <= found["width"] == width
    for words in ("The pair is NOT healthy, drill switchover failed", "fence_ipmilan", "38.3"):
        assert words in found["text"]
    assert len(found["pictures"]) == 2
    for picture in found["pictures"]:
        left, top, right, bottom = picture["box"]
        assert right - left > 360 and bottom - top > 300
        assert len(picture["rows"]) == len(picture["gaps"]) == 1
        for one in (*picture["bars"], *picture["rows"], *picture["gaps"]):
            assert left <= one[0] < one[2] <= right and top <= one[1] < one[3] <= bottom


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_words_in_the_picture_can_be_read(tmp_path: Path, width: int) -> None:
    found, _said = browse(tmp_path, page_of(report()), width)
    for picture in found["pictures"]:
        words = picture["words"]
        left, _top, right, _bottom = picture["box"]
        assert [one for one in words if one[1] < left - 1 or one[3] > right + 1] == []
        pairs = [(one, two) for at, one in enumerate(words) for two in words[at + 1 :]]
        assert [(one[0], two[0]) for one, two in pairs if overlap(one, two)] == []


def light(colour: str) -> float:
    """How light a colour is, as WCAG 2 defines it."""
    parts = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@browser
@pytest.mark.parametrize("dark", [False, True])
def test_colours_can_be_read_by_day_and_by_night(tmp_path: Path, dark: bool) -> None:
    options = ["--blink-settings=preferredColorScheme=0"] if dark else []
    found, _said = browse(tmp_path, page_of(report()), 1280, *options)
    page = light(found["page"])
    assert page < 0.05 if dark else page > 0.9
    for name, colour in found["colours"].items():
        brighter, darker = sorted((light(colour), page), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, name


@browser
def test_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    """The page's policy stops what would come from outside, and the browser says so."""
    (tmp_path / "x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page = page_of(report())
    for planted in ('<img src="x.svg">', "<script>document.body.textContent = ''</script>"):
        found, said = browse(tmp_path, page.replace("<section>", f"{planted}<section>", 1), 1280)
        assert "NOT healthy" in found["text"]
        assert any("Content Security Policy" in line for line in said), said


# --- the module and the role ----------------------------------------------------------------------


def ansible(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs."""
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    argv = (str(BIN / argv[0]), *argv[1:])
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def write(folder: Path, raw: dict[str, Any], *options: str) -> dict[str, Any]:
    """Run the module on this machine."""
    arguments = json.dumps({"directory": str(folder), "report": raw})
    argv = ("ansible", "localhost", "-m", "kwdb.ha.pair_report", "-a", arguments, "-o", *options)
    done = ansible(*argv)
    assert "=> {" in done.stdout, done.stdout + done.stderr
    return json.loads(done.stdout[done.stdout.index("=> {") + 3 :])


def test_module_writes_three_private_files_once(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "pair"
    assert write(folder, report(), "--check")["changed"]
    assert not folder.parent.exists()

    first = write(folder, report())
    assert first["changed"]
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {name: Path(path) for name, path in first["files"].items()}
    assert set(folder.iterdir()) == set(files.values())
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in files.values())
    assert json.loads(files["json"].read_text()) == report()
    assert files["html"].read_text() == page_of(report())
    assert ElementTree.parse(files["junit"]).getroot().get("tests") == "4"

    assert not write(folder, report())["changed"]
    files["html"].chmod(0o644)
    assert write(folder, report())["changed"]
    assert files["html"].stat().st_mode & 0o777 == 0o600


def test_module_refuses_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = write(tmp_path / "file", report())
    assert "Name a folder that this user can write" in failed["msg"]


def test_role_leaves_a_report_when_the_run_fails(tmp_path: Path) -> None:
    """On two hosts without a cluster, so that the drills are refused."""
    host = {"ansible_connection": "local", "ansible_become": False}
    host["ansible_python_interpreter"] = sys.executable
    inventory = tmp_path / "inventory.json"
    names = ("ha-node01", "ha-node02")
    inventory.write_text(json.dumps({"kwdb_pair": {"hosts": dict.fromkeys(names, host)}}))
    folder = tmp_path / "reports"
    values = {"verify_drills": ["switchover"] * 2, "verify_report_directory": str(folder)}
    play = ("ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks" / "verify.yml"))

    previewed = ansible(*play, "--check", "-e", json.dumps(values))
    assert previewed.returncode == 0, previewed.stdout + previewed.stderr
    assert not folder.exists()

    done = ansible(*play, "-e", json.dumps(values))
    assert done.returncode != 0
    written = json.loads((folder / "verify.json").read_text())
    assert not written["healthy"] and not written["passed"]
    assert [one["drill"] for one in written["drills"]] == ["switchover"]
    assert written["drills_not_run"] == ["switchover"]
    cases = list(ElementTree.parse(folder / "verify.xml").iter("testcase"))
    assert [[child.tag for child in one] for one in cases] == [
        ["failure"],
        ["failure"],
        ["skipped"],
    ]
    page = (folder / "verify.html").read_text()
    assert "The pair is NOT healthy, drill switchover failed" in page
    assert f"{written['time'][:10]} {written['time'][11:19]} UTC" in page
