"""What is estimated from the means of one variant: a column, a ratio, a formula, each with its gradient.

The gradient is all that variance and CUPED need: a ratio or a formula behaves, to first order, like the column
gradient · values (delta method).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xpbench import formula
from xpbench.errors import StatsError, nearest, plain
from xpbench.lazy import earlier
from xpbench.stats.moments import Floats


class Functional(Protocol):
    """A smooth function of the means."""

    def at(self, mean: Floats) -> tuple[Floats, Floats]:
        """Value (...) and gradient (..., k) at means of shape (..., k); not finite where it does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class ColumnMean:
    """The mean of one column."""

    index: int

    def at(self, mean: Floats) -> tuple[Floats, Floats]:
        """The column's mean and a unit gradient."""
        gradient = np.zeros_like(mean)
        gradient[..., self.index] = 1.0
        return mean[..., self.index], gradient


@dataclass(frozen=True, slots=True)
class RatioOfMeans:
    """Mean of one column over the mean of another.

    Source: Deng, Knoblich, Lu 2018, "Applying the delta method in metric analytics", eq. 2.
    """

    num: int
    den: int

    def at(self, mean: Floats) -> tuple[Floats, Floats]:
        """The ratio r and the gradient (1, −r) / denominator."""
        den = mean[..., self.den]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = mean[..., self.num] / den
            gradient = np.zeros_like(mean)
            gradient[..., self.num] += 1.0 / den
            gradient[..., self.den] -= ratio / den
        return ratio, gradient


@dataclass(frozen=True, slots=True)
class ClusterMean(RatioOfMeans):
    """Mean per member where whole groups were assigned: sums of groups over their numbers of members.

    Its noise is the cluster-robust one; few groups of unlike sizes are worth fewer than they are (`pairs.groups_worth`).
    """


@dataclass(frozen=True, slots=True)
class FormulaOfMeans:
    """Any arithmetic over the means.

    Attributes:
        node: The formula as a tree.
        names: Names of the columns, in order.
    """

    node: formula.Node
    names: tuple[str, ...]

    @classmethod
    def of(cls, expression: str, *, names: Sequence[str]) -> FormulaOfMeans:
        """The formula over columns named in order.

        Raises:
            StatsError: `XPB-S02`, the expression can't be read or names what is no column.
        """
        try:
            node = formula.parse(expression)
        except ValueError as error:
            raise StatsError("XPB-S02", expression=expression, reason=str(error)) from error
        unknown = [name for name in node.names() if name not in names]
        if unknown:
            why = f"there is no metric {unknown[0]!r}. {nearest(unknown[0], names)}"
            raise StatsError("XPB-S02", expression=expression, reason=plain(why))
        return cls(node, tuple(names))

    def at(self, mean: Floats) -> tuple[Floats, Floats]:
        """The value and the gradient by forward differentiation; a division by zero gives what is not finite."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._dual(self.node, mean)

    def _dual(self, node: formula.Node, mean: Floats) -> tuple[Floats, Floats]:
        if node.op == "number":
            return np.full(mean.shape[:-1], float(node.value)), np.zeros_like(mean)
        if node.op == "name":
            return ColumnMean(self.names.index(str(node.value))).at(mean)
        if node.op == "neg":
            value, gradient = self._dual(node.parts[0], mean)
            return -value, -gradient
        (a, da), (b, db) = (self._dual(part, mean) for part in node.parts)
        if node.op == "+":
            return a + b, da + db
        if node.op == "-":
            return a - b, da - db
        if node.op == "*":
            return a * b, a[..., None] * db + b[..., None] * da
        b = np.where(np.isfinite(b) & (b != 0.0), b, np.nan)  # 1 / (1 / 0) does not exist, and is not 0
        return a / b, (da - (a / b)[..., None] * db) / b[..., None]


def functional(subject: int | Functional) -> Functional:
    """A column where an index is given, else the functional itself."""
    return ColumnMean(subject) if isinstance(subject, (int, np.integer)) else subject


__getattr__ = earlier(__name__, {"Column": "ColumnMean", "Ratio": "RatioOfMeans", "Formula": "FormulaOfMeans"})
