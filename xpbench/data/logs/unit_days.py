"""What units did on each day of a log, without exposures: a unit and a day together count as one unit.

After shipping there is nothing left to assign, and before launch there was nothing yet. A daily series therefore asks of every
unit that was active on a day what it did on that day. The pipeline of an experiment answers it: its units are pairs of unit
and day, each exposed at its first event of the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.events import EventsSource
from xpbench.data.logs.log import DAY, Log, LogProperties, happened, properties_of
from xpbench.data.logs.log_to_units import LogReading
from xpbench.data.logs.unit_table_note import summary_of
from xpbench.data.logs.values import events_of
from xpbench.data.moments import rows_of
from xpbench.data.summary import Summary
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric, Retention

ACTIVE = "$xpbench_unit_day"
"""Event that marks the first event of a unit on a day."""
EVERYONE = "everyone"
SIZE = timedelta(days=1)
MOST_DAYS = 190
"""Days of one series: slices of a summary are limited."""

c = nw.col


@dataclass(frozen=True, slots=True)
class DailySummary:
    """What a log holds day by day.

    Attributes:
        summary: With cells of dimension `$day`; variants are the groups.
        last: The last day that counts: over, and settled.
        groups: Names of the groups.
    """

    summary: Summary
    last: date
    groups: tuple[str, ...]


class ActiveUnits:
    """A log whose units are pairs of unit and day, with an exposure at the first event of each; the rest is the log's own.

    With `per_day=False` its units are the units of the log, each exposed at its first event in the span.
    """

    def __init__(
        self,
        log: Log,
        plan: Plan,
        properties: LogProperties,
        *,
        by: str,
        trigger: str,
        exposure: str,
        span: tuple[int, int],
        per_day: bool = True,
    ) -> None:
        self._log = log
        start, stop = span
        frame = log.frame().filter(~c("u").is_null() & ~c("t").is_null(), c("t") >= start, c("t") < stop)
        kinds = frame.collect_schema()
        unit = c("u").cast(nw.String)
        if per_day:
            unit = nw.concat_str(unit, nw.lit("|"), (c("t") // DAY).cast(nw.Int64).cast(nw.String))
        frame = frame.with_columns(u=unit)
        # an exposure is no activity: there are none before launch and after the end
        did = frame.filter(c("event") == trigger) if trigger else frame.filter(c("event") != exposure)
        group = {"g": c(properties.texts[by]).min()} if by else {}
        first = did.group_by("u").agg(t=c("t").min(), **group)
        named = {
            properties.texts[plan.exposure.experiment_property]: nw.lit(plan.experiment_name),
            properties.texts[plan.exposure.variant_property]: c("g") if by else nw.lit(EVERYONE),
        }
        columns: list[nw.Expr] = []
        for name, kind in kinds.items():
            if name in ("u", "t"):
                columns.append(c(name))
            elif name in named:
                columns.append(named[name].cast(nw.String).alias(name))
            elif name == "event":
                columns.append(nw.lit(ACTIVE).alias(name))
            elif name == "iid":
                columns.append(nw.lit("").alias(name))
            else:
                columns.append(nw.lit(None).cast(kind).alias(name))
        self._frame = log.keep(nw.concat([frame.select(*kinds), first.select(*columns)]), "unit_days", near="u")

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events, those that mark a day among them."""
        return happened(self._frame, between)

    def ends(self) -> None:
        """Not known without reading."""
        return

    def counted(self, now: int) -> None:
        """Not counted with the fingerprint: there are more events here than in the files."""
        return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def unit_days(
    source: EventsSource,
    plan: Plan,
    *,
    metrics: Sequence[str],
    first: date,
    last: date,
    settle_days: float = 1.0,
    by: str | None = None,
    groups: Sequence[str] = (),
    trigger: str | None = None,
) -> DailySummary:
    """Moments of every metric for each day, over the units that were active on it.

    A day counts when it is over and the log reaches `settle_days` beyond its end, so that events that arrive late are in it.

    Args:
        source: The log.
        plan: Whose metrics are counted; windows become the rest of the day.
        metrics: Keys of those that are wanted; what they are made of comes along.
        first: First day (UTC).
        last: Last day wanted; an earlier one is taken where the log does not reach it.
        settle_days: Time beyond the end of a day that the log must reach.
        by: Property by which units are grouped; everyone is one group if missing.
        groups: Values of that property; others are left out.
        trigger: Event that makes a unit active on a day; any event if missing.

    Raises:
        DataError: the log does not fit, `XPB-D31` nobody did the trigger, `XPB-D34` no day is over.
    """
    from xpbench.data.logs.opening import open_log

    names = tuple(groups) if by else (EVERYONE,)
    daily = _plan(plan, metrics, by, names)
    schema = replace(source.schema, unit=source.schema.unit or plan.unit)
    source = replace(source, schema=schema, slices=frozenset(("day",)), cache=None)
    properties = properties_of(daily)
    if by:
        properties.text(by)
    stages = Stages(7, None)
    with open_log(source, daily, properties, stages) as log:
        until = log_end(log, source)
        settled = last_whole_day(until, settle_days)
        known = {str(r["event"]) for r in rows_of(log.frame().group_by("event").agg(n=nw.len())) if r["event"]}
        if trigger and trigger not in known:
            raise DataError("XPB-D31", key="trigger", event=trigger, hint=plain(nearest(trigger, known)))
        counted = {name for m in daily.metrics if isinstance(m, EventMetric) for name in events_of(m) or ()}
        if not trigger and known <= counted | {plan.exposure.event}:
            raise DataError(
                "XPB-D46",
                argument=plain("trigger"),
                value=plain("missing"),
                rule=plain(
                    "A day holds the units that were active on it, and this log has the events of the metrics alone: a share "
                    "of those who did them says nothing"
                ),
                hint=plain("Export an event that every visit has as well, or name one with trigger= (--trigger)"),
            )
        stop = min(last, settled)
        first = max(first, stop - timedelta(days=MOST_DAYS - 1))
        if stop < first:
            raise DataError(
                "XPB-D07", what=plain(f"The log has no whole day from {first} to {last}: it ends at {until:%Y-%m-%d %H:%M}")
            )
        span = (_micros(first), _micros(stop + SIZE))
        # a unit has the events of its day alone, so that its window is over with the day whatever the hour of its first event
        source = replace(source, until=datetime(stop.year, stop.month, stop.day, tzinfo=UTC) + 2 * SIZE)
        held: Any = ActiveUnits(
            log, daily, properties, by=by or "", trigger=trigger or "", exposure=plan.exposure.event, span=span
        )
        look, units = LogReading(source, daily, properties, held, stages).look()
        look = replace(look, fingerprint=log.fingerprint())
        return DailySummary(summary_of(source, daily, look, units, (), stages, None), stop, names)


def log_until(source: EventsSource, plan: Plan) -> datetime:
    """Until when a log is complete: what its source says, else the time of its last event that is not in the future."""
    from xpbench.data.logs.opening import open_log

    if source.until is not None:
        return source.until
    with open_log(source, plan, properties_of(plan), Stages(1, None)) as log:
        return log_end(log, source)


def log_end(log: Log, source: EventsSource) -> datetime:
    """The same of a log that is open.

    Raises:
        DataError: `XPB-D07`, it has no event.
    """
    if source.until is not None:
        return source.until
    now = int(source.clock().timestamp() * 1_000_000)
    (row,) = rows_of(log.frame().filter(c("t") <= now).select(t=c("t").max()))
    if row["t"] is None:
        raise DataError("XPB-D07", what=plain("The log has no events"))
    return datetime.fromtimestamp(int(row["t"]) / 1e6, UTC)


def last_whole_day(until: datetime, settle_days: float) -> date:
    """The last day (UTC) whose end lies at least so many days before a time."""
    # a log whose last event is in the last second of a day has that day whole
    return (until + timedelta(seconds=1) - timedelta(days=settle_days)).astimezone(UTC).date() - SIZE


def _plan(plan: Plan, metrics: Sequence[str], by: str | None, names: Sequence[str]) -> Plan:
    document = plan.to_dict()
    wanted = _with_parts(plan, metrics)
    kept = []
    for metric in plan.metrics:
        if metric.key not in wanted:
            continue
        if isinstance(metric, Retention):
            raise DataError(
                "XPB-D35",
                key=metric.key,
                part_kind=f"retention (what a unit does on day {shown(metric.day)} is on no single day)",
            )
        own = next(m for m in document["metrics"] if m["key"] == metric.key)
        if isinstance(metric, EventMetric):
            own = {k: v for k, v in own.items() if k != "delay_days"} | {"window_days": 1, "cuped": False}
            if "within_days" in own:
                own["within_days"] = min(float(own["within_days"]), 1.0)
        kept.append(own)
    share = 1.0 / len(names)
    return plan.changed(
        unit="unit_day",
        exposure={"event": ACTIVE, "experiment": plan.experiment_name, "qa_testers": plan.exposure.qa_testers},
        variants=[{"key": n, "split": share, "control": i == 0} for i, n in enumerate(names)],
        metrics=kept,
        segments=[],
        assignment=None,
    )


def _with_parts(plan: Plan, metrics: Sequence[str]) -> set[str]:
    """Keys of metrics and of what they are made of."""
    from xpbench.data.blocks import leaves

    out = set(metrics)
    for key in metrics:
        out |= {part.key for _, part in leaves(plan, plan.metric(key))}
    return out


def _micros(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY
