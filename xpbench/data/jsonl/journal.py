"""The manifest of an ingestion: one line for each piece that is safely on disk, so that a stopped run goes on behind them.

A line is added when the Parquet file that it names is in place and durable. A last line that a crash cut off does not
count, and a Parquet file that no line names is removed. So the cost of a piece does not grow with the number of pieces.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from xpbench.errors import DataError
from xpbench.files import sync_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None

NAME = "manifest.jsonl"


@dataclass(slots=True)
class JournalEntry:
    """What is known of a file.

    Attributes:
        name: Its name, without the folder.
        stamp: Size and time of its last change.
        pieces: Its pieces, in their order.
        done: Whether it was read to its end.
    """

    name: str
    stamp: list[int]
    pieces: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False


class Journal:
    """The manifest in a folder, held by one run at a time where the system has locks."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        """Open the manifest, or begin it.

        Args:
            folder: Where it and the Parquet files stand; made where it is missing.
            identity: What all runs that write here have in common.

        Raises:
            DataError: `XPB-D40`, the folder holds something else; `XPB-D47`, a Parquet file is no longer as it was written;
                `XPB-D48`, another run writes here.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.files: dict[str, JournalEntry] = {}
        path = folder / NAME
        if not path.exists() and any(folder.glob("*.parquet")):
            raise DataError("XPB-D40", path=str(folder))
        self._file = path.open("ab+")
        try:
            self._lock()
            self._load(identity)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        if fcntl is None or not hasattr(fcntl, "flock"):  # pragma: no cover - depends on the system
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError("XPB-D48", path=str(self.folder)) from None
        except OSError:  # pragma: no cover - a file system without locks
            return

    def _load(self, identity: dict[str, Any]) -> None:
        self._file.seek(0)
        whole, _, _ = self._file.read().rpartition(b"\n")
        try:
            records = [json.loads(line) for line in whole.splitlines()]
            if records and records[0].get("identity") != identity:
                raise DataError("XPB-D40", path=str(self.folder))
            for record in records[1:]:
                self._take(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError("XPB-D40", path=str(self.folder)) from None
        parts = {p["part"]: p["size"] for f in self.files.values() for p in f.pieces if p["part"]}
        for name, size in parts.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise DataError("XPB-D47", part=name, path=str(self.folder))
        self.discard(parts)
        self._file.truncate(len(whole) + 1 if whole else 0)
        if not records:
            if any(self.folder.glob("*.parquet")):
                raise DataError("XPB-D40", path=str(self.folder))
            self._write({"identity": identity})
            sync_folder(self.folder)

    def _take(self, record: dict[str, Any]) -> None:
        entry = self.files.setdefault(record["file"], JournalEntry(record["name"], record["stamp"]))
        entry.pieces.append(record)
        entry.done = record["last"]

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def discard(self, kept: Any = ()) -> None:
        """Remove the Parquet files of pieces that were not acknowledged, but for those that are named."""
        for pattern in ("part-*.parquet", ".part-*.tmp"):
            for part in self.folder.glob(pattern):
                if part.name not in kept:
                    part.unlink(missing_ok=True)

    def entry(self, path: Path) -> JournalEntry:
        """What is known of a file.

        Raises:
            DataError: `XPB-D42`, it has changed since a part of it was read.
        """
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        entry = self.files.setdefault(str(path.resolve()), JournalEntry(path.name, stamp))
        if entry.stamp != stamp:
            raise DataError("XPB-D42", path=path.name)
        return entry

    def number(self) -> int:
        """The highest number of a Parquet file that is acknowledged."""
        parts = (p["part"] for f in self.files.values() for p in f.pieces if p["part"])
        return max((int(part.removeprefix("part-").removesuffix(".parquet")) for part in parts), default=0)

    def add(self, path: Path, record: dict[str, Any], made: Path | None) -> None:
        """Acknowledge a piece.

        Args:
            path: File that it comes from.
            record: What was found in it, with `part`, the name of its Parquet file ("" = it has no event).
            made: That file, under another name; it is put in place first.
        """
        size = 0
        if made is not None:
            with made.open("rb") as written:
                os.fsync(written.fileno())
                size = os.fstat(written.fileno()).st_size
            made.replace(self.folder / record["part"])
            sync_folder(self.folder)
        key = str(path.resolve())
        entry = self.files[key]
        record = {"file": key, "name": entry.name, "stamp": entry.stamp, **record, "size": size}
        self._write(record)
        self._take(record)

    def close(self) -> None:
        """Let other runs write here."""
        with contextlib.suppress(OSError):
            self._file.close()
