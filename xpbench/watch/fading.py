"""Does a lift fade or grow in the weeks after shipping: a verdict on the ratio scale, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from xpbench.decide.novelty import Point, line_through
from xpbench.watch.forecast import blocks_of
from xpbench.watch.series import Series

NoveltyWord = Literal["fading", "growing", "steady"]
WEEK = 7.0


@dataclass(frozen=True, slots=True)
class NoveltyVerdict:
    """Whether the change moved in the weeks after shipping.

    Attributes:
        metric: Key of the metric.
        word: `fading` (towards no change: part of it was novelty), `growing` (away from it), or `steady`: not shown to move.
        per_week: Factor by which the ratio of shipped units to the holdback moves in a week, minus 1.
        low: Lower end of its interval.
        high: Upper end.
        alpha: Two-sided level: that of a check.
        p_value: Of "the ratio does not move".
    """

    metric: str
    word: NoveltyWord
    per_week: float
    low: float
    high: float
    alpha: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def novelty_of(series: Series, *, alpha: float) -> NoveltyVerdict | None:
    """Whether the lift fades or grows; None where the data can't say.

    Blocks of three days give the logarithm of the ratio of shipped units to the holdback. A season that moves both alike drops
    out of it, and a constant relative lift is steady whatever the level does. A weighted line through the blocks moves by
    `slope` a day; its error is from the residuals where these spread more than the noise of the units says. What it moves
    away from or towards is the line's own value at the start.

    Args:
        series: With the groups `holdback` and `shipped`, a variance on each day.
        alpha: Two-sided level in (0, 1).

    Returns:
        None with fewer than five blocks (fifteen days), or a mean that is not above zero.

    Source: weighted least squares meta-regression, Thompson and Sharp 1999. Checked against scipy.optimize.curve_fit.
    """
    found = blocks_of(series)
    if found is None:
        return None
    time, y, noise = found
    points = [Point(float(x), "", float(v), math.sqrt(float(s)), 0) for x, v, s in zip(time, y, noise, strict=True)]
    slope, low, high, p = line_through(points, alpha)
    if slope is None or low is None or high is None or p is None:
        return None
    w = [1.0 / q.se**2 for q in points]
    centre, level = (math.fsum(a * v for a, v in zip(w, of, strict=True)) / math.fsum(w) for of in (time, y))
    start = level - slope * (centre - float(time[0]))
    word: NoveltyWord = "steady" if p > alpha else "fading" if slope * start < 0 else "growing"
    per_week, lower, upper = (math.expm1(WEEK * v) for v in (slope, low, high))
    return NoveltyVerdict(series.metric, word, per_week, lower, upper, alpha, p)
