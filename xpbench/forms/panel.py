"""What every panel shares: one status box, guarded handlers, a place for views, a source of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from xpbench.experiment.sources import files_in, schema_of
from xpbench.forms.data_box import data_files
from xpbench.forms.field import MISSING, box, button, html, is_visible, shared_layout, styled, visible
from xpbench.forms.inputs import ChoiceLeaf, MappingLeaf, SuggestLeaf, TextLeaf
from xpbench.forms.outer_box import guard_of, root_box
from xpbench.forms.static_twin import Shown
from xpbench.forms.status import StatusBox, guarded
from xpbench.plan import Plan
from xpbench.plan.metrics import Column
from xpbench.views.view import View


class ViewPlace:
    """A place that shows views: charts through the MIME bundle, tables as HTML."""

    def __init__(self) -> None:
        self.widget = styled(ipw.Output(layout=shared_layout()), "xp-views")

    def show(self, *views: View) -> None:
        """Show these views and nothing else."""
        outputs: list[dict[str, Any]] = []
        for view in views:
            outputs += view.outputs()
        self.widget.outputs = tuple(outputs)


class Panel(Shown):
    """Base of the panels.

    Attributes:
        status: The box that says what happened.
        main: Where the panel puts its parts.
    """

    def __init__(self) -> None:
        self.status = StatusBox()
        self.main = box([], "xp-panel")
        self.widget = root_box([self.main, self.status.widget])
        self.guard = guard_of(self.widget)

    def button(self, text: str, handler: Callable[..., Any], *classes: str) -> ipw.Button:
        """A button whose errors show in the status box."""
        return button(text, guarded(self.status, handler), *classes)

    def refuse(self, text: str) -> None:
        """Say what is missing."""
        self.status.say(text, mood="bad")


class Reveal:
    """A step that asks before something irreversible: words that say what it does, fields, and two buttons.

    Attributes:
        widget: What is shown once opened.
    """

    def __init__(self, fields: Sequence[Any], go: ipw.Button, cancel_text: str = "Not now", *, sealed: bool = False) -> None:
        self.text = html("")
        self.go = go
        self.cancel = button(cancel_text, self.close)
        classes = ("xp-confirm", "xp-sealed-edge") if sealed else ("xp-confirm",)
        self.widget = box([self.text, *(f.widget for f in fields), box([self.cancel, go], "xp-actions", across=True)], *classes)
        visible(self.widget, False)

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return is_visible(self.widget)

    def open(self, text: str) -> None:
        """Show it with these words (HTML of ours)."""
        self.text.value = text
        visible(self.widget, True)

    def close(self) -> None:
        """Hide it."""
        visible(self.widget, False)


class SourceBox:
    """Where the data come from, unless a source was given in code.

    Args:
        source: Given in code.
        plan: Says whether a table or a log is read; whatever it does not say is found in the data.
        suggested: A path to start with, such as the file that the plan was drafted from.

    Attributes:
        source: Given in code, or None.
    """

    def __init__(self, source: Any = None, *, plan: Plan | None = None, suggested: Any = None) -> None:
        self.source = source
        self._plan = plan
        tabular = plan is None or any(isinstance(m, Column) for m in plan.metrics)
        words = {"units": "a table with one row per unit", "events": "an event log"}
        self.kind = ChoiceLeaf("Data", ["units", "events"], words=words, default="units" if tabular else "events")
        self.path = SuggestLeaf("Path", about="CSV, Parquet or JSON Lines, a folder, or * for several files")
        self.path.suggest(data_files())
        if isinstance(suggested, (str, Path)) and str(suggested):
            self.path.set(str(suggested))
        self.unit = SuggestLeaf("Unit column", about="The plan's unit if empty")
        self.variant = SuggestLeaf("Variant column", about="Found in the table if empty")
        self.day = SuggestLeaf("Day column", about="Of the first exposure; shows exposures over time")
        self.schema = MappingLeaf(
            "Where the parts of an event are", about="One part = column a line, such as time = ts; Mixpanel's names if empty"
        )
        self.zone = TextLeaf(
            "Time zone of the log", about="Of a Mixpanel project from before 2023, such as US/Pacific; UTC if empty"
        )
        self._table = box([self.unit.widget, self.variant.widget, self.day.widget], "xp-row", across=True)
        self._log = box([self.schema.widget, self.zone.widget], "xp-object")
        self._more = button("Columns and time zone", self._toggle, "xp-quiet")
        self._shown = False
        self.kind.on_change(self._arrange)
        self.path.on_change(self._looked)
        fields = [self.path.widget, self.kind.widget, self._more, self._table, self._log]
        if plan is not None:  # the plan says which of the two it reads
            fields.remove(self.kind.widget)
        given = html(f'<p class="xp-help">Data: {_named(source)}, given in code.</p>') if source is not None else None
        self.widget = box([given] if given is not None else fields, "xp-object")
        self._arrange()

    def _toggle(self) -> None:
        self._shown = not self._shown
        self._arrange()

    def _arrange(self) -> None:
        visible(self._table, self._shown and self.kind.get() == "units")
        visible(self._log, self._shown and self.kind.get() == "events")

    def _looked(self) -> None:
        """Offer the columns of the file that was chosen; one that can't be read says so when it is read out."""
        path = self.path.get()
        if path is MISSING or self.kind.get() != "units":
            return
        from xpbench.data.tables.variant_values import columns_of
        from xpbench.errors import XpbenchError

        try:
            names = columns_of(str(path).strip())
        except (XpbenchError, OSError, ValueError):
            return
        for field in (self.unit, self.variant, self.day):
            field.suggest(names)

    def get(self) -> Any:
        """The source; `MISSING` where there is no path yet."""
        if self.source is not None:
            return self.source
        path = self.path.get()
        if path is MISSING:
            return MISSING
        import xpbench as xp

        place = str(path).strip()
        named: dict[str, Any] = {
            name: str(value)
            for name, field in (("unit", self.unit), ("variant", self.variant), ("day", self.day))
            if (value := field.get()) is not MISSING
        }
        if self.kind.get() == "events":
            more: dict[str, Any] = {}
            if parts := self.schema.get():
                more["schema"] = schema_of(parts)
            if (zone := self.zone.get()) is not MISSING:
                more["time_zone"] = str(zone).strip()
            return xp.events(place, **more)
        return xp.units(files_in(place) if Path(place).is_dir() else place, **named)


def _named(source: Any) -> str:
    from xpbench.outward import html as escape

    name = type(source).__name__
    return {"UnitsSource": "a table of units", "EventsSource": "a log of events"}.get(name, escape(name))
