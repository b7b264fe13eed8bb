"""Against R: rpact, survey, sandwich, estimatr, metafor, pwr and base; outside.R made outside.txt, one case a line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import chdtrc

from xpbench.stats.bayes import compare
from xpbench.stats.designs import Fixed
from xpbench.stats.inference import absolute, noninferior, p_fixed
from xpbench.stats.marginals import Beta
from xpbench.stats.moments import Moments
from xpbench.stats.multiplicity import adjust_p
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import cluster_pair, mean_pair, ratio_pair
from xpbench.stats.planning import Scenario, power, sample_size
from xpbench.stats.rest import _played, conditional_power, futility
from xpbench.stats.shrinking import _paule_mandel
from xpbench.stats.spending import q_group, spending_bounds
from xpbench.stats.srm import srm

LINES = (Path(__file__).parent / "outside.txt").read_text("utf-8").splitlines()


def cases(word: str) -> list[list[object]]:
    """Lines of one kind: a word stays a word, everything else is a list of numbers."""
    out = []
    for line in LINES:
        first, *rest = line.split()
        if first == word:
            out.append([_value(x) for x in rest])
    assert out
    return out


def _value(text: str) -> object:
    try:
        return [float(v) for v in text.split(",")]
    except ValueError:
        return text


def test_there_are_more_than_sixty_cases():
    assert len(LINES) - 1 >= 120


@pytest.mark.parametrize(("name", "looks", "stops", "drift", "bounds", "won", "stopped", "units"), cases("GIVEUP"))
def test_what_giving_up_costs(name, looks, stops, drift, bounds, won, stopped, units):
    """Power, stops and mean units where the chance that is left falls below a floor; 1e-7 on
    the same boundary, 5e-6 on each other's. Source: rpact 3.3.4."""
    spending, floor = name.split(":")
    own = q_group(0.05, looks, spending)
    assert own == pytest.approx(bounds, abs=2e-5)
    assert _played(looks, bounds, stops, drift[0]) == pytest.approx((won[0], stopped[0], units[0]), abs=1e-7)
    if drift[0] > 0.0:
        found = futility(float(floor), looks=looks, bounds=own, drift=drift[0])
        assert [max(-q, z) for q, z in zip(own, found.stops, strict=False)] == pytest.approx(stops, abs=1e-7)
        assert found.power == pytest.approx(won[0], abs=5e-6)
        assert found.price == pytest.approx(0.8 - won[0], abs=5e-6)


@pytest.mark.parametrize(("power_of_time", "looks", "bounds"), cases("POWEROFTIME"))
def test_spending_as_a_power_of_time(power_of_time, looks, bounds):
    """Boundaries of Kim and DeMets' family, which the sample ratio spends by; 1e-4. Source: rpact 3.3.4, typeOfDesign asKD."""
    assert spending_bounds([0.01 * t ** power_of_time[0] for t in looks], looks) == pytest.approx(bounds, abs=1e-4)


@pytest.mark.parametrize(("looks", "z", "bounds", "error"), cases("CONDITIONALERROR"))
def test_chance_of_a_false_alarm_from_now_on(looks, z, bounds, error):
    """The conditional error that an extension may not exceed, one side; 1e-6. Source: rpact 3.3.4,
    getConditionalRejectionProbabilities."""
    ahead = conditional_power(z[0], t=looks[0], looks=looks[1:], bounds=bounds[1:], drift=0.0)
    assert ahead.up == pytest.approx(error[0], abs=1e-6)


def plan(**changes: object) -> Scenario:
    """Two equal variants of sd 1."""
    usual = {"mean": 0.0, "sd": 1.0, "proportion": False, "scale": "effect", "null": 0.0, "alpha": 0.05, "sides": 2}
    usual |= {"split": (0.5, 0.5), "reduction": 0.0, "comparisons": 1, "design": Fixed()}
    return Scenario(**{**usual, **changes})


@pytest.mark.parametrize(("alpha", "delta", "normal", "n"), cases("SIZE"))
def test_sample_sizes(alpha, delta, normal, n):
    """Whole units of both variants, rounded up; the same. Source: rpact 3.3.4, getSampleSizeMeans."""
    found = sample_size(plan(alpha=alpha[0], design=Fixed(uses_t=not normal[0])), value=delta[0], target=0.8)
    assert found.n == 2 * math.ceil(n[0] / 2 - 1e-6)


@pytest.mark.parametrize(("n", "d", "expected"), cases("POWERT"))
def test_power_of_unlike_variants(n, d, expected):
    """Noncentral t with Welch's degrees of freedom, both sides; 1e-7. Source: pwr 1.3, pwr.t.test, and R 4.2, pt."""
    total = sum(n)
    found = power(plan(split=(n[0] / total, n[1] / total)), value=d[0], n=total).power
    assert found == pytest.approx(expected[0], abs=1e-7)


@pytest.mark.parametrize(("y", "x", "effect", "se", "df", "p", "low", "high"), cases("WELCH"))
def test_difference_in_means(y, x, effect, se, df, p, low, high):
    """Effect, error, degrees of freedom, p and interval; 1e-9. Source: estimatr 1.0, difference_in_means."""
    pair = mean_pair(Moments.of_values(y), Moments.of_values(x))
    found = absolute(pair, q_fixed(0.05, pair.df))
    ours = (pair.effect, pair.se, pair.df, p_fixed(pair), found.ci_low, found.ci_high)
    assert ours == pytest.approx((effect[0], se[0], df[0], p[0], low[0], high[0]), rel=1e-9)


@pytest.mark.parametrize(("y", "x", "margin", "p"), cases("MARGIN"))
def test_non_inferiority(y, x, margin, p):
    """One-sided p-value at an absolute margin; 1e-9. Source: R 4.2, t.test with mu."""
    pair = mean_pair(Moments.of_values(y), Moments.of_values(x))
    found = noninferior(pair, direction="increase", margin_abs=margin[0], alpha=0.05)
    assert found.p_value == pytest.approx(p[0], rel=1e-9)


@pytest.mark.parametrize(("num", "den", "ratio", "se"), cases("RATIO"))
def test_ratio_of_sums(num, den, ratio, se):
    """Ratio and linearised error of a variant; 1e-9. Source: survey 4.1, svyratio."""
    moments = Moments.of_values(num, den)
    pair = ratio_pair(moments, moments, num=0, den=1)
    assert (pair.mc, pair.vc**0.5) == pytest.approx((ratio[0], se[0]), rel=1e-9)


@pytest.mark.parametrize(("sizes", "sums", "mean", "se"), cases("CLUSTERS"))
def test_users_inside_companies(sizes, sums, mean, se):
    """Mean and CR0 error of a variant, times k / (k − 1) of Kish's effective number; 1e-9. Source: sandwich 3.0, vcovCL."""
    moments = Moments.of_values(sums, sizes)
    pair = cluster_pair(moments, moments)
    worth = sum(sizes) ** 2 / sum(s * s for s in sizes)
    assert (pair.mc, pair.vc) == pytest.approx((mean[0], se[0] ** 2 * worth / (worth - 1)), rel=1e-9)


@pytest.mark.parametrize(("lifts", "errors", "expected"), cases("BETWEEN"))
def test_variance_between_experiments(lifts, errors, expected):
    """Where the prior of a portfolio starts; 1e-6. Source: metafor 3.8, rma with method PM (Paule and Mandel)."""
    assert _paule_mandel(np.array(lifts), np.array(errors)) == pytest.approx(expected[0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("effects", "errors", "p"), cases("SLICES"))
def test_same_effect_in_all_slices(effects, errors, p):
    """Cochran's Q, as segments and interactions use it; 1e-9. Source: metafor 3.8, rma with method FE."""
    weights = 1.0 / np.array(errors) ** 2
    mean = (weights @ effects) / weights.sum()
    assert chdtrc(len(effects) - 1, float(weights @ (effects - mean) ** 2)) == pytest.approx(p[0], rel=1e-9)


@pytest.mark.parametrize(("method", "p", "expected"), cases("ADJUST"))
def test_corrections(method, p, expected):
    """Adjusted p-values; 1e-12. Source: R 4.2, p.adjust."""
    assert adjust_p(p, method=method.lower()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("counts", "weights", "p"), cases("SPLIT"))
def test_sample_ratio(counts, weights, p):
    """Exact with few expected units, else chi-squared; 1e-9. Source: R 4.2, binom.test and chisq.test."""
    assert srm([int(n) for n in counts], weights).p_value == pytest.approx(p[0], rel=1e-9)


@pytest.mark.parametrize(("shapes", "chance"), cases("BEATS"))
def test_chance_to_beat_control(shapes, chance):
    """Of two Beta posteriors; 1e-9. Source: R 4.2, integrate over dbeta times pbeta."""
    a, b, c, d = shapes
    found = compare(Beta(a, b), Beta(c, d), direction="increase", mass=0.95)
    assert found.chance == pytest.approx(chance[0], rel=1e-9)
