"""Values as plain text, and the marks and tones of verdicts."""

from __future__ import annotations

import json
from typing import Any

from xpbench.memo import digits
from xpbench.memo.texts import DASH

ARROW = " → "

MARKS = {"better": ("▲", "better"), "worse": ("▼", "worse"), "unclear": ("─", "muted")}
RAILS = {"ok": ("✓", "better"), "bad": ("✕", "worse"), "unclear": ("?", "warn")}
RAIL_WORDS = {"ok": "within its margin", "bad": "worse than accepted", "unclear": "not yet shown to be within its margin"}
VERDICT_WORDS = {"better": "better", "worse": "worse", "unclear": "no difference shown"}
HEALTH_TONE = {"pass": "better", "warn": "warn", "fail": "worse", "not answerable": "muted"}
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


def json_text(value: Any) -> str:
    """A value of a plan as text."""
    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
