"""A real Jupyter Server with our extension, asked over HTTP, and experiments to show."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.test_experiment import plan, table, units
from xpbench.ledger import fixed_clock

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "t"


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Server:
    base: str
    folder: Path

    def ask(self, endpoint: str, body: Any = None, *, token: str | None = TOKEN, raw: bytes | None = None) -> Answer:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/xpbench/api/{endpoint}", data=data)  # noqa: S310
        if token is not None:
            request.add_header("Authorization", f"token {token}")
        try:
            with urllib.request.urlopen(request, timeout=90) as response:  # noqa: S310
                told = response.read()
                kind = response.headers.get("Content-Type", "")
                return Answer(response.status, told.decode() if "html" in kind else json.loads(told), dict(response.headers))
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                told = json.loads(text)
            except ValueError:
                told = text.decode("utf-8", "replace")
            return Answer(error.code, told, dict(error.headers))


def start(folder: Path, settings: Path, *extra: str) -> tuple[Any, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(settings / "config"), "JUPYTER_DATA_DIR": str(settings / "data"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    arguments = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--allow-root",
        "--ServerApp.jpserver_extensions={'xpbench': True, 'jupyterlab': False, 'notebook': False, 'voila': False}", *extra,
    ]  # fmt: skip
    log = (settings / "log").open("wb")
    process = subprocess.Popen(arguments, env=environment, cwd=settings, stdout=log, stderr=subprocess.STDOUT)
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(f"{base}/api", timeout=2).close()  # noqa: S310
            return process, base
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise RuntimeError((settings / "log").read_text()[-4000:]) from None
            time.sleep(0.2)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter Server over a folder with a few experiments."""
    folder = tmp_path_factory.mktemp("home")
    make_experiments(folder / "experiments")
    process, base = start(folder, tmp_path_factory.mktemp("settings"))
    try:
        yield Server(base, folder)
    finally:
        process.terminate()
        process.wait(20)


def make_experiments(root: Path) -> None:
    """One in each state: registered, sealed, decided (with memo), broken chain, draft; two have the same title."""
    clock = fixed_clock("2026-11-03T09:00:00", step_seconds=60)
    xp.register(plan(key="waiting", sign_offs=[{"name": "Ana"}]), root, clock=clock)
    sealed = xp.register(plan(key="sealed", title="Shorter form"), root, clock=clock)
    sealed.launch()
    sealed.readout(units(table(2000)))
    decided = xp.register(plan(key="decided", title="Shorter form"), root, clock=clock)
    readout = decided.readout(units(table()))
    decided.decide(readout, "ship", variant="b", because="as planned", by="ana")
    decided.memo().save(decided.memo_path)
    broken = xp.register(plan(key="torn"), root, clock=clock)
    broken.launch()
    path = broken.folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"launched", b"deferred"))
    drafts = root / ".drafts"
    drafts.mkdir()
    (drafts / "idea.plan.json").write_text(json.dumps({"key": "idea", "title": "An idea"}))


@pytest.fixture(scope="session")
def decided_memo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memo that verifies, with the words `as planned` in it."""
    experiment = xp.register(plan(key="decided"), tmp_path_factory.mktemp("memo"))
    experiment.decide(experiment.readout(units(table())), "ship", variant="b", because="as planned", by="ana")
    memo = experiment.memo()
    memo.save(experiment.memo_path)
    return Path(experiment.memo_path)
