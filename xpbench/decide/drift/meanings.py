"""The metric drift lock: a digest of what a metric *means*, which spelling does not move and a changed filter does.

The digest covers the definition without names for people, and the metric's value on a small golden fixture of events, so
that a change of code that computes something else is seen as well as a change of the definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xpbench import formula
from xpbench.canonical import digest
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric, Formula, MetricBase

COSMETIC = ("name", "role", "direction", "min_lift", "margin", "margin_rel")
"""Fields that say what a metric is for, not what it counts."""

DIGITS = 10
"""Significant digits of the golden value that take part."""

Compute = Callable[[Plan, str], float | None]


@dataclass(frozen=True, slots=True)
class Lock:
    """Digest of one metric.

    Attributes:
        metric: Its key.
        definition: Digest of the definition, resolved down to events, properties and columns.
        golden: Its value on the golden fixture, None where it was not computed.
        digest: Over both.
    """

    metric: str
    definition: str
    golden: float | None
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Drift:
    """A metric that no longer means what it meant.

    Attributes:
        metric: Its key.
        what: `definition`, `value` (the same definition computes something else), `added` or `removed`.
        before: Lock before, None for an added metric.
        after: Lock now, None for a removed one.
    """

    metric: str
    what: str
    before: Lock | None
    after: Lock | None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "metric": self.metric,
            "what": self.what,
            "before": self.before.to_dict() if self.before else None,
            "after": self.after.to_dict() if self.after else None,
        }


def meaning(plan: Plan, key: str) -> dict[str, Any]:
    """What a metric counts, without what it is called or used for: references resolved, filters in one order.

    Raises:
        PlanError: `XPB-P16`, the plan has no such metric.
    """
    return _meaning(plan, plan.metric(key), ())


def _meaning(plan: Plan, metric: MetricBase, seen: tuple[str, ...]) -> dict[str, Any]:
    out = {k: v for k, v in metric.model_dump(mode="json", exclude_none=True).items() if k not in (*COSMETIC, "key")}
    if "where" in out:
        out["where"] = _ordered(out["where"])
    for step in out.get("steps", ()):
        step["where"] = _ordered(step.get("where", ()))
    if metric.key in seen:
        return out
    path = (*seen, metric.key)
    if isinstance(metric, Formula):
        names = formula.parse(metric.expression).names()
        out["expression"] = "".join(metric.expression.split())
        out["parts"] = {n: _meaning(plan, plan.metric(n), path) for n in names}
    for part in ("numerator", "denominator"):
        if part in out:
            out[part] = _meaning(plan, plan.metric(out[part]), path)
    if out.get("cuped"):
        out["pre_period_days"] = plan.pre_period_days
    out["unit"] = plan.unit
    if isinstance(metric, EventMetric) and plan.exposure.window_from == "latest_exposure":
        out["window_from"] = plan.exposure.window_from
    if isinstance(metric, EventMetric) and plan.exposure.identities == "merge":
        out["identities"] = plan.exposure.identities
    return out


def _ordered(filters: Any) -> list[Any]:
    """Filters are joined by *and*, so their order means nothing; neither does the order of a list of values."""
    out = []
    for f in filters:
        one = dict(f)
        if isinstance(one.get("value"), list):
            one["value"] = sorted(one["value"], key=lambda v: (type(v).__name__, str(v)))
        out.append(one)
    return sorted(out, key=digest)


def lock(plan: Plan, key: str, *, compute: Compute | None = None) -> Lock:
    """The lock of one metric.

    Args:
        plan: The plan.
        key: The metric.
        compute: Gives the metric's value on the golden fixture; None locks the definition alone.
    """
    definition = digest(meaning(plan, key))
    value = None if compute is None else compute(plan, key)
    golden = None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
    return Lock(key, definition, golden, digest({"definition": definition, "golden": golden}))


def locks(plan: Plan, *, compute: Compute | None = None) -> dict[str, Lock]:
    """The lock of every metric of a plan."""
    return {m.key: lock(plan, m.key, compute=compute) for m in plan.metrics}


def drifts(before: Mapping[str, Lock], after: Mapping[str, Lock]) -> tuple[Drift, ...]:
    """Every metric whose lock differs, in order of the keys."""
    out = []
    for key in sorted({*before, *after}):
        a, b = before.get(key), after.get(key)
        if a is None or b is None:
            out.append(Drift(key, "added" if a is None else "removed", a, b))
        elif a.definition != b.definition:
            out.append(Drift(key, "definition", a, b))
        elif a.golden != b.golden and a.golden is not None and b.golden is not None:
            out.append(Drift(key, "value", a, b))
    return tuple(out)
