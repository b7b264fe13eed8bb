"""An outbox on Postgres, for several relays that share one: one memory of who was exposed, one queue, one sender at a time.

Each exposure is one transaction; two relays that are given the same unit at once wait for each other at its key, and one of
them writes the event. The sender holds an advisory lock of its own session, which the server releases when the session ends.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from xpbench.errors import ExposeError, InputError, plain
from xpbench.expose import forks
from xpbench.expose.outbox import SCHEMA, Added, DeadLetter, OnFull, Outbox, QueuedExposure

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (key BYTEA PRIMARY KEY, variant TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pending (id BIGSERIAL PRIMARY KEY, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dead (id BIGSERIAL PRIMARY KEY, event TEXT NOT NULL, field TEXT NOT NULL, reason TEXT NOT NULL,
    time DOUBLE PRECISION NOT NULL);
CREATE TABLE IF NOT EXISTS incidents (kind TEXT NOT NULL, experiment TEXT NOT NULL, unit TEXT NOT NULL, detail TEXT NOT NULL,
    times BIGINT NOT NULL, first DOUBLE PRECISION NOT NULL, last DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (kind, experiment, unit, detail));
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_FRESH = """
WITH fresh AS (INSERT INTO seen (key, variant) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1),
     queued AS (INSERT INTO pending (event) SELECT %s FROM fresh)
SELECT count(*) FROM fresh
"""
_LOCK = 0x7870625F6F7574
"""Number of the advisory lock, with the schema's hash as its second half: one sender for each schema of a database."""
_ATTEMPTS = 3
_IDLE = 16
"""Connections that are kept open while nobody uses them."""
_GONE = ("08", "080", "57P")
_BUSY = ("40001", "40P01")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")


class PostgresOutbox(Outbox):
    """The same face as `Outbox`, on tables of a schema of its own.

    Args:
        address: Connection text of libpq, `postgresql://user@host/database`. Its password is better kept in `PGPASSWORD` or
            `~/.pgpass`, and is never shown.
        schema: Schema of the tables, made where it is missing.
        max_pending: Events that may wait.
        max_block: Seconds that one call may wait for the server.
        project: Fingerprint of the project whose events these are.
        clock: Seconds since the epoch.

    Raises:
        ExposeError: `XPB-E01` written by a newer version, `XPB-E02` belongs to another project, `XPB-E18` can't be reached.
        InputError: `XPB-I04` schema is no name; `XPB-I05` the extra `postgres` is not installed.
    """

    def __init__(
        self,
        address: str,
        *,
        schema: str = "xpbench",
        max_pending: int = 1_000_000,
        max_block: float = 5.0,
        project: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            import psycopg
        except ModuleNotFoundError:
            raise InputError(
                "XPB-I05", feature="An outbox on Postgres", package="psycopg", install=plain("xpbench[postgres]")
            ) from None
        if not _NAME.match(schema):
            raise InputError(
                "XPB-I04",
                name="Schema",
                value=schema,
                rule=plain("It is a name of small letters, digits and _"),
                remedy=plain("Use for example xpbench"),
            )
        self._psycopg = psycopg
        self._address, self._schema = address, schema
        self.errors = (psycopg.Error, OSError)
        self._begin(max_pending=max_pending, max_block=max_block, project=project, clock=clock, sync="full")
        self.path = _shown(psycopg, address, schema)
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        try:
            with self.reading() as db:
                self._make(db)
                self._check_identity(db, project)
        except psycopg.Error as error:
            raise ExposeError("XPB-E18", path=str(self.path), reason=plain(self._said(error))) from None
        forks.watch(self)

    # -- connections --------------------------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """In a forked child: connections of its own; the parent's stay open, unused."""
        self._parents = self._free
        self._free = queue.LifoQueue()
        self._held.clear()
        self._reset()

    def connect(self, *, timeout: float) -> Any:
        """A new connection to the tables; callers close it."""
        db = self._psycopg.connect(
            self._address,
            autocommit=True,
            connect_timeout=max(1, int(timeout)),
            options=f"-c search_path={self._schema} -c statement_timeout={max(1, int(self.max_block * 1000))}",
            application_name="xpbench",
        )
        db.prepare_threshold = 2
        return db

    def is_current(self, db: Any) -> bool:
        """Whether a connection still works."""
        return not db.closed and not db.broken

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """A connection that nobody else uses meanwhile."""
        free = self._free
        try:
            db = free.get_nowait()
        except queue.Empty:
            db = self.connect(timeout=self.max_block)
        fit = False
        try:
            yield db
            fit = True
        except self._psycopg.Error:
            fit = self.is_current(db)
            raise
        finally:
            if fit and self.is_current(db) and free is self._free and free.qsize() < _IDLE:
                free.put(db)
            else:
                db.close()

    def _make(self, db: Any) -> None:
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            for statement in _TABLES.strip().split(";\n"):
                db.execute(statement)
            db.execute("INSERT INTO meta VALUES ('schema', %s) ON CONFLICT DO NOTHING", (str(SCHEMA),))
            version = int(db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0])
        if version > SCHEMA:
            raise ExposeError("XPB-E01", path=str(self.path), found=version, known=SCHEMA)

    def _check_identity(self, db: Any, project: str) -> None:
        if not project:
            return
        db.execute("INSERT INTO meta (name, value) VALUES ('project', %s) ON CONFLICT DO NOTHING", (project,))
        if db.execute("SELECT value FROM meta WHERE name = 'project'").fetchone()[0] != project:
            self.close()
            raise ExposeError("XPB-E02", path=str(self.path))

    def sender_lock(self) -> Any:
        """Held by the one session that sends."""
        return _AdvisoryLock(self._schema)

    # -- writing ------------------------------------------------------------------------------------------------------

    def add(self, entry: QueuedExposure, *, on_full: OnFull = "refuse") -> Added:
        """Write an entry in one transaction; on return with `queued`, `repeat` or `switch` it is committed."""
        try:
            if self._held and not self.write_held():
                return self._hold(entry, on_full)
            if self._is_full() and not self._wait_for_room(on_full):
                return self._refuse(on_full)
            return self._write(entry)
        except self.errors as error:
            self._note_fault(error)
            return self._hold(entry, on_full)

    def write_held(self) -> bool:
        """Try again to write what waits in memory; True when nothing waits any more."""
        if not self._held:
            return True
        if not self._lock.acquire(timeout=self.max_block):
            return False
        try:
            return self._write_held()
        finally:
            self._lock.release()

    def _write(self, entry: QueuedExposure) -> Added:
        for attempt in range(_ATTEMPTS):
            try:
                with self.reading() as db:
                    if len(entry.keys) == 1 and not entry.notes:
                        key, variant = entry.keys[0], entry.variants[0]
                        if db.execute(_FRESH, (key, variant, _text(entry.build((0,))))).fetchone()[0]:
                            self._remember(key, variant)
                            return "queued"
                    return self._write_any(db, entry)
            except self._psycopg.Error as error:
                # a connection that the server has closed meanwhile, or two transactions that waited for each other
                gone = isinstance(error, self._psycopg.OperationalError) and (error.sqlstate or "08")[:3] in _GONE
                if attempt == _ATTEMPTS - 1 or not (gone or error.sqlstate in _BUSY):
                    raise
                if gone:
                    self._drop_idle()
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _drop_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()

    def _write_any(self, db: Any, entry: QueuedExposure) -> Added:
        fresh: list[int] = []
        state: Added = "repeat"
        notes = list(entry.notes)
        with db.transaction():
            for position in sorted(range(len(entry.keys)), key=lambda i: entry.keys[i]):  # one order, so none waits in a circle
                key, variant = entry.keys[position], entry.variants[position]
                if db.execute("INSERT INTO seen VALUES (%s, %s) ON CONFLICT DO NOTHING", (key, variant)).rowcount:
                    fresh.append(position)
                    continue
                known = db.execute("SELECT variant FROM seen WHERE key = %s", (key,)).fetchone()[0]
                if known != variant and entry.switched is not None:
                    state = "switch"
                    notes.append(entry.switched(position, known))
            if fresh:
                db.execute("INSERT INTO pending (event) VALUES (%s)", (_text(entry.build(tuple(sorted(fresh)))),))
                state = "queued"
            for kind, experiment, unit, detail, moment, event in sorted(notes, key=lambda n: n[:4]):
                if self._note(db, kind, experiment, unit, detail, moment) and event is not None:
                    db.execute("INSERT INTO pending (event) VALUES (%s)", (_text(event),))
        if state != "switch":
            for position, key in enumerate(entry.keys):
                self._remember(key, entry.variants[position])
        return state

    @staticmethod
    def _note(db: Any, kind: str, experiment: str, unit: str, detail: str, moment: float) -> bool:
        row = db.execute(
            "INSERT INTO incidents AS i VALUES (%s, %s, %s, %s, 1, %s, %s) ON CONFLICT (kind, experiment, unit, detail) DO"
            " UPDATE SET times = i.times + 1, last = greatest(i.last, excluded.last) RETURNING times",
            (_text(kind), _text(experiment), _text(unit), _text(detail[:300]), moment, moment),
        ).fetchone()
        return bool(row[0] == 1)

    def _waiting(self) -> int:
        with self.reading() as db:
            first, last = db.execute("SELECT (SELECT min(id) FROM pending), (SELECT max(id) FROM pending)").fetchone()
        return 0 if first is None else int(last - first + 1)

    def _said(self, error: Exception) -> str:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        secret = _password(self._psycopg, self._address)
        return text.replace(secret, "***") if secret else text

    def _note_fault(self, error: Exception) -> None:
        text = f"{self.path}: {self._said(error)}"
        if not self.notes or self.notes[-1] != text:
            self.notes.append(text)
            del self.notes[:-50]

    # -- reading ------------------------------------------------------------------------------------------------------

    def dead_letters(self, *, limit: int = 1_000) -> list[DeadLetter]:
        """Events that Mixpanel refused, oldest first."""
        with self.reading() as db:
            query = "SELECT id, event, field, reason, time FROM dead ORDER BY id LIMIT %s"
            rows = db.execute(query, (limit,)).fetchall()
        return [DeadLetter(id_, json.loads(event), field, reason, moment) for id_, event, field, reason, moment in rows]

    def requeue_dead(self) -> int:
        """Put every dead letter back at the end of the queue; returns how many."""
        with self.reading() as db, db.transaction():
            db.execute("LOCK TABLE dead IN EXCLUSIVE MODE")
            db.execute("INSERT INTO pending (event) SELECT event FROM dead ORDER BY id")
            return int(db.execute("DELETE FROM dead").rowcount)

    # -- for the sender -----------------------------------------------------------------------------------------------

    @staticmethod
    def head(db: Any, *, events: int, size: int) -> list[tuple[int, str]]:
        """The oldest events, as many as fit into a request: id and JSON text."""
        batch: list[tuple[int, str]] = []
        total = 0
        for id_, text in db.execute("SELECT id, event FROM pending ORDER BY id LIMIT %s", (events,)).fetchall():
            total += len(text) + 200
            if batch and total > size:
                break
            batch.append((id_, text))
        return batch

    def settle(
        self,
        db: Any,
        *,
        accepted: Sequence[int] = (),
        refused: Iterable[tuple[int, str, str]] = (),
        changed: Iterable[tuple[int, str]] = (),
        incidents: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Write the outcome of a request in one transaction: taken rows leave, refused ones become dead letters."""
        now = self._clock()
        with db.transaction():
            for id_, field, reason in refused:
                db.execute(
                    "WITH gone AS (DELETE FROM pending WHERE id = %s RETURNING event)"
                    " INSERT INTO dead (event, field, reason, time) SELECT event, %s, %s, %s FROM gone",
                    (id_, _text(field), _text(reason[:500]), now),
                )
            if accepted:
                db.execute("DELETE FROM pending WHERE id = ANY(%s)", (list(accepted),))
            for id_, text in changed:
                db.execute("UPDATE pending SET event = %s WHERE id = %s", (_text(text), id_))
            for kind, experiment, detail in incidents:
                self._note(db, kind, experiment, "", detail, now)

    def checkpoint(self, db: Any, *, force: bool = False) -> None:
        """Nothing: the server looks after its own log."""

    # -- end ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the connections; what was acknowledged stays in the database."""
        if self._held and not self._closed and not self.write_held():
            self.notes.append(f"{self.path}: {len(self._held)} exposures were lost at the end, the server took none")
        self._closed = True
        self._drop_idle()

    def __repr__(self) -> str:
        return f"PostgresOutbox({self.path!r})"


class _AdvisoryLock:
    """A session's lock; it is gone when the session is, and asked for again on a new one."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._session: Any = None

    def acquire(self, db: Any) -> bool:
        """True when the session of this connection holds the lock."""
        if self._session is db:
            return True
        found = db.execute("SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))", ("xpbench", self._schema)).fetchone()[0]
        self._session = db if found else None
        return bool(found)

    def release(self) -> None:
        """Let another sender work."""
        session, self._session = self._session, None
        if session is not None and not session.closed:
            with contextlib.suppress(Exception):
                session.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", ("xpbench", self._schema))

    def forget(self) -> None:
        """In a forked child: the parent keeps its lock."""
        self._session = None


def _text(text: str) -> str:
    """Text as Postgres stores it: it has no NUL, which JSON writes as an escape and other texts lose."""
    return text.replace("\x00", "")


def _shown(psycopg: Any, address: str, schema: str) -> str:
    try:
        parts = psycopg.conninfo.conninfo_to_dict(address)
    except psycopg.Error:
        return f"postgres, schema {schema}"
    return f"postgres {parts.get('host', 'localhost')}/{parts.get('dbname', '')}, schema {schema}"


def _password(psycopg: Any, address: str) -> str:
    try:
        return str(psycopg.conninfo.conninfo_to_dict(address).get("password") or "")
    except psycopg.Error:
        return ""
