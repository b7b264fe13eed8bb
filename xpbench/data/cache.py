"""Unit tables on disk, found again only by their content: plan, input, engine and options together make the name.

A table of other content has another name, so a stale one can't be read; the note beside a table holds the SHA-256 of its
bytes, so a damaged one isn't either. Tables hold no unit ids.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.canonical import digest
from xpbench.files import sync_folder, write_atomic
from xpbench.interrupts import cleaned_up

FORMAT = 1
"""Raised whenever the meaning of a unit table changes."""

RACY_SECONDS = 2.0
"""A file touched so shortly before it was hashed is hashed again: its time stamp could hide a change."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of unit tables; see `xp.events(cache=…)`."""

    folder: Path

    def key(self, *, plan: str, fingerprint: str, engine: str, options: dict[str, Any]) -> str:
        """Name of the unit table of a plan over an input."""
        return digest({"format": FORMAT, "plan": plan, "input": fingerprint, "engine": engine, "options": options})

    def find(self, key: str) -> tuple[Path, dict[str, Any]] | None:
        """Path of a table and its note; None where there is none or where it is damaged."""
        folder = self.folder / key
        try:
            note: dict[str, Any] = json.loads((folder / "note.json").read_text("utf-8"))
            if note["key"] != key or note["sha256"] != file_digest(folder / "units.parquet"):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return folder / "units.parquet", note

    def put(self, key: str, note: dict[str, Any], write: Callable[[Path], None]) -> Path:
        """Store a table: whole or not at all.

        Args:
            key: Its name.
            note: What belongs to it, a JSON value.
            write: Writes the Parquet file to the path it is given.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with cleaned_up():
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
            try:
                write(made / "units.parquet")
                with (made / "units.parquet").open("rb") as written:
                    os.fsync(written.fileno())
                note = {**note, "key": key, "sha256": file_digest(made / "units.parquet")}
                write_atomic(made / "note.json", json.dumps(note).encode())
                target = self.folder / key
                if target.exists():  # damaged, or made by another process meanwhile
                    shutil.rmtree(target, ignore_errors=True)
                try:
                    made.rename(target)
                except OSError:
                    if self.find(key) is None:
                        raise
                sync_folder(self.folder)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        return self.folder / key / "units.parquet"

    def files_digest(self, paths: Sequence[str]) -> str:
        """SHA-256 over the bytes of files, whatever their order; files that did not change are not read again."""
        known = self.known(paths)
        found, fresh = [], {}
        for path in paths:
            name = os.path.realpath(path)
            if name in known:
                found.append(known[name])
                continue
            stat = os.stat(path)
            begun = time.time()
            sha = file_digest(Path(path))
            found.append(sha)
            if begun - stat.st_mtime > RACY_SECONDS:
                fresh[name] = [*_stamp(stat), sha]
        if fresh:
            write_atomic(self._memory, json.dumps({**self._remembered(), **fresh}, indent=1).encode())
        return digest_of_files(found)

    def known(self, paths: Sequence[str]) -> dict[str, str]:
        """SHA-256 by real path of those files that did not change since they were hashed."""
        remembered = self._remembered()
        found = {}
        for name in map(os.path.realpath, paths):
            kept = remembered.get(name)
            if isinstance(kept, list) and len(kept) == 4 and kept[:3] == _stamp(os.stat(name)):
                found[name] = str(kept[3])
        return found

    @property
    def _memory(self) -> Path:
        return self.folder / "files.json"

    def _remembered(self) -> dict[str, Any]:
        try:
            remembered: dict[str, Any] = json.loads(self._memory.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return remembered


def _stamp(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Sequence[str]) -> str:
    """SHA-256 over the bytes of files, whatever their order."""
    return digest_of_files(file_digest(Path(p)) for p in paths)


def digest_of_files(found: Iterable[str]) -> str:
    """SHA-256 over the SHA-256 of files, whatever their order."""
    return digest({"files": sorted(found)})


class Hashing:
    """`files_digest` in a thread of its own, next to other work; it stops early when the block ends."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = list(paths)
        self._over = threading.Event()
        self._found: str | BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Hashing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def digest(self) -> str:
        """The digest, as soon as all is read."""
        self._thread.join()
        if not isinstance(self._found, str):
            raise self._found or RuntimeError("stopped")
        return self._found

    def _work(self) -> None:
        try:
            found = []
            buffer = bytearray(1 << 18)  # stays in the processor's cache
            view = memoryview(buffer)
            for path in self._paths:
                sha = hashlib.sha256()
                with open(path, "rb", buffering=0) as file:
                    while not self._over.is_set() and (size := file.readinto(buffer)):
                        sha.update(view[:size])
                found.append(sha.hexdigest())
            if not self._over.is_set():
                self._found = digest_of_files(found)
        except OSError as error:
            self._found = error
