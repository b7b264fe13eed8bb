"""Preflight: the real hash over the real ids before launch, and every defect of the randomiser by name, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, chndtr

from xpbench.assign import predicted
from xpbench.assign.assigning import Subject, assignments, split_frame, subject_of, unit_key
from xpbench.assign.association import Association, association
from xpbench.assign.balance import Balance, balance, history_columns
from xpbench.assign.findings import Finding, by_level, jsonable
from xpbench.assign.flags import Flag, Flags
from xpbench.assign.hashing import fnv_buckets, fnv_states
from xpbench.assign.html import paragraph, table
from xpbench.assign.ids import UnitIds
from xpbench.assign.native import Assigned, Randomiser
from xpbench.errors import shown
from xpbench.plan import Plan
from xpbench.stats.srm import srm

SMALLEST_SHIFT = 0.004
"""Deviation of a forced share from the planned one that is told, absolute."""
CERTAIN = 1e-6
"""Level at which a prediction on a million ids counts as a property of the hash."""
SMALLEST_PHI = 0.004


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One variant in one rollout group, or over all of them.

    Attributes:
        group: Key of the rollout group, "" for all.
        variant: Key of the variant.
        planned: Share that the plan or flag names.
        forced: Share that the hash would give to unlimited ids; differs from `planned` where the hash can't do better.
        units: Units of the ids given.
        share: Their share.
    """

    group: str
    variant: str
    planned: float
    forced: float
    units: int
    share: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: jsonable(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Correlation:
    """Dependence between this subject and another live flag or plan on the same ids.

    Attributes:
        other: Key of the other.
        same_ids: On the ids given.
        forced: On a million made-up ids, where both use Mixpanel's hash; None elsewhere.
    """

    other: str
    same_ids: Association
    forced: Association | None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "other": self.other,
            "same_ids": self.same_ids.to_dict(),
            "forced": self.forced.to_dict() if self.forced else None,
        }


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the randomiser will do to these units.

    Attributes:
        subject: Key of the plan or flag.
        hash: `sha256` or `mixpanel`.
        units: Ids given.
        assigned: Units with a variant.
        nulls, empty, duplicates: Ids that are null, empty text, or there already.
        splits: Planned, forced and realised share by rollout group and variant.
        p_value: SRM test of the realised against the planned split, over all groups; NaN without units.
        alpha: Level at which an SRM check will fail.
        srm_probability: Chance that an SRM check at `alpha` fails with this many units through the hash alone; `alpha` where
            the hash forces no deviation.
        correlations: Against other live flags and plans.
        balance: Metrics of history, each variant against the control.
        findings: What was found, the gravest first.
    """

    subject: str
    hash: str
    units: int
    assigned: int
    nulls: int
    empty: int
    duplicates: int
    splits: tuple[SplitRow, ...]
    p_value: float
    alpha: float
    srm_probability: float
    correlations: tuple[Correlation, ...]
    balance: tuple[Balance, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing keeps from launching."""
        return not any(f.level == "fail" for f in self.findings)

    def finding(self, name: str) -> Finding | None:
        """The first finding of a name."""
        return next((f for f in self.findings if f.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON value."""
        return {
            "subject": self.subject,
            "hash": self.hash,
            "ok": self.ok,
            "units": self.units,
            "assigned": self.assigned,
            "nulls": self.nulls,
            "empty": self.empty,
            "duplicates": self.duplicates,
            "splits": [s.to_dict() for s in self.splits],
            "p_value": jsonable(self.p_value),
            "alpha": self.alpha,
            "srm_probability": jsonable(self.srm_probability),
            "correlations": [c.to_dict() for c in self.correlations],
            "balance": [b.to_dict() for b in self.balance],
            "findings": [f.to_dict() for f in self.findings],
        }

    def __repr__(self) -> str:
        verdict = "ok" if self.ok else "not ok"
        names = ", ".join(f.name for f in self.findings) or "no findings"
        return f"Preflight({shown(self.subject)}, {self.units:,} units, {verdict}: {names})"

    def _repr_html_(self) -> str:
        verdict = "Nothing keeps from launching." if self.ok else "Do not launch like this."
        out = paragraph(f"Preflight of {shown(self.subject)} with the {self.hash} hash on {self.units:,} ids. {verdict}")
        out += table(
            ["rollout group", "variant", "planned", "forced by the hash", "units", "share"],
            [[r.group or "all", r.variant, r.planned, r.forced, r.units, r.share] for r in self.splits],
            caption=f"Split: SRM p = {self.p_value:.4g}, chance of an SRM alarm by the hash alone {self.srm_probability:.3g}",
        )
        if self.findings:
            out += table(
                ["finding", "level", "what", "what to do"],
                [[f.name, f.level, f.message, f.remedy] for f in self.findings],
                caption="Findings",
            )
        if self.correlations:
            out += table(
                ["other flag or plan", "φ on these ids", "p", "φ forced by the hash"],
                [[c.other, c.same_ids.phi, c.same_ids.p_value, c.forced.phi if c.forced else None] for c in self.correlations],
                caption="Dependence on other live flags",
            )
        if self.balance:
            out += table(
                ["metric before", "variant", "units", "mean of control", "mean", "difference in sd", "p"],
                [[b.metric, b.variant, b.n, b.mean_reference, b.mean, b.standardised, b.p_value] for b in self.balance],
                caption="Balance before the experiment",
            )
        return out


def preflight(
    subject: Any,
    ids: Any,
    history: Any = None,
    *,
    others: Any = (),
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    alpha: float | None = None,
) -> Preflight:
    """What the real hash does to real ids, before a single unit is exposed.

    Args:
        subject: Plan, flag, or opened experiment.
        ids: Ids of the units that may take part, in any container, or a frame with a column named like the assignment key.
        history: Metrics from before the experiment: a frame with the id column and numeric columns, one row per unit.
        others: Other live flags and plans on the same units: the `Flags` of a file, a mapping, or a list. The subject itself
            is left out.
        properties: Properties for rules, one row per id.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        alpha: Level of the SRM check; from the plan, or 0.001 for a flag.

    Returns:
        The report. Findings by name: `rollout_without_hash_salt`, `dependent_rollout_groups`, `tiny_rollout`,
        `rollout_tied_to_variant`,
        `rollout_resolution`, `bucket_resolution`, `float_accumulation`, `correlated_flags`, `salt_reuse`,
        `splits_do_not_sum_to_one`, `not_one_control`, `doubled_variants`, `structured_ids`, `sample_ratio`,
        `unbalanced_history`, `null_ids`, `empty_ids`, `duplicate_ids`, `unserved_rules`, `never_served`.

    Raises:
        AssignError: ids that are no ids, or a subject that can't assign.
    """
    chosen = subject_of(subject)
    raw, properties = split_frame(chosen, ids, properties)
    units = UnitIds(raw)
    found = assignments(chosen, units, properties=properties, cohorts=cohorts)
    level = alpha if alpha is not None else (chosen.health.srm_alpha if isinstance(chosen, Plan) else 0.001)
    view = _View.of(chosen)
    rows = view.rows(found)
    planned = [r.planned for r in rows if r.group == ""]
    realised = [r.units for r in rows if r.group == ""]
    p_value = _srm_p(realised, planned)
    findings: list[Finding] = [*_id_findings(units), *_structure(view)]
    if view.flag is not None:
        findings += _hash_defects(view.flag)
        findings += _structured(view.flag, units)
        findings += _unserved(view.flag, properties, found)
    correlations, about = _correlations(chosen, found, units, others, properties, cohorts)
    findings += about
    forced = [r.forced for r in rows if r.group == ""]
    n_assigned = int(sum(realised))
    if math.isfinite(p_value) and p_value < level:
        findings.append(_ratio_finding(rows, p_value, level))
    if n_assigned == 0 and len(units) > 0:
        findings.append(
            Finding("never_served", "fail", f"None of the {len(units):,} ids gets a variant.", "Check rollout, rules and ids.")
        )
    balances, unbalanced = _balances(chosen, found, units, history)
    findings += unbalanced
    duplicates = _duplicates(units)
    return Preflight(
        chosen.key,
        view.hash,
        len(units),
        n_assigned,
        units.nulls,
        units.empty,
        duplicates,
        tuple(rows),
        p_value,
        level,
        _alarm(planned, forced, n_assigned, level),
        tuple(correlations),
        tuple(balances),
        by_level(findings),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """Plan and flag alike: names, planned and forced shares."""

    subject: Subject
    hash: str
    flag: Flag | None
    keys: tuple[str, ...]
    group_keys: tuple[str, ...]

    @classmethod
    def of(cls, subject: Subject) -> _View:
        if isinstance(subject, Flag):
            names = tuple(r.name or str(i) for i, r in enumerate(subject.rollouts))
            return cls(subject, "mixpanel", subject, subject.keys, names)
        made = Randomiser(subject)
        groups = tuple(g.key for g in made.assignment.rollout)
        return cls(subject, made.assignment.hash, made.flag if made.is_mixpanel else None, made.keys, groups)

    def planned(self, group: int) -> NDArray[np.float64]:
        if isinstance(self.subject, Flag):
            rollout = self.subject.rollouts[group]
            at = self.subject.matching(rollout.override) if rollout.override is not None else None
            if at is not None:
                return _only(at, len(self.keys))
            return np.array([self.subject.split_of(v, rollout) or 0.0 for v in self.subject.variants])
        made = Randomiser(self.subject)
        own = made.assignment.rollout[group]
        if own.variant is not None:
            return _only(self.keys.index(own.variant), len(self.keys))
        return np.array([float(s) for s in made.splits(own)])

    def forced(self, group: int) -> NDArray[np.float64]:
        if self.flag is None:
            return self.planned(group)
        rollout = self.flag.rollouts[group]
        at = self.flag.matching(rollout.override) if rollout.override is not None else None
        if at is not None:
            shares = np.eye(len(self.keys))[at]
        elif _certain_shift(self.flag, group)[0]:
            shares = predicted.group_shares(self.flag, group)[0]
        else:
            shares = np.array(list(_table_shares(self.flag, group)))
        order = [self.flag.keys.index(k) for k in self.keys]
        return np.asarray(shares, dtype=np.float64)[order]

    def rows(self, found: Assigned) -> list[SplitRow]:
        """One row per variant over all groups, then per group where there are several."""
        out: list[SplitRow] = []
        k = len(self.keys)
        planned, forced, total = np.zeros(k), np.zeros(k), np.zeros(k, np.int64)
        per_group: list[SplitRow] = []
        for g in range(len(self.group_keys)):
            here = found.codes[(found.groups == g) & (found.codes >= 0)]
            counts = np.bincount(here, minlength=k)
            n = int(counts.sum())
            p, f = self.planned(g), self.forced(g)
            planned, forced, total = planned + p * n, forced + f * n, total + counts
            per_group += [
                SplitRow(self.group_keys[g], self.keys[i], float(p[i]), float(f[i]), int(counts[i]), _share(counts[i], n))
                for i in range(k)
            ]
        n = int(total.sum())
        if n == 0 and self.group_keys:
            planned, forced = self.planned(0), self.forced(0)
        scale = n or 1
        out += [
            SplitRow("", self.keys[i], float(planned[i] / scale), float(forced[i] / scale), int(total[i]), _share(total[i], n))
            for i in range(k)
        ]
        return out + (per_group if len(self.group_keys) > 1 else [])


def _only(at: int, k: int) -> NDArray[np.float64]:
    out = np.zeros(k)
    out[at] = 1.0
    return out


def _share(count: Any, n: int) -> float:
    return float(count / n) if n else math.nan


def _srm_p(counts: Sequence[int], weights: Sequence[float]) -> float:
    if sum(counts) == 0 or sum(w > 0 for w in weights) < 2:
        return math.nan
    return srm(list(counts), list(weights)).p_value


def _alarm(planned: Sequence[float], forced: Sequence[float], n: int, alpha: float) -> float:
    """Chance that Pearson's test at `alpha` rejects `planned` when units come by `forced`."""
    p, q = np.array(planned), np.array(forced)
    p = p / p.sum() if p.sum() > 0 else p
    on = p > 0
    if on.sum() < 2 or n == 0:
        return math.nan
    if np.allclose(p, q, atol=1e-12):
        return alpha
    noncentrality = float(n * ((q[on] - p[on]) ** 2 / p[on]).sum())
    df = int(on.sum()) - 1
    return float(1.0 - chndtr(chdtri(df, alpha), df, noncentrality))


def _id_findings(units: UnitIds) -> Iterator[Finding]:
    n = len(units)
    if units.nulls:
        yield Finding(
            "null_ids",
            "warn",
            f"{units.nulls:,} of {n:,} ids are null and get no variant.",
            "Find out which units lack the assignment key.",
            {"count": units.nulls, "of": n},
        )
    if units.empty:
        yield Finding(
            "empty_ids",
            "warn",
            f"{units.empty:,} of {n:,} ids are empty text, which is one and the same unit for the hash.",
            "Leave them out.",
            {"count": units.empty, "of": n},
        )
    doubled = _duplicates(units)
    if doubled:
        yield Finding(
            "duplicate_ids",
            "info",
            f"{doubled:,} of {n:,} ids stand there already; they count several times below.",
            "Give each unit once.",
            {"count": doubled, "of": n},
        )
    if units.is_integer:
        return
    text = units.text().drop_null()
    spaced = int(pc.sum(pc.not_equal(pc.utf8_trim_whitespace(text), text)).as_py() or 0)
    if spaced:
        yield Finding(
            "spaced_ids",
            "warn",
            f"{spaced:,} ids begin or end with white space: another id to the hash.",
            "Trim them where they are read, and check that the app hashes the trimmed id.",
            {"count": spaced, "of": n},
        )
    floats = int(pc.sum(pc.match_substring_regex(text, r"^[0-9]+\.0+$")).as_py() or 0)
    if floats:
        yield Finding(
            "float_ids",
            "fail",
            f"{floats:,} ids look like integers that went through floats, such as 12345.0.",
            "The app hashes 12345, another variant: repair the export.",
            {"count": floats, "of": n},
        )


def _duplicates(units: UnitIds) -> int:
    array = units.array.drop_null()
    return len(array) - int(pc.count_distinct(array).as_py() or 0)


def _structure(view: _View) -> Iterator[Finding]:
    """What is wrong with the definition itself; a plan was refused for these, a flag is served."""
    if not isinstance(view.subject, Flag):
        return
    flag = view.subject
    for index, rollout in enumerate(flag.rollouts):
        if rollout.override is not None and flag.matching(rollout.override) is not None:
            continue
        total = math.fsum(flag.split_of(v, rollout) or 0.0 for v in flag.variants)
        if abs(total - 1) > 1e-9:
            shares = {v: round(s, 4) for v, s in zip(flag.keys, _table_shares(flag, index), strict=True)}
            yield Finding(
                "splits_do_not_sum_to_one",
                "fail",
                f"The splits of rollout group {view.group_keys[index]} sum to {total:.6g}; served are {_named(shares)}.",
                "Correct the splits.",
                {"group": view.group_keys[index], "total": total, "served": shares},
            )
    controls = sum(v.is_control for v in flag.variants)
    if controls != 1:
        yield Finding(
            "not_one_control",
            "fail",
            f"{controls} variants are marked as control.",
            "Mark exactly one.",
            {"controls": controls},
        )
    doubled = sorted({k for k in flag.keys if flag.keys.count(k) > 1})
    if doubled:
        yield Finding(
            "doubled_variants",
            "fail",
            f"Variant keys stand more than once: {shown(', '.join(doubled))}.",
            "Rename all but one: the log can't tell them apart.",
            {"keys": doubled},
        )


def _named(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{shown(k)} {v:.1%}" for k, v in shares.items())


def _table_shares(flag: Flag, index: int) -> NDArray[np.float64]:
    counts = np.bincount(np.clip(flag.bucket_table(flag.rollouts[index]), 0, None), minlength=len(flag.variants))
    return np.asarray(counts / 100.0, dtype=np.float64)


def _certain_shift(flag: Flag, index: int) -> tuple[bool, float, NDArray[np.float64], int]:
    """Whether passing a rollout group by its hash surely shifts the split; the largest shift, the shares, the units passing."""
    table_shares = _table_shares(flag, index)
    if index == 0 and flag.passes(flag.rollouts[index]).all():
        return False, 0.0, table_shares, predicted.UNITS
    shares, n = predicted.group_shares(flag, index)
    if n < 100:
        return False, 0.0, table_shares, n
    on = table_shares > 0
    statistic = float(n * ((shares[on] - table_shares[on]) ** 2 / table_shares[on]).sum())
    p = float(chdtrc(max(int(on.sum()) - 1, 1), statistic))
    shift = float(np.abs(shares - table_shares).max())
    return p < CERTAIN and shift >= SMALLEST_SHIFT, shift, shares, n


def _hash_defects(flag: Flag) -> Iterator[Finding]:
    """What 100 buckets, shared hashes and short salts force on a flag, whatever the ids."""
    names = [r.name or str(i) for i, r in enumerate(flag.rollouts)]
    for index, rollout in enumerate(flag.rollouts):
        overridden = rollout.override is not None and flag.matching(rollout.override) is not None
        passing = flag.passes(rollout)
        percent, served = rollout.percentage, float(passing.mean())
        name = names[index]
        if not overridden:
            certain, _, shares, n = _certain_shift(flag, index)
            given = dict(zip(flag.keys, shares.tolist(), strict=True))
            planned = dict(zip(flag.keys, _table_shares(flag, index).tolist(), strict=True))
            numbers = {"group": name, "rollout": percent, "planned": planned, "forced": given, "of_a_million": n}
            if certain and flag.hash_salt is None:
                yield Finding(
                    "rollout_without_hash_salt",
                    "fail",
                    f"Group {shown(name)} rolls out to {percent:.4g} without hash_salt: among those it serves, the split "
                    f"becomes {_named(given)} instead of {_named(planned)}, because rollout and variant share their hash.",
                    "Set a hash_salt." if served == 1 else "Set a hash_salt, or roll out to 100%.",
                    numbers,
                )
            elif certain and percent > 0.04:
                yield Finding(
                    "rollout_tied_to_variant",
                    "warn",
                    f"Group {shown(name)} rolls out to {percent:.4g}: among those it serves, the split becomes {_named(given)} "
                    f"instead of {_named(planned)}, although there is a hash_salt.",
                    "Use another hash_salt, or test this split against these shares.",
                    numbers,
                )
            elif certain:
                yield Finding(
                    "tiny_rollout",
                    "warn",
                    f"Group {shown(name)} rolls out to {percent:.4g}: at so few buckets rollout and variant stay tied even "
                    f"with hash_salt, and the split becomes {_named(given)} instead of {_named(planned)}.",
                    "Roll out to at least 5%, or test this split against these shares.",
                    numbers,
                )
            yield from _resolution(flag, index, name)
        if 0 < percent <= 0.02 and not (not overridden and flag.hash_salt is not None and certain):
            yield Finding(
                "tiny_rollout",
                "warn",
                f"Group {shown(name)} rolls out to {percent:.4g}, which is {int(passing.sum())} of 100 buckets: the same few "
                "units meet every rollout of this size under a salt of the same kind.",
                "Roll out to at least 5%.",
                {"group": name, "rollout": percent, "buckets": int(passing.sum())},
            )
        if abs(served - percent) > 1e-9 and 0 <= percent <= 1:
            yield Finding(
                "rollout_resolution",
                "fail" if percent < 0.01 else "warn",
                f"Group {shown(name)} rolls out to {percent:.4%}, but 100 buckets serve {served:.0%}.",
                "Use whole percents.",
                {"group": name, "rollout": percent, "served": served},
            )
    yield from _dependent_groups(flag, names)


def _resolution(flag: Flag, index: int, name: str) -> Iterator[Finding]:
    rollout = flag.rollouts[index]
    splits = np.array([flag.split_of(v, rollout) or 0.0 for v in flag.variants])
    shares = _table_shares(flag, index)
    if abs(splits.sum() - 1) > 1e-9 or np.abs(shares - splits).max() < 5e-4:
        return
    given = dict(zip(flag.keys, shares.tolist(), strict=True))
    whole = bool(np.allclose(splits * 100, np.round(splits * 100), atol=1e-9))
    planned = dict(zip(flag.keys, splits.tolist(), strict=True))
    numbers = {"group": name, "planned": planned, "forced": given}
    if whole:
        yield Finding(
            "float_accumulation",
            "warn",
            f"The splits of group {shown(name)} are whole percents, but adding them as floats serves {_named(given)}.",
            "Use these shares as the expected split, or change the splits by one percent.",
            numbers,
        )
    else:
        yield Finding(
            "bucket_resolution",
            "warn",
            f"The splits of group {shown(name)} don't fit 100 buckets: planned {_named(planned)}, served {_named(given)}.",
            "Use these shares as the expected split of the SRM check, or splits of whole percents.",
            numbers,
        )


def _dependent_groups(flag: Flag, names: Sequence[str]) -> Iterator[Finding]:
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
            yield Finding(
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


def _structured(flag: Flag, units: UnitIds) -> Iterator[Finding]:
    seen = np.zeros(100, np.int64)
    for block in units.blocks():
        drawn = fnv_buckets(fnv_states(block), flag.variant_salt)
        seen += np.bincount(drawn if block.null is None else drawn[~block.null], minlength=100)
    n, reached = int(seen.sum()), int((seen > 0).sum())
    distinct = len(units) - units.nulls - _duplicates(units)
    if distinct >= 3_000 and reached < 100:
        yield Finding(
            "structured_ids",
            "fail",
            f"These {n:,} ids reach only {reached} of 100 buckets: the hash sees their structure, such as a part that repeats.",
            "Hash another id, or assign with the native hash.",
            {"buckets": reached, "units": n},
        )


def _unserved(flag: Flag, properties: Any, found: Assigned) -> Iterator[Finding]:
    if properties is None and any(not r.rule.is_open for r in flag.rollouts):
        closed = [r.name or str(i) for i, r in enumerate(flag.rollouts) if not r.rule.is_open]
        yield Finding(
            "unserved_rules",
            "warn",
            f"Groups {shown(', '.join(closed))} have rules on properties and none were given: nobody passes them here.",
            "Give properties=frame with one row per id.",
            {"groups": closed},
        )
    raised = found.reason_counts().get("sdk_raises", 0)
    if raised:
        yield Finding(
            "sdk_raises",
            "fail",
            f"For {raised:,} units the official SDK raises an error instead of answering.",
            "Legacy rules need text properties, and splits must not be null.",
            {"count": raised},
        )


def _ratio_finding(rows: Sequence[SplitRow], p_value: float, alpha: float) -> Finding:
    overall = [r for r in rows if r.group == ""]
    planned = {r.variant: r.planned for r in overall}
    shares = {r.variant: r.share for r in overall}
    by_hash = any(abs(r.forced - r.planned) > SMALLEST_SHIFT for r in overall)
    return Finding(
        "sample_ratio",
        "fail" if by_hash else "warn",
        f"The realised split {_named(shares)} does not fit the planned {_named(planned)}: p = {p_value:.2g} < {alpha:g}.",
        "See the findings on the hash." if by_hash else "Bad luck of this salt on these ids: try another salt (seed finder).",
        {"p_value": p_value, "planned": planned, "realised": shares, "units": {r.variant: r.units for r in overall}},
    )


def _listed(others: Any) -> list[Subject]:
    if isinstance(others, (Plan, Flag)):
        return [others]
    values: Iterable[Any] = others.values() if isinstance(others, (Flags, Mapping)) else others
    return [subject_of(v) for v in values]


def _same_numbers(one: Subject, other: Subject) -> str | None:
    """Why two subjects draw the same variant number for every unit, or None."""
    a, b = _View.of(one), _View.of(other)
    if a.flag is not None and b.flag is not None:
        return f"the salt {shown(a.flag.variant_salt)}" if a.flag.variant_salt == b.flag.variant_salt else None
    if isinstance(one, Plan) and isinstance(other, Plan) and a.hash == b.hash == "sha256":
        first, second = Randomiser(one).salt, Randomiser(other).salt
        return f"the salt {shown(first)}" if first == second else None
    return None


def _correlations(
    subject: Subject,
    found: Assigned,
    units: UnitIds,
    others: Any,
    properties: Any,
    cohorts: Mapping[str, Any] | None,
) -> tuple[list[Correlation], list[Finding]]:
    out: list[Correlation] = []
    findings: list[Finding] = []
    view = _View.of(subject)
    listed = [o for o in _listed(others) if o is not subject and not (type(o) is type(subject) and o.key == subject.key)]
    for other in listed:
        if unit_key(other) != unit_key(subject):
            continue
        codes = assignments(other, units, properties=properties, cohorts=cohorts).codes
        same_ids = association(found.codes, codes)
        other_view = _View.of(other)
        forced: Association | None = None
        if view.flag is not None and other_view.flag is not None:
            forced = association(predicted.served_codes(view.flag), predicted.served_codes(other_view.flag))
        out.append(Correlation(other.key, same_ids, forced))
        reused = _same_numbers(subject, other)
        numbers = {"other": other.key, **same_ids.to_dict(), "forced": forced.to_dict() if forced else None}
        if reused is not None:
            findings.append(
                Finding(
                    "salt_reuse",
                    "fail",
                    f"{shown(other.key)} uses {reused}, too: both draw the same number for every unit "
                    f"(φ = {same_ids.phi:.3f} on these ids).",
                    "Give each experiment its own salt.",
                    numbers,
                )
            )
            continue
        certain = forced is not None and forced.p_value < CERTAIN and forced.phi >= SMALLEST_PHI
        seen = math.isfinite(same_ids.p_value) and same_ids.p_value < 0.001 / len(listed) and same_ids.phi >= SMALLEST_PHI
        if certain or seen:
            phi = forced.phi if certain and forced is not None else same_ids.phi
            findings.append(
                Finding(
                    "correlated_flags",
                    "warn" if phi < 0.1 else "fail",
                    f"The assignment depends on that of {shown(other.key)}: φ = {same_ids.phi:.4f} on these ids"
                    + (f", {forced.phi:.4f} on a million made-up ids" if forced is not None else "")
                    + f". An effect of {shown(other.key)} leaks into this experiment by about φ times its size.",
                    "Change the length of one key or salt, or use the native hash.",
                    numbers,
                )
            )
    return out, findings


def _balances(subject: Subject, found: Assigned, units: UnitIds, history: Any) -> tuple[list[Balance], list[Finding]]:
    if history is None:
        return [], []
    columns = history_columns(history, units, unit_key(subject))
    control = next((i for i, k in enumerate(found.keys) if _is_control(subject, k)), 0)
    out: list[Balance] = []
    for name, values in columns.items():
        out += balance(values, found.codes, found.keys, metric=name, reference=control)
    level = subject.health.bias_alpha if isinstance(subject, Plan) else 0.01
    tested = [b for b in out if math.isfinite(b.p_value)]
    findings = [
        Finding(
            "unbalanced_history",
            "warn",
            f"{shown(b.metric)} differed before the experiment: {b.mean:.6g} in {shown(b.variant)} against "
            f"{b.mean_reference:.6g} ({b.standardised:+.4f} sd, p = {b.p_value:.2g} below {level:g} / {len(tested)}).",
            "Choose another salt with the seed finder, or plan CUPED on this metric.",
            b.to_dict(),
        )
        for b in tested
        if b.p_value < level / len(tested)
    ]
    missing = {name: int((~np.isfinite(values) & (found.codes >= 0)).sum()) for name, values in columns.items()}
    missing = {k: v for k, v in missing.items() if v}
    if missing:
        findings.append(
            Finding(
                "missing_history",
                "info",
                "Units without a value in history are left out of the balance: "
                + ", ".join(f"{shown(k)} {v:,}" for k, v in missing.items())
                + ".",
                "",
                missing,
            )
        )
    return out, findings


def _is_control(subject: Subject, key: str) -> bool:
    if isinstance(subject, Plan):
        return any(v.control and v.key == key for v in subject.variants)
    return any(v.is_control and v.key == key for v in subject.variants)
