"""Page one of a memo as a picture, for a slide or a chat: laid out here as SVG, drawn by the renderer of the charts.

It is a copy to look at, without evidence. No browser is needed: the charts are those of the page, and the text is set in lines
by the width of its letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import MemoError, plain
from xpbench.memo.cells import made
from xpbench.memo.figures import legal, text_width
from xpbench.outward import html as escape

WIDTH, MARGIN = 1020, 40
INNER = WIDTH - 2 * MARGIN
COLOURS = {
    "ink": "#1b1f24", "muted": "#57606a", "accent": "#0072b2", "better": "#00795a", "worse": "#b0481b", "warn": "#8a6100",
    "sealed": "#6b4fa0", "same": "#0b6b6b", "ground": "#ffffff", "raised": "#f6f8fa", "line": "#d5dae0", "zone": "#e3eef6",
}  # fmt: skip
"""The page's own colours on paper."""
FONT = "'Liberation Sans',Arial,'DejaVu Sans',sans-serif"
_NARROW = 0.5
"""Width of a letter, in sizes of the font; text is broken a little early rather than late."""


def png(payload: Mapping[str, Any], *, scale: float = 2.0) -> bytes:
    """Page one as PNG.

    Args:
        payload: Of a memo.
        scale: Pixels for each of 1,020 across.

    Raises:
        MemoError: `XPB-O03`, the renderer is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise MemoError("XPB-O03", reason=plain("vl-convert is not installed")) from None
    from xpbench.views.png import shrunk

    return shrunk(bytes(vl_convert.svg_to_png(svg(payload), scale=scale)))


def svg(payload: Mapping[str, Any]) -> str:
    """Page one as SVG."""
    cells, _, pictures = made(payload)
    return _Page(cells, pictures, digest(dict(payload))).drawn()


class _Page:
    """Lines and charts from top to bottom."""

    def __init__(self, cells: Mapping[str, Any], pictures: Mapping[str, Any], payload: str) -> None:
        self.c, self.p, self.payload = cells, pictures, payload
        self.parts: list[str] = []
        self.y = float(MARGIN)

    def drawn(self) -> str:
        """The whole page."""
        self._head()
        self._decision()
        h = self.c["hypothesis"]
        self._lines(f"If {h['if']}, then {h['then']}, because {h['because']}.", size=14, tone="muted")
        self.y += 10
        if self.p["forest"]:
            self._chart(self.p["forest"], MARGIN, INNER)
        else:
            self._lines("No effect is shown on this page.", size=15, bold=True, tone="worse")
        self._columns()
        self._charts()
        self._foot()
        height = round(self.y + MARGIN - 14)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
            f"<style>{_ink(self.p['ink'])}</style>"
            f'<rect width="{WIDTH}" height="{height}" fill="{COLOURS["ground"]}"/>{"".join(self.parts)}</svg>'
        )

    def _head(self) -> None:
        c, run = self.c, self.c["run"]
        self._text(MARGIN, f"Decision memo · {c['key']} · {c['owner']} · {c['made']}", size=13, tone="muted")
        self.y += 8
        self._lines(c["title"], size=19, bold=True)
        when = f"{run['dates']}, {run['days']}. " if run["dates"] else ""
        who = ", ".join(f"{u['variant']} {u['n']}" for u in run["units"])
        audience = f"{run['audience']}; " if run["audience"] else ""
        self._lines(f"{when}{run['total']} {run['who']}: {who}. {audience}{run['traffic']}.", size=13, tone="muted")
        for stamp in c["stamps"]:
            self._lines(f"{stamp['word']}: {stamp['means']}", size=13, tone="worse" if stamp["word"] == "INVALID" else "warn")
        self.y += 6

    def _decision(self) -> None:
        d, top, before = self.c["decision"], self.y, len(self.parts)
        self.y += 14
        inside, x = INNER - 44, MARGIN + 24
        self._lines(f"{d['mark']} {d['headline']}", size=26, bold=True, x=x, width=inside)
        by = f"; decided by {d['by']} {d['at']}" if d["by"] else ""
        self._lines(f"{d['basis']}{by}", size=13, tone="warn" if d["differs"] else "muted", x=x, width=inside)
        self.y += 4
        for text in (*self.c["impact"], self.c["run"]["money"]):
            self._lines(text, size=15, x=x, width=inside)
        for p in self.c["run"]["planned"]:
            self._lines(
                f"{p['metric']}: planned {p['planned']}, found {p['found']}; this run could find {p['could_find']}.",
                size=13, x=x, width=inside,
            )  # fmt: skip
        self._lines(f"Reason: {d['because']}", size=13, tone="muted", x=x, width=inside)
        self.y += 8
        box = (
            f'<rect x="{MARGIN}" y="{top:.1f}" width="{INNER}" height="{self.y - top:.1f}" fill="{COLOURS["raised"]}"/>'
            f'<rect x="{MARGIN}" y="{top:.1f}" width="4" height="{self.y - top:.1f}" fill="{COLOURS[d["tone"]]}"/>'
        )
        self.parts.insert(before, box)
        self.y += 12

    def _columns(self) -> None:
        """What now to the left, the health checks to the right."""
        self.y += 8
        top, half = self.y, INNER / 2 - 16
        n = self.c["next"]
        self._lines("What now", size=13, tone="muted", width=half)
        if n["blocker"]:
            self._lines(f"{n['blocker']}.", size=14, bold=True, width=half)
        until = f" until {n['until']}" if n["until"] else ""
        for text in (n["why"], " ".join(n["takes"]), n["lever"], f"{n['who']} answers for it{until}."):
            self._lines(text, size=13, width=half)
        left, self.y = self.y, top
        x, h = MARGIN + INNER / 2 + 16, self.c["health_lines"]
        self._lines("Health", size=13, tone="muted", x=x, width=half)
        for line in h["lines"]:
            self._lines(f"{line['title']}: {line['word']}", size=13, tone=line["tone"], x=x, width=half)
        self._lines(h["rest"], size=13, tone="muted", x=x, width=half)
        self._lines(str(self.c["looks"]["line"]), size=13, tone="muted", x=x, width=half)
        self.y = max(left, self.y) + 8

    def _charts(self) -> None:
        named = {
            "effect": "Effect by day of exposure, dashed: overall",
            "accrual": "Exposed units over time",
            "split": "Exposed units against the planned split",
        }
        shown = [(title, self.p[name]) for name, title in named.items() if self.p[name]]
        if not shown:
            return
        width = (INNER - 20 * (len(shown) - 1)) / max(len(shown), 2)
        top, ends = self.y, []
        for i, (title, chart) in enumerate(shown):
            self.y = top
            self._text(MARGIN + i * (width + 20), title, size=12, tone="muted")
            self._chart(chart, MARGIN + i * (width + 20), width)
            ends.append(self.y)
        self.y = max(ends)

    def _foot(self) -> None:
        self.y += 6
        self._text(
            MARGIN,
            f"A picture of the memo with payload {self.payload[:16]}. The HTML memo carries the evidence.",
            size=12,
            tone="muted",
        )

    def _chart(self, chart: str, x: float, width: float) -> None:
        found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)" width="[\d.]+" height="[\d.]+"', chart)
        if found is None:
            return
        height = width * float(found[2]) / float(found[1])
        place = f'viewBox="0 0 {found[1]} {found[2]}" x="{x:.1f}" y="{self.y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(chart.replace(found[0], place, 1))
        self.y += height + 6

    def _lines(
        self, text: str, *, size: int, bold: bool = False, tone: str = "ink", x: float = MARGIN, width: float = INNER
    ) -> None:
        for line in wrapped(legal(str(text)), int(width / (size * (_NARROW + (0.05 if bold else 0.0))))):
            self._text(x, line, size=size, bold=bold, tone=tone)

    def _text(self, x: float, text: str, *, size: int, bold: bool = False, tone: str = "ink") -> None:
        self.y += size * 1.4
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{self.y - size * 0.35:.1f}" font-family="{FONT}" font-size="{size}"{weight} '
            f'fill="{COLOURS.get(tone, COLOURS["ink"])}">{escape(text)}</text>'
        )


def wrapped(text: str, cells: int) -> Sequence[str]:
    """The text in lines of at most that many cells; a word that is longer is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while text_width(word) > cells:
            if line:
                lines.append(line)
                line = ""
            cut = cells
            while text_width(word[:cut]) > cells:
                cut -= 1
            lines.append(word[:cut])
            word = word[cut:]
        joined = f"{line} {word}" if line else word
        if text_width(joined) > cells:
            lines.append(line)
            line = word
        else:
            line = joined
    return [*lines, line] if line else lines


def _ink(style: str) -> str:
    """The style of the charts with the page's colours written out, and the font in words that the renderer knows."""
    for name, colour in COLOURS.items():
        style = style.replace(f"var(--{name})", colour)
    return re.sub(r"font:(\d+)px [^;]*;", rf"font-size:\1px;font-family:{FONT};", style)
