"""Values as plain text, and the marks and tones of verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH

ARROW = " → "

HEALTH_TONE = {"pass": "better", "warn": "warn", "fail": "worse", "not answerable": "muted"}
SITUATION: dict[str, tuple[str, dict[Any, str]]] = {
    "primary": (
        "primary metric",
        {
            "win": "better by enough to matter",
            "none": "no effect that matters",
            "hopeless": "too far from a win for the rest of the run",
            "small": "better by too little to matter",
            "unclear": "neither better nor worse",
            "worse": "worse",
        },
    ),
    "deteriorated": ("primary and secondary metrics", {True: "one is worse", False: "none is worse"}),
    "guardrails": (
        "guardrails",
        {
            "bad": "one is worse than accepted",
            "unclear": "not yet shown to be within their margins",
            "ok": "none is worse than accepted",
            "worse": "one got worse, within what the plan accepts",
        },
    ),
    "health": ("health", {"fail": "a check fails", "warn": "a check warns", "pass": "no check fails or warns"}),
    "adequate": ("data", {True: "enough", False: "not enough yet"}),
}
"""What the rule looks at, and what it may find, in words."""

BARS = {
    "ship": ("▲", "accent"),
    "ship none": ("▬", "muted"),
    "iterate": ("↻", "warn"),
    "invalid": ("✕", "worse"),
    "defer": ("◆", "sealed"),
}


def day_text(at: str) -> str:
    """The day of a time."""
    return at[:10]


def minute_text(at: str) -> str:
    """A time to the minute."""
    return f"{at[:10]} {at[11:16]} UTC" if len(at) > 16 else at


def plain_text(value: Any) -> str:
    """A value of evidence as text."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return digits.whole(value)
    if isinstance(value, float):
        return digits.significant(value, 4)
    return str(value)


def situation_text(allowed: Mapping[str, Sequence[Any]]) -> str:
    """What a row of the rule asks for, or what was found, in words; "" where it asks for nothing."""
    parts = []
    for name, values in sorted(
        allowed.items(), key=lambda p: list(SITUATION).index(p[0]) if p[0] in SITUATION else len(SITUATION)
    ):
        label, said = SITUATION.get(name, (name, {}))
        parts.append(f"{label}: {' or '.join(said.get(v) or plain_text(v) for v in values)}")
    return "; ".join(parts)


def json_text(value: Any) -> str:
    """A value of a plan as text."""
    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
