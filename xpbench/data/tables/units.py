"""Tables with one row per unit: read, checked against the plan, and turned into moments by the embedded engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xpbench.data.engines.embedded import DuckDB, Progress, Stages, unread
from xpbench.data.logs.one_moment import one_moment
from xpbench.data.logs.opening import as_text, located
from xpbench.data.summary import Cap, Summary
from xpbench.data.tables.specification import TableSpecification
from xpbench.data.tables.unit_table import UnitTable, is_reading_error
from xpbench.errors import DataError, plain, shown
from xpbench.meaning.nothing import trimmed
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from xpbench.data.histogram import Histogram
    from xpbench.data.unit_values import Take


def units(
    table: Any,
    *,
    unit: str | None = None,
    variant: str | None = None,
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
        variant: Column of the variant; left out, the column `variant`, or else the one that is called so (`group`, `arm`,
            `test_group` …) or holds the plan's variants. The summary's `source` says which one was found.
        day: Column with the day or time of the first exposure, for results by day.
        variants: What stands in the column for which variant of the plan, such as `{0: "control", 1: "letter"}`;
            left out, the column holds the plan's keys.
        engine: Limits of the embedded engine.

    Raises:
        DataError: `XPB-D02` a file is missing, `XPB-D03` this kind of table is not read, `XPB-D46` an empty cell is named as a
            variant.
    """
    for value in variants or {}:
        _ensure_word(value)
    return UnitsSource(
        located(table),
        unit=unit,
        variant=variant,
        day=day,
        variants={as_text(k): v for k, v in (variants or {}).items()},
        engine=engine or DuckDB(),
    )


def _ensure_word(value: Any) -> None:
    """An empty cell says nothing, so it names no variant either.

    Raises:
        DataError: `XPB-D46`.
    """
    if value is None or value != value or (isinstance(value, str) and not trimmed(value)):
        rule = "It says what a cell stands for, and an empty cell is not a value: a unit that was lost looks the same"
        hint = "Write a word into these cells, such as none, and name it here"
        raise DataError(
            "XPB-D46", argument=plain("A key of variants"), value=plain("empty"), rule=plain(rule), hint=plain(hint)
        )


@dataclass(frozen=True, slots=True)
class UnitsSource:
    """A table with one row per unit; see `units`."""

    table: Any = field(repr=False)
    unit: str | None
    variant: str | None
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
        from xpbench.data.tables.unit_reading import summary

        source, inner = self.named(plan), plan
        if plan.members is not None:
            from xpbench.data.members import reading_plan

            inner = reading_plan(plan.changed(unit=source.unit or plan.unit))
            source = replace(source, unit=None)
        with contextlib.ExitStack() as stack:
            try:
                with one_moment(source.table):
                    found = summary(UnitTable(source, inner, stack, Stages(6, progress)), tuple(caps), take)
            except Exception as error:
                if is_reading_error(error):
                    raise unread("The table could not be read", error) from error
                raise
        if plan.members is not None:  # made of users, by the plan of their units
            found = replace(found, made_for=plan.reads)
        if self.variant is None and source.variant != "variant":
            return replace(found, source=f"{found.source}, variants in column {shown(source.variant)}")
        return found

    def named(self, plan: Plan) -> TableSpecification:
        """The same source with the column of the variant found, where the call did not name it.

        Raises:
            DataError: `XPB-D75`, no column fits, or several do.
        """
        column = self.variant
        if column is None:
            from xpbench.data.tables.variant_column import variant_column

            known = list(plan.assigned_keys)
            texts = [k for k, v in self.variants.items() if v in known] or known
            leave_out = {self.unit or plan.unit, *([plan.members] if plan.members else []), *([self.day] if self.day else [])}
            column = variant_column(self.table, known=texts, leave_out=leave_out)
        return TableSpecification(self.table, self.unit, column, self.day, self.variants, self.engine)

    def assigned(self, plan: Plan, *, one_in: int = 1) -> pa.Table:
        """Units with a variant of the plan, for the audit of a readout; ids come to Python here.

        Columns: the plan's unit, and `variant`.

        Args:
            plan: Of the experiment.
            one_in: Of so many units one, drawn by a hash of its id that has nothing to do with the assignment.

        Raises:
            DataError: the table can't be read.
        """
        from xpbench.data.engines.embedded import literal

        with contextlib.ExitStack() as stack:
            source = self.named(plan)
            table = UnitTable(source, plan, stack, Stages(6, None))
            days = [source.day] if source.day else []
            table.wanted = list(dict.fromkeys([table.unit, source.variant, *plan.segments, *days]))
            known = ", ".join(literal(v.key) for v in plan.variants)
            share = f" AND hash(u) % {int(one_in)} = 0" if one_in > 1 else ""
            which = "DISTINCT u, v" if plan.members else "u, v"  # a unit has a row for each of its users
            query = f"SELECT {which} FROM base WHERE u IS NOT NULL AND v IN ({known}){share}"
            found = table.run.sql(query).to_arrow_table()
        return found.rename_columns([plan.unit, "variant"])

    def histograms(self, plan: Plan, caps: Iterable[Cap]) -> tuple[Histogram, ...]:
        """Counts per bin before and after winsorization, for each of these caps; for pictures.

        Args:
            plan: The plan.
            caps: Of a summary of this table.
        """
        from xpbench.data.histogram import histograms_of
        from xpbench.data.tables.unit_reading import checked_units

        with contextlib.ExitStack() as stack:
            table = UnitTable(self.named(plan), plan, stack, Stages(6, None))
            return histograms_of(checked_units(table), plan, table.parts, caps)
