"""Rehearsal: 500 runs per truth on 100,000 units, and power against the closed form at 10,000 runs.

python -m benchmarks.rehearsal
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from statsmodels.stats.power import TTestIndPower

from benchmarks.report import write
from tests.builders import make_plan
from xpbench.forecast.history import History
from xpbench.forecast.rehearsal import rehearse
from xpbench.plan import Plan

N = 100_000


def large() -> tuple[Plan, History]:
    """Five metrics: conversion, count and sum with CUPED (one winsorized), a ratio, a guardrail; weekly accrual."""
    rng = np.random.default_rng(0)
    before = rng.poisson(0.5, N).astype(float)
    week = np.where(np.arange(28) % 7 >= 5, 0.6, 1.0)
    history = History(
        {
            "quote": (rng.random(N) < 0.25).astype(float),
            "apps": rng.poisson(0.3 + 0.3 * before).astype(float),
            "value": np.where(rng.random(N) < 0.16, rng.lognormal(8, 1, N), 0.0),
            "out": (rng.random(N) < 0.2).astype(float),
        },
        {"apps": before.reshape(-1, 1), "value": before.reshape(-1, 1)},
        day=np.sort(rng.choice(28, N, p=week / week.sum())).astype(np.int64),
    )
    return _plan(
        [
            {"key": "quote", "kind": "conversion", "event": "Q", "role": "primary", "direction": "increase", "min_lift": 0.01},
            {"key": "apps", "kind": "count", "event": "A", "role": "secondary", "direction": "increase", "cuped": True},
            {
                "key": "value",
                "kind": "sum",
                "event": "T",
                "property": "amount",
                "role": "secondary",
                "direction": "increase",
                "cuped": True,
                "winsorize": {"upper": 0.99},
            },
            {
                "key": "rate",
                "kind": "ratio",
                "numerator": "apps",
                "denominator": "quote",
                "role": "secondary",
                "direction": "decrease",
            },
            {
                "key": "out",
                "kind": "conversion",
                "event": "O",
                "role": "guardrail",
                "direction": "decrease",
                "margin_rel": 0.05,
            },
        ],
        N,
    ), history


def _plan(metrics: list[dict[str, object]], units: int) -> Plan:
    return make_plan(metrics, key="rehearsal", owner="benchmarks", lift=0.04, horizon={"units": units})


def main() -> None:
    plan, history = large()
    began = time.perf_counter()
    cpu = time.process_time()
    found = rehearse(plan, history, runs=500)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    rng = np.random.default_rng(1)
    small = _plan([{"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": "increase"}], 1000)
    values = rng.normal(100, 10, 1000)
    runs = 10_000
    rows = []
    for lift in (0.0, 0.01, 0.02):
        share = rehearse(small, History({"m": values}), scenarios={"x": {"m": lift}}, runs=runs).scenario("x").significant
        power = 0.05
        if lift:
            power = TTestIndPower().power(lift * values.mean() / values.std(ddof=1), nobs1=500, alpha=0.05)
        rows.append({"lift": lift, "rehearsed": share, "closed_form": float(power), "gap_pp": 100 * (share - float(power))})
    write(
        "rehearsal",
        {
            "units": N,
            "runs": sum(s.runs for s in found.scenarios),
            "metrics": len(plan.metrics),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(used, 1),
            "seconds_for_500_runs": round(seconds * 500 / sum(s.runs for s in found.scenarios), 1),
            "bar_seconds_for_500_runs": 120,
            "false_positive_rate": found.false_positive_rate,
            "scenarios": [s.to_dict() for s in found.scenarios],
            "closed_form": rows,
            "bar_gap_pp": 1.5,
            "met": all(abs(r["gap_pp"]) <= 1.5 for r in rows),
        },
        command="python -m benchmarks.rehearsal",
    )


if __name__ == "__main__":
    main()
