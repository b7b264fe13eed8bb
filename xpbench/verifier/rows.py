"""Every row of the readout, computed from the moments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from xpbench.verifier.designs import (
    Design,
    adjust,
    alpha_of,
    closing,
    design_of,
    fieller,
    has_lift,
    interval_level,
    lift_z,
    standing,
)
from xpbench.verifier.documented import DOCUMENTED, documented_test
from xpbench.verifier.estimates import Estimate, capped_away, estimate, saved_by, waiting, with_noise
from xpbench.verifier.futility import last_multiplier
from xpbench.verifier.pairs import NAN, Pair
from xpbench.verifier.posterior import Posterior, posterior_of
from xpbench.verifier.quantiles import normal_isf
from xpbench.verifier.report import J
from xpbench.verifier.score import Score

METHODS = 5
"""The newest edition of the methods that is known here."""
WHOLE = 2
"""The edition from which on no status drops out of the rule on the good side."""


ENDED = 4
"""The edition in which an interval within what does not matter is a result, and so is a guardrail worse within its margin."""
MATCHED = 5
"""The edition in which intervals of segments are at the level of their verdicts, and a stop has an estimate of its own."""
POWER = 3
"""The edition that judges shares by the score whatever their counts, and guardrails at one-sided alpha."""


def _cells(summary: J) -> dict[tuple[str, str, str, str, str], J]:
    return {
        (c["metric"], c["variant"], c["form"], c.get("dimension", ""), c.get("slice", "")): c
        for c in reversed(summary["cells"])
    }


def rows_of(
    plan: J,
    summary: J,
    *,
    looks: Sequence[J] = (),
    dimension: str = "",
    slice_: str = "",
    alone: bool = False,
    methods: int = METHODS,
    levels: Mapping[tuple[str, str], float] | None = None,
) -> list[dict[str, J]]:
    """Every row of the readout, computed from the moments.

    Args:
        plan: As the readout has it.
        summary: Moments.
        looks: Those at the effects, this one last.
        dimension: Of a segment.
        slice_: Its value.
        alone: Leave out what earlier looks found, and give what this look found by itself.
        methods: Edition of the methods that the readout names; 1 where it names none.
        levels: Of the intervals, by metric and variant, in place of those of the families.
    """
    units = sum(summary["units"].values())
    cells = _cells(summary)
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    alpha = alpha_of(plan)
    items = []
    for metric in plan["metrics"]:
        for variant in plan["variants"]:
            if not variant.get("control"):
                pick = [cells.get((metric["key"], v, "value", dimension, slice_)) for v in (control, variant["key"])]
                raw = [cells.get((metric["key"], v, "raw", dimension, slice_)) for v in (control, variant["key"])]
                design = design_of(plan, variant, units=units, looks=looks)
                own = estimate(metric, *pick)
                if methods >= WHOLE:
                    own = with_noise(metric, own, *pick)
                    if methods >= MATCHED:
                        own = capped_away(own, [c for c in summary.get("caps", ()) if c["metric"] == metric["key"]])
                elif not design.once:
                    own = waiting(own)
                items.append((metric, variant, pick, own, design, raw, _scores(own, design, methods)))
    found = [(_p_value(item), alpha) for item in items]
    held: list[J | None] = [None] * len(items)
    corrected: list[tuple[float, float]] = list(found)
    second = plan.get("secondary_correction", "bh")
    groups: list[tuple[tuple[str, ...], str]] = (
        [(("primary", "secondary"), plan.get("correction", "holm")), (("guardrail",), "none")]
        if plan.get("family") == "primary_and_secondary"
        else [(("primary",), plan.get("correction", "holm")), (("secondary",), second), (("guardrail",), "none")]
    )
    for roles, name in groups:
        members = [i for i, item in enumerate(items) if item[0]["role"] in roles]
        for i in members if name != "e-bh" and not alone else ():
            earlier = standing(plan, looks[:-1], items[i][0]["key"], items[i][1]["key"], found[i][0])
            if earlier is not None and (items[i][4].rho2 is not None or items[i][4].boundary is not None):
                held[i], found[i] = earlier, (earlier["p"], alpha)
        p_values = [found[i][0] for i in members]
        gone = sum(m["role"] in roles for m in plan["metrics"]) * len(plan.get("dropped") or ())
        evidence = [_e(items[i]) for i in members] + [0.0] * gone if name == "e-bh" else [*p_values, *[1.0] * gone]
        adjusted = adjust(evidence, name)[: len(members)]
        of = sum(not math.isnan(p) for p in p_values) + gone
        level = interval_level(alpha, name, sum(p <= alpha for p in adjusted if not math.isnan(p)), of)
        if roles == ("guardrail",) and methods >= POWER and plan["model"]["kind"] != "bayesian":
            level = 2 * (plan.get("decision", {}).get("guardrail_alpha") or alpha)
        for i, p in zip(members, adjusted, strict=True):
            corrected[i] = (p, level)
    for i, item in enumerate(items):
        corrected[i] = corrected[i][0], (levels or {}).get((item[0]["key"], item[1]["key"]), corrected[i][1])
    end, early = closing(plan, looks[:-1]) is not None, methods >= MATCHED and not dimension and not alone
    return [
        _row(plan, item, found[i][0], *corrected[i], held=held[i], end=end, early=early, methods=methods)
        for i, item in enumerate(items)
    ]


def _scores(est: Estimate, design: Design, methods: int) -> Score | None:
    """The counts where the score method judges a row."""
    if methods < WHOLE:
        return est.score if design.once and est.reduction is None and est.pair.status != "zero_variance" else None
    if methods >= POWER and est.reduction is None:
        plenty = design.once and est.score is None and est.counts is not None and est.counts.many
        found = None if plenty else est.counts
    else:
        found = est.score if not design.once or est.reduction is None else None
    return replace(found, wary=True) if found is not None and methods >= MATCHED else found


def _z(item: J) -> float:
    """Distance from no difference; NaN where there is none, or where a design with several looks waits for events."""
    est, design, score = item[3], item[4], item[6]
    if score is not None:
        return NAN if score.silent or (score.rare and not design.once) else float(score.z_effect(0.0))
    pair = est.pair
    return (pair.mt - pair.mc) / math.sqrt(pair.variance) if pair.status == "ok" else NAN


def _p_value(item: J) -> float:
    est, design, score = item[3], item[4], item[6]
    return float(design.p(est.pair) if score is None else design.p_of(_z(item), est.pair.n))


def _e(item: J) -> float:
    z, design = _z(item), item[4]
    if math.isnan(z) or design.rho2 is None:
        return NAN
    log = design.log_e(z, item[3].pair.n)
    return math.inf if log > 709 else math.exp(log)


def _interval(pair: Pair, design: Design, level: float) -> dict[str, J]:
    out: dict[str, J] = dict.fromkeys(("effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se"))
    out["status"] = pair.status
    effect = pair.mt - pair.mc
    out["effect"] = finite(effect)
    if has_lift(pair):
        out["lift"] = effect / abs(pair.mc)
    if pair.status != "ok":
        return out
    q, se = design.q(pair, level), math.sqrt(pair.variance)
    out |= {"se": se, "ci_low": finite(effect - q * se), "ci_high": finite(effect + q * se), "q": q}
    ends = fieller(pair, q) if has_lift(pair) and math.isfinite(q) else None
    if ends is not None:
        out["lift_low"], out["lift_high"] = ends
    else:
        out["status"] = "unbounded_lift" if has_lift(pair) else "control_near_zero"
    return out


def finite(value: float) -> float | None:
    """The value, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def _row(
    plan: J,
    item: J,
    p: float,
    p_adjusted: float,
    level: float,
    *,
    held: J | None = None,
    end: bool = False,
    early: bool = False,
    methods: int = METHODS,
) -> dict[str, J]:
    metric, variant, cells, est, design, raw, score = item
    pair, alpha = est.pair, alpha_of(plan)
    sign = 1 if metric["direction"] == "increase" else -1
    row = _interval(pair, design, level)
    q = row.pop("q", NAN)
    if score is not None:
        q = design.q(Pair(n=pair.n, df=math.inf), level)
        if math.isfinite(q):
            shows = methods >= MATCHED and metric.get("margin") is not None
            row |= _by_score(score, q, waits=score.rare and not design.once, held=shows)
        no_lift = row.pop("no_lift", "unbounded_lift" if has_lift(pair) else "control_near_zero")
        row["status"] = "few_events" if not math.isnan(p) and score.tiny else pair.status
        if math.isnan(p) and score.rare and not design.once and pair.status != "zero_variance":
            row["status"] = "too_few_events"
        if row["status"] in ("ok", "few_events") and no_lift:
            row["status"] = no_lift
    if est.borrows:
        row["status"] = "separation"
    verdict = "unclear"
    if row["effect"] is not None and p_adjusted <= alpha:
        verdict = "better" if sign * (row["effect"] if held is None else held["sign"]) > 0 else "worse"
    posterior = None
    if plan["model"]["kind"] == "bayesian":
        p = p_adjusted = NAN
        if pair.status == "ok":
            posterior = posterior_of(plan, metric, est, *cells)
            verdict = _believed(row, pair, posterior, plan["model"]["confidence"])
    row |= {
        "metric": metric["key"],
        "variant": variant["key"],
        "role": metric["role"],
        "direction": metric["direction"],
        "n_control": cells[0]["n"] if cells[0] else 0,
        "n": cells[1]["n"] if cells[1] else 0,
        "mean_control": finite(est.plain.mc),
        "mean": finite(est.plain.mt),
        "p_value": finite(p),
        "p_adjusted": finite(p_adjusted),
        "alpha": level,
        "verdict": verdict,
        "is_proportion": est.share,
        "variance_reduction": est.reduction,
        "matters": None,
        "too_small": None,
        "chance": None if posterior is None else posterior.chance,
        "risk": None if posterior is None else posterior.risk,
        "posterior": posterior,
        "no_control": pair.mc == 0,
    }
    least = metric.get("min_lift")
    policy = plan.get("decision", {})
    asked = least is not None and policy.get("practical", "estimate") != "none"
    if asked and score is not None and not score.silent:
        row["matters"], row["too_small"] = score.matters(least, sign, q, whole=policy.get("practical") == "interval")
    elif asked and pair.status == "ok" and has_lift(pair):
        z = sign * lift_z(pair, sign * least)
        row["matters"] = z > q if policy.get("practical") == "interval" else sign * (pair.mt - pair.mc) / abs(pair.mc) >= least
        row["too_small"] = z < -q
    row |= _margin(metric, policy, pair, design, q, verdict, sign, score)
    row["equivalent"] = None
    row["no_effect_within"] = within = metric.get("equivalence") or least
    if methods >= ENDED and metric["role"] != "guardrail" and within:
        low, high = row["lift_low"], row["lift_high"]
        row["equivalent"] = low is not None and high is not None and -within < low and high < within
    if held is not None and end:
        row |= {"guardrail": held["guardrail"], "matters": held["matters"]}
        row["equivalent"] = None if row["equivalent"] is None else False
    row["last_q"] = last_multiplier(plan, design.boundary, level) if metric["role"] == "primary" else None
    row["saved_by"] = [] if est.reduction is None else saved_by(metric, *cells)
    row["sensitivity"] = []
    if early and held is None and p_adjusted <= alpha:
        row["sensitivity"] += _after_stop(pair, design, _z(item), level)
    if est.reduction is not None:
        row["sensitivity"].append(("without CUPED", _interval(est.plain, design, level), design.p(est.plain)))
    if all(c is not None for c in raw):
        plain = estimate(metric, *raw).plain
        row["sensitivity"].append(("raw", _interval(plain, design, level), design.p(plain)))
    grouped = cells[0] is not None and list(cells[0]["columns"][:1]) == ["total"]
    if metric["kind"] != "quantile" and pair.status == "ok" and not est.borrows and not grouped:
        row["sensitivity"].append((DOCUMENTED, *documented_test(metric, *cells, share=est.share, alpha=alpha)))
    return row


def _after_stop(pair: Pair, design: Design, z: float, level: float) -> list[tuple[str, dict[str, J], float]]:
    """The estimate that stopping at this look does not exaggerate; empty where no look came before."""
    found = design.after_stop(z, level, pair.n) if math.isfinite(z) and z != 0 else None
    if found is None or design.boundary is None:
        return []
    ends, p = found
    scale = (pair.mt - pair.mc) / z * math.sqrt(design.boundary.information[-1])
    values = [scale * x for x in ends]
    out: dict[str, J] = dict(zip(("effect", "ci_low", "ci_high"), values, strict=True))
    lifts = [x / abs(pair.mc) if has_lift(pair) else None for x in values]
    out |= dict(zip(("lift", "lift_low", "lift_high"), lifts, strict=True))
    return [("adjusted for stopping early", {**out, "status": "ok"}, p)]


def _by_score(score: Score, q: float, *, waits: bool, held: bool) -> dict[str, J]:
    """Effect and lift with their intervals by the score; none without a difference, or without zero while none is called."""
    out: dict[str, J] = {}
    out["effect"], out["ci_low"], out["ci_high"] = score.effect(q)
    out["lift"], out["lift_low"], out["lift_high"], out["no_lift"] = score.lift(q)
    if score.silent or (waits and not out["ci_low"] <= 0 <= out["ci_high"]):
        hidden = ("lift_low", "lift_high") if score.silent and held else ("ci_low", "ci_high", "lift_low", "lift_high")
        out |= dict.fromkeys(hidden)
    return out


def _believed(row: dict[str, J], pair: Pair, posterior: Posterior | None, confidence: float) -> str:
    """Effect under a flat prior, and the verdict of the chance to beat control; the lift is the posterior's, not Fieller's."""
    reach = normal_isf((1 - confidence) / 2) * math.sqrt(pair.variance)
    row["effect"] = pair.mt - pair.mc
    row["ci_low"], row["ci_high"] = row["effect"] - reach, row["effect"] + reach
    for name in ("lift", "lift_low", "lift_high"):
        row[name] = None
    if row["status"] not in ("ok", "few_events", "separation"):
        row["status"] = "ok"
    if posterior is None:
        if pair.mc == 0 and row["status"] != "separation":
            row["status"] = "control_near_zero"
        return "unclear"
    if posterior.below is None and row["status"] != "separation":  # what it says of the noise matters more
        row["status"] = "control_near_zero"
    return "better" if posterior.chance >= confidence else "worse" if posterior.chance <= 1 - confidence else "unclear"


def _margin(
    metric: J, policy: J, pair: Pair, design: Design, q: float, verdict: str, sign: int, score: Score | None
) -> dict[str, J]:
    margin, relative = metric.get("margin"), metric.get("margin_rel")
    is_rail = metric["role"] == "guardrail"
    size = relative if relative is not None else margin
    if size is None:
        state = "" if not is_rail else "unclear" if pair.status != "ok" else "bad" if verdict == "worse" else "ok"
        return {"guardrail": state, "margin": None, "margin_p_value": None}
    out: dict[str, J] = {"margin": -sign * size, "margin_p_value": None, "guardrail": "unclear" if is_rail else ""}
    if score is not None and size < 1 and not (score.silent and relative is not None):
        z = sign * (score.z_ratio(1 - sign * size) if relative is not None else score.z_effect(-sign * size))
        out["margin_p_value"] = design.p_one_sided(z, Pair(n=pair.n, df=math.inf))
    elif pair.status != "ok":
        return out
    else:
        z = sign * (
            lift_z(pair, -sign * size) if relative is not None else (pair.mt - pair.mc + sign * size) / math.sqrt(pair.variance)
        )
        out["margin_p_value"] = design.p_one_sided(z, pair)
    if is_rail and z > q:
        out["guardrail"] = "ok"
    elif is_rail and verdict == "worse":
        out["guardrail"] = "bad"
    elif is_rail and policy.get("guardrails") == "not_worse":
        out["guardrail"] = "ok"
    return out
