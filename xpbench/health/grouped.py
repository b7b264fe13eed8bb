"""A/A calibration in a fraction of a second, whatever the number of units: units with the same value are drawn together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from xpbench.health.retro import BINS, KS_LIMIT, RetroAA

Floats = NDArray[np.float64]

MOST_POINTS = 2048
"""Different values that are drawn exactly; of more, the extreme ones are, and the rest in small groups of neighbours."""

TAIL = 1024
FEW_VALUES = 10
LEAST_EVENTS = 400

CHUNK = 2_000_000


def retro_aa_grouped(
    values: ArrayLike,
    *,
    variant_shares: Sequence[float],
    seed: int,
    draws: int = 1000,
    alpha: float = 0.05,
    metric: str = "",
) -> RetroAA:
    """`retro_aa` by groups of equal values: of m units with one value, Binomial(m, share) go to the control.

    Exact up to 2,048 different values. Of more, the 1,024 furthest from the mean stay single and the others form 1,024
    groups of neighbours, each with its own mean and mean square: what is lost is the spread within a group, far below the
    noise of 1,000 draws. Ties among the p-values count by half (mid-distribution). Few events of one size (fewer than 400
    units off the usual value, at most ten values) give p-values in steps, which no test makes uniform: `uniform` is None then.

    Args:
        values: One finite value per unit, shape (n,), n >= 4.
        variant_shares: Shares, control first; the second variant is compared with it.
        seed: Of the generator.
        draws: Re-randomisations.
        alpha: Two-sided level.
        metric: Key, for the report.

    Source: as `retro_aa`; mid-distribution, Parzen 2004. Checked against `retro_aa` and scipy.stats.ttest_ind.
    """
    y = np.asarray(values, dtype=np.float64)
    points, squares, counts = groups_of(y - y.mean())
    shares = np.asarray(variant_shares, dtype=np.float64)
    shares = shares / shares.sum()
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones_like(points), points, squares])
    total = counts.astype(np.float64) @ columns
    p_values, z_values = [], []
    step = max(1, CHUNK // len(points))
    for start in range(0, draws, step):
        size = (min(step, draws - start), len(points))
        control = rng.binomial(counts, shares[0], size=size)
        first = control.astype(np.float64) @ columns
        second = total - first
        if len(shares) > 2:
            second = rng.binomial(counts - control, shares[1] / (1.0 - shares[0])).astype(np.float64) @ columns
        p, z = _welch(first, second)
        p_values.append(p)
        z_values.append(z)
    p, z = np.concatenate(p_values), np.concatenate(z_values)
    usable = p[np.isfinite(p)]
    if usable.size == 0 or (len(counts) <= FEW_VALUES and counts.sum() - counts.max() < LEAST_EVENTS):
        return RetroAA(metric, draws, int(y.size), alpha, 0.0, 0.0, KS_LIMIT, None, (0,) * BINS, 0.0)
    ks = distance(usable) * float(np.sqrt(usable.size))
    return RetroAA(
        metric,
        draws,
        int(y.size),
        alpha,
        float((usable < alpha).mean()),
        ks,
        KS_LIMIT,
        ks < KS_LIMIT,
        tuple(int(c) for c in np.histogram(usable, bins=BINS, range=(0.0, 1.0))[0]),
        float(np.nanmean(z)),
    )


def groups_of(y: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean, mean square and number of units of each group, from the lowest value to the highest."""
    y = np.sort(y)
    first = np.flatnonzero(np.concatenate([[True], y[1:] != y[:-1]]))
    if len(first) <= MOST_POINTS:
        points = y[first]
        return points, points * points, np.diff(np.append(first, len(y)))
    ends = np.concatenate([y[:TAIL], y[-TAIL:]])  # the furthest stand at the ends, and there are more than 2 · TAIL values
    furthest = np.argsort(np.abs(ends), kind="stable")[-TAIL:]
    tail, low = ends[furthest], int((furthest < TAIL).sum())
    body = y[low : len(y) - (TAIL - low)]
    edges = np.linspace(0, len(body), MOST_POINTS - TAIL + 1).astype(np.int64)
    sizes = np.diff(edges)
    starts, sizes = edges[:-1][sizes > 0], sizes[sizes > 0]
    means = np.add.reduceat(body, starts) / sizes
    squares = np.add.reduceat(body * body, starts) / sizes
    ones = np.ones(len(tail), dtype=np.int64)
    return np.concatenate([means, tail]), np.concatenate([squares, tail * tail]), np.concatenate([sizes, ones])


def distance(p_values: Floats) -> float:
    """Kolmogorov–Smirnov distance of the mid-distribution from uniform."""
    at, counts = np.unique(p_values, return_counts=True)
    upto = np.cumsum(counts) / p_values.size
    middle = upto - counts / (2.0 * p_values.size)
    return float(np.abs(middle - at).max())


def _welch(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Welch's p-values and standardised effects of many draws: columns n, sum and sum of squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means, spreads, sizes = [], [], []
        for part in (first, second):
            n = part[:, 0]
            mean = part[:, 1] / n
            means.append(mean)
            spreads.append((part[:, 2] - n * mean * mean) / (n - 1.0) / n)
            sizes.append(n)
        (vc, vt), (nc, nt) = spreads, sizes
        z = (means[1] - means[0]) / np.sqrt(vc + vt)
        df = (vc + vt) ** 2 / (vc**2 / (nc - 1.0) + vt**2 / (nt - 1.0))
        z[(vc + vt <= 0) | (nc < 2) | (nt < 2)] = np.nan
        p = 2.0 * np.asarray(stdtr(df, -np.abs(z)), dtype=np.float64)
    return p, z
