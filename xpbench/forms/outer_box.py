"""The outermost box of every form: style sheet, guard of the keyboard, then the parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import anywidget
import ipywidgets as ipw
import traitlets

from xpbench.forms.field import box, html
from xpbench.forms.style import style_tag


class KeyGuard(anywidget.AnyWidget):
    """What ipywidgets can't say: keeps the notebook's shortcuts out of the form, makes steps tabs, and moves the focus."""

    _esm = Path(__file__).with_name("guard.js")
    focus = traitlets.Dict().tag(sync=True)

    def focus_on(self, where: str) -> None:
        """Move the keyboard to the first control of the first part with this class that is in sight."""
        self.focus = {"where": where, "times": int(self.focus.get("times", 0)) + 1}


def root_box(children: Iterable[ipw.Widget]) -> ipw.Box:
    """A form around these widgets."""
    return box([html(style_tag()), KeyGuard(), *children], "xp-form")


def guard_of(form: ipw.Box) -> KeyGuard:
    """The guard of a form that `root_box` made."""
    return next(w for w in form.children if isinstance(w, KeyGuard))
