"""How much of the noise each covariate takes out: alone, and beyond all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xpbench.data.blocks import PAST, STRATUM
from xpbench.data.summary import TOTAL, Cell, Summary
from xpbench.decide.estimate import subject_of
from xpbench.plan import Plan
from xpbench.stats.cuped import adjustment
from xpbench.stats.moments import Moments


@dataclass(frozen=True, slots=True)
class Saved:
    """Share of the variance of one comparison that one source of covariates takes out.

    Attributes:
        metric: Key of the metric.
        variant: Key of the treatment.
        source: `own past`, `past of visits`, `platform`, or the name of a column.
        alone: Share with this source alone.
        more: Share that would be missing without it.
        together: Share with all sources.
    """

    metric: str
    variant: str
    source: str
    alone: float
    more: float
    together: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def source_of(label: str) -> str:
    """Where a covariate comes from, in words."""
    if label.startswith(PAST):
        return f"past of {label.removeprefix(PAST).split('.')[0]}"
    if label.startswith(STRATUM):
        return label.removeprefix(STRATUM).split(".")[0]
    return "own past" if label == "seen" or label.split(".")[0] in ("before", "seen") else label


def variance_saved(plan: Plan, summary: Summary) -> tuple[Saved, ...]:
    """What each source of covariates saves, by metric and treatment; empty where no metric is adjusted.

    Args:
        plan: The plan.
        summary: Moments.
    """
    out: list[Saved] = []
    for metric in plan.metrics:
        for variant in plan.treatments:
            cells = [summary.cell(metric.key, key) for key in (plan.control.key, variant.key)]
            if metric.cuped and all(c is not None for c in cells):
                out += saved_of(metric, variant.key, *cells)  # type: ignore[arg-type]
    return tuple(out)


def saved_of(metric: Any, variant: str, control: Cell, treatment: Cell) -> list[Saved]:
    """What each source of covariates of one metric saves, in the order of its columns.

    Args:
        metric: Of the plan.
        variant: Key of the treatment.
        control: Moments of the control.
        treatment: Moments of the treatment.
    """
    subject, covariates = subject_of(metric, control.columns)
    first = len(control.columns) - len(covariates)
    names = [source_of(label) for label in control.columns[first:]]
    if control.columns[:1] == (TOTAL,):
        names = [source_of(label) for label in control.columns[2:]]
    c, t = (Moments.of(x.n, x.mean, x.cov) for x in (control, treatment))

    def share(sources: set[str]) -> float:
        xs = [x for x, name in zip(covariates, names, strict=True) if name in sources]
        return adjustment(c, t, y=subject, xs=xs).reduction

    every = set(names)
    together = share(every)
    return [
        Saved(metric.key, variant, s, share({s}), max(0.0, together - share(every - {s})), together)
        for s in dict.fromkeys(names)
    ]
