"""One unit at a time, without arrays: what a service needs in a request, and the arithmetic that both ways share.

`Single(plan)(unit)` is the variant that `xp.assign(plan, [unit])` gives. It imports neither numpy nor Arrow: a web process
that only assigns and exposes carries none of them, and its first request imports nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Literal

from xpbench.errors import AssignError, nearest, plain
from xpbench.plan import Plan
from xpbench.plan.design import Assignment, Rollout

BITS = 52
"""Bits of the native hash that are used: as many as a float holds exactly in [0, 1)."""
SCALE = 1 << BITS

BASIS = 0xCBF29CE484222325
PRIME = 0x100000001B3
MASK = 0xFFFFFFFFFFFFFFFF
BUCKETS = 100

Purpose = Literal["layer", "holdout", "rollout", "variant"]


def netstring(text: str) -> str:
    """The text with its length in UTF-8 bytes before it, `5:hello,`."""
    return f"{len(text.encode())}:{text},"


def prefix(purpose: Purpose, salt: str, name: str = "") -> str:
    """What comes before the id in the message of the native hash."""
    return "xpb1:" + netstring(purpose) + netstring(salt) + netstring(name)


def sha256_int(unit: str, *, purpose: Purpose, salt: str, name: str = "") -> int:
    """First 52 bits of the native hash of one id, as an integer in [0, 2^52)."""
    return int(hashlib.sha256((prefix(purpose, salt, name) + unit).encode()).hexdigest()[:13], 16)


def fnv1a64(data: bytes, state: int = BASIS) -> int:
    """FNV-1a with 64 bits over bytes."""
    for byte in data:
        state = ((state ^ byte) * PRIME) & MASK
    return state


def threshold(share: Fraction) -> int:
    """The integer t for which `k < t` holds for exactly the 52-bit numbers with k / 2^52 < share."""
    return ceil(share * SCALE)


def exact(share: float) -> Fraction:
    """A share as the decimal number that was written."""
    return Fraction(Decimal(repr(float(share))))


def splits_of(plan: Plan, group: Rollout | None = None) -> tuple[Fraction, ...]:
    """The exact split of each variant, in plan order, in one rollout group."""
    own = (group.splits or {}) if group is not None else {}
    return tuple(exact(own.get(v.key, v.split)) for v in plan.as_assigned().variants)


def thresholds_of(splits: tuple[Fraction, ...]) -> tuple[int, ...]:
    """For each variant the 52-bit integer below which the number must be, cumulated; the last is 2^52."""
    running = Fraction(0)
    out = []
    for split in splits:
        running += split
        out.append(threshold(running))
    out[-1] = SCALE
    return tuple(min(t, SCALE) for t in out)


def checked(plan: Plan) -> Assignment:
    """The assignment of a plan that can assign.

    Raises:
        AssignError: `XPB-A04` no assignment; `XPB-A05` splits that don't sum to 1; `XPB-A06` not one control; `XPB-A07`
            doubled variants; `XPB-A19` unknown variants in overrides, groups or splits.
    """
    assignment = plan.assignment
    if assignment is None:
        raise AssignError("XPB-A04", value=plan.key)
    keys = tuple(v.key for v in plan.as_assigned().variants)
    owner = plain(f"plan {plan.key}")
    for key in keys:
        if keys.count(key) > 1:
            raise AssignError("XPB-A07", value=key, owner=owner)
    controls = sum(v.control for v in plan.variants)
    if controls != 1:
        raise AssignError("XPB-A06", count=plain(str(controls)), owner=owner)
    named = [("overrides", v) for v in assignment.overrides.values()]
    for group in assignment.rollout:
        chosen = [*(group.splits or ()), *([] if group.variant is None else [group.variant])]
        named += [(f"rollout group {group.key}", k) for k in chosen]
    for pointer, key in named:
        if key not in keys:
            raise AssignError("XPB-A19", pointer=pointer, value=key, owner=owner, hint=plain(nearest(key, keys)))
    for each in (None, *assignment.rollout):
        total = sum(splits_of(plan, each), Fraction(0))
        if abs(total - 1) > Fraction(1, 10**9):
            where = plan.key if each is None else f"{plan.key}, rollout group {each.key}"
            raise AssignError("XPB-A05", owner=plain(f"plan {where}"), total=float(total))
    return assignment


def refuse_unknown_members(group: Rollout) -> None:
    """A rollout group for units with certain properties, or of a cohort, needs to know who they are.

    Raises:
        AssignError: `XPB-A12`.
    """
    if group.where is not None:
        needs, remedy = "units whose properties fit a rule", "Give properties=frame with one row per id"
    elif group.cohort is not None:
        needs, remedy = f"the cohort {group.cohort}", "Give cohorts={name: list of ids}"
    else:
        return
    raise AssignError("XPB-A12", value=group.key, reason=plain(needs), remedy=plain(remedy))


class Single:
    """The variant of one unit of a plan, for ids as text.

    Args:
        plan: A plan with an assignment, whose rollout groups need no properties and no cohorts.

    Raises:
        AssignError: as `checked`; `XPB-A12` a rollout group needs properties or a cohort.
    """

    def __init__(self, plan: Plan) -> None:
        plan = plan.as_assigned()
        assignment = checked(plan)
        for group in assignment.rollout:
            refuse_unknown_members(group)
        self._keys = tuple(v.key for v in plan.variants)
        self._overrides = dict(assignment.overrides)
        salt = assignment.salt or plan.key
        self._kept: list[tuple[bytes, int, int]] = []
        if assignment.holdout is not None:
            holdout = assignment.holdout
            self._kept.append((prefix("holdout", holdout.salt, holdout.key).encode(), threshold(exact(holdout.share)), SCALE))
        if assignment.layer is not None:
            layer = assignment.layer
            low, high = threshold(exact(layer.start)), threshold(exact(layer.end))
            self._kept.append((prefix("layer", layer.salt, layer.key).encode(), low, high))
        self._groups: list[tuple[bytes, int, str | None, tuple[int, ...]]] = []
        self._flag: list[tuple[bytes, float, str | None, tuple[str, ...]]] = []
        self._variant = prefix("variant", salt).encode()
        if assignment.hash == "mixpanel":
            self._as_flag(plan, assignment, salt)
        else:
            for group in assignment.rollout:
                limits = thresholds_of(splits_of(plan, group))
                share = SCALE if group.share >= 1.0 else threshold(exact(group.share))
                self._groups.append((prefix("rollout", salt, group.key).encode(), share, group.variant, limits))

    def _as_flag(self, plan: Plan, assignment: Assignment, salt: str) -> None:
        """The plan as the flag that it describes; splits are added as floats in the order of keys, as the SDK does."""
        salted = assignment.hash_salt
        self._variant = (salt + (salted or "") + "variant").encode()
        variants = sorted(plan.variants, key=lambda v: v.key)
        by_fold = {v.key.casefold(): v.key for v in reversed(variants)}
        for index, group in enumerate(assignment.rollout):
            table = []
            for bucket in range(BUCKETS):
                cumulative, chosen = 0.0, variants[-1].key
                for variant in variants:
                    own = group.splits or {}
                    cumulative += own.get(variant.key, variant.split)
                    if bucket / 100.0 < cumulative:
                        chosen = variant.key
                        break
                table.append(chosen)
            before = salt + "rollout" if salted is None else salt + salted + str(index)
            override = None if group.variant is None else by_fold[group.variant.casefold()]
            self._flag.append((before.encode(), group.share, override, tuple(table)))

    def __call__(self, unit: str) -> str | None:
        """The variant of one unit, None where it takes no part."""
        forced = self._overrides.get(unit)
        if forced is not None:
            return forced
        data = unit.encode()
        for before, low, high in self._kept:
            if not low <= _first_bits(before + data) < high:
                return None
        if self._flag:
            return self._evaluated(data) if unit else None
        for before, share, variant, limits in self._groups:
            if share == SCALE or _first_bits(before + data) < share:
                if variant is not None:
                    return variant
                return self._keys[bisect_right(limits, _first_bits(self._variant + data))]
        return None

    def _evaluated(self, data: bytes) -> str | None:
        state = fnv1a64(data)
        for salt, share, variant, table in self._flag:
            if fnv1a64(salt, state) % BUCKETS / 100.0 < share:
                return variant if variant is not None else table[fnv1a64(self._variant, state) % BUCKETS]
        return None


def _first_bits(message: bytes) -> int:
    return int.from_bytes(hashlib.sha256(message).digest()[:8], "big") >> (64 - BITS)
