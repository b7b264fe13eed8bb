"""The folder of a registered experiment: its ledger verified, and plan.json the one on record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import ChangedPlan, LedgerError, plain
from xpbench.ledger import Entry, Ledger
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan.diff import Change, diff
from xpbench.plan.methods import METHODS, WHOLE
from xpbench.plan.reading import read_document


def plan_in_force(entries: Sequence[Entry]) -> dict[str, Any]:
    """The plan as it was registered or last amended.

    Raises:
        LedgerError: `XPB-L09`, no plan is on record.
    """
    for entry in reversed(entries):
        if entry.kind in ("registered", "amended"):
            document: dict[str, Any] = json.loads(json.dumps(entry.body["plan"]))
            return document
    raise LedgerError("XPB-L09")


def methods_in_force(entries: Sequence[Entry]) -> int:
    """Edition of the methods that the experiment was registered under, at least the one in which no status is passed over."""
    first = next((e for e in entries if e.kind == "registered"), None)
    return max(int(first.body.get("methods", WHOLE)) if first is not None else METHODS, WHOLE)


def read_entries(folder: Path) -> tuple[Entry, ...]:
    """The verified ledger of an experiment whose plan.json is the one on record.

    Raises:
        BrokenLedger: the chain does not hold; says where.
        ChangedPlan: `XPB-P28`, plan.json differs from what was registered; names the field.
    """
    entries = Ledger(folder / LEDGER).entries()
    ensure_unchanged(folder, plan_in_force(entries))
    return entries


def ensure_unchanged(folder: Path, document: Mapping[str, Any]) -> None:
    """Nothing, where plan.json is the plan in force.

    Raises:
        ChangedPlan: `XPB-P28`, it differs; names the field.
    """
    found = read_document(folder / PLAN)
    if _text(found) != _text(document) and digest(found) != digest(document):
        changes = diff(document, found)
        first = changes[0] if changes else Change("", None, None)
        raise ChangedPlan(
            "XPB-P28", pointer=plain(first.pointer or "/"), expected=_brief(first.before), found=_brief(first.after)
        )


def _text(document: Mapping[str, Any]) -> str:
    """Plain JSON: equal texts are equal values, and it is made much faster than the canonical form."""
    return json.dumps(document, sort_keys=True)


def _brief(value: Any) -> Any:
    return "nothing" if value is None else value
