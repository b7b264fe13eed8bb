"""Random files read by xpbench and by a slow plain-Python reader: how many agree, with the seed and the time.

`python -m benchmarks.files [COUNT] [SEED]` (20,000 files where it is left out) prints what differs and writes
`benchmarks/results/files.json`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from benchmarks.report import write
from tests.reading.random_files import difference


def main(count: int = 20_000, seed: int = 20_261_130) -> int:
    begin = time.monotonic()
    kinds: Counter[str] = Counter()
    differ = []
    for k in range(seed, seed + count):
        kind, said = difference(k)
        kinds[kind] += 1
        if said:
            differ.append(k)
            print(k, said[:600], flush=True)
    found = {
        "files": count,
        "seed": seed,
        **dict(sorted(kinds.items())),
        "differ": differ,
        "seconds": round(time.monotonic() - begin),
    }
    write("files", found, command=f"python -m benchmarks.files {count} {seed}")
    return len(differ)


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
