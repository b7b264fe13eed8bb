"""`xpbench lab`: what it starts, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from xpbench.cli import main
from xpbench.commands import lab as commands
from xpbench.lab import extension


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines that would have been started; a running JupyterLab is tested in the browser."""
    out: list[list[str]] = []

    def call(command: list[str], *, env: dict[str, str]) -> int:
        out.append(command)
        assert env[extension.OPEN] == "1"
        return 0

    monkeypatch.setattr(commands, "until_it_ends", call)
    return out


def test_current_folder_on_loopback_only(started: list[list[str]], tmp_path: Path) -> None:
    assert main(["lab", str(tmp_path), "--no-browser"]) == 0
    assert "--ip=127.0.0.1" in started[0]
    assert f"--ServerApp.root_dir={tmp_path}" in started[0]
    assert "--no-browser" in started[0]


def test_demo_is_made_first(started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import xpbench.demo.run as module

    real = module.run_demo
    monkeypatch.setattr(module, "run_demo", lambda out, start: real(out, units=2000, start=start))
    assert main(["lab", str(tmp_path), "--demo"]) == 0
    assert (tmp_path / "xpbench-demo" / "experiments" / "beta-homepage" / "ledger.jsonl").is_file()
    assert f"--ServerApp.root_dir={tmp_path / 'xpbench-demo'}" in started[0]
    assert "--LabApp.default_url=/lab/tree/explore.ipynb" in started[0]


def test_missing_folder_is_told(started: list[list[str]], tmp_path: Path, capsys: Any) -> None:
    assert main(["lab", str(tmp_path / "nowhere")]) == 2
    assert "XPB-I01" in capsys.readouterr().err
    assert started == []


def test_missing_panel_is_told(started: list[list[str]], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "panel_folder", lambda: None)
    assert main(["lab", str(tmp_path)]) == 0
    assert "panel was not built" in capsys.readouterr().err
    assert len(started) == 1


@pytest.mark.skipif(os.name == "nt", reason="there a process that is ended runs nothing more")
@pytest.mark.parametrize("deaf", [False, True], ids=["it ends", "it hangs"])
def test_who_ends_the_command_ends_jupyterlab(tmp_path: Path, deaf: bool) -> None:
    child = "import os, pathlib, signal, time\n" + ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else "")
    child += f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    program = (
        "import os, sys; from xpbench.commands.lab import until_it_ends\n"
        "sys.exit(until_it_ends([sys.executable, '-c', sys.argv[1]], env=dict(os.environ), patience=1.0))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, child])
    deadline = time.monotonic() + 120
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    process.wait(120)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
