"""The wheel, installed into an environment of its own that borrows only the dependencies of this one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = "@xpbench"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it.

    Attributes:
        wheel: The wheel.
        prefix: The environment.
        python: Its interpreter.
        environment: Variables for programs of it.
    """

    wheel: Path
    prefix: Path
    python: str
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """What `python ARGUMENTS` prints, on both streams."""
        done = subprocess.run(
            [self.python, *arguments], env=self.environment, cwd=self.prefix, capture_output=True, text=True, check=False
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def install(folder: Path) -> Installed:
    """Build the wheel of this checkout and install it, with nothing fetched; or what `XPBENCH_INSTALLED` names.

    `scripts/check_packaging.py` sets that to an environment into which pip has put the wheel and its dependencies.
    """
    if "XPBENCH_INSTALLED" in os.environ:
        prefix = Path(os.environ["XPBENCH_INSTALLED"])
        clean = {**_environment(folder, borrow=False), "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        return Installed(Path(os.environ["XPBENCH_WHEEL"]), prefix, str(prefix / "bin" / "python"), clean)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
         "-w", str(folder / "wheel"), str(REPOSITORY)],
        check=True, timeout=400,
    )  # fmt: skip
    (wheel,) = (folder / "wheel").glob("xpbench-*.whl")
    prefix = folder / "environment"
    venv.create(prefix, with_pip=False, symlinks=os.name != "nt")
    python = str(prefix / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, timeout=120,
    )  # fmt: skip
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(wheel, prefix, python, _environment(folder))


def _environment(folder: Path, *, borrow: bool = True) -> dict[str, str]:
    """Jupyter's folders of this test alone; of the borrowed environment only what is not ours."""
    borrowed = {}
    if borrow:
        outer = Path(sys.prefix) / "share" / "jupyter"
        borrowed = {"JUPYTER_PATH": str(_share(folder / "borrowed", outer)), "JUPYTERLAB_DIR": str(outer / "lab")}
    config = folder / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text(
        json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}})
    )
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {k: v for k, v in os.environ.items() if k not in dropped} | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": "1", "JUPYTER_PREFER_ENV_PATH": "1", **borrowed,
    }  # fmt: skip


def _share(share: Path, outer: Path) -> Path:
    """Kernels, pages and extensions of the borrowed environment, but none of ours."""
    share.mkdir()
    for name in ("kernels", "nbconvert"):
        if (outer / name).exists():
            (share / name).symlink_to(outer / name)
    (share / "labextensions").mkdir()
    for extension in (outer / "labextensions").glob("*") if (outer / "labextensions").is_dir() else ():
        if extension.name != OURS:
            (share / "labextensions" / extension.name).symlink_to(extension)
    return share


@contextmanager
def jupyterlab(installed: Installed, home: Path) -> Iterator[str]:
    """JupyterLab of the environment over a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [
        installed.python, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=t", f"--ServerApp.root_dir={home}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly", "--allow-root",
    ]  # fmt: skip
    log = Path(installed.environment["JUPYTER_CONFIG_DIR"]).parent / "jupyterlab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, env=installed.environment, cwd=home, stdout=out, stderr=subprocess.STDOUT)
        base = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 240
            while True:
                try:
                    urllib.request.urlopen(f"{base}/api/status?token=t", timeout=5).close()  # noqa: S310
                    break
                except OSError:
                    if time.monotonic() > deadline or process.poll() is not None:
                        raise RuntimeError(log.read_text()[-4000:]) from None
                    time.sleep(0.3)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
