"""Exposures before the start or after the end."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, day_of
from xpbench.health.registry import check

WARN_ABOVE = 0.01


@check(
    "exposure_dates",
    title="Exposures within the dates",
    question="Are there exposures before the planned start or after the planned end?",
    gate=True,
)
def exposure_dates(inputs: HealthInputs) -> Verdict:
    """Fails where exposures outside the dates were kept, warns where more than 1 % had to be left out."""
    plan, summary = inputs.plan, inputs.summary
    start, end = day_of(plan.exposure.start or ""), day_of(plan.exposure.end or "")
    first, last = day_of(summary.first_exposure), day_of(summary.last_exposure)
    found = inputs.findings("outside_dates")
    count = sum(f.count for f in found if f.action == "excluded")
    kept = sum(f.count for f in found if f.action != "excluded")
    of = max([f.of for f in found], default=summary.n)
    share = count / of if of else 0.0
    evidence = {
        "start": plan.exposure.start or "",
        "end": plan.exposure.end or "",
        "first_exposure": summary.first_exposure,
        "last_exposure": summary.last_exposure,
        "excluded": count,
        "kept": kept,
        "share_excluded": share,
    }
    if start is None and end is None and not found:
        return Verdict("not answerable", "The plan has no start or end.", "Set exposure.start in the plan.", evidence)
    early = start is not None and first is not None and first < start
    late = end is not None and last is not None and last > end
    if early or late or kept:
        return Verdict(
            "fail",
            f"Exposures {'before the start' if early else 'after the end' if late else 'outside the dates'} are among the "
            f"units (first {summary.first_exposure or 'unknown'}, last {summary.last_exposure or 'unknown'}).",
            "Check the time zone of the export and the plan's dates; leave these exposures out.",
            evidence,
        )
    if share > WARN_ABOVE:
        return Verdict(
            "warn",
            f"{number_of(count, 'exposure')} ({share:.2%}) {'was' if count == 1 else 'were'} outside the dates and left out.",
            "If the variant was served before the start, these units are not new to it: look whether they come back later.",
            evidence,
        )
    return Verdict("pass", "Exposures lie within the planned dates.", "Nothing to do.", evidence)
