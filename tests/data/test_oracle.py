"""A reviewed plain-SQL copy of the unit table is the oracle, and a small log with expected whole numbers is golden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import METRICS, frame_of, lines_of, plan_of, random_log

HERE = Path(__file__).parent
ORACLE = (HERE / "oracle.sql").read_text()
GOLDEN = HERE / "golden"
PLAN = plan_of(METRICS, segments=["platform"])

NAMES = {
    "conv": "conv:value",
    "buys": "buys:value",
    "late": "late:value",
    "open": "open:value",
    "money": "money:value",
    "avg_sum": "avg:numerator",
    "avg_n": "avg:denominator",
    "visits": "visits:value",
    "ret": "ret:value",
    "fun": "fun:value",
    "big": "big:value",
    "buys_before": "before:buys:value",
    "seen": "seen",
}


def oracle_log(log: list[dict[str, Any]]) -> pd.DataFrame:
    p = [e["properties"] for e in log]
    return pd.DataFrame(
        {
            "distinct_id": [e["u"] for e in log],
            "event": [e["event"] for e in log],
            "t": [e["t"] for e in log],
            "insert_id": [e["iid"] for e in log],
            "arr": [e["arr"] or 0 for e in log],
            "experiment": [x.get("Experiment name") for x in p],
            "variant": [x.get("Variant name") for x in p],
            "qa": ["true" if x.get("$is_qa_tester") else None for x in p],
            "amount": pd.array([x.get("amount") for x in p], dtype="Float64"),
            "kind": [x.get("kind") for x in p],
            "platform": [x.get("platform") for x in p],
        }
    )


def typed(connection: Any, table: pd.DataFrame, path: Path) -> Path:
    connection.register("raw", table)
    connection.execute(
        f"COPY (SELECT * REPLACE (CAST(amount AS DECIMAL(18, 4)) AS amount) FROM raw) TO '{path}' (FORMAT parquet)"
    ).fetchall()
    return path


def sums(rows: list[dict[str, Any]], names: dict[str, str]) -> dict[str, dict[str, list[int]]]:
    """For each variant and value: units with a value, sum, sum of squares."""
    out: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        for ours, theirs in names.items():
            value = row[theirs]
            cell = out.setdefault(row["variant"], {}).setdefault(ours, [0, 0, 0])
            if value is not None:
                value = int(value)
                cell[0], cell[1], cell[2] = cell[0] + 1, cell[1] + value, cell[2] + value * value
    return out


def events_of_lines(path: Path) -> list[dict[str, Any]]:
    out = []
    for line in path.read_text().splitlines():
        e = json.loads(line)
        p = e["properties"]
        arrived = p.pop("mp_processing_time_ms", None)
        t, u, iid = p.pop("time") * 1_000_000, p.pop("distinct_id"), p.pop("$insert_id")
        out.append(
            {
                "event": e["event"],
                "u": u,
                "t": t,
                "iid": iid,
                "arr": None if arrived is None else arrived * 1000,
                "properties": p,
            }
        )
    return out


def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_oracle_agrees_on_every_value(seed: int, tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(seed), units=300, n=3_000)
    connection = duckdb.connect()
    connection.execute(
        f"CREATE VIEW log AS SELECT * FROM '{typed(connection, oracle_log(log), tmp_path / 'log.parquet')}'"
    ).fetchall()
    oracle = {r["distinct_id"]: r for r in connection.execute(ORACLE).fetch_df().astype(object).to_dict("records")}
    mine = {r["u"]: r for r in xp.events(frame_of(log), slices=()).unit_table(PLAN).to_pylist()}
    assert set(mine) == set(oracle)
    assert len(mine) > 100
    for u, row in oracle.items():
        for theirs, ours in NAMES.items():
            value = None if pd.isna(row[theirs]) else int(row[theirs])
            assert mine[u][ours] == value, (u, ours)


def test_golden_integers_of_oracle_and_engine(tmp_path: Path) -> None:
    path = GOLDEN / "log.jsonl"
    connection = duckdb.connect()
    table = typed(connection, oracle_log(events_of_lines(path)), tmp_path / "log.parquet")
    connection.execute(f"CREATE VIEW log AS SELECT * FROM '{table}'").fetchall()
    rows = [
        {k: None if pd.isna(v) else v for k, v in r.items()}
        for r in connection.execute(ORACLE).fetch_df().astype(object).to_dict("records")
    ]
    assert sums(rows, {n: n for n in NAMES}) == expected()
    mine = xp.events(path, slices=()).unit_table(PLAN).to_pylist()
    assert sums(mine, NAMES) == expected()


# -- NULL traps of the engines, pinned -----------------------------------------------------------------------------------


def test_percentiles_skip_null_so_no_activity_must_be_zero_first() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (NULL), (NULL), (10.0::DOUBLE), (20.0)) v(x)").fetchall()
    assert connection.execute("SELECT quantile_cont(x, 0.5) FROM t").fetchall() == [(15.0,)]
    frame = nw.from_native(connection.table("t"))
    assert frame.select(nw.col("x").quantile(0.5, "linear")).collect("pyarrow").to_native().to_pylist() == [{"x": 15.0}]
    zero = frame.select(nw.col("x").fill_null(0.0).quantile(0.5, "linear")).collect("pyarrow")
    assert zero.to_native().to_pylist() == [{"x": 5.0}]


def test_least_of_null_is_the_cap_on_duckdb_so_caps_are_written_as_case() -> None:
    assert duckdb.connect().execute("SELECT least(NULL, 5)").fetchall() == [(5,)]
    from xpbench.data.moments import _Variable
    from xpbench.data.sums import Profile

    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (NULL), (10.0::DOUBLE)) v(x)").fetchall()
    capped = _Variable("x", None, 5.0, (), False, Profile(1, 10.0, 10.0, 10.0, True).clipped(None, 5.0)).expression()
    rows = nw.from_native(connection.table("t")).select(y=capped).collect("pyarrow").to_native().to_pylist()
    assert [r["y"] for r in rows] == [None, 0.0]  # shifted by the capped minimum


def test_cumulative_maximum_keeps_null_so_steps_carry_a_sentinel() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1, 5), (2, NULL), (3, 4)) v(i, x)").fetchall()
    frame = nw.from_native(connection.table("t"))
    rows = frame.with_columns(y=nw.col("x").cum_max().over(order_by="i")).sort("i").collect("pyarrow").to_native().to_pylist()
    assert [r["y"] for r in rows] == [5, None, 5]


if __name__ == "__main__":  # writes the golden log and what the oracle says of it; look at the difference before committing
    GOLDEN.mkdir(exist_ok=True)
    golden = random_log(np.random.default_rng(20260101), units=60, n=900)
    (GOLDEN / "log.jsonl").write_text(lines_of(golden))
    con = duckdb.connect()
    con.execute(f"CREATE VIEW log AS SELECT * FROM '{typed(con, oracle_log(golden), Path('/tmp/golden.parquet'))}'").fetchall()
    found = [
        {k: None if pd.isna(v) else v for k, v in r.items()}
        for r in con.execute(ORACLE).fetch_df().astype(object).to_dict("records")
    ]
    (GOLDEN / "expected.json").write_text(json.dumps(sums(found, {n: n for n in NAMES}), indent=1) + "\n")
