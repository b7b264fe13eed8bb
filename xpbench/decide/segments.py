"""Results by declared segment: corrected along their own axis, with a test of whether the effect differs at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scipy.special import chdtrc

from xpbench.data.summary import Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.row import Row
from xpbench.plan import Plan
from xpbench.plan.methods import MATCHED
from xpbench.stats.multiplicity import bh, interval_alpha


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One dimension of the plan's segments.

    Attributes:
        dimension: Property or column.
        is_declared: It stands in the registered plan; otherwise it is exploratory.
        slices: Rows by value of the dimension, in order of size.
        interaction: p-value by metric and variant that the effect is the same in all slices.
        hidden: Values with too few units to be shown.
    """

    dimension: str
    is_declared: bool
    slices: Mapping[str, tuple[Row, ...]]
    interaction: Mapping[str, float | None]
    hidden: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "dimension": self.dimension,
            "is_declared": self.is_declared,
            "slices": {k: [r.to_dict() for r in v] for k, v in self.slices.items()},
            "interaction": dict(self.interaction),
            "hidden": self.hidden,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SegmentResult:
        """The inverse of `to_dict`."""
        slices = {k: tuple(Row.from_dict(r) for r in v) for k, v in data["slices"].items()}
        return cls(data["dimension"], data["is_declared"], slices, data["interaction"], data["hidden"])


def segment_results(plan: Plan, summary: Summary) -> tuple[SegmentResult, ...]:
    """Rows for every slice of every segment that was read, Benjamini–Hochberg-corrected over slices within each metric.

    Slices with fewer units than the plan's `smallest_segment` in any variant are counted and not shown.
    """
    out = []
    for dimension, values in summary.segments.items():
        shown: dict[str, tuple[Row, ...]] = {}
        hidden = 0
        for value, units in sorted(values.items(), key=lambda item: (-sum(item[1].values()), item[0])):
            if min((units.get(v.key, 0) for v in plan.variants), default=0) < plan.data.smallest_segment:
                hidden += 1
                continue
            shown[value] = analyse(plan, summary, dimension=dimension, slice=value)
        if plan.methods >= MATCHED:
            levels = _levels(plan, shown)
            shown = {v: analyse(plan, summary, dimension=dimension, slice=v, levels=levels) for v in shown}
        out.append(SegmentResult(dimension, dimension in plan.segments, _corrected(plan, shown), _interaction(shown), hidden))
    return tuple(out)


def _levels(plan: Plan, slices: Mapping[str, tuple[Row, ...]]) -> dict[tuple[str, str], float]:
    """Level of the intervals of each metric and variant: an interval excludes zero exactly when its slice is a discovery.

    A guardrail keeps the level at which it is held to its margin.

    Source: Benjamini and Yekutieli 2005, false coverage-statement rate.
    """
    out = {}
    for rows in zip(*slices.values(), strict=True):
        adjusted = bh([math.nan if r.p_value is None else r.p_value for r in rows])
        known = [p for p in adjusted if not math.isnan(p)]
        if known and rows[0].role != "guardrail":
            found = sum(bool(p <= plan.alpha) for p in known)
            out[rows[0].metric, rows[0].variant] = interval_alpha(alpha=plan.alpha, method="bh", rejected=found, of=len(known))
    return out


def _corrected(plan: Plan, slices: dict[str, tuple[Row, ...]]) -> dict[str, tuple[Row, ...]]:
    if not slices:
        return {}
    names = list(slices)
    columns = []
    for rows in zip(*slices.values(), strict=True):
        adjusted = bh([math.nan if r.p_value is None else r.p_value for r in rows])
        columns.append(
            [
                replace(
                    row,
                    p_adjusted=None if math.isnan(p) else float(p),
                    verdict=row.verdict if not math.isnan(p) and p <= plan.alpha else "unclear",
                    sensitivity=(),
                )
                for row, p in zip(rows, adjusted, strict=True)
            ]
        )
    return {name: tuple(column[i] for column in columns) for i, name in enumerate(names)}


def _interaction(slices: Mapping[str, tuple[Row, ...]]) -> dict[str, float | None]:
    """Cochran's Q over the effects of the slices: Q = Σ w (d − d̄)², w = 1 / se², chi-squared with one df less.

    Source: Cochran 1954, "The combination of estimates from different experiments".
    """
    out: dict[str, float | None] = {}
    for rows in zip(*slices.values(), strict=True):
        known = [(r.effect, r.se) for r in rows if r.effect is not None and r.se]
        key = f"{rows[0].metric}:{rows[0].variant}"
        if len(known) < 2:
            out[key] = None
            continue
        weights = [1.0 / (se * se) for _, se in known]
        mean = sum(w * d for w, (d, _) in zip(weights, known, strict=True)) / sum(weights)
        q = sum(w * (d - mean) ** 2 for w, (d, _) in zip(weights, known, strict=True))
        out[key] = float(chdtrc(len(known) - 1, q))
    return out
