"""What Mixpanel's hash will do to a flag, computed on a million made-up ids rather than on the ids at hand.

The shares that 100 buckets, shared hashes and salts of equal length force on a flag are properties of the flag. A million
random UUIDs show them to three digits, however few real ids there are.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xpbench.randomiser.flag import Flag
from xpbench.randomiser.hashing import Words, fnv_buckets, fnv_states
from xpbench.randomiser.ids import IdBlock

UNITS = 1_000_000
_SEED = 20_260_821
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def made_up_block(n: int, *, seed: int = _SEED) -> IdBlock:
    """Random version-4 UUIDs as one block of ids."""
    rng = np.random.default_rng(seed)
    rows = _HEX[rng.integers(0, 16, (n, 36), dtype=np.uint8)]
    rows[:, (8, 13, 18, 23)] = ord("-")
    rows[:, 14] = ord("4")
    rows[:, 19] = np.frombuffer(b"89ab", np.uint8)[rng.integers(0, 4, n)]
    return IdBlock(0, rows.reshape(-1), np.arange(0, 36 * n + 1, 36, dtype=np.int64), None, None)


@lru_cache(maxsize=1)
def _states() -> Words:
    states = fnv_states(made_up_block(UNITS))
    states.setflags(write=False)
    return states


def bucket_counts(first: str, second: str) -> NDArray[np.int64]:
    """How many of the million ids fall into each pair of buckets under two salts, a 100 × 100 table."""
    states = _states()
    pair = fnv_buckets(states, first).astype(np.int32) * 100 + fnv_buckets(states, second)
    return np.bincount(pair, minlength=10_000).reshape(100, 100)


def group_shares(flag: Flag, index: int) -> tuple[NDArray[np.float64], int]:
    """Share of each variant among the units that a rollout group serves, and how many of a million those are.

    Units that an earlier group without conditions serves are not there any more; groups with rules are taken to be for others.
    """
    states = _states()
    rollout = flag.rollouts[index]
    passing = flag.passes(rollout)[fnv_buckets(states, flag.rollout_salt(index))]
    for earlier, other in enumerate(flag.rollouts[:index]):
        if other.rule.is_open and other.cohort is None:
            passing &= ~flag.passes(other)[fnv_buckets(states, flag.rollout_salt(earlier))]
    counts = np.bincount(fnv_buckets(states[passing], flag.variant_salt), minlength=100)
    table = flag.bucket_table(rollout)
    by_variant = np.bincount(np.clip(table, 0, None), weights=counts, minlength=len(flag.variants))
    total = int(by_variant.sum())
    return by_variant / max(total, 1), total


def pass_given_fail(flag: Flag, earlier: int, later: int) -> float:
    """Chance that a unit passes the share of one rollout group after it failed that of an earlier one."""
    failed = ~flag.passes(flag.rollouts[earlier])
    if flag.hash_salt is None:
        passing = failed & flag.passes(flag.rollouts[later])
        return float(passing.sum() / failed.sum()) if failed.any() else float("nan")
    counts = bucket_counts(flag.rollout_salt(earlier), flag.rollout_salt(later))[failed]
    total = counts.sum()
    return float(counts[:, flag.passes(flag.rollouts[later])].sum() / total) if total else float("nan")


def served_codes(flag: Flag) -> NDArray[np.int16]:
    """Variant of each of the million ids, taking every unit for eligible; -1 where none."""
    states = _states()
    codes = np.full(len(states), -1, np.int16)
    open_ = np.ones(len(states), bool)
    drawn = fnv_buckets(states, flag.variant_salt)
    for index, rollout in enumerate(flag.rollouts):
        passing = open_ & flag.passes(rollout)[fnv_buckets(states, flag.rollout_salt(index))]
        at = flag.matching(rollout.override) if rollout.override is not None else None
        codes[passing] = at if at is not None else flag.bucket_table(rollout)[drawn][passing]
        open_ &= ~passing
    return np.maximum(codes, -1)
