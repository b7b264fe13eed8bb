"""What is told of a log from the statistics of its files equals what counting tells, and bounds of time lose no event."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import DAY, SECOND, START, plan_of
from xpbench.data.cache import Hashing, files_digest
from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.log import properties_of
from xpbench.data.logs.log_to_units import LogReading
from xpbench.data.logs.opening import open_log
from xpbench.data.logs.survey import Survey, _added, by_name, survey_of
from xpbench.plan.metrics import Mean, Quantile, Sum

SCHEMA = xp.EventSchema(insert_id="insert_id", arrived=None, properties=None)
NOW = START + 40 * DAY
EXPOSED = START + 20 * DAY

METRICS: list[dict[str, Any]] = [
    {"key": "n", "kind": "count", "event": "buy", "window_days": 3},
    {"key": "ever", "kind": "conversion", "event": "buy", "window_days": 3},
    {"key": "wide", "kind": "count", "event": "buy"},
    {"key": "closed", "kind": "count", "event": "buy", "window_days": 90},
    {
        "key": "views",
        "kind": "count",
        "event": "view",
        "window_days": 5,
        "where": [{"property": "kind", "op": "==", "value": "x"}],
    },
]


def table(*rows: tuple[str | None, str | None, int | None]) -> pd.DataFrame:
    """Events (unit, name, time in microseconds) beside the exposures of two units."""
    shown = [("u1", "$experiment_started", EXPOSED, "a"), ("u2", "$experiment_started", EXPOSED + DAY, "b")]
    every = [*((u, e, t, None) for u, e, t in rows), *shown]
    return pd.DataFrame(
        {
            "distinct_id": pd.array([r[0] for r in every], dtype="string"),
            "event": pd.array([r[1] for r in every], dtype="string"),
            "time": pd.to_datetime(pd.array([r[2] for r in every], dtype="Int64"), unit="us").astype("datetime64[us]"),
            "insert_id": [f"i{i}" for i in range(len(every))],
            "kind": pd.array(["x" if i % 2 else "y" for i in range(len(every))], dtype="string"),
            "Experiment name": pd.array(["t" if r[3] else None for r in every], dtype="string"),
            "Variant name": pd.array([r[3] for r in every], dtype="string"),
        }
    )


def surveys(log: Any, now: int = NOW) -> tuple[Survey, Survey, tuple[int, int] | None]:
    plan = plan_of(METRICS)
    source = xp.events(log, schema=SCHEMA)
    with open_log(source, plan, properties_of(plan), Stages(7, None)) as opened:
        return survey_of(opened, opened.frame(), now=now), _added(by_name(opened.frame(), now)), opened.ends()


@pytest.mark.parametrize(
    ("more", "known"),
    [
        ([("u1", "buy", EXPOSED)], True),
        ([("u1", None, EXPOSED)], True),
        ([(None, "buy", EXPOSED)], False),
        ([("u1", "buy", None)], False),
        ([("u1", "buy", NOW + 5)], True),
        ([("u1", "other", NOW + 5), ("u1", "buy", None)], False),
    ],
)
def test_statistics_tell_what_counting_tells(more: list[Any], known: bool, tmp_path: Path) -> None:
    log = table(("u2", "view", START), *more)
    log.to_parquet(tmp_path / "log.parquet")
    quick, counted, ends = surveys(str(tmp_path / "log.parquet"))
    assert (ends is not None) == known
    assert quick == counted
    assert surveys(log)[0] == counted  # a table in memory has no statistics
    assert counted.rows == len(log)


def test_arrivals_are_counted(tmp_path: Path) -> None:
    log = table(("u1", "buy", EXPOSED)).assign(mp_processing_time_ms=(EXPOSED + 36 * 3600 * SECOND) // 1000)
    log.to_parquet(tmp_path / "log.parquet")
    plan = plan_of(METRICS)
    source = xp.events(str(tmp_path / "log.parquet"), schema=xp.EventSchema(insert_id="insert_id", properties=None))
    with open_log(source, plan, properties_of(plan), Stages(7, None)) as opened:
        assert opened.ends() is None
        assert survey_of(opened, opened.frame(), now=NOW).late == 2


def test_bounds_of_time_lose_no_event_at_the_edges(tmp_path: Path) -> None:
    """Events at the first and last microsecond of the windows of the first and the last unit, and one beside each."""
    pre, window = 14 * DAY, 3 * DAY
    edges = [EXPOSED - pre, EXPOSED - pre - 1, EXPOSED - 1, EXPOSED, EXPOSED + window - 1, EXPOSED + window]
    last = [e + DAY for e in edges]
    rows = [("u1", "buy", t) for t in edges] + [("u2", "buy", t) for t in last] + [("u1", "view", EXPOSED + 6 * DAY)]
    log = table(*rows)
    log.to_parquet(tmp_path / "log.parquet")
    plan = plan_of(METRICS[:2], pre_period_days=14)
    until = datetime.fromtimestamp(NOW / SECOND, UTC)
    for given in (log, str(tmp_path / "log.parquet")):
        rows_of = xp.events(given, schema=SCHEMA, until=until).unit_table(plan).to_pylist()
        found = {
            r["u"]: (r["n:value"], r["ever:value"], r["before:n:value"], r["before:ever:value"], r["seen"]) for r in rows_of
        }
        assert found == {"u1": (2, 1, 2, 1, 1), "u2": (2, 1, 2, 1, 1)}


def test_metrics_that_share_a_count_keep_their_own_horizon(tmp_path: Path) -> None:
    """`wide` and `closed` look at the same 90 days, but only `closed` waits until they are over."""
    log = table(("u1", "buy", EXPOSED + DAY), ("u1", "view", EXPOSED), ("u2", "view", NOW - DAY))
    summary = xp.events(log, schema=SCHEMA).summarize(plan_of(METRICS))
    wide, n = summary.cell("wide", "a"), summary.cell("n", "a")
    assert wide is not None
    assert n is not None
    assert (wide.n, wide.mean) == (n.n, n.mean) == (1, (1.0,))
    assert summary.cell("closed", "a") is None


def test_hashing_beside_other_work_gives_the_digest_of_the_files(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}").write_bytes(bytes([i]) * (5_000_000 if i == 1 else i))
    paths = [str(tmp_path / f"{i}") for i in range(3)]
    with Hashing(paths) as hashing:
        assert hashing.digest() == files_digest(paths)
    with pytest.raises(OSError, match="missing"), Hashing([str(tmp_path / "missing")]) as hashing:
        hashing.digest()


def test_amounts_asked_at_once_are_those_asked_one_by_one() -> None:
    """Filters, texts, missing values, negative ones, codes for missing ones and broken decimals, each on one metric alone."""
    amounts = ["1.5", "-999", "no", None, "7.25", "-3", "0.123456", "12", None, "-999", "2", "1e400"]
    log = table(*(("u1", ("buy", "sell", "give")[i % 3], EXPOSED + i) for i in range(len(amounts))))
    log["amount"] = pd.array([*amounts, None, None], dtype="string")
    log["other"] = [float(i) for i in range(len(log))]
    where = [{"property": "kind", "op": "==", "value": "x"}]
    metrics: list[dict[str, Any]] = [
        {"key": "a", "kind": "sum", "event": "buy", "property": "amount"},
        {"key": "b", "kind": "mean", "event": "sell", "property": "amount"},
        {"key": "c", "kind": "quantile", "event": "give", "property": "amount", "q": 0.5},
        {"key": "d", "kind": "sum", "event": "buy", "property": "amount", "where": where},
        {"key": "e", "kind": "sum", "event": "buy", "property": "other"},
        {"key": "f", "kind": "sum", "event": "never", "property": "other"},
    ]
    for codes in ([-999.0], []):
        plan = plan_of(metrics, data={"missing_codes": codes})
        properties = properties_of(plan)
        source = xp.events(log, schema=SCHEMA)
        with open_log(source, plan, properties, Stages(7, None)) as opened:
            reading = LogReading(source, plan, properties, opened, Stages(7, None))
            asked = [m for m in plan.metrics if isinstance(m, (Sum, Mean, Quantile))]
            one_by_one = [reading._amount(m, opened.frame()) for m in asked]
            at_once = reading._amounts_at_once(asked, opened.frame())
        for one, other in zip(one_by_one, at_once, strict=True):
            assert {k: one.get(k) or 0 for k in {*one, *other}} == {k: other.get(k) or 0 for k in {*one, *other}}
        assert [int(row["all"]) for row in at_once] == [4, 4, 4, 2, 4, 0]
        assert [int(row["text"] or 0) for row in at_once] == [0, 0, 2, 0, 0, 0]
        assert sum(int(row.get("code") or 0) for row in at_once) == (3 if codes else 0)
