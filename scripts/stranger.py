"""A stranger's first hour, timed: `git clone`, a verified memo, own data, a refused plan, a readout in JupyterLab.

    python scripts/stranger.py                        the story, in a clean environment below a temporary folder
    python scripts/stranger.py --everything           then every docs snippet, notebook, command with --help, message
    python scripts/stranger.py --python python3.13    with another Python than the one that runs this
    python scripts/stranger.py --everything --write   and the result kept, and docs/proof/first-run.md made from all results
    python scripts/stranger.py --without-lab          without JupyterLab and browser

Runs on the standard library; the browser step needs Chromium, and playwright in the interpreter that runs this; --write needs
xpbench there. Own data are public files that the project does not ship: a folder `shared/data` with cookie_cats.csv.gz in any
folder above the checkout, or --data; without it that step says so and is left out. With uv on the path, the demo is run once
more by it, in one command.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.make_first_run import PARTS, overview, table  # noqa: E402 - scripts are run by their path
from scripts.make_first_run import write as write_page  # noqa: E402


@dataclass
class Step:
    """One thing the stranger does.

    Attributes:
        stage: Part of the story.
        typed: What is typed or clicked.
        seconds: How long it took.
        cpu: Processor seconds of the command, which other work on the machine does not change; None where nobody counted.
        told: What came back, in few words.
    """

    stage: str
    typed: str
    seconds: float
    cpu: float | None
    told: str


@dataclass
class Story:
    """The steps so far, and how commands are run."""

    home: Path
    python: str = sys.executable
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
        began, spent = time.perf_counter(), _children()
        done = subprocess.run(
            command, cwd=folder or self.home, env=self.env(), capture_output=True, text=True, check=False, timeout=3600
        )
        seconds, cpu = time.perf_counter() - began, _children() - spent
        if done.returncode != expect:
            raise SystemExit(f"{typed}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}")
        said = (done.stdout + done.stderr).strip()
        self.add(stage, typed, seconds, tell or (said.splitlines() or [""])[0], cpu=cpu)
        return said

    def add(self, stage: str, typed: str, seconds: float, told: str, *, cpu: float | None = None) -> None:
        told = told.replace(f"{self.home}{os.sep}", "")  # no path of this machine on the page
        told = told if len(told) <= SHORT else told[: SHORT - 1].rsplit(" ", 1)[0] + " …"
        self.steps.append(Step(stage, typed, round(seconds, 1), None if cpu is None else round(cpu, 1), told))
        print(f"{seconds:7.1f} s  {typed}\n           {told}", flush=True)

    def xpbench(self, stage: str, *arguments: str, expect: int = 0, tell: str = "") -> str:
        quoted = " ".join(f'"{a}"' if " " in a else a for a in arguments).replace(f"{self.checkout}{os.sep}", "xpbench/")
        if DATA in os.environ:
            quoted = quoted.replace(os.environ[DATA], "data")
        return self.run(stage, f"xpbench {quoted}", str(self.bin / "xpbench"), *arguments, expect=expect, tell=tell)


DATA = "XPBENCH_STRANGER_DATA"
SHORT = 110
"""Characters of an answer that the page shows."""


def _children() -> float:
    """Processor seconds of all commands that have ended so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


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
    story.run(stage, "python3 -m venv env", story.python, "-m", "venv", str(story.home / "env"), tell="an empty environment")
    log = ("--log", str(story.home / "pip.log"))
    python = str(story.bin / "python")
    pip = (python, "-m", "pip", "install", "-q", *log, str(story.checkout))
    story.run(stage, "env/bin/pip install ./xpbench", *pip, tell="installed")


ENDS = (
    "Preparing metadata (pyproject.toml): started",
    "Preparing metadata (pyproject.toml): finished",
    "Building wheels for collected packages",
    "Successfully installed",
)
"""The line of pip's log that ends each of `PARTS`."""


def parts_of_install(log: str) -> dict[str, float]:
    """Seconds of each part of `pip install`, by the times in its log; a part without its line is left out."""
    lines = re.findall(r"^(\S+T\S+) (?:  )?(\S.*)$", log, re.MULTILINE)
    times = [datetime.fromisoformat(stamp.replace(",", ".")) for stamp, _ in lines]
    out: dict[str, float] = {}
    last = 0
    for part, mark in zip(PARTS, ENDS, strict=True):
        found = [i for i, (_, text) in enumerate(lines) if text.startswith(mark) and i > last]
        if found:
            end = found[-1] if mark == ENDS[-1] else found[0]
            out[part] = round((times[end] - times[last]).total_seconds(), 1)
            last = end
    return out


def first_memo(story: Story) -> None:
    """The demo, which proves its memo itself."""
    said = story.xpbench("first memo", "demo", "--out", "demo")
    print(said)
    verdict = next((line for line in said.splitlines() if line.startswith("Verify:")), "")
    if "verified" not in verdict:
        raise SystemExit(f"the demo's memo is not verified: {said}")


def in_one_command(story: Story) -> None:
    """The same by uv, from an empty cache: no environment, no installing."""
    uv = shutil.which("uv")
    if uv is None:
        print("no uv on the path: the demo in one command is left out")
        return
    os.environ["UV_CACHE_DIR"] = str(story.home / "uv")
    command = (
        uv,
        "tool",
        "run",
        "--python",
        story.python,
        "--from",
        str(story.checkout),
        "xpbench",
        "demo",
        "--out",
        "demo-uv",
    )
    story.run("in one command", "uvx --from ./xpbench xpbench demo", *command)


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
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # Jupyter does not start for root unless told to
        (story.home / "jupyter").mkdir(exist_ok=True)
        (story.home / "jupyter" / "jupyter_server_config.json").write_text('{"ServerApp": {"allow_root": true}}', "utf-8")
    command = [str(story.bin / "xpbench"), "lab", "--no-browser", f"--port={port}"]
    began = time.perf_counter()
    log = (story.home / "lab.log").open("wb")
    env = {**story.env(), "JUPYTER_TOKEN": "t"}
    server = subprocess.Popen(command, cwd=story.home, env=env, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: bool(_asked(f"{address}/api?token=t")))
        story.add(stage, "xpbench lab", time.perf_counter() - began, "the server answers")
        _browse(story, address)
    finally:
        _end(server)
        log.close()


def _end(server: subprocess.Popen[bytes]) -> None:
    """The command and the server that it started; they are a process group of their own."""
    if hasattr(os, "killpg"):
        os.killpg(server.pid, signal.SIGTERM)
    else:
        server.terminate()
    server.wait(timeout=60)


def _asked(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - on this machine
        return json.load(answer)


def _wait(ready: Callable[[], bool], seconds: float = 240, *, what: str = "the JupyterLab server did not start") -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.3)
    raise SystemExit(f"{what}; see lab.log")


def _is_idle(address: str) -> bool:
    """A kernel is there, the page is connected to it, and it has nothing to do."""
    kernels = _asked(f"{address}/api/kernels?token=t")
    return any(k["execution_state"] == "idle" and k["connections"] for k in kernels)


def _browse(story: Story, address: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        began = time.perf_counter()
        page.goto(f"{address}/lab/tree/readout.ipynb?token=t", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-CodeCell .cm-content", timeout=240_000)
        _wait(lambda: _is_idle(address), what="no kernel came")  # the page itself says "idle" before it has one
        told = "the notebook is there, its kernel idle"
        story.add("JupyterLab", "open readout.ipynb in the browser", time.perf_counter() - began, told)
        began = time.perf_counter()
        cell = page.locator(".jp-CodeCell .cm-content").first
        cell.click()
        cell.press("Shift+Enter")
        output = page.locator(".jp-OutputArea-output").first
        output.wait_for(timeout=240_000)
        text = " ".join(output.inner_text().split())
        error = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()
        seconds = time.perf_counter() - began
        page.wait_for_timeout(500)
        page.screenshot(path=str(story.home / "readout.png"))
        browser.close()
    if error:
        raise SystemExit(f"the cell failed: {text}")
    story.add("JupyterLab", "run the cell (Shift+Enter)", seconds, text)


EXTRAS = "lab,sandbox"
"""What pages and notebooks ask for beyond the base install."""


def everything(story: Story) -> dict[str, Any]:
    """Every docs snippet, notebook, command and message (`scripts/every_page.py`); how many, and which failed."""
    stage = "every page"
    python = str(story.bin / "python")
    pip = (python, "-m", "pip", "install", "-q", f"{story.checkout}[{EXTRAS}]")
    story.run(stage, f'env/bin/pip install "./xpbench[{EXTRAS}]"', *pip, tell="installed")
    out = {}
    for part in ("commands", "messages", "snippets", "notebooks"):
        began, spent = time.perf_counter(), _children()
        command = [python, str(story.checkout / "scripts" / "every_page.py"), "--json", part]
        done = subprocess.run(command, cwd=story.home, env=story.env(), capture_output=True, text=True, check=False)
        if not done.stdout:
            raise SystemExit(f"every_page.py {part}: {done.stderr}")
        found = json.loads(done.stdout)[part]
        failed = {name: why for name, why in found.items() if why}
        out[part] = {"tried": len(found), "failed": failed}
        told = f"{len(found) - len(failed)} of {len(found)}" + (f"; failed: {', '.join(failed)}" if failed else "")
        typed = f"python xpbench/scripts/every_page.py {part}"
        story.add(stage, typed, time.perf_counter() - began, told, cpu=_children() - spent)
        for name, why in failed.items():
            print(f"\n{name}\n{why}")
    return out


def shared_data() -> Path | None:
    """`shared/data` beside any folder above the checkout."""
    found = (p / "shared" / "data" for p in ROOT.parents)
    return next((p for p in found if (p / "cookie_cats.csv.gz").is_file()), None)


def play(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole story; what `--write` keeps of it."""
    data = options.data or shared_data()
    story = Story(home, python=options.python)
    install(story, options.source)
    base = weigh(story)
    install_parts = parts_of_install((home / "pip.log").read_text("utf-8"))
    first_memo(story)
    steps_to_memo = len(story.steps)
    if data is not None:
        own_data(story, data)
    else:
        print("no shared/data above the checkout: own data are left out")
    refused_plan(story)
    in_one_command(story)
    with_lab = None
    if not options.without_lab:
        in_lab(story, data)
        with_lab = weigh(story)
    tried = everything(story) if options.everything else {}
    asked = [str(story.bin / "python"), "-c", "import platform; print(platform.python_version())"]
    return {
        "tried_with": subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip(),
        "cloned_commit": subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=story.checkout, capture_output=True, text=True, check=True
        ).stdout.strip(),
        "steps_to_memo": steps_to_memo,
        "seconds_to_memo": round(sum(s.seconds for s in story.steps[:steps_to_memo]), 1),
        "cpu_to_memo": round(sum(s.cpu or 0.0 for s in story.steps[:steps_to_memo]), 1),
        "seconds": round(sum(s.seconds for s in story.steps), 1),
        "pip_install": install_parts,
        "base": _weight(base),
        "with_lab": _weight(with_lab),
        "every_page": tried,
        "steps": [asdict(s) for s in story.steps],
    }


def main() -> int:
    """Play the story, keep its result and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the clean environment; this one if missing")
    parser.add_argument("--everything", action="store_true", help="and every docs snippet, notebook, command and message")
    parser.add_argument("--source", default=str(ROOT), help="what is cloned; this checkout if missing")
    parser.add_argument("--data", type=Path, help="folder with cookie_cats.csv.gz")
    parser.add_argument("--without-lab", action="store_true", help="without JupyterLab and browser")
    parser.add_argument(
        "--write", action="store_true", help="keep the result, and write docs/proof/first-run.md from all results"
    )
    parser.add_argument("--keep", type=Path, help="folder to play in, kept afterwards; must not exist")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stranger-") as temporary:
        home = options.keep or Path(temporary) / "home"
        home.mkdir(parents=True)
        result = play(home, options)
    if options.write:
        keep(result, options)
        write_page()
    print(overview([result]) + "\n\n" + table(result["steps"]))
    return 1 if any(part["failed"] for part in result["every_page"].values()) else 0


Weight = tuple[int, float, list[tuple[str, float]]]


def _weight(weight: Weight | None) -> dict[str, Any] | None:
    if weight is None:
        return None
    packages, size, heaviest = weight
    return {"packages": packages, "mb": round(size), "heaviest_mb": {name: round(mb) for name, mb in heaviest}}


def keep(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Put the result where all results are, one for each Python."""
    from benchmarks.report import write as write_result

    minor = ".".join(result["tried_with"].split(".")[:2])
    command = f"python scripts/stranger.py --python python{minor}{' --everything' if options.everything else ''} --write"
    write_result(f"first-run-{minor}", result, command=command, quiet=True)


if __name__ == "__main__":
    sys.exit(main())
