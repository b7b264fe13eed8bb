"""Units of the past: a table with one row per unit and no variant, under the same meanings and the same data policy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.data.engines.embedded import DuckDB, Stages, literal, unread
from xpbench.data.logs.opening import located
from xpbench.data.summary import Finding
from xpbench.data.tables.batches import EngineBatches, Layout
from xpbench.data.tables.specification import TableSpecification
from xpbench.data.tables.unit_policy import check_duplicates, check_values, keep_rows
from xpbench.data.tables.unit_sums import scan
from xpbench.data.tables.unit_table import MISSING, UnitTable, is_reading_error
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, plain
from xpbench.plan import Plan
from xpbench.plan.metrics import Column

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PastUnits:
    """Columns of a table of past units.

    Attributes:
        columns: By name: one number per unit, NaN where it has none.
        day: Day of each unit as its ordinal; None where it was not asked for.
        findings: What was counted on the way.
    """

    columns: Mapping[str, Floats]
    day: NDArray[np.int64] | None
    findings: tuple[Finding, ...]


def past_units(table: Any, plan: Plan, columns: Iterable[str], *, day: str | None = None) -> PastUnits:
    """Read columns of a table whose units belong to no variant.

    Args:
        table: As for `xp.units`.
        plan: Its unit, where the table has it, and its data policy: missing values, codes for them, units on several rows.
        columns: Numeric columns.
        day: Column with the day of the first exposure.

    Raises:
        DataError: the table can't be read, lacks a column, or holds what the policy refuses; `XPB-D63`, a day can't be read
            or is missing.
    """
    table = located(table)
    bare = plan.changed(segments=[]) if plan.segments else plan
    source = TableSpecification(table, unit=None, variant="", day=day, variants={}, engine=DuckDB())
    with contextlib.ExitStack() as stack:
        past = _PastTable(source, bare, stack, Stages(1, None), has_ids=bare.unit in columns_of(table))
        try:
            return past.read(list(columns))
        except Exception as error:
            if is_reading_error(error):
                raise unread("The table could not be read", error) from error
            raise


class _PastTable(UnitTable):
    """A per-unit table of which every row is of one group."""

    def __init__(
        self, source: TableSpecification, plan: Plan, stack: contextlib.ExitStack, stages: Stages, *, has_ids: bool
    ) -> None:
        super().__init__(source, plan, stack, stages)
        self.has_ids = has_ids

    def read(self, columns: list[str]) -> PastUnits:
        """See `past_units`."""
        for metric in self.plan.metrics:
            if isinstance(metric, Column):
                for name in (metric.column, *metric.covariates):
                    self.metrics_by_column.setdefault(name, []).append(metric.key)
        for name in columns:
            self.metrics_by_column.setdefault(name, [name])
            self.measure(name)
        own = {m.column for m in self.plan.metrics if isinstance(m, Column)} or set(columns)
        days = [self.source.day] if self.source.day else []
        self.wanted = list(dict.fromkeys([*([self.unit] if self.has_ids else []), *columns, *days]))
        layout = Layout("u", "v", tuple(self.measures.values()), ("d",) if days else ())
        found, _ = scan(self, EngineBatches(self.run, "base", layout), [])
        self.rows = found.rows
        if not self.rows:
            raise DataError("XPB-D07", what=plain("The table has no rows"))
        keep_rows(self, own, check_values(self, own, found), found)
        view = check_duplicates(self, found)
        listed = ", ".join([*(f"CAST({m} AS DOUBLE) AS {m}" for m in self.measures.values()), *(["d"] if days else [])])
        got = self.run.execute(f"SELECT {listed} FROM {view}").fetchnumpy()
        values = {name: np.ma.filled(np.ma.asarray(got[m], np.float64), np.nan) for name, m in self.measures.items()}
        return PastUnits(values, self._ordinals(got["d"]) if days else None, tuple(f for f in self.findings if f.count))

    def _ordinals(self, texts: Any) -> NDArray[np.int64]:
        lost = int(np.count_nonzero(texts == MISSING))
        if lost:
            remedy = plain("Give every unit its day, or read the history without days")
            raise DataError("XPB-D63", column=self.source.day, count=plain(f"{lost:,}"), found="", remedy=remedy)
        known = {text: date.fromisoformat(text).toordinal() for text in set(texts.tolist())}
        return np.array([known[text] for text in texts.tolist()], dtype=np.int64)

    def _id(self, types: Mapping[str, str]) -> str:
        return super()._id(types) if self.has_ids else "row_number() OVER ()"

    def _variant(self, types: Mapping[str, str]) -> str:
        return literal(self.plan.variants[0].key)
