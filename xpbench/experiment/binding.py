"""Binding: a decision rests on what a look on record showed, on nothing edited since, and knows of later looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xpbench._version import __version__
from xpbench.canonical import digest
from xpbench.data.summary import Summary
from xpbench.decide.readout import Readout
from xpbench.decide.recommend import recommend
from xpbench.errors import DecisionError, plain
from xpbench.health import Check
from xpbench.ledger import Entry
from xpbench.ledger.knowledge import data_of
from xpbench.plan import Plan

WORDS = {"summary": "the moments", "health": "a health check", "rows": "an estimate"}


def digests_of(summary: Summary, health: Iterable[Check]) -> dict[str, str]:
    """What a look at effects binds besides counts: digests of the moments and of the health checks, as they were shown.

    `reveal` adds that of the rows. The recommendation follows from these and from the plan.
    """
    return {"summary": digest(summary.to_dict()), "health": digest([c.to_dict() for c in health])}


def look_of(entries: Sequence[Entry], readout: Readout) -> Entry:
    """The look on record that a readout came from.

    Raises:
        DecisionError: `XPB-R08`, there is none.
    """
    found = [e for e in entries if e.kind == readout.kind and readout.at in (e.at, merged_at(e))]
    if found:  # of several at one moment the one that showed this
        parts = digests_of(readout.summary, readout.health) | {"rows": digest([r.to_dict() for r in readout.rows])}
        return next((e for e in found if e.body.get("shown") == parts), found[0])
    raise DecisionError("XPB-R08", key=readout.key)


def merged_at(entry: Entry) -> str:
    """When an entry was first recorded, where a repair put it back from the other side of a merge; "" otherwise."""
    merged = entry.body.get("merged")
    return str(merged.get("at", "")) if isinstance(merged, Mapping) else ""


def later_looks(entries: Sequence[Entry], look: Entry) -> list[Entry]:
    """Looks at effects that were not known at this one, at other data: one for each state of the data, the first at it.

    They came after it; or, where a repair joined two sides of a ledger, on the other side.
    """
    merged = look.body.get("merged")
    fork = next((int(e.body["fork"]) for e in reversed(entries[: look.seq]) if e.kind == "repaired" and "fork" in e.body), 0)
    seen = {data_of(look.body, look.seq)}
    out = []
    for entry in entries:
        own = entry.body.get("merged")
        is_known = entry.seq <= look.seq
        if isinstance(merged, Mapping):
            is_known = entry.seq <= fork or (isinstance(own, Mapping) and own["seq"] <= merged["seq"])
        data = data_of(entry.body, entry.seq) if entry.kind in ("opened", "peeked") else ""
        if not is_known and data and data not in seen:
            seen.add(data)
            out.append(entry)
    return out


def ensure_as_shown(plan: Plan, readout: Readout, look: Entry, entries: Sequence[Entry]) -> None:
    """Return only if nothing in a readout was edited since the look that it came from.

    The entry of the look holds the digests of moments, health checks and rows; the recommendation follows from these, and is
    computed again. Entries of earlier releases hold counts and the fingerprint of the data.

    Raises:
        DecisionError: `XPB-R16`, with the part that differs.
    """
    shown = look.body.get("shown", {})
    parts = digests_of(readout.summary, readout.health) | {"rows": digest([r.to_dict() for r in readout.rows])}
    for part, value in shown.items():
        if parts.get(part) != value:
            raise DecisionError("XPB-R16", part=plain(WORDS.get(part, part)), seq=look.seq)
    if look.body["fingerprint"] != readout.summary.fingerprint or dict(look.body["units"]) != dict(readout.summary.units):
        raise DecisionError("XPB-R16", part=plain("the data"), seq=look.seq)
    if shown and readout.versions.get("xpbench") == __version__:
        advice = recommend(plan, readout.rows, readout.health, is_adequate=readout.due.is_adequate)
        if digest(advice.to_dict()) != digest(readout.recommendation.to_dict()):
            raise DecisionError("XPB-R16", part=plain("the recommendation"), seq=look.seq)
