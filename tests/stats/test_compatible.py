"""Mixpanel's documented examples, and what makes ours differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.bayes import beta_posterior, nig_posterior
from xpbench.stats.compatible import (
    WHY,
    johari_tau,
    mixpanel_bh,
    mixpanel_bonferroni,
    mixpanel_posterior,
    mixpanel_tau,
    mixpanel_test,
)
from xpbench.stats.functionals import FormulaOfMeans, RatioOfMeans
from xpbench.stats.inference import p_fixed
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import q_tau
from xpbench.stats.pairs import mean_pair, ratio_pair
from xpbench.stats.proportion import EventCounts


def rate(x: int, n: int) -> Moments:
    m = x / n
    return Moments.of(n, [m], [[m * (1 - m) * n / (n - 1)]])


def test_the_documented_example():
    """Source: Mixpanel's guide, 5/10 against 6/10: variances 0.25 and 0.24, SE 0.2214, z 0.4518, p ≈ 0.65; as printed."""
    found = mixpanel_test(rate(5, 10), rate(6, 10), kind="rate", subject=0, confidence=0.95)
    assert (found.variance_c, found.variance_t) == pytest.approx((0.25, 0.24))
    assert found.se == pytest.approx(0.2214, abs=5e-5)
    assert found.z == pytest.approx(0.4518, abs=5e-5)
    assert found.p_value == pytest.approx(0.6514, abs=5e-5)
    assert not found.significant_two_sided


def test_the_documented_lift():
    """Source: Mixpanel's guide, 2,289 of 35,350 against 2,480 of 35,620 exposed: +7.52 %."""
    found = mixpanel_test(rate(2289, 35_350), rate(2480, 35_620), kind="rate", subject=0, confidence=0.95)
    assert (found.rate_c, found.rate_t) == pytest.approx((0.064752, 0.069624), abs=5e-7)
    assert found.lift == pytest.approx(0.0752, abs=5e-5)
    ours = p_fixed(mean_pair(rate(2289, 35_350), rate(2480, 35_620)))
    assert found.p_value == pytest.approx(ours, rel=1e-3)


def test_the_p_rule_switches_at_half_the_level():
    """p 0.03 is significant by the level and not by the documented rule."""
    c = Moments.of(1000, [10.0], [[4.0]])
    t = Moments.of(1000, [10.0 + scipy.stats.norm.isf(0.015) * math.sqrt(8 / 1000)], [[4.0]])
    found = mixpanel_test(c, t, kind="total", subject=0, confidence=0.95)
    assert found.p_value == pytest.approx(0.03)
    assert found.significant_two_sided
    assert not found.significant_documented
    assert WHY["rule"] in found.reasons()


def test_poisson_sessions_are_too_sure(rng):
    """Source: T2, mean 5 and variance 12: p .003 where the sample variance says .058 (n chosen to match); 1 digit."""
    c, t = Moments.of(750, [5.0], [[12.0]]), Moments.of(750, [5.339], [[12.0]])
    found = mixpanel_test(c, t, kind="sessions", subject=0, confidence=0.95)
    assert (found.variance_c, found.variance_t) == (5.0, 5.339)
    assert found.p_value == pytest.approx(0.0038, abs=4e-4)
    assert p_fixed(mean_pair(c, t)) == pytest.approx(0.058, abs=0.001)
    assert found.why == ("t", "poisson", "rule")


def test_formulas_lose_their_covariance(rng):
    den = rng.poisson(5, 3000) + 1.0
    num = den * 2 + rng.normal(0, 0.5, 3000)
    m = Moments.of_values(num, den)
    found = mixpanel_test(m, m, kind="formula", subject=RatioOfMeans(0, 1), confidence=0.95)
    ours = ratio_pair(m, m, num=0, den=1)
    assert found.se > 5 * ours.se
    gradient = np.array([1.0, -m.mean[0] / m.mean[1]]) / m.mean[1]
    assert found.variance_c == pytest.approx(float(gradient**2 @ np.diag(m.cov)))
    alike = mixpanel_test(m, m, kind="formula", subject=FormulaOfMeans.of("a / b", names=["a", "b"]), confidence=0.95)
    assert alike.variance_c == pytest.approx(found.variance_c)


def test_total_and_value_are_the_unpooled_z(rng):
    """Source: statistics of a z test by hand; 1e-12."""
    c, t = Moments.of_values(rng.gamma(2, 3, 400)), Moments.of_values(rng.gamma(2, 3.2, 300))
    found = mixpanel_test(c, t, kind="value", subject=0, confidence=0.9)
    pair = mean_pair(c, t)
    assert found.z == pytest.approx(pair.effect / pair.se, rel=1e-12)
    assert found.p_value == pytest.approx(2 * scipy.stats.norm.sf(abs(found.z)), rel=1e-12)
    assert found.to_dict()["why"] == [WHY["t"], WHY["rule"]]


def test_degenerate_input_has_no_numbers():
    found = mixpanel_test(rate(0, 10), rate(0, 10), kind="rate", subject=0, confidence=0.95)
    assert math.isnan(found.p_value)
    assert not found.significant_two_sided
    assert found.to_dict()["lift"] is None


def test_the_documented_corrections():
    """Source: Mixpanel's guide: six comparisons give 99.17 %; BH keeps 0.003, 0.012, 0.018 of five."""
    assert mixpanel_bonferroni(confidence=0.95, metrics=3, treatments=2) == pytest.approx(0.99167, abs=5e-6)
    assert mixpanel_bh([0.003, 0.012, 0.018, 0.041, 0.062], confidence=0.95) == [True, True, True, False, False]


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_draws_surround_the_closed_form(direction):
    c, t = rate(2289, 35_350), rate(2480, 35_620)
    options = {"direction": direction, "mass": 0.95}
    drawn = mixpanel_posterior(c, t, kind="rate", subject=0, draws=50_000, seed=7, **options)
    ours = beta_posterior(EventCounts(2289, 35_350, 2480, 35_620), **options)
    assert drawn.chance == pytest.approx(ours.chance, abs=0.002)
    assert drawn.lift == pytest.approx(ours.lift, abs=0.001)
    assert drawn.high - drawn.low == pytest.approx(ours.high - ours.low, rel=0.02)
    assert drawn == mixpanel_posterior(c, t, kind="rate", subject=0, draws=50_000, seed=7, **options)
    assert drawn.to_dict()["draws"] == 50_000


def test_draws_of_totals_surround_the_closed_form(rng):
    c, t = Moments.of_values(rng.gamma(2, 3, 400)), Moments.of_values(rng.gamma(2, 3.2, 300))
    drawn = mixpanel_posterior(c, t, kind="sessions", subject=0, direction="increase", mass=0.95, draws=50_000, seed=1)
    ours = nig_posterior(c, t, subject=0, direction="increase", mass=0.95)
    assert drawn.chance == pytest.approx(ours.chance, abs=0.01)
    assert drawn.lift == pytest.approx(ours.lift, abs=0.003)
    wide = mixpanel_posterior(
        Moments.of(400, [4.0, 2.0], [[1.0, 0.6], [0.6, 1.0]]), Moments.of(400, [4.0, 2.0], [[1.0, 0.6], [0.6, 1.0]]),
        kind="formula", subject=RatioOfMeans(0, 1), direction="increase", mass=0.95, draws=20_000, seed=1,
    )  # fmt: skip
    assert wide.chance == pytest.approx(0.5, abs=0.02)


def test_johari_tau_is_the_published_formula():
    """Source: Johari et al. 2017, §5.3, τ² = σ² Φ(−b) / (φ(b) / b − Φ(−b)); 1e-12."""
    sigma, n = 3.0, 5000
    b = 2 * math.log(20) / math.sqrt(n * sigma**2)
    phi = scipy.stats.norm
    theirs = sigma**2 * phi.cdf(-b) / (phi.pdf(b) / b - phi.cdf(-b))
    assert johari_tau(sigma=sigma, alpha=0.05, n=n) == pytest.approx(math.sqrt(theirs), rel=1e-12)


def test_a_moving_tau_is_a_constant_multiplier(rng):
    """τ² = V z² makes the interval a fixed multiple of the error at every look: no anytime-valid interval can be that."""
    found = []
    for n in (100, 10_000):
        pair = mean_pair(Moments.of(n, [1.0], [[1.0]]), Moments.of(n, [1.0], [[1.0]]))
        found.append(q_tau(0.05, pair.se, mixpanel_tau(pair, alpha=0.05)))
    assert found[0] == pytest.approx(found[1])


def test_unknown_kinds_are_refused():
    with pytest.raises(StatsError, match="XPB-S01"):
        mixpanel_test(rate(5, 10), rate(6, 10), kind="median", subject=0, confidence=0.95)
    with pytest.raises(StatsError, match="XPB-S01"):
        mixpanel_test(rate(5, 10), rate(6, 10), kind="rate", subject=0, confidence=95)


def test_as_dictionaries_every_field_has_its_name():
    found = mixpanel_test(rate(5, 10), rate(6, 10), kind="rate", subject=0, confidence=0.95).to_dict()
    assert list(found) == [
        "rate_c", "rate_t", "lift", "variance_c", "variance_t", "se", "z", "p_value", "significant_documented",
        "significant_two_sided", "why",
    ]  # fmt: skip
    assert (found["rate_c"], found["rate_t"], found["lift"]) == pytest.approx((0.5, 0.6, 0.2))
    assert mixpanel_bh([0.05], confidence=0.95) == [True]
    assert mixpanel_bh([0.0501], confidence=0.95) == [False]
    with pytest.raises(StatsError, match="confidence"):
        mixpanel_bonferroni(confidence=1.0, metrics=1, treatments=1)


def test_a_variance_below_zero_has_no_test():
    """Counts with a negative mean have no Poisson variance: no number, and no error."""
    c, t = Moments.of(10, [-2.0], [[1.0]]), Moments.of(1000, [2.5], [[0.3]])
    found = mixpanel_test(c, t, kind="sessions", subject=0, confidence=0.95)
    assert math.isnan(found.se)
    assert math.isnan(found.p_value)
    with pytest.raises(StatsError):
        mixpanel_bonferroni(confidence=0.95, metrics=0, treatments=1)


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_draws_of_few_units_surround_the_closed_form(direction):
    """With a handful of units the pseudo-observation of the pool weighs.

    Source: `bayes`, itself checked by quadrature; 0.004, ± 0.02 for the ends.
    """
    c, t = Moments.of(5, [30.0], [[20.0]]), Moments.of(9, [36.0], [[90.0]])
    drawn = mixpanel_posterior(c, t, kind="value", subject=0, direction=direction, mass=0.9, draws=400_000, seed=3)
    ours = nig_posterior(c, t, subject=0, direction=direction, mass=0.9)
    assert drawn.chance == pytest.approx(ours.chance, abs=0.004)
    assert drawn.lift == pytest.approx(ours.lift, abs=0.003)
    assert (drawn.low, drawn.high) == pytest.approx((ours.low, ours.high), abs=0.02)
    few, more = rate(1, 4), rate(5, 8)
    drawn = mixpanel_posterior(few, more, kind="rate", subject=0, direction=direction, mass=0.9, draws=400_000, seed=3)
    theirs = beta_posterior(EventCounts(1, 4, 5, 8), direction=direction, mass=0.9)
    assert drawn.chance == pytest.approx(theirs.chance, abs=0.004)
    assert drawn.lift == pytest.approx(theirs.lift, rel=0.02)


def test_draws_of_a_formula_leave_the_covariance_out():
    """Source: the closed form over moments whose covariance is zero, which is what Mixpanel documents; 2 %."""
    m = Moments.of(400, [4.0, 2.0], [[1.0, 0.6], [0.6, 1.0]])
    bare = Moments.of(400, [4.0, 2.0], [[1.0, 0.0], [0.0, 1.0]])
    options = {"subject": RatioOfMeans(0, 1), "direction": "increase", "mass": 0.95}
    ours = {name: nig_posterior(v, v, **options) for name, v in (("whole", m), ("bare", bare))}
    for kind, like in (("formula", "bare"), ("value", "whole")):
        drawn = mixpanel_posterior(m, m, kind=kind, draws=200_000, seed=2, **options)
        assert drawn.high - drawn.low == pytest.approx(ours[like].high - ours[like].low, rel=0.02)
    assert ours["bare"].high - ours["bare"].low > 1.3 * (ours["whole"].high - ours["whole"].low)


def test_no_units_have_no_test():
    for c, t in ((0, 10), (10, 0)):
        found = mixpanel_test(
            Moments.of(c, [1.0], [[1.0]]), Moments.of(t, [1.0], [[1.0]]), kind="total", subject=0, confidence=0.95
        )
        assert math.isnan(found.p_value)
