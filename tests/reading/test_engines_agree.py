"""Every cell of a log reads the same on DuckDB, Postgres and Spark, and as the plain Python of `xpbench.meaning` has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.data import spark_sessions
from tests.postgres import postgres
from tests.reading.random_logs import COLUMNS, Row, random_cells
from tests.reading.test_folders import all_say_france, foldered, quotes_say_it, shares
from tests.reading.test_people import TABLE, compared, flat, half_logged_in, merging
from tests.reading.world import QUOTES, means, plan, refusal
from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.log import properties_of
from xpbench.data.logs.opening import open_log
from xpbench.meaning.names import name_of
from xpbench.meaning.numbers import number_of_text
from xpbench.meaning.times import EARLIEST, LATEST, time_of_text

__all__ = ["postgres"]

TIMES = (
    "2026-01-01", "2026-1-1", "2026/01/01 10:00", "2026-01-01T10:00:00Z", "2026-01-01 10:00:00.123456789",
    "2026-01-01 10:00:00,5", "2026-01-01, 10:00 PM", "2026-01-01 12:00 am", "2026-01-01 13:00 PM", "2026-01-01 0:30 AM",
    "2026-01-01T10:00:00+02:00", "2026-01-01T10:00:00 +0200", "2026-01-01T10:00:00UTC+02", "2026-01-01T10:00:00GMT",
    "2026-01-01 10:00 CET", "2026-01-01T10:00:00-19:00", "2026-01-01T10:00:00-18:00", "2026-01-01T10:00:00+05:75",
    "2026-02-30", "2026-02-29", "2024-02-29", "2028-02-29 00:00", "2026-13-01", "2026-00-10", "2026-01/01", "20260101",
    "20260101093000", "20261301", "20260101250000", "1767225600", "1767225600.5", "1767225600123", "1767225600123456",
    "1767225600123456789", "1.7672256e9", "1.7672256E+12", " 1767225600\t", "\u00a02026-01-01 10:00\u00a0", "\u200b1767225600",
    "99999999999999999999999", "1e30", "1e99", "9" * 40, "-5", "", "  ", "soon", "2026-01-01T24:00", "2026-01-01T10:60",
    "2026-01-01T10:00:60", "2026-01-01T1:00", "2026-01-01Z", "10:00", "1767225600.", "1_767_225_600", "+1767225600",
    "2026-01-01T10:00:00.Z", "0x10", "nan", "Infinity", "2026-01-01\n", "2026-01-01 10:00:00.000001", "1767225600.1234567",
    "1767225600123.4567", "1767225600123.5", "2026-03-29 02:30", "2026-10-25 01:30", "2026-10-25 01:30 +00:00",
    "2026-01-01 10:00z", "2026-01-01 10:00:00 PM+01", "2100-01-01", "2099-12-31 23:59:59", "2004-12-31", "2005-01-01",
    "9223372036854775807", "9223372036854775808", "1990", "19900101", "0001-01-01", "0000-01-01", "9999-12-31",
)  # fmt: skip
"""Times as people and tools write them, and what is not a time."""

VALUES = (
    "7", "7.0", "007", "7.50", "-0", "-0.0", "0.00", "1e3", " 7 ", "\u00a07", "7\u200b", "\t7\n", "NA", "n/a", "None", "null ",
    "\u00a0NULL\u00a0", "NaN", "TRUE", " False", "yes", "12,5", "$5", "12 %", "+3", ".5", "5.", "1_000", "0x10", "1e400", "inf",
    "-Infinity", "12345678901234567890", "99999999999999999999.0", "beta", " Beta ", "b\u00e9ta", "", " ", "\u3000", "\\N",
    "#N/A", "1e-400", "9" * 160, "1.7e308", "01", "true.0", "-7.0", "--7", "7-", "1 000", "\ufeff7",
)  # fmt: skip
"""Ids, variants and numbers as tools write them, and words for nothing."""


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    session = spark_sessions.session("local[1]", **{"spark.sql.shuffle.partitions": "1"})
    yield session
    session.stop()


AMOUNT = {**QUOTES, "key": "amount", "kind": "sum", "property": "amount"}


def cells(log: Any, zone: str) -> dict[str, tuple[Any, ...]]:
    """By insert id: unit, time, and the amount as name and as number."""
    made = plan([AMOUNT])
    properties = properties_of(made)
    text, number = properties.texts["amount"], properties.numbers["amount"]
    with open_log(xp.events(log, time_zone=zone), made, properties, Stages(7, None)) as opened:
        rows = opened.frame().select("iid", "u", "t", text, number).collect("pyarrow").to_native().to_pylist()
    return {r["iid"]: (r["u"], r["t"], r[text], r[number]) for r in rows}


def rows() -> list[Row]:
    """The values above, and some thousand random ones."""
    timed = [("Quote", text, "u", f"t{i:03}", "1") for i, text in enumerate(TIMES)]
    valued = [("Quote", "2026-01-01", text, f"v{i:03}", text) for i, text in enumerate(VALUES)]
    return [*timed, *valued, *random_cells(1, 2_000)]


def in_python(said: list[Row]) -> dict[str, tuple[Any, ...]]:
    """The same by the plain reading of `xpbench.meaning`, in UTC."""
    wanted = {}
    for _, time, unit, key, amount in said:
        at = time_of_text(time)
        number = number_of_text(amount)
        finite = number is not None and number == number and abs(number) != float("inf")
        t = at[0] if at is not None and EARLIEST <= at[0] < LATEST else None
        wanted[key] = (name_of(unit), t, name_of(amount), number if finite else None)
    return wanted


def here(zone: str) -> dict[str, tuple[Any, ...]]:
    return cells(pd.DataFrame(rows(), columns=list(COLUMNS), dtype=object), zone)


def differing(got: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]) -> list[Any]:
    said = {row[3]: row for row in rows()}
    return [(said[k], got.get(k), wanted[k]) for k in wanted if got.get(k) != wanted[k]]


def test_duckdb_reads_as_plain_python() -> None:
    assert differing(here("UTC"), in_python(rows())) == []


@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_postgres_reads_as_duckdb(postgres: str, zone: str) -> None:
    import psycopg

    ibis = pytest.importorskip("ibis")
    with psycopg.connect(host=postgres, user="xpb", dbname="postgres") as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS cells")
        cursor.execute("CREATE TABLE cells (" + ", ".join(f'"{n}" text' for n in COLUMNS) + ")")
        cursor.executemany("INSERT INTO cells VALUES (%s, %s, %s, %s, %s)", rows())
    server = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    assert differing(cells(server.table("cells"), zone), here(zone)) == []


@pytest.mark.spark
@pytest.mark.parametrize("zone", ["UTC", "Europe/London"])
def test_spark_reads_as_duckdb(spark: Any, zone: str) -> None:
    table = spark.createDataFrame(rows(), ", ".join(f"`{n}` string" for n in COLUMNS))
    assert differing(cells(table, zone), here(zone)) == []


@pytest.mark.spark
@pytest.mark.parametrize("identities", [None, TABLE], ids=["from the log", "a table"])
def test_merging_on_spark_gives_the_same_persons(spark: Any, identities: Any) -> None:
    frame = flat(half_logged_in())
    columns = ", ".join(f"`{n}` {'bigint' if n == 'time' else 'string'}" for n in frame.columns)
    rows_ = [tuple(None if pd.isna(v) else v for v in r) for r in frame.itertuples(index=False)]
    table = None if identities is None else spark.createDataFrame(identities)
    here = xp.events(frame, identities=identities).summarize(merging())
    there = xp.events(spark.createDataFrame(rows_, columns), identities=table).summarize(merging())
    assert compared(there) == compared(here)
    assert there.cells == here.cells


@pytest.mark.spark
def test_folders_of_json_lines_say_the_same_on_spark(spark: Any, tmp_path: Path) -> None:
    wanted = plan(segments=["country"])
    guessed = "spark.sql.sources.partitionColumnTypeInference.enabled"
    root = foldered(tmp_path / "some", quotes_say_it, names=("DE", "__HIVE_DEFAULT_PARTITION__"))
    here, there = (xp.events(log).summarize(wanted) for log in (root, spark.read.json(root)))
    assert (means(there), shares(there)) == (means(here), shares(here))
    other = foldered(tmp_path / "other", all_say_france)
    assert "XPB-D86" in refusal(lambda: xp.events(spark.read.json(other)).summarize(wanted))
    numbers = foldered(tmp_path / "numbers", names=("7", "007"))
    assert "XPB-D87" in refusal(lambda: xp.events(spark.read.json(numbers)).summarize(wanted))
    spark.conf.set(guessed, "false")
    try:
        assert shares(xp.events(spark.read.json(numbers)).summarize(wanted)) == {"7": 50, "007": 50}
    finally:
        spark.conf.unset(guessed)


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_folder_that_spark_puts_in_place_of_a_column_must_agree_with_it(spark: Any, tmp_path: Path, kind: str) -> None:
    for country, own in (("DE", "DE"), ("AT", "FR")):
        folder = tmp_path / f"country={country}"
        folder.mkdir()
        frame = flat(half_logged_in()).assign(country=own)
        if kind == "json":
            frame.to_json(folder / "p.jsonl", orient="records", lines=True)
        else:
            frame.astype({"time": "int64"}).to_parquet(folder / "p.parquet", index=False)
    table = spark.read.format(kind).load(str(tmp_path))
    said = refusal(lambda: xp.events(table).summarize(plan(segments=["country"])))
    assert "XPB-D86" in said
    assert "country=AT" in said


@pytest.mark.spark
def test_a_log_whose_files_change_while_spark_reads_them_is_refused(spark: Any, tmp_path: Path) -> None:
    path = tmp_path / "a log.parquet"
    frame = flat(half_logged_in())
    frame.astype({"time": "int64"}).to_parquet(path, index=False)

    def touched(_: Any) -> None:
        path.write_bytes(path.read_bytes())

    source = xp.events(spark.read.parquet(str(path)))
    assert "changed while it was read" in refusal(lambda: source.summarize(plan(), progress=touched))


@pytest.mark.parametrize("kept_from", ["the log", "temporary tables", "writing"])
def test_a_role_without_rights_is_told_which_ones_it_needs(postgres: str, kept_from: str) -> None:
    import psycopg

    ibis = pytest.importorskip("ibis")
    role = "r_" + kept_from.replace(" ", "_")
    with psycopg.connect(host=postgres, user="xpb", dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept (event text, time bigint, distinct_id text)")
        connection.execute(f"CREATE ROLE {role} LOGIN")
        if kept_from != "the log":
            connection.execute(f"GRANT SELECT ON kept TO {role}")
        if kept_from == "temporary tables":
            connection.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
        if kept_from == "writing":
            connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
        try:
            server = ibis.postgres.connect(host=postgres, user=role, database="postgres")
            said = refusal(lambda: xp.events(server.table("kept")).summarize(plan()))
        finally:
            connection.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")
    assert "XPB-D84" in said
    assert "TEMPORARY" in said
