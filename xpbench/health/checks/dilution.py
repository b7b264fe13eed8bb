"""Triggered against assigned: how much of what was assigned ever met the change."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

WARN_BELOW = 0.2


@check(
    "dilution",
    title="Triggered against assigned",
    question="Which share of the assigned units was exposed, and what does that make of the effect on everyone?",
)
def dilution(inputs: HealthInputs) -> Verdict:
    """Warns where fewer than 20 % of the assigned units were exposed.

    An effect d on exposed units is d times the share on all assigned units, and finding it there takes about 1 / share²
    times as many units of them (Deng and Hu 2015, diluted treatment effect).
    """
    if inputs.assigned is None:
        return Verdict(
            "not answerable", "No log of assignments was given.", "Pass the assigned units by variant where they are logged."
        )
    assigned = sum(int(n) for n in inputs.assigned.values())
    exposed = inputs.summary.n
    if assigned == 0 or exposed == 0:
        return Verdict("not answerable", "Nothing was assigned or exposed yet.", "Wait.")
    share = exposed / assigned
    evidence = {"assigned": assigned, "exposed": exposed, "share": share, "warn_below": WARN_BELOW, "dilution_factor": share}
    if share < WARN_BELOW:
        return Verdict(
            "warn",
            f"Only {share:.1%} of the assigned units were exposed. Effects are those on exposed units; on everyone who was "
            f"assigned they are {share:.1%} of that.",
            "Say so next to the impact, and assign nearer to the place where the change is met.",
            evidence,
        )
    return Verdict("pass", f"{share:.1%} of the assigned units were exposed.", "Nothing to do.", evidence)
