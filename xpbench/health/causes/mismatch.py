"""The counts of one mismatch, and what every cause is compared with: likelihoods, shortages, what is off by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpbench.health.check import json_value
from xpbench.health.inputs import HealthInputs
from xpbench.stats import srm as core

FaultStage = Literal["assignment", "execution", "logging", "analysis", "interference"]
UnitCounts = NDArray[np.float64]

FITS = 0.01
"""p-value from which counts are said to fit."""

ABSENT = 0.05
"""Share of its expected units below which a variant is as good as absent."""


@dataclass(frozen=True, slots=True)
class FaultCause:
    """One possible cause of a sample ratio mismatch.

    Attributes:
        name: Key, such as `segment_loss`.
        stage: Where in the way of an exposure it sits.
        weight: Weight among the causes looked at, 0 to 1; they sum to 1.
        score: Log likelihood over "one variant off at a constant rate", less what the cause chose freely.
        meaning: What happened, if it is this.
        next_step: What to look at.
        evidence: Numbers that speak for it.
    """

    name: str
    stage: FaultStage
    weight: float
    score: float
    meaning: str
    next_step: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, JSON values only."""
        return {
            "name": self.name,
            "stage": self.stage,
            "weight": self.weight,
            "score": self.score,
            "meaning": self.meaning,
            "next_step": self.next_step,
            "evidence": json_value(self.evidence),
        }


@dataclass(slots=True)
class Case:
    """The counts and what the causes compare them with."""

    inputs: HealthInputs
    names: list[str]
    planned: UnitCounts
    total: UnitCounts
    found: list[FaultCause] = field(default_factory=list)

    @property
    def n(self) -> float:
        """Units."""
        return float(self.total.sum())

    def add(self, name: str, stage: FaultStage, score: float, meaning: str, next_step: str, **evidence: Any) -> None:
        """Put a cause on the list; the weight comes at the end."""
        self.found.append(FaultCause(name, stage, 0.0, score, meaning, next_step, evidence))

    def fits(self, counts: UnitCounts, shares: UnitCounts) -> float:
        """p-value of counts against shares."""
        rounded = [max(0, round(float(c))) for c in counts]
        return float(core.srm(rounded, [float(s) for s in shares]).p_value) if sum(rounded) else 1.0


def table_of(case: Case, slices: Mapping[str, Mapping[str, int]]) -> tuple[list[str], UnitCounts]:
    """Slices and their counts, shape (slices, variants)."""
    keys = sorted(slices)
    rows = [[float(slices[k].get(v, 0)) for v in case.names] for k in keys]
    return keys, np.array(rows).reshape(len(keys), len(case.names))


def log_likelihood(counts: UnitCounts, shares: UnitCounts) -> float:
    """Multinomial log likelihood up to a constant; shares are never 0 where there are counts."""
    return float((counts * np.log(np.maximum(shares, 1e-12))).sum())


def pooled_shares(counts: UnitCounts) -> UnitCounts:
    """Shares of the counts summed over slices, a little away from 0."""
    summed = counts.sum(axis=0) if counts.ndim == 2 else counts
    pooled: UnitCounts = (summed + 1e-6) / (summed + 1e-6).sum()
    return pooled


def price_saved(case: Case) -> float:
    """What a cause without free shares saves over one that fits them."""
    return 0.5 * (len(case.names) - 1) * math.log(max(case.n, 2.0))


def furthest_off(case: Case, counts: UnitCounts) -> tuple[str, float]:
    """The variant that is furthest from its planned share, and by which share of it (negative: units are missing)."""
    total = counts.sum()
    if total == 0:
        return case.names[0], 0.0
    relative = counts / total / case.planned - 1.0
    worst = int(np.argmax(np.abs(relative)))
    return case.names[worst], float(relative[worst])


def missing_units(case: Case) -> UnitCounts:
    """Units that each variant lacks if the one with the most for its share is complete."""
    density = case.total / case.planned
    shortage: UnitCounts = density.max() * case.planned - case.total
    return shortage


def absent_variant(case: Case, table: UnitCounts) -> str | None:
    """A variant with next to none of its planned units in these days."""
    summed = table.sum(axis=0)
    others = (summed / case.planned).max()
    for i, name in enumerate(case.names):
        if others > 0 and summed[i] < ABSENT * case.planned[i] * others:
            return name
    return None
