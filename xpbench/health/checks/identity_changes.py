"""Devices that become users during the experiment."""

from __future__ import annotations

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
    """Warns above 1 %, or where it is more frequent in one variant."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has one id each.", "Nothing to do.")
    names = ("identity_changes", "identity_merged", "device_to_user")
    if not any(f.name in names for f in inputs.summary.findings):
        return Verdict(
            "not answerable",
            "The source did not compare ids before and after log-in.",
            "Assign by an id that outlives the log-in; see the contamination check for what it costs otherwise.",
        )
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
