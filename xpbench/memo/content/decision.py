"""The decision and what it rests on: headline, hypothesis, the rule of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.errors import number_of
from xpbench.memo.content.plain_words import BARS, minute_text, situation_text
from xpbench.memo.content.trust import later_looks
from xpbench.memo.messages import say
from xpbench.memo.names import metric_names, named, says_how_it_was_read
from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH
from xpbench.wording.verdicts import SAME, is_against


def headline(outcome: str, variant: str) -> str:
    """The decision as one would say it."""
    return {
        "ship": f"Ship {variant}" if variant else "Ship",
        "ship none": "Ship none",
        "iterate": "Iterate",
        "invalid": "Do not read the effects",
        "defer": "Decision deferred",
    }.get(outcome, outcome)


QUALIFIED = {
    "PLANNED AFTER THE DATA": "headline.after",
    "PARTLY PLANNED AFTER THE DATA": "headline.partly",
    "RETROSPECTIVE": "headline.retrospective",
    "AMENDED AFTER EFFECTS": "headline.amended",
    "RESTARTED AFTER EFFECTS": "headline.restarted",
    "ONE OF SEVERAL PLANS": "headline.plans",
    "MORE LOOKS THAN PLANNED": "headline.looks",
    "EXPLORATORY": "headline.exploratory",
    "PEEK": "headline.peek",
}
"""Stamps that are in the headline itself: without them it would read as a decision by a plan from before the data."""

LATER = ("EXPLORATORY", "PEEK")
"""Stamps that were not in the headline of earlier releases."""


def qualified(words: str, readout: Mapping[str, Any], outcome: str = "") -> str:
    """A headline with what a reader must know of the plan; or that the decision was made on data that can't be trusted."""
    stamps, is_new = readout["stamps"], says_how_it_was_read(readout)
    if is_new and "INVALID" in stamps and outcome in ("ship", "ship none"):
        return say("headline.invalid", decision=words)
    found = [QUALIFIED[s] for s in stamps if s in QUALIFIED and (is_new or s not in LATER)]
    return say(found[0], decision=words) if found else words


def is_no_effect(readout: Mapping[str, Any]) -> bool:
    """Whether the rule says of every treatment that its effect does not matter."""
    recommended = readout["recommendation"]
    return recommended["outcome"] == "ship none" and set(recommended["rows"]) == {"R13"}


def decision_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The headline: what was decided, by whom, and whether the rule of the plan says the same."""
    recommended = payload["readout"]["recommendation"]
    decision = payload["decision"]
    fired = ", ".join(dict.fromkeys(recommended["rows"]))
    rule_says = headline(recommended["outcome"], labels.get(recommended["variant"], recommended["variant"]))
    if decision is None:
        mark, tone = SAME if is_no_effect(payload["readout"]) else BARS[recommended["outcome"]]
        words = say("headline.none", decision=rule_says) if is_no_effect(payload["readout"]) else rule_says
        return {
            "headline": qualified(words, payload["readout"]),
            "mark": mark,
            "tone": tone,
            "basis": say("basis.recommended", rows=fired),
            "differs": False,
            "because": recommended["because"],
            "by": "",
            "at": "",
            "outcome": recommended["outcome"],
            "rule_says": rule_says,
        }
    outcome = decision["outcome"]
    variant = labels.get(decision["variant"], decision["variant"])
    mark, tone = BARS.get(outcome, ("◆", "muted"))
    if outcome == "ship none" and is_no_effect(payload["readout"]):
        mark, tone = SAME
    words = headline(outcome, variant)
    if outcome == "ship none" and is_no_effect(payload["readout"]):
        words = say("headline.none", decision=words)
    if is_against(outcome, follows=decision["follows_rule"], stamps=payload["readout"]["stamps"]):
        words = say("headline.against", decision=words)
    later = later_looks(payload)
    basis = (
        say("basis.older", looks=number_of(len(later), "later look"), rows=fired)
        if later and decision["follows_rule"]
        else say("basis.follows", rows=fired)
        if decision["follows_rule"]
        else say("basis.differs", rule_says=rule_says, rows=fired)
    )
    return {
        "headline": qualified(words, payload["readout"], outcome),
        "mark": mark,
        "tone": tone,
        "basis": basis,
        "differs": not decision["follows_rule"] or bool(later),
        "because": decision["because"] or recommended["because"],
        "by": named(decision["by"]) if decision["by"] else "",
        "at": minute_text(decision["at"]),
        "outcome": outcome,
        "rule_says": rule_says,
    }


def hypothesis_section(payload: Mapping[str, Any]) -> dict[str, Any]:
    """If, then, because; when and by whom it was registered."""
    plan = payload["readout"]["plan"]
    names = metric_names(plan)
    hypothesis = plan["hypothesis"]
    claims = []
    for claim in hypothesis.get("then", []):
        verb = "will rise" if claim["direction"] == "increase" else "will fall"  # fits names in singular and plural
        size = f" by {digits.share_text(claim['lift'])}" if claim.get("lift") else ""
        claims.append(f"{names.get(claim['metric'], claim['metric'])} {verb}{size}")
    return {
        "if": hypothesis["if"],
        "then": " and ".join(claims) or DASH,
        "because": hypothesis["because"],
        "registered": minute_text(payload["registered"]["at"]),
        "by": named(payload["registered"]["by"]) if payload["registered"]["by"] else "",
        "digest": payload["registered"]["plan_digest"],
        "amended": len(payload["amendments"]),
    }


def rule_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The rule of the plan, and how it came to its advice."""
    recommendation, names = payload["readout"]["recommendation"], metric_names(payload["readout"]["plan"])
    return {
        "rows": [{**r, "when": situation_text(r["when"]) or "otherwise"} for r in payload["rule"]],
        "fired": recommendation["rows"],
        "digest": payload["readout"]["rule_digest"],
        "variants": [
            {
                "variant": labels.get(v["variant"], v["variant"]),
                "row": v["row"],
                "outcome": v["outcome"],
                "because": v["because"],
                "situation": situation_text({k: [x] for k, x in v["situation"].items()}),
                "evidence": [_named(text, names) for text in v["evidence"]],
            }
            for v in recommendation["variants"]
        ],
    }


def _named(evidence: str, names: Mapping[str, str]) -> str:
    """Evidence that begins with the key of a metric, with its label instead."""
    key, colon, rest = evidence.partition(":")
    return names.get(key, key) + colon + rest
