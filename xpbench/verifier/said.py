"""Every number of a text, traced to a cell of a memo: what somebody wrote of a result says what the memo says.

A sentence that the memo itself has, with other numbers in it or not, is compared number by number, in order. In any other
sentence a number counts as traced only where a cell of a metric that the sentence names has it, or what the memo says of the
run, with the same unit; so a number of another metric proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xpbench.verifier.report import J

NUMBER = re.compile(
    r"\d{4}-\d{2}-\d{2}|[+\-\u2212]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[\s\u202f\u00a0]?(?:%|pp\b|per\s?cent))?", re.IGNORECASE
)
_ENDS = re.compile(r"(?<=[.!?:])\s+|\n+")
_SPACE = re.compile(r"[\s\u202f\u00a0\u2009]+")


@dataclass(frozen=True)
class Traced:
    """One number of a text.

    Attributes:
        number: As it was written.
        sentence: Where it was written.
        place: Cell of the memo that has it, "" where none has.
        expected: What the memo has there, where the sentence is one of its own; "" otherwise.
    """

    number: str
    sentence: str
    place: str
    expected: str = ""

    @property
    def ok(self) -> bool:
        """Whether the memo says the same."""
        return bool(self.place)

    def to_dict(self) -> dict[str, J]:
        """The fields by name."""
        return {
            "number": self.number,
            "sentence": self.sentence,
            "place": self.place,
            "expected": self.expected,
            "ok": self.ok,
        }

    def __str__(self) -> str:
        if self.ok:
            return f"{self.number}: {self.place}"
        return f"{self.number}: the memo has {self.expected}" if self.expected else f"{self.number}: no cell of the memo has it"


def trace(text: str, cells: J) -> list[Traced]:
    """Each number of a text with the cell that it comes from.

    Args:
        text: Sentences in plain text.
        cells: Of a memo's page, verified before.
    """
    known: dict[str, list[tuple[str, list[str]]]] = {}
    for place, value in _strings(cells):
        for piece in _pieces(value):
            if NUMBER.search(piece):
                known.setdefault(_mask(piece), []).append((place, NUMBER.findall(piece)))
    rows = cells.get("rows", [])
    out: list[Traced] = []
    for piece in _pieces(text):
        numbers = NUMBER.findall(piece)
        if not numbers:
            continue
        own = known.get(_mask(piece), [])
        if own:
            place, theirs = max(own, key=lambda pair: sum(plain(a) == plain(b) for a, b in zip(numbers, pair[1], strict=True)))
            for mine, wanted in zip(numbers, theirs, strict=True):
                same = plain(mine) == plain(wanted)
                home = _home(mine, piece, rows) or place
                out.append(Traced(mine, piece, home if same else "", "" if same else wanted))
        else:
            out += [Traced(n, piece, _found(n, piece, cells, rows)) for n in numbers]
    return out


def plain(number: str) -> str:
    """A number without the ways of writing it: separators, spaces, kinds of minus."""
    text = _SPACE.sub("", number).replace(",", "").replace("\u2212", "-").lower().replace("percent", "%")
    return text.rstrip(".")


def _strings(value: J, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _strings(inner, f"{place}.{i}")
    elif isinstance(value, str):
        yield place, value


def _pieces(text: str) -> list[str]:
    """Sentences of a text: a point ends one only where space follows."""
    return [piece for part in _ENDS.split(text) if (piece := part.strip())]


def _mask(piece: str) -> str:
    return _SPACE.sub(" ", NUMBER.sub("#", piece)).strip().casefold()


def _bare(number: str) -> str:
    """Without a sign, for texts that write `3.1 to 11.8` or `fell by 2 %`."""
    return plain(number).lstrip("+-")


def _matches(mine: str, theirs: str) -> bool:
    signed = plain(mine)[:1] in "+-"
    a, b = (plain(mine), plain(theirs)) if signed else (_bare(mine), _bare(theirs))
    if a == b:
        return True
    unit = a[-1:] if a.endswith("%") else ""
    return bool(unit) and not b.endswith("%") and a[:-1] == b  # an interval's ends stand without their sign


def _home(number: str, piece: str, rows: Sequence[J]) -> str:
    """Cell of a row of a metric that the sentence names."""
    said = piece.casefold()
    for i, row in enumerate(rows):
        if str(row["label"]).casefold() in said:
            for name, value in row.items():
                if isinstance(value, str) and any(_matches(number, n) for n in NUMBER.findall(value)):
                    return f"rows.{i}.{name}"
    return ""


def _found(number: str, piece: str, cells: J, rows: Sequence[J]) -> str:
    """Cell that has a number of a sentence that is none of the memo's own."""
    home = _home(number, piece, rows)
    if home:
        return home
    names = [str(row["label"]).casefold() for row in rows]
    if any(name in piece.casefold() for name in names) and plain(number).endswith(("%", "pp")):
        return ""
    for part in ("run", "decision", "title", "hypothesis", "looks"):
        for place, value in _strings(cells.get(part), part):
            if any(plain(number) == plain(n) for n in NUMBER.findall(value)):
                return place
    return ""
