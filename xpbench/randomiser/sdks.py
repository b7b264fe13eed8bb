"""Mixpanel's SDKs side by side: where one flag gives another variant in another language, and how to write one that does not.

Run: Python 5.4.1, Node 0.24.0. Read: Go, Java (its arithmetic is emulated here), Ruby. The tests evaluate every row of this
table that can be run with the real SDK (tests/sdks).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xpbench.errors import number_of, shown
from xpbench.randomiser.findings import RandomiserFinding
from xpbench.randomiser.flag import BUCKETS, Flag, FlagRollout
from xpbench.randomiser.properties import FlagRule
from xpbench.randomiser.single import fnv1a64

SdkName = Literal["python", "go", "java", "node", "ruby"]


@dataclass(frozen=True, slots=True)
class Sdk:
    """How one server SDK evaluates a flag locally, where SDKs differ.

    Attributes:
        name: Language.
        version: The one that was run; "" where the source was read.
        sorts: Variants are sorted by key before their splits are added; otherwise they count in the order listed.
        single: Splits are added as 32-bit floats.
        empty_id: What an id of "" does: `fallback`, or `served`.
        negative_rule: What a rule such as "not X" says to a unit without properties: true or false.
        empty_salt: What `hash_salt: ""` means: `used` (groups are numbered), or `none`.
        folding: How a variant key in an override or QA list is compared with the variants.
        true_id: Text that is hashed for the id `true`.
        whole_float: Text that is hashed for the id 12345.0.
    """

    name: SdkName
    version: str
    sorts: bool
    single: bool
    empty_id: Literal["fallback", "served"]
    negative_rule: bool
    empty_salt: Literal["used", "none"]
    folding: Literal["casefold", "simple fold", "exact", "lower"]
    true_id: str
    whole_float: str


SDKS: Mapping[SdkName, Sdk] = {
    "python": Sdk("python", "5.4.1", True, False, "fallback", False, "used", "casefold", "True", "12345.0"),
    "go": Sdk("go", "", True, False, "served", False, "used", "simple fold", "true", "12345"),
    "java": Sdk("java", "", True, True, "served", True, "none", "exact", "true", "12345.0"),
    "node": Sdk("node", "0.24.0", False, False, "served", True, "used", "lower", "true", "12345"),
    "ruby": Sdk("ruby", "", False, False, "served", False, "used", "lower", "true", "12345.0"),
}
"""The table of differences; docs/sdks.md is its page."""


def table(splits: Sequence[float], *, single: bool = False) -> tuple[int, ...]:
    """Position of the variant that each of the 100 buckets gets when splits are added in the order given.

    Args:
        splits: In the order in which they are added.
        single: Add and compare as 32-bit floats, as the Java SDK does.
    """
    real = np.float32 if single else np.float64
    out = []
    for bucket in range(BUCKETS):
        number, running, at = real(bucket) / real(100), real(0), 0
        for i, split in enumerate(splits):
            at = i
            running = real(running + real(split))
            if number < running:
                break
        out.append(at)
    return tuple(out)


def table_in(flag: Flag, rollout: FlagRollout | None, sdk: Sdk, listed: Sequence[str]) -> tuple[str, ...]:
    """Key of the variant that each bucket gets in one SDK.

    Args:
        flag: The flag.
        rollout: One of its groups.
        sdk: Which SDK.
        listed: Keys of the variants in the order of the definition.
    """
    ordered = flag.variants if sdk.sorts else tuple(sorted(flag.variants, key=lambda v: listed.index(v.key)))
    splits = [flag.split_of(v, rollout) or 0.0 for v in ordered]
    return tuple(ordered[i].key for i in table(splits, single=sdk.single))


def agreeing(splits: Sequence[float]) -> tuple[float, ...]:
    """Splits that put every bucket where these do in 64-bit floats, and put it there in 32-bit floats as well.

    10/20/70 gives bucket 30 to the second variant in Python (0.1 + 0.2 is a little more than 0.3) and to the third in Java.
    A boundary between two variants may lie anywhere between two buckets; where the sums differ, this puts it half-way.

    Args:
        splits: In the order of the keys; they sum to 1.

    Returns:
        The same splits where the sums agree.
    """
    wanted = table(splits)
    if table(splits, single=True) == wanted:
        return tuple(splits)
    reached = [sum(at <= i for at in wanted) for i in range(len(splits))]
    exact = [math.fsum(splits[: i + 1]) for i in range(len(splits))]
    lower = table(splits, single=True)
    unsafe = [sum(at <= i for at in lower) != reached[i] for i in range(len(splits))]
    for everywhere in (False, True):
        edges: list[float] = []
        for i in range(len(splits) - 1):
            edge = (reached[i] - 0.5) / BUCKETS if (everywhere or unsafe[i]) and reached[i] else exact[i]
            edges.append(max(round(edge, 12), edges[-1] if edges else 0.0))
        edges.append(1.0)
        made = tuple(round(b - a, 12) for a, b in zip([0.0, *edges[:-1]], edges, strict=True))
        if table(made) == wanted == table(made, single=True):
            return made
    raise AssertionError("half-way boundaries agree in every float")  # pragma: no cover


def evaluate(definition: Mapping[str, Any], context: Mapping[str, Any], sdk: Sdk) -> str | None:
    """The variant that an SDK gives in a context, by this table; None where it falls back.

    For definitions that every SDK can read. The tests compare it with the Python and Node SDKs.

    Args:
        definition: Of one flag.
        context: `distinct_id`, the flag's context key, and `custom_properties`.
        sdk: Which SDK.
    """
    key = definition["context"]
    if key not in context:
        return None
    value = context[key]
    if sdk.empty_id == "fallback" and not value:
        return None
    unit = _text_of(value, sdk).encode()
    ruleset = definition["ruleset"]
    variants = list(ruleset["variants"])
    if sdk.sorts:
        variants.sort(key=lambda v: str(v["key"]))
    listed = (ruleset.get("test") or {}).get("users") or {}
    who = context.get("distinct_id")
    if who and (wanted := listed.get(who if sdk.name == "python" else _text_of(who, sdk))):
        found = _matching(wanted, variants, sdk)
        if found is not None:
            return found
    salt = definition.get("hash_salt")
    if salt == "" and sdk.empty_salt == "none":
        salt = None
    for index, group in enumerate(ruleset["rollout"]):
        before = f"{definition['key']}rollout" if salt is None else f"{definition['key']}{salt}{index}"
        if not (_bucket(unit, before) < group["rollout_percentage"] and _fits(group, context, sdk)):
            continue
        override = group.get("variant_override")
        if override and (found := _matching(override["key"], variants, sdk)) is not None:
            return found
        own = group.get("variant_splits") or {}
        splits = [own.get(v["key"], v.get("split", 0.0)) or 0.0 for v in variants]
        bucket = round(_bucket(unit, f"{definition['key']}{salt or ''}variant") * BUCKETS)
        return str(variants[table(splits, single=sdk.single)[bucket]]["key"])
    return None


def _bucket(unit: bytes, salt: str) -> float:
    return fnv1a64(unit + salt.encode()) % BUCKETS / 100.0


def _text_of(value: Any, sdk: Sdk) -> str:
    """What is hashed for an id that is not text."""
    if isinstance(value, bool):
        return sdk.true_id if value else {"True": "False", "true": "false"}.get(sdk.true_id, sdk.true_id)
    if isinstance(value, float) and value.is_integer() and sdk.whole_float == "12345":
        return str(int(value))
    if value is None and sdk.name == "node":
        return "null"
    return str(value)


def _matching(key: str, variants: Sequence[Mapping[str, Any]], sdk: Sdk) -> str | None:
    folds: dict[str, Callable[[str], str]] = {"casefold": str.casefold, "exact": str}
    fold = folds.get(sdk.folding, str.lower)
    return next((str(v["key"]) for v in variants if fold(v["key"]) == fold(key)), None)


def _fits(group: Mapping[str, Any], context: Mapping[str, Any], sdk: Sdk) -> bool:
    rule = FlagRule(group.get("runtime_evaluation_rule"))
    if rule.is_open or rule.scalar(context):
        return True
    return sdk.negative_rule and not context.get("custom_properties") and rule.true_of_nothing()


def differences(flag: Flag, listed: Sequence[str] = ()) -> dict[SdkName, float]:
    """Share of the units, at most in a group, that get another variant in an SDK than in the Python one; those that differ.

    Args:
        flag: The flag.
        listed: Keys of the variants in the order of the definition; by key if missing.
    """
    order = tuple(listed) or flag.listed or flag.keys
    out: dict[SdkName, float] = {}
    for name, sdk in SDKS.items():
        worst = 0.0
        for rollout in flag.rollouts or (None,):
            if rollout is not None and rollout.override is not None and flag.matching(rollout.override) is not None:
                continue
            if rollout is not None and not flag.passes(rollout).any():
                continue
            own, there = table_in(flag, rollout, SDKS["python"], order), table_in(flag, rollout, sdk, order)
            worst = max(worst, sum(a != b for a, b in zip(own, there, strict=True)) / BUCKETS)
        if worst:
            out[name] = worst
    return out


def sdk_findings(flag: Flag, *, published: bool) -> Iterator[RandomiserFinding]:
    """Where this flag gives another variant in another SDK.

    Args:
        flag: The flag.
        published: It is the flag of a plan, which xpbench writes so that order and sums don't matter.
    """
    keys = list(flag.keys)
    if len(set(keys)) != len(keys) or any(v.split is None for v in flag.variants):
        return
    level: Literal["warn", "info"] = "info" if published else "warn"
    listed = flag.listed or flag.keys
    apart = differences(flag, listed)
    unsorted = {n: s for n, s in apart.items() if not SDKS[n].sorts}
    if unsorted:
        share = max(unsorted.values())
        if published:
            message = (
                f"The plan lists {shown(', '.join(listed))}. A flag made by hand in this order gives {share:.0%} of the units "
                "another variant in the Node and Ruby SDKs, which add the splits in the order listed."
            )
            remedy = "Let xpbench make the flag (xpbench sync): it lists the variants by key."
        else:
            message = (
                f"The variants are listed as {shown(', '.join(listed))}. The Node and Ruby SDKs add the splits in this order, "
                f"the Python, Go and Java SDKs by key: {share:.0%} of the units get another variant."
            )
            remedy = f"List the variants by key: {shown(', '.join(flag.keys))}."
        yield RandomiserFinding(
            "variant_order", level, message, remedy, {"listed": list(listed), "by_key": keys, "share": share}
        )
    by_key = differences(flag, flag.keys)
    if "java" in by_key:
        share = by_key["java"]
        yield RandomiserFinding(
            "float32_buckets",
            level,
            f"The Java SDK adds splits as 32-bit floats: {number_of(round(share * BUCKETS), 'bucket')} of 100 "
            f"{'gets' if round(share * BUCKETS) == 1 else 'get'} another variant there than in the other SDKs.",
            "Let xpbench make the flag (xpbench sync): it writes splits whose sums agree."
            if published
            else f"Write the splits {_written(flag)}: they give the same buckets in every SDK.",
            {"buckets": round(share * BUCKETS)},
        )
    if flag.hash_salt == "":
        yield RandomiserFinding(
            "empty_hash_salt",
            "warn",
            "hash_salt is an empty text: the Java SDK takes it for none and hashes the rollout groups otherwise.",
            "Set a hash_salt of 32 characters.",
            {},
        )
    yield from _key_case(flag)
    yield from _open_to_strangers(flag)


def _written(flag: Flag) -> str:
    made = agreeing([v.split or 0.0 for v in flag.variants])
    return ", ".join(f"{shown(k)} {s:.6g}" for k, s in zip(flag.keys, made, strict=True))


def _key_case(flag: Flag) -> Iterator[RandomiserFinding]:
    named = [r.override for r in flag.rollouts if r.override is not None] + list(flag.test_users.values())
    odd = sorted({k for k in named if k not in flag.keys and flag.matching(k) is not None})
    if odd:
        yield RandomiserFinding(
            "key_case",
            "warn",
            f"Overrides or QA users name {shown(', '.join(odd))}, which fits a variant only when case does not count: the Java "
            "SDK compares exactly.",
            "Write the keys as the variants have them.",
            {"keys": odd},
        )
    folded: dict[str, list[str]] = {}
    for key in flag.keys:
        folded.setdefault(key.casefold(), []).append(key)
    alike = [k for ks in folded.values() if len(ks) > 1 for k in ks]
    if alike:
        yield RandomiserFinding(
            "keys_differ_by_case",
            "warn",
            f"Variants {shown(', '.join(alike))} differ by case alone: an override or QA user that names one may get the "
            "other, and which one depends on the SDK.",
            "Rename one of them.",
            {"keys": alike},
        )


def _open_to_strangers(flag: Flag) -> Iterator[RandomiserFinding]:
    """Rules that are true of a unit without properties where the SDK asks them at all."""
    names = [
        r.name or str(i)
        for i, r in enumerate(flag.rollouts)
        if r.rule.rule and r.rule.true_of_nothing() and not r.rule.scalar({})
    ]
    if names:
        yield RandomiserFinding(
            "rule_without_properties",
            "warn",
            f"The rules of {shown(', '.join(names))} are true without properties in the Node and Java SDKs, and never "
            "in the Python, Go and Ruby SDKs.",
            "Ask for a property that every unit has as well, or always send one.",
            {"groups": names},
        )
