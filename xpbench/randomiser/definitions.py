"""From one flag definition to a flag: what the official SDK would drop is refused, what is odd is noted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xpbench.errors import shown
from xpbench.randomiser.flag import Flag, FlagRollout, FlagVariant
from xpbench.randomiser.properties import FlagRule

REQUIRED = ("id", "name", "key", "status", "project_id", "ruleset", "context")
KNOWN = {
    *REQUIRED, "experiment_id", "is_experiment_active", "hash_salt", "workspace_id", "tags", "description",
    "serving_method", "data_group_id", "reset_hash_salt", "created", "modified", "deleted", "enabled_at",
}  # fmt: skip
KNOWN_VARIANT = {"key", "value", "is_control", "split", "description", "is_sticky"}
KNOWN_ROLLOUT = {
    "rollout_percentage", "runtime_evaluation_rule", "runtime_evaluation_definition", "variant_override", "variant_splits",
    "name", "cohort_definition", "cohort_hash", "runtime_event_rule",
}  # fmt: skip


def read_flag(definition: Any, *, managed: bool = False) -> Flag:
    """The flag of one definition.

    Args:
        definition: JSON object.
        managed: It comes from the management API, which leaves some fields out.

    Raises:
        ValueError: with the reason why the flag can't be used.
    """
    if not isinstance(definition, Mapping):
        raise ValueError(f"it is not an object but {shown(definition)}")
    needed = ("key", "ruleset", "context") if managed else REQUIRED
    missing = [name for name in needed if name not in definition]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    notes: list[str] = []
    unknown = [str(k) for k in definition if k not in KNOWN and not managed]
    if unknown:
        notes.append(f"unknown fields are ignored: {shown(', '.join(sorted(unknown)))}")
    key, context = _text(definition["key"], "key"), _text(definition["context"], "context")
    hash_salt = definition.get("hash_salt")
    if hash_salt is not None:
        hash_salt = _text(hash_salt, "hash_salt")
    ruleset = definition["ruleset"]
    if not isinstance(ruleset, Mapping):
        raise ValueError("its ruleset is not an object")
    for name in ("variants", "rollout"):
        if not isinstance(ruleset.get(name), list):
            raise ValueError(f"its ruleset has no list {name}")
    if not ruleset["variants"]:
        raise ValueError("it has no variants")
    variants = sorted((_variant(v, notes) for v in ruleset["variants"]), key=lambda v: v.key)
    rollouts = tuple(_rollout(r, i, notes) for i, r in enumerate(ruleset["rollout"]))
    users: dict[str, str] = {}
    test = ruleset.get("test")
    if test is not None:
        if not isinstance(test, Mapping) or "users" not in test:
            raise ValueError("its test block lacks users")
        if test["users"]:
            if not isinstance(test["users"], Mapping):
                raise ValueError("its test users are not an object")
            users = {str(k): _text(v, f"test user {k}") for k, v in test["users"].items()}
    notes += _oddities(variants, rollouts, users)
    status = definition.get("status")
    if status != "enabled":
        notes.append(f"its status is {shown(status)}, and the SDK serves it all the same")
    return Flag(
        key,
        context,
        tuple(variants),
        rollouts,
        hash_salt,
        users,
        str(definition.get("id", "")),
        str(definition.get("name", "")),
        str(status),
        definition.get("experiment_id"),
        definition.get("is_experiment_active"),
        tuple(notes),
        tuple(str(v["key"]) for v in ruleset["variants"]),
    )


def _oddities(variants: Sequence[FlagVariant], rollouts: Sequence[FlagRollout], users: Mapping[str, str]) -> Iterator[str]:
    keys = [v.key for v in variants]
    doubled = sorted({k for k in keys if keys.count(k) > 1})
    if doubled:
        yield f"variant keys appear twice: {shown(', '.join(doubled))}"
    controls = sum(v.is_control for v in variants)
    if controls != 1:
        yield f"{controls} variants are marked as control, not one"
    if any(v.split is None for v in variants):
        yield "a split is null: the SDK raises TypeError when it gets there"
    for i, rollout in enumerate((None, *rollouts)):
        if (rollout is None) == bool(rollouts and all(r.splits or r.override for r in rollouts)):
            continue
        if rollout is not None and not rollout.splits:
            continue
        splits = [rollout.splits.get(v.key, v.split) if rollout and rollout.splits else v.split for v in variants]
        total = math.fsum(s or 0.0 for s in splits)
        if abs(total - 1) > 1e-9:
            where = "the splits" if rollout is None else f"the splits of rollout group {i - 1}"
            last = "the last variant takes the rest" if total < 1 else "the last variants get too little"
            yield f"{where} sum to {total:.6g}, not to 1: {last}"
    for i, rollout in enumerate(rollouts):
        if rollout.override is not None and rollout.override.casefold() not in {k.casefold() for k in keys}:
            yield f"rollout group {i} overrides to {shown(rollout.override)}, which is not a variant"
        odd = sorted(set(rollout.splits or ()) - set(keys))
        if odd:
            yield f"rollout group {i} has splits for unknown variants: {shown(', '.join(odd))}"
    lost = sorted(u for u, k in users.items() if k.casefold() not in {x.casefold() for x in keys})
    if lost:
        yield f"{len(lost)} test users name unknown variants"


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its {name} is not text but {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"its {name} is not a well-formed Unicode text") from None
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"its {name} is not a number but {shown(value)}")
    return value


def _variant(value: Any, notes: list[str]) -> FlagVariant:
    if not isinstance(value, Mapping):
        raise ValueError(f"a variant is not an object but {shown(value)}")
    missing = [name for name in ("key", "value", "is_control") if name not in value]
    if missing:
        raise ValueError(f"a variant lacks {', '.join(missing)}")
    unknown = sorted(str(k) for k in value if k not in KNOWN_VARIANT)
    if unknown:
        notes.append(f"unknown fields of a variant are ignored: {shown(', '.join(unknown))}")
    split = value.get("split", 0.0)
    key = _text(value["key"], "variant key")
    return FlagVariant(key, value["value"], bool(value["is_control"]), None if split is None else _number(split, "split"))


def _rollout(value: Any, index: int, notes: list[str]) -> FlagRollout:
    if not isinstance(value, Mapping):
        raise ValueError(f"rollout group {index} is not an object")
    if "rollout_percentage" not in value:
        raise ValueError(f"rollout group {index} lacks rollout_percentage")
    unknown = sorted(str(k) for k in value if k not in KNOWN_ROLLOUT)
    if unknown:
        notes.append(f"unknown fields of rollout group {index} are ignored: {shown(', '.join(unknown))}")
    override = value.get("variant_override")
    if override is not None:
        if not isinstance(override, Mapping) or "key" not in override:
            raise ValueError(f"variant_override of rollout group {index} lacks key")
        override = _text(override["key"], "variant_override")
    splits = value.get("variant_splits")
    if splits is not None:
        if not isinstance(splits, Mapping):
            raise ValueError(f"variant_splits of rollout group {index} is not an object")
        splits = {str(k): _number(v, f"split of {k}") for k, v in splits.items()}
    definition = value.get("runtime_evaluation_definition")
    if definition and not isinstance(definition, Mapping):
        raise ValueError(f"runtime_evaluation_definition of rollout group {index} is not an object")
    name = value.get("name")
    rule = FlagRule(value.get("runtime_evaluation_rule"), definition)
    share = _number(value["rollout_percentage"], "rollout_percentage")
    return FlagRollout(share, rule, override, splits, name if isinstance(name, str) else "")
