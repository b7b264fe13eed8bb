"""Results and decisions against statsmodels, tea-tasting and the inverted test; interval and test never disagree."""

from __future__ import annotations

import decimal
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from xpbench.errors import StatsError
from xpbench.stats.fieller import lift_bounds
from xpbench.stats.inference import (
    absolute,
    e_value,
    equivalence,
    log_e_value,
    noninferior,
    p_anytime,
    p_fixed,
    pivot,
    practical,
    relative,
)
from xpbench.stats.moments import Moments
from xpbench.stats.multipliers import Mixture, q_anytime, q_fixed, q_mixture, q_one_sided
from xpbench.stats.pairs import Pair, mean_pair

MIXTURE = Mixture.optimal(alpha=0.05, n_opt=5000)


def pair(mc=10.0, mt=11.0, vc=0.2, vt=0.3, cov=0.0, df=math.inf, n=1000) -> Pair:
    return Pair(mc, mt, vc, vt, cov, df, n)


@st.composite
def pairs(draw, bounded=False):
    mc = draw(st.floats(-50, 50).filter(lambda v: abs(v) > 0.1))
    mt = mc * draw(st.floats(0.3, 3.0))
    vc = (abs(mc) * draw(st.floats(0.01, 0.4 if bounded else 3.0))) ** 2
    vt = (abs(mc) * draw(st.floats(0.01, 3.0))) ** 2
    cov = draw(st.floats(-0.9, 0.9)) * math.sqrt(vc * vt)
    return Pair(mc, mt, vc, vt, cov, draw(st.sampled_from([5.0, 50.0, math.inf])), draw(st.integers(10, 10**6)))


@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_interval_is_statsmodels(rng, alpha):
    """Source: statsmodels CompareMeans.tconfint_diff(usevar="unequal"); 1e-9."""
    c, t = rng.lognormal(0, 1, 50), rng.lognormal(0.2, 1.5, 90)
    p = mean_pair(Moments.of_values(c), Moments.of_values(t))
    theirs = CompareMeans(DescrStatsW(t), DescrStatsW(c)).tconfint_diff(alpha=alpha, usevar="unequal")
    assert absolute(p, q_fixed(alpha, p.df))[2:] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("q", [0.5, 1.96, 3.3])
@pytest.mark.parametrize("cov", [0.0, 0.15, -0.2])
@pytest.mark.parametrize("mc", [10.0, -10.0, 1.5])
def test_lift_interval_is_the_set_of_lifts_that_are_not_rejected(q, cov, mc):
    """Each end, put back as a null, gives the pivot ∓ q: Fieller 1954; 1e-9."""
    p = pair(mc=mc, mt=mc * 1.2, cov=cov)
    lift, low, high, kind = relative(p, q)
    assert kind == "bounded"
    assert lift == pytest.approx(0.2 * math.copysign(1, mc))
    assert pivot(p, null=low, scale="lift") == pytest.approx(q, rel=1e-9)
    assert pivot(p, null=high, scale="lift") == pytest.approx(-q, rel=1e-9)


def test_fieller_is_the_published_closed_form():
    """Source: Fieller 1954 as in statistics texts (and Franz 2007, eq. 4); 1e-12."""
    mc, mt, vc, vt, c, q = 8.0, 9.5, 0.4, 0.7, 0.1, 1.96
    a, b = mt * mc - q * q * c, mc * mc - q * q * vc
    root = math.sqrt(a * a - b * (mt * mt - q * q * vt))
    found = relative(pair(mc=mc, mt=mt, vc=vc, vt=vt, cov=c), q)
    assert found[1:3] == pytest.approx(((a - root) / b - 1, (a + root) / b - 1), rel=1e-12)


@given(pairs(), st.floats(0.2, 6.0))
@settings(max_examples=300, deadline=None)
def test_every_interval_excludes_zero_exactly_when_the_test_rejects(p, q):
    z = pivot(p)
    assume(abs(abs(z) - q) > 1e-9)
    _, _, low, high = absolute(p, q)
    assert (low > 0 or high < 0) == (abs(z) > q)
    found = relative(p, q)
    if found.kind == "bounded":
        assert (found.lift_low > 0 or found.lift_high < 0) == (abs(z) > q)
        assert found.lift_low <= found.lift <= found.lift_high
        assert math.copysign(1, found.lift) == math.copysign(1, p.effect) or found.lift == 0


@given(pairs(), st.sampled_from([0.05, 0.01, 0.2]))
@settings(max_examples=150, deadline=None)
def test_p_values_agree_with_their_intervals(p, alpha):
    for q, value in (
        (q_fixed(alpha, p.df), p_fixed(p)),
        (q_mixture(alpha, MIXTURE.ratio(p)), p_anytime(p, mixture=MIXTURE)),
    ):
        assume(abs(value - alpha) > 1e-9)
        _, _, low, high = absolute(p, q)
        assert (value < alpha) == (low > 0 or high < 0)


@given(pairs(bounded=True), st.floats(0.5, 2.2), st.floats(0.001, 1000.0))
@settings(max_examples=100, deadline=None)
def test_scaling_a_metric_scales_effects_and_leaves_lifts(p, q, k):
    scaled = Pair(p.mc * k, p.mt * k, p.vc * k * k, p.vt * k * k, p.cov * k * k, p.df, p.n)
    assert absolute(scaled, q) == pytest.approx([v * k for v in absolute(p, q)], rel=1e-9, abs=1e-12 * k * abs(p.mc))
    assert relative(scaled, q)[:3] == pytest.approx(relative(p, q)[:3], rel=1e-8, abs=1e-10)
    assert p_fixed(scaled) == pytest.approx(p_fixed(p), rel=1e-9)


@given(pairs())
@settings(max_examples=100, deadline=None)
def test_swapping_variants_flips_signs(p):
    swapped = replace(p, mc=p.mt, mt=p.mc, vc=p.vt, vt=p.vc)
    there, back = absolute(p, 1.96), absolute(swapped, 1.96)
    assert (back.effect, back.ci_low, back.ci_high) == (-there.effect, -there.ci_high, -there.ci_low)
    assert p_fixed(swapped) == p_fixed(p)
    assert pivot(swapped) == -pivot(p)


@given(st.floats(0.01, 0.3), st.integers(200, 10**7), st.floats(100, 10**7))
@settings(max_examples=200, deadline=None)
def test_more_data_never_widens_an_anytime_interval(alpha, n, n_opt):
    more = q_anytime(alpha, n * 2, n_opt) / math.sqrt(2 * n)
    assert more <= q_anytime(alpha, n, n_opt) / math.sqrt(n) * (1 + 1e-12)


@given(pairs())
@settings(max_examples=100, deadline=None)
def test_lift_and_effect_share_their_p_at_zero(p):
    assert p_fixed(p, null=0.0, scale="lift") == p_fixed(p)


def test_unbounded_lift_is_a_status_and_never_a_number():
    p = pair(mc=0.5, mt=2.0, vc=0.2, vt=0.2)
    found = relative(p, 1.96)
    assert found.lift == pytest.approx(3.0)
    assert found.kind == "unbounded"
    assert found.status == "unbounded_lift"
    assert math.isnan(found.lift_low)
    assert math.isnan(found.lift_high)


@pytest.mark.parametrize("mc", [0.0, 1e-14])
def test_a_control_of_zero_has_no_lift(mc):
    found = relative(pair(mc=mc), 1.96)
    assert found.status == "control_near_zero"
    assert all(math.isnan(v) for v in found[:3])


def test_a_pair_with_a_status_keeps_its_lift_but_has_no_interval():
    found = relative(Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "separation"), 1.96)
    assert found.lift == 0.5
    assert found.kind == "undefined"
    assert math.isnan(found.lift_low)


@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize("mt", [9.0, 9.6, 10.0, 10.5, 11.5])
def test_relative_margin_reads_the_same_fieller_bound(direction, mt):
    p = pair(mt=mt, df=200.0)
    found = noninferior(p, direction=direction, margin_rel=0.1, alpha=0.05)
    low, high = relative(p, q_one_sided(0.05, p.df))[1:3]
    if direction == "increase":
        assert found.passed == (low > -0.1)
        assert (found.bound, found.margin) == (pytest.approx(low), -0.1)
    else:
        assert found.passed == (high < 0.1)
        assert (found.bound, found.margin) == (pytest.approx(high), 0.1)
    assert found.passed == (found.p_value < 0.05)
    assert found.scale == "lift"


def test_relative_margin_has_the_noise_of_the_control():
    """Source: T6, z = (mt − (1 − M) mc) / sqrt(vt + (1 − M)² vc); 1e-12."""
    p = pair()
    found = noninferior(p, direction="increase", margin_rel=0.05, alpha=0.05)
    assert found.z == pytest.approx((11.0 - 0.95 * 10.0) / math.sqrt(0.3 + 0.95**2 * 0.2), rel=1e-12)
    assert found.p_value == pytest.approx(scipy.stats.norm.sf(found.z), rel=1e-12)


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.5])
def test_absolute_margin_is_a_shifted_welch_test(rng, margin):
    """Source: scipy.stats.ttest_ind on shifted values; 1e-9."""
    c, t = rng.normal(5, 2, 80), rng.normal(5, 3, 60)
    p = mean_pair(Moments.of_values(c), Moments.of_values(t))
    up = noninferior(p, direction="increase", margin_abs=margin, alpha=0.05)
    assert up.p_value == pytest.approx(
        scipy.stats.ttest_ind(t + margin, c, equal_var=False, alternative="greater").pvalue, rel=1e-9
    )
    down = noninferior(p, direction="decrease", margin_abs=margin, alpha=0.05)
    assert down.p_value == pytest.approx(
        scipy.stats.ttest_ind(t - margin, c, equal_var=False, alternative="less").pvalue, rel=1e-9
    )
    assert up.bound == pytest.approx(absolute(p, q_one_sided(0.05, p.df)).ci_low, rel=1e-12)
    assert down.bound == pytest.approx(absolute(p, q_one_sided(0.05, p.df)).ci_high, rel=1e-12)


@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_equivalence_is_tost(rng, margin):
    """Source: statsmodels ttost_ind(usevar="unequal"); 1e-9."""
    c, t = rng.normal(5, 2, 80), rng.normal(5.1, 3, 160)
    p = mean_pair(Moments.of_values(c), Moments.of_values(t))
    found = equivalence(p, margin_abs=margin, alpha=0.05)
    theirs = ttost_ind(t, c, -margin, margin, usevar="unequal")[0]
    assert found.p_value == pytest.approx(theirs, rel=1e-9)
    assert found.passed == (theirs < 0.05)


def test_margin_at_a_multiplier_is_the_interval_shown():
    p, q = pair(), 2.7
    found = noninferior(p, direction="increase", margin_abs=0.3, q=q)
    assert found.passed == (absolute(p, q).ci_low > -0.3)
    assert math.isnan(found.p_value)
    assert found.to_dict()["p_value"] is None


@pytest.mark.parametrize("mt", [9.5, 10.0, 11.0, 13.0])
def test_anytime_margin_agrees_with_its_p(mt):
    p = pair(mt=mt)
    found = noninferior(p, direction="increase", margin_rel=0.05, alpha=0.05, mixture=MIXTURE)
    assert found.q == pytest.approx(q_mixture(0.1, MIXTURE.ratio(p)))
    assert found.passed == (found.p_value < 0.05)
    given_q = noninferior(p, direction="increase", margin_rel=0.05, q=found.q, mixture=MIXTURE)
    assert (given_q.passed, given_q.p_value) == (found.passed, found.p_value)


def test_a_margin_on_a_pair_with_a_status_is_not_answered():
    broken = Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "zero_variance")
    found = noninferior(broken, direction="increase", margin_abs=1.0, alpha=0.05)
    assert found.passed is None
    assert found.status == "zero_variance"
    assert equivalence(broken, margin_abs=1.0, alpha=0.05).to_dict()["passed"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 0.05},
        {"margin_abs": 1.0, "margin_rel": 0.1, "alpha": 0.05},
        {"margin_abs": 1.0},
        {"margin_abs": 1.0, "alpha": 0.05, "q": 2.0},
        {"margin_abs": -1.0, "alpha": 0.05},
        {"margin_rel": 0.0, "alpha": 0.05},
        {"margin_rel": 0.1, "alpha": 1.5},
        {"margin_rel": 0.1, "alpha": 0.6, "mixture": MIXTURE},
    ],
)
def test_margins_that_make_no_test_are_refused(options):
    with pytest.raises(StatsError, match="XPB-S01"):
        noninferior(pair(), direction="increase", **options)


def test_unknown_words_are_refused():
    for call in (
        lambda: noninferior(pair(), direction="up", margin_abs=1.0, alpha=0.05),
        lambda: p_fixed(pair(), alternative="bigger"),
        lambda: pivot(pair(), scale="ratio"),
        lambda: practical(pair(), min_lift=0.1, direction="up", q=2.0),
        lambda: practical(pair(), min_lift=-0.1, direction="increase", q=2.0),
    ):
        with pytest.raises(StatsError, match="XPB-S01"):
            call()


@pytest.mark.parametrize(
    ("mt", "expected"),
    [(10.4, (False, False, True)), (10.9, (False, False, False)), (11.1, (True, False, False)), (12.2, (True, True, False))],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_practical_reads_estimate_and_interval(mt, expected, sign):
    p = pair(mt=10 + sign * (mt - 10), vc=0.03, vt=0.03)
    found = practical(p, min_lift=0.1, direction="increase" if sign > 0 else "decrease", q=1.96)
    assert (found.estimate_reaches, found.interval_reaches, found.ruled_out) == expected
    low, high = relative(p, 1.96)[1:3]
    beyond = low > 0.1 if sign > 0 else high < -0.1
    assert found.interval_reaches == beyond
    assert found.to_dict()["status"] == "ok"


def test_practical_without_a_lift_is_not_answered():
    assert practical(pair(mc=0.0), min_lift=0.1, direction="increase", q=2).status == "control_near_zero"
    broken = Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "separation")
    assert practical(broken, min_lift=0.1, direction="increase", q=2).status == "separation"


@pytest.mark.parametrize("k", [0.01, 1.0, 40.0])
@pytest.mark.parametrize("z", [0.0, 1.3, 4.0])
def test_e_value_is_the_mixture_likelihood_ratio(k, z):
    """Source: numeric integral of the likelihood ratio over N(0, k se²); 1e-8."""
    p = pair(mc=0.0, mt=z, vc=0.5, vt=0.5)
    theirs = scipy.integrate.quad(
        lambda d: math.exp(d * z - d * d / 2) * scipy.stats.norm.pdf(d, 0, math.sqrt(k)), -60, 60, limit=400, points=[0, z]
    )[0]
    mixture = Mixture.prior(tau=math.sqrt(k))
    assert e_value(p, mixture=mixture) == pytest.approx(theirs, rel=1e-8)
    assert p_anytime(p, mixture=mixture) == pytest.approx(min(1, 1 / theirs), rel=1e-8)


def test_e_value_of_overwhelming_evidence_is_infinite():
    far = pair(mt=1e6)
    assert e_value(far, mixture=MIXTURE) == math.inf
    assert p_anytime(far, mixture=MIXTURE) == 0.0
    assert log_e_value(far, mixture=MIXTURE) > 709


def test_e_value_of_a_pair_with_a_status_is_nan():
    broken = Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "separation")
    assert math.isnan(e_value(broken, mixture=MIXTURE))
    assert math.isnan(p_anytime(broken, mixture=MIXTURE))


def test_expectation_of_the_e_value_is_one_under_the_null(rng):
    z = rng.standard_normal(200_000)
    k = 0.5
    values = np.exp(0.5 * (z * z * k / (1 + k) - np.log1p(k)))
    some = [e_value(pair(mc=0.0, mt=float(v), vc=0.5, vt=0.5), mixture=Mixture.prior(tau=math.sqrt(k))) for v in z[:50]]
    assert some == pytest.approx(values[:50], rel=1e-12)
    assert values.mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("mt", [9.7, 10.0, 10.5, 13.0])
@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_one_sided_anytime_p_is_half_of_the_two_sided_on_the_good_side(mt, direction):
    """By the symmetry of the mixture; on the bad side nothing speaks for safety and p is 1."""
    p = pair(mt=mt)
    found = noninferior(p, direction=direction, margin_rel=0.02, alpha=0.05, mixture=MIXTURE)
    e = e_value(p, mixture=MIXTURE, null=found.margin, scale="lift")
    assert found.p_value == pytest.approx(min(1.0, 0.5 / e) if found.z > 0 else 1.0, rel=1e-12)


def test_at_the_margin_itself_nothing_is_shown():
    found = noninferior(pair(mt=9.0), direction="increase", margin_abs=1.0, alpha=0.05, mixture=MIXTURE)
    assert found.z == 0.0
    assert found.p_value == 1.0
    assert found.passed is False


def test_a_multiplier_of_zero_asks_for_the_estimate_only():
    assert noninferior(pair(mt=9.5), direction="increase", margin_abs=1.0, q=0.0).passed
    assert noninferior(pair(mt=9.5), direction="increase", margin_abs=1.0, q=0.0).bound == pytest.approx(-0.5)


def test_a_pair_with_a_status_has_no_number_in_any_answer():
    broken = Pair(2.0, 3.0, math.nan, math.nan, math.nan, math.nan, 4, "zero_variance")
    found = noninferior(broken, direction="decrease", margin_rel=0.1, alpha=0.05)
    assert found.to_dict() == {
        "passed": None, "z": None, "q": None, "p_value": None, "bound": None, "margin": 0.1, "scale": "lift",
        "status": "zero_variance",
    }  # fmt: skip
    assert all(math.isnan(v) for v in (found.z, found.q, found.p_value, found.bound))
    both = equivalence(broken, margin_rel=0.1, alpha=0.05)
    assert both.passed is None
    assert both.low.margin == -0.1
    assert both.high.margin == 0.1
    assert set(both.to_dict()) == {"passed", "p_value", "low", "high"}


@pytest.mark.parametrize("mt", [8.6, 10.0, 11.4])
@pytest.mark.parametrize(
    "options", [{"alpha": 0.05}, {"q": 1.7}, {"alpha": 0.05, "mixture": MIXTURE}, {"q": 2.2, "mixture": MIXTURE}]
)
@pytest.mark.parametrize("margin", [{"margin_rel": 0.2}, {"margin_abs": 2.0}])
def test_equivalence_needs_both_sides(mt, options, margin):
    p = pair(mt=mt, vc=0.1, vt=0.1)
    found = equivalence(p, **margin, **options)
    down = noninferior(p, direction="increase", **margin, **options)
    up = noninferior(p, direction="decrease", **margin, **options)
    assert found.passed == (down.passed and up.passed)
    assert (found.low, found.high) in [(down, up)] or math.isnan(down.p_value)
    assert found.low.passed == down.passed
    assert found.high.passed == up.passed
    if not math.isnan(down.p_value):
        assert found.p_value == max(down.p_value, up.p_value)
        assert found.to_dict()["p_value"] == found.p_value


def test_equivalence_with_one_side_only_fails():
    p = pair(mt=11.9, vc=0.05, vt=0.05)
    found = equivalence(p, margin_rel=0.2, alpha=0.05)
    assert found.low.passed
    assert not found.high.passed
    assert found.passed is False


def test_practical_at_the_edges():
    p = pair(mc=10.0, mt=11.0, vc=0.02, vt=0.02)
    assert practical(p, min_lift=p.effect / 10.0, direction="increase", q=1.96).estimate_reaches
    anything = practical(p, min_lift=0.0, direction="increase", q=1.96)
    assert (anything.estimate_reaches, anything.interval_reaches, anything.ruled_out) == (True, True, False)
    at = practical(pair(mc=10.0, mt=11.0), min_lift=0.1, direction="increase", q=0.0)
    assert not at.interval_reaches
    assert not at.ruled_out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin_abs": 1.0, "alpha": 1.5}, "alpha"),
        ({"margin_abs": -1.0, "alpha": 0.05}, "margin"),
        ({"margin_abs": 1.0, "margin_rel": 1.0, "alpha": 0.05}, "exactly one margin"),
        ({"margin_abs": 1.0}, "exactly one of alpha and q"),
        ({"margin_abs": 1.0, "alpha": 0.7, "mixture": MIXTURE}, "2 alpha"),
    ],
)
def test_messages_name_what_is_wrong(options, words):
    with pytest.raises(StatsError, match=words):
        noninferior(pair(), direction="increase", **options)


@pytest.mark.parametrize("edge", [1e-6, 1e-9, -1e-9])
@pytest.mark.parametrize("sign", [1, -1])
def test_ends_of_a_lift_near_zero_keep_their_digits(edge, sign):
    """Source: Fieller's quadratic solved with 60 decimal digits; 1e-9 relative to a tiny end. The naive root has 1e-7."""
    mt, vc, vt = 1.0 + sign * 0.25, 0.0125, 0.0031
    q = math.sqrt(0.0625 / (vc + vt)) * (1.0 - edge)  # the effect is just, or just not, q standard errors from zero
    low, high, bounded = lift_bounds(mc=1.0, mt=mt, vc=vc, vt=vt, cov=0.0, q=q)
    with decimal.localcontext() as context:
        context.prec = 60
        t, a, b, m = (decimal.Decimal(v) for v in (mt, vc, vt, q))
        lead, middle = 1 - m * m * a, t - 1 + m * m * a
        root = (middle * middle - lead * ((t - 1) ** 2 - m * m * (a + b))).sqrt()
        ends = sorted(float((middle + s * root) / lead) for s in (-1, 1))
    assert bool(bounded)
    assert [float(low), float(high)] == pytest.approx(ends, rel=1e-9)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.2])
def test_p_of_each_side_is_scipys(rng, alternative, shift):
    """Source: scipy.stats.ttest_ind with equal_var=False, each alternative; 1e-9."""
    c, t = rng.normal(5, 1, 40), rng.normal(5 + shift, 2, 25)
    found = p_fixed(mean_pair(Moments.of_values(c), Moments.of_values(t)), null=0.1, alternative=alternative)
    theirs = scipy.stats.ttest_ind(t - 0.1, c, equal_var=False, alternative=alternative).pvalue
    assert found == pytest.approx(theirs, rel=1e-9)


def test_a_lift_is_undefined_only_where_the_control_is_nothing_beside_the_treatment():
    options = {"vc": 1e-30, "vt": 1e-30, "cov": 0.0, "df": math.inf, "n": 100}
    assert relative(Pair(1e-11, 1.0, **options), 1.96).kind == "bounded"
    assert relative(Pair(1e-13, 1.0, **options), 1.96).kind == "undefined"
    assert relative(Pair(1e3, 1e12, **options), 1.96).kind == "bounded"
    assert relative(Pair(0.0, 0.0, **options), 1.96).kind == "undefined"
    failed = relative(Pair(2.0, 3.0, 0.0, 0.0, 0.0, math.nan, 4, "zero_variance"), 1.96)
    assert (failed[0], failed.kind) == (0.5, "undefined")
    assert math.isnan(failed[1])


def test_evidence_without_a_number_is_none_and_too_much_is_infinite():
    mixture = Mixture.prior(tau=1.0)
    broken = Pair(1.0, 2.0, math.nan, math.nan, math.nan, math.nan, 4, "not_enough_units")
    assert math.isnan(e_value(broken, mixture=mixture))
    options = {"vc": 5e-4, "vt": 5e-4, "cov": 0.0, "df": math.inf, "n": 100}
    k = 1000.0

    def at(log: float) -> float:
        return math.sqrt(2 * (1 + k) / k * (log + 0.5 * math.log1p(k))) * math.sqrt(1e-3)

    assert e_value(Pair(0.0, at(700.0), **options), mixture=mixture) == pytest.approx(math.exp(700.0), rel=1e-9)
    assert e_value(Pair(0.0, at(720.0), **options), mixture=mixture) == math.inf


@pytest.mark.parametrize("direction", ["increase", "decrease"])
@pytest.mark.parametrize("scale", ["margin_abs", "margin_rel"])
def test_the_bound_of_a_margin_is_on_the_side_that_could_hurt(direction, scale):
    p = Pair(10.0, 10.2, 0.01, 0.02, 0.0, 80.0, 90)
    found = noninferior(p, direction=direction, alpha=0.05, **{scale: 0.07})
    q = q_fixed(0.1, 80.0)
    low, high = absolute(p, q)[2:4] if scale == "margin_abs" else relative(p, q)[1:3]
    assert found.bound == pytest.approx(low if direction == "increase" else high, rel=1e-12)
    assert found.passed == (found.bound > -0.07 if direction == "increase" else found.bound < 0.07)


def test_an_anytime_margin_is_not_passed_on_the_wrong_side():
    """However far: the p-value is 1, and at the margin itself it is 1, too."""
    mixture = Mixture.prior(tau=0.5)
    for mt in (9.0, 9.5):
        found = noninferior(
            Pair(10.0, mt, 0.01, 0.01, 0.0, math.inf, 90), direction="increase", margin_abs=0.5, alpha=0.05, mixture=mixture
        )
        assert found.p_value == 1.0
        assert found.passed is False
    k = 0.25 / 0.02
    z = 0.6 / math.sqrt(0.02)
    theirs = 0.5 * math.sqrt(1 + k) * math.exp(-0.5 * z * z * k / (1 + k))
    near = noninferior(
        Pair(10.0, 10.1, 0.01, 0.01, 0.0, math.inf, 90), direction="increase", margin_abs=0.5, alpha=0.05, mixture=mixture
    )
    assert near.p_value == pytest.approx(theirs, rel=1e-9)


def test_equivalence_has_no_answer_where_one_side_has_none():
    broken = Pair(1.0, 2.0, math.nan, math.nan, math.nan, math.nan, 4, "not_enough_units")
    assert equivalence(broken, margin_abs=0.5, alpha=0.05).passed is None
