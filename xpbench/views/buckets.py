"""Bucket heat map: how the randomiser's 100 buckets are filled, and which variant owns which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from xpbench.views import numbers
from xpbench.views.draw import base, colours
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

CELL = 34


def bucket_heatmap(
    counts: Sequence[int], *, owners: Sequence[str] | None = None, style: Mapping[str, Any] | None = None
) -> View:
    """Units per bucket as a 10 × 10 grid: strength for the count against its expectation, colour for the variant.

    Args:
        counts: Units in each of the 100 buckets, in order.
        owners: Variant of each bucket, "" for none.
        style: See `theme.Style`.
    """
    from scipy.stats import chisquare

    look = Style(style)
    names = list(owners) if owners is not None else [""] * len(counts)
    total = sum(counts)
    expected = total / len(counts) if counts else 0.0
    rows: list[dict[str, Any]] = [
        {
            "bucket": i,
            "x": i % 10,
            "y": i // 10,
            "units": n,
            "variant": owner or "not assigned",
            "ratio": n / expected if expected else None,
            "off": numbers.percent(n / expected - 1, 1) if expected else "–",
        }
        for i, (n, owner) in enumerate(zip(counts, names, strict=True))
    ]
    columns = (
        TableColumn("bucket", "Bucket", str, is_number=True),
        TableColumn("variant", "Variant"),
        TableColumn("units", "Units", numbers.count, is_number=True),
        TableColumn("off", "Off expectation", is_number=True),
    )
    table = Table("Units by bucket", columns, rows)
    subtitle = f"{total:,} units over {len(counts)} buckets; strength: units in the bucket against {expected:,.1f} expected"
    if not total:
        return View("buckets", "No units to place yet", "No units yet.", table, subtitle)
    p = float(chisquare(list(counts)).pvalue)
    filled = "evenly filled" if p >= 0.001 else "NOT evenly filled"
    title = f"Buckets are {filled} (χ² over {len(counts)} buckets, {numbers.p_said(p)})"
    variants = list(dict.fromkeys(r["variant"] for r in rows))
    owned = [v for v in variants if v != "not assigned"]
    tones = [
        "#c3c8cd" if v == "not assigned" else look.tone("control") if v == owned[0] else look.variant(owned.index(v) - 1)
        for v in variants
    ]
    spread = max(abs(r["ratio"] - 1) for r in rows) or 1.0
    cells = [
        {
            **r,
            "strength": 0.55 + 0.45 * (r["ratio"] - 1) / spread,
            "x0": r["x"] - 0.47,
            "x1": r["x"] + 0.47,
            "y0": r["y"] - 0.46,
            "y1": r["y"] + 0.46,
        }
        for r in rows
    ]
    xs = alt.Scale(domain=[-0.5, 9.5], nice=False)
    ys = alt.Scale(domain=[-0.5, max(r["y"] for r in rows) + 0.5], reverse=True, nice=False)
    tips = [
        alt.Tooltip("bucket:Q", title="Bucket"),
        alt.Tooltip("variant:N", title="Variant"),
        alt.Tooltip("units:Q", title="Units", format=","),
        alt.Tooltip("off:N", title="Off expectation"),
    ]
    chart = (
        base(cells)
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("x0:Q", scale=xs, axis=alt.Axis(title=None, values=list(range(10)), grid=False, orient="top")),
            x2="x1:Q",
            y=alt.Y(
                "y0:Q",
                scale=ys,
                axis=alt.Axis(title=None, values=list(range(10)), grid=False, labelExpr="format(datum.value * 10, 'd')"),
            ),
            y2="y1:Q",
            color=colours("variant", variants, tones, legend=alt.Legend(title=None, orient="right", labelLimit=160)),
            opacity=alt.Opacity("strength:Q", scale=None),
            tooltip=tips,
        )
        .properties(width=CELL * 10, height=CELL * (max(r["y"] for r in rows) + 1) * 0.8)
    )
    return View("buckets", title, f"{title}. Grid of {len(counts)} cells.", table, subtitle, chart)
