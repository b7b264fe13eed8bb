"""Lift by days: what can be found at one's own traffic, a line for each way of reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import SPACED, base, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

if TYPE_CHECKING:
    from xpbench.forecast.size_table import SizeTable

WIDTH, HEIGHT = 420, 220
DASHES = {"fixed": [1, 0], "group-sequential": [6, 3], "fixed with covariate": [2, 2]}


def size_view(table: SizeTable, metric: str | None = None) -> View:
    """Smallest lift found, by days, of one metric.

    Args:
        table: Made by `size_table`.
        metric: Its key; the first of the table where it is left out.
    """
    look = Style(None)
    name = metric or (table.metrics[0] if table.metrics else "")
    rows = [
        {"days": r.days, "units": r.units, "lift": abs(r.lift), "reading": r.reading, "dash": r.reading}
        for r in table.rows
        if r.metric == name and r.lift is not None
    ]
    columns = (
        TableColumn("reading", "Read"),
        TableColumn("days", "Days", numbers.count, is_number=True),
        TableColumn("units", "Units", numbers.count, is_number=True),
        TableColumn("lift", "Smallest lift", lambda v: numbers.percent(v, 1, signed=False), is_number=True),
    )
    data = Table(f"Lift of {name} by days", columns, rows)
    subtitle = f"Smallest change of {name} found with {table.power:.0%} power"
    if not rows:
        return View("sizes", "No size yet: enter a baseline", "No size yet.", data, subtitle)
    title = table.sentence if name == table.metrics[0] else subtitle
    readings = list(dict.fromkeys(r["reading"] for r in rows))
    top = sorted(float(r["lift"]) for r in rows)[-1]
    x = alt.X("days:Q", scale=alt.Scale(domain=[0, max(int(r["days"]) for r in rows)]), axis=alt.Axis(title="days", grid=False))
    y = alt.Y(
        "lift:Q",
        scale=alt.Scale(domain=[0, top]),
        axis=alt.Axis(title=None, format=".0%" if top > 0.1 else ".1%", labelExpr=SPACED),
    )
    tone = alt.Color(
        "reading:N",
        scale=alt.Scale(
            domain=readings, range=[look.tone("control"), look.tone("treatment"), look.tone("better")][: len(readings)]
        ),
        legend=None,
    )
    dash = alt.StrokeDash("dash:N", scale=alt.Scale(domain=list(DASHES), range=list(DASHES.values())), legend=None)
    tips = [
        alt.Tooltip("reading:N", title="Read"),
        alt.Tooltip("days:Q", title="Days"),
        alt.Tooltip("units:Q", title="Units", format=","),
        alt.Tooltip("lift:Q", title="Smallest lift", format=".1%"),
    ]
    layers = []
    if table.lift is not None and name == table.metrics[0] and abs(table.lift) <= top:
        wanted = [{"lift": abs(table.lift), "text": f"planned {abs(table.lift):.1%}"}]
        layers.append(base(wanted).mark_rule(**look.mark("horizon", color=look.tone("sealed"))).encode(y=y))
    layers.append(base(rows).mark_line(**look.mark("line")).encode(x=x, y=y, color=tone, strokeDash=dash, tooltip=tips))
    layers.append(base(rows).mark_point(filled=True, size=30).encode(x=x, y=y, color=tone, tooltip=tips))
    ends, last = [], float("inf")
    for reading in sorted(readings, key=lambda v: -max(float(r["lift"]) for r in rows if r["reading"] == v)):
        end = max((r for r in rows if r["reading"] == reading), key=lambda r: int(r["days"]))
        at = min(float(end["lift"]), last - 0.08 * top)
        ends.append({**end, "at": max(0.0, at)})
        last = at
    where = alt.Y(
        "at:Q",
        scale=alt.Scale(domain=[0, top]),
        axis=alt.Axis(title=None, format=".0%" if top > 0.1 else ".1%", labelExpr=SPACED),
    )
    layers.append(words(base(ends).encode(x=x, y=where), "reading", dx=6))
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    return View("sizes", title, f"{title} {len(readings)} ways of reading.", data, subtitle, chart)
