"""Random files read by xpbench and by a slow plain-Python reader: how many agree, with the seed and the time.

`python -m benchmarks.files [COUNT] [SEED] [--minutes M]` (20,000 files where it is left out) prints what differs and writes
`benchmarks/results/files.json`. With `--minutes` it stops after so many, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

from benchmarks.report import write
from benchmarks.stretches import Piece, Stretches
from tests.reading.random_files import difference

BLOCK = 50
"""Files of a piece."""


def work(piece: Piece) -> dict[str, Any]:
    """How many files of a piece were read and refused, and what differs."""
    kinds: Counter[str] = Counter()
    differ = {}
    for seed in range(*piece):
        kind, said = difference(seed)
        kinds[kind] += 1
        if said:
            differ[str(seed)] = said[:600]
            print(seed, said[:600], flush=True)
    return {"kinds": dict(kinds), "differ": differ}


def main(count: int = 20_000, seed: int = 20_261_130, minutes: float | None = None) -> int:
    stop = seed + count
    run = Stretches("files", [count, seed], [[k, min(k + BLOCK, stop)] for k in range(seed, stop, BLOCK)])
    done = run.run(work, minutes=minutes)
    kinds: Counter[str] = Counter()
    for found in done:
        kinds.update(found["kinds"])
    differ = {k: said for found in done for k, said in found["differ"].items()}
    files = sum(kinds.values())
    print(f"{files:,} of {count:,} files in {run.seconds:.0f} s, {files / max(run.seconds, 1e-9):.1f} a second: {dict(kinds)}")
    if run.complete:
        found = {
            "files": files,
            "seed": seed,
            **dict(sorted(kinds.items())),
            "differ": sorted(map(int, differ)),
            "seconds": round(run.seconds),
            "commits": run.commits,
        }
        write("files", found, command=f"python -m benchmarks.files {count} {seed}", packages=("polars", "openpyxl"))
        run.finish()
    return len(differ)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("seed", nargs="?", type=int, default=20_261_130)
    parser.add_argument("--minutes", type=float)
    sys.exit(bool(main(**vars(parser.parse_args()))))
