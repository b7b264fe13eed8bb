"""A look: what belongs to a unit table, and the summary that both make together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from xpbench.data.blocks import Block, Parts, blocks_of
from xpbench.data.engines.embedded import Stages
from xpbench.data.members import findings_of, group_column, grouped, grouped_blocks, measures_in
from xpbench.data.moments import moments_of, rows_of
from xpbench.data.summary import CONCURRENT, Cap, Cell, Finding, Summary, merge_findings
from xpbench.data.sums import ensure_told_apart
from xpbench.errors import DataError, shown
from xpbench.plan import Plan
from xpbench.plan.metrics import MetricBase

if TYPE_CHECKING:
    from xpbench.data.logs.specification import LogSpecification
    from xpbench.data.unit_values import Take


@dataclass(frozen=True, slots=True)
class TableLook:
    """What belongs to a unit table: all of a summary that is not read from the table itself."""

    source: str
    fingerprint: str
    engine: str
    rows: int
    until: int
    first: int
    last: int
    parts: dict[str, Parts]
    scales: dict[str, int]
    findings: tuple[Finding, ...]
    cells: tuple[Cell, ...]
    others: tuple[str, ...] = ()
    sample: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The look as a JSON value."""
        return {
            **{k: getattr(self, k) for k in ("source", "fingerprint", "engine", "rows", "until", "first", "last")},
            "parts": {k: [p.own, p.covariates, p.before] for k, p in self.parts.items()},
            "scales": self.scales,
            "findings": [f.to_dict() for f in self.findings],
            "cells": [c.to_dict() for c in self.cells],
            "others": list(self.others),
            "sample": self.sample,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TableLook:
        """The inverse of `to_dict`."""
        return cls(
            **{k: data[k] for k in ("source", "fingerprint", "engine", "rows", "until", "first", "last")},
            parts={k: Parts(*(tuple((a, b) for a, b in side) for side in p)) for k, p in data["parts"].items()},
            scales=data["scales"],
            findings=tuple(Finding(**f) for f in data["findings"]),
            cells=tuple(Cell.from_dict(c) for c in data["cells"]),
            others=tuple(data.get("others", ())),
            sample=str(data.get("sample", "")),
        )


def summary_of(
    source: LogSpecification,
    plan: Plan,
    look: TableLook,
    units: nw.LazyFrame[Any],
    caps: tuple[Cap, ...],
    stages: Stages,
    take: Take | None,
) -> Summary:
    """Moments from a unit table, with what belongs to it."""
    return _summed(source, plan, look, units, caps, stages, take, list)


def summary_of_groups(
    source: LogSpecification,
    plan: Plan,
    look: TableLook,
    users: nw.LazyFrame[Any],
    caps: tuple[Cap, ...],
    stages: Stages,
    take: Take | None,
) -> Summary:
    """Moments of units from a table of their users, which was read under `members.reading_plan`."""
    from xpbench.data.logs.exposures import MISSING

    blocks = blocks_of(plan, lambda metric: look.parts[metric.key])
    dimensions = source.dimensions(plan) | {name: f"e{i}" for i, name in enumerate(look.others) if "segment" in source.slices}
    days = [column for name, column in dimensions.items() if name == "$day"]
    texts = [column for name, column in dimensions.items() if name != "$day"]
    units, sizes = grouped(
        users, group=group_column(plan), missing=MISSING, measures=measures_in(blocks), texts=texts, days=days
    )
    count = int(rows_of(users.select(n=nw.len()))[0]["n"])
    if not rows_of(units.select(n=nw.len()))[0]["n"]:
        raise DataError("XPB-D38", segment=plan.unit, event=plan.exposure.event)
    more = findings_of(sizes, users=count, variants=[v.key for v in plan.variants])
    look = replace(look, findings=(*look.findings, *more))
    return _summed(source, plan, look, units, caps, stages, take, grouped_blocks)


def _summed(
    source: LogSpecification,
    plan: Plan,
    look: TableLook,
    units: nw.LazyFrame[Any],
    caps: tuple[Cap, ...],
    stages: Stages,
    take: Take | None,
    arranged: Callable[[list[Block]], list[Block]],
) -> Summary:
    def parts_of(metric: MetricBase) -> Parts:
        return look.parts[metric.key]

    variants = [v.key for v in plan.variants]
    dimensions = source.dimensions(plan)
    if "segment" in source.slices:
        dimensions |= {f"{CONCURRENT}{name}": f"e{i}" for i, name in enumerate(look.others)}
    blocks = arranged(blocks_of(plan, parts_of))
    moments = moments_of(
        units,
        blocks,
        variants=variants,
        dimensions=dimensions,
        smallest_slice=plan.data.smallest_segment,
        frozen=caps,
        scales=look.scales,
    )
    n = sum(moments.units.values())
    stages.finish("compute the moments", n)
    findings = list(look.findings)
    empty = {v: 0 for v, k in moments.units.items() if k == 0}
    findings.append(Finding("variant_without_units", len(empty), len(variants), "kept", by_variant=empty))
    for segment, slices in moments.slices.items():
        if not segment.startswith("$"):
            small = [k for k, v in slices.items() if sum(v.values()) < plan.data.smallest_segment]
            findings.append(Finding("small_slices", len(small), len(slices), "not shown", detail=f"Segment {shown(segment)}."))
    ensure_told_apart(moments.cells)
    by_day = {day_of(int(k)): dict(v) for k, v in moments.slices.get("$day", {}).items()}
    out = Summary(
        source=look.source,
        fingerprint=look.fingerprint,
        rows=look.rows,
        units=moments.units,
        cells=(*(with_day(cell) for cell in moments.cells), *look.cells),
        caps=moments.caps,
        findings=merge_findings(findings),
        extremes=moments.extremes,
        exposures_by_day=dict(sorted(by_day.items())),
        segments={s: moments.slices[s] for s in plan.segments if s in moments.slices},
        first_exposure=time_of(look.first),
        last_exposure=time_of(look.last),
        data_until=time_of(look.until),
        engine=look.engine,
        sample=look.sample,
    )
    if take is not None:
        from xpbench.data.unit_values import unit_values  # brings numpy, which moments don't need

        take(unit_values(units, blocks, moments.caps, look.scales))
    stages.finish("write the summary", n)
    return out


def with_day(cell: Cell) -> Cell:
    """A cell of a day with the day as a date."""
    if cell.dimension != "$day":
        return cell
    return replace(cell, slice=day_of(int(cell.slice)))


def day_of(number: int) -> str:
    """The date of a day that is reported in days since 1970."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date().isoformat()


def time_of(us: int) -> str:
    """Microseconds since 1970 as an ISO time in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
