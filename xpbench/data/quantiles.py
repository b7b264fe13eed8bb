"""Quantiles of a property over events, with the variance that follows when events come in clusters of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.moments import rows_of
from xpbench.data.summary import Cell
from xpbench.data.values import Values, fits, horizon_of
from xpbench.plan.metrics import Quantile
from xpbench.stats.moments import Moments
from xpbench.stats.quantiles import estimate_rank, quantile_moments, ranks

c = nw.col


def quantile_cells(
    joined: nw.LazyFrame[Any],
    values: Values,
    metric: Quantile,
    *,
    alpha: float,
    variants: Sequence[str],
    until: int,
    units: nw.LazyFrame[Any],
) -> list[Cell]:
    """The quantile for each variant, with n (units with a value) times the variance of the estimate.

    The variance comes from the values at the ranks that bound the quantile with confidence 1 - alpha; the spread of those
    ranks allows for several values of one unit.

    Source: Deng, Knoblich, Lu 2018, §4.2.
    """
    keys = values.keys
    number = c(values.properties.numbers[metric.property])
    test = values.named(metric.event) & values.after(metric) & ~number.is_null()
    more = fits(metric.where, values.properties)
    test = test if more is None else test & more
    horizon = horizon_of(metric)
    known = units if horizon is None else units.filter(c("t0") + horizon <= until)
    found = joined.filter(test).select(*keys, value=number).join(known.select("u", "variant"), on=keys, how="inner")
    if "variant" not in found.collect_schema().names():  # pragma: no cover - the join always brings it
        return []
    out = []
    for variant in variants:
        mine = found.filter(c("variant") == variant)
        n = int(rows_of(mine.select(n=nw.len()))[0]["n"])
        if n == 0:
            continue
        rank = estimate_rank(metric.q, n=n)
        (estimate,) = _at(mine, n, [rank])
        flags = mine.select(*keys, low=nw.when(c("value") <= estimate).then(nw.lit(1)).otherwise(nw.lit(0)))
        per_unit = flags.group_by(*keys).agg(low=c("low").sum(), n=nw.len())
        sums = rows_of(
            per_unit.select(
                k=nw.len(),
                a=c("low").sum(),
                b=c("n").sum(),
                aa=(c("low") * c("low")).sum(),
                ab=(c("low") * c("n")).sum(),
                bb=(c("n") * c("n")).sum(),
            )
        )[0]
        k, a, b = (int(sums[x]) for x in ("k", "a", "b"))
        if k < 2:
            out.append(Cell(metric.key, variant, "value", ("value",), k, (estimate,), ((0.0,),)))
            continue

        def cov(xy: str, x: int, y: int, k: int = k, sums: dict[str, Any] = sums) -> float:
            return (k * int(sums[xy]) - x * y) / (k * (k - 1))

        clusters = Moments.of(k, [a / k, b / k], [[cov("aa", a, a), cov("ab", a, b)], [cov("ab", a, b), cov("bb", b, b)]])
        bounds = ranks(metric.q, n=n, alpha=alpha, clusters=clusters)
        low, high = _at(mine, n, [bounds.low, bounds.high])
        moments = quantile_moments(estimate=estimate, low=low, high=high, alpha=alpha, n=k)
        out.append(Cell(metric.key, variant, "value", ("value",), k, (float(moments.mean[0]),), ((float(moments.cov[0, 0]),),)))
    return out


def _at(frame: nw.LazyFrame[Any], n: int, wanted: Sequence[int]) -> list[float]:
    """Values at ranks (from 1): the exact percentile at (rank - 1) / (n - 1)."""
    if n == 1:
        return [float(rows_of(frame.select(v=c("value").max()))[0]["v"])] * len(wanted)
    row = rows_of(
        frame.select(**{f"q{i}": c("value").quantile((r - 1) / (n - 1), interpolation="linear") for i, r in enumerate(wanted)})
    )[0]
    return [float(row[f"q{i}"]) for i in range(len(wanted))]
