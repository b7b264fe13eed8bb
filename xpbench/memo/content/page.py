"""The sections of the page, in one value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from xpbench.errors import number_of
from xpbench.memo import method_and_limits
from xpbench.memo.content.brief import brief
from xpbench.memo.content.decision import decision_section, hypothesis_section, rule_section
from xpbench.memo.content.further_sections import (
    over_time_section,
    segment_pictures,
    segment_tables,
    sensitivity_section,
    time_pictures,
)
from xpbench.memo.content.metrics import forest_plots, interval_name, metric_row
from xpbench.memo.content.plain_words import day_text
from xpbench.memo.content.run import effect_picture, next_section, run_section
from xpbench.memo.content.trust import (
    accrual_picture,
    data_section,
    deviation_row,
    health_check,
    health_line,
    health_lines,
    later_looks,
    looks_section,
    provenance_rows,
    split_picture,
)
from xpbench.memo.impact import impact_sentences
from xpbench.memo.messages import say
from xpbench.memo.names import named, variant_labels
from xpbench.wording import numbers as digits

SHARED = "ONE OF SEVERAL PLANS"
STAMPS = {
    "INVALID": "A gating health check failed. The effects must not be read.",
    "AMENDED AFTER EFFECTS": "After effects were seen, or a gate had failed, the plan was changed in a way that can turn the "
    "result.",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run of this lineage were seen before this one began. Whoever may run "
    "again until a difference shows finds one.",
    "MORE LOOKS THAN PLANNED": "The effects were read at other data, or in another way, before this look, or it was declared "
    "the last after they had been seen. The plan has no allowance for that. Whoever can choose among looks finds a difference "
    "more often than planned.",
    "EXPLORATORY": "The analysis differs from the registered plan in a way that was not declared.",
    "PEEK": "The effects were revealed before they were due.",
}


def _stamp(payload: Mapping[str, Any], word: str) -> dict[str, str]:
    """A stamp with what it means; whether the plan came first is what its health check says, with both dates."""
    readout = payload["readout"]
    if word == SHARED:
        return {"word": word, "means": say("run.plans", plans="; ".join(_other_plans(payload)))}
    if word in STAMPS:
        return {"word": word, "means": STAMPS[word]}
    return {"word": word, "means": next((c["meaning"] for c in readout["health"] if c["name"] == "plan_first"), "")}


def _other_plans(payload: Mapping[str, Any]) -> list[str]:
    """The other plans under which effects of the same units were seen before a look, each with its primary metrics."""
    found: dict[str, str] = {}
    for line in payload["ledger"]["lines"]:
        entry = json.loads(line)
        for one in entry["body"].get("shared") or () if entry["at"] <= payload["readout"]["at"] else ():
            found.setdefault(one["key"], f"{named(one['key'])} (primary: {', '.join(named(p) for p in one['primary']) or '—'})")
    return list(found.values())


def _run(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stamp of a run that follows another: which, and what had been seen of it by then."""
    follows = json.loads(payload["ledger"]["lines"][0])["body"].get("follows")
    if not follows:
        return []
    words = {k: follows[k] for k in ("key", "knowledge", "reason")}
    return [{"word": f"RUN {len(follows['runs']) + 1}", "means": say("run.follows", day=day_text(follows["at"]), **words)}]


def _dropped(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """A treatment that was dropped while the experiment ran: when, what had been seen by then, and what it costs."""
    out: list[dict[str, str]] = []
    known: set[str] = set()
    for amendment in payload["amendments"]:
        entry = json.loads(payload["ledger"]["lines"][amendment["seq"] - 1])
        gone = {d["key"]: d for d in entry["body"]["plan"].get("dropped") or ()}
        for key in sorted(gone.keys() - known):
            words = {"day": day_text(amendment["at"]), "knowledge": amendment["knowledge"], "reason": amendment["reason"]}
            name = named(gone[key].get("name") or key)
            out.append({"word": "TREATMENT DROPPED", "means": say("run.dropped", variant=name, **words)})
        known = set(gone)
    return out


def _later(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stamp of a memo that does not rest on the newest look at the data."""
    later = later_looks(payload)
    if not later:
        return []
    last = later[-1]
    means = say(
        "looks.later",
        looks=number_of(len(later), "later look"),
        day=day_text(last["at"]),
        units=digits.whole(last["units"]),
    )
    return [{"word": "OLDER LOOK", "means": means}]


def content(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows, by section."""
    readout = payload["readout"]
    plan = readout["plan"]
    labels = variant_labels(plan)
    rows = [metric_row(i, r, plan, labels) for i, r in enumerate(readout["rows"])]
    invalid = "INVALID" in readout["stamps"]
    return {
        "title": plan["title"],
        "key": plan["key"],
        "owner": plan["owner"],
        "made": day_text(readout["at"]),
        "stamps": [_stamp(payload, s) for s in readout["stamps"]] + _run(payload) + _dropped(payload) + _later(payload),
        "invalid": invalid,
        "decision": decision_section(payload, labels),
        "impact": impact_sentences(payload),
        "hypothesis": hypothesis_section(payload),
        **forest_plots(payload, rows, labels, hidden=invalid),
        "interval_name": interval_name(readout, plan),
        "rows": rows,
        "level": digits.share_text(plan["model"]["confidence"]),
        "several": len(plan["variants"]) > 2,
        "guardrails": [r for r in rows if r["role"] == "guardrail"],
        "health": [health_check(c) for c in readout["health"]],
        "health_line": health_line(readout["health"]),
        "health_lines": health_lines(readout["health"]),
        "run": run_section(payload, labels),
        "next": next_section(payload, labels),
        "effect": effect_picture(readout),
        "segment_pictures": [] if invalid else segment_pictures(readout, plan, labels),
        "time_pictures": [] if invalid else time_pictures(readout, plan, labels),
        "brief": brief(payload),
        "looks": looks_section(payload),
        "deviations": [deviation_row(d) for d in readout["deviations"]],
        "amendments": payload["amendments"],
        "waivers": payload["waivers"],
        "sign_offs": [{"key": "", "covers": "", **s, "name": named(s["name"])} for s in payload["sign_offs"]],
        "split": split_picture(readout, plan, labels),
        "accrual": accrual_picture(readout, plan),
        "segments": segment_tables(readout, plan, labels),
        "over_time": over_time_section(readout, plan, labels),
        "sensitivity": sensitivity_section(readout, plan, labels),
        "rule": rule_section(payload, labels),
        "data": data_section(readout, labels),
        "method": method_and_limits.method(plan, readout),
        "limits": method_and_limits.limits(plan, readout),
        "provenance": provenance_rows(payload),
        "ledger": payload["ledger"]["entries"],
        "witness": payload["ledger"]["witness"],
    }
