"""A table of the past as one group of units: whatever its variants, nothing in what is read of it differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpbench.data.engines.embedded import DuckDB, literal, quote, unread
from xpbench.data.logs.opening import is_relation, kind_of, located, plain_frame
from xpbench.data.tables.units import UnitsSource, units
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, nearest, plain

GROUP = "$pooled"
"""Name of the column that puts every unit into one group."""
ROW = "$row"
"""Name of the ids where every row is one unit."""


def arrow_table(table: Any, columns: Sequence[str], *, rows: int | None = None) -> Any:
    """Some columns of a table as an Arrow table; of CSV files all as text, so that no value is lost to a guessed type.

    Args:
        table: As for `xp.units`.
        columns: Which, in order.
        rows: At most so many of the first rows; all of them where it is left out.

    Raises:
        DataError: `XPB-D05`, there is no such column; `XPB-D01`, `XPB-D02` or `XPB-D03`, the table can't be read.
    """
    table = located(table)
    known = columns_of(table)
    for name in columns:
        if name not in known:
            raise DataError("XPB-D05", column=name, role=plain("the call"), hint=plain(nearest(name, known)))
    wanted = list(dict.fromkeys(columns))
    limit = "" if rows is None else f" LIMIT {rows}"
    if isinstance(table, list):
        import duckdb

        files = "[" + ", ".join(map(literal, table)) + "]"
        how = "all_varchar = true, header = true, union_by_name = true"
        reader = f"read_csv({files}, {how})" if kind_of(table[0]) == "csv" else f"read_parquet({files}, union_by_name = true)"
        with DuckDB().connect() as run:
            try:
                return run.sql(f"SELECT {', '.join(map(quote, wanted))} FROM {reader}{limit}").to_arrow_table()
            except duckdb.Error as error:
                raise unread("The table could not be read", error) from error
    if is_relation(table):
        found = table.project(", ".join(map(quote, wanted)))
        return (found if rows is None else found.limit(rows)).to_arrow_table()
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(table)
    if isinstance(frame, nw.LazyFrame):
        lazy = frame.select(*wanted)
        return (lazy if rows is None else lazy.head(rows)).collect("pyarrow").to_native()
    chosen = frame.select(*wanted)
    native = plain_frame(chosen if rows is None else chosen.head(rows), lambda column, kinds: None)
    return native if isinstance(native, pa.Table) else pa.Table.from_pandas(native, preserve_index=False)


def pooled_units(table: Any, columns: Sequence[str], *, group: str, unit: str | None, day: str | None = None) -> UnitsSource:
    """The table as a source in which every unit is in one group.

    Args:
        table: As for `xp.units`.
        columns: Numeric columns that are wanted.
        group: Key of the plan's variant that all units are put under.
        unit: Column of the unit's id; None where every row is one unit.
        day: Column with the day of the first exposure.
    """
    import pyarrow as pa

    found = arrow_table(table, [*columns, *([unit] if unit else []), *([day] if day else [])])
    n = found.num_rows
    found = found.append_column(GROUP, pa.array([group] * n, pa.string()))
    if unit is None:
        found = found.append_column(ROW, pa.array(range(n), pa.int64()))
    return units(found, unit=unit or ROW, variant=GROUP, day=day)
