"""What a table shows that belongs to no plan: effects with honest intervals and health, and never a recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from xpbench.data.summary import Summary
from xpbench.decide.readout import html_table, line_of
from xpbench.decide.rows import Row, frame
from xpbench.health import Check
from xpbench.plan import Plan
from xpbench.shows import Shows

SCHEMA = 1
SENTENCE = "No plan was registered, so metrics, stopping and test were free to be chosen after the data was seen."


@dataclass(frozen=True, slots=True)
class Exploration(Shows):
    """Effects of an experiment that nobody registered; made by `explore`.

    It can't be decided on and makes no memo: both need a plan from before the data.

    Attributes:
        plan: What was computed, as a plan that was never registered; a start for the next one.
        summary: The moments it was computed from.
        health: Checks that apply without a plan on record, worst first.
        rows: One per metric and treatment variant.
        stamps: `INVALID` where a gate fails, and always `EXPLORATORY`.
    """

    plan: Plan
    summary: Summary
    health: tuple[Check, ...]
    rows: tuple[Row, ...]
    stamps: tuple[str, ...]

    is_sealed: Literal[False] = field(default=False, init=False)

    @property
    def is_valid(self) -> bool:
        """No failed gate."""
        return "INVALID" not in self.stamps

    def row(self, metric: str, variant: str | None = None) -> Row:
        """The row of a metric (of the only, or of the named treatment variant).

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.metric == metric and variant in (None, row.variant):
                return row
        raise KeyError(metric)

    def to_frame(self) -> Any:
        """One row per metric and treatment variant as a pandas DataFrame, with the columns of a readout's."""
        return frame(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as a JSON value."""
        return {
            "schema": SCHEMA,
            "exploratory": True,
            "plan": self.plan.to_dict(),
            "summary": self.summary.to_dict(),
            "health": [c.to_dict() for c in self.health],
            "rows": [r.to_dict() for r in self.rows],
            "stamps": list(self.stamps),
        }

    @property
    def counts(self) -> str:
        """Units by variant, and against which shares they are held."""
        shares: Mapping[str, float] = {v.key: v.split for v in self.plan.variants}
        return ", ".join(f"{k} {n:,} (planned {shares[k]:.4g})" for k, n in self.summary.units.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each health check that warns or fails, and for each thing that was counted while reading."""
        loud = (f"{c.label}: {c.status}. {c.meaning}" for c in self.health if c.status in ("fail", "warn"))
        return tuple(loud)

    def __repr__(self) -> str:
        lines = [f"Exploration [{', '.join(self.stamps)}]: {self.counts}"]
        lines += [f"  {line_of(row)}" for row in self.rows]
        lines += [f"  ! {sentence}" for sentence in self.warnings]
        return "\n".join([*lines, f"  {SENTENCE}"])

    def _repr_html_(self) -> str:
        stamps = " ".join(f"<strong>{escape(s)}</strong>" for s in self.stamps)
        loud = "".join(f"<li>{escape(s)}</li>" for s in self.warnings) or "<li>No check warns.</li>"
        return (
            f"<section aria-label='Exploration'><p>{stamps} {escape(SENTENCE)}</p><p>Units: {escape(self.counts)}.</p>"
            f"{html_table(self.rows)}<ul>{loud}</ul></section>"
        )
