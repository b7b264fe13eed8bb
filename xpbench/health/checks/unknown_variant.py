"""Exposures to variants that the plan does not have."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

FAIL_ABOVE = 0.5
"""Above this share the data is most likely another experiment's."""


@check("unknown_variant", title="Variants of the plan", question="Are there variants that the plan does not have?", gate=True)
def unknown_variant(inputs: HealthInputs) -> Verdict:
    """Warns where there are any; fails where they are more than half of the units."""
    found = inputs.findings("unknown_variant", "unknown_variants")
    count = sum(f.count for f in found)
    of = max([f.of for f in found], default=inputs.summary.n)
    share = count / of if of else 0.0
    names = sorted({str(k) for f in found for k in f.by_variant})[:20]
    evidence = {"count": count, "of": of, "share": share, "names": names}
    if count == 0:
        return Verdict("pass", "Every variant in the data is one of the plan.", "Nothing to do.", evidence)
    if share > FAIL_ABOVE:
        return Verdict(
            "fail",
            f"{share:.0%} of the units carry a variant that the plan does not have: most likely another experiment's data.",
            "Compare the experiment's name and the variants' keys in the data with the plan.",
            evidence,
        )
    return Verdict(
        "warn",
        f"{count:,} of {of:,} ({share:.2%}) carry a variant that the plan does not have; they were {found[0].action}.",
        "Compare the spelling of the keys (case, blanks, versions). A misspelt planned variant loses units.",
        evidence,
    )
