"""Sample ratio mismatch over the whole experiment."""

from __future__ import annotations

from xpbench.health.check import CheckStatus, Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.sample_ratio import fixed_ratio, misplaced, observed, reads_more_than_once
from xpbench.health.shares import expected_shares

_NEXT = (
    "Don't read effects. Look at the ranked causes, fix the first one that holds, and collect again from the day of the repair."
)


@check("srm", title="Sample ratio", question="Do the variants have the shares of units that were planned?", gate=True)
def srm(inputs: HealthInputs) -> Verdict:
    """Pearson's chi-squared against the expected shares; fails below `srm_alpha`, warns below `srm_warn_alpha`.

    Its level holds for one look. Where the plan reads more than once and the source has dates, it only warns, and the test that
    may be looked at daily (`srm_anytime`) is the gate.
    """
    expected = expected_shares(inputs)
    if expected.reason:
        return Verdict("not answerable", f"{expected.reason}.", "Declare the rollout group as a segment to test each group.")
    counts = observed(inputs)
    total = sum(counts.values())
    if total == 0:
        return Verdict("not answerable", "There are no units yet.", "Wait for exposures.", {"units": counts})
    ratio = fixed_ratio(counts, expected.shares)
    policy = inputs.plan.health
    evidence = {
        "p_value": ratio.p_value,
        "chi2": ratio.statistic,
        "df": ratio.df,
        "fail_below": policy.srm_alpha,
        "warn_below": policy.srm_warn_alpha,
        "basis": expected.basis,
        "units": counts,
        "expected_units": {k: s * total for k, s in expected.shares.items()},
        "share": {k: n / total for k, n in counts.items()},
        "expected_share": dict(expected.shares),
        "largest_deviation": max((abs(counts[k] / total - s) / s for k, s in expected.shares.items() if s > 0), default=0.0),
        "severity": dict(ratio.severity),
    }
    status: CheckStatus = "pass"
    several = reads_more_than_once(inputs.plan) and bool(inputs.summary.exposures_by_day)
    evidence["gate_is"] = "srm_anytime" if several else "srm"
    if ratio.p_value < policy.srm_alpha:
        status = "warn" if several and not misplaced(inputs, expected.shares) else "fail"
    elif ratio.p_value < policy.srm_warn_alpha:
        status = "warn"
    if status == "pass":
        return Verdict("pass", f"The counts fit the {expected.basis} (p = {ratio.p_value:.4g}).", "Nothing to do.", evidence)
    off = f"{evidence['largest_deviation']:.2%}"
    if status == "warn" and ratio.p_value < policy.srm_alpha:
        return Verdict(
            "warn",
            f"Read once, counts as far from the {expected.basis} as these (up to {off} of a variant's share) would fail "
            f"({p_words(ratio.p_value)}); this plan reads more than once, so the daily test decides.",
            "Look at the sample ratio that may be looked at daily, at the days and at the segments; name the doubt next to the "
            "result.",
            evidence,
        )
    if status == "warn":
        return Verdict(
            "warn",
            f"Counts as far from the {expected.basis} as these (up to {off} of a variant's share) come up by chance with "
            f"p = {ratio.p_value:.4g}: unusual, not conclusive.",
            "Look at the days and segments, and name the doubt next to the result.",
            evidence,
        )
    return Verdict(
        "fail",
        f"The counts do not fit the {expected.basis} ({p_words(ratio.p_value)}; a variant is off by {off} of its share). Units "
        "were lost or added in one variant, and those are rarely like the others: effects can be wrong in size and sign.",
        _NEXT,
        evidence,
    )
