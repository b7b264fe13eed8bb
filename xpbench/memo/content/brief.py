"""A result in two to five sentences for one kind of reader, from frozen numbers alone.

Every voice speaks of all decisive metrics: the primary ones, secondary ones that the plan's test shows to be changed, and
guardrails that are worse or undecided. Each lift stands with its interval, and units and dates are named. A claim is made only
where the plan's rule supported it: another decision, or a plan from after the data, is said. What a year would bring is told by
the shrunken lift, never by the one that was found.

Source of the shrunken lift: normal prior around zero, as wide as the lift that was planned; posterior mean
lift · τ² / (τ² + se²) (Efron 2011, the winner's curse).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.decide.chances import could_find, relative_error
from xpbench.decide.whatnow import planned_lift, subject
from xpbench.errors import number_of
from xpbench.memo.content.run import next_section, run_dates
from xpbench.memo.impact import daily_units, round_to
from xpbench.memo.names import metric_names, named, variant_labels
from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH, effect_decimals, lift_decimals, margin_text, rail_said
from xpbench.wording.verdicts import is_worse_within

VOICES = ("director", "team", "cv", "chat")
DAYS_PER_YEAR = 365.25
_COUNTED = ("conversion", "count", "retention", "funnel", "sessions")
QUALIFIERS = {
    "PLANNED AFTER THE DATA": "The plan was made after the data, so this explains and does not prove.",
    "PARTLY PLANNED AFTER THE DATA": "The plan was made after part of the data.",
    "RETROSPECTIVE": "The plan looks back on data that existed.",
    "AMENDED AFTER EFFECTS": "The plan was changed after effects were seen.",
    "EXPLORATORY": "The analysis differs from the registered plan.",
    "PEEK": "The effects were seen before they were due.",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run were seen before this one began.",
    "ONE OF SEVERAL PLANS": "Effects of the same units were seen under another plan before.",
    "MORE LOOKS THAN PLANNED": "The effects were read more often than the plan allows for.",
}
LATE = tuple(QUALIFIERS)[:5]
"""Stamps of a plan, or an analysis, that did not come first."""


def brief(payload: Mapping[str, Any]) -> dict[str, list[str]]:
    """The sentences of every voice."""
    return {voice: sentences(payload, voice) for voice in VOICES}


def sentences(payload: Mapping[str, Any], voice: str) -> list[str]:
    """Two to five sentences.

    Args:
        payload: Of a memo.
        voice: One of `VOICES`.
    """
    readout = payload["readout"]
    plan = readout["plan"]
    decision = payload["decision"]
    outcome = decision["outcome"] if decision else readout["recommendation"]["outcome"]
    invalid = "INVALID" in readout["stamps"]
    main = subject(readout)
    who, when = _who(readout), _when(readout)
    title = named(plan["title"])
    head = _outcome(payload, variant_labels(plan), outcome)
    claims = [] if invalid or main is None else _claims(readout, main["variant"])
    doubt = [QUALIFIERS[s] for s in readout["stamps"] if s in QUALIFIERS][:1]
    if voice == "cv":
        return _cv(payload, claims, head, doubt, invalid=invalid)
    if voice == "chat":
        body = "; ".join(claims) if claims else _why(payload)
        out = [f"{head} ({title}): {body}.", f"{who}{when}."]
        return [out[0], f"{out[1][:-1]}. {doubt[0]}" if doubt else out[1]]
    first = f"{title}: {who} took part{when}."
    out = [first, f"{head}{_differs(payload)}."]
    out[1:1] = [f"{_sentence('; '.join(claims))}"] if claims else [_sentence(_why(payload))]
    if doubt:
        out[1] = f"{out[1]} {doubt[0]}"
    more = _year(readout, outcome) if voice == "director" else ""
    follow = next_section(payload, variant_labels(plan))
    if voice == "team":
        says = " ".join([follow["why"] if follow["blocker"] else "", *follow["takes"][:1]]).strip()
        out += [says] if says else []
        out += [f"Next: {follow['command']}."] if follow["command"] else []
    elif more:
        out.append(more)
    elif follow["takes"] and outcome != "ship":
        out.append(follow["takes"][0])
    return out[:5]


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _who(readout: Mapping[str, Any]) -> str:
    return number_of(sum(readout["summary"]["units"].values()), "unit")


def _when(readout: Mapping[str, Any]) -> str:
    dates = run_dates(readout)
    return f", {dates[0]} to {dates[1]} ({number_of(dates[2], 'day')})" if dates else ""


def _outcome(payload: Mapping[str, Any], labels: Mapping[str, str], outcome: str) -> str:
    """The decision, or what the rule recommends while there is none."""
    decision, advice = payload["decision"], payload["readout"]["recommendation"]
    variant = labels.get((decision or advice)["variant"], (decision or advice)["variant"])
    words = {
        "ship": f"ship {variant}",
        "ship none": "ship none",
        "iterate": "iterate",
        "invalid": "the results are invalid",
        "defer": "deferred",
    }[outcome]
    return f"Decided: {words}" if decision else f"The plan's rule says: {words}"


def _differs(payload: Mapping[str, Any]) -> str:
    """That a decision is another one than the rule's."""
    decision, advice = payload["decision"], payload["readout"]["recommendation"]
    if decision is None or decision["follows_rule"]:
        first = _came_first(payload["readout"])
        return "" if decision is None else ", by the rule fixed before launch" if first else ", by the rule of the plan"
    return f", against the rule of the plan, which says: {advice['outcome']}"


def _came_first(readout: Mapping[str, Any]) -> bool:
    """Whether the dates show that the plan came before the data; without dates nobody knows.

    Pages of releases that did not compare the dates keep their words.
    """
    if any(s in LATE for s in readout["stamps"]):
        return False
    first = next((c for c in readout["health"] if c["name"] == "plan_first"), None)
    return first is None or first["evidence"].get("state") in ("before", "same day")


def _why(payload: Mapping[str, Any]) -> str:
    """What there is to say where no effect may be claimed."""
    readout = payload["readout"]
    if "INVALID" in readout["stamps"]:
        failed = [c["title"] for c in readout["health"] if c["gate"] and c["status"] == "fail"]
        return f"the results are invalid ({', '.join(failed) or 'a gate failed'}), so they show no effect"
    return "no primary metric could be computed"


def _interval(row: Mapping[str, Any]) -> str:
    level = digits.level_text(row["alpha"])
    if row["lift_low"] is not None and row["lift_high"] is not None:
        low, high = (digits.percent(row[k], lift_decimals(row), signed=True) for k in ("lift_low", "lift_high"))
    elif row["ci_low"] is not None and row["ci_high"] is not None:
        scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
        low, high = (digits.fixed(scale * row[k], effect_decimals(row), signed=True) + unit for k in ("ci_low", "ci_high"))
    else:
        return ""
    return f" ({level} interval {low} to {high})"


def _size(row: Mapping[str, Any]) -> str:
    if row["lift"] is not None and row["lift_low"] is not None:
        return digits.percent(abs(row["lift"]), lift_decimals(row))
    scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
    return digits.fixed(scale * abs(row["effect"]), effect_decimals(row)) + unit


def _claims(readout: Mapping[str, Any], variant: str) -> list[str]:
    """A clause for each decisive metric of a variant."""
    out = []
    power = readout["plan"]["planning"]["power"]
    rows = [r for r in readout["rows"] if r["variant"] == variant]
    for row in rows:
        name = named(row["label"])
        if row["role"] == "guardrail":
            continue
        if row["role"] == "secondary" and row["verdict"] == "unclear":
            continue
        if row["effect"] is None or not _interval(row):
            out.append(f"{name} can't be computed")
        elif row["verdict"] != "unclear":
            out.append(f"{name} {'rose' if row['effect'] > 0 else 'fell'} by {_size(row)}{_interval(row)}")
        elif row.get("equivalent"):
            out.append(f"no effect that matters on {name}{_interval(row)}")
        else:
            least = could_find(row, power)
            missed = f", which could have missed {digits.share_text(float(f'{least:.2g}'))}" if least is not None else ""
            out.append(f"no difference shown in {name}{_interval(row)}{missed}")
    rails = [r for r in rows if r["role"] == "guardrail"]
    for row in rails:
        name = named(row["label"])
        if row["guardrail"] == "bad":
            out.append(f"{name} got worse than accepted{_interval(row)}")
        elif is_worse_within(row):
            out.append(rail_said({**row, "label": name}))
        elif row["guardrail"] == "unclear":
            out.append(f"{name} is not yet shown to be within its margin of {margin_text(row) or DASH}{_interval(row)}")
    if rails and all(r["guardrail"] == "ok" and not is_worse_within(r) for r in rails):
        out.append("no guardrail is worse than planned")
    return out


def shrunken(readout: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """The lift drawn towards zero by a prior as wide as the lift that was planned; None where there is none."""
    lift, error = planned_lift(readout["plan"], row["metric"]), relative_error(row)
    if lift is None or error is None or row["lift"] is None:
        return None
    return float(row["lift"]) * lift * lift / (lift * lift + error * error)


def _year(readout: Mapping[str, Any], outcome: str) -> str:
    """What a shipped win brings in a year at the traffic of the run, by the shrunken lift; "" where nothing may be claimed."""
    if outcome != "ship" or readout["recommendation"]["outcome"] != "ship" or "RETROSPECTIVE" in readout["stamps"]:
        return ""
    if any(s in readout["stamps"] for s in ("PLANNED AFTER THE DATA", "AMENDED AFTER EFFECTS", "EXPLORATORY")):
        return ""  # an effect that a plan was chosen for is no forecast
    main, traffic = subject(readout), daily_units(readout)
    if main is None or traffic is None or main["verdict"] != "better" or not main["mean_control"]:
        return ""
    metric = next(m for m in readout["plan"]["metrics"] if m["key"] == main["metric"])
    counted = main["is_proportion"] or main["kind"] in _COUNTED
    small = shrunken(readout, main)
    if small is None or not (counted or main["kind"] in ("sum", "column")):
        return ""
    amount = round_to(small * abs(main["mean_control"]) * traffic[0] * DAYS_PER_YEAR, 3)
    name = metric_names(readout["plan"])[main["metric"]]
    text = f"{digits.fixed(amount, 0, signed=True)} {name}"
    if metric.get("currency") and (metric.get("worth") or not counted):
        text += f", {digits.fixed(round_to(amount * (metric.get('worth') or 1.0), 3), 0, signed=True)} {metric['currency']},"
    return (
        f"Allowing for luck the lift is about {digits.percent(small, lift_decimals(main), signed=True)}: {text} in a year, if "
        f"all {digits.units_word(readout['plan']['unit'])} had it at {traffic[1]}."
    )


def _cv(payload: Mapping[str, Any], claims: list[str], head: str, doubt: list[str], *, invalid: bool) -> list[str]:
    """What somebody may write of their work: what was done, what was found, what it led to."""
    readout = payload["readout"]
    plan, decision = readout["plan"], payload["decision"]
    outcome = decision["outcome"] if decision else readout["recommendation"]["outcome"]
    variants = number_of(len(plan["variants"]), "variant")
    planned = "Planned, registered before the data and ran" if _came_first(readout) else "Ran"
    first = f"{planned} an A/B test of {named(plan['title'])} with {_who(readout)} in {variants}{_when(readout)}."
    if invalid:
        return [first, "Its own checks found the results invalid before anybody could act on them."]
    found = _sentence("; ".join(claims) or "no primary metric could be computed")
    year = _year(readout, outcome)
    led = year or f"{head}{_differs(payload)}."
    return [first, found, *doubt[:1], led][:5]
