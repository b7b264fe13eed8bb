"""Pairs against scipy, statsmodels and tea-tasting; degenerate inputs become a status."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from xpbench.errors import StatsError
from xpbench.stats.batch import pairs_of
from xpbench.stats.functionals import FormulaOfMeans, RatioOfMeans
from xpbench.stats.inference import absolute, p_fixed
from xpbench.stats.moments import Moments, MomentsBatch
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import Pair, formula_pair, mean_pair, pair_of, quantile_pair, ratio_pair, welch_df
from xpbench.stats.status import reason


@pytest.mark.parametrize(("n_c", "n_t"), [(2, 2), (5, 9), (30, 300), (1000, 100)])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "binary", "offset"])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_mean_pair_is_welch(rng, n_c, n_t, shape, alpha):
    """Source: scipy.stats.ttest_ind(equal_var=False); tolerance 1e-9 relative."""
    make = {
        "normal": lambda n: rng.normal(3, 2, n),
        "lognormal": lambda n: rng.lognormal(0, 1, n),
        "binary": lambda n: np.r_[0.0, 1.0, rng.binomial(1, 0.4, n - 2)],
        "offset": lambda n: 1e6 + rng.normal(0, 1, n),
    }[shape]
    c, t = make(n_c), make(n_t)
    pair = mean_pair(Moments.of_values(c), Moments.of_values(t))
    theirs = scipy.stats.ttest_ind(t, c, equal_var=False)
    interval = theirs.confidence_interval(1 - alpha)
    _, _, low, high = absolute(pair, q_fixed(alpha, pair.df))
    assert pair.df == pytest.approx(theirs.df, rel=1e-9)
    assert p_fixed(pair) == pytest.approx(theirs.pvalue, rel=1e-9)
    scale = 1e-9 * abs(high - low)
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=scale)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_one_sided_p_is_scipy(rng, alternative):
    """Source: scipy.stats.ttest_ind; tolerance 1e-9."""
    c, t = rng.normal(3, 1, 40), rng.normal(3.4, 2, 60)
    pair = mean_pair(Moments.of_values(c), Moments.of_values(t))
    theirs = scipy.stats.ttest_ind(t, c, equal_var=False, alternative=alternative)
    assert p_fixed(pair, alternative=alternative) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_a_null_effect_shifts_the_test(rng):
    c, t = rng.normal(3, 1, 40), rng.normal(3.4, 2, 60)
    pair = mean_pair(Moments.of_values(c), Moments.of_values(t))
    theirs = scipy.stats.ttest_ind(t - 0.7, c, equal_var=False)
    assert p_fixed(pair, null=0.7) == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize("clusters", [20, 60])
def test_ratio_pair_is_cluster_robust(rng, clusters):
    """Source: statsmodels OLS with cov_type=cluster without small-sample correction, times G / (G − 1); 1e-9."""
    sizes = rng.integers(1, 30, 2 * clusters)
    of = np.repeat(np.arange(2 * clusters), sizes)
    treated = (of >= clusters).astype(float)
    y = 2 + 0.3 * treated + rng.normal(0, 1, 2 * clusters)[of] + rng.normal(0, 1, of.size)
    fit = sm.OLS(y, sm.add_constant(treated)).fit(
        cov_type="cluster", cov_kwds={"groups": of, "use_correction": False}, use_t=False
    )
    sums = np.bincount(of, weights=y)
    c, t = (Moments.of_values(sums[s], sizes[s]) for s in (slice(clusters), slice(clusters, None)))
    pair = ratio_pair(c, t, num=0, den=1)
    assert pair.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert pair.variance == pytest.approx(fit.bse[1] ** 2 * clusters / (clusters - 1), rel=1e-9)


def test_ratio_is_the_mean_of_linearised_values(rng):
    """Deng, Knoblich, Lu 2018: the delta method equals the variance of (num − r den) / mean(den); 1e-12."""
    num, den = rng.poisson(3, 80).astype(float), rng.poisson(6, 80) + 1.0
    m = Moments.of_values(num, den)
    pair = ratio_pair(m, m, num=0, den=1)
    r = num.sum() / den.sum()
    assert pair.mc == pytest.approx(r, rel=1e-12)
    assert pair.vc == pytest.approx(np.var((num - r * den) / den.mean(), ddof=1) / 80, rel=1e-12)


def test_a_formula_with_one_division_is_the_ratio(draw):
    c, t, *_ = draw()
    ratio, formula = ratio_pair(c, t, num=0, den=1), formula_pair(c, t, expression="a / b", names=["a", "b"])
    assert formula == ratio


def test_a_formula_has_the_variance_of_its_bootstrap(rng):
    """Against a bootstrap of 4,000 resamples: within 6 %."""
    values = np.array([rng.gamma(3, 2, 300), rng.gamma(2, 1, 300), rng.normal(4, 1, 300)])
    values[0] += values[1]
    m = Moments.of_values(*values)
    pair = formula_pair(m, m, expression="(a - 2 * b) / (c + 1)", names=["a", "b", "c"])
    means = values[:, rng.integers(0, 300, (4000, 300))].mean(axis=2)
    boot = (means[0] - 2 * means[1]) / (means[2] + 1)
    assert pair.vc == pytest.approx(boot.var(), rel=0.06)


def test_quantile_pair_uses_the_normal():
    c, t = Moments.of(100, [5.0], [[400.0]]), Moments.of(50, [6.0], [[100.0]])
    pair = quantile_pair(c, t)
    assert (pair.mc, pair.mt, pair.vc, pair.vt) == (5.0, 6.0, 4.0, 2.0)
    assert (pair.cov, pair.n, pair.status, pair.reason) == (0.0, 150, "ok", "")
    assert math.isinf(pair.df)
    assert q_fixed(0.05, pair.df) == pytest.approx(scipy.stats.norm.isf(0.025), rel=1e-12)


def test_pair_of_takes_any_functional(draw):
    c, t, *_ = draw()
    assert pair_of(c, t, subject=FormulaOfMeans.of("y / x", names=["y", "x"])) == pair_of(c, t, subject=RatioOfMeans(0, 1))


def test_swapping_variants_swaps_the_pair(draw):
    c, t, *_ = draw()
    there, back = mean_pair(c, t), mean_pair(t, c)
    assert back.effect == -there.effect
    assert replace(there, mc=there.mt, mt=there.mc, vc=there.vt, vt=there.vc) == back


CONSTANT = Moments.of_values([2.0, 2.0, 2.0])
VARYING = Moments.of_values([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("c", "t", "status"),
    [
        (Moments.of(0, [0.0], [[0.0]]), VARYING, "not_enough_units"),
        (Moments.of_values([1.0]), VARYING, "not_enough_units"),
        (VARYING, Moments.of_values([1.0]), "not_enough_units"),
        (CONSTANT, CONSTANT, "zero_variance"),
        (CONSTANT, Moments.of_values([3.0, 3.0]), "separation"),
        (CONSTANT, VARYING, "separation"),
        (VARYING, CONSTANT, "separation"),
        (Moments.of(9, [math.nan], [[1.0]]), VARYING, "not_finite"),
        (VARYING, Moments.of(9, [1.0], [[math.inf]]), "not_finite"),
        (Moments.of(9, [1e6], [[1e-14]]), Moments.of(9, [1e6], [[1e-14]]), "zero_variance"),
        (VARYING, VARYING, "ok"),
    ],
)
def test_degenerate_input_is_a_status_and_never_p_of_one(c, t, status):
    pair = mean_pair(c, t)
    assert pair.status == status
    if status != "ok":
        assert pair.reason == reason(status)
        assert pair.n == c.n + t.n
        assert math.isnan(pair.se)
        assert math.isnan(p_fixed(pair))
        assert all(math.isnan(v) for v in absolute(pair, 1.96)[1:])
        assert pair.to_dict()["vc"] is None


def test_a_ratio_without_denominator_says_so():
    c, t = Moments.of(9, [1.0, 0.0], np.eye(2)), Moments.of(9, [1.0, 2.0], np.eye(2))
    assert ratio_pair(c, t, num=0, den=1).status == "zero_denominator"
    assert ratio_pair(t, c, num=0, den=1).status == "zero_denominator"
    assert formula_pair(c, t, expression="a / b", names=["a", "b"]).status == "zero_denominator"
    assert formula_pair(c, t, expression="a + b", names=["a", "b"]).status == "ok"


def test_a_missing_mean_in_a_formula_is_not_a_zero_denominator():
    c, t = Moments.of(9, [math.nan, 1.0], np.eye(2)), Moments.of(9, [1.0, 2.0], np.eye(2))
    assert formula_pair(c, t, expression="a / b", names=["a", "b"]).status == "not_finite"


def test_estimates_stay_where_only_the_noise_is_missing():
    pair = mean_pair(CONSTANT, VARYING)
    assert pair.effect == pytest.approx(1 / 3)
    assert absolute(pair, 1.96).effect == pytest.approx(1 / 3)


def test_welch_df_with_no_degrees_of_freedom_is_nan():
    assert math.isnan(welch_df(1.0, 1.0, df_c=0, df_t=5))
    assert math.isnan(welch_df(0.0, 0.0, df_c=5, df_t=5))


def test_to_dict_has_no_infinity():
    pair = Pair(1.0, 2.0, 0.1, 0.1, 0.0, math.inf, 10)
    assert pair.to_dict() == {
        "mc": 1.0, "mt": 2.0, "vc": 0.1, "vt": 0.1, "cov": 0.0, "df": None, "n": 10, "status": "ok", "reason": ""
    }  # fmt: skip


def test_an_unreadable_formula_is_an_error_of_the_caller():
    with pytest.raises(StatsError, match="XPB-S02"):
        formula_pair(VARYING, VARYING, expression="a +", names=["a"])


def test_a_single_unit_without_denominator_is_no_ratio():
    one, two = Moments.of(1, [1.0, 0.0], np.zeros((2, 2))), Moments.of(9, [1.0, 2.0], np.eye(2))
    assert ratio_pair(one, two, num=0, den=1).status == "zero_denominator"
    assert ratio_pair(two, one, num=0, den=1).status == "zero_denominator"


def test_as_a_dictionary_every_field_has_its_name():
    pair = Pair(1.0, 2.0, 0.1, 0.2, 0.05, 7.0, 10, "ok", "fine")
    assert pair.to_dict() == {
        "mc": 1.0, "mt": 2.0, "vc": 0.1, "vt": 0.2, "cov": 0.05, "df": 7.0, "n": 10, "status": "ok", "reason": "fine"
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_ratio_that_is_the_same_for_every_unit_is_no_noise(seed):
    """A metric in two currencies at one rate: the variance is zero by construction, what is computed is rounding."""
    rng = np.random.default_rng(seed)
    d, e = rng.gamma(2.0, 3.0, 50), rng.gamma(2.0, 3.0, 60)
    for rate, status in ((3.0, "zero_variance"), (3.1, "separation")):
        c, t = Moments.of_values(3.0 * d, d), Moments.of_values(rate * e, e)
        assert ratio_pair(c, t, num=0, den=1).status == status
        assert formula_pair(c, t, expression="a / b", names=["a", "b"]).status == status
        batch = pairs_of(MomentsBatch.stack([c]), MomentsBatch.stack([t]), subject=RatioOfMeans(0, 1))
        assert batch.status.tolist() == [status]
    noisy = Moments.of_values(3.0 * d * (1.0 + 1e-4 * rng.normal(size=50)), d)  # the smallest real noise still counts
    assert ratio_pair(noisy, noisy, num=0, den=1).status == "ok"


def test_a_denominator_of_zero_is_named_whoever_asks():
    c, t = Moments.of_values([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]), Moments.of_values([1.0, 2.0, 4.0], [1.0, 1.0, 2.0])
    assert pair_of(c, t, subject=RatioOfMeans(0, 1)).status == "zero_denominator"
    assert pairs_of(MomentsBatch.stack([c]), MomentsBatch.stack([t]), subject=RatioOfMeans(0, 1)).status.tolist() == [
        "zero_denominator"
    ]
    missing = Moments.of(9, [math.nan, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    assert pair_of(missing, t, subject=RatioOfMeans(0, 1)).status == "not_finite"


def test_a_quantile_without_bounds_says_so():
    flat, spread = Moments.of(30, [2.0], [[0.0]]), Moments.of(30, [2.5], [[1.0]])
    for c, t in ((flat, flat), (flat, spread), (spread, flat)):
        found = quantile_pair(c, t)
        assert found.status != "ok"
        assert "ties" in found.reason
        assert "same value" not in found.reason


def test_units_that_are_too_few_are_named_before_anything_is_computed():
    whole, one, none = (Moments.of(n, [2.0], [[v]]) for n, v in ((10, 1.0), (1, 0.0), (0, 0.0)))
    for c, t, known in ((none, whole, False), (whole, none, False), (one, whole, True), (whole, one, True), (one, one, True)):
        found = pair_of(c, t, subject=0)
        assert found.status == "not_enough_units"
        assert (found.mc == found.mt == 2.0) is known
        assert math.isnan(found.se)


@pytest.mark.parametrize("mean", [1e6, 2.0, -1e6])
def test_rounding_at_the_size_of_the_mean_is_no_variance(mean):
    """A standard deviation of 1e-12 of the mean is rounding, above it is noise; one flat variant is a separation."""

    def cell(share: float) -> Moments:
        return Moments.of(50, [mean], [[(share * mean) ** 2]])

    assert pair_of(cell(2e-12), cell(2e-12), subject=0).status == "ok"
    assert pair_of(cell(0.5e-12), cell(0.5e-12), subject=0).status == "zero_variance"
    assert pair_of(cell(0.5e-12), cell(2e-12), subject=0).status == "separation"
    assert pair_of(cell(2e-12), cell(0.5e-12), subject=0).status == "separation"


def test_the_variance_of_an_effect_loses_twice_the_covariance():
    paired = Pair(1.0, 2.0, 3.0, 4.0, 2.5, 10.0, 20)
    assert paired.variance == 2.0
    assert paired.se == math.sqrt(2.0)
    assert Pair(1.0, 2.0, 0.0, 0.0, 0.0, 10.0, 20).se == 0.0
    assert math.isnan(Pair(1.0, 2.0, 1.0, 1.0, 2.0, 10.0, 20).se)
    assert math.isnan(Pair(1.0, 2.0, 1.0, 1.0, 0.0, 10.0, 20, "separation").se)
    assert [math.isnan(welch_df(1.0, 1.0, df_c=a, df_t=b)) for a, b in ((0.0, 5.0), (5.0, 0.0), (1.0, 1.0))] == [
        True,
        True,
        False,
    ]
