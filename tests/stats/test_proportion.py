"""Score intervals against published examples, statsmodels, and a constrained likelihood maximised by brute force."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from xpbench.errors import StatsError
from xpbench.stats.moments import Moments
from xpbench.stats.proportion import (
    EventCounts,
    counts,
    is_binary,
    is_tiny,
    p_score,
    score_effect,
    score_lift,
    score_noninferior,
    score_practical,
    z_difference,
    z_ratio,
)

Q = 1.959963984540054
two_indep = test_proportions_2indep
del test_proportions_2indep  # pytest would take it for a test


@pytest.mark.parametrize(
    ("x_t", "n_t", "x_c", "n_c", "low", "high"),
    [
        (56, 70, 48, 80, 0.0528, 0.3382),
        (9, 10, 3, 10, 0.1700, 0.8406),
        (6, 7, 2, 7, 0.0342, 0.8534),
        (5, 56, 0, 29, -0.0326, 0.1933),
        (0, 10, 0, 20, -0.1658, 0.2844),
        (10, 10, 0, 20, 0.7156, 1.0),
    ],
)
def test_difference_is_newcombes_table(x_t, n_t, x_c, n_c, low, high):
    """Source: Newcombe 1998, Statistics in Medicine 17:873, table II, method 6 (Miettinen–Nurminen); 4 decimals."""
    found = score_effect(EventCounts(x_c, n_c, x_t, n_t), q=Q)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    assert found.estimate == pytest.approx(x_t / n_t - x_c / n_c)


CASES = [
    EventCounts(3, 1000, 12, 900),
    EventCounts(48, 80, 56, 70),
    EventCounts(9, 200, 2, 100),
    EventCounts(1, 30, 5, 40),
    EventCounts(7, 20, 18, 20),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_ratio_is_statsmodels(case, alpha):
    """Source: statsmodels confint_proportions_2indep(method="score", compare="ratio"), with N / (N − 1); 1e-6."""
    low, high = confint_proportions_2indep(case.x_t, case.n_t, case.x_c, case.n_c, method="score", compare="ratio", alpha=alpha)
    found = score_lift(case, q=scipy.stats.norm.isf(alpha / 2))
    assert (found.low + 1, found.high + 1) == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_no_difference_is_statsmodels_and_the_same_for_both_scales(case):
    """Source: statsmodels test_proportions_2indep(method="score", compare="diff", value=0); 1e-9."""
    theirs = two_indep(case.x_t, case.n_t, case.x_c, case.n_c, method="score", compare="diff", value=0, correction=True)
    assert z_difference(case, null=0.0) == pytest.approx(theirs.statistic, rel=1e-9)
    assert z_ratio(case, null=1.0) == pytest.approx(theirs.statistic, rel=1e-9)
    for scale in ("effect", "lift"):
        assert p_score(case, null=0.0, alternative="two-sided", scale=scale) == pytest.approx(theirs.pvalue, rel=1e-8)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("null", [-0.2, -0.01, 0.004, 0.15])
def test_statistic_maximises_the_constrained_likelihood(case, null):
    """Source: scipy.optimize over the likelihood under p_t − p_c = null; 1e-5. (statsmodels 0.14 is wrong here, its #10269.)"""
    x_c, n_c, x_t, n_t = case

    def loss(p: float) -> float:
        return -(scipy.stats.binom.logpmf(x_c, n_c, p) + scipy.stats.binom.logpmf(x_t, n_t, p + null))

    ends = max(0.0, -null), min(1.0, 1.0 - null)
    p = scipy.optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    n = n_c + n_t
    variance = (p * (1 - p) / n_c + (p + null) * (1 - p - null) / n_t) * n / (n - 1)
    theirs = (x_t / n_t - x_c / n_c - null) / math.sqrt(variance)
    assert z_difference(case, null=null) == pytest.approx(theirs, rel=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_both_intervals_and_p_agree(n_c, n_t, data):
    case = EventCounts(data.draw(st.integers(0, n_c)), n_c, data.draw(st.integers(0, n_t)), n_t)
    effect, lift = score_effect(case, q=Q), score_lift(case, q=Q)
    z = z_difference(case, null=0.0)
    assert effect.low <= effect.estimate <= effect.high
    assert effect.low >= -1
    assert effect.high <= 1
    if abs(abs(z) - Q) > 1e-6:
        assert (effect.low > 0 or effect.high < 0) == (abs(z) > Q)
        if lift.kind == "bounded":
            assert (lift.low > 0 or lift.high < 0) == (abs(z) > Q)
            assert lift.low - 1e-12 <= lift.estimate <= lift.high + 1e-12


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=60, deadline=None)
def test_swapping_variants_flips_the_difference(n_c, n_t, data):
    case = EventCounts(data.draw(st.integers(0, n_c)), n_c, data.draw(st.integers(0, n_t)), n_t)
    back = EventCounts(case.x_t, case.n_t, case.x_c, case.n_c)
    there, here = score_effect(back, q=Q), score_effect(case, q=Q)
    assert (-there.high, -there.low) == pytest.approx((here.low, here.high), abs=1e-8)


def test_rare_events_in_a_million_keep_their_digits():
    case = EventCounts(3, 1_000_000, 12, 1_000_000)
    found = score_effect(case, q=Q)
    assert z_difference(case, null=found.low) == pytest.approx(Q, rel=1e-6)
    assert z_difference(case, null=found.high) == pytest.approx(-Q, rel=1e-6)


def test_no_event_in_the_control_has_an_effect_but_no_lift():
    case = EventCounts(0, 500, 8, 500)
    effect, lift = score_effect(case, q=Q), score_lift(case, q=Q)
    assert effect.low > 0
    assert lift.kind == "unbounded"
    assert lift.low > 0
    assert math.isnan(lift.high)
    assert p_score(case, null=0.0, alternative="greater", scale="effect") < 0.025


def test_no_event_in_the_treatment_is_a_lift_of_minus_one():
    found = score_lift(EventCounts(8, 500, 0, 500), q=Q)
    assert (found.estimate, found.low, found.kind) == (-1.0, -1.0, "bounded")
    assert found.high < 0


def test_no_event_at_all_says_nothing():
    none = EventCounts(0, 20, 0, 30)
    assert math.isnan(p_score(none, null=0.0, alternative="two-sided", scale="effect"))
    assert math.isnan(p_score(EventCounts(20, 20, 30, 30), null=0.0, alternative="less", scale="lift"))
    assert score_lift(none, q=Q).kind == "undefined"
    assert score_effect(none, q=Q).low < 0 < score_effect(none, q=Q).high


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_one_sided_halves_add_up(alternative):
    case = EventCounts(3, 100, 9, 100)
    one = p_score(case, null=0.01, alternative=alternative, scale="effect")
    z = z_difference(case, null=0.01)
    assert one == pytest.approx(scipy.stats.norm.sf(z if alternative == "greater" else -z), rel=1e-12)


def test_the_rule_asks_for_ten_with_and_ten_without():
    assert is_tiny(EventCounts(9, 100, 50, 100))
    assert is_tiny(EventCounts(50, 100, 91, 100))
    assert is_tiny(EventCounts(95, 100, 50, 100))
    assert is_tiny(EventCounts(50, 100, 4, 100))
    assert not is_tiny(EventCounts(10, 100, 90, 100))


def test_binary_columns_are_known_by_their_moments(rng):
    x = (rng.random(50) < 0.3).astype(float)
    m = Moments.of_values(x, x * 2, rng.normal(size=50))
    assert is_binary(m, col=0)
    assert not is_binary(m, col=1)
    assert not is_binary(m, col=2)
    assert not is_binary(Moments.of_values([1.0]), col=0)
    assert is_binary(Moments.of_values(np.zeros(5)), col=0)
    assert counts(m, m, col=0) == EventCounts(int(x.sum()), 50, int(x.sum()), 50)
    with pytest.raises(StatsError, match="0 and 1"):
        counts(m, m, col=1)


def test_unknown_words_are_refused():
    for options in ({"alternative": "up", "scale": "effect"}, {"alternative": "less", "scale": "odds"}):
        with pytest.raises(StatsError, match="XPB-S01"):
            p_score(EventCounts(3, 10, 4, 10), null=0.0, **options)


@pytest.mark.parametrize(
    "case", [*CASES, EventCounts(0, 100, 5, 100), EventCounts(5, 100, 0, 100), EventCounts(100, 100, 95, 100)]
)
@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize(("scale", "margin"), [("effect", 0.01), ("effect", 0.2), ("lift", 0.1), ("lift", 0.9)])
def test_margins_of_tiny_proportions_are_read_off_the_interval(case, direction, scale, margin):
    """The margin passes exactly when the interval excludes it; the p-value is the one-sided score test's."""
    found = score_noninferior(case, direction=direction, margin=margin, scale=scale, q=Q)
    shown = (score_effect if scale == "effect" else score_lift)(case, q=Q)
    if direction == "increase":
        assert found.passed == (shown.low > -margin)
        assert found.bound == shown.low
        other = p_score(case, null=-margin, alternative="greater", scale=scale)
    else:
        assert found.passed == (shown.high < margin)
        assert found.bound == pytest.approx(shown.high, nan_ok=True)
        other = p_score(case, null=margin, alternative="less", scale=scale)
    assert found.p_value == pytest.approx(other, rel=1e-12)
    assert found.passed == (found.p_value < 0.025)
    assert found.margin == (-margin if direction == "increase" else margin)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_margin_of_a_ratio_is_statsmodels(case, ratio):
    """Source: statsmodels test_proportions_2indep(method="score", compare="ratio", value=ratio); 1e-6."""
    theirs = two_indep(
        case.x_t, case.n_t, case.x_c, case.n_c, method="score", compare="ratio", value=ratio, correction=True,
        alternative="larger" if ratio < 1 else "smaller",
    )  # fmt: skip
    direction = "increase" if ratio < 1 else "decrease"
    found = score_noninferior(case, direction=direction, margin=abs(ratio - 1), scale="lift", q=Q)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6)


@pytest.mark.parametrize("case", [*CASES, EventCounts(0, 100, 5, 100), EventCounts(5, 100, 0, 100)])
@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize("least", [0.0, 0.3, 0.99])
def test_a_smallest_lift_is_read_off_the_interval(case, direction, least):
    found = score_practical(case, min_lift=least, direction=direction, q=Q)
    shown = score_lift(case, q=Q)
    low, high = (shown.low, shown.high) if direction == "increase" else (-shown.high, -shown.low)
    assert found.interval_reaches == (low > least)
    assert found.ruled_out == (high < least)
    if case.x_c:
        good = 1 if direction == "increase" else -1
        assert found.estimate_reaches == (good * shown.estimate >= least)
    else:
        assert found.estimate_reaches == (direction == "increase")


def test_margins_without_any_event_say_nothing():
    for case in (EventCounts(0, 50, 0, 50), EventCounts(50, 50, 50, 50)):
        found = score_noninferior(case, direction="increase", margin=0.1, scale="lift", q=Q)
        assert (found.passed, found.status) == (None, "zero_variance")
        assert score_practical(case, min_lift=0.1, direction="increase", q=Q).status == "zero_variance"
    for bad in (-1.0, -2.0):
        with pytest.raises(StatsError, match="above"):
            p_score(CASES[0], null=bad, alternative="greater", scale="lift")
    with pytest.raises(StatsError):
        score_noninferior(CASES[0], direction="increase", margin=1.0, scale="lift", q=Q)
    with pytest.raises(StatsError):
        score_practical(CASES[0], min_lift=-0.1, direction="increase", q=Q)
    gone = score_practical(EventCounts(9, 100, 0, 100), min_lift=1.0, direction="decrease", q=Q)
    assert (gone.estimate_reaches, gone.interval_reaches, gone.ruled_out) == (True, False, True)


def z_difference_in_fifty_digits(found: EventCounts, null: float) -> float:
    """The score statistic with the constrained estimate bisected in decimals, from its likelihood equation."""
    with localcontext() as context:
        context.prec = 50
        x_c, n_c, x_t, n_t = map(Decimal, found)
        d, one = Decimal(null), Decimal(1)

        def slope(p: Decimal) -> Decimal:  # of the log-likelihood, times all that is positive; it falls
            q = p + d
            return (x_c - n_c * p) * q * (one - q) + (x_t - n_t * q) * p * (one - p)

        low, high = max(Decimal(0), -d), min(one, one - d)
        for _ in range(170):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        p, n = (low + high) / 2, n_c + n_t
        q = p + d
        variance = (q * (one - q) / n_t + p * (one - p) / n_c) * n / (n - 1)
        return float((x_t / n_t - x_c / n_c - d) / variance.sqrt())


@pytest.mark.parametrize(
    ("found", "null"),
    [
        (EventCounts(1, 10_000_000, 3, 10_000_000), 1e-7),
        (EventCounts(9_999_999, 10_000_000, 9_999_997, 10_000_000), -1e-7),
        (EventCounts(2, 1_000_000, 9, 2_000_000), -1e-6),
        (EventCounts(7, 50_000_000, 1, 200), 0.004),
        (EventCounts(0, 3_000_000, 4, 1_000_000), 3e-6),
        (EventCounts(3, 10, 9, 12), 0.2),
    ],
)
def test_rare_events_keep_their_digits(found, null):
    """Source: the likelihood equation of Miettinen and Nurminen 1985, bisected in fifty digits; 1e-9."""
    assert z_difference(found, null=null) == pytest.approx(z_difference_in_fifty_digits(found, null), rel=1e-9)


def z_ratio_in_fifty_digits(found: EventCounts, lift: float) -> float:
    """The score statistic of a ratio, its constrained estimate bisected in decimals from the likelihood equation."""
    with localcontext() as context:
        context.prec = 50
        x_c, n_c, x_t, n_t = map(Decimal, found)
        ratio, one = 1 + Decimal(lift), Decimal(1)

        def slope(p: Decimal) -> Decimal:  # of the log-likelihood in the control's share, times all that is positive
            q = ratio * p
            return (x_c - n_c * p) * (one - q) + (x_t - n_t * q) * (one - p)

        low, high = Decimal(0), min(one, one / ratio)
        for _ in range(170):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        p, n = (low + high) / 2, n_c + n_t
        q = ratio * p
        variance = (q * (one - q) / n_t + ratio**2 * p * (one - p) / n_c) * n / (n - 1)
        return float((x_t / n_t - ratio * x_c / n_c) / variance.sqrt())


@pytest.mark.parametrize("events", [(9_999_995, 9_999_989), (9_999_989, 9_999_995), (9_999_999, 9_999_800), (400, 9_999_995)])
def test_a_ratio_near_one_keeps_its_digits(events):
    """Source: the likelihood equation of Miettinen and Nurminen 1985, bisected in fifty digits; 1e-8."""
    found = EventCounts(events[0], 10_000_000, events[1], 10_000_000)
    q = 1.959963984540054
    lift = score_lift(found, q=q)
    for end, value in ((lift.low, q), (lift.high, -q)):
        assert z_ratio_in_fifty_digits(found, end) == pytest.approx(value, rel=1e-8)
        assert z_ratio(found, null=1.0 + end) == pytest.approx(value, rel=1e-8)


def test_the_end_that_lost_its_third_digit():
    """Source: the same equation solved in fifty digits, 2.0784e-7 where double precision once gave 2.0778e-7; 1e-4."""
    found = EventCounts(9_999_995, 10_000_000, 9_999_989, 10_000_000)
    assert score_lift(found, q=1.959963984540054).high == pytest.approx(2.0784e-7, rel=1e-4)


def test_two_units_can_be_a_column_of_zeros_and_ones():
    assert is_binary(Moments.of_values([0.0, 1.0]), col=0)
    assert not is_binary(Moments.of_values([0.0, 2.0]), col=0)
    assert counts(Moments.of_values([1.0]), Moments.of_values([0.0, 1.0]), col=0) == EventCounts(1, 1, 1, 2)


def test_a_fall_by_all_of_it_or_more():
    gone = score_practical(EventCounts(9, 100, 3, 100), min_lift=1.0, direction="decrease", q=Q)
    assert (gone.estimate_reaches, gone.interval_reaches, gone.ruled_out) == (False, False, True)
    more = score_practical(EventCounts(9, 100, 0, 100), min_lift=1.5, direction="decrease", q=Q)
    assert (more.estimate_reaches, more.interval_reaches, more.ruled_out) == (False, False, True)


def test_a_lift_that_is_exactly_the_smallest_that_matters_reaches_it():
    found = score_practical(EventCounts(10, 100, 20, 100), min_lift=1.0, direction="increase", q=Q)
    assert (found.estimate_reaches, found.interval_reaches, found.ruled_out) == (True, False, False)
