"""Preflight: the real hash over the real ids before launch, and every defect of the randomiser by name, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, chndtr

from xpbench.assign import predicted
from xpbench.assign.assigning import Subject, assignments, split_frame, subject_of, unit_key
from xpbench.assign.association import Association, association
from xpbench.assign.balance import Balance, balance, history_columns
from xpbench.assign.defects import (
    CERTAIN,
    SMALLEST_SHIFT,
    certain_shift,
    definition_defects,
    hash_defects,
    id_findings,
    named,
    repeated,
    structured_ids,
    table_shares,
)
from xpbench.assign.findings import Finding, by_level, jsonable
from xpbench.assign.flags import Flag, Flags
from xpbench.assign.html import paragraph, table
from xpbench.assign.ids import UnitIds
from xpbench.assign.native import Assigned, Randomiser
from xpbench.errors import shown
from xpbench.plan import Plan
from xpbench.shows import Shows
from xpbench.stats.srm import srm

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
class Preflight(Shows):
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

    rows_of_frame: ClassVar[str] = "splits"

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
    findings: list[Finding] = [*id_findings(units), *(definition_defects(chosen) if isinstance(chosen, Flag) else ())]
    if view.flag is not None:
        findings += hash_defects(view.flag)
        findings += structured_ids(view.flag, units)
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
    doubled = repeated(units)
    return Preflight(
        chosen.key,
        view.hash,
        len(units),
        n_assigned,
        units.nulls,
        units.empty,
        doubled,
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
        elif certain_shift(self.flag, group)[0]:
            shares = predicted.group_shares(self.flag, group)[0]
        else:
            shares = np.array(list(table_shares(self.flag, group)))
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
        f"The realised split {named(shares)} does not fit the planned {named(planned)}: p = {p_value:.2g} < {alpha:g}.",
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
