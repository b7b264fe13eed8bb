"""A/A calibration of a plan, from values to the health check of a readout."""

from __future__ import annotations

import numpy as np

import xpbench as xp
from tests.decide.sealed import summary
from tests.forecast.test_rehearsal import plan
from xpbench.forecast.history import History
from xpbench.health import HealthInputs, run_checks
from xpbench.health.windows import bias_windows

METRICS = [
    {"key": "m", "kind": "column", "column": "m", "role": "primary", "direction": "increase"},
    {"key": "d", "kind": "column", "column": "d", "role": "secondary", "direction": "increase"},
    {"key": "r", "kind": "ratio", "numerator": "m", "denominator": "d", "role": "secondary", "direction": "increase"},
    {
        "key": "tail",
        "kind": "column",
        "column": "t",
        "role": "secondary",
        "direction": "increase",
        "winsorize": {"upper": 0.99},
    },
]


def test_every_metric_is_calibrated_and_reaches_the_check() -> None:
    """Means, ratios and capped tails give uniform p-values; the check of a readout passes on it."""
    rng = np.random.default_rng(3)
    n = 1500
    d = rng.poisson(3, n) + 1.0
    history = History({"m": rng.poisson(d) * 1.0, "d": d, "tail": rng.lognormal(0, 2, n)})
    p = plan(metrics=METRICS, horizon={"units": n})
    report = xp.calibrate(p, history, draws=250)
    assert {r["metric"] for r in report["metrics"]} == {"m", "d", "r", "tail"}
    assert all(r["uniform"] for r in report["metrics"])
    (check,) = run_checks(HealthInputs(p, summary(200), retro=report), only=["aa_calibration"])
    assert check.status == "pass"


def test_bias_is_compared_over_one_two_and_four_weeks() -> None:
    """Further windows are read from the log, join the family and show on which window the difference stands."""
    from xpbench.data import events
    from xpbench.demo.simulation import demo_plan, simulate

    p = demo_plan(units=1200)
    source = events(simulate(p, units=1200, seed=5).events)
    cells = bias_windows(source, p)
    assert {c.slice for c in cells} == {"7", "28"}
    (check,) = run_checks(HealthInputs(p, source.summarize(p), windows=cells), only=["pre_experiment_bias"])
    assert check.evidence["windows"] == [7, 14, 28]
    assert check.status == "pass"
