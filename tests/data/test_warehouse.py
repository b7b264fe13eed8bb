"""SQL warehouses through Ibis: a real Postgres server gives the same bits; BigQuery and Snowflake are compiled, not run."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import METRICS, frame_of, plan_of, random_log
from xpbench.data.exposures import Exposed
from xpbench.data.log import properties_of
from xpbench.data.values import Amount, Values
from xpbench.errors import DataError

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


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    return found[-1].parent if found else None


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The socket folder of a server of our own, from the system's packages."""
    pytest.importorskip("psycopg")
    tools = binaries()
    if tools is None:
        pytest.skip("Postgres is not installed")
    as_root = os.getuid() == 0
    if as_root and not any(u.pw_name == "postgres" for u in pwd.getpwall()):
        pytest.skip("Postgres does not run as root, and there is no user for it")
    folder = tempfile.mkdtemp(prefix="pg-")
    if as_root:
        shutil.chown(folder, "postgres", "postgres")
    who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if as_root else {}
    run: dict[str, Any] = {
        "check": True,
        "capture_output": True,
        "cwd": folder,
        "env": {**os.environ, "LC_ALL": "C.UTF-8"},
        **who,
    }
    subprocess.run([tools / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "xpb", "--no-sync", "-E", "UTF8"], **run)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-w", "-o", options, "-l", f"{folder}/log", "start"], **run)
    yield folder
    subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"], **{**run, "check": False})
    shutil.rmtree(folder, ignore_errors=True)


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


# -- compiled, never run -------------------------------------------------------------------------------------------------


def stages() -> dict[str, Any]:
    """Ibis expressions of the pipeline's steps over a table that is nowhere."""
    from xpbench.data.warehouse_log import normal_form

    kinds = {"text": "string", "double precision": "float64", "bigint": "int64", "timestamp": "timestamp"}
    table = ibis.table({n: kinds[t] for n, t in COLUMNS.items()}, name="log")
    plan = plan_of(METRICS, segments=["platform"])
    properties = properties_of(plan)
    source = SimpleNamespace(schema=xp.EventSchema(), time_zone="UTC", log=table)
    normal = normal_form(table, source, plan, properties)  # type: ignore[arg-type]
    frame: Any = nw.from_native(normal)
    c = nw.col
    units = (
        frame.group_by("u")
        .agg(t0=c("t").min(), variant=c("p1").min(), s0=c("p1").max())
        .with_columns(day=c("t0") // 86_400_000_000)
    )
    held = SimpleNamespace(has_insert_ids=True, keep=lambda f, name: f)
    exposed = Exposed(units, units.select("u", "t0"), ("u",), True, (), {}, 0, 0)
    amounts = {k: Amount(0.0, 99.0, 10, 9, k == "money") for k in ("money", "avg")}
    values = Values(plan, properties, exposed, amounts, until=10**15, log=held)  # type: ignore[arg-type]
    joined = values.attributed(frame)
    return {
        "normal form": normal,
        "attribution": joined.to_native(),
        "unit table": values.table(joined).to_native(),
        "percentile": units.select(q=c("t0").cast(nw.Float64).quantile(0.99, interpolation="linear")).to_native(),
    }


@pytest.mark.parametrize(("dialect", "fails"), [("postgres", set()), ("snowflake", set()), ("bigquery", {"percentile"})])
def test_what_compiles_for_a_warehouse(dialect: str, fails: set[str]) -> None:
    """Compiling is not running; what is known not to compile is pinned, so that a change is noticed."""
    compiled = {}
    for name, expression in stages().items():
        with contextlib.suppress(ibis.common.exceptions.OperationNotDefinedError):
            compiled[name] = ibis.to_sql(expression, dialect=dialect)
    assert set(stages()) - set(compiled) == fails
    assert all("select" in text.lower() for text in compiled.values())


def test_what_a_warehouse_table_must_have() -> None:
    from xpbench.data.warehouse_log import normal_form

    table = ibis.table({"event": "string", "time": "string", "distinct_id": "string"}, name="log")
    plan = plan_of(METRICS[:1])
    source = SimpleNamespace(schema=xp.EventSchema(), time_zone="UTC", log=table)
    with pytest.raises(DataError, match="XPB-D43"):
        normal_form(table, source, plan, properties_of(plan))  # type: ignore[arg-type]
