"""What a lift is worth in the light of a portfolio."""

import numpy as np
import pytest

from xpbench.errors import StatsError
from xpbench.stats.shrinking import portfolio_prior, shrunk


def test_a_normal_portfolio_shrinks_as_the_normal_does():
    rng = np.random.default_rng(5)
    true = rng.normal(0.01, 0.02, 600)
    errors = np.full(600, 0.02)
    prior = portfolio_prior(true + rng.normal(0, 0.02, 600), errors)
    assert prior.mean == pytest.approx(0.01, abs=0.004)
    assert prior.sd == pytest.approx(0.02, abs=0.004)
    found = shrunk(0.07, 0.02, prior=prior, mass=0.95)
    assert found.lift == pytest.approx(0.04, abs=0.008)  # half-way between the mean and what was found
    assert found.low < found.lift < found.high < 0.085
    assert found.chance > 0.95


def test_shrunk_lifts_of_the_winners_have_no_bias():
    rng = np.random.default_rng(6)
    true = np.where(rng.random(3000) < 0.8, 0.0, rng.normal(0.05, 0.02, 3000))
    errors = rng.uniform(0.01, 0.03, 3000)
    lifts = true + rng.normal(size=3000) * errors
    prior = portfolio_prior(lifts, errors)
    won = np.flatnonzero(lifts > 2 * errors)
    worth = np.array([shrunk(lifts[i], errors[i], prior=prior, mass=0.9).lift for i in won])
    assert worth.mean() == pytest.approx(true[won].mean(), abs=0.003)
    assert lifts[won].mean() > true[won].mean() + 0.008
    inside = [(s := shrunk(lifts[i], errors[i], prior=prior, mass=0.9)).low - 2e-3 <= true[i] <= s.high + 2e-3 for i in won]
    assert np.mean(inside) > 0.86


def test_too_small_a_portfolio_is_refused():
    with pytest.raises(StatsError):
        portfolio_prior([0.1, 0.2], [0.1, 0.1])
    with pytest.raises(StatsError):
        portfolio_prior([0.1, 0.2, 0.3], [0.1, 0.1, 0.0])
