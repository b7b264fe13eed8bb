"""Clocks that run backwards or stand still."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.checks.time_zone_shift import MOST_HOURS
from xpbench.health.inputs import HealthInputs, moment_of
from xpbench.health.registry import check


@check("clock", title="Clock", question="Is the data's time plausible against the clock and the look before?", gate=True)
def clock(inputs: HealthInputs) -> Verdict:
    """Fails where data lies more than 14 hours in the future; warns where it ends before it did at the last look."""
    until = moment_of(inputs.summary.data_until) or moment_of(inputs.summary.last_exposure)
    before = None
    if inputs.previous is not None:
        before = moment_of(inputs.previous.data_until) or moment_of(inputs.previous.last_exposure)
    if until is None or (inputs.now is None and before is None):
        return Verdict("not answerable", "The data or the reading has no time.", "Nothing to do.")
    evidence = {
        "data_until": until.isoformat(),
        "now": inputs.now.isoformat() if inputs.now else "",
        "data_until_last_look": before.isoformat() if before else "",
    }
    if inputs.now is not None and (until - inputs.now).total_seconds() > MOST_HOURS * 3600:
        return Verdict(
            "fail",
            f"The data ends at {until.isoformat()}, far after the clock's {inputs.now.isoformat()}.",
            "Set this machine's clock, or look for devices with wrong clocks; windows and days can't be trusted until then.",
            evidence,
        )
    if before is not None and until < before:
        return Verdict(
            "warn",
            f"The data ends at {until.isoformat()}; at the look before it reached {before.isoformat()}.",
            "Read the newest export. An older one is another look at other data, and counts as one.",
            evidence,
        )
    return Verdict("pass", "The data's times fit the clock.", "Nothing to do.", evidence)
