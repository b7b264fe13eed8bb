"""What the sandbox remembers: events and named objects, in memory or in an SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from xpbench.expose.limits import seconds_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL, event TEXT NOT NULL, distinct_id TEXT NOT NULL, ms INTEGER NOT NULL,
    day TEXT NOT NULL, insert_id TEXT NOT NULL, processed INTEGER NOT NULL, properties TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_day ON events (token, day, id);
CREATE TABLE IF NOT EXISTS links (token TEXT NOT NULL, device TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (token, device));
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
);
"""

_PAGE = 2_000


class SandboxStore:
    """Events in the order they were taken in, never de-duplicated, and experiments, flags and annotations by id.

    Args:
        path: SQLite file; `":memory:"` keeps everything in memory.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        if path != ":memory:":
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def add_events(self, token: str, events: list[Mapping[str, Any]], *, now: float) -> None:
        """Take in events that passed the checks; what was sent is kept as it was, less the token."""
        rows = []
        links = [(token, *link) for e in events for link in _links(e)]
        for event in events:
            properties = {k: v for k, v in event["properties"].items() if k not in ("token", "ip")}
            if "$ignore" in properties:
                continue
            seconds = seconds_of(properties.get("time"))
            ms = round((now if seconds is None else seconds) * 1000)
            insert_id = str(properties.get("$insert_id") or uuid.uuid4().hex)
            distinct = str(properties.get("distinct_id", ""))
            day = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
            text = json.dumps({**properties, "$insert_id": insert_id}, separators=(",", ":"))
            rows.append((token, event["event"], distinct, ms, day, insert_id, round(now * 1000), text))
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO events (token, event, distinct_id, ms, day, insert_id, processed, properties)"
                " VALUES (?,?,?,?,?,?,?,?)",
                rows,
            )
            # a device that is known as one user's stays that user's: two users are never merged
            self._db.executemany("INSERT OR IGNORE INTO links (token, device, user) VALUES (?, ?, ?)", links)
            self._db.execute("COMMIT")

    def count(self, token: str) -> int:
        """Number of events of a project, repeats included."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM events WHERE token = ?", (token,)).fetchone()[0])

    def events(
        self,
        token: str,
        *,
        first_day: str = "0000-00-00",
        last_day: str = "9999-99-99",
        in_ms: bool = False,
        canonical: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Events of a project between two days (inclusive), day by day as the export gives them: not de-duplicated.

        With `canonical`, units carry the id of the user that they became by logging in, as in Mixpanel's export.
        """
        with self._lock:
            users = (
                dict(self._db.execute("SELECT device, user FROM links WHERE token = ?", (token,)).fetchall())
                if canonical
                else {}
            )
            days = [
                row[0]
                for row in self._db.execute(
                    "SELECT DISTINCT day FROM events WHERE token = ? AND day BETWEEN ? AND ? ORDER BY day",
                    (token, first_day, last_day),
                )
            ]
        for day in days:
            last = 0
            while True:
                with self._lock:
                    page = self._db.execute(
                        "SELECT id, event, ms, processed, properties FROM events"
                        " WHERE token = ? AND day = ? AND id > ? ORDER BY id LIMIT ?",
                        (token, day, last, _PAGE),
                    ).fetchall()
                for id_, name, ms, processed, text in page:
                    last = id_
                    event = _exported(name, ms if in_ms else ms // 1000, processed, text)
                    yield _canonical(event, users) if users else event
                if len(page) < _PAGE:
                    break

    def arrived(self, token: str) -> list[dict[str, Any]]:
        """Events of a project in the order in which they were taken in, times in milliseconds."""
        with self._lock:
            rows = self._db.execute(
                "SELECT event, ms, processed, properties FROM events WHERE token = ? ORDER BY id", (token,)
            ).fetchall()
        return [_exported(*row) for row in rows]

    def deduplicated(self, token: str) -> list[dict[str, Any]]:
        """Events after Mixpanel's query-time rule: one per (event, distinct_id, time, $insert_id), the latest taken in wins."""
        kept: dict[tuple[str, str, int, str], dict[str, Any]] = {}
        for event in self.events(token, in_ms=True):
            p = event["properties"]
            kept[(event["event"], str(p.get("distinct_id", "")), p["time"], p["$insert_id"])] = event
        return list(kept.values())

    def put(self, kind: str, id_: str, body: Mapping[str, Any]) -> None:
        """Write one named object, new or replaced."""
        with self._lock:
            self._db.execute(
                "INSERT INTO objects (kind, id, seq, body) VALUES (?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM objects), ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, id_, json.dumps(body)),
            )

    def get(self, kind: str, id_: str) -> dict[str, Any] | None:
        """One named object, or None."""
        with self._lock:
            row = self._db.execute("SELECT body FROM objects WHERE kind = ? AND id = ?", (kind, id_)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind in the order of creation."""
        with self._lock:
            rows = self._db.execute("SELECT body FROM objects WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def delete(self, kind: str, id_: str) -> None:
        """Forget one object."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, id_))

    def next_number(self, kind: str) -> int:
        """The next free whole-number id of a kind."""
        with self._lock:
            row = self._db.execute("SELECT max(CAST(id AS INTEGER)) FROM objects WHERE kind = ?", (kind,)).fetchone()
        return int(row[0] or 0) + 1


def _links(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Which device an event ties to which user: by carrying both ids, or as `$identify`."""
    p = event["properties"]
    device, user = p.get("$device_id"), p.get("$user_id")
    if device and user:
        yield str(device), str(user)
    if event["event"] == "$identify" and p.get("$identified_id") and p.get("$anon_id"):
        yield str(p["$anon_id"]).removeprefix("$device:"), str(p["$identified_id"])


def _canonical(event: dict[str, Any], users: Mapping[str, str]) -> dict[str, Any]:
    p = event["properties"]
    sent = str(p.get("distinct_id", ""))
    device = str(p.get("$device_id") or sent.removeprefix("$device:"))
    user = str(p["$user_id"]) if p.get("$user_id") else users.get(device)
    if user is None or user == sent or (not p.get("$user_id") and sent not in (device, f"$device:{device}")):
        return event
    changed = {**p, "distinct_id": user, "$distinct_id_before_identity": sent, "$is_reshuffled": True}
    return {"event": event["event"], "properties": changed}


def _exported(name: str, time: int, processed: int, text: str) -> dict[str, Any]:
    return {"event": name, "properties": {**json.loads(text), "time": time, "mp_processing_time_ms": processed}}
