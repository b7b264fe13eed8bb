"""What a user waits for on the command line: processor and wall seconds of whole processes, and what they are of bare imports.

    python -m benchmarks.command_line --rows 100_000 1_000_000 --runs 5 --write command_line

A plan with five metrics, a covariate for each, is registered, read out, decided and turned into a memo, and the memo is
verified: each command in a process of its own, in turns with an interpreter that only imports numpy and scipy.special, which a
readout can't do without. The best of the turns counts: a busy machine only ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import installed
from benchmarks.report import write
from benchmarks.stats import generate, plan_of

METRICS = 5
BARE = "numpy and scipy.special imported"


def plan() -> dict[str, Any]:
    """The plan of `benchmarks.stats`, ready to register."""
    made = plan_of(METRICS, True)
    made["metrics"][0]["role"] = "primary"
    claim = {"if": "a", "then": [{"metric": "y0", "direction": "increase"}], "because": "b"}
    return {**made, "hypothesis": claim, "model": {"kind": "frequentist"}, "horizon": {"units": 1000}}


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """Processor and wall seconds and peak memory of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "rss_gb": used.ru_maxrss / 2**20}


def turns(rows: int, runs: int) -> list[dict[str, Any]]:
    """The best of the turns of every command."""
    best: dict[str, dict[str, float]] = {}
    environment = installed.environment()
    units = ["--units", "units.parquet", "--unit", "unit", "--variant-column", "variant", "--by", "me"]
    xpbench = [sys.executable, "-m", "xpbench.cli"]
    with tempfile.TemporaryDirectory() as shared:
        generate(Path(shared) / "units.parquet", rows=rows, metrics=METRICS)
        for turn in range(runs):
            folder = Path(shared) / str(turn)
            folder.mkdir()
            os.symlink(Path(shared) / "units.parquet", folder / "units.parquet")
            (folder / "plan.json").write_text(json.dumps(plan()))
            for name, command in {
                BARE: [sys.executable, "-c", "import numpy, scipy.special"],
                "check": [*xpbench, "check", "plan.json"],
                "register": [*xpbench, "register", "plan.json", "--by", "me"],
                "readout": [*xpbench, "readout", "bench", *units],
                "decide": [*xpbench, "decide", "bench", "defer", "--because", "a benchmark", *units],
                "memo": [*xpbench, "memo", "bench"],
                "verify": [*xpbench, "verify", "experiments/bench/memo.html"],
            }.items():
                found = timed(command, folder, environment)
                kept = best.setdefault(name, found)
                best[name] = {k: min(v, found[k]) for k, v in kept.items()}
    bare = best[BARE]["cpu"]
    return [
        {"rows": rows, "command": name, **{k: round(v, 3) for k, v in b.items()}, "cpu_of_bare": round(b["cpu"] / bare, 2)}
        for name, b in best.items()
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", metavar="NAME", help="write benchmarks/results/NAME.json")
    options = parser.parse_args()
    found = [row for rows in options.rows for row in turns(rows, options.runs)]
    for row in found:
        print(f"{row['rows']:>10,} {row['command']:34} {row['cpu']:6.2f} s cpu {row['wall']:6.2f} s {row['rss_gb']:.2f} GB")
    if options.write:
        command = "python -m benchmarks.command_line " + " ".join(sys.argv[1:])
        write(options.write, {"runs": options.runs, "results": found}, command=command)


if __name__ == "__main__":
    main()
