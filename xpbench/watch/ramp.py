"""The guarded ramp: go on, hold or roll back, by guardrails alone, however often it is asked and however the shares change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Literal

import numpy as np

from xpbench.data.summary import Cell, Summary
from xpbench.decide.estimate import estimate, with_noise
from xpbench.decide.harm import MIN_UNITS
from xpbench.errors import StatsError, number_of, plain
from xpbench.ledger import Entry
from xpbench.ledger.clock import parse_stamp
from xpbench.plan import Plan
from xpbench.plan.design import RampStage, Variant
from xpbench.plan.metrics import MetricBase, Quantile, label_of
from xpbench.shows import Shows
from xpbench.stats.inference import Scale, pivot
from xpbench.stats.moments import Moments, merge
from xpbench.stats.multipliers import Mixture, q_mixture
from xpbench.stats.pairs import Pair

RampWord = Literal["go on", "hold", "roll back"]
GuardState = Literal["harm", "within margin", "open", "not tested"]
RULES: tuple[tuple[str, RampWord, str], ...] = (
    ("harm", "roll back", "a guardrail is shown to be worse than its margin"),
    ("rolled-back", "hold", "everyone was put back to control; decide, or restart"),
    ("health", "hold", "a health gate fails: what the data say can't be trusted"),
    ("untested", "hold", "a guardrail can't be tested yet"),
    ("early", "hold", "the stage has not run its days or units"),
    ("not-shown", "hold", "the stage asks that every guardrail is shown to be within its margin"),
    ("unsigned", "hold", "the stage waits for a signature"),
    ("done", "go on", "the last stage has run: every stage passed"),
    ("clear", "go on", "the stage has run, and no guardrail shows harm"),
)
"""The rows of the rule from the top: name, answer, and why. The first that fits fires."""


@dataclass(frozen=True, slots=True)
class StageStart:
    """One stage that was begun.

    Attributes:
        number: From 1.
        stage: As planned.
        at: When its share came into force.
        seq: Entry of the ledger.
    """

    number: int
    stage: RampStage
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guardrail for one variant over the whole ramp; no number of it leaves the seal.

    Attributes:
        metric: Key of the metric.
        variant: Key of the variant.
        state: `harm`, `within margin`, `open` or `not tested`.
        where: `pooled over the stages`, `stage 2` …, where harm was found; "" otherwise.
        reason: Why it was not tested; "" otherwise.
    """

    metric: str
    variant: str
    state: GuardState
    where: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class RampAnswer(Shows):
    """What the ramp says now.

    Attributes:
        key: The experiment.
        answer: `go on`, `hold` or `roll back`.
        row: Name of the row of the rule that fired.
        sentence: The same for people.
        stage: Number of the stage, from 1.
        stages: How many there are.
        share: Share of the units in force.
        next_share: Of the next stage; None at the last.
        days: Days that the stage has run.
        units: New units of the stage.
        guards: Guardrails.
    """

    rows_of_frame: ClassVar[str] = "guards"

    key: str
    answer: RampWord
    row: str
    sentence: str
    stage: int
    stages: int
    share: float
    next_share: float | None
    days: float
    units: int
    guards: tuple[GuardRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"guards": [g.to_dict() for g in self.guards]}

    def __repr__(self) -> str:
        return f"{self.key}: {self.answer}. {self.sentence}"

    def _repr_html_(self) -> str:
        from xpbench.outward import html as escape

        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(t)}</td>' for t in (g.metric, g.variant, g.state, g.where))}</tr>" for g in self.guards
        )
        said = f"<p><b>{escape(self.answer)}</b>: {escape(self.sentence)}</p>"
        return f"<section aria-label='Ramp'>{said}<table>{rows}</table></section>"


def stage_starts(plan: Plan, entries: Iterable[Entry]) -> tuple[StageStart, ...]:
    """The stages that were begun, from the ledger: the launch, and every amendment that set the share of a stage.

    Args:
        plan: In force, with a ramp.
        entries: Of the ledger.
    """
    assert plan.ramp is not None  # noqa: S101 - the caller has a ramp
    out: list[StageStart] = []
    launched: Entry | None = None
    share: float | None = None
    for entry in entries:
        if entry.kind == "launched" and launched is None:
            launched = entry
        elif entry.kind not in ("registered", "amended"):
            continue
        if entry.kind in ("registered", "amended"):
            groups = (entry.body["plan"].get("assignment") or {}).get("rollout") or [{}]
            share = groups[0].get("share")
        number = next((i for i, s in enumerate(plan.ramp.stages, 1) if share is not None and abs(s.share - share) < 1e-9), 0)
        if launched is None or not number or (out and out[-1].number == number):
            continue
        out.append(StageStart(number, plan.ramp.stages[number - 1], parse_stamp(entry.at), entry.seq))
    return tuple(out)


def strata_of(summary: Summary, starts: Sequence[datetime]) -> dict[str, list[str]]:
    """Days of first exposure by stratum: the stages, and each day on which the share changed alone.

    Within a stratum every unit had the same chance to take part and of each variant, so that nothing but the variant differs
    between its arms. Over strata with other shares and other levels of a metric that is not so (Simpson's paradox).

    Args:
        summary: With cells of dimension `$day`.
        starts: When each stage began, in order.
    """
    changes = [s.astimezone(UTC).date() for s in starts[1:]]
    out: dict[str, list[str]] = {}
    for text in summary.slices("$day"):
        day = date.fromisoformat(text)
        stage = sum(change <= day for change in changes) + 1
        name = f"change to stage {stage}" if day in changes else f"stage {stage}"
        out.setdefault(name, []).append(text)
    return out


def stratified_pair(
    metric: MetricBase, summary: Summary, control: str, variant: str, strata: Mapping[str, Sequence[str]]
) -> tuple[Pair, dict[str, Pair]]:
    """One pair over strata, and the pair of each that has enough units.

    Differences within strata are weighted by n_c n_t / (n_c + n_t), which knows nothing of outcomes (Mantel and Haenszel 1959):
    the weighted sum of differences then has independent increments and the noise sigma² times the sum of weights, as a mixture
    needs it. `n` of the pair is four times that sum: the number of units of an even split that would say as much.

    Args:
        metric: Of the plan; a quantile is taken over all days, since quantiles of strata don't add up.
        summary: With cells of dimension `$day`.
        control: Key of the control.
        variant: Key of the treatment.
        strata: Days by name of the stratum.
    """
    alone: dict[str, Pair] = {}
    weights: dict[str, float] = {}
    if isinstance(metric, Quantile):
        cells = summary.cell(metric.key, control), summary.cell(metric.key, variant)
        found = _pair(metric, *cells)
        return (found[0], {}) if found else (_none(), {})
    for name, days in strata.items():
        found = _pair(metric, _merged(summary, metric, control, days), _merged(summary, metric, variant, days))
        if found is not None:
            alone[name], weights[name] = found
    total = sum(weights.values())
    broken = next((p for p in alone.values() if p.status != "ok"), None)
    if not alone or broken is not None:
        return broken or _none(), {}
    w = {k: v / total for k, v in weights.items()}

    def summed(field: str, power: int) -> float:
        return math.fsum(w[k] ** power * getattr(p, field) for k, p in alone.items())

    pair = Pair(
        summed("mc", 1), summed("mt", 1), summed("vc", 2), summed("vt", 2), summed("cov", 2), math.inf, round(4 * total)
    )  # fmt: skip
    return pair, alone


def guard_rows(plan: Plan, summary: Summary, starts: Sequence[datetime]) -> tuple[GuardRow, ...]:
    """Every guardrail with a margin for every treatment: harm anywhere, within its margin over the ramp, or open.

    The plan's `harm_alpha` is shared over guardrails and variants. Half of each share tests the stages together, the other half
    each stage alone, so that harm that comes with a stage is found in it. Every test is anytime-valid: over all readings
    and stages together a harmless ramp is rolled back with a chance of at most `harm_alpha`. Being within the margin is
    shown by the anytime-valid test over the stages together, at the plan's level for guardrails. Where the newest stage
    has too few units for a test of its own, nothing but harm is said: earlier stages are no answer about it.

    Args:
        plan: In force, with a ramp.
        summary: With cells of dimension `$day`.
        starts: When each stage began.

    Source: normal mixture, Waudby-Smith et al. 2021; strata, Mantel and Haenszel 1959; pivot at the margin, Fieller 1954.
    """
    assert plan.ramp is not None  # noqa: S101 - the caller has a ramp
    rails = [m for m in plan.metrics_with("guardrail") if m.margin is not None or m.margin_rel is not None]
    strata = strata_of(summary, starts)
    alpha = plan.decision.harm_alpha / (len(rails) * len(plan.treatments))
    horizon = plan.horizon.units or max(summary.n, 1)
    count = len(plan.ramp.stages)
    out = []
    for metric in rails:
        for variant in plan.treatments:
            pooled, alone = stratified_pair(metric, summary, plan.control.key, variant.key, strata)
            row = _guard(plan, metric, variant, pooled, alone, alpha, horizon, count)
            here = f"stage {len(starts)}"
            if row.state in ("open", "within margin") and here not in alone and not isinstance(metric, Quantile):
                # what earlier stages say is no answer about this one
                row = GuardRow(
                    metric.key,
                    variant.key,
                    "not tested",
                    reason=f"fewer than {MIN_UNITS} units with a whole window in an arm of {here}",
                )
            out.append(row)
    return tuple(out)


def _guard(
    plan: Plan,
    metric: MetricBase,
    variant: Variant,
    pooled: Pair,
    alone: Mapping[str, Pair],
    alpha: float,
    horizon: int,
    count: int,
) -> GuardRow:
    if pooled.status != "ok":
        reason = (
            f"fewer than {MIN_UNITS} units in an arm of every stage"
            if pooled.status == "not_enough_units"
            else pooled.reason or pooled.status
        )
        return GuardRow(metric.key, variant.key, "not tested", reason=reason)
    good = 1.0 if metric.direction == "increase" else -1.0
    size = metric.margin_rel if metric.margin is None else metric.margin
    scale: Scale = "lift" if metric.margin is None else "effect"
    assert size is not None  # noqa: S101 - filtered by the caller
    share = plan.control.split + variant.split

    def beyond(pair: Pair, level: float, n_opt: float, sign: float) -> bool:
        mixture = Mixture.optimal(alpha=2 * level, n_opt=max(n_opt, 2.0))
        z = pivot(pair, null=-good * size, scale=scale)
        return bool(sign * good * z > q_mixture(2 * level, mixture.ratio(pair)))  # never where z is NaN

    if beyond(pooled, alpha / 2, horizon * share, -1.0):
        return GuardRow(metric.key, variant.key, "harm", "pooled over the stages")
    for name, pair in alone.items():
        is_stage = name.startswith("stage ")
        if is_stage and pair.status == "ok" and beyond(pair, alpha / 2 / count, horizon * share / count, -1.0):
            return GuardRow(metric.key, variant.key, "harm", name)
    within = beyond(pooled, plan.guardrail_alpha, horizon * share, 1.0)
    return GuardRow(metric.key, variant.key, "within margin" if within else "open")


def answer_of(
    plan: Plan,
    summary: Summary,
    entries: Sequence[Entry],
    *,
    gates: Sequence[str],
    now: datetime,
) -> RampAnswer:
    """Go on, hold or roll back, and the row of the rule that fired.

    Args:
        plan: In force, with a ramp.
        summary: With cells of dimension `$day`.
        entries: Of the ledger, the launch among them.
        gates: Names of the health gates that fail.
        now: Aware time.
    """
    assert plan.ramp is not None  # noqa: S101 - the caller has a ramp
    starts = stage_starts(plan, entries)
    here = starts[-1]
    guards = guard_rows(plan, summary, [s.at for s in starts])
    units = sum(
        sum(n.values())
        for day, n in summary.exposures_by_day.items()
        if date.fromisoformat(day[:10]) >= here.at.astimezone(UTC).date()
    )
    # units know how long they were watched from the log alone, and a log that ends early has no later day
    seen = datetime.fromisoformat(summary.data_until.replace("Z", "+00:00")) if summary.data_until else now
    seen = seen if seen.tzinfo else seen.replace(tzinfo=UTC)
    days = max((min(now, seen) - here.at) / timedelta(days=1), 0.0)
    signed = not here.stage.signs or any(
        e.kind == "signed_off" and e.seq > here.seq and e.body.get("name") == here.stage.signs for e in entries
    )
    early = (here.stage.days is not None and days < here.stage.days) or (
        here.stage.units is not None and units < here.stage.units
    )
    last = here.number == len(plan.ramp.stages)
    rolled = next((e for e in reversed(entries) if e.kind in ("rolled_back", "launched", "decided")), None)
    fits = {
        "harm": any(g.state == "harm" for g in guards),
        "rolled-back": rolled is not None and rolled.kind == "rolled_back",
        "health": bool(gates),
        "untested": any(g.state == "not tested" for g in guards),
        "early": early,
        "not-shown": here.stage.needs == "non_inferior" and any(g.state != "within margin" for g in guards),
        "unsigned": not signed,
        "done": last,
        "clear": True,
    }
    name, answer, why = next(rule for rule in RULES if fits[rule[0]])
    detail = _detail(name, plan, guards, gates, here, days, units)
    return RampAnswer(
        plan.key,
        answer,
        name,
        f"Stage {here.number} of {len(plan.ramp.stages)} ({here.stage.share:.0%} of the units): {why}{detail}.",
        here.number,
        len(plan.ramp.stages),
        here.stage.share,
        None if last else plan.ramp.stages[here.number].share,
        days,
        units,
        guards,
    )


def _detail(
    name: str, plan: Plan, guards: Sequence[GuardRow], gates: Sequence[str], here: StageStart, days: float, units: int
) -> str:
    def said(state: str) -> str:
        named = [
            f"{label_of(plan.metric(g.metric))}{' in ' + g.where if g.where.startswith('stage') else ''}"
            for g in guards
            if g.state == state
        ]
        return ", ".join(dict.fromkeys(named))

    match name:
        case "harm":
            return f" ({said('harm')})"
        case "health":
            return f" ({', '.join(gates)})"
        case "untested":
            return f" ({said('not tested')}: {next(g.reason for g in guards if g.state == 'not tested')})"
        case "early":
            wanted = [number_of(here.stage.days, "day")] if here.stage.days else []
            wanted += [number_of(here.stage.units, "unit")] if here.stage.units else []
            return f" ({days:.1f} days and {number_of(units, 'unit')} of {' and '.join(wanted)})"
        case "not-shown":
            return f" ({said('open')} {'is' if said('open').count(',') == 0 else 'are'} still open)"
        case "unsigned":
            return f" ({here.stage.signs})"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class RampPower:
    """What a ramp finds, as it was played.

    Attributes:
        metric: Key of the guardrail.
        change: True change for the worse, as a share.
        power: Chance that the ramp is rolled back by its end.
        by_stage: The same by the end of each stage.
        days: Days to the roll-back, median of the runs that had one; None where none had.
        runs: How many were played.
    """

    metric: str
    change: float
    power: float
    by_stage: tuple[float, ...]
    days: float | None
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"by_stage": list(self.by_stage)}


def ramp_power(plan: Plan, metric: str, *, change: float, from_stage: int = 1, runs: int = 1000) -> RampPower:
    """How likely the ramp finds a change for the worse, read daily, by playing it with the very tests that it uses.

    Args:
        plan: With a ramp, `planning.daily_units`, and the metric's baseline (and sd where it is no proportion).
        metric: Key of a guardrail with a margin.
        change: True relative change for the worse, from `from_stage` on; 0 gives the chance of a false stop.
        from_stage: First stage with the change.
        runs: Ramps played; the Monte-Carlo error is at most 0.5 / sqrt(runs).

    Raises:
        StatsError: `XPB-S01`, no ramp, or planning lacks what it takes.
    """
    mean = plan.planning.baselines.get(metric)
    daily = plan.planning.daily_units
    if plan.ramp is None or mean is None or not mean or daily is None:
        raise StatsError(
            "XPB-S01",
            name=plain("plan"),
            value=plain("without a ramp, planning.daily_units or the metric's baseline"),
            rule=plain("playing a ramp takes all three"),
        )
    rail = plan.metric(metric)
    is_share = not plan.planning.sds.get(metric)
    sd = plan.planning.sds.get(metric) or math.sqrt(max(mean * (1 - mean), 0.0))
    good = 1.0 if rail.direction == "increase" else -1.0
    rng = np.random.default_rng(int(plan.digest[:12], 16))
    rails = [m for m in plan.metrics_with("guardrail") if m.margin is not None or m.margin_rel is not None]
    alpha = plan.decision.harm_alpha / (len(rails) * len(plan.treatments))
    variant = plan.treatments[0]
    lengths = [stage.days or max(math.ceil((stage.units or 1) / (daily * stage.share)), 1) for stage in plan.ramp.stages]
    planned = sum(n * daily * s.share for n, s in zip(lengths, plan.ramp.stages, strict=True))
    horizon = plan.horizon.units or int(planned)
    stopped = np.zeros(len(lengths))
    times: list[int] = []
    for _ in range(runs):
        alone: dict[str, Pair] = {}
        day, found = 0, False
        for number, (length, stage) in enumerate(zip(lengths, plan.ramp.stages, strict=True), 1):
            true = mean * (1 - good * change) if number >= from_stage else mean
            spread = math.sqrt(true * (1 - true)) if is_share and 0 < true < 1 else sd
            nc, nt, sc, st = 0, 0, 0.0, 0.0
            for i in range(length):
                day += 1
                if i == 1 and number > 1:  # the day on which the share changed is a stratum of its own
                    nc, nt, sc, st = 0, 0, 0.0, 0.0
                name = f"change to stage {number}" if i == 0 and number > 1 else f"stage {number}"
                a, b = (round(daily * stage.share * v.split) for v in (plan.control, variant))
                sc += rng.normal(a * mean, sd * math.sqrt(a)) if a else 0.0
                st += rng.normal(b * true, spread * math.sqrt(b)) if b else 0.0
                nc, nt = nc + a, nt + b
                if min(nc, nt) < MIN_UNITS:
                    continue
                alone[name] = Pair(
                    sc / nc, st / nt, sd * sd / nc, spread * spread / nt, 0.0, math.inf, round(4 * nc * nt / (nc + nt))
                )
                pooled = _pooled_of(alone)
                if _guard(plan, rail, variant, pooled, alone, alpha, horizon, len(lengths)).state == "harm":
                    found = True
                    break
            if found:
                stopped[number - 1 :] += 1
                times.append(day)
                break
    by_stage = tuple(float(s) / runs for s in stopped)
    return RampPower(metric, change, by_stage[-1], by_stage, float(np.median(times)) if times else None, runs)


def _pooled_of(alone: Mapping[str, Pair]) -> Pair:
    total = sum(p.n for p in alone.values())
    w = {k: p.n / total for k, p in alone.items()}
    return Pair(
        math.fsum(w[k] * p.mc for k, p in alone.items()),
        math.fsum(w[k] * p.mt for k, p in alone.items()),
        math.fsum(w[k] ** 2 * p.vc for k, p in alone.items()),
        math.fsum(w[k] ** 2 * p.vt for k, p in alone.items()),
        math.fsum(w[k] ** 2 * p.cov for k, p in alone.items()),
        math.inf,
        total,
    )


def _none() -> Pair:
    return Pair(*(math.nan,) * 6, n=0, status="not_enough_units", reason="")


def _merged(summary: Summary, metric: MetricBase, variant: str, days: Sequence[str]) -> Cell | None:
    cells = [c for d in days if (c := summary.cell(metric.key, variant, dimension="$day", slice=d)) is not None and c.n]
    if not cells:
        return None
    whole = merge(*(Moments.of(c.n, c.mean, c.cov) for c in cells))
    mean = tuple(float(v) for v in whole.mean)
    cov = tuple(tuple(float(v) for v in row) for row in whole.cov)
    return Cell(metric.key, variant, "value", cells[0].columns, int(whole.n), mean, cov)


def _pair(metric: MetricBase, c: Cell | None, t: Cell | None) -> tuple[Pair, float] | None:
    """The pair of one stratum and its weight; None with too few units, which no outcome decides.

    A share with few events, or none in one arm, has the noise of both arms together (with one event and one unit without more):
    an arm in which everything is lost must not fall out of the test because it does not vary.
    """
    if c is None or t is None or min(c.n, t.n) < MIN_UNITS:
        return None
    found = with_noise(estimate(metric, c, t))
    p = found.pair
    weight = c.n * t.n / (c.n + t.n)
    if found.counts is not None and (p.status != "ok" or found.tiny is not None):
        share = (c.n * found.mean_control + t.n * found.mean + 1.0) / (c.n + t.n + 2.0)
        noise = share * (1.0 - share)
        return Pair(found.mean_control, found.mean, noise / c.n, noise / t.n, 0.0, math.inf, round(4 * weight)), weight
    return Pair(p.mc, p.mt, p.vc, p.vt, p.cov, p.df, round(4 * weight), p.status, p.reason), weight
