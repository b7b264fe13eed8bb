"""What each unit of a log did over a span of days, without exposures: one row for each unit that was active."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.events import EventsSource
from xpbench.data.logs.log import DAY, properties_of
from xpbench.data.logs.log_to_units import LogReading
from xpbench.data.logs.unit_days import ACTIVE, EVERYONE, ActiveUnits, last_whole_day, log_end
from xpbench.errors import DataError, nearest, plain
from xpbench.plan import Plan
from xpbench.plan.metrics import Conversion, Count, Sum

c = nw.col


@dataclass(frozen=True, slots=True)
class UnitTotals:
    """One number for each unit that was active.

    Attributes:
        ids: Units, in order of their ids.
        values: What each did; no activity of the metric is 0.
        began: Day of the first activity of each in the span, counted from its first day.
        exposed: Units that the log has an exposure of, in any experiment.
        first: First day.
        last: Last day: over, and settled.
    """

    ids: tuple[str, ...]
    values: tuple[float, ...]
    began: tuple[int, ...]
    exposed: tuple[str, ...]
    first: date
    last: date


def unit_totals(
    source: EventsSource,
    plan: Plan,
    metric: str,
    *,
    since: date,
    settle_days: float = 1.0,
    trigger: str | None = None,
) -> UnitTotals:
    """What each active unit did from a day on, up to the last day that is over and settled.

    The metric counts without its window: everything of the span. A unit that did nothing at all in the span is in no log, and
    not in the answer.

    Args:
        source: The log.
        plan: Whose metric is counted.
        metric: Key of a conversion, a count or a sum.
        since: First day (UTC).
        settle_days: Time beyond the end of a day that the log must reach, for events that arrive late.
        trigger: Event that makes a unit active; any event but an exposure if missing.

    Raises:
        DataError: the log does not fit; `XPB-D35` the metric is of another kind, `XPB-D31` nobody did the trigger, `XPB-D07`
            no day is over.
    """
    from xpbench.data.logs.opening import open_log

    own = plan.metric(metric)
    if not isinstance(own, Conversion | Count | Sum):
        raise DataError(
            "XPB-D35", key=metric, part_kind=f"{getattr(own, 'kind', '?')} (a total takes a conversion, a count or a sum)"
        )
    fields = own.model_dump(mode="json", exclude_none=True)
    fields = {k: v for k, v in fields.items() if k not in ("window_days", "delay_days", "past_of", "strata")} | {
        "cuped": False,
        "role": "primary",
    }
    reading = plan.changed(
        exposure={"event": ACTIVE, "experiment": plan.experiment_name, "qa_testers": plan.exposure.qa_testers},
        variants=[{"key": EVERYONE, "split": 1.0, "control": True}],
        metrics=[{k: v for k, v in fields.items() if k not in ("margin", "margin_rel")}],
        segments=[],
        assignment=None,
    )
    schema = replace(source.schema, unit=source.schema.unit or plan.unit)
    source = replace(source, schema=schema, slices=frozenset(), cache=None)
    properties = properties_of(reading)
    stages = Stages(7, None)
    with open_log(source, reading, properties, stages) as log:
        until = log_end(log, source)
        last = last_whole_day(until, settle_days)
        if last < since:
            raise DataError(
                "XPB-D07", what=plain(f"The log has no whole day from {since} on: it ends at {until:%Y-%m-%d %H:%M}")
            )
        span = (_micros(since), _micros(last + timedelta(days=1)))
        seen = log.frame().filter(c("t") >= span[0], c("t") < span[1])
        if trigger:
            known = {str(e) for e in _column(seen.group_by("event").agg(n=nw.len()), "event") if e}
            if trigger not in known:
                raise DataError("XPB-D31", key="trigger", event=trigger, hint=plain(nearest(trigger, known)))
        met = seen.filter(c("event") == plan.exposure.event, ~c("u").is_null()).select(u=c("u").cast(nw.String)).unique()
        exposed = tuple(sorted(_column(met, "u")))
        held: Any = ActiveUnits(
            log, reading, properties, by="", trigger=trigger or "", exposure=plan.exposure.event, span=span, per_day=False
        )
        end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
        look, units = LogReading(replace(source, until=end), reading, properties, held, stages).look(ids=True)
        ((_, measure),) = look.parts[metric].own
        table = units.select("u", "t0", measure).collect("pyarrow").to_native().sort_by("u")
    scale = look.scales.get(measure) or 1
    values = (float(v or 0) / scale for v in table[measure].cast(pa.float64()).to_pylist())
    began = tuple((int(t) - span[0]) // DAY for t in table["t0"].cast(pa.int64()).to_pylist())
    return UnitTotals(tuple(map(str, table["u"].to_pylist())), tuple(values), began, exposed, since, last)


def _column(frame: nw.LazyFrame[Any], name: str) -> list[Any]:
    values: list[Any] = frame.collect("pyarrow").to_native()[name].to_pylist()
    return values


def _micros(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY
