"""Estimates after several looks: where a boundary was crossed early the raw one exaggerates, and this one does not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from xpbench.stats.arguments import check_share, refuse
from xpbench.stats.rest import carried
from xpbench.stats.roots import brentq


@dataclass(frozen=True, slots=True)
class Stopped:
    """A drift (what Z is expected to be at share 1 of the information) after a stop.

    Attributes:
        median: As often below as above the truth.
        low: Lower end of the interval.
        high: Upper end.
    """

    median: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def exceeding(z: float, *, looks: Sequence[float], bounds: Sequence[float], drift: float) -> float:
    """Chance of a result at least as high as this one, in the order of stages.

    Crossing the upper boundary at an earlier look is higher than anything later, crossing the lower one is lower.

    Args:
        z: Standardised effect at the last look given.
        looks: Shares of the information at the looks so far, increasing.
        bounds: Two-sided multiplier at every look but the last.
        drift: Expectation of Z at share 1.

    Source: Fairbanks and Madsen 1982; Tsiatis, Rosner, Mehta 1984.
    """
    nodes, mass, before, above = np.zeros(1), np.ones(1), 0.0, 0.0
    for i, at in enumerate(looks):
        sd, centre = math.sqrt(at - before), nodes + drift * (at - before)
        last = i + 1 == len(looks)
        edge = (z if last else bounds[i]) * math.sqrt(at)
        if math.isfinite(edge):
            above += float(ndtr((centre - edge) / sd) @ mass)
        if last:
            break
        nodes, mass = carried(centre, mass, sd=sd, low=-edge, high=edge, after=looks[i + 1] - at)
        before = at
    return above


def stopped(z: float, *, looks: Sequence[float], bounds: Sequence[float], alpha: float) -> Stopped:
    """Median-unbiased estimate and exact interval of the drift after a stop at the last look given.

    An effect is drift · se · √t, with the standard error se of the last look at share t.

    Args:
        z: Standardised effect at the last look.
        looks: Shares of the information at the looks so far, increasing.
        bounds: Two-sided multiplier at every look but the last; infinite where nothing could be called.
        alpha: The interval holds 1 − alpha.

    Source: Kim and DeMets 1987; Jennison and Turnbull 2000, §8.3 and 8.5, stage-wise ordering.
    """
    check_share("alpha", alpha)
    rising = bool(looks) and looks[0] > 0.0 and all(b > a for a, b in itertools.pairwise(looks))
    if not rising or len(bounds) < len(looks) - 1:
        raise refuse("looks", list(looks), "looks increase from above 0, each but the last with a multiplier")
    centre, reach = z / math.sqrt(looks[-1]), 1.0 / math.sqrt(looks[0])

    def at(share: float) -> float:
        def gap(drift: float) -> float:
            return exceeding(z, looks=looks, bounds=bounds, drift=drift) - share

        low, high = centre - 4.0 * reach, centre + 4.0 * reach
        for _ in range(60):
            if gap(low) < 0.0 < gap(high):
                return brentq(gap, low, high, xtol=1e-11)
            low, high = low - 4.0 * reach * (gap(low) >= 0.0), high + 4.0 * reach * (gap(high) <= 0.0)
        return math.nan

    return Stopped(at(0.5), at(alpha / 2.0), at(1.0 - alpha / 2.0))
