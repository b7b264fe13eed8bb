"""Counts per bin of a winsorized metric, before and after capping: what a picture needs, made in the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import BlockColumn, Parts, blocks_of
from xpbench.data.moments import rows_of
from xpbench.data.summary import Cap
from xpbench.plan import Plan
from xpbench.plan.metrics import MetricBase

BINS = 40


@dataclass(frozen=True, slots=True)
class Bin:
    """Units whose value lies in [left, right); the outermost bins also hold whatever lies beyond them.

    Attributes:
        before: Units by the value as it was.
        after: Units by the value as it is counted.
    """

    left: float
    right: float
    before: int
    after: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"left": self.left, "right": self.right, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Histogram:
    """One column of a metric before and after winsorization, over all variants together.

    Attributes:
        cap: The thresholds.
        bins: From low to high.
        smallest: Smallest value before.
        largest: Largest value before.
    """

    cap: Cap
    bins: tuple[Bin, ...]
    smallest: float
    largest: float


def histograms_of(
    frame: nw.LazyFrame[Any],
    plan: Plan,
    parts_of: Callable[[MetricBase], Parts],
    caps: Iterable[Cap],
    scales: Mapping[str, int] | None = None,
) -> tuple[Histogram, ...]:
    """A histogram for each cap of a metric's own columns; two passes over the unit table each, no value leaves the engine.

    Args:
        frame: The unit table.
        plan: The plan.
        parts_of: As for `blocks_of`.
        caps: From a summary.
        scales: What measures have been multiplied by.
    """
    columns = {(c.owner, c.cap_name): c for b in blocks_of(plan, parts_of) if b.form == "value" for c in b.own if c.winsorize}
    found = (
        _histogram(frame, columns[cap.metric, cap.column], cap, (scales or {}))
        for cap in caps
        if (cap.metric, cap.column) in columns
    )
    return tuple(h for h in found if h is not None)


def _histogram(frame: nw.LazyFrame[Any], column: BlockColumn, cap: Cap, scales: Mapping[str, int]) -> Histogram | None:
    scale = scales.get(column.measure, 1)
    value = nw.col(column.measure).cast(nw.Float64) / float(scale)
    values = frame.select(v=value)
    row = rows_of(values.select(low=nw.col("v").min(), high=nw.col("v").max()))[0]
    if row["low"] is None:
        return None
    smallest, largest = float(row["low"]), float(row["high"])
    low, high = _range(smallest, largest, cap)
    width = (high - low) / BINS
    capped = nw.col("v")
    stays = column.winsorize is not None and column.winsorize.over == "nonzero"
    for limit, beyond in ((cap.lower, nw.col("v") < (cap.lower or 0.0)), (cap.upper, nw.col("v") > (cap.upper or 0.0))):
        if limit is not None:
            cut = beyond & (nw.col("v") != 0.0) if stays else beyond
            capped = nw.when(cut).then(nw.lit(limit)).otherwise(capped)
    counts = []
    for shown in (nw.col("v"), capped):
        place = ((shown - nw.lit(low)) / nw.lit(width)).floor().clip(0.0, float(BINS - 1))
        table = rows_of(values.filter(~nw.col("v").is_null()).select(place=place).group_by("place").agg(n=nw.len()))
        counts.append({int(r["place"]): int(r["n"]) for r in table})
    before, after = counts
    bins = tuple(Bin(low + width * i, low + width * (i + 1), before.get(i, 0), after.get(i, 0)) for i in range(BINS))
    return Histogram(cap, bins, smallest, largest)


def _range(smallest: float, largest: float, cap: Cap) -> tuple[float, float]:
    """What is drawn: all values, but no further beyond a cap than half of what lies between the caps."""
    low = smallest if cap.lower is None else cap.lower
    high = largest if cap.upper is None else cap.upper
    room = (high - low) / 2 or (largest - smallest) or 1.0
    low, high = max(smallest, low - room), min(largest, high + room)
    return (low, high) if high > low else (low - 0.5, low + 0.5)
