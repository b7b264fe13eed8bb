"""CUPED for many comparisons at once: the arrays' form of `cuped`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xpbench.stats.batch import Pairs, pairs_of
from xpbench.stats.cuped import COLLINEAR, FORETOLD
from xpbench.stats.functionals import Functional, functional
from xpbench.stats.moments import Floats, MomentsBatch
from xpbench.stats.pairs import CONSTANT


def _joint(m: MomentsBatch, subjects: Sequence[Functional]) -> tuple[Floats, Floats]:
    """Values (..., s) and covariances of their means (..., s, s)."""
    parts = [s.at(m.mean) for s in subjects]
    gradients = np.stack([gradient for _, gradient in parts], axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        cov = np.einsum("...si,...ij,...tj->...st", gradients, m.cov, gradients, optimize=True) / m.n[..., None, None]
    return np.stack([value for value, _ in parts], axis=-1), cov


def _slopes(s: Floats, varies: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Slopes (..., p) and the number of independent covariates, as in `cuped`."""
    sxx, sxy = s[..., 1:, 1:], s[..., 1:, 0]
    scale = np.where(varies, np.sqrt(np.where(varies, np.diagonal(sxx, axis1=-2, axis2=-1), 1.0)), 1.0)
    both = varies[..., :, None] & varies[..., None, :]
    correlation = np.where(both, sxx / (scale[..., :, None] * scale[..., None, :]), 0.0)
    values, vectors = np.linalg.eigh(correlation)
    strong = values > COLLINEAR * np.maximum(values[..., -1:], 1e-300)
    rotated = np.einsum("...ij,...i->...j", vectors, np.where(varies, sxy / scale, 0.0))
    weight = np.where(strong, rotated / np.where(strong, values, 1.0), 0.0)
    return np.einsum("...ij,...j->...i", vectors, weight) / scale, (strong & (values > 0.0)).sum(axis=-1)


def adjusted_pairs(c: MomentsBatch, t: MomentsBatch, *, y: int | Functional, xs: Sequence[int | Functional]) -> Pairs:
    """Pairs after CUPED for all cells; the numbers of `cuped.adjust`.

    Args:
        c: Moments of the controls over metric and covariates.
        t: Moments of the treatments; the same shape.
        y: The metric.
        xs: The covariates, at least one.
    """
    plain = pairs_of(c, t, subject=y)
    subjects = [functional(y), *(functional(x) for x in xs)]
    (at_c, cov_c), (at_t, cov_t) = _joint(c, subjects), _joint(t, subjects)
    s = cov_c + cov_t
    usable = (plain.status == "ok") & np.isfinite(s).all(axis=(-1, -2)) & np.isfinite(at_c).all(axis=-1)
    usable &= np.isfinite(at_t).all(axis=-1)
    s = np.where(usable[..., None, None], s, np.eye(len(subjects)))
    at_c, at_t = np.where(usable[..., None], at_c, 0.0), np.where(usable[..., None], at_t, 0.0)
    cov_c, cov_t = (np.where(usable[..., None, None], v, np.eye(len(subjects))) for v in (cov_c, cov_t))
    flat = [np.diagonal(v, axis1=-2, axis2=-1) * m.n[..., None] <= (CONSTANT * a) ** 2 for v, m, a in
            ((cov_c, c, at_c), (cov_t, t, at_t))]  # fmt: skip
    theta, used = _slopes(s, ~(flat[0] & flat[1])[..., 1:])
    wt = np.where(usable, t.n / np.maximum(c.n + t.n, 1.0), 0.5)
    wc = 1.0 - wt
    gap = ((at_t - at_c)[..., 1:] * theta).sum(axis=-1)
    with_c, with_t = ((v[..., 1:, 0] * theta).sum(axis=-1) for v in (cov_c, cov_t))
    own_x = [np.einsum("...i,...ij,...j->...", theta, v[..., 1:, 1:], theta) for v in (cov_c, cov_t)]
    of_x = own_x[0] + own_x[1]
    own_c = np.maximum(cov_c[..., 0, 0] - 2.0 * with_c + own_x[0], 0.0)
    own_t = np.maximum(cov_t[..., 0, 0] - 2.0 * with_t + own_x[1], 0.0)
    vc = cov_c[..., 0, 0] - 2.0 * wt * with_c + wt**2 * of_x
    vt = cov_t[..., 0, 0] - 2.0 * wc * with_t + wc**2 * of_x
    cov = wc * with_c + wt * with_t - wc * wt * of_x
    with np.errstate(divide="ignore", invalid="ignore"):
        total = own_c + own_t
        df = 1.0 / ((own_c / total) ** 2 / (c.n - 1.0 - used) + (own_t / total) ** 2 / (t.n - 1.0 - used))
        foretold = (vc + vt - 2.0 * cov) / (plain.vc + plain.vt) <= FORETOLD
    short = usable & (np.minimum(c.n, t.n) <= used + 1)
    status = plain.status.copy()
    status[usable & foretold] = "zero_variance"
    status[short] = "not_enough_units"
    usable &= ~short
    status[(plain.status == "ok") & ~usable & ~short] = "not_finite"
    ok = status == "ok"
    mc, mt = np.where(usable, at_c[..., 0] + wt * gap, plain.mc), np.where(usable, at_t[..., 0] - wc * gap, plain.mt)
    vc, vt, cov, df = (np.where(ok, v, np.nan) for v in (vc, vt, cov, df))
    return Pairs(mc, mt, vc, vt, cov, df, plain.n, status)
