"""Moments by days since exposure: how an effect starts, fades or grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.log import DAY, MONEY_DIGITS
from xpbench.data.moments import rows_of
from xpbench.data.summary import Cell
from xpbench.data.sums import exact, moments_from, pieces, products
from xpbench.data.values import Amount, Values, events_of, fits, window_of
from xpbench.plan.metrics import Conversion, Count, Sum

c = nw.col


def age_cells(
    joined: nw.LazyFrame[Any],
    values: Values,
    amounts: Mapping[str, Amount],
    *,
    ages: int,
    until: int,
    units: nw.LazyFrame[Any],
    variants: Sequence[str],
) -> list[Cell]:
    """What units did on each full day after their exposure, without winsorization, for conversions, counts and sums.

    Day 0 is the first 24 hours. A unit counts on a day that was over for it when the log ended. A conversion is 1 on a day
    on which the unit did the event.
    """
    metrics = [m for m in values.metrics if isinstance(m, (Conversion, Count, Sum))]
    since = c("d") if values.exposed.plain else c("t") - c("t0")
    # below 2**53 a quotient of whole numbers that is no whole number is not rounded to one
    after = joined.filter(c("d") >= 0).with_columns(age=(since / float(DAY)).floor().cast(nw.Int64), since=since)
    after = after.filter((c("age") < ages) & (c("t0") + (c("age") + 1) * DAY <= until))
    aggregates: dict[str, nw.Expr] = {}
    later: dict[str, nw.Expr] = {}
    counts: dict[str, str] = {}
    bounds: dict[str, tuple[float, bool, int]] = {}
    for i, metric in enumerate(metrics):
        begin, end = window_of(metric)
        (event,) = events_of(metric) or {""}
        test = values.named(event)
        test = test & (c("since") >= begin) if begin else test
        test = test & (c("since") < end) if end < ages * DAY else test
        more = fits(metric.where, values.properties)
        test = test if more is None else test & more
        name = f"a{i}"
        if isinstance(metric, Sum):
            amount = amounts[metric.key]
            value = c(values.properties.numbers[metric.property])
            if amount.money:
                whole = (value * float(10**MONEY_DIGITS)).round(0).cast(nw.Int64)
                aggregates[name] = nw.when(test).then(whole).otherwise(nw.lit(0)).sum()
                bounds[name] = (0.0, True, 10**MONEY_DIGITS)
            else:
                term = nw.when(test).then(value).otherwise(nw.lit(0.0))
                parts = pieces(term, bound=amount.bound, rows=max(amount.events, 1), integral=False)
                aggregates |= {f"{name}_{k}": p.sum() for k, p in enumerate(parts)}
                later[name] = reduce(lambda a, b: a + b, (c(f"{name}_{k}").fill_null(0.0) for k in range(len(parts))))
                bounds[name] = (0.0, False, 1)
        else:
            key = repr((event, metric.where, begin, end))
            counts.setdefault(key, name)
            aggregates.setdefault(counts[key], nw.when(test).then(nw.lit(1)).otherwise(None).count())
            if not isinstance(metric, Count):
                later[name] = nw.when(c(counts[key]) > 0).then(nw.lit(1)).otherwise(nw.lit(0))
            elif counts[key] != name:
                later[name] = c(counts[key])
            bounds[name] = (0.0, True, 1)
    if not metrics:
        return []
    daily = after.group_by(*values.keys, "age").agg(**aggregates)
    if later:
        daily = daily.with_columns(**later)
    names = list(bounds)
    daily = daily.select(*values.keys, "age", *(c(n).cast(nw.Float64) for n in names))
    daily = values.log.keep(daily, "daily")
    top = rows_of(daily.select(rows=nw.len(), **{n: nw.max_horizontal(c(n), -c(n)).max() for n in names}))[0]
    rows = max(int(top["rows"]), 1)
    sums: dict[str, nw.Expr] = {}
    weights: dict[str, list[float]] = {}
    for short in names:
        _, integral, _ = bounds[short]
        bound = float(top[short] or 0.0)
        first = pieces(c(short), bound=bound, rows=rows, integral=integral)
        second = products(c(short), c(short), bounds=(bound, bound), rows=rows, integral=integral)
        sums |= {f"s_{short}_{k}": e.sum() for k, e in enumerate(first)}
        sums |= {f"p_{short}_{k}": e.sum() for k, (_, e) in enumerate(second)}
        weights[f"s_{short}"] = [1.0] * len(first)
        weights[f"p_{short}"] = [w for w, _ in second]
    active = daily.join(units.select("u", "variant"), on=values.keys, how="inner")
    found = {(r["variant"], int(r["age"])): r for r in rows_of(active.group_by("variant", "age").agg(**sums))}
    seen = {
        r["variant"]: r
        for r in rows_of(
            units.group_by("variant").agg(
                **{
                    f"n{k}": nw.when(c("t0") + (k + 1) * DAY <= until).then(nw.lit(1)).otherwise(nw.lit(0)).sum()
                    for k in range(ages)
                }
            )
        )
    }
    cells = []
    for i, metric in enumerate(metrics):
        begin, end = window_of(metric)
        name = f"a{i}"
        scale = bounds[name][2]
        for age in range(begin // DAY, min(ages, end // DAY)):
            for variant in variants:
                n = int(seen[variant][f"n{age}"]) if variant in seen else 0
                if n == 0:
                    continue
                row = found.get((variant, age))
                one, two = (
                    Fraction(0)
                    if row is None
                    else exact(
                        [row[f"{kind}_{name}_{k}"] for k in range(len(weights[f"{kind}_{name}"]))], weights[f"{kind}_{name}"]
                    )
                    for kind in ("s", "p")
                )
                mean, cov = moments_from(n, [one], {(0, 0): two}, [0.0], [scale])
                cells.append(Cell(metric.key, variant, "value", ("value",), n, mean, cov, "$age", str(age)))
    return cells
