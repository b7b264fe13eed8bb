"""Events that arrive long after they happened."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check
from xpbench.health.skew import skew_p

WARN_ABOVE = 0.01


@check("late_data", title="Late data", question="Do events arrive so late that the last days are not complete?")
def late_data(inputs: HealthInputs) -> Verdict:
    """Warns where more than 1 % of the events came late, or where late events are more frequent in one variant."""
    if not inputs.is_event_log:
        return Verdict(
            "not answerable", "A table with one row per unit does not say when its values arrived.", "Nothing to do."
        )
    found = counted(inputs, "late_events", "late_event", "late_data", units=False)
    units = {v.key: int(inputs.summary.units.get(v.key, 0)) for v in inputs.plan.variants}
    # a late event is a rare event of a unit; capping at one a unit keeps the test on the safe side
    p = skew_p({k: min(n, units.get(k, 0)) for k, n in found.by_variant.items()}, units) if found.by_variant else None
    skewed = p is not None and p < inputs.plan.health.srm_alpha
    if found.share <= WARN_ABOVE and not skewed:
        return Verdict(
            "pass", f"{number_of(found.count, 'event')} ({found.share:.3%}) came late.", "Nothing to do.", found.evidence
        )
    return Verdict(
        "warn",
        f"{number_of(found.count, 'event')} ({found.share:.2%}) came late"
        + (", more often in one variant than in another" if skewed else "")
        + ".",
        "Wait until the delay has passed before reading, or end the range some days before the export.",
        found.evidence | {"skewed": skewed},
    )
