"""The pivot: one statistic from which effect, lift, p-value and margin are all read.

For a null lift r the contrast mt − (1 + r) mc (with the sign of mc) has mean 0 and a known variance; for a null effect it is
mt − mc − null. Intervals are the nulls that the statistic does not reject at q, so interval and test can't disagree. All
functions take numbers or arrays alike.

Lift is effect / |mc|: for a control with a negative mean the sign of the lift is that of the effect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpbench.stats.moments import Floats


class Bounds(NamedTuple):
    """Fieller's set for the lift: lower and upper end, and whether it is an interval at all."""

    low: Floats
    high: Floats
    bounded: NDArray[np.bool_]


def z_effect(*, mc: ArrayLike, mt: ArrayLike, vc: ArrayLike, vt: ArrayLike, cov: ArrayLike, null: ArrayLike) -> Any:
    """Standardised contrast mt − mc − null."""
    c, t, cc, tt, ct, nil = (np.asarray(v, dtype=np.float64) for v in (mc, mt, vc, vt, cov, null))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return (t - c - nil) / np.sqrt(cc + tt - 2.0 * ct)


def z_lift(*, mc: ArrayLike, mt: ArrayLike, vc: ArrayLike, vt: ArrayLike, cov: ArrayLike, null: ArrayLike) -> Any:
    """Standardised contrast mt − mc − null |mc|, whose null is the relative change `null`."""
    c, t, cc, tt, ct, nil = (np.asarray(v, dtype=np.float64) for v in (mc, mt, vc, vt, cov, null))
    factor = 1.0 + nil * np.where(c < 0.0, -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return (t - factor * c) / np.sqrt(tt + factor**2 * cc - 2.0 * factor * ct)


def lift_bounds(*, mc: ArrayLike, mt: ArrayLike, vc: ArrayLike, vt: ArrayLike, cov: ArrayLike, q: ArrayLike) -> Bounds:
    """Fieller's interval for the lift.

    Args:
        mc: Means of the control.
        mt: Means of the treatment.
        vc: Variances of the means.
        vt: Variances of the means.
        cov: Their covariance.
        q: Critical multiplier of the design.

    Returns:
        Bounds; NaN and not bounded where the control can't be told from zero at q (g = q² vc / mc² >= 1).

    Source: Fieller 1954, "Some problems in interval estimation", eq. 4; Franz 2007 for the three cases.
    """
    c, t, cc, tt, ct, m = (np.asarray(v, dtype=np.float64) for v in (mc, mt, vc, vt, cov, q))
    sign = np.where(c < 0.0, -1.0, 1.0)
    c, t = np.abs(c), t * sign
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Everything in units of the control's mean: a = g, and the ends are those of the ratio minus 1, formed without
        # subtracting numbers that agree in their leading digits.
        lift = (t - c) / c
        g, h, k = m**2 * cc / c**2, m**2 * ct / c**2, m**2 * tt / c**2
        # roots of (1 − g) r² − 2 (lift + g − h) r + lift² − (k + g − 2 h) = 0 with ratio = 1 + r
        middle = lift + g - h
        constant = lift**2 - (k + g - 2.0 * h)
        bounded = (g < 1.0) & (c > 0.0) & np.isfinite(g)
        root = np.sqrt(np.maximum(middle**2 - (1.0 - g) * constant, 0.0))
        # the end that adds, and the other by Vieta: no cancellation
        far = middle + np.where(middle < 0.0, -1.0, 1.0) * root
        one = far / (1.0 - g)
        other = np.where(far == 0.0, 0.0, constant / np.where(far == 0.0, 1.0, far))
        low = np.where(bounded, np.minimum(one, other), np.nan)
        high = np.where(bounded, np.maximum(one, other), np.nan)
    # with a negative control ratio − 1 is minus the lift
    return Bounds(np.where(sign < 0, -high, low), np.where(sign < 0, -low, high), bounded)
