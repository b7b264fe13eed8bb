"""The plan rehearsed on traffic of the past: what would be decided if nothing, the expected, or harm happened.

Every run assigns the units of the history anew, injects a known effect, and goes the whole way: winsorization, CUPED, the
design with its looks, the correction, the rule. What comes out is how often each decision is taken, and after how many days.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from xpbench.data.summary import Cell, Form, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.designs import design_of
from xpbench.decide.estimate import estimate
from xpbench.decide.history import History, blocks_of, parts_of
from xpbench.decide.recommend import recommend
from xpbench.decide.rehearsal_sums import Matrix
from xpbench.decide.rows import Row
from xpbench.errors import DecisionError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.design import GroupSequential, Sequential
from xpbench.plan.metrics import Conversion, Funnel, MetricBase, Quantile, Retention
from xpbench.shows import Shows
from xpbench.stats.quantiles import Ranks, estimate_rank, quantile_moments, ranks
from xpbench.stats.winsorize import Caps, cap, cap_thresholds

Floats = NDArray[np.float64]
Progress = Callable[[int, int], bool]

OUTCOMES = ("ship", "ship none", "iterate")
LOOKS = 8
"""Looks at which an anytime-valid plan is read in a rehearsal, evenly spaced over the horizon."""

HURT = 2.0
"""How many margins a guardrail is worse in the scenario `guardrail hurt`."""

QUANTILE_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Play:
    """One played outcome, to be shown to people before launch: what would you do?

    Attributes:
        scenario: Which truth was played.
        outcome: What the rule recommends.
        variant: What it would ship, "" otherwise.
        rows: Ids of the rows of the rule that fired.
        day: Day on which it is decided, None without dates.
        lifts: By metric and variant: lift and its interval.
    """

    scenario: str
    outcome: str
    variant: str
    rows: tuple[str, ...]
    day: float | None
    lifts: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "scenario": self.scenario,
            "outcome": self.outcome,
            "variant": self.variant,
            "rows": list(self.rows),
            "day": self.day,
            "lifts": [dict(x) for x in self.lifts],
        }


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happened over the runs of one truth.

    Attributes:
        name: `nothing happens`, `as expected`, `guardrail hurt`, or the caller's.
        lifts: True lifts by metric.
        runs: Runs done.
        ship: Share of runs that ship.
        blocked: Share in which a primary metric wins and a guardrail keeps it from shipping.
        iterate: Share that iterate.
        ship_none: Share that ship none.
        significant: Share in which some primary metric is called better or worse: power, or false positives of a null.
        days: Mean days until the decision, None without dates.
        units: Mean units until the decision.
        error: Largest Monte-Carlo standard error of the shares.
    """

    name: str
    lifts: Mapping[str, float]
    runs: int
    ship: float
    blocked: float
    iterate: float
    ship_none: float
    significant: float
    days: float | None
    units: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"lifts": dict(self.lifts)}


@dataclass(frozen=True, slots=True)
class Rehearsal(Shows):
    """What a plan would decide on this traffic.

    Attributes:
        key: The experiment.
        plan_digest: Digest of the plan that was rehearsed.
        history_units: Units of the history.
        units: Units of one run: the horizon.
        with_replacement: The history was shorter than the horizon, so units were drawn with replacement.
        days: Days to reach the horizon by the history's own accrual; None without dates.
        mde: Smallest lift of each primary metric that is found with the planned power, from the noise of the null runs.
        false_positive_rate: Share of null runs in which a primary metric is called better or worse; None without such a run.
        alpha: What the plan allows.
        scenarios: One per truth.
        plays: Outcomes to show to people.
        omitted: Metrics that the history could not rehearse; a guardrail among them is taken as kept.
        cancelled: It was stopped early.
        seed: Derived from the plan's digest.
    """

    rows_of_frame: ClassVar[str] = "scenarios"

    key: str
    plan_digest: str
    history_units: int
    units: int
    with_replacement: bool
    days: float | None
    mde: Mapping[str, float]
    false_positive_rate: float | None
    alpha: float
    scenarios: tuple[Scenario, ...]
    plays: tuple[Play, ...]
    omitted: tuple[str, ...]
    cancelled: bool
    seed: int

    def scenario(self, name: str) -> Scenario:
        """The scenario of this name.

        Raises:
            DecisionError: `XPB-R20`, there is none; names the nearest.
        """
        for found in self.scenarios:
            if found.name == name:
                return found
        raise DecisionError(
            "XPB-R20",
            name=plain("scenario"),
            value=name,
            rule=plain("It names a scenario of the rehearsal"),
            remedy=plain(nearest(name, [s.name for s in self.scenarios])),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "key": self.key,
            "plan_digest": self.plan_digest,
            "history_units": self.history_units,
            "units": self.units,
            "with_replacement": self.with_replacement,
            "days": self.days,
            "mde": dict(self.mde),
            "false_positive_rate": self.false_positive_rate,
            "alpha": self.alpha,
            "scenarios": [s.to_dict() for s in self.scenarios],
            "plays": [p.to_dict() for p in self.plays],
            "omitted": list(self.omitted),
            "limits": list(self.limits),
            "cancelled": self.cancelled,
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        lines = [f"Rehearsal({self.key}: {self.units:,} units from {self.history_units:,} of the past)"]
        for s in self.scenarios:
            days = "" if s.days is None else f", {s.days:.0f} days"
            lines.append(
                f"  {s.name}: ship {s.ship:.1%}, blocked by a guardrail {s.blocked:.1%}, iterate {s.iterate:.1%}, "
                f"ship none {s.ship_none:.1%}{days} ({s.runs:,} runs, ± {s.error:.1%})"
            )
        lines += [f"  {sentence}" for sentence in self.limits]
        return "\n".join(lines)

    @property
    def limits(self) -> tuple[str, ...]:
        """What the shares do not say, a sentence each; empty where the whole plan was rehearsed."""
        out = []
        if self.omitted:
            out.append(
                f"Not rehearsed: {', '.join(map(shown, self.omitted))}. A quantile over events has no value per unit to assign "
                "anew; a guardrail among these is taken as kept, so that the shares of ship are upper bounds."
            )
        if self.with_replacement:
            out.append("The history has fewer units than the horizon, so units were drawn with replacement.")
        if self.cancelled:
            out.append("It was stopped early.")
        return tuple(out)

    def _repr_html_(self) -> str:
        heads = ("If …", "ship", "blocked by a guardrail", "iterate", "ship none", "days")
        body = "".join(
            "<tr>"
            + "".join(
                f"<td>{escape(c)}</td>"
                for c in (
                    s.name,
                    *(f"{v:.1%}" for v in (s.ship, s.blocked, s.iterate, s.ship_none)),
                    "–" if s.days is None else f"{s.days:.0f}",
                )
            )
            + "</tr>"
            for s in self.scenarios
        )
        return (
            f"<section aria-label='Rehearsal'><p>{escape(self.key)}: {self.units:,} units per run</p>"
            "<table style='font-variant-numeric:tabular-nums'><thead><tr>"
            + "".join(f"<th scope='col' style='text-align:left'>{h}</th>" for h in heads)
            + f"</tr></thead><tbody>{body}</tbody></table>"
            + "".join(f"<p>{escape(sentence)}</p>" for sentence in self.limits)
            + "</section>"
        )


def rehearse(
    plan: Plan,
    history: History,
    *,
    scenarios: Mapping[str, Mapping[str, float]] | None = None,
    runs: int = 500,
    plays: int = 60,
    progress: Progress | None = None,
) -> Rehearsal:
    """How often the plan's rule would ship, iterate or ship none on this traffic, for each truth.

    Effects are injected into the treated units: a share of zeros turned into ones (or ones into zeros) for conversions,
    retention and funnels, so that the mean moves by exactly the lift; everything else is multiplied by 1 + lift. An
    anytime-valid plan is read at 8 looks and stops when the rule ships or ships none; a group-sequential one at its looks; the
    others at the horizon. Assignments are sound by construction, so health is taken as passed.

    Args:
        plan: The plan; it need not be registered.
        history: Values per unit.
        scenarios: True lifts by metric for each named truth; by default `nothing happens`, `as expected` (the hypothesis,
            else `min_lift`) and `guardrail hurt` (as expected, with every guardrail worse by two margins).
        runs: Runs per scenario.
        plays: Outcomes kept to be shown, over all scenarios.
        progress: Called with (done, total); a false return stops and keeps what is done.

    Raises:
        DecisionError: `XPB-R20`, the history does not fit the plan.
    """
    if history.omitted:
        kept_metrics = [m for m in plan.metrics if m.key not in history.omitted]
        plan = plan.changed(metrics=[m.model_dump(mode="json", exclude_none=True) for m in kept_metrics])
    truths = dict(scenarios) if scenarios is not None else default_scenarios(plan)
    for name, lifts in truths.items():
        for key in lifts:
            plan.metric(key)
        if not all(math.isfinite(v) and v > -1 for v in lifts.values()):
            raise DecisionError(
                "XPB-R20",
                name=plain(f"scenario {name}"),
                value=str(dict(lifts)),
                rule=plain("Lifts are shares above -1"),
                remedy=plain("Correct them"),
            )
    stage = _Stage(plan, history)
    seed = int(plan.digest[:15], 16)
    done, cancelled = 0, False
    results: list[Scenario] = []
    kept: list[Play] = []
    noise: dict[str, list[tuple[float, float, float]]] = {}
    for number, (name, lifts) in enumerate(truths.items()):
        tally = _Tally(name, lifts)
        for run in range(runs):
            rng = np.random.default_rng([seed, number, run])
            played = stage.run(rng, lifts)
            tally.add(played)
            if not any(lifts.values()):
                for key, value in played.noise.items():
                    noise.setdefault(key, []).append(value)
            if run < plays // max(1, len(truths)):
                kept.append(_play(name, played, stage))
            done += 1
            if progress is not None and not progress(done, runs * len(truths)):
                cancelled = True
                break
        if tally.runs:
            results.append(tally.scenario(stage))
        if cancelled:
            break
    null = next((s for s in results if not any(s.lifts.values())), None)
    return Rehearsal(
        plan.key,
        plan.digest,
        history.n,
        stage.units,
        stage.with_replacement,
        stage.day_of(stage.units),
        {k: _mde(v, plan.planning.power) for k, v in noise.items()},
        null.significant if null is not None else None,
        plan.alpha,
        tuple(results),
        tuple(kept),
        history.omitted,
        cancelled,
        seed,
    )


def default_scenarios(plan: Plan) -> dict[str, dict[str, float]]:
    """The three truths that people ask about first."""
    claims = {c.metric: c for c in plan.hypothesis.then}
    expected: dict[str, float] = {}
    for metric in plan.metrics:
        claim = claims.get(metric.key)
        if claim is not None and (claim.lift or metric.min_lift):
            expected[metric.key] = (claim.lift or metric.min_lift or 0.0) * (1 if claim.direction == "increase" else -1)
        elif metric.role == "primary" and metric.min_lift and not expected:
            expected[metric.key] = metric.min_lift * (1 if metric.direction == "increase" else -1)
    out: dict[str, dict[str, float]] = {"nothing happens": {}, "as expected": expected}
    hurt = {
        m.key: HURT * m.margin_rel * (-1 if m.direction == "increase" else 1)
        for m in plan.metrics_with("guardrail")
        if m.margin_rel is not None
    }
    if hurt:
        out["guardrail hurt"] = {**expected, **hurt}
    return out


@dataclass(frozen=True, slots=True)
class _Played:
    """One run."""

    outcome: str
    variant: str
    fired: tuple[str, ...]
    blocked: bool
    significant: bool
    units: int
    rows: tuple[Row, ...]
    noise: Mapping[str, tuple[float, float, float]]


class _Tally:
    """Counts over the runs of a scenario."""

    def __init__(self, name: str, lifts: Mapping[str, float]) -> None:
        self.name, self.lifts, self.runs = name, lifts, 0
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.blocked = self.significant = 0
        self.units: list[int] = []

    def add(self, played: _Played) -> None:
        self.runs += 1
        self.outcomes[played.outcome] += 1
        self.blocked += played.blocked
        self.significant += played.significant
        self.units.append(played.units)

    def scenario(self, stage: _Stage) -> Scenario:
        n = self.runs
        shares = [self.outcomes[o] / n for o in OUTCOMES]
        days = [d for u in self.units if (d := stage.day_of(u)) is not None]
        return Scenario(
            self.name,
            dict(self.lifts),
            n,
            ship=shares[0],
            blocked=self.blocked / n,
            iterate=shares[2],
            ship_none=shares[1],
            significant=self.significant / n,
            days=sum(days) / len(days) if days else None,
            units=sum(self.units) / n,
            error=max(math.sqrt(s * (1 - s) / n) for s in shares),
        )


class _Stage:
    """The history made ready: columns, caps, accrual, looks."""

    def __init__(self, plan: Plan, history: History) -> None:
        self.plan, self.history = plan, history
        self.blocks = blocks_of(plan, history)
        share = _taking_part(plan)
        per_day = None if history.day is None else np.bincount(history.day).astype(np.float64) * share
        self.accrual: Floats | None = None if per_day is None else np.cumsum(per_day)
        if plan.horizon.units is not None:
            self.units = plan.horizon.units
        elif self.accrual is not None and plan.horizon.days is not None:
            self.units = max(1, round(self._units_by(plan.horizon.days)))
        else:
            self.units = round(history.n * share)
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

    def _units_by(self, days: float) -> float:
        assert self.accrual is not None  # noqa: S101 - callers have checked
        if days <= len(self.accrual):
            return float(np.interp(days, np.arange(len(self.accrual) + 1), np.concatenate([[0.0], self.accrual])))
        return float(self.accrual[-1] + (days - len(self.accrual)) * self._pace())

    def _pace(self) -> float:
        """New units a day at the end of the history: its last two weeks."""
        assert self.accrual is not None  # noqa: S101 - callers have checked
        last = min(14, len(self.accrual))
        before = self.accrual[-last - 1] if len(self.accrual) > last else 0.0
        return float((self.accrual[-1] - before) / last)

    def day_of(self, units: int) -> float | None:
        """Days until so many units take part, by the history's own accrual; beyond its end at its last pace."""
        if self.accrual is None:
            return None
        if units <= self.accrual[-1]:
            return float(np.interp(units, np.concatenate([[0.0], self.accrual]), np.arange(len(self.accrual) + 1)))
        pace = self._pace()
        return float(len(self.accrual) + (units - self.accrual[-1]) / pace) if pace > 0 else None

    def run(self, rng: np.random.Generator, lifts: Mapping[str, float]) -> _Played:
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
        return _Played(
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


_VALUE: Form = "value"
_CAPPED = ("value", "numerator", "denominator")


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


def _taking_part(plan: Plan) -> float:
    """Share of the traffic that the plan's rollout, layer and holdout let take part."""
    if plan.assignment is None:
        return 1.0
    open_groups = [g for g in plan.assignment.rollout if not g.where and not g.cohort]
    share = 0.0
    for group in open_groups:
        share = share + (1.0 - share) * group.share
    if not open_groups:
        share = max((g.share for g in plan.assignment.rollout), default=1.0)
    if plan.assignment.layer is not None:
        share *= max(0.0, plan.assignment.layer.end - plan.assignment.layer.start)
    if plan.assignment.holdout is not None:
        share *= 1.0 - plan.assignment.holdout.share
    return share


def _mde(noise: Sequence[tuple[float, float, float]], power: float) -> float:
    """Smallest lift found with the planned power: (q + z_power · spread) relative standard errors.

    The spread of the standardised effects over the null runs stands in for the 1 of theory, so that a metric whose normal
    approximation is poor shows it.
    """
    z = np.array([x[0] for x in noise])
    spread = float(z.std(ddof=1)) if z.size > 1 else 1.0
    q = float(np.mean([x[1] for x in noise]))
    relative_se = float(np.mean([x[2] for x in noise]))
    return (q + float(distributions.norm.ppf(power)) * max(spread, 1e-9)) * relative_se


def _play(scenario: str, played: _Played, stage: _Stage) -> Play:
    lifts = tuple(
        {
            "metric": r.metric,
            "role": r.role,
            "variant": r.variant,
            "lift": r.lift,
            "lift_low": r.lift_low,
            "lift_high": r.lift_high,
            "verdict": r.guardrail or r.verdict,
        }
        for r in played.rows
    )
    return Play(scenario, played.outcome, played.variant, played.fired, stage.day_of(played.units), lifts)
