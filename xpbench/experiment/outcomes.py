"""What the metrics of a plan are computed from: the columns, events and properties that stay sealed until results are due."""

from __future__ import annotations

from xpbench.plan import Plan
from xpbench.plan.metrics import Column, EventMetric, Funnel


def outcome_columns(plan: Plan) -> frozenset[str]:
    """Columns of a table that hold outcomes; covariates are from before the exposure and are none."""
    return frozenset(m.column for m in plan.metrics if isinstance(m, Column))


def outcome_events(plan: Plan) -> frozenset[str]:
    """Events of a log that a metric counts."""
    found = {str(m.event) for m in plan.metrics if isinstance(m, EventMetric) and hasattr(m, "event")}
    return frozenset(found | {s.event for m in plan.metrics if isinstance(m, Funnel) for s in m.steps})


def outcomes_of(plan: Plan) -> frozenset[str]:
    """Columns and events together."""
    return outcome_columns(plan) | outcome_events(plan)
