"""Numbers as text: decimals follow the interval, minus is a true minus, absence is a word.

Everything here is a function of its arguments alone: no locale, no rounding mode, no platform.
"""

from __future__ import annotations

import math
import re

MINUS = "\u2212"
UNBOUNDED = "unbounded"
NOT_ENOUGH = "not enough data"


def decimals_for(width: float | None, *, most: int = 8) -> int:
    """Decimals with which an interval's width shows two significant digits, 0 to `most`."""
    if width is None or not math.isfinite(width) or width <= 0:
        return 2
    return max(0, min(most, 1 - math.floor(math.log10(width))))


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with that many decimals, commas between thousands, a true minus; no minus before a shown zero."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed else text


def whole(value: float) -> str:
    """A count with commas between thousands."""
    return fixed(value, 0)


def percent(share: float, decimals: int, *, signed: bool = False) -> str:
    """A share as a percentage with its sign after a thin no-break space."""
    return f"{fixed(100 * share, decimals, signed=signed)}\u202f%"


def interval(low: float | None, high: float | None, decimals: int, *, scale: float = 1.0) -> str:
    """Both ends with equal decimals and their signs; an end that is missing is a word."""
    if low is None and high is None:
        return UNBOUNDED
    words = ("unbounded below", "unbounded above")
    pairs = zip((low, high), words, strict=True)
    return " … ".join(word if end is None else fixed(scale * end, decimals, signed=True) for end, word in pairs)


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, at most 8 decimals, in plain notation with commas."""
    if not math.isfinite(value):
        return "not a number"
    if value == 0:
        return "0"
    decimals = max(0, min(8, digits - 1 - math.floor(math.log10(abs(value)))))
    text = fixed(value, decimals)
    return text if text.strip("0.,") else f"{value:.{digits - 1}e}".replace("-", MINUS)


def p_value(p: float | None) -> str:
    """A p-value with two significant digits, at most four decimals."""
    if p is None or not math.isfinite(p):
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    if p > 0.9999:
        return "> 0.9999"
    return fixed(p, max(2, min(4, 1 - math.floor(math.log10(p)))))


def share_text(share: float) -> str:
    """A share for prose: 5 %, 2.5 %, 0.25 %."""
    return f"{significant_trim(100 * share)}\u202f%"


def level_text(alpha: float) -> str:
    """The level of an interval, 1 − alpha, with three significant digits of alpha: 95 %, 98.45 %, 99.375 %."""
    return share_text(1.0 - float(f"{alpha:.3g}"))


def significant_trim(value: float) -> str:
    """A number as it was typed: up to six significant digits without trailing zeros."""
    text = significant(value, 6)
    return text.rstrip("0").rstrip(".") if "." in text else text


def units_word(unit: str) -> str:
    """Units of a plan in the plural by their name (`user_id` and Mixpanel's `distinct_id` are users); else "units"."""
    if unit == "distinct_id":
        return "users"
    unit = re.sub(r"_id$", "", unit.removeprefix("$"))
    if not re.fullmatch(r"[A-Za-z]?[a-z]{2,20}", unit) or unit.endswith(("s", "id")):
        return "units"
    if re.search(r"[^aeiou]y$", unit):
        return f"{unit[:-1]}ies"
    return f"{unit}es" if unit.endswith(("x", "z", "ch", "sh")) else f"{unit}s"
