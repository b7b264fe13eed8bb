"""The sums of a rehearsal's runs without touching every value in every run.

The products that moments need are made once per metric; a run then is one product of a matrix and the weights of its
assignment. Effects that multiply values, or turn zeros into ones, are put into the sums instead of into the values: the
same distribution, in a fraction of the time. What can't be done so (caps that move with the effect, effects on one part of
a ratio by turning zeros, covariates beside them) says so, and the run goes through the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One metric: its columns less their means, and all products of two.

    Attributes:
        start: First column in the common matrix: known, k columns, k (k + 1) / 2 products.
        k: Columns.
        centre: What was taken off, shape (k,).
        binary: Whether each column holds only zeros and ones.
    """

    start: int
    k: int
    centre: Floats
    binary: tuple[bool, ...]

    @property
    def width(self) -> int:
        """Columns of the common matrix."""
        return 1 + self.k + self.k * (self.k + 1) // 2


@dataclass(frozen=True, slots=True)
class RehearsalSums:
    """One metric in one run: by look (cumulative) and variant.

    Attributes:
        count: Units with a value, shape (looks, variants).
        first: Sums of the centred columns, shape (looks, variants, k).
        second: Sums of their products, shape (looks, variants, k, k).
        centre: What was taken off the columns.
    """

    count: Floats
    first: Floats
    second: Floats
    centre: Floats


class Matrix:
    """All metrics' products side by side, a row per unit of the history in the order in which units come in."""

    def __init__(self, tables: Mapping[str, Floats]) -> None:
        self.prepared: dict[str, Prepared] = {}
        parts: list[Floats] = []
        start = 0
        for key, table in tables.items():
            known = np.asarray(np.isfinite(table).all(axis=1))
            centre = table[known].mean(axis=0) if known.any() else np.zeros(table.shape[1])
            centred = np.where(known[:, None], table - centre, 0.0)
            k = table.shape[1]
            products = [centred[:, i] * centred[:, j] for i in range(k) for j in range(i + 1)]
            binary = tuple(bool(np.isin(table[known, i], (0.0, 1.0)).all()) for i in range(k))
            self.prepared[key] = Prepared(start, k, centre, binary)
            parts.append(np.column_stack([known.astype(np.float64), centred, *products]))
            start += self.prepared[key].width
        self.values = np.ascontiguousarray(np.column_stack(parts)) if parts else np.empty((0, 0))

    def totals(self, weights: Floats, ends: Sequence[int]) -> Floats:
        """Sums by look and variant, not cumulative.

        Args:
            weights: How often each unit takes part in each variant, shape (variants, units).
            ends: Where each look ends among the units.
        """
        begin, out = 0, []
        for end in ends:
            out.append(weights[:, begin:end] @ self.values[begin:end])
            begin = end
        return np.stack(out)

    def sums(
        self,
        key: str,
        totals: Floats,
        *,
        moved: Mapping[int, float],
        flips: Sequence[int],
        treated: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> RehearsalSums:
        """The sums of a metric with the effect in the treated variants, cumulative over looks.

        Args:
            key: The metric.
            totals: Of `totals`.
            moved: Lift by column.
            flips: Which of these columns are moved by turning zeros into ones (or ones into zeros); only of a single column.
            treated: By variant.
            rng: For the turning.
        """
        p = self.prepared[key]
        block = totals[..., p.start : p.start + p.width]
        count = block[..., 0].copy()
        first = block[..., 1 : 1 + p.k].copy()
        second = np.empty((*count.shape, p.k, p.k))
        at = 1 + p.k
        for i in range(p.k):
            for j in range(i + 1):
                second[..., i, j] = second[..., j, i] = block[..., at]
                at += 1
        for column, lift in moved.items():
            if column in flips:
                _turn(count, first, second, float(p.centre[column]), lift, treated, rng)
            else:
                _scale(count, first, second, column, float(p.centre[column]), lift, treated)
        return RehearsalSums(count.cumsum(axis=0), first.cumsum(axis=0), second.cumsum(axis=0), p.centre)


def _scale(
    count: Floats, first: Floats, second: Floats, column: int, centre: float, lift: float, treated: NDArray[np.bool_]
) -> None:
    """Values times 1 + lift: with u = v − c, the new u is (1 + lift) u + lift · c."""
    a, b = 1.0 + lift, lift * centre
    n, s = count[:, treated], first[:, treated]
    q = second[:, treated].copy()
    own = q[..., column, column]
    for j in range(first.shape[-1]):
        if j != column:
            mixed = a * q[..., column, j] + b * s[..., j]
            q[..., column, j] = q[..., j, column] = mixed
    q[..., column, column] = a * a * own + 2.0 * a * b * s[..., column] + b * b * n
    s = s.copy()
    s[..., column] = a * s[..., column] + b * n
    first[:, treated], second[:, treated] = s, q


def _turn(
    count: Floats,
    first: Floats,
    second: Floats,
    centre: float,
    lift: float,
    treated: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """A binomial number of zeros become ones (lift above 0), or of ones zeros, so that the mean is expected to move by lift."""
    n = np.rint(count[:, treated])
    ones = np.rint(first[..., 0][:, treated] + n * centre).clip(0.0, n)
    if lift > 0:
        chance = min(1.0, centre * lift / (1.0 - centre)) if centre < 1 else 0.0
        ones = ones + rng.binomial((n - ones).astype(np.int64), chance)
    else:
        ones = ones - rng.binomial(ones.astype(np.int64), min(1.0, -lift))
    first[:, treated, 0] = ones - n * centre
    second[:, treated, 0, 0] = ones * (1.0 - centre) ** 2 + (n - ones) * centre**2
