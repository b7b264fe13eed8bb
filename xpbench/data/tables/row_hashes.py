"""Hashes of rows and of text, a batch at a time: the same on every machine and with every release of an engine.

They are made for finding differences and doubled ids, not against people who look for collisions on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.data.summary import SAMPLED

HashWords = NDArray[np.uint64]

SALT = "xpbench.units.2"
NOTHING = 0x9AE16A3B2F90404F
"""Hash of text that is not there."""


def constant(name: str) -> np.uint64:
    """An odd number drawn from a name."""
    drawn = hashlib.sha256(f"{SALT}:{name}".encode()).digest()[:8]
    return np.uint64(int.from_bytes(drawn, "little") | 1)


def hash_text(text: str) -> int:
    """The hash of one text, as `hash_texts` makes it."""
    data = text.encode()
    offsets = np.array([0, len(data)], dtype=np.int64)
    return int(hash_texts(np.frombuffer(data, dtype=np.uint8), offsets)[0])


_STEP = constant("text step")
_END = constant("text end")
_KEEP = np.array([(1 << (8 * k)) - 1 for k in range(8)] + [2**64 - 1], dtype=np.uint64)


def hash_texts(data: NDArray[np.uint8], offsets: NDArray[Any]) -> HashWords:
    """A 64-bit hash of each text in a buffer: eight bytes at a time, then the length.

    Args:
        data: UTF-8 of all texts, one after another.
        offsets: Where each begins, and where the last one ends.
    """
    begin, end = offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64)
    lengths = end - begin
    out = np.full(len(lengths), _END, dtype=np.uint64)
    first, last = (int(begin[0]), int(end[-1])) if len(begin) else (0, 0)
    padded = np.zeros(last - first + 8, dtype=np.uint8)
    padded[: last - first] = data[first:last]
    words = np.ndarray((last - first + 1,), dtype="<u8", buffer=padded.data, strides=(1,))
    begin = begin - first
    longest = int(lengths.max(initial=0))
    for k in range(0, longest, 8):
        rest = lengths - k
        alive = rest > 0
        if bool(alive.all()):
            word = words[begin + k] & _KEEP[np.minimum(rest, 8)]
            out = _stir((out ^ word) * _STEP)
        else:
            word = words[begin[alive] + k] & _KEEP[np.minimum(rest[alive], 8)]
            out[alive] = _stir((out[alive] ^ word) * _STEP)
    return _stir((out ^ lengths.astype(np.uint64)) * _STEP)


def _stir(words: HashWords) -> HashWords:
    out: HashWords = words ^ (words >> np.uint64(29))
    return out


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct words.

    Attributes:
        words: Each of them.
        index: For every row the position of its word.
    """

    words: HashWords
    index: NDArray[np.integer[Any]]


class Sample:
    """The smallest hashes of a table's rows, each of an id with its variant: the same rows whatever their order.

    Rows that are added leave a sampled row in the sample, or push it out by smaller hashes; so two samples show whether the
    rows of one table are still there in another. No id can be found again from a hash that is cut to 32 bits, but whoever has
    an id can ask whether it may be among the few that were sampled.
    """

    def __init__(self) -> None:
        self.words: HashWords = np.empty(0, dtype=np.uint64)
        self.counts: Callable[[NDArray[np.intp]], NDArray[np.bool_]] | None = None

    def see(self, hashes: HashWords) -> None:
        """Take up the hashes of a batch; `counts` says of positions in it which rows count."""
        if len(self.words) < SAMPLED:
            at = np.arange(len(hashes))
            at = at if self.counts is None else at[self.counts(at)]
            if len(at) > SAMPLED:
                at = at[np.argpartition(hashes[at], SAMPLED - 1)[:SAMPLED]]
        else:
            at = np.flatnonzero(hashes < self.words[-1])
            at = at if self.counts is None else at[self.counts(at)]
        if len(at):
            self.add(hashes[at])

    def add(self, words: HashWords) -> None:
        """Take up further hashes."""
        self.words = np.unique(np.concatenate([self.words, words]))[:SAMPLED]

    def text(self) -> str:
        """The upper 32 bits of each, in order, eight hexadecimal digits a row."""
        return "".join(f"{int(w) >> 32:08x}" for w in self.words)


class RowHash:
    """Sum and exclusive or of the hashes of rows: what is left of a table whatever the order of its rows."""

    def __init__(self, columns: int) -> None:
        self.keys = [constant(f"column {i}") for i in range(columns)]
        self.start = constant("start")
        self.last = constant("last"), constant("end")
        self.own = constant("own"), constant("own end")
        self._memory: list[HashWords] = []

    def _scratch(self, rows: int) -> list[HashWords]:
        if not self._memory or len(self._memory[0]) < rows:
            self._memory = [np.empty(rows, dtype=np.uint64) for _ in range(4)]
        return [memory[:rows] for memory in self._memory]

    def of(self, columns: Iterable[HashWords | Coded], rows: int, sample: Sample | None = None) -> tuple[int, int, list[int]]:
        """Sum (modulo 2**64) and exclusive or over the rows of a batch, and a sum for each column with the row's id.

        Args:
            columns: Bits of the numbers, or hashes of the texts, of every column; each is done with before the next. The first
                two say which row it is.
            rows: How many there are.
            sample: Is shown the hashes of the first two columns alone.

        Returns:
            Sum and exclusive or over whole rows; then sums of the hashes of the first two columns alone, and of these with each
            further one. The latter do not depend on which other columns are there.
        """
        whole, part, row, alone = self._scratch(rows)
        whole.fill(self.start)
        own = []
        for i, (bits, key) in enumerate(zip(columns, self.keys, strict=True)):
            if isinstance(bits, Coded):  # "clip", since checking every index takes eight times as long as looking it up
                np.take((bits.words ^ (bits.words >> np.uint64(32))) * key, bits.index, out=part, mode="clip")
            else:
                np.right_shift(bits, np.uint64(32), out=part)
                np.bitwise_xor(part, bits, out=part)
                np.multiply(part, key, out=alone)  # the words themselves are needed once more
                part, alone = alone, part
            np.add(whole, part, out=whole)
            if i == 1:
                np.copyto(row, whole)
                own.append(self._sum_of(row, None, part, alone))
                if sample is not None:
                    sample.see(part)
            elif i > 1:
                words = (bits.words ^ (bits.words >> np.uint64(32)))[bits.index] if isinstance(bits, Coded) else alone
                own.append(self._sum_of(row, words, part, alone))
        for key in self.last:
            np.right_shift(whole, np.uint64(31), out=part)
            np.bitwise_xor(whole, part, out=whole)
            np.multiply(whole, key, out=whole)
        np.right_shift(whole, np.uint64(32), out=part)
        np.bitwise_xor(whole, part, out=whole)
        return int(np.add.reduce(whole)), int(np.bitwise_xor.reduce(whole)), own

    def _sum_of(self, row: HashWords, words: HashWords | None, part: HashWords, spare: HashWords) -> int:
        """Sum of the hashes of rows, with a word of each where given; both kinds of scratch are written over."""
        if words is None:
            np.copyto(part, row)
        else:
            np.multiply(words, self.own[0], out=part)
            np.add(part, row, out=part)
        for shift in (31, 29):
            np.right_shift(part, np.uint64(shift), out=spare)
            np.bitwise_xor(part, spare, out=part)
            np.multiply(part, self.own[1], out=part)
        return int(np.add.reduce(part))
