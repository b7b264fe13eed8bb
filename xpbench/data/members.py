"""Users inside units that were assigned whole, such as companies: from rows of users to rows of units.

Metrics are means per user. All that their noise needs are two numbers a unit: the sum over its users, and how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import Block, BlockColumn
from xpbench.data.moments import VARIANT, rows_of
from xpbench.data.summary import MEMBERS, TOTAL, Finding
from xpbench.errors import number_of
from xpbench.plan import Plan

MIXED = "(mixed)"
"""Slice of units whose users differ in a segment."""

c = nw.col


def reading_plan(plan: Plan) -> Plan:
    """The plan under which users are read: they are its units, and the unit's id is a segment, the last one."""
    return plan.changed(unit=plan.members, segments=(*plan.segments, plan.unit))


def group_column(plan: Plan) -> str:
    """Column of the unit's id in a table that was read under `reading_plan`."""
    return f"s{len(plan.segments)}"


def count_of(measure: str) -> str:
    """Column with the number of users who have a value of a measure."""
    return f"{measure}_members"


def grouped_blocks(blocks: Sequence[Block]) -> list[Block]:
    """Blocks over units: the total of a metric and its number of users; of a ratio the totals of both."""
    out = []
    for block in blocks:
        first = block.own[0]
        if first.label not in ("value", "numerator"):  # covariates of a table, each compared before by its total in a unit
            out.append(block)
            continue
        own = (
            (BlockColumn(TOTAL, first.measure), BlockColumn("of", block.own[1].measure))
            if len(block.own) == 2 and block.own[0].label == "numerator"
            else (BlockColumn(TOTAL, first.measure), BlockColumn(MEMBERS, count_of(first.measure)))
        )
        out.append(replace(block, own=own))
    return out


def measures_in(blocks: Sequence[Block]) -> list[str]:
    """Measures of users that blocks need."""
    return list(dict.fromkeys(column.measure for b in blocks for column in b.columns))


def grouped(
    users: nw.LazyFrame[Any], *, group: str, missing: str, measures: Sequence[str], texts: Sequence[str], days: Sequence[str]
) -> tuple[nw.LazyFrame[Any], nw.LazyFrame[Any]]:
    """One row per unit with the sums of its users; and next to it how many users and variants each unit has.

    Args:
        users: One row per user: variant, measures, segments, days, and the unit's id.
        group: Column of the unit's id.
        missing: What it holds for users without one, who are left out.
        measures: Columns that are summed; users without a value are neither summed nor counted.
        texts: Columns that stay where all users of a unit agree.
        days: Columns of which the first one stays.
    """
    sums: dict[str, nw.Expr] = {"low_": c(VARIANT).min(), "high_": c(VARIANT).max(), "members_": nw.len()}
    for m in measures:
        sums |= {f"{m}_sum": c(m).sum(), count_of(m): c(m).count()}
    for t in texts:
        sums |= {f"{t}_low": c(t).min(), f"{t}_high": c(t).max()}
    for d in days:
        sums[f"{d}_first"] = c(d).min()
    found = users.filter(c(group) != missing).group_by(group).agg(**sums)
    columns: dict[str, nw.Expr] = {VARIANT: c("low_")}
    for m in measures:
        columns[m] = nw.when(c(count_of(m)) > 0).then(c(f"{m}_sum")).otherwise(None)
        columns[count_of(m)] = c(count_of(m))
    for t in texts:
        columns[t] = nw.when(c(f"{t}_low") == c(f"{t}_high")).then(c(f"{t}_low")).otherwise(nw.lit(MIXED))
    for d in days:
        columns[d] = c(f"{d}_first")
    return found.filter(c("low_") == c("high_")).select(**columns), found.select("low_", "high_", "members_")


def findings_of(sizes: nw.LazyFrame[Any], *, users: int, variants: Iterable[str]) -> list[Finding]:
    """How many users the units have, and how many units met several variants or are not known.

    Args:
        sizes: Second frame of `grouped`.
        users: Rows of users before units were looked for.
        variants: Keys of the variants.
    """
    mixed = c("low_") != c("high_")
    rows = rows_of(
        sizes.with_columns(mixed_=mixed)
        .group_by("mixed_", "low_")
        .agg(n=nw.len(), users=c("members_").sum(), largest=c("members_").max())
    )
    clean = [r for r in rows if not r["mixed_"]]
    total, behind = sum(int(r["n"]) for r in rows), sum(int(r["users"]) for r in rows)
    switched = total - sum(int(r["n"]) for r in clean)
    out = [Finding("users_without_group", users - behind, users, "excluded", detail="Users without the unit's id.")]
    if switched:
        detail = "Units whose users met several variants."
        out.append(Finding("several_variants", switched, total, "excluded", detail=detail))
    by = {v: sum(int(r["users"]) for r in clean if r["low_"] == v) for v in variants}
    largest = max((int(r["largest"]) for r in clean), default=0)
    count = sum(by.values())
    detail = f"{number_of(count, 'user')} in {number_of(total - switched, 'unit')}; the largest has {largest:,}."
    out.append(Finding("users_in_groups", count, users, "summed", by_variant={v: n for v, n in by.items() if n}, detail=detail))
    return out
