"""JSON Lines to Parquet: streaming, bounded in memory, resumable, and nothing lost in silence.

A file is read in pieces of whole lines. The engine reads each piece with a declared schema in which every value is text,
so that nothing is turned into null by a type that does not fit, and strictly: a malformed line, broken UTF-8 or a key that
is read and stands twice is an error. Where that happens, or where a piece gives fewer events than it has lines, its lines
are judged one by one and told by reason and line number. So good pieces cost little more than the engine's own read. A
piece counts when its Parquet file and the manifest that names it are on disk; a run that was stopped goes on behind the
last such piece.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import queue
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

import duckdb

from xpbench.canonical import digest
from xpbench.data.duck_log import microseconds_of
from xpbench.data.engine import DuckDB, Progress, Stages, first_line, literal, quote
from xpbench.data.log import EventSchema
from xpbench.data.summary import Finding
from xpbench.errors import DataError, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.shows import Shows, plain_html

SCHEMA = 1
PIECE_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 16 * 1024 * 1024
"""Longer lines are rejected without being held in memory."""

USUAL_LINE = 1024 * 1024
"""Longer lines are looked at one by one. The engine shares out a piece by buffers of twice the longest line."""

LISTED = 1_000
"""Rejected lines that a manifest lists for each piece; more are only counted."""

REASONS = {
    "malformed_json": "is no JSON object",
    "broken_utf8": "is no UTF-8",
    "duplicate_keys": "names a key twice",
    "no_event": "has no event name",
    "no_time": "has no time",
    "bad_time": "has a time that can't be read",
    "too_long": "is longer than 16 MiB",
    "truncated_line": "is cut off at the end of the file",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is no event.

    Attributes:
        file: Name of the file, without its folder.
        line: Number of the line, from 1.
        reason: Key in `REASONS`.
    """

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport(Shows):
    """What was read.

    Attributes:
        folder: Where the Parquet files and the manifest are.
        rows: Events written.
        lines: Lines that are not blank.
        rejected: Rejected lines by reason.
        rejects: The first of them by file and piece.
        broken: Files that end before they should, with the reason.
        digest: SHA-256 over the bytes of all files, whatever their order.
    """

    rows_of_frame: ClassVar[str] = "rejects"

    folder: Path
    rows: int
    lines: int
    rejected: dict[str, int]
    rejects: tuple[Reject, ...] = field(repr=False)
    broken: dict[str, str] = field(default_factory=dict)
    digest: str = ""

    def _repr_html_(self) -> str:
        found = [{"what": f.name.replace("_", " "), "lines": f.count, "where": f.detail} for f in self.findings()]
        return plain_html(f"{self.rows:,} events of {self.lines:,} lines read.", found)

    def findings(self) -> list[Finding]:
        """The rejects as findings of a summary: one for each reason, with the first line numbers."""
        out = []
        for reason, count in sorted(self.rejected.items()):
            lines = [f"{r.file}:{r.line}" for r in self.rejects if r.reason == reason]
            where = ", ".join(lines[:5]) + (" …" if count > 5 else "")
            out.append(Finding("rejected_lines", count, self.lines, "excluded", detail=f"A line {REASONS[reason]}: {where}."))
        for name, why in sorted(self.broken.items()):
            out.append(Finding("broken_file", 1, 1, "read up to the break", detail=f"{name}: {why}."))
        return out

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON value; files by name only."""
        return {
            "rows": self.rows,
            "lines": self.lines,
            "rejected": dict(self.rejected),
            "rejects": [{"file": r.file, "line": r.line, "reason": r.reason} for r in self.rejects],
            "broken": dict(self.broken),
            "digest": self.digest,
        }


@dataclass(slots=True)
class _Piece:
    """Whole lines of one file: `head` and the first `size` bytes of `data`, which are not joined unless they must be."""

    head: bytes
    data: bytes
    size: int
    lines: int
    line: int
    end: int
    skipped: list[int] = field(default_factory=list)
    tail: bool = False
    last: bool = False
    digest: str = ""
    broken: str = ""

    def whole(self) -> bytes:
        """The lines in one piece."""
        return self.head + self.data[: self.size]


def ingest(
    paths: Sequence[str | Path],
    *,
    out: str | Path,
    properties: Iterable[str] | None = None,
    schema: EventSchema | None = None,
    engine: DuckDB | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Write the events of JSON Lines files to Parquet, with a report of every line that was rejected.

    Args:
        paths: Files, plain or gzipped, such as Mixpanel's raw export.
        out: Folder for the Parquet files and `manifest.json`; a run that was stopped goes on there.
        properties: Properties to keep, each as a column of text; None = all, as one column of JSON, which is slower to
            write and to read.
        schema: Where event, time and properties stand; Mixpanel's names where it is left out.
        engine: Limits of the embedded engine.
        progress: Called after every piece.

    Raises:
        DataError: `XPB-D40`, the folder holds something else; `XPB-D41`, two properties differ only in case.
    """
    return _Ingest([Path(p) for p in paths], Path(out), properties, schema or EventSchema(), engine or DuckDB()).run(progress)


class _Ingest:
    def __init__(
        self, paths: list[Path], out: Path, properties: Iterable[str] | None, schema: EventSchema, engine: DuckDB
    ) -> None:
        self.paths = paths
        self.out = out
        self.schema = schema
        self.engine = engine
        fixed = [n for n in (schema.time, schema.unit or "distinct_id", schema.insert_id, schema.arrived) if n]
        self.names = (
            None if properties is None else list(dict.fromkeys([*fixed, *(p for p in properties if p != schema.event)]))
        )
        lower: dict[str, str] = {}
        for name in [schema.event, *(self.names or [])]:
            if lower.setdefault(name.lower(), name) != name:
                raise DataError("XPB-D41", first_name=lower[name.lower()], second_name=name)

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self, progress: Progress | None) -> IngestReport:
        self.out.mkdir(parents=True, exist_ok=True)
        manifest = self._manifest()
        stages = Stages(len(self.paths), progress)
        with self.engine.connect() as connection, _Lent() as self.lent:
            connection.execute("SET enable_external_file_cache = false")  # pieces may bear the same name
            self.run_query = connection
            for path in self.paths:
                self._file(path, manifest, stages)
        return self._report(manifest)

    def _identity(self) -> dict[str, Any]:
        s = self.schema
        return {
            "schema": SCHEMA,
            "properties": self.names,
            "event": s.event,
            "time": s.time,
            "holder": s.properties,
            "time_unit": s.time_unit,
        }

    def _manifest(self) -> dict[str, Any]:
        path = self.out / "manifest.json"
        mine = self._identity()
        if path.exists():
            try:
                found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            except ValueError:
                found = {}
            if found.get("identity") != mine:
                raise DataError("XPB-D40", path=str(self.out))
        else:
            if any(self.out.glob("*.parquet")):
                raise DataError("XPB-D40", path=str(self.out))
            found = {"identity": mine, "files": {}}
        known = {name for f in found["files"].values() for p in f["pieces"] if (name := p["part"])}
        for part in self.out.glob("part-*"):
            if part.name not in known:
                part.unlink()  # a piece that was not acknowledged
        return found

    def _file(self, path: Path, manifest: dict[str, Any], stages: Stages) -> None:
        stat = path.stat()
        key = str(path.resolve())
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = manifest["files"].get(key)
        if entry is not None and entry["stamp"] != stamp:
            raise DataError("XPB-D42", path=path.name)
        if entry is None:
            entry = manifest["files"][key] = {
                "name": path.name,
                "stamp": stamp,
                "pieces": [],
                "done": False,
                "digest": "",
                "broken": "",
            }
        if entry["done"]:
            stages.finish(f"{path.name} (already read)", sum(p["rows"] for p in entry["pieces"]))
            return
        done = entry["pieces"][-1] if entry["pieces"] else {"end": 0, "line": 0}
        for piece in _ahead(_pieces(path, start=done["end"], line=done["line"])):
            number = sum(len(f["pieces"]) for f in manifest["files"].values()) + 1
            record = self._piece(path, piece, number)
            entry["pieces"].append(record)
            if piece.last:
                entry |= {"done": True, "digest": piece.digest, "broken": piece.broken}
            write_atomic(self.out / "manifest.json", json.dumps(manifest, indent=1).encode())
            stages.finish(f"read {path.name}", record["rows"])

    def _piece(self, path: Path, piece: _Piece, number: int) -> dict[str, Any]:
        """Write one Parquet file; what is rejected is named."""
        rejects = [(line, "too_long") for line in piece.skipped]
        part = f"part-{number:06}.parquet"
        rows, full = 0, 0
        blank = len(piece.data) < USUAL_LINE and not piece.whole().strip()
        if piece.lines and not blank:
            self.lent.fill(piece.head, memoryview(piece.data)[: piece.size])
            rows, full = self._write(self.lent.name, part, piece)
            if rows != full:
                good, found = self._judge(piece)
                rejects += found
                self.lent.fill(b"\n".join(good), b"\n")
                longest = max(map(len, good), default=0)
                rows = self._write(self.lent.name, part, None, longest=longest)[0] if good else 0
                full = len(good) + len(found)
                if rows != len(good):  # pragma: no cover - lines were judged by the same reader
                    raise DataError("XPB-D01", what=plain(f"{path.name} could not be read"), reason="lines were lost")
        if rows == 0:
            (self.out / part).unlink(missing_ok=True)
        counts: dict[str, int] = {}
        for _, reason in rejects:
            counts[reason] = counts.get(reason, 0) + 1
        return {
            "part": part if rows else "",
            "rows": rows,
            "lines": full + len(piece.skipped),
            "line": piece.line + piece.lines + len(piece.skipped),
            "end": piece.end,
            "rejected": counts,
            "rejects": sorted(rejects)[:LISTED],
        }

    def _write(self, name: str, part: str, piece: _Piece | None, *, longest: int = 0) -> tuple[int, int]:
        """Rows written and lines that are not blank; fewer rows than lines where a line is not as it should be.

        Args:
            name: The file to read.
            part: The Parquet file to write.
            piece: What stands in the file; None where its lines were judged.
            longest: Length of its longest line, where that is known.
        """
        holder = self.schema.properties
        event = quote(self.schema.event)
        if self.names is None:
            select = f"{event}, CAST({quote(holder or 'properties')} AS VARCHAR) AS properties"
            time = f"json_extract_string({quote(holder or 'properties')}, {literal(_path(self.schema.time))})"
        elif holder:
            select = ", ".join([event, *(f"struct_extract({quote(holder)}, {literal(n)}) AS {quote(n)}" for n in self.names)])
            time = f"struct_extract({quote(holder)}, {literal(self.schema.time)})"
        else:
            select = ", ".join([event, *map(quote, self.names)])
            time = quote(self.schema.time)
        reader = self._reader(name, longest)
        target = self.out / f".{part}.tmp"
        try:
            ((rows,),) = self.run_query.execute(
                f"COPY (SELECT {select} FROM {reader} WHERE {event} IS NOT NULL AND {self._timed(time)}) "
                f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
            ).fetchall()
        except duckdb.Error as error:
            target.unlink(missing_ok=True)
            if piece is None:
                raise DataError("XPB-D01", what=plain("The log could not be read"), reason=first_line(error)) from error
            return 0, -1
        full = rows if piece is None or rows == piece.lines else _filled_lines(piece.whole())
        if piece is not None and self.names is None and self._time_twice(piece.whole(), rows):
            full = -1
        if full == rows:
            with target.open("rb") as written:
                os.fsync(written.fileno())
            target.replace(self.out / part)
            sync_folder(self.out)
        else:
            target.unlink(missing_ok=True)
        return int(rows), full

    def _reader(self, name: str, longest: int = 0) -> str:
        """SQL: the strict reader of a file, every value as text."""
        holder = self.schema.properties
        columns = {self.schema.event: "VARCHAR"}
        if self.names is None:
            columns |= {holder: "JSON"} if holder else {}
        elif holder:
            columns[holder] = "STRUCT(" + ", ".join(f"{quote(n)} VARCHAR" for n in self.names) + ")"
        else:
            columns |= dict.fromkeys(self.names, "VARCHAR")
        declared = ", ".join(f"{literal(n)}: {literal(kind)}" for n, kind in columns.items())
        return (
            f"read_json({literal(name)}, format = 'newline_delimited', columns = {{{declared}}}, "
            f"maximum_object_size = {max(USUAL_LINE, longest + 1)})"
        )

    def _time_twice(self, data: bytes, rows: int) -> bool:
        """Whether the time may stand twice in a line whose properties are kept as text, where the reader does not look."""
        key = json.dumps(self.schema.time).encode()
        spaced = any(mark in data for mark in (b'" :', b'"\t:', b"\\u00"))  # a key may be written in other ways, too
        return spaced or data.count(key + b":") > rows

    def _timed(self, time: str) -> str:
        """SQL: a time can be read. Plain whole numbers, which most are, need no look at other ways to write a time."""
        most = {"s": 9 * 10**12, "ms": 9 * 10**15, "us": 9 * 10**18, "auto": 9 * 10**18}[self.schema.time_unit]
        plain_number = f"{time} >= '1' AND {time} < ':' AND try_cast({time} AS BIGINT) BETWEEN 1 AND {most}"
        full = f"{microseconds_of(time, 'VARCHAR', self.schema.time_unit)} IS NOT NULL"
        return f"CASE WHEN {plain_number} THEN true ELSE {full} END"

    def _judge(self, piece: _Piece) -> tuple[list[bytes], list[tuple[int, str]]]:
        """The good lines, and number and reason of the others."""
        found: list[tuple[int, str]] = []
        numbers: list[int] = []
        texts: list[str] = []
        for i, line in enumerate(piece.whole().split(b"\n")):
            line = line.strip(b" \t\r\v\f")  # what the reader passes over
            if not line:
                continue
            if len(line) > LONGEST_LINE:
                found.append((piece.line + i + 1, "too_long"))
                continue
            try:
                texts.append(line.decode("utf-8"))
                numbers.append(piece.line + i + 1)
            except UnicodeDecodeError:
                found.append((piece.line + i + 1, "broken_utf8"))
        last = numbers[-1] if numbers else 0
        cut = piece.tail and not piece.whole().endswith(b"\n")
        holder = self.schema.properties
        import pyarrow as pa

        table = pa.table({"i": pa.array(range(len(texts)), pa.int64()), "line": pa.array(texts, pa.string())})
        self.run_query.register("judged", table)
        doc = "CASE WHEN json_valid(line) THEN line END"
        time = f"json_extract_string({doc}, {literal(_path(holder, self.schema.time) if holder else _path(self.schema.time))})"
        rows = self.run_query.execute(
            f"SELECT i, json_valid(line), json_type({doc}), json_extract_string({doc}, {literal(_path(self.schema.event))}), "
            f"{time}, {microseconds_of(time, 'VARCHAR', self.schema.time_unit)} FROM judged ORDER BY i"
        ).fetchall()
        self.run_query.unregister("judged")
        good: list[bytes] = []
        for (_, valid, kind, event, when, us), number, text in zip(rows, numbers, texts, strict=True):
            reason = ""
            if not valid:
                reason = "truncated_line" if cut and number == last else "malformed_json"
            elif kind != "OBJECT":
                reason = "malformed_json"
            elif event is None:
                reason = "no_event"
            elif when is None:
                reason = "no_time"
            elif us is None:
                reason = "bad_time"
            else:
                reason = self._lost(text)
            if reason:
                found.append((number, reason))
            else:
                good.append(text.encode())
        return good, found

    def _lost(self, text: str) -> str:
        """Why a line that is valid to the engine can't be read without losing a value; "" where it can."""
        try:
            top: Any = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):  # the engine knows more ways to write JSON, and reads it alone to tell
            with _Lent() as lent:
                lent.fill(text.encode(), b"\n")
                try:
                    self.run_query.execute(f"SELECT * FROM {self._reader(lent.name, len(text.encode()))}").fetchall()
                except duckdb.Error as error:
                    return "duplicate_keys" if "duplicate key" in str(error) else "malformed_json"
            return ""
        return "duplicate_keys" if self._names_twice(top) else ""

    def _names_twice(self, top: Any) -> bool:
        """Whether a line names a key twice that is read: its second value would be lost."""
        holder = self.schema.properties
        names = set(self.names or [self.schema.time])  # all properties are kept as their text, but the time is read
        own = {self.schema.event, *((holder,) if holder else names)}
        inner = next((value for key, value in top if key == holder), None) if isinstance(top, _Pairs) else None
        found = [key for key, _ in top if key in own] if isinstance(top, _Pairs) else []
        if len(found) > len(set(found)):
            return True
        found = [key for key, _ in inner if key in names] if isinstance(inner, _Pairs) else []
        return len(found) > len(set(found))

    def _report(self, manifest: dict[str, Any]) -> IngestReport:
        files = list(manifest["files"].values())
        pieces = [(f, p) for f in files for p in f["pieces"]]
        rejected: dict[str, int] = {}
        for _, p in pieces:
            for reason, count in p["rejected"].items():
                rejected[reason] = rejected.get(reason, 0) + count
        return IngestReport(
            folder=self.out,
            rows=sum(p["rows"] for _, p in pieces),
            lines=sum(p["lines"] for _, p in pieces),
            rejected=rejected,
            rejects=tuple(Reject(f["name"], line, reason) for f, p in pieces for line, reason in p["rejects"]),
            broken={f["name"]: f["broken"] for f in files if f["broken"]},
            digest=digest(sorted(f["digest"] for f in files)),
        )


def _path(*names: str | None) -> str:
    """JSON path to a key."""
    return "$" + "".join('."' + n.replace("\\", "\\\\").replace('"', '\\"') + '"' for n in names if n is not None)


def _filled_lines(data: bytes) -> int:
    """Lines that are not blank."""
    blank = (b"\n\n", b"\n\r", b"\n ", b"\n\t")
    if not data.startswith((b"\n", b"\r", b" ", b"\t")) and not any(mark in data for mark in blank):
        return _ends(data)
    return sum(1 for line in data.split(b"\n") if line.strip())


class _Lent:
    """A file for the engine to read: in memory where the system can, else in the folder for temporary files."""

    def __enter__(self) -> _Lent:
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            self._file: Any = os.fdopen(os.memfd_create("xpbench"), "r+b", buffering=0)
            self.name = f"/proc/self/fd/{self._file.fileno()}"
        else:  # pragma: no cover - depends on the system
            self._file = tempfile.NamedTemporaryFile(suffix=".jsonl", prefix="xpbench-", buffering=0)
            self.name = self._file.name
        return self

    def fill(self, *parts: bytes | memoryview) -> None:
        """Put this in place of what was there, in the same memory."""
        self._file.seek(0)
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[self._file.write(left) :]
        self._file.truncate()

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Pairs(list[Any]):
    """The keys and values of a JSON object as they stand."""


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.sha.update(data)
        return data

    def rest(self) -> str:
        """The digest of the whole file."""
        while self.read(1 << 20):
            pass
        return self.sha.hexdigest()


def _pieces(path: Path, *, start: int, line: int) -> Iterator[_Piece]:
    """Whole lines of a file from a byte of its plain text on, about `PIECE_BYTES` at a time; at the end an empty piece."""
    with path.open("rb") as opened:
        zipped = opened.read(2) == b"\x1f\x8b"
        opened.seek(0)
        hashed = _Hashed(opened)
        stream: Any = gzip.GzipFile(fileobj=hashed, mode="rb") if zipped else hashed  # type: ignore[call-overload]
        position, number, carry, skipping, ended, broken = 0, line, b"", False, False, ""
        while not ended:
            block, ended, broken = _block(stream, PIECE_BYTES if position >= start else min(PIECE_BYTES, start - position))
            if position < start:  # read before the run was stopped
                position += len(block)
                continue
            if position == 0 and block.startswith(b"\xef\xbb\xbf"):
                block = b"   " + block[3:]
            position += len(block)
            if skipping:
                at = block.find(b"\n")
                if at < 0 and not ended:
                    continue
                block = block[at + 1 :] if at >= 0 else b""
                yield _Piece(b"", b"", 0, 0, number, position - len(block), skipped=[number + 1])
                number += 1
                skipping = False
            cut = len(block) if ended else block.rfind(b"\n") + 1  # what is carried holds no end of a line
            if cut or (ended and carry):
                rest = block[cut:]
                lines = block.count(b"\n", 0, cut) + (ended and not block.endswith(b"\n"))
                yield _Piece(carry, block, cut, lines, number, position - len(rest), tail=ended)
                number += lines
                carry = rest
            else:
                carry += block
            if len(carry) > LONGEST_LINE:
                skipping, carry = True, b""
        yield _Piece(b"", b"", 0, 0, number, position, last=True, digest=hashed.rest(), broken=broken)


def _block(stream: Any, size: int) -> tuple[bytes, bool, str]:
    """Up to `size` bytes, whether the stream is over, and why it is broken; what came before a break is kept."""
    parts: list[bytes] = []
    got = 0
    read = getattr(stream, "read1", stream.read)
    while got < size:
        try:
            part = read(size - got)
        except EOFError:
            return b"".join(parts), True, "the gzip stream is cut off"
        except (zlib.error, gzip.BadGzipFile):
            return b"".join(parts), True, "the gzip stream is damaged"
        if not part:
            return b"".join(parts), True, ""
        if len(part) == size:
            return part, False, ""
        parts.append(part)
        got += len(part)
    return b"".join(parts), False, ""


def _ends(data: bytes) -> int:
    """Lines of a piece, blank ones included."""
    return data.count(b"\n") + (not data.endswith(b"\n"))


def _ahead(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """The same pieces, the next one read and unpacked while the engine works on this one."""
    waiting: queue.Queue[_Piece | BaseException | None] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(item: _Piece | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for piece in pieces:
                if not put(piece):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
