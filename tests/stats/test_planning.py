"""Planning against statsmodels, published tables, and the designs' own tests in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from xpbench.errors import StatsError
from xpbench.stats.designs import Anytime, Bayes, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.planning import Scenario, lift_mde_delta, mde, power, sample_size
from xpbench.stats.spending import q_group

BASE = {
    "mean": 10.0,
    "sd": 2.0,
    "proportion": False,
    "scale": "effect",
    "null": 0.0,
    "alpha": 0.05,
    "sides": 2,
    "split": (0.5, 0.5),
    "reduction": 0.0,
    "comparisons": 1,
    "design": Fixed(),
}


def scenario(**changes) -> Scenario:
    return Scenario(**{**BASE, **changes})


NORMAL = Fixed(uses_t=False)


@pytest.mark.parametrize("n", [12, 40, 400])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_a_fixed_normal_test_has_the_normals_multiplier_and_power(n, alpha):
    """Source: scipy.stats.norm, Φ(δ − q) + Φ(−δ − q); statsmodels NormalIndPower; 1e-12 and 1e-9."""
    plan = scenario(alpha=alpha, design=NORMAL)
    q = scipy.stats.norm.isf(alpha / 2)
    assert NORMAL.bounds(alpha=alpha / 2, n=n, se=1.0, df=n - 2.0) == pytest.approx([q], rel=1e-12)
    drift = 1.5 / (2.0 * math.sqrt(4 / n))
    theirs = scipy.stats.norm.sf(q - drift) + scipy.stats.norm.cdf(-q - drift)
    assert power(plan, value=1.5, n=n).power == pytest.approx(theirs, rel=1e-12)
    assert NormalIndPower().power(0.75, n / 2, alpha) == pytest.approx(theirs, rel=1e-9)
    assert power(scenario(alpha=alpha), value=1.5, n=n).power <= theirs


@pytest.mark.parametrize("d", [0.1, 0.5, 1.2])
@pytest.mark.parametrize("target", [0.8, 0.95])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_sample_size_is_ttestindpower(d, target, alpha):
    """Source: statsmodels TTestIndPower.solve_power; the whole number above it."""
    theirs = TTestIndPower().solve_power(d, None, alpha, target)
    found = sample_size(scenario(alpha=alpha), value=d * 2.0, target=target)
    assert found.n_control == found.n_treatment == math.ceil(theirs - 1e-6)
    assert found.inflation == pytest.approx(1.0)
    assert found.power >= target


@pytest.mark.parametrize("n", [10, 64, 300])
@pytest.mark.parametrize("d", [-0.3, 0.2, 0.5])
def test_power_is_ttestindpower(n, d):
    """Source: statsmodels TTestIndPower.power; 1e-8."""
    theirs = TTestIndPower().power(abs(d), n, 0.05)
    assert power(scenario(), value=d * 2.0, n=2 * n).power == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("d", [0.05, 0.5])
@pytest.mark.parametrize("sides", [1, 2])
def test_one_and_two_sides_are_statsmodels(d, sides):
    """Source: statsmodels TTestIndPower with alternative larger and two-sided; 1e-8."""
    theirs = TTestIndPower().power(d, 200, 0.05, alternative="larger" if sides == 1 else "two-sided")
    assert power(scenario(sides=sides), value=d * 2.0, n=400).power == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("ratio", [1.0, 3.0, 9.0])
def test_unequal_splits_at_large_n_are_normalindpower(ratio):
    """Source: statsmodels NormalIndPower.solve_power with ratio; 0.1 % (t against normal)."""
    theirs = NormalIndPower().solve_power(0.05, None, 0.05, 0.8, ratio=ratio)
    split = (1 / (1 + ratio), ratio / (1 + ratio))
    found = sample_size(scenario(split=split), value=0.1, target=0.8)
    assert found.n_control == pytest.approx(theirs, rel=1e-3)
    assert found.n_treatment == pytest.approx(theirs * ratio, rel=1e-3)


@pytest.mark.parametrize(("d", "n"), [(0.2, 393), (0.5, 64), (0.8, 26), (0.3, 175), (1.0, 17)])
def test_cohens_table(d, n):
    """Source: Cohen 1988, table 2.4.1, two-sided .05, power .80 (his 393, 64, 26 per group; others from the same t); ± 1."""
    assert sample_size(scenario(), value=d * 2.0, target=0.8).n_control == pytest.approx(n, abs=1)


@pytest.mark.parametrize(("p1", "p2"), [(0.1, 0.11), (0.05, 0.06), (0.2, 0.25), (0.5, 0.45)])
@pytest.mark.parametrize("target", [0.8, 0.9])
def test_proportions_are_the_textbook_formula(p1, p2, target):
    """Source: Fleiss 1981, unpooled, (z_α/2 + z_β)² (p1 q1 + p2 q2) / (p1 − p2)²; 0.3 % (t against normal)."""
    z = scipy.stats.norm.isf(0.025) + scipy.stats.norm.ppf(target)
    theirs = z**2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p1 - p2) ** 2
    s = scenario(mean=p1, proportion=True)
    assert sample_size(s, value=p2 - p1, target=target).n_control == pytest.approx(theirs, rel=3e-3)
    relative = scenario(mean=p1, proportion=True, scale="lift")
    assert sample_size(relative, value=p2 / p1 - 1, target=target).n == sample_size(s, value=p2 - p1, target=target).n


@pytest.mark.parametrize("margin", [0.02, 0.1])
@pytest.mark.parametrize("cv", [0.5, 3.0])
def test_relative_non_inferiority_has_the_noise_of_the_control(margin, cv):
    """Source: T6 solved for n, (z_α + z_β)² cv² (1 + (1 − M)²) / M²; 0.2 % (t against normal) above 1,000."""
    z = scipy.stats.norm.isf(0.05) + scipy.stats.norm.ppf(0.8)
    theirs = z**2 * cv**2 * (1 + (1 - margin) ** 2) / margin**2
    s = scenario(sd=10 * cv, scale="lift", null=-margin, sides=1)
    assert sample_size(s, value=0.0, target=0.8).n_control == pytest.approx(theirs, rel=0.002, abs=3)


@pytest.mark.parametrize("spending", ["pocock", "obrien_fleming"])
@pytest.mark.parametrize("looks", [(0.5, 1.0), (0.3, 0.7, 1.0)])
def test_group_sequential_size_has_its_power_by_the_multivariate_normal(spending, looks):
    """Source: scipy.stats.multivariate_normal over all looks at the planned n; 2e-4."""
    design = GroupSequentialTest(looks, spending)
    found = sample_size(scenario(design=design), value=0.1, target=0.8)
    t = np.array(looks)
    drift = 0.1 / math.sqrt(4 / found.n_control + 4 / found.n_treatment)
    cov = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    joint = scipy.stats.multivariate_normal(drift * np.sqrt(t), cov, abseps=1e-6, releps=1e-6, maxpts=1_000_000)
    bounds = np.array(q_group(0.05, looks, spending))
    assert 1 - joint.cdf(bounds, lower_limit=-bounds) == pytest.approx(0.8, abs=2e-4)
    assert 1.0 < found.inflation < 1.2
    assert found.expected_units < found.n


def test_cuped_corrections_and_comparisons_scale_the_plan():
    plain = sample_size(scenario(), value=0.1, target=0.8).n
    assert sample_size(scenario(reduction=0.5), value=0.1, target=0.8).n == pytest.approx(plain / 2, rel=1e-3)
    bonferroni = sample_size(scenario(comparisons=4), value=0.1, target=0.8).n
    assert bonferroni == pytest.approx(sample_size(scenario(alpha=0.0125), value=0.1, target=0.8).n)
    three = sample_size(scenario(split=(0.25, 0.25)), value=0.1, target=0.8)
    assert three.n == pytest.approx(2 * plain, rel=1e-3)
    assert three.n_control == three.n_treatment


@pytest.mark.parametrize(
    "design", [Fixed(), Anytime((1.0,), None, None, 0.05), GroupSequentialTest((0.5, 1.0), "pocock"), Bayes(0.95, 0.3)]
)
@pytest.mark.parametrize("scale", ["effect", "lift"])
@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_size_effect_and_power_are_one_equation(design, scale, direction):
    s = scenario(design=design, scale=scale)
    value = mde(s, n=5000, target=0.8, direction=direction)
    assert math.copysign(1, value) == (1 if direction == "increase" else -1)
    assert power(s, value=value, n=5000).power == pytest.approx(0.8, rel=1e-7)
    assert sample_size(s, value=value, target=0.8).n == pytest.approx(5000, abs=2)


@pytest.mark.parametrize(("scale", "direction"), [("effect", "increase"), ("lift", "decrease")])
def test_mde_of_a_proportion_stays_a_proportion(scale, direction):
    s = scenario(mean=0.3, proportion=True, scale=scale)
    value = mde(s, n=400, target=0.8, direction=direction)
    assert power(s, value=value, n=400).power == pytest.approx(0.8, rel=1e-7)
    wide = scenario(mean=0.02, proportion=True, scale="lift")
    with pytest.raises(StatsError, match="more are needed"):
        mde(wide, n=200, target=0.8, direction="decrease")
    near_the_end = mde(scenario(mean=0.5, proportion=True), n=24, target=0.8, direction="increase")
    assert 0.4 < near_the_end < 0.5


def test_mde_around_a_margin():
    s = scenario(scale="lift", null=-0.05, sides=1)
    value = mde(s, n=2000, target=0.8, direction="increase")
    assert power(s, value=value, n=2000).power == pytest.approx(0.8, rel=1e-7)
    assert value > -0.05


def test_anytime_one_look_is_the_multiplier_at_the_end():
    """Source: power Φ(drift − q) at q of the normal mixture tuned to n itself; 1e-12."""
    found = power(scenario(design=Anytime((1.0,), None, None, 0.05)), value=0.2, n=8000)
    k = -2 * math.log(0.05) + math.log1p(-2 * math.log(0.05))
    q = math.sqrt((1 + k) / k * (math.log1p(k) - 2 * math.log(0.05)))
    drift = 0.2 / math.sqrt(4 / 4000 * 2)
    assert found.drift == pytest.approx(drift)
    assert found.power == pytest.approx(scipy.stats.norm.sf(q - drift) + scipy.stats.norm.sf(q + drift), rel=1e-12)


def test_more_looks_only_help_an_anytime_plan():
    looks = [
        sample_size(scenario(design=Anytime(even_looks(k, first=0.1), None, None, 0.05)), value=0.2, target=0.8)
        for k in (1, 5, 20)
    ]
    assert looks[0].n > looks[1].n > looks[2].n
    assert all(v.expected_units <= v.n for v in looks)
    assert looks[2].expected_units < 0.8 * looks[2].n


def test_tau_and_n_opt_plan_alike_when_they_mean_the_same():
    n, s = 6000, scenario()
    k = -2 * math.log(0.05) + math.log1p(-2 * math.log(0.05))
    se = math.sqrt(4 / 3000 * 2)
    by_tau = power(scenario(design=Anytime((0.5, 1.0), None, math.sqrt(k) * se, 0.05)), value=0.15, n=n)
    by_n = power(scenario(design=Anytime((0.5, 1.0), float(n), None, 0.05)), value=0.15, n=n)
    assert by_tau.by_look == pytest.approx(by_n.by_look, rel=1e-9)
    assert s.sides == 2


def test_bayes_with_a_flat_prior_is_the_one_sided_normal_test():
    """Source: chance >= .95 exactly when one-sided p <= .05; 1e-9."""
    found = power(scenario(sides=1, design=Bayes(0.95, None)), value=0.2, n=2000)
    assert found.power == pytest.approx(scipy.stats.norm.sf(1.6448536269514722 - found.drift), rel=1e-9)
    informed = power(scenario(sides=1, design=Bayes(0.95, 0.05)), value=0.2, n=2000)
    assert informed.power < found.power


def test_power_over_looks_ends_at_the_power():
    found = power(scenario(design=GroupSequentialTest((0.3, 0.6, 1.0), "pocock")), value=0.15, n=4000)
    assert list(found.by_look) == sorted(found.by_look)
    assert found.by_look[-1] == found.power
    assert found.to_dict()["by_look"] == list(found.by_look)
    expected = 4000 * (0.3 * found.by_look[0] + 0.6 * (found.by_look[1] - found.by_look[0]) + 1 - found.by_look[1])
    assert found.expected_units == pytest.approx(expected)


@pytest.mark.parametrize("n", [1000, 20_000])
@pytest.mark.parametrize("cv", [0.5, 2.0])
def test_delta_mde_solves_its_quadratic(n, cv):
    """Source: T19, m = (z_α/2 + z_β) cv sqrt(1 / n_t + (1 + m)² / n_c), put back in; 1e-10."""
    m = lift_mde_delta(cv=cv, n_c=n, n_t=2 * n, alpha=0.05, target=0.8)
    z = scipy.stats.norm.isf(0.025) + scipy.stats.norm.ppf(0.8)
    assert m == pytest.approx(z * cv * math.sqrt(1 / (2 * n) + (1 + m) ** 2 / n), rel=1e-10)
    ours = mde(scenario(sd=10 * cv, scale="lift", split=(1 / 3, 2 / 3)), n=3 * n, target=0.8, direction="increase")
    assert ours < m


def test_a_hopeless_plan_says_so():
    with pytest.raises(StatsError, match="cv"):
        lift_mde_delta(cv=20.0, n_c=100, n_t=100, alpha=0.05, target=0.8)
    with pytest.raises(StatsError, match="XPB-S01"):
        sample_size(scenario(), value=1e-9, target=0.8)
    with pytest.raises(StatsError, match="differs from the null"):
        sample_size(scenario(), value=0.0, target=0.8)


def test_overwhelming_effects_need_the_fewest_units():
    assert sample_size(scenario(), value=1e6, target=0.8).n == 4
    assert power(scenario(), value=1e6, n=100).power == 1.0


@given(st.floats(0.02, 0.6), st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_more_units_never_lose_power(value, share):
    s = scenario(split=(share, 1 - share))
    assert power(s, value=value, n=2000).power >= power(s, value=value, n=1000).power - 1e-12


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": 0.0},
        {"sides": 3},
        {"comparisons": 0},
        {"reduction": 1.0},
        {"split": (0.0, 1.0)},
        {"split": (0.8, 0.8)},
        {"proportion": True, "mean": 1.0},
        {"sd": 0.0},
        {"scale": "odds"},
        {"scale": "lift", "mean": 0.0},
        {"design": GroupSequentialTest((0.5, 0.9), "pocock")},
        {"design": GroupSequentialTest((0.5, 0.5, 1.0), "pocock")},
    ],
)
def test_scenarios_that_make_no_plan_are_refused(changes):
    with pytest.raises(StatsError, match="XPB-S01"):
        scenario(**changes)


@pytest.mark.parametrize(
    "call",
    [
        lambda: power(scenario(), value=0.1, n=0),
        lambda: sample_size(scenario(), value=0.1, target=1.0),
        lambda: mde(scenario(), n=100, target=0.0, direction="increase"),
        lambda: mde(scenario(), n=100, target=0.8, direction="up"),
        lambda: power(scenario(mean=0.5, proportion=True), value=0.6, n=100),
        lambda: even_looks(0, first=0.1),
        lambda: even_looks(3, first=0.0),
        lambda: power(scenario(design=Bayes(1.5, None)), value=0.1, n=100),
    ],
)
def test_arguments_out_of_range_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def test_even_looks():
    assert even_looks(1, first=0.3) == (1.0,)
    assert even_looks(3, first=0.5) == pytest.approx((0.5, 0.75, 1.0))


def test_sample_size_as_a_dictionary():
    found = sample_size(scenario(), value=1.0, target=0.8)
    assert found.to_dict()["n"] == found.n


@pytest.mark.parametrize(
    "design", [Fixed(), NORMAL, GroupSequentialTest((0.5, 1.0), "pocock"), Bayes(threshold=0.95, prior_sd=None)], ids=str
)
def test_a_power_that_needs_no_effect_is_refused(design):
    """A test rejects with probability alpha where there is nothing to find; a plan for less is no plan."""
    plan = scenario(design=design)
    with pytest.raises(StatsError, match="above the level"):
        sample_size(plan, value=0.5, target=0.04)
    with pytest.raises(StatsError, match="above the level"):
        mde(plan, n=1000, target=0.04, direction="increase")
    assert mde(plan, n=1000, target=0.2, direction="increase") > 0


def test_one_unit_finds_nothing():
    assert power(scenario(), value=5.0, n=3).power == 0.0
    assert power(scenario(split=(0.1, 0.9)), value=5.0, n=19).power == 0.0
    assert power(scenario(design=GroupSequentialTest((0.5, 1.0), "pocock")), value=5.0, n=2).by_look == (0.0, 0.0)
    with pytest.raises(StatsError, match="at least 2 units"):
        mde(scenario(), n=3, target=0.8, direction="increase")
    for n in (0, -1, math.nan):
        with pytest.raises(StatsError):
            mde(scenario(), n=n, target=0.8, direction="increase")
    for value in (math.nan, math.inf):
        with pytest.raises(StatsError, match="finite"):
            power(scenario(), value=value, n=100)


@pytest.mark.parametrize("n", [4, 6, 20])
def test_power_of_the_fewest_units_is_statsmodels(n):
    """Source: statsmodels TTestIndPower; 1e-9."""
    theirs = TTestIndPower().power(2.0, nobs1=n / 2, alpha=0.05)
    assert power(scenario(), value=4.0, n=n).power == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    "design",
    [
        Fixed(),
        Anytime((0.5, 1.0), 6000.0, None, 0.05),
        Anytime((1.0,), None, 0.2, 0.05),
        GroupSequentialTest((0.5, 1.0), "pocock"),
    ],
)
def test_units_of_further_variants_change_nothing(design):
    """Two of four equal variants are the same comparison as two alone with half the units."""
    alone = power(scenario(design=design), value=0.15, n=4000)
    among = power(scenario(design=design, split=(0.25, 0.25)), value=0.15, n=8000)
    assert among.by_look == pytest.approx(alone.by_look, rel=1e-12)
    assert among.expected_units == pytest.approx(2 * alone.expected_units, rel=1e-12)


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.1, 0.9), (0.9, 0.1), (0.07, 0.31), (1 / 3, 2 / 3)])
@pytest.mark.parametrize("value", [0.05, 0.4, 3.0])
def test_the_units_of_all_variants_are_the_fewest_that_fill_both(split, value):
    s = scenario(split=split)
    found = sample_size(s, value=value, target=0.8)
    wanted = (found.n_control, found.n_treatment)
    assert all(found.n * share >= units - 1e-6 for share, units in zip(split, wanted, strict=True))
    assert any((found.n - 1) * share < units - 1e-6 for share, units in zip(split, wanted, strict=True))
    assert found.power >= 0.8
    fewer = power(s, value=value, n=min((u - 1) / share for share, u in zip(split, wanted, strict=True)))
    assert fewer.power < 0.8 or min(wanted) == 2


@pytest.mark.parametrize("reduction", [0.0, 0.36])
def test_reduction_holds_for_the_proportions_of_both_variants(reduction):
    s = scenario(mean=0.2, proportion=True, reduction=reduction)
    assert s.sds(0.3) == pytest.approx((0.4 * math.sqrt(1 - reduction), 0.5 * math.sqrt(1 - reduction)))
    assert scenario(mean=0.2, proportion=True, scale="lift").sds(1.5) == pytest.approx((0.4, 0.5))


@pytest.mark.parametrize("scale", ["effect", "lift"])
def test_a_proportion_may_become_none_or_all_and_no_more(scale):
    s = scenario(mean=0.5, proportion=True, scale=scale)
    all_of_them = 0.5 if scale == "effect" else 1.0
    for value in (all_of_them, -all_of_them):
        assert s.sds(value) == (0.5, 0.0)
        assert power(s, value=value, n=400).power == pytest.approx(1.0)
    for value in (1.01 * all_of_them, -1.01 * all_of_them):
        with pytest.raises(StatsError, match="treatment"):
            power(s, value=value, n=400)


@pytest.mark.parametrize("mean", [1e-6, -1e-3, 1.0, 1e6, -1e7])
def test_the_smallest_lift_is_the_smallest_effect_over_the_mean(mean):
    """Where the null is 0, whatever the unit of the metric."""
    effect = mde(scenario(mean=mean), n=3000, target=0.9, direction="increase")
    lift = mde(scenario(mean=mean, scale="lift"), n=3000, target=0.9, direction="increase")
    assert lift == pytest.approx(effect / abs(mean), rel=1e-9)


@pytest.mark.parametrize(
    ("scale", "null", "sides"), [("effect", 0.0, 2), ("lift", 0.0, 2), ("effect", 0.02, 1), ("lift", 0.2, 1)]
)
def test_the_smallest_decrease_of_a_small_proportion_lies_before_none(scale, null, sides):
    """The search meets the end of what is possible, in either direction, and looks between."""
    s = scenario(mean=0.1, proportion=True, scale=scale, null=null, sides=sides)
    value = mde(s, n=300 if sides == 2 else 220, target=0.9, direction="decrease")
    assert -1.0 < (value if scale == "lift" else value / 0.1) < -0.5
    assert power(s, value=value, n=300 if sides == 2 else 220).power == pytest.approx(0.9, rel=1e-6)
    mirrored = scenario(mean=0.9, proportion=True, null=-null if scale == "effect" else 0.0, sides=sides)
    if scale == "effect":
        assert mde(mirrored, n=300 if sides == 2 else 220, target=0.9, direction="increase") == pytest.approx(-value, rel=1e-6)


def test_an_effect_that_is_never_found_is_not_looked_for_without_end():
    """Two units in each variant at a level of 2.5e-14: Student's t reaches millions of standard errors."""
    with pytest.raises(StatsError, match="more are needed"):
        mde(scenario(comparisons=10**12), n=4, target=0.8, direction="increase")


def test_a_deviation_too_small_for_its_square_is_refused():
    with pytest.raises(StatsError, match="some variant varies"):
        power(scenario(sd=1e-200), value=1.0, n=100)


def test_two_units_in_each_variant_are_the_fewest():
    assert power(scenario(), value=50.0, n=4).power > 0.5
    assert power(scenario(split=(0.1, 0.9)), value=200.0, n=20).power > 0.5
    assert mde(scenario(), n=4, target=0.5, direction="increase") > 0
    assert scenario(split=(0.5, 0.5 + 5e-10)).split[1] > 0.5
    with pytest.raises(StatsError, match="split"):
        scenario(split=(0.5, 0.5 + 1e-6))
