"""A/A calibration: the same values, re-randomised many times with no effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from xpbench.errors import HealthError, plain

KS_LIMIT = 1.63
"""Critical value of KS × sqrt(draws) at 1 % (Kolmogorov 1933)."""

BINS = 20


@dataclass(frozen=True, slots=True)
class RetroAA:
    """Result of re-randomising.

    Attributes:
        metric: Key of the metric, or "".
        draws: Re-randomisations.
        units: Units.
        alpha: Level.
        false_positive_rate: Share of draws with p < alpha.
        ks: Kolmogorov–Smirnov distance from uniform times sqrt(draws).
        ks_limit: Limit at 1 %.
        uniform: Whether ks stays below it; None where no draw gave a p-value.
        counts: Draws by p-value in twenty equal bins.
        mean_effect: Mean of the effects over the draws, in standard errors of one effect; near 0 as nothing happened.
    """

    metric: str
    draws: int
    units: int
    alpha: float
    false_positive_rate: float
    ks: float
    ks_limit: float
    uniform: bool | None
    counts: tuple[int, ...]
    mean_effect: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, with the bins' lower ends."""
        return {
            "metric": self.metric,
            "draws": self.draws,
            "units": self.units,
            "alpha": self.alpha,
            "false_positive_rate": self.false_positive_rate,
            "ks": self.ks,
            "ks_limit": self.ks_limit,
            "uniform": self.uniform,
            "bins": [round(i / BINS, 4) for i in range(BINS)],
            "counts": list(self.counts),
            "mean_effect": self.mean_effect,
        }


def retro_aa(
    values: ArrayLike,
    *,
    variant_shares: Sequence[float],
    seed: int,
    draws: int = 1000,
    alpha: float = 0.05,
    metric: str = "",
    progress: Callable[[int, int], bool] | None = None,
) -> RetroAA:
    """Uniformity of Welch's p-values over re-randomisations of these values.

    Each draw assigns every unit anew with the planned shares and compares the second variant with the first; nothing
    happened, so the p-values are uniform when the normal approximation holds for this metric at this size.

    Args:
        values: One finite value per unit, shape (n,); any winsorization already applied.
        variant_shares: Shares, control first; at least two, all above 0.
        seed: Seed of the generator, derived from the plan's digest by the caller.
        draws: Re-randomisations.
        alpha: Two-sided level.
        metric: Key of the metric, for the report.
        progress: Called with (done, draws); a false return stops early and keeps what is done.

    Raises:
        HealthError: `XPB-H04`, values or shares that can't be used.

    Source: statistics of A/A tests in Kohavi, Tang, Xu 2020, ch. 19; KS limit Kolmogorov 1933. The variance is that of Welch;
        checked against scipy.stats.ttest_ind on the same draws.
    """
    y = np.asarray(values, dtype=np.float64)
    shares = np.asarray(variant_shares, dtype=np.float64)
    if y.ndim != 1 or y.size < 4 or not np.isfinite(y).all():
        raise HealthError(
            "XPB-H04",
            name=plain("values"),
            value=f"array of shape {y.shape}",
            rule=plain("Re-randomising needs one finite value per unit, at least 4"),
            remedy=plain("Take out or replace missing values as the plan says"),
        )
    if shares.size < 2 or (shares <= 0).any():
        raise HealthError(
            "XPB-H04",
            name=plain("variant_shares"),
            value=str(shares.tolist()),
            rule=plain("Shares are above 0, control first, at least two"),
            remedy=plain("Leave variants without units out"),
        )
    rng = np.random.default_rng(seed)
    p_values = np.full(draws, np.nan)
    z_values = np.full(draws, np.nan)
    edges = np.cumsum(shares / shares.sum())
    y = y - y.mean()
    squares = y * y
    done = 0
    for i in range(draws):
        u = rng.random(y.size)
        control = u < edges[0]
        treated = (u >= edges[0]) & (u < edges[1]) if shares.size > 2 else ~control
        p_values[i], z_values[i] = _welch(y, squares, control, treated)
        done = i + 1
        if progress is not None and not progress(done, draws):
            break
    usable = p_values[:done][np.isfinite(p_values[:done])]
    if usable.size == 0:
        return RetroAA(metric, done, int(y.size), alpha, 0.0, 0.0, KS_LIMIT, None, (0,) * BINS, 0.0)
    ks = from_uniform(usable) * float(np.sqrt(usable.size))
    counts = np.histogram(usable, bins=BINS, range=(0.0, 1.0))[0]
    return RetroAA(
        metric=metric,
        draws=done,
        units=int(y.size),
        alpha=alpha,
        false_positive_rate=float((usable < alpha).mean()),
        ks=ks,
        ks_limit=KS_LIMIT,
        uniform=ks < KS_LIMIT,
        counts=tuple(int(c) for c in counts),
        mean_effect=float(np.nanmean(z_values[:done])),
    )


def retro_aa_all(
    values: Mapping[str, ArrayLike], *, variant_shares: Sequence[float], seed: int, draws: int = 1000, alpha: float = 0.05
) -> dict[str, Any]:
    """`retro_aa` for several metrics, in the shape that `HealthInputs.retro` takes: `{"metrics": [...]}`."""
    rows = [
        retro_aa(v, variant_shares=variant_shares, seed=seed + i, draws=draws, alpha=alpha, metric=k).to_dict()
        for i, (k, v) in enumerate(sorted(values.items()))
    ]
    return {"metrics": rows}


def from_uniform(p_values: NDArray[np.float64]) -> float:
    """Kolmogorov–Smirnov distance of p-values from the uniform distribution."""
    at, n = np.sort(p_values), p_values.size
    upto = np.arange(n + 1) / n
    return float(max((upto[1:] - at).max(), (at - upto[:-1]).max()))


def _welch(
    y: NDArray[np.float64], squares: NDArray[np.float64], control: NDArray[np.bool_], treated: NDArray[np.bool_]
) -> tuple[float, float]:
    """p-value and standardised effect of treated minus control."""
    nc, nt = int(control.sum()), int(treated.sum())
    if nc < 2 or nt < 2:
        return float("nan"), float("nan")
    sc, st = float(y @ control), float(y @ treated)
    mc, mt = sc / nc, st / nt
    vc = (float(squares @ control) - nc * mc * mc) / (nc - 1) / nc
    vt = (float(squares @ treated) - nt * mt * mt) / (nt - 1) / nt
    if vc + vt <= 0:
        return float("nan"), float("nan")
    z = (mt - mc) / np.sqrt(vc + vt)
    df = (vc + vt) ** 2 / (vc**2 / (nc - 1) + vt**2 / (nt - 1))
    return float(2.0 * stdtr(df, -abs(z))), float(z)
