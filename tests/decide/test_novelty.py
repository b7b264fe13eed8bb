"""Trends of the effect: against statsmodels, with the level kept under no trend, and power under a planted one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from tests.builders import make_plan, metric
from xpbench.data.summary import Cell, Summary
from xpbench.decide.novelty import trends
from xpbench.plan import Plan
from xpbench.plan.methods import WHOLE

START = date(2026, 9, 7)


def plan(metrics: int = 1) -> Plan:
    """A plan with some primaries."""
    return make_plan([metric(f"m{i}", "count", event="E") for i in range(metrics)], key="nov", title="Novelty")


def summary(rng: np.random.Generator, effect: Any, *, dimension: str = "$age", slices: int = 21, n: int = 2000) -> Summary:
    """Cells by age or day of exposure with an effect that is a function of the slice."""
    cells = []
    for i in range(slices):
        name = str(i) if dimension == "$age" else (START + timedelta(days=i)).isoformat()
        for variant in ("control", "beta"):
            mean = 1.0 + 0.3 * np.sin(i) + (effect(i) if variant == "beta" else 0.0) + rng.normal(0, 1 / n**0.5)
            cells.append(Cell("m0", variant, "value", ("value",), n, (float(mean),), ((1.0,),), dimension, name))
    return Summary("events", "0" * 64, 1, {"control": n, "beta": n}, tuple(cells))


def test_slope_is_statsmodels_wls() -> None:
    """Slope and standard error are those of weighted least squares with known weights."""
    found = trends(plan().under(WHOLE), summary(np.random.default_rng(1), lambda i: 0.1 - 0.004 * i))[0]
    x = np.array([p.x for p in found.points])
    y = np.array([p.effect for p in found.points])
    w = np.array([1 / p.se**2 for p in found.points])
    fit = sm.WLS(y, sm.add_constant(x), weights=w).fit()
    assert found.slope == pytest.approx(fit.params[1], rel=1e-9)
    scale = max(fit.scale, 1.0)
    error = fit.bse[1] / fit.scale**0.5 * scale**0.5
    q = {True: 1.959963984540054}.get(fit.scale <= 1)
    if q is not None:
        assert found.slope_high == pytest.approx(fit.params[1] + q * error, rel=1e-9)


def ages(rng: np.random.Generator, activity: Any, lift: Any, *, n: int = 10_000) -> Summary:
    """Poisson visits of the same units on fourteen days since exposure."""
    cells = []
    for i in range(14):
        for variant, more in (("control", 0.0), ("beta", lift(i))):
            mean = rng.poisson(n * activity(i) * (1 + more)) / n
            cells.append(Cell("m0", variant, "value", ("value",), n, (mean,), ((mean,),), "$age", str(i)))
    return Summary("events", "0" * 64, 1, {"control": n, "beta": n}, tuple(cells))


def test_slope_on_the_scale_of_the_ratio_is_statsmodels_wls() -> None:
    """Logarithm of treatment over control, weighted by its delta-method variance."""
    data = ages(np.random.default_rng(1), lambda i: np.exp(-i / 4), lambda i: 0.2 * np.exp(-i / 5))
    found = trends(plan(), data)[0]
    means = {(c.variant, c.slice): c.mean[0] for c in data.cells}
    y = np.log([means["beta", str(i)] / means["control", str(i)] for i in range(14)])
    w = 1 / np.array([sum(1 / (10_000 * means[v, str(i)]) for v in ("control", "beta")) for i in range(14)])
    fit = sm.WLS(y, sm.add_constant(np.arange(14.0)), weights=w).fit()
    assert found.slope == pytest.approx(fit.params[1], rel=1e-9)
    assert "will stay" not in found.sentence


@pytest.mark.parametrize("activity", [lambda i: 0.4, lambda i: np.exp(-i / 4), lambda i: 1.5 * np.exp(-i / 2)])
def test_a_constant_lift_on_activity_that_decays_is_steady(activity: Any) -> None:
    """At most 5 % of 200 worlds and three errors; on the scale of the effect nearly all were called fading."""
    rng = np.random.default_rng(7)
    words = [trends(plan(), ages(rng, activity, lambda i: 0.1))[0].word for _ in range(200)]
    assert words.count("fading") / 200 <= 0.05 / 2 + 3 * (0.025 * 0.975 / 200) ** 0.5


def test_a_lift_that_halves_is_found() -> None:
    """20 % for five days, 10 % after them: at least 80 % of 200 worlds."""
    rng = np.random.default_rng(8)
    words = [trends(plan(), ages(rng, lambda i: 0.4, lambda i: 0.2 if i < 5 else 0.1))[0].word for _ in range(200)]
    assert words.count("fading") / 200 >= 0.8


def test_fading_is_found_and_named() -> None:
    """An effect that wears off is called fading; its sentence says what stays."""
    found = trends(plan(), summary(np.random.default_rng(2), lambda i: 0.3 * np.exp(-i / 5)))[0]
    assert found.word == "fading"
    assert "novelty" in found.sentence


def test_growing_and_uneven() -> None:
    """Learning over age; an effect at weekends only."""
    assert trends(plan(), summary(np.random.default_rng(3), lambda i: 0.02 * i))[0].word == "growing"
    by_day = trends(plan(), summary(np.random.default_rng(4), lambda i: 0.4 * (i % 7 >= 5), dimension="$day", slices=28))
    assert {t.axis: t.word for t in by_day} == {"cohort": "steady", "weekday": "uneven"}


def test_a_curve_of_its_own_is_no_trend() -> None:
    """Both variants move with the season; only the difference counts. Level kept: at most 5 % + 3 errors."""
    rng = np.random.default_rng(5)
    called = sum(trends(plan(), summary(rng, lambda i: 0.1))[0].word != "steady" for _ in range(300))
    assert called / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_level_holds_with_dependent_noise_between_days() -> None:
    """The same units on all days: a shared deviation shifts every day alike and is no trend."""
    rng = np.random.default_rng(6)
    called = 0
    for _ in range(200):
        shared = rng.normal(0, 0.05)
        called += trends(plan(), summary(rng, lambda i, s=shared: s))[0].word != "steady"
    assert called / 200 <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_too_few_points_are_said() -> None:
    """Three days say nothing."""
    found = trends(plan(), summary(np.random.default_rng(1), lambda i: 0.1, slices=3))[0]
    assert (found.word, found.p_value) == ("not answerable", None)


def test_nothing_to_show_without_slices() -> None:
    """A per-unit table without dates has no trends."""
    assert trends(plan(), Summary("units table", "0" * 64, 1, {"control": 1, "beta": 1}, ())) == ()
