"""Judging lines: which are not events, and why. As few as possible are looked at one by one, where reading all at once fails.

Lines in doubt are found in four steps, each dearer than the last, until the strict reader agrees with what is left: lines
that do not begin and end as an object does, such as those that were cut off, and too long ones; a query that looks at all
lines of a piece at once; the blocks of the piece that the strict reader refuses; every line.
Each line in doubt is then judged alone, so that the reason told does not depend on how it was found.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from xpbench.data.jsonl.file_pieces import BLANK, LONGEST_LINE, STEP, Piece
from xpbench.data.jsonl.shared_memory_file import Lent
from xpbench.data.jsonl.strict_json_reader import REFUSALS, Strict

_OPENING = np.frombuffer(b"{\n" + BLANK, np.uint8)
_CLOSING = np.frombuffer(b"}\n" + BLANK, np.uint8)

BLOCKS = 16
"""Into so many blocks a stretch is cut that the strict reader refuses."""

SMALL_BLOCK = 128 * 1024
"""Blocks up to this size are judged line by line."""


class RejectedLines:
    """The lines of a piece, by their number in it, from 0."""

    def __init__(self, piece: Piece) -> None:
        assert piece.lent is not None  # noqa: S101 - for the types: there are lines
        self.view = piece.lent.view[: piece.size]
        self._line = piece.line
        self._bytes = bytes_ = np.frombuffer(self.view, np.uint8)
        ends = [np.flatnonzero(bytes_[i : i + STEP] == 10) + i for i in range(0, piece.size, STEP)]
        found = np.concatenate(ends) + 1
        self.cut = piece.tail and (not len(found) or found[-1] < piece.size)
        """Whether the last line has no end, at the end of the file."""
        if not len(found) or found[-1] < piece.size:
            found = np.append(found, piece.size)
        self.stops = found
        self.starts = np.concatenate([[0], found[:-1]])
        odd = np.isin(bytes_[self.starts], np.frombuffer(BLANK + b"\n", np.uint8))
        self._blank = sum(not self.text(int(i)) for i in np.flatnonzero(odd))

    @property
    def longest(self) -> int:
        """Bytes of the longest line, its end included."""
        return int((self.stops - self.starts).max())

    @property
    def filled(self) -> int:
        """Lines that are not blank."""
        return len(self.starts) - self._blank

    def ragged(self) -> list[int]:
        """Lines that are too long, or do not begin and end with a brace; blanks around those are not looked behind."""
        ends = self.stops - 1
        for sign in b"\n\r":
            ends = ends - ((self._bytes[ends] == sign) & (ends > self.starts))
        odd = ~np.isin(self._bytes[self.starts], _OPENING) | ~np.isin(self._bytes[ends], _CLOSING)
        found: list[int] = np.flatnonzero(odd | (self.stops - self.starts > LONGEST_LINE)).tolist()
        return found

    def all(self) -> range:
        """Every line."""
        return range(len(self.starts))

    def text(self, i: int) -> bytes:
        """A line without what the reader passes over; empty where it is blank."""
        return bytes(self.view[self.starts[i] : self.stops[i]]).strip(b"\n").strip(BLANK)

    def number(self, i: int) -> int:
        """Number of a line in its file."""
        return self._line + int(i) + 1

    def blank_out(self, lines: Iterable[int]) -> None:
        """Write spaces over lines, so that the reader passes them over; their ends stay."""
        for i in lines:
            start, stop = int(self.starts[i]), int(self.stops[i])
            stop -= bool(self.view[stop - 1] == 10)
            self.view[start:stop] = b" " * (stop - start)


class Judge:
    """Judges the lines of pieces."""

    def __init__(self, run: Any, strict: Strict) -> None:
        """Make a judge.

        Args:
            run: Connection to the engine.
            strict: What is read.
        """
        self._run = run
        self._strict = strict

    # -- lines in doubt ----------------------------------------------------------------------------------------------

    def doubtful(self, sheet: RejectedLines) -> list[int]:
        """Lines that may be no event: all but those that are so only to the strict reader."""
        import pyarrow as pa

        texts, odd = _text(sheet.view, sheet), _NONE
        if texts is None:
            odd = _no_utf8(sheet)
            memory = bytearray(sheet.view)
            for i in odd:
                memory[sheet.starts[i] : sheet.stops[i]] = b" " * int(sheet.stops[i] - sheet.starts[i])
            texts = _text(memory, sheet)
        table = pa.table({"i": pa.array(np.arange(len(sheet.starts))), "line": texts})
        self._run.register("judged", table)
        try:
            found = [i for (i,) in self._run.execute(self._strict.doubtful("judged")).fetchall()]
        finally:
            self._run.unregister("judged")
        return sorted({*odd.tolist(), *found})

    def refused(self, sheet: RejectedLines) -> list[int]:
        """Lines of the blocks that the strict reader refuses."""
        room = Lent(sheet.longest + len(sheet.view) // BLOCKS + 1)
        try:
            return self._refused(sheet, 0, len(sheet.starts), room)
        finally:
            room.close()

    def _refused(self, sheet: RejectedLines, first: int, behind: int, room: Lent) -> list[int]:
        size = int(sheet.stops[behind - 1] - sheet.starts[first])
        if size <= SMALL_BLOCK or behind - first < BLOCKS:
            return list(range(first, behind))
        marks = sheet.starts[first] + np.arange(1, BLOCKS) * (size // BLOCKS)
        cuts = [
            first,
            *(int(i) for i in np.unique(np.searchsorted(sheet.starts[:behind], marks)) if first < i < behind),
            behind,
        ]
        if len(cuts) == 2:  # one line is nearly all of it
            return list(range(first, behind))
        out: list[int] = []
        for begin, end in itertools.pairwise(cuts):
            lines = sheet.view[sheet.starts[begin] : sheet.stops[end - 1]]
            room.open()[: len(lines)] = lines
            room.show(len(lines))
            try:
                self._run.execute(self._strict.check(room.name)).fetchall()
            except REFUSALS:
                out += self._refused(sheet, begin, end, room)
        return out

    # -- line by line ------------------------------------------------------------------------------------------------

    def judge(self, sheet: RejectedLines, lines: Iterable[int]) -> dict[int, str]:
        """The reason of each of these lines that is not an event; blank lines have none."""
        import pyarrow as pa

        found: dict[int, str] = {}
        texts: dict[int, str] = {}
        for i in lines:
            line = sheet.text(i)
            if not line:
                continue
            if len(line) > LONGEST_LINE:
                found[i] = "too_long"
                continue
            try:
                texts[i] = line.decode("utf-8")
            except UnicodeDecodeError:
                found[i] = "broken_utf8"
        if not texts:
            return found
        table = pa.table({"i": pa.array(range(len(texts)), pa.int64()), "line": pa.array(texts.values(), pa.large_string())})
        self._run.register("judged", table)
        try:
            facts = self._run.execute(self._strict.facts("judged")).fetchall()
        finally:
            self._run.unregister("judged")
        last = len(sheet.starts) - 1
        for (valid, kind, event, when, us, once), (i, text) in zip(facts, texts.items(), strict=True):
            if not valid:
                found[i] = "truncated_line" if sheet.cut and i == last else "malformed_json"
            elif kind != "OBJECT":
                found[i] = "malformed_json"
            elif event is None:
                found[i] = "no_event"
            elif when is None:
                found[i] = "no_time"
            elif us is None:
                found[i] = "bad_time"
            elif not once:
                found[i] = "duplicate_keys"
            elif reason := self._lost(text):
                found[i] = reason
        return found

    def _lost(self, text: str) -> str:
        """Why a line that is valid to the engine can't be read without losing a value; "" where it can."""
        try:
            top: Any = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):  # the engine knows more ways to write JSON, and reads it alone to tell
            return self._refusal(text.encode())
        return "duplicate_keys" if self._names_twice(top) else ""

    def _refusal(self, line: bytes) -> str:
        """Why the strict reader refuses a line that it reads alone."""
        lent = Lent(len(line))
        try:
            lent.open()[:] = line
            lent.show(len(line))
            self._run.execute(f"SELECT * FROM {self._strict.reader(lent.name, longest=len(line))}").fetchall()
        except REFUSALS as error:
            said = error.object if isinstance(error, UnicodeDecodeError) else str(error).encode()
            return "duplicate_keys" if b"duplicate key" in said else "malformed_json"
        finally:
            lent.close()
        return ""

    def _names_twice(self, top: Any) -> bool:
        """Whether a line names a key twice that is read: its second value would be lost."""
        schema, holder = self._strict.schema, self._strict.holder
        names = set(self._strict.names or [schema.time])  # all properties are kept as their text, but the time is read
        own = {schema.event, *((holder,) if holder else names), *self._strict.tops}
        inner = next((value for key, value in top if key == holder), None) if isinstance(top, _Pairs) else None
        found = [key for key, _ in top if key in own] if isinstance(top, _Pairs) else []
        if len(found) > len(set(found)):
            return True
        inside = names - set(self._strict.tops)
        found = [key for key, _ in inner if key in inside] if isinstance(inner, _Pairs) else []
        return len(found) > len(set(found))


class _Pairs(list[Any]):
    """The keys and values of a JSON object as they are."""


_NONE = np.empty(0, np.int64)


def _text(memory: Any, sheet: RejectedLines) -> Any:
    """The lines as an array of text over the same memory; None where some are not UTF-8."""
    import pyarrow as pa

    offsets = pa.py_buffer(np.append(sheet.starts, sheet.stops[-1]).astype(np.int64))
    made = pa.LargeStringArray.from_buffers(len(sheet.starts), offsets, pa.py_buffer(memory))
    try:
        made.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return made


def _no_utf8(sheet: RejectedLines) -> Any:
    """Lines that are not UTF-8; those of ASCII alone need no look."""
    data = np.frombuffer(sheet.view, np.uint8)
    found = []
    for begin in range(0, len(data), STEP):
        high = np.flatnonzero(data[begin : begin + STEP] >= 0x80) + begin
        for i in np.unique(np.searchsorted(sheet.stops, high, side="right")):
            try:
                str(sheet.view[sheet.starts[i] : sheet.stops[i]], "utf-8")
            except UnicodeDecodeError:
                found.append(int(i))
    return np.unique(np.array(found, np.int64))
