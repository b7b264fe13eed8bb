"""Static tables of the reports: plain HTML without script, everything from data escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xpbench.errors import shown
from xpbench.outward import html as escape

_TABLE = "border-collapse:collapse;margin:0.4em 0;font-size:0.9em"
_CELL = "padding:2px 10px;border-bottom:1px solid #ccc;text-align:left"


def text(value: Any) -> str:
    """A value as safe text: numbers shortened, everything else on one line without control characters."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    words = shown(value, 400)
    return words[1:-1] if isinstance(value, str) else words


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "") -> str:
    """An HTML table of escaped cells."""
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(text(h))}</th>' for h in header)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{escape(text(cell))}</td>' for cell in row) + "</tr>" for row in rows)
    title = f'<caption style="text-align:left;font-weight:bold">{escape(text(caption))}</caption>' if caption else ""
    return f'<table style="{_TABLE}">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def paragraph(words: str) -> str:
    """One escaped paragraph."""
    return f"<p>{escape(text(words))}</p>"
