"""Whether the plan came before the data, as the looks on record have found it."""

from __future__ import annotations

from collections.abc import Sequence

from xpbench.ledger.entry import Entry

STAMPS = {
    "after": "PLANNED AFTER THE DATA",
    "partly": "PARTLY PLANNED AFTER THE DATA",
    "retrospective": "RETROSPECTIVE",
}
"""What a reader must know before any number, by the state that the health check `plan_first` found."""


def planned_after(entries: Sequence[Entry]) -> str:
    """Stamp and dates, as a sentence; "" where the plan came first, or nothing is known about it.

    Args:
        entries: Of a ledger, oldest first.
    """
    registered = next((e for e in entries if e.kind == "registered"), None)
    looks = [e for e in entries if e.kind in ("looked", "opened", "peeked")]
    if registered is None:
        return ""
    found = str(looks[-1].body.get("health", {}).get("plan_first", "")) if looks else ""
    stamp = STAMPS["retrospective"] if registered.body.get("retrospective") is True else STAMPS.get(found, "")
    if not stamp:
        return ""
    dates = [str(e.body["first_exposure"])[:10] for e in looks if e.body.get("first_exposure")]
    first = min(dates) if found in ("after", "partly") and dates else dates[-1] if dates else ""
    return f"{stamp}: registered on {registered.at[:10]}" + (f", first exposure on {first}." if first else ".")
