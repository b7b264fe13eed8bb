"""The contract after shipping: its dates, and what each is judged by of them, from plan, ledger and clock alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from xpbench.ledger import Entry
from xpbench.ledger.clock import parse_stamp
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.shows import Shows

WatchState = Literal["kept", "breached", "overdue", "not answerable", "waiting"]

GRACE = timedelta(days=1)
"""A check that is not on record this long after its date is overdue."""


@dataclass(frozen=True, slots=True)
class CheckDate:
    """One date of the contract.

    Attributes:
        day: Days after shipping.
        date: When it is due (UTC).
        state: `kept`, `breached` or `not answerable` as recorded; `overdue` or `waiting` where nothing is on record.
        seq: Entry of the ledger, 0 where there is none.
        by: Who checked, "" where nobody did.
    """

    day: int
    date: datetime
    state: WatchState
    seq: int = 0
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"day": self.day, "date": self.date.isoformat(), "state": self.state, "seq": self.seq, "by": self.by}


@dataclass(frozen=True, slots=True)
class WatchStatus(Shows):
    """How far the contract has come.

    Attributes:
        key: The experiment.
        state: The worst of the dates: breached, then overdue, then not answerable, then waiting, then kept.
        sentence: The same for people.
        variant: What was shipped.
        shipped_at: When the decision to ship was recorded.
        ends_at: When the contract ends.
        owner: Who looks.
        metrics: What is watched.
        estimator: How.
        checks: The dates in order.
    """

    rows_of_frame: ClassVar[str] = "checks"

    key: str
    state: WatchState
    sentence: str
    variant: str
    shipped_at: datetime
    ends_at: datetime
    owner: str
    metrics: tuple[str, ...]
    estimator: str
    checks: tuple[CheckDate, ...]

    @property
    def next_check(self) -> CheckDate | None:
        """The first date without a record, or None."""
        return next((c for c in self.checks if not c.seq), None)

    @property
    def is_over(self) -> bool:
        """Every date has its record."""
        return all(c.seq for c in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, times as ISO text."""
        return {
            "key": self.key,
            "state": self.state,
            "sentence": self.sentence,
            "variant": self.variant,
            "shipped_at": self.shipped_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "owner": self.owner,
            "metrics": list(self.metrics),
            "estimator": self.estimator,
            "checks": [c.to_dict() for c in self.checks],
        }

    def __repr__(self) -> str:
        return f"WatchStatus({self.key}: {self.state}. {self.sentence})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>day {c.day}</td><td>{c.date:%Y-%m-%d}</td><td>{escape(c.state)}</td><td>{escape(c.by)}</td></tr>"
            for c in self.checks
        )
        return (
            f"<section aria-label='Watch'><p><strong>{escape(self.state)}</strong>: {escape(self.sentence)}</p>"
            f"<table style='font-variant-numeric:tabular-nums'>{rows}</table></section>"
        )


def check_days(plan: Plan) -> tuple[int, ...]:
    """Days after shipping on which someone looks: those of the plan within its weeks, and the last day of the contract."""
    if plan.watch is None:
        return ()
    last = plan.watch.weeks * 7
    return tuple(sorted({d for d in plan.watch.check_days if 0 < d <= last} | {last}))


def watched_metrics(plan: Plan) -> tuple[str, ...]:
    """The metrics of the contract; all guardrails where it names none."""
    if plan.watch is None:
        return ()
    return tuple(plan.watch.metrics) or tuple(m.key for m in plan.metrics_with("guardrail"))


def shipping(entries: Iterable[Entry]) -> Entry | None:
    """The decision to ship that is in force; None where the last decision is another."""
    decided = [e for e in entries if e.kind in ("decided", "deferred")]
    last = decided[-1] if decided else None
    return last if last is not None and last.body.get("outcome") == "ship" else None


def recorded(entries: Iterable[Entry], shipped: Entry) -> dict[int, Entry]:
    """The checks on record since the variant was shipped, by day; the last counts where there are several."""
    return {
        int(e.body["check_day"]): e for e in entries if e.kind == "watched" and e.seq > shipped.seq and "check_day" in e.body
    }


def watch_status(plan: Plan, entries: Iterable[Entry], *, now: datetime) -> WatchStatus | None:
    """How far the contract has come now; None where nothing is shipped or the plan has no contract.

    Args:
        plan: The plan in force.
        entries: Of its ledger.
        now: Aware time. A clock before the shipping counts as the shipping itself, so that setting it back hides nothing.
    """
    listed = list(entries)
    shipped = shipping(listed)
    if shipped is None or plan.watch is None:
        return None
    start = parse_stamp(shipped.at)
    latest = max(parse_stamp(e.at) for e in listed)
    time = max(now.astimezone(UTC), latest)  # the ledger has seen later times than a clock that was set back
    records = {
        int(e.body["check_day"]): e for e in listed if e.kind == "watched" and e.seq > shipped.seq and "check_day" in e.body
    }
    dates = []
    for day in check_days(plan):
        due = start + timedelta(days=day)
        entry = records.get(day)
        if entry is not None:
            dates.append(CheckDate(day, due, entry.body["state"], entry.seq, entry.by or ""))
        else:
            dates.append(CheckDate(day, due, "overdue" if time >= due + GRACE else "waiting"))
    state = worst([d.state for d in dates])
    ends = start + timedelta(days=plan.watch.weeks * 7)
    return WatchStatus(
        plan.key,
        state,
        _sentence(state, dates, plan.watch.owner or plan.owner, time),
        str(shipped.body.get("variant") or ""),
        start,
        ends,
        plan.watch.owner or plan.owner,
        watched_metrics(plan),
        plan.watch.estimator,
        tuple(dates),
    )


def worst(states: Iterable[WatchState]) -> WatchState:
    """The state that needs attention first."""
    order: tuple[WatchState, ...] = ("breached", "overdue", "not answerable", "waiting", "kept")
    return min(states, key=order.index, default="waiting")


def _sentence(state: WatchState, dates: list[CheckDate], owner: str, now: datetime) -> str:
    match state:
        case "breached":
            first = next(d for d in dates if d.state == "breached")
            return f"A guardrail is worse than accepted at the check of day {first.day}. Roll back, or decide again."
        case "overdue":
            first = next(d for d in dates if d.state == "overdue")
            late = (now - first.date).days
            return f"The check of day {first.day} was due on {first.date:%Y-%m-%d}, {late} days ago. Owner: {owner}."
        case "not answerable":
            first = next(d for d in dates if d.state == "not answerable")
            return f"The check of day {first.day} could not decide; see its reason on record."
        case "waiting":
            following = next(d for d in dates if d.state == "waiting")
            return f"Next check: day {following.day}, {following.date:%Y-%m-%d}, by {owner}."
        case _:
            return "Every guardrail stayed within its margin at every check."
