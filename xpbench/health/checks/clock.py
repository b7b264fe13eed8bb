"""Clocks that run backwards or stop."""

from __future__ import annotations

from xpbench.health.check import Verdict
from xpbench.health.checks.time_zone_shift import MOST_HOURS, TOLERATED_MINUTES
from xpbench.health.inputs import HealthInputs, moment_of
from xpbench.health.registry import check


@check("clock", title="Clock", question="Is the data's time plausible against the clock and the look before?", gate=True)
def clock(inputs: HealthInputs) -> Verdict:
    """Fails where data lies more than 14 hours in the future; warns where it ends before it did at the last look.

    Warns, too, where this machine's clock stands before the ledger's latest entry: one of the two times is wrong.
    """
    until = moment_of(inputs.summary.data_until) or moment_of(inputs.summary.last_exposure)
    before = None
    if inputs.previous is not None:
        before = moment_of(inputs.previous.data_until) or moment_of(inputs.previous.last_exposure)
    back = None
    if inputs.now is not None and inputs.recorded_until is not None:
        back = (inputs.recorded_until - inputs.now).total_seconds() / 60
    set_back = back is not None and back > TOLERATED_MINUTES
    if (until is None and not set_back) or (inputs.now is None and before is None):
        return Verdict("not answerable", "The data or the reading has no time.", "Nothing to do.")
    evidence = {
        "data_until": until.isoformat() if until else "",
        "now": inputs.now.isoformat() if inputs.now else "",
        "data_until_last_look": before.isoformat() if before else "",
        "ledger_until": inputs.recorded_until.isoformat() if inputs.recorded_until else "",
    }
    if inputs.now is not None and until is not None and (until - inputs.now).total_seconds() > MOST_HOURS * 3600:
        return Verdict(
            "fail",
            f"The data ends at {until.isoformat()}, far after the clock's {inputs.now.isoformat()}.",
            "Set this machine's clock, or look for devices with wrong clocks; windows and days can't be trusted until then.",
            evidence,
        )
    if set_back:
        return Verdict(
            "warn",
            f"This machine's clock says {inputs.now.isoformat() if inputs.now else ''}, before the ledger's latest entry "
            f"({evidence['ledger_until']}): it was set back, or that entry was made by a clock that ran ahead.",
            "Set the clock. The order of the entries holds whatever their times say; what is due by days follows the clock.",
            evidence,
        )
    if before is not None and until is not None and until < before:
        return Verdict(
            "warn",
            f"The data ends at {until.isoformat()}; at the look before it reached {before.isoformat()}.",
            "Read the newest export. An older one is another look at other data, and counts as one.",
            evidence,
        )
    return Verdict("pass", "The data's times fit the clock.", "Nothing to do.", evidence)
