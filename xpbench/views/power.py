"""The power curve: chance to find a lift, by number of units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import SPACED, WHOLE, base, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 380, 200


def power_curve(
    points: Sequence[Mapping[str, Any]],
    *,
    metric: str,
    target: float,
    horizon: int | None = None,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Chance to find each lift by number of units.

    Args:
        points: `n`, `lift`, `power`; one curve per lift.
        metric: Name of the metric for people.
        target: Planned power.
        horizon: Planned units.
        style: See `theme.Style`.
    """
    look = Style(style)
    lifts = list(dict.fromkeys(p["lift"] for p in points))
    rows = [{**p, "curve": numbers.percent(p["lift"], 1)} for p in points]
    columns = (
        TableColumn("n", "Units", numbers.count, is_number=True),
        TableColumn("curve", "Lift", is_number=True),
        TableColumn("power", "Power", lambda v: numbers.percent(v, 0, signed=False), is_number=True),
    )
    table = Table(f"Power for {metric}", columns, rows)
    subtitle = f"Chance to find a lift of {metric}, by exposed units"
    if not rows:
        return View("power", "No power yet: enter a baseline", "No power curve yet.", table, subtitle)
    main = lifts[len(lifts) // 2]
    reach = next((p["n"] for p in sorted(points, key=lambda p: p["n"]) if p["lift"] == main and p["power"] >= target), None)
    said = numbers.percent(main, 1)
    title = (
        f"About {reach:,} units find a lift of {said} with {target:.0%} power"
        if reach
        else f"Even {max(p['n'] for p in points):,} units don't find a lift of {said} with {target:.0%} power"
    )
    names = [numbers.percent(v, 1) for v in lifts]
    tones = [look.tone("treatment") if v == main else look.tone("control") for v in lifts]
    right = max(p["n"] for p in points)
    x = alt.X(
        "n:Q",
        scale=alt.Scale(domain=[0, right], nice=False),
        axis=alt.Axis(title="exposed units", labelExpr=WHOLE, grid=False, tickCount=5),
    )
    y = alt.Y("power:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", labelExpr=SPACED, tickCount=5))
    color = alt.Color("curve:N", scale=alt.Scale(domain=names, range=tones), legend=None)
    tips = [
        alt.Tooltip("n:Q", title="Units", format=","),
        alt.Tooltip("curve:N", title="Lift"),
        alt.Tooltip("power:Q", title="Power", format=".0%"),
    ]
    layers = []
    if look.on("horizon"):
        layers.append(base([{"power": target}]).mark_rule(**look.mark("horizon", color=look.tone("control"))).encode(y=y))
        if horizon and horizon <= right:
            mark = [{"n": horizon, "text": "horizon"}]
            layers.append(base(mark).mark_rule(**look.mark("horizon", color=look.tone("sealed"))).encode(x=x))
            layers.append(
                words(
                    base(mark).encode(x=x, y=alt.value(HEIGHT - 8)), "text", dx=4, size=11, color=alt.value(look.tone("sealed"))
                )
            )
    layers.append(base(rows).mark_line(**look.mark("line")).encode(x=x, y=y, color=color, tooltip=tips))
    ends = [max((r for r in rows if r["lift"] == v), key=lambda r: r["n"]) for v in lifts]
    spread, last = [], 2.0
    for end in sorted(ends, key=lambda r: -r["power"]):
        at = min(end["power"], last - 0.09)
        spread.append({**end, "at": at})
        last = at
    layers.append(
        words(
            base(spread).encode(
                x=x,
                y=alt.Y(
                    "at:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="%", labelExpr=SPACED, tickCount=5)
                ),
            ),
            "curve",
            dx=6,
        )
    )
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    return View("power", title, f"{title}. {len(lifts)} curves.", table, subtitle, chart)
