"""Missing values of a metric, and whether they are more frequent in one variant."""

from __future__ import annotations

from typing import Any

from xpbench.errors import shown
from xpbench.health.check import CheckStatus, Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.skew import skew_p

NAMES = ("missing_value", "missing_values")


@check(
    "missing_values",
    title="Missing values",
    question="Which share of each metric's values is missing, and is it the same in every variant?",
    gate=True,
)
def missing_values(inputs: HealthInputs) -> Verdict:
    """Warns and fails at the plan's shares; unequal shares fail at `srm_alpha`. Only primaries and guardrails are gates.

    Where the plan reads a missing value as zero, unequal shares are the effect itself and are not tested.
    """
    policy = inputs.plan.health
    units = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    roles = {m.key: m.role for m in inputs.plan.metrics}
    rows: list[dict[str, Any]] = []
    for finding in inputs.findings(*NAMES):
        share = finding.count / finding.of if finding.of else 0.0
        p = skew_p(finding.by_variant, units) if finding.by_variant and finding.action != "set to zero" else None
        status: CheckStatus = "pass"
        covariate = finding.action == "set to the pooled mean"
        unequal = p is not None and p * max(1, len(roles)) < policy.srm_alpha
        if (share > policy.missing_fail or unequal) and not covariate:
            status = "fail"
        elif share > policy.missing_warn or unequal:
            status = "warn"
        rows.append(
            {
                "metric": finding.metric,
                "count": finding.count,
                "share": share,
                "action": finding.action,
                "by_variant": dict(finding.by_variant),
                "skew_p_value": p,
                "covariate": covariate,
                "status": status,
                "role": roles.get(finding.metric, ""),
            }
        )
    evidence = {"metrics": rows, "warn_above": policy.missing_warn, "fail_above": policy.missing_fail}
    order = {"fail": 0, "warn": 1, "pass": 2}
    rows.sort(key=lambda r: (order[r["status"]], -r["share"]))
    if not rows or rows[0]["status"] == "pass":
        count = sum(r["count"] for r in rows)
        return Verdict(
            "pass",
            f"{count:,} values are missing, below the plan's limit." if count else "No value is missing.",
            "Nothing to do.",
            evidence,
        )
    worst = rows[0]
    loud = [r for r in rows if r["status"] == worst["status"]]
    skewed = worst["skew_p_value"] is not None and worst["skew_p_value"] * max(1, len(roles)) < policy.srm_alpha
    what = shown(worst["metric"]) if worst["metric"] else "the data"
    uneven = (
        f" It is not the same in every variant ({p_words(worst['skew_p_value'])}): leaving them out biases the effect."
        if skewed
        else ""
    )
    return Verdict(
        worst["status"],
        f"{worst['count']:,} values of {what} ({worst['share']:.3%}) are missing and were {worst['action']}.{uneven}"
        + (f" {len(loud) - 1} more metric(s) likewise." if len(loud) > 1 else ""),
        "Find out why they are missing: no event (then zero is right) or lost (then neither zero nor leaving out is).",
        evidence,
        gate=worst["status"] != "fail" or any(r["role"] in ("primary", "guardrail", "") for r in loud),
    )
