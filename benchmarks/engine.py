# ruff: noqa: E501 - queries read better on long lines
"""From a raw event log to moments: xpbench beside hand-written DuckDB SQL, Polars and pandas, in one run on one log.

    python -m benchmarks.engine --events 20_000_000 --units 1_000_000 --runs 3 --out benchmarks/results/engine-20m.json

Every case is a process of its own, so that start-up, imports and peak memory count. All cases answer the same question
(first exposures, switchers left out, 14-day windows after and before, five metrics, one winsorized at its pooled 99 %) and
must agree: counts exactly, sums of money to the cent.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import header
from tests.builders import claim, plan_document

ROOT = Path(__file__).resolve().parents[1]
DAYS = 60

PLAN: dict[str, Any] = plan_document(
    [
        {"key": "orders", "kind": "count", "event": "order", "window_days": 14},
        {"key": "buyers", "kind": "conversion", "event": "order", "window_days": 14},
        {
            "key": "revenue",
            "kind": "sum",
            "event": "order",
            "property": "amount",
            "window_days": 14,
            "winsorize": {"upper": 0.99},
        },
        {"key": "views", "kind": "count", "event": "view", "window_days": 14},
        {"key": "per_order", "kind": "ratio", "numerator": "revenue", "denominator": "orders"},
    ],
    key="bench",
    title="Benchmark",
    owner="bench",
    hypothesis=claim([]),
    pre_period_days=14,
    model=None,
    horizon=None,
)
for _metric in PLAN["metrics"]:
    _metric |= {"role": "secondary", "direction": "increase", "cuped": True}


def generate(path: Path, *, events: int, units: int, seed: int = 1) -> None:
    """Write a log with planted truth: beta orders 5 % more often; 1 % of units meet both variants; amounts are skewed."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SELECT setseed({seed / 10})").fetchall()
    exposures = int(units * 0.6)
    connection.execute(f"""
        COPY (
          WITH e AS (
            SELECT hash(i, {seed}) AS h, hash(i, {seed + 1}) AS g, hash(i, {seed + 2}) AS k, i FROM range({events}) t(i)
          ), x AS (
            SELECT h % {units} AS n, h, g, k, i,
              timestamp '2026-01-01' + to_seconds((g % {DAYS * 86400})::BIGINT) AS time FROM e
          )
          SELECT 'u' || n AS distinct_id, time, 'i' || i AS insert_id,
            CASE WHEN (k % 1000) < 600 THEN 'view' WHEN (k % 1000) < (CASE WHEN n % 2 = 1 THEN 760 ELSE 750 END) THEN 'order'
              ELSE 'other' END AS event,
            CASE WHEN (k % 1000) BETWEEN 600 AND 759 THEN
              round(exp(3 + 1.2 * sqrt(-2 * ln(((h // 7) % 1000003 + 1) / 1000004.0)) * cos(6.283185307 * ((g // 7) % 1000003) / 1000003.0)), 2)
            END AS amount,
            NULL::VARCHAR AS "Experiment name", NULL::VARCHAR AS "Variant name"
          FROM x
          UNION ALL
          SELECT 'u' || n, timestamp '2026-01-20' + to_seconds((hash(n, 7) % (20 * 86400))::BIGINT + r * 3600), 'x' || n || '-' || r,
            '$experiment_started', NULL, 'bench',
            CASE WHEN (n + (CASE WHEN r = 1 AND hash(n, 8) % 100 = 0 THEN 1 ELSE 0 END)) % 2 = 1 THEN 'beta' ELSE 'control' END
          FROM range({exposures}) u(n), range(2) v(r)
        ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
    """).fetchall()


# -- cases -------------------------------------------------------------------------------------------------------------

# The quickest of the shapes that were tried (docs/data.md): first exposures by min and max, since order matters only for
# switchers, who are left out; names of events as small numbers (a CASE over a column stored as a dictionary is computed
# once for each name of a block, IN for each event); literal bounds of time; one join; six sums; conversions from counts.
HAND_EXPOSED = """
CREATE TEMP TABLE fx AS
  SELECT distinct_id, variant, t0, (row_number() OVER ())::INTEGER AS n FROM (
    SELECT distinct_id, min("Variant name") AS variant, min(time) AS t0 FROM log
    WHERE event = '$experiment_started' AND "Experiment name" = 'bench'
    GROUP BY distinct_id HAVING min("Variant name") = max("Variant name"))
"""
HAND_UNITS = """
CREATE TEMP TABLE unit AS
  SELECT variant, coalesce(orders, 0) AS orders, coalesce(orders > 0, false)::INTEGER AS buyers, coalesce(revenue, 0) AS revenue,
    coalesce(views, 0) AS views, coalesce(orders_b, 0) AS orders_b, coalesce(orders_b > 0, false)::INTEGER AS buyers_b,
    coalesce(revenue_b, 0) AS revenue_b, coalesce(views_b, 0) AS views_b,
    coalesce(orders_b + views_b > 0, false)::INTEGER AS seen
  FROM fx LEFT JOIN (
    SELECT n, count(CASE WHEN c = 1 THEN 1 END) AS orders, count(CASE WHEN c = 2 THEN 1 END) AS views,
      count(CASE WHEN c = 3 THEN 1 END) AS orders_b, count(CASE WHEN c = 4 THEN 1 END) AS views_b,
      sum(CASE WHEN c = 1 THEN amount::DECIMAL(18, 4) END) AS revenue,
      sum(CASE WHEN c = 3 THEN amount::DECIMAL(18, 4) END) AS revenue_b
    FROM (
      SELECT f.n, CASE WHEN l.time >= f.t0 THEN l.e ELSE (l.e + 2)::UTINYINT END AS c, l.amount
      FROM (SELECT *, CASE event WHEN 'order' THEN 1::UTINYINT WHEN 'view' THEN 2::UTINYINT ELSE 0::UTINYINT END AS e
            FROM log WHERE time >= TIMESTAMP '{begin}' AND time < TIMESTAMP '{end}') l
      JOIN fx f ON l.distinct_id = f.distinct_id
        AND l.time >= f.t0 - INTERVAL 14 DAY AND l.time < f.t0 + INTERVAL 14 DAY
      WHERE l.e > 0)
    GROUP BY n
  ) v ON v.n = fx.n
"""

_PAIRS = [
    ("orders", ("orders", "orders_b", "seen")),
    ("buyers", ("buyers", "buyers_b", "seen")),
    ("revenue", ("rw", "rwb", "seen")),
    ("views", ("views", "views_b", "seen")),
    ("per_order", ("rw", "orders", "rwb", "orders_b", "seen")),
]


def _sums() -> list[str]:
    wanted: dict[str, None] = {}
    for _, columns in _PAIRS:
        for i, a in enumerate(columns):
            wanted[f"sum({a}::DOUBLE)"] = None
            for b in columns[i:]:
                wanted[f"sum({a}::DOUBLE * {b}::DOUBLE)"] = None
    return list(wanted)


def _hand_units(connection: Any, path: str) -> tuple[float, float]:
    """The unit table; its caps."""
    connection.execute(f"CREATE TEMP VIEW log AS SELECT * FROM read_parquet('{path}')").fetchall()
    connection.execute(HAND_EXPOSED).fetchall()
    ((begin, end),) = connection.execute("SELECT min(t0) - INTERVAL 14 DAY, max(t0) + INTERVAL 14 DAY FROM fx").fetchall()
    connection.execute(HAND_UNITS.format(begin=begin, end=end)).fetchall()
    caps: tuple[float, float] = connection.execute(
        "SELECT round(quantile_cont(revenue::DOUBLE, 0.99), 4), round(quantile_cont(revenue_b::DOUBLE, 0.99), 4) FROM unit"
    ).fetchall()[0]
    return caps


def _hand_sums(connection: Any, caps: tuple[float, float], by: str = "variant", more: str = "") -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(f"""
        WITH w AS (SELECT *, least(revenue, {caps[0]}::DECIMAL(18, 4)) AS rw, least(revenue_b, {caps[1]}::DECIMAL(18, 4)) AS rwb FROM unit)
        SELECT variant, count(*), sum(orders), sum(rw), {", ".join(_sums())}{more} FROM w GROUP BY {by} ORDER BY {by}
    """).fetchall()
    return rows


def hand_sql(path: str, limit: str | None) -> dict[str, Any]:
    """The answer alone."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": limit, "temp_directory": tempfile.mkdtemp()} if limit else {})
    rows = _hand_sums(connection, _hand_units(connection, path))
    return {r[0]: [int(r[1]), int(r[2]), round(float(r[3]), 2)] for r in rows}


def _hashing(path: str) -> threading.Thread:
    """SHA-256 of the file in a thread of its own, beside the query, as xpbench makes it; begun, to be joined."""

    def work() -> None:
        with open(path, "rb") as file:
            hashlib.file_digest(file, "sha256")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def hand_sql_same_work(path: str, limit: str | None) -> dict[str, Any]:
    """The answer with what xpbench tells beside it: SHA-256 of the file, a survey of events and amounts, exposures that do
    not count, switchers by the variant met first, moments before winsorization and before the exposure."""
    import duckdb

    hashing = _hashing(path)
    connection = duckdb.connect(config={"memory_limit": limit, "temp_directory": tempfile.mkdtemp()} if limit else {})
    caps = _hand_units(connection, path)
    for query in (
        "SELECT event, count(*) FROM log GROUP BY event",
        "SELECT min(time), max(time), count(*) FILTER (time IS NULL), count(*) FILTER (distinct_id IS NULL) FROM log",
        """SELECT min(amount), max(amount), count(*), count(amount), count(CASE WHEN round(amount * 10000) / 10000 <> amount THEN 1 END),
           count(CASE WHEN amount < 0 THEN 1 END) FROM log WHERE event = 'order'""",
        """SELECT "Variant name", count(*), count(distinct_id) FROM log
           WHERE event = '$experiment_started' AND "Experiment name" = 'bench' GROUP BY 1""",
        """SELECT first, count(*) FROM (
             SELECT arg_min("Variant name", (time, insert_id, "Variant name")) AS first FROM log
             WHERE event = '$experiment_started' AND "Experiment name" = 'bench'
             GROUP BY distinct_id HAVING min("Variant name") <> max("Variant name")) GROUP BY 1""",
    ):
        connection.execute(query).fetchall()
    raw = ", ".join(
        f"sum({a}::DOUBLE), sum({a}::DOUBLE * {b}::DOUBLE)"
        for a, b in [("revenue", "revenue"), ("revenue", "revenue_b"), ("revenue", "seen"), ("revenue", "orders"), ("revenue_b", "revenue_b"), ("revenue", "orders_b"), ("revenue_b", "orders")]
    )  # fmt: skip
    rows = _hand_sums(connection, caps, more=f", {raw}, min(revenue), max(revenue), max(orders), max(views)")
    hashing.join()
    return {r[0]: [int(r[1]), int(r[2]), round(float(r[3]), 2)] for r in rows}


def ours(path: str, limit: str | None, **options: Any) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT))
    import xpbench as xp

    schema = xp.EventSchema(insert_id="insert_id", properties=None)
    engine = xp.DuckDB(memory_limit=limit) if limit else None
    source = xp.events(path, schema=schema, engine=engine, until="2026-03-05", **options)
    told = []
    s = source.summarize(xp.Plan(**PLAN), progress=lambda stage: told.append((stage.name, round(stage.seconds, 2))))
    print(json.dumps(told), file=sys.stderr)
    return {
        v: [s.units[v], round(s.cell("orders", v).mean[0] * s.units[v]), round(s.cell("revenue", v).mean[0] * s.units[v], 2)]
        for v in sorted(s.units)
    }


def _polars_first(log: Any) -> Any:
    """First exposures of units that met one variant."""
    import polars as pl

    exposures = log.filter((pl.col("event") == "$experiment_started") & (pl.col("Experiment name") == "bench"))
    return (
        exposures.group_by("distinct_id")
        .agg(variant=pl.col("Variant name").min(), high=pl.col("Variant name").max(), t0=pl.col("time").min())
        .filter(pl.col("high") == pl.col("variant"))
        .select("distinct_id", "variant", "t0")
    )


def _polars_units(log: Any, fx: Any, amount: Any, *, dropping: bool = False) -> Any:
    """One row per unit: sums and counts after and before the exposure."""
    import polars as pl

    repeats = ["insert_id"] if dropping else []
    joined = (
        log.filter(pl.col("event").is_in(["order", "view"]))
        .select("distinct_id", "event", "time", *repeats, amount=amount)
        .join(fx, on="distinct_id")
        .filter(pl.col("time") >= pl.col("t0") - pl.duration(days=14), pl.col("time") < pl.col("t0") + pl.duration(days=14))
    )
    if dropping:
        joined = joined.unique(["distinct_id", "event", "time", "insert_id"], keep="any")
    joined = joined.with_columns(a=pl.col("time") >= pl.col("t0"), o=pl.col("event") == "order")
    a, o = pl.col("a"), pl.col("o")
    values = joined.group_by("distinct_id").agg(
        orders=(a & o).sum(), buyers=(a & o).any(), revenue=pl.col("amount").filter(a & o).sum(), views=(a & ~o).sum(),
        orders_b=(~a & o).sum(), buyers_b=(~a & o).any(), revenue_b=pl.col("amount").filter(~a & o).sum(), views_b=(~a & ~o).sum(),
        seen=(~a).any(),
    )  # fmt: skip
    return fx.join(values, on="distinct_id", how="left")


_NAMES = ["orders", "buyers", "revenue", "views", "orders_b", "buyers_b", "revenue_b", "views_b", "seen"]


def _polars_sums(pairs: list[tuple[str, tuple[str, ...]]]) -> dict[str, Any]:
    """Sums and sums of products, each once."""
    import polars as pl

    sums = {}
    for _, columns in pairs:
        for i, x in enumerate(columns):
            sums[f"s_{x}"] = pl.col(x).sum()
            for y in columns[i:]:
                sums[f"p_{x}_{y}"] = (pl.col(x) * pl.col(y)).sum()
    return sums


def polars_streaming(path: str, limit: str | None) -> dict[str, Any]:
    """The answer alone, in the quickest of the shapes that were tried.

    Numbers of distinct variants instead of min and max take 6 % more CPU; first exposures collected before, for literal
    bounds of time, 11 % more.
    """
    import polars as pl

    log = pl.scan_parquet(path)
    unit = _polars_units(log, _polars_first(log), pl.col("amount"))
    unit = unit.with_columns(pl.col(_NAMES).cast(pl.Float64).fill_null(0)).collect(engine="streaming")
    unit = unit.with_columns(
        rw=pl.min_horizontal("revenue", pl.lit(round(unit["revenue"].quantile(0.99, "linear"), 4))),
        rwb=pl.min_horizontal("revenue_b", pl.lit(round(unit["revenue_b"].quantile(0.99, "linear"), 4))),
    )
    out = unit.group_by("variant").agg(n=pl.len(), **_polars_sums(_PAIRS)).sort("variant")
    return {r["variant"]: [r["n"], int(r["s_orders"]), round(r["s_rw"], 2)] for r in out.to_dicts()}


_RAW = [("raw", ("revenue", "revenue_b", "seen")), ("raw_ratio", ("revenue", "orders", "revenue_b", "orders_b", "seen"))]


def polars_same_work(path: str, limit: str | None, *, dropping: bool = False) -> dict[str, Any]:
    """The answer with what xpbench tells beside it, as in `hand_sql_same_work`.

    SHA-256 of the file, a survey of events, times and amounts, exposures by variant, switchers by the variant met first
    (ties in time by insert id), amounts added as ten-thousandths, exact sums and products in 128 bits, moments before
    winsorization and before the exposure, extremes. Gaps are counted by filters, which Polars answers from the statistics of
    the file; counting them in the scan takes a fifth of a second more.

    Args:
        path: The log.
        limit: Polars has none.
        dropping: Leave out repeats of an event: name, unit, time and insert id.
    """
    import polars as pl

    hashing = _hashing(path)
    log = pl.scan_parquet(path)
    amount = pl.col("amount")
    met = log.filter((pl.col("event") == "$experiment_started") & (pl.col("Experiment name") == "bench"))
    *_, exposures = pl.collect_all(
        [
            log.group_by("event").agg(pl.len()),
            log.select(pl.col("time").min(), last=pl.col("time").max()),
            log.filter(pl.col("time").is_null()).select(pl.len()),
            log.filter(pl.col("distinct_id").is_null()).select(pl.len()),
            log.filter(pl.col("event") == "order").select(
                amount.min(), high=amount.max(), all=pl.len(), had=amount.count(),
                broken=((amount * 10_000).round() / 10_000 != amount).sum(), negative=(amount < 0).sum(),
            ),
            met.select("distinct_id", "time", "insert_id", "Variant name"),
        ],
        engine="streaming",
    )  # fmt: skip
    exposures.group_by("Variant name").agg(pl.len(), pl.col("distinct_id").count())
    each = exposures.lazy().group_by("distinct_id")
    each = each.agg(variant=pl.col("Variant name").min(), high=pl.col("Variant name").max(), t0=pl.col("time").min())
    each = each.collect(engine="streaming")
    several = each.filter(pl.col("high") != pl.col("variant")).select("distinct_id")
    switchers = exposures.join(several, on="distinct_id", how="semi").sort("time", "insert_id", "Variant name")
    switchers.unique("distinct_id", keep="first", maintain_order=True).group_by("Variant name").agg(pl.len())
    fx = each.filter(pl.col("high") == pl.col("variant")).select("distinct_id", "variant", "t0").lazy()
    whole = (amount * 10_000).round().cast(pl.Int64)
    unit = _polars_units(log, fx, whole, dropping=dropping)
    unit = unit.with_columns(pl.col(_NAMES).cast(pl.Int64).fill_null(0)).collect(engine="streaming")
    caps = {k: round(unit[k].quantile(0.99, "linear")) for k in ("revenue", "revenue_b")}
    unit = unit.with_columns(
        rw=pl.min_horizontal("revenue", pl.lit(caps["revenue"])), rwb=pl.min_horizontal("revenue_b", pl.lit(caps["revenue_b"]))
    )
    unit.select((pl.col("revenue") > caps["revenue"]).sum(), (pl.col("revenue_b") > caps["revenue_b"]).sum())
    ends = {f"{e}_{k}": getattr(pl.col(k), e)() for k in ("orders", "revenue", "views") for e in ("min", "max")}
    numbers = unit.with_columns(pl.col(*_NAMES, "rw", "rwb").cast(pl.Int128))
    out = numbers.group_by("variant").agg(n=pl.len(), **_polars_sums([*_PAIRS, *_RAW]), **ends).sort("variant")
    hashing.join()
    return {r["variant"]: [r["n"], int(r["s_orders"]), round(int(r["s_rw"]) / 10_000, 2)] for r in out.to_dicts()}


def pandas_eager(path: str, limit: str | None) -> dict[str, Any]:
    """The answer alone."""
    import pandas as pd

    return _pandas_answer(pd.read_parquet(path))


def _pandas_answer(log: Any, *, whole: bool = False) -> dict[str, Any]:
    """Moments by variant; with amounts as ten-thousandths, and without caps as well, where the whole work is asked for."""
    import pandas as pd

    x = log[(log.event == "$experiment_started") & (log["Experiment name"] == "bench")].sort_values(["time", "insert_id"])
    g = x.groupby("distinct_id")
    fx = pd.DataFrame({"variant": g["Variant name"].first(), "n": g["Variant name"].nunique(), "t0": g["time"].min()})
    if whole:  # exposures by variant, switchers by the variant met first
        x.groupby("Variant name")["distinct_id"].agg(["size", "count"])
        fx[fx.n > 1].groupby("variant").size()
    fx = fx[fx.n == 1].drop(columns="n").reset_index()
    j = log.loc[log.event.isin(["order", "view"]), ["distinct_id", "event", "time", "amount"]].merge(fx, on="distinct_id")
    two = pd.Timedelta(days=14)
    j = j[(j.time >= j.t0 - two) & (j.time < j.t0 + two)]
    a, o = j.time >= j.t0, j.event == "order"
    amount = j.amount.fillna(0.0)
    scale = 10_000 if whole else 1
    amount = (amount * scale).round() if whole else amount
    values = pd.DataFrame(
        {
            "distinct_id": j.distinct_id,
            "orders": (a & o).astype(float), "revenue": amount.where(a & o, 0.0), "views": (a & ~o).astype(float),
            "orders_b": (~a & o).astype(float), "revenue_b": amount.where(~a & o, 0.0), "views_b": (~a & ~o).astype(float),
            "seen": (~a).astype(float),
        }
    ).groupby("distinct_id").sum()  # fmt: skip
    unit = fx.merge(values, left_on="distinct_id", right_index=True, how="left").fillna(0.0)
    unit["seen"] = (unit.seen > 0).astype(float)
    unit["buyers"], unit["buyers_b"] = (unit.orders > 0).astype(float), (unit.orders_b > 0).astype(float)
    places = 0 if whole else 4
    unit["rw"] = unit.revenue.clip(upper=round(unit.revenue.quantile(0.99), places))
    unit["rwb"] = unit.revenue_b.clip(upper=round(unit.revenue_b.quantile(0.99), places))
    out = {}
    for variant, mine in unit.groupby("variant"):
        for _, columns in [*_PAIRS, *(_RAW if whole else [])]:
            mine[list(columns)].cov()
        if whole:
            mine[["orders", "revenue", "views"]].agg(["min", "max"])
        out[variant] = [len(mine), int(mine.orders.sum()), round(mine.rw.sum() / scale, 2)]
    return out


def pandas_same_work(path: str, limit: str | None) -> dict[str, Any]:
    """The answer with what xpbench tells beside it, as in `hand_sql_same_work`; products stay doubles."""
    import pandas as pd

    hashing = _hashing(path)
    log = pd.read_parquet(path)
    log.event.value_counts()
    log.time.agg(["min", "max"])
    log[["time", "distinct_id"]].isna().sum()
    amount = log.loc[log.event == "order", "amount"]
    amount.agg(["min", "max", "size", "count"])
    ((amount * 10_000).round() / 10_000 != amount).sum()
    (amount < 0).sum()
    out = _pandas_answer(log, whole=True)
    hashing.join()
    return out


def spark(path: str, limit: str | None) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT))
    from pyspark.sql import SparkSession

    import xpbench as xp

    session = (
        SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.memory", "6g")
        .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "8").getOrCreate()
    )  # fmt: skip
    begun = time.perf_counter()
    schema = xp.EventSchema(insert_id="insert_id", properties=None)
    source = xp.events(session.read.parquet(path), schema=schema, until="2026-03-05", slices=(), duplicates="keep")
    s = source.summarize(xp.Plan(**PLAN))
    print(f"without start-up {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return {
        v: [s.units[v], round(s.cell("orders", v).mean[0] * s.units[v]), round(s.cell("revenue", v).mean[0] * s.units[v], 2)]
        for v in sorted(s.units)
    }


def first_look(path: str, limit: str | None) -> dict[str, Any]:
    """Everything read, and the unit table written to an empty cache."""
    cache = Path(path + ".cache")
    shutil.rmtree(cache, ignore_errors=True)
    return ours(path, limit, **PLAIN, cache=cache)


def second_look(path: str, limit: str | None) -> dict[str, Any]:
    """The same plan once more, from the cache that `first_look` left."""
    cache = Path(path + ".cache")
    if not any(cache.glob("*/units.parquet")):
        raise SystemExit("run the case 'xpbench, first look' before")
    return ours(path, limit, **PLAIN, cache=cache)


PLAIN: dict[str, Any] = {"slices": (), "duplicates": "keep"}
"""What hand SQL, Polars and pandas do: no slices, no search for repeats."""

CASES: dict[str, Any] = {
    "hand SQL": hand_sql,
    "hand SQL, same work": hand_sql_same_work,
    "xpbench": lambda p, m: ours(p, m, **PLAIN),
    "xpbench, days": lambda p, m: ours(p, m, **{**PLAIN, "slices": ("day",)}),
    "xpbench, days since exposure": lambda p, m: ours(p, m, **{**PLAIN, "slices": ("age",)}),
    "xpbench, repeats dropped": lambda p, m: ours(p, m, slices=()),
    "xpbench, default": ours,
    "xpbench, first look": first_look,
    "xpbench, second look": second_look,
    "polars streaming": polars_streaming,
    "polars streaming, same work": polars_same_work,
    "polars streaming, repeats dropped": lambda p, m: polars_same_work(p, m, dropping=True),
    "pandas": pandas_eager,
    "pandas, same work": pandas_same_work,
    "spark local[2]": spark,
}


def one(case: str, path: str, limit: str | None) -> None:
    """Run a case in this process and print what it took."""
    begun = time.perf_counter()
    answer = CASES[case](path, limit)
    used = resource.getrusage(resource.RUSAGE_SELF)
    out = {"seconds": round(time.perf_counter() - begun, 2), "cpu": round(used.ru_utime + used.ru_stime, 2)}
    print(json.dumps({**out, "rss_gb": round(used.ru_maxrss / 2**20, 2), "answer": answer}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=[c for c in CASES if c != "spark local[2]"])
    parser.add_argument("--memory-limit")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "xpbench-engine")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the other cases that the file of results holds")
    parser.add_argument("--one")
    options = parser.parse_args()
    options.data.mkdir(exist_ok=True)
    path = options.data / f"log-{options.events}.parquet"
    if options.one:
        one(options.one, str(path), options.memory_limit)
        return
    if not path.exists():
        begun = time.perf_counter()
        generate(path.with_suffix(".part"), events=options.events, units=options.units)
        path.with_suffix(".part").rename(path)
        print(f"generated in {time.perf_counter() - begun:.0f} s, {path.stat().st_size / 2**20:.0f} MB")
    results: dict[str, list[dict[str, Any]]] = {c: [] for c in options.cases}
    from benchmarks import installed  # not in the processes that are measured

    environment = installed.environment()
    for _ in range(options.runs):
        for case in options.cases:
            command = [sys.executable, __file__, "--one", case, "--events", str(options.events), "--data", str(options.data)]
            command += ["--memory-limit", options.memory_limit] if options.memory_limit else []
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            wall = time.perf_counter() - begun
            if done.returncode:
                print(case, "failed:", done.stderr.strip().splitlines()[-1:])
                continue
            result = json.loads(done.stdout.strip().splitlines()[-1]) | {"wall": round(wall, 2)}
            stages = [line for line in done.stderr.splitlines() if line.startswith("[[")]
            result["stages"] = json.loads(stages[-1]) if stages else []
            results[case].append(result)
            print(
                f"{case:24} {wall:7.2f} s  {result['cpu']:7.2f} s cpu  {result['rss_gb']:.2f} GB  {result['stages']}",
                flush=True,
            )
    report(options, results)


def report(options: argparse.Namespace, results: dict[str, list[dict[str, Any]]]) -> None:
    """Print the table, check that all cases agree, write the file; cases measured before by the same file stay in it."""
    sys.path.insert(0, str(ROOT))

    table: dict[str, Any] = {}
    earlier = json.loads(options.out.read_text("utf-8")) if options.keep and options.out and options.out.exists() else {}
    if earlier.get("events") == options.events and earlier.get("memory_limit") == options.memory_limit:
        table = earlier["cases"]
    reference = next((r["answer"] for rs in results.values() for r in rs), None)
    told = header(" ".join(["python", "benchmarks/engine.py", *map(shlex.quote, sys.argv[1:])]), ("polars",))
    for case, runs in results.items():
        if runs:
            table[case] = {
                "wall": [r["wall"] for r in runs],
                "cpu": [r["cpu"] for r in runs],
                "stages": runs[-1].get("stages", []),
                "peak_gb": max(r["rss_gb"] for r in runs),
                "agrees": all(_agree(r["answer"], reference) for r in runs),
                "commit": told["commit"],
            }
    for case, row in table.items():
        row |= {"best": min(row["wall"]), "best_cpu": min(row["cpu"])}
        for name, of in (("to_hand_sql", "hand SQL"), ("to_same_work", "hand SQL, same work")):
            for kind, label in (("wall", ""), ("cpu", "cpu_")):
                row[label + name] = round(min(row[kind]) / min(table[of][kind]), 2) if of in table else None
        ratios = [row[k] for k in ("to_hand_sql", "to_same_work", "cpu_to_hand_sql", "cpu_to_same_work")]
        print(f"{case:30} {row['best']:7.2f} s {row['best_cpu']:7.2f} s cpu  {ratios}  {row['peak_gb']} GB  {row['agrees']}")
    if options.out:
        more = {"events": options.events, "units": options.units, "memory_limit": options.memory_limit}
        options.out.write_text(json.dumps({**told, **more, "cases": table}, indent=1) + "\n", encoding="utf-8")


def _agree(a: Any, b: Any) -> bool:
    return all(a[v][:2] == b[v][:2] and abs(a[v][2] - b[v][2]) <= 1e-9 * abs(b[v][2]) + 0.02 for v in b)


if __name__ == "__main__":
    main()
