"""A guarded ramp: each reading on record as a look that shows no effect, and the next share as an amendment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from xpbench.data.summary import Summary
from xpbench.errors import DecisionError, plain
from xpbench.experiment.checking import health_counts
from xpbench.experiment.revealing import seen
from xpbench.health import Check
from xpbench.ledger import Entry, Ledger
from xpbench.plan import Plan
from xpbench.watch.ramp import RampAnswer, answer_of, stage_starts


def read_ramp(
    plan: Plan,
    ledger: Ledger,
    summary: Summary,
    health: Sequence[Check],
    *,
    by: str | None,
    reading: Mapping[str, Any],
    now: datetime,
) -> RampAnswer:
    """What the ramp says now; on record before it is returned. Errors as for `Experiment.ramp`."""
    entries = ledger.entries()
    ensure_begun(plan, entries)
    gates = [c.name for c in health if c.blocks]
    found = answer_of(plan, summary, entries, gates=gates, now=now)
    harm = any(g.state == "harm" for g in found.guards)
    body = {**seen(plan, summary, reading), "health": health_counts(health), "harm": harm, "outcomes": True}
    ledger.append("looked", {**body, "ramp": found.to_dict()}, by=by)
    return found


def ensure_begun(plan: Plan, entries: Sequence[Entry]) -> None:
    """Return only if the plan has a ramp and the launch is on record.

    Raises:
        DecisionError: `XPB-R50`, there is no ramp, or it has not begun.
    """
    if plan.ramp is None:
        raise DecisionError(
            "XPB-R50",
            key=plan.key,
            state=plain("the plan has no stages"),
            remedy=plain("Amend the plan with ramp: stages, each with a share and days or units"),
        )
    if not stage_starts(plan, entries):
        raise DecisionError(
            "XPB-R50", key=plan.key, state=plain("no launch is on record"), remedy=plain("Record it (xpbench launch KEY)")
        )


def next_plan(plan: Plan, entries: Sequence[Entry]) -> tuple[Plan, str]:
    """The plan with the share of the next stage, and the reason of its amendment.

    Raises:
        DecisionError: `XPB-R50`, the newest reading of the ramp does not say go on, or there is no further stage.
    """
    ensure_begun(plan, entries)
    assert plan.ramp is not None  # noqa: S101 - checked
    assert plan.assignment is not None  # noqa: S101 - a rule of plans with a ramp
    here = stage_starts(plan, entries)[-1]
    last = next((e for e in reversed(entries) if e.kind == "looked" and "ramp" in e.body and e.seq > here.seq), None)
    if last is None or last.body["ramp"]["answer"] != "go on":
        said = (
            f"its newest reading says {last.body['ramp']['answer']}"
            if last is not None
            else f"stage {here.number} was not read"
        )
        raise DecisionError(
            "XPB-R50",
            key=plan.key,
            state=plain(said),
            remedy=plain("Read the ramp (xpbench ramp KEY --events …) until it says go on"),
        )
    if here.number == len(plan.ramp.stages):
        raise DecisionError(
            "XPB-R50",
            key=plan.key,
            state=plain("its last stage is in force"),
            remedy=plain("Read the results when they are due"),
        )
    share = plan.ramp.stages[here.number].share
    assignment = plan.assignment.model_dump(mode="json", exclude_none=True)
    assignment["rollout"][0]["share"] = share
    reason = f"Ramp, stage {here.number + 1}: {share:.0%} of the units, as planned (reading of entry {last.seq} says go on)"
    return plan.changed(assignment=assignment), reason
