"""A metric's values before and after winsorization, from counts per bin: no value of a unit is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import AMOUNT, WHOLE, base, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 560, 200


def _amount(value: float) -> str:
    """A value in its own unit, never as a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.6g}"


def winsorization(
    bins: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    lower: float | None = None,
    upper: float | None = None,
    n_capped: int = 0,
    largest: float | None = None,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Histogram before (grey) and after (blue) capping.

    Args:
        bins: Counts per bin: `left`, `right`, `before`, `after`.
        metric: Name of the metric for people.
        lower: Lower cap, or None.
        upper: Upper cap, or None.
        n_capped: Units whose value was capped.
        largest: Largest value before.
        style: See `theme.Style`.
    """
    look = Style(style)
    rows = [dict(b) for b in bins]
    total = sum(r["before"] for r in rows)
    columns = (
        TableColumn("left", "From", _amount, is_number=True),
        TableColumn("right", "To", _amount, is_number=True),
        TableColumn("before", "Units before", numbers.count, is_number=True),
        TableColumn("after", "Units after", numbers.count, is_number=True),
    )
    table = Table(f"Values of {metric} before and after winsorization", columns, rows)
    share = numbers.percent(n_capped / total, 2, signed=False) if total else "none"
    title = f"{metric}: {n_capped:,} of {total:,} units ({share}) are capped" + (
        f"; the largest value was {_amount(largest)}" if largest is not None else ""
    )
    subtitle = "Units per bin before (outline) and after winsorization (filled); counts on a square-root scale"
    if not rows:
        return View("winsorization", f"{metric}: no values yet", "No values yet.", table, subtitle)
    y = alt.Scale(type="sqrt", nice=False, domain=[0, max(max(r["before"], r["after"]) for r in rows) * 1.12])
    axis = alt.Axis(title=None, labelExpr=WHOLE, tickCount=4)
    x = alt.X("left:Q", axis=alt.Axis(title=None, labelExpr=AMOUNT, grid=False, tickCount=8))
    tips = [
        alt.Tooltip(f"{k}:Q", title=t, format=",.6~g")
        for k, t in (("left", "From"), ("right", "To"), ("before", "Before"), ("after", "After"))
    ]
    flat = [{**r, "zero": 0} for r in rows]
    layers = []
    if look.on("bar"):
        layers.append(
            base(flat)
            .mark_rect(**look.mark("bar", color=look.tone("treatment"), opacity=0.45))
            .encode(x=x, x2="right:Q", y=alt.Y("after:Q", scale=y, axis=axis), y2="zero:Q", tooltip=tips)
        )
        layers.append(
            base(flat)
            .mark_rect(**look.mark("bar", filled=False, stroke=look.tone("control"), strokeWidth=1))
            .encode(x=x, x2="right:Q", y=alt.Y("before:Q", scale=y, axis=axis), y2="zero:Q", tooltip=tips)
        )
    caps = [
        {"left": v, "text": f"{word} cap {_amount(v)}"} for v, word in ((lower, "lower"), (upper, "upper")) if v is not None
    ]
    if look.on("horizon") and caps:
        layers.append(base(caps).mark_rule(**look.mark("horizon", color=look.tone("warn"))).encode(x=x))
        layers.append(words(base(caps).encode(x=x, y=alt.value(6)), "text", dx=5, size=11, color=alt.value(look.tone("warn"))))
    return View(
        "winsorization",
        title,
        f"{title}. Two histograms over {len(rows)} bins.",
        table,
        subtitle,
        alt.layer(*layers).properties(width=WIDTH, height=HEIGHT),
    )
