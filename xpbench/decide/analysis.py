"""All rows of a readout: estimates, the plan's design, families and their correction, margins, min_lift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xpbench.data.summary import SourceForm, Summary
from xpbench.decide.bayesian import read_posterior
from xpbench.decide.designs import Grouped, PlannedAnytime, PlannedDesign, Shared, design_of
from xpbench.decide.estimate import Estimate, capped_away, estimate, waiting, with_noise
from xpbench.decide.futility import chance_left, last_multiplier
from xpbench.decide.looks import FoundLook, Look, closing_of, standing
from xpbench.decide.margins import judge_margin
from xpbench.decide.row import GuardrailState, Row, RowVerdict, SavedBy, Sensitivity, number
from xpbench.decide.saved import saved_of
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, GroupSequential, Sequential, Variant
from xpbench.plan.methods import MATCHED, POWER, VERDICTS, WHOLE
from xpbench.plan.metrics import MetricBase
from xpbench.stats.compatible import WHY, Kind, mixpanel_test
from xpbench.stats.functionals import ClusterMean
from xpbench.stats.inference import Absolute, Relative, absolute, noninferior, pivot, practical, relative
from xpbench.stats.multiplicity import Method, adjust_p, ebh_adjusted, interval_alpha
from xpbench.stats.multipliers import q_fixed
from xpbench.stats.pairs import Pair
from xpbench.stats.proportion import EventCounts, is_many, is_uneven, score_effect, score_lift, score_practical, score_z
from xpbench.stats.status import EstimateStatus
from xpbench.stats.status import reason as reason_of


@dataclass(frozen=True, slots=True)
class _Item:
    metric: MetricBase
    variant: Variant
    estimate: Estimate
    design: PlannedDesign
    methods: int

    @property
    def scores(self) -> EventCounts | None:
        """Counts where the score method judges this row."""
        est, once = self.estimate, self.design.reads_once
        if self.methods < WHOLE:
            return est.tiny if once and est.reduction is None and est.pair.status != "zero_variance" else None
        if self.methods >= POWER and est.reduction is None:
            plenty = once and est.tiny is None and est.counts is not None and is_many(est.counts)
            return None if plenty else est.counts
        return est.tiny if not once or est.reduction is None else None

    @property
    def waits(self) -> bool:
        """Whether a design with several looks calls no difference yet, for want of events."""
        if self.scores is None or self.design.reads_once or self.estimate.tiny is None:
            return False
        return self.estimate.is_rare or (self.methods >= MATCHED and is_uneven(self.scores))

    def z_score(self) -> float:
        """Score statistic of no difference; NaN where there is none, or where it says nothing yet."""
        assert self.scores is not None  # noqa: S101 - asked by the caller
        return math.nan if self.waits else score_z(self.scores, null=0.0, scale="effect")

    def p_value(self) -> float:
        """Two-sided p-value of the plan's design."""
        if self.scores is not None:
            return self.design.p_score(self.z_score(), self.estimate.pair.n)
        return self.design.p_value(self.estimate.pair)

    def e_value(self) -> float:
        """Evidence of the normal mixture; NaN for other designs."""
        if not isinstance(self.design, PlannedAnytime):
            return math.nan
        if self.scores is not None:
            return self.design.e_score(self.z_score(), self.estimate.pair.n)
        return self.design.e_value(self.estimate.pair)

    def bounds(self, alpha: float) -> tuple[float, Absolute, Relative]:
        """Multiplier, effect and lift with their intervals at a two-sided level."""
        pair = self.estimate.pair
        if self.scores is None:
            q = self.design.q(pair, alpha)
            return q, absolute(pair, q), relative(pair, q)
        q = self.design.q_score(pair.n, alpha)
        if math.isinf(q):  # nothing is left to spend at this look
            lift = relative(pair, math.nan).lift
            return q, absolute(pair, q), Relative(lift, math.nan, math.nan, "undefined" if math.isnan(lift) else "unbounded")
        effect, ratio = score_effect(self.scores, q=q), score_lift(self.scores, q=q)
        silent = pair.status == "zero_variance"  # no event, or nothing else: an interval for a margin, none for a difference
        if silent or (self.waits and not effect.low <= 0.0 <= effect.high):  # there its promise does not hold yet
            hidden = relative(pair if silent else replace(pair, status="too_few_events"), q)
            if not silent and math.isfinite(ratio.estimate):  # beside the effect of the same counts, not of a covariate
                hidden = hidden._replace(lift=ratio.estimate)
            if silent and self.methods >= MATCHED and self.metric.margin is not None:  # what the margin is held against
                return q, Absolute(effect.estimate, pair.se, effect.low, effect.high), hidden
            return q, Absolute(effect.estimate, pair.se, math.nan, math.nan), hidden
        shown = Relative(ratio.estimate, ratio.low, ratio.high, ratio.kind)
        if ratio.kind != "bounded":
            shown = Relative(ratio.estimate, math.nan, math.nan, ratio.kind)
        return q, Absolute(effect.estimate, pair.se, effect.low, effect.high), shown


@dataclass(frozen=True, slots=True)
class _Corrected:
    p_value: float
    p_adjusted: float
    alpha: float
    standing: tuple[FoundLook, Look] | None = None


def analyse(
    plan: Plan,
    summary: Summary,
    *,
    dimension: str = "",
    slice: str = "",  # noqa: A002
    earlier_units: Sequence[int] = (),
    looks: Sequence[Look] = (),
    last: bool = False,
    levels: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Row, ...]:
    """One row per metric and treatment variant, in plan order.

    Families: the primary metrics times treatment variants share one, corrected by `plan.correction`; the secondary metrics
    another, by `plan.secondary_correction` (or both one family, as the plan says). A treatment that was dropped while the
    experiment ran has no rows and stays in the families, as a comparison that finds nothing. Guardrails stand outside: to
    ship, all must pass, so each keeps the plan's alpha.

    Args:
        plan: The plan.
        summary: Moments.
        dimension: `""` for all units, else a segment.
        slice: Value of the segment.
        earlier_units: Units at earlier looks (group-sequential).
        looks: The earlier looks themselves, in place of `earlier_units`: what they found stands (`looks.standing`).
        last: This look was declared the last one (group-sequential).
        levels: Levels of the intervals by metric and variant, in place of those of the families.
    """
    control = plan.control.key
    items = []
    for metric in plan.metrics:
        for variant in plan.treatments:
            found = estimate(
                metric,
                summary.cell(metric.key, control, dimension=dimension, slice=slice),
                summary.cell(metric.key, variant.key, dimension=dimension, slice=slice),
            )
            design = design_of(plan, variant, units=summary.n, earlier_units=earlier_units, looks=looks, last=last)
            if plan.methods >= WHOLE:
                found = with_noise(found)
                if plan.methods >= MATCHED:
                    found = capped_away(found, [c for c in summary.caps if c.metric == metric.key])
            elif not design.reads_once:
                found = waiting(found)
            items.append(_Item(metric, variant, found, design, plan.methods))
    corrected = _correct(plan, items, looks)
    if levels is not None:
        corrected = [
            replace(c, alpha=levels.get((i.metric.key, i.variant.key), c.alpha)) for i, c in zip(items, corrected, strict=True)
        ]
    return tuple(_row(plan, summary, item, c, dimension, slice, looks) for item, c in zip(items, corrected, strict=True))


def findings_of(plan: Plan, rows: Sequence[Row]) -> dict[str, dict[str, FoundLook]]:
    """What a look found by itself, for the ledger; empty for designs that are read once.

    Args:
        plan: The plan.
        rows: From `analyse` without earlier findings.
    """
    out: dict[str, dict[str, FoundLook]] = {}
    if isinstance(plan.model, (Sequential, GroupSequential)):
        for row in rows:
            if row.p_value is not None and row.effect is not None:
                sign = (row.effect > 0) - (row.effect < 0)
                out.setdefault(row.metric, {})[row.variant] = FoundLook(row.p_value, sign, row.guardrail, row.matters)
    return out


def _stands(plan: Plan, looks: Sequence[Look], look: Look) -> str:
    """Why a row has the p-value of an earlier look, as a sentence."""
    if closing_of(plan, looks) is not None:
        return f"The result is that of the look on {look.at[:10]}: data after the last planned look decide nothing."
    return f"It crossed its boundary at the look on {look.at[:10]}, and a boundary once crossed stays crossed."


def families(plan: Plan) -> dict[str, Method]:
    """The correction of each role's family; equal names share one family only where the plan says so."""
    return {"primary": plan.correction, "secondary": plan.secondary_correction, "guardrail": "none"}


def _correct(plan: Plan, items: Sequence[_Item], looks: Sequence[Look]) -> list[_Corrected]:
    out = [_Corrected(math.nan, math.nan, plan.alpha)] * len(items)
    p_values = [i.p_value() for i in items]
    stand = [
        None if i.design.reads_once else standing(plan, looks, i.metric.key, i.variant.key, p)
        for i, p in zip(items, p_values, strict=True)
    ]
    roles = [i.metric.role for i in items]
    joint = plan.family == "primary_and_secondary"
    for names, method in (
        [(("primary", "secondary"), plan.correction), (("guardrail",), "none")]
        if joint
        else [((role,), method) for role, method in families(plan).items()]
    ):
        members = [k for k, role in enumerate(roles) if role in names]
        if not members:
            continue
        used: Method = method
        for k in members:
            if used == "e-bh":  # its evidence is that of the moment of stopping
                stand[k] = None
            elif (held := stand[k]) is not None:
                p_values[k] = held[0].p
        own = [p_values[k] for k in members]
        gone = sum(m.role in names for m in plan.metrics) * len(plan.dropped or ())  # without evidence, and in the family
        if used == "e-bh":
            adjusted = ebh_adjusted([*(items[k].e_value() for k in members), *[0.0] * gone])[: len(members)]
        else:
            adjusted = adjust_p([*own, *[1.0] * gone], method=used)[: len(members)]
        of = sum(not math.isnan(p) for p in own) + gone
        rejected = sum(bool(p <= plan.alpha) for p in adjusted if not math.isnan(p))
        alpha = interval_alpha(alpha=plan.alpha, method=used, rejected=rejected, of=of) if of else plan.alpha
        if names == ("guardrail",):
            alpha = 2.0 * plan.guardrail_alpha  # the interval that is shown excludes the margin exactly when it passes
        for k, p in zip(members, adjusted, strict=True):
            out[k] = _Corrected(p_values[k], float(p), alpha, stand[k])
    return out


def _row(
    plan: Plan, summary: Summary, item: _Item, corrected: _Corrected, dimension: str, slice_: str, looks: Sequence[Look]
) -> Row:
    metric, est = item.metric, item.estimate
    pair = est.pair
    q, effect, lift = item.bounds(corrected.alpha)
    status: EstimateStatus = pair.status
    chance = risk = None
    if isinstance(plan.model, Bayesian) and pair.status == "ok":
        reading = read_posterior(plan.model, metric, est, mass=plan.model.confidence)
        chance, risk, effect, lift = number(reading.chance), number(reading.risk), reading.effect, reading.lift
        verdict: RowVerdict = "unclear"  # a prior on the lift says nothing where the control's mean is zero
        if chance is not None:
            confidence = plan.model.confidence
            verdict = "better" if chance >= confidence else "worse" if chance <= 1.0 - confidence else "unclear"
    else:
        sign = effect.effect if corrected.standing is None else effect.effect * 0.0 + corrected.standing[0].sign
        verdict = _verdict(sign, corrected.p_adjusted, plan.alpha, metric.direction)
    if est.tiny is not None and item.scores is not None and not math.isnan(corrected.p_value):
        status = "few_events"
    elif item.waits and status != "zero_variance":
        status = "too_few_events"
    if est.borrows:
        status = "separation"
    if status in ("ok", "few_events") and lift.kind != "bounded":
        status = lift.status
    reason = pair.reason if status == pair.status else reason_of(status)
    matters, too_small = _practical(plan, item, q)
    guardrail, margin, scale, margin_p = _guardrail(plan, item, verdict, q)
    same = _equivalent(plan, metric, number(lift.lift_low), number(lift.lift_high))
    if corrected.standing is not None:
        found, look = corrected.standing
        reason = f"{reason} {_stands(plan, looks, look)}".strip()
        if closing_of(plan, looks) is not None:
            guardrail, matters = found.guardrail, found.matters  # type: ignore[assignment]
            same = None if same is None else False  # the interval is of data that decide nothing
    bayesian = isinstance(plan.model, Bayesian)
    return Row(
        metric=metric.key,
        label=metric.label,
        kind=metric.kind,  # type: ignore[attr-defined]
        role=metric.role,
        direction=metric.direction,
        variant=item.variant.key,
        n_control=est.n_control,
        n=est.n,
        mean_control=number(est.mean_control),
        mean=number(est.mean),
        effect=number(effect.effect),
        ci_low=number(effect.ci_low),
        ci_high=number(effect.ci_high),
        lift=number(lift.lift),
        lift_low=number(lift.lift_low),
        lift_high=number(lift.lift_high),
        p_value=None if bayesian else number(corrected.p_value),
        status=status,
        reason=reason,
        p_adjusted=None if bayesian else number(corrected.p_adjusted),
        alpha=corrected.alpha,
        verdict=verdict,
        matters=matters,
        too_small=too_small,
        guardrail=guardrail,
        margin=margin,
        margin_scale=scale,
        margin_p_value=margin_p,
        chance=chance,
        risk=risk,
        variance_reduction=est.reduction,
        is_proportion=est.is_proportion,
        se=number(pair.se),
        min_lift=metric.min_lift,
        sensitivity=_sensitivity(plan, summary, item, corrected, dimension, slice_),
        equivalent=same,
        last_q=None if dimension else _last_q(plan, item, corrected.alpha),
        saved_by=() if dimension or est.reduction is None else _saved_by(plan, summary, item),
        chance_left=None if dimension else _chance_left(plan, item, effect.effect, corrected.alpha),
    )


def _saved_by(plan: Plan, summary: Summary, item: _Item) -> tuple[SavedBy, ...]:
    """What each source of covariates takes out, where several do; of one it is the row's own reduction."""
    cells = [summary.cell(item.metric.key, v) for v in (plan.control.key, item.variant.key)]
    if any(c is None for c in cells):
        return ()
    found = saved_of(item.metric, item.variant.key, *cells)  # type: ignore[arg-type]
    if len(found) < 2:
        return ()
    return tuple(SavedBy(s.source, number(s.alone) or 0.0, number(s.more) or 0.0) for s in found)


def _last_q(plan: Plan, item: _Item, alpha: float) -> float | None:
    """The multiplier that an interim result of a primary metric has to reach at the end."""
    design = item.design
    if item.methods < MATCHED or item.metric.role != "primary" or not isinstance(design, Grouped) or design.final:
        return None
    found = last_multiplier(plan, design.information, alpha)
    return None if found is None else number(found)


def _chance_left(plan: Plan, item: _Item, effect: float, alpha: float) -> float | None:
    """What is left for a primary metric of a plan with a futility row."""
    pair, design = item.estimate.pair, item.design
    if plan.decision.futility is None or item.metric.role != "primary" or not isinstance(design, Grouped) or design.final:
        return None
    if not math.isfinite(effect) or not pair.se > 0.0 or not math.isfinite(pair.se):
        return None
    mean = item.estimate.mean_control
    if not math.isfinite(mean):
        return None
    left = chance_left(plan, item.metric.key, effect=effect, se=pair.se, mean=mean, information=design.information, level=alpha)
    return None if left is None else number(left)


def _equivalent(plan: Plan, metric: MetricBase, low: float | None, high: float | None) -> bool | None:
    """Whether the interval of the plan's own design lies within the lifts that don't matter.

    The test is that of two one-sided ones at half the interval's level, valid whenever the design's interval is.
    Source: Schuirmann 1987 (two one-sided tests), with the interval that is shown.
    """
    within = metric.no_effect_within
    if plan.methods < VERDICTS or metric.role == "guardrail" or within is None:
        return None
    return low is not None and high is not None and -within < low and high < within


def _verdict(effect: float, p_adjusted: float, alpha: float, direction: str) -> RowVerdict:
    if math.isnan(effect) or math.isnan(p_adjusted) or p_adjusted > alpha:
        return "unclear"
    return "better" if (effect > 0) == (direction == "increase") else "worse"


def _practical(plan: Plan, item: _Item, q: float) -> tuple[bool | None, bool | None]:
    metric, pair = item.metric, item.estimate.pair
    if metric.min_lift is None or plan.decision.practical == "none" or (pair.status != "ok" and item.scores is None):
        return None, None
    if item.scores is not None:
        found = score_practical(item.scores, min_lift=metric.min_lift, direction=metric.direction, q=q)
    else:
        found = practical(pair, min_lift=metric.min_lift, direction=metric.direction, q=q)
    matters = found.interval_reaches if plan.decision.practical == "interval" else found.estimate_reaches
    return matters, found.ruled_out


def _guardrail(
    plan: Plan, item: _Item, verdict: RowVerdict, q: float
) -> tuple[GuardrailState, float | None, str, float | None]:
    """State against the margin (`margins.judge_margin`), and the one-sided p-value at the margin by the plan's design."""
    metric, pair = item.metric, item.estimate.pair
    judged = judge_margin(metric, pair, q=q, is_worse=verdict == "worse", policy=plan.decision.guardrails, scores=item.scores)
    state: GuardrailState = judged.state if metric.role == "guardrail" else ""
    if judged.margin is None:
        return state, None, "", None
    if judged.score is not None:
        if math.isnan(judged.score.z):  # no event says nothing about a relative margin
            return state, number(judged.margin), judged.scale, None
        return state, number(judged.margin), judged.scale, number(item.design.p_one_sided(judged.score.z, pair.n))
    if pair.status != "ok":
        return state, number(judged.margin), judged.scale, None
    level = noninferior(
        pair,
        direction=metric.direction,
        margin_rel=metric.margin_rel,
        margin_abs=metric.margin,
        alpha=plan.guardrail_alpha,
        mixture=item.design.mixture if isinstance(item.design, PlannedAnytime) else None,
    )
    p_value = level.p_value
    if isinstance(item.design, (Grouped, Shared)):
        p_value = item.design.p_one_sided(level.z, pair.n)
    return state, number(judged.margin), judged.scale, number(p_value)


def _sensitivity(
    plan: Plan, summary: Summary, item: _Item, corrected: _Corrected, dimension: str, slice_: str
) -> tuple[Sensitivity, ...]:
    """The row computed in the other ways that a careful reader asks for."""
    out: list[Sensitivity] = []
    metric, est, alpha = item.metric, item.estimate, corrected.alpha
    if item.methods >= MATCHED and not dimension and corrected.standing is None and corrected.p_adjusted <= plan.alpha:
        out += _after_stop(item, alpha)
    if est.reduction is not None:
        out.append(_variant_of("without CUPED", est.unadjusted, item.design, alpha, "No covariates."))
    cells = [
        summary.cell(metric.key, v, form=_RAW, dimension=dimension, slice=slice_) for v in (plan.control.key, item.variant.key)
    ]
    if all(c is not None for c in cells):
        raw = estimate(metric, *cells)
        note = "Values are not capped" + (", no covariates." if est.reduction is not None else ".")
        out.append(_variant_of("raw", raw.unadjusted, item.design, alpha, note))
    grouped = isinstance(est.subject, ClusterMean)  # Mixpanel has no test for it
    if est.moments is not None and not est.is_quantile and not est.borrows and not grouped and est.pair.status == "ok":
        out.append(_compatible(plan, metric, est))
    return tuple(out)


def _after_stop(item: _Item, alpha: float) -> list[Sensitivity]:
    """The estimate that stopping at this look does not exaggerate; empty where no look came before."""
    pair = item.estimate.pair
    z = item.z_score() if item.scores is not None else pivot(pair)
    found = item.design.after_stop(z, alpha, pair.n) if math.isfinite(z) and z != 0.0 else None
    if found is None:
        return []
    drift, p_value = found
    effect = pair.mt - pair.mc
    scale = effect / z * math.sqrt(item.design.information[-1])  # type: ignore[attr-defined]
    middle, low, high = (scale * x for x in (drift.median, drift.low, drift.high))
    share = abs(pair.mc) if math.isfinite(relative(pair, math.nan).lift) else math.nan
    return [
        Sensitivity(
            AFTER_STOP,
            number(middle),
            number(low),
            number(high),
            number(middle / share),
            number(low / share),
            number(high / share),
            number(p_value),
            "ok",
            "As often too high as too low after stopping at this look; lifts are shares of the control's mean.",
        )
    ]


AFTER_STOP = "adjusted for stopping early"

_KINDS: dict[str, Kind] = {
    "conversion": "rate",
    "retention": "rate",
    "funnel": "rate",
    "count": "total",
    "sessions": "sessions",
    "sum": "value",
    "mean": "formula",
    "ratio": "formula",
    "formula": "formula",
}


def _compatible(plan: Plan, metric: MetricBase, est: Estimate) -> Sensitivity:
    """Mixpanel's documented frequentist numbers for the same moments, to explain a difference to a colleague."""
    assert est.moments is not None  # noqa: S101 - checked by the caller
    kind: Kind = _KINDS.get(metric.kind, "rate" if est.is_proportion else "value")  # type: ignore[attr-defined]
    found = mixpanel_test(*est.moments, kind=kind, subject=est.subject, confidence=plan.model.confidence)
    reach = q_fixed(plan.alpha, math.inf) * found.se
    effect = found.rate_t - found.rate_c
    return Sensitivity(
        "Mixpanel's documented test",
        number(effect),
        number(effect - reach),
        number(effect + reach),
        number(found.lift),
        None,
        None,
        number(found.p_value),
        "ok",
        " ".join(WHY[name] for name in found.why if not (est.is_proportion and name in ("t", "ddof"))),
    )


_RAW: SourceForm = "raw"


def _variant_of(name: str, pair: Pair, design: PlannedDesign, alpha: float, note: str) -> Sensitivity:
    q = design.q(pair, alpha)
    effect, lift = absolute(pair, q), relative(pair, q)
    return Sensitivity(
        name,
        number(effect.effect),
        number(effect.ci_low),
        number(effect.ci_high),
        number(lift.lift),
        number(lift.lift_low),
        number(lift.lift_high),
        number(design.p_value(pair)),
        pair.status if pair.status != "ok" or lift.kind == "bounded" else lift.status,
        note,
    )
