"""Sums that come out the same on every run: the same bits whatever the number of threads, the order of rows or the engine.

A plain sum of doubles depends on the order of the additions. Here every term is first cut into pieces that are multiples
of one power of two, chosen so that no partial sum of the pieces needs rounding (pre-rounding: Demmel and Nguyen, "Fast
reproducible floating-point summation", 2013). Sums of pieces are exact, so their order does not matter. With two pieces
the error of a term is at most 2**-58 of the largest term, and integers up to 2**53 are summed exactly.

Values are shifted by a number near their mean before they are squared, so that variances do not suffer from cancellation;
the rest is done in rational arithmetic outside the engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from xpbench.errors import DataError, plain

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from xpbench.data.summary import Cell

EXACT = 2.0**53
_GOLDEN = 0.3819660112501051
"""Where the shift rounds up; data with round numbers never sits there."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What has to be known of a column before its sums can be exact.

    Attributes:
        count: Values present.
        low: Smallest value.
        high: Largest value.
        mean: Mean, good to a few digits.
        integral: Every value is a whole number.
    """

    count: int
    low: float
    high: float
    mean: float
    integral: bool

    @property
    def shift(self) -> float:
        """A number near the mean that does not depend on the mean's last digits; a whole number for whole numbers."""
        width = self.high - self.low
        if self.count == 0 or width == 0.0:
            return self.low
        if self.integral:
            return float(math.floor(self.mean + _GOLDEN))
        step = math.ldexp(1.0, math.frexp(width)[1] - 11)
        return math.floor(self.mean / step + _GOLDEN) * step

    @property
    def bound(self) -> float:
        """Largest distance of a value from the shift."""
        return max(abs(self.high - self.shift), abs(self.low - self.shift))

    def clipped(self, lower: float | None, upper: float | None) -> Profile:
        """The profile after values were cut at caps; the mean is only moved into the range."""
        low = self.low if lower is None else min(max(self.low, lower), max(self.high, lower))
        high = self.high if upper is None else max(min(self.high, upper), min(self.low, upper))
        whole = all(cap is None or float(cap).is_integer() for cap in (lower, upper))
        return Profile(self.count, low, high, min(max(self.mean, low), high), self.integral and whole)


def pieces(term: nw.Expr, *, bound: float, rows: int, integral: bool) -> list[nw.Expr]:
    """Expressions whose plain sums are exact and add up to the sum of the term.

    Args:
        term: Double-valued expression, null where it does not count.
        bound: No term is larger in absolute value.
        rows: At most so many terms.
        integral: Every term is a whole number.

    Raises:
        DataError: `XPB-D20`, the sum would leave the range of doubles.
    """
    import narwhals.stable.v2 as nw  # only where an engine adds up

    total = bound * max(rows, 1)
    if not math.isfinite(total) or total > 2.0**1000:
        raise DataError("XPB-D20", bound=bound, limit="1e150")
    if total == 0.0 or (integral and total < EXACT):
        return [term]
    top = math.frexp(total)[1]
    next_top = math.frexp(float(max(rows, 1)))[1] + top - 53
    if next_top < -960:  # too near to the smallest double for a second piece
        return [term]
    first = nw.lit(1.5 * 2.0**top)
    second = nw.lit(1.5 * 2.0**next_top)
    high = (term + first) - first
    return [high, ((term - high) + second) - second]


HALF = 2.0**26


def products(a: nw.Expr, b: nw.Expr, *, bounds: tuple[float, float], rows: int, integral: bool) -> list[tuple[float, nw.Expr]]:
    """Expressions whose plain sums are exact, with the weights with which they add up to the sum of a × b.

    Whole numbers up to 2**52 are multiplied exactly by halves; other products are rounded once, to double.

    Args:
        a: Double-valued expression.
        b: Another.
        bounds: Their largest absolute values.
        rows: At most so many terms.
        integral: Both are whole numbers.
    """
    import narwhals.stable.v2 as nw

    low, high = min(bounds), max(bounds)
    if not integral or low * high < EXACT or high >= 2.0**52:
        return [(1.0, e) for e in pieces(a * b, bound=low * high, rows=rows, integral=integral)]
    a_high, b_high = (a / HALF).floor().cast(nw.Float64), (b / HALF).floor().cast(nw.Float64)
    a_low, b_low = a - a_high * HALF, b - b_high * HALF
    most = [bound / HALF + 1.0 for bound in bounds]
    terms = (
        (HALF * HALF, a_high * b_high, most[0] * most[1]),
        (HALF, a_high * b_low, most[0] * HALF),
        (HALF, a_low * b_high, HALF * most[1]),
        (1.0, a_low * b_low, HALF * HALF),
    )
    return [(w, e) for w, term, bound in terms for e in pieces(term, bound=bound, rows=rows, integral=True)]


def exact(values: Sequence[Any], weights: Sequence[float] | None = None) -> Fraction:
    """Sum of the pieces' sums, each with its weight, without rounding."""
    factors = weights or [1.0] * len(values)
    return sum((Fraction(v) * Fraction(w) for v, w in zip(values, factors, strict=True) if v is not None), Fraction(0))


def moments_from(
    n: int,
    first: Sequence[Fraction],
    second: Mapping[tuple[int, int], Fraction],
    shifts: Sequence[float],
    scales: Sequence[int],
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Means and covariances (ddof 1) from exact sums of shifted values.

    Args:
        n: Units, at least 1; with one unit covariances are 0.
        first: Sum of each shifted column.
        second: Sum of products for i <= j.
        shifts: What was taken off each column.
        scales: What each column had been multiplied by before.

    Returns:
        Means, and the covariance matrix row by row. A variance below the rounding error of its squares is 0.
    """
    k = len(first)
    means = tuple(float((Fraction(o) + total / n) / k) for o, total, k in zip(shifts, first, scales, strict=True))
    if n == 1:
        return means, tuple(tuple(0.0 for _ in range(k)) for _ in range(k))
    cov = [[0.0] * k for _ in range(k)]
    flat = [False] * k
    for i in range(k):
        square = second[i, i]
        spread = square - first[i] * first[i] / n
        flat[i] = spread <= 4 * square / 2**53
        cov[i][i] = 0.0 if flat[i] else float(spread / (n - 1) / scales[i] ** 2)
    for i in range(k):
        for j in range(i + 1, k):
            if not (flat[i] or flat[j]):
                product = second[i, j] - first[i] * first[j] / n
                cov[i][j] = cov[j][i] = float(product / (n - 1) / (scales[i] * scales[j]))
    return means, tuple(tuple(row) for row in cov)


def ensure_told_apart(cells: Iterable[Cell]) -> None:
    """The means of all variants have digits: no value of one variant is so large that those of another vanish in its sums.

    Args:
        cells: Of a summary; those of whole variants are looked at.

    Raises:
        DataError: `XPB-D80`, with both variants.
    """
    groups: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for cell in cells:
        if cell.form == "value" and not cell.dimension:
            for i, label in enumerate(cell.columns):
                spread = math.sqrt(max(cell.cov[i][i], 0.0))
                most = abs(cell.mean[i]) + spread * math.sqrt(cell.n)  # no value is further away
                groups.setdefault((cell.metric, label), []).append((most, abs(cell.mean[i]) + spread, cell.variant))
    for (metric, _), found in groups.items():
        bound, _, large = max(found)
        _, least, small = min(found, key=lambda one: one[1])
        if bound >= EXACT and bound / EXACT > 1e-6 * least:
            words = (plain(f"{bound:.0e}"), plain("about 0" if not least else f"about {least:.2g}"))
            raise DataError("XPB-D80", key=metric, bound=words[0], large=large, small=small, value=words[1])
