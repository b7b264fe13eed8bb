"""What the page of a memo must show, cell by cell: a pure function of the payload, with the standard library alone.

The payload holds these cells, and the verifier makes them again: `scripts/make_verifier.py` joins this and what it needs to the
one file that anyone can run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xpbench.memo import figures
from xpbench.memo.content import content
from xpbench.memo.figures import legal
from xpbench.memo.messages import WORDING, PageMessage

PICTURES = ("forest", "forests", "split", "accrual", "effect", "segment_pictures", "time_pictures")
"""Parts of the content that are drawn from the payload's numbers; the payload holds every other cell as text."""


def made(payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Cells, sentences by the place of their cell, and pictures, as this release makes them of a payload."""
    found = content(payload)
    cells = {name: value for name, value in found.items() if name not in PICTURES}
    pictures = {name: cleaned(found[name]) for name in PICTURES}
    return cleaned(cells), dict(_messages(cells)), {**pictures, "ink": figures.INK.strip()}


def wordings(id_: str) -> tuple[str, ...]:
    """Every wording that a sentence has had, the one in use first; none for an unknown sentence."""
    return WORDING.get(id_, ())


def _messages(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Sentences of the table, by the place of their cell."""
    if isinstance(value, PageMessage):
        yield place, {"id": value.id, "values": {name: legal(text) for name, text in value.values.items()}}
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _messages(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _messages(inner, f"{place}.{i}")


def cleaned(value: Any) -> Any:
    """The content without characters that no document may hold, with lists in place of tuples."""
    if isinstance(value, str):
        return legal(value)
    if isinstance(value, Mapping):
        return {k: cleaned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(v) for v in value]
    return value
