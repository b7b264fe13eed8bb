"""Random logs on DuckDB, Postgres, Spark and in plain Python: how many cells and summaries agree, with seed and time.

`python -m benchmarks.logs [CELLS] [LOGS] [SEED] [--minutes M]` (20,000 and 60 where they are left out) prints what differs and
writes `benchmarks/results/logs.json`. Each process starts a Postgres server and a Spark session of its own. With `--minutes` it
stops after so many, and the same command goes on where it stopped.

Cells are rows with random times, units and amounts, in two time zones; in UTC `xpbench.meaning` in plain Python has the answer.
Logs are of persons with several ids, whose events are merged: all that is counted must be the same on each engine.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from multiprocessing import util
from typing import Any

import pandas as pd

import xpbench as xp
from benchmarks.report import write
from benchmarks.stretches import Piece, Stretches
from tests.data import spark_sessions
from tests.postgres import server
from tests.reading.random_logs import COLUMNS, Row, random_cells, random_people
from tests.reading.test_engines_agree import cells, in_python
from tests.reading.world import plan
from xpbench.data.summary import Summary

ZONES = ("UTC", "Europe/London")
NAMES = ("event", "time", "distinct_id", "$insert_id", "Experiment name", "Variant name", "$device_id", "$user_id", "$anon_id",
         "$identified_id", "alias", "$distinct_ids")  # fmt: skip
SPARK_EVERY = 6
"""Of so many logs one is read by Spark, which takes seconds for what the others do in a blink."""

ROWS = 1_000
"""Rows with random cells of a piece."""

_engines: dict[str, Any] = {}
"""Those of this process: `connection` and `far` to Postgres, and `spark`."""


def text_table(connection: Any, name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table of text on the server."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TABLE {name} (" + ", ".join(f'"{n}" text' for n in columns) + ")")
        cursor.executemany(f"INSERT INTO {name} VALUES (" + ", ".join(["%s"] * len(columns)) + ")", rows)
    connection.commit()


def flat_row(row: dict[str, Any]) -> dict[str, str]:
    """An event with its properties next to its own columns, as text."""
    own = {"event": row["event"], "time": str(row["at"]), "distinct_id": row["who"], "$insert_id": row["id"]}
    return {**own, **row["more"]}


def counted(summary: Summary) -> dict[str, Any]:
    """All that a summary counts, without what names the engine."""
    cells_ = {(c.metric, c.variant, c.dimension, c.slice): (c.n, c.mean, c.cov) for c in summary.cells}
    found = sorted((f.name, f.metric or "", f.count, f.of, tuple(f.by_variant.items()), f.detail) for f in summary.findings)
    return {"cells": cells_, "units": dict(summary.units), "findings": found}


def different(rows: list[Row], got: dict[str, Any], wanted: dict[str, Any], engine: str) -> int:
    """How many rows differ; the first ones are printed."""
    said = {row[3]: row for row in rows}
    wrong = [k for k in wanted if got.get(k) != wanted[k]]
    for k in wrong[:20]:
        print(engine, said[k], "read as", got.get(k), "instead of", wanted[k], flush=True)
    return len(wrong)


def begin() -> None:
    """Start the engines of this process; they stop with it."""
    import ibis
    import psycopg

    stack = contextlib.ExitStack()
    util.Finalize(None, stack.close, exitpriority=100)  # processes of a pool do not run what atexit knows
    folder = stack.enter_context(contextlib.contextmanager(server)())
    _engines["spark"] = spark_sessions.session("local[1]", **{"spark.sql.shuffle.partitions": "1"})
    stack.callback(_engines["spark"].stop)
    _engines["connection"] = stack.enter_context(psycopg.connect(host=folder, user="xpb", dbname="postgres"))
    _engines["far"] = ibis.postgres.connect(host=folder, user="xpb", database="postgres")


def work(piece: Piece) -> dict[str, int]:
    """What differs in a piece: random cells (`cells`, seed, rows), or one log of persons (`log`, seed, whether on Spark)."""
    kind, seed, more = piece
    return _of_cells(seed, more) if kind == "cells" else _of_log(seed, on_spark=bool(more))


def _of_cells(seed: int, count: int) -> dict[str, int]:
    rows = random_cells(seed, count)
    text_table(_engines["connection"], "cells", COLUMNS, list(rows))
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    table = _engines["spark"].createDataFrame(rows, ", ".join(f"`{n}` string" for n in COLUMNS))
    out: Counter[str] = Counter(rows=len(rows))
    for zone in ZONES:
        here = cells(frame, zone)
        if zone == "UTC":
            out["duckdb and Python"] += different(rows, here, in_python(rows), "DuckDB")
        out["postgres and duckdb"] += different(rows, cells(_engines["far"].table("cells"), zone), here, "Postgres")
        out["spark and duckdb"] += different(rows, cells(table, zone), here, "Spark")
    return dict(out)


def _of_log(seed: int, *, on_spark: bool) -> dict[str, int]:
    made = plan(exposure={"identities": "merge"})
    flat = [tuple(flat_row(r).get(n) for n in NAMES) for r in random_people(seed)]
    here = counted(xp.events(pd.DataFrame(flat, columns=list(NAMES), dtype=object)).summarize(made))
    name = f"people{seed}"
    text_table(_engines["connection"], name, NAMES, flat)
    out = {"logs": 1, "logs on Spark": int(on_spark), "log, postgres and duckdb": 0, "log, spark and duckdb": 0}
    if counted(xp.events(_engines["far"].table(name)).summarize(made)) != here:
        out["log, postgres and duckdb"] = 1
        print("Postgres merges the log of seed", seed, "in another way", flush=True)
    if on_spark:
        there = _engines["spark"].createDataFrame(flat, ", ".join(f"`{n}` string" for n in NAMES))
        if counted(xp.events(there).summarize(made)) != here:
            out["log, spark and duckdb"] = 1
            print("Spark merges the log of seed", seed, "in another way", flush=True)
    return out


def main(count: int = 20_000, logs: int = 60, seed: int = 20_261_201, minutes: float | None = None) -> int:
    pieces: list[Piece] = [["cells", seed + k, min(ROWS, count - k)] for k in range(0, count, ROWS)]
    pieces += [["log", seed + k, int(k % SPARK_EVERY == 0)] for k in range(logs)]
    run = Stretches("logs", [count, logs, seed], pieces)
    total: Counter[str] = Counter()
    for found in run.run(work, minutes=minutes, begin=begin):
        total.update(found)
    pairs = ("duckdb and Python", "postgres and duckdb", "spark and duckdb")
    differ = {name: total[name] for name in pairs}
    merged = {name: total[f"log, {name}"] for name in pairs[1:]}
    print(f"{len(run.done)} of {len(pieces)} pieces in {run.seconds:.0f} s: {dict(total)}")
    if run.complete:
        result = {
            "rows": total["rows"],
            "zones": list(ZONES),
            "cells": total["rows"] * 4 * len(ZONES),
            "rows that differ": differ,
            "logs": total["logs"],
            "logs on Spark": total["logs on Spark"],
            "logs that differ": merged,
            "seed": seed,
            "seconds": round(run.seconds),
            "commits": run.commits,
        }
        command = f"python -m benchmarks.logs {count} {logs} {seed}"
        write("logs", result, command=command, packages=("pyspark", "ibis-framework"))
        run.finish()
    return sum(differ.values()) + sum(merged.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("logs", nargs="?", type=int, default=60)
    parser.add_argument("seed", nargs="?", type=int, default=20_261_201)
    parser.add_argument("--minutes", type=float)
    sys.exit(bool(main(**vars(parser.parse_args()))))
