"""A workbook of Excel as CSV: the one sheet that is seen, every cell as the text that Excel's own CSV would have."""

from __future__ import annotations

import csv
import functools
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from xpbench.errors import DataError, plain, shown

_LARGE = 1e15
"""Excel keeps 15 digits: larger numbers are rounded, and are written so that one sees it."""

_NOUGHTS = re.compile(r"0+")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*)>(.*?)</(?:\w+:)?c>", re.DOTALL)
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
_VALUE = re.compile(rb"<(?:\w+:)?v>[^<]")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*\bref=\"([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)\"")


def is_workbook(path: str | Path) -> bool:
    """Whether a file is named as a workbook that can be read."""
    return str(path).lower().endswith((".xlsx", ".xlsm"))


def as_csv(path: str) -> bytes:
    """The rows of a workbook as CSV in UTF-8; rows without any value are left out.

    Raises:
        DataError: `XPB-D03`, `openpyxl` is not installed; `XPB-D88`, it has several sheets with rows, merged cells or formulas
            that were never computed, or it is damaged.
    """
    known = os.stat(path)
    return _made(path, known.st_size, known.st_mtime_ns, known.st_ino)


@functools.lru_cache(maxsize=1)  # several looks at one file come one after another
def _made(path: str, *_: int) -> bytes:
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        hint = "Install openpyxl (pip install openpyxl), or save the sheet as CSV UTF-8"
        raise DataError("XPB-D03", kind=Path(path).suffix, hint=plain(hint)) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet, rows = _sheet_of(path, book)
            _ensure_plain(path, sheet, rows)
        finally:
            book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        remedy = "Open it in a spreadsheet and save it again, or as CSV UTF-8"
        raise _unlike(path, f"it is not a whole workbook ({error})", remedy) from error
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    wide = max((len(row) for row in rows.values()), default=0)
    titled = True
    for row in rows.values():
        titled = titled and sum(map(bool, row)) == 1 and bool(row[0]) and wide > 1
        writer.writerow(row[:1] if titled else [*row, *[""] * (wide - len(row))])
    return out.getvalue().encode()


def _sheet_of(path: str, book: Any) -> tuple[Any, dict[int, list[str]]]:
    """The sheet with rows that is not hidden, and its rows by their numbers, without empty cells at their ends.

    Raises:
        DataError: `XPB-D88`, there are several.
    """
    full = {}
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible":
            rows = dict(_rows(sheet))
            if rows:
                full[sheet.title] = (sheet, rows)
    if len(full) > 1:
        named = ", ".join(shown(name) for name in list(full)[:5]) + (" …" if len(full) > 5 else "")
        remedy = "Save the one that you mean as a file of its own, or hide the others"
        raise _unlike(path, f"{len(full):,} sheets hold rows ({named}), and nothing says which is meant", remedy)
    if not full:
        raise DataError("XPB-D07", what=plain("The workbook has no rows"))
    (found,) = full.values()
    return found


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # what some tools write there is wrong
    for number, cells in enumerate(sheet.iter_rows(), 1):
        row = [_text(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        if row:
            yield number, row


def _text(cell: Any) -> str:
    """A cell as text: dates as ISO writes them, whole numbers without a point, truth values as TRUE and FALSE."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return _whole(value, cell.number_format)
    if isinstance(value, float):
        if not value.is_integer():
            return repr(value)
        if abs(value) < _LARGE:
            return _whole(int(value), cell.number_format)
        return f"{value:.14E}"
    if isinstance(value, datetime):
        value += timedelta(microseconds=500)  # a part of a day is not exact: Excel shows milliseconds
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight else value.isoformat(sep=" ").removesuffix(".000000")
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _whole(value: int, shape: str) -> str:
    """A whole number, with the noughts before it that its format shows, as of postcodes and ids."""
    return str(value).zfill(len(shape)) if _NOUGHTS.fullmatch(shape) else str(value)


def _ensure_plain(path: str, sheet: Any, rows: Mapping[int, Sequence[str]]) -> None:
    """Every cell has a value of its own: no merged cells but those of a title, and no formula without its result.

    Raises:
        DataError: `XPB-D88`.
    """
    with zipfile.ZipFile(path) as archive:
        data = archive.read(sheet._worksheet_path)
    for first, top, last, bottom in _MERGED.findall(data):
        held = [v for n in range(int(top), int(bottom) + 1) for v in rows.get(n, ()) if v]
        if len(held) > 1:
            where = (first + top + b":" + last + bottom).decode()
            what = f"cells {where} are merged, so that all but one of them are empty"
            raise _unlike(path, what, "Undo the merge, and write the value into each cell")
    if not _FORMULA.search(data):
        return
    for about, inner in _CELL.findall(data):
        if _FORMULA.search(inner) and not _VALUE.search(inner) and b't="str"' not in about:
            where = re.search(rb'\br="([A-Z]+[0-9]+)"', about)
            at = where[1].decode() if where else "of the sheet"
            what = f"cell {at} is a formula that no spreadsheet has computed yet"
            raise _unlike(path, what, "Open it in a spreadsheet and save it, or write values")


def _unlike(path: str, what: str, remedy: str) -> DataError:
    return DataError("XPB-D88", path=path, what=plain(what), remedy=plain(remedy))
