"""Lift by days at the traffic one has: what each candidate metric can find, read in three ways; and the cheapest remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xpbench.errors import InputError, XpbenchError, number_of, plain, shown
from xpbench.forecast.accrual import AccrualCurve
from xpbench.lazy import upstairs
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.plan.design import DEFAULT_LOOKS, GroupSequential
from xpbench.plan.metrics import Conversion, Funnel, MetricBase, Retention
from xpbench.shows import Shows
from xpbench.stats.designs import Fixed, GroupSequentialTest
from xpbench.stats.planning import Scenario, mde

if TYPE_CHECKING:
    from xpbench.forecast.history import History

SizeReading = Literal["fixed", "group-sequential", "fixed with covariate"]

DAYS = (7, 14, 21, 28, 42, 56, 84)
"""Whole weeks, so that every weekday counts alike."""
LEAST_REDUCTION = 0.01
"""A covariate that saves less of the variance is not worth its column."""


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Smallest lift that is found with the planned power.

    Attributes:
        metric: Its key.
        reading: How it is read.
        days: Days that units come in.
        units: Units that come in until then.
        lift: Smallest lift found, signed as the metric's better side; None where none is.
    """

    metric: str
    reading: SizeReading
    days: int
    units: int
    lift: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Remedy:
    """A way to find the lift that is planned for.

    Attributes:
        sentence: What to do, and what it takes.
        days: Days until it is found then.
    """

    sentence: str
    days: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"sentence": self.sentence, "days": self.days}


@dataclass(frozen=True, slots=True)
class SizeTable(Shows):
    """What each candidate metric can find, by days.

    Attributes:
        rows: One per metric, reading and number of days.
        power: Planned.
        alpha: Two-sided, after the correction for several treatments.
        lift: Planned for in the first metric; None without.
        days: Days that the plan has; None where it names units and nobody knows the traffic.
        remedies: The cheapest first; empty where the lift is found in time, or nothing helps.
        left_out: Metrics without a baseline or a standard deviation.
    """

    rows_of_frame = "rows"

    rows: tuple[SizeRow, ...]
    power: float
    alpha: float
    lift: float | None
    days: int | None
    remedies: tuple[Remedy, ...]
    left_out: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of the table, the primary first."""
        return tuple(dict.fromkeys(r.metric for r in self.rows))

    @property
    def sentence(self) -> str:
        """What it says for the lift that is planned for."""
        if not self.rows:
            return "No metric has a baseline yet."
        first = self.metrics[0]
        if self.lift is None:
            return f"The plan names no lift of {shown(first)[1:-1]}: read off which one fits."
        fits = [r for r in self.rows if r.metric == first and r.lift is not None and abs(r.lift) <= abs(self.lift) + 1e-9]
        within = [r for r in fits if self.days is None or r.days <= self.days]
        if within:
            best = min(within, key=lambda r: (r.days, r.reading != "fixed"))
            return f"A lift of {self.lift:+.1%} is found within {best.days} days ({best.units:,} units, {best.reading})."
        head = "Nothing finds" if self.days is None else f"Within {self.days} days nothing finds"
        best_way = f" Cheapest: {self.remedies[0].sentence}" if self.remedies else ""
        return f"{head} a lift of {self.lift:+.1%}.{best_way}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "rows": [r.to_dict() for r in self.rows],
            "power": self.power,
            "alpha": self.alpha,
            "lift": self.lift,
            "days": self.days,
            "remedies": [r.to_dict() for r in self.remedies],
            "left_out": list(self.left_out),
            "sentence": self.sentence,
        }

    def plot(self, metric: str | None = None) -> Any:
        """Lift by days, a line for each reading, of one metric (the first where none is named).

        Raises:
            InputError: `XPB-I04`, the table has no such metric.
        """
        if metric is not None and metric not in self.metrics:
            rule = plain(f"The table has {', '.join(self.metrics) or 'no metric'}")
            raise InputError("XPB-I04", name="metric", value=metric, rule=rule, remedy=plain("Name one of them"))
        return upstairs("views.sizes:size_view")(self, metric)

    def __repr__(self) -> str:
        lines = [f"Smallest lift found with {self.power:.0%} power. {self.sentence}"]
        for metric in self.metrics:
            own = [r for r in self.rows if r.metric == metric]
            days = sorted({r.days for r in own})
            lines.append(f"  {metric:<24}" + "".join(f"{f'{d} days':>10}" for d in days))
            for reading in dict.fromkeys(r.reading for r in own):
                found = {r.days: r.lift for r in own if r.reading == reading}
                cells = (f"{found[d]:+.1%}" if found.get(d) is not None else "none" for d in days)
                lines.append(f"    {reading:<22}" + "".join(f"{c:>10}" for c in cells))
        lines += [f"  {r.sentence}" for r in self.remedies]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self.sentence)}</p>"]
        style = "text-align:end;padding:2px 10px"
        for metric in self.metrics:
            own = [r for r in self.rows if r.metric == metric]
            days = sorted({r.days for r in own})
            units = {r.days: r.units for r in own}
            head = "".join(f"<th scope=col style='{style}'>{d} days<br>{units[d]:,} units</th>" for d in days)
            body = ""
            for reading in dict.fromkeys(r.reading for r in own):
                found = {r.days: r.lift for r in own if r.reading == reading}
                cells = "".join(
                    f"<td style='{style}'>{f'{found[d]:+.1%}' if found.get(d) is not None else 'none'}</td>" for d in days
                )
                body += f"<tr><th scope=row style='text-align:start'>{escape(reading)}</th>{cells}</tr>"
            parts.append(
                f"<table><caption style='text-align:start'><b dir=auto>{escape(metric)}</b>: smallest lift found with "
                f"{self.power:.0%} power</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
            )
        if self.remedies:
            parts.append("<ul>" + "".join(f"<li>{escape(r.sentence)}</li>" for r in self.remedies) + "</ul>")
        return f"<section class='xp-static' aria-label='Lift by days'>{''.join(parts)}</section>"


def reductions_of(history: History) -> dict[str, float]:
    """By metric, the share of its variance that its covariates explain (R² of the regression on them).

    Source: Deng, Xu, Kohavi, Walker 2013, "Improving the sensitivity of online controlled experiments", eq. 4.
    """
    out = {}
    for key, table in history.covariates.items():
        y = np.asarray(history.values[key], dtype=np.float64)
        if y.ndim != 1:
            continue
        x = np.asarray(table, dtype=np.float64).reshape(len(y), -1)
        known = np.isfinite(y)
        if known.sum() < 100 or float(np.var(y[known])) == 0.0:
            continue
        design = np.column_stack([np.ones(int(known.sum())), x[known]])
        fitted = design @ np.linalg.lstsq(design, y[known], rcond=None)[0]
        out[key] = float(min(0.99, max(0.0, 1.0 - np.var(y[known] - fitted) / np.var(y[known]))))
    return out


def size_table(
    plan: Plan,
    *,
    accrual: AccrualCurve | None = None,
    reductions: Mapping[str, float] | None = None,
    days: Sequence[int] = DAYS,
) -> SizeTable:
    """What each metric with a baseline can find by a number of days: fixed, group-sequential, and with its covariates.

    Each way answers one question: *fixed* is read once at the end; *group-sequential* may be looked at before, by the plan's
    own boundary or the default one; *with covariate* is fixed with the share of the variance that values from before explain.
    Nothing is asked here of a smallest lift that matters: that is the rule's business (`xp.power`).

    Args:
        plan: Baselines, sds, units a day, power, shares and level come from it; it may still lack its texts.
        accrual: How units come in; left out, `planning.daily_units` each day.
        reductions: By metric, the share of the variance that covariates explain; see `reductions_of`.
        days: Numbers of days.

    Raises:
        InputError: `XPB-I04`, neither the plan nor an accrual says how many units come a day.
    """
    daily = plan.planning.daily_units
    if accrual is None and not daily:
        rule = plain("Days need to know how many units come a day")
        raise InputError(
            "XPB-I04", name="daily_units", value=plain("missing"), rule=rule, remedy=plain("Set planning.daily_units")
        )
    pace = accrual or AccrualCurve(np.array([float(daily or 0.0)]))
    units = {d: max(4, math.floor(pace.units_by(d))) for d in sorted(set(days))}
    rows, gone = [], []
    for metric in sorted(plan.metrics, key=lambda m: m.role != "primary"):
        scenario = _scenario(plan, metric)
        if scenario is None:
            gone.append(metric.key)
            continue
        saved = (reductions or {}).get(metric.key, 0.0)
        ways = _ways(plan, scenario, saved)
        for reading, way in ways.items():
            rows += [SizeRow(metric.key, reading, d, n, _found(plan, metric, way, n)) for d, n in units.items()]
    first = rows[0].metric if rows else ""
    lift = _planned(plan, first) if first else None
    within = _days_of(plan, pace)
    table = SizeTable(tuple(rows), plan.planning.power, plan.alpha / plan.planned_treatments, lift, within, (), tuple(gone))
    return replace(table, remedies=_remedies(plan, table, pace)) if rows and lift is not None else table


def _scenario(plan: Plan, metric: MetricBase) -> Scenario | None:
    baseline, sd = plan.planning.baselines.get(metric.key), plan.planning.sds.get(metric.key)
    if not baseline:
        return None
    rate = plan.members is None and (isinstance(metric, (Conversion, Retention, Funnel)) or (0 < baseline < 1 and sd is None))
    if (not rate and sd is None) or (rate and not 0 < baseline < 1):
        return None
    variant = plan.treatments[0]
    return Scenario(
        mean=baseline, sd=sd or 1.0, proportion=rate, scale="lift", null=0.0, alpha=plan.alpha, sides=2,
        split=(plan.control.split, variant.split), reduction=0.0,
        comparisons=1 if plan.correction == "none" else plan.planned_treatments, design=Fixed(),
    )  # fmt: skip


def _ways(plan: Plan, scenario: Scenario, saved: float) -> dict[SizeReading, Scenario]:
    model = plan.model
    grouped = (
        GroupSequentialTest(tuple(model.looks), model.spending, model.beyond, plan.alpha)
        if isinstance(model, GroupSequential)
        else GroupSequentialTest(DEFAULT_LOOKS, "obrien_fleming")
    )
    out: dict[SizeReading, Scenario] = {"fixed": scenario, "group-sequential": replace(scenario, design=grouped)}
    if saved >= LEAST_REDUCTION:
        out["fixed with covariate"] = replace(scenario, reduction=saved)
    return out


def _found(plan: Plan, metric: MetricBase, scenario: Scenario, n: int) -> float | None:
    try:
        return mde(scenario, n=n, target=plan.planning.power, direction=metric.direction)
    except XpbenchError:
        return None


def _planned(plan: Plan, key: str) -> float | None:
    claim = next((c.lift for c in plan.hypothesis.then if c.metric == key and c.lift), None)
    metric = plan.metric(key)
    size = claim if claim is not None else metric.min_lift
    return None if not size else (size if metric.direction == "increase" else -size)


def _days_of(plan: Plan, pace: AccrualCurve) -> int | None:
    found = [float(plan.horizon.days)] if plan.horizon.days else []
    if plan.horizon.units and (until := pace.day_of(plan.horizon.units)) is not None:
        found.append(until)
    return math.ceil(max(found) - 1e-6) if found else None


def _remedies(plan: Plan, table: SizeTable, pace: AccrualCurve) -> tuple[Remedy, ...]:
    """Ways to the planned lift where the plan's own reading misses it in its days, those that cost nothing first."""
    first, lift, within = table.metrics[0], abs(table.lift or 0.0), table.days
    own: SizeReading = "group-sequential" if isinstance(plan.model, GroupSequential) else "fixed"

    def until(metric: str, reading: SizeReading) -> int | None:
        return next(
            (r.days for r in table.rows
             if r.metric == metric and r.reading == reading and r.lift is not None and abs(r.lift) <= lift + 1e-9),
            None,
        )  # fmt: skip

    now = until(first, own)
    if now is not None and (within is None or now <= within):
        return ()
    out = []
    last = within or max(r.days for r in table.rows)
    if (found := until(first, "fixed with covariate")) is not None and (now is None or found < now):
        out.append(Remedy(f"use the covariate: {found} days.", found))
    if own != "fixed" and (found := until(first, "fixed")) is not None and (now is None or found < now):
        out.append(Remedy(f"read once at the end instead of looking before: {found} days.", found))
    if (
        len(plan.variants) == 2
        and abs(plan.control.split - 0.5) > 0.01
        and (even := _even(plan, first, lift, pace)) is not None
    ):
        out.append(Remedy(f"split equally: {even} days.", even))
    for metric in table.metrics[1:]:
        if (found := until(metric, own)) is not None and found <= last:
            out.append(Remedy(f"let {metric} decide, which moves more easily: {found} days for the same lift.", found))
    if now is not None:
        out.append(Remedy(f"run longer: {now} days.", now))
    fits = [r for r in table.rows if r.metric == first and r.reading == own and r.days <= last and r.lift is not None]
    if fits:
        smallest = min(fits, key=lambda r: abs(r.lift or 0.0))
        size = math.ceil(abs(smallest.lift or 0.0) * 1000) / 1000
        out.append(Remedy(f"plan for a larger change: {size:.1%} within {number_of(smallest.days, 'day')}.", smallest.days))
    return tuple(out)


def _even(plan: Plan, key: str, lift: float, pace: AccrualCurve) -> int | None:
    metric = plan.metric(key)
    scenario = _scenario(plan, metric)
    if scenario is None:
        return None
    own = "group-sequential" if isinstance(plan.model, GroupSequential) else "fixed"
    way = replace(_ways(plan, scenario, 0.0)[own], split=(0.5, 0.5))  # type: ignore[index]
    for d in DAYS:
        found = _found(plan, metric, way, max(4, math.floor(pace.units_by(d))))
        if found is not None and abs(found) <= lift + 1e-9:
            return d
    return None
