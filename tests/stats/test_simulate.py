"""Simulation agrees with computed power and with real rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.designs import Anytime, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.functionals import RatioOfMeans
from xpbench.stats.moments import Moments
from xpbench.stats.planning import Scenario, power
from xpbench.stats.simulate import simulate
from xpbench.stats.spending import q_group

CONTROL = Moments.of(1000, [10.0], [[4.0]])
DESIGNS = [Fixed(), GroupSequentialTest((0.25, 0.5, 1.0), "pocock"), Anytime(even_looks(8, first=0.2), None, None, 0.05)]
BY_TAU = Anytime((0.5, 1.0), None, 0.1, 0.05)
"""Its multiplier depends on the standard error, and so on both shares of the split."""


def run(rng, **changes):
    options = {
        "subject": 0, "effect": 0.3, "n": 1400, "split": (0.5, 0.5), "alpha": 0.05, "design": Fixed(), "replications": 20_000,
    }  # fmt: skip
    return simulate(CONTROL, **{**options, **changes}, rng=rng)


@pytest.mark.parametrize("design", [*DESIGNS, BY_TAU])
@pytest.mark.parametrize("split", [(0.5, 0.5), (0.8, 0.2)])
def test_power_and_stopping_are_the_computed_ones(rng, design, split):
    """Source: recursive integration (planning.power); four Monte-Carlo errors."""
    found = run(rng, design=design, split=split)
    plan = Scenario(
        mean=10.0, sd=2.0, proportion=False, scale="effect", null=0.0, alpha=0.05, sides=2, split=split, reduction=0.0,
        comparisons=1, design=design,
    )  # fmt: skip
    theirs = power(plan, value=0.3, n=1400)
    assert found.rejected == pytest.approx(theirs.power, abs=4 * found.error + 0.002)
    assert found.expected_units == pytest.approx(theirs.expected_units, rel=0.02)


@pytest.mark.parametrize("design", DESIGNS)
def test_aa_keeps_its_level(rng, design):
    found = run(rng, effect=0.0, design=design)
    assert found.rejected <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 20_000)
    assert found.wrong_side == pytest.approx(found.rejected / 2, abs=0.006)


def test_moments_drawn_are_those_of_rows(rng):
    """Source: scipy.stats.ttest_ind on drawn rows; three Monte-Carlo errors."""
    drawn = scipy.stats.ttest_ind(rng.normal(10.9, 2, (3000, 40)), rng.normal(10, 2, (3000, 60)), axis=1, equal_var=False)
    found = run(rng, n=100, split=(0.6, 0.4), effect=0.9)
    assert found.rejected == pytest.approx((drawn.pvalue < 0.05).mean(), abs=3.5 * math.sqrt(0.25 / 3000))


@pytest.mark.parametrize(("n", "split", "effect"), [(4, (0.5, 0.5), 9.0), (10, (0.6, 0.4), 3.5), (12, (0.25, 0.75), 3.0)])
def test_few_units_are_read_as_rows_are(n, split, effect):
    """Source: scipy.stats.ttest_ind on drawn rows; four Monte-Carlo errors."""
    rng, many = np.random.default_rng(8), 60_000
    units = [round(n * share) for share in split]
    for true in (effect, 0.0):
        rows = rng.normal(10 + true, 2, (many, units[1])), rng.normal(10, 2, (many, units[0]))
        drawn = float((scipy.stats.ttest_ind(*rows, axis=1, equal_var=False).pvalue < 0.05).mean())
        found = run(rng, n=n, split=split, effect=true, replications=many)
        assert found.rejected == pytest.approx(drawn, abs=4 * math.sqrt(2 * drawn * (1 - drawn) / many))


def test_looks_at_few_units_are_read_as_rows_are():
    """Source: drawn rows with numpy's variances, against the boundaries of the design; four Monte-Carlo errors."""
    rng, many, n, looks = np.random.default_rng(9), 60_000, 24, (0.25, 1.0)
    control, treatment = rng.normal(10, 2, (many, 8)), rng.normal(12.5, 2, (many, 16))
    pivots = []
    for a, b in ((2, 4), (8, 16)):
        c, t = control[:, :a], treatment[:, :b]
        pivots.append((t.mean(1) - c.mean(1)) / np.sqrt(c.var(1, ddof=1) / a + t.var(1, ddof=1) / b))
    crossed = np.abs(np.array(pivots)) > np.array(q_group(0.05, looks, "pocock"))[:, None]
    found = run(
        rng, n=n, split=(1 / 3, 2 / 3), effect=2.5, replications=many, design=GroupSequentialTest(looks, "pocock")
    )  # fmt: skip
    drawn, early = float(crossed.any(0).mean()), float(crossed[0].mean())
    assert found.rejected == pytest.approx(drawn, abs=4 * math.sqrt(2 * drawn * (1 - drawn) / many))
    assert found.expected_units == pytest.approx(n * (1 - 0.75 * early), abs=4 * n * math.sqrt(0.5 * early / many))
    best = np.where(crossed[0], pivots[0], pivots[1])
    wrong = float((crossed.any(0) & (best < 0)).mean())
    assert found.wrong_side == pytest.approx(wrong, abs=4 * math.sqrt(2 * wrong / many) + 1e-4)


@pytest.mark.parametrize("effect", [0.3, -0.3])
def test_an_effect_is_seldom_found_on_its_wrong_side(rng, effect):
    found = run(rng, effect=effect)
    assert found.rejected > 0.5
    assert found.wrong_side < 0.001
    assert found.error == pytest.approx(math.sqrt(found.rejected * (1 - found.rejected) / 20_000), rel=1e-12)
    assert math.copysign(1, found.effect_when_rejected) == math.copysign(1, effect)


def test_four_units_are_the_fewest(rng):
    assert run(rng, n=4, replications=10).replications == 10
    with pytest.raises(StatsError, match="n >= 4"):
        run(rng, n=3)
    assert set(run(rng, n=4, replications=10).to_dict().values()) >= {10}


def test_early_stopping_exaggerates(rng):
    found = run(rng, design=DESIGNS[1])
    assert found.effect_when_rejected > 0.33
    assert found.expected_units < 1400


def test_without_rejections_there_is_no_effect_to_report(rng):
    found = run(rng, effect=0.0, replications=1, alpha=1e-12)
    assert math.isnan(found.effect_when_rejected)
    assert found.to_dict()["effect_when_rejected"] is None


def test_a_ratio_uses_its_linearised_variance(rng):
    ratio = Moments.of(1000, [10.0, 5.0], [[4.0, 1.0], [1.0, 2.0]])
    gradient = np.array([1.0, -2.0]) / 5.0
    plain = Moments.of(1000, [2.0], [[float(gradient @ ratio.cov @ gradient)]])
    options = {"effect": 0.05, "n": 2000, "split": (0.5, 0.5), "alpha": 0.05, "design": Fixed(), "replications": 4000}
    one = simulate(ratio, subject=RatioOfMeans(0, 1), **options, rng=np.random.default_rng(1))
    two = simulate(plain, subject=0, **options, rng=np.random.default_rng(1))
    assert one == two


@pytest.mark.parametrize(
    "changes", [{"n": 2}, {"split": (0.5, 0.4)}, {"split": (1.0, 0.0)}, {"replications": 0}, {"alpha": 0.0}]
)
def test_arguments_out_of_range_are_refused(rng, changes):
    with pytest.raises(StatsError, match="XPB-S01"):
        run(rng, **changes)
