"""How a form shows itself: the live widget, and next to it a static summary that survives the kernel."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

import ipywidgets as ipw


class Card(Protocol):
    """What a static summary can do."""

    @property
    def headline(self) -> str:
        """The summary in one line."""
        ...

    def to_html(self) -> str:
        """Static, escaped HTML."""
        ...

    def to_text(self) -> str:
        """Plain text."""
        ...


class Shown:
    """A widget with a static twin.

    In a notebook two outputs appear: the form, and, folded, its summary as plain HTML. The second is rewritten after every
    change, so that the saved notebook shows what was entered wherever widgets can't be drawn: on GitHub, in an untrusted
    notebook, after the kernel is gone.
    """

    widget: ipw.Widget

    def twin(self) -> Card:
        """The static summary."""
        raise NotImplementedError

    def _twin_bundle(self) -> dict[str, str]:
        from xpbench.outward import html as escape

        twin = self.twin()
        return {
            "text/html": f"<details><summary>{escape(twin.headline)}</summary>{twin.to_html()}</details>",
            "text/plain": twin.to_text(),
        }

    def update_twin(self) -> None:
        """Rewrite the summary under the form, where it has been shown."""
        handle = getattr(self, "_twin_handle", None)
        if handle is not None:
            handle.update(self._twin_bundle(), raw=True)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        twin = self.twin()
        bundle: dict[str, Any] = {"text/plain": twin.to_text(), "text/html": twin.to_html()}
        live = self.widget._repr_mimebundle_()
        data = live[0] if isinstance(live, tuple) else live
        view = (data or {}).get("application/vnd.jupyter.widget-view+json")
        if view is not None:
            bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle

    def _ipython_display_(self) -> None:
        from IPython.display import DisplayHandle, display

        display(self._repr_mimebundle_(), raw=True)
        self._twin_handle = DisplayHandle(display_id=uuid.uuid4().hex)
        self._twin_handle.display(self._twin_bundle(), raw=True)
