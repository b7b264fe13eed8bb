"""What users' tables look like in Spark: every way to hold times, amounts and properties, and one unit with very many events.

The same rows in DuckDB are the answer that is expected; clocks change in the session's own zone while the log runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import xpbench as xp
from tests.data import spark_sessions
from tests.data.logs import METRICS, plan_of
from tests.data.test_spark import same
from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.log import LogProperties, properties_of
from xpbench.data.logs.opening import open_log
from xpbench.data.moments import rows_of

pytestmark = pytest.mark.spark
pytest.importorskip("pyspark")

ROWS = """
    SELECT CASE WHEN k = 0 THEN '$experiment_started' ELSE (['add', 'view', 'buy'])[k % 3 + 1] END AS event,
        'u' || n AS distinct_id, 'i' || n || '-' || k AS insert_id,
        TIMESTAMP '2026-03-07 20:00:00.25' + to_minutes(n * 5 + k * 37) AS time,
        CASE WHEN k % 3 = 2 THEN ((n * 7919 + k * 104729) % 100000)::DECIMAL(12, 2) / 100 END::DECIMAL(12, 2) AS amount,
        CASE WHEN k = 0 THEN 't' END AS "Experiment name",
        CASE WHEN k = 0 THEN CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END END AS "Variant name",
        CASE WHEN k = 0 THEN CASE WHEN n % 3 = 0 THEN 'ios' ELSE 'web' END END AS platform
    FROM range(40) a(n), range(30) b(k)
"""
TYPES = {
    "timestamp with zone": "timestamp", "text": "string", "text with offset": "string", "text in UTC": "string",
    "broken seconds": "double", "milliseconds": "bigint",
}  # fmt: skip
WANTED = ("conv", "money", "avg", "visits", "fun")
SHAPES = {
    "timestamp without zone": "SELECT * FROM rows",
    "timestamp with zone": "SELECT * REPLACE (time::TIMESTAMPTZ AS time) FROM rows",
    "text": "SELECT * REPLACE (strftime(time, '%Y-%m-%d %H:%M:%S.%f') AS time) FROM rows",
    "text with offset": """SELECT * REPLACE (strftime(time + INTERVAL 90 MINUTE, '%Y-%m-%dT%H:%M:%S.%f+01:30') AS time)
        FROM rows""",
    "text in UTC": "SELECT * REPLACE (strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ') AS time) FROM rows",
    "broken seconds": "SELECT * REPLACE (epoch_us(time) / 1000000.0 AS time) FROM rows",
    "milliseconds": "SELECT * REPLACE (epoch_ms(time) AS time) FROM rows",
    "struct": """SELECT event, distinct_id, insert_id, time, {'amount': amount, 'platform': platform,
        'Experiment name': "Experiment name", 'Variant name': "Variant name"} AS properties FROM rows""",
    "map of texts": """SELECT event, distinct_id, insert_id, time, MAP {'amount': amount::VARCHAR, 'platform': platform,
        'Experiment name': "Experiment name", 'Variant name': "Variant name"} AS properties FROM rows""",
    "map of amounts": """SELECT * EXCLUDE (amount), MAP {'amount': amount} AS properties FROM rows""",
    "hours": "SELECT *, time_bucket(INTERVAL 1 HOUR, time)::TIMESTAMPTZ AS hour FROM rows",
    "JSON": """SELECT event, distinct_id, insert_id, time, to_json({'amount': amount, 'platform': platform,
        'Experiment name': "Experiment name", 'Variant name': "Variant name"})::VARCHAR AS properties FROM rows""",
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    session = spark_sessions.session("local[1]", **{"spark.sql.shuffle.partitions": "1"})
    yield session
    session.stop()


@pytest.fixture(scope="module")
def rows() -> Any:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE rows AS {ROWS}").fetchall()
    return connection


def normal(log: Any, plan: xp.Plan, properties: LogProperties) -> list[tuple[Any, ...]]:
    """The log in normal form, in order."""
    source = xp.events(log, schema=xp.EventSchema(insert_id="insert_id"))
    columns = ["iid", "u", "event", "t", *properties.texts.values(), *properties.numbers.values()]
    with open_log(source, plan, properties, Stages(7, None)) as opened:
        return sorted(tuple(r[c] for c in columns) for r in rows_of(opened.frame().select(*columns)))


@pytest.mark.parametrize("shape", SHAPES)
def test_times_amounts_and_properties_of_every_type(spark: Any, rows: Any, shape: str, tmp_path: Any) -> None:
    path = tmp_path / "log.parquet"
    rows.execute(f"COPY ({SHAPES[shape]}) TO '{path}' (FORMAT parquet)").fetchall()
    table = spark.read.parquet(str(path))
    assert dict(table.dtypes)["time"] == TYPES.get(shape, "timestamp_ntz")
    plan = plan_of([m for m in METRICS if m["key"] == "money"], segments=["hour" if shape == "hours" else "platform"])
    properties = properties_of(plan)
    there = normal(table, plan, properties)
    assert there == normal(path, plan, properties)
    query = "SELECT insert_id, epoch_us(time), amount::DOUBLE FROM rows ORDER BY 1"
    assert [(r[0], r[3], r[-1]) for r in there] == rows.execute(query).fetchall()


@pytest.mark.parametrize("shape", ["timestamp without zone", "timestamp with zone", "text"])
def test_a_stretch_of_time_to_the_microsecond(spark: Any, rows: Any, shape: str, tmp_path: Any) -> None:
    """By the log's own column where it is a timestamp: no event more or less than by the computed time."""
    path = tmp_path / "log.parquet"
    rows.execute(f"COPY ({SHAPES[shape]}) TO '{path}' (FORMAT parquet)").fetchall()
    plan = plan_of([m for m in METRICS if m["key"] == "money"])
    properties = properties_of(plan)
    source = xp.events(spark.read.parquet(str(path)), schema=xp.EventSchema(insert_id="insert_id"))
    with open_log(source, plan, properties, Stages(7, None)) as opened:
        times = sorted(r["t"] for r in rows_of(opened.frame().select("t")))
        for first, stop in ((times[100], times[500]), (times[100] + 1, times[500] + 1), (0, 2**62), (-(2**62), times[3])):
            found = sorted(r["t"] for r in rows_of(opened.frame(between=(first, stop)).select("t")))
            assert found == [t for t in times if first <= t < stop]


@pytest.mark.full
def test_a_unit_with_a_million_events(spark: Any, rows: Any, tmp_path: Any) -> None:
    path = tmp_path / "log.parquet"
    many = """SELECT 'buy' AS event, 'u1' AS distinct_id, 'many' || i AS insert_id,
        TIMESTAMP '2026-03-08 00:00:00' + to_milliseconds(i * 50) AS time, 0.25::DECIMAL(12, 2) AS amount,
        NULL AS "Experiment name", NULL AS "Variant name", NULL AS platform FROM range(1000000) t(i)"""
    rows.execute(f"COPY (SELECT * FROM rows UNION ALL {many}) TO '{path}' (FORMAT parquet)").fetchall()
    plan = plan_of([m for m in METRICS if m["key"] in WANTED])
    options: dict[str, Any] = {"schema": xp.EventSchema(insert_id="insert_id"), "slices": (), "until": "2026-04-01"}
    there = xp.events(spark.read.parquet(str(path)), **options).summarize(plan)
    same(there.to_dict(), xp.events(path, **options).summarize(plan).to_dict())
    most = max(there.extremes, key=lambda extreme: extreme.value)
    assert most.variant == "b"  # u1, to whom all of them belong
    assert most.value >= 250_000
