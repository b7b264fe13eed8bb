"""How fast units come in, by the dates of a history and the share of its traffic that the plan lets take part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpbench.forecast.history import History
from xpbench.plan import Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AccrualCurve:
    """Units that have come in by the end of each day, shape (days,); beyond the last day it goes on at its last pace."""

    units: Floats

    def units_by(self, days: float) -> float:
        """Units that take part within so many days."""
        known = len(self.units)
        if days <= known:
            return float(np.interp(days, np.arange(known + 1), np.concatenate([[0.0], self.units])))
        return float(self.units[-1] + (days - known) * self._pace())

    def day_of(self, units: int) -> float | None:
        """Days until so many units take part; None where nobody comes in any more."""
        known = len(self.units)
        if units <= self.units[-1]:
            return float(np.interp(units, np.concatenate([[0.0], self.units]), np.arange(known + 1)))
        pace = self._pace()
        return float(known + (units - self.units[-1]) / pace) if pace > 0 else None

    def _pace(self) -> float:
        """New units a day at the end of the history: its last two weeks."""
        last = min(14, len(self.units))
        before = self.units[-last - 1] if len(self.units) > last else 0.0
        return float((self.units[-1] - before) / last)


def accrual_of(plan: Plan, history: History) -> AccrualCurve | None:
    """The accrual of a plan on this traffic; None where the history has no dates."""
    if history.day is None:
        return None
    return AccrualCurve(np.cumsum(np.bincount(history.day).astype(np.float64) * share_taking_part(plan)))


def share_taking_part(plan: Plan) -> float:
    """Share of the traffic that the plan's rollout, layer and holdout let take part."""
    if plan.assignment is None:
        return 1.0
    open_groups = [g for g in plan.assignment.rollout if not g.where and not g.cohort]
    share = 0.0
    for group in open_groups:
        share = share + (1.0 - share) * group.share
    if not open_groups:
        share = max((g.share for g in plan.assignment.rollout), default=1.0)
    if plan.assignment.layer is not None:
        share *= max(0.0, plan.assignment.layer.end - plan.assignment.layer.start)
    if plan.assignment.holdout is not None:
        share *= 1.0 - plan.assignment.holdout.share
    return share
