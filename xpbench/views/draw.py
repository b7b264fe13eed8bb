"""Small helpers over Altair: text from people reaches a chart only as data, and sizes are fixed pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

INK = "luminance(background || 'white') < 0.4 ? '#e6edf3' : '#1b1f24'"
"""Ink as a Vega expression of our own over the `background` signal: notebooks set a dark one in their dark theme."""

WHOLE = "format(datum.value, ',')"
"""Label of an axis of counts: thousands separated by commas, whatever the scale (a format alone gives 1e+4 on some scales)."""

AMOUNT = "abs(datum.value) >= 100000 ? format(datum.value, '~s') : format(datum.value, ',.6~g')"
"""Label of an axis of values in the metric's own unit."""

DrawnRows = Sequence[Mapping[str, Any]]


class _Data(alt.InlineData):  # type: ignore[misc, unused-ignore]
    """Rows that are neither copied nor validated with every step of a chart: a forest of 40 metrics has 15 layers of them."""

    def __deepcopy__(self, _: Any) -> _Data:
        return self


def base(rows: DrawnRows) -> Any:
    """A chart over inline data."""
    with debug_mode(False):
        return alt.Chart(_Data([dict(r) for r in rows]))


def words(
    chart: Any,
    field: str,
    *,
    size: int = 12,
    align: str = "left",
    weight: int = 400,
    dx: int = 0,
    dy: int = 0,
    color: Any = None,
    **more: Any,
) -> Any:
    """Text marks in ink that contrasts with whatever ground the notebook gives the chart, unless a colour is given."""
    mark: dict[str, Any] = {
        "align": align,
        "baseline": "middle",
        "fontSize": size,
        "fontWeight": weight,
        "dx": dx,
        "dy": dy,
        **more,
    }
    if color is None:
        mark["color"] = {"expr": INK}
    return chart.mark_text(**mark).encode(text=alt.Text(f"{field}:N"), **({"color": color} if color is not None else {}))


def colours(field: str, names: Sequence[str], tones: Sequence[str], *, legend: Any = None) -> Any:
    """A colour channel over known names."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names), range=list(tones)), legend=legend)


def nice_domain(values: Sequence[float | None], *, pad: float = 0.06, include: Sequence[float] = (0.0,)) -> tuple[float, float]:
    """Smallest and largest of the values that exist, with some room; never empty."""
    known = [v for v in (*values, *include) if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if low == high:
        low, high = low - 1.0, high + 1.0
    room = (high - low) * pad
    return low - room, high + room


SPACED = "replace(datum.label, '%', '\u202f%')"
"""Labels of an axis of shares with the thin space before "%" that the numbers next to it have."""


def percent_axis(format_: str, *, ticks: int = 6, **more: Any) -> Any:
    """An axis of shares with a sign, on which zero has none; "%" as the numbers next to it have it, with a thin space."""
    label = f"replace(datum.value == 0 ? '0%' : format(datum.value, '{format_}'), '%', '\u202f%')"
    return alt.Axis(title=None, labelExpr=label, tickCount=ticks, **more)
