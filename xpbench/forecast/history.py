"""Values per unit from before the experiment: what a rehearsal re-randomises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xpbench import formula
from xpbench.data import events
from xpbench.data.engines.embedded import DuckDB, engine_error, from_parquet, quote
from xpbench.data.jsonl.ingestion import Ingestion
from xpbench.data.logs.log import EventSchema, properties_of, stored_as
from xpbench.data.logs.opening import kind_of, lines_located, located
from xpbench.data.logs.placed import from_parts, placed, some_lack
from xpbench.data.tables.past_units import past_units
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DecisionError, nearest, plain
from xpbench.files import partition_names
from xpbench.interrupts import temporary_folder
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, Formula, MetricBase, Ratio
from xpbench.sheets.select import load, names_of, sheets_of
from xpbench.sheets.unpack import lines_file

Floats = NDArray[np.float64]

LEAST_UNITS = 200


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Traffic of the past, one row per unit that would have been exposed.

    Attributes:
        values: By metric: shape (n,), or (n, 2) for numerator and denominator; NaN = no value. Raw, not winsorized.
        covariates: By metric: shape (n, c), measured before the exposure.
        day: Day of each unit's first exposure, counted from the first day of the history; None without dates.
        omitted: Metrics that can't be re-randomised from values per unit (quantiles over events); a rehearsal leaves them out.
    """

    values: Mapping[str, Floats]
    covariates: Mapping[str, Floats] = field(default_factory=dict)
    day: NDArray[np.int64] | None = None
    omitted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = {len(v) for v in self.values.values()} | {len(v) for v in self.covariates.values()}
        if self.day is not None:
            sizes.add(len(self.day))
        if len(sizes) != 1:
            raise _bad("history", f"arrays of {len(sizes)} lengths", "Every array has one entry per unit", "Align them")
        if sizes.pop() < LEAST_UNITS:
            raise _bad("history", f"{self.n} units", f"Re-randomising needs at least {LEAST_UNITS}", "Take more days")

    @property
    def n(self) -> int:
        """Units."""
        return len(next(iter(self.values.values())))

    @property
    def days(self) -> int | None:
        """Days of the history, or None without dates."""
        return None if self.day is None else int(self.day.max()) + 1

    @classmethod
    def of_frame(cls, frame: Any, plan: Plan, *, day: str | None = None) -> History:
        """History from a table with one row per unit, for a plan over columns.

        Args:
            frame: Anything that `xp.units` reads, or columns by name; read under the plan's data policy.
            plan: Whose metrics are of kind `column`, ratios or formulas of them.
            day: Column with the date of first exposure.

        Raises:
            DataError: the table holds what the plan's data policy refuses.
            DecisionError: `XPB-R20`, a column is missing, or the plan counts from events.
        """
        _ensure_units(plan)
        values, covariates = {}, {}
        own = [m for m in plan.metrics if isinstance(m, Column)]
        names = list(dict.fromkeys(c for m in own for c in (m.column, *(m.covariates if m.cuped else ()))))
        if isinstance(frame, Mapping):
            frame = pa.table({str(k): pa.array(np.asarray(v)) for k, v in frame.items()})
        known = columns_of(frame)
        for name in [*names, *([] if day is None else [day])]:
            if name not in known:
                raise _bad("history", f"without column {name}", "It has the plan's columns", nearest(name, known))
        past = past_units(frame, plan, names, day=day)
        for metric in plan.metrics:
            if isinstance(metric, (Ratio, Formula)):
                continue
            if not isinstance(metric, Column):
                raise _bad(
                    f"metric {metric.key}",
                    getattr(metric, "kind", ""),
                    "A table of units feeds metrics of kind column",
                    "Give History(values=…) with a value per unit and metric",
                )
            values[metric.key] = past.columns[metric.column]
            if metric.cuped and metric.covariates:
                covariates[metric.key] = np.column_stack([_filled(past.columns[c]) for c in metric.covariates])
        return cls(values, covariates, None if past.day is None else past.day - past.day.min())

    @classmethod
    def of_events(cls, log: Any, plan: Plan, *, trigger: str | None = None, **options: Any) -> History:
        """History from an event log, by the plan's own exposures, windows and metrics.

        Args:
            log: As for `xp.events`; with `trigger` paths, or a table (pandas, polars, pyarrow) whose properties are columns or
                one JSON text.
            plan: Whose metrics are counted.
            trigger: Event at which a unit would have been exposed; its first one becomes the exposure. None where the log has
                exposures of the plan's experiment.
            options: Further options of `xp.events`.

        Raises:
            DataError: the log does not fit the plan.
            DecisionError: `XPB-R20`, nobody did the trigger.
        """
        _ensure_units(plan)
        exposure = {
            k: v for k, v in plan.exposure.model_dump(mode="json", exclude_none=True).items() if k not in ("start", "end")
        }
        past = plan.changed(segments=[], exposure=exposure)  # segments and dates belong to the experiment, not to its past
        if trigger is not None and (isinstance(log, (str, Path)) or (isinstance(log, list) and log)):
            log = log_table(located(log), past)
        source = log if trigger is None else exposed_at(log, past, trigger)
        with temporary_folder() as folder:
            events(source, cache=folder, slices=("day",), **options).summarize(past)
            (table,) = Path(folder).glob("*/units.parquet")
            note = json.loads(table.with_name("note.json").read_text("utf-8"))
            with DuckDB().connect() as connection:  # its own: the shared one may be in the middle of something
                columns = connection.sql(f"SELECT * FROM {from_parquet([table])}").fetchnumpy()  # noqa: S608 - a name, quoted
        scales = note["scales"]

        def column(name: str) -> Floats:
            raw = columns[name]
            values = np.ma.filled(np.ma.asarray(raw, dtype=np.float64), np.nan)
            return np.asarray(values, dtype=np.float64) / float(scales.get(name, 1))

        values, covariates = {}, {}
        for metric in plan.metrics:
            parts = note["parts"].get(metric.key)
            if parts is None:
                continue
            own, extra = parts[0], parts[1]
            values[metric.key] = np.column_stack([column(c) for _, c in own]) if len(own) > 1 else column(own[0][1])
            if metric.cuped and extra:
                covariates[metric.key] = np.column_stack([_filled(column(c)) for _, c in extra])
        omitted = tuple(m.key for m in plan.metrics if not set(parts_of(m)) <= set(values))
        day = column("day").astype(np.int64)
        return cls(values, covariates, day - day.min(), omitted)


def log_table(files: list[str], plan: Plan) -> pa.Table:
    """The events of files, with the plan's properties as columns where they are JSON Lines; names of folders are columns."""
    with temporary_folder() as made, DuckDB().connect() as engine:
        folder = str(made)
        wanted = [EventSchema().unit or plan.unit, *properties_of(plan).texts]
        if kind_of(files[0]) == "jsonl":
            return _of_lines(engine, files, Path(folder), wanted)
        if kind_of(files[0]) == "csv":  # every value as text, which is read as that of an event is
            sheets = sheets_of(files, folder)
            names = [n for n in dict.fromkeys(names_of(sheets)) if n]
            names += [n for n in partition_names(files, names) if n in wanted]
            load(engine, "log", sheets, {n: quote(n) for n in names}, folder, engine_error())
            return engine.table("log").to_arrow_table()
        known = engine.sql(f"SELECT * FROM {from_parquet(files)}").columns  # noqa: S608 - names, each quoted
        named = [n for n in partition_names(files, known) if n in wanted]
        return engine.sql(f"SELECT * FROM {from_parquet(files, named)}").to_arrow_table()  # noqa: S608 - names, each quoted


def _of_lines(engine: Any, files: list[str], folder: Path, wanted: list[str]) -> pa.Table:
    """Events of JSON Lines with the wanted properties as columns, from their folders' names where the events have none."""
    schema = EventSchema()
    unpacked = [Path(lines_file(str(path), folder)) for path in lines_located(files)]
    ingestion = Ingestion(unpacked, folder / "log", wanted, schema, DuckDB())
    ingestion.run()
    named = [n for n in partition_names(files, (schema.event, schema.time)) if n in wanted]
    folders = {name: quote(f"$folder {i}") for i, name in enumerate(named)}
    source = from_parts(dict(zip(files, ingestion.parts(), strict=True)), folders)
    held = {name: f"CAST({quote(stored_as(name, schema))} AS VARCHAR)" for name in named}
    kept = [n for n in named if some_lack(engine, source, n, held[n], folders[n])]
    put = ", ".join(f"{placed(held[n], folders[n])} AS {quote(stored_as(n, schema))}" for n in kept)
    out = f" EXCLUDE ({', '.join(folders.values())})" if folders else ""
    replaced = f" REPLACE ({put})" if put else ""
    return engine.sql(f"SELECT *{out}{replaced} FROM {source}").to_arrow_table()  # noqa: S608 - names, each quoted


def blocks_of(plan: Plan, history: History) -> dict[str, tuple[tuple[str, ...], Floats]]:
    """For every metric of the plan its own columns and covariates, named as in cells: shape (n, k).

    Raises:
        DecisionError: `XPB-R20`, the history lacks a metric.
    """
    out = {}
    for metric in plan.metrics:
        names, own = _own(metric, history)
        extra = history.covariates.get(metric.key) if metric.cuped else None
        if extra is not None:
            extra = extra.reshape(len(extra), -1)
            names = (*names, *(f"before.{i}" for i in range(extra.shape[1])))
            own = np.column_stack([own, extra])
        out[metric.key] = (names, own)
    return out


def parts_of(metric: MetricBase) -> tuple[str, ...]:
    """Keys of the metrics that a ratio or formula is built on; the metric's own key otherwise."""
    if isinstance(metric, Ratio):
        return (metric.numerator, metric.denominator)
    if isinstance(metric, Formula):
        return tuple(formula.parse(metric.expression).names())
    return (metric.key,)


def _own(metric: MetricBase, history: History) -> tuple[tuple[str, ...], Floats]:
    parts = parts_of(metric)
    for part in parts:
        if part not in history.values:
            raise _bad(
                "history", f"without {part}", "It has the values of every metric of the plan", nearest(part, history.values)
            )
    columns = [history.values[p] for p in parts]
    if isinstance(metric, Ratio):
        return ("numerator", "denominator"), np.column_stack(columns)
    if isinstance(metric, Formula):
        return parts, np.column_stack(columns)
    value = columns[0]
    if value.ndim == 2 and value.shape[1] == 2:
        return ("numerator", "denominator"), np.asarray(value, dtype=np.float64)
    return ("value",), np.asarray(value, dtype=np.float64).reshape(-1, 1)


def exposed_at(log: Any, plan: Plan, trigger: str) -> Any:
    """The log with an exposure of the plan's experiment at each unit's first trigger, all in the control.

    Args:
        log: Table whose properties are columns.
        plan: Its exposure says how exposures are written.
        trigger: Name of the event.

    Raises:
        DecisionError: `XPB-R20`, nobody did the trigger.
    """
    table = nw.from_native(log, eager_only=True).to_arrow()
    names = EventSchema()
    unit = names.unit or plan.unit
    if names.properties and names.properties in table.column_names and unit not in table.column_names:
        return _exposed_in_json(table, plan, trigger, unit=unit, names=names)
    first = table.filter(pc.equal(table[names.event], trigger)).group_by(unit).aggregate([(names.time, "min")])
    if not first.num_rows:
        raise _bad("trigger", trigger, "It is an event of the log", "Check its spelling")
    made = {
        names.event: pa.array([plan.exposure.event] * first.num_rows),
        unit: first[unit],
        names.time: first[f"{names.time}_min"],
        plan.exposure.experiment_property: pa.array([plan.experiment_name] * first.num_rows),
        plan.exposure.variant_property: pa.array([plan.control.key] * first.num_rows),
    }
    return pa.concat_tables(
        [table.filter(pc.not_equal(table[names.event], plan.exposure.event)), pa.table(made)], promote_options="permissive"
    )


def _exposed_in_json(table: pa.Table, plan: Plan, trigger: str, *, unit: str, names: EventSchema) -> pa.Table:
    """The same for a log whose properties are one JSON text, as `xpbench pull` and `xp.ingest` write it."""
    properties = str(names.properties)
    with DuckDB().connect() as engine:
        engine.register("log", pa.table({"event": table[names.event], "p": table[properties]}))
        first = engine.execute(
            "SELECT p ->> $unit, min(TRY_CAST(p ->> $time AS BIGINT)) FROM (SELECT p::JSON AS p FROM log "
            "WHERE event = $trigger) GROUP BY 1 HAVING p ->> $unit IS NOT NULL ORDER BY 1",
            {"unit": f'$."{unit}"', "time": f'$."{names.time}"', "trigger": trigger},
        ).fetchall()
    if not first:
        raise _bad("trigger", trigger, "It is an event of the log", "Check its spelling")
    shared = {plan.exposure.experiment_property: plan.experiment_name, plan.exposure.variant_property: plan.control.key}
    own = [
        json.dumps({unit: u, names.time: t, str(names.insert_id or "$insert_id"): f"exposed-{u}", **shared}) for u, t in first
    ]
    made = pa.table({names.event: pa.array([plan.exposure.event] * len(own)), properties: pa.array(own)})
    kept = table.filter(pc.not_equal(table[names.event], plan.exposure.event))
    return pa.concat_tables([kept, made], promote_options="permissive")


def _filled(values: Floats) -> Floats:
    """Missing covariates at their mean, as the data room does."""
    known = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, known.mean() if known.size else 0.0)


def _ensure_units(plan: Plan) -> None:
    """A history has a value for each unit; sums over users are none."""
    if plan.members is not None:
        raise _bad(
            "members",
            plan.members,
            "A history has a value for each unit, and this plan sums users by unit",
            "Take baselines with plan.with_baselines(table), or set planning.baselines and planning.sds",
        )


def _bad(name: str, value: object, rule: str, remedy: str) -> DecisionError:
    return DecisionError("XPB-R20", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
