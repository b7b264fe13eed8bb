"""Events of the plan that the log does not have."""

from __future__ import annotations

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check("absent_events", title="Events of the plan", question="Does every event that the plan counts occur in the log?")
def absent_events(inputs: HealthInputs) -> Verdict:
    """Warns where an event of a metric never occurs or is spelled twice, or a filter fits no event and zero was counted."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has no events.", "Nothing to do.")
    found = inputs.findings("absent_event")
    unmet = inputs.findings("absent_filter_value")
    if unmet and not found:
        return Verdict(
            "warn",
            f"A filter of metric {shown(unmet[0].metric)} fits no event, which counts as zero. {unmet[0].detail}",
            "Compare the value in the plan with those in the log.",
            {"metrics": [f.metric for f in unmet]},
        )
    alike = inputs.findings("alike_events")
    if alike and not found:
        return Verdict(
            "warn",
            f"The log spells an event in several ways. {alike[0].detail}",
            "Compare who sends each of them; rename them in the source if they are one event.",
            {"events": sum(f.count for f in alike)},
        )
    evidence = {"metrics": [f.metric for f in found]}
    if not found:
        return Verdict("pass", "Every event of the plan occurs.", "Nothing to do.", evidence)
    return Verdict(
        "warn",
        f"{len(found)} event(s) of the plan never occur, as for {shown(found[0].metric)}, and were {found[0].action}.",
        "Compare the event's spelling with the log; an event that was never sent measures nothing.",
        evidence,
    )
