"""An experiment's life in Mixpanel: published from the registered plan, marked, concluded, decided.

Each step can be done again without harm: it looks first at what is there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from xpbench.errors import MixpanelError, plain
from xpbench.ledger.clock import Clock, system_clock
from xpbench.mixpanel.difference import recorded_digest
from xpbench.mixpanel.sync import is_ramp, live, note, read, sync
from xpbench.mixpanel.wanted import (
    ExperimentStage,
    Wanted,
    decision_body,
    description_of,
    experiment_name,
    flag_body,
    hypothesis_of,
    published_flag,
    running,
)
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.mixpanel.client import Client

__all__ = [
    "DecidedOutcome",
    "Published",
    "conclude",
    "decide",
    "description_of",
    "flag_body",
    "hypothesis_of",
    "publish",
]

DecidedOutcome = Literal["ship", "ship none", "iterate", "defer"]


@dataclass(frozen=True, slots=True)
class Published:
    """Where an experiment is in Mixpanel after a step.

    Attributes:
        experiment_id: Its id there.
        name: Its name there, which exposure events carry.
        status: draft, active, concluded, success or fail.
        flag_id: Of the flag made with it, if any.
        did: What this step did, in order; empty when everything was there.
    """

    experiment_id: str
    name: str
    status: str
    flag_id: str | None = None
    did: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {**asdict(self), "did": list(self.did)}


def publish(
    plan: Plan,
    digest: str,
    client: Client,
    *,
    launch: bool = False,
    flag: bool = False,
    details: dict[str, Any] | None = None,
    clock: Clock = system_clock,
    wanted: Wanted | None = None,
) -> Published:
    """Make the Mixpanel experiment of a registered plan, or bring it up to date: hypothesis, and the digest in its description.

    Args:
        plan: Registered.
        digest: Of the plan in force; whoever looks at Mixpanel can compare it with the ledger.
        client: Of the project.
        launch: Also move it from draft to active, and annotate the launch.
        flag: Also make a Mixpanel flag that assigns by the plan; the plan's `assignment.hash` must be `mixpanel`.
        details: `settings`, `metrics`, `variants`, whose shape Mixpanel does not publish; settings and metrics are merged into
            those that are there.
        clock: The time of the annotation.
        wanted: What Mixpanel should hold by the ledger; from plan and digest alone where missing.

    Returns:
        Ids, status and what was done.

    Raises:
        MixpanelError: those of `Client.call`; `XPB-M10` the plan can't be a Mixpanel flag; `XPB-M14` an experiment or flag of
            this name belongs to another plan; `XPB-M15` Mixpanel salted the flag otherwise.
    """
    held = wanted if wanted is not None else _by_plan(plan, digest, flag=flag)
    fields = {k: v for k, v in held.experiment.items() if k not in ("metrics", "settings")}
    stage: ExperimentStage | None = "active" if launch and held.stage in (None, "draft", "active") else None
    body = {**held.flag, **running(stage)} if flag and held.flag is not None else None
    held = replace(held, experiment={**fields, **(details or {})}, stage=stage, flag=body)
    if wanted is None:
        remote = read(held, client)
        if is_ramp(held, remote):  # no ledger says that this plan amends that one, but nobody is reassigned by it
            there = [t for t in (remote.experiment, remote.flag) if t is not None]
            held = replace(held, digests=held.digests | {d for t in there if (d := recorded_digest(t)) is not None})
    report = sync(held, client, annotate=False, clock=clock)
    did = list(report.did)
    if launch:
        note(client, f"{held.name}: launched, plan {digest[:12]}", clock, did)
    return Published(report.experiment_id, held.name, report.status, report.flag_id, tuple(did))


def _by_plan(plan: Plan, digest: str, *, flag: bool) -> Wanted:
    """What Mixpanel should hold by a plan alone."""
    body = {**published_flag(plan), "description": description_of(plan, digest)} if flag else None
    return Wanted(
        experiment_name(plan),
        digest,
        frozenset((digest, plan.digest)),
        frozenset(),
        {"description": description_of(plan, digest), "hypothesis": hypothesis_of(plan)},
        body,
        None,
    )


def conclude(plan: Plan, client: Client, *, end_date: str | None = None, known: Collection[str] | None = None) -> Published:
    """End the Mixpanel experiment, so that a decision can be logged; does nothing when it is concluded or decided.

    Args:
        plan: Registered.
        client: Of the project.
        end_date: When it ended; now if missing.
        known: Digests of the plans of this ledger; an experiment that names another is refused.

    Raises:
        MixpanelError: `XPB-M11` it was never published, `XPB-M12` it was never launched, `XPB-M14` it is of another plan.
    """
    found = _existing(plan, client, known)
    if found["status"] == "draft":
        raise MixpanelError(
            "XPB-M12",
            name=found["name"],
            status=plain("draft"),
            wanted=plain("active"),
            remedy=plain("Launch it first: publish(…, launch=True), or xpbench sync KEY --launch"),
        )
    if found["status"] == "active":
        found = client.conclude_experiment(found["id"], end_date=end_date)
        return Published(found["id"], found["name"], found["status"], did=("concluded",))
    return Published(found["id"], found["name"], found["status"])


def decide(
    plan: Plan,
    digest: str,
    client: Client,
    *,
    outcome: DecidedOutcome,
    variant: str | None,
    because: str,
    by: str,
    clock: Clock = system_clock,
    known: Collection[str] | None = None,
) -> Published:
    """Log the frozen decision in Mixpanel, and annotate it; the experiment is concluded first where it still runs.

    `ship` becomes success with the variant, `ship none` and `iterate` become fail. `defer` has no field there: it leaves the
    status as it is and is only annotated. A decision that stands there is not overwritten.

    Args:
        plan: Registered.
        digest: Of the plan in force.
        client: Of the project.
        outcome: As in the ledger.
        variant: Shipped.
        because: Why.
        by: Who decided.
        clock: The time of the annotation.
        known: Digests of the plans of this ledger; `digest` and the plan's own if missing.

    Raises:
        MixpanelError: `XPB-M11` never published, `XPB-M12` never launched, or another decision is there, `XPB-M14` it is of
            another plan.
    """
    chosen = f" {variant}" if outcome == "ship" and variant else ""
    body = decision_body(outcome, variant, because, by, digest)
    did: list[str] = []
    known = known if known is not None else {digest, plan.digest}
    found = _existing(plan, client, known)
    if outcome != "defer":
        wanted = "success" if outcome == "ship" else "fail"
        if found["status"] in ("draft", "active"):
            did += conclude(plan, client, known=known).did
            found = client.experiment(found["id"])
        if found["status"] == "concluded":
            found = client.decide_experiment(
                found["id"], success=body["success"], variant=body["variant"], message=body["message"]
            )
            did.append("decided")
        elif found["status"] != wanted:
            raise MixpanelError(
                "XPB-M12",
                name=found["name"],
                status=plain(found["status"]),
                wanted=plain(f"concluded or {wanted}"),
                remedy=plain("Undo the decision in Mixpanel first, if the new one is to be there"),
            )
    if _annotate(client, f"{found['name']}: {outcome}{chosen}, plan {digest[:12]}", clock):
        did.append("annotated")
    return Published(found["id"], found["name"], found["status"], did=tuple(did))


def _found(client: Client, name: str) -> dict[str, Any] | None:
    for experiment in live(client):
        if experiment["name"] == name:
            return experiment
    return None


def _existing(plan: Plan, client: Client, known: Collection[str] | None) -> dict[str, Any]:
    found = _found(client, plan.experiment_name)
    if found is None:
        raise MixpanelError("XPB-M11", name=plan.experiment_name)
    digest = recorded_digest(found)
    if known is not None and digest is not None and digest not in known:
        reason = plain(f"was made from plan {digest[:12]}, which is not in this ledger")
        raise MixpanelError("XPB-M14", thing=plain("experiment"), name=found["name"], reason=reason, differences=plain(""))
    return found


def _annotate(client: Client, description: str, clock: Clock) -> bool:
    return note(client, description, clock, [])
