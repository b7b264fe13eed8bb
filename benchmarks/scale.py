"""Measured growth of assignment, engine, statistics and ledger, and what it says about ten and a hundred times as much.

    python -m benchmarks.scale            at most five minutes; writes results/scale.json and docs/proof/scale.md
    python -m benchmarks.scale --short    two small sizes, writes nothing

Every size is a process of its own. Seconds are processor seconds without imports; memory is the process's high-water mark. The
exponent is the slope between the two largest sizes on logarithmic scales: 1 = twice as much takes twice as long.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.report import write  # noqa: E402

PAGE = ROOT / "docs" / "proof" / "scale.md"
START, END = "<!-- made by python -m benchmarks.scale -->", "<!-- end -->"


def peak_mb() -> float:
    """High-water mark of this program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def assignment(n: int, folder: Path) -> Callable[[], Any]:
    """Native hash to variant of n integer ids."""
    import numpy as np

    from xpbench.plan import template
    from xpbench.randomiser.assigning import assign

    plan = template("conversion-funnel").changed(assignment={"hash": "sha256", "salt": "scale"})
    ids = np.arange(n)
    assign(plan, ids[:1000])
    return lambda: assign(plan, ids)


def engine(n: int, folder: Path) -> Callable[[], Any]:
    """A log of n events of n / 20 units to moments: five metrics, two windows, one winsorized."""
    from benchmarks.engine import ours

    path = folder / f"log-{n}.parquet"
    if not path.exists():
        subprocess.run([sys.executable, __file__, "--make", "engine", str(n), "--folder", str(folder)], check=True)
    return lambda: ours(str(path), None, slices=(), duplicates="keep")


def statistic(n: int, folder: Path) -> Callable[[], Any]:
    """A table of n units to a readout's rows: five metrics with CUPED."""
    from benchmarks.stats import xpbench

    path = folder / f"units-{n}.parquet"
    if not path.exists():
        subprocess.run([sys.executable, __file__, "--make", "statistics", str(n), "--folder", str(folder)], check=True)
    return lambda: xpbench(str(path), 5, True)


def ledger(n: int, folder: Path) -> Callable[[], Any]:
    """Opening a ledger of n entries: every link of the chain is checked."""
    from xpbench.ledger import Ledger
    from xpbench.ledger.entry import START as FIRST
    from xpbench.ledger.entry import body_bytes, make_entry

    path = folder / f"ledger-{n}.jsonl"
    if not path.exists():
        before, lines = FIRST, []
        for seq in range(n):
            at = f"2026-01-01T{seq // 3600 % 24:02}:{seq // 60 % 60:02}:{seq % 60:02}.000000Z"
            entry = make_entry(
                seq=seq + 1, kind="looked", body=body_bytes("looked", {"text": "x" * 200}), at=at, by=None, prev=before
            )
            lines.append(entry.line + b"\n")
            before = entry.digest
        path.write_bytes(b"".join(lines))
    return lambda: Ledger(path).entries()


SIZES: dict[str, tuple[Callable[[int, Path], Callable[[], Any]], str, tuple[int, ...]]] = {
    "assignment": (assignment, "ids", (100_000, 1_000_000, 4_000_000, 16_000_000)),
    "engine": (engine, "events", (500_000, 2_000_000, 8_000_000)),
    "statistics": (statistic, "units", (100_000, 1_000_000, 4_000_000)),
    "ledger": (ledger, "entries", (1_000, 10_000, 50_000)),
}
SHORT = {"assignment": (5_000, 20_000), "engine": (20_000, 40_000), "statistics": (5_000, 20_000), "ledger": (50, 200)}


def one(part: str, n: int, folder: Path) -> None:
    """Run one size in this process and print what it took."""
    work = SIZES[part][0](n, folder)
    floor, before, wall = peak_mb(), time.process_time(), time.perf_counter()
    work()
    seconds, wall = time.process_time() - before, time.perf_counter() - wall
    print(
        json.dumps(
            {
                "n": n,
                "cpu_s": round(seconds, 3),
                "wall_s": round(wall, 3),
                "peak_mb": round(peak_mb()),
                "floor_mb": round(floor),
            }
        )
    )


def make(part: str, n: int, folder: Path) -> None:
    """Write a data set; apart, so that making it does not count."""
    from benchmarks import engine as log
    from benchmarks import stats as table

    if part == "engine":
        log.generate(folder / f"log-{n}.parquet", events=n, units=n // 20)
    else:
        table.generate(folder / f"units-{n}.parquet", rows=n, metrics=5)


def growth(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Exponents between the two largest sizes, and what they say about 10 and 100 times the largest.

    An exponent below 1 is a fixed cost that counts less and less, and would promise too much further on: what is beyond the
    largest size grows by the seconds per unit between the two, or by the power law where that is steeper.
    """
    a, b = rows[-2:]

    def slope(x: float, y: float) -> float:
        return math.log(max(y, 1e-3) / max(x, 1e-3)) / math.log(b["n"] / a["n"])  # below a millisecond nothing is told

    time_slope = slope(a["cpu_s"], b["cpu_s"])
    each = max(b["cpu_s"] - a["cpu_s"], 0) / (b["n"] - a["n"])
    more = max(b["peak_mb"] - a["peak_mb"], 0) / (b["n"] - a["n"])  # MB per unit of size
    return {
        "exponent": round(time_slope, 2),
        "mb_per_million": round(more * 1e6, 1),
        **{
            f"x{factor}": {
                "n": b["n"] * factor,
                "cpu_s": round(
                    b["cpu_s"] * factor**time_slope if time_slope > 1 else b["cpu_s"] + each * b["n"] * (factor - 1), 1
                ),
                "memory_gb": round((b["peak_mb"] + more * b["n"] * (factor - 1)) / 1024, 1),
            }
            for factor in (10, 100)
        },
    }


def table(found: dict[str, Any]) -> str:
    """Markdown: what was measured, and what follows."""
    lines = ["| | size | CPU s | per million | peak MB |", "|---|--:|--:|--:|--:|"]
    for part, its in found.items():
        lines += [
            f"| {part} | {r['n']:,} {its['unit']} | {r['cpu_s']:.2f} | {r['cpu_s'] / r['n'] * 1e6:.2f} s | {r['peak_mb']:,} |"
            for r in its["rows"]
        ]
    lines += ["", "| | grows as | 10 times the largest | 100 times |", "|---|---|---|---|"]
    for part, its in found.items():
        g = its["growth"]
        cells = [
            f"{g[x]['n']:,} {its['unit']}: {_duration(g[x]['cpu_s'])} CPU, {g[x]['memory_gb']:.1f} GB" for x in ("x10", "x100")
        ]
        lines.append(f"| {part} | n^{g['exponent']:.2f}, {g['mb_per_million']:.0f} MB per million | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small sizes; writes nothing")
    parser.add_argument("--parts", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--one", nargs=2, metavar=("PART", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, metavar=("PART", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where data sets are kept between runs")
    options = parser.parse_args()
    if options.one or options.make:
        part, n = options.one or options.make
        (one if options.one else make)(part, int(n), options.folder)
        return 0
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as kept:
        folder = options.folder or Path(kept)
        folder.mkdir(parents=True, exist_ok=True)
        for part in options.parts:
            rows = []
            for n in SHORT[part] if options.short else SIZES[part][2]:
                command = [sys.executable, __file__, "--one", part, str(n), "--folder", str(folder)]
                env = {**os.environ, "PYTHONPATH": str(ROOT)}
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
                if done.returncode:
                    raise SystemExit(done.stderr)
                rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(part, rows[-1], flush=True)
            found[part] = {"unit": SIZES[part][1], "rows": rows, "growth": growth(rows)}
    text = table(found)
    print(text)
    if not options.short and len(found) == len(SIZES):
        path = write("scale", {"parts": found}, command="python -m benchmarks.scale", quiet=True)
        made = json.loads(path.read_text("utf-8"))
        before, _, rest = PAGE.read_text("utf-8").partition(START)
        machine = made["machine"]
        told = (
            f"`python -m benchmarks.scale`, commit `{made['commit']}`, {machine['cores']} cores, {machine['memory_gb']:.0f} GB."
        )
        PAGE.write_text(f"{before}{START}\n\n{told}\n\n{text}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
