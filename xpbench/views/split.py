"""Exposure split against plan, with the sample-ratio check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.stats.srm import srm
from xpbench.views import numbers
from xpbench.views.draw import SPACED, base, nice_domain, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

WIDTH = 420


def exposure_split(
    units: Any,
    planned: Mapping[str, float] | None = None,
    *,
    alpha: float = 0.001,
    warn: float = 0.01,
    labels: Mapping[str, str] | None = None,
    assumed: bool = False,
    style: Mapping[str, Any] | None = None,
) -> View:
    """Share of exposed units by variant as dots, planned shares as ticks, and whether they fit.

    Args:
        units: Exposed units by variant, or a readout, which knows its plan.
        planned: Planned shares by variant, in plan order; equal shares where they are left out.
        alpha: The sample ratio fails below this p-value.
        warn: It warns below this one.
        labels: Names of variants for people.
        assumed: Nobody planned these shares; they were assumed.
        style: See `theme.Style`.
    """
    if hasattr(units, "health"):
        return units.plot("split")  # type: ignore[no-any-return]
    look, named = Style(style), labels or {}
    assumed = assumed or planned is None
    planned = dict.fromkeys(units, 1.0) if planned is None else planned
    total = sum(units.get(k, 0) for k in planned)
    whole = sum(planned.values()) or 1.0
    enough = total > 0 and sum(v > 0 for v in planned.values()) >= 2
    p = srm([units.get(k, 0) for k in planned], list(planned.values())).p_value if enough else None
    rows = [
        {
            "variant": named.get(k, k),
            "short": numbers.short(named.get(k, k), 26),
            "y": i,
            "units": units.get(k, 0),
            "share": units.get(k, 0) / total if total else None,
            "planned": share / whole,
            "expected": round(share / whole * total),
            "said": f"{numbers.percent(units.get(k, 0) / total, 2, signed=False)} ({units.get(k, 0):,})"
            if total
            else "no units yet",
            "tone": "treatment",
        }
        for i, (k, share) in enumerate(planned.items())
    ]
    verdict = "none" if p is None else "fail" if p < alpha else "warn" if p < warn else "pass"
    for row in rows:
        row["tone"] = {"fail": "worse", "warn": "warn"}.get(verdict, "treatment")
    plan, word = ("the shares that are assumed", "assumed") if assumed else ("the plan", "planned")
    titles = {
        "none": "No exposed units yet",
        "pass": f"The split fits {plan} ({numbers.p_said(p)})",
        "warn": f"The split is odd, not yet alarming ({numbers.p_said(p)}, warns below {warn:g})",
        "fail": f"The split does not fit {plan} ({numbers.p_said(p)}, fails below {alpha:g}): don't read effects",
    }
    columns = (
        TableColumn("variant", "Variant"),
        TableColumn("units", "Units", numbers.count, is_number=True),
        TableColumn("share", "Share", lambda v: numbers.percent(v, 2, signed=False), is_number=True),
        TableColumn("planned", word.capitalize(), lambda v: numbers.percent(v, 2, signed=False), is_number=True),
        TableColumn("expected", "Expected", numbers.count, is_number=True),
    )
    table = Table(f"Exposed units by variant against the {word} split", columns, rows)
    alt_text = f"{titles[verdict]}. " + " ".join(f"{r['variant']}: {r['said']}, {word} {r['planned']:.2%}." for r in rows)
    subtitle = f"Share of {total:,} exposed units (dot) against the {word} share (bar)"
    return View("split", titles[verdict], alt_text, table, subtitle, _chart(rows, look) if rows else None)


def _chart(rows: Sequence[Mapping[str, Any]], look: Style) -> Any:
    shown = [v for r in rows for v in (r["share"], r["planned"]) if v is not None]
    low, high = nice_domain(shown, pad=0.5, include=())
    if len(set(shown)) < 2:  # all shares equal their plan
        low, high = rows[0]["planned"] - 0.02, rows[0]["planned"] + 0.02
    low, high = max(0.0, low - 0.005), min(1.0, high + 0.005)
    x = alt.Scale(domain=[low, high], nice=True, zero=False)
    axis = alt.Axis(format="%", labelExpr=SPACED, title=None, tickCount=6)
    down = alt.Scale(domain=[-0.5, len(rows) - 0.5], reverse=True, nice=False)
    y = alt.Y("y:Q", scale=down, axis=None)
    tips = [
        alt.Tooltip(f"{f}:N", title=t) for f, t in (("variant", "Variant"), ("said", "Exposed"), ("expected", "Expected units"))
    ]
    layers = []
    if look.on("planned"):
        layers.append(
            base(rows)
            .mark_tick(**look.mark("planned", color=look.tone("control"), size=24))
            .encode(x=alt.X("planned:Q", scale=x, axis=axis), y=y, tooltip=tips)
        )
    if look.on("point"):
        shown = [r for r in rows if r["share"] is not None]
        layers.append(
            base(shown)
            .mark_point(**look.mark("point", size=80, color=look.tone(rows[0]["tone"])))
            .encode(x=alt.X("share:Q", scale=x, axis=axis), y=y, tooltip=tips)
        )
    if look.on("numbers"):
        layers.append(words(base(rows).encode(x=alt.value(-10), y=y), "short", align="right", size=13))
        layers.append(words(base(rows).encode(x=alt.value(WIDTH + 14), y=y), "said", size=13))
    return alt.layer(*layers).properties(width=WIDTH, height=max(64, 36 * len(rows)))
