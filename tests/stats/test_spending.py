"""Group-sequential boundaries against published tables and simulation."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
from scipy.special import ndtr

from xpbench.errors import StatsError
from xpbench.stats.spending import crossing, p_group, q_group, spent

# Lan–DeMets boundaries, two-sided alpha .05, equal looks. Source: the ld98 program of Reboussin, DeMets, Kim, Lan 2000 and
# textbook tables made with it; tolerance: half a unit of the last decimal shown, and 1e-4 for the accuracy of its integration.
PUBLISHED = {
    ("obrien_fleming", 2): (4, [2.9626, 1.9686]),
    ("obrien_fleming", 3): (4, [3.7103, 2.5114, 1.9930]),
    ("obrien_fleming", 4): (4, [4.3326, 2.9631, 2.3590, 2.0141]),
    ("obrien_fleming", 5): (4, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
    ("pocock", 2): (3, [2.157, 2.201]),
    ("pocock", 3): (3, [2.279, 2.295, 2.296]),
    ("pocock", 5): (4, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
}


@pytest.mark.parametrize(("spending", "looks"), PUBLISHED)
def test_boundaries_are_the_published_ones(spending, looks):
    decimals, bounds = PUBLISHED[spending, looks]
    information = [(i + 1) / looks for i in range(looks)]
    assert q_group(0.05, information, spending) == pytest.approx(bounds, abs=0.5 * 10**-decimals + 1e-4)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("information", [(0.5, 1.0), (0.3, 0.5, 1.0), (0.2, 0.45, 0.8, 1.0)])
def test_boundaries_leave_what_the_multivariate_normal_says(spending, information):
    """Source: scipy.stats.multivariate_normal over all looks; 2e-5, the accuracy of its integration."""
    bounds = q_group(0.05, information, spending)
    for k in range(2, len(information) + 1):
        t = np.array(information[:k])
        cov = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
        joint = scipy.stats.multivariate_normal(np.zeros(k), cov, abseps=1e-7, releps=1e-7, maxpts=2_000_000)
        inside = joint.cdf(np.array(bounds[:k]), lower_limit=-np.array(bounds[:k]))
        assert 1 - inside == pytest.approx(spent(t[-1], alpha=0.05, spending=spending), abs=2e-5)


# Constants of the classical designs, two-sided alpha .05. Source: Jennison and Turnbull 2000, tables 2.1 (Pocock) and 2.3
# (O'Brien–Fleming); tolerance: their three decimals.
POCOCK = {2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 6: 2.453, 8: 2.512, 10: 2.555}
OBRIEN_FLEMING = {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 6: 2.053, 8: 2.072, 10: 2.087}


def classical(looks: int, power: float) -> float:
    """Constant c of |Z_k| >= c (k / K)^(power) at which the total error is .05."""
    information = [(i + 1) / looks for i in range(looks)]

    def gap(c: float) -> float:
        low, high = crossing([c * t**power for t in information], information, drift=0.0)
        return float((low + high).sum()) - 0.05

    return scipy.optimize.brentq(gap, 1.5, 3.5, xtol=1e-8)


@pytest.mark.parametrize("looks", POCOCK)
def test_pocock_constants_are_the_published_ones(looks):
    assert classical(looks, 0.0) == pytest.approx(POCOCK[looks], abs=6e-4)


@pytest.mark.parametrize("looks", OBRIEN_FLEMING)
def test_obrien_fleming_constants_are_the_published_ones(looks):
    assert classical(looks, -0.5) == pytest.approx(OBRIEN_FLEMING[looks], abs=6e-4)


# Inflation of the maximum sample size at power .8 and .9. Source: Jennison and Turnbull 2000, tables 2.2 and 2.4; 3 decimals.
INFLATION = {
    (0.0, 0.8): {2: 1.110, 3: 1.166, 4: 1.202, 5: 1.229, 10: 1.301},
    (0.0, 0.9): {2: 1.100, 3: 1.151, 4: 1.183, 5: 1.207, 10: 1.271},
    (-0.5, 0.8): {2: 1.008, 3: 1.017, 4: 1.024, 5: 1.028, 10: 1.040},
    (-0.5, 0.9): {2: 1.007, 3: 1.016, 4: 1.022, 5: 1.026, 10: 1.037},
}


@pytest.mark.parametrize(("shape", "target", "looks"), [(s, p, k) for (s, p), v in INFLATION.items() for k in v])
def test_inflation_is_the_published_one(shape, target, looks):
    information = [(i + 1) / looks for i in range(looks)]
    bounds = [classical(looks, shape) * t**shape for t in information]

    def gap(drift: float) -> float:
        low, high = crossing(bounds, information, drift=drift)
        return float((low + high).sum()) - target

    drift = scipy.optimize.brentq(gap, 1.0, 6.0, xtol=1e-9)
    fixed = scipy.stats.norm.isf(0.025) + scipy.stats.norm.ppf(target)
    assert (drift / fixed) ** 2 == pytest.approx(INFLATION[shape, target][looks], abs=1.1e-3)


def test_two_looks_are_the_bivariate_normal():
    """Source: scipy.stats.multivariate_normal; 1e-6."""
    information, bounds = [0.4, 1.0], [2.5, 2.0]
    low, high = crossing(bounds, information, drift=1.3)
    r = math.sqrt(0.4)
    joint = scipy.stats.multivariate_normal([1.3 * r, 1.3], [[1, r], [r, 1]], abseps=1e-10, releps=1e-10)
    inside = joint.cdf([2.5, 2.0], lower_limit=[-2.5, -2.0])
    assert float((low + high).sum()) == pytest.approx(1 - inside, abs=1e-6)
    assert high[0] == pytest.approx(scipy.stats.norm.sf(2.5 - 1.3 * r), rel=1e-10)
    assert low[0] == pytest.approx(scipy.stats.norm.cdf(-2.5 - 1.3 * r), rel=1e-10)


def test_crossing_is_that_of_simulated_paths(rng):
    information = np.array([0.1, 0.15, 0.6, 0.61, 1.0])
    steps = rng.standard_normal((200_000, 5)) * np.sqrt(np.diff(np.r_[0, information]))
    z = steps.cumsum(axis=1) / np.sqrt(information) + 1.5 * np.sqrt(information)
    bounds = np.array([2.8, 2.6, 2.5, 2.4, 2.0])
    out = np.abs(z) >= bounds
    first = np.where(out.any(axis=1), out.argmax(axis=1), 9)
    low, high = crossing(bounds, information, drift=1.5)
    for k in range(5):
        assert low[k] + high[k] == pytest.approx(float((first == k).mean()), abs=0.004)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("information", [(1.0,), (0.5, 1.0), (0.03, 0.5, 0.51, 1.0), tuple(np.linspace(0.02, 1, 50))])
def test_boundaries_spend_exactly_alpha(spending, information):
    bounds = q_group(0.05, information, spending)
    low, high = crossing(bounds, information, drift=0.0)
    assert float((low + high).sum()) == pytest.approx(0.05, rel=1e-7)
    assert low == pytest.approx(high)


def test_one_look_is_the_fixed_test():
    assert q_group(0.05, [1.0], "pocock")[0] == pytest.approx(scipy.stats.norm.isf(0.025), rel=1e-10)


def test_looks_that_move_keep_what_was_used():
    first = q_group(0.05, [0.3], "pocock")
    moved = q_group(0.05, [0.3, 0.45, 1.0], "pocock", first)
    assert moved[0] == first[0]
    assert moved == pytest.approx(q_group(0.05, [0.3, 0.45, 1.0], "pocock"), rel=1e-9)


def test_a_bound_stricter_than_planned_leaves_more_for_later():
    strict = q_group(0.05, [0.5, 1.0], "pocock", [3.0])
    assert strict[1] < q_group(0.05, [0.5, 1.0], "pocock")[1]
    low, high = crossing(strict, [0.5, 1.0], drift=0.0)
    assert float((low + high).sum()) == pytest.approx(0.05, rel=1e-7)


def test_nothing_is_spent_twice_beyond_full_information():
    assert q_group(0.05, [0.5, 1.0, 1.2], "pocock")[2] == math.inf
    assert q_group(0.05, [0.5, 1.2], "pocock")[1] < math.inf


def test_the_final_look_spends_the_rest_at_any_information():
    bounds = q_group(0.05, [0.5, 0.8], "obrien_fleming", final=True)
    low, high = crossing(bounds, [0.5, 0.8], drift=0.0)
    assert float((low + high).sum()) == pytest.approx(0.05, rel=1e-7)
    assert bounds[1] < q_group(0.05, [0.5, 0.8], "obrien_fleming")[1]


def test_a_look_too_early_for_the_spending_function_can_not_reject():
    assert q_group(0.05, [0.001, 1.0], "obrien_fleming")[0] == math.inf


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_spending_functions(t):
    """Source: Lan and DeMets 1983; 1e-12."""
    assert spent(t, alpha=0.05, spending="pocock") == pytest.approx(0.05 * math.log(1 + (math.e - 1) * t), rel=1e-12)
    theirs = 4 * (1 - scipy.stats.norm.cdf(scipy.stats.norm.ppf(1 - 0.05 / 4) / math.sqrt(t)))
    assert spent(t, alpha=0.05, spending="obrien_fleming") == pytest.approx(theirs, rel=1e-9)
    assert spent(0.0, alpha=0.05, spending="pocock") == 0.0
    assert spent(1.3, alpha=0.05, spending="obrien_fleming") == 0.05


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("z", [1.0, 2.2, -2.7, 3.5])
def test_repeated_p_is_below_alpha_exactly_when_the_interval_excludes_zero(spending, z):
    information = [0.25, 0.6, 1.0]
    p = p_group(z, information, spending)
    for alpha in (0.2, 0.05, 0.01):
        assert (p < alpha) == (abs(z) > q_group(alpha, information, spending)[-1])


def test_repeated_p_of_one_look_is_the_ordinary_p():
    assert p_group(2.1, [1.0], "pocock") == pytest.approx(2 * scipy.stats.norm.sf(2.1), rel=1e-8)
    assert math.isnan(p_group(math.nan, [1.0], "pocock"))
    assert p_group(0.0, [0.5], "obrien_fleming") == 1.0
    assert p_group(30.0, [1.0], "pocock") == 1e-14


@pytest.mark.parametrize(
    "call",
    [
        lambda: q_group(0.05, [], "pocock"),
        lambda: q_group(0.05, [0.5, 0.5], "pocock"),
        lambda: q_group(0.05, [0.0, 0.5], "pocock"),
        lambda: q_group(0.05, [0.5], "pocock", [2.0, 2.0]),
        lambda: q_group(1.05, [0.5], "pocock"),
        lambda: q_group(0.05, [0.5], "linear"),
        lambda: crossing([2.0], [-1.0], drift=0.0),
    ],
)
def test_impossible_looks_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("information", [[0.5, 1.0, 1.2], [0.5, 1.2], [1.0, 1.1], [0.001], [0.3, 0.6]])
@pytest.mark.parametrize("z", [2.5, 5.0, 9.5, 20.0])
def test_repeated_p_and_interval_agree_beyond_the_plan_and_before_it_counts(spending, information, z):
    """By definition: p is the smallest level whose interval excludes the null, wherever the looks lie."""
    p = p_group(z, information, spending)
    for alpha in (0.2, 0.05, 0.001):
        assert (p < alpha) == (abs(z) > q_group(alpha, information, spending)[-1])


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_after_the_last_of_alpha_nothing_rejects(spending):
    assert q_group(0.05, [0.5, 1.0, 1.2], spending)[2] == math.inf
    assert q_group(0.05, [0.5, 0.9, 1.2], spending, final=True)[2] < math.inf
    assert p_group(30.0, [0.5, 1.0, 1.2], spending) == 1.0
    kept = q_group(0.05, [0.5, 1.0, 1.2], spending, used=[8.0, 3.0])  # used so little that some is left
    assert kept[2] < math.inf


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_nothing_is_spent_before_the_first_unit(spending):
    assert spent(0.0, alpha=0.05, spending=spending) == 0.0


@pytest.mark.parametrize("drift", [0.0, 2.5])
@pytest.mark.parametrize(
    ("first", "second"), [(0.02, 1.0), (0.5, 0.52), (0.5, 0.505), (0.5, 0.501), (0.98, 0.9801), (0.9, 0.90001)]
)
def test_looks_close_together_and_far_apart_are_the_double_integral(first, second, drift):
    """Source: scipy.integrate.quad over the first look, given which the second is normal; 1e-9."""
    low, high = crossing([2.2, 2.0], [first, second], drift=drift)
    gap = math.sqrt(second - first)
    for found, sign in ((high, 1.0), (low, -1.0)):

        def beyond(z: float, sign: float = sign) -> float:
            score = z * math.sqrt(first) + drift * (second - first)
            after = ndtr((sign * score - 2.0 * math.sqrt(second)) / gap)
            return math.exp(-0.5 * (z - drift * math.sqrt(first)) ** 2) / math.sqrt(2.0 * math.pi) * after

        edge = sign * 2.0 * math.sqrt(second / first)  # about where the first look hands over to the second
        steps = (edge + k * gap / math.sqrt(first) for k in range(-8, 9))
        points = sorted({-2.2, 2.2, *(z for z in steps if -2.2 < z < 2.2)})
        expected = sum(scipy.integrate.quad(beyond, a, b, epsabs=0, epsrel=1e-11)[0] for a, b in itertools.pairwise(points))
        assert found[1] == pytest.approx(expected, rel=1e-9)


def test_a_look_taken_again_a_little_later_spends_next_to_nothing():
    """Source: the same looks without it; what is spent between the two is a share of a hundred-thousandth."""
    again = q_group(0.05, [0.5, 0.50001, 0.7, 1.0], "obrien_fleming")
    once = q_group(0.05, [0.5, 0.7, 1.0], "obrien_fleming")
    assert [again[0], *again[2:]] == pytest.approx(once, abs=2e-5)
    assert again[1] > again[0]


@pytest.mark.parametrize("information", [(0.5, 0.501, 1.0), (0.3, 0.9, 0.9001)])
def test_close_looks_spend_what_they_should(information):
    """Source: the spending function itself, by the exit probabilities that are checked against quadrature above; 1e-9."""
    low, high = crossing(q_group(0.05, information, "pocock"), information, drift=0.0)
    expected = [spent(t, alpha=0.05, spending="pocock") for t in information]
    assert np.cumsum(low + high) == pytest.approx(expected, rel=1e-9)


def test_looks_too_close_to_tell_apart_are_refused():
    with pytest.raises(StatsError, match="a millionth"):
        q_group(0.05, [0.5, 0.5000001], "pocock")


def test_a_large_effect_is_carried_over_a_look_without_a_boundary():
    low, high = crossing([math.inf, 2.0], [0.5, 1.0], drift=12.0)
    assert (low[0], high[0]) == (0.0, 0.0)
    assert high[1] == pytest.approx(scipy.stats.norm.cdf(10.0), rel=1e-9)
    low, _ = crossing([math.inf, 2.0], [0.5, 1.0], drift=-12.0)
    assert low[1] == pytest.approx(scipy.stats.norm.cdf(10.0), rel=1e-9)


def test_multipliers_of_all_looks_may_be_in_use_already():
    assert q_group(0.05, [0.5, 1.0], "pocock", [2.5, 2.4]) == [2.5, 2.4]


def test_every_look_has_a_boundary():
    with pytest.raises(ValueError, match="shorter"):
        crossing([2.0], [0.5, 1.0], drift=0.0)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_ten_metrics_share_the_integrals_of_a_look(spending):
    """Ten p-values at look 28 once took eleven seconds; benchmarks/results/design-speed.json has what they take now."""
    looks = [i / 28 * 0.9999 for i in range(1, 29)]  # of no other test, so that nothing is remembered
    start = time.process_time()
    found = [p_group(z, looks, spending) for z in np.linspace(0.2, 3.5, 10)]
    assert time.process_time() - start < 1.0
    assert found == sorted(found, reverse=True)
