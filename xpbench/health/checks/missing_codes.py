"""Numbers that stand for "missing", such as -999."""

from __future__ import annotations

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check(
    "missing_codes",
    title="Codes for missing",
    question="Are there numbers in the data that mean missing, such as −999?",
    gate=True,
)
def missing_codes(inputs: HealthInputs) -> Verdict:
    """Warns where such codes were found and taken out, fails where they were kept as numbers."""
    found = inputs.findings("missing_code", "missing_codes")
    count = sum(f.count for f in found)
    declared = inputs.plan.data.missing_codes
    evidence = {
        "count": count,
        "declared": list(declared) if declared is not None else None,
        "findings": [f.to_dict() for f in found],
    }
    if count == 0:
        return Verdict("pass", "No code for missing values was seen.", "Nothing to do.", evidence)
    kept = [f for f in found if f.action == "kept"]
    if kept and declared is None:
        return Verdict(
            "fail",
            f"{sum(f.count for f in kept):,} values look like codes for missing (in "
            f"{', '.join(shown(f.metric or f.detail or 'a column') for f in kept[:3])}) and would be averaged in.",
            "Declare them in the plan: data.missing_codes, or an empty list when these are real values.",
            evidence,
        )
    return Verdict(
        "warn",
        f"{count:,} values are codes for missing and were {found[0].action}.",
        "Check that the list in data.missing_codes is complete.",
        evidence,
    )
