"""What a readout says in sentences and in fields next to the estimates, derived a second time: nothing of it is free text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from xpbench.verifier.bound import is_known, look_on_record
from xpbench.verifier.boundaries import crossing_rate
from xpbench.verifier.chain import is_neutral, level_of, pointers_of_drop
from xpbench.verifier.designs import alpha_of, closing
from xpbench.verifier.documented import DOCUMENTED
from xpbench.verifier.first import LOOKS_STAMP, RESTARTED_STAMP, SHARED_STAMP
from xpbench.verifier.health import check_health_words
from xpbench.verifier.numbers import near
from xpbench.verifier.report import J, Notes
from xpbench.verifier.rows import ENDED, WHOLE
from xpbench.verifier.rule import lost, recommended, rule
from xpbench.verifier.text import canonical

REASONS = {
    "ok": ("",),
    "not_enough_units": ("A variant has fewer than 2 units, so its noise can't be estimated.",),
    "before_first_look": ("A variant has fewer units than the plan asks for before the first look.",),
    "not_finite": ("A mean or variance is missing or infinite, so nothing can be computed from it.",),
    "zero_variance": (
        "All units of both variants have the same value, so there is no noise to judge a difference by.",
        "The covariates predict the metric exactly, so no noise is left to judge a difference by.",
        "The covariates foretell the metric exactly, so no noise is left to judge a difference by.",
        "The noise of the quantile can't be read off the values around it: in a variant they are all the same (ties), or too "
        "few lie beyond the quantile.",
    ),
    "separation": (
        "All units of a variant have the same value, so its own noise is unknown and not zero: it is taken to be as large as "
        "the other variant's, or, where neither varies, as that of all units together.",
        "The noise of the quantile can't be read off the values around it: in a variant they are all the same (ties), or too "
        "few lie beyond the quantile.",
    ),
    "zero_denominator": ("The denominator has mean zero in a variant, so the ratio does not exist.",),
    "control_near_zero": ("The mean of the control is zero, so a relative change does not exist; read the effect instead.",),
    "unbounded_lift": (
        "The mean of the control can't be distinguished from zero at this level, so the lift has no finite interval; read the "
        "effect instead.",
        "The mean of the control can't be told from zero at this level, so the lift has no finite interval; read the effect "
        "instead.",
    ),
    "few_events": (
        "Fewer than 10 units of a variant have the event (or lack it), so the score interval is shown instead of the "
        "normal one.",
    ),
    "too_few_events": (
        "Fewer than 10 units of both variants together have the event (or lack it), or the smaller variant can expect fewer "
        "than 2. The anytime and group-sequential tests keep their promise only with more.",
        "Fewer than 10 units of both variants together have the event (or lack it). The anytime and group-sequential tests "
        "keep their promise only with more, so no difference is called yet.",
    ),
    "cap_is_zero": (
        "So many values are zero that the winsorization cap is zero and removes the metric. Set winsorize.over to nonzero, so "
        "that the percentile is taken over the values that are not zero, or leave the cap out.",
        "So many values are zero that the cap would be zero and remove the metric; take the percentile over non-zero values.",
    ),
}
"""Why a row lacks a number, by its status; the wordings of a release stay."""
_STANDS = (
    "The result is that of the look on {day}: data after the last planned look decide nothing.",
    "It crossed its boundary at the look on {day}, and a boundary once crossed stays crossed.",
)
_NOTES = {
    "without CUPED": ("No covariates.",),
    "adjusted for stopping early": (
        "As often too high as too low after stopping at this look; lifts are shares of the control's mean.",
    ),
    "raw": ("Values are not capped.", "Values are not capped, no covariates."),
}
_WHY = (
    "Ours uses Welch's t distribution, Mixpanel the normal; they agree from a few hundred units on.",
    "Mixpanel's variance of a rate is p (1 − p); ours divides by n − 1.",
    "Mixpanel takes sessions as Poisson counts (variance = mean). Real counts vary more between units, so its interval is too "
    "narrow; ours uses the variance that was observed.",
    "Mixpanel takes the parts of a formula as uncorrelated. They come from the same units, so ours uses their covariance; the "
    "sign of the difference is that of the correlation.",
    "Mixpanel compares a two-sided p with (1 − confidence) / 2, at 95 % with 0.025, which is a test at 97.5 %; ours compares "
    "it with 1 − confidence.",
)
BECAUSE = {
    "R1": "A health check failed, so the effects can't be trusted.",
    "R2": "A guardrail is worse than the plan accepts.",
    "R3": "The primary metric is worse than in control.",
    "R4": "A primary metric is better, but another metric is worse: the result is mixed.",
    "R5": "A primary metric is better, but a guardrail is not yet shown to be within its margin.",
    "R6": "A primary metric is better, but a health check warns and the plan accepts no warnings.",
    "R7": "The primary metric is better by the plan's test and by enough to matter, no guardrail is worse than planned, and "
    "nothing deteriorated.",
    "R8": "A metric is worse, and no primary metric is better by enough to matter.",
    "R9": "There is not enough data yet to tell.",
    "R10": "The primary metric is better, but by too little to matter.",
    "R12": "The primary metric is better by the plan's test and by enough to matter; a guardrail got worse, within what the "
    "plan accepts.",
    "R13": "The change has no effect that matters on the primary metric: the whole interval lies within what the plan calls "
    "too small to matter.",
    "R14": "Even if the lift is as planned, the rest of the run would hardly show it: the chance that is left is below the "
    "plan's floor.",
    "R11": "After the planned duration the primary metric is not shown to be better.",
}
"""The sentences of the rule's rows."""
_LEVEL = {
    "AMENDED AFTER EFFECTS": "The plan was changed after effects were seen, so no level of false positives is promised",
    "PLANNED AFTER THE DATA": "The plan came after the data, so no level of false positives is promised",
    "PARTLY PLANNED AFTER THE DATA": "Part of the data came before the plan, so no level of false positives is promised",
    "RETROSPECTIVE": "A retrospective plan promises no level of false positives",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run were seen before this one, so no level is promised over all runs",
    "ONE OF SEVERAL PLANS": "These units' effects were seen under another plan before, so no level is promised over all plans",
}
LOOKS = 200
"""Looks over which the cost is integrated; more take too long for a file from anyone."""
_STATUSES = ("pass", "warn", "fail", "not answerable")
_FOUND = {
    "win": "better, and by enough to matter",
    "small": "better, but by too little to matter",
    "none": "no effect that matters",
    "hopeless": "too far from a win for the rest of the run",
    "unclear": "neither shown to be better nor worse",
    "worse": "worse",
}


def check_said(notes: Notes, payload: J, version: str | None) -> None:
    """Reasons of rows, what the rule says and why, what looking cost, and that counts of days and segments fit the units.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        version: Of this program; a sentence of another version that is not known here is left out, and not taken as wrong.
    """
    before = len(notes.differences)
    said = _Said(notes, is_own=version is None or payload["readout"]["versions"].get("xpbench") == version)
    readout = payload["readout"]
    _check_rows(said, readout)
    _check_rule(said, payload)
    _check_cost(said, readout)
    _check_due(notes, readout)
    _check_why_due(said, readout)
    _check_counts(said, readout["summary"])
    notes.same("readout, sealed", False, readout.get("sealed", False))
    check_health_words(notes, readout, is_own=said.is_own)
    for check in readout["health"]:
        if check["status"] not in _STATUSES:
            notes.differs("health, status", " or ".join(_STATUSES), check["status"])
    if len(notes.differences) == before:
        notes.checked.append("reasons, advice and the cost of looking, each sentence")


class _Said:
    def __init__(self, notes: Notes, *, is_own: bool) -> None:
        self.notes, self.is_own = notes, is_own

    def one_of(self, where: str, wordings: Sequence[str], found: object) -> None:
        """A sentence is one of its wordings; one that only another version could have written is left out."""
        if found in wordings:
            return
        if self.is_own:
            self.notes.differs(where, " or ".join(wordings), found)
        else:
            self.notes.left.append(f"a sentence of another version ({where})")
            self.notes.not_checked.append(f"a sentence that this version does not write ({where})")


def _check_rows(said: _Said, readout: J) -> None:
    plan, notes = readout["plan"], said.notes
    metrics = {m["key"]: m for m in plan["metrics"]}
    days = sorted({look["at"][:10] for look in readout["looks"][:-1]})
    bayesian = plan["model"]["kind"] == "bayesian"
    groups = [readout["rows"], *(rows for s in readout["segments"] for rows in s["slices"].values())]
    for row in (row for rows in groups for row in rows):
        metric, where = metrics[row["metric"]], f"row, {row['metric']} for {row['variant']}"
        notes.same(f"{where}, smallest lift", _as_float(metric.get("min_lift")), _as_float(row["min_lift"]))
        scale = "" if row["margin"] is None else "lift" if metric.get("margin") is None else "effect"
        notes.same(f"{where}, scale of the margin", scale, row["margin_scale"])
        if not bayesian:
            notes.same(f"{where}, chance and risk", [None, None], [row["chance"], row["risk"]])
        own = REASONS.get(row["status"], ("",))
        stands = [s.format(day=day) for day in days for s in _STANDS]
        said.one_of(f"{where}, reason", [*own, *(f"{a} {b}".strip() for a in own for b in stands)], row["reason"])
        for way in row["sensitivity"]:
            place = f"{where}, note on {way['name']}"
            if way["name"] == DOCUMENTED:
                rest = way["note"]
                for sentence in _WHY:
                    rest = rest.replace(sentence, "", 1)
                said.one_of(place, [way["note"]] if not rest.strip() else [" ".join(_WHY)], way["note"])
            else:
                said.one_of(place, _NOTES.get(way["name"], ()), way["note"])


def _as_float(value: J) -> J:
    return None if value is None else float(value)


def _check_rule(said: _Said, payload: J) -> None:
    """Each row of the rule means what the rule is, in every situation, and the advice says why."""
    readout, notes = payload["readout"], said.notes
    policy = readout["plan"].get("decision", {})
    methods = readout.get("methods", 1)
    every = _situations(methods, gives_up=policy.get("futility") is not None)
    wrong = next((s for s in every if _told(payload["rule"], s) != rule(policy, s, methods)), None)
    if wrong is not None:
        notes.differs(f"decision rule, where {wrong}", rule(policy, wrong, methods), _told(payload["rule"], wrong))
    reached = {rule(policy, s, methods)[0] for s in every}
    notes.same("decision rule, rows", sorted(reached), sorted(str(r["id"]) for r in payload["rule"]))
    for row in payload["rule"]:
        said.one_of(f"decision rule, {row['id']}", (BECAUSE.get(row["id"], ""),), row["because"])
    ours = recommended(readout["plan"], readout["rows"], readout["health"], readout["due"]["is_adequate"], methods=methods)
    theirs = readout["recommendation"]
    notes.same("advice, variants", len(ours["variants"]), len(theirs["variants"]))
    for mine, other in zip(ours["variants"], theirs["variants"], strict=False):
        rows = [r for r in readout["rows"] if r["variant"] == mine["variant"]]
        evidence = _evidence(rows, methods, policy.get("futility"))
        if evidence != other["evidence"]:
            said.one_of(
                f"advice, {mine['variant']}, what was found",
                ("; ".join(evidence),),
                "; ".join(other["evidence"]),
            )
    fired = [v["because"] for v in theirs["variants"] if v["outcome"] == theirs["outcome"]]
    said.one_of("advice, because", fired, theirs["because"])


def _situations(methods: int, *, gives_up: bool) -> list[dict[str, J]]:
    ended = methods >= ENDED
    return [
        {"primary": p, "deteriorated": d, "guardrails": g, "health": h, "adequate": a}
        for p in ("worse", *(("none",) if ended else ()), *(("hopeless",) if gives_up else ()), "unclear", "small", "win")
        for d in (False, True)
        for g in ("bad", "unclear", *(("worse",) if ended else ()), "ok")
        for h in ("fail", "warn", "pass")
        for a in (False, True)
    ]


def _told(rows: Sequence[J], situation: J) -> tuple[str, str]:
    """The first row that fits a situation, and its outcome; types count: true is no number."""
    for row in rows:
        if all(any(type(x) is type(situation[k]) and x == situation[k] for x in allowed) for k, allowed in row["when"].items()):
            return row["id"], row["outcome"]
    return "", ""


def _evidence(rows: Sequence[J], methods: int, floor: float | None) -> list[str]:
    """Which metrics made the situation of a variant what it is."""
    out = []
    for r in (r for r in rows if r["role"] == "primary"):
        state = r["verdict"] if r["verdict"] in ("worse", "unclear") else "small" if r["matters"] is False else "win"
        left = r.get("chance_left")
        state = "hopeless" if state == "unclear" and floor is not None and left is not None and left < floor else state
        state = "none" if state in ("unclear", "small", "hopeless") and r.get("equivalent") else state
        out.append(f"{r['metric']}: {_FOUND[state]}")
    out += [f"{r['metric']}: worse" for r in rows if r["role"] == "secondary" and r["verdict"] == "worse"]
    rails = [r for r in rows if r["role"] == "guardrail"]
    out += [f"{r['metric']}: worse than accepted" for r in rails if r["guardrail"] == "bad"]
    out += [f"{r['metric']}: not yet shown to be within its margin" for r in rails if r["guardrail"] == "unclear"]
    within = [r for r in rails if (r["guardrail"], r["verdict"]) == ("ok", "worse")] if methods >= ENDED else []
    out += [f"{r['metric']}: worse, within what the plan accepts" for r in within]
    if methods >= WHOLE:
        out += [f"{r['metric']}: can't be computed" for r in rows if r["role"] != "guardrail" and lost(r)]
    return out


def _check_cost(said: _Said, readout: J) -> None:
    """How many looks there were, and the chance that a true null looks significant at one of them."""
    plan, looks, cost, notes = readout["plan"], readout["looks"], readout["cost"], said.notes
    alpha, kind = alpha_of(plan), plan["model"]["kind"]
    sizes = sorted({look["units"] for look in looks if look["units"] > 0})
    count, rate = len(sizes), alpha
    word = "one look" if count == 1 else f"{count} looks"
    if kind in ("frequentist", "bayesian"):
        sentence = "One look: false positives stay at the planned level." if count else "No look at the effects so far."
        if count > LOOKS:
            said.notes.left.append(f"what {count:,} looks cost")
            return
        if count > 1:
            rate = crossing_rate([n / sizes[-1] for n in sizes], alpha)
            sentence = (
                f"With {count} looks a true null would look significant at one of them in {rate:.1%} of experiments instead of "
                f"{alpha:.1%}."
            )
    else:
        sentence = f"The {kind.replace('_', '-')} interval has paid for every look in advance ({word} so far)."
        end = closing(plan, looks[:-1])
        if end is not None:
            change = looks[-1]["units"] - end["units"]
            more = f"{abs(change):,} {'more' if change >= 0 else 'fewer'}" if change else "as many"
            units = f"{end['units']:,} unit{'' if end['units'] == 1 else 's'}"
            sentence += (
                f" The last planned look was on {end['at'][:10]} at {units}. This one has {more} units: data after the last "
                "planned look decide nothing, its result stands."
            )
    earlier: tuple[str, ...] = ()
    stamp = next((_LEVEL[s] for s in readout["stamps"] if s in _LEVEL), None)
    if stamp is not None:
        sentence = f"{stamp} ({word} so far)."
    elif "MORE LOOKS THAN PLANNED" in readout["stamps"] and (count <= 1 or kind in ("sequential", "group_sequential")):
        earlier += (sentence,) if count > 1 else ()  # as an earlier release put it
        earlier += ("Effects were read at other data or by other columns as well, so no level of false positives is promised.",)
        sentence = "Effects were read at other data or in another way as well, so no level of false positives is promised."
    peeks = sum(not look["planned"] for look in looks)
    notes.same("cost of looking, looks and peeks", [count, peeks], [cost["looks"], cost["peeks"]])
    for name, value in (("alpha", alpha), ("false_positive_rate", rate)):
        if not near(value, cost[name], 1e-3):
            notes.differs(f"cost of looking, {name}", value, cost[name])
    said.one_of("cost of looking", (sentence, *earlier), cost["sentence"])


_PLAN_STAMPS = {
    "after": "PLANNED AFTER THE DATA",
    "partly": "PARTLY PLANNED AFTER THE DATA",
    "retrospective": "RETROSPECTIVE",
}


def check_stamps(notes: Notes, payload: J, entries: Sequence[J]) -> None:
    """What a reader must know before any number: a failed gate, a peek, and every way in which the plan was left.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        entries: Of its ledger, whose chain holds.
    """
    readout = payload["readout"]
    look, told = look_on_record(readout, entries), readout["deviations"]
    expected = _declared([e for e in entries if look is not None and is_known(e, look, entries)])
    planned = readout["plan"].get("horizon", {}).get("units") or 0
    expected += [
        {
            "pointer": "/horizon/units",
            "before": planned,
            "after": k["units"],
            "class": "ended short",
            "seq": k["seq"],
            "at": k["at"],
            "reason": k["last"],
        }
        for k in readout["looks"]
        if k.get("last") and k["units"] < planned
    ]
    own = [d for d in told if d["class"] != "undeclared"]
    notes.same("deviations from the plan", sorted(map(canonical, expected)), sorted(map(canonical, own)))
    left = [d["class"] for d in told if d["class"] == "undeclared"]
    further = sorted(set(readout["summary"]["segments"]) - set(readout["plan"].get("segments") or ()))
    if further and not left:
        notes.differs("deviations from the plan", f"undeclared segments: {', '.join(further)}", "none")
    checks = {c["name"]: c for c in readout["health"]}
    state = checks.get("plan_first", {}).get("evidence", {}).get("state", "")
    stamps = ["INVALID"] if any(c["gate"] and c["status"] == "fail" for c in readout["health"]) else []
    stamps += [_PLAN_STAMPS[state]] if state in _PLAN_STAMPS else []
    stamps += ["AMENDED AFTER EFFECTS"] if any(d["class"] == "amendment after effects" for d in own) else []
    stamps += (["EXPLORATORY"] if left else []) + (["PEEK"] if readout["kind"] == "peeked" else [])
    if payload["schema"] == 1:
        stamps, shown = [[s for s in x if s in ("INVALID", "PEEK")] for x in (stamps, readout["stamps"])]
    else:  # what follows from the record alone is compared with the plan's stamps
        shown = [s for s in readout["stamps"] if s not in (RESTARTED_STAMP, SHARED_STAMP, LOOKS_STAMP)]
    notes.same("stamps", stamps, shown)


def _declared(entries: Sequence[J]) -> list[J]:
    """Each field that an amendment changed, with what had been seen by then."""
    out, failed, plan = [], False, None
    for i, entry in enumerate(entries):
        body = entry["body"]
        health = body.get("health")
        failed = failed or (isinstance(health, dict) and bool(health.get("gates")))
        for change in body["changes"] if entry["kind"] == "amended" else ():
            seen = "effects seen" if failed else level_of(entries[:i])
            drops = not failed and plan is not None and change["pointer"] in pointers_of_drop(plan, body["plan"])
            late = seen == "effects seen" and not is_neutral(change["pointer"]) and not drops
            kind = "amendment after effects" if late else "amendment after outcomes"
            kind = "amendment before data" if seen in ("nothing assigned", "no outcomes computed") else kind
            out.append({**change, "class": kind, "seq": entry["seq"], "at": entry["at"], "reason": body["reason"]})
        plan = body["plan"] if entry["kind"] in ("registered", "amended") else plan
    return out


def _check_due(notes: Notes, readout: J) -> None:
    """Whether the horizon was reached, by the units and by the days that the data have at most."""
    due, summary, horizon = readout["due"], readout["summary"], readout["plan"].get("horizon", {})
    units, days = sum(summary["units"].values()), due["days"]
    notes.same("horizon, units", units, due["units"])
    if summary["first_exposure"] and days is not None:
        first, last = (_moment_of(t) for t in (summary["first_exposure"], summary["data_until"] or summary["last_exposure"]))
        most = max(0.0, (last - first).total_seconds() / 86_400)
        if not 0 <= days <= most + 1e-6:
            notes.differs("horizon, days", f"{most} at most, as the data have", days)
    elif days is not None:
        notes.differs("horizon, days", "none, as the data have no dates", days)
    reached = horizon.get("units") is None or units >= horizon["units"]
    reached = reached and (horizon.get("days") is None or (days is not None and days >= horizon["days"]))
    notes.same("horizon, reached", reached, due["is_adequate"])


def _check_why_due(said: _Said, readout: J) -> None:
    """Whether results were due, at which look, why, and what was still missing."""
    due, plan, notes = readout["due"], readout["plan"], said.notes
    model, horizon, units = plan["model"], plan.get("horizon", {}), due["units"]
    kind, reached = model["kind"], due["is_adequate"]
    missing = _missing(horizon, units, due["days"])
    planned = model.get("looks") or [0.5, 1.0]
    look = looks = 0
    needed, days_needed = horizon.get("units"), horizon.get("days")
    by_variant = readout["summary"]["units"]
    smallest = min((by_variant.get(v["key"], 0) for v in plan["variants"]), default=0)
    least = model.get("min_units", 500)
    if kind == "group_sequential":
        looks, whole = len(planned), horizon.get("units") or 0
        look = sum(1 for share in planned if units >= share * whole - 1e-9)
        last = bool(readout["looks"] and readout["looks"][-1].get("last"))
        is_due = look > 0 or last
        following = next((round(s * whole) for s in planned if units < s * whole - 1e-9), None)
        needed = needed if following is None else following
        first = f"The first planned look is at {_units(following or 0)}; {max(0, (following or 0) - units):,} to go."
        reasons = [f"Planned look {look} of {looks} is reached."] if is_due else [first]
        if last and not reached:
            reasons = [f"The experiment ended at {_units(units)}, and this look was declared its last."]
    elif kind == "frequentist" or (kind == "bayesian" and model.get("due", "horizon") == "horizon"):
        is_due = reached
        reasons = [f"Fixed horizon: {missing}."]
        if is_due:
            posterior = "The plan lets the posterior be read now; reading it repeatedly inflates false positives."
            reasons = ["The horizon is reached." if kind == "frequentist" else posterior]
    else:
        is_due = smallest >= least
        whose = f"{_units(least)} in every variant; the smallest has {smallest:,}."
        before = f"The first look needs {whose}" if kind == "sequential" else f"The plan needs {whose}"
        posterior = "The plan lets the posterior be read now; reading it repeatedly inflates false positives."
        after = "Every look is valid from here on." if kind == "sequential" else posterior
        reasons = [after if is_due else before]
        if not is_due:
            needed, days_needed = round(least / min(v["split"] for v in plan["variants"])), None
    expected = {"is_due": is_due, "look": look, "looks": looks, "units_needed": needed, "days_needed": days_needed}
    for name, value in expected.items():
        notes.same(f"horizon, {name.replace('_', ' ')}", value, due[name])
    said.one_of("horizon, reason", reasons, due["reason"])


def _units(count: int) -> str:
    return f"{count:,} unit{'' if count == 1 else 's'}"


def _missing(horizon: J, units: int, days: float | None) -> str:
    out = []
    if horizon.get("units") is not None and units < horizon["units"]:
        out.append(f"{horizon['units'] - units:,} more units")
    if horizon.get("days") is not None:
        if days is None:
            out.append(f"{horizon['days']} days, which this source without dates can't show")
        elif days < horizon["days"]:
            out.append(f"{horizon['days'] - days:.1f} more days")
    return " and ".join(out) + (" to go" if out else "")


def _moment_of(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_counts(said: _Said, summary: J) -> None:
    """Units by day and by segment are no more than there are."""
    days = list(summary["exposures_by_day"].values())
    groups = [("by day", days), *((f"by {name}", list(parts.values())) for name, parts in summary["segments"].items())]
    for variant, n in summary["units"].items():
        for where, parts in groups:
            told = math.fsum(part.get(variant, 0) for part in parts)
            if told > n:
                said.notes.differs(f"units of {variant}, {where}", f"{n} at most", told)
