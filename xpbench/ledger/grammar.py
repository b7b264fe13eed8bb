"""The order of a ledger's entries, written once as a table: what must have come before a kind, and what may not have.

Appending, every reading of a ledger, `xpbench review` and the verifier of memos hold the same table. The verifier has a copy
of its own, because it imports nothing of the house; a test compares the two and tries both on the same entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from xpbench.ledger.entry import KINDS, START, Entry

NOTHING = "*"
"""Among what may not have come before: any entry at all."""

GRAMMAR: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "registered": ((), (NOTHING,)),
    "amended": (("registered",), ("restarted",)),
    "launched": (("registered",), ("restarted",)),
    "restarted": (("registered",), ("restarted",)),
    "superseded": (("decided", "deferred"), ()),
    "watched": (("decided",), ()),
}
"""By kind: one of these came before, none of these did. `registered` is the first entry and the only one of its kind."""

OTHERS: tuple[tuple[str, ...], tuple[str, ...]] = (("registered",), ())
"""Of every other kind, those of a newer version among them."""

ABOUT_THE_PLAN = ("amended", "launched", "looked", "opened", "peeked", "decided", "deferred", "watched", "restarted")
"""Kinds whose entries name the plan that was in force; a sign-off may be over an earlier one, and is then told as such."""

CONFLICTS: Mapping[str, frozenset[str]] = {
    "amended": frozenset(("amended", "decided", "deferred", "restarted")),
    "decided": frozenset(("amended", "decided", "deferred", "restarted")),
    "deferred": frozenset(("amended", "decided", "deferred", "restarted")),
    "restarted": frozenset(("amended", "decided", "deferred", "restarted")),
}
"""What may not have been added since the head on which an entry of this kind is based. Looks and signatures commute."""


class RecordState(NamedTuple):
    """What the order of further entries depends on.

    Attributes:
        seen: Kinds of the entries so far.
        plan: Digest of the plan in force, "" where none is known.
        decision: Place of the decision in force, 0 where there is none.
    """

    seen: frozenset[str] = frozenset()
    plan: str = ""
    decision: int = 0


EMPTY = RecordState()


def step(state: RecordState, seq: int, kind: str, body: Mapping[str, Any], schema: int) -> RecordState:
    """The state after one more entry.

    A ledger that does not begin with a registration is a record of something else: it can't become an experiment any more, no
    plan is in force in it, and what reads experiments refuses it (`XPB-L09`).

    Entries of schema 2 also have to speak of the plan in force, and of the decision that they supersede. Those of schema 1
    could be written by a handle that had not seen the latest amendment, and stay readable. Entries that a repair has put back
    from the other side of a merge speak of what that side knew.

    Args:
        state: After the entries before.
        seq: Place of the entry.
        kind: What happened.
        body: What belongs to it.
        schema: Of its record.

    Raises:
        ValueError: with the reason, the entry may not stand here.
    """
    seen = state.seen
    needs, bars = GRAMMAR.get(kind, OTHERS)
    if seen and "registered" not in seen and kind != "registered":
        return state if kind in seen else RecordState(seen | {kind})
    if needs and seen and seen.isdisjoint(needs):
        raise ValueError(f"“{kind}” needs “{needs[0]}” before it")
    if bars:
        if bars[0] == NOTHING:
            if seen:
                again = "a plan is registered once" if kind in seen else "it is the first entry of a ledger"
                raise ValueError(f"“{kind}” can't come after other entries: {again}")
        elif not seen.isdisjoint(bars):
            raise ValueError(f"“{kind}” can't come after “{bars[0]}”")
    plan, decision = state.plan, state.decision
    if schema >= 2 and "merged" not in body:
        speaks_of = body.get("replaces" if kind == "amended" else "plan_digest", plan)
        if kind in ABOUT_THE_PLAN and plan and speaks_of != plan:
            raise ValueError(f"“{kind}” speaks of plan {str(speaks_of)[:12]}, and plan {plan[:12]} is in force")
        if kind in ("decided", "deferred") and (body.get("supersedes", decision or None) or 0) != decision:
            told = f"the decision of entry {decision} is in force" if decision else "there is no decision before it"
            raise ValueError(f"“{kind}” does not say which decision it supersedes: {told}")
    if kind in ("registered", "amended"):
        plan = str(body.get("plan_digest", ""))
    elif kind in ("decided", "deferred"):
        decision = seq
    if kind in seen and plan == state.plan and decision == state.decision:
        return state
    return RecordState(seen | {kind}, plan, decision)


def state_of(entries: Iterable[Entry]) -> RecordState:
    """The state after all these entries.

    Raises:
        ValueError: with the reason, one of them may not stand where it does.
    """
    state = EMPTY
    for entry in entries:
        state = step(state, entry.seq, entry.kind, entry.body, entry.schema)
    return state


def unknown_kinds(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Kinds that this release does not know, in order of their first entry: a newer version has written them."""
    return tuple(dict.fromkeys(e.kind for e in entries if e.kind not in KINDS))


def conflicts(kind: str, since: Sequence[Entry]) -> list[Entry]:
    """The entries among those added since its base that an entry of this kind does not commute with."""
    barred = CONFLICTS.get(kind, frozenset())
    return [e for e in since if e.kind in barred]


def ensure_base(entry: Entry, before: Sequence[Entry]) -> None:
    """Return only if the base that an entry names is a head of this ledger, and nothing was undone in silence since.

    Args:
        entry: With a base.
        before: All entries before it.

    Raises:
        ValueError: with the reason.
    """
    length, _, digest = entry.base.partition(":")
    place = int(length)
    if place >= entry.seq or digest != (before[place - 1].digest if place else START):
        raise ValueError("it says it is based on a head that this ledger never had")
    if found := conflicts(entry.kind, before[place:]):
        raise ValueError(f"it is based on a head from before entry {found[0].seq} ({found[0].kind})")


def brief(entry: Entry) -> str:
    """An entry in a few words: what it did, by whom, and which fields of the plan it changed."""
    who = f" by {entry.by}" if entry.by else ""
    if entry.kind == "amended":
        fields = [str(c.get("pointer", "")) for c in entry.body.get("changes", ()) if isinstance(c, Mapping)]
        return f"entry {entry.seq} amended{who}: {', '.join(fields[:6])}{', …' if len(fields) > 6 else ''}"
    if entry.kind in ("decided", "deferred"):
        outcome = f"{entry.body.get('outcome', '')} {entry.body.get('variant') or ''}".strip()
        return f"entry {entry.seq} decided{who}: {outcome}"
    return f"entry {entry.seq} {entry.kind.replace('_', ' ')}{who}"
