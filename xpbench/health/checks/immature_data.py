"""Units whose window is not over yet."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check

WARN_ABOVE = 0.5
KEPT_WARN_ABOVE = 0.05


@check("immature_data", title="Mature units", question="Have the units had their whole window?")
def immature_data(inputs: HealthInputs) -> Verdict:
    """Warns where more than half of the units had to wait, or more than 5 % were counted before their window was over."""
    if not inputs.is_event_log:
        return Verdict("not answerable", "A table with one row per unit does not say whose window is over.", "Nothing to do.")
    found = counted(inputs, "immature_units", "immature_unit")
    limit = KEPT_WARN_ABOVE if found.action == "kept" else WARN_ABOVE
    if found.share <= limit:
        return Verdict(
            "pass",
            f"{number_of(found.count, 'unit')} ({found.share:.1%}) {'is' if found.count == 1 else 'are'} still within "
            f"{'its' if found.count == 1 else 'their'} window.",
            "Nothing to do.",
            found.evidence | {"warn_above": limit},
        )
    return Verdict(
        "warn",
        f"{number_of(found.count, 'unit')} ({found.share:.1%}) {'is' if found.count == 1 else 'are'} still within "
        f"{'its' if found.count == 1 else 'their'} window and {'was' if found.count == 1 else 'were'} {found.action}: "
        "a metric that grows with time compares early units only.",
        "Read again when the last unit's window is over; the effect may change as later units mature.",
        found.evidence | {"warn_above": limit},
    )
