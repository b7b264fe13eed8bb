"""The pre-experiment comparison over further windows: one, two and four weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xpbench.data.summary import Cell
from xpbench.plan.model import Plan

WINDOW = "$window"
"""Dimension of cells of form `before` whose slice is the number of days."""

WEEKS = (7, 14, 28)


def bias_windows(source: Any, plan: Plan, *, days: Sequence[int] = WEEKS) -> tuple[Cell, ...]:
    """Moments of every metric before the exposure, over each of these windows that is not the plan's own.

    The result goes to a readout as `evidence={"windows": …}`; the source is read once more for each window.

    Args:
        source: `xp.events(...)`: a table of units has no windows.
        plan: The plan.
        days: Windows among 7, 14, 28, 60 and 90.
    """
    out: list[Cell] = []
    for window in days:
        if window == plan.pre_period_days:
            continue
        summary = source.summarize(plan.changed(pre_period_days=window, segments=[]))
        out += [
            replace(c, dimension=WINDOW, slice=str(window)) for c in summary.cells if c.form == "before" and not c.dimension
        ]
    return tuple(out)
