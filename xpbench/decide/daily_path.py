"""How the estimate moved as units came in: the moments of the days of exposure, added up day by day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.data.summary import Cell, Summary
from xpbench.decide.designs import PlannedFixed, design_of
from xpbench.decide.estimate import estimate
from xpbench.decide.looks import Look
from xpbench.decide.row import number
from xpbench.plan import Plan
from xpbench.plan.design import Sequential
from xpbench.stats.inference import relative
from xpbench.stats.moments import Moments, merge


@dataclass(frozen=True, slots=True)
class PathPoint:
    """The estimate of one metric and variant from the units exposed up to a day.

    Attributes:
        day: Day of exposure (ISO) up to which units count.
        n: Exposed units of all variants by then.
        lift: Relative effect.
        lift_low: Lower end of its interval at the row's level.
        lift_high: Upper end.
        p_value: Two-sided, by the plan's design.
        look: `planned` or `peek` where somebody looked at about that many units, else "".
    """

    day: str
    n: int
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    p_value: float | None
    look: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def exposure_path(
    plan: Plan, summary: Summary, *, metric: str, variant: str, alpha: float, looks: Sequence[Look] = ()
) -> tuple[PathPoint, ...]:
    """Estimate, interval and p-value after each day of exposure; empty for quantiles and where the summary has no days.

    Each unit counts with its whole window as it is known now, so a point is the readout that those units alone would give, not
    the one that was possible on that day. Sequential plans use their confidence sequence, which holds at all points together;
    every other design its fixed-horizon interval, which holds at one.

    Args:
        plan: The plan.
        summary: With cells of dimension `$day`.
        metric: Key of the metric.
        variant: Key of the treatment.
        alpha: Two-sided level of the intervals, of the readout's row.
        looks: Looks at the effects so far.
    """
    subject = plan.metric(metric)
    treatment = next(v for v in plan.treatments if v.key == variant)
    design = design_of(plan, treatment, units=summary.n) if isinstance(plan.model, Sequential) else PlannedFixed()
    by_day: dict[str, dict[str, Cell]] = {}
    for cell in summary.cells:
        if (
            cell.dimension == "$day"
            and cell.metric == metric
            and cell.form == "value"
            and cell.slice in summary.exposures_by_day
        ):
            by_day.setdefault(cell.slice, {})[cell.variant] = cell
    so_far: dict[str, Cell] = {}
    open_looks = sorted(looks, key=lambda x: x.units)
    out: list[PathPoint] = []
    units = 0
    for day in sorted(summary.exposures_by_day):
        units += sum(summary.exposures_by_day[day].values())
        for key in (plan.control.key, variant):
            new = by_day.get(day, {}).get(key)
            if new is not None:
                so_far[key] = _added(so_far.get(key), new)
        word = ""
        while open_looks and open_looks[0].units <= units:
            word = "planned" if open_looks[0].planned and word != "peek" else "peek"
            open_looks.pop(0)
        pair = estimate(subject, so_far.get(plan.control.key), so_far.get(variant)).pair
        if pair.status != "ok":
            continue
        lift = relative(pair, design.q(pair, alpha))
        bounded = lift.kind == "bounded"
        out.append(
            PathPoint(
                day,
                units,
                number(lift.lift),
                number(lift.lift_low) if bounded else None,
                number(lift.lift_high) if bounded else None,
                number(design.p_value(pair)),
                word,
            )
        )
    return tuple(out) if len(out) > 1 and not math.isnan(alpha) else ()


def _added(before: Cell | None, cell: Cell) -> Cell:
    """The moments of both sets of units together."""
    if before is None or before.columns != cell.columns:
        return cell
    both = merge(*(Moments.of(c.n, c.mean, c.cov) for c in (before, cell)))
    return Cell(
        cell.metric, cell.variant, cell.form, cell.columns, both.n,
        tuple(float(v) for v in both.mean), tuple(tuple(float(v) for v in row) for row in both.cov),
    )  # fmt: skip
