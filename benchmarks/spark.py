"""Spark beside DuckDB on the same log: the same moments to the last bit, and from which size on Spark is the faster one.

    python -m benchmarks.spark --events 2_000_000 20_000_000 --out spark

The log is that of `benchmarks/engine.py` (20 events for each unit). Each run is a process of its own; what Spark's Java process
used is counted. Slices and the search for repeats are off on both sides, as in the main cases of `benchmarks/engine.py`.
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
    java = 0.0
    table: Any = path
    session: Any = None
    if engine == "spark":
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master(master).config("spark.ui.enabled", "false").config("spark.driver.memory", "6g")
            .config("spark.sql.shuffle.partitions", "8").config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1").getOrCreate()
        )  # fmt: skip
        session.sparkContext.setLogLevel("OFF")
        table = session.read.parquet(path)
    started = time.perf_counter()
    schema = xp.EventSchema(insert_id="insert_id", properties=None)
    stages: list[Any] = []
    source = xp.events(table, schema=schema, until="2026-03-05", slices=(), duplicates="keep")
    summary = source.summarize(xp.Plan(**PLAN), progress=lambda s: stages.append([s.name, s.rows, round(s.seconds, 1)]))
    done = time.perf_counter()
    if session is not None:
        pid = session.sparkContext._gateway.proc.pid
        ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        java = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        session.stop()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "start_seconds": round(started - begun, 1),
        "seconds": round(done - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime + java, 1),
        "stages": stages,
        "units": dict(summary.units),
        "cells": [c.to_dict() for c in summary.cells],
        "caps": [c.to_dict() for c in summary.caps],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000, 20_000_000])
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
            row[engine] = [{k: r[k] for k in ("start_seconds", "seconds", "cpu_seconds", "stages")} for r in found]
            best = min(found, key=lambda r: r["seconds"])
            print(f"{events:>12,} {engine:8} {best['seconds']:7.1f} s, {best['cpu_seconds']:7.1f} s cpu", flush=True)
        results.append(row)
    if options.out:
        command_line = f"python -m benchmarks.spark {' '.join(sys.argv[1:])}"
        write(options.out, {"master": options.master, "sizes": results}, command=command_line, packages=("pyspark",))


if __name__ == "__main__":
    main()
