"""Mixpanel feature flags as the official SDK evaluates them locally, one context at a time or over whole columns.

The order of evaluation, the hash, the comparison of floats and the fallback reasons are those of the `mixpanel` package
(5.4.1); tests compare every answer with it. Differences are deliberate and few: a flag that can't be read is refused alone,
and what would raise inside the SDK is answered with the reason `SDK_RAISES`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.assign.hashing import fnv1a64, fnv_buckets, fnv_states
from xpbench.assign.html import table
from xpbench.assign.ids import UnitIds
from xpbench.assign.properties import Properties, Rule
from xpbench.canonical import strict_loads
from xpbench.errors import AssignError, InputError, nearest, plain, shown

BUCKETS = 100
LARGEST_FILE = 256 * 1024 * 1024


class AssignWarning(UserWarning):
    """Something was counted or left out while assigning; the text says how many."""


class UnknownFlag(AssignError, KeyError):
    """A flag was asked for that the definitions do not have."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class FlagVariant:
    """One variant of a flag; `split` is None where the definition says null, which the SDK can't add up."""

    key: str
    value: Any
    is_control: bool
    split: float | None = 0.0


@dataclass(frozen=True, slots=True)
class FlagRollout:
    """One rollout group of a flag.

    Attributes:
        percentage: Share that takes part, 0 to 1.
        rule: Whom it is for.
        override: Everyone in it gets this variant.
        splits: Splits that replace those of the variants named.
        name: What people call it, "" where it has no name.
        cohort: Name of a list of ids that limits it; the SDK has no cohorts, plans do.
    """

    percentage: float
    rule: Rule = field(default_factory=Rule)
    override: str | None = None
    splits: Mapping[str, float] | None = None
    name: str = ""
    cohort: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a flag answers for one context.

    Attributes:
        variant: Key of the variant, or None.
        reason: None when a variant is served; else FLAG_NOT_FOUND, MISSING_CONTEXT_KEY, NO_ROLLOUT_MATCH, or SDK_RAISES
            where the official SDK would raise instead of answering.
        value: Value of the variant.
        message: Detail of the reason: the missing context key, or what the SDK raises.
        is_qa_tester: True for test users and for everyone in a rollout with a variant override, as in the SDK; else None.
        group: Position of the rollout group that served, or None.
        experiment_id: As in the definition.
        is_experiment_active: As in the definition.
    """

    variant: str | None
    reason: str | None
    value: Any = None
    message: str | None = None
    is_qa_tester: bool | None = None
    group: int | None = None
    experiment_id: str | None = None
    is_experiment_active: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {k: getattr(self, k) for k in self.__slots__}


SERVED, TEST_USER, OVERRIDE, MISSING_CONTEXT_KEY, NO_ROLLOUT_MATCH, SDK_RAISES, NULL_ID = range(7)
REASONS: tuple[str | None, ...] = (None, None, None, "MISSING_CONTEXT_KEY", "NO_ROLLOUT_MATCH", "SDK_RAISES", "NULL_ID")
"""Reason by code; the first three serve a variant."""


@dataclass(frozen=True, slots=True)
class FlagColumn:
    """What a flag answers for each of many units.

    Attributes:
        codes: Position in `Flag.variants`, -1 where there is no variant.
        reasons: Code into `REASONS`.
        groups: Position of the rollout group that served, -1 elsewhere.
    """

    codes: NDArray[np.int16]
    reasons: NDArray[np.uint8]
    groups: NDArray[np.int16]


@dataclass(frozen=True)
class Flag:
    """A flag definition, evaluated as the official SDK does.

    Attributes:
        key: Name of the flag; part of every salt.
        context: Which key of the context is hashed: distinct_id, device_id or a group key.
        variants: Sorted by key, the order in which splits are added up.
        rollouts: Tried in order; the first that fits serves.
        hash_salt: Salt of the flag; without one, all groups and variants share nearly the same hash.
        test_users: Variant by distinct_id.
        warnings: What is odd about the definition although the SDK takes it.
    """

    key: str
    context: str
    variants: tuple[FlagVariant, ...]
    rollouts: tuple[FlagRollout, ...]
    hash_salt: str | None = None
    test_users: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    name: str = ""
    status: str = "enabled"
    experiment_id: str | None = None
    is_experiment_active: bool | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Flag({shown(self.key)}, {len(self.variants)} variants, {len(self.rollouts)} rollout groups)"

    def rollout_salt(self, index: int) -> str:
        """What follows the id when the share of a rollout group is decided."""
        return self.key + "rollout" if self.hash_salt is None else self.key + self.hash_salt + str(index)

    @property
    def variant_salt(self) -> str:
        """What follows the id when the variant is decided."""
        return self.key + (self.hash_salt or "") + "variant"

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the variants, in the order of the splits."""
        return tuple(v.key for v in self.variants)

    def matching(self, key: str) -> int | None:
        """Position of the first variant with this key, case-folded."""
        for i, variant in enumerate(self.variants):
            if key.casefold() == variant.key.casefold():
                return i
        return None

    def split_of(self, variant: FlagVariant, rollout: FlagRollout | None) -> float | None:
        """The split of a variant in a rollout group."""
        if rollout is not None and rollout.splits and variant.key in rollout.splits:
            return rollout.splits[variant.key]
        return variant.split

    @cached_property
    def _tables(self) -> tuple[NDArray[np.int16], ...]:
        return tuple(self.bucket_table(rollout) for rollout in self.rollouts)

    def bucket_table(self, rollout: FlagRollout | None = None) -> NDArray[np.int16]:
        """Position of the variant that each of the 100 buckets gets; -2 where the SDK would raise.

        Splits are added as floats in the order of the variants, as the SDK does, so that the accumulated rounding (ten
        variants at 0.1 get 10, 10, 11, 9, … buckets) is there; the last variant takes what is left.
        """
        out = np.full(BUCKETS, -2, np.int16)
        for bucket in range(BUCKETS):
            cumulative = 0.0
            for i, variant in enumerate(self.variants):
                split = self.split_of(variant, rollout)
                if split is None:
                    out[bucket] = -2
                    break
                out[bucket] = i
                cumulative += split
                if bucket / 100.0 < cumulative:
                    break
        return out

    def bucket_shares(self, rollout: FlagRollout | None = None) -> dict[str, float]:
        """Share of each variant if the variant's hash were uniform over the 100 buckets: the ones to expect, not the splits."""
        counts = np.bincount(np.clip(self.bucket_table(rollout), 0, None), minlength=len(self.variants))
        return {v.key: int(c) / BUCKETS for v, c in zip(self.variants, counts, strict=True)}

    def passes(self, rollout: FlagRollout) -> NDArray[np.bool_]:
        """Which of the 100 buckets pass the share of a rollout group."""
        return np.array([b / 100.0 < rollout.percentage for b in range(BUCKETS)])

    def evaluate(self, context: Mapping[str, Any]) -> Evaluation:
        """The variant for one context, with the reason where there is none.

        Args:
            context: `distinct_id`, the flag's context key, and `custom_properties` for runtime rules.
        """
        try:
            return self._evaluate(context)
        except Exception as error:  # noqa: BLE001  (whatever the SDK would let through to its caller)
            return Evaluation(None, "SDK_RAISES", message=type(error).__name__)

    def _evaluate(self, context: Mapping[str, Any]) -> Evaluation:
        unit = context.get(self.context)
        if not unit:
            return Evaluation(None, "MISSING_CONTEXT_KEY", message=self.context)
        distinct_id = context.get("distinct_id")
        if self.test_users and distinct_id and (wanted := self.test_users.get(distinct_id)):
            at = self.matching(wanted)
            if at is not None:
                return self._served(at, None, qa=True)
        data = str(unit).encode()
        state = fnv1a64(data)
        for index, rollout in enumerate(self.rollouts):
            bucket = fnv1a64(self.rollout_salt(index).encode(), state) % BUCKETS
            if bucket / 100.0 < rollout.percentage and rollout.rule.scalar(context):
                if rollout.override is not None:
                    at = self.matching(rollout.override)
                    if at is not None:
                        return self._served(at, index, qa=True)
                chosen = int(self._tables[index][fnv1a64(self.variant_salt.encode(), state) % BUCKETS])
                if chosen < 0:
                    raise TypeError("a split is null")
                return self._served(chosen, index)
        return Evaluation(None, "NO_ROLLOUT_MATCH")

    def _served(self, at: int, group: int | None, *, qa: bool = False) -> Evaluation:
        variant = self.variants[at]
        return Evaluation(
            variant.key,
            None,
            variant.value,
            is_qa_tester=True if qa else None,
            group=group,
            experiment_id=self.experiment_id,
            is_experiment_active=self.is_experiment_active,
        )

    def column(
        self,
        ids: UnitIds,
        *,
        properties: Properties | None = None,
        distinct_ids: UnitIds | None = None,
        cohorts: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> FlagColumn:
        """What the flag answers for each id, the same as `evaluate` would one by one.

        Args:
            ids: Values of the flag's context key.
            properties: Custom properties, one row per id.
            distinct_ids: For a flag on another context key: the distinct_id per row, for test users.
            cohorts: Membership per id of each cohort that a group names.
        """
        n = len(ids)
        codes = np.full(n, -1, np.int16)
        reasons = np.full(n, NO_ROLLOUT_MATCH, np.uint8)
        groups = np.full(n, -1, np.int16)
        rules = [self._rule_masks(r, properties, cohorts, n) for r in self.rollouts]
        tested = self._tested(ids if self.context == "distinct_id" else distinct_ids)
        for block in ids.blocks():
            part = slice(block.start, block.start + len(block))
            code, reason, group = codes[part], reasons[part], groups[part]
            open_ = np.ones(len(block), bool)
            if block.falsy is not None:
                reason[block.falsy] = MISSING_CONTEXT_KEY
                open_ &= ~block.falsy
            if block.null is not None:
                reason[block.null] = NULL_ID
                open_ &= ~block.null
            if tested is not None:
                here = tested[part]
                hit = open_ & (here >= 0)
                code[hit], reason[hit] = here[hit], TEST_USER
                open_ &= ~hit
            states = fnv_states(block)
            variant_bucket: NDArray[np.uint8] | None = None
            shared: NDArray[np.uint8] | None = None
            for index, rollout in enumerate(self.rollouts):
                if self.hash_salt is not None or shared is None:
                    shared = fnv_buckets(states, self.rollout_salt(index))
                passing = self.passes(rollout)[shared]
                passing &= open_
                mask, raises = rules[index]
                if raises is not None:
                    bad = passing & raises[part]
                    reason[bad] = SDK_RAISES
                    open_ &= ~bad
                    passing &= ~bad
                if mask is not None:
                    passing &= mask[part]
                at = self.matching(rollout.override) if rollout.override is not None else None
                if at is not None:
                    code[passing], reason[passing] = at, OVERRIDE
                else:
                    if variant_bucket is None:
                        variant_bucket = fnv_buckets(states, self.variant_salt)
                    np.copyto(code, self._tables[index][variant_bucket], where=passing)
                    reason[passing] = SERVED
                group[passing] = index
                open_ &= ~passing
                if not open_.any():
                    break
            bad = code == -2
            if bad.any():
                code[bad], reason[bad], group[bad] = -1, SDK_RAISES, -1
        return FlagColumn(codes, reasons, groups)

    def _rule_masks(
        self,
        rollout: FlagRollout,
        properties: Properties | None,
        cohorts: Mapping[str, NDArray[np.bool_]] | None,
        n: int,
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
        mask: NDArray[np.bool_] | None = None
        raises: NDArray[np.bool_] | None = None
        if not rollout.rule.is_open:
            mask, raises = rollout.rule.columns(properties or Properties(None, n))
        if rollout.cohort is not None:
            member = (cohorts or {})[rollout.cohort]
            mask = member if mask is None else mask & member
            raises = None if raises is None else raises & member
        return mask, raises

    def _tested(self, ids: UnitIds | None) -> NDArray[np.int16] | None:
        if not self.test_users or ids is None:
            return None
        found: dict[str, int] = {}
        for user, wanted in self.test_users.items():
            at = self.matching(wanted) if wanted else None
            if at is not None:
                found[user] = at
        if not found:
            return None
        return positions(ids, found)

    def to_dict(self) -> dict[str, Any]:
        """The flag in the shape of a definition."""
        return {
            "id": self.id,
            "name": self.name,
            "key": self.key,
            "status": self.status,
            "context": self.context,
            "hash_salt": self.hash_salt,
            "experiment_id": self.experiment_id,
            "is_experiment_active": self.is_experiment_active,
            "ruleset": {
                "variants": [
                    {"key": v.key, "value": v.value, "is_control": v.is_control, "split": v.split} for v in self.variants
                ],
                "rollout": [
                    {
                        "rollout_percentage": r.percentage,
                        **({"name": r.name} if r.name else {}),
                        **({"runtime_evaluation_rule": r.rule.rule} if r.rule.rule else {}),
                        **({"runtime_evaluation_definition": r.rule.definition} if r.rule.definition else {}),
                        **({"variant_override": {"key": r.override}} if r.override is not None else {}),
                        **({"variant_splits": dict(r.splits)} if r.splits is not None else {}),
                        **({"cohort": r.cohort} if r.cohort is not None else {}),
                    }
                    for r in self.rollouts
                ],
                **({"test": {"users": dict(self.test_users)}} if self.test_users else {}),
            },
        }


def positions(ids: UnitIds, table_of: Mapping[str, int]) -> NDArray[np.int16]:
    """The number that a table has for each id that came as text, -1 elsewhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(table_of)
    index = pc.index_in(ids.text(), value_set=pa.array(keys, pa.large_string()))
    at = pc.fill_null(index, -1).to_numpy().astype(np.int64)
    values = np.array([*table_of.values(), -1], np.int16)
    out: NDArray[np.int16] = values[at]
    out[~ids.is_text(0, len(ids))] = -1
    return out


@dataclass(frozen=True, slots=True)
class RefusedFlag:
    """A flag that could not be used, and why."""

    position: int
    key: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"position": self.position, "key": self.key, "reason": self.reason}

    def __str__(self) -> str:
        return str(AssignError("XPB-A11", value=self.key or f"number {self.position}", reason=plain(self.reason)))


class Flags(Mapping[str, Flag]):
    """Flags by key; what could not be read is in `.problems`, what is odd in `.warnings`.

    Args:
        flags: The flags that can be used.
        problems: The ones that can't.
        warnings: Sentences about the file as a whole.
    """

    def __init__(
        self, flags: Mapping[str, Flag], *, problems: Sequence[RefusedFlag] = (), warnings: Sequence[str] = ()
    ) -> None:
        self._flags = dict(flags)
        self.problems = tuple(problems)
        self.warnings = (*warnings, *(f"{shown(f.key)}: {w}" for f in self._flags.values() for w in f.warnings))

    def __getitem__(self, key: str) -> Flag:
        try:
            return self._flags[key]
        except KeyError:
            raise UnknownFlag("XPB-A09", value=key, hint=plain(nearest(key, self._flags))) from None

    def __contains__(self, key: object) -> bool:
        return key in self._flags

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags)

    def __len__(self) -> int:
        return len(self._flags)

    def evaluate(self, key: str, context: Mapping[str, Any]) -> Evaluation:
        """The variant of one flag for one context; `FLAG_NOT_FOUND` where there is no such flag."""
        flag = self._flags.get(key)
        return flag.evaluate(context) if flag else Evaluation(None, "FLAG_NOT_FOUND")

    def to_dict(self) -> dict[str, Any]:
        """Definitions, problems and warnings."""
        return {
            "flags": [f.to_dict() for f in self._flags.values()],
            "problems": [p.to_dict() for p in self.problems],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"Flags({len(self._flags)} flags, {len(self.problems)} refused, {len(self.warnings)} warnings)"

    def _repr_html_(self) -> str:
        rows = [
            [f.key, f.context, ", ".join(f.keys), len(f.rollouts), "yes" if f.hash_salt is not None else "no", f.status]
            for f in self._flags.values()
        ]
        out = table(["flag", "hashes", "variants", "groups", "hash_salt", "status"], rows, caption="Flags")
        if self.problems:
            out += table(["flag", "refused because"], [[p.key, p.reason] for p in self.problems], caption="Refused")
        if self.warnings:
            out += table(["warning"], [[w] for w in self.warnings], caption="Warnings")
        return out


def load_flags(source: Any) -> Flags:
    """The flags of a definitions file, by key; a bad flag is refused alone and counted.

    Args:
        source: Path of a JSON file; or what such a file holds: the answer of the definitions endpoint
            (`{"flags": [...]}`), of the management API (`{"status": "ok", "results": ...}`), or a list of flags.

    Raises:
        InputError: `XPB-I01` to `XPB-I03`, the file can't be read.
        AssignError: `XPB-A10`, it holds no flag definitions.

    Warns:
        AssignWarning: flags were refused, or the same key stands twice.
    """
    payload = _payload(source) if isinstance(source, (str, Path)) else source
    managed = isinstance(payload, Mapping) and "results" in payload
    if isinstance(payload, Mapping):
        if payload.get("status") == "error":
            raise AssignError("XPB-A10", reason=plain("the API answered with an error"))
        listed = payload.get("results", payload.get("flags"))
        if isinstance(listed, Mapping):
            listed = list(listed.values()) if all(isinstance(v, Mapping) for v in listed.values()) else [listed]
    else:
        listed = payload
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        raise AssignError("XPB-A10", reason=plain("there is no list of flags in it"))
    flags: dict[str, Flag] = {}
    problems: list[RefusedFlag] = []
    notes: list[str] = []
    for position, definition in enumerate(listed):
        try:
            flag = read_flag(definition, managed=managed)
        except ValueError as error:
            key = definition.get("key", "") if isinstance(definition, Mapping) else ""
            problems.append(RefusedFlag(position, key if isinstance(key, str) else "", str(error)))
            continue
        if flag.key in flags:
            notes.append(f"{shown(flag.key)} is defined twice; the later definition counts, as in the SDK")
        flags[flag.key] = flag
    if problems:
        names = ", ".join(shown(p.key or f"number {p.position}") for p in problems[:5])
        notes.insert(0, f"{len(problems)} of {len(listed)} flags were refused: {names}; see .problems")
    for note in notes:
        warnings.warn(note, AssignWarning, stacklevel=2)
    return Flags(flags, problems=problems, warnings=notes)


def _payload(path: str | Path) -> Any:
    file = Path(path)
    if not file.is_file():
        raise InputError("XPB-I01", path=str(path))
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise InputError("XPB-I03", path=str(path), size=size, limit=LARGEST_FILE)
    try:
        return strict_loads(file.read_bytes(), max_nodes=20_000_000)
    except (ValueError, OSError, RecursionError) as error:
        raise InputError("XPB-I02", path=str(path), kind="JSON", reason=plain(shown(str(error))[1:-1])) from None


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
        raise ValueError(f"it is no object but {shown(definition)}")
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
        raise ValueError("its ruleset is no object")
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
                raise ValueError("its test users are no object")
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
    )


def _oddities(variants: Sequence[FlagVariant], rollouts: Sequence[FlagRollout], users: Mapping[str, str]) -> Iterator[str]:
    keys = [v.key for v in variants]
    doubled = sorted({k for k in keys if keys.count(k) > 1})
    if doubled:
        yield f"variant keys stand twice: {shown(', '.join(doubled))}"
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
            yield f"rollout group {i} overrides to {shown(rollout.override)}, which is no variant"
        odd = sorted(set(rollout.splits or ()) - set(keys))
        if odd:
            yield f"rollout group {i} has splits for unknown variants: {shown(', '.join(odd))}"
    lost = sorted(u for u, k in users.items() if k.casefold() not in {x.casefold() for x in keys})
    if lost:
        yield f"{len(lost)} test users name unknown variants"


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its {name} is no text but {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"its {name} is no well-formed Unicode text") from None
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"its {name} is no number but {shown(value)}")
    return value


def _variant(value: Any, notes: list[str]) -> FlagVariant:
    if not isinstance(value, Mapping):
        raise ValueError(f"a variant is no object but {shown(value)}")
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
        raise ValueError(f"rollout group {index} is no object")
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
            raise ValueError(f"variant_splits of rollout group {index} is no object")
        splits = {str(k): _number(v, f"split of {k}") for k, v in splits.items()}
    definition = value.get("runtime_evaluation_definition")
    if definition and not isinstance(definition, Mapping):
        raise ValueError(f"runtime_evaluation_definition of rollout group {index} is no object")
    name = value.get("name")
    rule = Rule(value.get("runtime_evaluation_rule"), definition)
    share = _number(value["rollout_percentage"], "rollout_percentage")
    return FlagRollout(share, rule, override, splits, name if isinstance(name, str) else "")
