"""Means per member where groups were assigned whole, against statsmodels and against closed forms; evidence of a fixed test."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm

from xpbench.errors import StatsError
from xpbench.stats.cuped import adjustment
from xpbench.stats.functionals import ClusterMean, RatioOfMeans
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import cluster_pair, groups_worth, pair_of, ratio_pair
from xpbench.stats.rest import fixed_evidence
from xpbench.verifier.pairs import cluster_mean, cuped, plain_pair


def groups(seed, count, low=2, high=30, covariate=False):
    """Rows of users, and the sums of their groups."""
    r = np.random.default_rng(seed)
    n = r.integers(low, high, count)
    of = np.repeat(np.arange(count), n)
    shift = r.normal(size=count)[of]
    y, x = 10 + shift + r.normal(size=len(of)), shift + r.normal(size=len(of))
    totals = [np.bincount(of, v) for v in ((y, np.ones(len(of)), x) if covariate else (y, np.ones(len(of))))]
    return of, y, n, Moments.of_values(*totals)


def cell(moments, columns=("total", "members")):
    return {"n": moments.n, "mean": moments.mean.tolist(), "cov": moments.cov.tolist(), "columns": list(columns)}


@pytest.mark.parametrize("count", [4, 15, 30, 200])
@pytest.mark.parametrize("seed", range(6))
def test_the_noise_is_statsmodels_cluster_robust_one(seed, count):
    (of_c, y_c, n_c, c), (of_t, y_t, n_t, t) = groups(seed, count), groups(seed + 100, count + 3)
    found = cluster_pair(c, t)
    by_hand = 0.0
    for of, y, n in ((of_c, y_c, n_c), (of_t, y_t, n_t)):
        cov = {"groups": of, "use_correction": False}
        robust = sm.OLS(y, np.ones(len(y))).fit(cov_type="cluster", cov_kwds=cov).bse[0] ** 2
        k = n.sum() ** 2 / (n**2).sum()
        by_hand += robust * k / (k - 1)
    assert found.se == pytest.approx(by_hand**0.5, rel=1e-9)
    assert found.effect == pytest.approx(y_t.mean() - y_c.mean(), rel=1e-12)


def test_groups_of_one_size_are_the_default_correction_of_statsmodels():
    of, y, _, c = groups(1, 20, 7, 8)
    _, _, _, t = groups(2, 20, 7, 8)
    robust = sm.OLS(y, np.ones(len(y))).fit(cov_type="cluster", cov_kwds={"groups": of})  # G / (G − 1)
    found = cluster_pair(c, t)
    assert found.vc == pytest.approx(robust.bse[0] ** 2, rel=1e-9)
    assert found == ratio_pair(c, t, num=0, den=1) or found.df == pytest.approx(ratio_pair(c, t, num=0, den=1).df, rel=1e-12)
    assert groups_worth(c, ClusterMean(0, 1)) == pytest.approx(20)


def test_unlike_sizes_are_worth_fewer_groups_and_less_is_claimed():
    sizes = np.array([1.0, 1, 1, 1, 1, 95])
    r = np.random.default_rng(0)
    c, t = (Moments.of_values(sizes * r.normal(5, 1, 6), sizes) for _ in range(2))
    assert groups_worth(c, ClusterMean(0, 1)) == pytest.approx(100**2 / (5 + 95**2))
    found, plain = cluster_pair(c, t), ratio_pair(c, t, num=0, den=1)
    assert found.se > plain.se
    assert found.df < plain.df


def test_one_group_with_all_members_says_nothing():
    c = Moments.of_values([5.0, 0.0, 0.0], [10.0, 0.0, 0.0])
    t = Moments.of_values([4.0, 3.0, 6.0], [3.0, 3.0, 3.0])
    for found in (cluster_pair(c, t), plain_pair(cell(c), cell(t), cluster_mean)):
        assert found.status != "ok"


@pytest.mark.parametrize("seed", range(20))
def test_engine_and_verifier_agree_with_and_without_a_covariate(seed):
    c, t = (groups(seed + k, 12 + seed, covariate=True)[3] for k in (0, 50))
    ours = adjustment(c, t, y=ClusterMean(0, 1), xs=[RatioOfMeans(2, 1)])
    theirs_plain = plain_pair(cell(c), cell(t), cluster_mean)
    plain = pair_of(c, t, subject=ClusterMean(0, 1))
    theirs, reduction = cuped(cell(c), cell(t), cluster_mean, [2], theirs_plain)
    for a, b in ((plain, theirs_plain), (ours.pair, theirs)):
        assert (a.mc, a.mt, a.vc, a.vt, a.cov, a.df) == pytest.approx((b.mc, b.mt, b.vc, b.vt, b.cov, b.df), rel=1e-9)
    assert ours.reduction == pytest.approx(reduction, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("t", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("z", [0.0, -1.3, 2.4])
def test_evidence_of_a_fixed_test_is_its_chance_under_the_null(z, t, alpha):
    q, score = norm.isf(alpha / 2), z * t**0.5
    chance = norm.sf(q, score, (1 - t) ** 0.5) + norm.cdf(-q, score, (1 - t) ** 0.5)
    assert fixed_evidence(z, t=t, alpha=alpha) == pytest.approx(chance / alpha, rel=1e-9)
    assert fixed_evidence(z, t=t, alpha=alpha) < 1 / alpha
    if t == 0.0:
        assert fixed_evidence(z, t=t, alpha=alpha) == pytest.approx(1.0)


def test_at_its_end_it_is_the_fixed_test():
    assert fixed_evidence(1.97, t=1.0, alpha=0.05) == 20.0
    assert fixed_evidence(-1.97, t=1.0, alpha=0.05) == 20.0
    assert fixed_evidence(1.95, t=1.0, alpha=0.05) == 0.0
    with pytest.raises(StatsError):
        fixed_evidence(1.0, t=1.2, alpha=0.05)
