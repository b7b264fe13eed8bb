"""A readout on a card, sealed or open: verdict, health, effects. Static, escaped, readable as text."""

from __future__ import annotations

from datetime import date
from typing import Any

from xpbench.data.pace import day_of_horizon
from xpbench.errors import number_of
from xpbench.health.check import health_line
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views.forest_plot import forest_table
from xpbench.views.table import Table, TableColumn
from xpbench.wording.verdicts import by_plan

MARKS = {"ship": "▲", "ship none": "▬", "iterate": "↻", "invalid": "✕", "defer": "○"}
EDGES = {
    "ship": "--xp-accent,#0072b2",
    "ship none": "--xp-muted,#57606a",
    "iterate": "--xp-warn,#8a6100",
    "invalid": "--xp-worse,#b0481b",
    "sealed": "--xp-sealed,#6b4fa0",
}
"""CSS variable and fallback of the bar next to a verdict."""


def sealed_sentence(readout: Any) -> str:
    """What is missing until results are due, in words."""
    due = readout.due
    looks = len(readout.looks)
    said = [due.reason]
    left = (due.units_needed or 0) - due.units
    by_day = {day: sum(units.values()) for day, units in readout.exposures_by_day.items()}
    reached = day_of_horizon(by_day, left + sum(by_day.values())) if left > 0 else None
    if reached is not None:
        days = (date.fromisoformat(reached[0]) - date.fromisoformat(max(by_day)[:10])).days
        said.append(f"At the present pace that is about {number_of(days, 'day')}, on {reached[0]}.")
    said.append(f"{looks} look{'s' * (looks != 1)} at effects so far.")
    return " ".join(said)


def verdict_html(state: str, headline: str, text: str) -> str:
    """A verdict with its mark, its words and the bar of its state."""
    return (
        f"<div style='border-left:4px solid var({EDGES.get(state, EDGES['ship none'])});padding:4px 0 4px 12px'>"
        f"<p style='font-size:19px;font-weight:600;margin:0' dir='auto'>{MARKS.get(state, '◆')} {escape(headline)}</p>"
        f"<p style='margin:2px 0 0' dir='auto'>{escape(text)}</p></div>"
    )


def units_table(units: Any) -> Table:
    """Exposed units by variant."""
    rows = [{"variant": k, "units": v} for k, v in units.items()]
    return Table(
        "Exposed units",
        (TableColumn("variant", "Variant"), TableColumn("units", "Units", lambda v: f"{v:,}", is_number=True)),
        rows,
    )


class ReadoutCard:
    """What a readout says, without effects while it is sealed.

    Args:
        readout: A `SealedReadout` or a `Readout`; None before the first.
        key: The experiment, for the empty state.
    """

    def __init__(self, readout: Any, *, key: str = "") -> None:
        self._readout = readout
        self._key = key

    @property
    def state(self) -> str:
        """`none`, `sealed`, or the outcome the rule recommends."""
        if self._readout is None:
            return "none"
        return "sealed" if self._readout.is_sealed else str(self._readout.recommendation.outcome)

    @property
    def verdict(self) -> str:
        """The state as a headline."""
        if self._readout is None:
            return "Not read out yet"
        if self._readout.is_sealed:
            return "Sealed until results are due"
        advice = self._readout.recommendation
        words = {
            "ship": f"Ship {advice.variant}",
            "ship none": "Ship none",
            "iterate": "Iterate",
            "invalid": "Do not read the effects",
        }
        return by_plan(words.get(advice.outcome, str(advice.outcome)), self._readout.stamps)

    @property
    def because(self) -> str:
        """Why, in a sentence or two."""
        if self._readout is None:
            return "Give a source of data and read out; before results are due only counts and health are shown."
        return sealed_sentence(self._readout) if self._readout.is_sealed else str(self._readout.recommendation.because)

    @property
    def headline(self) -> str:
        """The card in one line."""
        return f"{self._readout.key if self._readout is not None else self._key}: {self.verdict}. {self.because}"

    def verdict_html(self) -> str:
        """The verdict as HTML."""
        stamps = "" if self._readout is None or self._readout.is_sealed else " ".join(self._readout.stamps)
        return verdict_html(self.state, f"{self.verdict}{f' [{stamps}]' if stamps else ''}", self.because)

    @property
    def what_now(self) -> tuple[str, ...]:
        """What to do now, a sentence or two each."""
        now = None if self._readout is None else self._readout.what_now
        return () if now is None else tuple(now.lines)

    def what_now_html(self) -> str:
        """What to do now as HTML; "" before a readout."""
        lines = self.what_now
        if not lines:
            return ""
        items = "".join(f"<li dir='auto'>{escape(line)}</li>" for line in lines)
        return f"<div class='xp-now-what'><p style='margin:8px 0 0'><b>What now</b></p><ul>{items}</ul></div>"

    @for_terminal
    def to_text(self) -> str:
        """The card as plain text."""
        lines = [self.headline]
        if self._readout is not None:
            lines += ["", f"Health: {health_line(self._readout.health)}", ""]
            units = self._readout.units if self._readout.is_sealed else self._readout.summary.units
            lines.append(units_table(units).to_text())
            lines += ["", *(f"→ {line}" for line in self.what_now)]
            if not self._readout.is_sealed:
                lines += ["", forest_table([r.to_dict() for r in self._readout.rows]).to_text()]
        return "\n".join(lines)

    def to_html(self) -> str:
        """The card as static, escaped HTML."""
        parts = [self.verdict_html()]
        if self._readout is not None:
            parts.append(self.what_now_html())
            parts.append(f"<p>Health: {escape(health_line(self._readout.health))}</p>")
            units = self._readout.units if self._readout.is_sealed else self._readout.summary.units
            parts.append(units_table(units).to_html(with_csv=False))
            if not self._readout.is_sealed:
                parts.append(forest_table([r.to_dict() for r in self._readout.rows]).to_html(with_csv=False))
        return f"<section class='xp-static'>{''.join(parts)}</section>"
