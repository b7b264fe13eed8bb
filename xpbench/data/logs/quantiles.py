"""Quantiles of a property over events, with the variance that follows when events come in clusters of one unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.logs.values import Values, horizon_of
from xpbench.data.moments import rows_of
from xpbench.data.summary import Cell
from xpbench.plan.metrics import Quantile
from xpbench.stats.moments import Moments
from xpbench.stats.quantiles import Ranks, estimate_rank, quantile_moments, ranks

c = nw.col


SEP = "\x1f"


def quantile_cells(
    joined: nw.LazyFrame[Any],
    values: Values,
    metric: Quantile,
    *,
    alpha: float,
    variants: Sequence[str],
    until: int,
    units: nw.LazyFrame[Any],
    dimensions: Mapping[str, str] | None = None,
    smallest_slice: int = 1,
) -> list[Cell]:
    """The quantile for each variant, overall and by slice, with n (units with a value) times the variance of the estimate.

    The variance comes from the values at the ranks that bound the quantile with confidence 1 - alpha; the spread of those
    ranks allows for several values of one unit.

    Args:
        joined: Attributed events.
        values: What is known of the plan's metrics.
        metric: The quantile.
        alpha: The plan's.
        variants: Keys of the variants.
        until: End of the log.
        units: Exposed units.
        dimensions: Column of the units for each dimension.
        smallest_slice: Slices of declared segments with fewer exposed units get no moments.

    Source: Deng, Knoblich, Lu 2018, §4.2.
    """
    keys = values.keys
    number = c(values.properties.numbers[metric.property])
    test = values.counted(metric) & ~number.is_null()
    horizon = horizon_of(metric)
    known = units if horizon is None else units.filter(c("t0") + horizon <= until)
    slices = dimensions or {}
    known = known.select(*dict.fromkeys([*keys, "variant", *slices.values()]))
    found = joined.filter(test).select(*keys, value=number).join(known, on=keys, how="inner")
    if slices:
        found = values.log.keep(found, "measured")
    out = []
    for variant in variants:
        mine = found.filter(c("variant") == variant)
        n = int(rows_of(mine.select(n=nw.len()))[0]["n"])
        if n == 0:
            continue
        rank = estimate_rank(metric.q, n=n)
        (estimate,) = _at(mine, n, [rank])
        flags = mine.select(*keys, low=_one_where(c("value") <= estimate))
        per_unit = flags.group_by(*keys).agg(low=c("low").sum(), n=nw.len())
        sums = rows_of(per_unit.select(**_CLUSTERS))[0]
        bounds = _bounds(metric.q, n, alpha, sums)
        low, high = (estimate, estimate) if bounds is None else _at(mine, n, [bounds.low, bounds.high])
        out.append(_cell(metric.key, variant, int(sums["k"]), estimate, low, high, alpha))
    for dimension, column in slices.items():
        allowed = None
        if not dimension.startswith("$"):
            sizes = rows_of(units.group_by(column).agg(n=nw.len()))
            allowed = {str(r[column]) for r in sizes if int(r["n"]) >= smallest_slice}
        cells = _sliced(found, values, metric, alpha=alpha, column=column)
        out += [
            replace(cell, dimension=dimension)
            for cell in sorted(cells, key=lambda x: (x.slice, list(variants).index(x.variant)))
            if allowed is None or cell.slice in allowed
        ]
    return out


def _sliced(found: nw.LazyFrame[Any], values: Values, metric: Quantile, *, alpha: float, column: str) -> list[Cell]:
    """The quantile of every variant in every slice, in a few passes whatever their number."""
    by = ["variant", column]
    number = c("value").cum_count().over(*by, order_by=["value"])
    group = nw.concat_str(c("variant"), c(column).cast(nw.String), separator=SEP)
    placed = found.with_columns(place=nw.concat_str(group, number.cast(nw.String), separator=SEP))
    placed = values.log.keep(placed, "placed")
    counts = {(r["variant"], r[column]): int(r["n"]) for r in rows_of(found.group_by(*by).agg(n=nw.len()))}

    def at(ranks_of: Mapping[tuple[Any, Any], Sequence[int]]) -> nw.LazyFrame[Any]:
        wanted = sorted({f"{v}{SEP}{s}{SEP}{r}" for (v, s), places in ranks_of.items() for r in places})
        return placed.filter(c("place").is_in(wanted))

    middle = at({g: [estimate_rank(metric.q, n=n)] for g, n in counts.items()})
    middle = values.log.keep(middle.select(*by, estimate=c("value")), "estimates")
    estimates = {(r["variant"], r[column]): float(r["estimate"]) for r in rows_of(middle)}
    flags = placed.join(middle, on=by, how="inner").with_columns(low=_one_where(c("value") <= c("estimate")))
    units = list(dict.fromkeys([*values.keys, *by]))
    per_unit = flags.group_by(*units).agg(low=c("low").sum(), n=nw.len())
    sums = {(r["variant"], r[column]): r for r in rows_of(per_unit.group_by(*by).agg(**_CLUSTERS))}
    bounds = {g: b for g, n in counts.items() if (b := _bounds(metric.q, n, alpha, sums[g])) is not None}
    ends: dict[tuple[Any, Any], list[float]] = {}
    if bounds:
        for r in rows_of(at({g: [b.low, b.high] for g, b in bounds.items()}).select(*by, "value")):
            ends.setdefault((r["variant"], r[column]), []).append(float(r["value"]))
    out = []
    for group_, estimate in estimates.items():
        low, high = min(ends.get(group_, [estimate])), max(ends.get(group_, [estimate]))
        cell = _cell(metric.key, group_[0], int(sums[group_]["k"]), estimate, low, high, alpha)
        out.append(replace(cell, slice=str(group_[1])))
    return out


_CLUSTERS: dict[str, nw.Expr] = {
    "k": nw.len(),
    "a": c("low").sum(),
    "b": c("n").sum(),
    "aa": (c("low") * c("low")).sum(),
    "ab": (c("low") * c("n")).sum(),
    "bb": (c("n") * c("n")).sum(),
}
"""Over units: values at or below the estimate, values, and their squares and product."""


def _one_where(test: nw.Expr) -> nw.Expr:
    return nw.when(test).then(nw.lit(1)).otherwise(nw.lit(0))


def _bounds(q: float, n: int, alpha: float, sums: Mapping[str, Any]) -> Ranks | None:
    """Ranks that bound the quantile; None for a single unit."""
    k, a, b = (int(sums[x]) for x in ("k", "a", "b"))
    if k < 2:
        return None

    def cov(xy: str, x: int, y: int) -> float:
        return (k * int(sums[xy]) - x * y) / (k * (k - 1))

    clusters = Moments.of(k, [a / k, b / k], [[cov("aa", a, a), cov("ab", a, b)], [cov("ab", a, b), cov("bb", b, b)]])
    return ranks(q, n=n, alpha=alpha, clusters=clusters)


def _cell(metric: str, variant: str, k: int, estimate: float, low: float, high: float, alpha: float) -> Cell:
    if k < 2:
        return Cell(metric, variant, "value", ("value",), k, (estimate,), ((0.0,),))
    moments = quantile_moments(estimate=estimate, low=low, high=high, alpha=alpha, n=k)
    return Cell(metric, variant, "value", ("value",), k, (float(moments.mean[0]),), ((float(moments.cov[0, 0]),),))


def _at(frame: nw.LazyFrame[Any], n: int, wanted: Sequence[int]) -> list[float]:
    """Values at ranks (from 1): the exact percentile at (rank - 1) / (n - 1)."""
    if n == 1:
        return [float(rows_of(frame.select(v=c("value").max()))[0]["v"])] * len(wanted)
    row = rows_of(
        frame.select(**{f"q{i}": c("value").quantile((r - 1) / (n - 1), interpolation="linear") for i, r in enumerate(wanted)})
    )[0]
    return [float(row[f"q{i}"]) for i in range(len(wanted))]
