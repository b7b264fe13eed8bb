"""Outcomes of mature units that vanished or grew since the last look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.pooled import moved, restated
from xpbench.health.registry import check

WARN_ABOVE = 0.01
FAIL_ABOVE = 0.05

WARN_ERRORS, FAIL_ERRORS = 0.5, 1.0
"""Of one variant alone a change counts if it moves the sum by so many standard errors, too: one late sale of ten is none."""

GROWN = 0.5
"""Where units may still act, a rise is what one expects; one by half since the last look is worth a word."""


NEXT = (
    "Compare the two exports: events deleted or imported twice, another filter, policy for repeats or zone. "
    "If the data now are the right ones, amend the plan's data policy or dates with the reason, and read again."
)


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
    without a window, a table), a rise is expected, and only a fall fails. The sums of looks further back are compared as well:
    a change made little by little is found, too. So are those of each variant, where the look before had shown the effects when
    due: an outcome that was moved from one variant to another is found.
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
    found_first = _pooled("before", names, evidence, change) if abs(change) > WARN_ABOVE else None
    if found_first is not None and found_first.status == "fail":
        return found_first
    further = _little_by_little(inputs, names, evidence) or _of_one_variant(inputs, names, evidence)
    if further is not None and (found_first is None or further.status == "fail"):
        return further
    if found_first is not None:
        return found_first
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


def _pooled(look: str, names: Mapping[str, str], evidence: Mapping[str, Any], change: float) -> Verdict:
    """What a change of the sum over all variants is, since a look."""
    what, then, now = "gone" if change < 0 else "added", evidence["then"], evidence["now"]
    return Verdict(
        "fail" if abs(change) > FAIL_ABOVE else "warn",
        f"Since the look {look}, {abs(change):.1%} of {names[evidence['metric']]} is {what} for units whose outcomes were "
        f"complete then ({then:,.6g} then, {now:,.6g} now, all variants together).",
        NEXT,
        evidence,
    )


def _little_by_little(inputs: HealthInputs, names: Mapping[str, str], evidence: Mapping[str, Any]) -> Verdict | None:
    """The largest change above the limit since a look further back."""
    worst, said = FAIL_ABOVE, None
    for day, before, _ in inputs.outcomes_earlier:
        for metric, v in restated(inputs.plan, inputs.summary, before).items():
            share = v["change"] if v["mature"] or v["change"] < 0 else 0.0
            if abs(share) > worst:
                worst = abs(share)
                own = {"metric": metric, "then": v["then"], "now": v["now"], "largest_share": worst, "since": day}
                said = _pooled(f"of {day}", names, {**evidence, **own}, share)
    return said


def _of_one_variant(inputs: HealthInputs, names: Mapping[str, str], evidence: Mapping[str, Any]) -> Verdict | None:
    """A change of one variant alone; since a look further back only one that fails."""
    said = None
    for look, before, by in (("before", inputs.outcomes_before, inputs.outcomes_by_variant), *inputs.outcomes_earlier):
        since = look if look == "before" else f"of {look}"
        for metric, one in moved(inputs.plan, inputs.summary, before, by).items():
            fails = one.share > FAIL_ABOVE and one.errors > FAIL_ERRORS
            if not fails and (said is not None or look != "before" or one.share <= WARN_ABOVE or one.errors <= WARN_ERRORS):
                continue
            said = Verdict(
                "fail" if fails else "warn",
                f"Since the look {since}, {names[metric]} changed for units of one variant whose outcomes were complete then, "
                "and not as much for the others.",
                NEXT,
                {**evidence, "metric": metric, "variant": one.variant, "share_of_variant": one.share, "errors": one.errors},
            )
            if fails:
                return said
    return said
