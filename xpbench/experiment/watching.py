"""Watching from the export that the experiment was read from: series, the checks that are due, and their letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xpbench.errors import WatchError, plain
from xpbench.ledger import Clock, Entry, Ledger
from xpbench.ledger.clock import parse_stamp
from xpbench.ledger.folder import frozen_readout
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.shows import Shows
from xpbench.watch.contract import WatchStatus, check_days, recorded, shipping, watch_status
from xpbench.watch.estimators import Trend
from xpbench.watch.fading import novelty_of
from xpbench.watch.forecast import forecast_of
from xpbench.watch.record import record_check

if TYPE_CHECKING:
    from xpbench.data.logs.events import EventsSource
    from xpbench.memo.letter import Letter

WATCH_PAGE = "watch.html"
LETTER_DAYS = 14
"""From this day on every check has a letter of its own next to the newest one: those of two and of four weeks."""


@dataclass(frozen=True, slots=True)
class Watched(Shows):
    """What a run of the watch did.

    Attributes:
        status: Where the contract is now.
        entries: Checks that were put on record.
        letter: About the newest of them; None where nothing was due.
        paths: Files that were written.
        waiting: Why a check that is due was not made; "" where none is open.
    """

    rows_of_frame: ClassVar[str] = "checks"

    status: WatchStatus
    entries: tuple[Entry, ...]
    letter: Letter | None
    paths: tuple[Path, ...]
    waiting: str = ""

    @property
    def checks(self) -> Any:
        """The dates of the contract."""
        return self.status.checks

    @property
    def overdue(self) -> tuple[str, ...]:
        """Dates that passed a day ago without a check, in words."""
        return tuple(f"day {c.day}, due on {c.date:%Y-%m-%d}" for c in self.status.checks if c.state == "overdue")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What happened, in sentences."""
        out = [f"{self.status.key}: {self.status.state}. {self.status.sentence}"]
        for entry in self.entries:
            rows = ", ".join(f"{r['metric']} {r['state']}" for r in entry.body["rows"])
            out.append(f"Check of day {entry.body['check_day']}: {entry.body['state']} ({rows}).")
        if self.waiting:
            out.append(self.waiting)
        if self.overdue:
            out.append(f"Overdue: {'; '.join(self.overdue)}.")
        return tuple(out)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "status": self.status.to_dict(),
            "checks": self.status.to_dict()["checks"],
            "entries": [{"seq": e.seq, "at": e.at, **e.body} for e in self.entries],
            "letter": None if self.letter is None else self.letter.digest,
            "paths": [str(p) for p in self.paths],
            "overdue": list(self.overdue),
            "waiting": self.waiting,
        }

    def __repr__(self) -> str:
        return " ".join(self.sentences)

    def _repr_html_(self) -> str:
        return f"<section aria-label='Watch'>{''.join(f'<p>{escape(s)}</p>' for s in self.sentences)}</section>"


def watch(
    plan: Plan,
    ledger: Ledger,
    folder: Path,
    source: EventsSource,
    *,
    by: str,
    note: str,
    trend: Trend,
    settle_days: float,
    group_by: str | None,
    adopted: Mapping[str, date | str | None] | None,
    trigger: str | None,
    clock: Clock,
) -> Watched:
    """Make the checks that are due and that the log reaches; arguments and errors as for `Experiment.watch`."""
    from xpbench.memo.letter import watch_letter
    from xpbench.watch.from_events import series_from_events, series_to_dict

    if not by.strip():
        raise WatchError(
            "XPB-W03",
            name=plain("by"),
            value=plain("empty"),
            rule=plain("A check belongs to one person"),
            remedy=plain("Give a name (--by)"),
        )
    entries = ledger.entries()
    shipped = shipping(entries)
    if plan.watch is None:
        raise WatchError("XPB-W01", key=plan.key)
    if shipped is None:
        raise WatchError("XPB-W02", key=plan.key)
    start = parse_stamp(shipped.at)
    now = max(clock(), parse_stamp(entries[-1].at))
    done = recorded(entries, shipped)
    due = [d for d in check_days(plan) if d not in done and now >= start + timedelta(days=d)]
    made: list[Entry] = []
    paths: list[Path] = []
    letter, waiting = None, ""
    groups = {k: _day(v) for k, v in adopted.items()} if adopted else None
    for day in due:
        wanted = (start + timedelta(days=day)).astimezone(UTC).date() - timedelta(days=1)
        built = series_from_events(
            plan,
            source,
            variant=str(shipped.body.get("variant") or ""),
            shipped=start,
            launched=_launched(entries),
            last=wanted,
            settle_days=settle_days,
            by=group_by,
            adopted=groups,
            trigger=trigger,
            means=_means(plan, folder, shipped),
        )
        if built.last < wanted:
            waiting = (
                f"The check of day {day} waits: it takes whole days up to {wanted}, and the log reaches "
                f"{built.until:%Y-%m-%d %H:%M} UTC, "
                f"of which {settle_days:g} days are left for events that arrive late. Pull later days and run again."
            )
            break
        more = {"series_digest": built.digest, "fingerprint": built.fingerprint, "last_day": built.last.isoformat()}
        margins = {
            k: {n: v for n in ("margin", "margin_rel") if (v := getattr(m, n)) is not None}
            for k, m in built.metrics.items()
            if m is not plan.metric(k) and m != plan.metric(k)
        }
        entry = record_check(
            plan,
            ledger,
            built.series,
            check_day=day,
            by=by,
            note=note,
            trend=trend,
            clock=clock,
            metrics=built.metrics,
            more={**more, **({"margins": margins} if margins else {})},
        )
        made.append(entry)
        held = plan.watch.estimator == "holdback"
        forecasts = [f for s in built.series.values() if held and (f := forecast_of(s)) is not None]
        level = plan.alpha / len(check_days(plan))
        moves = [n for s in built.series.values() if held and (n := novelty_of(s, alpha=level)) is not None]
        letter = watch_letter(
            ledger.entries(),
            series_to_dict(built.series),
            last_day=built.last.isoformat(),
            notes=built.notes,
            forecasts=forecasts,
            novelty=moves,
        )
        names = [WATCH_PAGE] + ([f"watch-day-{day}.html"] if day >= LETTER_DAYS else [])
        paths = [p for p in paths if p.name != WATCH_PAGE] + [letter.save(folder / name) for name in names]
    status = watch_status(plan, ledger.entries(), now=now)
    assert status is not None  # noqa: S101 - shipped under a contract
    return Watched(status, tuple(made), letter, tuple(paths), waiting)


def power(
    plan: Plan, source: EventsSource, now: datetime, *, change: float, trend: Trend, trigger: str | None
) -> dict[str, float]:
    """Chance by metric that the last check finds a change for the worse; see `Experiment.watch_power`."""
    from xpbench.watch.contract import watched_metrics
    from xpbench.watch.estimators import NotAnswerable
    from xpbench.watch.from_events import series_from_events
    from xpbench.watch.power import watch_power_of

    if plan.watch is None:
        raise WatchError("XPB-W01", key=plan.key)
    estimator = plan.watch.estimator
    if estimator != "pre_post" or not 0 < change < 1:
        raise WatchError(
            "XPB-W03",
            name=plain("The estimator" if estimator != "pre_post" else "change"),
            value=estimator if estimator != "pre_post" else change,
            rule=plain("Power is played for before and after (pre_post), for a share between 0 and 1"),
            remedy=plain("For a holdback use xpbench.watch.watch_power with its standard error; write 5 per cent as 0.05"),
        )
    days = check_days(plan)
    today = now.astimezone(UTC).date()
    built = series_from_events(
        plan, source, variant="", shipped=now, launched=now, last=today - timedelta(days=1), trigger=trigger
    )
    out = {}
    for key in watched_metrics(plan):
        series = built.series[key]
        (group,) = series.groups.values()
        mean = sum(d.mean for d in group.days) / max(len(group.days), 1)
        metric = built.metrics[key]
        margin = (
            metric.margin
            if metric.margin is not None
            else (metric.margin_rel or plan.metric(key).margin_rel or 0.0) * abs(mean)
        )
        try:
            out[key] = watch_power_of(
                series,
                effect=change * abs(mean),
                margin=margin,
                days_after=days[-1],
                alpha=plan.alpha,
                checks=len(days),
                trend=trend,
                seed=int(plan.digest[:8], 16),
            )
        except NotAnswerable as reason:
            raise WatchError(
                "XPB-W03",
                name=plain(key),
                value=plain("not answerable"),
                rule=plain(str(reason)),
                remedy=plain("Export earlier days (xpbench pull) and run again"),
            ) from None
    return out


def _day(value: date | str | None) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise WatchError(
            "XPB-W03",
            name=plain("adopted"),
            value=value,
            rule=plain("A day is written 2026-11-03"),
            remedy=plain("Correct it, or leave it empty for a group that has not adopted yet"),
        ) from None


def _launched(entries: tuple[Entry, ...]) -> datetime | None:
    """When units were first assigned: as recorded, or the first exposure that a look has seen."""
    times = [parse_stamp(e.at) for e in entries if e.kind == "launched"]
    firsts = [str(e.body["first_exposure"]) for e in entries if e.body.get("first_exposure")]
    times += [datetime.fromisoformat(f.replace("Z", "+00:00")).replace(tzinfo=UTC) for f in firsts]
    return min(times, default=None)


def _means(plan: Plan, folder: Path, shipped: Entry) -> dict[str, float]:
    """Mean of the control by metric, from the readout that was decided on."""
    found = frozen_readout(folder, str(shipped.body.get("readout_digest", ""))) or {"rows": []}
    variant = shipped.body.get("variant")
    return {
        r["metric"]: float(r["mean_control"])
        for r in found["rows"]
        if r["variant"] == variant and r.get("mean_control") is not None
    }
