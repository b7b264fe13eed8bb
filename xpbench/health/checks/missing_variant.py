"""Rows without a unit or a variant."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.05


@check("missing_variant", title="Unit and variant named", question="Are there rows that name no unit or no variant?", gate=True)
def missing_variant(inputs: HealthInputs) -> Verdict:
    """Warns where there are any; fails above 5 %, since nobody knows to which variant they belong."""
    found = inputs.findings("missing_variant") + [
        f for f in inputs.findings("missing_unit") if not (inputs.is_event_log and f.of == inputs.summary.rows)
    ]  # events of nobody are no exposures of nobody
    count = sum(f.count for f in found)
    of = max([f.of for f in found], default=inputs.summary.n)
    share = count / of if of else 0.0
    evidence = {"count": count, "of": of, "share": share, "fail_above": FAIL_ABOVE}
    if count == 0:
        return Verdict("pass", "Every row names its unit and its variant.", "Nothing to do.", evidence)
    return Verdict(
        "fail" if share > FAIL_ABOVE else "warn",
        f"{count:,} of {of:,} ({share:.2%}) name no unit or no variant; they were {found[0].action}.",
        "Look where the exposure is sent without its variant property: if that happens in one variant only, it is a sample "
        "ratio mismatch in disguise.",
        evidence,
    )
