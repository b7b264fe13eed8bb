"""Hashes of rows and of text, a batch at a time: the same on every machine and with every release of an engine.

They are made for finding differences and doubled ids, not against people who look for collisions on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


class RowHash:
    """Sum and exclusive or of the hashes of rows: what is left of a table whatever the order of its rows."""

    def __init__(self, columns: int) -> None:
        self.keys = [constant(f"column {i}") for i in range(columns)]
        self.start = constant("start")
        self.last = constant("last"), constant("end")
        self._memory: list[HashWords] = []

    def _scratch(self, rows: int) -> tuple[HashWords, HashWords]:
        if not self._memory or len(self._memory[0]) < rows:
            self._memory = [np.empty(rows, dtype=np.uint64), np.empty(rows, dtype=np.uint64)]
        return self._memory[0][:rows], self._memory[1][:rows]

    def of(self, columns: Iterable[HashWords | Coded], rows: int) -> tuple[int, int]:
        """Sum (modulo 2**64) and exclusive or over the rows of a batch.

        Args:
            columns: Bits of the numbers, or hashes of the texts, of every column; each is done with before the next.
            rows: How many there are.
        """
        whole, part = self._scratch(rows)
        whole.fill(self.start)
        for bits, key in zip(columns, self.keys, strict=True):
            if isinstance(bits, Coded):  # "clip", since checking every index takes eight times as long as looking it up
                np.take((bits.words ^ (bits.words >> np.uint64(32))) * key, bits.index, out=part, mode="clip")
            else:
                np.right_shift(bits, np.uint64(32), out=part)
                np.bitwise_xor(part, bits, out=part)
                np.multiply(part, key, out=part)
            np.add(whole, part, out=whole)
        for key in self.last:
            np.right_shift(whole, np.uint64(31), out=part)
            np.bitwise_xor(whole, part, out=whole)
            np.multiply(whole, key, out=whole)
        np.right_shift(whole, np.uint64(32), out=part)
        np.bitwise_xor(whole, part, out=whole)
        return int(np.add.reduce(whole)), int(np.bitwise_xor.reduce(whole))
