"""What every field of a form is: a widget, a JSON value, and a place for problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import ipywidgets as ipw

from xpbench.errors import Problem


class _Missing:
    """The one value that says *this key is not in the plan*."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""Returned by `Field.get` where the key is left out."""

Located = tuple[tuple[str, ...], Problem]
"""A problem with the rest of its path, as seen from the field that is asked to show it."""

_LAYOUTS: dict[str, ipw.Layout] = {}
_STYLES: dict[type[Any], Any] = {}


def shared_layout(**traits: str) -> ipw.Layout:
    """One layout model for all widgets that ask for the same traits: a form of 500 widgets stays quick."""
    key = repr(sorted(traits.items()))
    found = _LAYOUTS.get(key)
    if found is None or found.comm is None:
        found = _LAYOUTS[key] = ipw.Layout(**traits)
    return found


def shared_style(widget: type[ipw.DOMWidget]) -> Any:
    """One style model for all widgets of a class."""
    kind = widget.class_traits()["style"].klass
    found = _STYLES.get(kind)
    if found is None or found.comm is None:
        found = _STYLES[kind] = kind()
    return found


def visible(widget: ipw.DOMWidget, shown: bool) -> None:
    """Show or hide a widget. Layouts are shared, so a widget is given another one and its own is never changed."""
    widget.layout = shared_layout() if shown else shared_layout(display="none")


def is_visible(widget: ipw.DOMWidget) -> bool:
    """Whether a widget is not hidden by `visible`."""
    return bool(widget.layout.display != "none")


def styled(widget: ipw.DOMWidget, *classes: str) -> ipw.DOMWidget:
    """The widget with CSS classes of `xpbench.forms.style`."""
    for name in classes:
        widget.add_class(name)
    return widget


def html(value: str, *classes: str) -> ipw.HTML:
    """Static HTML; whoever calls has escaped what came from people or data."""
    return styled(ipw.HTML(value, layout=shared_layout(), style=shared_style(ipw.HTML)), *classes)


def button(text: str, handler: Callable[[], None], *classes: str, tooltip: str = "") -> ipw.Button:
    """A button that calls a plain function."""
    made = ipw.Button(
        description=text,
        tooltip=tooltip or text,
        layout=shared_layout(),
        style=shared_style(ipw.Button),
    )
    made.on_click(lambda _: handler())
    return styled(made, "xp-button", *classes)


def box(children: Iterable[ipw.Widget], *classes: str, across: bool = False) -> ipw.Box:
    """Widgets below each other, or side by side."""
    kind = ipw.HBox if across else ipw.VBox
    return styled(kind(tuple(children), layout=shared_layout()), *classes)


def problem_lines(problems: Sequence[Problem]) -> str:
    """Problems as escaped HTML in the words of the form, each with a mark; empty for none."""
    from xpbench.forms.plain_problems import plain_lines

    return plain_lines(problems)


class Field:
    """A part of the plan on screen.

    Attributes:
        widget: What is shown.
    """

    widget: ipw.Widget

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change made by a person."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Call the listeners."""
        for listener in self._listeners:
            listener()

    def get(self) -> Any:
        """The JSON value shown, or `MISSING`."""
        raise NotImplementedError

    def set(self, value: Any) -> None:
        """Show a JSON value; `MISSING` shows the default. Listeners are not called."""
        raise NotImplementedError

    def show(self, problems: Sequence[Located]) -> None:
        """Show the problems of this field, or clear them with an empty list."""
        raise NotImplementedError

    def leaves(self) -> list[Field]:
        """The fields below that hold one value each."""
        return [self]

    def at(self, path: Sequence[str]) -> Field | None:
        """The innermost field on screen that a path leads to."""
        return self

    @property
    def is_touched(self) -> bool:
        """Whether a person has changed it since it was filled."""
        return False
