"""Where results go: benchmarks/results/<name>.json with command, versions, machine and commit.

Every benchmark writes through `write`, so that each figure of the docs can be traced to what made it:

    from benchmarks.report import write
    write("seal", result, command="python -m benchmarks.seal", packages=("duckdb",))
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
USUAL = ("numpy", "scipy", "pandas", "pyarrow", "duckdb", "narwhals")


def machine() -> dict[str, Any]:
    """Cores, memory, processor, system, Python, and how busy the machine was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "processor": _processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_at_end": [round(v, 1) for v in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def versions(packages: Iterable[str] = USUAL) -> dict[str, str]:
    """Version of xpbench and of each package that is installed."""
    import xpbench

    found = {"xpbench": xpbench.__version__}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the work tree, with `+` when package or benchmarks differ from it; None outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        short = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--", "xpbench", "benchmarks", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return None
    return short + ("+" if changed else "")


def header(command: str, packages: Iterable[str] = ()) -> dict[str, Any]:
    """What every result begins with: command, commit, versions, machine."""
    return {
        "command": command,
        "commit": commit(),
        "versions": versions((*USUAL, *packages)),
        "machine": machine(),
    }


def write(
    name: str,
    result: dict[str, Any],
    *,
    command: str,
    packages: Iterable[str] = (),
    folder: Path | None = None,
    quiet: bool = False,
) -> Path:
    """Write and print a result."""
    folder = folder or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    text = json.dumps({**header(command, packages), **result}, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    if not quiet:
        print(text)
    return path
