"""Exposed units over time, with the horizon and a forecast of the day on which it is reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import altair as alt

from xpbench.data.pace import day_of_horizon
from xpbench.views import numbers
from xpbench.views.draw import WHOLE, base, colours, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 560, 240
FURTHEST_DAYS = 180
"""Days beyond the data that the chart draws at most."""


def exposures_over_time(
    exposures_by_day: Any,
    *,
    horizon: int | None = None,
    horizon_days: int | None = None,
    labels: Mapping[str, str] | None = None,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Cumulative exposed units by variant and in all, day by day.

    Args:
        exposures_by_day: New units by day (ISO) and variant, or a readout, which knows its horizon and labels.
        horizon: Units at which results are due.
        horizon_days: Days after the first exposure at which results are due.
        labels: Names of variants for people.
        style: See `theme.Style`.
    """
    if hasattr(exposures_by_day, "health"):
        return exposures_by_day.plot("time")  # type: ignore[no-any-return]
    look, named = Style(style), labels or {}
    days = sorted(exposures_by_day)
    variants = list(dict.fromkeys(v for d in days for v in exposures_by_day[d]))
    columns = (
        TableColumn("day", "Day"),
        TableColumn("variant", "Variant"),
        TableColumn("new", "New units", numbers.count, is_number=True),
        TableColumn("units", "Units so far", numbers.count, is_number=True),
    )
    rows: list[dict[str, Any]] = []
    sums = dict.fromkeys(variants, 0)
    for day in days:
        for v in variants:
            sums[v] += exposures_by_day[day].get(v, 0)
            rows.append({"day": day, "variant": named.get(v, v), "new": exposures_by_day[day].get(v, 0), "units": sums[v]})
    total = sum(sums.values())
    by_day = {d: sum(exposures_by_day[d].values()) for d in days}
    table = Table("Exposed units by day and variant", columns, rows)
    if not days:
        return View("timeline", "No exposures yet", "No exposures yet.", table, "The chart starts with the first exposed unit")
    coming = day_of_horizon(by_day, horizon) if horizon else None
    if horizon and total >= horizon:
        title = f"The horizon of {horizon:,} units is reached: {total:,} units"
    elif coming and horizon:
        title = f"{total:,} of {horizon:,} units; at the pace of the last days the horizon is reached on {coming[0]}"
    elif horizon:
        title = f"{total:,} of {horizon:,} units; the pace does not say when the horizon is reached"
    else:
        title = f"{total:,} units in {len(days)} days"
    totals, running = [], 0
    for day in days:
        running += by_day[day]
        totals.append({"day": day, "units": running, "series": "all variants"})
    chart = _chart(rows, totals, coming, horizon, horizon_days, look, [named.get(v, v) for v in variants])
    alt_text = f"{title}. Line chart of cumulative exposed units from {days[0]} to {days[-1]}."
    return View(
        "timeline", title, alt_text, table, "Exposed units so far: all variants (thick) and each variant; UTC days", chart
    )


def _in_words(day: str) -> str:
    """A day as a tip shows it, the same in every time zone: a browser would read a date by its own clock."""
    found = date.fromisoformat(day[:10])
    return f"{found:%b} {found.day}, {found.year}"


def _chart(
    rows: Any, totals: Any, coming: Any, horizon: int | None, horizon_days: int | None, look: Style, names: list[str]
) -> Any:
    top = max([totals[-1]["units"], horizon or 0]) * 1.08 or 1
    rows, totals = ([{**r, "date": _in_words(r["day"])} for r in part] for part in (rows, totals))
    x = alt.X(
        "day:T",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(title=None, format="%b %-d", tickCount=7, grid=False, labelOverlap=True),
    )
    y = alt.Y("units:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(title=None, labelExpr=WHOLE, tickCount=5))
    tips = [alt.Tooltip("date:N", title="Day"), alt.Tooltip("units:Q", title="Units so far", format=",")]
    tones = [look.tone("control"), *(look.variant(i) for i in range(max(0, len(names) - 1)))]
    layers = []
    if look.on("line"):
        layers.append(
            base(rows)
            .mark_line(**look.mark("line", strokeWidth=1.5))
            .encode(
                x=x,
                y=y,
                detail="variant:N",
                color=colours("variant", names, tones[: len(names)]),
                tooltip=[*tips, alt.Tooltip("variant:N")],
            )
        )
        ends = [r for r in rows if r["day"] == rows[-1]["day"]] if len(names) <= 6 else []
        places = sorted(ends, key=lambda r: r["units"])
        floor = -math.inf
        for end in places:
            end_at = max(end["units"], floor + top * 0.065)
            end |= {"at": end_at, "short": numbers.short(str(end["variant"]), 22)}
            floor = end_at
        layers.append(
            words(
                base(places).encode(
                    x=x,
                    y=alt.Y(
                        "at:Q",
                        scale=alt.Scale(domain=[0, top], nice=False),
                        axis=alt.Axis(title=None, labelExpr=WHOLE, tickCount=5),
                    ),
                ),
                "short",
                dx=6,
                color=colours("variant", names, tones[: len(names)]),
            )
        )
        layers.append(
            base(totals)
            .mark_line(**look.mark("line", strokeWidth=3, color=look.tone("treatment")))
            .encode(x=x, y=y, tooltip=tips)
        )
        layers.append(
            base(totals[-1:])
            .mark_point(size=60, filled=True, opacity=1, color=look.tone("treatment"))
            .encode(x=x, y=y, tooltip=tips)
        )
    if coming and horizon and look.on("forecast"):
        last = date.fromisoformat(totals[-1]["day"])
        end = min(date.fromisoformat(coming[0]), last + timedelta(days=FURTHEST_DAYS))
        ahead = [
            totals[-1],
            {"day": end.isoformat(), "units": min(horizon, totals[-1]["units"] + coming[1] * (end - last).days)},
        ]
        layers.append(base(ahead).mark_line(**look.mark("forecast", color=look.tone("treatment"))).encode(x=x, y=y))
    if horizon and look.on("horizon"):
        line = [{"units": horizon, "text": f"horizon {horizon:,}"}]
        layers.append(base(line).mark_rule(**look.mark("horizon", color=look.tone("sealed"))).encode(y=y))
        layers.append(
            words(base(line).encode(x=alt.value(4), y=y), "text", dy=-9, size=11, color=alt.value(look.tone("sealed")))
        )
    if horizon_days and look.on("horizon"):
        due = [
            {
                "day": (date.fromisoformat(totals[0]["day"]) + timedelta(days=horizon_days)).isoformat(),
                "text": f"day {horizon_days}",
            }
        ]
        layers.append(base(due).mark_rule(**look.mark("horizon", color=look.tone("sealed"))).encode(x=x))
        layers.append(words(base(due).encode(x=x, y=alt.value(8)), "text", dx=5, size=11, color=alt.value(look.tone("sealed"))))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
