"""What a plan can find: sample size, smallest detectable lift, power and days for each metric with a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Literal

from xpbench.errors import DecisionError, XpbenchError, number_of, plain
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist, GroupSequential, Sequential, Variant
from xpbench.plan.metrics import Conversion, Funnel, MetricBase, Retention
from xpbench.shows import Shows
from xpbench.stats.accrual import Accrual, duration
from xpbench.stats.designs import Anytime, Bayes, Design, Fixed, even_looks
from xpbench.stats.designs import GroupSequential as Grouped
from xpbench.stats.planning import Scenario, mde, power, sample_size

LOOKS = 20
"""Looks at which the power of an anytime-valid design is computed; more looks add next to nothing."""


@dataclass(frozen=True, slots=True)
class PowerRow:
    """What the plan can find in one metric. Numbers that can't be computed are None, with the reason in `note`.

    Attributes:
        metric: Its key.
        role: primary, secondary or guardrail.
        variant: The treatment variant.
        question: `better` or `within margin`.
        baseline: Mean of the control.
        value: The lift (or for an absolute margin the effect) that is planned for.
        n_needed: Units of all variants that reach the planned power.
        power: At the horizon.
        mde: Smallest lift found with the planned power at the horizon, signed.
        days: Days until n_needed, whole weeks, at the planned daily units.
        note: What is missing.
    """

    metric: str
    role: str
    variant: str
    question: Literal["better", "within margin"]
    baseline: float | None
    value: float | None
    n_needed: int | None
    power: float | None
    mde: float | None
    days: int | None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class PowerReport(Shows):
    """The rows, with what they rest on.

    Attributes:
        key: The experiment.
        horizon: Units at which it is read.
        target: Planned power.
        rows: One per metric with a question, and treatment variant.
    """

    rows_of_frame: ClassVar[str] = "rows"

    key: str
    horizon: int | None
    target: float
    rows: tuple[PowerRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"key": self.key, "horizon": self.horizon, "target": self.target, "rows": [r.to_dict() for r in self.rows]}

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([r.to_dict() for r in self.rows])

    def __repr__(self) -> str:
        lines = [
            f"Power of {self.key}, planned {self.target:.0%}"
            + (f" at {number_of(self.horizon, 'unit')}" if self.horizon else "")
        ]
        lines += [f"  {line}" for line in map(_line, self.rows)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(_line(r))}</li>" for r in self.rows)
        return f"<section aria-label='Power'><p>{escape(repr(self).splitlines()[0])}</p><ul>{items}</ul></section>"


def _line(row: PowerRow) -> str:
    if row.note:
        return f"{row.metric}: {row.note}"
    parts = []
    if row.n_needed is not None and row.value is not None:
        what = f"a lift of {row.value:+.1%}" if row.question == "better" else f"being within its margin of {row.value:.1%}"
        parts.append(
            f"{number_of(row.n_needed, 'unit shows', 'units show')} {what}" + (f" ({row.days} days)" if row.days else "")
        )
    if row.power is not None:
        parts.append(f"power {row.power:.0%} at the horizon")
    if row.mde is not None:
        parts.append(f"smallest lift found {row.mde:+.1%}")
    return f"{row.metric} [{row.variant}]: " + ", ".join(parts)


def plan_power(plan: Plan) -> PowerReport:
    """Sample size, MDE, power and days of every primary metric and guardrail of a plan.

    Baselines (mean of the control; standard deviation for what is no proportion), daily units and power come from
    `plan.planning`; the expected lift from the hypothesis, else from `min_lift`. Multiplicity, splits, margins and the design
    are those of the plan.

    Args:
        plan: The plan.
    """
    claims = {c.metric: c for c in plan.hypothesis.then}
    primaries = len(plan.metrics_with("primary")) * len(plan.treatments)
    comparisons = 1 if plan.correction == "none" else primaries
    rows = []
    for metric in plan.metrics:
        if metric.role == "secondary":
            continue
        for variant in plan.treatments:
            claim = claims.get(metric.key)
            expected = claim.lift if claim is not None and claim.lift is not None else metric.min_lift
            rows.append(_row(plan, metric, variant, expected, comparisons if metric.role == "primary" else 1))
    return PowerReport(plan.key, plan.horizon.units, plan.planning.power, tuple(rows))


def _row(plan: Plan, metric: MetricBase, variant: Variant, expected: float | None, comparisons: int) -> PowerRow:
    question: Literal["better", "within margin"] = "within margin" if metric.role == "guardrail" else "better"
    baseline = plan.planning.baselines.get(metric.key)
    nothing = PowerRow(metric.key, metric.role, variant.key, question, baseline, None, None, None, None, None)
    if baseline is None:
        return _noted(nothing, f"no baseline; set planning.baselines.{metric.key}")
    proportion = isinstance(metric, (Conversion, Retention, Funnel)) or (
        0 < baseline < 1 and metric.key not in plan.planning.sds
    )
    sd = plan.planning.sds.get(metric.key)
    if not proportion and sd is None:
        return _noted(nothing, f"no standard deviation; set planning.sds.{metric.key}")
    good = 1.0 if metric.direction == "increase" else -1.0
    absolute = question == "within margin" and metric.margin is not None
    margin = metric.margin if absolute else metric.margin_rel
    if question == "within margin" and margin is None:
        return _noted(nothing, "no margin")
    try:
        scenario = Scenario(
            mean=baseline,
            sd=sd or 1.0,
            proportion=proportion,
            scale="effect" if absolute else "lift",
            null=-good * margin if question == "within margin" and margin is not None else 0.0,
            alpha=plan.alpha if question == "better" else plan.guardrail_alpha,
            sides=2 if question == "better" else 1,
            split=(plan.control.split, variant.split),
            reduction=0.0,
            comparisons=comparisons,
            design=_design(plan, variant),
        )
        value = good * expected if question == "better" and expected else 0.0
        target = plan.planning.power
        needed = sample_size(scenario, value=value, target=target) if question == "within margin" or value else None
        at = plan.horizon.units
        reached = power(scenario, value=value, n=at).power if at and needed is not None else None
        smallest = mde(scenario, n=at, target=target, direction=metric.direction) if at and question == "better" else None
        days = None
        if needed is not None and plan.planning.daily_units:
            window = getattr(metric, "window_days", None) or 0.0
            days = duration(needed.n, accrual=Accrual.steady(plan.planning.daily_units), window_days=window, whole_weeks=True)
    except XpbenchError as error:
        return _noted(nothing, error.what)
    shown = margin if question == "within margin" else value or None
    return PowerRow(
        metric.key, metric.role, variant.key, question, baseline, shown, needed.n if needed else None, reached, smallest, days
    )


def _noted(row: PowerRow, note: str) -> PowerRow:
    return PowerRow(**{**row.to_dict(), "note": note})


def _design(plan: Plan, variant: Variant) -> Design:
    model = plan.model
    match model:
        case Frequentist():
            return Fixed()
        case Sequential():
            share = plan.control.split + variant.split
            horizon = plan.horizon.units
            first = min(1.0, model.min_units / min(plan.control.split, variant.split) / horizon) if horizon else 0.05
            looks = even_looks(1 if first >= 1.0 else LOOKS, first=first)
            n_opt = None if model.n_opt is None else model.n_opt * share
            if n_opt is None:
                raise DecisionError("XPB-R11", reason=plain("the sequential model is tuned by tau, not by n_opt"))
            return Anytime(looks=looks, n_opt=n_opt, tau=None, tuned_alpha=plan.alpha)
        case GroupSequential():
            return Grouped(tuple(model.looks), model.spending)
        case Bayesian():
            return Bayes(model.confidence, None)


def power_points(plan: Plan, *, sizes: Sequence[int], factors: Sequence[float] = (0.6, 1.0, 1.6)) -> list[dict[str, float]]:
    """Power of the first primary metric with a baseline and a lift to plan for, by number of units and lift.

    Args:
        plan: The plan.
        sizes: Units of all variants.
        factors: Lifts as multiples of the planned one.

    Returns:
        `n`, `lift`, `power` for every size and factor; empty where the plan has no baseline or no lift.
    """
    claims = {c.metric: c.lift for c in plan.hypothesis.then}
    comparisons = 1 if plan.correction == "none" else len(plan.metrics_with("primary")) * len(plan.treatments)
    for metric in plan.metrics_with("primary"):
        baseline, sd = plan.planning.baselines.get(metric.key), plan.planning.sds.get(metric.key)
        lift = claims.get(metric.key) or metric.min_lift
        if baseline is None or not lift:
            continue
        proportion = isinstance(metric, (Conversion, Retention, Funnel)) or (0 < baseline < 1 and sd is None)
        if not proportion and sd is None:
            continue
        variant = plan.treatments[0]
        scenario = Scenario(
            mean=baseline,
            sd=sd or 1.0,
            proportion=proportion,
            scale="lift",
            null=0.0,
            alpha=plan.alpha,
            sides=2,
            split=(plan.control.split, variant.split),
            reduction=0.0,
            comparisons=comparisons,
            design=_design(plan, variant),
        )
        good = 1.0 if metric.direction == "increase" else -1.0
        return [
            {"n": float(n), "lift": good * lift * f, "power": power(scenario, value=good * lift * f, n=n).power}
            for f in factors
            for n in sizes
        ]
    return []
