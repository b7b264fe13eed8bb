"""The plan rehearsed on traffic of the past: what would be decided if nothing, the expected, or harm happened.

Every run assigns the units of the history anew, injects a known effect, and goes the whole way: winsorization, CUPED, the
design with its looks, the correction, the rule. What comes out is how often each decision is taken, and after how many days.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats as distributions

from xpbench.errors import DecisionError, plain
from xpbench.forecast.history import History
from xpbench.forecast.rehearsal_report import Play, Rehearsal, RehearsalScenario
from xpbench.forecast.rehearsal_stage import Played, RehearsalStage
from xpbench.plan import Plan

RehearsalProgress = Callable[[int, int], bool]

OUTCOMES = ("ship", "ship none", "iterate")

HURT = 2.0
"""How many margins a guardrail is worse in the scenario `guardrail hurt`."""


def rehearse(
    plan: Plan,
    history: History,
    *,
    scenarios: Mapping[str, Mapping[str, float]] | None = None,
    runs: int = 500,
    plays: int = 60,
    progress: RehearsalProgress | None = None,
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
    stage = RehearsalStage(plan, history)
    seed = int(plan.digest[:15], 16)
    done, cancelled = 0, False
    results: list[RehearsalScenario] = []
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


class _Tally:
    """Counts over the runs of a scenario."""

    def __init__(self, name: str, lifts: Mapping[str, float]) -> None:
        self.name, self.lifts, self.runs = name, lifts, 0
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.blocked = self.significant = 0
        self.units: list[int] = []

    def add(self, played: Played) -> None:
        self.runs += 1
        self.outcomes[played.outcome] += 1
        self.blocked += played.blocked
        self.significant += played.significant
        self.units.append(played.units)

    def scenario(self, stage: RehearsalStage) -> RehearsalScenario:
        n = self.runs
        shares = [self.outcomes[o] / n for o in OUTCOMES]
        days = [d for u in self.units if (d := stage.day_of(u)) is not None]
        return RehearsalScenario(
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


def _play(scenario: str, played: Played, stage: RehearsalStage) -> Play:
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
