"""A table with one row per unit as one plan needs it: its columns, found and typed, read directly or through the engine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.data.blocks import Parts
from xpbench.data.engines.embedded import Stages, file_list, from_parquet, literal, quote, unread
from xpbench.data.logs.opening import as_text, is_arrow, is_relation, kind_of, plain_frame
from xpbench.data.summary import Finding
from xpbench.data.tables.unit_sql import as_day, as_id, as_key, as_number, unreadable
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, MetricBase

if TYPE_CHECKING:
    from xpbench.data.tables.batches import Batches
    from xpbench.data.tables.units import UnitsSource

MISSING = "(missing)"
"""Slice of units without a value of a segment."""


def is_reading_error(error: Exception) -> bool:
    """Whether the engine or the reader of Parquet files says that something can't be read, told without importing them."""
    engine, arrow = sys.modules.get("duckdb"), sys.modules.get("pyarrow")
    return (engine is not None and isinstance(error, engine.Error)) or (
        arrow is not None and isinstance(error, (arrow.ArrowException, OSError))
    )


class UnitTable:
    """One run over one table for one plan: what is known of its columns, and what was found so far.

    Attributes:
        findings: What was counted.
        metrics_by_column: Keys of the metrics that a column serves.
        measures: Name in the engine's views (m0, …) of every numeric column.
        texts: Measures that are parsed from text.
        wanted: Columns that are read.
        rows: Of the table.
        kept: Statement that makes the view of the units after the plan's policy.
        connection: To the embedded engine; None while nobody needed it.
        direct: The table in batches, where it is read without the engine.
    """

    def __init__(self, source: UnitsSource, plan: Plan, stack: contextlib.ExitStack, stages: Stages) -> None:
        self.source = source
        self.plan = plan
        self.stack = stack
        self.stages = stages
        self.unit = source.unit or plan.unit
        self.findings: list[Finding] = []
        self.metrics_by_column: dict[str, list[str]] = {}
        self.measures: dict[str, str] = {}
        self.texts: set[str] = set()
        self.wanted: list[str] = []
        self.rows = 0
        self.kept = ""
        self.connection: Any = None
        self.direct: Batches | None = None

    @property
    def threads(self) -> int:
        """How many threads may work."""
        return self.source.engine.threads or os.cpu_count() or 1

    @property
    def run(self) -> Any:
        """The embedded engine with the view `base`; started when it is first needed."""
        if self.connection is None:
            self.connection = self.stack.enter_context(self.source.engine.connect())
            self.base(self.unit, self.open(self.wanted))
            if self.kept:
                self.all(self.kept)
        return self.connection

    def parts(self, metric: MetricBase) -> Parts:
        """How a metric stands in the table."""
        if not isinstance(metric, Column):
            raise DataError("XPB-D04", key=metric.key, part_kind=getattr(metric, "kind", "?"))
        covariates = tuple((name, self.measure(name)) for name in metric.covariates)
        return Parts((("value", self.measure(metric.column)),), covariates, covariates)

    def measure(self, column: str) -> str:
        """Name in the unit table of a numeric column of the source."""
        return self.measures.setdefault(column, f"m{len(self.measures)}")

    @cached_property
    def native(self) -> Any:
        """A table in memory, with the wanted columns only, in a form that is scanned without guessing."""
        if is_arrow(self.source.table):
            self.need(self.wanted, self.source.table.column_names)
            return self.source.table.select(self.wanted)
        import narwhals.stable.v2 as nw

        frame = nw.from_native(self.source.table)
        if isinstance(frame, nw.LazyFrame):
            self.need(self.wanted, frame.collect_schema().names())
            frame = frame.select(*self.wanted).collect("pyarrow")
        self.need(self.wanted, frame.columns)
        return plain_frame(frame.select(*self.wanted), self.mixed)

    def batches(self) -> Batches:
        """The table in batches: directly where its columns are numbers and keys, else through the engine, which parses text."""
        import pyarrow as pa

        from xpbench.data.tables.batches import EngineBatches, Layout, ParquetBatches, TableBatches

        table = self.source.table
        texts = (*self.plan.segments, *([self.source.day] if self.source.day else []))
        layout = Layout(self.unit, self.source.variant, tuple(self.measures), texts)
        direct: Batches | None = None
        if isinstance(table, list) and kind_of(table[0]) == "parquet":
            with contextlib.suppress(pa.ArrowException, OSError):  # the engine says what is wrong with the file
                direct = ParquetBatches(table, layout)
            if isinstance(direct, ParquetBatches) and all(names == direct.names[0] for names in direct.names):
                self.need(self.wanted, direct.names[0])
        elif not isinstance(table, list) and not is_relation(table):
            with contextlib.suppress(pa.ArrowException):  # such as objects of several types
                native = self.native
                arrow = native if isinstance(native, pa.Table) else pa.Table.from_pandas(native, preserve_index=False)
                direct = TableBatches(arrow, layout)
        if direct is not None and direct.fits():
            self.direct = direct
            return direct
        run = self.run
        short = tuple(self.measures.values())
        dims = tuple(f"s{i}" for i in range(len(self.plan.segments))) + (("d",) if self.source.day else ())
        return EngineBatches(run, "base", Layout("u", "v", short, dims))

    def key_of(self, value: Any) -> str | None:
        """The variant that a value of the variant column stands for."""
        if value is None:
            return None
        if isinstance(value, str):
            text: str | None = None if value.strip(" ").lower() in ("", "nan", "null", "<na>") else value
        else:
            text = as_text(value)
        return None if text is None else self.source.variants.get(text, text)

    def find(self, name: str, count: int, of: int, action: str, **more: Any) -> None:
        """Count something."""
        self.findings.append(Finding(name, count, of, action, **more))

    def one(self, query: str) -> tuple[Any, ...]:
        """The single row of a query."""
        return self.all(query)[0]  # read to the end: the engine allows one open result

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        run = self.run if self.connection is None else self.connection
        rows: list[tuple[Any, ...]] = run.execute(query).fetchall()
        return rows

    def open(self, wanted: Sequence[str]) -> dict[str, str]:
        """Make the view or table `source` with the wanted columns; their types by name."""
        table = self.source.table
        if isinstance(table, list) and kind_of(table[0]) == "csv":
            self._open_csv(table, wanted)
        elif isinstance(table, list):
            reader = from_parquet(table)
            self.need(wanted, [r[0] for r in self.all(f"DESCRIBE SELECT * FROM {reader}")])
            self.all(f"CREATE TEMP VIEW source AS SELECT {', '.join(map(quote, wanted))} FROM {reader}")
        elif is_relation(table):
            self.need(wanted, table.columns)
            handed = table.project(", ".join(map(quote, wanted))).to_arrow_reader(100_000)
            self.connection.register("handed", handed)
            self.all("CREATE TEMP TABLE source AS SELECT * FROM handed")
            self.connection.unregister("handed")
        else:
            self.connection.register("source", self.native)
        return {r[0]: str(r[1]) for r in self.all("DESCRIBE SELECT * FROM source")}

    def need(self, wanted: Iterable[str], known: Sequence[str]) -> None:
        """Every wanted column is there once.

        Raises:
            DataError: `XPB-D05` or `XPB-D06`.
        """
        for name in wanted:
            if list(known).count(name) > 1:
                raise DataError("XPB-D06", column=name, times=list(known).count(name))
            if name not in known:
                raise DataError("XPB-D05", column=name, role=plain(self.role_of(name)), hint=plain(nearest(name, known)))

    def role_of(self, column: str) -> str:
        """What the plan or the call wants a column for."""
        if column == (self.source.unit or self.plan.unit):
            return "the unit's id"
        if column == self.source.variant:
            return "the variant"
        if column == self.source.day:
            return "the day"
        if column in self.metrics_by_column:
            return "metric " + ", ".join(shown(k) for k in self.metrics_by_column[column][:3])
        return "a segment"

    def _open_csv(self, paths: Sequence[str], wanted: Sequence[str]) -> None:
        # Everything is read as text and turned into numbers by rules of ours, so that no value is lost to a guessed type.
        together = f"union_by_name = {'true' if len(paths) > 1 else 'false'}, hive_partitioning = false"
        if all(Path(p).stat().st_size == 0 for p in paths):
            raise DataError("XPB-D07", what=plain("The file is empty"))
        reader = f"read_csv({file_list(paths)}, all_varchar = true, header = true, {together})"
        try:
            self.need(wanted, [r[0] for r in self.all(f"DESCRIBE SELECT * FROM {reader}")])
            self.all(f"CREATE TEMP TABLE source AS SELECT {', '.join(map(quote, wanted))} FROM {reader}")
        except Exception as error:
            if not is_reading_error(error):
                raise
            raise unread("The CSV file could not be read", error) from error

    def mixed(self, column: str, kinds: Mapping[str, int]) -> None:
        """A column holds values of several types."""
        most = max(kinds.values())
        words = ", ".join(f"{v:,} {k}" for k, v in sorted(kinds.items(), key=lambda p: (-p[1], p[0])))
        name = "mixed_ids" if column == (self.source.unit or self.plan.unit) else "mixed_types"
        self.find(
            name,
            sum(kinds.values()) - most,
            sum(kinds.values()),
            "compared as text",
            detail=f"Column {shown(column)} holds {words}.",
        )

    def base(self, unit: str, types: Mapping[str, str]) -> None:
        """Make the view `base`: u, v, a number or null for every measure (m0, …), its unreadable text (b0, …), s0, …, d."""
        variant = as_key(quote(self.source.variant), types[self.source.variant])
        if self.source.variants:
            cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in self.source.variants.items())
            variant = f"CASE {variant} {cases} ELSE {variant} END"
        columns = [f"{as_id(quote(unit), types[unit])} AS u", f"{variant} AS v"]
        for name, short in self.measures.items():
            number, is_text = as_number(quote(name), types[name], column=name, metrics=self.metrics_by_column[name])
            columns.append(f"{number} AS {short}")
            if is_text:
                self.texts.add(short)
                columns.append(f"{unreadable(quote(name))} AS b{short[1:]}")
        columns += [
            f"coalesce({as_key(quote(s), types[s])}, {literal(MISSING)}) AS s{i}" for i, s in enumerate(self.plan.segments)
        ]
        if self.source.day:
            columns.append(
                f"coalesce(CAST({as_day(quote(self.source.day), types[self.source.day])} AS VARCHAR), {literal(MISSING)}) AS d"
            )
        text = self.texts or "VARCHAR" in types.values()
        kind = "TABLE" if text else "VIEW"  # text is parsed once
        self.all(f"CREATE TEMP {kind} base AS SELECT {', '.join(columns)} FROM source")
