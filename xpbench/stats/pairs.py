"""Two estimates with their 2×2 covariance: the only thing that tests and intervals consume.

Every kind of metric ends here: a mean, a proportion (the mean of a 0/1 column), a ratio, clustered units (a ratio of
per-cluster sums), a formula, a quantile, and each of them after CUPED.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xpbench.stats.exact import quadratic
from xpbench.stats.functionals import ClusterMean, FormulaOfMeans, Functional, RatioOfMeans, functional
from xpbench.stats.moments import Floats, Moments
from xpbench.stats.status import EstimateStatus, reason

CONSTANT = 1e-12
"""A column whose standard deviation is below this share of its mean is constant: the rest is rounding."""
CANCELLED = 1e-12
"""A linearised variance below this share of the terms it is the sum of is zero: the rest is rounding."""

NO_BOUNDS = (
    "The noise of the quantile can't be read off the values around it: in a variant they are all the same (ties), or too few "
    "lie beyond the quantile."
)
"""Why a quantile has no interval."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Estimates of control and treatment, ready for any design.

    Attributes:
        mc: Estimate of the control, in metric units.
        mt: Estimate of the treatment.
        vc: Variance of `mc`.
        vt: Variance of `mt`.
        cov: Covariance of the two; not zero after CUPED.
        df: Degrees of freedom (Welch–Satterthwaite); infinite where the normal is used.
        n: Units in both variants together.
        status: `ok`, or why there is nothing to test.
        reason: The status as a sentence; for `ok` a remark, mostly empty.
    """

    mc: float
    mt: float
    vc: float
    vt: float
    cov: float
    df: float
    n: int
    status: EstimateStatus = "ok"
    reason: str = ""

    @property
    def effect(self) -> float:
        """Treatment minus control, in metric units."""
        return self.mt - self.mc

    @property
    def variance(self) -> float:
        """Variance of the effect."""
        return self.vc + self.vt - 2.0 * self.cov

    @property
    def se(self) -> float:
        """Standard error of the effect; NaN where the status is not `ok`."""
        return math.sqrt(self.variance) if self.status == "ok" and self.variance >= 0 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        out: dict[str, Any] = {
            name: value if math.isfinite(value) else None
            for name, value in (
                ("mc", self.mc),
                ("mt", self.mt),
                ("vc", self.vc),
                ("vt", self.vt),
                ("cov", self.cov),
                ("df", self.df),
            )
        }
        return out | {"n": self.n, "status": self.status, "reason": self.reason}


def is_constant(mean: float, variance: float) -> bool:
    """Whether a variance is zero but for rounding at the size of its mean."""
    return variance <= (CONSTANT * mean) ** 2


def welch_df(vc: float, vt: float, *, df_c: float, df_t: float) -> float:
    """Welch–Satterthwaite degrees of freedom of vc + vt, each estimated with its own degrees of freedom.

    Source: Welch 1947, eq. 28 (Satterthwaite 1946).
    """
    total = vc + vt
    if total <= 0.0 or df_c <= 0.0 or df_t <= 0.0:
        return math.nan
    return 1.0 / ((vc / total) ** 2 / df_c + (vt / total) ** 2 / df_t)


def without_noise(pair: Pair, status: EstimateStatus) -> Pair:
    """The estimates of a pair under a status: nothing is said about their noise."""
    return replace(pair, vc=math.nan, vt=math.nan, cov=math.nan, df=math.nan, status=status, reason=reason(status))


def failed(c: Moments, t: Moments, status: EstimateStatus, *, mc: float = math.nan, mt: float = math.nan) -> Pair:
    """A pair that has a status instead of a variance; the estimates stay where they exist."""
    return Pair(mc, mt, math.nan, math.nan, math.nan, math.nan, c.n + t.n, status, reason(status))


def judge(c: Moments, t: Moments, *, mc: float, mt: float, sc: float, st: float) -> EstimateStatus:
    """The status of two estimates with per-unit variances sc and st."""
    if not all(math.isfinite(v) for v in (mc, mt, sc, st)):
        return "not_finite"
    flat = is_constant(mc, sc), is_constant(mt, st)
    if all(flat):
        return "zero_variance" if math.isclose(mc, mt, rel_tol=CONSTANT, abs_tol=0.0) else "separation"
    return "separation" if any(flat) else "ok"


def _per_unit(moments: Moments, gradient: Floats) -> float:
    """Variance per unit of the linearised value: gradient · covariance · gradient; zero where its terms cancel."""
    variance = quadratic(gradient, moments.cov, gradient)
    if not math.isfinite(variance):
        return variance
    return variance if variance > CANCELLED * quadratic(np.abs(gradient), np.abs(moments.cov), np.abs(gradient)) else 0.0


def groups_worth(moments: Moments, what: Functional) -> float:
    """Number of equally large groups that groups of unlike sizes are worth; n for everything but a mean over groups.

    Source: Kish 1965, (Σ m)² / Σ m² for m members, from mean and variance of m.
    """
    if not isinstance(what, ClusterMean) or moments.n < 2:
        return float(moments.n)
    mean, spread = float(moments.mean[what.den]), float(moments.cov[what.den, what.den])
    total = mean * mean + spread * (moments.n - 1) / moments.n
    return moments.n * mean * mean / total if total > 0.0 else math.nan


def small_groups(moments: Moments, what: Functional) -> float:
    """Factor on the variance for few groups: from n / (n − 1), which moments have, to k / (k − 1), k = `groups_worth`."""
    if not isinstance(what, ClusterMean):
        return 1.0
    k, n = groups_worth(moments, what), moments.n
    return k / (k - 1.0) * (n - 1) / n if k > 1.0 + CONSTANT else math.nan


def pair_of(c: Moments, t: Moments, *, subject: int | Functional) -> Pair:
    """Pair of any column, ratio or formula, by the delta method.

    Args:
        c: Moments of the control, n >= 2.
        t: Moments of the treatment, the same columns.
        subject: Index of a column, or a functional.

    Returns:
        The pair, with a status where there is nothing to test.

    Assumptions: units are independent; the means are near normal (n large or values mild).
    Source: variance = gradient' Cov gradient / n; Deng, Knoblich, Lu 2018; degrees of freedom Welch 1947.
    """
    if c.n < 1 or t.n < 1:
        return failed(c, t, "not_enough_units")
    what = functional(subject)
    (mc, gc), (mt, gt) = what.at(c.mean), what.at(t.mean)
    if c.n < 2 or t.n < 2:
        return failed(c, t, "not_enough_units", mc=float(mc), mt=float(mt))
    sc, st = _per_unit(c, gc), _per_unit(t, gt)
    status = judge(c, t, mc=float(mc), mt=float(mt), sc=sc, st=st)
    if status == "not_finite" and all(np.isfinite(m.mean).all() and np.isfinite(m.cov).all() for m in (c, t)):
        status = "zero_denominator"  # the columns are in order, so it is the ratio or formula that does not exist
    if status != "ok":
        return failed(c, t, status, mc=float(mc), mt=float(mt))
    vc, vt = sc / c.n * small_groups(c, what), st / t.n * small_groups(t, what)
    if math.isnan(vc + vt):  # one group holds all members
        return failed(c, t, "not_enough_units", mc=float(mc), mt=float(mt))
    df = welch_df(vc, vt, df_c=groups_worth(c, what) - 1, df_t=groups_worth(t, what) - 1)
    return Pair(float(mc), float(mt), vc, vt, 0.0, df, c.n + t.n)


def cluster_pair(c: Moments, t: Moments, *, num: int = 0, den: int = 1) -> Pair:
    """Means per member where whole groups were assigned: companies, and the users inside of them.

    Args:
        c: Moments of the control, one row per group: the sum over its members, and their number.
        t: Moments of the treatment.
        num: Position of the sums.
        den: Position of the numbers of members.

    Returns:
        The pair; n counts groups. The variance is the cluster-robust one (CR0) times k / (k − 1), with Welch's degrees of
        freedom on k − 1, where k = (Σ m)² / Σ m² groups of equal size are worth as much as these of m members.

    Source: Liang and Zeger 1986 (CR0, equal to the delta method of Deng, Knoblich, Lu 2018 §3); Kish 1965. Checked against
        statsmodels' cluster-robust OLS.
    """
    return pair_of(c, t, subject=ClusterMean(num, den))


def borrowed(c: Moments, t: Moments, *, subject: int | Functional) -> Pair:
    """The pair with noise for a variant whose units all have the same value: it is taken to vary as the other one does.

    Where neither varies and the values differ, the noise is that of all units put together, as under the null that the
    variants are the same. Every other status stays as it is.

    Args:
        c: Moments of the control.
        t: Moments of the treatment, the same columns.
        subject: Index of a column, or a functional.

    Returns:
        The pair of `pair_of`, with status `ok` and the reason of `separation` where noise was taken over. Degrees of freedom
        are those of the variant that varies.

    Assumptions: a constant variant varies no more than the other one, so that the interval is too wide, never too narrow.
        If k units differ from the constant value, z² is at most k n_t / N, and the exact permutation p-value at most
        (n_c / N)^k, which is below the normal one at every level up to 0.1.
    """
    pair = pair_of(c, t, subject=subject)
    if pair.status != "separation":
        return pair
    what = functional(subject)
    sc, st = (_per_unit(m, what.at(m.mean)[1]) for m in (c, t))
    flat_c, flat_t = is_constant(pair.mc, sc), is_constant(pair.mt, st)
    n = c.n + t.n
    if flat_c and flat_t:
        own, df = c.n * t.n / n * pair.effect**2 / (n - 1), n - 2
    else:
        own, df = (st, t.n - 1) if flat_c else (sc, c.n - 1)
    return Pair(pair.mc, pair.mt, own / c.n, own / t.n, 0.0, float(df), n, "ok", reason("separation"))


def mean_pair(c: Moments, t: Moments, *, col: int = 0) -> Pair:
    """Means of one column with Welch's degrees of freedom; a proportion is the mean of a 0/1 column.

    Args:
        c: Moments of the control, n >= 2, in metric units.
        t: Moments of the treatment.
        col: Position of the column.

    Source: Welch 1947. Checked against scipy.stats.ttest_ind.
    """
    return pair_of(c, t, subject=col)


def ratio_pair(c: Moments, t: Moments, *, num: int, den: int) -> Pair:
    """Ratio of the means of two columns, with their covariance; for clustered units as well.

    Clustered units (randomised by company, measured by user): one row per cluster, `num` the sum over its members and
    `den` their number. The variance then equals the cluster-robust one (CR0) times n / (n − 1), n counting clusters.

    Args:
        c: Moments of the control; unit = what was randomised.
        t: Moments of the treatment.
        num: Position of the numerator.
        den: Position of the denominator.

    Source: Deng, Knoblich, Lu 2018, eq. 2 and §3. Checked against statsmodels' cluster-robust OLS.
    """
    if c.n >= 1 and t.n >= 1 and (c.mean[den] == 0.0 or t.mean[den] == 0.0):
        return failed(c, t, "zero_denominator")
    return pair_of(c, t, subject=RatioOfMeans(num, den))


def formula_pair(c: Moments, t: Moments, *, expression: str, names: Sequence[str]) -> Pair:
    """Any arithmetic over the means of columns, with all covariances.

    Args:
        c: Moments of the control.
        t: Moments of the treatment.
        expression: Names, numbers, + - * / and parentheses.
        names: Names of the columns, in order; columns beyond them (covariates) are not named.

    Raises:
        StatsError: `XPB-S02`, the expression can't be read.

    Source: delta method, gradient' Cov gradient / n.
    """
    return pair_of(c, t, subject=FormulaOfMeans.of(expression, names=names))


def quantile_pair(c: Moments, t: Moments, *, col: int = 0) -> Pair:
    """Pair of two quantiles whose cells carry the estimate as mean and n × its variance as cov.

    The variance comes from order statistics (see `quantiles`), where the normal and not the t distribution applies, so
    the degrees of freedom are infinite. A cell without variance, from ties or from too few values, has a status.
    """
    pair = pair_of(c, t, subject=col)
    why = NO_BOUNDS if pair.status in ("zero_variance", "separation") else pair.reason
    return replace(pair, df=math.inf, reason=why)
