"""When effects may be seen: a function of the plan, the number of units and the clock, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xpbench.data.summary import Summary
from xpbench.errors import DecisionError, number_of, plain
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist, GroupSequential, Sequential


@dataclass(frozen=True, slots=True)
class Due:
    """Whether effects may be seen, and what is missing.

    Attributes:
        is_due: Effects may be seen.
        is_adequate: The horizon is reached, so that "no significance" is an answer.
        reason: One sentence.
        units: Exposed units so far.
        units_needed: Units at which results are due, or None.
        days: Days since the first exposure, or None where the source has no dates.
        days_needed: Days at which results are due, or None.
        look: Number of this planned look (group-sequential), else 0.
        looks: Number of planned looks (group-sequential), else 0.
    """

    is_due: bool
    is_adequate: bool
    reason: str
    units: int
    units_needed: int | None
    days: float | None
    days_needed: int | None
    look: int = 0
    looks: int = 0

    @property
    def progress(self) -> float:
        """Share of the way to the date on which results are due, 0 to 1: the smaller of units and days."""
        parts = []
        if self.units_needed:
            parts.append(self.units / self.units_needed)
        if self.days_needed and self.days is not None:
            parts.append(self.days / self.days_needed)
        return min(1.0, *parts) if parts else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "is_due": self.is_due,
            "is_adequate": self.is_adequate,
            "reason": self.reason,
            "units": self.units,
            "units_needed": self.units_needed,
            "days": self.days,
            "days_needed": self.days_needed,
            "look": self.look,
            "looks": self.looks,
        }


def days_running(summary: Summary, now: datetime) -> float | None:
    """Days from the first exposure to the end of the data (or to now, whichever is earlier); None without dates."""
    if not summary.first_exposure:
        return None
    first = datetime.fromisoformat(summary.first_exposure)
    last = datetime.fromisoformat(summary.data_until or summary.last_exposure)
    first, last = (t if t.tzinfo else t.replace(tzinfo=now.tzinfo) for t in (first, last))
    return max(0.0, (min(last, now) - first).total_seconds() / 86_400)


def ensure_has_looks(plan: Plan) -> None:
    """Nothing, where the plan has planned looks, of which one can be declared the last.

    Raises:
        DecisionError: `XPB-R30`, it is not group-sequential.
    """
    if not isinstance(plan.model, GroupSequential):
        raise DecisionError("XPB-R30", value=plain(plan.model.kind.replace("_", "-")))


def due(plan: Plan, summary: Summary, *, now: datetime, last: str = "") -> Due:
    """Whether effects may be seen under the plan.

    Frequentist: the horizon is reached. Group-sequential: a planned look is reached. Sequential: every variant has
    `min_units`. Bayesian: as the plan says. A horizon in units and days needs both; a horizon in days alone needs a
    source with dates.

    Args:
        plan: The registered plan.
        summary: What was collected.
        now: Aware time.
        last: Why this is the last look (group-sequential), "" where it is not declared.
    """
    model = plan.model
    units, days = summary.n, days_running(summary, now)
    smallest = min((summary.units.get(v.key, 0) for v in plan.variants), default=0)
    reached, missing = _horizon(plan, units, days)
    look = looks = 0
    needed, days_needed = plan.horizon.units, plan.horizon.days
    match model:
        case Frequentist():
            is_due = reached
            reason = "The horizon is reached." if reached else f"Fixed horizon: {missing}."
        case GroupSequential():
            looks = len(model.looks)
            horizon = plan.horizon.units or 0
            look = sum(1 for share in model.looks if units >= share * horizon - 1e-9)
            is_due = look > 0 or bool(last)
            following = next((round(s * horizon) for s in model.looks if units < s * horizon - 1e-9), None)
            needed = needed if following is None else following
            reason = (
                f"The experiment ended at {number_of(units, 'unit')}, and this look was declared its last."
                if last and not reached
                else f"Planned look {look} of {looks} is reached."
                if is_due
                else f"The first planned look is at {number_of(following or 0, 'unit')}; "
                f"{max(0, (following or 0) - units):,} to go."
            )
        case Sequential():
            is_due = smallest >= model.min_units
            reason = (
                "Every look is valid from here on."
                if is_due
                else f"The first look needs {number_of(model.min_units, 'unit')} in every variant; "
                f"the smallest has {smallest:,}."
            )
            if not is_due:
                needed = _first_look_units(plan, model.min_units)
                days_needed = None
        case Bayesian():
            is_due = reached if model.due == "horizon" else smallest >= model.min_units
            reason = (
                "The plan lets the posterior be read now; reading it repeatedly inflates false positives."
                if is_due
                else (
                    f"Fixed horizon: {missing}."
                    if model.due == "horizon"
                    else f"The plan needs {number_of(model.min_units, 'unit')} in every variant; the smallest has {smallest:,}."
                )
            )
            if not is_due and model.due == "min_units":
                needed, days_needed = _first_look_units(plan, model.min_units), None
    return Due(is_due, reached, reason, units, needed, days, days_needed, look, looks)


def _first_look_units(plan: Plan, min_units: int) -> int:
    """Units over all variants at which the smallest split is expected to have `min_units`."""
    smallest = min(v.split for v in plan.variants)
    return round(min_units / smallest)


def _horizon(plan: Plan, units: int, days: float | None) -> tuple[bool, str]:
    missing = []
    if plan.horizon.units is not None and units < plan.horizon.units:
        missing.append(f"{plan.horizon.units - units:,} more units")
    if plan.horizon.days is not None:
        if days is None:
            missing.append(f"{plan.horizon.days} days, which this source without dates can't show")
        elif days < plan.horizon.days:
            missing.append(f"{plan.horizon.days - days:.1f} more days")
    return not missing, " and ".join(missing) + (" to go" if missing else "")
