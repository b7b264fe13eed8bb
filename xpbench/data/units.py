"""Tables with one row per unit: read, checked against the plan, and turned into moments by the embedded engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.blocks import Parts, blocks_of, leaves
from xpbench.data.engine import DuckDB, Progress, Stages, engine_name, first_line, literal, quote
from xpbench.data.histogram import Histogram, histograms_of
from xpbench.data.moments import VARIANT, moments_of
from xpbench.data.opening import as_text, kind_of, located, plain_frame
from xpbench.data.summary import Cap, Finding, Summary, merge_findings
from xpbench.data.sums import Profile
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, MetricBase

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

    def summarize(self, plan: Plan, *, progress: Progress | None = None, caps: Iterable[Cap] = ()) -> Summary:
        """Moments of every metric of the plan by variant, and everything that was counted on the way.

        Args:
            plan: Its metrics are of kind `column`, ratio or formula.
            progress: Called after every stage.
            caps: Winsorization thresholds of an earlier look; new ones are computed where there are none.

        Raises:
            DataError: the table does not fit the plan, or the plan's data policy refuses what was found.
        """
        try:
            with self.engine.connect() as connection:
                return _Reading(self, plan, connection, Stages(6, progress)).summary(tuple(caps))
        except duckdb.Error as error:
            raise DataError("XPB-D01", what=plain("The table could not be read"), reason=first_line(error)) from error

    def histograms(self, plan: Plan, caps: Iterable[Cap]) -> tuple[Histogram, ...]:
        """Counts per bin before and after winsorization, for each of these caps; for pictures.

        Args:
            plan: The plan.
            caps: Of a summary of this table.
        """
        with self.engine.connect() as connection:
            reading = _Reading(self, plan, connection, Stages(6, None))
            return histograms_of(reading.kept(), plan, reading.parts, caps)


class _Reading:
    """One run over one table for one plan."""

    def __init__(self, source: UnitsSource, plan: Plan, connection: Any, stages: Stages) -> None:
        self.source = source
        self.plan = plan
        self.run = connection
        self.stages = stages
        self.findings: list[Finding] = []
        self.metrics_by_column: dict[str, list[str]] = {}
        self.measures: dict[str, str] = {}
        self.rows = 0
        self.untouched = False
        self.by_value: dict[Any, tuple[Any, ...]] = {}

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

    def kept(self) -> nw.LazyFrame[Any]:
        """The unit table after the plan's data policy."""
        blocks_of(self.plan, self.parts)
        self.name_columns()
        duplicated, _ = self.check()
        frame: nw.LazyFrame[Any] = nw.from_native(self.run.sql(f"SELECT * FROM {duplicated}"))
        return frame

    def name_columns(self) -> None:
        """Note which metrics want which column."""
        for metric in self.plan.metrics:
            for _, leaf in leaves(self.plan, metric):
                if isinstance(leaf, Column):
                    for column in (leaf.column, *leaf.covariates):
                        self.metrics_by_column.setdefault(column, [])
                        if metric.key not in self.metrics_by_column[column]:
                            self.metrics_by_column[column].append(metric.key)

    def check(self) -> tuple[str, str]:
        """Open the table and apply the data policy: the name of the checked unit table, and the unit's column."""
        plan, source = self.plan, self.source
        unit = source.unit or plan.unit
        wanted = list(
            dict.fromkeys([unit, source.variant, *self.measures, *plan.segments, *([source.day] if source.day else [])])
        )
        types = self.open(wanted)
        self.stages.finish("open the table")
        own = {leaf.column for m in plan.metrics for _, leaf in leaves(plan, m) if isinstance(leaf, Column)}
        self.base(unit, types)
        self.survey(types)
        self.check_variants()
        trouble = self.check_values(own)
        self.stages.finish("check the values", self.rows)
        self.keep(own, trouble)
        duplicated = self.check_duplicates(types[unit])
        self.stages.finish("check the units", self.rows)
        return duplicated, unit

    def summary(self, caps: tuple[Cap, ...]) -> Summary:
        plan, source = self.plan, self.source
        blocks = blocks_of(plan, self.parts)
        self.name_columns()
        duplicated, unit = self.check()
        fingerprint = self.fingerprint(unit)
        self.stages.finish("take the fingerprint", self.rows)
        dimensions = {s: f"s{i}" for i, s in enumerate(plan.segments)}
        if source.day:
            dimensions["$day"] = "d"
        self.limit_slices(dimensions)
        frame = nw.from_native(self.run.sql(f"SELECT * FROM {duplicated}"))
        moments = moments_of(
            frame,
            blocks,
            variants=[v.key for v in plan.variants],
            dimensions=dimensions,
            smallest_slice=plan.data.smallest_segment,
            frozen=caps,
            known=self.profiles() if duplicated == "kept" else None,
        )
        n = sum(moments.units.values())
        self.stages.finish("compute the moments", n)
        empty = {v: 0 for v, count in moments.units.items() if count == 0}
        if empty:
            self.find("variant_without_units", len(empty), len(plan.variants), "kept", by_variant=empty)
        for segment in plan.segments:
            small = [k for k, v in moments.slices[segment].items() if sum(v.values()) < plan.data.smallest_segment]
            self.find(
                "small_slices", len(small), len(moments.slices[segment]), "not shown", detail=f"Segment {shown(segment)}."
            )
        by_day = {k: dict(v) for k, v in moments.slices.get("$day", {}).items() if k != MISSING}
        self.stages.finish("write the summary", n)
        return Summary(
            source="units table",
            fingerprint=fingerprint,
            rows=self.rows,
            units=moments.units,
            cells=moments.cells,
            caps=moments.caps,
            findings=merge_findings(self.findings),
            extremes=moments.extremes,
            exposures_by_day=by_day,
            segments={s: moments.slices[s] for s in plan.segments},
            first_exposure=min(by_day, default=""),
            last_exposure=max(by_day, default=""),
            engine=engine_name(),
        )

    def find(self, name: str, count: int, of: int, action: str, **more: Any) -> None:
        """Count something."""
        self.findings.append(Finding(name, count, of, action, **more))

    def one(self, query: str) -> tuple[Any, ...]:
        """The single row of a query."""
        row: tuple[Any, ...] = self.run.execute(query).fetchall()[0]  # read to the end: the engine allows one open result
        return row

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small result."""
        rows: list[tuple[Any, ...]] = self.run.execute(query).fetchall()
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
        elif isinstance(table, duckdb.DuckDBPyRelation):
            self.need(wanted, table.columns)
            handed = table.project(", ".join(map(quote, wanted))).to_arrow_reader(100_000)
            self.run.register("handed", handed)
            self.all("CREATE TEMP TABLE source AS SELECT * FROM handed")
            self.run.unregister("handed")
        else:
            frame = nw.from_native(table)
            if isinstance(frame, nw.LazyFrame):
                self.need(wanted, frame.collect_schema().names())
                frame = frame.select(*wanted).collect("pyarrow")
            self.need(wanted, frame.columns)
            self.run.register("source", plain_frame(frame.select(*wanted), self.mixed))
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
        except duckdb.Error as error:
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
        self.texts: set[str] = set()
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

    def survey(self, types: Mapping[str, str]) -> None:
        """One pass over the table by variant: rows, ids, hashes of rows, and the range of every measure."""
        columns = ["u", "v", *self.measures.values(), *(f"s{i}" for i in range(len(self.plan.segments)))]
        salted = ", ".join([literal("xpbench.units.1"), *columns, *(["d"] if self.source.day else [])])
        wanted = ["count(*)", "count(u)", f"sum(hash({salted}))", f"bit_xor(hash({salted}))"]
        open_ones = [m for n, m in self.measures.items() if types[n] != "BOOLEAN" and types[n] not in _INTEGERS]
        tests = {short: f"bool_or({short} <> floor({short}))" for short in open_ones}
        if tests:  # a fraction among the first rows saves looking at all of them
            head = self.one(f"SELECT {', '.join(tests.values())} FROM (SELECT {', '.join(tests)} FROM base LIMIT 2048)")
            tests |= {short: "true" for short, found in zip(open_ones, head, strict=True) if found}
        for short in self.measures.values():
            broken = tests.get(short, "false")
            wanted += [f"count({short})", f"min({short})", f"max({short})", f"avg({short})", broken]
        self.by_value = {r[0]: r[1:] for r in self.all(f"SELECT v, {', '.join(wanted)} FROM base GROUP BY v ORDER BY v")}

    def ranges(self) -> dict[str, list[tuple[Any, ...]]] | None:
        """Count, least, greatest, mean and "broken" of every measure by variant of the plan; None where ids are missing."""
        mine = [self.by_value[v.key] for v in self.plan.variants if v.key in self.by_value]
        if any(row[0] != row[1] for row in mine):
            return None
        return {short: [row[4 + 5 * i : 9 + 5 * i] for row in mine] for i, short in enumerate(self.measures.values())}

    def profiles(self) -> tuple[int, dict[str, Profile]] | None:
        """What the sums need to know of every measure, where no value was changed since the survey."""
        ranges = self.ranges()
        if ranges is None or not self.untouched:
            return None
        rows = sum(self.by_variant.values())
        out = {}
        for short, found in ranges.items():
            mean = sum(r[0] * r[3] for r in found) / rows
            whole = not any(r[4] for r in found)
            out[short] = Profile(rows, float(min(r[1] for r in found)), float(max(r[2] for r in found)), float(mean), whole)
        return rows, out

    def check_variants(self) -> None:
        """Rows by variant: missing and unknown ones are counted, and refused where the plan says so."""
        known = [v.key for v in self.plan.variants]
        counts = {v: int(row[0]) for v, row in self.by_value.items()}
        self.rows = sum(counts.values())
        if self.rows == 0:
            raise DataError("XPB-D07", what=plain("The table has no rows"))
        missing = counts.pop(None, 0)
        unknown = {k: n for k, n in counts.items() if k not in known}
        self.by_variant = {k: counts.get(k, 0) for k in known}
        if not sum(self.by_variant.values()):
            found = ", ".join(shown(k) for k in sorted(unknown, key=lambda k: (-unknown[k], k))[:5]) or "no value at all"
            raise DataError(
                "XPB-D08",
                rows=self.rows,
                column=self.source.variant,
                found=plain(found),
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

    def check_values(self, own: set[str]) -> dict[str, dict[str, dict[str, int]]]:
        """What is odd about the values of each column, counted by variant.

        Returns:
            For every measure with something odd: missing, text, nan, infinite, negative, code → variant → rows.
        """
        kept = f"v IN ({', '.join(literal(v.key) for v in self.plan.variants)}) AND u IS NOT NULL"
        ranges = self.ranges()
        codes = self.plan.data.missing_codes
        odd: list[str] = []
        self.untouched = ranges is not None and not codes
        rows = sum(self.by_variant.values()) if ranges is not None else self.one(f"SELECT count(*) FROM base WHERE {kept}")[0]
        for short in self.measures.values():
            found = [] if ranges is None else ranges[short]
            # NaN is greater than every number to the engine, and no comparison with it holds here
            clean = all(r[0] > 0 and r[1] >= 0 and r[2] < float("inf") for r in found)
            present = sum(r[0] for r in found)
            if ranges is None or codes or not clean or present < rows:
                odd.append(short)
            if present < rows or not all(r[0] > 0 and r[1] > float("-inf") and r[2] < float("inf") for r in found):
                self.untouched = False
        trouble: dict[str, dict[str, dict[str, int]]] = {}
        if not odd:
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
                        what=plain("infinite" if name == "infinite" else f"not a number, such as {example}"),
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

    def keep(self, own: set[str], trouble: Mapping[str, Mapping[str, Any]]) -> None:
        """Make the view `kept`: rows of the plan's variants with an id, odd values as the policy says."""
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
        lost = sum(int(r[0]) - int(r[1]) for r in self.by_value.values())
        self.find("missing_unit", lost, self.rows, "excluded")
        keys = ", ".join(literal(v.key) for v in self.plan.variants)
        self.all(f"CREATE TEMP VIEW kept AS SELECT {', '.join(columns)} FROM base WHERE u IS NOT NULL AND v IN ({keys})")
        if lost and not self.one("SELECT count(*) FROM kept")[0]:
            raise DataError("XPB-D07", what=plain("No row has both a unit and a variant of the plan"))

    def check_duplicates(self, kind: str) -> str:
        """Units on several rows: refused, or resolved as the plan says. The name of the view to read."""
        if self.unique():
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

    def fingerprint(self, unit: str) -> str:
        """SHA-256 over the content of the columns used, whatever the order of the rows.

        Each row is hashed with its id and a salt; only the sum and the exclusive or of these hashes leave the engine, so
        that no id can be found again from the fingerprint.
        """
        rows = self.by_value.values()
        total, mixed = sum(int(r[2]) for r in rows), 0
        for row in rows:
            mixed ^= int(row[3])
        content = {
            "columns": [unit, self.source.variant, *self.measures, *self.plan.segments, self.source.day or ""],
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
