"""Simulation agrees with computed power and with real rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.designs import Anytime, Fixed, GroupSequential, even_looks
from xpbench.stats.functionals import Ratio
from xpbench.stats.moments import Moments
from xpbench.stats.planning import Scenario, power
from xpbench.stats.simulate import simulate

CONTROL = Moments.of(1000, [10.0], [[4.0]])
DESIGNS = [Fixed(), GroupSequential((0.25, 0.5, 1.0), "pocock"), Anytime(even_looks(8, first=0.2), None, None, 0.05)]


def run(rng, **changes):
    options = {
        "subject": 0, "effect": 0.3, "n": 1400, "split": (0.5, 0.5), "alpha": 0.05, "design": Fixed(), "replications": 20_000,
    }  # fmt: skip
    return simulate(CONTROL, **{**options, **changes}, rng=rng)


@pytest.mark.parametrize("design", DESIGNS)
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
    one = simulate(ratio, subject=Ratio(0, 1), **options, rng=np.random.default_rng(1))
    two = simulate(plain, subject=0, **options, rng=np.random.default_rng(1))
    assert one == two


@pytest.mark.parametrize(
    "changes", [{"n": 2}, {"split": (0.5, 0.4)}, {"split": (1.0, 0.0)}, {"replications": 0}, {"alpha": 0.0}]
)
def test_arguments_out_of_range_are_refused(rng, changes):
    with pytest.raises(StatsError, match="XPB-S01"):
        run(rng, **changes)
