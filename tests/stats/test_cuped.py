"""CUPED against OLS, brute force and tea-tasting."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import statsmodels.api as sm
import tea_tasting

from xpbench.stats.cuped import adjust, adjustment
from xpbench.stats.functionals import FormulaOfMeans, RatioOfMeans
from xpbench.stats.inference import absolute, relative
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import CONSTANT, mean_pair, pair_of, ratio_pair


def rows(rng, n, effect=0.0, slope=1.0, covariates=2):
    xs = rng.normal(5, 2, (covariates, n))
    xs[-1] += 0.5 * xs[0]
    y = 3 + effect + slope * xs[0] - 0.5 * xs[-1] + rng.gamma(2, 1, n)
    return np.vstack([y, xs])


@pytest.mark.parametrize("n", [10, 50, 400])
@pytest.mark.parametrize("covariates", [1, 2, 3])
def test_equal_split_is_the_ols_coefficient(rng, n, covariates):
    """Source: statsmodels OLS y ~ 1 + treated + covariates, whose slope is the pooled within-variant one; 1e-9."""
    c, t = rows(rng, n, covariates=covariates), rows(rng, n, 0.4, slope=1.3, covariates=covariates)
    treated = np.repeat([0.0, 1.0], n)
    design = np.column_stack([np.ones(2 * n), treated, np.hstack([c[1:], t[1:]]).T])
    fit = sm.OLS(np.r_[c[0], t[0]], design).fit()
    found = adjustment(Moments.of_values(*c), Moments.of_values(*t), y=0, xs=range(1, covariates + 1))
    assert found.pair.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert found.theta == pytest.approx(fit.params[2:], rel=1e-8)
    assert found.used == covariates


def test_its_error_is_that_of_the_interacted_regression(rng):
    """Source: Lin 2013, OLS with centred covariates × variant and HC3 errors (statsmodels); 3 % at these sizes.

    The regression takes the covariate's mean over the units at hand as known; for units to come its noise is added.
    """
    n_c, n_t = 800, 2400
    c, t = rows(rng, n_c, covariates=1), rows(rng, n_t, 0.4, slope=2.0, covariates=1)
    x = np.r_[c[1], t[1]] - np.r_[c[1], t[1]].mean()
    treated = np.repeat([0.0, 1.0], [n_c, n_t])
    fit = sm.OLS(np.r_[c[0], t[0]], np.column_stack([np.ones(x.size), treated, x, x * treated])).fit(cov_type="HC3")
    pair = adjust(Moments.of_values(*c), Moments.of_values(*t), y=0, xs=[1])
    assert pair.effect == pytest.approx(fit.params[1], abs=0.1 * fit.bse[1])
    assert pair.se == pytest.approx(math.sqrt(fit.bse[1] ** 2 + fit.params[3] ** 2 * x.var() / x.size), rel=0.03)


@pytest.mark.parametrize(("n_c", "n_t"), [(100, 100), (50, 500)])
def test_no_other_slope_gives_less_variance(rng, n_c, n_t):
    """Source: scipy.optimize.minimize over the slopes; 1e-6."""
    c, t = Moments.of_values(*rows(rng, n_c)), Moments.of_values(*rows(rng, n_t, slope=2.0))
    s = c.cov / n_c + t.cov / n_t

    def variance(theta: np.ndarray) -> float:
        a = np.r_[1.0, -theta]
        return float(a @ s @ a)

    best = scipy.optimize.minimize(variance, np.zeros(2), tol=1e-14)
    found = adjustment(c, t, y=0, xs=[1, 2])
    assert found.pair.variance == pytest.approx(best.fun, rel=1e-6)
    assert found.theta == pytest.approx(best.x, rel=1e-3)


@pytest.mark.parametrize("subject", [0, RatioOfMeans(0, 1)])
def test_pair_is_the_linear_combination_it_claims(rng, subject):
    """Means, variances and covariance by writing both adjusted means as one linear map of all six means; 1e-10."""
    c, t = Moments.of_values(*rows(rng, 80)), Moments.of_values(*rows(rng, 200, 0.5))
    xs = [2] if subject != 0 else [1, 2]
    found = adjustment(c, t, y=subject, xs=xs)
    wt = t.n / (c.n + t.n)
    theta = np.zeros(3)
    theta[xs] = found.theta
    slopes = [np.eye(3)[0]] * 2
    if subject != 0:
        slopes = [np.array([1, -m.mean[0] / m.mean[1], 0]) / m.mean[1] for m in (c, t)]
    a = np.array([np.r_[slopes[0] - wt * theta, wt * theta], np.r_[(1 - wt) * theta, slopes[1] - (1 - wt) * theta]])
    joint = np.zeros((6, 6))
    joint[:3, :3], joint[3:, 3:] = c.cov / c.n, t.cov / t.n
    cov = a @ joint @ a.T
    pair = found.pair
    assert [pair.vc, pair.vt, pair.cov] == pytest.approx([cov[0, 0], cov[1, 1], cov[0, 1]], rel=1e-10)
    gap = theta @ (t.mean - c.mean)
    plain = found.unadjusted
    assert [pair.mc, pair.mt] == pytest.approx([plain.mc + wt * gap, plain.mt - (1 - wt) * gap], rel=1e-12)


def test_the_lift_needs_the_covariance(rng):
    """The spread of the adjusted lift over repetitions is what Fieller's interval says, within 6 %."""
    lifts, widths = [], []
    for _ in range(1500):
        x = rng.normal(5, 2, (2, 60))
        y = 2 * x + rng.normal(0, 1, (2, 60))
        pair = adjust(*(Moments.of_values(y[i], x[i]) for i in (0, 1)), y=0, xs=[1])
        lift, low, high, _ = relative(pair, 1.0)
        lifts.append(lift)
        widths.append((high - low) / 2)
    assert np.mean(widths) == pytest.approx(np.std(lifts), rel=0.06)


@pytest.mark.parametrize(("n_c", "n_t"), [(2000, 2000), (1000, 3000)])
def test_mean_with_covariate_is_near_tea_tasting(rng, n_c, n_t):
    """Source: tea-tasting Mean with covariate; it stacks the variants for its slope, so 1 % of the interval's width."""
    c, t = rows(rng, n_c, covariates=1), rows(rng, n_t, 0.2, covariates=1)
    frame = pd.DataFrame({"v": np.repeat([0, 1], [n_c, n_t]), "y": np.r_[c[0], t[0]], "x": np.r_[c[1], t[1]]})
    theirs = tea_tasting.Experiment({"m": tea_tasting.Mean("y", "x")}, variant="v").analyze(frame)["m"]
    pair = adjust(Moments.of_values(*c), Moments.of_values(*t), y=0, xs=[1])
    _, _, low, high = absolute(pair, q_fixed(0.05, pair.df))
    width = high - low
    assert (low, high) == pytest.approx((theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), abs=0.01 * width)


def test_ratio_with_covariates_is_near_tea_tasting(rng):
    """Source: tea-tasting RatioOfMeans with covariates; 3 % of the width (its covariate is one ratio, ours the same)."""
    n = 3000
    frames = []
    for variant, effect in ((0, 0.0), (1, 0.1)):
        base = rng.gamma(4, 1, n)
        den, den_x = rng.poisson(base) + 1.0, rng.poisson(base) + 1.0
        level = rng.gamma(3, 1, n)
        frames.append(
            pd.DataFrame(
                {
                    "v": variant,
                    "num": (level + effect) * den + rng.normal(0, 1, n),
                    "den": den,
                    "num_x": level * den_x + rng.normal(0, 1, n),
                    "den_x": den_x,
                }
            )
        )
    frame = pd.concat(frames)
    theirs = tea_tasting.Experiment({"m": tea_tasting.RatioOfMeans("num", "den", "num_x", "den_x")}, variant="v").analyze(
        frame
    )["m"]
    columns = ["num", "den", "num_x", "den_x"]
    c, t = (Moments.of_values(*g[columns].to_numpy().T) for _, g in frame.groupby("v"))
    pair = adjust(c, t, y=RatioOfMeans(0, 1), xs=[RatioOfMeans(2, 3)])
    _, _, low, high = absolute(pair, q_fixed(0.05, pair.df))
    width = high - low
    assert (low, high) == pytest.approx((theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), abs=0.03 * width)
    assert adjust(c, t, y=RatioOfMeans(0, 1), xs=[2, 3]).variance <= pair.variance * 1.0001


def test_seen_and_value_are_never_worse_than_a_bare_zero(rng):
    n = 5000
    parts = []
    for _ in range(2):
        seen = rng.random(n) < 0.6
        x = np.where(seen, rng.normal(10, 2, n), 0.0)
        y = np.where(seen, x, 11.0) + rng.normal(0, 1, n)  # units without history are like the others, not like zeros
        parts.append(Moments.of_values(y, x, seen.astype(float)))
    zero, both = adjustment(*parts, y=0, xs=[1]), adjustment(*parts, y=0, xs=[1, 2])
    assert both.reduction > zero.reduction + 0.2
    assert both.reduction > 0.5


def test_constant_and_collinear_covariates_are_left_out(rng):
    base_c, base_t = rows(rng, 60, covariates=1), rows(rng, 60, covariates=1)
    wide = [Moments.of_values(*v, 2 * v[1] + 1, np.ones(60)) for v in (base_c, base_t)]
    found = adjustment(*wide, y=0, xs=[1, 2, 3])
    alone = adjustment(*(Moments.of_values(*v) for v in (base_c, base_t)), y=0, xs=[1])
    assert found.used == 1
    assert found.theta[2] == 0.0
    assert found.pair.effect == pytest.approx(alone.pair.effect, rel=1e-9)
    assert found.pair.variance == pytest.approx(alone.pair.variance, rel=1e-9)


def test_only_constant_covariates_change_nothing(rng):
    c, t = (Moments.of_values(*v[:1], np.ones(60)) for v in (rows(rng, 60), rows(rng, 60)))
    found = adjustment(c, t, y=0, xs=[1])
    assert (found.used, found.theta, found.reduction) == (0, (0.0,), 0.0)
    assert found.pair.effect == found.unadjusted.effect
    assert found.pair.variance == pytest.approx(found.unadjusted.variance, rel=1e-12)
    assert found.pair.df == pytest.approx(found.unadjusted.df, rel=1e-12)


def test_no_covariate_is_the_plain_pair(draw):
    c, t, *_ = draw()
    found = adjustment(c, t, y=0, xs=[])
    assert found.pair == mean_pair(c, t)
    assert found.reduction == 0.0


def test_degrees_of_freedom_pay_for_the_slopes(rng):
    c, t = Moments.of_values(*rows(rng, 12)), Moments.of_values(*rows(rng, 12))
    noise = [Moments.of_values(*rng.normal(size=(3, 12))) for _ in range(2)]
    assert adjust(*noise, y=0, xs=[1, 2]).df <= 2 * (12 - 1 - 2)
    assert adjust(c, t, y=0, xs=[1]).df <= 2 * (12 - 1 - 1)


@pytest.mark.parametrize(("n_c", "n_t", "covariates"), [(9, 14, 1), (40, 12, 2), (300, 250, 1), (5, 5, 3)])
def test_degrees_of_freedom_are_welchs_of_what_is_left(rng, n_c, n_t, covariates):
    """Source: Welch 1947 on y - x theta by numpy, each variance on n - 1 - covariates; 1e-9."""
    c, t = rows(rng, n_c, covariates=covariates), rows(rng, n_t, covariates=covariates)
    found = adjustment(Moments.of_values(*c), Moments.of_values(*t), y=0, xs=list(range(1, covariates + 1)))
    left = [np.var(v[0] - np.array(found.theta) @ v[1:], ddof=1) / v.shape[1] for v in (c, t)]
    expected = sum(left) ** 2 / sum(v**2 / (n - 1 - covariates) for v, n in zip(left, (n_c, n_t), strict=True))
    assert found.used == covariates
    assert found.pair.df == pytest.approx(expected, rel=1e-9)
    assert found.pair.variance == pytest.approx(sum(left), rel=1e-9)
    assert found.reduction == pytest.approx(1 - sum(left) / found.unadjusted.variance, rel=1e-9)
    assert found.pair.n == n_c + n_t


@pytest.mark.parametrize("covariates", [1, 2, 3])
def test_the_fewest_units_are_two_more_than_slopes(rng, covariates):
    many = Moments.of_values(*rows(rng, 30, covariates=covariates))
    enough, short = (Moments.of_values(*rows(rng, covariates + k, covariates=covariates)) for k in (2, 1))
    xs = list(range(1, covariates + 1))
    for pair in ((enough, many), (many, enough)):
        assert adjustment(*pair, y=0, xs=xs).pair.status == "ok"
    for pair in ((short, many), (many, short)):
        assert adjustment(*pair, y=0, xs=xs).pair.status == "not_enough_units"


def test_covariates_that_are_nearly_but_not_collinear_both_count(rng):
    parts = []
    for _ in range(2):
        y, x = rows(rng, 400, covariates=1)
        parts.append(Moments.of_values(y, x, x + 1e-3 * rng.normal(size=400)))
    assert adjustment(*parts, y=0, xs=[1, 2]).used == 2


def test_a_covariate_that_foretells_nearly_everything_still_leaves_a_test(rng):
    parts = []
    for _ in range(2):
        x = rng.normal(size=200)
        parts.append(Moments.of_values(x + 1e-4 * rng.normal(size=200), x))
    found = adjustment(*parts, y=0, xs=[1])
    assert found.pair.status == "ok"
    assert 1 - found.reduction == pytest.approx(1e-8, rel=0.5)


def test_a_covariate_constant_in_one_variant_only_is_used(rng):
    c, t = rows(rng, 50), rows(rng, 50)
    t[1] = 5.0
    found = adjustment(Moments.of_values(*c), Moments.of_values(*t), y=0, xs=[1])
    assert found.used == 1
    cov = np.cov(c)
    assert found.theta[0] == pytest.approx(cov[0, 1] / cov[1, 1], rel=1e-9)


def test_a_covariate_that_foretells_everything_leaves_nothing_to_test(rng):
    x = rng.normal(0, 1, (2, 30))
    found = adjustment(*(Moments.of_values(1 + 2 * v, v) for v in x), y=0, xs=[1])
    assert found.pair.status == "zero_variance"
    assert "predict" in found.pair.reason
    assert found.reduction == 1.0


@pytest.mark.parametrize(
    ("c", "t", "status"),
    [
        (Moments.of_values([1.0], [2.0]), Moments.of_values([1.0, 2.0], [2.0, 3.0]), "not_enough_units"),
        (Moments.of_values([1.0, 2.0], [2.0, 4.0]), Moments.of_values([1.0, 2.0, 4.0], [2.0, 3.0, 7.0]), "not_enough_units"),
        (Moments.of_values([1.0, 1.0, 1.0], [2.0, 3.0, 4.0]), Moments.of_values([1.0] * 3, [2.0, 3.0, 4.0]), "zero_variance"),
        (
            Moments.of(50, [1.0, math.nan], np.eye(2)),
            Moments.of(50, [1.0, 1.0], np.eye(2)),
            "not_finite",
        ),
        (Moments.of(50, [1.0, 2.0], [[1.0, math.inf], [math.inf, 1.0]]), Moments.of(50, [1.0, 1.0], np.eye(2)), "not_finite"),
    ],
)
def test_degenerate_input_is_a_status(c, t, status):
    found = adjustment(c, t, y=0, xs=[1])
    assert found.pair.status == status
    assert math.isnan(found.reduction)
    assert math.isnan(found.pair.se)


def test_effects_are_unbiased_for_ratio_and_formula(draw):
    c, t, *_ = draw(5000, 5000)
    formula = FormulaOfMeans.of("y - 3", names=["y", "x"])
    assert adjust(c, t, y=formula, xs=[1]).effect == pytest.approx(adjust(c, t, y=0, xs=[1]).effect, rel=1e-12)
    assert ratio_pair(c, t, num=0, den=1).n == 10_000


def test_a_covariate_that_varies_little_around_a_large_value_still_serves():
    """Thirty times what counts as rounding, with many units: it is no constant. A tenth of it is one."""
    for share, used in ((30.0, 1), (0.1, 0)):
        sd = share * CONSTANT * 1e6
        cells = [Moments.of(2000, [m, 1e6], [[1.0, 0.9 * sd], [0.9 * sd, sd**2]]) for m in (5.0, 5.1)]
        found = adjustment(*cells, y=0, xs=[1])
        assert found.used == used
        assert found.reduction == pytest.approx(0.81 if used else 0.0)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("mean", "spread"), [(math.nan, 1.0), (math.inf, 1.0), (2.0, math.inf), (2.0, math.nan)])
def test_a_covariate_without_a_number_on_one_side_is_not_finite(side, mean, spread):
    cells = [Moments.of(50, [1.0, 2.0], [[1.0, 0.5], [0.5, 1.0]]) for _ in range(2)]
    cells[side] = Moments.of(50, [1.0, mean], [[1.0, 0.5], [0.5, spread]])
    found = adjustment(*cells, y=0, xs=[1])
    assert (found.pair.status, found.used) == ("not_finite", 0)
    assert math.isnan(found.reduction)


def test_without_covariates_the_pair_stays_as_it_is():
    cells = [Moments.of(50, [m], [[1.0]]) for m in (1.0, 1.5)]
    found = adjustment(*cells, y=0, xs=[])
    assert found.pair == found.unadjusted == pair_of(*cells, subject=0)
    assert (found.theta, found.used, found.reduction) == ((), 0, 0.0)
    broken = adjustment(Moments.of(1, [1.0], [[0.0]]), cells[1], y=0, xs=[])
    assert (broken.pair.status, broken.used) == ("not_enough_units", 0)
    assert math.isnan(broken.reduction)
