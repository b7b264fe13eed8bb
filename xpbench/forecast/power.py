"""What a plan can find: sample size, smallest detectable lift, power and days for each metric with a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from xpbench.decide.futility import Price, price_of
from xpbench.decide.whatnow import giving_up_said
from xpbench.errors import DecisionError, XpbenchError, number_of, plain, shown
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist, GroupSequential, Sequential, Variant
from xpbench.plan.metrics import Conversion, Funnel, MetricBase, Retention
from xpbench.shows import Shows
from xpbench.stats.accrual import Accrual, duration
from xpbench.stats.designs import Anytime, Bayes, Design, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.planning import Scenario, mde, power, sample_size
from xpbench.stats.win_chance import Matters, win_mde, win_power, win_size
from xpbench.wording.numbers import percent

TOLERANCE = 0.005
"""How far a chance may stay below the planned power before it is called low: half of the whole per cent that is shown."""
DOUBLINGS = 12
"""How often a horizon is doubled in search of the planned power."""
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
        n_needed: Units of all variants that reach the planned power by the plan's own rule; None where no number does.
        power: At the horizon, of a win by the plan's own rule: the test, and for `better` what `decision.practical` asks to
            reach `min_lift`.
        mde: Smallest lift that wins with the planned power at the horizon, signed.
        days: Days until n_needed, whole weeks, at the planned daily units.
        note: What is missing, or what the rule asks beyond the test.
        significant: At the horizon, of a significant difference alone.
        scale: Of `value`: `lift`, or `effect` for an absolute margin.
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
    significant: float | None = None
    scale: Literal["lift", "effect"] = "lift"

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
        ships: By treatment variant, the chance at the horizon that the plan's rule ships it if the hypothesis holds and no
            guardrail moves; metrics are taken as independent. None where a number is missing.
        horizon_needed: Units at which that chance reaches the planned power for every treatment; None where it is reached, or
            no number does.
        futility: What the plan's futility row takes of these chances; None where it has none.
    """

    rows_of_frame: ClassVar[str] = "rows"

    key: str
    horizon: int | None
    target: float
    rows: tuple[PowerRow, ...]
    ships: Mapping[str, float | None] = field(default_factory=dict)
    horizon_needed: int | None = None
    futility: Price | None = None

    @property
    def is_low(self) -> bool:
        """Whether the rule ships some treatment with less than the planned power."""
        return any(chance is not None and chance < self.target - TOLERANCE for chance in self.ships.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the plan's own rule can find, and what to do where that is less than planned."""
        known = {k: v for k, v in self.ships.items() if v is not None}
        out = [
            f"If the hypothesis holds, the rule ships {shown(k)[1:-1]} in {_share(v)} of cases (planned {self.target:.0%})."
            for k, v in known.items()
        ]
        if self.is_low and self.horizon_needed:
            out.append(f"Use {self.horizon_needed:,} as horizon.units, or expect less.")
        elif self.is_low:
            out.append("No horizon reaches it: " + (self._why or "look at the metrics below") + ".")
        if self.futility is not None:
            out.append(giving_up_said(self.futility.to_dict()))
        return tuple(out)

    @property
    def _why(self) -> str:
        """Which metric keeps the rule from its power at any size."""
        stuck = [r for r in self.rows if r.question == "better" and r.n_needed is None and r.value is not None]
        return f"{stuck[0].metric} is not expected to exceed min_lift, which the rule asks for" if stuck else ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "key": self.key,
            "horizon": self.horizon,
            "target": self.target,
            "rows": [r.to_dict() for r in self.rows],
            "ships": dict(self.ships),
            "horizon_needed": self.horizon_needed,
            **({} if self.futility is None else {"futility": self.futility.to_dict()}),
        }

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([r.to_dict() for r in self.rows])

    def __repr__(self) -> str:
        lines = [
            f"Power of {self.key}, planned {self.target:.0%}"
            + (f" at {number_of(self.horizon, 'unit')}" if self.horizon else "")
        ]
        lines += [f"  {'!' if self.is_low else '✓'} {line}" for line in self.sentences]
        lines += [f"  {line}" for line in map(_line, self.rows)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(_line(r))}</li>" for r in self.rows)
        said = "".join(f"<p>{'!' if self.is_low else '✓'} {escape(s)}</p>" for s in self.sentences)
        return f"<section aria-label='Power'><p>{escape(repr(self).splitlines()[0])}</p>{said}<ul>{items}</ul></section>"


def _line(row: PowerRow) -> str:
    if row.note and row.power is None:
        return f"{row.metric}: {row.note}"
    parts = []
    if row.n_needed is not None and row.value is not None:
        is_lift = row.scale == "lift"
        if row.question == "better":
            what = f"a lift of {percent(row.value, 1, signed=True)}" if is_lift else f"an effect of {row.value:+.4g}"
            wanted = f"To find {what}"
        else:
            bound = percent(row.value, 1) if is_lift else f"{row.value:.4g} (absolute)"
            wanted = f"To show that it stays within its margin of {bound}"
        days = f" ({row.days} days)" if row.days else ""
        parts.append(f"{wanted} you need {number_of(row.n_needed, 'unit')}{days}.")
    said = [f"the chance is {percent(row.power, 0 if row.power >= 0.095 else 1)}"] if row.power is not None else []
    said += [f"the smallest lift that it finds is {percent(row.mde, 1, signed=True)}"] if row.mde is not None else []
    if said:
        parts.append(f"At the horizon {' and '.join(said)}.")
    if row.note:
        parts.append(row.note if row.note.endswith(".") else f"{row.note}.")
    return f"{row.metric} [{row.variant}]: " + " ".join(parts)


def _share(value: float) -> str:
    """A chance in whole per cent; with a decimal where it is small."""
    return f"{value:.0%}" if value >= 0.095 else f"{value:.1%}"


def plan_power(plan: Plan) -> PowerReport:
    """Sample size, MDE, power and days of every primary metric and guardrail of a plan, by the plan's own rule.

    Where the rule asks that the estimate or the interval reaches `min_lift`, power is the chance of both: rejecting, and being
    large enough to matter. A plan that expects just `min_lift` wins half the time at any size where the estimate must reach it,
    and next to never where the interval must.

    Baselines (mean of the control; standard deviation for what is no proportion), daily units and power come from
    `plan.planning`; the expected lift from the hypothesis, else from `min_lift`. Multiplicity, splits, margins and the design
    are those of the plan.

    Args:
        plan: The plan.
    """
    rows = _rows(plan)
    ships = _ships(plan, rows)
    known = [v for v in ships.values() if v is not None]
    low = bool(known) and min(known) < plan.planning.power - TOLERANCE
    needed = _horizon_needed(plan) if low else None
    return PowerReport(plan.key, plan.horizon.units, plan.planning.power, tuple(rows), ships, needed, price_of(plan))


def _ships(plan: Plan, rows: Sequence[PowerRow]) -> dict[str, float | None]:
    """By treatment, the chance that the rule ships it: primary metrics as it combines them, times each guardrail."""
    out: dict[str, float | None] = {}
    for variant in plan.treatments:
        own = [r for r in rows if r.variant == variant.key]
        wins = [r.power for r in own if r.question == "better" and r.value is not None]
        rails = [
            r.power if plan.decision.guardrails == "non_inferior" else 1.0 - plan.alpha / 2.0
            for r in own
            if r.question == "within margin"
        ]
        silent = [r for r in own if r.question == "better" and r.value is None]
        if not wins or None in wins or None in rails or (silent and plan.decision.ship_when == "all_primaries"):
            out[variant.key] = None
            continue
        chances = [w for w in wins if w is not None]
        primary = (
            math.prod(chances) if plan.decision.ship_when == "all_primaries" else 1.0 - math.prod(1.0 - w for w in chances)
        )
        out[variant.key] = primary * math.prod(r for r in rails if r is not None)
    return out


def _horizon_needed(plan: Plan) -> int | None:
    """Units at which the rule ships every treatment with the planned power; two significant digits of search, rounded up."""
    least = plan.horizon.units or 2

    def reaches(units: int) -> bool:
        chances = _ships(tried := _at(plan, units), _rows(tried, sizes=False)).values()
        return all(c is not None and c >= plan.planning.power for c in chances)

    low = high = least
    for _ in range(DOUBLINGS):
        low, high = high, high * 2
        if reaches(high):
            break
    else:
        return None
    while high - low > max(1, low // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _at(plan: Plan, units: int) -> Plan:
    """The plan with another horizon."""
    return plan.replace(horizon=units)


def _rows(plan: Plan, *, sizes: bool = True) -> list[PowerRow]:
    """A row for each metric with a question and treatment; without `sizes` only its power at the horizon is computed."""
    claims = {c.metric: c for c in plan.hypothesis.then}
    primaries = len(plan.metrics_with("primary")) * plan.planned_treatments
    comparisons = 1 if plan.correction == "none" else primaries
    rows = []
    for metric in plan.metrics:
        if metric.role == "secondary":
            continue
        for variant in plan.treatments:
            claim = claims.get(metric.key)
            expected = claim.lift if claim is not None and claim.lift is not None else metric.min_lift
            rows.append(_row(plan, metric, variant, expected, comparisons if metric.role == "primary" else 1, sizes=sizes))
    return rows


def _row(
    plan: Plan, metric: MetricBase, variant: Variant, expected: float | None, comparisons: int, *, sizes: bool
) -> PowerRow:
    question: Literal["better", "within margin"] = "within margin" if metric.role == "guardrail" else "better"
    baseline = plan.planning.baselines.get(metric.key)
    nothing = PowerRow(metric.key, metric.role, variant.key, question, baseline, None, None, None, None, None)
    if baseline is None:
        return _noted(nothing, f"no baseline; set planning.baselines.{metric.key}")
    proportion = plan.members is None and (
        isinstance(metric, (Conversion, Retention, Funnel)) or (0 < baseline < 1 and metric.key not in plan.planning.sds)
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
        target, at = plan.planning.power, plan.horizon.units
        answers = question == "within margin" or value != 0.0
        alone = power(scenario, value=value, n=at).power if at and answers else None
        matters = Matters(metric.min_lift, plan.decision.practical if question == "better" else "none")
        reached = win_power(scenario, matters, value=value, n=at) if at and answers and matters.asks else alone
        needed, smallest, note = None, None, ""
        if sizes and answers:
            size = sample_size(scenario, value=value, target=target)
            needed = win_size(scenario, matters, value=value, target=target, least=size.n) if matters.asks else size.n
            note = _asked(matters, expected, needed, size.n)
        if sizes and at and question == "better":
            smallest = mde(scenario, n=at, target=target, direction=metric.direction)
            if matters.asks:
                smallest = win_mde(scenario, matters, n=at, target=target, least=smallest)
        days = None
        if needed is not None and plan.planning.daily_units:
            window = getattr(metric, "window_days", None) or 0.0
            days = duration(needed, accrual=Accrual.steady(plan.planning.daily_units), window_days=window, whole_weeks=True)
    except XpbenchError as error:
        return _noted(nothing, error.what)
    shown_value = margin if question == "within margin" else value or None
    return PowerRow(
        metric.key, metric.role, variant.key, question, baseline, shown_value, needed, reached, smallest, days,
        note, alone, "effect" if absolute else "lift",
    )  # fmt: skip


def _asked(matters: Matters, expected: float | None, needed: int | None, significant: int) -> str:
    """What the rule asks beyond the test, where that binds."""
    if not matters.asks or expected is None or needed == significant:
        return ""
    who = "estimate" if matters.practical == "estimate" else "whole interval"
    asks = f"The rule also asks that the {who} reaches min_lift ({matters.min_lift:+.1%})"
    if needed is not None:
        return f"{asks}; {significant:,} units would do for the test alone"
    most = "half the time at most" if matters.practical == "estimate" else "next to never"
    return f"{asks}: with a true lift of {expected:+.1%} that is {most}, at any size. Lower min_lift, or expect more"


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
            return GroupSequentialTest(tuple(model.looks), model.spending, model.beyond, plan.alpha)
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
    comparisons = 1 if plan.correction == "none" else len(plan.metrics_with("primary")) * plan.planned_treatments
    for metric in plan.metrics_with("primary"):
        baseline, sd = plan.planning.baselines.get(metric.key), plan.planning.sds.get(metric.key)
        lift = claims.get(metric.key) or metric.min_lift
        if baseline is None or not lift:
            continue
        proportion = plan.members is None and (
            isinstance(metric, (Conversion, Retention, Funnel)) or (0 < baseline < 1 and sd is None)
        )
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
