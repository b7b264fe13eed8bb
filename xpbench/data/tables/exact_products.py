"""Exact sums and sums of products of columns, a batch at a time, by vector instructions.

Every number becomes a whole number times a unit of its column: amounts with up to four decimals count ten-thousandths,
other numbers count multiples of 2**-54 of the power of two above the largest value. Whole numbers are cut into slices of 18
bits. A product of two slices has at most 36 bits, so that plain additions of 2**16 of them in double precision never round;
what comes out of a batch is a Python integer. Sums are therefore exact, and neither the order of rows, nor the batches, nor
the number of threads can change a bit. (Error-free splitting: Ozaki, Ogita, Oishi and Rump 2012, section 2.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROWS = 65_536
"""Most rows of a batch: 2**16 products of two slices are added without rounding."""
_BITS = 18
_WIDTH = 4096
DIGITS = 4
"""Decimals that an amount may have to be counted in whole numbers."""
_LARGEST = 2.0**52


@dataclass(frozen=True, slots=True)
class Unit:
    """What one stands for in the whole numbers of a column.

    Attributes:
        digits: Decimals of amounts; None for other numbers.
        exponent: Other numbers are below 2**exponent.
    """

    digits: int | None
    exponent: int = 0

    @property
    def value(self) -> Fraction:
        """The unit in the measure of the column."""
        if self.digits is not None:
            return Fraction(1, 10**DIGITS)
        return Fraction(2) ** (self.exponent - 3 * _BITS)


def unit_above(bound: float) -> Unit:
    """The unit of numbers without few decimals, none of which is larger than `bound`."""
    return Unit(None, math.frexp(bound)[1])


def digits_of(values: Array, *, largest: float, least: int, out: Array, spare: Array) -> int | None:
    """The fewest decimals, from `least` on, with which all values are written out; None where four are not enough.

    Args:
        values: Finite numbers.
        largest: None of them is larger.
        least: Known to be needed.
        out: The values as whole numbers of that many decimals, where there are some.
        spare: Memory.
    """
    for digits in range(least, DIGITS + 1):
        scale = 10.0**digits
        if largest * scale > _LARGEST:
            return None
        head = values[:64]  # a look at a few values saves most of the passes that would fail
        if not bool((np.rint(head * scale) / scale == head).all()):
            continue
        if digits:
            np.multiply(values, scale, out=out)
            np.rint(out, out=out)
            np.divide(out, scale, out=spare)
            same = spare == values
        else:
            np.rint(values, out=out)
            same = out == values
        if bool(same.all()):
            return digits
    return None


class Scratch:
    """Arrays that are used again for every batch: fresh memory costs more than the arithmetic."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], Array] = {}

    def table(self, column: int, slot: int, rows: int) -> tuple[Array, Array]:
        """An array of `rows` numbers, and the same memory as rows of a table whose end is filled with zeros."""
        held = self._held.get((column, slot))
        if held is None:
            held = self._held[column, slot] = np.empty(ROWS)
        full = -(-rows // _WIDTH) * _WIDTH
        held[rows:full] = 0.0
        return held[:rows], held[:full].reshape(-1, _WIDTH)


@dataclass(frozen=True, slots=True)
class Sliced:
    """One column of a batch as slices of whole numbers.

    Attributes:
        tables: Slices, the most significant first; each has rows of a fixed width, filled up with zeros.
        weights: What each slice counts.
    """

    tables: tuple[Array, ...]
    weights: tuple[int, ...]


def cut(values: Array, unit: Unit, *, bound: float, scratch: Scratch, column: int) -> Sliced:
    """Slices of a column of a batch.

    Args:
        values: Finite numbers, at most `ROWS`. For amounts their whole numbers, as `digits_of` leaves them, must stand in
            slot 0 of the column already.
        unit: For amounts, `digits` they all have.
        bound: None of them is larger.
        scratch: Where the slices are stored; what was cut before under the same number is overwritten.
        column: That number.
    """
    n = len(values)
    first, table = scratch.table(column, 0, n)
    if unit.digits is not None:
        lift = 10 ** (DIGITS - unit.digits)
        most = bound * 10.0**unit.digits
        if most <= 2.0**_BITS:
            return Sliced((table,), (lift,))
        pieces = 2 if most < 2.0 ** (2 * _BITS) else 3
        np.multiply(first, 2.0 ** (-_BITS * (pieces - 1)), out=first)
    else:
        pieces, lift = 3, 1
        shift = _BITS - unit.exponent
        step = max(min(shift, 1000), -1000)  # two steps, so that no factor leaves the range of doubles
        np.multiply(values, math.ldexp(1.0, step), out=first)
        if shift != step:
            first *= math.ldexp(1.0, shift - step)
    tables, weights = [], []
    rest, rest_table = first, table
    for piece in range(pieces - 1):
        top, top_table = scratch.table(column, 1 + piece, n)
        np.rint(rest, out=top)
        np.subtract(rest, top, out=rest)
        np.multiply(rest, 2.0**_BITS, out=rest)
        tables.append(top_table)
        weights.append(lift << (_BITS * (pieces - 1 - piece)))
    np.rint(rest, out=rest)
    tables.append(rest_table)
    weights.append(lift)
    return Sliced(tuple(tables), tuple(weights))


def masked(sliced: Sliced, mask: Array, *, scratch: Scratch, column: int, rows: int, slot: int) -> Sliced:
    """The same slices with zeros outside the mask (numbers 0 and 1 in a table of the same shape)."""
    tables = []
    for i, table in enumerate(sliced.tables):
        _, out = scratch.table(column, slot + i, rows)
        np.multiply(table, mask, out=out)
        tables.append(out)
    return Sliced(tuple(tables), sliced.weights)


def total(sliced: Sliced) -> int:
    """The sum of a column of a batch, in its unit."""
    return sum(w * int(t.sum()) for t, w in zip(sliced.tables, sliced.weights, strict=True))


def product(a: Sliced, b: Sliced) -> int:
    """The sum of the products of two columns of a batch, in the product of their units."""
    return sum(
        w * v * int(np.vecdot(s, t).sum())
        for s, w in zip(a.tables, a.weights, strict=True)
        for t, v in zip(b.tables, b.weights, strict=True)
    )


@dataclass(slots=True)
class ExactSums:
    """Exact sums of some columns of one variant; `+` of two is that of the rows of both.

    Attributes:
        n: Rows.
        first: Sum of each column, in its unit.
        second: Sums of products for i <= j, in the product of the units.
    """

    n: int = 0
    first: list[int] = field(default_factory=list)
    second: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, other: ExactSums) -> None:
        """Take up the rows of another."""
        self.n += other.n
        if not self.first:
            self.first = [0] * len(other.first)
        self.first = [a + b for a, b in zip(self.first, other.first, strict=True)]
        for key, value in other.second.items():
            self.second[key] = self.second.get(key, 0) + value


def moments(sums: ExactSums, units: Sequence[Unit]) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Means and covariances (ddof 1), each rounded once from its exact value; with one row covariances are 0."""
    n, k = sums.n, len(units)
    scale = [u.value for u in units]
    means = tuple(float(Fraction(t, n) * u) for t, u in zip(sums.first, scale, strict=True))
    cov = [[0.0] * k for _ in range(k)]
    if n > 1:
        for (i, j), square in sums.second.items():
            spread = n * square - sums.first[i] * sums.first[j]
            cov[i][j] = cov[j][i] = float(Fraction(spread, n * (n - 1)) * scale[i] * scale[j])
    return means, tuple(tuple(row) for row in cov)


def sums_by_variant(
    columns: Sequence[Sliced],
    masks: Mapping[int, Array],
    last: int,
    *,
    variants: int,
    pairs: Sequence[tuple[int, int]],
    rows: int,
    scratch: Scratch,
) -> tuple[list[list[int]], dict[tuple[int, int], list[int]]]:
    """Sums and sums of products of a batch for every variant.

    Args:
        columns: Slices, as they stand in scratch under 0, 1, ….
        masks: For all variants that are there but the last: ones where the row is of the variant, else zeros.
        last: That variant; its sums are what the others leave of all rows, because differences of exact sums are exact.
        variants: How many there are.
        pairs: Which products, i <= j.
        rows: Rows of the batch.
        scratch: Memory.

    Returns:
        For each column its sum by variant; for each pair likewise.
    """
    first = [[0] * variants for _ in columns]
    second = {pair: [0] * variants for pair in pairs}
    for i, whole in enumerate(columns):
        first[i][last] = total(whole)
    for i, j in pairs:
        second[i, j][last] = product(columns[i], columns[j])
    for v, mask in masks.items():
        own = [masked(s, mask, scratch=scratch, column=i, rows=rows, slot=8) for i, s in enumerate(columns)]
        for i, mine in enumerate(own):
            first[i][v] = total(mine)
            first[i][last] -= first[i][v]
        for i, j in pairs:
            second[i, j][v] = product(own[i], columns[j])
            second[i, j][last] -= second[i, j][v]
    return first, second


def block_sums(
    members: Sequence[int],
    variant: int,
    counts: Sequence[int],
    first: Mapping[int, Sequence[int]] | Sequence[Sequence[int]],
    second: Mapping[tuple[int, int], Sequence[int]],
) -> ExactSums:
    """The sums of one block of columns for one variant."""
    out = ExactSums(counts[variant], [first[m][variant] for m in members])
    for a, i in enumerate(members):
        for b in range(a, len(members)):
            j = members[b]
            out.second[a, b] = second[min(i, j), max(i, j)][variant]
    return out
