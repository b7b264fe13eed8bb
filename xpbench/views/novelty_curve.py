"""The novelty curve: does the effect wear off as units get used to the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, nice_domain, percent_axis
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH, HEIGHT = 560, 220
Z95 = 1.959963984540054
ACROSS = {"age": "days since exposure", "cohort": "days since the first exposure", "weekday": "day of the week"}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
        TableColumn("day", "Day since exposure", str, is_number=True),
        TableColumn("n", "Units", numbers.count, is_number=True),
        TableColumn("lift", "Lift", lambda v: numbers.percent(v, 1), is_number=True),
        TableColumn("lift_low", "Low", lambda v: numbers.percent(v, 1), is_number=True),
        TableColumn("lift_high", "High", lambda v: numbers.percent(v, 1), is_number=True),
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
    chart = _chart(known, look, across="days since exposure", axis=percent_axis("+.0%"))
    return View("novelty", title, f"{title}. Line over {len(known)} days.", table, subtitle, chart)


def trend(found: Any, *, metric: str, is_share: bool = False, style: Mapping[str, Any] | None = None) -> View:
    """The effect of one metric along days since exposure, days of exposure or days of the week, with what the test says.

    Args:
        found: A `Trend` of `xpbench.decide.novelty`, or a dictionary in its shape.
        metric: Name of the metric for people.
        is_share: Whether effects are differences of shares, shown in percentage points.
        style: See `theme.Style`.
    """
    look = Style(style)
    plain: dict[str, Any] = dict(found) if isinstance(found, Mapping) else found.to_dict()
    scale = 100.0 if is_share else 1.0
    rows = [
        {
            "day": p["x"],
            "label": WEEKDAYS[int(p["x"])] if plain["axis"] == "weekday" else str(p["label"]),
            "n": p["n"],
            "lift": scale * p["effect"],
            "lift_low": scale * (p["effect"] - Z95 * p["se"]),
            "lift_high": scale * (p["effect"] + Z95 * p["se"]),
        }
        for p in plain["points"]
    ]
    digits = numbers.decimals(max((r["lift_high"] - r["lift_low"] for r in rows), default=None))
    unit = "pp" if is_share else "units of the metric"

    def said(value: float) -> str:
        return numbers.number(value, digits, signed=True)

    columns = (
        TableColumn("label", {"age": "Day since exposure", "cohort": "Day of exposure", "weekday": "Day"}[plain["axis"]]),
        TableColumn("n", "Units", numbers.count, is_number=True),
        TableColumn("lift", f"Effect, {unit}", said, is_number=True),
        TableColumn("lift_low", "Low", said, is_number=True),
        TableColumn("lift_high", "High", said, is_number=True),
    )
    across = ACROSS[plain["axis"]]
    table = Table(f"Effect of {metric} by {across}", columns, rows)
    p = "" if plain.get("p_adjusted") is None else f" (corrected {numbers.p_said(plain['p_adjusted'])})"
    title = str(plain["sentence"]).rstrip(".") + p
    subtitle = f"Effect in {unit} by {across}, 95 % interval of each point alone; exploratory"
    if len(rows) < 2:
        return View("novelty", title, title, table, subtitle)
    weekday = plain["axis"] == "weekday"
    name = f"[{','.join(repr(d[:3]) for d in WEEKDAYS)}][datum.value]"
    signed = alt.Axis(title=None, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+,.6~g')", tickCount=6)
    chart = _chart(rows, look, across="" if weekday else across, axis=signed, names=name if weekday else "")
    return View("novelty", title, f"{title}. Line over {len(rows)} points.", table, subtitle, chart)


def _chart(known: Sequence[Mapping[str, Any]], look: Style, *, across: str, axis: Any, names: str = "") -> Any:
    low, high = nice_domain([r[k] for r in known for k in ("lift_low", "lift_high")])
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    bottom: dict[str, Any] = {"labelExpr": names, "values": list(range(7))} if names else {"format": "d"}
    x = alt.X("day:Q", axis=alt.Axis(title=across or None, tickMinStep=1, grid=False, **bottom))
    layers: list[Any] = []
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
            alt.Tooltip("lift:Q", title="Effect", format="+,.4~g"),
            alt.Tooltip("n:Q", title="Units", format=","),
        ]
        layers.append(
            base(known)
            .mark_point(**look.mark("point", color=look.tone("treatment")))
            .encode(x=x, y=alt.Y("lift:Q", scale=scale, axis=axis), tooltip=tips)
        )
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
