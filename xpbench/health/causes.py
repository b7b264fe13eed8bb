"""From the pattern of a sample ratio mismatch to a ranked list of causes, and where to look next.

Every cause predicts a table of counts: from one day on, in one segment, on single days, drifting, or constant with or
without something that was counted while reading (left-out bots, exposures without a variant …). The causes are compared by
how likely they make the table that was seen, each paying for what it may choose freely (a day, a segment, a share), as in
Schwarz's criterion. Stages follow Fabijan et al. 2019: assignment, execution, logging, analysis, interference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpbench.errors import shown
from xpbench.health.check import json_value
from xpbench.health.inputs import HealthInputs, day_of, plain_dict
from xpbench.health.sample_ratio import observed
from xpbench.health.shares import bucket_shares, flag_shares, planned_shares
from xpbench.stats import srm as core

Stage = Literal["assignment", "execution", "logging", "analysis", "interference"]
Counts = NDArray[np.float64]

FITS = 0.01
"""p-value from which counts are said to fit."""

ABSENT = 0.05
"""Share of its expected units below which a variant is as good as absent."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause of a sample ratio mismatch.

    Attributes:
        name: Key, such as `segment_loss`.
        stage: Where in the way of an exposure it sits.
        weight: Weight among the causes looked at, 0 to 1; they sum to 1.
        score: Log likelihood over "one variant off at a constant rate", less what the cause chose freely.
        meaning: What happened, if it is this.
        next_step: What to look at.
        evidence: Numbers that speak for it.
    """

    name: str
    stage: Stage
    weight: float
    score: float
    meaning: str
    next_step: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, JSON values only."""
        return {
            "name": self.name,
            "stage": self.stage,
            "weight": self.weight,
            "score": self.score,
            "meaning": self.meaning,
            "next_step": self.next_step,
            "evidence": json_value(self.evidence),
        }


@dataclass(slots=True)
class _Case:
    """The counts and what the causes compare them with."""

    inputs: HealthInputs
    names: list[str]
    planned: Counts
    total: Counts
    found: list[Cause] = field(default_factory=list)

    @property
    def n(self) -> float:
        return float(self.total.sum())

    def add(self, name: str, stage: Stage, score: float, meaning: str, next_step: str, **evidence: Any) -> None:
        """Put a cause on the list; the weight comes at the end."""
        self.found.append(Cause(name, stage, 0.0, score, meaning, next_step, evidence))

    def fits(self, counts: Counts, shares: Counts) -> float:
        """p-value of counts against shares."""
        rounded = [max(0, round(float(c))) for c in counts]
        return float(core.srm(rounded, [float(s) for s in shares]).p_value) if sum(rounded) else 1.0


def srm_causes(inputs: HealthInputs, *, always: bool = False) -> tuple[Cause, ...]:
    """The possible causes of a mismatch, most likely first; empty where the counts fit the plan everywhere.

    Args:
        inputs: As for the checks; the more of flag, assigned, audit and dates is there, the better it can tell.
        always: Rank even where no test sees a mismatch.

    Assumptions: one cause at work; with several, each tends to rank high in turn as the others are mended.
    Source: taxonomy of Fabijan et al. 2019, "Diagnosing sample ratio mismatch in online controlled experiments"; comparison by
        Schwarz 1978. Rates of right answers: benchmarks/health.py.
    """
    shares = planned_shares(inputs)
    names = [k for k, s in shares.items() if s > 0]
    counts = observed(inputs)
    case = _Case(inputs, names, np.array([shares[k] for k in names]), np.array([counts[k] for k in names], dtype=np.float64))
    if len(names) < 2 or case.n == 0 or not (always or _mismatch(case)):
        return ()
    _constant(case)
    _assignment(case)
    _counted(case)
    _days(case)
    _segments(case)
    ranked = sorted(case.found, key=lambda c: -c.score)
    best = ranked[0].score
    weights = [math.exp(max(c.score - best, -50.0)) for c in ranked]
    return tuple(
        Cause(c.name, c.stage, w / sum(weights), c.score, c.meaning, c.next_step, c.evidence)
        for c, w in zip(ranked, weights, strict=True)
    )


def _mismatch(case: _Case) -> bool:
    """Whether total, a day or a segment is off."""
    alpha = case.inputs.plan.health.srm_warn_alpha
    if case.fits(case.total, case.planned) < alpha:
        return True
    tables = [_table(case, case.inputs.summary.exposures_by_day)[1]]
    tables += [_table(case, slices)[1] for slices in case.inputs.summary.segments.values()]
    for table in tables:
        rows = [row for row in table if row.sum() * case.planned.min() >= 5]
        if any(case.fits(row, case.planned) * len(rows) < alpha for row in rows):
            return True
    return False


def _table(case: _Case, slices: Mapping[str, Mapping[str, int]]) -> tuple[list[str], Counts]:
    """Slices and their counts, shape (slices, variants)."""
    keys = sorted(slices)
    rows = [[float(slices[k].get(v, 0)) for v in case.names] for k in keys]
    return keys, np.array(rows).reshape(len(keys), len(case.names))


def _log_likelihood(counts: Counts, shares: Counts) -> float:
    """Multinomial log likelihood up to a constant; shares are never 0 where there are counts."""
    return float((counts * np.log(np.maximum(shares, 1e-12))).sum())


def _pooled(counts: Counts) -> Counts:
    """Shares of the counts summed over slices, a little away from 0."""
    summed = counts.sum(axis=0) if counts.ndim == 2 else counts
    pooled: Counts = (summed + 1e-6) / (summed + 1e-6).sum()
    return pooled


def _saved(case: _Case) -> float:
    """What a cause without free shares saves over one that fits them."""
    return 0.5 * (len(case.names) - 1) * math.log(max(case.n, 2.0))


def _off(case: _Case, counts: Counts) -> tuple[str, float]:
    """The variant that is furthest from its planned share, and by which share of it (negative: units are missing)."""
    total = counts.sum()
    if total == 0:
        return case.names[0], 0.0
    relative = counts / total / case.planned - 1.0
    worst = int(np.argmax(np.abs(relative)))
    return case.names[worst], float(relative[worst])


def _shortage(case: _Case) -> Counts:
    """Units that each variant lacks if the one with the most for its share is complete."""
    density = case.total / case.planned
    shortage: Counts = density.max() * case.planned - case.total
    return shortage


# -- constant patterns ----------------------------------------------------------------------------------------------------


def _constant(case: _Case) -> None:
    """Something takes units from one variant at a constant rate: the baseline that all others are compared with."""
    variant, off = _off(case, case.total)
    case.add(
        "constant_loss",
        "execution",
        0.0,
        f"{shown(variant)} is off its share by {off:+.2%} all the time and everywhere: units are lost (or added) between "
        "assignment and exposure in one variant, as by a redirect, a slow or crashing start, or an exposure that fires at "
        "another place.",
        "Compare where and when each variant sends its exposure; pass the assigned units by variant to tell loss from "
        "assignment.",
        variant=variant,
        off=off,
    )


def _assignment(case: _Case) -> None:
    inputs = case.inputs
    base = _log_likelihood(case.total, _pooled(case.total))
    flag = flag_shares(inputs.flag)
    if flag is not None and sum(flag.values()) > 0:
        shares = np.array([flag.get(k, 0.0) for k in case.names])
        if shares.sum() > 0 and np.abs(shares / shares.sum() - case.planned).max() > 5e-4:
            shares = shares / shares.sum()
            case.add(
                "flag_split",
                "assignment",
                _log_likelihood(case.total, np.maximum(shares, 1e-9)) - base + _saved(case),
                "The flag serves other splits than the plan states, and the counts follow the flag.",
                "Correct the flag or amend the plan; the randomisation itself is sound.",
                flag=dict(zip(case.names, shares.tolist(), strict=True)),
            )
    exact = bucket_shares(inputs.plan)
    if exact is not None:
        shares = np.array([exact[k] for k in case.names])
        if np.abs(shares - case.planned).max() > 5e-4:
            case.add(
                "bucket_rounding",
                "assignment",
                _log_likelihood(case.total, np.maximum(shares / shares.sum(), 1e-9)) - base + _saved(case) - 1.0,
                "The hash has a hundred buckets and can't serve these splits exactly.",
                "Nothing is broken: use shares in whole hundredths, and test against the exact shares.",
                shares=exact,
            )
        assignment = inputs.plan.assignment
        if assignment is not None and assignment.hash_salt is None and any(0 < g.share < 1 for g in assignment.rollout):
            case.add(
                "unsalted_ramp",
                "assignment",
                4.0,
                "A partial rollout without hash_salt ties the variant to the rollout: the first variant gets 39 to 47 % of a "
                "50/50 flag, without any fault of the app.",
                "Give the flag a hash_salt, run xpbench preflight over real ids, and start again.",
            )
    if inputs.audit is not None:
        report = plain_dict(inputs.audit)
        mismatches = int(report.get("disagreeing", report.get("mismatches", 0)) or 0)
        needed = float(_shortage(case).max())
        if mismatches > 0 and needed > 0:
            score = _saved(case) + 3.0 - 0.5 * max(0.0, math.log(max(needed / 2, 1) / mismatches)) ** 2 * 4
            case.add(
                "assignment_mismatch",
                "assignment",
                score,
                f"{mismatches:,} exposed units are not in the variant that the hash gives: another rule assigns as well.",
                "Open the audit's report: it names cause and first divergence.",
                mismatches=mismatches,
                causes=[str(c.get("name", "")) for c in report.get("causes", ())][:5],
            )
    if inputs.assigned is not None:
        assigned = np.array([float(inputs.assigned.get(k, 0)) for k in case.names])
        if assigned.sum() > 0 and (assigned >= case.total).all():
            fits = case.fits(assigned, case.planned) >= FITS
            rates = case.total / np.maximum(assigned, 1.0)
            if fits:
                case.add(
                    "exposure_loss",
                    "execution",
                    _saved(case) + 2.0,
                    "As many units were assigned as planned, but one variant exposes fewer of them: they are lost on the way.",
                    "Look at load time, redirects, crashes and consent in the variant with the lower rate "
                    "before its exposure is sent.",
                    rate=dict(zip(case.names, rates.tolist(), strict=True)),
                )
            elif case.fits(case.total, assigned / assigned.sum()) >= FITS:
                case.add(
                    "assignment_bias",
                    "assignment",
                    _saved(case) + 2.0,
                    "The mismatch is there at assignment already; exposures follow it.",
                    "Run xpbench preflight with the plan's hash over the same ids: salt, id format, rollout or a second "
                    "assigner.",
                    assigned=dict(zip(case.names, assigned.tolist(), strict=True)),
                )


@dataclass(frozen=True, slots=True)
class _Kind:
    """A finding that can explain a mismatch."""

    findings: tuple[str, ...]
    name: str
    stage: Stage
    meaning: str
    next_step: str


_KINDS = (
    _Kind(
        ("bots", "power_users"),
        "bot_filter",
        "interference",
        "Automatic traffic is filtered more in one variant: the filter looks at what the variant changes, or bots meet "
        "only one.",
        "Filter by what is known before the exposure (user agent, address), never by behaviour after it.",
    ),
    _Kind(
        ("qa_tester",),
        "test_user_filter",
        "analysis",
        "Units labelled as test users are left out more in one variant, as with a rollout group that overrides the variant.",
        "Keep them (exposure.qa_testers: keep) if the label comes from an override.",
    ),
    _Kind(
        ("several_variants",),
        "contamination_excluded",
        "analysis",
        "Units that met several variants are left out more in one variant.",
        "Keep the first exposure (exposure.several_variants: first) and mend what makes units switch.",
    ),
    _Kind(
        ("outside_dates", "late_events"),
        "date_filter",
        "analysis",
        "Exposures outside the dates are left out more in one variant: it started earlier, ended later or reports late.",
        "Compare the variants' first and last days, and the time zone of each tracker.",
    ),
    _Kind(
        ("duplicate_units", "rejected_lines", "missing_unit"),
        "rows_left_out",
        "analysis",
        "Rows were left out while reading, more in one variant than in the other.",
        "Mend the table at its source; look at the rows that were refused.",
    ),
    _Kind(
        ("identity_changes",),
        "identity_churn",
        "logging",
        "Units change their id more in one variant and are counted again under the new one.",
        "Assign by an id that outlives log-in and consent; look at cookies the variant sets or clears.",
    ),
    _Kind(
        ("missing_variant",),
        "variant_not_logged",
        "logging",
        "Exposures without a variant make up for the units that are missing.",
        "Find the place that sends the exposure without its variant property.",
    ),
    _Kind(
        ("unknown_variant",),
        "variant_misspelt",
        "logging",
        "Exposures of a variant that the plan does not have make up for the units that are missing.",
        "Compare spellings; a renamed or capitalised key loses its units.",
    ),
    _Kind(
        ("duplicate_events",),
        "retries",
        "logging",
        "Events arrive twice more often in one variant: its tracker retries, and its first deliveries may be lost as well.",
        "Compare the delivery of both variants' trackers; send with a stable insert id.",
    ),
)


def _counted(case: _Case) -> None:
    """What was counted while reading, put back (or taken out) in thought: do the counts fit then?"""
    base = _log_likelihood(case.total, _pooled(case.total))
    for kind in _KINDS:
        findings = case.inputs.findings(*kind.findings)
        if not findings:
            continue
        by = np.array([float(sum(int(f.by_variant.get(k, 0)) for f in findings)) for k in case.names])
        count = float(sum(f.count for f in findings))
        if by.sum() > 0:
            excluded = findings[0].action not in ("kept", "split")
            mended = case.total + by if excluded else np.maximum(case.total - by, 0.0)
            misfit = _log_likelihood(mended, _pooled(mended)) - _log_likelihood(mended, case.planned)
            moved = _log_likelihood(case.total, case.planned)
            gain = base - moved  # what the mismatch is worth
            score = _saved(case) + 2.0 - misfit if misfit < gain else -misfit
        else:
            shortage = _shortage(case)
            needed = float(shortage.sum())
            noise = math.sqrt(case.n)
            score = _saved(case) + 1.0 - 0.5 * ((count - needed) / noise) ** 2 / 2.0
        case.add(
            kind.name,
            kind.stage,
            score,
            kind.meaning,
            kind.next_step,
            count=int(count),
            by_variant=dict(zip(case.names, by.tolist(), strict=True)),
        )


# -- patterns in time -----------------------------------------------------------------------------------------------------


def _days(case: _Case) -> None:
    keys, table = _table(case, case.inputs.summary.exposures_by_day)
    days = len(keys)
    if days < 3:
        return
    base = _log_likelihood(table, _pooled(table))
    by_plan = np.array([_log_likelihood(row, case.planned) for row in table])
    price = math.log(days)
    _change(case, keys, table, base, by_plan, price)
    _single_days(case, keys, table, base, by_plan)
    _weekend(case, keys, table, base, by_plan)
    _drift(case, keys, table, base)


def _change(case: _Case, keys: list[str], table: Counts, base: float, by_plan: Counts, price: float) -> None:
    """As planned up to a day and off from then on, or off up to a day and as planned from then on."""
    days = len(keys)
    after = [by_plan[:t].sum() + _log_likelihood(table[t:], _pooled(table[t:])) for t in range(1, days)]
    t = int(np.argmax(after)) + 1
    piece = table[t:]
    variant, off = _off(case, piece.sum(axis=0))
    score = float(after[t - 1]) - base - price
    gone = _absent(case, piece)
    if gone is not None:
        case.add(
            "variant_stopped",
            "execution",
            score + 1.0,
            f"{shown(gone)} gets no units from {keys[t]} on: it was switched off, or its exposures stopped.",
            "Look at the flag's and the release's history on that day; end the experiment for all variants on the day before.",
            day=keys[t],
            variant=gone,
        )
    elif _is_split_change(table, t):
        case.add(
            "split_changed",
            "assignment",
            score + 0.5,
            f"From {keys[t]} on the shares are others, while the number of units stays: the split was changed.",
            "Look at the flag's history. Read the two periods apart: mixing splits over time mixes days with variants.",
            day=keys[t],
            variant=variant,
            off=off,
        )
        case.add(
            "fault_from_day",
            "execution",
            score - 0.5,
            f"From {keys[t]} on {shown(variant)} is off by {off:+.2%}: a release or a change of tracking.",
            "List what was released on or before that day.",
            day=keys[t],
            variant=variant,
            off=off,
        )
    else:
        case.add(
            "fault_from_day",
            "execution",
            score + 0.5,
            f"From {keys[t]} on {shown(variant)} is off by {off:+.2%} and the number of units changes with it: a release or a "
            "change of tracking took units from one variant.",
            "List what was released on or before that day.",
            day=keys[t],
            variant=variant,
            off=off,
        )
        case.add(
            "split_changed",
            "assignment",
            score - 0.5,
            f"From {keys[t]} on the shares are others.",
            "Look at the flag's history.",
            day=keys[t],
            variant=variant,
            off=off,
        )
    before = [_log_likelihood(table[:s], _pooled(table[:s])) + by_plan[s:].sum() for s in range(1, days)]
    s = int(np.argmax(before)) + 1
    piece = table[:s]
    variant, off = _off(case, piece.sum(axis=0))
    score = float(before[s - 1]) - base - price
    gone = _absent(case, piece)
    if gone is not None:
        case.add(
            "late_start",
            "execution",
            score + 1.0,
            f"{shown(gone)} has no units before {keys[s]}: it started later than the others.",
            "Begin the experiment on the day on which all variants are served (exposure.start).",
            day=keys[s],
            variant=gone,
        )
    else:
        case.add(
            "fault_until_day",
            "execution",
            score,
            f"Up to {keys[s - 1]} {shown(variant)} is off by {off:+.2%}, afterwards all is as planned: a fault that was "
            "mended.",
            f"Ask what was mended on {keys[s]}; begin the experiment anew from there.",
            day=keys[s],
            variant=variant,
            off=off,
        )


def _absent(case: _Case, table: Counts) -> str | None:
    """A variant with next to none of its planned units in these days."""
    summed = table.sum(axis=0)
    others = (summed / case.planned).max()
    for i, name in enumerate(case.names):
        if others > 0 and summed[i] < ABSENT * case.planned[i] * others:
            return name
    return None


def _is_split_change(table: Counts, t: int) -> bool:
    """Whether the variants that gained did so by what the others lost (a split) rather than stayed as they were (a loss)."""
    before, after = table[:t].mean(axis=0), table[t:].mean(axis=0)
    total_before, total_after = before.sum(), after.sum()
    if total_before <= 0 or total_after <= 0 or (before <= 0).any():
        return False
    share_before, share_after = before / total_before, after / total_after
    change = share_after / share_before
    losers = change < 1
    if losers.all() or not losers.any():
        return False
    kept = after[~losers].sum() / before[~losers].sum()
    as_split = share_after[~losers].sum() / share_before[~losers].sum()
    # a loss leaves the others' daily units as they were; a split change moves them by what was taken away
    return abs(math.log(kept / as_split)) < abs(math.log(kept))


def _single_days(case: _Case, keys: list[str], table: Counts, base: float, by_plan: Counts) -> None:
    """As planned on all days but a few."""
    days = len(keys)
    own = np.array([_log_likelihood(row, _pooled(row)) for row in table])
    price = math.log(days) + 0.5 * (len(case.names) - 1) * math.log(max(case.n / days, 2.0))
    gains = own - by_plan - price
    chosen = [i for i in np.argsort(-gains)[: max(1, days // 3)] if gains[i] > 0]
    if not chosen:
        return
    score = float(by_plan.sum() + sum(own[i] - by_plan[i] - price for i in chosen)) - base + _saved(case)
    listed = [keys[i] for i in sorted(chosen)]
    at_edge = sorted(chosen) in (list(range(len(chosen))), list(range(days - len(chosen), days)))
    if at_edge and _absent(case, table[sorted(chosen)]) is not None:
        return  # a variant that starts late or stops early, told as such
    variant, off = _off(case, table[sorted(chosen)].sum(axis=0))
    case.add(
        "single_days",
        "logging",
        score,
        f"{shown(variant)} is off on {len(listed)} day(s) only ({', '.join(listed[:4])}{' …' if len(listed) > 4 else ''}): "
        "an outage of its serving or logging.",
        "Look at incidents and deliveries on these days; an amendment may leave whole days out for all variants.",
        days=listed,
        variant=variant,
        off=off,
    )


def _weekend(case: _Case, keys: list[str], table: Counts, base: float, by_plan: Counts) -> None:
    """As planned on workdays, off at weekends (or the other way round)."""
    weekend = np.array([(d := day_of(k)) is not None and d.weekday() >= 5 for k in keys])
    if weekend.sum() < 2 or (~weekend).sum() < 2:
        return
    options = []
    for where, words in ((weekend, "at weekends"), (~weekend, "on workdays")):
        piece = table[where]
        options.append((by_plan[~where].sum() + _log_likelihood(piece, _pooled(piece)) - base - math.log(2), words, piece))
    score, words, piece = max(options, key=lambda o: o[0])
    variant, off = _off(case, piece.sum(axis=0))
    case.add(
        "days_of_week",
        "execution",
        float(score),
        f"{shown(variant)} is off by {off:+.2%} {words} only: something that runs by the calendar.",
        "Look at scheduled jobs, campaigns and batch uploads that touch one variant.",
        when=words,
        variant=variant,
        off=off,
    )


def _drift(case: _Case, keys: list[str], table: Counts, base: float) -> None:
    """Shares that start as planned and move away steadily."""
    time = np.linspace(0.0, 1.0, len(keys))
    best: tuple[float, int, float] | None = None
    totals = table.sum(axis=1)
    for i in range(len(case.names)):
        offset = math.log(case.planned[i] / (1.0 - case.planned[i]))
        slope = 0.0
        for _ in range(25):
            p = 1.0 / (1.0 + np.exp(-(offset + slope * time)))
            gradient = float((time * (table[:, i] - totals * p)).sum())
            curvature = float((time * time * totals * p * (1.0 - p)).sum())
            if curvature <= 0:
                break
            step = gradient / curvature
            slope += max(-2.0, min(2.0, step))
            if abs(step) < 1e-10:
                break
        p = 1.0 / (1.0 + np.exp(-(offset + slope * time)))
        rest = 1.0 - case.planned[i]
        shares = np.array([(1.0 - p) * w / rest for w in case.planned]).T
        shares[:, i] = p
        value = float((table * np.log(np.maximum(shares, 1e-12))).sum()) - base
        if best is None or value > best[0]:
            best = (value, i, slope)
    if best is None:
        return
    score, i, slope = best
    case.add(
        "drift",
        "interference",
        score - math.log(len(case.names)),
        f"The share of {shown(case.names[i])} starts as planned and {'falls' if slope < 0 else 'rises'} day by day: whether a "
        "unit is exposed depends on what the variant did to it (or to others) before.",
        "Expose at the first visit, before anything that the variant changes; look at caches and returning units.",
        variant=case.names[i],
        log_odds_over_run=slope,
    )


# -- patterns over segments ------------------------------------------------------------------------------------------------


def _segments(case: _Case) -> None:
    tables = {s: _table(case, v) for s, v in sorted(case.inputs.summary.segments.items()) if len(v) > 1}
    choices = sum(len(keys) for keys, _ in tables.values())
    for segment, (keys, table) in tables.items():
        base = _log_likelihood(table, _pooled(table))
        by_plan = np.array([_log_likelihood(row, case.planned) for row in table])
        own = np.array([_log_likelihood(row, _pooled(row)) for row in table])
        gains = own - by_plan
        i = int(np.argmax(gains))
        score = float(by_plan.sum() + gains[i]) - base - math.log(max(choices, 1))
        variant, off = _off(case, table[i])
        case.add(
            "segment_fault",
            "execution",
            score + 0.5,
            f"{shown(variant)} is off by {off:+.2%} in {shown(segment)} = {shown(keys[i])} only: a variant does not work "
            "there, is "
            "not logged there, or gets units there that are no new ones.",
            f"Try every variant in {shown(segment)} = {shown(keys[i])}; look at errors, consent, caches and old versions "
            "there.",
            segment=segment,
            value=keys[i],
            variant=variant,
            off=off,
        )


Injector = Callable[[np.random.Generator], HealthInputs]


def accuracy(truth: Mapping[str, Injector], *, runs: int, seed: int) -> dict[str, dict[str, Any]]:
    """How often the injected cause is ranked first, by cause: hits, runs and what was said instead.

    Args:
        truth: For each cause's name, a function that makes inputs with this cause at work.
        runs: Runs per cause.
        seed: Seed of the generator.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, make in truth.items():
        said: dict[str, int] = {}
        for i in range(runs):
            causes = srm_causes(make(np.random.default_rng([seed, len(out), i])))
            first = causes[0].name if causes else "(none)"
            said[first] = said.get(first, 0) + 1
        out[name] = {"runs": runs, "first": said.get(name, 0) / runs, "said": dict(sorted(said.items(), key=lambda p: -p[1]))}
    return out
