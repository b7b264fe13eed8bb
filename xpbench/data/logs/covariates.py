"""Covariates beyond a metric's own past: other metrics' past, and the values of segments (post-stratification)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import PAST, STRATUM
from xpbench.data.logs.log import Log
from xpbench.data.logs.values import Measures
from xpbench.data.moments import rows_of
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric

MOST_STRATA = 12
"""Values of one segment that are told apart, the largest; the others are one stratum."""
LEAST_UNITS = 30
"""Units that a stratum has at least: a smaller one predicts nothing."""

c = nw.col


def with_covariates(log: Log, table: nw.LazyFrame[Any], plan: Plan, measures: Measures) -> nw.LazyFrame[Any]:
    """The unit table with a column of zeros and ones for each stratum, and `measures.parts` with what metrics use of it.

    The largest value of a segment has no column: it is what the others are compared with.

    Args:
        log: Where frames are computed.
        table: The unit table, with s0, s1, … for the plan's segments.
        plan: Its event metrics name `past_of` and `strata`.
        measures: Of the unit table; its parts are extended.
    """
    metrics = [m for m in plan.metrics if isinstance(m, EventMetric) and m.cuped]
    wanted = [s for s in plan.segments if any(s in (m.strata or ()) for m in metrics)]
    strata: dict[str, list[tuple[str, str]]] = {}
    columns: dict[str, nw.Expr] = {}
    if wanted:
        table = log.keep(table, "with_strata", near="u")
    for segment in wanted:
        place = list(plan.segments).index(segment)
        rows = rows_of(table.group_by(f"s{place}").agg(n=nw.len()))
        sizes = sorted(((int(r["n"]), str(r[f"s{place}"])) for r in rows), key=lambda pair: (-pair[0], pair[1]))
        for k, (_, value) in enumerate(x for x in sizes[1 : MOST_STRATA + 1] if x[0] >= LEAST_UNITS):
            name = f"is{place}_{k}"
            columns[name] = nw.when(c(f"s{place}") == value).then(nw.lit(1)).otherwise(nw.lit(0))
            strata.setdefault(segment, []).append((f"{STRATUM}{segment}.{value}", name))
    for metric in metrics:
        own = measures.parts.get(metric.key)
        if own is None:
            continue
        more: list[tuple[str, str]] = []
        for key in metric.past_of or ():
            past = [x for x in measures.parts[key].covariates if x[0].startswith("before")]
            more += [(f"{PAST}{key}{label.removeprefix('before')}", measure) for label, measure in past]
        for segment in metric.strata or ():
            more += strata.get(segment, [])
        there = {measure for _, measure in own.covariates}
        more = [x for x in more if x[1] not in there]
        measures.parts[metric.key] = replace(own, covariates=(*own.covariates, *more))
    return table.with_columns(**columns) if columns else table
