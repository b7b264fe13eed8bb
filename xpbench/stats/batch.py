"""Many comparisons at once: the same pairs, intervals and p-values as arrays over metrics × segments × variants.

One thousand metrics in fifty segments with three variants are 100,000 comparisons; as arrays they take a fraction of a
second. Every number is the same as that of the single functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from xpbench.stats.arguments import check_share
from xpbench.stats.fieller import lift_bounds
from xpbench.stats.functionals import ColumnMean, Functional, functional
from xpbench.stats.moments import Floats, MomentsBatch
from xpbench.stats.multipliers import Mixture, q_mixture
from xpbench.stats.pairs import CANCELLED, CONSTANT


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs as arrays of one shape; the fields of `Pair`.

    `status` holds the names of `status.Status`; where it is not `ok`, variances and degrees of freedom are NaN.
    """

    mc: Floats
    mt: Floats
    vc: Floats
    vt: Floats
    cov: Floats
    df: Floats
    n: Floats
    status: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Effect and lift with intervals and p-value, as arrays; NaN where there is no number."""

    effect: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    lift: Floats
    lift_low: Floats
    lift_high: Floats
    bounded: NDArray[np.bool_]
    p_value: Floats


def pairs_of(c: MomentsBatch, t: MomentsBatch, *, subject: int | Functional) -> Pairs:
    """Pairs of all cells, by the delta method.

    Args:
        c: Moments of the controls, any leading shape.
        t: Moments of the treatments; shapes broadcast, so that one control meets several treatments.
        subject: Column, ratio or formula; the same for all cells.
    """
    what = functional(subject)
    (mc, sc), (mt, st) = (_linearised(m, what) for m in (c, t))
    nc, nt = c.n, t.n
    mc, mt, sc, st, nc, nt = np.broadcast_arrays(mc, mt, sc, st, nc, nt)
    status = _status(mc, mt, sc, st, nc, nt)
    known = _finite(c) & _finite(t)
    status[(status == "not_finite") & known] = "zero_denominator"
    ok = status == "ok"
    with np.errstate(divide="ignore", invalid="ignore"):
        vc, vt = np.where(ok, sc / nc, np.nan), np.where(ok, st / nt, np.nan)
        df = 1.0 / ((vc / (vc + vt)) ** 2 / (nc - 1.0) + (vt / (vc + vt)) ** 2 / (nt - 1.0))
    return Pairs(mc, mt, vc, vt, np.where(ok, 0.0, np.nan), df, nc + nt, status)


def _linearised(m: MomentsBatch, what: Functional) -> tuple[Floats, Floats]:
    """Value and variance per unit."""
    value, gradient = what.at(m.mean)
    with np.errstate(invalid="ignore", over="ignore"):
        variance = np.einsum("...i,...ij,...j->...", gradient, m.cov, gradient, optimize=True)
        if isinstance(what, ColumnMean):  # one term, nothing cancels
            return value, np.maximum(variance, 0.0)
        size = np.abs(gradient)
        terms = np.einsum("...i,...ij,...j->...", size, np.abs(m.cov), size, optimize=True)
        return value, np.where(np.isfinite(variance) & (variance <= CANCELLED * terms), 0.0, variance)


def _finite(m: MomentsBatch) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(m.mean).all(axis=-1) & np.isfinite(m.cov).all(axis=(-1, -2)), dtype=np.bool_)


def _status(mc: Floats, mt: Floats, sc: Floats, st: Floats, nc: Floats, nt: Floats) -> NDArray[np.str_]:
    """Names as in `pairs.judge`; the last rule that fits wins."""
    with np.errstate(invalid="ignore", over="ignore"):
        flat_c, flat_t = sc <= (CONSTANT * mc) ** 2, st <= (CONSTANT * mt) ** 2
        same = np.abs(mc - mt) <= CONSTANT * np.maximum(np.abs(mc), np.abs(mt))
    status = np.full(mc.shape, "ok", dtype="<U16")
    status[flat_c | flat_t] = "separation"
    status[flat_c & flat_t & same] = "zero_variance"
    status[~(np.isfinite(mc) & np.isfinite(mt) & np.isfinite(sc) & np.isfinite(st))] = "not_finite"
    status[(nc < 2) | (nt < 2)] = "not_enough_units"
    return status


def q_fixed_batch(pairs: Pairs, *, alpha: float | Floats) -> Floats:
    """Student's two-sided critical value of each pair."""
    return np.asarray(-stdtrit(pairs.df, np.asarray(alpha) / 2.0), dtype=np.float64)


def results(pairs: Pairs, *, alpha: float, mixture: Mixture | None) -> Results:
    """Effects, lifts, intervals and p-values of all pairs.

    Args:
        pairs: From `pairs_of`.
        alpha: Two-sided level.
        mixture: The anytime-valid design; None for the fixed one.
    """
    check_share("alpha", alpha)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect = pairs.mt - pairs.mc
        variance = pairs.vc + pairs.vt - 2.0 * pairs.cov
        se = np.sqrt(variance)
        z = effect / se
        if mixture is None:
            q = q_fixed_batch(pairs, alpha=alpha)
            p_value = np.minimum(2.0 * stdtr(pairs.df, -np.abs(z)), 1.0)
        else:
            k = pairs.n * mixture.rho2 if mixture.rho2 is not None else (mixture.tau or np.nan) ** 2 / variance
            q = q_mixture(alpha, k)
            p_value = np.minimum(np.exp(0.5 * (np.log1p(k) - z * z * k / (1.0 + k))), 1.0)
        defined = (np.abs(pairs.mc) > CONSTANT * np.abs(pairs.mt)) & (pairs.mc != 0.0)
        lift = np.where(defined, effect / np.abs(pairs.mc), np.nan)
        low, high, bounded = lift_bounds(mc=pairs.mc, mt=pairs.mt, vc=pairs.vc, vt=pairs.vt, cov=pairs.cov, q=q)
    bounded = bounded & defined
    low, high = np.where(bounded, low, np.nan), np.where(bounded, high, np.nan)
    return Results(effect, se, effect - q * se, effect + q * se, lift, low, high, bounded, p_value)
