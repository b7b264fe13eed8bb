"""Does the effect fade, grow or depend on the day: by days since exposure, by exposure cohort, by day of the week.

Shown only after the seal is broken. Every test is about the *difference* between the variants, never about the treatment's
own curve, which moves with season and habit whatever the change does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
from scipy.special import chdtrc, ndtr, ndtri, stdtr, stdtrit

from xpbench.data.summary import Cell, Summary
from xpbench.decide.estimate import estimate
from xpbench.decide.row import number
from xpbench.plan import Plan
from xpbench.plan.methods import POWER
from xpbench.plan.metrics import MetricBase
from xpbench.stats.multiplicity import holm

Axis = Literal["age", "cohort", "weekday"]
Word = Literal["steady", "fading", "growing", "uneven", "not answerable"]

AXES: tuple[Axis, ...] = ("age", "cohort", "weekday")
LEAST_POINTS = 4
LEAST_UNITS = 30
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Point:
    """The effect on one slice.

    Attributes:
        x: Days since exposure, days since the first cohort, or the day of the week (0 = Monday).
        label: The same for people.
        effect: In metric units; per day for ages.
        se: Its standard error.
        n: Units.
    """

    x: float
    label: str
    effect: float
    se: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EffectTrend:
    """The effect of one metric and variant along one axis.

    Attributes:
        metric: Key of the metric.
        variant: The treatment.
        axis: `age`, `cohort` or `weekday`.
        word: What the test says at the plan's alpha after Holm's correction over all trends of the readout.
        slope: Change of the effect per day, None for weekdays or without an answer.
        slope_low: Lower end of its 1 - alpha interval.
        slope_high: Upper end.
        p_value: Of "no change along the axis".
        p_adjusted: After Holm.
        points: The slices.
        sentence: The same for people.
    """

    metric: str
    variant: str
    axis: Axis
    word: Word
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    p_value: float | None
    p_adjusted: float | None
    points: tuple[Point, ...]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"points": [p.to_dict() for p in self.points]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EffectTrend:
        """The inverse of `to_dict`."""
        return cls(**{**data, "points": tuple(Point(**p) for p in data["points"])})


def trends(plan: Plan, summary: Summary) -> tuple[EffectTrend, ...]:
    """Trend of every metric and treatment along every axis that the summary has, Holm-corrected over all of them.

    Ages: units are the same on all days, so effects on different days are dependent; with daily increments of one unit little
    correlated, the weighted regression of effect on day is taken with its spread estimated from the residuals where that
    is larger (over-dispersion), which keeps the level. Cohorts and weekdays hold different units and are independent.

    From the third edition of the methods on, ages are compared on the scale of the ratio where both means are above zero: a
    constant relative lift on an activity that decays, as all activity does, is steady. `slope` is then the change of the
    logarithm of the ratio per day; the points stay in metric units.

    Args:
        plan: The plan.
        summary: With cells of dimension `$age` or `$day`.

    Source: weighted least squares meta-regression (Thompson and Sharp 1999); heterogeneity by Cochran's Q (1954).
    """
    index: _Index = {}
    for cell in summary.cells:
        if cell.dimension in ("$age", "$day") and cell.form == "value":
            index.setdefault((cell.metric, cell.variant, cell.dimension), {})[cell.slice] = cell
    drafts: list[tuple[MetricBase, str, Axis, list[Point]]] = []
    scaled: list[list[Point]] = []
    for metric in plan.metrics:
        for variant in plan.treatments:
            for axis in AXES:
                points = _points(plan, index, metric, variant.key, axis)
                if points:
                    drafts.append((metric, variant.key, axis, points))
                    ratios = _ratios(plan, index, metric, variant.key) if axis == "age" and plan.methods >= POWER else []
                    scaled.append(ratios if len(ratios) >= LEAST_POINTS else points)
    fits = [_fit(axis, points, plan.alpha) for (_, _, axis, _), points in zip(drafts, scaled, strict=True)]
    adjusted = [float(p) for p in holm([math.nan if f[3] is None else f[3] for f in fits])] if fits else []
    out = []
    for (subject, variant_key, axis, points), used, (slope, low, high, p), q in zip(
        drafts, scaled, fits, adjusted, strict=True
    ):
        corrected = None if math.isnan(q) else q
        word, sentence = _word(subject, axis, used, slope, corrected, plan.alpha, says_rest=plan.methods < POWER)
        numbers = [None if v is None else number(v) for v in (slope, low, high, p, corrected)]
        kept = tuple(replace(q, effect=number(q.effect) or 0.0, se=number(q.se) or 0.0) for q in points)
        at, lower, upper, chance, after = numbers
        out.append(EffectTrend(subject.key, variant_key, axis, word, at, lower, upper, chance, after, kept, sentence))
    return tuple(out)


_Index = dict[tuple[str, str, str], dict[str, Cell]]


def _points(plan: Plan, index: _Index, metric: MetricBase, variant: str, axis: Axis) -> list[Point]:
    dimension = "$age" if axis == "age" else "$day"
    found: list[tuple[float, str, float, float, int]] = []
    control = index.get((metric.key, plan.control.key, dimension), {})
    treatment = index.get((metric.key, variant, dimension), {})
    slices = sorted({*control, *treatment})
    if axis != "age":
        days = sorted(d for s in slices if (d := _date(s)) is not None)
        first = days[0] if days else None
    for part in slices:
        pair = estimate(metric, control.get(part), treatment.get(part)).pair
        if pair.status != "ok" or pair.n < LEAST_UNITS or not pair.se > 0:
            continue
        if axis == "age":
            x = _number(part)
            if x is None:
                continue
        else:
            day = _date(part)
            if day is None or first is None:
                continue
            x = float(day.weekday()) if axis == "weekday" else float((day - first).days)
        found.append((x, part, pair.effect, pair.se, pair.n))
    if axis == "weekday":
        return _by_weekday(found)
    return [Point(*f) for f in sorted(found)]


NOISY = 0.3
"""Standard error of a mean, as a share of it, from which on the logarithm of a ratio is not normal enough."""


def _ratios(plan: Plan, index: _Index, metric: MetricBase, variant: str) -> list[Point]:
    """Logarithm of treatment over control on each day since exposure, where both means are above zero and known well enough."""
    control = index.get((metric.key, plan.control.key, "$age"), {})
    treatment = index.get((metric.key, variant, "$age"), {})
    out = []
    for part in {*control, *treatment}:
        pair, x = estimate(metric, control.get(part), treatment.get(part)).pair, _number(part)
        if x is None or pair.status != "ok" or pair.n < LEAST_UNITS or not (pair.mc > 0.0 and pair.mt > 0.0):
            continue
        c, t = pair.vc / pair.mc**2, pair.vt / pair.mt**2
        if max(c, t) > NOISY**2:
            continue
        variance = c + t - 2.0 * pair.cov / (pair.mc * pair.mt)
        if variance > 0.0:
            out.append(Point(x, part, math.log(pair.mt / pair.mc), math.sqrt(variance), pair.n))
    return sorted(out, key=lambda p: p.x)


def _by_weekday(found: Sequence[tuple[float, str, float, float, int]]) -> list[Point]:
    """One point per day of the week, the cohorts of that day combined by inverse variance."""
    out = []
    for day in range(7):
        own = [f for f in found if f[0] == day]
        if own:
            weights = [1.0 / f[3] ** 2 for f in own]
            total = sum(weights)
            effect = sum(w * f[2] for w, f in zip(weights, own, strict=True)) / total
            out.append(Point(float(day), WEEKDAYS[day], effect, 1.0 / math.sqrt(total), sum(f[4] for f in own)))
    return out


def _fit(axis: Axis, points: Sequence[Point], alpha: float) -> tuple[float | None, float | None, float | None, float | None]:
    """Slope with its interval and p-value; for weekdays only the p-value of "the same on all days"."""
    if len(points) < LEAST_POINTS:
        return None, None, None, None
    if axis != "weekday":
        return line_through(points, alpha)
    y = np.array([p.effect for p in points])
    w = np.array([1.0 / p.se**2 for p in points])
    mean = float((w * y).sum() / w.sum())
    return None, None, None, float(chdtrc(len(points) - 1, float((w * (y - mean) ** 2).sum())))


def line_through(points: Sequence[Point], alpha: float) -> tuple[float | None, float | None, float | None, float | None]:
    """Slope of the weighted line through three or more points, its interval and p-value; all None where they share one x.

    The slope's error is from the residuals where these spread more than the points' own errors say.

    Args:
        points: With their standard errors.
        alpha: Two-sided level.
    """
    x = np.array([p.x for p in points])
    y = np.array([p.effect for p in points])
    w = np.array([1.0 / p.se**2 for p in points])
    centre = float((w * x).sum() / w.sum())
    level = float((w * y).sum() / w.sum())
    spread = float((w * (x - centre) ** 2).sum())
    if spread <= 0:
        return None, None, None, None
    slope = float((w * (x - centre) * y).sum()) / spread
    residual = float((w * (y - level - slope * (x - centre)) ** 2).sum()) / (len(points) - 2)
    error = math.sqrt(max(residual, 1.0) / spread)
    bound = -float(stdtrit(len(points) - 2, alpha / 2)) if residual > 1 else -float(ndtri(alpha / 2))
    z = abs(slope) / error
    p = float(2 * (stdtr(len(points) - 2, -z) if residual > 1 else ndtr(-z)))
    return slope, slope - bound * error, slope + bound * error, p


def _word(
    metric: MetricBase,
    axis: Axis,
    points: Sequence[Point],
    slope: float | None,
    p: float | None,
    alpha: float,
    *,
    says_rest: bool,
) -> tuple[Word, str]:
    name = metric.label
    if p is None:
        return "not answerable", f"{name}: fewer than {LEAST_POINTS} {_AXIS[axis]} can be compared."
    if p > alpha:
        return "steady", f"{name}: the effect is not shown to change over {_AXIS[axis]}."
    if axis == "weekday":
        return "uneven", f"{name}: the effect differs between days of the week; read whole weeks only."
    assert slope is not None  # noqa: S101 - a p-value of an age or cohort has a slope
    w = [1.0 / q.se**2 for q in points]
    level = sum(a * q.effect for a, q in zip(w, points, strict=True)) / sum(w)
    fading = slope * level < 0
    if axis == "age":
        text = (
            "fades with the days since exposure: part of it is novelty"
            + (". Its size after the last day is what will stay" if says_rest else "")
            if fading
            else "grows with the days since exposure: units learn, and a short window understates it"
        )
    else:
        text = (
            "is smaller for units exposed later: something changed during the experiment, or early units differ"
            if fading
            else "is larger for units exposed later: something changed during the experiment"
        )
    return ("fading" if fading else "growing"), f"{name}: the effect {text}."


_AXIS: dict[Axis, str] = {"age": "days since exposure", "cohort": "days of exposure", "weekday": "days of the week"}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
