"""Two experiments on the same units: does the effect of one depend on the variant of the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from scipy.special import chdtrc

from xpbench.data.summary import CONCURRENT, NOT_MET, Cell, Summary
from xpbench.decide.estimate import estimate
from xpbench.decide.row import number
from xpbench.errors import shown
from xpbench.plan import Plan
from xpbench.plan.metrics import MetricBase
from xpbench.stats.inference import p_fixed
from xpbench.stats.multiplicity import holm

InteractionState = Literal["no interaction shown", "interaction", "assignments dependent", "not answerable"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """What one experiment does to the effect of another.

    Attributes:
        metric: Key of the metric.
        other: Name of the other experiment.
        variant: The treatment of this one, "" where the caller compared a single pair.
        state: What was found, the assignments first: where they depend on each other, effects mix.
        effects: Effect of this experiment by variant of the other.
        p_value: Of "the same effect in every variant of the other" (Cochran's Q); None without an answer.
        phi: Cramér's V of the two assignments, 0 = independent.
        p_independent: p-value of independent assignments (Pearson).
        bias: Largest effect on this experiment that the dependence can carry over: V times the other's effect, in metric units.
        sentence: The same for people.
    """

    metric: str
    other: str
    state: InteractionState
    effects: Mapping[str, float]
    p_value: float | None
    phi: float
    p_independent: float
    bias: float | None
    sentence: str
    variant: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"effects": dict(self.effects)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Interaction:
        """The inverse of `to_dict`."""
        return cls(**data)


def interaction(
    metric: MetricBase,
    cells: Mapping[tuple[str, str], Cell],
    *,
    control: str,
    treatment: str,
    other: str,
    alpha: float,
    independence_alpha: float = 0.001,
) -> Interaction:
    """Whether the effect of this experiment is the same in every variant of another one that ran on the same units.

    Args:
        metric: The metric.
        cells: Moments by (variant of this experiment, variant of the other).
        control: Control of this experiment.
        treatment: Its treatment.
        other: Name of the other experiment.
        alpha: Level of the interaction test.
        independence_alpha: Level below which the two assignments are called dependent.

    Source: Cochran 1954 (heterogeneity); Pearson 1900 and Cramér 1946 (dependence of the assignments); the bias carried over is
        the standardised dependence times the other's effect.
    """
    names = sorted({b for _, b in cells})
    counts = [[cells[a, b].n if (a, b) in cells else 0 for b in names] for a in (control, treatment)]
    phi, p_independent = _dependence(counts)
    effects, weights = {}, []
    for b in names:
        pair = estimate(metric, cells.get((control, b)), cells.get((treatment, b))).pair
        if pair.status == "ok" and pair.se > 0:
            effects[b] = pair.effect
            weights.append(1.0 / pair.se**2)
    p = None
    if len(effects) > 1:
        mean = sum(w * d for w, d in zip(weights, effects.values(), strict=True)) / sum(weights)
        q = sum(w * (d - mean) ** 2 for w, d in zip(weights, effects.values(), strict=True))
        p = float(chdtrc(len(effects) - 1, q))
    carried = _other_effect(metric, cells, control, names)
    bias = None if carried is None else phi * abs(carried)
    state: InteractionState
    if p_independent < independence_alpha:
        state = "assignments dependent"
        size = "" if bias is None else f" It can carry over up to {bias:.3g} in units of the metric."
        sentence = f"The two experiments share units that were not assigned independently (V = {phi:.3f}).{size}"
    elif p is None:
        state, sentence = "not answerable", "Too few units meet both experiments."
    elif p <= alpha:
        state = "interaction"
        sentence = (
            f"The effect depends on the variant of {shown(other)} (p = {p:.2g}): read it within each of them, and ship both "
            "together only after a joint test."
        )
    else:
        state, sentence = (
            "no interaction shown",
            f"The effect is not shown to depend on the variant of {shown(other)} (p = {p:.2g}).",
        )
    return Interaction(metric.key, other, state, effects, p, phi, p_independent, bias, sentence)


def interactions(plan: Plan, summary: Summary, *, dimension: str) -> tuple[Interaction, ...]:
    """Interaction of every metric and treatment with another experiment whose variant is a declared segment.

    Args:
        plan: The plan; `dimension` is one of its segments and holds the other experiment's variant of each unit.
        summary: With moments by that segment.
        dimension: Name of the segment. Units that met no variant of the other experiment count as one more.

    The tests are Holm-corrected over metrics and treatments.
    """
    return _holm(plan, _raw(plan, summary, dimension, dimension, ()))


def concurrent(plan: Plan, summary: Summary) -> tuple[Interaction, ...]:
    """Interaction of every metric and treatment with every other experiment that the log shows on the same units.

    Only units that met exactly one variant of the other experiment take part: whether a unit meets it at all may follow from
    the treatment. The tests are Holm-corrected over all of them.

    Args:
        plan: The plan.
        summary: With cells of dimension `$experiment:<name>`.
    """
    names = sorted({c.dimension for c in summary.cells if c.dimension.startswith(CONCURRENT)})
    raw = [x for d in names for x in _raw(plan, summary, d, d.removeprefix(CONCURRENT), (NOT_MET,))]
    return _holm(plan, [x for x in raw if x.effects])  # quantiles have no moments by slice


def _raw(plan: Plan, summary: Summary, dimension: str, other: str, without: tuple[str, ...]) -> list[Interaction]:
    """Every metric and treatment against one other experiment, before correction."""
    mine: dict[tuple[str, str, str], Cell] = {
        (c.metric, c.variant, c.slice): c
        for c in summary.cells
        if c.dimension == dimension and c.form == "value" and c.slice not in without
    }
    parts = sorted({part for _, _, part in mine})
    out = []
    for metric in plan.metrics:
        for treatment in plan.treatments:
            cells = {
                (variant, part): cell
                for variant in (plan.control.key, treatment.key)
                for part in parts
                if (cell := mine.get((metric.key, variant, part))) is not None
            }
            found = interaction(metric, cells, control=plan.control.key, treatment=treatment.key, other=other, alpha=plan.alpha)
            out.append(replace(found, variant=treatment.key))
    return out


def _holm(plan: Plan, raw: list[Interaction]) -> tuple[Interaction, ...]:
    adjusted = [float(p) for p in holm([math.nan if r.p_value is None else r.p_value for r in raw])] if raw else []
    out = []
    for result, p in zip(raw, adjusted, strict=True):
        if result.state == "interaction" and not p <= plan.alpha:
            sentence = f"The effect is not shown to depend on {shown(result.other)} after correction (p = {float(p):.2g})."
            result = replace(result, state="no interaction shown", sentence=sentence)
        out.append(replace(result, p_value=None if math.isnan(p) else number(p), **_rounded(result)))
    return tuple(out)


def _rounded(result: Interaction) -> dict[str, Any]:
    """Numbers with the digits that are the same on every machine."""
    return {
        "effects": {k: number(v) for k, v in result.effects.items()},
        "phi": number(result.phi) or 0.0,
        "p_independent": number(result.p_independent) or 0.0,
        "bias": None if result.bias is None else number(result.bias),
    }


def _dependence(counts: list[list[int]]) -> tuple[float, float]:
    """Cramér's V and Pearson's p-value of a table of units."""
    columns = [sum(c) for c in zip(*counts, strict=True)]
    rows = [sum(r) for r in counts]
    n = sum(rows)
    kept = [j for j, c in enumerate(columns) if c > 0]
    if n == 0 or min(rows) == 0 or len(kept) < 2:
        return 0.0, 1.0
    statistic = sum((counts[i][j] - rows[i] * columns[j] / n) ** 2 / (rows[i] * columns[j] / n) for i in range(2) for j in kept)
    return math.sqrt(statistic / n), float(chdtrc(len(kept) - 1, statistic))


def _other_effect(metric: MetricBase, cells: Mapping[tuple[str, str], Cell], control: str, names: list[str]) -> float | None:
    """Largest difference between two variants of the other experiment among this experiment's control."""
    best = None
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            pair = estimate(metric, cells.get((control, a)), cells.get((control, b))).pair
            if pair.status == "ok" and p_fixed(pair) < 1.0:
                best = max(best or 0.0, abs(pair.effect))
    return best
