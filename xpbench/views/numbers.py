"""Numbers for people: digits follow the interval's width, lifts are signed with a true minus, what is missing is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "−"
NONE = "–"


def decimals(width: float | None, *, percent: bool = False, most: int = 6) -> int:
    """Decimals that show the width of an interval with two significant digits.

    Args:
        width: Width in the unit of the value; with `percent` as a share.
        percent: The value is shown times 100.
        most: Upper limit.
    """
    if width is None or not math.isfinite(width) or width <= 0:
        return 1
    return max(0, min(most, 1 - math.floor(math.log10(width * (100 if percent else 1)))))


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """A number with a fixed count of decimals and thousands parted by commas."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{abs(value):,.{digits}f}"
    zero = not any(c in "123456789" for c in text)
    return ("" if zero else MINUS if value < 0 else "+" if signed else "") + text


def percent(value: float | None, digits: int, *, signed: bool = True) -> str:
    """A share times 100 with its sign and a per cent sign."""
    return NONE if value is None or not math.isfinite(value) else f"{number(value * 100, digits, signed=signed)} %"


def lift(value: float | None, low: float | None, high: float | None) -> str:
    """A lift with its interval, `+7.4 % (+3.1 to +11.8)`; words where an end does not exist."""
    if value is None:
        return NONE
    if low is None or high is None:
        return f"{percent(value, 1)} (unbounded)"
    digits = decimals(high - low, percent=True)
    ends = (number(x * 100, digits, signed=True) for x in (low, high))
    return f"{percent(value, digits)} ({' to '.join(ends)})"


def effect(value: float | None, low: float | None, high: float | None) -> str:
    """An effect in metric units with its interval."""
    if value is None:
        return NONE
    if low is None or high is None:
        return f"{number(value, 2, signed=True)} (unbounded)"
    digits = decimals(high - low)
    return f"{number(value, digits, signed=True)} ({number(low, digits, signed=True)} to {number(high, digits, signed=True)})"


def count(value: float | None) -> str:
    """A count with thousands parted by commas."""
    return NONE if value is None else f"{round(value):,}"


def p_value(value: float | None) -> str:
    """A p-value with two significant digits, `< 0.0001` below that."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.2g}"


def p_said(value: float | None) -> str:
    """`p = 0.031`, or `p < 0.0001`."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def mean(value: float | None, *, is_share: bool) -> str:
    """A mean of a metric: a share in per cent, anything else with four significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    if is_share:
        return percent(value, 2 if value < 0.1 else 1, signed=False)
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return number(value, min(digits, 6))


def distinct(names: Sequence[str], most: int) -> list[str]:
    """Names that fit a column and stay apart: where beginnings are alike, the ends are shown as well."""
    cut = [short(n, most) for n in names]
    tail = most // 2
    return [
        c if cut.count(c) == 1 or len(n) <= most else f"{n[: most - tail - 1].rstrip()}…{n[-tail:].lstrip()}"
        for n, c in zip(names, cut, strict=True)
    ]


def short(text: str, most: int) -> str:
    """Text that fits a column; the whole of it stands in the table."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
