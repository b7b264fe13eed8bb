"""One check of the contract: estimates, margins, a state, and the entry of the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from xpbench.decide.margins import MarginState, judge_margin
from xpbench.errors import WatchError, nearest, plain
from xpbench.ledger import Clock, Entry, Ledger
from xpbench.ledger.clock import parse_stamp
from xpbench.plan import Plan
from xpbench.plan.metrics import MetricBase
from xpbench.stats.inference import absolute, relative
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import Pair
from xpbench.watch.contract import WatchState, check_days, recorded, shipping, watched_metrics, worst
from xpbench.watch.estimators import NotAnswerable, Trend, holdback, pre_post, staggered
from xpbench.watch.series import Series


@dataclass(frozen=True, slots=True)
class WatchRow:
    """What one metric did since shipping.

    Attributes:
        metric: Key of the metric.
        state: `kept` (shown to be within its margin), `breached` (worse, and not within it) or `not answerable`.
        reason: One sentence.
        before: Without the shipped variant, as estimated; None where unknown.
        after: With it.
        effect: after minus before.
        ci_low: Lower end of the interval.
        ci_high: Upper end.
        lift: effect / |before|.
        lift_low: Lower end; None where it is unbounded.
        lift_high: Upper end.
        margin: Worst change accepted, with its sign, on the scale of the plan.
        alpha: Two-sided level of this check: the plan's, shared by the check dates.
    """

    metric: str
    state: WatchState
    reason: str
    before: float | None = None
    after: float | None = None
    effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
    margin: float | None = None
    alpha: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


_STATES: dict[MarginState, tuple[WatchState, str]] = {
    "ok": ("kept", "It is shown to be within its margin."),
    "bad": ("breached", "It is worse, and not within its margin."),
    "unclear": ("not answerable", "The interval reaches beyond the margin but shows no harm: more days are needed."),
}


def judge(metric: MetricBase, pair: Pair, *, alpha: float) -> WatchRow:
    """The state of a metric from its pair.

    Args:
        metric: With direction and margin.
        pair: From an estimator.
        alpha: Two-sided level of this check.
    """
    if pair.status != "ok":
        return WatchRow(metric.key, "not answerable", pair.reason or pair.status, alpha=alpha)
    q = q_fixed(alpha, pair.df)
    effect, lift = absolute(pair, q), relative(pair, q)
    good = 1.0 if metric.direction == "increase" else -1.0
    is_worse = effect.ci_high < 0 if good > 0 else effect.ci_low > 0
    judged = judge_margin(metric, pair, q=q, is_worse=is_worse)
    state: WatchState
    if judged.margin is None:
        state = "breached" if is_worse else "not answerable"
        reason = "It is worse than before." if is_worse else "It has no margin, so it can't be shown to be kept."
    else:
        state, reason = _STATES[judged.state]
    return WatchRow(
        metric.key,
        state,
        reason,
        before=_finite(pair.mc),
        after=_finite(pair.mt),
        effect=_finite(effect.effect),
        ci_low=_finite(effect.ci_low),
        ci_high=_finite(effect.ci_high),
        lift=_finite(lift.lift),
        lift_low=_finite(lift.lift_low),
        lift_high=_finite(lift.lift_high),
        margin=judged.margin,
        alpha=alpha,
    )


def check_rows(
    plan: Plan,
    series: Mapping[str, Series],
    *,
    shipped: datetime,
    check_day: int,
    trend: Trend = "linear",
    now: datetime | None = None,
    metrics: Mapping[str, MetricBase] | None = None,
) -> tuple[WatchRow, ...]:
    """One row per watched metric, from the whole days up to the check's day.

    A day (UTC) that is not over yet holds the units and events of some of its hours: it counts for nothing, so that it neither
    breaches a guardrail nor hides a breach. A row's reason names what was left out.

    Args:
        plan: With the contract.
        series: By metric.
        shipped: When the variant was shipped.
        check_day: Days after shipping of this check.
        trend: For the estimator `pre_post`.
        now: Aware time of the check; every day of the data counts as over if missing.
        metrics: Metrics as they are judged, where their margins are held against another scale; the plan's if missing.

    Raises:
        WatchError: `XPB-W01`, the plan has no contract; `XPB-W03`, no such check day.
    """
    if plan.watch is None:
        raise WatchError("XPB-W01", key=plan.key)
    days = check_days(plan)
    if check_day not in days:
        raise WatchError(
            "XPB-W03",
            name=plain("check_day"),
            value=check_day,
            rule=plain(f"The contract has checks on days {', '.join(map(str, days))}"),
            remedy=plain("Give one of them"),
        )
    alpha = plan.alpha / len(days)
    until = (shipped + timedelta(days=check_day)).date()
    last = until if now is None else min(until, now.astimezone(UTC).date() - timedelta(days=1))
    rows: list[WatchRow] = []
    for key in watched_metrics(plan):
        metric = (metrics or {}).get(key) or plan.metric(key)
        data = series.get(key)
        if data is None:
            rows.append(WatchRow(key, "not answerable", f"There is no data. {nearest(key, series)}", alpha=alpha))
            continue
        whole = data.up_to(last)
        left_out = sorted({d.day for g in data.up_to(until).groups.values() for d in g.days if d.day > last})
        try:
            row = judge(metric, _pair(plan, whole, shipped, trend), alpha=alpha)
        except NotAnswerable as reason:
            row = WatchRow(key, "not answerable", str(reason), alpha=alpha)
        days_out = f" {', '.join(map(str, left_out))} was not over yet and does not count." if left_out else ""
        rows.append(replace(row, reason=row.reason + days_out))
    return tuple(rows)


def record_check(
    plan: Plan,
    ledger: Ledger,
    series: Mapping[str, Series],
    *,
    check_day: int | None = None,
    by: str,
    note: str = "",
    trend: Trend = "linear",
    clock: Clock | None = None,
    metrics: Mapping[str, MetricBase] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Entry:
    """Compute a check and put it on record; the entry is on disk when this returns.

    Args:
        plan: The plan in force.
        ledger: Of the experiment.
        series: By metric, see `series_of`.
        check_day: Which check; the first one without a record where missing.
        by: Who looks.
        note: Anything to remember.
        trend: For the estimator `pre_post`.
        clock: Where the time comes from, to refuse a check before its date; the ledger's own clock where missing, by which no
            check is refused. Days that are not over by then don't count.
        metrics: Metrics as they are judged; the plan's if missing.
        more: What else the entry holds: how the series were made, and their digest.

    Raises:
        WatchError: `XPB-W01` no contract, `XPB-W02` not shipped, `XPB-W03` no such check, recorded already or not due yet.
    """
    entries = ledger.entries()
    shipped = shipping(entries)
    if plan.watch is None:
        raise WatchError("XPB-W01", key=plan.key)
    if shipped is None:
        raise WatchError("XPB-W02", key=plan.key)
    start = parse_stamp(shipped.at)
    done = set(recorded(entries, shipped))
    day = check_day if check_day is not None else next((d for d in check_days(plan) if d not in done), check_days(plan)[-1])
    if day in done:
        raise WatchError(
            "XPB-W03",
            name=plain("check_day"),
            value=day,
            rule=plain("A check is recorded once"),
            remedy=plain("Choose another day; a correction needs an entry of its own with its reason in the decision"),
        )
    if clock is not None and clock() < start + timedelta(days=day):
        raise WatchError(
            "XPB-W03",
            name=plain("check_day"),
            value=day,
            rule=plain(f"It is due on {start + timedelta(days=day):%Y-%m-%d}"),
            remedy=plain("Wait until then"),
        )
    now = max((clock or ledger.now)(), parse_stamp(entries[-1].at))  # a clock that was set back makes no day unfinished
    rows = check_rows(plan, series, shipped=start, check_day=day, trend=trend, now=now, metrics=metrics)
    body: dict[str, Any] = {
        "check_day": day,
        "state": worst([r.state for r in rows]) if rows else "not answerable",
        "estimator": plan.watch.estimator,
        "trend": trend if plan.watch.estimator == "pre_post" else None,
        "rows": [r.to_dict() for r in rows],
        "note": note,
        "plan_digest": plan.digest,
        **(more or {}),
    }
    return ledger.append("watched", body, by=by)


def _pair(plan: Plan, series: Series, shipped: datetime, trend: Trend) -> Pair:
    assert plan.watch is not None  # noqa: S101 - checked by the caller
    match plan.watch.estimator:
        case "holdback":
            return holdback(series)
        case "pre_post":
            return pre_post(series, shipped=shipped.date(), trend=trend)
        case _:
            return staggered(series)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
