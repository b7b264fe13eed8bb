"""Spark beside DuckDB on one log: the same moments to the last bit, what each costs, and from where on Spark is the better one.

    python -m benchmarks.spark --out spark

The log is that of `benchmarks/engine.py` (20 events for each unit). Each run is a process of its own that reads the log twice,
since a session that has worked is warm: Java has compiled what it runs often. What Spark's Java process used is counted, and
its start told apart. The session is as Spark makes it, but for memory and addresses. Slices and the search for repeats are off
on both sides, as in the main cases of `benchmarks/engine.py`. From the smallest and the largest log come the cost that does
not depend on the log and that of a million events; the size between tells how good that line is. Costs are processor
seconds: they do not depend on how many cores share the work, and little on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.engine import PLAN, ROOT, generate
from benchmarks.report import write

COMPARED = ("units", "cells", "caps")
READINGS = ("first", "again")


def one(engine: str, path: str, master: str) -> dict[str, Any]:
    """Run one engine in this process: two readings, one after the other."""
    import xpbench as xp

    begun = time.perf_counter()
    table: Any = path
    session: Any = None
    if engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master(master).config("spark.ui.enabled", "false").config("spark.driver.memory", "6g")
            .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
        )  # fmt: skip
        session.sparkContext.setLogLevel("OFF")
        table = session.read.parquet(path)
    out: dict[str, Any] = {"start_seconds": round(time.perf_counter() - begun, 1), "start_cpu_seconds": round(used(session), 1)}
    schema = xp.EventSchema(insert_id="insert_id", properties=None)
    jobs = 0
    for name in READINGS:
        before, started = used(session), time.perf_counter()
        stages: list[Any] = []
        source = xp.events(table, schema=schema, until="2026-03-05", slices=(), duplicates="keep")
        summary = source.summarize(xp.Plan(**PLAN), progress=stages.append)
        out[name] = {
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(used(session) - before, 2),
            "stages": [[stage.name, stage.rows, round(stage.seconds, 1)] for stage in stages],
            "units": dict(summary.units),
            "cells": [c.to_dict() for c in summary.cells],
            "caps": [c.to_dict() for c in summary.caps],
        }
        if session is not None:
            every = len(session.sparkContext.statusTracker().getJobIdsForGroup(None))
            out[name]["jobs"], jobs = every - jobs, every
    out["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + java_peak_mb(session))
    if session is not None:
        session.stop()
    return out


def used(session: Any) -> float:
    """Processor seconds of this process and of the session's Java process so far."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    seconds = mine.ru_utime + mine.ru_stime
    if session is None:
        return seconds
    ticks = Path(f"/proc/{session.sparkContext._gateway.proc.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return seconds + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def java_peak_mb(session: Any) -> float:
    """High-water mark of the session's Java process; it takes what it may (`spark.driver.memory`) before it tidies up."""
    if session is None:
        return 0.0
    lines = Path(f"/proc/{session.sparkContext._gateway.proc.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def line(rows: list[dict[str, Any]], engine: str, reading: str) -> dict[str, float]:
    """CPU seconds that do not depend on the log, and those of a million events: the line through smallest and largest.

    `between` is what was measured at the size between, over what the line says there.
    """
    sizes = [row["events"] / 1e6 for row in rows]
    costs = [min(run[reading]["cpu_seconds"] for run in row[engine]) for row in rows]
    slope = (costs[-1] - costs[0]) / (sizes[-1] - sizes[0])
    fixed = costs[0] - slope * sizes[0]
    found = {"fixed_cpu_seconds": round(fixed, 2), "cpu_seconds_per_million_events": round(slope, 3)}
    for size, cost in list(zip(sizes, costs, strict=True))[1:-1]:
        found["between"] = round(cost / (fixed + slope * size), 2)
    return found | {"cpu_seconds_of_a_billion": round(fixed + slope * 1000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--master", default="local[*]")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "xpbench-spark")
    parser.add_argument("--out")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one, options.master)))
        return
    options.data.mkdir(exist_ok=True)
    results = []
    for events in sorted(options.events):
        path = options.data / f"log-{events}.parquet"
        if not path.exists():
            generate(path.with_suffix(".part"), events=events, units=events // 20)
            path.with_suffix(".part").rename(path)
        runs: dict[str, list[dict[str, Any]]] = {"duckdb": [], "spark": []}
        for _ in range(options.runs):
            for engine in runs:
                command = [sys.executable, "-m", "benchmarks.spark", "--one", engine, str(path), "--master", options.master]
                env = {**os.environ, "PYTHONPATH": str(ROOT)}
                done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
                if done.returncode:
                    sys.exit(done.stderr[-3000:])
                runs[engine].append(json.loads(done.stdout.splitlines()[-1]))
        readings = [run[name] for rs in runs.values() for run in rs for name in READINGS]
        same = all(r[k] == readings[0][k] for r in readings for k in COMPARED)
        if not same:
            sys.exit(f"{events:,} events: the engines differ, or an engine differs from itself")
        row: dict[str, Any] = {"events": events, "units": sum(readings[0]["units"].values())}
        row |= {"cells": len(readings[0]["cells"]), "identical_to_the_last_bit": same}
        for r in readings:
            for k in COMPARED:
                del r[k]
        results.append(row | runs)
        for engine, found in runs.items():
            costs = ", ".join(f"{found[-1][n]['seconds']:.1f} s, {found[-1][n]['cpu_seconds']:.1f} s cpu" for n in READINGS)
            print(f"{events:>12,} {engine:8} {costs}, {found[-1]['peak_mb']:,} MB", flush=True)
    growth = {}
    if len(results) > 1:
        growth = {engine: {n: line(results, engine, n) for n in READINGS} for engine in ("duckdb", "spark")}
    print(json.dumps(growth, indent=1))
    if options.out:
        command_line = f"python -m benchmarks.spark {' '.join(sys.argv[1:])}"
        result = {"master": options.master, "sizes": results, "growth": growth}
        write(options.out, result, command=command_line, packages=("pyspark",), quiet=True)


if __name__ == "__main__":
    main()
