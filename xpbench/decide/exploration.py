"""What a table shows that belongs to no plan: effects with honest intervals and health, and never a recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xpbench.data.summary import Summary
from xpbench.decide.readout import html_table, line_of
from xpbench.decide.row import Row, frame
from xpbench.decide.segments import SegmentResult
from xpbench.errors import number_of, shown
from xpbench.health import Check
from xpbench.health.p_values import p_words
from xpbench.lazy import upstairs
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.shows import Shows

if TYPE_CHECKING:
    from xpbench.views.view import View

SCHEMA = 1
DIFFERS = 0.05
"""Corrected p-value below which an effect may differ between slices."""
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
        segments: Results by the columns that were asked for, corrected along their own axis.
        assumed_split: No split was given, so that equal shares were assumed.
        found_variant: Column of the variant where the call did not name it and it is not called `variant`; else "".
    """

    plan: Plan
    summary: Summary
    health: tuple[Check, ...]
    rows: tuple[Row, ...]
    stamps: tuple[str, ...]
    segments: tuple[SegmentResult, ...] = ()
    assumed_split: bool = False
    found_variant: str = ""

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
            "segments": [s.to_dict() for s in self.segments],
            "assumed_split": self.assumed_split,
            "found_variant": self.found_variant,
        }

    def plot(self, what: str = "effects") -> View:
        """One view: `effects`, `table`, `split`, `health` or `segments`; it has `save("x.png")`.

        Raises:
            InputError: `XPB-I04`, there is no such view.
            DecisionError: `XPB-R20`, there is nothing to draw there.
        """
        view: View = upstairs("views.plots:plot")(self, what)
        return view

    @property
    def counts(self) -> str:
        """Units by variant, and against which shares they are held."""
        shares: Mapping[str, float] = {v.key: v.split for v in self.plan.variants}
        if self.assumed_split:
            return ", ".join(f"{k} {n:,}" for k, n in self.summary.units.items()) + " (split assumed equal)"
        return ", ".join(f"{k} {n:,} (planned {shares[k]:.4g})" for k, n in self.summary.units.items())

    @property
    def level(self) -> str:
        """At which level the intervals hold, and why."""
        levels = sorted({1.0 - r.alpha for r in self.rows})
        said = " and ".join(f"{v * 100:.4g} %" for v in levels)
        wanted = f"{self.plan.model.confidence * 100:.4g} %"
        if self.plan.correction == "none" or not levels or all(abs(v - self.plan.model.confidence) < 1e-9 for v in levels):
            return f"Intervals: {said or wanted}."
        of = number_of(sum(r.role == "primary" for r in self.rows), "comparison")
        return f"Intervals: {said} each, so that all hold together at {wanted} ({self.plan.correction.capitalize()} over {of})."

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found or assumed because the call did not say it, and at which level the intervals hold."""
        found = (f"Variants in column {shown(self.found_variant)}, which was found.",) if self.found_variant else ()
        return (self.level, *found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each health check that warns or fails, and for each thing that was counted while reading."""
        loud = (f"{c.label}: {c.status}. {c.meaning}" for c in self.health if c.status in ("fail", "warn"))
        return tuple(loud)

    def __repr__(self) -> str:
        lines = [f"Exploration [{', '.join(self.stamps)}]: {self.counts}"]
        lines += [f"  {line_of(row)}" for row in self.rows]
        lines += [f"  {sentence}" for sentence in self.notes]
        lines += [f"  By {shown(s.dimension)}: {_differs(s)}" for s in self.segments]
        lines += [f"  ! {sentence}" for sentence in self.warnings]
        return "\n".join([*lines, f"  {SENTENCE}"])

    def _repr_html_(self) -> str:
        stamps = " ".join(f"<strong>{escape(s)}</strong>" for s in self.stamps)
        loud = "".join(f"<li>{escape(s)}</li>" for s in self.warnings) or "<li>No check warns.</li>"
        return (
            f"<section aria-label='Exploration'><p>{stamps} {escape(SENTENCE)}</p><p>Units: {escape(self.counts)}.</p>"
            f"{html_table(self.rows)}<p>{escape(' '.join(self.notes))}</p>{self._segments_html()}<ul>{loud}</ul></section>"
        )

    def _segments_html(self) -> str:
        out = ""
        for segment in self.segments:
            tables = "".join(
                f"<p><b>{escape(segment.dimension)}: {escape(value)}</b></p>{html_table(rows)}"
                for value, rows in segment.slices.items()
            )
            said = escape(f"By {segment.dimension}: {_differs(segment)}")
            out += f"<details><summary>{said}</summary>{tables}</details>"
        return out


def _differs(segment: SegmentResult) -> str:
    """How many slices there are, and whether the effect differs between them."""
    known = {k: p for k, p in segment.interaction.items() if p is not None}
    low = min(known.items(), key=lambda item: item[1], default=None)
    hidden = f", {segment.hidden} too small to show" if segment.hidden else ""
    head = f"{number_of(len(segment.slices), 'value')}{hidden}"
    if low is None:
        return f"{head}."
    adjusted = min(1.0, low[1] * len(known))
    what = "the effect may differ" if adjusted < DIFFERS else "no difference of the effect is shown"
    return f"{head}; {what} ({low[0]}: {p_words(low[1], '.2g')}, of {number_of(len(known), 'test')})."
