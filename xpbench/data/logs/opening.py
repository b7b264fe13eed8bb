"""Opening sources: paths, tables and engines, and the log in normal form."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.data.engines.embedded import Stages, unread
from xpbench.data.logs.one_moment import one_moment
from xpbench.errors import DataError, plain
from xpbench.files import kind_by_name
from xpbench.files import matching as fitting
from xpbench.meaning.names import name_of
from xpbench.plan import Plan
from xpbench.sheets.workbook import is_workbook

if TYPE_CHECKING:
    from xpbench.data.logs.log import Log, LogProperties
    from xpbench.data.logs.specification import LogSpecification


def located(table: Any) -> Any:
    """Paths as a list of text, checked to exist; anything else as it is."""
    if isinstance(table, (str, Path)):
        table = [table]
    if isinstance(table, (list, tuple)) and table and all(isinstance(p, (str, Path)) for p in table):
        paths = expanded(table)
        if all(path.lower().endswith(_ARROW) for path in paths):
            return located(_of_arrow(paths))
        kinds = {kind_of(p) for p in paths}
        if None in kinds:
            _ensure_unpacked([p for p in paths if kind_of(p) is None])
        if len(kinds) > 1 or None in kinds:
            endings = ", ".join(sorted({Path(p).suffix or "no ending" for p in paths}))
            hint = "Give files of one kind, or convert the others" if None not in kinds else "Convert it to one of these"
            raise DataError("XPB-D03", kind=endings, hint=plain(hint))
        if kinds == {"jsonl"}:
            for path in paths:
                _refuse_other_content(path)
        return paths
    if is_relation(table) or is_arrow(table):
        return table
    if is_warehouse(table):
        table = _at_hand(table)
        if is_relation(table):
            return table
    if is_pandas(table):
        table = _named_by_text(table)
    import narwhals.stable.v2 as nw

    try:
        nw.from_native(table)
    except TypeError:
        raise DataError("XPB-D03", kind=type(table).__name__, hint=plain(_remedy(table))) from None
    return table


_ARROW = (".feather", ".arrow", ".ipc")
"""Endings of files that Arrow reads whole."""


def _of_arrow(paths: list[str]) -> Any:
    """Files of Arrow as one table.

    Raises:
        DataError: `XPB-D01`, one can't be read.
    """
    import pyarrow as pa
    import pyarrow.feather

    try:
        tables = [pyarrow.feather.read_table(path, memory_map=False) for path in paths]
        return pa.concat_tables(tables, promote_options="permissive") if len(tables) > 1 else tables[0]
    except Exception as error:
        raise unread("The table could not be read", error) from error


def _at_hand(table: Any) -> Any:
    """A table of Ibis whose database is inside this process, as that database gives it: values as they are stored.

    DuckDB's is a relation. SQLite has a type for each value and not for each column, and dates are text: it comes as a frame of
    objects, which is read by the same rules as any other.
    """
    backend = table.get_backend()
    if backend.name == "duckdb":
        return backend.con.sql(str(backend.compile(table)))
    if backend.name == "sqlite":
        import pandas as pd

        rows = backend.con.execute(str(backend.compile(table))).fetchall()
        frame = pd.DataFrame(rows, columns=list(table.columns), dtype=object)
        kinds = table.schema()
        for name in frame.columns:
            if kinds[name].is_boolean():  # stored as 0 and 1
                frame[name] = frame[name].map({0: False, 1: True, None: None}, na_action="ignore").astype(object)
        return frame
    return table


def is_pandas(table: Any) -> bool:
    """Whether a table is a DataFrame of pandas, told without importing it."""
    return type(table).__module__.split(".")[0] == "pandas" and type(table).__name__ == "DataFrame"


def _named_by_text(table: Any) -> Any:
    """A DataFrame whose columns have names of text, each of them once.

    Raises:
        DataError: `XPB-D03`, it has several rows of names; `XPB-D06`, a name is there twice.
    """
    names = list(table.columns)
    if any(isinstance(n, tuple) for n in names):
        hint = 'Give every column one name: table.columns = ["_".join(map(str, c)) for c in table.columns]'
        raise DataError("XPB-D03", kind="DataFrame with several rows of column names", hint=plain(hint))
    texts = [n if isinstance(n, str) else str(n) for n in names]
    for name in texts:
        if texts.count(name) > 1:
            raise DataError("XPB-D06", column=name, times=texts.count(name))
    return table if texts == names else table.set_axis(texts, axis=1)


def plain_arrow(table: Any) -> Any:
    """A table of Arrow with the types that the pass and the engine know: views of text as text, run lengths written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    usual = {"string_view": pa.large_string(), "binary_view": pa.large_binary(), "halffloat": pa.float32()}
    fields = []
    for i, field in enumerate(table.schema):
        if str(field.type).startswith("run_end_encoded"):
            parts = [pc.run_end_decode(chunk) for chunk in table.column(i).chunks]
            table = table.set_column(i, field.name, pa.chunked_array(parts, field.type.value_type))
    for field in table.schema:
        kind = str(field.type)
        if kind in usual:
            field = field.with_type(usual[kind])
        elif kind.startswith("dictionary<values=string_view"):
            field = field.with_type(pa.large_string())
        elif pa.types.is_decimal256(field.type):
            field = field.with_type(pa.string())
        fields.append(field)
    wanted = pa.schema(fields)
    return table if wanted == table.schema else table.cast(wanted)


def _remedy(table: Any) -> str:
    """What to give in place of a thing that is not read."""
    if type(table).__name__ == "DuckDBPyConnection":
        return "Give one of its tables or queries: connection.table('events'), or connection.sql('SELECT …')"
    if isinstance(table, (list, tuple, dict)):
        return "Make a table of it first, such as pandas.DataFrame(…)" if table else "Name at least one file"
    return "Give one of these"


def _ensure_unpacked(paths: Iterable[str]) -> None:
    """Say why a packed file is none that can be read.

    Raises:
        DataError: `XPB-D61`.
    """
    from xpbench.sheets.unpack import ensure_opens

    for path in paths:
        if path.lower().endswith((".zip", ".gz", ".zst")):
            ensure_opens(path)


def _refuse_other_content(path: str) -> None:
    """A file that is named as JSON Lines holds no other format that is often named so.

    Raises:
        DataError: `XPB-D03`.
    """
    with open(path, "rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(b"PAR1"):
        raise DataError("XPB-D03", kind=f"Parquet in {path}", hint=plain("Rename it to end with .parquet"))
    if head.startswith(b"["):
        remedy = "Write one event per line, without brackets and commas around them, as jq -c '.[]' does"
        raise DataError("XPB-D03", kind=f"one JSON array in {path}", hint=plain(remedy))


def expanded(given: Iterable[str | Path]) -> list[str]:
    """Files by their name; where there is no file of this name, `*`, `?` and `**` stand for parts of names and folders.

    Brackets and braces are never a pattern. A file that is named twice, in whatever way, is there once.

    Raises:
        DataError: `XPB-D02`, a file is missing.
    """
    paths: list[str] = []
    for text in map(str, given):
        found = matching(text)
        if not found:
            raise DataError("XPB-D02", path=text)
        paths += found
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def matching(text: str) -> list[str]:
    """Files that a path names: itself, all that fit a pattern, or all that a folder and the folders in it hold.

    Files that begin with a point or an underscore are left out where no path names them: other tools put notes there.
    """
    if os.path.isfile(text):  # whatever signs its name holds
        return [text]
    if os.path.isdir(text) and (Path(text) / "pull.json").is_file():
        return _pulled(Path(text))
    if os.path.isdir(text):
        found = [str(p) for p in Path(text).rglob("*") if p.is_file()]
    else:
        return fitting(text)
    shown_ = [p for p in found if not any(x.startswith((".", "_")) for x in Path(p).relative_to(text).parts)]
    return sorted(p for p in shown_ if kind_by_name(p) is not None)  # others may be notes


def _pulled(folder: Path) -> list[str]:
    """The log in a folder that `xpbench pull` has made: its Parquet where every day has it, else its lines."""
    parquet = sorted(str(p) for p in (folder / "parquet").glob("*.parquet") if not p.name.startswith("."))
    if parquet and _covers(folder, parquet):
        return parquet
    return sorted(str(p) for p in folder.glob("*.jsonl.gz") if not p.name.startswith("."))


def _covers(folder: Path, parquet: list[str]) -> bool:
    """Whether each pulled day with events has Parquet that is as new as its lines."""
    import json

    try:
        days = json.loads((folder / "pull.json").read_text(encoding="utf-8"))["days"]
        newest = {Path(p).name[:10]: Path(p).stat().st_mtime_ns for p in parquet}
        return all(newest.get(d["day"], -1) >= (folder / d["file"]).stat().st_mtime_ns for d in days if d["events"])
    except (ValueError, KeyError, TypeError, OSError):
        return False


def lines_located(given: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files of JSON Lines, each of them once, whatever the ending of their names; those of other kinds are refused.

    Raises:
        DataError: `XPB-D02`, a file is missing; `XPB-D03`, a name says that it is something else.
    """
    if not isinstance(given, (str, Path, Iterable)):
        raise DataError("XPB-D03", kind=type(given).__name__, hint=plain("Name one or more files"))
    paths = expanded([given] if isinstance(given, (str, Path)) else given)
    if not paths:
        raise DataError("XPB-D03", kind=type(given).__name__, hint=plain("Name at least one file"))
    for path in paths:
        if kind_of(path) in ("csv", "parquet"):
            raise DataError(
                "XPB-D03", kind=Path(path).suffix, hint=plain("xp.events reads it as it is; xp.ingest is for JSON Lines")
            )
    return [Path(p) for p in paths]


def kind_of(path: str) -> str | None:
    """`csv` (a workbook is read as one), `jsonl` or `parquet`, by a file's ending, or its beginning where that says nothing."""
    if is_workbook(path):
        return "csv"
    named = kind_by_name(path)
    if named is None and (path.lower().endswith((".txt", ".dat", ".log", ".gz", ".zst", ".zip")) or not Path(path).suffix):
        return _kind_by_content(path)
    return named


def _kind_by_content(path: str) -> str | None:
    from xpbench.sheets.unpack import beginning

    head = beginning(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    first = head.lstrip().partition(b"\n")[0]
    if first.startswith(b"{"):
        return "jsonl"
    is_text = bool(first) and b"\x00" not in first and any(sign in first for sign in (b",", b";", b"\t", b"|"))
    return "csv" if is_text else None


def is_relation(table: Any) -> bool:
    """Whether a table is a relation of DuckDB, told without importing it."""
    return type(table).__name__ == "DuckDBPyRelation"


def is_arrow(table: Any) -> bool:
    """Whether a table is one of Arrow in memory, told without importing Arrow."""
    return type(table).__module__ == "pyarrow.lib" and type(table).__name__ == "Table"


def is_spark(table: Any) -> bool:
    """Whether a table is a Spark DataFrame, told without importing Spark."""
    return type(table).__module__.split(".")[0] == "pyspark"


def is_warehouse(table: Any) -> bool:
    """Whether a table is an Ibis table, told without importing Ibis."""
    return type(table).__module__.split(".")[0] == "ibis"


def plain_frame(frame: Any, mixed: Callable[[str, Mapping[str, int]], None]) -> Any:
    """The native frame in a form that the engine scans without guessing; mixed columns become text and are reported."""
    import narwhals.stable.v2 as nw

    native = nw.to_native(frame)
    if frame.implementation.is_pandas():
        import pandas as pd

        changed = {}
        for name in native.columns:
            column = native[name]
            if isinstance(column.dtype, pd.SparseDtype):
                changed[name] = column.sparse.to_dense()
                continue
            if column.dtype == object:
                kind = pd.api.types.infer_dtype(column, skipna=True)
                kinds = {}
                if kind.startswith("mixed") and kind != "mixed-integer-float":
                    counted = column.dropna().map(lambda v: type(v).__name__).value_counts()
                    kinds = {str(k): int(v) for k, v in counted.items()}
                if len(kinds) > 1:
                    mixed(name, kinds)
                nested = set(kinds) & {"list", "tuple", "dict", "ndarray", "set", "frozenset"}
                is_wide = kind == "integer" and any(abs(int(v)) >= 2**63 for v in column.dropna())
                if len(kinds) > 1 or (kinds and not nested) or is_wide:
                    changed[name] = column.map(lambda v: None if v is None or v is pd.NA or v != v else as_text(v))
            elif isinstance(column.dtype, (pd.PeriodDtype, pd.IntervalDtype)) or (
                isinstance(column.dtype, pd.CategoricalDtype)
                and isinstance(column.dtype.categories.dtype, (pd.PeriodDtype, pd.IntervalDtype))
            ):
                changed[name] = column.astype(object).map(lambda v: None if pd.isna(v) else str(v)).astype(object)
        if isinstance(native.index, pd.MultiIndex) or native.index.has_duplicates:
            native = native.reset_index(drop=True)
            changed = {k: v.reset_index(drop=True) for k, v in changed.items()}
        return native.assign(**changed) if changed else native
    if frame.implementation.is_polars():
        import polars as pl

        wide = [name for name, kind in native.schema.items() if kind in (pl.Int128, getattr(pl, "UInt128", None))]
        return plain_arrow(native.with_columns(pl.col(wide).cast(pl.String)).to_arrow())
    return plain_arrow(native if frame.implementation.is_pyarrow() else frame.to_arrow())


def as_text(value: Any) -> str:
    """How a value of a key column reads: whole numbers without a point, truth values in lower case."""
    name = name_of(value)
    return str(value) if name is None else name


@contextlib.contextmanager
def open_log(source: LogSpecification, plan: Plan, properties: LogProperties, stages: Stages) -> Iterator[Log]:
    """The log in normal form, in the engine that holds it; closed when the block ends.

    Raises:
        DataError: `XPB-D01` with the engine's words, where it can't read the log; `XPB-D46`, the schema is none; `XPB-D78`, a
            file has changed meanwhile.
    """
    from xpbench.data.logs.log import known_schema  # brings narwhals, which tables of units need not

    known_schema(source.schema)
    if is_spark(source.log):
        from xpbench.data.engines.spark_log import SparkLog

        with SparkLog.open(source, plan, properties) as held:
            stages.finish("open the log")
            yield held
        return
    if is_warehouse(source.log):
        from xpbench.data.engines.warehouse_log import WarehouseLog

        with WarehouseLog.open(source, plan, properties) as far:
            stages.finish("open the log")
            yield far
        return
    import duckdb

    from xpbench.data.engines.duck_log import DuckLog

    try:
        with one_moment(source.log), source.engine.connect() as connection:
            log = DuckLog(source, plan, properties, connection)
            try:
                stages.finish("open the log")
                yield log
            finally:
                log.close()
    except duckdb.Error as error:
        raise unread("The log could not be read", error) from error
