"""The embedded engine: a DuckDB connection of our own, with its limits, and what it reports while it works."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.errors import DataError, plain
from xpbench.files import as_file, partitions_of
from xpbench.interrupts import interruptible, temporary_folder
from xpbench.outward import address


@dataclass(frozen=True, slots=True)
class ReadingStage:
    """One finished step of reading.

    Attributes:
        name: What was done, in words for people.
        done: Number of this step, from 1.
        of: Number of steps, as far as known.
        rows: Rows that the step produced or looked at; None where it does not count rows.
        seconds: Wall time of the step.
    """

    name: str
    done: int
    of: int
    rows: int | None
    seconds: float


Progress = Callable[[ReadingStage], None]
"""Called after every stage; an exception it raises (such as KeyboardInterrupt) cancels the work and leaves no file."""


class Stages:
    """Times stages and reports them to a `Progress`."""

    def __init__(self, of: int, progress: Progress | None) -> None:
        self._of = of
        self._progress = progress
        self._done = 0
        self._since = time.perf_counter()

    def finish(self, name: str, rows: int | None = None) -> None:
        """The stage is over: report it and start the clock of the next."""
        now = time.perf_counter()
        self._done += 1
        seconds, self._since = now - self._since, now
        if self._progress is not None:
            self._progress(ReadingStage(name, self._done, max(self._of, self._done), rows, seconds))


@dataclass(frozen=True, slots=True)
class DuckDB:
    """How the embedded engine may use the machine.

    Attributes:
        memory_limit: Such as `"1GB"`; what does not fit spills to `temp_directory`. None = DuckDB's default, 80 % of memory.
            Resident memory can exceed it by a fifth.
        threads: Worker threads; None = one per core. Results do not depend on it.
        temp_directory: Where to spill; None = a folder of its own under the system's temporary folder, removed afterwards.
    """

    memory_limit: str | None = None
    threads: int | None = None
    temp_directory: str | None = None

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        """A connection that is closed, with its spill files removed, when the block ends; Ctrl-C ends what it does."""
        import duckdb  # tables that are read without the engine don't wait for it

        with temporary_folder() as spill:
            config: dict[str, Any] = {"temp_directory": self.temp_directory or str(spill)}
            if self.memory_limit is not None:
                config["memory_limit"] = self.memory_limit
            if self.threads is not None:
                config["threads"] = self.threads
            try:
                connection = duckdb.connect(":memory:", config=config)
            except duckdb.Error as error:
                raise DataError("XPB-D01", what=plain("The engine could not be started"), reason=first_line(error)) from error
            try:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET enable_progress_bar = false")
                with interruptible(connection.interrupt):
                    yield connection
            finally:
                connection.close()


def memory_of(connection: Any) -> float:
    """Bytes that the engine may hold."""
    ((text,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = text.split()
    return float(number) * 1024.0 ** ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB").index(unit)


def engine_error() -> type[Exception]:
    """What the embedded engine raises where it can't do something."""
    import duckdb

    error: type[Exception] = duckdb.Error
    return error


def engine_name() -> str:
    """Name and version of the embedded engine."""
    import duckdb

    return f"duckdb {duckdb.__version__}"


def first_line(error: BaseException) -> str:
    """The first line of an engine's message, and the cause where that is in another one: the rest repeats the query."""
    first, *more = str(error).strip().split("\n")
    if "CSV Error on Line" in first:
        cause = next((line for line in more if line.strip() and not line.startswith("Original Line:")), "")
        first = f"{first}: {cause}" if cause else first
    return address(first)[:300]


def unread(what: str, error: BaseException) -> DataError:
    """The error to raise where an engine or a library could not read a source.

    Args:
        what: Such as `"The log could not be read"`.
        error: What it said; too little memory is no fault of the source.
    """
    short = type(error).__name__ == "OutOfMemoryException"  # by name: what is read without the engine does not load it
    code = "XPB-D50" if short else "XPB-D01"
    return DataError(code, what=plain(what), reason=first_line(error))


def quote(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def file_list(paths: Iterable[str | Path]) -> str:
    """Files as an SQL literal for the engine's readers, each of them by its name alone.

    A folder named like `variant=beta` is a name as well: give the readers `hive_partitioning = false`, which would put
    "beta" in place of what the column `variant` holds.
    """
    return "[" + ", ".join(literal(as_file(p)) for p in paths) + "]"


def from_parquet(paths: Sequence[str | Path], named: Sequence[str] = ()) -> str:
    """The engine's reader of Parquet files, by their names alone.

    Args:
        paths: The files.
        named: Columns that the names of their folders hold (`xpbench.files.partitions_of`); they are text.
    """
    if named:
        groups: dict[tuple[str | None, ...], list[str | Path]] = {}
        for path in paths:
            held = partitions_of(path)
            groups.setdefault(tuple(held[name] for name in named), []).append(path)
        parts = []
        for values, some in groups.items():
            texts = ["CAST(NULL AS VARCHAR)" if v is None else literal(v) for v in values]
            more = ", ".join(f"{text} AS {quote(name)}" for text, name in zip(texts, named, strict=True))
            parts.append(f"SELECT *, {more} FROM {from_parquet(some)}")
        return f"({' UNION ALL BY NAME '.join(parts)})"
    many = "true" if len(paths) > 1 else "false"
    return f"read_parquet({file_list(paths)}, union_by_name = {many}, hive_partitioning = false)"


def literal(value: str | float | int | bool) -> str:
    """A value as an SQL literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return str(value)
    return f"CAST({value!r} AS DOUBLE)"
