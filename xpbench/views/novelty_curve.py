"""The novelty curve: does the effect wear off as units get used to the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, nice_domain
from xpbench.views.table import Column, Table
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 560, 220


def novelty(points: Sequence[Mapping[str, Any]], *, metric: str, style: Mapping[str, Any] | None = None) -> View:
    """Lift by days since exposure, with intervals.

    Args:
        points: By day since exposure: `day`, `lift`, `lift_low`, `lift_high`, `n`.
        metric: Name of the metric for people.
        style: See `theme.Style`.
    """
    look = Style(style)
    rows = [dict(p) for p in sorted(points, key=lambda p: p["day"])]
    columns = (
        Column("day", "Day since exposure", str, is_number=True),
        Column("n", "Units", numbers.count, is_number=True),
        Column("lift", "Lift", lambda v: numbers.percent(v, 1), is_number=True),
        Column("lift_low", "Low", lambda v: numbers.percent(v, 1), is_number=True),
        Column("lift_high", "High", lambda v: numbers.percent(v, 1), is_number=True),
    )
    table = Table(f"Lift of {metric} by days since exposure", columns, rows)
    known = [r for r in rows if None not in (r.get("lift"), r.get("lift_low"), r.get("lift_high"))]
    subtitle = "Lift by days since a unit's first exposure, interval of each day alone; exploratory"
    if len(known) < 2:
        return View("novelty", f"{metric}: not enough days to see novelty", "Not enough days.", table, subtitle)
    half = len(known) // 2

    def pooled(part: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
        weights = [1.0 / max(((r["lift_high"] - r["lift_low"]) / 3.92) ** 2, 1e-18) for r in part]
        return sum(w * r["lift"] for w, r in zip(weights, part, strict=True)) / sum(weights), 1.0 / sum(weights)

    (early, var_early), (late, var_late) = pooled(known[:half]), pooled(known[half:])
    z = (early - late) / (var_early + var_late) ** 0.5
    digits = 1
    said = f"{numbers.percent(early, digits)} in the first days, {numbers.percent(late, digits)} later"
    title = f"{metric}: {said}; " + ("the effect changes with age" if abs(z) > 1.96 else "no sign that the effect wears off")
    low, high = nice_domain([r[k] for r in known for k in ("lift_low", "lift_high")])
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    axis = alt.Axis(title=None, format="+.0%", tickCount=6)
    x = alt.X("day:Q", axis=alt.Axis(title="days since exposure", tickMinStep=1, grid=False, format="d"))
    layers = []
    if look.on("zero"):
        layers.append(
            base([{"v": 0}])
            .mark_rule(**look.mark("zero", color=look.tone("unclear")))
            .encode(y=alt.Y("v:Q", scale=scale, axis=axis))
        )
    if look.on("interval"):
        layers.append(
            base(known)
            .mark_rule(**look.mark("interval", color=look.tone("treatment"), opacity=0.6))
            .encode(x=x, y=alt.Y("lift_low:Q", scale=scale, axis=axis), y2="lift_high:Q")
        )
    if look.on("line"):
        layers.append(
            base(known)
            .mark_line(**look.mark("line", color=look.tone("treatment")))
            .encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis))
        )
    if look.on("point"):
        tips = [
            alt.Tooltip("day:Q", title="Day"),
            alt.Tooltip("lift:Q", title="Lift", format="+.1%"),
            alt.Tooltip("n:Q", title="Units", format=","),
        ]
        layers.append(
            base(known)
            .mark_point(**look.mark("point", color=look.tone("treatment")))
            .encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis), tooltip=tips)
        )
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    return View("novelty", title, f"{title}. Line over {len(known)} days.", table, subtitle, chart)
