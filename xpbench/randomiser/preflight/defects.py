"""Defects of ids, of a flag's definition, and of Mixpanel's hash, each by name with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import chdtrc

from xpbench.errors import shown
from xpbench.randomiser.findings import RandomiserFinding
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.hashing import fnv_buckets, fnv_states
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.preflight import predicted

SMALLEST_SHIFT = 0.004
"""Deviation of a forced share from the planned one that is reported, absolute."""
_THROUGH_FLOATS = r"^[0-9]+\.0+$|^[0-9](\.[0-9]+)?[eE]\+[0-9]{1,3}$|^[0-9]\.[0-9]+[eE][0-9]{1,3}$"
CERTAIN = 1e-6
"""Level at which a prediction on a million ids counts as a property of the hash."""


def id_findings(units: UnitIds) -> Iterator[RandomiserFinding]:
    """What the ids themselves show: missing, repeated, spaced, or through floats."""
    n = len(units)
    if units.nulls:
        yield RandomiserFinding(
            "null_ids",
            "warn",
            f"{units.nulls:,} of {n:,} ids are null and get no variant.",
            "Find out which units lack the assignment key.",
            {"count": units.nulls, "of": n},
        )
    if units.empty:
        yield RandomiserFinding(
            "empty_ids",
            "warn",
            f"{units.empty:,} of {n:,} ids are empty text, which is one and the same unit for the hash.",
            "Leave them out.",
            {"count": units.empty, "of": n},
        )
    doubled = repeated(units)
    if doubled:
        yield RandomiserFinding(
            "duplicate_ids",
            "info",
            f"{doubled:,} of {n:,} ids are in the data already; they count several times below.",
            "Give each unit once.",
            {"count": doubled, "of": n},
        )
    if units.is_integer:
        return
    text = units.text().drop_null()
    spaced = int(pc.sum(pc.not_equal(pc.utf8_trim_whitespace(text), text)).as_py() or 0)
    if spaced:
        yield RandomiserFinding(
            "spaced_ids",
            "warn",
            f"{spaced:,} ids begin or end with white space: another id to the hash.",
            "Trim them where they are read, and check that the app hashes the trimmed id.",
            {"count": spaced, "of": n},
        )
    floats = int(pc.sum(pc.match_substring_regex(text, _THROUGH_FLOATS)).as_py() or 0)
    if floats:
        yield RandomiserFinding(
            "float_ids",
            "fail",
            f"{floats:,} ids look like integers that went through floats, such as 12345.0 or 1.2345e+04.",
            "The app hashes 12345, another variant: repair the export.",
            {"count": floats, "of": n},
        )


def repeated(units: UnitIds) -> int:
    """How many ids are in the data already."""
    array = units.array.drop_null()
    return len(array) - int(pc.count_distinct(array).as_py() or 0)


def definition_defects(flag: Flag) -> Iterator[RandomiserFinding]:
    """What is wrong with the definition itself; a plan is refused for these, a flag is served."""
    names = [r.name or str(i) for i, r in enumerate(flag.rollouts)]
    for index, rollout in enumerate(flag.rollouts):
        if rollout.override is not None and flag.matching(rollout.override) is not None:
            continue
        total = math.fsum(flag.split_of(v, rollout) or 0.0 for v in flag.variants)
        if abs(total - 1) > 1e-9:
            shares = {v: round(s, 4) for v, s in zip(flag.keys, table_shares(flag, index), strict=True)}
            yield RandomiserFinding(
                "splits_do_not_sum_to_one",
                "fail",
                f"The splits of rollout group {names[index]} sum to {total:.6g}; served are {named(shares)}.",
                "Correct the splits.",
                {"group": names[index], "total": total, "served": shares},
            )
    controls = sum(v.is_control for v in flag.variants)
    if controls != 1:
        yield RandomiserFinding(
            "not_one_control",
            "fail",
            f"{controls} variants are marked as control.",
            "Mark exactly one.",
            {"controls": controls},
        )
    doubled = sorted({k for k in flag.keys if flag.keys.count(k) > 1})
    if doubled:
        yield RandomiserFinding(
            "doubled_variants",
            "fail",
            f"Variant keys appear more than once: {shown(', '.join(doubled))}.",
            "Rename all but one: the log can't tell them apart.",
            {"keys": doubled},
        )


def hash_defects(flag: Flag) -> Iterator[RandomiserFinding]:
    """What 100 buckets, shared hashes and short salts force on a flag, whatever the ids."""
    names = [r.name or str(i) for i, r in enumerate(flag.rollouts)]
    for index, rollout in enumerate(flag.rollouts):
        overridden = rollout.override is not None and flag.matching(rollout.override) is not None
        passing = flag.passes(rollout)
        percent, served = rollout.percentage, float(passing.mean())
        name = names[index]
        if not overridden:
            certain, _, shares, n = certain_shift(flag, index)
            given = dict(zip(flag.keys, shares.tolist(), strict=True))
            planned = dict(zip(flag.keys, table_shares(flag, index).tolist(), strict=True))
            numbers = {"group": name, "rollout": percent, "planned": planned, "forced": given, "of_a_million": n}
            if certain and flag.hash_salt is None:
                yield RandomiserFinding(
                    "rollout_without_hash_salt",
                    "fail",
                    f"Group {shown(name)} rolls out to {percent:.4g} without hash_salt: among those it serves, the split "
                    f"becomes {named(given)} instead of {named(planned)}, because rollout and variant share their hash.",
                    "Set a hash_salt." if served == 1 else "Set a hash_salt, or roll out to 100%.",
                    numbers,
                )
            elif certain and percent > 0.04:
                yield RandomiserFinding(
                    "rollout_tied_to_variant",
                    "warn",
                    f"Group {shown(name)} rolls out to {percent:.4g}: among those it serves, the split becomes {named(given)} "
                    f"instead of {named(planned)}, although there is a hash_salt.",
                    "Use another hash_salt, or test this split against these shares.",
                    numbers,
                )
            elif certain:
                yield RandomiserFinding(
                    "tiny_rollout",
                    "warn",
                    f"Group {shown(name)} rolls out to {percent:.4g}: at so few buckets rollout and variant stay tied even "
                    f"with hash_salt, and the split becomes {named(given)} instead of {named(planned)}.",
                    "Roll out to at least 5%, or test this split against these shares.",
                    numbers,
                )
            yield from _resolution(flag, index, name)
        if 0 < percent <= 0.02 and not (not overridden and flag.hash_salt is not None and certain):
            yield RandomiserFinding(
                "tiny_rollout",
                "warn",
                f"Group {shown(name)} rolls out to {percent:.4g}, which is {int(passing.sum())} of 100 buckets: the same few "
                "units meet every rollout of this size under a salt of the same kind.",
                "Roll out to at least 5%.",
                {"group": name, "rollout": percent, "buckets": int(passing.sum())},
            )
        if abs(served - percent) > 1e-9 and 0 <= percent <= 1:
            yield RandomiserFinding(
                "rollout_resolution",
                "fail" if percent < 0.01 else "warn",
                f"Group {shown(name)} rolls out to {percent:.4%}, but 100 buckets serve {served:.0%}.",
                "Use whole percents.",
                {"group": name, "rollout": percent, "served": served},
            )
    yield from _dependent_groups(flag, names)


def _resolution(flag: Flag, index: int, name: str) -> Iterator[RandomiserFinding]:
    rollout = flag.rollouts[index]
    splits = np.array([flag.split_of(v, rollout) or 0.0 for v in flag.variants])
    shares = table_shares(flag, index)
    if abs(splits.sum() - 1) > 1e-9 or np.abs(shares - splits).max() < 5e-4:
        return
    given = dict(zip(flag.keys, shares.tolist(), strict=True))
    whole = bool(np.allclose(splits * 100, np.round(splits * 100), atol=1e-9))
    planned = dict(zip(flag.keys, splits.tolist(), strict=True))
    numbers = {"group": name, "planned": planned, "forced": given}
    if whole:
        yield RandomiserFinding(
            "float_accumulation",
            "warn",
            f"The splits of group {shown(name)} are whole percents, but adding them as floats serves {named(given)}.",
            "Use these shares as the expected split, or change the splits by one percent.",
            numbers,
        )
    else:
        yield RandomiserFinding(
            "bucket_resolution",
            "warn",
            f"The splits of group {shown(name)} don't fit 100 buckets: planned {named(planned)}, served {named(given)}.",
            "Use these shares as the expected split of the SRM check, or splits of whole percents.",
            numbers,
        )


def _dependent_groups(flag: Flag, names: Sequence[str]) -> Iterator[RandomiserFinding]:
    for later in range(1, len(flag.rollouts)):
        share = float(flag.passes(flag.rollouts[later]).mean())
        if not 0 < share < 1:
            continue
        for earlier in range(later):
            if flag.passes(flag.rollouts[earlier]).all():
                continue
            chance = predicted.pass_given_fail(flag, earlier, later)
            if not math.isfinite(chance) or abs(chance - share) < 0.02 * max(share, 0.1):
                continue
            targeted = not (flag.rollouts[earlier].rule.is_open and flag.rollouts[later].rule.is_open)
            yield RandomiserFinding(
                "dependent_rollout_groups",
                "warn" if targeted else "fail",
                f"A unit that failed the share of group {shown(names[earlier])} passes group {shown(names[later])} with chance "
                f"{chance:.3f}, not {share:.3f}"
                + (
                    ": the hashes of both groups are the same."
                    if flag.hash_salt is None
                    else ": the hashes differ in one byte."
                ),
                "Make the audiences of the groups exclude each other, or use one group.",
                {
                    "earlier": names[earlier],
                    "later": names[later],
                    "chance": chance,
                    "planned": share,
                    "both_open": not targeted,
                },
            )


def structured_ids(flag: Flag, units: UnitIds) -> Iterator[RandomiserFinding]:
    """Ids whose structure the hash sees, so that they reach only some of the buckets."""
    seen = np.zeros(100, np.int64)
    for block in units.blocks():
        drawn = fnv_buckets(fnv_states(block), flag.variant_salt)
        seen += np.bincount(drawn if block.null is None else drawn[~block.null], minlength=100)
    n, reached = int(seen.sum()), int((seen > 0).sum())
    distinct = len(units) - units.nulls - repeated(units)
    if distinct >= 3_000 and reached < 100:
        yield RandomiserFinding(
            "structured_ids",
            "fail",
            f"These {n:,} ids reach only {reached} of 100 buckets: the hash sees their structure, such as a part that repeats.",
            "Hash another id, or assign with the native hash.",
            {"buckets": reached, "units": n},
        )


def named(shares: Mapping[str, float]) -> str:
    """Shares by variant in words."""
    return ", ".join(f"{shown(k)} {v:.1%}" for k, v in shares.items())


def table_shares(flag: Flag, index: int) -> NDArray[np.float64]:
    """Share of each variant that 100 uniform buckets give in a rollout group."""
    counts = np.bincount(np.clip(flag.bucket_table(flag.rollouts[index]), 0, None), minlength=len(flag.variants))
    return np.asarray(counts / 100.0, dtype=np.float64)


def certain_shift(flag: Flag, index: int) -> tuple[bool, float, NDArray[np.float64], int]:
    """Whether passing a rollout group by its hash surely shifts the split; the largest shift, the shares, the units passing."""
    wanted = table_shares(flag, index)
    if index == 0 and flag.passes(flag.rollouts[index]).all():
        return False, 0.0, wanted, predicted.UNITS
    shares, n = predicted.group_shares(flag, index)
    if n < 100:
        return False, 0.0, wanted, n
    on = wanted > 0
    statistic = float(n * ((shares[on] - wanted[on]) ** 2 / wanted[on]).sum())
    p = float(chdtrc(max(int(on.sum()) - 1, 1), statistic))
    shift = float(np.abs(shares - wanted).max())
    return p < CERTAIN and shift >= SMALLEST_SHIFT, shift, shares, n
