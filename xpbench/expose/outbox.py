"""The outbox: exposures on local disk, each at most once, until Mixpanel has taken them.

A row is acknowledged when its SQLite transaction is committed: from then on it outlives the process (`sync="normal"`), or
the machine's power as well (`sync="full"`). Rows leave in the order they came, by one sender at a time over all processes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from xpbench.errors import ExposeError, plain
from xpbench.expose import forks
from xpbench.expose.filesystem import lock_file, network_filesystem
from xpbench.expose.place import FILE_MODE, private_file

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, variant TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (id INTEGER PRIMARY KEY, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dead (id INTEGER PRIMARY KEY, event TEXT NOT NULL, field TEXT NOT NULL, reason TEXT NOT NULL,
    time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS incidents (kind TEXT NOT NULL, experiment TEXT NOT NULL, unit TEXT NOT NULL, detail TEXT NOT NULL,
    times INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    PRIMARY KEY (kind, experiment, unit, detail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS arrivals AS SELECT NULL AS key, NULL AS variant, NULL AS event;
CREATE TRIGGER IF NOT EXISTS arrive INSTEAD OF INSERT ON arrivals BEGIN
    INSERT OR IGNORE INTO seen (key, variant) VALUES (NEW.key, NEW.variant);
    INSERT INTO pending (event) SELECT NEW.event WHERE changes() = 1;
END;
"""
"""`arrivals` lets one statement do what one exposure needs: each one gives up Python's lock and waits to have it back."""
_CHECK_EVERY = 64
_HELD = 10_000
_REMEMBERED = 65_536
_SPAN = "SELECT (SELECT min(id) FROM pending), (SELECT max(id) FROM pending)"  # both in one would read the whole table
_CHECKPOINT_PAGES = 4_000


class Incident(NamedTuple):
    """Something about exposures that nobody should miss, with how often and when."""

    kind: str
    experiment: str
    unit: str
    detail: str
    times: int
    first: float
    last: float


class DeadLetter(NamedTuple):
    """An event that Mixpanel refused, with the field and the reason it gave."""

    id: int
    event: dict[str, Any]
    field: str
    reason: str
    time: float


Note = tuple[str, str, str, str, float, str | None]
"""An incident: kind, experiment, unit, detail, time, and the event that says so to Mixpanel."""


class QueuedExposure(NamedTuple):
    """What one call wants written, all or nothing.

    Attributes:
        keys: 16 bytes per unit and experiment.
        variants: Variant per key.
        build: Event, as JSON text, for the keys that were not seen before (their positions).
        notes: Incidents as (kind, experiment, unit, detail, time).
        switched: What to note and send for a key that was seen with another variant: (position, former variant) to
            (incident, event).
    """

    keys: tuple[bytes, ...]
    variants: tuple[str, ...]
    build: Callable[[tuple[int, ...]], str]
    notes: tuple[Note, ...] = ()
    switched: Callable[[int, str], Note] | None = None


_abandoned: list[Any] = []
"""Connections of a parent process."""
_ATTEMPTS = 5
_ALONE_SECONDS = 5.0
_log = logging.getLogger("xpbench.expose")


class SenderLock:
    """Held by the one process that sends; released by the system when it ends."""

    def __init__(self, outbox: Path) -> None:
        self._path = Path(f"{outbox}.sender")
        self._handle: int | None = None
        self._pid = 0

    def acquire(self, db: Any = None) -> bool:
        """True when this object holds the lock."""
        del db  # the lock is a file's, whatever the connection
        if self._handle is not None and self._pid == os.getpid():
            return True
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError:
            return False
        try:
            lock_file(handle)
        except OSError:
            os.close(handle)
            return False
        self._handle, self._pid = handle, os.getpid()
        return True

    def release(self) -> None:
        """Let another sender work."""
        if self._handle is not None and self._pid == os.getpid():
            os.close(self._handle)
        self._handle = None

    def forget(self) -> None:
        """In a forked child: drop the inherited handle; the parent keeps its lock."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.close(self._handle)
        self._handle = None


class _Connection(sqlite3.Connection):
    """A connection that knows which file it has open: (device, inode), None where that is not certain."""

    file: tuple[int, int] | None = None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


_CARRIED = (("pending", "event"), ("seen", "key, variant"), ("dead", "event, field, reason, time"))


def _until_broken(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    with contextlib.suppress(sqlite3.DatabaseError):
        yield from db.execute(query)


def _is_broken(error: Exception) -> bool:
    return "not a database" in str(error) or "malformed" in str(error)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the system releases the lock when the process ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), FILE_MODE)
    try:
        end = time.monotonic() + _ALONE_SECONDS
        while True:
            try:
                lock_file(handle)
                break
            except OSError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


Added = Literal["queued", "repeat", "switch", "held", "full"]
OnFull = Literal["refuse", "block", "raise"]


OPENING_SECONDS = 5.0
"""How long opening a file waits for other processes that make it at the same time."""


class Outbox:
    """A durable queue with a memory of what it has ever taken.

    Args:
        path: SQLite file on a local disk. On a network file system the slower rollback journal is used instead of the
            write-ahead log, see `docs/exposure.md`.
        max_pending: Events that may wait; what happens beyond is the caller's `on_full`.
        max_block: Seconds that one call may wait for other threads, and again for other processes.
        journal: `auto` picks by file system.
        sync: `normal` survives the end of the process at any point; a power cut can cost up to everything since the last
            checkpoint, which the sender makes when the log has 8 MB and `close` makes at the end. `full` survives loss of power
            too, at one fsync a call.
        project: Fingerprint of the project whose events these are; an outbox serves one project.
        clock: Seconds since the epoch.

    Raises:
        ExposeError: `XPB-E01` written by a newer version, `XPB-E02` belongs to another project, `XPB-E03` can't be opened.
    """

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
    """What its storage raises when it takes or gives nothing."""

    def __init__(
        self,
        path: str | Path,
        *,
        max_pending: int = 1_000_000,
        max_block: float = 0.05,
        journal: Literal["auto", "wal", "delete"] = "auto",
        sync: Literal["normal", "full"] = "normal",
        project: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path: Path | str = Path(path)
        self._file = Path(path)
        self._begin(max_pending=max_pending, max_block=max_block, project=project, clock=clock, sync=sync)
        self._journal: str = self._choose_journal(journal)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            db = self._opened()
        except sqlite3.DatabaseError as error:
            raise self._unusable(str(error)) from None
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None
        self._check_identity(db, project)
        forks.watch(self)

    def _begin(
        self, *, max_pending: int, max_block: float, project: str, clock: Callable[[], float], sync: Literal["normal", "full"]
    ) -> None:
        self.max_pending = max_pending
        self.max_block = max_block
        self.notes: list[str] = []
        self._clock = clock
        self._sync = sync
        self._project = project
        self._seen: dict[bytes, str] = {}
        self._held: deque[QueuedExposure] = deque()
        self.refused = 0
        self._reset()

    def sender_lock(self) -> SenderLock:
        """What the one process that sends holds."""
        return SenderLock(self._file)

    def _opened(self) -> sqlite3.Connection:
        """The connection; a file that is broken is set aside first, by one process for all."""
        until = time.monotonic() + OPENING_SECONDS
        broken = 0
        while broken < _ATTEMPTS:
            mark = _identity(self._file)
            try:
                return self._connection()
            except sqlite3.DatabaseError as error:
                if _is_broken(error):
                    broken += 1
                    self._set_aside(mark)
                elif "locked" in str(error) and time.monotonic() < until:
                    time.sleep(
                        0.02
                    )  # the journal's mode is changed without SQLite's own waiting, when many open a new file at once
                else:
                    raise
        return self._connection()

    # -- connections --------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._until_check = 0
        self._closed = False

    @property
    def fork_lock(self) -> threading.Lock:
        """Held while this process is forked, so that no thread is inside SQLite then."""
        return self._lock

    def after_fork(self) -> None:
        """In a forked child: nothing of the parent's is used, or sent a second time."""
        _abandoned.append(self._db)  # closing it would close the parent's; kept, it stays open
        self._held.clear()
        self._reset()

    def _choose_journal(self, journal: str) -> str:
        if journal != "auto":
            return journal
        kind = network_filesystem(self._file)
        if kind is None:
            return "wal"
        self.notes.append(f"{self.path} lies on a network file system ({kind}): rollback journal with full sync, slower")
        return "delete"

    def connect(self, *, timeout: float) -> sqlite3.Connection:
        """A new connection to the file, tables in place; callers close it."""
        private_file(self._file)
        db = sqlite3.connect(
            self._file,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=32,
            factory=_Connection,
        )
        try:
            before = _identity(self._file)
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.execute("PRAGMA page_size=2048")
            mode = db.execute(f"PRAGMA journal_mode={self._journal}").fetchone()[0]
            if self._journal == "wal" and mode != "wal":
                self._journal = "delete"
                self.notes.append(f"{self.path}: the write-ahead log is not available here, rollback journal instead")
                db.execute("PRAGMA journal_mode=delete")
            full = self._sync == "full" or self._journal == "delete"
            db.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            db.execute("PRAGMA wal_autocheckpoint=0")  # the sender does it, so that no caller pays for it
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise ExposeError("XPB-E01", path=str(self.path), found=version, known=SCHEMA)
            if version == 0:
                db.execute("BEGIN IMMEDIATE")
                for statement in _TABLES.split(";\nCREATE"):
                    db.execute(statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}")
                if self._project:
                    db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('project', ?)", (self._project,))
                db.execute(f"PRAGMA user_version={SCHEMA}")
                db.execute("COMMIT")
            # the file was opened between the two looks: where they differ it may be either, and none is trusted
            db.file = before if before == _identity(self._file) else None
        except BaseException:
            db.close()
            raise
        return db

    def is_current(self, db: sqlite3.Connection) -> bool:
        """Whether the file of a connection is still the one at the path: it may be deleted, or set aside by another process."""
        file = getattr(db, "file", None)
        return file is not None and file == _identity(self._file)

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            # opening may have to wait for another process that creates the file
            self._db = self.connect(timeout=5.0)
            self._db.execute(f"PRAGMA busy_timeout={max(1, int(self.max_block * 1000))}")
        return self._db

    def _check_identity(self, db: sqlite3.Connection, project: str) -> None:
        if not project:
            return
        db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('project', ?)", (project,))
        if db.execute("SELECT value FROM meta WHERE name = 'project'").fetchone()[0] != project:
            self.close()
            raise ExposeError("XPB-E02", path=str(self.path))

    def _unusable(self, reason: str) -> ExposeError:
        return ExposeError("XPB-E03", path=str(self.path), reason=plain(reason))

    def _set_aside(self, mark: tuple[int, int] | None) -> None:
        """Keep a broken file under another name, unless another process has done so: then the one at the path is a new one."""
        self._db = None
        with _alone(Path(f"{self.path}.aside")):
            if mark is None or _identity(self._file) != mark:
                return
            aside = self._file.with_name(f"{self._file.name}.broken-{int(self._clock())}")
            for number in range(1, 1000):
                if not aside.exists():
                    break
                aside = self._file.with_name(f"{self._file.name}.broken-{int(self._clock())}-{number}")
            # the log first: a log that is left behind would be played into the new file
            for tail in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}{tail}", f"{aside}{tail}")
            carried = self._carry_over(aside)
        self._seen.clear()
        self.notes.append(
            f"{self.path} is damaged or no SQLite file; it was kept as {aside.name}, a new one was started, {carried}"
        )
        _log.warning("xpbench: %s", self.notes[-1])

    def _carry_over(self, aside: Path) -> str:
        """Take what can still be read of a damaged file into the new one; returns how much that was."""
        counts = []
        with contextlib.closing(self.connect(timeout=5.0)) as new, contextlib.closing(sqlite3.connect(aside)) as old:
            new.execute("BEGIN IMMEDIATE")
            for table, columns in _CARRIED:
                marks = ", ".join("?" * len(columns.split(", ")))
                before = new.total_changes
                rows = _until_broken(old, f"SELECT {columns} FROM {table}")  # noqa: S608 - names of this module's own
                new.executemany(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608
                counts.append(new.total_changes - before)
            new.execute("COMMIT")
        return f"with {counts[0]:,} waiting events and the memory of {counts[1]:,} exposures from the old one"

    # -- writing ------------------------------------------------------------------------------------------------------

    def knows(self, key: bytes) -> str | None:
        """Variant with which this process remembers a key, without a look at the disk; None says nothing."""
        return self._seen.get(key)

    def add(self, entry: QueuedExposure, *, on_full: OnFull = "refuse") -> Added:
        """Write an entry in one transaction; on return with `queued`, `repeat` or `switch` it is safe.

        `held`: the disk did not take it within the bound (full, locked); it waits in memory and is tried again, but does
        not outlive the process. `full`: the outbox holds `max_pending` events, or memory holds its share.

        Raises:
            ExposeError: `XPB-E04`, full and `on_full="raise"`.
        """
        if os.getpid() != self._pid:
            self._reset()
        if not self._lock.acquire(timeout=self.max_block):
            return self._hold(entry, on_full)
        try:
            if self._held and not self._write_held():
                return self._hold(entry, on_full)
            if self._is_full() and not self._wait_for_room(on_full):
                return self._refuse(on_full)
            return self._write(entry)
        except self.errors as error:
            self._note_fault(error)
            return self._hold(entry, on_full)
        finally:
            self._lock.release()

    def _write(self, entry: QueuedExposure) -> Added:
        for _ in range(_ATTEMPTS):
            db = self._connection()
            mark = getattr(db, "file", None)
            try:
                state = self._write_with(db, entry)
            except sqlite3.DatabaseError as error:
                if not _is_broken(error):
                    raise
                db.close()
                self._set_aside(mark)
                continue
            if self.is_current(db):
                return state
            # written to a file that nobody will read again: once more, into the one that is there now
            self.notes.append(f"{self.path} was removed or replaced while it was in use; a new one is used")
            _log.warning("xpbench: %s", self.notes[-1])
            self._seen.clear()
            db.close()
            self._db = None
        raise sqlite3.OperationalError("the file is replaced again and again")

    def _write_with(self, db: sqlite3.Connection, entry: QueuedExposure) -> Added:
        if len(entry.keys) == 1 and not entry.notes:
            before = db.total_changes
            variant = entry.variants[0]
            db.execute("INSERT INTO arrivals VALUES (?, ?, ?)", (entry.keys[0], variant, entry.build((0,))))
            if db.total_changes != before:
                self._remember(entry.keys[0], variant)
                return "queued"
        return self._write_any(db, entry)

    def _remember(self, key: bytes, variant: str) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = variant

    def _write_any(self, db: sqlite3.Connection, entry: QueuedExposure) -> Added:
        db.execute("BEGIN IMMEDIATE")
        try:
            fresh, state = [], "repeat"
            notes = list(entry.notes)
            for position, key in enumerate(entry.keys):
                variant = entry.variants[position]
                if db.execute("INSERT OR IGNORE INTO seen (key, variant) VALUES (?, ?)", (key, variant)).rowcount:
                    fresh.append(position)
                    continue
                known = db.execute("SELECT variant FROM seen WHERE key = ?", (key,)).fetchone()[0]
                if known != variant and entry.switched is not None:
                    state = "switch"
                    notes.append(entry.switched(position, known))
            if fresh:
                db.execute("INSERT INTO pending (event) VALUES (?)", (entry.build(tuple(fresh)),))
                state = "queued"
            for kind, experiment, unit, detail, moment, event in notes:
                if self._note(db, kind, experiment, unit, detail, moment) and event is not None:
                    db.execute("INSERT INTO pending (event) VALUES (?)", (event,))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        if state != "switch":
            for position, key in enumerate(entry.keys):
                self._remember(key, entry.variants[position])
        return state  # type: ignore[return-value]

    @staticmethod
    def _note(db: sqlite3.Connection, kind: str, experiment: str, unit: str, detail: str, moment: float) -> bool:
        """Count an incident; True when it is the first of its kind."""
        row = db.execute(
            "INSERT INTO incidents VALUES (?, ?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE"
            " SET times = times + 1, last = max(last, excluded.last) RETURNING times",
            (kind, experiment, unit, detail[:300], moment, moment),
        ).fetchone()
        return bool(row[0] == 1)

    def note(self, kind: str, experiment: str, detail: str, *, unit: str = "") -> None:
        """Count an incident that has no exposure; never raises, and gives up after the bound."""
        moment = self._clock()

        def nothing(fresh: tuple[int, ...]) -> str:
            raise AssertionError(fresh)  # pragma: no cover - there is no key that could be fresh

        self.add(QueuedExposure((), (), nothing, ((kind, experiment, unit, detail, moment, None),)), on_full="refuse")

    def _is_full(self) -> bool:
        if self._until_check > 0:
            self._until_check -= 1
            return False
        waiting = self._waiting()
        self._until_check = min(_CHECK_EVERY, max(0, self.max_pending - waiting - 1))
        return waiting >= self.max_pending

    def _waiting(self) -> int:
        first, last = self._connection().execute(_SPAN).fetchone()
        return 0 if first is None else int(last - first + 1)

    def _wait_for_room(self, on_full: OnFull) -> bool:
        if on_full != "block":
            return False
        end = time.monotonic() + self.max_block
        while time.monotonic() < end:
            time.sleep(min(0.005, self.max_block))
            if self._waiting() < self.max_pending:
                return True
        return False

    def _refuse(self, on_full: OnFull) -> Added:
        self.refused += 1
        if on_full == "raise":
            raise ExposeError("XPB-E04", path=str(self.path), limit=self.max_pending)
        return "full"

    def _hold(self, entry: QueuedExposure, on_full: OnFull) -> Added:
        if len(self._held) >= _HELD:
            return self._refuse(on_full)
        self._held.append(entry)
        return "held"

    def _write_held(self) -> bool:
        while self._held:
            entry = self._held.popleft()
            try:
                self._write(entry)
            except self.errors as error:
                self._held.appendleft(entry)
                self._note_fault(error)
                return False
        return True

    def write_held(self) -> bool:
        """Try again to put on disk what waits in memory; True when nothing waits any more."""
        if not self._held:
            return True
        if not self._lock.acquire(timeout=self.max_block):
            return False
        try:
            return self._write_held()
        finally:
            self._lock.release()

    def _note_fault(self, error: Exception) -> None:
        text = f"{self.path}: {error}"
        if not self.notes or self.notes[-1] != text:
            self.notes.append(text)
            del self.notes[:-50]
        if "disk I/O" in str(error):
            with contextlib.suppress(sqlite3.Error):
                if self._db is not None:
                    self._db.close()
            self._db = None

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Entries that wait in memory because the disk did not take them."""
        return len(self._held)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, for reports and the sender."""
        with forks.outside:
            db = self.connect(timeout=5.0)
            try:
                yield db
            finally:
                db.close()

    def pending(self) -> int:
        """Events that wait to be sent."""
        with self.reading() as db:
            return int(db.execute("SELECT count(*) FROM pending").fetchone()[0])

    def dead_letters(self, *, limit: int = 1_000) -> list[DeadLetter]:
        """Events that Mixpanel refused, oldest first."""
        with self.reading() as db:
            rows = db.execute("SELECT id, event, field, reason, time FROM dead ORDER BY id LIMIT ?", (limit,)).fetchall()
        return [DeadLetter(id_, json.loads(event), field, reason, moment) for id_, event, field, reason, moment in rows]

    def dead(self) -> int:
        """How many events Mixpanel refused."""
        with self.reading() as db:
            return int(db.execute("SELECT count(*) FROM dead").fetchone()[0])

    def incidents(self) -> list[Incident]:
        """What was noted, by kind."""
        with self.reading() as db:
            rows = db.execute("SELECT kind, experiment, unit, detail, times, first, last FROM incidents").fetchall()
        return [Incident(*row) for row in rows]

    def requeue_dead(self) -> int:
        """Put every dead letter back at the end of the queue, for when its cause is gone; returns how many."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO pending (event) SELECT event FROM dead ORDER BY id")
            count = db.execute("DELETE FROM dead").rowcount
            db.execute("COMMIT")
        return int(count)

    # -- for the sender -----------------------------------------------------------------------------------------------

    @staticmethod
    def head(db: sqlite3.Connection, *, events: int, size: int) -> list[tuple[int, str]]:
        """The oldest events, as many as fit into a request: id and JSON text."""
        batch: list[tuple[int, str]] = []
        total = 0
        for id_, text in db.execute("SELECT id, event FROM pending ORDER BY id LIMIT ?", (events,)):
            total += len(text) + 200  # the SDK adds token, library and version
            if batch and total > size:
                break
            batch.append((id_, text))
        return batch

    def settle(
        self,
        db: sqlite3.Connection,
        *,
        accepted: Sequence[int] = (),
        refused: Iterable[tuple[int, str, str]] = (),
        changed: Iterable[tuple[int, str]] = (),
        incidents: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Write the outcome of a request in one transaction: taken rows leave, refused ones become dead letters."""
        now = self._clock()
        db.execute("BEGIN IMMEDIATE")
        try:
            for id_, field, reason in refused:
                db.execute(
                    "INSERT INTO dead (event, field, reason, time) SELECT event, ?, ?, ? FROM pending WHERE id = ?",
                    (field, reason[:500], now, id_),
                )
                db.execute("DELETE FROM pending WHERE id = ?", (id_,))
            db.executemany("DELETE FROM pending WHERE id = ?", [(i,) for i in accepted])
            db.executemany("UPDATE pending SET event = ? WHERE id = ?", [(text, i) for i, text in changed])
            for kind, experiment, detail in incidents:
                self._note(db, kind, experiment, "", detail, now)
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def checkpoint(self, db: sqlite3.Connection, *, force: bool = False) -> None:
        """Move the write-ahead log into the file when it has grown, outside of any caller's way."""
        if self._journal != "wal":
            return
        with contextlib.suppress(OSError, sqlite3.Error):
            if force or os.path.getsize(f"{self.path}-wal") > _CHECKPOINT_PAGES * 2_048:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # -- end ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the file; what was acknowledged stays in it."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._held and not self._closed:
                self._write_held()
                if self._held:
                    self.notes.append(f"{self.path}: {len(self._held)} exposures were lost at the end, the disk took none")
            if self._db is not None:
                self.checkpoint(self._db, force=True)
                self._db.close()
                self._db = None
            self._closed = True

    def __repr__(self) -> str:
        return f"Outbox({str(self._file)!r}, {self._journal})"
