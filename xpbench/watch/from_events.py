"""The series of a watch, made from the same export that the experiment was read from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from xpbench.canonical import digest
from xpbench.data.logs.events import EventsSource
from xpbench.data.logs.unit_days import DailySummary, last_whole_day, log_until, unit_days
from xpbench.data.summary import Cell, Summary
from xpbench.decide.estimate import subject_of
from xpbench.errors import WatchError, plain
from xpbench.plan import Plan
from xpbench.plan.metrics import MetricBase, Quantile
from xpbench.stats.functionals import functional
from xpbench.watch.contract import watched_metrics
from xpbench.watch.estimators import HOLDBACK, SHIPPED
from xpbench.watch.series import Group, Series, WatchDay

BEFORE_DAYS = 84
"""Days before launch that before-and-after is compared with: twelve weeks of season, where the log has them."""
SETTLE_DAYS = 1.0
"""A day counts when the log reaches so far beyond its end: what arrives late is in it by then."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WatchSeries:
    """The series of a contract, and how they were made.

    Attributes:
        series: By metric.
        last: The last day that counts.
        until: Until when the log reaches.
        fingerprint: Of what was read.
        metrics: The metrics as they are judged: margins of a window become relative where a day is compared with a day.
        notes: What a reader must know, in sentences.
    """

    series: Mapping[str, Series]
    last: date
    until: datetime
    fingerprint: str
    metrics: Mapping[str, MetricBase]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over the series: what an entry of the ledger binds."""
        return digest(series_to_dict(self.series))


def series_to_dict(series: Mapping[str, Series]) -> dict[str, Any]:
    """Series as a JSON value: by metric, by group, a row for each day."""
    return {
        key: {
            name: {
                "adopted": None if g.adopted is None else g.adopted.isoformat(),
                "days": [[d.day.isoformat(), d.n, d.mean, d.variance] for d in g.days],
            }
            for name, g in sorted(s.groups.items())
        }
        for key, s in sorted(series.items())
    }


def series_from_events(
    plan: Plan,
    source: EventsSource,
    *,
    variant: str,
    shipped: datetime,
    launched: datetime | None,
    last: date,
    settle_days: float = SETTLE_DAYS,
    by: str | None = None,
    adopted: Mapping[str, date | None] | None = None,
    trigger: str | None = None,
    means: Mapping[str, float] | None = None,
) -> WatchSeries:
    """The series that the plan's estimator needs.

    `holdback`: units by the day of their first exposure after the day of shipping, those on control against those on the
    shipped variant, with the plan's own windows; a unit whose window is not over is left out. `pre_post`: units that were
    active on a day, before launch and from the day after shipping on; the days in between, on which some units had the
    variant, are left out. `staggered`: the same by the values of a property, each with its day of adoption.

    Args:
        plan: With the contract.
        source: The log, `xp.events(...)`.
        variant: What was shipped.
        shipped: When.
        launched: When units were first assigned; from then on days are no days before.
        last: The last day that the check asks for.
        settle_days: How far the log must reach beyond the end of a day.
        by: With `staggered`: the property that holds a unit's group.
        adopted: With `staggered`: first day with the variant by value of the property, None = not yet.
        trigger: Event that makes a unit active on a day; any event if missing.
        means: Mean of the control by metric, from the decided readout: turns the margin of a window into a relative one.

    Raises:
        WatchError: `XPB-W03`, the arguments don't fit the estimator.
        DataError: the log can't be read under the plan, or has no whole day.
    """
    assert plan.watch is not None  # noqa: S101 - the caller has a contract
    keys = watched_metrics(plan)
    first = shipped.astimezone(UTC).date() + ONE_DAY
    if plan.watch.estimator == "holdback":
        return _holdback(plan, source, keys, variant=variant, first=first, last=last, settle_days=settle_days)
    groups: tuple[str, ...] = ()
    staggered = plan.watch.estimator == "staggered"
    if staggered:
        if not by or not adopted:
            raise WatchError(
                "XPB-W03",
                name=plain("adopted"),
                value=plain("missing"),
                rule=plain("A staggered rollout has a property with the groups, and a day of adoption for each of them"),
                remedy=plain("Give by= and adopted= (--group-by PROPERTY --adopted GROUP=2026-11-03, GROUP= for not yet)"),
            )
        groups = tuple(adopted)
    start = (launched or shipped).astimezone(UTC).date()
    days = unit_days(
        source,
        plan,
        metrics=keys,
        first=start - timedelta(days=BEFORE_DAYS),
        last=last,
        settle_days=settle_days,
        by=by if staggered else None,
        groups=groups,
        trigger=trigger,
    )
    between = () if staggered else (start, first)
    found = {k: _daily(plan, days, k, skip=between, adopted=adopted or {}) for k in keys}
    metrics, notes = _judged_by_day(plan, keys, means or {})
    what = f"units that did {trigger}" if trigger else "units that were active"
    notes = (f"Each day has the {what} on it, with what they did on that day.", *notes)
    if between and start < first:
        notes = (*notes, f"Days from {start} to {first - ONE_DAY} are left out: some units had the variant on them.")
    until = log_until(source, plan)
    return WatchSeries(found, days.last, until, days.summary.fingerprint, metrics, notes)


def _holdback(
    plan: Plan, source: EventsSource, keys: Sequence[str], *, variant: str, first: date, last: date, settle_days: float
) -> WatchSeries:
    until = log_until(source, plan)
    end = min(last, last_whole_day(until, settle_days))
    if end < first:
        raise WatchError(
            "XPB-W03",
            name=plain("The log"),
            value=plain(f"complete until {until:%Y-%m-%d %H:%M}"),
            rule=plain(f"The first day that counts is {first}"),
            remedy=plain("Export later days (xpbench pull) and run again"),
        )
    exposure = {k: v for k, v in plan.exposure.model_dump(mode="json", exclude_none=True).items() if k != "end"}
    kept = [m.model_dump(mode="json", exclude_none=True) for m in plan.metrics]
    used = plan.changed(
        exposure={**exposure, "start": first.isoformat(), "end": end.isoformat()},
        segments=[],
        metrics=[{**m, "cuped": False} for m in kept],
    )
    midnight = datetime(end.year, end.month, end.day, tzinfo=UTC) + ONE_DAY
    summary = replace(source, until=midnight, slices=frozenset(("day",)), cache=None).summarize(used)
    names = {HOLDBACK: plan.control.key, SHIPPED: variant}
    found = {}
    for key in keys:
        metric = plan.metric(key)
        found[key] = Series(key, {n: Group(n, _days(metric, summary, v, last=end)) for n, v in names.items()})
    return WatchSeries(
        found,
        end,
        until,
        summary.fingerprint,
        {k: plan.metric(k) for k in keys},
        (
            f"Units are counted on the day of their first exposure from {first} on, with the plan's windows; units whose "
            "window is not over are left out.",
        ),
    )


def _days(metric: MetricBase, summary: Summary, variant: str, *, last: date) -> tuple[WatchDay, ...]:
    """A row for each day, in metric units: linear around the mean of all days, so that days merge to the whole mean."""
    whole = summary.cell(metric.key, variant)
    if whole is None or not whole.n:
        return ()
    if isinstance(metric, Quantile):  # quantiles of days have no quantile of all days in them
        return (WatchDay(last, whole.n, whole.mean[0], whole.cov[0][0]),) if math.isfinite(whole.mean[0]) else ()
    cells = [(date.fromisoformat(c.slice), c) for c in summary.cells if _is_day(c, metric.key, variant)]
    subject, _ = subject_of(metric, whole.columns)
    value, gradient = functional(subject).at(np.asarray(whole.mean))
    out = []
    for day, cell in sorted(cells, key=lambda found: found[0]):
        mean = float(value + gradient @ (np.asarray(cell.mean) - np.asarray(whole.mean)))
        variance = float(gradient @ np.asarray(cell.cov) @ gradient)
        if cell.n and math.isfinite(mean):
            out.append(WatchDay(day, cell.n, mean, max(variance, 0.0) if math.isfinite(variance) else 0.0))
    return tuple(out)


def _is_day(cell: Cell, metric: str, variant: str) -> bool:
    return cell.dimension == "$day" and cell.metric == metric and cell.variant == variant and cell.form == "value"


def _daily(
    plan: Plan, days: DailySummary, key: str, *, skip: tuple[date, date] | tuple[()], adopted: Mapping[str, date | None]
) -> Series:
    """The own value of each day, without the days from `skip[0]` to before `skip[1]`."""
    metric = plan.metric(key)
    groups = {}
    for name in days.groups:
        found = []
        for cell in days.summary.cells:
            if not _is_day(cell, key, name) or not cell.n:
                continue
            day = date.fromisoformat(cell.slice)
            if skip and skip[0] <= day < skip[1]:
                continue
            subject, _ = subject_of(metric, cell.columns)
            value, gradient = functional(subject).at(np.asarray(cell.mean))
            if math.isfinite(float(value)):
                variance = float(gradient @ np.asarray(cell.cov) @ gradient)
                found.append(WatchDay(day, cell.n, float(value), variance if math.isfinite(variance) else None))
        shown = name if adopted else ""
        groups[shown] = Group(shown, tuple(sorted(found, key=lambda d: d.day)), adopted.get(name))
    return Series(key, groups)


def _judged_by_day(
    plan: Plan, keys: Sequence[str], means: Mapping[str, float]
) -> tuple[dict[str, MetricBase], tuple[str, ...]]:
    """The metrics with margins that a day can be held against.

    A margin in metric units belongs to the plan's window: one point of a conversion within two weeks is more than one point
    of a day's. It is turned into a share of the control's mean in the readout; without one the metric has no margin here.
    """
    out: dict[str, MetricBase] = {}
    notes = []
    for key in keys:
        metric = plan.metric(key)
        if metric.margin is None or isinstance(metric, Quantile) or getattr(metric, "kind", "") in ("mean", "ratio"):
            out[key] = metric
            continue
        mean = abs(means.get(key, 0.0))
        relative = metric.margin / mean if mean and math.isfinite(mean) else None
        usable = relative is not None and 0 < relative < 1
        out[key] = metric.model_copy(update={"margin": None, "margin_rel": relative if usable else None})
        if usable and relative is not None:
            notes.append(
                f"The margin of {metric.label}, {metric.margin:g} over the plan's window, is held against days as "
                f"{relative:.1%} of their mean, which is its share of the control's {mean:.4g} in the decided readout."
            )
        else:
            notes.append(
                f"{metric.label} has a margin over the plan's window and no mean to relate it to: it can't be shown here."
            )
    return out, tuple(notes)
