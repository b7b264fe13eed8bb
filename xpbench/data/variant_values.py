"""What stands in the variant column of a table with one row per unit, before any plan names its variants."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from xpbench.data.engine import DuckDB, first_line, literal, quote
from xpbench.data.opening import as_text, is_relation, kind_of, located
from xpbench.errors import DataError, nearest, plain


def columns_of(table: Any) -> list[str]:
    """Names of the columns of a table, in order; of files, those of the first that the engine reads.

    Raises:
        DataError: `XPB-D01`, `XPB-D02` or `XPB-D03`, the table can't be read.
    """
    table = located(table)
    if isinstance(table, list):
        with _reading(table) as run:
            return [str(r[0]) for r in run.execute(f"DESCRIBE SELECT * FROM {_files(table)}").fetchall()]
    if is_relation(table):
        return [str(name) for name in table.columns]
    import narwhals.stable.v2 as nw

    frame = nw.from_native(table)
    return list(frame.collect_schema().names())


def variant_values(table: Any, column: str) -> dict[str, int]:
    """Rows by value of the variant column, most frequent first; missing values are left out.

    Args:
        table: As for `xp.units`.
        column: Its variant column.

    Raises:
        DataError: `XPB-D05`, there is no such column; `XPB-D01`, `XPB-D02` or `XPB-D03`, the table can't be read.
    """
    known = columns_of(table)
    if column not in known:
        raise DataError("XPB-D05", column=column, role=plain("the variant"), hint=plain(nearest(column, known)))
    table, name = located(table), quote(column)
    counted = f"SELECT {name}, count(*) FROM {{}} WHERE {name} IS NOT NULL GROUP BY 1"
    if isinstance(table, list):
        with _reading(table) as run:
            rows = run.execute(counted.format(_files(table))).fetchall()
    elif is_relation(table):
        rows = table.filter(f"{name} IS NOT NULL").aggregate(f"{name}, count(*)").fetchall()
    else:
        import narwhals.stable.v2 as nw

        frame = nw.from_native(table).lazy().select(v=nw.col(column)).filter(~nw.col("v").is_null())
        counts = frame.group_by("v").agg(n=nw.len()).collect("pyarrow")
        rows = list(zip(counts["v"].to_list(), counts["n"].to_list(), strict=True))
    found: dict[str, int] = {}
    for value, count in rows:
        text = as_text(value)
        if text.strip().lower() not in ("", "nan"):
            found[text] = found.get(text, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@contextlib.contextmanager
def _reading(files: list[str]) -> Any:
    import duckdb

    with DuckDB().connect() as run:
        try:
            yield run
        except duckdb.Error as error:
            raise DataError("XPB-D01", what=plain("The table could not be read"), reason=first_line(error)) from error


def _files(files: list[str]) -> str:
    named = "[" + ", ".join(map(literal, files)) + "]"
    kind = kind_of(files[0])
    if kind not in ("csv", "parquet"):
        raise DataError("XPB-D03", kind="JSON Lines", hint=plain("Read events with xp.events under a plan"))
    if kind == "parquet":
        return f"read_parquet({named}, union_by_name = true)"
    if all(Path(p).stat().st_size == 0 for p in files):
        raise DataError("XPB-D07", what=plain("The file is empty"))
    return f"read_csv({named}, all_varchar = true, header = true, union_by_name = true)"
