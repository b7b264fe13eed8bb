"""SQL warehouses through Ibis: a real Postgres server gives the same bits; BigQuery and Snowflake are compiled, not run."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import METRICS, clock_readings, frame_of, in_duckdb, plan_of, random_log
from tests.postgres import postgres
from xpbench.data.logs.exposures import ExposedUnits
from xpbench.data.logs.log import LogProperties, properties_of
from xpbench.data.logs.values import Amount, Values
from xpbench.errors import DataError

__all__ = ["postgres"]

ibis = pytest.importorskip("ibis")

COLUMNS = {
    "event": "text",
    "time": "timestamp",
    "distinct_id": "text",
    "$insert_id": "text",
    "mp_processing_time_ms": "bigint",
    "amount": "double precision",
    "kind": "text",
    "Experiment name": "text",
    "Variant name": "text",
    "platform": "text",
    "$is_qa_tester": "text",
}


def flat_log() -> pd.DataFrame:
    log = random_log(np.random.default_rng(1), units=60, n=900)
    flat = frame_of(log).drop(columns="properties").join(pd.DataFrame([e["properties"] for e in log]))
    flat["$is_qa_tester"] = flat["$is_qa_tester"].map({True: "true"})
    return flat[list(COLUMNS)]


def test_postgres_gives_the_same_bits_as_duckdb(postgres: str) -> None:
    import psycopg

    flat = flat_log()
    with psycopg.connect(host=postgres, user="xpb", dbname="postgres") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE log (" + ", ".join(f'"{n}" {t}' for n, t in COLUMNS.items()) + ")")
        rows = [tuple(None if pd.isna(v) else v for v in row) for row in flat.astype(object).itertuples(index=False)]
        cursor.executemany("INSERT INTO log VALUES (" + ", ".join(["%s"] * len(COLUMNS)) + ")", rows)
    connection = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    plan = plan_of(
        [
            {**m, "winsorize": {"upper": 0.9}} if m["key"] == "money" else m
            for m in METRICS
            if m["key"] in ("conv", "money", "visits", "fun")
        ],
        segments=["platform"],
    )
    before = set(connection.list_tables())
    there = xp.events(connection.table("log")).summarize(plan)
    here = xp.events(flat).summarize(plan)
    assert there.engine.startswith("postgres")
    assert there.units == here.units
    assert there.caps == here.caps
    assert there.findings == here.findings
    assert there.cells == here.cells
    assert set(connection.list_tables()) == before
    with pytest.raises(DataError, match="XPB-D05"):
        xp.events(connection.table("log")).summarize(plan.changed(unit="nobody"))
    connection.disconnect()


def insert(folder: str, name: str, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    import psycopg

    with psycopg.connect(host=folder, user="xpb", dbname="postgres") as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (" + ", ".join(f'"{n}" {t}' for n, t in columns.items()) + ")")
        cursor.executemany(f"INSERT INTO {name} VALUES (" + ", ".join(["%s"] * len(columns)) + ")", rows)


def raw_lines(form: str) -> list[tuple[str, str]]:
    """Event and properties as JSON, times as local seconds, exposures in one of the three formats."""
    log = random_log(np.random.default_rng(5), units=60, n=900, days=20)
    out = []
    for e in log:
        p = dict(e["properties"])
        if e["event"] == "$experiment_started":
            name, variant = p.pop("Experiment name"), p.pop("Variant name")
            p |= {"$os": "x", "page": "home"}
            if form == "list":
                p["Experiments"] = ["more:x:y", f"{name}:{variant}", "tt:b"]
            elif form == "dictionary":
                p |= {name: variant, "number": 5}
            else:
                p |= {"Experiment name": name, "Variant name": variant}
        # January moved to the last days of March, over the change of clocks
        p |= {"time": e["t"] // 1_000_000 + 80 * 86_400, "distinct_id": e["u"], "$insert_id": e["iid"]}
        out.append((e["event"], json.dumps(p)))
    return out


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("list", "jsonb"),
        pytest.param("dictionary", "json", marks=pytest.mark.full),
        ("separate", "text"),
        pytest.param("list", "text", marks=pytest.mark.full),
    ],
)
def test_json_properties_local_time_and_every_format_on_postgres(postgres: str, form: str, kind: str) -> None:
    lines = raw_lines(form)
    table = f"raw_{form}_{kind}"
    insert(postgres, table, {"event": "text", "properties": kind}, lines)
    connection = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    frame = pd.DataFrame(lines, columns=["event", "properties"])
    plan = plan_of([m for m in METRICS if m["key"] in ("conv", "money", "big")], segments=["platform"])
    plan = plan.changed(exposure={"format": form}, data={"missing_codes": [], "smallest_segment": 1})
    options: dict[str, Any] = {"time_zone": "Europe/London", "slices": ("segment", "day")}
    there = xp.events(connection.table(table), **options).summarize(plan)
    here = xp.events(frame, **options).summarize(plan)
    assert there.cells == here.cells
    assert there.findings == here.findings
    assert (there.units, there.first_exposure, there.data_until) == (here.units, here.first_exposure, here.data_until)
    assert sum(there.units.values()) > 20
    how = plan.exposure
    seen = xp.experiments(xp.events(connection.table(table), time_zone="Europe/London"), exposure=how)
    assert seen == xp.experiments(xp.events(frame, time_zone="Europe/London"), exposure=how)
    assert {e.name for e in seen} >= {"t", "other"}
    connection.disconnect()


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_clock_readings_around_the_change_of_clocks(postgres: str, zone: str) -> None:
    from xpbench.data.engines.warehouse_log import NormalForm

    readings = clock_readings()
    table = f"clocks_{zone.split('/')[1].lower()}"
    columns = {"event": "text", "distinct_id": "text", "time": "bigint"}
    insert(postgres, table, columns, [("e", f"{i:04}", t) for i, t in enumerate(readings)])
    connection = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    source: Any = SimpleNamespace(schema=xp.EventSchema(), time_zone=zone, log=connection.table(table))
    form = NormalForm(source, plan_of(METRICS[:1]), LogProperties(), dialect="postgres").table()
    found = form.order_by("u").select("t").to_pyarrow()["t"].to_pylist()
    connection.disconnect()
    assert [t // 1_000_000 for t in found] == in_duckdb(readings, zone)


def test_the_fingerprint_of_a_warehouse_table_tells_every_change_but_the_order(postgres: str) -> None:
    import psycopg

    lines = raw_lines("separate")
    insert(postgres, "marks", {"event": "text", "properties": "jsonb"}, lines)
    insert(postgres, "shuffled", {"event": "text", "properties": "jsonb"}, lines[::-1])
    connection = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    plan = plan_of(METRICS[:2])

    def mark(table: str) -> str:
        return xp.events(connection.table(table), slices=()).summarize(plan).fingerprint

    first = mark("marks")
    assert mark("shuffled") == first
    key = "properties->>'$insert_id'"
    one = f"WHERE {key} = (SELECT min({key}) FROM marks WHERE event = 'buy')"
    with psycopg.connect(host=postgres, user="xpb", dbname="postgres", autocommit=True) as other:
        # counts, ranges and sets of values stay as they are: one purchase is another unit's
        other.execute(f"UPDATE marks SET properties = jsonb_set(properties, '{{distinct_id}}', '\"u1\"') {one}")
        changed = mark("marks")
        other.execute("INSERT INTO marks SELECT * FROM marks LIMIT 1")
    assert len({first, changed, mark("marks")}) == 3
    connection.disconnect()


def test_what_the_server_says_is_told_with_a_code(postgres: str) -> None:
    insert(postgres, "broken", {"event": "text", "properties": "text"}, [("$experiment_started", "{not json")])
    connection = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    with pytest.raises(DataError, match="XPB-D01"):
        xp.events(connection.table("broken")).summarize(plan_of(METRICS[:1]))
    connection.disconnect()


# -- compiled, never run -------------------------------------------------------------------------------------------------


def stages(dialect: str) -> dict[str, Any]:
    """Ibis expressions of the pipeline's steps over a table that is nowhere, each made when it is asked for."""
    from xpbench.data.engines import dialects
    from xpbench.data.engines.warehouse_log import NormalForm

    kinds = {"text": "string", "double precision": "float64", "bigint": "int64", "timestamp": "timestamp"}
    flat = ibis.table({n: kinds[t] for n, t in COLUMNS.items()}, name="log")
    raw = ibis.table({"event": "string", "properties": "json"}, name="log")
    plan = plan_of(METRICS, segments=["platform"])

    def normal(table: Any, plan: xp.Plan, zone: str = "UTC") -> Any:
        source: Any = SimpleNamespace(schema=xp.EventSchema(), time_zone=zone, log=table)
        return NormalForm(source, plan, properties_of(plan), dialect=dialect).table()

    def unfolded(how: Any) -> Any:
        source: Any = SimpleNamespace(schema=xp.EventSchema(), time_zone="UTC", log=raw)
        properties = LogProperties(items=how)
        items = NormalForm(source, plan.changed(exposure={"format": "list"}), properties, dialect=dialect).table()
        one, holder = dialects.unfolded(items.items, how, dialect)
        return items.select("u", raw=one, holder=holder)

    frame: Any = nw.from_native(normal(flat, plan))
    c = nw.col
    units = (
        frame.group_by("u")
        .agg(t0=c("t").min(), variant=c("p1").min(), s0=c("p1").max())
        .with_columns(day=c("t0") // 86_400_000_000)
    )
    held: Any = SimpleNamespace(has_insert_ids=True, keep=lambda f, name, near="": f)
    exposed = ExposedUnits(units, units.select("u", "t0"), ("u",), True, (), {}, 0, 0, {})
    amounts = {k: Amount(0.0, 99.0, 10, 9, k == "money") for k in ("money", "avg")}
    values = Values(plan, properties_of(plan), exposed, amounts, until=10**15, log=held)
    joined = values.attributed(frame)
    return {
        "normal form": lambda: normal(flat, plan),
        "properties in JSON": lambda: normal(raw, plan),
        "local time": lambda: normal(flat, plan, "Europe/London"),
        "fingerprint": lambda: dialects.row_hashes(normal(flat, plan), ["u", "event", "t", "iid", "p0"]),
        "list of experiments": lambda: unfolded("list"),
        "dictionary in JSON": lambda: unfolded("dictionary"),
        "attribution": lambda: joined.to_native(),
        "unit table": lambda: values.table(joined).to_native(),
        "percentile": lambda: units.select(q=c("t0").cast(nw.Float64).quantile(0.99, interpolation="linear")).to_native(),
    }


@pytest.mark.parametrize(
    ("dialect", "fails"),
    [("postgres", set()), ("snowflake", {"dictionary in JSON"}), ("bigquery", {"percentile", "dictionary in JSON"})],
)
def test_what_compiles_for_a_warehouse(dialect: str, fails: set[str]) -> None:
    """Compiling is not running; what is known not to compile is pinned, so that a change is noticed."""
    compiled = {}
    steps = stages(dialect)
    for name, expression in steps.items():
        with contextlib.suppress(ibis.common.exceptions.OperationNotDefinedError, DataError):
            compiled[name] = ibis.to_sql(expression(), dialect=dialect)
    assert set(steps) - set(compiled) == fails
    assert all("select" in text.lower() for text in compiled.values())


def test_what_a_warehouse_table_must_have() -> None:
    from xpbench.data.engines.warehouse_log import NormalForm

    plan = plan_of(METRICS[:1])

    def form(zone: str = "UTC", dialect: str = "postgres", **columns: str) -> str:
        table = ibis.table({"event": "string", "time": "timestamp", "distinct_id": "string", **columns}, name="log")
        source: Any = SimpleNamespace(schema=xp.EventSchema(), time_zone=zone, log=table)
        with pytest.raises(DataError) as caught:
            NormalForm(source, plan, properties_of(plan), dialect=dialect).table()
        return caught.value.code

    assert form(time="boolean") == "XPB-D43"
    assert form(zone="Europe/London", dialect="trino") == "XPB-D43"
    assert form(properties="int64") == "XPB-D43"
