"""How long it takes: from a curve of *new* units, because visitors come back and a daily rate does not add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xpbench.stats.arguments import refuse
from xpbench.stats.moments import Floats

LONGEST_DAYS = 3650


@dataclass(frozen=True, slots=True, eq=False)
class Accrual:
    """Cumulative new units by day.

    Attributes:
        known: Cumulative new units at the end of day 1, 2, …, as observed.
        exponent: Beyond the known days the curve follows its last value times (day / last day) ** exponent; 1 = a steady
            stream of new units, below 1 = more and more have been seen before.
    """

    known: Floats
    exponent: float

    @classmethod
    def of(cls, new_units: Sequence[float]) -> Accrual:
        """The curve from counts of units seen for the first time, by day.

        The exponent comes from least squares of log cumulative units on log day over the second half of the days (Heaps'
        law), held within 0 and 1; with fewer than 4 days it is 1.

        Raises:
            StatsError: `XPB-S01`, no day, a negative count, or no unit at all.
        """
        new = np.asarray(new_units, dtype=np.float64)
        if new.ndim != 1 or not new.size or (new < 0).any() or not np.isfinite(new).all() or new.sum() <= 0:
            raise refuse("new_units", list(new_units), "new_units counts first-time units by day, none negative, not all zero")
        known = np.cumsum(new)
        days = np.arange(1, known.size + 1, dtype=np.float64)
        late = (days > known.size / 2.0) & (known > 0)
        exponent = 1.0
        if known.size >= 4 and late.sum() >= 2:
            exponent = float(np.clip(np.polyfit(np.log(days[late]), np.log(known[late]), 1)[0], 0.0, 1.0))
        return cls(known, exponent)

    @classmethod
    def steady(cls, daily: float) -> Accrual:
        """The same number of new units every day."""
        return cls.of([daily])

    def units(self, day: float) -> float:
        """Cumulative new units at the end of a day."""
        last = float(self.known.size)
        if day <= 0.0:
            return 0.0
        if day <= last:
            return float(np.interp(day, np.arange(0.0, last + 1.0), np.concatenate([[0.0], self.known])))
        return float(self.known[-1] * (day / last) ** self.exponent)

    def days(self, n: float, *, whole_weeks: bool) -> int | None:
        """Days until n units have come; None beyond ten years.

        Args:
            n: Units of all variants.
            whole_weeks: Round up to full weeks, so that every weekday counts alike.

        Raises:
            StatsError: `XPB-S01`, n is not a number.
        """
        if math.isnan(n):
            raise refuse("n", n, "n counts units")
        if n <= 0:
            return 0
        last = self.known.size
        if n <= self.known[-1]:
            days = int(np.searchsorted(self.known, n * (1.0 - 1e-12)) + 1)
        elif self.exponent <= 0.0:
            return None
        else:
            log_days = math.log(last) + math.log(n / float(self.known[-1])) / self.exponent
            if log_days > math.log(LONGEST_DAYS):
                return None
            days = math.ceil(math.exp(log_days) - 1e-9)
        return math.ceil(days / 7) * 7 if whole_weeks else days


def duration(n: float, *, accrual: Accrual, window_days: float, whole_weeks: bool) -> int | None:
    """Days from launch until n units have come and the metric's window of the last has passed; None beyond ten years.

    Args:
        n: Units of all variants.
        accrual: Curve of new units.
        window_days: Days after its exposure in which a unit's values count; 0 for a metric without a window.
        whole_weeks: Round up to full weeks.
    """
    days = accrual.days(n, whole_weeks=False)
    if days is None:
        return None
    total = days + math.ceil(window_days)
    return math.ceil(total / 7) * 7 if whole_weeks else total
