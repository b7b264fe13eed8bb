"""What had been seen of the results by some moment, derived from the ledger and never stored twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from xpbench.ledger.entry import Entry

Knowledge = Literal["nothing assigned", "no outcomes computed", "outcomes computed, unseen", "effects seen"]

LEVELS: tuple[Knowledge, ...] = get_args(Knowledge)
"""From least to most; an amendment is the weaker the later its level appears here."""

_EFFECTS = frozenset(("peeked", "opened", "decided", "deferred", "superseded", "memo", "watched"))
_OUTCOMES = frozenset(("looked",))
_ASSIGNED = frozenset(("launched",))


def knowledge(entries: Iterable[Entry]) -> Knowledge:
    """The highest level of knowledge that the entries show.

    `looked` counts as outcomes computed, unless its body says `"outcomes": false` (only exposures were counted).
    Deciding or writing a memo without an `opened` entry counts as effects seen: who decides has seen, unless the
    body says `"effects": false` (stopped for a reason that is no result).
    """
    level = 0
    for entry in entries:
        if entry.kind in _EFFECTS:
            level = max(level, 3 if entry.body.get("effects") is not False else 1)
        elif entry.kind in _OUTCOMES:
            level = max(level, 2 if entry.body.get("outcomes") is not False else 1)
        elif entry.kind in _ASSIGNED:
            level = max(level, 1)
    return LEVELS[level]


def data_of(body: Mapping[str, Any], seq: int) -> str:
    """What identifies the data that a look was at: the digest of what was read, and how it was read where that differs.

    The same file up to another day, in another zone or by another column shows other numbers: that is another look. A table in
    memory has no digest of its own: a look that took other columns of it says at which data it was (`same_data`).
    """
    data = state_of_data(body) or f"entry {seq}"
    reading = body.get("reading") or {}
    how = {k: v for k, v in (reading.get("how") or {}).items() if k not in ("slices", "day")}
    return f"{data} {json.dumps(how, sort_keys=True)}" if how else data


def same_data(entries: Iterable[Entry], body: Mapping[str, Any]) -> str:
    """The digest of an earlier look at the data of a look, where that read other columns of it; "" where there is none.

    The rows are the same, and so is each column that both read. What either read alone can't differ.

    Args:
        entries: Before the look.
        body: Of the look; `content` holds the digest of its rows, and of each column.
    """
    content = body.get("content") or {}
    known: dict[str, dict[str, str]] = {}
    for entry in entries:
        if entry.body.get("content"):
            known.setdefault(state_of_data(entry.body), {}).update(entry.body["content"])
    for data, columns in known.items():
        shared = columns.keys() & content.keys()
        if "" in shared and all(columns[name] == content[name] for name in shared):
            return data if data != body.get("fingerprint") else ""
    return ""


def state_of_data(body: Mapping[str, Any]) -> str:
    """The digest of the data of a look, whatever columns it took of a table in memory; "" where an old entry has none."""
    return str(body.get("same_data") or body.get("fingerprint", ""))


def choices_of(body: Mapping[str, Any]) -> str:
    """How a look took its data apart: columns and values of a table, zone, repeats and schema of a log; "" where none is named.

    No design pays for choosing among these. Up to when a log was read, and its slices, are no such choice.
    """
    reading = body.get("reading") or {}
    how = {k: v for k, v in (reading.get("how") or {}).items() if k not in ("until", "slices", "day")}
    return json.dumps(how, sort_keys=True) if how or reading.get("kind") == "log" else ""


CLOSE = 0.95
"""A look at so large a share of the units of another one has as good as shown it."""


def ends_by_choice(looks: Sequence[Entry]) -> bool:
    """Whether a look was declared the last after the effects of nearly as many units had been seen."""
    for i, look in enumerate(looks):
        seen = max((int(e.body["n"]) for e in looks[:i] if not e.body.get("last")), default=0)
        if look.body.get("last") and seen >= CLOSE * int(look.body["n"]):
            return True
    return False


def goes_back(looks: Sequence[Entry]) -> bool:
    """Whether the newest look is at data that end before an earlier look's, or at older data that were left for others."""
    if not looks:
        return False
    last = looks[-1]
    until, data = str(last.body.get("data_until", "")), [data_of(e.body, e.seq) for e in looks]
    ends = [str(e.body.get("data_until", "")) for e in looks[:-1]]
    return bool(until and any(until < end for end in ends)) or (data[-1] in data[:-1] and data[-2] != data[-1])


def distinct_looks(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Looks at effects, each state of the data once: a second look at the same data is the same look, whoever took it.

    Of several at the same data the first stands, and the first peek where one of them was a peek.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind in ("opened", "peeked"):
            data = data_of(entry.body, entry.seq)
            if data not in found or (entry.kind == "peeked" and found[data].kind == "opened"):
                found[data] = entry
    return tuple(found.values())
