"""A table of the past as one group of units: whatever its variants, nothing in what is read of it differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xpbench.data.engines.embedded import DuckDB, from_parquet, literal, quote, unread
from xpbench.data.logs.opening import is_relation, kind_of, located, plain_arrow, plain_frame
from xpbench.data.tables.units import UnitsSource, units
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, nearest, plain
from xpbench.files import partition_names
from xpbench.interrupts import temporary_folder
from xpbench.meaning.names import trimmed_sql
from xpbench.sheets.select import load, sheets_of

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
    if isinstance(table, list):
        return _of_files(table, wanted, "" if rows is None else f" LIMIT {rows}")
    if is_relation(table):
        found = table.project(", ".join(map(quote, wanted)))
        return (found if rows is None else found.limit(rows)).to_arrow_table()
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(table)
    if isinstance(frame, nw.LazyFrame):
        lazy = frame.select(*wanted)
        return plain_arrow((lazy if rows is None else lazy.head(rows)).collect("pyarrow").to_native())
    chosen = frame.select(*wanted)
    native = plain_frame(chosen if rows is None else chosen.head(rows), lambda column, kinds: None)
    return native if isinstance(native, pa.Table) else pa.Table.from_pandas(native, preserve_index=False)


def _of_files(paths: Sequence[str], wanted: Sequence[str], limit: str) -> Any:
    """The columns of CSV or Parquet files; those of CSV by the same reader as `xp.units`."""
    import duckdb

    listed = ", ".join(f"c{i} AS {quote(name)}" for i, name in enumerate(wanted))
    with temporary_folder() as made, DuckDB().connect() as run:
        folder = str(made)
        try:
            if kind_of(paths[0]) == "parquet":
                names = ", ".join(map(quote, wanted))
                known = [r[0] for r in run.execute(f"DESCRIBE SELECT * FROM {from_parquet(paths)}").fetchall()]
                named = [n for n in partition_names(paths, known) if n in wanted]
                return run.sql(f"SELECT {names} FROM {from_parquet(paths, named)}{limit}").to_arrow_table()
            short = {name: f"c{i}" for i, name in enumerate(wanted)}
            load(run, "source", sheets_of(paths, folder, short), short, folder, duckdb.Error)
            again = " AND ".join(f"{trimmed_sql(c)} = {literal(name)}" for name, c in short.items())
            found = f"SELECT {listed} FROM source WHERE coalesce(NOT ({again}), true){limit}"  # without headers between rows
            return run.sql(found).to_arrow_table()
        except duckdb.Error as error:
            raise unread("The table could not be read", error) from error


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
