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
from xpbench.data.engines.embedded import Stages, from_parquet, literal, quote
from xpbench.data.logs.opening import is_arrow, is_relation, kind_of, plain_arrow, plain_frame
from xpbench.data.summary import Finding
from xpbench.data.tables.unit_sql import REALS, as_id, as_name, as_number, is_text, tidy, unreadable
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.files import partition_names
from xpbench.interrupts import temporary_folder
from xpbench.meaning.names import EXACT, ROUNDED, name_of, nothing_sql, trimmed_sql
from xpbench.meaning.nothing import trimmed
from xpbench.meaning.numbers import NumberRule, advice, number_sql, rule_for
from xpbench.meaning.times import day_advice, days_of
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, MetricBase

if TYPE_CHECKING:
    from xpbench.data.tables.batches import Batches, ParquetBatches
    from xpbench.data.tables.specification import TableSpecification

TOTALS = (
    "total", "totals", "grand total", "sum", "subtotal", "sub-total", "overall", "average", "avg", "mean", "median",
    "gesamt", "gesamtergebnis", "summe", "zwischensumme", "durchschnitt", "mittelwert", "anzahl", "total general", "promedio",
    "totaux", "moyenne", "somme", "totale", "totaal", "gemiddelde",
)  # fmt: skip
"""What the line of totals or averages of a spreadsheet has in place of an id."""

MOST_DAYS = 20_000
"""Different texts of a day column that are looked at one by one."""

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

    def __init__(self, source: TableSpecification, plan: Plan, stack: contextlib.ExitStack, stages: Stages) -> None:
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
        """How a metric appears in the table."""
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
            return plain_arrow(self.source.table.select(self.wanted))
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
            if isinstance(direct, ParquetBatches):
                self._refuse_spans(direct)
            if isinstance(direct, ParquetBatches) and all(names == direct.names[0] for names in direct.names):
                named = [n for n in partition_names(table, direct.names[0]) if n in self.wanted]
                self.need(self.wanted, [*direct.names[0], *named])
                direct = None if named else direct
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

    def _refuse_spans(self, table: ParquetBatches) -> None:
        """Spans of time are not numbers; the engine would read their microseconds from a file, and from a frame not.

        Raises:
            DataError: `XPB-D16`.
        """
        for name in self.measures:
            if kind := table.span_of(name):
                listed = ", ".join(map(shown, self.metrics_by_column[name][:3]))
                raise DataError("XPB-D16", column=name, kind=kind, metrics=plain(listed))

    def key_of(self, value: Any) -> str | None:
        """The variant that a value of the variant column stands for."""
        exact, canonical = self.keys
        if isinstance(value, str) and (short := trimmed(value)) in exact:
            return exact[short]
        name = name_of(value)
        return None if name is None else canonical.get(name, name)

    @cached_property
    def keys(self) -> tuple[dict[str, str], dict[str, str]]:
        """The variant for each text that the call or the plan names: as it is written, and as the name that it is."""
        exact = {key: key for key in self.plan.assigned_keys} | {trimmed(k): v for k, v in self.source.variants.items()}
        canonical = {name: key for text, key in reversed(exact.items()) if (name := name_of(text)) is not None}
        return exact, canonical

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
        """Make the view or table `source` with the wanted columns as w0, w1, …; their types by name."""
        table = self.source.table
        short = {name: f"w{i}" for i, name in enumerate(wanted)}
        listed = ", ".join(f"{quote(name)} AS {w}" for name, w in short.items())
        if isinstance(table, list) and kind_of(table[0]) == "csv":
            self._open_csv(table, short)
        elif isinstance(table, list):
            reader = from_parquet(table)
            known = [r[0] for r in self.all(f"DESCRIBE SELECT * FROM {reader}")]
            named = [n for n in partition_names(table, known) if n in wanted]
            self.need(wanted, [*known, *named])
            reader = from_parquet(table, named)
            self.all(f"CREATE TEMP VIEW source AS SELECT {listed} FROM {reader}")
        elif is_relation(table):
            self.need(wanted, table.columns)
            handed = table.project(listed).to_arrow_reader(100_000)
            self.connection.register("handed", handed)
            self.all("CREATE TEMP TABLE source AS SELECT * FROM handed")
            self.connection.unregister("handed")
        else:
            native = self.native
            self.connection.register("source", _renamed(native, short))
        types = {r[0]: str(r[1]) for r in self.all("DESCRIBE SELECT * FROM source")}
        self.all(f"CREATE TEMP {self._kind(types)} tidy AS SELECT {tidy(types)} FROM source")
        return {name: types[w] for name, w in short.items()}

    @staticmethod
    def _kind(types: Mapping[str, str]) -> str:
        """Text is looked at several times, so that what was made of it is kept."""
        return "TABLE" if "VARCHAR" in types.values() else "VIEW"

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

    def _open_csv(self, paths: Sequence[str], short: Mapping[str, str]) -> None:
        # Everything is read as text and turned into numbers by rules of ours, so that no value is lost to a guessed type.
        import duckdb

        from xpbench.sheets.select import load, names_of, sheets_of

        folder = str(self.stack.enter_context(temporary_folder()))
        sheets = sheets_of(paths, folder, short)
        known = names_of(sheets)
        self.need(short, [*known, *partition_names(paths, known)])
        load(self.connection, "source", sheets, dict(short), folder, duckdb.Error)
        for sheet in sheets:
            if sheet.preamble:
                words = "; ".join(shown(line[:60]) for line in sheet.preamble[:3])
                detail = f"File {shown(Path(sheet.named).name)}, before the header: {words}."
                self.find("skipped_lines", len(sheet.preamble), 0, "not read", detail=detail)
        same = " AND ".join(
            f"{w} LIKE {literal('%' + name + '%')} AND trim({w}) = {literal(name)}" for name, w in short.items()
        )
        (again,) = self.one(f"SELECT count(*) FROM source WHERE {same}")  # as a filter, which stops at the first column
        if again:
            self.all(f"CREATE OR REPLACE TEMP TABLE source AS SELECT * FROM source WHERE coalesce(NOT ({same}), true)")
            self.find("repeated_header", int(again), 0, "not read", detail="The header is there again between rows.")

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
        short = {name: f"w{i}" for i, name in enumerate(types)}
        columns = [f"{self._id(types)} AS u", f"{self._variant(types)} AS v"]
        for name, measure in self.measures.items():
            rule = self.rule(name, short[name], types[name]) if is_text(types[name]) else None
            number, parsed = as_number(short[name], types[name], column=name, metrics=self.metrics_by_column[name], rule=rule)
            columns.append(f"{number} AS {measure}")
            if parsed:
                self.texts.add(measure)
                columns.append(f"{unreadable(short[name], types[name], rule)} AS b{measure[1:]}")
        columns += [
            f"coalesce({as_name(short[s], types[s])}, {literal(MISSING)}) AS s{i}" for i, s in enumerate(self.plan.segments)
        ]
        if self.source.day:
            columns.append(f"{self._day(self.source.day, short[self.source.day], types[self.source.day])} AS d")
        text = self.texts or "VARCHAR" in types.values()
        kind = "TABLE" if text else "VIEW"  # text is parsed once
        self.all(f"CREATE TEMP {kind} base AS SELECT {', '.join(columns)} FROM tidy")
        if isinstance(self.source.table, list):
            self._ensure_no_totals(unit)

    def _id(self, types: Mapping[str, str]) -> str:
        """Expression of the id."""
        name, kind = f"w{list(types).index(self.unit)}", types[self.unit]
        self._ensure_exact(self.unit, kind, name)
        return as_id(name, kind)

    def _variant(self, types: Mapping[str, str]) -> str:
        """Expression of the plan's variant, or of the name of what is none."""
        kind, place = types[self.source.variant], list(types).index(self.source.variant)
        exact, canonical = self.keys
        name = as_name(f"w{place}", kind)
        cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in canonical.items())
        out = f"CASE {name} {cases} ELSE {name} END" if cases else name
        if is_text(kind):
            cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in exact.items())
            text = f"w{place}" if kind == "VARCHAR" else trimmed_sql(f"CAST(w{place} AS VARCHAR)")
            out = f"CASE {text} {cases} ELSE {out} END"
        return out

    def _ensure_exact(self, unit: str, kind: str, name: str) -> None:
        """Ids that are numbers with a floating point can be told apart.

        Raises:
            DataError: `XPB-D64`, `XPB-D79`.
        """
        if kind in REALS:
            most = EXACT if kind == "DOUBLE" else 2**24
            (top,) = self.one(f"SELECT max(abs({name})) FROM tidy WHERE isfinite({name})")
            if top is not None and top >= most:
                raise DataError("XPB-D64", column=unit, found=plain(f"{top:.0f}"))
        elif kind == "VARCHAR":
            found = self.all(f"SELECT {name} FROM tidy WHERE regexp_matches({name}, {literal(ROUNDED)}) LIMIT 1")
            if found:
                raise DataError("XPB-D79", column=unit, found=str(found[0][0]))

    def _ensure_no_totals(self, unit: str) -> None:
        """No row is the sum of the others, as spreadsheets write it at the end.

        Raises:
            DataError: `XPB-D65`.
        """
        listed = ", ".join(map(literal, TOTALS))
        is_total = f"rtrim(lower(CAST(u AS VARCHAR)), ': ') IN ({listed}) AND v IS NOT NULL"
        if not self.all(f"SELECT 1 FROM base WHERE {is_total} LIMIT 1"):
            return  # rows are numbered only where it matters
        found = self.all(
            f"SELECT r, CAST(u AS VARCHAR) FROM (SELECT row_number() OVER () AS r, u, v FROM base) "
            f"WHERE {is_total} ORDER BY r DESC LIMIT 4"
        )
        if found and len({row[1].lower() for row in found}) == len(found) < 4:
            raise DataError("XPB-D65", row=plain(f"{found[0][0]:,}"), unit=found[0][1], column=unit)

    def rule(self, column: str, name: str, kind: str) -> NumberRule | None:
        """How a column of text is read that is not written plainly; the rule is reported."""
        short = name if kind == "VARCHAR" else trimmed_sql(f"CAST({name} AS VARCHAR)")
        there = f"{short} IS NOT NULL AND NOT {nothing_sql(short)}"
        odd = self.all(f"SELECT {short} FROM tidy WHERE {number_sql(short)} IS NULL AND {there} LIMIT 1")
        if not odd:
            return None

        (gaps,) = self.one(f"SELECT count(*) FROM tidy WHERE NOT coalesce({there}, false)")

        def count(tests: Sequence[tuple[str, str]]) -> list[int]:
            from xpbench.meaning.numbers import bare_sql

            asked = ", ".join(f"count_if(regexp_full_match({bare_sql('x', s)}, {literal(p)}))" for s, p in tests)
            return [int(n) for n in self.one(f"SELECT {asked} FROM (SELECT {short} AS x FROM tidy WHERE {there})")]

        found = rule_for(count, gaps=int(gaps))
        if found is not None:
            (of,) = self.one(f"SELECT count(*) FROM tidy WHERE {there}")
            example = str(odd[0][0])
            words = found.words.format(shown(example[:40]), f"{found.of(example):g}")
            detail = f"Column {shown(column)}: {words}."
            self.find("read_by_rule", int(of), int(of), f"read as numbers ({found.name})", detail=detail)
        return found

    def advice(self, short: str) -> str:
        """What to do about values of a measure that are not numbers."""
        return advice(
            [str(r[0]) for r in self.all(f"SELECT DISTINCT b{short[1:]} FROM base WHERE b{short[1:]} IS NOT NULL LIMIT 50")]
        )

    def _day(self, column: str, name: str, kind: str) -> str:
        """Expression of the day as text, MISSING where there is none.

        Raises:
            DataError: `XPB-D63`, a value is no day.
        """
        if kind == "DATE" or kind.startswith("TIMESTAMP"):
            return self._likely(column, f"coalesce(CAST(CAST({name} AS DATE) AS VARCHAR), {literal(MISSING)})")
        text = as_name(name, kind)
        # a day without an offset is its first ten signs; what else there is comes to Python, a text once
        iso = f"regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]([01][0-9]|2[0-3])(:[0-9:.]+)?)?')"
        iso += f" AND try_cast(left({text}, 10) AS DATE) IS NOT NULL"
        rows = self.all(
            f"SELECT {text} AS x, count(*) FROM tidy WHERE {text} IS NOT NULL AND NOT coalesce({iso}, false) "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_DAYS}"
        )
        (plainly,) = self.one(f"SELECT count(*) FROM tidy WHERE {iso}")
        found = days_of([str(r[0]) for r in rows], more=bool(plainly))
        bad = [(str(x), int(n)) for x, n in rows if found.get(str(x)) is None]
        if bad:
            count = plain(f"{sum(n for _, n in bad):,}")
            raise DataError(
                "XPB-D63", column=column, count=count, found=bad[0][0], remedy=plain(day_advice([x for x, _ in bad]))
            )
        cases = " ".join(f"WHEN {literal(x)} THEN {literal(day)}" for x, day in found.items() if day is not None)
        other = f"CASE {text} {cases} ELSE {literal(MISSING)} END" if cases else literal(MISSING)
        return self._likely(column, f"CASE WHEN {iso} THEN left({text}, 10) ELSE {other} END")

    def _likely(self, column: str, day: str) -> str:
        """Days from before 2005 next to later ones, and days after 2100, stand for none: they are reported.

        A table all of whose days are older is one of an old experiment.
        """
        early, late, usual = self.one(
            f"SELECT count_if(d < '2005' AND d <> {literal(MISSING)}), count_if(d >= '2100' AND d <> {literal(MISSING)}), "
            f"count_if(d >= '2005' AND d < '2100') FROM (SELECT {day} AS d FROM tidy)"
        )
        odd = (int(early) if usual else 0) + int(late)
        if not odd:
            return day
        wrong = "d >= '2100'" + (" OR d < '2005'" if usual else "")
        ((such,),) = self.all(f"SELECT min(d) FROM (SELECT {day} AS d FROM tidy) WHERE ({wrong}) AND d <> {literal(MISSING)}")
        detail = f"Column {shown(column)} holds days that stand for none, such as {such}."
        self.find("implausible_days", odd, int(early) + int(late) + int(usual), "read without a day", detail=detail)
        return f"CASE WHEN {wrong.replace('d ', f'({day}) ')} THEN {literal(MISSING)} ELSE {day} END"


def _renamed(native: Any, short: Mapping[str, str]) -> Any:
    """A table of Arrow or pandas with the wanted columns under short names."""
    if is_arrow(native):
        return native.select(list(short)).rename_columns(list(short.values()))
    return native[list(short)].set_axis(list(short.values()), axis=1)
