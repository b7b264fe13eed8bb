"""n, means and covariances of one variant, and the rule that merges them without loss.

Moments are all that statistics know of the data. Merging follows Chan, Golub and LeVeque (1983), "Algorithms for computing
the sample variance", eq. 1.5, and its form for covariances: sums of squares are never formed, so that a metric with a mean
of 1e9 and a standard deviation of 1 keeps its digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpbench.stats.arguments import refuse

Floats = NDArray[np.float64]


def _frozen(values: ArrayLike) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of k columns over the n units of one variant.

    Attributes:
        n: Units, >= 0.
        mean: Means, shape (k,), in units of the columns; read-only.
        cov: Covariances with ddof 1, shape (k, k); read-only. Without meaning (and taken as zero) for n < 2.
    """

    n: int
    mean: Floats
    cov: Floats

    def __post_init__(self) -> None:
        mean, cov = _frozen(self.mean), _frozen(self.cov)
        if mean.ndim != 1 or cov.shape != (mean.size, mean.size):
            raise refuse("cov", cov.shape, f"cov has one row and column for each of the {mean.size} means")
        if self.n < 0:
            raise refuse("n", self.n, "n counts units and is not negative")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "cov", cov)

    @classmethod
    def of(cls, cell_n: int, mean: ArrayLike, cov: ArrayLike) -> Moments:
        """Moments from plain numbers, such as the fields of a cell.

        Args:
            cell_n: Units.
            mean: Means, one per column.
            cov: Covariances with ddof 1, row by row.

        Raises:
            StatsError: `XPB-S01`, the shapes do not fit or n is negative.
        """
        return cls(int(cell_n), np.asarray(mean, dtype=np.float64), np.asarray(cov, dtype=np.float64))

    @classmethod
    def of_values(cls, *columns: ArrayLike) -> Moments:
        """Moments of columns of values, one value per unit: for tests, simulations and small examples.

        Two passes: the mean first, then the deviations.
        """
        values = np.array([np.asarray(c, dtype=np.float64) for c in columns])
        n = values.shape[1]
        if n == 0:
            return cls(0, np.zeros(len(values)), np.zeros((len(values), len(values))))
        mean = values.mean(axis=1)
        deviations = values - mean[:, None]
        return cls(n, mean, deviations @ deviations.T / max(n - 1, 1))

    @property
    def k(self) -> int:
        """Number of columns."""
        return int(self.mean.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments):
            return NotImplemented
        return self.n == other.n and np.array_equal(self.mean, other.mean) and np.array_equal(self.cov, other.cov)

    def __hash__(self) -> int:
        return hash((self.n, self.mean.tobytes(), self.cov.tobytes()))

    def __add__(self, other: Moments) -> Moments:
        return merge(self, other)

    def take(self, *columns: int) -> Moments:
        """Moments of some of the columns, in the order given."""
        picked = list(columns)
        return Moments(self.n, self.mean[picked], self.cov[np.ix_(picked, picked)])

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, arrays as lists."""
        return {"n": self.n, "mean": self.mean.tolist(), "cov": self.cov.tolist()}


def merge(*parts: Moments) -> Moments:
    """Moments of all units together, whatever the order and the split of the parts.

    Args:
        parts: Moments of disjoint sets of units over the same columns, at least one.

    Raises:
        StatsError: `XPB-S01`, no part, or parts with different columns.

    Source: Chan, Golub, LeVeque 1983, eq. 1.5: M2 = M2_a + M2_b + d d' n_a n_b / (n_a + n_b).
    """
    if not parts or len({p.k for p in parts}) != 1:
        raise refuse("parts", [p.k for p in parts], "parts are at least one, with equal numbers of columns")
    batch = MomentsBatch.stack(parts).merge(axis=0)
    return Moments(int(batch.n), batch.mean, batch.cov)


@dataclass(frozen=True, slots=True, eq=False)
class MomentsBatch:
    """Moments of many cells at once: any leading shape (metrics × segments × variants), k columns each.

    Attributes:
        n: Units, shape (...).
        mean: Means, shape (..., k).
        cov: Covariances with ddof 1, shape (..., k, k).
    """

    n: Floats
    mean: Floats
    cov: Floats

    def __post_init__(self) -> None:
        n, mean, cov = (np.asarray(v, dtype=np.float64) for v in (self.n, self.mean, self.cov))
        if mean.shape[:-1] != n.shape or cov.shape != (*mean.shape, mean.shape[-1]):
            raise refuse("shapes", (n.shape, mean.shape, cov.shape), "shapes are (...), (..., k) and (..., k, k)")
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "cov", cov)

    @classmethod
    def stack(cls, parts: tuple[Moments, ...] | list[Moments]) -> MomentsBatch:
        """One batch of shape (len(parts),) from single moments with equal columns."""
        return cls(
            np.array([p.n for p in parts], dtype=np.float64),
            np.array([p.mean for p in parts]),
            np.array([p.cov for p in parts]),
        )

    def __getitem__(self, index: Any) -> MomentsBatch:
        parts = index if isinstance(index, tuple) else (index,)
        if any(part is Ellipsis for part in parts):  # the ellipsis stands for cells, not for columns
            return MomentsBatch(self.n[parts], self.mean[*parts, :], self.cov[*parts, :, :])
        return MomentsBatch(self.n[index], self.mean[index], self.cov[index])

    def at(self, *index: int) -> Moments:
        """The moments of one cell."""
        return Moments(int(self.n[index]), self.mean[index], self.cov[index])

    def merge(self, *, axis: int) -> MomentsBatch:
        """Merge the cells along an axis (days, segments, engines) into one.

        Parts without units, whatever their mean says, change nothing.
        """
        n = np.moveaxis(self.n, axis, 0)
        mean = np.moveaxis(self.mean, axis % self.n.ndim, 0)
        cov = np.moveaxis(self.cov, axis % self.n.ndim, 0)
        mean = np.where(n[..., None] > 0, mean, 0.0)
        scatter = np.where(n[..., None, None] > 1, cov, 0.0) * np.maximum(n - 1.0, 0.0)[..., None, None]
        total = n.sum(axis=0)
        safe = np.where(total > 0, total, 1.0)
        # Means are summed as deviations from the first non-empty part, so that a large common offset costs no digits.
        first = np.take_along_axis(mean, np.argmax(n > 0, axis=0)[None, ..., None], axis=0)[0]
        shift = np.where(n[..., None] > 0, mean - first, 0.0)
        centre = (shift * n[..., None]).sum(axis=0) / safe[..., None]
        deviation = np.where(n[..., None] > 0, shift - centre, 0.0)
        between = (n[..., None, None] * deviation[..., :, None] * deviation[..., None, :]).sum(axis=0)
        merged = (scatter.sum(axis=0) + between) / np.maximum(total - 1.0, 1.0)[..., None, None]
        return MomentsBatch(total, first + centre, merged)
