"""A stranger's first hour, timed: `git clone`, a verified memo, own data, a refused plan, a readout in JupyterLab.

    python scripts/stranger.py                   everything, in a clean environment below a temporary folder
    python scripts/stranger.py --write           and docs/first-run.md made anew
    python scripts/stranger.py --without-lab     without JupyterLab and browser

Runs on the standard library; the browser step needs Chromium, and playwright in the interpreter that runs this. Own data are
public files that the project does not ship: a folder `shared/data` with cookie_cats.csv.gz in any folder above the checkout, or
--data; without it that step says so and is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "first-run.md"
START, END = "<!-- made by python scripts/stranger.py --write -->", "<!-- end -->"


@dataclass
class Step:
    """One thing the stranger does.

    Attributes:
        stage: Part of the story.
        typed: What is typed or clicked.
        seconds: How long it took.
        told: What came back, in few words.
    """

    stage: str
    typed: str
    seconds: float
    told: str


@dataclass
class Story:
    """The steps so far, and how commands are run."""

    home: Path
    steps: list[Step] = field(default_factory=list)

    @property
    def checkout(self) -> Path:
        return self.home / "xpbench"

    @property
    def bin(self) -> Path:
        return self.home / "env" / ("Scripts" if os.name == "nt" else "bin")

    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "JUPYTER_PATH")}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "JUPYTER_CONFIG_DIR": str(self.home / "jupyter")}

    def run(self, stage: str, typed: str, *command: str, expect: int = 0, folder: Path | None = None, tell: str = "") -> str:
        """Run a command, time it, insist on its exit code; the answer is its output."""
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder or self.home, env=self.env(), capture_output=True, text=True, check=False, timeout=1800
        )
        seconds = time.perf_counter() - began
        if done.returncode != expect:
            raise SystemExit(f"{typed}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}")
        said = (done.stdout + done.stderr).strip()
        self.add(stage, typed, seconds, tell or (said.splitlines() or [""])[0])
        return said

    def add(self, stage: str, typed: str, seconds: float, told: str) -> None:
        told = told.replace(f"{self.home}{os.sep}", "")  # no path of this machine on the page
        self.steps.append(Step(stage, typed, seconds, told[:150]))
        print(f"{seconds:7.1f} s  {typed}\n           {told[:150]}", flush=True)

    def xpbench(self, stage: str, *arguments: str, expect: int = 0, tell: str = "") -> str:
        quoted = " ".join(f'"{a}"' if " " in a else a for a in arguments).replace(f"{self.checkout}{os.sep}", "xpbench/")
        if DATA in os.environ:
            quoted = quoted.replace(os.environ[DATA], "data")
        return self.run(stage, f"xpbench {quoted}", str(self.bin / "xpbench"), *arguments, expect=expect, tell=tell)


DATA = "XPBENCH_STRANGER_DATA"


def weigh(story: Story) -> tuple[int, float, list[tuple[str, float]]]:
    """Packages without pip, megabytes, and the heaviest with what they are."""
    code = (
        "import importlib.metadata as m, json, pathlib\n"
        "out = {}\n"
        "for d in m.distributions():\n"
        "    size = sum(p.stat().st_size for f in d.files or [] if (p := pathlib.Path(d.locate_file(f))).is_file())\n"
        "    out[d.metadata['Name']] = size / 1e6\n"
        "print(json.dumps(out))"
    )
    done = subprocess.run([str(story.bin / "python"), "-c", code], capture_output=True, text=True, check=True, env=story.env())
    sizes = {k: v for k, v in json.loads(done.stdout).items() if k not in ("pip", "setuptools")}
    return len(sizes), sum(sizes.values()), sorted(sizes.items(), key=lambda kv: -kv[1])[:12]


def install(story: Story, source: str) -> None:
    """Clone, environment, base install."""
    stage = "install"
    story.run(stage, "git clone … xpbench", "git", "clone", "--quiet", source, str(story.checkout), tell="cloned")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", str(story.home / "env")], check=True)
    story.add(stage, "python3 -m venv env", time.perf_counter() - began, f"Python {platform.python_version()}")
    python = str(story.bin / "python")
    story.run(
        stage, "env/bin/pip install ./xpbench", python, "-m", "pip", "install", "-q", str(story.checkout), tell="installed"
    )


def first_memo(story: Story) -> None:
    """The demo, and its proof."""
    stage = "first memo"
    said = story.xpbench(stage, "demo", "--out", "demo")
    print(said)
    memo = next((story.home / "demo").rglob("memo.html"))
    story.xpbench(stage, "verify", str(memo.relative_to(story.home)))


def own_data(story: Story, data: Path) -> None:
    """Cookie Cats: register, read, decide, memo, verify."""
    stage = "own data"
    os.environ[DATA] = str(data)
    plan = story.checkout / "docs" / "examples" / "cookie-cats.plan.json"
    table = ["--units", str(data / "cookie_cats.csv.gz"), "--unit", "userid", "--variant-column", "version"]
    story.xpbench(stage, "check", str(plan))
    story.xpbench(stage, "register", str(plan), "--by", "stranger")
    story.xpbench(stage, "readout", "cookie-cats", *table)
    because = "fewer players come back after a week"
    story.xpbench(stage, "decide", "cookie-cats", "ship-none", "--because", because, "--by", "stranger", *table)
    story.xpbench(stage, "memo", "cookie-cats")
    story.xpbench(stage, "verify", "experiments/cookie-cats/memo.html")


def refused_plan(story: Story) -> None:
    """A plan without margin, with splits that do not add up: every problem at once, nothing registered."""
    stage = "refused plan"
    story.xpbench(stage, "new", "--template", "beta-homepage", "--key", "bad", "bad.plan.json")
    path = story.home / "bad.plan.json"
    document = json.loads(path.read_text("utf-8"))
    document["variants"][0]["split"] = 0.9
    for metric in document["metrics"]:
        for name in ("margin", "margin_rel"):
            metric.pop(name, None)
    path.write_text(json.dumps(document), "utf-8")
    said = story.xpbench(stage, "check", "bad.plan.json", expect=1)
    story.steps[-1].told = f"{said.count('▲')} problems, the first: {said.splitlines()[0].split(': ', 1)[-1]}"[:220]
    story.xpbench(stage, "register", "bad.plan.json", expect=2, tell="refused, exit 2; nothing was written")
    if (story.home / "experiments" / "bad").exists():
        raise SystemExit("a refused plan was registered")


NOTEBOOK = """import xpbench as xp
experiment = xp.open_experiment("cookie-cats")
readout = experiment.readout(xp.units("cats.csv.gz", unit="userid", variant="version"))
readout"""


def in_lab(story: Story, data: Path | None) -> None:
    """JupyterLab in a browser: a notebook is opened, run, and shows the readout."""
    stage = "JupyterLab"
    python = str(story.bin / "python")
    wanted = f"{story.checkout}[lab]"
    story.run(stage, 'env/bin/pip install "./xpbench[lab]"', python, "-m", "pip", "install", "-q", wanted, tell="installed")
    if data is not None:
        shutil.copy(data / "cookie_cats.csv.gz", story.home / "cats.csv.gz")
        source = NOTEBOOK
    else:
        source = 'import xpbench as xp\nxp.template("conversion-funnel")'
    cell = {"cell_type": "code", "id": "a", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (story.home / "readout.ipynb").write_text(json.dumps(notebook), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=t"]
    began = time.perf_counter()
    log = (story.home / "lab.log").open("wb")
    server = subprocess.Popen(command, cwd=story.home, env=story.env(), stdout=log, stderr=log)
    try:
        _wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=t", timeout=2).status == 200)
        story.add(stage, "jupyter lab", time.perf_counter() - began, "the server answers")
        _browse(story, f"http://127.0.0.1:{port}/lab/tree/readout.ipynb?token=t")
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _wait(ready: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if ready():
                return
        except OSError:
            time.sleep(0.3)
    raise SystemExit("the JupyterLab server did not start; see lab.log")


def _browse(story: Story, address: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        began = time.perf_counter()
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_selector(".jp-CodeCell", timeout=180_000)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", state="attached", timeout=120_000)
        story.add(
            "JupyterLab",
            "open readout.ipynb in the browser",
            time.perf_counter() - began,
            "the notebook is there, its kernel idle",
        )
        began = time.perf_counter()
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.locator(".jp-CodeCell .cm-content").first.press("Shift+Enter")
        page.wait_for_selector(".jp-OutputArea-output", timeout=120_000)
        text = " ".join(page.locator(".jp-OutputArea-output").first.inner_text().split())
        error = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()
        page.screenshot(path=str(story.home / "readout.png"))
        browser.close()
    if error:
        raise SystemExit(f"the cell failed: {text}")
    story.add("JupyterLab", "run the cell (Shift+Enter)", time.perf_counter() - began, text)


def shared_data() -> Path | None:
    """`shared/data` beside any folder above the checkout."""
    found = (p / "shared" / "data" for p in ROOT.parents)
    return next((p for p in found if (p / "cookie_cats.csv.gz").is_file()), None)


def table(steps: list[Step]) -> str:
    """The steps as Markdown."""
    lines = ["| | typed or clicked | seconds | what came back |", "|---|---|--:|---|"]
    stage = ""
    for step in steps:
        told = step.told.replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {step.stage if step.stage != stage else ''} | `{step.typed}` | {step.seconds:.1f} | {told} |")
        stage = step.stage
    return "\n".join(lines)


def main() -> int:
    """Play the story, print it, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=str(ROOT), help="what is cloned; this checkout if missing")
    parser.add_argument("--data", type=Path, help="folder with cookie_cats.csv.gz")
    parser.add_argument("--without-lab", action="store_true", help="without JupyterLab and browser")
    parser.add_argument("--write", action="store_true", help="write docs/first-run.md")
    parser.add_argument("--keep", type=Path, help="folder to play in, kept afterwards; must not exist")
    options = parser.parse_args()
    data = options.data or shared_data()
    with tempfile.TemporaryDirectory(prefix="stranger-") as temporary:
        home = options.keep or Path(temporary) / "home"
        home.mkdir(parents=True)
        story = Story(home)
        install(story, options.source)
        base = weigh(story)
        first_memo(story)
        to_memo, count = sum(s.seconds for s in story.steps), len(story.steps)
        if data is not None:
            own_data(story, data)
        else:
            print("no shared/data above the checkout: own data are left out")
        refused_plan(story)
        with_lab = None
        if not options.without_lab:
            in_lab(story, data)
            with_lab = weigh(story)
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=story.checkout, capture_output=True, text=True, check=True
        ).stdout.strip()
    text = told(story, base=base, with_lab=with_lab, commit=commit, to_memo=to_memo, count=count)
    print(text)
    if options.write:
        write(text)
    return 0


Weight = tuple[int, float, list[tuple[str, float]]]


def told(story: Story, *, base: Weight, with_lab: Weight | None, commit: str, to_memo: float, count: int) -> str:
    """What the page says: steps and seconds to the first memo, weight of the install, every step."""
    total = sum(s.seconds for s in story.steps)
    heads = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, commit `{commit}`; packages from a package index nearby.",
        "",
        f"**{count} steps and {to_memo:.0f} seconds to the first verified memo**, installation included; "
        f"{len(story.steps)} steps and {total:.0f} seconds for everything below.",
        "",
        f"**Base install: {base[0]} packages, {base[1]:.0f} MB.** "
        + (f"With JupyterLab: {with_lab[0]} packages, {with_lab[1]:.0f} MB. " if with_lab else "")
        + "The heaviest of the base: "
        + ", ".join(f"{name} {size:.0f}" for name, size in base[2])
        + " MB.",
        "",
    ]
    return "\n".join(heads) + "\n" + table(story.steps)


def write(text: str) -> None:
    """Put it between the marks of docs/first-run.md."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    PAGE.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
