"""What to do now: what keeps an experiment from an answer, what it takes, the cheapest way there, and the command for it.

A pure function of the plan and of a readout's frozen numbers, sealed or open, with the standard library alone: readout, status,
memo and whoever checks a memo say the same. The first blocker that fits is named:

===================  =========================================================================================
health gate          a gating check failed: the numbers can't be trusted
a metric got worse   a primary or secondary metric, or a guardrail beyond its margin
guardrail undecided  the primary metric wins, and a guardrail is not yet shown to be within its margin
health warning       the plan accepts no warnings
no number            a metric can't be computed
too little chance    the plan gives up where so little is left of the chance that it was planned with
plan can't find this by its own numbers the plan wins too seldom where its hypothesis holds
immature units       a tenth or more of the units still wait for the end of their window
too noisy            the metric varies more than planned, so that even the horizon won't do
too few units        the horizon is not reached
smaller than planned the run was large enough for the planned lift, and did not show it
too small to matter  better, but by less than the plan asks for
===================  =========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xpbench.data.pace import pace_of
from xpbench.decide import chances
from xpbench.errors import number_of
from xpbench.wording import numbers as digits
from xpbench.wording.rows import lift_interval, lift_text, margin_text, rail_said
from xpbench.wording.verdicts import is_worse_within

LOW = 0.6
"""A plan whose rule wins less often than this where its hypothesis holds can't be said to find it."""
NOISIER = 1.15
"""Standard error over the planned one from which on a metric is called noisier than planned: a third more units."""
MATURE = 0.9
"""Share of units with a full window from which on the rest does not keep from an answer."""
TYPICAL_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class WhatNow:
    """What to do now.

    Attributes:
        state: `sealed`, or the outcome of the rule.
        blocker: What keeps from an answer, by name; "" where nothing does.
        why: One sentence: the blocker with its numbers, or the result.
        takes: What it takes: units, days, chance, price; a sentence each.
        lever: The cheapest way to need less; "" where there is none to name.
        command: What does it, on a command line.
        button: The same in a notebook.
        units: Further units it takes, over all variants; None where that is no question of units.
        days: Days at the present pace; None where there is none.
        chance: Chance to get there if the planned lift is true; None where there is none to name.
    """

    state: str
    blocker: str
    why: str
    takes: tuple[str, ...] = ()
    lever: str = ""
    command: str = ""
    button: str = ""
    units: int | None = None
    days: int | None = None
    chance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "takes": list(self.takes)}

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything in order, a sentence or two each."""
        head = f"{self.blocker[0].upper()}{self.blocker[1:]}. {self.why}" if self.blocker else self.why
        last = f"Next: {self.command}" if self.command else ""
        return tuple(line for line in (head, " ".join(self.takes), self.lever, last) if line)


def what_now(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    variants: Mapping[str, str] | None = None,
) -> WhatNow:
    """What to do after a readout.

    Args:
        plan: The plan in force, as a dictionary.
        readout: `to_dict()` of a readout, sealed or open.
        names: Labels of metrics by key, where they are shown in another way than the plan has them.
        variants: The same of variants.
    """
    told = {m["key"]: m.get("name") or m["key"] for m in plan["metrics"]} | dict(names or {})
    shown = {v["key"]: v.get("name") or v["key"] for v in plan["variants"]} | dict(variants or {})
    if readout["sealed"]:
        return _sealed(plan, readout)
    advice = readout["recommendation"]
    match advice["outcome"]:
        case "invalid":
            return _invalid(plan, readout)
        case "ship":
            return _ship(plan, readout, shown)
    row = subject(readout)
    same = [v for v in advice["variants"] if v["outcome"] == advice["outcome"]]
    verdict = next((v for v in same if row is not None and v["variant"] == row["variant"]), same[0])
    found, rule = verdict["situation"], verdict["row"]
    if rule in ("R2", "R3", "R8", "R4"):
        return _worse(plan, readout, verdict, told)
    if rule == "R13" and row is not None:
        return _no_effect(plan, readout, row, told)
    if rule == "R14":
        return _hopeless(plan, readout, verdict, told)
    if rule == "R5":
        return _guardrail(plan, readout, verdict, told)
    if rule == "R6":
        loud = [c["title"] for c in readout["health"] if c["status"] in ("warn", "fail")]
        why = f"{', '.join(loud)}: the plan accepts no warnings."
        return WhatNow(
            advice["outcome"], "health warning", why, ("Clear the warning, then read again.",), "", _again(plan), "Read out"
        )
    if row is None or (not found["adequate"] and _lost(readout, verdict["variant"])):
        return _no_number(plan, readout, verdict, told)
    return _unclear(plan, readout, row, verdict, told)


def subject(readout: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The primary row to speak about: of the variant that is shipped, else the first treatment; the one that decides first."""
    recommended = readout["recommendation"]
    wanted = recommended["variant"] or next(
        (v["variant"] for v in recommended["variants"] if v["outcome"] == recommended["outcome"]), ""
    )
    rows = [r for r in readout["rows"] if r["role"] == "primary" and r["effect"] is not None and r["ci_low"] is not None]
    mine = [r for r in rows if r["variant"] == wanted] or rows
    order = {"better": 0, "worse": 1, "unclear": 2}
    return min(mine, key=lambda r: (order[r["verdict"]], not r.get("equivalent")), default=None)


def planned_lift(plan: Mapping[str, Any], metric: str) -> float | None:
    """Size of the lift that the plan expects, without its sign: of the hypothesis, else the smallest that matters."""
    claims = [c for c in plan["hypothesis"].get("then", ()) if c["metric"] == metric and c.get("lift")]
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    return abs(float(claims[0]["lift"])) if claims else float(least) if least else None


def chance_text(share: float) -> str:
    """A chance in whole per cent, never none and never all."""
    return "< 1\u202f%" if share < 0.01 else "> 99\u202f%" if share > 0.99 else digits.percent(share, 0)


def rounded_up(units: float) -> int:
    """Units to three significant digits, upwards."""
    count = math.ceil(units - 1e-6)
    step: int = 10 ** max(0, len(str(max(count, 1))) - 3)
    return -(-count // step) * step


def _pace(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> float:
    by_day = readout.get("summary", readout)["exposures_by_day"]
    found = pace_of({day: sum(units.values()) for day, units in by_day.items()})
    return found or float(plan.get("planning", {}).get("daily_units") or 0.0)


def _days(plan: Mapping[str, Any], readout: Mapping[str, Any], units: float) -> int | None:
    pace = _pace(plan, readout)
    return math.ceil(units / pace - 1e-9) if pace > 0 else None


def _in_days(days: int | None) -> str:
    return f", about {number_of(days, 'day')} at the present pace" if days is not None else ""


def _again(plan: Mapping[str, Any]) -> str:
    return f"xpbench readout {plan['key']}"


def _new_run(plan: Mapping[str, Any]) -> str:
    return f'xpbench restart {plan["key"]} --reason "…"'


def _decide(plan: Mapping[str, Any], outcome: str) -> str:
    return f'xpbench decide {plan["key"]} {outcome} --because "…"'


def _sealed(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> WhatNow:
    due, failed = readout["due"], [c for c in readout["health"] if c["gate"] and c["status"] == "fail"]
    if failed:
        why = f"{failed[0]['title']} fails, so the results will be invalid however long the run goes on."
        return WhatNow(
            "sealed", "health gate", why, (failed[0]["next_step"],), "Fix it now: every further unit is lost.", _new_run(plan)
        )
    left = max(0, (due["units_needed"] or 0) - due["units"])
    days = _days(plan, readout, left) if left else None
    if due["days_needed"] and due["days"] is not None:
        days = max(days or 0, math.ceil(due["days_needed"] - due["days"]))
    takes = [f"{number_of(left, 'more unit')}{_in_days(days)}." if left else f"{number_of(days or 0, 'more day')}."]
    chance = planned_chance(plan, rails=True) or planned_chance(plan)
    if chance is not None:
        takes.append(
            f"If the hypothesis holds, the rule ships it in {chance_text(chance)} of such runs (planned "
            f"{chance_text(plan['planning']['power'])})."
        )
    kind = plan["model"]["kind"]
    if kind in ("frequentist", "bayesian"):
        takes.append("Looking earlier adds false positives and goes on record.")
    return WhatNow(
        "sealed", "too few units", due["reason"], tuple(takes), "", _again(plan), "Read out", left or None, days, chance
    )


def _invalid(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> WhatNow:
    failed = [c for c in readout["health"] if c["gate"] and c["status"] == "fail"]
    units = plan.get("horizon", {}).get("units")
    days = _days(plan, readout, units) if units else None
    takes = [failed[0]["next_step"]] if failed else []
    takes += [f"Then a new run of {number_of(units, 'unit')}{_in_days(days)}; nothing of this one counts."] if units else []
    why = f"{'; '.join(c['title'] for c in failed[:2])}: failed." if failed else "A gating check failed."
    return WhatNow("invalid", "health gate", why, tuple(takes), "", _new_run(plan), "Restart", units, days)


def _ship(plan: Mapping[str, Any], readout: Mapping[str, Any], shown: Mapping[str, str]) -> WhatNow:
    advice = readout["recommendation"]
    watch = plan.get("watch")
    slipped = [r for r in readout["rows"] if r["variant"] == advice["variant"] and is_worse_within(r)]
    takes = [f"{rail_said(r)}: keep an eye on it." for r in slipped[:2]]
    if watch:
        takes.append(
            f"Watch for {number_of(watch['weeks'], 'week')}"
            + (f"; {watch['owner']} answers for it" if watch.get("owner") else f"; {plan['owner']} answers for it")
            + (f", on day {', '.join(map(str, watch['check_days']))}." if watch.get("check_days") else ".")
        )
    why = f"Nothing keeps {shown[advice['variant']]} from shipping."
    command = f'xpbench decide {plan["key"]} ship --variant {advice["variant"]} --because "…"'
    return WhatNow("ship", "", why, tuple(takes), "", command, "Decide …")


def _worse(plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]) -> WhatNow:
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"]]
    bad = [r for r in rows if r["guardrail"] == "bad" or (r["role"] != "guardrail" and r["verdict"] == "worse")]
    said = [f"{told[r['metric']]} {lift_text(r)} ({lift_interval(r)})" for r in bad[:3]]
    why = f"Worse by the plan's test: {'; '.join(said)}." if said else verdict["because"]
    mixed = verdict["row"] == "R4"
    takes = (
        ("More units will not change that: it is a trade to decide, or a change to make.",)
        if mixed
        else ("More units will not turn it. Keep the control, find the cause, and test a changed version in a run of its own.",)
    )
    command = _new_run(plan) if mixed else _decide(plan, "ship-none")
    return WhatNow(verdict["outcome"], "a metric got worse", why, takes, "", command, "Restart" if mixed else "Decide …")


def _no_effect(plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], told: Mapping[str, str]) -> WhatNow:
    metric = next(m for m in plan["metrics"] if m["key"] == row["metric"])
    within = metric.get("equivalence") or metric.get("min_lift") or 0.0
    why = (
        f"This is a result: whatever the change does to {told[row['metric']]} is smaller than {digits.share_text(within)}, the "
        f"smallest lift that matters (interval {lift_interval(row)}\u202f%)."
    )
    takes = ("More units would narrow the interval and not change the answer. Put the effort into another idea.",)
    return WhatNow("ship none", "", why, takes, "", _decide(plan, "ship-none"), "Decide …")


def giving_up_said(price: Mapping[str, Any]) -> str:
    """What the futility row of a plan costs, and what it saves."""
    lost = (price["power_without"] - price["power"]) * 100.0
    points = f"{digits.fixed(lost, 1 if lost >= 0.05 else 2)} points of power"
    return (
        f"Giving up where less than {digits.share_text(price['floor'])} is left costs {points}: "
        f"{digits.percent(price['power'], 1)} in place of {digits.percent(price['power_without'], 1)}. Where nothing changes, "
        f"{chance_text(price['gives_up'])} of runs end early, at {digits.percent(price['units'], 0)} of the units on average."
    )


def _hopeless(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    """The plan gives up; going on keeps the error level, because the boundary of a win does not count on giving up."""
    rows = [
        r
        for r in readout["rows"]
        if r["variant"] == verdict["variant"] and r["role"] == "primary" and r.get("chance_left") is not None
    ]
    row = max(rows, key=lambda r: r["chance_left"])
    why = (
        f"If {told[row['metric']]} truly changes by {digits.share_text(planned_lift(plan, row['metric']) or 0.0)}, as the plan "
        f"expects, the rest of the run still wins with a chance of {chance_text(row['chance_left'])}; the plan gives up below "
        f"{digits.share_text(plan['decision']['futility'])}."
    )
    takes = ["The row does not bind: going on keeps the error level, with that chance."]
    takes += [giving_up_said(readout["futility"])] if readout.get("futility") else []
    command = _decide(plan, "ship-none")
    return WhatNow(
        verdict["outcome"], "too little chance", why, tuple(takes), "", command, "Decide …", chance=row["chance_left"]
    )


def _lost(readout: Mapping[str, Any], variant: str) -> list[str]:
    known = ("ok", "unbounded_lift", "control_near_zero", "few_events")
    rows = [r for r in readout["rows"] if r["variant"] == variant and r["role"] != "guardrail"]
    return [r["metric"] for r in rows if r["role"] == "primary" and r["ci_low"] is None and r["status"] not in known]


def _no_number(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"] and r["role"] == "primary" and r["reason"]]
    why = f"{told[rows[0]['metric']]}: {rows[0]['reason']}" if rows else verdict["because"]
    if rows and rows[0]["status"] == "cap_is_zero":
        takes = ("The data are sound; the plan's cap removes them. No further unit changes that: it takes a new plan.",)
        return WhatNow(verdict["outcome"], "no number", why, takes, "", _new_run(plan), "Restart")
    return WhatNow(verdict["outcome"], "no number", why, ("Fix the data of this metric, then read again.",), "", _again(plan))


def _guardrail(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    """What it takes until each undecided guardrail is shown to be within its margin, if nothing happened to it in truth."""
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"] and r["guardrail"] == "unclear"]
    target = plan["planning"]["power"]
    needs = [(needed, r) for r in rows if (needed := _rail_times(plan, readout, r, target)) is not None]
    names = " and ".join(f"{told[r['metric']]} (margin {margin_text(r)}, interval {lift_interval(r)}\u202f%)" for r in rows[:2])
    why = f"The primary metric is better. Not yet shown to be within the margin: {names}."
    total = sum(readout["summary"]["units"].values())
    lever = f"A wider margin would need fewer units, in a new plan: {told[rows[0]['metric']]} alone keeps this one."
    if len(needs) < len(rows) or not needs:
        never = "More units are not likely to show it: the estimate lies too near to the margin, or beyond it."
        return WhatNow("iterate", "guardrail undecided", why, (never,), lever, _new_run(plan), "Restart")
    times, row = max(needs, key=lambda pair: pair[0])
    continues = _continues(plan, readout)
    more = rounded_up(total * (times - 1.0) if continues else total * times)
    days = _days(plan, readout, more)
    how = "more" if continues else "in a new run"
    takes = (
        f"{number_of(more, 'unit')} {how}{_in_days(days)}: then {told[row['metric']]} is shown to be within its margin with a "
        f"chance of {chance_text(target)}, if the change does nothing to it.",
        _price(plan, readout, times, continues=continues),
    )
    command = _again(plan) if continues else _new_run(plan)
    return WhatNow("iterate", "guardrail undecided", why, takes, lever, command, "Read out", more, days, target)


def _rail_times(plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], target: float) -> float | None:
    absolute = row["margin_scale"] == "effect"
    error = row["se"] if absolute else chances.relative_error(row)
    limit = abs(row["margin"]) if row["margin"] else None
    if not error or limit is None:
        return None
    sign = 1.0 if row["direction"] == "increase" else -1.0
    seen = sign * (row["effect"] if absolute else row["lift"])  # good is positive, the margin lies at -limit
    alpha, share, pair = row["alpha"], _share(plan, row["variant"]), row["n_control"] + row["n"]
    continues = _continues(plan, readout)

    def reaches(times: float) -> float:
        q = chances.multiplier_at(plan, alpha, pair * times, share)
        if continues:
            bar = q * error / math.sqrt(times) - limit
            return chances.chance_from_here(0.0, seen, error, times, bar)
        return chances.NORMAL.cdf(limit / (error / math.sqrt(times)) - q)

    return chances.times_needed(reaches, target, least=1.0 if continues else 0.01)


def _share(plan: Mapping[str, Any], variant: str) -> float:
    """Share of control and this treatment of all units."""
    own = sum(float(v["split"]) for v in plan["variants"] if v.get("control") or v["key"] == variant)
    return own / chances.split_in_all(plan)


def _continues(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> bool:
    """Whether more units of this very run may decide: always under a sequential design, else before its horizon."""
    return plan["model"]["kind"] == "sequential" or not readout["due"]["is_adequate"]


def planned_chance(plan: Mapping[str, Any], *, rails: bool = False) -> float | None:
    """Chance at the horizon that the primary metrics win by the plan's rule where its hypothesis holds.

    From the plan's own baselines and standard deviations; None where one is missing. Metrics are taken as independent.

    Args:
        plan: As a dictionary.
        rails: Also ask that every guardrail is shown to be within its margin, if the change does nothing to it.
    """
    units = plan.get("horizon", {}).get("units")
    share = _share(plan, next(v["key"] for v in plan["variants"] if not v.get("control")))
    policy = plan.get("decision", {})
    wins, passes = [], 1.0
    for metric in plan["metrics"]:
        error = planned_error(plan, metric)
        if metric["role"] == "primary":
            lift = planned_lift(plan, metric["key"])
            if lift is None and policy.get("ship_when") != "all_primaries":
                continue
            if lift is None or error is None or not units:
                return None
            wins.append(_wins(plan, metric, lift, error, level_of_primary(plan), units * share, share))
        elif metric["role"] == "guardrail" and rails and policy.get("guardrails", "non_inferior") == "non_inferior":
            margin = metric.get("margin_rel")
            mean = plan.get("planning", {}).get("baselines", {}).get(metric["key"])
            if margin is None and metric.get("margin") and mean:
                margin = metric["margin"] / abs(mean)
            if margin is None or error is None or not units:
                return None
            level = 2.0 * (policy.get("guardrail_alpha") or round(1.0 - plan["model"]["confidence"], 12))
            passes *= chances.NORMAL.cdf(margin / error - chances.multiplier_at(plan, level, units * share, share))
    if not wins:
        return None
    missed = math.prod(1.0 - w for w in wins)
    return passes * (math.prod(wins) if policy.get("ship_when") == "all_primaries" else 1.0 - missed)


def level_of_primary(plan: Mapping[str, Any]) -> float:
    """Level of a primary comparison: Bonferroni's share, which the steps of Holm begin with."""
    alpha = round(1.0 - float(plan["model"]["confidence"]), 12)
    count = sum(m["role"] == "primary" for m in plan["metrics"]) * (len(plan["variants"]) - 1 + len(plan.get("dropped") or ()))
    return alpha if plan.get("correction") == "none" else alpha / max(count, 1)


def planned_error(plan: Mapping[str, Any], metric: Mapping[str, Any], units: float | None = None) -> float | None:
    """Standard error of the lift that the plan's baselines foresee, at the horizon or at so many units of all variants."""
    planning = plan.get("planning", {})
    mean, sd = planning.get("baselines", {}).get(metric["key"]), planning.get("sds", {}).get(metric["key"])
    total = units or plan.get("horizon", {}).get("units")
    if not mean or not total:
        return None
    if sd is None:
        if not 0 < mean < 1 or plan.get("members"):  # a mean per user of a company is no share of companies
            return None
        sd = math.sqrt(mean * (1.0 - mean))
    control = next(v["split"] for v in plan["variants"] if v.get("control"))
    treatment = next(v["split"] for v in plan["variants"] if not v.get("control"))
    if not control or not treatment:
        return None
    total /= chances.split_in_all(plan)
    return float(sd / abs(mean) * math.sqrt(1.0 / (control * total) + 1.0 / (treatment * total)))


def _wins(
    plan: Mapping[str, Any], metric: Mapping[str, Any], lift: float, error: float, alpha: float, pair: float, share: float
) -> float:
    policy = plan.get("decision", {}).get("practical", "estimate")
    q = chances.multiplier_at(plan, alpha, pair, share)
    return chances.chance(lift, error, chances.threshold(error, q, policy, metric.get("min_lift")))


def _unclear(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    verdict: Mapping[str, Any],
    told: Mapping[str, str],
) -> WhatNow:
    """The primary metric is neither shown to be better nor worse, or better by too little."""
    metric = next(m for m in plan["metrics"] if m["key"] == row["metric"])
    name, outcome = told[row["metric"]], verdict["outcome"]
    lift, error = planned_lift(plan, row["metric"]), chances.relative_error(row)
    total = sum(readout["summary"]["units"].values())
    least = chances.could_find(row, plan["planning"]["power"])
    if error is None:
        return _no_number(plan, readout, verdict, told)
    if lift is None:
        why = f"The plan names no lift for {name}, so there is no size of run that would find it."
        takes = (f"This run could find {digits.share_text(_two(least))}.",) if least is not None else ()
        return WhatNow(
            outcome, "plan can't find this", why, takes, "Name the smallest lift that matters.", _new_run(plan), "Restart"
        )
    share = _share(plan, row["variant"])
    pair = row["n_control"] + row["n"]
    units = plan.get("horizon", {}).get("units") or total
    by_plan = planned_chance(plan)
    scale = math.sqrt(pair / (units * share)) if not readout["due"]["is_adequate"] else 1.0
    at_horizon = _wins(plan, metric, lift, error * scale, row["alpha"], max(pair, units * share), share)
    foreseen = planned_error(plan, metric, pair / share)
    noise = None if foreseen is None else error / foreseen
    matured = pair / max(1, sum(n for k, n in readout["summary"]["units"].items() if k in _pair_of(plan, row["variant"])))
    waits = any(f["name"] == "immature_units" and f["count"] for f in readout["summary"]["findings"])
    if (by_plan if by_plan is not None else at_horizon) < LOW:
        blocker = "plan can't find this"
        won = by_plan if by_plan is not None else at_horizon
        why = (
            f"Where {name} truly changes by {digits.share_text(lift)}, as the plan expects, its rule ships it in "
            f"{chance_text(won)} of runs at {number_of(units, 'unit')}."
        )
    elif waits and matured < MATURE:
        return _immature(plan, readout, row, metric, lift, error, matured, name, outcome)
    elif noise is not None and noise > NOISIER:
        blocker = "too noisy"
        why = (
            f"The interval of {name} is {digits.fixed(noise, 1)} times as wide as planned for as many units"
            f"{_baseline_moved(plan, row)}."
        )
    elif not readout["due"]["is_adequate"]:
        blocker = "too few units"
        why = f"{number_of(total, 'unit')} of {number_of(units, 'unit')} planned."
        if total >= units:
            left = math.ceil((readout["due"]["days_needed"] or 0) - (readout["due"]["days"] or 0))
            why = f"The units are there; {number_of(left, 'planned day')} to go."
    elif row["verdict"] == "better":
        return _small(plan, row, metric, name, outcome)
    else:
        blocker = "smaller than planned"
        why = (
            f"The run was large enough to find {digits.share_text(lift)} in {chance_text(at_horizon)} of cases, and {name} "
            f"came to {lift_text(row)} ({lift_interval(row)}). The true lift is likely smaller than planned; if not, chance "
            f"went against it in one of {_one_in(1.0 - at_horizon)}."
        )
    return _extension(plan, readout, row, metric, lift, error, blocker, why, outcome)


def _two(value: float | None) -> float:
    return float(f"{value or 0.0:.2g}")


def _one_in(share: float) -> str:
    return digits.whole(max(2, round(1.0 / max(share, 0.001))))


def _pair_of(plan: Mapping[str, Any], variant: str) -> set[str]:
    return {v["key"] for v in plan["variants"] if v.get("control") or v["key"] == variant}


def _baseline_moved(plan: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Why a share is noisier than planned: its baseline is another one."""
    planned = plan.get("planning", {}).get("baselines", {}).get(row["metric"])
    if not planned or not row["mean_control"] or abs(row["mean_control"] / planned - 1.0) < 0.1:
        return ""
    texts = [
        digits.share_text(_three(v)) if row["is_proportion"] else digits.significant(v) for v in (row["mean_control"], planned)
    ]
    return f": the control came to {texts[0]}, planned were {texts[1]}"


def _three(value: float) -> float:
    return float(f"{value:.3g}")


def _immature(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    metric: Mapping[str, Any],
    lift: float,
    error: float,
    matured: float,
    name: str,
    outcome: str,
) -> WhatNow:
    share, pair = _share(plan, row["variant"]), row["n_control"] + row["n"]
    sign = 1.0 if row["direction"] == "increase" else -1.0
    q = chances.multiplier_at(plan, row["alpha"], pair / matured, share)
    policy = plan.get("decision", {}).get("practical", "estimate")
    bar = chances.threshold(error * math.sqrt(matured), q, policy, metric.get("min_lift"))
    chance = chances.chance_from_here(lift, sign * row["lift"], error, 1.0 / matured, bar)
    window = metric.get("window_days")
    days = math.ceil(window) if window else None
    why = f"{digits.percent(1.0 - matured, 0)} of the units still wait for the end of their window in {name}."
    wait = f": at most {number_of(days, 'day')} until the last window is over" if days else ""
    takes = (
        f"No further unit{wait}. Then the rule "
        f"ships it with a chance of {chance_text(chance)}, if the lift is {digits.share_text(lift)} as planned.",
    )
    return WhatNow(outcome, "immature units", why, takes, "", _again(plan), "Read out", 0, days, chance)


def _small(plan: Mapping[str, Any], row: Mapping[str, Any], metric: Mapping[str, Any], name: str, outcome: str) -> WhatNow:
    least = digits.share_text(metric["min_lift"]) if metric.get("min_lift") else "the smallest lift that matters"
    why = f"{name} is better, {lift_text(row)} ({lift_interval(row)}), and the plan asks for {least}."
    takes = ("More units will not make it larger. Decide by its cost, or make the change bolder.",)
    return WhatNow(outcome, "too small to matter", why, takes, "", _decide(plan, "ship-none"), "Decide …")


def _extension(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    metric: Mapping[str, Any],
    lift: float,
    error: float,
    blocker: str,
    why: str,
    outcome: str,
) -> WhatNow:
    """Units, days, chance and price of an answer, with the noise that was measured and the lift that was planned."""
    policy, least = plan.get("decision", {}).get("practical", "estimate"), metric.get("min_lift")
    share, pair = _share(plan, row["variant"]), row["n_control"] + row["n"]
    total = sum(readout["summary"]["units"].values())
    target = plan["planning"]["power"]
    sign = 1.0 if row["direction"] == "increase" else -1.0
    seen = sign * row["lift"]
    continues = _continues(plan, readout)
    ends = plan.get("horizon", {}).get("units") if plan["model"]["kind"] != "sequential" else None

    def bar(times: float) -> float:
        q = chances.multiplier_at(plan, row["alpha"], pair * times, share)
        return chances.threshold(error / math.sqrt(times), q, policy, least)

    def goes_on(times: float) -> float:
        return chances.chance_from_here(lift, seen, error, times, bar(times))

    def begins_anew(times: float) -> float:
        return chances.chance(lift, error / math.sqrt(times), bar(times))

    takes, chance, more, days = [], target, None, None
    if continues and ends and ends > total:
        times = ends / total
        chance, more = goes_on(times), ends - total
        days = _days(plan, readout, more)
        takes.append(
            f"{number_of(more, 'unit')} to the horizon{_in_days(days)}. From what is seen now the rule ships it there with a "
            f"chance of {chance_text(chance)}, if the lift is {digits.share_text(lift)} as planned."
        )
        takes.append(_price(plan, readout, times, continues=True))
        takes.append(_promising(plan, row, seen, error, times, total))
    else:
        found = chances.times_needed(goes_on, target) if continues else chances.times_needed(begins_anew, target, least=0.01)
        if found is None:
            takes.append(
                "No number of units will do: the rule asks for "
                + (f"an estimate of {digits.share_text(least)}" if least else "more than the plan expects")
                + f", and the plan expects {digits.share_text(lift)}."
            )
            chance = 0.0
        else:
            more = rounded_up(total * (found - 1.0) if continues else total * found)
            days = _days(plan, readout, more)
            where = "more" if continues else "in a new run"
            takes.append(
                f"{number_of(more, 'unit')} {where}{_in_days(days)}, for a chance of {chance_text(target)} if the lift is "
                f"{digits.share_text(lift)} as planned."
            )
            takes.append(_price(plan, readout, found if continues else found + 1.0, continues=continues))
    command = _again(plan) if continues else _new_run(plan)
    if outcome == "ship none" and blocker == "smaller than planned":
        command = _decide(plan, "ship-none")
    return WhatNow(
        outcome,
        blocker,
        why,
        tuple(t for t in takes if t),
        _lever(plan, readout, row, metric, blocker),
        command,
        "Read out" if continues else "Restart",
        more,
        days,
        chance if chance else None,
    )


MOST_EXTENDED = 2.0
"""An end beyond so many horizons is a new run."""


def _promising(plan: Mapping[str, Any], row: Mapping[str, Any], seen: float, error: float, times: float, total: int) -> str:
    """A later end that keeps the error level, where the result is promising; "" elsewhere.

    Where the lift that was seen would cross the last boundary with a chance of at least one half, the last look may be taken
    at more units with the same multiplier: the chance of a false alarm from now on does not grow by that.

    Source: Chen, DeMets, Lan 2004; the promising zone, Mehta and Pocock 2011; the conditional error, Müller and Schäfer 2001.
    """
    model, pair = plan["model"], row["n_control"] + row["n"]
    if model["kind"] not in ("frequentist", "group_sequential") or model.get("beyond") or seen <= 0.0:
        return ""
    q = row.get("last_q")
    if model["kind"] == "frequentist":
        q = chances.multiplier_at(plan, row["alpha"], pair * times, _share(plan, row["variant"]))
    if q is None:
        return ""

    def crosses(more: float, *, lift: float = seen, side: float = 1.0) -> float:
        return chances.chance_from_here(side * lift, side * seen, error, more, q * error / math.sqrt(more))

    def false(more: float) -> float:
        return crosses(more, lift=0.0) + crosses(more, lift=0.0, side=-1.0)

    now, target = crosses(times), float(plan["planning"]["power"])
    if not 0.5 <= now < target:
        return ""
    found = chances.times_needed(crosses, target, least=times)
    later = min(found or math.inf, MOST_EXTENDED * times)
    if false(later) > false(times):  # early, the other side may gain more than this one loses
        return ""
    units, then = number_of(rounded_up(total * later), "unit"), chance_text(crosses(later))
    return (
        f"The result is promising: at the lift seen so far the horizon finds it with a chance of {chance_text(now)}. One last "
        f"look at {units} instead finds it with {then} and keeps the error level at the same multiplier "
        f"({digits.fixed(q, 2)}), because the chance is 50\u202f% or more. Moving the horizon goes on record."
    )


def _price(plan: Mapping[str, Any], readout: Mapping[str, Any], times: float, *, continues: bool) -> str:
    """What extending costs in false positives."""
    kind, alpha = plan["model"]["kind"], round(1.0 - plan["model"]["confidence"], 12)
    if kind == "sequential":
        return "Going on costs nothing: every further look is paid for in advance."
    if kind == "bayesian":
        return "A posterior that is read again carries no error guarantee."
    if continues:
        return "Up to the horizon that costs nothing beyond the plan." if kind == "group_sequential" else ""
    both = 1.0 - (1.0 - alpha) ** 2
    added = chances.twice_tested(alpha, times)
    return (
        f"Adding the units to this run and testing again would raise its false positives from {digits.share_text(alpha)} to "
        f"about {digits.share_text(_two(added))}; a new run keeps {digits.share_text(alpha)} of its own "
        f"({digits.share_text(_two(both))} for the two)."
    )


def _lever(
    plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], metric: Mapping[str, Any], blocker: str
) -> str:
    """The way that needs the fewest units: of those whose saving can be named, the largest."""
    found: list[tuple[float, str]] = []
    control = next(v["split"] for v in plan["variants"] if v.get("control"))
    own = next(v["split"] for v in plan["variants"] if v["key"] == row["variant"])
    if control and own and len(plan["variants"]) > 2:
        saved = 1.0 - 4.0 / (1.0 / control + 1.0 / own)
        less = digits.percent(saved, 0)
        found.append((saved, f"Fewer variants: with one treatment at equal shares it takes {less} fewer units"))
    elif control and own and abs(control - own) > 0.1:
        saved = 1.0 - 4.0 * control * own / (control + own)
        found.append((saved, f"Equal shares: it takes {digits.percent(saved, 0)} fewer units"))
    raw = next((s for s in row["sensitivity"] if s["name"] == "raw"), None)
    if not metric.get("cuped") and metric["kind"] not in ("quantile", "formula", "retention"):
        saved = TYPICAL_CORRELATION**2
        found.append(
            (
                saved,
                f"A covariate from before the exposure (CUPED): at a correlation of {TYPICAL_CORRELATION} it takes "
                f"{digits.percent(saved, 0)} fewer units, at 0.7 half",
            )
        )
    free = raw is None and not metric.get("winsorize") and not row["is_proportion"]
    if free and metric["kind"] in ("sum", "mean", "column"):
        words = "Caps for extreme values (winsorize): they take most where few units hold much"
        found.append((0.26 if blocker == "too noisy" else 0.1, words))
    return f"The cheapest lever: {max(found)[1][0].lower()}{max(found)[1][1:]}." if found else ""
