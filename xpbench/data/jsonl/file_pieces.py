"""A file in pieces of whole lines, read ahead of the engine, with the SHA-256 of its bytes and the number of its lines."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpbench.data.jsonl.gunzip import MAGIC, Gunzip, Plain
from xpbench.data.jsonl.shared_memory_file import Lent

PIECE_BYTES = 32 * 1024 * 1024
FIRST_PIECE = 4 * 1024 * 1024
"""The first piece of a file is small, so that the engine need not wait for it; each one is twice as long as the last."""

WHOLE_FILE = 4 * 1024 * 1024 * 1024
"""Plain files up to this size are read by the engine itself, in one go; one that was stopped begins again."""

LONGEST_LINE = 16 * 1024 * 1024
"""Longer lines are rejected without being held in memory."""

STEP = 256 * 1024
"""Bytes that are read, hashed and searched while they are in the processor's cache, of which the engine wants a part, too."""

TAIL = 64 * 1024
"""Bytes at the end of a file that are looked at before it is read, for the line that most often is not an event: the last."""

BLANK = b" \t\r\v\f"
"""What the reader passes over at the ends of a line."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Piece:
    """Whole lines of one file.

    Attributes:
        line: Lines of the file before these.
        end: Byte of the plain text behind them.
        lent: The first `size` bytes of this memory are the lines; None where there are none.
        size: Length of the lines in bytes.
        lines: Lines, blank ones included.
        skipped: Numbers of lines that are too long to be held; they stand before the others.
        doubt: Whether the strict reader would take what is no event: a line may be longer than `LONGEST_LINE`, or the first one
            begins with a byte order mark, which means something only at the beginning of a file.
        tail: Whether the file ends here.
        last: Whether nothing comes after it; then `digest` and `broken` are known.
        digest: SHA-256 of the file.
        broken: Why the file ends before it should; "" where it does not.
    """

    line: int
    end: int
    lent: Lent | None = None
    size: int = 0
    lines: int = 0
    skipped: list[int] = field(default_factory=list)
    doubt: bool = False
    tail: bool = False
    last: bool = False
    digest: str = ""
    broken: str = ""


class Counting:
    """Hashes a plain file and counts its lines in a thread of its own, while the engine reads it."""

    def __init__(self, descriptor: int, known: str = "") -> None:
        """Begin.

        Args:
            descriptor: The open file. It is read by place, so that others may read it, too.
            known: Its SHA-256 where that was made before; then it is not made again.
        """
        self._descriptor = descriptor
        self._known = known
        self._over = threading.Event()
        self._found: tuple[int, str, bool] | BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Counting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def result(self) -> tuple[int, str, bool]:
        """Lines, the SHA-256, and whether a line may be longer than `LONGEST_LINE`."""
        self._thread.join()
        if not isinstance(self._found, tuple):
            raise self._found or RuntimeError("stopped")
        return self._found

    def _work(self) -> None:
        try:
            self._found = self._count()
        except OSError as error:
            self._found = error

    def _count(self) -> tuple[int, str, bool] | None:
        sha = hashlib.sha256()
        lines, last, run = 0, 10, _Run()
        for data in _steps(self._descriptor):
            if self._over.is_set():
                return None
            if not self._known:
                sha.update(data.data)
            count = int(np.count_nonzero(data == 10))
            run.add(len(data), count)
            lines += count
            last = int(data[-1])
        return lines + (last != 10), self._known or sha.hexdigest(), run.long


def empty_lines(descriptor: int) -> int:
    """Lines of a plain file without a byte; it is read by place."""
    found, before = 0, True
    for data in _steps(descriptor):
        ends = data == 10
        found += int(np.count_nonzero(ends[1:] & ends[:-1])) + bool(before and ends[0])
        before = bool(ends[-1])
    return found


def _steps(descriptor: int) -> Iterator[NDArray[np.uint8]]:
    """The bytes of a file, some at a time; each array holds until the next one is asked for."""
    room = memoryview(bytearray(STEP))
    position = 0
    while got := os.preadv(descriptor, [room], position):
        yield np.frombuffer(room, np.uint8, got)
        position += got


class _Run:
    """Whether a line may be longer than `LONGEST_LINE`, from bytes and ends of lines in one stretch after the other."""

    def __init__(self) -> None:
        self.long = False
        self._bytes = 0

    def add(self, size: int, ends: int) -> None:
        """Some more bytes, with so many ends of lines; up to `STEP`."""
        self._bytes += size
        self.long |= self._bytes > LONGEST_LINE
        if ends:
            self._bytes = size


class Memory:
    """Memory for some pieces: the engine reads them while another is filled."""

    def __init__(self, pieces: int) -> None:
        self.all = [Lent(PIECE_BYTES + LONGEST_LINE + STEP) for _ in range(pieces)]

    def close(self) -> None:
        """Give it back."""
        for lent in self.all:
            lent.close()


class Pieces:
    """The pieces of a file, read and unpacked ahead of the engine, as far as there is memory for them."""

    def __init__(self, path: Path, memory: Memory, *, start: int = 0, line: int = 0, known: str = "") -> None:
        """Get ready.

        Args:
            path: A file, plain or a gzip stream.
            memory: Where its lines are put.
            start: Byte of the plain text to begin at; what stands before is hashed alone.
            line: Lines before it.
            known: SHA-256 of the file where that was made before.
        """
        self._free: queue.Queue[Lent | None] = queue.Queue()
        self._full: queue.Queue[Piece | BaseException | None] = queue.Queue()
        for lent in memory.all:
            self._free.put(lent)
        self._given = path, start, line, known
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Pieces:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.put(None)
        self._thread.join()

    def __iter__(self) -> Iterator[Piece]:
        """Each piece; its memory is used again once it is `done`."""
        while (item := self._full.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def done(self, piece: Piece) -> None:
        """Nobody needs the lines of a piece any more."""
        if piece.lent is not None:
            self._free.put(piece.lent)

    def _work(self) -> None:
        try:
            path, start, line, known = self._given
            for piece in _read(path, self._free, start, line, known):
                self._full.put(piece)
            self._full.put(None)
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            self._full.put(error)


def whole_name(path: Path, descriptor: int) -> str:
    """The name under which the engine reads a plain file as it is; "" where it should be read in pieces."""
    head, size = os.pread(descriptor, len(BYTE_ORDER_MARK), 0), os.fstat(descriptor).st_size
    if head.startswith(MAGIC) or head == BYTE_ORDER_MARK or size > WHOLE_FILE:
        return ""
    tail = os.pread(descriptor, TAIL, max(0, size - TAIL)).rstrip(BLANK + b"\n")
    if tail and not tail.endswith(b"}"):  # cut off: the engine would find that at the very end, and all be read again
        return ""
    if os.path.isdir("/proc/self/fd"):  # the same file, whatever happens to its name, in which no sign means anything
        return f"/proc/self/fd/{descriptor}"
    return "" if re.search(r"[*?\[\]{}]", str(path)) else str(path)


class _StoppedError(Exception):
    """Nobody wants the rest of the file."""


def _taken(free: queue.Queue[Lent | None]) -> Lent:
    lent = free.get()
    if lent is None:
        free.put(None)
        raise _StoppedError
    return lent


def _read(path: Path, free: queue.Queue[Lent | None], start: int, line: int, known: str) -> Iterator[Piece]:
    with path.open("rb", buffering=0) as opened:
        zipped = opened.read(2) == MAGIC
        opened.seek(0)
        stream = Gunzip(opened, known) if zipped else Plain(opened, known)
        ends = np.empty(STEP, np.bool_)
        lent = _taken(free)
        position = _passed(stream, lent.open(), start)
        carry, goal, skipping, ended = b"", FIRST_PIECE, False, False
        while not ended:
            view = lent.open()
            view[: len(carry)] = carry
            run = _Run()
            run.add(len(carry), 0)
            size, lines, limit = len(carry), 0, len(carry) + min(goal, PIECE_BYTES)
            while size < limit and not ended:
                room = view[size : min(size + STEP, limit)]
                got = stream.readinto(room)
                ended = got == 0
                here = ends[:got]
                np.equal(np.frombuffer(room, np.uint8, got), 10, out=here)
                count = int(np.count_nonzero(here))
                run.add(got, count)
                lines += count
                size += got
            if position == 0 and size >= 3 and view[:3] == BYTE_ORDER_MARK:
                view[:3] = b"   "
            position += size - len(carry)
            carry = b""
            if skipping:  # up to the end of a line that is too long
                if not lines and not ended:
                    continue
                size = _drop_line(view, size)
                yield Piece(line, position - size, skipped=[line + 1])
                line, lines, skipping = line + 1, max(lines - 1, 0), False
            doubt = run.long or (size >= 3 and view[:3] == BYTE_ORDER_MARK)
            cut = size if ended else _rfind(view, size)
            if size - cut > LONGEST_LINE:
                skipping = True
            else:
                carry = bytes(view[cut:size])
            if ended:
                lines += size > 0 and view[size - 1] != 10
                lent.show(size)
                end = position
                yield Piece(
                    line,
                    end,
                    lent,
                    size,
                    lines,
                    doubt=doubt,
                    tail=True,
                    last=True,
                    digest=stream.digest(),
                    broken=stream.broken,
                )
            elif cut:
                lent.show(cut)
                yield Piece(line, position - (size - cut), lent, cut, lines, doubt=doubt)
                line += lines
                goal *= 2
                lent = _taken(free)


def _passed(stream: Plain, view: memoryview, start: int) -> int:
    """Read up to a byte of the plain text; where the stream ends before, up to its end."""
    position = 0
    while position < start and (got := stream.readinto(view[: min(STEP, start - position)])):
        position += got
    return position


def _drop_line(view: memoryview, size: int) -> int:
    """Move what is behind the first line, of which nothing is kept, to the beginning: its length."""
    for begin in range(0, size, STEP):
        at = bytes(view[begin : min(begin + STEP, size)]).find(b"\n") + 1
        if at:
            view[: size - begin - at] = view[begin + at : size]
            return size - begin - at
    return 0


def _rfind(view: memoryview, size: int) -> int:
    """Byte behind the last end of a line; 0 where there is none."""
    stop = size
    while stop:
        begin = max(0, stop - 65_536)
        at = bytes(view[begin:stop]).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        stop = begin
    return 0
