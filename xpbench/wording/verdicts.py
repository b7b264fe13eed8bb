"""What a row shows, as a sign, a tone and a word. Colour never speaks alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xpbench.wording.numbers import NOT_ENOUGH

NO_EFFECT = "no effect that matters"
WORSE_WITHIN = "worse, within what we accept"
SAME = ("≈", "same")
"""Mark and tone of a row whose whole interval lies within what does not matter."""
WITHIN = ("▽", "warn")
"""Mark and tone of a guardrail that got worse, within its margin."""
MARKS = {"better": ("▲", "better"), "worse": ("▼", "worse"), "unclear": ("─", "muted")}
RAILS = {"ok": ("✓", "better"), "bad": ("✕", "worse"), "unclear": ("?", "warn")}
RAIL_WORDS = {"ok": "within its margin", "bad": "worse than accepted", "unclear": "not yet shown to be within its margin"}
VERDICT_WORDS = {"better": "better", "worse": "worse", "unclear": "no difference shown"}
TOO_LITTLE = "better, but by too little to matter"
WITH_NUMBERS = ("ok", "unbounded_lift", "control_near_zero", "few_events")
"""Statuses of a row that has a verdict."""


BY_PLAN = {
    "PLANNED AFTER THE DATA": "{decision}, by a plan made after the data",
    "PARTLY PLANNED AFTER THE DATA": "{decision}, by a plan made after part of the data",
    "RETROSPECTIVE": "{decision}, by a retrospective plan",
    "AMENDED AFTER EFFECTS": "{decision}, by a plan changed after effects were seen",
    "RESTARTED AFTER EFFECTS": "{decision}, in a run restarted after effects were seen",
    "ONE OF SEVERAL PLANS": "{decision}, by one of several plans for the same units",
    "MORE LOOKS THAN PLANNED": "{decision}, at one of more looks than the plan allows for",
    "EXPLORATORY": "{decision}, by an analysis that was not planned",
    "PEEK": "{decision}, at a look before results were due",
}
"""A decision with what a reader must know of the plan it rests on, by stamp: without it, it would read as the one answer to a
question that was asked before the data."""


IN_SPITE = "{decision}, though a gate of the health failed"
"""A decision to ship, or to ship none, on a readout that is INVALID."""


AGAINST = "{decision}, against the rule of the plan"
"""A decision that differs from the rule. On an INVALID readout the rule decides nothing, and only shipping is against it."""


def is_against(outcome: str, *, follows: bool, stamps: Iterable[str]) -> bool:
    """Whether a decision is one that the rule of the plan speaks against."""
    return not follows and outcome != "defer" and ("INVALID" not in stamps or outcome in ("ship", "ship none"))


def by_plan(words: str, stamps: Iterable[str]) -> str:
    """A decision or advice in words, with what its readout's stamps say of the plan."""
    return next((BY_PLAN[s].replace("{decision}", words) for s in stamps if s in BY_PLAN), words)


def decided(body: Mapping[str, Any], *, names: bool = True) -> str:
    """What an entry of the ledger says was decided, whether against the rule, and what its stamps say of the plan.

    Args:
        body: Body of a `decided` entry.
        names: Whether to name the variant that is shipped.
    """
    outcome = str(body.get("outcome", "defer"))
    variant = str(body.get("variant") or "") if names and outcome == "ship" else ""
    words, stamps = f"{outcome} {variant}".strip(), tuple(body.get("stamps") or ())
    if is_against(outcome, follows=body.get("follows_rule") is not False, stamps=stamps):
        words = AGAINST.replace("{decision}", words)
    return qualified(words, outcome, stamps)


def qualified(words: str, outcome: str, stamps: Iterable[str]) -> str:
    """A decision in words, with what a reader must know first: that its data can't be trusted, or of its plan."""
    known = tuple(stamps)
    if "INVALID" in known and outcome in ("ship", "ship none"):
        return IN_SPITE.replace("{decision}", words)
    return by_plan(words, known)


def has_verdict(row: Mapping[str, Any]) -> bool:
    """Whether the row's test says something: also of a constant variant, and of a margin where no event was seen."""
    status = row.get("status", "ok")
    if status == "separation":
        return row.get("ci_low") is not None
    return status in WITH_NUMBERS or row.get("guardrail") in ("ok", "bad")


def is_worse_within(row: Mapping[str, Any]) -> bool:
    """Whether a guardrail got worse by the plan's test, and is shown to be within its margin all the same."""
    return row.get("guardrail") == "ok" and row.get("verdict") == "worse"


def mark_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Sign and tone of a row: the state of the margin for guardrails, else the verdict."""
    if not has_verdict(row):
        return "?", "muted"
    if is_worse_within(row):
        return WITHIN
    if row.get("guardrail"):
        return RAILS[str(row["guardrail"])]
    verdict = str(row.get("verdict") or "unclear")
    return SAME if verdict == "unclear" and row.get("equivalent") else MARKS[verdict]


def word_of(row: Mapping[str, Any]) -> str:
    """The verdict in words."""
    if not has_verdict(row):
        return NOT_ENOUGH
    if is_worse_within(row):
        return WORSE_WITHIN
    if row.get("guardrail"):
        return RAIL_WORDS[str(row["guardrail"])]
    verdict = str(row.get("verdict") or "unclear")
    if verdict == "unclear" and row.get("equivalent"):
        return NO_EFFECT
    return TOO_LITTLE if verdict == "better" and row.get("matters") is False else VERDICT_WORDS[verdict]
