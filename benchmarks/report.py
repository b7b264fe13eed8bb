"""Where results go: benchmarks/results/<name>.json with command, versions and machine."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, Any]:
    """Cores, memory and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "system": platform.system(),
    }


def write(name: str, result: dict[str, Any], *, command: str) -> Path:
    """Write and print a result."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"command": command, "machine": machine(), **result}, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text)
    return path
