"""Quantiles: which order statistics bound them, and the variance that follows, also for clustered values.

The data engine finds the values at the ranks given here; statistics get the estimate as a mean and n × its variance as
covariance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, ndtri

from xpbench.stats.arguments import check_positive, check_share, refuse
from xpbench.stats.moments import Moments


class Ranks(NamedTuple):
    """Ranks (from 1) of the order statistics at the lower end, the estimate and the upper end."""

    low: int
    estimate: int
    high: int


def share_variance(q: float, *, n: int, clusters: Moments | None = None) -> float:
    """Variance of the share of values at or below the q-quantile.

    Args:
        q: The quantile, in (0, 1).
        n: Values.
        clusters: Where units have several values each: moments over units of (values at or below the quantile, values).

    Returns:
        q (1 − q) / n for independent values; for clusters the delta-method variance of the ratio.

    Raises:
        StatsError: `XPB-S01`.

    Source: Deng, Knoblich, Lu 2018, §4.2.
    """
    check_share("q", q)
    if clusters is None:
        return q * (1.0 - q) / check_positive("n", n)
    if clusters.k != 2 or clusters.n < 2 or clusters.mean[1] <= 0.0:
        raise refuse("clusters", clusters.to_dict(), "clusters are moments of two columns over at least 2 units, with values")
    ratio = float(clusters.mean[0] / clusters.mean[1])
    gradient = np.array([1.0, -ratio]) / float(clusters.mean[1])
    # all values on one side give 0, which rounding may put below
    return max(0.0, float(gradient @ clusters.cov @ gradient)) / clusters.n


def ranks(q: float, *, n: int, alpha: float, clusters: Moments | None = None) -> Ranks | None:
    """Ranks of the order statistics around the q-quantile from which its variance is read.

    They lie nearest to n (q ± z sd of the share), not outside of it, so that the variance is not inflated by rounding. For an
    interval of independent values with a guaranteed coverage see `exact_ranks`.

    Args:
        q: The quantile, in (0, 1).
        n: Values.
        alpha: Two-sided level; 0.05 is usual.
        clusters: See `share_variance`.

    Returns:
        The ranks; None where one of them would lie beyond the first or last value, q ± z sd outside of [0, 1]. The spread up
        to there is no estimate of the noise: a test that used it would reject far too often (the 99th percentile of 50
        values: every second time).

    Source: Deng, Knoblich, Lu 2018, §4.2.
    """
    z = -float(ndtri(check_share("alpha", alpha) / 2.0))
    half = z * math.sqrt(share_variance(q, n=n, clusters=clusters))
    at = estimate_rank(q, n=n)
    low, high = math.floor(n * (q - half) + 0.5), math.floor(n * (q + half) + 0.5)
    low, high = min(low, at), max(high, at)
    beyond = q - half < 0.0 or q + half > 1.0 or low < 1 or high > n
    return None if beyond else Ranks(low, at, high)


def estimate_rank(q: float, *, n: int) -> int:
    """Rank (from 1) of the sample quantile: the smallest value with a share of at least q at or below it."""
    return min(max(math.ceil(round(n * check_share("q", q), 9)), 1), n)


def exact_ranks(q: float, *, n: int, alpha: float) -> Ranks | None:
    """Ranks whose interval covers the q-quantile of independent values with probability at least 1 − alpha, by the binomial.

    Each tail keeps at most alpha / 2. None where n is too small for any.

    Source: Conover 1999, §3.2; Hahn and Meeker 1991, §5.2.
    """
    check_share("q", q)
    check_share("alpha", alpha)
    below = bdtr(np.arange(0, n + 1, dtype=np.float64), n, q)  # P(X <= k)
    # [x_(l), x_(u)] misses when fewer than l values (X <= l − 1) or at least u values (X >= u) lie at or below the quantile
    lower = np.flatnonzero(below <= alpha / 2.0)
    upper = np.flatnonzero(1.0 - below <= alpha / 2.0)
    if not lower.size or not upper.size or upper[0] + 1 > n:
        return None
    return Ranks(int(lower[-1]) + 1, estimate_rank(q, n=n), int(upper[0]) + 1)


def variance_from_bounds(low: float, high: float, *, alpha: float) -> float:
    """Variance of the quantile from the values at the bounds of its interval: ((high − low) / (2 z))².

    Args:
        low: Value at the lower rank.
        high: Value at the upper rank.
        alpha: The level the ranks were made for.

    Source: Deng, Knoblich, Lu 2018, §4.2 (outer confidence interval).
    """
    if high < low:
        raise refuse("high", high, f"high is not below low, which is {low}")
    return ((high - low) / (-2.0 * float(ndtri(check_share("alpha", alpha) / 2.0)))) ** 2


def quantile_moments(*, estimate: float, low: float, high: float, alpha: float, n: int) -> Moments:
    """Moments that carry a quantile: the estimate as mean, n × its variance as covariance.

    Args:
        estimate: Sample quantile.
        low: Value at the lower rank.
        high: Value at the upper rank.
        alpha: The level the ranks were made for.
        n: Units.
    """
    return Moments.of(n, [estimate], [[n * variance_from_bounds(low, high, alpha=alpha)]])
