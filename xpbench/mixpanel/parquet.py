"""Pulled days as Parquet: four columns that every event has, and the properties as JSON text."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from xpbench.mixpanel.pull import PullReport

_LINE = 16 * 1024 * 1024
_QUERY = """
SELECT event,
    CAST(properties->>'$.time' AS BIGINT) AS time,
    coalesce(properties->>'$.distinct_id', '') AS distinct_id,
    properties->>'$."$insert_id"' AS insert_id,
    CAST(properties AS VARCHAR) AS properties
FROM read_json($source, format = 'newline_delimited', compression = 'gzip', maximum_object_size = $line,
    columns = {event: 'VARCHAR', properties: 'JSON'})
"""


def to_parquet(report: PullReport) -> str:
    """Write `<day>.parquet` beside each pulled day whose file is missing or older; returns the pattern to read them.

    Columns: `event`, `time` (epoch milliseconds), `distinct_id`, `insert_id`, `properties` (JSON text, whole).
    """
    folder = Path(report.folder)
    with duckdb.connect() as db:
        for day in report.days:
            source, target = folder / day.file, folder / f"{day.day}.parquet"
            if target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
                continue
            part = folder / f".{day.day}.parquet.part"
            db.sql(_QUERY, params={"source": str(source), "line": _LINE}).write_parquet(str(part), compression="zstd")
            os.replace(part, target)
    return str(folder / "*.parquet")
