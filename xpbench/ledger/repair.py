"""Repairing a ledger that tools have damaged: line ends, an unresolved merge, a folder that was copied or renamed.

Nothing is taken away. Where two sides added entries to one ledger, the side that amended, decided or restarted goes first (this
one, where both did). The entries of the other side follow. Those that commute, looks above all, become entries of their own
kind that say where they come from. The others are kept verbatim in the entry that records the repair; they are not in force,
and are named so that they can be done again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.canonical import digest_bytes
from xpbench.errors import LedgerError, number_of, plain
from xpbench.files import sync_folder, write_atomic
from xpbench.ledger.clock import Clock, system_clock
from xpbench.ledger.entry import Entry
from xpbench.ledger.folder import LEDGER, PLAN, READOUTS, ensure_named, folder_of
from xpbench.ledger.grammar import CONFLICTS, brief
from xpbench.ledger.ledger import MARKERS, Ledger, verify_lines
from xpbench.ledger.lock import locked

ASIDE = ".repaired"
"""Folder of a root that keeps what was repaired, as it was."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did.

    Attributes:
        path: The ledger, as it is now.
        done: One sentence for each thing that was put right; none where nothing was wrong.
        added: Entries of the other side that are entries of this ledger now.
        set_aside: Entries of the other side that are kept and not in force, in a few words each.
        kept: Where the former file or folder is kept, "" where nothing had to be.
    """

    path: str
    done: tuple[str, ...]
    added: int = 0
    set_aside: tuple[str, ...] = ()
    kept: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "done": list(self.done),
            "set_aside": list(self.set_aside),
        }

    def __str__(self) -> str:
        if not self.done:
            return f"{self.path} is whole: nothing to repair."
        lines = [
            *self.done,
            *(f"▲ Kept, and not in force: {words}. Do it again where it is still right." for words in self.set_aside),
        ]
        return "\n".join([*lines, *([f"What was there before is kept in {self.kept}."] if self.kept else [])])


def repair(path: Path, *, by: str | None = None, clock: Clock = system_clock) -> Repair:
    """Put a ledger right that tools have damaged; one that is whole stays as it is, byte by byte.

    Args:
        path: The `ledger.jsonl`, or the folder of an experiment.
        by: Who repairs.
        clock: Where times come from.

    Raises:
        BrokenLedger: entries were changed, which nothing can put right; nothing was written.
        LedgerError: `XPB-L20`, the sides of a merge do not belong together.
    """
    file = path / LEDGER if path.is_dir() else path
    first = _repaired_file(file, by=by, clock=clock)
    _clear_plan(file.parent)
    second = _repaired_folder(file.parent, by=by, clock=clock)
    if second is None:
        return first
    return Repair(
        second.path,
        (*first.done, *second.done),
        first.added + second.added,
        (*first.set_aside, *second.set_aside),
        second.kept or first.kept,
    )


def _repaired_file(file: Path, *, by: str | None, clock: Clock) -> Repair:
    data = file.read_bytes()
    clean = data.removeprefix(_BOM).replace(b"\r\n", b"\n")
    ours, theirs = sides(clean)
    if clean == data and ours == theirs:
        Ledger(file).entries()
        return Repair(str(file), ())
    mine, other = verify_lines(ours, path=str(file)), verify_lines(theirs, path=str(file))
    merge = _Merge.of(mine, other, str(file))
    kept = _keep(file, data)
    made = kept.with_name(f".{kept.name}.new")  # built aside and put in place whole: a kill leaves the one or the other
    write_atomic(made, b"".join(e.line + b"\n" for e in merge.base))
    ledger = Ledger(made, clock=clock)
    done = []
    added = 0
    if clean != data:
        ledger.append("repaired", {"what": "line ends", "bytes": len(data) - len(clean)}, by=by)
        done.append("Line ends put back: every digest holds again.")
    if ours != theirs:
        added = merge.write(ledger, by=by, what="merge")
        done.append(f"Unresolved merge: {number_of(added, 'entry', 'entries')} added to the {len(merge.base)} of one side.")
    with _held(file):
        if file.read_bytes() != data:
            made.unlink()
            raise LedgerError("XPB-L05", path=str(file), reason=plain("somebody else changed it at the same moment"))
        os.replace(made, file)
        sync_folder(file.parent)
    return Repair(str(file), tuple(done), added, merge.words, str(kept))


def _clear_plan(folder: Path) -> None:
    """Take away a plan.json that git could not merge: it is made again from the ledger when the experiment is opened."""
    plan = folder / PLAN
    with contextlib.suppress(FileNotFoundError):
        data = plan.read_bytes()
        if any(line.startswith(MARKERS[0]) for line in data.splitlines()):
            _keep(plan, data)
            plan.unlink()


def _repaired_folder(folder: Path, *, by: str | None, clock: Clock) -> Repair | None:
    """The folder under its right name again; a copy next to the original is merged into it and put aside. None: it is right."""
    entries = Ledger(folder / LEDGER).entries()
    try:
        ensure_named(folder, entries)
    except LedgerError as error:
        if error.code != "XPB-L17":
            raise
    else:
        return None
    folder = folder.resolve()
    key = str(entries[0].body["plan"]["key"])
    home = folder_of(folder.parent, key)
    if not home.exists():
        os.rename(folder, home)
        sync_folder(home.parent)
        Ledger(home / LEDGER, clock=clock).append("repaired", {"what": "folder name", "was": folder.name}, by=by)
        return Repair(str(home / LEDGER), (f"The folder {folder.name} has its name again: {key}.",))
    own = Ledger(home / LEDGER, clock=clock)
    here = own.entries()
    merge = _Merge.of(here, entries, str(home / LEDGER), stays=True)
    added = merge.write(own, by=by, what="copied folder") if merge.rest else 0
    for readout in (folder / READOUTS).glob("*.json"):
        if not (target := home / READOUTS / readout.name).exists():
            write_atomic(target, readout.read_bytes())
    aside = _free(folder.parent / ASIDE / f"{folder.name}-{entries[-1].digest[:12]}")
    aside.parent.mkdir(exist_ok=True)
    os.rename(folder, aside)
    sync_folder(folder.parent)
    told = f"{number_of(added, 'entry', 'entries')} added to {key}" if merge.rest else f"it has no entry that {key} lacks"
    return Repair(str(home / LEDGER), (f"The folder {folder.name} was a copy: {told}.",), added, merge.words, str(aside))


def _free(path: Path) -> Path:
    """The path, or the first one with a number behind it that nothing has."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def sides(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines of this side and of the other; the same where git has left no markers."""
    ours: list[bytes] = []
    theirs: list[bytes] = []
    where = "both"
    for line in data.split(b"\n"):
        if line.startswith(MARKERS):
            where = {MARKERS[0]: "ours", MARKERS[1]: "base", MARKERS[2]: "theirs", MARKERS[3]: "both"}[line[:7]]
        elif line:
            if where in ("both", "ours"):
                ours.append(line)
            if where in ("both", "theirs"):
                theirs.append(line)
    return ours, theirs


@dataclass(frozen=True, slots=True)
class _Merge:
    """Two sides of one ledger.

    Attributes:
        base: Entries of the side that stays as it is.
        rest: Entries that only the other side has.
        fork: Entries that both have.
    """

    base: tuple[Entry, ...]
    rest: tuple[Entry, ...]
    fork: int

    @classmethod
    def of(cls, ours: Sequence[Entry], theirs: Sequence[Entry], path: str, *, stays: bool = False) -> _Merge:
        """The merge of two sides; `stays` where this side can't become the other."""
        fork = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a.digest != b.digest), min(len(ours), len(theirs))
        )
        if fork == 0:
            raise LedgerError("XPB-L20", path=path, reason=plain("they do not begin with the same registration"))
        mine, other = tuple(ours), tuple(theirs)
        if not stays and not any(e.kind in CONFLICTS for e in mine[fork:]) and any(e.kind in CONFLICTS for e in other[fork:]):
            mine, other = other, mine
        return cls(mine, other[fork:], fork)

    @property
    def aside(self) -> list[Entry]:
        """Entries that are kept and not in force: they rest on what the other side had on record."""
        return [e for e in self.rest if e.kind in (*CONFLICTS, "registered", "superseded", "watched", "repaired", "stamped")]

    @property
    def words(self) -> tuple[str, ...]:
        """Those of them that somebody has to do again, in a few words each."""
        return tuple(brief(e) for e in self.aside if e.kind not in ("repaired", "stamped"))

    def write(self, ledger: Ledger, *, by: str | None, what: str) -> int:
        """Record the repair with the other side's lines, then its entries that commute; how many those are."""
        aside = {e.seq for e in self.aside}
        body = {
            "what": what,
            "fork": self.fork,
            "lines": [e.line.decode() for e in self.rest],
            "set_aside": sorted(aside),
        }
        if not any(e.kind == "repaired" and e.body.get("lines") == body["lines"] for e in self.base):
            ledger.append("repaired", body, by=by)
        known = {merged.get("digest") for e in self.base if isinstance(merged := e.body.get("merged"), Mapping)}
        moved = [e for e in self.rest if e.seq not in aside and _origin(e)["digest"] not in known]
        for entry in moved:
            ledger.append(entry.kind, {**entry.body, "merged": _origin(entry)}, by=entry.by, agent=entry.agent)
        return len(moved)


def _origin(entry: Entry) -> dict[str, Any]:
    """Where an entry was first recorded: itself, or what an earlier repair says."""
    merged = entry.body.get("merged")
    return dict(merged) if isinstance(merged, Mapping) else {"seq": entry.seq, "at": entry.at, "digest": entry.digest}


@contextlib.contextmanager
def _held(file: Path) -> Iterator[None]:
    """The lock of a ledger, so that nobody appends to the file that is being replaced."""
    handle = os.open(file, os.O_RDONLY)
    try:
        with locked(file, handle, wait_seconds=10.0):
            yield
    finally:
        os.close(handle)


def _keep(file: Path, data: bytes) -> Path:
    """The file as it was, under a name of its own."""
    kept = file.parent.resolve().parent / ASIDE / f"{file.parent.resolve().name}-{digest_bytes(data)[:12]}{file.suffix}"
    write_atomic(kept, data)
    return kept
