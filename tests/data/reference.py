"""Random small logs by the pack, and what a slow, obvious reading in plain Python makes of them: every cell of a summary.

    python -m tests.data.reference --engine duckdb --packs 50 --out benchmarks/results/reference-duckdb.json

A pack is a plan drawn at random and forty small logs in one table: units of different logs never meet, and the property
`log` of the exposures, a declared segment, gives every log its own moments. So one job of an engine checks forty logs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from tests.data.logs import DAY, SECOND, START, event, frame_of, plan_of
from tests.data.slow import fits, unit_rows, without_repeats
from xpbench import formula
from xpbench.data import Summary

LOGS = 40

Key = tuple[str, str, str, str, str]
"""Metric, form, dimension, slice, variant."""


# -- what is drawn -------------------------------------------------------------------------------------------------------


def random_plan(rng: np.random.Generator) -> xp.Plan:
    """Every kind of metric, with windows, delays, filters, caps and policies drawn at random."""

    def one(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def window() -> dict[str, Any]:
        days = one(0.5, 1, 2, 3.25, 5, None)
        delay = one(0, 0, 0.25, 1.5)
        days = days if days is None or delay < days else delay + 1
        return {"delay_days": delay} if days is None else {"window_days": days, "delay_days": delay}

    missing = one("zero", "exclude")
    cuped = missing == "zero"  # else a covariate may be missing, and a constant stands for it
    where = one(
        [],
        [{"property": "kind", "op": "!=", "value": "x"}],
        [{"property": "amount", "op": one("<", ">=", ">"), "value": 5.0}],
        [{"property": "kind", "op": one("is set", "is not set")}],
        [
            {"property": "kind", "op": one("in", "not in"), "value": ["x", "z"]},
            {"property": "amount", "op": "<=", "value": 9.5},
        ],
    )
    cap = one({}, {"winsorize": {"upper": 0.9}}, {"winsorize": {"lower": 0.2, "upper": 0.8, "over": "nonzero"}})
    names = ["view", "add", "buy"]
    steps = [{"event": one(*names)} for _ in range(one(2, 3))]
    metrics = [
        {"key": "conv", "kind": "conversion", "event": "buy", **window(), "where": where},
        {"key": "buys", "kind": "count", "event": "buy", **window(), "cuped": cuped, **cap},
        {"key": "views", "kind": "count", "event": "view", **window()},
        {"key": "money", "kind": "sum", "event": "buy", "property": "amount", **window(), "cuped": cuped, **cap},
        {"key": "some", "kind": "sum", "event": "buy", "property": "amount", **window(), "where": where},
        {"key": "avg", "kind": "mean", "event": "buy", "property": "amount", **window()},
        {"key": "visits", "kind": "sessions", **window(), "timeout_minutes": one(10, 30, 120), "where": where},
        {"key": "ret", "kind": "retention", "event": "view", "day": one(0, 1, 2), "length_days": one(1, 2)},
        {"key": "fun", "kind": "funnel", "steps": steps, **window(), **one({}, {"within_days": one(0.02, 0.5, 2)})},
        {"key": "ent", "kind": "funnel", "steps": steps[:2], **window(), "per": "entrant"},
        {"key": "half", "kind": "quantile", "event": "buy", "property": "amount", "q": one(0.25, 0.5, 0.9), **window()},
        {"key": "per", "kind": "ratio", "numerator": "money", "denominator": "buys", "cuped": cuped},
        {"key": "mix", "kind": "formula", "expression": one("buys / (views + 1)", "visits - conv", "2 * ret + views")},
    ]
    exposure = {
        "several_variants": one("exclude", "first", "split"),
        "format": one("separate", "separate", "dictionary", "list"),
        "qa_testers": one("exclude", "keep"),
        **one({}, {"window_from": "latest_exposure"}, {"window_from": "first_exposure"}),
        **one({}, {}, {"start": "2026-01-03", "end": "2026-01-08"}),
    }
    return plan_of(
        metrics,
        exposure=exposure,
        data={"missing": missing, "missing_codes": [], "smallest_segment": 1},
        pre_period_days=one(7, 14),
        segments=["log", "platform"],
    )


def small_log(rng: np.random.Generator, number: int, *, cents: bool, step: int) -> list[dict[str, Any]]:
    """A few units and events: ties, repeats, switchers, strangers, QA testers, missing amounts and properties."""
    units = int(rng.integers(1, 6))
    days = 10
    log = []

    def at(first: int = 0) -> int:
        return START + int(rng.integers(first * DAY // step, days * DAY // step)) * step

    near = at(2)
    for i in range(int(rng.integers(0, 30))):
        # half of the events stand close together, so that sessions, ties and funnels happen
        t = at() if rng.random() < 0.5 else near + int(rng.integers(0, 20)) * min(step, 900 * SECOND)
        value = None if rng.random() < 0.2 else float(np.round(rng.gamma(2, 3), 2) if cents else rng.normal(3, 4))
        name = str(rng.choice(["view", "add", "buy", "buy", "else"]))
        kind = [None, "x", "y", "z"][int(rng.integers(4))]
        iid = f"i{number}-{i}" if rng.random() < 0.8 else ""
        log.append(event(name, f"{number}-{rng.integers(units + 1)}", t, iid, amount=value, kind=kind))
    for u in range(units):
        variant = str(rng.choice(["a", "b"]))
        for k in range(int(rng.integers(0, 4))):
            if rng.random() < 0.2:
                variant = str(rng.choice(["a", "b", "c"]))
            t = near if rng.random() < 0.2 else at(2)
            more = {"$is_qa_tester": True} if rng.random() < 0.05 else {}
            more |= {"Experiment name": "other" if rng.random() < 0.1 else "t", "log": f"L{number}"}
            more |= {"Variant name": variant} if rng.random() < 0.95 else {}
            more |= {"platform": str(rng.choice(["ios", "web"]))} if rng.random() < 0.9 else {}
            log.append(event("$experiment_started", f"{number}-{u}", t, f"x{number}-{u}-{k}", **more))
    for i in rng.integers(0, max(len(log), 1), 3) if log else []:
        again = {**log[int(i)], "properties": dict(log[int(i)]["properties"])}
        again["arr"] = again["t"] + int(rng.integers(1, 9)) * SECOND
        if again["iid"] and again["event"] == "buy" and rng.random() < 0.5:
            again["properties"]["amount"] = 7.25
        if not any((e["iid"], e["arr"]) == (again["iid"], again["arr"]) for e in log):
            log.append(again)
    return log


def in_format(log: list[dict[str, Any]], plan: xp.Plan) -> list[dict[str, Any]]:
    """The same exposures, written down in the plan's format."""
    how = plan.exposure
    if how.format == "separate":
        return log
    out = []
    for e in log:
        p = dict(e["properties"])
        if e["event"] == how.event:
            name, variant = p.pop("Experiment name"), p.pop("Variant name", None)
            if variant is not None and how.format == "dictionary":
                p |= {name: variant, "$os": "x"}
            elif variant is not None:
                p["Experiments"] = ["more:z", f"{name}:{variant}", "t.:b"]
        out.append({**e, "properties": p})
    return out


def pack(seed: int, logs: int = LOGS) -> tuple[xp.Plan, list[dict[str, Any]]]:
    """A plan and its logs."""
    rng = np.random.default_rng(seed)
    plan = random_plan(rng)
    cents = bool(rng.random() < 0.6)
    step = int(rng.choice([SECOND, 60 * SECOND, 1800 * SECOND, DAY // 4]))
    log = [e for k in range(logs) for e in small_log(rng, k, cents=cents, step=step)]
    order = rng.permutation(len(log))
    return plan, [log[int(i)] for i in order]


# -- the slow reading ----------------------------------------------------------------------------------------------------


def moments(rows: list[tuple[Any, ...]]) -> tuple[int, list[float], list[list[float]]]:
    """n, means and covariances, exactly."""
    n, k = len(rows), len(rows[0])
    table = [[Fraction(v) for v in row] for row in rows]
    mean = [sum(row[i] for row in table) / n for i in range(k)]
    cov = [
        [sum((row[i] - mean[i]) * (row[j] - mean[j]) for row in table) / (n - 1) if n > 1 else Fraction(0) for j in range(k)]
        for i in range(k)
    ]
    return n, [float(m) for m in mean], [[float(x) for x in row] for row in cov]


def parts_of(plan: xp.Plan, metric: Any) -> list[tuple[str, Any]]:
    if metric.kind == "ratio":
        return [("numerator", plan.metric(metric.numerator)), ("denominator", plan.metric(metric.denominator))]
    if metric.kind == "formula":
        return [(n, plan.metric(n)) for n in formula.parse(metric.expression).names()]
    return [("value", metric)]


def capped(value: Any, cap: tuple[float | None, float | None] | None, *, zeros_stay: bool) -> Any:
    if value is None or cap is None or (zeros_stay and value == 0):
        return value
    lower, upper = cap
    value = value if lower is None else max(value, Fraction(str(lower)))
    return value if upper is None else min(value, Fraction(str(upper)))


def percentile(values: list[Fraction], q: float) -> float:
    """By linear interpolation between order statistics."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low]) + (place - low) * (float(ordered[high]) - float(ordered[low]))


def quantile_of(metric: Any, units: list[list[float]], alpha: float) -> tuple[int, list[float], list[list[float]]] | None:
    """The quantile, and n times its variance from the values at the ranks that bound it (Deng, Knoblich, Lu 2018)."""
    units = [u for u in units if u]
    values = sorted(v for u in units for v in u)
    n, k, q = len(values), len(units), metric.q
    if not n:
        return None
    at = min(max(math.ceil(round(n * q, 9)), 1), n)
    estimate = values[at - 1]
    if k < 2:
        return k, [estimate], [[0.0]]
    pairs = [(sum(v <= estimate for v in u), len(u)) for u in units]
    _, (a, b), cov = moments(pairs)
    share = a / b
    gradient = np.array([1.0, -share]) / b
    variance = max(0.0, float(gradient @ np.array(cov) @ gradient)) / k
    z = NormalDist().inv_cdf(1 - alpha / 2)
    half = z * math.sqrt(variance)
    low, high = math.floor(n * (q - half) + 0.5), math.floor(n * (q + half) + 0.5)
    low, high = min(low, at), max(high, at)
    if q - half < 0 or q + half > 1 or low < 1 or high > n:  # a rank beyond the values: no interval
        low = high = at
    return k, [estimate], [[k * ((values[high - 1] - values[low - 1]) / (2 * z)) ** 2]]


def day_value(metric: Any, row: dict[str, Any], age: int) -> Any:
    """What a unit did on one day after its first exposure."""
    t0 = row["t0"]
    begin, end = round(metric.delay_days * DAY), round(min(metric.window_days or 90, 90) * DAY)
    if metric.kind == "sessions":
        inside = sorted(e["t"] for e, a in row["after"] if a + begin <= e["t"] < a + end and fits(e, metric.where))
        pause = metric.timeout_minutes * 60 * SECOND
        starts = [t for i, t in enumerate(inside) if i == 0 or t - inside[i - 1] > pause]
        return sum((t - t0) // DAY == age for t in starts)
    inside = [e for e, _ in row["after"] if (e["t"] - t0) // DAY == age and t0 + begin <= e["t"] < t0 + end]
    mine = [e for e in inside if e["event"] == metric.event and fits(e, metric.where)]
    if metric.kind in ("conversion", "count"):
        return int(bool(mine)) if metric.kind == "conversion" else len(mine)
    known = [Fraction(str(v)) for e in mine if (v := e["properties"].get(metric.property)) is not None]
    return (sum(known, Fraction(0)), len(known)) if metric.kind == "mean" else sum(known, Fraction(0))


def expected(rows: dict[Any, dict[str, Any]], plan: xp.Plan, until: int, summary: Summary) -> Iterator[tuple[Key, Any]]:
    """Every cell of the summary, by the slow reading. Caps are checked first and then taken from the summary."""
    caps = checked_caps(rows, plan, summary)
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for (_, variant), row in rows.items():
        day = str(pd.Timestamp(row["t0"], unit="us").date())
        for dimension, slice_ in [("", ""), ("$day", day), *zip(plan.segments, row["segments"], strict=True)]:
            groups.setdefault((dimension, slice_, variant), []).append(row)
    for (dimension, slice_, variant), mine in groups.items():
        for metric in plan.metrics:
            for form in ("value",) if dimension else ("value", "raw", "before"):
                found = block(metric, mine, plan, form, caps)
                if found is not None:
                    yield (metric.key, form, dimension, slice_, variant), found
    for variant in ("a", "b"):
        mine = [row for (_, v), row in rows.items() if v == variant]
        yield from by_age(mine, plan, until, variant)


def by_age(mine: list[dict[str, Any]], plan: xp.Plan, until: int, variant: str) -> Iterator[tuple[Key, Any]]:
    daily = ("conversion", "count", "sum", "mean", "sessions")
    spans = [round(min(m.window_days or 28, 60) * DAY) for m in plan.metrics if m.kind in daily]
    ages = max((-(-s // DAY) for s in spans), default=0)
    for metric in plan.metrics:
        parts = [part for _, part in parts_of(plan, metric)]
        if not all(p.kind in daily for p in parts):
            continue
        begin = max(round(p.delay_days * DAY) for p in parts) // DAY
        end = min(round(min(p.window_days or 90, 90) * DAY) for p in parts) // DAY
        for age in range(begin, min(ages, end)):
            rows = []
            for row in mine:
                if row["t0"] + (age + 1) * DAY <= until:
                    values = [day_value(p, row, age) for p in parts]
                    rows.append(tuple(x for v in values for x in (v if isinstance(v, tuple) else (v,))))
            if rows:
                yield (metric.key, "value", "$age", str(age), variant), moments(rows)


def block(metric: Any, mine: list[dict[str, Any]], plan: xp.Plan, form: str, caps: dict[Any, Any]) -> Any:
    """n, means and covariances of one metric over some units; None where it has no cell."""
    if metric.kind == "quantile":
        return quantile_of(metric, [row[metric.key] for row in mine], plan.alpha) if form == "value" else None
    parts = parts_of(plan, metric)
    if form == "raw" and not any(p.winsorize for _, p in parts):
        return None
    out = []
    for row in mine:
        own: list[Any] = []
        before: list[Any] = []
        for _, part in parts:
            stay = part.winsorize is not None and part.winsorize.over == "nonzero"
            for values, name in ((own, part.key), (before, "before:" + part.key)):
                value = row[name]
                cap = caps.get((part.key, name != part.key)) if form != "raw" else None
                values += [capped(v, cap, zeros_stay=stay) for v in (value if isinstance(value, tuple) else (value,))]
        chosen = before if form == "before" else own
        if any(v is None for v in chosen):
            continue
        covariates: list[Any] = []
        if metric.cuped and form != "before":
            covariates = [before[0], row["seen"], *before[1:]]
        out.append((*chosen, *covariates))
    return moments(out) if out else None


def checked_caps(rows: dict[Any, dict[str, Any]], plan: xp.Plan, summary: Summary) -> dict[Any, Any]:
    """The caps of the summary by metric and whether they are of the time before; each is the exact pooled percentile."""
    out = {}
    for cap in summary.caps:
        w = plan.metric(cap.metric).winsorize
        assert w is not None
        before = cap.column.startswith("before")
        values = [v for r in rows.values() if (v := r["before:" * before + cap.metric]) is not None]
        values = [v for v in values if v != 0] if w.over == "nonzero" else values
        for q, found in ((w.lower, cap.lower), (w.upper, cap.upper)):
            if q is not None and values:
                assert found is not None
                assert abs(found - percentile(values, q)) <= 1e-4 + 1e-12 * abs(found), cap
        out[cap.metric, before] = (cap.lower, cap.upper)
    return out


# -- engines -------------------------------------------------------------------------------------------------------------

Reader = Callable[[pd.DataFrame], Any]


def differences(seed: int, table_of: Reader = lambda frame: frame, logs: int = LOGS) -> tuple[dict[str, int], list[Any]]:
    """What was compared in a pack, and everything that differs between an engine and the slow reading."""
    plan, log = pack(seed, logs)
    until = max(e["t"] for e in log)
    rows = unit_rows(without_repeats(log), plan, until)
    counts = {"logs": logs, "events": len(log), "units": len(rows), "cells": 0}
    if not rows:
        return counts, []
    frame = frame_of(in_format(log, plan))
    frame["time"] = frame["time"].astype("datetime64[us]")
    summary = xp.events(table_of(frame), absent_events="zero").summarize(plan)
    return compared(summary, dict(expected(rows, plan, until, summary)), counts, seed)


def compared(summary: Summary, wanted: dict[Key, Any], counts: dict[str, int], seed: int) -> tuple[dict[str, int], list[Any]]:
    mine = [c for c in summary.cells if not c.dimension.startswith("$experiment:")]
    found = {(c.metric, c.form, c.dimension, c.slice, c.variant): c for c in mine}
    wrong: list[Any] = [(seed, key, "there is no such cell") for key in wanted.keys() - found.keys()]
    wrong += [(seed, key, "a cell too many") for key in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        n, mean, cov = wanted[key]
        cell = found[key]
        same = cell.n == n and np.allclose(cell.mean, mean, rtol=1e-10, atol=1e-10)
        if not (same and np.allclose(np.array(cell.cov), np.array(cov), rtol=1e-8, atol=1e-9)):
            wrong.append((seed, key, (cell.n, cell.mean, cell.cov), (n, mean, cov)))
    return {**counts, "cells": len(wanted)}, wrong


def unit_differences(seed: int, logs: int = LOGS) -> tuple[dict[str, int], list[Any]]:
    """The same for a table with one row per unit, made by the slow reading: values as columns, capped by the plan."""
    plan, log = pack(seed, logs)
    until = max(e["t"] for e in log)
    rows = unit_rows(without_repeats(log), plan, until)
    counts = {"logs": logs, "events": len(log), "units": len(rows), "cells": 0}
    if not rows:
        return counts, []
    columns: dict[str, list[Any]] = {"unit": [], "variant": [], "day": [], **{s: [] for s in plan.segments}}
    metrics: dict[str, dict[str, Any]] = {}
    for (u, variant), row in rows.items():
        columns["unit"].append(f"{u}/{variant}")
        columns["variant"].append(variant)
        columns["day"].append(str(pd.Timestamp(row["t0"], unit="us").date()))
        for s, value in zip(plan.segments, row["segments"], strict=True):
            columns[s].append(value)
        for metric in plan.metrics:
            if metric.kind in ("ratio", "formula", "quantile"):
                continue
            w = {"winsorize": metric.winsorize.model_dump()} if metric.winsorize else {}
            pair = metric.kind == "mean" or (metric.kind == "funnel" and metric.per == "entrant")
            for prefix in ("", "before:"):
                value = row[prefix + metric.key]
                both = (None, None) if value is None else value
                for i, v in enumerate(both if pair else (value,)):
                    name = f"{prefix}{metric.key}" + (f"_{i}" if pair else "")
                    columns.setdefault(name, []).append(None if v is None else float(v))
            key = metric.key
            if pair:
                for i in (0, 1):
                    metrics[f"{key}_{i}"] = {"key": f"{key}_{i}", "kind": "column", "column": f"{key}_{i}"}
                metrics[key] = {"key": key, "kind": "ratio", "numerator": f"{key}_0", "denominator": f"{key}_1"}
            else:
                metrics[key] = {"key": key, "kind": "column", "column": key, "covariates": ["before:" + key, "seen"], **w}
                metrics[key]["cuped"] = metric.cuped
        columns.setdefault("seen", []).append(row["seen"])
    for metric in plan.metrics:
        if metric.kind in ("ratio", "formula"):
            more = {
                k: v
                for k, v in metric.model_dump(exclude_none=True).items()
                if k in ("key", "kind", "numerator", "denominator", "expression", "cuped")
            }
            metrics[metric.key] = {**more, "cuped": False}
    mine = plan_of(
        list(metrics.values()),
        unit="unit",
        segments=list(plan.segments),
        data={"missing": "exclude", "missing_codes": [], "smallest_segment": 1},
    )
    summary = xp.units(pd.DataFrame(columns), day="day").summarize(mine)
    wanted = {}
    for key, cell in expected(rows, plan, until, summary_caps(summary)):
        metric = plan.metric(key[0])
        if key[1] == "before" or key[2] == "$age" or metric.kind == "quantile" or (metric.kind == "ratio" and metric.cuped):
            continue
        wanted[key] = cell
    own = {k: c for k, c in ((((c.metric, c.form, c.dimension, c.slice, c.variant)), c) for c in summary.cells) if k in wanted}
    subset = replace(summary, cells=tuple(own.values()))
    return compared(subset, wanted, counts, seed)


def summary_caps(summary: Summary) -> Any:
    """The caps under the names that event metrics give them."""
    from types import SimpleNamespace

    def name(cap: Any) -> Any:
        return SimpleNamespace(
            metric=cap.metric, column="before" if cap.column.startswith("before") else "value", lower=cap.lower, upper=cap.upper
        )

    return SimpleNamespace(caps=[name(c) for c in summary.caps if c.column != "seen"])


def main() -> None:
    from benchmarks.report import write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["duckdb", "spark", "units"], default="duckdb")
    parser.add_argument("--packs", type=int, default=50)
    parser.add_argument("--logs", type=int, default=LOGS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    total = {"logs": 0, "events": 0, "units": 0, "cells": 0}
    wrong: list[Any] = []
    begun = time.perf_counter()
    session: Any = None
    if options.engine == "spark":
        from tests.data.spark_sessions import session as start

        session = start("local[2]")
    for seed in range(options.seed, options.seed + options.packs):
        if options.engine == "units":
            counts, found = unit_differences(seed, options.logs)
        elif session is not None:
            path = Path("/tmp") / f"xpbench-reference-{options.seed}.parquet"

            def read(frame: pd.DataFrame, path: Path = path) -> Any:
                frame.to_parquet(path)
                return session.read.parquet(str(path))

            counts, found = differences(seed, read, options.logs)
        else:
            counts, found = differences(seed, logs=options.logs)
        total = {k: total[k] + counts[k] for k in total}
        wrong += found
        print(f"pack {seed}: {counts}, {len(found)} differ, {time.perf_counter() - begun:.0f} s", flush=True)
        for line in found[:5]:
            print("   ", line)
    print(total, f"{len(wrong)} differ, {time.perf_counter() - begun:.0f} s")
    if options.out:
        result = {"engine": options.engine, "packs": options.packs, **total, "differ": len(wrong)}
        result["seconds"] = round(time.perf_counter() - begun)
        command = f"python -m tests.data.reference {' '.join(sys.argv[1:])}"
        packages = ("pyspark",) if options.engine == "spark" else ()
        write(options.out.stem, result, command=command, packages=packages, folder=options.out.parent, quiet=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
