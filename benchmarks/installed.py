"""The environment of a measured process: code is compiled once, as an installation leaves it, not in every process again."""

from __future__ import annotations

import compileall
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """Variables of a process that runs the package of this tree as if it were installed.

    An editable tree is compiled by whoever imports it first, or by everyone, where `PYTHONDONTWRITEBYTECODE` is set: 0.05 s
    of every process that reads a table. Other packages were compiled when they were installed.
    """
    for folder in ("xpbench", "benchmarks"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}
