"""Designs as planning sees them: at which looks, at which multiplier, is a test rejected."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from xpbench.lazy import earlier
from xpbench.stats.arguments import check_positive, check_share, refuse
from xpbench.stats.multipliers import Mixture, q_mixture, q_one_sided
from xpbench.stats.spending import Spending, q_group


class Design(Protocol):
    """One design. `alpha` is always one-sided here: half of a two-sided level."""

    def information(self) -> tuple[float, ...]:
        """Looks as shares of the final number of units, increasing, the last is 1."""
        ...

    def bounds(self, *, alpha: float, n: float, se: float, df: float) -> list[float]:
        """Multiplier at each look.

        Args:
            alpha: One-sided level.
            n: Units of the compared variants at the end.
            se: Standard error of the effect at the end.
            df: Degrees of freedom at the end.
        """
        ...

    @property
    def uses_t(self) -> bool:
        """Whether the final test is Student's t."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """One look at the horizon."""

    uses_t: bool = True

    def information(self) -> tuple[float, ...]:
        """One look."""
        return (1.0,)

    def bounds(self, *, alpha: float, n: float, se: float, df: float) -> list[float]:
        """Student's t, or the normal."""
        return [q_one_sided(alpha, df if self.uses_t else math.inf)]


def even_looks(count: int, *, first: float) -> tuple[float, ...]:
    """Looks spread evenly from a first share of the horizon to its end."""
    if count < 1 or not 0.0 < first <= 1.0:
        raise refuse("looks", f"{count} from {first}", "there is at least one look, the first in (0, 1]")
    return (1.0,) if count == 1 else tuple(np.linspace(first, 1.0, count).tolist())


@dataclass(frozen=True, slots=True)
class Anytime:
    """Anytime-valid: looks as planned here, though more would not harm.

    Attributes:
        looks: Shares of the horizon at which someone looks; one look (1.0,) plans conservatively for the end alone.
        n_opt: Units at which the interval is narrowest; None = the planned number of units itself.
        tau: Instead: prior sd of the effect, metric units.
        tuned_alpha: Two-sided level at which n_opt tunes the mixture: the plan's alpha.
    """

    looks: tuple[float, ...]
    n_opt: float | None
    tau: float | None
    tuned_alpha: float
    uses_t: bool = False

    def information(self) -> tuple[float, ...]:
        """The looks."""
        return self.looks

    def bounds(self, *, alpha: float, n: float, se: float, df: float) -> list[float]:
        """The normal mixture at every look; the two-sided level is 2 alpha."""
        if self.tau is not None:
            return [float(q_mixture(2.0 * alpha, self.tau**2 / (se * se / t))) for t in self.looks]
        rho2 = Mixture.optimal(alpha=self.tuned_alpha, n_opt=n if self.n_opt is None else self.n_opt).rho2 or math.nan
        return [float(q_mixture(2.0 * alpha, t * n * rho2)) for t in self.looks]


@dataclass(frozen=True, slots=True)
class GroupSequentialTest:
    """A few planned looks with a spending function.

    Attributes:
        looks: Shares of the horizon, the last is 1.
        spending: Shape of the spending function.
        beyond: Share of the level for a normal mixture beside the boundary, which holds after the horizon, too.
        tuned_alpha: Two-sided level of the plan, at whose share the mixture is narrowest at the horizon.
    """

    looks: tuple[float, ...]
    spending: Spending
    beyond: float | None = None
    tuned_alpha: float = 0.05
    uses_t: bool = False

    def information(self) -> tuple[float, ...]:
        """The looks."""
        return self.looks

    def bounds(self, *, alpha: float, n: float, se: float, df: float) -> list[float]:
        """Lan–DeMets boundaries at the two-sided level 2 alpha."""
        if self.beyond is None:
            return q_group(2.0 * alpha, self.looks, self.spending)
        own = q_group(2.0 * alpha * (1.0 - self.beyond), self.looks, self.spending)
        rho2 = Mixture.optimal(alpha=self.tuned_alpha * self.beyond, n_opt=n).rho2 or math.nan
        return [min(q, float(q_mixture(2.0 * alpha * self.beyond, t * n * rho2))) for q, t in zip(own, self.looks, strict=True)]


@dataclass(frozen=True, slots=True)
class Bayes:
    """Win when the chance to beat control reaches a threshold, read once; one-sided alpha plays no part.

    Attributes:
        threshold: Chance at which a variant wins, for example 0.95.
        prior_sd: Standard deviation of a prior N(0, sd²) on the effect, metric units; None = flat, and near enough for one
            pseudo-observation.
    """

    threshold: float
    prior_sd: float | None
    uses_t: bool = False

    def information(self) -> tuple[float, ...]:
        """One look."""
        return (1.0,)

    def bounds(self, *, alpha: float, n: float, se: float, df: float) -> list[float]:
        """The z at which Φ(posterior mean / posterior sd) is the threshold: z_threshold · sqrt((1 + k) / k), k = sd² / se²."""
        z = float(ndtri(check_share("threshold", self.threshold)))
        if self.prior_sd is None:
            return [z]
        k = (check_positive("prior_sd", self.prior_sd) / se) ** 2
        return [z * math.sqrt((1.0 + k) / k)]


def check_looks(looks: Sequence[float]) -> None:
    """Refuse looks that do not increase to 1.

    Raises:
        StatsError: `XPB-S01`.
    """
    if not looks or looks[-1] != 1.0 or looks[0] <= 0.0 or any(b <= a for a, b in itertools.pairwise(looks)):
        raise refuse("looks", list(looks), "looks are shares of the horizon that increase to 1")


__getattr__ = earlier(__name__, {"GroupSequential": "GroupSequentialTest"})
