"""Segment heat map: lifts by slice, marked exploratory unless declared in the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View
from xpbench.wording.verdicts import mark_of

CELL_W, CELL_H, LEFT = 108, 32, 164
LEAST_W, ALL_W = 50, 600
"""The narrowest cell that holds "+10.2 %", and the width of all of them: twelve metrics fit a notebook cell."""
MOST_SLICES = 30
MOST_METRICS = 12
EXPLORATORY = "exploratory"
"""Takes the place of a verdict where the segment was not declared: nothing there is a win."""


def segment_heatmap(segment: Any, *, style: Mapping[str, Any] | None = None) -> View:
    """Lift by slice of a segment and metric: colour for the direction that is good, strength for size, sign for the verdict.

    Args:
        segment: A `SegmentResult`, or a dictionary in its shape.
        style: See `theme.Style`.
    """
    look = Style(style)
    plain: dict[str, Any] = dict(segment) if isinstance(segment, Mapping) else segment.to_dict()
    declared = bool(plain.get("is_declared"))
    rows: list[dict[str, Any]] = []
    for slice_, members in plain["slices"].items():
        for r in members:
            good = 1.0 if r.get("direction") != "decrease" else -1.0
            several = len({x["variant"] for x in members}) > 1
            rows.append(
                {
                    **r,
                    "slice": slice_,
                    "good": None if r.get("lift") is None else good * r["lift"],
                    "column": str(r.get("label") or r["metric"]) + (f" · {r['variant']}" if several else ""),
                    "said": numbers.lift(r),
                    "mark": mark_of({**r, "guardrail": ""})[0] if declared else EXPLORATORY,
                }
            )
    columns = (
        TableColumn("slice", str(plain["dimension"]).replace("_", " ").capitalize()),
        TableColumn("column", "Metric"),
        TableColumn("n", "Units", numbers.count, is_number=True),
        TableColumn("said", "Lift (interval)", is_number=True),
        TableColumn("mark", "Verdict"),
        TableColumn("p_adjusted", "p corrected", numbers.p_value, is_number=True),
    )
    word = "declared in the plan" if declared else "EXPLORATORY: not declared in the plan"
    table = Table(f"Lift by {plain['dimension']} ({word})", columns, rows)
    differs = [k for k, p in plain.get("interaction", {}).items() if p is not None and p < 0.01]
    if not rows:
        title = f"No slice of {plain['dimension']} has enough units to show"
    elif differs:
        title = f"The effect on {differs[0].split(':')[0]} differs by {plain['dimension']}"
    else:
        title = f"No sign that effects differ by {plain['dimension']}"
    hidden = f"; {plain['hidden']} small slices not shown" if plain.get("hidden") else ""
    legend = "▲ better ▼ worse after correction over slices" if declared else "no verdicts and no colours of a win"
    subtitle = f"Lift against control by {plain['dimension']}; {word}; {legend}{hidden}"
    return View(
        "segments",
        title,
        f"{title}. Heat map of {len(rows)} cells; {word}.",
        table,
        subtitle,
        _chart(rows, look, declared=declared) if rows else None,
    )


def _chart(rows: list[dict[str, Any]], look: Style, *, declared: bool) -> Any:
    slices = list(dict.fromkeys(r["slice"] for r in rows))[:MOST_SLICES]
    metrics = list(dict.fromkeys(r["column"] for r in rows))[:MOST_METRICS]
    wide = max(LEAST_W, min(CELL_W, ALL_W // len(metrics)))
    cells: list[dict[str, Any]] = [
        {
            **{k: r.get(k) for k in ("good", "said", "n", "mark")},
            "full": f"{r['column']}, {r['slice']}",
            "x": metrics.index(r["column"]),
            "y": slices.index(r["slice"]),
            "text": f"{r['mark']} ".replace("─ ", "").replace(f"{EXPLORATORY} ", "")
            + numbers.percent(r.get("lift"), 1 if wide > 64 else 0),
        }
        for r in rows
        if r["slice"] in slices and r["column"] in metrics
    ]
    reach = max((abs(c["good"]) for c in cells if c["good"] is not None), default=0.1) or 0.1
    for c in cells:
        c |= {
            "x0": c["x"] - 0.48,
            "x1": c["x"] + 0.48,
            "y0": c["y"] - 0.46,
            "y1": c["y"] + 0.46,
            "strength": min(1.0, abs(c["good"]) / reach) * 0.5 + 0.04 if c["good"] is not None else 0.02,
            "tone": "exploratory" if not declared else "better" if (c["good"] or 0) > 0 else "worse",
        }
    xs = alt.Scale(domain=[-0.5, len(metrics) - 0.5], nice=False)
    ys = alt.Scale(domain=[-0.5, len(slices) - 0.5], reverse=True, nice=False)
    tips = [
        alt.Tooltip("full:N", title="Where"),
        alt.Tooltip("said:N", title="Lift"),
        alt.Tooltip("n:Q", title="Units", format=","),
    ]
    tones = {"better": look.tone("better"), "worse": look.tone("worse"), "exploratory": look.tone("unclear")}
    tone = alt.Color("tone:N", scale=alt.Scale(domain=list(tones), range=list(tones.values())), legend=None)
    layers = [
        base(cells)
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("x0:Q", scale=xs, axis=None),
            x2="x1:Q",
            y=alt.Y("y0:Q", scale=ys, axis=None),
            y2="y1:Q",
            color=tone,
            opacity=alt.Opacity("strength:Q", scale=None),
            tooltip=tips,
        ),
        words(
            base(cells).encode(x=alt.X("x:Q", scale=xs, axis=None), y=alt.Y("y:Q", scale=ys, axis=None)),
            "text",
            align="center",
            size=12,
        ),
        words(
            base([{"y": i, "text": numbers.short(s, 22)} for i, s in enumerate(slices)]).encode(
                x=alt.value(-LEFT), y=alt.Y("y:Q", scale=ys, axis=None)
            ),
            "text",
            size=13,
        ),
        words(
            base([{"x": i, "text": m} for i, m in enumerate(numbers.distinct(metrics, 13))]).encode(
                x=alt.X("x:Q", scale=xs, axis=None), y=alt.value(-12)
            ),
            "text",
            size=12,
            weight=600,
            **({"align": "center"} if wide == CELL_W else {"align": "left", "angle": 315}),
        ),
    ]
    return alt.layer(*layers).properties(width=wide * len(metrics), height=CELL_H * len(slices))
