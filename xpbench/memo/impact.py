"""Two plain sentences for stakeholders, written only from frozen numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from xpbench.decide.whatnow import subject
from xpbench.memo.messages import say
from xpbench.memo.names import named, variant_labels
from xpbench.wording import numbers as digits
from xpbench.wording.rows import effect_decimals, effect_text, means, rail_said
from xpbench.wording.verdicts import is_worse_within

DAYS_PER_MONTH = 30.4375
"""365.25 / 12."""

_COUNTS_AS = {"funnel": "completed funnels", "retention": "returns"}
"""What a unit with a 1 is called; the sentence before has named the metric."""

_COUNTED = ("conversion", "count", "retention", "funnel", "sessions")
"""Kinds whose mean per unit can be summed to a number of things."""


def impact_sentences(payload: Mapping[str, Any]) -> tuple[str, str]:
    """What changed and by how much with its interval; then the same per month at current traffic, or why not."""
    readout = payload["readout"]
    if "INVALID" in readout["stamps"]:
        failed = [c["title"] for c in readout["health"] if c["gate"] and c["status"] == "fail"]
        return say("impact.invalid", failed="; ".join(failed) or "see below"), say("impact.invalid_next")
    row = subject(readout)
    if row is None:
        return say("impact.nothing"), say("impact.nothing_next")
    parts = [p for p in (_how_much(readout, row), _rails(readout, row["variant"])) if p]
    second = "; ".join(parts) or "Its size per month is not reported: the metric is not a number per unit"
    return _what(readout, row), second[0].upper() + second[1:] + "."


def _what(readout: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    plan = readout["plan"]
    labels = variant_labels(plan)
    control, treatment = means(row)
    level = digits.level_text(row["alpha"])
    if row["lift"] is not None and row["lift_low"] is not None:
        decimals = digits.decimals_for(100 * (row["lift_high"] - row["lift_low"]), most=6)
        size = digits.percent(abs(row["lift"]), decimals)
        low, high = (digits.percent(v, decimals, signed=True) for v in (row["lift_low"], row["lift_high"]))
    else:
        decimals = effect_decimals(row)
        size = effect_text(row).lstrip("+" + digits.MINUS)
        scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
        low, high = (digits.fixed(scale * v, decimals, signed=True) + unit for v in (row["ci_low"], row["ci_high"]))
    name, variant = named(row["label"]), labels[row["variant"]]
    if row["verdict"] == "unclear":
        return say(
            "impact.none" if row.get("equivalent") else "impact.unclear",
            metric=name,
            treatment=treatment,
            variant=variant,
            control=control,
            level=level,
            low=low,
            high=high,
        )
    return say(
        "impact.rose" if row["effect"] > 0 else "impact.fell",  # the past tense fits names in singular and plural
        variant=variant,
        metric=name,
        size=size,
        control=control,
        treatment=treatment,
        level=level,
        low=low,
        high=high,
    )


def daily_units(readout: Mapping[str, Any]) -> tuple[float, str] | None:
    """New units a day over all variants, and where the number comes from; None where neither data nor plan say it."""
    by_day = readout["summary"]["exposures_by_day"]
    if by_day:
        days = sorted(by_day)
        span = (date.fromisoformat(days[-1][:10]) - date.fromisoformat(days[0][:10])).days + 1
        return sum(sum(v.values()) for v in by_day.values()) / span, "this experiment saw"
    planned = readout["plan"].get("planning", {}).get("daily_units")
    return (float(planned), "the plan expects") if planned else None


def _how_much(readout: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    counted = row["is_proportion"] or row["kind"] in _COUNTED
    if not counted and row["kind"] not in ("sum", "column"):
        return ""
    traffic = daily_units(readout)
    units = digits.units_word(readout["plan"]["unit"])
    per = 1000.0 if traffic is None else traffic[0] * DAYS_PER_MONTH
    values = [round_to(per * row[k], 3) for k in ("effect", "ci_low", "ci_high")]
    decimals = digits.decimals_for(values[2] - values[1])
    point, low, high = (digits.fixed(v, decimals, signed=True) for v in values)
    what = f"{point} {_COUNTS_AS.get(row['kind'], 'conversions')}" if row["is_proportion"] else f"{point} in all"
    if traffic is None:
        return f"For every 1,000 {units}, that is {what} ({low} to {high})"
    return (
        f"Rolled out to all {units}, that is {what} a month ({low} to {high}); {traffic[1]} {digits.whole(round_to(per, 3))} "
        f"{units} a month"
    )


def _rails(readout: Mapping[str, Any], variant: str) -> str:
    rails = [r for r in readout["rows"] if r["role"] == "guardrail" and r["variant"] == variant]
    bad = [r["label"] for r in rails if r["guardrail"] == "bad"]
    unclear = [r["label"] for r in rails if r["guardrail"] == "unclear"]
    if bad:
        return f"worse than the plan accepts: {', '.join(bad)}"
    slipped = [rail_said({**r, "label": named(r["label"])}) for r in rails if is_worse_within(r)]
    if slipped:
        return "; ".join(slipped)
    if unclear:
        return f"not yet shown to be within its margin: {', '.join(unclear)}"
    if not rails:
        return ""
    return "no guardrail is worse than planned" if len(rails) > 1 else f"the guardrail {rails[0]['label']} is within its margin"


def round_to(value: float, digits_: int) -> float:
    """The value with that many significant digits."""
    return float(f"{value:.{digits_ - 1}e}")
