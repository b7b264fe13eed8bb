"""One row of a readout as text, for tables, forest plots and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.wording import numbers as digits

DASH = "–"


def _ends(row: Mapping[str, Any], low: str, high: str) -> float | None:
    a, b = row[low], row[high]
    return None if a is None or b is None else b - a


def lift_decimals(row: Mapping[str, Any]) -> int:
    """Decimals of the lift in per cent."""
    width = _ends(row, "lift_low", "lift_high")
    return digits.decimals_for(100 * width if width is not None else None, most=6)


def effect_decimals(row: Mapping[str, Any]) -> int:
    """Decimals of the effect in the unit it is shown in (per cent points for shares)."""
    width = _ends(row, "ci_low", "ci_high")
    if width is None and row["effect"]:
        width = abs(row["effect"])
    return digits.decimals_for(100 * width if width is not None and row["is_proportion"] else width)


def lift_text(row: Mapping[str, Any]) -> str:
    """The lift, signed, in per cent; a word where there is none."""
    if row["lift"] is None:
        return digits.NOT_ENOUGH if row["effect"] is None else DASH
    return digits.percent(row["lift"], lift_decimals(row), signed=True)


def lift_interval(row: Mapping[str, Any]) -> str:
    """Both ends of the lift's interval in per cent without the sign of it; a word where there is none."""
    if row["lift_low"] is None or row["lift_high"] is None:
        return digits.UNBOUNDED if row["lift"] is not None and row["effect"] is not None else DASH
    return digits.interval(row["lift_low"], row["lift_high"], lift_decimals(row), scale=100)


def effect_text(row: Mapping[str, Any]) -> str:
    """The effect, signed, in metric units; shares in percentage points."""
    if row["effect"] is None:
        return DASH
    if row["is_proportion"]:
        return f"{digits.fixed(100 * row['effect'], effect_decimals(row), signed=True)}\u202fpp"
    return digits.fixed(row["effect"], effect_decimals(row), signed=True)


def effect_interval(row: Mapping[str, Any]) -> str:
    """Both ends of the effect's interval, in the unit of the effect."""
    if row["ci_low"] is None or row["ci_high"] is None:
        return DASH
    return digits.interval(row["ci_low"], row["ci_high"], effect_decimals(row), scale=100 if row["is_proportion"] else 1)


def means(row: Mapping[str, Any]) -> tuple[str, str]:
    """Control and treatment in metric units, with as many decimals as the effect deserves."""
    out = []
    decimals = effect_decimals(row)
    for value in (row["mean_control"], row["mean"]):
        if value is None:
            out.append(DASH)
        elif row["is_proportion"]:
            out.append(digits.percent(value, decimals))
        else:
            out.append(digits.fixed(value, decimals))
    return out[0], out[1]


def lift_said(row: Mapping[str, Any]) -> str:
    """Lift and interval in one cell or sentence: `+7.4 % (+3.1 … +11.8)`."""
    return lift_text(row) if row["lift"] is None else f"{lift_text(row)} ({lift_interval(row)})"


def effect_said(row: Mapping[str, Any]) -> str:
    """Effect and interval in one cell or sentence."""
    return effect_text(row) if row["effect"] is None else f"{effect_text(row)} ({effect_interval(row)})"


def shown(row: Mapping[str, Any]) -> str:
    """Lift and interval as they appear right of the forest plot; the effect where there is no lift."""
    if row["lift"] is not None and row["lift_low"] is not None:
        return f"{lift_text(row)}  ({lift_interval(row)})"
    if row["effect"] is not None and row["ci_low"] is not None:
        return f"effect {effect_text(row)} ({effect_interval(row)})"
    if row["effect"] is not None and row.get("guardrail") in ("ok", "bad"):  # a margin is judged without any event, too
        return f"effect {effect_text(row)}"
    return digits.NOT_ENOUGH


def margin_text(row: Mapping[str, Any]) -> str:
    """The margin with its sign and unit."""
    margin = row["margin"]
    if margin is None:
        return ""
    sign = digits.MINUS if margin < 0 else "+"
    if row["margin_scale"] == "lift":
        return f"{sign}{digits.share_text(abs(margin))}"
    if row["is_proportion"]:
        return f"{sign}{digits.significant_trim(100 * abs(margin))}\u202fpp"
    return f"{sign}{digits.significant_trim(abs(margin))}"


def rail_said(row: Mapping[str, Any]) -> str:
    """A guardrail that got worse within its margin, as a clause: `Load time rose by 2.4 %, within the 5 % accepted`."""
    verb = "rose" if (row["effect"] or 0.0) > 0 else "fell"
    size = lift_text(row) if row["margin_scale"] == "lift" and row["lift"] is not None else effect_text(row)
    margin = margin_text(row).lstrip("+" + digits.MINUS)
    accepted = f", within the {margin} accepted" if margin else ""
    return f"{row['label']} {verb} by {size.lstrip('+' + digits.MINUS)}{accepted}"
