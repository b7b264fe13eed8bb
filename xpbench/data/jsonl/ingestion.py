"""JSON Lines to Parquet: streaming, bounded in memory, resumable, and nothing lost in silence.

A file is read in pieces of whole lines. The engine reads each piece with a declared schema in which every value is text,
so that nothing is turned into null by a type that does not fit, and strictly: a malformed line, broken UTF-8 or a key that
is read and stands twice is an error. Where that happens, or where a piece gives fewer events than it has lines, the lines in
doubt are judged one by one and told by reason and line number. So good pieces cost little more than the engine's own read.
The engine works on two pieces at a time; meanwhile the next one is read, unpacked and hashed, and the last one made durable.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import zlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from xpbench.canonical import digest
from xpbench.data.engines.embedded import DuckDB, Progress, Stages, memory_of, unread
from xpbench.data.jsonl.file_pieces import Counting, Memory, Piece, Pieces, empty_lines, whole_name
from xpbench.data.jsonl.ingest_report import IngestReport, Reject
from xpbench.data.jsonl.journal import Journal
from xpbench.data.jsonl.piece_reader import PieceReader, Taken
from xpbench.data.jsonl.strict_json_reader import Strict, declared_once
from xpbench.data.logs.log import EventSchema, known_schema, stored_as
from xpbench.data.logs.opening import lines_located
from xpbench.errors import DataError, plain
from xpbench.files import partition_names
from xpbench.sheets.unpack import is_copied, unpacked_lines

__all__ = ["IngestReport", "Reject", "ingest"]

SCHEMA = 2
"""Raised whenever the manifest or the Parquet files mean something else."""

AT_ONCE = 2
"""Pieces that the engine reads at once: it reads the last lines of one with fewer threads, and writes them with one. An engine
of one thread, or without `ENOUGH` memory, reads one."""

ENOUGH = 512 * 1024 * 1024
"""Memory of the engine for two pieces at a time; one takes some 150 MB of wide lines, two take 200."""

LISTED = 1_000
"""Rejected lines that a manifest lists for each piece; more are only counted."""


def ingest(
    paths: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    properties: Iterable[str] | None = None,
    schema: EventSchema | None = None,
    engine: DuckDB | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Write the events of JSON Lines files to Parquet, with a report of every line that was rejected.

    Args:
        paths: Files, plain or gzipped (told by their content), such as Mixpanel's raw export; `*` and `?` stand for parts of
            names. A file that is named twice is read once.
        out: Folder for the Parquet files and `manifest.jsonl`; a run that was stopped goes on there.
        properties: Properties to keep, each as a column of text; None = all, as one column of JSON, which is slower to
            write and to read.
        schema: Where event, time and properties stand; Mixpanel's names where it is left out.
        engine: Limits of the embedded engine.
        progress: Called after every piece.

    Raises:
        DataError: `XPB-D02`, a file is missing; `XPB-D03`, a file of another kind; `XPB-D40`, the folder holds something else;
            `XPB-D41`, two properties differ only in case; `XPB-D42`, a file has changed since part of it was read;
            `XPB-D46`, the schema is none, or all properties of a log without an object that holds them; `XPB-D47`, a Parquet
            file was changed or removed since; `XPB-D48`, another run writes to the folder.
    """
    files = lines_located(paths)
    if schema is not None:
        known_schema(schema)
    properties = None if properties is None else [properties] if isinstance(properties, str) else list(properties)
    _ensure_in_lines(files, properties, schema or EventSchema())
    return Ingestion(files, Path(out), properties, schema or EventSchema(), engine or DuckDB()).run(progress)


def _ensure_in_lines(files: Sequence[Path], properties: Sequence[str] | None, schema: EventSchema) -> None:
    """What is kept is in the lines: files are not copied first, and names of folders are not written.

    Raises:
        DataError: `XPB-D03`, a file is packed otherwise than by gzip; `XPB-D46`, only folders name a property.
    """
    for path in files:
        if is_copied(path):
            hint = "Unpack it first, or give it to xp.events, which reads it as it is"
            raise DataError("XPB-D03", kind=f"{path.name}, packed with zip or zstd", hint=plain(hint))
    if placed := set(partition_names(files, ())) & set(properties or ()):
        first = _first(files[0])
        inside = [f.get(schema.properties or "") for f in first]
        placed -= {key for held in [*first, *inside] if isinstance(held, dict) for key in held}
    for name in sorted(placed):
        rule = "Only the names of folders hold it, and not the lines; they are not written"
        hint = "Give the folder to xp.events, which reads the names of folders, too"
        raise DataError("XPB-D46", argument=plain("properties"), value=name, rule=plain(rule), hint=plain(hint))


class Ingestion:
    """One run of `ingest`."""

    def __init__(
        self,
        paths: list[Path],
        out: Path,
        properties: Iterable[str] | None,
        schema: EventSchema,
        engine: DuckDB,
        known: Mapping[str, str] | None = None,
    ) -> None:
        """Get ready; see `ingest`.

        Args:
            paths: Files.
            out: Folder for what is written.
            properties: Properties to keep.
            schema: Where event, time and properties stand.
            engine: Limits of the embedded engine.
            known: SHA-256 by real path of files that were hashed as they are now, which are not hashed again.
        """
        self.paths = paths
        self.known = known or {}
        self.out = out
        self.engine = engine
        if isinstance(properties, str):
            properties = [properties]
        if properties is None and schema.properties is None:
            raise DataError(
                "XPB-D46",
                argument=plain("properties"),
                value=None,
                rule=plain("All properties are kept as the text of the object that holds them, and this schema has none"),
                hint=plain(
                    "Name the properties to keep, or the object in EventSchema(properties=…), --schema properties=COLUMN"
                ),
            )
        fixed = [n for n in (schema.time, schema.unit or "distinct_id", schema.insert_id, schema.arrived) if n]
        wanted = None if properties is None else [p for p in properties if schema.properties or p != schema.event]
        names = None if wanted is None else dict.fromkeys([*fixed, *wanted])
        if pair := declared_once([schema.event, *(stored_as(n, schema) for n in names or ())]):
            raise DataError("XPB-D41", first_name=pair[0], second_name=pair[1])
        tops = top_names(paths[0], {schema.event, schema.properties}, names or fixed) if schema.properties else ()
        self.strict = Strict(schema, None if names is None else tuple(names), tops)
        self.wary = 0
        """Steps of judging that come before the strict reader tries: 0 while pieces are good."""

    def run(self, progress: Progress | None = None) -> IngestReport:
        """Read what was not read before."""
        stages = Stages(len(self.paths), progress)
        with contextlib.ExitStack() as stack:
            self.journal = Journal(self.out, self._identity())
            stack.callback(self.journal.close)
            stack.enter_context(_told_by_the_engine())
            connection = stack.enter_context(self.engine.connect())
            self.at_once = 1 if self.engine.threads == 1 or memory_of(connection) < ENOUGH else AT_ONCE
            memory = Memory(self.at_once + 1)
            stack.callback(memory.close)
            cursors = [connection.cursor() for _ in range(self.at_once)]
            self.readers = [PieceReader(cursor, self.strict) for cursor in cursors]
            writer = stack.enter_context(ThreadPoolExecutor(1, "xpbench-writer"))
            workers = stack.enter_context(ThreadPoolExecutor(self.at_once, "xpbench-reader"))
            self.number = self.journal.number()
            try:
                for path in self.paths:
                    self._file(path, memory, workers, writer, stages)
            except BaseException:
                for cursor in cursors:
                    cursor.interrupt()
                raise
            finally:
                workers.shutdown(cancel_futures=True)
                writer.shutdown()
                for left in self.out.glob(".part-*.tmp"):
                    left.unlink(missing_ok=True)
        return self._report()

    def parts(self) -> list[list[Path]]:
        """For every file in turn, the Parquet files that a run has written of it."""
        held = (self.journal.files[str(path.resolve())].pieces for path in self.paths)
        return [[self.out / p["part"] for p in pieces if p["part"]] for pieces in held]

    def _identity(self) -> dict[str, Any]:
        s = self.strict.schema
        return {
            "schema": SCHEMA,
            "properties": None if self.strict.names is None else list(self.strict.names),
            "event": s.event,
            "time": s.time,
            "holder": s.properties,
            "time_unit": s.time_unit,
            **({"top": list(self.strict.tops)} if self.strict.tops else {}),
        }

    def _file(
        self, path: Path, memory: Memory, workers: ThreadPoolExecutor, writer: ThreadPoolExecutor, stages: Stages
    ) -> None:
        entry = self.journal.entry(path)
        known = self.known.get(os.path.realpath(path), "")
        if entry.done:
            stages.finish(f"{path.name} (already read)", sum(p["rows"] for p in entry.pieces))
            return
        if not entry.pieces and not self.wary and self._whole(path, known):
            stages.finish(f"read {path.name}", entry.pieces[-1]["rows"])
            return
        done = entry.pieces[-1] if entry.pieces else {"end": 0, "line": 0}
        begun: deque[tuple[Piece, str, Path, Future[Taken]]] = deque()
        waiting: tuple[Future[None], int] | None = None

        def acknowledged() -> None:
            if waiting is not None:
                waiting[0].result()
                stages.finish(f"read {path.name}", waiting[1])

        def finish() -> None:
            nonlocal waiting
            piece, part, made, work = begun.popleft()
            taken = work.result()
            pieces.done(piece)
            self.wary = taken.wary
            acknowledged()
            record = self._told(piece, taken, part)
            waiting = writer.submit(self.journal.add, path, record, made if taken.rows else None), taken.rows

        with Pieces(path, memory, start=done["end"], line=done["line"], known=known) as pieces:
            for piece in pieces:
                if piece.last:
                    self.journal.entry(path)  # it did not change meanwhile
                part, made = self._part()
                begun.append((piece, part, made, workers.submit(self._take, piece, made, path.name)))
                if len(begun) > self.at_once:
                    finish()
            while begun:
                finish()
            acknowledged()

    def _take(self, piece: Piece, made: Path, name: str) -> Taken:
        reader = self.readers.pop()
        try:
            return reader.take(piece, made, name, self.wary)
        finally:
            self.readers.append(reader)

    def _whole(self, path: Path, known: str) -> bool:
        """Read a plain file in one go, if all its lines are events; nothing is left of it where they are not."""
        with path.open("rb", buffering=0) as file:
            name = whole_name(path, file.fileno())
            if not name:
                return False
            part, made = self._part()
            with Counting(file.fileno(), known) as counting:
                rows = self.readers[0].copy(name, made)
                if rows is None:
                    return False
                lines, sha, long = counting.result()
            good = not long and rows + (0 if rows == lines else empty_lines(file.fileno())) == lines
            size = os.fstat(file.fileno()).st_size
        self.journal.entry(path)  # it did not change meanwhile
        if not good:
            return False
        record = _record(part if rows else "", rows, rows, line=lines, end=size, last=True, sha=sha)
        self.journal.add(path, record, made if rows else None)
        return True

    def _part(self) -> tuple[str, Path]:
        """Name of the next Parquet file, and where it is written."""
        self.number += 1
        part = f"part-{self.number:06}.parquet"
        return part, self.out / f".{part}.tmp"

    def _told(self, piece: Piece, taken: Taken, part: str) -> dict[str, Any]:
        """What is reported of a piece; its Parquet file has the name `part`."""
        rejects = sorted([(line, "too_long") for line in piece.skipped] + list((taken.bad or {}).items()))
        return _record(
            part if taken.rows else "",
            taken.rows,
            taken.lines + len(piece.skipped),
            line=piece.line + piece.lines + len(piece.skipped),
            end=piece.end,
            rejects=rejects,
            last=piece.last,
            sha=piece.digest,
            broken=piece.broken,
        )

    def _report(self) -> IngestReport:
        files = list(self.journal.files.values())
        pieces = [(f, p) for f in files for p in f.pieces]
        rejected: Counter[str] = Counter()
        for _, p in pieces:
            rejected.update(p["rejected"])
        ends = [(f.name, f.pieces[-1]) for f in files if f.pieces]
        return IngestReport(
            folder=self.out,
            rows=sum(p["rows"] for _, p in pieces),
            lines=sum(p["lines"] for _, p in pieces),
            rejected=dict(rejected),
            rejects=tuple(Reject(f.name, line, reason) for f, p in pieces for line, reason in p["rejects"]),
            broken={name: p["broken"] for name, p in ends if p["broken"]},
            digest=digest(sorted(p["digest"] for _, p in ends)),
            files=tuple(sorted(p["digest"] for _, p in ends)),
        )


def top_names(path: Path, own: Collection[str | None], names: Iterable[str]) -> tuple[str, ...]:
    """Names that the first lines of a file have next to their object of properties, as Segment's have `timestamp`.

    Args:
        path: Of the file, plain or gzipped.
        own: Names at the top that every line has: the event, and the properties.
        names: Those that are looked for.
    """
    met = keys_of(path)
    return tuple(n for n in dict.fromkeys(names) if n in met and n not in own)


def keys_of(path: Path) -> set[str]:
    """Keys at the top of the first lines of a file."""
    return {key for found in _first(path) for key in found}


def holds_list(path: Path, holder: str | None) -> bool:
    """Whether the properties of the first line that has any are a list of key and value, as those of GA4 are."""
    return any(isinstance(found[holder], list) for found in _first(path) if holder and found.get(holder))


def _first(path: Path) -> list[dict[str, Any]]:
    """Objects in the first lines of a file, plain or gzipped."""
    out = []
    with contextlib.suppress(OSError, EOFError, zlib.error), unpacked_lines(path) as lines:
        for line in itertools.islice(lines, HEAD_LINES):
            with contextlib.suppress(ValueError, RecursionError):
                found = json.loads(line)
                if isinstance(found, dict):
                    out.append(found)
    return out


HEAD_LINES = 200
"""Lines that are looked at to see where a log has its parts."""


@contextlib.contextmanager
def _told_by_the_engine() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise unread("The log could not be read", error) from error


def _record(
    part: str,
    rows: int,
    lines: int,
    *,
    line: int,
    end: int,
    rejects: Sequence[tuple[int, str]] = (),
    last: bool,
    sha: str,
    broken: str = "",
) -> dict[str, Any]:
    """What the manifest says of a piece; `line` and `end` are where the next one begins."""
    return {
        "part": part,
        "rows": rows,
        "lines": lines,
        "line": line,
        "end": end,
        "rejected": dict(Counter(reason for _, reason in rejects)),
        "rejects": rejects[:LISTED],
        "last": last,
        "digest": sha,
        "broken": broken,
    }
