"""The decision rule as its complete truth table, with the situation at hand marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from xpbench.decide.rule import GUARDRAILS, HEALTH, PRIMARY, rule_rows, truth_table
from xpbench.plan.design import Decision
from xpbench.plan.methods import METHODS
from xpbench.views.draw import base, colours, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

CELL_W, CELL_H = 46, 26
SIGN = {"ship": "▲", "ship none": "▬", "iterate": "↻", "invalid": "✕"}


def truth_view(
    decision: Decision,
    *,
    situation: Mapping[str, Any] | None = None,
    methods: int = METHODS,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Every situation there is, the row of the rule that fires and what it recommends.

    Args:
        decision: Decision part of the plan.
        situation: The situation at hand: `primary`, `deteriorated`, `guardrails`, `health`, `adequate`.
        methods: Edition of the methods that the plan was registered under.
        style: See `theme.Style`.
    """
    look = Style(style)
    rows = truth_table(decision, methods=methods)
    rails = [g for g in reversed(GUARDRAILS) if any(r["guardrails"] == g for r in rows)]
    states = [p for p in reversed(PRIMARY) if any(r["primary"] == p for r in rows)]
    order_x = [(h, g) for h in reversed(HEALTH) for g in rails]
    order_y = [(p, d, a) for p in states for d in (False, True) for a in (True, False)]
    cells = []
    for r in rows:
        x, y = order_x.index((r["health"], r["guardrails"])), order_y.index((r["primary"], r["deteriorated"], r["adequate"]))
        cells.append(
            {
                **r,
                "x": x,
                "y": y,
                "x0": x - 0.47,
                "x1": x + 0.47,
                "y0": y - 0.46,
                "y1": y + 0.46,
                "said": f"{SIGN[r['outcome']]} {r['row']}",
                "shown": f"{SIGN[r['outcome']]} {r['outcome']}",
            }
        )
    here = [
        c
        for c in cells
        if situation and all(c[k] == situation[k] for k in ("primary", "deteriorated", "guardrails", "health", "adequate"))
    ]
    counts = {o: sum(r["outcome"] == o for r in rows) for o in SIGN}
    title = (
        f"Row {here[0]['row']} fires: {here[0]['outcome']}"
        if here
        else f"Of {len(rows)} situations {counts['ship']} ship, {counts['iterate']} iterate, "
        f"{counts['ship none']} ship none, {counts['invalid']} are invalid"
    )
    columns = tuple(
        TableColumn(k, k.capitalize(), lambda v: {True: "yes", False: "no"}.get(v, str(v)) if isinstance(v, bool) else str(v))
        for k in ("primary", "deteriorated", "guardrails", "health", "adequate", "row", "outcome")
    )
    notes = [f"{r.id}: {r.because} → {r.outcome}" for r in rule_rows(decision, methods=methods)]
    table = Table("Truth table of the decision rule", columns, rows, notes=notes)
    xs = alt.Scale(domain=[-0.5, len(order_x) - 0.5], nice=False)
    ys = alt.Scale(domain=[-0.5, len(order_y) - 0.5], reverse=True, nice=False)
    names = [f"{sign} {outcome}" for outcome, sign in SIGN.items()]
    tone = colours(
        "shown",
        names,
        [look.tone("better"), look.tone("control"), look.tone("warn"), look.tone("worse")],
        legend=alt.Legend(title=None, orient="bottom", symbolType="square", offset=12),
    )
    tips = [
        alt.Tooltip(f"{k}:N", title=k.capitalize())
        for k in ("primary", "deteriorated", "guardrails", "health", "adequate", "row", "outcome")
    ]
    left = [
        {"y": i, "text": f"{p} · {'something worse' if d else 'nothing worse'} · {'enough data' if a else 'too little data'}"}
        for i, (p, d, a) in enumerate(order_y)
    ]
    top = [{"x": i, "text": g} for i, (h, g) in enumerate(order_x)]
    heads = [{"x": len(rails) * i + (len(rails) - 1) / 2, "text": f"health {h}"} for i, h in enumerate(reversed(HEALTH))]
    x_, y_ = alt.X("x:Q", scale=xs, axis=None), alt.Y("y:Q", scale=ys, axis=None)
    layers = [
        base(cells)
        .mark_rect(cornerRadius=2, opacity=0.55)
        .encode(
            x=alt.X("x0:Q", scale=xs, axis=None),
            x2="x1:Q",
            y=alt.Y("y0:Q", scale=ys, axis=None),
            y2="y1:Q",
            color=tone,
            tooltip=tips,
        ),
        words(base(cells).encode(x=x_, y=y_), "said", align="center", size=10),
        words(base(left).encode(x=alt.value(-8), y=y_), "text", align="right", size=11),
        words(base(top).encode(x=x_, y=alt.value(-8)), "text", align="center", size=10),
        words(base(heads).encode(x=x_, y=alt.value(-24)), "text", align="center", size=11, weight=600),
    ]
    if here:
        layers.append(
            base(here)
            .mark_rect(filled=False, strokeWidth=3, stroke={"expr": "luminance(background || 'white') < 0.4 ? '#fff' : '#000'"})
            .encode(x=alt.X("x0:Q", scale=xs, axis=None), x2="x1:Q", y=alt.Y("y0:Q", scale=ys, axis=None), y2="y1:Q")
        )
    chart = alt.layer(*layers).properties(width=CELL_W * len(order_x), height=CELL_H * len(order_y))
    subtitle = (
        "Rows: primary metric · other metrics · data. Columns: health and guardrails. Cell: the row of the rule that fires"
    )
    return View("truth", title, f"{title}. Grid of {len(rows)} situations.", table, subtitle, chart)
