"""A real JupyterLab in a real Chromium, cut off from the network, for browser tests and the gallery."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-default-apps", "--disable-domain-reliability",
]  # fmt: skip
REPOSITORY = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def notebook(*cells: str) -> dict[str, Any]:
    """A notebook with these code cells."""
    return {
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"id": f"cell{i}", "cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
            for i, c in enumerate(cells)
        ],
    }  # fmt: skip


@contextmanager
def server(folder: Path, *, command: tuple[str, ...] = ("jupyterlab",), extra: tuple[str, ...] = ()) -> Iterator[str]:
    """A JupyterLab over `folder`, with its own settings; gives the address without path."""
    port = free_port()
    settings = folder / ".jupyter-settings"
    (settings / "config" / "labconfig").mkdir(parents=True)
    (settings / "config" / "labconfig" / "page_config.json").write_text(
        json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}})
    )
    (settings / "config" / "labconfig" / "default_setting_overrides.json").write_text(
        json.dumps({"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}})
    )
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(settings / "config"), "JUPYTER_DATA_DIR": str(settings / "data"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"), "IPYTHONDIR": str(settings / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    arguments = [
        sys.executable, "-m", *command, "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=t", f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly", "--allow-root", *extra,
    ]  # fmt: skip
    log = (settings / "server.log").open("wb")
    process = subprocess.Popen(arguments, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{base}/api/status?token=t", timeout=2):  # noqa: S310
                    break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError((settings / "server.log").read_text()[-4000:]) from None
                time.sleep(0.3)
        yield base
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


@dataclass
class Watched:
    """A browser page and what it did that it should not."""

    page: Any
    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def browser(*, width: int = 1400, height: int = 1000, scale: float = 1) -> Iterator[Watched]:
    """A page whose requests off loopback are refused and recorded, and whose console errors are kept."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
        watched = Watched(context.new_page())

        def route(route: Any) -> None:
            url = route.request.url
            if url.startswith(("http://127.0.0.1", "data:", "blob:", "file:")):
                route.continue_()
            else:
                watched.strangers.append(url)
                route.abort()

        context.route("**/*", route)
        watched.page.on("console", lambda m: watched.errors.append(m.text) if m.type == "error" else None)
        watched.page.on("pageerror", lambda e: watched.errors.append(str(e)))
        try:
            yield watched
        finally:
            context.close()
            chromium.close()


def set_theme(base: str, *, dark: bool) -> None:
    request = urllib.request.Request(  # noqa: S310
        f"{base}/lab/api/settings/@jupyterlab/apputils-extension:themes?token=t",
        data=json.dumps({"raw": json.dumps({"theme": "JupyterLab Dark" if dark else "JupyterLab Light"})}).encode(),
        method="PUT",
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


_READY = """async () => {
  const app = window.jupyterapp; if (!app) return false;
  const panel = [...app.shell.widgets('main')].find(w => w.sessionContext && w.content && w.content.widgets);
  if (!panel) return false; await panel.context.ready; return panel.sessionContext.isReady
    && panel.sessionContext.session?.kernel?.status === 'idle'; }"""
_DONE = """() => {
  const panel = [...window.jupyterapp.shell.widgets('main')].find(w => w.sessionContext && w.content && w.content.widgets);
  const cells = panel.content.widgets.filter(w => w.model.type === 'code');
  return panel.sessionContext.session?.kernel?.status === 'idle' && cells.every(c => c.model.executionCount !== null); }"""


def open_notebook(page: Any, base: str, name: str, *, run: bool = True, seconds: float = 90) -> None:
    """Open a notebook in a clean workspace, wait for its kernel, and run all cells."""
    page.goto(f"{base}/lab/tree/{name}?token=t&reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden)", timeout=90_000)
    wait_until(page, _READY)
    if run:
        run_all(page, seconds=seconds)


def wait_until(page: Any, question: str, *, seconds: float = 90) -> None:
    """Ask the page until it says true."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(question):
        if time.monotonic() > deadline:
            raise TimeoutError(question)
        page.wait_for_timeout(200)


def run_all(page: Any, *, seconds: float = 90) -> None:
    """Run all cells and wait until the kernel has answered the last."""
    page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    wait_until(page, _DONE, seconds=seconds)


def forms(page: Any) -> list[Any]:
    """The outermost box of every form on the page, in the order of the notebook."""
    page.locator(".xp-form").first.wait_for(timeout=90_000)
    page.wait_for_timeout(1500)
    return [f for f in page.locator(".xp-form").all() if f.evaluate("e => !e.parentElement.closest('.xp-form')")]


def save_notebook(page: Any) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def kernel_idle(page: Any) -> None:
    """Wait until the kernel is idle and stays so: what was typed may not have been sent when it is asked the first time."""
    wait_until(page, _DONE)
    for _ in range(2):
        page.wait_for_timeout(150)
        wait_until(page, _DONE)


def axe_source() -> str:
    """The axe-core script of the PyPI package axe-core-python."""
    import axe_core_python

    return next(Path(axe_core_python.__file__).parent.rglob("axe*.js")).read_text()


def serious(page: Any, selector: str) -> list[str]:
    """Findings of axe under a selector that are serious or critical, each with its element."""
    page.evaluate(axe_source())
    found = page.evaluate("async (s) => await axe.run(s, {resultTypes: ['violations']})", selector)
    return [
        f"{v['id']}: {n['html'][:200]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
        for n in v["nodes"]
    ]
