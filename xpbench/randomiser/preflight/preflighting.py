"""Preflight: the real hash over the real ids before launch, and every defect of the randomiser by name, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import chdtri, chndtr

from xpbench.errors import number_of, shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject, assignments, split_frame, subject_of, unit_key
from xpbench.randomiser.findings import RandomiserFinding, by_level
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Assigned
from xpbench.randomiser.preflight.balance import Balance, Categories, association_of, balance, category_columns, history_columns
from xpbench.randomiser.preflight.correlations import correlations
from xpbench.randomiser.preflight.defects import (
    SMALLEST_SHIFT,
    definition_defects,
    hash_defects,
    id_findings,
    named,
    repeated,
    structured_ids,
)
from xpbench.randomiser.preflight.report import Preflight, SplitRow
from xpbench.randomiser.preflight.spellings import size_findings, spelling_findings
from xpbench.randomiser.preflight.subject_shares import SubjectShares
from xpbench.randomiser.sdks import sdk_findings
from xpbench.stats.srm import srm

BEYOND_LUCK = 1e-6
"""Level below which an imbalance of history is not the salt's bad luck, but a tie between column and variant."""


def preflight(
    subject: Any,
    ids: Any,
    history: Any = None,
    *,
    others: Any = None,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    alpha: float | None = None,
) -> Preflight:
    """What the real hash does to real ids, before a single unit is exposed.

    Args:
        subject: Plan, flag, or opened experiment.
        ids: Ids of the units that may take part, in any container, or a frame with a column named like the assignment key.
        history: Metrics from before the experiment: a frame with the id column and numeric columns, one row per unit.
        others: Other live flags, plans or experiments on the same units: the `Flags` of a file, a mapping, or a list. The
            subject itself is left out. If missing, an opened experiment is compared with the running ones of its root.
        properties: Properties for rules, one row per id.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        alpha: Level of the SRM check; from the plan, or 0.001 for a flag.

    Returns:
        The report. Findings by name: `rollout_without_hash_salt`, `dependent_rollout_groups`, `tiny_rollout`,
        `rollout_tied_to_variant`,
        `rollout_resolution`, `bucket_resolution`, `float_accumulation`, `correlated_flags`, `salt_reuse`,
        `layer_ranges_overlap`, `layer_salts_differ`, `layer_units_differ`, `holdouts_differ`,
        `splits_do_not_sum_to_one`, `not_one_control`, `doubled_variants`, `structured_ids`, `sample_ratio`,
        `unbalanced_history`, `unbalanced_category`, `history_is_the_variant`, `history_missing_by_variant`, `null_ids`,
        `empty_ids`, `duplicate_ids`,
        `refused_ids`, `two_spellings`, `zero_padded_ids`, `mixed_id_kinds`, `long_override_list`, `small_variant`,
        `fewer_ids_than_horizon`, `unserved_rules`, `never_served`; and where SDKs of several languages would disagree:
        `variant_order`, `float32_buckets`, `empty_hash_salt`, `key_case`, `keys_differ_by_case`, `rule_without_properties`.

    Raises:
        AssignError: ids that are no ids, or a subject that can't assign.
    """
    chosen = subject_of(subject)
    if others is None:
        others = subject.neighbours() if hasattr(subject, "neighbours") else ()
    raw, properties = split_frame(chosen, ids, properties)
    units = UnitIds(raw)
    found = assignments(chosen, units, properties=properties, cohorts=cohorts)
    level = alpha if alpha is not None else (chosen.health.srm_alpha if isinstance(chosen, Plan) else 0.001)
    view = SubjectShares.of(chosen)
    rows = view.rows(found)
    planned = [r.planned for r in rows if r.group == ""]
    realised = [r.units for r in rows if r.group == ""]
    p_value = _srm_p(realised, planned)
    findings: list[RandomiserFinding] = [*id_findings(units), *spelling_findings(units)]
    findings += definition_defects(chosen) if isinstance(chosen, Flag) else ()
    findings += size_findings(chosen, found, units)
    if view.flag is not None:
        findings += hash_defects(view.flag)
        findings += sdk_findings(view.flag, published=isinstance(chosen, Plan))
        findings += structured_ids(view.flag, units)
        findings += _unserved(view.flag, properties, found)
    dependent, about = correlations(chosen, found, units, others, properties, cohorts)
    findings += about
    forced = [r.forced for r in rows if r.group == ""]
    n_assigned = int(sum(realised))
    if math.isfinite(p_value) and p_value < level:
        findings.append(_ratio_finding(rows, p_value, level))
    if n_assigned == 0 and len(units) > 0:
        findings.append(
            RandomiserFinding(
                "never_served", "fail", f"None of the {len(units):,} ids gets a variant.", "Check rollout, rules and ids."
            )
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
        tuple(dependent),
        tuple(balances),
        by_level(findings),
    )


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


def _unserved(flag: Flag, properties: Any, found: Assigned) -> Iterator[RandomiserFinding]:
    if properties is None and any(not r.rule.is_open for r in flag.rollouts):
        closed = [r.name or str(i) for i, r in enumerate(flag.rollouts) if not r.rule.is_open]
        yield RandomiserFinding(
            "unserved_rules",
            "warn",
            f"Groups {shown(', '.join(closed))} have rules on properties and none were given: nobody passes them here.",
            "Give properties=frame with one row per id.",
            {"groups": closed},
        )
    raised = found.reason_counts().get("sdk_raises", 0)
    if raised:
        yield RandomiserFinding(
            "sdk_raises",
            "fail",
            f"For {number_of(raised, 'unit')} the official SDK raises an error instead of answering.",
            "Legacy rules need text properties, and splits must not be null.",
            {"count": raised},
        )


def _ratio_finding(rows: Sequence[SplitRow], p_value: float, alpha: float) -> RandomiserFinding:
    overall = [r for r in rows if r.group == ""]
    planned = {r.variant: r.planned for r in overall}
    shares = {r.variant: r.share for r in overall}
    by_hash = any(abs(r.forced - r.planned) > SMALLEST_SHIFT for r in overall)
    return RandomiserFinding(
        "sample_ratio",
        "fail" if by_hash else "warn",
        f"The realised split {named(shares)} does not fit the planned {named(planned)}: p = {p_value:.2g} < {alpha:g}.",
        "See the findings on the hash." if by_hash else "Bad luck of this salt on these ids: try another salt (seed finder).",
        {"p_value": p_value, "planned": planned, "realised": shares, "units": {r.variant: r.units for r in overall}},
    )


def _balances(subject: Subject, found: Assigned, units: UnitIds, history: Any) -> tuple[list[Balance], list[RandomiserFinding]]:
    if history is None:
        return [], []
    codes = subject.data.missing_codes if isinstance(subject, Plan) else ()
    columns = history_columns(history, units, unit_key(subject), categories=True, codes=codes)
    categories = category_columns(history, units, unit_key(subject))
    control = next((i for i, k in enumerate(found.keys) if _is_control(subject, k)), 0)
    out: list[Balance] = []
    for name, values in columns.items():
        out += balance(values, found.codes, found.keys, metric=name, reference=control)
    level = subject.health.bias_alpha if isinstance(subject, Plan) else 0.01
    tested = [b for b in out if math.isfinite(b.p_value)]
    texts = {name: association_of(c, found.codes, len(found.keys)) for name, c in categories.items()}
    tests = len(tested) + sum(math.isfinite(p) for p, _, _ in texts.values())
    findings = [*_constant(out), *_by_category(texts, categories, found.keys, level / max(tests, 1), level, tests)]
    findings += [
        RandomiserFinding(
            "unbalanced_history",
            "fail" if b.p_value < BEYOND_LUCK else "warn",
            f"{shown(b.metric)} differed before the experiment: {b.mean:.6g} in {shown(b.variant)} against "
            f"{b.mean_reference:.6g} ({b.standardised:+.4f} sd, p = {b.p_value:.2g} below {level:g} / {tests}).",
            "Luck does not do that: find what ties the column to the variant, such as a salt that was used before."
            if b.p_value < BEYOND_LUCK
            else "Choose another salt with the seed finder, or plan CUPED on this metric.",
            b.to_dict(),
        )
        for b in tested
        if b.p_value < level / tests
    ]
    findings += _missing_by_variant(columns, found)
    missing = {name: int((~np.isfinite(values) & (found.codes >= 0)).sum()) for name, values in columns.items()}
    missing = {k: v for k, v in missing.items() if v}
    if missing:
        findings.append(
            RandomiserFinding(
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


def _missing_by_variant(columns: Mapping[str, Any], found: Assigned) -> Iterator[RandomiserFinding]:
    """Columns that have values in one variant more often than in another: the gap itself says which variant a unit gets."""
    for name, values in columns.items():
        has = Categories(np.isfinite(values).astype(np.int64), ("no value", "a value"))
        p, v, table = association_of(has, found.codes, len(found.keys))
        if not (math.isfinite(p) and p < BEYOND_LUCK):
            continue
        shares = table[:, 1] / np.maximum(table.sum(axis=1), 1)
        listed = ", ".join(f"{share:.1%} of {shown(k)}" for k, share in zip(found.keys, shares.tolist(), strict=True))
        yield RandomiserFinding(
            "history_missing_by_variant",
            "fail",
            f"{shown(name)} has a value for {listed} (p = {p:.2g}, Cramér's V {v:.3f}): whether it is "
            "there depends on the variant.",
            "Luck does not do that: find what ties the column to the variant, such as a salt that was used before.",
            {
                "column": name,
                "p_value": p,
                "cramers_v": v,
                "share_with_value": dict(zip(found.keys, shares.tolist(), strict=True)),
            },
        )


def _constant(balances: Sequence[Balance]) -> Iterator[RandomiserFinding]:
    """Columns that do not vary within the variants and differ between them: they are the variant."""
    for b in balances:
        if math.isfinite(b.p_value) or min(b.n, b.n_reference) < 2 or b.mean == b.mean_reference:
            continue
        yield RandomiserFinding(
            "history_is_the_variant",
            "fail",
            f"{shown(b.metric)} is {b.mean_reference:.6g} for all {b.n_reference:,} units of the control and {b.mean:.6g} for "
            f"all {b.n:,} of {shown(b.variant)}: it says which variant a unit will get.",
            "Find what ties the column to the variant, such as a salt that was used before, and choose another salt.",
            b.to_dict(),
        )


def _by_category(
    tested: Mapping[str, tuple[float, float, Any]],
    categories: Mapping[str, Categories],
    keys: Sequence[str],
    limit: float,
    level: float,
    tests: int,
) -> Iterator[RandomiserFinding]:
    for name, (p, v, table) in tested.items():
        if not (math.isfinite(p) and p < limit):
            continue
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        at = int(np.ptp(shares, axis=0).argmax())
        label = categories[name].labels[at]
        told = ", ".join(f"{shares[i, at]:.1%} of {shown(k)}" for i, k in enumerate(keys))
        strong = p < BEYOND_LUCK
        yield RandomiserFinding(
            "unbalanced_category",
            "fail" if strong else "warn",
            f"{shown(name)} is not alike in the variants: {shown(label)} is {told} (p = {p:.2g} below {level:g} / {tests}, "
            f"Cramér's V {v:.3f}).",
            "Luck does not do that: find what ties the column to the variant, such as a salt that was used before."
            if strong
            else "Choose another salt with the seed finder.",
            {"column": name, "p_value": p, "cramers_v": v, "value": label},
        )


def _is_control(subject: Subject, key: str) -> bool:
    if isinstance(subject, Plan):
        return any(v.control and v.key == key for v in subject.variants)
    return any(v.is_control and v.key == key for v in subject.variants)
