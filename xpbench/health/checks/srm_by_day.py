"""Sample ratio of each day: a clean total can hide badly unbalanced days."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.sample_ratio import sliced_ratios
from xpbench.health.shares import expected_shares


@check("srm_by_day", title="Sample ratio by day", question="Is there a day on which the shares are off?")
def srm_by_day(inputs: HealthInputs) -> Verdict:
    """Chi-squared of each day's new units, Bonferroni over the days; small days are left out."""
    expected = expected_shares(inputs)
    if expected.reason:
        return Verdict("not answerable", f"{expected.reason}.", "Declare the rollout group as a segment to test each group.")
    by_day = inputs.summary.exposures_by_day
    if not by_day:
        return Verdict("not answerable", "The source has no dates of exposure.", "Give the source a date column.")
    tested = sliced_ratios(by_day, expected.shares)
    if not tested:
        return Verdict("not answerable", "No day has enough units to test.", "Wait for more exposures.", {"days": len(by_day)})
    policy = inputs.plan.health
    worst = min(tested, key=lambda t: t.p_value)
    p = min(1.0, worst.p_value * len(tested))
    bad = [t for t in tested if t.p_value * len(tested) < policy.srm_warn_alpha]
    evidence = {
        "p_value": p,
        "days_tested": len(tested),
        "worst_day": worst.slice,
        "worst_counts": dict(worst.counts),
        "days_off": [t.slice for t in bad],
        "fail_below": policy.srm_alpha,
        "warn_below": policy.srm_warn_alpha,
        "chart": {
            "mark": "point",
            "x": [t.slice for t in tested],
            "y": [t.p_value for t in tested],
            "rule": policy.srm_warn_alpha / len(tested),
            "x_title": "day",
            "y_title": "p-value",
        },
    }
    if not bad:
        return Verdict(
            "pass", f"None of {len(tested)} days is off (smallest corrected p = {p:.4g}).", "Nothing to do.", evidence
        )
    return Verdict(
        "fail" if p < policy.srm_alpha else "warn",
        f"On {len(bad)} of {len(tested)} days the shares are off, most on {worst.slice} (corrected {p_words(p)}).",
        "Ask what was released or broken on these days, in one variant or its logging; the effect with those days left out is "
        "a sensitivity check to plan as an amendment.",
        evidence,
    )
