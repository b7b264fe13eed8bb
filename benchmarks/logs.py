"""Random logs on DuckDB, Postgres, Spark and in plain Python: how many cells and summaries agree, with seed and time.

`python -m benchmarks.logs [CELLS] [LOGS] [SEED]` (20,000 and 60 where they are left out) prints what differs and writes
`benchmarks/results/logs.json`. It starts a Postgres server and a Spark session of its own.

Cells are rows with random times, units and amounts, in two time zones; in UTC `xpbench.meaning` in plain Python has the answer.
Logs are of persons with several ids, whose events are merged: all that is counted must be the same on each engine.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import pandas as pd

import xpbench as xp
from benchmarks.report import write
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


def main(count: int = 20_000, logs: int = 60, seed: int = 20_261_201) -> int:
    import ibis
    import psycopg

    begin = time.monotonic()
    rows = random_cells(seed, count)
    differ = {"duckdb and Python": 0, "postgres and duckdb": 0, "spark and duckdb": 0}
    merged = {"postgres and duckdb": 0, "spark and duckdb": 0}
    on_spark = 0
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(contextlib.contextmanager(server)())
        spark = spark_sessions.session("local[1]", **{"spark.sql.shuffle.partitions": "1"})
        stack.callback(spark.stop)
        connection = stack.enter_context(psycopg.connect(host=folder, user="xpb", dbname="postgres"))
        far = ibis.postgres.connect(host=folder, user="xpb", database="postgres")
        text_table(connection, "cells", COLUMNS, list(rows))
        frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
        table = spark.createDataFrame(rows, ", ".join(f"`{n}` string" for n in COLUMNS))
        for zone in ZONES:
            here = cells(frame, zone)
            if zone == "UTC":
                differ["duckdb and Python"] += different(rows, here, in_python(rows), "DuckDB")
            differ["postgres and duckdb"] += different(rows, cells(far.table("cells"), zone), here, "Postgres")
            differ["spark and duckdb"] += different(rows, cells(table, zone), here, "Spark")
        made = plan(exposure={"identities": "merge"})
        for k in range(logs):
            people = random_people(seed + k)
            flat = [tuple(flat_row(r).get(n) for n in NAMES) for r in people]
            here_ = counted(xp.events(pd.DataFrame(flat, columns=list(NAMES), dtype=object)).summarize(made))
            text_table(connection, f"people{k}", NAMES, flat)
            if counted(xp.events(far.table(f"people{k}")).summarize(made)) != here_:
                merged["postgres and duckdb"] += 1
                print("Postgres merges the log of seed", seed + k, "in another way", flush=True)
            if k % SPARK_EVERY == 0:
                on_spark += 1
                there = spark.createDataFrame(flat, ", ".join(f"`{n}` string" for n in NAMES))
                if counted(xp.events(there).summarize(made)) != here_:
                    merged["spark and duckdb"] += 1
                    print("Spark merges the log of seed", seed + k, "in another way", flush=True)
    found = {
        "rows": count,
        "zones": list(ZONES),
        "cells": count * 4 * len(ZONES),
        "rows that differ": differ,
        "logs": logs,
        "logs on Spark": on_spark,
        "logs that differ": merged,
        "seed": seed,
        "seconds": round(time.monotonic() - begin),
    }
    write(
        "logs",
        found,
        command=f"python -m benchmarks.logs {count} {logs} {seed}",
        packages=("duckdb", "pyspark", "ibis-framework"),
    )
    return sum(differ.values()) + sum(merged.values())


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
