"""What a lift is worth in the light of the other experiments of the same root, next to the lift that was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from xpbench.decide.chances import relative_error
from xpbench.decide.row import Row, number
from xpbench.stats.shrinking import LiftPrior, shrunk


@dataclass(frozen=True, slots=True)
class Worth:
    """One lift that was found, and what it is worth given what experiments of this root find.

    Attributes:
        metric: Key of a primary metric.
        variant: Key of the treatment.
        lift: As found.
        shrunk: Mean of the true lift given what was found and the prior.
        low: Lower end of its central interval at the plan's confidence.
        high: Upper end.
        chance: Probability that the true lift goes in the metric's direction.
        experiments: How many other experiments the prior was estimated from.
    """

    metric: str
    variant: str
    lift: float
    shrunk: float
    low: float
    high: float
    chance: float
    experiments: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def worths_of(rows: Iterable[Row], prior: LiftPrior, *, mass: float) -> tuple[Worth, ...]:
    """What each primary lift is worth; rows without a lift or its noise are left out.

    Args:
        rows: Of a readout.
        prior: Of the other experiments, in the direction that is hoped for.
        mass: Probability inside the interval.

    Assumptions: the true lift is like those of the other experiments (exchangeable).
    Source: empirical Bayes, Laird and Louis 1991; see `stats.shrinking`.
    """
    out = []
    for row in rows:
        error = relative_error(row.to_dict())
        if row.role != "primary" or row.lift is None or not error:
            continue
        sign = 1.0 if row.direction == "increase" else -1.0
        found = shrunk(sign * row.lift, error, prior=prior, mass=mass)
        ends = sorted((sign * found.low, sign * found.high))
        middle, low, high, chance = (number(x) or 0.0 for x in (sign * found.lift, *ends, found.chance))
        out.append(Worth(row.metric, row.variant, row.lift, middle, low, high, chance, prior.experiments))
    return tuple(out)
