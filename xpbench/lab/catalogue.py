"""All experiments of a root as the panel shows them: state, health, what is due and when, what to do next.

Everything is derived from ledgers, plans and frozen readouts. What was derived is kept as long as these files do not change;
what depends on the time is computed anew on every call.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from xpbench.data.summary import Summary
from xpbench.decide.seal import due
from xpbench.errors import XpbenchError
from xpbench.experiment import LOOKED, READOUT, Status, read_entries, status_of
from xpbench.experiment.opening import decision_of
from xpbench.ledger import Clock, Entry, system_clock
from xpbench.ledger.clock import parse_stamp
from xpbench.ledger.folder import LEDGER, MEMO, PLAN, check_key, frozen_readout, has_readout
from xpbench.plan import Plan, check
from xpbench.plan.reading import read_document
from xpbench.watch.contract import WatchStatus, watch_status
from xpbench.watch.lineage import follows_of, hypothesis_of, learned_of, restarted_as
from xpbench.wording.verdicts import decided

ShownState = Literal["draft", "registered", "running", "sealed", "ready", "decided", "watched", "overdue", "breached", "broken"]
HealthWord = Literal["pass", "warn", "fail", "unknown"]

DRAFTS = ".drafts"
DRAFT_SUFFIX = ".plan.json"
WATCH_PAGE = "watch.html"
LETTER_OF_A_DAY = re.compile(r"watch-day-(\d{1,4})\.html")

NEXT: dict[ShownState, str] = {
    "draft": "plan",
    "registered": "preflight",
    "running": "monitor",
    "sealed": "monitor",
    "ready": "decision",
    "decided": "memo",
    "watched": "post-rollout",
    "overdue": "post-rollout",
    "breached": "post-rollout",
}
"""What to open next in each state: the name of a template, or `memo`."""


@dataclass(frozen=True, slots=True)
class ListedHealth:
    """The worst word of the checks of the last look, with what is behind it."""

    status: HealthWord
    text: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {"status": self.status, "text": self.text}


@dataclass(frozen=True, slots=True)
class DueDate:
    """The next date that matters.

    Attributes:
        at: ISO time in UTC, "" where only units count.
        text: For people.
        is_due: Something is to be done now.
        is_overdue: It should have been done already.
    """

    at: str = ""
    text: str = ""
    is_due: bool = False
    is_overdue: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Item:
    """One experiment in the panel.

    Attributes:
        key: Name of its folder.
        title: Its title, "" where it can't be read.
        owner: Who owns it.
        state: Where it stands.
        sentence: The same for people.
        health: Of the last look.
        due: The next date that matters.
        next: Template to open next, `memo`, or "".
        looks: Looks at effects.
        decision: Outcome in force, with what its stamps say of the plan; "" where there is none.
        has_memo: Its memo is in its folder.
        path: Where its plan is, relative to the root.
        hypothesis: In a sentence, "" where there is no plan on record.
        learned: Why it was decided so.
        follows: Keys of the runs before this one.
        restarted_as: Key of the run that follows it.
        letters: Files of the letters of its watch, the newest first.
    """

    key: str
    title: str
    owner: str
    state: ShownState
    sentence: str
    health: ListedHealth = ListedHealth("unknown", "Not looked at yet")
    due: DueDate = field(default_factory=DueDate)
    next: str = ""
    looks: int = 0
    decision: str = ""
    has_memo: bool = False
    path: str = ""
    hypothesis: str = ""
    learned: str = ""
    follows: tuple[str, ...] = ()
    restarted_as: str = ""
    letters: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        out = {name: getattr(self, name) for name in self.__slots__}
        lists = {"follows": list(self.follows), "letters": list(self.letters)}
        return out | {"health": self.health.to_dict(), "due": self.due.to_dict()} | lists


@dataclass(frozen=True, slots=True)
class _Known:
    """What was derived from the files of one experiment."""

    item: Item
    status: Status | None = None
    plan: Plan | None = None
    entries: tuple[Entry, ...] = ()


_Signature = tuple[tuple[int, int, int] | None, ...]


class Catalogue:
    """Lists experiments, and remembers what it has derived.

    Args:
        clock: Where the time comes from.
    """

    def __init__(self, *, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[_Signature, _Known]] = {}
        self._lock = threading.Lock()

    def items(self, root: str | Path) -> list[Item]:
        """Every experiment and draft of a root, by key; broken ones are listed with the reason.

        Args:
            root: Folder of all experiments; nothing where it does not exist.
        """
        base, now = Path(root), self._clock()
        with self._lock:
            try:
                names = sorted(
                    e.name for e in os.scandir(base) if not e.name.startswith(".") and (e.is_dir() or e.is_symlink())
                )
            except (FileNotFoundError, NotADirectoryError):
                return []
            found = [self._item(base / name, name, now) for name in names]
            keys = {i.key for i in found if i.state != "broken"}
            drafts = [i for i in _drafts(base) if i.key not in keys]
            self._forget(base, names)
        return sorted([*found, *drafts], key=lambda i: (i.key, i.state == "draft"))

    def _forget(self, base: Path, names: Sequence[str]) -> None:
        here = {str(base / name) for name in names}
        for path in [p for p in self._known if Path(p).parent == base and p not in here]:
            del self._known[path]

    def _item(self, folder: Path, name: str, now: datetime) -> Item:
        signature = tuple(_signature(folder / file) for file in (LEDGER, PLAN, READOUT, MEMO, WATCH_PAGE))
        kept = self._known.get(str(folder))
        if kept is None or kept[0] != signature:
            kept = (signature, _derive(folder, name, now))
            self._known[str(folder)] = kept
        return _at(kept[1], now)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        info = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino


def _broken(name: str, reason: str) -> _Known:
    return _Known(Item(name, "", "", "broken", reason, ListedHealth("fail", "Its record does not hold")))


def _derive(folder: Path, name: str, now: datetime) -> _Known:
    try:
        check_key(name)
        if folder.is_symlink() or any((folder / file).is_symlink() for file in (LEDGER, PLAN, READOUT)):
            return _broken(name, "The folder or one of its files is a symbolic link, not a file.")
        if not (folder / LEDGER).is_file():
            return _unregistered(folder, name)
        entries = read_entries(folder)
        status = status_of(entries, now=now)
        document = next(e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended"))
        item = Item(
            status.key,
            status.title,
            str(document.get("owner", "")),
            "decided" if status.state == "restarted" else status.state,
            _with_signatures(status),
            _health(folder, entries),
            looks=status.looks,
            decision=decided(decision.body, names=False) if (decision := decision_of(entries)) else "",
            has_memo=(folder / MEMO).is_file(),
            path=f"{name}/{PLAN}",
            hypothesis=hypothesis_of(document),
            learned=learned_of(entries),
            follows=follows_of(entries),
            restarted_as=restarted_as(entries),
            letters=_letters(folder),
        )
        if status.key != name:
            return _broken(name, f"Its ledger is of the experiment {status.key!r}.")
        needs_plan = status.state == "running" or (status.decision == "ship" and document.get("watch"))
        return _Known(item, status, Plan(**document) if needs_plan else None, entries if needs_plan else ())
    except (XpbenchError, OSError, ValueError, KeyError, TypeError) as error:
        return _broken(name, _without_folder(str(error), folder.parent))


def _letters(folder: Path) -> tuple[str, ...]:
    """Files of the letters, the newest first: the one about the last check, then those of single days, the latest first."""
    days = [(int(found[1]), p.name) for p in folder.iterdir() if (found := LETTER_OF_A_DAY.fullmatch(p.name)) and p.is_file()]
    newest = (WATCH_PAGE,) if (folder / WATCH_PAGE).is_file() else ()
    return (*newest, *(name for _, name in sorted(days, reverse=True)))


def _without_folder(text: str, base: Path) -> str:
    """A message with paths as seen from the root: readable, and nothing of the server's disk."""
    return text.replace(f"{base}{os.sep}", "")


def _with_signatures(status: Status) -> str:
    if not status.signatures_missing or status.state != "registered":
        return status.sentence
    return f"{status.sentence} Signatures missing: {', '.join(status.signatures_missing)}."


def _unregistered(folder: Path, name: str) -> _Known:
    if not (folder / PLAN).is_file():
        return _broken(name, f"It has no {LEDGER}.")
    return _Known(_draft(folder / PLAN, name, f"{name}/{PLAN}"))


def _drafts(base: Path) -> list[Item]:
    """Plans that are not registered: what forms have saved, and `*.plan.json` next to the experiments."""
    out = []
    for folder, prefix in ((base / DRAFTS, f"{DRAFTS}/"), (base, "")):
        try:
            names = sorted(e.name for e in os.scandir(folder) if e.name.endswith(DRAFT_SUFFIX) and e.is_file())
        except (FileNotFoundError, NotADirectoryError):
            continue
        out += [_draft(folder / n, n.removesuffix(DRAFT_SUFFIX), prefix + n) for n in names]
    return out


def _draft(path: Path, name: str, shown: str) -> Item:
    try:
        document = read_document(path)
        problems = len(check(document))
    except (XpbenchError, ValueError, TypeError, KeyError, OSError) as error:
        reason = _without_folder(str(error), path.parent)
        return Item(name, "", "", "broken", reason, ListedHealth("fail", "It can't be read"), path=shown)
    left = "ready to register" if not problems else f"{problems} problem{'s' if problems > 1 else ''} left"
    key = document.get("key")
    return Item(
        key if isinstance(key, str) and key else name,
        str(document.get("title") or ""),
        str(document.get("owner") or ""),
        "draft",
        f"Draft, {left}.",
        ListedHealth("unknown", "Nothing collected yet"),
        next=NEXT["draft"],
        path=shown,
    )


def _health(folder: Path, entries: Sequence[Entry]) -> ListedHealth:
    last = next((e for e in reversed(entries) if e.kind in LOOKED and "health" in e.body), None)
    if last is not None:
        counts = last.body["health"]
        return _health_of(int(counts["pass"]), list(counts["warn"]), list(counts["fail"]))
    decision = next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)
    if decision is None or not has_readout(folder):
        return ListedHealth("unknown", "Not looked at yet")
    document = frozen_readout(folder, str(decision.body.get("readout_digest", "")))
    if document is None:
        return ListedHealth("fail", "The frozen readout differs from what was decided on")
    by: dict[str, list[str]] = {"pass": [], "warn": [], "fail": []}
    for found in document["health"]:
        by.setdefault(found["status"], []).append(str(found["name"]))
    return _health_of(len(by["pass"]), by["warn"], by["fail"])


def _health_of(passed: int, warn: list[str], fail: list[str]) -> ListedHealth:
    words = [f"{name}: fail" for name in fail] + [f"{name}: warn" for name in warn]
    text = "; ".join([*words[:4], *([f"{len(words) - 4} more"] if len(words) > 4 else []), f"{passed} pass"])
    return ListedHealth("fail" if fail else "warn" if warn else "pass", text)


def _at(known: _Known, now: datetime) -> Item:
    """The item at a moment: dates passed, watch overdue."""
    item = known.item
    if known.status is None:
        return item
    if item.state == "ready":
        return replace(item, next=NEXT["ready"], due=DueDate("", "Decide: results are due", is_due=True))
    if known.plan is not None:
        watch = watch_status(known.plan, known.entries, now=now)
        if watch is not None:
            return _watched(item, watch)
        return _sealed(item, known, now)
    return replace(item, next=NEXT.get(item.state, ""))


def _watched(item: Item, watch: WatchStatus) -> Item:
    following = watch.next_check
    at = following.date.isoformat() if following is not None else ""
    state: ShownState = "watched"
    if watch.state == "breached":
        state = "breached"
    elif watch.state == "overdue":
        state = "overdue"
    text = f"Check of day {following.day} on {following.date:%Y-%m-%d}" if following is not None else "All checks are on record"
    late = watch.state == "overdue"
    missing = [f"day {c.day} (due on {c.date:%Y-%m-%d})" for c in watch.checks if c.state == "overdue"]
    if missing:
        text = f"Overdue: the {'letter' if len(missing) == 1 else 'letters'} of {', '.join(missing)}"
    sentence = f"Shipped {watch.variant}. {watch.sentence}"
    return replace(
        item,
        state=state,
        sentence=sentence,
        next=NEXT[state],
        due=DueDate(at, text, is_due=late or watch.state == "breached", is_overdue=late),
    )


def _sealed(item: Item, known: _Known, now: datetime) -> Item:
    """Running: what is missing until results are due, counted from what the ledger has seen."""
    plan = known.plan
    assert plan is not None  # noqa: S101 - the caller has checked it
    last = next((e for e in reversed(known.entries) if e.kind in LOOKED), None)
    launched = next((e for e in known.entries if e.kind == "launched"), None)
    start = launched or last
    if start is None:
        return item
    began = parse_stamp(start.at)
    units = {k: int(v) for k, v in last.body["units"].items()} if last is not None else {}
    summary = Summary("ledger", "", 0, units, (), first_exposure=began.isoformat(), data_until=now.astimezone(UTC).isoformat())
    state = due(plan, summary, now=now)
    if state.is_due:
        return replace(
            item,
            state="ready",
            sentence=f"Results are due. {state.reason}",
            next="readout",
            due=DueDate("", "Read out: results are due", is_due=True),
        )
    date = _date(state.units_needed, state.days_needed, summary.n, began, last, now)
    waiting = date is not None and date <= now
    text = state.reason if date is None else f"{state.reason.rstrip('.')}, about {date:%Y-%m-%d}."
    if last is None:
        text = "Launched, not looked at yet." if date is None else f"Launched; results are due about {date:%Y-%m-%d}."
    task = "Look at it: units should be there by now" if waiting else text
    return replace(
        item,
        state="sealed" if last is not None else "running",
        sentence=f"{'Sealed' if last is not None else 'Running'}. {text}",
        next="readout" if waiting else NEXT["sealed"],
        due=DueDate(date.isoformat() if date is not None else "", task, is_due=waiting),
    )


def _date(
    units_needed: int | None, days_needed: int | None, units: int, began: datetime, last: Entry | None, now: datetime
) -> datetime | None:
    """When results will be due at the pace so far; None where it is not known."""
    dates = []
    if days_needed:
        dates.append(began + timedelta(days=days_needed))
    if units_needed:
        days = (parse_stamp(last.at) - began).total_seconds() / 86_400 if last is not None else 0.0
        if units <= 0 or days < 0.25 or last is None:
            return None
        wait = max(0.0, units_needed - units) / (units / days)
        if wait > 3650:
            return None
        dates.append(parse_stamp(last.at) + timedelta(days=wait))
    return max(dates, default=None)
