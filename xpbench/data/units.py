"""Tables with one row per unit: read, checked against the plan, and turned into moments by the embedded engine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.canonical import digest
from xpbench.data.blocks import Block, Parts, blocks_of, leaves
from xpbench.data.engine import DuckDB, Progress, Stages, engine_name, first_line, literal, quote
from xpbench.data.opening import as_text, is_relation, kind_of, located, plain_frame
from xpbench.data.summary import Cap, Cell, Extreme, Finding, Summary, merge_findings
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, MetricBase

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from xpbench.data.batches import Batches
    from xpbench.data.histogram import Histogram
    from xpbench.data.scan import Found
    from xpbench.data.slices import Sums, Unit
    from xpbench.data.sums import Profile
    from xpbench.data.unit_values import Take

VARIANT = "variant"
"""Column of the variant in the views of the engine."""

MISSING = "(missing)"
"""Slice of units without a value of a segment."""

MAX_SLICES = 200
"""Slices of one segment that get moments: the largest."""

NO_VALUE = ("", "na", "n/a", "nan", "null", "none", "nil", "<na>", "#n/a")
"""Texts that mean 'no value', in any case."""

SUSPECTS = (-9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0)
"""Numbers that are often typed where a value is missing."""


def units(
    table: Any,
    *,
    unit: str | None = None,
    variant: str = "variant",
    day: str | None = None,
    variants: Mapping[Any, str] | None = None,
    engine: DuckDB | None = None,
) -> UnitsSource:
    """A table with one row per unit as a source for `experiment.readout`.

    Nothing is read before a plan asks for it.

    Args:
        table: A pandas, polars or pyarrow table, a DuckDB relation, or the path (or paths) of CSV files, plain or
            gzipped, or of Parquet files; paths may have `*`.
        unit: Column of the unit's id; the plan's `unit` where it is left out.
        variant: Column of the variant.
        day: Column with the day or time of the first exposure, for results by day.
        variants: What stands in the column for which variant of the plan, such as `{0: "control", 1: "letter"}`;
            left out, the column holds the plan's keys.
        engine: Limits of the embedded engine.

    Raises:
        DataError: `XPB-D02` a file is missing, `XPB-D03` this kind of table is not read.
    """
    return UnitsSource(
        located(table),
        unit=unit,
        variant=variant,
        day=day,
        variants={as_text(k): v for k, v in (variants or {}).items()},
        engine=engine or DuckDB(),
    )


@dataclass(frozen=True, slots=True)
class UnitsSource:
    """A table with one row per unit; see `units`."""

    table: Any = field(repr=False)
    unit: str | None
    variant: str
    day: str | None
    variants: Mapping[str, str] = field(repr=False)
    engine: DuckDB = field(repr=False)

    def summarize(
        self, plan: Plan, *, progress: Progress | None = None, caps: Iterable[Cap] = (), take: Take | None = None
    ) -> Summary:
        """Moments of every metric of the plan by variant, and everything that was counted on the way.

        Args:
            plan: Its metrics are of kind `column`, ratio or formula.
            progress: Called after every stage.
            caps: Winsorization thresholds of an earlier look; new ones are computed where there are none.
            take: Called with the values of the units, without ids and variants, for the A/A calibration.

        Raises:
            DataError: the table does not fit the plan, or the plan's data policy refuses what was found.
        """
        with contextlib.ExitStack() as stack:
            try:
                return _Reading(self, plan, stack, Stages(6, progress)).summary(tuple(caps), take)
            except Exception as error:
                if _is_reading_error(error):
                    raise DataError("XPB-D01", what=plain("The table could not be read"), reason=first_line(error)) from error
                raise

    def histograms(self, plan: Plan, caps: Iterable[Cap]) -> tuple[Histogram, ...]:
        """Counts per bin before and after winsorization, for each of these caps; for pictures.

        Args:
            plan: The plan.
            caps: Of a summary of this table.
        """
        from xpbench.data.histogram import histograms_of

        with contextlib.ExitStack() as stack:
            reading = _Reading(self, plan, stack, Stages(6, None))
            return histograms_of(reading.checked_units(), plan, reading.parts, caps)


def _is_reading_error(error: Exception) -> bool:
    """Whether the engine or the reader of Parquet files says that something can't be read, told without importing them."""
    engine, arrow = sys.modules.get("duckdb"), sys.modules.get("pyarrow")
    return (engine is not None and isinstance(error, engine.Error)) or (
        arrow is not None and isinstance(error, (arrow.ArrowException, OSError))
    )


class _Reading:
    """One run over one table for one plan."""

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

    # -- columns -----------------------------------------------------------------------------------------------------

    def parts(self, metric: MetricBase) -> Parts:
        """How a metric stands in the table."""
        if not isinstance(metric, Column):
            raise DataError("XPB-D04", key=metric.key, part_kind=getattr(metric, "kind", "?"))
        covariates = tuple((name, self.measure(name)) for name in metric.covariates)
        return Parts((("value", self.measure(metric.column)),), covariates, covariates)

    def measure(self, column: str) -> str:
        """Name in the unit table of a numeric column of the source."""
        return self.measures.setdefault(column, f"m{len(self.measures)}")

    # -- the run -----------------------------------------------------------------------------------------------------

    def checked_units(self) -> nw.LazyFrame[Any]:
        """The unit table after the plan's data policy."""
        import narwhals.stable.v2 as nw

        blocks_of(self.plan, self.parts)
        *_, view = self.check([])
        frame: nw.LazyFrame[Any] = nw.from_native(self.run.sql(f"SELECT * FROM {view}"))
        return frame

    def check(self, whole: Sequence[Block]) -> tuple[Found, dict[Block, list[tuple[Sums, list[Unit]]]], set[str], str]:
        """Open the table and apply the data policy.

        Args:
            whole: Blocks whose sums are taken on the way.

        Returns:
            What the pass found, sums of blocks, measures of which values were changed, and the name of the view of the
            engine that holds the units after the policy.
        """
        plan, source = self.plan, self.source
        for metric in plan.metrics:
            for _, leaf in leaves(plan, metric):
                if isinstance(leaf, Column):
                    for column in (leaf.column, *leaf.covariates):
                        self.metrics_by_column.setdefault(column, [])
                        if metric.key not in self.metrics_by_column[column]:
                            self.metrics_by_column[column].append(metric.key)
        days = [source.day] if source.day else []
        self.wanted = list(dict.fromkeys([self.unit, source.variant, *self.measures, *plan.segments, *days]))
        batches = self.batches()
        self.stages.finish("open the table")
        own = {leaf.column for m in plan.metrics for _, leaf in leaves(plan, m) if isinstance(leaf, Column)}
        found, sums = self.scan(batches, whole)
        self.check_variants(found)
        trouble = self.check_values(own, found)
        self.stages.finish("check the values", self.rows)
        changed = {m for m, kinds in trouble.items() if kinds.keys() - {"negative", "suspect", "other_negative"}}
        self.keep(own, trouble, found)
        view = self.check_duplicates(found)
        self.stages.finish("check the units", self.rows)
        return found, sums, changed, view

    def summary(self, caps: tuple[Cap, ...], take: Take | None = None) -> Summary:
        plan, source = self.plan, self.source
        blocks = blocks_of(plan, self.parts)
        whole = [b for b in blocks if not any(c.winsorize for c in b.columns)]
        found, sums, changed, view = self.check(whole)
        fingerprint = self.fingerprint(found)
        self.stages.finish("take the fingerprint", self.rows)
        dimensions = {s: f"s{i}" for i, s in enumerate(plan.segments)}
        if source.day:
            dimensions["$day"] = "d"
        self.limit_slices(dimensions)
        if changed or view != "kept":
            known, units, extremes, sums = self.again(view, blocks, whole)
        else:
            known, units, extremes = self.at_once(found, blocks, sums)
        cells = [c for b in whole for c in self.cells(b, sums[b])]
        slices: dict[str, dict[str, dict[str, int]]] = {}
        caps_used: tuple[Cap, ...] = ()
        if dimensions or len(whole) < len(blocks):
            import narwhals.stable.v2 as nw

            from xpbench.data.moments import moments_of

            more = moments_of(
                nw.from_native(self.run.sql(f"SELECT * FROM {view}")),
                blocks,
                variants=[v.key for v in plan.variants],
                dimensions=dimensions,
                smallest_slice=plan.data.smallest_segment,
                frozen=caps,
                known=known,
                done={(b.metric, b.form) for b in whole},
            )
            cells += more.cells
            caps_used = more.caps
            slices = {k: {s: dict(u) for s, u in v.items()} for k, v in more.slices.items()}
        n = sum(units.values())
        self.stages.finish("compute the moments", n)
        empty = {v: 0 for v, count in units.items() if count == 0}
        if empty:
            self.find("variant_without_units", len(empty), len(plan.variants), "kept", by_variant=empty)
        for segment in plan.segments:
            small = [k for k, v in slices[segment].items() if sum(v.values()) < plan.data.smallest_segment]
            self.find("small_slices", len(small), len(slices[segment]), "not shown", detail=f"Segment {shown(segment)}.")
        by_day = {k: dict(v) for k, v in slices.get("$day", {}).items() if k != MISSING}
        order = {v.key: i for i, v in enumerate(plan.variants)}
        ranks = {(b.metric, b.form): i for i, b in enumerate(blocks)}
        cells.sort(key=lambda c: (c.dimension, c.slice, ranks[c.metric, c.form], order[c.variant]))
        if take is not None:
            import narwhals.stable.v2 as nw

            from xpbench.data.unit_values import MOST_UNITS, unit_values

            if n <= MOST_UNITS:
                take(unit_values(nw.from_native(self.run.sql(f"SELECT * FROM {view}")), blocks, caps_used))
        self.stages.finish("write the summary", n)
        return Summary(
            source="units table",
            fingerprint=fingerprint,
            rows=self.rows,
            units=units,
            cells=tuple(cells),
            caps=caps_used,
            findings=merge_findings(self.findings),
            extremes=extremes,
            exposures_by_day=by_day,
            segments={s: slices[s] for s in plan.segments},
            first_exposure=min(by_day, default=""),
            last_exposure=max(by_day, default=""),
            engine=self.engine(),
        )

    def engine(self) -> str:
        """What did the work."""
        import numpy
        import pyarrow

        direct = f"pyarrow {pyarrow.__version__}, numpy {numpy.__version__}"
        return direct if self.connection is None else f"{engine_name()}, {direct}"

    # -- the pass over the table ---------------------------------------------------------------------------------------

    @cached_property
    def native(self) -> Any:
        """A table in memory, with the wanted columns only, in a form that is scanned without guessing."""
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

        from xpbench.data.batches import EngineBatches, Layout, ParquetBatches, TableBatches

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
            return direct
        run = self.run
        short = tuple(self.measures.values())
        dims = tuple(f"s{i}" for i in range(len(self.plan.segments))) + (("d",) if self.source.day else ())
        return EngineBatches(run, "base", Layout("u", "v", short, dims))

    def scan(self, batches: Batches, blocks: Sequence[Block]) -> tuple[Found, dict[Block, list[tuple[Sums, list[Unit]]]]]:
        """One pass for checks, hashes and sums; a second one over columns that turn out to need more than four decimals."""
        from xpbench.data.scan import Scan
        from xpbench.data.slices import unit_above

        names = list(batches.layout.measures)
        keys = [v.key for v in self.plan.variants]
        at = {short: i for i, short in enumerate(self.measures.values())}
        members = [tuple(at[c.measure] for c in b.columns) for b in blocks]
        direct = self.connection is None
        read = self.key_of if direct else _as_it_is
        guess = {m: unit_above(b) for m, b in batches.bounds(self.fractions(batches)).items()}
        found = Scan(
            batches, variants=keys, read=read, blocks=members, suspects=SUSPECTS, units=guess, threads=self.threads
        ).run()
        short = list(self.measures.values())
        sums = {b: found.sums_of(members[i], i, names) for i, b in enumerate(blocks) if i in found.sums}
        clean = {i for i, name in enumerate(names) if not found.ranges[name].missing and not found.ranges[name].infinite}
        left = [i for i, b in enumerate(blocks) if b not in sums and clean.issuperset(members[i])]
        if left and sum(found.kept):
            units = {name: unit_above(found.ranges[name].bound) for name in names if name in guess or found.needs_more(name)}
            layout = type(batches.layout)(
                batches.layout.unit,
                batches.layout.variant,
                tuple(names[i] for i in sorted({i for k in left for i in members[k]})),
            )
            place = {name: i for i, name in enumerate(layout.measures)}
            some = [tuple(place[names[i]] for i in members[k]) for k in left]
            second = Scan(
                batches.narrowed(layout),
                variants=keys,
                read=read,
                blocks=some,
                units={k: u for k, u in units.items() if k in place},
                threads=self.threads,
                checks=bool(found.without_id),
            ).run()
            for i, k in enumerate(left):
                if i in second.sums:
                    sums[blocks[k]] = second.sums_of(some[i], i, layout.measures)
        found.ranges = dict(zip(short, (found.ranges[name] for name in names), strict=True))
        return found, sums

    def fractions(self, batches: Batches) -> list[str]:
        """Measures whose first rows already need more than four decimals."""
        import numpy as np

        from xpbench.data.batches import numbers
        from xpbench.data.slices import digits_of

        found = []
        for _, batch in batches.head():
            for name in batches.layout.measures:
                values = numbers(batch.column(name)[:2048])
                values = values[np.isfinite(values)]
                largest = float(np.abs(values).max(initial=0.0))
                spare = np.empty((2, len(values)))
                if digits_of(values, largest=largest, least=0, out=spare[0], spare=spare[1]) is None:
                    found.append(name)
            break
        return found

    def key_of(self, value: Any) -> str | None:
        """The variant that a value of the variant column stands for."""
        if value is None:
            return None
        if isinstance(value, str):
            text: str | None = None if value.strip(" ").lower() in ("", "nan", "null", "<na>") else value
        else:
            text = as_text(value)
        return None if text is None else self.source.variants.get(text, text)

    # -- moments -------------------------------------------------------------------------------------------------------

    def cells(self, block: Block, sums: Sequence[tuple[Sums, Sequence[Unit]]]) -> list[Cell]:
        """The cells of one block; variants without units have none."""
        from xpbench.data.slices import moments

        columns = tuple(c.label for c in block.columns)
        out = []
        for variant, (mine, units) in zip(self.plan.variants, sums, strict=True):
            if mine.n:
                mean, cov = moments(mine, units)
                out.append(Cell(block.metric, variant.key, block.form, columns, mine.n, mean, cov))
        return out

    def at_once(
        self, found: Found, blocks: Sequence[Block], sums: Mapping[Block, Sequence[tuple[Sums, Sequence[Unit]]]]
    ) -> tuple[tuple[int, dict[str, Profile]], dict[str, int], tuple[Extreme, ...]]:
        """Profiles, units by variant and extremes, where the pass over the table saw the values as they count."""
        from fractions import Fraction

        from xpbench.data.sums import Profile

        means: dict[str, float] = {}
        for block, by_variant in sums.items():
            for i, c in enumerate(block.columns):
                n = sum(s.n for s, _ in by_variant)
                total = sum((s.first[i] * u[i].value for s, u in by_variant if s.n), Fraction(0))
                means[c.measure] = float(total / n) if n else 0.0
        rows = sum(found.kept)
        profiles = {}
        for short, r in found.ranges.items():
            _limit(r.bound, rows)
            if short in means:
                profiles[short] = Profile(rows, r.low, r.high, means[short], r.digits == 0)
        keys = [v.key for v in self.plan.variants]
        extremes = []
        for block in blocks:
            if block.form == "value" and len(block.own) == 1:
                measure = block.own[0].measure
                seen, mean = found.ranges[measure], means[measure]
                ends = [
                    (value, keys[i])
                    for i in sorted(range(len(keys)), key=lambda i: keys[i])
                    for value, where in ((seen.high, seen.high_in), (seen.low, seen.low_in))
                    if i in where
                ]
                if ends:
                    value, variant = max(ends, key=lambda pair: abs(pair[0] - mean))
                    extremes.append(Extreme(block.metric, variant, value))
        return (rows, profiles), dict(zip(keys, found.kept, strict=True)), tuple(extremes)

    def again(
        self, view: str, blocks: Sequence[Block], whole: Sequence[Block]
    ) -> tuple[tuple[int, dict[str, Profile]], dict[str, int], tuple[Extreme, ...], dict[Block, list[tuple[Sums, list[Unit]]]]]:
        """The same, and all sums, from a view of the engine in which odd values and doubled units are dealt with."""
        import narwhals.stable.v2 as nw

        from xpbench.data.batches import EngineBatches, Layout
        from xpbench.data.moments import profiles_of

        rows, profiles = profiles_of(nw.from_native(self.run.sql(f"SELECT * FROM {view}")), list(self.measures.values()))
        for p in profiles.values():
            _limit(p.bound, rows)
        ends = ", ".join(f"CAST(max({m}) AS DOUBLE), CAST(min({m}) AS DOUBLE)" for m in self.measures.values())
        by = {r[0]: r[1:] for r in self.all(f"SELECT {VARIANT}, count(*), {ends} FROM {view} GROUP BY 1 ORDER BY 1")}
        units = {v.key: int(by[v.key][0]) if v.key in by else 0 for v in self.plan.variants}
        at = {short: i for i, short in enumerate(self.measures.values())}
        extremes = []
        for block in blocks:
            if block.form == "value" and len(block.own) == 1:
                i = at[block.own[0].measure]
                mean = profiles[block.own[0].measure].mean
                seen = [(row[k], v) for v, row in by.items() for k in (1 + 2 * i, 2 + 2 * i) if row[k] is not None]
                if seen:
                    value, variant = max(seen, key=lambda pair: abs(pair[0] - mean))
                    extremes.append(Extreme(block.metric, variant, value))
        lacking = {m for m, p in profiles.items() if p.count < rows}
        sums: dict[Block, list[tuple[Sums, list[Unit]]]] = {}
        groups: dict[tuple[Any, ...], list[Block]] = {}
        for block in whole:
            needed = tuple(sorted({c.measure for c in block.own} & lacking))
            filled = tuple(sorted({c.measure for c in block.covariates} & lacking - {c.measure for c in block.own}))
            groups.setdefault((needed, filled), []).append(block)
        for (needed, filled), members in groups.items():
            used = sorted({c.measure for b in members for c in b.columns}, key=lambda m: at[m])
            columns = [
                f"coalesce(CAST({m} AS DOUBLE), {literal(profiles[m].shift)}) AS {m}" if m in filled else m for m in used
            ]
            where = " AND ".join(f"{m} IS NOT NULL" for m in needed)
            query = f"(SELECT {VARIANT}, {', '.join(columns)} FROM {view}{' WHERE ' + where if where else ''})"
            sums |= self.sums(EngineBatches(self.run, query, Layout("u", VARIANT, tuple(used))), members)
        return (rows, profiles), units, tuple(extremes), sums

    def sums(self, batches: Batches, blocks: Sequence[Block]) -> dict[Block, list[tuple[Sums, list[Unit]]]]:
        """Sums of blocks over values without gaps."""
        from xpbench.data.scan import Scan
        from xpbench.data.slices import Sums, Unit, unit_above

        names = batches.layout.measures
        place = {name: i for i, name in enumerate(names)}
        members = [tuple(place[c.measure] for c in b.columns) for b in blocks]
        guess = {m: unit_above(b) for m, b in batches.bounds(self.fractions(batches)).items()}
        out: dict[Block, list[tuple[Sums, list[Unit]]]] = {}
        for _ in range(2):
            found = Scan(
                batches,
                variants=[v.key for v in self.plan.variants],
                read=_as_it_is,
                blocks=members,
                units=guess,
                threads=self.threads,
                checks=False,
            ).run()
            out = {b: found.sums_of(members[i], i, names) for i, b in enumerate(blocks) if i in found.sums}
            if len(out) == len(blocks):
                break
            guess = {m: unit_above(found.ranges[m].bound) for m in names if m in guess or found.needs_more(m)}
        nothing = [(Sums(), [Unit(0)]) for _ in self.plan.variants]
        return {b: out.get(b, nothing) for b in blocks}

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

    # -- opening -----------------------------------------------------------------------------------------------------

    def open(self, wanted: Sequence[str]) -> dict[str, str]:
        """Make the view or table `source` with the wanted columns; their types by name."""
        table = self.source.table
        if isinstance(table, list) and kind_of(table[0]) == "csv":
            self._open_csv(table, wanted)
        elif isinstance(table, list):
            files = "[" + ", ".join(literal(p) for p in table) + "]"
            reader = f"read_parquet({files}, union_by_name = true)" if len(table) > 1 else f"read_parquet({literal(table[0])})"
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
        files = "[" + ", ".join(literal(p) for p in paths) + "]"
        if all(Path(p).stat().st_size == 0 for p in paths):
            raise DataError("XPB-D07", what=plain("The file is empty"))
        reader = (
            f"read_csv({files}, all_varchar = true, header = true, union_by_name = {'true' if len(paths) > 1 else 'false'})"
        )
        try:
            self.need(wanted, [r[0] for r in self.all(f"DESCRIBE SELECT * FROM {reader}")])
            self.all(f"CREATE TEMP TABLE source AS SELECT {', '.join(map(quote, wanted))} FROM {reader}")
        except Exception as error:
            if not _is_reading_error(error):
                raise
            raise DataError("XPB-D01", what=plain("The CSV file could not be read"), reason=first_line(error)) from error

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

    # -- typing ------------------------------------------------------------------------------------------------------

    def base(self, unit: str, types: Mapping[str, str]) -> None:
        """Make the view `base`: u, v, a number or null for every measure (m0, …), its unreadable text (b0, …), s0, …, d."""
        variant = _as_key(quote(self.source.variant), types[self.source.variant])
        if self.source.variants:
            cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in self.source.variants.items())
            variant = f"CASE {variant} {cases} ELSE {variant} END"
        columns = [f"{_as_id(quote(unit), types[unit])} AS u", f"{variant} AS v"]
        for name, short in self.measures.items():
            number, is_text = _as_number(quote(name), types[name], column=name, metrics=self.metrics_by_column[name])
            columns.append(f"{number} AS {short}")
            if is_text:
                self.texts.add(short)
                columns.append(f"{_unreadable(quote(name))} AS b{short[1:]}")
        columns += [
            f"coalesce({_as_key(quote(s), types[s])}, {literal(MISSING)}) AS s{i}" for i, s in enumerate(self.plan.segments)
        ]
        if self.source.day:
            columns.append(
                f"coalesce(CAST({_as_day(quote(self.source.day), types[self.source.day])} AS VARCHAR), {literal(MISSING)}) AS d"
            )
        text = self.texts or "VARCHAR" in types.values()
        kind = "TABLE" if text else "VIEW"  # text is parsed once
        self.all(f"CREATE TEMP {kind} base AS SELECT {', '.join(columns)} FROM source")

    # -- checks ------------------------------------------------------------------------------------------------------

    def check_variants(self, found: Found) -> None:
        """Rows by variant: missing and unknown ones are counted, and refused where the plan says so."""
        known = [v.key for v in self.plan.variants]
        counts = dict(found.labels)
        self.rows = found.rows
        if self.rows == 0:
            raise DataError("XPB-D07", what=plain("The table has no rows"))
        missing = counts.pop(None, 0)
        unknown = {k: n for k, n in counts.items() if k is not None and k not in known}
        if not any(counts.get(k, 0) for k in known):
            other = ", ".join(shown(k) for k in sorted(unknown, key=lambda k: (-unknown[k], k))[:5]) or "no value at all"
            raise DataError(
                "XPB-D08",
                rows=self.rows,
                column=self.source.variant,
                found=plain(other),
                known=plain(", ".join(map(shown, known))),
            )
        for name, count, policy in (
            ("missing_variant", missing, self.plan.data.missing_variant),
            ("unknown_variant", sum(unknown.values()), self.plan.data.unknown_variant),
        ):
            words = ""
            if name == "unknown_variant" and unknown:
                top = sorted(unknown.items(), key=lambda p: (-p[1], p[0]))
                words = (
                    "Found " + ", ".join(f"{shown(k)} ({n:,} rows)" for k, n in top[:5]) + (" …" if len(top) > 5 else "") + "."
                )
            if count and policy == "refuse":
                raise DataError(
                    "XPB-D09",
                    count=count,
                    what=plain(name.replace("_", " ")),
                    policy=plain(name),
                    detail=plain(words.rstrip(".")),
                )
            self.find(name, count, self.rows, "excluded", detail=words)

    def check_values(self, own: set[str], found: Found) -> dict[str, dict[str, dict[str, int]]]:
        """What is odd about the values of each column, counted by variant.

        Returns:
            For every measure with something odd: missing, text, nan, infinite, negative, code → variant → rows.
        """
        kept = f"v IN ({', '.join(literal(v.key) for v in self.plan.variants)}) AND u IS NOT NULL"
        codes = self.plan.data.missing_codes
        keys = [v.key for v in self.plan.variants]
        rows = sum(found.kept)
        trouble: dict[str, dict[str, dict[str, int]]] = {}
        odd = []
        for short, seen in found.ranges.items():
            if codes or seen.missing or seen.infinite:
                odd.append(short)
            elif seen.negative:
                for name, by in (
                    ("negative", seen.negative),
                    ("suspect", seen.suspect),
                    ("other_negative", seen.other_negative),
                ):
                    if by:
                        trouble.setdefault(short, {})[name] = {keys[v]: n for v, n in sorted(by.items())}
        if not odd:
            self.judge(trouble, rows, own, kept)
            return trouble
        suspects = ", ".join(literal(s) for s in SUSPECTS)
        listed = ", ".join(literal(float(c)) for c in codes or ()) or "NULL"
        exprs = []
        for short in odd:
            text = f"count({'b' + short[1:]})" if short in self.texts else "0"
            exprs += [
                f"count(*) - count({short})",
                text,
                f"count_if(isnan({short}))",
                f"count_if(isinf({short}))",
                f"count_if({short} < 0 AND NOT isinf({short}) AND coalesce({short} NOT IN ({listed}), true))",
                f"count_if({short} IN ({listed}))",
                f"count_if({short} IN ({suspects}))",
                f"count_if({short} < 0 AND {short} NOT IN ({suspects}))",
            ]
        names = ("missing", "text", "nan", "infinite", "negative", "code", "suspect", "other_negative")
        for row in self.all(f"SELECT v, {', '.join(exprs)} FROM base WHERE {kept} GROUP BY v ORDER BY v"):
            for i, short in enumerate(odd):
                for name, value in zip(names, row[1 + len(names) * i :], strict=False):
                    if value:
                        trouble.setdefault(short, {}).setdefault(name, {})[row[0]] = int(value)
        self.judge(trouble, rows, own, kept)
        return trouble

    def judge(self, trouble: Mapping[str, Mapping[str, Mapping[str, int]]], rows: int, own: set[str], kept: str) -> None:
        """Count what was found, and refuse what the plan's policy refuses."""
        policy = self.plan.data
        names = {short: name for name, short in self.measures.items()}
        for short, kinds in trouble.items():
            column = names[short]
            keys = self.metrics_by_column[column]
            if policy.missing_codes is None and (count := sum(kinds.get("suspect", {}).values())):
                others = sum(kinds.get("other_negative", {}).values())
                if others == 0 or count > max(10, rows // 100):
                    suspects = ", ".join(literal(s) for s in SUSPECTS)
                    code, times = self.one(
                        f"SELECT {short}, count(*) FROM base WHERE {kept} AND {short} IN ({suspects}) "
                        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
                    )
                    if abs(code) >= 99 or times > rows // 100:
                        raise DataError("XPB-D11", column=column, value=plain(f"{code:g}"), count=plain(f"{times:,}"))
            text = kinds.get("text", {})
            bad = {"not_a_number": text, "infinite": kinds.get("infinite", {})}
            for name, by in bad.items():
                if by and policy.non_finite == "refuse":
                    example = ""
                    if name == "not_a_number":
                        example = shown(self.one(f"SELECT min(b{short[1:]}) FROM base WHERE {kept}")[0])
                    raise DataError(
                        "XPB-D12",
                        column=column,
                        count=plain(f"{sum(by.values()):,}"),
                        what=plain("infinite" if name == "infinite" else "not a number"),
                        found=plain("" if name == "infinite" else f", such as {example}"),
                    )
            gone = {v: n - text.get(v, 0) for v, n in _added(kinds.get("missing", {}), kinds.get("nan", {})).items()}
            missing = {v: n for v, n in gone.items() if n}
            if (missing or kinds.get("code")) and policy.missing == "refuse":
                total = sum(missing.values()) + sum(kinds.get("code", {}).values())
                raise DataError("XPB-D13", column=column, count=plain(f"{total:,}"))
            covariate = column not in own
            action = "set to zero" if policy.missing == "zero" else "set to the pooled mean" if covariate else "excluded"
            for key in keys:
                detail = f"Column {shown(column)}" + (", a covariate." if covariate else ".")
                for name, by, what in (
                    ("missing_value", missing, action),
                    ("missing_code", kinds.get("code", {}), action),
                    ("not_a_number", text, "set to the pooled mean" if covariate else "excluded"),
                    ("infinite", kinds.get("infinite", {}), "set to the pooled mean" if covariate else "excluded"),
                    ("negative", kinds.get("negative", {}), "kept"),
                ):
                    self.find(name, sum(by.values()), rows, what, metric=key, by_variant=dict(by), detail=detail)

    def keep(self, own: set[str], trouble: Mapping[str, Mapping[str, Any]], found: Found) -> None:
        """Say what the view `kept` is: rows of the plan's variants with an id, odd values as the policy says."""
        policy = self.plan.data
        listed = ", ".join(literal(float(c)) for c in policy.missing_codes or ()) or None
        columns = ["u", f"v AS {VARIANT}"]
        for short in self.measures.values():
            value = short
            if short in trouble:
                tests = [f"isnan({short})"] + ([f"{short} IN ({listed})"] if listed else [])
                missing = f"{short} IS NULL" + (f" AND b{short[1:]} IS NULL" if short in self.texts else "")
                other = "CAST(0 AS DOUBLE)" if policy.missing == "zero" else "NULL"
                value = (
                    f"CASE WHEN {missing} OR coalesce({' OR '.join(tests)}, false) THEN {other} "
                    f"WHEN isinf({short}) THEN NULL ELSE {short} END"
                )
            columns.append(f"{value} AS {short}")
        columns += [f"s{i}" for i in range(len(self.plan.segments))] + (["d"] if self.source.day else [])
        lost = found.without_id
        self.find("missing_unit", lost, self.rows, "excluded")
        keys = ", ".join(literal(v.key) for v in self.plan.variants)
        self.kept = f"CREATE TEMP VIEW kept AS SELECT {', '.join(columns)} FROM base WHERE u IS NOT NULL AND v IN ({keys})"
        if self.connection is not None:
            self.all(self.kept)
        if lost and not sum(found.kept):
            raise DataError("XPB-D07", what=plain("No row has both a unit and a variant of the plan"))

    def check_duplicates(self, found: Found) -> str:
        """Units on several rows: refused, or resolved as the plan says. The name of the view to read."""
        if found.unique or self.unique():
            return "kept"
        repeated, rows, mixed = self.one(
            "SELECT count(*), sum(n), count_if(k > 1) FROM "
            f"(SELECT u, count(*) AS n, count(DISTINCT {VARIANT}) AS k FROM kept GROUP BY u HAVING count(*) > 1)"
        )
        if not repeated:
            return "kept"
        policy = self.plan.data.duplicates
        if policy == "refuse":
            raise DataError("XPB-D14", count=plain(f"{repeated:,}"), rows=plain(f"{rows:,}"), mixed=plain(f"{mixed:,}"))
        if policy == "exclude":
            query = "SELECT * FROM kept WHERE u IN (SELECT u FROM kept GROUP BY u HAVING count(*) = 1)"
            action = "excluded"
        else:
            self.all("CREATE TEMP TABLE numbered AS SELECT *, row_number() OVER () AS r FROM kept")
            query = "SELECT * EXCLUDE (r) FROM numbered WHERE r IN (SELECT min(r) FROM numbered GROUP BY u)"
            action = "kept the first"
        self.all(f"CREATE TEMP TABLE single AS {query}")
        after = dict(self.all(f"SELECT {VARIANT}, count(*) FROM single GROUP BY 1"))
        before = dict(self.all(f"SELECT {VARIANT}, count(*) FROM kept GROUP BY 1"))
        lost = {v: before[v] - after.get(v, 0) for v in sorted(before) if before[v] > after.get(v, 0)}
        self.find("duplicate_units", int(repeated), self.rows, action, by_variant=lost, detail="By variant: rows left out.")
        self.find("several_variants", int(mixed), self.rows, action)
        if not after:
            raise DataError("XPB-D07", what=plain("Every unit stands on several rows, and the plan excludes them"))
        return "single"

    def unique(self) -> bool:
        """Whether every unit stands on one row, found without a table of all ids where that is possible."""
        kind = self.one("SELECT typeof(u) FROM kept LIMIT 1")[0]
        if kind == "BIGINT":
            n, low, high = self.one("SELECT count(*), min(u), max(u) FROM kept")
            if high - low < min(64 * n, 1_000_000_000):
                return bool(self.one(f"SELECT bit_count(bitstring_agg(u, {low}, {high})) FROM kept")[0] == n)
            n, distinct = self.one("SELECT count(*), count(DISTINCT u) FROM kept")
        else:
            n, distinct = self.one("SELECT count(*), count(DISTINCT hash(u)) FROM kept")
        return bool(n == distinct)

    def fingerprint(self, found: Found) -> str:
        """SHA-256 over the content of the columns used, whatever the order of the rows.

        Each row is hashed with its id and a salt; only the sum and the exclusive or of these hashes are kept, so
        that no id can be found again from the fingerprint.
        """
        total, mixed = found.hashes
        content = {
            "columns": [self.unit, self.source.variant, *self.measures, *self.plan.segments, self.source.day or ""],
            "rows": self.rows,
            "sum": str(total),
            "xor": str(mixed),
        }
        return digest(content)

    def limit_slices(self, dimensions: Mapping[str, str]) -> None:
        """A segment with very many values is an id by mistake.

        Raises:
            DataError: `XPB-D15`.
        """
        for name, column in dimensions.items():
            (count,) = self.one(f"SELECT count(DISTINCT {column}) FROM base")
            if not name.startswith("$") and count > MAX_SLICES:
                raise DataError("XPB-D15", segment=name, count=count, limit=MAX_SLICES)


def _as_it_is(value: Any) -> str | None:
    return None if value is None else str(value)


def _limit(bound: float, rows: int) -> None:
    """Squares of these values can be added up in the range of doubles.

    Raises:
        DataError: `XPB-D20`.
    """
    if not bound * bound * max(rows, 1) <= 2.0**1000:
        raise DataError("XPB-D20", bound=bound, limit="1e150")


def _added(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in {**a, **b}}


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_REALS = ("FLOAT", "DOUBLE", "HUGEINT", "UBIGINT", "UHUGEINT")


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or kind.startswith("ENUM")


def _as_id(name: str, kind: str) -> str:
    if kind in _INTEGERS:
        return f"CAST({name} AS BIGINT)"
    if kind in ("FLOAT", "DOUBLE"):
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {name} = floor({name}) AND abs({name}) < 9e15 "
            f"THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        )
    return f"nullif(CAST({name} AS VARCHAR), '')"


def _as_key(name: str, kind: str) -> str:
    """Text of a variant or segment; null where there is none."""
    if kind in ("FLOAT", "DOUBLE"):
        return _as_id(name, kind)
    text = f"CAST({name} AS VARCHAR)"
    if not _is_text(kind):
        return text
    return f"CASE WHEN lower(trim({text})) IN ('', 'nan', 'null', '<na>') THEN NULL ELSE {text} END"


def _as_day(name: str, kind: str) -> str:
    return f"try_cast(CAST({name} AS VARCHAR) AS DATE)" if _is_text(kind) else f"CAST({name} AS DATE)"


def _clean(name: str) -> str:
    text = f"trim(CAST({name} AS VARCHAR))"
    return f"CASE WHEN lower({text}) IN ({', '.join(literal(t) for t in NO_VALUE)}) THEN NULL ELSE {text} END"


def _as_number(name: str, kind: str, *, column: str, metrics: Sequence[str]) -> tuple[str, bool]:
    """Expression of a number, and whether it is parsed from text."""
    if kind == "BOOLEAN" or kind in _INTEGERS:
        return f"CAST({name} AS BIGINT)", False
    if kind in _REALS or kind.startswith("DECIMAL"):
        return f"CAST({name} AS DOUBLE)", False
    if _is_text(kind):
        text = _clean(name)
        return (
            f"CASE lower({text}) WHEN 'true' THEN CAST(1 AS DOUBLE) WHEN 'false' THEN CAST(0 AS DOUBLE) "
            f"ELSE try_cast({text} AS DOUBLE) END",
            True,
        )
    if kind == '"NULL"' or kind == "NULL":
        return f"CAST({name} AS DOUBLE)", False
    raise DataError("XPB-D16", column=column, kind=kind, metrics=plain(", ".join(map(shown, metrics[:3]))))


def _unreadable(name: str) -> str:
    """The text of a value that is there and is no number; null elsewhere."""
    text = _clean(name)
    return (
        f"CASE WHEN {text} IS NOT NULL AND lower({text}) NOT IN ('true', 'false') "
        f"AND try_cast({text} AS DOUBLE) IS NULL THEN {text} END"
    )
