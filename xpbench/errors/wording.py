"""Values made safe to show, and the sentences of a message.

Values come from users and from data: they are shortened and stripped of control and direction characters before they stand
in a message.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from xpbench.errors.catalogue import CATALOGUE
from xpbench.errors.message import Message
from xpbench.outward import address, terminal

SHOWN_CHARACTERS = 120
"""How much of one value a message shows."""


def shown(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Text of a value that is safe to show: one line, no control or direction characters, shortened.

    Strings are quoted; whatever came from data stays recognisable as such.
    """
    text = address(repr(value) if isinstance(value, str) else str(value))
    text = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs", "Co")
    )
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def number_of(count: int, one: str, many: str = "") -> str:
    """A count with what is counted, in singular or plural: "1 unit", "1,200 units".

    Args:
        count: The count.
        one: What is counted where it is one of them, with its verb where it has one: "unit", "unit is".
        many: The same where it is none or several; with an s where it is left out.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Sentence that names the known name most like `name`, or lists what is known."""
    names = sorted({str(k) for k in known})
    close = difflib.get_close_matches(str(name)[:200], names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {shown(close[0])}?"
    if not names:
        return "Nothing is known here yet"
    return "Known: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


class _Plain(str):
    """Text of ours that goes into a message as it is, without quotes."""


def plain(text: str) -> str:
    """Mark text of our own (a rule, a hint, a reason) so that it is unquoted in a message."""
    return _Plain(text)


_UNQUOTED = ("rule", "remedy", "hint", "reason", "why", "owner", "kind", "pointer", "first", "feature", "name", "count")


def place(pointer: str) -> str:
    """A JSON pointer (RFC 6901) as a reader writes the field: `/metrics/0/column` is `metrics[0].column`.

    Text that isn't a pointer comes back as it is; the whole document is `the plan`.
    """
    if not pointer or pointer == "/":
        return "the plan"
    if not pointer.startswith("/"):
        return pointer
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
    out = ""
    for step in steps:
        if step.isdigit():
            out += f"[{step}]"
        else:
            out += step if step.startswith("[") or not out else f".{step}"
    return out


def words(code: str, values: Mapping[str, Any]) -> Message:
    """The message of a code, filled with the values of the case."""
    message = CATALOGUE[code]
    if isinstance(where := values.get("pointer"), str):
        values = {**values, "pointer": plain(place(where)) if isinstance(where, _Plain) else place(where)}
    safe = {
        k: (
            shown(v)[1:-1]
            if isinstance(v, str) and k in _UNQUOTED and not isinstance(v, _Plain)
            else (terminal(v) if isinstance(v, _Plain) else shown(v))  # names from data may be among our words
        )
        for k, v in values.items()
    }
    followed = safe | {"hint": sentences(safe["hint"])} if "hint" in safe else safe  # a hint that more is said after
    return Message(*(part.format(**(followed if "{hint} " in part else safe)) for part in message))


def sentences(*parts: str) -> str:
    """The parts that say something, each closed as a sentence."""
    return " ".join(p if p.endswith((".", "?", "!", "…")) else f"{p}." for p in (p.strip() for p in parts) if p)
