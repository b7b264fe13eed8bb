"""Local time written as UTC."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.checks._counts import counted
from xpbench.health.inputs import HealthInputs, moment_of
from xpbench.health.registry import check

TOLERATED_MINUTES = 5
MOST_HOURS = 14


@check("time_zone_shift", title="Time zone", question="Are times in UTC, or local times written as if they were?")
def time_zone_shift(inputs: HealthInputs) -> Verdict:
    """Warns where the reader found a shift, or where events lie up to 14 hours in the future, as no zone is further ahead."""
    found = counted(inputs, "time_zone_shift", "future_events", units=False)
    until = moment_of(inputs.summary.data_until) or moment_of(inputs.summary.last_exposure)
    ahead = None
    if until is not None and inputs.now is not None and len(inputs.summary.data_until or inputs.summary.last_exposure) > 10:
        ahead = (until - inputs.now).total_seconds() / 3600
    evidence = found.evidence | {"hours_ahead_of_now": ahead}
    if found.count == 0 and ahead is None:
        if not inputs.is_event_log:
            return Verdict("not answerable", "The source has no times.", "Nothing to do.", evidence)
        return Verdict(
            "not answerable", "Neither the time of the reading nor of the last event is known.", "Pass now.", evidence
        )
    shifted = ahead is not None and TOLERATED_MINUTES / 60 < ahead <= MOST_HOURS
    if found.count or shifted:
        return Verdict(
            "warn",
            (
                f"The last event lies {ahead:.1f} hours in the future. "
                if shifted
                else f"{number_of(found.count, 'event looks', 'events look')} shifted. "
            )
            + "Local times seem to be written as UTC, which moves exposures to other days.",
            "Set the project's time zone when reading; projects made before 2023 store local time.",
            evidence,
        )
    return Verdict("pass", "Times do not lie in the future.", "Nothing to do.", evidence)
