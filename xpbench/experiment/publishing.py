"""Publishing: the same experiment in Mixpanel, and each step there on record here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xpbench.experiment.deciding import decision_of
from xpbench.ledger import Clock, Entry, Ledger
from xpbench.mixpanel import lifecycle
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.mixpanel.client import Client
    from xpbench.mixpanel.lifecycle import Published


def record_launch(plan: Plan, ledger: Ledger, *, by: str | None = None, note: str = "") -> Entry:
    """Put on record that units are being assigned from now on."""
    return ledger.append("launched", {"plan_digest": plan.digest, "note": note}, by=by)


def publish(
    plan: Plan, ledger: Ledger, client: Client, *, launch: bool, flag: bool, details: dict[str, Any] | None, clock: Clock
) -> Published:
    """Make or mend the Mixpanel experiment, and record its id; arguments and errors as for `Experiment.publish`."""
    found = lifecycle.publish(plan, plan.digest, client, launch=launch, flag=flag, details=details, clock=clock)
    ledger.append("published", found.to_dict())
    if launch and not any(e.kind == "launched" for e in ledger.entries()):
        record_launch(plan, ledger, note="launched in Mixpanel")
    return found


def conclude(plan: Plan, ledger: Ledger, client: Client, *, end_date: str | None, clock: Clock) -> Published:
    """End the Mixpanel experiment and log the decision in force there; errors as for `Experiment.conclude`."""
    decision = decision_of(ledger.entries())
    found = lifecycle.conclude(plan, client, end_date=end_date)
    if decision is not None:
        found = lifecycle.decide(
            plan,
            plan.digest,
            client,
            outcome=decision.body["outcome"],
            variant=decision.body["variant"],
            because=str(decision.body["because"]),
            by=decision.by or "",
            clock=clock,
        )
    ledger.append("concluded", found.to_dict())
    return found
