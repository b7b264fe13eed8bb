"""Giving up where the rest is hopeless: the chance that is left at a look, and what the rule costs in power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.decide.chances import threshold
from xpbench.decide.whatnow import level_of_primary, planned_error, planned_lift
from xpbench.plan import Plan
from xpbench.plan.design import GroupSequential
from xpbench.stats.rest import conditional_power, futility, smallest_found
from xpbench.stats.spending import q_group

NEXT = 2e-3
"""Information by which the next look is ahead at least; a planned look that is nearer is this one."""


@dataclass(frozen=True, slots=True)
class Price:
    """What the futility row of a plan costs, by exact recursion over its planned looks.

    Attributes:
        floor: Chance below which a look gives up.
        metric: Key of the primary metric whose planned lift it is computed for.
        power: Chance of a win where the lift is as planned, with the row.
        power_without: The same without it.
        gives_up: Chance to give up before the horizon where nothing changes.
        units: Mean share of the horizon that is used then.
    """

    floor: float
    metric: str
    power: float
    power_without: float
    gives_up: float
    units: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def chance_left(
    plan: Plan, metric: str, *, effect: float, se: float, mean: float, information: Sequence[float], level: float
) -> float | None:
    """Chance that one of the planned looks ahead wins if the lift is as planned; None where nothing is ahead or planned.

    A win at a look is a crossing of its boundary by an estimate that is large enough to matter.

    Args:
        plan: Group-sequential.
        metric: Key of a primary metric.
        effect: Estimate now, metric units.
        se: Its standard error, above 0.
        mean: Of the control.
        information: Shares at the looks so far, this one last.
        level: Two-sided level of the row.

    Source: stochastic curtailment, Lan, Simon, Halperin 1982; looks ahead by recursive integration (`stats.rest`).
    """
    model, now = plan.model, information[-1]
    lift = planned_lift(plan.to_dict(), metric)
    if not isinstance(model, GroupSequential) or lift is None or not mean:
        return None
    ahead = tuple(t for t in model.looks if t > now + NEXT)
    if not ahead:
        return None
    error = se / abs(mean)  # of the lift, at this look
    bounds = _edges(plan, metric, [*information, *ahead], level, error * now**0.5)[len(information) :]
    sign = 1.0 if plan.metric(metric).direction == "increase" else -1.0
    return conditional_power(sign * effect / se, t=now, looks=ahead, bounds=bounds, drift=lift / (error * now**0.5)).up


MOST = 60
"""Looks over which the multiplier of the last one is integrated for a row."""


def last_multiplier(plan: Plan, information: Sequence[float], level: float) -> float | None:
    """Multiplier of the last planned look, over the looks so far and those ahead; None where none is ahead or too many are.

    Args:
        plan: Group-sequential, without a share of the level beyond the horizon.
        information: Shares at the looks so far, this one last.
        level: Two-sided level of the row.
    """
    model = plan.model
    if not isinstance(model, GroupSequential) or model.beyond is not None:
        return None
    ahead = [t for t in model.looks if t > information[-1] + NEXT]
    if not ahead or len(information) + len(ahead) > MOST:
        return None
    return q_group(level, [*information, *ahead], model.spending, final=True)[-1]


def price_of(plan: Plan) -> Price | None:
    """What the futility row costs in power; None where the plan has none, or names no lift.

    For the first primary metric with a planned lift, from the plan's baselines; where it has none, for the effect that the
    design finds with the planned power.
    """
    model, floor = plan.model, plan.decision.futility
    document = plan.to_dict()
    lifts = ((m.key, planned_lift(document, m.key)) for m in plan.metrics_with("primary"))
    metric, lift = next(((key, lift) for key, lift in lifts if lift), ("", None))
    if floor is None or lift is None or not isinstance(model, GroupSequential):
        return None
    level, looks = level_of_primary(document), tuple(model.looks)
    error = planned_error(document, next(m for m in document["metrics"] if m["key"] == metric))
    if error is None:
        plain = q_group(level, looks, model.spending, final=True)
        error = lift / smallest_found(plan.planning.power, looks=looks, bounds=plain)
    found = futility(floor, looks=looks, bounds=_edges(plan, metric, looks, level, error), drift=lift / error)
    numbers = (found.power, found.power_without, found.stopped_null, found.units_null)
    return Price(floor, metric, *(float(f"{x:.12g}") for x in numbers))


def _edges(plan: Plan, metric: str, looks: Sequence[float], level: float, error: float) -> list[float]:
    """Multiplier from which on each look wins: the boundary, or further out where the estimate must matter.

    `error` is the standard error of the lift at the horizon.
    """
    assert isinstance(plan.model, GroupSequential)  # noqa: S101 - asked by the callers
    least, policy = plan.metric(metric).min_lift, plan.decision.practical
    out = []
    for t, q in zip(looks, q_group(level, looks, plan.model.spending, final=True), strict=True):
        own = error / t**0.5
        out.append(threshold(own, q, policy, least) / own)
    return out
