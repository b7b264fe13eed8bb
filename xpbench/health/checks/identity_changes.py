"""Devices that become users during the experiment."""

from __future__ import annotations

from xpbench.data.summary import Finding
from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.p_values import p_words
from xpbench.health.registry import check

WARN_ABOVE = 0.01


@check(
    "identity_changes",
    title="Stable identity",
    question="How many units changed their id (device to user) during the experiment?",
)
def identity_changes(inputs: HealthInputs) -> Verdict:
    """Warns above 1 %, or where it is more frequent in one variant; merged ids count only where they differ by variant."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has one id each.", "Nothing to do.")
    names = ("identity_changes", "identity_merged", "device_to_user")
    if not any(f.name in (*names, "merged_ids") for f in inputs.summary.findings):
        return Verdict(
            "not answerable",
            "The source did not compare ids before and after log-in.",
            "Assign by an id that outlives the log-in; see the contamination check for what it costs otherwise.",
        )
    merged = next((f for f in inputs.summary.findings if f.name == "merged_ids"), None)
    if merged is not None:
        return _merged(inputs, merged)
    found = counted(inputs, *names)
    skewed = found.skew_p is not None and found.skew_p < inputs.plan.health.srm_alpha
    if found.share <= WARN_ABOVE and not skewed:
        return Verdict(
            "pass", f"{number_of(found.count, 'unit')} ({found.share:.3%}) changed their id.", "Nothing to do.", found.evidence
        )
    return Verdict(
        "warn",
        f"{number_of(found.count, 'unit')} ({found.share:.2%}) changed their id"
        + (f", not the same in every variant ({p_words(found.skew_p or 0.0)})" if skewed else "")
        + ": the same person may have met two variants, or count twice.",
        "Assign by an id that outlives the log-in, or expose after it. Compare with the contamination check.",
        found.evidence | {"skewed": skewed},
    )


def _merged(inputs: HealthInputs, merged: Finding) -> Verdict:
    """Where the plan merges ids: what it merged, and what is left that leads to several persons."""
    several, left = counted(inputs, "merged_ids"), counted(inputs, "identity_changes")
    skewed = several.skew_p is not None and several.skew_p < inputs.plan.health.srm_alpha
    evidence = several.evidence | {"not_merged": left.count, "skewed": skewed}
    words = f"{number_of(several.count, 'unit')} ({several.share:.2%}) {'has' if several.count == 1 else 'have'} several ids, "
    words += f"merged into one person as the plan says. {merged.detail}".rstrip()
    if left.share > WARN_ABOVE:
        meaning = (
            f"{words} {number_of(left.count, 'unit')} ({left.share:.2%}) {'shares' if left.count == 1 else 'share'} an id."
        )
        step = "An id of several persons, such as a shared device, is not merged: assign by an id that belongs to one."
        return Verdict("warn", meaning, step, evidence)
    if skewed:
        meaning = f"{words} Not the same in every variant ({p_words(several.skew_p or 0.0)})."
        return Verdict("warn", meaning, "Check whether a variant asks people to log in: then the units differ.", evidence)
    return Verdict("pass", words, "Nothing to do.", evidence)
