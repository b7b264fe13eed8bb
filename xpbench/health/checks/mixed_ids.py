"""Ids of several types or spellings."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check("mixed_ids", title="One type of ids", question="Do ids or other columns come in several types or spellings?")
def mixed_ids(inputs: HealthInputs) -> Verdict:
    """Warns where the reader saw, say, 12 and "12.0", or ids that differ by case or blanks only."""
    found = counted(inputs, "mixed_ids", "mixed_types", units=False)
    if found.count == 0:
        return Verdict("pass", "Ids and columns are of one type each.", "Nothing to do.", found.evidence)
    return Verdict(
        "warn",
        f"{found.count:,} values ({found.share:.2%}) are of another type or spelling than the rest; they were {found.action}.",
        "A unit under two spellings is two units to a hash. Cast ids to text once, at the source.",
        found.evidence,
    )
