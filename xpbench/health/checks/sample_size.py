"""Progress towards the planned sample size."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, day_of
from xpbench.health.registry import check

SLOW = 0.5
"""Share of the planned accrual below which it warns."""


@check("sample_size", title="Sample size", question="How far is the experiment, and does it reach its size in time?")
def sample_size(inputs: HealthInputs) -> Verdict:
    """Warns where the days are over and units are missing, or where units come at less than half the planned rate."""
    plan, summary = inputs.plan, inputs.summary
    n, wanted = summary.n, plan.horizon.units
    first = day_of(summary.first_exposure)
    last = day_of(summary.data_until) or (inputs.now.date() if inputs.now else None) or day_of(summary.last_exposure)
    days = (last - first).days + 1 if first is not None and last is not None and last >= first else None
    daily = n / days if days else None
    evidence = {
        "units": n,
        "horizon_units": wanted,
        "share": n / wanted if wanted else None,
        "days": days,
        "horizon_days": plan.horizon.days,
        "units_per_day": daily,
        "planned_per_day": plan.planning.daily_units,
        "days_left": (wanted - n) / daily if wanted and daily and wanted > n else 0.0 if wanted and n >= wanted else None,
    }
    if wanted is None and plan.horizon.days is None:
        return Verdict("not answerable", "The plan has no horizon.", "Set horizon.units or horizon.days.", evidence)
    if wanted is not None and n >= wanted:
        return Verdict("pass", f"{n:,} of {wanted:,} planned units: the horizon is reached.", "Nothing to do.", evidence)
    over = plan.horizon.days is not None and days is not None and days >= plan.horizon.days
    if over and wanted is not None:
        return Verdict(
            "warn",
            f"The {plan.horizon.days} days are over with {n:,} of {number_of(wanted, 'unit')}: "
            "no significance may mean too few units.",
            "Go on until the units are reached, or decide to iterate.",
            evidence,
        )
    planned = plan.planning.daily_units
    if planned and daily is not None and days is not None and days >= 3 and daily < SLOW * planned:
        return Verdict(
            "warn",
            f"{daily:,.0f} new units a day come instead of the planned {planned:,.0f}.",
            "Look whether exposures are lost, or plan more days.",
            evidence,
        )
    of = f" of {wanted:,} planned units" if wanted else " units"
    time = f", day {days:,} of {plan.horizon.days:,}" if days and plan.horizon.days else ""
    return Verdict("pass", f"{n:,}{of}{time}.", "Nothing to do: collecting." if not over else "Nothing to do.", evidence)
