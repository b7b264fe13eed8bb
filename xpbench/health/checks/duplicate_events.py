"""Events that were delivered twice."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

WARN_ABOVE = 0.01


@check("duplicate_events", title="Duplicate events", question="How many events came twice, and were they counted twice?")
def duplicate_events(inputs: HealthInputs) -> Verdict:
    """Warns above 1 %, where duplicates were kept, and where no event has an insert id."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit has no events.", "Nothing to do.")
    if unmarked := inputs.findings("no_insert_ids"):
        evidence = {"events_without_insert_id": unmarked[0].count, "detail": unmarked[0].detail}
        return Verdict(
            "warn",
            f"No event has an insert id, so a repeat can't be distinguished from a second event. {unmarked[0].detail}",
            "Send an insert id with every event, or name its column: xp.EventSchema(insert_id=…).",
            evidence,
        )
    found = counted(inputs, "duplicate_events", "duplicate_event", units=False)
    kept = found.action == "kept"
    if found.count == 0 or (found.share <= WARN_ABOVE and not kept):
        return Verdict(
            "pass", f"{found.count:,} duplicate events ({found.share:.3%}) were left out.", "Nothing to do.", found.evidence
        )
    return Verdict(
        "warn",
        f"{number_of(found.count, 'event')} ({found.share:.2%}) "
        f"{'is a duplicate and was' if found.count == 1 else 'are duplicates and were'} {found.action}.",
        "Look for a retry without a stable insert id, or two trackers. If one variant retries more, its counts are too high.",
        found.evidence,
    )
