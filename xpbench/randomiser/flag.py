"""Mixpanel feature flags as the official SDK evaluates them locally, one context at a time or over whole columns.

The order of evaluation, the hash, the comparison of floats and the fallback reasons are those of the `mixpanel` package
(5.4.1); tests compare every answer with it. Differences are deliberate and few: a flag that can't be read is refused alone,
and what would raise inside the SDK is answered with the reason `SDK_RAISES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.errors import shown
from xpbench.randomiser.hashing import fnv_buckets, fnv_states
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.properties import FlagProperties, FlagRule
from xpbench.randomiser.single import fnv1a64

BUCKETS = 100


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
    rule: FlagRule = field(default_factory=FlagRule)
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
        listed: Keys of the variants in the order of the definition, which the Node and Ruby SDKs go by.
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
    listed: tuple[str, ...] = field(default=(), compare=False)

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
        properties: FlagProperties | None = None,
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
        properties: FlagProperties | None,
        cohorts: Mapping[str, NDArray[np.bool_]] | None,
        n: int,
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
        mask: NDArray[np.bool_] | None = None
        raises: NDArray[np.bool_] | None = None
        if not rollout.rule.is_open:
            mask, raises = rollout.rule.columns(properties or FlagProperties(None, n))
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
