"""Tables of ids and exposures from CSV and Parquet files, read batch by batch; ids stay the text that is in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xpbench.errors import AssignError, InputError, nearest, plain, shown
from xpbench.meaning.nothing import NOTHING, SPACES
from xpbench.sheets.stream import streamed

BATCH = 1 << 18


def _kind(path: str | Path) -> tuple[Path, str]:
    """The file and its kind, `CSV` or `Parquet`."""
    file = Path(path)
    if not file.is_file():
        raise InputError("XPB-I01", path=str(path))
    if file.suffix == ".parquet":
        return file, "Parquet"
    if file.name.lower().endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".csv.zip", ".xlsx", ".xlsm")):
        return file, "CSV"
    raise InputError(
        "XPB-I04",
        name=plain("Kind of file"),
        value=file.name,
        rule=plain("Ids and exposures are read from .csv, .csv.gz, .tsv, .xlsx and .parquet"),
        remedy=plain("Convert it"),
    )


@contextmanager
def _reading(file: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise InputError("XPB-I02", path=str(file), kind=kind, reason=plain(shown(str(error))[1:-1])) from None


def batches(path: str | Path, *, as_text: tuple[str, ...] = ()) -> Iterator[pa.Table]:
    """The rows of a CSV or Parquet file in batches.

    Args:
        path: `.csv`, `.csv.gz`, `.tsv`, `.xlsx` or `.parquet`.
        as_text: Columns of a CSV that stay text, such as ids: 00123 is no number. Parquet has types of its own.

    Raises:
        InputError: `XPB-I01`, no such file; `XPB-I02`, it can't be read; `XPB-I04`, another kind of file.
    """
    file, kind = _kind(path)
    with _reading(file, kind):
        if kind == "Parquet":
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(batch_size=BATCH):
                    yield pa.Table.from_batches([batch])
            return
        with streamed(file, as_text) as reader:
            for batch in reader:
                table = _without_headers(pa.Table.from_batches([batch]), as_text)
                if table.num_rows:
                    yield table


def _without_headers(table: pa.Table, as_text: tuple[str, ...]) -> pa.Table:
    """The rows that are not the header again, as joined files have it between their rows."""
    for name in as_text[:1]:
        if name in table.column_names and pa.types.is_string(table.schema.field(name).type):
            table = table.filter(pc.fill_null(pc.not_equal(table[name], name), True))
    return table


def header(path: str | Path) -> list[str]:
    """Names of the columns of a CSV or Parquet file.

    Raises:
        InputError: as in `batches`.
    """
    file, kind = _kind(path)
    with _reading(file, kind):
        if kind == "Parquet":
            return list(pq.read_schema(file).names)
        with streamed(file) as reader:
            return list(reader.schema.names)


def whole(path: str | Path, *, as_text: tuple[str, ...] = ()) -> pa.Table:
    """All rows of a CSV or Parquet file."""
    parts = list(batches(path, as_text=as_text))
    if parts:
        return pa.concat_tables(parts, promote_options="permissive")
    return pa.table({name: pa.array([], pa.string()) for name in header(path)})


def id_column(names: list[str], wanted: str | None, key: str) -> str:
    """The column that holds the ids: the one named, the one like the assignment key, or the only one.

    Raises:
        AssignError: `XPB-A13`, there is none.
    """
    if (wanted or key) in names:
        return wanted or key
    if wanted is None and len(names) == 1:
        return names[0]
    raise AssignError(
        "XPB-A13",
        value=wanted or key,
        owner=plain("the file"),
        rule=plain("The ids are in the column named like the assignment key, or named by --unit"),
        hint=plain(nearest(wanted or key, names)),
    )


def without_empty(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids of text as the names that they are: without blanks around them, 7 for 7.0, null for NA and empty cells."""
    if not pa.types.is_string(column.type):
        return column
    short = pc.utf8_trim(column, characters=SPACES)
    pointed = pc.match_substring_regex(short, r"^-?(0|[1-9][0-9]*)\.0+$")
    short = pc.if_else(pointed, pc.replace_substring_regex(short, r"\.0+$", ""), short)
    nothing = pc.is_in(pc.utf8_lower(short), value_set=pa.array(sorted(NOTHING)))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), short)
