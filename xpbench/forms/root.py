"""The outermost box of every form: style sheet, guard of the keyboard, then the parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import anywidget
import ipywidgets as ipw

from xpbench.forms.field import box, html
from xpbench.forms.style import style_tag


class KeyGuard(anywidget.AnyWidget):
    """Keeps the notebook's own shortcuts out of the form; ipywidgets can't set the attribute that says so."""

    _esm = Path(__file__).with_name("guard.js")


def root_box(children: Iterable[ipw.Widget]) -> ipw.Box:
    """A form around these widgets."""
    return box([html(style_tag()), KeyGuard(), *children], "xp-form")
