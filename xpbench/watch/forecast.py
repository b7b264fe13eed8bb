"""What a lift that fades or grows is worth in the long run: an interval that keeps its promise on decays, or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from xpbench.watch.estimators import HOLDBACK, SHIPPED
from xpbench.watch.series import Series

BLOCK_DAYS = 3
LEAST_BLOCKS = 5
LEVEL = 0.8
HORIZON_DAY = 84
TAUS = tuple(3.0 * 10.0 ** (i / 11) for i in range(12))
"""Time constants of the decay in days, 3 to 30, each as likely as the others before the data."""
WIDEST = 0.5
"""Widest interval that is shown, from end to end, in logarithms of the ratio."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiftForecast:
    """The lift that is left on a later day.

    Attributes:
        metric: Key of the metric.
        day: Days after shipping.
        level: Level of the interval.
        lift: Median.
        low: Lower end.
        high: Upper end.
    """

    metric: str
    day: int
    level: float
    lift: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def forecast_of(series: Series, *, day: int = HORIZON_DAY, level: float = LEVEL) -> LiftForecast | None:
    """The lift on a later day, where the lift so far allows one; None otherwise.

    Blocks of three days give the logarithm of the ratio of shipped units to the holdback, with its noise by the delta method.
    The ratio moves as a + b exp(-t / tau): it fades or grows towards a. With flat priors for a and b, and tau as likely at each
    of twelve values from 3 to 30 days, the forecast is a mixture of normals in closed form; its quantiles are the interval.

    Args:
        series: With the groups `holdback` and `shipped`, a variance on each day.
        day: Days after the first day of the series.
        level: Of the interval.

    Returns:
        None with fewer than five blocks, a mean that is not above zero, or an interval wider than one half.

    Assumptions: the ratio moves towards one value; a season that moves both groups alike drops out of it.
    Source: conditionally linear models, Golub and Pereyra 1973; a flat prior on location gives intervals their frequency.
    """
    found = blocks_of(series)
    if found is None:
        return None
    time, y, noise = found
    w = 1.0 / noise
    logs, means, variances = [], [], []
    for tau in TAUS:
        x = np.column_stack([np.ones_like(time), np.exp(-time / tau)])
        a = x.T @ (x * w[:, None])
        determinant = float(a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0])
        if not determinant > 0:
            return None
        inverse = np.array([[a[1, 1], -a[0, 1]], [-a[1, 0], a[0, 0]]]) / determinant
        beta = inverse @ (x.T @ (w * y))
        residual = y - x @ beta
        logs.append(-0.5 * float(residual @ (w * residual)))  # flat for the part of b that the data can see
        at = np.array([1.0, math.exp(-day / tau)])
        means.append(float(at @ beta))
        variances.append(float(at @ inverse @ at))
    top = max(logs)
    weight = np.exp(np.array(logs) - top)
    weight /= weight.sum()
    mean, sd = np.array(means), np.sqrt(np.array(variances))
    low, middle, high = (_quantile(p, weight, mean, sd) for p in ((1 - level) / 2, 0.5, (1 + level) / 2))
    if high - low > WIDEST:
        return None
    return LiftForecast(series.metric, day, level, math.expm1(middle), math.expm1(low), math.expm1(high))


def blocks_of(series: Series) -> tuple[Floats, Floats, Floats] | None:
    """Middle of each block in days, logarithm of the ratio, its variance; None where there are too few."""
    if set(series.groups) != {HOLDBACK, SHIPPED}:
        return None
    both = [{d.day: d for d in series.groups[name].days} for name in (HOLDBACK, SHIPPED)]
    days = sorted(both[0].keys() & both[1].keys())
    if not days:
        return None
    first = days[0]
    blocks: dict[int, list[Any]] = {}
    for day in days:
        blocks.setdefault((day - first).days // BLOCK_DAYS, []).append(day)
    time, y, noise = [], [], []
    for held in (b for _, b in sorted(blocks.items()) if len(b) == BLOCK_DAYS):
        logs, variance = [], 0.0
        for table in both:
            n = sum(table[d].n for d in held)
            mean = sum(table[d].n * table[d].mean for d in held) / n
            if not mean > 0 or any(table[d].variance is None for d in held):
                return None
            spread = sum(table[d].n * float(table[d].variance or 0.0) for d in held) / n
            logs.append(math.log(mean))
            variance += spread / n / mean**2
        if not variance > 0:
            return None
        time.append(float(sum((d - first).days for d in held)) / BLOCK_DAYS)
        y.append(logs[1] - logs[0])
        noise.append(variance)
    if len(y) < LEAST_BLOCKS:
        return None
    return np.array(time), np.array(y), np.array(noise)


def _quantile(p: float, weight: Floats, mean: Floats, sd: Floats) -> float:
    """Quantile of a mixture of normals, by halving."""
    low, high = float((mean - 12 * sd).min()), float((mean + 12 * sd).max())
    for _ in range(200):
        middle = (low + high) / 2
        if float(weight @ ndtr((middle - mean) / sd)) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2
