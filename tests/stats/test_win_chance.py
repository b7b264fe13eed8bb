"""The chance to win where a change must also be large enough to matter: against simulated experiments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xpbench.stats.designs import Anytime, Design, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.planning import Scenario, power, sample_size
from xpbench.stats.win_chance import Matters, win_mde, win_power, win_size

FIXED = Fixed()
GROUPED = GroupSequentialTest((0.5, 0.75, 1.0), "obrien_fleming")
ANYTIME = Anytime(even_looks(8, first=0.2), n_opt=4000.0, tau=None, tuned_alpha=0.05)


def scenario(design: Design = FIXED, **more: Any) -> Scenario:
    base: dict[str, Any] = {
        "mean": 10.0, "sd": 12.0, "proportion": False, "scale": "lift", "null": 0.0, "alpha": 0.05, "sides": 2,
        "split": (0.5, 0.5), "reduction": 0.0, "comparisons": 1, "design": design,
    }  # fmt: skip
    return Scenario(**{**base, **more})


def simulated(sc: Scenario, matters: Matters, *, value: float, n: int, runs: int = 20_000) -> float:
    """Share of experiments that win at some look: rejected by then, and large enough at that look."""
    rng = np.random.default_rng(11)
    looks = np.array(sc.design.information())
    sd_c, sd_t = sc.sds(value)
    n_c, n_t = n * sc.split[0], n * sc.split[1]
    steps = np.sqrt(np.diff([0.0, *looks]))
    good, true = np.sign(value), sc.mean + value * abs(sc.mean)
    m_c = sc.mean + sd_c / np.sqrt(n_c) * (rng.standard_normal((runs, len(looks))) * steps).cumsum(axis=1) / looks
    m_t = true + sd_t / np.sqrt(n_t) * (rng.standard_normal((runs, len(looks))) * steps).cumsum(axis=1) / looks
    se = np.sqrt(sd_c**2 / n_c + sd_t**2 / n_t)
    bounds = np.array(sc.design.bounds(alpha=sc.alpha / 2, n=n * sum(sc.split), se=se, df=n - 2.0))
    rejected = np.logical_or.accumulate(good * (m_t - m_c) / (se / np.sqrt(looks)) > bounds, axis=1)
    least = matters.min_lift or 0.0
    if matters.practical == "estimate":
        large = good * (m_t - m_c) / np.abs(m_c) >= least
    else:
        low = m_t * good - (good + least * np.sign(m_c)) * m_c
        wide = np.sqrt(sd_t**2 / n_t + (1 + good * np.sign(sc.mean) * least) ** 2 * sd_c**2 / n_c)
        large = low / (wide / np.sqrt(looks)) > bounds
    return float(np.mean((rejected & large).any(axis=1)))


@pytest.mark.parametrize("design", [FIXED, GROUPED, ANYTIME], ids=["fixed", "grouped", "anytime"])
@pytest.mark.parametrize("practical", ["estimate", "interval"])
@pytest.mark.parametrize(("least", "value"), [(0.1, 0.1), (0.07, 0.12), (0.02, 0.1), (0.06, -0.1)])
def test_the_chance_is_that_of_simulated_experiments(design: Design, practical: Any, least: float, value: float) -> None:
    sc, matters = scenario(design), Matters(least, practical)
    found = win_power(sc, matters, value=value, n=4000)
    assert found == pytest.approx(simulated(sc, matters, value=value, n=4000), abs=0.015)


@pytest.mark.parametrize("mean", [-10.0, 10.0])
def test_a_negative_mean_has_the_same_chance(mean: float) -> None:
    matters = Matters(0.08, "estimate")
    sc = scenario(mean=mean)
    assert win_power(sc, matters, value=0.1, n=4000) == pytest.approx(simulated(sc, matters, value=0.1, n=4000), abs=0.015)


def test_expecting_just_what_matters_wins_half_the_time_at_any_size() -> None:
    rate = scenario(mean=0.2, sd=1.0, proportion=True)
    for n in (20_000, 200_000, 20_000_000):
        assert win_power(rate, Matters(0.1, "estimate"), value=0.1, n=n) == pytest.approx(0.5, abs=0.03)
        assert win_power(rate, Matters(0.1, "interval"), value=0.1, n=n) == pytest.approx(0.025, abs=0.003)
    assert win_size(rate, Matters(0.1, "estimate"), value=0.1, target=0.8, least=13_016) is None


def test_without_a_smallest_lift_it_is_the_power_of_the_test() -> None:
    sc = scenario()
    for matters in (Matters(None, "estimate"), Matters(0.0, "interval"), Matters(0.2, "none")):
        assert win_power(sc, matters, value=0.1, n=4000) == power(sc, value=0.1, n=4000).power


def test_size_and_smallest_lift_reach_the_chance_asked_for() -> None:
    sc, matters = scenario(), Matters(0.08, "estimate")
    alone = sample_size(sc, value=0.1, target=0.8).n
    units = win_size(sc, matters, value=0.1, target=0.8, least=alone)
    assert units is not None
    assert units > alone
    assert win_power(sc, matters, value=0.1, n=units) == pytest.approx(0.8, abs=0.001)
    lift = win_mde(sc, matters, n=4000, target=0.8, least=0.1)
    assert lift is not None
    assert win_power(sc, matters, value=lift, n=4000) == pytest.approx(0.8, abs=0.002)
    assert win_mde(replace(sc, mean=0.5, proportion=True), Matters(1.5, "estimate"), n=4000, target=0.8, least=0.1) is None
