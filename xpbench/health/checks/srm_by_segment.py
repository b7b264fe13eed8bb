"""Sample ratio of each declared segment."""

from __future__ import annotations

from typing import Any

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.sample_ratio import sliced_ratios
from xpbench.health.shares import expected_shares


@check("srm_by_segment", title="Sample ratio by segment", question="Is there a declared segment in which the shares are off?")
def srm_by_segment(inputs: HealthInputs) -> Verdict:
    """Chi-squared within each value of each declared segment, Bonferroni over all of them."""
    expected = expected_shares(inputs)
    if expected.reason:
        return Verdict("not answerable", f"{expected.reason}.", "Declare the rollout group as a segment to test each group.")
    if not inputs.plan.segments:
        return Verdict("not answerable", "The plan declares no segments.", "Declare segments in the plan, before launch.")
    tested = [
        (segment, t)
        for segment, slices in sorted(inputs.summary.segments.items())
        for t in sliced_ratios(slices, expected.shares)
    ]
    if not tested:
        return Verdict("not answerable", "No segment has enough units to test.", "Wait for more exposures.")
    policy = inputs.plan.health
    p = min(1.0, min(t.p_value for _, t in tested) * len(tested))
    bad = [(s, t) for s, t in tested if t.p_value * len(tested) < policy.srm_warn_alpha]
    rows: list[dict[str, Any]] = [
        {"segment": s, "value": t.slice, "p_value": t.p_value, "units": dict(t.counts)}
        for s, t in sorted(tested, key=lambda x: x[1].p_value)
    ]
    evidence = {
        "p_value": p,
        "slices_tested": len(tested),
        "fail_below": policy.srm_alpha,
        "warn_below": policy.srm_warn_alpha,
        "slices": rows[:20],
        "slices_off": [f"{s} = {t.slice}" for s, t in bad],
    }
    if not bad:
        return Verdict(
            "pass", f"None of {len(tested)} slices is off (smallest corrected p = {p:.4g}).", "Nothing to do.", evidence
        )
    segment, worst = min(bad, key=lambda x: x[1].p_value)
    return Verdict(
        "fail" if p < policy.srm_alpha else "warn",
        f"In {len(bad)} of {len(tested)} slices the shares are off, most in {shown(segment)} = {shown(worst.slice)} "
        f"(corrected {p_words(p)}).",
        "Don't read these segments. If the segment is known before exposure, units are lost there; if the treatment can change "
        "it, it is not a segment but an outcome.",
        evidence,
    )
