"""Units that met several variants."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import CheckStatus, Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.skew import skew_p


@check(
    "contamination",
    title="Contamination",
    question="How many units met more than one variant, and is it the same in every variant?",
    gate=True,
)
def contamination(inputs: HealthInputs) -> Verdict:
    """Warns and fails at the plan's shares; fails, too, where one variant is concerned more than another."""
    found = inputs.findings("several_variants")
    if not inputs.is_event_log and not found and inputs.plan.members is None:  # units of several rows were looked through
        return Verdict(
            "not answerable",
            "A table with one row per unit does not show who met several variants.",
            "Read the exposures themselves where they exist.",
        )
    count = sum(f.count for f in found)
    kept = any(f.action != "excluded" for f in found)
    everyone = inputs.summary.n + (0 if kept else count)
    if everyone == 0:
        return Verdict("not answerable", "There are no units yet.", "Wait for exposures.")
    share = count / everyone
    by_variant: dict[str, int] = {}
    for finding in found:
        for variant, n in finding.by_variant.items():
            by_variant[variant] = by_variant.get(variant, 0) + int(n)
    units = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    p = skew_p(by_variant, {k: n + by_variant.get(k, 0) for k, n in units.items()}) if by_variant else None
    policy = inputs.plan.health
    evidence = {
        "units": count,
        "share": share,
        "warn_above": policy.contamination_warn,
        "fail_above": policy.contamination_fail,
        "policy": inputs.plan.exposure.several_variants,
        "by_variant": by_variant,
        "skew_p_value": p,
    }
    skewed = p is not None and p < policy.srm_alpha
    status: CheckStatus = "pass"
    if share > policy.contamination_fail or skewed:
        status = "fail"
    elif share > policy.contamination_warn:
        status = "warn"
    if status == "pass":
        return Verdict("pass", f"{number_of(count, 'unit')} ({share:.3%}) met several variants.", "Nothing to do.", evidence)
    unequal = (
        f" It is not the same in every variant ({p_words(p)}), so leaving these units out makes the variants unlike."
        if skewed and p is not None
        else ""
    )
    return Verdict(
        status,
        f"{number_of(count, 'unit')} ({share:.2%}) met several variants.{unequal}",
        "Look for an assignment key that changes at log-in, a changed split or salt, or two systems that assign. Effects "
        "shrink towards zero by about this share.",
        evidence,
    )
