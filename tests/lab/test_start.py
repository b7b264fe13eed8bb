"""`xpbench lab` as somebody types it after an install: over a folder, and over the demo."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import browser, free_port
from tests.lab.installed import Installed, install

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("installed"))


@contextmanager
def started(installed: Installed, folder: Path, *options: str) -> Iterator[str]:
    """`xpbench lab` in a folder; gives the address that JupyterLab tells."""
    program = [installed.python, "-m", "xpbench.cli", "lab", "--no-browser", f"--port={free_port()}", *options]
    environment = installed.environment | {"JUPYTER_ALLOW_ROOT": "1"}
    config = Path(environment["JUPYTER_CONFIG_DIR"])
    (config / "jupyter_server_config.json").write_text('{"ServerApp": {"allow_root": true}}')
    (config / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(program, env=environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", log.read_text("utf-8", "replace"))):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(log.read_text()[-4000:])
                time.sleep(0.3)
            yield found[0]
        finally:
            process.terminate()
            process.wait(60)  # JupyterLab ends its kernels first, and waits for one that is still starting


def opened(page: Any, address: str) -> Any:
    """The page once the panel has been shown by itself."""
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector("#xpbench-panel:not(.lm-mod-hidden)", timeout=120_000)
    return page


def test_in_an_empty_folder_the_panel_offers_the_demo(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with started(installed, folder) as address, browser() as watched:
        page = opened(watched.page, address)
        page.get_by_role("button", name="Start the demo").wait_for(timeout=60_000)
        assert watched.strangers == []


def test_on_the_demo_its_notebook_is_open_beside_the_panel(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with started(installed, folder, "--demo") as address, browser() as watched:
        page = opened(watched.page, address)
        page.wait_for_selector("[data-key=beta-homepage]", timeout=60_000)
        page.locator(".lm-TabBar-tab.jp-mod-current", has_text="explore.ipynb").wait_for(timeout=60_000)
        assert watched.strangers == []
    assert (folder / "xpbench-demo" / "memo.html").is_file()
