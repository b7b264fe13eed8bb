"""One box per form that says what happened, and every error of a handler: none is swallowed by the front end."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, Literal

from xpbench.errors import InvalidPlan, XpbenchError
from xpbench.errors.wording import sentences
from xpbench.forms.field import html, problem_lines
from xpbench.outward import html as escape

Mood = Literal["quiet", "good", "busy", "bad"]
_MARK = {"quiet": "", "good": "✓ ", "busy": "… ", "bad": "▲ "}


class StatusBox:
    """A line of text with a mood; errors show their message and, folded, where they came from.

    Attributes:
        widget: What is shown.
        mood: Of the last message.
        text: The last message, plain.
    """

    def __init__(self, text: str = "") -> None:
        self.widget = html("", "xp-status")
        self.mood: Mood = "quiet"
        self.text = ""
        self.error: BaseException | None = None
        self.say(text)

    def say(self, text: str, *, mood: Mood = "quiet") -> None:
        """Show a message."""
        self.mood, self.text, self.error = mood, text, None
        self._write(escape(text))

    def fail(self, error: BaseException) -> None:
        """Show an error: its message, all problems of a plan, and the traceback folded (for errors that are not ours)."""
        self.mood, self.error = "bad", error
        if isinstance(error, InvalidPlan):
            self.text = str(error)
            self._write(f"{len(error.problems)} to correct:" + problem_lines(error.problems))
        elif isinstance(error, XpbenchError):
            self.text = str(error)
            said = sentences(error.what, error.rule, error.remedy)
            self._write(f"{escape(said)}<details><summary>Details</summary><code>{escape(error.code)}</code></details>")
        else:
            self.text = f"{type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(error))
            self._write(
                f"{escape(self.text[:2000])}<details><summary>Where it happened</summary>"
                f"<pre>{escape(trace[-8000:])}</pre></details>"
            )

    def _write(self, inner: str) -> None:
        self.widget.value = (
            f'<div class="xp-status-{self.mood}" role="status"><span aria-hidden="true">{_MARK[self.mood]}</span>{inner}</div>'
        )


def guarded(status: StatusBox, handler: Callable[..., Any]) -> Callable[..., None]:
    """The handler, with every error shown in the status box.

    The front end only logs what a callback raises, so this is the one place that catches everything.
    """

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            handler(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - shown to the person, see above
            status.fail(error)

    return run
