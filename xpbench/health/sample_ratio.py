"""Sample-ratio tests over counts of the summary; the mathematics is in `stats.srm`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from xpbench.health.inputs import HealthInputs
from xpbench.plan.design import Bayesian, GroupSequential, Sequential
from xpbench.plan.methods import POWER
from xpbench.plan.model import Plan
from xpbench.stats import srm as core

CONCENTRATION = 100.0
"""Prior concentration of the anytime test (Lindon and Malek 2022)."""

LEAST_EXPECTED = 5
"""Expected units of the smallest variant below which a slice is not tested (Cochran 1954)."""


@dataclass(frozen=True, slots=True)
class SampleRatioTest:
    """Result of one fixed test: statistic, degrees of freedom, p-value; the slice it is about and its counts."""

    statistic: float
    df: int
    p_value: float
    slice: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    severity: Mapping[str, Any] = field(default_factory=dict)


def observed(inputs: HealthInputs) -> dict[str, int]:
    """Exposed units of each planned variant, 0 where there are none."""
    return {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}


def reads_more_than_once(plan: Plan) -> bool:
    """Whether the plan's design has several looks at the data, each of which runs these tests."""
    model = plan.model
    return isinstance(model, (Sequential, GroupSequential)) or (isinstance(model, Bayesian) and model.due != "horizon")


def misplaced(inputs: HealthInputs, shares: Mapping[str, float]) -> bool:
    """Whether a variant that should have no unit has some: a fault at any number of looks."""
    counts = observed(inputs)
    return any(counts.get(k, 0) > 0 for k, share in shares.items() if share == 0)


def fixed_ratio(counts: Mapping[str, int], shares: Mapping[str, float], *, slice: str = "") -> SampleRatioTest:  # noqa: A002
    """Chi-squared of counts against expected shares, with a bound on the bias that the mismatch could cause."""
    names = list(shares)
    ns = [int(counts.get(k, 0)) for k in names]
    result = core.srm(ns, [shares[k] for k in names])
    # exact tests have no statistic; units in a variant that should have none are a fault, whatever the others look like
    p = 0.0 if result.misplaced else result.p_value
    return SampleRatioTest(result.statistic, result.df, p, slice, dict(zip(names, ns, strict=True)), _severity(ns, shares))


def anytime_ratio(inputs: HealthInputs, shares: Mapping[str, float]) -> list[float]:
    """Anytime p-value after each day with exposures, in order of the days; it never rises."""
    names = list(shares)
    running = dict.fromkeys(names, 0)
    path: list[list[int]] = []
    for day in sorted(inputs.summary.exposures_by_day):
        for k in names:
            running[k] += int(inputs.summary.exposures_by_day[day].get(k, 0))
        path.append([running[k] for k in names])
    weights = [shares[k] for k in names]
    progress = _progress(inputs.plan, sorted(inputs.summary.exposures_by_day), [sum(x) for x in path])
    if inputs.plan.methods < POWER or progress is None:
        return [float(p) for p in core.srm_anytime(path, weights, k=CONCENTRATION)]
    policy = inputs.plan.health
    levels = (policy.srm_alpha, policy.srm_warn_alpha)
    return [float(p) for p in core.srm_spending(path, weights, progress=progress, levels=levels)]


def _progress(plan: Plan, days: list[str], units: list[int]) -> list[float] | None:
    """Share of the planned way at the end of each day: by the calendar where the horizon has days, else by units."""
    if plan.horizon.days is not None:
        first = date.fromisoformat(days[0][:10])
        return [((date.fromisoformat(d[:10]) - first).days + 1) / plan.horizon.days for d in days]
    if plan.horizon.units is not None:
        return [n / (core.FULL_AT * plan.horizon.units) for n in units]
    return None


def _severity(counts: list[int], shares: Mapping[str, float]) -> dict[str, Any]:
    """How far the mismatch could move a mean, apart from its significance."""
    bound = core.bias_bound(counts, list(shares.values()))
    return {
        "missing_share": bound.missing_share,
        "missing_in": list(shares)[bound.variant],
        "bias_at_most_sd": bound.in_sd,
    }


def sliced_ratios(slices: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]) -> list[SampleRatioTest]:
    """The fixed test within each slice that expects at least 5 units in every variant, in order of the slices."""
    smallest = min((s for s in shares.values() if s > 0), default=0.0)
    out = []
    for part in sorted(slices):
        counts = {k: int(slices[part].get(k, 0)) for k in shares}
        if sum(counts.values()) * smallest >= LEAST_EXPECTED:
            out.append(fixed_ratio(counts, shares, slice=part))
    return out
