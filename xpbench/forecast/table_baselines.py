"""Baselines for planning from a table of the past with one row per unit, read under the plan's own data policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from xpbench import formula
from xpbench.data import Summary
from xpbench.data.summary import TOTAL, Cell
from xpbench.data.tables.pooled import pooled_units
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DecisionError, nearest, plain, shown
from xpbench.forecast.baselines import Baselines, short_number
from xpbench.forecast.history import parts_of
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, Formula, MetricBase, Ratio
from xpbench.stats.functionals import ClusterMean, FormulaOfMeans, Functional, RatioOfMeans, functional
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import pair_of


def baselines_of_table(plan: Plan, table: Any, *, day: str | None = None) -> Baselines:
    """Mean and standard deviation per unit of every metric whose columns a table has, and the units a day.

    All units are one group, whatever their variant. Codes for missing values, repeated units and what is no number are dealt
    with as the plan's data policy says; values are capped as its metrics say.

    Args:
        plan: Whose metrics are of kind `column`, ratios or formulas of them.
        table: As for `xp.units`.
        day: Column with the day of each unit's first exposure.

    Raises:
        DecisionError: `XPB-R20`, the table has no column of the plan, or the plan counts from events.
        DataError: the table can't be read, or the plan's data policy refuses what is in it.

    Source: Deng, Knoblich, Lu 2018, "Applying the delta method in metric analytics", eq. 2, for ratios.
    """
    columns = columns_of(table)
    leaves = {m.key: m.column for m in plan.metrics if isinstance(m, Column)}
    if not leaves:
        raise DecisionError(
            "XPB-R20",
            name=plain("The plan"),
            value=plain("counted from events"),
            rule=plain("A table with one row per unit feeds metrics of kind column"),
            remedy=plain("Read the log with History.of_events and baselines_of"),
        )
    there = {key for key, column in leaves.items() if column in columns}
    if not there:
        first = next(iter(leaves.values()))
        raise DecisionError(
            "XPB-R20",
            name=plain("The table"),
            value=plain("without a column of the plan"),
            rule=plain(f"It has the columns {', '.join(map(shown, columns[:12]))}"),
            remedy=plain(nearest(first, columns)),
        )
    known = [m for m in plan.metrics if set(parts_of(m)) <= there]
    read = plan.changed(
        metrics=[{**_written(m), "cuped": False, **({"covariates": []} if isinstance(m, Column) else {})} for m in known],
        segments=[],
        watch=None,
    )
    unit = plan.unit if plan.unit in columns else None
    wanted = list(dict.fromkeys(m.column for m in known if isinstance(m, Column)))
    if plan.members is not None:  # their ids are read with the values, and summed by unit
        wanted.append(plan.members)
    summary = pooled_units(table, wanted, group=plan.control.key, unit=unit, day=day).summarize(read)
    means: dict[str, float] = {}
    sds: dict[str, float] = {}
    for metric in known:
        found = _moments(metric, summary.cell(metric.key, plan.control.key))
        if found is not None:
            means[metric.key] = short_number(found[0])
            if found[1] is not None:
                sds[metric.key] = short_number(found[1])
    left = tuple(m.key for m in plan.metrics if m.key not in means)
    return Baselines(summary.n, days_of(summary), means, sds, left)


def _written(metric: MetricBase) -> dict[str, Any]:
    return metric.model_dump(mode="json", by_alias=True, exclude_none=True)


def _moments(metric: MetricBase, cell: Cell | None) -> tuple[float, float | None] | None:
    """Mean of a metric over units, and its standard deviation per unit; None for that of a proportion."""
    if cell is None or cell.n < 2:
        return None
    if cell.columns[:1] == (TOTAL,):  # a mean per user; its deviation is that of a unit, as large as the mean's noise says
        subject, moments = ClusterMean(0, 1), Moments.of(cell.n, cell.mean, cell.cov)
        pair = pair_of(moments, moments, subject=subject)
        return (pair.mc, math.sqrt(pair.vc * cell.n)) if pair.status == "ok" else None
    k = len(parts_of(metric)) if isinstance(metric, (Ratio, Formula)) else 1
    mean = np.array(cell.mean[:k])
    cov = np.array([row[:k] for row in cell.cov[:k]])
    value, gradient = functional(_subject(metric)).at(mean)
    if not math.isfinite(float(value)):
        return None
    variance = float(gradient @ cov @ gradient)
    binomial = float(value) * (1.0 - float(value)) * cell.n / (cell.n - 1)
    if k == 1 and 0.0 < value < 1.0 and math.isclose(variance, binomial, rel_tol=1e-9):
        return float(value), None  # only values of 0 and 1 vary so: p (1 - p) is the largest variance within [0, 1]
    return float(value), math.sqrt(max(variance, 0.0))


def _subject(metric: MetricBase) -> int | Functional:
    if isinstance(metric, Ratio):
        return RatioOfMeans(0, 1)
    if isinstance(metric, Formula):
        return FormulaOfMeans.of(metric.expression, names=tuple(formula.parse(metric.expression).names()))
    return 0


def days_of(summary: Summary) -> int | None:
    """Days from the first to the last on which units came; None without dates."""
    found: Sequence[str] = sorted(summary.exposures_by_day)
    if not found:
        return None
    return (date.fromisoformat(found[-1][:10]) - date.fromisoformat(found[0][:10])).days + 1
