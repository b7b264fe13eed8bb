"""The order of a ledger's entries: the second copy of the table, which imports nothing of the first."""

from __future__ import annotations

from collections.abc import Sequence

from xpbench.verifier.report import J

GRAMMAR: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "registered": ((), ("*",)),
    "amended": (("registered",), ("restarted",)),
    "launched": (("registered",), ("restarted",)),
    "restarted": (("registered",), ("restarted",)),
    "superseded": (("decided", "deferred"), ()),
    "watched": (("decided",), ()),
}
"""By kind: one of these came before, none of these did (`*`: no entry at all); every other kind comes after `registered`."""

KINDS = (
    "amended",
    "concluded",
    "decided",
    "deferred",
    "launched",
    "looked",
    "memo",
    "opened",
    "peeked",
    "preflight",
    "published",
    "registered",
    "repaired",
    "restarted",
    "rolled_back",
    "signed_off",
    "stamped",
    "superseded",
    "waived",
    "watched",
)
"""Every kind that this release writes; an entry of another one is of a newer version."""

ABOUT_THE_PLAN = ("amended", "launched", "looked", "opened", "peeked", "decided", "deferred", "watched", "restarted")
CONFLICTS = ("amended", "decided", "deferred", "restarted")
"""What an entry of these kinds does not commute with, once it says on which head it was based."""


def order(entries: Sequence[tuple[J, str]]) -> str:
    """What is wrong with the order of entries (each with the digest of its line), "" where nothing is."""
    seen: list[str] = []
    plan, decision = "", 0
    for number, (entry, _) in enumerate(entries, 1):
        kind, body = entry["kind"], entry["body"]
        wrong = _base(entry, number, entries) if entry["schema"] >= 2 else ""
        if wrong:
            return wrong
        if seen and seen[0] != "registered" and kind != "registered":
            seen.append(kind)
            continue
        needs, bars = GRAMMAR.get(kind, (("registered",), ()))
        if needs and seen and not set(needs) & set(seen):
            return f"entry {number}, {kind}, needs {needs[0]} before it"
        if ("*" in bars and seen) or set(bars) & set(seen):
            return f"entry {number}, {kind}, can't come after {seen[0] if '*' in bars else bars[0]}"
        if entry["schema"] >= 2 and "merged" not in body:
            about = body.get("replaces" if kind == "amended" else "plan_digest", plan)
            if kind in ABOUT_THE_PLAN and plan and about != plan:
                return f"entry {number}, {kind}, speaks of a plan that is not in force"
            if kind in ("decided", "deferred") and (body.get("supersedes", decision or None) or 0) != decision:
                return f"entry {number}, {kind}, does not say which decision it supersedes"
        seen.append(kind)
        if kind in ("registered", "amended"):
            plan = str(body.get("plan_digest", ""))
        elif kind in ("decided", "deferred"):
            decision = number
    return ""


def _base(entry: J, number: int, entries: Sequence[tuple[J, str]]) -> str:
    """What is wrong with the head on which an entry says it is based."""
    if "base" not in entry:
        return ""
    length, _, digest = str(entry["base"]).partition(":")
    place = int(length) if length.isascii() and length.isdigit() else -1
    if not 0 <= place < number or digest != (entries[place - 1][1] if place else "0" * 64):
        return f"entry {number} is based on a head that this ledger never had"
    since = [e["kind"] for e, _ in entries[place : number - 1]]
    if entry["kind"] in CONFLICTS and set(CONFLICTS) & set(since):
        return f"entry {number}, {entry['kind']}, is based on an older head than the {set(CONFLICTS).intersection(since).pop()}"
    return ""
