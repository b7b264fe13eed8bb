"""Concurrent experiments: which variant of other experiments in the same log the exposed units met."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.logs.log import Log, LogProperties
from xpbench.data.moments import rows_of
from xpbench.data.summary import NOT_MET
from xpbench.plan import Plan

MOST = 3
"""Other experiments that get moments: those with most units in common."""

LEAST_SHARE = 0.01
"""Share of the units that must have met another experiment for it to count."""

LEAST_UNITS = 200

c = nw.col


def with_concurrent(
    log: Log, table: nw.LazyFrame[Any], units: nw.LazyFrame[Any], plan: Plan, properties: LogProperties
) -> tuple[nw.LazyFrame[Any], tuple[str, ...]]:
    """The unit table with a column `e0`, `e1`, … for each other experiment, and the names of these experiments.

    A unit that met no variant of the other experiment, or several of them, has `(not met)`.

    Args:
        log: With exposures of other experiments, one event each (format `separate`).
        table: The unit table.
        units: Exposed units: u.
        plan: Its exposure says how exposures are written.
        properties: Where they stand.
    """
    exposure = plan.exposure
    if exposure.format != "separate":
        return table, ()
    name, variant = (c(properties.texts[p]) for p in (exposure.experiment_property, exposure.variant_property))
    others = log.frame().filter(
        c("event") == exposure.event, ~c("u").is_null(), ~name.is_null(), name != plan.experiment_name, ~variant.is_null()
    )
    met = others.select("u", name=name, v=variant).join(units.select("u"), on="u", how="semi")
    met = log.keep(met.group_by("u", "name").agg(low=c("v").min(), high=c("v").max()), "concurrent", near="u")
    met = met.filter(c("low") == c("high"))
    sizes = {r["name"]: int(r["n"]) for r in rows_of(met.group_by("name").agg(n=nw.len()))}
    if not sizes:
        return table, ()
    total = int(rows_of(units.select(n=nw.len()))[0]["n"])
    known = sorted((n for n, k in sizes.items() if k >= max(LEAST_UNITS, LEAST_SHARE * total)), key=lambda n: (-sizes[n], n))
    names = tuple(known[:MOST])
    for i, other in enumerate(names):
        own = met.filter(c("name") == other).select("u", **{f"e{i}": c("low")})
        table = table.join(own, on="u", how="left")
    if names:
        table = table.with_columns(*(c(f"e{i}").fill_null(NOT_MET).alias(f"e{i}") for i in range(len(names))))
    return table, names
