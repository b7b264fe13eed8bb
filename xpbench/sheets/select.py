"""A CSV file as a table of text in the embedded engine, which guesses nothing about it."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from xpbench.errors import DataError, plain
from xpbench.files import as_file, partitions_of
from xpbench.sheets.shape import Sheet, ensure_whole, rewritten, sheet_of


def sheets_of(paths: Iterable[str], folder: str | Path, wanted: Collection[str] = ()) -> list[Sheet]:
    """Look at several files; those without a byte are left out, unless all are.

    Raises:
        DataError: as `sheet_of`.
    """
    listed = list(paths)
    full = [p for p in listed if _is_full(p)] or listed[:1]
    return [sheet_of(p, folder, wanted) for p in full]


def _is_full(path: str) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1))


def names_of(sheets: Sequence[Sheet]) -> list[str]:
    """Columns that any of the files has; a name that a file has twice is there twice."""
    names: list[str] = []
    for sheet in sheets:
        for name in dict.fromkeys(sheet.names):
            names += [name] * (sheet.names.count(name) - names.count(name))
    return names


def load(
    run: Any, table: str, sheets: Sequence[Sheet], columns: dict[str, str], folder: str | Path, broken: type[Exception]
) -> None:
    """Read columns of files into a table of text.

    Args:
        run: Connection to the engine.
        table: Name of the temporary table that is made.
        sheets: The files.
        columns: Name in the table of each column of the files; a file that lacks one has nothing there.
        folder: Where copies of files go that the engine does not read as they are.
        broken: The engine's errors.

    Raises:
        DataError: `XPB-D60`, `XPB-D62`: a file is not as wide as its header, or no UTF-8.
    """
    try:
        run.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {select(sheets, columns)}").fetchall()
    except broken as error:
        if type(error).__name__ == "OutOfMemoryException":
            raise
        for sheet in sheets:
            ensure_whole(sheet)
        # every row is as it should be: the engine only takes one kind of line end, or none in a quoted field
        with tempfile.TemporaryDirectory(dir=folder) as copies:  # inside one that is cleaned up
            again = [rewritten(sheet, copies) for sheet in sheets]
            try:
                run.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {select(again, columns)}").fetchall()
            except broken as second:
                named = ", ".join(s.named for s in sheets[:3])
                what, remedy = (
                    plain(f"The engine does not read it: {str(second).splitlines()[0][:200]}"),
                    plain("Save it again as CSV UTF-8"),
                )
                raise DataError("XPB-D60", path=named, what=what, remedy=remedy) from error


def select(sheets: Sequence[Sheet], columns: dict[str, str]) -> str:
    """SQL of the rows of files, one after another; files of one shape are read at once."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for sheet in sheets:
        held = partitions_of(sheet.named)  # what the names of folders say, where the file does not
        named = tuple((n, held[n]) for n in columns if n in held and n not in sheet.names)
        alike.setdefault((sheet.separator, sheet.names, sheet.skip, named), []).append(sheet.path)
    parts = []
    for (separator, names, skip, named), paths in alike.items():
        folders = {n: "CAST(NULL AS VARCHAR)" if v is None else _literal(v) for n, v in named}
        declared = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        listed = ", ".join(_literal(as_file(p)) for p in paths)
        wanted = ", ".join(
            f"{f'c{names.index(name)}' if name in names else folders.get(name, 'CAST(NULL AS VARCHAR)')} AS {short}"
            for name, short in columns.items()
        )
        parts.append(
            f"SELECT {wanted or '1 AS one'} FROM read_csv([{listed}], auto_detect = false, columns = {{{declared}}}, "
            f"delim = {_literal(separator)}, quote = '\"', escape = '\"', header = true, skip = {skip}, "
            "hive_partitioning = false)"
        )
    return " UNION ALL ".join(parts)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
