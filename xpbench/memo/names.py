"""Names from a plan and of people as a page shows them: told from its own words, and from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.memo.figures import legal

FIXED = frozenset(
    (
        *("", "–", "-", "none", "ship", "ship none", "iterate", "defer", "decision deferred", "do not read the effects"),
        *("nobody", "nobody yet", "all", "other", "otherwise", "unbounded", "not enough data", "better", "worse", "unclear"),
        *("no difference shown", "no effect that matters", "worse, within what we accept", "within its margin"),
        *("pass", "warn", "fail", "not answerable", "not run", "invalid", "peek"),
        *("exploratory", "primary", "secondary", "guardrail", "primary metric", "health", "guardrails", "data"),
    )
)
"""Words that a page says of itself; a name that is one of them is shown in quotes, so that nobody takes one for the other."""


def named(name: str) -> str:
    """A name from a plan or a person, told from the fixed words of a page."""
    return f"“{name}”" if " ".join(legal(name).split()).casefold() in FIXED else name


def variant_labels(plan: Mapping[str, Any]) -> dict[str, str]:
    """Label of each variant of a plan, by its key; with the key where two look alike or a treatment is called control."""
    own = {v["key"]: named(v.get("name") or v["key"]) for v in plan["variants"]}
    plain = {key: " ".join(legal(label).split()).casefold() for key, label in own.items()}
    control = next((v["key"] for v in plan["variants"] if v.get("control")), "")

    def is_open(key: str) -> bool:
        word = plain[key]
        taken = any(word in (plain[other], other.casefold()) for other in own if other != key)
        return taken or word == ("treatment" if key == control else "control")

    return {key: f"{label} ({key})" if is_open(key) else label for key, label in own.items()}


def metric_names(plan: Mapping[str, Any]) -> dict[str, str]:
    """Label of each metric of a plan, by its key."""
    return {m["key"]: named(m.get("name") or m["key"]) for m in plan["metrics"]}


def says_how_it_was_read(readout: Mapping[str, Any]) -> bool:
    """Whether a readout is of a release that puts on record how data were read; pages of earlier ones keep their words."""
    return any(c["name"] == "restated_outcomes" for c in readout["health"])
