"""What 500 experiments cost to list: `xpbench status` as a process, and JupyterLab's list when it is cold and when it is known.

python -m benchmarks.catalogue --experiments 500 --write catalogue
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import xpbench as xp
from benchmarks import installed
from benchmarks.command_line import plan, timed
from benchmarks.report import write
from xpbench.lab.catalogue import Catalogue


def measure(experiments: int) -> dict[str, float]:
    """Processor seconds of each way."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "experiments"
        synced, os.fsync = os.fsync, lambda _: None  # type: ignore[assignment]  # only to make the root sooner
        try:
            for number in range(experiments):
                key = f"e{number:04}"
                xp.register(xp.Plan(**{**plan(), "key": key, "exposure": {"experiment": key}}), root)
        finally:
            os.fsync = synced
        out = {}
        bare = timed([sys.executable, "-c", "pass"], Path(folder), installed.environment())
        status = timed([sys.executable, "-m", "xpbench.cli", "status"], Path(folder), installed.environment())
        out["status_over_bare_python"] = status["cpu"] - bare["cpu"]
        catalogue = Catalogue()
        for name in ("list_cold", "list_known"):
            began = time.process_time()
            catalogue.items(root)
            out[name] = time.process_time() - began
    return {k: round(v, 3) for k, v in out.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--write", metavar="NAME", help="write benchmarks/results/NAME.json")
    options = parser.parse_args()
    found = measure(options.experiments)
    for name, seconds in found.items():
        print(f"{name:28} {seconds:6.3f} s of processor")
    if options.write:
        command = f"python -m benchmarks.catalogue --experiments {options.experiments}"
        write(options.write, {"experiments": options.experiments, "results": found}, command=command)


if __name__ == "__main__":
    main()
