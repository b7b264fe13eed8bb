"""Page one next to the decision: the run and who was in it, planned against found, money, what happens next and who does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from xpbench.decide.chances import chance, could_find, multiplier, relative_error, threshold
from xpbench.decide.whatnow import chance_text, giving_up_said, planned_chance, planned_lift, subject, what_now
from xpbench.errors import number_of
from xpbench.memo import figures
from xpbench.memo.content.plain_words import day_text
from xpbench.memo.impact import DAYS_PER_MONTH, daily_units, round_to
from xpbench.memo.names import metric_names, named
from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH, lift_interval, lift_text


def run_dates(readout: Mapping[str, Any]) -> tuple[str, str, int] | None:
    """First and last day of exposures and how many days that are, both included; None where the data name none."""
    summary = readout["summary"]
    days = sorted(summary["exposures_by_day"])
    first, last = summary["first_exposure"] or (days[0] if days else ""), summary["last_exposure"] or (days[-1] if days else "")
    if not first or not last:
        return None
    a, b = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    return a.isoformat(), b.isoformat(), (b - a).days + 1


def run_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """When it ran, who was in it, what was planned and what was found."""
    readout = payload["readout"]
    plan, summary = readout["plan"], readout["summary"]
    dates = run_dates(readout)
    total = sum(summary["units"].values())
    return {
        "dates": f"{dates[0]} to {dates[1]}" if dates else "",
        "days": number_of(dates[2], "day") if dates else "",
        "total": digits.whole(total),
        "who": who_took_part(plan["unit"]),
        "audience": plan.get("audience") or "",
        "traffic": _rollout(plan),
        "units": [
            {"variant": labels[v["key"]], "n": digits.whole(summary["units"].get(v["key"], 0)), "picture": _picture(v)}
            for v in plan["variants"]
        ],
        "pictures": any(_picture(v) for v in plan["variants"]),
        "planned": _planned(readout),
        "power": _power(plan, readout.get("futility")),
        "money": money(readout),
        "links": [
            {"title": named(link["title"]), "url": link["url"]}
            for link in plan.get("links") or ()
            if _ADDRESS.fullmatch(link["url"])
        ],
    }


def who_took_part(unit: str) -> str:
    """Units by their name in the plural where it is a word, such as `visitors`; else `units (name)`."""
    word = digits.units_word(unit)
    return word if word != "units" or unit == "unit" else f"units ({unit})"


_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
_PICTURE = re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}")


def _picture(variant: Mapping[str, Any]) -> str:
    """Data address of a variant's picture; "" for anything else, whoever wrote the payload."""
    found = variant.get("picture") or ""
    return found if _PICTURE.fullmatch(found) else ""


def _rollout(plan: Mapping[str, Any]) -> str:
    """Which share of whom took part, by the rollout groups of the plan."""
    assignment = plan.get("assignment")
    if not assignment:
        return "another system chose who takes part"
    parts = [f"{digits.share_text(r['share'])} of {r['key']}" for r in assignment.get("rollout", ())]
    holdout = assignment.get("holdout")
    parts += [f"{digits.share_text(holdout['share'])} held out"] if holdout else []
    return ", ".join(parts) or DASH


def _power(plan: Mapping[str, Any], price: Mapping[str, Any] | None) -> str:
    """How often the plan's own rule would have won by its own numbers, on record, and what giving up early costs of it."""
    gives_up = "" if price is None else f" {giving_up_said(price)}"
    found = planned_chance(plan, rails=True) or planned_chance(plan)
    if found is None:
        return f"The plan says nothing of its power.{gives_up}"
    wanted = plan["planning"]["power"]
    low = ", less than it asked for" if found < wanted - 0.005 else ""
    return (
        f"By its own numbers the rule ships it in {chance_text(found)} of cases if its hypothesis holds{low} "
        f"({digits.share_text(wanted)} planned).{gives_up}"
    )


def _planned(readout: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each primary metric of the variant that the page speaks about: the lift planned, found, and what could be missed."""
    plan, main = readout["plan"], subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return []
    names, power = metric_names(plan), plan["planning"]["power"]
    out = []
    for row in readout["rows"]:
        if row["role"] != "primary" or row["variant"] != main["variant"]:
            continue
        lift, least = planned_lift(plan, row["metric"]), could_find(row, power)
        sign = "+" if row["direction"] == "increase" else digits.MINUS
        missed = chance_of_missing(plan, row)
        out.append(
            {
                "metric": names[row["metric"]],
                "planned": f"{sign}{digits.share_text(lift)}" if lift else DASH,
                "found": f"{lift_text(row)} ({lift_interval(row)})" if row["lift"] is not None else DASH,
                "could_find": digits.share_text(float(f"{least:.2g}")) if least is not None else DASH,
                "missed": chance_text(missed) if missed is not None else DASH,
                "power": digits.share_text(power),
            }
        )
    return out


def chance_of_missing(plan: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Chance that a run as noisy as this one does not win by the plan's rule where the lift is as planned."""
    lift, error = planned_lift(plan, row["metric"]), relative_error(row)
    if lift is None or error is None:
        return None
    policy = plan.get("decision", {}).get("practical", "estimate")
    return 1.0 - chance(lift, error, threshold(error, multiplier(row), policy, row["min_lift"]))


def money(readout: Mapping[str, Any]) -> str:
    """What the metrics that changed are worth a month, where the plan names a worth or values in a currency."""
    main = subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return ""
    parts, who = [], digits.units_word(readout["plan"]["unit"])
    for row in readout["rows"]:
        metric = next(m for m in readout["plan"]["metrics"] if m["key"] == row["metric"])
        if row["variant"] != main["variant"] or row["role"] == "guardrail" or not metric.get("currency"):
            continue
        if row["verdict"] == "unclear":
            continue
        if row["effect"] is None or row["ci_low"] is None or not (metric.get("worth") or row["kind"] in ("sum", "column")):
            continue
        pace = daily_units(readout)
        per = (pace[0] * DAYS_PER_MONTH if pace else 1000.0) * (metric.get("worth") or 1.0)
        values = [round_to(per * row[k], 3) for k in ("effect", "ci_low", "ci_high")]
        decimals = digits.decimals_for(values[2] - values[1])
        point, low, high = (digits.fixed(v, decimals, signed=True) for v in values)
        where = f"a month, if all {who} had it" if pace else f"for every 1,000 {who}"
        name = named(row["label"])
        parts.append(f"{name}: {point} {metric['currency']} {where} (from {low} to {high})")
    return f"In money: {'; '.join(parts)}." if parts else ""


def next_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What happens next, by whom and until when; what keeps from an answer where there is none yet."""
    readout, decision = payload["readout"], payload["decision"]
    plan = readout["plan"]
    now = what_now(plan, readout, names=metric_names(plan), variants=labels)
    watch = plan.get("watch")
    outcome = decision["outcome"] if decision else ""
    who = named(plan["owner"])
    if outcome == "ship":
        takes = [t for t in now.takes if now.state == "ship" and not t.startswith("Watch for")]
        until = ""
        if watch:
            who = named(watch.get("owner") or plan["owner"])
            end = date.fromisoformat(decision["at"][:10]) + timedelta(weeks=watch["weeks"])
            watched = [metric_names(plan).get(m, m) for m in watch.get("metrics", ())]
            what = f"Watch {', '.join(watched)}" if watched else "Watch the guardrails"
            takes.append(f"{what} for {number_of(watch['weeks'], 'week')} after shipping.")
            until = end.isoformat()
        return _next("", "", takes or ["Ship it."], "", f"xpbench watch {plan['key']}" if watch else "", who, until)
    if outcome == "ship none":
        return _next(now.blocker, now.why, list(now.takes), now.lever, "", who, "")
    return _next(now.blocker, now.why, list(now.takes), now.lever, now.command, who, "")


def _next(blocker: str, why: str, takes: list[str], lever: str, command: str, who: str, until: str) -> dict[str, Any]:
    head = f"{blocker[0].upper()}{blocker[1:]}" if blocker else ""
    return {"blocker": head, "why": why, "takes": takes, "lever": lever, "command": command, "who": who, "until": until}


def effect_picture(readout: Mapping[str, Any]) -> str:
    """The effect on the first primary metric by day of exposure; empty where the data name no days or too few."""
    main = subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return ""
    trend = next(
        (
            t
            for t in readout.get("novelty", ())
            if t["axis"] == "cohort" and t["metric"] == main["metric"] and t["variant"] == main["variant"]
        ),
        None,
    )
    points = [p for p in trend["points"] if p["effect"] is not None and p["se"]] if trend else []
    if len(points) < 3:
        return ""
    scale, unit = (100.0, "\u202fpp") if main["is_proportion"] else (1.0, "")
    return figures.effect_by_day(
        [(day_text(str(p["label"])), scale * p["effect"], scale * p["se"]) for p in points],
        overall=None if main["effect"] is None else scale * main["effect"],
        unit=unit,
        title=f"Effect on {named(main['label'])} by day of exposure",
    )
