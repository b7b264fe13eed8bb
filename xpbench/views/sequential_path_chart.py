"""The confidence sequence over the looks: how effect and interval moved as units came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import WHOLE, base, nice_domain, percent_axis, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 560, 240
P_FLOOR = 0.0001
"""p-values below are drawn here."""


def sequential_path(
    points: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    horizon: int | None = None,
    valid_at_every_look: bool = True,
    alpha: float | None = None,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Lift with its interval by number of units, with the looks that were taken.

    Args:
        points: By number of units: `n`, `lift`, `lift_low`, `lift_high`, `p_value`, and `look`: `planned`, `peek` or "".
        metric: Name of the metric for people.
        horizon: Units at which results are due.
        alpha: Boundary of the p-values, drawn below the intervals; None leaves the p-values to the table.
        valid_at_every_look: Whether the interval holds at all looks together (sequential and group-sequential designs).
        style: See `theme.Style`.
    """
    look = Style(style)
    rows = [dict(p) for p in sorted(points, key=lambda p: p["n"])]
    columns = (
        TableColumn("n", "Units", numbers.count, is_number=True),
        TableColumn("lift", "Lift", lambda v: numbers.percent(v, 2), is_number=True),
        TableColumn("lift_low", "Low", lambda v: numbers.percent(v, 2), is_number=True),
        TableColumn("lift_high", "High", lambda v: numbers.percent(v, 2), is_number=True),
        TableColumn("p_value", "p", numbers.p_value, is_number=True),
        TableColumn("look", "Look"),
    )
    table = Table(f"Lift of {metric} by number of units", columns, rows)
    drawn = [r for r in rows if None not in (r.get("lift"), r.get("lift_low"), r.get("lift_high"))]
    subtitle = "Lift and interval as units came in" + (
        "; valid at every look" if valid_at_every_look else "; each interval holds alone, not at all looks together"
    )
    if not drawn:
        return View("path", f"{metric}: nothing to follow yet", "No interval yet.", table, subtitle)
    last = drawn[-1]
    clear = next((r for r in drawn if r["lift_low"] > 0 or r["lift_high"] < 0), None)
    said = numbers.lift(last)
    title = (
        f"{metric}: {said}; the interval has excluded zero since {clear['n']:,} units"
        if clear and (last["lift_low"] > 0 or last["lift_high"] < 0)
        else f"{metric}: {said}; the interval includes zero"
    )
    settled = drawn[len(drawn) // 8 :]
    low, high = nice_domain([r[k] for r in settled for k in ("lift_low", "lift_high")])
    return View(
        "path",
        title,
        f"{title}. Line with band over {len(drawn)} points.",
        table,
        subtitle,
        _with_p_values(_chart(drawn, low, high, horizon, look), drawn, alpha, horizon, look),
    )


def _across(drawn: Sequence[Mapping[str, Any]], horizon: int | None, *, title: str | None = "exposed units") -> Any:
    right = max(drawn[-1]["n"], horizon or 0) * 1.02
    return alt.X(
        "n:Q",
        scale=alt.Scale(domain=[0, right], nice=False),
        axis=alt.Axis(title=title, labelExpr=WHOLE, tickCount=6, grid=False),
    )


def _with_p_values(
    chart: Any, drawn: Sequence[Mapping[str, Any]], alpha: float | None, horizon: int | None, look: Style
) -> Any:
    """The chart, and below it the p-values against their boundary on a logarithmic scale."""
    known = [{"n": r["n"], "p": max(float(r["p_value"]), P_FLOOR)} for r in drawn if r.get("p_value") is not None]
    if alpha is None or len(known) < 2 or not look.on("p_values"):
        return chart
    x = _across(drawn, horizon)
    scale = alt.Scale(type="log", domain=[P_FLOOR, 1], nice=False)
    ticks = [1, 0.1, 0.01, 0.001, 0.0001]
    axis = alt.Axis(title="p", values=ticks, labelExpr="format(datum.value, '~g')")
    y = alt.Y("p:Q", scale=scale, axis=axis)
    line = [{"p": alpha, "text": f"boundary {alpha:.2g}"}]
    layers = [
        base(line).mark_rule(**look.mark("horizon", color=look.tone("worse"))).encode(y=y),
        words(
            base(line).encode(x=alt.value(WIDTH - 4), y=y), "text", dy=-8, size=11, align="right",
            color=alt.value(look.tone("worse")),
        ),
        base(known)
        .mark_line(**look.mark("p_values", color=look.tone("treatment")))
        .encode(x=x, y=y, tooltip=[alt.Tooltip("n:Q", format=","), alt.Tooltip("p:Q", format=".2~g")]),
    ]  # fmt: skip
    return alt.vconcat(chart, alt.layer(*layers).properties(width=WIDTH, height=90), spacing=14)


def _chart(drawn: Sequence[Mapping[str, Any]], low: float, high: float, horizon: int | None, look: Style) -> Any:
    x = _across(drawn, horizon)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False, clamp=True)
    axis = percent_axis("+.0%" if high - low > 0.05 else "+.1%")
    tips = [
        alt.Tooltip("n:Q", title="Units", format=","),
        alt.Tooltip("lift:Q", title="Lift", format="+.2%"),
        alt.Tooltip("lift_low:Q", title="Low", format="+.2%"),
        alt.Tooltip("lift_high:Q", title="High", format="+.2%"),
    ]
    layers = []
    if look.on("band"):
        layers.append(
            base(drawn)
            .mark_area(**look.mark("band", color=look.tone("treatment")))
            .encode(x=x, y=alt.Y("lift_low:Q", scale=scale, axis=axis), y2="lift_high:Q", tooltip=tips)
        )
        for end in ("lift_low", "lift_high"):
            layers.append(
                base(drawn)
                .mark_line(strokeWidth=1, color=look.tone("treatment"), opacity=0.7)
                .encode(x=x, y=alt.Y(f"{end}:Q", scale=scale, axis=axis))
            )
    if look.on("zero"):
        layers.append(
            base([{"v": 0}])
            .mark_rule(**look.mark("zero", color=look.tone("unclear")))
            .encode(y=alt.Y("v:Q", scale=scale, axis=axis))
        )
    if look.on("line"):
        layers.append(
            base(drawn)
            .mark_line(**look.mark("line", color=look.tone("treatment")))
            .encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis), tooltip=tips)
        )
    looks = [{**r, "said": str(r.get("look"))} for r in drawn if r.get("look")]
    if look.on("looks") and looks:
        for kind, tone, shape in (("planned", "treatment", "circle"), ("peek", "sealed", "diamond")):
            some = [r for r in looks if (r["look"] == "peek") == (kind == "peek")]
            if some:
                layers.append(
                    base(some)
                    .mark_point(size=80, filled=True, opacity=1, shape=shape, color=look.tone(tone))
                    .encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis), tooltip=tips)
                )
        layers.append(
            words(base(looks).encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis)), "said", dy=-12, size=11, align="center")
        )
    if horizon and look.on("horizon"):
        line = [{"n": horizon, "text": "horizon"}]
        layers.append(base(line).mark_rule(**look.mark("horizon", color=look.tone("sealed"))).encode(x=x))
        layers.append(
            words(
                base(line).encode(x=x, y=alt.value(8)),
                "text",
                dx=-5,
                align="right",
                size=11,
                color=alt.value(look.tone("sealed")),
            )
        )
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
