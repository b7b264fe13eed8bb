"""Drawing units with equal values together gives what drawing them one by one gives, in a fraction of the time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from xpbench.health.grouped import _welch, distance, groups_of, retro_aa_grouped
from xpbench.health.retro import retro_aa


def test_welch_of_many_draws_is_scipys() -> None:
    """Sums of control and treatment, three draws at once."""
    rng = np.random.default_rng(1)
    parts = [[rng.lognormal(0, 1, n) for n in sizes] for sizes in ((30, 40, 50), (60, 45, 20))]
    sums = [np.array([[len(y), y.sum(), (y * y).sum()] for y in part]) for part in parts]
    p, _ = _welch(*sums)
    expected = [oracle.ttest_ind(t, c, equal_var=False).pvalue for c, t in zip(*parts, strict=True)]
    assert p == pytest.approx(expected, rel=1e-8)


def test_distance_is_scipys_without_ties() -> None:
    """Kolmogorov–Smirnov of continuous values; ties by half lie within half a step."""
    p = np.random.default_rng(2).random(500)
    assert distance(p) == pytest.approx(oracle.kstest(p, "uniform").statistic, abs=1.01 / 1000)


def test_groups_keep_count_mean_and_square() -> None:
    """Few values exactly; many in groups whose sums are those of the units, the extreme ones alone."""
    rng = np.random.default_rng(3)
    for y in (rng.poisson(2, 5000).astype(float), rng.lognormal(0, 2, 50_000)):
        points, squares, counts = groups_of(y)
        assert counts.sum() == len(y)
        assert (points * counts).sum() == pytest.approx(y.sum(), rel=1e-9)
        assert (squares * counts).sum() == pytest.approx((y * y).sum(), rel=1e-9)
        assert y.max() in points
        assert len(points) <= 2048


@pytest.mark.parametrize(
    "y",
    [
        np.random.default_rng(4).normal(size=5000),
        np.random.default_rng(5).exponential(10, 50_000).round(2),
        np.concatenate([np.full(5000, -9.0), np.random.default_rng(6).normal(size=4000), np.full(30, 9.0)]),
        np.concatenate([np.full(5000, 9.0), np.random.default_rng(7).normal(size=4000), np.full(30, -9.0)]),
    ],
)
def test_the_furthest_values_stay_single_in_any_order_of_units(y: np.ndarray) -> None:
    points, squares, counts = groups_of(y)
    tail = counts[-1024:]
    assert set(tail.tolist()) == {1}
    assert sorted(np.abs(points[-1024:])) == sorted(np.sort(np.abs(y))[-1024:])
    assert counts.sum() == len(y)
    again = groups_of(np.random.default_rng(8).permutation(y))
    assert all(np.array_equal(a, b) for a, b in zip((points, squares, counts), again, strict=True))


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.2, 0.3, 0.5]])
def test_agrees_with_unit_by_unit(shares: list[float]) -> None:
    """The p-values of both ways come from one distribution (two-sample KS), for mild and for heavy tails."""
    rng = np.random.default_rng(4)
    for y in (rng.poisson(1.5, 3000).astype(float), rng.lognormal(0, 2.5, 3000)):
        one, all_ = (f(y, variant_shares=shares, seed=5, draws=600) for f in (retro_aa, retro_aa_grouped))
        table = np.array([one.counts, all_.counts]) + 1
        assert oracle.chi2_contingency(table).pvalue > 1e-3
        assert one.uniform == all_.uniform


def test_heavy_tail_is_seen_and_few_events_are_not_judged() -> None:
    """One monster is no normal metric; ten conversions give steps, and that is said."""
    rng = np.random.default_rng(6)
    heavy = rng.lognormal(0, 3, 2000)
    assert retro_aa_grouped(heavy, variant_shares=[0.5, 0.5], seed=1).uniform is False
    few = (rng.random(5000) < 0.002).astype(float)
    assert retro_aa_grouped(few, variant_shares=[0.5, 0.5], seed=1).uniform is None
    assert retro_aa_grouped(np.ones(500), variant_shares=[0.5, 0.5], seed=1).uniform is None


def test_level() -> None:
    """Sound metrics are called uniform in all but about 1 %,."""
    rng = np.random.default_rng(7)
    called = sum(
        retro_aa_grouped(rng.poisson(3, 2000), variant_shares=[0.5, 0.5], seed=i, draws=300).uniform is False for i in range(60)
    )
    assert called <= 4
