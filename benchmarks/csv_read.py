"""A CSV of 10 million rows: `xp.units` beside DuckDB's own typed read of the same file, in turns, each in a process of its own.

`python -m benchmarks.csv_read [ROWS] [RUNS]` (10,000,000 and 3) writes `benchmarks/results/csv_read.json`.

DuckDB's read has its types declared, so that it guesses and checks nothing. *read* makes a table of the typed columns; *read
and sum* then counts rows, units and moments by variant from it. `xp.units` does more: every value as text, what is odd
counted, units that are there twice, sums that are the same on every run, and the fingerprint. By CPU is the better measure on
a machine with other work.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import write

ROOT = Path(__file__).resolve().parents[1]
TYPES = "{'user': 'VARCHAR', 'variant': 'VARCHAR', 'spent': 'DOUBLE', 'spent_before': 'DOUBLE', 'platform': 'VARCHAR'}"
WAYS = ("xp.units", "duckdb, read", "duckdb, read and sum")


def make(path: Path, rows: int) -> None:
    """Users, variants, two amounts with cents and a platform."""
    import duckdb

    duckdb.sql(
        f"COPY (SELECT 'u' || i AS \"user\", CASE WHEN hash(i) % 2 = 0 THEN 'control' ELSE 'beta' END AS variant, "
        f"(hash(i + 7) % 100000) / 100 AS spent, (hash(i + 9) % 100000) / 100 AS spent_before, "
        f"CASE WHEN hash(i + 3) % 3 = 0 THEN 'ios' ELSE 'web' END AS platform FROM range({rows}) t(i)) TO '{path}' (HEADER)"
    )


def once(way: str, path: str) -> dict[str, Any]:
    """One run of one way, in this process."""
    import duckdb

    import xpbench as xp
    from tests.reading.world import SPENT, plan

    made = plan([{**SPENT, "covariates": ["spent_before"], "cuped": True}], unit="user")
    import pandas as pd

    small = pd.DataFrame({"user": ["a", "b"] * 50, "variant": ["control", "beta"] * 50, "spent": 1.0, "spent_before": "2"})
    xp.units(small.assign(user=range(100)), unit="user", variant="variant").summarize(made)  # loads what is loaded on first use
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.perf_counter()
    if way == "xp.units":
        summary = xp.units(path, unit="user", variant="variant").summarize(made)
        rows = sum(summary.units.values())
    else:
        run = duckdb.connect()
        run.execute(f"CREATE TEMP TABLE t AS SELECT * FROM read_csv('{path}', header = true, columns = {TYPES})")
        if way == "duckdb, read":
            ((rows,),) = run.execute("SELECT count(*) FROM t").fetchall()
        else:
            found = run.execute(
                'SELECT variant, count(*), count(DISTINCT "user"), avg(spent), avg(spent_before), var_samp(spent), '
                "var_samp(spent_before), covar_samp(spent, spent_before) FROM t GROUP BY 1"
            ).fetchall()
            rows = sum(r[1] for r in found)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rows": rows, "seconds": round(seconds, 2), "cpu": round(cpu, 2), "rss_gb": round(after.ru_maxrss / 2**20, 2)}


def main(rows: int = 10_000_000, runs: int = 3) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        make(path, rows)
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for _ in range(runs):
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.csv_read", "once", way, str(path)]
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
                found[way].append(json.loads(done.stdout))
                print(way, found[way][-1], flush=True)
        size = path.stat().st_size

    def middle(way: str, what: str) -> float:
        return statistics.median(float(r[what]) for r in found[way])

    shares = {
        way: {what: round(middle(way, what) / middle("xp.units", what), 3) for what in ("seconds", "cpu")} for way in WAYS[1:]
    }
    result = {"rows": rows, "megabytes": round(size / 1e6), "runs": found, "speed of xp.units, share": shares}
    write("csv_read", result, command=f"python -m benchmarks.csv_read {rows} {runs}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["once"]:
        print(json.dumps(once(sys.argv[2], sys.argv[3])))
    else:
        main(*map(int, sys.argv[1:]))
