"""`xpbench lab`: JupyterLab with the workbench open, on this folder or on the demo."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any

from xpbench.commands.output import add_command
from xpbench.lab.extension import NO_PANEL, OPEN, panel_folder


def add_parsers(subparsers: Any) -> None:
    """Add the command that starts JupyterLab."""
    lab = add_command(subparsers, "lab", _lab, help="start JupyterLab with the workbench")
    lab.add_argument("folder", nargs="?", default=".", help="folder to open; it keeps the experiments")
    lab.add_argument("--demo", action="store_true", help="first make the simulated experiment in a new folder, and open that")
    lab.add_argument("--port", type=int, default=8888, help="port on this machine")
    lab.add_argument("--allow-root", action="store_true", help="run as root, as in a container")
    lab.add_argument("--no-browser", action="store_true", help="don't open a browser")


def lab_command(folder: str, *, port: int, no_browser: bool, notebook: str = "", allow_root: bool = False) -> list[str]:
    """The command line that starts JupyterLab on the loopback interface, with a notebook open where one is named."""
    out = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    if notebook:
        out.append(f"--LabApp.default_url=/lab/tree/{notebook}")
    return [*out, *["--allow-root"] * allow_root, *["--no-browser"] * no_browser]


def _lab(args: argparse.Namespace) -> int:
    from pathlib import Path

    from xpbench.errors import InputError, plain

    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("XPB-I05", feature=plain("xpbench lab"), package="jupyterlab", install=plain("xpbench[lab]"))
    folder = Path(args.folder)
    if not folder.is_dir():
        raise InputError("XPB-I01", path=str(folder))
    notebook = ""
    if args.demo:
        from xpbench.demo.run import recent_start, run_demo

        sys.stderr.write("Simulating an experiment, from plan to memo …\n")
        made = run_demo(folder / "xpbench-demo", start=recent_start(datetime.now(UTC)))
        folder, notebook = made.folder, made.notebook.relative_to(made.folder).as_posix()
    _tell_if_no_panel()
    command = lab_command(
        str(folder), port=args.port, no_browser=args.no_browser, notebook=notebook, allow_root=args.allow_root
    )
    code = until_it_ends(command, env={**os.environ, OPEN: "1"})
    if code and _is_root() and not args.allow_root:
        sys.stderr.write(AS_ROOT)
    return code


AS_ROOT = "You are root, and JupyterLab does not start for root without a flag. In a container run: xpbench lab --allow-root\n"


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


PATIENCE = 15.0
"""Seconds for a program to end after it was asked to: JupyterLab ends its kernels, and may wait for idle threads for ever."""


def until_it_ends(command: list[str], *, env: dict[str, str], patience: float = PATIENCE) -> int:
    """Run a program and give its exit code; whoever ends this process ends the program, which would be left running else.

    Args:
        command: Program and arguments.
        env: Its environment.
        patience: Seconds between asking the program to end and ending it.
    """
    process = subprocess.Popen(command, env=env)

    def end(*_: object) -> None:
        process.terminate()
        last = threading.Timer(patience, process.kill)
        last.daemon = True
        last.start()

    before = signal.signal(signal.SIGTERM, end)
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # it has got the key, too, asks whether it should stop, and decides
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_if_no_panel() -> None:
    if panel_folder() is None:
        sys.stderr.write(f"{NO_PANEL}\n")
