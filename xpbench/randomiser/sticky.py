"""Sticky variants: a store that remembers which variant a unit was given, whatever happens to splits, rollout or cohort."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xpbench.errors import AssignError, InputError, plain, shown
from xpbench.ledger.clock import Clock, stamp, system_clock
from xpbench.randomiser.ids import UnitIds

_TABLE = """
CREATE TABLE IF NOT EXISTS assignments (
    experiment TEXT NOT NULL,
    unit TEXT NOT NULL,
    variant TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (experiment, unit)
) WITHOUT ROWID
"""
_MANY = 20_000


class AssignmentStore:
    """Variants by experiment and unit in one SQLite file; the first one kept stays.

    Which variants are kept is the plan's choice (`assignment.sticky`): `treatments` keeps all but the control, as Mixpanel
    does, so that units of the control can still move up; `all` keeps the control as well; `no` keeps none.

    Args:
        path: File of the store, made if missing; `:memory:` for one that is gone with the object.
        clock: Where `since` comes from.

    Raises:
        InputError: `XPB-I02`, the file is no such store.
    """

    def __init__(self, path: str | Path = ":memory:", *, clock: Clock = system_clock) -> None:
        self.path = str(path)
        self._clock = clock
        try:
            self._connection = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(_TABLE)
            self._connection.execute("CREATE TEMP TABLE wanted (place INTEGER PRIMARY KEY, unit TEXT)")
        except sqlite3.Error as error:
            raise InputError("XPB-I02", path=self.path, kind="assignment store", reason=plain(str(error))) from None

    def recall(self, experiment: str, ids: UnitIds) -> list[str | None]:
        """The variant kept for each id, None where there is none."""
        out: list[str | None] = [None] * len(ids)
        with self._transaction():
            for start, texts in _parts(ids):
                self._want(start, texts)
                found = self._connection.execute(
                    "SELECT place, variant FROM wanted JOIN assignments USING (unit) WHERE experiment = ?", (experiment,)
                )
                for place, variant in found:
                    out[place] = variant
        return out

    def keep(self, experiment: str, ids: UnitIds, variants: Sequence[str | None]) -> int:
        """Keep variants of units that have none yet; returns how many were new.

        Raises:
            AssignError: `XPB-A15`, another number of variants than ids.
        """
        if len(variants) != len(ids):
            raise AssignError("XPB-A15", count=plain(f"{len(ids):,}"), owner=plain("variants"), value=len(variants))
        since = stamp(self._clock())
        before = self._connection.total_changes
        with self._transaction():
            for start, texts in _parts(ids):
                rows = (
                    (experiment, unit, variants[start + i], since)
                    for i, unit in enumerate(texts)
                    if unit is not None and variants[start + i] is not None
                )
                self._connection.executemany("INSERT OR IGNORE INTO assignments VALUES (?, ?, ?, ?)", rows)
        return self._connection.total_changes - before

    def forget(self, experiment: str, unit_ids: Any) -> int:
        """Remove units of an experiment, for example on a request for erasure; returns how many were there."""
        ids = UnitIds(unit_ids)
        gone = 0
        with self._transaction():
            for _, texts in _parts(ids):
                cursor = self._connection.executemany(
                    "DELETE FROM assignments WHERE experiment = ? AND unit = ?",
                    ((experiment, t) for t in texts if t is not None),
                )
                gone += cursor.rowcount
        return gone

    def counts(self, experiment: str) -> dict[str, int]:
        """Units kept by variant."""
        rows = self._connection.execute(
            "SELECT variant, count(*) FROM assignments WHERE experiment = ? GROUP BY variant ORDER BY variant", (experiment,)
        )
        return {variant: int(count) for variant, count in rows}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"AssignmentStore({shown(Path(self.path).name)})"

    def _want(self, start: int, texts: Sequence[str | None]) -> None:
        self._connection.execute("DELETE FROM wanted")
        rows = ((start + i, t) for i, t in enumerate(texts) if t is not None)
        self._connection.executemany("INSERT INTO wanted VALUES (?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _parts(ids: UnitIds) -> Iterator[tuple[int, list[str | None]]]:
    texts = ids.text()
    for start in range(0, len(ids), _MANY):
        yield start, texts.slice(start, _MANY).to_pylist()
