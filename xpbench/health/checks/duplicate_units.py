"""A unit on several rows of a per-unit table."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check("duplicate_units", title="One row per unit", question="Does a unit appear on several rows?", gate=True)
def duplicate_units(inputs: HealthInputs) -> Verdict:
    """Warns where duplicates were left out, fails where they were counted."""
    if inputs.is_event_log:
        return Verdict("not answerable", "An event log has many rows per unit by nature.", "Nothing to do.")
    found = counted(inputs, "duplicate_units", "duplicate_unit", units=False)
    if found.count == 0:
        return Verdict("pass", "Every unit has one row.", "Nothing to do.", found.evidence)
    return Verdict(
        "fail" if found.action == "kept" else "warn",
        f"{number_of(found.count, 'row')} ({found.share:.2%}) "
        f"{'repeats a unit; it was' if found.count == 1 else 'repeat a unit; they were'} {found.action}.",
        "Find out what one row is: a unit, a session, an order. Add up to units before reading.",
        found.evidence,
    )
