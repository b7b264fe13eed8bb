"""How fast units come in: units a day over the last whole days, and the day on which a horizon is reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta

RECENT_DAYS = 7
"""Days with new units whose mean, over calendar days, is the pace."""
FURTHEST_DAYS = 1800
"""A forecast beyond this many days helps nobody."""


def pace_of(by_day: Mapping[str, int]) -> float:
    """Return new units a calendar day over the last days that had some; 0 where nothing came.

    Days without a new unit count: three exposures within a week are not three days' worth. The last day is left out when there
    are others, since it may not be over.

    Args:
        by_day: New units by day (ISO).
    """
    days = sorted(by_day)
    if not days:
        return 0.0
    recent = days[:-1][-RECENT_DAYS:] or days
    span = (date.fromisoformat(recent[-1][:10]) - date.fromisoformat(recent[0][:10])).days + 1
    return sum(by_day[d] for d in recent) / span


def day_of_horizon(by_day: Mapping[str, int], horizon: int) -> tuple[str, float] | None:
    """Return the day (ISO) on which the horizon is reached at the present pace, and that pace; None where it can't be said.

    Args:
        by_day: New units by day (ISO).
        horizon: Units at which results are due.
    """
    total, pace = sum(by_day.values()), pace_of(by_day)
    if pace <= 0 or total >= horizon:
        return None
    left = math.ceil((horizon - total) / pace)
    last = date.fromisoformat(max(by_day)[:10])
    return ((last + timedelta(days=left)).isoformat(), pace) if left <= FURTHEST_DAYS else None
