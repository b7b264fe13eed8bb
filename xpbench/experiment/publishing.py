"""Publishing: the same experiment in Mixpanel, and each step there on record here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xpbench.experiment.opening import decision_of
from xpbench.experiment.reasons import ensure_reason
from xpbench.ledger import Clock, Entry, Ledger
from xpbench.mixpanel import lifecycle
from xpbench.mixpanel import sync as syncing
from xpbench.mixpanel.wanted import digests_of, ids_of, running, wanted
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.mixpanel.client import Client
    from xpbench.mixpanel.lifecycle import Published
    from xpbench.mixpanel.sync import Sync


def record_launch(plan: Plan, ledger: Ledger, *, by: str | None = None, note: str = "") -> Entry:
    """Put on record that units are being assigned from now on."""
    return ledger.append("launched", {"plan_digest": plan.digest, "note": note}, by=by)


def publish(
    plan: Plan, ledger: Ledger, client: Client, *, launch: bool, flag: bool, details: dict[str, Any] | None, clock: Clock
) -> Published:
    """Make the Mixpanel experiment or bring it up to date, and record its id; see `Experiment.publish`."""
    held = wanted(plan, ledger.entries(), flag=flag)
    found = lifecycle.publish(plan, plan.digest, client, launch=launch, flag=flag, details=details, clock=clock, wanted=held)
    ledger.append("published", found.to_dict())
    if launch and not any(e.kind == "launched" for e in ledger.entries()):
        record_launch(plan, ledger, note="launched in Mixpanel")
    return found


def _because(body: Mapping[str, Any]) -> str:
    """The reason of a decision, after what a reader must know of the plan: Mixpanel shows the decision without its memo."""
    stamps = [str(s) for s in body.get("stamps", ())]
    return ". ".join([*stamps, str(body["because"])])


def conclude(plan: Plan, ledger: Ledger, client: Client, *, end_date: str | None, clock: Clock) -> Published:
    """End the Mixpanel experiment and log the decision in force there; errors as for `Experiment.conclude`."""
    entries = ledger.entries()
    decision = decision_of(entries)
    known = digests_of(entries) | {plan.digest}
    found = lifecycle.conclude(plan, client, end_date=end_date, known=known)
    if decision is not None:
        found = lifecycle.decide(
            plan,
            plan.digest,
            client,
            outcome=decision.body["outcome"],
            variant=decision.body["variant"],
            because=_because(decision.body),
            by=decision.by or "",
            clock=clock,
            known=known,
        )
    if any(e.kind == "published" and e.body.get("flag_id") for e in entries):
        served = syncing.sync(replace(wanted(plan, entries, flag=True), experiment={}, stage=None), client, annotate=False)
        found = replace(found, flag_id=served.flag_id, did=(*found.did, *served.did))
    ledger.append("concluded", found.to_dict())
    return found


def sync(
    plan: Plan,
    ledger: Ledger,
    client: Client,
    *,
    dry_run: bool = False,
    adopt: bool = False,
    launch: bool = False,
    holdback: float | None = None,
    roll_back: str | None = None,
    by: str | None = None,
    before_writing: Callable[[Sync], None] | None = None,
    clock: Clock,
) -> Sync:
    """Mixpanel in step with plan and ledger; arguments and errors as for `Experiment.sync`."""
    if roll_back is not None:
        ensure_reason(roll_back, "a roll-back")
        if not dry_run:
            ledger.append("rolled_back", {"plan_digest": plan.digest, "reason": roll_back}, by=by)
    entries = ledger.entries()
    held = wanted(plan, entries, holdback=holdback, roll_back=roll_back is not None)
    if launch and held.stage == "draft":
        flag = None if held.flag is None else {**held.flag, **running("active")}
        held = replace(held, stage="active", flag=flag)
    found = syncing.sync(held, client, dry_run=dry_run, adopt=adopt, before_writing=before_writing, clock=clock)
    if dry_run:
        return found
    news = found.did or not {found.experiment_id, found.flag_id or found.experiment_id} <= ids_of(entries)
    if news or holdback is not None:
        body = {
            "experiment_id": found.experiment_id,
            "name": found.name,
            "status": found.status,
            "flag_id": found.flag_id,
            "did": list(found.did),
            "plan_digest": plan.digest,
            "serving": held.serving,
        }
        ledger.append("published", body | ({"holdback": holdback} if holdback is not None else {}), by=by)
    if launch and not any(e.kind == "launched" for e in entries):
        record_launch(plan, ledger, by=by, note="launched in Mixpanel")
    return found
