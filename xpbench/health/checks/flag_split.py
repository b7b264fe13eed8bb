"""Whether the flag that assigns has the splits of the plan."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check
from xpbench.health.shares import bucket_shares, flag_shares, planned_shares

FAIL_ABOVE = 0.02
WARN_ABOVE = 0.001


@check(
    "flag_split",
    title="Flag and plan agree",
    question="Does the flag that assigns serve the splits that the plan states?",
    gate=True,
)
def flag_split(inputs: HealthInputs) -> Verdict:
    """Warns where a share differs by more than 0.1 points, fails above 2 points or where a variant is missing."""
    served = flag_shares(inputs.flag)
    if served is None:
        served = bucket_shares(inputs.plan)
    if served is None:
        return Verdict(
            "not answerable",
            "No flag was given.",
            "Pass the flag's definition where a flag assigns.",
        )
    planned = planned_shares(inputs)
    total = sum(served.values())
    actual = {k: (v / total if total > 0 else 0.0) for k, v in served.items()}
    names = [*planned, *[k for k in actual if k not in planned]]
    gaps = {k: actual.get(k, 0.0) - planned.get(k, 0.0) for k in names}
    worst = max(gaps, key=lambda k: abs(gaps[k]))
    missing = [k for k in planned if planned[k] > 0 and actual.get(k, 0.0) == 0]
    extra = [k for k in actual if k not in planned and actual[k] > 0]
    evidence = {"planned": planned, "flag": actual, "largest_gap": abs(gaps[worst]), "missing": missing, "unknown": extra}
    gap = f"{abs(gaps[worst]) * 100:.2f} points"
    if missing or extra or abs(gaps[worst]) > FAIL_ABOVE:
        return Verdict(
            "fail",
            f"The flag does not serve the plan's variants: shares differ by up to {gap}"
            + (f", {len(missing)} planned variant(s) get nothing" if missing else "")
            + (f", {len(extra)} variant(s) are not in the plan" if extra else "")
            + ".",
            "Correct the flag, or amend the plan before any outcome is computed.",
            evidence,
        )
    if abs(gaps[worst]) > WARN_ABOVE:
        return Verdict(
            "warn",
            f"The flag's shares differ from the plan's by up to {gap}, as a hash with a hundred buckets does. The sample ratio "
            "is tested against the flag's exact shares.",
            "Use shares in whole hundredths, or the sha256 hash.",
            evidence,
        )
    return Verdict("pass", "The flag serves the plan's splits.", "Nothing to do.", evidence)
