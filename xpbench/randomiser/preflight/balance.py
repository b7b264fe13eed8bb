"""Balance of metrics from before the experiment: an A/A test on history, before a single unit is exposed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import stdtr

from xpbench.errors import AssignError, nearest, plain
from xpbench.randomiser.ids import UnitIds

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Balance:
    """One metric of history, one variant against the first.

    Attributes:
        metric: Column of the history.
        variant: Key of the variant.
        n_reference: Units of the reference variant with a value.
        n: Units of this variant with a value.
        mean_reference: Mean of the reference variant, in metric units.
        mean: Mean of this variant, in metric units.
        standardised: Difference in standard deviations of both pooled.
        p_value: Welch's two-sided test; NaN without variance or with fewer than two units.
    """

    metric: str
    variant: str
    n_reference: int
    n: int
    mean_reference: float
    mean: float
    standardised: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; what is not finite becomes None."""
        return {
            k: (None if isinstance(v, float) and not math.isfinite(v) else v)
            for k, v in ((name, getattr(self, name)) for name in self.__slots__)
        }


def history_columns(history: Any, ids: UnitIds, key: str) -> dict[str, Floats]:
    """The numeric columns of a history, one value per id; NaN where a unit has none.

    Args:
        history: Frame with a column named like the assignment key and numeric columns; or without such a column, one row
            per id in the same order; or a mapping of columns in the order of the ids.
        ids: The ids.
        key: Name of the assignment key.

    Raises:
        AssignError: `XPB-A13`, no numeric column; `XPB-A15`, another number of rows; `XPB-A20`, a unit on several rows.
    """
    frame = nw.from_native(history, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        columns = {name: frame[name].to_arrow() for name in frame.columns}
    else:
        columns = {name: pa.array(values, from_pandas=True) for name, values in dict(history).items()}
    listed = columns.pop(key, None)
    numeric = {k: v for k, v in columns.items() if _is_number(v.type)}
    if not numeric:
        raise AssignError(
            "XPB-A13",
            value="a metric",
            owner=plain("the history"),
            rule=plain("It has one numeric column per metric from before the experiment"),
            hint=plain(nearest("", columns)),
        )
    if listed is None:
        for name, column in numeric.items():
            if len(column) != len(ids):
                raise AssignError("XPB-A15", count=plain(f"{len(ids):,}"), owner=plain(f"history {name}"), value=len(column))
        return {name: _floats(column) for name, column in numeric.items()}
    known = UnitIds(listed).text().combine_chunks()
    if pc.count_distinct(known).as_py() < len(known) - known.null_count:
        raise AssignError(
            "XPB-A20",
            name="history",
            value=plain("a table with units on several rows"),
            rule=plain("Balance needs one row per unit"),
            remedy=plain("Aggregate it first"),
        )
    at = pc.index_in(ids.text(), value_set=known)
    rows = pc.fill_null(at, -1).to_numpy().astype(np.int64)
    return {name: np.append(_floats(column), math.nan)[rows] for name, column in numeric.items()}


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
    )


def _floats(column: Any) -> Floats:
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    out: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(out), out, math.nan)


def balance(values: Floats, codes: NDArray[np.int16], keys: tuple[str, ...], *, metric: str, reference: int) -> list[Balance]:
    """Each variant against the reference variant on one metric of history.

    Source: Welch 1947. Checked against scipy.stats.ttest_ind.
    """
    known = np.isfinite(values)
    parts = [values[known & (codes == i)] for i in range(len(keys))]
    base = parts[reference]
    out = []
    for i, part in enumerate(parts):
        if i == reference:
            continue
        n0, n1 = len(base), len(part)
        if n0 < 2 or n1 < 2:
            out.append(Balance(metric, keys[i], n0, n1, _mean(base), _mean(part), math.nan, math.nan))
            continue
        v0, v1 = float(base.var(ddof=1)), float(part.var(ddof=1))
        difference = _mean(part) - _mean(base)
        pooled = math.sqrt(((n0 - 1) * v0 + (n1 - 1) * v1) / (n0 + n1 - 2))
        se2 = v0 / n0 + v1 / n1
        p = math.nan
        if se2 > 0:
            df = se2**2 / ((v0 / n0) ** 2 / (n0 - 1) + (v1 / n1) ** 2 / (n1 - 1))
            p = float(2 * stdtr(df, -abs(difference) / math.sqrt(se2)))
        out.append(
            Balance(metric, keys[i], n0, n1, _mean(base), _mean(part), difference / pooled if pooled > 0 else math.nan, p)
        )
    return out


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan
