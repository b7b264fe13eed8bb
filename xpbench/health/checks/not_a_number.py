"""Values that are not finite numbers."""

from __future__ import annotations

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check(
    "not_a_number",
    title="Finite numbers",
    question="Are there texts, infinities or NaN where a metric needs a number?",
    gate=True,
)
def not_a_number(inputs: HealthInputs) -> Verdict:
    """Warns where any were left out; fails above the plan's share for missing values."""
    found = inputs.findings("not_a_number", "infinite", "non_numeric", "non_finite")
    count = sum(f.count for f in found)
    share = max((f.count / f.of for f in found if f.of), default=0.0)
    limit = inputs.plan.health.missing_fail
    evidence = {"count": count, "largest_share": share, "fail_above": limit, "findings": [f.to_dict() for f in found]}
    if count == 0:
        return Verdict("pass", "Every value is a finite number.", "Nothing to do.", evidence)
    where = ", ".join(sorted({shown(f.metric) for f in found if f.metric}))[:200]
    return Verdict(
        "fail" if share > limit else "warn",
        f"{count:,} values{f' of {where}' if where else ''} are not finite numbers and were {found[0].action}.",
        "Look at the type of the property or column, and at divisions by zero before the export.",
        evidence,
    )
