"""The prior that a portfolio of experiments gives, and what one lift is worth in its light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpbench.lazy import earlier
from xpbench.stats.arguments import check_positive, check_share, refuse
from xpbench.stats.moments import Floats
from xpbench.stats.roots import brentq


@dataclass(frozen=True, slots=True)
class LiftPrior:
    """Distribution of true lifts in a portfolio, in the direction that is hoped for.

    Attributes:
        places: Lifts, shape (k,).
        weights: Their probabilities, shape (k,), sum 1.
        experiments: How many it was estimated from.
    """

    places: Floats
    weights: Floats
    experiments: int

    @property
    def mean(self) -> float:
        """Mean of the true lifts."""
        return float(self.weights @ self.places)

    @property
    def sd(self) -> float:
        """Their standard deviation."""
        return math.sqrt(float(self.weights @ (self.places - self.mean) ** 2))


@dataclass(frozen=True, slots=True)
class Shrunk:
    """One lift in the light of a portfolio.

    Attributes:
        lift: Mean of the true lift given what was found.
        low: Lower end of its central interval.
        high: Upper end.
        chance: Probability that the true lift is above 0.
    """

    lift: float
    low: float
    high: float
    chance: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


EM_STEPS = 40
GRID = 160


def portfolio_prior(lifts: Sequence[float] | Floats, errors: Sequence[float] | Floats) -> LiftPrior:
    """The distribution of true lifts behind those that experiments found, with their standard errors.

    It starts as a normal one with Paule and Mandel's variance and is then fitted by forty steps of the EM algorithm on a grid.

    Args:
        lifts: What each experiment found, in the direction that was hoped for; at least 3.
        errors: Their standard errors, above 0.

    Source: smoothing by roughening, Laird and Louis 1991; Kiefer and Wolfowitz 1956; start Paule and Mandel 1982.
    """
    found, noise = np.asarray(lifts, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(found) < 3 or len(found) != len(noise) or not (noise > 0.0).all() or not np.isfinite(found).all():
        raise refuse("lifts", len(found), "a portfolio has at least 3 finite lifts, each with a standard error above 0")
    variance = _paule_mandel(found, noise)
    weights = 1.0 / (variance + noise**2)
    centre = float((weights * found).sum() / weights.sum())
    spread = max(math.sqrt(variance), float(np.median(noise)) / 4.0)
    grid = np.linspace(min(found.min(), centre - 4 * spread), max(found.max(), centre + 4 * spread), GRID)
    likelihood = _likelihood(found, noise, grid)
    prior = np.exp(-0.5 * ((grid - centre) / spread) ** 2) + 1e-6
    prior /= prior.sum()
    for _ in range(EM_STEPS):
        posterior = likelihood * prior
        posterior /= posterior.sum(axis=1, keepdims=True)
        prior = posterior.mean(axis=0)
    return LiftPrior(grid, prior, len(found))


def shrunk(lift: float, se: float, *, prior: LiftPrior, mass: float) -> Shrunk:
    """A lift that was found, as what it is worth given what experiments of this portfolio find.

    Args:
        lift: Found, in the direction that is hoped for.
        se: Its standard error.
        prior: Of the portfolio.
        mass: Probability inside the interval.
    """
    check_share("mass", mass)
    posterior = _likelihood(np.array([lift]), np.array([check_positive("se", se)]), prior.places)[0] * prior.weights
    posterior /= posterior.sum()
    below = np.cumsum(posterior) - 0.5 * posterior
    low, high = (float(np.interp(p, below, prior.places)) for p in ((1.0 - mass) / 2.0, (1.0 + mass) / 2.0))
    return Shrunk(float(posterior @ prior.places), low, high, float(posterior[prior.places > 0.0].sum()))


def _likelihood(lifts: Floats, errors: Floats, grid: Floats) -> Floats:
    z = (lifts[:, None] - grid) / errors[:, None]
    return np.asarray(np.exp(-0.5 * (z * z - (z * z).min(axis=1, keepdims=True))), dtype=np.float64)


def _paule_mandel(values: Floats, errors: Floats) -> float:
    """Variance between experiments at which the weighted squares are what chance gives; 0 where they are below it."""

    def excess(variance: float) -> float:
        weights = 1.0 / (variance + errors**2)
        mean = float((weights * values).sum() / weights.sum())
        return float((weights * (values - mean) ** 2).sum()) - (len(values) - 1)

    if excess(0.0) <= 0.0:
        return 0.0
    upper = float(np.max((values - values.min()) ** 2) + np.max(errors**2))
    while excess(upper) > 0.0:
        upper *= 4.0
    return brentq(excess, 0.0, upper, xtol=1e-16)


__getattr__ = earlier(__name__, {"Prior": "LiftPrior"})
