"""Plans over events and small random logs for them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from tests.builders import claim, plan_document, split

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_767_225_600 * SECOND  # 2026-01-01


def plan_of(metrics: list[dict[str, Any]], **more: Any) -> xp.Plan:
    defaults = {"role": "secondary", "direction": "increase"}
    return xp.Plan(
        **{
            **plan_document(
                [{**defaults, **m} for m in metrics],
                key="t",
                title="t",
                owner="o",
                hypothesis=claim([], because="c"),
                variants=split("a", "b"),
                data={"smallest_segment": 1, "missing_codes": []},
                model=None,
                horizon=None,
            ),
            **more,
        }
    )


METRICS: list[dict[str, Any]] = [
    {"key": "conv", "kind": "conversion", "event": "buy", "window_days": 3},
    {"key": "buys", "kind": "count", "event": "buy", "window_days": 3, "cuped": True},
    {"key": "late", "kind": "count", "event": "buy", "window_days": 5, "delay_days": 1.5},
    {"key": "open", "kind": "count", "event": "view"},
    {"key": "money", "kind": "sum", "event": "buy", "property": "amount", "window_days": 4, "cuped": True},
    {"key": "avg", "kind": "mean", "event": "buy", "property": "amount", "window_days": 4},
    {"key": "visits", "kind": "sessions", "window_days": 4, "timeout_minutes": 30},
    {"key": "ret", "kind": "retention", "event": "view", "day": 1, "length_days": 2},
    {
        "key": "fun",
        "kind": "funnel",
        "steps": [{"event": "view"}, {"event": "add"}, {"event": "buy"}],
        "window_days": 6,
        "within_days": 2,
    },
    {"key": "ent", "kind": "funnel", "steps": [{"event": "view"}, {"event": "view"}], "window_days": 4, "per": "entrant"},
    {
        "key": "big",
        "kind": "count",
        "event": "buy",
        "window_days": 3,
        "where": [{"property": "amount", "op": ">=", "value": 5.0}, {"property": "kind", "op": "!=", "value": "x"}],
    },
    {"key": "per", "kind": "ratio", "numerator": "money", "denominator": "buys"},
]


def random_log(rng: np.random.Generator, *, units: int = 30, n: int = 300, days: int = 12) -> list[dict[str, Any]]:
    """Events with ties, repeats, switchers, QA testers, missing amounts and strangers."""
    log: list[dict[str, Any]] = []
    step = rng.choice([SECOND, 60 * SECOND, 1800 * SECOND])
    for i in range(n):
        u = f"u{rng.integers(units)}"
        t = START + int(rng.integers(0, days * DAY // step)) * int(step)
        log.append(
            event(
                str(rng.choice(["view", "add", "buy", "else"])),
                u,
                t,
                f"i{i}",
                amount=amount(rng),
                kind=str(rng.choice(["x", "y"])),
            )
        )
    for i in range(units):
        variant = str(rng.choice(["a", "b"]))
        for k in range(int(rng.integers(0, 3))):
            if rng.random() < 0.1:
                variant = str(rng.choice(["a", "b", "c"]))
            t = START + int(rng.integers(2 * DAY // step, days * DAY // step)) * int(step)
            qa = {"$is_qa_tester": True} if rng.random() < 0.05 else {}
            more = {
                "Experiment name": str(rng.choice(["t", "t", "t", "other"])),
                "Variant name": variant,
                "platform": str(rng.choice(["ios", "web"])),
            }
            log.append(event("$experiment_started", f"u{i}", t, f"x{i}-{k}", **more, **qa))
    for i in rng.integers(0, len(log), 10):
        again = dict(log[int(i)])
        again["arr"] = again["t"] + 5 * SECOND
        log.append(again)
    order = rng.permutation(len(log))
    return [log[int(i)] for i in order]


def amount(rng: np.random.Generator) -> float | None:
    return None if rng.random() < 0.15 else float(np.round(rng.gamma(2, 3), 2))


def event(name: str, u: Any, t: int, iid: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "event": name,
        "u": u,
        "t": t,
        "iid": iid,
        "arr": None,
        "properties": {k: v for k, v in properties.items() if v is not None},
    }


def frame_of(log: list[dict[str, Any]]) -> pd.DataFrame:
    """The log as a table, properties as JSON text."""
    return pd.DataFrame(
        {
            "event": [e["event"] for e in log],
            "time": pd.to_datetime([e["t"] for e in log], unit="us"),
            "distinct_id": [e["u"] for e in log],
            "$insert_id": [e["iid"] for e in log],
            "mp_processing_time_ms": pd.array([None if e["arr"] is None else e["arr"] // 1000 for e in log], dtype="Int64"),
            "properties": [json.dumps(e["properties"]) for e in log],
        }
    )


def lines_of(log: list[dict[str, Any]]) -> str:
    """The log as Mixpanel exports it."""
    out = []
    for e in log:
        arrived = {} if e["arr"] is None else {"mp_processing_time_ms": e["arr"] // 1000}
        p = {"time": e["t"] // SECOND, "distinct_id": e["u"], "$insert_id": e["iid"], **arrived, **e["properties"]}
        out.append(json.dumps({"event": e["event"], "properties": p}))
    return "\n".join(out) + "\n"


def golden_plan() -> xp.Plan:
    """Every metric kind, caps, segments: what is compared between engines on the golden log."""
    metrics = [{**m, "winsorize": {"upper": 0.9}} if m["key"] == "money" else m for m in METRICS]
    more = [
        {"key": "mix", "kind": "formula", "expression": "money / (conv + 1)"},
        {"key": "half", "kind": "quantile", "event": "buy", "property": "amount", "q": 0.5, "window_days": 4},
    ]
    return plan_of([*metrics, *more], segments=["platform"])


def clock_readings() -> list[int]:
    """Readings of a clock, as seconds since 1970 of a UTC clock that reads the same: every quarter of an hour of days on
    which clocks change somewhere.
    """
    days = ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"]
    return [int(pd.Timestamp(day).timestamp()) + 900 * i for day in days for i in range(20)]


def in_duckdb(readings: list[int], zone: str) -> list[int]:
    """The instants that DuckDB makes of clock readings in a zone."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    listed = ", ".join(f"({i}, {t})" for i, t in enumerate(readings))
    local = f"make_timestamp(t::BIGINT * 1000000) AT TIME ZONE '{zone}'"
    query = f"SELECT epoch_us({local}) FROM (VALUES {listed}) v(i, t) ORDER BY i"
    return [int(t) // 1_000_000 for (t,) in connection.execute(query).fetchall()]
