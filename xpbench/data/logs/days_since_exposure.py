"""Moments by days since exposure: how an effect starts, fades or grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import leaves
from xpbench.data.logs.log import DAY, MONEY_DIGITS
from xpbench.data.logs.values import Amount, Values, events_of, fits, window_of
from xpbench.data.moments import rows_of
from xpbench.data.summary import Cell
from xpbench.data.sums import exact, moments_from, pieces, products
from xpbench.plan import Plan
from xpbench.plan.metrics import Conversion, Count, EventMetric, Formula, Mean, MetricBase, Ratio, Sessions, Sum

c = nw.col

DAILY = (Conversion, Count, Sum, Mean, Sessions)
"""Kinds that have a value for each day; a funnel, a retention or a quantile is not a sum over days."""


@dataclass(slots=True)
class _Daily:
    """What is added up for each unit and day.

    Attributes:
        sums: Expression of each measure, or of each of its pieces.
        later: Expression of a measure over the sums of its pieces.
        counts: Column with a count of events, by what it counts.
        measures: For each measure, what it was multiplied by, and whether it is whole.
        columns: Measures by label for each metric.
        days: First and last (excluded) day of each metric.
    """

    sums: dict[str, nw.Expr] = field(default_factory=dict)
    later: dict[str, nw.Expr] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=dict)
    measures: dict[str, tuple[int, bool]] = field(default_factory=dict)
    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    days: dict[str, tuple[int, int]] = field(default_factory=dict)


def with_days(plan: Plan) -> list[tuple[MetricBase, list[tuple[str, EventMetric]]]]:
    """The metrics that have a value for each day, with the parts it is made of."""
    out: list[tuple[MetricBase, list[tuple[str, EventMetric]]]] = []
    for metric in plan.metrics:
        parts = leaves(plan, metric)
        if all(isinstance(part, DAILY) for _, part in parts):
            out.append((metric, [(label, part) for label, part in parts if isinstance(part, EventMetric)]))
    return out


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
    """What units did on each full day after their first exposure, without winsorization.

    Day 0 is the first 24 hours. A unit counts on a day that was over for it when the log ended, with 0 where it did nothing. A
    conversion is 1 on a day on which the unit did the event; a session counts on the day on which it began; means, ratios and
    formulas are made of the sums of that day. Amounts that are missing add nothing.
    """
    wanted = with_days(values.plan)
    if not wanted:
        return []
    work = _Daily()
    begun: dict[str, Sessions] = {}
    for i, part in enumerate({part.key: part for _, parts in wanted for _, part in parts}.values()):
        if isinstance(part, Sessions):
            begun[f"a{i}"] = part
        _measure(work, f"a{i}", part, values, amounts, ages=ages)
    for metric, parts in wanted:
        if isinstance(metric, (Ratio, Formula)):
            work.columns[metric.key] = [(label, work.columns[part.key][0][1]) for label, part in parts]
        windows = [window_of(part) for _, part in parts]
        work.days[metric.key] = (max(b for b, _ in windows) // DAY, min(e for _, e in windows) // DAY)
    since = c("d") if values.exposed.plain else c("t") - c("t0")
    # below 2**53 a quotient of whole numbers that is no whole number is not rounded to one
    age = (since / float(DAY)).floor().cast(nw.Int64)
    over = (c("age") < ages) & (c("t0") + (c("age") + 1) * DAY <= until)
    after = joined.filter(c("d") >= 0)
    daily = after.with_columns(age=age, since=since).filter(over).group_by(*values.keys, "age").agg(**work.sums)
    if work.later:
        daily = daily.with_columns(**work.later)
    names = [n for n in work.measures if n not in begun]
    daily = daily.select(*values.keys, "age", *(c(n).cast(nw.Float64) for n in names), **{n: nw.lit(0.0) for n in begun})
    if begun:
        more = []
        for name, metric in begun.items():
            starts = values.session_starts(metric, after, values.after(metric))
            starts = starts.with_columns(age=(c("t") - c("t0")) // DAY).filter(over)
            others = {n: nw.lit(0.0) for n in work.measures if n != name}
            counted = starts.group_by(*values.keys, "age").agg(nw.len().alias(name))
            counted = counted.select(*values.keys, "age", c(name).cast(nw.Float64), **others)
            more.append(counted.select(*values.keys, "age", *names, *begun))
        daily = nw.concat([daily, *more]).group_by(*values.keys, "age").agg(*(c(n).sum() for n in work.measures))
    return _cells(
        values.log.keep(daily, "daily", near="u"), work, values, ages=ages, until=until, units=units, variants=variants
    )


def _measure(work: _Daily, name: str, part: EventMetric, values: Values, amounts: Mapping[str, Amount], *, ages: int) -> None:
    """Add the sums of one metric that has a value of its own; metrics that count the same share them."""
    if isinstance(part, Sessions):
        work.measures[name] = (1, True)
        work.columns[part.key] = [("value", name)]
        return
    begin, end = window_of(part)
    (event,) = events_of(part) or {""}
    test = values.named(event)
    test = test & (c("since") >= begin) if begin else test
    test = test & (c("since") < end) if end < ages * DAY else test
    more = fits(part.where, values.properties)
    test = test if more is None else test & more
    if not isinstance(part, (Sum, Mean)):
        key = repr((event, part.where, begin, end))
        counted = work.counts.setdefault(key, f"{name}_k")
        work.sums.setdefault(counted, nw.when(test).then(nw.lit(1)).otherwise(None).count())
        done = nw.when(c(counted) > 0).then(nw.lit(1)).otherwise(nw.lit(0))
        work.later[name] = c(counted) if isinstance(part, Count) else done
        work.measures[name] = (1, True)
        work.columns[part.key] = [("value", name)]
        return
    amount = amounts[part.key]
    value = c(values.properties.numbers[part.property])
    if amount.money:
        whole = (value * float(10**MONEY_DIGITS)).round(0).cast(nw.Int64)
        work.sums[name] = nw.when(test).then(whole).otherwise(nw.lit(0)).sum()
        work.measures[name] = (10**MONEY_DIGITS, True)
    else:
        term = nw.when(test).then(value).otherwise(nw.lit(0.0))
        parts = pieces(term, bound=amount.bound, rows=max(amount.events, 1), integral=False)
        work.sums |= {f"{name}_{k}": p.sum() for k, p in enumerate(parts)}
        work.later[name] = reduce(lambda a, b: a + b, (c(f"{name}_{k}").fill_null(0.0) for k in range(len(parts))))
        work.measures[name] = (1, False)
    if isinstance(part, Mean):
        present = nw.when(test & ~value.is_null()).then(nw.lit(1)).otherwise(nw.lit(0))
        work.sums[f"{name}n"] = present.sum()
        work.measures[f"{name}n"] = (1, True)
        work.columns[part.key] = [("numerator", name), ("denominator", f"{name}n")]
    else:
        work.columns[part.key] = [("value", name)]


def _cells(
    daily: nw.LazyFrame[Any],
    work: _Daily,
    values: Values,
    *,
    ages: int,
    until: int,
    units: nw.LazyFrame[Any],
    variants: Sequence[str],
) -> list[Cell]:
    """Moments from the days on which units did something; on all others they have zeros, which add nothing."""
    names = list(work.measures)
    top = rows_of(daily.select(rows=nw.len(), **{n: nw.max_horizontal(c(n), -c(n)).max() for n in names}))[0]
    rows = max(int(top["rows"]), 1)
    bound = {n: float(top[n] or 0.0) for n in names}
    sums: dict[str, nw.Expr] = {}
    weights: dict[str, list[float]] = {}
    for n in names:
        first = pieces(c(n), bound=bound[n], rows=rows, integral=work.measures[n][1])
        sums |= {f"s_{n}_{k}": e.sum() for k, e in enumerate(first)}
        weights[f"s_{n}"] = [1.0] * len(first)
    for columns in work.columns.values():
        for i, (_, a) in enumerate(columns):
            for _, b in columns[i:]:
                pair = "p_" + "_".join(sorted((a, b)))
                if pair in weights:
                    continue
                integral = work.measures[a][1] and work.measures[b][1]
                found = products(c(a), c(b), bounds=(bound[a], bound[b]), rows=rows, integral=integral)
                sums |= {f"{pair}_{k}": e.sum() for k, (_, e) in enumerate(found)}
                weights[pair] = [w for w, _ in found]
    active = daily.join(units.select(*dict.fromkeys([*values.keys, "variant"])), on=values.keys, how="inner")
    by_day = {(r["variant"], int(r["age"])): r for r in rows_of(active.group_by("variant", "age").agg(**sums))}
    over = {f"n{k}": nw.when(c("t0") + (k + 1) * DAY <= until).then(nw.lit(1)).otherwise(nw.lit(0)).sum() for k in range(ages)}
    seen = {r["variant"]: r for r in rows_of(units.group_by("variant").agg(**over))}

    def total(row: Mapping[str, Any] | None, name: str) -> Fraction:
        if row is None:
            return Fraction(0)
        return exact([row[f"{name}_{k}"] for k in range(len(weights[name]))], weights[name])

    cells = []
    for key, (begin, end) in work.days.items():
        labels, measures = zip(*work.columns[key], strict=True)
        scales = [work.measures[m][0] for m in measures]
        for age in range(begin, min(ages, end)):
            for variant in variants:
                k = int(seen[variant][f"n{age}"]) if variant in seen else 0
                if k == 0:
                    continue
                row = by_day.get((variant, age))
                second = {
                    (i, j): total(row, "p_" + "_".join(sorted((measures[i], measures[j]))))
                    for i in range(len(measures))
                    for j in range(i, len(measures))
                }
                sums_of_one = [total(row, f"s_{m}") for m in measures]
                mean, cov = moments_from(k, sums_of_one, second, [0.0] * len(measures), scales)
                cells.append(Cell(key, variant, "value", tuple(labels), k, mean, cov, "$age", str(age)))
    return cells
