"""Builds a JupyterLite site that has xpbench in it, and tries it in Chromium with the network cut off.

    python scripts/make_lite.py --out DIR               the site, with Pyodide and the wheels it needs from npm and PyPI
    python scripts/make_lite.py --out DIR --check       … opened in Chromium; writes benchmarks/results/lite.json
    python scripts/make_lite.py --out DIR --cdn         the site as one would publish it: Pyodide from its own network

Needs Node's npm and, for `--check`, what the tests need (`pip install -e ".[dev]"`). JupyterLite itself is installed into an
environment of its own under DIR.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import venv
import zipfile
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parents[1]
JUPYTERLITE = ("jupyterlite-core==0.8.6", "jupyterlite-pyodide-kernel==0.8.6", "jupyter-server>=2.15")
WANTED = ("micropip", "ipython", "jedi", "packaging", "pydantic")
"""Packages of Pyodide's own list that the kernel and plans need, with what they depend on."""
BESIDE = ("rfc8785>=0.1.4", "comm>=0.2")
"""Pure Python that Pyodide does not list."""
COMPILED = ("numpy", "scipy", "pandas", "pyarrow", "duckdb")
"""What a readout computes with; a registry has to have it for the browser before a readout can be tried here."""
PLATFORM = ("--only-binary=:all:", "--platform", "{abi}", "--python-version", "3.14", "--implementation", "cp")

CELLS = (
    # what is not on this page's own server is not to be had: numpy, scipy, pandas, duckdb and altair stay away
    "import piplite\n"
    "await piplite.install(['pydantic', 'rfc8785'])\n"
    "await piplite.install('xpbench', deps=False)\n"
    "import json, sys, xpbench as xp\n"
    "found = {'platform': sys.platform, 'python': sys.version.split()[0], 'xpbench': xp.__version__}",
    "plan = xp.template('beta-homepage')\n"
    "found['plan_digest'] = plan.digest\n"
    "found['problems'] = [str(p) for p in plan.problems()]\n"
    "found['problems_without_metrics'] = sorted({p.code for p in plan.changed(metrics=[]).problems()})",
    "import pathlib, tempfile\n"
    "from xpbench.errors import XpbenchError\n"
    "from xpbench.ledger import Ledger\n"
    "path = pathlib.Path(tempfile.mkdtemp()) / 'ledger.jsonl'\n"
    "for n in range(3):\n"
    "    Ledger(path).append('note', {'text': f'line {n}'})\n"
    "found['ledger_entries'] = len(Ledger(path).entries())\n"
    "path.write_text(path.read_text().replace('line 1', 'line 7'))\n"
    "try:\n"
    "    Ledger(path).entries()\n"
    "except XpbenchError as error:\n"
    "    found['changed_ledger'] = error.code",
    "memo = pathlib.Path('memo.html').read_text('utf-8')\n"
    "changed = path.with_name('changed-memo.html')\n"
    "changed.write_text(memo.replace('as planned', 'as wished'), 'utf-8')\n"
    "found['memo'] = xp.verify('memo.html').to_dict()\n"
    "found['changed_memo'] = xp.verify(changed).status",
    # a readout of a per-unit table, as far as it goes: what is missing is said by name
    "try:\n"
    "    experiment = xp.register(plan, root='experiments')\n"
    "    rows = [{'unit': f'u{n}', 'variant': 'control' if n % 2 else 'beta', 'x': n % 3} for n in range(1000)]\n"
    "    found['readout'] = str(experiment.readout(xp.units(rows, unit='unit', variant='variant')))\n"
    "except Exception as error:\n"
    "    found['readout'] = f'{type(error).__name__}: {error}'",
    "print('FOUND ' + json.dumps(found))",
)


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program prints; stops with its message where it fails."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(str(c) for c in command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def site(out: Path, *, cdn: bool) -> dict[str, Any]:
    """Build the site into `out/site`; gives the versions of what is in it."""
    out.mkdir(parents=True, exist_ok=True)
    home = out / "jupyterlite"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *JUPYTERLITE)
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(out / "site", ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    os.environ["XPBENCH_LABEXTENSION"] = "skip"  # the panel needs a server, which this page has not
    run(*pip, "wheel", "--quiet", "--no-deps", "-w", source / "pypi", ROOT)
    run(*pip, "download", "--quiet", "--no-deps", "-d", source / "pypi", *BESIDE)
    version = run(python, "-c", "from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION as v; print(v)")
    config: dict[str, Any] = {"jupyter-lite-schema-version": 0, "jupyter-config-data": {"exposeAppInBrowser": True}}
    told: dict[str, Any] = {"jupyterlite": list(JUPYTERLITE[:2]), "pyodide": version}
    if not cdn:
        told["wheels"] = pyodide(source / "static" / "pyodide", version, pip)
        lock = json.loads((source / "static" / "pyodide" / "pyodide-lock.json").read_text())
        told["no_wheel_on_pypi"] = [name for name in COMPILED if not is_on_pypi(name, lock, pip, out / "asked")]
        told["in_pyodides_own_list"] = {name: lock["packages"][name]["version"] for name in COMPILED}
        settings = {"@jupyterlite/pyodide-kernel-extension:kernel": {"disablePyPIFallback": True}}
        config["jupyter-config-data"]["litePluginSettings"] = settings
    (source / "jupyter-lite.json").write_text(json.dumps(config))
    files = source / "files"
    files.mkdir()
    (files / "memo.html").write_bytes(a_memo())
    (files / "check.ipynb").write_text(json.dumps(notebook()))
    run(python, "-m", "jupyter", "lite", "build", "--lite-dir", source, "--output-dir", out / "site", cwd=source)
    told["megabytes"] = round(sum(p.stat().st_size for p in (out / "site").rglob("*") if p.is_file()) / 1e6, 1)
    return told


def pyodide(folder: Path, version: str, pip: tuple[str, ...]) -> dict[str, str]:
    """Pyodide's core from npm, and from PyPI the packages that the kernel and plans need, entered into its list."""
    folder.mkdir(parents=True)
    archive = folder / run("npm", "pack", "--silent", f"pyodide@{version}", cwd=folder).splitlines()[-1]
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if member.isfile() and not member.name.endswith((".map", ".html", ".d.ts")):
                member.name = member.name.removeprefix("package/")
                packed.extract(member, folder, filter="data")
    archive.unlink()
    path = folder / "pyodide-lock.json"
    lock = json.loads(path.read_text())
    abi = f"pyemscripten_{lock['info']['abi_version']}_wasm32"
    platform = [word.format(abi=abi) for word in PLATFORM]
    found = {}
    release = newest_pydantic(folder, pip, platform)
    for name in sorted(closure(lock["packages"], WANTED)):
        entry = lock["packages"][name]
        if name not in release:
            run(*pip, "download", "--quiet", "--no-deps", *platform, "-d", folder, f"{name}=={entry['version']}")
        (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
        entry["file_name"], entry["version"] = wheel.name, wheel.name.split("-")[1]
        entry["sha256"] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        found[name] = entry["version"]
    path.write_text(json.dumps(lock))
    return found


def is_on_pypi(name: str, lock: dict[str, Any], pip: tuple[str, ...], folder: Path) -> bool:
    """Whether PyPI has a wheel of a compiled package for Pyodide."""
    platform = [word.format(abi=f"pyemscripten_{lock['info']['abi_version']}_wasm32") for word in PLATFORM]
    asked = [*pip, "download", "--quiet", "--no-deps", *platform, "-d", str(folder), name]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def newest_pydantic(folder: Path, pip: tuple[str, ...], platform: list[str]) -> set[str]:
    """Pydantic with what it needs: PyPI has its compiled core for this platform, in another version than Pyodide's list."""
    run(*pip, "download", "--quiet", "--no-deps", "-d", folder, "pydantic>=2.14")
    (wheel,) = folder.glob("pydantic-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        metadata = next(n for n in packed.namelist() if n.endswith(".dist-info/METADATA"))
        lines = packed.read(metadata).decode().splitlines()
    needs = [x.removeprefix("Requires-Dist: ") for x in lines if x.startswith("Requires-Dist: ") and "extra ==" not in x]
    run(*pip, "download", "--quiet", "--no-deps", *platform, "-d", folder, *needs)
    return {re.split(r"[^A-Za-z0-9-]", need)[0] for need in needs} | {"pydantic"}


def closure(packages: dict[str, Any], names: tuple[str, ...]) -> set[str]:
    """Names and whatever they depend on."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name not in seen:
            seen.add(name)
            todo += packages[name]["depends"]
    return seen


def a_memo() -> bytes:
    """A memo decided on simulated units."""
    program = (
        "import sys, tempfile; sys.path.insert(0, sys.argv[1]); import xpbench as xp\n"
        "from tests.test_experiment import plan, table, units\n"
        "e = xp.register(plan(key='decided'), tempfile.mkdtemp())\n"
        "e.decide(e.readout(units(table())), 'ship', variant='b', because='as planned', by='ana')\n"
        "e.memo().save(e.memo_path); sys.stdout.buffer.write(open(e.memo_path, 'rb').read())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    return done.stdout


def notebook() -> dict[str, Any]:
    """The cells of the check as a notebook for the page's kernel."""
    return {
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}},
        "cells": [
            {"id": f"c{i}", "cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
            for i, c in enumerate(CELLS)
        ],
    }  # fmt: skip


BROWSERS_OWN = re.compile(r"^(http://)?([a-z-]+\.googleapis\.com|accounts\.google\.com)[:/]")
"""Chromium looks for updates of itself, whatever page it shows."""

OUTPUTS = """() => {
  const panel = [...window.jupyterapp.shell.widgets('main')].find(w => w.sessionContext && w.content && w.content.widgets);
  return panel.content.widgets.filter(w => w.model.type === 'code').map(c => JSON.stringify(c.model.toJSON().outputs)); }"""


def check(folder: Path) -> dict[str, Any]:
    """Open the site in Chromium, run the notebook, give what its kernel has found and what was asked of other machines."""
    from playwright.sync_api import sync_playwright

    from benchmarks.lab import _READY, ARGUMENTS, CHROMIUM, run_all, wait_until

    handler = functools.partial(QuietHandler, directory=str(folder))
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    refuser = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
    for server in (pages, refuser):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{pages.server_address[1]}"
    # every request off this machine, also of a worker, goes to a proxy that writes it down and refuses it
    proxy = [f"--proxy-server=http://127.0.0.1:{refuser.server_address[1]}", "--proxy-bypass-list=127.0.0.1"]
    began = time.monotonic()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *proxy])
        page = chromium.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{base}/lab/index.html?path=check.ipynb", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden)", timeout=120_000)
        wait_until(page, _READY, seconds=180)
        ready = time.monotonic() - began
        with contextlib.suppress(TimeoutError):  # a cell that failed ends the run: its output says why
            run_all(page, seconds=120)
        outputs = page.evaluate(OUTPUTS)
        chromium.close()
    texts = [text for o in outputs for found in json.loads(o) for text in [text_of(found)]]
    line = next((x for text in texts for x in text.splitlines() if x.startswith("FOUND ")), None)
    if line is None:
        raise SystemExit("\n".join(texts)[-4000:])
    return {
        "browser": run(CHROMIUM, "--version"),
        "kernel_ready_s": round(ready, 1),
        "all_cells_s": round(time.monotonic() - began, 1),
        "asked_of_other_machines": sorted({a for a in Refuser.asked if not BROWSERS_OWN.search(a)}),
        "asked_by_the_browser_itself": sorted({a for a in Refuser.asked if BROWSERS_OWN.search(a)}),
        "page_errors": errors,
        "found": json.loads(line.removeprefix("FOUND ")),
    }


def text_of(output: dict[str, Any]) -> str:
    """What an output says as text."""
    words = output.get("text") or output.get("traceback") or output.get("data", {}).get("text/plain", "")
    return words if isinstance(words, str) else "\n".join(words)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of the site, without a log."""

    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Refuser(http.server.BaseHTTPRequestHandler):
    """A proxy that writes down what it is asked for and gives nothing."""

    asked: ClassVar[list[str]] = []

    def _refuse(self) -> None:
        Refuser.asked.append(self.path.split("?")[0])
        self.send_error(502)

    do_CONNECT = do_GET = do_POST = do_HEAD = _refuse  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> int:
    """Build, check, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the site and what it is built from")
    parser.add_argument("--check", action="store_true", help="run the check in Chromium and write the result")
    parser.add_argument("--cdn", action="store_true", help="leave Pyodide and its packages to Pyodide's network")
    args = parser.parse_args()
    out = args.out.resolve()
    told = site(out, cdn=args.cdn)
    print(f"{out / 'site'}: {told['megabytes']} MB")
    if not args.check:
        return 0
    sys.path.insert(0, str(ROOT))
    import xpbench
    from benchmarks.report import write

    result = {**told, **check(out / "site")}
    found, usual = result["found"], xpbench.template("beta-homepage").digest
    result["same_plan_digest_as_on_this_machine"] = found["plan_digest"] == usual
    write("lite", result, command="python scripts/make_lite.py --out DIR --check")
    good = (
        found["memo"]["status"] == "verified"
        and found["changed_memo"] == "differs"
        and found["ledger_entries"] == 3
        and found["changed_ledger"].startswith("XPB-L")
        and found["problems"] == []
        and result["same_plan_digest_as_on_this_machine"]
        and bool(found["problems_without_metrics"])
        and result["page_errors"] == []
        and result["asked_of_other_machines"] == []
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
