"""What the checks that read one kind of finding have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xpbench.data.summary import Finding
from xpbench.health.inputs import HealthInputs
from xpbench.health.skew import skew_p


@dataclass(frozen=True, slots=True)
class Counted:
    """Findings of one kind put together.

    Attributes:
        count: How many.
        share: The largest share of one finding.
        action: What was done with them.
        by_variant: Count by variant.
        skew_p: p-value of "the same rate in every variant", None where unknown.
        evidence: The numbers for the check.
    """

    count: int
    share: float
    action: str
    by_variant: dict[str, int]
    skew_p: float | None
    evidence: dict[str, Any]


def counted(inputs: HealthInputs, *names: str, units: bool = True) -> Counted:
    """Everything found under these names.

    Args:
        inputs: Inputs of the check.
        names: Names of findings.
        units: Whether the findings count units, so that a skew between variants can be tested against them.
    """
    by_metric: dict[str, list[Finding]] = {}
    for finding in inputs.findings(*names):
        by_metric.setdefault(finding.metric, []).append(finding)
    # the same unit may be counted for every metric: the metric with most of them speaks for all
    found = max(by_metric.values(), key=lambda fs: sum(f.count for f in fs), default=[])
    by_variant: dict[str, int] = {}
    for finding in found:
        for variant, n in finding.by_variant.items():
            by_variant[variant] = by_variant.get(variant, 0) + int(n)
    count = sum(f.count for f in found)
    share = max((f.count / f.of for f in found if f.of), default=0.0)
    of = {v.key: max(int(inputs.summary.units.get(v.key, 0)), by_variant.get(v.key, 0)) for v in inputs.plan.variants}
    p = skew_p(by_variant, of) if by_variant and units else None
    evidence: dict[str, Any] = {"count": count, "share": share}
    if found:
        evidence |= {"action": found[0].action, "by_variant": by_variant, "skew_p_value": p}
    return Counted(count, share, found[0].action if found else "", by_variant, p, evidence)
