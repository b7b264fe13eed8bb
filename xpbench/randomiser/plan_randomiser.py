"""The randomiser of a plan: overrides, holdout, sticky variants, layer, rollout groups, variant, in this order.

With the native hash every step reads its own number (`xpbench.randomiser.hashing`), so that none tells anything about another:
raising a rollout never moves a unit that takes part already, and two layers are independent. With `hash: mixpanel` the plan
is evaluated as the flag that it describes, bit for bit as the official SDK would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xpbench.errors import AssignError, number_of, plain
from xpbench.plan import Plan
from xpbench.plan.design import Assignment, Rollout
from xpbench.randomiser.flag import NULL_ID as FLAG_NULL
from xpbench.randomiser.flag import OVERRIDE as FLAG_OVERRIDE
from xpbench.randomiser.flag import SERVED as FLAG_SERVED
from xpbench.randomiser.flag import TEST_USER as FLAG_TEST
from xpbench.randomiser.flag import Flag, FlagRollout, FlagVariant, positions
from xpbench.randomiser.hashing import sha256_block
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.properties import FlagProperties, FlagRule
from xpbench.randomiser.single import checked, exact, prefix, refuse_unknown_members, splits_of, threshold, thresholds_of

SERVED, OVERRIDE, STICKY, NULL_ID, HOLDOUT, OUTSIDE_LAYER, NO_ROLLOUT, UNANSWERED = range(8)
REASONS = ("served", "override", "sticky", "null_id", "holdout", "outside_layer", "no_rollout", "unanswered")
"""Why a unit has its variant (the first three) or none."""


class Sticky(Protocol):
    """What remembers variants; see `xpbench.randomiser.sticky`."""

    def recall(self, experiment: str, ids: UnitIds) -> list[str | None]:
        """The variant kept for each id."""
        ...

    def keep(self, experiment: str, ids: UnitIds, variants: Sequence[str | None]) -> int:
        """Keep variants of ids that have none yet; returns how many were new."""
        ...


@dataclass(frozen=True, slots=True)
class Assigned:
    """The variant of every unit, and why.

    Attributes:
        keys: Keys of the variants.
        codes: Position in `keys` for each unit, -1 where there is no variant.
        reasons: Code into `reason_names` for each unit.
        groups: Position of the rollout group that served, -1 elsewhere.
        group_keys: Keys of the rollout groups.
        reason_names: What the codes of `reasons` mean.
        nulls: How many ids were null; they have no variant.
    """

    keys: tuple[str, ...]
    codes: NDArray[np.int16]
    reasons: NDArray[np.uint8]
    groups: NDArray[np.int16]
    group_keys: tuple[str, ...]
    reason_names: tuple[str, ...]
    nulls: int

    def variants(self) -> NDArray[Any]:
        """Key of the variant (or None) for each unit, in order."""
        found: NDArray[Any] = np.array([*self.keys, None], dtype=object)[self.codes]
        return found

    def counts(self) -> dict[str, int]:
        """Units by variant."""
        counted = np.bincount(self.codes[self.codes >= 0], minlength=len(self.keys))
        return {k: int(c) for k, c in zip(self.keys, counted, strict=True)}

    def reason_counts(self) -> dict[str, int]:
        """Units by reason, reasons that occur only."""
        counted = np.bincount(self.reasons, minlength=len(self.reason_names))
        return {name: int(c) for name, c in zip(self.reason_names, counted, strict=True) if c}

    def to_dict(self) -> dict[str, Any]:
        """Counts by variant, reason and rollout group."""
        groups = np.bincount(self.groups[self.groups >= 0], minlength=len(self.group_keys))
        return {
            "units": len(self.codes),
            "assigned": int((self.codes >= 0).sum()),
            "nulls": self.nulls,
            "variants": self.counts(),
            "reasons": self.reason_counts(),
            "groups": {k: int(c) for k, c in zip(self.group_keys, groups, strict=True)},
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{k} {c:,}" for k, c in self.counts().items())
        return f"Assigned({number_of(len(self.codes), 'unit')}: {counts})"


class Randomiser:
    """The randomiser that a plan describes.

    Args:
        plan: A plan with an assignment.

    Raises:
        AssignError: `XPB-A04` no assignment; `XPB-A05` splits that don't sum to 1; `XPB-A06` not one control; `XPB-A07`
            doubled variants; `XPB-A19` unknown variants in overrides, groups or splits.
    """

    def __init__(self, plan: Plan) -> None:
        plan = plan.as_assigned()
        self.assignment: Assignment = checked(plan)
        self.plan = plan
        self.keys = tuple(v.key for v in plan.variants)
        self.salt = self.assignment.salt or plan.key

    def splits(self, group: Rollout | None = None) -> tuple[Fraction, ...]:
        """The exact split of each variant, in plan order, in one rollout group."""
        return splits_of(self.plan, group)

    def thresholds(self, group: Rollout | None = None) -> tuple[int, ...]:
        """For each variant the 52-bit integer below which the number must be, cumulated; the last is 2^52."""
        return thresholds_of(splits_of(self.plan, group))

    @property
    def is_mixpanel(self) -> bool:
        """Whether the plan uses Mixpanel's hash."""
        return self.assignment.hash == "mixpanel"

    @cached_property
    def flag(self) -> Flag:
        """The plan as the flag that it describes (`hash: mixpanel`)."""
        variants = sorted(self.plan.variants, key=lambda v: v.key)
        return Flag(
            key=self.salt,
            context=self.plan.unit,
            variants=tuple(FlagVariant(v.key, v.key, v.control, v.split) for v in variants),
            rollouts=tuple(
                FlagRollout(g.share, FlagRule(g.where), g.variant, g.splits, g.key, g.cohort) for g in self.assignment.rollout
            ),
            hash_salt=self.assignment.hash_salt,
            name=self.plan.title,
            listed=self.keys,
        )

    def __call__(
        self,
        unit_ids: Any,
        *,
        properties: Any = None,
        cohorts: Mapping[str, Any] | None = None,
        store: Sticky | None = None,
        with_overrides: bool = True,
    ) -> Assigned:
        """The variant of every unit, in order; see `assign`."""
        ids = unit_ids if isinstance(unit_ids, UnitIds) else UnitIds(unit_ids)
        table = None if properties is None else FlagProperties(properties, len(ids))
        members = self._members(ids, cohorts, table)
        out = self._as_flag(ids, table, members) if self.is_mixpanel else self._native(ids, table, members)
        self._holdout_and_layer(ids, out) if self.is_mixpanel else None
        if store is not None and self.assignment.sticky != "no":
            self._stick(ids, out, store)
        if with_overrides and self.assignment.overrides:
            known = positions(_as_text(ids), {u: self.keys.index(k) for u, k in self.assignment.overrides.items()})
            hit = (known >= 0) & (out.reasons != NULL_ID)
            out.codes[hit], out.reasons[hit], out.groups[hit] = known[hit], OVERRIDE, -1
        return out

    def _members(
        self, ids: UnitIds, cohorts: Mapping[str, Any] | None, table: FlagProperties | None
    ) -> dict[str, NDArray[np.bool_]]:
        members: dict[str, NDArray[np.bool_]] = {}
        for group in self.assignment.rollout:
            if group.where is not None and table is None:
                refuse_unknown_members(group)
            if group.cohort is None or group.cohort in members:
                continue
            if cohorts is None or group.cohort not in cohorts:
                raise AssignError(
                    "XPB-A12",
                    value=group.key,
                    reason=plain(f"the cohort {group.cohort}"),
                    remedy=plain("Give cohorts={name: list of ids}, or --cohort NAME=FILE on the command line"),
                )
            listed = UnitIds(cohorts[group.cohort]).text().drop_null().unique()
            import pyarrow.compute as pc

            members[group.cohort] = pc.is_in(ids.text(), value_set=listed).to_numpy().astype(bool)
        return members

    def _blank(self, ids: UnitIds) -> Assigned:
        n = len(ids)
        return Assigned(
            self.keys,
            np.full(n, -1, np.int16),
            np.full(n, NO_ROLLOUT, np.uint8),
            np.full(n, -1, np.int16),
            tuple(g.key for g in self.assignment.rollout),
            REASONS,
            ids.nulls,
        )

    def _native(self, ids: UnitIds, table: FlagProperties | None, members: Mapping[str, NDArray[np.bool_]]) -> Assigned:
        out = self._blank(ids)
        groups = self.assignment.rollout
        masks: list[NDArray[np.bool_] | None] = []
        for group in groups:
            mask = None if group.where is None else FlagRule(group.where).columns(table or FlagProperties(None, len(ids)))[0]
            if group.cohort is not None:
                mask = members[group.cohort] if mask is None else mask & members[group.cohort]
            masks.append(mask)
        limits = [np.array(self.thresholds(g), np.uint64) for g in groups]
        shares = [np.uint64(threshold(exact(g.share))) for g in groups]
        before = prefix("variant", self.salt)
        for block in ids.blocks():
            part = slice(block.start, block.start + len(block))
            code, reason, group_at = out.codes[part], out.reasons[part], out.groups[part]
            open_ = np.ones(len(block), bool)
            if block.null is not None:
                reason[block.null] = NULL_ID
                open_ &= ~block.null
            for which, kept in self._kept(block):
                reason[open_ & ~kept] = which
                open_ &= kept
            drawn: NDArray[np.uint64] | None = None
            for index, group in enumerate(groups):
                mask = masks[index]
                passing = open_ if mask is None else open_ & mask[part]
                if group.share < 1.0 and passing.any():
                    passing = passing & (sha256_block(block, prefix("rollout", self.salt, group.key)) < shares[index])
                if not passing.any():
                    continue
                if group.variant is not None:
                    code[passing] = self.keys.index(group.variant)
                else:
                    if drawn is None:
                        drawn = sha256_block(block, before)
                    chosen = np.searchsorted(limits[index], drawn, side="right").astype(np.int16)
                    np.copyto(code, chosen, where=passing)
                reason[passing], group_at[passing] = SERVED, index
                open_ = open_ & ~passing
                if not open_.any():
                    break
        return out

    def _kept(self, block: Any) -> list[tuple[int, NDArray[np.bool_]]]:
        """Which ids of a block the holdout and the layer leave to this experiment."""
        out: list[tuple[int, NDArray[np.bool_]]] = []
        holdout, layer = self.assignment.holdout, self.assignment.layer
        if holdout is not None:
            number = sha256_block(block, prefix("holdout", holdout.salt, holdout.key))
            out.append((HOLDOUT, number >= np.uint64(threshold(exact(holdout.share)))))
        if layer is not None:
            number = sha256_block(block, prefix("layer", layer.salt, layer.key))
            low, high = np.uint64(threshold(exact(layer.start))), np.uint64(threshold(exact(layer.end)))
            out.append((OUTSIDE_LAYER, (number >= low) & (number < high)))
        return out

    def _as_flag(self, ids: UnitIds, table: FlagProperties | None, members: Mapping[str, NDArray[np.bool_]]) -> Assigned:
        out = self._blank(ids)
        found = self.flag.column(ids, properties=table, cohorts=members)
        order = np.array([self.keys.index(k) for k in self.flag.keys] + [-1], np.int16)
        out.codes[:] = order[found.codes]
        out.groups[:] = found.groups
        served = np.isin(found.reasons, (FLAG_SERVED, FLAG_TEST, FLAG_OVERRIDE))
        out.reasons[:] = np.where(served, SERVED, np.where(found.reasons == FLAG_NULL, NULL_ID, NO_ROLLOUT))
        out.reasons[found.reasons == 3] = UNANSWERED
        return out

    def _holdout_and_layer(self, ids: UnitIds, out: Assigned) -> None:
        if self.assignment.holdout is None and self.assignment.layer is None:
            return
        for block in ids.blocks():
            part = slice(block.start, block.start + len(block))
            for which, kept in reversed(self._kept(block)):
                lost = ~kept & (out.reasons[part] != NULL_ID)
                out.codes[part][lost], out.reasons[part][lost], out.groups[part][lost] = -1, which, -1

    def _stick(self, ids: UnitIds, out: Assigned, store: Sticky) -> None:
        kept = store.recall(self.plan.key, ids)
        at = np.array([self.keys.index(k) if k in self.keys else -1 for k in kept], np.int16)
        free = ~np.isin(out.reasons, (NULL_ID, HOLDOUT))
        hit = free & (at >= 0)
        out.codes[hit], out.reasons[hit], out.groups[hit] = at[hit], STICKY, -1
        control = self.keys.index(self.plan.control.key)
        fresh = free & ~hit & (out.codes >= 0)
        if self.assignment.sticky == "treatments":
            fresh &= out.codes != control
        if fresh.any():
            names = out.variants()
            names[~fresh] = None
            store.keep(self.plan.key, ids, names.tolist())


def _as_text(ids: UnitIds) -> UnitIds:
    """The same ids with integers as text: a plan's overrides are written as text in JSON."""
    return UnitIds(ids.text())


def with_salt(plan: Plan, salt: str) -> Plan:
    """The plan with another salt (for `hash: mixpanel`: another hash_salt)."""
    if plan.assignment is None:
        raise AssignError("XPB-A04", value=plan.key)
    field = "hash_salt" if plan.assignment.hash == "mixpanel" else "salt"
    return plan.changed(assignment={**plan.to_dict()["assignment"], field: salt})


def flag_with_salt(flag: Flag, hash_salt: str | None) -> Flag:
    """The flag with another hash_salt."""
    return replace(flag, hash_salt=hash_salt)
