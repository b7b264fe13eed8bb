"""Sample ratio against scipy and brute force; the martingale is a martingale."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.srm import bias_bound, srm, srm_anytime


@pytest.mark.parametrize("counts", [(500, 520), (10_000, 10_500), (33, 21), (100, 0)])
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1), (3, 1)])
def test_two_variants_are_chi_square(counts, weights):
    """Source: scipy.stats.chisquare; 1e-12."""
    share = np.array(weights) / sum(weights)
    found = srm(counts, weights)
    if found.method == "chi2":
        theirs = scipy.stats.chisquare(counts, share * sum(counts))
        assert (found.statistic, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-12)
        assert found.df == 1


@pytest.mark.parametrize("counts", [(100, 90, 130), (0, 50, 61), (1, 2, 3, 4), (1000, 0, 0, 10)])
def test_several_variants_are_chi_square(counts):
    """Source: scipy.stats.chisquare; 1e-12."""
    weights = np.arange(1, len(counts) + 1) / np.arange(1, len(counts) + 1).sum()
    found = srm(counts, weights)
    theirs = scipy.stats.chisquare(counts, weights * sum(counts))
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-12)
    assert found.expected == pytest.approx(weights * sum(counts))


@pytest.mark.parametrize(("x", "n"), [(0, 5), (3, 8), (1, 9), (9, 9), (40, 45), (200_003, 200_003)])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99999])
def test_few_expected_units_are_tested_exactly(x, n, p):
    """Source: scipy.stats.binomtest; 1e-6 (sums of many terms)."""
    found = srm((x, n - x), (p, 1 - p))
    if min(n * p, n * (1 - p)) < 5:
        assert found.method == "exact"
        assert found.p_value == pytest.approx(scipy.stats.binomtest(x, n, p).pvalue, rel=1e-6)
    else:
        assert found.method == "chi2"


def test_a_variant_with_weight_zero_takes_no_part():
    found = srm((100, 110, 7), (0.5, 0.5, 0.0))
    assert found.df == 1
    assert found.misplaced == 7
    assert found.expected == (105.0, 105.0, 0.0)
    assert found.p_value == pytest.approx(srm((100, 110), (1, 1)).p_value)


def test_no_units_give_no_p():
    found = srm((0, 0), (0.5, 0.5))
    assert math.isnan(found.p_value)
    assert found.to_dict()["p_value"] is None
    assert srm((5, 6), (1, 1)).to_dict()["method"] == "chi2"


def test_anytime_is_the_dirichlet_multinomial_bayes_factor():
    """Source: scipy.stats.dirichlet_multinomial over multinomial, Lindon and Malek 2022; 1e-9."""
    counts, theta, k = np.array([300, 180, 120]), np.array([0.5, 0.25, 0.25]), 100.0
    log = scipy.stats.dirichlet_multinomial.logpmf(counts, k * theta, 600) - scipy.stats.multinomial.logpmf(counts, 600, theta)
    assert srm_anytime(counts, theta, k=k)[0] == pytest.approx(min(1, math.exp(-log)), rel=1e-9)


def log_gamma_in_fifty_digits(x: float) -> Decimal:
    """Stirling's series after enough steps upwards, in decimals."""
    with localcontext() as context:
        context.prec = 60
        at, down = Decimal(x), Decimal(0)
        while at < 200:
            down, at = down + at.ln(), at + 1
        two_pi = Decimal("6.283185307179586476925286766559005768394338798750211641949889")
        terms = ((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400))
        series = sum((Decimal(a) / b / at ** (2 * i + 1) for i, (a, b) in enumerate(terms)), Decimal(0))
        return (at - Decimal("0.5")) * at.ln() - at + two_pi.ln() / 2 + series - down


@pytest.mark.parametrize(
    ("counts", "theta"),
    [
        ((1_000_100_000, 999_900_000), (0.5, 0.5)),
        ((1_000_130_000, 999_870_000), (0.5, 0.5)),
        ((499_890_000, 1_000_000_000, 500_110_000), (0.25, 0.5, 0.25)),
    ],
)
def test_anytime_of_two_billion_units_keeps_its_digits(counts, theta):
    """Source: Lindon and Malek 2022, eq. 7, by Stirling's series in fifty digits; 1e-9."""
    with localcontext() as context:
        context.prec = 60
        a = [Decimal(100) * Decimal(t) for t in theta]
        log = log_gamma_in_fifty_digits(sum(a)) - log_gamma_in_fifty_digits(sum(a) + sum(counts))
        for prior, n, t in zip(a, counts, theta, strict=True):
            log += log_gamma_in_fifty_digits(prior + n) - log_gamma_in_fifty_digits(prior) - n * Decimal(t).ln()
        expected = float((-log).exp())
    assert 1e-12 < expected < 0.9
    assert srm_anytime(counts, theta, k=100.0)[0] == pytest.approx(expected, rel=1e-9)


def test_anytime_keeps_the_smallest_and_takes_up_earlier_looks():
    looks = [[60, 30], [500, 460], [5000, 4980]]
    p = srm_anytime(looks, [0.5, 0.5], k=100.0)
    assert (np.diff(p) <= 0).all()
    again = srm_anytime(looks[1:], [0.5, 0.5], k=100.0, previous=float(p[0]))
    assert again == pytest.approx(p[1:])


def test_anytime_order_within_a_look_is_irrelevant(rng):
    units = rng.integers(0, 2, 1000)
    shuffled = rng.permutation(units)
    one, two = ([(u == 0).sum(), (u == 1).sum()] for u in (units, shuffled))
    assert srm_anytime(one, [1, 1], k=50.0) == srm_anytime(two, [1, 1], k=50.0)


def test_anytime_leaves_out_variants_of_weight_zero():
    assert srm_anytime([50, 60, 9], [0.5, 0.5, 0.0], k=100.0) == srm_anytime([50, 60], [0.5, 0.5], k=100.0)


def test_anytime_bayes_factor_has_expectation_one():
    """The sum over all outcomes of probability × Bayes factor is 1: a martingale; 1e-10."""
    n, theta, k = 12, 0.3, 10.0
    total = 0.0
    for x in range(n + 1):
        log = scipy.stats.betabinom.logpmf(x, n, k * theta, k * (1 - theta))
        total += math.exp(log)
        p = srm_anytime([x, n - x], [theta, 1 - theta], k=k)[0]
        factor = math.exp(log - scipy.stats.binom.logpmf(x, n, theta))
        assert p == pytest.approx(min(1.0, 1 / factor), rel=1e-9)
    assert total == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("missing", [0.05, 0.3])
def test_bias_bound_is_reached_by_the_worst_loss_and_never_passed(rng, missing):
    values = np.sort(rng.lognormal(0, 1, 20_000))
    full, n = values.mean(), len(values)
    bound = bias_bound([n, round(n * (1 - missing))], [0.5, 0.5])
    assert bound.missing_share == pytest.approx(missing, rel=1e-3)
    assert bound.variant == 1
    for kept in (
        values[: round(n * (1 - missing))],
        values[-round(n * (1 - missing)) :],
        rng.choice(values, round(n * (1 - missing))),
    ):
        assert abs(kept.mean() - full) / values.std() <= bound.in_sd + 0.02
    two_point = np.r_[np.zeros(round(n * (1 - missing))), np.ones(n - round(n * (1 - missing)))]
    worst = abs(0.0 - two_point.mean()) / two_point.std()
    assert worst == pytest.approx(bound.in_sd, rel=1e-3)


def test_bias_bound_of_a_proportion():
    found = bias_bound([1000, 900], [0.5, 0.5], rate=0.2)
    # 100 units are missing; were they all converted, the rate would be (180 + 100) / 1000, 0.08 above what is seen
    assert found.of_share == pytest.approx(0.1 * 0.8)
    assert abs((180 + 100) / 1000 - 0.2) == pytest.approx(found.of_share)


def test_bias_bound_without_units_or_with_none_in_a_variant():
    assert bias_bound([0, 0], [1, 1]).missing_share == 0.0
    assert bias_bound([0, 0], [1, 1], rate=0.1).of_share == 0.0
    lost = bias_bound([100, 0], [1, 1])
    assert lost.missing_share == 1.0
    assert math.isinf(lost.in_sd)
    assert lost.to_dict()["in_sd"] is None
    assert bias_bound([50, 100, 3], [1, 2, 0]).missing_share == pytest.approx(0.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: srm((-1, 2), (1, 1)),
        lambda: srm((1, 2), (1, 1, 1)),
        lambda: srm((1, 2), (1, 0)),
        lambda: srm((1, 2), (1, -1)),
        lambda: srm((1, 2), (1, math.nan)),
        lambda: srm((1, math.nan), (1, 1)),
        lambda: srm_anytime([[5, 5], [4, 6]], [1, 1], k=100.0),
        lambda: srm_anytime([[-5, 5]], [1, 1], k=100.0),
        lambda: srm_anytime([[5, 5]], [1, 1], k=0.0),
        lambda: bias_bound([1, 2], [1]),
    ],
)
def test_counts_and_weights_that_are_none_are_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def test_each_look_stands_for_itself(rng):
    """The p-values of several looks are the running minimum of those of each look alone; 1e-12."""
    looks = rng.multinomial(300, [0.3, 0.45, 0.25], 12).cumsum(axis=0)
    theta = [0.3, 0.4, 0.3]
    alone = [float(srm_anytime(row, theta, k=20.0)[0]) for row in looks]
    assert srm_anytime(looks, theta, k=20.0) == pytest.approx(np.minimum.accumulate(alone), rel=1e-12)


def test_a_day_without_units_changes_nothing():
    p = srm_anytime([[50, 60], [50, 60], [50, 61]], [1, 1], k=100.0)
    assert p[0] == p[1]


def test_results_as_dictionaries():
    assert srm((5, 6, 1), (1, 1, 0)).to_dict() == {
        "p_value": pytest.approx(0.7630246), "statistic": pytest.approx(1 / 11), "df": 1, "expected": [5.5, 5.5, 0.0],
        "misplaced": 1, "method": "chi2",
    }  # fmt: skip
    assert srm((1, 2), (1, 1)).to_dict()["statistic"] is None
    assert bias_bound([1000, 900], [0.5, 0.5], rate=0.2).to_dict() == {
        "missing_share": pytest.approx(0.1), "variant": 1, "in_sd": pytest.approx(1 / 3), "of_share": pytest.approx(0.08)
    }  # fmt: skip
    none = bias_bound([0, 0, 0], [0, 1, 1])
    assert none.to_dict() == {"missing_share": 0.0, "variant": 1, "in_sd": 0.0, "of_share": None}
    assert bias_bound([1, 0], [0.5, 0.5]).missing_share == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: srm((-1, 2), (1, 1)), "counts"),
        (lambda: srm((1, 2), (1, 0)), "weights"),
        (lambda: srm_anytime([[5, 5], [4, 6]], [1, 1], k=100.0), "cumulative"),
        (lambda: srm_anytime([[5, 5]], [1, 1], k=-1.0), "k is -1.0"),
    ],
)
def test_messages_name_what_is_wrong(call, words):
    with pytest.raises(StatsError, match=words):
        call()


@pytest.mark.parametrize("x", [0, 2, 4, 5, 10, 12])
@pytest.mark.parametrize("flip", [False, True])
def test_a_tiny_share_of_many_units_is_the_exact_binomial(x, flip):
    """Source: scipy.stats.binomtest; 1e-6. Four units are expected of 200,000: beyond the table of all outcomes."""
    n, p = 200_000, 2e-5
    counts, weights = (x, n - x), (p, 1 - p)
    found = srm(counts[::-1], weights[::-1]) if flip else srm(counts, weights)
    assert found.method == "exact"
    assert found.p_value == pytest.approx(scipy.stats.binomtest(x, n, p).pvalue, rel=1e-6)


def test_five_expected_units_are_enough_for_chi_square():
    assert srm((3, 7), (0.5, 0.5)).method == "chi2"
    assert srm((3, 6), (0.5, 0.5)).method == "exact"


@pytest.mark.parametrize("weights", [(0.5, math.nan), (0.5, math.inf), (2.0, -1.0), (0.0, 0.0)])
def test_one_bad_weight_is_enough_to_refuse(weights):
    for call in (
        lambda: srm((5, 5), weights),
        lambda: srm_anytime((5, 5), weights, k=100.0),
        lambda: bias_bound((5, 5), weights),
    ):
        with pytest.raises(StatsError, match="XPB-S01"):
            call()


def test_one_count_that_is_none_is_enough_to_refuse():
    for bad in (math.nan, math.inf, -1):
        with pytest.raises(StatsError, match="XPB-S01"):
            srm_anytime((5, bad), (0.5, 0.5), k=100.0)


def test_without_units_no_variant_lacks_any():
    found = bias_bound((0, 0, 0), (0.0, 0.5, 0.5))
    assert (found.missing_share, found.variant, found.in_sd) == (0.0, 1, 0.0)
