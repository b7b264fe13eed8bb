"""What is in the variant column of a table with one row per unit, before any plan names its variants."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from xpbench.data.engines.embedded import DuckDB, literal, quote, unread
from xpbench.data.logs.opening import is_arrow, is_relation, kind_of, located, plain_arrow, plain_frame
from xpbench.errors import DataError, nearest, plain
from xpbench.files import partition_names, partitions_of
from xpbench.interrupts import temporary_folder
from xpbench.meaning.names import name_of
from xpbench.sheets.select import load, names_of, sheets_of
from xpbench.sheets.shape import Sheet


def columns_of(table: Any) -> list[str]:
    """Names of the columns of a table, in order; of files, those that any of them has.

    Raises:
        DataError: `XPB-D01`, `XPB-D02` or `XPB-D03`, the table can't be read.
    """
    table = located(table)
    if isinstance(table, list) and kind_of(table[0]) == "parquet":
        known = _every_name(table)
        return known + partition_names(table, known)
    if isinstance(table, list):
        with temporary_folder() as made:
            folder = str(made)
            known = list(dict.fromkeys(names_of(_sheets(table, folder))))
            return known + partition_names(table, known)
    if is_relation(table):
        return [str(name) for name in table.columns]
    import narwhals.stable.v2 as nw

    frame = nw.from_native(table)
    return list(frame.collect_schema().names())


def variant_values(table: Any, column: str, named: Collection[str] = ()) -> dict[str, int]:
    """Rows by value of the variant column, most frequent first; missing values are left out.

    Args:
        table: As for `xp.units`.
        column: Its variant column.
        named: Texts that the call names: they are values, whatever they say.

    Raises:
        DataError: `XPB-D05`, there is no such column; `XPB-D01`, `XPB-D02` or `XPB-D03`, the table can't be read.
    """
    known = columns_of(table)
    if column not in known:
        raise DataError("XPB-D05", column=column, role=plain("the variant"), hint=plain(nearest(column, known)))
    table = located(table)
    if isinstance(table, list) and kind_of(table[0]) == "parquet" and column in partition_names(table, _every_name(table)):
        return _ordered(((partitions_of(path).get(column), _rows(path)) for path in table), named)
    if isinstance(table, list) and kind_of(table[0]) == "parquet":
        return _ordered(_met(table, column), named)
    if isinstance(table, list):
        import duckdb

        with temporary_folder() as made, _reading() as run:
            folder = str(made)
            sheets = _sheets(table, folder, (column,))
            if names_of(sheets).count(column) > 1:
                raise DataError("XPB-D06", column=column, times=names_of(sheets).count(column))
            load(run, "source", sheets, {column: "v"}, folder, duckdb.Error)
            again = f"trim(v) <> {literal(column)}"  # the header between rows
            rows = run.execute(f"SELECT v, count(*) FROM source WHERE {again} GROUP BY 1").fetchall()
    elif is_relation(table):
        name = quote(column)
        rows = table.filter(f"{name} IS NOT NULL").aggregate(f"{name}, count(*)").fetchall()
    else:
        import narwhals.stable.v2 as nw

        if is_arrow(table):
            table = plain_arrow(table.select([column]))
        held = nw.from_native(table)
        if isinstance(held, nw.DataFrame):
            held = nw.from_native(plain_frame(held.select(column), lambda name, kinds: None))
        frame = held.lazy().select(v=nw.col(column)).filter(~nw.col("v").is_null())
        counts = frame.group_by("v").agg(n=nw.len()).collect("pyarrow")
        rows = list(zip(counts["v"].to_list(), counts["n"].to_list(), strict=True))
    return _ordered(rows, named)


def _every_name(files: list[str]) -> list[str]:
    return list(dict.fromkeys(name for path in files for name in _names(path)))


def _rows(path: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _names(path: str) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise unread("The table could not be read", error) from error


def _met(files: list[str], column: str) -> Iterator[tuple[Any, int]]:
    """Values of a column of Parquet files with their rows, batch by batch and without the engine; a file may lack the column.

    Raises:
        DataError: `XPB-D01`, a file can't be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        for path in (p for p in files if column in _names(p)):
            with pq.ParquetFile(path, read_dictionary=[column]) as file:
                for batch in file.iter_batches(columns=[column], batch_size=2**20):
                    for met in pc.value_counts(batch.column(0).drop_null()):
                        yield met["values"].as_py(), met["counts"].as_py()
    except (pa.ArrowException, OSError) as error:
        raise unread("The table could not be read", error) from error


def _ordered(rows: Iterable[tuple[Any, int]], named: Collection[str]) -> dict[str, int]:
    """Rows by name of the value, most frequent first; what means that there is no value is left out."""
    found: dict[str, int] = {}
    for value, count in rows:
        if (name := name_of(value, named)) is not None:
            found[name] = found.get(name, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@contextlib.contextmanager
def _reading() -> Any:
    import duckdb

    with DuckDB().connect() as run:
        try:
            yield run
        except duckdb.Error as error:
            raise unread("The table could not be read", error) from error


def _sheets(files: list[str], folder: str, wanted: Collection[str] = ()) -> list[Sheet]:
    if kind_of(files[0]) != "csv":
        raise DataError("XPB-D03", kind="JSON Lines", hint=plain("Read events with xp.events under a plan"))
    return sheets_of(files, folder, wanted)
