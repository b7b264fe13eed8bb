"""What every panel shares: one status box, guarded handlers, a place for views, a source of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as ipw

from xpbench.forms.field import MISSING, box, button, html, is_visible, shared_layout, styled, visible
from xpbench.forms.inputs import ChoiceLeaf, TextLeaf
from xpbench.forms.root import root_box
from xpbench.forms.static_twin import Shown
from xpbench.forms.status import StatusBox, guarded
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

    Attributes:
        source: Given in code, or None.
    """

    def __init__(self, source: Any = None) -> None:
        self.source = source
        words = {"units": "a table with one row per unit", "events": "an event log"}
        self.kind = ChoiceLeaf("Data", ["units", "events"], words=words, default="units")
        self.path = TextLeaf("Path", about="CSV, Parquet or JSON Lines; * for several files")
        self.unit = TextLeaf("Unit column", about="The plan's unit if empty; tables only")
        self.variant = TextLeaf("Variant column", about="Tables only", default="variant")
        fields = [self.kind.widget, self.path.widget, box([self.unit.widget, self.variant.widget], "xp-row", across=True)]
        given = html(f'<p class="xp-help">Data: {_named(source)}, given in code.</p>') if source is not None else None
        self.widget = box([given] if given is not None else fields, "xp-object")

    def get(self) -> Any:
        """The source; `MISSING` where there is no path yet."""
        if self.source is not None:
            return self.source
        path = self.path.get()
        if path is MISSING:
            return MISSING
        import xpbench as xp

        if self.kind.get() == "events":
            return xp.events(str(path).strip())
        unit, variant = self.unit.get(), self.variant.get()
        return xp.units(
            str(path).strip(), unit=None if unit is MISSING else unit, variant="variant" if variant is MISSING else variant
        )


def _named(source: Any) -> str:
    from xpbench.outward import html as escape

    name = type(source).__name__
    return {"UnitsSource": "a table of units", "EventsSource": "a log of events"}.get(name, escape(name))
