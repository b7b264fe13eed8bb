"""The ledger of one experiment: JSON Lines that only grow, each holding the SHA-256 of the line before."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from xpbench.canonical import canonical_bytes, digest_bytes
from xpbench.errors import BrokenLedger, InputError, LedgerError, plain
from xpbench.files import sync_folder
from xpbench.ledger.clock import Clock, parse_stamp, stamp, system_clock
from xpbench.ledger.entry import LINE_LIMIT, SCHEMA, START, Entry, NewerSchema, Witness, body_bytes, make_entry, parse_line
from xpbench.ledger.grammar import EMPTY, RecordState, brief, conflicts, ensure_base, step, unknown_kinds
from xpbench.ledger.lock import Locked, locked

SKEW_SECONDS = 300.0
"""A clock that went back by more than this is called out as set back, not as jitter."""

MARKERS = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")
"""How lines begin that git leaves where it could not merge."""

Body = Mapping[str, Any] | Callable[[tuple[Entry, ...]], Mapping[str, Any]]
"""What belongs to an entry, or what makes it of all entries before, under the lock."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a reader of the ledger should know that is not an error.

    Attributes:
        name: `torn_tail`, `missing_line_end`, `clock_set_back`, `unknown_kind`.
        detail: One sentence.
    """

    name: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {"name": self.name, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class _Tail:
    """Where a ledger's verified part ends."""

    inode: int
    size: int
    changed_ns: int
    head: str
    length: int
    last_at: str
    state: RecordState


class Ledger:
    """Append-only record of one experiment.

    Args:
        path: The `ledger.jsonl` file; it need not exist yet.
        clock: Where `at` comes from.
        wait_seconds: How long an append waits for another writer.
        agent: Program that acts through this ledger on behalf of whoever is named in `by`; "" for a person.
    """

    def __init__(self, path: str | Path, *, clock: Clock = system_clock, wait_seconds: float = 10.0, agent: str = "") -> None:
        self.path = Path(path)
        self.agent = agent
        self._clock = clock
        self._wait = wait_seconds
        self._tail: _Tail | None = None
        self._folder_synced = False
        self._notices: tuple[Notice, ...] = ()

    def now(self) -> datetime:
        """The time that the next entry would carry."""
        return self._clock()

    # reading

    def entries(self) -> tuple[Entry, ...]:
        """All entries, with the whole chain verified, and their order (`xpbench.ledger.grammar`).

        Bytes after the last line end that are no whole entry (a write cut short, never acknowledged) are left out and
        told by `notices`.

        Raises:
            BrokenLedger: `XPB-L01`, says which line and why.
            LedgerError: `XPB-L06`, written by a newer version.
            InputError: `XPB-I02`, the file can't be read.
        """
        try:
            handle = self._open(os.O_RDONLY)
        except FileNotFoundError:
            self._tail, self._notices = None, ()
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            entries, tail, _, notices = self._read(handle, None)
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            _close(handle)
        self._tail, self._notices = tail, notices
        return tuple(entries)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the last reading or append found: torn tail, missing line end, clock set back."""
        return self._notices

    @property
    def head(self) -> Witness:
        """Length and digest of the last line, with the whole chain verified."""
        entries = self.entries()
        return Witness(len(entries), entries[-1].digest if entries else START)

    def compare(self, witness: Witness) -> Literal["holds", "cut", "forked"]:
        """Whether the ledger still has what the witness saw.

        `cut`: it is shorter than it was. `forked`: another entry stands where the witness's head was.
        """
        return compare(self.entries(), witness)

    def check(self, witness: Witness) -> None:
        """Return only if the ledger still has what the witness saw.

        Raises:
            BrokenLedger: `XPB-L07`, the tail was cut or the ledger is a fork.
        """
        entries = self.entries()
        verdict = compare(entries, witness)
        if verdict == "cut":
            reason = f"the tail was cut: {witness.length} entries were seen, {len(entries)} are here"
        elif verdict == "forked":
            reason = f"entry {witness.length} is another one than was seen: this is a fork or a rewritten ledger"
        else:
            return
        raise BrokenLedger("XPB-L07", path=str(self.path), reason=plain(reason))

    # writing

    def append(
        self, kind: str, body: Body, *, by: str | None = None, base: Witness | None = None, agent: str | None = None
    ) -> Entry:
        """Record something; returns only when it is safely on disk.

        Args:
            kind: One word, see `entry.KINDS`.
            body: A JSON object; no raw unit ids. Or a function that makes it of all entries before, called under the lock, for
                what must not change between reading and writing.
            by: Who did it.
            base: Length and head that this step is based on: what the actor had seen. It is refused where something was added
                since that it does not commute with (`grammar.CONFLICTS`).
            agent: Program that acted on behalf of `by`; the ledger's own `agent` if missing.

        Raises:
            BrokenLedger: the chain did not hold before; nothing was written. `XPB-L07`, it is not the ledger of `base`.
            LedgerError: `XPB-L02` locked, `XPB-L05` not writable, `XPB-L13` it may not stand here, `XPB-L16` based on an older
                head; nothing was acknowledged.
            InputError: `XPB-I04`, the body can't be said in canonical JSON.
        """
        data = None if callable(body) else self._body(kind, body, by)
        client = self.agent if agent is None else agent
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
            try:
                handle = self._open(flags)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                handle = self._open(flags)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                with locked(self.path, handle, wait_seconds=self._wait) as lock:
                    handle = self._same_file(handle)
                    whole = callable(body) or base is not None
                    entries, tail, rest, notices = self._read(handle, None if whole else self._tail)
                    if rest:
                        tail = self._mend(handle, lock, tail, rest)
                        if whole:
                            entries = self._read(handle, None)[0]
                    if base is not None:
                        self._ensure_base(kind, tuple(entries), base)
                    made = body(tuple(entries)) if callable(body) else body
                    line = self._body(kind, made, by) if data is None else data
                    entry = self._write(handle, lock, tail, kind, made, line, by, str(base or ""), client)
            except OSError as error:
                raise self._unwritable(error) from error
        finally:
            _close(handle)
        if entry.set_back_seconds > SKEW_SECONDS:
            notices = (*notices, _set_back(entry))
        self._notices = notices
        return entry

    def _ensure_base(self, kind: str, entries: tuple[Entry, ...], base: Witness) -> None:
        """Return only if the base is a head of this ledger and this step commutes with what was added since."""
        if compare(entries, base) != "holds":
            reason = f"entry {base.length} is another one, or gone"
            raise BrokenLedger("XPB-L07", path=str(self.path), reason=plain(reason))
        if newer := unknown_kinds(entries):  # what they say may be just what this step has to know
            raise LedgerError("XPB-L21", kinds=plain(_line(", ".join(newer))), kind=plain(kind.replace("_", " ")))
        found = conflicts(kind, entries[base.length :])
        if found:
            told = "; ".join(brief(e) for e in found[:3]) + ("; …" if len(found) > 3 else "")
            raise LedgerError("XPB-L16", kind=plain(kind.replace("_", " ")), length=base.length, changes=plain(_line(told)))

    def _write(
        self,
        handle: int,
        lock: Locked,
        tail: _Tail,
        kind: str,
        body: Mapping[str, Any],
        data: bytes,
        by: str | None,
        base: str = "",
        agent: str = "",
    ) -> Entry:
        try:
            state = step(tail.state, tail.length + 1, kind, body, SCHEMA)
        except ValueError as error:
            raise LedgerError("XPB-L13", path=str(self.path), kind=kind, reason=plain(str(error))) from None
        at = stamp(self._clock())
        back = 0.0
        if tail.last_at and at < tail.last_at:
            back = (parse_stamp(tail.last_at) - parse_stamp(at)).total_seconds()
        entry = make_entry(
            seq=tail.length + 1,
            kind=kind,
            at=at,
            by=by,
            body=data,
            prev=tail.head,
            set_back_seconds=back,
            base=base,
            agent=agent,
        )
        line = entry.line + b"\n"
        if not lock.still_ours():
            raise OSError("another process took over the lock")
        try:
            written = os.write(handle, line)
            if written != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(handle)
            if not self._folder_synced:
                sync_folder(self.path.parent)
                self._folder_synced = True
        except BaseException:
            self._tail = None
            with contextlib.suppress(OSError):  # what was not acknowledged goes; a torn tail would be mended later
                os.ftruncate(handle, tail.size)
            raise
        info = os.fstat(handle)
        self._tail = _Tail(tail.inode, tail.size + len(line), info.st_mtime_ns, entry.digest, entry.seq, entry.at, state)
        return entry

    def _mend(self, handle: int, lock: Locked, tail: _Tail, rest: bytes) -> _Tail:
        """Cut a torn tail back to the last whole line, or give a whole last entry its line end; record it either way."""
        try:
            entry = parse_line(rest)
            whole = entry.prev == tail.head and entry.seq == tail.length + 1
            state = step(tail.state, entry.seq, entry.kind, entry.body, entry.schema)
        except ValueError:
            whole = False
        if not whole and tail.length == 0:  # a registration that was killed: there is no chain yet to tell it in
            os.ftruncate(handle, 0)
            return _Tail(tail.inode, 0, 0, START, 0, "", EMPTY)
        if whole:
            os.write(handle, b"\n")
            tail = _Tail(tail.inode, tail.size + len(rest) + 1, 0, entry.digest, entry.seq, entry.at, state)
            body: dict[str, Any] = {"what": "missing line end", "bytes": 1}
        else:
            os.ftruncate(handle, tail.size)
            body = {"what": "torn tail", "bytes": len(rest), "sha256": digest_bytes(rest)}
        self._write(handle, lock, tail, "repaired", body, body_bytes("repaired", body), None)
        assert self._tail is not None  # noqa: S101 - set by _write
        return self._tail

    # inside

    def _open(self, flags: int) -> int:
        return os.open(self.path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o644)

    def _same_file(self, handle: int) -> int:
        """The open file, unless another one has the name by now (a checkout replaced it)."""
        ours, named = os.fstat(handle), os.stat(self.path)
        if (ours.st_ino, ours.st_dev) != (named.st_ino, named.st_dev):
            raise OSError("the file was replaced while it was opened")
        return handle

    @staticmethod
    def _body(kind: str, body: Mapping[str, Any], by: str | None) -> bytes:
        """The body's bytes; what can't be recorded is refused before anything is touched."""
        try:
            if by is not None:
                canonical_bytes(by)
            return body_bytes(kind, body)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                "XPB-I04",
                name=plain("Ledger entry"),
                value=kind,
                rule=plain(str(error)),
                remedy=plain("Correct it, then record it again"),
            ) from error

    def _read(self, handle: int, known: _Tail | None) -> tuple[list[Entry], _Tail, bytes, tuple[Notice, ...]]:
        """Entries from the known tail on (from the start where None), the new tail, and bytes after it."""
        info = os.fstat(handle)
        if known is not None and (known.inode, known.size, known.changed_ns) == (info.st_ino, info.st_size, info.st_mtime_ns):
            return [], known, b"", ()
        if known is not None and (known.inode != info.st_ino or known.size >= info.st_size):
            known = None  # another file, cut, or rewritten in place: verify from the start
        length, head, last_at, offset, state = 0, START, "", 0, EMPTY
        if known is not None:
            length, head, last_at, offset, state = known.length, known.head, known.last_at, known.size, known.state
        entries: list[Entry] = []
        notices: list[Notice] = []
        rest = b""
        with os.fdopen(os.dup(handle), "rb") as file, _no_collecting():
            file.seek(offset)
            while line := file.readline(LINE_LIMIT + 2):
                if not line.endswith(b"\n"):
                    if len(line) > LINE_LIMIT:
                        raise self._broken(length + 1, f"the line is longer than {LINE_LIMIT:,} bytes")
                    rest = line
                    break
                try:
                    entry, state = self._link(line[:-1], length, head, last_at, state, None if known else entries)
                except BrokenLedger:
                    if known is None:
                        raise
                    return self._read(handle, None)  # what was verified before is no longer there: start over
                length, head, last_at = entry.seq, entry.digest, entry.at
                offset += len(line)
                entries.append(entry)
                if entry.set_back_seconds > SKEW_SECONDS:
                    notices.append(_set_back(entry))
        tail = _Tail(info.st_ino, offset, info.st_mtime_ns, head, length, last_at, state)
        for kind in unknown_kinds(entries):
            notices.append(Notice("unknown_kind", f"Entries “{kind}” are of a newer version and say nothing to this one."))
        if rest:
            if rest.startswith(MARKERS):
                raise self._unmerged(length + 1)
            try:
                entry, _ = self._link(rest, length, head, last_at, state)
            except (BrokenLedger, LedgerError):
                notices.append(
                    Notice(
                        "torn_tail",
                        f"The last {len(rest):,} bytes are not a whole entry and don't count: a write was cut short.",
                    )
                )
            else:
                entries.append(entry)
                notices.append(Notice("missing_line_end", f"Entry {entry.seq} is whole but lacks its line end."))
        return entries, tail, rest, tuple(notices)

    def _link(
        self, line: bytes, length: int, head: str, last_at: str, state: RecordState, before: list[Entry] | None = None
    ) -> tuple[Entry, RecordState]:
        """The entry of a line and the state after it; its base is checked where all entries before are given."""
        try:
            entry = parse_line(line)
            if entry.prev != head or entry.seq != length + 1 or entry.at < last_at or entry.set_back_seconds:
                follow(entry, length, head, last_at)
            state = step(state, entry.seq, entry.kind, entry.body, entry.schema)
            if entry.base and before is not None:
                ensure_base(entry, before)
        except NewerSchema as newer:
            raise LedgerError("XPB-L06", path=str(self.path), found=str(newer), known=SCHEMA) from None
        except ValueError as error:
            if line.startswith(MARKERS):
                raise self._unmerged(length + 1) from None
            if line.endswith(b"\r"):
                raise BrokenLedger("XPB-L15", path=str(self.path), line=length + 1) from None
            raise self._broken(length + 1, str(error)) from None
        return entry, state

    def _unmerged(self, line: int) -> BrokenLedger:
        return BrokenLedger("XPB-L14", path=str(self.path), line=line)

    def _broken(self, line: int, reason: str) -> BrokenLedger:
        return BrokenLedger("XPB-L01", path=str(self.path), line=line, reason=plain(reason), last_good=line - 1)

    def _unwritable(self, error: OSError) -> LedgerError:
        return LedgerError("XPB-L05", path=str(self.path), reason=plain(error.strerror or str(error)))

    def _unreadable(self, error: OSError) -> InputError:
        return InputError("XPB-I02", path=str(self.path), kind=plain("ledger"), reason=plain(error.strerror or str(error)))

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"


def _close(handle: int) -> None:
    """Give a file back; what counts was synced before, so that an error here takes nothing away."""
    with contextlib.suppress(OSError):
        os.close(handle)


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Pause the cycle collector: a hundred thousand entries make no cycles, and looking for them takes a quarter more."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _line(text: str) -> str:
    """Text from an entry on one line, without signs that steer a terminal."""
    return "".join(c if c.isprintable() else "·" for c in text)[:400]


def _set_back(entry: Entry) -> Notice:
    return Notice(
        "clock_set_back",
        f"Entry {entry.seq} carries a time {entry.set_back_seconds:,.0f} s before the entry before it: the clock was set back.",
    )


def follow(entry: Entry, length: int, head: str, last_at: str) -> None:
    """Return only if the entry follows an entry with this place, digest and time.

    Raises:
        ValueError: with the reason.
    """
    if entry.seq != length + 1:
        raise ValueError(f"it says it is number {entry.seq}, its place is {length + 1}: an entry was removed, added or moved")
    if entry.prev != head:
        raise ValueError("it was written after another entry than the one before it: an entry was changed, or this is a fork")
    back = 0.0 if entry.at >= last_at else (parse_stamp(last_at) - parse_stamp(entry.at)).total_seconds()
    if back != entry.set_back_seconds:
        raise ValueError("its time goes back and it does not say so")


def compare(entries: tuple[Entry, ...] | list[Entry], witness: Witness) -> Literal["holds", "cut", "forked"]:
    """Whether verified entries still hold what a witness saw."""
    if witness.length > len(entries):
        return "cut"
    digest = entries[witness.length - 1].digest if witness.length else START
    return "holds" if digest == witness.digest else "forked"


def verify_lines(lines: list[bytes] | tuple[bytes, ...], *, path: str = "ledger") -> tuple[Entry, ...]:
    """The entries of lines that came from elsewhere (a memo's slice), with the chain verified.

    Raises:
        BrokenLedger, LedgerError: as `Ledger.entries`.
    """
    reader = Ledger(path)
    entries: list[Entry] = []
    length, head, last_at, state = 0, START, "", EMPTY
    for line in lines:
        entry, state = reader._link(line, length, head, last_at, state, entries)
        length, head, last_at = entry.seq, entry.digest, entry.at
        entries.append(entry)
    return tuple(entries)
