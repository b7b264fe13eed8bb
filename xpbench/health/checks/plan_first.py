"""Whether the plan was registered before the first unit met it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, day_of, moment_of
from xpbench.health.registry import check


@check("plan_first", title="Plan before data", question="Was the plan registered before the first exposure?")
def plan_first(inputs: HealthInputs) -> Verdict:
    """Compares the registration on record with the first exposure of a unit that counts.

    Warns where a unit was exposed before the plan was registered, and never makes a readout invalid: its stamp stands on
    readout, headline and memo. Units that the plan leaves out, as of QA testers or of days outside
    `exposure.start` and `exposure.end`, don't count.
    """
    registered, first = inputs.registered, inputs.summary.first_exposure
    if registered is None:
        return Verdict("not answerable", "No registration was given.", "Read through the experiment, which knows its own.")
    evidence: dict[str, Any] = {"registered": registered.date().isoformat(), "retrospective": inputs.retrospective}
    day = day_of(first)
    found, earlier = inputs.found_before
    if found and not inputs.retrospective and (day is None or first[:10] > earlier[:10]):
        now = "have no dates of exposure" if day is None else f"begin on {day}"
        return Verdict(
            "warn",
            f"The plan was registered on {registered.date()}, and an earlier look on record found a first exposure on "
            f"{earlier[:10]}. The data read now {now}; a first exposure does not move.",
            "Read the same day of exposure as before. To leave the units before the plan out, amend exposure.start.",
            evidence | {"state": found, "first_exposure": first, "first_exposure_on_record": earlier},
        )
    if day is None:
        return Verdict(
            "not answerable",
            f"It is not known whether the plan came first: it was registered on {registered.date()}, and the source has no "
            "dates of exposure."
            if not inputs.retrospective
            else f"The plan was registered on {registered.date()} as a retrospective one.",
            "Name the column of the day of exposure (day=…, --day-column).",
            evidence | {"state": "retrospective" if inputs.retrospective else "unknown"},
        )
    days = (day - registered.date()).days
    evidence |= {"first_exposure": first, "days": days} | _before(inputs, registered)
    dates = f"registered on {registered.date()}, first exposure on {day}"
    state = "before" if days > 0 else "same day" if days == 0 else "after" if evidence["unit_share"] >= 1.0 else "partly"
    moment = moment_of(first) if len(first) > 10 else None
    if days == 0 and moment is not None and moment < registered:
        state = "partly"
    if inputs.retrospective:
        state = "retrospective"
    evidence["state"] = state
    known = f" {_known(inputs, registered)}"
    if state == "before":
        return Verdict(
            "pass", f"The plan came {number_of(days, 'day')} before the first exposure: {dates}.", "Nothing to do.", evidence
        )
    if state == "same day":
        return Verdict("pass", f"The plan came on the day of the first exposure: {dates}.", "Nothing to do.", evidence)
    if state == "retrospective":
        return Verdict("warn", f"The plan is retrospective: {dates}.{known}", "Run an experiment to confirm it.", evidence)
    if state == "after":
        return Verdict(
            "warn",
            f"The plan was registered {number_of(-days, 'day')} after the first exposure: {dates}. All units were exposed by "
            f"then.{known} What was planned may have been chosen for what the data show.",
            "Read it as a description of these data, and register the next experiment before it begins. A plan that is meant "
            "to look back is registered as such: retrospective=True.",
            evidence,
        )
    return Verdict(
        "warn",
        f"The plan was registered {number_of(-days, 'day') if days else 'hours'} after the first exposure: {dates}. Up to "
        f"{evidence['unit_share']:.1%} of the units and {number_of(evidence['days_before'], 'day')} of "
        f"{evidence['days_in_all']:,} came before it.{known}",
        f"To leave these units out, amend exposure.start to {registered.date() + timedelta(days=1)}."
        if inputs.is_event_log
        else f"To leave these units out, read a table that begins on {registered.date() + timedelta(days=1)}.",
        evidence,
    )


def _before(inputs: HealthInputs, registered: datetime) -> dict[str, Any]:
    """Units and days that came before the registration; its own day counts as before where an exposure of it did."""
    by_day = {t: sum(int(n) for n in v.values()) for t, v in inputs.summary.exposures_by_day.items() if any(v.values())}
    first = moment_of(inputs.summary.first_exposure) if len(inputs.summary.first_exposure) > 10 else None
    own = first is not None and first.date() == registered.date() and first < registered
    limit = registered.date() + timedelta(days=1 if own else 0)
    last = moment_of(inputs.summary.last_exposure)
    if last is not None and last < registered:
        limit = registered.date() + timedelta(days=1)
    early = {t: n for t, n in by_day.items() if (d := day_of(t)) is not None and d < limit}
    total = sum(by_day.values())
    share = sum(early.values()) / total if total else 1.0 if last is not None and last < registered else 0.0
    return {"unit_share": share, "days_before": len(early), "days_in_all": len(by_day)}


def _known(inputs: HealthInputs, registered: datetime) -> str:
    """Whether outcomes existed when the plan was registered, as a sentence."""
    until = moment_of(inputs.summary.data_until or inputs.summary.last_exposure)
    if until is not None and until < registered:
        return f"All outcomes existed by then: the data end on {until.date()}."
    return "Outcomes of the units exposed by then may have existed."
