"""Sample ratio mismatch that may be looked at every day."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.sample_ratio import anytime_ratio, observed
from xpbench.health.shares import expected_shares


@check(
    "srm_anytime",
    title="Sample ratio, looked at daily",
    question="Have the shares been as planned at every day's end, with an error level that holds for all looks together?",
    gate=True,
)
def srm_anytime(inputs: HealthInputs) -> Verdict:
    """Every day's cumulative counts against the split, with one level for all days: spent up to the horizon as t³.

    Without a horizon, and for experiments registered under earlier methods, the Dirichlet-multinomial martingale.
    """
    expected = expected_shares(inputs)
    if expected.reason:
        return Verdict("not answerable", f"{expected.reason}.", "Declare the rollout group as a segment to test each group.")
    days = sorted(inputs.summary.exposures_by_day)
    if not days:
        counts = observed(inputs)
        if sum(counts.values()) == 0:
            return Verdict("not answerable", "There are no units yet.", "Wait for exposures.")
        return Verdict(
            "not answerable",
            "The source has no dates of exposure, so there was only one look and the fixed test covers it.",
            "Give the source a date column to have every day tested.",
        )
    path = anytime_ratio(inputs, expected.shares)
    policy = inputs.plan.health
    p = path[-1]
    alarm = next((d for d, v in zip(days, path, strict=True) if v < policy.srm_alpha), None)
    evidence = {
        "p_value": p,
        "fail_below": policy.srm_alpha,
        "warn_below": policy.srm_warn_alpha,
        "first_alarm": alarm,
        "looks": len(days),
        "basis": expected.basis,
        "chart": {"mark": "line", "x": days, "y": path, "rule": policy.srm_alpha, "x_title": "day", "y_title": "p-value"},
    }
    if p < policy.srm_alpha:
        return Verdict(
            "fail",
            f"By {alarm} the running counts had left the {expected.basis} further than chance explains at any of {len(days)} "
            f"looks (anytime {p_words(p)}).",
            "Don't read effects. Look at what changed on or before that day, also where later days made up for it.",
            evidence,
        )
    if p < policy.srm_warn_alpha:
        return Verdict(
            "warn",
            f"The running counts strayed from the {expected.basis} oddly in {len(days)} looks (anytime p = {p:.3g}).",
            "Look at the days at which it moved.",
            evidence,
        )
    return Verdict(
        "pass",
        f"At none of {len(days)} daily looks did the counts leave the {expected.basis} (anytime p = {p:.3g}).",
        "Nothing to do.",
        evidence,
    )
