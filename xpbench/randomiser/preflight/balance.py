"""Balance of metrics from before the experiment: an A/A test on history, before a single unit is exposed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import chdtrc, stdtr

from xpbench.errors import AssignError, DataError, nearest, plain
from xpbench.meaning.nothing import is_nothing
from xpbench.meaning.numbers import CODES, number_of_text, rule_of_texts
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


@dataclass(frozen=True, slots=True)
class Categories:
    """One column of text of the history.

    Attributes:
        codes: Position in `labels` for each id, -1 where there is no value.
        labels: The values.
    """

    codes: NDArray[np.int64]
    labels: tuple[str, ...]


MOST_CATEGORIES = 50
"""Values of a text column up to which it is a category; with more it is a name."""


def category_columns(history: Any, ids: UnitIds, key: str) -> dict[str, Categories]:
    """The text columns of a history that are categories, such as country or the arm of another tool; one value per id."""
    columns, rows = _aligned(history, ids, key)
    out: dict[str, Categories] = {}
    for name, column in columns.items():
        if not _is_text(column.type):
            continue
        encoded = pc.dictionary_encode(column.cast(pa.string()))
        whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) and whole.num_chunks else whole
        labels = tuple(str(v) for v in whole.dictionary.to_pylist())
        if not 2 <= len(labels) <= MOST_CATEGORIES:
            continue
        codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        out[name] = Categories(codes if rows is None else np.append(codes, -1)[rows], labels)
    return out


def association_of(categories: Categories, codes: NDArray[np.int16], k: int) -> tuple[float, float, NDArray[np.int64]]:
    """Pearson's test of a category against the variant: p, Cramér's V, and the table of counts.

    Args:
        categories: Of the units.
        codes: Variant of each unit, -1 where it has none.
        k: Number of variants.

    Returns:
        NaN for p and V where a variant or all but one value has no units.
    """
    known = (codes >= 0) & (categories.codes >= 0)
    table = np.zeros((k, len(categories.labels)), np.int64)
    np.add.at(table, (codes[known], categories.codes[known]), 1)
    used = table[np.ix_(table.sum(axis=1) > 0, table.sum(axis=0) > 0)]
    if min(used.shape) < 2:
        return math.nan, math.nan, table
    n = used.sum()
    expected = np.outer(used.sum(axis=1), used.sum(axis=0)) / n
    statistic = float(((used - expected) ** 2 / expected).sum())
    df = (used.shape[0] - 1) * (used.shape[1] - 1)
    return float(chdtrc(df, statistic)), math.sqrt(statistic / (n * (min(used.shape) - 1))), table


def history_columns(
    history: Any, ids: UnitIds, key: str, *, categories: bool = False, codes: Sequence[float] | None = ()
) -> dict[str, Floats]:
    """The numeric columns of a history, one value per id; NaN where a unit has none.

    Args:
        history: Frame with a column named like the assignment key and columns of numbers, dates or times; or without such a
            column, one row per id in the same order; or a mapping of columns in the order of the ids.
        ids: The ids.
        key: Name of the assignment key.
        categories: A history of categories alone will do.
        codes: Numbers that stand for missing ones; None where nobody has said whether there are any.

    Raises:
        AssignError: `XPB-A13`, no numeric column; `XPB-A15`, another number of rows; `XPB-A20`, a unit on several rows.
        DataError: `XPB-D11`, numbers that look like codes for missing ones, and nobody has said what they are.
    """
    columns, rows = _aligned(history, ids, key)
    numeric = {k: _without_codes(k, _floats(v), codes) for k, v in columns.items() if _is_number(v.type)}
    numeric |= {f"{k} (days since 1970)": _floats(_days(v)) for k, v in columns.items() if _is_day(v.type)}
    if not numeric and not (categories and category_columns(history, ids, key)):
        raise AssignError(
            "XPB-A13",
            value="a metric",
            owner=plain("the history"),
            rule=plain("It has one numeric column per metric from before the experiment"),
            hint=plain(nearest("", columns)),
        )
    if rows is None:
        return numeric
    return {name: np.append(values, math.nan)[rows] for name, values in numeric.items()}


def _aligned(history: Any, ids: UnitIds, key: str) -> tuple[dict[str, Any], NDArray[np.int64] | None]:
    """The columns of a history, and the row of each id (-1 for none); None where rows are in the order of the ids."""
    frame = nw.from_native(history, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        columns = {name: frame[name].to_arrow() for name in frame.columns}
    else:
        columns = {name: pa.array(values, from_pandas=True) for name, values in dict(history).items()}
    listed = columns.pop(key, None)
    columns = {name: _as_numbers(column) for name, column in columns.items()}
    if listed is None:
        for name, column in columns.items():
            if len(column) != len(ids):
                raise AssignError("XPB-A15", count=plain(f"{len(ids):,}"), owner=plain(f"history {name}"), value=len(column))
        return columns, None
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
    return columns, pc.fill_null(at, -1).to_numpy().astype(np.int64)


def _as_numbers(column: Any) -> Any:
    """A column of text whose values are numbers by one rule, as numbers; any other as it is."""
    if not _is_text(column.type):
        return column
    texts = column.cast(pa.string()).to_pylist()
    there = list(dict.fromkeys(t for t in texts if t is not None and not is_nothing(t)))
    if not there:
        return column
    if all(number_of_text(t) is not None for t in there):
        read = {t: number_of_text(t) for t in there}
    elif len(there) > 1 and (rule := rule_of_texts(there)) is not None:
        read = {t: rule.of(t) for t in there}
    else:
        return column
    return pa.array([None if t is None else read.get(t) for t in texts], pa.float64())


def _without_codes(name: str, values: Floats, codes: Sequence[float] | None) -> Floats:
    """Values without the numbers that stand for missing ones.

    Raises:
        DataError: `XPB-D11`, some look so, and nobody has said what they are.
    """
    if codes is not None:
        return np.where(np.isin(values, list(codes)), math.nan, values) if len(codes) else values
    met = np.isin(values, CODES)
    count = int(met.sum())
    if count and (count == int((values < 0).sum()) or count > max(10, len(values) // 100)):
        raise DataError("XPB-D11", column=name, value=plain(f"{values[met].max():g}"), count=plain(f"{count:,}"))
    return values


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
    )


def _is_day(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _days(column: Any) -> Any:
    """A column of dates or times as days since 1970: whoever signed up earlier is a metric like any other."""
    return pc.divide(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 86_400e6)


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
