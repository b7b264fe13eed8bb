"""An experiment's life in Mixpanel: published from the registered plan, marked, concluded, decided.

Each step can be done again without harm: it looks first at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from xpbench.errors import MixpanelError, plain
from xpbench.ledger.clock import Clock, system_clock
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.mixpanel.client import Client

_DESCRIPTION = 400
_NAME = 255
_TAG = "xpbench"

Outcome = Literal["ship", "ship none", "iterate", "defer"]


@dataclass(frozen=True, slots=True)
class Published:
    """Where an experiment stands in Mixpanel after a step.

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
) -> Published:
    """Make the Mixpanel experiment of a registered plan, or bring it up to date: hypothesis, and the digest in its description.

    Args:
        plan: Registered.
        digest: Of the plan in force; whoever looks at Mixpanel can compare it with the ledger.
        client: Of the project.
        launch: Also move it from draft to active, and annotate the launch.
        flag: Also make a Mixpanel flag that assigns by the plan; the plan's `assignment.hash` must be `mixpanel`.
        details: `settings`, `metrics`, `variants`, whose shape Mixpanel does not publish; passed through as they are.
        clock: The time of the annotation.

    Returns:
        Ids, status and what was done.

    Raises:
        MixpanelError: those of `Client.call`; `XPB-M10` the plan can't be a Mixpanel flag.
    """
    did: list[str] = []
    name = plan.experiment_name
    body = flag_body(plan) if flag else None
    fields = {"description": description_of(plan, digest), "hypothesis": hypothesis_of(plan), **(details or {})}
    found = _found(client, name)
    if found is None:
        if len(name) > _NAME:
            raise MixpanelError(
                "XPB-M10",
                name=plain("Experiment name"),
                value=name,
                rule=plain(f"It has at most {_NAME} characters"),
                remedy=plain("Set a shorter exposure.experiment"),
            )
        found = client.create_experiment(name, **fields)
        did.append("created")
    elif any(found.get(k) != v for k, v in fields.items()):
        found = client.update_experiment(found["id"], **fields)
        did.append("updated")
    flag_id = None
    if body is not None:
        flag_id, made = _flag(client, body, found["id"])
        did += ["flag created"] if made else []
    if launch and found["status"] == "draft":
        found = client.launch_experiment(found["id"])
        did.append("launched")
    if launch and _annotate(client, f"{name}: launched, plan {digest[:12]}", clock):
        did.append("annotated")
    return Published(found["id"], name, found["status"], flag_id, tuple(did))


def annotate_ramp(plan: Plan, client: Client, *, share: float, clock: Clock = system_clock) -> bool:
    """Mark in Mixpanel's charts that the rollout was changed to a share; False when the mark was there today."""
    return _annotate(client, f"{plan.experiment_name}: rollout {share:.4g}", clock)


def conclude(plan: Plan, client: Client, *, end_date: str | None = None) -> Published:
    """End the Mixpanel experiment, so that a decision can be logged; does nothing when it is concluded or decided.

    Raises:
        MixpanelError: `XPB-M11` it was never published, `XPB-M12` it was never launched.
    """
    found = _existing(plan, client)
    if found["status"] == "draft":
        raise MixpanelError(
            "XPB-M12",
            name=found["name"],
            status=plain("draft"),
            wanted=plain("active"),
            remedy=plain("Launch it first: publish(…, launch=True)"),
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
    outcome: Outcome,
    variant: str | None,
    because: str,
    by: str,
    clock: Clock = system_clock,
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

    Raises:
        MixpanelError: `XPB-M11` never published, `XPB-M12` never launched, or another decision stands there.
    """
    chosen = f" {variant}" if outcome == "ship" and variant else ""
    message = f"{outcome}{chosen}: {because} ({by}). Plan {digest}"
    did: list[str] = []
    found = _existing(plan, client)
    if outcome != "defer":
        wanted = "success" if outcome == "ship" else "fail"
        if found["status"] in ("draft", "active"):
            did += conclude(plan, client).did
            found = client.experiment(found["id"])
        if found["status"] == "concluded":
            found = client.decide_experiment(
                found["id"], success=outcome == "ship", variant=variant if outcome == "ship" else None, message=message
            )
            did.append("decided")
        elif found["status"] != wanted:
            raise MixpanelError(
                "XPB-M12",
                name=found["name"],
                status=plain(found["status"]),
                wanted=plain(f"concluded or {wanted}"),
                remedy=plain("Undo the decision in Mixpanel first, if the new one is to stand there"),
            )
    if _annotate(client, f"{found['name']}: {outcome}{chosen}, plan {digest[:12]}", clock):
        did.append("annotated")
    return Published(found["id"], found["name"], found["status"], did=tuple(did))


def description_of(plan: Plan, digest: str) -> str:
    """Text of at most 400 characters that names the plan's digest whole."""
    tail = f" Registered with xpbench, plan SHA-256 {digest}"
    head = f"{plan.title}. Owner: {plan.owner}."
    room = _DESCRIPTION - len(tail)
    return (head if len(head) <= room else head[: room - 1] + "…") + tail


def hypothesis_of(plan: Plan) -> str:
    """The three fields of the hypothesis as one sentence."""
    h = plan.hypothesis.model_dump(mode="json", by_alias=True, exclude_none=True)
    claims = "; ".join(_claim(c) for c in h.get("then", []))
    return f"If {h.get('if', '')}, then {claims}, because {h.get('because', '')}."


def _claim(claim: dict[str, Any]) -> str:
    size = f" by {claim['lift']:.4g} (lift)" if "lift" in claim else f" by {claim['effect']:.4g}" if "effect" in claim else ""
    return f"{claim.get('metric', '')}: {claim.get('direction', '')}{size}"


def flag_body(plan: Plan) -> dict[str, Any]:
    """The flag that assigns as the plan does, with the variant keys as string values.

    Raises:
        MixpanelError: `XPB-M10`, the plan assigns in a way that a Mixpanel flag can't.
    """
    assignment = plan.assignment
    if assignment is None or assignment.hash != "mixpanel" or assignment.layer or assignment.holdout:
        raise MixpanelError(
            "XPB-M10",
            name=plain("Assignment"),
            value=plain(
                "of another kind" if assignment is None or assignment.hash != "mixpanel" else "with a layer or holdout"
            ),
            rule=plain("A flag assigns by Mixpanel's hash, without layers and holdouts"),
            remedy=plain("Publish without flag=True, or set assignment.hash to mixpanel before registering"),
        )
    rollout = []
    for group in assignment.rollout:
        if group.cohort is not None:
            raise MixpanelError(
                "XPB-M10",
                name=plain("Cohort"),
                value=group.cohort,
                rule=plain("Cohorts of Mixpanel have a definition that the API does not publish"),
                remedy=plain("Make the rollout group in Mixpanel"),
            )
        rollout.append(
            {"name": group.key, "rollout_percentage": group.share}
            | ({"runtime_evaluation_rule": group.where} if group.where else {})
            | ({"variant_splits": dict(group.splits)} if group.splits else {})
            | ({"variant_override": {"key": group.variant}} if group.variant else {})
        )
    variants = [
        {"key": v.key, "value": v.key, "is_control": v.control, "split": v.split, "is_sticky": _is_sticky(assignment.sticky, v)}
        for v in plan.variants
    ]
    ruleset: dict[str, Any] = {"variants": variants, "rollout": rollout}
    if assignment.overrides:
        ruleset["test"] = {"users": dict(assignment.overrides)}
    return {
        "name": plan.title[:_NAME],
        "key": plan.experiment_name,
        "tags": [_TAG],
        "context": plan.unit,
        "serving_method": "remote_or_local",
        "status": "disabled",
        "ruleset": ruleset,
    } | ({"hash_salt": assignment.hash_salt} if assignment.hash_salt else {})


def _is_sticky(sticky: str, variant: Any) -> bool:
    return not variant.control and sticky != "no"  # control is never sticky in Mixpanel


def _flag(client: Client, body: dict[str, Any], experiment_id: str) -> tuple[str, bool]:
    for flag in client.flags():
        if flag["key"] == body["key"]:
            return str(flag["id"]), False
    made = client.create_flag({**body, "experiment_id": experiment_id, "is_experiment_active": False})
    return str(made["id"]), True


def _found(client: Client, name: str) -> dict[str, Any] | None:
    for experiment in _live(client):
        if experiment["name"] == name:
            return experiment
    return None


def _live(client: Client) -> Iterator[dict[str, Any]]:
    return (e for e in client.experiments() if not e.get("deleted"))


def _existing(plan: Plan, client: Client) -> dict[str, Any]:
    found = _found(client, plan.experiment_name)
    if found is None:
        raise MixpanelError("XPB-M11", name=plan.experiment_name)
    return found


def _annotate(client: Client, description: str, clock: Clock) -> bool:
    now: datetime = clock()
    today = now.strftime("%Y-%m-%d")
    before = (now - timedelta(days=1)).strftime("%Y-%m-%d")
    if any(a["description"] == description for a in client.annotations(before, today)):
        return False
    client.annotate(now.strftime("%Y-%m-%d %H:%M:%S"), description, tags=[client.tag(_TAG)])
    return True
