"""How often the right cause of a sample ratio mismatch comes first, and how often sound experiments get one.

python -m benchmarks.health --runs 200
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import write
from tests.health.injected import INJECTED, World
from xpbench.health.causes import accuracy, srm_causes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    began = time.perf_counter()
    found = accuracy(INJECTED, runs=runs, seed=7)
    sound = sum(bool(srm_causes(World(np.random.default_rng([11, i])).inputs())) for i in range(runs * 5))
    rates = {k: v["first"] for k, v in found.items()}
    write(
        "health",
        {
            "what": "share of runs in which the injected cause is ranked first",
            "runs_per_cause": runs,
            "causes": found,
            "mean": sum(rates.values()) / len(rates),
            "lowest": min(rates.values()),
            "bar": 0.8,
            "sound_experiments_with_causes": sound / (runs * 5),
            "seconds": round(time.perf_counter() - began, 1),
        },
        command=f"python -m benchmarks.health --runs {runs}",
    )


if __name__ == "__main__":
    main()
