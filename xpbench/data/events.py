"""Event logs: from raw events to moments for a plan, in the engine that holds the log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

import narwhals.stable.v2 as nw

from xpbench.data.ages import DAILY, age_cells
from xpbench.data.blocks import Parts, blocks_of, leaves
from xpbench.data.cache import Cache, Hashing
from xpbench.data.concurrent import with_concurrent
from xpbench.data.engine import DuckDB, Progress, Stages, engine_name, literal
from xpbench.data.exposures import MISSING, Exposed, counted_by_variant, exposed
from xpbench.data.histogram import Histogram, histograms_of
from xpbench.data.identity import identity_changes
from xpbench.data.log import (
    DAY,
    MONEY_DIGITS,
    SECOND,
    EventSchema,
    Log,
    Properties,
    conditions_of,
    exposures_from,
    microseconds,
    properties_of,
)
from xpbench.data.moments import counted_where, moments_of, rows_of
from xpbench.data.summary import CONCURRENT, Cap, Cell, Finding, Summary, merge_findings
from xpbench.data.survey import survey_of
from xpbench.data.unit_values import Take, unit_values
from xpbench.data.values import Amount, Values, events_of, fits, horizon_of
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.ledger.clock import Clock, system_clock
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric, Filter, Funnel, Mean, MetricBase, Quantile, Sessions, Sum

if TYPE_CHECKING:
    import pyarrow as pa

Slices = Literal["segment", "day", "age"]

MAX_SLICES = 200
MAX_AGES = 60

c = nw.col


def events(
    log: Any,
    *,
    schema: EventSchema | None = None,
    time_zone: str = "UTC",
    duplicates: Literal["drop", "keep"] = "drop",
    absent_events: Literal["refuse", "zero"] = "refuse",
    until: str | datetime | None = None,
    slices: Iterable[Slices] = ("segment", "day", "age"),
    engine: DuckDB | None = None,
    cache: str | Path | None = None,
    clock: Clock = system_clock,
) -> EventsSource:
    """A log of raw events as a source for `experiment.readout`.

    Nothing is read before a plan asks for it.

    Args:
        log: Paths of JSON Lines (Mixpanel's raw export, plain or gzipped), Parquet or CSV files, with `*` where wanted; a
            pandas, polars or pyarrow table; a DuckDB relation; a Spark DataFrame; an Ibis table of an SQL warehouse.
        schema: Where event, unit, time, insert id and properties stand; Mixpanel's names where it is left out.
        time_zone: Zone in which the log's times were written down. UTC is right for Mixpanel projects made from 2023 on;
            for older ones give the project's zone, such as `"Europe/London"`: their times are local clock readings.
        duplicates: Events with the same name, unit, time and insert id are one event (the latest to arrive stays), or all
            are kept. Events without an insert id are never taken for repeats.
        absent_events: A metric's event that never occurs in the log is refused, or counts as nobody doing it.
        until: Up to when the log is complete; the time of its last event where it is left out. Units whose window ends
            later are immature.
        slices: Which slices get moments of their own: declared segments, days of first exposure, days since exposure.
        engine: Limits of the embedded engine.
        cache: Folder in which the unit table is kept for later looks (Parquet, without unit ids); None = not kept.
        clock: Tells the time now; events after it do not move the end of the log.

    Raises:
        DataError: `XPB-D02` a file is missing, `XPB-D03` this kind of log is not read, `XPB-D46` an argument has none of its
            values.
    """
    from xpbench.data.opening import located

    slices = tuple(slices)

    _check("duplicates", duplicates, ("drop", "keep"))
    _check("absent_events", absent_events, ("refuse", "zero"))
    for name in slices:
        _check("slices", name, ("segment", "day", "age"))
    if time_zone != "UTC":
        _check(
            "time_zone", time_zone, available_timezones() or (time_zone,), rule="Time zones are named as in the IANA database"
        )
    if isinstance(until, str):
        try:
            until = datetime.fromisoformat(until)
        except ValueError:
            hint = plain("Write it as 2026-01-31 or 2026-01-31T12:00:00Z")
            raise DataError(
                "XPB-D46", argument=plain("until"), value=until, rule=plain("It is a day or a time, in UTC"), hint=hint
            ) from None
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return EventsSource(
        log=located(log),
        schema=schema or EventSchema(),
        time_zone=time_zone,
        duplicates=duplicates,
        absent_events=absent_events,
        until=until,
        slices=frozenset(slices),
        engine=engine or DuckDB(),
        cache=None if cache is None else Cache(Path(cache)),
        clock=clock,
    )


def _check(name: str, value: str, known: Iterable[str], *, rule: str = "") -> None:
    """An argument has one of its values.

    Raises:
        DataError: `XPB-D46`, with the nearest one.
    """
    values = list(known)
    if value not in values:
        rule = rule or "It is one of " + ", ".join(values)
        raise DataError("XPB-D46", argument=plain(name), value=value, rule=plain(rule), hint=plain(nearest(str(value), values)))


@dataclass(frozen=True, slots=True)
class EventsSource:
    """A log of raw events; see `events`."""

    log: Any = field(repr=False)
    schema: EventSchema = field(repr=False)
    time_zone: str
    duplicates: Literal["drop", "keep"]
    absent_events: Literal["refuse", "zero"]
    until: datetime | None
    slices: frozenset[str] = field(repr=False)
    engine: DuckDB = field(repr=False)
    cache: Cache | None = field(repr=False)
    clock: Clock = field(repr=False)

    def summarize(
        self, plan: Plan, *, progress: Progress | None = None, caps: Iterable[Cap] = (), take: Take | None = None
    ) -> Summary:
        """Moments of every metric of the plan by variant, and everything that was counted on the way.

        Args:
            plan: Its metrics are counted from events.
            progress: Called after every stage.
            caps: Winsorization thresholds of an earlier look; new ones are computed where there are none.
            take: Called with the values of the units, without ids and variants, for the A/A calibration.

        Raises:
            DataError: the log does not fit the plan, or the plan's data policy refuses what was found.
        """
        from xpbench.data.opening import open_log

        stages = Stages(7, progress)
        frozen = tuple(caps)
        with contextlib.ExitStack() as stack:
            hashing = None
            fingerprint = ""
            if isinstance(self.log, list) and self.cache is None:
                hashing = stack.enter_context(Hashing(self.log))  # beside the engine's work
            elif isinstance(self.log, list) and self.cache is not None:
                fingerprint = self.cache.files_digest(self.log)
                if (summary := self._from_cache(plan, fingerprint, engine_name(), frozen, stages, take)) is not None:
                    return summary
            properties = properties_of(plan)
            log = stack.enter_context(open_log(self, plan, properties, stages))
            if not isinstance(self.log, list):
                fingerprint = log.fingerprint()
                if (summary := self._from_cache(plan, fingerprint, log.engine, frozen, stages, take)) is not None:
                    return summary
            look, units = _Run(self, plan, properties, log, stages).look()
            look = replace(look, fingerprint=hashing.digest() if hashing else fingerprint)
            if self.cache is not None:
                self.cache.put(self._key(plan, fingerprint, log.engine), look.to_dict(), lambda path: log.write(units, path))
            return _summary(self, plan, look, units, frozen, stages, take)

    def dimensions(self, plan: Plan) -> dict[str, str]:
        """Column of the unit table for each dimension that gets moments of its own."""
        segments = {s: f"s{i}" for i, s in enumerate(plan.segments)} if "segment" in self.slices else {}
        return segments | ({"$day": "day"} if "day" in self.slices else {})

    def unit_table(self, plan: Plan) -> pa.Table:
        """The unit table as a pyarrow table, for checks: one row per exposed unit with u, variant, t0, day and measures.

        Rows come to Python here, ids included; moments never need it.
        """
        import pyarrow as pa

        from xpbench.data.opening import open_log

        properties = properties_of(plan)
        with open_log(self, plan, properties, Stages(7, None)) as log:
            look, units = _Run(self, plan, properties, log, Stages(7, None)).look()
            names: dict[str, list[str]] = {}
            for key, p in look.parts.items():
                for prefix, side in (("", p.own), ("before:", p.before)):
                    for label, measure in side:
                        names.setdefault(measure, []).append(f"{prefix}{key}:{label}")
            table = units.collect("pyarrow").to_native()
        wanted = [(column, name) for column in table.column_names for name in names.get(column, [column])]
        return pa.table([table[column] for column, _ in wanted], names=[name for _, name in wanted])

    def histograms(self, plan: Plan, caps: Iterable[Cap]) -> tuple[Histogram, ...]:
        """Counts per bin before and after winsorization, for each of these caps; for pictures.

        Args:
            plan: The plan.
            caps: Of a summary of this log.
        """
        from xpbench.data.opening import open_log

        frozen = tuple(caps)
        fingerprint = self.cache.files_digest(self.log) if self.cache is not None and isinstance(self.log, list) else ""
        found = self.cache.find(self._key(plan, fingerprint, engine_name())) if self.cache is not None and fingerprint else None
        if found is not None:
            path, note = found
            look = Look.from_dict(note)
            with self.engine.connect() as connection:
                units = nw.from_native(connection.sql(f"SELECT * FROM read_parquet({literal(str(path))})"))
                return histograms_of(units, plan, lambda m: look.parts[m.key], frozen, look.scales)
        with open_log(self, plan, properties_of(plan), Stages(7, None)) as log:
            look, table = _Run(self, plan, properties_of(plan), log, Stages(7, None)).look()
            return histograms_of(table, plan, lambda m: look.parts[m.key], frozen, look.scales)

    def _key(self, plan: Plan, fingerprint: str, engine: str) -> str:
        from dataclasses import asdict

        if self.cache is None:  # pragma: no cover - asked only with a cache
            return ""
        options = {
            "schema": asdict(self.schema),
            "time_zone": self.time_zone,
            "duplicates": self.duplicates,
            "absent_events": self.absent_events,
            "until": "" if self.until is None else self.until.isoformat(),
            "slices": sorted(self.slices),
        }
        return self.cache.key(plan=plan.digest, fingerprint=fingerprint, engine=engine, options=options)

    def _from_cache(
        self, plan: Plan, fingerprint: str, engine: str, caps: tuple[Cap, ...], stages: Stages, take: Take | None
    ) -> Summary | None:
        """The summary from a unit table of an earlier look; None where there is none."""
        found = None if self.cache is None else self.cache.find(self._key(plan, fingerprint, engine))
        if found is None:
            return None
        path, note = found
        stages.finish("find the unit table of an earlier look")
        with self.engine.connect() as connection:
            connection.execute(f"CREATE TEMP TABLE units AS SELECT * FROM read_parquet({literal(str(path))})").fetchall()
            units: nw.LazyFrame[Any] = nw.from_native(connection.sql("SELECT * FROM units"))
            return _summary(self, plan, Look.from_dict(note), units, caps, stages, take)


@dataclass(frozen=True, slots=True)
class Look:
    """What belongs to a unit table: all of a summary that is not read from the table itself."""

    source: str
    fingerprint: str
    engine: str
    rows: int
    until: int
    first: int
    last: int
    parts: dict[str, Parts]
    scales: dict[str, int]
    findings: tuple[Finding, ...]
    cells: tuple[Cell, ...]
    others: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The look as a JSON value."""
        return {
            **{k: getattr(self, k) for k in ("source", "fingerprint", "engine", "rows", "until", "first", "last")},
            "parts": {k: [p.own, p.covariates, p.before] for k, p in self.parts.items()},
            "scales": self.scales,
            "findings": [f.to_dict() for f in self.findings],
            "cells": [c.to_dict() for c in self.cells],
            "others": list(self.others),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Look:
        """The inverse of `to_dict`."""
        return cls(
            **{k: data[k] for k in ("source", "fingerprint", "engine", "rows", "until", "first", "last")},
            parts={k: Parts(*(tuple((a, b) for a, b in side) for side in p)) for k, p in data["parts"].items()},
            scales=data["scales"],
            findings=tuple(Finding(**f) for f in data["findings"]),
            cells=tuple(Cell.from_dict(c) for c in data["cells"]),
            others=tuple(data.get("others", ())),
        )


def _summary(
    source: EventsSource,
    plan: Plan,
    look: Look,
    units: nw.LazyFrame[Any],
    caps: tuple[Cap, ...],
    stages: Stages,
    take: Take | None,
) -> Summary:
    """Moments from a unit table, with what belongs to it."""

    def parts_of(metric: MetricBase) -> Parts:
        return look.parts[metric.key]

    variants = [v.key for v in plan.variants]
    dimensions = source.dimensions(plan)
    if "segment" in source.slices:
        dimensions |= {f"{CONCURRENT}{name}": f"e{i}" for i, name in enumerate(look.others)}
    blocks = blocks_of(plan, parts_of)
    moments = moments_of(
        units,
        blocks,
        variants=variants,
        dimensions=dimensions,
        smallest_slice=plan.data.smallest_segment,
        frozen=caps,
        scales=look.scales,
    )
    n = sum(moments.units.values())
    stages.finish("compute the moments", n)
    findings = list(look.findings)
    empty = {v: 0 for v, k in moments.units.items() if k == 0}
    findings.append(Finding("variant_without_units", len(empty), len(variants), "kept", by_variant=empty))
    for segment, slices in moments.slices.items():
        if not segment.startswith("$"):
            small = [k for k, v in slices.items() if sum(v.values()) < plan.data.smallest_segment]
            findings.append(Finding("small_slices", len(small), len(slices), "not shown", detail=f"Segment {shown(segment)}."))
    by_day = {_day(int(k)): dict(v) for k, v in moments.slices.get("$day", {}).items()}
    out = Summary(
        source=look.source,
        fingerprint=look.fingerprint,
        rows=look.rows,
        units=moments.units,
        cells=(*(_with_day(cell) for cell in moments.cells), *look.cells),
        caps=moments.caps,
        findings=merge_findings(findings),
        extremes=moments.extremes,
        exposures_by_day=dict(sorted(by_day.items())),
        segments={s: moments.slices[s] for s in plan.segments if s in moments.slices},
        first_exposure=_time(look.first),
        last_exposure=_time(look.last),
        data_until=_time(look.until),
        engine=look.engine,
    )
    if take is not None:
        take(unit_values(units, blocks, moments.caps, look.scales))
    stages.finish("write the summary", n)
    return out


class _Run:
    """One run over one log for one plan."""

    def __init__(self, source: EventsSource, plan: Plan, properties: Properties, log: Log, stages: Stages) -> None:
        self.source = source
        self.plan = plan
        self.properties = properties
        self.log = log
        self.stages = stages
        self.findings: list[Finding] = list(log.findings())
        self.metrics = [m for m in plan.metrics if isinstance(m, EventMetric)]
        for metric in plan.metrics:
            for _, leaf in leaves(plan, metric):
                if not isinstance(leaf, EventMetric):
                    raise DataError("XPB-D35", key=leaf.key, part_kind=getattr(leaf, "kind", "?"))

    def look(self) -> tuple[Look, nw.LazyFrame[Any]]:
        """The unit table, and what belongs to it; its fingerprint is still to be set."""
        plan, log = self.plan, self.log
        frame = log.frame()
        self.survey(frame)
        amounts = self.amounts(frame)
        self.stages.finish("survey the log", self.rows)
        table = log.keep(exposures_from(log, plan, self.properties), "exposures", near="u")
        counted = counted_by_variant(table, plan)
        if not counted:
            self.refuse_experiment(frame)
        found = exposed(log, table, plan, counted, self.unit_tests())
        self.findings += found.findings
        n = sum(found.by_variant.values())
        self.findings += identity_changes(log, found.units, plan, self.properties)
        self.stages.finish("find the first exposures", n)
        values = Values(plan, self.properties, found, amounts, until=self.until, log=log)
        dropping = self.source.duplicates == "drop" and log.has_insert_ids
        joined = values.attributed(log.frame(between=values.span()), dropping=dropping)
        if dropping:
            joined = log.keyed(joined, ["event" if values.every_event else "e", "u", "t", "iid"])
        ages = self.ages() if "age" in self.source.slices else 0
        if dropping or self.several_readers(ages):
            joined = log.keep(joined, "attributed", near="u")
        joined = self.without_duplicates(joined, values) if dropping else joined
        table = values.table(joined)
        others: tuple[str, ...] = ()
        if "segment" in self.source.slices:
            table, others = with_concurrent(log, table, found.units, plan, self.properties)
        units = log.keep(table, "units", near="u")
        self.check_segments(units)
        self.stages.finish("compute the unit values", n)
        variants = [v.key for v in plan.variants]
        cells: list[Cell] = []
        for metric in self.metrics:
            if isinstance(metric, Quantile):
                from xpbench.data.quantiles import quantile_cells  # brings scipy, which other metrics don't need

                measured = quantile_cells(
                    joined, values, metric, alpha=plan.alpha, variants=variants, until=self.until, units=found.units,
                    dimensions=self.source.dimensions(plan), smallest_slice=plan.data.smallest_segment,
                )  # fmt: skip
                cells += map(_with_day, measured)
        if ages:
            cells += age_cells(joined, values, amounts, ages=ages, until=self.until, units=found.units, variants=variants)
        self.stages.finish("compute quantiles and days since exposure", n)
        self.count_units(found)
        latest = ", windows from the latest exposure" if plan.exposure.window_from == "latest_exposure" else ""
        look = Look(
            source=f"events ({log.kind})" + latest,
            fingerprint="",
            engine=log.engine,
            rows=self.rows,
            until=self.until,
            first=found.first,
            last=found.last,
            parts=values.measures.parts,
            scales=values.measures.scales,
            findings=tuple(self.findings),
            cells=tuple(cells),
            others=others,
        )
        return look, units

    # -- survey ------------------------------------------------------------------------------------------------------

    def survey(self, frame: nw.LazyFrame[Any]) -> None:
        """What the log holds: events by name, times, and what can't be read."""
        seen = survey_of(self.log, frame, now=int(self.source.clock().timestamp() * SECOND))
        self.rows = seen.rows
        if not self.rows:
            raise DataError("XPB-D07", what=plain("The log has no events"))
        self.events = seen.events
        if not self.events:
            raise DataError("XPB-D33", count=self.rows, column=self.source.schema.time)
        self.findings += [
            Finding("bad_time", seen.untimed, self.rows, "excluded"),
            Finding("missing_event_name", seen.nameless, self.rows, "excluded"),
            Finding("missing_unit", seen.unitless, self.rows, "excluded", detail="Events without the unit's id."),
            Finding("late_events", seen.late, self.rows, "kept", detail="They arrived more than a day after they happened."),
            Finding("future_events", seen.future, self.rows, "kept", detail="They do not move the end of the log."),
        ]
        if seen.unitless == self.rows:
            raise DataError("XPB-D36", unit=self.source.schema.unit or self.plan.unit, count=self.rows)
        self.first = seen.first
        self.until = seen.last if self.source.until is None else int(self.source.until.timestamp() * SECOND)
        for metric in self.metrics:
            for name in sorted(events_of(metric) or ()):
                if name not in self.events and self.source.absent_events == "refuse":
                    raise DataError("XPB-D31", key=metric.key, event=name, hint=plain(nearest(name, self.events)))
                if name not in self.events:
                    self.findings.append(
                        Finding("absent_event", 1, 1, "counted as zero", metric=metric.key, detail=f"Event {shown(name)}.")
                    )
        self.check_events(frame, unitless=seen.unitless)

    def filters(self) -> list[tuple[EventMetric, Filter, str]]:
        """Every condition that only a property that is there can fit, with its metric and its column."""
        present = ("==", "in", "<", "<=", ">", ">=", "is set")
        return [
            (metric, f, self.properties.texts[f.property])
            for metric in self.metrics
            for f in conditions_of(metric)
            if f.op in present
        ]

    def check_events(self, frame: nw.LazyFrame[Any], *, unitless: int) -> None:
        """Events of metrics name the unit, and the properties of filters are there; looked at only where they may not be.

        Raises:
            DataError: `XPB-D44` or `XPB-D45`.
        """
        filtered = [] if self.source.absent_events == "zero" else self.filters()
        if not (unitless or filtered):
            return
        wanted = {"n": nw.len(), "timed": c("t").count(), "named": c("u").count()}
        wanted |= {f"has_{p}": c(p).count() for p in sorted({p for _, _, p in filtered})}
        rows = {r["event"]: r for r in rows_of(frame.group_by("event").agg(**wanted))}
        unit = self.source.schema.unit or self.plan.unit
        for metric in self.metrics:
            for name in sorted(events_of(metric) or ()):
                if name in rows and rows[name]["timed"] and not rows[name]["named"]:
                    raise DataError("XPB-D44", count=int(rows[name]["n"]), event=name, key=metric.key, unit=unit)
        for subject, f, column in filtered:
            names = events_of(subject)
            mine = [row for name, row in rows.items() if names is None or name in names]
            if mine and not any(row[f"has_{column}"] for row in mine):
                event = plain("of any name") if names is None else shown(sorted(names)[0])
                raise DataError("XPB-D45", event=plain(event), property=f.property, key=subject.key)

    def _amount(self, metric: Sum | Mean | Quantile, frame: nw.LazyFrame[Any]) -> dict[str, Any]:
        """What a numeric property holds over the events of a metric."""
        value = c(self.properties.numbers[metric.property])
        text = c(self.properties.texts[metric.property])
        mine = frame.filter(c("event") == metric.event)
        more = fits(metric.where, self.properties)
        mine = mine if more is None else mine.filter(more)
        grid = float(10**MONEY_DIGITS)
        codes = self.plan.data.missing_codes
        listed = [-99.0, -999.0, -9999.0, -99999.0, -999999.0] if codes is None else [float(k) for k in codes]
        tests = {
            "low": value.min(),
            "high": value.max(),
            "all": nw.len(),
            "had": value.count(),
            "broken": counted_where((value * grid).round(0) / grid != value),
        }
        row = rows_of(mine.select(**tests))[0]
        row |= {"negative": 0, "code": 0, "text": 0}
        # what is rare is only counted where it can be there
        rare: dict[str, nw.Expr] = {}
        if row["had"] and row["low"] < 0.0:
            rare["negative"] = counted_where(value < 0.0)
        if row["had"] and any(row["low"] <= k <= row["high"] for k in listed):
            rare["code"] = counted_where(value.is_in(listed))
            rare["coded"] = nw.when(value.is_in(listed)).then(value).otherwise(None).min()
        if row["all"] > row["had"]:
            rare["text"] = text.count() - value.count()
        return row | rows_of(mine.select(**rare))[0] if rare else row

    def amounts(self, frame: nw.LazyFrame[Any]) -> dict[str, Amount]:
        """What is known of every numeric property; refuses what the plan's policy refuses."""
        out = {}
        found: dict[str, dict[str, Any]] = {}
        policy = self.plan.data
        for metric in self.metrics:
            if not isinstance(metric, (Sum, Mean, Quantile)):
                continue
            asked = repr((metric.event, metric.where, metric.property))
            row = found[asked] = found.get(asked) or self._amount(metric, frame)
            if not row["all"]:
                out[metric.key] = Amount(0.0, 0.0, 0, 0, True)
                continue
            every, had, text = (int(row[k] or 0) for k in ("all", "had", "text"))
            name = metric.property
            if not had:
                raise DataError(
                    "XPB-D32", key=metric.key, property=name, event=metric.event, hint=plain(self.near_property(name))
                )
            low, high = float(row["low"]), float(row["high"])
            if text and policy.non_finite == "refuse":
                what, shown_ = plain(f"not a number (event {shown(metric.event)})"), plain(self.no_numbers(metric, frame))
                raise DataError("XPB-D12", column=name, count=plain(f"{text:,}"), what=what, found=shown_)
            negative, code = int(row["negative"] or 0), int(row.get("code") or 0)
            if code and policy.missing_codes is None and (code == negative or code > max(10, had // 100)):
                raise DataError("XPB-D11", column=name, value=plain(f"{float(row['coded']):g}"), count=plain(f"{code:,}"))
            lost = every - had - text
            if lost and policy.missing == "refuse":
                raise DataError("XPB-D13", column=name, count=plain(f"{lost:,}"))
            detail = f"Events {shown(metric.event)}, property {shown(name)}."
            nothing = "set to zero" if policy.missing == "zero" else "excluded"
            self.findings += [
                Finding("missing_value", lost, every, nothing, metric=metric.key, detail=detail),
                Finding("not_a_number", text, every, "excluded", metric=metric.key, detail=detail),
                Finding("negative", negative, every, "kept", metric=metric.key, detail=detail),
            ]
            top = max(abs(low), abs(high)) * 10**MONEY_DIGITS
            money = not int(row["broken"] or 0) and top * max(every, 1) < 2.0**62 and top < 2.0**53
            out[metric.key] = Amount(low, high, every, had, money)
        return out

    def no_numbers(self, metric: Sum | Mean | Quantile, frame: nw.LazyFrame[Any]) -> str:
        """The most frequent values of a property that are no numbers, in words."""
        number, text = (c(names[metric.property]) for names in (self.properties.numbers, self.properties.texts))
        mine = frame.filter(c("event") == metric.event, number.is_null(), ~text.is_null()).select(v=text)
        rows = rows_of(mine.group_by("v").agg(n=nw.len()).sort("n", "v", descending=[True, False]).head(3))
        return ": " + ", ".join(f"{shown(r['v'])} ({int(r['n']):,})" for r in rows)

    def near_property(self, name: str) -> str:
        """What to do about a property without values."""
        if name in self.log.missing_properties:
            return "Correct the name of the property"
        return "Check the property's name and type"

    def refuse_experiment(self, frame: nw.LazyFrame[Any]) -> None:
        """The experiment is not in the log.

        Raises:
            DataError: `XPB-D30`, with the nearest name that is; `XPB-D37`.
        """
        policy = self.plan.exposure
        name = self.plan.experiment_name
        if policy.event not in self.events:
            raise DataError("XPB-D37", event=policy.event, hint=plain(nearest(policy.event, self.events)))
        if policy.format == "separate":
            column = self.properties.texts[policy.experiment_property]
            seen = frame.filter(c("event") == policy.event).group_by(column).agg(n=nw.len())
            names = [r[column] for r in rows_of(seen) if r[column] is not None]
            lacks = f"No exposure has the property {shown(policy.experiment_property)}"
        else:
            names = self.named_elsewhere()
            lacks = "Check exposure.format and the names of the properties in the plan"
        hint = nearest(name, names) if names else lacks
        raise DataError("XPB-D30", experiment=name, event=policy.event, hint=plain(hint))

    def named_elsewhere(self) -> list[str]:
        """Experiments that exposure events with several experiments name; the log is opened again for it."""
        from xpbench.data.detect import experiments

        try:
            unit = self.source.schema.unit or self.plan.unit
            return [e.name for e in experiments(self.source, unit=unit, exposure=self.plan.exposure)]
        except DataError:
            return []

    # -- the way to the unit table -----------------------------------------------------------------------------------

    def without_duplicates(self, joined: nw.LazyFrame[Any], values: Values) -> nw.LazyFrame[Any]:
        """Repeats of an event left out: the latest to arrive stays.

        When there are as many different hashes as events, nothing is repeated; otherwise only events that share a hash
        are compared.
        """
        keys = joined.filter(~c("key").is_null()).select("key")
        named = int(rows_of(keys.select(n=nw.len()))[0]["n"])
        if named == int(rows_of(keys.unique().select(n=nw.len()))[0]["n"]):
            return joined
        shared = joined.filter(~c("key").is_null()).group_by("key").agg(times=nw.len())
        shared = self.log.keep(shared.filter(c("times") > 1).select("key"), "repeated")
        some = joined.join(shared, on="key", how="semi")
        name = "event" if values.every_event else "e"
        once = (
            some.with_columns(newest=-c("arr").fill_null(0))
            .unique(["u", name, "t", "iid"], keep="first", order_by=["newest", *values.used_properties()])
            .drop("newest")
        )
        once = self.log.keep(once, "once")
        repeated = int(rows_of(some.select(n=nw.len()))[0]["n"]) - int(rows_of(once.select(n=nw.len()))[0]["n"])
        self.findings.append(
            Finding("duplicate_events", repeated, named, "excluded", detail="Among the events of exposed units.")
        )
        columns = joined.collect_schema().names()
        # events without an insert id have no hash, and no hash is in the other table
        rest = joined.join(shared, on="key", how="anti")
        out = nw.concat([once.select(*columns), rest.select(*columns)])
        return self.log.keep(out, "without_repeats", near="u")

    def several_readers(self, ages: int) -> bool:
        """Whether the attributed events are read more than once."""
        more = sum(isinstance(m, (Funnel, Sessions, Quantile)) for m in self.metrics)
        return bool(more or ages)

    def ages(self) -> int:
        """Days since exposure that get moments."""
        windows = [min(horizon_of(m) or DAY * 28, MAX_AGES * DAY) for m in self.metrics if isinstance(m, DAILY)]
        return max((-(-w // DAY) for w in windows), default=0)

    def check_segments(self, units: nw.LazyFrame[Any]) -> None:
        """A segment with very many values is an id by mistake.

        Raises:
            DataError: `XPB-D15`; `XPB-D38`, no exposure has the property.
        """
        for i, name in enumerate(self.plan.segments):
            slices = units.group_by(f"s{i}").agg(n=nw.len())
            count = int(rows_of(slices.select(n=nw.len()))[0]["n"])
            if count > MAX_SLICES:
                raise DataError("XPB-D15", segment=name, count=count, limit=MAX_SLICES)
            if [r[f"s{i}"] for r in rows_of(slices)] == [MISSING]:
                raise DataError("XPB-D38", segment=name, event=self.plan.exposure.event)

    def horizons(self) -> dict[str, int]:
        """Microseconds after the exposure until a metric is complete, for metrics with a window of their own."""
        return {m.key: h for m in self.metrics if (h := horizon_of(m)) is not None}

    def unit_tests(self) -> dict[str, nw.Expr]:
        """Sums over units that `count_units` tells: immature ones by horizon, and those with a short history."""
        tests = {f"h{i}": counted_where(c("t0") + h > self.until) for i, h in enumerate(sorted(set(self.horizons().values())))}
        tests["short"] = counted_where(c("t0") < microseconds(self.plan.pre_period_days) + self.first)
        return tests

    def count_units(self, found: Exposed) -> None:
        """Findings about units: immature ones, and a pre-exposure window that the log does not reach."""
        total = sum(found.by_variant.values())
        variants = [v.key for v in self.plan.variants]
        horizons, rows = self.horizons(), found.counts
        distinct = sorted(set(horizons.values()))
        for key, horizon in horizons.items():
            by = {v: int(rows[v][f"h{distinct.index(horizon)}"]) for v in variants if v in rows}
            self.findings.append(
                Finding(
                    "immature_units",
                    sum(by.values()),
                    total,
                    "excluded",
                    metric=key,
                    by_variant={v: k for v, k in by.items() if k},
                    detail=f"Their window of {horizon / DAY:g} days ends after {_time(self.until)}.",
                )
            )
        short = {v: int(rows[v]["short"]) for v in variants if v in rows and rows[v]["short"]}
        self.findings.append(
            Finding(
                "short_history",
                sum(short.values()),
                total,
                "kept",
                by_variant=short,
                detail=f"The log begins less than {self.plan.pre_period_days} days before their first exposure.",
            )
        )


def _with_day(cell: Cell) -> Cell:
    if cell.dimension != "$day":
        return cell
    return replace(cell, slice=_day(int(cell.slice)))


def _day(number: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()


def _time(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
