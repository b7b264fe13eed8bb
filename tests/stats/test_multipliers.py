"""Multipliers against scipy, the published formula, and the inverted mSPRT."""

from __future__ import annotations

import decimal
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from xpbench.errors import StatsError
from xpbench.stats.inference import p_anytime
from xpbench.stats.multipliers import Mixture, q_anytime, q_fixed, q_mixture, q_one_sided, q_tau
from xpbench.stats.pairs import Pair


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.001])
@pytest.mark.parametrize("df", [1, 3.7, 30, 1e5, math.inf])
def test_q_fixed_is_student(alpha, df):
    """Source: scipy.stats.t and norm; 1e-10."""
    theirs = scipy.stats.norm.isf(alpha / 2) if math.isinf(df) else scipy.stats.t.isf(alpha / 2, df)
    assert q_fixed(alpha, df) == pytest.approx(theirs, rel=1e-10)
    assert q_one_sided(alpha / 2, df) == pytest.approx(theirs, rel=1e-10)


def test_q_fixed_without_degrees_of_freedom_is_nan():
    assert math.isnan(q_fixed(0.05, math.nan))


@pytest.mark.parametrize("n", [200, 5000, 80_000])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_q_anytime_is_the_published_formula(n, alpha):
    """Source: Waudby-Smith et al. 2021, eq. 9 and 155; 1e-12."""
    n_opt = 10_000
    r2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / n_opt
    theirs = math.sqrt((n * r2 + 1) / (n * r2) * (math.log(n * r2 + 1) - 2 * math.log(alpha)))
    assert q_anytime(alpha, n, n_opt) == pytest.approx(theirs, rel=1e-12)
    assert Mixture.optimal(alpha=alpha, n_opt=n_opt).rho2 == pytest.approx(r2, rel=1e-14)


@pytest.mark.parametrize("tau", [0.01, 0.1, 2.0])
def test_q_tau_is_mixpanels_cited_interval(tau):
    """Source: Zhao, Liu, Deng 2019, sqrt(V (V + τ²)/τ² · (−2 ln α − ln(V / (V + τ²)))); 1e-12."""
    se, alpha = 0.05, 0.05
    v = se * se
    theirs = math.sqrt(v * (v + tau**2) / tau**2 * (-2 * math.log(alpha) - math.log(v / (v + tau**2))))
    assert q_tau(alpha, se, tau) * se == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("k", [0.05, 1.0, 30.0])
def test_multiplier_is_where_p_crosses_alpha(k):
    """Source: root of the p-value by scipy.optimize.brentq; 1e-9."""
    mixture = Mixture.prior(tau=math.sqrt(k))

    def gap(z: float) -> float:
        return p_anytime(Pair(0.0, z, 0.5, 0.5, 0.0, math.inf, 100), mixture=mixture) - 0.05

    assert q_mixture(0.05, k) == pytest.approx(scipy.optimize.brentq(gap, 0.5, 20, xtol=1e-12), rel=1e-9)


def test_the_interval_is_narrowest_near_n_opt():
    """The published ρ² is the leading term of the exact optimum: the multiplier's own minimum lies within 10 % of the width."""
    n_opt = 10_000
    best = scipy.optimize.minimize_scalar(
        lambda log_r2: q_mixture(0.05, n_opt * math.exp(log_r2)), bounds=(-15, 0), method="bounded"
    ).fun
    assert q_anytime(0.05, n_opt, n_opt) == pytest.approx(best, rel=1e-3)


def test_both_ways_to_tune_meet():
    pair = Pair(1.0, 2.0, 0.002, 0.003, 0.0, math.inf, 4000)
    rho2 = 0.0007
    tau = math.sqrt(rho2 * 4000 * 0.005)
    assert Mixture(rho2=rho2).ratio(pair) == pytest.approx(Mixture.prior(tau=tau).ratio(pair))
    assert Mixture.prior(tau=tau).to_dict() == {"rho2": None, "tau": tau}


@pytest.mark.parametrize(
    "call",
    [
        Mixture,
        lambda: Mixture(rho2=1.0, tau=1.0),
        lambda: Mixture(tau=0.0),
        lambda: Mixture(rho2=-1.0),
        lambda: Mixture.optimal(alpha=1.0, n_opt=100),
        lambda: Mixture.optimal(alpha=0.05, n_opt=0),
        lambda: q_fixed(0.0, 10),
        lambda: q_fixed(1.0, 10),
        lambda: q_one_sided(0.0, 10),
        lambda: q_anytime(0.05, 0, 100),
        lambda: q_tau(0.05, 0.0, 1.0),
        lambda: q_tau(0.05, 1.0, math.inf),
    ],
)
def test_what_tunes_nothing_is_refused(call):
    with pytest.raises(StatsError, match="XPB-S01"):
        call()


def test_a_mixture_on_a_pair_without_variance_has_no_ratio():
    broken = Pair(1.0, 2.0, math.nan, math.nan, math.nan, math.nan, 10, "separation")
    assert math.isnan(Mixture.prior(tau=1.0).ratio(broken))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: q_tau(0.05, 0.0, 1.0), "se is 0.0"),
        (lambda: q_tau(0.05, 1.0, -2.0), "tau is -2.0"),
        (lambda: q_tau(0.0, 1.0, 1.0), "alpha is 0.0"),
        (lambda: q_anytime(0.05, 0, 100), "n is 0"),
        (lambda: Mixture.optimal(alpha=0.05, n_opt=-1), "n_opt is -1"),
        (lambda: Mixture(), "exactly one of rho2 and tau"),
    ],
)
def test_messages_name_what_is_wrong(call, words):
    with pytest.raises(StatsError, match=words):
        call()


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001])
def test_arrays_of_multipliers_are_the_published_formula(alpha):
    """Source: Waudby-Smith et al. 2021, eq. 9, in 40 digits; 1e-14."""
    ratios = [1e-6, 0.3, 1.0, 9.0, 4e5]
    with decimal.localcontext(prec=40):
        level = decimal.Decimal(alpha).ln()
        exact = [((1 + k) / k * ((1 + k).ln() - 2 * level)).sqrt() for k in map(decimal.Decimal, ratios)]
    theirs = [float(v) for v in exact]
    found = q_mixture(alpha, np.array(ratios))
    assert isinstance(found, np.ndarray)
    assert found == pytest.approx(theirs, rel=1e-14)
    assert q_mixture(np.full(5, alpha), np.array(ratios)) == pytest.approx(theirs, rel=1e-14)
    for k, expected in zip(ratios, theirs, strict=True):
        for one in (q_mixture(alpha, k), q_mixture(alpha, np.float64(k)), q_mixture(alpha, np.asarray(k))):
            assert type(one) is float
            assert one == pytest.approx(expected, rel=1e-14)


def test_multipliers_at_the_edge_reach_everywhere_or_are_nan():
    assert q_mixture(0.05, 0.0) == math.inf  # a mixture without width, or data without information
    assert q_mixture(0.0, 1.0) == math.inf
    assert math.isnan(q_mixture(0.05, -0.5))
    assert math.isnan(q_mixture(0.05, math.nan))
    assert q_mixture(0.05, np.array([0.0, 1.0])).tolist() == [math.inf, q_mixture(0.05, 1.0)]


def test_a_mixture_on_a_pair_whose_values_never_vary_has_no_ratio():
    still = Pair(1.0, 1.0, 0.0, 0.0, 0.0, math.inf, 10)
    assert math.isnan(Mixture.prior(tau=1.0).ratio(still))
    assert Mixture(rho2=0.5).ratio(still) == 5.0


def test_messages_name_what_tunes_a_mixture():
    with pytest.raises(StatsError, match=r"rho2 is -1"):
        Mixture(rho2=-1.0)
    with pytest.raises(StatsError, match=r"tau is -2"):
        Mixture(tau=-2.0)
