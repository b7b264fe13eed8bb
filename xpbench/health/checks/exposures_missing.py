"""Assigned units without an exposure."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check
from xpbench.health.skew import skew_p


@check(
    "exposures_missing",
    title="Exposures of assigned units",
    question="Are the assigned units exposed at the same rate in every variant?",
    gate=True,
)
def exposures_missing(inputs: HealthInputs) -> Verdict:
    """Compares exposed with assigned counts by variant; unequal rates fail at `srm_alpha`, more exposed than assigned fails."""
    if inputs.assigned is None:
        return Verdict(
            "not answerable", "No log of assignments was given.", "Pass the assigned units by variant where they are logged."
        )
    exposed = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    assigned = {k: int(inputs.assigned.get(k, 0)) for k in exposed}
    rates = {k: (exposed[k] / n if n else None) for k, n in assigned.items()}
    p = skew_p(exposed, assigned)
    evidence = {
        "assigned": assigned,
        "exposed": exposed,
        "rate": rates,
        "p_value": p,
        "fail_below": inputs.plan.health.srm_alpha,
    }
    beyond = [k for k in exposed if exposed[k] > assigned[k]]
    if beyond:
        return Verdict(
            "fail",
            f"In {len(beyond)} variant(s) more units are exposed than were assigned: someone else assigns as well.",
            "Run xpbench audit over the exposures, and look for a second SDK or a stale flag.",
            evidence,
        )
    if p is None:
        return Verdict("not answerable", "Nothing was assigned yet.", "Wait.", evidence)
    if p < inputs.plan.health.srm_alpha:
        return Verdict(
            "fail",
            f"The share of assigned units that were exposed differs between variants ({p_words(p)}): exposures are lost, or "
            "fire at different places.",
            "Fire the exposure at the same point in every variant, before anything that differs between them.",
            evidence,
        )
    return Verdict("pass", "Assigned units are exposed at the same rate in every variant.", "Nothing to do.", evidence)
