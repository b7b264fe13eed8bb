"""The stage of a rehearsal: the history made ready, and one run on it: units drawn, effects injected, the plan read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.data.summary import Cell, SourceForm, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.designs import design_of
from xpbench.decide.estimate import estimate
from xpbench.decide.recommend import recommend
from xpbench.decide.row import Row
from xpbench.forecast.accrual import accrual_of, share_taking_part
from xpbench.forecast.history import History, blocks_of, parts_of
from xpbench.forecast.rehearsal_sums import Matrix
from xpbench.plan import Plan
from xpbench.plan.design import GroupSequential, Sequential
from xpbench.plan.metrics import Conversion, Funnel, MetricBase, Quantile, Retention
from xpbench.stats.quantiles import Ranks, estimate_rank, quantile_moments, ranks
from xpbench.stats.winsorize import Caps, cap, cap_thresholds

Floats = NDArray[np.float64]

LOOKS = 8
"""Looks at which an anytime-valid plan is read in a rehearsal, evenly spaced over the horizon."""

QUANTILE_ALPHA = 0.05

_VALUE: SourceForm = "value"
_CAPPED = ("value", "numerator", "denominator")


@dataclass(frozen=True, slots=True)
class Played:
    """One run."""

    outcome: str
    variant: str
    fired: tuple[str, ...]
    blocked: bool
    significant: bool
    units: int
    rows: tuple[Row, ...]
    noise: Mapping[str, tuple[float, float, float]]


class RehearsalStage:
    """The history made ready: columns, caps, accrual, looks."""

    def __init__(self, plan: Plan, history: History) -> None:
        self.plan, self.history = plan, history
        self.blocks = blocks_of(plan, history)
        self.accrual = accrual_of(plan, history)
        if plan.horizon.units is not None:
            self.units = plan.horizon.units
        elif self.accrual is not None and plan.horizon.days is not None:
            self.units = max(1, round(self.accrual.units_by(plan.horizon.days)))
        else:
            self.units = round(history.n * share_taking_part(plan))
        self.with_replacement = self.units > history.n
        self.order = np.arange(history.n) if history.day is None else np.argsort(history.day, kind="stable")
        splits = np.array([v.split for v in plan.variants])
        self.edges = np.cumsum(splits / splits.sum())
        self.looks = self._looks()
        self._caps: dict[tuple[str, int], Caps | None] = {}
        self.matrix = Matrix(self._light())

    def _light(self) -> dict[str, Floats]:
        """The metrics whose sums need not be made from the values in every run, in the order in which units come in.

        With one look any draw of units is a weight; with several, units must come in whole and in order. Caps that are the
        same in every run are put on at once.
        """
        whole = not self.with_replacement and self.units == self.history.n
        if not whole and len(self.looks) > 1:
            return {}
        out = {}
        for key, (names, table) in self.blocks.items():
            metric = self.plan.metric(key)
            if isinstance(metric, Quantile) or (metric.winsorize is not None and not whole):
                continue
            values = table[self.order]
            if metric.winsorize is not None:
                for i, name in enumerate(names):
                    if name in _CAPPED and (caps := self._cap(metric, i, values[:, i], False)) is not None:
                        values[:, i] = cap(values[:, i], caps=caps)
            out[key] = values
        return out

    def _light_effect(self, key: str, lifts: Mapping[str, float]) -> tuple[dict[int, float], tuple[int, ...]] | None:
        """Lift by column and the columns that are turned; None where the run must go through the values."""
        if key not in self.matrix.prepared:
            return None
        metric, found = self.plan.metric(key), self.matrix.prepared[key]
        moved = {c: lift for c, lift in self._moved(metric, lifts).items() if lift and c < found.k}
        if moved and metric.winsorize is not None:
            return None
        parts = parts_of(metric)
        turned = tuple(
            c
            for c in moved
            if found.binary[c]
            or isinstance(self.plan.metric(parts[c]) if len(parts) > 1 else metric, (Conversion, Retention, Funnel))
        )
        return (moved, turned) if not turned or found.k == 1 else None

    @staticmethod
    def _moved(metric: MetricBase, lifts: Mapping[str, float]) -> dict[int, float]:
        """Lift by column of a metric: its own, or those of its parts with its own on the first of them."""
        parts = parts_of(metric)
        moved = {0: lifts.get(metric.key, 0.0)} if len(parts) == 1 else {i: lifts.get(p, 0.0) for i, p in enumerate(parts)}
        if len(parts) > 1 and lifts.get(metric.key):
            moved[0] = (1 + moved.get(0, 0.0)) * (1 + lifts[metric.key]) - 1
        return moved

    def _looks(self) -> list[int]:
        """Units at which the plan is read."""
        model = self.plan.model
        if isinstance(model, GroupSequential):
            return sorted({max(2, round(s * self.units)) for s in model.looks})
        if isinstance(model, Sequential):
            smallest = min(v.split for v in self.plan.variants)
            first = min(self.units, math.ceil(1.1 * model.min_units / smallest))
            return sorted({round(u) for u in np.linspace(first, self.units, LOOKS)})
        return [self.units]

    def day_of(self, units: int) -> float | None:
        """Days until so many units take part; None without dates or where it never comes to that."""
        return None if self.accrual is None else self.accrual.day_of(units)

    def run(self, rng: np.random.Generator, lifts: Mapping[str, float]) -> Played:
        """One re-randomisation with effects, read at every look until the rule ends it."""
        n = self.units
        if self.with_replacement:
            picked = np.sort(rng.integers(0, self.history.n, n))
        elif n < self.history.n:
            picked = np.sort(rng.choice(self.history.n, n, replace=False))
        else:
            picked = np.arange(n)
        chance = rng.random(n)
        variant = np.zeros(n, dtype=np.int64)
        for edge in self.edges[:-1]:
            variant += chance >= edge
        ends = [*self.looks[:-1], n]
        sizes = np.diff([0, *ends])
        light = {key: effect for key in self.blocks if (effect := self._light_effect(key, lifts)) is not None}
        parts: dict[str, Any] = {}
        if light:
            totals = self.matrix.totals(self._weights(picked, variant), ends if len(ends) > 1 else [self.history.n])
            treated = np.array([not v.control for v in self.plan.variants])
            for key, (moved, turned) in light.items():
                made = self.matrix.sums(key, totals, moved=moved, flips=turned, treated=treated, rng=rng)
                parts[key] = made.count, made.first, made.second, made.centre
        look = np.repeat(np.arange(len(ends)), sizes)
        if len(light) < len(self.blocks):
            ordered = self.order[picked]
            for key in self.blocks:
                if key not in light:
                    parts[key] = self._moments(key, ordered, variant, look, rng, lifts)
        code = look * len(self.edges) + variant
        units_by = np.bincount(code, minlength=len(ends) * len(self.edges)).reshape(len(ends), -1).cumsum(axis=0)
        seen: list[int] = []
        for i, size in enumerate(self.looks):
            summary = self._summary(parts, units_by[i], i)
            rows = analyse(self.plan, summary, earlier_units=seen)
            last = i == len(self.looks) - 1
            advice = recommend(self.plan, rows, (), is_adequate=last)
            if last or advice.outcome != "iterate":
                break
            seen.append(size)
        return Played(
            advice.outcome,
            advice.variant,
            advice.rows,
            any(
                v.situation.primary == "win" and v.situation.guardrails != "ok" and v.outcome != "ship" for v in advice.variants
            ),
            any(r.role == "primary" and r.verdict != "unclear" for r in rows),
            size,
            rows,
            self._noise(summary),
        )

    def _weights(self, picked: NDArray[np.int64], variant: NDArray[np.int64]) -> Floats:
        """How often each unit of the history, in order, takes part in each variant."""
        count, n = len(self.edges), self.history.n
        if len(picked) == n and not self.with_replacement:
            return np.asarray(variant[None, :] == np.arange(count)[:, None], dtype=np.float64)
        drawn: Floats = np.bincount(variant * n + picked, minlength=count * n).reshape(count, n).astype(np.float64)
        return drawn

    def _noise(self, summary: Summary) -> dict[str, tuple[float, float, float]]:
        """Effect in standard errors, multiplier, and relative standard error of each primary metric."""
        out = {}
        treatment = self.plan.treatments[0]
        for metric in self.plan.metrics_with("primary"):
            pair = estimate(
                metric, summary.cell(metric.key, self.plan.control.key), summary.cell(metric.key, treatment.key)
            ).pair
            if pair.status == "ok" and pair.mc:
                design = design_of(self.plan, treatment, units=summary.n)
                out[metric.key] = (pair.effect / pair.se, design.q(pair, self.plan.alpha), pair.se / abs(pair.mc))
        return out

    def _moments(
        self,
        key: str,
        picked: NDArray[np.int64],
        variant: NDArray[np.int64],
        look: NDArray[np.int64],
        rng: np.random.Generator,
        lifts: Mapping[str, float],
    ) -> Any:
        """Sums of one metric by look and variant, or the values themselves for a quantile."""
        metric = self.plan.metric(key)
        names, table = self.blocks[key]
        values = table[picked]
        values = self._inject(metric, names, values, variant, rng, lifts)
        if metric.winsorize is not None:
            for i, name in enumerate(names):
                if name in _CAPPED:
                    caps = self._cap(metric, i, values[:, i], any(lifts.get(p) for p in parts_of(metric)))
                    if caps is not None:
                        values[:, i] = cap(values[:, i], caps=caps)
        if isinstance(metric, Quantile):
            return values[:, 0], variant, look
        known = np.isfinite(values).all(axis=1)
        if not known.all():
            values, variant, look = values[known], variant[known], look[known]
        centre = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        centred = values - centre
        k, cells = centred.shape[1], len(self.looks) * len(self.edges)
        code = look * len(self.edges) + variant
        shape = (len(self.looks), len(self.edges))
        count = np.bincount(code, minlength=cells).reshape(shape).cumsum(axis=0)
        first = np.empty((*shape, k))
        second = np.empty((*shape, k, k))
        for i in range(k):
            first[..., i] = np.bincount(code, weights=centred[:, i], minlength=cells).reshape(shape).cumsum(axis=0)
            for j in range(i + 1):
                product = np.bincount(code, weights=centred[:, i] * centred[:, j], minlength=cells)
                second[..., i, j] = second[..., j, i] = product.reshape(shape).cumsum(axis=0)
        return count, first, second, centre

    def _cap(self, metric: MetricBase, column: int, values: Floats, moved: bool) -> Caps | None:
        """Pooled caps; the same for every run as long as all units take part and no effect moves the values."""
        assert metric.winsorize is not None  # noqa: S101 - the caller has checked
        fixed = not moved and not self.with_replacement and self.units == self.history.n
        if fixed and (metric.key, column) in self._caps:
            return self._caps[metric.key, column]
        w = metric.winsorize
        caps = cap_thresholds(values, lower=w.lower, upper=w.upper, over=w.over)
        used = None if caps.status == "cap_is_zero" else caps
        if fixed:
            self._caps[metric.key, column] = used
        return used

    def _inject(
        self,
        metric: MetricBase,
        names: Sequence[str],
        values: Floats,
        variant: NDArray[np.int64],
        rng: np.random.Generator,
        lifts: Mapping[str, float],
    ) -> Floats:
        """The values with the effect in all treatments."""
        treated = np.array([not v.control for v in self.plan.variants])[variant]
        parts = parts_of(metric)
        moved = self._moved(metric, lifts)
        for column, lift in moved.items():
            if not lift or column >= len(names):
                continue
            part = self.plan.metric(parts[column]) if len(parts) > 1 else metric
            if isinstance(part, (Conversion, Retention, Funnel)) or _is_binary(values[:, column]):
                values[:, column] = _flip(values[:, column], treated, lift, rng)
            else:
                values[:, column] = np.where(treated, values[:, column] * (1.0 + lift), values[:, column])
        return values

    def _summary(self, parts: Mapping[str, Any], units: NDArray[np.int64], look: int) -> Summary:
        cells = []
        for key, made in parts.items():
            names, _ = self.blocks[key]
            metric = self.plan.metric(key)
            for i, variant in enumerate(self.plan.variants):
                if isinstance(metric, Quantile):
                    values, of, looks = made
                    cell = _quantile_cell(metric, variant.key, values[(of == i) & (looks <= look)])
                else:
                    count, first, second, centre = made
                    cell = _cell(key, variant.key, names, count[look, i], first[look, i], second[look, i], centre)
                if cell is not None:
                    cells.append(cell)
        named = {v.key: int(units[i]) for i, v in enumerate(self.plan.variants)}
        return Summary("rehearsal", "0" * 64, int(units.sum()), named, tuple(cells))


def _cell(key: str, variant: str, names: Sequence[str], n: int, first: Floats, second: Floats, centre: Floats) -> Cell | None:
    if n < 1:
        return None
    mean = first / n
    cov = (second - n * np.outer(mean, mean)) / max(int(n) - 1, 1)
    return Cell(
        key,
        variant,
        _VALUE,
        tuple(names),
        int(n),
        tuple((mean + centre).tolist()),
        tuple(tuple(row) for row in cov.tolist()),
    )


def _quantile_cell(metric: Quantile, variant: str, values: Floats) -> Cell | None:
    known = np.sort(values[np.isfinite(values)])
    if known.size < 20:
        return None
    at = estimate_rank(metric.q, n=known.size)
    r = ranks(metric.q, n=known.size, alpha=QUANTILE_ALPHA) or Ranks(at, at, at)  # no variance: the pair has a status
    m = quantile_moments(
        estimate=float(known[r.estimate - 1]),
        low=float(known[r.low - 1]),
        high=float(known[r.high - 1]),
        alpha=QUANTILE_ALPHA,
        n=int(known.size),
    )
    return Cell(metric.key, variant, _VALUE, ("value",), m.n, (float(m.mean[0]),), ((float(m.cov[0, 0]),),))


def _is_binary(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1) | ~np.isfinite(values)).all())


def _flip(values: Floats, treated: NDArray[np.bool_], lift: float, rng: np.random.Generator) -> Floats:
    """Zeros and ones of treated units turned so that their expected mean is (1 + lift) times what it was."""
    known = values[np.isfinite(values)]
    p = float(known.mean()) if known.size else 0.0
    chance = rng.random(values.size)
    if lift > 0:
        turn = treated & (values == 0) & (chance < (p * lift / (1.0 - p) if p < 1 else 0.0))
        return np.where(turn, 1.0, values)
    turn = treated & (values == 1) & (chance < -lift)
    return np.where(turn, 0.0, values)
