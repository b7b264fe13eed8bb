"""A CSV file row by row, without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from xpbench.errors import DataError
from xpbench.interrupts import temporary_folder
from xpbench.sheets.shape import ensure_whole, sheet_of


@contextmanager
def streamed(file: Path, as_text: tuple[str, ...] = ()) -> Iterator[pacsv.CSVStreamingReader]:
    """The rows of a CSV file in batches, under its own header and separator.

    Args:
        file: As it was found: packed, in some encoding, with lines before the header.
        as_text: Columns that stay text, such as ids; the types of the others are Arrow's guess.

    Raises:
        DataError: `XPB-D06`, a column of `as_text` appears twice; those of `sheet_of` and `ensure_whole`.
        ArrowException: a value does not fit what Arrow guessed from the first rows.
    """
    with temporary_folder() as folder:
        sheet = sheet_of(str(file), folder, as_text)
        for name in as_text:
            if sheet.names.count(name) > 1:
                raise DataError("XPB-D06", column=name, times=sheet.names.count(name))
        parse = pacsv.ParseOptions(delimiter=sheet.separator, newlines_in_values=True)
        convert = pacsv.ConvertOptions(column_types=dict.fromkeys(as_text, pa.string()), strings_can_be_null=True)
        read = pacsv.ReadOptions(block_size=1 << 24, skip_rows=sheet.skip)
        try:
            with pa.input_stream(sheet.path) as stream:
                yield pacsv.open_csv(stream, read, parse, convert)
        except (pa.ArrowException, ValueError):
            ensure_whole(sheet)  # says which line is not as wide as the header, or no UTF-8
            raise
