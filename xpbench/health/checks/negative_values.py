"""Negative values where counts and sums are expected."""

from __future__ import annotations

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check("negative_values", title="Negative values", question="Are there negative values where none are expected?")
def negative_values(inputs: HealthInputs) -> Verdict:
    """Warns where the reader counted any: refunds are fine when they are meant, signs gone wrong are not."""
    found = inputs.findings("negative", "negative_value", "negative_values")
    count = sum(f.count for f in found)
    evidence = {"count": count, "findings": [f.to_dict() for f in found]}
    if count == 0:
        return Verdict("pass", "No value is negative.", "Nothing to do.", evidence)
    where = ", ".join(sorted({shown(f.metric) for f in found if f.metric}))[:200] or "the data"
    return Verdict(
        "warn",
        f"{count:,} values of {where} are negative and were {found[0].action}.",
        "Fine if they are refunds; otherwise look for a wrong sign or a code for missing.",
        evidence,
    )
