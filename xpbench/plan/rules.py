"""What must hold before a plan can be registered. Each rule looks at the whole plan and reports every breach."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from xpbench import formula
from xpbench.errors import Problem, nearest, plain
from xpbench.plan.design import Bayesian, GroupSequential, Sequential
from xpbench.plan.keys import is_safe_key, suggest_key
from xpbench.plan.metrics import Column, Conversion, EventMetric, Formula, Funnel, Mean, Quantile, Ratio, Retention

if TYPE_CHECKING:
    from xpbench.plan.model import Plan

_TOLERANCE = 1e-9


def problems_of(plan: Plan) -> list[Problem]:
    """Every breach of every rule, in the order of the rules."""
    return [problem for rule in RULES for problem in rule(plan)]


def _key(plan: Plan) -> Iterator[Problem]:
    if not is_safe_key(plan.key):
        yield Problem.of("XPB-P05", "/key", value=plan.key, suggestion=suggest_key(plan.key))


def _texts(plan: Plan) -> Iterator[Problem]:
    for pointer, text, why, remedy in (
        ("/title", plan.title, "Memo and lists show it", "Say in a few words what is tested"),
        ("/owner", plan.owner, "Someone answers for an experiment", "Name a person or a team"),
        ("/hypothesis/if", plan.hypothesis.if_, "A hypothesis says what changes", "Say what the treated units see"),
        (
            "/hypothesis/because",
            plan.hypothesis.because,
            "Without a reason nothing is learned from the result",
            "Say why it should work",
        ),
    ):
        if not text.strip():
            yield Problem.of("XPB-P06", pointer, why=plain(why), remedy=plain(remedy))


def _hypothesis(plan: Plan) -> Iterator[Problem]:
    claims = plan.hypothesis.then
    if not claims:
        yield Problem.of("XPB-P22", "/hypothesis/then")
    known = {m.key: m for m in plan.metrics}
    for i, claim in enumerate(claims):
        metric = known.get(claim.metric)
        pointer = f"/hypothesis/then/{i}/metric"
        if metric is None:
            yield Problem.of("XPB-P16", pointer, value=claim.metric, hint=plain(nearest(claim.metric, known)))
            continue
        if metric.direction != claim.direction:
            yield Problem.of(
                "XPB-P13",
                f"/hypothesis/then/{i}/direction",
                key=claim.metric,
                direction=metric.direction,
                wanted=claim.direction,
            )
        if metric.role != "primary":
            yield Problem.of("XPB-P23", pointer, key=claim.metric, role=metric.role)
    yield from _doubles("claim", "/hypothesis/then", [c.metric for c in claims])


def _variants(plan: Plan) -> Iterator[Problem]:
    variants = plan.variants
    if len(variants) < 2:
        yield Problem.of("XPB-P09", "/variants", count=len(variants))
    controls = sum(v.control for v in variants)
    if controls != 1:
        yield Problem.of("XPB-P08", "/variants", count=controls)
    for i, v in enumerate(variants):
        if not 0 < v.split < 1:
            yield Problem.of("XPB-P11", f"/variants/{i}/split", key=v.key, value=v.split)
        if not v.key.strip():
            yield Problem.of(
                "XPB-P06", f"/variants/{i}/key", why=plain("The log names variants by it"), remedy=plain("Name it")
            )
    dropped = plan.dropped or ()
    for i, d in enumerate(dropped):
        if not 0 < d.split < 1:
            yield Problem.of("XPB-P11", f"/dropped/{i}/split", key=d.key, value=d.split)
    total = math.fsum([*(v.split for v in variants), *(d.split for d in dropped)])
    if variants and abs(total - 1) > 1e-6:
        yield Problem.of("XPB-P07", "/variants", total=round(total, 6))
    yield from _doubles("Variant", "/variants", list(plan.assigned_keys))


def _metrics(plan: Plan) -> Iterator[Problem]:
    if not plan.metrics_with("primary"):
        yield Problem.of("XPB-P12", "/metrics")
    yield from _doubles("Metric", "/metrics", [m.key for m in plan.metrics])
    for i, m in enumerate(plan.metrics):
        at = f"/metrics/{i}"
        if not m.key.strip():
            yield Problem.of("XPB-P06", f"{at}/key", why=plain("A metric is named by its key"), remedy=plain("Name it"))
        needs_margin = m.role == "guardrail" and plan.decision.guardrails == "non_inferior"
        if needs_margin and m.margin is None and m.margin_rel is None:
            yield Problem.of("XPB-P14", f"{at}/margin", key=m.key)
        if m.margin is not None and m.margin_rel is not None:
            yield Problem.of("XPB-P15", f"{at}/margin", key=m.key)
        if m.winsorize is not None:
            lower = m.winsorize.lower or 0.0
            upper = 1.0 if m.winsorize.upper is None else m.winsorize.upper
            if lower >= upper or (lower == 0.0 and upper == 1.0):
                yield Problem.of("XPB-P24", f"{at}/winsorize", key=m.key, lower=lower, upper=upper)
            if isinstance(m, (Conversion, Retention, Funnel, Quantile, Formula)):
                yield Problem.of(
                    "XPB-P18",
                    f"{at}/winsorize",
                    value=m.kind,
                    rule=plain("Only values with a tail are capped: count, sum, mean, sessions, ratio and column"),
                    remedy=plain("Remove winsorize from this metric"),
                )
        if m.cuped and isinstance(m, (Quantile, Formula)):
            yield Problem.of(
                "XPB-P18",
                f"{at}/cuped",
                value=m.kind,
                rule=plain("CUPED adjusts means and ratios, not quantiles or formulas"),
                remedy=plain("Set cuped: false on this metric"),
            )
        if isinstance(m, EventMetric):
            yield from _covariates(plan, m, at)
        if isinstance(m, Column) and m.cuped and not m.covariates:
            yield Problem.of("XPB-P31", f"{at}/covariates", key=m.key)
        if isinstance(m, EventMetric) and m.window_days is not None and m.delay_days >= m.window_days:
            yield Problem.of(
                "XPB-P18",
                f"{at}/delay_days",
                value=m.delay_days,
                rule=plain("The delay ends before the window does"),
                remedy=plain("Shorten the delay or widen the window"),
            )
        if isinstance(m, Funnel) and len(m.steps) < 2:
            yield Problem.of(
                "XPB-P18",
                f"{at}/steps",
                value=len(m.steps),
                rule=plain("A funnel has at least two steps"),
                remedy=plain("Add a step, or use kind: conversion"),
            )
        for j, f in enumerate(getattr(m, "where", ())):
            if (f.value is None) != (f.op in ("is set", "is not set")):
                yield Problem.of(
                    "XPB-P18",
                    f"{at}/where/{j}/value",
                    value=f.value,
                    rule=plain("A comparison needs a value; 'is set' and 'is not set' take none"),
                    remedy=plain("Give the value, or change the operator"),
                )
    columns = [m.key for m in plan.metrics if isinstance(m, Column)]
    events = [m.key for m in plan.metrics if isinstance(m, EventMetric)]
    if columns and events:
        yield Problem.of("XPB-P27", "/metrics", columns=plain(", ".join(columns[:5])), events=plain(", ".join(events[:5])))


def _references(plan: Plan) -> Iterator[Problem]:
    known = {m.key: m for m in plan.metrics}
    edges: dict[str, list[str]] = {}
    for i, m in enumerate(plan.metrics):
        at = f"/metrics/{i}"
        if isinstance(m, Ratio):
            edges[m.key] = [m.numerator, m.denominator]
            for part in ("numerator", "denominator"):
                name = getattr(m, part)
                if name not in known:
                    yield Problem.of("XPB-P16", f"{at}/{part}", value=name, hint=plain(nearest(name, known)))
                elif not has_one_value(known[name]):
                    yield Problem.of(
                        "XPB-P18",
                        f"{at}/{part}",
                        value=name,
                        rule=plain("A ratio is built on metrics with one value for each unit"),
                        remedy=plain(_instead(known[name], "Name a count, sum, conversion or column")),
                    )
        elif isinstance(m, Formula):
            try:
                names = formula.parse(m.expression).names()
            except ValueError as error:
                yield Problem.of("XPB-P26", f"{at}/expression", key=m.key, reason=str(error))
                continue
            edges[m.key] = names
            if not names:
                yield Problem.of("XPB-P26", f"{at}/expression", key=m.key, reason=plain("it names no metric"))
            for name in names:
                if name not in known:
                    yield Problem.of("XPB-P16", f"{at}/expression", value=name, hint=plain(nearest(name, known)))
                elif not has_one_value(known[name]) and name != m.key:
                    yield Problem.of(
                        "XPB-P18",
                        f"{at}/expression",
                        value=name,
                        rule=plain("A formula is built on metrics with one value for each unit"),
                        remedy=plain(_instead(known[name], "Write the parts of that metric into the formula")),
                    )
    for i, m in enumerate(plan.metrics):
        if m.key in edges.get(m.key, ()):
            yield Problem.of("XPB-P17", f"/metrics/{i}", key=m.key, path=m.key)


def has_one_value(metric: object) -> bool:
    """Whether a metric has one number for each unit, so that ratios and formulas can be built on it."""
    if isinstance(metric, Funnel):
        return metric.per == "exposure"
    return not isinstance(metric, (Ratio, Formula, Quantile, Mean))


def _instead(metric: object, otherwise: str) -> str:
    """What to name in place of a metric without one value for each unit."""
    if isinstance(metric, Mean):
        return "Name a sum of that property and a count of its events"
    if isinstance(metric, Funnel):
        return "Make it per: exposure, or name a conversion"
    return otherwise


def _windows(plan: Plan) -> Iterator[Problem]:
    if plan.exposure.window_from is not None and not any(isinstance(m, EventMetric) for m in plan.metrics):
        yield Problem.of(
            "XPB-P18",
            "/exposure/window_from",
            value=plan.exposure.window_from,
            rule=plain("Windows belong to metrics that are counted from events, and this plan has none"),
            remedy=plain("Remove window_from"),
        )


def _model(plan: Plan) -> Iterator[Problem]:
    model = plan.model
    if isinstance(model, Sequential):
        if model.n_opt is None and model.tau is None:
            yield Problem.of("XPB-P20", "/model/n_opt")
        if model.n_opt is not None and model.tau is not None:
            yield Problem.of("XPB-P21", "/model/tau")
    if isinstance(model, GroupSequential):
        looks = model.looks
        apart = all(b >= a + 1e-6 for a, b in itertools.pairwise(looks))  # as stats.spending asks for
        if not looks or not apart or looks[0] <= 0 or abs(looks[-1] - 1) > _TOLERANCE:
            yield Problem.of(
                "XPB-P18",
                "/model/looks",
                value=list(looks),
                rule=plain("Looks are rising shares of the horizon above 0, a millionth apart at least, and the last is 1"),
                remedy=plain("For example [0.25, 0.5, 0.75, 1.0]"),
            )
        if plan.horizon.units is None:
            yield Problem.of(
                "XPB-P18",
                "/horizon/units",
                value=None,
                rule=plain("Group-sequential looks are shares of a number of units"),
                remedy=plain("Set horizon.units"),
            )
    if plan.decision.futility is not None:
        yield from _futility(plan)
    if isinstance(model, Bayesian):
        prior = model.prior
        if prior.kind == "lift" and (prior.sd is None or prior.mean is None):
            yield Problem.of(
                "XPB-P18",
                "/model/prior/sd",
                value=prior.sd,
                rule=plain("A prior on the lift has a mean and a standard deviation"),
                remedy=plain("Give both, for example mean 0 and sd 0.05"),
            )
    if plan.correction == "e-bh" and not isinstance(model, Sequential):
        yield Problem.of(
            "XPB-P18",
            "/correction",
            value=plan.correction,
            rule=plain("e-BH works on the e-values of the sequential model"),
            remedy=plain("Choose holm or bh, or the sequential model"),
        )
    if plan.horizon.units is None and plan.horizon.days is None:
        yield Problem.of("XPB-P19", "/horizon")


def _futility(plan: Plan) -> Iterator[Problem]:
    model, expected = plan.model, {c.metric for c in plan.hypothesis.then if c.lift}
    lacks = [m.key for m in plan.metrics_with("primary") if m.key not in expected and not m.min_lift]
    rule, remedy = "", ""
    if not isinstance(model, GroupSequential) or len(model.looks) < 2:
        rule, remedy = "Giving up early needs planned looks before the horizon", "Choose group_sequential with its looks"
    elif model.beyond is not None:
        rule, remedy = "What is left is counted up to the horizon", "Leave model.beyond out, or decision.futility"
    elif lacks:
        rule = "What is left is the chance of the planned lift, and a primary metric has none"
        remedy = "Give the hypothesis a lift for each primary metric"
    if rule:
        yield Problem.of("XPB-P18", "/decision/futility", value=plan.decision.futility, rule=plain(rule), remedy=plain(remedy))


def _assignment(plan: Plan) -> Iterator[Problem]:
    a = plan.assignment
    if a is None:
        return
    keys = {v.key for v in plan.variants}
    if not a.rollout:
        yield Problem.of(
            "XPB-P06", "/assignment/rollout", why=plain("Somebody takes part"), remedy=plain("Add a group with its share")
        )
    yield from _doubles("Rollout group", "/assignment/rollout", [r.key for r in a.rollout])
    for i, group in enumerate(a.rollout):
        at = f"/assignment/rollout/{i}"
        if group.variant is not None and group.variant not in keys:
            yield Problem.of("XPB-P16", f"{at}/variant", value=group.variant, hint=plain(nearest(group.variant, keys)))
        if group.splits is not None:
            total = math.fsum(group.splits.values())
            if abs(total - 1) > 1e-6:
                yield Problem.of("XPB-P25", f"{at}/splits", total=round(total, 6))
            for name in group.splits:
                if name not in keys:
                    yield Problem.of("XPB-P16", f"{at}/splits/{name}", value=name, hint=plain(nearest(name, keys)))
    for unit, variant in a.overrides.items():
        if variant not in keys:
            yield Problem.of("XPB-P16", f"/assignment/overrides/{unit}", value=variant, hint=plain(nearest(variant, keys)))
    if a.layer is not None and a.layer.start >= a.layer.end:
        yield Problem.of("XPB-P25", "/assignment/layer", total=round(a.layer.end - a.layer.start, 6))
    if a.hash_salt is not None and a.hash != "mixpanel":
        yield Problem.of(
            "XPB-P18",
            "/assignment/hash_salt",
            value=a.hash_salt,
            rule=plain("hash_salt belongs to the Mixpanel hash"),
            remedy=plain("Use salt, or set hash: mixpanel"),
        )


def _dates(plan: Plan) -> Iterator[Problem]:
    from datetime import date

    e = plan.exposure
    days = {}
    for name in ("start", "end"):
        text = getattr(e, name)
        if text is not None:
            try:
                days[name] = date.fromisoformat(text)
            except ValueError:
                yield Problem.of(
                    "XPB-P18",
                    f"/exposure/{name}",
                    value=text,
                    rule=plain("Dates are days of the calendar"),
                    remedy=plain("Correct it"),
                )
    if len(days) == 2 and days["end"] < days["start"]:
        yield Problem.of(
            "XPB-P18", "/exposure/end", value=e.end, rule=plain("The end is not before the start"), remedy=plain("Swap them")
        )


def _watch(plan: Plan) -> Iterator[Problem]:
    w = plan.watch
    if w is None:
        return
    known = {m.key for m in plan.metrics}
    for i, key in enumerate(w.metrics):
        if key not in known:
            yield Problem.of("XPB-P16", f"/watch/metrics/{i}", value=key, hint=plain(nearest(key, known)))
    for i, day in enumerate(w.check_days):
        if not 0 < day <= w.weeks * 7:
            yield Problem.of(
                "XPB-P18",
                f"/watch/check_days/{i}",
                value=day,
                rule=plain(f"Checks fall into the {w.weeks} weeks that are watched"),
                remedy=plain("Move the day, or watch longer"),
            )


def _ramp(plan: Plan) -> Iterator[Problem]:
    if plan.ramp is None:
        return
    stages = plan.ramp.stages

    def wrong(pointer: str, value: object, rule: str, remedy: str) -> Problem:
        return Problem.of("XPB-P18", pointer, value=value, rule=plain(rule), remedy=plain(remedy))

    if len(stages) < 2:
        yield wrong(
            "/ramp/stages", f"{len(stages)} stages", "A ramp has two stages or more", "Add a stage, or leave the ramp out"
        )
    for i, (before, after) in enumerate(itertools.pairwise(stages)):
        if after.share <= before.share:
            yield wrong(f"/ramp/stages/{i + 1}/share", after.share, "The share grows from stage to stage", "Order the stages")
    for i, stage in enumerate(stages):
        if stage.days is None and stage.units is None:
            yield wrong(f"/ramp/stages/{i}", "without an end", "A stage runs for days, or for units", "Give days or units")
    groups = plan.assignment.rollout if plan.assignment is not None else ()
    if len(groups) != 1 or groups[0].splits is not None or groups[0].variant is not None:
        yield wrong(
            "/ramp",
            "without one share to grow",
            "A ramp grows the share of one rollout group, with the plan's splits",
            "Give the assignment one rollout group, or leave the ramp out",
        )
    elif stages and all(abs(groups[0].share - s.share) > _TOLERANCE for s in stages):
        yield wrong(
            "/assignment/rollout/0/share",
            groups[0].share,
            "The share in force is that of a stage; at launch that of the first",
            f"Set it to {stages[0].share:g}",
        )
    if not [m for m in plan.metrics_with("guardrail") if m.margin is not None or m.margin_rel is not None]:
        yield wrong(
            "/ramp", "without a guardrail", "A ramp is guarded by guardrails with margins", "Add a guardrail with a margin"
        )


def _thresholds(plan: Plan) -> Iterator[Problem]:
    h = plan.health
    for low, high, pointer in (
        (h.srm_alpha, h.srm_warn_alpha, "/health/srm_warn_alpha"),
        (h.contamination_warn, h.contamination_fail, "/health/contamination_fail"),
        (h.missing_warn, h.missing_fail, "/health/missing_fail"),
    ):
        if high < low:
            yield Problem.of(
                "XPB-P18",
                pointer,
                value=high,
                rule=plain("A warning comes before a failure"),
                remedy=plain("Swap the two thresholds"),
            )


def _covariates(plan: Plan, metric: EventMetric, at: str) -> Iterator[Problem]:
    """Covariates beyond a metric's own past are there and known before the exposure."""
    counted = {m.key: m for m in plan.metrics if isinstance(m, EventMetric) and not isinstance(m, Quantile)}
    for name, wanted, known, rule in (
        ("past_of", metric.past_of or (), [k for k in counted if k != metric.key], "It names other metrics of the plan"),
        ("strata", metric.strata or (), list(plan.segments), "It names segments that the plan declares"),
    ):
        if wanted and not metric.cuped:
            says = plain("Covariates from before the exposure are used where cuped is true")
            yield Problem.of("XPB-P18", f"{at}/{name}", value=list(wanted), rule=says, remedy=plain("Set cuped: true"))
        for i, key in enumerate(wanted):
            if key not in known:
                hint = plain(nearest(key, known) or "Name one that is there")
                yield Problem.of("XPB-P18", f"{at}/{name}/{i}", value=key, rule=plain(rule), remedy=hint)
        yield from _doubles("Covariate", f"{at}/{name}", list(wanted))


def _segments(plan: Plan) -> Iterator[Problem]:
    yield from _doubles("Segment", "/segments", list(plan.segments))
    for i, name in enumerate(plan.segments):
        if name.startswith(("$day", "$age")):
            yield Problem.of(
                "XPB-P18",
                f"/segments/{i}",
                value=name,
                rule=plain("Day and age are shown for every experiment"),
                remedy=plain("Remove it"),
            )


def _members(plan: Plan) -> Iterator[Problem]:
    """What is measured per user of a company, and assigned by company."""
    if plan.members is None:
        return

    def breach(pointer: str, value: object, rule: str, remedy: str) -> Problem:
        return Problem.of("XPB-P18", pointer, value=value, rule=plain(rule), remedy=plain(remedy))

    if plan.members == plan.unit or plan.members in plan.segments or plan.unit in plan.segments:
        rule = "Unit and members are two ids, and neither is a segment"
        yield breach("/members", plan.members, rule, "Name the column or property of the users inside a unit")
    if isinstance(plan.model, Bayesian):
        rule = "Posteriors take units to be alike in size, which groups of users are not"
        yield breach("/model/kind", "bayesian", rule, "Choose another model, or leave members off")
    for i, metric in enumerate(plan.metrics):
        if isinstance(metric, (Quantile, Formula)):
            rule = "Inside units, metrics are means or ratios per user"
            yield breach(f"/metrics/{i}/kind", metric.kind, rule, "Measure a mean or a ratio, or leave members off")
        if metric.winsorize is not None:
            rule = "Inside units, values are summed before a cap could be taken"
            yield breach(f"/metrics/{i}/winsorize", metric.key, rule, "Remove winsorize, or cap the values before reading")


def _doubles(kind: str, pointer: str, keys: list[str]) -> Iterator[Problem]:
    for key, count in Counter(keys).items():
        if count > 1:
            yield Problem.of("XPB-P10", pointer, kind=plain(kind), key=key, count=count)


RULES: tuple[Callable[[Plan], Iterator[Problem]], ...] = (
    _key,
    _texts,
    _hypothesis,
    _variants,
    _metrics,
    _references,
    _model,
    _assignment,
    _dates,
    _windows,
    _segments,
    _members,
    _watch,
    _ramp,
    _thresholds,
)
