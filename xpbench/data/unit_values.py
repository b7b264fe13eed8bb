"""The values of the units, without ids and variants: what re-randomising needs, taken along while a summary is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpbench.data.blocks import Block, BlockColumn
from xpbench.data.summary import Cap
from xpbench.data.tables.batches import numbers

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

Floats = NDArray[np.float64]
UnitValues = Mapping[str, tuple[tuple[str, ...], Floats]]
"""By metric: names of its own columns, and a row per unit that has all of them; winsorized as the plan says."""

Take = Callable[[UnitValues], None]

MOST_UNITS = 1_000_000
"""Above this nothing is taken: the normal approximation, which re-randomising checks, has long been reached."""


def unit_values(
    frame: nw.LazyFrame[Any] | nw.DataFrame[Any],
    blocks: Sequence[Block],
    caps: Iterable[Cap],
    scales: Mapping[str, int] | None = None,
) -> UnitValues:
    """Values of every metric with moments; empty where the engine is not this machine's, or units are too many.

    Args:
        frame: The unit table.
        blocks: As for `moments_of`.
        caps: Of the summary.
        scales: What measures have been multiplied by.
    """
    import narwhals.stable.v2 as nw  # values that come from the table itself need no engine

    from xpbench.data.moments import rows_of

    lazy = frame.lazy() if isinstance(frame, nw.DataFrame) else frame
    wanted = [b for b in blocks if b.form == "value"]
    measures = sorted({c.measure for b in wanted for c in b.own})
    if not lazy.implementation.is_duckdb() or not measures or rows_of(lazy.select(n=nw.len()))[0]["n"] > MOST_UNITS:
        return {}
    scale = scales or {}
    table = lazy.select(*(nw.col(m).cast(nw.Float64) / float(scale.get(m, 1)) for m in measures))
    got = table.collect("pyarrow").to_native()
    return values_of({m: numbers(got.column(m).combine_chunks()) for m in measures}, blocks, caps)


def values_of(columns: Mapping[str, Floats], blocks: Sequence[Block], caps: Iterable[Cap]) -> UnitValues:
    """Values of every metric with moments from the columns of its measures, NaN where a unit has none.

    The order of rows is none of the unit table's business, so that units are sorted by their values before anything random
    touches them.

    Args:
        columns: By measure, one number per unit.
        blocks: As for `moments_of`.
        caps: Of the summary.
    """
    limits = {(c.metric, c.column): c for c in caps}
    out = {}
    for block in blocks:
        if block.form != "value":
            continue
        values = np.column_stack([_capped(columns[c.measure], c, limits.get((c.owner, c.cap_name))) for c in block.own])
        known = values[np.isfinite(values).all(axis=1)]
        if len(known):
            known = np.sort(known, axis=0) if known.shape[1] == 1 else known[np.lexsort(known.T[::-1])]
            out[block.metric] = (tuple(c.label for c in block.own), known)
    return out


def _capped(values: Floats, column: BlockColumn, cap: Cap | None) -> Floats:
    """As `moments_of` caps: both sides, zeros left alone where only values that are not zero are capped."""
    values = np.asarray(values, dtype=np.float64)
    if cap is None or column.winsorize is None:
        return values
    out = np.clip(values, -np.inf if cap.lower is None else cap.lower, np.inf if cap.upper is None else cap.upper)
    return np.where(values == 0.0, values, out) if column.winsorize.over == "nonzero" else out
