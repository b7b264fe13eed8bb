"""CUPED: the part of the difference that covariates predicted is taken out, for means, ratios and formulas alike.

The slope minimises the variance of the *difference*: it comes from S = Cov_c / n_c + Cov_t / n_t, the sampling covariance of
the difference of means, and not from stacked rows. It is therefore optimal under unequal splits and unequal slopes and needs
moments only. Covariates must be known before the exposure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xpbench.stats.exact import dot, eigen, quadratic
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.moments import Floats, Moments
from xpbench.stats.pairs import Pair, failed, groups_worth, is_constant, pair_of, small_groups, welch_df

COLLINEAR = 1e-10
"""Directions of the covariates' correlation matrix below this share of the largest are dropped as collinear."""
FORETOLD = 1e-12
"""Share of the variance left below which the covariates predict the metric and nothing is left to test."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What CUPED did.

    Attributes:
        pair: The adjusted pair.
        unadjusted: The pair without covariates.
        theta: Slope for each covariate, 0 for those left out.
        used: Number of independent covariates that took part.
        reduction: Share of the variance of the effect that is gone, in [0, 1]; NaN where the pair has a status.
    """

    pair: Pair
    unadjusted: Pair
    theta: tuple[float, ...]
    used: int
    reduction: float


def _joint(moments: Moments, subjects: Sequence[Functional]) -> tuple[Floats, Floats]:
    """Values of the subjects and the covariance of their means."""
    parts = [s.at(moments.mean) for s in subjects]
    gradients = [gradient for _, gradient in parts]
    factor = small_groups(moments, subjects[0])
    cov = [[quadratic(a, moments.cov, b) / moments.n * factor for b in gradients] for a in gradients]
    return np.array([float(value) for value, _ in parts]), np.array(cov)


def _slope(s: Floats, varies: Floats) -> tuple[Floats, int]:
    """Slopes Sxx^-1 Sxy on the scale of correlations; collinear directions carry no weight."""
    theta = np.zeros(len(s) - 1)
    kept = np.flatnonzero(varies)
    if not len(kept):
        return theta, 0
    sxx, sxy = s[1:, 1:][np.ix_(kept, kept)], s[1:, 0][kept]
    scale = np.sqrt(np.diag(sxx))
    values, vectors = eigen(sxx / np.outer(scale, scale))
    strong = values > COLLINEAR * values[-1]
    rotated = [dot(column, sxy / scale) / value for column, value in zip(vectors.T[strong], values[strong], strict=True)]
    theta[kept] = [dot(row, rotated) for row in vectors[:, strong]] / scale
    return theta, int(strong.sum())


def adjustment(c: Moments, t: Moments, *, y: int | Functional, xs: Sequence[int | Functional]) -> Adjustment:
    """The adjusted pair together with slopes and the share of variance removed.

    Args:
        c: Moments of the control over all columns, metric and covariates.
        t: Moments of the treatment.
        y: The metric: index of a column, or a functional such as `Ratio(0, 1)`.
        xs: The covariates, likewise. For units without history give two columns, value × seen and seen, not a bare
            zero: the zero alone is a wrong statement about them (it costs precision, not validity).

    Returns:
        The adjustment; constant and collinear covariates are left out.

    Assumptions: covariates are not touched by the treatment (measured before the exposure). Enough units for a slope:
        n above about 20 in each variant.
    Source: Deng, Xu, Kohavi, Walker 2013 (WSDM), eq. 4–6; multi-covariate and unequal slopes as in Lin 2013. Adjusted means
        mc + w_t θ'(x̄_t − x̄_c) and mt − w_c θ'(x̄_t − x̄_c), with w a variant's share of the units of both, and their
        covariance, which the lift needs.
    """
    plain_pair = pair_of(c, t, subject=y)
    zeros = (0.0,) * len(xs)
    if plain_pair.status != "ok" or not xs:
        return Adjustment(plain_pair, plain_pair, zeros, 0, 0.0 if plain_pair.status == "ok" else math.nan)
    subjects = [functional(y), *(functional(x) for x in xs)]
    (at_c, cov_c), (at_t, cov_t) = _joint(c, subjects), _joint(t, subjects)
    s = cov_c + cov_t
    if not (np.isfinite(s).all() and np.isfinite(at_c).all() and np.isfinite(at_t).all()):
        return Adjustment(failed(c, t, "not_finite", mc=plain_pair.mc, mt=plain_pair.mt), plain_pair, zeros, 0, math.nan)
    # A covariate is constant when neither variant varies in it beyond rounding.
    varies = np.array(
        [
            not (is_constant(at_c[i], cov_c[i, i] * c.n) and is_constant(at_t[i], cov_t[i, i] * t.n))
            for i in range(1, len(subjects))
        ]
    )
    theta, used = _slope(s, varies)
    worth = groups_worth(c, subjects[0]), groups_worth(t, subjects[0])
    if min(worth) <= used + 1:
        short = failed(c, t, "not_enough_units", mc=plain_pair.mc, mt=plain_pair.mt)
        return Adjustment(short, plain_pair, zeros, used, math.nan)
    free = worth[0] - 1 - used, worth[1] - 1 - used
    adjusted = _adjusted(c, t, at=(at_c, at_t), cov=(cov_c, cov_t), theta=theta, free=free)
    reduction = min(max(1.0 - adjusted.variance / plain_pair.variance, 0.0), 1.0)
    if adjusted.variance <= FORETOLD * plain_pair.variance:
        status = failed(c, t, "zero_variance", mc=adjusted.mc, mt=adjusted.mt)
        reason = "The covariates predict the metric exactly, so no noise is left to judge a difference by."
        return Adjustment(replace(status, reason=reason), plain_pair, tuple(theta), used, 1.0)
    return Adjustment(adjusted, plain_pair, tuple(float(v) for v in theta), used, reduction)


def _adjusted(
    c: Moments,
    t: Moments,
    *,
    at: tuple[Floats, Floats],
    cov: tuple[Floats, Floats],
    theta: Floats,
    free: tuple[float, float],
) -> Pair:
    (at_c, at_t), (cov_c, cov_t) = at, cov
    wt = t.n / (c.n + t.n)
    wc = 1.0 - wt
    gap = dot(theta, at_t[1:] - at_c[1:])
    with_c, with_t = dot(theta, cov_c[1:, 0]), dot(theta, cov_t[1:, 0])
    of_x = quadratic(theta, (cov_c + cov_t)[1:, 1:], theta)
    own_c = cov_c[0, 0] - 2.0 * with_c + quadratic(theta, cov_c[1:, 1:], theta)
    own_t = cov_t[0, 0] - 2.0 * with_t + quadratic(theta, cov_t[1:, 1:], theta)
    df = welch_df(max(float(own_c), 0.0), max(float(own_t), 0.0), df_c=free[0], df_t=free[1])
    return Pair(
        mc=float(at_c[0]) + wt * gap,
        mt=float(at_t[0]) - wc * gap,
        vc=float(cov_c[0, 0]) - 2.0 * wt * with_c + wt**2 * of_x,
        vt=float(cov_t[0, 0]) - 2.0 * wc * with_t + wc**2 * of_x,
        cov=wc * with_c + wt * with_t - wc * wt * of_x,
        df=df,
        n=c.n + t.n,
    )


def adjust(c: Moments, t: Moments, *, y: int | Functional, xs: Sequence[int | Functional]) -> Pair:
    """The pair after CUPED, with the covariance that the lift needs.

    See `adjustment` for arguments, assumptions and source.
    """
    return adjustment(c, t, y=y, xs=xs).pair
