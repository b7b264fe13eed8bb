"""Causes with a pattern in time: from a day on, up to a day, on single days, at weekends, drifting."""

from __future__ import annotations

import math

import numpy as np

from xpbench.errors import shown
from xpbench.health.causes.mismatch import (
    Case,
    UnitCounts,
    absent_variant,
    furthest_off,
    log_likelihood,
    pooled_shares,
    price_saved,
    table_of,
)
from xpbench.health.inputs import day_of


def add_days(case: Case) -> None:
    """The patterns over the days of exposure; none where there are fewer than three days."""
    keys, table = table_of(case, case.inputs.summary.exposures_by_day)
    days = len(keys)
    if days < 3:
        return
    base = log_likelihood(table, pooled_shares(table))
    by_plan = np.array([log_likelihood(row, case.planned) for row in table])
    price = math.log(days)
    _from_a_day(case, keys, table, base, by_plan, price)
    _until_a_day(case, keys, table, base, by_plan, price)
    _single_days(case, keys, table, base, by_plan)
    _weekend(case, keys, table, base, by_plan)
    _drift(case, keys, table, base)


def _from_a_day(case: Case, keys: list[str], table: UnitCounts, base: float, by_plan: UnitCounts, price: float) -> None:
    """As planned up to a day, and off from then on."""
    days = len(keys)
    after = [by_plan[:t].sum() + log_likelihood(table[t:], pooled_shares(table[t:])) for t in range(1, days)]
    t = int(np.argmax(after)) + 1
    piece = table[t:]
    variant, off = furthest_off(case, piece.sum(axis=0))
    score = float(after[t - 1]) - base - price
    gone = absent_variant(case, piece)
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


def _until_a_day(case: Case, keys: list[str], table: UnitCounts, base: float, by_plan: UnitCounts, price: float) -> None:
    """Off up to a day, and as planned from then on."""
    days = len(keys)
    before = [log_likelihood(table[:s], pooled_shares(table[:s])) + by_plan[s:].sum() for s in range(1, days)]
    s = int(np.argmax(before)) + 1
    piece = table[:s]
    variant, off = furthest_off(case, piece.sum(axis=0))
    score = float(before[s - 1]) - base - price
    gone = absent_variant(case, piece)
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
            f"Up to {keys[s - 1]} {shown(variant)} is off by {off:+.2%}, afterwards all is as planned: a fault that was fixed.",
            f"Ask what was fixed on {keys[s]}; begin the experiment again from there.",
            day=keys[s],
            variant=variant,
            off=off,
        )


def _is_split_change(table: UnitCounts, t: int) -> bool:
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


def _single_days(case: Case, keys: list[str], table: UnitCounts, base: float, by_plan: UnitCounts) -> None:
    """As planned on all days but a few."""
    days = len(keys)
    own = np.array([log_likelihood(row, pooled_shares(row)) for row in table])
    price = math.log(days) + 0.5 * (len(case.names) - 1) * math.log(max(case.n / days, 2.0))
    gains = own - by_plan - price
    chosen = [i for i in np.argsort(-gains)[: max(1, days // 3)] if gains[i] > 0]
    if not chosen:
        return
    score = float(by_plan.sum() + sum(own[i] - by_plan[i] - price for i in chosen)) - base + price_saved(case)
    listed = [keys[i] for i in sorted(chosen)]
    at_edge = sorted(chosen) in (list(range(len(chosen))), list(range(days - len(chosen), days)))
    if at_edge and absent_variant(case, table[sorted(chosen)]) is not None:
        return  # a variant that starts late or stops early, told as such
    variant, off = furthest_off(case, table[sorted(chosen)].sum(axis=0))
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


def _weekend(case: Case, keys: list[str], table: UnitCounts, base: float, by_plan: UnitCounts) -> None:
    """As planned on workdays, off at weekends (or the other way round)."""
    weekend = np.array([(d := day_of(k)) is not None and d.weekday() >= 5 for k in keys])
    if weekend.sum() < 2 or (~weekend).sum() < 2:
        return
    options = []
    for where, words in ((weekend, "at weekends"), (~weekend, "on workdays")):
        piece = table[where]
        options.append((by_plan[~where].sum() + log_likelihood(piece, pooled_shares(piece)) - base - math.log(2), words, piece))
    score, words, piece = max(options, key=lambda o: o[0])
    variant, off = furthest_off(case, piece.sum(axis=0))
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


def _drift(case: Case, keys: list[str], table: UnitCounts, base: float) -> None:
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
