"""The choices that decide how much is found at an honest error level, against recursion, enumeration and published numbers."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from xpbench.stats.proportion import EventCounts, p_score, z_difference
from xpbench.stats.spending import crossing, p_reflection, q_group, q_reflection, spending_bounds
from xpbench.stats.srm import srm_anytime, srm_spending


def even(count):
    return [(i + 1) / count for i in range(count)]


@pytest.mark.parametrize(("looks", "false", "power"), [(4, 0.029, 0.391), (28, 0.039, 0.427), (112, 0.044, 0.444)])
def test_the_reflection_boundary_by_exact_recursion(looks, false, power):
    """The world of docs/proof/peers.md, lift 15 %, where one look at the end finds 48.9 %."""
    drift = stats.norm.isf(0.025) + stats.norm.ppf(0.489)
    t = even(looks)
    for shift, expected in ((0.0, false), (drift, power)):
        low, high = crossing(q_group(0.05, t, "reflection"), t, drift=shift)
        assert low.sum() + high.sum() == pytest.approx(expected, abs=0.0015)
    assert false < 0.05


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 1e-6])
@pytest.mark.parametrize("t", [0.01, 0.3, 1.0, 1.7])
def test_reflection_in_closed_form(alpha, t):
    q = q_reflection(alpha, t)
    assert q == pytest.approx(stats.norm.isf(alpha / 4) / math.sqrt(min(t, 1.0)), rel=1e-12)
    assert p_reflection(q, t) == pytest.approx(alpha, rel=1e-10)
    assert p_reflection(-1.001 * q, t) < alpha < p_reflection(0.999 * q, t)
    assert math.isnan(p_reflection(math.nan, t))
    assert p_reflection(0.0, t) == 1.0


def test_mean_units_of_the_reflection_boundary_are_at_most_0_80_of_the_fixed_test():
    """The units of the fixed design with 80 % power, grown until 28 looks have 80 %, at the mean moment of stopping."""
    fixed = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
    t = even(28)
    for more in np.arange(1.0, 1.4, 0.005):
        low, high = crossing(q_group(0.05, t, "reflection"), t, drift=fixed * math.sqrt(more))
        if low.sum() + high.sum() >= 0.8:
            break
    stops = low + high
    assert more * (stops @ np.array(t) + (1 - stops.sum())) <= 0.90  # with those that go on to the end counted whole
    assert more <= 1.2


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_bounds_of_any_schedule_spend_what_they_should(alpha):
    t = even(28)
    target = alpha * np.array(t) ** 3
    low, high = crossing(spending_bounds(target, t), t, drift=0.0)
    assert (low + high).cumsum() == pytest.approx(target, rel=1e-5)
    two = spending_bounds([0.01, 0.05], [0.5, 1.0])
    assert two[0] == pytest.approx(stats.norm.isf(0.005), rel=1e-9)
    inner = stats.multivariate_normal([0, 0], [[1, math.sqrt(0.5)], [math.sqrt(0.5), 1]])
    inside = integrate.dblquad(
        lambda y, x: inner.pdf([x, y]), -two[0], two[0], lambda _: -two[1], lambda _: two[1], epsabs=1e-9
    )[0]
    assert inside == pytest.approx(0.95, abs=1e-6)


@pytest.mark.parametrize(
    ("n_c", "n_t", "rate", "lift", "size", "power"),
    [(900, 100, 0.10, 1.0, 0.049, 0.805), (9_900, 100, 0.12, 0.9, 0.047, 0.851), (500, 500, 0.02, 1.0, 0.050, 0.461)],
)
def test_size_and_power_of_the_score_by_enumeration(n_c, n_t, rate, lift, size, power):
    n = n_c + n_t
    for treated, expected in ((rate, size), (rate * (1 + lift), power)):
        spans = [
            np.arange(int(stats.binom.ppf(1e-9, m, p)), int(stats.binom.ppf(1 - 1e-9, m, p)) + 1)
            for m, p in ((n_c, rate), (n_t, treated))
        ]
        x, y = np.meshgrid(*spans, indexing="ij")
        pooled = (x + y) / n
        noise = np.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_t) * n / (n - 1))
        z = (y / n_t - x / n_c) / np.where(noise > 0, noise, 1.0)
        weight = stats.binom.pmf(x, n_c, rate) * stats.binom.pmf(y, n_t, treated)
        assert weight[np.abs(z) > 1.9599639845400545].sum() == pytest.approx(expected, abs=0.0006)
        for i in range(0, x.size, max(1, x.size // 40)):  # the statistic of the library at a grid of outcomes
            counts = EventCounts(int(x.flat[i]), n_c, int(y.flat[i]), n_t)
            assert z_difference(counts, null=0.0) == pytest.approx(z.flat[i], rel=1e-7, abs=1e-9)
            if counts.x_c == counts.x_t == 0:
                continue
            assert p_score(counts, null=0.0, alternative="two-sided", scale="effect") == pytest.approx(
                2 * stats.norm.sf(abs(z.flat[i])), rel=1e-6
            )


def test_the_sample_ratio_gate_is_not_blind_with_many_variants():
    """Twenty variants, one lost 8 % of 280,000 units: once "anytime p = 1"."""
    day = np.array([500] * 19 + [460])
    counts = np.cumsum([day] * 28, axis=0)
    found = srm_spending(counts, [1] * 20, progress=even(28), levels=(0.001, 0.01))
    assert found[-1] < 1e-8
    assert srm_anytime(counts, [1] * 20, k=100.0)[-1] == 1.0
    assert (np.diff(found) <= 0).all()


def test_the_gate_keeps_a_share_of_its_level_for_what_begins_after_the_horizon():
    days = 60
    progress = [(i + 1) / 28 for i in range(days)]
    sound = np.tile([500, 500], (28, 1))
    broken = np.tile([500, 350], (days - 28, 1))
    counts = np.cumsum(np.concatenate([sound, broken]), axis=0)
    found = srm_spending(counts, [1, 1], progress=progress, levels=(0.001,))
    assert found[27] > 0.5
    assert found[-1] < 0.001


def test_levels_of_the_gate_are_exact_at_the_thresholds():
    """Just above and just below the boundary of one look."""
    for alpha in (0.001, 0.01):
        limit = stats.norm.isf(alpha * 0.98 / 2)
        for factor in (0.999, 1.001):
            shift = factor * limit * math.sqrt(1e8) / 2
            (p,) = srm_spending([[5e7 - shift, 5e7 + shift]], [1, 1], progress=[1.0], levels=(0.001, 0.01))
            assert (p <= alpha * 1.0000001) == (factor > 1)


def test_days_without_units_and_tiny_variants_are_no_looks():
    assert srm_spending([[0, 0], [0, 0]], [1, 1], progress=[0.1, 0.2]).tolist() == [1.0, 1.0]
    assert srm_spending([[3, 0], [3, 0]], [99, 1], progress=[0.1, 0.2]).tolist() == [1.0, 1.0]
