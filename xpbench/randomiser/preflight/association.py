"""How strongly two assignments of the same units hang together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc


@dataclass(frozen=True, slots=True)
class Association:
    """Dependence of two assignments.

    Attributes:
        phi: Square root of χ² / n: the phi coefficient of a 2 × 2 table; for larger ones it is the same square root over
            min(rows, columns) − 1 (Cramér's V). 0 = independent, 1 = one tells the other.
        p_value: Of the χ² test of independence; NaN where one of them does not vary.
        n: Units.
        rows, columns: Distinct values that occur on each side.
    """

    phi: float
    p_value: float
    n: int
    rows: int
    columns: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        return {
            "phi": self.phi,
            "p_value": self.p_value if math.isfinite(self.p_value) else None,
            "n": self.n,
            "rows": self.rows,
            "columns": self.columns,
        }


def association(first: NDArray[np.int16], second: NDArray[np.int16]) -> Association:
    """Dependence of two columns of codes (−1 = not assigned, counted as a value of its own).

    Source: Cramér 1946, §21.9. Checked against scipy.stats.contingency.
    """
    a, b = first.astype(np.int64) + 1, second.astype(np.int64) + 1
    k = int(b.max(initial=0)) + 1
    table = np.bincount(a * k + b, minlength=(int(a.max(initial=0)) + 1) * k).reshape(-1, k).astype(np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n = float(table.sum())
    rows, columns = table.shape
    if n == 0 or min(rows, columns) < 2:
        return Association(0.0, math.nan, int(n), rows, columns)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    statistic = float(((table - expected) ** 2 / expected).sum())
    df = (rows - 1) * (columns - 1)
    return Association(
        math.sqrt(statistic / (n * (min(rows, columns) - 1))), float(chdtrc(df, statistic)), int(n), rows, columns
    )
