"""The folder of a registered experiment: its ledger verified, and plan.json the one on record."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import ChangedPlan, InputError, LedgerError, plain
from xpbench.ledger import Entry, Ledger
from xpbench.ledger.folder import LEDGER, PLAN, ensure_named
from xpbench.plan import Plan
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


def decision_of(entries: Sequence[Entry]) -> Entry | None:
    """The decision in force, or None."""
    return next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)


def methods_in_force(entries: Sequence[Entry]) -> int:
    """Edition of the methods that the experiment was registered under, at least the one in which no status is passed over."""
    first = next((e for e in entries if e.kind == "registered"), None)
    return max(int(first.body.get("methods", WHOLE)) if first is not None else METHODS, WHOLE)


def read_entries(folder: Path, *, strictly: bool = False, by_name: bool = True) -> tuple[Entry, ...]:
    """The verified ledger of an experiment whose plan.json is the one on record.

    Args:
        folder: Of the experiment.
        strictly: Refuse a plan.json that is an older plan of the ledger or missing, instead of making it again.
        by_name: Refuse a folder that has another name than the key of its experiment.

    Raises:
        BrokenLedger: the chain does not hold; says where.
        ChangedPlan: `XPB-P28`, plan.json differs from what was registered; names the field.
        LedgerError: `XPB-L09` no plan is on record, `XPB-L17` the folder was copied or renamed.
    """
    entries = Ledger(folder / LEDGER).entries()
    document = plan_in_force(entries)
    if by_name:
        ensure_named(folder, entries)
    if strictly:
        ensure_unchanged(folder, document)
    else:
        keep_plan(folder, entries)
    return entries


def keep_plan(folder: Path, entries: Sequence[Entry]) -> None:
    """Make plan.json the plan in force, where it is missing or an older plan of this ledger.

    A registration or an amendment that is killed after its entry leaves that; the ledger is the truth. On a disk that can't be
    written it stays as it is: the plan is taken from the ledger anyway.

    Raises:
        ChangedPlan: `XPB-P28`, it is no plan that this ledger ever had; names the field.
    """
    document = plan_in_force(entries)
    try:
        ensure_unchanged(folder, document)
    except InputError:
        if (folder / PLAN).exists():
            raise
    except ChangedPlan:
        found = digest(read_document(folder / PLAN))
        plans = (e.body["plan"] for e in entries if e.kind in ("registered", "amended"))
        if all(digest(plan) != found for plan in plans):
            raise
    else:
        return
    with contextlib.suppress(InputError):
        Plan(**document).save(folder / PLAN)


def ensure_unchanged(folder: Path, document: Mapping[str, Any]) -> None:
    """Nothing, where plan.json is the plan in force.

    Raises:
        ChangedPlan: `XPB-P28`, it differs; names the field.
        InputError: `XPB-I01`, there is none.
    """
    found = read_document(folder / PLAN)
    if not _is_same(found, document) and digest(found) != digest(document):
        changes = diff(document, found)
        first = changes[0] if changes else Change("", None, None)
        raise ChangedPlan("XPB-P28", pointer=plain(first.pointer), expected=_brief(first.before), found=_brief(first.after))


def _is_same(a: Any, b: Any) -> bool:
    """Whether two JSON values are one: what is equal here has one canonical form, which takes much longer to make."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_is_same(value, b[key]) for key, value in a.items())
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(_is_same, a, b))
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)


def _brief(value: Any) -> Any:
    return "nothing" if value is None else value
