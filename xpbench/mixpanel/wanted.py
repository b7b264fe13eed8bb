"""What Mixpanel should hold of an experiment: one function from plan and ledger to experiment, flag and stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from xpbench.errors import MixpanelError, plain
from xpbench.ledger import Entry
from xpbench.plan import Plan
from xpbench.randomiser.single import checked

DESCRIPTION_MOST = 400
NAME_MOST = 255
SALT_LENGTH = 32
TAG = "xpbench"

ExperimentStage = Literal["draft", "active", "concluded", "success", "fail"]
STAGES: tuple[ExperimentStage, ...] = ("draft", "active", "concluded", "success", "fail")
Serving = Literal["plan", "control", "shipped"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Mixpanel should hold.

    Attributes:
        name: Of the experiment, which exposure events carry; the key of its flag.
        digest: Of the plan in force.
        digests: Of every plan that was in force in this ledger.
        ids: Ids of the experiment and the flag that this ledger has recorded.
        experiment: Fields of the experiment. `settings` and `metrics` are merged into those that are there.
        flag: The flag whole, or None where Mixpanel does not assign.
        stage: Where the experiment should be; None where that is left as it is.
        decision: `success`, `variant` and `message`, where one is on record.
        serving: What the flag does: the plan's split, the shipped variant, or control for everyone.
    """

    name: str
    digest: str
    digests: frozenset[str]
    ids: frozenset[str]
    experiment: Mapping[str, Any]
    flag: Mapping[str, Any] | None
    stage: ExperimentStage | None
    decision: Mapping[str, Any] | None = None
    serving: Serving = "plan"
    notes: tuple[str, ...] = field(default=())


def wanted(
    plan: Plan,
    entries: Sequence[Entry],
    *,
    flag: bool | None = None,
    holdback: float | None = None,
    roll_back: bool = False,
) -> Wanted:
    """What Mixpanel should hold of a registered experiment, from its plan and its ledger.

    Args:
        plan: In force.
        entries: Of the ledger.
        flag: Whether Mixpanel assigns; where missing, it does when the plan's hash is `mixpanel`.
        holdback: After shipping: share of the units that stay on control; as recorded last where missing.
        roll_back: Everyone goes back to control, whatever the ledger says.

    Raises:
        MixpanelError: `XPB-M10`, the plan can't be a Mixpanel flag, or a name is too long.
    """
    has_flag = flag if flag is not None else plan.assignment is not None and plan.assignment.hash == "mixpanel"
    kinds = [e.kind for e in entries]
    decided = next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)
    outcome = str(decided.body["outcome"]) if decided is not None else ""
    stage: ExperimentStage = "active" if "launched" in kinds else "draft"
    if "concluded" in kinds:
        stage = "concluded"
    decision: dict[str, Any] | None = None
    if decided is not None and outcome != "defer":
        stage = "success" if outcome == "ship" else "fail"
        decision = decision_of_entry(decided, plan.digest)
    serving: Serving = "plan"
    if decision is not None:
        serving = "shipped" if decision["success"] else "control"
    if roll_back or _rolled_back(entries):
        serving = "control"
    body = None
    if has_flag:
        share = holdback if holdback is not None else recorded_holdback(entries)
        body = published_flag(plan)
        if serving == "shipped" and decision is not None:
            body = serving_only(body, str(decision["variant"]), plan.control.key, holdback=share or 0.0)
        elif serving == "control":
            body = serving_only(body, plan.control.key, plan.control.key)
        body |= running(stage)
        body["description"] = description_of(plan, plan.digest)
    return Wanted(
        experiment_name(plan),
        plan.digest,
        frozenset(digests_of(entries)) | {plan.digest},
        frozenset(ids_of(entries)),
        {
            "description": description_of(plan, plan.digest),
            "hypothesis": hypothesis_of(plan),
            "metrics": metrics_of(plan),
            "settings": settings_of(plan),
        },
        body,
        stage,
        decision,
        serving,
    )


def running(stage: ExperimentStage | None) -> dict[str, Any]:
    """Whether the flag of an experiment is on at a stage, and whether its experiment is active."""
    return {"status": "disabled" if stage in ("draft", None) else "enabled", "is_experiment_active": stage == "active"}


def digests_of(entries: Sequence[Entry]) -> set[str]:
    """Digests of every plan that was in force."""
    return {str(e.body["plan_digest"]) for e in entries if e.kind in ("registered", "amended") and "plan_digest" in e.body}


def ids_of(entries: Sequence[Entry]) -> set[str]:
    """Ids in Mixpanel that the ledger has recorded."""
    found = {e.body.get(n) for e in entries if e.kind in ("published", "concluded") for n in ("experiment_id", "flag_id")}
    return {str(i) for i in found if i}


def recorded_holdback(entries: Sequence[Entry]) -> float | None:
    """Share on control after shipping, as recorded last."""
    held = [e.body["holdback"] for e in entries if e.kind == "published" and e.body.get("holdback") is not None]
    return float(held[-1]) if held else None


def _rolled_back(entries: Sequence[Entry]) -> bool:
    """Whether the last word on serving was to go back to control."""
    last = next((e for e in reversed(entries) if e.kind in ("rolled_back", "launched", "decided")), None)
    return last is not None and last.kind == "rolled_back"


def decision_of_entry(entry: Entry, digest: str) -> dict[str, Any]:
    """A decision as Mixpanel takes it."""
    outcome, variant = str(entry.body["outcome"]), entry.body.get("variant")
    return decision_body(outcome, variant, str(entry.body.get("because", "")), entry.by or "", digest)


def decision_body(outcome: str, variant: Any, because: str, by: str, digest: str) -> dict[str, Any]:
    """`success`, `variant` and `message` of an outcome; `ship none` and `iterate` have no success."""
    chosen = f" {variant}" if outcome == "ship" and variant else ""
    return {
        "success": outcome == "ship",
        "variant": variant if outcome == "ship" else None,
        "message": f"{outcome}{chosen}: {because} ({by}). Plan {digest}",
    }


def experiment_name(plan: Plan) -> str:
    """Name of the experiment in Mixpanel.

    Raises:
        MixpanelError: `XPB-M10`, it is too long.
    """
    name = plan.experiment_name
    if len(name) > NAME_MOST:
        raise MixpanelError(
            "XPB-M10",
            name=plain("Experiment name"),
            value=name,
            rule=plain(f"It has at most {NAME_MOST} characters"),
            remedy=plain("Set a shorter exposure.experiment"),
        )
    return name


def description_of(plan: Plan, digest: str) -> str:
    """Text of at most 400 characters that names the plan's digest whole."""
    tail = f" Registered with xpbench, plan SHA-256 {digest}"
    head = f"{plan.title}. Owner: {plan.owner}."
    room = DESCRIPTION_MOST - len(tail)
    return (head if len(head) <= room else head[: room - 1] + "…") + tail


def hypothesis_of(plan: Plan) -> str:
    """The three fields of the hypothesis as one sentence."""
    h = plan.hypothesis.model_dump(mode="json", by_alias=True, exclude_none=True)
    claims = "; ".join(_claim(c) for c in h.get("then", []))
    return f"If {h.get('if', '')}, then {claims}, because {h.get('because', '')}."


def _claim(claim: dict[str, Any]) -> str:
    size = f" by {claim['lift']:.4g} (lift)" if "lift" in claim else f" by {claim['effect']:.4g}" if "effect" in claim else ""
    return f"{claim.get('metric', '')}: {claim.get('direction', '')}{size}"


def metrics_of(plan: Plan) -> list[dict[str, Any]]:
    """The metrics of a plan by name, role and direction.

    The inner shape is Mixpanel's own and not published; further keys of a metric that is there are kept.
    """
    return [{"name": m.key, "type": m.role, "direction": m.direction} for m in plan.metrics]


def settings_of(plan: Plan) -> dict[str, Any]:
    """The settings of a plan: the confidence and the model, under names that Mixpanel's own tools use."""
    kinds = {"group_sequential": "sequential"}
    return {
        "confidence_level": plan.model.confidence,
        "model": kinds.get(plan.model.kind, plan.model.kind),
        "control_key": plan.control.key,
    }


def published_flag(plan: Plan) -> dict[str, Any]:
    """The flag of a plan as it goes out, with a salt of Mixpanel's length.

    Raises:
        MixpanelError: `XPB-M10`, the plan assigns in a way that a Mixpanel flag can't, or its salt is missing or too short.
    """
    body = flag_body(plan)
    salt = body.get("hash_salt")
    if salt is None or len(salt) != SALT_LENGTH:
        raise MixpanelError(
            "XPB-M10",
            name=plain("assignment.hash_salt"),
            value=plain("missing") if salt is None else salt,
            rule=plain(
                "Mixpanel salts a flag that comes without one, and then flag and plan disagree; a salt has "
                f"{SALT_LENGTH} characters"
            ),
            remedy=plain(f"Set assignment.hash_salt to {SALT_LENGTH} random characters and register again (xpbench restart)"),
        )
    return body


def flag_body(plan: Plan) -> dict[str, Any]:
    """The flag that assigns as the plan does in every SDK, with the variant keys as string values.

    Variants stand in the order of their keys, and splits are written so that their sums agree in 32-bit and 64-bit floats.

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
    salt = checked(plan).salt or plan.key
    if salt != plan.experiment_name:
        raise MixpanelError(
            "XPB-M10",
            name=plain("The flag's key"),
            value=salt,
            rule=plain(
                "Mixpanel hashes the flag's key and logs it as the experiment's name, which is "
                + repr(plan.experiment_name)
                + " in this plan"
            ),
            remedy=plain("Give assignment.salt and exposure.experiment the same text before registering"),
        )
    if assignment.overrides and plan.unit != "distinct_id":
        raise MixpanelError(
            "XPB-M10",
            name=plain("The list of overrides"),
            value=plain(f"for {plan.unit}"),
            rule=plain("QA users of a Mixpanel flag are named by their distinct_id"),
            remedy=plain("Leave assignment.overrides out, or assign by distinct_id"),
        )
    by_key = sorted(plan.variants, key=lambda v: v.key)
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
        own = group.splits or {}
        rollout.append(
            {
                "name": group.key,
                "rollout_percentage": group.share,
                "variant_splits": _splits({v.key: own.get(v.key, v.split) for v in by_key}),
            }
            | ({"runtime_evaluation_rule": group.where} if group.where else {})
            | ({"variant_override": {"key": group.variant}} if group.variant else {})
        )
    splits = _splits({v.key: v.split for v in by_key})
    variants = [
        {
            "key": v.key,
            "value": v.key,
            "is_control": v.control,
            "split": splits[v.key],
            "is_sticky": not v.control and assignment.sticky != "no",  # control is never sticky in Mixpanel
        }
        for v in by_key
    ]
    ruleset: dict[str, Any] = {"variants": variants, "rollout": rollout}
    if assignment.overrides:
        ruleset["test"] = {"users": dict(assignment.overrides)}
    return {
        "name": plan.title[:NAME_MOST],
        "key": plan.experiment_name,
        "tags": [TAG],
        "context": plan.unit,
        "serving_method": "remote_or_local",
        "status": "disabled",
        "ruleset": ruleset,
    } | ({"hash_salt": assignment.hash_salt} if assignment.hash_salt else {})


def _splits(by_key: Mapping[str, float]) -> dict[str, float]:
    """Splits by sorted key, written so that every SDK adds them to the same buckets."""
    from xpbench.randomiser.sdks import agreeing  # a readout, which loads this room, needs no arrays of it

    return dict(zip(by_key, agreeing(list(by_key.values())), strict=True))


def serving_only(body: Mapping[str, Any], variant: str, control: str, *, holdback: float = 0.0) -> dict[str, Any]:
    """The flag when everyone gets one variant, but for a share that stays on control.

    By splits and not by an override: the Python SDK marks everyone in an override as a QA tester, whose events are left out.
    """
    if not 0 <= holdback < 1:
        raise MixpanelError(
            "XPB-M10",
            name=plain("Holdback"),
            value=holdback,
            rule=plain("It is a share from 0 to below 1"),
            remedy=plain("For example 0.05"),
        )
    ruleset = body["ruleset"]
    keys = [v["key"] for v in ruleset["variants"]]
    share = dict.fromkeys(keys, 0.0)
    share[variant] = 1.0
    if holdback and variant != control:
        share[variant], share[control] = round(1 - holdback, 12), holdback
    splits = _splits(share)
    return {
        **body,
        "ruleset": {
            "variants": [{**v, "split": splits[v["key"]]} for v in ruleset["variants"]],
            "rollout": [{"name": "everyone", "rollout_percentage": 1.0, "variant_splits": splits}],
        },
    }
