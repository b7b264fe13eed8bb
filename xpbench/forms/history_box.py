"""Baselines from the past instead of from memory: a file with a row per unit, or an event log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xpbench.forms.field import MISSING, box, button, html, visible
from xpbench.forms.inputs import ChoiceLeaf, TextLeaf
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.forecast.baselines import Baselines


class HistoryBox:
    """Asks where the past lies and hands over what planning takes from it.

    Args:
        run: Called when the button is pressed; guarded by the form.

    Attributes:
        widget: What is shown.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        words = {"units": "a table with one row per unit", "events": "an event log"}
        self.kind = ChoiceLeaf("History", ["units", "events"], words=words, default="events")
        self.path = TextLeaf("Path of the history", about="CSV, Parquet or JSON Lines; * for several files")
        self.trigger = TextLeaf(
            "Event that would have exposed a unit", about="Its first one starts a unit's windows; empty: the log has exposures"
        )
        self.day = TextLeaf("Day column", about="Of the first visit; says how many units come a day")
        self.button = button("Read baselines", run)
        self.kind.on_change(self._arrange)
        self.widget = box(
            [html("<h4>Take baselines from history</h4>"), self.kind.widget, self.path.widget, self.trigger.widget,
             self.day.widget, box([self.button], "xp-actions-left", across=True)], "xp-group",
        )  # fmt: skip
        self._arrange()

    def _arrange(self) -> None:
        visible(self.trigger.widget, self.kind.get() == "events")
        visible(self.day.widget, self.kind.get() == "units")

    @property
    def is_empty(self) -> bool:
        """No path was given."""
        return self.path.get() is MISSING

    def read(self, plan: Plan) -> Baselines:
        """Baselines of the plan's metrics from the files that were named."""
        from xpbench.forecast.baselines import baselines_of, read_history

        trigger, day = self.trigger.get(), self.day.get()
        history = read_history(
            str(self.path.get()).strip(),
            plan,
            kind=self.kind.get(),
            trigger=None if trigger is MISSING else str(trigger).strip(),
            day=None if day is MISSING else str(day).strip(),
        )
        return baselines_of(plan, history)
