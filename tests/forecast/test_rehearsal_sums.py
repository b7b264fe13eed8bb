"""A rehearsal by sums gives what a rehearsal through the values gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.forecast.test_rehearsal import plan
from xpbench.forecast import rehearsal_stage
from xpbench.forecast.history import History
from xpbench.forecast.rehearsal import rehearse

N = 3000
METRICS: list[dict[str, Any]] = [
    {"key": "m", "kind": "count", "event": "M", "role": "primary", "direction": "increase", "cuped": True},
    {"key": "done", "kind": "conversion", "event": "D", "role": "secondary", "direction": "increase"},
    {"key": "value", "kind": "sum", "event": "V", "property": "x", "role": "secondary", "direction": "increase",
     "winsorize": {"upper": 0.98}},
    {"key": "rate", "kind": "ratio", "numerator": "m", "denominator": "value", "role": "secondary", "direction": "increase"},
    {"key": "mix", "kind": "formula", "expression": "m / (value + 1)", "role": "secondary", "direction": "increase"},
]  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "frequentist": {"kind": "frequentist"},
    "sequential": {"kind": "sequential", "n_opt": N, "min_units": 300},
}


def history() -> History:
    """Counts with a covariate, a heavy sum with gaps, a conversion; units come in over 20 days, not in order."""
    rng = np.random.default_rng(3)
    before = rng.poisson(1.0, N).astype(float)
    value = np.where(rng.random(N) < 0.05, np.nan, rng.lognormal(1, 1.5, N))
    return History(
        {"m": rng.poisson(1 + before).astype(float), "done": (rng.random(N) < 0.3).astype(float), "value": value},
        {"m": before.reshape(-1, 1)},
        day=rng.integers(0, 20, N),
    )


def both(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, Any]:
    """The same rehearsal by sums and through the values."""
    what = plan(metrics=METRICS, model=options.pop("model"), horizon={"units": options.pop("units", N)})
    fast = rehearse(what, history(), **options)
    monkeypatch.setattr(rehearsal_stage.RehearsalStage, "_light_effect", lambda self, key, lifts: None)
    return fast, rehearse(what, history(), **options)


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("lifts", [{}, {"m": 0.05}, {"m": -0.1, "value": 0.2}], ids=["null", "one", "two"])
def test_same_rows_without_turning(model: str, lifts: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nulls and multiplied values: every lift and interval of every run is the same number."""
    fast, slow = both(monkeypatch, model=MODELS[model], scenarios={"x": lifts}, runs=12, plays=12)
    assert fast.scenarios[0].to_dict() == slow.scenarios[0].to_dict()
    for a, b in zip(fast.plays, slow.plays, strict=True):
        assert (a.outcome, a.rows, a.day) == (b.outcome, b.rows, b.day)
        for x, y in zip(a.lifts, b.lifts, strict=True):
            assert (x["metric"], x["verdict"]) == (y["metric"], y["verdict"])
            for name in ("lift", "lift_low", "lift_high"):
                assert x[name] == pytest.approx(y[name], rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("units", [1500, 5000], ids=["a part", "with replacement"])
def test_same_rows_of_drawn_units(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the history, or more units than it has: drawn units are weights."""
    fast, slow = both(monkeypatch, model=MODELS["frequentist"], units=units, scenarios={"x": {"m": 0.05}}, runs=6, plays=6)
    for a, b in zip(fast.plays, slow.plays, strict=True):
        for x, y in zip(a.lifts, b.lifts, strict=True):
            assert x["lift"] == pytest.approx(y["lift"], rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("lift", [0.3, -0.3])
def test_turned_conversions_have_the_same_distribution(lift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other draws, same law: mean and spread of the lifts over 250 runs agree with the way through the values."""
    fast, slow = both(monkeypatch, model=MODELS["frequentist"], scenarios={"x": {"done": lift}}, runs=250, plays=250)
    found = [np.array([x["lift"] for p in r.plays for x in p.lifts if x["metric"] == "done"]) for r in (fast, slow)]
    spread = found[1].std(ddof=1)
    assert found[0].mean() == pytest.approx(found[1].mean(), abs=4 * spread * (2 / 250) ** 0.5)
    assert found[0].mean() == pytest.approx(lift, abs=0.03)
    assert found[0].std(ddof=1) == pytest.approx(spread, rel=0.25)
