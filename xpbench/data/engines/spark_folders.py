"""What Spark made of the names of folders (`country=DE/part.jsonl`): the text that is there, and the same as the files say.

Spark puts the name of a folder in place of the file's own column, and guesses its type: `007` becomes 7. A DataFrame does not
show that, so that its files are asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from xpbench.data.logs.placed import differs
from xpbench.errors import DataError
from xpbench.files import kind_by_name, partition_names, partitions_of
from xpbench.meaning.names import name_of, name_spark


def path_of(uri: str) -> str:
    """The path in the address of a file, with the signs as they are."""
    return url2pathname(urlsplit(uri).path)


def named_by_folders(files: Iterable[str], types: Mapping[str, str], wanted: Collection[str]) -> tuple[str, ...]:
    """Columns of a table that the names of its files' folders hold.

    Args:
        files: Addresses of all files that the table reads.
        types: Of its columns.
        wanted: Columns and properties that a plan needs.

    Raises:
        DataError: `XPB-D87`, Spark's guess of a type has changed a value.
    """
    paths = [path_of(f) for f in files]
    found = tuple(n for n in partition_names(paths, ()) if n in types and n in wanted)
    for name in found:
        for value in sorted({partitions_of(p)[name] or "" for p in paths}):
            if not _kept(value, types[name]):
                raise DataError("XPB-D87", folder=f"{name}={value}", kind=types[name])
    return found


def _kept(text: str, kind: str) -> bool:
    """Whether a text is the same value after Spark has given it a type."""
    if kind in ("string", "date") or name_of(text) is None:
        return True
    try:
        typed: Any = float(text) if kind in ("float", "double") else int(text)
    except ValueError:
        return False
    return name_of(text) == name_of(typed)


def ensure_files_agree(session: Any, files: Iterable[str], names: Iterable[str]) -> None:
    """Files that hold such a column themselves say the same as their folders.

    Args:
        session: Of Spark.
        files: Addresses of the files, Parquet or JSON Lines; others are not looked at.
        names: Columns that the names of the folders hold.

    Raises:
        DataError: `XPB-D86`, a file says something else.
    """
    from pyspark.sql import functions as sql

    for kind in ("parquet", "jsonl"):
        some = [f for f in files if kind_by_name(path_of(f)) == kind]
        for name in names if some else ():
            column = "`" + name.replace("`", "``") + "`"
            if kind == "parquet":
                table = session.read.option("mergeSchema", "true").parquet(*some)
                if name not in table.columns:
                    continue
            else:
                table = session.read.schema(f"{column} STRING").json(some)
            text = sql.expr(name_spark(f"CAST({column} AS STRING)"))
            held = table.select(text.alias("own"), sql.input_file_name().alias("file")).where("own IS NOT NULL")
            asked = (sql.min("own").alias("a"), sql.max("own").alias("b"), sql.count("own").alias("n"))
            for row in held.groupBy("file").agg(*asked).collect():
                said = partitions_of(path_of(row["file"])).get(name)
                other = next((v for v in (row["a"], row["b"]) if v != name_of(said)), None)
                if said is not None and other is not None:
                    raise differs(name, int(row["n"]), str(other), said)
