"""Numbers in charts and their tables, from `xpbench.wording`; absence is a dash, names fit their column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.wording import numbers as digits
from xpbench.wording import rows
from xpbench.wording.verdicts import WITH_NUMBERS

MINUS = digits.MINUS
NONE = rows.DASH


def decimals(width: float | None, *, percent: bool = False, most: int = 6) -> int:
    """Decimals that show the width of an interval with two significant digits.

    Args:
        width: Width in the unit of the value; with `percent` as a share.
        percent: The value is shown times 100.
        most: Upper limit.
    """
    return digits.decimals_for(width * 100 if width is not None and percent else width, most=most)


def number(value: float | None, digit: int, *, signed: bool = False) -> str:
    """A number with a fixed count of decimals and commas between thousands."""
    return NONE if value is None or not math.isfinite(value) else digits.fixed(value, digit, signed=signed)


def percent(value: float | None, digit: int, *, signed: bool = True) -> str:
    """A share times 100 with its sign and a per cent sign."""
    return NONE if value is None or not math.isfinite(value) else digits.percent(value, digit, signed=signed)


def lift(row: Mapping[str, Any]) -> str:
    """The lift of a row with its interval, `+7.4 % (+3.1 … +11.8)`."""
    return rows.lift_said(whole_row(row))


def effect(row: Mapping[str, Any]) -> str:
    """The effect of a row with its interval."""
    return rows.effect_said(whole_row(row))


def means(row: Mapping[str, Any]) -> tuple[str, str]:
    """Control and treatment of a row."""
    return rows.means(whole_row(row))


def whole_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with every number that its text may need: None where it has none or not a finite one."""
    names = ("lift", "lift_low", "lift_high", "effect", "ci_low", "ci_high", "mean", "mean_control")
    found = {n: row.get(n) for n in names}
    clean = {n: v if v is not None and math.isfinite(v) else None for n, v in found.items()}
    if clean["effect"] is None and "effect" not in row:
        known = row.get("status", "no number") in WITH_NUMBERS
        clean["effect"] = 0.0 if known else clean["lift"]
    return {**row, **clean, "is_proportion": bool(row.get("is_proportion"))}


def count(value: float | None) -> str:
    """A count with commas between thousands."""
    return NONE if value is None else digits.whole(value)


def p_value(value: float | None) -> str:
    """A p-value with two significant digits, at most four decimals."""
    return digits.p_value(value)


def p_said(value: float | None) -> str:
    """`p = 0.031`, or `p < 0.0001`."""
    text = p_value(value)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def distinct(names: Sequence[str], most: int) -> list[str]:
    """Names that fit a column and stay apart: where beginnings are alike, the ends are shown as well."""
    cut = [short(n, most) for n in names]
    tail = most // 2
    return [
        c if cut.count(c) == 1 or len(n) <= most else f"{n[: most - tail - 1].rstrip()}…{n[-tail:].lstrip()}"
        for n, c in zip(names, cut, strict=True)
    ]


def two_lines(text: str, one: int, each: int) -> tuple[str, str]:
    """Text of a column on one line of `one` characters, else on two of `each`; the second is cut where even that is too little.

    Returns:
        The first line and the second, "" where one is enough.
    """
    if len(text) <= one:
        return text, ""
    at = text.rfind(" ", 0, each + 1)
    at = at if at > each // 3 else each
    return text[:at].rstrip(), short(text[at:].lstrip(), each)


def short(text: str, most: int) -> str:
    """Text that fits a column; the whole of it is in the table."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
