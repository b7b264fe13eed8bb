"""Spark beside DuckDB on the same log: the same moments to the last bit, and from which size on Spark is the faster one.

    python -m benchmarks.spark --events 200_000 2_000_000 20_000_000 --out spark

The log is that of `benchmarks/engine.py` (20 events for each unit). Each run is a process of its own; what Spark's Java process
used is counted, its start apart. The session is as Spark makes it, but for memory and addresses. Slices and the search for
repeats are off on both sides, as in the main cases of `benchmarks/engine.py`. From the smallest and the largest log come the
cost that does not depend on the log and the cost of a million events; the sizes between tell how good that line is.
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


def one(engine: str, path: str, master: str) -> dict[str, Any]:
    """Run one engine in this process."""
    import xpbench as xp

    begun = time.perf_counter()
    java, jobs = 0.0, 0
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
        java = java_seconds(session)
    used = resource.getrusage(resource.RUSAGE_SELF)
    start_cpu = used.ru_utime + used.ru_stime + java
    started = time.perf_counter()
    schema = xp.EventSchema(insert_id="insert_id", properties=None)
    stages: list[Any] = []
    source = xp.events(table, schema=schema, until="2026-03-05", slices=(), duplicates="keep")
    summary = source.summarize(xp.Plan(**PLAN), progress=lambda s: stages.append([s.name, s.rows, round(s.seconds, 1)]))
    done = time.perf_counter()
    if session is not None:
        java = java_seconds(session)
        jobs = len(session.sparkContext.statusTracker().getJobIdsForGroup(None))
        session.stop()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "start_seconds": round(started - begun, 1),
        "seconds": round(done - started, 1),
        "start_cpu_seconds": round(start_cpu, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime + java, 1),
        "jobs": jobs,
        "stages": stages,
        "units": dict(summary.units),
        "cells": [c.to_dict() for c in summary.cells],
        "caps": [c.to_dict() for c in summary.caps],
    }


KEPT = ("start_seconds", "start_cpu_seconds", "seconds", "cpu_seconds", "jobs", "stages")


def java_seconds(session: Any) -> float:
    """What the session's Java process used of the processors so far."""
    pid = session.sparkContext._gateway.proc.pid
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def line(rows: list[dict[str, Any]], engine: str) -> dict[str, float]:
    """CPU seconds that do not depend on the log, and those of a million events: the line through smallest and largest."""
    sizes = [row["events"] / 1e6 for row in rows]
    used = [min(run["cpu_seconds"] for run in row[engine]) for row in rows]
    slope = (used[-1] - used[0]) / (sizes[-1] - sizes[0])
    return {"fixed_cpu_seconds": round(used[0] - slope * sizes[0], 2), "cpu_seconds_per_million_events": round(slope, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[200_000, 2_000_000, 20_000_000])
    parser.add_argument("--master", default="local[*]")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "xpbench-engine")
    parser.add_argument("--out")
    parser.add_argument("--one", nargs=2)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one, options.master)))
        return
    options.data.mkdir(exist_ok=True)
    results = []
    for events in options.events:
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
        same = all(r[k] == runs["duckdb"][0][k] for rs in runs.values() for r in rs for k in ("units", "cells", "caps"))
        row: dict[str, Any] = {"events": events, "identical_to_the_last_bit": same}
        for engine, found in runs.items():
            row[engine] = [{k: r[k] for k in KEPT} for r in found]
            best = min(found, key=lambda r: r["seconds"])
            print(f"{events:>12,} {engine:8} {best['seconds']:7.1f} s, {best['cpu_seconds']:7.1f} s cpu", flush=True)
        results.append(row)
    growth = {engine: line(results, engine) for engine in ("duckdb", "spark")} if len(results) > 1 else {}
    print(growth)
    if options.out:
        command_line = f"python -m benchmarks.spark {' '.join(sys.argv[1:])}"
        result = {"master": options.master, "sizes": results, "growth": growth}
        write(options.out, result, command=command_line, packages=("pyspark",))


if __name__ == "__main__":
    main()
