"""Event logs: from raw events to moments for a plan, in the engine that holds the log."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import available_timezones

import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.cache import Cache, Hashing, file_digest
from xpbench.data.engines.embedded import DuckDB, Progress, Stages, engine_name, from_parquet
from xpbench.data.histogram import Histogram, histograms_of
from xpbench.data.logs.log import EventSchema, Log, properties_of
from xpbench.data.logs.log_to_units import LogReading
from xpbench.data.logs.specification import LogSpecification
from xpbench.data.logs.unit_table_note import TableLook, summary_of, summary_of_groups
from xpbench.data.members import reading_plan
from xpbench.data.summary import Cap, Summary
from xpbench.errors import DataError, nearest, plain
from xpbench.files import partitions_of
from xpbench.ledger.clock import Clock, system_clock
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from xpbench.data.logs.people import Identities
    from xpbench.data.unit_values import Take

Slices = Literal["segment", "day", "age"]

EXPOSURE_DETAILS = (
    "mp_lib", "$lib_version", "$os", "platform", "$app_version_string", "Flag evaluation mode", "$device_id", "$user_id",
    "$distinct_id_before_identity",
)  # fmt: skip
"""Properties of an exposure that name what assigned and what else the unit was called."""


def events(
    log: Any,
    *,
    schema: EventSchema | None = None,
    time_zone: str | None = None,
    duplicates: Literal["drop", "keep"] | None = None,
    absent_events: Literal["refuse", "zero"] | None = None,
    until: str | datetime | None = None,
    slices: Slices | Iterable[Slices] = ("segment", "day", "age"),
    engine: DuckDB | None = None,
    cache: str | Path | None = None,
    clock: Clock = system_clock,
    identities: Any = None,
) -> EventsSource:
    """A log of raw events as a source for `experiment.readout`.

    Nothing is read before a plan asks for it.

    Args:
        log: Paths of JSON Lines (Mixpanel's raw export, plain or gzipped), Parquet or CSV files, with `*` where wanted; a
            pandas, polars or pyarrow table; a DuckDB relation; a Spark DataFrame; an Ibis table of an SQL warehouse.
        schema: Where event, unit, time, insert id and properties stand; Mixpanel's names where it is left out.
        time_zone: Zone in which the log's times were written down; UTC if left out, which is right for Mixpanel projects made
            from 2023 on; for older ones give the project's zone, as `"Europe/London"`: their times are local clock readings.
        duplicates: Events with the same name, unit, time and insert id are one event (the latest to arrive stays), or all
            are kept. Events without an insert id are never taken for repeats.
        absent_events: A metric's event that never occurs in the log is refused, or counts as nobody doing it.
        until: Up to when the log is complete; the time of its last event where it is left out. Units whose window ends
            later are immature.
        slices: Which slices get moments of their own: declared segments, days of first exposure, days since exposure; one
            of them may be named alone.
        engine: Limits of the embedded engine.
        cache: Folder in which the unit table is kept for later looks (Parquet, without unit ids); None = not kept.
        identities: Which ids are one person's: Mixpanel's table of identities (`distinct_id`, `resolved_distinct_id`), or any
            of two columns, the id and the one that stands for the person; a file, a frame or a table of an engine. Their
            events are counted as one unit's where the plan has `exposure.identities: merge`, and reported otherwise. Without
            a table the log itself says who is who.
        clock: Tells the time now; events after it do not move the end of the log.

    Raises:
        DataError: `XPB-D02` a file is missing, `XPB-D03` this kind of log is not read, `XPB-D46` an argument has none of its
            values.
    """
    from xpbench.data.logs.opening import located

    options = {"time_zone": time_zone, "duplicates": duplicates, "absent_events": absent_events}
    time_zone, duplicates, absent_events = time_zone or "UTC", duplicates or "drop", absent_events or "refuse"
    slices = (slices,) if isinstance(slices, str) else tuple(slices)
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
        identities=_identified(identities),
        stated=frozenset(name for name, value in options.items() if value is not None),
    )


def _identified(given: Any) -> Any:
    from xpbench.data.logs.opening import is_spark, is_warehouse, located

    return given if given is None or is_spark(given) or is_warehouse(given) else located(given)


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
class EventsSource(LogSpecification):
    """A log of raw events; see `events`."""

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
        from xpbench.data.logs.opening import kind_of, open_log

        stages = Stages(7, progress)
        frozen = tuple(caps)
        if plan.members is not None:
            return self._by_group(plan, frozen, stages, take)
        lines = isinstance(self.log, list) and kind_of(self.log[0]) == "jsonl"  # hashed while they are read
        with contextlib.ExitStack() as stack:
            hashing = None
            fingerprint = ""
            if isinstance(self.log, list) and self.cache is None and not lines:
                hashing = stack.enter_context(Hashing(self.log))  # beside the engine's work
            elif isinstance(self.log, list) and self.cache is not None:
                fingerprint = self.cache.files_digest(self.log)
                if (summary := self._from_cache(plan, fingerprint, engine_name(), frozen, stages, take)) is not None:
                    return replace(summary, made_for=plan.reads)
            properties = properties_of(plan)
            log = stack.enter_context(open_log(self, plan, properties, stages))
            if lines and self.cache is not None and log.fingerprint() != fingerprint:
                raise DataError("XPB-D42", path=", ".join(Path(p).name for p in self.log))
            if lines and self.cache is None:
                fingerprint = log.fingerprint()
            if not isinstance(self.log, list):
                fingerprint = log.fingerprint()
                if (summary := self._from_cache(plan, fingerprint, log.engine, frozen, stages, take)) is not None:
                    return replace(summary, content=log.content(), made_for=plan.reads)
            look, units = LogReading(self, plan, properties, log, stages).look()
            look = replace(look, fingerprint=self._placed(hashing.digest() if hashing else fingerprint, log))
            if self.cache is not None:
                self.cache.put(self._key(plan, fingerprint, log.engine), look.to_dict(), lambda path: log.write(units, path))
            made = summary_of(self, plan, look, units, frozen, stages, take)
            return replace(made, content=log.content(), made_for=plan.reads)

    def _by_group(self, plan: Plan, caps: tuple[Cap, ...], stages: Stages, take: Take | None) -> Summary:
        """The same where metrics are per user of a unit: users are read, and summed by unit."""
        from xpbench.data.logs.opening import open_log

        inner = reading_plan(plan)
        source = replace(self, schema=replace(self.schema, unit=None))  # the plan names both ids
        properties = properties_of(inner)
        with open_log(source, inner, properties, stages) as log:
            look, users = LogReading(source, inner, properties, log, stages).look()
            fingerprint = log.fingerprint()
            made = summary_of_groups(self, plan, replace(look, fingerprint=fingerprint), users, caps, stages, take)
            return replace(made, content=log.content(), made_for=plan.reads)

    def unit_table(self, plan: Plan) -> pa.Table:
        """The unit table as a pyarrow table, for checks: one row per exposed unit with u, variant, t0, day and measures.

        Rows come to Python here, ids included; moments never need it.
        """
        import pyarrow as pa

        from xpbench.data.logs.opening import open_log

        properties = properties_of(plan)
        with open_log(self, plan, properties, Stages(7, None)) as log:
            look, units = LogReading(self, plan, properties, log, Stages(7, None)).look(ids=True)
            names: dict[str, list[str]] = {}
            for key, p in look.parts.items():
                for prefix, side in (("", p.own), ("before:", p.before)):
                    for label, measure in side:
                        names.setdefault(measure, []).append(f"{prefix}{key}:{label}")
            table = units.collect("pyarrow").to_native()
        wanted = [(column, name) for column in table.column_names for name in names.get(column, [column])]
        return pa.table([table[column] for column, _ in wanted], names=[name for _, name in wanted])

    def exposures(self, plan: Plan) -> pa.Table:
        """Exposure events of the plan's experiment, one row each, for an audit; ids come to Python here.

        Columns: the plan's unit, `variant` as written, `time`, `$is_qa_tester`, and the properties that say what sent the event
        and which other ids the unit had, where the log has them.

        Raises:
            DataError: the log can't be read.
        """
        import pyarrow as pa

        from xpbench.data.logs.log import exposures_from
        from xpbench.data.logs.opening import open_log

        properties = properties_of(plan)
        for name in EXPOSURE_DETAILS:
            properties.text(name)
        with open_log(self, plan, properties, Stages(7, None)) as log:
            there = [n for n in EXPOSURE_DETAILS if n not in log.missing_properties and n != plan.unit]
            more = {f"x{i}": nw.col(properties.texts[n]) for i, n in enumerate(there)}
            table = exposures_from(log, plan, properties, more).collect("pyarrow").to_native()
        moments = table["t"].cast(pa.int64()).cast(pa.timestamp("us", "UTC"))
        columns = {plan.unit: table["u"], "variant": table["v"], "time": moments, "$is_qa_tester": table["qa"]}
        return pa.table(columns | {n: table[f"x{i}"] for i, n in enumerate(there)})

    def assigned(self, plan: Plan, *, one_in: int = 1) -> pa.Table:
        """Units that count with the one variant that they met, for the audit of a readout; ids come to Python here.

        Columns: the plan's unit, and `variant`. Units that met several variants are left out: they are counted elsewhere, and
        one of their exposures must disagree.

        Args:
            plan: Of the experiment.
            one_in: Of so many units one, drawn by a hash of its id that has nothing to do with the assignment.

        Raises:
            DataError: the log can't be read.
        """
        import pyarrow as pa

        from xpbench.data.logs.exposures import steps_of, with_unit
        from xpbench.data.logs.log import exposures_from
        from xpbench.data.logs.opening import open_log

        properties = properties_of(plan)
        with open_log(self, plan, properties, Stages(7, None)) as log:
            frame = exposures_from(log, plan, properties)
            if one_in > 1:
                frame = nw.from_native(frame.to_native().filter(f"hash(u) % {int(one_in)} = 0"))
            frame = frame.filter(with_unit(frame))
            for _, test, _ in steps_of(plan):
                frame = frame.filter(test)
            met = frame.group_by("u").agg(v=nw.col("v").min(), w=nw.col("v").max())
            table = met.filter(nw.col("v") == nw.col("w")).collect("pyarrow").to_native()
        return pa.table({plan.unit: table["u"], "variant": table["v"]})

    def histograms(self, plan: Plan, caps: Iterable[Cap]) -> tuple[Histogram, ...]:
        """Counts per bin before and after winsorization, for each of these caps; for pictures.

        Args:
            plan: The plan.
            caps: Of a summary of this log.
        """
        from xpbench.data.logs.opening import open_log

        frozen = tuple(caps)
        fingerprint = self.cache.files_digest(self.log) if self.cache is not None and isinstance(self.log, list) else ""
        found = self.cache.find(self._key(plan, fingerprint, engine_name())) if self.cache is not None and fingerprint else None
        if found is not None:
            path, note = found
            look = TableLook.from_dict(note)
            with self.engine.connect() as connection:
                units = nw.from_native(connection.sql(f"SELECT * FROM {from_parquet([path])}"))
                return histograms_of(units, plan, lambda m: look.parts[m.key], frozen, look.scales)
        with open_log(self, plan, properties_of(plan), Stages(7, None)) as log:
            look, table = LogReading(self, plan, properties_of(plan), log, Stages(7, None)).look()
            return histograms_of(table, plan, lambda m: look.parts[m.key], frozen, look.scales)

    def people(self) -> Identities:
        """The table of identities, read."""
        from xpbench.data.logs.people import Identities

        return Identities(self.identities)

    def _placed(self, fingerprint: str, log: Log) -> str:
        """The fingerprint with what the names of folders say, where something is read from them."""
        if self.identities is not None:
            fingerprint = digest({"log": fingerprint, "people": self.people().fingerprint()})
        named = getattr(log, "partitions", ())
        if not named:
            return fingerprint
        held = sorted(json.dumps([file_digest(Path(p)), *(partitions_of(p)[name] for name in named)]) for p in self.log)
        return digest({"files": fingerprint, "folders": list(named), "values": held})

    def _key(self, plan: Plan, fingerprint: str, engine: str) -> str:
        from dataclasses import asdict

        if self.cache is None:  # pragma: no cover - asked only with a cache
            return ""
        options: dict[str, Any] = {
            "schema": asdict(self.schema),
            "time_zone": self.time_zone,
            "duplicates": self.duplicates,
            "absent_events": self.absent_events,
            "until": "" if self.until is None else self.until.isoformat(),
            "slices": sorted(self.slices),
        }
        if self.identities is not None:
            options["identities"] = self.people().fingerprint()
        if isinstance(self.log, list) and any(found := [partitions_of(path) for path in self.log]):
            options["folders"] = found
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
            connection.execute(f"CREATE TEMP TABLE units AS SELECT * FROM {from_parquet([path])}").fetchall()
            units: nw.LazyFrame[Any] = nw.from_native(connection.sql("SELECT * FROM units"))
            return summary_of(self, plan, TableLook.from_dict(note), units, caps, stages, take)
