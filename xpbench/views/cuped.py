"""What CUPED gained: share of the variance removed, metric by metric, and the units it saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import SPACED, base, words
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View, plain_rows

WIDTH, ROW = 370, 28


def cuped_reduction(readout: Any, *, style: Mapping[str, Any] | None = None) -> View:
    """Share of the variance that pre-experiment values explain, for the metrics that use CUPED.

    Args:
        readout: A `Readout`, its frame, or its rows.
        style: See `theme.Style`.
    """
    look = Style(style)
    found = [r for r in plain_rows(readout) if r.get("variance_reduction") is not None]
    several = len({r["variant"] for r in found}) > 1
    rows: list[dict[str, Any]] = []
    for i, r in enumerate(found):
        share = max(0.0, float(r["variance_reduction"]))
        name = str(r.get("label") or r["metric"]) + (f" · {r['variant']}" if several else "")
        n = (r.get("n") or 0) + (r.get("n_control") or 0)
        saved = round(n / (1 - share) - n) if share < 1 and n else None
        rows.append(
            {
                "label": name,
                "short": numbers.short(name, 32),
                "y": i,
                "reduction": share,
                "zero": 0.0,
                "y0": i - 0.3,
                "y1": i + 0.3,
                "worth": saved,
                "said": f"{numbers.percent(share, 1, signed=False)}" + (f", worth {saved:,} more units" if saved else ""),
            }
        )
    columns = (
        TableColumn("label", "Metric"),
        TableColumn("reduction", "Variance removed", lambda v: numbers.percent(v, 1, signed=False), is_number=True),
        TableColumn("worth", "Worth so many more units", numbers.count, is_number=True),
    )
    table = Table("Variance removed by CUPED", columns, rows)
    subtitle = "Share of the variance that values from before the exposure explain"
    if not rows:
        return View("cuped", "No metric uses CUPED", "No metric uses CUPED.", table, subtitle)
    best = max(rows, key=lambda r: r["reduction"])
    title = (
        f"CUPED removes {numbers.percent(best['reduction'], 0, signed=False)} of the variance of "
        f"{numbers.short(best['label'], 44)}" + (" at best" if len(rows) > 1 else "")
    )
    x = alt.Scale(domain=[0, min(1.0, max(best["reduction"] * 1.15, 0.05))], nice=False)
    axis = alt.Axis(format="%", labelExpr=SPACED, title=None, tickCount=5)
    down = alt.Scale(domain=[-0.5, len(rows) - 0.5], reverse=True, nice=False)
    layers = [
        base(rows)
        .mark_rect(**look.mark("bar", color=look.tone("treatment"), opacity=0.75))
        .encode(x=alt.X("zero:Q", scale=x, axis=axis), x2="reduction:Q", y=alt.Y("y0:Q", scale=down, axis=None), y2="y1:Q"),
        words(base(rows).encode(x=alt.value(-220), y=alt.Y("y:Q", scale=down, axis=None)), "short", size=13),
        words(base(rows).encode(x=alt.value(WIDTH + 12), y=alt.Y("y:Q", scale=down, axis=None)), "said", size=13),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=max(48, ROW * len(rows)))
    return View("cuped", title, f"{title}. Bars for {len(rows)} metrics.", table, subtitle, chart)
