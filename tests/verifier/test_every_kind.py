"""Every kind of metric under every model: plan, readout, decision, memo, verified.

A kind joins by being in `KINDS`: its fields are filled by their names. One that decides and that the verifier does not know
fails here, and not at the desk of whoever gets the memo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import make_plan
from xpbench.plan.metrics import KINDS, EventMetric

UNITS = 400
MODELS: dict[str, dict[str, Any]] = {
    "frequentist": {"kind": "frequentist"},
    "sequential": {"kind": "sequential", "n_opt": UNITS, "min_units": 50},
    "group_sequential": {"kind": "group_sequential", "looks": [0.5, 1.0]},
    "bayesian": {"kind": "bayesian"},
    "bayesian, prior on the lift": {"kind": "bayesian", "prior": {"kind": "lift", "mean": 0.0, "sd": 0.2}},
}
FILLED: dict[str, Any] = {
    "event": "Bought",
    "property": "amount",
    "day": 1,
    "q": 0.5,
    "steps": [{"event": "Viewed"}, {"event": "Bought"}],
    "numerator": "base_one",
    "denominator": "base_two",
    "expression": "base_one / base_two",
    "column": "spent",
}
"""A value for each field that a kind requires; a new kind with a new field gets it here, and says so by failing."""


def metric(kind: str, role: str = "secondary") -> dict[str, Any]:
    needed = [n for n, f in KINDS[kind].model_fields.items() if f.is_required() and n not in ("key", "role", "direction")]
    missing = [n for n in needed if n not in FILLED]
    assert not missing, f"FILLED has no value for {missing} of kind {kind}"
    return {"key": f"as_{kind}", "kind": kind, "role": role, "direction": "increase", **{n: FILLED[n] for n in needed}}


def plan_of(model: dict[str, Any], metrics: list[dict[str, Any]], **more: Any) -> xp.Plan:
    return make_plan(
        metrics,
        key="kinds",
        title="Every kind",
        owner="tests",
        unit="distinct_id",
        model=model,
        horizon={"units": UNITS},
        **more,
    )


def log() -> pd.DataFrame:
    """Exposures on day 1, views and purchases on the days after; amounts, counts and times vary by unit and variant."""
    rng = np.random.default_rng(20)
    start = pd.Timestamp("2026-03-02T08:00:00Z")
    rows: list[dict[str, Any]] = []

    def add(unit: int, event: str, hours: float, **properties: Any) -> None:
        rows.append({"event": event, "distinct_id": f"u{unit}", "time": start + pd.Timedelta(hours=hours), **properties})

    for unit in range(UNITS):
        variant = "beta" if unit % 2 else "control"
        add(unit, "$experiment_started", rng.uniform(0, 6), **{"Experiment name": "kinds", "Variant name": variant})
        for _ in range(rng.poisson(1.5 if variant == "beta" else 1.2)):
            viewed = rng.uniform(7, 60)
            add(unit, "Viewed", viewed)
            if rng.random() < 0.6:
                add(unit, "Bought", viewed + rng.uniform(0.1, 4), amount=float(np.round(rng.gamma(2.0, 10.0), 2)))
    add(0, "Viewed", 24 * 40)  # the log goes on beyond every window
    return pd.DataFrame(rows)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    variant = np.where(np.arange(UNITS) % 2, "beta", "control")
    return pd.DataFrame(
        {
            "distinct_id": [f"u{i}" for i in range(UNITS)],
            "variant": variant,
            "spent": rng.gamma(2.0, 5.0, UNITS).round(2) + (variant == "beta"),
            "visits": 1 + rng.poisson(2.0, UNITS),
            "joined": rng.random(UNITS) < 0.4,
        }
    )


def memo_of(plan: xp.Plan, source: Any, root: Path) -> Path:
    experiment = xp.register(plan, root)
    readout = experiment.readout(source)
    keys = {row.metric for row in readout.rows}
    assert keys == {m.key for m in plan.metrics}, "every metric has a row"
    experiment.decide(readout, "defer", because="a test of every kind", by="tests")
    return experiment.memo().save(root / "memo.html")


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_from_events_verifies_under_the_model(name: str, tmp_path: Path) -> None:
    base = [
        {"key": "base_one", "kind": "count", "event": "Bought", "role": "primary", "direction": "increase"},
        {"key": "base_two", "kind": "count", "event": "Viewed", "role": "secondary", "direction": "increase"},
    ]
    kinds = [k for k, c in KINDS.items() if issubclass(c, EventMetric) or k in ("ratio", "formula")]
    plan = plan_of(MODELS[name], [*base, *map(metric, kinds)])
    assert plan.problems() == []
    report = xp.verify(memo_of(plan, xp.events(log()), tmp_path))
    assert report.differences == (), report


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_from_a_table_verifies_under_the_model(name: str, tmp_path: Path) -> None:
    base = [
        {"key": "base_one", "kind": "column", "column": "joined", "role": "primary", "direction": "increase"},
        {"key": "base_two", "kind": "column", "column": "visits", "role": "secondary", "direction": "increase"},
    ]
    kinds = [k for k, c in KINDS.items() if not issubclass(c, EventMetric)]
    plan = plan_of(MODELS[name], [*base, *map(metric, kinds)])
    assert plan.problems() == []
    report = xp.verify(memo_of(plan, xp.units(table(), unit="distinct_id", variant="variant"), tmp_path))
    assert report.differences == (), report


def test_no_kind_is_left_out() -> None:
    events = {k for k, c in KINDS.items() if issubclass(c, EventMetric)}
    assert events | {"ratio", "formula", "column"} == set(KINDS), "a kind that is neither of events nor of a table needs a test"
