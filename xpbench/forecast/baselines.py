"""Baselines for planning from units of the past: means, standard deviations, and how many units come a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xpbench import formula
from xpbench.data.logs.opening import located
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DecisionError, number_of, plain
from xpbench.forecast.history import Floats, History, parts_of
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, Formula, MetricBase, Ratio
from xpbench.stats.functionals import FormulaOfMeans, Functional, RatioOfMeans, functional
from xpbench.stats.moments import Moments
from xpbench.stats.winsorize import cap, cap_thresholds

SHOWN_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Baselines:
    """What a plan's `planning` takes from the past.

    Attributes:
        units: Units of the past.
        days: Days they came on; None without dates.
        baselines: Mean by metric, winsorized as the plan says.
        sds: Standard deviation per unit by metric, without CUPED (so that sizes err on the safe side); proportions have none.
        left_out: Metrics that have no value per unit in the past.
    """

    units: int
    days: int | None
    baselines: Mapping[str, float]
    sds: Mapping[str, float]
    left_out: tuple[str, ...]

    @property
    def daily_units(self) -> float | None:
        """New units a day; None without dates."""
        return None if self.days is None else self.units / self.days

    @property
    def sentence(self) -> str:
        """The same for people."""
        pace = "" if self.days is None else f" on {number_of(self.days, 'day')}"
        gone = f"; none for {', '.join(self.left_out)}" if self.left_out else ""
        return f"Baselines of {number_of(len(self.baselines), 'metric')} from {number_of(self.units, 'unit')}{pace}{gone}."

    def to_dict(self) -> dict[str, Any]:
        """The fields of `planning`."""
        out: dict[str, Any] = {"baselines": dict(self.baselines), "sds": dict(self.sds)}
        return out if self.daily_units is None else {**out, "daily_units": short_number(self.daily_units)}


def baselines_of(plan: Plan, history: History) -> Baselines:
    """Mean and standard deviation per unit of every metric that the history has.

    A ratio's or formula's standard deviation is that of its linearised value per unit (delta method), which is what sample
    sizes of it need.

    Args:
        plan: Says what is winsorized, and what ratios and formulas are made of.
        history: Units of the past.

    Source: Deng, Knoblich, Lu 2018, "Applying the delta method in metric analytics", eq. 2.
    """
    means: dict[str, float] = {}
    sds: dict[str, float] = {}
    missing = []
    for metric in plan.metrics:
        parts = parts_of(metric)
        if not set(parts) <= set(history.values):
            missing.append(metric.key)
            continue
        subject = _subject(metric, parts)
        columns = [_capped(plan, metric, part, history.values[part]) for part in parts]
        values = columns[0] if columns[0].ndim == 2 else np.column_stack(columns)
        if values.shape[1] == 2 and len(parts) == 1:
            subject = RatioOfMeans(0, 1)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 2:
            missing.append(metric.key)
            continue
        moments = Moments.of_values(*values.T)
        value, gradient = functional(subject).at(moments.mean)
        if not np.isfinite(value):
            missing.append(metric.key)
            continue
        means[metric.key] = short_number(float(value))
        if values.shape[1] > 1 or not np.isin(values, (0.0, 1.0)).all():
            sds[metric.key] = short_number(float(np.sqrt(gradient @ moments.cov @ gradient)))
    return Baselines(history.n, history.days, means, sds, tuple(missing))


def read_history(
    path: str | Path, plan: Plan, *, kind: Literal["units", "events"], trigger: str | None = None, day: str | None = None
) -> History:
    """History from files.

    Args:
        path: CSV, Parquet or JSON Lines, with `*` for several files.
        plan: Whose metrics are wanted.
        kind: A table with one row per unit, or an event log.
        trigger: Event at which a unit would have been exposed; None where the log has exposures of the plan's experiment.
        day: Column with the day of first exposure, for tables.

    Raises:
        DataError: a file is missing or does not fit the plan.
        DecisionError: `XPB-R20`, a column is missing, the plan counts from events, or nobody did the trigger.
    """
    files: list[str] = located(str(path))
    if kind == "events":
        return History.of_events(files, plan, trigger=trigger)
    wanted = {c for m in plan.metrics if isinstance(m, Column) for c in (m.column, *m.covariates)} | ({day} if day else set())
    names = columns_of(files)
    if not wanted & set(names):
        rule = plain(f"The table has the columns {', '.join(names[:20])}")
        raise DecisionError(
            "XPB-R20",
            name=plain("history"),
            value="without a column of the plan",
            rule=rule,
            remedy=plain("Name the right file"),
        )
    return History.of_frame(files, plan, day=day)


def _subject(metric: MetricBase, parts: tuple[str, ...]) -> int | Functional:
    if isinstance(metric, Ratio):
        return RatioOfMeans(0, 1)
    if isinstance(metric, Formula):
        names = formula.parse(metric.expression).names()
        return FormulaOfMeans.of(metric.expression, names=tuple(names))
    return 0


def _capped(plan: Plan, metric: MetricBase, part: str, values: Floats) -> Floats:
    """The values as the plan counts them: capped by the metric's own caps, else by those of the part."""
    caps = metric.winsorize or plan.metric(part).winsorize
    if caps is None or values.ndim == 2:
        return values
    found = cap_thresholds(values, lower=caps.lower, upper=caps.upper, over=caps.over)
    return cap(values, caps=found) if found.status == "ok" else values


def short_number(value: float) -> float:
    """Four significant digits: a baseline is no more precise, and it is read by people."""
    return float(f"{value:.{SHOWN_DIGITS}g}")
