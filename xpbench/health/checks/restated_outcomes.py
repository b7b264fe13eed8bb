"""Outcomes of mature units that vanished or grew since the last look."""

from __future__ import annotations

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.pooled import restated
from xpbench.health.registry import check

WARN_ABOVE = 0.01
FAIL_ABOVE = 0.05

GROWN = 0.5
"""Where units may still act, a rise is what one expects; one by half since the last look is worth a word."""


@check(
    "restated_outcomes",
    title="Outcomes stay",
    question="Do the units whose windows were over at the look before still have the outcomes that they had then?",
    gate=True,
)
def restated_outcomes(inputs: HealthInputs) -> Verdict:
    """Compares the sum of each metric, over all variants, for days that were mature at the look before.

    Nothing of a mature unit can happen any more, so a change is one of the record: events deleted, imported twice, filtered or
    counted by another rule. Warns above 1 % and fails above 5 %, in either direction. Where units may still act (a metric
    without a window, a table), a rise is expected, and only a fall fails.
    """
    if not inputs.outcomes_before:
        return Verdict("not answerable", "No look before this one has recorded outcomes of mature units.", "Nothing to do.")
    found = restated(inputs.plan, inputs.summary, inputs.outcomes_before)
    if not found:
        return Verdict("not answerable", "No metric has days that were mature at the look before.", "Nothing to do.")
    judged = {k: v["change"] if v["mature"] or v["change"] < 0 else 0.0 for k, v in found.items()}
    worst = max(judged, key=lambda k: abs(judged[k]))
    change = judged[worst]
    grown = {k: v["change"] for k, v in found.items() if not v["mature"] and v["change"] > GROWN}
    evidence = {
        "metrics": len(found),
        "metric": worst,
        "then": found[worst]["then"],
        "now": found[worst]["now"],
        "largest_share": abs(change),
        "warn_above": WARN_ABOVE,
        "fail_above": FAIL_ABOVE,
    }
    names = {m.key: shown(m.label) for m in inputs.plan.metrics}
    if abs(change) > WARN_ABOVE:
        what = "gone" if change < 0 else "added"
        return Verdict(
            "fail" if abs(change) > FAIL_ABOVE else "warn",
            f"Since the look before, {abs(change):.1%} of {names[worst]} is {what} for units whose outcomes were "
            f"complete then ({found[worst]['then']:,.6g} then, {found[worst]['now']:,.6g} now, all variants together).",
            "Compare the two exports: events deleted or imported twice, another filter, policy for repeats or zone. "
            "If the data now are the right ones, amend the plan's data policy or dates with the reason, and read again.",
            evidence,
        )
    if grown:
        metric = max(grown, key=lambda k: grown[k])
        return Verdict(
            "warn",
            f"Since the look before, {names[metric]} grew by {grown[metric]:.0%} for the units of that look. They may "
            "still have acted; or rows were added twice.",
            "Give the metric a window, or compare the two exports.",
            evidence | {"metric": metric, "then": found[metric]["then"], "now": found[metric]["now"]},
        )
    return Verdict("pass", "The outcomes of mature units are those of the look before.", "Nothing to do.", evidence)
