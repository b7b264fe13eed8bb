"""One look over a whole log: how many events of which name, from when to when, and what can't be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.logs.log import LATE, Log
from xpbench.data.moments import counted_where, rows_of

c = nw.col


@dataclass(frozen=True, slots=True)
class Survey:
    """What a log holds.

    Attributes:
        rows: Events.
        events: Events by name, of names that stand beside at least one readable time.
        first: Earliest time, in microseconds.
        last: Latest time that is not in the future; the earliest where all are.
        untimed: Events without a readable time.
        nameless: Events without a name.
        unitless: Events without the unit's id.
        late: Events that arrived more than a day after they happened.
        future: Events later than now.
    """

    rows: int
    events: dict[str, int]
    first: int
    last: int
    untimed: int = 0
    nameless: int = 0
    unitless: int = 0
    late: int = 0
    future: int = 0


def survey_of(log: Log, frame: nw.LazyFrame[Any], *, now: int) -> Survey:
    """What a log holds: from the statistics that its files keep where these say enough, else in one pass.

    Args:
        log: The log.
        frame: Its events in normal form.
        now: The time now, in microseconds since 1970.
    """
    ends = log.ends()
    if ends is not None and ends[1] <= now:
        counts = {r["event"]: int(r["n"]) for r in rows_of(frame.group_by("event").agg(n=nw.len()))}
        if counts and None not in counts:
            return Survey(sum(counts.values()), counts, *ends)
    return _added(log.counted(now) or by_name(frame, now))


def by_name(frame: nw.LazyFrame[Any], now: int) -> list[dict[str, Any]]:
    """By name of the event: `n`, `first` and `last` (of past times), `timed`, `named` (with a unit), `late` and `future`."""
    past = nw.when(c("t") <= now).then(c("t")).otherwise(None)
    wanted: dict[str, nw.Expr] = {
        "n": nw.len(),
        "first": c("t").min(),
        "last": past.max(),
        "timed": c("t").count(),
        "named": c("u").count(),
        "late": counted_where(c("arr") - c("t") > LATE),
        "future": counted_where(c("t") > now),
    }
    return rows_of(frame.group_by("event").agg(**wanted))


def _added(rows: Sequence[Mapping[str, Any]]) -> Survey:
    total = {k: sum(int(r[k] or 0) for r in rows) for k in ("n", "timed", "named", "late", "future")}
    known = [r for r in rows if r["event"] is not None and r["first"] is not None]
    return Survey(
        rows=total["n"],
        events={r["event"]: int(r["n"]) for r in known},
        first=min((int(r["first"]) for r in known), default=0),
        last=max((int(r["last"] if r["last"] is not None else r["first"]) for r in known), default=0),
        untimed=total["n"] - total["timed"],
        nameless=sum(int(r["n"]) for r in rows if r["event"] is None),
        unitless=total["n"] - total["named"],
        late=total["late"],
        future=total["future"],
    )
