"""The forest plot of lifts: verdict, interval, smallest lift that matters, margins; numbers next to it that read without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, colours, percent_axis, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View, plain_rows
from xpbench.wording.rows import rail_said
from xpbench.wording.verdicts import is_worse_within, mark_of, word_of

WIDTH = 286
LEFT = 206
NUMBERS, MEANS = WIDTH + 12, WIDTH + 188
"""Where the numbers begin: so the plot fits a notebook cell at 1,280 px next to the file browser (840 px)."""
ROW = 30
ROLES = ("primary", "secondary", "guardrail")


def tone_of(row: Mapping[str, Any]) -> str:
    """Colour of a row among those of the chart."""
    tone = mark_of(row)[1]
    return tone if tone in ("better", "worse", "same", "warn") else "unclear"


def margin_as_lift(row: Mapping[str, Any]) -> float | None:
    """Margin of a guardrail on the scale of the lift, signed; None where it can't be put there."""
    margin, mean = row.get("margin"), row.get("mean_control")
    if margin is None:
        return None
    if row.get("margin_scale") == "lift":
        return float(margin)
    return float(margin) / abs(mean) if mean else None


def forest_table(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> Table:
    """The numbers of the forest plot."""
    named = labels or {}
    out = [
        {
            **r,
            "label": r.get("label") or named.get(str(r.get("metric")), r.get("metric")),
            "mark": mark_of(r)[0],
            "lift_text": numbers.lift(r),
            "control_text": numbers.means(r)[0],
            "mean_text": numbers.means(r)[1],
            "verdict_text": word_of(r),
        }
        for r in rows
    ]
    columns = (
        TableColumn("mark", ""),
        TableColumn("label", "Metric"),
        TableColumn("role", "Role"),
        TableColumn("variant", "Variant"),
        TableColumn("lift_text", "Lift (interval)"),
        TableColumn("verdict_text", "Verdict"),
        TableColumn("control_text", "Control", is_number=True),
        TableColumn("mean_text", "Treatment", is_number=True),
        TableColumn("n_control", "n control", numbers.count, is_number=True),
        TableColumn("n", "n", numbers.count, is_number=True),
        p_column(rows),
        TableColumn("status", "Status"),
    )
    return Table("Lift of every metric against control", columns, out)


def p_column(rows: Sequence[Mapping[str, Any]]) -> TableColumn:
    """The column of p-values: corrected where the intervals next to it are, which its name says."""
    if any(r.get("p_adjusted") not in (None, r.get("p_value")) for r in rows):
        return TableColumn("p_adjusted", "p, corrected", numbers.p_value, is_number=True)
    return TableColumn("p_value", "p", numbers.p_value, is_number=True)


def takeaway(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the rows say in one sentence: the first primary metric, then the guardrails."""
    primary = [r for r in rows if r.get("role") == "primary"]
    rails = [r for r in rows if r.get("role") == "guardrail"]
    parts = []
    if primary:
        winners = [r for r in primary if r.get("verdict") == "better"]
        losers = [r for r in primary if r.get("verdict") == "worse"]
        lead = (winners or losers or primary)[0]
        name = numbers.short(str(lead.get("label") or lead.get("metric")), 44)
        what = numbers.lift(lead)
        several = len({r.get("variant") for r in rows}) > 1
        who = f" with {lead.get('variant')}" if several else ""
        if winners or losers:
            parts.append(f"{name}{who}: {lead['verdict']}, {what}")
        elif lead.get("lift") is None:
            parts.append(f"{name}: {str(lead.get('status', 'no number')).replace('_', ' ')}")
        else:
            parts.append(f"{name}{who}: {word_of(lead)}, {what}")
    bad = [numbers.short(str(r.get("label") or r.get("metric")), 30) for r in rails if r.get("guardrail") == "bad"]
    open_ = [r for r in rails if r.get("guardrail") == "unclear"]
    if bad:
        parts.append(f"worse than accepted: {', '.join(dict.fromkeys(bad))}")
    elif open_:
        parts.append(f"{len(open_)} of {len(rails)} guardrails not yet shown to be within the margin")
    elif slipped := [r for r in rails if is_worse_within(r)]:
        parts += [rail_said(r) for r in slipped[:2]]
        parts += [f"{len(slipped) - 2} more guardrails got worse within their margins"] if len(slipped) > 2 else []
    elif rails:
        parts.append("no guardrail is worse than planned")
    return "; ".join(parts) or "No metric to show"


def _window(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Range of the axis: all intervals, unless one is so wide that it would flatten the others."""
    finite = [(r["lift_low"], r["lift_high"]) for r in rows if r.get("lift_low") is not None and r.get("lift_high") is not None]
    lifts = [r["lift"] for r in rows if r.get("lift") is not None]
    widths = sorted(h - low for low, h in finite)
    ends = [e for pair in finite for e in pair]
    if widths:
        limit = 6 * widths[len(widths) // 2]
        centre = [abs(v) for v in lifts] or [0.0]
        reach = max(limit, 1.5 * sorted(centre)[len(centre) // 2])
        ends = [max(-reach, min(reach, e)) for e in ends]
    extra = [m for r in rows for m in (margin_as_lift(r), r.get("min_lift")) if m is not None]
    known = [0.0, *ends, *(m for m in extra if not ends or abs(m) <= 2 * max(abs(e) for e in ends) + 1e-12)]
    low, high = min(known), max(known)
    if low == high:
        low, high = -0.1, 0.1
    room = 0.06 * (high - low)
    return low - room, high + room


def _layout(
    rows: Sequence[Mapping[str, Any]], low: float, high: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Rows with their place and texts, headings with theirs, and how many lines there are."""
    several = len({r.get("variant") for r in rows}) > 1
    items, headings, y = [], [], 0
    for role in (*ROLES, *dict.fromkeys(str(r.get("role")) for r in rows if r.get("role") not in ROLES)):
        members = [r for r in rows if r.get("role") == role]
        if not members:
            continue
        headings.append({"y": y, "text": role.upper()})
        y += 1
        last = None
        for row in members:
            mark, tone = mark_of(row)[0], tone_of(row)
            name = str(row.get("label") or row.get("metric"))
            shown = name if name != last else ""
            last = name
            good = 1.0 if row.get("direction") != "decrease" else -1.0
            lo, hi, lift = row.get("lift_low"), row.get("lift_high"), row.get("lift")
            unbounded = lift is not None and (lo is None or hi is None)
            margin = margin_as_lift(row)
            control, treatment = numbers.means(row)
            zone = row.get("min_lift")
            first, second = numbers.two_lines(shown, 15 if several else 23, 17 if several else 28)
            item: dict[str, Any] = {
                "y": y,
                "y0": y - 0.5,
                "y1": y + 0.5,
                "full": name,
                "variant": str(row.get("variant")),
                "mark": mark,
                "tone": tone,
                "label": "" if second else first,
                "first": first if second else "",
                "second": second,
                "sub": numbers.short(str(row.get("variant")), 12) if several else "",
                "lift_text": numbers.lift(row) if lift is not None else _no_number(row),
                "means": f"{control} → {treatment}",
                "verdict": word_of(row),
                "p": numbers.p_value(row.get("p_adjusted", row.get("p_value"))),
                "n": numbers.count((row.get("n") or 0) + (row.get("n_control") or 0)),
            }
            ghost = _without_cuped(row)
            if ghost is not None and ghost[0] < high and ghost[1] > low:
                item |= {"g0": max(ghost[0], low), "g1": min(ghost[1], high), "yg": y + 0.26}
            if lift is not None:
                item["lift"] = lift if low <= lift <= high else None
                item["lo"] = low if lo is None else min(max(lo, low), high)
                item["hi"] = high if hi is None else max(min(hi, high), low)
                item["cut_low"] = "◂" if lo is None or lo < low else ""
                item["cut_high"] = "▸" if hi is None or hi > high else ""
                item["at_low"], item["at_high"] = low, high
                item["unbounded"] = "unbounded" if unbounded else ""
            if zone:
                item["z0"], item["z1"] = sorted((0.0, good * min(zone, high if good > 0 else -low)))
            if margin is not None:
                item["m"] = margin if low <= margin <= high else None
                item["m0"], item["m1"] = (low, max(low, margin)) if margin < 0 else (min(high, margin), high)
            items.append(item)
            y += 1
    return items, headings, y


def _without_cuped(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """The interval of the lift without covariates, where the row has one and it was narrowed by them."""
    for way in row.get("sensitivity") or ():
        found = dict(way) if isinstance(way, Mapping) else way.to_dict()
        if found.get("name") == "without CUPED" and None not in (found.get("lift_low"), found.get("lift_high")):
            return float(found["lift_low"]), float(found["lift_high"])
    return None


def _hatching(margins: Sequence[Mapping[str, Any]], x: Any, axis: Any, down: Any, colour: str, *, width: float) -> Any:
    """Diagonal strokes over the zones beyond a margin: Vega-Lite 5.6 has no pattern, so each stroke is a rule.

    Args:
        margins: Zones `m0`, `m1`, `y0`, `y1`.
        x: Scale of the lift.
        axis: Its axis.
        down: Scale of the rows.
        colour: Of the strokes.
        width: Width of a stroke's slope on the lift's scale: as wide as a row is high, so that strokes have 45 degrees.
    """
    zones = [_only(m, "m0", "m1", "y0", "y1") for m in margins]
    start = "ceil(datum.m0 / (w / 3)) * (w / 3) - w".replace("w", f"{width:.12g}")
    sides = {
        "xa": "max(datum.s, datum.m0)",
        "xb": f"min(datum.s + {width:.12g}, datum.m1)",
        "ya": f"datum.y1 - (datum.xa - datum.s) / {width:.12g} * (datum.y1 - datum.y0)",
        "yb": f"datum.y1 - (datum.xb - datum.s) / {width:.12g} * (datum.y1 - datum.y0)",
    }
    chart = base(zones).transform_calculate(s=f"sequence({start}, datum.m1, {width / 3:.12g})").transform_flatten(["s"])
    for name, formula in sides.items():
        chart = chart.transform_calculate(**{name: formula})
    return (
        chart.transform_filter("datum.xb > datum.xa")
        .mark_rule(strokeWidth=1, opacity=0.5, color=colour)
        .encode(x=alt.X("xa:Q", scale=x, axis=axis), x2="xb:Q", y=alt.Y("ya:Q", scale=down, axis=None), y2="yb:Q")
    )


def _only(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {k: item.get(k) for k in keys}


def _no_number(row: Mapping[str, Any]) -> str:
    status = str(row.get("status") or "no number").replace("_", " ")
    return {"control near zero": "no lift: control is zero"}.get(status, status)


def forest(readout: Any, *, level: float | None = None, style: Mapping[str, Any] | None = None) -> View:
    """Forest plot of lifts against control, in plan order, grouped by role.

    Args:
        readout: A `Readout`, its frame, or its rows.
        level: Confidence of the intervals for the subtitle; without it taken from the rows' alpha where they agree.
        style: Visuals to restyle or switch off, see `theme.Style`.
    """
    look = Style(style)
    rows = plain_rows(readout)
    table = forest_table(rows)
    levels = {round(1 - r["alpha"], 6) for r in rows if r.get("alpha")}
    shown = level or (next(iter(levels)) if len(levels) == 1 else None)
    subtitle = "Lift against control" + (
        f", {shown * 100:.4g} % interval" if shown else ", intervals at the corrected level of each metric" if levels else ""
    )
    keys = []
    if any(_without_cuped(r) for r in rows) and look.on("ghost"):
        keys.append("thin line: without CUPED")
    if any(r.get("min_lift") for r in rows) and look.on("min_lift"):
        keys.append("green: too small to matter")
    if any(margin_as_lift(r) is not None for r in rows) and look.on("margin"):
        keys.append("hatched: beyond the margin")
    subtitle += "".join(f"; {k}" for k in keys)
    title = takeaway(rows)
    if not rows:
        return View("forest", "No metric to show yet", "An empty forest plot.", table, subtitle)
    low, high = _window(rows)
    items, headings, count = _layout(rows, low, high)
    height = ROW * count
    down = alt.Scale(domain=[-0.5, count - 0.5], reverse=True, nice=False, zero=False)
    y = alt.Y("y:Q", scale=down, axis=None)
    digits = numbers.decimals(high - low, percent=True)
    axis = percent_axis(f"+.{max(0, digits - 1)}%", ticks=5, orient="bottom", grid=True, zindex=0)
    x = alt.Scale(domain=[low, high], nice=False, zero=False)
    place = alt.X("lift:Q", scale=x, axis=axis)
    named = ["better", "worse", "same", "warn", "unclear"]
    tone = colours("tone", named, [look.tone(t) for t in named])
    tips = [
        alt.Tooltip(f"{f}:N", title=t)
        for f, t in (
            ("full", "Metric"),
            ("variant", "Variant"),
            ("lift_text", "Lift"),
            ("verdict", "Verdict"),
            ("means", "Control → treatment"),
            ("n", "Units"),
            ("p", "p, corrected like the interval"),
        )
    ]
    layers: list[Any] = []
    zones = [_only(i, "z0", "z1", "y0", "y1") for i in items if "z0" in i]
    if look.on("min_lift") and zones:
        layers.append(
            base(zones)
            .mark_rect(**look.mark("min_lift", color=look.tone("better")))
            .encode(x=alt.X("z0:Q", scale=x, axis=axis), x2="z1:Q", y=alt.Y("y0:Q", scale=down, axis=None), y2="y1:Q")
        )
    margins = [_only(i, "m", "m0", "m1", "y0", "y1") for i in items if "m0" in i]
    if look.on("margin") and margins:
        layers.append(
            base(margins)
            .mark_rect(**look.mark("margin", color=look.tone("worse")))
            .encode(x=alt.X("m0:Q", scale=x, axis=axis), x2="m1:Q", y=alt.Y("y0:Q", scale=down, axis=None), y2="y1:Q")
        )
        slope = ROW * (high - low) / WIDTH
        layers.append(_hatching(margins, x, axis, down, look.tone("worse"), width=slope))
        lines = [i for i in margins if i.get("m") is not None]
        layers.append(
            base(lines)
            .mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color=look.tone("worse"))
            .encode(x=alt.X("m:Q", scale=x, axis=axis), y=alt.Y("y0:Q", scale=down, axis=None), y2="y1:Q")
        )
    if look.on("zero"):
        layers.append(
            base([{"v": 0}])
            .mark_rule(**look.mark("zero", color=look.tone("unclear")))
            .encode(x=alt.X("v:Q", scale=x, axis=axis))
        )
    ghosts = [_only(i, "g0", "g1", "yg", "tone") for i in items if "g0" in i]
    if look.on("ghost") and ghosts:
        layers.append(
            base(ghosts)
            .mark_rule(**look.mark("ghost"))
            .encode(x=alt.X("g0:Q", scale=x, axis=axis), x2="g1:Q", y=alt.Y("yg:Q", scale=down, axis=None), color=tone)
        )
    known = [i for i in items if "lo" in i]
    if look.on("interval") and known:
        layers.append(
            base(known)
            .mark_rule(**look.mark("interval"))
            .encode(x=alt.X("lo:Q", scale=x, axis=axis), x2="hi:Q", y=y, color=tone, tooltip=tips)
        )
        caps = [
            {"end": i[e], "y": i["y"], "tone": i["tone"]}
            for i in known
            for e, cut in (("lo", "cut_low"), ("hi", "cut_high"))
            if not i[cut]
        ]
        layers.append(
            base(caps)
            .mark_rule(**look.mark("interval"))
            .encode(x=alt.X("end:Q", scale=x, axis=axis), y=alt.Y("ye:Q", scale=down, axis=None), y2="yf:Q", color=tone)
            .transform_calculate(ye="datum.y - 0.14", yf="datum.y + 0.14")
        )
        for cut, at, align in (("cut_low", "at_low", "center"), ("cut_high", "at_high", "center")):
            cuts = [_only(i, at, cut, "y", "tone") for i in known if i[cut]]
            if cuts:
                layers.append(
                    words(base(cuts).encode(x=alt.X(f"{at}:Q", scale=x, axis=axis), y=y), cut, align=align, size=15, color=tone)
                )
        endless = [_only(i, "at_high", "unbounded", "y") for i in known if i["unbounded"]]
        if endless:
            layers.append(
                words(
                    base(endless).encode(x=alt.X("at_high:Q", scale=x, axis=axis), y=y),
                    "unbounded",
                    align="right",
                    size=11,
                    dx=-10,
                    dy=-9,
                )
            )
    if look.on("point"):
        layers.append(base(known).mark_point(**look.mark("point")).encode(x=place, y=y, color=tone, tooltip=tips))
    if look.on("heading"):
        layers.append(words(base(headings).encode(x=alt.value(-LEFT), y=y), "text", size=11, weight=600, opacity=0.75))
    if look.on("numbers"):
        side = base(items)
        layers += [
            words(side.encode(x=alt.value(-LEFT), y=y, tooltip=tips), "label", size=13),
            words(side.encode(x=alt.value(-LEFT), y=y, tooltip=tips), "first", size=11, dy=-7),
            words(side.encode(x=alt.value(-LEFT), y=y, tooltip=tips), "second", size=11, dy=7),
            words(side.encode(x=alt.value(-38), y=y), "sub", size=12, align="right"),
            words(side.encode(x=alt.value(-22), y=y), "mark", size=13, weight=600, align="center", color=tone),
            words(side.encode(x=alt.value(NUMBERS), y=y), "lift_text", size=13),
            words(side.encode(x=alt.value(MEANS), y=y), "means", size=12, opacity=0.85),
        ]
    chart = alt.layer(*layers).resolve_scale(x="shared", y="shared", color="shared").properties(width=WIDTH, height=height)
    alt_text = f"Forest plot of {len(rows)} lifts. " + " ".join(
        f"{i['full']} ({i['variant']}): {i['lift_text']}, {i['verdict']}." for i in items[:12]
    )
    return View("forest", title, alt_text, table, subtitle, chart)
