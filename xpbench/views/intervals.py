"""One drawing for everything that is a list of labelled intervals: bias, sensitivity, novelty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, colours, nice_domain, words
from xpbench.views.theme import Style

WIDTH, ROW = 364, 30


def interval_rows(
    rows: Sequence[Mapping[str, Any]], look: Style, *, axis_format: str = "+.0%", most: int = 34, left: int = 210
) -> Any:
    """Intervals below each other with label and numbers.

    Args:
        rows: `label`, `value`, `low`, `high`, `said`, `tone`; numbers may be None.
        look: Style.
        axis_format: Number format of the axis.
        most: Characters of a label that are shown.
        left: Room for labels in pixels.
    """
    low, high = nice_domain([r[k] for r in rows for k in ("value", "low", "high")])
    x = alt.Scale(domain=[low, high], nice=False, zero=False)
    zero = "0%" if "%" in axis_format else "0"
    axis = alt.Axis(
        labelExpr=f"replace(datum.value == 0 ? '{zero}' : format(datum.value, '{axis_format}'), '%', '\u202f%')",
        title=None,
        tickCount=6,
    )
    down = alt.Scale(domain=[-0.5, len(rows) - 0.5], reverse=True, nice=False)
    y = alt.Y("y:Q", scale=down, axis=None)
    placed = [{**r, "y": i, "short": numbers.short(str(r["label"]), most)} for i, r in enumerate(rows)]
    names = ["better", "worse", "unclear", "warn", "treatment", "control"]
    tone = colours("tone", names, [look.tone(n) for n in names])
    tips = [alt.Tooltip("label:N", title="What"), alt.Tooltip("said:N", title="Value")]
    known = [r for r in placed if r["low"] is not None and r["high"] is not None]
    layers = []
    if look.on("zero"):
        layers.append(
            base([{"v": 0}])
            .mark_rule(**look.mark("zero", color=look.tone("unclear")))
            .encode(x=alt.X("v:Q", scale=x, axis=axis))
        )
    if look.on("interval"):
        layers.append(
            base(known)
            .mark_rule(**look.mark("interval"))
            .encode(x=alt.X("low:Q", scale=x, axis=axis), x2="high:Q", y=y, color=tone, tooltip=tips)
        )
    if look.on("point"):
        points = [r for r in placed if r["value"] is not None]
        layers.append(
            base(points)
            .mark_point(**look.mark("point"))
            .encode(x=alt.X("value:Q", scale=x, axis=axis), y=y, color=tone, tooltip=tips)
        )
    if look.on("numbers"):
        layers.append(words(base(placed).encode(x=alt.value(-left), y=y, tooltip=tips), "short", size=13))
        layers.append(words(base(placed).encode(x=alt.value(WIDTH + 14), y=y), "said", size=13))
    return alt.layer(*layers).properties(width=WIDTH, height=max(60, ROW * len(rows)))
