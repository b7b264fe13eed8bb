"""Quantile ranks against the binomial, numpy, and coverage in simulation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import quantile_pair
from xpbench.stats.quantiles import (
    estimate_rank,
    exact_ranks,
    quantile_moments,
    ranks,
    share_variance,
    variance_from_bounds,
)


@pytest.mark.parametrize("q", [0.05, 0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [7, 20, 100, 1001])
def test_estimate_is_numpys_inverted_cdf(rng, q, n):
    """Source: numpy.quantile(method="inverted_cdf"); exact."""
    values = np.sort(rng.normal(size=n))
    assert values[estimate_rank(q, n=n) - 1] == np.quantile(values, q, method="inverted_cdf")


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [40, 100, 500])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_exact_ranks_cover_by_the_binomial(q, n, alpha):
    """Source: P(l <= X < u) from scipy.stats.binom, X values at or below the quantile; tight within one rank each."""
    low, _, high = exact_ranks(q, n=n, alpha=alpha)
    x = scipy.stats.binom(n, q)
    assert x.cdf(low - 1) <= alpha / 2
    assert x.sf(high - 1) <= alpha / 2
    assert x.cdf(low) > alpha / 2
    assert x.sf(high - 2) > alpha / 2


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (8, 1, 8), (10, 2, 9), (20, 6, 15), (50, 18, 33)])
def test_exact_ranks_of_the_median_are_the_published_ones(n, low, high):
    """Source: the sign test's interval for a median at 95 % (Conover 1999, table A3 gives the critical counts)."""
    assert exact_ranks(0.5, n=n, alpha=0.05)[::2] == (low, high)


def test_too_few_values_have_no_exact_interval():
    assert exact_ranks(0.5, n=5, alpha=0.05) is None
    assert exact_ranks(0.99, n=100, alpha=0.05) is None


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_normal_ranks_are_near_the_exact_ones(q):
    near, exact = ranks(q, n=5000, alpha=0.05), exact_ranks(q, n=5000, alpha=0.05)
    assert abs(near.low - exact.low) <= 2
    assert abs(near.high - exact.high) <= 2
    assert near.estimate == exact.estimate


def test_ranks_stay_within_the_values():
    for n in range(2, 600):
        for q in (0.01, 0.3, 0.5, 0.99):
            found = ranks(q, n=n, alpha=0.05)
            assert found is None or 1 <= found.low <= found.estimate <= found.high <= n


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_variance_of_a_quantile_is_its_density_formula(rng, q):
    """Source: asymptotic variance q (1 − q) / (n f²), averaged over repetitions; 4 %."""
    n, found = 10_000, []
    for _ in range(300):
        values = np.sort(rng.normal(size=n))
        low, at, high = ranks(q, n=n, alpha=0.05)
        found.append(variance_from_bounds(values[low - 1], values[high - 1], alpha=0.05))
        assert values[low - 1] <= values[at - 1] <= values[high - 1]
    density = scipy.stats.norm.pdf(scipy.stats.norm.ppf(q))
    assert np.mean(found) == pytest.approx(q * (1 - q) / n / density**2, rel=0.04)


def test_clustered_values_have_the_variance_of_repetitions(rng):
    """Spread of the clustered median over 400 repetitions; 10 %. The independent formula is far too small."""
    q, medians, found, naive = 0.5, [], [], []
    for _ in range(400):
        size = rng.integers(1, 12, 200)
        values = np.repeat(rng.normal(0, 1, 200), size) + rng.normal(0, 0.5, size.sum())
        n = size.sum()
        median = np.sort(values)[estimate_rank(q, n=n) - 1]
        unit = np.repeat(np.arange(200), size)
        below = np.bincount(unit, weights=values <= median, minlength=200)
        clusters = Moments.of_values(below, size)
        ordered = np.sort(values)
        low, _, high = ranks(q, n=n, alpha=0.05, clusters=clusters)
        found.append(variance_from_bounds(ordered[low - 1], ordered[high - 1], alpha=0.05))
        low, _, high = ranks(q, n=n, alpha=0.05)
        naive.append(variance_from_bounds(ordered[low - 1], ordered[high - 1], alpha=0.05))
        medians.append(median)
    assert np.mean(found) == pytest.approx(np.var(medians), rel=0.15)
    assert np.mean(naive) < 0.4 * np.var(medians)


def test_clusters_of_one_value_are_independent_values():
    below = np.r_[np.ones(30), np.zeros(70)]
    single = Moments.of_values(below, np.ones(100))
    assert share_variance(0.3, n=100, clusters=single) == pytest.approx(0.3 * 0.7 / 99)
    assert share_variance(0.3, n=100) == pytest.approx(0.3 * 0.7 / 100)


def test_moments_carry_the_estimate_and_its_variance():
    c = quantile_moments(estimate=5.0, low=4.0, high=6.5, alpha=0.05, n=400)
    assert c.mean[0] == 5.0
    assert c.cov[0, 0] / 400 == pytest.approx((2.5 / (2 * 1.959963984540054)) ** 2)
    pair = quantile_pair(c, c)
    assert pair.vc == pytest.approx(variance_from_bounds(4.0, 6.5, alpha=0.05))


@pytest.mark.parametrize(
    "call",
    [
        lambda: share_variance(1.0, n=10),
        lambda: share_variance(0.5, n=0),
        lambda: share_variance(0.5, n=10, clusters=Moments.of_values([1.0, 2.0])),
        lambda: share_variance(0.5, n=10, clusters=Moments.of_values([1.0], [2.0])),
        lambda: share_variance(0.5, n=10, clusters=Moments.of_values([0.0, 0.0], [0.0, 0.0])),
        lambda: variance_from_bounds(2.0, 1.0, alpha=0.05),
        lambda: ranks(0.5, n=10, alpha=0.0),
        lambda: exact_ranks(0.0, n=10, alpha=0.05),
        lambda: estimate_rank(1.0, n=10),
    ],
)
def test_impossible_quantiles_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def test_all_values_below_the_quantile_have_no_variance() -> None:
    """Nineteen values of fourteen units, all at or below it: rounding must not make the variance negative."""
    spread = 0.24725274725274726
    clusters = Moments.of(14, [19 / 14] * 2, [[spread] * 2] * 2)
    assert share_variance(0.95, n=19, clusters=clusters) == pytest.approx(0.0, abs=1e-30)
    below = Moments.of(14, [19 / 14, 19 / 14], [[spread, spread], [spread, np.nextafter(spread, 0)]])
    assert share_variance(0.95, n=19, clusters=below) >= 0.0
    found = ranks(0.95, n=19, alpha=0.05, clusters=clusters)
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_the_fewest_values_with_an_interval_keep_the_level(rng, q):
    """Simulated: exponential values, no difference; the share of rejections at the smallest n that has ranks, 2,000 times."""
    n = next(n for n in range(2, 2000) if ranks(q, n=n, alpha=0.05) is not None)
    r = ranks(q, n=n, alpha=0.05)
    estimates, variances = [], []
    for _ in range(2):
        values = np.sort(rng.exponential(size=(2000, n)), axis=1)
        estimates.append(values[:, r.estimate - 1])
        variances.append(((values[:, r.high - 1] - values[:, r.low - 1]) / (2 * scipy.stats.norm.isf(0.025))) ** 2)
    z = (estimates[1] - estimates[0]) / np.sqrt(variances[0] + variances[1])
    assert (np.abs(z) > scipy.stats.norm.isf(0.025)).mean() < 0.1


@pytest.mark.parametrize(("q", "n"), [(0.99, 50), (0.99, 100), (0.95, 20), (0.01, 100), (0.5, 3)])
def test_too_few_values_beyond_the_quantile_have_no_ranks(q, n):
    """Source: the binomial. All values lie on one side of the quantile more often than a tail allows; exact."""
    assert max(scipy.stats.binom.pmf(n, n, q), scipy.stats.binom.pmf(0, n, q)) > 0.025
    assert ranks(q, n=n, alpha=0.05) is None


def test_two_clusters_are_the_fewest():
    two = Moments.of(2, [5.0, 10.0], [[2.0, 1.0], [1.0, 2.0]])
    gradient = np.array([1.0, -0.5]) / 10.0
    assert share_variance(0.5, n=20, clusters=two) == pytest.approx(float(gradient @ two.cov @ gradient) / 2, rel=1e-12)
    with pytest.raises(StatsError):
        share_variance(0.5, n=20, clusters=Moments.of(1, [5.0, 10.0], [[0.0, 0.0], [0.0, 0.0]]))
