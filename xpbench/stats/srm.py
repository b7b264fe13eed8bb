"""Sample ratio mismatch: do the counts fit the planned split, once or at every look, and what harm could a misfit do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc, chdtrc, gammaln

from xpbench.stats.arguments import check_positive, refuse
from xpbench.stats.moments import Floats
from xpbench.stats.spending import CLOSEST, spending_bounds

SMALLEST_EXPECTED = 5.0
"""Expected units of a variant below which two variants are tested by the exact binomial instead of χ²."""


@dataclass(frozen=True, slots=True)
class Srm:
    """Result of a check of the sample ratio.

    Attributes:
        p_value: Small = the counts do not fit; NaN without units.
        statistic: χ², or NaN for the exact test.
        df: Degrees of freedom.
        expected: Expected units by variant.
        misplaced: Units in variants with a planned share of zero: always a fault, whatever p says.
        method: `chi2` or `exact`.
    """

    p_value: float
    statistic: float
    df: int
    expected: tuple[float, ...]
    misplaced: int
    method: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        return {
            "p_value": self.p_value if math.isfinite(self.p_value) else None,
            "statistic": self.statistic if math.isfinite(self.statistic) else None,
            "df": self.df,
            "expected": list(self.expected),
            "misplaced": self.misplaced,
            "method": self.method,
        }


def _shares(weights: Sequence[float], k: int) -> Floats:
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (k,) or not np.isfinite(shares).all() or (shares < 0).any() or (shares > 0).sum() < 2:
        raise refuse("weights", list(weights), f"weights are {k} shares, none negative, at least two above 0")
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def srm(counts: Sequence[int], weights: Sequence[float]) -> Srm:
    """χ² test of unit counts against the planned split.

    Args:
        counts: Units by variant, zeros allowed.
        weights: Planned split, in any scale; variants with weight 0 take no part, their units are `misplaced`.

    Returns:
        The test; for two variants with an expected count below 5 the exact two-sided binomial test.

    Raises:
        StatsError: `XPB-S01`, negative counts or weights that are no split.

    Source: Pearson 1900; Fabijan et al. 2019 for the use. Checked against scipy.stats.chisquare and binomtest.
    """
    n = np.asarray(counts, dtype=np.float64)
    if n.ndim != 1 or (n < 0).any() or not np.isfinite(n).all():
        raise refuse("counts", list(counts), "counts are units by variant, none negative")
    shares = _shares(weights, len(n))
    on = shares > 0
    total = float(n[on].sum())
    expected = shares * total
    misplaced, df = int(n[~on].sum()), int(on.sum()) - 1
    if total == 0.0:
        return Srm(math.nan, math.nan, df, tuple(expected.tolist()), misplaced, "chi2")
    if df == 1 and expected[on].min() < SMALLEST_EXPECTED:
        p = _binomial(int(n[on][0]), int(total), float(shares[on][0]))
        return Srm(p, math.nan, df, tuple(expected.tolist()), misplaced, "exact")
    statistic = float(((n[on] - expected[on]) ** 2 / expected[on]).sum())
    return Srm(float(chdtrc(df, statistic)), statistic, df, tuple(expected.tolist()), misplaced, "chi2")


def _binomial(x: int, n: int, p: float) -> float:
    """Two-sided exact binomial p-value: all outcomes at most as likely as the one seen."""
    k = np.arange(n + 1)
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    as_rare = log <= log[x] + 1e-7
    if n <= 100_000:
        return float(min(np.exp(log[as_rare]).sum(), 1.0))
    below = k[as_rare & (k < n * p)]
    above = k[as_rare & (k >= n * p)]
    low = float(bdtr(float(below.max()), n, p)) if below.size else 0.0
    high = float(bdtrc(float(above.min() - 1), n, p)) if above.size else 0.0
    return min(low + high, 1.0)


def srm_anytime(cumulative: ArrayLike, weights: Sequence[float], *, k: float, previous: float = 1.0) -> Floats:
    """Always-valid p-value of the split after each look: it may be watched daily without raising false alarms.

    Args:
        cumulative: Units so far, shape (looks, variants), or (variants,) for one look; never falling. The order of units
            within a look is irrelevant.
        weights: Planned split; variants with weight 0 take no part.
        k: Concentration of the Dirichlet prior; 100 finds small deviations in thousands of units.
        previous: Smallest p-value of earlier looks.

    Returns:
        The running minimum of 1 / Bayes factor, one for each look.

    Source: Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", eq. 7.
    """
    check_positive("k", k)
    n = np.atleast_2d(np.asarray(cumulative, dtype=np.float64))
    if (n < 0).any() or not np.isfinite(n).all() or (np.diff(n, axis=0) < 0).any():
        raise refuse("cumulative", n.tolist(), "counts are cumulative: not negative and never falling")
    shares = _shares(weights, n.shape[1])
    on = shares > 0
    n, theta = n[:, on], shares[on]
    a = k * theta
    prior = float(gammaln(a.sum()) - gammaln(a).sum())
    log_m = prior - gammaln(a.sum() + n.sum(axis=1)) + gammaln(a + n).sum(axis=1) - (n * np.log(theta)).sum(axis=1)
    large = (a + n).min(axis=1) >= _STIRLING
    log_m[large] = prior + _large(a, theta, n[large])
    return np.minimum.accumulate(np.minimum(np.exp(-np.maximum(log_m, 0.0)), previous))


MIXTURE_SHARE = 0.02
"""Share of the level that goes to the Dirichlet mixture, for faults that begin after the horizon."""
FULL_AT = 0.97
"""Share of the horizon's units at which all is spent: where units are lost, the planned number is never reached."""
_LEVELS = (1e-12, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5)


def srm_spending(
    cumulative: ArrayLike, weights: Sequence[float], *, progress: Sequence[float], levels: Sequence[float] = ()
) -> Floats:
    """p-value of the split after each look, valid over all looks together, with most of its power up to a known horizon.

    Each variant's count is a normal score under the planned split, tested group-sequentially with the error level spent as t³;
    over more than two variants by Bonferroni. A fiftieth of the level goes to the Dirichlet mixture of `srm_anytime`, which
    goes on finding faults after the horizon. A union of tests at shares of a level keeps the level.

    Args:
        cumulative: Units so far, shape (looks, variants); never falling.
        weights: Planned split; variants with weight 0 take no part.
        progress: Share of the horizon (days, or units) at each look; from 1 on everything is spent.
        levels: Levels at which the p-value must be exact to the last digits, such as those at which a check warns and fails;
            between them it is interpolated.

    Returns:
        The running minimum, one for each look.

    Assumptions: looks at which a variant expects fewer than 5 units are left out of its test.
    Source: Lan and DeMets 1983, Kim and DeMets 1987 (t³); Lan and DeMets 1989 for spending by the calendar while the covariance
        comes from the counts; Jennison and Turnbull 2000, ch. 19, for the recursion.
    """
    n = np.atleast_2d(np.asarray(cumulative, dtype=np.float64))
    shares = _shares(weights, n.shape[1])
    on = shares > 0
    concentration = max(100.0, 50.0 / float(shares[on].min()))
    mixture = srm_anytime(n, weights, k=concentration) / MIXTURE_SHARE
    n, theta = n[:, on], shares[on]
    total = n.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(n - total[:, None] * theta) / np.sqrt(total[:, None] * theta * (1.0 - theta))
    z[total[:, None] * np.minimum(theta, 1.0 - theta) < SMALLEST_EXPECTED] = 0.0
    far = z.max(axis=1)
    used = np.flatnonzero(np.diff(total, prepend=0.0) > CLOSEST * total[-1]) if total[-1] > 0 else np.zeros(0, dtype=np.intp)
    variants = 1 if int(on.sum()) == 2 else int(on.sum())
    p = np.ones(len(total))
    if used.size:
        share = (1.0 - MIXTURE_SHARE) / variants
        tried = sorted({*_LEVELS, *levels})
        spent_at = np.minimum(np.asarray(progress, dtype=np.float64)[used], 1.0) ** 3
        bounds = np.array([spending_bounds(a * share * spent_at, total[used] / total[used[-1]]) for a in tried])
        p[used] = [_smallest_level(far[i], bounds[:, j], tried) for j, i in enumerate(used)]
    return np.minimum.accumulate(np.minimum(np.minimum(p, mixture), 1.0))


def _smallest_level(z: float, bounds: Floats, levels: Sequence[float]) -> float:
    """The level at which a boundary is crossed, from the boundaries of increasing levels; 1 where none of them is."""
    crossed = np.flatnonzero(bounds <= z)
    if crossed.size == 0:
        return 1.0
    i = int(crossed[0])
    if i == 0 or not math.isfinite(bounds[i - 1]):
        return float(levels[i])
    share = (bounds[i - 1] ** 2 - z * z) / (bounds[i - 1] ** 2 - bounds[i] ** 2)
    return math.exp((1.0 - share) * math.log(levels[i - 1]) + share * math.log(levels[i]))


_STIRLING = 500.0


def _large(a: Floats, theta: Floats, n: Floats) -> Floats:
    """Σ ln Γ(a + n) − ln Γ(A + N) − Σ n ln θ for large counts, without the cancellation of terms of the size N ln N.

    By Stirling's series around the expected counts θ (A + N), from which each a + n differs by the share d.
    """
    total = a.sum() + n.sum(axis=1, keepdims=True)
    d = (n - theta * n.sum(axis=1, keepdims=True)) / (theta * total)
    rest = (theta * total * ((1.0 + d) * np.log1p(d) - d)).sum(axis=1) - 0.5 * np.log1p(d).sum(axis=1)
    size = total[:, 0]
    k = len(theta)
    ends = ((a - 0.5) * np.log(theta)).sum() + 0.5 * (1 - k) * np.log(size) + 0.5 * (k - 1) * math.log(2.0 * math.pi)

    def series(x: Floats) -> Floats:
        return np.asarray(1.0 / (12.0 * x) - 1.0 / (360.0 * x**3), dtype=np.float64)

    return np.asarray(rest + ends + series(a + n).sum(axis=1) - series(size), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BiasBound:
    """How much a mismatch could move a mean, in the worst case.

    Attributes:
        missing_share: Smallest share of a variant's units that must be missing (or doubled elsewhere) to explain the counts.
        variant: Position of the variant that lacks most.
        in_sd: Bound on the bias of that variant's mean in standard deviations of all its units, √(m / (1 − m)).
        of_share: Bound on the bias of a proportion at the rate given, or NaN.
    """

    missing_share: float
    variant: int
    in_sd: float
    of_share: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        return {
            "missing_share": self.missing_share,
            "variant": self.variant,
            "in_sd": self.in_sd if math.isfinite(self.in_sd) else None,
            "of_share": self.of_share if math.isfinite(self.of_share) else None,
        }


def bias_bound(counts: Sequence[int], weights: Sequence[float], *, rate: float | None = None) -> BiasBound:
    """Worst bias that the missing units could cause: severity of a mismatch, apart from its significance.

    The variant with the most units for its share is taken as complete; another variant then lacks the share
    m = 1 − (n_v / w_v) / max(n / w). However the missing m were chosen, the mean of those left moves by at most
    sd √(m / (1 − m)), and a proportion seen as `rate` by at most m · max(rate, 1 − rate).

    Args:
        counts: Units by variant.
        weights: Planned split.
        rate: Observed proportion of a 0/1 metric in that variant, for the sharper bound.

    Source: Cauchy–Schwarz for a subset of share 1 − m; Manski 1989 for bounded values.
    """
    n = np.asarray(counts, dtype=np.float64)
    shares = _shares(weights, len(n))
    on = np.flatnonzero(shares > 0)
    density = n[on] / shares[on]
    if density.max() <= 0:
        return BiasBound(0.0, int(on[0]), 0.0, math.nan if rate is None else 0.0)
    worst = int(np.argmin(density))
    missing = float(1.0 - density[worst] / density.max())
    in_sd = math.sqrt(missing / (1.0 - missing)) if missing < 1.0 else math.inf
    of_share = math.nan if rate is None else missing * max(rate, 1.0 - rate)
    return BiasBound(missing, int(on[worst]), in_sd, of_share)
