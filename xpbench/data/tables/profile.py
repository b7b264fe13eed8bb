"""What a table holds, column by column, before any plan: types, how many values, examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, plain
from xpbench.meaning.names import name_of
from xpbench.meaning.numbers import NumberRule, number_of_text, rule_of_texts
from xpbench.meaning.times import days_of

ColumnKind = Literal["number", "flag", "day", "text", "empty"]

MOST_COLUMNS = 200
SEEN_ROWS = 100_000
"""Rows, spread evenly, whose values say what a column is."""
TEXTS = 2_000
"""Different texts that are tried as numbers or days."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column.

    Attributes:
        name: Its name.
        kind: `number`; `flag`, only 0 and 1 (or yes and no); `day`; `text`; `empty`.
        distinct: Different values, without missing ones.
        missing: Rows without a value.
        rows: Of the table.
        counts: The most frequent values by name, at most twenty; of columns with few values all of them.
        values: Of numbers and flags, in the rows that were looked at; NaN where there is none.
    """

    name: str
    kind: ColumnKind
    distinct: int
    missing: int
    rows: int
    counts: dict[str, int]
    values: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def is_unique(self) -> bool:
        """Every row has its own value."""
        return self.missing == 0 and self.distinct == self.rows > 1


def profile_of(table: Any) -> list[ColumnProfile]:
    """The columns of a table in order; everything is read once.

    Args:
        table: As for `xp.units`.

    Raises:
        DataError: `XPB-D01`, `XPB-D02`, `XPB-D03`, the table can't be read; `XPB-D06`, two columns
            of one name; `XPB-D07`, it is empty.
    """
    names = columns_of(table)
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise DataError("XPB-D06", column=twice, times=names.count(twice))
    found = arrow_table(table, names[:MOST_COLUMNS])
    if found.num_rows == 0:
        raise DataError("XPB-D07", what=plain("The table has no rows"))
    return list(_profiles(found))


def _profiles(table: Any) -> Iterator[ColumnProfile]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, name in enumerate(table.column_names):
        table = table.set_column(i, name, _countable(table.column(i)))
    step = max(1, table.num_rows // SEEN_ROWS)
    some = table.take(pa.array(np.arange(0, table.num_rows, step)))
    for name in table.column_names:
        column, seen = table.column(name), some.column(name)
        counted: dict[str, int] = {}
        for pair in pc.value_counts(column.drop_null()).to_pylist():
            key = name_of(pair["values"])
            if key is not None:
                counted[key] = counted.get(key, 0) + int(pair["counts"])
        kind, values = _kind(seen, counted)
        top = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:20])
        yield ColumnProfile(name, kind, len(counted), table.num_rows - sum(counted.values()), table.num_rows, top, values)


def _countable(column: Any) -> Any:
    """A column whose values can be counted; what Arrow does not compare is text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    known = (
        pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )
    if (known and not pa.types.is_interval(kind) and not pa.types.is_duration(kind)) or pa.types.is_null(kind):
        return column
    return pa.chunked_array([pa.array([name_of(v) for v in column.to_pylist()], pa.string())])


def _kind(column: Any, counted: dict[str, int]) -> tuple[ColumnKind, NDArray[np.float64] | None]:
    """What the values are, and as numbers where they are numbers."""
    import pyarrow as pa

    kind = column.type
    if not counted:
        return "empty", None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "day", None
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = np.array([math.nan if v is None else float(v) for v in column.to_pylist()])
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = list(counted)[:TEXTS]
        plain_numbers = all(number_of_text(t) is not None for t in texts)
        rule = None if plain_numbers else rule_of_texts(texts)
        if not plain_numbers and rule is None:
            days = days_of(texts)
            return ("day" if all(days.get(t) and len(t) >= 8 for t in texts) else "text"), None
        values = np.array([_number(rule, v) for v in column.to_pylist()])
    else:
        return "text", None
    known = values[np.isfinite(values)]
    return ("flag" if known.size and np.isin(known, (0.0, 1.0)).all() and len(counted) <= 2 else "number"), values


def _number(rule: NumberRule | None, value: Any) -> float:
    """A text as a number, by the rule of its column; NaN where it is none."""
    if value is None or name_of(value) is None:
        return math.nan
    try:
        found = number_of_text(str(value)) if rule is None else rule.of(str(value))
        return math.nan if found is None else float(found)
    except ValueError:
        return math.nan
