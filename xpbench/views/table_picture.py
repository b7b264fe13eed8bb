"""A table as a picture, for views that have no chart and are to be saved as one."""

from __future__ import annotations

import textwrap
from typing import Any

import altair as alt

from xpbench.views.draw import INK, base
from xpbench.views.table import Table

MOST_ROWS = 40
"""Rows that are drawn; the rest is counted in the last line."""
WIDEST = 46
"""Characters of a cell on one line."""
MOST_LINES = 3
SIZE, LINE, GAP = 11, 14, 18
CHARACTER = 6.1
"""Points that a character of this size takes, on the safe side."""


def drawn_table(table: Table) -> Any:
    """The rows as text marks in columns, as an Altair chart.

    Args:
        table: Of a view.
    """
    rows = [[_lines(_text(c.show(r[c.key]) if r.get(c.key) is not None else "–")) for c in table.columns] for r in table.rows]
    left = len(rows) - MOST_ROWS
    rows = rows[:MOST_ROWS]
    heads = [[c.heading] for c in table.columns]
    widths = [max((len(line) for row in [heads, *rows] for line in row[i]), default=0) * CHARACTER for i in range(len(heads))]
    starts = [sum(w + GAP for w in widths[:i]) for i in range(len(widths))]
    marks: list[dict[str, Any]] = []
    y = 0.0
    for number, row in enumerate([heads, *rows]):
        for i, (lines, column) in enumerate(zip(row, table.columns, strict=True)):
            x = starts[i] + widths[i] if column.is_number else starts[i]
            for at, line in enumerate(lines):
                marks.append(
                    {
                        "x": x, "y": y + at * LINE, "text": line, "align": "right" if column.is_number else "left",
                        "weight": "bold" if number == 0 else "normal",
                    }
                )  # fmt: skip
        y += max((len(lines) for lines in row), default=1) * LINE + 4
    if left > 0:
        marks.append({"x": 0.0, "y": y, "text": f"… and {left:,} more rows", "align": "left", "weight": "normal"})
        y += LINE
    width, height = (starts[-1] + widths[-1] if widths else 0.0) + 4, y
    place = {
        "x": alt.X("x:Q", scale=alt.Scale(domain=[0, width], nice=False), axis=None),
        "y": alt.Y("y:Q", scale=alt.Scale(domain=[height, -LINE / 2], nice=False), axis=None),
    }
    layers = []
    for align in ("left", "right"):
        for weight in ("normal", "bold"):
            some = [m for m in marks if (m["align"], m["weight"]) == (align, weight)]
            if some:
                drawn = base(some).mark_text(
                    align=align, baseline="middle", fontSize=SIZE, fontWeight=weight, color={"expr": INK}
                )
                layers.append(drawn.encode(text=alt.Text("text:N"), **place))
    return alt.layer(*layers).properties(width=width, height=height)


def _text(value: Any) -> str:
    return " ".join(str(value).split())


def _lines(text: str) -> list[str]:
    return textwrap.wrap(text, WIDEST, max_lines=MOST_LINES, placeholder=" …") or [""]
